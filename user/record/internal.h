/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the three files of libbrkrecord.so know of each other
 *
 * api.c is what programs call. It takes the real functions from next.c and
 * hands what happened to log.c.
 */
#ifndef BRKRECORD_INTERNAL_H
#define BRKRECORD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "record.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define HIDDEN		__attribute__((visibility("hidden")))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * struct next_malloc - the functions of the allocator that comes after us
 *
 * All are set once next_ready() has said true; one that no library provides
 * stays NULL.
 */
struct next_malloc {
	void *(*malloc)(size_t size);
	void (*free)(void *ptr);
	void *(*calloc)(size_t nmemb, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void *(*reallocarray)(void *ptr, size_t nmemb, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	int (*posix_memalign)(void **memptr, size_t alignment, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void *(*valloc)(size_t size);
	void *(*pvalloc)(size_t size);
	size_t (*malloc_usable_size)(void *ptr);
};

extern struct next_malloc next HIDDEN;

HIDDEN bool next_ready(void);
HIDDEN void *boot_alloc(size_t alignment, size_t size);
HIDDEN bool boot_owns(const void *ptr);
HIDDEN size_t boot_size(const void *ptr);

HIDDEN bool log_begin(struct brkrecord_call *call);
HIDDEN void log_end(struct brkrecord_call *call, bool logged);

#endif /* BRKRECORD_INTERNAL_H */
