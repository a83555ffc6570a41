// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - what is in the heap now, and is it sound?
 *
 * Nothing is counted while the program runs: the heap is walked from meta block
 * to meta block when somebody asks, so the answer cannot differ from the heap.
 */
#include <string.h>

#include "brkmalloc.h"
#include "fit.h"
#include "guard.h"
#include "heap.h"
#include "large.h"
#include "lock.h"

#define EXPORT	__attribute__((visibility("default")))

static bool region_ends_at(struct region *region, const struct block *b)
{
	return b == heap.top || (region != heap.regions && block_is_fence(b));
}

static int show(const struct block *b, size_t size, enum brkmalloc_state state,
		brkmalloc_visit visit, void *arg)
{
	struct brkmalloc_block block = {
		.data	= block_data(b),
		.size	= size,
		.state	= state,
	};

	return visit(&block, arg);
}

static int walk_region(struct region *region, brkmalloc_visit visit, void *arg)
{
	struct block *b = region_first(region);
	int result;

	for (; !region_ends_at(region, b); b = block_after(b)) {
		result = show(b, block_usable(b),
			      block_is_used(b) ? BRKMALLOC_USED : BRKMALLOC_FREE,
			      visit, arg);
		if (result)
			return result;
	}
	if (b != heap.top)
		return 0;
	return show(b, heap.end - (char *)block_data(b), BRKMALLOC_TOP,
		    visit, arg);
}

EXPORT int brkmalloc_walk(brkmalloc_visit visit, void *arg)
{
	struct region *region;
	int result = 0;

	lock_take();
	for (region = heap.regions; region && !result; region = region->next)
		result = walk_region(region, visit, arg);
	lock_release();
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
	case BRKMALLOC_TOP:
		stats->top_bytes = block->size + BLOCK_META;
		break;
	}
	return 0;
}

EXPORT void brkmalloc_stats(struct brkmalloc_stats *stats)
{
	struct region *region;

	memset(stats, 0, sizeof(*stats));
	stats->fit = fit_name();
	large_count(&stats->mapped_blocks, &stats->mapped_bytes);
	lock_take();
	for (region = heap.regions; region; region = region->next) {
		stats->regions++;
		stats->region_bytes += region->size;
		walk_region(region, count_block, stats);
	}
	lock_release();
}

/* What is wrong with the block @b between its neighbours, or NULL. */
static const char *check_block(const struct block *b, bool prev_is_free)
{
	size_t size = block_size(b);

	if (!block_seal_is_good(b))
		return "a meta block was overwritten";
	if (block_prev_is_free(b) != prev_is_free)
		return "a block is wrong about whether the one before is free";
	if (block_is_used(b))
		return block_is_mapped(b) ? "a heap block says it is mapped" : NULL;
	if (prev_is_free)
		return "two free blocks touch";
	if (size < BLOCK_MIN || size % BLOCK_ALIGN)
		return "a block has an impossible size";
	if (*block_word_before(block_after(b)) != size)
		return "a footer differs from its meta block";
	return NULL;
}

/* The blocks of a region must tile it. Counts the free ones. */
static const char *check_region(struct region *region, size_t *free_blocks,
				const struct block **at)
{
	const struct block *b = region_first(region);
	const char *end = region_end(region) - BLOCK_META;
	bool prev_is_free = false;
	const char *wrong;

	for (; !region_ends_at(region, b); b = block_after(b)) {
		*at = b;
		if ((const char *)b > end || block_size(b) < BLOCK_MIN)
			return "the blocks of a region do not end with it";
		wrong = check_block(b, prev_is_free);
		if (wrong)
			return wrong;
		prev_is_free = !block_is_used(b);
		*free_blocks += prev_is_free;
	}
	*at = b;
	if (b == heap.top)
		return prev_is_free ? "the block before the top is free" : NULL;
	/* Less than a block may be left over behind the fence. */
	if ((const char *)b > end || end - (const char *)b >= (long)BLOCK_MIN)
		return "the fence of a region is not at its end";
	return check_block(b, prev_is_free);
}

static const char *check_heap(const struct block **at)
{
	struct region *region = heap.regions;
	size_t free_blocks = 0;
	const char *wrong;

	*at = NULL;
	if (region && (region_end(region) != heap.end || heap.fresh > heap.end ||
		       heap.fresh < (char *)heap.top ||
		       heap.end - (char *)heap.top < (long)BLOCK_META))
		return "top, fresh and end of the newest region are out of order";
	for (; region; region = region->next) {
		wrong = check_region(region, &free_blocks, at);
		if (wrong)
			return wrong;
	}
	*at = NULL;
	return fit_check(free_blocks);
}

EXPORT int brkmalloc_check(void)
{
	const struct block *at;
	const char *wrong;

	lock_take();
	wrong = check_heap(&at);
	lock_release();
	if (wrong)
		guard_warn("check: block %p: %s", at ? block_data(at) : NULL, wrong);
	return wrong ? -1 : 0;
}
