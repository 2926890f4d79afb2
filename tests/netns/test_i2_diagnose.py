# SPDX-License-Identifier: Apache-2.0
"""I2: one thing after the other is broken on a working appliance, and diagnose names each."""
import signal
import os

import pytest

from lab.appliance import configuration, stop_and_wait
from lab.clients import tls_connect
from lab.namespace import wait_until
from lab.topology import CLIENT_IP, EXCEPTED_IP, SERVER_IP

WEB = SERVER_IP + ":443"


def diagnose(lab, *words):
    return lab.appliance.ask("diagnose", *(words or (CLIENT_IP, WEB)))


def first_of(lab, *words):
    answer = diagnose(lab, *words)
    step = next((s for s in answer["steps"] if s["step"] == answer["first_problem"] and s["state"] == "bad"), None)
    return answer["first_problem"], step and step["text"]


def break_exception(document):
    for policy in document["profiles"][0]["ssl_policies"]:
        policy["source_address_exceptions"] = [CLIENT_IP]


def second_profile(document, policies):
    document["profiles"].append({"name": "other", "filter_packages": ["local.rules"], "ssl_policies": policies})
    document["virtual_segments"][0]["profile"] = "other"


BREAKS = {
    "enabled": (lambda d: d["device"].update(ssl_inspection=False), "enabled", "SSL inspection is disabled"),
    "server": (lambda d: d["ssl_servers"][0].update(destinations=["10.9.0.3"]), "port", "port 443"),
    "address": (lambda d: [s.update(destinations=["10.9.0.3"]) for s in d["ssl_servers"]], "server", SERVER_IP),
    "port": (lambda d: d["ssl_servers"][0].update(detection_ports=["8443"]), "port", "SSL server web"),
    "source": (lambda d: d["virtual_segments"][0].update(sources=["192.0.2.0/24"]), "segment", "client's address"),
    "destination": (lambda d: d["virtual_segments"][0].update(destinations=["192.0.2.0/24"]), "segment", "server's address"),
    "no profile": (lambda d: second_profile(d, []), "profile", "no SSL policy at all"),
    "other policy": (lambda d: second_profile(d, [{"name": "raw-only", "ssl_server": "raw"}]), "policy", "SSL server web"),
    "exception": (break_exception, "exception", CLIENT_IP),
}


def test_i2_names_what_the_configuration_lacks(own_lab):
    """what diagnose says goes with what the wire does: a broken configuration passes the attack"""
    attack = "/a?f=../../etc/passwd"
    assert first_of(own_lab) == (None, None) and own_lab.curl(attack, "--path-as-is").reset
    for name, (hurt, step, words) in BREAKS.items():
        document = configuration(own_lab.topology)
        hurt(document)
        own_lab.appliance.commit(document)
        if name != "enabled":
            own_lab.appliance.wait_inspecting()
        found, text = first_of(own_lab)
        assert found == step and words in text, (name, found, text)
        assert own_lab.curl(attack + "&" + step, "--path-as-is").exit == 0, name
    own_lab.appliance.commit(configuration(own_lab.topology))
    own_lab.appliance.wait_inspecting()
    assert first_of(own_lab) == (None, None)


@pytest.mark.quick
def test_i2_questions_about_a_working_appliance(lab):
    assert lab.curl("/before-diagnose").ok
    lab.appliance.wait_record("ssl_inspection", dest_port=443, close_reason="done")
    answer = diagnose(lab)
    assert answer["inspected"] and answer["ssl_server"] == "web" and answer["first_problem"] is None
    assert [s["step"] for s in answer["steps"]][:6] == ["bypass", "capability", "enabled", "certificate", "server", "segment"]
    assert first_of(lab, EXCEPTED_IP, WEB)[0] == "exception"
    assert first_of(lab, CLIENT_IP, SERVER_IP + ":80")[0] == "port"
    assert first_of(lab, CLIENT_IP, "10.9.0.77")[0] == "server"
    found, text = first_of(lab, CLIENT_IP, WEB, "--from", "b")
    assert found == "segment" and "other side" in text
    assert "First thing wrong" in lab.appliance.command("diagnose", CLIENT_IP, SERVER_IP + ":80").stdout
    assert "Nothing is wrong" in lab.appliance.command("diagnose", CLIENT_IP, SERVER_IP).stdout
    for wrong in ["10.9.0"], ["10.9.0.2:0"], ["10.9.0.2:70000"], [WEB, "--from", "c"], [WEB, "--vlan", "4095"]:
        assert lab.appliance.command("diagnose", CLIENT_IP, *wrong, check=False).returncode in (1, 2), wrong


def test_i2_names_what_the_system_lacks(own_lab):
    """a worker that hangs, a key that is gone, a server that refuses"""
    appliance = own_lab.appliance
    for pid in appliance.workers().values():
        stop_and_wait(pid)
    assert wait_until(lambda: first_of(own_lab)[0] == "bypass" and first_of(own_lab), 3, "the bypass to be seen")[0] == "bypass"
    for pid in appliance.workers().values():
        os.kill(pid, signal.SIGCONT)
    appliance.wait_inspecting(2)
    own_lab.nginx.__exit__(None, None, None)
    own_lab.curl("/refused")
    wait_until(lambda: first_of(own_lab)[0] == "last_session", 5, "the refusal in the log")
    assert "server_refused" in first_of(own_lab)[1]
    os.unlink(appliance.state_dir + "/keys/web-rsa.key")
    os.kill(appliance.children()["keeper"], signal.SIGKILL)
    found, text = wait_until(lambda: first_of(own_lab)[0] == "certificate" and first_of(own_lab), 5, "the key's loss to be seen")
    assert found == "certificate"
    wait_until(lambda: "web-rsa is not available: missing" in (first_of(own_lab)[1] or ""), 5, "the new keeper")


@pytest.mark.quick
def test_i2_names_a_port_without_link_and_a_limit_that_is_reached(own_lab):
    appliance, topology = own_lab.appliance, own_lab.topology
    assert {row["link_a"] + row["link_b"] for row in appliance.show("segments")["segments"]} == {"upup"}
    own_lab.server.run("ip", "link", "set", "s0", "down")
    found, text = wait_until(lambda: first_of(own_lab)[0] and first_of(own_lab), 5, "the lost link to be seen")
    assert found == "link" and topology.port_b in text and "port B" in text
    assert [row["link_b"] for row in appliance.show("segments")["segments"]] == ["down"]
    assert "port %s: no link" % topology.port_b in appliance.ask("watch", "--count", "1")["health"]
    own_lab.server.run("ip", "link", "set", "s0", "up")
    wait_until(lambda: first_of(own_lab) == (None, None), 5, "the link to be back")
    appliance.wire.run("ip", "link", "set", topology.port_b, "name", "elsewhere")  # as good as unplugged
    found, text = first_of(own_lab)
    assert found == "link" and "is not on the wire" in text
    appliance.wire.run("ip", "link", "set", "elsewhere", "name", topology.port_b)
    appliance.commit(configuration(topology, limits={"max_sessions": 1}))
    with tls_connect(own_lab.client, certificate=own_lab.certificate):
        wait_until(lambda: first_of(own_lab)[0] == "limits", 5, "the limit to be seen")
