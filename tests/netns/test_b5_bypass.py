# SPDX-License-Identifier: Apache-2.0
"""B5: inspection bypass rules, in the kernel, with the commit that brings them."""
import contextlib

import pytest

from lab.appliance import configuration
from lab.clients import tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, echo
from lab.topology import CLIENT_IP, SERVER_IP
from lab.traffic import ATTACK

ECHO_PORT = 9001


def with_rules(lab, *rules):
    return dict(configuration(lab.topology), bypass_rules=list(rules))


def passes(lab, mark):
    reply = lab.curl(ATTACK + "&" + mark, "--path-as-is", timeout=4)
    assert reply.ok or reply.reset, reply
    return reply.ok


@pytest.mark.quick
def test_b5_rules_act_with_the_commit_and_end_with_it(own_lab):
    lab = own_lab
    assert not passes(lab, "before")
    lab.appliance.commit(with_rules(lab, {"name": "backup", "segment": "dmz", "direction": "a_to_b", "protocol": "tcp",
                                          "sources": [CLIENT_IP + "/32"], "destinations": ["10.0.0.0/8", SERVER_IP], "ports": ["400-450"]}))
    assert passes(lab, "bypassed")
    lab.appliance.wait_counter("wire_bypassed_rule", 1)
    row = lab.appliance.show("bypass-rules")["bypass_rules"][0]
    assert (row["name"], row["flows"], row["ports"]) == ("backup", 1, ["400-450"])
    answer = lab.appliance.ask("diagnose", CLIENT_IP, SERVER_IP, check=False)
    assert answer["first_problem"] == "bypass_rule" and "backup" in str(answer["steps"]), answer
    lab.appliance.commit(configuration(lab.topology))
    assert not passes(lab, "after")


@pytest.mark.parametrize("rule", [
    {"direction": "b_to_a"}, {"protocol": "udp"}, {"sources": ["192.0.2.0/24"]}, {"destinations": ["192.0.2.1"]},
    {"ports": ["444-65535", "1-442"]}, {"vlans": ["1-4094"]}], ids=lambda rule: next(iter(rule)))
def test_b5_a_rule_that_does_not_fit_lets_nothing_pass(lab, rule):
    try:
        lab.appliance.commit(with_rules(lab, dict({"name": "other"}, **rule)))
        assert not passes(lab, "no-fit")
    finally:
        lab.appliance.commit(configuration(lab.topology))


def test_b5_a_session_in_being_stays_proxied_and_is_inspected_no_longer(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), contextlib.closing(tls_connect(lab.client, ECHO_PORT)) as session:
        session.sendall(b"harmless")
        assert session.recv(64) == b"harmless"
        lab.appliance.commit(with_rules(lab, {"name": "raw", "ports": ["9000-9009"]}))
        lab.appliance.wait_counter("sessions_bypassed_later", 1)
        session.sendall(b"RAW-ATTACK-9")
        assert session.recv(64) == b"RAW-ATTACK-9", "uninspected, through the same session"
        rows = lab.appliance.show("sessions")["sessions"]
        assert len(rows) == 1 and not rows[0]["inspected"], rows


def test_b5_a_request_held_for_its_verdict_goes_on(own_lab):
    lab = own_lab
    with contextlib.closing(tls_connect(lab.client, 443)) as session:
        session.sendall(b"GET /held HTTP/1.1\r\nHost: web")
        wait_until(lambda: lab.appliance.show("sessions")["sessions"], 5, "the session to be listed")
        lab.appliance.commit(with_rules(lab, {"name": "web", "ports": ["443"]}))
        lab.appliance.wait_counter("sessions_bypassed_later", 1)
        session.sendall(b".example\r\nConnection: close\r\n\r\n")
        assert session.recv(65536).startswith(b"HTTP/1.1 ")
    wait_until(lambda: lab.nginx.saw("/held"), 5, "the request at the server")


def test_b5_thousands_of_rules(own_lab):
    lab = own_lab
    many = [{"name": "r%d" % i, "sources": ["198.%d.%d.0/24" % (18 + i // 250 % 2, i % 250)], "ports": [str(1 + i)]} for i in range(4000)]
    lab.appliance.commit(with_rules(lab, *many), timeout=60)
    assert not passes(lab, "none-fits")
    lab.appliance.commit(with_rules(lab, *many, {"name": "last", "sources": [CLIENT_IP], "ports": ["443"]}), timeout=60)
    assert passes(lab, "the-last-fits")
    assert lab.curl("/x").ok
