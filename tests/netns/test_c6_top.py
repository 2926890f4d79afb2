# SPDX-License-Identifier: Apache-2.0
"""C6: hits and cost of each filter, added up over the workers."""
import pytest

from lab.namespace import wait_until

FILTERS = 'alert http any any -> any any (msg:"often"; flow:to_server; http.uri; content:"/often"; sid:7001; rev:2;)\n' \
          'drop http any any -> any any (msg:"blocks"; flow:to_server; http.uri; content:"/stop"; sid:7002; rev:1;)\n' \
          'alert http any any -> any any (msg:"dear"; flow:to_server; http.uri; content:"/often"; pcre:"/(o+f*t*e*n*)+z/"; sid:7003; rev:1;)\n' \
          'alert http any any -> any any (msg:"never"; flow:to_server; http.uri; content:"/never"; sid:7004; rev:1;)\n' \
          'alert http any any -> any any (msg:"thinned"; flow:to_server; http.uri; content:"/often"; ' \
          'threshold:type limit, track by_src, count 1, seconds 3600; sid:7005; rev:1;)\n'


@pytest.mark.quick
def test_c6_hits_and_cost_of_filters(fresh_lab):
    lab = fresh_lab(filters=FILTERS)
    for number in range(40):
        assert lab.curl("/often/%d-%s" % (number, "ofo" * 20)).exit == 0
    for _ in range(3):
        assert lab.curl("/stop").exit != 0

    def top(*options):
        return lab.appliance.show("filters", "top", *options)
    answer = wait_until(lambda: (a := top("--by", "hits"))["filters"] and a["filters"][0]["hits"] == 40 and a, 5, "40 hits")
    rows = {row["sid"]: row for row in answer["filters"]}
    assert [row["sid"] for row in answer["filters"]][:2] in ([7001, 7005], [7005, 7001])
    assert (rows[7001]["hits"], rows[7001]["blocks"], rows[7001]["evaluations"], rows[7001]["rev"]) == (40, 0, 40, 2)
    assert (rows[7002]["hits"], rows[7002]["blocks"], rows[7002]["action"]) == (3, 3, "block")
    assert (rows[7003]["hits"], rows[7003]["evaluations"]) == (0, 40)
    assert rows[7005]["hits"] == 40, "a hit whose record is suppressed is a hit"
    assert 7004 not in rows, "its pattern was never found"
    assert answer["workers_silent"] == 0 and answer["since"] > 0
    assert answer["evaluations"] == sum(row["evaluations"] for row in answer["filters"])
    assert rows[7001]["profile"] == "default"
    assert len(top("--limit", "1")["filters"]) == 1

    # the evaluation that costs a thousand times more comes first, once enough of them were timed
    def dear_first():
        for _ in range(20):
            lab.curl("/often/" + "ofo" * 20)
        cost = top()
        return cost["cost_ns"] and cost["filters"][0]["sid"] == 7003 and cost
    cost = wait_until(dear_first, 30, "the dear filter on top")
    assert cost["by"] == "cost_ns" and cost["filters"][0]["cost_percent"] > 50, cost
    text = lab.appliance.command("show", "filters", "top").stdout
    assert "EVALUATIONS" in text and "dear" in text and "7003" in text

    # a commit begins anew
    lab.appliance.commit(lab.document(lab.topology), FILTERS)
    assert top()["filters"] == []
