# SPDX-License-Identifier: Apache-2.0
"""F4, A8, G4, H1: the supervisor and the workers under faults: peers that stall, children that stop or die at the wrong moment,
descriptors that run out; and that nothing is left behind by any of it."""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

from lab.appliance import FILTERS, alive, configuration, kill_and_wait, ssl_server, stop_and_wait
from lab.clients import client_context, http_get, outcome_of, reset_on_close, tcp_connect, tls_connect
from lab.namespace import wait_until
from lab.peers import TlsServer, echo
from lab.traffic import ATTACK

CAP_NET_RAW = 13


# --- who may do what --------------------------------------------------------------------------------------------------
def test_children_have_the_descriptors_and_limits_of_their_role(lab):
    """only pipes of messages, shared memory and the few files a role works on; a clean environment; no core files"""
    kinds = {"worker": {"null", "sluiced.log", "socket", "anon_inode", "memfd"}, "keeper": {"null", "sluiced.log", "socket", "anon_inode", "memfd", "device.key"},
             "log": {"null", "sluiced.log", "socket", "anon_inode", "memfd", "log", "json", "spool", "spool file"}}
    for role, pid in lab.appliance.children().items():
        found = {number: _kind(target) for number, target in _descriptors(pid).items()}
        assert found[0] == "null" and found[3] == "socket", (role, found)
        assert set(found.values()) <= kinds[role.split()[0]], (role, _descriptors(pid))
        assert os.readlink("/proc/%d/cwd" % pid) == "/", role
        with open("/proc/%d/environ" % pid, "rb") as environment:
            names = {line.split(b"=")[0] for line in environment.read().split(b"\0") if line}
        assert names <= {b"PATH", b"LC_ALL"} or _sanitized(lab), (role, names)
        assert _limit(pid, "Max core file size") == ["0", "0"], role
        if role.startswith("worker"):
            soft, hard = _limit(pid, "Max open files")
            assert soft == hard and int(hard) >= resource.getrlimit(resource.RLIMIT_NOFILE)[1], role
            assert int(_status(pid)["CapBnd"], 16) in (0, 1 << CAP_NET_RAW), role
            assert _status(pid)["Groups"].strip() == "", role


# --- descriptors ------------------------------------------------------------------------------------------------------
def test_f4_commits_leak_no_descriptor_and_keep_20_versions(own_lab):
    """in no process; also not commits that fail. Two more than the versions kept, so that they are pruned."""
    appliance = own_lab.appliance
    bad = configuration(own_lab.topology)
    bad["segments"][0]["port_b"] = "nosuchport0"
    appliance.commit(configuration(own_lab.topology))
    before = {pid: len(_descriptors(pid)) for pid in appliance.all_pids()}
    for number in range(22):
        if number % 4 == 0:
            appliance.command("commit", appliance.write_configuration(bad), check=False)
        appliance.commit(configuration(own_lab.topology))
    # a worker keeps a few policies for flows that an earlier version decided: they hold no descriptors
    wait_until(lambda: {pid: len(_descriptors(pid)) for pid in before} == before, 3, "the descriptors of the beginning")
    stored = sorted(os.listdir(appliance.state_dir + "/config"))
    newest = appliance.status()["config_version"]
    versions = [name for name in stored if name.endswith(".yaml")]
    assert len(versions) == 20 and versions[-1] == "%08d.yaml" % newest, stored
    assert len(stored) == 60 and not [name for name in stored if name.endswith(".new")], stored


@pytest.mark.limit(90)
def test_a8_worker_starts_leak_no_descriptor(own_lab):
    appliance = own_lab.appliance
    steady = [appliance.supervisor.pid, appliance.children()["keeper"], appliance.children()["log"]]
    before = {pid: len(_descriptors(pid)) for pid in steady}
    for _ in range(3):
        for pid in appliance.workers().values():
            kill_and_wait(pid)
        appliance.wait_inspecting(2)
    wait_until(lambda: {pid: len(_descriptors(pid)) for pid in before} == before, 5, "the descriptors of the beginning")


def test_worker_without_descriptors_counts_and_does_not_spin(own_lab):
    """no socket for the server leg: the client's SYN stays unanswered; and accept() may not wake the loop for ever"""
    lab = own_lab
    workers = lab.appliance.workers().values()
    for pid in workers:
        room = len(_descriptors(pid)) + 10
        # as its own user: root may lack CAP_SYS_RESOURCE here
        user, group = _status(pid)["Uid"].split()[0], _status(pid)["Gid"].split()[0]
        subprocess.run(["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "prlimit", "--pid", str(pid),
                        "--nofile=%d:%d" % (room, room)], check=True)
    with TlsServer(lab.topology, 9001, lab.certificate, echo):
        connections = [c for c in (_try_connect(lab) for _ in range(60)) if c]
        before = sum(map(_cpu_seconds, workers))
        time.sleep(1)
        assert sum(map(_cpu_seconds, workers)) - before < 0.5, "a worker spins"
        lab.appliance.wait_counter("sessions_refused_limit", 1)
        for connection in connections:
            reset_on_close(connection)
            connection.close()
    lab.appliance.wait_counter("closed_client_reset", 1)
    wait_until(lambda: lab.curl("/after").ok, 5, "service after the shortage")


def _try_connect(lab):
    try:
        return tcp_connect(lab.client, 9001, timeout=0.3)
    except OSError:
        return None


# --- peers of the supervisor that stall -------------------------------------------------------------------------------
def test_supervisor_is_not_held_by_a_client_that_stalls(lab):
    """half a frame, garbage, and a client that asks for ever and never reads"""
    path = lab.appliance.run_dir + "/control"
    with contextlib.ExitStack() as stack:
        for start in b"", b"\x40", b"\x40\0\0\0{\"comm", struct.pack("<I", 60 << 20) + b"{", b"GET / HTTP/1.1\r\n\r\n":
            stack.enter_context(_control(path)).sendall(start)
        deaf = stack.enter_context(_control(path))
        deaf.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                deaf.send(_frame(command="counters"))
        slowest = 0
        for _ in range(20):
            with _control(path) as client:
                started = time.monotonic()
                client.sendall(_frame(command="segments"))
                assert client.recv(4)
                slowest = max(slowest, time.monotonic() - started)
    assert slowest < 0.1, "an answer took %.3f s" % slowest


def test_control_socket_is_roots_alone(lab):
    mode = os.stat(lab.appliance.run_dir + "/control").st_mode & 0o777
    assert mode == 0o600, oct(mode)


@pytest.mark.parametrize("role", ["keeper", "log"])
def test_a8_supervisor_is_not_held_by_a_stopped_child(own_lab, role):
    """the child's socket fills: the supervisor kills it, and another takes its place"""
    appliance = own_lab.appliance
    pid = appliance.children()[role]
    stop_and_wait(pid)
    with _full_socket(pid):
        for worker in list(appliance.workers().values())[:1]:
            kill_and_wait(worker)  # the supervisor has news for both helpers now
        started = time.monotonic()
        appliance.status()
        assert time.monotonic() - started < 8
    wait_until(lambda: appliance.children().get(role) not in (None, pid), 15, "another %s" % role)
    assert not alive(pid)
    appliance.wait_inspecting()
    wait_until(lambda: own_lab.curl("/after-%s" % role).ok, 10, "service")


# --- commits at bad moments -------------------------------------------------------------------------------------------
def test_f4_rejected_commit_with_fewer_workers_keeps_them_all(own_lab):
    """a candidate's worker count may end no worker before the candidate is in force"""
    lab = own_lab
    before = lab.appliance.workers()
    for options in {"workers": 1}, {"inspection": False}:
        document = configuration(lab.topology, **options)
        document["segments"][0]["port_b"] = "nosuchport0"
        with tls_connect(lab.client, certificate=lab.certificate) as held:
            result = lab.appliance.command("commit", lab.appliance.write_configuration(document), check=False)
            assert result.returncode != 0
            assert http_get(held)[0] == 200
        assert lab.appliance.workers() == before
        states = {row["state"] for row in lab.appliance.status()["workers"]}
        assert states == {"live"}, states
    assert lab.curl(ATTACK, "--path-as-is").reset


@pytest.mark.parametrize("pause", [0, 1.3], ids=["at-once", "listener-closed"])
def test_f4_fewer_and_more_workers_cost_no_session(own_lab, pause):
    """a worker that is leaving, with sessions, is called back when it is wanted again"""
    lab = own_lab
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(tls_connect(lab.client, certificate=lab.certificate)) for _ in range(8)]
        before = lab.appliance.workers()
        for workers in 1, 3, 1, 2:
            lab.appliance.commit(configuration(lab.topology, workers=workers))
            for number in range(6):
                assert lab.curl(ATTACK + "&w%d-%d" % (workers, number), "--path-as-is").reset
            time.sleep(pause)
            for connection in held:
                assert http_get(connection)[0] == 200
        assert lab.appliance.workers() == before
    messages = lab.appliance.messages()
    assert "is started again" not in messages, messages


def test_f4_compiler_that_dies_rejects_the_commit(own_lab):
    appliance = own_lab.appliance
    version = appliance.status()["config_version"]
    with _commit_in_background(appliance, own_lab.topology) as commit:
        kill_and_wait(commit.compiler)
        out, _ = commit.process.communicate(timeout=10)
    assert commit.process.returncode != 0 and "compiler was killed by signal 9" in out, out
    assert appliance.status()["config_version"] == version
    _nothing_unfinished(appliance)
    assert appliance.commit(configuration(own_lab.topology))["ok"]


def test_f4_worker_that_dies_during_a_commit_gets_it_when_it_is_back(own_lab):
    appliance = own_lab.appliance
    version = appliance.status()["config_version"]
    with _commit_in_background(appliance, own_lab.topology) as commit:
        for pid in list(appliance.workers().values()):
            stop_and_wait(pid)
            os.kill(commit.compiler, signal.SIGCONT)
            time.sleep(0.2)
            kill_and_wait(pid)
        out, _ = commit.process.communicate(timeout=20)
    assert commit.process.returncode == 0, out
    assert appliance.status()["config_version"] == version + 1
    appliance.wait_inspecting(2)
    assert own_lab.curl("/after").ok


@pytest.mark.limit(90)
def test_f4_commit_with_stopped_workers_ends(own_lab):
    """a worker that hangs is killed by the watchdog, and the one in its place acknowledges"""
    appliance = own_lab.appliance
    for pid in appliance.workers().values():
        stop_and_wait(pid)
    assert appliance.commit(configuration(own_lab.topology), timeout=30)["ok"]
    appliance.wait_inspecting(2)
    assert own_lab.curl(ATTACK, "--path-as-is").reset


def test_sigterm_during_a_commit_ends_everything(own_lab):
    appliance = own_lab.appliance
    with _commit_in_background(appliance, own_lab.topology) as commit:
        started = time.monotonic()
        appliance.stop()
        assert time.monotonic() - started < 5
        out, _ = commit.process.communicate(timeout=5)
        assert commit.process.returncode != 0 and "stopping" in out, out
        wait_until(lambda: not alive(commit.compiler), 3, "the compiler to end")
    _nothing_unfinished(appliance)


def test_kill_during_a_commit_leaves_the_version_in_force(own_lab):
    """and the compiler does not live on; the next start clears what the commit had written"""
    appliance = own_lab.appliance
    version = appliance.status()["config_version"]
    appliance.seen_pids.update(appliance.all_pids())
    with _commit_in_background(appliance, own_lab.topology) as commit:
        kill_and_wait(appliance.supervisor.pid)
        appliance.supervisor.wait()
        wait_until(lambda: not alive(commit.compiler), 3, "the compiler to end")
        commit.process.communicate(timeout=5)
    for name in "00000099.yaml.new", "files-00000099":
        path = os.path.join(appliance.state_dir, "config", name)
        os.mkdir(path) if name.startswith("files") else open(path, "w").close()
    appliance.start()
    appliance.wait_inspecting()
    assert appliance.status()["config_version"] == version
    _nothing_unfinished(appliance)
    assert own_lab.curl(ATTACK, "--path-as-is").reset


def test_f4_full_state_directory_rejects_the_commit(own_lab):
    """inspection goes on as it was, and the next commit works once there is room"""
    lab, appliance = own_lab, own_lab.appliance
    version = appliance.status()["config_version"]
    folder = appliance.state_dir + "/config"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        path = appliance.write_configuration(configuration(lab.topology), FILTERS + "# comment\n" * 20000)
        result = appliance.command("commit", path, check=False)
        assert result.returncode != 0 and "state directory" in result.stdout + result.stderr
        assert not os.listdir(folder)
        assert appliance.status()["config_version"] == version and lab.curl(ATTACK, "--path-as-is").reset
    finally:
        subprocess.run(["umount", folder], check=True)
    assert appliance.commit(configuration(lab.topology))["config_version"] > version


@pytest.mark.parametrize("damage", ["document", "rule file", "certificate"])
def test_a8_damaged_store_leaves_the_wire_up_and_says_so(own_lab, damage):
    """the appliance starts: traffic passes as the servers' own choice says, and a new commit mends it"""
    lab, appliance = own_lab, own_lab.appliance
    appliance.stop()
    newest = max(name for name in os.listdir(appliance.state_dir + "/config") if name.endswith(".yaml"))
    path = {"document": "config/" + newest, "rule file": "config/files-%s/000" % newest[:8],
            "certificate": "certificates/web-rsa.json"}[damage]
    path = os.path.join(appliance.state_dir, path)
    with open(path, "rb") as file:
        good = file.read()
    if damage == "rule file":
        os.unlink(path)
    else:
        with open(path, "wb") as file:
            file.write(good[:len(good) // 2])
    appliance.start()
    wait_until(lambda: "cannot be put in force" in appliance.messages(), 10, "the error")
    wait_until(lambda: lab.curl("/passes").ok, 10, "traffic")
    if damage == "certificate":
        appliance.import_certificate(lab.certificate)
    assert appliance.commit(configuration(lab.topology))["ok"]
    appliance.wait_inspecting()
    assert lab.curl(ATTACK, "--path-as-is").reset


@pytest.mark.parametrize("packages", [("local.rules",), ()], ids=["with-filters", "without"])
def test_configuration_file_of_the_first_start_is_committed(own_lab, packages):
    lab, appliance = own_lab, own_lab.appliance
    path = appliance.write_configuration(configuration(lab.topology, packages=packages))
    appliance.stop()
    for name in os.listdir(appliance.state_dir + "/config"):
        shutil.rmtree(os.path.join(appliance.state_dir, "config", name)) if name.startswith("files") else \
            os.unlink(os.path.join(appliance.state_dir, "config", name))
    appliance.start(options=["--config", path])
    wait_until(lambda: appliance.status()["config_version"] == 1, 10, "the first version")
    appliance.wait_inspecting()
    assert lab.curl(ATTACK, "--path-as-is").reset == bool(packages)


def test_second_supervisor_of_an_instance_is_refused(lab):
    program = os.path.join(lab.appliance.bin_dir, "sluiced")
    result = subprocess.run([program, "--instance", lab.appliance.instance], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=10)
    assert result.returncode != 0 and "another sluiced" in result.stdout, result.stdout
    assert lab.appliance.status()["pid"] == lab.appliance.supervisor.pid


# --- load in one place ------------------------------------------------------------------------------------------------
def test_hundreds_of_filters_that_match_at_one_point_end_no_worker(own_lab):
    """sorting many matches made the C library ask for the memory's size, which the system call filter did not allow"""
    lab = own_lab
    extra = "".join('alert http any any -> any any (msg:"same %d"; http.uri; content:"everybody"; sid:%d;)\n' % (n, 5100000 + n) for n in range(400))
    lab.appliance.commit(configuration(lab.topology), FILTERS + extra)
    before = lab.appliance.children()
    assert lab.curl("/everybody").ok
    lab.appliance.wait_counter("filter_hits", 100)
    assert lab.appliance.children() == before


@pytest.mark.cable
def test_last_words_in_front_of_a_reset_arrive(lab):
    """a server that answers and resets: the client gets the answer, then the reset"""
    def handler(connection):
        connection.recv(100)
        connection.sendall(b"x" * 3000)
        time.sleep(0.1)
        reset_on_close(connection)
    with TlsServer(lab.topology, 9001, lab.certificate, handler):
        with tls_connect(lab.client, 9001, lab.certificate) as connection:
            connection.sendall(b"go")
            got = b""
            with contextlib.suppress(OSError):
                while part := connection.recv(65536):
                    got += part
    assert got == b"x" * 3000


@pytest.mark.limit(90)
def test_three_generations_of_supervisors(own_lab):
    """two supervisors die one after the other with sessions open in each generation: every one goes on"""
    lab, appliance = own_lab, own_lab.appliance
    with contextlib.ExitStack() as stack:
        held = []
        for generation in range(3):
            held.append(stack.enter_context(tls_connect(lab.client, certificate=lab.certificate, timeout=20)))
            if generation < 2:
                appliance.seen_pids.update(appliance.all_pids())
                kill_and_wait(appliance.supervisor.pid)
                appliance.supervisor.wait()
                appliance.start()
                appliance.wait_inspecting(2)
                time.sleep(1.2)  # the tick that retires the earlier generation
            for connection in held:
                assert http_get(connection)[0] == 200
            for number in range(6):
                assert lab.curl(ATTACK + "&g%d-%d" % (generation, number), "--path-as-is").reset


# --- figures and records ----------------------------------------------------------------------------------------------
def test_h1_figures_follow_a_servers_name_over_versions(own_lab):
    """ids are places in a list: another order, and a server more in front, may not mix figures"""
    lab = own_lab
    for number in range(3):
        assert lab.curl("/%d" % number).ok
    wait_until(lambda: lab.appliance.counters("web")["gauge_sessions_active"] == 0, 5, "the sessions to end")
    before = lab.appliance.counters("web")
    assert before["sessions_new"] == 3 and lab.appliance.counters("raw")["sessions_new"] == 0
    servers = [ssl_server("first", ["9100"]), ssl_server("raw", ["9000-9009"], service="any"), ssl_server("web", ["443", "8443-8449"])]
    with tls_connect(lab.client, certificate=lab.certificate) as held:
        lab.appliance.commit(configuration(lab.topology, servers=servers))
        assert lab.appliance.counters("web")["gauge_sessions_active"] == 1
        assert http_get(held)[0] == 200 and lab.curl("/again").ok
    wait_until(lambda: lab.appliance.counters("web")["gauge_sessions_active"] == 0, 5, "the sessions to end")
    assert lab.appliance.counters("web")["sessions_new"] == 5
    assert lab.appliance.counters("first")["sessions_new"] == lab.appliance.counters("raw")["sessions_new"] == 0


def test_g4_session_ids_do_not_repeat_after_a_worker_died(own_lab):
    lab = own_lab
    for number in range(6):
        assert lab.curl("/before-%d" % number).ok
    for pid in lab.appliance.workers().values():
        kill_and_wait(pid)
    lab.appliance.wait_inspecting(2)
    for number in range(6):
        assert lab.curl("/after-%d" % number).ok
    ids = wait_until(lambda: [r["session_id"] for r in lab.appliance.records("ssl_inspection")] if len(lab.appliance.records("ssl_inspection")) >= 12
                     else None, 5, "twelve records")
    assert len(set(ids)) == len(ids)


def test_gauges_are_zero_after_workers_died_and_sessions_were_cleared(own_lab):
    lab = own_lab
    with TlsServer(lab.topology, 9001, lab.certificate, echo):
        held = [tls_connect(lab.client, 9001, context=client_context()) for _ in range(20)]
        lab.appliance.wait_counter("gauge_sessions_active", 20)
        kill_and_wait(next(iter(lab.appliance.workers().values())))
        lab.appliance.wait_inspecting(2)
        wait_until(lambda: lab.appliance.show("sessions")["total"] == lab.appliance.counters()["gauge_sessions_active"], 5, "equal figures")
        lab.appliance.command("clear", "sessions", "all")
        wait_until(lambda: lab.appliance.counters()["gauge_sessions_active"] == 0, 5, "the gauge at zero")
        assert lab.appliance.counters("raw")["gauge_sessions_active"] == 0
        for connection in held:
            outcome_of(lambda c=connection: c.recv(1))
            connection.close()


# --- helpers ----------------------------------------------------------------------------------------------------------
def _sanitized(lab):
    with open(os.path.join(lab.appliance.bin_dir, "sluiced"), "rb") as program:
        return b"__asan_init" in program.read()


def _status(pid):
    with open("/proc/%d/status" % pid) as status:
        return dict(line.split(":", 1) for line in status.read().splitlines() if ":" in line)


def _limit(pid, name):
    with open("/proc/%d/limits" % pid) as limits:
        return next(line[len(name):].split()[:2] for line in limits if line.startswith(name))


def _descriptors(pid):
    """{number: what it is}"""
    found = {}
    for number in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            found[int(number)] = os.readlink("/proc/%d/fd/%s" % (pid, number))
    return found


def _kind(target):
    if target.startswith("/memfd:"):
        return "memfd"
    if target.endswith(".json"):
        return "json"
    if os.path.basename(os.path.dirname(target)) == "spool":
        return "spool file"
    return target.split(":")[0] if not target.startswith("/") else os.path.basename(target)


def _cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _frame(**message):
    text = json.dumps(message).encode()
    return struct.pack("<I", len(text)) + text


def _control(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(path)
    return connection


@contextlib.contextmanager
def _full_socket(pid):
    """fills the queue of a stopped child's control socket, from its other end: the supervisor's, taken by pidfd_getfd"""
    parent = int(_status(pid)["PPid"])
    inode = os.stat("/proc/%d/fd/3" % pid).st_ino
    with contextlib.ExitStack() as stack:
        ours = []
        for number, target in _descriptors(parent).items():
            if target.startswith("socket:"):
                stolen = stack.enter_context(socket.socket(fileno=_steal(parent, number)))
                if stolen.family == socket.AF_UNIX and _peer_inode(number, parent) == inode:
                    ours.append(stolen)
        assert len(ours) == 1, "the supervisor's end of the child's socket"
        with contextlib.suppress(BlockingIOError):
            while True:
                ours[0].send(_frame(message="noise", text="x" * 1000), socket.MSG_DONTWAIT)
        yield


def _steal(pid, number):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        taken = libc.syscall(438, pidfd, number, 0)
    finally:
        os.close(pidfd)
    if taken < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return taken


def _peer_inode(number, pid):
    """of a Unix socket, as ss tells it"""
    own = os.stat("/proc/%d/fd/%d" % (pid, number)).st_ino
    listed = subprocess.run(["ss", "-xHn"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listed.splitlines():
        words = line.split()
        if len(words) >= 8 and words[5] == str(own):
            return int(words[7])
    return None


class _Commit:
    process = compiler = None


@contextlib.contextmanager
def _commit_in_background(appliance, topology):
    """a commit whose compiler is stopped in the middle"""
    extra = "".join('alert http any any -> any any (msg:"many %d"; http.uri; pcre:"/a%d[a-z]{2,9}x%d/i"; sid:%d;)\n'
                    % (n, n, n, 5000000 + n) for n in range(1500))
    path = appliance.write_configuration(configuration(topology), FILTERS + extra)
    commit = _Commit()
    commit.process = subprocess.Popen([os.path.join(appliance.bin_dir, "sluice"), "--instance", appliance.instance, "commit", path],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        commit.compiler = wait_until(lambda: _compiler_of(appliance.supervisor.pid), 10, "the compiler to run", pause=0.002)
        stop_and_wait(commit.compiler)
        yield commit
    finally:
        if commit.compiler and alive(commit.compiler):
            os.kill(commit.compiler, signal.SIGCONT)
        if commit.process.poll() is None:
            commit.process.kill()
        commit.process.communicate()


def _compiler_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        for child in map(int, children.read().split()):
            with contextlib.suppress(OSError), open("/proc/%d/cmdline" % child, "rb") as line:
                if b"--compile" in line.read():
                    return child
    return None


def _nothing_unfinished(appliance):
    names = os.listdir(appliance.state_dir + "/config")
    finished = {name[:8] for name in names if name.endswith(".yaml")}
    left = [name for name in names if name.endswith(".new") or (name.startswith("files-") and name[6:] not in finished)]
    assert not left, left
