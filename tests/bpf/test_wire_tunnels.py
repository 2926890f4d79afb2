# SPDX-License-Identifier: Apache-2.0
"""GRE and IP-in-IP on the wire (row A4), and fragments (rows A4, A9), between hosts whose tunnel ends are tunnel_end.c
over the kernel's own IP layer. Frames are judged by a checker of their own, from captures at the hosts. Needs root."""
import contextlib
import hashlib
import os
import socket
import struct
import subprocess
import time

import pytest
from scapy.layers.inet import IP, TCP, fragment

from wire_rig import (CLIENT, CLIENT_MAC, CONFIG, DRIVER, ETH_P_IP, HOME, NAME, SERVER, SERVER_MAC, Capture, Listener, checksum,
                      connect, echo, exchange, inside, ns, receive, sh)

END = os.environ.get("TUNNEL_END", "")
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not DRIVER or not END, reason="needs root, WIRE_DRIVER, TUNNEL_END")

INNER_CLIENT, INNER_SERVER = "10.8.0.1", "10.8.0.2"
TUNNELS = {"ipip": ("ipip", "-", 20), "gre": ("gre", "-", 24), "gre_key": ("gre", "0x01020304", 28)}
INNER = {"client": INNER_CLIENT, "address": INNER_SERVER}
TTL, TOS, DF = {"c": 33, "s": 44}, {"c": 0x48, "s": 0xb8}, {"c": 1, "s": 0}


@contextlib.contextmanager
def tunnel(kind, key=None, vlan=0, mtu=1500, name="t0", inner=(INNER_CLIENT, INNER_SERVER), keys=None):
    """an end in the host of each role; the MTU is left too large on purpose: the segment size must be clamped"""
    protocol, default, _ = TUNNELS[kind]
    ends = []
    try:
        for role, local, remote, address in (("c", CLIENT, SERVER, inner[0]), ("s", SERVER, CLIENT, inner[1])):
            word = keys[role] if keys else key or default
            end = subprocess.Popen(["ip", "netns", "exec", ns(role, vlan), END, name, protocol, word, local, remote,
                                    str(TTL[role]), str(TOS[role]), str(DF[role])], stdout=subprocess.PIPE, text=True)
            ends.append(end)
            assert end.stdout.readline() == "ready\n"
            sh("ip -n %s addr add %s/24 dev %s" % (ns(role, vlan), address, name))
            sh("ip -n %s link set %s mtu %d up" % (ns(role, vlan), name, mtu))
        yield
    finally:
        for end in ends:
            end.kill()
            end.wait()
            end.stdout.close()


def ports_without_offloads():
    for port in ("pA", "pB"):
        sh("ip netns exec %s ethtool -K %s tx off tso off gso off tx-gre-segmentation off tx-gre-csum-segmentation off "
           "tx-ipxip4-segmentation off" % (HOME, port))


@pytest.fixture(scope="module")
def plain_ports(hosts):
    """super-packets are cut and checksums computed before a frame leaves, as before a card without offloads"""
    ports_without_offloads()


@pytest.fixture
def inner_wire(plain_ports, wire, tmp_path):
    path = tmp_path / "inner.yaml"
    text = CONFIG % {"unavailable": "bypass", "exceptions": "", "segment": ""}
    path.write_text(text.replace("10.9.0.2", INNER_SERVER))
    wire("apply %s 2" % path)
    return wire


class Frames:
    """what arrives at the hosts of both roles, judged frame by frame"""

    def __init__(self, vlan=0):
        self.sockets = {}
        for role in "cs":
            with inside(ns(role, vlan)):
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
                s.bind(("e0", ETH_P_IP))
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            s.settimeout(0.2)
            self.sockets[role] = s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.sockets.values():
            s.close()

    def arrived(self, role):
        with contextlib.suppress(TimeoutError):
            while True:
                data, where = self.sockets[role].recvfrom(65600)
                if where[2] != socket.PACKET_OUTGOING:
                    yield data

    def check(self, kind, key=0x01020304, vlan=0, addresses=(INNER_CLIENT, INNER_SERVER)):
        """the number of segments that came to each role"""
        return {role: sum(check_frame(data, role, kind, key, addresses) for data in self.arrived(role)) for role in "cs"}


def check_frame(data, role, kind, key, addresses):
    protocol, _, header = TUNNELS[kind]
    sender = "c" if role == "s" else "s"
    macs, ends = (CLIENT_MAC, SERVER_MAC), (CLIENT, SERVER)
    client, server = (macs, ends, addresses), (macs[::-1], ends[::-1], addresses[::-1])
    macs, ends, inner_ends = client if role == "s" else server
    assert data[0:6].hex(":") == macs[1] and data[6:12].hex(":") == macs[0] and len(data) <= 1514
    outer, inner = data[14:34], data[14 + header:]
    version, tos, length, _, flags, ttl, number, _, source, destination = struct.unpack("!BBHHHBBH4s4s", outer)
    assert version == 0x45 and checksum(outer) == 0xffff and length == len(data) - 14
    assert number == (4 if protocol == "ipip" else 47)
    assert (socket.inet_ntoa(source), socket.inet_ntoa(destination)) == ends
    if kind == "gre":
        assert data[34:38] == b"\0\0\x08\0"
    if kind == "gre_key":
        assert data[34:42] == b"\x20\0\x08\0" + struct.pack("!I", key)
    assert flags & 0x3fff == 0
    check_inner(inner, inner_ends)
    assert (ttl, tos & 0xfc, flags >> 14) == (TTL[sender], TOS[sender] & 0xfc, DF[sender])
    return 1


def check_inner(inner, ends):
    assert inner[0] == 0x45 and checksum(inner[:20]) == 0xffff and struct.unpack("!H", inner[2:4])[0] == len(inner)
    assert (socket.inet_ntoa(inner[12:16]), socket.inet_ntoa(inner[16:20])) == ends and inner[9] == 6
    pseudo = inner[12:20] + struct.pack("!HH", 6, len(inner) - 20)
    assert checksum(pseudo + inner[20:]) == 0xffff


def maximum(connection):
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


@pytest.mark.parametrize("vlan", [0, 10])
@pytest.mark.parametrize("kind", TUNNELS)
def test_a4_a_session_inside_a_tunnel(inner_wire, kind, vlan):
    sizes = []

    def serve(connection, peer):
        sizes.append(maximum(connection))
        echo(connection, peer)

    with tunnel(kind, vlan=vlan), Listener(serve, vlan=vlan, address=INNER_SERVER) as listener, Frames(vlan) as frames:
        with connect(vlan=vlan, source_port=1234, **INNER) as s:
            for size in (1, 1000, 20000):
                s.sendall(b"x" * size)
                assert receive(s, size)
            sizes.append(maximum(s))
        time.sleep(0.1)
        assert listener.peers == [(INNER_CLIENT, 1234)]
        seen = frames.check(kind, vlan=vlan)
        assert seen["c"] > 15 and seen["s"] > 15
    limit = 1500 - 40 - TUNNELS[kind][2]
    assert limit - 12 <= min(sizes) and max(sizes) <= limit
    counters = inner_wire("counters")
    assert counters["wire_new_flows"] == 1 and counters["wire_to_inspect"] > 30
    assert "wire_errors" not in counters and "wire_fragments" not in counters


@contextlib.contextmanager
def receive_offload(on):
    """of the ports in the wire: tunnel packets arrive as super-packets (veth does so only if its peer does not cut)"""
    def switch(word):
        for role, port in (("c", "pA"), ("s", "pB")):
            sh("ip netns exec %s-%st ethtool -K trunk tso %s" % (NAME, role, "off" if word == "on" else "on"))
            sh("ip netns exec %s-wire ethtool -K %s gro %s" % (NAME, port, word))
            subprocess.run(["ip", "netns", "exec", NAME + "-wire", "sh", "-c", "echo %d > /sys/class/net/%s/gro_flush_timeout"
                            % (100000 if word == "on" else 0, port)], check=True)
    if on:
        switch("on")
    yield
    if on:
        switch("off")


@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("kind", TUNNELS)
def test_a4_large_transfers_inside_a_tunnel(inner_wire, kind, offload):
    """100 MB each way with equal checksums"""
    size, block = 100 << 20, os.urandom(1 << 20)
    expected = hashlib.sha256(block * (size >> 20)).digest()

    def digest(connection):
        got, left = hashlib.sha256(), size
        while left and (data := connection.recv(min(left, 1 << 20))):
            got.update(data)
            left -= len(data)
        return got.digest()

    def serve(connection, _):
        assert digest(connection) == expected
        for _ in range(size >> 20):
            connection.sendall(block)

    with tunnel(kind), Listener(serve, address=INNER_SERVER), receive_offload(offload):
        with connect(**INNER) as s:
            s.settimeout(60)
            for _ in range(size >> 20):
                s.sendall(block)
            assert digest(s) == expected
    counters = inner_wire("counters")
    assert (counters["wire_to_inspect"] < size // 1440) == offload
    assert counters["wire_new_flows"] == 1
    assert "wire_errors" not in counters and "wire_fragments" not in counters


def test_a4_a5_one_tuple_in_tunnels_of_two_vlans_and_outside(inner_wire):
    """the tenants of VLAN 0 and 10 in a tunnel each, the tenant of VLAN 20 in none, all with one 4-tuple"""
    def serve_for(name):
        def serve(connection, _):
            while data := connection.recv(1000):
                connection.sendall(name + data)
        return serve

    for role, address in (("c", INNER_CLIENT), ("s", INNER_SERVER)):
        sh("ip -n %s addr add %s/24 dev e0" % (ns(role, 20), address))
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(tunnel("gre_key"))
            stack.enter_context(tunnel("ipip", vlan=10))
            for vlan in (0, 10, 20):
                stack.enter_context(Listener(serve_for(b"%d:" % vlan), vlan=vlan, address=INNER_SERVER))
            clients = [stack.enter_context(connect(vlan=vlan, source_port=4000, **INNER)) for vlan in (0, 10, 20)]
            for _ in range(3):
                for vlan, s in zip((0, 10, 20), clients):
                    s.sendall(b"hello")
                    assert s.recv(1000) == b"%d:hello" % vlan
        counters = inner_wire("counters")
        assert counters["wire_new_flows"] == 3 and counters["wire_overlaps"] == 2
    finally:
        for role, address in (("c", INNER_CLIENT), ("s", INNER_SERVER)):
            sh("ip -n %s addr del %s/24 dev e0" % (ns(role, 20), address))


def test_a4_differing_keys_are_passed(inner_wire):
    """the first connection after a repeated SYN, the others at once: the server's answer to the held SYN tells"""
    with tunnel("gre_key", keys={"c": "5,6", "s": "6,5"}), Listener(echo, address=INNER_SERVER) as listener:
        for _ in range(3):
            assert exchange(**INNER) == b"hello"
        assert len(listener.peers) == 3
    counters = inner_wire("counters")
    assert counters["wire_tunnel_keys_differ"] >= 1 and "wire_tunnel_probes" not in counters
    assert counters["wire_new_flows"] == 1 and counters["wire_bypassed_tunnel"] >= 3 and counters["flows"] == 0


def test_a4_a_repeated_syn_in_a_sound_tunnel_changes_nothing(inner_wire):
    """held, and no reason to show it to the server a second time"""
    with tunnel("gre_key"), Listener(echo, address=INNER_SERVER):
        segment = IP(src="10.8.0.77", dst=INNER_SERVER) / TCP(sport=6000, dport=443, flags="S", seq=77)
        for _ in range(2):
            send_tunnelled(segment)
        assert exchange(**INNER) == b"hello"
    counters = inner_wire("counters")
    assert counters["wire_new_flows"] == counters["wire_held"] == 2
    assert "wire_tunnel_probes" not in counters and "wire_tunnel_keys_differ" not in counters


@pytest.mark.parametrize("vlan", [0, 10])
@pytest.mark.parametrize("kind", TUNNELS)
def test_a1_a_refusal_inside_a_tunnel_is_the_servers_own(inner_wire, kind, vlan):
    """one SYN at the server, its one reset at the client, every header and checksum right"""
    with tunnel(kind, vlan=vlan), Frames(vlan) as frames:
        with pytest.raises(ConnectionRefusedError):
            connect(vlan=vlan, source_port=1234, **INNER)
        seen = frames.check(kind, vlan=vlan)
    # a slow machine's TCP repeats its SYN: then each has its reset, never more
    assert 1 <= seen["c"] <= seen["s"], seen
    assert 1 <= inner_wire("counters")["wire_held_refused"] <= seen["s"]


def test_a4_other_traffic_in_a_tunnel_passes(inner_wire):
    with tunnel("gre"), Listener(echo, port=80, address=INNER_SERVER):
        assert exchange(port=80, **INNER) == b"hello"
        assert subprocess.run(["ip", "netns", "exec", ns("c"), "ping", "-c", "1", "-W", "1", "-s", "1400", INNER_SERVER],
                              stdout=subprocess.DEVNULL).returncode == 0
    counters = inner_wire("counters")
    assert counters["wire_tunnelled"] > 8 and "wire_new_flows" not in counters


def send_tunnelled(packet, key=0x01020304):
    with inside(ns("c")):
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    s.sendto(struct.pack("!HHI", 0x2000, 0x0800, key) + bytes(packet), (SERVER, 0))
    s.close()


def send_fragments(packet, size, order=lambda fragments: fragments):
    with inside(ns("c")):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("e0", 0))
    head = bytes.fromhex((SERVER_MAC + CLIENT_MAC).replace(":", "")) + b"\x08\x00"
    for part in order(fragment(packet, fragsize=size)):
        s.send(head + bytes(part))
    s.close()


def syn(port, source_port, payload=b"x" * 100):
    return IP(src=CLIENT, dst=SERVER, id=source_port) / TCP(sport=source_port, dport=port, flags="S") / payload


def answered(capture):
    """ports of the server that accepted a connection; the client's stack knows nothing of it and resets"""
    return {frame.source_port for frame in capture.tcp() if frame.flags & 0x12 == 0x12}


@pytest.mark.parametrize("size,counter", [(24, "syn"), (64, "syn"), (16, "tiny"), (8, "tiny")])
@pytest.mark.parametrize("order", [list, lambda fragments: list(reversed(fragments))])
def test_a9_a_fragmented_syn_does_not_reach_an_ssl_server(wire, size, counter, order):
    """RFC 1858, RFC 3128; the same fragments to another port get there, where they are not tiny"""
    with Listener(echo), Listener(echo, port=80):
        capture = Capture(ns("c"))
        send_fragments(syn(443, 30000 + size), size, order)
        send_fragments(syn(80, 31000 + size), size, order)
        time.sleep(0.1)
        assert answered(capture) == ({80} if size >= 24 else set())
        assert exchange() == b"hello"
    counters = wire("counters")
    assert counters["wire_fragments_dropped_" + counter] >= 1 and counters["wire_new_flows"] == 1


def test_a9_fragments_of_a_proxied_flow_do_not_reach_the_server(wire):
    with Listener(echo):
        with connect(source_port=5000) as s:
            s.sendall(b"1")
            assert s.recv(1) == b"1"
            packet = IP(src=CLIENT, dst=SERVER, id=77) / TCP(sport=5000, dport=443, flags="A") / (b"y" * 200)
            send_fragments(packet, 104)
            s.sendall(b"2")
            assert s.recv(1) == b"2"
    assert wire("counters")["wire_fragments_dropped_flow"] == 1
