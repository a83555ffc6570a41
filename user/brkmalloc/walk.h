/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.h - from block to block: the contract of walk.c
 */
#ifndef BRKMALLOC_WALK_H
#define BRKMALLOC_WALK_H

#include "brkmalloc.h"
#include "heap.h"

bool walk_is_end(const struct heap *heap, struct region *region, const struct block *b);
const struct block *walk_region(const struct heap *heap, struct region *region,
				brkmalloc_visit visit, void *arg, int *result);
int walk_mapped(brkmalloc_visit visit, void *arg);

#endif /* BRKMALLOC_WALK_H */
