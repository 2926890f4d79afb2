# SPDX-License-Identifier: Apache-2.0
"""E5, E6 under load: workers and the key keeper are killed, nobody else's handshakes suffer and nothing is left behind."""
import os

import pytest

from lab.appliance import kill_and_wait
from lab.load import TlsLoad
from lab.namespace import wait_until
from lab.traffic import ATTACK

CLIENTS = 16


def _rings(keeper):
    """(key rings that the keeper maps, descriptors that it holds)"""
    with open("/proc/%d/maps" % keeper) as maps:
        return sum("sluice-keyring" in line for line in maps), len(os.listdir("/proc/%d/fd" % keeper))


def _wait_sessions(lab, more):
    lab.appliance.wait_counter("sessions_established", lab.appliance.counters()["sessions_established"] + more, timeout=30)


@pytest.mark.limit(120)
def test_e5_killed_workers_leave_no_ring_and_the_keeper_serves_the_others(own_lab):
    lab, kills = own_lab, 3
    keeper, before = lab.appliance.children()["keeper"], lab.appliance.counters()
    held = _rings(keeper)
    assert held[0] == len(lab.appliance.workers()) > 1
    with TlsLoad(lab, clients=CLIENTS, seconds=8) as load:
        for _ in range(kills):
            _wait_sessions(lab, 100)
            victim = lab.appliance.workers()[0]
            kill_and_wait(victim)
            wait_until(lambda: lab.appliance.workers().get(0) not in (None, victim), 20, "the worker's successor")
        _wait_sessions(lab, 100)
        result = load.wait()
    lab.appliance.wait_inspecting()
    assert result["errors"] <= kills * CLIENTS and result["done"] > 20 * result["errors"], result
    assert lab.appliance.children()["keeper"] == keeper
    wait_until(lambda: _rings(keeper) == held, 5, "the rings of the dead to be given back")
    after = lab.appliance.counters()
    assert after["closed_key_unavailable"] == before["closed_key_unavailable"]
    assert after["key_single"] + after["key_batched"] > before["key_single"] + before["key_batched"] + 400
    assert lab.curl(ATTACK, "--path-as-is", timeout=4).reset


@pytest.mark.limit(120)
def test_e6_a_keeper_killed_under_load_ends_what_was_asked_of_it_and_no_more(own_lab):
    """each handshake that breaks has its reason counted; those that come meanwhile are bypassed, as the servers' choice is"""
    lab, kills = own_lab, 3
    before = lab.appliance.counters()
    with TlsLoad(lab, clients=CLIENTS, seconds=8) as load:
        for _ in range(kills):
            _wait_sessions(lab, 100)
            victim = lab.appliance.children()["keeper"]
            kill_and_wait(victim)
            wait_until(lambda: lab.appliance.children().get("keeper", victim) != victim, 10, "another keeper")
            lab.appliance.wait_inspecting()
        _wait_sessions(lab, 100)
        result = load.wait()
    after = lab.appliance.counters()
    broken = after["closed_key_unavailable"] - before["closed_key_unavailable"]
    assert result["errors"] <= broken, (result, broken)
    assert broken <= 2 * kills * CLIENTS and result["done"] > 500, (result, broken)
    assert _rings(lab.appliance.children()["keeper"])[0] == len(lab.appliance.workers())
    assert lab.curl(ATTACK, "--path-as-is", timeout=4).reset
