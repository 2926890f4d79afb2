# SPDX-License-Identifier: Apache-2.0
"""A9, H: what `show ports` says of the ports of a segment, its warnings, and frames dropped by cause and port."""
import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import outcome_of, ping, tcp_connect
from lab.namespace import wait_until
from lab.topology import SERVER_IP


def ports_of(lab):
    return {row["side"]: row for row in lab.appliance.show("ports")["ports"]}


def warnings_of(row):
    return {warning["name"] for warning in row["warnings"]}


def test_a9_ports_are_shown_with_driver_queues_offloads_and_traffic(lab):
    before = ports_of(lab)
    assert lab.curl("/through-the-ports").ok
    after = ports_of(lab)
    assert {row["name"] for row in after.values()} == {lab.topology.port_a, lab.topology.port_b}
    for side, row in after.items():
        assert (row["driver"], row["link"], row["mtu"], row["segment"], row["duplex"]) == ("veth", "up", 1500, "dmz", "full"), row
        assert row["speed_megabits"] == 10000 and row["rx_queues"] >= 1 and row["tx_queues"] >= 1
        assert "tx-tcp-segmentation" in row["offloads"] and "rx-lro" not in row["offloads"]
        for figure in "rx_frames", "rx_bytes", "tx_frames", "tx_bytes":
            assert row[figure] > before[side][figure], (side, figure)
        assert not row["warnings"], row
    text = lab.appliance.command("show", "ports").stdout
    assert "veth" in text and "offloads of " + lab.topology.port_a in text and "WARNING" not in text


def test_a9_settings_that_break_transparency_are_warned_of(own_lab):
    wire, (a, b) = own_lab.appliance.wire, (own_lab.topology.port_a, own_lab.topology.port_b)
    wire.run("ip", "addr", "add", "192.0.2.1/32", "dev", a)
    wire.run("ip", "link", "set", "dev", a, "arp", "on", "promisc", "off")
    wire.run("ip", "link", "set", "dev", b, "mtu", "1400")
    own_lab.appliance.detach_port_program(b)
    shown = ports_of(own_lab)
    assert warnings_of(shown["a"]) == {"address", "arp", "not_promiscuous"}, shown
    assert warnings_of(shown["b"]) == {"mtu", "not_attached"}, shown
    assert "WARNING: port %s: its MTU is less" % b in own_lab.appliance.command("show", "ports").stdout
    # a commit puts right what it can, and tells the System log of the rest
    own_lab.appliance.commit(configuration(own_lab.topology))
    own_lab.appliance.wait_record("system", severity="warning")
    told = [record["message"] for record in own_lab.appliance.records("system") if record["message"].startswith("port ")]
    assert [message.split(":")[0] for message in told] == ["port " + a, "port " + b], told
    assert "IP address" in told[0] and "MTU" in told[1]
    shown = ports_of(own_lab)
    assert warnings_of(shown["a"]) == {"address"} and warnings_of(shown["b"]) == {"mtu"}, shown
    assert ping(own_lab.client, SERVER_IP)


@pytest.mark.quick
def test_a9_drops_are_counted_by_cause_on_the_port_where_the_frame_came_in(fresh_lab):
    def document(topology):
        return configuration(topology, servers=[ssl_server("web", ["443"], when_unavailable="block")])
    lab = fresh_lab(document=document)
    lab.appliance.command("fallback", "enter")
    assert outcome_of(lambda: tcp_connect(lab.client, 443, timeout=1.5))[0] == "timeout"
    shown = ports_of(lab)
    assert shown["a"]["drops"]["wire_blocked_fallback"] >= 1 and "wire_blocked_fallback" not in shown["b"]["drops"], shown
    assert shown["a"]["dropped"] >= 1
    lab.appliance.command("fallback", "leave")
    wait_until(lambda: lab.curl("/again").ok, 5, "inspection to return")


def test_a9_a_port_that_went_missing_is_said_to_be(own_lab):
    own_lab.server.run("ip", "link", "del", "s0")  # and its peer with it
    shown = ports_of(own_lab)
    assert shown["b"]["link"] == "missing" and warnings_of(shown["b"]) == {"missing"}
    wait_until(lambda: warnings_of(ports_of(own_lab)["a"]) == {"held"}, 3, "the other port to follow (A11)")
