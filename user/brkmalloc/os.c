// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.c - how does the library get memory from the kernel and give it back?
 *
 * Two sources:
 *
 *   the program break	one pointer of the process, the end of its heap;
 *			sbrk(n) moves it by n bytes. Somebody else in the
 *			program may move it too, so what sbrk returns is
 *			the truth about where the new memory lies.
 *   mmap		whole pages anywhere, zeroed, each mapping for itself
 *
 * Both only promise memory. The kernel gives a page when it is first touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

#define SBRK_FAILED	((void *)-1)

size_t os_page_size;
struct os_count os_count;

static void count(size_t *calls)
{
	__atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
}

/**
 * os_start() - learn the size of a page; before anything else
 */
void os_start(void)
{
	os_page_size = getauxval(AT_PAGESZ);
	if (!os_page_size)
		os_page_size = 4096;
}

/**
 * os_random() - numbers that nobody outside this process knows
 * @numbers: two of them
 *
 * The 16 random bytes that the kernel hands each program are the second choice: the
 * C library makes its own secrets of them, and ours can be told from freed memory.
 */
void os_random(uint64_t numbers[2])
{
	const void *bytes = (const void *)getauxval(AT_RANDOM);
	const ssize_t wanted = 2 * sizeof(*numbers);
	int saved = errno;

	if (getrandom(numbers, wanted, GRND_NONBLOCK) != wanted && bytes)
		memcpy(numbers, bytes, wanted);
	errno = saved;
}

/**
 * os_ticks() - a clock that costs nothing, and is some milliseconds late
 *
 * Return: time in units of 1 / OS_TICKS of a second.
 */
unsigned long os_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * OS_TICKS + now.tv_nsec / (1000000000 / OS_TICKS);
}

/* Move the break so that it is @bytes further and at the end of a page. */
static char *break_move(size_t bytes, size_t *got)
{
	uintptr_t old = (uintptr_t)sbrk(0);
	void *start;

	*got = align_up(old + bytes, os_page_size) - old;
	start = sbrk((intptr_t)*got);
	if (start == SBRK_FAILED)
		return NULL;
	count(&os_count.break_moves);
	return start;
}

/**
 * os_break_grow() - get memory by moving the program break up
 * @least: bytes needed
 * @more: bytes wanted on top, so that the next call comes later
 * @got: bytes obtained, at least @least
 *
 * Return: start of the new memory, or NULL. The start is where the break was,
 * of any alignment: not necessarily where our last memory ended.
 */
char *os_break_grow(size_t least, size_t more, size_t *got)
{
	int saved = errno;
	char *start = break_move(least + more, got);

	if (!start)
		start = break_move(least, got);
	errno = saved;
	return start;
}

/**
 * os_break() - where the program break is now
 */
const char *os_break(void)
{
	return sbrk(0);
}

/**
 * os_break_shrink() - give memory back by moving the program break down
 * @end: where our memory ends; nothing is done if the break is elsewhere
 * @bytes: how many to give back
 *
 * Return: whether the break was moved.
 */
bool os_break_shrink(char *end, size_t bytes)
{
	int saved = errno;
	bool moved = sbrk(0) == end && sbrk(-(intptr_t)bytes) != SBRK_FAILED;

	/* A break that the kernel left where it was is a success to the C library. */
	moved = moved && sbrk(0) != end;
	errno = saved;
	if (moved)
		count(&os_count.break_moves);
	return moved;
}

/**
 * os_map() - get zeroed pages in a mapping of their own
 * @bytes: a multiple of the page size
 *
 * Return: the start, or NULL.
 */
char *os_map(size_t bytes)
{
	int saved = errno;
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	if (start == MAP_FAILED)
		return NULL;
	count(&os_count.maps);
	return start;
}

/**
 * os_unmap() - give pages of os_map() back
 * @start: a page boundary
 * @bytes: a multiple of the page size, possibly zero
 *
 * If the kernel refuses (it may when a mapping would be cut in two and the
 * process has too many) the pages stay, unused.
 */
void os_unmap(char *start, size_t bytes)
{
	int saved = errno;

	if (bytes)
		munmap(start, bytes);
	errno = saved;
}

/**
 * os_purge() - give pages back, but keep the addresses
 * @start: a page boundary
 * @bytes: a multiple of the page size
 *
 * Who touches them next gets zeroed pages. (Pages that were locked into memory
 * stay, and so do their contents.)
 *
 * Return: whether they are gone.
 */
bool os_purge(char *start, size_t bytes)
{
	int saved = errno;
	bool gone = !madvise(start, bytes, MADV_DONTNEED);

	errno = saved;
	return gone;
}

/**
 * os_remap() - make a mapping larger or smaller, with its contents
 * @start: of the mapping
 * @old_bytes: its size
 * @new_bytes: the size wanted; both are multiples of the page size
 *
 * The kernel moves pages by changing the page table, it copies nothing.
 *
 * Return: where the mapping is now, or NULL if it stays as it was.
 */
char *os_remap(char *start, size_t old_bytes, size_t new_bytes)
{
	int saved = errno;
	void *now = mremap(start, old_bytes, new_bytes, MREMAP_MAYMOVE);

	errno = saved;
	return now == MAP_FAILED ? NULL : now;
}

/**
 * os_is_mapped() - is there a VMA at an address?
 * @address: any
 */
bool os_is_mapped(const void *address)
{
	int saved = errno;
	unsigned char in_memory;
	uintptr_t page = align_down((uintptr_t)address, os_page_size);
	bool mapped = !mincore((void *)page, 1, &in_memory);

	errno = saved;
	return mapped;
}
