# SPDX-License-Identifier: Apache-2.0
"""J3, end to end: a real libvirtd, the virt-install command of the deployment guide, and everything that an operator hangs on the
appliance: logs over RELP with TLS and certificates on both sides, SNMPv3, traps. Slow; in the order of the file."""
import base64
import contextlib
import os
import re
import xml.etree.ElementTree as ElementTree

import pytest

import machine as vm
from hypervisor import Libvirt
from lab.clients import WEB_NAME, curl
from lab.namespace import stop_process, wait_until
from lab.peers import Certificate, Nginx
from lab.receiver import NAME as RECEIVER_NAME
from lab.receiver import Pki, Receiver
from lab.topology import CLIENT_IP, Topology

PATIENCE = 90  # an emulated machine on a shared one
ENGINE = "80001f880473616d706c65"


def block(text, indent):
    return "|\n" + "".join(" " * indent + line + "\n" for line in text.splitlines())


def settings(site):
    """day 0 in one file, as virt-install --cloud-init takes it"""
    with open(vm.pkcs12(site.topology, site.certificate), "rb") as file:
        packed = base64.b64encode(file.read()).decode()
    pem = {name: block(open(site.pki.path(file)).read(), 8) for name, file in (("ca", "ca.pem"), ("certificate", "appliance.pem"), ("key", "appliance.key"))}
    return vm.settings(None, site.machine.public_key).replace("pkcs12_file: web.p12", "pkcs12: %s" % packed) + """\
  log_disk: format
  snmp_engine_id: %s
  snmp_traps: [{host: %s, user: %s}]
  log_targets: [{name: siem, host: %s, port: %d, protocol: relp_tls, credentials: siem, certificate_name: %s}]
  log_credentials:
    - name: siem
      ca: %s      certificate: %s      key: %s""" % (ENGINE, vm.HOST_IP, vm.SNMP_USER, vm.HOST_IP, site.receiver.port, RECEIVER_NAME,
                                                     pem["ca"], pem["certificate"], pem["key"])


def guide_commands():
    """the guide's virt-install and what follows it, as words"""
    with open(os.path.join(vm.REPOSITORY, "docs/deployment.md")) as guide:
        lines = re.search(r"```\n(virt-install .*?)```", guide.read(), re.S).group(1).replace("\\\n", " ").strip().split("\n")
    return [line.split() for line in lines]


class Trapd:
    """snmptrapd beside the management bridge: SNMPv3 with authentication and encryption, from the appliance's engine only"""

    def __init__(self, namespace, directory):
        self.namespace, self.directory = namespace, directory

    def __enter__(self):
        os.makedirs(self.directory)
        configuration = os.path.join(self.directory, "snmptrapd.conf")
        with open(configuration, "w") as out:
            out.write("snmpTrapdAddr udp:%s:162\n" % vm.HOST_IP)
            out.write('createUser -e 0x%s %s SHA-256 "%s" AES "%s"\nauthUser log %s priv\n' % (ENGINE, vm.SNMP_USER, vm.AUTH, vm.PRIVACY, vm.SNMP_USER))
        self.log = os.path.join(self.directory, "log")
        self.process = self.namespace.popen("snmptrapd", "-f", "-n", "-C", "-c", configuration, "-Lf", self.log, "-On",
                                            env=dict(os.environ, SNMP_PERSISTENT_DIR=os.path.join(self.directory, "persistent"), MIBS=""))
        return self

    def said(self):
        return open(self.log).read() if os.path.exists(self.log) else ""

    def __exit__(self, *unused):
        stop_process(self.process)


class Domain(vm.Machine):
    """the machine that virt-install has made"""

    def __init__(self, topology, libvirt_directory):
        super().__init__(topology)
        self.libvirt = Libvirt(self.hypervisor, libvirt_directory)

    def install(self, day0):
        images = self.libvirt.path("lib/images")
        vm.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", vm.image(), "-F", "qcow2", os.path.join(images, "sluice.qcow2"), "4G")
        with open(self.topology.path("day0.yaml"), "w") as out:
            out.write(day0)
        words, *more = guide_commands()
        words = [word.replace("day0.yaml", self.topology.path("day0.yaml")) for word in words]
        # what emulation cannot be: the host's CPU; and its console goes to a file that the test reads
        at = words.index("host-passthrough")
        words[at:at + 1] = ["mode=maximum,disable=la57", "--virt-type", "qemu"]
        self.console = os.path.join(images, "console.log")
        words += ["--serial", "file,path=" + self.console]
        for command in words, *more:
            self.libvirt.run(*command, timeout=vm.BOOT_SECONDS)

    def wait_said(self, text, timeout=vm.BOOT_SECONDS):
        return wait_until(lambda: text in self.said(), timeout, "%r on the console, which ends with:\n%s" % (text, self.said()[-2000:]), pause=0.5)

    def definition(self):
        return ElementTree.fromstring(self.libvirt.run("virsh", "dumpxml", "--inactive", "sluice").stdout)


class Site:
    pass


@pytest.fixture(scope="module")
def site():
    with contextlib.ExitStack() as stack:
        it = Site()
        it.topology = stack.enter_context(Topology())
        it.certificate = Certificate(it.topology.directory, "web-rsa", WEB_NAME)
        it.nginx = stack.enter_context(Nginx(it.topology, it.certificate))
        it.machine = Domain(it.topology, it.topology.directory)
        stack.callback(it.machine.remove)
        it.machine.prepare(bridges={"mgmt": "br-mgmt", "a": "br-clients", "b": "br-servers"}, taps=False)
        it.pki = Pki(it.topology.path("pki"))
        it.receiver = stack.enter_context(Receiver(it.topology.path("receiver"), address=vm.HOST_IP, protocol="relp-tls", pki=it.pki,
                                                   namespace=it.machine.hypervisor))
        it.trapd = stack.enter_context(Trapd(it.machine.hypervisor, it.topology.path("trapd")))
        it.libvirt = stack.enter_context(it.machine.libvirt)
        it.libvirt.network("default", "br-mgmt")
        it.machine.install(settings(it))
        it.machine.wait_ssh()
        it.machine.wait_inspecting()
        yield it


def web(site, path="/", **options):
    return curl(site.topology.client, path, certificate=site.certificate, timeout=PATIENCE, **options)


def test_j3_the_command_of_the_guide_makes_the_machine(site):
    definition = site.machine.definition()
    sources = [interface.find("source").attrib for interface in definition.findall("devices/interface")]
    assert [source.get("network") or source.get("bridge") for source in sources] == ["default", "br-clients", "br-servers"]
    assert [interface.find("driver").get("queues") for interface in definition.findall("devices/interface")[1:]] == ["2", "2"]
    assert "sluice" in site.libvirt.run("virsh", "list", "--name", "--autostart").stdout
    assert "combined" in site.machine.ssh("sudo ip netns exec sluice-wire ethtool -l port1a; true").stdout.lower()


def test_j4_no_seed_is_left_on_the_hypervisor(site):
    assert "settings of day 0 are in force" in site.machine.said()
    assert site.machine.ssh("hostname").stdout.strip() == "sluice-vm"
    media = [disk.find("source") for disk in site.machine.definition().findall("devices/disk") if disk.get("device") == "cdrom"]
    assert not [source for source in media if source is not None], "the seed is in the definition"
    kept = [os.path.join(folder, name) for folder, _, names in os.walk(site.libvirt.directory) for name in names if name.endswith((".iso", ".img"))]
    assert not kept, "virt-install left the seed"
    secrets = base64.b64encode("\n".join([vm.P12_PASSWORD, vm.AUTH, vm.PRIVACY]).encode()).decode()
    found = site.machine.ssh("echo %s | base64 -d | sudo grep -rlFf - /data /run/sluice-day0 /var/lib/sluice /etc; true" % secrets).stdout.split()
    assert not found, "passwords of the seed are still in %s" % found


def test_j3_https_through_the_machine_is_decrypted(site):
    assert web(site, "/through").ok
    assert site.nginx.saw("/through")[-1]["address"] == CLIENT_IP
    assert [row for row in site.machine.ask("show", "log", "ssl_inspection")["records"] if row["action"] == "decrypted"]


def test_g5_an_attack_is_blocked_and_its_record_arrives_over_relp_with_tls(site):
    answer = web(site, "/x?f=/etc/passwd")
    assert answer.reset, answer
    assert not site.nginx.saw("/etc/passwd")
    arrived = wait_until(lambda: [line for name, lines in site.receiver.files().items() if name.endswith("/block.json") for line in lines],
                         PATIENCE, "the Block record at rsyslogd")
    assert b"4000001" in arrived[0] and CLIENT_IP.encode() in arrived[0]
    with site.machine.hypervisor:
        asked = vm.run("openssl", "s_client", "-connect", "%s:%d" % (vm.HOST_IP, site.receiver.port), "-CAfile", site.pki.path("ca.pem"), check=False)
    assert "Acceptable client certificate CA names" in asked.stdout, "the receiver asks for a certificate (what it does without: test_g5)"


def test_h3_snmp_v3_shows_the_block(site):
    def blocked():
        walk = site.machine.snmpwalk(vm.MIB)
        return len(walk.splitlines()) > 100 and re.search(r"Counter64: [1-9]", walk) and walk
    assert "sluice-vm" in wait_until(blocked, PATIENCE, "SLUICE-MIB with counts", pause=2)


def test_h4_a_trap_arrives(site):
    wait_until(lambda: vm.MIB in site.trapd.said(), PATIENCE, "a notification of SLUICE-MIB at snmptrapd", pause=1)


def test_a8_supervisor_killed_the_wire_stays_up(site):
    site.machine.ssh("sudo systemctl kill --signal=KILL --kill-whom=main sluice@sluice")
    assert web(site, "/after-kill").ok
    site.machine.wait_inspecting()


def test_j6_a_second_disk_is_formatted_and_takes_the_logs(site):
    assert "log_disk: there is no second disk" in site.machine.said()
    disk = os.path.join(site.libvirt.path("lib/images"), "logs.raw")
    vm.run("qemu-img", "create", "-q", "-f", "raw", disk, "2G")
    site.libvirt.run("virsh", "attach-disk", "sluice", disk, "vdb", "--targetbus", "virtio", "--driver", "qemu", "--subdriver", "raw", "--persistent")
    wait_until(lambda: site.machine.ssh("ls /dev/vdb", check=False).stdout, PATIENCE, "the second disk", pause=1)


def test_j5_reboot_keeps_configuration_and_keys(site):
    before = site.machine.ask("show", "status")["config_version"]
    boot = site.machine.ssh("cat /proc/sys/kernel/random/boot_id").stdout
    site.machine.ssh("sudo systemctl reboot", check=False)
    wait_until(lambda: site.machine.ssh("cat /proc/sys/kernel/random/boot_id", check=False).stdout not in ("", boot), vm.BOOT_SECONDS,
               "the machine to be back", pause=3)
    site.machine.wait_inspecting()
    assert site.machine.ask("show", "status")["config_version"] == before
    assert web(site, "/after-reboot").ok and web(site, "/y?f=/etc/passwd").reset
    assert site.libvirt.run("virsh", "domstate", "sluice").stdout.strip() == "running"
    assert "/dev/vdb" in site.machine.ssh("findmnt -no SOURCE /var/lib/sluice/sluice/log").stdout
    assert site.machine.ssh("sudo test -s /var/lib/sluice/sluice/log/block.json && echo there").stdout, "the Block record is on the second disk"
    site.machine.wait_said("on the second disk")


def inspects(site, path):
    return web(site, path).ok and web(site, path + "?f=/etc/passwd").reset


def test_j6_a_slow_a_full_and_a_lost_second_disk_do_not_stop_traffic(site):
    site.libvirt.run("virsh", "blkdeviotune", "sluice", "vdb", "--total-iops-sec", "1", "--live")
    assert all(inspects(site, "/slow%d" % i) for i in range(5))
    site.libvirt.run("virsh", "blkdeviotune", "sluice", "vdb", "--total-iops-sec", "0", "--live")
    site.machine.ssh("sudo dd if=/dev/zero of=/var/lib/sluice/sluice/log/fill bs=1M; df /var/lib/sluice/sluice/log", timeout=vm.BOOT_SECONDS)
    assert all(inspects(site, "/full%d" % i) for i in range(5))
    site.libvirt.run("virsh", "detach-disk", "sluice", "vdb", "--persistent", check=False)
    wait_until(lambda: not site.machine.ssh("ls /dev/vdb", check=False).stdout, PATIENCE, "the second disk to be gone", pause=1)
    assert all(inspects(site, "/lost%d" % i) for i in range(5))
    assert site.machine.is_inspecting()
