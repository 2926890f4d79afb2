# SPDX-License-Identifier: Apache-2.0
"""H5, H6: OpenMetrics text that a strict parser takes, with every counter that the operator is shown."""
import datetime
import os
import socket
import subprocess
import threading

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lab.snmp import REPOSITORY

SERVE = os.path.join(REPOSITORY, "provisioning/monitoring/sluice-metrics")


def samples(text):
    """{(name of the metric, server or None): value}, and all families by name"""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = {}
    for family in families.values():
        for sample in family.samples:
            name = sample.name[:-len("_total")] if family.type == "counter" else sample.name
            found[name, sample.labels.get("server")] = sample.value
    return found, families


def metric(prefix, row):
    """as docs/monitoring.md says: the counter's name, and its unit where the name has not got it"""
    return prefix + row["name"] + ("" if row["unit"] in row["name"].split("_") else "_" + row["unit"])


def rows_of(lab, *server):
    return lab.appliance.show("counters", *server)["counters"]


def test_h5_every_counter_is_the_same_in_openmetrics_and_cli(lab):
    appliance, before = lab.appliance, lab.appliance.counters()
    for _ in range(3):
        assert lab.curl("/measured").ok
    appliance.wait_counter("closed_done", before["closed_done"] + 3)
    for _ in range(20):  # until nothing was counted meanwhile
        device, web = rows_of(lab), rows_of(lab, "--server", "web")
        found, families = samples(appliance.command("show", "metrics").stdout)
        if (device, web) == (rows_of(lab), rows_of(lab, "--server", "web")):
            break
    assert {row["name"]: found[metric("sluice_", row), None] for row in device} == {row["name"]: row["value"] for row in device}
    assert {row["name"]: found[metric("sluice_server_", row), "web"] for row in web} == {row["name"]: row["value"] for row in web}
    assert ("sluice_server_sessions_new", "raw") in found and found["sluice_sessions_new", None] >= 3
    assert families["sluice_log_bytes"].unit == "bytes" and families["sluice_sessions_new"].type == "counter"
    assert families["sluice_wire_forwarded_frames"].unit == "frames"
    assert families["sluice_gauge_sessions_active"].type == "gauge"
    assert all(family.documentation for family in families.values())


def labelled(families, name):
    return {tuple(sample.labels.values()): sample.value for sample in families[name].samples}


def test_h5_states_and_facts(lab):
    """what else of the MIB is a number or a state: of the device, certificates, ports, segments, workers, health"""
    appliance, topology = lab.appliance, lab.topology
    families = samples(appliance.command("show", "metrics").stdout)[1]
    assert labelled(families, "sluice_device_inspection") == {("on",): 1, ("off",): 0, ("fallback",): 0, ("no configuration",): 0}
    assert labelled(families, "sluice_device_config_version") == {(): appliance.status()["config_version"]}
    assert labelled(families, "sluice_device_max_sessions") == {(): 100000}
    expires, = appliance.ask("certificate", "list")["certificates"]
    when = datetime.datetime.strptime(expires["not_after"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    assert labelled(families, "sluice_certificate_not_after_timestamp_seconds") == {("web-rsa",): when}
    links = labelled(families, "sluice_port_link")
    assert links[topology.port_a, "up"] == links[topology.port_b, "up"] == 1 and links[topology.port_a, "down"] == 0
    assert labelled(families, "sluice_segment_state")["dmz", "on"] == 1
    assert labelled(families, "sluice_health_state")["rdrand", "refused"] == 0
    assert families["sluice_port_rx_bytes"].type == "counter" and families["sluice_port_rx_bytes"].unit == "bytes"
    assert abs(labelled(families, "sluice_device_counters_since_timestamp_seconds")[()] - appliance.show("counters")["since"] / 1e6) < 1


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
