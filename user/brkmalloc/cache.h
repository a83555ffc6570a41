/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cache.h - which blocks does a thread keep for itself? The contract of cache.c
 *
 * The two functions that nearly every call of malloc and free ends in are here,
 * to be part of these.
 */
#ifndef BRKMALLOC_CACHE_H
#define BRKMALLOC_CACHE_H

#include "arena.h"

#define CACHE_BINS	DEPOT_BINS
#define CACHE_DATA_MAX	((CACHE_BINS - 1) * BLOCK_ALIGN - BLOCK_META)

/**
 * enum cache_life - of a thread's cache
 * @CACHE_UNBORN: the thread has not called us yet
 * @CACHE_ALIVE: in use
 * @CACHE_OFF: caches are switched off
 * @CACHE_GONE: the thread is ending and has left its arena
 */
enum cache_life {
	CACHE_UNBORN,
	CACHE_ALIVE,
	CACHE_OFF,
	CACHE_GONE,
};

/**
 * struct cache - blocks that a thread has freed, ready for its next malloc
 * @head: data of the first block of each bin, or of cache_nil
 * @room: how many blocks more a bin takes
 * @limit: how many it takes in all
 * @batch: how many are fetched at once when it is empty
 * @arena: where they are fetched
 * @grown: bytes that the bins take more than at first
 * @life: see above
 */
struct cache {
	void		*head[CACHE_BINS];
	int32_t		room[CACHE_BINS];
	uint16_t	limit[CACHE_BINS];
	uint16_t	batch[CACHE_BINS];
	struct arena	*arena;
	size_t		grown;
	enum cache_life	life;
};

/* Ends a list of cached blocks. It is none itself: all zero, its check is not good. */
extern HIDDEN struct block cache_nil;

extern HIDDEN __thread struct cache cache __attribute__((tls_model("initial-exec")));

void *cache_fetch(size_t size);
bool cache_make_room(size_t bin);
void cache_give_home(struct block *b);
struct arena *cache_arena(void);
void cache_flush(void);
void cache_enter(struct arena *arena, size_t size);
void cache_watch_threads(void);
void cache_watch_fork(void);
const char *cache_check(const struct block **at);

/*
 * A cached block has its state changed, so that a second free of it is noticed,
 * and two words: the link to the next one, and what it must be. With
 * BRKMALLOC_GUARD=off, when the two functions below are not @guarded, nobody looks
 * at the second word and it is not written.
 */

/* The bin for so many bytes of data. That of up to 8 bytes is always empty. */
static inline size_t cache_bin_for(size_t bytes)
{
	return (bytes + BLOCK_META + BLOCK_ALIGN - 1) >> BLOCK_SHIFT;
}

/* The data of a block out of a bin, or NULL if it is empty or the first block was written to. */
static inline void *cache_pop(size_t bin, bool guarded)
{
	void *data = cache.head[bin];
	struct block *b = block_of(data);

	if (unlikely(guarded ? !block_link_is_good(b) : b == &cache_nil))
		return NULL;
	cache.head[bin] = block_data(block_next(b));
	cache.room[bin]++;
	if (guarded)
		b->check = 0;
	block_change_state(b, BLOCK_CACHED, BLOCK_USED);
	return data;
}

/* Return: whether there was room; if not cache_make_room() is to be called. */
static inline bool cache_push(size_t bin, struct block *b, bool guarded)
{
	int32_t *room = &cache.room[bin];

	if (unlikely(--*room < 0)) {
		*room = 0;
		return false;
	}
	if (guarded)
		block_link(b, block_of(cache.head[bin]));
	else
		block_set_next(b, block_of(cache.head[bin]));
	cache.head[bin] = block_data(b);
	block_change_state(b, BLOCK_USED, BLOCK_CACHED);
	return true;
}

#endif /* BRKMALLOC_CACHE_H */
