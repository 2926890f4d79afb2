#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""linkage.py BINDIR: no program loads both BoringSSL and OpenSSL's libcrypto (or a library that brings it): symbols of
the two bind across each other. Fails as well when a library is missing or a program is absent, and where lib25519 is
loaded without the symbols by which it stands in for BoringSSL's X25519 (src/tls/x25519.h)."""
import os
import re
import subprocess
import sys

PROGRAMS = ("sluiced", "sluice-proxy", "sluice-keys", "sluice-key-provider", "sluice-log", "sluice-relp", "sluice-snmp", "sluice", "sluice-deploy")
# what each may load of the libraries that must stay apart; an empty set: none of them
APART = {"BoringSSL": r"/android/lib(ssl|crypto)\.so", "OpenSSL": r"lib(ssl|crypto)\.so\.[13]", "Net-SNMP": r"libnetsnmp",
         "Hyperscan": r"libhs\.so", "PCRE2": r"libpcre2", "libbpf": r"libbpf\.so", "libyaml": r"libyaml",
         "lib25519": r"lib25519\.so"}
MAY = {"sluiced": {"libbpf", "libyaml"}, "sluice-proxy": {"BoringSSL", "Hyperscan", "PCRE2", "libyaml", "libbpf", "lib25519"},
       "sluice-keys": {"OpenSSL"}, "sluice-log": set(), "sluice-key-provider": set(),
       "sluice-relp": {"OpenSSL"}, "sluice-snmp": {"Net-SNMP", "OpenSSL"}, "sluice": set(),
       # by way of libvirt: curl and ssh, GLib
       "sluice-deploy": {"OpenSSL", "PCRE2", "libyaml"}}
OPTIONAL = ("sluice-deploy",)  # built where libvirt is


def libraries(path):
    output = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
    missing = re.findall(r"(\S+) => not found", output)
    if missing:
        raise RuntimeError("libraries not found: " + ", ".join(missing))
    return output


def exported(path):
    output = subprocess.run(["nm", "--dynamic", "--defined-only", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split()[-1] for line in output.splitlines()}


def problems_of(name, path):
    if not os.path.exists(path):
        if name not in OPTIONAL:
            yield "not built"
        return
    try:
        output = libraries(path)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        yield str(error)
        return
    loaded = {library for library, pattern in APART.items() if re.search(pattern, output)}
    for library in sorted(loaded - MAY[name]):
        yield "loads %s" % library
    if {"BoringSSL", "OpenSSL"} <= loaded:
        yield "loads BoringSSL and OpenSSL in one process"
    if "lib25519" in loaded and not {"X25519", "X25519_keypair"} <= exported(path):
        yield "loads lib25519, but BoringSSL does not find it: X25519 and X25519_keypair are not exported"


def main():
    folder = sys.argv[1]
    found = ["%s: %s" % (name, problem) for name in PROGRAMS for problem in problems_of(name, os.path.join(folder, name))]
    print("\n".join(found) or "each program loads its own libraries only")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
