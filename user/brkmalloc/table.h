/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - which blocks have a mapping of their own? The contract of table.c
 */
#ifndef BRKMALLOC_TABLE_H
#define BRKMALLOC_TABLE_H

#include "block.h"
#include "lock.h"

#define TABLE_FULL	UINT32_MAX

extern HIDDEN struct lock table_lock;

uint32_t table_keep(void);
void table_set(uint32_t place, const struct block *b);
void table_drop(uint32_t place);
const struct block *table_next(uint32_t *place);

#endif /* BRKMALLOC_TABLE_H */
