/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h - what did the user choose?
 */
#ifndef BRKMALLOC_CONFIG_H
#define BRKMALLOC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "os.h"

/**
 * enum guard_level - how much is done to find misuse
 * @GUARD_OFF: nothing
 * @GUARD_DEFAULT: what costs next to nothing, see guard.c
 * @GUARD_FULL: all that can be done, see full.c
 */
enum guard_level {
	GUARD_OFF,
	GUARD_DEFAULT,
	GUARD_FULL,
};

/**
 * struct config - the choices, fixed before the first block is given out
 * @mmap_threshold: from how many bytes on a block gets its own mapping
 * @mmap_max: how many such blocks there may be
 * @trim_threshold: from how many free bytes at the top on the break is lowered
 * @trim_is_chosen: by the user, who wants it so however large the heap is
 * @cache: do threads keep blocks for themselves?
 * @arena_max: how many arenas there may be
 * @guard: how much is done to find misuse
 */
struct config {
	size_t	mmap_threshold;
	size_t	mmap_max;
	size_t	trim_threshold;
	bool	trim_is_chosen;
	bool	cache;
	size_t	arena_max;
	enum guard_level guard;
};

extern HIDDEN struct config config;

void config_read(void);

#endif /* BRKMALLOC_CONFIG_H */
