#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# module.sh - do the module's numbers agree with the kernel's, whatever the
# program does, and does the program not notice that it is watched?
#
# Needs the module loaded. `brkscope run --check' compares areas, break and
# faults with /proc/PID/maps, sbrk(0) and getrusage and fails with 125.
set -u

here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
brkscope=$build/user/brkscope
calls=$build/selftests/tool/helpers/calls
heapdemo=$build/user/heapdemo
# shellcheck source=../tap.sh
. "$here/../tap.sh"

[ -e /proc/brkscope/control ] || skip_all "the module is not loaded"
for program in "$brkscope" "$calls" "$heapdemo"; do
	[ -x "$program" ] || skip_all "there is no $program: make -C selftests"
done

# Lines of control about watches; those of earlier tests may still be there.
count_watches()
{
	grep -c -E '^[0-9]+ (live|ended) ' /proc/brkscope/control
}

watches=$(count_watches)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 777 "$dir"
file=$dir/out.brkscope

details()
{
	sed 's/^/# /' "$dir/err"
}

# agrees STATUS NAME OPTION... -- PROGRAM...: all numbers agree, and the status
# is the program's
agrees()
{
	local wanted=$1 name=$2
	shift 2
	timeout 60 "$brkscope" run -q --check -o "$file" "$@" \
		>"$dir/out" 2>"$dir/err" </dev/null
	is "$wanted" $? "$name"
}

# reported EXPRESSION NAME: a line of the report is like that
reported()
{
	"$brkscope" report --full "$file" >"$dir/report" 2>"$dir/err"
	grep -qE -- "$1" "$dir/report"
	local found=$?
	[ $found -eq 0 ] || sed 's/^/# /' "$dir/report"
	result $found "$2"
}

echo "TAP version 13"

agrees 0 "heapdemo on our malloc agrees with the kernel" --malloc ours -- "$heapdemo"
reported '^  ok: memory areas: all [0-9]+ as in' "areas were compared"
reported '^  ok: break as the program itself sees it' "the break was compared with sbrk(0)"
reported '^  ok: faults in all: [0-9]+, getrusage' "faults were compared with getrusage"
reported 'break grown .*\[heap\] +in malloc\(24\)$' "the first malloc moved the break"
reported 'area add rw-p .* in malloc\(1 MiB\)$' "the big malloc mapped an area"
reported 'first-read x4 .*\[heap\]' "four pages were read first"
reported 'upgrade x2 .*\[heap\]' "two of them were written then"
reported 'break shrunk .* in free' "free gave the top of the heap back"
agrees 0 "heapdemo on the C library's malloc agrees" -- "$heapdemo"

agrees 0 "eight threads agree" -- "$calls" threads 8 200
agrees 0 "eight threads on our malloc agree" --malloc ours -- "$calls" threads 8 200
agrees 0 "threads that come and go agree" -- "$calls" threads-in-turn 30 20
agrees 0 "a program that forks agrees" -- "$calls" fork 50
agrees 0 "a program that vforks agrees" -- "$calls" vfork 50
agrees 0 "a program that executes another agrees" -- "$calls" exec 50
agrees 0 "a program whose child executes another agrees" -- "$calls" exec-child 50
agrees 137 "a program that is killed agrees" -- "$calls" killed 50
agrees 139 "a program that dies of a bad access agrees" -- sh -c 'kill -SEGV $$'
agrees 7 "a shell with children agrees" -- sh -c 'ls / | sort >/dev/null; (exit 3); exit 7'
agrees 0 "a program without libbrkrecord.so agrees" --no-log -- ls /
if command -v python3 >"$dir/err"; then
	agrees 5 "a program that another thread ends agrees" -- python3 -c '
import os, threading, time
threading.Thread(target=lambda: (time.sleep(0.2), os._exit(5))).start()
time.sleep(20)'
	agrees 0 "maps of files, shared and private, agree" -- python3 -c '
import mmap, tempfile
f = tempfile.TemporaryFile(); f.truncate(1 << 16)
for flags in mmap.MAP_SHARED, mmap.MAP_PRIVATE:
    m = mmap.mmap(f.fileno(), 1 << 16, flags); m[0]; m[0] = 1; m[9000] = 2; m[9000]; m.resize(1 << 17) if flags == mmap.MAP_SHARED else 0; m.close()'
fi

# stops and goes on like any program, though it is seized
agrees 4 "a program that stops and is continued agrees" -- sh -c \
	'(sleep 0.3; kill -CONT $$) & kill -STOP $$; exit 4'
for signal in HUP INT QUIT TERM USR1 USR2; do
	rm -f "$dir/ready"
	"$brkscope" run -q --check -o "$file" -- "$calls" signal >"$dir/ready" 2>"$dir/err" &
	pid=$!
	for _ in $(seq 100); do
		grep -qs ready "$dir/ready" && break
		sleep 0.1
	done
	kill -s $signal $pid
	wait $pid
	status=$?
	is "$(kill -l $signal)" $status "SIG$signal reaches a program that is watched"
done

# a buffer that is much too small: what is lost is counted, and the rest agrees
agrees 0 "all agrees with a buffer that overflows" --buffer 4K -- "$calls" touch 33554432
reported '^  ok: events: [0-9]+ seen = [0-9]+ delivered \+ [1-9][0-9]* lost' \
	"what was lost is accounted for"
reported 'records lost here' "and is told where it was lost"

"$brkscope" run -q -o "$file" -- "$dir/nothing" 2>"$dir/err"
is 127 $? "127 is the status if there is no such program"
: >"$dir/plain"
"$brkscope" run -q -o "$file" -- "$dir/plain" 2>"$dir/err"
is 126 $? "126 is the status if the program cannot be executed"
is "$watches" "$(count_watches)" "no watch is left behind"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >"$dir/err"; then
	# Others may not be allowed to enter the folder of this tree.
	mkdir -m 755 "$dir/bin"
	cp "$brkscope" "$heapdemo" "$build"/user/lib*.so "$dir/bin"
	chmod 755 "$dir"/bin/*
	(cd / && timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$dir/bin/brkscope" run -q --check -o "$dir/other.brkscope" --malloc ours \
		-- "$dir/bin/heapdemo") >"$dir/out" 2>"$dir/err"
	is 0 $? "an ordinary user may watch a program of theirs"
fi

if [ "$(id -u)" -eq 0 ] && command -v unshare >"$dir/err"; then
	# Pids, and so the name of the folder, are others there.
	timeout 60 unshare --user --map-root-user --pid --fork --mount-proc \
		"$brkscope" run -q --check -o "$file" -- "$calls" fork 50 \
		>"$dir/out" 2>"$dir/err" </dev/null
	is 0 $? "a program in a pid namespace of its own agrees"
fi

echo "1..$number"
totals
