# SPDX-License-Identifier: Apache-2.0
"""B8, B9, B11, F1, G3: action sets, the TCP reset truth table on the wire, categories, overrides, trust, monitor-only."""
import pytest

from lab.appliance import configuration, ssl_server
from lab.capture import FIN, RST, Capture, one_way
from lab.clients import outcome_of, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, collect
from lab.topology import CLIENT_IP, SERVER_IP

# ports 9000 to 9003: tcp_reset_to_server off; 9100 to 9103: on. The last digit chooses the action set of the mark.
SETS = {"none": "MARK-ZERO", "client": "MARK-ONE", "server": "MARK-TWO", "both": "MARK-THREE"}
SIDS = {reset: 5000000 + number for number, reset in enumerate(SETS)}
OWN = {"drop": "OWN-DROP", "reject": "OWN-REJECT", "rejectsrc": "OWN-SOURCE", "rejectdst": "OWN-DESTINATION", "rejectboth": "OWN-BOTH"}
OWN_RESETS = {"drop": "none", "reject": "both", "rejectsrc": "client", "rejectdst": "server", "rejectboth": "both"}


def rule(action, text, sid, direction="to_server", options=""):
    return '%s tcp any any -> any any (msg:"%s"; flow:established,%s; content:"%s"; %ssid:%d; rev:1;)\n' % (
        action, text.lower(), direction, text, options, sid)


FILTERS = "".join(rule("alert", mark, SIDS[reset]) for reset, mark in SETS.items())
FILTERS += "".join(rule(action, mark, 5000100 + number) for number, (action, mark) in enumerate(OWN.items()))
FILTERS += rule("drop", "BACK-MARK", 5000200, "to_client")
FILTERS += rule("drop", "CATEGORY-OFF", 5000201, options="classtype:policy-violation; ")
FILTERS += rule("alert", "CATEGORY-BLOCK", 5000202, options="classtype:misc-attack; ")
FILTERS += rule("drop", "EXCEPT-ME", 5000203, options="classtype:policy-violation; ")
FILTERS += rule("drop", "SINGLE-OFF", 5000204)
FILTERS += rule("alert", "FRIEND", 5000205)
FILTERS += rule("alert", "HUSH", 5000206)
FILTERS += rule("alert", "OWN-DROP", 5000207)
FILTERS += rule("pass", "PASS-OWN-DROP", 5000208)


def document(topology, **profile):
    servers = [ssl_server("plain", ["9000-9009"], service="any"), ssl_server("release", ["9100-9109"], service="any", tcp_reset_to_server=True)]
    settings = configuration(topology, servers=servers, limits={"drain_timeout_seconds": 3}, **dict({
        "filter_categories": [{"category": "policy-violation", "enabled": False}, {"category": "misc-attack", "action_set": "set-both"}],
        "filter_overrides": [{"filter": SIDS[reset], "action_set": "set-" + reset} for reset in SETS] + [
            {"filter": 5000203}, {"filter": 5000204, "enabled": False}, {"filter": 5000205, "action_set": "trusted"},
            {"filter": 5000206, "action_set": "silent"}]}, **profile))
    profiles = settings.pop("profiles")
    virtual = settings.pop("virtual_segments")
    sets = [{"name": "set-" + reset, "action": "block", "tcp_reset": reset} for reset in SETS]
    sets += [{"name": "trusted", "action": "trust"}, {"name": "silent", "action": "block", "notify": []}]
    return dict(settings, action_sets=sets, profiles=profiles, virtual_segments=virtual)


@pytest.fixture(scope="module")
def actions_lab(request):
    from lab.laboratory import Laboratory
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=document, filters=FILTERS) as laboratory:
        yield laboratory


def send(lab, port, text, answer=b""):
    """What became of the client's connection, what the server got, and both sides' frames towards the peers."""
    def handler(connection):
        data = connection.recv(65536)
        if answer:
            connection.sendall(answer)
        return data + collect(connection)
    path = lab.topology.path("%d-%s" % (port, text[:12].decode()))
    with Capture(lab.client, "c0", path + "-c.pcap", "tcp port %d" % port) as at_client, \
            Capture(lab.server, "s0", path + "-s.pcap", "tcp port %d" % port) as at_server, \
            TlsServer(lab.topology, port, lab.certificate, handler) as server:
        connection = tls_connect(lab.client, port, lab.certificate)

        def talk():
            connection.sendall(b"hello, ")
            connection.sendall(text)
            return connection.recv(65536)
        outcome, reply = outcome_of(talk)
        connection.close()
        wait_until(lambda: server.results or server.errors, 10, "the server's end")
    got = server.results[0] if server.results else b""
    outcome = "closed" if outcome == "ok" and not reply else outcome
    return outcome, reply, got, at_client.frames(), at_server.frames()


def resets(client_frames, server_frames):
    """Which sides Sluice reset, and which it closed with a FIN"""
    to_client, to_server = one_way(client_frames, SERVER_IP), one_way(server_frames, CLIENT_IP)
    flags = [0, 0]
    for side, frames in enumerate((to_client, to_server)):
        for frame in frames:
            flags[side] |= frame.flags
    reset = {(False, False): "none", (True, False): "client", (False, True): "server", (True, True): "both"}
    return reset[bool(flags[0] & RST), bool(flags[1] & RST)], [bool(f & FIN) for f in flags]


@pytest.mark.quick
@pytest.mark.parametrize("option", [False, True], ids=["option-off", "option-on"])
@pytest.mark.parametrize("reset", SETS)
def test_b9_reset_truth_table_on_the_wire(actions_lab, reset, option):
    port = (9100 if option else 9000) + list(SETS).index(reset)
    outcome, _, got, at_client, at_server = send(actions_lab, port, SETS[reset].encode())
    expected = {("none", True): "server", ("client", True): "both"}.get((reset, option), reset)
    seen, fins = resets(at_client, at_server)
    assert seen == expected
    assert fins == [expected in ("none", "server"), expected in ("none", "client")], "the side that is not reset is closed"
    assert outcome != "ok" and SETS[reset].encode() not in got, (outcome, got)
    assert b"hello, ".startswith(got[:7])
    record = actions_lab.appliance.wait_record("block", signature_id=SIDS[reset], dest_port=port)
    wanted = {"action": "block", "configured_action": "block", "action_set": "set-" + reset, "tcp_reset": expected}
    assert {key: record.get(key) for key in wanted} == wanted
    assert actions_lab.appliance.show("sessions")["total"] == 0, "nothing of it lingers"


@pytest.mark.parametrize("action", OWN)
def test_b8_a_filters_own_action(actions_lab, action):
    _, _, got, at_client, at_server = send(actions_lab, 9004, OWN[action].encode())
    assert OWN[action].encode() not in got
    assert resets(at_client, at_server)[0] == OWN_RESETS[action]
    record = actions_lab.appliance.wait_record("block", signature=OWN[action].lower())
    assert record["action_set"] == "recommended" and record["tcp_reset"] == OWN_RESETS[action]


def test_g3_every_filter_that_matches_at_one_point_is_recorded(actions_lab):
    send(actions_lab, 9004, b"OWN-DROP")
    block = actions_lab.appliance.wait_record("block", signature_id=5000100)
    alert = actions_lab.appliance.wait_record("alert", signature_id=5000207, session_id=block["session_id"])
    assert (alert["action"], alert["configured_action"]) == ("permit", "permit")


def test_b9_block_of_a_response_resets_by_the_same_table(actions_lab):
    outcome, reply, _, at_client, at_server = send(actions_lab, 9100, b"please", answer=b"here is the BACK-MARK")
    assert b"BACK-MARK" not in (reply or b"")
    assert resets(at_client, at_server)[0] == "server"


def test_b8_no_reset_answers_a_client_that_goes_on_sending(actions_lab):
    """closed without a reset: what still comes is taken until the client is done"""
    with Capture(actions_lab.client, "c0", actions_lab.topology.path("goes-on.pcap"), "tcp port 9005") as capture, \
            TlsServer(actions_lab.topology, 9005, actions_lab.certificate, collect):
        connection = tls_connect(actions_lab.client, 9005, actions_lab.certificate)
        connection.sendall(b"MARK-ZERO")
        for _ in range(50):
            connection.sendall(b"x" * 16000)
        outcome, data = outcome_of(lambda: connection.recv(100))
        connection.close()
        wait_until(lambda: actions_lab.appliance.show("sessions")["total"] == 0, 5, "the session's end")
    assert outcome != "reset" and not data
    assert not any(f.flags & RST for f in one_way(capture.frames(), SERVER_IP))


def test_b8_a_client_that_never_closes_is_reset_after_the_drain_timeout(actions_lab):
    with TlsServer(actions_lab.topology, 9005, actions_lab.certificate, collect):
        connection = tls_connect(actions_lab.client, 9005, actions_lab.certificate)
        connection.sendall(b"MARK-ZERO")
        actions_lab.appliance.wait_record("block", signature_id=SIDS["none"], dest_port=9005)
        steps = [row["step"] for row in actions_lab.appliance.show("sessions")["sessions"]]
        assert steps == ["blocked"]
        wait_until(lambda: actions_lab.appliance.show("sessions")["total"] == 0, 8, "the drain timeout")
        connection.close()


@pytest.mark.quick
def test_b11_category_off_and_filter_off(actions_lab):
    for text in b"CATEGORY-OFF", b"SINGLE-OFF":
        outcome, reply, got, _, _ = send(actions_lab, 9004, text, answer=b"fine")
        assert (outcome, reply) == ("ok", b"fine") and text in got
    assert not [r for r in actions_lab.appliance.records("block") if r["signature_id"] in (5000201, 5000204)]


def test_b11_override_turns_one_filter_of_a_category_on(actions_lab):
    outcome, _, got, _, _ = send(actions_lab, 9004, b"EXCEPT-ME", answer=b"fine")
    assert outcome != "ok" and b"EXCEPT-ME" not in got


def test_f1_action_set_of_a_category(actions_lab):
    _, _, got, at_client, at_server = send(actions_lab, 9004, b"CATEGORY-BLOCK")
    assert b"CATEGORY-BLOCK" not in got and resets(at_client, at_server)[0] == "both"
    assert actions_lab.appliance.wait_record("block", signature_id=5000202)["action_set"] == "set-both"


@pytest.mark.quick
def test_b8_trust_lets_the_rest_pass_uninspected(actions_lab):
    outcome, reply, got, _, _ = send(actions_lab, 9004, b"FRIEND and then MARK-THREE", answer=b"BACK-MARK")
    assert (outcome, reply) == ("ok", b"BACK-MARK") and b"MARK-THREE" in got
    record = actions_lab.appliance.wait_record("alert", signature_id=5000205)
    assert (record["action"], record["configured_action"], record["action_set"]) == ("trust", "trust", "trusted")


def test_b8_without_notify_no_record(actions_lab):
    before = actions_lab.appliance.counters()
    outcome, _, got, _, _ = send(actions_lab, 9004, b"HUSH")
    assert outcome != "ok" and b"HUSH" not in got
    actions_lab.appliance.wait_counter("sessions_blocked", before["sessions_blocked"] + 1)
    assert actions_lab.appliance.counters()["filter_hits"] == before["filter_hits"] + 1
    actions_lab.appliance.wait_record("block")
    assert not [r for r in actions_lab.appliance.records("block") if r["signature_id"] == 5000206]


@pytest.mark.quick
def test_f1_monitor_only_says_what_would_have_been_blocked(fresh_lab):
    lab = fresh_lab(document=lambda t: document(t, monitor_only=True), filters=FILTERS)
    outcome, reply, got, _, _ = send(lab, 9004, b"MARK-THREE, OWN-REJECT", answer=b"fine")
    assert (outcome, reply) == ("ok", b"fine") and b"MARK-THREE, OWN-REJECT" in got
    for sid, name in (SIDS["both"], "set-both"), (5000101, "recommended"):
        record = lab.appliance.wait_record("alert", signature_id=sid)
        assert (record["action"], record["configured_action"], record["action_set"]) == ("permit", "block", name)
        assert "tcp_reset" not in record
    assert not lab.appliance.records("block") and lab.appliance.counters()["sessions_blocked"] == 0


def test_f1_default_action_set(fresh_lab):
    lab = fresh_lab(document=lambda t: document(t, default_action_set="set-client"), filters=FILTERS)
    _, _, _, at_client, at_server = send(lab, 9004, b"OWN-REJECT")
    assert resets(at_client, at_server)[0] == "client"
    assert lab.appliance.wait_record("block", signature_id=5000101)["action_set"] == "set-client"


def test_b8_action_sets_that_do_not_exist_yet_are_refused_with_a_reason(actions_lab):
    path = actions_lab.appliance.write_configuration("device: {name: x}\naction_sets: [{name: q, action: quarantine}]\n", FILTERS, "bad.yaml")
    result = actions_lab.appliance.command("check", path, check=False)
    assert result.returncode and "bad.yaml:2:" in result.stdout + result.stderr and "quarantine" in result.stdout + result.stderr


@pytest.mark.quick
def test_c1_a_pass_filter_goes_before_one_that_blocks(actions_lab):
    outcome, _, got, *_ = send(actions_lab, 9008, b"PASS-OWN-DROP, then OWN-BOTH", b"fine")
    assert outcome == "ok" and got.endswith(b"OWN-BOTH"), "the session is not inspected any more"
    assert not [r for r in actions_lab.appliance.records("block") + actions_lab.appliance.records("alert") if r["dest_port"] == 9008]


def test_b11_an_override_for_a_filter_that_no_package_holds_is_told(fresh_lab):
    lab = fresh_lab(document=document, filters=FILTERS)
    overrides = [{"filter": 5000204, "enabled": False}, {"filter": 5999999, "enabled": False}]
    for _ in range(2):  # compiled, and from the cache
        answer = lab.appliance.ask("commit", lab.appliance.write_configuration(document(lab.topology, filter_overrides=overrides), FILTERS))
        told = [problem for problem in answer["problems"] if "override" in problem["message"]]
        assert len(told) == 1 and "5999999" in told[0]["message"] and told[0]["severity"] == "warning" and told[0]["line"] > 1, answer
