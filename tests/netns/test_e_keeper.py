# SPDX-License-Identifier: Apache-2.0
"""E5, E6: the key keeper's engine, the states of keys, where keys come from."""
import os
import subprocess

import pytest

from lab.clients import http_get, tls_connect

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


def test_e5_status_names_the_engine(lab):
    keeper = lab.appliance.status()["keeper"]
    assert keeper["engine"].startswith("OpenSSL")
    assert bool(keeper["engine_reason"]) == ("waiting" not in keeper["engine"]), keeper
    assert keeper["engine"] in lab.appliance.command("show", "status").stdout
    before = lab.appliance.counters()["key_single"]
    with tls_connect(lab.client) as connection:
        assert http_get(connection)[0] == 200
    lab.appliance.wait_counter("key_single", before + 1)
    assert lab.appliance.counters()["key_batch_faults"] == 0


@pytest.mark.long
@pytest.mark.limit(1800)
def test_e5_batch_engine_in_a_debian_13_root():
    """where libcrypto-mb is: built, tested against OpenSSL, and used by the real keeper"""
    run = subprocess.run([REPOSITORY + "/tests/debian13"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1700)
    assert run.returncode == 0 and "100% tests passed" in run.stdout, run.stdout[-3000:]
    with open("/proc/cpuinfo") as cpu:
        able = "avx512ifma" in cpu.read()
    engine = subprocess.run([REPOSITORY + "/tests/debian13", "build/13-release/tests/test_engine"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=120).stdout
    assert ("is not tested" not in engine) == able, engine
    assert "PASSED" in engine and "FAILED" not in engine
