# SPDX-License-Identifier: Apache-2.0
"""E5: the device key, which opens every sealed key: changed as a whole or not at all, and sealed by a TPM."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

from lab.appliance import REPOSITORY, configuration, kill_and_wait
from lab.clients import WEB_NAME, client_context, http_get, tls_connect
from lab.namespace import wait_until
from lab.peers import Certificate
from lab.tpm import SoftwareTpm
from lab.traffic import ATTACK
from test_e_secrets import found_in_memory, plain_device_key, read

with open(os.path.join(REPOSITORY, "src/base/fault_points_keys.def")) as table:
    STEPS = re.findall(r'^FAULT_POINT\(\w+, "(\w+)", (UNDONE|KEPT),', table.read(), re.MULTILINE)
PASSPHRASE = "correct horse battery staple"


def keystore(lab, *words, passphrase=None, check=True):
    command = [lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "keystore", *words]
    run = subprocess.run(command + (["--password-stdin"] if passphrase else []), input=passphrase or "", stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=60)
    assert not check or run.returncode == 0, run
    return run


def key_states(lab):
    return {row["key_state"] for row in lab.appliance.show("servers")["servers"]}


def wait_state(lab, words, seconds=20):
    wait_until(lambda: all(words in state for state in key_states(lab)), seconds, words)


def state_file(lab, *name):
    return os.path.join(lab.appliance.state_dir, *name)


def sealed(lab):
    return {name: read(state_file(lab, "keys", name)) for name in sorted(os.listdir(state_file(lab, "keys")))}


def start(lab):
    lab.appliance.start()
    wait_until(lambda: lab.appliance.status()["config_version"], 10, "the stored configuration")


def restart(lab):
    lab.appliance.stop()
    start(lab)


def assert_inspects(lab):
    wait_state(lab, "available")
    lab.appliance.wait_inspecting()
    wait_until(lambda: lab.curl(ATTACK, "--path-as-is").reset, 10, "an attack to be reset")


# --- another device key ------------------------------------------------------------------------------------------------


@pytest.mark.quick
@pytest.mark.limit(120)
def test_e5_another_device_key_opens_all_and_the_old_one_nothing(own_lab):
    lab = own_lab
    lab.appliance.import_certificate(Certificate(lab.topology.directory, "second", WEB_NAME))
    before, old = sealed(lab), read(state_file(lab, "device.key"))
    assert len(before) == 2
    with tls_connect(lab.client, context=client_context()) as held:
        answer = lab.appliance.ask("keystore", "rotate")
        assert (answer["protection"], answer["state"], answer["keys_resealed"]) == ("file", "unlocked", 2)
        assert http_get(held)[0] == 200
    after, device_key = sealed(lab), read(state_file(lab, "device.key"))
    assert set(after) == set(before) and not set(after.values()) & set(before.values()) and device_key != old
    assert_inspects(lab)
    kill_and_wait(lab.appliance.children()["keeper"])
    assert_inspects(lab)
    spare = Certificate(lab.topology.directory, "spare", "spare.example.test")
    lab.appliance.import_certificate(spare)
    assert any("with another device key; 2 keys are sealed anew" in record["message"] for record in lab.appliance.records("audit"))
    # the old key with the new files, and the new key with the old files
    for path, content in (("device.key", old), ("device.key", device_key)):
        lab.appliance.stop()
        with open(state_file(lab, path), "wb") as out:
            out.write(content)
        for name, text in before.items() if content is device_key else ():
            with open(state_file(lab, "keys", name), "wb") as out:
                out.write(text)
        start(lab)
        wait_state(lab, "does not open")


@pytest.mark.limit(120)
def test_e5_keys_in_memory_get_another_device_key_too(own_lab):
    lab = own_lab
    document = configuration(lab.topology)
    document["device"]["persist_private_keys"] = False
    lab.appliance.commit(document)
    assert lab.appliance.ask("keystore", "rotate")["keys_resealed"] == 1 and not sealed(lab)
    kill_and_wait(lab.appliance.children()["keeper"])
    assert_inspects(lab)
    lab.appliance.commit(configuration(lab.topology))
    assert list(sealed(lab)) == ["web-rsa.key"]
    restart(lab)
    assert_inspects(lab)


@pytest.mark.limit(120)
def test_e5_a_key_that_does_not_open_stops_a_change_of_the_device_key(own_lab):
    lab = own_lab
    spare = Certificate(lab.topology.directory, "spare", "spare.example.test")
    lab.appliance.import_certificate(spare)
    with open(state_file(lab, "keys", "spare.key"), "r+b") as file:
        file.write(b"X" * 64)
    before = sealed(lab), read(state_file(lab, "device.key"))
    refused = keystore(lab, "protect", "passphrase", passphrase=PASSPHRASE, check=False)
    assert refused.returncode == 1 and "certificate spare: its sealed key does not open" in refused.stderr
    assert (sealed(lab), read(state_file(lab, "device.key"))) == before
    assert not os.path.exists(state_file(lab, "device.key.new"))
    assert lab.appliance.ask("keystore", "show")["protection"] == "file"
    lab.appliance.command("certificate", "remove", "spare")
    assert lab.appliance.ask("keystore", "rotate")["keys_resealed"] == 1


class Faults:
    """sluiced-fault in place of sluiced (test_f4_faults.py has the same for commits)"""

    def __init__(self, lab, directory):
        self.lab, self.programs, self.directory = lab, lab.appliance.bin_dir, str(directory)
        self.file = os.path.join(self.directory, "fault")
        wrapper = directory / "sluiced"
        wrapper.write_text('#!/bin/sh\nexport SLUICE_FAULT=%s\nexec %s --bin-dir %s "$@"\n' % (
            self.file, os.path.join(self.programs, "../tests/sluiced-fault"), self.programs))
        wrapper.chmod(0o755)

    def start(self):
        try:
            self.lab.appliance.bin_dir = self.directory
            self.lab.appliance.start()
        finally:
            self.lab.appliance.bin_dir = self.programs
        wait_until(lambda: self.lab.appliance.status()["config_version"], 10, "the stored configuration")

    def rotate(self, fault):
        with open(self.file, "w") as out:
            out.write(fault)
        try:
            return keystore(self.lab, "rotate", check=False)
        finally:
            os.unlink(self.file)


@pytest.mark.limit(240)
def test_e5_a_change_of_the_device_key_is_whole_or_undone_wherever_it_ends(own_lab, tmp_path):
    lab = own_lab
    if not os.access(os.path.join(lab.appliance.bin_dir, "../tests/sluiced-fault"), os.X_OK):
        pytest.skip("the programs under test are not from a build folder")
    lab.appliance.import_certificate(Certificate(lab.topology.directory, "spare", "spare.example.test"))
    faults = Faults(lab, tmp_path)
    lab.appliance.stop()
    faults.start()
    assert faults.rotate("none none").returncode == 0
    with open(faults.file + ".passed") as names:
        passed = names.read().split()
    assert list(dict.fromkeys(passed)) == [name for name, _ in STEPS], "every step of the table, in its order"
    assert passed.count("key_resealed") == 2 == passed.count("key_follows")
    for name, end in STEPS:
        for how in ("fail", "kill") if end == "UNDONE" else ("kill",):
            before = sealed(lab), read(state_file(lab, "device.key"))
            lab.appliance.seen_pids.update(lab.appliance.children().values())
            ended = faults.rotate(name + " " + how)
            assert ended.returncode != 0, (name, how)
            if how == "kill":
                assert lab.appliance.supervisor.wait(5) == -9, name
                faults.start()
            after = sealed(lab), read(state_file(lab, "device.key"))
            assert set(after[0]) == set(before[0]) and not os.path.exists(state_file(lab, "device.key.new")), name
            if end == "UNDONE":
                assert after == before, (name, how)
            else:
                assert after[1] != before[1] and not set(after[0].values()) & set(before[0].values()), (name, how)
            wait_state(lab, "available")
            assert {row["key_state"] for row in lab.appliance.ask("certificate", "list")["certificates"]} == {"available"}
    assert_inspects(lab)


# --- a TPM -------------------------------------------------------------------------------------------------------------


def test_e5_a_certificate_whose_facts_are_damaged_stops_a_change_of_the_device_key(own_lab):
    """its key may be mended with them; under another device key it would be lost"""
    lab = own_lab
    facts, before, device_key = state_file(lab, "certificates", "web-rsa.json"), sealed(lab), read(state_file(lab, "device.key"))
    whole = read(facts)
    with open(facts, "wb") as damaged:
        damaged.write(whole[:len(whole) // 2])
    refused = keystore(lab, "rotate", check=False)
    assert refused.returncode and "damaged: import that one again first" in refused.stderr, refused
    assert sealed(lab) == before and read(state_file(lab, "device.key")) == device_key
    with open(facts, "wb") as mended:
        mended.write(whole)
    keystore(lab, "rotate")
    assert sealed(lab) != before and read(state_file(lab, "device.key")) != device_key
    assert_inspects(lab)


@pytest.fixture
def tpm_lab(fresh_lab):
    if not shutil.which("swtpm"):
        pytest.skip("swtpm is not installed")

    def document(topology):
        made = configuration(topology)
        made["device"]["tpm_device"] = topology.path("tpm.socket")
        return made
    lab = fresh_lab(document=document)
    with SoftwareTpm(lab.topology.path("tpm"), lab.topology.path("tpm.socket")) as tpm:
        refused = keystore(lab, "protect", "tpm", check=False)
        if "built without tpm2-tss" in refused.stderr:
            pytest.skip("built without tpm2-tss")
        assert refused.returncode == 0, refused
        yield lab, tpm


@pytest.mark.quick
@pytest.mark.limit(180)
def test_e5_a_device_key_in_a_tpm(tpm_lab):
    lab, tpm = tpm_lab
    shown = lab.appliance.ask("keystore", "show")
    assert (shown["protection"], shown["state"], shown["pcrs"]) == ("tpm", "unlocked", [])
    assert read(state_file(lab, "device.key"))[:4] == b"SLTP"
    restart(lab)
    assert_inspects(lab)  # opened by itself
    assert any(record["message"] == "keystore unlocked by the TPM" for record in lab.appliance.records("audit"))
    assert lab.appliance.ask("keystore", "rotate")["protection"] == "tpm"
    kill_and_wait(lab.appliance.children()["keeper"])
    assert_inspects(lab)  # without asking the TPM again
    # gone
    tpm.stop()
    restart(lab)
    wait_state(lab, "keystore locked: there is no TPM at " + lab.topology.path("tpm.socket"))
    shown = lab.appliance.ask("keystore", "show")
    assert shown["state"] == "locked" and "there is no TPM" in shown["problem"]
    assert "Problem" in keystore(lab, "show").stdout
    refused = keystore(lab, "unlock", check=False)
    assert refused.returncode == 1 and "there is no TPM" in refused.stderr
    assert lab.curl(ATTACK, "--path-as-is").ok, "bypassed meanwhile"
    # another one
    with SoftwareTpm(lab.topology.path("other-tpm"), tpm.path):
        refused = keystore(lab, "unlock", check=False)
        assert "another TPM sealed it" in refused.stderr, refused
        wait_state(lab, "another TPM sealed it")
    # and back
    tpm.start()
    keystore(lab, "unlock")
    assert_inspects(lab)
    assert keystore(lab, "unlock", check=False).returncode == 1
    keystore(lab, "protect", "file")
    restart(lab)
    assert_inspects(lab)
    told = [record["message"] for record in lab.appliance.records("system") if "the keystore is locked" in record["message"]]
    assert any("there is no TPM" in text for text in told) and any("another TPM" in text for text in told), told
    assert len(told) <= 4, "told when the reason changes, however often it is tried"


@pytest.mark.limit(120)
def test_e5_a_device_key_that_a_tpm_gives_out_while_its_pcrs_are_the_same(tpm_lab):
    lab, tpm = tpm_lab
    for wrong in ("24", "1,", "x", "1 2"):
        assert "numbers from 0 to 23" in keystore(lab, "protect", "tpm", "--pcrs", wrong, check=False).stderr
    keystore(lab, "protect", "tpm", "--pcrs", "7,16")
    assert lab.appliance.ask("keystore", "show")["pcrs"] == [7, 16]
    restart(lab)
    assert_inspects(lab)
    tpm.extend(16)
    restart(lab)
    wait_state(lab, "its PCRs are not as they were when the key was sealed")
    tpm.stop()
    tpm.start()  # as after a boot
    keystore(lab, "unlock")
    assert_inspects(lab)


@pytest.mark.limit(120)
def test_e5_a_tpm_that_answers_nonsense(tpm_lab):
    lab, tpm = tpm_lab
    tpm.stop()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(tpm.path)
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as connection:
                        connection.recv(4096)
                        connection.sendall(b"\x80\x01" + b"\xff" * 40)
        threading.Thread(target=serve, daemon=True).start()
        restart(lab)
        wait_state(lab, "keystore locked: the TPM does not answer")
        listener.shutdown(socket.SHUT_RDWR)
    os.unlink(tpm.path)
    tpm.start()
    keystore(lab, "unlock")
    assert_inspects(lab)


@pytest.mark.limit(120)
def test_e5_the_device_key_is_only_in_the_key_keeper(tpm_lab):
    lab, tpm = tpm_lab
    needle = {"device key": plain_device_key(lab)}
    processes = dict(lab.appliance.children(), supervisor=lab.appliance.supervisor.pid)
    assert {role for role, pid in processes.items() if found_in_memory(pid, needle)} == {"keeper"}
    for folder in (lab.appliance.state_dir, lab.appliance.run_dir, tpm.directory):
        for path, _, names in os.walk(folder):
            for name in names:
                file = os.path.join(path, name)
                assert not os.path.isfile(file) or needle["device key"] not in read(file), file
