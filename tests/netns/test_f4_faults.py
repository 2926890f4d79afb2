# SPDX-License-Identifier: Apache-2.0
"""F4: a commit that fails at any of its steps is undone everywhere, and a supervisor that is killed at any of them leaves
what the next one starts from: the old configuration or the new one, whole. The steps are src/base/fault_points.def; the
programs under test are the usual ones but for sluiced-fault in place of sluiced, which the build links with faults."""
import json
import os
import re

import pytest

from lab.appliance import FILTERS, REPOSITORY, configuration, ssl_server
from lab.namespace import run, wait_until
from lab.peers import TlsServer, echo
from lab.traffic import ATTACK, Held

NEW_FILTER = 'reject http any any -> any any (msg:"of the candidate"; http.uri; content:"of-the-candidate"; sid:4500000;)\n'
with open(os.path.join(REPOSITORY, "src/base/fault_points.def")) as table:
    STEPS = re.findall(r'^FAULT_POINT\(\w+, "(\w+)", (UNDONE|KEPT),', table.read(), re.MULTILINE)
UNDONE = [name for name, end in STEPS if end == "UNDONE"]
KEPT = [name for name, end in STEPS if end == "KEPT"]


class Faults:
    """the laboratory's appliance with sluiced-fault, two more pairs of ports, and a configuration that has one of them"""

    def __init__(self, lab, directory):
        self.lab, self.appliance, self.directory = lab, lab.appliance, directory
        self.programs = self.appliance.bin_dir
        self.file = str(directory / "fault")
        self.extra = [lab.topology.name + side for side in "xyuv"]
        wrapper = directory / "sluiced"
        wrapper.write_text('#!/bin/sh\nexport SLUICE_FAULT=%s\nexec %s --bin-dir %s "$@"\n' % (
            self.file, os.path.join(self.programs, "../tests/sluiced-fault"), self.programs))
        wrapper.chmod(0o755)

    def __enter__(self):
        for a, b in self.extra[:2], self.extra[2:]:
            run("ip", "link", "add", a, "type", "veth", "peer", "name", b)
        self.appliance.stop()
        self.start()
        self.appliance.commit(self.document())
        return self

    def __exit__(self, *unused):
        self.appliance.remove()
        for port in self.extra:
            run("ip", "link", "del", port, check=False)

    def start(self):
        try:
            self.appliance.bin_dir = str(self.directory)
            self.appliance.start()
        finally:
            self.appliance.bin_dir = self.programs
        wait_until(lambda: self.appliance.status()["config_version"], 10, "the stored configuration")
        self.appliance.wait_inspecting()

    def document(self, candidate=False):
        """the candidate swaps one pair, adds another, has a worker more, a server more and a filter more"""
        document = configuration(self.lab.topology, workers=3 if candidate else 2)
        x, y, u, v = self.extra
        document["segments"].append({"name": "second", "port_a": y if candidate else x, "port_b": x if candidate else y})
        if candidate:
            document["segments"].append({"name": "third", "port_a": u, "port_b": v, "when_down": "block"})
            document["ssl_servers"].append(ssl_server("more", ["7000"]))
            document["profiles"][0]["ssl_policies"].append({"name": "more-policy", "ssl_server": "more"})
        return document

    def commit_candidate(self, fault):
        with open(self.file, "w") as out:
            out.write(fault)
        path = self.appliance.write_configuration(self.document(candidate=True), FILTERS + NEW_FILTER)
        try:
            return self.appliance.command("commit", path, check=False)
        finally:
            os.unlink(self.file)

    def passed(self):
        with open(self.file + ".passed") as names:
            return names.read().split()

    # --- what is in force, everywhere ---------------------------------------------------------------------------------
    def wire(self):
        """ports and tables of the kernel; entries of epochs that are not in force do not count"""
        dump = lambda name: json.loads(run("bpftool", "-j", "map", "dump", "pinned", self.appliance.pin_dir + "/" + name).stdout)  # noqa: E731
        known = [json.dumps(entry.get("formatted", entry), sort_keys=True) for name in ("ports", "segment_ports") for entry in dump(name)]
        return sorted(known), self.ports_at_home()

    def ports_at_home(self):
        return [port for port in self.extra if os.path.exists("/sys/class/net/" + port)]

    def store(self):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(self.appliance.state_dir + "/config") for name in names)

    def assert_in_force(self, version, candidate):
        status = self.appliance.status()
        assert status["config_version"] == version and "configuration_problem" not in status
        wait_until(lambda: sum(row["state"] != "draining" for row in self.appliance.status()["workers"]) == (3 if candidate else 2), 5, "the workers")
        assert all(row["config_version"] == version for row in self.appliance.status()["workers"] if row["state"] == "live")
        assert {row["name"] for row in self.appliance.show("servers")["servers"]} == {"web", "raw"} | ({"more"} if candidate else set())
        assert self.ports_at_home() == ([] if candidate else self.extra[2:])
        assert [row["port_a"] for row in self.appliance.show("segments")["segments"] if row["name"] == "second"] == [self.extra[candidate]]
        assert self.lab.curl("/of-the-candidate").ok != candidate
        assert self.lab.curl(ATTACK, "--path-as-is").reset
        assert not [name for name in self.store() if name.endswith(".new")]
        assert os.path.basename(self.store()[-1]) and max(int(re.match(r"\d+", os.path.basename(n)).group()) for n in self.store()
                                                          if n.endswith(".yaml")) == version


@pytest.fixture
def faults(own_lab, tmp_path):
    if not os.access(os.path.join(own_lab.appliance.bin_dir, "../tests/sluiced-fault"), os.X_OK):
        pytest.skip("the programs under test are not from a build folder")
    with Faults(own_lab, tmp_path) as rig:
        yield rig


@pytest.mark.quick
@pytest.mark.limit(120)
def test_f4_a_commit_that_fails_at_any_step_is_undone_everywhere(faults):
    lab, version = faults.lab, faults.appliance.status()["config_version"]
    with TlsServer(lab.topology, 9001, lab.certificate, echo), Held(lab.topology, 20, 9001) as held:
        faults.assert_in_force(version, False)
        wire, store = faults.wire(), faults.store()
        for name in UNDONE:
            refused = faults.commit_candidate(name + " fail")
            assert refused.returncode == 1, (name, refused)
            assert faults.wire() == wire and faults.store() == store, name
            faults.assert_in_force(version, False)
            assert set(held.exchange()) == {"ok"}, name
        done = faults.commit_candidate("none none")
        assert done.returncode == 0, done
        newest = faults.appliance.status()["config_version"]
        faults.assert_in_force(newest, True)
        assert set(held.exchange()) == {"ok"}
    # every step of the table was passed by that commit, in the table's order (compiler and compiled once per profile)
    last = faults.passed()[-len(STEPS):]
    assert last == [name for name, _ in STEPS]


def kill_at(faults, name, candidate):
    """-> the version in force after the next start"""
    before = faults.appliance.status()["config_version"]
    answer = faults.commit_candidate(name + " kill")
    assert answer.returncode != 0, name
    assert faults.appliance.supervisor.wait(5) == -9, name
    faults.start()
    version = faults.appliance.status()["config_version"]
    assert (version > before) == candidate, (name, before, version)
    faults.assert_in_force(version, candidate)


@pytest.mark.limit(180)
def test_f4_a_supervisor_killed_at_any_step_leaves_a_whole_configuration(faults):
    lab = faults.lab
    with TlsServer(lab.topology, 9001, lab.certificate, echo), Held(lab.topology, 20, 9001) as held:
        for name in UNDONE:
            kill_at(faults, name, False)
            assert set(held.exchange()) == {"ok"}, name
        for name in KEPT:
            kill_at(faults, name, True)
            assert set(held.exchange()) == {"ok"}, name
            faults.appliance.commit(faults.document())
            faults.assert_in_force(faults.appliance.status()["config_version"], False)
