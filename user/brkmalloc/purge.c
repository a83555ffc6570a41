// SPDX-License-Identifier: GPL-2.0-only
/*
 * purge.c - when do pages inside the heap go back to the kernel?
 *
 * The break can only give back what lies at its top. A long free block below that
 * holds whole pages that nobody needs; madvise(MADV_DONTNEED) gives these back and
 * keeps the addresses. To touch such a page again costs a page fault, so only what
 * has rested goes: each long free block has an age, and every time enough has been
 * freed all of them are looked at. What is new becomes old, what is old is purged.
 *
 *   long free block   | meta | next | prev | age |  pages that go back  | footer |
 *
 * How much is enough: an eighth of what is in use, or of what is free, and at least
 * a megabyte.
 */
#include "guard.h"
#include "heap.h"

#define ENOUGH_LEAST	(1UL << 20)
#define ENOUGH_SHARE	8
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

/* Give back the whole pages inside a free block. Return: their bytes. */
static size_t purge_block(struct block *b)
{
	char *start = (char *)align_up((uintptr_t)(long_of(b) + 1), os_page_size);
	char *end = (char *)align_down((uintptr_t)block_word_before(block_after(b)),
				       os_page_size);

	if (end <= start || !os_purge(start, end - start))
		return 0;
	long_of(b)->age = AGE_PURGED;
	return end - start;
}

static size_t visit(struct block *b, bool all)
{
	struct long_block *l = long_of(b);

	if (l->age == AGE_PURGED)
		return 0;
	if (all || l->age == AGE_OLD)
		return purge_block(b);
	l->age = AGE_OLD;
	return 0;
}

/* New blocks stand in front: behind some that are purged there is nothing to do. */
static size_t visit_list(struct block *b, bool all)
{
	size_t bytes = 0;
	int purged = 0;

	for (; b && (all || purged < PURGED_ENOUGH); b = block_next(b)) {
		if (block_size(b) < PURGE_MIN)
			continue;
		if (long_of(b)->age == AGE_PURGED)
			purged++;
		bytes += visit(b, all);
	}
	return bytes;
}

static size_t visit_all(struct heap *heap, bool all)
{
	size_t list, bytes = 0;

	heap->freed = 0;
	for (list = fit_list_of(PURGE_MIN); list < FIT_CLASSES; list++)
		bytes += visit_list(heap->fit.lists[list], all);
	return bytes;
}

static size_t enough(const struct heap *heap)
{
	size_t used = heap->bytes - heap->long_free;
	size_t share = (used < heap->long_free ? used : heap->long_free) / ENOUGH_SHARE;

	return share < ENOUGH_LEAST ? ENOUGH_LEAST : share;
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
	if (heap->freed >= enough(heap))
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
	long_of(rest)->age = ((const struct long_block *)whole)->age;
	heap->long_free += block_size(rest);
}

/**
 * purge_note_taken() - a long free block is none any more
 * @heap: whose
 * @size: it had
 */
void purge_note_taken(struct heap *heap, size_t size)
{
	heap->long_free -= size;
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
