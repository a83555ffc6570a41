#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Can the module be unloaded at any moment, except while a file of it is open?
#
# Environment: BRKSCOPE_KO, see module_lib.sh.

cd "$(dirname "$0")" || exit 1

helper=../build/selftests/test_helper
times=${BRKSCOPE_RELOADS:-30}
declare -A running

. ./module_lib.sh

# Starts the helper in the background; its pid is in $!.
start()
{
	"$helper" "$@" >/dev/null 2>&1 &
	running[$!]=$1
}

# Ends processes that start() began.
end()
{
	local pid

	for pid in "$@"; do
		kill -KILL "$pid"
		wait "$pid"
		unset "running[$pid]"
	done 2>/dev/null
}

# Does a process of start() end by itself with status $2?
finish_with()
{
	local status

	wait "$1"
	status=$?
	unset "running[$1]"
	[ "$status" -eq "$2" ] && return
	echo "# the process ended with $status"
	return 1
}

finish()
{
	end "${!running[@]}"
	restore_module
}

# Waits until a process is in a state; $1 pid, $2 letter.
until_state()
{
	local try

	for try in $(seq 200); do
		if grep -q "^State:[[:space:]]$2" "/proc/$1/status" 2>/dev/null; then
			return 0
		fi
		sleep 0.05
	done
	echo "# process $1 is not in state $2 after $try looks"
	return 1
}

summary_of()
{
	sed -n "s/^$2: *//p" "$proc/$1/summary"
}

reload_while_a_watched_process_works()
{
	local pid round faults

	start fault
	pid=$!
	for round in $(seq "$times"); do
		load || return 1
		echo "watch $pid" >"$proc/control" || return 1
		sleep "0.0$((RANDOM % 10))"
		faults=$(summary_of "$pid" faults)
		if [ "${faults:-0}" -eq 0 ]; then
			echo "# round $round: no fault seen"
			return 1
		fi
		if ! unload; then
			echo "# round $round: rmmod failed"
			return 1
		fi
		if ! kill -0 "$pid" 2>/dev/null; then
			echo "# round $round: the watched process has died"
			return 1
		fi
	done
	end "$pid"
}

reload_while_four_processes_are_born_and_die()
{
	local round child pids

	for round in $(seq 5); do
		load || return 1
		pids=()
		for child in 1 2 3 4; do
			start fault
			pids[child]=$!
			echo "watch $!" >"$proc/control" || return 1
		done
		end "${pids[1]}" "${pids[2]}"
		if ! unload; then
			echo "# round $round: rmmod failed"
			return 1
		fi
		end "${pids[3]}" "${pids[4]}"
	done
}

# Spare watches, children without folders and the work that makes both go, too.
reload_while_a_family_forks()
{
	local pid round followed sum=0

	bash -c 'while :; do (:) | :; (:); done' &
	pid=$!
	running[$pid]=family
	for round in $(seq "$times"); do
		load || return 1
		echo "watch $pid follow buffer=64K" >"$proc/control" || return 1
		sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
		followed=$(summary_of "$pid" children_followed)
		sum=$((sum + ${followed:-0}))
		if ! unload; then
			echo "# round $round: rmmod failed"
			return 1
		fi
		kill -0 "$pid" 2>/dev/null || return 1
	done
	end "$pid"
	echo "# $sum children were followed"
	[ "$sum" -gt 0 ]
}

an_open_file_makes_rmmod_fail_with_ebusy()
{
	local pid file

	load || return 1
	start stop
	pid=$!
	until_state "$pid" T || return 1
	echo "watch $pid" >"$proc/control" || return 1
	for file in control hooks "$pid/summary" "$pid/events" \
		    "$pid/events.bin" "$pid/vmas" "$pid/brk" "$pid/faults" \
		    "$pid/pages" "$pid/loss"; do
		exec 9<"$proc/$file" || return 1
		if unload 2>/dev/null; then
			echo "# $file was open, and yet the module went"
			exec 9<&-
			return 1
		fi
		exec 9<&-
		loaded || return 1
	done
	end "$pid"
	unload
}

a_process_asleep_in_a_fault_does_not_hold_up_rmmod()
{
	local pid

	load || return 1
	start sleep-in-fault
	pid=$!
	if ! until_state "$pid" T; then
		finish_with "$pid" 4 && return 4
		return 1
	fi
	echo "watch $pid" >"$proc/control" || return 1
	kill -CONT "$pid"
	sleep 0.5
	if ! unload; then
		echo "# rmmod did not come back or failed"
		return 1
	fi
	kill -USR1 "$pid"
	finish_with "$pid" 0
}

a_process_killed_in_a_fault_after_rmmod_ends()
{
	local pid

	load || return 1
	start sleep-in-fault
	pid=$!
	if ! until_state "$pid" T; then
		finish_with "$pid" 4 && return 4
		return 1
	fi
	echo "watch $pid" >"$proc/control" || return 1
	kill -CONT "$pid"
	sleep 0.5
	unload || return 1
	load || return 1
	end "$pid"
	[ ! -e "/proc/$pid" ]
}

echo "TAP version 13"
need_module
[ -x "$helper" ] || skip_all "$helper is not built: make -C selftests all"
trap finish EXIT
take_module

run_tests "no userfaultfd on this kernel" \
	reload_while_a_watched_process_works \
	reload_while_four_processes_are_born_and_die \
	reload_while_a_family_forks \
	an_open_file_makes_rmmod_fail_with_ebusy \
	a_process_asleep_in_a_fault_does_not_hold_up_rmmod \
	a_process_killed_in_a_fault_after_rmmod_ends \
	the_kernel_log_is_as_clean_as_before
