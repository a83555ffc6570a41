// SPDX-License-Identifier: GPL-2.0-only
/*
 * purge.c - when do pages inside the heap go back to the kernel?
 *
 * The break can only give back what lies at its top. A long free block below that
 * holds whole pages that nobody needs; madvise(MADV_DONTNEED) gives these back and
 * keeps the addresses.
 *
 *   long free block   | meta | next | prev | age |  pages that go back  | footer |
 *
 * To touch such a page again costs a page fault, so as a rule only what has rested
 * goes. Each long free block has an age, and now and then they are looked at: what
 * is new becomes old, what is old is purged. That is done
 *
 *   - from time to time while long blocks are being freed;
 *   - when the heap grows although it has such blocks: that they do not fit must
 *     not make the program larger.
 *
 * When much more is free than is in use everything goes, new or old.
 */
#include "full.h"
#include "guard.h"
#include "heap.h"

#define LOOK_BYTES	(1UL << 20)	/* freed, and ... */
#define LOOK_TICKS	(OS_TICKS / 5)	/* ... so long ago, at least */
#define MUCH_LEAST	(32UL << 20)
#define MUCH_SHARE	2		/* more than half of what is in use */
#define PURGED_ENOUGH	8

enum age {
	AGE_NEW,
	AGE_OLD,
	AGE_PURGED,
};

struct long_block {
	struct block	block;
	uint64_t	age;
};

static struct long_block *long_of(struct block *b)
{
	return (struct long_block *)b;
}

/*
 * Give back the whole pages inside a free block. Return: their bytes. Not if somebody
 * wants to know later whether they were written to.
 */
static size_t purge_block(struct heap *heap, struct block *b)
{
	char *start = (char *)align_up((uintptr_t)(long_of(b) + 1), os_page_size);
	char *end = (char *)align_down((uintptr_t)block_word_before(block_after(b)),
				       os_page_size);

	if (end <= start || full_is_on() || !os_purge(start, end - start))
		return 0;
	long_of(b)->age = AGE_PURGED;
	heap->purged += block_size(b);
	return end - start;
}

static size_t visit(struct heap *heap, struct block *b, bool all)
{
	struct long_block *l = long_of(b);

	if (l->age == AGE_PURGED)
		return 0;
	if (all || l->age == AGE_OLD)
		return purge_block(heap, b);
	l->age = AGE_OLD;
	return 0;
}

/* New blocks stand in front: behind some that are purged there is nothing to do. */
static size_t visit_list(struct heap *heap, struct block *b, bool all)
{
	size_t bytes = 0;
	int purged = 0;

	for (; b && (all || purged < PURGED_ENOUGH); b = block_next(b)) {
		if (block_size(b) < PURGE_MIN)
			continue;
		if (long_of(b)->age == AGE_PURGED)
			purged++;
		bytes += visit(heap, b, all);
	}
	return bytes;
}

static size_t visit_all(struct heap *heap, bool all)
{
	size_t list, bytes = 0;

	heap->freed = 0;
	heap->looked = os_ticks();
	for (list = fit_list_of(PURGE_MIN); list < FIT_CLASSES; list++)
		bytes += visit_list(heap, heap->fit.lists[list], all);
	return bytes;
}

/* Bytes of long free blocks whose pages may be there. */
static size_t idle(const struct heap *heap)
{
	return heap->long_free - heap->purged;
}

static bool is_much(const struct heap *heap)
{
	return idle(heap) > MUCH_LEAST + heap_used(heap) / MUCH_SHARE;
}

/**
 * purge_note_free() - a free block has become long
 * @heap: whose
 * @b: in its list, at least PURGE_MIN bytes
 * @freed: how many bytes of it were in use until now
 */
void purge_note_free(struct heap *heap, struct block *b, size_t freed)
{
	long_of(b)->age = AGE_NEW;
	heap->long_free += block_size(b);
	heap->freed += freed;
	if (likely(heap->freed < LOOK_BYTES))
		return;
	if (is_much(heap))
		visit_all(heap, true);
	else if (os_ticks() - heap->looked >= LOOK_TICKS)
		visit_all(heap, false);
}

/**
 * purge_note_rest() - a long free block was cut
 * @heap: whose
 * @rest: what is left of it, still long
 * @whole: where it began; its age is still there
 */
void purge_note_rest(struct heap *heap, struct block *rest, const struct block *whole)
{
	uint64_t age = ((const struct long_block *)whole)->age;

	long_of(rest)->age = age;
	heap->long_free += block_size(rest);
	if (age == AGE_PURGED)
		heap->purged += block_size(rest);
}

/**
 * purge_note_taken() - a long free block is none any more
 * @heap: whose
 * @b: as it was
 */
void purge_note_taken(struct heap *heap, const struct block *b)
{
	heap->long_free -= block_size(b);
	if (((const struct long_block *)b)->age == AGE_PURGED)
		heap->purged -= block_size(b);
}

/**
 * purge_for_growth() - the heap has grown: give back what rests, if that is much
 * @heap: whose
 * @more: bytes that it grew by
 */
void purge_for_growth(struct heap *heap, size_t more)
{
	if (idle(heap) >= LOOK_BYTES && idle(heap) >= more)
		visit_all(heap, false);
}

/**
 * purge_all() - give back all whole pages inside free blocks
 * @heap: whose
 *
 * Return: their bytes.
 */
size_t purge_all(struct heap *heap)
{
	return visit_all(heap, true);
}

/**
 * purge_is_done() - were the pages inside a long free block given back?
 * @b: it
 */
bool purge_is_done(const struct block *b)
{
	return ((const struct long_block *)b)->age == AGE_PURGED;
}
