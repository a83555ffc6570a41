// SPDX-License-Identifier: GPL-2.0-only
/*
 * depot.c - which blocks wait between the caches and the heap?
 *
 * A program that builds something of many small blocks, frees it and builds the
 * next one has more of them than caches hold. To coalesce them only to split them
 * again would be most of the work. So what a cache gives home is put on a stack for
 * its size first, and fetched from there. The stacks are small compared to the heap,
 * and emptied into it, where blocks coalesce, before the heap would grow.
 *
 * To the heap these blocks are in use, as those in the caches are.
 */
#include "depot.h"
#include "guard.h"

#define MOST_LEAST	(64UL << 10)	/* bytes in a depot, or ... */
#define MOST_SHARE	16		/* ... a part of what is in use, if that is more */
#define LARGE_LEAST	(32UL << 10)
#define LARGE_SHARE	64

static size_t share(size_t bytes, size_t least, size_t part)
{
	return bytes / part > least ? bytes / part : least;
}

static size_t most(const struct heap *heap)
{
	return share(heap_used(heap), MOST_LEAST, MOST_SHARE);
}

/**
 * depot_has_room() - may something be put there?
 * @depot: of an arena
 * @heap: of the same
 *
 * If the heap has become much smaller since the depot was filled it is emptied.
 */
bool depot_has_room(struct depot *depot, struct heap *heap)
{
	size_t limit = most(heap);

	if (depot->bytes >= 2 * limit)
		depot_empty(depot, heap);
	return depot->bytes < limit;
}

/**
 * depot_put() - keep blocks
 * @depot: of their arena
 * @bin: their size in units
 * @first: the first of a list of cached blocks
 * @last: the last of them
 * @count: how many there are
 */
void depot_put(struct depot *depot, size_t bin, struct block *first,
	       struct block *last, size_t count)
{
	block_link(last, depot->head[bin]);
	depot->head[bin] = first;
	depot->bytes += count * (bin << BLOCK_SHIFT);
}

/**
 * depot_take() - get blocks back
 * @depot: from where
 * @bin: their size in units
 * @count: how many are wanted; set to how many there are
 * @last: set to the last of them, whose link is still to be set
 *
 * Return: the first of them, linked as in a cache; NULL if there is none.
 */
struct block *depot_take(struct depot *depot, size_t bin, size_t *count,
			 struct block **last)
{
	struct block *first = depot->head[bin], *b = first;
	size_t n;

	for (n = 0; b && n < *count; n++) {
		guard_cached(b);
		*last = b;
		b = block_next(b);
	}
	depot->head[bin] = b;
	depot->bytes -= n * (bin << BLOCK_SHIFT);
	*count = n;
	return first;
}

/**
 * depot_is_large() - would it be worth while to empty it?
 * @depot: of an arena
 * @heap: of the same
 */
bool depot_is_large(const struct depot *depot, const struct heap *heap)
{
	return depot->bytes >= share(heap_used(heap), LARGE_LEAST, LARGE_SHARE);
}

/**
 * depot_empty() - free all blocks into the heap
 * @depot: of an arena
 * @heap: of the same
 */
void depot_empty(struct depot *depot, struct heap *heap)
{
	struct block *b, *next;
	size_t bin;

	for (bin = 0; bin < DEPOT_BINS; bin++) {
		for (b = depot->head[bin]; b; b = next) {
			guard_cached(b);
			next = block_next(b);
			heap_free(heap, b);
		}
		depot->head[bin] = NULL;
	}
	depot->bytes = 0;
}

static bool belongs(const struct block *b, size_t bin, const struct heap *heap)
{
	return heap_may_read(b) && block_state(b) == BLOCK_CACHED &&
	       block_units(b) == bin && block_arena(b) == heap->arena;
}

/**
 * depot_check() - verify all stacks
 * @depot: of an arena
 * @heap: of the same
 * @at: set to the block that something is wrong with, or NULL
 *
 * Return: NULL, or what is wrong.
 */
const char *depot_check(const struct depot *depot, const struct heap *heap,
			const struct block **at)
{
	const struct block *b;
	size_t bin, sum = 0;

	for (bin = 0; bin < DEPOT_BINS; bin++) {
		for (b = depot->head[bin]; b; b = block_next(b)) {
			*at = b;
			if (!belongs(b, bin, heap))
				return "a depot holds a block that does not belong there";
			if (guard_is_on() && !block_link_is_good(b))
				return "a link in a depot was overwritten";
			sum += block_size(b);
			if (sum > depot->bytes)
				break;
		}
	}
	*at = NULL;
	return sum == depot->bytes ? NULL : "a depot is not as large as it thinks";
}
