#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the virtual machine do what run's usage says?
#
# KERNEL names the kernel (default 6.1). Every boot takes seconds.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
mkdir -p "$top/build"
work=$(mktemp -d "$top/build/vm_test.XXXXXX")
trap 'rm -rf "$work"' EXIT
# shellcheck source=../tap.sh
. "$here/../tap.sh"

details()
{
	[ ! -s "$work/out" ] || sed 's/^/# out | /' "$work/out"
	[ ! -s "$work/err" ] || sed 's/^/# err | /' "$work/err"
}

# boot OPTION... -- COMMAND...: leaves its status, work/out and work/err
boot()
{
	"$here/run" --kernel "${KERNEL:-6.1}" --timeout 300 --log "$work/log" "$@" \
		>"$work/out" 2>"$work/err"
	status=$?
}

ends_with()
{
	[ "$status" -eq "$1" ] && return
	echo "# exit status $status, not $1"
	return 1
}

echo "TAP version 13"
echo "1..31"

# The first boot ever on a machine probes KVM and says so; have that behind us.
boot -- true
if [ "$status" -ne 0 ]; then
	sed 's/^/# err | /' "$work/err"
	echo "Bail out! the virtual machine does not boot"
	exit 1
fi

# The kernel log: each of these lines is one kind of trouble.
cat >"$work/clean" <<'EOF'
[    0.000000] Linux version 6.1.0 (build@host) (gcc-12) #1 SMP PREEMPT_DYNAMIC
[    0.000000] Warning: something unimportant was said by the firmware
[    0.100000] debug: unmapping init [mem 0xffffffff83000000-0xffffffff830fffff]
[    1.000000] brkscope: loading out-of-tree module taints kernel.
[    1.100000] kmemleak: Automatic memory scanning thread started
[    1.200000] rcu: INFO: the number of CPUs is two
EOF
"$here/scan-log" "$work/clean" >"$work/out" 2>"$work/err"
result $? "a clean kernel log passes"

missed=0
while IFS= read -r line; do
	{ cat "$work/clean"; echo "[    2.000000] $line"; } >"$work/bad"
	if "$here/scan-log" "$work/bad" >"$work/out"; then
		echo "# not seen: $line"
		missed=$((missed + 1))
	fi
done <<'EOF'
WARNING: CPU: 1 PID: 231 at mm/memory.c:100 handle_mm_fault+0x1/0x2
WARNING: possible circular locking dependency detected
WARNING: possible recursive locking detected
WARNING: inconsistent lock state
inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage; inconsistent lock state
WARNING: suspicious RCU usage
BUG: kernel NULL pointer dereference, address: 0000000000000008
BUG: KASAN: slab-use-after-free in watch_put+0x1c/0x40 [brkscope]
BUG: sleeping function called from invalid context at mm/slab.h:1
BUG: scheduling while atomic: bash/231/0x00000002
BUG: soft lockup - CPU#0 stuck for 22s! [insmod:321]
BUG kmalloc-64 (Tainted: G OE): Redzone overwritten
kernel BUG at mm/slub.c:4300!
Oops: 0000 [#1] PREEMPT SMP NOPTI
general protection fault, probably for non-canonical address 0xdead000000000100
Unable to handle kernel paging request at virtual address 0000000000000000
INFO: task rmmod:412 blocked for more than 120 seconds.
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... }
UBSAN: array-index-out-of-bounds in module/ring.c:100:5
kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
refcount_t: underflow; use-after-free.
list_add corruption. prev->next should be next (ffff888), but was 0.
list_del corruption, ffff888->next is LIST_POISON1 (dead000000000100)
BUG: Bad page state in process bash  pfn:12345
ODEBUG: free active (active state 0) object type: timer_list hint: f+0x0/0x10
Kernel panic - not syncing: Fatal exception
stack segment: 0000 [#1] PREEMPT SMP
EOF
result "$missed" "every kind of trouble in a kernel log is seen"

"$here/scan-log" "$work/none" >"$work/out" 2>"$work/err"
[ $? -eq 2 ]
result $? "a log that is not there is no clean log"

# One boot for what can be asked in one.
host_name=$(cat /proc/sys/kernel/hostname)
echo untouched >"$work/file"
mkdir "$work/share"
cat >"$work/inside.sh" <<'EOF'
work=$1
echo "this is output"
echo "this is error" >&2
echo "uid=$(id -u) cwd=$(pwd -P) kernel=$(uname -r)"
echo "input=$(cat | wc -c)"
echo "processors=$(nproc)"
for dir in /proc /sys /dev/pts /dev/shm /tmp /run /sys/kernel/debug \
	/sys/kernel/tracing /sys/fs/bpf; do
	mountpoint -q $dir && echo "mounted $dir"
done
for net in /sys/class/net/*/flags; do
	(($(cat "$net") & 1)) && echo "up: $net"
done
compgen -G "/sys/class/net/*/device"
echo "modules=$(test -f "/lib/modules/$(uname -r)/modules.dep" && echo there)"
echo changed >"$work/file" && echo "written: $(cat "$work/file")"
touch /trace-of-the-virtual-machine && echo "root is writable"
echo "from the inside" >"$work/share/new"
echo again >/dev/stdout
exit 3
EOF
(cd "$top/selftests" && boot --share "$work/share" --cpus 1 -- \
	bash "$work/inside.sh" "$work"; exit "$status")
status=$?
ends_with 3
result $? "the command's exit status 3 comes out"
said()
{
	grep -qxF -- "$1" "$work/out"
}
said "this is output" && ! grep -q "this is error" "$work/out"
result $? "standard output comes out alone"
[ "$(cat "$work/err")" = "this is error" ]
result $? "standard error comes out alone"
said "uid=0 cwd=$top/selftests kernel=$("$here/kernel" --print release "${KERNEL:-6.1}")"
result $? "it runs as root, in the same folder, on the kernel asked for"
said "input=0"
result $? "its input is empty"
said "processors=1"
result $? "--cpus gives the number of processors"
[ "$(grep -c '^mounted /' "$work/out")" -eq 9 ]
result $? "all the usual file systems are mounted, those for tracing too"
[ "$(grep -c '^up: ' "$work/out")" -eq 1 ] && said "up: /sys/class/net/lo/flags" &&
	! grep -q '/device$' "$work/out"
result $? "the loopback network is up, no other is, and none has a device behind it"
said "modules=there"
result $? "the kernel's modules are in their place"
said "again"
result $? "a program can open /dev/stdout"
said "written: changed" && said "root is writable"
result $? "inside, files of the host can be written"
[ "$(cat "$work/file")" = untouched ] && [ ! -e /trace-of-the-virtual-machine ]
result $? "and nothing of it is seen on the host"
[ "$(cat "$work/share/new" 2>/dev/null)" = "from the inside" ]
result $? "--share lets it write to a folder of the host"
[ "$(cat /proc/sys/kernel/hostname)" = "$host_name" ]
result $? "the host keeps its name"
grep -q "Linux version" "$work/log" && ! grep -q "this is output" "$work/log"
result $? "the kernel log is a file of its own"

# Other ways to end
# shellcheck disable=SC2016 # the inner shell's $$
boot -- sh -c 'kill -SEGV $$'
ends_with 139
result $? "a command that a signal kills gives 128 + the signal"

boot --icount -- sh -c 'nproc; exit 255'
ends_with 255 && [ "$(cat "$work/out")" = 1 ]
result $? "--icount runs on one processor, and the exit status 255 comes out"

# The shared folder's path in its arguments marks a QEMU as one of these.
vm_there()
{
	pgrep -f "qemu.*path=$work/share" >/dev/null
}

# Is there a VM now, and has it gone SECONDS after?
vm_gone()
{
	local i

	for ((i = 0; i < $1 * 10; i++)); do
		vm_there || return 0
		sleep 0.1
	done
	return 1
}

command='echo begun; sleep 1000'
boot --share "$work/share" --timeout 15 -- sh -c "$command"
ends_with 124 && grep -q "time limit" "$work/err"
result $? "a command that does not end is stopped, with 124"
vm_gone 5
result $? "and its machine is gone"

for signal in TERM KILL; do
	: >"$work/out"
	"$here/run" --kernel "${KERNEL:-6.1}" --log "$work/log" --timeout 300 \
		--share "$work/share" -- sh -c "$command" >"$work/out" 2>"$work/err" &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		grep -q begun "$work/out" && break
		sleep 0.1
	done
	vm_there
	there=$?
	kill -s "$signal" "$pid"
	wait "$pid" 2>/dev/null
	[ "$there" -eq 0 ] && vm_gone 10
	result $? "when SIG$signal ends run, the machine ends with it"
done

boot -- sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
ends_with 125 && grep -q "Kernel panic" "$work/err"
result $? "a kernel that dies gives 125 and shows the end of its log"

boot -- sh -c 'echo "WARNING: this is a test" >/dev/kmsg'
ends_with 126 && grep -q "this is a test" "$work/err"
result $? "a warning in the kernel log gives 126 and is shown"

boot --kernel "$work/nothing-here" -- true
ends_with 125 && grep -q "no such folder: $work/nothing-here" "$work/err"
result $? "a kernel that is not there is named"

mkdir -p "$work/broken/boot" "$work/broken/lib/modules"
boot --kernel "$work/broken" -- true
ends_with 125 && grep -q "boot/vmlinuz" "$work/err"
result $? "a folder without a kernel says what it lacks"

boot --load="$work/none.ko" -- true
ends_with 125 && grep -q "no module $work/none.ko" "$work/err"
result $? "a module that is not there is named"

# A module that holds a reference to itself can never be unloaded.
mkdir "$work/module"
echo 'obj-m := stuck.o' >"$work/module/Kbuild"
cat >"$work/module/stuck.c" <<'EOF'
#include <linux/module.h>

static int __init stuck_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

static void __exit stuck_exit(void)
{
}

module_init(stuck_init);
module_exit(stuck_exit);
MODULE_DESCRIPTION("never leaves");
MODULE_LICENSE("GPL");
EOF
make -s -C "$("$here/kernel" --print kdir "${KERNEL:-6.1}")" M="$work/module" \
	CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$work/out" 2>"$work/err"
result $? "a small module builds"
boot --load="$work/module/stuck.ko" -- grep -c '^stuck ' /proc/modules
ends_with 126 && [ "$(cat "$work/out")" = 1 ] && grep -q "cannot unload stuck" "$work/err"
result $? "a module is loaded for the command; that it does not unload gives 126"

totals
