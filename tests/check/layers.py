#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources to the layer table of docs/architecture.md: what a folder of src/ may include of ours, and which
folder alone may include a heavy library's headers."""
import os
import re
import sys

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
SOURCES = os.path.join(REPOSITORY, "src")
TABLE = os.path.join(REPOSITORY, "docs/architecture.md")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# headers of a heavy library -> the only folder that may include them
HEAVY = ((r"openssl/", ("tls", "keys")), (r"hs(/|\.h$|_)", ("inspect",)), (r"brotli/", ("inspect",)), (r"pcre2", ("inspect",)),
         (r"(bpf/(libbpf|bpf\.h|btf)|libmnl/)", ("dataplane",)), (r"yaml\.h$", ("config",)), (r"librelp\.h$", ("relp",)), (r"gnutls/", ("relp", "deploy")),
         (r"net-snmp/", ("snmp",)), (r"(libvirt/|libxml/|libisofs/|archive)", ("deploy",)))
# eBPF programs include libbpf's kernel-side headers; these never link the library
KERNEL_SIDE = re.compile(r"bpf/bpf_(helpers|endian|core_read|tracing)\.h$")


def allowed_by_table():
    """{folder: set of folders or single headers}, from the rows under 'Folders and what they may include'"""
    with open(TABLE) as text:
        section = text.read().split("## Folders and what they may include")[1].split("\n## ")[0]
    table = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 2 or cells[0] in ("folder", "---"):
            continue
        words = set() if cells[1].startswith("nothing") else {w.strip() for w in cells[1].split(",")}
        for folder in cells[0].split(","):
            table[folder.strip()] = words
    return table


def sources():
    for folder, _, names in os.walk(SOURCES):
        for name in names:
            if name.endswith((".c", ".h", ".def")):
                yield os.path.join(folder, name)


def problems_of(path, table):
    relative = os.path.relpath(path, SOURCES)
    folder = relative.split(os.sep)[0]
    if folder not in table:
        yield "%s: the folder is not in the table of docs/architecture.md" % relative
        return
    with open(path) as text:
        content = text.read()
    for _, header in INCLUDE.findall(content):
        line = content[:content.index(header)].count("\n") + 1
        yield from ("src/%s:%d: %s" % (relative, line, why) for why in judge(folder, header, table))


def judge(folder, header, table):
    first = header.split("/")[0]
    if os.path.isdir(os.path.join(SOURCES, first)) and "/" in header:
        one_module = folder == "programs"
        if first != folder and not one_module and first not in table[folder] and header not in table[folder]:
            yield "%s may not include %s (may: %s)" % (folder, header, ", ".join(sorted(table[folder])) or "nothing of ours")
    elif not KERNEL_SIDE.match(header):
        for pattern, homes in HEAVY:
            if re.match(pattern, header) and folder not in homes:
                yield "%s belongs to %s only" % (header, " and ".join(homes))


def main():
    table = allowed_by_table()
    found = sorted(problem for path in sources() for problem in problems_of(path, table))
    for problem in found:
        print(problem)
    if not found:
        print("%d files keep to the layer table" % len(list(sources())))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
