// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - is everything true that must be true of the heap?
 *
 * Each part checks what it knows: the functions named ..._check. Here are the
 * blocks of a heap, one after the other, and the order of the whole. Each check has
 * a sentence that says what is not so.
 */
#include "arena.h"
#include "brkmalloc.h"
#include "cache.h"
#include "full.h"
#include "guard.h"
#include "large.h"
#include "stock.h"
#include "table.h"
#include "walk.h"

#define EXPORT	__attribute__((visibility("default")))

/* What is wrong with the block @b between its neighbours, or NULL. */
static const char *check_block(const struct heap *heap, const struct block *b,
			       bool prev_is_free)
{
	uint32_t state = block_state(b);
	bool says_fence = state == BLOCK_FENCE;
	size_t size = block_size(b);

	if (block_arena(b) != heap->arena)
		return "a block says that it is of another arena";
	if (block_prev_is_free(b) != prev_is_free)
		return "a block is wrong about whether the one before is free";
	if (state == BLOCK_MAPPED || says_fence != block_is_fence(b))
		return "a block of the heap says that it is none";
	if (state != BLOCK_FREE)
		return NULL;
	if (prev_is_free)
		return "two free blocks touch";
	if (*block_word_before(block_after(b)) != size)
		return "a footer differs from its meta block";
	if (quarantine_spoiled(b, (const char *)block_word_before(block_after(b))))
		return "it was written to after free";
	return NULL;
}

/**
 * struct sums - over the blocks of a heap, to be compared with what it thinks
 * @free_blocks: how many are free
 * @free: their bytes
 * @long_free: bytes of the long ones among them
 * @purged: bytes of those whose pages were given back
 * @bytes: of regions
 */
struct sums {
	size_t	free_blocks;
	size_t	free;
	size_t	long_free;
	size_t	purged;
	size_t	bytes;
};

static void add_free(struct sums *sums, const struct block *b)
{
	sums->free_blocks++;
	sums->free += block_size(b);
	if (block_size(b) < PURGE_MIN)
		return;
	sums->long_free += block_size(b);
	if (purge_is_done(b))
		sums->purged += block_size(b);
}

/* The blocks of a region must tile it. Counts the free ones. */
static const char *check_region(const struct heap *heap, struct region *region,
				struct sums *sums, const struct block **at)
{
	const struct block *b = region_first(region);
	const char *end = region_end(region) - BLOCK_META;
	bool prev_is_free = false;
	const char *wrong;

	for (; !walk_is_end(heap, region, b); b = block_after(b)) {
		*at = b;
		if ((const char *)b > end)
			return "the blocks of a region do not end with it";
		if (!block_is_sound(b))
			return "a meta block was overwritten";
		if (block_size(b) < BLOCK_MIN)
			return "a block has an impossible size";
		if (block_size(b) > (size_t)(end - (const char *)b))
			return "the blocks of a region do not end with it";
		wrong = check_block(heap, b, prev_is_free);
		if (wrong)
			return wrong;
		prev_is_free = block_is_free(b);
		if (prev_is_free)
			add_free(sums, b);
	}
	*at = b;
	if (b == heap->top)
		return prev_is_free ? "the block before the top is free" :
		       quarantine_spoiled(b, heap->fresh) ?
		       "it was written to after free" : NULL;
	/* Less than a block may be left over behind the fence. */
	if ((const char *)b > end || end - (const char *)b >= (long)BLOCK_MIN)
		return "the fence of a region is not at its end";
	return check_block(heap, b, prev_is_free);
}

/* What free() takes for memory of the break must reach over all of it. */
static bool is_within_break(const struct region *region)
{
	uintptr_t start = (uintptr_t)region;

	return region->mapped || !guard_is_on() || (start >= break_low &&
				  start + region->size <= break_low + (break_units << BLOCK_SHIFT));
}

static const char *check_regions(const struct heap *heap, const struct block **at,
				 struct sums *sums)
{
	struct region *region = heap->regions;
	const char *wrong = NULL;

	if (region && (region_end(region) != heap->end || heap->fresh > heap->end ||
		       heap->fresh < (char *)heap->top ||
		       heap->end - (char *)heap->top < (long)BLOCK_META))
		return "top, fresh and end of the newest region are out of order";
	for (; region && !wrong; region = region->next) {
		sums->bytes += region->size;
		if (!is_within_break(region))
			return "a region is beyond what is known of the break";
		wrong = check_region(heap, region, sums, at);
	}
	return wrong;
}

static const char *check_heap(const struct heap *heap, const struct block **at)
{
	struct sums sums = { 0 };
	const char *wrong = check_regions(heap, at, &sums);

	if (wrong)
		return wrong;
	*at = NULL;
	if (sums.bytes != heap->bytes)
		return "the regions are not as large as the heap thinks";
	if (sums.long_free != heap->long_free)
		return "the long free blocks are not as large as the heap thinks";
	if (sums.purged != heap->purged)
		return "not as much is purged as the heap thinks";
	wrong = fit_check(&heap->fit, sums.free_blocks, at);
	if (wrong)
		return wrong;
	*at = NULL;
	if (sums.free != heap->fit.bytes)
		return "the free blocks are not as large as the lists think";
	return NULL;
}

static const char *check_arena(const struct arena *arena, unsigned int n,
			       const struct block **at)
{
	const char *wrong;

	*at = NULL;
	if (arena->heap.arena != n)
		return "an arena has the number of another";
	wrong = check_heap(&arena->heap, at);
	return wrong ? wrong : depot_check(&arena->depot, &arena->heap, at);
}

EXPORT int brkmalloc_check(void)
{
	const struct block *at = NULL;
	const char *wrong = NULL;
	struct damage damage;
	struct arena *arena;
	bool damaged = false;
	unsigned int i;

	arena_take_all();
	for (i = 0; (arena = arena_nth(i)) && !wrong; i++)
		wrong = check_arena(arena, i, &at);
	if (!wrong)
		wrong = cache_check(&at);
	if (!wrong)
		wrong = large_check(&at);
	if (!wrong)
		wrong = stock_check();
	if (!wrong)
		damaged = full_find_damage(&damage);
	arena_release_all();
	if (damaged)
		full_tell("check: ", &damage);
	if (wrong)
		guard_warn("check: block %p: %s", at ? block_data(at) : NULL, wrong);
	return wrong || damaged ? -1 : 0;
}
