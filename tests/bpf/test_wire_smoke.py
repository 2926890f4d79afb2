# SPDX-License-Identifier: Apache-2.0
"""src/dataplane end to end with a plain relay as worker (rows A1, A2, A5, A8, A9): real hosts in namespaces, the
server's own view of the frames. Needs root; leaves nothing behind."""
import collections
import contextlib
import ctypes
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

DRIVER = os.environ.get("WIRE_DRIVER", "")
TAGGER = os.environ.get("WIRE_TAGGER", "")
NAME = "dpx%d" % (os.getpid() % 10000)
CLIENT, SERVER, OTHER = "10.9.0.1", "10.9.0.2", "10.9.0.3"
CLIENT_MAC, SERVER_MAC = "02:00:00:00:0c:01", "02:00:00:00:05:01"
HOME = NAME + "-home"
VLANS = (0, 10, 20)
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_IP = 0x0003, 0x0800

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not DRIVER, reason="needs root and WIRE_DRIVER")

CONFIG = """
device: {name: smoke}
segments:
  - {name: s1, port_a: pA, port_b: pB%(segment)s}
ssl_servers:
  - {name: web, destinations: [10.9.0.2], detection_ports: [443, 8443-8450], certificates: [c], decrypted_service: http, when_unavailable: %(unavailable)s}
profiles:
  - name: p
    ssl_policies:
      - {name: pol, ssl_server: web, source_address_exceptions: [%(exceptions)s]}
virtual_segments:
  - {name: vs, segment: s1, direction: a_to_b, profile: p}
"""


def sh(line):
    subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def inside(netns):
    """this thread in that namespace; sockets made inside stay there"""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + netns, os.O_RDONLY)
    try:
        assert LIBC.setns(there, CLONE_NEWNET) == 0
        yield
    finally:
        assert LIBC.setns(home, CLONE_NEWNET) == 0
        os.close(there)
        os.close(home)


class Driver:
    def __init__(self):
        there = os.open("/run/netns/" + HOME, os.O_RDONLY)
        self.process = subprocess.Popen(
            [DRIVER, NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: LIBC.setns(there, CLONE_NEWNET))
        os.close(there)

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer.endswith("ok"), "%s: %s" % (line, answer)
        return dict((k, int(v)) for k, v in (w.split("=") for w in answer.split()[:-1]))

    def fails(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip().startswith("error")

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


def netns_add(name):
    """without IPv6, whose solicitations would be frames nobody asked for"""
    sh("ip netns add " + name)
    sh("ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1" % name)


def host(role, vlan, address, mac):
    """a host behind the trunk of its role (c or s), in a VLAN of its own"""
    name = "%s-%s%d" % (NAME, role, vlan)
    trunk = "%s-%st" % (NAME, role)
    netns_add(name)
    sh("ip link add a%d index %d netns %s type veth peer name e0 address %s netns %s" %
       (vlan, 1000 + vlan, trunk, mac, name))
    sh("ip -n %s link set a%d up" % (trunk, vlan))
    sh("ip netns exec %s tc qdisc add dev a%d clsact" % (trunk, vlan))
    sh("ip netns exec %s tc filter add dev a%d ingress bpf da obj %s sec tc/push" % (trunk, vlan, TAGGER))
    sh("ip -n %s link set lo up" % name)
    sh("ip -n %s link set e0 up" % name)
    sh("ip -n %s addr add %s/24 dev e0" % (name, address))
    if role == "s":
        sh("ip -n %s addr add %s/24 dev e0" % (name, OTHER))


def remove():
    for name in os.listdir("/run/netns"):
        if name.startswith(NAME + "-"):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture(scope="module")
def hosts():
    try:
        netns_add(HOME)
        for role, port in (("c", "pA"), ("s", "pB")):
            trunk = "%s-%st" % (NAME, role)
            netns_add(trunk)
            sh("ip link add trunk index 100 netns %s type veth peer name %s netns %s" % (trunk, port, HOME))
            sh("ip -n %s link set trunk up" % trunk)
            sh("ip netns exec %s tc qdisc add dev trunk clsact" % trunk)
            sh("ip netns exec %s tc filter add dev trunk ingress bpf da obj %s sec tc/pop" % (trunk, TAGGER))
            for vlan in VLANS:
                host(role, vlan, CLIENT if role == "c" else SERVER, CLIENT_MAC if role == "c" else SERVER_MAC)
        yield
    finally:
        remove()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wire")

    def write(unavailable="bypass", exceptions="", segment=""):
        path = directory / "config.yaml"
        path.write_text(CONFIG % {"unavailable": unavailable, "exceptions": exceptions, "segment": segment})
        return str(path)
    return write


@pytest.fixture
def wire(hosts, config):
    driver = Driver()
    try:
        driver("open")
        driver("apply %s 1" % config())
        driver("workers 0 2")
        wait_for_ping()
        yield driver
    finally:
        driver.process.stdin.write("teardown\n")
        driver.end()
    assert "%s-wire" % NAME not in os.listdir("/run/netns")


def ns(role, vlan=0):
    return "%s-%s%d" % (NAME, role, vlan)


def ping(vlan=0, address=SERVER):
    return subprocess.run(["ip", "netns", "exec", ns("c", vlan), "ping", "-c", "1", "-W", "1", address],
                          stdout=subprocess.DEVNULL).returncode == 0


def wait_for_ping():
    for _ in range(50):
        if ping():
            return
        time.sleep(0.05)
    pytest.fail("the wire does not forward")


class Listener:
    """a TCP server; handler(socket, peer) runs in a thread per connection"""

    def __init__(self, handler, port=443, vlan=0, address=SERVER):
        self.peers = []
        with inside(ns("s", vlan)):
            self.socket = socket.create_server((address, port), backlog=64)
        self.handler = handler
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            self.peers.append(peer)
            threading.Thread(target=self.serve, args=(connection, peer), daemon=True).start()

    def serve(self, connection, peer):
        with connection:
            with contextlib.suppress(OSError):
                self.handler(connection, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def echo(connection, _):
    while data := connection.recv(65536):
        connection.sendall(data)


def connect(port=443, vlan=0, source_port=0, address=SERVER, ttl=None, tos=None):
    with inside(ns("c", vlan)):
        s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ttl:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    if tos is not None:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    s.bind((CLIENT, source_port))
    s.connect((address, port))
    return s


def exchange(text=b"hello", **where):
    with connect(**where) as s:
        s.sendall(text)
        got = s.recv(65536)
        s.shutdown(socket.SHUT_WR)
        while more := s.recv(65536):
            got += more
    return got


Frame = collections.namedtuple("Frame", "source destination ttl tos source_port destination_port flags checksum_ok ip_id")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Capture:
    """frames that arrive at a host, as it sees them"""

    def __init__(self, netns, device="e0", protocol=ETH_P_IP):
        with inside(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            self.socket.bind((device, protocol))
        self.socket.settimeout(0.2)

    def sources(self):
        found = set()
        with contextlib.suppress(TimeoutError):
            while True:
                found.add(self.socket.recv(100)[6:12].hex(":"))
        self.socket.close()
        return found

    def tcp(self):
        frames = []
        with contextlib.suppress(TimeoutError):
            while True:
                data, where = self.socket.recvfrom(65600)
                if where[2] != socket.PACKET_OUTGOING and data[23] == 6:
                    frames.append(self.parse(data))
        self.socket.close()
        return frames

    @staticmethod
    def parse(data):
        l4 = 14 + (data[14] & 15) * 4
        return Frame(data[6:12].hex(":"), data[0:6].hex(":"), data[22], data[15],
                     *struct.unpack("!HH", data[l4:l4 + 4]), data[l4 + 13], checksum(data[14:l4]) == 0xffff,
                     struct.unpack("!H", data[18:20])[0])


def test_a1_everything_else_is_forwarded(wire):
    before = wire("counters")
    assert ping()
    with Listener(echo, port=80):
        assert exchange(port=80) == b"hello"
    after = wire("counters")
    assert after["wire_forwarded"] > before["wire_forwarded"] + 8
    assert "wire_new_flows" not in after


def test_a1_no_packet_of_its_own(wire):
    """on the wire there are the two hosts and nobody else, also while sessions are proxied"""
    captures = [Capture(ns("c"), protocol=ETH_P_ALL), Capture(ns("s"), protocol=ETH_P_ALL)]
    with Listener(echo):
        assert exchange() == b"hello"
    assert not ping(address="10.9.0.77")
    for capture in captures:
        assert capture.sources() <= {CLIENT_MAC, SERVER_MAC}


def test_a2_the_server_sees_the_client(wire):
    for port in (1, 22, 443, 1023, 1024, 40000, 65535):
        with Listener(echo) as listener:
            capture = Capture(ns("s"))
            assert exchange(source_port=port) == b"hello"
            assert listener.peers == [(CLIENT, port)]
            frames = capture.tcp()
            assert frames and all(f.source == CLIENT_MAC and f.destination == SERVER_MAC for f in frames)
            assert {f.source_port for f in frames} == {port}
    counters = wire("counters")
    assert counters["wire_new_flows"] == 7
    assert counters.get("wire_errors", 0) == 0


def test_a2_ttl_and_dscp_of_each_direction(wire):
    def serve(connection, _):
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 201)
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x48)
        echo(connection, None)

    with Listener(serve):
        at_server, at_client = Capture(ns("s")), Capture(ns("c"))
        with connect(ttl=99, tos=0xb8) as s:
            for _ in range(4):
                s.sendall(b"x" * 100)
                assert s.recv(100)
                time.sleep(0.05)
        to_server, to_client = at_server.tcp(), at_client.tcp()
    assert {(f.ttl, f.tos & 0xfc) for f in to_server} == {(99, 0xb8)}
    assert {(f.ttl, f.tos & 0xfc) for f in to_client[-2:]} == {(201, 0x48)}
    assert all(f.checksum_ok for f in to_server + to_client)
    assert {f.source for f in to_client} == {SERVER_MAC}


def test_a5_vlan_and_overlapping_tenants(wire):
    """three tenants with one 4-tuple at once, each to its own server"""
    def serve_for(vlan):
        def serve(connection, _):
            while data := connection.recv(1000):
                connection.sendall(b"%d:" % vlan + data)
        return serve

    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(Listener(serve_for(v), vlan=v)) for v in VLANS]
        clients = [stack.enter_context(connect(vlan=v, source_port=5555)) for v in VLANS]
        for round in range(3):
            for vlan, s in zip(VLANS, clients):
                s.sendall(b"round %d" % round)
                assert s.recv(1000) == b"%d:round %d" % (vlan, round)
        assert [entry.peers for entry in listeners] == [[(CLIENT, 5555)]] * 3
        counters = wire("counters")
        assert counters["wire_new_flows"] == 3 and counters["wire_overlaps"] == 2 and counters["aliases"] == 2
        for s in clients:
            s.close()
        time.sleep(2.5)
    assert wire("reap 3600") == {"flows": 0, "removed": 3}
    counters = wire("counters")
    assert counters["flows"] == 0 and counters["aliases"] == 0


def test_f1_exceptions_pass_undecrypted(wire, config):
    wire("apply %s 2" % config(exceptions="10.9.0.0/30"))
    with Listener(echo) as listener:
        assert exchange(source_port=6000) == b"hello"
        assert listener.peers == [(CLIENT, 6000)]
    counters = wire("counters")
    assert counters["wire_excepted"] == 1 and "wire_new_flows" not in counters


def test_a8_killed_workers_mean_bypass_or_block(wire, config):
    with Listener(echo) as listener:
        with connect() as s:
            s.sendall(b"1")
            assert s.recv(1) == b"1"
            wire("signal 0 %d" % signal.SIGKILL)
            wire("signal 1 %d" % signal.SIGKILL)
            with pytest.raises(OSError):
                s.settimeout(2)
                s.sendall(b"2")
                assert s.recv(1)  # a proxied session ends with a reset
        assert exchange() == b"hello"
        assert wire("counters")["wire_bypassed_no_worker"] == 1
        wire("apply %s 2" % config(unavailable="block"))
        with pytest.raises(TimeoutError):
            with inside(ns("c")):
                blocked = socket.socket()
            blocked.settimeout(0.5)
            blocked.connect((SERVER, 443))
        assert wire("counters")["wire_blocked_no_worker"] >= 1
        assert ping()
        wire("workers 0 1")
        assert exchange() == b"hello"
    assert len(listener.peers) == 3


def test_a8_a_dead_workers_port_can_be_reused(wire):
    with Listener(echo):
        s = connect(source_port=7000)
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        wire("signal 0 %d" % signal.SIGKILL)
        wire("signal 1 %d" % signal.SIGKILL)
        s.close()
        assert exchange(source_port=7000) == b"hello"
        counters = wire("counters")
        assert counters["wire_bypassed_no_worker"] == 1 and counters["flows"] == 0


def test_a8_one_of_two_dead_passes_nothing_uninspected(wire):
    with Listener(echo):
        wire("signal 1 %d" % signal.SIGKILL)
        for _ in range(12):
            assert exchange() == b"hello"
    counters = wire("counters")
    assert counters["wire_new_flows"] == 12 and "wire_bypassed_no_worker" not in counters


def test_a8_a_hung_worker_is_left(wire):
    with Listener(echo):
        wire("signal 0 %d" % signal.SIGSTOP)
        wire("signal 1 %d" % signal.SIGSTOP)
        time.sleep(0.4)
        assert exchange() == b"hello"
        assert wire("counters")["wire_bypassed_no_worker"] == 1
        wire("signal 0 %d" % signal.SIGCONT)
        time.sleep(0.1)
        assert exchange() == b"hello"
    assert wire("counters")["wire_new_flows"] == 1


def test_a8_segment_that_blocks_when_down(wire, config):
    wire("apply %s 2" % config(segment=", when_down: block"))
    assert ping()
    wire("workers 0 0")
    assert not ping()
    wire("workers 0 2")
    assert ping()


def test_port_reuse_after_close_by_either_side(wire):
    def serve(connection, _):
        if connection.recv(10) == b"close":
            return
        echo(connection, None)

    for timestamps in (1, 0):
        for role in "cs":
            sh("ip netns exec %s sysctl -qw net.ipv4.tcp_timestamps=%d" % (ns(role), timestamps))
        sh("ip netns exec %s sysctl -qw net.ipv4.tcp_tw_reuse=1" % ns("c"))
        with Listener(serve):
            for _ in range(10):
                with connect(source_port=7100) as s:
                    s.sendall(b"close")
                    assert s.recv(10) == b""
    for role in "cs":
        sh("ip netns exec %s sysctl -qw net.ipv4.tcp_timestamps=1" % ns(role))
    counters = wire("counters")
    assert counters["wire_new_flows"] == 20 and counters["flows"] == 1


def test_full_flow_table(wire, config):
    with Listener(echo):
        wire("max_flows 1")
        with connect() as s:
            s.sendall(b"1")
            assert s.recv(1) == b"1"
            assert exchange() == b"hello"
            assert wire("counters")["wire_bypassed_flow_table"] == 1


def test_adoption_under_traffic(wire, config):
    """the supervisor goes and comes back while a transfer runs and connections are made"""
    with Listener(echo):
        with connect() as s:
            for version in range(2, 5):
                s.sendall(b"a" * 1000)
                assert len(s.recv(1000, socket.MSG_WAITALL)) == 1000
                wire("close")
                s.sendall(b"b" * 1000)
                assert len(s.recv(1000, socket.MSG_WAITALL)) == 1000
                assert exchange() == b"hello"
                wire("open")
                assert exchange() == b"hello"
                wire("apply %s %d" % (config(), version))
                assert exchange() == b"hello"
    counters = wire("counters")
    assert counters["wire_new_flows"] == 10 and "wire_bypassed_no_worker" not in counters
    assert counters["flows"] == 10


def test_apply_is_all_or_nothing(wire, tmp_path, config):
    bad = tmp_path / "bad.yaml"
    text = CONFIG % {"unavailable": "bypass", "exceptions": "", "segment": ""}
    bad.write_text(text.replace("pB", "nosuch"))
    assert wire.fails("apply %s 9" % bad)
    bad.write_text(text.replace("[443, 8443-8450]", str(list(range(1000, 1040, 2)))))
    assert wire.fails("apply %s 9" % bad)
    with Listener(echo):
        assert exchange() == b"hello"
    assert wire("counters")["wire_new_flows"] == 1


def test_a8_a_new_generation_takes_over(wire):
    """sessions of the old workers go on, new ones belong to the new (slots 16 and 17)"""
    with Listener(echo):
        with connect() as s:
            s.sendall(b"1")
            assert s.recv(1) == b"1"
            wire("workers 16 2")
            for slot in (0, 1):
                wire("remove_listener %d" % slot)
            assert exchange() == b"hello"
            s.sendall(b"2")
            assert s.recv(1) == b"2"
    counters = wire("counters")
    assert counters["wire_new_flows"] == 2 and "wire_bypassed_no_worker" not in counters


def test_f4_segments_come_and_go(wire, tmp_path, config):
    """a second segment, then another order, then the first one gone: its port is back where it came from"""
    def apply(segments, version):
        path = tmp_path / ("%d.yaml" % version)
        text = CONFIG % {"unavailable": "bypass", "exceptions": "", "segment": ""}
        lines = "".join("  - {name: %s, port_a: %s, port_b: %s}\n" % s for s in segments)
        path.write_text(text.replace("  - {name: s1, port_a: pA, port_b: pB}\n", lines))
        wire("apply %s %d" % (path, version))

    first, second = ("s1", "pA", "pB"), ("s2", "pC", "pD")
    sh("ip -n %s link add pC type veth peer name pD" % HOME)
    with Listener(echo):
        with connect() as s:
            for version, segments in ((2, [first, second]), (3, [second, first]), (4, [first])):
                apply(segments, version)
                s.sendall(b"1")
                assert s.recv(1) == b"1"
                assert exchange() == b"hello"
    assert wire("counters")["wire_new_flows"] == 4
    links = subprocess.run(["ip", "-n", HOME, "-o", "link"], capture_output=True, text=True).stdout
    assert " pC@" in links and " pD@" in links and "PROMISC" not in links
    sh("ip -n %s link del pC" % HOME)


@contextlib.contextmanager
def mtu(value):
    """of every link in the rig; the ports' own while they are out of the wire"""
    def set_all(to):
        for name in sorted(n for n in os.listdir("/run/netns") if n.startswith(NAME + "-")):
            for link in json.loads(subprocess.run(["ip", "-n", name, "-j", "link"], capture_output=True).stdout):
                if link["ifname"] != "lo":
                    sh("ip -n %s link set %s mtu %d" % (name, link["ifname"], to))
    set_all(value)
    try:
        yield
    finally:
        set_all(1500)


@pytest.fixture
def jumbo_wire(hosts, config):
    with mtu(9000):
        driver = Driver()
        try:
            driver("open")
            driver("apply %s 1" % config())
            driver("workers 0 1")
            wait_for_ping()
            yield driver
        finally:
            driver.process.stdin.write("teardown\n")
            driver.end()


def test_a9_fragments_pass(wire):
    assert subprocess.run(["ip", "netns", "exec", ns("c"), "ping", "-c", "1", "-W", "1", "-s", "20000", SERVER],
                          stdout=subprocess.DEVNULL).returncode == 0
    assert wire("counters")["wire_fragments"] >= 28


def test_a9_jumbo(jumbo_wire):
    got = []

    def serve(connection, _):
        while data := connection.recv(1 << 20):
            got.append(len(data))
        connection.sendall(b"%d" % connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))

    with Listener(serve):
        with connect() as s:
            s.sendall(bytes(1 << 20))
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) > 8900
            s.shutdown(socket.SHUT_WR)
            assert int(s.recv(100)) > 8900
    assert sum(got) == 1 << 20
    counters = jumbo_wire("counters")
    assert counters["wire_new_flows"] == 1 and "wire_errors" not in counters


def raw_icmp_fragmentation_needed(segment, next_mtu, side, source_mac, destination_mac):
    """what a router behind that side would answer to the frame after this one (a socket ignores what is acknowledged)"""
    ip = bytearray(segment[14:])
    length = struct.unpack("!H", ip[2:4])[0] - 20 - (ip[32] >> 4) * 4
    ip[24:28] = struct.pack("!I", (struct.unpack("!I", ip[24:28])[0] + length) & 0xffffffff)
    body = struct.pack("!BBHHH", 3, 4, 0, 0, next_mtu) + bytes(ip[:28])
    body = body[:2] + struct.pack("!H", 0xffff ^ checksum(body)) + body[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0, socket.inet_aton("10.9.0.200"), bytes(ip[12:16]))
    head = head[:10] + struct.pack("!H", 0xffff ^ checksum(head)) + head[12:]
    frame = bytes.fromhex((destination_mac + source_mac).replace(":", "")) + b"\x08\x00" + head + body
    with inside(side):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("e0", 0))
    s.send(frame)
    s.close()


def test_a9_path_mtu_of_the_server_leg(wire):
    """the error quotes the server leg's segment: that leg's socket learns it, the client hears nothing"""
    with Listener(echo):
        capture = Capture(ns("s"))
        with connect() as s:
            s.sendall(b"x" * 30000)
            assert len(s.recv(30000, socket.MSG_WAITALL)) == 30000
            last = None
            with contextlib.suppress(TimeoutError):
                while True:
                    data, where = capture.socket.recvfrom(65600)
                    if where[2] != socket.PACKET_OUTGOING and data[23] == 6 and len(data) > 1000:
                        last = data
            at_client = Capture(ns("c"))
            raw_icmp_fragmentation_needed(last, 1000, ns("s"), SERVER_MAC, CLIENT_MAC)
            time.sleep(0.1)
            s.sendall(b"y" * 3000)
            assert len(s.recv(3000, socket.MSG_WAITALL)) == 3000
            s.sendall(b"y" * 3000)
            assert len(s.recv(3000, socket.MSG_WAITALL)) == 3000
            assert wire("counters")["wire_icmp_to_inspect"] == 1
            mss = int(subprocess.run(
                "ip netns exec %s-inspect ss -tino dst %s | grep -o ' mss:[0-9]*' | cut -d: -f2" % (NAME, SERVER),
                shell=True, capture_output=True, text=True).stdout.split()[0])
            assert mss <= 960
            with contextlib.suppress(TimeoutError):
                while True:
                    assert at_client.socket.recv(100)[23] != 1
        capture.socket.close()
        at_client.socket.close()


def test_a9_large_transfers_with_equal_checksums(wire):
    size = 100 << 20
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    for _ in range(size >> 20):
        digest.update(block)

    def serve(connection, _):
        got = hashlib.sha256()
        left = size
        while left:
            data = connection.recv(1 << 20)
            got.update(data)
            left -= len(data)
        connection.sendall(got.digest())

    with Listener(serve):
        with connect() as s:
            s.settimeout(60)
            for _ in range(size >> 20):
                s.sendall(block)
            assert s.recv(32) == digest.digest()
    counters = wire("counters")
    assert counters.get("wire_errors", 0) == 0


def test_teardown_after_a_crash_returns_the_ports(hosts, config):
    driver = Driver()
    driver("open")
    driver("apply %s 1" % config())
    driver.process.kill()
    driver.process.wait()
    driver = Driver()
    driver("teardown")
    driver("teardown")
    driver.end()
    links = subprocess.run(["ip", "-n", HOME, "-o", "link"], capture_output=True, text=True).stdout
    assert " pA@" in links and " pB@" in links and "NOARP" not in links and "PROMISC" not in links
    assert not [n for n in os.listdir("/run/netns") if n in (NAME + "-wire", NAME + "-inspect")]
    assert not os.path.exists("/sys/fs/bpf/sluice/" + NAME)
