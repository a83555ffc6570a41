// SPDX-License-Identifier: GPL-2.0-only
/*
 * api.c - what do malloc, free and their relatives promise?
 *
 * The functions of the C library: which arguments are wrong, what errno says,
 * whether a request goes to the heap or gets its own mapping, and what is done
 * with and without the lock. System calls for large blocks, copying and
 * clearing are done without it.
 *
 * With this library preloaded every call of every library of the program comes
 * here, the first ones before main and before any constructor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "config.h"
#include "dump.h"
#include "full.h"
#include "guard.h"
#include "large.h"
#include "probes.h"
#include "stock.h"

#define EXPORT		__attribute__((visibility("default")))
#define ALLOC_MAX	((size_t)PTRDIFF_MAX >> 16)	/* no machine has more: 128 TiB */

struct secret secret = { .link = 1 };	/* never zero, see cache_nil */

/*
 * malloc of fewer bytes looks into the cache of its thread first. One of them is zero:
 * with the default guards malloc() itself looks, without any malloc_unguarded(), so
 * that the choice is not an instruction of the former; with all of them neither does.
 */
static size_t guarded_bytes = CACHE_DATA_MAX + 1, unguarded_bytes;
static bool started;
static struct lock start_lock = LOCK_INITIALIZER;

static void draw_secret(void)
{
	uint64_t random[2] = { 0 };

	os_random(random);
	secret.multiplier = random[0] | 1;
	secret.link = random[1] | 1;
}

static void start(void)
{
	lock_take(&start_lock);
	if (!started) {
		os_start();
		draw_secret();
		config_read();
		cache_watch_threads();
		if (config.guard != GUARD_DEFAULT)
			__atomic_store_n(&guarded_bytes, 0, __ATOMIC_RELAXED);
		if (config.guard == GUARD_OFF)
			__atomic_store_n(&unguarded_bytes, CACHE_DATA_MAX + 1, __ATOMIC_RELAXED);
		__atomic_store_n(&started, true, __ATOMIC_RELEASE);
	}
	lock_release(&start_lock);
}

static inline void start_once(void)
{
	if (unlikely(!__atomic_load_n(&started, __ATOMIC_ACQUIRE)))
		start();
}

__attribute__((constructor))
static void load(void)
{
	start_once();
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
	arena_take(arena);
	b = alloc_locked(arena, bytes, align, dirty);
	arena_release(arena);
	return b;
}

static bool is_large(size_t bytes, size_t align)
{
	return bytes >= config.mmap_threshold || bytes + align > HEAP_DATA_MAX;
}

/* A large block for which there is no mapping, as they are limited, is tried in the heap. */
static struct block *alloc_block(struct arena *arena, size_t bytes, size_t align, bool zero,
				 size_t *dirty)
{
	struct block *b = NULL;

	if (is_large(bytes, align))
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
	if (is_large(bytes, align))
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

/*
 * All allocation that a cache cannot serve comes through here. If the data is to be
 * @zero, @dirty is how many bytes at its start may not be yet.
 */
static noinline void *alloc(size_t bytes, size_t align, bool zero, size_t *dirty)
{
	bool is_small = bytes <= CACHE_DATA_MAX && align <= BLOCK_ALIGN;
	struct block *b = NULL;
	void *data = NULL;

	start_once();
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

static noinline void *malloc_slow(size_t size)
{
	size_t dirty;
	void *data = alloc(size, BLOCK_ALIGN, false, &dirty);

	PROBE_MALLOC(size, data);
	return data;
}

/* With BRKMALLOC_GUARD=off; otherwise what is large comes through here. */
static noinline void *malloc_unguarded(size_t size)
{
	void *data;

	if (likely(size < PEEK(unguarded_bytes))) {
		data = cache_pop(cache_bin_for(size), false);
		if (likely(data)) {
			PROBE_MALLOC(size, data);
			return data;
		}
	}
	return malloc_slow(size);
}

static bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

static void *alloc_aligned(size_t align, size_t bytes)
{
	void *data;
	size_t dirty;

	if (!is_power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	data = alloc(bytes, align < BLOCK_ALIGN ? BLOCK_ALIGN : align, false, &dirty);
	PROBE_MALLOC(bytes, data);
	return data;
}

/**
 * malloc() - see malloc(3)
 * @size: bytes of data
 *
 * Return: the data block, or NULL and ENOMEM.
 */
EXPORT void *malloc(size_t size)
{
	void *data;

	if (likely(size < PEEK(guarded_bytes))) {
		data = cache_pop(cache_bin_for(size), true);
		if (unlikely(!data))
			return malloc_slow(size);
		PROBE_MALLOC(size, data);
		return data;
	}
	return malloc_unguarded(size);
}

/**
 * calloc() - see calloc(3)
 * @n: number of elements
 * @size: bytes of each
 *
 * Pages that come fresh from the kernel are zero and are not touched.
 *
 * Return: the zeroed data block, or NULL and ENOMEM.
 */
EXPORT void *calloc(size_t n, size_t size)
{
	size_t bytes, dirty;
	void *data;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (bytes <= CACHE_DATA_MAX) {
		data = malloc(bytes);
		dirty = bytes;
	} else {
		data = alloc(bytes, BLOCK_ALIGN, true, &dirty);
		PROBE_MALLOC(bytes, data);
	}
	if (likely(data))
		memset(data, 0, dirty < bytes ? dirty : bytes);
	return data;
}

/* What lies in no memory of the break comes to free_block() even if there is room. */
static bool has_room(size_t bin)
{
	return cache.room[bin] > 0 || cache_make_room(bin);
}

static void free_block(struct block *b)
{
	size_t bin = block_units(b);

	if (block_state(b) == BLOCK_MAPPED)
		large_free(b);
	else if (bin >= CACHE_BINS || !has_room(bin) || !cache_push(bin, b, true))
		cache_give_home(b);
}

/* The block of @data, which may be anything unless guards are off. */
static struct block *block_given(const char *caller, const void *data)
{
	return guard_is_on() ? guard_data(caller, data) : block_of(data);
}

static noinline void free_slow(void *data)
{
	struct block *b = block_of(data);

	start_once();
	if (likely(config.guard == GUARD_DEFAULT)) {
		b = guard_data("free", data);
	} else if (full_is_on()) {
		full_free(data);
		return;
	}
	free_block(b);
}

/* With BRKMALLOC_GUARD=off; otherwise all that is not small comes through here. */
static noinline void free_unguarded(void *data)
{
	struct block *b = block_of(data);
	size_t units;

	if (unlikely(!data))
		return;
	if (likely(!guard_is_on())) {
		units = block_units(b);
		if (likely(units && units < CACHE_BINS) && likely(cache_push(units, b, false)))
			return;
	}
	free_slow(data);
}

/* What free does, and realloc when it has copied. */
static inline void give(void *data)
{
	struct block *b = block_of(data);
	uint64_t units;

	if (likely(extent_has_place((uintptr_t)data))) {
		units = block_units(b);
		if (likely(block_state_for(b, units) == BLOCK_USED) &&
		    likely(units < CACHE_BINS) && likely(cache_push(units, b, true)))
			return;
		free_slow(data);
	} else {
		free_unguarded(data);
	}
}

/**
 * free() - see free(3)
 * @data: a data block, or NULL
 *
 * Keeps errno. Stops the program if @data is anything else.
 */
EXPORT void free(void *data)
{
	PROBE_FREE(data);
	give(data);
}

static size_t usable(const struct block *b)
{
	return block_state(b) == BLOCK_MAPPED ? large_usable(b) : block_usable(b);
}

static void *resize_by_copy(void *data, size_t old_bytes, size_t bytes)
{
	size_t dirty;
	void *copy = alloc(bytes, BLOCK_ALIGN, false, &dirty);

	if (copy) {
		memcpy(copy, data, old_bytes < bytes ? old_bytes : bytes);
		give(data);
	} else if (bytes <= old_bytes) {
		copy = data;
	}
	return copy;
}

/* Is a block as it is good for so many bytes, without much waste? */
static bool fits(const struct block *b, size_t bytes)
{
	size_t has = block_usable(b);

	return bytes <= has && has - bytes < BLOCK_MIN + has / 8;
}

static struct block *resize_in_heap(struct block *b, size_t size)
{
	struct arena *arena = arena_of(b);
	bool done;

	arena_take(arena);
	done = heap_resize(&arena->heap, b, size);
	arena_release(arena);
	return done ? b : NULL;
}

static void *resize(void *data, size_t size)
{
	struct block *b, *now = NULL;

	start_once();
	if (full_is_on())
		return resize_by_copy(data, full_size("realloc", data), size);
	b = block_given("realloc", data);
	if (size > ALLOC_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	if (block_state(b) == BLOCK_MAPPED) {
		if (is_large(size, BLOCK_ALIGN))
			now = large_resize(b, size);
	} else if (fits(b, size)) {
		return data;
	} else if (!is_large(size, BLOCK_ALIGN) || size <= block_usable(b)) {
		/* What grows beyond the threshold moves once, into a mapping. */
		now = resize_in_heap(b, block_size_for(size));
	}
	return now ? block_data(now) : resize_by_copy(data, usable(b), size);
}

/**
 * realloc() - see realloc(3)
 * @data: a data block, or NULL
 * @size: bytes wanted
 *
 * Size zero frees, as with the GNU C library. A block that becomes shorter
 * never fails. With BRKMALLOC_GUARD=full it moves each time, so that who still uses
 * the old place is found.
 *
 * Return: the data block where it is now, or NULL and ENOMEM.
 */
EXPORT void *realloc(void *data, size_t size)
{
	void *now;

	if (!data)
		return malloc(size);
	if (!size) {
		free(data);
		return NULL;
	}
	now = resize(data, size);
	PROBE_REALLOC(data, size, now);
	return now;
}

/**
 * reallocarray() - see reallocarray(3)
 * @data: a data block, or NULL
 * @n: number of elements
 * @size: bytes of each
 *
 * Return: as realloc(); NULL and ENOMEM if @n times @size overflows.
 */
EXPORT void *reallocarray(void *data, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(data, bytes);
}

/**
 * aligned_alloc() - see aligned_alloc(3)
 * @align: of the data, a power of two
 * @size: bytes of data
 *
 * Return: the data block, or NULL and ENOMEM, or NULL and EINVAL.
 */
EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return alloc_aligned(align, size);
}

/**
 * memalign() - the same by its old name
 * @align: of the data, a power of two
 * @size: bytes of data
 *
 * Return: as aligned_alloc().
 */
EXPORT void *memalign(size_t align, size_t size)
{
	return alloc_aligned(align, size);
}

/**
 * posix_memalign() - see posix_memalign(3)
 * @result: set to the data block
 * @align: of the data, a power of two, multiple of the size of a pointer
 * @size: bytes of data
 *
 * Return: zero, EINVAL or ENOMEM; errno and, on failure, @result stay.
 */
EXPORT int posix_memalign(void **result, size_t align, size_t size)
{
	int saved = errno;
	int error = 0;
	void *data;

	if (align % sizeof(void *))
		align = 0;	/* no power of two either */
	data = alloc_aligned(align, size);
	if (data)
		*result = data;
	else
		error = errno;
	errno = saved;
	return error;
}

/**
 * valloc() - a data block at the start of a page
 * @size: bytes of data
 *
 * Return: as aligned_alloc().
 */
EXPORT void *valloc(size_t size)
{
	start_once();
	return alloc_aligned(os_page_size, size);
}

/**
 * pvalloc() - whole pages
 * @size: bytes of data, rounded up to pages
 *
 * Return: as aligned_alloc().
 */
EXPORT void *pvalloc(size_t size)
{
	start_once();
	if (size > ALLOC_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return alloc_aligned(os_page_size, align_up(size, os_page_size));
}

/**
 * malloc_usable_size() - see malloc_usable_size(3)
 * @data: a data block, or NULL
 *
 * Return: bytes that may be used; zero for NULL.
 */
EXPORT size_t malloc_usable_size(void *data)
{
	if (!data)
		return 0;
	start_once();
	if (full_is_on())
		return full_size("malloc_usable_size", data);
	return usable(block_given("malloc_usable_size", data));
}
