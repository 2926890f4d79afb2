# SPDX-License-Identifier: Apache-2.0
"""Conversations as a pcap file: handshake, request and response in segments, end; checksums are left out."""
import socket
import struct

SEGMENT = 1400
FIN, SYN, PUSH, ACK = 1, 2, 8, 16


class Pcap:
    def __init__(self, path):
        self.file, self.time = open(path, "wb"), 1700000000.0
        self.file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))  # LINKTYPE_RAW

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.file.close()

    def conversation(self, client, server, turns):
        """client, server: (address, port); turns: (from the client?, bytes)"""
        sequence = {True: 1000, False: 5000}
        ends = {True: (client, server), False: (server, client)}

        def packet(from_client, flags, data=b""):
            (source, source_port), (destination, destination_port) = ends[from_client]
            tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, sequence[from_client], sequence[not from_client] if flags & ACK else 0,
                              5 << 4, flags, 65535, 0, 0) + data
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, socket.inet_aton(source), socket.inet_aton(destination))
            self.time += 0.0001
            self.file.write(struct.pack("<IIII", int(self.time), int(self.time % 1 * 1e6), len(ip + tcp), len(ip + tcp)) + ip + tcp)
            sequence[from_client] += len(data) + bool(flags & (SYN | FIN))
        packet(True, SYN)
        packet(False, SYN | ACK)
        packet(True, ACK)
        for from_client, data in turns:
            for at in range(0, len(data), SEGMENT):
                packet(from_client, PUSH | ACK, data[at:at + SEGMENT])
            packet(not from_client, ACK)
        packet(True, FIN | ACK)
        packet(False, FIN | ACK)
        packet(True, ACK)
