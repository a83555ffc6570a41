// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do realloc, calloc and large blocks cost?
 */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

/* As need() of realloc; the new bytes are written as by whoever appends. */
static char *grow(char *block, size_t from, size_t to)
{
	block = realloc(block, to);
	if (!block)
		die("out of memory");
	memset(block + from, 'x', to - from);
	return block;
}

/* Eight texts at a time get longer by some bytes in turn, up to 16 KiB. */
static void grow_texts(struct rng *rng)
{
	enum { TEXTS = 8, LONGEST = 16 * KIB };
	char *text[TEXTS] = { };
	size_t length[TEXTS] = { };

	for (bool longer = true; longer; ) {
		longer = false;
		for (int i = 0; i < TEXTS; i++) {
			size_t more = rng_between(rng, 1, 64);

			if (length[i] + more > LONGEST)
				continue;
			text[i] = grow(text[i], length[i], length[i] + more);
			length[i] += more;
			longer = true;
		}
	}
	for (int i = 0; i < TEXTS; i++)
		free(text[i]);
}

/* Arrays that get half as long again whenever they are full, up to @most */
static void grow_arrays(size_t most)
{
	enum { ARRAYS = 4 };
	char *array[ARRAYS] = { };
	size_t size = 0;

	while (size < most) {
		size_t next = size ? size + size / 2 : 64;

		for (int i = 0; i < ARRAYS; i++)
			array[i] = grow(array[i], size, next);
		size = next;
	}
	for (int i = 0; i < ARRAYS; i++)
		free(array[i]);
}

/* A file read piece by piece into one buffer */
static void grow_buffer(size_t step, size_t most)
{
	char *buffer = NULL;

	for (size_t size = 0; size < most; size += step)
		buffer = grow(buffer, size, size + step);
	free(buffer);
}

static void grow_all(void)
{
	struct rng rng = rng_make(1);

	for (int i = 0; i < 300; i++)
		grow_texts(&rng);
	for (int i = 0; i < 24; i++)
		grow_arrays(1 * MIB);
	for (int i = 0; i < 8; i++)
		grow_buffer(4 * KIB, 4 * MIB);
	grow_buffer(64 * KIB, 48 * MIB);
}

/* Up and down by any amount, the contents kept */
static void resize(void)
{
	enum { LIVE = 500 };
	struct rng rng = rng_make(2);
	void **blocks = map_own(LIVE * sizeof(*blocks));

	for (int i = 0; i < 1500000; i++) {
		int at = rng_below(&rng, LIVE);

		blocks[at] = need(realloc(blocks[at], mixed_size(&rng)));
	}
	for (int i = 0; i < LIVE; i++)
		free(blocks[i]);
}

/* 128 KiB to 32 MiB, each power of two as likely; three are held meanwhile. */
static void large(void)
{
	enum { LIVE = 3 };
	struct rng rng = rng_make(3);
	void *blocks[LIVE] = { };

	for (int i = 0; i < 120; i++) {
		size_t size = (128 * KIB) << rng_below(&rng, 8);

		size += rng_below(&rng, size);
		if (size > 32 * MIB)
			size = 32 * MIB;
		free(blocks[i % LIVE]);
		blocks[i % LIVE] = take(size);
		fill_pages(blocks[i % LIVE], size);
	}
	for (int i = 0; i < LIVE; i++)
		free(blocks[i]);
}

/* The same size over and over, as a loop with a work buffer */
static void large_same(void)
{
	for (int i = 0; i < 8000; i++) {
		void *block = take(MIB);

		fill_pages(block, MIB);
		free(block);
	}
}

static void zeroed(void)
{
	enum { LIVE = 5000 };
	struct rng rng = rng_make(4);
	char **blocks = map_own(LIVE * sizeof(*blocks));

	for (int i = 0; i < 1500000; i++) {
		int at = rng_below(&rng, LIVE);

		free(blocks[at]);
		blocks[at] = need(calloc(1, mixed_size(&rng)));
	}
	for (int i = 0; i < LIVE; i++)
		free(blocks[i]);
}

/* Tables of which little is ever used */
static void zeroed_sparse(void)
{
	for (int i = 0; i < 1000; i++) {
		size_t size = (1 + i % 16) * MIB;
		char *table = need(calloc(size / 64, 64));

		for (size_t at = 0; at < size; at += MIB) {
			if (table[at + 512 * KIB])
				die("calloc gave memory that is not zero");
			table[at + 512 * KIB] = 1;
		}
		free(table);
	}
}

const struct workload resize_workloads[] = {
	{ "realloc-grow", "texts, arrays and buffers that grow by realloc", grow_all },
	{ "realloc-any", "realloc to any mixed size, up and down", resize },
	{ "large", "128 KiB to 32 MiB, every page written, again", large },
	{ "large-same", "1 MiB, every page written, freed, again", large_same },
	{ "calloc", "calloc of mixed sizes, any of 5,000 is freed", zeroed },
	{ "calloc-sparse", "calloc of 1 to 16 MiB, little of it used", zeroed_sparse },
	{ }
};
