# SPDX-License-Identifier: Apache-2.0
"""A9: `show flows`: the flow table, paged and filtered."""
from lab.clients import http_get, tls_connect
from lab.topology import CLIENT_IP, SERVER_IP


def test_a9_flows_are_shown_with_their_tuple_and_state_paged_and_filtered(own_lab):
    assert own_lab.appliance.show("flows")["flows"] == []
    connections = [tls_connect(own_lab.client, certificate=own_lab.certificate) for _ in range(3)]
    for connection in connections:
        http_get(connection)
    ports = {connection.getsockname()[1] for connection in connections}
    answer = own_lab.appliance.show("flows")
    assert answer["total"] == answer["matched"] == 3 and {row["client_port"] for row in answer["flows"]} == ports
    for row in answer["flows"]:
        expected = {"client_ip": CLIENT_IP, "server_ip": SERVER_IP, "server_port": 443, "state": "established", "segment": "dmz", "side": "a",
                    "virtual_segment": "dmz-in", "ssl_server": "web", "tunnel": ""}
        assert {key: row.get(key) for key in expected} == expected, row
        assert row["bytes_to_server"] > 500 and row["frames_to_client"] >= 3 and row["age_seconds"] < 30 and "vlan" not in row
    pages = [own_lab.appliance.show("flows", "--limit", "2"), own_lab.appliance.show("flows", "--limit", "2", "--skip", "2")]
    assert [len(page["flows"]) for page in pages] == [2, 1]
    assert {row["client_port"] for page in pages for row in page["flows"]} == ports
    for options, matched in ((("--client", CLIENT_IP), 3), (("--client", "10.9.0.77"), 0), (("--address", SERVER_IP), 3), (("--segment", "dmz"), 3),
                             (("--segment", "other"), 0), (("--state", "established"), 3), (("--state", "held"), 0), (("--vlan", "7"), 0)):
        assert own_lab.appliance.show("flows", *options)["matched"] == matched, options
    text = own_lab.appliance.command("show", "flows").stdout
    assert "%s:443" % SERVER_IP in text and "3 of 3 flows that match" in text
    for connection in connections:
        connection.close()
