/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arena.h - which heap does a thread use? The contract of arena.c
 */
#ifndef BRKMALLOC_ARENA_H
#define BRKMALLOC_ARENA_H

#include "depot.h"
#include "lock.h"

/**
 * struct arena - a heap and those who use it
 * @lock: of all that follows but @returned
 * @heap: the heap
 * @depot: small blocks that were freed and are not yet part of it
 * @returned: blocks that threads of other arenas freed, linked by @next; they
 *	are taken out by whoever takes the lock next
 * @threads: how many threads take their blocks from here; under arenas_lock
 * @waited: how often a thread found the lock taken
 */
struct arena {
	struct lock	lock;
	struct heap	heap;
	struct depot	depot;
	struct block	*returned;
	unsigned int	threads;
	unsigned int	waited;
};

void arena_take(struct arena *arena);
bool arena_try(struct arena *arena);
void arena_release(struct arena *arena);
struct arena *arena_of(const struct block *b);
struct arena *arena_nth(unsigned int n);
struct arena *arena_join(void);
struct arena *arena_move(struct arena *arena);
void arena_leave(struct arena *arena);
void arena_alone(struct arena *arena);
void arena_return(struct arena *arena, struct block *first, struct block *last);
struct block *arena_carve(struct arena *arena, size_t size, size_t *count, size_t *dirty);
struct block *arena_carve_aligned(struct arena *arena, size_t size, size_t align);
void arena_gather(struct arena *arena);
void arena_free(struct arena *arena, struct block *list, struct block *last,
		size_t count);
void arena_take_all(void);
bool arena_try_all(void);
void arena_release_all(void);
void arena_watch_fork(void);

#endif /* BRKMALLOC_ARENA_H */
