// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_test.c - do blocks lie, split, join and move as they must?
 *
 * Where the heap is to be seen without what stands before it the caches are off.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

TEST(data_blocks_of_every_size_lie_at_multiples_of_16)
{
	static void *blocks[5000];
	size_t size;

	for (size = 0; size < 5000; size++) {
		blocks[size] = malloc(size);
		ASSERT_NE(NULL, blocks[size]);
		ASSERT_EQ(0, (uintptr_t)blocks[size] % 16);
		ASSERT_GE(malloc_usable_size(blocks[size]), size);
		fill(blocks[size], malloc_usable_size(blocks[size]), size);
	}
	ASSERT_EQ(0, brkmalloc_check());
	for (size = 0; size < 5000; size++) {
		ASSERT_TRUE(filled(blocks[size],
				   malloc_usable_size(blocks[size]), size));
		free(blocks[size]);
	}
	ASSERT_EQ(0, brkmalloc_check());
}

static int meta_block_of_8(void)
{
	char *blocks[64];
	size_t i, near = 0;

	for (i = 0; i < 64; i++)
		blocks[i] = malloc(24);
	for (i = 1; i < 64; i++)
		near += blocks[i] - blocks[i - 1] == 32;
	/* All but those that filled a hole left from before. */
	REQUIRE(near >= 60);
	return 0;
}

/* From caches or not: 32 bytes at least, 24 of them usable. */
static int smallest_block_of_32(void)
{
	char *blocks[1000];
	int i, k;

	for (i = 0; i < 1000; i++) {
		blocks[i] = malloc(i % 25);
		REQUIRE(malloc_usable_size(blocks[i]) == 24);
		REQUIRE(block_at_data(blocks[i]).size == 24);
		for (k = 0; k < i; k++)
			REQUIRE(labs(blocks[k] - blocks[i]) >= 32);
	}
	REQUIRE(malloc_usable_size(malloc(25)) == 40);
	return 0;
}

TEST(aligned_blocks_lie_at_every_power_of_two_asked_for)
{
	static const size_t sizes[] = { 0, 1, 24, 100, 4096, 100000, 300000 };
	size_t align, i;
	void *blocks[7];

	for (align = 1; align <= 4 * MIB; align *= 2) {
		for (i = 0; i < 7; i++) {
			blocks[i] = aligned_alloc(align, sizes[i]);
			ASSERT_NE(NULL, blocks[i]);
			ASSERT_EQ(0, (uintptr_t)blocks[i] % align);
			ASSERT_EQ(0, (uintptr_t)blocks[i] % 16);
			ASSERT_GE(malloc_usable_size(blocks[i]), sizes[i]);
			fill(blocks[i], sizes[i], align + i);
		}
		ASSERT_EQ(0, brkmalloc_check());
		for (i = 0; i < 7; i++) {
			ASSERT_TRUE(filled(blocks[i], sizes[i], align + i));
			free(blocks[i]);
		}
		ASSERT_EQ(0, brkmalloc_check());
	}
}

static int aligned_gives_back(void)
{
	struct brkmalloc_stats before, after;
	void *block;

	brkmalloc_stats(&before);
	block = aligned_alloc(65536, 1000);
	REQUIRE(block);
	brkmalloc_stats(&after);
	REQUIRE(after.used_bytes - before.used_bytes <= 1000 + 8 + 32);
	free(block);
	return 0;
}

/* Three neighbours between two blocks that stay. */
static bool five_neighbours(char *blocks[5])
{
	size_t i, tries;

	/* Holes left from before may come first. */
	for (tries = 0; tries < 1000; tries++) {
		for (i = 0; i < 5; i++)
			blocks[i] = malloc(1000);
		for (i = 1; i < 5 && blocks[i] == blocks[i - 1] + 1008; i++)
			;
		if (i == 5)
			return true;
	}
	return false;
}

static int neighbours_join(void)
{
	static const int orders[6][3] = { { 1, 2, 3 }, { 1, 3, 2 },
					  { 2, 1, 3 }, { 2, 3, 1 },
					  { 3, 1, 2 }, { 3, 2, 1 } };
	struct brkmalloc_block joined;
	char *blocks[5];
	int i, k;

	for (i = 0; i < 6; i++) {
		REQUIRE(five_neighbours(blocks));
		for (k = 0; k < 3; k++) {
			free(blocks[orders[i][k]]);
			REQUIRE(!brkmalloc_check());
		}
		joined = block_at_data(blocks[1]);
		REQUIRE(joined.state == BRKMALLOC_FREE);
		REQUIRE(joined.size == 3 * 1008 - 8);
		/* Used up, so that the next round finds no hole. */
		REQUIRE(malloc(3 * 1008 - 8) == blocks[1]);
	}
	return 0;
}

static int free_block_is_split(void)
{
	struct brkmalloc_block rest;
	char *blocks[5], *small;

	REQUIRE(five_neighbours(blocks));
	free(blocks[2]);
	small = malloc(504);
	REQUIRE(small == blocks[2]);
	REQUIRE(malloc_usable_size(small) == 504);
	rest = block_at_data(small + 512);
	REQUIRE(rest.state == BRKMALLOC_FREE);
	REQUIRE(rest.size == 1000 - 512);
	REQUIRE(!brkmalloc_check());
	return 0;
}

/* From round @from on. */
static int break_stays_from(int from)
{
	unsigned long before = 0;
	void *blocks[300];
	int round, i;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < 300; i++) {
			blocks[i] = malloc(100 + i * 7);
			REQUIRE(blocks[i]);
			memset(blocks[i], round, 100 + i * 7);
		}
		if (round == from)
			before = break_now();
		REQUIRE(round < from || break_now() == before);
		for (i = 0; i < 300; i++)
			free(blocks[(i * 7) % 300]);
	}
	return 0;
}

static int break_stays(void)
{
	return break_stays_from(0);
}

/* Caches grow until they have what this program needs. */
static int break_settles(void)
{
	return break_stays_from(20);
}

TEST(calloc_zeroes_used_memory)
{
	size_t size;
	void *block;

	for (size = 1; size < 300000; size = size * 3 / 2 + 1) {
		block = malloc(size);
		ASSERT_NE(NULL, block);
		memset(block, 0xff, malloc_usable_size(block));
		free(block);
		block = calloc(1, size);
		ASSERT_NE(NULL, block);
		ASSERT_TRUE(all_zero(block, size));
		memset(block, 0xff, size);
		free(block);
	}
}

static int grows_into_neighbour(void)
{
	char *blocks[5];

	REQUIRE(five_neighbours(blocks));
	fill(blocks[1], 1000, 5);
	free(blocks[2]);
	REQUIRE(realloc(blocks[1], 1500) == blocks[1]);
	REQUIRE(filled(blocks[1], 1000, 5));
	REQUIRE(!brkmalloc_check());
	REQUIRE(realloc(blocks[1], 2008) == blocks[1]);
	REQUIRE(malloc_usable_size(blocks[1]) == 2008);
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int moves_when_it_must(void)
{
	char *blocks[5], *moved;

	REQUIRE(five_neighbours(blocks));
	fill(blocks[1], 1000, 6);
	moved = realloc(blocks[1], 1500);
	REQUIRE(moved != blocks[1]);
	REQUIRE(filled(moved, 1000, 6));
	REQUIRE(block_at_data(blocks[1]).state == BRKMALLOC_FREE);
	REQUIRE(!brkmalloc_check());
	return 0;
}

TEST(realloc_grows_at_the_top_without_moving)
{
	char *hole_filler = malloc(100000);
	char *block = malloc(100000);
	size_t size;

	/* The second is at the top, for no hole is left that is so large. */
	fill(block, 100000, 7);
	for (size = 100000; size < 128 * KIB; size += 1000)
		ASSERT_EQ(block, realloc(hide(block), size));
	EXPECT_TRUE(filled(block, 100000, 7));
	EXPECT_EQ(0, brkmalloc_check());
	free(block);
	free(hole_filler);
}

static int less_gives_back(void)
{
	char *blocks[5];

	REQUIRE(five_neighbours(blocks));
	fill(blocks[1], 1000, 8);
	REQUIRE(realloc(blocks[1], 88) == blocks[1]);
	REQUIRE(filled(blocks[1], 88, 8));
	REQUIRE(malloc_usable_size(blocks[1]) == 88);
	REQUIRE(block_at_data(blocks[1] + 96).state == BRKMALLOC_FREE);
	REQUIRE(!brkmalloc_check());
	return 0;
}

const struct scenario scenarios[] = {
	{ "meta_block_of_8",		meta_block_of_8 },
	{ "smallest_block_of_32",	smallest_block_of_32 },
	{ "aligned_gives_back",		aligned_gives_back },
	{ "neighbours_join",		neighbours_join },
	{ "free_block_is_split",	free_block_is_split },
	{ "break_stays",		break_stays },
	{ "break_settles",		break_settles },
	{ "grows_into_neighbour",	grows_into_neighbour },
	{ "moves_when_it_must",		moves_when_it_must },
	{ "less_gives_back",		less_gives_back },
	{ }
};

#define NO_CACHE "BRKMALLOC_CACHE=0"

TEST(a_block_costs_8_bytes_more_than_its_data)
{
	EXPECT_SCENARIO_PASSES("meta_block_of_8", NO_CACHE);
}

TEST(the_smallest_block_has_32_bytes_and_24_of_them_are_usable)
{
	EXPECT_SCENARIO_PASSES("smallest_block_of_32", NO_CACHE);
	EXPECT_SCENARIO_PASSES("smallest_block_of_32", NULL);
}

TEST(an_aligned_block_gives_back_what_it_cut_off)
{
	EXPECT_SCENARIO_PASSES("aligned_gives_back", NO_CACHE);
	EXPECT_SCENARIO_PASSES("aligned_gives_back", NULL);
}

TEST(neighbours_freed_in_any_order_become_one_free_block)
{
	EXPECT_SCENARIO_PASSES("neighbours_join", NO_CACHE);
}

TEST(a_free_block_larger_than_needed_is_split)
{
	EXPECT_SCENARIO_PASSES("free_block_is_split", NO_CACHE);
}

TEST(freed_memory_is_used_again_and_the_break_stays)
{
	EXPECT_SCENARIO_PASSES("break_stays", NO_CACHE);
	EXPECT_SCENARIO_PASSES("break_settles", NULL);
}

TEST(realloc_grows_into_a_free_neighbour_without_moving)
{
	EXPECT_SCENARIO_PASSES("grows_into_neighbour", NO_CACHE);
}

TEST(realloc_moves_when_the_neighbour_is_used)
{
	EXPECT_SCENARIO_PASSES("moves_when_it_must", NO_CACHE);
}

TEST(realloc_to_less_gives_the_rest_back)
{
	EXPECT_SCENARIO_PASSES("less_gives_back", NO_CACHE);
	EXPECT_SCENARIO_PASSES("less_gives_back", NULL);
}

TEST(realloc_keeps_the_content_across_the_mmap_threshold)
{
	static const size_t sizes[] = { 1000, 200000, 3000000, 200, 130 * KIB,
					127 * KIB, 10, 5000000, 140000 };
	char *block = malloc(10), *now;
	size_t i, old = 10, less;

	fill(block, 10, 9);
	for (i = 0; i < 9; i++) {
		now = realloc(block, sizes[i]);
		ASSERT_NE(NULL, now);
		block = now;
		less = old < sizes[i] ? old : sizes[i];
		ASSERT_TRUE(filled(block, less, i + 9));
		ASSERT_EQ(sizes[i] < 128 * KIB, in_heap(block));
		old = sizes[i];
		fill(block, old, i + 10);
	}
	free(block);
	EXPECT_EQ(0, brkmalloc_check());
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
