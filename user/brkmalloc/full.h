/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * full.h - what does BRKMALLOC_GUARD=full do to a block? The contract of full.c and
 * quarantine.c
 *
 * The outer block, one of the heap or with a mapping of its own, holds more than the
 * data of the program:
 *
 *   | meta | note | redzone ... | distance | meta | data ... | redzone ... |
 *          |<------------ distance -------------->|
 *
 * The meta block in front of the data is one in looks: sealed, and in state
 * BLOCK_GUARDED or BLOCK_KEPT, it says that a pointer is one of ours. It has no size;
 * the low bits of the distance stand there.
 */
#ifndef BRKMALLOC_FULL_H
#define BRKMALLOC_FULL_H

#include "arena.h"
#include "guard.h"

/**
 * struct note - what is known of a block
 * @next: in the list of blocks that the program holds, or of those in quarantine
 * @prev: the same
 * @requested: bytes that the program asked for
 * @distance: from here to its data
 * @check: hash of all that
 */
struct note {
	struct note	*next;
	struct note	*prev;
	size_t		requested;
	size_t		distance;
	uint64_t	check;
};

/**
 * struct notes - a list of them
 * @first: the oldest
 * @last: the newest
 */
struct notes {
	struct note	*first;
	struct note	*last;
};

/**
 * struct damage - the first byte that is not what it must be
 * @what: was done to the block
 * @data: of the block
 * @size: of the data
 * @offset: of the byte, from @data on
 * @found: there
 * @expected: there
 */
struct damage {
	const char	*what;
	const char	*data;
	size_t		size;
	ptrdiff_t	offset;
	unsigned char	found;
	unsigned char	expected;
};

/*
 * What fills memory. Odd and with the highest bit set: as a pointer it leads nowhere,
 * as a number it is far too large or negative.
 */
#define FULL_REDZONE	0xf7
#define FULL_FRESH	0xeb
#define FULL_FREED	0xd9
#define FULL_FREED_WORD	(FULL_FREED * 0x0101010101010101UL)

/* Of all that is done with BRKMALLOC_GUARD=full; taken before any other lock. */
extern HIDDEN struct lock full_lock;

static inline bool full_is_on(void)
{
	return config.guard == GUARD_FULL;
}

static inline struct block *note_outer(const struct note *n)
{
	return block_of(n);
}

static inline char *note_data(const struct note *n)
{
	return (char *)n + n->distance;
}

size_t full_extra(size_t align);
void *full_dress(struct block *outer, size_t bytes, size_t align, bool zero, size_t *dirty);
void full_free(void *data);
size_t full_size(const char *caller, const void *data);
void full_check_size(const char *caller, const void *data, size_t size);
const struct note *full_note(const struct block *outer);
size_t full_requested(const struct block *inner);
bool full_find_damage(struct damage *damage);
void full_tell(const char *from, const struct damage *damage);
noreturn void full_stop(const struct damage *damage);

size_t note_outer_bytes(const struct note *n);
bool note_is_damaged(const struct note *n, enum block_state state, struct damage *damage);
void notes_add(struct notes *list, struct note *n);
void notes_remove(struct notes *list, struct note *n);
bool notes_find_damage(const struct notes *list, enum block_state state,
		       struct damage *damage);

/* ---- quarantine.c ---- */

/**
 * struct kept_mappings - what of the stock's count of mappings the quarantine has
 * @blocks: how many
 * @bytes: their size
 */
struct kept_mappings {
	size_t	blocks;
	size_t	bytes;
};

extern HIDDEN struct kept_mappings kept_mappings;

void quarantine_put(struct note *n);
bool quarantine_empty(void);
bool quarantine_find_damage(struct damage *damage);
void quarantine_fill(char *start, char *end);
const char *quarantine_spoiled(const struct block *b, const char *end);
void quarantine_check_fresh(const struct block *b, size_t dirty);

#endif /* BRKMALLOC_FULL_H */
