# SPDX-License-Identifier: Apache-2.0
"""Logs reach a central rsyslogd over RELP and none is lost (G5, G6): sluice-log, the spool, sluice-relp and a real
rsyslogd, each of them killed under load; the receiver away; text that would forge records."""
import json
import os
import time

import pytest

from lab.appliance import DEFAULT_BIN_DIR, configuration
from lab.namespace import wait_until
from lab.pump import Pump, events_of
from lab.receiver import Receiver


@pytest.fixture
def bin_dir(request):
    return os.path.realpath(request.config.getoption("--bin-dir") or DEFAULT_BIN_DIR)


@pytest.fixture
def pump_directory(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "receiver").mkdir()
    return tmp_path


def test_g5_g6_numbered_events_through_kills_of_everything(bin_dir, pump_directory):
    """the receiver is killed while it catches up: a full window of records is on its way then"""
    count, turns = 60000, 4
    receiver = Receiver(pump_directory / "receiver")

    def written():
        path = pump_directory / "receiver/pump/block.json"
        return path.stat().st_size if path.exists() else 0
    with Pump(bin_dir, str(pump_directory / "log"), receiver.port, count) as pump:
        for turn in range(turns):
            time.sleep(0.3)
            before = written()
            with receiver:
                wait_until(lambda: written() > before + 100000, 15, "records to arrive", pause=0.001)
            if turn % 2:
                pump.kill("relp")
            pump.kill("log")
        with receiver:
            wait_until(pump.done, 40, "all events to be received")
            seen = events_of(receiver, torn=turns)
    # sluice-log's own words about a restart may take a number in between: none may be missing of ours
    assert sorted(seen.values()) == list(range(1, count + 1))
    assert len(set(seen)) == len(seen)


def test_g6_receiver_away_then_back(bin_dir, pump_directory):
    count = 20000
    receiver = Receiver(pump_directory / "receiver")
    with Pump(bin_dir, str(pump_directory / "log"), receiver.port, count) as pump:
        wait_until(lambda: "produced" in pump.said, 20, "all events to be in the ring: it must not wait for the receiver")
        assert not pump.done()
        with receiver:
            wait_until(pump.done, 30, "all events to be received")
            seen = events_of(receiver)
    assert seen == {number: number for number in range(1, count + 1)}


def test_g5_records_of_real_sessions_reach_the_target_and_status_says_so(fresh_lab, tmp_path):
    lab = fresh_lab()
    tmp_path.chmod(0o755)
    with Receiver(tmp_path) as receiver:
        document = configuration(lab.topology)
        document["log_targets"] = [{"name": "siem", "host": "127.0.0.1", "port": receiver.port},
                                   {"name": "away", "host": "127.0.0.1", "port": 1, "logs": ["block"]}]
        lab.appliance.commit(document)
        for number in range(5):
            assert lab.curl("/plain?n=%d" % number).exit == 0
        lab.curl("/?x=/etc/passwd")
        wanted = {(r["boot"], r["sequence"]) for log in ("ssl_inspection", "block") for r in _settled(lab, log)}
        assert len(wanted) >= 6

        def arrived():
            lines = [json.loads(line) for lines in receiver.files().values() for line in lines]
            return wanted <= {(line["boot"], line["sequence"]) for line in lines}
        wait_until(arrived, 10, "the records of the sessions", pause=0.1)

        def targets():
            return {t["name"]: t for t in lab.appliance.ask("log", "status")["targets"]}
        wait_until(lambda: targets()["siem"]["state"] == "idle, all received", 10, "the session to settle", pause=0.2)
        siem, away = targets()["siem"], targets()["away"]
        assert siem["lag_records"] == 0 and siem["received"] == siem["sent"] >= len(wanted) and siem["missed"] == 0, siem
        assert away["received"] == 0 and away["lag_records"] > 0 and away["error"], away
        text = lab.appliance.command("log", "status").stdout
        assert "siem" in text and "idle, all received" in text

        # one target goes, the other moves: what it had not received yet is still there
        document["log_targets"] = [{"name": "away", "host": "127.0.0.1", "port": receiver.port, "logs": ["block"]}]
        lab.appliance.commit(document)
        wait_until(lambda: targets()["away"]["state"] == "idle, all received", 15, "the moved target to catch up", pause=0.2)
        after = targets()
        assert set(after) == {"away"} and after["away"]["received"] >= 1 and after["away"]["missed"] == 0, after


def _settled(lab, log):
    wait_until(lambda: lab.appliance.records(log), 5, "records in " + log)
    time.sleep(0.5)
    return lab.appliance.records(log)
