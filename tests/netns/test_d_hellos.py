# SPDX-License-Identifier: Apache-2.0
"""D1, D5: ClientHellos as odd as the standard allows, and odder ones, from a client made by hand that goes through the whole handshake."""
import contextlib
import os
import struct

import pytest

from lab.clients import WEB_NAME, http_get, tcp_connect
from lab.hello import Alert, HandmadeClient, alpn, extension, server_name
from lab.peers import TlsServer, echo

PORT = 9005
GREASE = 0x2a2a
MLKEM, KYBER, MCELIECE = 0x11ec, 0x6399, 0xfe42  # X25519MLKEM768, its draft, and something nobody has
ECH = b"\0" b"\0\1\0\1" b"\x2a" + b"\0\x20" + os.urandom(32) + b"\0\xb0" + os.urandom(176)  # outer, as a browser makes it up


def unknown_extensions(n):
    """each of a kind of its own, none of which anyone knows"""
    return b"".join(extension(0x4000 + number) for number in range(n))


ODD = {
    "a post-quantum share": dict(shares=[(MLKEM, os.urandom(1216))]),
    "three of them, 12 KB": dict(shares=[(MLKEM, os.urandom(1216)), (KYBER, os.urandom(1216)), (MCELIECE, os.urandom(10000))]),
    "3000 extensions": dict(extensions=unknown_extensions(3000)),
    "an extension of 14 KB": dict(extensions=extension(0x4000, bytes(14000))),
    "padding": dict(extensions=extension(21, bytes(8000))),
    "ALPN of 15 KB": dict(extensions=alpn(*(b"%03d" % n + b"x" * 252 for n in range(58)), b"http/1.1")),
    "ALPN of 4000 names": dict(extensions=alpn(*(struct.pack("!H", n) for n in range(4000)), b"http/1.1")),
    "GREASE": dict(first=extension(GREASE), shares=[(GREASE, b"\0")], extensions=extension(0x3a3a, b"\0") + alpn(b"\x2a\x2a", b"http/1.1")),
    "ECH": dict(extensions=extension(0xfe0d, ECH)),
    "compressed certificates": dict(extensions=extension(27, b"\6\0\1\0\2\0\3")),
    "post-handshake authentication": dict(extensions=extension(49)),
    "heartbeat": dict(extensions=extension(15, b"\1")),
    "delegated credentials and record size limit": dict(extensions=extension(34, b"\0\2\4\3") + extension(28, b"\x40\1")),
    "a session id": dict(session_id=os.urandom(32)),
    "no name": dict(name=None),
}
CUTS = {"whole": {}, "in-segments": {"segment": 300}, "in-records-and-segments": {"record": 300, "segment": 500}}


@pytest.mark.cable
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("odd", ODD)
def test_d1_an_odd_client_hello_is_served(lab, odd, cut):
    client = HandmadeClient(tcp_connect(lab.client, 443), **ODD[odd])
    assert http_get(client.handshake(**CUTS[cut]), "/odd-hello")[0] == 200
    client.close()


NAMES = {"longest": b"a" * 63 + b"." + b"b" * 63 + b"." + b"c" * 63 + b"." + b"d" * 61, "upper case": b"WWW.Example.TEST", "dot at the end": b"www.example.test.",
         "underscore": b"_dmarc.example.test", "address": b"192.0.2.1", "IPv6": b"[2001:db8::1]", "blank": b"a b", "UTF-8": "münchen.example".encode(),
         "bytes": b"\xff\xfe\x80", "path": b"../../etc/passwd", "format": b"%s%n%x", "line ends": b"a\r\nHost: b", "quotes": b'"\'><script>', "one": b"."}
VALID = ("longest", "upper case", "dot at the end", "underscore", "address", "one")


@pytest.mark.parametrize("which", NAMES)
def test_d5_an_odd_server_name_harms_nobody(lab, which):
    """what can be a host name goes to the server as it is; anything else goes nowhere, and into no record"""
    name = NAMES[which]
    with TlsServer(lab.topology, PORT, lab.certificate, echo) as server:
        connection = tcp_connect(lab.client, PORT)
        client = HandmadeClient(connection, name=name).handshake()
        client.send(b"hello")
        assert client.recv() == b"hello"
        port = connection.getsockname()[1]
        client.close()
    record = lab.appliance.wait_record("ssl_inspection", src_port=port, dest_port=PORT)
    expected = name.decode("latin-1") if which in VALID else None
    assert record.get("sni") == expected and record["action"] == "decrypted", record
    asked = [expected.rstrip(".")] if expected else [None]
    assert [one and one.rstrip(".") for one in server.names_asked] == asked or which == "one", server.names_asked


BROKEN = {
    "empty name": dict(name=b""),
    "name with a zero": dict(name=b"www\0.example.test"),
    "name of 256 bytes": dict(name=b"a" * 256),
    "two names": dict(name=None, first=extension(0, struct.pack("!H", 18) + b"\0\0\6a.test" b"\0\0\6b.test")),
    "the same extension twice": dict(extensions=extension(0x4000) + extension(0x4000)),
    "two of server name": dict(extensions=server_name(WEB_NAME.encode())),
    "ALPN without a name": dict(extensions=extension(16, b"\0\0")),
    "ALPN with an empty name": dict(extensions=extension(16, b"\0\1\0")),
    "a length beyond the end": dict(extensions=b"\x40\0\xff\xff"),
    "half an extension": dict(extensions=b"\x40"),
    "a share of one byte, and the group twice": dict(shares=[(0x1d, b"\4")]),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_d10_a_broken_client_hello_is_refused(lab, broken):
    """the session is counted as malformed or as an error of the client's"""
    before = lab.appliance.counters()
    with TlsServer(lab.topology, PORT, lab.certificate, echo), contextlib.closing(tcp_connect(lab.client, PORT)) as connection:
        with pytest.raises((Alert, EOFError, ConnectionResetError)):
            HandmadeClient(connection, **BROKEN[broken]).handshake()
        port = connection.getsockname()[1]
    record = lab.appliance.wait_record("ssl_inspection", src_port=port, dest_port=PORT)
    assert record["close_reason"] in ("client_hello_malformed", "client_tls_error"), record
    lab.appliance.wait_counter("closed_" + record["close_reason"], before["closed_" + record["close_reason"]] + 1)
