// SPDX-License-Identifier: GPL-2.0-only
/*
 * pageset.c - is this page in the set?
 *
 * A hash table of blocks of 512 pages: dense heaps take a bit a page, and a
 * range of terabytes costs no more than the blocks that exist.
 */
#include <stdlib.h>

#include "pageset.h"

#define FIRST_ROOM	64

static struct page_block *find(const struct pageset *s, u64 number)
{
	size_t i;

	for (i = number * 0x9e3779b97f4a7c15ULL >> 32; ; i++)
		if (!s->blocks[i & (s->room - 1)].number ||
		    s->blocks[i & (s->room - 1)].number == number)
			return &s->blocks[i & (s->room - 1)];
}

static void make_room(struct pageset *s)
{
	struct pageset bigger = { .room = s->room ? s->room * 2 : FIRST_ROOM };
	size_t i;

	if (s->used * 2 < s->room)
		return;
	bigger.blocks = xmalloc(bigger.room * sizeof(*bigger.blocks));
	for (i = 0; i < s->room; i++)
		if (s->blocks[i].number)
			*find(&bigger, s->blocks[i].number) = s->blocks[i];
	bigger.used = s->used;
	free(s->blocks);
	*s = bigger;
}

/**
 * pageset_add() - put a page into the set
 * @s: the set; all zero is an empty one
 * @page: page number
 *
 * Return: false if it was there already
 */
bool pageset_add(struct pageset *s, u64 page)
{
	u64 bit = 1ULL << page % 64, *word;
	struct page_block *block;

	make_room(s);
	block = find(s, page / BLOCK_PAGES + 1);
	if (!block->number) {
		block->number = page / BLOCK_PAGES + 1;
		s->used++;
	}
	word = &block->bits[page % BLOCK_PAGES / 64];
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/**
 * pageset_has() - is the page in the set?
 * @s: the set
 * @page: page number
 *
 * Return: true if so
 */
bool pageset_has(const struct pageset *s, u64 page)
{
	const struct page_block *block;

	if (!s->room)
		return false;
	block = find(s, page / BLOCK_PAGES + 1);
	return block->number && block->bits[page % BLOCK_PAGES / 64] >> page % 64 & 1;
}

/* Takes the pages of [first, end) out of one block; returns how many. */
static u64 clear_block(struct page_block *block, u64 first, u64 end)
{
	u64 base = (block->number - 1) * BLOCK_PAGES;
	u64 page, gone = 0;

	for (page = base; page < base + BLOCK_PAGES; page++) {
		if (page < first || page >= end ||
		    !(block->bits[(page - base) / 64] >> page % 64 & 1))
			continue;
		block->bits[(page - base) / 64] &= ~(1ULL << page % 64);
		gone++;
	}
	return gone;
}

/*
 * The blocks that have pages of [first, end), one a call: by number, or by place
 * in the table if that is shorter. @cursor starts as zero.
 */
static struct page_block *next_block(const struct pageset *s, u64 first, u64 end, u64 *cursor)
{
	u64 low = first / BLOCK_PAGES + 1, high = (end - 1) / BLOCK_PAGES + 1;
	struct page_block *block;

	if (!s->room || first >= end)
		return NULL;
	if (high - low >= s->room) {
		while (*cursor < s->room) {
			block = &s->blocks[(*cursor)++];
			if (block->number >= low && block->number <= high)
				return block;
		}
		return NULL;
	}
	while (low + *cursor <= high) {
		block = find(s, low + (*cursor)++);
		if (block->number)
			return block;
	}
	return NULL;
}

/**
 * pageset_remove() - take a range of pages out of the set
 * @s: the set
 * @first: first page number
 * @end: page number after the last
 *
 * Return: how many of them were there
 */
u64 pageset_remove(struct pageset *s, u64 first, u64 end)
{
	u64 cursor = 0, gone = 0;
	struct page_block *block;

	while ((block = next_block(s, first, end, &cursor)))
		gone += clear_block(block, first, end);
	return gone;
}

/**
 * pageset_move() - the pages of a range are now elsewhere
 * @s: the set
 * @first: first page number
 * @end: page number after the last
 * @to: page number to which @first went
 *
 * Return: how many pages of the range were in the set
 */
u64 pageset_move(struct pageset *s, u64 first, u64 end, u64 to)
{
	u64 cursor = 0, base, page, i;
	struct page_block *block;
	size_t moved = 0, room = 0;
	u64 *pages = NULL;

	while ((block = next_block(s, first, end, &cursor))) {
		base = (block->number - 1) * BLOCK_PAGES;
		for (page = base; page < base + BLOCK_PAGES; page++) {
			if (page < first || page >= end || !pageset_has(s, page))
				continue;
			pages = grow_array(pages, moved, &room, sizeof(*pages));
			pages[moved++] = page;
		}
	}
	pageset_remove(s, first, end);
	for (i = 0; i < moved; i++)
		pageset_add(s, pages[i] - first + to);
	free(pages);
	return moved;
}

/**
 * pageset_free() - give the set back
 * @s: the set; an empty one afterwards
 */
void pageset_free(struct pageset *s)
{
	free(s->blocks);
	*s = (struct pageset){ 0 };
}
