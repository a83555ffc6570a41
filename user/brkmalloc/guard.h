/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h - who is told of misuse, and how?
 */
#ifndef BRKMALLOC_GUARD_H
#define BRKMALLOC_GUARD_H

#include <stdnoreturn.h>

#include "config.h"
#include "heap.h"
#include "line.h"

__printf(1, 2) void guard_warn(const char *format, ...);
noreturn void guard_stop(void);
__printf(1, 2) noreturn void guard_crit(const char *format, ...);
noreturn void guard_foreign(const char *caller, const struct block *b);
struct block *guard_data(const char *caller, const void *data);
noreturn void guard_after_failed(const struct block *b, const struct block *after);
struct block *guard_before(const struct block *b);
noreturn void guard_link_failed(const struct block *b, const char *which, uintptr_t link);
noreturn void guard_cached_failed(const struct block *b);

/*
 * Asked last where the check itself is next to nothing, so that it costs nothing
 * where there are guards; first where it is more than that.
 */
static inline bool guard_is_on(void)
{
	return config.guard != GUARD_OFF;
}

/* Is the meta block behind a block untouched? @state: by block_state(@after). */
static inline void guard_after(const struct block *b, const struct block *after,
			       uint32_t state)
{
	if (unlikely(state >= BLOCK_STATES) && guard_is_on())
		guard_after_failed(b, after);
}

/* Do the neighbours of a free block in its list agree? */
static inline void guard_links(const struct block *b, const struct block *next,
			       const struct block *prev)
{
	if (!guard_is_on())
		return;
	if (next && unlikely(!heap_may_read(next) || block_prev(next) != b))
		guard_link_failed(b, "next", b->next);
	if (prev && unlikely(!heap_may_read(prev) || block_next(prev) != b))
		guard_link_failed(b, "previous", b->prev);
}

/* Is the link of a cached block what it was? */
static inline void guard_cached(const struct block *b)
{
	if (unlikely(!block_link_is_good(b)) && guard_is_on())
		guard_cached_failed(b);
}

#endif /* BRKMALLOC_GUARD_H */
