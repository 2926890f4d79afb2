# SPDX-License-Identifier: Apache-2.0
"""Suricata 7 over a pcap file, as an oracle. It is no package of this repository's: SLUICE_SURICATA names the root folder into
which Debian's package (bookworm-backports) and what it needs were unpacked, or "/" where it is installed."""
import glob
import json
import os
import subprocess

SETTINGS = {
    "vars.address-groups.HOME_NET": "any", "vars.address-groups.EXTERNAL_NET": "any", "vars.port-groups.HTTP_PORTS": "any",
    "stream.reassembly.randomize-chunk-size": "no", "stream.midstream": "no",
    "stream.reassembly.depth": "0",  # all of a connection, as Sluice does: by default the first megabyte
    "app-layer.protocols.http.libhtp.default-config.request-body-limit": "0",
    "app-layer.protocols.http.libhtp.default-config.response-body-limit": "0",
    "app-layer.protocols.http.libhtp.default-config.randomize-inspection-sizes": "no",
}


def root():
    """the root folder, or None"""
    folder = os.environ.get("SLUICE_SURICATA", "")
    return folder if folder and os.path.exists(folder + "/usr/bin/suricata") else None


def command(*arguments, **settings):
    """(arguments, environment) to run it with; settings: more of its configuration, __ for a dot"""
    folder = root().rstrip("/")
    libraries = [folder + "/usr/lib/x86_64-linux-gnu", *glob.glob(folder + "/usr/lib/x86_64-linux-gnu/dpdk/*")]
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(libraries)) if folder else os.environ
    configuration = ["-c", folder + "/etc/suricata/suricata.yaml", "--set", "classification-file=" + folder + "/etc/suricata/classification.config",
                     "--set", "reference-config-file=" + folder + "/etc/suricata/reference.config"]
    for name, value in [*SETTINGS.items(), *((name.replace("__", ".").replace("_", "-"), value) for name, value in settings.items())]:
        configuration += ["--set", "%s=%s" % (name, value)]
    return [folder + "/usr/bin/suricata", *configuration, *arguments], environment


def alerts(pcap, rules, folder):
    """{(client address, client port): set of sids}"""
    arguments, environment = command("-r", pcap, "-S", rules, "-l", folder, "-k", "none", "--runmode", "single")
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError("suricata: exit %d\n%s" % (done.returncode, done.stdout[-4000:]))
    found = {}
    with open(folder + "/eve.json") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event_type"] != "alert":
                continue
            ends = (event["src_ip"], event["src_port"]), (event["dest_ip"], event["dest_port"])
            client = ends[0] if ends[0][0].startswith("10.1.") else ends[1]
            found.setdefault(client, set()).add(event["alert"]["signature_id"])
    return found
