# SPDX-License-Identifier: Apache-2.0
"""D5: both legs are one negotiation: the server is offered what the client can, and the client gets what the server chose."""
import ssl

import pytest

from lab.appliance import configuration, ssl_server
from lab.capture import Capture, dissect
from lab.clients import client_context, http_get, outcome_of, s_client, tcp_connect, tls_connect
from lab.laboratory import Laboratory
from lab.peers import OpensslServer, Server, TlsServer, gnutls_client, http_reply

TLS12 = ssl.TLSVersion.TLSv1_2
GET = b"GET / HTTP/1.0\r\n\r\n"
BOTH = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])


@pytest.fixture(scope="module")
def wide(request):
    option = request.config.getoption

    def document(topology):
        return configuration(topology, servers=[ssl_server("wide", ["8443"], protocols=["tls1.0", "tls1.1", "tls1.2", "tls1.3"],
                                                           bulk=["aes256", "aes128", "chacha20", "3des"])])
    with Laboratory(option("--device"), option("--bin-dir"), document=document) as laboratory:
        yield laboratory


def one_suite(name, version=TLS12):
    def configure(context):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        context.set_ciphers(name + ":@SECLEVEL=0")
    return configure


def client(wide, ciphers="ALL", **options):
    context = client_context(wide.certificate, **options)
    if not options:
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(ciphers + ":@SECLEVEL=0")
    return context


@pytest.mark.cable
@pytest.mark.parametrize("suite", ["AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "AES128-SHA", "ECDHE-RSA-CHACHA20-POLY1305", "AES256-SHA"])
def test_d5_the_client_gets_the_suite_that_the_server_has(wide, suite):
    """and one that the server has not is refused, as the server itself would"""
    with TlsServer(wide.topology, 8443, wide.certificate, http_reply(b"ok"), configure=one_suite(suite)):
        for _ in range(2):  # a session of the first may be offered to the server again
            with tls_connect(wide.client, 8443, context=client(wide)) as connection:
                assert connection.cipher()[0] == suite
                assert http_get(connection) == (200, b"ok")
        outcome, value = outcome_of(lambda: tls_connect(wide.client, 8443, context=client(wide, "ECDHE-RSA-AES256-GCM-SHA384", version=TLS12)))
        assert outcome == "error" and "HANDSHAKE_FAILURE" in value.reason, value


@pytest.mark.cable
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_d5_the_client_gets_the_version_that_the_server_has(wide, version):
    with TlsServer(wide.topology, 8443, wide.certificate, http_reply(b"ok"), configure=one_suite("ALL", ssl.TLSVersion[version])):
        with tls_connect(wide.client, 8443, context=client(wide)) as connection:
            assert connection.version() == version.replace("_", ".")
            assert http_get(connection) == (200, b"ok")


def test_d5_the_server_is_offered_what_the_client_has(wide):
    with Server(wide.topology, 8443, lambda connection: connection.recv(4096)) as server:
        outcome_of(lambda: tls_connect(wide.client, 8443, context=client(wide, "AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384", version=TLS12)))
    hello = server.results[0]
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    suites = {int.from_bytes(hello[i:i + 2], "big") for i in range(at + 2, at + 2 + int.from_bytes(hello[at:at + 2], "big"), 2)}
    assert suites == {0x002f, 0xc030}, suites


@pytest.mark.cable
def test_d5_a_fallback_is_the_servers_to_judge(wide):
    """RFC 7507: refused by a server that has TLS 1.3, taken by one that has not"""
    for version, refused in ((ssl.TLSVersion.TLSv1_3, True), (TLS12, False)):
        with TlsServer(wide.topology, 8443, wide.certificate, http_reply(b"ok"), configure=one_suite("ALL", version)):
            said = s_client(wide.client, "-tls1_2", "-fallback_scsv", port=8443, data=b"Q")
            assert ("inappropriate fallback" in said) == refused, said


@pytest.mark.cable
def test_d5_a_session_of_one_clients_suites_is_not_offered_for_anothers(wide):
    """a client that can only do the weakest does not leave its session for those who can do better: they would resume it, weak"""
    with TlsServer(wide.topology, 8443, wide.certificate, http_reply(b"ok"), configure=one_suite("ALL")):
        for _ in range(8):  # both workers get such a session
            with tls_connect(wide.client, 8443, context=client(wide, "AES128-SHA", version=TLS12)) as connection:
                assert connection.cipher()[0] == "AES128-SHA" and http_get(connection) == (200, b"ok")
        context, session = client(wide, "ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA", version=TLS12), None
        for turn in range(6):
            with tls_connect(wide.client, 8443, context=context, session=session) as connection:
                assert connection.cipher()[0] == "ECDHE-RSA-AES256-GCM-SHA384", turn
                assert connection.session_reused == (turn > 0)
                assert http_get(connection) == (200, b"ok")
                session = connection.session


@pytest.mark.cable
def test_d5_a_client_without_a_word_on_groups_gets_a_suite_without_them(wide):
    """TLS 1.2 with ECDHE suites and no supported_groups (RFC 8422 section 4 allows it): the server would take any group"""
    suites = bytes.fromhex("c02f" "c030" "009c")
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
    hello = b"\x16\x03\x01" + (len(body) + 4).to_bytes(2, "big") + b"\1" + len(body).to_bytes(3, "big") + body
    with TlsServer(wide.topology, 8443, wide.certificate, http_reply(b"ok"), configure=one_suite("AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")):
        with tcp_connect(wide.client, 8443) as connection:
            connection.sendall(hello)
            answer = connection.recv(4096)
    assert answer[:1] == b"\x16" and answer[5] == 2, answer
    at = 5 + 4 + 2 + 32
    assert answer[at + 1 + answer[at]:][:2] in (b"\x00\x9c", b"\xc0\x2f"), answer


# --- groups -----------------------------------------------------------------------------------------------------------
GROUPS = {"X25519": "X25519, 253 bits", "P-256": "ECDH, prime256v1, 256 bits", "P-384": "ECDH, secp384r1, 384 bits",
          "P-521": "ECDH, secp521r1, 521 bits"}


def visit(wide, version, *options, ciphers="ECDHE"):
    return s_client(wide.client, version, "-ign_eof", "-cipher", ciphers + ":@SECLEVEL=0", *options, port=8443, data=GET)


@pytest.mark.cable
@BOTH
@pytest.mark.parametrize("group", GROUPS)
def test_d5_the_client_gets_the_group_that_the_server_has(wide, version, group):
    """and no other, as a scanner would try; in TLS 1.3 the client's share is of another group: it is asked for one, as by the server itself"""
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", version, "-groups", group):
        for _ in range(2):  # a session of the first may be offered to the server again
            said = visit(wide, version, "-groups", "P-384:P-256:X25519:P-521")
            assert "Server Temp Key: " + GROUPS[group] in said and "HTTP/1.0 200" in said, said
        for other in set(GROUPS) - {group}:
            said = visit(wide, version, "-groups", other)
            assert "alert handshake failure" in said, said


@pytest.mark.cable
def test_d5_a_session_of_one_clients_groups_is_not_offered_for_anothers(wide):
    """else a server that has one group only would seem to have the other client's as well"""
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", "-tls1_2", "-groups", "P-256"):
        for _ in range(6):
            assert "Server Temp Key: " + GROUPS["P-256"] in visit(wide, "-tls1_2", "-groups", "P-256:X25519")
        for _ in range(6):
            assert "alert handshake failure" in visit(wide, "-tls1_2", "-groups", "X25519")


@pytest.mark.parametrize("groups, chosen", [("P-256:X25519", "P-256"), ("P-384:X25519:P-256", "P-384"), ("X25519:P-256", "X25519")])
def test_d5_nobody_is_asked_for_a_share_that_the_server_would_not_ask_for(wide, groups, chosen):
    """a client of TLS 1.3 whose share is not of our first group, and a server that has all: one ClientHello on either leg"""
    paths = wide.topology.path("shares-client.pcap"), wide.topology.path("shares-server.pcap")
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", "-tls1_3"):
        with Capture(wide.client, "c0", paths[0], "tcp port 8443"), Capture(wide.server, "s0", paths[1], "tcp port 8443"):
            assert "Server Temp Key: " + GROUPS[chosen] in visit(wide, "-tls1_3", "-groups", groups)
    for path in paths:
        hellos = dissect(path, [8443], "tls.handshake.type == 1", ["tcp.srcport"])
        assert len(hellos) == 1, (path, hellos)


def test_d5_a_client_with_several_shares_gets_the_cheapest(wide):
    """GnuTLS: P-256 and X25519, in this order"""
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", "-tls1_3"):
        assert "200" in gnutls_client(wide.client, 8443, "NORMAL:-VERS-ALL:+VERS-TLS1.3", "gnutls.example.test")
    record = wide.appliance.wait_record("ssl_inspection", client_tls_version="TLSv1.3", sni="gnutls.example.test")
    assert (record["client_tls_group"], record["server_tls_group"]) == ("X25519", "X25519"), record


# --- signatures -------------------------------------------------------------------------------------------------------
SIGNATURES = {"RSA-PSS+SHA256": ("SHA256", "RSA-PSS"), "RSA-PSS+SHA384": ("SHA384", "RSA-PSS"), "RSA-PSS+SHA512": ("SHA512", "RSA-PSS"),
              "RSA+SHA256": ("SHA256", "RSA"), "RSA+SHA384": ("SHA384", "RSA"), "RSA+SHA512": ("SHA512", "RSA")}


def signatures_of(version):
    return [name for name in SIGNATURES if version == "-tls1_2" or "PSS" in name]


@pytest.mark.cable
@pytest.mark.parametrize("version, signature", [(v, s) for v in ("-tls1_2", "-tls1_3") for s in signatures_of(v)])
def test_d5_the_client_gets_the_signature_that_the_server_gives(wide, version, signature):
    """and one that the server does not give is refused, as the server itself would"""
    digest, kind = SIGNATURES[signature]
    other = next(name for name in signatures_of(version) if name != signature)
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", version, "-sigalgs", signature):
        for _ in range(2):
            said = visit(wide, version, "-sigalgs", ":".join(SIGNATURES))
            assert "Peer signing digest: %s\nPeer signature type: %s\n" % (digest, kind) in said, said
        assert "alert handshake failure" in visit(wide, version, "-sigalgs", other)


@pytest.mark.cable
def test_d5_no_signature_by_sha1_that_the_server_would_not_give(wide):
    """a scanner that can do nothing else"""
    with OpensslServer(wide.topology, wide.certificate, 8443, "-www", "-tls1_2"):
        assert "alert handshake failure" in visit(wide, "-tls1_2", "-sigalgs", "RSA+SHA1")
