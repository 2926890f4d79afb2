#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# headers.sh CC: every header compiles alone, so that a file needs to include only what it names itself.
# Headers of eBPF programs (*.bpf.h) are compiled for that target.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cc=${1:-cc}
boringssl=/usr/include/android
failed=0

compile() { # HEADER COMMAND...
	local header=$1
	shift
	printf '#include "%s"\n' "${header#src/}" | "$@" -Isrc -fsyntax-only -x c - && return
	echo "$header does not compile alone"
	failed=1
}

while read -r header; do
	case $header in
	*.bpf.h)
		compile "$header" clang-19 -target bpf -O2 -Wall "-I/usr/include/$(uname -m)-linux-gnu"
		;;
	src/tls/*)
		compile "$header" "$cc" -std=gnu17 -D_GNU_SOURCE -I"${BORINGSSL_INCLUDE_DIR:-$boringssl}"
		;;
	*)
		compile "$header" "$cc" -std=gnu17 -D_GNU_SOURCE
		;;
	esac
done < <(find src -name '*.h' | sort)
exit $failed
