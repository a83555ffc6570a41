# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a test that loads and unloads the module itself do so? For sourcing.
#
# Environment: BRKSCOPE_KO, the module file. Without it the one that
# `make module` built for the running kernel is taken.

# shellcheck source=tap.sh
. ./tap.sh

# shellcheck disable=SC2034 # used by the tests
proc=/proc/brkscope
module=
was_loaded=no
complaints_before=0

find_module()
{
	local release short file

	release=$(uname -r)
	short=$(echo "$release" | cut -d. -f1,2)
	for file in "$BRKSCOPE_KO" "../build/module/$release/brkscope.ko" \
		    "../build/module/$short/brkscope.ko"; do
		if [ -n "$file" ] && [ -e "$file" ]; then
			echo "$file"
			return
		fi
	done
}

loaded()
{
	grep -q '^brkscope ' /proc/modules
}

load()
{
	loaded || insmod "$module"
}

# load_with PARAMETER=VALUE...
load_with()
{
	insmod "$module" "$@"
}

unload()
{
	timeout 60 rmmod brkscope
}

need_module()
{
	[ "$(id -u)" -eq 0 ] || skip_all "only root can load modules"
	module=$(find_module)
	[ -n "$module" ] ||
		skip_all "no module built for $(uname -r): make module, or set BRKSCOPE_KO"
}

# The test has the module for itself until restore_module.
take_module()
{
	loaded && was_loaded=yes
	if loaded && ! unload; then
		skip_all "the loaded module is in use"
	fi
}

restore_module()
{
	if loaded; then
		unload
	fi
	[ "$was_loaded" = no ] || load
}

# Lines of the kernel's log that tell of a fault of its own.
complaints()
{
	dmesg | grep -c -E 'WARNING:|BUG:|Oops|general protection|refcount_t:|possible recursive locking|possible circular locking'
}

the_kernel_log_is_as_clean_as_before()
{
	local now

	now=$(complaints)
	[ "$now" -eq "$complaints_before" ] && return
	echo "# $((now - complaints_before)) new complaints"
	dmesg | tail -50 | sed 's/^/# /'
	return 1
}

# run_tests REASON TEST...: each is a function; REASON says why one returns 4
run_tests()
{
	local reason=$1 one

	shift
	complaints_before=$(complaints)
	echo "1..$#"
	for one in "$@"; do
		"$one"
		case $? in
		0)
			result 0 "$one" ;;
		4)
			skip "$one" "$reason" ;;
		*)
			result 1 "$one" ;;
		esac
	done
	[ "$failures" -eq 0 ]
}
