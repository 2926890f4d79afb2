# SPDX-License-Identifier: Apache-2.0
"""Logs reach a central rsyslogd over RELP and none is lost (G5, G6): sluice-log, the spool, sluice-relp and a real
rsyslogd, each of them killed under load; the receiver away; text that would forge records."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from lab.appliance import DEFAULT_BIN_DIR, configuration
from lab.namespace import wait_until
from lab.receiver import Receiver

# as log_pump.c writes them; every byte that is no text of its own comes back as \u00XX
HOSTILE = [
    "\"]} <13>1 2026-01-01T00:00:00Z forged forged - forged - forged",
    "line\n<13>1 2026-01-01T00:00:00Z forged forged - forged - forged\r\n",
    "\",\"sequence\":1,\"log\":\"forged\",\"x\":\"",
    "[sluice@32473 device=\\\"forged\\\"] pipe|equals=backslash\\",
    "\xff\xfe\xc0\xaf invalid \xed\xa0\x80 \x1b[2J \xe2\x80\xa8 separator",
]


class Pump:
    """tests/delivery/log_pump.c: numbered events, with sluice-log and sluice-relp as its children"""

    def __init__(self, bin_dir, directory, port, count):
        self.pids, self.said = {}, []
        self.process = subprocess.Popen([os.path.join(bin_dir, "log-pump"), bin_dir, directory, str(port), str(count)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        for pid in self.pids.values():
            self._signal(pid)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "pids":
                self.pids = {"log": int(words[1]), "relp": int(words[2])}
            self.said.append(words[0])

    def _signal(self, pid):
        if pid > 0:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill(self, part):
        """only a child of the pump that still runs: until the pump says otherwise the number is its own"""
        before = wait_until(lambda: self.pids.get(part), 5, "a process to kill")
        self._signal(before)
        wait_until(lambda: self.pids[part] != before, 10, "%s to be started again" % part, pause=0.01)

    def done(self):
        return "received" in self.said


@pytest.fixture
def bin_dir(request):
    return os.path.realpath(request.config.getoption("--bin-dir") or DEFAULT_BIN_DIR)


@pytest.fixture
def pump_directory(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "receiver").mkdir()
    return tmp_path


def events_of(receiver, torn=0):
    """every sequence that arrived, how often; each line judged, and every file that somebody's text could have made"""
    files = receiver.files()
    assert set(files) == {"pump/block.json"} or set(files) == {"pump/block.json", "pump/system.json"}, set(files)
    seen, broken = {}, []
    for line in files["pump/block.json"]:
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError:
            broken.append(line)
            continue
        number = int(event["session_id"], 16)
        assert event["http"]["url"] == HOSTILE[number % len(HOSTILE)] and event["detail"] == "nul\0after", line
        assert (event["log"], event["device"], event["producer_sequence"]) == ("block", "pump", number - 1), line
        assert seen.setdefault(event["sequence"], number) == number, "one sequence, two records: %r" % line
    assert len(broken) <= torn, broken[:3]
    return seen


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
