# SPDX-License-Identifier: Apache-2.0
"""J5, E5: a backup brings another appliance to where this one was; keys leave the keystore only under the operator's password."""
import base64
import json
import os
import shutil
import subprocess

import pytest

from lab.namespace import run

PASSWORD = "a password for backups"


def _sluice(lab, *words, password=None):
    command = [lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "--json", *words]
    if password is not None:
        command.append("--password-stdin")
    result = subprocess.run(command, input=password or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return json.loads(result.stdout)


def _another_appliance(lab):
    """nothing is left of what was stored: another device key, no certificates, no configuration"""
    lab.appliance.stop()
    lab.appliance.teardown()
    shutil.rmtree(lab.appliance.state_dir)
    lab.appliance.start()


def _files(lab):
    return {row["name"] for row in lab.appliance.ask("certificate", "list")["certificates"]}


@pytest.mark.quick
def test_j5_a_backup_restores_configuration_certificates_and_keys(own_lab):
    lab, path = own_lab, own_lab.topology.path("backup.json")
    answer = _sluice(lab, "backup", path, password=PASSWORD + "\n")
    assert answer["ok"] and answer["keys"] == 1 and answer["without_key"] == 0, answer
    assert os.stat(path).st_mode & 0o777 == 0o600

    _another_appliance(lab)
    assert not _files(lab)
    wrong = _sluice(lab, "restore", path, password="another password\n")
    assert not wrong["ok"] and "password" in wrong["error"] and not _files(lab), wrong

    restored = _sluice(lab, "restore", path, password=PASSWORD + "\n")
    assert restored["ok"] and restored["certificates"] == ["web-rsa"], restored
    lab.appliance.wait_inspecting()
    assert lab.curl("/restored").ok and lab.nginx.saw("/restored")
    assert lab.curl("/x?f=/etc/passwd").reset and not lab.nginx.saw("/etc/passwd"), "rule files are in force too"
    newest = lab.appliance.ask("history")["versions"][0]
    assert newest["comment"].startswith("restored from the backup of " + lab.topology.name)
    again = _sluice(lab, "restore", path, password=PASSWORD + "\n")
    assert again["ok"] and again["certificates"] == [], "what is there already stays"


def test_e5_a_backup_holds_no_key_in_clear(own_lab):
    lab, path = own_lab, own_lab.topology.path("backup.json")
    assert _sluice(lab, "backup", path, password=PASSWORD + "\n")["ok"]
    with open(path) as file:
        document = json.load(file)
    certificate, = document["certificates"]
    pkcs12 = base64.b64decode(certificate["pkcs12"])
    der = run("openssl", "pkey", "-in", lab.certificate.key, "-outform", "DER", text=False).stdout
    for part in (der, der[40:200], der[-128:]):
        assert part not in pkcs12 and base64.b64encode(part)[8:-8] not in open(path, "rb").read()
    with open(lab.topology.path("file.p12"), "wb") as out:
        out.write(pkcs12)
    run("openssl", "pkcs12", "-in", lab.topology.path("file.p12"), "-nodes", "-nocerts", "-passin", "pass:" + PASSWORD, "-out",
        lab.topology.path("opened.pem"))
    key = run("openssl", "pkey", "-in", lab.topology.path("opened.pem"), "-outform", "DER", text=False).stdout
    assert key == der, "an operator can open it without Sluice"
    info = run("openssl", "pkcs12", "-in", lab.topology.path("file.p12"), "-info", "-noout", "-passin", "pass:" + PASSWORD).stderr
    assert "AES-256-CBC" in info and "600000" in info, info
    assert "went into a backup" in lab.appliance.command("show", "log", "audit").stdout


def test_j5_a_backup_without_keys_says_so(own_lab):
    lab, path = own_lab, own_lab.topology.path("backup.json")
    answer = _sluice(lab, "backup", path, "--without-keys")
    assert answer["ok"] and answer["keys"] == 0 and answer["without_key"] == 1
    assert "pkcs12" not in open(path).read()
    _another_appliance(lab)
    restored = _sluice(lab, "restore", path)
    assert restored["ok"] and restored["certificates"] == ["web-rsa"], restored
    assert lab.appliance.status()["keeper"]["keys"]["web-rsa"] == "missing"
    replaced = _sluice(lab, "certificate", "replace", "web-rsa", "--cert", lab.certificate.certificate, "--key", lab.certificate.key)
    assert replaced["ok"], replaced
    lab.appliance.wait_inspecting()
    assert lab.curl("/with-its-key").ok
    short = _sluice(lab, "backup", path + "2", password="short\n")
    assert not short["ok"] and "12 to" in short["error"] and not os.path.exists(path + "2")


def test_j5_a_restore_that_fails_leaves_nothing(own_lab):
    lab, path = own_lab, own_lab.topology.path("backup.json")
    assert _sluice(lab, "backup", path, password=PASSWORD + "\n")["ok"]
    with open(path) as file:
        document = json.load(file)
    document["configuration"]["text"] += "from_the_future: {}\n"
    with open(path, "w") as file:
        json.dump(document, file)
    _another_appliance(lab)
    refused = _sluice(lab, "restore", path, password=PASSWORD + "\n")
    assert not refused["ok"] and any("from_the_future" in problem["message"] for problem in refused["problems"]), refused
    assert not _files(lab), "certificates that were brought are out again"
    for text, why in (("{", "no backup"), ("{}", "no backup that this version"), ('{"sluice_backup": 2}', "the file has 2")):
        with open(path, "w") as file:
            file.write(text)
        refused = _sluice(lab, "restore", path)
        assert not refused["ok"] and why in refused["error"], refused


def test_j5_another_certificate_under_the_name_is_in_the_way(own_lab):
    lab, path = own_lab, own_lab.topology.path("backup.json")
    assert _sluice(lab, "backup", path, password=PASSWORD + "\n")["ok"]
    with open(path) as file:
        document = json.load(file)
    document["certificates"][0]["sha256"] = "0" * 64
    with open(path, "w") as file:
        json.dump(document, file)
    before = lab.appliance.ask("history")["versions"][0]["version"]
    refused = _sluice(lab, "restore", path, password=PASSWORD + "\n")
    assert not refused["ok"] and "another certificate under the name web-rsa" in refused["error"]
    assert lab.appliance.ask("history")["versions"][0]["version"] == before
