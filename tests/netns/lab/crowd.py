# SPDX-License-Identifier: Apache-2.0
"""TCP peers by the hundred thousand, made of frames (tests/bpf/tcp_crowd.c)."""
import json
import os
import signal
import subprocess
import threading

from .namespace import stop_process, wait_until
from .topology import SERVER_IP, SERVER_MAC

CROWD_IP, CROWD_MAC = "10.9.0.200", "02:5e:00:00:00:c8"  # a server that is made of frames, too
PORT = 443


class Crowd:
    """mode: client, server or flood. `said` is what it reported last."""

    def __init__(self, lab, mode, count=0, address=CROWD_IP, mac=CROWD_MAC, port=PORT):
        self.lab, self.mode, self.count, self.address, self.mac, self.port = lab, mode, count, address, mac, port
        self.said = {"sent": 0, "established": 0, "reset": 0}

    def __enter__(self):
        program = os.path.join(self.lab.programs, "tcp_crowd")
        space, interface = (self.lab.server, "s0") if self.mode == "server" else (self.lab.client, "c0")
        self.process = space.popen(program, self.mode, interface, self.address, self.mac, self.port, self.count, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.said = json.loads(line)

    def wait_established(self, number, timeout):
        wait_until(lambda: self.said["established"] >= number or self.process.poll() is not None, timeout, "%d connections" % number, pause=0.2)
        assert self.said["established"] >= number, self.said

    def reset_all(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        self.wait(timeout)

    def wait(self, timeout):
        self.process.wait(timeout)
        self._reader.join(5)

    def __exit__(self, *unused):
        stop_process(self.process)
        self._reader.join(5)
        self.process.stdout.close()


def flood(lab, number, timeout=60, port=PORT):
    """SYNs to the laboratory's own server, from as many sources that do not exist"""
    with Crowd(lab, "flood", number, SERVER_IP, SERVER_MAC, port) as crowd:
        crowd.wait(timeout)
        assert crowd.said["sent"] == number, crowd.said
