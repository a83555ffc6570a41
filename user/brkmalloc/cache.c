// SPDX-License-Identifier: GPL-2.0-only
/*
 * cache.c - which blocks does a thread keep for itself?
 *
 * A stack of free blocks for each size up to a kilobyte: a bin. What a thread frees
 * goes there and is what its next malloc of that size returns, without a lock and
 * while the memory is still in the processor's cache. To the heap such a block is
 * in use.
 *
 *   head[bin] --> | meta cached | link | check | ...  --> | meta cached | ...
 *
 * An empty bin fetches a batch from the arena; each time it has to, a larger one. A
 * full bin is first allowed to grow, as far as the thread's share of memory goes,
 * and then gives half of its blocks home. When a thread ends all goes home.
 *
 * BRKMALLOC_CACHE=0 switches this layer off.
 */
#include "cache.h"
#include "config.h"
#include "guard.h"

#define BIN_FIRST	(BLOCK_MIN >> BLOCK_SHIFT)
#define BATCH_BYTES	4096UL	/* fetched at once, at most */
#define LIMIT_FIRST	2048UL	/* bytes in a bin at first, ... */
#define LIMIT_FIRST_MIN	2U	/* ... but so many blocks at least */
#define LIMIT_FIRST_MAX	16U
#define LIMIT_MAX	1024U
#define SHARE_LEAST	(256UL << 10)	/* bytes that all bins may grow to, or ... */
#define SHARE_OF_USED	32		/* ... a part of what is in use, if that is more; ... */
#define SHARE_MOST	(1UL << 20)	/* ... no more than the processor caches anyway */

struct block cache_nil;
__thread struct cache cache = {
	.head = { [0 ... CACHE_BINS - 1] = &cache_nil.next },
};

static pthread_key_t at_exit;

static unsigned int first_limit(size_t size)
{
	size_t limit = LIMIT_FIRST / size;

	if (limit < LIMIT_FIRST_MIN)
		return LIMIT_FIRST_MIN;
	return limit < LIMIT_FIRST_MAX ? limit : LIMIT_FIRST_MAX;
}

static void begin(void)
{
	size_t bin;

	cache.arena = arena_join();
	cache.life = config.cache ? CACHE_ALIVE : CACHE_OFF;
	for (bin = BIN_FIRST; bin < CACHE_BINS; bin++) {
		cache.limit[bin] = first_limit(bin << BLOCK_SHIFT);
		cache.room[bin] = config.cache ? cache.limit[bin] : 0;
		cache.batch[bin] = 1;
	}
	/* May call malloc, which the cache is ready for now. */
	pthread_setspecific(at_exit, &cache);
}

/**
 * struct chain - some cached blocks of one arena, linked
 * @first: of them
 * @last: of them
 * @count: how many
 */
struct chain {
	struct block	*first;
	struct block	*last;
	size_t		count;
};

/* Take blocks off a bin: as many of one arena as there are in a row, up to @most. */
static struct chain cut(size_t bin, size_t most)
{
	struct block *b = block_of(cache.head[bin]);
	struct chain chain = { b, NULL, 0 };
	unsigned int arena = block_arena(b);

	for (; b != &cache_nil && block_arena(b) == arena && chain.count < most;
	     b = block_next(b)) {
		guard_cached(b);
		chain.last = b;
		chain.count++;
	}
	cache.head[bin] = block_data(b);
	cache.room[bin] += chain.count;
	return chain;
}

/* Blocks go to their arena; nobody waits for a lock. */
static void give_home(struct chain chain)
{
	struct arena *arena = arena_of(chain.first);

	if (arena_try(arena)) {
		arena_free(arena, chain.first, chain.last, chain.count);
		arena_release(arena);
	} else {
		arena_return(arena, chain.first, chain.last);
	}
}

/**
 * cache_give_home() - free a block without keeping it
 * @b: in use, of any arena
 */
noinline void cache_give_home(struct block *b)
{
	block_change_state(b, BLOCK_USED, BLOCK_CACHED);
	give_home((struct chain){ b, b, 1 });
}

/* Give some blocks of a bin home: not the oldest, as to get there takes time. */
static void shorten(size_t bin, size_t blocks)
{
	struct chain chain;

	while (blocks && cache.head[bin] != block_data(&cache_nil)) {
		chain = cut(bin, blocks);
		blocks -= chain.count;
		give_home(chain);
	}
}

static size_t share(void)
{
	size_t bytes = heap_used(&cache.arena->heap) / SHARE_OF_USED;

	if (bytes > SHARE_MOST)
		return SHARE_MOST;
	return bytes > SHARE_LEAST ? bytes : SHARE_LEAST;
}

/**
 * cache_make_room() - make room in the bin of a block
 * @bin: for which cache_push() found none
 *
 * Return: whether there is room now; not if the thread has no cache.
 */
bool cache_make_room(size_t bin)
{
	size_t more = cache.limit[bin] * (bin << BLOCK_SHIFT);

	if (unlikely(cache.life == CACHE_UNBORN)) {
		begin();
		return cache.life == CACHE_ALIVE;
	}
	if (unlikely(cache.life != CACHE_ALIVE))
		return false;
	if (cache.limit[bin] * 2 <= LIMIT_MAX && cache.grown + more <= share()) {
		cache.grown += more;
		cache.room[bin] = cache.limit[bin];
		cache.limit[bin] *= 2;
		return true;
	}
	shorten(bin, cache.limit[bin] / 2);
	cache.batch[bin] = (cache.batch[bin] + 1) / 2;
	return true;
}

/**
 * cache_enter() - take the lock of an arena, to carve a block out of it
 * @arena: which
 * @size: of the block
 *
 * Many small blocks that are kept here and there hold a heap apart. Before it grows,
 * all that this thread keeps goes home, where it may coalesce to what is wanted.
 */
void cache_enter(struct arena *arena, size_t size)
{
	arena_take(arena);
	if (likely(!heap_must_grow(&arena->heap, size)))
		return;
	arena_release(arena);
	cache_flush();
	arena_take(arena);
	arena_gather(arena);
}

static void *fetch_one(size_t size)
{
	struct arena *arena = cache_arena();
	size_t one = 1, dirty;
	struct block *b;

	cache_enter(arena, size);
	b = arena_carve(arena, size, &one, &dirty);
	arena_release(arena);
	return b ? block_data(b) : NULL;
}

/* Put @count blocks, one behind the other from @b on, into their bins. */
static void keep(struct block *b, size_t count)
{
	struct block *after;
	size_t bin;

	for (; count; count--, b = after) {
		after = block_after(b);
		bin = block_units(b);
		if (bin >= CACHE_BINS || !cache_push(bin, b, true))
			cache_give_home(b);
	}
}

/* The next batch is larger. */
static void grow_batch(size_t bin)
{
	size_t most = BATCH_BYTES / (bin << BLOCK_SHIFT);
	size_t next = cache.batch[bin] * 2;

	if (most > cache.limit[bin])
		most = cache.limit[bin];
	if (next <= most)
		cache.batch[bin] = next;
}

/* Make a list of blocks from a depot what an empty bin holds. */
static void fill_bin(size_t bin, struct block *first, struct block *last, size_t count)
{
	block_link(last, &cache_nil);
	cache.head[bin] = block_data(first);
	cache.room[bin] -= count;
}

/* The first block of a bin, which was looked at. */
static void *pop(size_t bin)
{
	struct block *b = block_of(cache_pop(bin, false));

	b->check = 0;
	return block_data(b);
}

/* Blocks for an empty bin. Return: the data of one of them, in use, or NULL. */
static void *fetch_batch(size_t bin)
{
	size_t count = cache.limit[bin] / 2, dirty;
	struct block *b = NULL, *list, *last = NULL;

	arena_take(cache.arena);
	list = depot_take(&cache.arena->depot, bin, &count, &last);
	if (!list) {
		count = cache.batch[bin];
		b = arena_carve(cache.arena, bin << BLOCK_SHIFT, &count, &dirty);
	}
	arena_release(cache.arena);
	if (list) {
		fill_bin(bin, list, last, count);
		return pop(bin);
	}
	if (!b)
		return NULL;
	if (count > 1)
		keep(block_after(b), count - 1);
	grow_batch(bin);
	return block_data(b);
}

/**
 * cache_fetch() - the data of a block in use, when the bin has none
 * @size: of the block, by block_size_for(), for up to CACHE_DATA_MAX bytes
 *
 * Return: it, or NULL if the kernel refused.
 */
void *cache_fetch(size_t size)
{
	size_t bin = size >> BLOCK_SHIFT;
	struct block *b;

	if (unlikely(cache.life == CACHE_UNBORN))
		begin();
	b = block_of(cache.head[bin]);
	if (b != &cache_nil) {
		guard_cached(b);
		return pop(bin);	/* malloc looked into the bin of up to 8 bytes */
	}
	if (unlikely(cache.life != CACHE_ALIVE))
		return fetch_one(size);
	cache.arena = arena_move(cache.arena);
	return fetch_batch(bin);
}

/**
 * cache_arena() - the arena of this thread
 */
struct arena *cache_arena(void)
{
	if (unlikely(cache.life == CACHE_UNBORN))
		begin();
	if (likely(cache.life != CACHE_GONE))
		cache.arena = arena_move(cache.arena);
	return cache.arena;
}

/**
 * cache_flush() - give all blocks of this thread home
 */
void cache_flush(void)
{
	size_t bin;

	for (bin = BIN_FIRST; bin < CACHE_BINS; bin++)
		shorten(bin, SIZE_MAX);
}

/* Whatever else runs in the thread after this does without a cache. */
static void end(void *unused)
{
	size_t bin;

	(void)unused;
	cache.life = CACHE_GONE;
	cache_flush();
	for (bin = 0; bin < CACHE_BINS; bin++)
		cache.room[bin] = 0;
	arena_leave(cache.arena);
}

/**
 * cache_watch_threads() - notice their ends from now on; once, before all else
 */
void cache_watch_threads(void)
{
	pthread_key_create(&at_exit, end);
}

static bool belongs(const struct block *b, size_t bin)
{
	return heap_may_read(b) && block_state(b) == BLOCK_CACHED &&
	       block_units(b) == bin && arena_nth(block_arena(b));
}

/**
 * cache_check() - verify the bins of this thread
 * @at: set to the block that something is wrong with, or NULL
 *
 * Return: NULL, or what is wrong.
 */
const char *cache_check(const struct block **at)
{
	const struct block *b;
	size_t bin;
	int32_t room;

	for (bin = 0; bin < CACHE_BINS; bin++) {
		room = cache.limit[bin];
		for (b = block_of(cache.head[bin]); b != &cache_nil; b = block_next(b)) {
			*at = b;
			if (!belongs(b, bin))
				return "a cache holds a block that does not belong there";
			if (guard_is_on() && !block_link_is_good(b))
				return "a link in a cache was overwritten";
			if (--room < 0)
				break;
		}
		*at = NULL;
		if (cache.life == CACHE_ALIVE && room != cache.room[bin])
			return "a cache is not as full as it thinks";
	}
	return NULL;
}

static void after_fork_in_child(void)
{
	bool has_arena = cache.life == CACHE_ALIVE || cache.life == CACHE_OFF;

	arena_alone(has_arena ? cache.arena : NULL);
}

/**
 * cache_watch_fork() - in every child from now on, forget the other threads
 *
 * What their caches held stays with the parent. May call malloc; after
 * arena_watch_fork().
 */
void cache_watch_fork(void)
{
	pthread_atfork(NULL, NULL, after_fork_in_child);
}
