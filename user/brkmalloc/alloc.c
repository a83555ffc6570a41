// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc.c - where does a request go?
 *
 * What is small, into the cache of its thread; what is large gets a mapping of its
 * own; the rest is cut out of the heap of an arena. When the kernel refuses, what is
 * kept for later is given up first. System calls for large blocks are made without
 * a lock.
 *
 * The first request of all makes everything ready.
 */
#include <errno.h>

#include "alloc.h"
#include "dump.h"
#include "full.h"
#include "guard.h"
#include "large.h"
#include "stock.h"

struct secret secret = { .link = 1 };	/* never zero, see cache_nil */

size_t guarded_bytes = CACHE_DATA_MAX + 1, unguarded_bytes;
bool alloc_started;
static struct lock start_lock = LOCK_INITIALIZER;

static void draw_secret(void)
{
	uint64_t random[2] = { 0 };

	os_random(random);
	secret.multiplier = random[0] | 1;
	secret.link = random[1] | 1;
}

/**
 * alloc_start() - make everything ready; called again it does nothing
 */
void alloc_start(void)
{
	lock_take(&start_lock);
	if (!alloc_started) {
		os_start();
		draw_secret();
		config_read();
		cache_watch_threads();
		if (config.guard != GUARD_DEFAULT)
			__atomic_store_n(&guarded_bytes, 0, __ATOMIC_RELAXED);
		if (config.guard == GUARD_OFF)
			__atomic_store_n(&unguarded_bytes, CACHE_DATA_MAX + 1, __ATOMIC_RELAXED);
		__atomic_store_n(&alloc_started, true, __ATOMIC_RELEASE);
	}
	lock_release(&start_lock);
}

__attribute__((constructor))
static void load(void)
{
	alloc_start_once();
	arena_watch_fork();
	cache_watch_fork();
	dump_watch();
}

static struct block *alloc_locked(struct arena *arena, size_t bytes, size_t align,
				  size_t *dirty)
{
	size_t size = block_size_for(bytes), one = 1;

	if (align <= BLOCK_ALIGN)
		return arena_carve(arena, size, &one, dirty);
	*dirty = SIZE_MAX;
	return arena_carve_aligned(arena, size, align);
}

static struct block *alloc_heap(struct arena *arena, size_t bytes, size_t align,
				size_t *dirty)
{
	struct block *b;

	if (bytes + align > HEAP_DATA_MAX)
		return NULL;
	cache_enter(arena, block_size_for(bytes) + align);
	b = alloc_locked(arena, bytes, align, dirty);
	arena_release(arena);
	return b;
}

/* A large block for which there is no mapping, as they are limited, is tried in the heap. */
static struct block *alloc_block(struct arena *arena, size_t bytes, size_t align, bool zero,
				 size_t *dirty)
{
	struct block *b = NULL;

	if (alloc_is_large(bytes, align))
		b = large_alloc(bytes, align, zero, dirty);
	return b ? b : alloc_heap(arena, bytes, align, dirty);
}

/*
 * The kernel gave nothing. What is kept for later may be in the way, or do; and
 * there may be room in the heap of another arena.
 */
static struct block *alloc_last(size_t bytes, size_t align, bool zero, size_t *dirty)
{
	struct block *b = NULL;
	struct arena *arena;
	unsigned int i;

	cache_flush();
	stock_release();
	if (alloc_is_large(bytes, align))
		b = large_alloc(bytes, align, zero, dirty);
	if (bytes + align > HEAP_DATA_MAX)
		return b;
	for (i = 0; !b && (arena = arena_nth(i)); i++) {
		arena_take(arena);
		arena_gather(arena);
		b = alloc_locked(arena, bytes, align, dirty);
		arena_release(arena);
	}
	return b;
}

static void *alloc_guarded(size_t bytes, size_t align, bool zero, size_t *dirty)
{
	size_t outer_bytes = bytes + full_extra(align);
	struct arena *arena = arena_nth(0);
	void *data = NULL;
	struct block *b;

	lock_take(&full_lock);
	b = alloc_block(arena, outer_bytes, BLOCK_ALIGN, zero, dirty);
	if (!b && quarantine_empty())
		b = alloc_block(arena, outer_bytes, BLOCK_ALIGN, zero, dirty);
	if (b)
		data = full_dress(b, bytes, align, zero, dirty);
	lock_release(&full_lock);
	return data;
}

/**
 * alloc() - data that the first look into the cache did not find
 * @bytes: of data
 * @align: of it, a power of two from BLOCK_ALIGN on
 * @zero: whether the data is to be zero
 * @dirty: set to how many bytes at its start may not be; the caller clears them
 *
 * Return: the data, or NULL and ENOMEM.
 */
void *alloc(size_t bytes, size_t align, bool zero, size_t *dirty)
{
	bool is_small = bytes <= CACHE_DATA_MAX && align <= BLOCK_ALIGN;
	struct block *b = NULL;
	void *data = NULL;

	alloc_start_once();
	*dirty = SIZE_MAX;
	if (bytes > ALLOC_MAX || align > ALLOC_MAX - bytes) {
		errno = ENOMEM;
		return NULL;
	}
	if (unlikely(full_is_on())) {
		data = alloc_guarded(bytes, align, zero, dirty);
	} else if (is_small) {
		data = cache_fetch(block_size_for(bytes));
		if (likely(data))
			return data;
	} else {
		b = alloc_block(cache_arena(), bytes, align, zero, dirty);
	}
	if (!data && !b && !full_is_on())
		b = alloc_last(bytes, align, zero, dirty);
	if (b)
		data = block_data(b);
	if (unlikely(!data))
		errno = ENOMEM;
	return data;
}
