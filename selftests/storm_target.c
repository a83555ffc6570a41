// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm_target.c - a process that does all to its memory that can be watched, and checks it
 *
 *   storm_target SEED MILLISECONDS EXECS
 *
 * Three threads work until the time is over, the first one forks meanwhile. Then
 * it executes itself EXECS times, for times of its own choice, and then exits
 * with 0, whatever the threads are at. It exits with 77 if its memory was not
 * what it should be.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brkscope_test.h"

#define THREADS		3
#define MOST_PAGES	48
#define LIFE_MOST	30000	/* milliseconds */

static char **arguments;
static uint64_t seed, deadline;

static void need(bool right)
{
	if (!right)
		_exit(77);
}

/* Is a page all zero but for its byte at @offset? Which byte is that? */
static char only_byte(const char *page, size_t offset)
{
	size_t size = scope_page_size(), i;
	char sum = 0;

	for (i = 0; i < size; i++)
		sum |= i == offset ? 0 : page[i];
	need(!sum);
	return page[offset];
}

/*
 * Writes to some pages and reads every byte of all: it is what was written, or
 * zero. That takes time outside of the kernel, which the kernel needs to see that
 * the process is not in a hook; one that did nothing but fault would hold up
 * whoever watches or unloads.
 */
static void use(char *area, size_t pages, uint64_t *random)
{
	size_t page = scope_page_size(), i;
	bool written[MOST_PAGES];

	for (i = 0; i < pages; i++) {
		written[i] = scope_random(random) & 1;
		if (written[i])
			area[i * page + i] = 'a' + i % 26;
	}
	for (i = 0; i < pages; i++)
		need(only_byte(area + i * page, i) ==
		     (written[i] ? 'a' + (char)(i % 26) : 0));
}

static void work_once(uint64_t *random)
{
	size_t page = scope_page_size(), pages;
	char *area, *moved;

	pages = 2 + scope_random(random) % (MOST_PAGES - 2);
	area = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS |
		    (scope_random(random) % 4 ? 0 : MAP_POPULATE), -1, 0);
	if (area == MAP_FAILED)
		return;
	use(area, pages, random);
	mprotect(area + page, page, PROT_READ);
	switch (scope_random(random) % 5) {
	case 0:
		need(!madvise(area, pages * page, MADV_DONTNEED));
		mprotect(area, pages * page, PROT_READ | PROT_WRITE);
		use(area, pages, random);
		break;
	case 1:
		mlock(area, page);
		break;
	case 2:
		mprotect(area, pages * page, PROT_READ | PROT_WRITE);
		moved = mremap(area, pages * page, (pages + 8) * page,
			       MREMAP_MAYMOVE);
		if (moved != MAP_FAILED) {
			area = moved;
			pages += 8;
		}
		break;
	case 3:
		madvise(area, pages * page, MADV_HUGEPAGE);
		break;
	}
	munmap(area, pages * page);
}

static void *work(void *number)
{
	uint64_t random = seed + (uintptr_t)number + 1;

	for (;;)
		work_once(&random);
	return NULL;
}

static void fork_once(uint64_t *random)
{
	bool exec = scope_random(random) & 1;
	pid_t child = scope_random(random) & 1 ? fork() : vfork();

	if (!child) {
		if (exec)
			execl("/proc/self/exe", arguments[0], "1", "0", "0", NULL);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/*
 * How long the next program lasts. A watch cannot begin while its process executes
 * programs faster than it can be looked at: each that was not watched in its time,
 * on a machine that is slow, is followed by one that lasts twice as long.
 */
static uint64_t next_life(uint64_t milliseconds)
{
	char folder[64];

	snprintf(folder, sizeof(folder), SCOPE_DIR "/%d", getpid());
	if (!access(folder, F_OK))
		return scope_random(&seed) % 400;
	return milliseconds < LIFE_MOST ? milliseconds * 2 + 1 : milliseconds;
}

static void exec_again(long left)
{
	char number[32], life[32], count[32];

	snprintf(life, sizeof(life), "%llu", (unsigned long long)
		 next_life(strtoull(arguments[2], NULL, 0)));
	snprintf(number, sizeof(number), "%llu",
		 (unsigned long long)scope_random(&seed));
	snprintf(count, sizeof(count), "%ld", left - 1);
	execl("/proc/self/exe", arguments[0], number, life, count, NULL);
	_exit(77);
}

int main(int argc, char **argv)
{
	uint64_t random;
	pthread_t thread;
	uintptr_t i;

	if (argc != 4) {
		fprintf(stderr, "usage: storm_target SEED MILLISECONDS EXECS\n");
		return 2;
	}
	arguments = argv;
	seed = strtoull(argv[1], NULL, 0) | 1;
	random = seed;
	deadline = scope_now() + strtoull(argv[2], NULL, 0) * 1000000;
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, work, (void *)i);
	while (scope_now() < deadline) {
		size_t step = scope_page_size() * (scope_random(&random) % 16);

		work_once(&random);
		if (sbrk(step) != (void *)-1)
			sbrk(-step);
		if (scope_random(&random) % 4 == 0)
			fork_once(&random);
	}
	if (strtol(argv[3], NULL, 0) > 0)
		exec_again(strtol(argv[3], NULL, 0));
	_exit(0);
}
