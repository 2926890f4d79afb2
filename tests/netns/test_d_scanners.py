# SPDX-License-Identifier: Apache-2.0
"""Scanners, at the server itself and through Sluice: they find nothing that the server has not, and no weakness of ours."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from lab.clients import WEB_NAME
from lab.peers import OpensslServer
from lab.topology import SERVER_IP

NMAP_SCRIPTS = "ssl-enum-ciphers,ssl-heartbleed,ssl-ccs-injection,ssl-poodle,sslv2,sslv2-drown,ssl-dh-params,tls-alpn"
WEAK = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
SUITE = re.compile(r"^(?:Preferred|Accepted)\s+(TLSv[\d.]+)\s+\d+ bits\s+(\S+)", re.M)
GROUP = re.compile(r"^(TLSv[\d.]+)\s+\d+ bits\s+(\S+)", re.M)
SIGNATURE = re.compile(r"^(TLSv[\d.]+)\s+([a-z]\w+)$", re.M)


# --- sslscan ----------------------------------------------------------------------------------------------------------
def sslscan(namespace, port):
    with namespace:
        said = subprocess.run(["sslscan", "--no-colour", "--show-sigs", "--sni-name=" + WEB_NAME, "%s:%d" % (SERVER_IP, port)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=50).stdout.decode()
    suites, _, rest = said.partition("Key Exchange Group(s):")
    groups, _, signatures = rest.partition("Signature Algorithm(s):")
    return said, [set(pattern.findall(part)) for pattern, part in ((SUITE, suites), (GROUP, groups), (SIGNATURE, signatures.partition("Certificate:")[0]))]


def test_d_sslscan_finds_nothing_that_the_server_has_not(lab):
    (_, own), (said, seen) = sslscan(lab.server, 443), sslscan(lab.client, 443)
    for found, has, versions in zip(seen, own, ({"TLSv1.2", "TLSv1.3"}, {"TLSv1.2", "TLSv1.3"}, {"TLSv1.3"})):
        assert {version for version, _ in found} == versions, said  # it names no groups when it asks for signatures of TLS 1.2
        assert found <= has, (found - has, said)
    for line in "SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled":
        assert line in said, (line, said)
    assert not re.search(r"(?<!not )vulnerable to heartbleed", said), said
    assert "Session renegotiation not supported" in said or "Secure session renegotiation supported" in said, said


def test_d_sslscan_finds_the_few_things_that_the_server_has(lab):
    """two suites of TLS 1.2, two groups, two signature algorithms: Sluice itself has more of each, and shows these; only the suites of
    TLS 1.3 are its own"""
    with OpensslServer(lab.topology, lab.certificate, 8446, "-www", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA",
                       "-groups", "P-256:P-384", "-sigalgs", "RSA+SHA256:RSA-PSS+SHA512"):
        (_, own), (said, seen) = sslscan(lab.server, 8446), sslscan(lab.client, 8446)
    assert {name for version, name in seen[0] if version == "TLSv1.2"} == {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA"}, said
    assert seen[1] == own[1] and len(seen[1]) == 4, (seen[1], own[1])
    assert seen[2] == own[2] and len(seen[2]) >= 1, (seen[2], own[2])


# --- nmap -------------------------------------------------------------------------------------------------------------

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


# --- testssl.sh -------------------------------------------------------------------------------------------------------
# its parts, and how many findings each has at least; together they take three minutes
PARTS = {"protocols": (["-p"], 6), "suites": (["-s", "-f"], 10), "renegotiation": (["-R", "-Z"], 3),
         "records": (["-H", "-I", "-T", "--robot", "-C", "-B"], 6), "old": (["-O", "-W", "-F", "-D", "-J", "-A", "-L", "-4"], 8), "clients": (["-c"], 20)}


def run_testssl(namespace, path, options):
    if os.path.exists(path):
        os.remove(path)
    with namespace:
        subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", *options, "--sneaky",
                        "--jsonfile", path, "%s:443" % SERVER_IP], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=900)
    with open(path) as out:
        return {row["id"]: row for row in json.load(out) if "id" in row}


@pytest.mark.long
@pytest.mark.limit(1900)
@pytest.mark.parametrize("part", PARTS)
def test_d_testssl_finds_no_more_than_at_the_server(lab, part):
    options, least = PARTS[part]
    own = run_testssl(lab.server, lab.topology.path("testssl-own.json"), options)
    seen = run_testssl(lab.client, lab.topology.path("testssl-seen.json"), options)
    assert len(seen) >= least, seen
    worse = {name: (own.get(name, {}).get("finding"), row["finding"]) for name, row in seen.items()
             if row["severity"] in WEAK and own.get(name, {}).get("severity") not in WEAK}
    assert not worse, worse
    for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1") if part == "protocols" else ():
        assert "not offered" in seen[version]["finding"], seen[version]
    assert not [name for name, row in seen.items() if re.match(r"(?i)vulnerable", row["finding"])], seen
