# SPDX-License-Identifier: Apache-2.0
"""D7: a server that renews its keys by renegotiation, TLS 1.2, with openssl s_server (`r` on its standard input)."""
import hashlib
import os
import ssl
import subprocess
import threading
import time

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import client_context, http_get, outcome_of, tls_connect
from lab.laboratory import Laboratory
from lab.namespace import stop_process, wait_until
from lab.peers import Httpd, TlsServer, echo, is_listening
from lab.records import ASKING, DATA, CraftedServer
from lab.topology import SERVER_IP

HIGH = bytes(range(0x80, 0x100))  # the payload's alphabet: what s_server says itself is ASCII


@pytest.fixture(scope="module")
def rekey(request):
    option = request.config.getoption

    def document(topology):
        return configuration(topology, servers=[
            ssl_server("rekey", ["9001-9005"], service="any", rekey_interval_seconds=1, undecryptable_client_certificate="bypass_and_remember"),
            ssl_server("blank", ["9006"], service="any")])
    with Laboratory(option("--device"), option("--bin-dir"), document=document) as laboratory:
        yield laboratory


class InteractiveServer:
    """s_server with its standard input and output in our hands"""

    def __init__(self, lab, port, version="-tls1_2"):
        self.lab, self.port, self.version = lab, port, version
        self.received, self.said = hashlib.sha256(), bytearray()
        self.n_received = 0

    def __enter__(self):
        certificate = self.lab.certificate
        self.process = self.lab.server.popen(
            "openssl", "s_server", "-accept", "%d" % self.port, "-4", "-cert", certificate.certificate, "-key", certificate.key,
            self.version, "-legacy_renegotiation", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        wait_until(lambda: is_listening(self.lab.server, self.port), 5, "s_server to listen")
        return self

    def _read(self):
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            payload = data.translate(None, delete=bytes(range(0x80)))
            self.received.update(payload)
            self.n_received += len(payload)
            self.said += data.translate(None, delete=HIGH)

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def __exit__(self, *unused):
        stop_process(self.process)
        self.reader.join(5)


class Upload:
    """sends payload without a pause until told to end"""

    def __init__(self, connection):
        self.connection, self.sent, self.total, self.going = connection, hashlib.sha256(), 0, True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        chunk = HIGH * 512  # 64 KiB
        while self.going:
            self.connection.sendall(chunk)
            self.sent.update(chunk)
            self.total += len(chunk)

    def end(self):
        self.going = False
        self.thread.join(10)


def upload_with_rekeys(rekey, server, connection, command):
    """three of them; every byte arrives, and the other direction works afterwards"""
    upload, before = Upload(connection), rekey.appliance.counters("rekey")["rekeys"]
    for n in range(3):
        server.type(command)
        rekey.appliance.wait_counter("rekeys", before + n + 1)
        so_far = server.n_received
        wait_until(lambda: server.n_received > so_far + (1 << 20), 5, "a megabyte more: the upload goes on")
    upload.end()
    wait_until(lambda: server.n_received >= upload.total, 15, "%d bytes at the server" % upload.total)
    assert server.n_received == upload.total and server.received.hexdigest() == upload.sent.hexdigest()
    server.type(b"still here\n")
    assert connection.recv(100) == b"still here\n"


def test_d7_renegotiation_in_the_middle_of_an_upload(rekey):
    """three of them; every byte arrives, and both directions work afterwards"""
    with InteractiveServer(rekey, 9001) as server:
        with tls_connect(rekey.client, 9001, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2), timeout=20) as connection:
            upload_with_rekeys(rekey, server, connection, b"r\n")
            assert connection.version() == "TLSv1.2"
    assert server.said.count(b"SSL_do_handshake -> 1") == 3, bytes(server.said[-2000:])
    assert rekey.appliance.counters("rekey")["rekeys"] == 3


def test_d7_renegotiation_between_exchanges(rekey):
    before = rekey.appliance.counters("rekey")["rekeys"]
    with InteractiveServer(rekey, 9002) as server:
        with tls_connect(rekey.client, 9002, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2)) as connection:
            for n in range(4):
                connection.sendall(HIGH)
                wait_until(lambda want=(n + 1) * len(HIGH): server.n_received == want, 3, "the bytes at the server")
                server.type(b"r\n")
                rekey.appliance.wait_counter("rekeys", before + n + 1)
                server.type(b"answer %d\n" % n)
                assert connection.recv(100) == b"answer %d\n" % n


def test_d7_a_missed_interval_is_counted_and_logged(rekey):
    before = rekey.appliance.counters("rekey")["rekeys_missed"]
    with InteractiveServer(rekey, 9003):
        with tls_connect(rekey.client, 9003, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2)):
            started = time.monotonic()
            rekey.appliance.wait_counter("rekeys_missed", before + 1)
            assert 1.5 < time.monotonic() - started < 4
    assert wait_until(lambda: [r for r in rekey.appliance.records("system") if "rekey interval" in r["message"]], 3, "a System record")


def test_d7_without_an_interval_it_is_refused_and_counted(rekey):
    before = rekey.appliance.counters()["closed_server_renegotiation"]
    with InteractiveServer(rekey, 9006) as server:
        with tls_connect(rekey.client, 9006, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2)) as connection:
            connection.sendall(HIGH)
            wait_until(lambda: server.n_received == len(HIGH), 3, "the bytes at the server")
            server.type(b"r\n")
            outcome, value = outcome_of(lambda: connection.recv(10))
            assert outcome != "ok" or value == b"", (outcome, value)
    rekey.appliance.wait_counter("closed_server_renegotiation", before + 1)


def test_d6_a_certificate_asked_for_by_renegotiation(rekey):
    """`R` asks; the client's leg has none to show, and the session goes on"""
    with InteractiveServer(rekey, 9004) as server:
        with tls_connect(rekey.client, 9004, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2)) as connection:
            connection.sendall(HIGH)
            wait_until(lambda: server.n_received == len(HIGH), 3, "the bytes at the server")
            server.type(b"R\n")
            wait_until(lambda: b"SSL_do_handshake" in server.said or connection.pending(), 3, "the renegotiation to begin")
            connection.sendall(HIGH)
            wait_until(lambda: server.n_received == 2 * len(HIGH), 3, "the bytes after it")


@pytest.mark.parametrize("command", [b"k\n", b"K\n"], ids=["update", "update and request"])
def test_d7_key_updates_in_the_middle_of_an_upload(rekey, command):
    """TLS 1.3: the server renews its key, and asks the other side to renew its own (RFC 8446 section 4.6.3)"""
    with InteractiveServer(rekey, 9005, "-tls1_3") as server:
        with tls_connect(rekey.client, 9005, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_3), timeout=20) as connection:
            upload_with_rekeys(rekey, server, connection, command)


def test_d7_key_updates_in_the_middle_of_a_transfer_in_both_directions(rekey):
    """after each megabyte the server renews its key and asks for the other's, while both send without a pause: equal checksums"""
    down, downloaded, uploaded = os.urandom(16000), hashlib.sha256(), hashlib.sha256()
    before, taken = rekey.appliance.counters("rekey")["rekeys"], [0]

    class BothWays(CraftedServer):
        def collect(self, tls):
            while part := tls.recv(65536):
                uploaded.update(part)
                taken[0] += len(part)

        def says(self, writer):
            reader = threading.Thread(target=lambda: outcome_of(lambda: self.collect(writer.tls)), daemon=True)
            reader.start()
            for _ in range(8):
                yield b"".join([*(writer.record(DATA, down) for _ in range(64)), writer.key_update(ASKING)])
            yield writer.record(DATA, b"end")
            reader.join(30)

    with BothWays(rekey, 9005, ssl.TLSVersion.TLSv1_3, None):
        with tls_connect(rekey.client, 9005, context=client_context(rekey.certificate, ssl.TLSVersion.TLSv1_3), timeout=20) as connection:
            connection.sendall(b"?")
            upload, size = Upload(connection), 0
            while size < 8 * 64 * len(down) + 3:
                part = connection.recv(65536)
                downloaded.update(part)
                size += len(part)
            upload.end()
            wait_until(lambda: taken[0] >= upload.total, 15, "%d bytes at the server" % upload.total)
    assert downloaded.digest() == hashlib.sha256(down * 8 * 64 + b"end").digest()
    assert upload.total > 1 << 20 and taken[0] == upload.total and uploaded.digest() == upload.sent.digest()
    assert rekey.appliance.counters("rekey")["rekeys"] == before + 8


def test_d5_a_clients_key_update_between_its_data(rekey):
    """s_client takes a line that is a command by itself only"""
    with TlsServer(rekey.topology, 9005, rekey.certificate, echo):
        client = rekey.client.popen("openssl", "s_client", "-connect", SERVER_IP + ":9005", "-tls1_3", stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = bytearray()
        threading.Thread(target=lambda: [said.extend(part) for part in iter(lambda: os.read(client.stdout.fileno(), 4096), b"")],
                         daemon=True).start()
        try:
            for line, answer in ((b"before\n", b"before\n"), (b"K\n", b"KEYUPDATE"), (b"between\n", b"between\n"), (b"k\n", b"KEYUPDATE"),
                                 (b"after\n", b"after\n")):
                at = len(said)
                client.stdin.write(line)
                client.stdin.flush()
                wait_until(lambda: answer in said[at:], 5, "%r to be answered" % line)
        finally:
            stop_process(client)


PRIVATE = """
SSLProtocol {version}
SSLCACertificateFile {ca}
SSLInsecureRenegotiation off
<Location /private>
SSLVerifyClient require
SSLVerifyDepth 3
</Location>
"""


@pytest.fixture
def httpd(rekey):
    """the classic that asks for a client certificate by renegotiation, when the path says so"""
    with Httpd(rekey.topology, rekey.certificate, 9001, PRIVATE.format(version="TLSv1.2", ca=rekey.certificate.certificate)) as server:
        for path in "index.html", "private/index.html":
            server.put_page(path, "hello from " + path)
        yield server


def test_d6_httpd_requires_a_certificate_by_renegotiation(rekey, httpd):
    """the first session that meets it is ended, and later ones are passed: the client can show its certificate"""
    context = client_context(rekey.certificate, ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(rekey.certificate.certificate, rekey.certificate.key)
    with tls_connect(rekey.client, 9001, context=context) as connection:
        assert http_get(connection, "/") == (200, b"hello from index.html")
        outcome, value = outcome_of(lambda: http_get(connection, "/private/"))
        assert outcome != "ok", value
    rekey.appliance.wait_record("ssl_inspection", dest_port=9001, close_reason="server_wants_client_cert")
    assert [row["cause"] for row in rekey.appliance.show("bypasses")["bypasses"]] == ["client_certificate"]
    with tls_connect(rekey.client, 9001, context=context) as connection:
        assert http_get(connection, "/private/") == (200, b"hello from private/index.html")
    rekey.appliance.ask("clear", "bypasses", "all")


def test_d6_httpd_cannot_ask_for_a_certificate_after_a_handshake_of_tls13(rekey):
    """the client could answer (RFC 8446 section 4.2.6), but nobody can in its name: httpd is not told so, and says "forbidden" """
    context = client_context(rekey.certificate, ssl.TLSVersion.TLSv1_3)
    context.load_cert_chain(rekey.certificate.certificate, rekey.certificate.key)
    context.post_handshake_auth = True
    with Httpd(rekey.topology, rekey.certificate, 9002, PRIVATE.format(version="TLSv1.3", ca=rekey.certificate.certificate)) as server:
        for path in "index.html", "private/index.html":
            server.put_page(path, "hello from " + path)
        with tls_connect(rekey.client, 9002, context=context) as connection:
            assert http_get(connection, "/") == (200, b"hello from index.html")
            status, body = http_get(connection, "/private/")
    assert status == 403, (status, body)
