/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit.h - the free lists, and which free block serves a request
 */
#ifndef BRKMALLOC_FIT_H
#define BRKMALLOC_FIT_H

#include "block.h"

bool fit_choose(const char *name);
const char *fit_name(void);
void fit_insert(struct block *b);
void fit_remove(struct block *b);
struct block *fit_find(size_t size);
const char *fit_check(size_t blocks);

#endif /* BRKMALLOC_FIT_H */
