# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the namespace tests.

lab        one laboratory for the whole run: for tests that leave it as they found it
fresh_lab  a laboratory of the test's own, for tests that kill, stop or reconfigure: fresh_lab(**Laboratory options)

--device cable runs the tests marked `cable` (true of a cable as of Sluice) with a bridge in its place; --device none with
nothing: then each of them must fail. That is how the laboratory itself is tested.
"""
import contextlib
import os
import resource
import signal

import pytest

from lab.laboratory import Laboratory

DEFAULT_LIMIT_SECONDS = 60


def pytest_addoption(parser):
    parser.addoption("--bin-dir", help="folder of the programs under test (default build/release/bin); as --bin-dir=DIR")
    parser.addoption("--long", action="store_true", help="also the tests marked `long`")
    parser.addoption("--device", choices=("appliance", "cable", "none"), default="appliance")


def pytest_configure(config):
    config.addinivalue_line("markers", "cable: holds of a cable as well as of Sluice")
    config.addinivalue_line("markers", "limit(seconds): a test is ended after this time (default %d)" % DEFAULT_LIMIT_SECONDS)
    config.addinivalue_line("markers", "quick: in the subset that also runs against the sanitizer build")
    config.addinivalue_line("markers", "long: takes minutes; left out unless --long is given")
    if os.geteuid():
        raise pytest.UsageError("the namespace tests need root")
    # ended from outside (timeout(1), a CI runner): the laboratories are still taken down
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # both ends of a thousand connections live in this process
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))


def pytest_collection_modifyitems(config, items):
    kept = items
    if not config.getoption("--long"):
        kept = [item for item in kept if not item.get_closest_marker("long")]
    if config.getoption("--device") != "appliance":
        kept = [item for item in kept if item.get_closest_marker("cable")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """no test can hang the run"""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else DEFAULT_LIMIT_SECONDS

    def expired(*unused):  # not an OSError, which a test may suppress; again and again, should it be lost all the same
        pytest.fail("the test took longer than %d s" % seconds)
    previous = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds, 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """what the appliance said goes into a failed test's report"""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for lab in _laboratories_of(item):
            with contextlib.suppress(Exception):
                report.sections.append(("appliance", lab.report()))


def _laboratories_of(item):
    return [*item.stash.get(OWN_LABORATORIES, []), *([item.funcargs["lab"]] if "lab" in item.funcargs else [])]


OWN_LABORATORIES = pytest.StashKey()


@pytest.fixture(scope="session")
def lab(request):
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir")) as laboratory:
        started = laboratory.appliance.children() if laboratory.device.inspects else {}
        yield laboratory
        if laboratory.device.inspects:
            assert laboratory.appliance.children() == started, "a process died under the shared laboratory:\n" + laboratory.report()
            _no_sanitizer_report(laboratory)


@pytest.fixture
def fresh_lab(request):
    option = request.config.getoption
    mine = request.node.stash.setdefault(OWN_LABORATORIES, [])
    with contextlib.ExitStack() as stack:
        def build(**options):
            mine.append(stack.enter_context(Laboratory(option("--device"), option("--bin-dir"), **options)))
            return mine[-1]
        yield build
        for laboratory in mine:
            _no_sanitizer_report(laboratory)


def _no_sanitizer_report(laboratory):
    """a process that a sanitizer ended was replaced by the supervisor: nobody else would notice"""
    if laboratory.device.inspects:
        said = [line for line in laboratory.appliance.messages().splitlines() if "Sanitizer" in line or "runtime error:" in line]
        assert not said, "\n".join([*said, laboratory.appliance.messages()[-8000:]])


@pytest.fixture
def own_lab(fresh_lab):
    """the usual laboratory, but of this test alone"""
    return fresh_lab()
