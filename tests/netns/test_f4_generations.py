# SPDX-License-Identifier: Apache-2.0
"""F4: a thousand sessions in mid-transfer live through whatever the operator does to the configuration."""
import hashlib
import os
import threading

import pytest

from lab.appliance import FILTERS, configuration
from lab.clients import client_context, outcome_of, tls_connect
from lab.peers import TlsServer
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


@pytest.mark.limit(60)
def test_f4_a_thousand_transfers_survive_commit_rollback_and_filter_swap(own_lab):
    lab, portions, connections = own_lab, Portions(4), []
    sessions = lambda: lab.appliance.show("sessions", "--limit", "2000")["sessions"]  # noqa: E731
    with TlsServer(lab.topology, 9001, lab.certificate, portions.serve):
        try:
            context = client_context()
            for _ in range(SESSIONS):
                connections.append(tls_connect(lab.client, 9001, context=context, timeout=30))
            portions.release(0, connections)
            begun = {row["id"] for row in sessions()}
            assert len(begun) == SESSIONS
            lab.appliance.commit(renamed(lab.topology))
            assert {row["policy"] for row in sessions()} == {"raw-policy"}, "the deleted policy keeps its name"
            portions.release(1, connections)
            lab.appliance.ask("rollback")
            portions.release(2, connections)
            lab.appliance.commit(configuration(lab.topology), FILTERS + NEW_FILTER)
            rows = sessions()
            assert {row["id"] for row in rows} == begun and {row["policy"] for row in rows} == {"raw-policy"}
            assert all(row["bytes_to_client"] == 3 * PORTION for row in rows)
            assert lab.curl("/swapped-in").ok and lab.curl(ATTACK, "--path-as-is").reset  # what is new follows the new
            portions.release(3, connections)
        finally:
            portions.release_all()
            for connection in connections:
                connection.close()
    lab.appliance.wait_record("alert", signature_id=4310000, ssl_policy="web-policy")
