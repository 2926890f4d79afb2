# SPDX-License-Identifier: Apache-2.0
"""B8, C1, C2, C4, F1: attacks inside TLS are blocked however they are cut; the server never sees the matching bytes."""
import json
import time

import pytest

from lab.appliance import FILTERS, configuration, ssl_server
from lab.capture import RST, Capture, application_bytes, one_way, stream, tls_records
from lab.clients import (WEB_NAME, RawTls, client_context, http_get, outcome_of, tcp_connect, tls_connect)
from lab.peers import TlsServer, collect, http_reply
from lab.topology import CLIENT_IP, EXCEPTED_IP, SERVER_IP

URI_ATTACK = b"GET /static/../../etc/passwd HTTP/1.1\r\nHost: www.example.test\r\n\r\n"
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])


def blocked(outcome):
    return outcome in ("reset", "closed")


def send_in_pieces(lab, pieces, port=8443, cut=0, service_reply=b"ok", pause=0.01):
    """Each piece in a record of its own to a server that keeps what it is sent; (outcome, bytes the server got)."""
    with TlsServer(lab.topology, port, lab.certificate, http_reply(service_reply)) as server:
        raw = RawTls(tcp_connect(lab.client, port), client_context(lab.certificate), cut=cut).handshake()

        def talk():
            for piece in pieces:
                raw.sendall(piece)
                time.sleep(pause)
            data = raw.recv(65536)
            if not data:
                raise ConnectionResetError("closed without an answer")
            return data
        outcome, _ = outcome_of(talk)
        raw.close()
        deadline = time.monotonic() + 5
        while not server.results and not server.errors and time.monotonic() < deadline:
            time.sleep(0.01)
        return outcome, b"".join(server.results)


def chop(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


# --- block ------------------------------------------------------------------------------------------------------------
@pytest.mark.quick
@VERSIONS
def test_b8_attack_in_the_uri_reaches_the_server_with_not_one_byte(lab, version):
    with Capture(lab.server, "s0", lab.topology.path("block-s.pcap"), "tcp port 443") as at_server, \
            Capture(lab.client, "c0", lab.topology.path("block-c.pcap"), "tcp port 443") as at_client:
        reply = lab.curl("/download?file=../../etc/passwd&%s" % version, "--path-as-is", "--tlsv" + version, "--tls-max", version)
        time.sleep(0.2)
    assert reply.reset, reply
    assert not lab.nginx.saw("etc/passwd")
    port = reply.local_port or one_way(at_client.frames(), CLIENT_IP)[0].source_port
    to_server = one_way(at_server.frames(), CLIENT_IP, source_port=port)
    assert application_bytes(tls_records(stream(to_server)), version == "1.3") == 0
    assert any(f.flags & RST for f in to_server), "the server's side is reset"
    assert any(f.flags & RST for f in one_way(at_client.frames(), SERVER_IP, destination_port=port)), "the client's side is reset"


@pytest.mark.quick
def test_g3_block_record_tells_who_what_and_why(lab):
    reply = lab.curl("/a?f=../../etc/passwd&g3", "--path-as-is", "-A", "nosy", "-H", "X-Forwarded-For: 198.51.100.7")
    assert not reply.ok
    record = lab.appliance.wait_record("block", url="/a?f=../../etc/passwd&g3")
    expected = {"signature_id": 4000001, "rev": 1, "signature": "path traversal in the URI", "category": "web-application-attack",
                "filter_severity": 1, "ssl_inspect": True, "profile": "default", "ssl_policy": "web-policy", "ssl_server": "web",
                "virtual_segment": "dmz-in", "src_ip": CLIENT_IP, "dest_ip": SERVER_IP, "dest_port": 443, "http_method": "GET",
                "direction": "to_server", "xff": "198.51.100.7"}
    assert {key: record.get(key) for key in expected} == expected
    assert WEB_NAME in record["hostname"]
    assert not [r for r in lab.appliance.records("ssl_inspection") if r["session_id"] == record["session_id"]], "G2: blocked sessions have their own log"


@pytest.mark.parametrize("fields, true", [
    (["198.51.100.7"], "198.51.100.7"),
    (["10.1.1.1, 198.51.100.8 "], "198.51.100.8"),
    (["10.1.1.1", "198.51.100.9"], "198.51.100.9"),  # a proxy that adds a field of its own
    (["10.1.1.1, 2001:db8::7"], "2001:db8::7"),
    (["198.51.100.7, <script>"], None),
    (["198.51.100.7, " + "9" * 300], None),
])
def test_g3_the_true_client_is_the_one_that_the_nearest_proxy_names(lab, fields, true):
    url = "/a?f=../../etc/passwd&true=%s" % (true or len(fields[0]))
    lab.curl(url, "--path-as-is", *[word for field in fields for word in ("-H", "X-Forwarded-For: " + field)])
    record = lab.appliance.wait_record("block", url=url)
    assert record.get("true_client_ip") == true and record["xff"] == fields[-1].strip(), record


@pytest.mark.quick
@VERSIONS
def test_c2_pcre_over_the_body_is_blocked(lab, version):
    body = "id=1 UNION   SELECT password FROM users"
    reply = lab.curl("/submit?body-%s" % version, "-d", body, "--tlsv" + version, "--tls-max", version)
    assert reply.reset, reply
    assert not lab.nginx.saw("/submit?body-" + version)
    assert lab.appliance.wait_record("block", signature_id=4000002, url="/submit?body-" + version)["rev"] == 3


@pytest.mark.quick
def test_harmless_requests_that_look_alike_pass(lab):
    assert lab.curl("/etc/password-policy").exit == 0
    assert lab.curl("/submit", "-d", "the unions select nobody; etc/passwd").ok
    assert lab.curl("/", "-H", "X-Note: /etc/passwd union select").ok


def test_c2_block_in_a_later_request_of_the_same_connection(lab):
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        for number in range(5):
            assert http_get(connection, "/innocent-%d" % number)[0] == 200
        outcome, _ = outcome_of(lambda: http_get(connection, "/later/../../etc/passwd"))
    assert blocked(outcome), outcome
    assert len(lab.nginx.wait_for("/innocent-")) == 5 and not lab.nginx.saw("/later/")


def test_c2_pipelined_attack_behind_a_harmless_request(lab):
    harmless = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
    _, seen = send_in_pieces(lab, [harmless + URI_ATTACK])
    assert b"passwd" not in seen and b"GET /static" not in seen


# --- however it is cut ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_c2_match_split_over_records(lab, size):
    outcome, seen = send_in_pieces(lab, chop(URI_ATTACK, size), pause=0.002)
    assert blocked(outcome) and seen == b"", (outcome, seen)


def test_c2_match_split_over_segments(lab):
    """one record, each of its bytes in a segment of its own"""
    outcome, seen = send_in_pieces(lab, [URI_ATTACK], cut=1)
    assert blocked(outcome) and seen == b"", (outcome, seen)


@pytest.mark.parametrize("cut", [0, 1000, 1])
def test_c2_match_at_the_last_byte_of_a_16_kb_body(lab, cut):
    body = b"A" * (16384 - len(b"union select")) + b"union select"
    assert len(body) == 16384
    head = b"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n"
    outcome, seen = send_in_pieces(lab, [head, body], cut=cut)
    assert blocked(outcome) and b"union" not in seen and b"AAAA" not in seen, (outcome, seen[:200])


def test_c2_harmless_16_kb_body_passes_whole(lab):
    body = b"A" * (16384 - 12) + b"union delete"
    head = b"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n"
    outcome, seen = send_in_pieces(lab, [head, body])
    assert outcome == "ok" and seen == head + body


@pytest.mark.parametrize("size", [1, 5])
def test_c4_chunked_body_is_judged_as_a_whole(lab, size):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chop(b"q=union  select", size)) + b"0\r\n\r\n"
    head = b"POST /submit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    outcome, seen = send_in_pieces(lab, [head + chunks])
    assert blocked(outcome) and b"union" not in seen, (outcome, seen)


def test_c4_percent_encoded_uri_is_normalised(lab):
    reply = lab.curl("/x/..%2f..%2f%65tc/p%61sswd", "--path-as-is")
    assert reply.reset and not lab.nginx.saw("/x/"), reply


@pytest.mark.parametrize("size", [1, 3, 6])
def test_c3_raw_service_match_split_over_records(lab, size):
    """decrypted service any: raw stream"""
    with TlsServer(lab.topology, 9001, lab.certificate, collect) as server:
        raw = RawTls(tcp_connect(lab.client, 9001), client_context(lab.certificate)).handshake()

        def talk():
            for piece in [b"x" * 5000, *chop(b"RAW-ATTACK-9", size), b" tail"]:
                raw.sendall(piece)
                time.sleep(0.002)
            if not raw.recv(1):
                raise ConnectionResetError("closed")
        outcome, _ = outcome_of(talk)
        raw.close()
        deadline = time.monotonic() + 3
        while not server.results and time.monotonic() < deadline:
            time.sleep(0.01)
    seen = b"".join(server.results)
    assert blocked(outcome) and b"RAW-ATTACK-9" not in seen and b"tail" not in seen, (outcome, seen[-40:])


# --- notify -----------------------------------------------------------------------------------------------------------
@pytest.mark.quick
def test_g3_pattern_in_a_response_raises_an_alert_and_passes(lab):
    lab.nginx.put_file("leak.txt", 0, b"prefix " * 500 + b"CONFIDENTIAL-4711 suffix\n")
    reply = lab.curl("/files/leak.txt")
    assert reply.ok and b"CONFIDENTIAL-4711" in reply.body
    record = lab.appliance.wait_record("alert", signature_id=4000003)
    assert record["direction"] == "to_client" and record["ssl_inspect"] is True and record["url"] == "/files/leak.txt"


def test_c2_response_pattern_split_over_records(lab):
    def handler(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n")
        for byte in b"CONFIDENTIAL-4711":
            connection.sendall(bytes([byte]))
    before = len([r for r in lab.appliance.records("alert") if r["signature_id"] == 4000003])
    with TlsServer(lab.topology, 8443, lab.certificate, handler):
        with tls_connect(lab.client, 8443, lab.certificate) as connection:
            assert http_get(connection, "/split") == (200, b"CONFIDENTIAL-4711")
    deadline = time.monotonic() + 5
    while len([r for r in lab.appliance.records("alert") if r["signature_id"] == 4000003]) == before:
        assert time.monotonic() < deadline, "no alert"
        time.sleep(0.05)


def test_c1_notify_only_filter_lets_pass(lab):
    assert lab.curl("/?noted=1").ok
    assert lab.appliance.wait_record("alert", signature_id=4000004)["url"] == "/?noted=1"


def test_b11_responses_uninspected_by_profile(fresh_lab):
    lab = fresh_lab(document=lambda t: configuration(t, inspect_server_response=False))
    lab.nginx.put_file("leak.txt", 0, b"CONFIDENTIAL-4711\n")
    assert lab.curl("/files/leak.txt").ok
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset
    lab.appliance.wait_record("block", signature_id=4000001)
    assert not lab.appliance.records("alert")


# --- who is inspected -------------------------------------------------------------------------------------------------
@pytest.mark.quick
def test_f1_source_address_exception_passes_undecrypted(lab):
    before = lab.appliance.counters()
    reply = lab.curl("/download?file=../../etc/passwd&excepted", "--path-as-is", "--interface", EXCEPTED_IP)
    assert reply.exit == 0, reply
    assert lab.nginx.wait_for("passwd&excepted")[0]["address"] == EXCEPTED_IP
    lab.appliance.wait_counter("wire_excepted", before["wire_excepted"] + 1)
    assert lab.appliance.counters()["sessions_new"] == before["sessions_new"]


def test_c3_decrypted_service_other_is_proxied_unfiltered(fresh_lab):
    lab = fresh_lab(document=lambda t: configuration(t, servers=[ssl_server("web", ["443"], service="other")]))
    reply = lab.curl("/download?file=../../etc/passwd&other", "--path-as-is")
    assert reply.exit == 0 and lab.nginx.wait_for("passwd&other")
    lab.appliance.wait_counter("sessions_established", 1)


def test_c1_refused_filters_are_listed_never_dropped_silently(fresh_lab):
    bad = 'alert http any any -> any any (msg:"needs a script"; lua:evil.lua; sid:4999; rev:1;)\nthis is no filter\n'
    lab = fresh_lab(filters=FILTERS + bad)
    lines = FILTERS.count("\n")
    refused = {(row["line"], row["sid"]): row["reason"] for row in lab.appliance.show("filters", "refused")["refused"]}
    assert (lines + 1, 4999) in refused and "lua" in refused[lines + 1, 4999], refused
    assert any(line == lines + 2 for line, _ in refused)
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset, "the others are in force"


def test_no_log_line_can_be_forged(lab):
    """G5: text from the wire stays inside its field"""
    hostile = "/a?f=../../etc/passwd&%0a%22%7d\"}{\"signature_id\":1"
    lab.curl(hostile, "--path-as-is", "-g", "-H", 'X-Forwarded-For: "}\x01{"a":"b')
    record = lab.appliance.wait_record("block", url=hostile)
    assert record["signature_id"] == 4000001
    with open(lab.appliance.state_dir + "/log/block.json") as log:
        for line in log:
            json.loads(line)


def test_tls_alert_or_reset_never_plaintext_on_a_device(lab):
    """B10: a capture on the hosts' interfaces shows no plaintext of a decrypted session"""
    with Capture(lab.server, "s0", lab.topology.path("plain-s.pcap")) as at_server, \
            Capture(lab.client, "c0", lab.topology.path("plain-c.pcap")) as at_client:
        assert lab.curl("/secret-path-20250101").ok
    for capture in at_server, at_client:
        assert not any(b"secret-path-20250101" in f.payload or b"hello from nginx" in f.payload for f in capture.frames())
