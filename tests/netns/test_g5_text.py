# SPDX-License-Identifier: Apache-2.0
"""Text from the wire through a real rsyslogd's own parsers (G5): structured data, JSON and CEF come apart again into what was
put in, byte for byte, up to host names of 64 KB, and no record or field is made by anybody else."""
import json
import os
import re

import pytest

from lab.appliance import DEFAULT_BIN_DIR
from lab.namespace import wait_until
from lab.pump import HOSTILE, LONG_EVERY, LONG_HOST, Pump
from lab.receiver import Receiver

COUNT = 2 * LONG_EVERY
RULES = """
global(maxMessageSize="1m")
module(load="mmpstrucdata") module(load="mmjsonparse") module(load="mmnormalize")
template(name="parsed" type="string" string="%%$!all-json%%\\n")
ruleset(name="sluice" queue.type="Direct") {
  %s
  action(type="omfile" file="%s" template="parsed" queue.type="Direct")
}
"""
JSON_PARSERS = 'action(type="mmpstrucdata") action(type="mmjsonparse" cookie="")'
CEF_PARSERS = 'action(type="mmpstrucdata") action(type="mmnormalize" rule="rule=:%cef:cef%")'


@pytest.fixture
def bin_dir(request):
    return os.path.realpath(request.config.getoption("--bin-dir") or DEFAULT_BIN_DIR)


def receive(tmp_path, bin_dir, parsers, form):
    out = tmp_path / "receiver.out"
    (tmp_path / "log").mkdir()
    with Receiver(tmp_path / "receiver", rules=RULES % (parsers, out)) as receiver, \
            Pump(bin_dir, str(tmp_path / "log"), receiver.port, COUNT, form=form) as pump:
        wait_until(pump.done, 40, "all records to be received", pause=0.05)
        return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def judge_parameters(records):
    """what mmpstrucdata made of each: exactly ours, in order"""
    numbers = []
    for record in records:
        (name, parameters), = record["rfc5424-sd"].items()
        assert name == "sluice@32473" and set(parameters) == {"device", "boot", "sequence", "session_id", "ssl_inspect"}, parameters
        numbers.append(int(parameters["session_id"], 16))
    assert sorted(set(numbers)) == list(range(1, COUNT + 1))


def test_g5_json_comes_back_through_rsyslogs_parsers(tmp_path, bin_dir):
    records = receive(tmp_path, bin_dir, JSON_PARSERS, "rfc5424_json")
    judge_parameters(records)
    for record in records:
        number = int(record["session_id"], 16)
        assert record["http"]["url"] == HOSTILE[number % len(HOSTILE)], record
        assert record["http"].get("hostname") == (LONG_HOST if number % LONG_EVERY == 0 else None)
        assert record["log"] == "block" and record["event_type"] == "alert" and "forged" not in str(set(record)), record
        # rsyslog keeps text as C does: it ends at the NUL, and the raw message has all of it (test_g_delivery.py)
        assert record["detail"] in ("nul\0after", "nul"), record


def cef_text(value):
    """bytes that were no text are \\u00XX; liblognorm has taken back CEF's own escapes"""
    return re.sub(r"\\u00([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), value)


def test_g5_cef_comes_back_through_rsyslogs_parser(tmp_path, bin_dir):
    records = receive(tmp_path, bin_dir, CEF_PARSERS, "cef")
    judge_parameters(records)
    for record in records:
        cef = record["cef"]
        extension = cef["Extensions"]
        number = int(extension["externalId"], 16)
        assert (cef["DeviceVendor"], cef["DeviceProduct"], cef["SignatureID"], cef["Severity"]) == ("Sluice", "Sluice", "block", "7"), cef
        assert cef_text(extension["request"]) == HOSTILE[number % len(HOSTILE)], extension
        assert cef_text(extension.get("dhost", "")) == (LONG_HOST if number % LONG_EVERY == 0 else ""), len(extension.get("dhost", ""))
        assert cef_text(extension["SluiceDetail"]) == "nul\0after"
        # liblognorm 2.0.6 drops the first letter after the header: rt, the time, stands there
        assert set(extension) - {"dhost"} == {"t", "SluiceLog", "dvchost", "SluiceBoot", "SluiceSequence", "externalId", "SluiceDetail", "SluiceSslInspect",
                                              "request"}, set(extension)
