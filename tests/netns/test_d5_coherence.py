# SPDX-License-Identifier: Apache-2.0
"""D5: both legs are one negotiation: the server is offered what the client can, and the client gets what the server chose."""
import ssl

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import client_context, http_get, outcome_of, s_client, tls_connect
from lab.laboratory import Laboratory
from lab.peers import Server, TlsServer, http_reply

TLS12 = ssl.TLSVersion.TLSv1_2


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
