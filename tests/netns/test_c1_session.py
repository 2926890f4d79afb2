# SPDX-License-Identifier: Apache-2.0
"""C1, C3: filters on the session itself, filters that speak of packets, and filters of a decrypted service."""
import ssl

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import RawTls, client_context, outcome_of, tcp_connect
from lab.namespace import wait_until
from lab.peers import TlsServer
from lab.topology import SERVER_IP

FILTERS = """\
reject tls any any -> any any (msg:"a name that is not served"; tls.sni; content:"blocked.example"; endswith; sid:1; rev:1;)
alert tls any any -> any any (msg:"TLS 1.2 client"; flow:to_server; tls.version:1.2; sid:2; rev:1;)
reject smtp any any -> any 25 (msg:"BDAT in the middle of a session"; flow:to_server; content:"BDAT"; depth:4; sid:3; rev:1;)
alert tcp any any -> any any (msg:"a turn of nine bytes"; flow:to_server; dsize:9; content:"EHLO"; sid:4; rev:1;)
"""


def document(topology):
    return configuration(topology, servers=[ssl_server("mail", ["9000-9009"], service="smtp")])


@pytest.fixture
def mail_lab(fresh_lab):
    return fresh_lab(document=document, filters=FILTERS)


VARIABLES = """\
reject http $EXTERNAL_NET any -> $HOME_NET any (msg:"from outside"; flow:to_server; http.uri; content:"/outside"; sid:1; rev:1;)
reject http $HOME_NET any -> any any (msg:"from here"; flow:to_server; http.uri; content:"/inside"; sid:2; rev:1;)
alert tcp any any -> any $NOBODY (flow:to_server; content:"x"; sid:3; rev:1;)
"""


def with_variables(topology):
    return dict(configuration(topology), rule_variables=[{"name": "HOME_NET", "values": [SERVER_IP + "/32"]},
                                                         {"name": "EXTERNAL_NET", "values": ["'!$HOME_NET'"]}])


def test_c1_variables_of_the_configuration(fresh_lab):
    lab = fresh_lab(document=with_variables, filters=VARIABLES)
    assert lab.curl("/outside").reset
    assert lab.curl("/inside").ok, "the client is not in HOME_NET"
    refused = lab.appliance.show("filters", "refused")["refused"]
    assert [(r["line"], r["sid"], r["reason"]) for r in refused] == [(3, 3, 'unknown port variable "$NOBODY"')]


def smtp_server(connection):
    """greets, answers every line with 250, returns what it was sent"""
    seen = bytearray()
    try:
        connection.sendall(b"220 mail\r\n")
        while part := connection.recv(65536):
            seen += part
            connection.sendall(b"250 ok\r\n")
    except OSError:
        pass
    return bytes(seen)


def converse(lab, lines, name="www.example.test", context=None):
    """(outcome, what the server was sent) of a conversation in which the server speaks first"""
    with TlsServer(lab.topology, 9000, lab.certificate, smtp_server) as server:
        raw = RawTls(tcp_connect(lab.client, 9000), context or client_context(), name=name).handshake()

        def talk():
            raw.recv(100)
            for line in lines:
                raw.sendall(line)
                if not raw.recv(100):
                    raise ConnectionResetError("closed")
        outcome, _ = outcome_of(talk)
        raw.close()
        wait_until(lambda: server.results or server.errors, 5, "the server's connection to end")
    return outcome, b"".join(server.results)


@pytest.mark.quick
def test_c1_filter_on_the_name_blocks_before_the_first_byte(mail_lab):
    outcome, seen = converse(mail_lab, [b"EHLO a\r\n"], name="a.blocked.example")
    assert outcome in ("reset", "closed") and seen == b"", (outcome, seen)
    assert mail_lab.appliance.wait_record("block", signature_id=1)["sni"] == "a.blocked.example"


def test_c1_filters_of_packets_see_one_turn(mail_lab):
    outcome, seen = converse(mail_lab, [b"EHLO a1\r\n", b"NOOP\r\n", b"BDAT 3\r\nabc"])
    assert outcome in ("reset", "closed"), outcome
    assert seen.startswith(b"EHLO a1\r\nNOOP\r\n") and b"BDAT" not in seen, seen
    assert mail_lab.appliance.wait_record("block", signature_id=3)["dest_port"] == 9000
    assert mail_lab.appliance.wait_record("alert", signature_id=4)


def test_c1_harmless_session_passes_and_its_version_is_told(mail_lab):
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome, seen = converse(mail_lab, [b"EHLO abc\r\n", b"NOOP BDAT\r\n"], context=context)
    assert outcome == "ok" and seen == b"EHLO abc\r\nNOOP BDAT\r\n", (outcome, seen)
    assert mail_lab.appliance.wait_record("alert", signature_id=2)
    assert all(r["signature_id"] != 4 for r in mail_lab.appliance.records("alert"))
