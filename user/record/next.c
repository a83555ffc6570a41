// SPDX-License-Identifier: GPL-2.0-only
/*
 * next.c - whose malloc is it that we record?
 *
 * The next one in the order in which the dynamic linker looks symbols up: the
 * library preloaded after us, or else the C library. dlsym() finds it, but may
 * itself allocate; until it is done, memory comes from a small arena of our own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "internal.h"

struct next_malloc next;

#define BOOT_BYTES	(64 * 1024)
#define BOOT_ALIGN	16

static alignas(BOOT_ALIGN) char boot_arena[BOOT_BYTES];
static size_t boot_used;

enum { UNRESOLVED, RESOLVING, RESOLVED };
static int resolved = UNRESOLVED;

static const struct {
	const char *name;
	void **where;
} wanted[] = {
	{ "malloc", (void **)&next.malloc },
	{ "free", (void **)&next.free },
	{ "calloc", (void **)&next.calloc },
	{ "realloc", (void **)&next.realloc },
	{ "reallocarray", (void **)&next.reallocarray },
	{ "aligned_alloc", (void **)&next.aligned_alloc },
	{ "posix_memalign", (void **)&next.posix_memalign },
	{ "memalign", (void **)&next.memalign },
	{ "valloc", (void **)&next.valloc },
	{ "pvalloc", (void **)&next.pvalloc },
	{ "malloc_usable_size", (void **)&next.malloc_usable_size },
};

/**
 * boot_alloc() - memory for calls made while dlsym() is at work
 * @alignment: a power of two
 * @size: bytes
 *
 * The memory is zeroed and never given back. Safe in any thread.
 *
 * Return: the block, or NULL with errno ENOMEM when the arena is used up
 */
void *boot_alloc(size_t alignment, size_t size)
{
	size_t room, at;
	char *p;

	if (alignment < BOOT_ALIGN)
		alignment = BOOT_ALIGN;
	if (size > BOOT_BYTES || alignment > BOOT_BYTES)
		goto full;
	/* room for the size in front, and to move up to the alignment */
	room = BOOT_ALIGN + alignment + ((size + BOOT_ALIGN - 1) & -(size_t)BOOT_ALIGN);
	at = __atomic_fetch_add(&boot_used, room, __ATOMIC_RELAXED);
	if (at + room > BOOT_BYTES || at + room < at)
		goto full;
	p = boot_arena + at + BOOT_ALIGN;
	p += -(uintptr_t)p & (alignment - 1);
	memcpy(p - sizeof(size), &size, sizeof(size));
	return p;
full:
	errno = ENOMEM;
	return NULL;
}

/**
 * boot_owns() - does this block come from boot_alloc()?
 * @ptr: any pointer
 *
 * Return: true if so; the next allocator must then not see it
 */
bool boot_owns(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)boot_arena < BOOT_BYTES;
}

/**
 * boot_size() - how large is a block of boot_alloc()?
 * @ptr: the block
 *
 * Return: the bytes that were asked for
 */
size_t boot_size(const void *ptr)
{
	size_t size;

	memcpy(&size, (const char *)ptr - sizeof(size), sizeof(size));
	return size;
}

static bool resolve(void)
{
	int expected = UNRESOLVED;
	int saved = errno;
	size_t i;

	if (!__atomic_compare_exchange_n(&resolved, &expected, RESOLVING, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return expected == RESOLVED;
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		*wanted[i].where = dlsym(RTLD_NEXT, wanted[i].name);
	__atomic_store_n(&resolved, RESOLVED, __ATOMIC_RELEASE);
	errno = saved;
	return true;
}

/**
 * next_ready() - may the functions in @next be called?
 *
 * Finds them on the first call. Safe in any thread and inside dlsym().
 *
 * Return: false only while they are being looked up; use boot_alloc() then
 */
bool next_ready(void)
{
	if (likely(__atomic_load_n(&resolved, __ATOMIC_ACQUIRE) == RESOLVED))
		return true;
	return resolve();
}
