// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages of the address space were ever touched?
 *
 * A sparse bitmap: chunks of 512 pages (2 MiB with 4 KiB pages) in a hash
 * table that is allocated when the watch begins, since a fault may not
 * allocate. Bits of a range go when its VMA goes. A chunk, once used, keeps its
 * place until the address space ends.
 *
 * Context of all but init and destroy: any; watch.lock held.
 */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/vmalloc.h>

#include "internal.h"

/**
 * touch_init() - make an empty map
 * @map: to fill in
 * @chunks: how many pieces of TOUCH_CHUNK_PAGES pages it can hold
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int touch_init(struct touch_map *map, u32 chunks)
{
	map->size = roundup_pow_of_two(chunks);
	map->chunks = __vmalloc(array_size(map->size, sizeof(*map->chunks)),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	return map->chunks ? 0 : -ENOMEM;
}

/**
 * touch_destroy() - free the map
 * @map: from touch_init(), or all zero
 */
void touch_destroy(struct touch_map *map)
{
	vfree(map->chunks);
}

/* The chunk with this number, or the unused one where it would go, or NULL. */
static struct touch_chunk *touch_slot(const struct touch_map *map, u64 number)
{
	u32 i = hash_64(number, 32) & (map->size - 1);
	u32 tries;

	for (tries = 0; tries < map->size; tries++) {
		struct touch_chunk *chunk = &map->chunks[(i + tries) & (map->size - 1)];

		if (!chunk->key || chunk->key == number + 1)
			return chunk;
	}
	return NULL;
}

/**
 * touch_set() - note that a page has been touched
 * @map: of the watch
 * @addr: any address in the page
 *
 * Return: true if it had not been before, or if that cannot be told (which
 * @overflow of the map then counts).
 */
bool touch_set(struct touch_map *map, unsigned long addr)
{
	u64 page = addr >> PAGE_SHIFT;
	u64 number = page / TOUCH_CHUNK_PAGES;
	struct touch_chunk *chunk = touch_slot(map, number);

	if (!chunk || (!chunk->key && map->used >= map->size - map->size / 4)) {
		map->overflow++;
		return true;
	}
	if (!chunk->key) {
		chunk->key = number + 1;
		map->used++;
	}
	if (__test_and_set_bit(page % TOUCH_CHUNK_PAGES, chunk->bits))
		return false;
	map->pages++;
	return true;
}

/**
 * touch_set_huge() - note that a fault brought in the whole huge page
 * @map: of the watch
 * @addr: any address in it, touch_set() before
 */
void touch_set_huge(struct touch_map *map, unsigned long addr)
{
	struct touch_chunk *chunk = touch_slot(map, (addr >> PAGE_SHIFT) / TOUCH_CHUNK_PAGES);

	if (chunk && chunk->key)
		chunk->huge = true;
}

/* The part of a chunk that lies in the pages [first, end): false if none. */
static bool touch_overlap(const struct touch_chunk *chunk, u64 first, u64 end,
			  u32 *bit, u32 *bits)
{
	u64 base = (chunk->key - 1) * TOUCH_CHUNK_PAGES;
	u64 lo = max(first, base);
	u64 hi = min(end, base + TOUCH_CHUNK_PAGES);

	if (!chunk->key || lo >= hi)
		return false;
	*bit = lo - base;
	*bits = hi - lo;
	return true;
}

static u32 touch_weight(const struct touch_chunk *chunk, u32 bit, u32 bits)
{
	u32 end = bit + bits;
	u32 n = 0;

	for_each_set_bit_from(bit, chunk->bits, end)
		n++;
	return n;
}

/*
 * Visit the chunks that overlap [start, end): by number if they are few, else
 * all of the table. Adds up what is set, and clears it if asked.
 */
static u64 touch_range(const struct touch_map *map, unsigned long start,
		       unsigned long end, bool clear)
{
	u64 first = start >> PAGE_SHIFT;
	u64 last = DIV_ROUND_UP((u64)end, PAGE_SIZE);
	u64 number = first / TOUCH_CHUNK_PAGES;
	u64 numbers = DIV_ROUND_UP(last, TOUCH_CHUNK_PAGES) - number;
	bool scan = numbers > map->size;
	u64 visits = scan ? map->size : numbers;
	u64 i, sum = 0;

	if (!map->used)
		return 0;
	for (i = 0; i < visits; i++) {
		struct touch_chunk *chunk = scan ? &map->chunks[i] : touch_slot(map, number + i);
		u32 bit, bits;

		if (!chunk || !touch_overlap(chunk, first, last, &bit, &bits))
			continue;
		sum += touch_weight(chunk, bit, bits);
		if (clear)
			bitmap_clear(chunk->bits, bit, bits);
		if (clear && bitmap_empty(chunk->bits, TOUCH_CHUNK_PAGES))
			chunk->huge = false;
	}
	return sum;
}

/**
 * touch_count() - how many pages of a range were ever touched
 * @map: of the watch
 * @start: of the range
 * @end: of the range, bytes
 *
 * Return: pages.
 */
u64 touch_count(const struct touch_map *map, unsigned long start, unsigned long end)
{
	return touch_range(map, start, end, false);
}

/**
 * touch_copy() - which pages of a piece did faults bring in?
 * @w: whose
 * @number: of the piece: first page's number / TOUCH_CHUNK_PAGES
 * @bits: gets TOUCH_CHUNK_PAGES bits
 *
 * Context: process.
 */
void touch_copy(struct watch *w, u64 number, unsigned long *bits)
{
	struct touch_chunk *chunk;

	bitmap_zero(bits, TOUCH_CHUNK_PAGES);
	raw_spin_lock_irq(&w->lock);
	chunk = touch_slot(&w->touch, number);
	if (chunk && chunk->key && chunk->huge)
		bitmap_fill(bits, TOUCH_CHUNK_PAGES);
	else if (chunk && chunk->key)
		bitmap_copy(bits, chunk->bits, TOUCH_CHUNK_PAGES);
	raw_spin_unlock_irq(&w->lock);
}

/**
 * touch_clear() - the range is mapped no more
 * @map: of the watch
 * @start: of the range
 * @end: of the range, bytes
 */
void touch_clear(struct touch_map *map, unsigned long start, unsigned long end)
{
	map->pages -= touch_range(map, start, end, true);
}

/**
 * touch_clear_all() - the address space is gone
 * @map: of the watch
 */
void touch_clear_all(struct touch_map *map)
{
	if (map->used)
		memset(map->chunks, 0, array_size(map->size, sizeof(*map->chunks)));
	map->used = 0;
	map->pages = 0;
}
