// SPDX-License-Identifier: GPL-2.0-only
/*
 * full.c - did the program write where it must not, even if nobody tripped over it?
 *
 * With BRKMALLOC_GUARD=full each block has redzones before and behind its data, of
 * bytes that nobody has a reason to write. They are looked at when the block is freed
 * or resized, and by brkmalloc_check(). New data is filled, so that who takes it for
 * zero is found out; what becomes of freed blocks: quarantine.c.
 *
 * This is for finding errors, not for speed: there is one arena, there are no caches,
 * and all is done under one lock.
 */
#include <string.h>

#include "full.h"
#include "large.h"

#define LEAD		64UL		/* from the note to the data, at least */
#define FRONT_WORDS	16UL		/* distance and meta block in front of the data */
#define ZONE_MOST	8192UL		/* bytes of a redzone; an alignment may be more */
#define REAR		16UL		/* bytes of the redzone behind the data, at least */
#define FILL_MOST	(64UL << 20)	/* of a block; more may be more than there is */

static_assert(sizeof(struct note) + FRONT_WORDS + 8 <= LEAD, "a redzone in front");

struct lock full_lock = LOCK_INITIALIZER;

/* All blocks that the program holds. */
static struct notes held;

/**
 * full_extra() - how much longer must the data of an outer block be?
 * @align: of the data of the program
 */
size_t full_extra(size_t align)
{
	return LEAD + REAR + align - BLOCK_ALIGN;
}

static uint64_t check_of(const struct note *n)
{
	const uint64_t words[] = {
		(uintptr_t)n, (uintptr_t)n->next, (uintptr_t)n->prev,
		n->requested, n->distance,
	};
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * secret.multiplier;
		hash ^= hash >> 32;
	}
	return hash;
}

static void seal(struct note *n)
{
	n->check = check_of(n);
}

/* The first byte from @start to @end that is not @byte, or NULL. */
static const char *other_byte(const char *start, const char *end, unsigned char byte)
{
	for (; start < end; start++)
		if ((unsigned char)*start != byte)
			return start;
	return NULL;
}

static bool compare(const struct note *n, const char *start, const char *end,
		    unsigned char byte, struct damage *damage)
{
	const char *at = other_byte(start, end, byte);

	if (!at)
		return true;
	damage->offset = at - note_data(n);
	damage->found = *at;
	damage->expected = byte;
	return false;
}

/* Distance and meta block in front of the data, as they must be. */
static void front_words(const struct note *n, enum block_state state, uint64_t words[2])
{
	struct block *inner = block_of(note_data(n));
	uint64_t units = n->distance >> BLOCK_SHIFT & BLOCK_UNITS;
	uint64_t seal = (uint32_t)(block_hash(inner, units) >> BLOCK_SEAL_SHIFT) ^ state;

	words[0] = n->distance;
	words[1] = units | seal << 32;
}

/* The redzone in front; it is not as long as an alignment may be. */
static char *front_start(const struct note *n)
{
	char *end = note_data(n) - FRONT_WORDS;

	return end - (char *)(n + 1) > (long)ZONE_MOST ? end - ZONE_MOST : (char *)(n + 1);
}

static bool front_is_good(const struct note *n, enum block_state state,
			  struct damage *damage)
{
	const char *front = note_data(n) - FRONT_WORDS;
	uint64_t words[2];
	size_t i;

	if (!compare(n, front_start(n), front, FULL_REDZONE, damage))
		return false;
	front_words(n, state, words);
	for (i = 0; i < FRONT_WORDS; i++)
		if (!compare(n, front + i, front + i + 1, ((unsigned char *)words)[i],
			     damage))
			return false;
	return true;
}

/* The note itself: all else is found by it. */
static bool note_is_good(const struct note *n, struct damage *damage)
{
	uint64_t check = check_of(n);
	const char *found = (const char *)&n->check;
	size_t i;

	if (n->check == check)
		return true;
	*damage = (struct damage){ "the note of its size was overwritten",
				   (const char *)n + LEAD, 0, 0, 0, 0 };
	for (i = 0; found[i] == ((const char *)&check)[i]; i++)
		;
	damage->offset = found + i - damage->data;
	damage->found = found[i];
	damage->expected = ((unsigned char *)&check)[i];
	return false;
}

/**
 * note_outer_bytes() - bytes of the outer block from the note on
 * @n: a good note
 */
size_t note_outer_bytes(const struct note *n)
{
	struct block *outer = note_outer(n);

	return block_units(outer) ? block_usable(outer) : large_usable(outer);
}

/* The end of the redzone behind the data. */
static char *rear_end(const struct note *n)
{
	char *end = (char *)n + note_outer_bytes(n);
	char *data_end = note_data(n) + n->requested;

	return end - data_end > (long)ZONE_MOST ? data_end + ZONE_MOST : end;
}

/**
 * note_is_damaged() - was anything written where it must not be?
 * @n: of a block
 * @state: BLOCK_GUARDED or, if its data must be as free() left it, BLOCK_KEPT
 * @damage: set if so
 */
bool note_is_damaged(const struct note *n, enum block_state state, struct damage *damage)
{
	const char *data, *data_end;

	if (!note_is_good(n, damage))
		return true;
	data = note_data(n);
	data_end = data + n->requested;
	*damage = (struct damage){ "written in front of it", data, n->requested, 0, 0, 0 };
	if (!front_is_good(n, state, damage))
		return true;
	damage->what = "written past its end";
	if (!compare(n, data_end, rear_end(n), FULL_REDZONE, damage))
		return true;
	damage->what = "written to after free";
	return state == BLOCK_KEPT &&
	       !compare(n, data, data_end, FULL_FREED, damage);
}

/**
 * full_tell() - say what was damaged
 * @from: what the line begins with
 * @damage: it
 */
void full_tell(const char *from, const struct damage *damage)
{
	bool before = damage->offset < 0;
	size_t offset = before ? -damage->offset : damage->offset;

	guard_warn("%sblock %p (%zu bytes): %s: found %p at offset %s%zu, expected %p",
		   from, damage->data, damage->size, damage->what,
		   (void *)(uintptr_t)damage->found, before ? "-" : "", offset,
		   (void *)(uintptr_t)damage->expected);
}

/**
 * full_stop() - say what was damaged and stop the program
 * @damage: it
 */
void full_stop(const struct damage *damage)
{
	full_tell("", damage);
	guard_stop();
}

static void demand_good(const struct note *n)
{
	struct damage damage;

	if (!note_is_good(n, &damage))
		full_stop(&damage);
}

/* Make @b follow @a; where one is NULL the list begins or ends. */
static void join(struct notes *list, struct note *a, struct note *b)
{
	if (a) {
		demand_good(a);
		a->next = b;
		seal(a);
	} else {
		list->first = b;
	}
	if (b) {
		demand_good(b);
		b->prev = a;
		seal(b);
	} else {
		list->last = a;
	}
}

/**
 * notes_add() - put a note at the end of a list
 * @list: which
 * @n: good, and in no list
 */
void notes_add(struct notes *list, struct note *n)
{
	join(list, list->last, n);
	join(list, n, NULL);
}

/**
 * notes_remove() - take a note out of its list
 * @list: which
 * @n: good
 */
void notes_remove(struct notes *list, struct note *n)
{
	join(list, n->prev, n->next);
}

/**
 * notes_find_damage() - was any block of a list written to where it must not be?
 * @list: which
 * @state: of its blocks
 * @damage: set if so
 */
bool notes_find_damage(const struct notes *list, enum block_state state,
		       struct damage *damage)
{
	const struct note *n;

	for (n = list->first; n; n = n->next)
		if (note_is_damaged(n, state, damage))
			return true;
	return false;
}

/**
 * full_dress() - make a block of the program out of an outer block
 * @outer: new, with room for @bytes and full_extra(@align)
 * @bytes: of data
 * @align: of the data
 * @zero: the caller will clear it, so that it need not be filled
 * @dirty: how many bytes of the outer data may not be zero; made that of the data
 *
 * With full_lock held.
 *
 * Return: the data.
 */
void *full_dress(struct block *outer, size_t bytes, size_t align, bool zero, size_t *dirty)
{
	struct note *n = block_data(outer);
	char *data = (char *)align_up((uintptr_t)n + LEAD, align);

	quarantine_check_fresh(outer, *dirty);
	*n = (struct note){ .requested = bytes, .distance = data - (char *)n };
	seal(n);
	memset(front_start(n), FULL_REDZONE, data - front_start(n));
	front_words(n, BLOCK_GUARDED, (uint64_t *)(data - FRONT_WORDS));
	memset(data + bytes, FULL_REDZONE, rear_end(n) - (data + bytes));
	if (!zero)
		memset(data, FULL_FRESH, bytes < FILL_MOST ? bytes : FILL_MOST);
	*dirty = *dirty > n->distance ? *dirty - n->distance : 0;
	notes_add(&held, n);
	return data;
}

/*
 * The note of a block whose meta block, in front of the data, is good. There stands
 * how far it is to the note; where more bits are needed the distance is looked at.
 */
static struct note *note_of(const struct block *inner)
{
	char *data = block_data(inner);
	size_t distance = ((const size_t *)inner)[-1];
	struct note *n = (struct note *)(data - (block_units(inner) << BLOCK_SHIFT));
	struct note *far = (struct note *)(data - distance);

	if (distance > BLOCK_MAX && n->check != check_of(n) && heap_may_read(note_outer(far)))
		n = far;
	demand_good(n);
	return n;
}

/* With full_lock held; the program is stopped if @data is no block in use. */
static struct note *note_of_data(const char *caller, const void *data)
{
	struct block *inner = guard_data(caller, data);

	if (block_state(inner) != BLOCK_GUARDED)
		guard_foreign(caller, inner);
	return note_of(inner);
}

/**
 * full_free() - free() of a block, or stop if it was damaged
 * @data: of the block
 */
void full_free(void *data)
{
	struct damage damage;
	struct note *n;

	lock_take(&full_lock);
	n = note_of_data("free", data);
	if (note_is_damaged(n, BLOCK_GUARDED, &damage))
		full_stop(&damage);
	notes_remove(&held, n);
	quarantine_put(n);
	lock_release(&full_lock);
}

/**
 * full_size() - how many bytes did the program ask for?
 * @caller: name of the function that was called
 * @data: of the block; the program is stopped if it is none
 */
size_t full_size(const char *caller, const void *data)
{
	size_t size;

	lock_take(&full_lock);
	size = note_of_data(caller, data)->requested;
	lock_release(&full_lock);
	return size;
}

/**
 * full_check_size() - stop the program if it is wrong about a size
 * @caller: name of the function that was called
 * @data: of a block, or NULL
 * @size: what the program says that it asked for
 */
void full_check_size(const char *caller, const void *data, size_t size)
{
	size_t requested;

	if (!data)
		return;
	requested = full_size(caller, data);
	if (size != requested)
		guard_crit("%s(%p): wrong size: told %zu bytes, expected the %zu that were asked for",
			   caller, data, size, requested);
}

/**
 * full_requested() - the same of a block in quarantine, for a complaint
 * @inner: the meta block in front of its data
 */
size_t full_requested(const struct block *inner)
{
	return note_of(inner)->requested;
}

/**
 * full_note() - what is known of an outer block
 * @outer: of a heap or with a mapping of its own
 *
 * With full_lock held, as it is between arena_take_all() and arena_release_all().
 *
 * Return: its note; NULL if it has none, or one that was overwritten.
 */
const struct note *full_note(const struct block *outer)
{
	const struct note *n = block_data(outer);
	uint32_t state = block_state(outer);

	if (!full_is_on() || state == BLOCK_FREE || state == BLOCK_FENCE ||
	    n->check != check_of(n))
		return NULL;
	return n;
}

/**
 * full_find_damage() - was any block written to where it must not be?
 * @damage: set if so
 *
 * With full_lock held.
 */
bool full_find_damage(struct damage *damage)
{
	return notes_find_damage(&held, BLOCK_GUARDED, damage) ||
	       quarantine_find_damage(damage);
}
