/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * alloc.h - where does a request go? The contract of alloc.c
 */
#ifndef BRKMALLOC_ALLOC_H
#define BRKMALLOC_ALLOC_H

#include "cache.h"
#include "config.h"

#define ALLOC_MAX	((size_t)PTRDIFF_MAX >> 16)	/* no machine has more: 128 TiB */

/*
 * malloc of fewer bytes looks into the cache of its thread first. One of them is zero:
 * with the default guards malloc() itself looks, without any malloc_unguarded(), so
 * that the choice is not an instruction of the former; with all of them neither does.
 */
extern HIDDEN size_t guarded_bytes, unguarded_bytes;

extern HIDDEN bool alloc_started;

void alloc_start(void);
void *alloc(size_t bytes, size_t align, bool zero, size_t *dirty);

static inline void alloc_start_once(void)
{
	if (unlikely(!__atomic_load_n(&alloc_started, __ATOMIC_ACQUIRE)))
		alloc_start();
}

/* Does a request get a mapping of its own? */
static inline bool alloc_is_large(size_t bytes, size_t align)
{
	return bytes >= config.mmap_threshold || bytes + align > HEAP_DATA_MAX;
}

#endif /* BRKMALLOC_ALLOC_H */
