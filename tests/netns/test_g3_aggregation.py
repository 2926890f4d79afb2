# SPDX-License-Identifier: Apache-2.0
"""Repeated matches become one record with a count and a period (G3): the first is never hidden, and no match is lost."""
from lab.appliance import configuration
from lab.namespace import wait_until

PERIOD, TIMES = 2, 8


def test_g3_repeated_blocks_are_counted_and_the_first_is_written_at_once(fresh_lab):
    lab = fresh_lab()
    document = configuration(lab.topology, workers=1)
    document.setdefault("limits", {})["log_aggregation_seconds"] = PERIOD
    lab.appliance.commit(document)
    lab.curl("/?x=/etc/passwd&n=0")
    first = wait_until(lambda: lab.appliance.records("block"), 5, "the first record")
    assert len(first) == 1 and first[0]["hits"] == 1 and "aggregation_seconds" not in first[0], first
    for number in range(1, TIMES):
        lab.curl("/?x=/etc/passwd&n=%d" % number)
    wait_until(lambda: sum(r["hits"] for r in lab.appliance.records("block")) == TIMES, 10, "every match in some record's count", pause=0.1)
    records = lab.appliance.records("block")
    assert len(records) < TIMES and all(r["aggregation_seconds"] == PERIOD for r in records if r["hits"] > 1), records
    # what waits is written when the worker ends
    lab.curl("/?x=/etc/passwd&n=last")
    lab.curl("/?x=/etc/passwd&n=last")
    lab.appliance.stop()
    assert sum(r["hits"] for r in lab.appliance.records("block")) == TIMES + 2
