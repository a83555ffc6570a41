// SPDX-License-Identifier: GPL-2.0-only
/*
 * region.c - where does heap memory come from, and when does it go back?
 *
 *   grow	when the top reaches the end of its region the break is moved up
 *   trim	when much of the top is free the break is moved down again
 *
 * As a rule there is one region, from the first break on. If somebody else moved
 * the break between two of our calls (the program, or another arena), our next
 * memory is not contiguous with the last: it becomes a new region. If the break
 * cannot be moved at all (a mapping is in its way) the new region is a mapping.
 */
#include "config.h"
#include "full.h"
#include "guard.h"
#include "heap.h"
#include "lock.h"
#include "probes.h"
#include "stock.h"

#define BREAK_STEP	(128UL << 10)	/* moved beyond the need, at least */
#define BREAK_STEP_MAX	(8UL << 20)	/* and at most */
#define BREAK_SHARE	8		/* an eighth of the heap between them */
#define TRIM_SHARE	8		/* that part of the heap may be free at its top, */
#define TRIM_AT_ONCE	2		/* that part for a while after it has grown, */
#define TRIM_KEEP	BREAK_STEP	/* that much stays if the user chose what is enough */
#define TRIM_TICKS	(OS_TICKS / 10)	/* a tenth of a second, ... */
#define TRIM_LOOKS	64		/* ... for which the clock is not always asked */
#define MAPPED_REGION	(1024UL << 10)	/* least size of a region from mmap */

uintptr_t break_low, break_units;
static uintptr_t break_high;
struct lock break_lock = LOCK_INITIALIZER;

/* Caches look at the sum without the lock. */
static void add_bytes(struct heap *heap, size_t more)
{
	POKE(heap->bytes, heap->bytes + more);
}

/* Give the newest region an end; what is left of its top is a free block. */
static void region_close(struct heap *heap)
{
	size_t rest = heap_top_room(heap);
	struct block *b = heap->top;

	if (!heap->regions)
		return;
	if (rest < BLOCK_MIN)
		rest = 0;
	heap->top = NULL;
	block_set(block_at(b, rest), 0, heap_home(heap), BLOCK_FENCE);
	if (!rest)
		return;
	quarantine_fill(heap->fresh, (char *)block_at(b, rest));
	block_set(b, rest, heap_home(heap), BLOCK_USED);
	heap_free(heap, b);
}

static void region_open(struct heap *heap, char *start, size_t bytes, bool mapped)
{
	char *head = (char *)align_up((uintptr_t)start, BLOCK_ALIGN);
	char *end = (char *)align_down((uintptr_t)start + bytes, BLOCK_ALIGN);
	struct region *region = (struct region *)head;

	region_close(heap);
	region->next = heap->regions;
	region->size = end - head;
	region->mapped = mapped;
	heap->regions = region;
	add_bytes(heap, region->size);
	heap->top = region_first(region);
	heap->end = end;
	/* Others may have written to the page in which our memory begins. */
	heap->fresh = (char *)align_up((uintptr_t)heap->top, os_page_size);
	if (heap->fresh > end)
		heap->fresh = end;
	quarantine_fill((char *)heap->top, heap->fresh);
}

/*
 * Read by other threads meanwhile; they are careful, or their pointers are sound.
 * Without guards nobody asks what lies there but free(), which is told nothing does
 * and so takes the way without checks.
 */
static void extent_set(uintptr_t low, uintptr_t high)
{
	uintptr_t units;

	low = align_down(low, BLOCK_ALIGN);
	units = guard_is_on() ? (high - low) >> BLOCK_SHIFT : 0;
	break_high = high;
	__atomic_store_n(&break_low, low, __ATOMIC_RELAXED);
	__atomic_store_n(&break_units, units, __ATOMIC_RELAXED);
}

/* New memory [start, start + bytes) came from the break. */
static void extent_add(char *start, size_t bytes)
{
	uintptr_t low = break_low;
	uintptr_t high = break_high;

	if (!low || (uintptr_t)start < low)
		low = (uintptr_t)start;
	if ((uintptr_t)start + bytes > high)
		high = (uintptr_t)start + bytes;
	extent_set(low, high);
}

static char *break_grow(size_t least, size_t more, size_t *got)
{
	char *start;

	lock_take(&break_lock);
	start = os_break_grow(least, more, got);
	if (start && (uintptr_t)start < break_high)
		guard_crit("break %p: somebody moved it down below the end of the heap, expected at least %p",
			   start, (void *)break_high);
	if (start)
		extent_add(start, *got);
	lock_release(&break_lock);
	return start;
}

static bool break_shrink(char *end, size_t bytes)
{
	bool moved;

	lock_take(&break_lock);
	moved = os_break_shrink(end, bytes);
	if (moved && break_high == (uintptr_t)end)
		extent_set(break_low, (uintptr_t)end - bytes);
	lock_release(&break_lock);
	return moved;
}

/* A block must not become longer than a meta block can tell. */
static bool is_behind(const struct heap *heap, const char *start, size_t bytes)
{
	return heap->regions && start == heap->end && !heap->regions->mapped &&
	       heap->regions->size + bytes < BLOCK_MAX;
}

/* New memory [start, start + bytes) came from the break. */
static void break_moved(struct heap *heap, char *start, size_t bytes)
{
	if (!is_behind(heap, start, bytes)) {
		region_open(heap, start, bytes, false);
		return;
	}
	heap->end += bytes;
	heap->regions->size += bytes;
	add_bytes(heap, bytes);
}

static size_t grow_step(const struct heap *heap)
{
	size_t step = heap->bytes / BREAK_SHARE;

	if (step < BREAK_STEP)
		return BREAK_STEP;
	return step < BREAK_STEP_MAX ? step : BREAK_STEP_MAX;
}

static bool map_region(struct heap *heap, size_t size)
{
	size_t least = align_up(size + sizeof(struct region) + BLOCK_META, os_page_size);
	size_t bytes = least < MAPPED_REGION ? MAPPED_REGION : least;
	char *start = os_map(bytes);

	if (!start) {
		bytes = least;
		start = os_map(bytes);
	}
	if (!start)
		return false;
	region_open(heap, start, bytes, true);
	PROBE_GROW(heap->arena, bytes);
	return true;
}

/**
 * region_grow() - make room at the top
 * @heap: whose
 * @size: bytes of the block to come
 *
 * Return: whether there is room now; if not the kernel refused.
 */
bool region_grow(struct heap *heap, size_t size)
{
	size_t bytes, room;
	char *start;

	/* Twice if the first memory is not contiguous with what we have. */
	while ((room = heap_top_room(heap)) < size) {
		bytes = size - room + sizeof(struct region) + BLOCK_META;
		start = break_grow(bytes, grow_step(heap), &bytes);
		if (!start)
			break;
		break_moved(heap, start, bytes);
		PROBE_GROW(heap->arena, bytes);
		heap->grown = os_ticks();
		stock_yield(bytes);
		purge_for_growth(heap, bytes);
	}
	if (room >= size)
		return true;
	return map_region(heap, size);
}

/* Give back the pages of the top behind @end, which stays part of the heap. */
static size_t purge_top(struct heap *heap, char *end)
{
	size_t bytes = heap->fresh > end ? heap->fresh - end : 0;

	bytes = align_up(bytes, os_page_size);
	if (bytes > (size_t)(heap->end - end))
		bytes = align_down(heap->end - end, os_page_size);
	if (!bytes || !os_purge(end, bytes))
		return 0;
	PROBE_TRIM(bytes);
	if (heap->fresh <= end + bytes)
		heap->fresh = end;
	return bytes;
}

/**
 * region_shrink() - give back what is free at the top
 * @heap: whose
 * @keep: bytes at the top to keep
 *
 * By moving the break down, or where it is not ours by purging the pages.
 *
 * Return: bytes given back.
 */
size_t region_shrink(struct heap *heap, size_t keep)
{
	size_t bytes;
	char *end;

	if (!heap->regions || keep > (size_t)(heap->end - (char *)heap->top))
		return 0;
	end = (char *)align_up((uintptr_t)heap->top + BLOCK_META + keep, os_page_size);
	if (end >= heap->end)
		return 0;
	bytes = heap->end - end;
	if (heap->regions->mapped || !break_shrink(heap->end, bytes))
		return purge_top(heap, end);
	PROBE_TRIM(bytes);
	heap->regions->size -= bytes;
	add_bytes(heap, -bytes);
	heap->end = end;
	if (heap->fresh > end)
		heap->fresh = end;
	return bytes;
}

/* How much may be free at the top of so many bytes? */
static size_t enough_above(size_t bytes)
{
	if (config.trim_is_chosen || bytes / TRIM_SHARE < config.trim_threshold)
		return config.trim_threshold;
	return bytes / TRIM_SHARE;
}

/* Is much more free at the top than there need be, or has it been so for long? */
static bool trim_is_due(struct heap *heap, size_t enough)
{
	size_t room = heap_top_room(heap);

	if (room < enough)
		return false;
	if (config.trim_is_chosen || room >= heap->bytes / TRIM_AT_ONCE)
		return true;
	return ++heap->trims % TRIM_LOOKS == 0 && os_ticks() - heap->grown >= TRIM_TICKS;
}

/**
 * region_trim() - move the break down if much of the top is free
 * @heap: whose
 *
 * What is enough grows with the heap, unless the user chose a number, and a heap
 * that has just grown may do so again: one that breathes would move the break, and
 * touch pages first, all the time.
 */
void region_trim(struct heap *heap)
{
	size_t keep;

	if (!trim_is_due(heap, enough_above(heap->bytes)))
		return;
	keep = enough_above(heap->bytes - heap_top_room(heap)) / 2;
	if (config.trim_is_chosen && keep > TRIM_KEEP)
		keep = TRIM_KEEP;
	region_shrink(heap, keep);
}

/**
 * region_release() - unmap the region of a free block that fills it
 * @heap: whose
 * @b: a free block; nothing is done if its region is of the break, or the newest
 */
void region_release(struct heap *heap, struct block *b)
{
	struct region **link, *region;

	if (!block_is_fence(block_after(b)))
		return;
	for (link = &heap->regions->next; (region = *link); link = &region->next) {
		if (region_first(region) != b || !region->mapped)
			continue;
		fit_remove(&heap->fit, b);
		purge_note_taken(heap, b);
		*link = region->next;
		add_bytes(heap, -region->size);
		os_unmap((char *)region, region->size);
		return;
	}
}
