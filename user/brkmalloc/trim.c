// SPDX-License-Identifier: GPL-2.0-only
/*
 * trim.c - how does all that is not needed go back at once?
 *
 * While the program runs memory goes back late, because it will be needed again.
 * Who knows that it will not be calls malloc_trim().
 */
#include <malloc.h>

#include "cache.h"
#include "stock.h"

#define EXPORT	__attribute__((visibility("default")))

static size_t trim_arena(struct arena *arena, size_t pad)
{
	size_t bytes;

	arena_take(arena);
	arena_gather(arena);
	bytes = purge_all(&arena->heap);
	bytes += region_shrink(&arena->heap, pad);
	arena_release(arena);
	return bytes;
}

/**
 * malloc_trim() - see malloc_trim(3)
 * @pad: bytes to keep at the top of each arena
 *
 * Blocks in the caches of other threads stay, and what they hold.
 *
 * Return: 1 if memory was given back to the kernel, else 0.
 */
EXPORT int malloc_trim(size_t pad)
{
	struct arena *arena;
	unsigned int i;
	size_t bytes;

	cache_flush();
	bytes = stock_release();
	for (i = 0; (arena = arena_nth(i)); i++)
		bytes += trim_arena(arena, pad);
	return bytes > 0;
}
