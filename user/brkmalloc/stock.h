/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stock.h - which mappings are kept for the next large block? The contract of
 * stock.c
 */
#ifndef BRKMALLOC_STOCK_H
#define BRKMALLOC_STOCK_H

#include "lock.h"
#include "os.h"

/**
 * struct piece - whole pages in a mapping of their own
 * @start: a page boundary, or NULL for none
 * @length: bytes
 * @dirty: how many of them, from the start on, may not be zero
 */
struct piece {
	char	*start;
	size_t	length;
	size_t	dirty;
};

/**
 * struct stock_use - what the program holds in such mappings
 * @blocks: how many
 * @bytes: their size
 * @peak: the most that it ever was
 */
struct stock_use {
	size_t	blocks;
	size_t	bytes;
	size_t	peak;
};

extern HIDDEN struct lock stock_lock;

bool stock_may_have_more(void);
struct piece stock_map(size_t length);
struct piece stock_take(size_t length);
void stock_resized(size_t from, size_t to);
void stock_put(struct piece piece);
void stock_yield(size_t bytes);
size_t stock_release(void);
struct stock_use stock_use(void);
size_t stock_bytes(void);
bool stock_nth(size_t n, struct piece *piece);
const char *stock_check(void);

#endif /* BRKMALLOC_STOCK_H */
