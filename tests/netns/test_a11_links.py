# SPDX-License-Identifier: Apache-2.0
"""A11: the link state of each port is carried to the other one. A veth end loses its carrier when its peer goes down, as
a switch's port does: the hosts' interfaces tell what they see."""
import time

import pytest

from lab.appliance import configuration
from lab.clients import ping
from lab.namespace import wait_until
from lab.topology import SERVER_IP


def carrier(namespace, interface):
    """1, 0, or None while the interface itself is down"""
    result = namespace.run("cat", "/sys/class/net/%s/carrier" % interface, check=False)
    return int(result.stdout) if result.returncode == 0 else None


def segment_of(lab):
    return lab.appliance.show("segments")["segments"][0]


def messages(lab, text):
    return [record["message"] for record in lab.appliance.records("system") if text in record["message"]]


@pytest.mark.quick
def test_a11_a_link_lost_on_one_side_is_lost_on_the_other_and_comes_back(own_lab):
    for (near, near_if, near_side), (far, far_if) in (((own_lab.server, "s0", "b"), (own_lab.client, "c0")),
                                                      ((own_lab.client, "c0", "a"), (own_lab.server, "s0"))):
        held = "a" if near_side == "b" else "b"
        near.run("ip", "link", "set", near_if, "down")
        started = time.monotonic()
        wait_until(lambda: carrier(far, far_if) == 0, 3, "the far side to lose its link")
        assert time.monotonic() - started < 1.5
        wait_until(lambda: segment_of(own_lab).get("held") == held, 3, "show segments")
        shown = {row["side"]: row for row in own_lab.appliance.show("ports")["ports"]}
        assert [w["name"] for w in shown[held]["warnings"]] == ["held"] and shown[near_side]["link"] == "down"
        near.run("ip", "link", "set", near_if, "up")
        wait_until(lambda: carrier(far, far_if) == 1, 5, "the link to be back")
        wait_until(lambda: ping(own_lab.client, SERVER_IP), 5, "traffic")
        assert "held" not in segment_of(own_lab)
    assert own_lab.curl("/after-it-all").ok
    a, b = own_lab.topology.port_a, own_lab.topology.port_b
    own_lab.appliance.wait_record("system", message="segment dmz: port B (%s) has no link: port A (%s) is taken down too" % (b, a), severity="warning")
    own_lab.appliance.wait_record("system", message="segment dmz: port B (%s) is up again: the other port has its link back" % b, severity="notice")


def test_a11_both_sides_down_come_back_in_any_order(own_lab):
    client, server = own_lab.client, own_lab.server
    for first, second in ((client, "c0"), (server, "s0")), ((server, "s0"), (client, "c0")):
        server.run("ip", "link", "set", "s0", "down")
        wait_until(lambda: carrier(client, "c0") == 0, 3, "the far side to lose its link")
        client.run("ip", "link", "set", "c0", "down")
        (one, one_if), (other, other_if) = first, second
        one.run("ip", "link", "set", one_if, "up")
        other.run("ip", "link", "set", other_if, "up")
        wait_until(lambda: carrier(client, "c0") == 1 and carrier(server, "s0") == 1, 12, "both links")
        wait_until(lambda: ping(client, SERVER_IP), 5, "traffic")
        assert "held" not in segment_of(own_lab)


def test_a11_a_short_loss_is_not_carried_and_a_flapping_link_does_not_flap_fast(own_lab):
    own_lab.server.run("sh", "-c", "ip link set s0 down; ip link set s0 up")
    time.sleep(0.5)  # nothing shall happen in it
    assert not messages(own_lab, "taken down too") and carrier(own_lab.client, "c0") == 1
    started = time.monotonic()
    for _ in range(12):
        own_lab.server.run("sh", "-c", "ip link set s0 down; sleep 0.15; ip link set s0 up; sleep 0.05")
    seconds = time.monotonic() - started
    wait_until(lambda: carrier(own_lab.client, "c0") == 1, 8, "the link to be back")
    assert len(messages(own_lab, "taken down too")) <= seconds + 1


def test_a11_a_commit_leaves_a_port_that_is_held_down_and_off_lets_it_up(own_lab):
    own_lab.server.run("ip", "link", "set", "s0", "down")
    wait_until(lambda: carrier(own_lab.client, "c0") == 0, 3, "the far side to lose its link")
    document = configuration(own_lab.topology)
    own_lab.appliance.commit(document)
    assert segment_of(own_lab)["held"] == "a" and carrier(own_lab.client, "c0") == 0
    assert len(messages(own_lab, "taken down too")) == 1
    document["segments"][0]["link_propagation"] = False
    own_lab.appliance.commit(document)
    assert wait_until(lambda: carrier(own_lab.client, "c0") == 1, 3, "the port to be let up")
    assert "held" not in segment_of(own_lab)
    own_lab.server.run("ip", "link", "set", "s0", "up")
    wait_until(lambda: ping(own_lab.client, SERVER_IP), 5, "traffic")
    own_lab.server.run("ip", "link", "set", "s0", "down")
    time.sleep(0.5)
    assert carrier(own_lab.client, "c0") == 1


def test_a11_no_port_stays_down_without_a_supervisor(own_lab):
    own_lab.server.run("ip", "link", "set", "s0", "down")
    wait_until(lambda: carrier(own_lab.client, "c0") == 0, 3, "the far side to lose its link")
    own_lab.appliance.stop()
    assert carrier(own_lab.client, "c0") == 1
    own_lab.server.run("ip", "link", "set", "s0", "up")
    wait_until(lambda: ping(own_lab.client, SERVER_IP), 5, "traffic in fallback")
