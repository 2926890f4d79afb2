# SPDX-License-Identifier: Apache-2.0
"""A1, A3, A7: what is not an SSL server's flow passes as through a cable."""
import pytest

from lab.capture import RST, Capture, one_way
from lab.clients import curl, neighbour_mac, outcome_of, ping, tcp_connect, udp_exchange
from lab.peers import Server, UdpEcho, echo, sha256_file
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_IP6, SERVER_MAC

pytestmark = [pytest.mark.cable, pytest.mark.quick]


def test_a1_ping_passes_both_ways(lab):
    assert ping(lab.client, SERVER_IP) and ping(lab.server, CLIENT_IP)


def test_a1_arp_shows_the_true_macs(lab):
    assert neighbour_mac(lab.client, SERVER_IP, "c0") == SERVER_MAC
    assert neighbour_mac(lab.server, CLIENT_IP, "s0") == CLIENT_MAC


def test_a9_fragments_pass(lab):
    assert ping(lab.client, SERVER_IP, 2, 8000)


def test_a1_plain_tcp_passes_with_true_addresses(lab):
    reply = curl(lab.client, "/plain-tcp", scheme="http")
    assert reply.ok, reply
    row, = lab.nginx.wait_for("/plain-tcp")
    assert (row["address"], int(row["port"])) == (CLIENT_IP, reply.local_port)


def test_a1_udp_passes(lab):
    with UdpEcho(lab.topology, 5353):
        assert udp_exchange(lab.client, 5353, b"datagram " * 100) == b"datagram " * 100


def test_a12_udp_443_passes(lab):
    with UdpEcho(lab.topology, 443):
        assert udp_exchange(lab.client, 443, b"quic?") == b"quic?"


def test_a1_refused_port_stays_refused(lab):
    with Capture(lab.server, "s0", lab.topology.path("refused.pcap"), "tcp port 81") as capture:
        outcome, error = outcome_of(lambda: tcp_connect(lab.client, 81))
    assert isinstance(error, ConnectionRefusedError), (outcome, error)
    assert any(f.flags & RST for f in one_way(capture.frames(), SERVER_IP)), "the server's own reset answers"


def test_a1_silent_address_stays_silent(lab):
    lab.client.run("ip", "neigh", "replace", "10.9.0.77", "lladdr", "02:00:00:00:00:77", "dev", "c0")
    assert outcome_of(lambda: tcp_connect(lab.client, 81, timeout=1, address="10.9.0.77"))[0] == "timeout"
    assert ping(lab.client, SERVER_IP)


def test_a1_outbound_connections_pass(lab):
    """from the server's side; to port 443 as well, for nobody inspects that direction"""
    class Reversed:  # the client's namespace plays the server
        server = lab.client
    with Server(Reversed, 443, echo, address=CLIENT_IP):
        with tcp_connect(lab.server, 443, source=(SERVER_IP, 0), address=CLIENT_IP) as connection:
            connection.sendall(b"outbound")
            assert connection.recv(100) == b"outbound"


def test_a3_ipv6_is_forwarded_undecrypted(lab):
    assert ping(lab.client, SERVER_IP6)
    url = "https://[%s]/over-ipv6" % SERVER_IP6
    assert "hello" in lab.client.run("curl", "-sSk", "--max-time", "5", url).stdout
    assert lab.nginx.wait_for("/over-ipv6")[0]["address"].startswith("fd09::")


def test_a1_plain_bulk_and_ttl_are_untouched(lab):
    size = 20 << 20
    digest = lab.nginx.put_file("plain.bin", size)
    target = lab.topology.path("plain.out")
    with Capture(lab.server, "s0", lab.topology.path("bulk.pcap"), "src host %s and tcp port 80" % CLIENT_IP) as capture:
        assert curl(lab.client, "/files/plain.bin", "-o", target, scheme="http", timeout=30).exit == 0
    assert sha256_file(target) == digest
    assert {(f.ttl, f.source_mac) for f in capture.frames()} == {(CLIENT_TTL, CLIENT_MAC)}
