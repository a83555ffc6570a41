#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does tally count what TAP files say, and does nothing that failed escape it?

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
tally=$here/../tally
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
failed=0

# expect SENTENCE STATUS LAST-LINE FILE...: what tally makes of the files
expect()
{
	local sentence=$1 status=$2 last=$3 got

	shift 3
	number=$((number + 1))
	"$tally" "$@" >"$work/out" 2>&1
	got=$?
	if [ "$got" -eq "$status" ] && [ "$(tail -n 1 "$work/out")" = "$last" ]; then
		echo "ok $number $sentence"
		return
	fi
	failed=1
	echo "# exit status $got for $status, wanted the last line: $last"
	sed 's/^/# | /' "$work/out"
	echo "not ok $number $sentence"
}

# mentions SENTENCE TEXT: the last output has that text
mentions()
{
	number=$((number + 1))
	if grep -qF -- "$2" "$work/out"; then
		echo "ok $number $1"
	else
		failed=1
		sed 's/^/# | /' "$work/out"
		echo "not ok $number $1"
	fi
}

tap()
{
	cat >"$work/$1.tap"
}

echo "TAP version 13"
echo "1..15"

tap flat <<'EOF'
TAP version 13
1..3
ok 1 one
# a comment, ok 7 in it
ok 2 two # SKIP no such hardware
ok 3 three
EOF
expect "flat results are counted" 0 "2 passed, 0 failed, 1 skipped" "$work/flat.tap"
mentions "a skip is listed with its reason" "no such hardware"

tap nested <<'EOF'
TAP version 13
1..3
# selftests: brkscope: brk_test
# TAP version 13
# 1..2
# # Starting 2 tests from 1 test cases.
# ok 1 global.grow
# ok 2 # SKIP not this kernel
# # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:1 error:0
ok 1 selftests: brkscope: brk_test
# selftests: brkscope: user_test
# 1..0 # SKIP no user nobody here
ok 2 selftests: brkscope: user_test # SKIP
# selftests: brkscope: reload.sh
# no TAP at all
ok 3 selftests: brkscope: reload.sh
EOF
expect "of nested results the innermost are counted" 0 \
	"2 passed, 0 failed, 2 skipped" "$work/nested.tap"
mentions "a program that skips itself gives its reason" "no user nobody here"

tap inner <<'EOF'
1..1
# 1..2
# ok 1 a
# not ok 2 the one that fails
not ok 1 selftests: brkscope: x # exit=1
EOF
expect "a failure inside is counted once" 1 "1 passed, 1 failed, 0 skipped" "$work/inner.tap"
mentions "a failure is listed by its name" "the one that fails"

tap crash <<'EOF'
1..2
# 1..2
# ok 1 a
# ok 2 b
not ok 1 selftests: brkscope: x # TIMEOUT 900 seconds
# 1..1
# ok 1 c
ok 2 selftests: brkscope: y
EOF
expect "a program that fails after its last result is a failure" 1 \
	"3 passed, 1 failed, 0 skipped" "$work/crash.tap"

tap short <<'EOF'
1..2
# 1..3
# ok 1 a
ok 1 selftests: brkscope: x
ok 2 selftests: brkscope: y
EOF
expect "an inner plan that is not fulfilled is a failure" 1 \
	"2 passed, 1 failed, 0 skipped" "$work/short.tap"
mentions "it says how many tests are missing" "1 results of 3 planned tests"

tap cut <<'EOF'
1..3
ok 1 a
EOF
expect "a file that ends too early is a failure" 1 "1 passed, 1 failed, 0 skipped" \
	"$work/cut.tap"

tap bail <<'EOF'
1..1
Bail out! no memory
EOF
expect "a bail-out is a failure" 1 "0 passed, 2 failed, 0 skipped" "$work/bail.tap"

tap todo <<'EOF'
1..2
ok 1 a
not ok 2 b # TODO later
EOF
expect "an expected failure is listed, not counted as one" 0 \
	"1 passed, 0 failed, 1 skipped" "$work/todo.tap"

tap empty </dev/null
echo "hello" >"$work/talk.tap"
expect "a file without any result is a failure" 1 "0 passed, 1 failed, 0 skipped" "$work/talk.tap"
expect "several files are added up, an empty one fails" 1 \
	"3 passed, 2 failed, 1 skipped" "$work/flat.tap" "$work/empty.tap" "$work/inner.tap"

tap skips <<'EOF'
1..1
ok 1 a # SKIP no kernel
EOF
expect "nothing but skips is a failure" 1 "0 passed, 0 failed, 1 skipped" "$work/skips.tap"

exit $failed
