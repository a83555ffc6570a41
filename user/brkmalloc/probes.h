/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probes.h - where can a tracer from outside listen?
 *
 * USDT probes, of provider brkmalloc: each is one instruction that does nothing, and
 * a note in the library that tells where it is and where its arguments are then. perf,
 * bpftrace and SystemTap put a breakpoint there while they listen.
 *
 *   malloc	size, result	a block was asked for, by whatever function
 *   free	pointer		a block was given back
 *   realloc	old, size, result	a block was given another size; where old is NULL or
 *			size zero there is malloc or free instead
 *   grow	arena, bytes	an arena got more memory
 *   trim	bytes		the top of an arena went back to the kernel
 *
 * Without the header (package systemtap-sdt-dev) there are none.
 */
#ifndef BRKMALLOC_PROBES_H
#define BRKMALLOC_PROBES_H

#if __has_include("sys/sdt.h")
#include <sys/sdt.h>

#define PROBE_MALLOC(size, result)	DTRACE_PROBE2(brkmalloc, malloc, size, result)
#define PROBE_FREE(data)		DTRACE_PROBE1(brkmalloc, free, data)
#define PROBE_REALLOC(old, size, result) \
	DTRACE_PROBE3(brkmalloc, realloc, old, size, result)
#define PROBE_GROW(arena, bytes)	DTRACE_PROBE2(brkmalloc, grow, arena, bytes)
#define PROBE_TRIM(bytes)		DTRACE_PROBE1(brkmalloc, trim, bytes)
#else
#define PROBE_MALLOC(size, result)	((void)0)
#define PROBE_FREE(data)		((void)0)
#define PROBE_REALLOC(old, size, result) ((void)0)
#define PROBE_GROW(arena, bytes)	((void)0)
#define PROBE_TRIM(bytes)		((void)0)
#endif

#endif /* BRKMALLOC_PROBES_H */
