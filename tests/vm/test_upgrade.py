# SPDX-License-Identifier: Apache-2.0
"""J5: two root slots. One machine goes through upgrades that are refused, one that stays, two that do not, and a roll back. In the order of the
file; takes 10 to 25 minutes under emulation."""
import contextlib
import json
import os
import shutil
import threading
import time

import pytest

import machine as vm
from lab.clients import WEB_NAME, curl
from lab.namespace import run, wait_until
from lab.peers import Certificate, Nginx
from lab.topology import SERVER_IP, Topology

PATIENCE = 60
IMAGES = os.path.dirname(vm.image())
STAGE = os.path.join(vm.REPOSITORY, "vm/stages/55-update")
REFUSAL = "version 1:3:5: unknown key \"from_the_future\""


class Updates:
    """update files made of this image's root slot: the same, and damaged in ways that each check has to find"""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "updates")
        os.makedirs(self.folder)

    def slot(self, name, edits):
        path = os.path.join(self.folder, name + ".ext4")
        run("cp", "--sparse=always", os.path.join(IMAGES, "slot.ext4"), path)
        for edit in edits:
            run("debugfs", "-w", "-R", edit, path)
        return path

    def file(self, text, mode="0100755"):
        path = os.path.join(self.folder, "text-%d" % len(os.listdir(self.folder)))
        with open(path, "w") as out:
            out.write(text)
        return path

    def make(self, version, *edits):
        slot = self.slot(version, edits)
        run(STAGE, env=dict(os.environ, VM_OUT=IMAGES, UPDATE_SLOT=slot, UPDATE_VERSION=version, UPDATE_COMPRESSION="1",
                            UPDATE_FILE=os.path.join(self.folder, version + ".update")), timeout=600)
        os.unlink(slot)

    def medium(self):
        path = self.folder + ".iso"
        run("xorriso", "-as", "mkisofs", "-quiet", "-V", "UPDATES", "-J", "-r", "-o", path,
            *[os.path.join(self.folder, name) for name in os.listdir(self.folder) if name.endswith(".update")])
        shutil.rmtree(self.folder)
        return path


def replace(path, with_file, mode):
    return ["rm " + path, "write %s %s" % (with_file, path), "set_inode_field %s mode %s" % (path, mode)]


def make_updates(folder):
    updates = Updates(folder)
    updates.make("9.0.1")
    refusing = updates.file("#!/bin/sh\necho '%s' >&2\nexit 1\n" % REFUSAL)
    updates.make("9.0.2", *replace("/usr/sbin/sluiced", refusing, "0100755"))
    updates.make("9.0.3", "rm /vmlinuz")
    unit = updates.file("[Service]\nExecStart=\nExecStart=/usr/lib/sluice/confirm --wait 60\n")
    updates.make("9.0.4", "rm /usr/sbin/sluice-proxy", "mkdir /etc/systemd/system/sluice-confirm.service.d",
                 "write %s /etc/systemd/system/sluice-confirm.service.d/short.conf" % unit)
    with open(os.path.join(updates.folder, "9.0.1.update"), "rb") as good, open(os.path.join(updates.folder, "9.0.5.update"), "wb") as bad:
        shutil.copyfileobj(good, bad)
        bad.seek(1 << 20)
        bad.write(b"\0" * 65536)
    with open(os.path.join(updates.folder, "junk.update"), "wb") as junk:
        junk.write(os.urandom(1 << 20))
    return updates.medium()


@pytest.fixture(scope="module")
def site():
    with contextlib.ExitStack() as stack:
        class Site:
            pass
        it = Site()
        it.topology = stack.enter_context(Topology())
        it.certificate = Certificate(it.topology.directory, "web-rsa", WEB_NAME)
        it.nginx = stack.enter_context(Nginx(it.topology, it.certificate))
        it.machine = vm.Machine(it.topology, media=[make_updates(it.topology.directory)])
        stack.callback(it.machine.remove)
        it.machine.prepare()
        it.machine.write_seed(vm.settings(None, it.machine.public_key), files=[vm.pkcs12(it.topology, it.certificate)])
        it.machine.start()
        it.machine.wait_ssh()
        it.machine.wait_inspecting()
        it.machine.ssh("sudo mkdir -p /run/updates && sudo mount -o ro /dev/disk/by-label/UPDATES /run/updates")
        yield it


def slots(site):
    answer = site.machine.ask("system", "slots")
    return {slot["slot"]: slot for slot in answer["slots"]}, answer


def upgrade(site, version, *options):
    """the CLI's answer"""
    site.machine.ssh("mountpoint -q /run/updates || { sudo mkdir -p /run/updates; sudo mount -o ro /dev/disk/by-label/UPDATES /run/updates; }")
    result = site.machine.ssh("sudo sluice --json system upgrade /run/updates/%s.update %s" % (version, " ".join(options)), check=False, timeout=900)
    return json.loads(result.stdout)


def boot_id(site):
    return site.machine.ssh("cat /proc/sys/kernel/random/boot_id", check=False).stdout.strip()


def settled(site):
    """the boot's health check has said its word"""
    state = site.machine.ssh("systemctl show -P ActiveState sluice-confirm", check=False).stdout.strip()
    return state == "active"


def wait_another_boot(site, before, timeout=vm.BOOT_SECONDS):
    wait_until(lambda: boot_id(site) not in ("", before), timeout, "another boot; console:\n" + site.machine.said()[-2000:], pause=2)


def web(site, path):
    return curl(site.topology.client, path, certificate=site.certificate, timeout=PATIENCE)


class Pings:
    """one a tenth of a second through the wire: how long nothing passed"""

    def __init__(self, site):
        self.site, self.ended, self.answers = site, False, []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended:
            if self.site.topology.client.run("ping", "-c1", "-W1", "-n", SERVER_IP, check=False).returncode == 0:
                self.answers.append(time.monotonic())
            time.sleep(0.1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()

    def longest_silence(self):
        return max(b - a for a, b in zip(self.answers, self.answers[1:]))


def test_j5_the_image_runs_from_slot_a(site):
    wait_until(lambda: settled(site), vm.BOOT_SECONDS, "the health check", pause=2)
    by_name, _ = slots(site)
    assert by_name["a"]["booted"] and by_name["a"]["next"] and by_name["a"]["good"]
    assert not by_name["b"]["booted"] and not by_name["b"]["good"]
    refused = site.machine.ssh("sudo sluice --json system rollback", check=False)
    assert "holds no version" in json.loads(refused.stdout)["error"]


@pytest.mark.parametrize("version,why", [("junk", "no update for this appliance"), ("9.0.5", ""), ("nothing", "cannot be read")])
def test_j5_what_is_not_ours_is_refused(site, version, why):
    answer = upgrade(site, version)
    assert not answer["ok"] and why in answer["error"], answer
    by_name, _ = slots(site)
    assert by_name["a"]["next"] and not by_name["b"]["good"], "nothing has changed"


def test_j5_a_version_that_does_not_take_the_configuration_is_not_booted(site):
    answer = upgrade(site, "9.0.2", "--reboot")
    assert not answer["ok"] and REFUSAL in answer["error"], answer
    by_name, _ = slots(site)
    assert by_name["a"]["next"]
    assert web(site, "/still").ok


def test_j5_an_upgrade_stays_with_configuration_and_keys(site):
    before = boot_id(site)
    with Pings(site) as pings:
        answer = upgrade(site, "9.0.1", "--reboot")
        assert answer["ok"] and answer["to"] == "9.0.1" and answer["slot"] == "b", answer
        wait_another_boot(site, before)
        site.machine.wait_inspecting()
        wait_until(lambda: settled(site), vm.BOOT_SECONDS, "the health check", pause=2)
    print("J5: nothing passed for %.0f s" % pings.longest_silence())
    by_name, answer = slots(site)
    assert by_name["b"]["booted"] and by_name["b"]["next"] and by_name["b"]["good"] and by_name["b"]["version"] == "9.0.1"
    assert answer["last"]["state"] == "confirmed" and "upgrade" not in answer
    assert web(site, "/upgraded").ok
    assert site.nginx.saw("/upgraded")
    assert web(site, "/x?f=/etc/passwd").reset and not site.nginx.saw("/etc/passwd"), "the filters are in force, on what the stored key decrypts"
    assert "is as well as before" in site.machine.ssh("sudo sluice show log system").stdout


@pytest.mark.parametrize("version,reason", [("9.0.3", "it did not start"), ("9.0.4", "the newest configuration cannot be put in force")])
def test_j5_a_version_that_is_not_well_does_not_stay(site, version, reason):
    before = boot_id(site)
    answer = upgrade(site, version, "--reboot")
    assert answer["ok"] and answer["slot"] == "a", answer
    wait_another_boot(site, before)
    wait_until(lambda: site.machine.ssh("grep -o rauc.slot=b /proc/cmdline", check=False).stdout.strip() == "rauc.slot=b" and
               settled(site) and "last" in slots(site)[1] and slots(site)[1]["last"]["to"] == version,
               2 * vm.BOOT_SECONDS, "slot b again; console:\n" + site.machine.said()[-2000:], pause=3)
    by_name, answer = slots(site)
    assert by_name["b"]["booted"] and by_name["b"]["next"] and not by_name["a"]["good"]
    assert answer["last"]["state"] == "failed" and answer["last"]["reason"] == reason, answer
    site.machine.wait_inspecting()
    assert web(site, "/back").ok
    assert reason in site.machine.ssh("sudo sluice show log system").stdout


def test_j5_the_way_back_by_the_operator(site):
    assert upgrade(site, "9.0.1")["ok"]
    taken_back = json.loads(site.machine.ssh("sudo sluice --json system rollback").stdout)
    assert taken_back["kind"] == "withdrawn"
    before = boot_id(site)
    answer = json.loads(site.machine.ssh("sudo sluice --json system rollback --reboot", check=False).stdout)
    assert answer["ok"] and answer["kind"] == "rollback", answer
    wait_another_boot(site, before)
    site.machine.wait_inspecting()
    wait_until(lambda: settled(site), vm.BOOT_SECONDS, "the health check", pause=2)
    by_name, _ = slots(site)
    assert by_name["a"]["booted"] and by_name["a"]["good"]
    assert web(site, "/rolled-back").ok
