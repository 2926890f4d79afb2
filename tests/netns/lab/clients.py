# SPDX-License-Identifier: Apache-2.0
"""Clients: curl, openssl s_client, Python's ssl, and a TLS client that decides how its bytes are cut."""
import contextlib
import json
import select
import socket
import ssl
import struct
import subprocess
import time

from .namespace import run
from .topology import CLIENT_IP, SERVER_IP

WEB_NAME = "www.example.test"


class CurlResult:
    def __init__(self, process):
        self.exit = process.returncode
        self.error = process.stderr.decode(errors="replace").strip()
        self.body, _, facts = process.stdout.rpartition(b"\n--facts--")
        self.facts = json.loads(facts) if facts else {}
        self.status = self.facts.get("http_code", 0)
        self.local_port = self.facts.get("local_port", 0)

    @property
    def ok(self):
        return self.exit == 0 and self.status == 200

    # 35 TLS connect error, 52 empty reply, 55 send failure, 56 receive failure
    @property
    def reset(self):
        return self.exit in (35, 52, 55, 56) and "reset" in self.error.lower()

    def __repr__(self):
        return "curl(exit %d, status %s, %d bytes, %s)" % (self.exit, self.status, len(self.body), self.error)


def _curl_command(url, options, certificate, port, timeout):
    command = ["curl", "-sS", "--max-time", str(timeout), "--noproxy", "*", "-w", "\n--facts--%{json}",
               "--resolve", "%s:%d:%s" % (WEB_NAME, port, SERVER_IP)]
    if certificate:
        command += ["--cacert", certificate.certificate]
    return command + list(options) + [url]


def curl(namespace, path, *options, certificate=None, scheme="https", port=None, timeout=10):
    """One request to WEB_NAME. With a certificate given, curl verifies that it sees exactly that one."""
    port = port or (443 if scheme == "https" else 80)
    url = "%s://%s:%d%s" % (scheme, WEB_NAME, port, path)
    with namespace:
        return CurlResult(subprocess.run(_curl_command(url, options, certificate, port, timeout), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout + 5))


def s_client(namespace, *options, port=443, data=b"", timeout=10):
    """openssl s_client's output, standard error included."""
    with namespace:
        return subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % (SERVER_IP, port), *options], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout).stdout.decode(errors="replace")


def tcp_connect(namespace, port, source=(CLIENT_IP, 0), timeout=5, tos=None, address=SERVER_IP, reuse=True, receive_buffer=None):
    with namespace:
        connection = socket.socket()
    try:
        if reuse:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if tos is not None:
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(timeout)
        connection.bind(source)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def client_context(certificate=None, version=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate:
        context.load_verify_locations(certificate.certificate)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def tls_connect(namespace, port=443, certificate=None, name=WEB_NAME, context=None, session=None, **options):
    """A verified TLS connection by Python's ssl; without certificate nothing is verified."""
    connection = tcp_connect(namespace, port, **options)
    try:
        return (context or client_context(certificate)).wrap_socket(connection, server_hostname=name, session=session)
    except BaseException:
        connection.close()
        raise


def http_get(connection, path="/", host=WEB_NAME, headers="", method="GET", body=b""):
    """One request over an open connection; (status, body). Keep-alive stays possible."""
    length = "Content-Length: %d\r\n" % len(body) if body else ""
    connection.sendall(("%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n" % (method, path, host, length, headers)).encode() + body)
    return read_reply(connection)


def read_reply(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise EOFError("closed in the middle of a reply head: %r" % data[:80])
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    need = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < need:
        part = connection.recv(65536)
        if not part:
            raise EOFError("closed in the middle of a reply body")
        body += part
    return int(head.split()[1]), body


def outcome_of(request):
    """Runs request() and says how it ended: ("ok", value), ("reset"|"timeout"|"closed"|"error", exception)."""
    try:
        return "ok", request()
    except (ConnectionResetError, BrokenPipeError) as error:
        return "reset", error
    except (TimeoutError, socket.timeout) as error:
        return "timeout", error
    except (EOFError, ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
        return "closed", error
    except ConnectionRefusedError as error:
        return "reset", error
    except (ConnectionError, ssl.SSLError, OSError) as error:
        return "error", error


def reset_on_close(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def wait_fin(connection, timeout=5):
    """until the other side's FIN is here: then it is that side which waits in TIME_WAIT"""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    if not poll.poll(timeout * 1000):
        raise TimeoutError("no FIN from the other side")


class RawTls:
    """TLS over memory buffers, so that a test decides how ciphertext is cut into segments: each write of `cut` bytes
    (with TCP_NODELAY and a pause) leaves as a segment of its own; cut=0 sends what is there at once."""

    def __init__(self, connection, context=None, name=WEB_NAME, cut=0, pause=0.0):
        self.connection, self.cut, self.pause = connection, cut, pause
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self._in, self._out, server_hostname=name)

    def flush(self):
        data = self._out.read()
        step = self.cut or len(data) or 1
        for at in range(0, len(data), step):
            self.connection.sendall(data[at:at + step])
            if self.pause:
                time.sleep(self.pause)

    def _drive(self, action):
        while True:
            try:
                value = action()
                self.flush()
                return value
            except ssl.SSLWantReadError:
                self.flush()
                self._receive()

    def _receive(self):
        data = self.connection.recv(65536)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def handshake(self):
        self._drive(self.tls.do_handshake)
        return self

    def sendall(self, data):
        """one record, if it fits one"""
        self.tls.write(data)
        self.flush()

    def recv(self, size):
        try:
            return self._drive(lambda: self.tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def half_close(self):
        """close_notify and FIN, without waiting for the other side's"""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()
        self.connection.shutdown(socket.SHUT_WR)

    def close(self):
        self.connection.close()


def ping(namespace, address=SERVER_IP, count=2, size=56, *options):
    return run("ip", "netns", "exec", namespace.name, "ping", "-n", "-c", count, "-i", "0.05", "-W", "1", "-s", size, *options, address,
               check=False).returncode == 0


def neighbour_mac(namespace, address, interface):
    """MAC that ARP found for an address just now"""
    namespace.run("ip", "neigh", "flush", "dev", interface)
    ping(namespace, address, 1)
    words = namespace.run("ip", "neigh", "show", address, "dev", interface).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def udp_exchange(namespace, port, data, timeout=2):
    with namespace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(timeout)
        probe.sendto(data, (SERVER_IP, port))
        return probe.recvfrom(65536)[0]
