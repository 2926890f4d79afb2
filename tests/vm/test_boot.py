# SPDX-License-Identifier: Apache-2.0
"""J1, J2, J3, A10: the image boots on what hypervisors offer; what a machine lacks is told, and below the minimum it is a cable."""
import contextlib
import os
import tarfile

import pytest

import machine as vm
from lab.clients import WEB_NAME, curl
from lab.peers import Certificate, Nginx
from lab.topology import Topology

OVF_ENVIRONMENT = """<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
  <PropertySection>
    <Property oe:key="hostname" oe:value="from-ovf"/>
    <Property oe:key="management.address" oe:value="%s/24"/>
    <Property oe:key="ssh_keys" oe:value="%s"/>
  </PropertySection>
</Environment>
"""


@contextlib.contextmanager
def booted(seed="settings", **options):
    with contextlib.ExitStack() as stack:
        topology = stack.enter_context(Topology())
        certificate = Certificate(topology.directory, "web-rsa", WEB_NAME)
        stack.enter_context(Nginx(topology, certificate))
        machine = vm.Machine(topology, **options)
        stack.callback(machine.remove)
        machine.prepare()
        if seed == "ovf":
            machine.write_seed(OVF_ENVIRONMENT % (vm.MACHINE_IP, machine.public_key), label="OVF ENV", name="ovf-env.xml")
        elif seed == "wrong":
            machine.write_seed("#cloud-config\nsluice:\n  hostname: from-seed\n  management: {address: 192.0.2.1}\n")
        else:
            machine.write_seed(vm.settings(None, machine.public_key), files=[vm.pkcs12(topology, certificate)])
        machine.start()
        if seed != "wrong":
            machine.wait_ssh()
        machine.web = lambda path="/": curl(topology.client, path, certificate=certificate, timeout=60)
        yield machine


def states(machine):
    """as the command line says, and SNMP too"""
    said = {check["name"]: check["state"] for check in machine.ask("show", "health")["checks"]}
    vm.wait_until(lambda: machine.health_by_snmp() == said, 120, "SNMP to say %s" % said, pause=3)
    return said


def test_j2_without_rdrand_it_warns_and_inspects():
    with booted(cpu="max,-la57,-rdrand,-rdseed") as machine:
        machine.wait_inspecting()
        assert states(machine)["rdrand"] == "warning"
        assert "warning: RDRAND: missing" in machine.said()
        assert "RDRAND" in machine.ssh("sudo sluice show log system").stdout
        assert machine.web("/x").ok and machine.web("/x?f=/etc/passwd").reset


def test_j2_without_ssse3_inspection_is_refused_and_the_wire_is_a_cable():
    with booted(cpu="qemu64") as machine:
        vm.wait_until(lambda: machine.ask("show", "status")["config_version"] >= 2, vm.BOOT_SECONDS, "the configuration of day 0", pause=2)
        answer = machine.ask("show", "health")
        assert (answer["ssl_inspection"], answer["refused_by"]) == ("refused", "ssse3")
        assert "refused: SSSE3: missing" in machine.said()
        assert machine.web("/y?f=/etc/passwd").ok, "passed as through a cable"
        assert states(machine)["ssse3"] == "refused"
        assert "SSSE3" in machine.ssh("sudo sluice diagnose 10.9.0.1 10.9.0.2:443; true").stdout


def test_j2_without_aes_avx2_and_ifma_below_two_cores_and_two_gigabytes():
    with booted(cpu="max,-la57,-aes,-avx2", cpus=1, memory=1536) as machine:
        vm.wait_until(lambda: machine.ask("show", "status")["config_version"] >= 2, vm.BOOT_SECONDS, "the configuration of day 0", pause=2)
        found = states(machine)
        assert {name: found[name] for name in ("aes", "avx2", "avx512_ifma", "cpus", "memory", "ssse3", "rdrand")} == {
            "aes": "warning", "avx2": "note", "avx512_ifma": "note", "cpus": "refused", "memory": "refused", "ssse3": "good", "rdrand": "good"}
        assert machine.ask("show", "health")["ssl_inspection"] == "refused"
        for line in "warning: AES-NI: missing", "refused: Processors: 1 vCPU", "refused: Memory: ":
            assert line in machine.said()
        assert machine.web("/z?f=/etc/passwd").ok, "passed as through a cable"


@pytest.mark.skipif(not os.path.exists("/usr/share/ovmf/OVMF.fd"), reason="no OVMF")
def test_j1_it_boots_by_uefi():
    with booted(firmware="/usr/share/ovmf/OVMF.fd") as machine:
        machine.wait_inspecting()
        assert machine.ssh("test -d /sys/firmware/efi && echo uefi").stdout.strip() == "uefi"
        assert machine.web("/x").ok


def test_j3_a10_the_ova_boots_with_vmxnet3_ports_and_an_ovf_environment(tmp_path):
    ova = vm.image().replace(".qcow2", ".ova")
    if not os.path.exists(ova):
        pytest.skip("built with --no-ova")
    with tarfile.open(ova) as archive:
        archive.extractall(tmp_path)
    disk, = [str(path) for path in tmp_path.iterdir() if path.suffix == ".vmdk"]
    with booted(seed="ovf", disk=disk, nic="vmxnet3") as machine:
        assert machine.ssh("hostname").stdout.strip() == "from-ovf"
        assert "vmxnet3" in machine.ssh("readlink /sys/class/net/mgmt0/device/driver").stdout
        vm.wait_until(lambda: machine.web("/cable").ok, vm.BOOT_SECONDS, "the wire to be a cable", pause=2)


def test_j4_wrong_settings_are_told_with_their_line_and_the_console_asks_for_right_ones():
    with booted(seed="wrong") as machine:
        machine.types("press Enter to give them here", "")
        said = machine.said()
        assert "user-data:4:" in said and "such as 192.0.2.10/24" in said and "nothing of medium" in said
        for prompt, answer in (("Host name [sluice]: ", "from-console"), ("or dhcp [dhcp]: ", "10.99.0.10"), ("or dhcp [dhcp]: ", vm.MACHINE_IP + "/24"),
                               ("gateway [none]: ", ""), ("Name servers", ""), ("Time servers", ""), ("SSH public key", machine.public_key),
                               ("Password of admin", "a good password"), ("Once more", "a good password"), ("yes or no", "")):
            machine.types(prompt, answer)
        machine.wait_ssh()
        assert machine.ssh("hostname").stdout.strip() == "from-console"
        machine.wait_said("ssh admin@" + vm.MACHINE_IP)
        machine.types("login: ", "admin")
        machine.types("Password: ", "a good password")
        machine.types("$ ", "sudo -n sluice show status | cat")
        machine.wait_said("SSL inspection")
        assert "a good password" not in machine.said()
        assert machine.web("/cable").ok
