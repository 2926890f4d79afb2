# SPDX-License-Identifier: Apache-2.0
"""client namespace ── c0 ═ port a │ device │ port b ═ s0 ── server namespace

Ports a and b lie in the caller's namespace until a device takes them. Client and server use different TTLs and locally
administered MACs, so that a frame tells who made it."""
import os
import secrets
import shutil
import tempfile

from .namespace import Namespace, run

CLIENT_IP, SERVER_IP = "10.9.0.1", "10.9.0.2"
EXCEPTED_IP = "10.9.0.99"  # a second address of the client, for source address exceptions
CLIENT_IP6, SERVER_IP6 = "fd09::1", "fd09::2"
CLIENT_MAC, SERVER_MAC = "02:c1:00:00:00:01", "02:5e:00:00:00:02"
CLIENT_TTL, SERVER_TTL = 57, 61


class Topology:
    """Context manager. `name` is also the device's instance name."""

    def __init__(self, name=None, prefix="t", vlan=None, vlan_inner=None, vlan_protocol=0x8100, offload=True):
        self.name = name or prefix + secrets.token_hex(3)
        self.port_a, self.port_b = self.name + "a", self.name + "b"
        assert len(self.port_a) <= 15
        self.vlan, self.vlan_inner, self.vlan_protocol, self.offload = vlan, vlan_inner, vlan_protocol, offload
        self.client, self.server = Namespace(self.name + "-client"), Namespace(self.name + "-server")
        self.directory = None

    def __enter__(self):
        # mode 755: nginx's own user reads its files here
        self.directory = tempfile.mkdtemp(prefix="sluice-%s-" % self.name)
        os.chmod(self.directory, 0o755)
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *unused):
        self.remove()

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def _build(self):
        self._host(self.client, "c0", self.port_a, CLIENT_MAC, CLIENT_IP, CLIENT_IP6, CLIENT_TTL)
        self._host(self.server, "s0", self.port_b, SERVER_MAC, SERVER_IP, SERVER_IP6, SERVER_TTL)
        self.client.run("ip", "addr", "add", EXCEPTED_IP + "/24", "dev", "c0")
        if self.vlan:
            self._tag(self.client, "c0")
            self._tag(self.server, "s0")

    def _host(self, namespace, interface, port, mac, address, address6, ttl):
        namespace.create()
        namespace.sysctl(net__ipv6__conf__default__accept_dad=0, net__ipv6__conf__default__accept_ra=0,
                         net__ipv4__ip_default_ttl=ttl, net__ipv4__tcp_max_syn_backlog=8192, net__core__somaxconn=8192,
                         net__ipv4__ip_unprivileged_port_start=1)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", namespace.name)
        run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % port, check=False)
        run("ip", "link", "set", port, "up")
        namespace.run("ip", "link", "set", interface, "address", mac, "up")
        namespace.run("ip", "addr", "add", address + "/24", "dev", interface)
        namespace.run("ip", "addr", "add", address6 + "/64", "dev", interface, "nodad")
        if not self.offload:
            namespace.run("ethtool", "-K", interface, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")

    def _tag(self, namespace, interface):
        program = vlan_program(self, self.vlan, self.vlan_inner, self.vlan_protocol)
        namespace.run("tc", "qdisc", "add", "dev", interface, "clsact")
        for hook, section in ("egress", "push"), ("ingress", "pop"):
            namespace.run("tc", "filter", "add", "dev", interface, hook, "bpf", "da", "obj", program, "sec", section)

    def port_state(self):
        """Names of this topology's ports that lie in the caller's namespace now."""
        return [port for port in (self.port_a, self.port_b) if os.path.exists("/sys/class/net/" + port)]

    def remove(self):
        self.client.delete()
        self.server.delete()
        for port in self.port_state():
            run("ip", "link", "del", port, check=False)
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)


def vlan_program(topology, vlan, inner=None, protocol=0x8100):
    """the object file that makes a host's interface speak frames with these tags only (sections push and pop)"""
    program = topology.path("vlan-%x-%d-%s.o" % (protocol, vlan, inner))
    if not os.path.exists(program):
        run("clang-19", "-O2", "-g", "-target", "bpf", "-I/usr/include/%s-linux-gnu" % os.uname().machine, "-DVLAN_ID=%d" % vlan,
            "-DVLAN_PROTOCOL=%d" % protocol, *(["-DVLAN_INNER=%d" % inner] if inner else []),
            "-c", os.path.join(os.path.dirname(__file__), "vlan.bpf.c"), "-o", program)
    return program
