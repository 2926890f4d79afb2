# SPDX-License-Identifier: Apache-2.0
"""As many handshakes as the machine makes (tests/bench/tls_load.c), while something else happens."""
import json
import os
import subprocess

from .namespace import run, stop_process
from .topology import SERVER_IP

SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bench/tls_load.c")


class TlsLoad:
    """mode: full or resumed; each client makes one handshake with one request after another"""

    def __init__(self, lab, mode="full", clients=16, seconds=10, version="1.3", port=443):
        self.lab, self.seconds = lab, seconds
        self.arguments = [mode, SERVER_IP, str(port), str(clients), str(seconds), version]

    def __enter__(self):
        program = self.lab.topology.path("tls_load")
        if not os.path.exists(program):
            run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", program, SOURCE, "-lssl", "-lcrypto", "-pthread", timeout=60)
        self.process = self.lab.client.popen(program, *self.arguments, stdout=subprocess.PIPE, text=True)
        return self

    def wait(self):
        """to its end: done, errors, resumed, seconds and their rate"""
        result = json.loads(self.process.communicate(timeout=self.seconds + 60)[0])
        result["rate"] = result["done"] / result["seconds"]
        return result

    def __exit__(self, *unused):
        stop_process(self.process)
