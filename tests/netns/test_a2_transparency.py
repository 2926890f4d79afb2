# SPDX-License-Identifier: Apache-2.0
"""A2: of a decrypted flow, each side sees the other as if nothing stood between. Judged on captures and server logs."""
import socket
import time

import pytest

from lab.capture import Capture, one_way
from lab.clients import WEB_NAME, http_get, reset_on_close, tls_connect, wait_fin
from lab.peers import TlsServer, http_reply, sha256_file
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC, SERVER_TTL

pytestmark = pytest.mark.cable


def who(frames):
    return {(f.source_mac, f.destination_mac, f.ttl, f.vlan) for f in frames}


@pytest.mark.quick
def test_a2_server_sees_clients_true_address_port_mac_ttl(lab):
    with Capture(lab.server, "s0", lab.topology.path("a2s.pcap"), "tcp port 443") as capture:
        reply = lab.curl("/a2-server-side")
    assert reply.ok, reply
    row, = lab.nginx.wait_for("/a2-server-side")
    assert (row["address"], int(row["port"])) == (CLIENT_IP, reply.local_port)
    frames = one_way(capture.frames(), CLIENT_IP, source_port=reply.local_port)
    assert frames and who(frames) == {(CLIENT_MAC, SERVER_MAC, CLIENT_TTL, None)}


@pytest.mark.quick
def test_a2_client_sees_servers_true_address_mac_ttl_and_certificate(lab):
    with Capture(lab.client, "c0", lab.topology.path("a2c.pcap"), "tcp port 443") as capture:
        with tls_connect(lab.client, certificate=lab.certificate) as connection:
            assert connection.getpeercert(True) == lab.certificate.der()
            port = connection.getsockname()[1]
            assert http_get(connection, "/a2-client-side")[0] == 200
    frames = one_way(capture.frames(), SERVER_IP, destination_port=port)
    assert {(f.source_mac, f.destination_mac, f.vlan) for f in frames} == {(SERVER_MAC, CLIENT_MAC, None)}
    assert {f.ttl for f in frames} == {SERVER_TTL}


def test_a2_no_frame_carries_a_third_mac_or_address(lab):
    """A1: nothing of the appliance's own appears on the wire"""
    with Capture(lab.client, "c0", lab.topology.path("c.pcap")) as client_side, \
            Capture(lab.server, "s0", lab.topology.path("s.pcap")) as server_side:
        for number in range(5):
            assert lab.curl("/third-mac-%d" % number).ok
        time.sleep(1.2)  # a chatty kernel would speak up within a second
    frames = [f for f in client_side.frames() + server_side.frames() if f.ethertype in (0x800, 0x806)]
    assert {f.source_mac for f in frames} <= {CLIENT_MAC, SERVER_MAC}
    assert {f.source for f in frames if f.source} <= {CLIENT_IP, SERVER_IP}


def test_a2_dscp_of_each_direction_is_kept(lab):
    def marked(connection):
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x68)
        return http_reply(b"marked")(connection)
    with TlsServer(lab.topology, 8443, lab.certificate, marked), \
            Capture(lab.server, "s0", lab.topology.path("dscp-s.pcap"), "tcp port 8443") as at_server, \
            Capture(lab.client, "c0", lab.topology.path("dscp-c.pcap"), "tcp port 8443") as at_client:
        with tls_connect(lab.client, 8443, tos=0xb8) as connection:
            for _ in range(3):
                http_get(connection, "/dscp")
    to_server = [f.tos for f in one_way(at_server.frames(), CLIENT_IP) if f.payload]
    to_client = [f.tos for f in one_way(at_client.frames(), SERVER_IP) if f.payload]
    assert set(to_server) == {0xb8}
    assert to_client[-1] == 0x68, "the last value that the server sent"


@pytest.mark.parametrize("port", [1, 80, 443, 1023])
def test_a2_client_ports_below_1024(lab, port):
    with tls_connect(lab.client, certificate=lab.certificate, source=(CLIENT_IP, port)) as connection:
        reset_on_close(connection)  # the port can be used by the next run at once
        assert http_get(connection, "/low-port-%d" % port)[0] == 200
    assert int(lab.nginx.wait_for("/low-port-%d" % port)[-1]["port"]) == port


@pytest.mark.parametrize("timestamps", [1, 0])
@pytest.mark.parametrize("closer", ["server", "client reset"])
def test_a2_client_port_reused_at_once(lab, timestamps, closer):
    """the old connection's TIME_WAIT must not stand in the new one's way"""
    port = 20000 + timestamps * 10 + len(closer)
    for namespace in lab.client, lab.server:
        namespace.sysctl(net__ipv4__tcp_timestamps=timestamps)
    try:
        for round_number in range(12):
            with tls_connect(lab.client, certificate=lab.certificate, source=(CLIENT_IP, port)) as connection:
                headers = "Connection: close\r\n" if closer == "server" else ""
                assert http_get(connection, "/reuse", headers=headers)[0] == 200, round_number
                if closer == "server":
                    wait_fin(connection)
                else:
                    reset_on_close(connection)
    finally:
        for namespace in lab.client, lab.server:
            namespace.sysctl(net__ipv4__tcp_timestamps=1)


def test_a2_same_client_port_from_two_addresses(lab):
    """the flow is told by the whole tuple"""
    lab.client.run("ip", "addr", "add", "10.9.0.3/24", "dev", "c0")
    try:
        connections = [tls_connect(lab.client, certificate=lab.certificate, source=(address, 23456)) for address in (CLIENT_IP, "10.9.0.3")]
        for address, connection in zip((CLIENT_IP, "10.9.0.3"), connections):
            assert http_get(connection, "/two-" + address, WEB_NAME)[0] == 200
            reset_on_close(connection)
            assert lab.nginx.wait_for("/two-" + address)[0]["address"] == address
        for connection in connections:
            connection.close()
    finally:
        lab.client.run("ip", "addr", "del", "10.9.0.3/24", "dev", "c0")


def test_a2_path_mtu_errors_reach_the_right_side(lab):
    """A smaller MTU at the client: segments of the answer must fit; nothing may stall."""
    digest = lab.nginx.put_file("mtu.bin", 4 << 20)
    lab.client.run("ip", "link", "set", "c0", "mtu", "1200")
    try:
        target = lab.topology.path("mtu.out")
        reply = lab.curl("/files/mtu.bin", "-o", target, timeout=20)
        assert reply.ok, reply
        assert sha256_file(target) == digest
    finally:
        lab.client.run("ip", "link", "set", "c0", "mtu", "1500")


def test_a9_without_offload(fresh_lab):
    """hosts that compute every checksum and cut every segment themselves"""
    lab = fresh_lab(offload=False)
    digest = lab.nginx.put_file("wire.bin", 8 << 20)
    target = lab.topology.path("wire.out")
    reply = lab.curl("/files/wire.bin", "-o", target, timeout=30)
    assert reply.ok, reply
    assert sha256_file(target) == digest
