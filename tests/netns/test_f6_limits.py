# SPDX-License-Identifier: Apache-2.0
"""F6, B12: bounds of concurrent sessions, of the device, of a server, of a source; what happens beyond each of them is seen
by an attack that passes, is blocked by a filter, or never gets an answer."""
import contextlib

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, echo
from lab.traffic import ATTACK, Held

ECHO_PORT = 9001
REACHED = "SSL Inspection reached Critical threshold of Max Concurrent Connections. Action: "
LOOSE = ssl_server("web", ["443", "8443-8449"])


def limited(fresh_lab, raw=None, **limits):
    servers = [LOOSE, ssl_server("raw", ["9000-9009"], service="any", **raw or {})]
    return fresh_lab(document=lambda t: configuration(t, servers=servers, limits=limits))


def system_lines(lab, text):
    return [r["message"] for r in lab.appliance.records("system") if text in r["message"]]


def wait_line(lab, text, number=1):
    wait_until(lambda: len(system_lines(lab, text)) >= number, 10, "%d System records: %s" % (number, text))


def limits_of(lab):
    return lab.appliance.status()["limits"]


def wait_sessions(lab, number):
    wait_until(lambda: limits_of(lab)["sessions"] == number, 10, "%d sessions to be counted" % number)


def close_some(held, number):
    for connection in held.connections[:number]:
        connection.close()
    del held.connections[:number]


def passes(lab, mark):
    return lab.curl(ATTACK + "&" + mark, "--path-as-is", timeout=4).ok


def is_inspected(lab, mark):
    return lab.curl(ATTACK + "&" + mark, "--path-as-is", timeout=4).reset


@pytest.mark.quick
@pytest.mark.limit(120)
def test_f6_critical_threshold_bypasses_new_sessions_and_clears_five_points_below(fresh_lab):
    lab = limited(fresh_lab, max_sessions=40)
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 31, ECHO_PORT) as held:
        assert is_inspected(lab, "below") and not system_lines(lab, "threshold")
        with Held(lab.topology, 9, ECHO_PORT) as more:
            wait_line(lab, REACHED + "Allow but bypass Inspection")
            assert system_lines(lab, REACHED) == [REACHED + "Allow but bypass Inspection"]
            wait_line(lab, "reached Warning threshold")
            assert passes(lab, "over"), "a real connection to the server, uninspected"
            assert set(more.exchange()) == {"ok"} and set(held.exchange()) == {"ok"}, "sessions in being go on"
            lab.appliance.wait_counter("passed_max_conns", 1)
            state = limits_of(lab)
            assert state["state"] == "critical" and state["high_water"] == state["sessions"] == 40, state
            assert "Allow but bypass Inspection" in lab.appliance.command("show", "tse", "ssl-inspection").stdout
            # hysteresis: 39 are below 40, but 5 points below are 38
            close_some(more, 1)
            wait_sessions(lab, 39)
            assert passes(lab, "still") and limits_of(lab)["state"] == "critical"
            close_some(more, 1)
            wait_line(lab, "is below Critical threshold")
            assert is_inspected(lab, "again")
            assert limits_of(lab)["state"] == "warning"
        wait_sessions(lab, 31)
        assert limits_of(lab)["state"] == "warning", "31 are below 32, but 5 points below are 30"
        close_some(held, 1)
        wait_line(lab, "is below Warning threshold")
        assert limits_of(lab)["state"] == "normal"
    assert len(system_lines(lab, REACHED)) == 1
    wait_sessions(lab, 0)


def test_f6_critical_threshold_blocks_where_it_is_so_configured(fresh_lab):
    lab = limited(fresh_lab, max_sessions=20, critical_threshold_percent=50, warning_threshold_percent=45, when_max_sessions="block")
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 10, ECHO_PORT) as held:
        wait_line(lab, REACHED + "Block")
        assert lab.curl("/blocked", timeout=2).exit == 28, "dropped: the client waits"
        assert lab.curl("/plain", scheme="http", certificate=None).ok, "other traffic passes"
        lab.appliance.wait_counter("blocked_max_conns", 1)
        assert lab.appliance.counters()["passed_max_conns"] == 0
        close_some(held, 1)
        wait_line(lab, "is below Critical threshold")
        assert lab.curl("/open-again").ok
    assert not lab.nginx.saw("/blocked")


def test_f6_one_source_cannot_bring_the_others_past_the_threshold(fresh_lab):
    lab = limited(fresh_lab, max_sessions=20, max_sessions_per_source=5)
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 5, ECHO_PORT) as greedy:
        for _ in range(3):
            with pytest.raises(OSError):
                tls_connect(lab.client, ECHO_PORT, timeout=0.5)
        lab.appliance.wait_counter("wire_blocked_source_limit", 3)
        assert set(greedy.exchange()) == {"ok"} and limits_of(lab)["sessions"] == 5
        close_some(greedy, 2)
        wait_sessions(lab, 3)
        assert is_inspected(lab, "room-again")


@pytest.mark.parametrize("policy", ["block", "bypass"])
def test_f6_a_servers_own_maximum(fresh_lab, policy):
    lab = limited(fresh_lab, raw={"max_sessions": 4, "when_limited": policy})
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo) as server, Held(lab.topology, 4, ECHO_PORT) as held:
        if policy == "block":
            with pytest.raises(OSError):
                tls_connect(lab.client, ECHO_PORT, timeout=0.5)
            lab.appliance.wait_counter("wire_blocked_server_limit", 1)
        else:
            with contextlib.closing(tls_connect(lab.client, ECHO_PORT)) as passed:
                passed.sendall(b"RAW-ATTACK-9")
                assert passed.recv(64) == b"RAW-ATTACK-9", "uninspected"
            lab.appliance.wait_counter("wire_passed_server_limit", 1)
        assert is_inspected(lab, "other-server"), "another server has room"
        close_some(held, 1)
        wait_sessions(lab, 3)
        with contextlib.closing(tls_connect(lab.client, ECHO_PORT)) as one_more:
            one_more.sendall(b"RAW-ATTACK-9")
            with pytest.raises(OSError):
                assert not one_more.recv(64)
                raise ConnectionResetError


def test_f6_new_sessions_of_a_server_per_second(fresh_lab):
    lab = limited(fresh_lab, raw={"max_new_sessions_per_second": 3, "when_limited": "block"})
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo):
        def refused():
            try:
                tls_connect(lab.client, ECHO_PORT, timeout=0.3).close()
                return False
            except OSError:
                return True
        wait_until(refused, 10, "a session beyond the rate", pause=0)
        lab.appliance.wait_counter("wire_blocked_server_limit", 1)
        wait_until(lambda: not refused(), 10, "the next second")


def test_f6_figures_are_right_after_workers_died(fresh_lab):
    """their sessions end by resets, or by nothing at all: what the programs counted is put right from the flow table"""
    lab = limited(fresh_lab, raw={"max_sessions": 6}, max_sessions_per_source=8)
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 6, ECHO_PORT):
        wait_sessions(lab, 6)
        lab.appliance.command("clear", "sessions", "all")
        wait_sessions(lab, 0)
        with Held(lab.topology, 6, ECHO_PORT) as held:
            assert set(held.exchange()) == {"ok"}
            wait_sessions(lab, 6)
    wait_sessions(lab, 0)
