/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap.h - blocks out of regions: the contract of heap.c
 *
 * All functions want the lock, except heap_may_read().
 */
#ifndef BRKMALLOC_HEAP_H
#define BRKMALLOC_HEAP_H

#include <assert.h>
#include "block.h"

/**
 * struct region - head of a contiguous stretch of heap memory
 * @next: the region that was opened before this one
 * @size: bytes from this head to the end of the region
 * @mapped: from mmap, because the break could not be moved
 *
 * Behind the head blocks follow without a gap, to the fence or, in the newest
 * region, to the top.
 */
struct region {
	struct region	*next;
	size_t		size;
	size_t		mapped;
};

/* The first meta block must lie 8 bytes before a multiple of 16. */
static_assert(sizeof(struct region) % BLOCK_ALIGN == BLOCK_META, "layout");

/**
 * struct heap - all that the heap knows besides what its blocks say
 * @regions: the newest first; only that one has a top
 * @top: where the next block would begin; no meta block is there
 * @end: of the newest region; at least the room of a fence above @top
 * @fresh: from here to @end nothing was ever written, the kernel's zeroes
 * @break_low: no break region begins below
 * @break_high: no break region ends above
 *
 *   newest region, at @regions                       @top      @fresh     @end
 *   | head | meta data | meta data | meta free | ... |  used   |  never   |
 *                                                    |  before |  touched |
 */
struct heap {
	struct region	*regions;
	struct block	*top;
	char		*end;
	char		*fresh;
	char		*break_low;
	char		*break_high;
};

extern struct heap heap;

bool heap_may_read(const void *address);
struct block *heap_alloc(size_t size, size_t *dirty);
struct block *heap_alloc_aligned(size_t size, size_t align);
bool heap_resize(struct block *b, size_t size);
void heap_free(struct block *b);

static inline struct block *region_first(struct region *region)
{
	return (struct block *)(region + 1);
}

static inline char *region_end(struct region *region)
{
	return (char *)region + region->size;
}

#endif /* BRKMALLOC_HEAP_H */
