# SPDX-License-Identifier: Apache-2.0
"""H5, H6: the files of provisioning/monitoring, each read as its product reads it and resolved against a running appliance; where the
product is at hand (Prometheus, snmp_exporter) it runs itself."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request
import uuid

import pytest
import yaml

from lab.appliance import configuration
from lab.namespace import stop_process, wait_until
from lab.snmp import REPOSITORY, ROOT, Snmpd

KIT = os.path.join(REPOSITORY, "provisioning/monitoring")
# no instance while nothing is wrong
ABSENT = {"sluDeviceConfigRejection", "sluSegCause"}


def load(name):
    with open(os.path.join(KIT, name)) as text:
        return (json if name.endswith(".json") else yaml).load(text, **({} if name.endswith(".json") else {"Loader": yaml.CSafeLoader}))


@pytest.fixture(scope="module")
def snmpd():
    with Snmpd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def kit_lab(request, snmpd):
    from lab.laboratory import Laboratory
    option = request.config.getoption

    def document(topology):
        return dict(configuration(topology), snmp={"agentx_socket": snmpd.agentx}, log_targets=[{"name": "siem", "host": "127.0.0.1", "port": 9}])
    with Laboratory(option("--device"), option("--bin-dir"), document=document) as lab:
        wait_until(lambda: snmpd.walk(ROOT + ".1.15") and snmpd.walk(ROOT + ".1.9"), 20, "the sub-agent to answer")
        for _ in range(3):
            assert lab.curl("/").ok
        yield lab


@pytest.fixture(scope="module")
def instances(kit_lab, snmpd):
    """every name that there is, with a leading dot"""
    return {ROOT + "." + ".".join(map(str, oid)) for oid, _, _ in snmpd.walk()}


def columns(instances):
    """every column with at least one row, and every scalar without its .0"""
    found = set()
    for name in instances:
        words = name[len(ROOT) + 1:].split(".")
        found.add("%s.%s" % (ROOT, ".".join(words[:3] if words[-1] == "0" and len(words) == 4 and words[1] in "123" else words[:4])))
    return found


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def process(port, *command, **options):
    """a server of the test's own, until it listens"""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options) as child:
        try:
            def listens():
                if child.poll() is not None:
                    raise RuntimeError(child.stdout.read())
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0
            wait_until(listens, 20, command[0] + " to listen")
            yield child
        finally:
            stop_process(child, 5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- snmp_exporter ----------------------------------------------------------------------------------------------------
def test_h5_snmp_exporter_shows_every_object_and_the_same_figures(kit_lab, snmpd, tmp_path):
    old, new = load("snmp_exporter-0.22.yml")["sluice"], load("snmp_exporter.yml")
    assert new["modules"]["sluice"]["metrics"] == old["metrics"] and new["modules"]["sluice"]["walk"] == old["walk"]
    assert new["auths"]["sluice"]["priv_password"] == old["auth"]["priv_password"]
    old["auth"].update(username="monitor", password="authentic-%d" % snmpd.port, priv_password="private-%d" % snmpd.port)
    with open(tmp_path / "snmp.yml", "w") as out:
        yaml.safe_dump({"sluice": old}, out)
    port = free_port()
    with process(port, "prometheus-snmp-exporter", "--config.file=%s" % (tmp_path / "snmp.yml"), "--web.listen-address=127.0.0.1:%d" % port):
        def scraped():
            """until the exporter's figures and the command line's are the same: the sub-agent's are up to a second old"""
            before = kit_lab.appliance.counters("web")
            text = get("http://127.0.0.1:%d/snmp?module=sluice&target=127.0.0.1:%d" % (port, snmpd.port))
            shown = {name: float(value) for name, value in re.findall(r"^(slu\S+?(?:\{.*\})?) (\S+)$", text, re.M)}
            same = shown['sluSrvSessionsNew{sluSrvName="web"}'] == before["sessions_new"] and \
                shown['sluSrvEndDone{sluSrvName="web"}'] == before["closed_done"]
            return same and (before, shown)
        before, shown = wait_until(scraped, 20, "the same figures in the exporter", pause=0.3)
    names = {re.split(r"[{]", name)[0] for name in shown}
    wanted = {metric["name"] for metric in old["metrics"]} - ABSENT
    assert len(wanted) > 300 and not {name for name in wanted if name not in names and name + "_info" not in names}
    assert before["sessions_new"] >= 3
    assert shown['sluDeviceInspection{sluDeviceInspection="on"}'] == 1
    assert shown['sluPortLink{sluPortLink="up",sluPortName="%s"}' % kit_lab.topology.port_a] == 1
    assert shown["sluDeviceCountersSince"] == pytest.approx(kit_lab.appliance.show("counters")["since"] / 1e6, abs=2)


# --- Zabbix -----------------------------------------------------------------------------------------------------------
def zabbix_uuids(node):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "uuid")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from zabbix_uuids(item)


def test_h5_zabbix_template_resolves(instances):
    export = load("zabbix-template.yaml")["zabbix_export"]
    template, = export["templates"]
    uuids = list(zabbix_uuids(export))
    assert len(set(uuids)) == len(uuids) and all(uuid.UUID(word).version == 4 and uuid.UUID(word).hex == word for word in uuids)
    items, rules = template["items"], template["discovery_rules"]
    missing = [item["name"] for item in items if "." + item["snmp_oid"] not in instances]
    assert len(items) > 150 and set(missing) <= ABSENT, missing
    there = columns(instances)
    prototypes = [item for rule in rules for item in rule["item_prototypes"]]
    missing = [item["name"] for item in prototypes if "." + item["snmp_oid"].removesuffix(".{#SNMPINDEX}") not in there]
    assert len(prototypes) > 120 and {name.split(": ")[1] for name in missing} <= ABSENT, missing
    for rule in rules:
        oid = re.fullmatch(r"discovery\[\{#FACT\},([0-9.]+)\]", rule["snmp_oid"]).group(1)
        assert "." + oid in there, rule["name"]
    maps = {row["name"] for row in template["valuemaps"]}
    assert {item["valuemap"]["name"] for item in items + prototypes if "valuemap" in item} <= maps
    keys = {item["key"] for item in items + prototypes}
    triggers = [(item["key"], trigger) for item in items for trigger in item.get("triggers", [])] + \
        [(item["key"], trigger) for item in prototypes for trigger in item.get("trigger_prototypes", [])]
    assert len(triggers) >= 13
    for key, trigger in triggers:
        assert "/%s/%s" % (template["template"], key) in trigger["expression"] and key in keys


def node(script, value):
    """as Zabbix runs a JavaScript step"""
    program = "const f = new Function('value', %s); process.stdout.write(String(f(%s)))" % (json.dumps(script), json.dumps(value))
    return subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True, timeout=20).stdout


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_h5_zabbix_scripts():
    template, = load("zabbix-template.yaml")["zabbix_export"]["templates"]
    rules = {rule["name"]: rule for rule in template["discovery_rules"]}
    script, = rules["sluServerTable"]["preprocessing"][0]["parameters"]
    assert json.loads(node(script, '[{"{#SNMPINDEX}": "119.101.98", "{#FACT}": "x"}]'))[0]["{#NAME}"] == "web"
    certificate, = [item for item in rules["sluCertificateTable"]["item_prototypes"] if "sluCertNotAfter" in item["name"]]
    script, = certificate["preprocessing"][0]["parameters"]
    assert node(script, "07 EA 0B 17 0E 1B 05 00 2B 00 00 ") == "1795444025"


# --- LibreNMS ---------------------------------------------------------------------------------------------------------
def test_h5_librenms_definition_resolves(kit_lab, snmpd, instances):
    detection, discovery = load("librenms/os_detection/sluice.yaml"), load("librenms/os_discovery/sluice.yaml")
    assert detection["os"] == "sluice" and snmpd.get(detection["discovery"][0]["snmpget"]["oid"][len(ROOT):])
    assert discovery["mib"] == "SLUICE-MIB"
    there, descriptors = columns(instances), descriptors_of_mib()
    sensors = [(kind, row) for kind, rows in discovery["modules"]["sensors"].items() for row in rows["data"]]
    assert len(sensors) > 40
    missing = [row["value"] for _, row in sensors if row["num_oid"].removesuffix(".{{ $index }}") not in there]
    assert set(missing) <= ABSENT, missing
    for kind, row in sensors:
        assert {row["oid"], row["value"], *re.findall(r"\{\{ (slu\w+) \}\}", row["descr"])} <= descriptors, row
        assert kind != "state" or {"value", "generic", "graph", "descr"} == set(row["states"][0])
    for word in discovery["modules"]["os"].values():
        assert word.removeprefix("SLUICE-MIB::").removesuffix(".0") in descriptors


def descriptors_of_mib():
    with open(REPOSITORY + "/snmp-mib/SLUICE-MIB.txt") as text:
        return set(re.findall(r"^(slu\w+) OBJECT-TYPE", text.read(), re.M))


# --- Prometheus and Grafana -------------------------------------------------------------------------------------------
@contextlib.contextmanager
def endpoint(appliance):
    """as sluice-metrics.socket has it served, by systemd's own code: one process per connection"""
    port = free_port()
    path = appliance.bin_dir + ":" + os.environ["PATH"]
    with process(port, "systemd-socket-activate", "--listen=127.0.0.1:%d" % port, "--accept", "--inetd", "--setenv=PATH=" + path,
                 KIT + "/sluice-metrics", "--instance", appliance.instance):
        yield port


class Prometheus:
    def __init__(self, stack, target):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-prometheus-"))
        self.port = free_port()
        with open(self.folder + "/prometheus.yml", "w") as out:
            yaml.safe_dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [KIT + "/prometheus-alerts.yml"],
                            "scrape_configs": [{"job_name": "sluice", "static_configs": [{"targets": ["127.0.0.1:%d" % target]}]}]}, out)
        stack.enter_context(process(self.port, "prometheus", "--config.file=" + self.folder + "/prometheus.yml",
                                    "--storage.tsdb.path=" + self.folder + "/data", "--web.listen-address=127.0.0.1:%d" % self.port,
                                    cwd=self.folder))

    def query(self, expression):
        answer = json.loads(get("http://127.0.0.1:%d/api/v1/query?%s" % (self.port, urllib.parse.urlencode({"query": expression}))))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def rules(self):
        return json.loads(get("http://127.0.0.1:%d/api/v1/rules" % self.port))["data"]["groups"][0]["rules"]


@pytest.fixture(scope="module")
def prometheus(kit_lab):
    with contextlib.ExitStack() as stack:
        yield Prometheus(stack, stack.enter_context(endpoint(kit_lab.appliance)))


def test_h5_prometheus_scrapes_what_the_command_line_shows(kit_lab, prometheus):
    for _ in range(3):
        assert kit_lab.curl("/scraped").ok
    shown = kit_lab.appliance.wait_counter("sessions_new", 6) and kit_lab.appliance.counters("web")["sessions_new"]

    def value(expression):
        rows = prometheus.query(expression)
        return float(rows[0]["value"][1]) if rows else None
    wait_until(lambda: value('sluice_server_sessions_new_total{server="web"}') == shown, 20, "the figure in Prometheus", pause=0.3)
    assert value('up{job="sluice"}') == 1
    assert value('sluice_port_link{sluice_port_link="up",port="%s"}' % kit_lab.topology.port_b) == 1
    assert value("sluice_device_config_version") == kit_lab.appliance.status()["config_version"]


def test_h5_every_metric_of_the_dashboard_is_there(kit_lab, prometheus):
    dashboard = load("grafana-dashboard.json")
    names = {name["__name__"] for name in (row["metric"] for row in wait_until(lambda: prometheus.query('{job="sluice"}'), 20, "a scrape"))}
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 35
    for expression in expressions:
        prometheus.query(expression.replace("$__rate_interval", "1m").replace("$instance", ".*"))
        assert set(re.findall(r"\bsluice_\w+(?=\{)", expression)) <= names, expression


def test_h5_alerts_are_evaluated_and_one_fires(kit_lab, prometheus):
    """their metrics exist; a log target that nobody listens at is pending, an enforced fallback fires"""
    names = {row["metric"]["__name__"] for row in wait_until(lambda: prometheus.query('{job="sluice"}'), 20, "a scrape")} | {"up"}
    for rule in prometheus.rules():
        assert set(re.findall(r"\b(?:sluice_\w+|up)(?=[{\[ )])", rule["query"])) <= names, rule["query"]
    states = lambda: {rule["name"]: rule["state"] for rule in prometheus.rules()}
    kit_lab.appliance.command("fallback", "enter")
    try:
        wait_until(lambda: states()["SluiceSegmentInFallback"] == "firing", 20, "the alert", pause=0.3)
        assert states()["SluicePortDown"] == states()["SluiceKeyUnavailable"] == "inactive"
    finally:
        kit_lab.appliance.command("fallback", "leave")


# --- documentation ----------------------------------------------------------------------------------------------------
def test_h6_every_counter_is_documented(kit_lab):
    with open(REPOSITORY + "/docs/counters.md") as text:
        rows = {match[0]: match for match in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| `(\w+)` \| `(\w+)` \|$", text.read(), re.M)}
    shown = {row["name"]: row for row in kit_lab.appliance.show("counters")["counters"]}
    assert set(rows) == set(shown)
    descriptors = descriptors_of_mib()
    metrics = set(re.findall(r"^(sluice_\w+) ", kit_lab.appliance.command("show", "metrics").stdout, re.M))
    for name, (_, unit, meaning, descriptor, metric) in rows.items():
        assert (unit, meaning) == (shown[name]["unit"], shown[name]["meaning"])
        assert descriptor in descriptors and metric in metrics, name
