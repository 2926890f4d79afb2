# SPDX-License-Identifier: Apache-2.0
"""A real snmpd of the test's own, and Net-SNMP's commands as the manager."""
import glob
import os
import shutil
import socket
import subprocess
import tempfile

from .namespace import run, stop_process, wait_until

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
MODULE = os.path.join(REPOSITORY, "snmp-mib")
STUBS = os.path.join(REPOSITORY, "tests/mibs")
ROOT = ".1.3.6.1.4.1.8072.9999.9999.7583"
CONFIGURATION = """\
master agentx
agentXSocket {folder}/agentx
agentXPerms 0666 0755
agentaddress udp:127.0.0.1:{port}
createUser monitor SHA-256 "authentic-{port}" AES "private-{port}"
rouser monitor authpriv
exactEngineID 0x{engine}
"""
MODULES = ("usmUser,usmConf,vacm_conf,snmpEngine,system_mib,sysORTable,snmpNotifyTable,snmpTargetAddrEntry,snmpTargetParamsEntry,"
           "target_counters")
TRAP_OID = ".1.3.6.1.6.3.1.1.4.1.0"
ENGINE = "80001f880473"  # then the port, so that every snmpd has its own
TRAPD_CONFIGURATION = """\
snmpTrapdAddr udp:127.0.0.1:{port}
createUser told{port} SHA-256 "authentic-{port}" AES "private-{port}"
createUser -e 0x{engine} told{port} SHA-256 "authentic-{port}" AES "private-{port}"
authUser log told{port} priv
"""


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Snmptrapd:
    """takes SNMPv3 authPriv only: traps of the snmpd that has its engine id, and informs; with a community v2c as well"""

    def __init__(self, community=None):
        self.community = community

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-snmptrapd-")
        self.port = free_udp_port()
        self.engine = ENGINE + "%04x" % self.port
        with open(self.folder + "/snmptrapd.conf", "w") as out:
            out.write(TRAPD_CONFIGURATION.format(port=self.port, engine=self.engine))
            out.write("authCommunity log %s\n" % self.community if self.community else "")
        environment = dict(os.environ, SNMP_PERSISTENT_DIR=self.folder + "/persistent", MIBS="")
        self.process = subprocess.Popen(["/usr/sbin/snmptrapd", "-f", "-n", "-C", "-c", self.folder + "/snmptrapd.conf", "-Lf",
                                         self.folder + "/log", "-OnQ", "-F", "TRAP\t%v\n", "-x", self.folder + "/none"],
                                        env=environment, stdin=subprocess.DEVNULL)
        return self

    def sink(self, *options):
        """for snmpd.conf: traps, or informs with -Ci"""
        if self.community:
            return "trap2sink udp:127.0.0.1:%d %s\n" % (self.port, self.community)
        user = self.port, self.port
        return 'createUser told%d SHA-256 "authentic-%d" AES "private-%d"\n' % (self.port, *user) + \
            "trapsess %s -v 3 -l authPriv -u told%d -a SHA-256 -A authentic-%d -x AES -X private-%d udp:127.0.0.1:%d\n" % (
                " ".join(options), self.port, *user, self.port)

    def received(self):
        """the device's: [{object identifier: text}] in the order in which they came"""
        try:
            with open(self.folder + "/log") as log:
                lines = [line.rstrip("\n").split("\t")[1:] for line in log if line.startswith("TRAP\t") and line.endswith("\n")]
        except FileNotFoundError:
            return []
        traps = [{name: text.strip('"') for name, _, text in (cell.partition(" = ") for cell in line)} for line in lines]
        return [trap for trap in traps if trap[TRAP_OID].startswith(ROOT)]

    def __exit__(self, *unused):
        stop_process(self.process, 5)
        shutil.rmtree(self.folder, ignore_errors=True)


class Snmpd:
    """SNMPv3 authPriv only, as docs/monitoring.md says; AgentX for everyone on this machine, in a folder of its own.
    sinks: lines of its configuration that say where notifications go; engine: its engine id in hexadecimal"""

    def __init__(self, sinks=(), engine=None):
        self.sinks, self.engine = sinks, engine

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-snmp-")
        os.chmod(self.folder, 0o755)
        self.port, self.process = free_udp_port(), None
        self.agentx = self.folder + "/agentx"
        with open(self.folder + "/snmpd.conf", "w") as out:
            out.write(CONFIGURATION.format(folder=self.folder, port=self.port, engine=self.engine or ENGINE + "%04x" % self.port))
            out.writelines(self.sinks)
        self.start()
        return self

    def start(self):
        environment = dict(os.environ, SNMP_PERSISTENT_DIR=self.folder + "/persistent", MIBS="")
        self.process = subprocess.Popen(["/usr/sbin/snmpd", "-f", "-Lf", self.folder + "/log", "-C", "-c", self.folder + "/snmpd.conf",
                                         "-I", MODULES],
                                        env=environment, stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.agentx) or self.process.poll() is not None, 10, "snmpd to listen")
        if self.process.poll() is not None:
            with open(self.folder + "/log") as log:
                raise RuntimeError("snmpd ended:\n" + log.read())

    def stop(self):
        stop_process(self.process, 5)

    def __exit__(self, *unused):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, command, *arguments, options=(), check=True, mibs=None, timeout=30):
        environment = dict(os.environ, MIBS="SLUICE-MIB" if mibs else "", MIBDIRS=mibs or "", SNMPCONFPATH=self.folder,
                           SNMP_PERSISTENT_DIR=self.folder + "/manager")
        result = subprocess.run([command, "-v3", "-l", "authPriv", "-u", "monitor", "-a", "SHA-256", "-A", "authentic-%d" % self.port,
                                 "-x", "AES", "-X", "private-%d" % self.port, "-t", "5", "-r", "0", *options,
                                 "udp:127.0.0.1:%d" % self.port, *arguments],
                                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                check=False, timeout=timeout)
        if check and result.returncode:
            raise RuntimeError("%s %s: %s" % (command, " ".join(arguments), result.stdout))
        return result.stdout

    def walk(self, oid=ROOT, command="snmpbulkwalk", options=()):
        """[(oid below the root, as numbers; type; text)] in the order of the answers"""
        found = []
        for line in self.ask(command, oid, options=["-Onx", *options]).splitlines():
            name, _, value = line.partition(" = ")
            if not name.startswith(ROOT + "."):  # a long string goes on
                if found and line and not line.startswith("No "):
                    found[-1] = (*found[-1][:2], found[-1][2] + line)
                continue
            if value.startswith("No "):
                continue
            kind, _, text = value.partition(": ")
            found.append((tuple(int(word) for word in name[len(ROOT) + 1:].split(".")), kind, text))
        return found

    def get(self, suffix):
        return self.ask("snmpget", ROOT + suffix, options=["-Oqv"]).strip()


def mib_folders(folder):
    """for MIBDIRS and SMIPATH: the IETF's modules as the npm package net-snmp ships them, stubs for what it lacks, ours.
    None where npm cannot fetch it."""
    if not shutil.which("npm"):
        return None
    if run("npm", "pack", "--silent", "net-snmp@3", "--pack-destination", folder, check=False, timeout=50).returncode:
        return None
    archive, = glob.glob(folder + "/net-snmp-*.tgz")
    run("tar", "xzf", archive, "-C", folder)
    for name in "SNMPv2-SMI", "SNMPv2-TC", "SNMPv2-CONF", "SNMPv2-MIB":
        shutil.copy("%s/package/lib/mibs/%s.mib" % (folder, name), "%s/%s" % (folder, name))
    return "%s:%s:%s" % (folder, STUBS, MODULE)
