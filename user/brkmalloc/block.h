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
 *   | meta: seal, state, home, size   |   | meta: seal, state, home, size   |
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
 * is told by the bit BLOCK_PREV_FREE of the block behind it. So a block in
 * use costs 8 bytes and not 16.
 *
 * The meta block is two words of 32 bits:
 *
 *    31                                0   31      25  24  23                  0
 *   +-----------------------------------+ +----------+----+---------------------+
 *   | seal, mixed with the state        | | arena    | pf | size / 16           |
 *   +-----------------------------------+ +----------+----+---------------------+
 *                                            home: pf is BLOCK_PREV_FREE
 *
 * The seal is a hash of the size, of the block's own address and of a secret of
 * this process; the state, a small number, is mixed with it. Whatever the program
 * wrote over a meta block, and whatever it hands to free that is no data block,
 * does not carry them (except for one case in 700 million).
 *
 * Who writes what: the home byte whoever holds the lock of the arena, the seal
 * whoever holds the block, the size both of them. That is why the seal has a word
 * of its own, and the home byte is written as one.
 *
 * A meta block of state BLOCK_FENCE and size 0 ends a region of the heap. A block
 * with a mapping of its own has state BLOCK_MAPPED and size 0, see large.c.
 */
#ifndef BRKMALLOC_BLOCK_H
#define BRKMALLOC_BLOCK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((noinline))

/*
 * What another thread may write or read at the same time: a plain load or store of
 * one word, which the compiler can make part of an instruction, but for the tool
 * that looks for races.
 */
#ifdef __SANITIZE_THREAD__
#define PEEK(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define POKE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#else
#define PEEK(x)		(x)
#define POKE(x, value)	((x) = (value))
#endif

#define BLOCK_ALIGN	16UL
#define BLOCK_SHIFT	4
#define BLOCK_META	8UL		/* bytes of a meta block */
#define BLOCK_MIN	32UL		/* meta, two links, footer */
#define BLOCK_UNITS	0xffffffUL	/* bits of the size in a meta block */
#define BLOCK_MAX	(BLOCK_UNITS * BLOCK_ALIGN)	/* in the heap: 256 MiB */
#define BLOCK_ARENAS	128		/* that a meta block can tell apart */

#define BLOCK_PREV_FREE	1U		/* in the home byte: the block before is free */
#define BLOCK_SEAL_SHIFT 32		/* what of the hash goes into the seal */

/**
 * enum block_state - who holds a block
 * @BLOCK_USED: the program; a block of the heap
 * @BLOCK_CACHED: the cache of a thread, or it is on its way home from there
 * @BLOCK_FREE: the heap, in a free list
 * @BLOCK_MAPPED: the program; a mapping of its own
 * @BLOCK_KEPT: the quarantine, see quarantine.c
 * @BLOCK_GUARDED: the program; there are redzones around it, see full.h
 * @BLOCK_FENCE: nobody, the end of a region
 * @BLOCK_STATES: anything from here on is no meta block
 */
enum block_state {
	BLOCK_USED,
	BLOCK_CACHED,
	BLOCK_FREE,
	BLOCK_MAPPED,
	BLOCK_KEPT,
	BLOCK_GUARDED,
	BLOCK_FENCE,
	BLOCK_STATES,
};

/**
 * struct block - a block in memory
 * @low: home and size / 16
 * @home: arena and BLOCK_PREV_FREE, a byte of it
 * @seal: mixed with the state
 * @next: mangled, only while it is free or cached
 * @prev: mangled, only while it is free
 * @check: in the place of @prev while it is cached, see block_link()
 */
struct block {
	union {
		uint32_t low;
		struct {
			uint8_t	 units_low[3];
			uint8_t	 home;
		};
	};
	uint32_t	seal;
	uintptr_t next;
	union {
		uintptr_t prev;
		uintptr_t check;
	};
};

static_assert(sizeof(void *) == 8, "brkmalloc is for 64-bit machines");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "layout of the meta block");
static_assert(offsetof(struct block, next) == BLOCK_META, "layout");
static_assert(sizeof(struct block) + sizeof(size_t) == BLOCK_MIN, "layout");

/**
 * struct secret - numbers that nobody outside of this process knows
 * @multiplier: odd, of the seals
 * @link: mangles links; never zero
 */
struct secret {
	uint64_t multiplier;
	uint64_t link;
};

extern HIDDEN struct secret secret;

/* In seals and links a block is known by the address of its data. */
static inline uintptr_t block_address(const struct block *b)
{
	return (uintptr_t)b + BLOCK_META;
}

static inline uint64_t block_hash(const struct block *b, uint64_t units)
{
	return (block_address(b) ^ units) * secret.multiplier;
}

/* Size / 16. The home byte beside it may change meanwhile. */
static inline size_t block_units(const struct block *b)
{
	return (size_t)PEEK(b->low) & BLOCK_UNITS;
}

/* The state; something from BLOCK_STATES on if this is no meta block. */
static inline uint32_t block_state_for(const struct block *b, uint64_t units)
{
	return (block_hash(b, units) >> BLOCK_SEAL_SHIFT) ^ PEEK(b->seal);
}

static inline uint32_t block_state(const struct block *b)
{
	return block_state_for(b, block_units(b));
}

static inline bool block_is_sound(const struct block *b)
{
	return block_state(b) < BLOCK_STATES;
}

static inline void block_set(struct block *b, size_t size, unsigned int home,
			     enum block_state state)
{
	uint64_t units = size >> BLOCK_SHIFT;

	b->low = units | home << 24;
	b->seal = (block_hash(b, units) >> BLOCK_SEAL_SHIFT) ^ state;
}

/*
 * Only who holds the block may; the home byte may change meanwhile, and whoever
 * frees a neighbour looks whether this one is free: it is not, before and after.
 */
static inline void block_change_state(struct block *b, enum block_state from,
				      enum block_state to)
{
	POKE(b->seal, b->seal ^ (from ^ to));
}

static inline size_t block_size(const struct block *b)
{
	return block_units(b) << BLOCK_SHIFT;
}

static inline unsigned int block_arena(const struct block *b)
{
	return __atomic_load_n(&b->home, __ATOMIC_RELAXED) >> 1;
}

static inline bool block_prev_is_free(const struct block *b)
{
	return b->home & BLOCK_PREV_FREE;
}

static inline void block_set_prev_free(struct block *b, bool is_free)
{
	uint8_t home = b->home & ~BLOCK_PREV_FREE;

	__atomic_store_n(&b->home, is_free ? home | BLOCK_PREV_FREE : home,
			 __ATOMIC_RELAXED);
}

static inline bool block_is_free(const struct block *b)
{
	return block_state(b) == BLOCK_FREE;
}

static inline bool block_is_fence(const struct block *b)
{
	return !block_units(b);
}

static inline struct block *block_at(const struct block *b, ptrdiff_t offset)
{
	return (struct block *)((char *)b + offset);
}

static inline struct block *block_after(const struct block *b)
{
	return block_at(b, block_size(b));
}

/* The footer of a free block in front of us. */
static inline size_t *block_word_before(const struct block *b)
{
	return (size_t *)b - 1;
}

static inline void block_set_footer(const struct block *b)
{
	*block_word_before(block_after(b)) = block_size(b);
}

/*
 * Links are mangled with a secret and the address that they stand at: what the
 * program writes there after free leads nowhere that it could choose.
 */
static inline uintptr_t block_mangle(const struct block *b, const struct block *to)
{
	return block_address(to) ^ block_address(b) ^ secret.link;
}

static inline struct block *block_unmangle(const struct block *b, uintptr_t link)
{
	return (struct block *)((link ^ block_address(b) ^ secret.link) - BLOCK_META);
}

static inline struct block *block_next(const struct block *b)
{
	return block_unmangle(b, b->next);
}

static inline struct block *block_prev(const struct block *b)
{
	return block_unmangle(b, b->prev);
}

static inline void block_set_next(struct block *b, const struct block *to)
{
	b->next = block_mangle(b, to);
}

static inline void block_set_prev(struct block *b, const struct block *to)
{
	b->prev = block_mangle(b, to);
}

/*
 * While a block is cached there is a second word that the link is held against, so
 * that whatever is written there after free is noticed.
 */
static inline bool block_link_is_good(const struct block *b)
{
	return b->check - b->next == secret.link;
}

static inline void block_link(struct block *b, const struct block *to)
{
	uintptr_t link = block_mangle(b, to);

	b->next = link;
	b->check = link + secret.link;
}

static inline void *block_data(const struct block *b)
{
	return (char *)b + BLOCK_META;
}

static inline struct block *block_of(const void *data)
{
	return (struct block *)((char *)data - BLOCK_META);
}

/* How many bytes the program may use of a block of the heap. */
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
