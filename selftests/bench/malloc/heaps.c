// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does a heap hold that has been large, and what does it take to get there?
 */
#include <stdlib.h>
#include <unistd.h>

#include "workload.h"

/* Make blocks of @total bytes and write to all of their pages; how many? */
static size_t build(struct rng *rng, void **blocks, size_t most, size_t total,
		    size_t (*next_size)(struct rng *rng))
{
	size_t count = 0;

	for (size_t asked = 0; asked < total; count++) {
		size_t size = next_size(rng);

		if (count == most)
			die("more than %zu blocks", most);
		blocks[count] = take(size);
		fill_pages(blocks[count], size);
		asked += size;
	}
	return count;
}

static void shuffle(struct rng *rng, void **blocks, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t at = rng_below(rng, i);
		void *block = blocks[at];

		blocks[at] = blocks[i - 1];
		blocks[i - 1] = block;
	}
}

static size_t object_size(struct rng *rng)
{
	return rng_below(rng, 8) ? rng_between(rng, 16, 512) : rng_between(rng, 513, 2048);
}

/*
 * A program that was large for a while: 430 MB of objects, of which one in a
 * hundred lasts. It goes on with little to do; what is resident then is what
 * it costs its machine for the rest of its life.
 */
static void fragment(void)
{
	enum { MOST = 1500000 };
	struct rng rng = rng_make(1);
	void **blocks = map_own(MOST * sizeof(*blocks));
	unsigned long before = resident_kb();
	size_t count = build(&rng, blocks, MOST, 430000000, object_size);

	shuffle(&rng, blocks, count);
	for (size_t i = count / 100; i < count; i++)
		free(blocks[i]);

	clock_stop();
	tell("freed_kb", resident_kb() - before);
	for (int i = 0; i < 200; i++) {
		for (int j = 0; j < 500; j++)
			free(take(object_size(&rng)));
		usleep(1000);
	}
	tell("end_kb", resident_kb() - before);
	clock_go();
}

/* The same phases again and again: up to 24 MB, and down to nothing */
static void phases(void)
{
	enum { MOST = 100000 };
	struct rng rng = rng_make(2);
	void **blocks = map_own(MOST * sizeof(*blocks));

	for (int i = 0; i < 12; i++) {
		size_t count = build(&rng, blocks, MOST, 24000000, mixed_size);

		if (i % 2)
			shuffle(&rng, blocks, count);
		for (size_t j = 0; j < count; j++)
			free(blocks[j]);
	}
}

/* A heap of 50 MB in which sizes change slowly: what was freed does not fit. */
static void drift(void)
{
	struct rng rng = rng_make(3);
	size_t count = 100000;
	void **blocks = map_own(count * sizeof(*blocks));

	for (int phase = 0; phase < 8; phase++) {
		size_t least = 64 + 64 * phase;

		for (size_t i = 0; i < count; i++) {
			size_t at = rng_below(&rng, count);

			free(blocks[at]);
			blocks[at] = take(rng_between(&rng, least, 2 * least));
		}
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
}

const struct workload heap_workloads[] = {
	{ "fragment", "430 MB, 99 % of it freed in any order", fragment },
	{ "phases", "up to 24 MB and down to nothing, 12 times", phases },
	{ "drift", "100,000 blocks, ever larger ones", drift },
	{ }
};
