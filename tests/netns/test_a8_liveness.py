# SPDX-License-Identifier: Apache-2.0
"""A8, E6, G6: processes are killed and stopped while traffic runs. Truth is nginx's log and what the clients saw."""
import contextlib
import os
import signal
import time

import pytest

from lab.appliance import alive, configuration, kill_and_wait, ssl_server, stop_and_wait
from lab.capture import RST, Capture, one_way
from lab.clients import outcome_of, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, echo
from lab.topology import CLIENT_IP, SERVER_IP
from lab.traffic import ATTACK, Held, Requests

ECHO_PORT = 9001


@contextlib.contextmanager
def stopped(*pids):
    """SIGSTOP for the length of the context"""
    for pid in pids:
        stop_and_wait(pid)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def attack(number):
    return "%s&n=%d" % (ATTACK, number)


def probe(lab):
    return lab.curl(ATTACK + "&probe", "--path-as-is", timeout=4)


def must_block(lab):
    reply = probe(lab)
    assert reply.reset, reply


def wait_blocking_again(lab, timeout=20):
    wait_until(lambda: probe(lab).reset, timeout, "attacks to be blocked again", pause=0.1)


@pytest.mark.quick
def test_a8_kill_one_worker_lets_nothing_pass_uninspected(own_lab):
    lab = own_lab
    victim = lab.appliance.workers()[0]
    with Requests(lab.topology, attack, threads=2) as attacks, Requests(lab.topology, "/benign", threads=1) as benign:
        benign.wait_attempts(30)
        killed = time.monotonic()
        kill_and_wait(victim)
        benign.wait_attempts(60)
        attacks.wait_attempts(60)
    assert not lab.nginx.saw("etc/passwd"), "an attack reached the server"
    assert attacks.tally()["ok"] == 0
    late = benign.tally(killed + 0.2)
    assert late["ok"] == sum(late.values()), late
    lab.appliance.wait_inspecting()


def test_a8_sessions_of_the_other_worker_live_on(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 40, ECHO_PORT) as held:
        assert set(held.exchange()) == {"ok"}
        kill_and_wait(lab.appliance.workers()[0])
        outcomes = held.exchange()
        assert set(outcomes) <= {"ok", "reset", "closed"} and 5 < outcomes.count("ok") < 35, outcomes


@pytest.mark.quick
def test_a8_all_workers_killed_traffic_goes_on_at_once_and_is_inspected_again(own_lab):
    lab = own_lab
    with Requests(lab.topology, "/benign", threads=2) as benign:
        benign.wait_attempts(20)
        pids = _worker_pids(lab)
        with stopped(lab.appliance.supervisor.pid):  # so that the gap is long enough to be looked at
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            time.sleep(0.1)  # A8: from here on every new connection passes
            benign.wait_attempts(40)
            assert lab.curl(ATTACK + "&in-the-gap", "--path-as-is").exit == 0, "fail open: passes uninspected"
        back = time.monotonic()
        wait_blocking_again(lab)
        benign.wait_attempts(20)
    assert lab.nginx.saw("&in-the-gap")
    gap = benign.tally(killed + 0.1, back)
    assert gap and gap["ok"] == sum(gap.values()), "new connections pass 100 ms after the last death: %s" % gap
    lab.appliance.wait_counter("wire_bypassed_no_worker", 1)


def test_a8_all_workers_killed_established_sessions_are_reset_on_both_legs(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo) as server, Held(lab.topology, 10, ECHO_PORT) as held:
        assert set(held.exchange()) == {"ok"}
        with Capture(lab.client, "c0", lab.topology.path("c.pcap"), "tcp port %d" % ECHO_PORT) as at_client, \
                Capture(lab.server, "s0", lab.topology.path("s.pcap"), "tcp port %d" % ECHO_PORT) as at_server:
            for pid in lab.appliance.workers().values():
                kill_and_wait(pid)
            wait_until(lambda: len(server.results) + len(server.errors) >= 10, 2, "the server's connections to end")
            assert "ok" not in held.exchange()
    for capture, sender, side in (at_client, SERVER_IP, "destination_port"), (at_server, CLIENT_IP, "source_port"):
        assert {getattr(f, side) for f in one_way(capture.frames(), sender) if f.flags & RST} == held.ports


def test_a8_all_workers_killed_fail_closed(fresh_lab):
    servers = [ssl_server("web", ["443"], when_unavailable="block")]
    lab = fresh_lab(document=lambda t: configuration(t, servers=servers))
    pids = _worker_pids(lab)
    with stopped(lab.appliance.supervisor.pid):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        assert lab.curl("/fail-closed", timeout=2).exit == 28, "dropped: the client waits"
        assert lab.curl("/plain", scheme="http", certificate=None).ok, "other traffic passes"
    wait_until(lambda: lab.curl("/opened-again", timeout=3).ok, 20, "inspection to return")
    assert not lab.nginx.saw("/fail-closed")


def test_a8_hung_worker_is_left_by_new_sessions_within_a_second(own_lab):
    lab = own_lab
    victim = lab.appliance.workers()[1]
    with Requests(lab.topology, attack, threads=1, timeout=3) as attacks, Requests(lab.topology, "/benign", threads=2, timeout=3) as benign:
        benign.wait_attempts(20)
        with stopped(victim):
            hung = time.monotonic()
            time.sleep(1.0)
            benign.wait_attempts(60)
    late = benign.tally(hung + 1.0)
    assert late["ok"] == sum(late.values()), late
    assert attacks.tally()["ok"] == 0 and not lab.nginx.saw("etc/passwd")
    lab.appliance.wait_inspecting()


def test_a8_all_workers_hung_traffic_is_bypassed_within_a_second(own_lab):
    lab = own_lab
    pids = _worker_pids(lab)
    with Requests(lab.topology, "/benign", threads=2, timeout=3) as benign, stopped(lab.appliance.supervisor.pid, *pids):
        hung = time.monotonic()
        time.sleep(1.0)
        benign.wait_attempts(40)
        assert lab.curl(ATTACK + "&hung", "--path-as-is").exit == 0
        late = benign.tally(hung + 1.0)
    assert late["ok"] == sum(late.values()), late
    wait_blocking_again(lab)


@pytest.mark.limit(90)
def test_a8_watchdog_replaces_a_hung_worker(own_lab):
    lab = own_lab
    victim = lab.appliance.workers()[0]
    with stopped(victim):
        wait_until(lambda: lab.appliance.workers().get(0) not in (None, victim), 60, "the watchdog to replace it", pause=0.2)
    wait_until(lambda: not alive(victim), 5, "the hung worker to be gone")
    lab.appliance.wait_inspecting()
    must_block(lab)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_e6_keeper_lost_established_sessions_go_on(own_lab, how):
    lab = own_lab
    keeper = lab.appliance.children()["keeper"]
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 20, ECHO_PORT) as held:
        assert set(held.exchange()) == {"ok"}
        if how == "kill":
            kill_and_wait(keeper)
            assert set(held.exchange()) == {"ok"}
        else:
            with stopped(keeper):
                assert set(held.exchange()) == {"ok"}
                outcome_of(lambda: tls_connect(lab.client, ECHO_PORT, timeout=1))  # one that waits in vain
                assert set(held.exchange()) == {"ok"}
        wait_until(lambda: lab.curl("/keeper-back", timeout=3).ok, 20, "new sessions to work again")
        assert set(held.exchange()) == {"ok"}
    must_block(lab)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_g6_log_process_lost_traffic_and_blocking_go_on(own_lab, how):
    lab = own_lab
    log = lab.appliance.children()["log"]
    with Requests(lab.topology, "/benign", threads=2) as benign:
        benign.wait_attempts(20)
        if how == "kill":
            kill_and_wait(log)
            must_block(lab)
        else:
            with stopped(log):
                must_block(lab)
                benign.wait_attempts(100)
        benign.wait_attempts(20)
    assert benign.tally()["ok"] == sum(benign.tally().values()), benign.tally()
    lab.curl(ATTACK + "&after-log-" + how, "--path-as-is")
    lab.appliance.wait_record("block", timeout=15, url=ATTACK + "&after-log-" + how)


@pytest.mark.limit(90)
def test_supervisor_killed_generation_runs_on_and_is_taken_over(own_lab):
    lab = own_lab
    old_workers = _worker_pids(lab)
    lab.appliance.seen_pids.update(lab.appliance.children().values())
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo), Held(lab.topology, 20, ECHO_PORT) as held, \
            Requests(lab.topology, "/benign", threads=1) as benign:
        benign.wait_attempts(20)
        kill_and_wait(lab.appliance.supervisor.pid)
        lab.appliance.supervisor.wait()
        assert set(held.exchange()) == {"ok"}
        must_block(lab)  # headless, still inspecting
        benign.wait_attempts(20)
        lab.appliance.start()
        lab.appliance.wait_inspecting()
        assert set(held.exchange()) == {"ok"}, "the old generation serves its sessions out"
        must_block(lab)
        benign.wait_attempts(20)
        assert not set(_worker_pids(lab)) & set(old_workers)
    assert benign.tally()["ok"] == sum(benign.tally().values()), benign.tally()
    assert not lab.nginx.saw("&probe"), "no probe ever passed"
    wait_until(lambda: not any(map(alive, old_workers)), 45, "the old generation to leave", pause=0.2)


def test_supervisor_stopped_changes_nothing_for_traffic(own_lab):
    lab = own_lab
    with Requests(lab.topology, "/benign", threads=2) as benign, stopped(lab.appliance.supervisor.pid):
        benign.wait_attempts(100)
        must_block(lab)
    assert benign.tally()["ok"] == sum(benign.tally().values()), benign.tally()


def test_supervisor_ended_wire_stays_up(own_lab):
    """SIGTERM: layer-2 fallback"""
    lab = own_lab
    lab.appliance.stop()
    wait_until(lambda: lab.curl("/in-fallback", timeout=2).ok, 10, "the wire in fallback")
    assert lab.curl("/plain", scheme="http", certificate=None).ok
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    must_block(lab)


def _worker_pids(lab):
    return list(lab.appliance.workers().values())
