// SPDX-License-Identifier: GPL-2.0-only
/*
 * arena.c - which heap does a thread use?
 *
 * An arena is a heap with a lock. The first one has the program's first thread,
 * and as long as no two threads get in each other's way there is no other. A
 * thread that finds the lock of its arena taken again and again moves to the arena
 * with the fewest threads; if none has fewer, to a new one.
 *
 * A block is given back to the arena that it came from, whoever frees it: its
 * number is in the meta block. If that arena is busy the block is put on a stack
 * there, by one compare-and-swap, and whoever takes the lock next takes it in.
 */
#include "arena.h"
#include "config.h"
#include "full.h"
#include "stock.h"
#include "table.h"

#define WAITED_ENOUGH	16	/* times, before a thread moves */

static struct arena first = { .lock = LOCK_INITIALIZER };
static struct arena *arenas[BLOCK_ARENAS] = { &first };
static unsigned int arenas_count = 1;
static struct lock arenas_lock = LOCK_INITIALIZER;

/**
 * arena_free() - take blocks back
 * @arena: their arena, locked
 * @list: of cached blocks, all of one size if there are several
 * @last: the last of them
 * @count: how many there are
 *
 * They go to the depot if they are small and there is room, else to the heap.
 */
void arena_free(struct arena *arena, struct block *list, struct block *last,
		size_t count)
{
	size_t bin = block_units(list);
	struct block *next;

	if (bin < DEPOT_BINS && config.cache &&
	    depot_has_room(&arena->depot, &arena->heap)) {
		depot_put(&arena->depot, bin, list, last, count);
		return;
	}
	for (; count--; list = next) {
		next = block_next(list);
		heap_free(&arena->heap, list);
	}
}

/* Take in what others have returned. */
static void drain(struct arena *arena)
{
	struct block *b, *next;

	b = __atomic_exchange_n(&arena->returned, NULL, __ATOMIC_ACQUIRE);
	for (; b; b = next) {
		if (!block_link_is_good(b))
			guard_cached(b);
		next = block_next(b);
		arena_free(arena, b, b, 1);
	}
}

/**
 * arena_gather() - free into the heap whatever waits outside of it
 * @arena: which, locked
 */
void arena_gather(struct arena *arena)
{
	drain(arena);
	depot_empty(&arena->depot, &arena->heap);
}

/**
 * arena_try() - take the lock if nobody has it
 * @arena: which
 *
 * Return: whether it is ours now.
 */
bool arena_try(struct arena *arena)
{
	if (!lock_try(&arena->lock))
		return false;
	if (unlikely(__atomic_load_n(&arena->returned, __ATOMIC_RELAXED)))
		drain(arena);
	return true;
}

/**
 * arena_take() - take the lock of an arena
 * @arena: which
 */
void arena_take(struct arena *arena)
{
	if (arena_try(arena))
		return;
	__atomic_fetch_add(&arena->waited, 1, __ATOMIC_RELAXED);
	lock_take(&arena->lock);
}

/**
 * arena_release() - release it
 * @arena: which
 */
void arena_release(struct arena *arena)
{
	lock_release(&arena->lock);
}

/**
 * arena_nth() - the arena of a number
 * @n: from zero on
 *
 * Return: the arena, or NULL if there are no more.
 */
struct arena *arena_nth(unsigned int n)
{
	return n < __atomic_load_n(&arenas_count, __ATOMIC_ACQUIRE) ? arenas[n] : NULL;
}

/**
 * arena_of() - the arena that a block belongs to
 * @b: of a heap
 */
struct arena *arena_of(const struct block *b)
{
	struct arena *arena = arenas[block_arena(b)];

	if (unlikely(!arena))
		guard_crit("block %p (%zu bytes): its meta block was overwritten: found arena %zu, expected one of those that there are",
			   block_data(b), block_usable(b), (size_t)block_arena(b));
	return arena;
}

static struct arena *arena_new(void)
{
	struct arena *arena;

	if (arenas_count >= config.arena_max)
		return NULL;
	arena = (struct arena *)os_map(align_up(sizeof(*arena), os_page_size));
	if (!arena)
		return NULL;
	pthread_mutex_init(&arena->lock.mutex, NULL);
	arena->heap.arena = arenas_count;
	arenas[arenas_count] = arena;
	__atomic_store_n(&arenas_count, arenas_count + 1, __ATOMIC_RELEASE);
	return arena;
}

static struct arena *least_used(void)
{
	struct arena *least = arenas[0];
	unsigned int i;

	for (i = 1; i < arenas_count; i++)
		if (arenas[i]->threads < least->threads)
			least = arenas[i];
	return least;
}

/**
 * arena_join() - an arena for a new thread
 */
struct arena *arena_join(void)
{
	struct arena *arena;

	lock_take(&arenas_lock);
	arena = least_used();
	arena->threads++;
	lock_release(&arenas_lock);
	return arena;
}

/**
 * arena_leave() - a thread needs its arena no more
 * @arena: from arena_join()
 */
void arena_leave(struct arena *arena)
{
	lock_take(&arenas_lock);
	arena->threads--;
	lock_release(&arenas_lock);
}

/**
 * arena_alone() - there is one thread left
 * @arena: its arena, or NULL if it has none
 */
void arena_alone(struct arena *arena)
{
	unsigned int i;

	lock_take(&arenas_lock);
	for (i = 0; i < arenas_count; i++)
		arenas[i]->threads = arenas[i] == arena;
	lock_release(&arenas_lock);
}

/**
 * arena_move() - is there a better arena for this thread?
 * @arena: its arena
 *
 * Return: the arena to use from now on.
 */
struct arena *arena_move(struct arena *arena)
{
	struct arena *to;

	if (likely(__atomic_load_n(&arena->waited, __ATOMIC_RELAXED) < WAITED_ENOUGH))
		return arena;
	lock_take(&arenas_lock);
	__atomic_store_n(&arena->waited, 0, __ATOMIC_RELAXED);
	to = least_used();
	if (to->threads + 1 >= arena->threads)
		to = arena->threads > 1 ? arena_new() : NULL;
	if (to) {
		arena->threads--;
		to->threads++;
		arena = to;
	}
	lock_release(&arenas_lock);
	return arena;
}

/**
 * arena_return() - put blocks on the stack of an arena that is busy
 * @arena: theirs
 * @first: of them
 * @last: of them; each leads to the next
 */
void arena_return(struct arena *arena, struct block *first, struct block *last)
{
	struct block *head = __atomic_load_n(&arena->returned, __ATOMIC_RELAXED);

	do {
		block_link(last, head);
	} while (!__atomic_compare_exchange_n(&arena->returned, &head, first, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/**
 * arena_carve() - some blocks in use, one behind the other
 * @arena: where, locked
 * @size: of each, by block_size_for(); the last one may be 16 bytes longer
 * @count: how many are wanted; set to how many there are, at least one
 * @dirty: set to how many bytes from the data of the first one on may not be zero
 *
 * Return: the first of them, or NULL if the kernel refused.
 */
struct block *arena_carve(struct arena *arena, size_t size, size_t *count, size_t *dirty)
{
	struct block *b = heap_carve_free(&arena->heap, size, count);

	if (!b && depot_is_large(&arena->depot, &arena->heap)) {
		depot_empty(&arena->depot, &arena->heap);
		b = heap_carve_free(&arena->heap, size, count);
	}
	if (!b)
		return heap_carve_top(&arena->heap, size, count, dirty);
	*dirty = SIZE_MAX;
	return b;
}

/**
 * arena_carve_aligned() - a block in use whose data begins at a round address
 * @arena: where, locked
 * @size: of the block
 * @align: of the data, a power of two above BLOCK_ALIGN
 *
 * Return: the block or NULL.
 */
struct block *arena_carve_aligned(struct arena *arena, size_t size, size_t align)
{
	size_t one = 1, dirty;
	struct block *b = arena_carve(arena, size + align + BLOCK_MIN, &one, &dirty);

	return b ? heap_align(&arena->heap, b, size, align) : NULL;
}

/**
 * arena_take_all() - bring everything to rest
 *
 * After it nobody else changes a heap, the stock of mappings or the table; the caches of
 * other threads do change.
 */
void arena_take_all(void)
{
	unsigned int i;

	lock_take(&full_lock);
	lock_take(&arenas_lock);
	for (i = 0; i < arenas_count; i++)
		arena_take(arenas[i]);
	lock_take(&break_lock);
	lock_take(&stock_lock);
	lock_take(&table_lock);
}

/* All locks in the order in which they are taken. */
static struct lock *nth_lock(unsigned int n)
{
	struct lock *const last[] = { &break_lock, &stock_lock, &table_lock };

	if (!n)
		return &full_lock;
	if (n == 1)
		return &arenas_lock;
	if (n < arenas_count + 2)
		return &arenas[n - 2]->lock;
	n -= arenas_count + 2;
	return n < sizeof(last) / sizeof(last[0]) ? last[n] : NULL;
}

/**
 * arena_try_all() - the same if nobody has any of the locks
 *
 * For signal handlers, too.
 *
 * Return: whether all are ours now.
 */
bool arena_try_all(void)
{
	struct lock *lock;
	unsigned int n;

	for (n = 0; (lock = nth_lock(n)); n++) {
		if (lock_try(lock))
			continue;
		while (n--)
			lock_drop(nth_lock(n));
		return false;
	}
	return true;
}

/**
 * arena_release_all() - let it go on
 */
void arena_release_all(void)
{
	unsigned int n = 0;

	while (nth_lock(n))
		n++;
	while (n--)
		lock_release(nth_lock(n));
}

static void before_fork(void)
{
	arena_take_all();
	lock_let_owner_pass();
}

/* Parent and child alike; the child has no other thread that could wait. */
static void after_fork(void)
{
	lock_let_nobody_pass();
	arena_release_all();
}

/**
 * arena_watch_fork() - hold all locks across every fork from now on
 *
 * Once, before there are threads. May call malloc.
 */
void arena_watch_fork(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}
