# SPDX-License-Identifier: Apache-2.0
"""The local view of the logs (G7): queries on real records, across files, and --follow."""
import json
import os
import signal
import subprocess

from lab.namespace import wait_until


def test_g7_queries_find_what_they_ask_for(lab):
    lab.curl("/?x=/etc/passwd")
    lab.curl("/plain?marker=needle77")
    block = wait_until(lambda: lab.appliance.records("block"), 10, "a Block record")[-1]

    def ask(log, *arguments):
        return lab.appliance.ask("show", "log", log, *arguments)["records"]
    found = ask("block", "--filter", str(block["signature_id"]), "--client", block["src_ip"], "--server", block["ssl_server"], "--action", "block",
                "--since", "1h", "--text", "ETC/passwd", "--where", "session_id=%s http_method=GET" % block["session_id"])
    assert found == [block]
    assert ask("block", "--server", block["dest_ip"], "--where", "sequence=%d" % block["sequence"]) == [block]
    assert ask("block", "--until", "1h") == [] and ask("block", "--filter", "nosuch filter") == []
    assert ask("ssl_inspection", "--client", "10.0.0.0/8", "--limit", "1")
    for arguments, word in ((("--where", "nosuch=1"), "no field of a log"), (("--since", "yesterday"), "is no time")):
        refused = lab.appliance.command("show", "log", "block", *arguments, check=False)
        assert refused.returncode == 2 and word in refused.stderr, refused


def test_g7_newest_first_over_rotated_files_and_torn_ends(lab, tmp_path):
    directory = os.path.join(lab.appliance.state_dir, "log")
    for name in ("quarantine.json.1", "quarantine.json"):  # a log that nothing writes yet
        with open(os.path.join(directory, name), "w") as out:
            for number in range(30000):
                count = number + (30000 if name.endswith("json") else 0)
                out.write('{"timestamp":"2026-01-01T00:00:00.%06d+0000","log":"quarantine","sequence":%d,"url":"%s"}\n' % (count, count, "x" * 200))
            if name.endswith("json"):
                out.write('{"timestamp":"2026-01-01T00:0')
    try:
        def numbers(*arguments):
            return [r["sequence"] for r in lab.appliance.ask("show", "log", "quarantine", *arguments)["records"]]
        assert numbers("--limit", "3") == [59997, 59998, 59999]
        assert numbers("--limit", "40000") == list(range(20000, 60000))
        assert numbers("--where", "sequence<2") == [0, 1]
        assert numbers("--until", "2026-01-01T00:00:00Z") == []
    finally:
        for name in ("quarantine.json.1", "quarantine.json"):
            os.unlink(os.path.join(directory, name))


def test_g7_follow_shows_what_comes(lab):
    process = subprocess.Popen([os.path.join(lab.appliance.bin_dir, "sluice"), "--instance", lab.appliance.instance, "--json", "show", "log", "block",
                                "--follow", "--text", "follow-me"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell without job control ignores it
    try:
        wait_until(lambda: "inotify" in "".join(os.readlink("/proc/%d/fd/%s" % (process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % process.pid)),
                   10, "it to watch", pause=0.02)
        lab.curl("/?x=/etc/passwd&other=1")
        lab.curl("/?x=/etc/passwd&n=follow-me")
        record = json.loads(process.stdout.readline())
        assert record["log"] == "block" and "follow-me" in record["url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
