# SPDX-License-Identifier: Apache-2.0
"""src/dataplane end to end with a plain relay as worker (rows A1, A2, A5, A8, A9): real hosts in namespaces, the
server's own view of the frames. Needs root; leaves nothing behind."""
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import time

import pytest

from wire_rig import (CLIENT, CLIENT_MAC, CONFIG, DRIVER, ETH_P_ALL, HOME, NAME, SERVER, SERVER_MAC, VLANS, Capture,
                      Driver, Listener, connect, echo, exchange, inside, mtu, ns, ping, raw_icmp_fragmentation_needed,
                      receive, sh, wait_for_ping)

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not DRIVER, reason="needs root and WIRE_DRIVER")


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
                assert receive(s, 1000)
                wire("close")
                s.sendall(b"b" * 1000)
                assert receive(s, 1000)
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


def test_a9_path_mtu_of_the_server_leg(wire):
    """the error quotes the server leg's segment: that leg's socket learns it, the client hears nothing"""
    with Listener(echo):
        capture = Capture(ns("s"))
        with connect() as s:
            s.sendall(b"x" * 30000)
            assert receive(s, 30000)
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
            assert receive(s, 3000)
            s.sendall(b"y" * 3000)
            assert receive(s, 3000)
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
