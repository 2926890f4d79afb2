# SPDX-License-Identifier: Apache-2.0
"""Sluice as the device between the ports: start, configure, ask, hurt, tear down. Whatever happens, leaving the context
ends the processes that belong to the instance and removes what it left in the system."""
import json
import os
import shutil
import signal
import subprocess

from .namespace import Namespace, run, stop_process, wait_until
from .topology import EXCEPTED_IP, SERVER_IP

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
DEFAULT_BIN_DIR = os.path.join(REPOSITORY, "build/release/bin")

FILTERS = """\
reject http any any -> any any (msg:"path traversal in the URI"; flow:established,to_server; http.uri; content:"/etc/passwd"; \
classtype:web-application-attack; priority:1; sid:4000001; rev:1;)
reject http any any -> any any (msg:"SQL injection in the body"; flow:established,to_server; http.request_body; \
pcre:"/union\\s+select/i"; classtype:web-application-attack; priority:1; sid:4000002; rev:3;)
alert tcp any any -> any any (msg:"confidential mark in a response"; flow:established,to_client; content:"CONFIDENTIAL-4711"; \
classtype:policy-violation; priority:2; sid:4000003; rev:1;)
alert http any any -> any any (msg:"noted query"; flow:established,to_server; http.uri; content:"noted="; sid:4000004; rev:1;)
reject tcp any any -> any any (msg:"raw mark to the server"; flow:established,to_server; content:"RAW-ATTACK-9"; sid:4000005; rev:1;)
"""


def configuration(topology, workers=2, inspection=True, servers=None, packages=("local.rules",), limits=None, when_down="bypass",
                  **profile):
    """The configuration that most tests share: HTTP on 443 and 8443 to 8449, a raw service on 9000 to 9009."""
    return {
        "device": {"name": topology.name, "workers": workers, "ssl_inspection": inspection},
        "limits": limits or {},
        "segments": [{"name": "dmz", "port_a": topology.port_a, "port_b": topology.port_b, "when_down": when_down}],
        "ssl_servers": servers or [ssl_server("web", ["443", "8443-8449"], service="http"), ssl_server("raw", ["9000-9009"], service="any")],
        "profiles": [dict({"name": "default", "filter_packages": list(packages), "inspect_server_response": True}, **profile,
                          ssl_policies=[{"name": s["name"] + "-policy", "ssl_server": s["name"], "source_address_exceptions": [EXCEPTED_IP]}
                                        for s in servers or [{"name": "web"}, {"name": "raw"}]])],
        "virtual_segments": [{"name": "dmz-in", "segment": "dmz", "direction": "a_to_b", "profile": "default"}],
    }


def ssl_server(name, ports, service="http", certificates=("web-rsa",), **options):
    return dict({"name": name, "destinations": [SERVER_IP], "detection_ports": ports, "certificates": list(certificates),
                 "decrypted_service": service, "logging": True, "when_unavailable": "bypass"}, **options)


def yaml_text(document):
    """Block form at the top, flow form below: as in the documented example."""
    return "".join("%s: %s\n" % (key, _flow(value)) for key, value in document.items() if value != {})


def _flow(value):
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (key, _flow(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(_flow(item) for item in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


class CommandFailed(RuntimeError):
    def __init__(self, arguments, result):
        super().__init__("sluice %s: exit %d\n%s%s" % (" ".join(arguments), result.returncode, result.stdout, result.stderr))
        self.result = result


class Appliance:
    inspects = True

    def __init__(self, topology, bin_dir=None):
        self.topology, self.instance = topology, topology.name
        self.bin_dir = os.path.realpath(bin_dir or os.environ.get("SLUICE_BIN_DIR") or DEFAULT_BIN_DIR)
        self.wire, self.inspect = Namespace(self.instance + "-wire"), Namespace(self.instance + "-inspect")
        self.state_dir, self.run_dir = "/var/lib/sluice/" + self.instance, "/run/sluice/" + self.instance
        self.pin_dir = "/sys/fs/bpf/sluice/" + self.instance
        self.supervisor = None
        self.seen_pids = set()

    # --- life ---------------------------------------------------------------------------------------------------------
    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *unused):
        self.remove()

    def start(self, detached=False, options=()):
        """`detached`: outlives this process (the demo's --keep)"""
        program = os.path.join(self.bin_dir, "sluiced")
        if not os.access(program, os.X_OK):
            raise RuntimeError("%s is not built" % program)
        self._output = open(self.topology.path("sluiced.log"), "a+")
        start = self._output.tell()
        self.supervisor = subprocess.Popen([program, "--instance", self.instance, *options], stdin=subprocess.DEVNULL, stdout=self._output,
                                           stderr=self._output, start_new_session=detached)
        wait_until(lambda: self.supervisor.poll() is not None or "ready\n" in self.messages()[start:], 30, "sluiced to be ready")
        if self.supervisor.poll() is not None:
            raise RuntimeError("sluiced ended at once (%d):\n%s" % (self.supervisor.returncode, self.messages()))
        return self

    def stop(self):
        """as an operator stops it: the wire stays up in fallback"""
        self._note_pids()
        stop_process(self.supervisor, 10)

    def remove(self):
        self._note_pids()
        if self.supervisor:
            stop_process(self.supervisor, 10)
        for pid in self.seen_pids:
            self._end_if_ours(pid)
        if os.path.exists(os.path.join(self.bin_dir, "sluiced")):
            self.teardown(check=False)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def teardown(self, check=True):
        """off the wire; what is stored (configuration, certificates, logs) stays"""
        return run(os.path.join(self.bin_dir, "sluiced"), "--teardown", "--instance", self.instance, check=check, timeout=30)

    def _note_pids(self):
        """headless children of a dead supervisor must be ended too"""
        if self.supervisor and self.supervisor.poll() is None:
            try:
                self.seen_pids.update(self.children().values())
            except (RuntimeError, OSError, ValueError, KeyError, subprocess.TimeoutExpired):
                pass
        self.seen_pids.update(_children_of(self.supervisor.pid) if self.supervisor else ())

    def _end_if_ours(self, pid):
        try:
            executable = os.readlink("/proc/%d/exe" % pid)
        except OSError:
            return
        if executable.split(" (deleted)")[0].startswith(self.bin_dir + "/"):
            kill_and_wait(pid, signal.SIGKILL)

    def messages(self):
        with open(self.topology.path("sluiced.log"), errors="replace") as log:
            return log.read()

    # --- operator -----------------------------------------------------------------------------------------------------
    def command(self, *arguments, check=True, timeout=30):
        result = run(os.path.join(self.bin_dir, "sluice"), "--instance", self.instance, *arguments, check=False, timeout=timeout)
        if check and result.returncode:
            raise CommandFailed([str(a) for a in arguments], result)
        return result

    def ask(self, *arguments, **options):
        return json.loads(self.command(*arguments, "--json", **options).stdout)

    def show(self, what, *arguments):
        return self.ask("show", what, *arguments)

    def counters(self, server=None):
        rows = self.show("counters", *(["--server", server] if server else []))["counters"]
        return {row["name"]: row["value"] for row in rows}

    def import_certificate(self, certificate):
        self.command("certificate", "import", certificate.name, "--cert", certificate.certificate, "--key", certificate.key)

    def write_configuration(self, document, filters=FILTERS, name="sluice.yaml"):
        path = self.topology.path(name)
        with open(self.topology.path("local.rules"), "w") as out:
            out.write(filters)
        with open(path, "w") as out:
            out.write(document if isinstance(document, str) else yaml_text(document))
        return path

    def commit(self, document, filters=FILTERS, **options):
        return self.ask("commit", self.write_configuration(document, filters), **options)

    def configure(self, certificates, document=None, filters=FILTERS):
        """from a bare wire to inspection: certificates, configuration, live workers"""
        for certificate in certificates:
            self.import_certificate(certificate)
        self.commit(document or configuration(self.topology), filters)
        self.wait_inspecting()
        return self

    # --- state --------------------------------------------------------------------------------------------------------
    def status(self):
        return self.show("status")

    def workers(self):
        """{slot: pid} of the workers that shall take new sessions"""
        return {row["slot"]: row["pid"] for row in self.status()["workers"]
                if row["pid"] > 0 and row["state"] != "draining" and alive(row["pid"])}

    def children(self):
        """{"keeper"|"log"|"worker N": pid}"""
        status = self.status()
        named = {"worker %d" % row["slot"]: row["pid"] for row in status["workers"]}
        named.update({role: status[role]["pid"] for role in ("keeper", "log")})
        return {role: pid for role, pid in named.items() if pid > 0}

    def all_pids(self):
        return [self.supervisor.pid, *self.children().values()]

    def wait_inspecting(self, workers=None, timeout=20):
        """until the configured number of workers takes new sessions and every key is there"""
        def ready():
            status = self.status()
            living = [row for row in status["workers"] if row["state"] == "live" and alive(row["pid"])]
            wanted = workers or max(1, sum(row["state"] != "draining" for row in status["workers"]))
            return len(living) >= wanted and all(row["key_state"] == "available" for row in self.show("servers")["servers"])
        try:
            wait_until(ready, timeout, "workers and keys", pause=0.05)
        except TimeoutError as error:
            raise TimeoutError("%s\n%s\n%s" % (error, self.status(), self.show("servers"))) from None

    def records(self, log):
        """one of system, ssl_inspection, block, alert"""
        try:
            with open("%s/log/%s.json" % (self.state_dir, log)) as lines:
                return [json.loads(line) for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_record(self, log, timeout=5, **fields):
        """the newest record of a log with these fields"""
        def found():
            return [r for r in self.records(log) if all(r.get(key) == value for key, value in fields.items())]
        return wait_until(found, timeout, "a %s record with %s" % (log, fields), pause=0.05)[-1]

    def wait_counter(self, name, at_least, timeout=5):
        return wait_until(lambda: self.counters().get(name, 0) >= at_least, timeout, "%s >= %d" % (name, at_least), pause=0.05)

    # --- damage -------------------------------------------------------------------------------------------------------
    def detach_port_program(self, port):
        self.wire.run("tc", "filter", "del", "dev", port, "ingress")

    def detach_lookup(self):
        """the listener selection of this instance's namespace `inspect`"""
        inode = os.stat(self.inspect.path).st_ino
        links = json.loads(run("bpftool", "-j", "link", "show").stdout)
        ours = [link["id"] for link in links if link.get("type") == "netns" and link.get("netns_ino") == inode]
        if not ours:
            raise RuntimeError("no sk_lookup link found in " + self.inspect.name)
        for link in ours:
            run("bpftool", "link", "detach", "id", link)

    def bpf_maps(self):
        """this instance's, as the kernel lists them"""
        pinned = [os.path.join(self.pin_dir, name) for name in os.listdir(self.pin_dir)]
        listed = json.loads(run("bpftool", "-j", "-f", "map", "show").stdout)
        return [row for row in listed if set(row.get("pinned", ())) & set(pinned)]

    def leftovers(self):
        """what an instance still has in the system, by its name"""
        paths = [self.wire.path, self.inspect.path, self.run_dir, self.pin_dir]
        return [path for path in paths if os.path.exists(path)]

    def report(self):
        """for a failed test: what the appliance said"""
        parts = ["--- sluiced ---\n" + self.messages()[-6000:]]
        for log in "system", "block", "alert", "ssl_inspection":
            parts.append("--- %s ---\n%s" % (log, "\n".join(json.dumps(r) for r in self.records(log)[-12:])))
        if self.supervisor and self.supervisor.poll() is None:
            for what in "status", "counters":
                result = self.command("show", what, check=False, timeout=5)
                parts.append("--- show %s ---\n%s%s" % (what, result.stdout[-5000:], result.stderr))
        killed = [line for line in run("dmesg", check=False).stdout.splitlines() if "type=1326" in line and self.bin_dir in line]
        parts.append("--- ended by seccomp, newest ---\n" + "\n".join(killed[-4:]))
        return "\n".join(parts)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill_and_wait(pid, signal_number=signal.SIGKILL, timeout=5):
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return
    if signal_number == signal.SIGKILL:
        wait_until(lambda: not alive(pid), timeout, "process %d to end" % pid, pause=0.001)


def stop_and_wait(pid):
    """SIGSTOP, and back only when every thread has stopped"""
    os.kill(pid, signal.SIGSTOP)

    def stopped():
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"
    wait_until(stopped, 5, "process %d to stop" % pid, pause=0.001)


def _children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            return [int(word) for word in children.read().split()]
    except OSError:
        return []
