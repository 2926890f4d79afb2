# SPDX-License-Identifier: Apache-2.0
"""The appliance as a virtual machine between the laboratory's client and server: a device like Sluice on this machine.

client namespace ── port a ═ bridge ═ tap ── port1a │ virtual machine │ port1b ── tap ═ bridge ═ port b ── server namespace
                                 hypervisor namespace: management bridge 10.99.0.1, which is also log server and SNMP manager

Emulated (TCG): /dev/kvm on a build machine proves nothing, and an emulated boot takes about half a minute of an idle processor."""
import json
import os
import re
import shlex
import socket
import sys
import time

sys.path.insert(0, os.path.realpath(os.path.join(os.path.dirname(__file__), "../netns")))
from lab.namespace import Namespace, run, stop_process, wait_until  # noqa: E402

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
HOST_IP, MACHINE_IP = "10.99.0.1", "10.99.0.10"
MIB = ".1.3.6.1.4.1.8072.9999.9999.7583"
SNMP_USER, AUTH, PRIVACY = "monitor", "an authentic phrase", "a private phrase"
P12_PASSWORD = "p12-password-7263"
RULES = """\
reject http any any -> any any (msg:"path traversal in the URI"; flow:established,to_server; http.uri; content:"/etc/passwd"; sid:4000001; rev:1;)
"""
BOOT_SECONDS = 600  # of a shared machine


def image():
    folder = os.environ.get("SLUICE_VM_IMAGES", os.path.join(REPOSITORY, "build/vm"))
    found = sorted(name for name in os.listdir(folder) if name.startswith("sluice-") and name.endswith(".qcow2")) if os.path.isdir(folder) else []
    if not found:
        raise RuntimeError("no image in %s: make one with vm/build-image" % folder)
    return os.path.join(folder, found[-1])


def settings(log_port=None, ssh_key="", server="10.9.0.2"):
    """day 0, as an operator would write it"""
    target = "\n      log_targets: [{name: siem, host: %s, port: %d}]" % (HOST_IP, log_port) if log_port else ""
    return """\
#cloud-config
sluice:
  hostname: sluice-vm
  management: {address: %s/24}
  ssh_keys: ["%s"]
  snmp_users: [{name: %s, auth_passphrase: %s, privacy_passphrase: %s}]
  certificates: [{name: web-rsa, pkcs12_file: web.p12, password: %s}]
  rule_files:
    - name: local.rules
      text: |
%s
  configuration: |
      device: {name: sluice-vm}
      segments: [{name: dmz, port_a: port1a, port_b: port1b}]
      ssl_servers:
        - {name: web, destinations: [%s], detection_ports: [443], certificates: [web-rsa], decrypted_service: http, logging: on}
      profiles:
        - {name: default, filter_packages: [local.rules], ssl_policies: [{name: web-policy, ssl_server: web}]}
      virtual_segments:
        - {name: dmz-in, segment: dmz, direction: a_to_b, profile: default}
      snmp: {agentx_socket: /run/agentx/master}%s
""" % (MACHINE_IP, ssh_key, SNMP_USER, AUTH, PRIVACY, P12_PASSWORD, "".join("        " + line + "\n" for line in RULES.splitlines()), server, target)


class Machine:
    inspects = False  # not through the laboratory's own supervisor

    def __init__(self, topology, cpu="max,-la57", cpus=2, memory=2048, seed=None, disk=None, firmware=None, nic="virtio-net-pci", media=(), uuid=None):
        self.topology, self.cpu, self.cpus, self.memory, self.seed = topology, cpu, cpus, memory, seed
        self.disk, self.firmware, self.nic, self.media = disk or image(), firmware, nic, media
        self.uuid = uuid  # as a hypervisor gives one
        self.hypervisor = Namespace(topology.name + "-hv")
        self.process = None

    # --- the host -----------------------------------------------------------------------------------------------------
    def prepare(self, bridges=None, taps=True):
        """bridges, taps and an SSH key, before settings are written; bridges: their names, taps: not where libvirt makes them"""
        space = self.hypervisor.create()
        space.sysctl(net__ipv6__conf__default__disable_ipv6=1)
        for name, port in (("mgmt", None), ("a", self.topology.port_a), ("b", self.topology.port_b)):
            bridge = (bridges or {}).get(name, "br-" + name)
            space.run("ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            if taps:
                space.run("ip", "tuntap", "add", "tap-" + name, "mode", "tap")
                space.run("ip", "link", "set", "tap-" + name, "master", bridge, "up")
            if port:
                run("ip", "link", "set", port, "netns", space.name)
                space.run("ip", "link", "set", port, "master", bridge, "up")
            space.run("ip", "link", "set", bridge, "up")
        space.run("ip", "addr", "add", HOST_IP + "/24", "dev", "br-mgmt")
        self.key = self.topology.path("id")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        with open(self.key + ".pub") as public:
            self.public_key = public.read().strip()
        return self

    def write_seed(self, text, files=(), label="CIDATA", name="user-data"):
        """a medium as virt-install --cloud-init makes it"""
        folder = self.topology.path("seed")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "w") as out:
            out.write(text)
        with open(os.path.join(folder, "meta-data"), "w") as out:
            out.write("instance-id: test\n")
        self.seed = self.topology.path("seed.iso")
        run("xorriso", "-as", "mkisofs", "-quiet", "-V", label, "-J", "-r", "-o", self.seed, folder, *files)

    # --- the machine --------------------------------------------------------------------------------------------------
    def start(self):
        overlay = self.topology.path("disk.qcow2")
        if not os.path.exists(overlay):
            form = "vmdk" if self.disk.endswith(".vmdk") else "qcow2"
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.disk, "-F", form, overlay, "4G")
        self.console = self.topology.path("console.log")
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", self.cpu, "-smp", self.cpus, "-m", self.memory,
                   "-display", "none", "-device", "virtio-rng-pci", "-serial", "chardev:serial",
                   "-chardev", "socket,id=serial,path=%s,server=on,wait=off,logfile=%s" % (self.topology.path("serial"), self.console),
                   "-drive", "file=%s,if=virtio,cache=unsafe" % overlay]
        for number, name in enumerate(("mgmt", "a", "b"), 1):
            command += ["-netdev", "tap,id=%s,ifname=tap-%s,script=no,downscript=no" % (name, name),
                        "-device", "%s,netdev=%s,mac=52:54:00:77:00:0%d,addr=0x1%d" % (self.nic, name, number, number)]
        for medium in ([self.seed] if self.seed else []) + list(self.media):
            command += ["-drive", "file=%s,media=cdrom,readonly=on" % medium]
        if self.firmware:
            command += ["-bios", self.firmware]
        if self.uuid:
            command += ["-uuid", self.uuid]
        self.process = self.hypervisor.popen(*command, stderr=open(self.topology.path("qemu.err"), "a"))
        return self

    def said(self):
        try:
            with open(self.console, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_said(self, text, timeout=BOOT_SECONDS):
        return wait_until(lambda: text in self.said() or self.process.poll() is not None and "qemu ended", timeout,
                          "%r on the console, which ends with:\n%s" % (text, self.said()[-2000:]), pause=0.5)

    def types(self, prompt, text, timeout=BOOT_SECONDS):
        """answers what the serial console asks"""
        before = getattr(self, "answered", 0)
        wait_until(lambda: prompt in self.said()[before:], timeout, "%r on the console, which ends with:\n%s" % (prompt, self.said()[-2000:]), pause=0.5)
        self.answered = len(self.said())
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self.topology.path("serial"))
            for byte in (text + "\r").encode():  # an emulated UART has 16 bytes
                line.send(bytes([byte]))
                time.sleep(0.01)

    def ssh(self, command, check=True, timeout=120):
        return self.hypervisor.run("ssh", "-q", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                                   "-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "admin@" + MACHINE_IP, command, check=check, timeout=timeout)

    def wait_ssh(self, timeout=BOOT_SECONDS):
        wait_until(lambda: self.ssh("true", check=False).returncode == 0, timeout, "SSH, console:\n" + self.said()[-2000:], pause=2)

    def ask(self, *words):
        """sluice, with --json"""
        return json.loads(self.ssh("sudo sluice %s --json" % " ".join(shlex.quote(word) for word in words)).stdout)

    def is_inspecting(self):
        result = self.ssh("sudo sluice show status --json", check=False)
        return result.returncode == 0 and json.loads(result.stdout)["inspection"] == "on"

    def wait_inspecting(self, timeout=BOOT_SECONDS):
        wait_until(self.is_inspecting, timeout, "inspection to be on; console:\n" + self.said()[-2000:], pause=2)

    def snmpwalk(self, oid):
        return self.hypervisor.run("snmpbulkwalk", "-v3", "-l", "authPriv", "-u", SNMP_USER, "-a", "SHA-256", "-A", AUTH, "-x", "AES", "-X", PRIVACY,
                                   "-On", "-t", "20", MACHINE_IP, oid, timeout=120, env=dict(os.environ, MIBS="")).stdout

    def health_by_snmp(self):
        """sluHealthState by sluHealthName, which is the index (IMPLIED)"""
        column, words = MIB + ".1.12.1.3", {"1": "good", "2": "note", "3": "warning", "4": "refused"}
        rows = re.findall(re.escape(column) + r"\.([0-9.]+) = INTEGER: ([0-9])", self.snmpwalk(column))
        return {"".join(chr(int(number)) for number in index.split(".")): words[state] for index, state in rows}

    def scan(self, namespace, address, ports=(22, 80, 161, 199, 443, 705, 8443)):
        """TCP ports that answer"""
        found = []
        for port in ports:
            with namespace, socket.socket() as probe:
                probe.settimeout(3)
                if probe.connect_ex((address, port)) == 0:
                    found.append(port)
        return found

    def stop(self):
        if self.process:
            stop_process(self.process, 10)

    def remove(self):
        self.stop()
        self.hypervisor.delete()


def pkcs12(topology, certificate):
    path = topology.path("web.p12")
    run("openssl", "pkcs12", "-export", "-inkey", certificate.key, "-in", certificate.certificate, "-out", path, "-passout", "pass:" + P12_PASSWORD)
    return path
