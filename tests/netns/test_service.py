# SPDX-License-Identifier: Apache-2.0
"""The service's limits hold for what the appliance does: started with no more capabilities than sluice@.service gives."""
import os
import re

import pytest

from lab.appliance import REPOSITORY
from lab.namespace import run
from lab.traffic import ATTACK


def test_capabilities_of_the_service_are_enough(own_lab, tmp_path):
    lab = own_lab
    with open(os.path.join(REPOSITORY, "provisioning/systemd/sluice@.service.in")) as text:
        names = re.search(r"^CapabilityBoundingSet=(.*)$", text.read(), re.MULTILINE).group(1).split()
    bounded = ",".join(["-all", *("+" + name[4:].lower() for name in names)])
    lab.appliance.stop()
    program, programs = tmp_path / "sluiced", lab.appliance.bin_dir
    program.write_text('#!/bin/sh\nexec setpriv --no-new-privs --bounding-set %s %s/sluiced --bin-dir %s "$@"\n' % (bounded, programs, programs))
    program.chmod(0o755)
    try:
        lab.appliance.bin_dir = str(tmp_path)
        lab.appliance.start()
    finally:
        lab.appliance.bin_dir = programs
    with open("/proc/%d/status" % lab.appliance.supervisor.pid) as status:
        held = dict(line.split(":\t") for line in status.read().splitlines() if ":\t" in line)
    assert held["NoNewPrivs"] == "1" and bin(int(held["CapBnd"], 16)).count("1") <= len(names)  # fewer where this host has fewer
    lab.appliance.wait_inspecting()
    assert lab.curl("/in-service").ok and lab.curl(ATTACK, "--path-as-is").reset
    lab.appliance.command("certificate", "import", "again", "--cert", lab.certificate.certificate, "--key", lab.certificate.key)
    version = lab.appliance.status()["config_version"]
    assert lab.appliance.ask("rollback", str(version))["config_version"] == version + 1
    os.kill(lab.appliance.children()["worker %d" % min(lab.appliance.workers())], 9)
    lab.appliance.wait_inspecting(2)
    assert lab.curl("/in-service-again").ok


# /etc, the prefix, the state and the processes are the namespaces' own: nothing of this host changes, and no other instance is seen
HOST = r"""
set -eu
cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
for own in /usr/local /var/lib/sluice /run/sluice; do mkdir -p $own; mount -t tmpfs none $own; done
cd "$2"
trap 'build/release/bin/sluiced --teardown --instance "$3" || :' EXIT
mkfifo "$1/said" && exec 3<>"$1/said"
start() {
	/usr/local/sbin/sluiced --instance "$1" >&3 2>&1 &
	supervisor=$!
	while read -r -t 20 line <&3; do
		[ "$line" != ready ] || return 0
		echo "$line"
	done
	return 1
}
provisioning/install
test -x /usr/local/sbin/sluiced && test -f /usr/local/lib/systemd/system/sluice@.service
grep -q ^sluice-proxy: /etc/passwd && grep -q ^sluice-keys: /etc/passwd
start "$3"
/usr/local/sbin/sluice --instance "$3" certificate import web --cert "$4" --key "$5"
# upgrade in place: programs are replaced under the instance, which goes on, and its next supervisor takes over
provisioning/install
/usr/local/sbin/sluice --instance "$3" show status
kill -KILL $supervisor; wait $supervisor || :
start "$3"
/usr/local/sbin/sluice --instance "$3" certificate list | grep -q web
kill $supervisor; wait $supervisor || :
test -e /run/netns/"$3"-wire
provisioning/remove
test ! -e /run/netns/"$3"-wire && test -d /var/lib/sluice/"$3"/certificates
test -z "$(find /usr/local -type f)" || { find /usr/local -type f; exit 1; }
provisioning/install && provisioning/remove --purge
test -z "$(ls -A /var/lib/sluice)" && ! grep -q ^sluice- /etc/passwd
echo all is well
"""


def test_install_upgrade_and_remove_on_a_host(lab, tmp_path):
    if os.path.realpath(lab.appliance.bin_dir) != os.path.join(REPOSITORY, "build/release/bin"):
        pytest.skip("provisioning/install installs the release build")
    result = run("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "bash", "-c", HOST, "bash", str(tmp_path), REPOSITORY,
                 lab.topology.name + "h", lab.certificate.certificate, lab.certificate.key, check=False, timeout=60)
    assert result.returncode == 0 and "all is well" in result.stdout, result.stdout[-3000:] + result.stderr[-3000:]
