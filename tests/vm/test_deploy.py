# SPDX-License-Identifier: Apache-2.0
"""J4, J7, end to end on a real libvirtd: sluice-deploy looks at the host, makes a machine with settings of day 0 from the image,
HTTPS is inspected through it, it is told how the machine is, and takes it away again. Slow; in the order of the file."""
import contextlib
import json
import os
import shutil

import pytest

import machine as vm
from hypervisor import Libvirt
from lab.clients import WEB_NAME, curl
from lab.peers import Certificate, Nginx
from lab.topology import Topology

PROGRAM = os.path.join(vm.REPOSITORY, "build/release/bin/sluice-deploy")
PORTS = ["--management", "bridge=br-mgmt", "--port-a", "bridge=br-clients", "--port-b", "bridge=br-servers"]
SIZE = ["--emulated", "--memory", "2048", "--disk", "4", "--wait", str(2 * vm.BOOT_SECONDS)]

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="sluice-deploy is not built")


class Site:
    def run(self, *words, check=True, timeout=3 * vm.BOOT_SECONDS):
        """sluice-deploy beside the libvirtd"""
        return self.libvirt.run(PROGRAM, *words, check=check, timeout=timeout)

    def listed(self, *words):
        return self.libvirt.run("virsh", *words, "--name").stdout.split() if words[0] == "list" else \
            [line.split()[0] for line in self.libvirt.run("virsh", *words).stdout.splitlines()[2:] if line.strip()]

    def files(self):
        return sorted(os.listdir(self.pool))


@pytest.fixture(scope="module")
def site():
    with contextlib.ExitStack() as stack:
        it = Site()
        it.topology = stack.enter_context(Topology())
        it.certificate = Certificate(it.topology.directory, "web-rsa", WEB_NAME)
        it.nginx = stack.enter_context(Nginx(it.topology, it.certificate))
        it.machine = vm.Machine(it.topology)
        stack.callback(it.machine.remove)
        it.machine.prepare(bridges={"mgmt": "br-mgmt", "a": "br-clients", "b": "br-servers"}, taps=False)
        it.libvirt = stack.enter_context(Libvirt(it.machine.hypervisor, it.topology.directory))
        it.pool = it.libvirt.path("pool")
        os.makedirs(it.pool)
        it.libvirt.run("virsh", "pool-define-as", "default", "dir", "--target", it.pool)
        it.libvirt.run("virsh", "pool-start", "default")
        # settings, and the file that they name beside them
        it.seed = it.topology.path("settings")
        os.makedirs(it.seed)
        it.day0 = os.path.join(it.seed, "day0.yaml")
        with open(it.day0, "w") as out:
            out.write(vm.settings(None, it.machine.public_key))
        shutil.copy(vm.pkcs12(it.topology, it.certificate), os.path.join(it.seed, "web.p12"))
        yield it


def test_j7_preflight_judges_this_host(site):
    result = site.run("preflight", *PORTS, *SIZE[:-2], "--json")
    found = {(finding["name"], finding["state"]) for finding in json.loads(result.stdout)["preflight"]}
    assert ("ssse3", "good") in found and ("bridge", "good") in found and ("multicast snooping", "good") in found
    refused = site.run("preflight", "--port-a", "bridge=br-nowhere", "--port-b", "bridge=br-servers", "--emulated", check=False)
    assert refused.returncode == 1 and "ip link add br-nowhere type bridge" in refused.stdout


def test_j7_a_deployment_that_fails_leaves_nothing(site, tmp_path):
    """what cannot boot is not well in time: by then everything has been made"""
    bad = tmp_path / "bad.qcow2"
    with open(vm.image(), "rb") as image:
        bad.write_bytes(image.read(65536))  # the head of an image, cut off
    result = site.run("deploy", "broken", "--image", bad, "--day0", site.day0, *PORTS, *SIZE[:-1], "10", check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "not well after 10 s: its guest agent does not answer" in result.stderr and "mend:" in result.stderr
    assert site.listed("list", "--all") == [] and site.files() == []


def test_j7_wrong_settings_are_refused_before_anything_is_made(site, tmp_path):
    bad = tmp_path / "day0.yaml"
    bad.write_text("sluice:\n  hostnam: x\n")
    result = site.run("deploy", "wrong", "--image", vm.image(), "--day0", bad, *PORTS, *SIZE, check=False)
    assert result.returncode == 1 and "day0.yaml:2:" in result.stderr and "hostname" in result.stderr
    assert site.listed("list", "--all") == [] and site.files() == []


def test_j4_j7_a_machine_is_deployed_and_its_medium_is_gone(site):
    result = site.run("deploy", "gate", "--image", vm.image(), "--day0", site.day0, *PORTS, *SIZE, "--json")
    answer = json.loads(result.stdout)
    assert answer["well"] and answer["health"]["day0_done"] and answer["autostart"]
    assert {"name": "mgmt0", "address": vm.MACHINE_IP, "prefix": 24} in answer["addresses"]
    assert site.files() == ["gate.qcow2"], "the medium is deleted"
    for inactive in [], ["--inactive"]:
        assert "day0.iso" not in site.libvirt.run("virsh", "dumpxml", "gate", *inactive).stdout, "and taken out"
    assert "not wiped" in result.stderr and site.day0 in result.stderr, "what could not be wiped is told"


def test_j7_https_is_inspected_through_it(site):
    assert curl(site.topology.client, "/through", certificate=site.certificate, timeout=90).ok
    assert site.nginx.saw("/through")
    assert curl(site.topology.client, "/x?f=/etc/passwd", certificate=site.certificate, timeout=90).reset
    assert not site.nginx.saw("/etc/passwd")


def test_j7_status_tells_state_addresses_and_health(site):
    result = site.run("status", "gate")
    assert "running" in result.stdout and vm.MACHINE_IP + "/24 on mgmt0" in result.stdout and "SSL inspection   on" in result.stdout
    site.libvirt.run("virsh", "suspend", "gate")
    try:
        paused = site.run("status", "gate", "--json", check=False)
        assert paused.returncode == 4 and json.loads(paused.stdout)["state"] == "paused"
    finally:
        site.libvirt.run("virsh", "resume", "gate")
    assert site.run("status", "nobody", check=False).returncode == 1


def update():
    """the update file that belongs to the image: signed with the key that the image trusts"""
    path = vm.image().replace(".qcow2", ".update")
    if not os.path.exists(path):
        pytest.skip("built without an update file")
    return path


def test_j5_an_update_that_is_not_ours_is_refused_and_leaves_nothing(site, tmp_path):
    junk = tmp_path / "junk.update"
    junk.write_bytes(os.urandom(1 << 20))
    update()
    result = site.run("upgrade", "gate", junk, "--json", check=False)
    assert result.returncode == 1 and "refuses the update" in json.loads(result.stdout)["error"]["what"], result.stdout
    assert site.files() == ["gate.qcow2"]
    assert site.run("status", "gate").returncode == 0


def test_j5_an_upgrade_goes_to_the_other_slot_and_the_medium_is_gone(site):
    answer = json.loads(site.run("upgrade", "gate", update(), "--wait", str(2 * vm.BOOT_SECONDS), "--json").stdout)
    assert answer["upgrade"]["state"] == "confirmed", answer
    print("J5: back and confirmed after %d s" % answer["seconds"])
    assert site.files() == ["gate.qcow2"]
    assert "update.iso" not in site.libvirt.run("virsh", "dumpxml", "gate").stdout
    assert curl(site.topology.client, "/z?f=/etc/passwd", certificate=site.certificate, timeout=90).reset, "configuration and keys are kept"


def test_j7_remove_takes_the_machine_and_its_disk_and_nothing_else(site):
    with open(os.path.join(site.pool, "others.qcow2"), "w"):
        pass
    assert site.run("remove", "gate", check=False).returncode == 1, "nobody has confirmed it"
    assert site.listed("list", "--all") == ["gate"]
    result = site.run("remove", "gate", "--yes", "--json")
    assert json.loads(result.stdout) == {"deleted_volumes": ["gate.qcow2"], "removed": "gate"}
    assert site.listed("list", "--all") == [] and site.files() == ["others.qcow2"]


def test_j3_an_ova_is_deployed(site):
    """converted by libvirt; its settings of day 0 as above"""
    ova = vm.image().replace(".qcow2", ".ova")
    if not os.path.exists(ova):
        pytest.skip("built with --no-ova")
    answer = json.loads(site.run("deploy", "fromova", "--image", ova, "--day0", site.day0, *PORTS, *SIZE, "--json").stdout)
    try:
        assert answer["well"]
        checksum, = [finding for finding in answer["preflight"] if finding["name"] == "checksum"]
        assert checksum["state"] == "good" and "manifest" in checksum["found"]
        assert site.files() == ["fromova.qcow2", "others.qcow2"]
        assert curl(site.topology.client, "/y?f=/etc/passwd", certificate=site.certificate, timeout=90).reset
    finally:
        site.run("remove", "fromova", "--yes")
