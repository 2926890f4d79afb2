# SPDX-License-Identifier: Apache-2.0
"""A2, A8: storms of connections that use the same client ports again at once, however the one before ended. None may fail that a cable lets
through: each is tried once, and what is left of the old connection on either leg must not stand in the new one's way."""
import concurrent.futures
import contextlib
import errno
import socket
import time

import pytest

from lab.clients import client_context, reset_on_close, tls_connect, wait_fin
from lab.peers import TlsServer
from lab.topology import CLIENT_IP

PORT, FIRST_SOURCE_PORT, STREAMS = 9002, 21000, 8


def serve(connection):
    """one byte says how this connection is to end"""
    how = connection.recv(1)
    connection.sendall(how)
    if how == b"R":
        reset_on_close(connection)
    elif how not in (b"S", b"B"):
        connection.recv(1)  # until the client has closed


def end_by_client(connection):
    connection.close()


def end_by_clients_reset(connection):
    reset_on_close(connection)
    connection.close()


def end_by_server(connection):
    wait_fin(connection)  # TIME_WAIT is the server's
    connection.close()


def end_by_servers_reset(connection):
    with contextlib.suppress(OSError):
        while connection.recv(1):
            pass
    connection.close()


def end_by_both(connection):
    connection.close()


def end_half_closed(connection):
    connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        connection.recv(1)
    connection.close()


ENDS = {"client": (b"C", end_by_client), "client-reset": (b"C", end_by_clients_reset), "server": (b"S", end_by_server),
        "server-reset": (b"R", end_by_servers_reset), "both": (b"B", end_by_both), "half-closed": (b"C", end_half_closed)}


def connect(lab, context, source_port):
    """as soon as the client's own kernel lets go of the port: that it waits for the old connection's end is not the wire's doing"""
    end = time.monotonic() + 5
    while True:
        try:
            return tls_connect(lab.client, PORT, context=context, source=(CLIENT_IP, source_port), timeout=5)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EADDRINUSE) or time.monotonic() > end:
                raise
        time.sleep(0.001)


def stream(lab, source_port, rounds, how, end):
    """one client port, used again and again; answers what failed"""
    context = client_context()
    for number in range(rounds):
        step = "connect"
        try:
            with contextlib.closing(connect(lab, context, source_port)) as connection:
                step = "exchange"
                connection.sendall(how)
                if how != b"R":  # which a reset may overtake
                    assert connection.recv(1) == how
                step = "end"
                end(connection)
        except (OSError, AssertionError) as error:
            return "port %d, round %d, %s: %r" % (source_port, number, step, error)
    return None


@contextlib.contextmanager
def timestamps(lab, client, server):
    lab.client.sysctl(net__ipv4__tcp_timestamps=client, net__ipv4__tcp_max_tw_buckets=0)  # or the client's own kernel refuses the port
    lab.server.sysctl(net__ipv4__tcp_timestamps=server)
    try:
        yield
    finally:
        lab.client.sysctl(net__ipv4__tcp_timestamps=1, net__ipv4__tcp_max_tw_buckets=8192)
        lab.server.sysctl(net__ipv4__tcp_timestamps=1)


def storm(lab, ending, client, server, rounds):
    before = lab.appliance.counters() if lab.device.inspects else {}
    with timestamps(lab, client, server), TlsServer(lab.topology, PORT, lab.certificate, serve), \
            concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        failed = [f for f in pool.map(lambda n: stream(lab, FIRST_SOURCE_PORT + n, rounds, *ENDS[ending]), range(STREAMS)) if f]
    assert not failed, failed
    if lab.device.inspects:
        counters = lab.appliance.counters()
        print({name: counters[name] for name in ("wire_held", "wire_holds_skipped", "wire_holds_dropped", "holds_waited")})
        assert counters["closed_server_unreachable"] == before["closed_server_unreachable"], "the old server leg was in the way"


@pytest.mark.cable
@pytest.mark.parametrize("both", [1, 0], ids=["timestamps", "no-timestamps"])
@pytest.mark.parametrize("ending", ENDS)
def test_a2_ports_reused_at_once(lab, ending, both):
    storm(lab, ending, both, both, 20)


@pytest.mark.long
@pytest.mark.limit(120)
@pytest.mark.parametrize("client,server", [(1, 1), (0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("ending", ENDS)
def test_a2_ports_reused_in_a_long_storm(lab, ending, client, server):
    storm(lab, ending, client, server, 200)
