# SPDX-License-Identifier: Apache-2.0
"""Load that goes on while something is being killed, and a ledger of what became of each connection."""
import collections
import threading
import time

from .clients import WEB_NAME, client_context, http_get, outcome_of, tls_connect

ATTACK = "/download?file=../../etc/passwd"  # nginx answers it with 200: passing would be seen

Attempt = collections.namedtuple("Attempt", "started ended outcome detail tag")


class Requests:
    """Threads that open one new HTTPS connection after another, one request each. `path` may be a function of the
    attempt's number, so that a server's log can be matched with the ledger."""

    def __init__(self, topology, path="/", threads=2, pause=0.0, timeout=8, port=443, source=None):
        self.topology, self.path, self.pause, self.timeout, self.port = topology, path, pause, timeout, port
        self.options = {"source": (source, 0)} if source else {}
        self.attempts, self._stop, self._lock, self._count = [], threading.Event(), threading.Lock(), 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout + 5)

    def _run(self):
        context = client_context()
        while not self._stop.is_set():
            with self._lock:
                self._count += 1
                number = self._count
            path = self.path(number) if callable(self.path) else self.path
            started = time.monotonic()
            outcome, detail = outcome_of(lambda: self._request(context, path))
            if outcome == "ok":
                outcome = "ok" if detail[0] == 200 else "status %d" % detail[0]
            with self._lock:
                self.attempts.append(Attempt(started, time.monotonic(), outcome, detail, path))
            if self.pause:
                time.sleep(self.pause)

    def _request(self, context, path):
        with tls_connect(self.topology.client, self.port, context=context, timeout=self.timeout, **self.options) as connection:
            return http_get(connection, path, WEB_NAME)

    def between(self, start, end=float("inf")):
        """attempts that began in this span of time"""
        with self._lock:
            return [a for a in self.attempts if start <= a.started < end]

    def tally(self, start=0.0, end=float("inf")):
        return collections.Counter(a.outcome for a in self.between(start, end))

    def wait_attempts(self, more, timeout=10):
        """until that many further attempts have ended"""
        with self._lock:
            goal = len(self.attempts) + more
        end = time.monotonic() + timeout
        while len(self.attempts) < goal:
            if time.monotonic() > end:
                raise TimeoutError("%d of %d attempts in %.0f s" % (len(self.attempts) - goal + more, more, timeout))
            time.sleep(0.005)


class Held:
    """Established sessions that keep exchanging a little: do they live through it?"""

    def __init__(self, topology, number, port, name=WEB_NAME, context=None):
        self.connections = []
        context = context or client_context()
        for _ in range(number):
            self.connections.append(tls_connect(topology.client, port, context=context, name=name, timeout=10))
        self.ports = {connection.getsockname()[1] for connection in self.connections}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for connection in self.connections:
            connection.close()

    def exchange(self, data=b"still here"):
        """sends and expects the echo on each; answers the outcomes"""
        return [outcome_of(lambda c=connection: _echo_once(c, data))[0] for connection in self.connections]


def _echo_once(connection, data):
    connection.sendall(data)
    back = b""
    while len(back) < len(data):
        part = connection.recv(len(data) - len(back))
        if not part:
            raise ConnectionResetError("closed")
        back += part
    if back != data:
        raise ValueError("other bytes came back")
    return True
