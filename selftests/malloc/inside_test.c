// SPDX-License-Identifier: GPL-2.0-only
/*
 * inside_test.c - do brkmalloc_walk() and brkmalloc_stats() tell what is there?
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define BLOCKS	1000

/* With the full guard what was asked for is known, and what was freed is kept. */
static int knows_what_was_asked_for(void)
{
	struct brkmalloc_stats before, after;
	void *small = malloc(101), *large = malloc(MIB + 1);
	size_t padding;

	REQUIRE(block_at_data(small).requested == 101);
	REQUIRE(block_at_data(small).state == BRKMALLOC_USED);
	REQUIRE(block_at_data(large).requested == MIB + 1);
	REQUIRE(block_at_data(large).state == BRKMALLOC_MAPPED);
	brkmalloc_stats(&before);
	hide(malloc(1001));
	brkmalloc_stats(&after);
	REQUIRE(after.asked - before.asked == 1001);
	padding = after.padding - before.padding;
	REQUIRE(padding && padding == after.given - before.given - 1001);
	REQUIRE(after.internal == (double)after.padding / (after.asked + after.padding));
	free(small);
	REQUIRE(block_at_data(small).state == BRKMALLOC_KEPT);
	brkmalloc_stats(&before);
	REQUIRE(before.kept_blocks == after.kept_blocks + 1);
	REQUIRE(after.asked - before.asked == 101);
	return 0;
}

const struct scenario scenarios[] = {
	{ "knows_what_was_asked_for",	knows_what_was_asked_for },
	{ }
};

TEST(with_the_full_guard_it_is_known_what_was_asked_for)
{
	EXPECT_SCENARIO_PASSES("knows_what_was_asked_for", "BRKMALLOC_GUARD=full");
}

TEST(a_walk_shows_each_block_with_its_size_and_its_state)
{
	static const size_t sizes[] = { 1, 100, 1000, 5000, 50000, MIB, 5 * MIB };
	struct brkmalloc_block seen;
	void *data;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		data = malloc(sizes[i]);
		seen = block_at_data(data);
		EXPECT_EQ(in_heap(data) ? BRKMALLOC_USED : BRKMALLOC_MAPPED, seen.state);
		EXPECT_EQ(malloc_usable_size(data), seen.size);
		EXPECT_EQ(in_heap(data), seen.arena != BRKMALLOC_NO_ARENA);
		free(data);
		seen = block_at_data(data);
		EXPECT_NE(BRKMALLOC_USED, seen.state);
		EXPECT_NE(BRKMALLOC_MAPPED, seen.state);
	}
	data = malloc(100);
	free(data);
	EXPECT_EQ(BRKMALLOC_CACHED, block_at_data(hide(data)).state);
}

TEST(a_walk_follows_a_mapped_block_that_realloc_moves)
{
	void *data[200];	/* more than the table has places for at first */
	size_t i;

	for (i = 0; i < 200; i++)
		data[i] = malloc(MIB);
	for (i = 0; i < 200; i += 2)
		free(data[i]);
	for (i = 1; i < 200; i += 2) {
		data[i] = realloc(data[i], 3 * MIB);
		EXPECT_EQ(BRKMALLOC_MAPPED, block_at_data(data[i]).state);
		EXPECT_EQ(malloc_usable_size(data[i]), block_at_data(data[i]).size);
	}
	EXPECT_EQ(0, brkmalloc_check());
	for (i = 1; i < 200; i += 2)
		free(data[i]);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(the_break_and_the_maps_are_as_large_as_the_stats_say)
{
	struct brkmalloc_stats before, after;
	unsigned long break_before;
	size_t size_before, i;

	hide(malloc(1));
	brkmalloc_stats(&before);
	break_before = break_now();
	size_before = virtual_bytes();
	for (i = 0; i < BLOCKS; i++)
		hide(malloc(10000));
	for (i = 0; i < 10; i++)
		hide(malloc(MIB));
	brkmalloc_stats(&after);
	EXPECT_EQ(break_now() - break_before, after.region_bytes - before.region_bytes);
	EXPECT_EQ(virtual_bytes() - size_before,
		  after.region_bytes - before.region_bytes +
		  after.mapped_bytes - before.mapped_bytes);
	EXPECT_EQ(10, after.mapped_blocks - before.mapped_blocks);
	EXPECT_LE(10 * MIB, after.mapped_bytes - before.mapped_bytes);
	EXPECT_EQ(10, after.mmaps - before.mmaps);
	EXPECT_EQ(BLOCKS, after.used_blocks - before.used_blocks);
	EXPECT_LE(BLOCKS * 10000 + 10 * MIB, after.given - before.given);
	/* 8 bytes each, and what stands in front of mapped blocks. */
	EXPECT_LE(BLOCKS * 8, after.meta - before.meta);
	EXPECT_GE(BLOCKS * 8 + 10 * 100, after.meta - before.meta);
	EXPECT_EQ(after.region_bytes + after.mapped_bytes,
		  after.given + after.meta + after.free_bytes + after.cached_bytes +
		  after.kept_bytes + after.top_bytes);
}

TEST(a_freed_mapping_is_in_stock)
{
	struct brkmalloc_stats stats;
	size_t size;

	free(hide(malloc(7 * MIB)));
	size = virtual_bytes();
	brkmalloc_stats(&stats);
	EXPECT_LE(7 * MIB, stats.stock_bytes);
	EXPECT_NE(0, malloc_trim(0));
	brkmalloc_stats(&stats);
	EXPECT_EQ(0, stats.stock_bytes);
	EXPECT_LE(7 * MIB, size - virtual_bytes());
}

TEST(break_moves_are_those_that_sbrk_sees)
{
	struct brkmalloc_stats before, after;
	unsigned long last = break_now();
	size_t i, moves = 0;
	void *data[BLOCKS];

	brkmalloc_stats(&before);
	for (i = 0; i < 2 * BLOCKS; i++) {
		if (i < BLOCKS)
			data[i] = malloc(20000);
		else
			free(data[2 * BLOCKS - 1 - i]);
		moves += break_now() != last;
		last = break_now();
	}
	brkmalloc_stats(&after);
	EXPECT_LT(5, moves);
	EXPECT_EQ(moves, after.break_moves - before.break_moves);
}

TEST(free_blocks_are_told_by_size)
{
	struct brkmalloc_stats before, after;
	struct brkmalloc_size_class *was, *is;
	static void *data[2 * BLOCKS];
	size_t i;

	for (i = 0; i < 2 * BLOCKS; i++)
		data[i] = malloc(3000);
	brkmalloc_stats(&before);
	for (i = 0; i < 2 * BLOCKS; i += 2)
		free(data[i]);
	brkmalloc_stats(&after);
	was = &before.free_by_size[11];		/* from 2048 on */
	is = &after.free_by_size[11];
	EXPECT_EQ(BLOCKS, is->blocks - was->blocks);
	EXPECT_EQ(BLOCKS * 3008, is->bytes - was->bytes);
	EXPECT_GE(3008, is->from);
	EXPECT_LE(3008, is->to);
	EXPECT_EQ(BLOCKS, after.free_blocks - before.free_blocks);
	for (i = 1; i < 2 * BLOCKS; i += 2)
		free(data[i]);
}

static int note_largest(const struct brkmalloc_block *block, void *arg)
{
	size_t *free_bytes = arg, size = block->size + 8;

	if (block->state != BRKMALLOC_FREE && block->state != BRKMALLOC_TOP)
		return 0;
	free_bytes[0] += size;
	if (size > free_bytes[1])
		free_bytes[1] = size;
	return 0;
}

TEST(external_fragmentation_is_what_the_largest_free_block_is_not)
{
	struct brkmalloc_stats stats;
	static void *data[BLOCKS];
	size_t free_bytes[2] = { 0 }, i;

	for (i = 0; i < BLOCKS; i++)
		data[i] = malloc(10000);
	for (i = 0; i < BLOCKS; i += 2)
		free(data[i]);
	brkmalloc_stats(&stats);
	EXPECT_EQ(0, brkmalloc_walk(note_largest, free_bytes));
	EXPECT_EQ(free_bytes[1], stats.largest_free);
	EXPECT_EQ(1 - (double)free_bytes[1] / free_bytes[0], stats.external);
	EXPECT_LT(0.5, stats.external);
	for (i = 1; i < BLOCKS; i += 2)
		free(data[i]);
	brkmalloc_stats(&stats);
	EXPECT_GT(0.5, stats.external);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
