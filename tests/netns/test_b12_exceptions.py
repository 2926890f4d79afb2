# SPDX-License-Identifier: Apache-2.0
"""B12, C4: limits of inspection are counted, and what happens at each is configured."""
import gzip

import pytest

from lab.appliance import configuration, ssl_server
from lab.capture import RST, Capture, one_way
from lab.clients import outcome_of, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, collect
from lab.topology import CLIENT_IP, SERVER_IP

FILTERS = 'drop http any any -> any any (msg:"in a body"; flow:to_server; http.request_body; content:"evil-body"; sid:1; rev:1;)\n' \
          'drop http any any -> any any (msg:"costly"; flow:to_server; http.request_body; content:"11"; pcre:"/(1+)+z/"; sid:2; rev:1;)\n' \
          'alert http any any -> any any (msg:"thinned out"; flow:to_server; http.uri; content:"/thin"; ' \
          'threshold:type limit, track by_src, count 1, seconds 3600; sid:3; rev:1;)\n'

BOTH = b"POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
BOMB = gzip.compress(bytes(90 << 20), 9)
CASES = {  # counter -> (request, bytes of it that may reach the server when the policy ends the session)
    "http_smuggling": BOTH,
    "http_anomaly": b"\x00\x01 this is no HTTP at all\r\n\r\n",
    "decode_failed": b"POST /zstd HTTP/1.1\r\nHost: a\r\nContent-Encoding: zstd\r\nContent-Length: 4\r\n\r\nabcd",
    "decode_limit": b"POST /bomb HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "confirm_limit": b"POST /cost HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + b"1" * 3998 + b"-z",
}


def document(topology, policy, **profile):
    settings = configuration(topology, workers=1, servers=[ssl_server("web", ["9000-9009"], service="http")], **profile)
    return dict({"exception_policies": {name: policy for name in CASES}}, **settings)


def send(lab, port, request):
    with Capture(lab.client, "c0", lab.topology.path("c.pcap"), "tcp port %d" % port) as at_client, \
            Capture(lab.server, "s0", lab.topology.path("s.pcap"), "tcp port %d" % port) as at_server, \
            TlsServer(lab.topology, port, lab.certificate, collect) as server:
        connection = tls_connect(lab.client, port, lab.certificate)
        outcome, _ = outcome_of(lambda: connection.sendall(request))
        if outcome == "ok":  # half-closed: what passes arrives whole, what is blocked ends here
            outcome, _ = outcome_of(lambda: connection.unwrap())
        connection.close()
        wait_until(lambda: server.results or server.errors, 15, "the server's end")
    resets = [any(f.flags & RST for f in frames) for frames in
              (one_way(at_client.frames(), SERVER_IP), one_way(at_server.frames(), CLIENT_IP))]
    return b"".join(server.results), resets


@pytest.mark.parametrize("policy", ["bypass", "block", "reset"])
def test_b12_each_limit_has_its_policy(fresh_lab, policy):
    lab = fresh_lab(document=lambda t: document(t, policy), filters=FILTERS)
    for number, (name, request) in enumerate(CASES.items()):
        before = lab.appliance.counters()
        seen, resets = send(lab, 9000 + number, request)
        counters = {key: value - before[key] for key, value in lab.appliance.counters().items()}
        assert counters["inspect_" + name] >= 1, name
        assert counters["inspect_limit_streams"] == 1, name
        assert counters["inspect_limit_blocked"] == (policy != "bypass"), name
        if policy == "bypass":
            assert seen == request, name
            continue
        assert len(seen) < len(request), name
        assert resets == [policy == "reset"] * 2, (name, resets)
        record = lab.appliance.wait_record("block", signature_id=0, dest_port=9000 + number)
        assert name in record["signature"] and record["action_set"] == "exception_policies", record
        assert record["tcp_reset"] == ("both" if policy == "reset" else "none")
    if policy != "bypass":
        assert b"POST /both" not in send(lab, 9009, BOTH)[0], "the head with two lengths reaches the server with not one byte"


def test_b12_monitor_only_ends_no_session(fresh_lab):
    lab = fresh_lab(document=lambda t: document(t, "reset", monitor_only=True), filters=FILTERS)
    assert send(lab, 9000, BOTH)[0] == BOTH
    counters = lab.appliance.counters()
    assert counters["inspect_http_smuggling"] == 1 and counters["inspect_limit_blocked"] == 0


def test_b12_suppressed_records_are_counted(fresh_lab):
    lab = fresh_lab(document=lambda t: document(t, "bypass"), filters=FILTERS)
    for _ in range(4):
        send(lab, 9000, b"GET /thin HTTP/1.1\r\nHost: a\r\n\r\n")
    lab.appliance.wait_counter("inspect_rate_suppressed", 3)
    assert len([r for r in lab.appliance.records("alert") if r["signature_id"] == 3]) == 1
