# SPDX-License-Identifier: Apache-2.0
"""A9, A4: path MTU discovery with real routers. The links behind them carry 1300 bytes, and nobody but the router's ICMP errors tells: an error about
a segment of ours reaches the socket that sent it, and nobody else; one about another's passes. In a tunnel, too."""
import contextlib
import re
import subprocess

import pytest

from lab.appliance import configuration, ssl_server
from lab.capture import Capture
from lab.clients import reset_on_close, tcp_connect, tls_connect
from lab.laboratory import Laboratory
from lab.namespace import Namespace, run, stop_process
from lab.peers import Server, TlsServer
from lab.topology import CLIENT_IP, SERVER_IP
from lab.wire import ENCAPSULATIONS, Wire, overhead
from test_wire_matrix import FORWARDED, INSPECTED, exchange, serve

NARROW = 1300
CLIENT_BEHIND, SERVER_BEHIND = "10.9.3.1", "10.9.2.2"  # each behind the laboratory's own host, which is its router
INNER_CLIENT, INNER_SERVER = "10.8.0.1", "10.8.0.2"
SIZE = 1 << 20


def wide(topology):
    return configuration(topology, servers=[ssl_server("web", ["443"]), ssl_server("raw", ["9000-9009"], service="any",
                                                                                    destinations=[SERVER_IP, SERVER_BEHIND, INNER_SERVER])])


class Place:
    """what Server and TlsServer want to know of a topology"""

    def __init__(self, namespace):
        self.server = namespace


@pytest.fixture(scope="module")
def routed(request):
    """far client ── router (the client's host) ══ Sluice ══ router (the server's host) ── far server"""
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=wide) as lab, contextlib.ExitStack() as stack:
        lab.far = {}
        for role, host, peer, address in ("client", lab.client, SERVER_IP, CLIENT_BEHIND), ("server", lab.server, CLIENT_IP, SERVER_BEHIND):
            far = lab.far[role] = Namespace("%s-far-%s" % (lab.topology.name, role)).create()
            stack.callback(far.delete)
            run("ip", "link", "add", "f0", "netns", far.name, "type", "veth", "peer", "name", "r0", "netns", host.name)
            far.run("ip", "link", "set", "f0", "up")
            far.run("ip", "addr", "add", address + "/24", "dev", "f0")
            router = address.rpartition(".")[0] + ".254"
            host.run("ip", "addr", "add", router + "/24", "dev", "r0")
            host.run("ip", "link", "set", "r0", "up")
            # only the router knows how narrow it is there
            host.run("ip", "route", "replace", router.rpartition(".")[0] + ".0/24", "dev", "r0", "mtu", NARROW)
            host.sysctl(net__ipv4__ip_forward=1, net__ipv4__icmp_ratelimit=0, net__ipv4__conf__all__send_redirects=0)
            far.run("ip", "route", "add", "default", "via", router)
            host.run("ip", "route", "add", {"client": "10.9.2.0/24", "server": "10.9.3.0/24"}[role], "via", peer)
        yield lab


def learned(lab, address):
    """path MTUs of the sockets in `inspect` that send to this address"""
    text = lab.appliance.inspect.run("ss", "-Htino", "dst", address).stdout
    return {int(word) for word in re.findall(r"pmtu:(\d+)", text)}


def icmp_errors(path):
    return [frame for frame in Capture(None, None, path).frames() if frame.protocol == 1]


@pytest.mark.quick
@pytest.mark.parametrize("side", ["server", "client"])
def test_a9_an_error_reaches_the_leg_that_it_is_about(routed, side):
    lab = routed
    client, server, address = (lab.client, lab.far["server"], SERVER_BEHIND) if side == "server" else (lab.far["client"], lab.server, SERVER_IP)
    source = (CLIENT_IP if side == "server" else CLIENT_BEHIND, 0)
    before = lab.appliance.counters()["wire_icmp_to_inspect"]
    # the end that must not hear of it: whose segments were not too long
    other, interface = (lab.client, "c0") if side == "server" else (lab.server, "s0")
    with TlsServer(Place(server), INSPECTED, lab.certificate, serve, address=address), \
            Capture(other, interface, lab.topology.path("other-%s.pcap" % side), "icmp") as capture, \
            tls_connect(client, INSPECTED, address=address, source=source, timeout=20) as connection:
        exchange(connection, SIZE if side == "server" else 1, 1 if side == "server" else SIZE)
        assert learned(lab, SERVER_BEHIND if side == "server" else CLIENT_BEHIND) == {NARROW}
    lab.appliance.wait_counter("wire_icmp_to_inspect", before + 1)
    assert not icmp_errors(capture.path), "the other end has nothing to do with it"


@pytest.mark.cable
def test_a9_an_error_about_other_traffic_reaches_its_host(routed):
    lab = routed
    with Server(Place(lab.far["server"]), FORWARDED, serve, address=SERVER_BEHIND), \
            Capture(lab.client, "c0", lab.topology.path("passed.pcap"), "icmp") as capture, \
            tcp_connect(lab.client, FORWARDED, address=SERVER_BEHIND, timeout=20) as connection:
        exchange(connection, SIZE, 1)
    assert icmp_errors(capture.path), "the client's own kernel has to learn it"


@contextlib.contextmanager
def tunnel(lab, kind):
    """from the client's host to the far server, across its router, with packets that must not be fragmented; these ends take no checksums that
    are still to be made"""
    ends = []
    key = "-" if kind.key is None else "%d" % kind.key
    with Wire(lab).offloads(False, kind.tunnel):
        try:
            for space, local, remote, inner, peer in ((lab.client, CLIENT_IP, SERVER_BEHIND, INNER_CLIENT, INNER_SERVER),
                                                      (lab.far["server"], SERVER_BEHIND, CLIENT_IP, INNER_SERVER, INNER_CLIENT)):
                end = space.popen(Wire(lab).programs + "/tunnel_end", "t0", kind.tunnel, key, local, remote, 64, 0, 1, stdout=subprocess.PIPE, text=True)
                ends.append(end)
                assert end.stdout.readline() == "ready\n"
                space.run("ip", "addr", "add", inner, "peer", peer, "dev", "t0")
                space.run("ip", "link", "set", "t0", "mtu", 1500 - overhead(kind), "up")
            yield
        finally:
            for end in ends:
                stop_process(end)
                end.stdout.close()


@pytest.mark.parametrize("name", ["ipip", "gre", "gre_key"])
def test_a4_an_error_of_a_router_between_tunnel_ends_reaches_the_leg(routed, name):
    """it quotes a tunnel packet, which no socket here has sent: the leg learns the MTU less the tunnel header"""
    lab, kind = routed, ENCAPSULATIONS[name]
    before = lab.appliance.counters()["wire_icmp_to_inspect"]
    with tunnel(lab, kind), TlsServer(Place(lab.far["server"]), INSPECTED, lab.certificate, serve, address=INNER_SERVER), \
            tls_connect(lab.client, INSPECTED, address=INNER_SERVER, source=(INNER_CLIENT, 0), timeout=20) as connection:
        exchange(connection, SIZE, 1)
        assert NARROW - overhead(kind) in learned(lab, INNER_SERVER)
        reset_on_close(connection)
    lab.appliance.wait_counter("wire_icmp_to_inspect", before + 1)
    assert lab.appliance.counters()["wire_errors"] == 0
