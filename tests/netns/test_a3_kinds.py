# SPDX-License-Identifier: Apache-2.0
"""A3: what is never decrypted passes as on a cable, and each kind is counted."""
import socket
import struct

from lab.topology import CLIENT_IP, CLIENT_IP6, CLIENT_MAC, SERVER_IP, SERVER_IP6, SERVER_MAC


def frames_to(lab, frames):
    """sends from the client's wire, and answers what of them the server's wire has got"""
    with lab.server:
        at_server = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    at_server.bind(("s0", 0))
    at_server.settimeout(2)
    with lab.client:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("c0", 0))
    with wire, at_server:
        for frame in frames:
            wire.send(frame)
        missing = list(frames)
        while missing:
            got = at_server.recv(65536)
            missing = [frame for frame in missing if frame != got]


def ethernet(destination, protocol, body):
    return bytes.fromhex((destination + CLIENT_MAC).replace(":", "")) + struct.pack("!H", protocol) + body.ljust(46, b"\0")


def ipv6(next_header, body):
    addresses = socket.inet_pton(socket.AF_INET6, CLIENT_IP6) + socket.inet_pton(socket.AF_INET6, SERVER_IP6)
    return struct.pack("!IHBB", 6 << 28, len(body), next_header, 64) + addresses + body


def test_a3_each_kind_that_is_never_decrypted_passes_and_is_counted(lab):
    ipv4 = struct.pack("!BBHHHBBH", 0x45, 0, 20, 1, 0, 64, 253, 0) + socket.inet_aton(CLIENT_IP) + socket.inet_aton(SERVER_IP)
    sent = {
        "wire_multicast": [ethernet("01:00:5e:00:00:fb", 0x800, ipv4), ethernet("ff:ff:ff:ff:ff:ff", 0x88b5, b"broadcast")],
        "wire_ipv4_in_ipv6": [ethernet(SERVER_MAC, 0x86dd, ipv6(4, ipv4))],
        "wire_ipv6": [ethernet(SERVER_MAC, 0x86dd, ipv6(4, ipv4)), ethernet(SERVER_MAC, 0x86dd, ipv6(59, b""))],
        "wire_non_ip": [ethernet(SERVER_MAC, 0x88b5, b"experimental")],
    }
    first = lab.appliance.counters()
    for counter, frames in sent.items():
        before = lab.appliance.counters()
        frames_to(lab, frames)
        lab.appliance.wait_counter(counter, before[counter] + len(frames))
    after = lab.appliance.counters()
    assert all(after[name] == first[name] for name in ("wire_errors", "wire_malformed"))


def test_a3_a_connection_from_the_servers_side_is_not_decrypted_and_counted(lab):
    before = lab.appliance.counters()
    with lab.client:
        listener = socket.create_server((CLIENT_IP, 443))
    with listener, lab.server:
        with socket.create_connection((CLIENT_IP, 443), timeout=5, source_address=(SERVER_IP, 0)) as outbound:
            peer, _ = listener.accept()
            with peer:
                outbound.sendall(b"\x16\x03\x01 not for Sluice")
                assert peer.recv(100) == b"\x16\x03\x01 not for Sluice"
    after = lab.appliance.wait_counter("wire_outbound", before["wire_outbound"] + 1) and lab.appliance.counters()
    assert after["wire_new_flows"] == before["wire_new_flows"]
