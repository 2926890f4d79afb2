# SPDX-License-Identifier: Apache-2.0
"""A4, A5: tenants with one and the same 4-tuple at the same time, in tunnels of two keys and outside, each in a VLAN of its own: each is decrypted
under its own virtual segment, by its own server, and logged with its true VLAN and tunnel. Hosts and tunnel ends are those of tests/bpf."""
import contextlib
import os
import ssl
import sys
import tempfile

import pytest

from lab.appliance import DEFAULT_BIN_DIR, Appliance, ssl_server
from lab.clients import WEB_NAME, client_context
from lab.namespace import wait_until
from lab.peers import Certificate

BPF_TESTS = os.path.realpath(os.path.join(os.path.dirname(__file__), "../bpf"))
INNER_CLIENT, INNER_SERVER, PORT, SOURCE_PORT = "10.8.0.1", "10.8.0.2", 443, 4000
KEYS = {0: 0x0a0b0c0d, 10: 77, 20: None}  # of the VLAN's GRE tunnel; None: outside of one


class Ports:
    """what Appliance asks of a topology"""
    port_a, port_b = "pA", "pB"

    def __init__(self, name, directory):
        self.name, self.directory = name, directory

    def path(self, name):
        return os.path.join(self.directory, name)


@pytest.fixture(scope="module")
def rig(request):
    programs = os.path.join(os.path.realpath(request.config.getoption("--bin-dir") or os.environ.get("SLUICE_BIN_DIR") or DEFAULT_BIN_DIR), "../tests")
    os.environ.update(WIRE_DRIVER=programs + "/wire_driver", WIRE_TAGGER=programs + "/bpf/tagger.bpf.o", TUNNEL_END=programs + "/tunnel_end")
    sys.path.insert(0, BPF_TESTS)
    import test_wire_tunnels as tunnels
    import wire_rig
    return wire_rig, tunnels


def configuration():
    """a profile, an SSL policy and a virtual segment for each tenant"""
    return {
        "device": {"name": "tenants", "workers": 2},
        "segments": [{"name": "dmz", "port_a": "pA", "port_b": "pB"}],
        "ssl_servers": [ssl_server("web", [str(PORT)], service="any", destinations=[INNER_SERVER])],
        "profiles": [{"name": "profile-%d" % vlan, "filter_packages": ["local.rules"],
                      "ssl_policies": [{"name": "policy-%d" % vlan, "ssl_server": "web"}]} for vlan in KEYS],
        "virtual_segments": [{"name": "tenant-%d" % vlan, "segment": "dmz", "direction": "a_to_b", "vlans": ["%d" % vlan], "profile": "profile-%d" % vlan}
                             for vlan in KEYS if vlan] + [{"name": "tenant-0", "segment": "dmz", "direction": "a_to_b", "profile": "profile-0"}],
    }


@pytest.fixture
def tenants(request, rig):
    wire_rig, tunnels = rig
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-tenants-"))
        certificate = Certificate(directory, "web-rsa", WEB_NAME)
        stack.callback(wire_rig.remove)
        wire_rig.netns_add(wire_rig.HOME)
        for role, port in (("c", "pA"), ("s", "pB")):
            trunk = "%s-%st" % (wire_rig.NAME, role)
            wire_rig.netns_add(trunk)
            wire_rig.sh("ip link add trunk index 100 netns %s type veth peer name %s netns %s" % (trunk, port, wire_rig.HOME))
            wire_rig.sh("ip -n %s link set trunk up" % trunk)
            wire_rig.sh("ip netns exec %s tc qdisc add dev trunk clsact" % trunk)
            wire_rig.sh("ip netns exec %s tc filter add dev trunk ingress bpf da obj %s sec tc/pop" % (trunk, wire_rig.TAGGER))
            for vlan in KEYS:
                wire_rig.host(role, vlan, wire_rig.CLIENT if role == "c" else wire_rig.SERVER,
                              wire_rig.CLIENT_MAC if role == "c" else wire_rig.SERVER_MAC)
        tunnels.ports_without_offloads()
        appliance = Appliance(Ports(wire_rig.NAME + "x", directory), request.config.getoption("--bin-dir"))
        with wire_rig.inside(wire_rig.HOME):
            stack.enter_context(appliance)
            appliance.configure([certificate], configuration())
            yield appliance, certificate
            stack.pop_all().close()


def serve_tls(certificate, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def serve(connection, _):
        with context.wrap_socket(connection, server_side=True) as tls:
            while data := tls.recv(1000):
                tls.sendall(name + data)
    return serve


def test_a5_one_tuple_in_two_tunnels_and_outside_each_under_its_own_segment(rig, tenants):
    (wire_rig, tunnels), (appliance, certificate) = rig, tenants
    with contextlib.ExitStack() as stack:
        for vlan, key in KEYS.items():
            if key is not None:
                stack.enter_context(tunnels.tunnel("gre_key", key=str(key), vlan=vlan))
                continue
            for role, address in (("c", INNER_CLIENT), ("s", INNER_SERVER)):
                wire_rig.sh("ip -n %s addr add %s/24 dev e0" % (wire_rig.ns(role, vlan), address))
        for vlan in KEYS:
            stack.enter_context(wire_rig.Listener(serve_tls(certificate, b"%d:" % vlan), port=PORT, vlan=vlan, address=INNER_SERVER))
        clients = {}
        for vlan in KEYS:
            plain = wire_rig.connect(port=PORT, vlan=vlan, source_port=SOURCE_PORT, client=INNER_CLIENT, address=INNER_SERVER)
            clients[vlan] = stack.enter_context(client_context().wrap_socket(plain, server_hostname=WEB_NAME))
        for _ in range(3):
            for vlan, client in clients.items():
                client.sendall(b"hello")
                assert client.recv(1000) == b"%d:hello" % vlan, "each tenant has his own server"
        shown = {row["virtual_segment"]: row for row in appliance.show("sessions")["sessions"]}
        assert set(shown) == {"tenant-%d" % vlan for vlan in KEYS}
        # an attack in one of them ends that one alone
        clients[10].sendall(b"RAW-ATTACK-9")
        with pytest.raises(OSError):
            if not clients[10].recv(1000):
                raise ConnectionResetError
        for vlan in (0, 20):
            clients[vlan].sendall(b"still")
            assert clients[vlan].recv(1000) == b"%d:still" % vlan
    blocked = appliance.wait_record("block", signature_id=4000005)
    assert (blocked["virtual_segment"], blocked["profile"], blocked["vlan"]) == ("tenant-10", "profile-10", 10)
    wait_until(lambda: len(appliance.records("ssl_inspection")) >= 2, 10, "the records of the other two")
    records = {row["virtual_segment"]: row for row in appliance.records("ssl_inspection")}
    for vlan in (0, 20):
        record = records["tenant-%d" % vlan]
        assert (record["src_ip"], record["src_port"], record["dest_ip"], record["dest_port"]) == (INNER_CLIENT, SOURCE_PORT, INNER_SERVER, PORT)
        assert record["ssl_policy"] == "policy-%d" % vlan and record.get("vlan", 0) == vlan
    assert "tunnel" not in records["tenant-20"]
    for word in ("gre", wire_rig.CLIENT, wire_rig.SERVER, str(KEYS[0])):
        assert word in records["tenant-0"]["tunnel"], records["tenant-0"]["tunnel"]
    assert appliance.counters()["wire_errors"] == 0
