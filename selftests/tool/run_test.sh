#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run_test.sh - does `brkscope run' behave like the program it runs?
#
# Needs no kernel module. Prints TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
brkscope=$here/../../user/brkscope
calls=$here/helpers/calls
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
file=$dir/out.brkscope
# shellcheck source=../tap.sh
. "$here/helpers/tap.sh"

run()
{
	"$brkscope" run --no-kernel -o "$file" "$@" >"$dir/out" 2>"$dir/err"
}

# says TEXT NAME: the error output holds the text
says()
{
	grep -qF -- "$1" "$dir/err"
	local found=$?
	[ $found -eq 0 ] || sed 's/^/# /' "$dir/err"
	result $found "$2"
}

echo "TAP version 13"

run -- sh -c 'exit 42'
is 42 $? "the exit status is the program's"

run -- sh -c 'kill -TERM $$'
is 143 $? "128 and the signal is the status of a program ended by one"

run -- "$dir/nothing"
is 127 $? "127 is the status if there is no such program"
says "nothing: No such file" "and the error names it"
[ ! -e "$file" ]
result $? "and no file is left behind"

touch "$dir/plain"
run -- "$dir/plain"
is 126 $? "126 is the status if the program cannot be executed"

run
is 125 $? "125 is the status if no program is named"

"$brkscope" run --frobnicate -- true >"$dir/out" 2>"$dir/err"
is 125 $? "125 is the status of an unknown option"

run --malloc jemalloc -- true
is 125 $? "125 is the status of a malloc that there is not"
says "jemalloc" "and the error names it"

run --log-size lots -- true
is 125 $? "125 is the status of a size that is none"

if [ ! -e /proc/brkscope ]; then
	"$brkscope" run -o "$file" -- true >"$dir/out" 2>"$dir/err"
	is 125 $? "125 is the status without the module"
	says "--no-kernel" "and the error says how to go on without it"
	[ ! -e "$file" ]
	result $? "and no file is left behind without the module"
fi

"$brkscope" run --no-kernel -o "$dir/no/such/dir" -- true 2>"$dir/err"
is 125 $? "125 is the status if the file cannot be written"
says "$dir/no/such/dir" "and the error names the file"

BRKSCOPE_LIBDIR=$dir run -- true
is 125 $? "125 is the status if the libraries are not there"
says libbrkrecord.so "and the error names the library"

run -- sh -c 'cat; echo error >&2' <<<"hello"
is hello "$(cat "$dir/out")" "input and output are the program's"

(cd "$dir" && "$brkscope" run -q --no-kernel -- true 2>"$dir/err")
is 0 $? "without -o the file is named after the program"
[ -s "$dir/true.brkscope" ] && [ ! -s "$dir/err" ]
result $? "and -q says nothing"

# start: run the program that awaits a signal; $pid is the tool when it is ready
start()
{
	rm -f "$dir/ready"
	"$brkscope" run -q --no-kernel -o "$file" -- "$calls" signal >"$dir/ready" 2>&1 &
	pid=$!
	for _ in $(seq 100); do
		grep -qs ready "$dir/ready" && return
		sleep 0.05
	done
	echo "# the program did not start"
}

# A signal sent to the tool arrives in the program, whose status it becomes.
for signal in HUP INT QUIT TERM USR1 USR2; do
	start
	kill -s $signal $pid
	wait $pid
	status=$?
	is "$(kill -l $signal)" $status "SIG$signal is passed on to the program"
done

# The tool is killed: the file so far can be read.
start
child=$(pgrep -P $pid)
disown $pid
kill -KILL $pid
"$brkscope" report "$file" >"$dir/out" 2>"$dir/err"
is 0 $? "the file of a killed tool can be read"
says "ends early" "and the report says that it is cut short"
[ -n "$child" ] && kill -TERM "$child"

run -- true
"$brkscope" report "$file" | grep -q "MALLOC CALLS"
result $? "the report shows the malloc calls"
"$brkscope" report "$dir/plain" 2>"$dir/err"
is 125 $? "125 is the status of report for an empty file"
says empty "and the error says so"
"$brkscope" report "$0" 2>"$dir/err"
is 125 $? "125 is the status of report for a foreign file"
says "offset 0" "and the error says where"

for text in "help" "--help" "help run" "run --help" "report --help" "--version"; do
	# shellcheck disable=SC2086 # two words
	"$brkscope" $text | grep -q brkscope
	result $? "brkscope $text explains"
done
"$brkscope" frobnicate 2>"$dir/err"
is 125 $? "125 is the status of an unknown command"
says frobnicate "and the error names it"

echo "1..$number"
totals
