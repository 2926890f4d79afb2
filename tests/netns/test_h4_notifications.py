# SPDX-License-Identifier: Apache-2.0
"""H4: what happens is told to a real snmptrapd through a real snmpd, SNMPv3 with authentication and encryption."""
import socket
import time

import pytest

from lab.appliance import CommandFailed, configuration, kill_and_wait
from lab.clients import WEB_NAME, http_get, tls_connect
from lab.namespace import wait_until
from lab.peers import Certificate
from lab.snmp import ROOT, TRAP_OID, Snmpd, Snmptrapd
from test_e_certificates import expired
from test_e_keeper import without_key

NAMES = {"inspection": 1, "key_keeper": 2, "server_key": 3, "log_target": 4, "certificate": 5, "drift": 6, "sessions": 7,
         "configuration": 8, "block": 9, "fallback": 10, "port": 11}
HITS = ROOT + ".1.99.1.0"
ATTACK = "/../../etc/passwd"


@pytest.fixture(scope="module")
def trapd():
    with Snmptrapd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def informed():
    with Snmptrapd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def plain():
    with Snmptrapd("old-ways") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def told_lab(request, trapd, informed, plain):
    from lab.laboratory import Laboratory
    option = request.config.getoption
    with Snmpd([trapd.sink(), informed.sink("-Ci"), plain.sink()], trapd.engine) as snmpd:
        with Laboratory(option("--device"), option("--bin-dir"),
                        document=lambda topology: dict(configuration(topology), snmp={"agentx_socket": snmpd.agentx})) as laboratory:
            wait_until(lambda: snmpd.walk(ROOT + ".1.1"), 20, "the sub-agent to answer")
            time.sleep(2.2)  # its first look: nothing to wait for, as nothing is told of it
            yield laboratory
            said = [line for line in laboratory.appliance.messages().splitlines() if "Sanitizer" in line or "runtime error:" in line]
            assert not said, said


@pytest.fixture
def snmp_document(told_lab):
    return told_lab.document(told_lab.topology)


def wait_trap(trapd, word, since, timeout=20, **values):
    """the first notification of this kind whose objects have these values"""
    def found():
        for trap in trapd.received()[since:]:
            if trap[TRAP_OID] == "%s.0.%d" % (ROOT, NAMES[word]) and \
                    all(trap.get(ROOT + suffix) == value for suffix, value in values.get("objects", {}).items()):
                return trap
        return None
    return wait_until(found, timeout, "a notification of " + word)


def attack(lab):
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        try:
            http_get(connection, ATTACK)
        except (OSError, EOFError):
            pass


def test_h4_fallback_and_back(told_lab, trapd):
    appliance, since = told_lab.appliance, len(trapd.received())

    def kill_all():
        for pid in appliance.workers().values():
            if pid:
                kill_and_wait(pid)
        return [trap for trap in trapd.received()[since:] if trap.get(ROOT + ".1.1.6.0") == "3"]
    wait_until(kill_all, 30, "fallback to be told")
    fallback = wait_trap(trapd, "inspection", since, objects={".1.1.6.0": "3"})
    assert fallback[HITS] == "1" and int(fallback[ROOT + ".1.1.5.0"]) == appliance.status()["config_version"]
    appliance.wait_inspecting(timeout=40)
    wait_trap(trapd, "inspection", since, objects={".1.1.6.0": "1"})


def test_h4_blocks_are_counted_together(told_lab, trapd):
    since, before = len(trapd.received()), told_lab.appliance.counters()["sessions_blocked"]
    for _ in range(5):
        attack(told_lab)
    told_lab.appliance.wait_counter("sessions_blocked", before + 5)

    def told():
        return [trap for trap in trapd.received()[since:] if trap[TRAP_OID] == ROOT + ".0.9"]
    wait_until(lambda: sum(int(trap[HITS]) for trap in told()) == 5, 10, "every block to be told")
    assert int(told()[-1]["%s.1.2.31.0" % ROOT]) == before + 5
    time.sleep(2.2)  # nothing is told twice
    assert sum(int(trap[HITS]) for trap in told()) == 5


def test_h4_key_keeper(told_lab, trapd):
    since = len(trapd.received())

    def kill():
        pid = told_lab.appliance.status()["keeper"]["pid"]
        if pid:
            kill_and_wait(pid)
        return any(trap.get(ROOT + ".1.1.10.0") == "2" for trap in trapd.received()[since:])
    wait_until(kill, 30, "the key keeper's end to be told")
    wait_trap(trapd, "key_keeper", since, timeout=40, objects={".1.1.10.0": "1"})


def test_h4_configuration_rejected(told_lab, trapd, snmp_document):
    since = len(trapd.received())
    web, raw = snmp_document["ssl_servers"]
    with pytest.raises(CommandFailed):
        told_lab.appliance.commit(dict(snmp_document, ssl_servers=[dict(web, certificates=["nowhere"]), raw]))
    trap = wait_trap(trapd, "configuration", since)
    assert "nowhere" in trap[ROOT + ".1.1.14.0"] and trap[ROOT + ".1.1.13.0"] == "1"


def test_h4_fallback_by_command_names_segment_and_cause(told_lab, trapd):
    since, index = len(trapd.received()), ".".join(str(byte) for byte in b"dmz")
    told_lab.appliance.command("fallback", "enter")
    wait_trap(trapd, "fallback", since, objects={".1.10.1.6.%s" % index: "3", ".1.10.1.7.%s" % index: "4"})
    told_lab.appliance.command("fallback", "leave")
    back = wait_trap(trapd, "fallback", since, objects={".1.10.1.6.%s" % index: "1"})
    assert ROOT + ".1.10.1.7.%s" % index not in back


def test_h4_link_of_a_port(told_lab, trapd):
    since, link = len(trapd.received()), ".1.15.1.4." + ".".join(str(byte) for byte in told_lab.topology.port_a.encode())
    told_lab.client.run("ip", "link", "set", "c0", "down")
    try:
        down = wait_trap(trapd, "port", since, objects={link: "2"})
        assert "dmz" in down.values()
    finally:
        told_lab.client.run("ip", "link", "set", "c0", "up")
    wait_trap(trapd, "port", since, objects={link: "1"})
    wait_until(lambda: told_lab.curl("/").ok, 20, "the client to be back")


def test_h4_session_thresholds(told_lab, trapd, snmp_document):
    """of ten sessions at most: five is the warning threshold, eight the critical one"""
    since = len(trapd.received())
    told_lab.appliance.commit(dict(snmp_document, limits={"max_sessions": 10, "warning_threshold_percent": 50,
                                                          "critical_threshold_percent": 80}))
    connections = []
    try:
        for state, wanted in (("2", 6), ("3", 9)):
            while len(connections) < wanted:
                connections.append(tls_connect(told_lab.client, certificate=told_lab.certificate))
            trap = wait_trap(trapd, "sessions", since, objects={".1.1.19.0": state, ".1.1.9.0": "10"})
            assert int(trap[ROOT + ".1.1.8.0"]) >= (5 if state == "2" else 8), trap
    finally:
        for connection in connections:
            connection.close()
    wait_trap(trapd, "sessions", since, objects={".1.1.19.0": "1"})
    told_lab.appliance.commit(snmp_document)


def test_h4_server_key(told_lab, trapd):
    since, column = len(trapd.received()), "%s.1.4.1.6.%s" % (ROOT, ".".join(str(byte) for byte in b"web"))

    def told(available):
        return [trap for trap in trapd.received()[since:] if column in trap and (trap[column] == "available") == available]
    with without_key(told_lab):
        trap = wait_until(lambda: told(False), 20, "the missing key to be told")[0]
        assert trap[TRAP_OID] == ROOT + ".0.3"
        since = len(trapd.received())
    wait_until(lambda: told(True), 20, "the key to be told again")
    told_lab.appliance.wait_inspecting(timeout=30)


def test_h4_drift(told_lab, trapd, snmp_document):
    since = len(trapd.received())
    held = Certificate(told_lab.topology.directory, "held", WEB_NAME)
    told_lab.appliance.import_certificate(held)
    web, raw = snmp_document["ssl_servers"]
    told_lab.appliance.commit(dict(snmp_document, ssl_servers=[
        dict(web, certificates=["held"], certificate_drift="ignore"), raw]))
    for _ in range(40):  # a worker that resumes its session with the server is shown no certificate again: the other one is
        assert told_lab.curl("/drifting", certificate=held).ok
        if told_lab.appliance.counters()["certificate_drifts"] >= 2:
            break
    told_lab.appliance.wait_counter("certificate_drifts", 2)

    def told():
        return [trap for trap in trapd.received()[since:] if trap[TRAP_OID] == ROOT + ".0.6"]
    wait_until(lambda: sum(int(trap[HITS]) for trap in told()) == 2, 10, "both sessions to be told of")
    assert told()[-1][ROOT + ".1.2.254.0"] == "2"
    told_lab.appliance.commit(snmp_document)


def test_h4_the_interval_gathers_what_happens(told_lab, trapd, snmp_document):
    appliance = told_lab.appliance
    document = dict(snmp_document, snmp=dict(snmp_document["snmp"], notification_interval_seconds=6))
    appliance.commit(document)
    since, before = len(trapd.received()), appliance.counters()["sessions_blocked"]
    started = time.monotonic()
    while time.monotonic() - started < 9:
        attack(told_lab)
    attacks = appliance.counters()["sessions_blocked"] - before

    def told():
        return [trap for trap in trapd.received()[since:] if trap[TRAP_OID] == ROOT + ".0.9"]
    wait_until(lambda: sum(int(trap[HITS]) for trap in told()) >= attacks, 15, "every block to be told")
    assert len(told()) <= 4 and attacks > 4, (len(told()), attacks)
    appliance.commit(snmp_document)


def test_h4_log_target_and_turning_off(told_lab, trapd, snmp_document):
    """a target that nobody listens at; then nothing more is told of blocks"""
    appliance, since = told_lab.appliance, len(trapd.received())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = {"name": "siem", "host": "127.0.0.1", "port": closed.getsockname()[1]}
        document = dict(snmp_document, log_targets=[target])
        document["snmp"] = dict(document["snmp"], notifications_off=["block"])
        appliance.commit(document)
        down = wait_trap(trapd, "log_target", since, timeout=60)
    index = ".".join(str(byte) for byte in b"siem")
    assert down["%s.1.9.1.2.%s" % (ROOT, index)] == "1", down
    before = appliance.counters()["sessions_blocked"]
    attack(told_lab)
    appliance.wait_counter("sessions_blocked", before + 1)
    time.sleep(2.2)
    assert not [trap for trap in trapd.received()[since:] if trap[TRAP_OID] == ROOT + ".0.9"]


def test_h4_certificate_that_has_expired(told_lab, trapd):
    since = len(trapd.received())
    certificate, key = expired(told_lab.topology, "old")
    told_lab.appliance.command("certificate", "import", "old", "--cert", certificate, "--key", key)
    index = ".".join(str(byte) for byte in b"old")
    trap = wait_trap(trapd, "certificate", since)
    assert "%s.1.7.1.5.%s" % (ROOT, index) in trap and trap[HITS] == "1", trap


def test_h4_informs_and_v2c_tell_the_same(told_lab, trapd, informed, plain):
    """last in this file: of all that was told in it"""
    def told(daemon):
        return [{name: text for name, text in trap.items() if name.startswith(ROOT)} for trap in daemon.received()]
    attack(told_lab)
    wait_until(lambda: told(trapd) and told(informed) == told(trapd) == told(plain), 15, "the same by each way")
