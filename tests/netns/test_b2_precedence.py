# SPDX-License-Identifier: Apache-2.0
"""B1, B2, B3: what acts before what, as far as the decrypted phase is concerned. Each case is a pair of stages, or of signature
filters, that both apply to one session; the record and the wire tell which one did."""
import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import outcome_of, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, collect
from lab.topology import CLIENT_IP, EXCEPTED_IP


def rule(action, sid, text, options=""):
    return '%s tcp any any -> any any (msg:"%d"; flow:to_server; content:"%s"; %ssid:%d; rev:1;)\n' % (action, sid, text, options, sid)


FILTERS = rule("drop", 1, "www.example.test") + rule("drop", 2, "BLOCK-ME") + rule("alert", 3, "TRUST-ME") + rule("alert", 4, "NOTE-ME") \
    + rule("alert", 5, "BLOCK-ME") + rule("alert", 6, "CK-ME") + rule("drop", 7, "TRUST-ME-NOT")


def document(topology, **profile):
    settings = configuration(topology, servers=[ssl_server("raw", ["9000-9009"], service="any")], **dict(
        {"filter_overrides": [{"filter": sid, "action_set": "trusted"} for sid in (3, 6)]}, **profile))
    order = ["device", "segments", "ssl_servers"]
    return dict({key: settings[key] for key in order}, action_sets=[{"name": "trusted", "action": "trust"}],
                **{key: value for key, value in settings.items() if key not in order})


@pytest.fixture(scope="module")
def precedence_lab(request):
    from lab.laboratory import Laboratory
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=document, filters=FILTERS) as laboratory:
        yield laboratory


def talk(lab, text, expected, source=CLIENT_IP, port=9000):
    """Did it pass whole? Its records must be {sid: log}."""
    before = {log: len(lab.appliance.records(log)) for log in ("block", "alert")}
    with TlsServer(lab.topology, port, lab.certificate, collect) as server:
        connection = tls_connect(lab.client, port, lab.certificate, source=(source, 0))
        outcome_of(lambda: (connection.sendall(text), connection.unwrap()))
        connection.close()
        wait_until(lambda: server.results or server.errors, 10, "the server's end")
    wait_until(lambda: lab.appliance.show("sessions")["total"] == 0, 10, "the session's end")

    def records():
        return {r["signature_id"]: log for log, n in before.items() for r in lab.appliance.records(log)[n:]}
    wait_until(lambda: len(records()) >= len(expected), 5, "records of %s" % expected)
    assert records() == expected
    return b"".join(server.results) == text


CASES = {  # name: (what the client sends, passes, {sid: log})
    "a block": (b"BLOCK-ME", False, {2: "block", 5: "alert", 6: "alert"}),
    "block before trust, by the byte": (b"BLOCK-ME TRUST-ME", False, {2: "block", 5: "alert", 6: "alert"}),
    "trust before block, by the byte": (b"TRUST-ME BLOCK-ME", True, {3: "alert"}),
    "trust ends inspection for a longer match that begins before it": (b"TRUST-ME-NOT", True, {3: "alert"}),
    "notify before both": (b"NOTE-ME TRUST-ME BLOCK-ME", True, {4: "alert", 3: "alert"}),
}


@pytest.mark.parametrize("case", CASES)
def test_b1_signature_filters_among_each_other(precedence_lab, case):
    text, passes, expected = CASES[case]
    assert talk(precedence_lab, text, expected) == passes


@pytest.mark.quick
def test_b2_bypass_acts_before_signature_filters(precedence_lab):
    """both apply: the client is a source address exception, and what it sends would be blocked"""
    before = precedence_lab.appliance.counters()
    assert talk(precedence_lab, b"BLOCK-ME", {}, source=EXCEPTED_IP)
    precedence_lab.appliance.wait_counter("wire_excepted", before["wire_excepted"] + 1)
    assert precedence_lab.appliance.counters()["sessions_new"] == before["sessions_new"]


@pytest.mark.quick
def test_b2_signature_filters_never_act_before_decryption(precedence_lab):
    """the name stands in every ClientHello, in the clear"""
    assert talk(precedence_lab, b"harmless", {})
    assert not talk(precedence_lab, b"GET www.example.test", {1: "block"})


@pytest.mark.quick
def test_b3_signature_filters_cannot_match_what_is_not_decrypted(precedence_lab):
    """a TLS server that is no SSL server, in the same profile and with the same filters; the second shows that they would match"""
    before = precedence_lab.appliance.counters()
    assert talk(precedence_lab, b"BLOCK-ME", {}, port=9500)
    assert precedence_lab.appliance.counters()["sessions_new"] == before["sessions_new"]
    assert not talk(precedence_lab, b"BLOCK-ME", {2: "block", 5: "alert", 6: "alert"}, port=9001)
