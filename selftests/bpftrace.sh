#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do the bpftrace scripts say what happens, and does the module say the same?
#
# bpftrace_target, whose every break move, VMA change and page fault is known,
# runs once under all three scripts and, if it is loaded, the module. It waits
# until every watcher is attached, works, and waits again until their results
# are read. Its own list is held against each script's lines; sums are written
# out here. Needs root and a few seconds for each script to attach, 20 to 50
# times that under plain emulation.

here=$(cd "$(dirname "$0")" && pwd)
scripts=$here/../user/bpftrace
disk_file=$here/bpftrace_target.c	# any that nobody maps
target=$here/../build/selftests/bpftrace_target
proc=/proc/brkscope
patience=${BPFTRACE_PATIENCE:-900}	# seconds to wait for anything
work=
# shellcheck source=tap.sh
. "$here/tap.sh"

finish()
{
	local pid

	exec 3>&-
	for pid in $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	[ -z "$work" ] || rm -rf "$work"
}

bail_out()
{
	echo "Bail out! $1"
	sed 's/^/# /' "$work"/*.err 2>/dev/null
	exit 1
}

# same EXPECTED SEEN SENTENCE: two files are equal and say something
same()
{
	local status=0

	if [ ! -s "$1" ] || ! diff -u "$1" "$2" >"$work/diff"; then
		status=1
		echo "# expected $(wc -l <"$1") lines, see how $(basename "$2") differs:"
		sed 's/^/# /' "$work/diff"
	fi
	result $status "$3"
}

# equal SENTENCE [NAME EXPECTED SEEN]...: all pairs of values are equal
equal()
{
	local status=0 sentence=$1

	shift
	while [ $# -gt 0 ]; do
		if [ "$2" != "$3" ] || [ -z "$2" ]; then
			echo "# $1: expected ${2:-a value}, seen ${3:-none}"
			status=1
		fi
		shift 3
	done
	result $status "$sentence"
}

# wait_for SENTENCE COMMAND...: until the command succeeds
wait_for()
{
	local what=$1 end=$((SECONDS + patience))

	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || bail_out "$what: not within $patience s"
		sleep 0.1
	done
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# The value of @MAP[KEY] at the end of a script's output: sum brk 'calls[same]'
sum()
{
	sed -n "s/^@$(printf '%s' "$2" | sed 's/[][]/\\&/g'): //p" "$work/$1.out"
}

summary()
{
	sed -n "s/^$1: //p" "$work/summary"
}

missing()
{
	[ "$(id -u)" -eq 0 ] || echo -n "not root; "
	command -v bpftrace >/dev/null || echo -n "bpftrace is not installed; "
	[ -e /sys/kernel/btf/vmlinux ] || echo -n "no BTF in /sys/kernel/btf; "
	[ -d /sys/kernel/tracing/events/syscalls/sys_enter_brk ] ||
	[ -d /sys/kernel/debug/tracing/events/syscalls/sys_enter_brk ] ||
		echo -n "no system call tracepoints (tracefs, CONFIG_FTRACE_SYSCALLS); "
}

get_target()
{
	[ -x "$target" ] && return
	target=$work/bpftrace_target
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -pthread -o "$target" \
		"$here/bpftrace_target.c" 2>"$work/cc.err" ||
		skip_all "no bpftrace_target (make -C selftests), no compiler for it"
}

start_target()
{
	mkfifo "$work/go"
	"$target" "$disk_file" <"$work/go" >"$work/target.out" 2>"$work/target.err" &
	exec 3>"$work/go"
	wait_for "the target makes its memory resident" \
		grep -q '^ready' "$work/target.out"
	pid=$(sed -n 's/^ready //p' "$work/target.out")
}

# start NAME ARGUMENTS...: bpftrace in the background, its output in NAME.out
start()
{
	local name=$1

	shift
	bpftrace -B line "$@" >"$work/$name.out" 2>"$work/$name.err" 3>&- &
	eval "${name}_pid=$!"
}

# A script's first line comes out once everything is attached.
has_header()
{
	grep -qs '^TIME_NS' "$work/$1.out"
}

header_or_end()
{
	has_header "$1" || ended "$2"
}

# attached NAME PID
attached()
{
	wait_for "$1.bt attaches" header_or_end "$1" "$2"
	has_header "$1" || bail_out "$1.bt did not attach"
}

# The lines of a script, without the time and other columns: lines brk 2-8.
# bpftrace prints one CPU's after another's; their times tell the order.
lines()
{
	tr -s ' ' <"$work/$1.out" | sed 's/ $//' | grep -E '^[0-9]+ ' |
		sort -s -n -k 1,1 | cut -d ' ' -f "$2"
}

watch_module()
{
	[ -e $proc/control ] || return
	echo "watch $pid" >$proc/control ||
		bail_out "the module does not watch: $(sed -n 's/^last_error: //p' $proc/control)"
}

read_module()
{
	[ -e $proc/control ] || return
	cat "$proc/$pid/summary" >"$work/summary"
	cat "$proc/$pid/brk" >"$work/module-brk"
	dd if="$proc/$pid/events" of="$work/events" iflag=nonblock bs=64k 2>/dev/null
}

check_brk()
{
	sed -n 's/^brk //p' "$work/target.out" >"$work/expected"
	lines brk 2-8 >"$work/brk.lines"
	same "$work/expected" "$work/brk.lines" \
		"brk.bt lists each move of the break with its numbers, and no other"
	equal "brk.bt sums up 3 grown, 1 shrunk, 1 same, 1 refused, 2 queries" \
		grown 3 "$(sum brk 'calls[grown]')" \
		shrunk 1 "$(sum brk 'calls[shrunk]')" \
		same 1 "$(sum brk 'calls[same]')" \
		refused 1 "$(sum brk 'calls[refused]')" \
		query 2 "$(sum brk 'calls[query]')" \
		"bytes grown" $((18 * 4096 + 10)) "$(sum brk 'bytes[grown]')" \
		"bytes shrunk" $((8 * 4096 + 10)) "$(sum brk 'bytes[shrunk]')" \
		lost 0 "$(sum brk 'lost[calls whose end was not seen]')"
}

check_vma()
{
	sed -n 's/^vma //p' "$work/target.out" >"$work/expected"
	lines vma 2-9 >"$work/vma.lines"
	same "$work/expected" "$work/vma.lines" \
		"vma.bt lists each call that changes VMAs, and those that were refused"
	equal "vma.bt sums up the calls, the failures, the bytes" \
		mmap 7 "$(sum vma 'calls[mmap]')" \
		munmap 2 "$(sum vma 'calls[munmap]')" \
		mremap 3 "$(sum vma 'calls[mremap]')" \
		mprotect 2 "$(sum vma 'calls[mprotect]')" \
		brk 6 "$(sum vma 'calls[brk]')" \
		"mmap failed" 1 "$(sum vma 'failed[mmap]')" \
		"munmap failed" 1 "$(sum vma 'failed[munmap]')" \
		"mremap failed" 1 "$(sum vma 'failed[mremap]')" \
		"mprotect failed" 1 "$(sum vma 'failed[mprotect]')" \
		"brk failed" 1 "$(sum vma 'failed[brk]')" \
		"bytes mapped" $((111 * 4096)) "$(sum vma 'bytes[mapped]')" \
		"bytes unmapped" $((29 * 4096)) "$(sum vma 'bytes[unmapped]')" \
		lost 0 "$(sum vma 'lost[calls whose end was not seen]')"
}

# Columns of a first touch: time, tid, address, access, VMA start, end, name.
check_firsttouch()
{
	local minor major outside

	sed -n 's/^touch //p' "$work/target.out" >"$work/expected"
	lines firsttouch 2-4,7 >"$work/firsttouch.lines"
	same "$work/expected" "$work/firsttouch.lines" \
		"firsttouch.bt lists each first touch in order with access and VMA"
	# As words: awk takes 00007e5123456789 for a number, and that for infinity.
	outside=$(lines firsttouch 3,5,6 |
		awk '$1 "" < $2 "" || $1 "" >= $3 ""' | wc -l)
	minor=$(sed -n 's/^rusage \(.*\) .*/\1/p' "$work/target.out")
	major=$(sed -n 's/^rusage .* //p' "$work/target.out")
	equal "firsttouch.bt sums up 9 reads, 22 writes, 1 failure" \
		read 9 "$(sum firsttouch 'touches[read]')" \
		write 22 "$(sum firsttouch 'touches[write]')" \
		fetch 0 "$(sum firsttouch 'touches[fetch]')" \
		failed 1 "$(sum firsttouch 'uncounted[failed]')" \
		"outside their VMA" 0 "$outside"
	equal "firsttouch.bt counts the faults that getrusage counts, 33" \
		"by getrusage" 33 "$((minor + major))" \
		"minor" "$minor" "$(sum firsttouch 'faults[minor]')" \
		"major" "$major" "$(sum firsttouch 'faults[major]')" \
		"in another process" 1 "$(sum firsttouch elsewhere)"
	if grep -q '^absent 1' "$work/target.out"; then
		equal "firsttouch.bt counts a fault that is tried again once, as major" \
			repeated 1 "$(sum firsttouch 'uncounted[tries that were repeated]')" \
			major 1 "$(sum firsttouch 'faults[major]')"
	else
		skip "firsttouch.bt counts a fault that is tried again once, as major" \
			"the file system of $disk_file keeps its pages in memory"
	fi
	equal "firsttouch.bt has lost nothing" \
		faults 0 "$(sum firsttouch 'lost[faults whose end was not seen]')" \
		touches 0 "$(sum firsttouch 'lost[first touches not remembered]')" \
		ranges 0 "$(sum firsttouch 'lost[unmapped ranges too large to forget]')"
}

check_module()
{
	local reason="the module is not loaded"

	if [ ! -e $proc/control ]; then
		skip "the module lists the same break moves as brk.bt" "$reason"
		skip "the module counts the break as brk.bt does" "$reason"
		skip "the module counts faults as firsttouch.bt does" "$reason"
		skip "the module sees the same first touches as firsttouch.bt" "$reason"
		return
	fi
	lines brk 2-6,8 >"$work/expected"
	awk '$1 ~ /^[0-9]+$/ { print $3, $4, $5, $6, $7, $8 }' \
		"$work/module-brk" >"$work/module-brk.lines"
	same "$work/expected" "$work/module-brk.lines" \
		"the module lists the same break moves as brk.bt"
	equal "the module counts the break as brk.bt does" \
		moves "$(($(sum brk 'calls[grown]') + $(sum brk 'calls[shrunk]')))" \
		"$(summary break_moves)" \
		failures "$(sum brk 'calls[refused]')" "$(summary break_failures)" \
		queries "$(sum brk 'calls[query]')" "$(summary break_queries)"
	equal "the module counts faults as firsttouch.bt does" \
		"as getrusage" \
		"$(($(sum firsttouch 'faults[minor]') + $(sum firsttouch 'faults[major]')))" \
		"$(summary faults_rusage)" \
		elsewhere "$(sum firsttouch elsewhere)" "$(summary faults_elsewhere)" \
		failed "$(sum firsttouch 'uncounted[failed]')" "$(summary fault_failed)" \
		major "$(sum firsttouch 'faults[major]')" "$(summary faults_major)" \
		missed 0 "$(summary events_missed)"
	lines firsttouch 2-4 >"$work/expected"
	awk '$4 == "fault" && $11 ~ /1$/ { print $3, $6, substr($11, 1, 2) }' \
		"$work/events" >"$work/events.lines"
	same "$work/expected" "$work/events.lines" \
		"the module sees the same first touches as firsttouch.bt"
}

# bpftrace -c: the break of a program from its start; the C library moves it too.
check_command()
{
	sed -n 's/^brk //p' "$work/command.err" | cut -d ' ' -f 2- >"$work/expected"
	lines command 3-8 | tail -n "$(wc -l <"$work/expected")" >"$work/command.lines"
	same "$work/expected" "$work/command.lines" \
		"brk.bt watches the command of bpftrace -c"
}

trap finish EXIT
trap 'exit 1' INT TERM
reasons=$(missing)
[ -z "$reasons" ] || skip_all "${reasons%; }"
work=$(mktemp -d)
get_target

echo "TAP version 13"
echo "1..15"
start_target
start brk "$scripts/brk.bt" "$pid"
start vma -p "$pid" "$scripts/vma.bt"
start firsttouch "$scripts/firsttouch.bt" "$pid"
start command -c "$target $disk_file once" "$scripts/brk.bt"
# Its beginning alone decides that; to compile the rest takes most of the time.
sed -n '/^BEGIN/,/^}/p' "$scripts/brk.bt" >"$work/begin.bt"
start nobody "$work/begin.bt"
# shellcheck disable=SC2154 # start() sets the variables
{
	attached brk "$brk_pid"
	attached vma "$vma_pid"
	attached firsttouch "$firsttouch_pid"
	watch_module
	echo go >&3
	wait_for "the target works" grep -q '^done' "$work/target.out"
	kill -INT "$firsttouch_pid"
	wait_for "firsttouch.bt ends on SIGINT" ended "$firsttouch_pid"
	read_module
	echo end >&3
	wait_for "brk.bt ends with its process" ended "$brk_pid"
	wait_for "vma.bt ends with its process" ended "$vma_pid"
	wait_for "brk.bt ends with its command" ended "$command_pid"
	wait_for "a script without a process ends" ended "$nobody_pid"
}

check_brk
check_vma
check_firsttouch
check_command
grep -q 'which process' "$work/nobody.out"
result $? "brk.bt without a process says how to name one, and ends"
check_module

totals
