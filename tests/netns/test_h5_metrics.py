# SPDX-License-Identifier: Apache-2.0
"""H5, H6: OpenMetrics text that a strict parser takes, with every counter that the operator is shown."""
import os
import socket
import subprocess
import threading

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lab.snmp import REPOSITORY

SERVE = os.path.join(REPOSITORY, "provisioning/monitoring/sluice-metrics")


def samples(text):
    """{(name of the counter, server or None): value}, and all families by name"""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = {}
    for family in families.values():
        for sample in family.samples:
            name = sample.name[:-len("_total")] if family.type == "counter" else sample.name
            found[name, sample.labels.get("server")] = sample.value
    return found, families


def test_h5_every_counter_is_the_same_in_openmetrics_and_cli(lab):
    appliance, before = lab.appliance, lab.appliance.counters()
    for _ in range(3):
        assert lab.curl("/measured").ok
    appliance.wait_counter("closed_done", before["closed_done"] + 3)
    for _ in range(20):  # until nothing was counted meanwhile
        device, web = appliance.counters(), appliance.counters("web")
        found, families = samples(appliance.command("show", "metrics").stdout)
        if (device, web) == (appliance.counters(), appliance.counters("web")):
            break
    assert {name: found["sluice_" + name, None] for name in device} == device
    assert {name: found["sluice_server_" + name, "web"] for name in web} == web
    assert ("sluice_server_sessions_new", "raw") in found and device["sessions_new"] >= 3
    assert families["sluice_log_bytes"].unit == "bytes" and families["sluice_sessions_new"].type == "counter"
    assert families["sluice_gauge_sessions_active"].type == "gauge" and families["sluice_sessions_new"].documentation
    state = {sample.labels["sluice_inspection"]: sample.value for sample in families["sluice_inspection"].samples}
    assert state == {"on": 1, "off": 0, "fallback": 0, "no configuration": 0}
    assert found["sluice_config_version", None] == appliance.status()["config_version"]


def fetched(appliance):
    """by curl, from the script as a socket unit starts it"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                subprocess.run([SERVE, "--instance", appliance.instance], stdin=connection, stdout=connection, timeout=30, check=False,
                               env=dict(os.environ, PATH=appliance.bin_dir + ":" + os.environ["PATH"]))
        thread = threading.Thread(target=serve)
        thread.start()
        result = subprocess.run(["curl", "-s", "-i", "http://127.0.0.1:%d/metrics" % listener.getsockname()[1]], capture_output=True,
                                text=True, timeout=30, check=False)
        thread.join()
    return result.stdout.replace("\r", "").partition("\n\n")


def test_h5_served_over_http(lab):
    head, _, body = fetched(lab.appliance)
    assert head.startswith("HTTP/1.0 200 ") and "application/openmetrics-text; version=1.0.0" in head
    assert samples(body)[0]["sluice_sessions_new", None] > 0
    assert body.endswith("\n# EOF\n")


def test_h5_nothing_to_serve_is_503(tmp_path, lab):
    class Gone:
        instance, bin_dir = "no-such-instance", lab.appliance.bin_dir
    assert fetched(Gone)[0].startswith("HTTP/1.0 503 ")
