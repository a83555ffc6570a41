// SPDX-License-Identifier: GPL-2.0-only
/*
 * limit_test.c - does the last of the memory serve, and what is too much?
 *
 * What the library keeps for later must not be missing when the kernel gives no
 * more, wherever it keeps it. A block in the heap has a largest size; beyond it
 * there are mappings, whatever the threshold.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define MANY	20000

static char *blocks[MANY];

static void limit_to(int resource, size_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	REQUIRE(!setrlimit(resource, &limit));
}

/* Take blocks until there are no more. How many there are. */
static size_t take_all(size_t bytes)
{
	size_t n;

	errno = 0;
	for (n = 0; n < MANY && (blocks[n] = malloc(bytes)); n++)
		fill(blocks[n], bytes, n);
	REQUIRE(n < MANY && errno == ENOMEM);
	return n;
}

/* 30 MiB of mappings that were freed and can be kept; 10 more are allowed. */
static void fill_stock(void)
{
	size_t i;

	for (i = 0; i < 10; i++)
		REQUIRE((blocks[i] = malloc(3 * MIB)));
	limit_to(RLIMIT_AS, virtual_bytes() + 10 * MIB);
	for (i = 0; i < 10; i++)
		free(blocks[i]);
}

static int stock_makes_room(void)
{
	char *block;

	fill_stock();
	block = malloc(35 * MIB);
	REQUIRE(block);
	free(block);
	block = malloc(20 * MIB);
	REQUIRE(block);
	return 0;
}

static int stock_makes_room_to_grow(void)
{
	char *block = malloc(2 * MIB);

	fill(block, 2 * MIB, 1);
	fill_stock();
	block = realloc(block, 37 * MIB);
	REQUIRE(block);
	REQUIRE(filled(block, 2 * MIB, 1));
	return 0;
}

/* What a few small blocks were is enough for one that is not small. */
static int small_blocks_become_a_large_one(void)
{
	size_t n, i;

	limit_to(RLIMIT_DATA, 6 * MIB);
	n = take_all(500);
	for (i = n / 2; i < n / 2 + 40; i++)
		free(blocks[i]);
	REQUIRE(malloc(15000));
	REQUIRE(!brkmalloc_check());
	for (i = 0; i < n; i++)
		REQUIRE((i >= n / 2 && i < n / 2 + 40) || filled(blocks[i], 500, i));
	return 0;
}

/* A meta block has no room for the size of such a block. */
static int more_than_a_meta_block_tells(void)
{
	char *block = malloc(100 * MIB);
	size_t align;

	REQUIRE(in_heap(block));
	fill(block, 100 * MIB, 1);
	block = realloc(block, 300 * MIB);
	REQUIRE(block && !in_heap(block));
	REQUIRE(filled(block, 100 * MIB, 1));
	REQUIRE(malloc_usable_size(block) >= 300 * MIB);
	REQUIRE(!brkmalloc_check());
	block = realloc(block, 600 * MIB);
	REQUIRE(block && filled(block, 100 * MIB, 1));
	free(block);
	for (align = 64 * MIB; align <= 1024 * MIB; align *= 2) {
		block = aligned_alloc(align, 1000);
		REQUIRE(block && !((uintptr_t)block % align));
		REQUIRE(malloc_usable_size(block) >= 1000);
		free(block);
		REQUIRE(!brkmalloc_check());
	}
	return 0;
}

static int no_mapping_for_it(void)
{
	size_t bytes;
	char *block;

	limit_to(RLIMIT_AS, virtual_bytes() + 64 * MIB);
	for (bytes = 65 * MIB; bytes < 2048 * MIB; bytes += 33 * MIB) {
		errno = 0;
		REQUIRE(!malloc(bytes) && errno == ENOMEM);
		errno = 0;
		REQUIRE(!aligned_alloc(bytes / MIB & 1 ? 1UL << 30 : 1UL << 40, 1000));
		REQUIRE(errno == ENOMEM);
		REQUIRE(!brkmalloc_check());
	}
	block = malloc(50 * MIB);
	REQUIRE(block);
	return 0;
}

const struct scenario scenarios[] = {
	{ "stock_makes_room",		stock_makes_room },
	{ "stock_makes_room_to_grow",	stock_makes_room_to_grow },
	{ "small_blocks_become_a_large_one", small_blocks_become_a_large_one },
	{ "more_than_a_meta_block_tells", more_than_a_meta_block_tells },
	{ "no_mapping_for_it",		no_mapping_for_it },
	{ }
};

TEST(mappings_that_are_kept_are_not_in_the_way_of_a_larger_one)
{
	EXPECT_SCENARIO_PASSES("stock_makes_room", NULL);
	EXPECT_SCENARIO_PASSES("stock_makes_room_to_grow", NULL);
}

TEST(small_blocks_that_wait_are_joined_when_there_is_no_more)
{
	EXPECT_SCENARIO_PASSES("small_blocks_become_a_large_one", "BRKMALLOC_CACHE=1");
	EXPECT_SCENARIO_PASSES("small_blocks_become_a_large_one", "BRKMALLOC_CACHE=0");
}

TEST(what_is_too_large_for_the_heap_gets_a_mapping_whatever_the_threshold)
{
	EXPECT_SCENARIO_PASSES("more_than_a_meta_block_tells",
			       "BRKMALLOC_MMAP_THRESHOLD=1G");
}

TEST(what_is_too_large_for_all_is_refused_and_nothing_is_lost)
{
	EXPECT_SCENARIO_PASSES("no_mapping_for_it", "BRKMALLOC_MMAP_THRESHOLD=1G");
	EXPECT_SCENARIO_PASSES("no_mapping_for_it", NULL);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
