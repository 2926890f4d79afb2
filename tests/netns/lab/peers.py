# SPDX-License-Identifier: Apache-2.0
"""Servers: nginx and openssl s_server as they come, and hand-made ones in Python that misbehave on purpose."""
import contextlib
import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess
import threading

from .namespace import run, stop_process, wait_until
from .topology import SERVER_IP


class Certificate:
    """A self-signed certificate and its key, made on the spot."""

    def __init__(self, directory, name, common_name, alternatives=(), key="rsa:2048"):
        self.name, self.common_name = name, common_name
        self.certificate, self.key = os.path.join(directory, name + ".crt"), os.path.join(directory, name + ".key")
        kind = ["-newkey", key] if key.startswith("rsa") else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + key]
        names = ",".join(["DNS:" + n for n in (common_name, *alternatives)] + ["IP:" + SERVER_IP])
        run("openssl", "req", "-x509", *kind, "-nodes", "-days", "30", "-subj", "/CN=" + common_name,
            "-addext", "subjectAltName=" + names, "-keyout", self.key, "-out", self.certificate)

    def der(self):
        with open(self.certificate) as pem:
            return ssl.PEM_cert_to_DER_cert(pem.read())


NGINX_CONF = """
daemon off; master_process on; worker_processes 2; worker_rlimit_nofile 16384; pid {dir}/nginx.pid; error_log {dir}/error.log info; user root;
events {{ worker_connections 4096; }}
http {{
    log_format seen '$remote_addr $remote_port $server_port $status $request_length $ssl_protocol $ssl_session_reused "$request"';
    access_log {dir}/access.log seen;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    default_type application/octet-stream; sendfile on; keepalive_timeout 60; keepalive_requests 100000;
    client_max_body_size 0; lingering_close off;
    server {{
        listen 0.0.0.0:80 backlog=4096; listen [::]:80; listen 0.0.0.0:443 ssl backlog=4096; listen [::]:443 ssl; {extra_listen}
        ssl_certificate {crt}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
        {session}
        root {dir}/www;
        location / {{ return 200 "hello from nginx\\n"; }}
        location /files/ {{ }}
        location /submit {{ return 200 "taken\\n"; }}
        location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
        {extra}
    }}
}}
"""


class Nginx:
    def __init__(self, topology, certificate, extra_listen="", extra="", resumption=True, namespace=None):
        self.topology, self.certificate = topology, certificate
        self.namespace = namespace or topology.server
        self.directory = topology.path("nginx")
        self.extra_listen, self.extra, self.resumption = extra_listen, extra, resumption

    def __enter__(self):
        for sub in "", "www", "www/files", "www/upload", "tmp":
            os.makedirs(os.path.join(self.directory, sub), exist_ok=True)
        conf = os.path.join(self.directory, "nginx.conf")
        with open(conf, "w") as out:
            out.write(NGINX_CONF.format(
                dir=self.directory, crt=self.certificate.certificate, key=self.certificate.key, extra_listen=self.extra_listen,
                extra=self.extra, session="ssl_session_cache shared:s:4m; ssl_session_tickets on;" if self.resumption
                else "ssl_session_cache off; ssl_session_tickets off;"))
        self.process = self.namespace.popen("nginx", "-e", os.path.join(self.directory, "start.log"), "-p", self.directory,
                                            "-c", conf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or can_connect(self.namespace, 443), 10, "nginx to listen")
        if self.process.poll() is not None:
            raise RuntimeError("nginx: " + _read(os.path.join(self.directory, "start.log")))
        return self

    def __exit__(self, *unused):
        stop_process(self.process)

    def put_file(self, name, size, pattern=None):
        """A file to download; answers its SHA-256."""
        path = os.path.join(self.directory, "www/files", name)
        with open(path, "wb") as out:
            out.write(pattern if pattern is not None else os.urandom(min(size, 1 << 20)) * (size >> 20 or 1))
        return sha256_file(path)

    def uploaded(self, name):
        return sha256_file(os.path.join(self.directory, "www/upload", name))

    def requests(self):
        """What the access log says, as dictionaries."""
        keys = "address port server_port status length protocol reused".split()
        rows = []
        for line in _read(os.path.join(self.directory, "access.log")).splitlines():
            left, _, request = line.partition(' "')
            rows.append(dict(zip(keys, left.split()), request=request.rstrip('"')))
        return rows

    def saw(self, text):
        return [row for row in self.requests() if text in row["request"]]

    def wait_for(self, text, timeout=3):
        """nginx logs a request when it is over: wait for its line."""
        return wait_until(lambda: self.saw(text), timeout, "'%s' in nginx's access log" % text)


HTTPD_CONF = """
ServerRoot {dir}
PidFile {dir}/pid
ErrorLog {dir}/error.log
Listen 0.0.0.0:{port}
ServerName www.example.test
{modules}
User www-data
Group www-data
SSLEngine on
SSLCertificateFile {crt}
SSLCertificateKeyFile {key}
DocumentRoot {dir}/www
{extra}
"""


class Httpd:
    """Apache's, with `extra` directives; put_page() before it is asked for one"""

    def __init__(self, topology, certificate, port, extra=""):
        self.namespace, self.certificate, self.port, self.extra = topology.server, certificate, port, extra
        self.directory = topology.path("httpd-%d" % port)

    def put_page(self, path, text):
        path = os.path.join(self.directory, "www", path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as page:
            page.write(text)

    def __enter__(self):
        os.makedirs(os.path.join(self.directory, "www"), exist_ok=True)
        conf = os.path.join(self.directory, "httpd.conf")
        modules = "\n".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (name, name)
                            for name in ("mpm_event", "authn_core", "authz_core", "dir", "ssl"))
        with open(conf, "w") as out:
            out.write(HTTPD_CONF.format(dir=self.directory, port=self.port, modules=modules, crt=self.certificate.certificate,
                                        key=self.certificate.key, extra=self.extra))
        self.process = self.namespace.popen("apache2", "-d", self.directory, "-f", conf, "-DFOREGROUND", stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, env=dict(os.environ, APACHE_RUN_DIR=self.directory))
        wait_until(lambda: self.process.poll() is not None or is_listening(self.namespace, self.port), 10, "httpd to listen")
        if self.process.poll() is not None:
            raise RuntimeError("httpd: " + _read(os.path.join(self.directory, "error.log")))
        return self

    def __exit__(self, *unused):
        stop_process(self.process)


class OpensslServer:
    """openssl s_server; mode -rev answers each line reversed, -WWW serves files of its directory."""

    def __init__(self, topology, certificate, port, *options):
        self.namespace, self.certificate, self.port, self.options = topology.server, certificate, port, options or ("-rev",)
        self.directory = topology.directory

    def __enter__(self):
        self.process = self.namespace.popen("openssl", "s_server", "-accept", "%d" % self.port, "-4", "-cert", self.certificate.certificate,
                                            "-key", self.certificate.key, "-quiet", *self.options, cwd=self.directory,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: is_listening(self.namespace, self.port), 5, "s_server to listen")
        return self

    def __exit__(self, *unused):
        stop_process(self.process)


class Server:
    """A TCP server in this process, in the server's namespace: handler(connection) runs in a thread per connection.
    The connections' errors are theirs; what a handler returns is kept in `results`."""

    def __init__(self, topology, port, handler, address=SERVER_IP, backlog=2048):
        self.namespace, self.port, self.handler, self.address, self.backlog = topology.server, port, handler, address, backlog
        self.results, self.errors, self._open = [], [], set()
        self._lock = threading.Lock()

    def __enter__(self):
        with self.namespace:
            self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((self.address, self.port))
        self.socket.listen(self.backlog)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection, peer):
        with self._lock:
            self._open.add(connection)
        try:
            connection.settimeout(60)
            result = self.handle(connection, peer)
            with self._lock:
                self.results.append(result)
        except (OSError, ValueError) as error:
            with self._lock:
                self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.close()
            with self._lock:
                self._open.discard(connection)

    def handle(self, connection, peer):
        return self.handler(connection)

    def __exit__(self, *unused):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class TlsServer(Server):
    """As Server, with TLS from Python's ssl. `by_name` maps SNI to further certificates."""

    def __init__(self, topology, port, certificate, handler, by_name=None, configure=None, **options):
        super().__init__(topology, port, handler, **options)
        self.context = _server_context(certificate)
        if configure:
            configure(self.context)
        others = {name: _server_context(other) for name, other in (by_name or {}).items()}
        self.names_asked = []

        def choose(connection, name, context):
            self.names_asked.append(name)
            if name in others:
                connection.context = others[name]
        self.context.sni_callback = choose

    def handle(self, connection, peer):
        with self.context.wrap_socket(connection, server_side=True) as secured:
            return self.handler(secured)


def _server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def echo(connection):
    """Sends back what comes, until the other side says it is done; answers the number of bytes."""
    total = 0
    while data := connection.recv(65536):
        connection.sendall(data)
        total += len(data)
    return total


def collect(connection):
    """Everything that the other side sends, as far as it comes."""
    data = bytearray()
    try:
        while part := connection.recv(65536):
            data += part
    except OSError:
        pass
    return bytes(data)


def http_reply(body, status="200 OK"):
    """A handler that answers every request of a connection with one body, and returns all that it was sent."""
    answer = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)

    def handler(connection):
        seen = bytearray()
        try:
            pending = b""
            while part := connection.recv(65536):
                seen += part
                pending += part
                while request := _take_request(pending):
                    pending = pending[len(request):]
                    connection.sendall(answer)
        except OSError:
            pass
        return bytes(seen)
    return handler


def _take_request(data):
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return b""
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    need = int(length.group(1)) if length else 0
    return head + separator + rest[:need] if len(rest) >= need else b""


def reset_at_once(connection):
    """A server that resets each connection as soon as it has it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class UdpEcho:
    def __init__(self, topology, port):
        self.namespace, self.port = topology.server, port

    def __enter__(self):
        with self.namespace:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((SERVER_IP, self.port))
        self.socket.settimeout(0.2)
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self):
        while not self._stop:
            with contextlib.suppress(TimeoutError):
                data, peer = self.socket.recvfrom(65536)
                self.socket.sendto(data, peer)

    def __exit__(self, *unused):
        self._stop = True
        self._thread.join()
        self.socket.close()


def is_listening(namespace, port):
    """by the kernel's table, without disturbing the server"""
    return bool(namespace.run("ss", "-Htln", "sport = :%d" % port).stdout.strip())


def can_connect(namespace, port, address="127.0.0.1"):
    with namespace, socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while part := data.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _read(path):
    try:
        with open(path, errors="replace") as data:
            return data.read()
    except FileNotFoundError:
        return ""


class GnutlsServer:
    """gnutls-serv, any protocol and suite it has; answers HTTP."""

    def __init__(self, topology, port, certificates, priority=None):
        self.namespace, self.port, self.certificates = topology.server, port, certificates
        self.priority = priority or ("NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+RSA:+3DES-CBC:+AES-128-CBC:+AES-256-CBC:+SHA1:+SIGN-RSA-SHA1:"
                                     "%VERIFY_ALLOW_SIGN_WITH_SHA1")

    def __enter__(self):
        files = [word for c in self.certificates for word in ("--x509certfile", c.certificate, "--x509keyfile", c.key)]
        self.process = self.namespace.popen("gnutls-serv", "--http", "-p", "%d" % self.port, "--priority", self.priority, "-q", *files,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: is_listening(self.namespace, self.port), 5, "gnutls-serv to listen")
        return self

    def __exit__(self, *unused):
        stop_process(self.process)


def gnutls_client(namespace, port, priority, name, timeout=10):
    """One HTTP request by gnutls-cli; its whole output."""
    with namespace:
        return subprocess.run(["gnutls-cli", "--insecure", "--sni-hostname", name, "--priority", priority, "-p", "%d" % port, SERVER_IP],
                              input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout).stdout.decode(errors="replace")
