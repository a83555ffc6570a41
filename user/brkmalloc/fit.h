/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit.h - which free block serves a request? The contract of fit.c
 *
 * All functions want the lock of the arena whose lists they are given.
 */
#ifndef BRKMALLOC_FIT_H
#define BRKMALLOC_FIT_H

#include "block.h"

#define FIT_CLASSES	512	/* enough for BLOCK_MAX; a multiple of 64 */

/**
 * struct fit - the free lists of an arena
 * @lists: their first blocks
 * @not_empty: a bit for each list
 * @not_zero: a bit for each word of @not_empty
 * @rover: where next fit goes on
 * @bytes: of all of them
 */
struct fit {
	struct block	*lists[FIT_CLASSES];
	unsigned long	not_empty[FIT_CLASSES / 64];
	unsigned long	not_zero;
	struct block	*rover;
	size_t		bytes;
};

bool fit_choose(const char *name);
const char *fit_name(void);
size_t fit_list_of(size_t size);
void fit_insert(struct fit *fit, struct block *b);
void fit_remove(struct fit *fit, struct block *b);
struct block *fit_find(struct fit *fit, size_t size);
const char *fit_check(const struct fit *fit, size_t blocks, const struct block **at);

#endif /* BRKMALLOC_FIT_H */
