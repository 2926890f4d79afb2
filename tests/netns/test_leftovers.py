# SPDX-License-Identifier: Apache-2.0
"""Set-up and tear-down leave nothing behind, also after a crash; two instances live side by side."""
import pytest

from lab.appliance import alive, configuration, kill_and_wait
from lab.clients import ping
from lab.namespace import run, wait_until
from lab.topology import SERVER_IP
from lab.traffic import ATTACK


@pytest.mark.quick
def test_teardown_leaves_nothing_and_gives_the_ports_back(own_lab):
    appliance, topology = own_lab.appliance, own_lab.topology
    pids = appliance.all_pids()
    assert topology.port_state() == [], "the ports are in the appliance's namespace"
    appliance.stop()
    appliance.teardown()
    assert appliance.leftovers() == []
    assert topology.port_state() == [topology.port_a, topology.port_b]
    wait_until(lambda: not any(map(alive, pids)), 10, "every process to be gone")


def test_teardown_after_a_crash(own_lab):
    appliance, topology = own_lab.appliance, own_lab.topology
    pids = appliance.all_pids()
    appliance.seen_pids.update(pids)
    kill_and_wait(appliance.supervisor.pid)
    appliance.supervisor.wait()
    appliance.teardown()
    assert appliance.leftovers() == []
    assert topology.port_state() == [topology.port_a, topology.port_b]
    appliance.teardown()  # idempotent
    wait_until(lambda: not any(map(alive, pids)), 10, "headless processes to be ended")


def test_start_over_after_a_crash_and_teardown(own_lab):
    appliance = own_lab.appliance
    appliance.seen_pids.update(appliance.all_pids())
    kill_and_wait(appliance.supervisor.pid)
    appliance.supervisor.wait()
    appliance.teardown()
    appliance.start()
    appliance.wait_inspecting()
    assert own_lab.curl(ATTACK, "--path-as-is").reset


def test_failed_commit_of_ports_that_do_not_exist_leaves_the_wire_alone(own_lab):
    document = configuration(own_lab.topology)
    document["segments"][0]["port_b"] = "nosuchport0"
    path = own_lab.appliance.write_configuration(document)
    result = own_lab.appliance.command("commit", path, check=False)
    assert result.returncode != 0 and "nosuchport0" in result.stdout + result.stderr
    assert ping(own_lab.client, SERVER_IP) and own_lab.curl(ATTACK, "--path-as-is").reset


def test_two_instances_side_by_side(lab, own_lab):
    assert lab.topology.name != own_lab.topology.name
    for laboratory in lab, own_lab:
        assert laboratory.curl(ATTACK + "&side-by-side", "--path-as-is").reset
        laboratory.appliance.wait_record("block", url=ATTACK + "&side-by-side")


def test_workers_run_without_privilege(lab):
    """E5, A8: uid, capabilities, seccomp of every child, from the kernel"""
    for role, pid in lab.appliance.children().items():
        with open("/proc/%d/status" % pid) as status:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
        assert fields["Uid"].split()[0] != "0", role
        assert fields["Seccomp"].strip() == "2" or role == "log", role
        assert int(fields["CapEff"], 16) in ((1 << 13,) if role.startswith("worker") else (0,)), (role, fields["CapEff"])
        assert fields["NoNewPrivs"].strip() == "1", role


def test_worker_holds_no_private_key(lab):
    """the key's bytes are in no memory of a worker, and would be found if they were: nginx has them"""
    text = run("openssl", "rsa", "-in", lab.certificate.key, "-noout", "-text").stdout
    prime = text.split("prime1:")[1].split("prime2:")[0]
    needle = bytes.fromhex(prime.replace(":", "").replace("\n", "").replace(" ", ""))[-64:]
    assert _memory_contains(lab.nginx.process.pid, (needle, needle[::-1]))
    for pid in lab.appliance.workers().values():
        assert not _memory_contains(pid, (needle, needle[::-1])), "private prime found in worker %d" % pid


def _memory_contains(pid, needles):
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            words = line.split()
            start, end = (int(x, 16) for x in words[0].split("-"))
            if not words[1].startswith("rw") or end - start > 1 << 28:
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue
            if any(needle in data for needle in needles):
                return True
    return False
