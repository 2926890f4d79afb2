# SPDX-License-Identifier: Apache-2.0
"""D: peers that send what costs them little. Each has a bound, a counter, and an end that concerns nobody else; a worker's memory stays
where it was."""
import concurrent.futures
import contextlib
import os
import select
import ssl
import threading
import time

import pytest

from lab.appliance import configuration
from lab.clients import RawTls, client_context, http_get, outcome_of, reset_on_close, tcp_connect, tls_connect
from lab.namespace import run, wait_until
from lab.peers import OpensslServer, TlsServer, echo
from lab.records import (ALERT, ASKING, CERTIFICATE_REQUEST, CHANGE_CIPHER_SPEC, CLIENT_HELLO, DATA, HANDSHAKE, HELLO_REQUEST, NEW_SESSION_TICKET, CraftedServer,
                         crafted_client, message)

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
PORT = 9005


def megabytes(lab):
    """resident memory of each worker"""
    sizes = {}
    for slot, pid in lab.appliance.workers().items():
        with open("/proc/%d/status" % pid) as status:
            sizes[slot] = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
    return sizes


def is_sanitized(pid):
    with open("/proc/%d/maps" % pid) as maps:
        return "libasan" in maps.read()


@contextlib.contextmanager
def bounded(lab, megabytes_more=8):
    """no worker grows by more, none is replaced, and a session that was open before is served during and after"""
    pids, before = lab.appliance.workers(), megabytes(lab)
    with tls_connect(lab.client, certificate=lab.certificate) as witness:
        assert http_get(witness)[0] == 200
        yield witness
        started = time.monotonic()
        assert http_get(witness)[0] == 200
        assert time.monotonic() - started < 2
    assert lab.appliance.workers() == pids
    if is_sanitized(next(iter(pids.values()))):
        return  # freed memory waits in quarantine there
    grown = {slot: size - before[slot] for slot, size in megabytes(lab).items()}
    assert max(grown.values()) < megabytes_more, grown


@pytest.fixture
def echo_server(lab):
    with TlsServer(lab.topology, PORT, lab.certificate, echo) as server:
        yield server


def craft(lab, version):
    return crafted_client(tcp_connect(lab.client, PORT), lab.topology.path("keys.log"), version)


def ended(lab, reason, n=1):
    """does: exactly that counter goes up by n"""
    before = lab.appliance.counters()["closed_" + reason]

    def check():
        lab.appliance.wait_counter("closed_" + reason, before + n)
    return check


# --- clients: limits in a row ---------------------------------------------------------------------------------------------
def renegotiation(writer):
    return [writer.record(HANDSHAKE, message(CLIENT_HELLO, bytes(60)))]


def empty_records(writer):
    return [writer.record(DATA) for _ in range(40)]


def warnings(writer):
    return [writer.record(ALERT, b"\x01\x5a") for _ in range(10)]


def key_updates(writer):
    return [writer.key_update() for _ in range(40)]


def key_updates_that_ask(writer):
    return [writer.key_update(ASKING) for _ in range(40)]


def long_message(writer):
    return [writer.record(HANDSHAKE, b"\x18\xff\xff\xff" + bytes(16000))] + [writer.record(HANDSHAKE, bytes(16000)) for _ in range(10)]


def change_cipher_specs(writer):
    return [b"\x14\x03\x03\x00\x01\x01"] * 40


def heartbeat(writer):
    """asks for 16 KB and sends one (CVE-2014-0160); the extension was never agreed on (RFC 6520 section 3)"""
    return [writer.record(24, b"\1\x40\0x")]


FLOODS = [(TLS12, heartbeat, "client_tls_error"), (TLS13, heartbeat, "client_tls_error"), (TLS12, renegotiation, "client_renegotiation"), (TLS12, empty_records, "client_flood"), (TLS12, warnings, "client_flood"),
          (TLS13, empty_records, "client_flood"), (TLS13, key_updates, "client_flood"), (TLS13, key_updates_that_ask, "client_flood"),
          (TLS13, long_message, "client_flood"), (TLS13, change_cipher_specs, "client_tls_error")]


@pytest.mark.quick
@pytest.mark.parametrize("version, flood, reason", FLOODS, ids=["%s-%s" % (v.name, f.__name__) for v, f, _ in FLOODS])
def test_d_a_clients_flood_ends_its_session_alone(lab, echo_server, version, flood, reason):
    """forty at once, each is ended and counted; each side is told by an alert"""
    with bounded(lab):
        check = ended(lab, reason, 40)
        for _ in range(40):
            tls, writer = craft(lab, version)
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
            writer.sequence += 1  # the library's own record
            with contextlib.suppress(ConnectionError):
                writer.send(*flood(writer))
            outcome, value = outcome_of(lambda t=tls: t.recv(100))
            assert outcome == "error" and "alert" in str(value).lower(), (outcome, value)
            tls.close()
        check()
    wait_until(lambda: len(echo_server.errors) >= 40, 5, "the server to be told")
    assert all("INTERNAL_ERROR" in str(error) or "internal error" in str(error) for error in echo_server.errors[-40:]), echo_server.errors[-1]


# --- clients: what is allowed, in masses ------------------------------------------------------------------------------------
def test_d_key_updates_between_data_go_on_for_ever(lab, echo_server):
    """each with a byte, and each asking for one in return, from a client that reads nothing until the end: the answers do not pile up"""
    with bounded(lab):
        tls, writer = craft(lab, TLS13)
        for _ in range(40):
            writer.send(*(record for _ in range(100) for record in (writer.record(DATA, b"k"), writer.key_update(ASKING))))
        received = 0
        while received < 4000:
            received += len(tls.recv(65536))
        tls.close()


@VERSIONS
def test_d_a_flood_of_one_byte_records_leaves_others_their_turn(lab, echo_server, version):
    """four clients send 20,000 records each; a request by someone else is answered in between"""
    def flood(number):
        tls, writer = craft_apart(lab, version, number)
        for _ in range(20):
            writer.send(*(writer.record(DATA, b"r") for _ in range(1000)))
            received = 0
            while received < 1000:
                received += len(tls.recv(65536))
        tls.close()
    with bounded(lab) as witness, concurrent.futures.ThreadPoolExecutor(4) as pool:
        floods = [pool.submit(flood, number) for number in range(4)]
        slowest, n = 0, 0
        while not all(future.done() for future in floods):
            started = time.monotonic()
            assert http_get(witness)[0] == 200
            slowest, n = max(slowest, time.monotonic() - started), n + 1
        for future in floods:
            future.result()
    assert n > 10 and slowest < 1, (n, slowest)


def craft_apart(lab, version, number):
    return crafted_client(tcp_connect(lab.client, PORT), lab.topology.path("keys-%d.log" % number), version)


class _Fragments(RawTls):
    """cuts each record of a handshake in the clear into records of one byte"""

    def flush(self):
        data, cut = self._out.read(), b""
        while data:
            kind, size = data[0], int.from_bytes(data[3:5], "big")
            body, data, head = data[5:5 + size], data[5 + size:], data[:3]
            step = 1 if kind == HANDSHAKE and not getattr(self, "sealed", False) else max(size, 1)
            self.sealed = getattr(self, "sealed", False) or kind == CHANGE_CIPHER_SPEC
            if kind == HANDSHAKE and body[0] == CLIENT_HELLO and not self.sealed:
                step = (size + 199) // 200
            cut += b"".join(head + len(body[at:at + step]).to_bytes(2, "big") + body[at:at + step] for at in range(0, size, step))
        self.connection.sendall(cut)


def test_d_handshake_messages_of_one_byte_records_are_put_together(lab, echo_server):
    with bounded(lab):
        for _ in range(20):
            tls = _Fragments(tcp_connect(lab.client, PORT), client_context(lab.certificate, TLS12)).handshake()
            tls.sendall(b"whole")
            assert tls.recv(5) == b"whole"
            tls.close()


# --- clients: the ClientHello -----------------------------------------------------------------------------------------------
def hello_records(size, step):
    """a ClientHello whose length is `size`, in records of `step` bytes"""
    body = message(CLIENT_HELLO, b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + (size - 43).to_bytes(2, "big") + bytes(size - 43))
    return b"".join(b"\x16\x03\x01" + len(body[at:at + step]).to_bytes(2, "big") + body[at:at + step] for at in range(0, len(body), step))


@pytest.mark.parametrize("size, step", [(200000, 16384), (60000, 16384), (400, 1)], ids=["200-kb", "60-kb", "one-byte-records"])
def test_d_client_hellos_beyond_the_bounds(lab, echo_server, size, step):
    """a hundred of them: malformed, counted, answered with an alert"""
    with bounded(lab):
        check = ended(lab, "client_hello_malformed", 100)
        for _ in range(100):
            connection = tcp_connect(lab.client, PORT)
            with contextlib.suppress(ConnectionError):
                connection.sendall(hello_records(size, step) if size < 100000 else b"\x16\x03\x01\x40\x00\x01\x03\x0d\x40" + bytes(16380))
            outcome, answer = outcome_of(lambda c=connection: c.recv(100))
            assert outcome == "reset" or answer[:3] == b"\x15\x03\x01", answer
            connection.close()
        check()


@pytest.mark.limit(90)
def test_d_slow_handshakes_are_ended_in_time(fresh_lab):
    """400 clients that send a byte now and then hold a little memory each, nobody up, and no longer than the timeout"""
    lab = fresh_lab(document=lambda t: configuration(t, limits={"client_hello_timeout_seconds": 4, "max_sessions_per_source": 0}))
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="slow.example.test").do_handshake()
    hello = out.read()
    with bounded(lab, 16):
        connections = [tcp_connect(lab.client, 443) for _ in range(400)]
        started, at = time.monotonic(), 0
        while time.monotonic() - started < 3:
            for connection in connections:
                with contextlib.suppress(ConnectionError):
                    connection.send(hello[at:at + 1])
            at += 1
            assert lab.curl("/beside").ok
        assert 2 < at < len(hello) - 1
        lab.appliance.wait_counter("closed_client_hello_timeout", 400, timeout=20)
        for connection in connections:
            connection.close()
        wait_until(lambda: lab.appliance.counters()["gauge_sessions_active"] <= 1, 10, "the sessions to be gone")


# --- servers ----------------------------------------------------------------------------------------------------------------
def server_empty_records(writer):
    yield b"".join(writer.record(DATA) for _ in range(40))


def server_key_updates(writer):
    yield b"".join(writer.key_update() for _ in range(40))


def server_asks_for_a_certificate(writer):
    """after the handshake, of a client that has not said that it could answer (RFC 8446 section 4.6.2)"""
    yield writer.record(HANDSHAKE, message(CERTIFICATE_REQUEST, b"\1x" + b"\0\x08" b"\0\x0d\0\4\0\2\x08\4"))


def server_ticket_of_60_kb(writer):
    data = ticket(1, 60000)
    yield b"".join(writer.record(HANDSHAKE, data[at:at + 16000]) for at in range(0, len(data), 16000))


def server_hello_requests(writer):
    yield b"".join(writer.record(HANDSHAKE, message(HELLO_REQUEST, b"")) for _ in range(40))


@pytest.mark.parametrize("version, flood, reason", [(TLS12, server_empty_records, "server_flood"), (TLS13, server_empty_records, "server_flood"),
                                                    (TLS13, server_key_updates, "server_flood"), (TLS12, server_hello_requests, "server_renegotiation"),
                                                    (TLS13, server_asks_for_a_certificate, "server_tls_error"),
                                                    (TLS13, server_ticket_of_60_kb, "server_flood")])
def test_d_a_servers_flood_ends_its_session_alone(lab, version, flood, reason):
    with CraftedServer(lab, PORT, version, flood), bounded(lab):
        check = ended(lab, reason, 20)
        for _ in range(20):
            with tls_connect(lab.client, PORT, lab.certificate) as connection:
                connection.sendall(b"?")
                outcome, value = outcome_of(lambda c=connection: c.recv(100))
                assert outcome == "error" and "internal error" in str(value), (outcome, value)
        check()


def ticket(number, size):
    return message(NEW_SESSION_TICKET, (7200).to_bytes(4, "big") + number.to_bytes(4, "big") + b"\x02" + number.to_bytes(2, "big")
                   + size.to_bytes(2, "big") + os.urandom(size) + b"\0\0")


@pytest.mark.parametrize("size, n, ignored", [(100, 20000, 20000 - 16), (12000, 500, 500)], ids=["many", "large"])
def test_d_a_servers_tickets_take_no_memory_without_end(lab, size, n, ignored):
    def flood(writer):
        for _ in range(n // 100):
            yield b"".join(writer.record(HANDSHAKE, ticket(number, size)) for number in range(100))
        yield writer.record(DATA, b"!")
    before = lab.appliance.counters()["server_tickets_ignored"]
    with CraftedServer(lab, PORT, TLS13, flood), bounded(lab):
        with tls_connect(lab.client, PORT, lab.certificate) as connection:
            connection.sendall(b"?")
            assert connection.recv(1) == b"!"
        lab.appliance.wait_counter("server_tickets_ignored", before + ignored)


@pytest.fixture(scope="module")
def big_certificate(lab):
    """of 9 KB, in PEM; a chain is made of copies of it"""
    path = lab.topology.path("big.pem")
    names = ",".join("DNS:%s.%03d.example.test" % ("x" * 60, n) for n in range(115))
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-out", path, "-days", "2", "-subj", "/CN=big",
        "-addext", "subjectAltName=" + names)
    with open(path) as pem:
        return pem.read()


@VERSIONS
@pytest.mark.parametrize("copies, good", [(10, True), (12, False)], ids=["90-kb", "110-kb"])
def test_d_a_servers_chain_of_100_kb(lab, big_certificate, version, copies, good):
    """taken, as other TLS libraries would; what is longer ends the session and is counted"""
    chain = lab.topology.path("chain-%d.pem" % copies)
    with open(chain, "w") as out:
        out.write(big_certificate * copies)
    options = "-tls1_2" if version == TLS12 else "-tls1_3"
    with OpensslServer(lab.topology, lab.certificate, PORT, "-rev", options, "-cert_chain", chain), bounded(lab):
        check = ended(lab, "server_flood", 0 if good else 10)
        for _ in range(10):
            outcome, connection = outcome_of(lambda: tls_connect(lab.client, PORT, context=client_context(lab.certificate, version)))
            if good:
                connection.sendall(b"stressed\n")
                assert connection.recv(9) == b"desserts\n"
                connection.close()
            else:
                assert outcome == "error" and "INTERNAL_ERROR" in connection.reason, connection
        check()


# --- memory of a session, in the states in which peers can keep it ---------------------------------------------------------
def half_a_hello(lab, version):
    connection = tcp_connect(lab.client, PORT)
    connection.sendall(hello_records(16000, 16384)[:-1])
    return connection


def a_hello_alone(lab, version):
    """the appliance has answered, and waits for the rest of the handshake"""
    tls = RawTls(tcp_connect(lab.client, PORT), client_context(lab.certificate, version))
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.tls.do_handshake()
    tls.flush()
    return tls


def half_a_record(lab, version):
    tls = RawTls(tcp_connect(lab.client, PORT), client_context(lab.certificate, version)).handshake()
    tls.sendall(b"x")
    assert tls.recv(1) == b"x"
    tls.connection.sendall(b"\x17\x03\x03\x40\x11" + bytes(16000))
    return tls


def deaf_client(lab, version):
    """asks for more than anybody holds, and reads none of it"""
    tls = RawTls(tcp_connect(lab.client, PORT), client_context(lab.certificate, version)).handshake()
    tls.sendall(b"pour")
    return tls


def deaf_server(lab, version):
    """its client sends for as long as something is taken"""
    tls = RawTls(tcp_connect(lab.client, PORT), client_context(lab.certificate, version)).handshake()
    tls.sendall(b"deaf")
    tls.tls.write(bytes(4 << 20))
    data = memoryview(tls._out.read())
    tls.connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while data:
            data = data[tls.connection.send(data):]
            select.select([], [tls.connection], [], 0.02)
    return tls


def pour_or_be_deaf(release):
    def handler(connection):
        first = connection.recv(4)
        if first == b"deaf":
            return release.wait(60)
        if first == b"pour":
            connection.settimeout(50)
            return connection.sendall(bytes(8 << 20))
        connection.sendall(first)
        return echo(connection)
    return handler


# kilobytes of a worker's memory for each such session: what it has sent and nobody has taken, and what a session has anyway
STATES = [(TLS13, half_a_hello, 48), (TLS12, a_hello_alone, 64), (TLS13, a_hello_alone, 64), (TLS12, half_a_record, 48), (TLS13, half_a_record, 48),
          (TLS13, deaf_client, 640), (TLS13, deaf_server, 640)]


@pytest.mark.limit(120)
@pytest.mark.parametrize("version, state, kilobytes", STATES, ids=["%s-%s" % (v.name, s.__name__) for v, s, _ in STATES])
def test_d_a_session_that_a_peer_keeps_waiting_takes_little_memory(fresh_lab, version, state, kilobytes):
    lab, n, release = fresh_lab(document=lambda t: configuration(t, limits={"max_sessions_per_source": 0})), 150, threading.Event()
    with TlsServer(lab.topology, PORT, lab.certificate, pour_or_be_deaf(release)):
        state(lab, version)
        before = sum(megabytes(lab).values())
        held = [state(lab, version) for _ in range(n)]
        wait_until(lambda: lab.appliance.counters()["gauge_sessions_active"] >= n, 10, "the sessions")
        each = (sum(megabytes(lab).values()) - before) * 1024 / n
        release.set()
        for connection in held:
            connection.close()
    if not is_sanitized(next(iter(lab.appliance.workers().values()))):
        assert each < kilobytes, each
