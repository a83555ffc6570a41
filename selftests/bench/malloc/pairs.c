// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many instructions are a malloc and its free, size by size?
 *
 * Runs under callgrind, which dumps its count after each part; the dump's name
 * is "KIND SIZE". The part with no malloc, "KIND none", is what the loop itself
 * takes. Ordinary instructions only, the call itself and its way through the
 * PLT included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#define TIMES	8192	/* the harness divides by it */
#define BATCH	64

static const size_t sizes[] = { 16, 32, 64, 128, 256, 512, 1024 };

static void *blocks[BATCH];

/* Hides from the compiler what a pointer is, and costs nothing. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r" (p) : : "memory");
	return p;
}

static void pair(size_t size)
{
	for (int i = 0; i < TIMES; i++)
		free(hide(malloc(size)));
}

static void pair_none(size_t size)
{
	for (int i = 0; i < TIMES; i++)
		hide((void *)size);
}

static void batch(size_t size)
{
	for (int i = 0; i < TIMES / BATCH; i++) {
		for (int j = 0; j < BATCH; j++)
			blocks[j] = malloc(size);
		for (int j = 0; j < BATCH; j++)
			free(hide(blocks[j]));
	}
}

static void batch_none(size_t size)
{
	for (int i = 0; i < TIMES / BATCH; i++) {
		for (int j = 0; j < BATCH; j++)
			blocks[j] = hide((void *)size);
		for (int j = 0; j < BATCH; j++)
			hide(blocks[j]);
	}
}

/* Once before it counts: the first time, malloc prepares itself. */
static void count(const char *name, void (*part)(size_t size), size_t size)
{
	part(size);
	CALLGRIND_ZERO_STATS;
	part(size);
	CALLGRIND_DUMP_STATS_AT(name);
}

int main(void)
{
	char name[32];

	count("pair none", pair_none, 16);
	count("batch none", batch_none, 16);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(name, sizeof(name), "pair %zu", sizes[i]);
		count(name, pair, sizes[i]);
		snprintf(name, sizeof(name), "batch %zu", sizes[i]);
		count(name, batch, sizes[i]);
	}
	return 0;
}
