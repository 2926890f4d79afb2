# SPDX-License-Identifier: Apache-2.0
"""C4: what HTTP/1 carries beside plain bodies: brotli, WebSocket."""
import ctypes

import pytest

from lab.clients import RawTls, client_context, outcome_of, tcp_connect
from lab.peers import TlsServer, http_reply

UPGRADE = b"GET /chat HTTP/1.1\r\nHost: www.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"


def brotli(data):
    library = ctypes.CDLL("libbrotlienc.so.1")
    out, size = ctypes.create_string_buffer(len(data) + 1024), ctypes.c_size_t(len(data) + 1024)
    assert library.BrotliEncoderCompress(9, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(size), out)
    return out.raw[:size.value]


def reply(body, *fields):
    head = b"".join(field + b"\r\n" for field in fields)

    def handler(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
    return handler


BODY_FILTER = 'drop http any any -> any any (msg:"in a decoded body"; flow:to_client; file.data; content:"SECRET-4712"; sid:8001; rev:1;)\n' \
              'drop http any any -> any any (msg:"in a decoded request"; flow:to_server; http.request_body; content:"SECRET-4713"; sid:8002; rev:1;)\n'


@pytest.mark.quick
def test_c4_brotli_bodies_are_decoded(fresh_lab):
    lab = fresh_lab(filters=BODY_FILTER)
    plain = b"some text. " * 3000
    encoded, secret = brotli(plain), brotli(plain + b"SECRET-4712" + plain)
    assert b"SECRET" not in secret and len(encoded) < len(plain) / 10
    with TlsServer(lab.topology, 8443, lab.certificate, reply(encoded, b"Content-Encoding: br")):
        answer = lab.curl("/plain", "--compressed", port=8443)
        assert answer.ok and answer.body == plain
    with TlsServer(lab.topology, 8444, lab.certificate, reply(secret, b"Content-Encoding: br")):
        answer = lab.curl("/secret", "--compressed", port=8444)
        assert answer.exit != 0 and b"SECRET" not in answer.body
    assert lab.appliance.wait_record("block", signature_id=8001)["url"] == "/secret"
    with open(lab.topology.path("upload.br"), "wb") as out:
        out.write(brotli(plain + b"SECRET-4713"))
    with TlsServer(lab.topology, 8445, lab.certificate, http_reply(b"ok")) as server:
        answer = lab.curl("/upload", "-H", "Content-Encoding: br", "--data-binary", "@" + lab.topology.path("upload.br"), port=8445)
        assert answer.exit != 0
    assert b"".join(server.results) == b"", "the request is held until its verdict"
    assert lab.appliance.counters()["inspect_decode_failed"] == 0


def websocket(lab, port, to_server, to_client):
    """What the server got after the upgrade, what the client got, and how it ended."""
    def handler(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(SWITCHING)
        got = data.partition(b"\r\n\r\n")[2]
        while len(got) < len(to_server):
            part = connection.recv(65536)
            if not part:
                return got
            got += part
        connection.sendall(to_client)
        return got
    with TlsServer(lab.topology, port, lab.certificate, handler) as server:
        raw = RawTls(tcp_connect(lab.client, port), client_context(lab.certificate)).handshake()
        raw.sendall(UPGRADE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += raw.recv(65536)
        assert head == SWITCHING

        def talk():
            for byte in to_server:
                raw.sendall(bytes([byte]))
            answer = b""
            while len(answer) < len(to_client):
                part = raw.recv(65536)
                if not part:
                    raise ConnectionResetError("closed")
                answer += part
            return answer
        outcome, answer = outcome_of(talk)
        raw.close()
    return outcome, answer, b"".join(server.results)


@pytest.mark.quick
def test_c4_websocket_frames_are_a_raw_stream_both_ways(lab):
    text, mark = b"\x81\x85\0\0\0\0hello", b"\x81\x8c\0\0\0\0RAW-ATTACK-9"
    outcome, answer, got = websocket(lab, 8446, text, b"\x81\x11CONFIDENTIAL-4711")
    assert (outcome, answer, got) == ("ok", b"\x81\x11CONFIDENTIAL-4711", text)
    record = lab.appliance.wait_record("alert", signature_id=4000003, dest_port=8446)
    assert record["direction"] == "to_client"
    outcome, _, got = websocket(lab, 8447, text + mark, b"never")
    assert outcome != "ok" and b"RAW-ATTACK-9" not in got
    assert lab.appliance.wait_record("block", signature_id=4000005, dest_port=8447)["direction"] == "to_server"
