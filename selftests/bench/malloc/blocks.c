// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do malloc and free cost, by size and by the order of the frees?
 */
#include <stdlib.h>

#include "workload.h"

#define BATCH	64

static const size_t sizes[] = { 16, 32, 64, 128, 256, 512, 1024 };

static void pair(void)
{
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (int i = 0; i < 2000000; i++)
			free(take(sizes[s]));
	}
}

static void batch(void)
{
	void *blocks[BATCH];

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (int i = 0; i < 30000; i++) {
			for (int j = 0; j < BATCH; j++)
				blocks[j] = take(sizes[s]);
			for (int j = 0; j < BATCH; j++)
				free(blocks[j]);
		}
	}
}

/* The oldest of 20,000 goes, a new one comes. */
static void fifo(void)
{
	enum { LIVE = 20000 };
	struct rng rng = rng_make(1);
	void **queue = map_own(LIVE * sizeof(*queue));

	for (int i = 0; i < 4000000; i++) {
		free(queue[i % LIVE]);
		queue[i % LIVE] = take(rng_between(&rng, 16, 256));
	}
	for (int i = 0; i < LIVE; i++)
		free(queue[i]);
}

/* A stack whose height wanders up to 100,000 */
static void lifo(void)
{
	enum { MOST = 100000 };
	struct rng rng = rng_make(2);
	void **stack = map_own(MOST * sizeof(*stack));
	int height = 0;

	for (int i = 0; i < 100; i++) {
		int to = rng_below(&rng, MOST);

		while (height < to)
			stack[height++] = take(rng_between(&rng, 16, 256));
		while (height > to)
			free(stack[--height]);
	}
	while (height)
		free(stack[--height]);
}

/* Any of @live goes, a new one of what @size says comes: @times */
static void replace(int live, int times, size_t (*size)(struct rng *rng))
{
	struct rng rng = rng_make(3);
	void **blocks = map_own(live * sizeof(*blocks));

	for (int i = 0; i < live; i++)
		blocks[i] = take(size(&rng));
	for (int i = 0; i < times; i++) {
		int at = rng_below(&rng, live);

		free(blocks[at]);
		blocks[at] = take(size(&rng));
	}
	for (int i = 0; i < live; i++)
		free(blocks[i]);
}

static size_t small_size(struct rng *rng)
{
	return rng_between(rng, 16, 512);
}

static size_t medium_size(struct rng *rng)
{
	return rng_between(rng, 2 * KIB, 64 * KIB);
}

static void random_order(void)
{
	replace(100000, 1500000, small_size);
}

static void mixed(void)
{
	replace(20000, 2000000, mixed_size);
}

static void medium(void)
{
	replace(1000, 700000, medium_size);
}

/* A request takes some hundred blocks, and none of them outlives it. */
static void request(void)
{
	enum { BLOCKS = 300 };
	struct rng rng = rng_make(4);
	void *blocks[BLOCKS];

	for (int i = 0; i < 10000; i++) {
		for (int j = 0; j < BLOCKS; j++)
			blocks[j] = take(mixed_size(&rng));
		for (int j = 0; j < BLOCKS; j++) {
			int at = rng_between(&rng, j, BLOCKS - 1);
			void *block = blocks[at];

			blocks[at] = blocks[j];
			free(block);
		}
	}
}

static void aligned(void)
{
	enum { LIVE = 2000 };
	struct rng rng = rng_make(5);
	void **blocks = map_own(LIVE * sizeof(*blocks));

	for (int i = 0; i < 1000000; i++) {
		int at = rng_below(&rng, LIVE);
		size_t alignment = 32UL << rng_below(&rng, 5);

		free(blocks[at]);
		if (posix_memalign(&blocks[at], alignment, rng_between(&rng, 16, 2048)))
			die("no memory aligned to %zu", alignment);
		need(blocks[at]);
	}
	for (int i = 0; i < LIVE; i++)
		free(blocks[i]);
}

const struct workload block_workloads[] = {
	{ "pair", "malloc and free at once, 16 B to 1 KiB", pair },
	{ "batch", "64 mallocs, 64 frees, 16 B to 1 KiB", batch },
	{ "fifo", "the oldest of 20,000 blocks is freed", fifo },
	{ "lifo", "a stack of blocks, its height wanders", lifo },
	{ "random", "any of 100,000 blocks is freed", random_order },
	{ "mixed", "mixed sizes to 64 KiB, any of 20,000 is freed", mixed },
	{ "medium", "2 to 64 KiB, any of 1,000 is freed", medium },
	{ "request", "300 mixed blocks, all freed in any order, again", request },
	{ "aligned", "posix_memalign to 32 to 512 B", aligned },
	{ }
};
