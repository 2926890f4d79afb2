# SPDX-License-Identifier: Apache-2.0
"""J1 to J4, A8, G5, H3: the appliance as people deploy it, end to end, under emulation. Slow; in the order of the file."""
import base64
import contextlib
import json
import re
import socket
import ssl

import machine as vm
from lab.clients import WEB_NAME, curl
from lab.namespace import wait_until
from lab.topology import CLIENT_IP, SERVER_IP

PATIENCE = 60  # an emulated machine on a shared one
SESSIONS = 150


def web(site, path="/", **options):
    return curl(site.topology.client, path, certificate=site.certificate, timeout=PATIENCE, **options)


def test_j4_settings_of_day_0_are_in_force_and_told(site):
    said = site.machine.said()
    assert "settings of day 0 are in force" in said
    assert "detach it and delete its file" in said, "the operator is told what could not be wiped"
    assert site.machine.ssh("hostname").stdout.strip() == "sluice-vm"
    # by way of standard input: sudo logs its command line
    secrets = base64.b64encode("\n".join([vm.P12_PASSWORD, vm.AUTH, vm.PRIVACY]).encode()).decode()
    found = site.machine.ssh("echo %s | base64 -d | sudo grep -rlFf - /data /run/sluice-day0 /var/lib/sluice /etc; true" % secrets).stdout.split()
    assert not found, "passwords of the seed are still in %s" % found


def test_j3_https_through_the_machine_is_decrypted(site):
    assert web(site, "/through").ok
    assert site.nginx.saw("/through")[-1]["address"] == CLIENT_IP
    rows = site.machine.ssh("sudo sluice show log ssl_inspection --json").stdout
    assert '"action": "decrypted"' in rows or '"action":"decrypted"' in rows


def test_b8_an_attack_is_blocked_and_its_record_arrives_over_relp(site):
    answer = web(site, "/x?f=/etc/passwd")
    assert answer.reset, answer
    assert not site.nginx.saw("/etc/passwd")
    arrived = wait_until(lambda: [line for name, lines in site.receiver.files().items() if name.endswith("/block.json") for line in lines],
                         PATIENCE, "the Block record at rsyslogd")
    assert b"4000001" in arrived[0] and CLIENT_IP.encode() in arrived[0]


def test_h3_snmp_v3_shows_it(site):
    walk = site.machine.snmpwalk(vm.MIB)
    assert "sluice-vm" in walk and len(walk.splitlines()) > 100
    refused = site.machine.hypervisor.run("snmpget", "-v2c", "-c", "public", "-t", "2", "-r", "0", vm.MACHINE_IP, ".1.3.6.1.2.1.1.1.0", check=False)
    assert refused.returncode, "v2c is off"


def test_j2_health_is_told(site):
    answer = site.machine.ask("show", "health")
    states = {check["name"]: check["state"] for check in answer["checks"]}
    assert answer["ssl_inspection"] == "allowed" and states["ssse3"] == "good" and states["rdrand"] == "good"


def test_j1_the_machine_is_hardened(site):
    shadow = dict(line.split(":")[:2] for line in site.machine.ssh("sudo cat /etc/shadow").stdout.splitlines())
    assert not [user for user, password in shadow.items() if password[:1] == "$" or password == ""], "nobody has a password"
    assert "ro," in site.machine.ssh("findmnt -no OPTIONS /").stdout
    listening = {line.split()[4] for line in site.machine.ssh("sudo ss -Hltun").stdout.splitlines()}
    outside = sorted(address for address in listening if not re.match(r"(127\.|\[::1\])", address))
    allowed = re.compile(r"(0\.0\.0\.0|\*|\[::\]|10\.99\.0\.10(%mgmt0)?):(22|161|68|323)$")
    assert not [address for address in outside if not allowed.match(address)], outside


def test_j1_management_cannot_be_reached_from_the_ports(site):
    site.topology.client.run("ip", "route", "add", vm.MACHINE_IP, "dev", "c0")
    site.topology.server.run("ip", "route", "add", vm.MACHINE_IP, "dev", "s0")
    assert site.machine.scan(site.topology.client, vm.MACHINE_IP) == []
    assert site.machine.scan(site.topology.server, vm.MACHINE_IP) == []
    assert site.machine.scan(site.machine.hypervisor, vm.MACHINE_IP) == [22]


def available_kb(site):
    return int(site.machine.ssh("sync; awk '/MemAvailable/ { print $2 }' /proc/meminfo").stdout)


def test_j2_what_a_session_and_a_flow_cost_in_memory(site, capsys):
    """the sizing table of docs/deployment.md; the bounds are twice what was measured"""
    total = int(site.machine.ssh("awk '/MemTotal/ { print $2 }' /proc/meminfo").stdout)
    web(site, "/warm")
    before, sessions = available_kb(site), []
    context = ssl.create_default_context(cafile=site.certificate.certificate)
    with contextlib.ExitStack() as stack:
        for _ in range(SESSIONS):
            with site.topology.client:
                connection = socket.create_connection((SERVER_IP, 443), PATIENCE)
            sessions.append(stack.enter_context(context.wrap_socket(connection, server_hostname=WEB_NAME)))
        wait_until(lambda: site.machine.ask("show", "status")["sessions"] >= SESSIONS, PATIENCE, "the sessions to be open", pause=1)
        each = (before - available_kb(site)) / SESSIONS
    with capsys.disabled():
        print("\nmemory: %d MB, in use with one SSL server and one filter %d MB; an idle session takes %.1f KB" %
              (total >> 10, (total - before) >> 10, each))
    assert (total - before) >> 10 < 800 and each < 120


def test_a8_supervisor_killed_the_wire_stays_up(site):
    site.machine.ssh("sudo systemctl kill --signal=KILL --kill-whom=main sluice@sluice")
    assert web(site, "/after-kill").ok
    site.machine.wait_inspecting()


def test_j5_reboot_keeps_configuration_and_keys(site):
    before = site.machine.ask("show", "status")["config_version"]
    boot = site.machine.ssh("cat /proc/sys/kernel/random/boot_id").stdout
    site.machine.ssh("sudo systemctl reboot", check=False)
    wait_until(lambda: site.machine.ssh("cat /proc/sys/kernel/random/boot_id", check=False).stdout not in ("", boot), vm.BOOT_SECONDS,
               "the machine to be back", pause=3)
    site.machine.wait_inspecting()
    assert site.machine.ask("show", "status")["config_version"] == before
    assert web(site, "/after-reboot").ok
    assert web(site, "/y?f=/etc/passwd").reset
    assert json.loads(site.machine.ssh("sudo sluice certificate list --json").stdout)["certificates"][0]["name"] == "web-rsa"
