/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * large.h - blocks in mappings of their own: the contract of large.c
 */
#ifndef BRKMALLOC_LARGE_H
#define BRKMALLOC_LARGE_H

#include "block.h"
#include "stock.h"

struct block *large_alloc(size_t bytes, size_t align, bool zero, size_t *dirty);
struct block *large_resize(struct block *b, size_t bytes);
void large_free(struct block *b);
bool large_is_known(const struct block *b);
size_t large_usable(const struct block *b);
struct piece large_mapping(const struct block *b);
const char *large_check(const struct block **at);

#endif /* BRKMALLOC_LARGE_H */
