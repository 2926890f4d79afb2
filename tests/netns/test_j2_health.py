# SPDX-License-Identifier: Apache-2.0
"""J2: what the machine offers is found at start and told; CPU models that lack something are booted by vm/test."""


def test_j2_health_names_every_check_and_allows_inspection(lab):
    answer = lab.appliance.ask("show", "health")
    checks = {check["name"]: check for check in answer["checks"]}
    assert {"ssse3", "cpus", "memory", "rdrand", "entropy", "aes", "avx2", "avx512_ifma", "nics"} == set(checks)
    assert answer["ssl_inspection"] == "allowed" and not answer["refused_by"]
    with open("/proc/cpuinfo") as file:
        flags = next(line for line in file if line.startswith("flags")).split()
    for name, flag in (("ssse3", "ssse3"), ("aes", "aes"), ("avx2", "avx2"), ("avx512_ifma", "avx512ifma")):
        assert (checks[name]["state"] == "good") == (flag in flags), checks[name]
    for check in answer["checks"]:
        assert check["state"] == "good" or check["cost"], "what is missing says what it costs: %s" % check
