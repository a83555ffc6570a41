#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A server with this malloc, and a client that keeps the C library's.
set -e
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no \
	--daemonize no --loglevel warning >server.log 2>&1 &
client()
{
	program=$1
	shift
	env -u LD_PRELOAD -u LD_DEBUG "$program" -s "$PWD/socket" "$@"
}
tries=0
until client redis-cli ping >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 500 ] || { cat server.log >&2; exit 1; }
	sleep 0.01
done
client redis-benchmark -q -c 8 -P 16 -n 40000 -r 20000 -d 400 -t set,get,lpush,hset,sadd,zadd >bench.log
client redis-benchmark -q -c 8 -P 16 -n 20000 -r 20000 -d 90 -t set >>bench.log
client redis-cli shutdown nosave >/dev/null 2>&1 || true
wait
