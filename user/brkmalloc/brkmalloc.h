/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * brkmalloc.h - what can a program ask libbrkmalloc beyond malloc and free?
 *
 * malloc, free and their relatives are declared where they always are, in
 * <stdlib.h> and <malloc.h>, but for three at the end. This header is for those
 * who want to look inside: teaching programs, tests, debuggers.
 */
#ifndef BRKMALLOC_H
#define BRKMALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum brkmalloc_state - what a piece of the heap is
 * @BRKMALLOC_USED: a data block that the program holds
 * @BRKMALLOC_FREE: a block in a free list
 * @BRKMALLOC_TOP: the rest of an arena's newest region, not yet cut into blocks
 * @BRKMALLOC_CACHED: a free block that a thread keeps for itself, or that is on
 *	its way back to its arena
 * @BRKMALLOC_MAPPED: a data block that the program holds, with a mapping of its own
 * @BRKMALLOC_KEPT: a freed block that BRKMALLOC_GUARD=full keeps for a while
 */
enum brkmalloc_state {
	BRKMALLOC_USED,
	BRKMALLOC_FREE,
	BRKMALLOC_TOP,
	BRKMALLOC_CACHED,
	BRKMALLOC_MAPPED,
	BRKMALLOC_KEPT,
};

#define BRKMALLOC_NO_ARENA	(~0U)

/**
 * struct brkmalloc_block - one piece of the heap, as brkmalloc_walk() shows it
 * @data: where the data block begins
 * @size: bytes from @data to the end of the block
 * @requested: bytes that the program asked for; 0 if that is not known
 * @state: what it is
 * @arena: number of the arena that it belongs to; BRKMALLOC_NO_ARENA if it has a
 *	mapping of its own
 */
struct brkmalloc_block {
	void			*data;
	size_t			size;
	size_t			requested;
	enum brkmalloc_state	state;
	unsigned int		arena;
};

typedef int (*brkmalloc_visit)(const struct brkmalloc_block *block, void *arg);

/**
 * brkmalloc_walk() - show every block
 * @visit: called for each; a value other than zero ends the walk
 * @arg: handed to @visit
 *
 * The arenas one after the other, in each its regions, the newest first, in each
 * of them the blocks in order of address; then the blocks with a mapping of their
 * own, but for one that realloc in another thread is just moving.
 *
 * The heap is locked meanwhile: @visit must not call malloc, free or anything
 * that may. Other threads may take blocks out of their caches and put them back.
 * Where a meta block was overwritten the walk goes on with the next region.
 *
 * Return: zero, or what @visit returned to end the walk.
 */
int brkmalloc_walk(brkmalloc_visit visit, void *arg);

/**
 * brkmalloc_check() - verify everything that must be true of the heap
 *
 * Costs time in proportion to the number of blocks. The heap is locked
 * meanwhile. The first thing that is not so is told in one line on standard error.
 *
 * Return: zero if all is well, -1 otherwise.
 */
int brkmalloc_check(void);

/**
 * struct brkmalloc_size_class - free blocks whose sizes have the same highest bit
 * @from: the smallest size among them, in bytes with the meta block
 * @to: the largest
 * @bytes: the sum
 * @blocks: how many there are
 */
struct brkmalloc_size_class {
	size_t	from;
	size_t	to;
	size_t	bytes;
	size_t	blocks;
};

#define BRKMALLOC_SIZE_CLASSES	28

/**
 * struct brkmalloc_stats - the state of the library in numbers, all sizes bytes
 * @regions: contiguous stretches of memory that the heap is made of
 * @region_bytes: their size
 * @arenas: heaps
 * @used_blocks: blocks in the heap that the program holds
 * @used_bytes: their size, meta blocks included
 * @free_blocks: blocks in the free lists
 * @free_bytes: their size
 * @free_by_size: the same by size; class n has the sizes from 2^n on
 * @largest_free: size of the largest of them, or of a top that is larger
 * @cached_blocks: free blocks that threads keep for themselves
 * @cached_bytes: their size
 * @kept_blocks: freed blocks that BRKMALLOC_GUARD=full keeps for a while
 * @kept_bytes: their size
 * @top_bytes: what is left at the tops
 * @mapped_blocks: blocks with a mapping of their own
 * @mapped_bytes: the size of those mappings
 * @stock_bytes: of freed mappings that are kept for the next large block
 * @given: bytes of data in used and mapped blocks
 * @meta: bytes of what stands in front of them, and of heads and ends of regions
 * @asked: bytes that the program asked for, of the blocks of which that is known
 * @padding: bytes of data in those same blocks that were not asked for
 * @internal: fragmentation, @padding / (@asked + @padding); 0 if nothing is known
 * @external: fragmentation, 1 - @largest_free / (@free_bytes + @top_bytes); 0 if
 *	nothing is free
 * @break_moves: how often the library has moved the break, up or down
 * @mmaps: how often it has called mmap
 * @fit: name of the fit policy
 *
 * At any time @region_bytes + @mapped_bytes = @given + @meta + @free_bytes +
 * @cached_bytes + @kept_bytes + @top_bytes.
 */
struct brkmalloc_stats {
	size_t		arenas;
	size_t		regions;
	size_t		region_bytes;
	size_t		used_blocks;
	size_t		used_bytes;
	size_t		free_blocks;
	size_t		free_bytes;
	struct brkmalloc_size_class free_by_size[BRKMALLOC_SIZE_CLASSES];
	size_t		largest_free;
	size_t		cached_blocks;
	size_t		cached_bytes;
	size_t		kept_blocks;
	size_t		kept_bytes;
	size_t		top_bytes;
	size_t		mapped_blocks;
	size_t		mapped_bytes;
	size_t		stock_bytes;
	size_t		given;
	size_t		meta;
	size_t		asked;
	size_t		padding;
	double		internal;
	double		external;
	size_t		break_moves;
	size_t		mmaps;
	const char	*fit;
};

/**
 * brkmalloc_stats() - count what is in the heap now
 * @stats: filled
 *
 * Costs time in proportion to the number of blocks.
 */
void brkmalloc_stats(struct brkmalloc_stats *stats);

#ifdef __cplusplus
}
#else
/* free() by other names; the headers of most C libraries do not have them. */
void free_sized(void *data, size_t size);
void free_aligned_sized(void *data, size_t align, size_t size);
void cfree(void *data);
#endif

#endif /* BRKMALLOC_H */
