# SPDX-License-Identifier: Apache-2.0
"""D6, C4, D9, E6: sessions that cannot be decrypted: blocked, reset, or passed as they are, by cause and by choice."""
import ssl
import threading

import pytest

from lab.appliance import configuration, kill_and_wait, ssl_server, stop_and_wait
from lab.clients import WEB_NAME, client_context, http_get, outcome_of, reset_on_close, tcp_connect, tls_connect
from lab.laboratory import Laboratory
from lab.namespace import wait_until
from lab.peers import Certificate, Server, TlsServer, collect, echo, http_reply

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
ACTIONS = {"block": 8400, "reset": 8410, "bypass": 8420, "bypass_and_remember": 8430}
CAUSES = ("client_certificate", "client_version", "client_cipher", "client_alpn", "client_hello", "server_version", "server_cipher",
          "server_certificate")


@pytest.fixture(scope="module")
def und(request):
    """one SSL server per action, with ten ports each, narrow on purpose: TLS 1.2 and 1.3, ECDHE with AES-128 only"""
    option = request.config.getoption

    def document(topology):
        return configuration(topology, servers=[
            ssl_server(action, ["%d-%d" % (port, port + 9)], mac=["sha1", "sha256"], bulk=["aes128", "chacha20"], key_exchange=["ecdhe"],
                       bypass_seconds=600, when_key_unavailable=action if action in ("block", "bypass") else "same", **{"undecryptable_" + cause: action for cause in CAUSES})
            for action, port in ACTIONS.items()])
    with Laboratory(option("--device"), option("--bin-dir"), document=document) as laboratory:
        laboratory.other = Certificate(laboratory.topology.directory, "other", WEB_NAME)
        yield laboratory


@pytest.fixture(autouse=True)
def nothing_remembered(und):
    und.appliance.ask("clear", "bypasses", "all")


def shown(connection):
    return connection.getpeercert(True)


# --- client certificates ----------------------------------------------------------------------------------------------
def wants_certificate(lab, mode, version):
    def configure(context):
        context.verify_mode = mode
        context.load_verify_locations(lab.other.certificate)
        context.minimum_version = context.maximum_version = version
    return configure


def with_certificate(lab, version):
    context = client_context(lab.certificate, version)
    context.load_cert_chain(lab.other.certificate, lab.other.key)
    return context


@VERSIONS
@pytest.mark.quick
def test_d6_required_client_certificate_is_bypassed(und, version):
    """the very session that met it goes on: the client's certificate reaches the server"""
    before = und.appliance.counters("bypass")
    seen = []
    with TlsServer(und.topology, 8420, und.certificate, lambda c: (seen.append(c.getpeercert(True)), http_reply(b"ok")(c)),
                   configure=wants_certificate(und, ssl.CERT_REQUIRED, version)) as server:
        server.context.load_verify_locations(und.other.certificate)
        with tls_connect(und.client, 8420, context=with_certificate(und, version)) as connection:
            assert http_get(connection) == (200, b"ok")
            port = connection.getsockname()[1]
    assert seen == [und.other.der()]
    record = und.appliance.wait_record("ssl_inspection", src_port=port, dest_port=8420)
    assert (record["action"], record["bypass_cause"], record["bypass_remembered"]) == ("not_decrypted", "client_certificate", False), record
    assert record["close_reason"] == "done" and record["bytes_toserver"] > 500 and record["bytes_toclient"] > 500
    after = und.appliance.counters("bypass")
    assert after["bypassed_client_certificate"] == before["bypassed_client_certificate"] + 1
    assert after["bypassed_bytes"] > before["bypassed_bytes"] + 1000 and after["sessions_established"] == before["sessions_established"]
    assert und.appliance.show("bypasses")["bypasses"] == []


@VERSIONS
def test_d6_it_is_remembered_shown_and_forgotten(und, version):
    with TlsServer(und.topology, 8430, und.certificate, http_reply(b"ok"), configure=wants_certificate(und, ssl.CERT_REQUIRED, version)):
        for n in range(3):
            with tls_connect(und.client, 8430, context=with_certificate(und, version)) as connection:
                assert http_get(connection) == (200, b"ok")
                port = connection.getsockname()[1]
            record = und.appliance.wait_record("ssl_inspection", src_port=port, dest_port=8430)
            assert record["bypass_remembered"] == (n > 0), record
        row, = und.appliance.show("bypasses", "--server", "bypass_and_remember")["bypasses"]
        assert (row["cause"], row["sni"], row["server_port"], row["client_ip"]) == ("client_certificate", WEB_NAME, 8430, "any")
        assert row["sessions"] == 2 and 500 < row["seconds_left"] <= 600
        assert [r for r in und.appliance.records("system") if "pass undecrypted for 600 seconds" in r["message"]]
        assert und.appliance.ask("clear", "bypasses", "server", "bypass")["cleared"] == 0
        assert und.appliance.ask("clear", "bypasses", "server", "bypass_and_remember")["cleared"] == 1
        assert und.appliance.show("bypasses")["bypasses"] == []
    # another name of the same server is not affected, nor the server itself once it asks no longer
    with TlsServer(und.topology, 8430, und.certificate, http_reply(b"plain")):
        with tls_connect(und.client, 8430, und.certificate) as connection:
            assert http_get(connection) == (200, b"plain")
            port = connection.getsockname()[1]
    assert und.appliance.wait_record("ssl_inspection", src_port=port, dest_port=8430)["action"] == "decrypted"


@VERSIONS
def test_d6_a_server_that_only_asks_is_decrypted(und, version):
    """whatever the action"""
    for port in 8401, 8421, 8431:
        with TlsServer(und.topology, port, und.certificate, http_reply(b"ok"), configure=wants_certificate(und, ssl.CERT_OPTIONAL, version)):
            with tls_connect(und.client, port, context=with_certificate(und, version)) as connection:
                assert http_get(connection) == (200, b"ok")
                source = connection.getsockname()[1]
        assert und.appliance.wait_record("ssl_inspection", src_port=source, dest_port=port)["action"] == "decrypted"


@VERSIONS
@pytest.mark.parametrize("action", ["block", "reset"])
def test_d6_required_client_certificate_is_refused(und, version, action):
    port = ACTIONS[action] + 2
    before = und.appliance.counters(action)["closed_server_wants_client_cert"]

    def attempt():
        with tls_connect(und.client, port, context=with_certificate(und, version)) as connection:
            return http_get(connection)
    with TlsServer(und.topology, port, und.certificate, http_reply(b"ok"), configure=wants_certificate(und, ssl.CERT_REQUIRED, version)):
        outcome, value = outcome_of(attempt)
    # a reset in the middle of the client's request is an EOF to OpenSSL's SSL_write()
    assert outcome in ("reset", "closed") if action == "reset" else "alert" in str(value), (outcome, value, und.appliance.records("ssl_inspection")[-2:])
    und.appliance.wait_counter("closed_server_wants_client_cert", before + 1)


# --- the other causes -------------------------------------------------------------------------------------------------
def old_client(lab):
    context = client_context(lab.certificate, ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def cipher_client(lab):
    context = client_context(lab.certificate, TLS12)
    context.set_ciphers("AES256-GCM-SHA384")
    return context


def any_server(context):
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])


def tls13_only(context):
    context.minimum_version = TLS13


def old_server(context):
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def any_client(lab):
    context = client_context(lab.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def one_suite_server(context):
    context.maximum_version = TLS12
    context.set_ciphers("AES256-GCM-SHA384")


CASES = {
    # cause: (client's context, server's configuration, close reason when refused, alert to the client)
    "client_version": (old_client, any_server, "client_version_other", "PROTOCOL_VERSION"),
    "client_cipher": (cipher_client, any_server, "client_cipher_other", "HANDSHAKE_FAILURE"),
    "client_alpn": (lambda lab: client_context(lab.certificate, alpn=["h2"]), any_server, "client_alpn_other", "NO_APPLICATION_PROTOCOL"),
    "server_version": (any_client, old_server, "server_version_other", "PROTOCOL_VERSION"),
    "server_cipher": (any_client, one_suite_server, "server_cipher_other", "HANDSHAKE_FAILURE"),
}


@pytest.mark.quick
@pytest.mark.parametrize("cause", CASES)
@pytest.mark.parametrize("action", ACTIONS)
def test_d6_by_cause_and_action(und, action, cause):
    client, configure, reason, alert = CASES[cause]
    port = ACTIONS[action] + 3
    records = len([r for r in und.appliance.records("ssl_inspection") if r["dest_port"] == port])
    with TlsServer(und.topology, port, und.certificate, http_reply(b"as it is"), configure=configure):
        outcome, value = outcome_of(lambda: tls_connect(und.client, port, context=client(und)))
        if action.startswith("bypass"):
            assert outcome == "ok", value
            with value as connection:
                assert http_get(connection) == (200, b"as it is")
                assert shown(connection) == und.certificate.der()
                source = connection.getsockname()[1]
            record = und.appliance.wait_record("ssl_inspection", dest_port=port, src_port=source)
            assert (record["action"], record["bypass_cause"]) == ("not_decrypted", cause), record
            rows = und.appliance.show("bypasses")["bypasses"]
            assert [(r["cause"], bool(r["ja4"])) for r in rows] == ([(cause, True)] if action == "bypass_and_remember" else []), rows
            return
    if action == "reset":
        assert outcome == "reset", (outcome, value, und.appliance.records("ssl_inspection")[-3:])
    else:
        assert outcome == "error" and alert.replace('_', ' ').lower() in str(value).lower(), (outcome, value, und.appliance.records("ssl_inspection")[-2:])
    record = und.appliance.wait_record("ssl_inspection", dest_port=port, close_reason=reason)
    assert record["action"] == "refused" and "bypass_cause" not in record
    assert len([r for r in und.appliance.records("ssl_inspection") if r["dest_port"] == port]) > records


def test_d6_what_a_client_causes_is_remembered_for_that_client_only(und):
    """a client that offers little cannot switch inspection off for another"""
    with TlsServer(und.topology, 8434, und.certificate, http_reply(b"ok"), configure=any_server):
        with tls_connect(und.client, 8434, context=cipher_client(und)) as connection:
            assert http_get(connection) == (200, b"ok")
        for options in {}, {"source": ("10.9.0.1", 0)}:
            with tls_connect(und.client, 8434, und.certificate, **options) as connection:
                assert http_get(connection) == (200, b"ok")
                source = connection.getsockname()[1]
            assert und.appliance.wait_record("ssl_inspection", dest_port=8434, src_port=source)["action"] == "decrypted"


@pytest.mark.parametrize("action", ACTIONS)
def test_d9_another_certificate_by_action(und, action):
    port = ACTIONS[action] + 5
    with TlsServer(und.topology, port, und.other, http_reply(b"another")):
        outcome, value = outcome_of(lambda: tls_connect(und.client, port))
        if action.startswith("bypass"):
            assert outcome == "ok", value
            with value as connection:
                assert shown(connection) == und.other.der(), "undecrypted: the client sees what the server shows"
                assert http_get(connection) == (200, b"another")
        else:
            assert outcome == ("reset" if action == "reset" else "error"), (outcome, value, und.appliance.records("ssl_inspection")[-2:])
            assert action == "reset" or "HANDSHAKE_FAILURE" in str(value.reason), value
    und.appliance.wait_record("ssl_inspection", dest_port=port, **(
        {"bypass_cause": "server_certificate"} if action.startswith("bypass") else {"close_reason": "server_certificate_drift"}))


def test_d6_a_malformed_hello_reaches_the_server_as_it_is(und):
    hello = b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"nobody knows what this is"
    with Server(und.topology, 8426, lambda c: (c.recv(4096), c.sendall(b"answer"))[0]) as server:
        with tcp_connect(und.client, 8426) as connection:
            connection.sendall(hello)
            assert connection.recv(100) == b"answer"
    wait_until(lambda: server.results == [hello], 3, "the bytes at the server")
    with Server(und.topology, 8406, collect) as server:
        with tcp_connect(und.client, 8406) as connection:
            connection.sendall(hello)
            outcome, value = outcome_of(lambda: connection.recv(100))
            assert value == b"\x15\x03\x01\x00\x02\x02\x32", (outcome, value, und.appliance.records("ssl_inspection")[-2:])
    assert b"".join(server.results) == b""


def test_e6_without_the_key_sessions_pass_by_choice(und):
    """the keeper is stopped, so that a session waits for it, and then killed"""
    keeper, results = und.appliance.children()["keeper"], {}

    def attempt(port):
        results[port] = outcome_of(lambda: http_get(tls_connect(und.client, port, und.certificate, timeout=20)))
    with TlsServer(und.topology, 8427, und.certificate, http_reply(b"ok")), TlsServer(und.topology, 8407, und.certificate, http_reply(b"ok")):
        stop_and_wait(keeper)
        threads = [threading.Thread(target=attempt, args=(port,)) for port in (8407, 8427)]
        for thread in threads:
            thread.start()
        und.appliance.wait_counter("sessions_new", 1)
        wait_until(lambda: {row["step"] for row in und.appliance.show("sessions")["sessions"]} == {"client_handshake"} and
                   und.appliance.show("sessions")["total"] == 2, 5, "both sessions to wait for the key")
        kill_and_wait(keeper)
        for thread in threads:
            thread.join(25)
    und.appliance.wait_inspecting()
    assert results[8427] == ("ok", (200, b"ok")) and results[8407][0] == "error" and "internal" in str(results[8407][1]), results
    assert und.appliance.wait_record("ssl_inspection", dest_port=8427)["bypass_cause"] == "key_unavailable"
    assert und.appliance.wait_record("ssl_inspection", dest_port=8407)["close_reason"] == "key_unavailable"


# --- the splice -------------------------------------------------------------------------------------------------------
def test_d6_bulk_both_ways_half_close_and_reset_through_the_splice(und):
    hello = b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"
    with Server(und.topology, 8428, echo) as server:
        with tcp_connect(und.client, 8428, timeout=20) as connection:
            payload = hello + bytes(range(256)) * 16384
            threading.Thread(target=lambda: (connection.sendall(payload), connection.shutdown(1)), daemon=True).start()
            assert collect(connection) == payload
    wait_until(lambda: server.results == [len(payload)], 3, "all bytes at the server")
    with Server(und.topology, 8428, lambda c: (c.recv(10), reset_on_close(c))):
        with tcp_connect(und.client, 8428) as connection:
            connection.sendall(hello)
            assert outcome_of(lambda: connection.recv(10))[0] == "reset"


def test_d6_spliced_sessions_are_listed_and_cleared(und):
    with Server(und.topology, 8429, echo):
        with tcp_connect(und.client, 8429) as connection:
            connection.sendall(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff")
            assert connection.recv(100)
            row, = und.appliance.show("sessions", "--server", "bypass")["sessions"]
            assert row["step"] == "splice" and not row["inspected"]
            und.appliance.ask("clear", "sessions", "server", "bypass")
            assert outcome_of(lambda: connection.recv(100))[0] == "reset"
