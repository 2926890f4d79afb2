# SPDX-License-Identifier: Apache-2.0
"""A small virtual machine with Debian's kernel, which has what a build machine's kernel may lack (gre, ipip, 8021q): both ends of a
laboratory's wire. Its root file system is this machine's own, read-only over 9p, so it has every program that is installed here; kernel
and modules are those of the appliance's root (build/vm/root). What it runs is tests/vm/inside_ends.py.

client namespace: bridge of c0 and a tap ─┐                        ┌─ server namespace: bridge of s0 and a tap
                                   eth0 in the machine       eth1 in the machine"""
import json
import lzma
import os
import stat
import subprocess

from lab.namespace import run, stop_process, wait_until
from machine import REPOSITORY

ROOT = os.path.join(os.environ.get("SLUICE_VM_IMAGES", os.path.join(REPOSITORY, "build/vm")), "root")
INIT = """\
#!/bin/sh
mount -t devtmpfs dev /dev
%s
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose host /host
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
mount -t tmpfs run /host/run
mount -t tmpfs tmp /host/tmp
mount -t 9p -o trans=virtio,version=9p2000.L,ro work /host/mnt
exec chroot /host /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/bin/python3 -B %s
"""


def kernel():
    version, = os.listdir(os.path.join(ROOT, "usr/lib/modules"))
    return version, os.path.join(ROOT, "boot/vmlinuz-" + version)


def modules(version, *names):
    """files in the order in which they have to be loaded"""
    found = []
    for name in names:
        for line in run("chroot", ROOT, "modprobe", "--show-depends", "-S", version, name).stdout.splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod" and path.split()[0] not in found:
                found.append(path.split()[0])
    return found


def archive(entries):
    """initramfs (newc): {path: (mode, bytes)}"""
    packed = b""
    for number, (name, (mode, data)) in enumerate([*entries.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        packed += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return packed


def initramfs(path, script):
    """a shell, mount, insmod and chroot out of the appliance's root, and the modules"""
    version, _ = kernel()
    entries = {name: (stat.S_IFDIR | 0o755, b"") for name in ("dev", "host", "modules", "bin", "lib", "lib64", "usr", "usr/bin", "usr/sbin", "usr/lib")}

    def add(name, source, mode=0o755):
        source = ROOT + run("chroot", ROOT, "realpath", source).stdout.strip()
        parts = name.split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b""))
        with open(source, "rb") as file:
            entries[name] = (stat.S_IFREG | mode, file.read())
    for program, source in (("bin/sh", "/bin/dash"), ("bin/mount", "/bin/mount"), ("bin/insmod", "/bin/kmod"), ("bin/chroot", "/usr/sbin/chroot")):
        add(program, source)
        for line in run("chroot", ROOT, "ldd", source).stdout.splitlines():
            library = [word for word in line.split() if word.startswith("/")]
            if library:
                add(library[0].lstrip("/"), library[0])
    load = ""
    for module in modules(version, "virtio_pci", "virtio_net", "9p", "9pnet_virtio", "gre", "ip_gre", "ipip", "8021q"):
        name = os.path.basename(module).removesuffix(".xz")
        with lzma.open(ROOT + module) as file:  # insmod would need the library for it
            entries["modules/" + name] = (stat.S_IFREG | 0o644, file.read())
        load += "insmod /modules/%s\n" % name
    entries["init"] = (stat.S_IFREG | 0o755, (INIT % (load, script)).encode())
    with open(path, "wb") as out:
        out.write(archive(entries))


class KernelEnds:
    """client and server of a laboratory as this machine's two sides, for as long as the context lasts"""

    def __init__(self, topology):
        self.topology, self.process = topology, None

    def __enter__(self):
        for space, interface, tap in (self.topology.client, "c0", "tapc"), (self.topology.server, "s0", "taps"):
            space.run("ip", "addr", "flush", "dev", interface)
            space.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            run("ip", "tuntap", "add", self.topology.name + tap[-1:] + "t", "mode", "tap")
            run("ip", "link", "set", self.topology.name + tap[-1:] + "t", "netns", space.name, "name", tap)
            for name in interface, tap:
                space.run("ip", "link", "set", name, "master", "br0", "up")
            space.run("ip", "link", "set", "br0", "up")
        return self

    def run(self, cases, timeout):
        """what inside_ends.py says of each"""
        with open(self.topology.path("cases.json"), "w") as out:
            json.dump(cases, out)
        image = self.topology.path("ends.initrd")
        initramfs(image, os.path.join(REPOSITORY, "tests/vm/inside_ends.py"))
        # each tap is reached through its own namespace: opened there, handed over as a descriptor
        descriptors = [self._tap(self.topology.client, "tapc"), self._tap(self.topology.server, "taps")]
        console = self.topology.path("ends.log")
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max,-la57", "-smp", "1", "-m", "512", "-display", "none",
                   "-serial", "file:" + console, "-no-reboot", "-kernel", kernel()[1], "-initrd", image, "-append", "console=ttyS0 quiet panic=-1",
                   "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                   "-virtfs", "local,path=%s,mount_tag=work,security_model=none,readonly=on" % self.topology.directory]
        for number, descriptor in enumerate(descriptors):
            command += ["-netdev", "tap,id=n%d,fd=%d" % (number, descriptor),
                        "-device", "virtio-net-pci,netdev=n%d,mac=%s" % (number, ("02:c1:00:00:00:0a", "02:5e:00:00:00:0a")[number])]
        self.process = subprocess.Popen(command, pass_fds=descriptors, stdin=subprocess.DEVNULL, stderr=open(self.topology.path("ends.err"), "w"))
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            wait_until(lambda: self.process.poll() is not None, timeout, "the machine to end", pause=0.5)
        except TimeoutError as error:
            raise TimeoutError("the machine does not end; its console:\n" + self._read(console)[-3000:]) from error
        said = self._read(console)
        results = [json.loads(line.partition("RESULT ")[2]) for line in said.splitlines() if "RESULT {" in line]
        if len(results) != len(cases):
            raise RuntimeError("%d results of %d; console:\n%s\n%s" % (len(results), len(cases), said[-4000:], self._read(self.topology.path("ends.err"))))
        return results

    @staticmethod
    def _read(path):
        with open(path, errors="replace") as file:
            return file.read()

    @staticmethod
    def _tap(space, name):
        import fcntl
        import struct
        with space:
            descriptor = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x5002))  # TUNSETIFF: IFF_TAP, no header, virtio header
        return descriptor

    def __exit__(self, *unused):
        if self.process:
            stop_process(self.process, 5)
