# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests on real hosts: the hosts, a configuration, the wire between them."""
import os

import pytest

from wire_rig import (CLIENT, CLIENT_MAC, CONFIG, HOME, NAME, SERVER, SERVER_MAC, TAGGER, VLANS, Driver, host, netns_add,
                      remove, sh, wait_for_ping)


@pytest.fixture(scope="module")
def hosts():
    try:
        netns_add(HOME)
        for role, port in (("c", "pA"), ("s", "pB")):
            trunk = "%s-%st" % (NAME, role)
            netns_add(trunk)
            sh("ip link add trunk index 100 netns %s type veth peer name %s netns %s" % (trunk, port, HOME))
            sh("ip -n %s link set trunk up" % trunk)
            sh("ip netns exec %s tc qdisc add dev trunk clsact" % trunk)
            sh("ip netns exec %s tc filter add dev trunk ingress bpf da obj %s sec tc/pop" % (trunk, TAGGER))
            for vlan in VLANS:
                host(role, vlan, CLIENT if role == "c" else SERVER, CLIENT_MAC if role == "c" else SERVER_MAC)
        yield
    finally:
        remove()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wire")

    def write(unavailable="bypass", exceptions="", segment=""):
        path = directory / "config.yaml"
        path.write_text(CONFIG % {"unavailable": unavailable, "exceptions": exceptions, "segment": segment})
        return str(path)
    return write


@pytest.fixture
def wire(hosts, config):
    driver = Driver()
    try:
        driver("open")
        driver("apply %s 1" % config())
        driver("workers 0 2")
        wait_for_ping()
        yield driver
    finally:
        driver.process.stdin.write("teardown\n")
        driver.end()
    assert "%s-wire" % NAME not in os.listdir("/run/netns")
