/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pageset.h - a set of pages of an address space
 */
#ifndef BRKSCOPE_PAGESET_H
#define BRKSCOPE_PAGESET_H

#include "tool.h"

#define BLOCK_PAGES	512	/* pages that one entry of the table stands for */

/**
 * struct page_block - 512 pages in a row
 * @number: page number / BLOCK_PAGES, plus one; 0 is a free entry
 * @bits: a bit for each page that is in the set
 */
struct page_block {
	u64	number;
	u64	bits[BLOCK_PAGES / 64];
};

/**
 * struct pageset - a set of page numbers
 * @blocks: hash table with open addressing
 * @room: entries, a power of two
 * @used: entries that are not free
 */
struct pageset {
	struct page_block	*blocks;
	size_t			room;
	size_t			used;
};

bool pageset_add(struct pageset *s, u64 page);
bool pageset_has(const struct pageset *s, u64 page);
u64 pageset_remove(struct pageset *s, u64 first, u64 end);
u64 pageset_move(struct pageset *s, u64 first, u64 end, u64 to);
void pageset_free(struct pageset *s);

#endif /* BRKSCOPE_PAGESET_H */
