# SPDX-License-Identifier: Apache-2.0
"""A12: QUIC to an SSL server is dropped so that clients use TCP at once, or forwarded; both counted and logged. The
datagrams have QUIC's version-independent header (RFC 8999); client and server are the kernel's UDP sockets."""
import contextlib
import errno
import socket
import struct
import threading
import time

import pytest

from lab.appliance import configuration, ssl_server
from lab.capture import Capture
from lab.namespace import wait_until
from lab.topology import CLIENT_IP, CLIENT_MAC, EXCEPTED_IP, SERVER_IP, SERVER_MAC
from test_a1_truth import inet_checksum

UDP_SEGMENT = 103  # linux/udp.h


def long_header(version=1, size=1200):
    """an Initial as to the wire (RFC 9000 17.2.2): connection ids of 8 and 0 bytes, no token, and random-looking rest"""
    return (bytes([0xc3]) + struct.pack("!I", version) + b"\x08" + bytes(range(8)) + b"\0\0\x44\x9e").ljust(size, b"\x5a")


def short_header(size=1200):
    return bytes([0x41]).ljust(size, b"\x5a")


@contextlib.contextmanager
def udp_echo(lab, port=443):
    """a server that sends each datagram back; yields the list of what it got"""
    with lab.server:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((SERVER_IP, port))
    listener.settimeout(0.1)
    got, stop = [], threading.Event()

    def serve():
        while not stop.is_set():
            with contextlib.suppress(socket.timeout):
                data, peer = listener.recvfrom(65536)
                got.append(data)
                listener.sendto(data, peer)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield got
    stop.set()
    thread.join()
    listener.close()


def attempt(lab, data, port=443, source=CLIENT_IP, timeout=1.0, segment=0):
    """what a client is told within a second: "echo", "refused" or "silence", and after how long"""
    with lab.client:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with udp:
        udp.bind((source, 0))
        udp.connect((SERVER_IP, port))
        udp.settimeout(timeout)
        if segment:
            udp.setsockopt(socket.SOL_UDP, UDP_SEGMENT, segment)
        started = time.monotonic()
        udp.send(data)
        try:
            return ("echo" if udp.recv(65536) == data[:segment or len(data)] else "other"), time.monotonic() - started
        except socket.timeout:
            return "silence", timeout
        except OSError as error:
            assert error.errno == errno.ECONNREFUSED, error
            return "refused", time.monotonic() - started


@pytest.fixture(params=[True, False], ids=["offload", "plain"])
def quic_lab(fresh_lab, request):
    return fresh_lab(offload=request.param)


@pytest.mark.quick
def test_a12_a_blocked_client_is_told_at_once_in_the_servers_name_and_uses_tcp(quic_lab):
    lab = quic_lab
    with udp_echo(lab) as got, Capture(lab.client, "c0", lab.topology.path("quic.pcap")) as at_client:
        outcome, seconds = attempt(lab, long_header())
        assert (outcome, got) == ("refused", []) and seconds < 0.5, (outcome, seconds)
        assert attempt(lab, long_header(version=0x6b3343cf))[0] == "refused"  # QUIC version 2, RFC 9369
        assert attempt(lab, long_header() * 4, segment=1200)[0] == "refused"  # a super-packet of UDP_SEGMENT
        assert attempt(lab, long_header(size=200), timeout=0.3)[0] == "silence"  # no client's first datagram: no answer
        assert got == []
    errors = [frame for frame in at_client.frames() if frame.protocol == 1]
    expected = 3 if lab.topology.offload else 6  # or the client cuts the super-packet itself
    assert len(errors) == expected and {(f.source, f.destination, f.source_mac, f.destination_mac) for f in errors} == \
        {(SERVER_IP, CLIENT_IP, SERVER_MAC, CLIENT_MAC)}, errors
    assert lab.curl("/by-tcp").ok
    # blocked datagrams are counted and told of once, with the names of the policy
    counters = lab.appliance.wait_counter("wire_quic_blocked", 4) and lab.appliance.counters()
    assert counters["wire_quic_forwarded"] == 0 and counters["wire_errors"] == 0
    record = lab.appliance.wait_record("block", detail="QUIC")
    expected = {"action": "block", "src_ip": CLIENT_IP, "dest_ip": SERVER_IP, "dest_port": 443, "ssl_server": "web", "ssl_policy": "web-policy",
                "profile": "default", "virtual_segment": "dmz-in", "segment": "dmz", "ssl_inspect": False}
    assert {key: record.get(key) for key in expected} == expected
    assert len([r for r in lab.appliance.records("block") if r.get("detail") == "QUIC"]) == 1
    ports = {row["side"]: row["drops"] for row in lab.appliance.show("ports")["ports"]}
    assert ports["a"]["wire_quic_blocked"] >= 4 and "wire_quic_blocked" not in ports["b"]


def test_a12_what_is_not_quic_passes(lab):
    before = lab.appliance.counters()
    with udp_echo(lab) as got, udp_echo(lab, 444):
        for data in short_header(), b"\x16\xfe\xfd" + bytes(40), b"\x80\0\0\0\0\0", b"x", bytes(1400):
            assert attempt(lab, data)[0] == "echo", data[:5]
        assert attempt(lab, long_header(), port=444)[0] == "echo"  # no detection port
        assert len(got) == 5
    after = lab.appliance.counters()
    assert after["wire_quic_blocked"] == before["wire_quic_blocked"]


def test_a12_quic_of_excepted_clients_under_bypass_rules_and_in_fallback_passes(fresh_lab):
    def document(topology):
        return dict(configuration(topology), bypass_rules=[{"name": "dns", "protocol": "udp", "ports": ["8443"]}])
    lab = fresh_lab(document=document)
    with udp_echo(lab), udp_echo(lab, 8443), udp_echo(lab, 8444):
        assert attempt(lab, long_header(), source=EXCEPTED_IP)[0] == "echo"
        assert attempt(lab, long_header(), port=8443)[0] == "echo"
        assert attempt(lab, long_header(), port=8444)[0] == "refused"
        lab.appliance.command("fallback", "enter")
        assert attempt(lab, long_header(), port=8444)[0] == "echo"
    lab.appliance.wait_counter("wire_quic_forwarded", 1)
    assert lab.appliance.counters()["wire_bypassed_rule"] == 0 and lab.appliance.show("bypass-rules")["bypass_rules"][0]["flows"] == 1


def test_a12_forwarded_quic_is_counted_and_logged_undecrypted(fresh_lab):
    def document(topology):
        return configuration(topology, servers=[ssl_server("web", ["443"], quic="forward"), ssl_server("raw", ["9000-9009"], service="any")])
    lab = fresh_lab(document=document)
    with udp_echo(lab) as got:
        for _ in range(5):
            assert attempt(lab, long_header())[0] == "echo"
        assert len(got) == 5
    assert attempt(lab, long_header(), port=9000)[0] == "refused"  # the other server's is not
    lab.appliance.wait_counter("wire_quic_forwarded", 5)
    record = lab.appliance.wait_record("ssl_inspection", detail="QUIC")
    assert (record["action"], record["ssl_server"], record["src_ip"]) == ("not_decrypted", "web", CLIENT_IP)
    assert lab.appliance.wait_record("block", detail="QUIC")["ssl_server"] == "raw"


def test_a12_in_a_vlan_the_answer_has_its_tag(fresh_lab):
    lab = fresh_lab(vlan=10)
    with udp_echo(lab) as got, Capture(lab.client, "c0", lab.topology.path("quic.pcap")) as at_client:
        assert attempt(lab, long_header())[0] == "refused" and got == []
        wait_until(lambda: lab.appliance.counters()["wire_quic_blocked"], 3, "the counter")
    assert [frame.vlan for frame in at_client.frames() if frame.protocol == 1] == [10]
    assert lab.appliance.wait_record("block", detail="QUIC")["vlan"] == 10


def test_a12_fragments_are_no_way_around(lab):
    def fragment(offset, more, body):
        addresses = socket.inet_aton(CLIENT_IP) + socket.inet_aton(SERVER_IP)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 4711, more << 13 | offset // 8, 64, 17, 0) + addresses
        ip = ip[:10] + struct.pack("!H", inet_checksum(ip)) + ip[12:]
        return bytes.fromhex((SERVER_MAC + CLIENT_MAC).replace(":", "")) + b"\x08\x00" + ip + body
    datagram = struct.pack("!HHHH", 40000, 443, 8 + 1200, 0) + long_header()
    before = lab.appliance.counters()["wire_quic_blocked"]
    with lab.client:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("c0", 0))
    with wire, udp_echo(lab) as got:
        for cut in 8, 16, 600:
            wire.send(fragment(0, 1, datagram[:cut]))
            wire.send(fragment(cut, 0, datagram[cut:]))
        lab.appliance.wait_counter("wire_quic_blocked", before + 3)
        assert got == []
