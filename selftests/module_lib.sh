# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a test that loads and unloads the module itself do so? For sourcing.
#
# Environment: BRKSCOPE_KO, the module file. Without it the one that
# `make module` built for the running kernel is taken.

# shellcheck disable=SC2034 # used by the tests
proc=/proc/brkscope
module=
was_loaded=no

skip()
{
	echo "1..0 # SKIP $*"
	exit 4
}

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
	[ "$(id -u)" -eq 0 ] || skip "only root can load modules"
	module=$(find_module)
	[ -n "$module" ] ||
		skip "no module built for $(uname -r): make module, or set BRKSCOPE_KO"
}

# The test has the module for itself until restore_module.
take_module()
{
	loaded && was_loaded=yes
	if loaded && ! unload; then
		skip "the loaded module is in use"
	fi
}

restore_module()
{
	if loaded; then
		unload
	fi
	[ "$was_loaded" = no ] || load
}
