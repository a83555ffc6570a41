/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap.h - blocks out of regions: the contract of heap.c, region.c and purge.c
 *
 * All functions want the lock of the arena whose heap it is, but for the inline
 * ones that are given no heap.
 */
#ifndef BRKMALLOC_HEAP_H
#define BRKMALLOC_HEAP_H

#include <assert.h>
#include "block.h"
#include "fit.h"

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
 * struct heap - all that a heap knows besides what its blocks say
 * @fit: its free blocks
 * @regions: the newest first; only that one has a top
 * @top: where the next block would begin; no meta block is there
 * @end: of the newest region; at least the room of a fence above @top
 * @fresh: from here to @end nothing was ever written, the kernel's zeroes
 * @bytes: of all regions
 * @long_free: bytes of free blocks that hold whole pages
 * @purged: the part of them whose pages were given back
 * @freed: bytes that became part of such since they were last looked at
 * @looked: when that was, in ticks of os_ticks()
 * @grown: when the break was last moved up for it
 * @trims: calls that found much free at the top
 * @arena: number of the arena
 *
 *   newest region, at @regions                       @top      @fresh     @end
 *   | head | meta data | meta data | meta free | ... |  used   |  never   |
 *                                                    |  before |  touched |
 */
struct heap {
	struct fit	fit;
	struct region	*regions;
	struct block	*top;
	char		*end;
	char		*fresh;
	size_t		bytes;
	size_t		long_free;
	size_t		purged;
	size_t		freed;
	unsigned long	looked;
	unsigned long	grown;
	unsigned int	trims;
	unsigned int	arena;
};

/*
 * Bytes of data and alignment of the largest block in a heap. A region may become one
 * free block, and that must not become longer than a meta block can tell.
 */
#define HEAP_DATA_MAX	(BLOCK_MAX / 2)

struct block *heap_carve_free(struct heap *heap, size_t size, size_t *count);
struct block *heap_carve_top(struct heap *heap, size_t size, size_t *count, size_t *dirty);
struct block *heap_align(struct heap *heap, struct block *b, size_t size, size_t align);
bool heap_resize(struct heap *heap, struct block *b, size_t size);
void heap_free(struct heap *heap, struct block *b);

/* ---- region.c ---- */

/*
 * Where the memory of the break lies, for all heaps: no region of it begins below
 * break_low, a multiple of BLOCK_ALIGN, and none ends above break_units times that.
 */
extern HIDDEN uintptr_t break_low, break_units;
extern HIDDEN struct lock break_lock;

bool region_grow(struct heap *heap, size_t size);
size_t region_shrink(struct heap *heap, size_t keep);
void region_release(struct heap *heap, struct block *b);
void region_trim(struct heap *heap);

/* ---- purge.c ---- */

#define PURGE_MIN	8192UL	/* bytes of the least block with a whole page in it */

void purge_note_free(struct heap *heap, struct block *b, size_t freed);
void purge_note_rest(struct heap *heap, struct block *rest, const struct block *whole);
void purge_note_taken(struct heap *heap, const struct block *b);
void purge_for_growth(struct heap *heap, size_t more);
size_t purge_all(struct heap *heap);
bool purge_is_done(const struct block *b);

/*
 * Is there a data block's place at an address, in the memory of the break? One
 * comparison: what is misaligned becomes a huge number when it is rotated.
 */
static inline bool extent_has_place(uintptr_t address)
{
	uintptr_t offset = address - PEEK(break_low);

	offset = offset >> BLOCK_SHIFT | offset << (64 - BLOCK_SHIFT);
	return offset < PEEK(break_units);
}

/*
 * Is it safe to look whether there is a meta block? Memory of the break is known to
 * be there; of anything else, which is rare, the kernel is asked.
 */
static inline bool heap_may_read(const struct block *b)
{
	return likely(extent_has_place((uintptr_t)b + BLOCK_META)) || os_is_mapped(b);
}

static inline struct block *region_first(struct region *region)
{
	return (struct block *)(region + 1);
}

static inline char *region_end(struct region *region)
{
	return (char *)region + region->size;
}

/* Bytes between the top and the place of the fence. */
static inline size_t heap_top_room(const struct heap *heap)
{
	return heap->regions ? heap->end - BLOCK_META - (char *)heap->top : 0;
}

/* Bytes in no free block: those of the program, the caches, the top. A guess without the lock. */
static inline size_t heap_used(const struct heap *heap)
{
	size_t bytes = PEEK(heap->bytes), idle = PEEK(heap->fit.bytes);

	return bytes > idle ? bytes - idle : 0;
}

/* Is there neither a free block of a size nor room at the top? */
static inline bool heap_must_grow(struct heap *heap, size_t size)
{
	return heap_top_room(heap) < size && !fit_find(&heap->fit, size);
}

static inline unsigned int heap_home(const struct heap *heap)
{
	return heap->arena << 1;
}

#endif /* BRKMALLOC_HEAP_H */
