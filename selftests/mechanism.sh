#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the module hear the same by each mechanism, and say so if it cannot listen?
#
# Environment: BRKSCOPE_KO, see module_lib.sh.

cd "$(dirname "$0")" || exit 1

tests_dir=$PWD/../build/selftests
switch=/proc/sys/kernel/ftrace_enabled

. ./module_lib.sh

# The mechanism of a hook: $1 symbol, $2 column
hook_column()
{
	awk -v symbol="$1" -v column="$2" '$2 == symbol { print $column }' "$proc/hooks"
}

hook_is()
{
	local is

	is=$(hook_column "$1" 3)
	[ "$is" = "$2" ] && return
	echo "# $1 is served by $is, not by $2"
	return 1
}

program_passes()
{
	(cd "$tests_dir" && "./$1") >"$log" 2>&1 && return
	echo "# $1:"
	grep -v '^ok' "$log" | sed 's/^/#   /'
	return 1
}

kprobes_hear_what_ftrace_hears()
{
	local name failed=0

	load_with kprobes=1 || return 1
	for name in brk_test vma_test fault_test fault_class_test fault_wait_test \
		    fault_count_test lifecycle_test exec_test; do
		program_passes "$name" || failed=1
	done
	hook_is handle_mm_fault kretprobe || failed=1
	hook_is up_write kprobe || failed=1
	[ "$(hook_column handle_mm_fault 5)" -gt 0 ] || failed=1
	unload && [ "$failed" -eq 0 ]
}

ftrace_serves_unless_told_otherwise()
{
	load || return 1
	echo "watch $$" >"$proc/control" || return 1
	hook_is handle_mm_fault ftrace+return && hook_is up_write ftrace
}

nobody_can_switch_ftrace_off_during_a_watch()
{
	if echo 0 2>/dev/null >"$switch"; then
		echo "# kernel.ftrace_enabled is now $(cat "$switch")"
		echo 1 >"$switch"
		return 1
	fi
	[ "$(cat "$switch")" -eq 1 ] && echo "unwatch $$" >"$proc/control"
}

without_ftrace_a_watch_is_refused_with_the_remedy()
{
	local status

	echo 0 >"$switch" || return 1
	(echo "watch $$" >"$proc/control") 2>/dev/null
	status=$?
	echo 1 >"$switch"
	[ "$status" -ne 0 ] || return 1
	grep -q '^last_error: .*sysctl kernel.ftrace_enabled=1' "$proc/control" || return 1
	echo "watch $$" >"$proc/control" && echo "unwatch $$" >"$proc/control"
}

echo "TAP version 13"
need_module
[ -e "$switch" ] || skip_all "this kernel has no ftrace"
[ -x "$tests_dir/brk_test" ] || skip_all "the tests are not built: make -C selftests all"
log=$(mktemp)
trap 'restore_module; rm -f "$log"' EXIT
take_module

run_tests "this kernel cannot" \
	kprobes_hear_what_ftrace_hears \
	ftrace_serves_unless_told_otherwise \
	nobody_can_switch_ftrace_off_during_a_watch \
	without_ftrace_a_watch_is_refused_with_the_remedy \
	the_kernel_log_is_as_clean_as_before
