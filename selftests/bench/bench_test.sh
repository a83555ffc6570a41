#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the bench find a number for everything that its table promises?
#
# What the numbers are is not judged. The rows of the bpftrace scripts are left
# out, as these take long to attach; ../bpftrace.sh tries the scripts.

here=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=../tap.sh
. "$here/../tap.sh"

# Each row as "section / what / condition: how many numbers"
rows()
{
	awk '
	/^[A-Z ]+, / { section = substr($0, 1, index($0, ",") - 1); what = ""; next }
	/^[a-z]/ { what = " / " $0; next }
	/^  / {
		row = substr($0, 3, 34)
		sub(/ +$/, "", row)
		cells = substr($0, 37)
		n = gsub(/[-+]?[0-9][0-9,]*/, "", cells)
		gsub(/ /, "", cells)
		print section what " / " row ": " n (cells == "" ? "" : " and " cells)
	}' "$1"
}

# each SECTION WHAT NUMBERS CONDITION...
each()
{
	local section=$1 what=$2 numbers=$3 condition

	shift 3
	for condition in "$@"; do
		echo "$section / $what / $condition: $numbers"
	done
}

expected()
{
	local what states=("module not loaded" "loaded, nothing watched"
		"another process watched" watched)

	for what in "first write to a page" "first read of a page" \
		"page of a file, in memory (16 are mapped around it)"; do
		each ONE "$what" 4 "${states[@]}" "watched, and cat events.bin"
	done
	each ONE "mremap: a page moves" 4 "${states[@]}"
	each ONE "fork, exit, wait" 4 "${states[@]}" "watched, and the children"
	each ONE "exec of a static program" 4 "${states[@]}"
	for what in "brk: a page more, a page less" \
		"mmap and munmap of a page, a VMA of its own" \
		"mmap and munmap of a page, part of a VMA" \
		"mprotect twice: a VMA in three, and one again"; do
		each "BY NUMBER OF VMAS" "$what" 2 "${states[@]:1}" "watched since it had few"
	done
	each "BY NUMBER OF VMAS" "first write to a page" 2 "${states[@]:1}"
	echo "COMMANDS / watch: 2"
	echo "COMMANDS / unwatch: 2"
	echo "COMMANDS / first watch after insmod, 100 VMAs: 1"
	echo "COMMANDS / first watch later, 100 VMAs: 1"
	echo "COMMANDS / last unwatch: 1"
}

echo "TAP version 13"
[ "$(id -u)" -eq 0 ] || skip_all "only root can load modules"
[ -x "$here/../../build/selftests/bench/bench_memory" ] ||
	skip_all "bench_memory is not built: make -C selftests"
[ -e /proc/brkscope/control ] || skip_all "the module is not loaded"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$here/run" --quick --no-bpftrace >"$work/table" 2>"$work/err"
status=$?
sed 's/^/# /' "$work/err"
result $status "the bench comes to its end"
expected >"$work/expected"
rows "$work/table" >"$work/rows"
diff "$work/expected" "$work/rows" >"$work/diff"
status=$?
sed 's/^/# /' "$work/diff"
result $status "its table has a number for each operation, state and size, and no other row"
[ -e /proc/brkscope/control ]
result $? "it leaves the module loaded"
echo "1..$number"
totals
