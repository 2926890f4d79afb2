# SPDX-License-Identifier: Apache-2.0
"""A TLS peer that makes records by hand once the handshake, by Python's ssl, has given it the keys (from the key log): empty ones, key
updates, warnings, messages without end, whatever no library would send."""
import hashlib
import hmac
import ssl
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .clients import RawTls
from .peers import Server, collect

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
HELLO_REQUEST, CLIENT_HELLO, NEW_SESSION_TICKET, CERTIFICATE_REQUEST, KEY_UPDATE = 0, 1, 4, 13, 24
NO_ASKING, ASKING = b"\0", b"\1"  # of a KeyUpdate (RFC 8446 section 4.6.3)


def message(kind, body):
    return struct.pack("!I", kind << 24 | len(body)) + body


def _hmac(digest, key, data):
    return hmac.new(key, data, digest).digest()


def expand_label(digest, secret, label, size, context=b""):
    """RFC 8446 section 7.1"""
    info = struct.pack("!HB", size, len(label) + 6) + b"tls13 " + label + bytes([len(context)]) + context
    return _hmac(digest, secret, info + b"\1")[:size]


def _prf(digest, secret, label, seed, size):
    """RFC 5246 section 5"""
    out, a = b"", label + seed
    while len(out) < size:
        a = _hmac(digest, secret, a)
        out += _hmac(digest, secret, a + label + seed)
    return out[:size]


class Writer:
    """One side's sending half of a connection: `connection` is a RawTls (or what has its attributes) after its handshake"""

    def __init__(self, connection, keylog, server=False):
        self.tls, self.connection, self.server = connection, connection.connection, server
        self.digest = hashlib.sha384 if "SHA384" in connection.tls.cipher()[0] else hashlib.sha256
        self.size = 32 if "256" in connection.tls.cipher()[0].split("GCM")[0] else 16
        self.tls13 = connection.tls.version() == "TLSv1.3"
        with open(keylog) as lines:
            secrets = dict((words[0], words[1:]) for words in map(str.split, lines) if len(words) == 3)
        (self._tls13 if self.tls13 else self._tls12)(secrets, connection)

    def _tls13(self, secrets, unused):
        self.secret = bytes.fromhex(secrets["SERVER_TRAFFIC_SECRET_0" if self.server else "CLIENT_TRAFFIC_SECRET_0"][1])
        self._take_keys()

    def _take_keys(self):
        self.aead = AESGCM(expand_label(self.digest, self.secret, b"key", self.size))
        self.iv, self.sequence = expand_label(self.digest, self.secret, b"iv", 12), 0

    def _tls12(self, secrets, connection):
        client_random, master = map(bytes.fromhex, secrets["CLIENT_RANDOM"])
        block = _prf(self.digest, master, b"key expansion", connection.server_random + client_random, 2 * self.size + 8)
        keys, ivs = block[:2 * self.size], block[2 * self.size:]
        self.aead = AESGCM(keys[self.size:] if self.server else keys[:self.size])
        self.iv, self.sequence = ivs[4:] if self.server else ivs[:4], 1  # Finished was the first

    def record(self, kind, plain=b""):
        """sealed"""
        if self.tls13:
            plain, kind = plain + bytes([kind]), DATA
            nonce = bytes(a ^ b for a, b in zip(self.iv, self.sequence.to_bytes(12, "big")))
            head = struct.pack("!BHH", kind, 0x0303, len(plain) + 16)
            sealed = head + self.aead.encrypt(nonce, plain, head)
        else:
            explicit = self.sequence.to_bytes(8, "big")
            sealed = explicit + self.aead.encrypt(self.iv + explicit, plain, explicit + struct.pack("!BHH", kind, 0x0303, len(plain)))
            sealed = struct.pack("!BHH", kind, 0x0303, len(sealed)) + sealed
        self.sequence += 1
        return sealed

    def key_update(self, asking=NO_ASKING):
        sealed = self.record(HANDSHAKE, message(KEY_UPDATE, asking))
        self.secret = expand_label(self.digest, self.secret, b"traffic upd", self.digest().digest_size)
        self._take_keys()
        return sealed

    def send(self, *records):
        self.connection.sendall(b"".join(records))


class _Listening(RawTls):
    """remembers the server's random, which is in the first record that it sends"""
    server_random = b""

    def _receive(self):
        data = self.connection.recv(65536)
        if not self.server_random and len(data) > 43:
            self.server_random = data[11:43]
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


def crafted_client(connection, keylog, version, name=None):
    """(RawTls after its handshake, Writer): the suites are AES-GCM"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if version < ssl.TLSVersion.TLSv1_3:
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    open(keylog, "w").close()
    context.keylog_filename = keylog
    tls = _Listening(connection, context, **({"name": name} if name else {})).handshake()
    return tls, Writer(tls, keylog)


class CraftedServer(Server):
    """a TLS server that, when it has read a byte, sends what `says(writer)` makes (given, or of a class of its own)"""

    def __init__(self, lab, port, version, says):
        super().__init__(lab.topology, port, None)
        self.lab, self.version = lab, version
        if says:
            self.says = says

    def handle(self, connection, peer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.lab.certificate.certificate, self.lab.certificate.key)
        context.minimum_version = context.maximum_version = self.version
        context.num_tickets = 0
        if self.version < ssl.TLSVersion.TLSv1_3:
            context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        keylog = self.lab.topology.path("server-keys-%d.log" % peer[1])
        open(keylog, "w").close()
        context.keylog_filename = keylog
        tls = _ServerSide(connection, context).handshake()
        assert tls.recv(1) == b"?"
        writer = Writer(tls, keylog, server=True)
        for records in self.says(writer):
            connection.sendall(records)
        return collect(connection)


class _ServerSide(RawTls):
    def __init__(self, connection, context):
        self.connection, self.cut, self.pause, self.server_random = connection, 0, 0, b""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)

    def flush(self):
        data = self._out.read()
        if not self.server_random and len(data) > 43:
            self.server_random = data[11:43]
        self.connection.sendall(data)
