# SPDX-License-Identifier: Apache-2.0
"""E5: a known private key is searched for in everything on the machine that Sluice can have written or holds, in every form in
which it could lie there, after every operation that touches keys and after every way in which a process can end."""
import base64
import contextlib
import glob
import json
import os
import re
import resource
import shutil
import signal
import ssl
import stat
import subprocess

import pytest

from lab.appliance import alive, configuration
from lab.clients import WEB_NAME, client_context, http_get, tls_connect
from lab.namespace import run, wait_until
from lab.peers import Certificate
from lab.receiver import NAME, Pki, Receiver
from test_e_keeper import key_provider
from test_e_secrets import found_in_memory, key_numbers, read

PASSPHRASE = "a passphrase of the planted key's test"
PASSWORD = "a password for the planted key's backups"
NOBODY = 65534


def needles_of(certificate):
    """40 bytes out of the middle of each number: big-endian (DER, PKCS#8, PKCS#12's content), little-endian (limbs), hexadecimal, and
    base64 at each of its three alignments (PEM, JSON)"""
    needles = {}
    for name, number in key_numbers(certificate).items():
        middle = number[len(number) // 2 - 20:len(number) // 2 + 20]
        needles.update({name: middle, name + " in limbs": middle[::-1], name + " in hex": middle.hex().encode(),
                        name + " in HEX": middle.hex().upper().encode(), name + " with colons": middle.hex(":").encode()[:59]})
        for shift in range(3):
            needles["%s in base64 %d" % (name, shift)] = base64.b64encode(middle[shift:shift + 36])[:48]
    with open(certificate.key) as pem:
        needles["PEM"] = pem.read().splitlines()[12].encode()
    return needles


def found_in(content, needles):
    return [name for name, needle in needles.items() if needle in content]


# --- where it could be -------------------------------------------------------------------------------------------------


def processes(lab):
    found = dict(lab.appliance.children(), supervisor=lab.appliance.supervisor.pid)
    found.update({"target " + row["name"]: row["pid"] for row in lab.appliance.ask("log", "status")["targets"] if row["pid"]})
    for row in run("ps", "-eo", "pid=,args=").stdout.splitlines():  # one-shots, log targets, the generation before
        pid, _, line = row.strip().partition(" ")
        if lab.appliance.instance in line or int(pid) in lab.appliance.seen_pids:
            found.setdefault("process %s: %s" % (pid, line[:40]), int(pid))
    return found


def memfds(pid):
    """(name, content) of the files in memory that a process holds open, mapped or not"""
    for path in glob.glob("/proc/%d/fd/*" % pid):
        with contextlib.suppress(OSError):
            target = os.readlink(path)
            if target.startswith("/memfd:") and os.stat(path).st_size:
                yield target, read(path)


def files(lab):
    for folder in lab.appliance.state_dir, lab.appliance.run_dir, "/dev/shm", "/var/crash", "/var/lib/systemd/coredump":
        for path, _, names in os.walk(folder):
            yield from (os.path.join(path, name) for name in names)
    for path, _, names in os.walk(lab.topology.directory):  # but what the test itself put there
        yield from (os.path.join(path, name) for name in names if not name.endswith((".key", ".p12")) and "provider" not in name)
    for folder in {"/", os.getcwd(), "/tmp", os.path.dirname(read("/proc/sys/kernel/core_pattern").decode().strip()) or "/"}:
        yield from glob.glob(os.path.join(folder, "core*"))


def readable_by_others(pid):
    """(name, content) of what a user without any right reads of a process"""
    script = 'for f in environ cmdline maps smaps mem auxv stack status limits syscall; do cat /proc/%d/$f 2>/dev/null; done' % pid
    return subprocess.run(["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "sh", "-c", script],
                          stdout=subprocess.PIPE).stdout


OUTPUTS = [("show", "status"), ("show", "counters"), ("show", "sessions"), ("certificate", "list"), ("certificate", "show", "web-rsa"),
           ("keystore", "show"), ("log", "status"), ("show", "metrics"), ("certificate", "export-chain", "web-rsa"),
           ("diagnose", "--client", "192.0.2.1", "--server", "10.9.0.2", "--port", "443")]


def pkcs12_of(path, content):
    """what a backup has in base64, as bytes"""
    if not path.endswith("backup.json"):
        return []
    document = json.loads(content)
    return [base64.b64decode(item["pkcs12"]) for item in document["certificates"] + document["log_credentials"] if "pkcs12" in item]


def assert_nowhere(lab, needles, when, held=True, holder="keeper"):
    """holder: the one process that may have it"""
    holder = processes(lab).get(holder)
    if held:
        assert found_in_memory(holder, needles), (when, "the search finds what is there")
        swapped = re.search(rb"^VmSwap:\s+(\d+) kB", read("/proc/%d/status" % holder), re.M)
        assert not int(swapped[1]), (when, "its holder is not swapped out")
    for role, pid in processes(lab).items():
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for name in "environ", "cmdline":
                assert not found_in(read("/proc/%d/%s" % (pid, name)), needles), (when, role, name)
            for name, content in memfds(pid):
                assert not found_in(content, needles) or (pid == holder and name.startswith("/memfd:sluice-log-key")), (when, role, name)
            assert not found_in(readable_by_others(pid), needles), (when, role)
            assert pid == holder or not found_in_memory(pid, needles), (when, role)
    for path in files(lab):
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.stat(path).st_mode):
                content = read(path)
                assert not found_in(content, needles), (when, path)
                assert not [der for der in pkcs12_of(path, content) if found_in(der, needles)], (when, path)
    for words in OUTPUTS:
        output = lab.appliance.command(*words, check=False)
        assert not found_in((output.stdout + output.stderr).encode(), needles), (when, words)


# --- what is done with it ----------------------------------------------------------------------------------------------


def use(lab, times=1):
    for _ in range(times):
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with contextlib.suppress(OSError), tls_connect(lab.client, context=client_context(version=version)) as connection:
                http_get(connection)


def keystore(lab, *words, passphrase=None):
    subprocess.run([lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, "keystore", *words] +
                   (["--password-stdin"] if passphrase else []), input=passphrase or "", text=True, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)


def end(lab, role, number):
    pid = lab.appliance.children()[role]
    os.kill(pid, number)
    wait_until(lambda: not alive(pid), 10, role + " to end")
    lab.appliance.wait_inspecting()
    use(lab)


@contextlib.contextmanager
def cores_allowed():
    """as far as this machine lets a process leave one"""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_e5_a_removed_key_leaves_nothing_in_the_key_keeper(own_lab):
    """and while it is there, it is there as the numbers of the library only: no copy of a file"""
    lab = own_lab
    planted, other = (Certificate(lab.topology.directory, name, WEB_NAME) for name in ("planted", "other"))
    needles, keeper = needles_of(planted), lab.appliance.children()["keeper"]
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", planted.certificate, "--key", planted.key)
    use(lab, 3)
    assert found_in_memory(keeper, needles) == {name for name in needles if name.endswith("in limbs")}
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", other.certificate, "--key", other.key)
    lab.appliance.command("certificate", "remove", "web-rsa_REPLACED_2")
    wait_until(lambda: not found_in_memory(keeper, needles), 5, "the removed key to be gone")


def sluice(lab, *words, password):
    result = subprocess.run([lab.appliance.bin_dir + "/sluice", "--instance", lab.appliance.instance, *words, "--password-stdin"], input=password,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert result.returncode == 0, result


@pytest.mark.long
@pytest.mark.limit(300)
def test_e5_a_planted_key_is_in_no_backup_and_that_of_a_log_target_in_its_process_only(own_lab, tmp_path):
    """of an SSL server and of a log target: after a backup, a restore and every end of the target's process"""
    lab, pki = own_lab, Pki(tmp_path / "pki")
    pki.issue("planted", "pump.sluice.example.net", key=("rsa:2048",))
    planted, log_key = Certificate(lab.topology.directory, "planted", WEB_NAME), type("Planted", (), {"key": pki.path("planted.key")})
    needles, log_needles = needles_of(planted), needles_of(log_key)
    target = lambda: lab.appliance.ask("log", "status")["targets"][0]

    def search_all(when, holder="target siem"):
        use(lab, 2)
        wait_until(lambda: target()["received"] and target()["state"] == "idle, all received", 30, "delivery " + when, pause=0.1)
        assert_nowhere(lab, log_needles, when, holder=holder)
        assert_nowhere(lab, needles, when)

    with Receiver(tmp_path / "receiver", protocol="relp-tls", pki=pki) as receiver:
        lab.appliance.command("certificate", "replace", "web-rsa", "--cert", planted.certificate, "--key", planted.key)
        lab.appliance.command("log", "credentials", "import", "siem", *pki.options("planted"))
        assert_nowhere(lab, log_needles, "after the import for a log target", held=False)
        document = configuration(lab.topology)
        document["log_targets"] = [dict(name="siem", host="127.0.0.1", port=receiver.port, credentials="siem", protocol="relp_tls",
                                        certificate_name=NAME)]
        lab.appliance.commit(document)
        search_all("with a log target")
        for number in signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL:
            pid = target()["pid"]
            with cores_allowed():
                os.kill(pid, number)
            wait_until(lambda: target()["pid"] not in (0, pid), 20, "another process of the target", pause=0.1)
            search_all("after the target ended by signal %d" % number)
        sluice(lab, "backup", lab.topology.path("backup.json"), password=PASSWORD)
        with open(lab.topology.path("backup.json")) as backup:
            assert len(pkcs12_of("backup.json", backup.read())) == 3
        search_all("after a backup")
        lab.appliance.stop()
        lab.appliance.teardown()
        shutil.rmtree(lab.appliance.state_dir)
        lab.appliance.start()
        sluice(lab, "restore", lab.topology.path("backup.json"), password=PASSWORD)
        lab.appliance.wait_inspecting()
        search_all("after a restore")
        lab.appliance.commit(configuration(lab.topology))
        lab.appliance.command("log", "credentials", "remove", "siem")
        wait_until(lambda: not lab.appliance.ask("log", "status")["targets"], 10, "the target's end")
        assert_nowhere(lab, log_needles, "after its removal", held=False)


@pytest.mark.long
@pytest.mark.limit(900)
def test_e5_a_planted_key_is_nowhere_after_any_operation_and_any_end(fresh_lab):
    with cores_allowed():
        search(fresh_lab())


def search(lab):
    planted = Certificate(lab.topology.directory, "planted", WEB_NAME)
    needles = needles_of(planted)
    assert "PEM" in found_in(read(planted.key), needles) and len(needles) == 6 * 8 + 1
    assert sum("base64" in name for name in found_in(read(planted.key).replace(b"\n", b""), needles)) == 6
    der = run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", planted.key, "-outform", "DER", "-out", lab.topology.path("planted.der.key"))
    assert der.returncode == 0 and "prime1" in found_in(read(lab.topology.path("planted.der.key")), needles)

    # refused imports
    for words in (["--key", lab.certificate.key], ["--key", planted.certificate]):
        assert lab.appliance.command("certificate", "import", "no", "--cert", planted.certificate, *words, check=False).returncode
    other = Certificate(lab.topology.directory, "other", "other.example.test")
    assert lab.appliance.command("certificate", "import", "no", "--cert", other.certificate, "--key", planted.key, check=False).returncode
    assert_nowhere(lab, needles, "after refused imports", held=False)

    pkcs12 = lab.topology.path("planted.p12")
    run("openssl", "pkcs12", "-export", "-in", planted.certificate, "-inkey", planted.key, "-out", pkcs12, "-passout", "pass:of the file")
    with open(lab.topology.path("password"), "w") as out:
        out.write("of the file\n")
    lab.appliance.command("certificate", "import", "spare", "--cert", pkcs12, "--password-file", lab.topology.path("password"))
    assert_nowhere(lab, needles, "after the import of PKCS#12")
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", planted.certificate, "--key", planted.key)
    use(lab, 10)
    assert_nowhere(lab, needles, "after a replacement and handshakes")
    keystore(lab, "protect", "passphrase", passphrase=PASSPHRASE)
    assert_nowhere(lab, needles, "after another device key")
    keystore(lab, "protect", "file")

    for role, number in (("keeper", signal.SIGABRT), ("keeper", signal.SIGSEGV), ("worker 0", signal.SIGSEGV), ("worker 1", signal.SIGABRT),
                         ("log", signal.SIGABRT), ("keeper", signal.SIGKILL)):
        end(lab, role, number)
        assert_nowhere(lab, needles, "after the %s ended by signal %d" % (role, number))
    lab.appliance.seen_pids.update(lab.appliance.children().values())
    cwd = os.readlink("/proc/%d/cwd" % lab.appliance.supervisor.pid)
    os.kill(lab.appliance.supervisor.pid, signal.SIGABRT)
    assert lab.appliance.supervisor.wait(10) == -signal.SIGABRT
    cores = glob.glob(os.path.join(cwd, "core*"))
    assert not [core for core in cores if found_in(read(core), needles)]
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    for core in cores:
        os.unlink(core)
    use(lab)
    assert_nowhere(lab, needles, "after the supervisor ended by a signal")

    document = configuration(lab.topology)
    document["device"].update(persist_private_keys=False, key_provider_socket=lab.topology.path("provider"))
    lab.appliance.commit(document)
    assert_nowhere(lab, needles, "with keys that are not stored")
    lab.appliance.stop()
    lab.appliance.start()
    with key_provider(lab, "provider", "cat " + planted.key):
        wait_until(lambda: {row["key_state"] for row in lab.appliance.show("servers")["servers"]} == {"available"}, 60, "the fetched key", pause=0.1)
        use(lab)
        assert_nowhere(lab, needles, "after a fetch from a key provider")
    lab.appliance.commit(configuration(lab.topology))
    assert_nowhere(lab, needles, "with keys that are stored again")
    for name in "spare", "web-rsa_REPLACED":
        lab.appliance.command("certificate", "remove", name, check=False)
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", other.certificate, "--key", other.key)
    for row in lab.appliance.ask("certificate", "list")["certificates"]:
        if row["name"] != "web-rsa":
            lab.appliance.command("certificate", "remove", row["name"])
    keeper = lab.appliance.children()["keeper"]
    wait_until(lambda: not found_in_memory(keeper, needles), 5, "a removed key to be gone from the key keeper too")
    assert_nowhere(lab, needles, "after its removal", held=False)
