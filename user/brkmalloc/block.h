/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block.h - what does a block look like in memory?
 *
 * The one place that knows. A block is a meta block of 8 bytes and the data
 * block behind it, whose address malloc returns. Sizes are those of the whole
 * block: multiples of 16, at least 32. Data blocks lie at multiples of 16.
 *
 *   a block in use                        a free block
 *
 *   |     end of the block before     |   |     end of the block before     |
 *   +---------------------------------+   +---------------------------------+
 *   | meta: seal | size | flags       |   | meta: seal | size | flags       |
 *   +---------------------------------+   +---------------------------------+ 16 n
 *   |                                 |   | next free block of this list    |
 *   |                                 |   +---------------------------------+
 *   |   data block                    |   | previous free block of the list |
 *   |                                 |   +---------------------------------+
 *   |                                 |   |   nothing                       |
 *   |                                 |   +---------------------------------+
 *   |                                 |   | footer: size (boundary tag)     |
 *   +---------------------------------+   +---------------------------------+
 *   | meta of the block after         |   | meta of the block after         |
 *
 * The block after is found by adding the size, the block before by the footer
 * in front of us. A footer exists only in free memory; whether there is one
 * is told by the flag BLOCK_PREV_FREE of the block behind it. So a block in
 * use costs 8 bytes and not 16.
 *
 * The meta block is one word:
 *
 *    63        48 47                                          4 3          0
 *   +------------+---------------------------------------------+------------+
 *   | seal       | size / 16                                   | flags      |
 *   +------------+---------------------------------------------+------------+
 *
 * The seal is a hash of the other bits, of the block's own address and of a
 * secret of this process. Whatever the program wrote over a meta block, and
 * whatever it hands to free that is no data block, does not carry it (except
 * for one case in 65536).
 *
 * A meta block of size 0, the fence, ends a region of the heap. A block with
 * a mapping of its own (BLOCK_MAPPED, see large.c) has in front of its meta
 * block the distance to the start of the mapping.
 */
#ifndef BRKMALLOC_BLOCK_H
#define BRKMALLOC_BLOCK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os.h"

#define BLOCK_ALIGN	16UL
#define BLOCK_META	8UL		/* bytes of a meta block */
#define BLOCK_MIN	32UL		/* meta, two links, footer */
#define BLOCK_MAX	0x800000000000UL

#define BLOCK_USED	1UL		/* the program holds it */
#define BLOCK_PREV_FREE	2UL		/* the block before is free */
#define BLOCK_MAPPED	4UL		/* has a mapping of its own */
#define BLOCK_FLAGS	15UL

#define SEAL_SHIFT	48
#define SEAL_MULTIPLIER	0x9e3779b97f4a7c15UL	/* 2^64 / golden ratio, odd */

struct block {
	unsigned long	meta;
	struct block	*next;		/* this and the rest: only if free */
	struct block	*prev;
};

static_assert(sizeof(void *) == 8, "brkmalloc is for 64-bit machines");
static_assert(offsetof(struct block, next) == BLOCK_META, "layout");
static_assert(sizeof(struct block) + sizeof(size_t) == BLOCK_MIN, "layout");

extern unsigned long block_secret;

static inline unsigned long block_seal(const struct block *b, unsigned long low)
{
	unsigned long mix = (low ^ (uintptr_t)b ^ block_secret) * SEAL_MULTIPLIER;

	return mix >> SEAL_SHIFT << SEAL_SHIFT;
}

static inline void block_set(struct block *b, size_t size, unsigned long flags)
{
	b->meta = size | flags | block_seal(b, size | flags);
}

static inline bool block_seal_is_good(const struct block *b)
{
	unsigned long low = b->meta & ((1UL << SEAL_SHIFT) - 1);

	return b->meta == (low | block_seal(b, low));
}

static inline size_t block_size(const struct block *b)
{
	return b->meta & ((1UL << SEAL_SHIFT) - 1) & ~BLOCK_FLAGS;
}

static inline unsigned long block_flags(const struct block *b)
{
	return b->meta & BLOCK_FLAGS;
}

static inline bool block_is_used(const struct block *b)
{
	return b->meta & BLOCK_USED;
}

static inline bool block_is_mapped(const struct block *b)
{
	return b->meta & BLOCK_MAPPED;
}

static inline bool block_is_fence(const struct block *b)
{
	return !block_size(b);
}

static inline bool block_prev_is_free(const struct block *b)
{
	return b->meta & BLOCK_PREV_FREE;
}

static inline void block_set_prev_free(struct block *b, bool is_free)
{
	unsigned long flags = block_flags(b) & ~BLOCK_PREV_FREE;

	block_set(b, block_size(b), is_free ? flags | BLOCK_PREV_FREE : flags);
}

static inline struct block *block_at(const struct block *b, ptrdiff_t offset)
{
	return (struct block *)((char *)b + offset);
}

static inline struct block *block_after(const struct block *b)
{
	return block_at(b, block_size(b));
}

/* The word in front of the meta block: footer of a free block before us, or
 * distance to the start of the mapping.
 */
static inline size_t *block_word_before(const struct block *b)
{
	return (size_t *)b - 1;
}

static inline void block_set_footer(const struct block *b)
{
	*block_word_before(block_after(b)) = block_size(b);
}

static inline void *block_data(const struct block *b)
{
	return (char *)b + BLOCK_META;
}

static inline struct block *block_of(const void *data)
{
	return (struct block *)((char *)data - BLOCK_META);
}

/* How many bytes the program may use of a block. */
static inline size_t block_usable(const struct block *b)
{
	return block_size(b) - BLOCK_META;
}

/* The size of a block with room for @bytes of data. */
static inline size_t block_size_for(size_t bytes)
{
	size_t size = align_up(bytes + BLOCK_META, BLOCK_ALIGN);

	return size < BLOCK_MIN ? BLOCK_MIN : size;
}

#endif /* BRKMALLOC_BLOCK_H */
