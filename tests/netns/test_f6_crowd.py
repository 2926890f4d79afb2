# SPDX-License-Identifier: Apache-2.0
"""F6, B12: very many flows at once. Clients and a server are frames (lab/crowd.py); between them stands the appliance with real sockets."""
import contextlib

import pytest

from lab.appliance import configuration, ssl_server
from lab.crowd import CROWD_IP, Crowd, flood
from lab.namespace import wait_until
from lab.topology import CLIENT_IP
from lab.traffic import ATTACK


def crowded(workers):
    def document(topology):
        servers = [ssl_server("web", ["443", "8443-8449"]), ssl_server("crowd", ["443"], service="any", destinations=[CROWD_IP], logging=False)]
        return configuration(topology, workers=workers, servers=servers,
                             limits={"max_sessions": 1000000, "client_hello_timeout_seconds": 300})
    return document


def memory_kilobytes():
    with open("/proc/meminfo") as info:
        return {line.split(":")[0]: int(line.split()[1]) for line in info}


def proportional_kilobytes(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError), open("/proc/%d/smaps_rollup" % pid) as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


def flow_table_kilobytes(lab):
    """what the kernel charges the map of flows"""
    rows = [row for row in lab.appliance.bpf_maps() if row["name"] == "flows"]
    return sum(row["bytes_memlock"] for row in rows) / 1024


@pytest.mark.limit(400)
@pytest.mark.parametrize("sessions,syns,workers", [pytest.param(3000, 3000, 2, id="6000"),
                                                    pytest.param(140000, 80000, 16, id="200000", marks=pytest.mark.long)])
def test_f6_very_many_flows_and_their_memory(fresh_lab, sessions, syns, workers):
    """established sessions that wait for their ClientHello, and a flood on top: the attack is blocked, a client is served, all of it ends"""
    lab = fresh_lab(document=crowded(workers))
    lab.server.run("ip", "route", "add", "172.16.0.0/12", "via", CLIENT_IP)
    lab.client.run("ip", "route", "add", "blackhole", "172.16.0.0/12")
    before, own = memory_kilobytes(), proportional_kilobytes(lab.appliance.workers().values())
    table = flow_table_kilobytes(lab)
    with Crowd(lab, "server"), Crowd(lab, "client", sessions) as clients:
        clients.wait_established(sessions, 240)
        wait_until(lambda: lab.appliance.status()["sessions"] >= sessions, 60, "%d sessions" % sessions, pause=0.2)
        after = memory_kilobytes()
        figures = {"kernel, slab": (after["Slab"] - before["Slab"]) / sessions, "kernel, flow table": (flow_table_kilobytes(lab) - table) / sessions,
                   "workers": (proportional_kilobytes(lab.appliance.workers().values()) - own) / sessions}
        print("KB a session of %d:" % sessions, {what: round(value, 2) for what, value in figures.items()})
        assert figures["workers"] < 8 and figures["kernel, flow table"] < 0.3, figures
        flood(lab, syns)
        flows = lab.appliance.status()["flows"]
        print(flows, "flows")
        assert flows >= min(sessions + min(syns, 60000), 200000) or syns < 60000, flows
        assert lab.curl(ATTACK + "&in-the-crowd", "--path-as-is", timeout=20).reset
        assert lab.curl("/in-the-crowd", timeout=20).ok
        assert clients.said["reset"] == 0, "a flood ends no session: %s" % clients.said
        clients.reset_all()
    wait_until(lambda: lab.appliance.status()["sessions"] == 0, 60, "the sessions to end", pause=0.2)
    wait_until(lambda: lab.appliance.status()["flows"] < 66000, 60, "their flows to go", pause=0.2)
    assert not lab.nginx.saw("etc/passwd")
    assert lab.appliance.counters()["wire_bypassed_flow_table"] == 0
