# SPDX-License-Identifier: Apache-2.0
"""C1, C2: messages made from rules, matches and near misses, through the appliance in TLS: each verdict is as expected, however
the bytes are cut. The rules are our own, or 520 of ET Open where SLUICE_RULE_DATA names its folder; SLUICE_SURICATA adds
Suricata's opinion on the same cleartext (tests/oracle/oracle.py compares all rules, without the wire)."""
import concurrent.futures
import copy
import os
import random
import sys
import threading

import pytest

from lab.appliance import configuration
from lab.clients import RawTls, client_context, tcp_connect
from lab.namespace import wait_until
from lab.peers import TlsServer

ORACLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../oracle")
sys.path.insert(0, ORACLE)

import oracle  # noqa: E402
import recipe  # noqa: E402
import suricata  # noqa: E402
from model import Message, matches  # noqa: E402

PORT = 8443
LAST = 'alert http any any -> any any (msg:"the last one"; http.uri; content:"/the-last-of-all"; sid:1;)\n'
AT_ONCE = 4


class Chunked(Message):
    """the same message in chunks of random sizes"""

    def __init__(self, message, rng):
        fields = [(name, value) for name, value in message.fields if name.lower() != b"content-length"]
        super().__init__(message.start, fields + [(b"Transfer-Encoding", b"chunked")], message.body, message.response)
        self.framed, body = bytearray(), message.body
        while body:
            size = rng.randint(1, min(len(body), 40))
            self.framed += b"%x\r\n%s\r\n" % (size, body[:size])
            body = body[size:]
        self.framed += b"0\r\n\r\n"

    def bytes(self):
        body, self.body = self.body, b""
        head = super().bytes()
        self.body = body
        return head + bytes(self.framed)


def chunked(case, rng):
    """the case in chunks, with what is expected of it then; the same where it has no body"""
    if not case.message.body or case.message.start[0] == b"HTTP/1.0" or case.message.start[2] == b"HTTP/1.0":
        return case
    cut = copy.copy(case)
    cut.message = Chunked(case.message, rng)
    cut.expected = matches(case.rule, cut.message)
    cut.request, cut.response = (case.request, cut.message) if cut.message.response else (cut.message, case.response)
    return cut


class Talk:
    """one connection: requests sent together, answered in their order once all have come"""

    def __init__(self, cases):
        self.cases = cases
        self.request = b"".join(case.request.bytes() for case in cases)
        self.response = b"".join(case.response.bytes() for case in cases)


class Player:
    def __init__(self, lab):
        self.lab, self.context, self.lock, self.talks = lab, client_context(lab.certificate), threading.Lock(), {}

    def serve(self, connection):
        talk, seen = self.talks[connection.getpeername()[1]], 0
        while seen < len(talk.request):
            part = connection.recv(65536)
            if not part:
                return
            seen += len(part)
        connection.sendall(talk.response)
        connection.recv(1)

    def play(self, talk, rng, records, segments):
        """the client's port of the connection in which it was said"""
        connection = tcp_connect(self.lab.client, PORT, timeout=20)
        port = connection.getsockname()[1]
        with self.lock:
            assert port not in self.talks, "a port twice"
            self.talks[port] = talk
        raw = RawTls(connection, self.context, cut=segments).handshake()
        left = talk.request
        while left:
            size = rng.randint(1, 60) if records else len(left)
            raw.sendall(left[:size])
            left = left[size:]
        missing = len(talk.response)
        while missing > 0:
            part = raw.recv(65536)
            assert part, "closed: %r" % talk.cases
            missing -= len(part)
        raw.close()
        return port

    def play_all(self, talks, seed, records=False, segments=0):
        """the alerts of every talk, as sets of numbers"""
        self.talks.clear()
        rng = random.Random(seed)
        with TlsServer(self.lab.topology, PORT, self.lab.certificate, self.serve):
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                ports = list(pool.map(lambda one: self.play(one[1], random.Random(one[0]), records, segments),
                                      [(rng.random(), talk) for talk in talks]))
        alerts = self.alerts()
        return [alerts.get(port, set()) for port in ports]

    def alerts(self):
        """by client port; after those of a last request, which come after all others of the one worker"""
        appliance = self.lab.appliance
        before = len([r for r in appliance.records("alert") if r["signature_id"] == 1])
        self.lab.curl("/the-last-of-all")
        wait_until(lambda: [r for r in appliance.records("alert") if r["signature_id"] == 1][before:], 30, "the last alert")
        found = {}
        for record in appliance.records("alert")[self.seen:]:
            found.setdefault(record["src_port"], set()).add(record["signature_id"])
        self.seen = len(appliance.records("alert"))
        return found

    seen = 0


def singly(cases):
    return [Talk([case]) for case in cases]


def pipelined(cases, seed):
    """requests of up to five cases behind one another; those that ask for an end of the connection stand last"""
    shuffled = [case for case in cases if not case.message.response and case.message.field("Connection") is None
                and case.message.start[2] == b"HTTP/1.1"]
    random.Random(seed).shuffle(shuffled)
    return [Talk(shuffled[at:at + 5]) for at in range(0, len(shuffled), 5)]


def check(talks, alerts):
    wrong = []
    for talk, found in zip(talks, alerts):
        for case in talk.cases:
            wanted = any(matches(case.rule, other.message) for other in talk.cases)
            if (case.rule.sid in found) != wanted:
                wrong.append("%r: %s" % (case, "does not match" if wanted else "matches"))
    assert not wrong, "%d of %d:\n%s" % (len(wrong), len(talks), "\n".join(wrong[:20]))


def lab_with(fresh_lab, rules):
    text = LAST + "".join(oracle.plain_text(rule) + "\n" for rule in rules)
    lab = fresh_lab(document=lambda topology: configuration(topology, workers=1), filters=text)
    assert not lab.appliance.show("filters", "refused")["refused"]
    return Player(lab)


def cut_every_way(player, cases):
    for seed, options in enumerate((dict(records=True), dict(segments=7), dict(records=True, segments=31))):
        talks = singly(cases)
        check(talks, player.play_all(talks, seed, **options))
    rng = random.Random(4)
    talks = singly([chunked(case, rng) for case in cases])
    check(talks, player.play_all(talks, 5, records=True))
    for seed in 6, 7:
        talks = pipelined(cases, seed)
        check(talks, player.play_all(talks, seed, records=seed == 7))


def test_c1_c2_messages_made_from_our_rules(fresh_lab):
    rules, unknown = oracle.load([ORACLE + "/own.rules"])
    cases, used = oracle.make_cases(rules, 1, 0)
    assert not unknown and len(used) == len(rules) >= 40
    player = lab_with(fresh_lab, used)
    talks = singly(cases)
    check(talks, player.play_all(talks, 0))
    cut_every_way(player, cases)


@pytest.mark.long
@pytest.mark.limit(900)
def test_c1_c2_messages_made_from_et_open(fresh_lab, tmp_path):
    with oracle.rule_data() as found:
        if not found:
            pytest.skip("SLUICE_RULE_DATA names no folder with ET Open's rules")
        rules, _ = oracle.load(found)
    cases, used = oracle.make_cases([rule for rule in rules if not oracle.is_explained(rule)], 11, 520)
    assert len(used) == 520
    player = lab_with(fresh_lab, used)
    talks = singly(cases)
    alerts = player.play_all(talks, 0)
    check(talks, alerts)
    if suricata.root():
        oracle.write_rules(str(tmp_path / "used.rules"), used)
        expected = oracle.ask_suricata(str(tmp_path), str(tmp_path / "used.rules"), cases)
        differ = [(case, ours ^ theirs) for case, ours, theirs in zip(cases, alerts, expected) if ours != theirs]
        assert not differ, differ[:10]
    cut_every_way(player, cases)
