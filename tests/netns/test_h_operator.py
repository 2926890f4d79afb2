# SPDX-License-Identifier: Apache-2.0
"""H1, H6, G2, G4: what the operator is shown is what happened."""
import pytest

from lab.clients import WEB_NAME, client_context, http_get, outcome_of, tls_connect
from lab.namespace import wait_until
from lab.topology import CLIENT_IP, CLIENT_MAC, SERVER_IP, SERVER_MAC

pytestmark = pytest.mark.quick


def test_g2_ssl_record_of_a_session(lab):
    with tls_connect(lab.client, context=client_context(lab.certificate, alpn=["http/1.1"])) as connection:
        port = connection.getsockname()[1]
        assert http_get(connection, "/logged")[0] == 200
        cipher = connection.cipher()[0]
    record = lab.appliance.wait_record("ssl_inspection", src_port=port)
    expected = {"action": "decrypted", "close_reason": "done", "src_ip": CLIENT_IP, "dest_ip": SERVER_IP, "dest_port": 443,
                "src_mac": CLIENT_MAC, "dest_mac": SERVER_MAC, "segment": "dmz", "virtual_segment": "dmz-in", "profile": "default",
                "ssl_policy": "web-policy", "ssl_server": "web", "certificate": "web-rsa", "sni": WEB_NAME,
                "in_iface": lab.topology.port_a, "out_iface": lab.topology.port_b, "client_tls_version": "TLSv1.3",
                "server_tls_version": "TLSv1.3"}
    assert {key: record.get(key) for key in expected} == expected
    assert record["client_tls_cipher"] == cipher
    assert record["bytes_toserver"] > 40 and record["bytes_toclient"] > 100 and record["duration_ms"] >= record["handshake_ms"]
    assert "vlan" not in record and "tunnel" not in record
    # on the wire there is more than the plaintext: the handshake, and what each record adds
    for leg, towards, back in ("client", "received", "sent"), ("server", "sent", "received"):
        assert record["bytes_toserver"] + 200 < record["%s_leg_bytes_%s" % (leg, towards)] < record["bytes_toserver"] + 5000, record
        assert record["bytes_toclient"] + 500 < record["%s_leg_bytes_%s" % (leg, back)] < record["bytes_toclient"] + 10000, record


def test_h1_session_list_lives_as_long_as_the_session(lab):
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        port = connection.getsockname()[1]
        assert http_get(connection)[0] == 200
        row, = [r for r in lab.appliance.show("sessions")["sessions"] if r["client_port"] == port]
        assert (row["client_ip"], row["server_ip"], row["server_port"], row["ssl_server"]) == (CLIENT_IP, SERVER_IP, 443, "web")
    record = lab.appliance.wait_record("ssl_inspection", src_port=port)
    assert record["session_id"] == row["id"], "one id in list and log"
    assert not [r for r in lab.appliance.show("sessions")["sessions"] if r["client_port"] == port]


def test_h1_newest_50_by_default(lab):
    connections = [tls_connect(lab.client, certificate=lab.certificate) for _ in range(60)]
    try:
        shown = lab.appliance.show("sessions")
        assert shown["total"] >= 60 and len(shown["sessions"]) == 50
        ports = {r["client_port"] for r in shown["sessions"]}
        assert connections[-1].getsockname()[1] in ports
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("how", ["id", "client", "server", "all"])
def test_h1_clear_sessions(lab, how):
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        http_get(connection)
        port = connection.getsockname()[1]
        row, = [r for r in lab.appliance.show("sessions")["sessions"] if r["client_port"] == port]
        words = {"id": [row["id"]], "client": [CLIENT_IP], "server": ["web"], "all": []}[how]
        assert lab.appliance.ask("clear", "sessions", how, *words)["cleared"] >= 1
        assert outcome_of(lambda: http_get(connection))[0] in ("reset", "closed")
    assert lab.appliance.wait_record("ssl_inspection", src_port=port)["close_reason"] == "cleared"


def test_h6_counters_count_what_happened(lab):
    before, served = lab.appliance.counters(), lab.appliance.counters("web")
    for _ in range(7):
        assert lab.curl("/counted").ok
    lab.curl("/a?f=../../etc/passwd&counted", "--path-as-is")
    lab.appliance.wait_counter("closed_done", before["closed_done"] + 7)
    after, now = lab.appliance.counters(), lab.appliance.counters("web")
    for name, growth in (("sessions_new", 8), ("sessions_established", 8), ("sessions_blocked", 1), ("closed_blocked", 1)):
        assert after[name] - before[name] == growth, name
        assert now[name] - served[name] == growth, name
    assert after["filter_hits"] > before["filter_hits"]
    lab.appliance.wait_counter("wire_to_inspect", before["wire_to_inspect"] + 8 * 5)  # read from the kernel once a second
    assert after["bytes_to_client"] - before["bytes_to_client"] >= 7 * len("hello from nginx\n")
    assert after["key_operations"] > before["key_operations"] and after["key_failures"] == 0


def test_h6_what_each_leg_negotiated_and_carried(lab):
    """by version, class of cipher suite and key exchange; bytes of each leg as the kernel counts them for the session's record"""
    def grown(*options):
        before, recorded = lab.appliance.counters("web"), len(lab.appliance.records("ssl_inspection"))
        assert lab.curl("/negotiated", *options).ok
        record, = wait_until(lambda: lab.appliance.records("ssl_inspection")[recorded:], 5, "its record")
        after = lab.appliance.counters("web")
        return record, {name: value - before[name] for name, value in after.items() if value != before[name]}
    record, growth = grown("--tls-max", "1.2", "--ciphers", "AES256-SHA")
    assert record["client_tls_cipher"] == "TLS_RSA_WITH_AES_256_CBC_SHA"
    assert {"sessions_tls12": 1, "sessions_aes256_cbc": 1, "sessions_rsa_key_exchange": 1, "sessions_tls12_server": 1}.items() <= growth.items()
    assert not [name for name in growth if "tls13" in name or "chacha" in name]
    record, growth = grown("--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256", "--ciphers", "ECDHE-RSA-CHACHA20-POLY1305")
    assert {"sessions_tls13": 1, "sessions_chacha20": 1, "sessions_tls13_server": 1}.items() <= growth.items()
    assert not [name for name in growth if "rsa_key" in name or "cbc" in name]
    for leg in "client", "server":
        for way in "received", "sent":
            # the kernel counts a FIN as a byte
            assert growth["bytes_%s_%s_leg" % (way, leg)] in (record["%s_leg_bytes_%s" % (leg, way)], record["%s_leg_bytes_%s" % (leg, way)] - 1)
    assert growth["bytes_inspected"] == growth["bytes_inspected_to_server"] + growth.get("bytes_inspected_to_client", 0)


def test_i1_status_servers_and_segments(lab):
    status = lab.appliance.status()
    assert status["instance"] == lab.topology.name and status["inspection"] == "on" and len(status["workers"]) >= 2
    server = {row["name"]: row for row in lab.appliance.show("servers")["servers"]}["web"]
    assert server["certificates"] == ["web-rsa"] and server["decrypted_service"] == "http"
    segment, = lab.appliance.show("segments")["segments"]
    assert (segment["port_a"], segment["port_b"]) == (lab.topology.port_a, lab.topology.port_b)


def test_i1_every_answer_has_a_text_form_too(lab):
    for what in "status", "sessions", "counters", "servers", "segments":
        text = lab.appliance.command("show", what).stdout
        assert text.strip() and not text.lstrip().startswith("{"), what


def test_i1_wrong_words_are_refused_with_help(lab):
    result = lab.appliance.command("show", "sesions", check=False)
    assert result.returncode != 0 and "sessions" in result.stdout + result.stderr


def test_i1_the_models_commands_show_our_counters(lab):
    assert lab.curl("/counted-for-np").ok
    counters = lab.appliance.wait_counter("wire_new_flows", 1) and lab.appliance.counters()
    for words in (["debug", "np", "stats", "show", name] for name in ("npSslInspStats", "npSslInspProtocolStats", "npTcpProxyStats")):
        answer = lab.appliance.ask(*words)
        assert all(name in counters for figure in answer["figures"] for name in figure["counters"]), answer
        assert sum(figure["value"] for figure in answer["figures"]) > 0 and not any("All zero" in hint for hint in answer["hints"])
    refused = lab.appliance.show("connections", "refused")
    assert all(name in counters for figure in refused["figures"] for name in figure["counters"])
    assert lab.appliance.show("tse", "ssl-inspection")["max_sessions"] > 0
    assert "SSL inspection           on\n" in lab.appliance.command("show", "tse", "ssl-inspection").stdout
    with tls_connect(lab.client, certificate=lab.certificate) as connection:
        http_get(connection)
        assert lab.appliance.ask("debug", "np", "ssl-clear")["cleared"] >= 1
        assert outcome_of(lambda: http_get(connection))[0] in ("reset", "closed")
