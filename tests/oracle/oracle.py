#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the engine's verdicts against the model's, and against Suricata's where SLUICE_SURICATA names one: for every rule
that can be used a message that matches and near misses, whole and cut at random, against all the rules at once.

oracle.py INSPECT_REPLAY FILE...       rule files
oracle.py INSPECT_REPLAY --rule-data   ET Open from the folder that SLUICE_RULE_DATA names; exit 77 without it
"""
import argparse
import collections
import contextlib
import glob
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
warnings.simplefilter("ignore", FutureWarning)  # of patterns that were not written for Python

import pcap  # noqa: E402
import recipe  # noqa: E402
import rule_text  # noqa: E402
import suricata  # noqa: E402

# regular expressions that take about as long on their own match as any evaluation may (docs/filters.md, limits of the engine)
AT_THE_LIMIT = {2102681}


def is_explained(rule):
    """where the engine is meant to differ (docs/filters.md)"""
    return "only_stream" in rule.text  # Suricata 7 asks for a raw stream condition then


def load(paths, payload=False):
    """rules for HTTP; with payload those on the raw stream of TCP and of mail protocols"""
    protocols = "tcp|smtp|imap|pop3" if payload else "http|tcp"
    rules, unknown = [], []
    for path in paths:
        with open(path, encoding="latin-1") as lines:
            more, less = rule_text.read(line for line in lines if re.match(r"(alert|drop) (%s) " % protocols, line))
        if payload:
            rules += [rule for rule in more if all(c.buffer == "pkt_data" for c in rule.conditions) and rule.to_client != rule.to_server
                      and rule.sid not in AT_THE_LIMIT]
        else:
            rules += [rule for rule in more if rule.protocol == "http" or len(paths) == 1]
        unknown += less
    return rules, unknown


@contextlib.contextmanager
def rule_data():
    """the rule files of the folder that SLUICE_RULE_DATA names, out of its archives; None without one"""
    folder = os.environ.get("SLUICE_RULE_DATA", "")
    with tempfile.TemporaryDirectory() as scratch:
        for archive in glob.glob(folder + "/*.tar.*") if folder else ():
            subprocess.run(["tar", "-C", scratch, "-xf", archive], check=True)
        found = sorted(glob.glob(scratch + "/**/*.rules", recursive=True) + (glob.glob(folder + "/*.rules") if folder else []))
        yield found or None


def make_cases(rules, seed, wanted, payload=False):
    """cases of up to `wanted` rules (0: all), and the rules"""
    rules = list(rules)
    random.Random(seed).shuffle(rules)
    cases, used = [], []
    for rule in rules:
        made = recipe.cases(rule, seed, payload=payload)
        if made:
            cases += made
            used.append(rule)
        if wanted and len(used) == wanted:
            break
    return cases, used


def plain_text(rule):
    """for any address and port: that is not what is compared here"""
    text = re.sub(r"^(\w+) (smtp|imap|pop3) ", r"\1 tcp ", rule.text)
    return re.sub(r"^(\w+ \S+) (?:\[[^\]]*\]|\S+) (?:\[[^\]]*\]|\S+) (->|<>) (?:\[[^\]]*\]|\S+) (?:\[[^\]]*\]|\S+) ?\(", r"\1 any any \2 any any (", text)


def write_rules(path, rules):
    with open(path, "w", encoding="latin-1") as out:
        out.write("".join(plain_text(rule) + "\n" for rule in rules))


def replay(program, rules, cases, seed, payload=False):
    """the sets of numbers that match, by the engine alone"""
    given = bytearray()
    for case in cases:
        request, response = case.request.bytes(), case.response.bytes()
        given += (b"r" if payload else b"h") + struct.pack("=II", len(request), len(response)) + request + response
    done = subprocess.run([program, str(seed), rules], input=bytes(given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
    if done.returncode:
        raise RuntimeError("%s: exit %d: %s" % (program, done.returncode, done.stderr.decode(errors="replace")[-2000:]))
    return [set(map(int, line.split())) for line in done.stdout.decode().splitlines()]


def client_of(index):
    return "10.1.%d.%d" % (index >> 8 & 255, index & 255), 20000 + (index >> 16)


def ask_suricata(folder, rules, cases, payload=False):
    with pcap.Pcap(folder + "/cases.pcap") as file:
        for index, case in enumerate(cases):
            file.conversation(client_of(index), ("10.2.0.1", 7777 if payload else 80), [(True, case.request.bytes()), (False, case.response.bytes())])
    alerts = suricata.alerts(folder + "/cases.pcap", rules, folder)
    return [alerts.get(client_of(index), set()) for index in range(len(cases))]


def differences(cases, answers, expected):
    explained = {case.rule.sid for case in cases if is_explained(case.rule)}
    for index, case in enumerate(cases):
        for name, answer in answers.items():
            if (case.rule.sid in answer[index]) != case.expected:
                yield "%s: %s %s" % (case, name, "does not match" if case.expected else "matches")
            elif expected and (answer[index] ^ expected[index]) - explained:
                yield "%s: %s has %s, Suricata has %s" % (case, name, sorted(answer[index] - expected[index]), sorted(expected[index] - answer[index]))


def compare(arguments, paths):
    payload = arguments.payload
    rules, unknown = load(paths, payload)
    cases, used = make_cases(rules, arguments.seed, arguments.rules, payload)
    if len(used) < arguments.at_least:
        print("only %d rules can be used" % len(used))
        return 1
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/used.rules"
        write_rules(file, used)
        answers = {"the engine": replay(arguments.replay, file, cases, 0, payload)}
        for seed in range(1, 1 + arguments.cuts):
            answers["the engine, cut by seed %d" % seed] = replay(arguments.replay, file, cases, seed * 131 + arguments.seed, payload)
        expected = ask_suricata(folder, file, cases, payload) if suricata.root() else None
    found = list(differences(cases, answers, expected))
    for text in found[:20]:
        print(text)
    kinds = collections.Counter(case.what for case in cases)
    print("%d rules of %d, %d messages (%s), %d ways to cut them, %s: %d differences" % (
        len(used), len(rules) + len(unknown), len(cases), ", ".join("%s %d" % kind for kind in kinds.most_common()), arguments.cuts,
        "all pairs compared with Suricata" if expected else "without Suricata", len(found)))
    return 1 if found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replay", metavar="INSPECT_REPLAY")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--rule-data", action="store_true")
    parser.add_argument("--payload", action="store_true", help="rules on the raw stream, of tcp, smtp, imap and pop3, in place of http")
    parser.add_argument("--rules", type=int, default=0, help="use so many rules (default all)")
    parser.add_argument("--at-least", type=int, default=1, help="fail when fewer rules can be used")
    parser.add_argument("--cuts", type=int, default=2, help="ways to cut every message")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_intermixed_args()
    if not arguments.rule_data:
        return compare(arguments, arguments.files)
    with rule_data() as found:
        if not found:
            print("skipped: SLUICE_RULE_DATA names no folder with ET Open's rules")
            return 77
        return compare(arguments, found)


if __name__ == "__main__":
    sys.exit(main())
