# SPDX-License-Identifier: Apache-2.0
"""A6: where only one direction of an SSL server's flows crosses the segment. A second pair of interfaces joins client and
server round Sluice; routes send one direction there."""
import socket
import struct

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import outcome_of, tcp_connect
from lab.capture import RST, Capture, one_way
from lab.namespace import wait_until
from lab.topology import CLIENT_IP, CLIENT_MAC, SERVER_IP
from test_a1_truth import SILENT_IP, SILENT_MAC, inet_checksum, syn_frame

SECONDS = 2


def document_with(seconds):
    def document(topology):
        servers = [ssl_server("web", ["443", "8443-8449"], asymmetric_bypass_seconds=seconds), ssl_server("raw", ["9000-9009"], service="any")]
        return configuration(topology, servers=servers)
    return document


def join_round_sluice(lab):
    lab.client.run("ip", "link", "add", "c1", "type", "veth", "peer", "name", "s1", "netns", lab.server.name)
    for namespace, interface in (lab.client, "c1"), (lab.server, "s1"):
        namespace.run("ip", "link", "set", interface, "up")
        namespace.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
        namespace.run("sysctl", "-qw", *("net.ipv4.conf.%s.rp_filter=0" % name for name in (interface, interface[0] + "0")))


def mac_of(namespace, interface):
    return namespace.run("cat", "/sys/class/net/%s/address" % interface).stdout.strip()


def answers_go_round(lab):
    lab.server.run("ip", "neigh", "replace", CLIENT_IP, "lladdr", mac_of(lab.client, "c1"), "dev", "s1")
    lab.server.run("ip", "route", "add", CLIENT_IP + "/32", "dev", "s1")


def requests_go_round(lab):
    lab.client.run("ip", "neigh", "replace", SERVER_IP, "lladdr", mac_of(lab.server, "s1"), "dev", "c1")
    lab.client.run("ip", "route", "add", SERVER_IP + "/32", "dev", "c1")


def no_way_round(lab):
    lab.client.run("ip", "link", "del", "c1")


def messages(lab, text):
    return [record for record in lab.appliance.records("system") if text in record["message"]]


@pytest.mark.quick
def test_a6_where_answers_take_another_way_the_server_is_bypassed_for_a_time_and_it_is_told(fresh_lab):
    lab = fresh_lab(document=document_with(SECONDS))
    join_round_sluice(lab)
    assert lab.curl("/symmetric").ok
    answers_go_round(lab)
    # the client's repeated SYN, a second later, passes: the first connection is late, and no more
    reply = lab.curl("/asymmetric-first")
    assert reply.ok, reply
    reply = lab.curl("/a?f=../../etc/passwd&asymmetric", "--path-as-is")
    assert reply.status and lab.nginx.saw("passwd&asymmetric"), "it is bypassed"
    counters = lab.appliance.wait_counter("wire_bypassed_asymmetric", 2) and lab.appliance.counters()
    assert counters["wire_asymmetric"] == 1 and counters["wire_one_sided"] == 0
    began = wait_until(lambda: messages(lab, "asymmetric traffic: answers of SSL server web (10.9.0.2:443) reach 10.9.0.1"), 3, "the record")
    assert len(began) == 1 and began[0]["severity"] == "warning" and "until %d s after" % SECONDS in began[0]["message"]
    # mended: once the time is over, it is inspected again
    no_way_round(lab)
    wait_until(lambda: messages(lab, "asymmetric traffic of SSL server web (10.9.0.2:443) is over"), SECONDS + 4, "the end")
    reply = lab.curl("/a?f=../../etc/passwd&again", "--path-as-is")
    assert not reply.ok and not lab.nginx.saw("passwd&again"), reply


def test_a6_the_bypass_is_shown_and_can_be_cleared(fresh_lab):
    lab = fresh_lab(document=document_with(600))
    join_round_sluice(lab)
    answers_go_round(lab)
    assert lab.curl("/asymmetric").ok
    row, = wait_until(lambda: lab.appliance.show("bypasses")["bypasses"], 3, "the bypass")
    assert (row["ssl_server"], row["cause"], row["server_ip"], row["server_port"]) == ("web", "asymmetric_traffic", SERVER_IP, 443)
    assert 590 <= row["seconds_left"] <= 600 and row["sessions"] == 1
    no_way_round(lab)
    assert lab.appliance.ask("clear", "bypasses", "all")["cleared"] == 1
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset


def test_a6_other_ports_of_the_address_go_on_being_inspected(fresh_lab):
    lab = fresh_lab(document=document_with(600))
    join_round_sluice(lab)
    answers_go_round(lab)
    assert lab.curl("/asymmetric").ok
    no_way_round(lab)
    before = lab.appliance.counters()["wire_held"]
    outcome_of(lambda: tcp_connect(lab.client, 8449))
    lab.appliance.wait_counter("wire_held", before + 1)


def test_a6_without_a_time_such_sessions_fail_and_the_server_hears_the_clients_reset(fresh_lab):
    lab = fresh_lab(document=document_with(0))
    join_round_sluice(lab)
    answers_go_round(lab)
    with Capture(lab.server, "s0", lab.topology.path("s.pcap")) as at_server:
        assert outcome_of(lambda: tcp_connect(lab.client, 443, timeout=2.5))[0] == "timeout"
        lab.appliance.wait_counter("wire_asymmetric", 2)  # the repeated SYN fared alike
    resets = [f for f in one_way(at_server.frames(), CLIENT_IP, destination_port=443) if f.flags & RST]
    assert len(resets) >= 2
    assert lab.appliance.counters()["wire_bypassed_asymmetric"] == 0
    assert wait_until(lambda: messages(lab, "such sessions fail"), 3, "the record")[0]["severity"] == "error"
    assert not lab.server.run("ss", "-Htn", "state", "syn-recv").stdout.strip(), "no half-open connection stays"


def test_a6_answers_alone_are_forwarded_counted_and_told(fresh_lab):
    lab = fresh_lab(document=document_with(600))
    join_round_sluice(lab)
    requests_go_round(lab)
    for i in range(6):
        assert lab.curl("/answers-only-%d" % i).ok
    assert lab.appliance.wait_counter("wire_one_sided", 6)
    record, = wait_until(lambda: messages(lab, "only answers cross the segment"), 3, "the record")
    assert "SSL server web (10.9.0.2:443)" in record["message"] and record["severity"] == "warning"
    no_way_round(lab)
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset, "the other direction is inspected all the same"


def reset_frame(port, address, mac, seq):
    tcp = struct.pack("!HHIIBBHHH", port, 443, seq, 0, 5 << 4, RST, 0, 0, 0)
    addresses = socket.inet_aton(CLIENT_IP) + socket.inet_aton(address)
    tcp = tcp[:16] + struct.pack("!H", inet_checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 64, 6, 0) + addresses
    ip = ip[:10] + struct.pack("!H", inet_checksum(ip)) + ip[12:]
    return bytes.fromhex((mac + CLIENT_MAC).replace(":", "")) + b"\x08\x00" + ip + tcp


def test_a6_a_blind_reset_proves_nothing(fresh_lab):
    """only who has seen the server's answer knows its number"""
    def document(topology):
        return configuration(topology, servers=[ssl_server("web", ["443"], destinations=["10.9.0.0/16"])])
    lab = fresh_lab(document=document)
    with lab.client:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("c0", 0))
    with wire:
        wire.send(syn_frame(CLIENT_IP, 40001, SILENT_IP, 443, destination_mac=SILENT_MAC))
        lab.appliance.wait_counter("wire_held", 1)
        for seq in range(0, 1 << 32, (1 << 32) // 500):
            wire.send(reset_frame(40001, SILENT_IP, SILENT_MAC, seq))
        wire.send(syn_frame(CLIENT_IP, 40002, SILENT_IP, 443, destination_mac=SILENT_MAC))
    counters = lab.appliance.wait_counter("wire_held", 2) and lab.appliance.counters()
    assert counters["wire_asymmetric"] == counters["wire_bypassed_asymmetric"] == 0
