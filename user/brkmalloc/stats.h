/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.h - one arena in numbers: the contract of stats.c
 */
#ifndef BRKMALLOC_STATS_H
#define BRKMALLOC_STATS_H

#include "brkmalloc.h"
#include "os.h"

bool stats_of_arena(unsigned int n, struct brkmalloc_stats *stats);

#endif /* BRKMALLOC_STATS_H */
