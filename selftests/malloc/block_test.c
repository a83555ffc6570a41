// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_test.c - do blocks lie, split, join and move as they must?
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

const struct scenario scenarios[] = { { } };

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

TEST(a_block_costs_8_bytes_more_than_its_data)
{
	char *blocks[64];
	size_t i, near = 0;

	for (i = 0; i < 64; i++)
		blocks[i] = malloc(24);
	for (i = 1; i < 64; i++)
		near += blocks[i] - blocks[i - 1] == 32;
	/* All but those that filled a hole left from before. */
	EXPECT_GE(near, 60);
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

TEST(an_aligned_block_gives_back_what_it_cut_off)
{
	struct brkmalloc_stats before, after;
	void *block;

	brkmalloc_stats(&before);
	block = aligned_alloc(65536, 1000);
	ASSERT_NE(NULL, block);
	brkmalloc_stats(&after);
	EXPECT_LE(after.used_bytes - before.used_bytes, 1000 + 8 + 32);
	free(block);
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

TEST(neighbours_freed_in_any_order_become_one_free_block)
{
	static const int orders[6][3] = { { 1, 2, 3 }, { 1, 3, 2 },
					  { 2, 1, 3 }, { 2, 3, 1 },
					  { 3, 1, 2 }, { 3, 2, 1 } };
	struct brkmalloc_block joined;
	char *blocks[5];
	int i, k;

	for (i = 0; i < 6; i++) {
		ASSERT_TRUE(five_neighbours(blocks));
		for (k = 0; k < 3; k++) {
			free(blocks[orders[i][k]]);
			ASSERT_EQ(0, brkmalloc_check());
		}
		joined = block_at_data(blocks[1]);
		EXPECT_EQ(BRKMALLOC_FREE, joined.state);
		EXPECT_EQ(3 * 1008 - 8, joined.size);
		/* Used up, so that the next round finds no hole. */
		EXPECT_EQ(blocks[1], malloc(3 * 1008 - 8));
	}
}

TEST(a_free_block_larger_than_needed_is_split)
{
	struct brkmalloc_block rest;
	char *blocks[5], *small;

	ASSERT_TRUE(five_neighbours(blocks));
	free(blocks[2]);
	small = malloc(504);
	ASSERT_EQ(blocks[2], small);
	EXPECT_EQ(504, malloc_usable_size(small));
	rest = block_at_data(small + 512);
	EXPECT_EQ(BRKMALLOC_FREE, rest.state);
	EXPECT_EQ(1000 - 512, rest.size);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(freed_memory_is_used_again_and_the_break_stays)
{
	unsigned long before = 0;
	void *blocks[300];
	int round, i;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < 300; i++) {
			blocks[i] = malloc(100 + i * 7);
			ASSERT_NE(NULL, blocks[i]);
			memset(blocks[i], round, 100 + i * 7);
		}
		if (!round)
			before = break_now();
		ASSERT_EQ(before, break_now());
		for (i = 0; i < 300; i++)
			free(blocks[(i * 7) % 300]);
	}
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

TEST(realloc_grows_into_a_free_neighbour_without_moving)
{
	char *blocks[5];

	ASSERT_TRUE(five_neighbours(blocks));
	fill(blocks[1], 1000, 5);
	free(blocks[2]);
	EXPECT_EQ(blocks[1], realloc(blocks[1], 1500));
	EXPECT_TRUE(filled(blocks[1], 1000, 5));
	EXPECT_EQ(0, brkmalloc_check());
	EXPECT_EQ(blocks[1], realloc(blocks[1], 2008));
	EXPECT_EQ(2008, malloc_usable_size(blocks[1]));
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(realloc_moves_when_the_neighbour_is_used)
{
	char *blocks[5], *moved;

	ASSERT_TRUE(five_neighbours(blocks));
	fill(blocks[1], 1000, 6);
	moved = realloc(blocks[1], 1500);
	EXPECT_NE(blocks[1], moved);
	EXPECT_TRUE(filled(moved, 1000, 6));
	EXPECT_EQ(BRKMALLOC_FREE, block_at_data(blocks[1]).state);
	EXPECT_EQ(0, brkmalloc_check());
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

TEST(realloc_to_less_gives_the_rest_back)
{
	char *blocks[5];

	ASSERT_TRUE(five_neighbours(blocks));
	fill(blocks[1], 1000, 8);
	EXPECT_EQ(blocks[1], realloc(blocks[1], 88));
	EXPECT_TRUE(filled(blocks[1], 88, 8));
	EXPECT_EQ(88, malloc_usable_size(blocks[1]));
	EXPECT_EQ(BRKMALLOC_FREE, block_at_data(blocks[1] + 96).state);
	EXPECT_EQ(0, brkmalloc_check());
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
