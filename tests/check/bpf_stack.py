#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bpf_stack.py OBJECT: holds every chain of calls in an eBPF object to the 512 bytes of stack that the verifier allows, with each function rounded up
to 32 bytes as kernels before 6.9 do (Debian 12's is 6.1). A newer kernel, such as the one that builds, would not complain."""
import struct
import sys

LIMIT, ROUND = 512, 32
SHT_SYMTAB, SHT_REL, STT_SECTION, STT_FUNC = 2, 9, 3, 2
FRAME_POINTER = 10
MOVE, ADD, CALL, LOAD_WIDE = 0xbf, 0x07, 0x85, 0x18


def sections(data):
    """(type, offset, size, link, info) each"""
    offset, = struct.unpack_from("<Q", data, 40)
    size, number = struct.unpack_from("<HH", data, 58)
    for i in range(number):
        fields = struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size)
        yield fields[1], fields[4], fields[5], fields[6], fields[7]


def symbols(data, table, strings):
    """(name, type, section, value, size) each"""
    for at in range(table[1], table[1] + table[2], 24):
        name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", data, at)
        start = strings[1] + name
        yield data[start:data.index(b"\0", start)].decode(), info & 15, section, value, size


def instructions(data, start, size):
    """(place, opcode, destination, source, offset, immediate) each"""
    at = start
    while at < start + size:
        opcode, registers, offset, immediate = struct.unpack_from("<BBhi", data, at)
        yield at - start, opcode, registers & 15, registers >> 4, offset, immediate
        at += 16 if opcode == LOAD_WIDE else 8


def functions(data):
    """{(section, value): (name, bytes of stack, places of the functions it calls)}"""
    table = list(sections(data))
    names = next(s for s in table if s[0] == SHT_SYMTAB)
    known = list(symbols(data, names, table[names[3]]))
    moved = {}
    for kind, start, size, _, section in table:
        for at in range(start, start + size, 16) if kind == SHT_REL else ():
            place, info = struct.unpack_from("<QQ", data, at)
            moved[section, place] = known[info >> 32]
    found = {}
    for name, kind, section, value, size in known:
        if kind == STT_FUNC:
            found[section, value] = name, *examine(data, table[section][1], section, value, size, moved)
    return found


def examine(data, base, section, value, size, moved):
    stack, calls, copies = 0, set(), set()
    for place, opcode, destination, source, offset, immediate in instructions(data, base + value, size):
        memory = source if opcode & 7 == 1 else destination if opcode & 7 in (2, 3) else None
        if memory == FRAME_POINTER:
            stack = max(stack, -offset)
        if opcode == MOVE and source == FRAME_POINTER:
            copies.add(destination)
        if opcode == ADD and destination in copies:
            stack = max(stack, -immediate)
            copies.discard(destination)
        if opcode == CALL and source == 1:
            symbol = moved.get((section, value + place))
            if symbol:
                calls.add((symbol[2], (immediate + 1) * 8 if symbol[1] == STT_SECTION else symbol[3]))
            else:
                calls.add((section, value + place + 8 + immediate * 8))
    return stack, calls


def deepest(found, place):
    """(bytes, names) of the chain of calls that takes most"""
    name, stack, calls = found[place]
    below, chain = max((deepest(found, call) for call in calls if call in found), default=(0, []))
    own = (max(stack, 1) + ROUND - 1) // ROUND * ROUND
    return own + below, ["%s (%d)" % (name, own), *chain]


def main():
    with open(sys.argv[1], "rb") as file:
        found = functions(file.read())
    if len(found) < 10 or not any(calls & set(found) for _, _, calls in found.values()):
        sys.exit("%s: functions and calls not understood" % sys.argv[1])
    used, chain = max(deepest(found, place) for place in found)
    print("%d of %d bytes: %s" % (used, LIMIT, " > ".join(chain)))
    sys.exit(used > LIMIT)


main()
