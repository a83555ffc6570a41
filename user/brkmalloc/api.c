// SPDX-License-Identifier: GPL-2.0-only
/*
 * api.c - what do malloc, free and their relatives promise?
 *
 * The functions of the C library: which arguments are wrong, what errno says, what
 * the cache of a thread serves at once, what realloc moves. Copying and
 * clearing are done without a lock.
 *
 * With this library preloaded every call of every library of the program comes
 * here, the first ones before main and before any constructor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "full.h"
#include "guard.h"
#include "large.h"
#include "probes.h"

#define EXPORT		__attribute__((visibility("default")))

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

	alloc_start_once();
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
	struct block *b;
	size_t units;

	if (unlikely(!data))
		return;
	if (likely(!guard_is_on())) {
		b = block_of(data);
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

	alloc_start_once();
	if (full_is_on())
		return resize_by_copy(data, full_size("realloc", data), size);
	b = block_given("realloc", data);
	if (size > ALLOC_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	if (block_state(b) == BLOCK_MAPPED) {
		if (alloc_is_large(size, BLOCK_ALIGN))
			now = large_resize(b, size);
	} else if (fits(b, size)) {
		return data;
	} else if (!alloc_is_large(size, BLOCK_ALIGN) || size <= block_usable(b)) {
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
	alloc_start_once();
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
	alloc_start_once();
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
	alloc_start_once();
	if (full_is_on())
		return full_size("malloc_usable_size", data);
	return usable(block_given("malloc_usable_size", data));
}
