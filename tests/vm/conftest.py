# SPDX-License-Identifier: Apache-2.0
"""One virtual machine for the tests of test_appliance.py: booted once, from a seed of day 0."""
import contextlib

import pytest

import machine as vm
from lab.clients import WEB_NAME
from lab.peers import Certificate, Nginx
from lab.receiver import Receiver
from lab.topology import Topology


class Site:
    pass


@pytest.fixture(scope="module")
def site():
    with contextlib.ExitStack() as stack:
        it = Site()
        it.topology = stack.enter_context(Topology())
        it.certificate = Certificate(it.topology.directory, "web-rsa", WEB_NAME)
        it.nginx = stack.enter_context(Nginx(it.topology, it.certificate))
        it.machine = vm.Machine(it.topology)
        stack.callback(it.machine.remove)
        it.machine.prepare()
        it.receiver = stack.enter_context(Receiver(it.topology.path("receiver"), address=vm.HOST_IP, namespace=it.machine.hypervisor))
        it.machine.write_seed(vm.settings(it.receiver.port, it.machine.public_key), files=[vm.pkcs12(it.topology, it.certificate)])
        it.machine.start()
        it.machine.wait_ssh()
        it.machine.wait_inspecting()
        yield it
