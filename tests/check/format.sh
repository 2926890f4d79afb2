#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every C file of ours is as clang-format-19 and the committed .clang-format would write it. format.sh --fix writes it so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
find src tests \( -name '*.c' -o -name '*.h' \) -print0 | sort -z | xargs -0 clang-format-19 "${mode[@]}"
