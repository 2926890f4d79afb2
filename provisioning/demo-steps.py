#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The steps of the demo; started by provisioning/demo, which says how to use it.

Steps (a), (b) and (f) are judged only by captures and server logs inside the client's and the server's namespaces, never
by what Sluice says of itself. A step that does not hold does not end the demo: the others are still shown."""
import argparse
import collections
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(REPOSITORY, "tests/netns"))

from lab.appliance import Appliance, configuration, kill_and_wait, ssl_server, stop_and_wait  # noqa: E402
from lab.capture import RST, Capture, application_bytes, one_way, stream, tls_records  # noqa: E402
from lab.clients import (WEB_NAME, curl, http_get, neighbour_mac, outcome_of, ping, tls_connect, udp_exchange)  # noqa: E402
from lab.namespace import run, wait_until  # noqa: E402
from lab.peers import Certificate, Nginx, UdpEcho  # noqa: E402
from lab.topology import CLIENT_IP, CLIENT_MAC, CLIENT_TTL, SERVER_IP, SERVER_MAC, SERVER_TTL, Topology  # noqa: E402
from lab.traffic import Requests  # noqa: E402

KEPT = "/run/sluice-demo"
FILTERS = """\
reject http any any -> any any (msg:"DEMO path traversal in the URI"; flow:established,to_server; http.uri; content:"/etc/passwd"; \
classtype:web-application-attack; priority:1; sid:1000001; rev:1;)
reject http any any -> any any (msg:"DEMO SQL injection in the body"; flow:established,to_server; http.request_body; \
pcre:"/union\\s+select/i"; classtype:web-application-attack; priority:1; sid:1000002; rev:1;)
alert tcp any any -> any any (msg:"DEMO confidential mark in a response"; flow:established,to_client; content:"CONFIDENTIAL-4711"; \
classtype:policy-violation; priority:2; sid:1000003; rev:1;)
"""
ATTACK = "/download?file=../../etc/passwd"  # nginx answers it with 200: passing would be seen
MUTATIONS = ("detach-port-a", "detach-port-b", "detach-return", "detach-lookup", "inspection-off")


class NotHeld(Exception):
    """what was expected and what came"""


def expect(condition, expected, seen=None):
    if not condition:
        raise NotHeld(expected if seen is None else "%s; seen: %s" % (expected, seen))


class Demo:
    def __init__(self, out, arguments):
        self.out, self.arguments, self.results, self.sluice = out, arguments, [], None

    def print(self, text=""):
        print(text, file=self.out, flush=True)

    def say(self, text):
        self.print("      " + text)
        if self.results:
            self.results[-1]["shown"].append(text)

    # --- set-up -------------------------------------------------------------------------------------------------------
    def build(self, stack):
        self.print("A client (%s) and a server (%s), each in a network namespace, and Sluice between them." % (CLIENT_IP, SERVER_IP))
        name = "demo" + secrets.token_hex(3)
        self.print("Everything carries the name of this run: instance " + name)
        self.topology = stack.enter_context(Topology(name=name))
        self.client, self.server = self.topology.client, self.topology.server
        self.certificate = Certificate(self.topology.directory, "web-rsa", WEB_NAME)
        self.nginx = stack.enter_context(Nginx(self.topology, self.certificate))
        self.nginx.put_file("report.txt", 0, b"annual report\nCONFIDENTIAL-4711\n")
        self.sluice = Appliance(self.topology, self.arguments.bin_dir)
        stack.push(self.sluice.__exit__)
        self.sluice.start(detached=self.arguments.keep)
        self.sluice.import_certificate(self.certificate)
        inspection = self.arguments.mutate != "inspection-off"
        document = configuration(self.topology, inspection=inspection, servers=[ssl_server("web", ["443"])])
        self.sluice.commit(document, FILTERS)
        if inspection:
            self.sluice.wait_inspecting(workers=2)
        self.mutate()

    def mutate(self):
        port = {"detach-port-a": self.topology.port_a, "detach-port-b": self.topology.port_b, "detach-return": "ti0"}
        if self.arguments.mutate in port:
            self.sluice.detach_port_program(port[self.arguments.mutate])
        elif self.arguments.mutate == "detach-lookup":
            self.sluice.detach_lookup()

    # --- bookkeeping --------------------------------------------------------------------------------------------------
    def run(self):
        for letter, title, step in (("a", "An HTTPS request passes, and the server sees the client as it is.", self.a),
                                    ("b", "The client sees the server as it is.", self.b),
                                    ("c", "An attack inside HTTPS is blocked: both sides are reset, the server gets nothing of it.", self.c),
                                    ("d", "A listed pattern in an HTTPS response raises an Alert.", self.d),
                                    ("e", "Cleartext to the TLS port is dropped and counted.", self.e),
                                    ("f", "Ping, ARP, plain TCP and UDP pass as through a cable.", self.f),
                                    ("g", "Workers are killed: nothing slips through one death, the wire survives them all.", self.g),
                                    ("h", "What the operator sees: sessions, counters, the SSL Inspection log.", self.h)):
            self.print("\n  (%s) %s" % (letter, title))
            self.results.append({"step": letter, "title": title, "held": False, "shown": []})
            started = time.monotonic()
            try:
                step()
                self.results[-1]["held"] = True
                self.print("      -> held")
            except Exception as error:  # whatever goes wrong, the step did not hold
                why = str(error).strip() or type(error).__name__
                self.results[-1]["error"] = why
                self.print("      -> DID NOT HOLD: " + why.replace("\n", "\n         "))
            self.results[-1]["seconds"] = round(time.monotonic() - started, 2)
        return all(result["held"] for result in self.results)

    @contextlib.contextmanager
    def captures(self, name, expression):
        with Capture(self.client, "c0", self.topology.path(name + "-client.pcap"), expression) as at_client, \
                Capture(self.server, "s0", self.topology.path(name + "-server.pcap"), expression) as at_server:
            yield at_client, at_server

    def curl(self, path, *options, **named):
        named.setdefault("timeout", 4)
        return curl(self.client, path, *options, certificate=self.certificate, **named)

    # --- steps --------------------------------------------------------------------------------------------------------
    def a(self):
        with self.captures("a", "tcp port 443") as (at_client, at_server):
            reply = self.curl("/demo-a")
        expect(reply.ok and reply.body == b"hello from nginx\n", "curl gets nginx's page", reply)
        self.say("curl https://%s/demo-a: 200, \"hello from nginx\"" % WEB_NAME)
        row, = self.nginx.wait_for("/demo-a")
        expect((row["address"], row["port"]) == (CLIENT_IP, str(reply.local_port)), "the client's address and port in nginx's log", row)
        self.say("nginx's access log: the request came from %s port %s" % (row["address"], row["port"]))
        frames = one_way(at_server.frames(), CLIENT_IP, source_port=reply.local_port)
        seen = {(f.source_mac, f.ttl) for f in frames}
        sent = {(f.source_mac, f.ttl) for f in one_way(at_client.frames(), CLIENT_IP, source_port=reply.local_port)}
        expect(frames and seen == sent == {(CLIENT_MAC, CLIENT_TTL)}, "frames at the server carry the client's MAC and TTL", seen)
        self.say("capture at the server, %d frames: from %s:%d, MAC %s, TTL %d, as the client sent them" % (
            len(frames), CLIENT_IP, reply.local_port, CLIENT_MAC, CLIENT_TTL))

    def b(self):
        with self.captures("b", "tcp port 443") as (at_client, at_server):
            with tls_connect(self.client, certificate=self.certificate, timeout=4) as connection:
                port, presented = connection.getsockname()[1], connection.getpeercert(True)
                status, _ = http_get(connection, "/demo-b")
        expect(status == 200, "the request is answered", status)
        expect(presented == self.certificate.der(), "the certificate that nginx has")
        self.say("the certificate presented is, byte for byte, the one that nginx has (CN = %s)" % self.certificate.common_name)
        frames = one_way(at_client.frames(), SERVER_IP, destination_port=port)
        expect(frames and {f.source_mac for f in frames} == {SERVER_MAC}, "frames at the client carry the server's MAC", {f.source_mac for f in frames})
        # the SYN is answered before the server is asked, so its answer cannot know the server's TTL yet
        seen = {f.ttl for f in frames if f.payload}
        sent = {f.ttl for f in one_way(at_server.frames(), SERVER_IP, destination_port=port)}
        expect(seen == sent == {SERVER_TTL}, "segments at the client carry the server's TTL", seen)
        self.say("capture at the client, %d frames: from %s:443, MAC %s, data with TTL %d, as the server sent it" % (
            len(frames), SERVER_IP, SERVER_MAC, SERVER_TTL))

    def c(self):
        self.attack("a filter with a URI content", "1.3", 1000001, ATTACK + "&demo-c", "--path-as-is")
        self.attack("a filter with a pcre over the body", "1.2", 1000002, "/submit?demo-c", "-d", "id=1 UNION  SELECT password")

    def attack(self, what, version, signature, path, *options):
        with self.captures("c" + version, "tcp port 443") as (at_client, at_server):
            reply = self.curl(path, *options, "--tlsv" + version, "--tls-max", version)
            time.sleep(0.1)  # for a server that would answer, or log
        expect(reply.reset, "curl is reset", reply)
        opening = [f for f in one_way(at_client.frames(), CLIENT_IP) if f.flags & 2]
        expect(opening, "the client's SYN is in the capture")
        port = opening[0].source_port
        to_server = one_way(at_server.frames(), CLIENT_IP, source_port=port)
        got = application_bytes(tls_records(stream(to_server)), version == "1.3")
        expect(got == 0, "no application data in the capture at the server", "%d bytes" % got)
        expect(any(f.flags & RST for f in to_server), "a reset in the capture at the server")
        expect(any(f.flags & RST for f in one_way(at_client.frames(), SERVER_IP, destination_port=port)), "a reset in the capture at the client")
        expect(not self.nginx.saw(path), "nothing in nginx's access log", self.nginx.saw(path))
        self.say("%s, TLS %s: curl was reset, the server was reset, its capture shows not one byte of the request, its log nothing" % (what, version))
        record = self.sluice.wait_record("block", signature_id=signature, url=path)
        self.say("Block record: " + json.dumps(record))

    def d(self):
        reply = self.curl("/files/report.txt")
        expect(reply.ok and b"CONFIDENTIAL-4711" in reply.body, "the response passes", reply)
        record = self.sluice.wait_record("alert", signature_id=1000003)
        expect(record["direction"] == "to_client", "direction to_client", record)
        self.say("the response passed (notify only). Alert record: " + json.dumps(record))

    def e(self):
        before = self.sluice.counters()["closed_cleartext_before_hello"]
        with self.captures("e", "tcp port 443") as (_, at_server):
            reply = curl(self.client, "/demo-e", scheme="http", port=443, timeout=4)
        expect(reply.exit != 0 and reply.status == 0, "no answer to cleartext", reply)
        expect(not stream(one_way(at_server.frames(), CLIENT_IP)), "no byte of it in the capture at the server")
        self.sluice.wait_counter("closed_cleartext_before_hello", before + 1)
        self.say("curl http://%s:443/: %s" % (WEB_NAME, reply.error.replace("curl: ", "")))
        self.say("the server saw no byte of it; counter closed_cleartext_before_hello went from %d to %d" % (before, before + 1))

    def f(self):
        with self.captures("f", "icmp or arp or udp port 5353 or tcp port 80") as (at_client, at_server), UdpEcho(self.topology, 5353):
            mac_seen = neighbour_mac(self.client, SERVER_IP, "c0")
            results = {"ping": ping(self.client), "large ping, in fragments": ping(self.client, SERVER_IP, 2, 4000),
                       "plain HTTP": curl(self.client, "/demo-f", scheme="http", timeout=4).ok,
                       "UDP": outcome_of(lambda: udp_exchange(self.client, 5353, b"datagram"))[1] == b"datagram"}
        expect(mac_seen == SERVER_MAC, "ARP finds the server's own MAC", mac_seen)
        for what, worked in results.items():
            expect(worked, what + " passes")
        left, right = (collections.Counter(f._replace(time=0) for f in capture.frames()) for capture in (at_client, at_server))
        expect(left and left == right, "both captures hold the same frames", "%d at the client only, %d at the server only" % (
            sum((left - right).values()), sum((right - left).values())))
        self.say("ping (also in fragments), ARP, plain HTTP and UDP work; the %d frames at the client and at the server are the same,"
                 % sum(left.values()))
        self.say("addresses, MACs, TTL and payload included")

    def g(self):
        victims = self.sluice.workers()
        expect(len(victims) == 2, "two workers", victims)
        with Requests(self.topology, lambda n: "%s&one-%d" % (ATTACK, n), threads=2, timeout=4) as attacks, \
                Requests(self.topology, "/demo-g", threads=1, timeout=4) as benign:
            attacks.wait_attempts(10)
            victim = victims[min(victims)]
            killed = time.monotonic()
            kill_and_wait(victim)
            attacks.wait_attempts(30)
            wait_until(lambda: sum(benign.tally(killed + 0.2).values()) >= 20, 10, "ordinary requests after the kill")
        expect(not self.nginx.saw("passwd&one-") and not attacks.tally()["ok"], "no attack passes", attacks.tally())
        late = benign.tally(killed + 0.2)
        expect(late["ok"] == sum(late.values()) > 0, "ordinary requests go on", late)
        self.say("kill -9 of worker %d: %d attacks in %d connections passed before and after, %d of %d ordinary requests answered" % (
            victim, 0, len(attacks.attempts), late["ok"], sum(late.values())))
        self.sluice.wait_inspecting(workers=2)
        self.g_all()

    def g_all(self):
        victims = list(self.sluice.workers().values())
        supervisor = self.sluice.supervisor.pid
        stop_and_wait(supervisor)  # holds the restart back, so that the gap can be looked at
        try:
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            outcome = self.curl(ATTACK + "&in-the-gap", "--path-as-is", timeout=2)
            elapsed = time.monotonic() - killed
            expect(outcome.exit == 0, "a new connection passes at once", outcome)
            expect(self.nginx.wait_for("passwd&in-the-gap"), "nginx sees it")
            self.say("kill -9 of all workers (the restart held back for a look): the next connection passed, uninspected, "
                     "answered %d ms after the kill" % (elapsed * 1000))
        finally:
            os.kill(supervisor, signal.SIGCONT)
        resumed = time.monotonic()
        wait_until(lambda: self.curl(ATTACK + "&back", "--path-as-is").reset and self.curl("/demo-g-back").ok
                   and self.curl(ATTACK + "&sure", "--path-as-is").reset, 30, "inspection to return", pause=0.1)
        self.say("after the restart, %.1f s later, attacks are blocked again" % (time.monotonic() - resumed))
        self.sluice.wait_inspecting(workers=2)

    def h(self):
        with tls_connect(self.client, certificate=self.certificate, timeout=4) as connection:
            port = connection.getsockname()[1]
            expect(http_get(connection, "/demo-h")[0] == 200, "a session is open")
            listed = [row for row in self.sluice.show("sessions")["sessions"] if row["client_port"] == port]
            expect(len(listed) == 1, "the open session is listed", listed)
            for line in self.sluice.command("show", "sessions").stdout.splitlines():
                self.say(line)
        counters = self.sluice.counters()
        expect(counters["sessions_blocked"] >= 2 and counters["sessions_established"] > 0, "the counters counted", counters)
        self.say(", ".join("%s %d" % (name, counters[name]) for name in (
            "sessions_new", "sessions_established", "sessions_blocked", "filter_hits", "wire_forwarded", "wire_to_inspect")))
        record = self.sluice.wait_record("ssl_inspection", src_port=port)
        expect(record["session_id"] == listed[0]["id"], "the same session id in list and log", record["session_id"])
        self.say("SSL Inspection log: " + json.dumps(record))


# --- keep and remove --------------------------------------------------------------------------------------------------
def keep(demo):
    """everything stays; what is needed to remove it is written down"""
    topology = demo.topology
    os.makedirs(KEPT, exist_ok=True)
    pids = [demo.nginx.process.pid, *demo.sluice.all_pids()]
    with open(os.path.join(KEPT, topology.name + ".json"), "w") as out:
        json.dump({"pids": {pid: _start_time(pid) for pid in pids}, "directory": topology.directory, "bin_dir": demo.sluice.bin_dir}, out)
    sluice = os.path.join(demo.sluice.bin_dir, "sluice")
    demo.print("""
Everything is left running. Things to try:
  sudo ip netns exec {name}-client curl --cacert {ca} --resolve {host}:443:{ip} https://{host}/
  sudo ip netns exec {name}-client curl --cacert {ca} --resolve {host}:443:{ip} 'https://{host}{attack}'
  sudo {sluice} --instance {name} show status        (also: sessions, counters, servers, segments)
  tail -f /var/lib/sluice/{name}/log/block.json
  edit {directory}/local.rules, then: sudo {sluice} --instance {name} commit {directory}/sluice.yaml
Remove it with:
  sudo {demo} --down {name}""".format(name=topology.name, ca=demo.certificate.certificate, host=WEB_NAME, ip=SERVER_IP, attack=ATTACK, sluice=sluice,
                                      directory=topology.directory, demo=os.path.join(REPOSITORY, "provisioning/demo")))


def down(name, out):
    kept = [entry[:-5] for entry in sorted(os.listdir(KEPT))] if os.path.isdir(KEPT) else []
    if name and name not in kept:
        sys.exit("demo: nothing is kept under the name %s (kept: %s)" % (name, ", ".join(kept) or "nothing"))
    for kept_name in [name] if name else kept:
        path = os.path.join(KEPT, kept_name + ".json")
        with open(path) as data:
            state = json.load(data)
        for pid, started in state["pids"].items():
            _end(int(pid), started)
        run(os.path.join(state["bin_dir"], "sluiced"), "--teardown", "--instance", kept_name, check=False)
        shutil.rmtree("/var/lib/sluice/" + kept_name, ignore_errors=True)
        topology = Topology(name=kept_name)
        topology.directory = state["directory"]
        topology.remove()
        os.unlink(path)
        print("removed " + kept_name, file=out)


def _start_time(pid):
    """of /proc/PID/stat: tells a process from a later one of the same number"""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return int(stat.read().rpartition(")")[2].split()[19])
    except OSError:
        return None


def _end(pid, started):
    for signal_number in signal.SIGTERM, signal.SIGKILL:
        if started is None or _start_time(pid) != started:
            return
        os.kill(pid, signal_number)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: _start_time(pid) != started, 5)


def main():
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--down", nargs="?", const="", metavar="NAME")
    parser.add_argument("--bin-dir")
    parser.add_argument("--mutate", choices=MUTATIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    out = sys.stderr if arguments.json else sys.stdout
    if arguments.down is not None:
        return down(arguments.down, out)
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda *unused: sys.exit(130))

    demo, held, error = Demo(out, arguments), False, None
    with contextlib.ExitStack() as stack:
        try:
            demo.build(stack)
            held = demo.run()
        except (RuntimeError, OSError, TimeoutError) as problem:
            error = "%s\n%s" % (problem, demo.sluice.messages()[-3000:] if demo.sluice and demo.sluice.supervisor else "")
            demo.print("\nThe set-up failed: " + error)
        if arguments.keep and error is None:
            stack.pop_all()
            keep(demo)
    failed = [result["step"] for result in demo.results if not result["held"]]
    if error is None:
        demo.print("\n%s" % ("Every step held." if held else "These steps did not hold: %s" % ", ".join("(%s)" % s for s in failed)))
    if arguments.json:
        print(json.dumps({"held": held, "instance": demo.sluice and demo.sluice.instance, "error": error, "steps": demo.results}, indent=1))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
