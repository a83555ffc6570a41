/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * depot.h - which blocks wait between the caches and the heap? The contract of
 * depot.c
 *
 * All functions want the lock of the arena whose depot it is.
 */
#ifndef BRKMALLOC_DEPOT_H
#define BRKMALLOC_DEPOT_H

#include "heap.h"

#define DEPOT_BINS	66U	/* bin n has the blocks of n units */

/**
 * struct depot - free blocks by size, as the caches have them
 * @head: the first of each bin, or NULL
 * @bytes: size of all of them
 */
struct depot {
	struct block	*head[DEPOT_BINS];
	size_t		bytes;
};

bool depot_has_room(struct depot *depot, struct heap *heap);
void depot_put(struct depot *depot, size_t bin, struct block *first,
	       struct block *last, size_t count);
struct block *depot_take(struct depot *depot, size_t bin, size_t *count,
			 struct block **last);
bool depot_is_large(const struct depot *depot, const struct heap *heap);
void depot_empty(struct depot *depot, struct heap *heap);
const char *depot_check(const struct depot *depot, const struct heap *heap,
			const struct block **at);

#endif /* BRKMALLOC_DEPOT_H */
