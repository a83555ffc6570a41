#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# real_test.sh - do programs that people use all day do the same on our malloc?
#
# Every program does its work twice, at the same time, each in a folder of its
# own: with the C library preloaded, whose malloc then serves also a program
# that was linked with another one, and with ours. Results and exit status must
# be the same. That ours was in use is told by the dynamic linker, which says of
# each program whose malloc it bound to whose, or by /proc/PID/maps.
#
# real_test.sh [NAME...] runs only these. Prints TAP.
# shellcheck disable=SC2317 # the workloads are called by their names
set -u

export LC_ALL=C TZ=UTC
here=$(cd "$(dirname "$0")" && pwd)
library=$(cd "$here/../../user" && pwd)/libbrkmalloc.so
inputs=$here/helpers/real_inputs.sh
python=/usr/bin/python3		# the one that the package of its tests is for
dir=$(mktemp -d /tmp/brkmalloc-real-XXXXXX)
# shellcheck source=../tap.sh
. "$here/helpers/tap.sh"

trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# Workloads. Each runs in an empty folder, takes its input from $input, says on
# standard output what must not differ, and leaves in proof* what the linker or
# /proc said. LD_PRELOAD of the programs is $preload.

# on COMMAND...: with the library, the dynamic linker saying what it binds
on()
{
	LD_DEBUG=bindings LD_DEBUG_OUTPUT=$proof LD_PRELOAD=$preload "$@"
}

# Python's own tests of a module, every object of it from malloc. They count open
# files and become other users, with which LD_DEBUG_OUTPUT does not go together.
python_tests()
{
	local run='import sys, unittest
with open("/proc/self/maps") as maps, open(sys.argv.pop(), "w") as proof:
	proof.write(maps.read())
unittest.main(module=None, argv=["unittest", "-v", sys.argv[1]])'

	LD_PRELOAD=$preload PYTHONMALLOC=malloc \
		"$python" -c "$run" "test.test_$1" "$proof.maps" 2>&1 >/dev/null |
		tee full | grep -E ' \.\.\. |^(Ran|OK|FAILED|FAIL:|ERROR:)' |
		sed -E 's/ in [0-9.]+s$//'
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

sqlite_work()
{
	on sqlite3 -bail base.db <"$input/load.sql"
}

git_work()
{
	export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z
	export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
	git config --global user.name a && git config --global user.email a@b &&
		git config --global pack.threads 3 &&
		git config --global gc.auto 0 &&
		on git init -q -b main repository && cd repository &&
		on "$inputs" commits || return
	on git gc -q --prune=now && on git fsck --strict 2>&1
	on git log --stat -p | cksum
	on git rev-list --objects --all | sort | cksum
	on git blame file7 | cksum
	on git archive --format=tar HEAD | cksum
	on git clone -q . ../clone && on git -C ../clone status
	on git grep -c 'line 1' HEAD | tail -5
}

perl_work()
{
	on perl "$input/work.pl"
}

c_work()
{
	cp "$input/work.c" . &&
	on gcc -O2 -Wall -c work.c && cksum work.o &&
	on gcc -O1 -flto -o work work.c && ./work
}

cxx_work()
{
	cp "$input/work.cc" . &&
	on g++ -O2 -Wall -c work.cc && cksum work.o && on g++ -o work work.o &&
	on ./work
}

redis()
{
	LD_PRELOAD=$preload redis-cli -s socket "$@"
}

# The load leaves data that do not depend on the order of the clients' requests.
redis_work()
{
	local server i

	LD_PRELOAD=$preload redis-server --port 0 --unixsocket "$PWD/socket" \
		--save '' --enable-debug-command yes \
		--lazyfree-lazy-user-del yes --dir "$PWD" >log 2>&1 &
	server=$!
	# shellcheck disable=SC2064 # this process is meant
	trap "kill $server 2>/dev/null" EXIT
	for ((i = 0; i < 100; i++)); do
		[ "$(redis ping 2>/dev/null)" != PONG ] || break
		sleep 0.1
	done
	LD_PRELOAD=$preload redis-benchmark -s socket -n 5000 -c 20 -P 4 -d 300 \
		--csv -t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd,lrange_100,mset |
		cut -d, -f1
	redis debug digest
	redis eval "$(cat "$input/load.lua")" 0
	cp "/proc/$server/maps" "$proof.maps"
	redis debug digest
	redis bgsave
	while redis info persistence | grep -q bgsave_in_progress:1; do
		sleep 0.1
	done
	redis info persistence | grep last_bgsave_status
	redis debug reload && redis debug digest
	redis dbsize && redis flushall async && redis dbsize
	redis shutdown nosave
	wait "$server"
}

# The test.

# run FOLDER PRELOAD WORKLOAD...: both its results in files of the folder
run()
{
	local folder=$1
	preload=$2
	proof=$folder/work/proof

	shift 2
	mkdir -p "$folder/work"
	cd "$folder/work" || return
	(set -o pipefail; "$@") >"$folder/output" 2>"$folder/error"
	echo $? >"$folder/status"
}

# in_use FOLDER PROGRAM: PROGRAM, or whoever wrote maps, has our malloc
in_use()
{
	grep -qs "$library" "$1/work/proof.maps" ||
		cat "$1"/work/proof.[0-9]* 2>/dev/null |
		grep -q "binding file [^ ]*$2 .* to $library .* symbol .malloc'"
}

show_differences()
{
	diff "$case_dir/libc/output" "$case_dir/ours/output" | head -40 | sed 's/^/# /'
	for one in libc ours; do
		echo "# $one: exit status $(<"$case_dir/$one/status")"
		tail -n 20 "$case_dir/$one/error" | sed "s/^/# $one: /"
		tail -qn 40 "$case_dir/$one/work"/{full,log} 2>/dev/null |
			sed "s/^/# $one: /"
	done
}

# same PROGRAMS WORKLOAD...: PROGRAMS (comma between them) must all be on ours
same()
{
	local programs=$1 well=0 program

	shift
	run "$case_dir/libc" libc.so.6 "$@" &
	run "$case_dir/ours" "$library" "$@" &
	wait
	if [ "$(<"$case_dir/libc/status")" != 0 ] || ! [ -s "$case_dir/libc/output" ]; then
		echo "# does not even work on the C library"
		well=1
	fi
	cmp -s "$case_dir/libc/output" "$case_dir/ours/output" &&
		cmp -s "$case_dir/libc/status" "$case_dir/ours/status" || well=1
	[ $well -eq 0 ] || show_differences
	for program in ${programs//,/ }; do
		if ! in_use "$case_dir/ours" "$program"; then
			echo "# $program was not served by $library"
			well=1
		fi
		if in_use "$case_dir/libc" "$program"; then
			echo "# $program was served by ours where it should not"
			well=1
		fi
	done
	return $well
}

# What the programs are, how they are to be had, and what they do
cases='
python3_test_list	/usr/lib/python3.11/test/test_list.py	python3		python_tests list
python3_test_dict	/usr/lib/python3.11/test/test_dict.py	python3		python_tests dict
python3_test_bytes	/usr/lib/python3.11/test/test_bytes.py	python3		python_tests bytes
python3_test_json	/usr/lib/python3.11/test/test_json	python3		python_tests json
python3_test_threading	/usr/lib/python3.11/test/test_threading.py	python3	python_tests threading
python3_test_subprocess	/usr/lib/python3.11/test/test_subprocess.py	python3	python_tests subprocess
sqlite3			sqlite3		sqlite3			sqlite_work
git			git		git			git_work
perl			perl		perl			perl_work
gcc_compiles_c		gcc		gcc,cc1,as,ld,lto1	c_work
gcc_compiles_cxx	g++		g[+][+],cc1plus,as,ld,work	cxx_work
redis_server		redis-server	redis-server		redis_work
'

wanted()
{
	[ $# -gt 1 ] || return 0
	[[ " ${*:2} " == *" $1 "* ]]
}

if ! [ -e "$library" ]; then
	skip_all "$library is not built: make user"
fi
input=$dir/input
mkdir "$input"
"$inputs" all "$input" || exit

echo "TAP version 13"
while read -r name needs programs workload; do
	if [ -z "$name" ] || ! wanted "$name" "$@"; then
		continue
	fi
	text="$name: the same results as on the C library"
	if ! [ -e "$needs" ] && ! command -v "$needs" >/dev/null; then
		skip "$text" "$needs is missing: selftests/deps test"
		continue
	fi
	case_dir=$dir/$name
	# shellcheck disable=SC2086 # a function and its argument
	same "$programs" $workload
	result $? "$text"
	rm -rf "$case_dir"
done <<<"$cases"
echo "1..$number"
totals
