# SPDX-License-Identifier: Apache-2.0
"""J5: a machine that is a copy of another one notices at its boot, and shares no host key and no device key with it."""
import contextlib

import machine as vm
from lab.clients import WEB_NAME, curl
from lab.namespace import wait_until
from lab.peers import Certificate, Nginx
from lab.topology import Topology

PATIENCE = 60


def _identity(machine):
    return {"host key": machine.ssh("cat /data/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1],
            "device key": machine.ssh("sudo sha256sum /data/lib/sluice/sluice/device.key").stdout.split()[0]}


def test_j5_a_copy_gets_keys_of_its_own():
    with contextlib.ExitStack() as stack:
        topology = stack.enter_context(Topology())
        certificate = Certificate(topology.directory, "web-rsa", WEB_NAME)
        stack.enter_context(Nginx(topology, certificate))
        machine = vm.Machine(topology, uuid="6f9619ff-8b86-4011-b42d-00c04fc964ff")
        stack.callback(machine.remove)
        machine.prepare()
        machine.write_seed(vm.settings(None, machine.public_key), files=[vm.pkcs12(topology, certificate)])
        machine.start()
        machine.wait_ssh()
        machine.wait_inspecting()
        original = _identity(machine)
        machine.ssh("sudo sync && sudo systemctl poweroff", check=False)
        wait_until(lambda: machine.process.poll() is not None, vm.BOOT_SECONDS, "the machine to be off", pause=1)

        machine.uuid = "6f9619ff-8b86-4011-b42d-00c04fc96500"
        machine.start()
        machine.wait_ssh()
        assert "a copy of another one" in machine.said()
        machine.wait_inspecting()
        wait_until(lambda: machine.ssh("test -e /data/clone-pending", check=False).returncode == 1, vm.BOOT_SECONDS, "a device key of its own", pause=2)
        copy = _identity(machine)
        assert copy["host key"] != original["host key"] and copy["device key"] != original["device key"]
        assert curl(topology.client, "/copy", certificate=certificate, timeout=PATIENCE).ok, "the stored keys are still its own"
