// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.c - which blocks are there now?
 *
 * Nothing is remembered for this: we go from meta block to meta block, each of which
 * says how long its block is, and through the table of blocks with a mapping of
 * their own.
 */
#include "arena.h"
#include "large.h"
#include "table.h"
#include "walk.h"

#define EXPORT	__attribute__((visibility("default")))

/**
 * walk_is_end() - is here no further block of a region?
 * @heap: whose
 * @region: which
 * @b: where the next block would be
 */
bool walk_is_end(const struct heap *heap, struct region *region, const struct block *b)
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
	case BLOCK_KEPT:
		return BRKMALLOC_KEPT;
	default:
		return BRKMALLOC_CACHED;
	}
}

static int show(const struct heap *heap, const struct block *b, size_t size,
		enum brkmalloc_state state, brkmalloc_visit visit, void *arg)
{
	struct brkmalloc_block block = {
		.data	= block_data(b),
		.size	= size,
		.state	= state,
		.arena	= heap->arena,
	};

	return visit(&block, arg);
}

/* May we go on from here? Anything may stand in a meta block that was overwritten. */
static bool leads_on(struct region *region, const struct block *b)
{
	const char *end = region_end(region) - BLOCK_META;

	return block_is_sound(b) && block_size(b) >= BLOCK_MIN &&
	       block_size(b) <= (size_t)(end - (const char *)b);
}

/**
 * walk_region() - show the blocks of a region
 * @heap: whose; with its lock held
 * @region: which
 * @visit: as of brkmalloc_walk()
 * @arg: handed to it
 * @result: set to what it returned last
 *
 * Return: where the walk ended: NULL if at the top; a fence; or a block that @visit
 * wanted no more after, or one whose meta block was overwritten.
 */
const struct block *walk_region(const struct heap *heap, struct region *region,
				brkmalloc_visit visit, void *arg, int *result)
{
	const struct block *b = region_first(region);

	for (*result = 0; !walk_is_end(heap, region, b); b = block_after(b)) {
		if (!leads_on(region, b))
			return b;
		*result = show(heap, b, block_usable(b), state_of(b), visit, arg);
		if (*result)
			return b;
	}
	if (b != heap->top)
		return b;
	*result = show(heap, b, heap->end - (char *)block_data(b), BRKMALLOC_TOP, visit, arg);
	return NULL;
}

/**
 * walk_mapped() - show the blocks with a mapping of their own
 * @visit: as of brkmalloc_walk()
 * @arg: handed to it
 *
 * With table_lock held.
 *
 * Return: zero, or what @visit returned to end it.
 */
int walk_mapped(brkmalloc_visit visit, void *arg)
{
	struct brkmalloc_block block = {
		.state	= BRKMALLOC_MAPPED,
		.arena	= BRKMALLOC_NO_ARENA,
	};
	const struct block *b;
	struct piece piece;
	uint32_t place = 0;
	int result = 0;

	while (!result && (b = table_next(&place))) {
		piece = large_mapping(b);
		block.data = block_data(b);
		block.size = piece.start + piece.length - (char *)block.data;
		result = visit(&block, arg);
	}
	return result;
}

static int walk_heap(const struct heap *heap, brkmalloc_visit visit, void *arg)
{
	struct region *region;
	int result = 0;

	for (region = heap->regions; region && !result; region = region->next)
		walk_region(heap, region, visit, arg, &result);
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
	if (!result)
		result = walk_mapped(visit, arg);
	arena_release_all();
	return result;
}
