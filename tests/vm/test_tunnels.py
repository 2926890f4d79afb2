# SPDX-License-Identifier: Apache-2.0
"""A4, A5: the kernel's own gre, ipip and 8021q devices on both sides of the wire. Sluice runs on this machine; the ends are a machine with
Debian's kernel (kernel_ends.py)."""
import os

import pytest

from kernel_ends import ROOT, KernelEnds
from lab.appliance import configuration, ssl_server
from lab.clients import WEB_NAME
from lab.laboratory import Laboratory
from lab.namespace import wait_until

OUTER = {"client": "local 10.9.0.1 remote 10.9.0.2", "server": "local 10.9.0.2 remote 10.9.0.1"}


def tunnel(case, number, kind, options="", inspected=True):
    """each has inner addresses of its own, so that its records can be told"""
    device = "tun%d" % number
    commands = {side: ["link add %s type %s %s %s" % (device, kind, ends, options), "link set %s up" % device,
                       "addr add 10.10.%d.%d/24 dev %s" % (number, 1 if side == "client" else 2, device)] for side, ends in OUTER.items()}
    return {"case": case, "device": device, "server": "10.10.%d.2" % number, "name": WEB_NAME, "inspected": inspected,
            "client_commands": commands["client"], "server_commands": commands["server"]}


def vlan(case, number, tag):
    commands = {side: ["link add link eth0 name vlan%d type vlan id %d" % (tag, tag), "link set vlan%d up" % tag,
                       "addr add 10.10.%d.%d/24 dev vlan%d" % (number, 1 if side == "client" else 2, tag)] for side in OUTER}
    return {"case": case, "device": "vlan%d" % tag, "server": "10.10.%d.2" % number, "name": WEB_NAME, "inspected": True,
            "client_commands": commands["client"], "server_commands": commands["server"]}


CASES = [tunnel("gre", 1, "gre"), tunnel("gre with a key", 2, "gre", "key 77"), tunnel("ipip", 3, "ipip"), vlan("8021q", 4, 100),
         tunnel("gre with checksums", 5, "gre", "csum", inspected=False), tunnel("gre with sequence numbers", 6, "gre", "seq", inspected=False)]


def document(topology):
    return configuration(topology, servers=[ssl_server("web", ["443"], destinations=["10.10.0.0/16"])])


@pytest.fixture(scope="module")
def results():
    if not os.path.isdir(os.path.join(ROOT, "boot")):
        pytest.skip("no root of the appliance: vm/build-image")
    with Laboratory(document=document) as lab, KernelEnds(lab.topology) as ends:
        found = {result["case"]: result for result in ends.run(CASES, 600)}
        inspected = [case for case in CASES if case["inspected"]]
        wait_until(lambda: len(lab.appliance.records("block")) >= len(inspected), 20, "the Block records")
        yield found, lab.appliance.records("block"), lab.appliance.records("ssl_inspection"), lab.appliance.counters()


@pytest.mark.parametrize("case", [case for case in CASES if case["inspected"]], ids=lambda case: case["case"])
def test_a4_traffic_of_the_kernels_own_devices_is_inspected(results, case):
    found, blocks, sessions, _ = results
    answer = found[case["case"]]
    assert answer["fine"] == "hello\n" and answer["bulk"], answer
    assert answer["attack"] in (35, 52, 55, 56), "curl: the connection was reset: %s" % answer
    block, = [row for row in blocks if row["dest_ip"] == case["server"]]
    session = next(row for row in sessions if row["dest_ip"] == case["server"] and row["action"] == "decrypted")
    if "8021q" in case["case"]:
        assert block["vlan"] == session["vlan"] == 100
    else:
        assert session["tunnel"].startswith(case["case"].split()[0]) and ("77" in session["tunnel"]) == ("key" in case["case"])


@pytest.mark.parametrize("case", [case for case in CASES if not case["inspected"]], ids=lambda case: case["case"])
def test_a4_what_is_not_inspected_passes_and_is_counted(results, case):
    found, blocks, sessions, counters = results
    answer = found[case["case"]]
    assert answer["fine"] == "hello\n" and answer["bulk"] and answer["attack"] == 0, answer
    assert not [row for row in blocks + sessions if row["dest_ip"] == case["server"]]
    assert counters["wire_tunnel_gre_options"] > 0
