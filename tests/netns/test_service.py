# SPDX-License-Identifier: Apache-2.0
"""The service's limits hold for what the appliance does: started with no more capabilities than sluice@.service gives."""
import os
import re

from lab.appliance import REPOSITORY
from lab.traffic import ATTACK


def test_capabilities_of_the_service_are_enough(own_lab, tmp_path):
    lab = own_lab
    with open(os.path.join(REPOSITORY, "provisioning/systemd/sluice@.service.in")) as text:
        names = re.search(r"^CapabilityBoundingSet=(.*)$", text.read(), re.MULTILINE).group(1).split()
    bounded = ",".join(["-all", *("+" + name[4:].lower() for name in names)])
    lab.appliance.stop()
    program, programs = tmp_path / "sluiced", lab.appliance.bin_dir
    program.write_text('#!/bin/sh\nexec setpriv --no-new-privs --bounding-set %s %s/sluiced --bin-dir %s "$@"\n' % (bounded, programs, programs))
    program.chmod(0o755)
    try:
        lab.appliance.bin_dir = str(tmp_path)
        lab.appliance.start()
    finally:
        lab.appliance.bin_dir = programs
    with open("/proc/%d/status" % lab.appliance.supervisor.pid) as status:
        held = dict(line.split(":\t") for line in status.read().splitlines() if ":\t" in line)
    assert held["NoNewPrivs"] == "1" and bin(int(held["CapBnd"], 16)).count("1") <= len(names)  # fewer where this host has fewer
    lab.appliance.wait_inspecting()
    assert lab.curl("/in-service").ok and lab.curl(ATTACK, "--path-as-is").reset
    lab.appliance.command("certificate", "import", "again", "--cert", lab.certificate.certificate, "--key", lab.certificate.key)
    version = lab.appliance.status()["config_version"]
    assert lab.appliance.ask("rollback", str(version))["config_version"] == version + 1
    os.kill(lab.appliance.children()["worker %d" % min(lab.appliance.workers())], 9)
    lab.appliance.wait_inspecting(2)
    assert lab.curl("/in-service-again").ok
