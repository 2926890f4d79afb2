# SPDX-License-Identifier: Apache-2.0
"""Chromium without a screen, with a profile and a certificate database of its own."""
import os
import subprocess

from .clients import WEB_NAME
from .namespace import run
from .topology import SERVER_IP


class Chromium:
    """In a namespace; trusts `certificate`, through NSS as an administrator would have it."""

    def __init__(self, topology, certificate, namespace=None):
        self.namespace = namespace or topology.client
        self.home = topology.path("chromium-home")
        database = os.path.join(self.home, ".pki/nssdb")
        if not os.path.exists(database):
            os.makedirs(database)
            run("certutil", "-N", "-d", "sql:" + database, "--empty-password")
        run("certutil", "-A", "-d", "sql:" + database, "-n", certificate.name, "-t", "CP,,", "-i", certificate.certificate)

    def page(self, url, *options, timeout=50):
        """the document as it stands when the page has loaded and its scripts are done, and what the browser complained of"""
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--user-data-dir=" + os.path.join(self.home, "profile"),
                   "--host-resolver-rules=MAP %s %s" % (WEB_NAME, SERVER_IP), "--virtual-time-budget=10000", "--dump-dom", *options, url]
        with self.namespace:
            done = subprocess.run(command, env=dict(os.environ, HOME=self.home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=timeout)
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
