# SPDX-License-Identifier: Apache-2.0
"""The tests' own test: with no device between the hosts they fail, and with a cable those that need no Sluice hold."""
import os
import re
import subprocess
import sys

import pytest

from lab.capture import parse_frame, stream, tls_records, application_bytes

HERE = os.path.dirname(__file__)


def outcome_with(device, *selection):
    text = subprocess.run([sys.executable, "-m", "pytest", "-q", "--device", device, *selection], cwd=HERE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", text.splitlines()[-1])}


@pytest.mark.limit(120)
def test_with_nothing_between_the_hosts_every_test_fails():
    outcome = outcome_with("none", "test_a1_cable.py", "test_a2_transparency.py", "-k", "ping or fragments or udp_passes or server_sees")
    assert outcome.get("failed", 0) == 4 and not outcome.get("passed"), outcome


@pytest.mark.limit(120)
def test_with_a_cable_the_tests_of_transparency_hold():
    outcome = outcome_with("cable", "test_a1_cable.py", "test_a2_transparency.py", "test_a5_vlan.py")
    assert outcome.get("passed", 0) > 20 and not outcome.get("failed") and not outcome.get("error"), outcome


def test_capture_parser():
    frame = parse_frame(bytes.fromhex("025e00000002" "02c100000001" "8100000a" "0800" "45b8002f00004000390600000a0900010a090002"
                                      "303901bb00000001000000005018ffff00000000" "16030100020101"))
    assert (frame.source_mac, frame.vlan, frame.ttl, frame.tos) == ("02:c1:00:00:00:01", 10, 57, 0xb8)
    assert (frame.source, frame.source_port, frame.destination_port, frame.flags) == ("10.9.0.1", 12345, 443, 0x18)
    assert tls_records(frame.payload) == [(22, 2)]


def test_stream_reassembly_ignores_retransmissions_and_stops_at_a_gap():
    syn = parse_frame(bytes(12) + bytes.fromhex("0800" "4500002800004000400600000a0900010a090002" "000100020000000a000000005002ffff00000000"))
    part = lambda at, data: syn._replace(flags=16, seq=11 + at, payload=data)  # noqa: E731
    assert stream([syn, part(0, b"abc"), part(0, b"abc"), part(3, b"def"), part(9, b"zzz")]) == b"abcdef"


def test_application_bytes_tells_data_from_a_finished_and_a_goodbye():
    finished, goodbye = (23, 53), (23, 19)
    assert application_bytes([(22, 500), (20, 1), finished], tls13=True) == 0
    assert application_bytes([(22, 500), (20, 1), finished, goodbye], tls13=True) == 0
    assert application_bytes([(22, 500), (20, 1), finished, (23, 80)], tls13=True) == 80
    assert application_bytes([(22, 500), (22, 70), (20, 1), (22, 40)], tls13=False) == 0
    assert application_bytes([(22, 500), (23, 30)], tls13=False) == 30
