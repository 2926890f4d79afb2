# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 client whose ClientHello is made by hand and cut as a test wants it, with a whole handshake behind it: X25519,
TLS_AES_128_GCM_SHA256. It believes any certificate."""
import hashlib
import hmac
import os
import struct
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .clients import WEB_NAME
from .records import ALERT, CLIENT_HELLO, DATA, HANDSHAKE, expand_label, message

SERVER_NAME, GROUPS, SIGNATURES, ALPN, VERSIONS, PSK_MODES, KEY_SHARE = 0, 10, 13, 16, 43, 45, 51
X25519 = 0x001d
SERVER_HELLO, FINISHED = 2, 20


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def extension(kind, body=b""):
    return struct.pack("!H", kind) + vector(2, body)


def server_name(name):
    return extension(SERVER_NAME, vector(2, b"\0" + vector(2, name)))


def alpn(*names):
    return extension(ALPN, vector(2, b"".join(vector(1, name) for name in names)))


class Alert(Exception):
    pass


class _Keys:
    def __init__(self, secret):
        self.secret, self.sequence = secret, 0
        self.aead, self.iv = AESGCM(expand_label(hashlib.sha256, secret, b"key", 16)), expand_label(hashlib.sha256, secret, b"iv", 12)

    def nonce(self):
        self.sequence += 1
        return bytes(a ^ b for a, b in zip(self.iv, (self.sequence - 1).to_bytes(12, "big")))

    def verify_data(self, transcript):
        key = expand_label(hashlib.sha256, self.secret, b"finished", 32)
        return hmac.new(key, hashlib.sha256(transcript).digest(), hashlib.sha256).digest()


def _extract(salt, secret):
    return hmac.new(salt, secret, hashlib.sha256).digest()


def _derive(secret, label, transcript):
    return expand_label(hashlib.sha256, secret, label, 32, hashlib.sha256(transcript).digest())


class HandmadeClient:
    """`extensions` are added to those that it needs; `shares` are (group, key) besides its own, which they precede"""

    def __init__(self, connection, extensions=b"", shares=(), name=WEB_NAME.encode(), session_id=b"", first=b""):
        self.connection, self.private = connection, X25519PrivateKey.generate()
        own = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        groups = [group for group, _ in shares] + [X25519]
        needed = [extension(GROUPS, vector(2, b"".join(struct.pack("!H", group) for group in groups))),
                  extension(SIGNATURES, vector(2, bytes.fromhex("0403" "0804" "0401" "0805" "0501"))), extension(VERSIONS, vector(1, b"\x03\x04")),
                  extension(PSK_MODES, b"\x01\x01"),
                  extension(KEY_SHARE, vector(2, b"".join(struct.pack("!H", group) + vector(2, key) for group, key in (*shares, (X25519, own)))))]
        block = first + (server_name(name) if name is not None else b"") + b"".join(needed) + extensions
        self.hello = message(CLIENT_HELLO, b"\x03\x03" + os.urandom(32) + vector(1, session_id) + vector(2, b"\x13\x01") + b"\x01\0"
                             + vector(2, block))
        self._pending = b""

    def send_hello(self, record=16384, segment=0):
        """in records of so many bytes, in segments of so many"""
        data = b"".join(b"\x16\x03\x01" + vector(2, self.hello[at:at + record]) for at in range(0, len(self.hello), record))
        for at in range(0, len(data), segment or len(data)):
            self.connection.sendall(data[at:at + (segment or len(data))])
            if segment:
                time.sleep(0.0005)  # else they would leave as one
        return self

    def handshake(self, **cut):
        self.send_hello(**cut)
        transcript = self.hello + self._message(SERVER_HELLO)
        shared = self.private.exchange(X25519PublicKey.from_public_bytes(self._server_share(transcript[len(self.hello):])))
        secret = _extract(_derive(_extract(bytes(32), bytes(32)), b"derived", b""), shared)
        self.writer, self.reader = (_Keys(_derive(secret, label, transcript)) for label in (b"c hs traffic", b"s hs traffic"))
        said = b""
        while said[:1] != bytes([FINISHED]):
            transcript += said
            said = self._message()
        assert said[4:] == self.reader.verify_data(transcript), "the server's Finished"
        answer = message(FINISHED, self.writer.verify_data(transcript + said))
        transcript += said
        self.send(answer, HANDSHAKE)
        secret = _extract(_derive(secret, b"derived", b""), bytes(32))
        self.writer, self.reader = (_Keys(_derive(secret, label, transcript)) for label in (b"c ap traffic", b"s ap traffic"))
        return self

    def _server_share(self, hello):
        """the only extensions of a ServerHello are two"""
        at = 4 + 34 + 1 + hello[4 + 34] + 3
        block = hello[at + 2:at + 2 + int.from_bytes(hello[at:at + 2], "big")]
        while block:
            kind, size = struct.unpack("!HH", block[:4])
            if kind == KEY_SHARE:
                assert block[4:6] == struct.pack("!H", X25519), block[4:6]
                return block[8:4 + size]
            block = block[4 + size:]
        raise Alert("no key share")

    def send(self, data, kind=DATA):
        head = b"\x17\x03\x03" + struct.pack("!H", len(data) + 17)
        self.connection.sendall(head + self.writer.aead.encrypt(self.writer.nonce(), data + bytes([kind]), head))

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.connection.recv(n - len(data))
            if not part:
                raise EOFError("closed after %d bytes" % len(data))
            data += part
        return data

    def record(self):
        """(type, content) of the next one, opened; an alert is raised"""
        head = self._exactly(5)
        kind, data = head[0], self._exactly(int.from_bytes(head[3:], "big"))
        if kind == DATA:
            data = self.reader.aead.decrypt(self.reader.nonce(), data, head).rstrip(b"\0")
            kind, data = data[-1], data[:-1]
        if kind == ALERT:
            raise Alert("alert %d" % data[1])
        return kind, data

    def _message(self, kind=None):
        """the next handshake message"""
        while len(self._pending) < 4 or len(self._pending) < 4 + int.from_bytes(self._pending[1:4], "big"):
            what, data = self.record()
            self._pending += data if what == HANDSHAKE else b""
        size = 4 + int.from_bytes(self._pending[1:4], "big")
        one, self._pending = self._pending[:size], self._pending[size:]
        assert kind is None or one[0] == kind, one[:1]
        return one

    def recv(self, unused=0):
        """data; tickets and whatever else are passed over"""
        while True:
            kind, data = self.record()
            if kind == DATA:
                return data

    def sendall(self, data):
        self.send(data)

    def close(self):
        self.connection.close()
