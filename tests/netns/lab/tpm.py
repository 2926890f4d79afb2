# SPDX-License-Identifier: Apache-2.0
"""A TPM 2.0 in software (swtpm), on a Unix socket that takes commands as a TPM's device does."""
import os
import socket
import struct
import subprocess

from lab.namespace import wait_until


class SoftwareTpm:
    """stopped and started again it is the same TPM, with its PCRs as after a boot; in another folder it is another one"""

    def __init__(self, directory, path):
        self.directory, self.path, self._process = directory, path, None
        os.makedirs(directory, exist_ok=True)

    def start(self):
        self._process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + self.directory, "--server",
                                          "type=unixio,path=" + self.path, "--flags", "not-need-init,startup-clear"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), 10, "the software TPM")

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        if os.path.exists(self.path):
            os.unlink(self.path)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def extend(self, pcr, digest=b"\x5a" * 32):
        """TPM2_PCR_Extend with an empty password (TPM 2.0 part 3, section 22.2)"""
        password = struct.pack("!IHBH", 0x40000009, 0, 0, 0)
        body = struct.pack("!II", pcr, len(password)) + password + struct.pack("!IH", 1, 0x000B) + digest
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(struct.pack("!HII", 0x8002, 10 + len(body), 0x182) + body)
            assert struct.unpack("!HII", connection.recv(4096)[:10])[2] == 0
