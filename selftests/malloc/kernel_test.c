// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_test.c - what does malloc ask of the kernel, and what if it refuses?
 *
 * Everything is seen from outside: the break, /proc/self/maps, pagemap and
 * the count of page faults.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define KEPT	(256 * KIB)	/* more than a trim leaves at the top */
#define BLOCKS	10000
#define MANY	100000
#define STOCK	(64 * MIB)	/* of mappings that are kept, at most */

static char *blocks[MANY];

/* Many blocks of @bytes with a pattern. How many there are. */
static size_t take_blocks(size_t bytes)
{
	size_t n;

	for (n = 0; n < BLOCKS; n++) {
		blocks[n] = malloc(bytes);
		if (!blocks[n])
			break;
		fill(blocks[n], bytes, n);
	}
	return n;
}

static bool blocks_kept(size_t n, size_t bytes)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!filled(blocks[i], bytes, i))
			return false;
	return true;
}

static void free_blocks(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(blocks[i]);
}

TEST(the_break_moves_up_with_the_heap_and_maps_agrees)
{
	unsigned long before = break_now();
	struct vma heap;

	ASSERT_EQ(BLOCKS, take_blocks(1000));
	EXPECT_GE(break_now(), before + BLOCKS * 1008 - KEPT);
	EXPECT_LE(break_now(), before + BLOCKS * 1008 + KEPT);
	ASSERT_TRUE(heap_vma(&heap));
	EXPECT_EQ(heap.end, break_now());
	EXPECT_TRUE(in_heap(blocks[0]));
	EXPECT_TRUE(in_heap(blocks[BLOCKS - 1]));
}

/* Without caches, which may hold a block at the top. */
static int break_comes_down(void)
{
	unsigned long before = break_now();
	void *const grown = (void *)before;
	struct vma heap;
	size_t bytes;

	REQUIRE(take_blocks(1000) == BLOCKS);
	bytes = break_now() - before;
	REQUIRE(pages_touched(grown, bytes) >= (long)((BLOCKS * 1008 - KEPT) / PAGE));
	free_blocks(BLOCKS);
	REQUIRE(break_now() <= before + KEPT);
	REQUIRE(heap_vma(&heap));
	REQUIRE(heap.end == break_now());
	REQUIRE(pages_touched(grown, bytes) <= (long)(KEPT / PAGE));
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int used_block_holds_break(void)
{
	unsigned long peak;

	REQUIRE(take_blocks(1000) == BLOCKS);
	peak = break_now();
	free_blocks(BLOCKS - 1);
	REQUIRE(break_now() == peak);
	free(blocks[BLOCKS - 1]);
	REQUIRE(break_now() <= peak - BLOCKS * 1000 + KEPT);
	return 0;
}

/* A thread's cache may hold the top, but no more than that. */
static int pages_come_down(void)
{
	void *const grown = (void *)break_now();
	size_t bytes, i;

	for (i = 0; i < MANY; i++) {
		blocks[i] = malloc(1000);
		REQUIRE(blocks[i]);
		memset(blocks[i], 1, 1000);
	}
	bytes = break_now() - (unsigned long)grown;
	REQUIRE(pages_touched(grown, bytes) >= (long)(MANY * 1000 / PAGE));
	free_blocks(MANY);
	REQUIRE(pages_touched(grown, break_now() - (unsigned long)grown) <=
		(long)(24 * MIB / PAGE));
	REQUIRE(!brkmalloc_check());
	return 0;
}

const struct scenario scenarios[] = {
	{ "break_comes_down",		break_comes_down },
	{ "used_block_holds_break",	used_block_holds_break },
	{ "pages_come_down",		pages_come_down },
	{ }
};

TEST(the_break_and_the_pages_come_down_when_the_top_is_freed)
{
	EXPECT_SCENARIO_PASSES("break_comes_down", "BRKMALLOC_CACHE=0");
	EXPECT_SCENARIO_PASSES("pages_come_down", "BRKMALLOC_CACHE=0");
	EXPECT_SCENARIO_PASSES("pages_come_down", "BRKMALLOC_CACHE=1");
}

TEST(a_used_block_at_the_top_holds_the_break)
{
	EXPECT_SCENARIO_PASSES("used_block_holds_break", "BRKMALLOC_CACHE=0");
}

TEST(one_mapping_for_a_block_from_the_threshold_on)
{
	char *below = malloc(128 * KIB - 1);
	unsigned long before = break_now();
	char *block = malloc(128 * KIB);
	struct vma vma;

	EXPECT_TRUE(in_heap(below));
	ASSERT_TRUE(vma_at(block, &vma));
	EXPECT_FALSE(vma.heap);
	EXPECT_GE(vma.end, (unsigned long)block + 128 * KIB);
	EXPECT_EQ(before, break_now());
	fill(block, 128 * KIB, 1);
	free(block);
	EXPECT_EQ(before, break_now());
	block = malloc(STOCK);
	ASSERT_TRUE(vma_at(block, &vma));
	free(block);
	EXPECT_FALSE(vma_at(block, &vma));
	EXPECT_EQ(before, break_now());
	free(below);
}

TEST(a_freed_mapping_serves_the_next_block_without_a_page_fault)
{
	char *block = malloc(MIB);
	long faults;
	int i;

	memset(block, 1, MIB);
	faults = minor_faults();
	for (i = 0; i < 100; i++) {
		free(hide(block));
		block = malloc(MIB - i * 500);
		memset(block, 1, MIB - i * 500);
	}
	/* Each time for itself it would be 25600. */
	EXPECT_LE(minor_faults(), faults + 50);
	/* What calloc promises is zero also then. */
	free(hide(block));
	block = calloc(1, MIB);
	EXPECT_TRUE(all_zero(block, MIB));
	free(block);
}

TEST(mappings_that_are_kept_are_few_and_make_room_for_the_heap)
{
	size_t virtual = virtual_bytes(), held, i;

	for (i = 0; i < 200; i++)
		blocks[i] = malloc(MIB);
	EXPECT_GE(virtual_bytes(), virtual + 200 * MIB);
	free_blocks(200);
	EXPECT_LE(virtual_bytes(), virtual + STOCK);
	held = virtual_bytes();
	EXPECT_GE(held, virtual + 10 * MIB);
	ASSERT_EQ(BLOCKS, take_blocks(1000));
	EXPECT_LE(virtual_bytes(), held + 2 * MIB);
	free_blocks(BLOCKS);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(an_aligned_large_block_keeps_no_page_more_than_it_needs)
{
	size_t before = virtual_bytes();
	char *block = aligned_alloc(16 * MIB, MIB);
	struct vma vma;

	ASSERT_NE(NULL, block);
	EXPECT_EQ(0, (uintptr_t)block % (16 * MIB));
	EXPECT_LE(virtual_bytes(), before + MIB + 2 * PAGE);
	free(block);
	EXPECT_LE(virtual_bytes(), before + MIB + 2 * PAGE);
	block = aligned_alloc(16 * MIB, STOCK);
	ASSERT_NE(NULL, block);
	EXPECT_LE(virtual_bytes(), before + MIB + STOCK + 4 * PAGE);
	free(block);
	EXPECT_FALSE(vma_at(block, &vma));
	EXPECT_LE(virtual_bytes(), before + MIB + 2 * PAGE);
}

TEST(realloc_of_a_mapped_block_moves_pages_and_copies_nothing)
{
	char *block = malloc(8 * MIB);
	long faults;

	fill(block, 8 * MIB, 3);
	/* A neighbour, so that it can hardly grow where it is. */
	mmap(block - PAGE - MIB, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
	     MAP_FIXED_NOREPLACE, -1, 0);
	faults = minor_faults();
	block = realloc(block, 64 * MIB);
	ASSERT_NE(NULL, block);
	/* A copy would touch 2048 new pages. */
	EXPECT_LE(minor_faults(), faults + 64);
	/* One more, for the data begins 16 bytes behind a page boundary. */
	EXPECT_EQ(8 * MIB / PAGE + 1, pages_touched(block, 8 * MIB));
	EXPECT_TRUE(filled(block, 8 * MIB, 3));
	block = realloc(block, MIB);
	EXPECT_TRUE(filled(block, MIB, 3));
	EXPECT_LE(malloc_usable_size(block), MIB + PAGE);
	free(block);
}

TEST(calloc_touches_no_page_that_is_fresh_from_the_kernel)
{
	char *block;
	int i;

	block = calloc(1, 8 * MIB);
	EXPECT_EQ(1, pages_touched(block, 8 * MIB));
	EXPECT_TRUE(all_zero(block, 8 * MIB));
	/* In the heap: the meta block's page and the page of the one behind. */
	for (i = 0; i < 4; i++) {
		block = calloc(1, 120000);
		ASSERT_TRUE(in_heap(block));
	}
	EXPECT_LE(pages_touched(block, 120000), 2);
	EXPECT_TRUE(all_zero(block, 120000));
}

TEST(calloc_after_a_trim_finds_zeroes)
{
	char *block;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(BLOCKS, take_blocks(1000));
		free_blocks(BLOCKS);
		block = calloc(10, 10000);
		EXPECT_TRUE(all_zero(block, 100000));
		memset(block, 0xff, 100000);
		free(block);
	}
}

/* Under a limit: NULL with ENOMEM, all kept, and after free it goes on. */
static const char *use_up(int resource, size_t bytes)
{
	struct rlimit limit = { .rlim_cur = virtual_bytes() + 6 * MIB,
				.rlim_max = RLIM_INFINITY };
	size_t n;

	if (resource == RLIMIT_DATA)
		limit.rlim_cur = 6 * MIB;
	if (setrlimit(resource, &limit))
		return "setrlimit failed";
	errno = 0;
	n = take_blocks(bytes);
	if (n == BLOCKS || errno != ENOMEM)
		return "no ENOMEM";
	if (n * bytes < 4 * MIB)
		return "refused long before the limit";
	if (brkmalloc_check() || !blocks_kept(n, bytes))
		return "the heap was damaged";
	errno = 0;
	if (malloc(100 * MIB) || errno != ENOMEM)
		return "100 MiB were given";
	if (realloc(blocks[0], 7 * MIB) || !blocks_kept(n, bytes))
		return "realloc damaged what it could not enlarge";
	free_blocks(n);
	if (brkmalloc_check() || take_blocks(bytes) < n * 9 / 10)
		return "freed memory could not be used again";
	return NULL;
}

#define EXPECT_USED_UP_WELL(resource, bytes) do {			\
	const char *wrong = use_up(resource, bytes);			\
	EXPECT_EQ(NULL, wrong)						\
		TH_LOG("%s", wrong);					\
} while (0)

TEST(rlimit_as_gives_enomem_for_small_blocks)
{
	EXPECT_USED_UP_WELL(RLIMIT_AS, 1000);
}

TEST(rlimit_as_gives_enomem_for_large_blocks)
{
	EXPECT_USED_UP_WELL(RLIMIT_AS, 200000);
}

TEST(rlimit_data_gives_enomem_for_small_blocks)
{
	EXPECT_USED_UP_WELL(RLIMIT_DATA, 1000);
}

TEST(rlimit_data_gives_enomem_for_large_blocks)
{
	EXPECT_USED_UP_WELL(RLIMIT_DATA, 200000);
}

TEST(what_is_left_below_a_limit_is_used_to_the_last_pages)
{
	struct rlimit limit = { .rlim_cur = 6 * MIB,
				.rlim_max = RLIM_INFINITY };

	ASSERT_EQ(0, setrlimit(RLIMIT_DATA, &limit));
	ASSERT_LT(take_blocks(1000), BLOCKS);
	EXPECT_EQ((void *)-1, sbrk(4 * PAGE));
}

static void *block_the_break(void)
{
	unsigned long above = (break_now() + PAGE - 1) / PAGE * PAGE;

	return mmap((void *)above, PAGE, PROT_NONE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

TEST(with_the_break_blocked_the_heap_goes_on_in_mappings)
{
	struct brkmalloc_stats stats;
	unsigned long before;
	size_t virtual;

	take_blocks(100);
	free_blocks(BLOCKS);
	ASSERT_NE(MAP_FAILED, block_the_break());
	before = break_now();
	virtual = virtual_bytes();
	ASSERT_EQ(BLOCKS, take_blocks(1000));
	EXPECT_EQ(before, break_now());
	EXPECT_FALSE(in_heap(blocks[BLOCKS - 1]));
	EXPECT_TRUE(blocks_kept(BLOCKS, 1000));
	EXPECT_EQ(0, brkmalloc_check());
	free_blocks(BLOCKS);
	EXPECT_EQ(0, brkmalloc_check());
	/* All but the newest are unmapped again, and what the cache holds a block of. */
	EXPECT_LE(virtual_bytes(), virtual + 2 * MIB);
	malloc_trim(0);
	brkmalloc_stats(&stats);
	EXPECT_LE(stats.regions, 2);
	ASSERT_EQ(BLOCKS, take_blocks(1000));
}

TEST(when_the_break_is_free_again_it_is_used_again)
{
	unsigned long before;
	void *obstacle;

	take_blocks(100);
	obstacle = block_the_break();
	ASSERT_NE(MAP_FAILED, obstacle);
	before = break_now();
	ASSERT_EQ(BLOCKS, take_blocks(500));
	EXPECT_EQ(before, break_now());
	munmap(obstacle, PAGE);
	ASSERT_EQ(BLOCKS, take_blocks(500));
	EXPECT_LT(before, break_now());
	EXPECT_TRUE(in_heap(blocks[BLOCKS - 1]));
	EXPECT_TRUE(blocks_kept(BLOCKS, 500));
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(memory_that_the_program_took_by_sbrk_is_left_alone)
{
	static const size_t sizes[] = { 1, 100, 4096, 5000, 300000, 7 };
	char *foreign[6], *block;
	unsigned long end;
	size_t i, k;

	for (i = 0; i < 6; i++) {
		foreign[i] = sbrk(sizes[i]);
		ASSERT_NE((void *)-1, foreign[i]);
		fill(foreign[i], sizes[i], 100 + i);
		/* Each a little longer ago than the room at the top lasts. */
		for (k = 0; k < 5; k++) {
			block = malloc(100000);
			fill(block, 100000, k);
			blocks[i * 5 + k] = block;
		}
		ASSERT_EQ(0, brkmalloc_check());
	}
	EXPECT_TRUE(in_heap(block));
	end = (unsigned long)foreign[5] + sizes[5];
	for (i = 0; i < 6; i++)
		EXPECT_TRUE(filled(foreign[i], sizes[i], 100 + i));
	for (i = 0; i < 30; i++) {
		EXPECT_TRUE(filled(blocks[i], 100000, i % 5));
		free(blocks[i]);
	}
	EXPECT_EQ(0, brkmalloc_check());
	EXPECT_GE(break_now(), end);
	for (i = 0; i < 6; i++)
		EXPECT_TRUE(filled(foreign[i], sizes[i], 100 + i));
}

TEST(the_program_may_give_its_own_sbrk_back)
{
	unsigned long before;
	char *foreign;
	size_t i;

	for (i = 0; i < 20; i++) {
		before = break_now();
		foreign = sbrk(10000);
		memset(foreign, 0xff, 10000);
		ASSERT_NE((void *)-1, sbrk(-10000));
		ASSERT_EQ(before, break_now());
		blocks[i] = calloc(1, 100000);
		ASSERT_TRUE(all_zero(blocks[i], 100000));
	}
	EXPECT_EQ(0, brkmalloc_check());
	free_blocks(20);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(large_blocks_go_to_the_heap_when_no_more_mappings_are_allowed)
{
	size_t limit = 0, i;
	char line[32];
	FILE *file;

	file = fopen("/proc/sys/vm/max_map_count", "r");
	if (file && fgets(line, sizeof(line), file))
		limit = strtoul(line, NULL, 10);
	if (!limit || limit > 100000)
		SKIP(return, "vm.max_map_count is unknown or above 100000");
	ASSERT_EQ(BLOCKS, take_blocks(1000));
	free_blocks(BLOCKS - 1);
	/* Mappings that cannot merge use the count up. */
	for (i = 0; i < limit; i++)
		if (mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE |
			 MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			break;
	ASSERT_LT(i, limit);
	for (i = 0; i < 4; i++)
		EXPECT_NE(NULL, malloc(MIB));
	EXPECT_EQ(0, brkmalloc_check());
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
