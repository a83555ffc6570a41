// SPDX-License-Identifier: GPL-2.0-only
/*
 * api.c - the functions of malloc(3), recorded and passed on
 *
 * Each asks the next allocator for what it was asked for itself, and logs one
 * record. Blocks of the boot arena (see next.c) are never shown to the next
 * allocator: free() drops them, realloc() copies them out.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define PUBLIC	__attribute__((visibility("default")))
#define CALLER	((uintptr_t)__builtin_return_address(0))

static __u64 product(size_t nmemb, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(nmemb, size, &bytes) ? BRKRECORD_OVERFLOW : bytes;
}

/* Called right after the real function, so that errno is still its own. */
static void *finish(struct brkrecord_call *call, bool logged, void *block)
{
	int saved = errno;

	call->result = (uintptr_t)block;
	if (!block)
		call->error = saved;
	log_end(call, logged);
	errno = saved;
	return block;
}

static void *unavailable(void)
{
	errno = ENOMEM;
	return NULL;
}

PUBLIC void *malloc(size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_MALLOC, .size = size, .caller = CALLER };
	bool logged;

	if (unlikely(!next_ready()))
		return boot_alloc(0, size);
	logged = log_begin(&call);
	return finish(&call, logged, next.malloc(size));
}

PUBLIC void free(void *ptr)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_FREE, .old = (uintptr_t)ptr, .caller = CALLER };
	bool logged;
	int saved;

	if (unlikely(boot_owns(ptr) || !next_ready()))
		return;
	logged = log_begin(&call);
	next.free(ptr);
	saved = errno;
	log_end(&call, logged);
	errno = saved;
}

PUBLIC void *calloc(size_t nmemb, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_CALLOC, .size = product(nmemb, size), .extra = nmemb,
		.caller = CALLER };
	bool logged;

	if (unlikely(!next_ready()))
		return call.size == BRKRECORD_OVERFLOW ? unavailable() : boot_alloc(0, call.size);
	logged = log_begin(&call);
	return finish(&call, logged, next.calloc(nmemb, size));
}

/* A block of the boot arena moves to wherever new blocks come from. */
static void *move_out(void *old, size_t size)
{
	void *block = next_ready() ? next.malloc(size) : boot_alloc(0, size);
	size_t had = boot_size(old);

	if (block)
		memcpy(block, old, had < size ? had : size);
	return block;
}

PUBLIC void *realloc(void *ptr, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_REALLOC, .size = size, .old = (uintptr_t)ptr,
		.caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() && !boot_owns(ptr)))
		return ptr ? unavailable() : boot_alloc(0, size);
	logged = log_begin(&call);
	return finish(&call, logged, unlikely(boot_owns(ptr)) ?
		      move_out(ptr, size) : next.realloc(ptr, size));
}

PUBLIC void *reallocarray(void *ptr, size_t nmemb, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_REALLOCARRAY, .size = product(nmemb, size),
		.extra = nmemb, .old = (uintptr_t)ptr, .caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() || !next.reallocarray))
		return unavailable();
	logged = log_begin(&call);
	if (unlikely(boot_owns(ptr)))
		return finish(&call, logged, call.size == BRKRECORD_OVERFLOW ?
			      unavailable() : move_out(ptr, call.size));
	return finish(&call, logged, next.reallocarray(ptr, nmemb, size));
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_ALIGNED_ALLOC, .size = size, .extra = alignment,
		.caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() || !next.aligned_alloc))
		return unavailable();
	logged = log_begin(&call);
	return finish(&call, logged, next.aligned_alloc(alignment, size));
}

PUBLIC int posix_memalign(void **memptr, size_t alignment, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_POSIX_MEMALIGN, .size = size, .extra = alignment,
		.caller = CALLER };
	int saved, ret = ENOMEM;
	bool logged;

	if (unlikely(!next_ready() || !next.posix_memalign))
		return ret;
	logged = log_begin(&call);
	ret = next.posix_memalign(memptr, alignment, size);
	saved = errno;
	call.result = ret ? 0 : (uintptr_t)*memptr;
	call.error = ret;
	log_end(&call, logged);
	errno = saved;
	return ret;
}

PUBLIC void *memalign(size_t alignment, size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_MEMALIGN, .size = size, .extra = alignment,
		.caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() || !next.memalign))
		return unavailable();
	logged = log_begin(&call);
	return finish(&call, logged, next.memalign(alignment, size));
}

PUBLIC void *valloc(size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_VALLOC, .size = size, .caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() || !next.valloc))
		return unavailable();
	logged = log_begin(&call);
	return finish(&call, logged, next.valloc(size));
}

PUBLIC void *pvalloc(size_t size)
{
	struct brkrecord_call call = {
		.op = BRKRECORD_PVALLOC, .size = size, .caller = CALLER };
	bool logged;

	if (unlikely(!next_ready() || !next.pvalloc))
		return unavailable();
	logged = log_begin(&call);
	return finish(&call, logged, next.pvalloc(size));
}

/* Not recorded; here only because of blocks of the boot arena. */
PUBLIC size_t malloc_usable_size(void *ptr)
{
	if (boot_owns(ptr))
		return boot_size(ptr);
	if (!ptr || !next_ready() || !next.malloc_usable_size)
		return 0;
	return next.malloc_usable_size(ptr);
}
