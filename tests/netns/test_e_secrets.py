# SPDX-License-Identifier: Apache-2.0
"""E5: a private key is in the keeper's memory and, sealed, in the state directory; nowhere else, whatever happened before.
And the keeper is no oracle: RSA key exchange answers every bad padding alike (ROBOT, RFC 5246 section 7.4.7.1)."""
import contextlib
import ctypes
import json
import os
import re
import socket
import ssl
import struct

import pytest

from lab.appliance import kill_and_wait
from lab.clients import WEB_NAME, client_context, http_get, tcp_connect, tls_connect
from lab.namespace import run, wait_until
from lab.peers import Certificate, TlsServer, http_reply

# --- a planted key ------------------------------------------------------------------------------------------------------


def key_numbers(certificate):
    """the private numbers of an RSA key, by name"""
    text = run("openssl", "rsa", "-in", certificate.key, "-noout", "-text").stdout
    found = re.findall(r"^(privateExponent|prime1|prime2|exponent1|exponent2|coefficient):\n((?:\s+[0-9a-f:]+\n)+)", text, re.M)
    return {name: bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0") for name, digits in found}


def _needles(certificate):
    """40 bytes out of the middle of each number, as files and as libraries have them, and a line of the PEM file"""
    needles = {}
    for name, number in key_numbers(certificate).items():
        middle = number[len(number) // 2 - 20:len(number) // 2 + 20]
        needles[name] = middle
        needles[name + " in limbs"] = middle[::-1]
    with open(certificate.key) as pem:
        needles["PEM"] = pem.read().splitlines()[12].encode()
    assert len(needles) == 13
    return needles


def _resident(pid):
    """readable mappings with anything in them"""
    with open("/proc/%d/smaps" % pid) as smaps:
        regions = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read(), flags=re.M)[1:]
    for region in regions:
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", region)
        used = sum(int(kib) for kib in re.findall(r"^(?:Rss|Swap):\s+(\d+) kB", region, re.M))
        if "r" in bounds[3] and used:
            yield int(bounds[1], 16), int(bounds[2], 16)


def _memory(pid):
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for start, end in _resident(pid):
            tail = b""
            for at in range(start, end, 1 << 24):
                try:
                    memory.seek(at)
                    block = memory.read(min(1 << 24, end - at))
                except OSError:  # [vvar] and the like
                    break
                yield tail + block
                tail = block[-64:]


def read(path):
    with open(path, "rb") as data:
        return data.read()


def found_in_memory(pid, needles):
    return {name for block in _memory(pid) for name, needle in needles.items() if needle in block}


def plain_device_key(lab):
    """out of the pipe that the supervisor keeps it in, where it stays"""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = "/proc/%d/fd" % lab.appliance.supervisor.pid
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.readlink(path).startswith("pipe:") or os.stat(path).st_mode & 0o777 != 0o600:
            continue
        with contextlib.suppress(OSError), open(path, "rb", opener=lambda p, _: os.open(p, os.O_RDONLY | os.O_NONBLOCK)) as pipe:
            out = os.pipe()
            copied = libc.tee(pipe.fileno(), out[1], 4096, 2)  # SPLICE_F_NONBLOCK
            os.close(out[1])
            with open(out[0], "rb") as copy:
                if copied == 32:
                    return copy.read()
    raise AssertionError("there is no pipe with a device key in it")


def _files(lab):
    for folder in lab.appliance.state_dir, lab.appliance.run_dir:
        for path, _, names in os.walk(folder):
            yield from (os.path.join(path, name) for name in names)
    yield lab.topology.path("sluiced.log")


def _found_in_files(lab, needles):
    found = []
    for path in _files(lab):
        if os.path.isfile(path):
            content = read(path)
            found += [(path, name) for name, needle in needles.items() if needle in content]
    return found


def _assert_only_in_keeper(lab, needles, when):
    children = lab.appliance.children()
    assert found_in_memory(children["keeper"], needles), "the search finds what is there"
    for role, pid in dict(children, supervisor=lab.appliance.supervisor.pid).items():
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # a worker of the generation before may leave
            for name in "environ", "cmdline":
                assert not [needle for needle in needles.values() if needle in read("/proc/%d/%s" % (pid, name))], (when, role, name)
            assert role == "keeper" or not found_in_memory(pid, needles), (when, role)
    assert not _found_in_files(lab, needles), when


def _use(lab):
    for version in "TLSv1_2", "TLSv1_3":
        with tls_connect(lab.client, context=client_context(version=getattr(ssl.TLSVersion, version))) as connection:
            assert http_get(connection)[0] == 200


@pytest.mark.limit(120)
def test_e5_a_planted_key_is_nowhere_but_in_the_keeper(own_lab):
    lab = own_lab
    _use(lab)
    public = {"certificate": lab.certificate.der()[200:240]}
    assert found_in_memory(lab.appliance.children()["worker 0"], public), "the search finds what a worker has"
    old = _needles(lab.certificate)
    _assert_only_in_keeper(lab, old, "after handshakes")
    new = Certificate(lab.topology.directory, "new", WEB_NAME)
    needles = _needles(new)
    lab.appliance.command("certificate", "replace", "web-rsa", "--cert", new.certificate, "--key", new.key)
    _use(lab)
    _assert_only_in_keeper(lab, needles, "after a replacement")
    gone = lab.appliance.status()["keeper"]["pid"]
    for role in "keeper", "worker 0", "log":
        kill_and_wait(lab.appliance.children()[role])
        lab.appliance.wait_inspecting()
    lab.appliance.seen_pids.update(lab.appliance.children().values())
    kill_and_wait(lab.appliance.supervisor.pid)
    lab.appliance.supervisor.wait()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    _use(lab)
    assert lab.appliance.status()["keeper"]["pid"] != gone
    _assert_only_in_keeper(lab, needles, "after kills")
    keeper = lab.appliance.status()["keeper"]["pid"]
    assert found_in_memory(keeper, old), "the one before is held until it is removed"
    lab.appliance.command("certificate", "remove", "web-rsa_REPLACED")
    wait_until(lambda: not found_in_memory(keeper, old), 3, "a removed key to be gone")


def test_e5_the_keeper_cannot_be_dumped(lab):
    pid = lab.appliance.children()["keeper"]
    with open("/proc/%d/limits" % pid) as limits:
        assert re.search(r"^Max core file size\s+0\s+0\s", limits.read(), re.M)
    with open("/proc/%d/status" % pid) as status:
        text = status.read()
    assert re.search(r"^Uid:\s+[1-9]", text, re.M), "not root"
    # not dumpable: what is in /proc belongs to root although the process does not
    assert os.stat("/proc/%d/environ" % pid).st_uid == 0
    locked = int(re.search(r"^VmLck:\s+(\d+) kB", text, re.M)[1])
    assert locked >= 1024, "its heap is locked into memory"


# --- ROBOT --------------------------------------------------------------------------------------------------------------
RSA_SUITES = bytes.fromhex("009c009d002f0035")  # TLS_RSA_WITH_AES_*


def _record(kind, body):
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


def _handshake(kind, body):
    return struct.pack("!B", kind) + len(body).to_bytes(3, "big") + body


def _hello():
    name = WEB_NAME.encode()
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    algorithms = bytes.fromhex("000d00080006040108040401")
    body = (b"\x03\x03" + os.urandom(32) + b"\0" + struct.pack("!H", len(RSA_SUITES)) + RSA_SUITES + b"\x01\0"
            + struct.pack("!H", len(sni) + len(algorithms)) + sni + algorithms)
    return _record(22, _handshake(1, body))


def _read_flight(connection):
    """until ServerHelloDone"""
    data = b""
    while not data.endswith(b"\x0e\0\0\0"):
        part = connection.recv(65536)
        assert part, "closed before ServerHelloDone: %r" % data[:40]
        data += part


def _padded(size, head, body):
    """head, nonzero filling, body"""
    filling = bytes(b % 255 + 1 for b in os.urandom(size - len(head) - len(body)))
    return head + filling + body


def _paddings(size):
    secret = b"\x03\x03" + os.urandom(46)
    return {
        "well-formed": _padded(size, b"\0\x02", b"\0" + secret),
        "wrong first byte": _padded(size, b"\x41\x02", b"\0" + secret),
        "wrong block type": _padded(size, b"\0\x17", b"\0" + secret),
        "no zero at all": _padded(size, b"\0\x02", b""),
        "zero too early": b"\0\x02\0" + _padded(size - 3, b"", b"\0" + secret),
        "secret too short": _padded(size, b"\0\x02", b"\0" + secret[:47]),
        "secret too long": _padded(size, b"\0\x02", b"\0" + secret + b"\x01"),
        "empty secret": _padded(size, b"\0\x02", b"\0"),
        "wrong version": _padded(size, b"\0\x02", b"\0\x02\x02" + secret[2:]),
        "version of the future": _padded(size, b"\0\x02", b"\0\x7f\x7f" + secret[2:]),
        "zeros": bytes(size - 1) + b"\x02",
    }


def _probe(lab, modulus, plain, finish):
    size = (modulus.bit_length() + 7) // 8
    encrypted = pow(int.from_bytes(plain, "big"), 65537, modulus).to_bytes(size, "big")
    with tcp_connect(lab.client, 8445) as connection:
        connection.sendall(_hello())
        _read_flight(connection)
        connection.sendall(_record(22, _handshake(16, struct.pack("!H", size) + encrypted)))
        if not finish:
            connection.settimeout(0.3)
        else:
            connection.sendall(_record(20, b"\x01") + _record(22, os.urandom(40)))
        answer = b""
        try:
            while True:
                part = connection.recv(4096)
                if not part:
                    return answer, "closed"
                answer += part
        except socket.timeout:
            return answer, "silent"
        except ConnectionResetError:
            return answer, "reset"


@pytest.mark.parametrize("finish", [True, False], ids=["with-finished", "without-finished"])
def test_e5_no_padding_oracle(lab, finish):
    text = run("openssl", "x509", "-in", lab.certificate.certificate, "-noout", "-modulus").stdout
    modulus = int(text.split("=")[1], 16)
    with TlsServer(lab.topology, 8445, lab.certificate, http_reply(b"ok"), configure=lambda c: c.set_ciphers("ALL:@SECLEVEL=0")):
        context = client_context(lab.certificate, ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-GCM-SHA256:@SECLEVEL=0")
        with tls_connect(lab.client, 8445, context=context) as connection:  # these suites are in use
            assert http_get(connection) == (200, b"ok")
        operations = lab.appliance.counters()["key_operations"]
        answers = {name: {_probe(lab, modulus, plain, finish) for _ in range(2)} for name, plain in _paddings(256).items()}
    assert len(set().union(*answers.values())) == 1, answers
    (answer, end), = answers["zeros"]
    if finish:
        assert answer[:1] == b"\x15" and end in ("closed", "reset"), (answer, end)
    else:
        assert (answer, end) == (b"", "silent")
    lab.appliance.wait_counter("key_operations", operations + 22)


# --- time: the answers are alike, and so is how long they take --------------------------------------------------------------
UNPAD_TIMING = "../tests/unpad-timing"  # from the folder of the programs


@pytest.mark.long
@pytest.mark.limit(300)
def test_e5_unpadding_takes_the_same_time_whatever_the_padding(lab):
    """Welch's t between well-formed blocks and each kind of malformed ones; noise passes 5 once in a while, a leak every time"""
    program = os.path.join(lab.appliance.bin_dir, UNPAD_TIMING)
    if not os.access(program, os.X_OK):
        pytest.skip("the programs under test are not from a build folder")
    runs = []
    for _ in range(3):
        runs.append(json.loads(run(program, timeout=100).stdout))
        assert max(abs(t) for t in runs[-1]["careless"].values()) > 10, "a difference would be found: %s" % runs
    for what in "unpad", "decrypt":
        for kind in runs[0][what]:
            assert min(abs(one[what][kind]) for one in runs) < 5, (what, kind, runs)
    print(runs)
