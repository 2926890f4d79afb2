# SPDX-License-Identifier: Apache-2.0
"""F1, F2: what a profile inherits acts on the wire, and what is Locked stays."""
import pytest

from lab.appliance import FILTERS, configuration
from lab.topology import CLIENT_IP, EXCEPTED_IP
from lab.traffic import ATTACK

CHILD_RULES = 'reject http any any -> any any (msg:"of the child"; http.uri; content:"of-the-child"; sid:4400000;)\n'


def inheriting(topology, **child):
    document = configuration(topology)
    document["profiles"].append(dict({"name": "child", "parent": "default"}, **child))
    document["virtual_segments"][0]["profile"] = "child"
    return document


@pytest.mark.quick
def test_f1_a_child_inspects_with_its_parent_s_policies_and_filters(own_lab):
    appliance = own_lab.appliance
    with open(own_lab.topology.path("child.rules"), "w") as out:
        out.write(CHILD_RULES)
    appliance.commit(inheriting(own_lab.topology, filter_packages=["child.rules"]))
    assert own_lab.curl(ATTACK + "&inherited", "--path-as-is").reset and not own_lab.curl("/of-the-child").ok
    assert not own_lab.nginx.saw("&inherited") and own_lab.curl("/fine").exit == 0
    appliance.wait_record("block", signature_id=4400000, profile="child", ssl_policy="web-policy")
    # a policy of the same name takes the inherited one's place: its exceptions are the child's alone
    own = [{"name": "web-policy", "ssl_server": "web", "source_address_exceptions": [CLIENT_IP]}]
    appliance.commit(inheriting(own_lab.topology, ssl_policies=own))
    assert own_lab.curl(ATTACK + "&excepted", "--path-as-is").exit == 0 and own_lab.nginx.wait_for("&excepted")


@pytest.mark.quick
def test_f2_a_locked_policy_changes_only_by_an_override_that_the_audit_log_tells(own_lab):
    appliance = own_lab.appliance

    def locked(exceptions, **child):
        document = inheriting(own_lab.topology, **child)
        document["profiles"][0]["ssl_policies"][0].update(locked=True, source_address_exceptions=exceptions)
        return document

    appliance.commit(locked([EXCEPTED_IP]))
    version = appliance.status()["config_version"]
    appliance.commit(dict(locked([EXCEPTED_IP]), limits={"idle_timeout_seconds": 77}))  # what is not locked may change
    changed = appliance.write_configuration(locked([EXCEPTED_IP, CLIENT_IP]))
    for words in ["commit", changed], ["rollback", str(version - 1)]:
        refused = appliance.command(*words, check=False)
        assert refused.returncode == 1 and "Locked SSL policy web-policy" in refused.stdout + refused.stderr
        assert "--override-locked" in refused.stdout + refused.stderr and appliance.status()["config_version"] == version + 1
    checked = appliance.command("check", changed)
    assert "has other source address exceptions" in checked.stdout + checked.stderr
    assert own_lab.curl(ATTACK + "&still-locked", "--path-as-is").reset
    appliance.command("commit", changed, "--override-locked")
    assert appliance.status()["config_version"] == version + 2
    told = [record for record in appliance.records("audit") if "lock overridden with version %d" % (version + 2) in record["message"]]
    assert {record["message"].split("profile ")[1].split(":")[0] for record in told} == {"default", "child"}
    assert all(record["user"] == "root" for record in told)
    assert own_lab.curl(ATTACK + "&excepted-now", "--path-as-is").exit == 0
    in_place = [{"name": "web-policy", "ssl_server": "web"}]
    refused = appliance.command("commit", appliance.write_configuration(locked([EXCEPTED_IP, CLIENT_IP], ssl_policies=in_place)), check=False)
    assert refused.returncode == 1 and "profile child: Locked SSL policy web-policy" in refused.stdout + refused.stderr


def test_f1_unused_inheritance_is_refused_with_its_place(lab):
    document = inheriting(lab.topology, parent="defualt")
    result = lab.appliance.command("check", lab.appliance.write_configuration(document, FILTERS), check=False)
    assert result.returncode == 1 and 'did you mean "default"?' in result.stdout + result.stderr
