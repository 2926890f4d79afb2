# SPDX-License-Identifier: Apache-2.0
"""D11: what the record of a session says of both legs' TLS, held against Wireshark's reading of what was on the wire. Wireshark
computes JA3 itself; JA4 is computed here from the fields that it read, by its description."""
import hashlib
import select
import ssl
import subprocess
import time

import pytest

from lab.browser import Chromium
from lab.capture import Capture, dissect
from lab.clients import WEB_NAME, RawTls, client_context, http_get, tcp_connect, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, gnutls_client, http_reply
from lab.topology import SERVER_IP

PORT = 8446
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SUITES, EXTENSIONS, ALGORITHMS, ALPN = ("tls.handshake." + name for name in
                                        ("ciphersuite", "extension.type", "sig_hash_alg", "extensions_alpn_str"))
VERSIONS, LEGACY, NAME, JA3 = "tls.handshake.extensions.supported_version", "tls.handshake.version", "tls.handshake.extensions_server_name", \
    "tls.handshake.ja3"
NAMES = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
GROUPS = {0x001d: "X25519", 0x0017: "P-256", 0x0018: "P-384"}
SIGNATURES = {0x0804: "rsa_pss_rsae_sha256", 0x0401: "rsa_pkcs1_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512",
              0x0501: "rsa_pkcs1_sha384", 0x0601: "rsa_pkcs1_sha512"}
CURVES, SCHEME, KEY_SHARE = "tls.handshake.server_named_curve", "tls.handshake.sig_hash_alg", "tls.handshake.extensions_key_share_group"


def numbers(values):
    """without GREASE (RFC 8701)"""
    found = [int(value, 0) for value in values]
    return [n for n in found if not (n & 0x0f0f == 0x0a0a and n >> 8 == n & 0xff)]


def hashed(*lists):
    return hashlib.sha256("_".join(",".join("%04x" % n for n in one) for one in lists if one).encode()).hexdigest()[:12]


def ja4_of(hello):
    suites, extensions, algorithms = (numbers(hello[field]) for field in (SUITES, EXTENSIONS, ALGORITHMS))
    version = max(numbers(hello[VERSIONS]) or numbers(hello[LEGACY]))
    alpn = hello[ALPN][0][0] + hello[ALPN][0][-1] if hello[ALPN] else "00"
    return "t%s%s%02d%02d%s_%s_%s" % ({0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}[version], "d" if hello[NAME] else "i",
                                      len(suites), len(extensions), alpn, hashed(sorted(suites)),
                                      hashed(sorted(n for n in extensions if n not in (0, 16)), algorithms))


# --- fingerprints ------------------------------------------------------------------------------------------------------
def by_curl(lab):
    assert lab.curl("/curl").ok


def by_gnutls(lab):
    assert "HTTP/1." in gnutls_client(lab.client, 443, "NORMAL", WEB_NAME)


def by_gnutls_without_a_name(lab):
    with lab.client:
        subprocess.run(["gnutls-cli", "--insecure", "--disable-sni", "--priority", "NORMAL:-VERS-TLS1.3", "--alpn", "http/1.1", "-p", "443", SERVER_IP],
                       input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10)


def by_bssl(lab):
    with lab.client:
        subprocess.run(["bssl-tool", "client", "-connect", SERVER_IP + ":443", "-server-name", WEB_NAME, "-grease", "-permute-extensions",
                        "-alpn-protos", "h2,http/1.1"], input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10)


def by_chromium(lab):
    lab.nginx.put_file("plain.html", 0, b"<html><body>hello</body></html>")
    page, said = Chromium(lab.topology, lab.certificate).page("https://%s/files/plain.html" % WEB_NAME)
    assert "hello" in page, said


@pytest.mark.parametrize("client", [by_curl, by_gnutls, by_gnutls_without_a_name, by_bssl, by_chromium], ids=lambda f: f.__name__)
def test_d11_fingerprints_are_those_of_wireshark(lab, client):
    path = lab.topology.path("hellos.pcap")
    with Capture(lab.client, "c0", path, "tcp port 443"):
        client(lab)
    hellos = dissect(path, [443], "tls.handshake.type == 1", ["tcp.srcport", JA3, SUITES, EXTENSIONS, ALGORITHMS, ALPN, VERSIONS, LEGACY, NAME])
    assert hellos
    for hello in hellos:
        record = lab.appliance.wait_record("ssl_inspection", src_port=int(hello["tcp.srcport"][0]))
        assert (record["ja3"], record["ja4"]) == (hello[JA3][0], ja4_of(hello)), hello
        assert record.get("sni") == (hello[NAME][0] if hello[NAME] else None)


# --- what was negotiated -----------------------------------------------------------------------------------------------
def negotiated(path, port=PORT):
    """(version, suite, group, signature algorithm) of a leg, as far as its ServerHello and ServerKeyExchange show them"""
    frames = dissect(path, [port], "tls.handshake.type == 2", [SUITES, VERSIONS, LEGACY, KEY_SHARE, CURVES, SCHEME])
    frames += dissect(path, [port], "tls.handshake.type == 12", [SUITES, VERSIONS, LEGACY, KEY_SHARE, CURVES, SCHEME])
    hello, exchange = frames[0], frames[-1]
    version = numbers(hello[VERSIONS]) or numbers(hello[LEGACY])
    group = numbers(hello[KEY_SHARE]) or numbers(exchange[CURVES])
    return version[0], numbers(hello[SUITES])[0], group[0] if group else None, (numbers(exchange[SCHEME]) or [None])[0]


LISTED = [leg + fact for leg in ("client", "server") for fact in ("_group", "_signature", "_resumed", "_handshake_ms")]


def listed(lab, port):
    """the facts of the open session of that port, by the sessions list"""
    row = next(row for row in lab.appliance.show("sessions")["sessions"] if row["client_port"] == port)
    return {name: row[name] for name in LISTED}


def listed_of(record):
    """the same by the session's record"""
    found = {name: record.get(name if name.endswith("_ms") else name.replace("_", "_tls_", 1)) for name in LISTED}
    return {name: "" if value is None else value for name, value in found.items()}


@pytest.mark.parametrize("version, curve, suite", [(TLS12, None, "ECDHE-RSA-AES256-GCM-SHA384"), (TLS12, "prime256v1", "ECDHE-RSA-AES128-GCM-SHA256"),
                                                   (TLS12, None, "AES128-GCM-SHA256"), (TLS13, "prime256v1", None), (TLS13, "secp384r1", None)])
def test_d11_both_legs_are_told_as_they_were(lab, version, curve, suite):
    """the client has one group, and the server another where the version lets each leg have its own"""
    paths = lab.topology.path("client-leg.pcap"), lab.topology.path("server-leg.pcap")
    context = client_context(lab.certificate, version)
    if curve:
        context.set_ecdh_curve(curve)

    def configure(server):
        server.minimum_version = server.maximum_version = version
        if suite:
            server.set_ciphers(suite + ":@SECLEVEL=0")
    if suite:
        context.set_ciphers(suite)
    with TlsServer(lab.topology, PORT, lab.certificate, http_reply(b"ok"), configure=configure):
        with Capture(lab.client, "c0", paths[0], "tcp port %d" % PORT), Capture(lab.server, "s0", paths[1], "tcp port %d" % PORT):
            with tls_connect(lab.client, PORT, context=context) as connection:
                assert http_get(connection) == (200, b"ok")
                port = connection.getsockname()[1]
                row = listed(lab, port)
    record = lab.appliance.wait_record("ssl_inspection", src_port=port)
    assert row == listed_of(record), (row, record)
    ids = {row["name"]: int(row["id"], 16) for row in lab.appliance.show("ciphers", "--server", "web")["ciphers"]}
    for leg, path in zip(("client", "server"), paths):
        seen_version, seen_suite, group, scheme = negotiated(path)
        assert record[leg + "_tls_version"] == NAMES[seen_version]
        assert ids[record[leg + "_tls_cipher"]] == seen_suite
        assert record.get(leg + "_tls_group") == GROUPS.get(group), (leg, group, record)
        if scheme:
            assert record[leg + "_tls_signature"] == SIGNATURES[scheme]
        assert record[leg + "_tls_resumed"] is False


class SlowServer(TlsServer):
    def handle(self, connection, peer):
        time.sleep(0.3)
        return super().handle(connection, peer)


def slow_client(lab, context):
    """takes 300 ms between the server's first flight and its own answer"""
    connection = RawTls(tcp_connect(lab.client, PORT), context)
    with pytest.raises(ssl.SSLWantReadError):
        connection.tls.do_handshake()
    connection.flush()
    wait_until(lambda: select.select([connection.connection], [], [], 0)[0], 5, "the first flight")
    time.sleep(0.3)
    return connection.handshake()


@pytest.mark.parametrize("slow", ["server", "client"])
@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
def test_d11_handshake_milliseconds_are_those_of_their_leg(lab, slow, version):
    context = client_context(lab.certificate, version)
    with (SlowServer if slow == "server" else TlsServer)(lab.topology, PORT, lab.certificate, http_reply(b"ok")):
        connection = slow_client(lab, context) if slow == "client" else tls_connect(lab.client, PORT, context=context)
        port = (connection.connection if slow == "client" else connection).getsockname()[1]
        connection.close()
    record = lab.appliance.wait_record("ssl_inspection", src_port=port)
    other = "client" if slow == "server" else "server"
    assert 300 <= record[slow + "_handshake_ms"] < 3000 and record[other + "_handshake_ms"] < 250, record
    assert record["handshake_ms"] >= 300


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
def test_d11_a_resumed_session_is_told_as_such(lab, version):
    """by the client's and by nginx's own word; it shows no signature, for nobody signs"""
    context, session = client_context(lab.certificate, version), None
    for turn in range(3):  # two workers: each has to get a session of the server's first
        with tls_connect(lab.client, context=context, session=session) as connection:
            assert http_get(connection, "/d11-%s-%d" % (version.name, turn))[0] == 200
            port, session, reused = connection.getsockname()[1], connection.session, connection.session_reused
            row = listed(lab, port)
        record = lab.appliance.wait_record("ssl_inspection", src_port=port)
        assert record["client_tls_resumed"] == reused == (turn > 0), record
        assert row == listed_of(record), (row, record)
        assert record["server_tls_resumed"] == (lab.nginx.wait_for("/d11-%s-%d" % (version.name, turn))[0]["reused"] == "r"), record
        for leg in "client", "server":
            assert ("%s_tls_signature" % leg in record) == (not record[leg + "_tls_resumed"]), record
