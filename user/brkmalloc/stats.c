// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - what is in the heap now, in numbers?
 *
 * Nothing is counted while the program runs, but for calls of the kernel: the heap
 * is walked from meta block to meta block when somebody asks, so the answer cannot
 * differ from the heap.
 */
#include <string.h>

#include "arena.h"
#include "large.h"
#include "stats.h"
#include "stock.h"
#include "table.h"
#include "walk.h"

#define EXPORT	__attribute__((visibility("default")))

static void note_largest(struct brkmalloc_stats *stats, size_t size)
{
	if (size > stats->largest_free)
		stats->largest_free = size;
}

static void note_free(struct brkmalloc_stats *stats, size_t size)
{
	struct brkmalloc_size_class *class;

	stats->free_blocks++;
	stats->free_bytes += size;
	note_largest(stats, size);
	class = &stats->free_by_size[63 - __builtin_clzl(size)];
	if (!class->blocks || size < class->from)
		class->from = size;
	if (size > class->to)
		class->to = size;
	class->blocks++;
	class->bytes += size;
}

/* A data block that the program holds. */
static void note_given(struct brkmalloc_stats *stats, const struct brkmalloc_block *block)
{
	stats->given += block->size;
	if (!block->requested)
		return;
	stats->asked += block->requested;
	stats->padding += block->size - block->requested;
}

static int note_block(const struct brkmalloc_block *block, void *arg)
{
	struct brkmalloc_stats *stats = arg;
	size_t size = block->size + BLOCK_META;

	switch (block->state) {
	case BRKMALLOC_USED:
		stats->used_blocks++;
		stats->used_bytes += size;
		note_given(stats, block);
		break;
	case BRKMALLOC_FREE:
		note_free(stats, size);
		break;
	case BRKMALLOC_CACHED:
		stats->cached_blocks++;
		stats->cached_bytes += size;
		break;
	case BRKMALLOC_KEPT:
		stats->kept_blocks++;
		stats->kept_bytes += size;
		break;
	case BRKMALLOC_TOP:
		stats->top_bytes += size;
		note_largest(stats, size);
		break;
	case BRKMALLOC_MAPPED:
		stats->mapped_blocks++;
		note_given(stats, block);
		break;
	}
	return 0;
}

static void note_arena(struct brkmalloc_stats *stats, const struct heap *heap)
{
	struct region *region;
	int ignored;

	stats->arenas++;
	for (region = heap->regions; region; region = region->next) {
		stats->regions++;
		stats->region_bytes += region->size;
		walk_region(heap, region, note_block, stats, &ignored);
	}
}

static void note_mapped(struct brkmalloc_stats *stats)
{
	const struct block *b;
	uint32_t place = 0;

	walk_mapped(note_block, stats);
	while ((b = table_next(&place)))
		stats->mapped_bytes += large_mapping(b).length;
}

/* What follows from the rest. */
static void conclude(struct brkmalloc_stats *stats)
{
	size_t known = stats->asked + stats->padding;
	size_t unused = stats->free_bytes + stats->top_bytes;

	stats->meta = stats->region_bytes + stats->mapped_bytes - stats->given - unused -
		      stats->cached_bytes - stats->kept_bytes;
	stats->internal = known ? (double)stats->padding / known : 0;
	stats->external = unused ? 1 - (double)stats->largest_free / unused : 0;
}

/**
 * stats_of_arena() - count what is in one arena now
 * @n: its number
 * @stats: filled, but for what is in no arena
 *
 * Return: whether there is such an arena.
 */
bool stats_of_arena(unsigned int n, struct brkmalloc_stats *stats)
{
	struct arena *arena = arena_nth(n);

	memset(stats, 0, sizeof(*stats));
	if (!arena)
		return false;
	arena_take(arena);
	note_arena(stats, &arena->heap);
	arena_release(arena);
	conclude(stats);
	return true;
}

EXPORT void brkmalloc_stats(struct brkmalloc_stats *stats)
{
	struct arena *arena;

	memset(stats, 0, sizeof(*stats));
	stats->fit = fit_name();
	arena_take_all();
	while ((arena = arena_nth(stats->arenas)))
		note_arena(stats, &arena->heap);
	note_mapped(stats);
	stats->stock_bytes = stock_bytes();
	stats->break_moves = PEEK(os_count.break_moves);
	stats->mmaps = PEEK(os_count.maps);
	arena_release_all();
	conclude(stats);
}
