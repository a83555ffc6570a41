// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_program.c - what shall ThreadSanitizer watch our malloc do?
 *
 * Library and program are compiled as one with -fsanitize=thread, the functions
 * of malloc under names of their own (brk_malloc for malloc ...), so that they do
 * not meet the sanitizer's malloc. Threads hand blocks to each other by nothing
 * but an atomic exchange: what else is ordered in time is so by the library.
 *
 *   race_program		no race is to be found
 *   race_program race		one is, for there is one
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brkmalloc.h"

#define THREADS		4
#define GENERATIONS	6	/* of threads */
#define OPERATIONS	15000	/* of each thread */
#define OWN		60	/* blocks of a thread */
#define SHARED		30	/* of all */

static char *shared[SHARED];
static char *raced;

static unsigned long next_random(unsigned long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dUL >> 16;
}

static size_t random_size(unsigned long *state)
{
	if (next_random(state) % 300 == 0)
		return 100000 + next_random(state) % 200000;
	return 1 + next_random(state) % (1UL << next_random(state) % 12);
}

/* Some bytes of every block are written, so that the sanitizer knows them. */
static char *touch(char *block, size_t size)
{
	if (!block)
		abort();
	block[0] = 1;
	block[size / 2] = 2;
	block[size - 1] = 3;
	return block;
}

static char *take(unsigned long *state)
{
	size_t size = random_size(state);

	switch (next_random(state) % 6) {
	case 0:
		return touch(calloc(1, size), size);
	case 1:
		return touch(aligned_alloc(16UL << next_random(state) % 6, size), size);
	default:
		return touch(malloc(size), size);
	}
}

static void operate(char **own, unsigned long *state)
{
	char **block = &own[next_random(state) % OWN];
	size_t size;

	switch (next_random(state) % 8) {
	case 0:
		size = random_size(state);
		*block = touch(realloc(*block, size), size);
		break;
	case 1:
	case 2:
		*block = __atomic_exchange_n(&shared[next_random(state) % SHARED],
					     *block, __ATOMIC_ACQ_REL);
		break;
	default:
		if (*block && malloc_usable_size(*block) > 8)
			memset(*block, 4, 8);
		free(*block);
		*block = next_random(state) % 2 ? take(state) : NULL;
	}
}

static void *work(void *arg)
{
	unsigned long state = (unsigned long)arg * 7919 + 12345;
	char *own[OWN] = { NULL };
	int i;

	for (i = 0; i < OPERATIONS; i++)
		operate(own, &state);
	/* Half is left to those who come later. */
	for (i = 0; i < OWN; i++)
		free(i % 2 ? own[i] :
		     __atomic_exchange_n(&shared[i / 2], own[i], __ATOMIC_ACQ_REL));
	return NULL;
}

/* Meanwhile somebody looks at the heap again and again. */
static void look(void)
{
	struct brkmalloc_stats stats;
	int i;

	for (i = 0; i < 20; i++) {
		brkmalloc_stats(&stats);
		if (brkmalloc_check())
			exit(1);
	}
}

static void *write_racing(void *arg)
{
	raced[0]++;
	return arg;
}

static void run_threads(void *(*function)(void *), unsigned long first)
{
	pthread_t ids[THREADS];
	unsigned long i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, function, (void *)(first + i)))
			abort();
	look();
	for (i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
	unsigned long generation;
	int i;

	(void)argv;
	if (argc > 1) {
		raced = touch(malloc(100), 100);
		run_threads(write_racing, 0);
	}
	for (generation = 0; generation < GENERATIONS; generation++)
		run_threads(work, generation * THREADS);
	for (i = 0; i < SHARED; i++)
		free(shared[i]);
	free(raced);
	if (brkmalloc_check())
		return 1;
	puts("done");
	return 0;
}
