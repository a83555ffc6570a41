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

#define MOST_LEAST	(256UL << 10)	/* bytes in a depot, or ... */
#define MOST_SHARE	16		/* ... a part of the heap, if that is more */
#define LARGE_LEAST	(64UL << 10)
#define LARGE_SHARE	64

static size_t share(const struct heap *heap, size_t least, size_t part)
{
	return heap->bytes / part > least ? heap->bytes / part : least;
}

/**
 * depot_put() - keep a block
 * @depot: of its arena
 * @heap: of its arena
 * @b: cached, small enough for a bin
 *
 * Return: whether there was room.
 */
bool depot_put(struct depot *depot, const struct heap *heap, struct block *b)
{
	size_t bin = block_units(b);

	if (depot->bytes >= share(heap, MOST_LEAST, MOST_SHARE))
		return false;
	block_link(b, depot->head[bin]);
	depot->head[bin] = b;
	depot->bytes += block_size(b);
	return true;
}

/**
 * depot_take() - get blocks back
 * @depot: from where
 * @bin: their size in units
 * @count: how many are wanted; set to how many there are
 *
 * Return: the first of them, linked as in a cache; NULL if there is none.
 */
struct block *depot_take(struct depot *depot, size_t bin, size_t *count)
{
	struct block *first = depot->head[bin], *last = NULL, *b = first;
	size_t n;

	for (n = 0; b && n < *count; n++) {
		if (!block_link_is_good(b))
			guard_cached(b);
		last = b;
		b = block_next(b);
	}
	if (!last)
		return NULL;
	block_link(last, NULL);
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
	return depot->bytes >= share(heap, LARGE_LEAST, LARGE_SHARE);
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
			if (!block_link_is_good(b))
				guard_cached(b);
			next = block_next(b);
			heap_free(heap, b);
		}
		depot->head[bin] = NULL;
	}
	depot->bytes = 0;
}
