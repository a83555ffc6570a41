/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dump.h - the heap as text: the contract of dump.c
 */
#ifndef BRKMALLOC_DUMP_H
#define BRKMALLOC_DUMP_H

void dump_choose(const char *path, const char *signal);
void dump_watch(void);

#endif /* BRKMALLOC_DUMP_H */
