# SPDX-License-Identifier: Apache-2.0
"""A1, A8: no frame ever leaves by another port than the other one of its segment, and none is the appliance's own; whatever frames come, and
whatever happens to the appliance meanwhile. Frames and judgement are tests/bpf/frame_storm.c, at all four ports of two segments."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from lab.appliance import configuration, kill_and_wait
from lab.namespace import Namespace, run, stop_process, wait_until
from lab.topology import CLIENT_MAC, SERVER_MAC
from lab.traffic import ATTACK, Requests

MARKS = {"a": (1, 2), "b": (2, 1), "c": (3, 4), "d": (4, 3)}  # of a port and of its peer


def two_segments(topology, swapped=False):
    document = configuration(topology)
    document["segments"].append({"name": "second", "port_a": topology.name + "c", "port_b": topology.name + "d"})
    document["virtual_segments"].append({"name": "second-in", "segment": "second", "direction": "a_to_b", "profile": "default"})
    if swapped:
        document["segments"].reverse()
    return document


@contextlib.contextmanager
def second_pair(name):
    """ports c and d, which exist before the appliance starts; behind each an interface without any address"""
    with contextlib.ExitStack() as stack:
        spaces = {}
        for letter in "cd":
            space = spaces[letter] = Namespace("%s-%s" % (name, letter)).create()
            stack.callback(space.delete)
            space.sysctl(net__ipv6__conf__default__disable_ipv6=1)
            run("ip", "link", "add", name + letter, "type", "veth", "peer", "name", "x0", "netns", space.name)
            stack.callback(run, "ip", "link", "del", name + letter, check=False)
            run("ip", "link", "set", name + letter, "up")
            space.run("ip", "link", "set", "x0", "arp", "off", "up")
        yield spaces


@contextlib.contextmanager
def storms(lab, spaces, marks=MARKS, frames_per_ms=4):
    """yields {port: verdict}, filled when the context is left"""
    program = os.path.join(lab.appliance.bin_dir, "../tests/frame_storm")
    places = {"a": (lab.client, "c0", [SERVER_MAC]), "b": (lab.server, "s0", [CLIENT_MAC]), **{port: (space, "x0", []) for port, space in spaces.items()}}
    verdicts, processes = {}, {}
    try:
        for port, (space, interface, macs) in places.items():
            processes[port] = space.popen(program, interface, *marks[port], frames_per_ms, 77 + marks[port][0], *macs, stdout=subprocess.PIPE, text=True)
        for process in processes.values():
            assert process.stdout.readline() == "ready\n"
        yield verdicts
        for port, process in processes.items():
            process.send_signal(signal.SIGTERM)
            verdicts[port] = json.loads(process.communicate(timeout=20)[0])
    finally:
        for process in processes.values():
            stop_process(process)


def kill_everything(lab):
    pids = lab.appliance.all_pids()
    lab.appliance.seen_pids.update(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    lab.appliance.supervisor.wait()


def restart(lab):
    lab.appliance.start()
    lab.appliance.wait_inspecting()


@pytest.mark.quick
@pytest.mark.limit(150)
def test_a1_no_frame_leaves_by_a_wrong_port_whatever_happens(fresh_lab):
    name = "t" + os.urandom(3).hex()
    with second_pair(name) as spaces:
        lab = fresh_lab(document=two_segments, name=name)
        events = [lambda: None, lambda: kill_and_wait(lab.appliance.workers()[0]), lambda: lab.appliance.command("fallback", "enter"),
                  lambda: lab.appliance.command("fallback", "leave"), lambda: lab.appliance.commit(two_segments(lab.topology, swapped=True)),
                  lab.appliance.stop, lambda: restart(lab), lambda: lab.appliance.commit(two_segments(lab.topology)),
                  lambda: kill_everything(lab), lambda: restart(lab)]
        with storms(lab, spaces) as verdicts, Requests(lab.topology, "/benign", threads=1, timeout=2, pause=0.01) as benign:
            for event in events:
                event()
                time.sleep(0.3)
        wait_until(lambda: lab.curl("/after-the-storm").ok, 10, "service after the storm")
        assert lab.curl(ATTACK, "--path-as-is").reset
        counters = lab.appliance.counters()
    print(verdicts, benign.tally(), {k: v for k, v in counters.items() if k.startswith("wire_") and v})
    for port, verdict in verdicts.items():
        assert verdict["foreign"] == 0, (port, verdict)
        assert verdict["sent"] > 1000 and verdict["marked"] > 500, (port, verdict)
    assert benign.tally()["ok"] > 10
    seen = [k for k in ("wire_held", "wire_ipv6", "wire_non_ip", "wire_fragments", "wire_tunnel_gre_options", "wire_tunnel_nested", "wire_tunnel_gtp",
                        "wire_malformed", "wire_tunnelled") if not counters[k]]
    assert not seen, "kinds of frames that did not occur: %s" % seen


def test_the_storm_notices_frames_of_another_port(lab):
    with storms(lab, {}, {"a": (1, 9), "b": (2, 1)}) as verdicts:
        time.sleep(0.5)
    assert verdicts["a"]["foreign"] > 10 and verdicts["b"]["foreign"] == 0, verdicts
