#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD: what cmake --install puts where, and what systemd says of the service.
set -euo pipefail
build=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
	echo "install: $*" >&2
	exit 1
}

DESTDIR=$root cmake --install "$build" > /dev/null
unit=$(find "$root" -name 'sluice@.service')
[ -n "$unit" ] || fail "no unit"
for name in sluiced sluice sluice-proxy sluice-keys sluice-log; do
	program=$(find "$root" -path "*/sbin/$name")
	[ -x "$program" ] || fail "$name is not installed"
done
for name in sluice.1 sluiced.8 sluice.conf bash-completion/completions/sluice sluice-metrics.socket monitoring/SLUICE-MIB.txt \
	monitoring/zabbix-template.yaml monitoring/librenms/os_discovery/sluice.yaml; do
	[ -n "$(find "$root" -path "*/$name")" ] || fail "$name is not installed"
done
# every program has its page, and no page has a mistake that groff sees
for program in "$root"/usr/local/{sbin,bin}/* "$root"/usr/{sbin,bin}/*; do
	[ ! -e "$program" ] || [ -n "$(find "$root" -path "*/man/*/$(basename "$program").[18]")" ] || fail "$(basename "$program") has no manual page"
done
if command -v groff > /dev/null; then
	for page in $(find "$root" -path '*/man/*' -type f); do
		said=$(cd "$(dirname "$page")/.." && groff -man -ww -z "$page" 2>&1) || true
		[ -z "$said" ] || fail "$page: $said"
	done
fi
start=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
[ -x "$root$start" ] || fail "the unit starts $start, which is not installed"

metrics=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$(find "$root" -name 'sluice-metrics@.service')")
[ -x "$root$metrics" ] || fail "sluice-metrics@.service starts $metrics, which is not installed"

command -v systemd-analyze > /dev/null || { echo "systemd-analyze is not here: the unit is not judged"; exit 0; }
cp "$unit" "$root/sluice@test.service"
sed -i "s,^ExecStart=,ExecStart=$root," "$root/sluice@test.service"
said=$(systemd-analyze verify --man=no "$root/sluice@test.service" 2>&1 | grep -F 'sluice@' || true)
[ -z "$said" ] || fail "systemd-analyze verify: $said"
mkdir "$root/units"
for name in sluice-metrics@.service sluice-metrics.socket; do
	sed "s,^ExecStart=,ExecStart=$root," "$(find "$root" -path "*/systemd/system/$name")" > "$root/units/$name"
done
said=$(SYSTEMD_UNIT_PATH="$root/units:" systemd-analyze verify --man=no "$root/units/sluice-metrics.socket" 2>&1 | grep -F 'sluice-metrics' || true)
[ -z "$said" ] || fail "systemd-analyze verify: $said"
# 6.2 with systemd 252: it must be root, with capabilities over networks and eBPF, in the host's mount namespace
systemd-analyze security --offline=true --no-pager --threshold=65 "$root/sluice@test.service" > "$root/security" 2>&1 ||
	fail "systemd-analyze security: $(tail -1 "$root/security")"
tail -1 "$root/security"
