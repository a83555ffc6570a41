// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_area.c - where do the tests of allocated pages touch them?
 */
#include <sys/mman.h>

#include "page_area.h"

const char *const page_uses[] = BRKSCOPE_PAGE_USE_NAMES;
char page_text[256 * 1024];

/**
 * aligned_area() - memory of which nothing is touched, at a multiple of GIB
 *
 * No neighbour shares a page table of any level but the highest with it.
 *
 * Return: 2 GiB of it, or NULL.
 */
char *aligned_area(void)
{
	char *area = mmap(NULL, 4 * GIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	madvise(area, 4 * GIB, MADV_NOHUGEPAGE);
	return (char *)(((uintptr_t)area + 2 * GIB - 1) & -GIB);
}

/**
 * new_records() - all that a stream has now
 * @events: the stream
 *
 * None of it is kept there: what comes next is of the test.
 *
 * Return: how many, and they are in scope_records; or -errno.
 */
ssize_t new_records(int events)
{
	return scope_drain(events, scope_records, SCOPE_RECORDS);
}

/**
 * new_pages() - page records since the stream was read last
 * @events: the stream
 * @start: of the range that they are about
 * @size: of it, bytes
 *
 * Return: how many, and they are at the front of scope_records; or -errno.
 */
ssize_t new_pages(int events, const char *start, size_t size)
{
	ssize_t count = new_records(events), kept = 0, i;

	for (i = 0; i < count; i++)
		if (scope_records[i].kind == BRKSCOPE_PAGE &&
		    scope_records[i].page.addr - (uintptr_t)start < size)
			scope_records[kept++] = scope_records[i];
	return count < 0 ? count : kept;
}

/** count_use() - how many of the first records of scope_records are of a use */
int count_use(ssize_t records, int use)
{
	int count = 0;
	ssize_t i;

	for (i = 0; i < records; i++)
		count += scope_records[i].code == use;
	return count;
}
