# SPDX-License-Identifier: Apache-2.0
"""It must hold (G6): numbered events through everything that goes wrong between an appliance and its log server, one after
the other and under load: kill -9 of the receiver, of the sender and of sluice-log, a link that is cut half-open, a disk that is
full and freed, a wall clock that is set forth and back. Every sequence number arrives, nothing is forged."""
import contextlib
import itertools
import os
import random
import string
import struct
import subprocess
import time

import pytest

from lab.appliance import DEFAULT_BIN_DIR
from lab.namespace import Namespace, run, wait_until
from lab.pump import Pump, events_of
from lab.receiver import KIT, Pki, Receiver

SENDER, RECEIVER = "192.0.2.1", "192.0.2.2"
HOUR_NS = 3600 * 10**9


@contextlib.contextmanager
def two_hosts():
    """two namespaces with a cable between them"""
    tag = "".join(random.choices(string.ascii_lowercase, k=6))
    sender, receiver = Namespace("slh%s-s" % tag), Namespace("slh%s-r" % tag)
    try:
        sender.create(), receiver.create()
        sender.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", receiver.name)
        for host, address in (sender, SENDER), (receiver, RECEIVER):
            host.run("ip", "address", "add", address + "/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
        yield sender, receiver
    finally:
        sender.delete(), receiver.delete()


@contextlib.contextmanager
def small_disk(path, megabytes):
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", path)
    try:
        yield path
    finally:
        run("umount", "-l", path)


class Trouble:
    """each method is one kind, over when it returns"""

    def __init__(self, pump, receiver, host, disk, clock):
        self.pump, self.receiver, self.host, self.disk, self.clock = pump, receiver, host, disk, clock

    def receiver_killed(self):
        self.receiver.kill()
        time.sleep(1)
        self.receiver.start()

    def sender_killed(self):
        self.pump.kill("relp")

    def log_killed(self):
        self.pump.kill("log")

    def link_cut(self):
        """the receiver answers nothing any more, and resets nothing"""
        self.host.run("ip", "address", "del", RECEIVER + "/24", "dev", "eth0")
        time.sleep(2)
        self.host.run("ip", "address", "add", RECEIVER + "/24", "dev", "eth0")

    def disk_full(self):
        filler = self.disk / "filler"
        with open(filler, "wb", buffering=0) as out, contextlib.suppress(OSError):
            while True:
                out.write(bytes(1 << 20))
        time.sleep(1)
        filler.unlink()

    def clock_forward(self):
        self._set_clock(HOUR_NS)

    def clock_back(self):
        self._set_clock(-HOUR_NS)

    def clock_right(self):
        self._set_clock(0)

    def _set_clock(self, offset_ns):
        with open(self.clock, "r+b") as out:
            out.write(struct.pack("q", offset_ns))

    KINDS = ("receiver_killed", "clock_forward", "sender_killed", "disk_full", "receiver_killed", "log_killed", "clock_back", "link_cut",
             "receiver_killed", "disk_full", "clock_right")


def hold(tmp_path, bin_dir, count, protocol, rounds):
    pki = Pki(tmp_path / "pki") if protocol == "relp-tls" else None
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("q", 0))
    environment = dict(os.environ, LD_PRELOAD=os.path.join(bin_dir, "clock-step.so"), CLOCK_STEP_FILE=str(clock))
    began = time.monotonic()
    with two_hosts() as (sender, host), small_disk(tmp_path / "disk", 96) as disk:
        (disk / "log").mkdir()
        with Receiver(tmp_path / "receiver", RECEIVER, protocol, pki, namespace=host) as receiver, \
                Pump(bin_dir, str(disk / "log"), receiver.port, count, RECEIVER, pki, sender, environment) as pump:
            trouble = Trouble(pump, receiver, host, disk, clock)
            wait_until(lambda: receiver.names(), 20, "the first records")
            kills = troubles = 0
            for kind in itertools.chain.from_iterable(itertools.repeat(Trouble.KINDS, rounds)):
                if pump.done():
                    break
                getattr(trouble, kind)()
                kills += kind == "receiver_killed"
                troubles += 1
                time.sleep(0.5)
            wait_until(pump.done, 60 + count / 4000, "all events to be received", pause=0.1)
            seen = events_of(receiver, torn=kills)
            duplicates = sum(1 for _ in receiver.lines("pump/block.json")) - len(seen)
            files = [os.path.join(receiver.directory, name) for name in receiver.names()]
            with open(tmp_path / "once", "wb") as out:  # as an operator has them once each
                report = subprocess.run([os.path.join(KIT, "sluice-deduplicate"), *files], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True)
            assert report.returncode == 0 and "MISSING" not in report.stderr, report.stderr
            with open(tmp_path / "once", "rb") as lines:
                assert sum(b'"log":"block"' in line for line in lines) == count
    assert sorted(seen.values()) == list(range(1, count + 1))
    print("%s: %d events, %d troubles, %d duplicates, %.0f s" % (protocol, count, troubles, duplicates, time.monotonic() - began))


@pytest.fixture
def bin_dir(request):
    return os.path.realpath(request.config.getoption("--bin-dir") or DEFAULT_BIN_DIR)


@pytest.mark.limit(120)
def test_g6_every_event_arrives_through_every_trouble(tmp_path, bin_dir):
    hold(tmp_path, bin_dir, 40000, "relp-tls", 1)


@pytest.mark.long
@pytest.mark.limit(1200)
@pytest.mark.parametrize("protocol", ["relp", "relp-tls"])
def test_g6_a_million_events_arrive_through_every_trouble(tmp_path, bin_dir, protocol):
    hold(tmp_path, bin_dir, 1000000, protocol, 1000)
