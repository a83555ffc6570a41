// SPDX-License-Identifier: GPL-2.0-only
/*
 * heap.c - how is heap memory cut into blocks and put together again?
 *
 *   split	a free block larger than needed is cut; the rest stays free
 *   coalesce	a freed block is joined with its free neighbours, on both
 *		sides, so two free blocks never touch
 *   top	when no free block fits, the top moves up; what is freed below
 *		the top lowers it again
 *
 * Where the memory comes from and when it goes back: region.c and purge.c.
 */
#include "guard.h"
#include "heap.h"

/* Make [b, b + size) a free block; its neighbours are in use. */
static void set_free(struct heap *heap, struct block *b, size_t size)
{
	block_set(b, size, heap_home(heap), BLOCK_FREE);
	block_set_footer(b);
	fit_insert(&heap->fit, b);
}

/* Make @count blocks of @size from @b on, the last of them @last long. */
static void lay(struct heap *heap, struct block *b, size_t size, size_t count,
		size_t last)
{
	for (; count > 1; count--, b = block_at(b, size))
		block_set(b, size, heap_home(heap), BLOCK_USED);
	block_set(b, last, heap_home(heap), BLOCK_USED);
}

/**
 * heap_carve_free() - some blocks in use, one behind the other, out of free memory
 * @heap: where
 * @size: of each, by block_size_for(); the last one may be 16 bytes longer
 * @count: how many are wanted; set to how many there are, at least one
 *
 * Return: the first of them, or NULL if no free block is large enough.
 */
struct block *heap_carve_free(struct heap *heap, size_t size, size_t *count)
{
	struct block *b = fit_find(&heap->fit, size), *after, *rest;
	size_t whole, left, n = *count;

	if (!b)
		return NULL;
	after = block_after(b);
	guard_after(b, after, block_state(after));
	fit_remove(&heap->fit, b);
	whole = block_size(b);
	if (n > 1 && n * size > whole)
		n = whole / size;
	left = whole - n * size;
	if (whole >= PURGE_MIN)
		purge_note_taken(heap, b);
	if (left < BLOCK_MIN) {
		block_set_prev_free(after, false);
		lay(heap, b, size, n, size + left);
	} else {
		rest = block_at(b, whole - left);
		set_free(heap, rest, left);
		if (left >= PURGE_MIN)
			purge_note_rest(heap, rest, b);
		lay(heap, b, size, n, size);
	}
	*count = n;
	return b;
}

/* Move the top over @size bytes, for which there is room. */
static void raise_top(struct heap *heap, size_t size)
{
	heap->top = block_at(heap->top, size);
	if ((char *)heap->top > heap->fresh)
		heap->fresh = (char *)heap->top;
}

/**
 * heap_carve_top() - the same out of the top
 * @heap: where
 * @size: of each, by block_size_for()
 * @count: how many are wanted; set to how many there are, at least one
 * @dirty: set to how many bytes from the data of the first one on may not be zero
 *
 * Return: the first of them, or NULL if the kernel refused.
 */
struct block *heap_carve_top(struct heap *heap, size_t size, size_t *count, size_t *dirty)
{
	struct block *b;
	char *data;

	if (heap_top_room(heap) < size && !region_grow(heap, size))
		return NULL;
	if (*count * size > heap_top_room(heap))
		*count = heap_top_room(heap) / size;
	b = heap->top;
	data = block_data(b);
	*dirty = heap->fresh > data ? heap->fresh - data : 0;
	raise_top(heap, *count * size);
	lay(heap, b, size, *count, size);
	return b;
}

/* Cut @b down to @size if the rest is enough for a block; free the rest. */
static void split(struct heap *heap, struct block *b, size_t size)
{
	size_t rest = block_size(b) - size;
	struct block *tail = block_at(b, size);

	if (rest < BLOCK_MIN)
		return;
	block_set(b, size, b->home, BLOCK_USED);
	block_set(tail, rest, heap_home(heap), BLOCK_USED);
	heap_free(heap, tail);
}

/**
 * heap_align() - cut a block out of a larger one, its data at a round address
 * @heap: its heap
 * @b: in use, at least @size + @align + BLOCK_MIN long
 * @size: of the block wanted
 * @align: of the data, a power of two above BLOCK_ALIGN
 *
 * What lies in front of the round address and behind the block is freed.
 *
 * Return: the block.
 */
struct block *heap_align(struct heap *heap, struct block *b, size_t size, size_t align)
{
	struct block *aligned;
	size_t whole, lead;
	uintptr_t data;

	if ((uintptr_t)block_data(b) % align) {
		data = align_up((uintptr_t)block_data(b) + BLOCK_MIN, align);
		aligned = block_of((void *)data);
		lead = (char *)aligned - (char *)b;
		whole = block_size(b);
		block_set(aligned, whole - lead, heap_home(heap), BLOCK_USED);
		block_set(b, lead, b->home, BLOCK_USED);
		heap_free(heap, b);
		b = aligned;
	}
	split(heap, b, size);
	return b;
}

static bool grow_into_top(struct heap *heap, struct block *b, size_t more)
{
	if (heap_top_room(heap) < more && !region_grow(heap, more))
		return false;
	if (block_after(b) != heap->top)	/* there is a new region */
		return false;
	raise_top(heap, more);
	block_set(b, block_size(b) + more, b->home, BLOCK_USED);
	return true;
}

static bool grow_into_free(struct heap *heap, struct block *b, struct block *after,
			   size_t size)
{
	size_t both = block_size(b) + block_size(after);
	struct block *rest = block_at(b, size);
	size_t left = both - size;

	if (both < size)
		return false;
	fit_remove(&heap->fit, after);
	if (block_size(after) >= PURGE_MIN)
		purge_note_taken(heap, after);
	if (left < BLOCK_MIN) {
		block_set_prev_free(block_at(b, both), false);
		size = both;
	} else {
		set_free(heap, rest, left);
		if (left >= PURGE_MIN)
			purge_note_free(heap, rest, 0);
	}
	block_set(b, size, b->home, BLOCK_USED);
	return true;
}

/**
 * heap_resize() - make a block longer or shorter where it is
 * @heap: its heap
 * @b: in use
 * @size: of the block wanted
 *
 * It can grow into the top, and into a free block behind it.
 *
 * Return: whether the block is now at least @size long; if not it is unchanged.
 */
bool heap_resize(struct heap *heap, struct block *b, size_t size)
{
	size_t old = block_size(b);
	struct block *after = block_after(b);
	uint32_t state;

	if (size <= old) {
		split(heap, b, size);
		return true;
	}
	if (after == heap->top)
		return grow_into_top(heap, b, size - old);
	state = block_state(after);
	guard_after(b, after, state);
	return state == BLOCK_FREE && grow_into_free(heap, b, after, size);
}

/* Take a free block out of its list, to be joined with what is freed beside it. */
static size_t join(struct heap *heap, struct block *b)
{
	size_t size = block_size(b);

	fit_remove(&heap->fit, b);
	if (size >= PURGE_MIN)
		purge_note_taken(heap, b);
	return size;
}

/**
 * heap_free() - take a block back
 * @heap: its heap
 * @b: the program's no more
 */
void heap_free(struct heap *heap, struct block *b)
{
	size_t size = block_size(b), freed = size;
	struct block *after = block_after(b);
	bool prev_is_free = block_prev_is_free(b);
	uint32_t state;

	/* Said even where it is joined: a second free of it is then noticed. */
	block_set(b, size, b->home, BLOCK_FREE);
	if (prev_is_free) {
		b = guard_before(b);
		size += join(heap, b);
	}
	if (after == heap->top) {
		heap->top = b;
		region_trim(heap);
		return;
	}
	state = block_state(after);
	guard_after(b, after, state);
	if (state == BLOCK_FREE)
		size += join(heap, after);
	else
		block_set_prev_free(after, true);
	set_free(heap, b, size);
	if (size >= PURGE_MIN) {
		purge_note_free(heap, b, freed);
		region_release(heap, b);
	}
}
