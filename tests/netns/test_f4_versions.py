# SPDX-License-Identifier: Apache-2.0
"""F4: versions of the configuration: what was, who did it, and the way back."""
import os

import pytest

from lab.appliance import FILTERS, configuration
from lab.traffic import ATTACK

NEW_FILTER = 'reject http any any -> any any (msg:"of the second version"; http.uri; content:"second-version"; sid:4300000;)\n'


@pytest.mark.quick
def test_f4_rollback_brings_the_earlier_rules_back(own_lab):
    appliance = own_lab.appliance
    path = appliance.write_configuration(configuration(own_lab.topology), FILTERS + NEW_FILTER)
    first = appliance.status()["config_version"]
    second = appliance.ask("commit", path, "--comment", "a filter of my own")["config_version"]
    assert second == first + 1 and not own_lab.curl("/second-version").ok
    os.unlink(own_lab.topology.path("local.rules"))  # the store has its own copy
    back = appliance.ask("rollback", "--comment", "it blocks too much")
    assert back["config_version"] == second + 1 == appliance.status()["config_version"]
    assert own_lab.curl("/second-version").exit == 0 and own_lab.curl(ATTACK, "--path-as-is").reset

    newest, middle, *_ = appliance.ask("history")["versions"]
    assert (newest["version"], newest["rollback_of"], newest["in_force"]) == (second + 1, first, True)
    assert (newest["user"], newest["uid"], newest["comment"], newest["files"]) == ("root", 0, "it blocks too much", ["local.rules"])
    assert (middle["version"], middle["comment"], middle["in_force"]) == (second, "a filter of my own", False) and middle["from"]
    assert newest["time"] > middle["time"]
    difference = appliance.ask("diff", str(first), str(second))
    assert difference["changed_rule_files"] == ["local.rules"] and difference["diff"] == ""
    assert not appliance.ask("diff", str(first))["differs"]
    record = appliance.wait_record("audit", user="root", config_version=second + 1)
    assert "a copy of version %d" % first in record["message"] and "it blocks too much" in record["message"]

    assert appliance.ask("rollback", str(second))["config_version"] == second + 2
    assert not own_lab.curl("/second-version").ok
    refused = appliance.command("rollback", "999", check=False)
    assert refused.returncode == 1 and "history" in refused.stderr and appliance.status()["config_version"] == second + 2


def patched(text, diff):
    """the text that a unified diff makes of another, as patch(1) reads it"""
    old, new, at = text.splitlines(keepends=True), [], 0
    for line in diff.splitlines(keepends=True)[2:]:
        if line.startswith("@@"):
            start = int(line.split()[1][1:].split(",")[0]) - 1
            new += old[at:start]
            at = start
        elif line[0] == "+":
            new.append(line[1:])
        else:
            assert old[at] == line[1:]
            new += [old[at]] if line[0] == " " else []
            at += 1
    return "".join(new + old[at:])


@pytest.mark.quick
def test_f4_diff_and_configuration(own_lab):
    appliance = own_lab.appliance
    document = configuration(own_lab.topology)
    before = appliance.show("configuration")
    document["limits"] = {"idle_timeout_seconds": 77}
    path = appliance.write_configuration(document)
    promised = appliance.ask("diff", path)["diff"]
    assert "+limits: {idle_timeout_seconds: 77}" in promised.splitlines()
    appliance.commit(document)
    done = appliance.ask("diff")
    assert done["diff"].splitlines()[2:] == promised.splitlines()[2:]
    assert patched(before["text"], done["diff"]) == appliance.show("configuration")["text"]
    assert appliance.show("configuration", str(before["version"]))["text"] == before["text"]
    assert appliance.command("show", "configuration").stdout == appliance.show("configuration")["text"]


def test_f4_old_versions_are_pruned(own_lab):
    """more than are kept, made by hand: a commit leaves the newest twenty"""
    appliance = own_lab.appliance
    folder, version = appliance.state_dir + "/config", appliance.status()["config_version"]
    for number in range(version + 1, version + 22):
        os.mkdir("%s/files-%08d" % (folder, number))
        for name in "%08d.yaml" % number, "files-%08d/000" % number:
            with open(os.path.join(folder, name), "w") as out:
                out.write("device: {name: x}\n")
    newest = appliance.commit(configuration(own_lab.topology))["config_version"]
    assert newest == version + 22
    kept = [row["version"] for row in appliance.ask("history", "--limit", "500")["versions"]]
    assert kept == list(range(newest, newest - 20, -1))
    assert len(os.listdir(folder)) == 2 * 20 + 1  # documents and rule files; facts of the one that was committed
    assert own_lab.curl("/").ok


def damage(appliance, version, how):
    path = "%s/config/%08d.yaml" % (appliance.state_dir, version)
    if how == "bit flip":  # still a good document
        with open(path) as text:
            document = text.read()
        assert "workers: 2" in document
        with open(path, "w") as out:
            out.write(document.replace("workers: 2", "workers: 1"))
    elif how == "rule file":
        with open("%s/config/files-%08d/000" % (appliance.state_dir, version), "a") as out:
            out.write("# more\n")
    elif how == "truncated":
        os.truncate(path, os.path.getsize(path) // 2)
    elif how == "rule file gone":
        os.unlink("%s/config/files-%08d/000" % (appliance.state_dir, version))


@pytest.mark.quick
def test_f4_boot_takes_the_newest_version_that_is_good(own_lab):
    """each of the newer versions is damaged in another way"""
    appliance, document = own_lab.appliance, configuration(own_lab.topology)
    good = appliance.commit(document)["config_version"]
    ways = ["bit flip", "rule file", "truncated", "rule file gone"]
    for _ in ways:
        newest = appliance.commit(document)["config_version"]
    appliance.stop()
    for number, how in enumerate(ways):
        damage(appliance, good + 1 + number, how)
    # facts that went with the power, too: then the document itself has to tell
    os.unlink("%s/config/%08d.json" % (appliance.state_dir, newest))
    appliance.start()
    appliance.wait_inspecting()
    status = appliance.status()
    assert status["config_version"] == good and status["configuration_problem"]["version"] == newest
    assert own_lab.curl(ATTACK, "--path-as-is").reset
    said = [record["message"] for record in appliance.records("system") if record["severity"] == "critical"]
    assert any("version %d is in force in place of version %d" % (good, newest) in message for message in said)
    assert all(any("version %d cannot be put in force" % version in message for message in said) for version in range(good + 1, newest + 1))
    assert "ATTENTION" in appliance.command("show", "status").stdout
    assert any("configuration" in line for line in appliance.ask("watch", "--count", "1")["health"])
    # the next commit has a number of its own and ends the alarm
    assert appliance.commit(document)["config_version"] == newest + 1
    assert "configuration_problem" not in appliance.status()
    appliance.stop()
    appliance.start()
    appliance.wait_inspecting()
    assert appliance.status()["config_version"] == newest + 1


def test_f4_no_stored_version_is_good(own_lab):
    appliance = own_lab.appliance
    version = appliance.status()["config_version"]
    appliance.stop()
    damage(appliance, version, "truncated")
    appliance.start()
    appliance.wait_record("system", severity="critical", message="none of the stored configurations can be put in force: the wire is in "
                          "fallback without inspection; commit a good one")
    assert appliance.status()["config_version"] == 0 and own_lab.curl("/fallback").exit == 0
    appliance.commit(configuration(own_lab.topology))
    appliance.wait_inspecting()
    assert own_lab.curl(ATTACK, "--path-as-is").reset
