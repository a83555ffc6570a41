#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do bpftrace and tracefs get along with the module's tracepoints?
#
# Environment: BRKSCOPE_KO, see module_lib.sh.

cd "$(dirname "$0")" || exit 1

helper=../build/selftests/test_helper
tracing=/sys/kernel/tracing
patience=${BPFTRACE_PATIENCE:-240}	# seconds to wait for bpftrace
tracer=
watched=

. ./module_lib.sh

# End a process of ours and wait for it.
end()
{
	[ -n "$1" ] || return
	kill -INT "$1" 2>/dev/null
	sleep 0.2
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

finish()
{
	end "$tracer"
	end "$watched"
	rm -rf "$work"
	restore_module
}

wait_for()
{
	local end=$((SECONDS + patience))

	until "$@" 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then
			echo "# not within $patience s: $*"
			return 1
		fi
		sleep 0.1
	done
}

# Number and sum of the numbers of the rows of events of one kind.
rows()
{
	awk -v kind="$1" '$4 == kind { n++; sum += $1 } END { printf "%d %d\n", n, sum }' \
		"$work/events"
}

# The same as bpftrace counted them.
counted()
{
	echo "$(sed -n "s/^@n\[$1\]: //p" "$work/out") $(sed -n "s/^@sum\[$1\]: //p" "$work/out")"
}

bpftrace_gets_each_record_once()
{
	local kind pid program='' result=0

	command -v bpftrace >/dev/null || return 4
	load || return 1
	for kind in fault page vma brk; do
		program+="tracepoint:brkscope:$kind {
			@n[\"$kind\"] = count(); @sum[\"$kind\"] = sum(args->seq); } "
	done
	cat >"$work/command" <<-END
		echo \$\$ >$work/pid
		echo watch \$\$ buffer=8M >$proc/control
		exec sort /etc/services
	END
	if ! timeout "$patience" bpftrace -c "/bin/bash $work/command" -e "$program" >"$work/out" 2>&1; then
		sed 's/^/# /' "$work/out"
		return 1
	fi
	pid=$(<"$work/pid")
	cat "$proc/$pid/events" >"$work/events"
	for kind in fault page vma brk; do
		if [ "$(rows $kind)" != "$(counted $kind)" ] || [[ $(rows $kind) == "0 "* ]]; then
			echo "# $kind: $(rows $kind) in events, bpftrace has $(counted $kind)"
			result=1
		fi
	done
	echo "unwatch $pid" >"$proc/control"
	return $result
}

rmmod_is_refused_while_bpftrace_listens()
{
	command -v bpftrace >/dev/null || return 4
	load || return 1
	bpftrace -B full -e 'tracepoint:brkscope:fault { @ = count(); }
		interval:ms:100 { printf("on\n"); }' >"$work/out" 2>&1 &
	tracer=$!
	wait_for grep -q on "$work/out" || return 1
	if rmmod brkscope 2>"$work/why"; then
		echo "# the module went"
		return 1
	fi
	end "$tracer"
	tracer=
	unload
}

rmmod_is_safe_while_tracefs_has_the_events_on()
{
	load || return 1
	"$helper" fault &
	watched=$!
	echo "watch $watched" >"$proc/control" || return 1
	echo 1 >"$tracing/events/brkscope/enable" || return 1
	wait_for grep -q 'fault: pid=' "$tracing/trace" || return 1
	unload || return 1
	cat "$tracing/trace" >"$work/trace"
	if [ -e "$tracing/events/brkscope" ]; then
		echo "# the events are still there"
		return 1
	fi
	kill -0 "$watched" || return 1
	end "$watched"
	watched=
	load && cat "$tracing/trace" >"$work/trace"
}

echo "TAP version 13"
need_module
mountpoint -q "$tracing" || mount -t tracefs tracefs "$tracing" || skip_all "no tracefs"
[ -x "$helper" ] || skip_all "$helper is not built: make -C selftests all"
work=$(mktemp -d)
trap finish EXIT
take_module

run_tests "bpftrace is not installed" \
	bpftrace_gets_each_record_once \
	rmmod_is_refused_while_bpftrace_listens \
	rmmod_is_safe_while_tracefs_has_the_events_on \
	the_kernel_log_is_as_clean_as_before
