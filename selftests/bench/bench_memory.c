// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does one memory operation cost, told by the kernel's clock?
 *
 * usage: bench_memory VMAS
 *
 * Makes itself an address space of exactly VMAS memory areas, or as few as it
 * has if that is 0, prints "ready PID", and then serves commands from standard
 * input, one a line, with one line of answer each:
 *
 *	OPERATION COUNT		do it COUNT times, or fewer where that would take
 *				long; "OPERATION LEAST MEAN DONE"
 *	control COMMAND		write COMMAND to /proc/brkscope/control;
 *				"control DURATION" of the write
 *	vmas COUNT		make it so many VMAs; "vmas COUNT"
 *	clock			"clock N": thousand instructions last N
 *	quit			end
 *
 * A time is in nanoseconds of CLOCK_MONOTONIC_RAW, less what reading the clock
 * costs. In a virtual machine whose clock counts instructions it is a number of
 * instructions. Each operation is timed alone: the least leaves out what comes
 * by the way now and then (timer ticks, a new slab, a reader's turn), the mean
 * has it. What cannot be done ends the program with status 1 and a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench_memory.h"

#define SAMPLES		8192
#define BUDGET		400000000UL	/* for all times of an operation */
#define AT_LEAST	5	/* times, though that may take longer */
#define STATE_FD	100	/* where the measurement outlives an exec */

/* What an exec must not make forget. */
static struct state {
	uint64_t start;		/* the first, as it is written alone, and late */
	unsigned long vmas;
	long count;
	long done;
	uint64_t times[SAMPLES];
} state;

static uint64_t clock_cost;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

/** die() - end with status 1 and a reason, and that of errno if it is set */
void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bench_memory: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, err ? ": %s\n" : "\n", strerror(err));
	va_end(args);
	exit(1);
}

/* ---- measuring ---- */

/* Return: how often it was done. */
static long measure(const struct operation *op, long count)
{
	uint64_t begin, start, end;
	long i;

	if (op->before)
		op->before(count);
	begin = now();
	for (i = 0; i < count; i++) {
		start = now();
		op->each(i);
		end = now();
		state.times[i] = end - start;
		if (end - begin > BUDGET && i + 1 >= AT_LEAST)
			count = i + 1;
	}
	if (op->after)
		op->after();
	return count;
}

static uint64_t least(long count)
{
	uint64_t best = UINT64_MAX;
	long i;

	for (i = 0; i < count; i++)
		best = state.times[i] < best ? state.times[i] : best;
	return best;
}

static void answer(const char *name, long count)
{
	uint64_t sum = 0;
	long i;

	for (i = 0; i < count; i++)
		sum += state.times[i];
	printf("%s %lu %lu %ld\n", name, least(count) - clock_cost,
	       sum / count - clock_cost, count);
}

static void measure_clock(void)
{
	const struct operation idle = { .each = operation_none };

	clock_cost = least(measure(&idle, 1000));
}

/* The fastest of some, as no timer tick came in between. */
static void clock_check(void)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		unsigned long rounds = 500000;
		uint64_t start = now();

		asm volatile("1: dec %0\n\tjnz 1b" : "+r" (rounds) : : "cc");
		start = now() - start;
		best = start < best ? start : best;
	}
	printf("clock %lu\n", best / 1000);
}

static void control(const char *command)
{
	int fd = open("/proc/brkscope/control", O_WRONLY);
	size_t length = strlen(command);
	uint64_t start;
	ssize_t written;

	if (fd < 0)
		die("/proc/brkscope/control");
	start = now();
	written = write(fd, command, length);
	start = now() - start;
	if (written != (ssize_t)length)
		die("%s", command);
	close(fd);
	printf("control %lu\n", start - clock_cost);
}

/* ---- exec: one image hands the measurement to the next ---- */

static void exec_next(const char *self)
{
	char *const args[] = { (char *)self, "exec", NULL };

	if (pwrite(STATE_FD, &state, sizeof(state), 0) != sizeof(state))
		die("memfd");
	state.start = now();
	if (pwrite(STATE_FD, &state.start, sizeof(state.start), 0) != sizeof(state.start))
		die("memfd");
	execv("/proc/self/exe", args);
	die("exec");
}

static void exec_first(const char *self, long count)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0 || dup2(fd, STATE_FD) < 0)
		die("memfd");
	close(fd);
	state.count = count;
	state.done = 0;
	fflush(stdout);
	exec_next(self);
}

/* The new image has begun at the time @end. */
static void exec_continue(const char *self, uint64_t end)
{
	if (pread(STATE_FD, &state, sizeof(state), 0) != sizeof(state))
		die("memfd");
	state.times[state.done++] = end - state.start;
	make_vmas(state.vmas);
	if (state.done < state.count)
		exec_next(self);
	close(STATE_FD);
	answer("exec", state.count);
}

/* ---- commands ---- */

static void run_operation(const char *self, const char *name, long count)
{
	const struct operation *op;

	errno = 0;
	if (count < 1 || count > SAMPLES)
		die("%s: from 1 to %d times, not %ld", name, SAMPLES, count);
	if (!strcmp(name, "exec"))
		exec_first(self, count);
	op = operation_find(name);
	if (!op)
		die("no such operation: %s", name);
	answer(name, measure(op, count));
}

static void grow(long vmas)
{
	state.vmas = vmas;
	make_vmas(vmas);
	printf("vmas %ld\n", vmas);
}

/* One line, unbuffered: an exec would lose what was read ahead. */
static bool read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(STDIN_FILENO, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = 0;
			return true;
		}
		n++;
	}
	return false;
}

static void serve(const char *self)
{
	char line[128], name[32];
	long count;

	while (read_line(line, sizeof(line)) && strcmp(line, "quit")) {
		if (!strncmp(line, "control ", 8))
			control(line + 8);
		else if (sscanf(line, "vmas %ld", &count) == 1)
			grow(count);
		else if (!strcmp(line, "clock"))
			clock_check();
		else if (sscanf(line, "%31s %ld", name, &count) == 2)
			run_operation(self, name, count);
		else
			die("no such command: %s", line);
		fflush(stdout);
	}
}

/* The same addresses each time, small pages, and all of our own data there. */
static void settle(char **argv)
{
	int persona = personality(0xffffffff);

	if (!(persona & ADDR_NO_RANDOMIZE)) {
		if (personality(persona | ADDR_NO_RANDOMIZE) < 0)
			die("personality");
		execv("/proc/self/exe", argv);
		die("exec");
	}
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("prctl");
	memset(&state, 1, sizeof(state));
	if (!sbrk(PAGE))
		die("sbrk");
}

int main(int argc, char **argv)
{
	uint64_t start = now();
	char *end = "";

	if (argc != 2) {
		fprintf(stderr, "usage: bench_memory VMAS\n");
		return 1;
	}
	settle(argv);
	measure_clock();
	if (!strcmp(argv[1], "exec")) {
		exec_continue(argv[0], start);
	} else {
		state.vmas = strtoul(argv[1], &end, 10);
		if (*end || !*argv[1])
			die("not a number of areas: %s", argv[1]);
		make_vmas(state.vmas);
		printf("ready %d\n", getpid());
	}
	fflush(stdout);
	serve(argv[0]);
	return 0;
}
