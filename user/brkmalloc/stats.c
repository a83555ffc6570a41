// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - what is in the heap now, and is it sound?
 *
 * Nothing is counted while the program runs: the heap is walked from meta block
 * to meta block when somebody asks, so the answer cannot differ from the heap.
 */
#include <string.h>

#include "arena.h"
#include "brkmalloc.h"
#include "full.h"
#include "guard.h"
#include "stock.h"

#define EXPORT	__attribute__((visibility("default")))

static bool region_ends_at(const struct heap *heap, const struct region *region,
			   const struct block *b)
{
	return b == heap->top || (region != heap->regions && block_is_fence(b));
}

static enum brkmalloc_state state_of(const struct block *b)
{
	switch (block_state(b)) {
	case BLOCK_USED:
		return BRKMALLOC_USED;
	case BLOCK_FREE:
		return BRKMALLOC_FREE;
	default:
		return BRKMALLOC_CACHED;
	}
}

static int show(const struct heap *heap, const struct block *b, size_t size,
		enum brkmalloc_state state, brkmalloc_visit visit, void *arg)
{
	const struct note *n = state == BRKMALLOC_TOP ? NULL : full_note(b);
	size_t distance = n ? n->distance : 0;
	struct brkmalloc_block block = {
		.data	= (char *)block_data(b) + distance,
		.size	= size - distance,
		.state	= state,
		.arena	= heap->arena,
	};

	return visit(&block, arg);
}

static int walk_region(const struct heap *heap, struct region *region,
		       brkmalloc_visit visit, void *arg)
{
	struct block *b = region_first(region);
	int result;

	for (; !region_ends_at(heap, region, b); b = block_after(b)) {
		result = show(heap, b, block_usable(b), state_of(b), visit, arg);
		if (result)
			return result;
	}
	if (b != heap->top)
		return 0;
	return show(heap, b, heap->end - (char *)block_data(b), BRKMALLOC_TOP, visit, arg);
}

static int walk_heap(const struct heap *heap, brkmalloc_visit visit, void *arg)
{
	struct region *region;
	int result = 0;

	for (region = heap->regions; region && !result; region = region->next)
		result = walk_region(heap, region, visit, arg);
	return result;
}

EXPORT int brkmalloc_walk(brkmalloc_visit visit, void *arg)
{
	struct arena *arena;
	unsigned int i;
	int result = 0;

	arena_take_all();
	for (i = 0; (arena = arena_nth(i)) && !result; i++)
		result = walk_heap(&arena->heap, visit, arg);
	arena_release_all();
	return result;
}

static int count_block(const struct brkmalloc_block *block, void *arg)
{
	struct brkmalloc_stats *stats = arg;

	switch (block->state) {
	case BRKMALLOC_USED:
		stats->used_blocks++;
		stats->used_bytes += block->size + BLOCK_META;
		break;
	case BRKMALLOC_FREE:
		stats->free_blocks++;
		stats->free_bytes += block->size + BLOCK_META;
		break;
	case BRKMALLOC_CACHED:
		stats->cached_blocks++;
		stats->cached_bytes += block->size + BLOCK_META;
		break;
	case BRKMALLOC_TOP:
		stats->top_bytes += block->size + BLOCK_META;
		break;
	}
	return 0;
}

EXPORT void brkmalloc_stats(struct brkmalloc_stats *stats)
{
	struct region *region;
	struct arena *arena;

	memset(stats, 0, sizeof(*stats));
	stats->fit = fit_name();
	arena_take_all();
	stats->mapped_blocks = stock_use().blocks - kept_mappings.blocks;
	stats->mapped_bytes = stock_use().bytes - kept_mappings.bytes;
	while ((arena = arena_nth(stats->arenas))) {
		stats->arenas++;
		for (region = arena->heap.regions; region; region = region->next) {
			stats->regions++;
			stats->region_bytes += region->size;
		}
		walk_heap(&arena->heap, count_block, stats);
	}
	arena_release_all();
}

/* What is wrong with the block @b between its neighbours, or NULL. */
static const char *check_block(const struct heap *heap, const struct block *b,
			       bool prev_is_free)
{
	uint32_t state = block_state(b);
	size_t size = block_size(b);

	if (state >= BLOCK_STATES)
		return "a meta block was overwritten";
	if (block_arena(b) != heap->arena)
		return "a block says that it is of another arena";
	if (block_prev_is_free(b) != prev_is_free)
		return "a block is wrong about whether the one before is free";
	if (state == BLOCK_MAPPED)
		return "a heap block says it is mapped";
	if (state != BLOCK_FREE)
		return NULL;
	if (prev_is_free)
		return "two free blocks touch";
	if (size < BLOCK_MIN)
		return "a block has an impossible size";
	if (*block_word_before(block_after(b)) != size)
		return "a footer differs from its meta block";
	if (quarantine_spoiled(b, (const char *)block_word_before(block_after(b))))
		return "it was written to after free";
	return NULL;
}

struct sums {
	size_t	free_blocks;
	size_t	long_free;
	size_t	bytes;
};

/* The blocks of a region must tile it. Counts the free ones. */
static const char *check_region(const struct heap *heap, struct region *region,
				struct sums *sums, const struct block **at)
{
	const struct block *b = region_first(region);
	const char *end = region_end(region) - BLOCK_META;
	bool prev_is_free = false;
	const char *wrong;

	for (; !region_ends_at(heap, region, b); b = block_after(b)) {
		*at = b;
		if ((const char *)b > end || block_size(b) < BLOCK_MIN)
			return "the blocks of a region do not end with it";
		wrong = check_block(heap, b, prev_is_free);
		if (wrong)
			return wrong;
		prev_is_free = block_is_free(b);
		sums->free_blocks += prev_is_free;
		if (prev_is_free && block_size(b) >= PURGE_MIN)
			sums->long_free += block_size(b);
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

static const char *check_heap(const struct heap *heap, const struct block **at)
{
	struct region *region = heap->regions;
	struct sums sums = { 0 };
	const char *wrong;

	*at = NULL;
	if (region && (region_end(region) != heap->end || heap->fresh > heap->end ||
		       heap->fresh < (char *)heap->top ||
		       heap->end - (char *)heap->top < (long)BLOCK_META))
		return "top, fresh and end of the newest region are out of order";
	for (; region; region = region->next) {
		sums.bytes += region->size;
		wrong = check_region(heap, region, &sums, at);
		if (wrong)
			return wrong;
	}
	*at = NULL;
	if (sums.bytes != heap->bytes)
		return "the regions are not as large as the heap thinks";
	if (sums.long_free != heap->long_free || heap->purged > heap->long_free)
		return "the long free blocks are not as large as the heap thinks";
	return fit_check(&heap->fit, sums.free_blocks);
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
		wrong = check_heap(&arena->heap, &at);
	if (!wrong)
		damaged = full_find_damage(&damage);
	arena_release_all();
	if (damaged)
		full_tell("check: ", &damage);
	if (wrong)
		guard_warn("check: block %p: %s", at ? block_data(at) : NULL, wrong);
	return wrong || damaged ? -1 : 0;
}
