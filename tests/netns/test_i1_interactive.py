# SPDX-License-Identifier: Apache-2.0
"""I1: sluice as a person uses it, on a terminal: completion, help, history, pages; and the shell's completion."""
import contextlib
import fcntl
import json
import os
import pty
import select
import shlex
import struct
import subprocess
import termios
import time

import pytest

from lab.appliance import REPOSITORY

pytestmark = pytest.mark.quick


class Terminal:
    """a program on a terminal of 24 lines of 80 characters"""

    def __init__(self, *command, home):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM="vt100", HOME=home)
            os.execv(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.screen, self.status = "", None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        os.close(self.fd)
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)

    def _write(self, text):
        """types once the program reads key by key: while a line editor sets the terminal up, keys are flushed"""
        end = time.monotonic() + 5
        while termios.tcgetattr(self.fd)[3] & termios.ICANON and time.monotonic() < end:
            select.select([], [], [], 0.01)
        os.write(self.fd, text.encode())

    def type(self, text, until, timeout=8):
        """types, and waits for what the program shows after it; what comes later is kept for the next"""
        if text:
            self._write(text)
        end = time.monotonic() + timeout
        while until not in self.screen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("typed %r, %r did not come: %r" % (text, until, self.screen))
            self.screen += os.read(self.fd, 65536).decode(errors="replace")
        seen, found, self.screen = self.screen.partition(until)
        return seen + found

    def leave(self, text, timeout=15):
        """types until the program ends"""
        end, typed = time.monotonic() + timeout, 0.0
        while self.status is None:
            if time.monotonic() > end:
                raise AssertionError("typed %r, the program went on" % text)
            with contextlib.suppress(OSError):
                if time.monotonic() - typed > 2:
                    typed = time.monotonic()
                    self._write(text)
                if select.select([self.fd], [], [], 0.05)[0]:
                    os.read(self.fd, 65536)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status


def sluice(lab, home):
    return Terminal(os.path.join(lab.appliance.bin_dir, "sluice"), "--instance", lab.topology.name, home=home)


def test_i1_a_session_at_the_terminal(lab, tmp_path):
    prompt = lab.topology.name + "> "
    with sluice(lab, str(tmp_path)) as terminal:
        terminal.type("", prompt)
        assert "commit" in terminal.type("?", "version of this program")
        terminal.type("", prompt)
        terminal.type("sho\tserv\t\n", "web-rsa")
        terminal.type("", prompt)
        assert "not known" not in terminal.type("show counters --server w\t--json\n", '"sessions_new"')
        terminal.type("q", prompt)
        terminal.type("\x10\x10\n", "web-rsa")  # Ctrl-P twice: back in the history
        terminal.type("", prompt)
        terminal.type("shwo\n", "did you mean")
        terminal.type("", prompt)
        terminal.type("show counters\n", "-- more")  # longer than the screen
        terminal.type("q", prompt)
        assert terminal.leave("exit\n") == 0
    history = tmp_path / ".sluice_history"
    assert history.stat().st_mode & 0o777 == 0o600
    with sluice(lab, str(tmp_path)) as terminal:
        terminal.type("", prompt)
        terminal.type("\x10\x10\n", "-- more")
        terminal.type("q", prompt)
        assert terminal.leave("\x15\x04") == 0  # the line is thrown away, Ctrl-D leaves


def test_i1_bash_completes_words_and_names(lab):
    def complete(*words):
        script = "source %s/provisioning/sluice.bash-completion; COMP_WORDS=(%s); COMP_CWORD=%d; _sluice; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            shlex.quote(REPOSITORY), " ".join(shlex.quote(word) for word in words), len(words) - 1)
        return subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    program = [os.path.join(lab.appliance.bin_dir, "sluice"), "--instance", lab.topology.name]
    assert complete(*program, "sho") == ["show"]
    assert complete(*program, "show", "sessions", "--server", "") == ["web", "raw"]
    assert complete(*program, "clear", "sessions", "s") == ["server"]
    assert complete(program[0], "di") == ["diff", "diagnose"]


def test_i1_watch_on_a_terminal_and_as_json(own_lab, tmp_path):
    lab = own_lab  # where no other filter matches more often
    program = [os.path.join(lab.appliance.bin_dir, "sluice"), "--instance", lab.topology.name, "watch"]
    with Terminal(*program, home=str(tmp_path)) as terminal:
        first = terminal.type("", "Health: all is well")
        assert "SSL inspection on" in first and "\x1b[?1049h" in first
        screen = terminal.type("", "Health:").split("\x1b[H")[-1].split("\r\n")
        assert len(screen) <= 23 and max(len(line.replace("\x1b[K", "")) for line in screen) < 80
        assert terminal.leave("q") == 0
    watch = subprocess.Popen([*program, "--json", "--count", "3"], stdout=subprocess.PIPE, text=True)
    assert json.loads(watch.stdout.readline())["rates"]["new_sessions"] == 0  # nothing to compare with yet
    for _ in range(5):
        assert lab.curl("/watched").ok
    samples = [json.loads(line) for line in watch.stdout]
    assert watch.wait() == 0 and len(samples) == 2
    assert 1 <= sum(sample["rates"]["new_sessions"] for sample in samples) <= 6
    assert any(row["reason"] == "done" and row["total"] >= 5 for row in samples[-1]["close_reasons"]) and samples[-1]["health"] == []
    assert samples[1]["time"] - samples[0]["time"] > 0.9e6
    assert lab.curl("/watched?noted=1").ok
    top, = [row for row in lab.appliance.ask("watch", "--count", "1")["top_filters"] if row["sid"] == 4000004]
    assert top["hits"] >= 1 and top["blocks"] == 0 and top["name"] == "noted query"
    text = lab.appliance.command("watch", "--count", "1").stdout
    assert "\x1b" not in text and "Health: all is well" in text
