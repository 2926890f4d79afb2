# SPDX-License-Identifier: Apache-2.0
"""A real rsyslogd with the configuration of provisioning/rsyslog, by hand and never the system's: starts, is killed,
starts again on the same port, and what it has written."""
import glob
import os
import signal
import socket
import subprocess

from .appliance import REPOSITORY
from .namespace import wait_until

KIT = os.path.join(REPOSITORY, "provisioning/rsyslog/sluice.conf")


class Receiver:
    def __init__(self, directory, address="127.0.0.1", namespace=None):
        self.directory, self.namespace, self.process = str(directory), namespace, None
        self.port = _free_port(address)
        with open(KIT) as kit:
            text = kit.read()
        assert text.count('port="2514"') == 1 and "/var/log/sluice/" in text
        text = text.replace('port="2514"', 'port="%d" address="%s"' % (self.port, address)).replace("/var/log/sluice/", self.directory + "/")
        self.configuration = os.path.join(self.directory, "rsyslog.conf")
        with open(self.configuration, "w") as out:
            out.write('global(workDirectory="%s")\n' % self.directory + text)

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        if self.process and self.process.poll() is None:
            self.kill()

    def start(self):
        with open(os.path.join(self.directory, "rsyslogd.err"), "a") as errors:
            self.process = subprocess.Popen(["rsyslogd", "-n", "-f", self.configuration, "-i", os.path.join(self.directory, "pid")],
                                            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        wait_until(self.listens, 10, "rsyslogd to listen", pause=0.02)
        return self

    def listens(self):
        with open("/proc/net/tcp") as table:
            return any(line.split()[1].endswith(":%04X" % self.port) and line.split()[3] == "0A" for line in list(table)[1:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def files(self):
        """{DEVICE/LOG.json: [text lines]}; a line that a kill cut short at the end of a session is left out"""
        found = {}
        for path in glob.glob(self.directory + "/*/*"):
            with open(path, "rb") as lines:
                found[os.path.relpath(path, self.directory)] = lines.read().split(b"\n")[:-1]
        return found


def _free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]
