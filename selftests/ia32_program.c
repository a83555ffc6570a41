// SPDX-License-Identifier: GPL-2.0-only
/*
 * ia32_program.c - a 32-bit program whose breaks and touches are known
 *
 * It needs no 32-bit C library: no library at all, system calls by int $0x80.
 * Stops, moves its break by known steps and touches pages, maps and unmaps, forks,
 * writes what it saw to standard output, stops again, and ends with 7.
 */
#include <stdint.h>

#include "ia32_program.h"

#define NR_EXIT		1
#define NR_FORK		2
#define NR_WRITE	4
#define NR_WAITPID	7
#define NR_GETPID	20
#define NR_KILL		37
#define NR_BRK		45
#define NR_MUNMAP	91
#define NR_MMAP2	192

#define SIGNAL_STOP	19

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	long arguments[2] = { f, number };
	long result;

	/* There is no register left for the sixth argument but the frame pointer. */
	__asm__ volatile("push %%ebp\n\t"
			 "mov (%%eax), %%ebp\n\t"
			 "mov 4(%%eax), %%eax\n\t"
			 "int $0x80\n\t"
			 "pop %%ebp"
			 : "=a"(result)
			 : "a"(arguments), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return result;
}

static uint32_t move_break(uint32_t to)
{
	return call(NR_BRK, to, 0, 0, 0, 0, 0);
}

static void stop(void)
{
	call(NR_KILL, call(NR_GETPID, 0, 0, 0, 0, 0, 0), SIGNAL_STOP, 0, 0, 0, 0);
}

static void touch(uint32_t address)
{
	*(volatile char *)(uintptr_t)address = 1;
}

static struct ia32_report report;

void _start(void)
{
	static const int steps[IA32_STEPS] = IA32_STEP_BYTES;
	uint32_t now;
	long child;
	int i;

	report.magic = IA32_MAGIC;	/* its page is there before the watch */
	report.start = move_break(0);
	stop();
	now = report.start;
	for (i = 0; i < IA32_STEPS; i++) {
		now = move_break(now + steps[i]);
		report.breaks[i] = now;
	}
	for (i = 0; i < IA32_TOUCHES; i++)
		touch(report.start + i * 4096);
	report.refused = move_break(0xfffff000);
	/* PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS */
	report.map = call(NR_MMAP2, 0, IA32_MAP_PAGES * 4096, 3, 0x22, -1, 0);
	touch(report.map);
	touch(report.map + 4096);
	call(NR_MUNMAP, report.map + 4 * 4096, 4096, 0, 0, 0, 0);
	child = call(NR_FORK, 0, 0, 0, 0, 0, 0);
	if (!child)
		call(NR_EXIT, 0, 0, 0, 0, 0, 0);
	call(NR_WAITPID, child, 0, 0, 0, 0, 0);
	call(NR_WRITE, 1, (long)&report, sizeof(report), 0, 0, 0);
	stop();
	call(NR_EXIT, 7, 0, 0, 0, 0, 0);
	for (;;)
		;
}
