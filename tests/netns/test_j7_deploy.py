# SPDX-License-Identifier: Apache-2.0
"""J7 without a hypervisor: sluice-deploy on libvirt's test driver, and the examples for Terraform and Ansible. tests/vm/test_deploy.py
has the real one."""
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from lab.appliance import REPOSITORY
from lab.namespace import run

EXAMPLES = os.path.join(REPOSITORY, "provisioning")


@pytest.fixture
def programs(request):
    folder = request.config.getoption("--bin-dir") or os.path.join(REPOSITORY, "build/release/bin")
    if not os.path.exists(os.path.join(folder, "sluice-deploy")):
        pytest.skip("sluice-deploy is not built: its libraries are not here")
    return folder


@pytest.fixture
def deploy(programs):
    def call(*words, check=True):
        environment = dict(os.environ, LIBVIRT_DEFAULT_URI="test:///default", ASAN_OPTIONS="detect_leaks=0")
        return run(os.path.join(programs, "sluice-deploy"), *words, check=check, env=environment, timeout=60)
    return call


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "sluice.qcow2"
    run("truncate", "-s", "4096", path)
    with open(path, "r+b") as file:
        file.write(b"QFI\xfb\0\0\0\3")
    return path


@pytest.mark.quick
def test_j7_a_dry_run_prints_a_machine_that_is_valid_and_the_hosts_commands(deploy, image, tmp_path):
    ports = ["--port-a", "bridge=br-clients", "--port-b", "bridge=br-servers"]
    answer = json.loads(deploy("deploy", "gate", "--image", image, *ports, "--sessions", "100000", "--dry-run", "--json").stdout)
    domain = ElementTree.fromstring(answer["domain_xml"])
    assert int(domain.find("vcpu").text) == 5 and int(domain.find("memory").text) >= 8192
    macs = [interface.find("mac").get("address") for interface in domain.findall("devices/interface")]
    assert len(set(macs)) == 3 and all(mac.startswith("52:54:00:") for mac in macs)
    assert "ip link add br-clients type bridge mcast_snooping 0 " in answer["host_commands"]
    path = tmp_path / "domain.xml"
    path.write_text(answer["domain_xml"])
    run("virsh", "-c", "test:///default", "define", "--validate", path)
    # the commands are commands: a bridge made with them has no finding left
    namespace = "sluice-j7-%d" % os.getpid()
    commands = "\n".join(line.split("    #")[0] for line in answer["host_commands"].splitlines() if "PHYSICAL" not in line and not line.startswith("sysctl"))
    run("ip", "netns", "add", namespace)
    try:
        run("ip", "netns", "exec", namespace, "sh", "-ec", commands)
        links = json.loads(run("ip", "-n", namespace, "-d", "-j", "link", "show", "type", "bridge").stdout)
        facts = {link["ifname"]: link["linkinfo"]["info_data"] for link in links}
        assert sorted(facts) == ["br-clients", "br-servers"]
        assert all(fact["mcast_snooping"] == 0 and fact["stp_state"] == 0 for fact in facts.values()), facts
    finally:
        run("ip", "netns", "delete", namespace)


def test_j7_a_dry_run_names_functions_of_two_physical_ports(deploy, image):
    result = deploy("deploy", "gate", "--image", image, "--port-a", "vf=ens1f0:0", "--port-b", "vf=ens2f0:3", "--dry-run")
    assert "ip link set ens1f0 vf 0 trust on spoofchk off\nip link set ens2f0 vf 3 trust on spoofchk off\n" in result.stdout
    assert result.stdout.count('<interface type="hostdev" managed="yes">') == 2
    same = deploy("deploy", "gate", "--image", image, "--port-a", "vf=ens1f0:0", "--port-b", "vf=ens1f0:1", "--dry-run", check=False)
    assert same.returncode == 1 and "two physical ports" in same.stderr


@pytest.mark.quick
def test_j7_exit_status_and_json_errors(deploy, image, tmp_path):
    assert deploy("deplyo", check=False).returncode == 2
    unreachable = deploy("status", "gate", "--connect", "qemu+unix:///system?socket=%s/none" % tmp_path, "--json", check=False)
    assert unreachable.returncode == 3
    error = json.loads(unreachable.stdout)["error"]
    assert str(tmp_path) in error["what"] and "libvirtd" in error["mend"]
    refused = deploy("deploy", "gate", "--image", image, "--port-a", "bridge=br-none", "--port-b", "bridge=br-none2", "--json", check=False)
    assert refused.returncode == 1 and "not ready" in json.loads(refused.stdout)["error"]["what"]
    assert deploy("status", "nobody", check=False).returncode == 1
    assert deploy("status", "test", check=False).returncode == 4, "a machine that is not Sluice is not well"


def test_j7_bash_completes_commands_options_and_files(programs):
    script = """
        PATH=%s:$PATH; . %s/sluice-deploy.bash-completion
        complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _sluice_deploy 2>/dev/null; echo "${COMPREPLY[*]}"; }
        complete_line sluice-deploy de
        complete_line sluice-deploy deploy --port
        complete_line sluice-deploy deploy x --image /etc/hos
    """ % (programs, EXAMPLES)
    lines = run("bash", "-c", script, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0")).stdout.splitlines()
    assert lines[:2] == ["deploy", "--port-a --port-b"] and "/etc/hosts" in lines[2]


def test_j7_day0_of_the_terraform_example_is_good(programs):
    run(os.path.join(programs, "sluice-day0"), "check", os.path.join(EXAMPLES, "terraform/day0.yaml"))


def test_j7_the_ansible_example_is_a_playbook_and_its_day0_is_good(programs, tmp_path):
    jinja2, yaml = pytest.importorskip("jinja2"), pytest.importorskip("yaml")
    folder = os.path.join(EXAMPLES, "ansible")
    environment = dict(os.environ, HOME=str(tmp_path), ANSIBLE_LOCAL_TEMP=str(tmp_path), ANSIBLE_NOCOLOR="1")
    subprocess.run(["ansible-playbook", "--syntax-check", "-i", "inventory.yml", "deploy.yml"], cwd=folder, env=environment, check=True, timeout=60)
    with open(os.path.join(folder, "inventory.yml")) as text:
        host, = yaml.safe_load(text)["hypervisors"]["hosts"].values()
    loader = jinja2.Environment(loader=jinja2.FileSystemLoader(os.path.join(folder, "templates")), undefined=jinja2.StrictUndefined)
    loader.filters["to_json"] = json.dumps
    rendered = tmp_path / "day0.yaml"
    rendered.write_text(loader.get_template("day0.yaml.j2").render(**host))
    run(os.path.join(programs, "sluice-day0"), "check", rendered)
    # every option that the playbook gives is one
    with open(os.path.join(folder, "deploy.yml")) as text:
        commands = [words for words in text.read().split("ansible.builtin.command:")[1:] if "sluice-deploy" in words]
    known = run(os.path.join(programs, "sluice-deploy"), "deploy", "--help").stdout
    used = {word.split("=")[0] for words in commands for word in words.split("register:")[0].split() if word.startswith("--")}
    assert used and all(" %s " % option in known for option in used), used
