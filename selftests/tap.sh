# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# tap.sh - how does a test script tell its results? Sourced by those scripts.
#
# If a script has a function details(), that is called where a test fails.

number=0
failures=0
skipped=0

# skip_all REASON: nothing of this script can run here
skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# result STATUS SENTENCE: one test point
result()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
		return
	fi
	failures=$((failures + 1))
	! declare -F details >/dev/null || details
	echo "not ok $number $2"
}

# skip SENTENCE REASON: one test point that cannot be tried here
skip()
{
	number=$((number + 1))
	skipped=$((skipped + 1))
	echo "ok $number $1 # SKIP $2"
}

# is WANTED GOT SENTENCE
is()
{
	[ "$1" = "$2" ]
	local same=$?
	[ $same -eq 0 ] || echo "# wanted '$1', got '$2'"
	result $same "$3"
}

# totals: the last line; its status is the script's
totals()
{
	echo "# Totals: pass:$((number - failures - skipped)) fail:$failures xfail:0 xpass:0 skip:$skipped error:0"
	[ $failures -eq 0 ]
}
