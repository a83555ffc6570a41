// SPDX-License-Identifier: GPL-2.0-only
/*
 * property_pages.c - which pages has a process, and which of them did a fault record tell of?
 *
 * What it has is from /proc/PID/pagemap, what was told from the records alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "property.h"

#define PM_PRESENT	(1ULL << 63)
#define PM_FILE		(1ULL << 61)	/* of a file, or shared and anonymous */
#define HUGE_PAGES	512

/* The slot of a page, an empty one if it has none; NULL if all are taken. */
static uint64_t *page_slot(struct page_set *set, uint64_t page)
{
	uint64_t hash = page * 0x9e3779b97f4a7c15ULL >> 40;
	size_t i;

	for (i = 0; i < PAGE_SET_SLOTS; i++) {
		uint64_t *slot = &set->slot[(hash + i) % PAGE_SET_SLOTS];

		if (!*slot || *slot >> 1 == page)
			return slot;
	}
	return NULL;
}

static void page_add(struct page_set *set, uint64_t page)
{
	uint64_t *slot = page_slot(set, page);

	if (slot)
		*slot = page << 1 | 1;
	else
		set->full = true;
}

static bool page_is_in(struct page_set *set, uint64_t page)
{
	uint64_t *slot = page_slot(set, page);

	return slot && *slot & 1;
}

/* Takes a page out; was it in? */
static bool page_take(struct page_set *set, uint64_t page)
{
	uint64_t *slot = page_slot(set, page);

	if (!slot || !(*slot & 1))
		return false;
	*slot &= ~1ULL;
	return true;
}

/**
 * pages_forget() - what was told of a range is over
 * @set: the pages
 * @start: of the range
 * @end: of the range, exclusive
 */
void pages_forget(struct page_set *set, uint64_t start, uint64_t end)
{
	for (; start < end; start += PAGE)
		page_take(set, start / PAGE);
}

/* mremap(2): page by page; the target may be smaller, and bigger. */
static void pages_move(struct page_set *set, const struct brkscope_record *r)
{
	uint64_t at, to = r->vma.start;

	pages_forget(set, r->vma.start, r->vma.end);
	for (at = r->vma.old_start; at < r->vma.old_end; at += PAGE, to += PAGE)
		if (page_take(set, at / PAGE) && to < r->vma.end)
			page_add(set, to / PAGE);
}

/**
 * pages_record() - what a record tells of pages
 * @set: the pages
 * @r: any record
 */
void pages_record(struct page_set *set, const struct brkscope_record *r)
{
	uint64_t page = r->fault.addr / PAGE;
	int i;

	if (r->kind == BRKSCOPE_EXEC)
		memset(set, 0, sizeof(*set));
	if (r->kind == BRKSCOPE_VMA && r->code == BRKSCOPE_VMA_MOVE)
		pages_move(set, r);
	if (r->kind != BRKSCOPE_FAULT || r->code == BRKSCOPE_FAILED)
		return;
	page_add(set, page);
	if (r->code != BRKSCOPE_HUGE)
		return;
	page -= page % HUGE_PAGES;
	for (i = 0; i < HUGE_PAGES; i++)
		page_add(set, page + i);
}

/**
 * pages_unmapped() - forget the pages of which no area is left
 * @set: the pages
 * @maps: the areas
 */
void pages_unmapped(struct page_set *set, const struct area_list *maps)
{
	size_t i;

	for (i = 0; i < PAGE_SET_SLOTS; i++)
		if (set->slot[i] & 1 &&
		    !area_at(maps, (set->slot[i] >> 1) * PAGE))
			set->slot[i] &= ~1ULL;
}

/* Those of one area, added to the counts */
static int count_area(int fd, const struct area *area, struct page_set *told,
		      int64_t *held, int64_t *untold)
{
	static uint64_t entries[2048];
	const uint64_t room = sizeof(entries) / sizeof(*entries);
	uint64_t at = area->start / PAGE, end = area->end / PAGE, ask, k;

	for (; at < end; at += ask) {
		ask = end - at < room ? end - at : room;
		if (pread(fd, entries, ask * sizeof(*entries),
			  at * sizeof(*entries)) !=
		    (ssize_t)(ask * sizeof(*entries)))
			return -EIO;
		for (k = 0; k < ask; k++) {
			if (!(entries[k] & PM_PRESENT) || entries[k] & PM_FILE)
				continue;
			++*held;
			*untold += !page_is_in(told, at + k);
		}
	}
	return 0;
}

/**
 * pages_count() - pages of a process's own: present, and not of a file
 * @pid: process
 * @maps: its areas
 * @told: pages that records told of
 * @held: gets how many there are
 * @untold: gets how many of them are not in @told
 *
 * Return: 0 or -errno.
 */
int pages_count(pid_t pid, const struct area_list *maps, struct page_set *told,
		int64_t *held, int64_t *untold)
{
	char path[64];
	int fd, error = 0;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*held = 0;
	*untold = 0;
	for (i = 0; i < maps->count && !error; i++)
		error = count_area(fd, &maps->area[i], told, held, untold);
	close(fd);
	return error;
}
