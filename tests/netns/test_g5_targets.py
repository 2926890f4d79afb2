# SPDX-License-Identifier: Apache-2.0
"""Log targets (G5, G8, G9): RELP and syslog over TLS with mutual certificates, CEF, masks, filters, a host that stands in;
against real rsyslogds with the configuration of provisioning/rsyslog."""
import json
import os
import re

import pytest

from lab.appliance import REPOSITORY, configuration, kill_and_wait
from lab.namespace import wait_until
from lab.receiver import NAME, Pki, Receiver

XFF = "198.51.100.77"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def _take(document, path):
    *parents, name = path.split(".")
    for parent in parents:
        document = document.get(parent, {})
    return document.pop(name, None)


def _put(document, path, value):
    *parents, name = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
        assert isinstance(document, dict), "%s: %s is a value already" % (path, parent)
    document[name] = value


def through_pipeline(record):
    """what Elasticsearch makes of a record with provisioning/siem/elastic-pipeline.json, as far as its four processors go"""
    with open(os.path.join(REPOSITORY, "provisioning/siem/elastic-pipeline.json")) as pipeline:
        processors = json.load(pipeline)["processors"]
    document = json.loads(json.dumps(record))
    for processor in processors:
        (kind, options), = processor.items()
        if kind == "set":
            _put(document, options["field"], re.sub(r"{{{(\w+)}}}", lambda m: str(document[m.group(1)]), options["value"]))
        elif kind == "rename":
            value = _take(document, options["field"])
            if value is not None:
                _put(document, options["target_field"], value)
        elif kind == "date":
            document["@timestamp"] = document[options["field"]]
        else:
            assert kind == "remove"
            for field in options["field"]:
                _take(document, field)
    return document


def _lines(receiver):
    return [line.decode("utf-8") for name, lines in receiver.files().items() for line in lines if name.split("/")[1].startswith(("block", "ssl_"))]


def _targets(lab):
    return {t["name"]: t for t in lab.appliance.ask("log", "status")["targets"]}


def _traffic(lab):
    for number in range(3):
        assert lab.curl("/plain?n=%d" % number).exit == 0
    lab.curl("/?x=/etc/passwd", "-H", "X-Forwarded-For: " + XFF)


def _settle(lab, name):
    return wait_until(lambda: _targets(lab)[name]["state"] == "idle, all received" and _targets(lab)[name], 20, name + " to have received all", pause=0.2)


@pytest.mark.quick
def test_g5_g9_targets_with_certificates_formats_masks_and_a_host_that_stands_in(fresh_lab, tmp_path, pki):
    lab = fresh_lab()
    directories = {name: tmp_path / name for name in ("relp", "syslog", "plain", "masked")}
    with Receiver(directories["relp"], protocol="relp-tls", pki=pki) as relp, Receiver(directories["syslog"], protocol="syslog-tls", pki=pki) as syslog, \
            Receiver(directories["plain"]) as plain, Receiver(directories["masked"]) as masked:
        for name, options in (("good", pki.options()), ("stranger", pki.options("stranger")), ("forged", pki.options("forged")),
                              ("distrust", pki.options(ca="other"))):
            lab.appliance.command("log", "credentials", "import", name, *options)
        document = configuration(lab.topology)
        host, tls = "127.0.0.1", {"protocol": "relp_tls", "certificate_name": NAME}
        document["log_targets"] = [
            dict(name="siem", host=host, port=relp.port, credentials="good", **tls),
            dict(name="stranger", host=host, port=relp.port, credentials="stranger", **tls),
            dict(name="distrust", host=host, port=relp.port, credentials="distrust", **tls),
            dict(name="other-name", host=host, port=relp.port, credentials="good", protocol="relp_tls", certificate_name="elsewhere.example.net"),
            dict(name="syslog", host=host, port=syslog.port, credentials="good", protocol="syslog_tls", certificate_name=NAME),
            dict(name="forged", host=host, port=syslog.port, credentials="forged", protocol="syslog_tls", certificate_name=NAME),
            dict(name="cef", host="127.0.0.2", standby_hosts=[host], port=plain.port, format="cef", logs=["block"]),
            dict(name="masked", host=host, port=masked.port, mask=["addresses", "uris", "xff"], omit=["macs"], severity="warning"),
        ]
        lab.appliance.commit(document)
        _traffic(lab)
        wait_until(lambda: len(lab.appliance.records("ssl_inspection")) >= 3 and lab.appliance.records("block"), 10, "the records")
        block = lab.appliance.records("block")[0]
        for name in ("siem", "syslog", "cef", "masked"):
            _settle(lab, name)
        after = _targets(lab)

        # who cannot be sure of the other sends nothing, and says why
        for name, word in (("stranger", ""), ("forged", ""), ("distrust", "certificate"), ("other-name", "certificate")):
            assert after[name]["received"] == 0 and word in after[name]["error"].lower() and after[name]["error"], after[name]
            assert after[name]["lag_records"] > 0, after[name]
        # the same records over both, in EVE's shape
        wanted = {(r["boot"], r["sequence"]) for log in ("ssl_inspection", "block") for r in lab.appliance.records(log)}
        for receiver in (relp, syslog):
            got = [json.loads(line) for line in _lines(receiver)]
            assert {(r["boot"], r["sequence"]) for r in got} >= wanted
            alert = [r for r in got if r["log"] == "block"][0]
            assert alert["event_type"] == "alert" and alert["alert"]["action"] == "blocked" and alert["ssl_inspect"] is True, alert
            assert alert["alert"]["signature_id"] == block["signature_id"] and alert["http"]["url"] == block["url"], alert
            assert alert["http"]["xff"] == XFF and alert["src_ip"] == block["src_ip"]
            assert any(r["event_type"] == "tls" and r["tls"]["version"] and r["flow"]["bytes_toserver"] for r in got)
        # Elastic's pipeline makes ECS of it
        document = through_pipeline(alert)
        assert document["_id"] == "%s-%s-%d" % (alert["device"], alert["boot"], alert["sequence"])
        assert document["rule"]["id"] == block["signature_id"] and document["url"]["original"] == block["url"], document
        assert document["source"]["ip"] == block["src_ip"] and document["event"]["action"] == "block" and document["event"]["dataset"] == "block"
        assert document["@timestamp"] == alert["timestamp"] and "timestamp" not in document
        # CEF, from the host that stands in, and only the Block log
        cef = _lines(plain)
        assert len(cef) == 1 and [name.split("/")[1] for name in plain.files()] == ["block.json"], plain.files()
        head, extension = re.match(r"CEF:0\|Sluice\|Sluice\|[^|]+\|(\d+)\|[^|]+\|7\|(.*)$", cef[0]).groups()
        assert int(head) == block["signature_id"]
        assert "src=%s " % block["src_ip"] in extension and " request=/?x\\=/etc/passwd" in extension and "SluiceXff=" + XFF in extension, cef
        # masks: what may not be seen is nowhere in what was sent
        text = "\n".join(_lines(masked))
        assert len(_lines(masked)) == 1, "only what is urgent enough"
        seen = json.loads(text)
        for secret in (block["src_ip"], block["dest_ip"], "passwd", XFF):
            assert secret not in text, text
        assert seen["src_ip"] == re.sub(r"\d+$", "0", block["src_ip"]) and seen["http"]["url"] == "/?masked" and seen["http"]["xff"] == "masked"
        assert "ether" not in seen and (seen["boot"], seen["sequence"]) == (block["boot"], block["sequence"])


def test_g6_targets_send_on_without_a_supervisor_and_the_next_takes_over(fresh_lab, tmp_path):
    lab = fresh_lab()
    with Receiver(tmp_path) as receiver:
        document = configuration(lab.topology)
        document["log_targets"] = [{"name": "siem", "host": "127.0.0.1", "port": receiver.port}]
        lab.appliance.commit(document)
        lab.appliance.wait_inspecting()
        pids = lab.appliance.children()
        kill_and_wait(lab.appliance.supervisor.pid)
        lab.appliance.supervisor.wait()
        for number in range(3):
            assert lab.curl("/plain?n=%d" % number).exit == 0

        def arrived():
            return [json.loads(line) for line in _lines(receiver)]
        wait_until(lambda: len(arrived()) >= 3, 15, "records without a supervisor", pause=0.1)
        lab.appliance.start()
        wait_until(lambda: "siem" in _targets(lab) and _targets(lab)["siem"]["pid"] not in pids.values(), 15, "a target of the new supervisor", pause=0.1)
        lab.appliance.wait_inspecting()
        assert lab.curl("/plain?n=9").exit == 0
        wait_until(lambda: len({(r["boot"], r["sequence"]) for r in arrived()}) >= 4, 15, "records of both boots", pause=0.1)
        seen = [(r["boot"], r["sequence"]) for r in arrived()]
        assert len(set(boot for boot, _ in seen)) == 2


def test_h4_a_log_server_that_is_away_and_back_is_told_once_each(fresh_lab, tmp_path):
    lab = fresh_lab()
    receiver = Receiver(tmp_path)
    document = configuration(lab.topology)
    document["log_targets"] = [{"name": "siem", "host": "127.0.0.1", "port": receiver.port}]
    lab.appliance.commit(document)

    def told(words):
        return [r for r in lab.appliance.records("system") if "log target siem " + words in r["message"]]
    down, = wait_until(lambda: told("does not receive"), 30, "the System log to tell that it is away", pause=0.2)
    assert down["severity"] == "error" and "127.0.0.1" in down["message"] and _targets(lab)["siem"]["down"], down
    with receiver:
        wait_until(lambda: told("receives records again"), 30, "the System log to tell that it is back", pause=0.2)
        assert not _targets(lab)["siem"]["down"]
        assert any(b"does not receive" in line for lines in receiver.files().values() for line in lines), "the log server is told as well"
    assert len(told("does not receive")) == 1 and len(told("receives records again")) == 1
