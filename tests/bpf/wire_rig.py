# SPDX-License-Identifier: Apache-2.0
"""The rig of test_wire_smoke.py: hosts and trunks in namespaces, the driver, servers, captures."""
import collections
import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import threading
import time

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
    raise AssertionError("the wire does not forward")


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


def connect(port=443, vlan=0, source_port=0, address=SERVER, ttl=None, tos=None, client=CLIENT):
    with inside(ns("c", vlan)):
        s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ttl:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    if tos is not None:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    s.bind((client, source_port))
    s.connect((address, port))
    return s


def receive(s, size):
    """all of it (MSG_WAITALL does not wait on a socket with a timeout)"""
    while size and (data := s.recv(size)):
        size -= len(data)
    return size == 0


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
