/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * large.h - blocks with a mapping of their own: the contract of large.c
 *
 * None of these functions wants the lock.
 */
#ifndef BRKMALLOC_LARGE_H
#define BRKMALLOC_LARGE_H

#include "block.h"

struct block *large_alloc(size_t bytes, size_t align);
struct block *large_resize(struct block *b, size_t bytes);
void large_free(struct block *b);
void large_count(size_t *blocks, size_t *bytes);

#endif /* BRKMALLOC_LARGE_H */
