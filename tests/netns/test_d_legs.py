# SPDX-License-Identifier: Apache-2.0
"""D5, D11: what one leg's peer says reaches the other's; what a session's records tell about both."""
import contextlib
import hashlib
import os
import ssl
import subprocess

import pytest

from lab.appliance import configuration
from lab.clients import WEB_NAME, client_context, http_get, outcome_of, s_client, tcp_connect, tls_connect
from lab.namespace import run, wait_until
from lab.peers import Certificate, OpensslServer, Server, TlsServer, echo, http_reply
from lab.records import ALERT, DATA, CraftedServer

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])


# --- alerts -----------------------------------------------------------------------------------------------------------
@pytest.mark.cable
@pytest.mark.quick
@pytest.mark.parametrize("code, reason", [(40, "HANDSHAKE_FAILURE"), (112, "UNRECOGNIZED_NAME"), (70, "PROTOCOL_VERSION"), (80, "INTERNAL_ERROR")])
def test_d5_servers_alert_reaches_the_client(lab, code, reason):
    """in the clear, as the answer to the ClientHello"""
    with Server(lab.topology, 9004, lambda c: (c.recv(4096), c.sendall(bytes((21, 3, 3, 0, 2, 2, code))), c.recv(100))):
        with pytest.raises(ssl.SSLError) as failure:
            tls_connect(lab.client, 9004, lab.certificate)
    assert reason in failure.value.reason, failure.value


@pytest.mark.cable
@VERSIONS
def test_d5_servers_word_on_a_name_reaches_the_client(lab, version):
    def refuse(context):
        context.minimum_version = context.maximum_version = version
    with TlsServer(lab.topology, 9005, lab.certificate, echo, configure=refuse) as server:
        server.context.sni_callback = lambda *unused: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        with pytest.raises(ssl.SSLError) as failure:
            tls_connect(lab.client, 9005, context=client_context(lab.certificate, version))
    assert "UNRECOGNIZED_NAME" in failure.value.reason, failure.value


@pytest.mark.cable
@VERSIONS
def test_d5_clients_alert_reaches_the_server(lab, version):
    """a client that does not trust the certificate says so, and the real server hears it"""
    stranger = Certificate(lab.topology.directory, "stranger", WEB_NAME)
    with TlsServer(lab.topology, 9006, lab.certificate, echo) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            tls_connect(lab.client, 9006, context=client_context(stranger, version))
        wait_until(lambda: server.errors, 3, "the server to hear of it")
    assert "ALERT_UNKNOWN_CA" in (server.errors[0].reason or ""), server.errors


def test_d5_a_version_that_policy_refuses_is_answered_by_an_alert(lab):
    text = s_client(lab.client, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", data=b"Q")
    assert "alert protocol version" in text, text


LAST = os.urandom(12000)  # one record, and more than the client's window and the appliance's send buffer


def _record_and_alert(writer):
    yield writer.record(DATA, LAST) + writer.record(ALERT, b"\x02\x50")


@contextlib.contextmanager
def _client_that_reads_late(lab, version):
    """the alert waits behind data that the socket has not taken: nearly always at the first try"""
    if lab.device.inspects:
        lab.appliance.inspect.sysctl(net__ipv4__tcp_wmem="4096 4096 4096")
    for _ in range(5):
        connection = tcp_connect(lab.client, 9007, receive_buffer=2048, timeout=10)
        with client_context(lab.certificate, version).wrap_socket(connection, server_hostname=WEB_NAME) as tls:
            tls.sendall(b"?")
            with contextlib.suppress(TimeoutError):
                if lab.device.inspects:
                    wait_until(lambda: [row for row in lab.appliance.show("sessions")["sessions"] if row["step"] == "farewell"], 1, "the farewell")
                yield tls
                return
    pytest.fail("no alert ever had to wait")


@pytest.mark.cable
@VERSIONS
def test_d5_an_alert_comes_after_what_was_sent_before_it(fresh_lab, version):
    """to a client with a small window: neither data nor alert is lost"""
    lab = fresh_lab()
    with CraftedServer(lab, 9007, version, _record_and_alert), _client_that_reads_late(lab, version) as tls:
        received = b""
        with pytest.raises(ssl.SSLError) as failure:
            while part := tls.recv(1000):
                received += part
    assert "INTERNAL_ERROR" in (failure.value.reason or "") and received == LAST, (failure.value, len(received))


def test_d5_an_alert_that_nobody_reads_is_given_up(fresh_lab):
    """after the drain timeout the session is gone, with the reason that it had"""
    lab = fresh_lab(document=lambda t: configuration(t, limits={"drain_timeout_seconds": 2}))
    with CraftedServer(lab, 9007, TLS13, _record_and_alert), _client_that_reads_late(lab, TLS13) as tls:
        lab.appliance.wait_counter("closed_server_alert", 1, timeout=8)
        outcome, value = outcome_of(lambda: tls.recv(1000))
        assert outcome == "reset" or value == b"", (outcome, value)  # half a record in front of the reset: Python calls it an end
    assert lab.appliance.wait_record("ssl_inspection", dest_port=9007, close_reason="server_alert")


def test_d5_close_reasons_stay(lab):
    before = lab.appliance.counters()["closed_server_alert"]
    with Server(lab.topology, 9007, lambda c: (c.recv(4096), c.sendall(bytes((21, 3, 3, 0, 2, 2, 80))), c.recv(100))):
        outcome_of(lambda: tls_connect(lab.client, 9007, lab.certificate))
    lab.appliance.wait_counter("closed_server_alert", before + 1)
    assert lab.appliance.wait_record("ssl_inspection", close_reason="server_alert", dest_port=9007)["action"] == "not_decrypted"


# --- certificate status -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def staple(lab):
    """an OCSP response about the laboratory's certificate, which signs for itself"""
    certificate, path = lab.certificate, lab.topology.path
    serial = run("openssl", "x509", "-in", certificate.certificate, "-noout", "-serial").stdout.strip().split("=")[1]
    with open(path("ocsp-index.txt"), "w") as index:
        index.write("V\t400101000000Z\t\t%s\tunknown\t/CN=%s\n" % (serial, certificate.common_name))
    subprocess.run(["openssl", "ocsp", "-index", path("ocsp-index.txt"), "-CA", certificate.certificate, "-rsigner", certificate.certificate,
                    "-rkey", certificate.key, "-issuer", certificate.certificate, "-serial", "0x" + serial, "-ndays", "2",
                    "-respout", path("staple.der")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path("staple.der")


@pytest.mark.cable
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_d11_ocsp_staple_is_passed_through(lab, staple, version):
    with OpensslServer(lab.topology, lab.certificate, 9008, "-rev", version, "-status_file", staple):
        for _ in range(2):  # the server leg of the second is resumed
            asked = s_client(lab.client, version, "-status", "-CAfile", lab.certificate.certificate, port=9008, data=b"stressed\nCLOSE\n")
            assert "OCSP Response Status: successful" in asked and "Cert Status: good" in asked, asked
        not_asked = s_client(lab.client, version, port=9008, data=b"stressed\nCLOSE\n")
        assert "OCSP Response Status" not in not_asked


@pytest.mark.cable
def test_d11_no_staple_where_the_server_has_none(lab):
    with OpensslServer(lab.topology, lab.certificate, 9009, "-rev"):
        text = s_client(lab.client, "-status", port=9009, data=b"stressed\nCLOSE\n")
    assert "OCSP response: no response sent" in text, text


# --- facts ------------------------------------------------------------------------------------------------------------
def client_hello_of(context):
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=WEB_NAME).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def parse_hello(record):
    """(version, suites, {extension: body}) of a ClientHello in one record"""
    def vector(data, width):
        size = int.from_bytes(data[:width], "big")
        return data[width:width + size], data[width + size:]

    def codes(data):
        return [int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2)]
    rest = record[9 + 34:]
    _, rest = vector(rest, 1)
    suites, rest = vector(rest, 2)
    _, rest = vector(rest, 1)
    block, _ = vector(rest, 2)
    extensions = {}
    while block:
        kind = int.from_bytes(block[:2], "big")
        extensions[kind], block = vector(block[2:], 2)
    return int.from_bytes(record[9:11], "big"), codes(suites), extensions, codes


def fingerprints_of(record):
    """JA3 and JA4 by their descriptions, of a hello without GREASE"""
    version, suites, extensions, codes = parse_hello(record)
    join = "-".join
    ja3 = ",".join([str(version), join(map(str, suites)), join(map(str, extensions)), join(map(str, codes(extensions[10][2:]))),
                    join(map(str, extensions[11][1:]))])
    kinds = sorted("%04x" % kind for kind in extensions if kind not in (0, 16))
    algorithms = ",".join("%04x" % code for code in codes(extensions[13][2:]))
    offered = max(codes(extensions[43][1:])) if 43 in extensions else version
    short = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in
             (",".join(sorted("%04x" % suite for suite in suites)), "_".join((",".join(kinds), algorithms)))]
    return hashlib.md5(ja3.encode()).hexdigest(), "t%sd%02d%02d%s_%s_%s" % (
        {0x0303: "12", 0x0304: "13"}[offered], len(suites), len(extensions), "h1" if 16 in extensions else "00", *short)


@VERSIONS
def test_d11_facts_in_the_record(lab, version):
    context = client_context(lab.certificate, version, alpn=["http/1.1"])
    ja3, ja4 = fingerprints_of(client_hello_of(context))
    with TlsServer(lab.topology, 8446, lab.certificate, http_reply(b"ok"), configure=lambda c: c.set_alpn_protocols(["http/1.1"])):
        with tls_connect(lab.client, 8446, context=context) as connection:
            assert http_get(connection) == (200, b"ok")
            port = connection.getsockname()[1]
            rows = lab.appliance.show("sessions", "--client", connection.getsockname()[0])["sessions"]
            assert [row["ja4"] for row in rows if row["client_port"] == port] == [ja4]
    record = lab.appliance.wait_record("ssl_inspection", src_port=port)
    assert (record["ja3"], record["ja4"], record["sni"], record["alpn"]) == (ja3, ja4, WEB_NAME, "http/1.1")
    assert record["client_tls_group"] == record["server_tls_group"] == "X25519"
    assert record["client_tls_signature"] in ("rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"), record
    assert record.get("server_tls_signature", "rsa_").startswith("rsa_"), record
    assert 0 <= record["client_handshake_ms"] <= record["handshake_ms"] and 0 <= record["server_handshake_ms"] <= record["handshake_ms"]
