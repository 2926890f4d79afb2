# SPDX-License-Identifier: Apache-2.0
"""Scanners, at the server itself and through Sluice: they find nothing that the server has not, and no weakness of ours."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from lab.clients import WEB_NAME
from lab.topology import SERVER_IP

NMAP_SCRIPTS = "ssl-enum-ciphers,ssl-heartbleed,ssl-ccs-injection,ssl-poodle,sslv2,sslv2-drown,ssl-dh-params,tls-alpn"
WEAK = ("LOW", "MEDIUM", "HIGH", "CRITICAL")


def nmap(namespace):
    with namespace:
        xml = subprocess.run(["nmap", "-sT", "-Pn", "-n", "-p", "443", "--script", NMAP_SCRIPTS, "--script-args", "tls.servername=" + WEB_NAME,
                              "-oX", "-", SERVER_IP], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=100).stdout
    scripts = {script.get("id"): script for script in ElementTree.fromstring(xml).iter("script")}
    suites = {(version.get("key"), name.text) for version in scripts["ssl-enum-ciphers"].findall("table") for table in version.findall("table")
              if table.get("key") == "ciphers" for row in table for name in row if name.get("key") == "name"}
    return scripts, suites


@pytest.mark.limit(150)
def test_d_nmap_finds_nothing_that_the_server_has_not(lab):
    (own, own_suites), (seen, suites) = nmap(lab.server), nmap(lab.client)
    assert {version for version, _ in suites} == {"TLSv1.2", "TLSv1.3"}, suites
    assert suites <= own_suites, suites - own_suites
    assert set(seen) <= set(own), "a script that has something to say about Sluice alone: %s" % (set(seen) - set(own))
    for script in "ssl-heartbleed", "ssl-ccs-injection", "ssl-poodle", "sslv2-drown":
        assert script not in seen or "VULNERABLE" not in seen[script].get("output"), seen[script].get("output")


def run_testssl(namespace, path):
    if os.path.exists(path):
        os.remove(path)
    with namespace:
        subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "-p", "-s", "-f", "-U", "-c", "--sneaky",
                        "--jsonfile", path, "%s:443" % SERVER_IP], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=900)
    with open(path) as out:
        return {row["id"]: row for row in json.load(out) if "id" in row}


@pytest.mark.long
@pytest.mark.limit(1900)
def test_d_testssl_finds_no_more_than_at_the_server(lab):
    own = run_testssl(lab.server, lab.topology.path("testssl-own.json"))
    seen = run_testssl(lab.client, lab.topology.path("testssl-seen.json"))
    assert len(seen) > 30, seen
    worse = {name: (own.get(name, {}).get("finding"), row["finding"]) for name, row in seen.items()
             if row["severity"] in WEAK and own.get(name, {}).get("severity") not in WEAK}
    assert not worse, worse
    for version in "SSLv2", "SSLv3", "TLS1", "TLS1_1":
        assert "not offered" in seen[version]["finding"], seen[version]
    assert not [name for name, row in seen.items() if re.match(r"(?i)vulnerable", row["finding"])], seen
