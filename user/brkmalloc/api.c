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

#include "config.h"
#include "guard.h"
#include "heap.h"
#include "large.h"
#include "lock.h"

#define EXPORT	__attribute__((visibility("default")))

unsigned long block_secret;

static bool started;

static void start(void)
{
	lock_take();
	if (!started) {
		os_start();
		block_secret = os_random();
		config_read();
		__atomic_store_n(&started, true, __ATOMIC_RELEASE);
	}
	lock_release();
}

static inline void start_once(void)
{
	if (__builtin_expect(!__atomic_load_n(&started, __ATOMIC_ACQUIRE), 0))
		start();
}

__attribute__((constructor))
static void load(void)
{
	start_once();
	lock_watch_fork();
}

static struct block *alloc_heap(size_t bytes, size_t align, size_t *dirty)
{
	size_t size = block_size_for(bytes);
	struct block *b;

	lock_take();
	if (align > BLOCK_ALIGN) {
		b = heap_alloc_aligned(size, align);
		*dirty = bytes;
	} else {
		b = heap_alloc(size, dirty);
	}
	lock_release();
	return b;
}

/*
 * All allocation comes through here. @dirty is how many bytes at the start of
 * the data may not be zero. A large block for which there is no mapping (their
 * number is limited) is tried in the heap.
 */
static void *alloc(size_t bytes, size_t align, size_t *dirty)
{
	struct block *b = NULL;

	start_once();
	if (bytes <= BLOCK_MAX && align <= BLOCK_MAX - bytes) {
		if (bytes >= config.mmap_threshold)
			b = large_alloc(bytes, align);
		*dirty = 0;
		if (!b)
			b = alloc_heap(bytes, align, dirty);
	}
	if (!b) {
		errno = ENOMEM;
		return NULL;
	}
	return block_data(b);
}

static bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

static void *alloc_aligned(size_t align, size_t bytes)
{
	size_t dirty;

	if (!is_power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	return alloc(bytes, align < BLOCK_ALIGN ? BLOCK_ALIGN : align, &dirty);
}

/**
 * malloc() - see malloc(3)
 * @size: bytes of data
 *
 * Return: the data block, or NULL and ENOMEM.
 */
EXPORT void *malloc(size_t size)
{
	size_t dirty;

	return alloc(size, BLOCK_ALIGN, &dirty);
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
	data = alloc(bytes, BLOCK_ALIGN, &dirty);
	if (data)
		memset(data, 0, dirty < bytes ? dirty : bytes);
	return data;
}

/**
 * free() - see free(3)
 * @data: a data block, or NULL
 *
 * Keeps errno. Stops the program if @data is anything else.
 */
EXPORT void free(void *data)
{
	struct block *b;
	bool mapped;

	if (!data)
		return;
	start_once();
	lock_take();
	b = guard_data("free", data);
	mapped = block_is_mapped(b);
	if (!mapped)
		heap_free(b);
	lock_release();
	if (mapped)
		large_free(b);
}

static void *resize_by_copy(void *data, size_t old_bytes, size_t bytes)
{
	void *copy = malloc(bytes);

	if (copy) {
		memcpy(copy, data, old_bytes < bytes ? old_bytes : bytes);
		free(data);
	} else if (bytes <= old_bytes) {
		copy = data;
	}
	return copy;
}

/**
 * realloc() - see realloc(3)
 * @data: a data block, or NULL
 * @size: bytes wanted
 *
 * Size zero frees, as with the GNU C library. A block that becomes shorter
 * never fails.
 *
 * Return: the data block where it is now, or NULL and ENOMEM.
 */
EXPORT void *realloc(void *data, size_t size)
{
	struct block *b, *now = NULL;
	size_t old_bytes;
	bool mapped;

	if (!data)
		return malloc(size);
	if (!size) {
		free(data);
		return NULL;
	}
	if (size > BLOCK_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	start_once();
	lock_take();
	b = guard_data("realloc", data);
	mapped = block_is_mapped(b);
	old_bytes = block_usable(b);
	/* What grows beyond the threshold moves once, into its own mapping. */
	if (!mapped && (size < config.mmap_threshold || size <= old_bytes) &&
	    heap_resize(b, block_size_for(size)))
		now = b;
	lock_release();
	if (mapped && size >= config.mmap_threshold)
		now = large_resize(b, size);
	return now ? block_data(now) : resize_by_copy(data, old_bytes, size);
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
	if (size > BLOCK_MAX) {
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
	size_t bytes;

	if (!data)
		return 0;
	start_once();
	lock_take();
	bytes = block_usable(guard_data("malloc_usable_size", data));
	lock_release();
	return bytes;
}
