// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does this use of malloc cost?
 *
 * usage: workload NAME		run it; prints "wall_ns TIME", "cpu_ns TIME" and
 *			what else there is to tell as "WHAT VALUE"
 *	  workload --list	all names and what they are
 *
 * Every workload does the same calls in the same order in every run and with
 * every malloc; with several threads, each of them does. The time is that of
 * the workload alone, without the program's start and end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define PAGE	4096

static const struct workload *const families[] = {
	block_workloads, resize_workloads, structure_workloads, thread_workloads,
	heap_workloads, trace_workloads,
};

/* Wall time and processor time, in nanoseconds */
static uint64_t wall, wall_start, cpu, cpu_start;

/**
 * die() - end the program with a reason
 * @format: as of printf
 */
void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("workload: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

/** clock_stop() - what follows is not part of the workload's time */
void clock_stop(void)
{
	wall += read_clock(CLOCK_MONOTONIC) - wall_start;
	cpu += read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
}

/** clock_go() - what follows is part of the workload's time again */
void clock_go(void)
{
	wall_start = read_clock(CLOCK_MONOTONIC);
	cpu_start = read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/**
 * mixed_size() - a size as programs ask for: mostly small, rarely up to 64 KiB
 * @rng: where it comes from
 *
 * Return: bytes; the mean is about 730.
 */
size_t mixed_size(struct rng *rng)
{
	uint32_t kind = rng_below(rng, 64);

	if (kind < 46)
		return rng_between(rng, 8, 128);
	if (kind < 60)
		return rng_between(rng, 129, 1024);
	if (kind < 63)
		return rng_between(rng, 1025, 8192);
	return rng_between(rng, 8193, 65536);
}

/**
 * need() - insist on a block
 * @block: what an allocating function returned
 *
 * Return: @block, which is not NULL.
 */
void *need(void *block)
{
	if (!block)
		die("out of memory");
	return block;
}

/**
 * take() - a new block, and use it a little
 * @size: bytes, at least 1
 */
void *take(size_t size)
{
	void *block = need(malloc(size));

	*(volatile char *)block = 1;
	return block;
}

/**
 * fill_pages() - write something to every page
 * @block: where
 * @size: its bytes
 */
void fill_pages(void *block, size_t size)
{
	volatile char *p = block;

	for (size_t i = 0; i < size; i += PAGE)
		p[i] = 1;
	if (size)
		p[size - 1] = 1;
}

/**
 * map_own() - memory that does not come from malloc and is present already
 * @size: bytes
 */
void *map_own(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

/**
 * tell() - a result beside the time
 * @what: its name
 * @value: the value
 */
void tell(const char *what, double value)
{
	printf("%s %.10g\n", what, value);
}

/**
 * resident_kb() - the program's own memory (of no file) that is present, in KiB
 *
 * Counted page by page: the sums that /proc/self/status and getrusage() give
 * are some pages late. Read without the help of malloc.
 */
unsigned long resident_kb(void)
{
	static const char path[] = "/proc/self/smaps_rollup";
	static const char field[] = "\nAnonymous:";
	char text[4096], *at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	text[n] = '\0';
	at = strstr(text, field);
	if (!at)
		die("%s has no %s", path, field + 1);
	return strtoul(at + strlen(field), NULL, 10);
}

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		for (const struct workload *w = families[i]; w->name; w++) {
			if (!strcmp(w->name, name))
				return w;
		}
	}
	die("no workload %s; --list names them", name);
}

int main(int argc, char **argv)
{
	const struct workload *w;

	if (argc != 2) {
		fprintf(stderr, "usage: workload NAME | --list\n");
		return 2;
	}
	if (!strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
			for (w = families[i]; w->name; w++)
				printf("%s\t%s\n", w->name, w->what);
		}
		return 0;
	}
	w = find(argv[1]);
	clock_go();
	w->run();
	clock_stop();
	tell("wall_ns", wall);
	tell("cpu_ns", cpu);
	return 0;
}
