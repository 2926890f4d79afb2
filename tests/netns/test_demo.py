# SPDX-License-Identifier: Apache-2.0
"""The demo holds, and the demo can fail: with one eBPF program detached, and with inspection switched off."""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from lab.appliance import DEFAULT_BIN_DIR, REPOSITORY
from lab.namespace import wait_until

STEPS = os.path.join(REPOSITORY, "provisioning/demo-steps.py")


def command(request, *options):
    return [sys.executable, STEPS, "--bin-dir", request.config.getoption("--bin-dir") or DEFAULT_BIN_DIR, *options]


def run_to_the_end(request, *options, timeout=100):
    """(exit status, JSON document); whatever ends the wait, the demo may take its topology down"""
    process = subprocess.Popen(command(request, "--json", *options), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException:
        process.terminate()
        process.communicate(timeout=30)
        raise
    return process.returncode, json.loads(output)


def run_demo(request, *options):
    """(exit status, {step: held}, document)"""
    status, document = run_to_the_end(request, *options)
    assert document["error"] is None, document["error"]
    return status, {step["step"]: step["held"] for step in document["steps"]}, document


@pytest.mark.limit(120)
def test_demo_holds(request):
    status, held, document = run_demo(request)
    assert status == 0 and held == dict.fromkeys("abcdefgh", True), json.dumps(document["steps"], indent=1)


DETACHED = ("detach-port-a", "detach-port-b", "detach-return", "detach-lookup")


@pytest.fixture(scope="module")
def mutants(request):
    """all at once, since they spend their time waiting for what does not come: {mutation: run_demo()}"""
    mutations = (*DETACHED, "inspection-off")
    with concurrent.futures.ThreadPoolExecutor(len(mutations)) as pool:
        return dict(zip(mutations, pool.map(lambda mutation: run_demo(request, "--mutate", mutation), mutations)))


@pytest.mark.parametrize("mutation", DETACHED)
def test_demo_fails_with_one_ebpf_program_detached(mutants, mutation):
    status, held, _ = mutants[mutation]
    assert status == 1
    assert not held["a"] and not held["b"] and not held["c"], held
    # without a port's program nothing passes at all; the others touch proxied flows only
    assert held["f"] == (not mutation.startswith("detach-port")), held


def test_demo_fails_with_inspection_switched_off(mutants):
    status, held, _ = mutants["inspection-off"]
    assert status == 1
    assert {step for step, ok in held.items() if ok} == set("abf"), held


@pytest.mark.limit(120)
def test_demo_leaves_nothing_behind_when_it_is_interrupted(request):
    process = subprocess.Popen(command(request, "--json"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    name = wait_until(lambda: re.search(r"instance (demo\w+)", process.stderr.readline()), 30, "the instance's name").group(1)
    wait_until(lambda: "(a)" in process.stderr.readline(), 30, "the first step")
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    process.stderr.close()
    assert not [entry for entry in os.listdir("/run/netns") if entry.startswith(name)]
    assert not [entry for entry in os.listdir("/sys/class/net") if entry.startswith(name)]


@pytest.mark.limit(120)
def test_demo_keep_and_down(request):
    _, document = run_to_the_end(request, "--keep")
    name = document["instance"]
    try:
        assert document["held"] and os.path.exists("/run/netns/%s-client" % name)
    finally:
        subprocess.run(command(request, "--down", name), check=True, stdout=subprocess.DEVNULL)
    assert not [entry for entry in os.listdir("/run/netns") if entry.startswith(name)]
