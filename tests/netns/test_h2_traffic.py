# SPDX-License-Identifier: Apache-2.0
"""H2: SSL Decrypted Traffic is all traffic of flows to SSL servers, inspected or not, and of it what was inspected."""
import struct

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import curl
from lab.namespace import wait_until
from lab.topology import EXCEPTED_IP

SIZE = 300_000
ROWS = struct.Struct("<II%dQ" % (4 * 1440))


def settled(lab):
    """until the wire's bytes rest for longer than the second in which they are read"""
    seen = []

    def same():
        seen.append(lab.appliance.counters())
        return len(seen) > 4 and all(seen[-1][name] == seen[-5][name] for name in ("wire_passed_bytes", "closed_done"))
    wait_until(same, 15, "the counters to rest", pause=0.3)
    return seen[-1]


class Passed:
    """what wire_passed_bytes grows by from one request to the next"""

    def __init__(self, lab):
        self.lab, self.before = lab, settled(lab)["wire_passed_bytes"]

    def __call__(self, answer):
        assert answer.ok
        before, self.before = self.before, settled(self.lab)["wire_passed_bytes"]
        return self.before - before


@pytest.fixture
def traffic_lab(fresh_lab):
    def document(topology):
        return dict(configuration(topology, servers=[ssl_server("web", ["443", "8443"])]),
                    bypass_rules=[{"name": "quiet", "ports": ["8443"]}])
    lab = fresh_lab(document=document, nginx={"extra_listen": "listen 0.0.0.0:8443 ssl; listen 0.0.0.0:9443 ssl;"})
    lab.nginx.put_file("big", SIZE)
    return lab


@pytest.mark.quick
def test_h2_inspected_excepted_and_bypassed_traffic(traffic_lab):
    lab = traffic_lab
    passed = Passed(lab)
    assert passed(lab.curl("/files/big")) == 0, "inspected: counted as decrypted bytes"
    excepted = passed(lab.curl("/files/big", "--interface", EXCEPTED_IP))
    assert SIZE < excepted < SIZE * 1.2, excepted
    bypassed = passed(curl(lab.client, "/files/big", certificate=lab.certificate, port=8443))
    assert SIZE < bypassed < SIZE * 1.2, bypassed
    assert passed(curl(lab.client, "/files/big", certificate=lab.certificate, port=9443)) == 0, "no SSL server's"
    lab.appliance.command("fallback", "enter")
    assert SIZE < passed(lab.curl("/files/big")) < SIZE * 1.2
    lab.appliance.command("fallback", "leave")
    counters = lab.appliance.counters()
    lab.appliance.stop()
    with open(lab.appliance.state_dir + "/graphs", "rb") as kept:
        _, _, *cells = ROWS.unpack(kept.read())
    rows = list(zip(*[iter(cells)] * 4))
    decrypted = counters["bytes_to_server"] + counters["bytes_to_client"]
    assert sum(row[1] for row in rows) == decrypted + counters["wire_passed_bytes"] > 4 * SIZE
    assert sum(row[2] for row in rows) == counters["bytes_inspected"] > SIZE
    assert sum(row[3] for row in rows) == counters["sessions_new"] == 1
