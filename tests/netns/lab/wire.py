# SPDX-License-Identifier: Apache-2.0
"""Encapsulations, MTU and offloads of a running laboratory, and an independent judge of every frame (tests/bpf/frame_check.c).

In a tunnel the hosts keep their addresses: their packets leave through a TUN device whose other side is tests/bpf/tunnel_end.c, between
addresses of its own. So everything else in the laboratory works in a tunnel as it does outside."""
import collections
import contextlib
import json
import os
import signal
import subprocess

from .namespace import stop_process
from .topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC, SERVER_TTL, vlan_program

Encapsulation = collections.namedtuple("Encapsulation", "tags tunnel key", defaults=((), None, None))
ENCAPSULATIONS = {
    "untagged": Encapsulation(), "vlan": Encapsulation(((0x8100, 10),)), "qinq": Encapsulation(((0x88a8, 10), (0x8100, 20))),
    "gre": Encapsulation(tunnel="gre"), "gre_key": Encapsulation(tunnel="gre", key=0x0a0b0c0d), "ipip": Encapsulation(tunnel="ipip"),
    "vlan+gre_key": Encapsulation(((0x8100, 11),), "gre", 7), "qinq+ipip": Encapsulation(((0x8100, 12), (0x8100, 21)), "ipip"),
}
Host = collections.namedtuple("Host", "namespace interface mac address ttl tos outer outer_ttl outer_tos outer_df")


class Wire:
    """what lies around the hosts' packets, and how the interfaces treat them"""

    def __init__(self, lab):
        self.lab, self.programs = lab, lab.programs
        self.hosts = (Host(lab.client, "c0", CLIENT_MAC, CLIENT_IP, CLIENT_TTL, 0xb8, "192.0.2.1", 33, 0x48, 1),
                      Host(lab.server, "s0", SERVER_MAC, SERVER_IP, SERVER_TTL, 0x68, "192.0.2.2", 44, 0x28, 0))

    @contextlib.contextmanager
    def encapsulated(self, kind, mtu=1500, offload=False):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.mtu(mtu))
            stack.enter_context(self.offloads(offload, kind.tunnel))
            for host, peer in (self.hosts, self.hosts[::-1]):
                if kind.tags:
                    stack.enter_context(self._tagged(host, kind.tags))
                if kind.tunnel:
                    stack.enter_context(self._tunnelled(host, peer, kind, mtu - overhead(kind), offload))
            yield

    def links(self):
        """(namespace, interface) of both hosts and both ports"""
        topology = self.lab.topology
        return [(h.namespace, h.interface) for h in self.hosts] + [(self.lab.port_space, p) for p in (topology.port_a, topology.port_b)]

    @contextlib.contextmanager
    def mtu(self, mtu):
        """of hosts and ports; the appliance takes it with its next commit"""
        def switch(value):
            for namespace, interface in self.links():
                namespace.run("ip", "link", "set", interface, "mtu", value)
            self.lab.appliance.commit(self.lab.document(self.lab.topology))
        if mtu == 1500:
            yield
            return
        switch(mtu)
        try:
            yield
        finally:
            switch(1500)

    @contextlib.contextmanager
    def offloads(self, on, tunnel):
        """Off: every checksum made and every segment cut in the hosts and by the ports. On: checksums left to be made, and super-packets; those of
        tunnels, which no host makes, come from what the ports merge (a veth does so if its peer does not cut)."""
        features = ["tx", "tso", "gso", "tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation"]
        hosts, ports = self.links()[:2], self.links()[2:]

        def switch(links, word, names):
            for namespace, interface in links:
                namespace.run("ethtool", "-K", interface, *[w for name in names for w in (name, word)])

        def merge(word, nanoseconds):
            switch(ports, word, ["gro"])
            for namespace, interface in ports:
                namespace.run("sh", "-c", "echo %d >/sys/class/net/%s/gro_flush_timeout" % (nanoseconds, interface))
        try:
            if not on:
                switch(hosts + ports, "off", features)
            elif tunnel:
                switch(hosts, "off", ["tso"])
                merge("on", 100000)
            yield
        finally:
            merge("off", 0)
            switch(hosts + ports, "on", features)

    @contextlib.contextmanager
    def _tagged(self, host, tags):
        (protocol, outer), inner = tags[0], tags[1][1] if len(tags) > 1 else None
        program = vlan_program(self.lab.topology, outer, inner, protocol)
        tc = "dev", host.interface
        host.namespace.run("tc", "qdisc", "add", *tc, "clsact")
        try:
            for hook, section in ("egress", "push"), ("ingress", "pop"):
                host.namespace.run("tc", "filter", "add", *tc, hook, "bpf", "da", "obj", program, "sec", section)
            yield
        finally:
            host.namespace.run("tc", "qdisc", "del", *tc, "clsact")

    @contextlib.contextmanager
    def _tunnelled(self, host, peer, kind, mtu, offload):
        key = "-" if kind.key is None else "%d" % kind.key
        host.namespace.run("ip", "addr", "add", host.outer + "/24", "dev", host.interface)
        end = host.namespace.popen(os.path.join(self.programs, "tunnel_end"), "t0", kind.tunnel, key, host.outer, peer.outer, host.outer_ttl,
                                   host.outer_tos, host.outer_df, *([host.interface] if offload else []), stdout=subprocess.PIPE, text=True)
        try:
            assert end.stdout.readline() == "ready\n"
            host.namespace.run("ip", "link", "set", "t0", "mtu", mtu, "up")
            host.namespace.run("ip", "route", "add", peer.address, "dev", "t0", "src", host.address)
            yield
        finally:
            stop_process(end)
            end.stdout.close()
            host.namespace.run("ip", "addr", "del", host.outer + "/24", "dev", host.interface)

    @contextlib.contextmanager
    def judged(self, kind, mtu=1500):
        """every frame that arrives at either host; yields {"client": verdict, "server": verdict}, filled when the context is left"""
        verdicts, processes = {}, []
        try:
            for host, peer in (self.hosts, self.hosts[::-1]):
                processes.append(host.namespace.popen(os.path.join(self.programs, "frame_check"), host.interface,
                                                      *expectations(kind, mtu, peer, host), stdout=subprocess.PIPE, text=True))
            for process in processes:
                assert process.stdout.readline() == "ready\n"
            yield verdicts
            for role, process in zip(("client", "server"), processes):
                process.send_signal(signal.SIGTERM)
                verdicts[role] = json.loads(process.communicate(timeout=30)[0])
        finally:
            for process in processes:
                stop_process(process)


def overhead(kind):
    """bytes of the tunnel header"""
    return {None: 0, "ipip": 20, "gre": 24}[kind.tunnel] + (4 if kind.key is not None else 0)


def expectations(kind, mtu, sender, receiver):
    """what frame_check holds the sender's frames to"""
    words = ["mtu=%d" % mtu, "macs=%s,%s" % (sender.mac, receiver.mac), "inner=%s,%s,%d,%d" % (sender.address, receiver.address, sender.ttl, sender.tos)]
    if kind.tags:
        words.append("tags=" + ",".join("%x:%d" % tag for tag in kind.tags))
    if kind.tunnel:
        words.append("tunnel=" + ("gre_key:%d" % kind.key if kind.key is not None else kind.tunnel))
        words.append("outer=%s,%s,%d,%d,%d" % (sender.outer, receiver.outer, sender.outer_ttl, sender.outer_tos, sender.outer_df))
    return words
