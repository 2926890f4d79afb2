# SPDX-License-Identifier: Apache-2.0
"""tests/delivery/log_pump.c: numbered events with text that would forge records, through sluice-log and sluice-relp, and the
judgement of what arrived."""
import contextlib
import json
import os
import signal
import subprocess
import threading

from .namespace import wait_until

# as log_pump.c writes them; every byte that is no text of its own comes back as \u00XX
HOSTILE = [
    "\"]} <13>1 2026-01-01T00:00:00Z forged forged - forged - forged",
    "line\n<13>1 2026-01-01T00:00:00Z forged forged - forged - forged\r\n",
    "\",\"sequence\":1,\"log\":\"forged\",\"x\":\"",
    "[sluice@32473 device=\\\"forged\\\"] pipe|equals=backslash\\",
    "\xff\xfe\xc0\xaf invalid \xed\xa0\x80 \x1b[2J \xe2\x80\xa8 separator",
]

LONG_EVERY = 1000  # records between two with a host name of 64 KB


def _long_host():
    """bytes as they were, each that is no text as the character of its number, as the JSON says"""
    whole = "".join(HOSTILE)
    return (whole * (65535 // len(whole) + 1))[:65535]


LONG_HOST = _long_host()


class Pump:
    """tests/delivery/log_pump.c: numbered events, with sluice-log and sluice-relp as its children"""

    def __init__(self, bin_dir, directory, port, count, host="127.0.0.1", pki=None, namespace=None, environment=None, form="rfc5424_json"):
        self.pids, self.said = {}, []
        command = [os.path.join(bin_dir, "log-pump"), bin_dir, directory, host, str(port), str(count)] + ([pki.directory] if pki else [])
        with namespace or contextlib.nullcontext():
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                            env=dict(environment or os.environ, PUMP_FORMAT=form))
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


def events_of(receiver, torn=0):
    """every sequence that arrived, how often; each line judged, and every file that somebody's text could have made"""
    assert {"pump/block.json"} <= set(receiver.names()) <= {"pump/block.json", "pump/system.json"}, receiver.names()
    seen, broken = {}, []
    for line in receiver.lines("pump/block.json"):
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError:
            broken.append(line)
            continue
        number = int(event["session_id"], 16)
        assert event["http"].get("hostname") == (LONG_HOST if number % LONG_EVERY == 0 else None), line[:3000]
        assert event["http"]["url"] == HOSTILE[number % len(HOSTILE)] and event["detail"] == "nul\0after", line
        assert (event["log"], event["device"], event["producer_sequence"]) == ("block", "pump", number - 1), line
        assert seen.setdefault(event["sequence"], number) == number, "one sequence, two records: %r" % line
    assert len(broken) <= torn, broken[:3]
    return seen
