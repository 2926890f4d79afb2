# SPDX-License-Identifier: Apache-2.0
"""E2 to E6: certificates of every kind come in, are replaced under load, and their keys are nowhere but in the keeper."""
import subprocess

import pytest

from lab.clients import WEB_NAME
from lab.namespace import run
from lab.peers import Certificate


def _pkcs12(topology, certificate, password, *options):
    path = topology.path(certificate.name + ".p12")
    made = run("openssl", "pkcs12", "-export", "-in", certificate.certificate, "-inkey", certificate.key, "-out", path, "-passout",
               "pass:" + password, *options, check=not options)
    if made.returncode:
        pytest.skip("this system's OpenSSL has no legacy provider")
    return path


def _import(lab, *words, password=None):
    """with the password on standard input"""
    command = [lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "certificate", "import", *words]
    if password is not None:
        command.append("--password-stdin")
    return subprocess.run(command, input=password or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)


@pytest.mark.parametrize("options", [(), ("-legacy",)], ids=["aes", "rc2"])
def test_e2_pkcs12(own_lab, options):
    lab = own_lab
    name = "p12" + "".join(options)
    certificate = Certificate(lab.topology.directory, name, WEB_NAME)
    path = _pkcs12(lab.topology, certificate, "correct horse", *options)
    for password, words in ((None, "no terminal to ask for its password"), ("wrong\n", "the password is wrong")):
        refused = _import(lab, name, "--cert", path, password=password)
        assert refused.returncode == 1 and words in refused.stderr, refused
    with open(lab.topology.path("password"), "w") as out:
        out.write("correct horse\n")
    lab.appliance.command("certificate", "import", name, "--cert", path, "--password-file", lab.topology.path("password"))
    again = _import(lab, name, "--cert", path, password="correct horse\n")
    assert again.returncode == 1 and "in the store already" in again.stderr
    row, = [row for row in lab.appliance.ask("certificate", "list")["certificates"] if row["name"] == name]
    assert row["sans"][0] == WEB_NAME and row["key_bits"] == 2048
