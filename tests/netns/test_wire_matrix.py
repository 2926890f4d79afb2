# SPDX-License-Identifier: Apache-2.0
"""A4, A5, A9: every encapsulation, MTU and kind of offload, inspected and forwarded, both ways; and every frame on both sides judged by a
program that shares nothing with the data path (lab/wire.py). Tunnel ends are tests/bpf/tunnel_end.c over the kernel's own IP."""
import contextlib
import hashlib
import os
import socket
import struct

import pytest

from lab.clients import ping, tcp_connect, tls_connect
from lab.laboratory import Laboratory
from lab.namespace import wait_until
from lab.peers import Server, TlsServer
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC
from lab.wire import ENCAPSULATIONS, Wire, overhead
from test_a1_truth import inet_checksum, wire_of

INSPECTED, FORWARDED = 9001, 8090
BLOCK = os.urandom(1 << 20)


@pytest.fixture(scope="module")
def wire(request):
    option = request.config.getoption
    if option("--device") != "appliance":
        pytest.skip("of the appliance")
    with Laboratory(option("--device"), option("--bin-dir")) as lab:
        wire = Wire(lab)
        wire.flows = 0  # that were inspected so far
        yield wire


# --- the judge itself ---------------------------------------------------------------------------------------------------
def frame(l4=b"", protocol=17, source=CLIENT_IP, ttl=CLIENT_TTL, tos=0xb8, length=0, flags=0x4000, checksum=0, source_mac=CLIENT_MAC, version=0x45):
    addresses = socket.inet_aton(source) + socket.inet_aton(SERVER_IP)
    if protocol in (6, 17):
        at = 16 if protocol == 6 else 6
        total = inet_checksum(addresses + struct.pack("!HH", protocol, len(l4)) + l4)
        l4 = l4[:at] + struct.pack("!H", total ^ checksum) + l4[at + 2:]
    ip = struct.pack("!BBHHHBBH", version, tos, length or 20 + len(l4), 1, flags, ttl, protocol, 0) + addresses
    ip = ip[:10] + struct.pack("!H", inet_checksum(ip)) + ip[12:]
    return bytes.fromhex((SERVER_MAC + source_mac).replace(":", "")) + b"\x08\x00" + ip + l4


def udp(payload=b"right", length=0):
    return struct.pack("!HHHH", 5000, 5353, length or 8 + len(payload), 0) + payload


def tcp(flags=0x10, options=b"", words=5):
    return struct.pack("!HHIIBBHHH", 5000, FORWARDED, 1, 1, words + len(options) // 4 << 4, flags, 100, 0, 0) + options


WRONG = {"source MAC": frame(udp(), source_mac="02:00:00:00:00:77"), "TTL": frame(udp(), ttl=CLIENT_TTL - 1), "DSCP": frame(udp(), tos=0),
         "IP total length": frame(udp(), length=30), "IPv4 header": frame(udp(), version=0x46), "IP addresses": frame(udp(), source="10.9.0.9"),
         "IP header checksum": frame(udp())[:24] + b"\0\0" + frame(udp())[26:], "transport checksum": frame(udp(), checksum=0x0100),
         "UDP length": frame(udp(length=9)), "TCP header": frame(tcp(words=4), 6), "segment size": frame(tcp(2, b"\2\4\x05\xb5"), 6),
         "ICMP checksum": frame(b"\x08\0\0\0abcd", 1), "the protocol": frame(b"", 99), "reserved bit": frame(udp(), flags=0x8000),
         "there is a tag": frame(udp())[:12] + b"\x81\0\0\x0a" + frame(udp())[12:], "Ethernet type": frame(udp())[:12] + b"\x88\xb5" + bytes(50)}


def judged(wire, *frames):
    with wire.judged(ENCAPSULATIONS["untagged"]) as verdicts, wire_of(wire.lab) as sender:
        for data in frames:
            sender.send(data)
    return verdicts["server"]


@pytest.mark.parametrize("what", WRONG)
def test_the_judge_finds(wire, what):
    """a frame with one thing wrong with it; Sluice forwards each as it came"""
    right = [frame(udp()), frame(tcp(), 6), frame(tcp(2, b"\2\4\x05\xb4"), 6)]
    verdict = judged(wire, *right, WRONG[what])
    assert (verdict["frames"] - verdict["apart"], verdict["bad"]) == (4, 1) and what in verdict["first_bad"], verdict


# --- traffic: an exchange sends `up` bytes and asks for `down`; each side answers for what it got ------------------------
def content(size):
    while size > 0:
        yield BLOCK[:size]
        size -= len(BLOCK)


def send(connection, size):
    for part in content(size):
        connection.sendall(part)


def receive(connection, size):
    digest = hashlib.sha256()
    while size:
        data = connection.recv(min(size, 1 << 18))
        assert data, "%d bytes missing" % size
        digest.update(data)
        size -= len(data)
    return digest.digest()


def expected(size):
    digest = hashlib.sha256()
    for part in content(size):
        digest.update(part)
    return digest.digest()


def serve(connection):
    head = b""
    while len(head) < 16:
        part = connection.recv(16 - len(head))
        if not part:
            return
        head += part
    up, down = struct.unpack("!QQ", head)
    connection.sendall(receive(connection, up))
    send(connection, down)
    serve(connection)


def exchange(connection, up, down):
    connection.sendall(struct.pack("!QQ", up, down))
    send(connection, up)
    answer = b""
    while len(answer) < 32:
        answer += connection.recv(32 - len(answer))
    assert answer == expected(up), "what the server got"
    assert receive(connection, down) == expected(down), "what the client got"


@contextlib.contextmanager
def servers(wire):
    with TlsServer(wire.lab.topology, INSPECTED, wire.lab.certificate, serve) as inspected, \
            Server(wire.lab.topology, FORWARDED, serve) as forwarded:
        for server in inspected, forwarded:
            server.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, wire.hosts[1].tos)
        yield


def tcp_traffic(wire, largest, bulk):
    tos = wire.hosts[0].tos
    for connect, port in (tls_connect, INSPECTED), (tcp_connect, FORWARDED):
        with connect(wire.lab.client, port, tos=tos, timeout=60) as connection:
            for size in 1, largest - 1, largest, largest + 1:
                exchange(connection, size, size)
        with connect(wire.lab.client, port, tos=tos, timeout=60) as connection:
            exchange(connection, bulk, 1)
            exchange(connection, 1, bulk)


def udp_traffic(wire, largest):
    """datagrams up to one that just fits, and one that the hosts have to cut"""
    client, server = wire.hosts
    with contextlib.ExitStack() as stack:
        ends = []
        for host in client, server:
            with host.namespace:
                ends.append(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            ends[-1].setsockopt(socket.IPPROTO_IP, socket.IP_TOS, host.tos)
            ends[-1].settimeout(5)
        ends[1].bind((SERVER_IP, 5353))
        for size in 0, 1, largest - 1, largest, largest + 1, 20000:
            ends[0].sendto(BLOCK[:size], (SERVER_IP, 5353))
            data, peer = ends[1].recvfrom(65536)
            ends[1].sendto(data, peer)
            assert ends[0].recv(65536) == BLOCK[:size]


def run_case(wire, name, mtu, offload, bulk):
    kind = ENCAPSULATIONS[name]
    counters = wire.lab.appliance.counters
    largest = mtu - overhead(kind)
    before = counters()
    with wire.encapsulated(kind, mtu, offload), servers(wire), wire.judged(kind, mtu) as verdicts:
        assert ping(wire.lab.client, SERVER_IP, 2, largest - 28, "-M", "do"), "a ping that just fits"
        udp_traffic(wire, largest - 28)
        tcp_traffic(wire, largest - 52, bulk)
    print(name, mtu, offload, verdicts)
    for side, verdict in verdicts.items():
        assert verdict["bad"] == 0, (side, verdict)
        assert verdict["missed"] == 0, "the judge was too slow: %s" % verdict
        assert verdict["largest"] == mtu, (side, verdict)
        assert verdict["bytes"] > 2 * bulk and verdict["tcp"] > 40 and verdict["udp"] >= 4 and verdict["icmp"] == 2 and verdict["fragments"] > 2
        assert (verdict["super_packets"] > 0, verdict["partial_checksums"] > 0) == (offload, offload), (side, verdict)
    wire.flows += 2  # counters are read once a second
    wait_until(lambda: counters()["wire_new_flows"] == wire.flows and counters()["wire_fragments"] > before["wire_fragments"] + 4, 5,
               "2 flows more, and fragments forwarded")
    after = counters()
    assert after["sessions_established"] == wire.flows, "each of them inspected"
    assert after["wire_errors"] == 0
    assert (after["wire_tunnelled"] > before["wire_tunnelled"] + 40) == bool(kind.tunnel)


@pytest.mark.parametrize("mtu,offload", [(1500, False), (9000, True)], ids=["1500-plain", "9000-offload"])
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.quick if name in ("untagged", "vlan+gre_key") else ()) for name in ENCAPSULATIONS])
def test_a4_a5_a9_every_frame_is_right(wire, name, mtu, offload):
    run_case(wire, name, mtu, offload, 4 << 20)


@pytest.mark.long
@pytest.mark.limit(180)
@pytest.mark.parametrize("mtu,offload", [(1500, False), (1500, True), (9000, False), (9000, True)],
                         ids=["1500-plain", "1500-offload", "9000-plain", "9000-offload"])
@pytest.mark.parametrize("name", ENCAPSULATIONS)
def test_a4_a5_a9_every_frame_of_100_megabytes_is_right(wire, name, mtu, offload):
    run_case(wire, name, mtu, offload, 100 << 20)
