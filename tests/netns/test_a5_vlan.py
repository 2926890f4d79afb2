# SPDX-License-Identifier: Apache-2.0
"""A5: the VLAN tag of a flow is kept. Real stacks behind tags: each host's interface adds and removes its own."""
import pytest

from lab.capture import Capture, one_way
from lab.clients import curl, outcome_of, ping, tcp_connect
from lab.laboratory import Laboratory
from lab.peers import sha256_file
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC, SERVER_TTL

VLAN = 10


@pytest.fixture(scope="module")
def tagged(request):
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), vlan=VLAN) as laboratory:
        yield laboratory


@pytest.mark.cable
@pytest.mark.quick
def test_a5_https_in_a_vlan_keeps_its_tag(tagged):
    with Capture(tagged.server, "s0", tagged.topology.path("s.pcap")) as at_server, \
            Capture(tagged.client, "c0", tagged.topology.path("c.pcap")) as at_client:
        reply = tagged.curl("/in-a-vlan")
    assert reply.ok, reply
    to_server = one_way(at_server.frames(), CLIENT_IP, source_port=reply.local_port)
    to_client = one_way(at_client.frames(), SERVER_IP, destination_port=reply.local_port)
    assert {(f.vlan, f.source_mac, f.ttl) for f in to_server} == {(VLAN, CLIENT_MAC, CLIENT_TTL)}
    assert {(f.vlan, f.source_mac) for f in to_client} == {(VLAN, SERVER_MAC)}
    assert {f.ttl for f in to_client if f.payload} == {SERVER_TTL}


@pytest.mark.cable
def test_a5_other_tagged_traffic_passes(tagged):
    assert ping(tagged.client, SERVER_IP)
    assert curl(tagged.client, "/plain-in-a-vlan", scheme="http").ok


def test_a5_attack_in_a_vlan_is_blocked_and_logged_with_it(tagged):
    reply = tagged.curl("/a?f=../../etc/passwd&vlan", "--path-as-is")
    assert not reply.ok and not tagged.nginx.saw("passwd&vlan"), reply
    record = tagged.appliance.wait_record("block", signature_id=4000001)
    assert record["vlan"] == VLAN and record["src_port"]


# --- two tags (QinQ) --------------------------------------------------------------------------------------------------
INNER = 20


@pytest.fixture(scope="module", params=[0x8100, 0x88a8], ids=["8021q", "8021ad"])
def stacked(request):
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), vlan=VLAN, vlan_inner=INNER, vlan_protocol=request.param) as laboratory:
        yield laboratory


@pytest.mark.cable
@pytest.mark.quick
def test_a5_https_behind_two_tags_keeps_both(stacked):
    digest = stacked.nginx.put_file("stacked.bin", 8 << 20)
    target = stacked.topology.path("stacked.out")
    with Capture(stacked.server, "s0", stacked.topology.path("s.pcap")) as at_server, \
            Capture(stacked.client, "c0", stacked.topology.path("c.pcap")) as at_client:
        reply = stacked.curl("/files/stacked.bin", "-o", target, timeout=30)
    assert reply.ok and sha256_file(target) == digest, reply
    to_server = one_way(at_server.frames(), CLIENT_IP, source_port=reply.local_port)
    to_client = one_way(at_client.frames(), SERVER_IP, destination_port=reply.local_port)
    assert {(f.vlan, f.source_mac, f.ttl) for f in to_server} == {((VLAN, INNER), CLIENT_MAC, CLIENT_TTL)}
    assert {(f.vlan, f.source_mac, f.ttl) for f in to_client} == {((VLAN, INNER), SERVER_MAC, SERVER_TTL)}


@pytest.mark.cable
def test_a1_a_refused_port_behind_two_tags_is_refused(stacked):
    assert isinstance(outcome_of(lambda: tcp_connect(stacked.client, 8449))[1], ConnectionRefusedError)
    assert ping(stacked.client, SERVER_IP)


def test_a5_attack_behind_two_tags_is_blocked_and_logged_with_both(stacked):
    reply = stacked.curl("/a?f=../../etc/passwd&stacked", "--path-as-is")
    assert not reply.ok and not stacked.nginx.saw("passwd&stacked"), reply
    record = stacked.appliance.wait_record("block", signature_id=4000001)
    assert (record["vlan"], record["vlan_inner"]) == (VLAN, INNER)
    assert stacked.appliance.counters()["wire_errors"] == 0
