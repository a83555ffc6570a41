// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.c - which blocks are there now?
 *
 * Nothing is remembered for this: we go from meta block to meta block, each of which
 * says how long its block is, and through the table of blocks with a mapping of
 * their own.
 */
#include "full.h"
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
	case BLOCK_MAPPED:
		return BRKMALLOC_MAPPED;
	case BLOCK_KEPT:
		return BRKMALLOC_KEPT;
	default:
		return BRKMALLOC_CACHED;
	}
}

/* A block of @size bytes of data. The full guard may have put something in front. */
static int show(const struct block *b, size_t size, unsigned int arena,
		brkmalloc_visit visit, void *arg)
{
	const struct note *n = full_note(b);
	struct brkmalloc_block block = {
		.data	= block_data(b),
		.size	= size,
		.state	= state_of(b),
		.arena	= arena,
	};

	if (n) {
		block.data = note_data(n);
		block.size -= n->distance;
		block.requested = n->requested;
	}
	return visit(&block, arg);
}

static int show_top(const struct heap *heap, brkmalloc_visit visit, void *arg)
{
	struct brkmalloc_block block = {
		.data	= block_data(heap->top),
		.size	= heap->end - (char *)block_data(heap->top),
		.state	= BRKMALLOC_TOP,
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
		*result = show(b, block_usable(b), heap->arena, visit, arg);
		if (*result)
			return b;
	}
	if (b != heap->top)
		return b;
	*result = show_top(heap, visit, arg);
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
	const struct block *b;
	struct piece piece;
	uint32_t place = 0;
	int result = 0;

	while (!result && (b = table_next(&place))) {
		piece = large_mapping(b);
		result = show(b, piece.start + piece.length - (char *)block_data(b),
			      BRKMALLOC_NO_ARENA, visit, arg);
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
