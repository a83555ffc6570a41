// SPDX-License-Identifier: GPL-2.0-only
/*
 * check_test.c - does brkmalloc_check() notice each thing that can be wrong?
 *
 * Every invariant is broken on purpose, each in a process of its own, and the
 * sentence must come that says so. To get at what no program can reach this one is
 * made of the library's sources; these two are part of it, for their statics.
 */
#define _GNU_SOURCE
#include "large.c"
#include "stock.c"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "kselftest_harness.h"
#include "malloc_test.h"

const struct scenario scenarios[] = { { } };

#define BLOCK	2000UL	/* bytes of data that no cache takes */
#define SMALL	100UL	/* such as one does */
#define OTHERS_BIN 5	/* a bin for another size */

static struct arena *arena;
static struct heap *heap;
static struct block *used;	/* between others that are used */
static struct block *freed;	/* in a free list, alone there, between used ones */
static struct block *behind;	/* the freed one */
static struct block *cached;
static struct block *mapped[2];

static bool are_neighbours(void *const data[5])
{
	int i;

	for (i = 1; i < 5; i++)
		if (block_after(block_of(data[i - 1])) != block_of(data[i]))
			return false;
	return true;
}

static void prepare(void)
{
	void *data[5], *small = malloc(SMALL), *spare = malloc(MIB);
	int i;

	arena = arena_nth(0);
	heap = &arena->heap;
	do {
		for (i = 0; i < 5; i++)
			data[i] = malloc(BLOCK);
	} while (!are_neighbours(data));
	used = block_of(data[1]);
	freed = block_of(data[3]);
	behind = block_of(data[4]);
	mapped[0] = block_of(malloc(MIB));
	mapped[1] = block_of(malloc(MIB));
	cached = block_of(small);
	free(small);
	free(spare);
	free(data[3]);
}

static void overwrite_meta(void)
{
	memset(used, 'A', BLOCK_META);
}

static void change_arena(void)
{
	used->home += 1 << 1;
}

static void change_prev_free(void)
{
	used->home ^= BLOCK_PREV_FREE;
}

static void say_mapped(void)
{
	block_change_state(used, BLOCK_USED, BLOCK_MAPPED);
}

static void make_neighbour_free(void)
{
	block_set(behind, block_size(behind), behind->home, BLOCK_FREE);
	block_set_footer(behind);
	block_set_prev_free(block_after(behind), true);
}

static void change_footer(void)
{
	*block_word_before(behind) += BLOCK_ALIGN;
}

static void make_empty(void)
{
	block_set(used, 0, used->home, BLOCK_USED);
}

static void make_endless(void)
{
	block_set(used, BLOCK_MAX, used->home, BLOCK_USED);
}

static void free_before_top(void)
{
	size_t one = 1, dirty;
	struct block *last = heap_carve_top(heap, 1024, &one, &dirty);

	block_change_state(last, BLOCK_USED, BLOCK_FREE);
	block_set_footer(last);
}

static void lengthen_old_region(void)
{
	struct region *newest = heap->regions;

	sbrk(16);
	while (heap->regions == newest)
		hide(malloc(50000));
	newest->size += 4 * BLOCK_MIN;
}

static void move_fresh(void)
{
	heap->fresh = heap->end + BLOCK_ALIGN;
}

static void change_bytes(void)
{
	heap->bytes += BLOCK_ALIGN;
}

static void change_free(void)
{
	heap->fit.bytes += BLOCK_ALIGN;
}

static void change_long_free(void)
{
	heap->long_free += BLOCK_ALIGN;
}

static void change_purged(void)
{
	heap->purged += BLOCK_ALIGN;
}

static void change_arena_number(void)
{
	heap->arena++;
}

static void shorten_break(void)
{
	break_units = 1;
}

static void change_bitmap(void)
{
	heap->fit.not_empty[0] ^= 1;
}

static void change_summary(void)
{
	heap->fit.not_zero ^= 1UL << (FIT_CLASSES / 64 - 1);
}

/* What looks like a block in the data of a used one. */
static struct block *false_block(enum block_state state)
{
	struct block *b = block_at(used, 64);

	block_set(b, block_size(freed), heap_home(heap), state);
	return b;
}

static void list_too_many(void)
{
	fit_insert(&heap->fit, false_block(BLOCK_FREE));
}

static void list_a_used_one(void)
{
	fit_remove(&heap->fit, freed);
	fit_insert(&heap->fit, false_block(BLOCK_USED));
}

static void link_badly(void)
{
	block_set_prev(freed, used);
}

static void list_elsewhere(void)
{
	size_t list = FIT_CLASSES - 1;

	fit_remove(&heap->fit, freed);
	block_set_prev(freed, NULL);
	block_set_next(freed, NULL);
	heap->fit.lists[list] = freed;
	heap->fit.not_empty[list / 64] |= 1UL << (list % 64);
	heap->fit.not_zero |= 1UL << (list / 64);
}

static void point_rover_elsewhere(void)
{
	heap->fit.rover = used;
}

static void unlist(void)
{
	fit_remove(&heap->fit, freed);
}

static void put_used_into_depot(void)
{
	arena->depot.head[OTHERS_BIN] = used;
}

static void spoil_link_in_depot(void)
{
	size_t bin = block_units(cached);

	cache.head[bin] = block_data(&cache_nil);
	arena->depot.head[bin] = cached;
	cached->check++;
}

static void change_depot_bytes(void)
{
	arena->depot.bytes += BLOCK_ALIGN;
}

static void cache_used(void)
{
	cache.head[OTHERS_BIN] = block_data(used);
}

static void write_to_cached(void)
{
	memset(block_data(cached), 'A', sizeof(cached->next));
}

static void change_room(void)
{
	cache.room[OTHERS_BIN]--;
}

static void unmap_a_mapped_one(void)
{
	munmap(large_mapping(mapped[0]).start, MIB);
}

static void overwrite_mapped_meta(void)
{
	memset(mapped[0], 'A', BLOCK_META);
}

static void overwrite_length(void)
{
	large_of(mapped[0])->length += PAGE;
}

static void change_places(void)
{
	table_set(large_of(mapped[0])->place, mapped[1]);
	table_set(large_of(mapped[1])->place, mapped[0]);
}

static void forget_use(void)
{
	use.blocks = 0;
}

static void know_what_is_not(void)
{
	const struct block *b = block_at(mapped[0], 7 * (ptrdiff_t)PAGE);

	*known_hint(b) = b;
}

static void enlarge_stock(void)
{
	bytes = STOCK_BYTES + PAGE;
}

static void move_piece(void)
{
	pieces[0].start += BLOCK_ALIGN;
}

static void change_stock_bytes(void)
{
	bytes -= PAGE;
}

static void forget_peak(void)
{
	use.peak = use.bytes;
}

static const struct {
	void		(*damage)(void);
	const char	*sentence;
} invariants[] = {
	{ change_arena_number,	"an arena has the number of another" },
	{ move_fresh,		"top, fresh and end of the newest region are out of order" },
	{ shorten_break,	"a region is beyond what is known of the break" },
	{ overwrite_meta,	"a meta block was overwritten" },
	{ make_empty,		"a block has an impossible size" },
	{ make_endless,		"the blocks of a region do not end with it" },
	{ change_arena,		"a block says that it is of another arena" },
	{ change_prev_free,	"a block is wrong about whether the one before is free" },
	{ say_mapped,		"a block of the heap says that it is none" },
	{ make_neighbour_free,	"two free blocks touch" },
	{ change_footer,	"a footer differs from its meta block" },
	{ free_before_top,	"the block before the top is free" },
	{ lengthen_old_region,	"the fence of a region is not at its end" },
	{ change_bytes,		"the regions are not as large as the heap thinks" },
	{ change_free,		"the free blocks are not as large as the lists think" },
	{ change_long_free,	"the long free blocks are not as large as the heap thinks" },
	{ change_purged,	"not as much is purged as the heap thinks" },
	{ change_bitmap,	"the bitmap and a free list disagree" },
	{ change_summary,	"the bitmap and its summary disagree" },
	{ list_too_many,	"a free list holds more than the free blocks of the heap" },
	{ list_a_used_one,	"a free list holds a block that is not free" },
	{ link_badly,		"a free list is not linked both ways" },
	{ list_elsewhere,	"a free block is in the list of another size" },
	{ point_rover_elsewhere, "next fit would go on at a block that is not free" },
	{ unlist,		"a free block is in no list" },
	{ put_used_into_depot,	"a depot holds a block that does not belong there" },
	{ spoil_link_in_depot,	"a link in a depot was overwritten" },
	{ change_depot_bytes,	"a depot is not as large as it thinks" },
	{ cache_used,		"a cache holds a block that does not belong there" },
	{ write_to_cached,	"a link in a cache was overwritten" },
	{ change_room,		"a cache is not as full as it thinks" },
	{ unmap_a_mapped_one,	"the table names a mapped block that is not there" },
	{ overwrite_mapped_meta, "the meta block of a mapped block was overwritten" },
	{ overwrite_length,	"the words in front of a mapped block were overwritten" },
	{ change_places,	"a mapped block is in the place of another" },
	{ forget_use,		"the table names more mapped blocks than were given out" },
	{ know_what_is_not,	"a block is taken for a mapped one that is none" },
	{ enlarge_stock,	"the stock is larger than it may be" },
	{ move_piece,		"a piece in stock is no mapping of its own" },
	{ change_stock_bytes,	"the stock is not as large as it thinks" },
	{ forget_peak,		"the stock makes the program larger than it ever was" },
};

#define INVARIANTS	(sizeof(invariants) / sizeof(invariants[0]))

static void break_and_check(void *arg)
{
	size_t i = (size_t)arg;

	prepare();
	if (brkmalloc_check())
		_exit(1);
	invariants[i].damage();
	_exit(brkmalloc_check() ? 7 : 0);
}

TEST(each_invariant_that_is_broken_is_named)
{
	static struct outcome outcome;
	char expected[200];
	size_t i;

	for (i = 0; i < INVARIANTS; i++) {
		run_child(&outcome, break_and_check, (void *)i);
		snprintf(expected, sizeof(expected), ": %s\n", invariants[i].sentence);
		EXPECT_TRUE(outcome_is_exit(&outcome, 7) &&
			    !strncmp(outcome.text, "brkmalloc: check: block ", 24) &&
			    strchr(outcome.text, '\n') == outcome.text + outcome.length - 1 &&
			    strstr(outcome.text, expected))
			TH_LOG("%s: status 0x%x, wrote: %s", invariants[i].sentence,
			       outcome.status, outcome.text);
	}
}

TEST(a_cache_that_overflows_again_and_again_keeps_its_size)
{
	void *data[200];
	int round, i;

	for (round = 0; round < 1000; round++) {
		for (i = 0; i < 200; i++)
			data[i] = malloc(SMALL);
		for (i = 0; i < 200; i++)
			free(data[i]);
		ASSERT_EQ(0, brkmalloc_check());
	}
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
