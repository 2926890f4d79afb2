# SPDX-License-Identifier: Apache-2.0
"""A real libvirtd, started by hand: with virtlogd in a mount namespace of its own, where libvirt's directories are the test's, and in
the network namespace whose bridges the machines are to have. Nothing of the host's libvirt is read or written, nothing stays.

    with Libvirt(namespace, directory) as libvirt:
        libvirt.run("virsh", "list")            # any client; connects to qemu:///system of this libvirtd
        libvirt.uri                             # for clients outside: qemu+unix:///system?socket=…

Machines are emulated (TCG): there is no /dev/kvm that could be relied on."""
import os
import signal
import subprocess

from lab.namespace import run, stop_process, wait_until

# where libvirt keeps things, and what stands for it below the test's directory
PLACES = {"/etc/libvirt": "etc", "/var/lib/libvirt": "lib", "/var/log/libvirt": "log", "/var/cache/libvirt": "cache", "/run/libvirt": "run"}

LIBVIRTD_CONF = """\
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:stderr"
"""
# no cgroups, no security driver, no file owners: what a build machine may lack and a test of an appliance does not need
QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "logd"
"""


class Libvirt:
    def __init__(self, namespace, directory):
        self.namespace, self.directory = namespace, os.path.join(str(directory), "libvirt")
        self.daemon = self.logger = None

    @property
    def uri(self):
        return "qemu+unix:///system?socket=" + self.path("run/libvirt-sock")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def __enter__(self):
        for place, ours in PLACES.items():
            os.makedirs(place, exist_ok=True)
            os.makedirs(self.path(ours), exist_ok=True)
        for name in "images", "qemu", "boot":
            os.makedirs(self.path("lib", name))
        for name, text in (("libvirtd.conf", LIBVIRTD_CONF), ("qemu.conf", QEMU_CONF), ("virtlogd.conf", 'log_outputs = "2:stderr"\n')):
            with open(self.path("etc", name), "w") as out:
                out.write(text)
        try:
            self._start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *unused):
        self.remove()

    def _start(self):
        binds = "".join("mount --bind %s %s; " % (self.path(ours), place) for place, ours in PLACES.items())
        self.logger = self.namespace.popen("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                           binds + "exec virtlogd --pid-file %s" % self.path("virtlogd.pid"), stderr=self._log("virtlogd"))
        wait_until(lambda: os.path.exists(self.path("run/virtlogd-sock")) or self.logger.poll() is not None, 60, "virtlogd: " + self.said("virtlogd"))
        self.daemon = subprocess.Popen([*self._inside(), "libvirtd", "--pid-file", self.path("libvirtd.pid")],
                                       stdin=subprocess.DEVNULL, stderr=self._log("libvirtd"))
        wait_until(lambda: self.daemon.poll() is not None or self.run("virsh", "uri", check=False).returncode == 0, 60,
                   "libvirtd to answer: " + self.said("libvirtd"), pause=0.2)
        if self.daemon.poll() is not None:
            raise RuntimeError("libvirtd ended:\n" + self.said("libvirtd"))

    def _log(self, name):
        return open(self.path(name + ".err"), "a")

    def said(self, name):
        path = self.path(name + ".err")
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def _inside(self):
        return ["nsenter", "--target", str(self.logger.pid), "--mount", "--net"]

    def run(self, *command, **options):
        """a client beside this libvirtd, in its namespaces"""
        environment = dict(os.environ, LIBVIRT_DEFAULT_URI="qemu:///system", HOME=self.directory, XDG_CACHE_HOME=self.path("cache"))
        return run(*self._inside(), *command, env=environment, **options)

    def network(self, name, bridge):
        """a network of libvirt's on a bridge that the host has"""
        path = self.path(name + ".xml")
        with open(path, "w") as out:
            out.write("<network><name>%s</name><forward mode='bridge'/><bridge name='%s'/></network>\n" % (name, bridge))
        self.run("virsh", "net-define", path)
        self.run("virsh", "net-start", name)

    def machines(self):
        """process ids of the emulators"""
        folder, found = self.path("run/qemu"), []
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.endswith(".pid"):
                with open(os.path.join(folder, name)) as file:
                    found.append(int(file.read()))
        return found

    def remove(self):
        for pid in self.machines():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in self.daemon, self.logger:
            if process:
                stop_process(process, 10)
