#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rule_data.sh INSPECT_REPORT: how much of a public rule set loads (C1). The rules are not ours to ship: SLUICE_RULE_DATA
# names a folder that holds ET Open, as *.rules files or as the archive it is published as.
set -eu
report=$1
if [ -z "${SLUICE_RULE_DATA:-}" ] || [ ! -d "$SLUICE_RULE_DATA" ]; then
	echo "skipped: SLUICE_RULE_DATA names no folder with ET Open's rules"
	exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for archive in "$SLUICE_RULE_DATA"/*.tar.*; do
	if [ -f "$archive" ]; then tar -C "$folder" -xf "$archive"; fi
done
cp "$SLUICE_RULE_DATA"/*.rules "$folder" 2>/dev/null || true
mkdir "$folder/rules"
find "$folder" -path "$folder/rules" -prune -o -name '*.rules' -exec mv {} "$folder/rules/" \;
if [ -z "$(ls "$folder/rules")" ]; then
	echo "skipped: no *.rules in $SLUICE_RULE_DATA"
	exit 77
fi
"$report" --reasons streams --min http=95 --min requests=97 --min streams=90 --max-idle 6144 "$folder/rules"
