# SPDX-License-Identifier: Apache-2.0
"""A8: layer-2 fallback by command, by overload, and what a crash loop may not do."""
import os
import signal
import time

import pytest

from lab.appliance import CommandFailed, configuration, kill_and_wait, ssl_server
from lab.capture import RST, Capture, one_way
from lab.namespace import wait_until
from lab.peers import TlsServer, echo
from lab.topology import CLIENT_IP, SERVER_IP
from lab.traffic import ATTACK, Held, Requests

ECHO_PORT = 9001


def probe(lab, mark="probe"):
    return lab.curl(ATTACK + "&" + mark, "--path-as-is", timeout=4)


def wait_system(lab, text):
    def lines():
        return [r["message"] for r in lab.appliance.records("system") if text in r["message"]]
    return wait_until(lines, 15, "a System record: " + text)[-1]


@pytest.mark.quick
def test_a8_fallback_by_command_clears_sessions_and_bypasses_new_ones_at_once(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, ECHO_PORT, lab.certificate, echo) as server, Held(lab.topology, 10, ECHO_PORT) as held, \
            Requests(lab.topology, "/benign", threads=2, timeout=3) as benign:
        assert set(held.exchange()) == {"ok"} and probe(lab).reset
        benign.wait_attempts(20)
        with Capture(lab.client, "c0", lab.topology.path("c.pcap"), "tcp port %d" % ECHO_PORT) as at_client, \
                Capture(lab.server, "s0", lab.topology.path("s.pcap"), "tcp port %d" % ECHO_PORT) as at_server:
            lab.appliance.command("fallback", "enter")
            entered = time.monotonic()
            wait_until(lambda: len(server.results) + len(server.errors) >= 10, 3, "the server's connections to end")
            assert "ok" not in held.exchange()
        benign.wait_attempts(20)
        assert probe(lab, "in-fallback").ok, "a real connection to the server, uninspected"
        state = lab.appliance.status()["segments"][0]
        assert (state["state"], state["cause"]) == ("fallback", "command")
        lab.appliance.command("fallback", "leave")
        left = time.monotonic()
        assert probe(lab, "after").reset, "inspected again with the first new connection"
        benign.wait_attempts(20)
    during = benign.tally(entered + 0.1, left)
    assert during and during["ok"] == sum(during.values()), "100 ms after the command every new connection passes: %s" % during
    for capture, sender, side in (at_client, SERVER_IP, "destination_port"), (at_server, CLIENT_IP, "source_port"):
        assert {getattr(f, side) for f in one_way(capture.frames(), sender) if f.flags & RST} == held.ports
    assert lab.nginx.saw("&in-fallback") and not lab.nginx.saw("&after")
    assert wait_system(lab, "layer-2 fallback entered") == "layer-2 fallback entered on all segments: by command"
    wait_system(lab, "layer-2 fallback left on all segments: by command")
    lab.appliance.wait_record("ssl_inspection", close_reason="fallback")
    lab.appliance.wait_counter("wire_bypassed_fallback", 1)
    assert any("fallback entered" in r["message"] for r in lab.appliance.records("audit"))


def test_a8_fallback_drops_where_segment_and_server_say_so(fresh_lab):
    servers = [ssl_server("web", ["443"], when_unavailable="block")]
    lab = fresh_lab(document=lambda t: configuration(t, servers=servers, when_down="block"))
    assert lab.curl("/plain", scheme="http", certificate=None).ok
    lab.appliance.command("fallback", "enter", "--segment", "dmz")
    assert lab.curl("/dropped", timeout=2).exit == 28
    assert lab.curl("/dropped-too", scheme="http", certificate=None, timeout=2).exit == 28
    lab.appliance.command("fallback", "leave", "--segment", "dmz")
    assert lab.curl("/open").ok and lab.curl("/plain", scheme="http", certificate=None).ok
    assert not lab.nginx.saw("/dropped")
    lab.appliance.wait_counter("wire_blocked_fallback", 1)


def test_a8_fallback_by_command_outlasts_the_supervisor_and_is_explained(own_lab):
    lab = own_lab
    with pytest.raises(CommandFailed) as unknown:
        lab.appliance.command("fallback", "enter", "--segment", "nosuch")
    assert "sluice show segments" in unknown.value.result.stdout + unknown.value.result.stderr
    lab.appliance.command("fallback", "enter")
    lab.appliance.stop()
    lab.appliance.start()
    wait_until(lambda: len(lab.appliance.workers()) == 2, 20, "workers of the next supervisor")
    assert probe(lab, "still").ok
    answer = lab.appliance.ask("diagnose", CLIENT_IP, SERVER_IP, check=False)
    assert answer["first_problem"] == "fallback", answer
    lab.appliance.command("fallback", "leave")
    lab.appliance.wait_inspecting()
    assert probe(lab).reset


@pytest.mark.limit(90)
def test_a8_overload_falls_back_and_returns_by_itself(fresh_lab):
    lab = fresh_lab()
    plenty = 1 << 20  # megabytes: more than there are
    lab.appliance.commit(configuration(lab.topology, limits={"memory_reserve_megabytes": plenty}))
    assert "overload" in wait_system(lab, "layer-2 fallback entered on all segments: overload")
    wait_until(lambda: probe(lab, "overload").ok, 5, "sessions to pass")
    assert lab.appliance.status()["segments"][0]["cause"] == "overload"
    back = time.monotonic()
    lab.appliance.commit(configuration(lab.topology, limits={"memory_reserve_megabytes": 1}))
    wait_system(lab, "of memory are available again")
    assert time.monotonic() - back > 4, "not before memory has sufficed for a while"
    wait_until(lambda: probe(lab).reset, 5, "attacks to be blocked again")


@pytest.mark.long
@pytest.mark.limit(120)
@pytest.mark.parametrize("policy", ["bypass", "block"])
def test_a8_crash_loop_is_told_and_follows_the_servers_choice(fresh_lab, policy):
    """when_unavailable is bypass: a crash loop alone makes the difference"""
    servers = [ssl_server("web", ["443"], when_crash_loop=policy)]
    lab = fresh_lab(document=lambda t: configuration(t, servers=servers, workers=1))
    for _ in range(6):
        worker = wait_until(lambda: list(lab.appliance.workers().values()), 40, "the worker to be started again")
        kill_and_wait(worker[0], signal.SIGKILL)
    wait_system(lab, "crash loop: workers have ended more than 5 times")
    reply = lab.curl("/in-the-loop", timeout=2)  # the next start is some seconds away by now
    assert not lab.appliance.workers(), "looked at too late"
    assert reply.exit == 28 if policy == "block" else reply.ok, reply
    wait_system(lab, "layer-2 fallback entered on all segments: no worker is live")
    wait_until(lambda: lab.curl("/back", timeout=3).ok and lab.appliance.workers(), 60, "the worker to be back")


def test_a8_everything_killed_the_programs_alone_keep_the_wire_up(own_lab):
    lab = own_lab
    pids = lab.appliance.all_pids()
    lab.appliance.seen_pids.update(pids)
    with Requests(lab.topology, "/benign", threads=2, timeout=3) as benign:
        benign.wait_attempts(20)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        lab.appliance.supervisor.wait()
        time.sleep(0.1)  # A8: from here on every new connection passes
        benign.wait_attempts(40)
    late = benign.tally(killed + 0.1)
    assert late and late["ok"] == sum(late.values()), "100 ms after the last death every new connection passes: %s" % late
    assert probe(lab, "alone").ok and lab.curl("/plain", scheme="http", certificate=None).ok
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert probe(lab).reset
