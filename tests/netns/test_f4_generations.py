# SPDX-License-Identifier: Apache-2.0
"""F4: a thousand sessions in mid-transfer live through whatever the operator does to the configuration."""
import contextlib
import hashlib
import os
import signal
import threading

import pytest

from lab.appliance import FILTERS, configuration, kill_and_wait
from lab.clients import client_context, outcome_of, tls_connect
from lab.namespace import wait_until
from lab.peers import Certificate, TlsServer
from lab.traffic import ATTACK

SESSIONS = 1000
PORTION = 20000
NEW_FILTER = 'alert http any any -> any any (msg:"swapped in"; http.uri; content:"swapped-in"; sid:4310000;)\n'


class Portions:
    """A server that sends the same file to everyone, each portion when it is told to: between two of them every transfer
    is in its middle, whatever buffers there are."""

    def __init__(self, number):
        self.parts = [os.urandom(PORTION) for _ in range(number)]
        self.released = [threading.Event() for _ in range(number)]

    def serve(self, connection):
        for part, released in zip(self.parts, self.released):
            assert released.wait(50)
            connection.sendall(part)

    def release(self, number, connections):
        self.released[number].set()
        expected = hashlib.sha256(self.parts[number]).digest()
        outcomes = [outcome_of(lambda c=connection: take(c, PORTION)) for connection in connections]
        assert [outcome for outcome in outcomes if outcome != ("ok", expected)] == []

    def release_all(self):
        for released in self.released:
            released.set()


def take(connection, size):
    digest = hashlib.sha256()
    while size:
        data = connection.recv(size)
        if not data:
            raise ConnectionResetError("ended with %d bytes to come" % size)
        digest.update(data)
        size -= len(data)
    return digest.digest()


def renamed(topology):
    """the policy and the server of the transfers are gone; another takes their place"""
    document = configuration(topology)
    document["ssl_servers"][1]["name"] = "renamed"
    document["profiles"][0]["ssl_policies"][1].update(ssl_server="renamed", name="renamed-policy")
    return document


@contextlib.contextmanager
def transfers(lab, portions, sessions=SESSIONS):
    """that many sessions, each in the middle of its transfer; the first portion has come"""
    connections, context = [], client_context()
    with TlsServer(lab.topology, 9001, lab.certificate, portions.serve):
        try:
            for _ in range(sessions):
                connections.append(tls_connect(lab.client, 9001, context=context, timeout=30))
            portions.release(0, connections)
            yield connections
        finally:
            portions.release_all()
            for connection in connections:
                connection.close()


def rows_of(lab):
    return lab.appliance.show("sessions", "--limit", "3000")["sessions"]


@pytest.mark.limit(60)
def test_f4_a_thousand_transfers_survive_commit_rollback_and_filter_swap(own_lab):
    lab, portions = own_lab, Portions(4)
    with transfers(lab, portions) as connections:
        begun = {row["id"] for row in rows_of(lab)}
        assert len(begun) == SESSIONS
        lab.appliance.commit(renamed(lab.topology))
        assert {row["policy"] for row in rows_of(lab)} == {"raw-policy"}, "the deleted policy keeps its name"
        portions.release(1, connections)
        lab.appliance.ask("rollback")
        portions.release(2, connections)
        lab.appliance.commit(configuration(lab.topology), FILTERS + NEW_FILTER)
        rows = rows_of(lab)
        assert {row["id"] for row in rows} == begun and {row["policy"] for row in rows} == {"raw-policy"}
        assert all(row["bytes_to_client"] == 3 * PORTION for row in rows)
        assert lab.curl("/swapped-in").ok and lab.curl(ATTACK, "--path-as-is").reset  # what is new follows the new
        portions.release(3, connections)
    lab.appliance.wait_record("alert", signature_id=4310000, ssl_policy="web-policy")


@pytest.mark.limit(60)
def test_f4_a_thousand_transfers_survive_a_certificate_s_replacement_and_changes_of_log_targets(own_lab):
    lab, portions = own_lab, Portions(4)
    with transfers(lab, portions) as connections:
        other = Certificate(lab.topology.directory, "again", "www.example.test", key="rsa:2048")
        replaced = lab.appliance.ask("certificate", "replace", "web-rsa", "--cert", other.certificate, "--key", other.key)
        assert replaced["replaced"] == "web-rsa_REPLACED"
        portions.release(1, connections)
        target = {"name": "siem", "host": "192.0.2.1", "port": 2514}
        for number, targets in enumerate(([target], [dict(target, port=2515)], [])):
            document = configuration(lab.topology)
            document["log_targets"] = targets
            lab.appliance.commit(document)
            if number == 1:
                portions.release(2, connections)
        assert len(rows_of(lab)) == SESSIONS
        portions.release(3, connections)
    wait_until(lambda: lab.appliance.counters()["closed_done"] >= SESSIONS, 10, "every session to end well")


@pytest.mark.limit(90)
def test_f4_a_thousand_transfers_survive_the_programs_replacement_and_stay_in_sight(own_lab):
    """A supervisor that is killed, as an upgrade does, and the next one: the sessions of the generation before are listed,
    counted, and can be cleared; what is counted goes on. A third generation beside two that drain changes nothing."""
    lab, portions, appliance = own_lab, Portions(4), own_lab.appliance

    def next_generation():
        elders = set(appliance.workers().values())
        kill_and_wait(appliance.supervisor.pid, signal.SIGKILL)
        appliance.supervisor.wait(5)
        appliance.start()
        wait_until(lambda: appliance.status()["config_version"], 10, "the stored configuration")
        appliance.wait_inspecting()
        assert not elders & set(appliance.workers().values())

    with transfers(lab, portions) as connections:
        before, since = appliance.counters(), appliance.show("counters")["since"]
        ids = {row["id"] for row in rows_of(lab)}
        next_generation()
        assert {row["id"] for row in rows_of(lab)} == ids and len(ids) == SESSIONS
        status, after = appliance.status(), appliance.counters()
        assert status["sessions"] == SESSIONS == sum(row["sessions"] for row in status["workers"] if row.get("generation") == "earlier")
        assert after["sessions_new"] >= before["sessions_new"] >= SESSIONS and appliance.show("counters")["since"] == since
        assert appliance.counters("raw")["sessions_new"] == SESSIONS  # the server's figures are still its own
        portions.release(1, connections)
        assert lab.curl("/second").ok and lab.curl(ATTACK + "&second", "--path-as-is").reset
        next_generation()
        portions.release(2, connections)
        assert {row["id"] for row in rows_of(lab)} == ids
        assert lab.curl("/third").ok and lab.curl(ATTACK + "&third", "--path-as-is").reset
        # one is cleared by its id, the others go on
        port = connections[7].getsockname()[1]
        mine = next(row["id"] for row in rows_of(lab) if row["client_port"] == port)
        assert appliance.ask("clear", "sessions", "id", mine)["cleared"] == 1
        wait_until(lambda: len(rows_of(lab)) == SESSIONS - 1, 5, "the cleared session to go")
        assert outcome_of(lambda: take(connections[7], 1))[0] != "ok"
        kept = connections[:7] + connections[8:]
        portions.release(3, kept)
        for connection in kept:
            connection.close()
        wait_until(lambda: not [row for row in appliance.status()["workers"] if row.get("generation") == "earlier"], 10, "the elders to leave")
    counters = appliance.counters()
    assert counters["closed_cleared"] == 1 and counters["closed_done"] >= SESSIONS - 1
    assert appliance.status()["sessions"] == 0
