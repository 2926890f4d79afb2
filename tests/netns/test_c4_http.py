# SPDX-License-Identifier: Apache-2.0
"""C4: what HTTP/1 carries beside plain bodies: brotli, WebSocket."""
import ctypes
import json
import subprocess

import pytest

from lab.clients import RawTls, client_context, outcome_of, tcp_connect
from lab.namespace import stop_process, wait_until
from lab.peers import TlsServer, http_reply
from lab.topology import SERVER_IP

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
        if outcome == "ok":
            wait_until(lambda: server.results, 5, "what the server has got")
    return outcome, answer, b"".join(server.results)


@pytest.mark.quick
def test_c4_websocket_messages_are_a_raw_stream_both_ways(lab):
    def masked(payload, first=0x81):
        return bytes([first, 0x80 | len(payload)]) + b"MASK" + bytes(byte ^ b"MASK"[at % 4] for at, byte in enumerate(payload))
    text, mark = masked(b"hello"), masked(b"RAW-ATT", 1) + masked(b"ping", 0x89) + masked(b"ACK-9", 0x80)
    outcome, answer, got = websocket(lab, 8446, text, b"\x81\x11CONFIDENTIAL-4711")
    assert (outcome, answer, got) == ("ok", b"\x81\x11CONFIDENTIAL-4711", text)
    record = lab.appliance.wait_record("alert", signature_id=4000003, dest_port=8446)
    assert record["direction"] == "to_client"
    outcome, _, got = websocket(lab, 8447, text + mark, b"never")
    assert outcome != "ok" and len(got) < len(text + mark), "the byte that completes it is never sent"
    assert lab.appliance.wait_record("block", signature_id=4000005, dest_port=8447)["direction"] == "to_server"


WEBSOCKET_PEER = """
import asyncio, json, ssl, sys
import websockets

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def serve(address, port, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with websockets.serve(echo, address, int(port), ssl=context, compression="deflate"):
        print("listening", flush=True)
        await asyncio.Future()

async def talk(address, port, *messages):
    context = ssl._create_unverified_context()
    got = []
    try:
        async with websockets.connect("wss://%s:%s/" % (address, port), ssl=context, compression="deflate") as socket:
            extensions = [e.name for e in socket.extensions]
            for message in messages:
                await socket.send(message)
                got.append(await asyncio.wait_for(socket.recv(), 20))
    except Exception as error:
        print(json.dumps([extensions, got, type(error).__name__]))
    else:
        print(json.dumps([extensions, got, None]))

asyncio.run({"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
"""


@pytest.mark.quick
def test_c4_websocket_with_compressed_messages(lab):
    """client and server are Python's websockets, which agree on permessage-deflate"""
    path = lab.topology.path("websocket_peer.py")
    with open(path, "w") as out:
        out.write(WEBSOCKET_PEER)
    python = "/usr/bin/python3"
    server = lab.server.popen(python, path, "serve", SERVER_IP, 8448, lab.certificate.certificate, lab.certificate.key, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "listening\n"

        def talk(*messages):
            return json.loads(lab.client.run(python, path, "talk", SERVER_IP, 8448, *messages, timeout=60).stdout)
        long = "a long text that is worth its compression. " * 400
        assert talk("hello", long, long) == [["permessage-deflate"], ["hello", long, long], None]
        extensions, got, error = talk("hello", long + "RAW-ATTACK-9", "never")
        assert extensions == ["permessage-deflate"] and got == ["hello"] and error
        assert lab.appliance.wait_record("block", signature_id=4000005, dest_port=8448)["direction"] == "to_server"
        assert lab.appliance.counters()["inspect_websocket_anomaly"] == 0
    finally:
        stop_process(server)
