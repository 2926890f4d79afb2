# SPDX-License-Identifier: Apache-2.0
"""A1: connection establishment is truthful for SSL servers too. What a client, a scanner or a health check sees through
Sluice is what a cable shows: the tests marked `cable` are run with one as well."""
import contextlib
import os
import select
import signal
import socket
import struct
import threading
import time

import pytest

from lab.appliance import configuration, kill_and_wait, ssl_server
from lab.capture import ACK, RST, SYN, Capture, one_way
from lab.clients import outcome_of, tcp_connect, tls_connect
from lab.crowd import flood
from lab.namespace import stop_process, wait_until
from lab.peers import Server, TlsServer, echo, http_reply
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC, SERVER_TTL
from lab.traffic import ATTACK

SILENT_IP, SILENT_MAC = "10.9.0.77", "02:00:00:00:00:77"
ROUTED = {"10.9.1.1": "unreachable", "10.9.1.2": "prohibit", "10.9.1.3": "blackhole"}


def wide(topology):
    """every address behind the server, every port from 1 to 1023: all of it SSL servers"""
    servers = [ssl_server("web", ["1-1023", "8443-8449"], destinations=["10.9.0.0/16"]), ssl_server("raw", ["9000-9009"], service="any")]
    return configuration(topology, servers=servers)


@pytest.fixture
def scanned(fresh_lab):
    """ports in every state: open, refused, silent, unreachable"""
    lab = fresh_lab(document=wide)
    lab.client.run("ip", "neigh", "replace", SILENT_IP, "lladdr", SILENT_MAC, "dev", "c0")
    lab.client.run("ip", "route", "add", "10.9.1.0/24", "via", SERVER_IP)
    lab.server.sysctl(net__ipv4__ip_forward=1, net__ipv4__icmp_ratelimit=0)
    for address, kind in ROUTED.items():
        lab.server.run("ip", "route", "add", kind, address)
    return lab


def syn_frame(source_ip, source_port, address, port, seq=1000, destination_mac=SERVER_MAC, options=b""):
    tcp = struct.pack("!HHIIBBHHH", source_port, port, seq, 0, 5 + len(options) // 4 << 4, SYN, 64240, 0, 0) + options
    addresses = socket.inet_aton(source_ip) + socket.inet_aton(address)
    checksum = inet_checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, CLIENT_TTL, 6, 0) + addresses
    ip = ip[:10] + struct.pack("!H", inet_checksum(ip)) + ip[12:]
    macs = bytes.fromhex((destination_mac + CLIENT_MAC).replace(":", ""))
    return macs + b"\x08\x00" + ip + tcp


def inet_checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def wire_of(lab, interface="c0"):
    with lab.client:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((interface, 0))
    return wire


def tcp_numbers(frame):
    """(source port, seq, ack, flags, ttl, source MAC) of an Ethernet frame with TCP from the server, else None"""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[6:12].hex(":") == CLIENT_MAC:
        return None
    port, _, seq, ack, _, flags = struct.unpack_from("!HHIIBB", frame, 34)
    return port, seq, ack, flags, frame[22], frame[6:12].hex(":")


@pytest.mark.cable
@pytest.mark.quick
def test_a1_connect_scan_tells_the_truth(scanned):
    """open, closed, silent and unreachable ports of SSL servers, each as it is"""
    lab = scanned
    expected = {(SERVER_IP, 443): "open", (SERVER_IP, 80): "open", (SILENT_IP, 443): "silent", ("10.9.1.1", 443): "unreachable",
                ("10.9.1.2", 443): "unreachable", ("10.9.1.3", 443): "silent"}
    expected.update({(SERVER_IP, port): "refused" for port in range(430, 443)})

    def probe(address, port):
        try:
            tcp_connect(lab.client, port, timeout=2, address=address).close()
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"
        except OSError as error:
            return {113: "unreachable"}.get(error.errno, str(error))
    # nginx has 80 and 443
    assert {where: probe(*where) for where in expected} == expected
    if lab.device.inspects:
        lab.appliance.wait_counter("wire_held", len(expected))
        lab.appliance.wait_counter("wire_held_refused", 15)
        assert lab.appliance.counters()["closed_server_refused"] == 13
        lab.appliance.wait_record("ssl_inspection", close_reason="server_refused", ssl_server="web", action="not_decrypted")


@pytest.mark.cable
@pytest.mark.quick
def test_a1_syn_scan_tells_the_truth(scanned):
    """half-open, as a scanner does it: the answers are the server's own frames, and the server hears the client's reset"""
    lab = scanned
    wire = wire_of(lab)
    ports = {port: RST | ACK for port in range(400, 420)}
    ports.update({443: SYN | ACK, 80: SYN | ACK})
    lab.client.run("ip", "neigh", "replace", SERVER_IP, "lladdr", SERVER_MAC, "dev", "c0")
    lab.server.run("ip", "neigh", "replace", CLIENT_IP, "lladdr", CLIENT_MAC, "dev", "s0")
    for port in ports:
        wire.send(syn_frame(CLIENT_IP, 30000 + port, SERVER_IP, port, seq=77000 + port))
    answers = {}
    end = time.monotonic() + 5
    while len(answers) < len(ports) and time.monotonic() < end:
        if select.select([wire], [], [], 0.2)[0]:
            numbers = tcp_numbers(wire.recv(2000))
            if numbers and numbers[0] in ports:
                answers[numbers[0]] = numbers
    wire.close()
    assert {port: a[3] for port, a in answers.items()} == ports
    for port, (_, seq, ack, flags, ttl, mac) in answers.items():
        assert ack == 77000 + port + 1 and ttl == SERVER_TTL and mac == SERVER_MAC, (port, ack, ttl, mac)
        assert flags != RST | ACK or seq == 0
    # the client's kernel, which knows nothing of it, resets: so does the connection at the server end
    wait_until(lambda: not lab.server.run("ss", "-Htn", "state", "established", "state", "syn-recv").stdout.strip(), 5,
               "the half-open connections to be gone from the server")


@pytest.mark.cable
def test_a1_a_refusal_is_the_servers_own_frame(lab):
    """TTL, MAC and time of the reset: one SYN at the server, one reset, nothing else"""
    with Capture(lab.server, "s0", lab.topology.path("rs.pcap"), "tcp port 8449") as at_server, \
            Capture(lab.client, "c0", lab.topology.path("rc.pcap"), "tcp port 8449") as at_client:
        assert isinstance(outcome_of(lambda: tcp_connect(lab.client, 8449))[1], ConnectionRefusedError)
    syns = one_way(at_server.frames(), CLIENT_IP)
    assert [(f.flags & (SYN | RST | ACK), f.ttl, f.source_mac) for f in syns] == [(SYN, CLIENT_TTL, CLIENT_MAC)]
    resets = one_way(at_client.frames(), SERVER_IP)
    assert [(f.flags, f.ttl, f.source_mac, f.seq) for f in resets] == [(RST | ACK, SERVER_TTL, SERVER_MAC, 0)]


@pytest.mark.cable
@pytest.mark.quick
def test_a2_the_syn_ack_has_the_servers_ttl_and_dscp(lab):
    def marked(connection):
        return http_reply(b"marked")(connection)
    with TlsServer(lab.topology, 8445, lab.certificate, marked), \
            Capture(lab.client, "c0", lab.topology.path("synack.pcap"), "tcp port 8445") as capture:
        with tls_connect(lab.client, 8445):
            pass
    answer, = [f for f in one_way(capture.frames(), SERVER_IP) if f.flags & SYN]
    assert (answer.ttl, answer.tos & 0xfc, answer.source_mac) == (SERVER_TTL, 0, SERVER_MAC)


HAPROXY = """
global
    stats socket {socket} mode 600 level admin
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
    timeout check 500ms
listen front
    bind 127.0.0.1:7000
    server one {server}:8446 check inter 100ms fall 2 rise 2
"""


@pytest.mark.cable
def test_a1_a_load_balancers_check_sees_a_dead_server_as_dead(lab):
    control = lab.topology.path("haproxy.sock")
    with open(lab.topology.path("haproxy.cfg"), "w") as out:
        out.write(HAPROXY.format(socket=control, server=SERVER_IP))

    def state():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as stats:
            stats.connect(control)
            stats.sendall(b"show servers state\n")
            data = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
            for line in data.splitlines():
                words = line.split()
                if len(words) > 6 and words[3] == "one":
                    return {"2": "up", "0": "down"}.get(words[5], words[5])
        return None
    balancer = lab.client.popen("haproxy", "-db", "-f", lab.topology.path("haproxy.cfg"))
    try:
        wait_until(lambda: state() == "down", 10, "the check to see that nobody listens")
        for _ in range(2):
            with Server(lab.topology, 8446, echo):
                wait_until(lambda: state() == "up", 10, "the check to see the server")
            wait_until(lambda: state() == "down", 10, "the check to see that the server is dead")
    finally:
        stop_process(balancer)


@contextlib.contextmanager
def deaf(lab):
    """the server's host does not hear the client: its interface takes no frames that are addressed to it"""
    lab.server.run("ip", "link", "set", "s0", "address", "02:5e:00:00:00:99")
    try:
        yield
    finally:
        lab.server.run("ip", "link", "set", "s0", "address", SERVER_MAC)


@pytest.mark.quick
def test_a1_a_server_that_wakes_up_is_reached_and_inspected(own_lab):
    """also when the worker that held the SYN has died: the client's repetition is handled afresh"""
    lab = own_lab
    lab.client.run("ip", "neigh", "replace", SERVER_IP, "lladdr", SERVER_MAC, "dev", "c0")
    for kill in False, True:
        result = []
        with deaf(lab):
            held = lab.appliance.counters()["wire_held"]
            thread = threading.Thread(target=lambda: result.append(lab.curl(ATTACK + "&woken", "--path-as-is", timeout=15)))
            thread.start()
            lab.appliance.wait_counter("wire_held", held + 1)
            if kill:
                for pid in lab.appliance.workers().values():
                    kill_and_wait(pid)
                lab.appliance.wait_inspecting()
        thread.join()
        assert result[0].reset, result
    assert not lab.nginx.saw("woken")


def test_a8_held_syns_survive_a_change_of_the_supervisor(own_lab):
    lab = own_lab
    lab.client.run("ip", "neigh", "replace", SERVER_IP, "lladdr", SERVER_MAC, "dev", "c0")
    result = []
    with deaf(lab):
        thread = threading.Thread(target=lambda: result.append(lab.curl(ATTACK + "&other-generation", "--path-as-is", timeout=20)))
        thread.start()
        lab.appliance.wait_counter("wire_held", 1)
        kill_and_wait(lab.appliance.supervisor.pid, signal.SIGKILL)
        lab.appliance.start()
        lab.appliance.wait_inspecting()
    thread.join()
    assert result[0].reset, result
    assert not lab.nginx.saw("other-generation")


def seen_syns(lab, number):
    """each SYN of the flood is held, skipped, or dropped at once"""
    counters = lab.appliance.counters()
    return counters if counters["wire_new_flows"] + counters["wire_holds_dropped"] >= number else None


@pytest.mark.limit(180)
@pytest.mark.parametrize("number", [pytest.param(80000, id="80000"), pytest.param(200000, id="200000", marks=pytest.mark.long)])
def test_f6_syn_flood_neither_displaces_sessions_nor_opens_a_way_around(own_lab, number):
    lab = own_lab
    lab.server.run("ip", "route", "add", "172.16.0.0/12", "via", CLIENT_IP)
    lab.client.run("ip", "route", "add", "blackhole", "172.16.0.0/12")
    attacks = []
    with TlsServer(lab.topology, 9001, lab.certificate, echo), tls_connect(lab.client, 9001) as session:
        thread = threading.Thread(target=flood, args=(lab, number))
        thread.start()
        while thread.is_alive():
            attacks.append(lab.curl(ATTACK + "&flood-%d" % len(attacks), "--path-as-is", timeout=20))
        thread.join()
        session.sendall(b"still here")
        assert session.recv(100) == b"still here"
        attacks.append(lab.curl(ATTACK + "&after", "--path-as-is", timeout=20))
        assert lab.curl("/benign", timeout=20).ok
    assert not lab.nginx.saw("etc/passwd"), "an attack passed uninspected"
    assert all(reply.reset for reply in attacks), attacks
    counters = wait_until(lambda: seen_syns(lab, number), 10, "every SYN to be counted", pause=0.1)
    print(number, {name: value for name, value in counters.items() if value and name.startswith(("wire_", "holds_"))}, len(attacks))
    assert counters["wire_embryonic_displaced"] >= counters["wire_new_flows"] - 65536 - 1000
    assert counters.get("wire_bypassed_flow_table", 0) == counters.get("wire_bypassed_no_worker", 0) == 0
    assert lab.appliance.status()["flows"] <= 65536 + 100
