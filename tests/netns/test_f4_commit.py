# SPDX-License-Identifier: Apache-2.0
"""F4, E2, C1: configuration is all or nothing and costs no session."""
import base64
import os

import pytest

from lab.appliance import FILTERS, CommandFailed, configuration, yaml_text
from lab.clients import http_get, tls_connect
from lab.peers import Certificate, TlsServer, echo
from lab.topology import CLIENT_IP
from lab.traffic import ATTACK, Held, Requests


@pytest.mark.quick
def test_f4_commit_under_load_loses_no_session(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, 9001, lab.certificate, echo), Held(lab.topology, 40, 9001) as held, \
            Requests(lab.topology, "/benign", threads=2) as benign:
        version = lab.appliance.status()["config_version"]
        for number in range(5):
            benign.wait_attempts(20)
            extra = 'alert http any any -> any any (msg:"round %d"; http.uri; content:"round-%d"; sid:%d;)\n' % (number, number, 4100000 + number)
            lab.appliance.commit(configuration(lab.topology), FILTERS + extra)
            assert set(held.exchange()) == {"ok"}
        benign.wait_attempts(20)
    assert lab.appliance.status()["config_version"] == version + 5
    assert benign.tally()["ok"] == sum(benign.tally().values()), benign.tally()
    assert lab.curl("/round-4").exit == 0
    lab.appliance.wait_record("alert", signature_id=4100004)


def test_f4_new_filters_act_on_new_sessions(own_lab):
    lab = own_lab
    assert lab.curl("/newly-forbidden").ok
    extra = 'reject http any any -> any any (msg:"new"; http.uri; content:"newly-forbidden"; sid:4200000;)\n'
    lab.appliance.commit(configuration(lab.topology), FILTERS + extra)
    assert not lab.curl("/newly-forbidden").ok


def test_f4_new_exception_acts_on_new_sessions(own_lab):
    lab = own_lab
    document = configuration(lab.topology)
    for policy in document["profiles"][0]["ssl_policies"]:
        policy["source_address_exceptions"] = [CLIENT_IP]
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        lab.appliance.commit(document)
        assert lab.curl(ATTACK + "&excepted-now", "--path-as-is").exit == 0
        assert http_get(connection, "/still-inspected")[0] == 200
        with pytest.raises((OSError, EOFError)):
            http_get(connection, ATTACK + "&old-session")
    assert not lab.nginx.saw("&old-session")


@pytest.mark.quick
def test_f5_inspection_switched_off_and_on(own_lab):
    lab = own_lab
    lab.appliance.commit(configuration(lab.topology, inspection=False))
    assert lab.curl(ATTACK + "&off", "--path-as-is").exit == 0 and lab.nginx.wait_for("&off")
    assert not lab.appliance.workers()
    lab.appliance.commit(configuration(lab.topology))
    lab.appliance.wait_inspecting()
    assert lab.curl(ATTACK + "&on-again", "--path-as-is").reset and not lab.nginx.saw("&on-again")


@pytest.mark.quick
@pytest.mark.parametrize("line, old, new, says", [
    (2, "client_hello_timeout_seconds: 5", "client_hello_timeout_seconds: 0", "client_hello_timeout_seconds"),
    (4, "web-rsa", "no-such-certificate", "no-such-certificate"),
    (4, "443", "70000", "70000"),
    (4, "10.9.0.2", "10.9.0.300", "10.9.0.300"),
    (1, "workers", "wrokers", "wrokers"),
    (6, "direction: a_to_b", "direction: sideways", "sideways"),
    (5, "ssl_server: web", "ssl_server: webb", "webb"),
])
def test_f4_bad_value_is_refused_with_its_place(lab, line, old, new, says):
    """file:line:column, what is wrong; what was in force stays in force"""
    good = yaml_text(configuration(lab.topology, limits={"client_hello_timeout_seconds": 5}))
    lines = good.splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path = lab.appliance.write_configuration("".join(lines))
    version = lab.appliance.status()["config_version"]
    for verb in "check", "commit":
        result = lab.appliance.command(verb, path, check=False)
        told = result.stdout + result.stderr
        assert result.returncode != 0 and says in told, told
        assert "sluice.yaml:%d:" % line in told, told
    assert lab.appliance.status()["config_version"] == version
    assert lab.curl(ATTACK + "&after-bad", "--path-as-is").reset


def test_f4_missing_filter_file_is_refused(lab):
    path = lab.appliance.write_configuration(configuration(lab.topology, packages=("absent.rules",)))
    result = lab.appliance.command("commit", path, check=False)
    assert result.returncode != 0 and "absent.rules" in result.stdout + result.stderr


@pytest.mark.quick
def test_e2_bad_certificates_are_refused_each_with_its_reason(lab):
    other = Certificate(lab.topology.directory, "mismatch", "mismatch.example.test")
    told = {}
    garbage = lab.topology.path("garbage.pem")
    with open(garbage, "w") as out:
        out.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    for name, certificate, key in (("key-mismatch", lab.certificate.certificate, other.key), ("garbage", garbage, other.key),
                                   ("no-key", lab.certificate.certificate, lab.certificate.certificate)):
        result = lab.appliance.command("certificate", "import", name, "--cert", certificate, "--key", key, check=False)
        assert result.returncode != 0, name
        told[name] = result.stdout + result.stderr
    assert len({text.strip() for text in told.values()}) == 3, told
    with pytest.raises(CommandFailed):
        lab.appliance.command("certificate", "import", "absent", "--cert", "/nonexistent", "--key", other.key)
    names = {row["name"] for row in lab.appliance.ask("certificate", "list")["certificates"]}
    assert names == {"web-rsa"}


def test_e5_private_key_is_in_no_file_but_sealed(lab):
    with open(lab.certificate.key) as pem:
        text = "".join(pem.read().splitlines()[1:-1])
    # the end of the key: coefficients, which are in no certificate
    needles = text[-150:-86].encode(), base64.b64decode(text)[-100:-36]
    for folder, _, files in os.walk(lab.appliance.state_dir):
        for name in files:
            with open(os.path.join(folder, name), "rb") as data:
                content = data.read().replace(b"\n", b"")
            assert b"PRIVATE KEY-----" not in content and not any(needle in content for needle in needles), name


def test_configuration_survives_a_restart(own_lab):
    lab = own_lab
    version = lab.appliance.status()["config_version"]
    lab.appliance.stop()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert lab.appliance.status()["config_version"] == version
    assert lab.curl(ATTACK + "&after-restart", "--path-as-is").reset
