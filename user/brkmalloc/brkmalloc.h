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
 */
enum brkmalloc_state {
	BRKMALLOC_USED,
	BRKMALLOC_FREE,
	BRKMALLOC_TOP,
	BRKMALLOC_CACHED,
};

/**
 * struct brkmalloc_block - one piece of the heap, as brkmalloc_walk() shows it
 * @data: where the data block begins
 * @size: bytes from @data to the end of the block
 * @state: what it is
 * @arena: number of the arena that it belongs to
 */
struct brkmalloc_block {
	void			*data;
	size_t			size;
	enum brkmalloc_state	state;
	unsigned int		arena;
};

typedef int (*brkmalloc_visit)(const struct brkmalloc_block *block, void *arg);

/**
 * brkmalloc_walk() - show every block of the heap in order of address by region
 * @visit: called for each block; a value other than zero ends the walk
 * @arg: handed to @visit
 *
 * The heap is locked meanwhile: @visit must not call malloc, free or anything
 * that may. Blocks with a mapping of their own (those from the mmap threshold
 * on) are not part of the heap and not shown.
 *
 * Return: zero, or what @visit returned to end the walk.
 */
int brkmalloc_walk(brkmalloc_visit visit, void *arg);

/**
 * brkmalloc_check() - verify everything that must be true of the heap
 *
 * Costs time in proportion to the number of blocks. The heap is locked
 * meanwhile. What is wrong is told in one line on standard error.
 *
 * Return: zero if all is well, -1 otherwise.
 */
int brkmalloc_check(void);

/**
 * struct brkmalloc_stats - the state of the library in numbers, all sizes bytes
 * @regions: contiguous stretches of memory that the heap is made of
 * @region_bytes: their size
 * @arenas: heaps
 * @cached_blocks: free blocks that threads keep for themselves
 * @cached_bytes: their size
 * @used_blocks: blocks in the heap that the program holds
 * @used_bytes: their size, meta blocks included
 * @free_blocks: blocks in the free lists
 * @free_bytes: their size
 * @top_bytes: what is left at the tops
 * @mapped_blocks: blocks with a mapping of their own
 * @mapped_bytes: the size of those mappings
 * @fit: name of the fit policy
 */
struct brkmalloc_stats {
	size_t		arenas;
	size_t		regions;
	size_t		region_bytes;
	size_t		used_blocks;
	size_t		used_bytes;
	size_t		free_blocks;
	size_t		free_bytes;
	size_t		cached_blocks;
	size_t		cached_bytes;
	size_t		top_bytes;
	size_t		mapped_blocks;
	size_t		mapped_bytes;
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
