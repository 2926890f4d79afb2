# SPDX-License-Identifier: Apache-2.0
"""D1, D5, D8, D9, D10: TLS with real clients and servers."""
import socket
import ssl
import time

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import (WEB_NAME, RawTls, client_context, curl, http_get, outcome_of, s_client, tcp_connect, tls_connect)
from lab.laboratory import Laboratory
from lab.namespace import wait_until
from lab.peers import Certificate, OpensslServer, Server, TlsServer, collect, echo, http_reply

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])


# --- clients x servers ------------------------------------------------------------------------------------------------
@pytest.mark.cable
@pytest.mark.quick
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_d1_curl_with_nginx(lab, version):
    reply = lab.curl("/curl-%s" % version, "--tlsv" + version, "--tls-max", version)
    assert reply.ok and reply.body.startswith(b"hello"), reply
    assert lab.nginx.wait_for("/curl-%s" % version)[0]["protocol"] == "TLSv" + version


@pytest.mark.cable
@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_d1_s_client_with_nginx(lab, version):
    request = ("GET /s-client-%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (version, WEB_NAME)).encode()
    text = s_client(lab.client, "-" + version, "-CAfile", lab.certificate.certificate, "-servername", WEB_NAME, "-ign_eof", data=request)
    assert "Verify return code: 0 (ok)" in text and "hello from nginx" in text, text
    assert "subject=CN = " + WEB_NAME in text


@pytest.mark.cable
@VERSIONS
def test_d1_python_with_nginx(lab, version):
    with tls_connect(lab.client, context=client_context(lab.certificate, version)) as connection:
        assert http_get(connection, "/python")[0] == 200 and http_get(connection, "/python-again")[0] == 200


@pytest.mark.cable
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_d1_python_and_curl_with_s_server(lab, version):
    with OpensslServer(lab.topology, lab.certificate, 9001, "-rev", version):
        with tls_connect(lab.client, 9001, lab.certificate) as connection:
            connection.sendall(b"stressed\n")
            assert connection.recv(100) == b"desserts\n"
    with open(lab.topology.path("page.txt"), "w") as page:
        page.write("served by s_server")
    with OpensslServer(lab.topology, lab.certificate, 8444, "-WWW", version):
        reply = lab.curl("/page.txt", port=8444)
        assert reply.exit == 0 and b"served by s_server" in reply.body, reply


@pytest.mark.cable
def test_d1_s_client_with_s_server(lab):
    with OpensslServer(lab.topology, lab.certificate, 9002, "-rev"):
        assert "desserts" in s_client(lab.client, "-quiet", port=9002, data=b"stressed\nCLOSE\n")


@pytest.mark.cable
@pytest.mark.parametrize("cipher", ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
                                    "AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA"])
def test_d3_cipher_suites(lab, cipher):
    """RSA key exchange among them: the keeper decrypts"""
    context = client_context(lab.certificate, TLS12)
    context.set_ciphers(cipher + ":@SECLEVEL=0")
    with TlsServer(lab.topology, 8445, lab.certificate, http_reply(b"ok"), configure=lambda c: c.set_ciphers("ALL:@SECLEVEL=0")):
        with tls_connect(lab.client, 8445, context=context) as connection:
            assert connection.cipher()[0] == cipher
            assert http_get(connection) == (200, b"ok")


@pytest.mark.cable
def test_d5_hello_retry_request(lab):
    """the client's only key share is a group that the server does not want first"""
    text = s_client(lab.client, "-tls1_3", "-groups", "P-521:X25519:P-256", "-servername", WEB_NAME, "-ign_eof",
                    data=b"GET /hrr HTTP/1.0\r\n\r\n")
    assert "hello from nginx" in text, text


def test_d5_alpn_offers_what_can_be_inspected(lab):
    """a client that can do h2 is given http/1.1, by the server's own choice"""
    with TlsServer(lab.topology, 8446, lab.certificate, http_reply(b"ok"), configure=lambda c: c.set_alpn_protocols(["h2", "http/1.1"])):
        context = client_context(lab.certificate, alpn=["h2", "http/1.1"])
        with tls_connect(lab.client, 8446, context=context) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert http_get(connection) == (200, b"ok")


@VERSIONS
def test_d5_resumption_on_both_legs(lab, version):
    before = lab.appliance.counters()
    context = client_context(lab.certificate, version)
    with tls_connect(lab.client, context=context) as connection:
        assert http_get(connection)[0] == 200
        session = connection.session
    for _ in range(3):
        with tls_connect(lab.client, context=context, session=session) as connection:
            assert connection.session_reused
            assert http_get(connection, "/resumed-%s" % version.name)[0] == 200
            session = connection.session if version == TLS13 else session
    lab.appliance.wait_counter("sessions_resumed_client", before["sessions_resumed_client"] + 3)
    assert "r" in {row["reused"] for row in lab.nginx.wait_for("/resumed-%s" % version.name)}, "server leg resumed, says nginx"


@VERSIONS
def test_d5_ticket_keys_are_renewed(fresh_lab, version):
    """a ticket is good for once to twice the life of its key, with any worker; then a full handshake follows"""
    lab = fresh_lab(document=lambda t: configuration(t, limits={"ticket_key_seconds": 3}))
    context = client_context(lab.certificate, version)
    with tls_connect(lab.client, context=context) as connection:
        assert http_get(connection)[0] == 200
        session, started = connection.session, time.monotonic()

    def is_resumed():
        with tls_connect(lab.client, context=context, session=session) as connection:
            assert http_get(connection)[0] == 200
            return connection.session_reused
    assert all(is_resumed() for _ in range(6)), "by both workers"
    wait_until(lambda: not is_resumed(), 10, "the ticket to lose its key", pause=0.2)
    assert 2.9 < time.monotonic() - started
    assert lab.appliance.counters()["sessions_unresumed_client"] >= 1


# --- certificates -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def two_names(request):
    """one SSL server, two certificates by SNI (one of them ECDSA) and a server that does the same"""
    option = request.config.getoption

    def document(topology):
        return configuration(topology, servers=[ssl_server("web", ["443", "8443"], certificates=("web-rsa", "shop"))])
    laboratory = Laboratory(option("--device"), option("--bin-dir"), document=document)
    make = laboratory._device

    def with_second_certificate():
        laboratory.shop = Certificate(laboratory.topology.directory, "shop", "shop.example.test", ["*.shop.example.test"], key="P-256")
        laboratory.certificates.append(laboratory.shop)
        return make()
    laboratory._device = with_second_certificate
    with laboratory:
        with TlsServer(laboratory.topology, 8443, laboratory.certificate, http_reply(b"ok"),
                       by_name={"shop.example.test": laboratory.shop, "a.shop.example.test": laboratory.shop}) as laboratory.tls_server:
            yield laboratory


@pytest.mark.cable
@pytest.mark.parametrize("name, expected", [(WEB_NAME, "web-rsa"), ("shop.example.test", "shop"), ("a.shop.example.test", "shop"),
                                            ("unknown.example.test", "web-rsa"), (None, "web-rsa")])
@VERSIONS
def test_d8_certificate_by_sni(two_names, name, expected, version):
    certificate = {c.name: c for c in two_names.certificates}[expected]
    with tls_connect(two_names.client, 8443, context=client_context(version=version), name=name) as connection:
        assert connection.getpeercert(True) == certificate.der()
        assert http_get(connection) == (200, b"ok")
    assert two_names.tls_server.names_asked[-1] == name, "the client's own SNI reaches the server"


def test_d9_server_with_another_certificate_is_cut_off_and_logged(lab):
    other = Certificate(lab.topology.directory, "other", WEB_NAME)
    before = lab.appliance.counters()["closed_server_certificate_drift"]
    with TlsServer(lab.topology, 8447, other, http_reply(b"not me")) as server:
        outcome, _ = outcome_of(lambda: tls_connect(lab.client, 8447, lab.certificate))
    assert outcome != "ok" and server.results in ([], [b""])
    lab.appliance.wait_counter("closed_server_certificate_drift", before + 1)
    assert lab.appliance.wait_record("ssl_inspection", close_reason="server_certificate_drift")["dest_port"] == 8447


def test_d9_drift_ignored_by_configuration(fresh_lab):
    def document(topology):
        return configuration(topology, servers=[ssl_server("web", ["443", "8443"], certificate_drift="ignore")])
    lab = fresh_lab(document=document)
    other = Certificate(lab.topology.directory, "other", WEB_NAME)
    with TlsServer(lab.topology, 8443, other, http_reply(b"another face")):
        with tls_connect(lab.client, 8443, lab.certificate) as connection:  # verified against the one held
            assert http_get(connection) == (200, b"another face")


# --- first bytes ------------------------------------------------------------------------------------------------------
@pytest.mark.cable
@VERSIONS
def test_d1_client_hello_byte_by_byte(lab, version):
    raw = RawTls(tcp_connect(lab.client, 443), client_context(lab.certificate, version), cut=1, pause=0.0005)
    assert http_get(raw.handshake(), "/byte-by-byte")[0] == 200
    raw.close()


@pytest.mark.cable
def test_d1_client_hello_split_over_two_records(lab):
    raw = RawTls(tcp_connect(lab.client, 443), client_context(lab.certificate))
    with pytest.raises(ssl.SSLWantReadError):
        raw.tls.do_handshake()
    hello = raw._out.read()
    body = hello[5:]
    for part in body[:40], body[40:41], body[41:]:
        raw.connection.sendall(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part)
        time.sleep(0.01)
    assert http_get(raw.handshake(), "/two-records")[0] == 200
    raw.close()


@pytest.mark.cable
@pytest.mark.parametrize("size", [1800, 5000, 14000])
def test_d5_large_client_hellos(lab, size):
    """as big as those with post-quantum key shares and beyond: several segments, one record"""
    names = ["x%04d" % n + "-" * 195 for n in range(size // 201)] + ["http/1.1"]
    with tls_connect(lab.client, context=client_context(lab.certificate, alpn=names)) as connection:
        assert http_get(connection, "/large-hello-%d" % size)[0] == 200


@pytest.mark.quick
def test_d10_cleartext_is_dropped_and_counted(lab):
    before = lab.appliance.counters()["closed_cleartext_before_hello"]
    reply = curl(lab.client, "/cleartext-to-the-tls-port", scheme="http", port=443)
    assert reply.exit != 0 and reply.status == 0, reply
    lab.appliance.wait_counter("closed_cleartext_before_hello", before + 1)
    assert not lab.nginx.saw("cleartext-to-the-tls-port")
    record = lab.appliance.wait_record("ssl_inspection", close_reason="cleartext_before_hello")
    assert record["src_port"] == reply.local_port or reply.local_port == 0


def test_d10_cleartext_reaches_no_server(lab):
    with Server(lab.topology, 8448, collect) as server:
        with tcp_connect(lab.client, 8448) as connection:
            outcome, value = outcome_of(lambda: (connection.sendall(b"EHLO example\r\n"), connection.recv(100))[1])
        assert outcome == "reset" or value == b"", (outcome, value)
        assert b"".join(server.results) == b""


@pytest.mark.parametrize("hello", [b"\x16", b"\x16\x03\x01\xff\xff\x01", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
                                   b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x80\x2e\x01\x00\x02", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_d10_malformed_hellos_end_in_a_reset(lab, hello):
    """hostile first bytes: nothing hangs, nothing reaches the server, the next client is served"""
    with tcp_connect(lab.client, 443, timeout=8) as connection:
        connection.sendall(hello)
        outcome_of(lambda: connection.shutdown(socket.SHUT_WR))  # the reset may be here already
        outcome, value = outcome_of(lambda: connection.recv(100))
        assert outcome == "reset" or value == b"" or value[:1] == b"\x15", (outcome, value)
    assert lab.curl("/after-malformed").ok


def test_d10_silent_client_is_dropped_after_the_timeout(fresh_lab):
    lab = fresh_lab(document=lambda t: configuration(t, limits={"client_hello_timeout_seconds": 1}))
    for first in b"", b"\x16\x03\x01\x02\x00\x01":  # not a byte, and a ClientHello that never ends
        with tcp_connect(lab.client, 443) as connection:
            started = time.monotonic()
            if first:
                connection.sendall(first)
            outcome, value = outcome_of(lambda: connection.recv(1))
            assert outcome == "reset" or value == b"", (outcome, value)
            assert 0.8 < time.monotonic() - started < 4
            record = lab.appliance.wait_record("ssl_inspection", close_reason="client_hello_timeout", src_port=connection.getsockname()[1])
            assert (record["action"], record["ssl_server"]) == ("not_decrypted", "web"), record
    lab.appliance.wait_counter("closed_client_hello_timeout", 2)


@pytest.mark.parametrize("first, reason, action", [
    (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "client_hello_malformed", "not_decrypted"),
    (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", "client_hello_malformed", "not_decrypted"),
    (b"EHLO example\r\n", "cleartext_before_hello", "refused")])
def test_d10_a_malformed_handshake_and_cleartext_have_a_counter_and_a_log_reason_each(lab, first, reason, action):
    before = lab.appliance.counters()["closed_" + reason]
    with tcp_connect(lab.client, 443, timeout=8) as connection:
        port = connection.getsockname()[1]
        connection.sendall(first)
        outcome_of(lambda: connection.recv(100))
    lab.appliance.wait_counter("closed_" + reason, before + 1)
    record = lab.appliance.wait_record("ssl_inspection", close_reason=reason, src_port=port)
    assert (record["action"], record["ssl_server"]) == (action, "web"), record


@pytest.mark.quick
def test_d1_no_version_in_common_is_told(lab):
    text = s_client(lab.client, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", data=b"Q")
    assert "Cipher is (NONE)" in text or "alert" in text, text
    lab.appliance.wait_counter("closed_client_version_other", 1)


@pytest.mark.cable
def test_d5_echo_over_a_raw_service(lab):
    with TlsServer(lab.topology, 9003, lab.certificate, echo):
        with tls_connect(lab.client, 9003, lab.certificate) as connection:
            for size in 1, 100, 16384, 100000:
                data = bytes(range(256)) * (size // 256 + 1)
                connection.sendall(data)
                back = bytearray()
                while len(back) < len(data):
                    back += connection.recv(65536)
                assert back == data
