#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# probes_test.sh - are the USDT probes there, and does a tracer count every call?
#
# Counting takes bpftrace, root, and a kernel with uprobes. Where these are not the
# reason is told.
set -u

here=$(cd "$(dirname "$0")" && pwd)
for build in "${BUILD:-$here/../..}" "$here/../../build"; do
	library=$build/user/libbrkmalloc.so
	program=$build/selftests/malloc/helpers/probes_program
	[ ! -e "$library" ] || break
done
# shellcheck source=../tap.sh
. "$here/helpers/tap.sh"

library=$(realpath "$library")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NAME ARGUMENTS for each kind of probe, of the notes in the library
names()
{
	readelf -n "$library" | awk '
		$1 == "Provider:" { ours = $2 == "brkmalloc" }
		ours && $1 == "Name:" { name = $2 }
		ours && $1 == "Location:" && $NF !~ /^0x0+$/ { print name, "has a semaphore" }
		ours && $1 == "Arguments:" { print name, NF - 1 }' | sort -u
}

echo "TAP version 13"
sentence="the library has each probe, with its arguments and no semaphore"
if [ ! -e /usr/include/sys/sdt.h ] && [ ! -e "/usr/include/$(uname -m)-linux-gnu/sys/sdt.h" ]; then
	skip_all "no sys/sdt.h (package systemtap-sdt-dev), so there are no probes"
fi
names >"$work/names"
diff "$work/names" - <<'EOF' | sed 's/^/# /'
free 1
grow 2
malloc 2
realloc 3
trim 1
EOF
result "${PIPESTATUS[0]}" "$sentence"

# Sizes that nobody else asks for, and of free and realloc the blocks of those
cat >"$work/count.bt" <<EOF
BEGIN { printf("ready\\n"); }
usdt:$library:brkmalloc:malloc /arg0 == 711/ { @small++; @ours[arg1] = 1; }
usdt:$library:brkmalloc:malloc /arg0 == 7111/ { @calloc++; }
usdt:$library:brkmalloc:malloc /arg0 == 7111111/ { @large++; }
usdt:$library:brkmalloc:malloc /arg0 == 1777/ { @inside++; }
usdt:$library:brkmalloc:realloc /arg1 == 1777/ { @realloc++; @ours[arg2] = 1; }
usdt:$library:brkmalloc:free /@ours[arg0]/ { @freed++; delete(@ours[arg0]); }
usdt:$library:brkmalloc:grow { @grown += arg1; }
usdt:$library:brkmalloc:trim { @trimmed += arg0; }
END { clear(@ours); }
EOF
sentence="a tracer counts every call"
if ! command -v bpftrace >/dev/null; then
	skip "$sentence" "bpftrace is not installed"
elif ! bpftrace -e "uprobe:$library:malloc { exit(); } BEGIN { exit(); }" \
		>"$work/try" 2>&1; then
	skip "$sentence" "bpftrace cannot attach here: $(tail -n 1 "$work/try")"
else
	# By -c it would look for the probes before the program has the library.
	bpftrace "$work/count.bt" >"$work/counted" 2>"$work/errors" &
	tracer=$!
	while kill -0 $tracer 2>/dev/null && ! grep -q '^ready' "$work/counted"; do
		sleep 0.1
	done
	LD_PRELOAD=$library "$program"
	result $? "the program does its work while it is traced"
	kill -INT $tracer
	wait $tracer || sed 's/^/# /' "$work/errors"
	grep '^@' "$work/counted" | grep -v -e grown -e trimmed | sort >"$work/sorted"
	diff "$work/sorted" - <<'EOF' | sed 's/^/# /'
@calloc: 1000
@freed: 2001
@large: 10
@realloc: 1000
@small: 1001
EOF
	result "${PIPESTATUS[0]}" "$sentence"
	# 1000 blocks of 100000 bytes; what is above them goes back
	awk '/@grown/ { grown = $2 } /@trimmed/ { trimmed = $2 }
		END { exit !(grown >= 100000000 && trimmed > 0 && trimmed < grown) }' "$work/counted"
	result $? "a tracer sees by how much the heap grows and is trimmed"
fi
echo "1..$number"
totals
