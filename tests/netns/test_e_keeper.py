# SPDX-License-Identifier: Apache-2.0
"""E5, E6: the key keeper's engine, the states of keys, where keys come from."""
import contextlib
import os
import signal
import ssl
import subprocess

import pytest

from lab.appliance import alive, configuration, kill_and_wait, ssl_server, stop_and_wait
from lab.clients import WEB_NAME, client_context, http_get, tcp_connect, tls_connect
from lab.namespace import wait_until
from lab.peers import Certificate, TlsServer, http_reply
from lab.traffic import ATTACK
from test_e_secrets import found_in_memory, plain_device_key

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


def test_e5_status_names_the_engine(lab):
    keeper = lab.appliance.status()["keeper"]
    assert keeper["engine"].startswith("OpenSSL")
    assert bool(keeper["engine_reason"]) == ("waiting" not in keeper["engine"]), keeper
    assert keeper["engine"] in lab.appliance.command("show", "status").stdout
    before = lab.appliance.counters()["key_single"]
    with tls_connect(lab.client) as connection:
        assert http_get(connection)[0] == 200
    lab.appliance.wait_counter("key_single", before + 1)
    assert lab.appliance.counters()["key_batch_faults"] == 0


@pytest.mark.long
@pytest.mark.limit(1800)
def test_e5_batch_engine_in_a_debian_13_root():
    """where libcrypto-mb is: built, tested against OpenSSL, and used by the real keeper"""
    run = subprocess.run([REPOSITORY + "/tests/debian13"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1700)
    assert run.returncode == 0 and "100% tests passed" in run.stdout, run.stdout[-3000:]
    with open("/proc/cpuinfo") as cpu:
        able = "avx512ifma" in cpu.read()
    engine = subprocess.run([REPOSITORY + "/tests/debian13", "build/13-release/tests/test_engine"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=120).stdout
    assert ("is not tested" not in engine) == able, engine
    assert "PASSED" in engine and "FAILED" not in engine


# --- E6: without a key -------------------------------------------------------------------------------------------------


def attack(lab):
    return lab.curl(ATTACK, "--path-as-is", timeout=4)


def wait_said(lab, severity, words):
    """in the System log"""
    wait_until(lambda: [r for r in lab.appliance.records("system") if r["severity"] == severity and words in r["message"]], 5, words)


def _servers(topology):
    return configuration(topology, servers=[ssl_server("web", ["443"], when_key_unavailable="bypass"),
                                            ssl_server("strict", ["8443-8450"], when_key_unavailable="block")])


@contextlib.contextmanager
def without_key(lab, name="web-rsa"):
    """the keeper starts anew and finds the sealed key damaged; afterwards it is whole again"""
    path = os.path.join(lab.appliance.state_dir, "keys", name + ".key")
    with open(path, "rb") as file:
        sealed = file.read()
    with open(path, "r+b") as file:
        file.write(b"X" * 64)
    kill_and_wait(lab.appliance.children()["keeper"])
    wait_until(lambda: "does not open" in lab.appliance.show("servers")["servers"][0]["key_state"], 10, "the key to be missed")
    try:
        yield
    finally:
        with open(path, "r+b") as file:
            file.write(sealed)
        kill_and_wait(lab.appliance.children()["keeper"])
        wait_until(lambda: {row["key_state"] for row in lab.appliance.show("servers")["servers"]} == {"available"}, 10, "the key again")


def test_e6_without_a_key_sessions_are_bypassed_or_blocked_by_choice(fresh_lab):
    lab = fresh_lab(document=_servers)
    with TlsServer(lab.topology, 8443, lab.certificate, http_reply(b"strict")):
        assert [row["without_key"] for row in lab.appliance.show("servers")["servers"]] == ["bypass", "block"]
        assert attack(lab).reset
        with tls_connect(lab.client) as held:
            assert http_get(held)[0] == 200
            with without_key(lab):
                before = lab.appliance.counters()
                assert attack(lab).ok, "bypassed: not inspected"
                lab.appliance.wait_counter("wire_bypassed_no_key", before["wire_bypassed_no_key"] + 1)
                with pytest.raises(OSError):
                    tls_connect(lab.client, 8443, timeout=1.5)
                assert lab.appliance.counters()["wire_blocked_no_key"] >= before["wire_blocked_no_key"] + 1
                assert lab.appliance.counters()["closed_key_unavailable"] == before["closed_key_unavailable"]
                assert http_get(held)[0] == 200, "open sessions need no key"
                wait_said(lab, "error", "SSL server web: a private key is not available")
                wait_said(lab, "error", "new sessions are blocked")
        wait_said(lab, "notice", "SSL server web: its private keys are available again")
        assert attack(lab).reset
        with tls_connect(lab.client, 8443) as connection:
            assert http_get(connection) == (200, b"strict")


@pytest.mark.quick
def test_e6_whose_keeper_dies_after_the_syn_is_bypassed_whatever_the_key_exchange(fresh_lab):
    """also with RSA key exchange, where the key is wanted last: nothing is said to a client before a keeper is there to ask"""
    lab = fresh_lab(document=_servers)
    suites = ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-GCM-SHA256"]

    def context(suite):
        made = client_context(version=ssl.TLSVersion.TLSv1_2)
        made.set_ciphers(suite + ":@SECLEVEL=0")
        return made
    for suite in suites[0], suites[2]:  # that they are inspected otherwise
        with pytest.raises((OSError, EOFError)), tls_connect(lab.client, context=context(suite)) as connection:
            http_get(connection, ATTACK)
    before = lab.appliance.counters()
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(tcp_connect(lab.client, 443)) for _ in suites]  # decided at the SYN: to be inspected
        for _ in range(4):  # the next one comes after 0, 1, 2 and 4 s
            keeper = wait_until(lambda: lab.appliance.children().get("keeper"), 10, "a key keeper")
            kill_and_wait(keeper)
            wait_until(lambda: lab.appliance.children().get("keeper") != keeper, 5, "its end to be noticed", pause=0.01)
        assert "keeper" not in lab.appliance.children()
        for suite, connection in zip(suites, opened):
            with context(suite).wrap_socket(connection, server_hostname=WEB_NAME) as tls:
                assert http_get(tls, ATTACK)[0] == 200, "bypassed: not inspected"
    after = lab.appliance.counters()
    assert after["bypassed_key_unavailable"] - before["bypassed_key_unavailable"] == len(suites)
    assert after["closed_key_unavailable"] == before["closed_key_unavailable"]
    lab.appliance.wait_inspecting()
    assert attack(lab).reset


def test_e6_a_hung_keeper_is_replaced(own_lab):
    lab = own_lab
    keeper = lab.appliance.children()["keeper"]
    stop_and_wait(keeper)
    try:
        wait_until(lambda: not alive(keeper), 30, "the hung keeper to be ended", pause=0.2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: lab.curl("/again", timeout=3).ok, 20, "sessions with the new keeper")
    assert attack(lab).reset
    wait_said(lab, "error", "has not answered for 10 s")


# --- E5: the keystore ----------------------------------------------------------------------------------------------------


def _keystore(lab, *words, passphrase=None):
    command = [lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "keystore", *words]
    if passphrase is not None:
        command.append("--password-stdin")
    return subprocess.run(command, input=passphrase or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def _key_states(lab):
    return {row["key_state"] for row in lab.appliance.show("servers")["servers"]}


PASSPHRASE = "correct horse battery staple"


@pytest.mark.limit(120)
def test_e5_a_keystore_under_a_passphrase(own_lab):
    lab = own_lab
    state = lambda: lab.appliance.ask("keystore", "show")
    assert (state()["protection"], state()["state"]) == ("file", "unlocked")
    with open(os.path.join(lab.appliance.state_dir, "device.key"), "rb") as file:
        plain = file.read()
    for words, passphrase, told in ((("protect", "passphrase"), "short", "shorter than 12"), (("protect", "passphrase"), "\n", "empty"),
                                    (("unlock",), PASSPHRASE, "has no passphrase")):
        refused = _keystore(lab, *words, passphrase=passphrase)
        assert refused.returncode == 1 and told in refused.stderr, refused
    assert _keystore(lab, "protect", "passphrase", passphrase=PASSPHRASE).returncode == 0
    assert (state()["protection"], state()["state"]) == ("passphrase", "unlocked")
    with open(os.path.join(lab.appliance.state_dir, "device.key"), "rb") as file:
        assert plain not in file.read()
    # all goes on: a dead keeper gets its keys again, certificates are imported
    kill_and_wait(lab.appliance.children()["keeper"])
    wait_until(lambda: _key_states(lab) == {"available"}, 10, "the keys in the new keeper")
    spare = Certificate(lab.topology.directory, "spare", "spare.example.test")
    lab.appliance.import_certificate(spare)
    needle = {"device key": plain_device_key(lab)}
    processes = dict(lab.appliance.children(), supervisor=lab.appliance.supervisor.pid)
    assert {role for role, pid in processes.items() if found_in_memory(pid, needle)} == {"keeper"}
    # after a start it is locked, and everything says so
    lab.appliance.stop()
    lab.appliance.start()
    wait_until(lambda: _key_states(lab) == {"keystore locked"}, 20, "the locked keys")
    assert state()["state"] == "locked"
    before = lab.appliance.counters()["wire_bypassed_no_key"]
    assert attack(lab).ok
    lab.appliance.wait_counter("wire_bypassed_no_key", before + 1)
    wait_said(lab, "error", "a private key is not available (keystore locked), new sessions are bypassed uninspected")
    other = Certificate(lab.topology.directory, "other", "other.example.test")
    refused = lab.appliance.command("certificate", "import", "other", "--cert", other.certificate, "--key", other.key, check=False)
    assert "the keystore is locked: sluice keystore unlock" in refused.stderr
    refused = _keystore(lab, "protect", "file")
    assert "locked" in refused.stderr
    refused = _keystore(lab, "unlock", passphrase="wrong horse battery staple")
    assert refused.returncode == 1 and "the passphrase is wrong" in refused.stderr
    assert _key_states(lab) == {"keystore locked"}
    with open(lab.topology.path("passphrase"), "w") as out:
        out.write(PASSPHRASE + "\n")
    assert _keystore(lab, "unlock", "--password-file", lab.topology.path("passphrase")).returncode == 0
    wait_until(lambda: _key_states(lab) == {"available"}, 10, "the unlocked keys")
    lab.appliance.wait_inspecting()
    assert attack(lab).reset
    # and back
    assert _keystore(lab, "protect", "file").returncode == 0
    lab.appliance.stop()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert attack(lab).reset and state()["protection"] == "file"
    audit = [record["message"] for record in lab.appliance.records("audit")]
    assert any("keystore not unlocked: the passphrase is wrong" in text for text in audit)
    for told in ("keystore unlocked", "keystore protected with a passphrase, with another device key; 1 keys are sealed anew",
                 "keystore protected with a file only, with another device key; 2 keys"):
        assert any(text.startswith(told) for text in audit), (told, audit)
    assert not any("horse" in text for text in audit)


# --- E5: keys that are not persisted, and a key provider -----------------------------------------------------------------


def _in_memory_only(socket=None):
    def document(topology):
        made = configuration(topology)
        made["device"]["persist_private_keys"] = False
        if socket:
            made["device"]["key_provider_socket"] = topology.path(socket)
        return made
    return document


def _shown(lab):
    with tls_connect(lab.client, context=client_context()) as connection:
        assert http_get(connection)[0] == 200
        return connection.getpeercert(True)


def _stored_keys(lab):
    return os.listdir(os.path.join(lab.appliance.state_dir, "keys"))


def _restart(lab):
    lab.appliance.stop()
    lab.appliance.start()


@pytest.mark.limit(120)
def test_e5_keys_that_are_not_persisted_are_gone_after_a_restart(own_lab):
    lab = own_lab
    assert _stored_keys(lab) == ["web-rsa.key"]
    lab.appliance.commit(_in_memory_only()(lab.topology))
    assert _stored_keys(lab) == []
    kill_and_wait(lab.appliance.children()["keeper"])
    wait_until(lambda: _key_states(lab) == {"available"}, 10, "the key again, from memory")
    new = Certificate(lab.topology.directory, "new", WEB_NAME)
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", new.certificate, "--key", new.key)
    assert _stored_keys(lab) == [] and _shown(lab) == new.der()
    lab.appliance.commit(configuration(lab.topology))  # on again: what is in memory is stored
    assert sorted(_stored_keys(lab))[0].startswith("web-rsa")
    assert len(_stored_keys(lab)) == 2
    _restart(lab)
    lab.appliance.wait_inspecting()
    assert _shown(lab) == new.der()
    lab.appliance.commit(_in_memory_only()(lab.topology))
    _restart(lab)
    wait_until(lambda: _key_states(lab) == {"missing"}, 20, "the keys to be missed")


@contextlib.contextmanager
def key_provider(lab, socket, script):
    path = lab.topology.path("provider-command")
    with open(path, "w") as out:
        out.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    process = subprocess.Popen([lab.appliance.bin_dir + "/sluice-key-provider", lab.topology.path(socket), path],
                               stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(lab.topology.path(socket)), 5, "the provider to listen")
        yield
    finally:
        process.kill()
        process.wait()
        os.unlink(lab.topology.path(socket))


@pytest.mark.limit(120)
@pytest.mark.parametrize("persist", [True, False], ids=["kept", "in-memory"])
def test_e5_a_certificate_whose_key_only_a_provider_has(own_lab, persist):
    lab = own_lab
    document = _in_memory_only("provider")(lab.topology)
    document["device"]["persist_private_keys"] = persist
    first, second = (Certificate(lab.topology.directory, name, WEB_NAME, key=key) for name, key in (("first", "P-256"), ("second", "rsa:2048")))
    importing = lambda word, name, certificate, *more: lab.appliance.command(
        "certificate", word, name, "--cert", certificate.certificate, "--without-key", *more, check=False)
    assert importing("import", "apart", first).returncode == 0  # no provider is named yet
    shown = lab.appliance.ask("certificate", "show", "apart")["certificate"]
    assert (shown["key_state"], shown["key_from"]) == ("missing", "provider")
    assert importing("import", "other", first, "--key", first.key).returncode == 2
    assert "no key provider is configured" in importing("replace", "apart", second).stderr
    for server in document["ssl_servers"]:
        server.update(certificates=["apart"], certificate_drift="ignore")
    lab.appliance.commit(document)
    wait_until(lambda: "cannot connect to the key provider" in "".join(_key_states(lab)), 10, "no provider to be told")
    assert attack(lab).ok, "bypassed meanwhile"
    with key_provider(lab, "provider", "cat " + second.key):
        wait_until(lambda: "the key of another certificate" in "".join(_key_states(lab)), 40, "the wrong key to be refused", pause=0.1)
        assert "the key of another certificate" in importing("replace", "apart", first).stderr
    with key_provider(lab, "provider", "cat " + first.key):
        wait_until(lambda: _key_states(lab) == {"available"}, 70, "the key", pause=0.1)
        lab.appliance.wait_inspecting()
        assert _shown(lab) == first.der()
    stored = _stored_keys(lab)
    assert ("apart.key" in stored) == persist
    # renewed: its key comes before any session sees it
    with key_provider(lab, "provider", 'case "$2" in %s) cat %s;; *) cat %s;; esac' % (shown["key_id"], first.key, second.key)):
        replaced = importing("replace", "apart", second)
        assert replaced.returncode == 0, replaced
        assert _shown(lab) == second.der()
        _restart(lab)
        wait_until(lambda: _key_states(lab) == {"available"}, 20, "the keys after a restart")
        lab.appliance.wait_inspecting()
        assert _shown(lab) == second.der()
    audit = [record["message"] for record in lab.appliance.records("audit")]
    assert "certificate apart imported, without its key" in audit
    assert any(text.startswith("certificate apart not replaced: ") for text in audit)


@pytest.mark.limit(180)
def test_e5_keys_fetched_from_a_key_provider(own_lab):
    lab = own_lab
    lab.appliance.commit(_in_memory_only("provider")(lab.topology))
    other = Certificate(lab.topology.directory, "other", WEB_NAME)
    state = lambda: "".join(_key_states(lab))
    _restart(lab)
    wait_until(lambda: "cannot connect to the key provider" in state(), 20, "no provider to be told")
    assert attack(lab).ok, "bypassed meanwhile"
    for script, told in (("exit 3", "the command gave no key"), ("cat " + other.key, "the key of another certificate"),
                         ("yes", "more than 64 KiB"), ("kill -9 $PPID", "before its answer was whole")):
        with key_provider(lab, "provider", script):
            wait_until(lambda: told in state(), 70, told, pause=0.1)
    with key_provider(lab, "provider", 'test "$1" = web-rsa -a ${#2} = 16 && cat ' + lab.certificate.key):
        wait_until(lambda: state() == "available", 70, "the key", pause=0.1)
        lab.appliance.wait_inspecting()
        assert attack(lab).reset
    kill_and_wait(lab.appliance.children()["keeper"])
    wait_until(lambda: state() == "available", 10, "the key again, without the provider")
    assert attack(lab).reset and _stored_keys(lab) == []
    assert any("came from the key provider" in record["message"] for record in lab.appliance.records("audit"))
