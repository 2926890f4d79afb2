# SPDX-License-Identifier: Apache-2.0
"""tcpdump in a namespace, and what its file says. The parser reads what judgements need and nothing else."""
import collections
import os
import signal
import struct
import subprocess

from .namespace import run, wait_until

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TLS_HANDSHAKE, TLS_APPLICATION = 22, 23

Frame = collections.namedtuple("Frame", "time source_mac destination_mac vlan ethertype source destination ttl tos "
                               "protocol source_port destination_port flags seq payload")


class Capture:
    """Everything that passes one interface, from entering the context until leaving it."""

    def __init__(self, namespace, interface, path, expression=""):
        self.namespace, self.interface, self.path, self.expression = namespace, interface, path, expression

    def __enter__(self):
        self._log = open(self.path + ".log", "w+")
        self.process = self.namespace.popen("tcpdump", "--immediate-mode", "-U", "-n", "-s", "0", "-B", "16384", "-Z", "root",
                                            "-i", self.interface, "-w", self.path, *self.expression.split(),
                                            stdout=subprocess.DEVNULL, stderr=self._log)
        wait_until(lambda: "listening on" in self.messages(), 10, "tcpdump on " + self.interface)
        return self

    def messages(self):
        with open(self.path + ".log") as log:
            return log.read()

    def __exit__(self, *unused):
        # what the kernel has queued is read before the signal is: tcpdump counts it out at the end
        _settle(self.path)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        self._log.close()

    def frames(self):
        return list(read_frames(self.path))


def _settle(path):
    sizes = collections.deque(maxlen=3)

    def quiet():
        sizes.append(os.path.getsize(path))
        return len(sizes) == 3 and len(set(sizes)) == 1
    wait_until(quiet, 5, "the capture to settle", pause=0.02)


def read_frames(path):
    with open(path, "rb") as pcap:
        head = pcap.read(24)
        order = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        while len(record := pcap.read(16)) == 16:
            seconds, fraction, kept, _ = struct.unpack(order + "IIII", record)
            yield parse_frame(pcap.read(kept), seconds + fraction / 1e6)


def parse_frame(data, time=0.0):
    at, vlan = 12, None
    ethertype, = struct.unpack_from("!H", data, at)
    while ethertype in (0x8100, 0x88a8):  # two tags: (outer, inner)
        tci, ethertype = struct.unpack_from("!HH", data, at + 2)
        vlan, at = (vlan, tci & 0xfff) if vlan is not None else tci & 0xfff, at + 4
    frame = Frame(time, _mac(data[6:12]), _mac(data[0:6]), vlan, ethertype, *[None] * 9, b"")
    if ethertype == 0x800 and len(data) >= at + 22:
        return _parse_ipv4(frame, data[at + 2:])
    return frame


def _parse_ipv4(frame, packet):
    head, total = (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)[0]
    fields = dict(source=_ip(packet[12:16]), destination=_ip(packet[16:20]), ttl=packet[8], tos=packet[1], protocol=packet[9])
    body = packet[head:total] if total else packet[head:]  # 0: larger than 64 KB, by segmentation offload
    if fields["protocol"] in (6, 17) and not struct.unpack_from("!H", packet, 6)[0] & 0x1fff and len(body) >= 8:
        fields["source_port"], fields["destination_port"] = struct.unpack_from("!HH", body)
        fields["payload"] = body[8:]
        if fields["protocol"] == 6 and len(body) >= 20:
            fields.update(seq=struct.unpack_from("!I", body, 4)[0], flags=body[13], payload=body[(body[12] >> 4) * 4:])
    return frame._replace(**fields)


def _mac(data):
    return ":".join("%02x" % byte for byte in data)


def _ip(data):
    return ".".join(map(str, data))


def one_way(frames, source, destination_port=None, source_port=None):
    """TCP frames that one host sent, of one connection if a port is given."""
    return [f for f in frames if f.protocol == 6 and f.source == source
            and (destination_port is None or f.destination_port == destination_port)
            and (source_port is None or f.source_port == source_port)]


def stream(frames):
    """The bytes of one direction of one connection, in order, retransmissions removed."""
    start = next((f.seq for f in frames if f.flags & SYN), None)
    if start is None:
        return b""
    data = bytearray()
    for frame in sorted((f for f in frames if f.payload), key=lambda f: (f.seq - start) & 0xffffffff):
        offset = ((frame.seq - start) & 0xffffffff) - 1
        if offset > len(data):
            break  # a gap: the rest is not known
        data[offset:offset + len(frame.payload)] = frame.payload
    return bytes(data)


def tls_records(data):
    """[(type, length)] of a TLS byte stream; a record cut short counts with the length it announces."""
    records, at = [], 0
    while at + 5 <= len(data):
        kind, _, length = struct.unpack_from("!BHH", data, at)
        records.append((kind, length))
        at += 5 + length
    return records


def application_bytes(records, tls13):
    """Lengths of the records that can carry a client's plaintext. In TLS 1.3 the client's first encrypted record is
    its Finished, and alerts look the same: a short last record (close_notify: 2 + 1 + 16) is not data."""
    lengths = [length for kind, length in records if kind == TLS_APPLICATION]
    if tls13:
        lengths = lengths[1:]
        if lengths and lengths[-1] <= 19:
            lengths.pop()
    return sum(lengths)


def dissect(path, ports, what, fields):
    """tshark's words about a capture: [{field: [values]}] of each frame that fits `what`; `ports` carry TLS"""
    command = ["tshark", "-r", path, "-Y", what, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]
    for port in ports:
        command += ["-d", "tcp.port==%d,tls" % port]
    for field in fields:
        command += ["-e", field]
    rows = run(*command).stdout.splitlines()
    return [{field: [value for value in text.split(",") if value] for field, text in zip(fields, row.split("|"))} for row in rows]
