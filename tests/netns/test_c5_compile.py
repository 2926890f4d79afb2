# SPDX-License-Identifier: Apache-2.0
"""C5: compiling goes on beside the traffic, is kept in a cache on disk, and is swapped in without a lost session."""
import concurrent.futures
import json
import os
import socket
import struct
import time

import pytest

from lab.appliance import FILTERS, configuration
from lab.clients import http_get, tls_connect

MANY = 30000


def rules(n, first=5000000, word="needle"):
    return "".join('alert http any any -> any any (msg:"number %d"; flow:to_server; http.uri; content:"/%s-%d-%d"; '
                   'pcre:"/%s-\\d+-\\d+/U"; sid:%d; rev:1;)\n' % (i, word, i * 7919 % 104729, i, word, first + i) for i in range(n))


def cache_of(lab):
    folder = lab.appliance.state_dir + "/cache"
    return sorted((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getmtime)


def commit(lab, filters):
    """seconds, and what the answer says of the filters"""
    started = time.monotonic()
    answer = lab.appliance.commit(configuration(lab.topology), filters)
    return time.monotonic() - started, answer["filters"]


def test_c5_a_second_commit_and_a_boot_take_what_the_cache_has(own_lab):
    lab = own_lab
    _, first = commit(lab, FILTERS + rules(2000))
    assert first["loaded"] == 2005 and not first.get("profiles_from_cache")
    _, again = commit(lab, FILTERS + rules(2000))
    assert again["profiles_from_cache"] == 1 and again["loaded"] == 2005 and again["refused"] == []
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset, "they are in force"
    lab.appliance.stop()
    lab.appliance.start()
    lab.appliance.wait_inspecting()
    assert lab.curl("/x?f=../../etc/passwd", "--path-as-is").reset
    _, other = commit(lab, FILTERS + rules(2000) + "# another byte\n")
    assert not other.get("profiles_from_cache"), "the key is of the whole text"


def test_c5_a_damaged_or_stale_cache_is_found_out_and_made_again(own_lab):
    lab = own_lab
    text = FILTERS + rules(50) + "this is no filter\n"
    commit(lab, text)
    for damage in (lambda data: data[:-1], lambda data: data[:len(data) // 2] + b"\xff" + data[len(data) // 2 + 1:], lambda data: b"",
                   lambda data: data[:32] + bytes(64) + data[96:]):
        path = cache_of(lab)[-1]
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(damage(data))
        _, answer = commit(lab, text)
        assert not answer.get("profiles_from_cache") and answer["loaded"] == 55 and len(answer["refused"]) == 1
        _, answer = commit(lab, text)
        assert answer["profiles_from_cache"] == 1 and len(answer["refused"]) == 1, "made again, with what was refused"
    assert lab.curl("/a?f=../../etc/passwd", "--path-as-is").reset


def test_c5_the_cache_is_bounded_and_private(own_lab):
    lab = own_lab
    for number in range(11):
        commit(lab, FILTERS + rules(3, word="word%d" % number))
    files = cache_of(lab)
    assert 1 <= len(files) <= 8, files
    assert all(os.stat(path).st_mode & 0o777 == 0o600 and os.stat(path).st_uid == 0 for path in files)
    assert commit(lab, FILTERS + rules(3, word="word10"))[1]["profiles_from_cache"] == 1, "those used last stay"
    assert not commit(lab, FILTERS + rules(3, word="word0"))[1].get("profiles_from_cache")


@pytest.mark.limit(180)
def test_c5_thirty_thousand_filters_are_swapped_in_and_no_session_is_lost(own_lab):
    lab = own_lab
    open_sessions = [tls_connect(lab.client, certificate=lab.certificate) for _ in range(20)]
    served, slowest = 0, 0.0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        swap = pool.submit(commit, lab, FILTERS + rules(MANY))
        while not swap.done():  # traffic goes on meanwhile, on open sessions and new ones
            started = time.monotonic()
            assert http_get(open_sessions[served % 20], "/during")[0] == 200
            if served % 10 == 0:
                with tls_connect(lab.client, certificate=lab.certificate) as fresh:
                    assert http_get(fresh, "/fresh")[0] == 200
            served, slowest = served + 1, max(slowest, time.monotonic() - started)
        seconds, filters = swap.result()
    assert filters["loaded"] == MANY + 5
    print("committed in %.1f s; %d requests meanwhile, the slowest took %.0f ms" % (seconds, served, slowest * 1000))
    assert served > 5
    for connection in open_sessions:
        assert http_get(connection, "/needle-7919-1")[0] == 200
        connection.close()
    assert lab.appliance.counters()["closed_internal"] == 0
    assert lab.curl("/needle-7919-1").ok
    lab.appliance.wait_record("alert", timeout=20, signature_id=5000001)
    assert lab.appliance.show("status")["config_version"] == 2


def test_c5_progress_is_told_before_the_answer(own_lab):
    """the message that the command line shows on a terminal"""
    lab = own_lab
    path = lab.appliance.write_configuration(configuration(lab.topology), FILTERS + rules(MANY // 3))
    control = socket.socket(socket.AF_UNIX)
    control.connect(lab.appliance.run_dir + "/control")
    files = [path, os.path.join(os.path.dirname(path), "local.rules")]
    request = json.dumps({"command": "check", "progress": True, "files": [os.path.basename(name) for name in files]}).encode()
    descriptors = [os.open(name, os.O_RDONLY) for name in files]
    socket.send_fds(control, [struct.pack("=I", len(request)) + request], descriptors)
    control.settimeout(60)
    data, messages = b"", []
    while not messages or "ok" not in messages[-1]:
        part = control.recv(1 << 20)
        assert part
        data += part
        while len(data) >= 4 and len(data) >= 4 + struct.unpack("=I", data[:4])[0]:
            size = struct.unpack("=I", data[:4])[0]
            messages.append(json.loads(data[4:4 + size]))
            data = data[4 + size:]
    for descriptor in descriptors:
        os.close(descriptor)
    assert messages[-1]["ok"], messages[-1]
    steps = [message["progress"] for message in messages[:-1]]
    assert steps and all(step["profile"] == "default" and 0 <= step["done"] <= step["total"] for step in steps), messages[:3]
