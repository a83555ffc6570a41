// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages of the address space were ever touched?
 *
 * A sparse bitmap: chunks of 512 pages (2 MiB with 4 KiB pages) in a tree by
 * address. Bits go when their memory goes, chunks when their last bit goes.
 *
 * Context of touch_set(): any, watch.lock held. The others take that lock, and
 * for a few chunks at a time, so that a fault waits for microseconds at most
 * however long the range.
 */
#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/rbtree.h>

#include "internal.h"

#define TOUCH_BATCH	32	/* chunks visited while the lock is held */

static unsigned int touch_chunks = 1024;
module_param(touch_chunks, uint, 0444);
MODULE_PARM_DESC(touch_chunks, "pieces of 512 pages in which a watch can note touched pages, to begin with (1024)");

static unsigned int max_touch_chunks = 65536;
module_param(max_touch_chunks, uint, 0444);
MODULE_PARM_DESC(max_touch_chunks, "pieces of 512 pages in which a watch can note touched pages (65536)");

static u32 touch_chunks_first(void)
{
	return clamp(touch_chunks, 16U, 1U << 24);
}

/**
 * touch_bytes() - memory that a map takes to begin with
 */
u64 touch_bytes(void)
{
	return array_size(touch_chunks_first(), sizeof(struct touch_chunk));
}

/**
 * touch_init() - make an empty map
 * @w: whose
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int touch_init(struct watch *w)
{
	return pool_init(&w->touch.pool, w, sizeof(struct touch_chunk), touch_chunks_first(),
			 min(max_touch_chunks, 1U << 24));
}

/**
 * touch_destroy() - free the map
 * @map: from touch_init(), or all zero
 */
void touch_destroy(struct touch_map *map)
{
	pool_destroy(&map->pool);
}

/* ---- chunks; watch.lock is held ---- */

static struct touch_chunk *chunk_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct touch_chunk, rb) : NULL;
}

/* The first chunk with this number or a greater one. */
static struct touch_chunk *chunk_from(const struct touch_map *map, u64 number)
{
	struct rb_node *rb = map->tree.rb_node;
	struct touch_chunk *best = NULL;

	while (rb) {
		struct touch_chunk *chunk = chunk_of(rb);

		if (chunk->number < number) {
			rb = rb->rb_right;
		} else {
			best = chunk;
			rb = rb->rb_left;
		}
	}
	return best;
}

/* Into the tree; what is there with the same number is returned instead. */
static struct touch_chunk *chunk_make(struct touch_map *map, u64 number)
{
	struct rb_node **link = &map->tree.rb_node, *parent = NULL;
	struct touch_chunk *chunk;

	while (*link) {
		parent = *link;
		chunk = chunk_of(parent);
		if (chunk->number == number)
			return chunk;
		link = number < chunk->number ? &parent->rb_left : &parent->rb_right;
	}
	chunk = pool_take(&map->pool);
	if (!chunk)
		return NULL;
	memset(chunk, 0, sizeof(*chunk));
	chunk->number = number;
	rb_link_node(&chunk->rb, parent, link);
	rb_insert_color(&chunk->rb, &map->tree);
	return chunk;
}

static struct touch_chunk *chunk_get(struct touch_map *map, u64 number)
{
	struct touch_chunk **recent = &map->recent[number % TOUCH_RECENT];

	if (unlikely(!*recent || (*recent)->number != number))
		*recent = chunk_make(map, number);
	return *recent;
}

static void chunk_free(struct touch_map *map, struct touch_chunk *chunk)
{
	struct touch_chunk **recent = &map->recent[chunk->number % TOUCH_RECENT];

	if (*recent == chunk)
		*recent = NULL;
	rb_erase(&chunk->rb, &map->tree);
	pool_give(&map->pool, chunk);
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
	struct touch_chunk *chunk = chunk_get(map, page / TOUCH_CHUNK_PAGES);

	if (unlikely(!chunk)) {
		map->overflow++;
		return true;
	}
	if (__test_and_set_bit(page % TOUCH_CHUNK_PAGES, chunk->bits))
		return false;
	chunk->weight++;
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
	struct touch_chunk *chunk = chunk_get(map, (addr >> PAGE_SHIFT) / TOUCH_CHUNK_PAGES);

	if (chunk && chunk->weight) {
		chunk->huge = true;
		bitmap_fill(chunk->given, TOUCH_CHUNK_PAGES);
	}
}

/* ---- ranges of pages ---- */

/**
 * struct touch_walk - a visit to the chunks of a range, in parts
 * @w: whose; the lock is taken for each part
 * @page: the next page to look at
 * @end: first page after the range
 */
struct touch_walk {
	struct watch *w;
	u64 page;
	u64 end;
};

/*
 * Visits TOUCH_BATCH chunks: @fn gets the part of a chunk that is in the range,
 * @bit and @bits, and may free the chunk. Return: is there more?
 */
static bool touch_walk(struct touch_walk *t,
		       void (*fn)(struct touch_walk *t, struct touch_chunk *chunk,
				  u32 bit, u32 bits, u64 *arg), u64 *arg)
{
	struct touch_map *map = &t->w->touch;
	struct touch_chunk *chunk, *next;
	unsigned long irq;
	int i;

	raw_spin_lock_irqsave(&t->w->lock, irq);
	chunk = t->page < t->end ? chunk_from(map, t->page / TOUCH_CHUNK_PAGES) : NULL;
	for (i = 0; chunk && i < TOUCH_BATCH; i++, chunk = next) {
		u64 base = chunk->number * TOUCH_CHUNK_PAGES;
		u64 first = max(t->page, base);
		u64 end = min(t->end, base + TOUCH_CHUNK_PAGES);

		next = NULL;
		if (first >= end)
			break;
		next = chunk_of(rb_next(&chunk->rb));
		fn(t, chunk, first - base, end - first, arg);
		t->page = end;
	}
	raw_spin_unlock_irqrestore(&t->w->lock, irq);
	return chunk && i == TOUCH_BATCH;
}

static struct touch_walk touch_walk_of(struct watch *w, unsigned long start, unsigned long end)
{
	return (struct touch_walk){ .w = w, .page = start >> PAGE_SHIFT,
				    .end = DIV_ROUND_UP((u64)end, PAGE_SIZE) };
}

static void count_part(struct touch_walk *t, struct touch_chunk *chunk, u32 bit, u32 bits,
		       u64 *sum)
{
	u32 end = bit + bits, n = 0;

	if (bits == TOUCH_CHUNK_PAGES)
		n = chunk->weight;
	else
		for_each_set_bit_from(bit, chunk->bits, end)
			n++;
	*sum += n;
}

/**
 * touch_count() - how many pages of a range were ever touched
 * @w: whose
 * @start: of the range
 * @end: of the range, bytes
 *
 * Context: any but NMI; watch.lock not held. Return: pages.
 */
u64 touch_count(struct watch *w, unsigned long start, unsigned long end)
{
	struct touch_walk t = touch_walk_of(w, start, end);
	u64 sum = 0;

	while (touch_walk(&t, count_part, &sum))
		;
	return sum;
}

static void clear_part(struct touch_walk *t, struct touch_chunk *chunk, u32 bit, u32 bits,
		       u64 *unused)
{
	struct touch_map *map = &t->w->touch;
	u64 gone = 0;

	count_part(t, chunk, bit, bits, &gone);
	map->pages -= gone;
	chunk->weight -= gone;
	if (gone)
		bitmap_clear(chunk->bits, bit, bits);
	if (chunk->huge) {
		bitmap_clear(chunk->given, bit, bits);
		chunk->huge = !bitmap_empty(chunk->given, TOUCH_CHUNK_PAGES);
	}
	if (!chunk->weight && !chunk->huge)
		chunk_free(map, chunk);
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
	const struct touch_chunk *chunk;

	bitmap_zero(bits, TOUCH_CHUNK_PAGES);
	raw_spin_lock_irq(&w->lock);
	chunk = chunk_from(&w->touch, number);
	if (chunk && chunk->number == number)
		bitmap_or(bits, chunk->bits, chunk->given, TOUCH_CHUNK_PAGES);
	raw_spin_unlock_irq(&w->lock);
}

/**
 * touch_clear() - the memory of a range is gone
 * @w: whose
 * @start: of the range
 * @end: of the range, bytes
 *
 * Context: as for touch_count().
 */
void touch_clear(struct watch *w, unsigned long start, unsigned long end)
{
	struct touch_walk t = touch_walk_of(w, start, end);

	while (touch_walk(&t, clear_part, NULL))
		;
}

/* ---- moves ---- */

/* Set bits of up to a word, from @page on. */
static void touch_or(struct touch_map *map, u64 page, unsigned long bits)
{
	u32 shift = page % BITS_PER_LONG;

	while (bits) {
		unsigned long part = bits << shift, *word, new;
		struct touch_chunk *chunk = NULL;

		if (part)	/* a chunk has some bit set */
			chunk = chunk_get(map, page / TOUCH_CHUNK_PAGES);
		if (chunk) {
			word = &chunk->bits[page % TOUCH_CHUNK_PAGES / BITS_PER_LONG];
			new = part & ~*word;
			*word |= new;
			chunk->weight += hweight_long(new);
			map->pages += hweight_long(new);
		} else {
			map->overflow += hweight_long(part);
		}
		bits = shift ? bits >> (BITS_PER_LONG - shift) : 0;
		page += BITS_PER_LONG - shift;
		shift = 0;
	}
}

/* Likewise for pages that came along in a huge page. */
static void touch_give(struct touch_map *map, u64 page, const unsigned long *given)
{
	u32 i;

	for_each_set_bit(i, given, TOUCH_CHUNK_PAGES) {
		struct touch_chunk *chunk = chunk_get(map, (page + i) / TOUCH_CHUNK_PAGES);

		if (!chunk)
			return;
		chunk->huge = true;
		__set_bit((page + i) % TOUCH_CHUNK_PAGES, chunk->given);
	}
}

static void move_part(struct touch_walk *t, struct touch_chunk *chunk, u32 bit, u32 bits,
		      u64 *distance)
{
	struct touch_chunk part = *chunk;
	u64 base = chunk->number * TOUCH_CHUNK_PAGES + *distance;
	u32 i;

	bitmap_clear(part.bits, 0, bit);
	bitmap_clear(part.bits, bit + bits, TOUCH_CHUNK_PAGES - bit - bits);
	bitmap_clear(part.given, 0, bit);
	bitmap_clear(part.given, bit + bits, TOUCH_CHUNK_PAGES - bit - bits);
	clear_part(t, chunk, bit, bits, NULL);
	for (i = 0; i < BITS_TO_LONGS(TOUCH_CHUNK_PAGES); i++)
		touch_or(&t->w->touch, base + i * BITS_PER_LONG, part.bits[i]);
	if (part.huge)
		touch_give(&t->w->touch, base, part.given);
}

/**
 * touch_move() - the memory of a range is somewhere else now
 * @w: whose
 * @from: where it was
 * @to: where it is, does not overlap; nothing that was there is there now
 * @bytes: how much
 *
 * Context: as for touch_count().
 */
void touch_move(struct watch *w, unsigned long from, unsigned long to, unsigned long bytes)
{
	struct touch_walk t = touch_walk_of(w, from, from + bytes);
	u64 distance = (to >> PAGE_SHIFT) - (from >> PAGE_SHIFT);	/* may wrap */

	while (touch_walk(&t, move_part, &distance))
		;
}

/**
 * touch_forget() - give chunks back that are in no map any more
 * @w: whose
 * @old: what was its tree; nobody else has it
 *
 * Context: as for touch_count().
 */
void touch_forget(struct watch *w, struct rb_root old)
{
	struct touch_chunk *chunk, *next;
	unsigned long irq;
	u32 i = 0;

	raw_spin_lock_irqsave(&w->lock, irq);
	rbtree_postorder_for_each_entry_safe(chunk, next, &old, rb) {
		/* cppcheck-suppress uninitvar */
		pool_give(&w->touch.pool, chunk);
		if (++i % TOUCH_BATCH)
			continue;
		raw_spin_unlock_irqrestore(&w->lock, irq);
		raw_spin_lock_irqsave(&w->lock, irq);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}
