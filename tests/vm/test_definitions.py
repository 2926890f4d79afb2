# SPDX-License-Identifier: Apache-2.0
"""J3: what the deployment guide hands out is valid to libvirt; the OVA is what its manifest says."""
import glob
import hashlib
import os
import re
import tarfile
import xml.etree.ElementTree as ElementTree

import pytest

import machine as vm
from lab.namespace import run

VM = os.path.join(vm.REPOSITORY, "vm")


@pytest.mark.parametrize("path", sorted(glob.glob(VM + "/*.xml")), ids=os.path.basename)
def test_j3_libvirt_accepts(path):
    run("virt-xml-validate", path)
    define = "net-define" if os.path.basename(path).startswith("network") else "define"
    run("virsh", "-c", "test:///default", define, path)


def test_j3_the_virt_install_command_of_the_guide_makes_a_domain(tmp_path):
    with open(os.path.join(vm.REPOSITORY, "docs/deployment.md")) as guide:
        command = re.search(r"```\n(virt-install .*?)```", guide.read(), re.S).group(1).replace("\\\n", " ").splitlines()[0]
    disk, seed = tmp_path / "sluice.qcow2", tmp_path / "day0.yaml"
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, "1G")
    seed.write_text(vm.settings())
    words = command.replace("/var/lib/libvirt/images/sluice.qcow2", str(disk)).replace("day0.yaml", str(seed)).split()
    printed = run(*words[:1], "--connect", "test:///default", "--print-xml", "1", "--dry-run", *words[1:], timeout=120).stdout
    domain = ElementTree.fromstring(printed[:printed.index("</domain>") + len("</domain>")])
    interfaces = domain.findall("devices/interface")
    assert [interface.find("source").attrib for interface in interfaces] == [{"network": "default"}, {"bridge": "br-clients"}, {"bridge": "br-servers"}]
    assert int(domain.find("vcpu").text) >= 2 and domain.find("cpu").get("mode") == "host-passthrough"


def test_j3_the_ova_is_what_its_manifest_says(tmp_path):
    ova = vm.image().replace(".qcow2", ".ova")
    if not os.path.exists(ova):
        pytest.skip("built with --no-ova")
    with tarfile.open(ova) as archive:
        names = archive.getnames()
        assert [name.rsplit(".")[-1] for name in names] == ["ovf", "mf", "vmdk"], "DSP0243: the descriptor first"
        archive.extractall(tmp_path)
    for line in (tmp_path / names[1]).read_text().splitlines():
        name, digest = re.fullmatch(r"SHA256\((.+)\)= ([0-9a-f]{64})", line).groups()
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    ovf = ElementTree.parse(tmp_path / names[0])
    kinds = [item.text for item in ovf.iter() if item.tag.endswith("}ResourceSubType") and item.text == "VmxNet3"]
    connections = [item.text for item in ovf.iter() if item.tag.endswith("}Connection")]
    assert len(kinds) == 3 and connections == ["Management", "Port-1A", "Port-1B"]
    run("qemu-img", "check", tmp_path / names[2])


def test_j7_the_terraform_example_is_what_terraforms_own_parser_takes(tmp_path):
    """Debian has no terraform, but HashiCorp's parser; the program is compiled against the packages, without a network"""
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPATH="/usr/share/gocode", GOCACHE=str(tmp_path / "cache"), HOME=str(tmp_path))
    run("go", "build", "-o", tmp_path / "hcl", os.path.join(vm.REPOSITORY, "tests/check/hcl.go"), env=environment, timeout=300)
    blocks = run(tmp_path / "hcl", os.path.join(vm.REPOSITORY, "provisioning/terraform/main.tf")).stdout.splitlines()
    assert {"provider libvirt", "resource libvirt_domain sluice", "resource libvirt_cloudinit_disk day0"} <= set(blocks)
    broken = tmp_path / "broken.tf"
    broken.write_text('resource "x" {')
    assert run(tmp_path / "hcl", broken, check=False).returncode == 1
