# SPDX-License-Identifier: Apache-2.0
"""The relay: bulk both ways, many at once, slow peers, half-closed connections, odd record sizes, servers that fail."""
import contextlib
import os
import socket
import ssl
import threading
import time

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import (RawTls, client_context, http_get, outcome_of, reset_on_close, tcp_connect, tls_connect)
from lab.namespace import wait_until
from lab.peers import Server, TlsServer, collect, echo, reset_at_once, sha256_file

MEGABYTE = 1 << 20
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])


# --- bulk -------------------------------------------------------------------------------------------------------------
@pytest.mark.cable
@pytest.mark.limit(180)
def test_bulk_300_mb_down_and_up_with_equal_checksums(lab):
    size = 300 * MEGABYTE
    digest = lab.nginx.put_file("big.bin", size)
    target = lab.topology.path("big.out")
    reply = lab.curl("/files/big.bin", "-o", target, timeout=80)
    assert reply.ok and sha256_file(target) == digest, reply
    reply = lab.curl("/upload/big.bin", "-T", target, timeout=80)
    assert reply.exit == 0 and reply.status in (201, 204), reply
    assert lab.nginx.uploaded("big.bin") == digest
    os.unlink(target)


@pytest.mark.cable
@pytest.mark.limit(180)
@pytest.mark.parametrize("direction", ["down", "up"])
def test_bulk_64_in_parallel_300_mb_together(lab, direction):
    digest = lab.nginx.put_file("part.bin", 5 * MEGABYTE)
    source = os.path.join(lab.nginx.directory, "www/files/part.bin")
    results = {}

    def one(number):
        target = lab.topology.path("part-%d.out" % number)
        if direction == "down":
            reply = lab.curl("/files/part.bin", "-o", target, timeout=120)
            results[number] = reply.ok and sha256_file(target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
        else:
            reply = lab.curl("/upload/part-%d.bin" % number, "-T", source, timeout=120)
            results[number] = reply.exit == 0 and lab.nginx.uploaded("part-%d.bin" % number)
    _in_threads(64, one)
    assert results == {number: digest for number in range(64)}


@pytest.mark.cable
@pytest.mark.limit(120)
def test_clients_that_reset_in_mid_transfer_disturb_nobody(lab):
    """the legs of a worker share their buffers: what was meant for a client that is gone must reach nobody"""
    digest = lab.nginx.put_file("steady.bin", 40 * MEGABYTE)
    stop, results, resets = threading.Event(), [], []

    def abort_again_and_again():
        while not stop.is_set():
            connection = tls_connect(lab.client, 443, lab.certificate)
            connection.sendall(b"GET /files/steady.bin HTTP/1.1\r\nHost: www.example.test\r\n\r\n")
            for _ in range(20):
                connection.recv(65536)
            reset_on_close(connection)
            connection.close()
            resets.append(1)

    def download(number):
        target = lab.topology.path("steady-%d.out" % number)
        for _ in range(4):
            reply = lab.curl("/files/steady.bin", "-o", target, timeout=60)
            results.append(reply.ok and sha256_file(target))
        os.unlink(target)
    abusers = [threading.Thread(target=abort_again_and_again) for _ in range(6)]
    for thread in abusers:
        thread.start()
    try:
        _in_threads(4, download)
    finally:
        stop.set()
        for thread in abusers:
            thread.join()
    assert results == [digest] * 16
    assert len(resets) > 50


@pytest.mark.cable
@pytest.mark.limit(120)
def test_1000_concurrent_sessions(lab):
    """all open at once, each says something, each is answered, twice"""
    with TlsServer(lab.topology, 9001, lab.certificate, echo):
        context = client_context()
        connections = []
        lock = threading.Lock()

        def open_some(number):
            for _ in range(125):
                connection = tls_connect(lab.client, 9001, context=context, timeout=60)
                with lock:
                    connections.append(connection)
        try:
            _in_threads(8, open_some)
            assert len(connections) == 1000
            if lab.device.inspects:
                lab.appliance.wait_counter("gauge_sessions_active", 1000)
            for turn in range(2):
                for number, connection in enumerate(connections):
                    connection.sendall(b"turn %d of %d" % (turn, number))
                for number, connection in enumerate(connections):
                    assert connection.recv(100) == b"turn %d of %d" % (turn, number)
        finally:
            for connection in connections:
                connection.close()


# --- pace -------------------------------------------------------------------------------------------------------------
@pytest.mark.cable
def test_slow_reader_gets_everything(lab):
    """the client's window is small and it takes its time: back-pressure reaches the server, no byte is lost"""
    data = os.urandom(MEGABYTE) * 32  # more than all buffers on the way hold

    def send(connection):
        started = time.monotonic()
        connection.sendall(data)
        return time.monotonic() - started
    with TlsServer(lab.topology, 9001, lab.certificate, send) as server:
        with tls_connect(lab.client, 9001, lab.certificate, timeout=30) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            got = bytearray()
            while len(got) < len(data):
                got += connection.recv(65536)
                if len(got) < 8 * MEGABYTE:
                    time.sleep(0.004)
            assert got == data
    assert server.results[0] > 0.3, "the server was held back"


@pytest.mark.cable
def test_slow_writer_and_slow_server(lab):
    def slow_echo(connection):
        while data := connection.recv(100):
            time.sleep(0.002)
            connection.sendall(data)
    with TlsServer(lab.topology, 9001, lab.certificate, slow_echo):
        with tls_connect(lab.client, 9001, lab.certificate) as connection:
            for number in range(50):
                connection.sendall(b"drop %02d" % number)
                time.sleep(0.01)
                assert connection.recv(100) == b"drop %02d" % number


@pytest.mark.limit(90)
def test_back_pressure_bounds_memory(lab):
    """30 stuck readers of an endless server cost the worker a bounded amount"""
    def flood(connection):
        part = bytes(MEGABYTE)
        for _ in range(64):
            connection.sendall(part)
    workers = lab.appliance.workers().values()
    before = sum(_resident_kilobytes(pid) for pid in workers)
    with TlsServer(lab.topology, 9001, lab.certificate, flood):
        stuck = [tls_connect(lab.client, 9001, context=client_context()) for _ in range(30)]
        time.sleep(2)
        grown = sum(_resident_kilobytes(pid) for pid in workers) - before
        for connection in stuck:
            reset_on_close(connection)
            connection.close()
    assert grown < 30 * 512, "%d KB for 30 stuck sessions" % grown


# --- records ----------------------------------------------------------------------------------------------------------
@pytest.mark.cable
@VERSIONS
def test_records_of_one_byte(lab, version):
    with TlsServer(lab.topology, 9001, lab.certificate, echo):
        with tls_connect(lab.client, 9001, context=client_context(lab.certificate, version)) as connection:
            data = os.urandom(3000)
            for byte in data:
                connection.sendall(bytes([byte]))
            assert _receive(connection, len(data)) == data


@pytest.mark.cable
@VERSIONS
def test_records_of_16_kb(lab, version):
    with TlsServer(lab.topology, 9001, lab.certificate, echo):
        raw = RawTls(tcp_connect(lab.client, 9001), client_context(lab.certificate, version), cut=700)
        raw.handshake()
        for _ in range(20):
            data = os.urandom(16384)
            raw.sendall(data)
            assert _receive(raw, len(data)) == data
        raw.close()


@pytest.mark.cable
def test_http_keep_alive_and_pipelining(lab):
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        for number in range(100):
            assert http_get(connection, "/keep-alive-%d" % number)[0] == 200
        connection.sendall(b"".join(b"GET /pipelined-%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(20)))
        data = b""
        while data.count(b"hello from nginx") < 20:
            data += connection.recv(65536)
    assert len(lab.nginx.saw("/pipelined-")) == 20


# --- half-closed ------------------------------------------------------------------------------------------------------
@pytest.mark.cable
@VERSIONS
def test_client_half_closes_and_still_receives(lab, version):
    """close_notify and FIN from the client, then 2 MB from the server"""
    answer = os.urandom(MEGABYTE) * 2

    def late_answer(connection):
        seen = bytearray()
        while data := connection.recv(65536):
            seen += data
        time.sleep(0.2)
        connection.sendall(answer)
        return bytes(seen)
    with TlsServer(lab.topology, 9001, lab.certificate, late_answer) as server:
        raw = RawTls(tcp_connect(lab.client, 9001), client_context(lab.certificate, version)).handshake()
        raw.sendall(b"question")
        raw.half_close()
        assert _until_end(raw) == answer
        raw.close()
    assert server.results == [b"question"]


@pytest.mark.cable
@VERSIONS
def test_server_half_closes_and_still_receives(lab, version):
    upload = os.urandom(MEGABYTE) * 2

    def early_goodbye(connection):
        server_side = _ServerTls(connection, lab.certificate)
        server_side.sendall(b"all I have to say")
        server_side.half_close()
        return _until_end(server_side)
    with Server(lab.topology, 9001, early_goodbye) as server:
        raw = RawTls(tcp_connect(lab.client, 9001), client_context(lab.certificate, version)).handshake()
        assert _until_end(raw) == b"all I have to say"
        time.sleep(0.2)
        for at in range(0, len(upload), 16384):
            raw.sendall(upload[at:at + 16384])
        raw.half_close()
        wait_until(lambda: server.results, 10, "the server to finish")
        raw.close()
    assert server.results == [upload]


@pytest.mark.cable
def test_end_without_close_notify_is_passed_on(lab):
    """a bare FIN of the server ends the client's connection too"""
    def handler(connection):
        server_side = _ServerTls(connection, lab.certificate)
        server_side.sendall(b"cut o")
        connection.shutdown(socket.SHUT_WR)
    with Server(lab.topology, 9001, handler):
        with tls_connect(lab.client, 9001, lab.certificate) as connection:
            assert _receive(connection, 5) == b"cut o"
            outcome, value = outcome_of(lambda: connection.recv(1))
            assert outcome in ("closed", "reset") or value == b"", (outcome, value)


# --- servers that fail ------------------------------------------------------------------------------------------------
def test_server_that_refuses(lab):
    """no listener: the client is reset (A1's held SYN comes later), the reason is told"""
    before = lab.appliance.counters()["closed_server_refused"]
    assert outcome_of(lambda: tls_connect(lab.client, 9005))[0] in ("reset", "closed")
    lab.appliance.wait_counter("closed_server_refused", before + 1)


@pytest.mark.limit(40)
def test_server_that_hangs(fresh_lab):
    """accepts and says nothing: ended by the handshake timeout"""
    lab = fresh_lab(document=lambda t: configuration(t, limits={"handshake_timeout_seconds": 1}))
    release = threading.Event()
    with Server(lab.topology, 9001, lambda connection: release.wait(20)):
        started = time.monotonic()
        outcome, _ = outcome_of(lambda: tls_connect(lab.client, 9001, timeout=10))
        assert outcome in ("reset", "closed") and 0.8 < time.monotonic() - started < 5
        release.set()
    lab.appliance.wait_counter("closed_handshake_timeout", 1)


def test_server_that_cannot_be_reached(fresh_lab):
    """its silence is what the client hears (A1); the record says so"""
    servers = [dict(ssl_server("web", ["443"]), destinations=["10.9.0.0/24"])]
    lab = fresh_lab(document=lambda t: configuration(t, servers=servers, limits={"handshake_timeout_seconds": 1}))
    lab.client.run("ip", "neigh", "replace", "10.9.0.78", "lladdr", "02:00:00:00:00:78", "dev", "c0")
    outcome, _ = outcome_of(lambda: tls_connect(lab.client, 443, address="10.9.0.78", timeout=2.5))
    assert outcome == "timeout"
    lab.appliance.wait_counter("closed_server_unreachable", 1)


def test_server_that_resets_at_once(lab):
    before = lab.appliance.counters()
    with Server(lab.topology, 9001, reset_at_once):
        assert outcome_of(lambda: tls_connect(lab.client, 9001))[0] in ("reset", "closed")

    def told():
        now = lab.appliance.counters()
        return any(now[name] > before[name] for name in ("closed_server_reset", "closed_server_closed_early"))
    wait_until(told, 5, "the close reason")


@pytest.mark.cable
def test_server_that_resets_in_the_middle(lab):
    def handler(connection):
        connection.recv(100)
        connection.sendall(b"x" * 5000)
        reset_at_once(connection)
    with TlsServer(lab.topology, 9001, lab.certificate, handler):
        with tls_connect(lab.client, 9001, lab.certificate) as connection:
            connection.sendall(b"go")
            outcome, value = outcome_of(lambda: _until_end(connection))
            assert outcome == "reset" or len(value) <= 5000, (outcome, value)


@pytest.mark.cable
def test_client_that_resets_in_the_middle(lab):
    """the reset reaches the server: it does not go on sending into nothing"""
    def endless(connection):
        try:
            while True:
                connection.sendall(bytes(65536))
        except OSError as error:
            return type(error).__name__
    with TlsServer(lab.topology, 9001, lab.certificate, endless) as server:
        connection = tls_connect(lab.client, 9001, lab.certificate)
        connection.recv(100)
        reset_on_close(connection)
        connection.close()
        wait_until(lambda: server.results, 5, "the server to finish")
    assert server.results[0] in ("ConnectionResetError", "BrokenPipeError", "SSLEOFError")


def test_server_that_speaks_no_tls(lab):
    with Server(lab.topology, 9001, lambda connection: connection.sendall(b"220 smtp.example.test ESMTP\r\n" * 4)):
        assert outcome_of(lambda: tls_connect(lab.client, 9001))[0] in ("reset", "closed", "error")
    lab.appliance.wait_counter("closed_server_tls_error", 1)


def test_server_that_requires_a_client_certificate(lab):
    def demand(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(lab.certificate.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TlsServer(lab.topology, 9001, lab.certificate, collect, configure=demand):
        assert outcome_of(lambda: tls_connect(lab.client, 9001))[0] != "ok"
    lab.appliance.wait_counter("closed_server_wants_client_cert", 1)


@pytest.mark.limit(40)
def test_idle_session_is_ended_and_told(fresh_lab):
    lab = fresh_lab(document=lambda t: configuration(t, limits={"idle_timeout_seconds": 10}))
    with tls_connect(lab.client, certificate=lab.certificate, timeout=20) as connection:
        assert http_get(connection)[0] == 200
        outcome, value = outcome_of(lambda: connection.recv(1))
        assert outcome == "reset" or value == b"", (outcome, value)
    lab.appliance.wait_counter("closed_idle_timeout", 1)


def test_download_with_curl_limit_rate(lab):
    """curl's own throttle over a session that stays open for seconds"""
    digest = lab.nginx.put_file("slow.bin", 2 * MEGABYTE)
    target = lab.topology.path("slow.out")
    assert lab.curl("/files/slow.bin", "--limit-rate", "1M", "-o", target, timeout=20).ok
    assert sha256_file(target) == digest


# --- helpers ----------------------------------------------------------------------------------------------------------
class _ServerTls(RawTls):
    """the server's half of RawTls, for a test that must say when it closes"""

    def __init__(self, connection, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self.connection, self.cut, self.pause = connection, 0, 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.handshake()


def _in_threads(number, function):
    threads = [threading.Thread(target=function, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _receive(connection, size):
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def _until_end(connection):
    data = bytearray()
    while part := connection.recv(65536):
        data += part
    return bytes(data)


def _resident_kilobytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))
