#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh - two programs under brkscope, with a report of each
#
# usage: demo.sh OUTDIR
#
# Needs the kernel module loaded and the tool built (make user). Leaves in OUTDIR
# for each program NAME.brkscope, the recording, and NAME.txt, the report. Fails
# if a number of the module disagrees with the kernel's own.
set -eu

if [ $# -ne 1 ]; then
	echo "usage: demo.sh OUTDIR" >&2
	exit 2
fi
out=$1
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
brkscope=$build/user/brkscope
failed=0

if [ ! -x "$brkscope" ]; then
	echo "demo.sh: there is no $brkscope: build it with \`make user'" >&2
	exit 2
fi
mkdir -p "$out"

# show NAME MALLOC PROGRAM [ARGUMENT]...
show()
{
	name=$1
	malloc=$2
	shift 2
	printf '\n=== %s ===\n\n' "$name"
	"$brkscope" run --quiet --check --malloc "$malloc" \
		-o "$out/$name.brkscope" -- "$@" || failed=1
	"$brkscope" report "$out/$name.brkscope" >"$out/$name.txt" || failed=1
	"$brkscope" report "$out/$name.brkscope" || failed=1
}

work='
import json
words = [f"word {i}" for i in range(20000)]
index = {word: len(word) for word in words}
text = json.dumps(index)
print(len(json.loads(text)), "words,", len(text), "bytes of JSON")
'

echo "What two programs make the kernel do: heapdemo on our malloc, python3 on the C library's."
PATH=$build/user:$PATH
show heapdemo ours heapdemo
if command -v python3 >/dev/null; then
	show python3 libc python3 -c "$work"
else
	echo "demo.sh: there is no python3 to watch" >&2
	failed=1
fi
exit $failed
