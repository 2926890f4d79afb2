# SPDX-License-Identifier: Apache-2.0
"""H3, H6: a manager reads through a real snmpd what the operator is shown."""
import ipaddress
import json
import os
import re
import struct
import subprocess
import time

import pytest

from lab.appliance import alive, configuration, kill_and_wait
from lab.clients import http_get, tls_connect
from lab.namespace import wait_until
from lab.snmp import MODULE, REPOSITORY, ROOT, STUBS, Snmpd, mib_folders

DEVICE, COUNTERS, CLOSED, SERVERS, SESSIONS, WORKERS, CERTIFICATES, GRAPH = ((1, branch) for branch in range(1, 9))


@pytest.fixture(scope="module")
def snmpd():
    with Snmpd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def snmp_lab(request, snmpd):
    from lab.laboratory import Laboratory
    option = request.config.getoption

    def document(topology):
        return dict(configuration(topology), snmp={"agentx_socket": snmpd.agentx})
    with Laboratory(option("--device"), option("--bin-dir"), document=document) as laboratory:
        wait_until(lambda: snmpd.walk(), 20, "the sub-agent to answer")
        yield laboratory
        said = [line for line in laboratory.appliance.messages().splitlines() if "Sanitizer" in line or "runtime error:" in line]
        assert not said, said


@pytest.fixture(scope="module")
def mibs(tmp_path_factory):
    folders = mib_folders(str(tmp_path_factory.mktemp("mibs")))
    if not folders:
        pytest.skip("npm cannot fetch the IETF's MIB modules")
    return folders


def numbers(kind):
    """{id: SNMP number} from src/snmp/numbers.def"""
    with open(os.path.join(REPOSITORY, "src/snmp/numbers.def")) as text:
        return {name: int(number) for name, number in re.findall(r"^%s\((\w+), (\d+)\)" % kind, text.read(), re.M)}


def close_names():
    with open(os.path.join(REPOSITORY, "src/stats/close_reasons.def")) as text:
        return dict(re.findall(r'^CLOSE_REASON\((\w+), "(\w+)"', text.read(), re.M))


def index_of(name):
    return tuple(name.encode())


def table(walked, branch, columns):
    """{index: {column: text}}"""
    rows = {}
    for oid, _, text in walked:
        if oid[:2] == branch and oid[2] == 1 and oid[3] in columns:
            rows.setdefault(oid[4:], {})[columns[oid[3]]] = text.strip('"')
    return rows


def octets(text):
    return bytes(int(word, 16) for word in text.split())


def same_time(lab, snmpd):
    """counters by SNMP between two equal readings of the CLI: nothing counted meanwhile, however old the snapshot"""
    for _ in range(20):
        before = lab.appliance.counters(), lab.appliance.counters("web")
        time.sleep(1.1)
        walked = snmpd.walk()
        if (lab.appliance.counters(), lab.appliance.counters("web")) == before:
            return before, walked
    raise AssertionError("the counters never rested")


def test_h6_every_counter_is_the_same_in_snmp_and_cli(snmp_lab, snmpd):
    for _ in range(3):
        assert snmp_lab.curl("/counted").ok
    (total, web), walked = same_time(snmp_lab, snmpd)
    values = {oid: int(text) for oid, kind, text in walked if kind in ("Counter64", "Gauge32")}
    scalars = {name.lower(): (*COUNTERS, n, 0) for name, n in numbers("COUNTER_NUMBER").items()}
    scalars.update({"closed_" + close_names()[name]: (*CLOSED, n, 0) for name, n in numbers("CLOSE_NUMBER").items()})
    assert {name: values.get(oid) for name, oid in scalars.items()} == total
    assert total["sessions_new"] >= 3
    columns = {name.lower(): 100 + n for name, n in numbers("COUNTER_NUMBER").items()}
    columns.update({"closed_" + close_names()[name]: 1000 + n for name, n in numbers("CLOSE_NUMBER").items()})
    assert {name: values.get((*SERVERS, 1, columns[name], *index_of("web"))) for name in web} == web
    assert web["sessions_new"] >= 3


def test_h3_a_walk_is_in_order_and_walk_and_bulkwalk_agree(snmp_lab, snmpd):
    time.sleep(1.1)
    names = [oid for oid, _, _ in snmpd.walk()]
    assert names == sorted(names) and len(set(names)) == len(names) > 150
    singly = [oid for oid, _, _ in snmpd.walk(command="snmpwalk")]
    assert [n for n in singly if n[:2] not in (SESSIONS, GRAPH)] == [n for n in names if n[:2] not in (SESSIONS, GRAPH)]


def test_h3_device(snmp_lab, snmpd):
    status = snmp_lab.appliance.status()
    assert snmpd.get(".1.1.2.0").strip('"') == status["instance"]
    assert int(snmpd.get(".1.1.5.0")) == status["config_version"]
    assert snmpd.get(".1.1.6.0") == "1" and status["inspection"] == "on"
    assert int(snmpd.get(".1.1.9.0")) == status["max_sessions"] == 100000
    started = octets(dict((oid, text) for oid, _, text in snmpd.walk(ROOT + ".1.1.4"))[(*DEVICE, 4, 0)])
    shown = time.gmtime(status["started"] // 1000000)
    assert (started[0] << 8 | started[1], *started[2:7]) == tuple(shown[:6]) and started[8:] == b"+\0\0"
    assert status["snmp"]["state"] == "live"


def test_h3_servers_workers_certificates(snmp_lab, snmpd):
    walked = snmpd.walk()
    plain = dict((oid, text) for oid, _, text in snmpd.walk(options=["-Oa"]))
    shown = {row["name"]: row for row in snmp_lab.appliance.show("servers")["servers"]}
    assert {oid[4:] for oid, _, _ in walked if oid[:2] == SERVERS} == {index_of(name) for name in shown}
    for name, row in shown.items():
        cell = {column: snmpd.get(".1.4.1.%d.%s" % (column, ".".join(map(str, index_of(name))))).strip('"') for column in (2, 3, 4, 5, 6)}
        assert cell == {2: ", ".join(row["destinations"]), 3: ", ".join(row["detection_ports"]), 4: ", ".join(row["certificates"]),
                        5: row["decrypted_service"], 6: "available"}
    workers = snmp_lab.appliance.status()["workers"]
    assert [int(plain[(*WORKERS, 1, 3, i + 1)]) for i in range(len(workers))] == [row["pid"] for row in workers]
    facts, = snmp_lab.appliance.ask("certificate", "list")["certificates"]
    index = index_of("web-rsa")
    expires = octets(dict((oid, text) for oid, _, text in walked)[(*CERTIFICATES, 1, 5, *index)])
    assert "%04d-%02d-%02dT%02d:%02d:%02dZ" % (expires[0] << 8 | expires[1], *expires[2:7]) == facts["not_after"]
    assert int(plain[(*CERTIFICATES, 1, 8, *index)]) == facts["key_bits"]


def test_h3_the_50_newest_sessions(snmp_lab, snmpd):
    connections = [tls_connect(snmp_lab.client, certificate=snmp_lab.certificate) for _ in range(55)]
    try:
        for connection in connections[-3:]:
            http_get(connection)
        time.sleep(1.6)
        walked = snmpd.walk(ROOT + ".1.5")
        shown = snmp_lab.appliance.show("sessions")["sessions"]
        columns = {2: "id", 4: "kind", 5: "client", 6: "port", 8: "server", 20: "inspected", 21: "sent", 22: "received"}
        rows = table(walked, SESSIONS, columns)
        assert sorted(rows) == [(i,) for i in range(1, 51)]
        for place, row in enumerate(shown, 1):
            cell = rows[(place,)]
            assert octets(cell["id"]).hex() == row["id"]
            assert (str(ipaddress.ip_address(octets(cell["client"]))), int(cell["port"])) == (row["client_ip"], row["client_port"])
            assert str(ipaddress.ip_address(octets(cell["server"]))) == row["server_ip"] and cell["kind"] == "1"
            assert (int(cell["sent"]), int(cell["received"])) == (row["bytes_to_server"], row["bytes_to_client"])
            assert cell["inspected"] == ("1" if row["inspected"] else "2")
        assert sum(int(row["received"]) > 0 for row in rows.values()) == 3
    finally:
        for connection in connections:
            connection.close()


def test_h3_authpriv_only_and_read_only(snmp_lab, snmpd):
    for version in ("-v2c", "-v1"):
        result = subprocess.run(["snmpget", version, "-c", "public", "-t", "1", "-r", "0", "udp:127.0.0.1:%d" % snmpd.port,
                                 ROOT + ".1.1.1.0"], capture_output=True, text=True, check=False)
        assert result.returncode, result.stdout
    assert "noAccess" in snmpd.ask("snmpset", ROOT + ".1.1.3.0", "s", "x", check=False)


def test_h3_sub_agent_is_unprivileged(snmp_lab, snmpd):
    pid = snmp_lab.appliance.status()["snmp"]["pid"]
    with open("/proc/%d/status" % pid) as text:
        status = dict(line.split(":\t", 1) for line in text.read().splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split() and status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0


def test_h3_sub_agent_and_snmpd_come_back(snmp_lab, snmpd):
    workers = snmp_lab.appliance.workers()
    pid = snmp_lab.appliance.status()["snmp"]["pid"]
    kill_and_wait(pid)
    wait_until(lambda: snmp_lab.appliance.status()["snmp"]["pid"] not in (0, pid), 10, "another sub-agent")
    wait_until(lambda: snmpd.walk(ROOT + ".1.1"), 10, "its answer")
    snmpd.stop()
    os.unlink(snmpd.agentx)
    pid = snmp_lab.appliance.status()["snmp"]["pid"]
    snmpd.start()
    wait_until(lambda: snmpd.walk(ROOT + ".1.1"), 15, "the same sub-agent at the new snmpd")
    assert snmp_lab.appliance.status()["snmp"]["pid"] == pid and alive(pid)
    assert snmp_lab.appliance.workers() == workers and snmp_lab.curl("/").ok


def test_h3_mib_is_lint_clean(mibs):
    result = subprocess.run(["smilint", "-l", "6", "-s", MODULE + "/SLUICE-MIB.txt"], env=dict(os.environ, SMIPATH=mibs),
                            capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def object_types():
    """descriptors of the module"""
    with open(MODULE + "/SLUICE-MIB.txt") as text:
        return set(re.findall(r"^(slu\w+) OBJECT-TYPE", text.read(), re.M))


def test_h3_mib_loads_in_pysmi(mibs, tmp_path):
    result = subprocess.run(["mibdump", *["--mib-source=file://" + folder for folder in mibs.split(":")], "--destination-format=json",
                             "--destination-directory=%s" % tmp_path, "--rebuild", "SLUICE-MIB"], capture_output=True, text=True, check=False,
                            timeout=50)
    assert result.returncode == 0 and "Failed MIBs: \n" in result.stderr + "\n", result.stderr
    with open(tmp_path / "SLUICE-MIB.json") as compiled:
        symbols = json.load(compiled)
    assert object_types() <= set(symbols)
    assert symbols["sluSessionsNew"]["oid"] == (ROOT + ".1.2.20")[1:]
    assert symbols["sluPortLink"]["syntax"]["constraints"]["enumeration"] == {"up": 1, "down": 2, "missing": 3}


MANAGER = """
const snmp = require(process.argv[2]), port = +process.argv[3], store = snmp.createModuleStore();
for (const file of process.argv.slice(4)) store.loadFromFile(file);
const module_ = store.getModule("SLUICE-MIB");
const user = {name: "monitor", level: snmp.SecurityLevel.authPriv, authProtocol: snmp.AuthProtocols.sha256, authKey: "authentic-" + port,
	privProtocol: snmp.PrivProtocols.aes, privKey: "private-" + port};
const session = snmp.createV3Session("127.0.0.1", user, {port: port, version: snmp.Version3});
session.get([module_.sluDeviceConfigVersion.OID + ".0", module_.sluDeviceName.OID + ".0"], (error, found) => {
	if (error) throw error;
	console.log(JSON.stringify({objects: Object.keys(module_).length, version: found[0].value, name: found[1].value.toString()}));
	session.close();
});
"""


def test_h3_node_net_snmp_loads_the_mib_and_reads(snmp_lab, snmpd, mibs, tmp_path):
    if subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(tmp_path), "net-snmp@3"], check=False,
                      capture_output=True, timeout=50).returncode:
        pytest.skip("npm cannot fetch net-snmp")
    with open(tmp_path / "manager.js", "w") as out:
        out.write(MANAGER)
    files = [STUBS + "/SNMP-FRAMEWORK-MIB", STUBS + "/INET-ADDRESS-MIB", STUBS + "/HCNUM-TC", MODULE + "/SLUICE-MIB.txt"]
    result = subprocess.run(["node", str(tmp_path / "manager.js"), str(tmp_path / "node_modules/net-snmp"), str(snmpd.port), *files],
                            capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, result.stderr
    found, status = json.loads(result.stdout), snmp_lab.appliance.status()
    assert (found["version"], found["name"]) == (status["config_version"], status["device"]) and found["objects"] >= len(object_types())


def test_h3_manager_with_the_mib(snmp_lab, snmpd, mibs):
    value = snmpd.ask("snmpget", "SLUICE-MIB::sluSessionsNew.0", mibs=mibs)
    assert re.fullmatch(r"SLUICE-MIB::sluSessionsNew\.0 = Counter64: \d+ sessions\n", value), value
    assert "sluDeviceInspection.0 = INTEGER: on(1)" in snmpd.ask("snmpget", "SLUICE-MIB::sluDeviceInspection.0", mibs=mibs)
    rows = snmpd.ask("snmptable", "SLUICE-MIB::sluWorkerTable", options=["-Cf", ","], mibs=mibs).strip().splitlines()
    assert rows[-1].split(",")[2] == "live" and len(rows) >= 4, rows


@pytest.mark.limit(150)
def test_h2_graphs_over_a_restart_in_snmp_and_cli(snmp_lab, snmpd):
    """a whole day in the history, of which one minute is real; of the last tests in this file: the supervisor is stopped"""
    appliance, history = snmp_lab.appliance, struct.Struct("<II%dQ" % (4 * 1440))
    before = appliance.counters()
    for _ in range(9):
        assert snmp_lab.curl("/graphed").ok
    appliance.wait_counter("closed_done", before["closed_done"] + 9)
    after, minute = appliance.counters(), int(time.time()) // 60
    appliance.stop()
    with open(appliance.state_dir + "/graphs", "rb") as kept:
        magic, size, *cells = history.unpack(kept.read())
    rows = {row[0]: row for row in zip(*[iter(cells)] * 4)}
    sessions = sum(row[3] for number, row in rows.items() if number)
    assert sessions == after["sessions_new"] and sum(row[1] for row in rows.values()) == sum(
        after[name] for name in ("bytes_to_server", "bytes_to_client", "bypassed_bytes", "wire_passed_bytes"))
    assert rows[minute][3] >= 9 or rows[minute - 1][3] >= 9
    for number in range(minute - 1440, minute):
        if number not in rows:
            rows[number] = (number, number % 977, number % 499, number % 61)
    ring = sorted(rows.values(), key=lambda row: row[0] % 1440)[:1440] if 0 not in rows else \
        sorted((row for row in rows.values() if row[0] > minute - 1440), key=lambda row: row[0] % 1440)
    with open(appliance.state_dir + "/graphs", "wb") as kept:
        kept.write(history.pack(magic, size, *[cell for row in ring for cell in row]))
    appliance.start()
    appliance.wait_inspecting()
    wait_until(lambda: snmpd.walk(ROOT + ".1.8"), 20, "the sub-agent of the next supervisor")
    started = time.monotonic()
    snmpd.walk(options=["-Cr50"])
    assert time.monotonic() - started < 2, "everything with a whole day of history"
    wait_until(lambda: int(time.time()) // 60 > minute, 65, "the minute to be over", pause=0.5)
    wait_until(lambda: str(minute) in snmpd.ask("snmpgetnext", "%s.1.8.1.3.%d" % (ROOT, minute - 1), options=["-On"]), 10, "its row")
    shown = {row["minute"]: row for row in appliance.ask("show", "graph", "new-rate")["graph"]}
    assert shown[minute]["active_rate"] >= 9 or shown[minute - 1]["active_rate"] >= 9
    walked = table(snmpd.walk(ROOT + ".1.8"), GRAPH, {3: "bytes", 4: "bytes_inspected", 5: "active_rate", 6: "new_rate_hundredths"})
    assert len(walked) >= 1438
    for (number,), row in walked.items():
        assert {key: int(text) for key, text in row.items()} == {key: shown[number][key] for key in row}
        assert int(row["new_rate_hundredths"]) == (int(row["active_rate"]) * 100 + 30) // 60
    for graph in "decrypted-traffic", "active-rate", "new-rate":
        drawn = appliance.command("show", "graph", graph).stdout.splitlines()
        assert len(drawn) > 14 and max(map(len, drawn)) <= 80 and "#" in "".join(drawn), drawn


def test_h3_counters_and_their_discontinuity(snmp_lab, snmpd):
    """a new supervisor goes on counting; where nothing was left to go on from, the time of the discontinuity says so"""
    appliance = snmp_lab.appliance

    def told():
        values = dict((oid, text) for oid, _, text in snmpd.walk(ROOT + ".1.1") + snmpd.walk(ROOT + ".1.2"))
        keys = (*DEVICE, 4, 0), (*DEVICE, 15, 0), (*COUNTERS, 20, 0)
        return [values[key] for key in keys] if all(key in values for key in keys) else None
    assert snmp_lab.curl("/").ok
    time.sleep(1.1)
    since = told()[1]
    appliance.stop()
    appliance.start()
    appliance.wait_inspecting()
    wait_until(lambda: (told() or [None, since])[1] != since, 20, "another beginning of the counters")
    assert int(told()[2]) == 0
    assert snmp_lab.curl("/").ok
    wait_until(lambda: told()[2] == "1", 10, "the session to be counted")
    started, since, _ = told()
    kill_and_wait(appliance.supervisor.pid)
    appliance.start()
    appliance.wait_inspecting()
    wait_until(lambda: (told() or [started])[0] != started, 20, "the next supervisor's sub-agent")
    assert told()[1:] == [since, "1"]
