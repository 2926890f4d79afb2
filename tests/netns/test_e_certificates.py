# SPDX-License-Identifier: Apache-2.0
"""E2 to E6: certificates of every kind come in, are replaced under load, and their keys are nowhere but in the keeper."""
import contextlib
import json
import os
import pty
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.appliance import CommandFailed, configuration, kill_and_wait, ssl_server, stop_and_wait
from lab.clients import WEB_NAME, client_context, http_get, tls_connect
from lab.load import TlsLoad
from lab.namespace import run, wait_until
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
    audit = [record["message"] for record in lab.appliance.records("audit")]
    for told in ("%s not imported: the PKCS#12 file does not open: the password is wrong", "%s not imported: a certificate of this name", "import of certificate %s asked for"):
        told = told if told.startswith("import") else "certificate " + told
        assert any(text.startswith(told % name) for text in audit), (told, audit)
    row, = [row for row in lab.appliance.ask("certificate", "list")["certificates"] if row["name"] == name]
    assert row["sans"][0] == WEB_NAME and row["key_bits"] == 2048


def _certificates(lab):
    return {row["name"]: row for row in lab.appliance.ask("certificate", "list")["certificates"]}


def _replace(lab, certificate, name="web-rsa"):
    return lab.appliance.ask("certificate", "replace", name, "--cert", certificate.certificate, "--key", certificate.key)


def _shown(lab, **options):
    with tls_connect(lab.client, context=client_context(), **options) as connection:
        assert http_get(connection)[0] == 200
        return connection.getpeercert(True)


def on_a_terminal(lab, *words, answers):
    """(exit status, what stood on the terminal): each answer is typed when something is asked for"""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(lab.appliance.bin_dir + "/sluice", ["sluice", "--instance", lab.appliance.instance, *words])
    shown, answers = b"", list(answers)
    with contextlib.suppress(OSError):  # its end, when nothing is open any more
        while part := os.read(terminal, 4096):
            shown += part
            if answers and shown.endswith(b": "):
                os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_e2_a_password_is_asked_for_on_the_terminal_and_not_shown(own_lab):
    """of an encrypted key and of PKCS#12; what needs none is not asked; DER as it comes out of openssl"""
    lab, path = own_lab, own_lab.topology.path
    made = Certificate(lab.topology.directory, "made", "made.example.test")
    run("openssl", "pkcs8", "-topk8", "-v2", "aes256", "-in", made.key, "-out", path("locked.key"), "-passout", "pass:open sesame")
    run("openssl", "pkcs12", "-export", "-in", made.certificate, "-inkey", made.key, "-out", path("made.p12"), "-passout", "pass:open sesame")
    run("openssl", "x509", "-in", made.certificate, "-outform", "DER", "-out", path("made.der"))
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", made.key, "-outform", "DER", "-out", path("made.der.key"))
    asked = "The password of the private key: "
    for name, words in (("pem", ["--cert", made.certificate, "--key", path("locked.key")]), ("p12", ["--cert", path("made.p12")])):
        status, shown = on_a_terminal(lab, "certificate", "import", name, *words, answers=["close sesame"])
        assert status == 1 and asked in shown and "the password is wrong" in shown and "sesame" not in shown, shown
        status, shown = on_a_terminal(lab, "certificate", "import", name, *words, answers=["open sesame"])
        assert status == 0 and shown.startswith(asked) and "Imported." in shown and "sesame" not in shown, shown
    status, shown = on_a_terminal(lab, "certificate", "import", "der", "--cert", path("made.der"), "--key", path("made.der.key"), answers=[])
    assert status == 0 and asked not in shown, shown
    wait_until(lambda: {row["key_state"] for row in _certificates(lab).values()} == {"available"}, 5, "the keys")
    assert len({row["sha256"] for name, row in _certificates(lab).items() if name != "web-rsa"}) == 1
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", path("made.p12"), "--password-file",
                          _file(path("password"), "open sesame\n"))
    assert _shown(lab) == made.der()


def _file(path, text):
    with open(path, "w") as out:
        out.write(text)
    return path


def test_e3_show_export_and_remove(own_lab):
    lab = own_lab
    spare = Certificate(lab.topology.directory, "spare", "spare.example.test")
    lab.appliance.import_certificate(spare)
    shown = lab.appliance.ask("certificate", "show", "web-rsa")["certificate"]
    assert shown["servers"] == ["web", "raw"] and shown["key_state"] == "available" and len(shown["sha256"]) == 64
    assert lab.appliance.ask("certificate", "show", "spare")["certificate"]["servers"] == []
    assert "SSL servers" in lab.appliance.command("certificate", "show", "web-rsa").stdout
    exported = lab.appliance.command("certificate", "export-chain", "spare").stdout
    assert ssl.PEM_cert_to_DER_cert(exported) == spare.der()
    with pytest.raises(CommandFailed) as refused:
        lab.appliance.command("certificate", "remove", "web-rsa")
    assert "used by SSL server web, raw" in refused.value.result.stderr
    lab.appliance.command("certificate", "remove", "spare")
    assert set(_certificates(lab)) == {"web-rsa"} and lab.appliance.status()["keeper"]["keys"] == {"web-rsa": "available"}
    for words in ("show", "remove", "export-chain"):
        assert "there is no certificate \"spare\" in the store" in lab.appliance.command("certificate", words, "spare", check=False).stderr
    assert _shown(lab) == lab.certificate.der()


def test_e2_e3_e4_what_an_operator_would_trip_over_is_told_before(own_lab):
    """a slip of the finger, another site's certificate, one that has expired"""
    lab = own_lab
    for words in ("show", "remove", "export-chain"):
        assert 'there is no certificate "web-rsaa" in the store: did you mean "web-rsa"?' in lab.appliance.command(
            "certificate", words, "web-rsaa", check=False).stderr
    document = configuration(lab.topology)
    document["ssl_servers"][0]["certificates"] = ["web_rsa"]
    path = lab.appliance.write_configuration(document)
    refused = lab.appliance.command("check", path, check=False)
    assert 'ssl_server web: there is no certificate "web_rsa" in the store: did you mean "web-rsa"?' in refused.stderr + refused.stdout

    certificate, key = expired(lab.topology, "old")
    lab.appliance.command("certificate", "import", "old", "--cert", certificate, "--key", key)
    rows = lab.appliance.ask("certificate", "list")["certificates"]
    assert [row["name"] for row in rows] == ["old", "web-rsa"] and rows[0]["days_left"] < -2000 and rows[1]["days_left"] in (29, 30)
    assert "DAYS LEFT" in lab.appliance.command("certificate", "list").stdout
    document["ssl_servers"][0]["certificates"] = ["old"]
    problems = lab.appliance.ask("check", lab.appliance.write_configuration(document))["problems"]
    assert [p for p in problems if p["severity"] == "warning" and "ssl_server web: certificate old has expired at 2020-01-02" in p["message"]], problems

    other = Certificate(lab.topology.directory, "elsewhere", "elsewhere.example.test")
    answer = _replace(lab, other)
    warning, = answer["certificate"]["warnings"]
    assert warning == "it does not name %s, as the one before does: clients that ask for such a name refuse it" % WEB_NAME
    assert "Warning: it does not name" in lab.appliance.command("certificate", "show", "web-rsa").stdout
    mixed_up = lab.appliance.ask("certificate", "replace", "web-rsa", "--cert", certificate, "--key", key)["certificate"]["warnings"]
    assert any("it ends at 2020-01-02T00:00:00Z, before the one that it replaces" in text for text in mixed_up), mixed_up
    assert [text.split(",")[0] for text in _replace(lab, lab.certificate)["certificate"]["warnings"]] == ["it does not name old"]


class Handshakes:
    """new sessions without pause in the background; what broke, and which certificates were seen"""

    def __init__(self, lab, threads=2):
        self.lab, self.broken, self.seen, self.done = lab, [], [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self._stop.is_set():
            try:
                certificate = _shown(self.lab)
            except Exception as error:
                self.broken.append(repr(error))
                continue
            self.done += 1
            if certificate not in self.seen:
                self.seen.append(certificate)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])
def test_e3_replace_under_handshakes(own_lab, version):
    """the real server goes on with its own certificate: what it showed before is still taken from it (D9)"""
    lab = own_lab
    made = [Certificate(lab.topology.directory, "new%d" % n, WEB_NAME, key=key)
            for n, key in enumerate(["rsa:2048", "P-256", "rsa:2048"])]
    context = client_context(version=version)
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(tls_connect(lab.client, context=context))
        assert http_get(old)[0] == 200
        session = old.session
        load = stack.enter_context(Handshakes(lab))
        answer = _replace(lab, made[0])
        assert answer["replaced"] == "web-rsa_REPLACED"
        for expected in (False, True):  # the old ticket is not taken; the one given instead is
            with tls_connect(lab.client, context=context, session=session) as connection:
                assert connection.session_reused is expected and http_get(connection)[0] == 200
                assert expected or connection.getpeercert(True) == made[0].der(), "new sessions see it at once"
                session = connection.session
        before = load.done
        while load.done < before + 50:
            time.sleep(0.01)
        assert http_get(old)[0] == 200, "an open session goes on"
    assert not load.broken and load.seen == [lab.certificate.der(), made[0].der()], (load.broken[:3], len(load.seen))
    rows = _certificates(lab)
    assert rows["web-rsa"]["servers"] == ["web", "raw"] and rows["web-rsa_REPLACED"]["servers"] == []
    assert {row["key_state"] for row in rows.values()} == {"available"}


def test_e3_replace_again_and_again(own_lab):
    """each one numbered; nothing broken; a restart finds every key"""
    lab = own_lab
    made = [Certificate(lab.topology.directory, "new%d" % n, WEB_NAME, key=key)
            for n, key in enumerate(["P-256", "rsa:2048", "P-256"])]
    lab.appliance.commit(_without_pin(lab))
    with Handshakes(lab) as load:
        names = [_replace(lab, certificate)["replaced"] for certificate in made * 3]
    assert names == ["web-rsa_REPLACED"] + ["web-rsa_REPLACED_%d" % n for n in range(2, 10)]
    assert not load.broken and load.done > 20, (load.broken[:3], load.done)
    assert len(_certificates(lab)) == 10
    lab.appliance.stop()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert {row["key_state"] for row in _certificates(lab).values()} == {"available"}
    assert _shown(lab) == made[2].der()
    for name in names:
        lab.appliance.command("certificate", "remove", name)
    assert _shown(lab) == made[2].der()
    kill_and_wait(lab.appliance.status()["keeper"]["pid"])
    lab.appliance.wait_inspecting()
    assert _shown(lab) == made[2].der(), "its key file was not removed with another's"


def _without_pin(lab):
    document = lab.document(lab.topology)
    for server in document["ssl_servers"]:
        server["certificate_drift"] = "ignore"
    return document


def _small_certificate(topology):
    return configuration(topology, servers=[ssl_server("web", ["443"], certificates=("web-ec",), certificate_drift="ignore")])


def test_e3_failures_change_nothing(own_lab):
    lab = own_lab
    other, new = (Certificate(lab.topology.directory, name, WEB_NAME) for name in ("other", "new"))
    state = lambda: (_certificates(lab), sorted(lab.appliance.status()["keeper"]["keys"].items()))
    before = state()
    for words, told in ((("web-rsa", "--cert", new.certificate, "--key", other.key), "does not belong"),
                        (("nothing", "--cert", new.certificate, "--key", new.key), "there is no certificate \"nothing\" in the store: see")):
        assert told in lab.appliance.command("certificate", "replace", *words, check=False).stderr
    assert state() == before and _shown(lab) == lab.certificate.der()
    keeper = lab.appliance.status()["keeper"]["pid"]
    stop_and_wait(keeper)  # it takes the key and says nothing
    with ThreadPoolExecutor() as pool:
        replacing = pool.submit(lab.appliance.command, "certificate", "replace", "web-rsa", "--cert", new.certificate, "--key", new.key,
                                check=False)
        wait_until(lambda: "web-rsa_REPLACED" in _certificates(lab), 5, "the replacement to be staged")
        refused = lab.appliance.command("certificate", "remove", "web-rsa_REPLACED", check=False)
        assert "in progress" in refused.stderr
        assert {row["key_state"] for row in lab.appliance.show("servers")["servers"]} == {"available"}
        kill_and_wait(keeper)
        assert "is not replaced: the key keeper has ended; the one before is in force" in replacing.result().stderr
    lab.appliance.wait_inspecting()
    assert state() == before and _shown(lab) == lab.certificate.der()


def test_e3_a_crash_in_the_middle_of_a_replacement_leaves_nothing(own_lab):
    lab = own_lab
    new = Certificate(lab.topology.directory, "new", WEB_NAME)
    files = lambda: sorted(os.listdir(os.path.join(lab.appliance.state_dir, "keys")) +
                           os.listdir(os.path.join(lab.appliance.state_dir, "certificates")))
    before = files()
    keeper = lab.appliance.status()["keeper"]["pid"]
    stop_and_wait(keeper)  # it takes the key and says nothing
    with ThreadPoolExecutor() as pool:
        replacing = pool.submit(lab.appliance.command, "certificate", "replace", "web-rsa", "--cert", new.certificate, "--key", new.key,
                                check=False)
        wait_until(lambda: "web-rsa_REPLACED" in _certificates(lab), 5, "the replacement to be staged")
        lab.appliance.seen_pids.update(lab.appliance.children().values())
        assert len(files()) == len(before) + 3
        kill_and_wait(lab.appliance.supervisor.pid)
        lab.appliance.supervisor.wait()
        assert replacing.result().returncode
    kill_and_wait(keeper)
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert files() == before and set(_certificates(lab)) == {"web-rsa"}
    assert _shown(lab) == lab.certificate.der()
    assert _replace(lab, new)["replaced"] == "web-rsa_REPLACED", "and it can be replaced now"
    assert _shown(lab) == new.der()


CLIENTS = 32


@pytest.mark.long
@pytest.mark.limit(120)
def test_e3_replace_under_the_highest_rate_of_handshakes(fresh_lab):
    """As many as this machine makes, most of them resumed: after each replacement no old ticket is taken, so that every client makes
    a whole one and goes on with its ticket. The rate is printed; how high it is is the machine's."""
    lab = fresh_lab(keys=("P-256",), document=_small_certificate)
    made = [Certificate(lab.topology.directory, "new%d" % n, WEB_NAME, key=key)
            for n, key in enumerate(["P-256", "P-256", "rsa:2048", "P-256"])]
    with TlsLoad(lab, "resumed", clients=CLIENTS, seconds=15) as load:
        for certificate in made:
            reached = lab.appliance.counters()["sessions_established"]
            lab.appliance.wait_counter("sessions_established", reached + 1000, timeout=30)
            _replace(lab, certificate, "web-ec")
        reached = lab.appliance.counters()["sessions_established"]
        lab.appliance.wait_counter("sessions_established", reached + 500, timeout=30)
        result = load.wait()
    print("%d handshakes in %.1f s, %.0f/s, %d resumed" % (result["done"], result["seconds"], result["rate"], result["resumed"]))
    assert result["errors"] == 0 and result["done"] > 4500 and result["resumed"] < result["done"] - 4 * CLIENTS, result
    assert _shown(lab) == made[-1].der()


def test_e3_a_worker_that_hangs_does_not_stop_a_replacement(own_lab):
    lab = own_lab
    new = Certificate(lab.topology.directory, "new", WEB_NAME)
    stop_and_wait(sorted(lab.appliance.workers().values())[0])  # the watchdog ends it, its successor gets both
    _replace(lab, new)
    lab.appliance.wait_inspecting()
    assert {_shown(lab) for _ in range(10)} == {new.der()}


CA = """
[ca]
default_ca = one
[one]
new_certs_dir = {dir}
database = {dir}/index.txt
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:old
"""


def expired(topology, name):
    """self-signed, of the first day of 2020"""
    paths = [topology.path(name + end) for end in (".crt", ".key", ".csr", ".cnf")]
    with open(paths[3], "w") as out:
        out.write(CA.format(dir=topology.directory))
    open(topology.path("index.txt"), "w").close()
    run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", paths[1], "-out", paths[2])
    run("openssl", "ca", "-batch", "-config", paths[3], "-selfsign", "-in", paths[2], "-keyfile", paths[1], "-out", paths[0], "-notext",
        "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    return paths[0], paths[1]


def test_e4_an_expired_certificate_is_logged_once(own_lab):
    """over a restart and a crash; what is removed and comes back is told again"""
    lab = own_lab
    certificate, key = expired(lab.topology, "old")
    imported = lab.appliance.ask("certificate", "import", "old", "--cert", certificate, "--key", key)["certificate"]
    assert imported["warnings"] == ["the certificate expired at 2020-01-02T00:00:00Z"]
    lab.appliance.wait_record("system", severity="error",
                              message="certificate old has expired at 2020-01-02T00:00:00Z (no SSL server uses it)")

    def told(name):
        return [record for record in lab.appliance.records("system") if "certificate %s has expired" % name in record["message"]]

    def told_another(name):
        """of one that is new: so the supervisor has looked at all of them"""
        lab.appliance.command("certificate", "import", name, "--cert", certificate, "--key", key)
        wait_until(lambda: told(name), 10, "another expired certificate to be told")
    told_another("other")
    lab.appliance.stop()
    lab.appliance.start()
    told_another("after-restart")
    lab.appliance.seen_pids.update(lab.appliance.children().values())
    kill_and_wait(lab.appliance.supervisor.pid)
    lab.appliance.supervisor.wait()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    told_another("after-crash")
    assert [len(told(name)) for name in ("old", "other", "after-restart", "after-crash")] == [1, 1, 1, 1]
    lab.appliance.command("certificate", "remove", "other")
    told_another("last")  # it has looked: the removed one is forgotten
    told_before = len(told("other"))
    told_another("other")
    wait_until(lambda: len(told("other")) == told_before + 1, 10, "what came back to be told again")

    def stored():
        with open(os.path.join(lab.appliance.state_dir, "expiry_told.json")) as file:
            return set(json.load(file))
    wait_until(lambda: stored() == {"old", "other", "after-restart", "after-crash", "last"}, 5, "what was told to be stored")


def test_e4_an_expired_certificate_of_log_credentials_is_told(own_lab):
    lab = own_lab
    certificate, key = expired(lab.topology, "old")
    answer = lab.appliance.ask("log", "credentials", "import", "siem", "--ca", certificate, "--cert", certificate, "--key", key)
    assert [warning for warning in answer["warnings"] if "the certificate expired at 2020-01-02" in warning], answer
    assert [warning for warning in answer["warnings"] if warning.startswith("the CA file: ") and warning.endswith("has expired")], answer
    lab.appliance.wait_record("system", severity="error", message="the certificate of log credentials siem has expired at 2020-01-02T00:00:00Z")
