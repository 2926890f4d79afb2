# SPDX-License-Identifier: Apache-2.0
"""What stands between the ports in place of Sluice: the yardsticks that the laboratory itself is tested with."""
from .namespace import Namespace, run


class Cable:
    """The two ports joined by a Linux bridge without address."""
    inspects = False

    def __init__(self, topology):
        self.topology = topology
        self.namespace = Namespace(topology.name + "-cable")

    def __enter__(self):
        space = self.namespace.create()
        space.sysctl(net__ipv6__conf__default__disable_ipv6=1)
        space.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for port in self.topology.port_state():
            run("ip", "link", "set", port, "netns", space.name)
            space.run("ip", "link", "set", port, "master", "br0", "up")
        space.run("ip", "link", "set", "br0", "up")
        return self

    def __exit__(self, *unused):
        self.namespace.delete()


class NoDevice:
    """Nothing at all: every test must fail with it."""
    inspects = False

    def __init__(self, topology):
        self.topology = topology

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass
