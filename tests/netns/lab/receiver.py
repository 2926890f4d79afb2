# SPDX-License-Identifier: Apache-2.0
"""A real rsyslogd with the configuration of provisioning/rsyslog, by hand and never the system's: starts, is killed,
starts again on the same port, and what it has written."""
import contextlib
import glob
import os
import signal
import socket
import subprocess

from .appliance import REPOSITORY
from .namespace import wait_until

KIT = os.path.join(REPOSITORY, "provisioning/rsyslog")
NAME = "logs.sluice.example.net"  # of the receivers' certificates; those of the kit's permitted appliances match *.sluice.example.net


class Pki:
    """a CA and certificates with openssl; `other` is one that nobody trusts"""

    def __init__(self, directory):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        for ca in ("ca", "other"):
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + ca,
                          "-keyout", self.path(ca + ".key"), "-out", self.path(ca + ".pem"))
        self.issue("receiver", NAME)
        self.issue("appliance", "pump.sluice.example.net")
        self.issue("stranger", "pump.example.com")
        self.issue("forged", "pump.sluice.example.net", ca="other")

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, name, host, ca="ca", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=2, usage="serverAuth,clientAuth"):
        extensions = self.path(name + ".ext")
        with open(extensions, "w") as out:
            out.write("subjectAltName=DNS:%s\nextendedKeyUsage=%s\n" % (host, usage))
        self._openssl("req", "-newkey", *key, "-nodes", "-subj", "/CN=" + host,
                      "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        self._openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(ca + ".pem"), "-CAkey", self.path(ca + ".key"),
                      "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", self.path(name + ".pem"))

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def options(self, who="appliance", ca="ca"):
        """of sluice log credentials import"""
        return ["--ca", self.path(ca + ".pem")] + (["--cert", self.path(who + ".pem"), "--key", self.path(who + ".key")] if who else [])


class Receiver:
    def __init__(self, directory, address="127.0.0.1", protocol="relp", pki=None, rules=None, namespace=None):
        """protocol: relp, relp-tls or syslog-tls; rules: a ruleset `sluice` of the test's own in place of the kit's"""
        self.directory, self.process, self.protocol = str(directory), None, protocol
        self.inside = namespace or contextlib.nullcontext()
        with self.inside:
            self.port = _free_port(address)
        os.makedirs(self.directory, exist_ok=True)
        text = 'global(workDirectory="%s")\n' % self.directory + (rules or "")
        for name in (["40-sluice.conf"] if rules is None else []) + ["50-sluice-%s.conf" % protocol]:
            with open(os.path.join(KIT, name)) as kit:
                text += kit.read()
        port = "6514" if protocol == "syslog-tls" else "2514"
        assert text.count('port="%s"' % port) == 1 and (rules or "/var/log/sluice/" in text)
        text = text.replace('port="%s"' % port, 'port="%d" address="%s"' % (self.port, address)).replace("/var/log/sluice/", self.directory + "/")
        if pki:
            for ours, kits in (("ca.pem", "ca.pem"), ("receiver.pem", "cert.pem"), ("receiver.key", "key.pem")):
                assert "/etc/rsyslog.d/sluice/" + kits in text
                text = text.replace("/etc/rsyslog.d/sluice/" + kits, pki.path(ours))
        self.configuration = os.path.join(self.directory, "rsyslog.conf")
        with open(self.configuration, "w") as out:
            out.write(text)

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        if self.process and self.process.poll() is None:
            self.kill()

    def start(self):
        with open(os.path.join(self.directory, "rsyslogd.err"), "a") as errors:
            with self.inside:
                self.process = subprocess.Popen(["rsyslogd", "-n", "-f", self.configuration, "-i", os.path.join(self.directory, "pid")],
                                                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        wait_until(self.listens, 10, "rsyslogd to listen", pause=0.02)
        return self

    def listens(self):
        with open("/proc/%d/net/tcp" % self.process.pid) as table:
            return any(line.split()[1].endswith(":%04X" % self.port) and line.split()[3] == "0A" for line in list(table)[1:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def names(self):
        """DEVICE/LOG.json"""
        return [os.path.relpath(path, self.directory) for path in glob.glob(self.directory + "/*/*.json")]

    def lines(self, name):
        """one by one; a line that a kill cut short at the end of a session is left out"""
        with open(os.path.join(self.directory, name), "rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield line[:-1]

    def files(self):
        return {name: list(self.lines(name)) for name in self.names()}


def _free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]
