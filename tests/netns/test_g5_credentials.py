# SPDX-License-Identifier: Apache-2.0
"""What log targets need for TLS (G5, E5): checked when it comes in, its key sealed with the device key, opened for the target's
process alone, and in a backup under the operator's password; against a real rsyslogd with mutual certificates."""
import json
import os
import re
import shutil
import subprocess

import pytest

from lab.appliance import configuration
from lab.namespace import wait_until
from lab.receiver import NAME, Pki, Receiver
from test_e5_device_key import keystore
from test_e5_planted_key import found_in, needles_of
from test_e_secrets import read

PASSPHRASE, PASSWORD = "correct horse battery staple", "a password for backups"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("pki"))
    pki.issue("planted", "pump.sluice.example.net", key=("rsa:2048",))
    return pki


class Planted:
    """as needles_of() takes it"""

    def __init__(self, pki):
        self.key = pki.path("planted.key")


def _target(lab, name="siem"):
    return {t["name"]: t for t in lab.appliance.ask("log", "status")["targets"]}[name]


def _import(lab, pki, who="planted", name="siem"):
    return lab.appliance.ask("log", "credentials", "import", name, *pki.options(who))


def _document(lab, receiver):
    document = configuration(lab.topology)
    document["log_targets"] = [dict(name="siem", host="127.0.0.1", port=receiver.port, credentials="siem", protocol="relp_tls", certificate_name=NAME)]
    return document


def _delivered(lab, receiver, mark):
    """a record that is made now arrives"""
    assert lab.curl("/?mark=" + mark).exit == 0
    wait_until(lambda: any(mark.encode() in line for lines in receiver.files().values() for line in lines), 30, "the record of " + mark, pause=0.1)


def _stored(lab):
    """everything in the state directory"""
    for path, _, names in os.walk(lab.appliance.state_dir):
        for name in names:
            yield os.path.join(path, name), read(os.path.join(path, name))


def _assert_sealed(lab, needles):
    for path, content in _stored(lab):
        assert not found_in(content, needles), path
    facts = json.loads(read(os.path.join(lab.appliance.state_dir, "log_credentials/siem.json")))
    assert "key" not in facts and facts["sealed_as"] == "log:siem" and facts["chain"] and "CERTIFICATE" in facts["ca"]
    assert read(os.path.join(lab.appliance.state_dir, "keys", facts["key_file"])).startswith(b"SLKY")


@pytest.mark.quick
def test_g5_e5_a_log_targets_key_is_sealed_and_waits_for_the_keystore(fresh_lab, tmp_path, pki):
    lab, needles = fresh_lab(), needles_of(Planted(pki))
    filters = 'alert http any any -> any any (msg:"marked"; flow:established,to_server; http.uri; content:"mark="; sid:4000009; rev:1;)\n'
    with Receiver(tmp_path, protocol="relp-tls", pki=pki) as receiver:
        _import(lab, pki)
        _assert_sealed(lab, needles)
        row, = lab.appliance.ask("log", "credentials", "list")["credentials"]
        assert row["mutual"] and row["key_type"] == "rsa" and "pump.sluice" in row["subject"] and row["used_by"] == ""
        lab.appliance.commit(_document(lab, receiver), filters)
        _delivered(lab, receiver, "first")

        # another device key, under a passphrase: sealed anew with the others; the process at work keeps its own
        keystore(lab, "protect", "passphrase", passphrase=PASSPHRASE)
        _assert_sealed(lab, needles)
        _delivered(lab, receiver, "second")
        lab.appliance.stop()
        lab.appliance.start()
        target = wait_until(lambda: lab.appliance.ask("log", "status")["targets"] and _target(lab)["state"] == "waiting for its key" and
                            _target(lab)["lag_records"] and _target(lab), 20, "the target to wait")
        assert target["error"] == "keystore locked" and target["pid"] == 0, target
        assert "keystore locked" in lab.appliance.command("log", "status").stdout
        told = wait_until(lambda: [r for r in lab.appliance.records("system") if "log target siem does not send" in r["message"]], 30, "the System log to tell")
        assert len(told) == 1 and "keystore locked" in told[0]["message"] and told[0]["severity"] == "error"
        assert _target(lab)["down"]
        # a CA needs no key: such a target is not stopped by a keystore that is locked
        assert lab.appliance.ask("log", "credentials", "import", "trust", *pki.options(None))["ok"]
        refused = lab.appliance.command("log", "credentials", "import", "siem", *pki.options("planted"), check=False)
        assert "the keystore is locked: sluice keystore unlock" in refused.stderr, refused
        keystore(lab, "unlock", passphrase=PASSPHRASE)
        lab.appliance.wait_inspecting()
        _delivered(lab, receiver, "third")
        wait_until(lambda: not _target(lab)["down"], 20, "the target not to be down")

        # removed: its sealed key goes with it, the certificate's stays
        lab.appliance.commit(configuration(lab.topology))
        lab.appliance.command("log", "credentials", "remove", "siem")
        assert os.listdir(os.path.join(lab.appliance.state_dir, "keys")) == ["web-rsa.key"]


def test_g5_e5_a_key_that_an_earlier_version_stored_in_clear_is_sealed_at_the_start(fresh_lab, tmp_path, pki):
    lab, needles = fresh_lab(), needles_of(Planted(pki))
    folder = os.path.join(lab.appliance.state_dir, "log_credentials")
    with Receiver(tmp_path, protocol="relp-tls", pki=pki) as receiver:
        _import(lab, pki)
        lab.appliance.commit(_document(lab, receiver))
        lab.appliance.stop()
        for name, who in ("siem", "planted"), ("other", "planted"):
            texts = {word: read(pki.path(file)).decode() for word, file in (("ca", "ca.pem"), ("certificate", who + ".pem"), ("key", who + ".key"))}
            if name == "other":  # never worked: its key is of another certificate
                texts["certificate"] = read(pki.path("stranger.pem")).decode()
            with open(os.path.join(folder, name + ".json"), "w") as out:
                json.dump(texts, out, indent=2)
        lab.appliance.start()
        wait_until(lambda: "key" not in json.loads(read(os.path.join(folder, "siem.json"))), 20, "the key to be sealed")
        wait_until(lambda: [r for r in lab.appliance.records("system") if "log credentials other, whose key an earlier version stored in clear, "
                            "cannot be sealed: the private key does not belong to the certificate" in r["message"]], 10, "the other one to be told")
        lab.appliance.command("log", "credentials", "remove", "other")
        _assert_sealed(lab, needles)
        lab.appliance.wait_inspecting()
        assert lab.curl("/?x=/etc/passwd").reset
        wait_until(lambda: any(b"4000001" in line for lines in receiver.files().values() for line in lines), 30, "a record with the sealed key", pause=0.1)


def test_g5_credentials_are_checked_when_they_come_in(own_lab, tmp_path, pki):
    lab, path = own_lab, lambda name: str(tmp_path / name)
    pki.issue("server-only", "pump.sluice.example.net", usage="serverAuth")
    run = lambda *words: subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    run("pkcs12", "-export", "-in", pki.path("planted.pem"), "-inkey", pki.path("planted.key"), "-out", path("client.p12"), "-passout", "pass:of the file")
    run("x509", "-in", pki.path("ca.pem"), "-outform", "DER", "-out", path("ca.der"))
    run("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=weak", "-keyout", path("weak.key"), "-out", path("weak.pem"))
    for name, text in (("empty.pem", "no certificate\n"), ("password", "of the file\n"), ("wrong", "another\n"),
                       ("bundle.pem", "".join(read(pki.path(ca + ".pem")).decode() for ca in ("ca", "other")))):
        with open(path(name), "w") as out:
            out.write(text)
    ca, cert, key = pki.path("ca.pem"), pki.path("planted.pem"), pki.path("planted.key")
    for words, told in (
            (["--cert", cert, "--key", key], "--ca"),
            (["--ca", ca, "--key", key], "a key needs its certificate: --cert FILE"),
            (["--ca", ca, "--cert", cert, "--key", pki.path("stranger.key")], "the private key does not belong to the certificate"),
            (["--ca", ca, "--cert", key, "--key", cert], "were the two files swapped?"),
            (["--ca", ca, "--cert", cert], "the certificate file holds no private key: give the key's own file with --key"),
            (["--ca", path("empty.pem"), "--cert", cert, "--key", key], "the CA file is neither PEM nor a DER certificate"),
            (["--ca", key], "the CA file holds no certificate"),
            (["--ca", cert], "is not a certification authority"),
            (["--ca", path("client.p12")], "the CA file is neither PEM nor a DER certificate, it is PKCS#12"),
            (["--ca", ca, "--cert", path("client.p12")], "password"),
            (["--ca", ca, "--cert", path("client.p12"), "--password-file", path("wrong")], "the password is wrong"),
            (["--ca", ca, "--cert", cert, "--key", path("nothing")], "cannot open the private key")):
        refused = lab.appliance.command("log", "credentials", "import", "siem", *words, check=False)
        assert refused.returncode and told in refused.stderr, (words, refused)
    assert lab.appliance.ask("log", "credentials", "list")["credentials"] == []
    lab.appliance.command("log", "credentials", "import", "no name", "--ca", ca, check=False)
    assert "log credentials with a malformed name not imported: allowed are names" in lab.appliance.command("show", "log", "audit").stdout
    refusals = lab.appliance.command("show", "log", "audit").stdout
    assert "log credentials siem not imported: the private key does not belong to the certificate" in refusals
    for words, warned in (
            (["--ca", path("ca.der"), "--cert", path("client.p12"), "--password-file", path("password")], []),
            (["--ca", path("bundle.pem"), "--cert", cert, "--key", key], []),
            (["--ca", ca, "--cert", pki.path("server-only.pem"), "--key", pki.path("server-only.key")], ["not made for TLS clients"]),
            (["--ca", ca, "--cert", path("weak.pem"), "--key", path("weak.key")], ["only 1024 bits"])):
        answer = lab.appliance.ask("log", "credentials", "import", "siem", *words)
        assert answer["ok"] and len(answer["warnings"]) == len(warned) and all(w in a for w, a in zip(warned, answer["warnings"])), answer
    assert len(os.listdir(os.path.join(lab.appliance.state_dir, "keys"))) == 2, "one key at a time, beside the web server's"
    assert "Warning: the RSA key has only 1024 bits" in lab.appliance.command(
        "log", "credentials", "import", "siem", "--ca", ca, "--cert", path("weak.pem"), "--key", path("weak.key")).stdout


def _sluice(lab, *words, password=None):
    command = [lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "--json", *words]
    result = subprocess.run(command + (["--password-stdin"] if password else []), input=password or "", stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=60)
    return json.loads(result.stdout)


def test_j5_a_backup_brings_the_credentials_of_log_targets(fresh_lab, tmp_path, pki):
    lab, needles = fresh_lab(), needles_of(Planted(pki))
    backup, keyless = lab.topology.path("backup.json"), lab.topology.path("keyless.json")
    with Receiver(tmp_path, protocol="relp-tls", pki=pki) as receiver:
        _import(lab, pki)
        assert lab.appliance.ask("log", "credentials", "import", "trust", *pki.options(None))["ok"]
        lab.appliance.commit(_document(lab, receiver))
        answer = _sluice(lab, "backup", backup, password=PASSWORD)
        assert answer["ok"] and answer["log_credentials"] == 2 and answer["log_credentials_keys"] == 1, answer
        assert re.search(r"^Log credentials +2, 0 with their key$", lab.appliance.command("backup", keyless, "--without-keys").stdout, re.M)
        for path in backup, keyless:
            assert not found_in(read(path), needles), path
        assert "log credentials siem and its key went into a backup" in lab.appliance.command("show", "log", "audit").stdout

        def another_appliance():
            lab.appliance.stop()
            lab.appliance.teardown()
            shutil.rmtree(lab.appliance.state_dir)
            lab.appliance.start()
        another_appliance()
        wrong = _sluice(lab, "restore", backup, password="another password")
        assert not wrong["ok"] and lab.appliance.ask("log", "credentials", "list")["credentials"] == [], wrong
        restored = _sluice(lab, "restore", backup, password=PASSWORD)
        assert restored["ok"] and restored["certificates"] == ["web-rsa"] and sorted(restored["log_credentials"]) == ["siem", "trust"], restored
        lab.appliance.wait_inspecting()
        _assert_sealed(lab, needles)
        assert lab.curl("/?x=/etc/passwd").reset
        wait_until(lambda: any(b"4000001" in line for lines in receiver.files().values() for line in lines), 30, "a record", pause=0.1)
        again = _sluice(lab, "restore", backup, password=PASSWORD)
        assert again["ok"] and again["log_credentials"] == [], "what is there already stays"
        _import(lab, pki, "stranger")
        refused = _sluice(lab, "restore", backup, password=PASSWORD)
        assert not refused["ok"] and "other log credentials under the name siem" in refused["error"], refused

        another_appliance()  # the CA alone: the key is not in the backup
        shown = lab.appliance.command("restore", keyless)
        assert "log credentials siem: the key is not in the backup" in shown.stderr, shown
        assert "certificate web-rsa is brought back\nlog credentials siem are brought back\nlog credentials trust are brought back\n" in shown.stdout, shown
        assert not any(row["mutual"] for row in lab.appliance.ask("log", "credentials", "list")["credentials"])
        assert _sluice(lab, "restore", keyless)["log_credentials"] == []
