// SPDX-License-Identifier: GPL-2.0-only
/*
 * heap.c - how is heap memory cut into blocks and put together again?
 *
 *   split	a free block larger than needed is cut; the rest stays free
 *   coalesce	a freed block is joined with its free neighbours, on both
 *		sides, so two free blocks never touch
 *   grow	when no free block fits, the top moves up, and when the top
 *		reaches the end of the region the break is moved
 *   trim	when much of the top is free the break is moved down again
 *
 * As a rule there is one region, from the first break on. If somebody else
 * moved the break between two of our calls, our next memory is not contiguous
 * with the last: it becomes a new region. If the break cannot be moved at all
 * (a mapping is in its way) the new region is a mapping.
 */
#include "config.h"
#include "fit.h"
#include "guard.h"
#include "heap.h"

#define BREAK_STEP	(128UL << 10)	/* moved beyond the need; kept at a trim */
#define MAPPED_REGION	(1024UL << 10)	/* least size of a region from mmap */

struct heap heap;

/* Bytes between the top and the place of the fence. */
static size_t top_room(void)
{
	return heap.regions ? heap.end - BLOCK_META - (char *)heap.top : 0;
}

/**
 * heap_may_read() - is it safe to look whether there is a meta block?
 * @address: where
 *
 * Memory of the break is known to be there; of anything else, which is rare,
 * the kernel is asked.
 */
bool heap_may_read(const void *address)
{
	const char *p = address;

	return (p >= heap.break_low && p < heap.break_high) ||
	       os_is_mapped(p);
}

/* Make [b, b + size) a free block; its neighbours are in use. */
static void set_free(struct block *b, size_t size)
{
	block_set(b, size, 0);
	block_set_footer(b);
	block_set_prev_free(block_after(b), true);
	fit_insert(b);
}

/* Give the newest region an end; what is left of its top is a free block. */
static void region_close(void)
{
	size_t rest = top_room();
	struct block *fence;

	if (!heap.regions)
		return;
	if (rest < BLOCK_MIN)
		rest = 0;
	fence = block_at(heap.top, rest);
	block_set(fence, 0, BLOCK_USED);
	if (rest)
		set_free(heap.top, rest);
}

static void region_open(char *start, size_t bytes, bool mapped)
{
	char *head = (char *)align_up((uintptr_t)start, BLOCK_ALIGN);
	char *end = (char *)align_down((uintptr_t)start + bytes, BLOCK_ALIGN);
	struct region *region = (struct region *)head;

	region_close();
	region->next = heap.regions;
	region->size = end - head;
	region->mapped = mapped;
	heap.regions = region;
	heap.top = region_first(region);
	heap.end = end;
	/* Others may have written to the page in which our memory begins. */
	heap.fresh = (char *)align_up((uintptr_t)heap.top, os_page_size);
	if (heap.fresh > end)
		heap.fresh = end;
}

static void break_extent(char *low, char *high)
{
	if (!heap.break_low || low < heap.break_low)
		heap.break_low = low;
	if (high > heap.break_high)
		heap.break_high = high;
}

/* New memory [start, start + bytes) came from the break. */
static void break_moved(char *start, size_t bytes)
{
	struct region *region = heap.regions;

	break_extent(start, start + bytes);
	if (!region || region->mapped || start > heap.end) {
		region_open(start, bytes, false);
		return;
	}
	if (start < heap.end)
		guard_crit("break %p: somebody moved it down below the end of the heap, expected at least %p",
			   start, heap.end);
	heap.end += bytes;
	region->size += bytes;
}

/* Make room for @size bytes at the top. */
static bool grow(size_t size)
{
	size_t bytes, room;
	char *start;

	/* Twice if the first memory is not contiguous with what we have. */
	while ((room = top_room()) < size) {
		bytes = size - room + sizeof(struct region) + BLOCK_META;
		start = os_break_grow(bytes, BREAK_STEP, &bytes);
		if (!start)
			break;
		break_moved(start, bytes);
	}
	if (room >= size)
		return true;
	bytes = align_up(size + sizeof(struct region) + BLOCK_META, os_page_size);
	if (bytes < MAPPED_REGION)
		bytes = MAPPED_REGION;
	start = os_map(bytes);
	if (start)
		region_open(start, bytes, true);
	return start;
}

/* Move the break down if much of the top is free. */
static void trim(void)
{
	size_t keep = BREAK_STEP;
	char *end;

	if (heap.regions->mapped || top_room() < config.trim_threshold)
		return;
	if (keep > config.trim_threshold)
		keep = config.trim_threshold;
	end = (char *)align_up((uintptr_t)heap.top + BLOCK_META + keep,
			       os_page_size);
	if (end >= heap.end || !os_break_shrink(heap.end, heap.end - end))
		return;
	if (heap.break_high == heap.end)
		heap.break_high = end;
	heap.regions->size -= heap.end - end;
	heap.end = end;
	if (heap.fresh > end)
		heap.fresh = end;
}

/* Unmap the region of a free block that fills it, if it is a mapping. */
static void release_region(struct block *b)
{
	struct region **link, *region;

	for (link = &heap.regions->next; (region = *link); link = &region->next) {
		if (region_first(region) != b || !region->mapped)
			continue;
		fit_remove(b);
		*link = region->next;
		os_unmap((char *)region, region->size);
		return;
	}
}

/* Cut @b down to @size if the rest is enough for a block; free the rest. */
static void split(struct block *b, size_t size)
{
	size_t rest = block_size(b) - size;
	struct block *tail = block_at(b, size);

	if (rest < BLOCK_MIN)
		return;
	block_set(b, size, block_flags(b));
	block_set(tail, rest, BLOCK_USED);
	heap_free(tail);
}

static struct block *take_free(size_t size)
{
	struct block *b = fit_find(size);
	struct block *after;

	if (!b)
		return NULL;
	after = block_after(b);
	guard_after(b, after);
	fit_remove(b);
	block_set(b, block_size(b), BLOCK_USED);
	block_set_prev_free(after, false);
	split(b, size);
	return b;
}

/* Move the top over @size bytes, for which there is room. */
static void raise_top(size_t size)
{
	heap.top = block_at(heap.top, size);
	if ((char *)heap.top > heap.fresh)
		heap.fresh = (char *)heap.top;
}

static struct block *take_top(size_t size, size_t *dirty)
{
	struct block *b;
	char *data;

	if (top_room() < size && !grow(size))
		return NULL;
	b = heap.top;
	data = block_data(b);
	*dirty = heap.fresh > data ? heap.fresh - data : 0;
	if (*dirty > size - BLOCK_META)
		*dirty = size - BLOCK_META;
	raise_top(size);
	block_set(b, size, BLOCK_USED);
	return b;
}

/**
 * heap_alloc() - a block in use
 * @size: of the block, by block_size_for()
 * @dirty: set to how many bytes at the start of the data may not be zero
 *
 * Return: the block, at least @size long, or NULL if the kernel refused.
 */
struct block *heap_alloc(size_t size, size_t *dirty)
{
	struct block *b = take_free(size);

	if (!b)
		return take_top(size, dirty);
	*dirty = block_usable(b);
	return b;
}

/**
 * heap_alloc_aligned() - a block in use whose data begins at a round address
 * @size: of the block
 * @align: of the data, a power of two above BLOCK_ALIGN
 *
 * A larger block is taken; what lies in front of the round address and behind
 * the block is freed again.
 *
 * Return: the block or NULL.
 */
struct block *heap_alloc_aligned(size_t size, size_t align)
{
	size_t dirty, whole, lead;
	struct block *b = heap_alloc(size + align + BLOCK_MIN, &dirty);
	struct block *aligned;
	uintptr_t data;

	if (!b)
		return NULL;
	if ((uintptr_t)block_data(b) % align) {
		data = align_up((uintptr_t)block_data(b) + BLOCK_MIN, align);
		aligned = block_of((void *)data);
		lead = (char *)aligned - (char *)b;
		whole = block_size(b);
		block_set(aligned, whole - lead, BLOCK_USED);
		block_set(b, lead, block_flags(b));
		heap_free(b);
		b = aligned;
	}
	split(b, size);
	return b;
}

/**
 * heap_resize() - make a block longer or shorter where it is
 * @b: in use
 * @size: of the block wanted
 *
 * It can grow into the top, and into a free block behind it.
 *
 * Return: whether the block is now at least @size long; if not it is unchanged.
 */
bool heap_resize(struct block *b, size_t size)
{
	size_t old = block_size(b);
	struct block *after = block_after(b);

	if (after == heap.top && size > old && top_room() < size - old)
		grow(size - old);
	if (size <= old) {
		split(b, size);
	} else if (after == heap.top) {
		if (top_room() < size - old)
			return false;
		raise_top(size - old);
		block_set(b, size, block_flags(b));
	} else {
		guard_after(b, after);
		if (block_is_used(after) || old + block_size(after) < size)
			return false;
		fit_remove(after);
		block_set_prev_free(block_after(after), false);
		block_set(b, old + block_size(after), block_flags(b));
		split(b, size);
	}
	return true;
}

/**
 * heap_free() - take a block back
 * @b: in use
 */
void heap_free(struct block *b)
{
	size_t size = block_size(b);
	struct block *after = block_after(b);
	bool prev_is_free = block_prev_is_free(b);

	if (after != heap.top)
		guard_after(b, after);
	/* Said even where it is joined: a second free of it is then noticed. */
	block_set(b, size, 0);
	if (prev_is_free) {
		b = guard_before(b);
		fit_remove(b);
		size += block_size(b);
	}
	if (after == heap.top) {
		heap.top = b;
		trim();
		return;
	}
	if (!block_is_used(after)) {
		fit_remove(after);
		size += block_size(after);
	}
	set_free(b, size);
	if (block_is_fence(block_after(b)))
		release_region(b);
}
