// SPDX-License-Identifier: GPL-2.0-only
/*
 * large.c - how does a large block live in a mapping of its own?
 *
 * A large block in the heap would pin the memory below it, and its pages would
 * come back to the kernel late. From the mmap threshold on a block gets its own
 * pages; realloc lets the kernel move them instead of copying.
 *
 *   page boundary                                              page boundary
 *   +--------+-----------------+-------+------+-----------------------------+
 *   | length | distance, place | check | meta | data                        |
 *   +--------+-----------------+-------+------+-----------------------------+
 *   0        8                 16      24     32                      length
 *
 * The distance is that from the start of the mapping to the meta block: 24, or
 * more if the data had to begin at a rounder address. The place is that in the
 * table of all such blocks. The three words in front of the meta block are checked
 * as one.
 *
 * Where the mappings come from and go: stock.c.
 */
#include "guard.h"
#include "large.h"
#include "stock.h"
#include "table.h"

/**
 * struct large - what stands in front of the meta block
 * @length: of the mapping
 * @distance: from its start to the meta block
 * @place: in the table
 * @check: hash of all three
 */
struct large {
	size_t		length;
	uint32_t	distance;
	uint32_t	place;
	uint64_t	check;
};

#define LARGE_SLACK	4	/* what grows gets a quarter more: it will grow again */
#define KNOWN		256U	/* places in the table of known blocks */

#define LARGE_LEAD	(sizeof(struct large) + BLOCK_META)

static_assert(LARGE_LEAD % BLOCK_ALIGN == 0, "layout");

/*
 * Blocks that are surely mapped, in the place that their address hashes to: a look
 * there saves asking the kernel.
 */
static const struct block *known[KNOWN];

static const struct block **known_hint(const struct block *b)
{
	return &known[((uintptr_t)b / os_page_size) % KNOWN];
}

/**
 * large_is_known() - is this surely a block with a mapping of its own?
 * @b: anything
 */
bool large_is_known(const struct block *b)
{
	return __atomic_load_n(known_hint(b), __ATOMIC_RELAXED) == b;
}

static void forget(const struct block *b)
{
	if (large_is_known(b))
		__atomic_store_n(known_hint(b), NULL, __ATOMIC_RELAXED);
}

static struct large *large_of(const struct block *b)
{
	return (struct large *)b - 1;
}

static uint64_t check_of(const struct block *b, const struct large *l)
{
	return block_hash(b, l->length ^ (uint64_t)l->distance << 1 ^ (uint64_t)l->place << 32);
}

/* Make the pages [start, start + length) the block whose data is at @data. */
static struct block *set_block(char *start, size_t length, char *data, uint32_t place)
{
	struct block *b = block_of(data);
	struct large *l = large_of(b);

	l->length = length;
	l->distance = (char *)b - start;
	l->place = place;
	l->check = check_of(b, l);
	block_set(b, 0, 0, BLOCK_MAPPED);
	table_set(place, b);
	__atomic_store_n(known_hint(b), b, __ATOMIC_RELAXED);
	return b;
}

/* The mapping of a block. */
static struct piece piece_of(const struct block *b)
{
	const struct large *l = large_of(b);

	if (guard_is_on() && l->check != check_of(b, l))
		guard_crit("block %p: the words in front of its meta block were overwritten: found length %zu and distance %zu, expected what malloc put there",
			   block_data(b), l->length, (size_t)l->distance);
	return (struct piece){ (char *)b - l->distance, l->length, l->length };
}

/* With the data at a round address, for which no stock is kept. */
static struct block *alloc_aligned(size_t bytes, size_t align, uint32_t place)
{
	size_t length = align_up(LARGE_LEAD + bytes + align, os_page_size);
	struct piece piece = stock_map(length);
	char *start, *data, *end;

	if (!piece.start)
		return NULL;
	data = (char *)align_up((uintptr_t)piece.start + LARGE_LEAD, align);
	start = (char *)align_down((uintptr_t)data - LARGE_LEAD, os_page_size);
	end = (char *)align_up((uintptr_t)data + bytes, os_page_size);
	os_unmap(piece.start, start - piece.start);
	os_unmap(end, piece.start + length - end);
	stock_resized(length, end - start);
	return set_block(start, end - start, data, place);
}

static struct block *alloc(size_t bytes, bool zero, size_t *dirty, uint32_t place)
{
	size_t length = align_up(LARGE_LEAD + bytes, os_page_size);
	struct piece piece = { NULL, 0, 0 };

	if (!zero)
		piece = stock_take(length);
	if (!piece.start)
		piece = stock_map(length);
	*dirty = piece.dirty;
	if (!piece.start)
		return NULL;
	return set_block(piece.start, piece.length, piece.start + LARGE_LEAD, place);
}

/**
 * large_alloc() - a block in a mapping of its own
 * @bytes: of data
 * @align: of the data, a power of two, at least BLOCK_ALIGN
 * @zero: the data shall be; new pages are, and none of them is touched
 * @dirty: set to how many bytes at the start of the data may not be zero
 *
 * Return: the block, or NULL if the user or the kernel allows no more.
 */
struct block *large_alloc(size_t bytes, size_t align, bool zero, size_t *dirty)
{
	uint32_t place;
	struct block *b;

	*dirty = 0;
	/* What the heap cannot hold there is no other way for. */
	if (bytes + align <= HEAP_DATA_MAX && !stock_may_have_more())
		return NULL;
	place = table_keep();
	if (place == TABLE_FULL)
		return NULL;
	b = align > BLOCK_ALIGN ? alloc_aligned(bytes, align, place) :
				  alloc(bytes, zero, dirty, place);
	if (!b)
		table_drop(place);
	return b;
}

/**
 * large_usable() - how many bytes the program may use
 * @b: from large_alloc()
 */
size_t large_usable(const struct block *b)
{
	struct piece piece = piece_of(b);

	return piece.start + piece.length - (char *)block_data(b);
}

/**
 * large_resize() - make a block longer or shorter; it may move
 * @b: from large_alloc()
 * @bytes: of data wanted
 *
 * The data keeps its place within its page, but no larger alignment. What grows is
 * given more addresses than it needs, which cost nothing until they are touched.
 *
 * Return: the block where it is now, or NULL if it stays as it was.
 */
struct block *large_resize(struct block *b, size_t bytes)
{
	struct piece piece = piece_of(b);
	size_t offset = (char *)block_data(b) - piece.start;
	size_t least = align_up(offset + bytes, os_page_size), length = least;
	uint32_t place = large_of(b)->place;
	char *start = NULL;

	if (least <= piece.length && least >= piece.length - piece.length / LARGE_SLACK)
		return b;
	forget(b);
	table_set(place, NULL);
	if (least > piece.length) {
		length = least + align_up(least / LARGE_SLACK, os_page_size);
		start = os_remap(piece.start, piece.length, length);
	}
	if (!start) {
		length = least;
		start = os_remap(piece.start, piece.length, length);
	}
	if (!start && stock_release())
		start = os_remap(piece.start, piece.length, length);
	if (!start) {
		table_set(place, b);
		return NULL;
	}
	stock_resized(piece.length, length);
	return set_block(start, length, start + offset, place);
}

/**
 * large_free() - take a block back
 * @b: from large_alloc()
 */
void large_free(struct block *b)
{
	struct piece piece = piece_of(b);

	forget(b);
	table_drop(large_of(b)->place);
	block_set(b, 0, 0, BLOCK_FREE);
	stock_put(piece);
}

/**
 * large_mapping() - where a block lives
 * @b: from table_next(), with table_lock held
 *
 * Return: its mapping; nonsense if the words in front of it were overwritten.
 */
struct piece large_mapping(const struct block *b)
{
	const struct large *l = large_of(b);

	return (struct piece){ (char *)b - l->distance, l->length, l->length };
}

static const char *check_block(const struct block *b, uint32_t place)
{
	if (!os_is_mapped(b))
		return "the table names a mapped block that is not there";
	if (block_state(b) != BLOCK_MAPPED && block_state(b) != BLOCK_KEPT)
		return "the meta block of a mapped block was overwritten";
	if (large_of(b)->check != check_of(b, large_of(b)))
		return "the words in front of a mapped block were overwritten";
	if (large_of(b)->place != place)
		return "a mapped block is in the place of another";
	return NULL;
}

static const char *check_known(const struct block *b, uint32_t i)
{
	const struct block *other;
	uint32_t place = 0;

	if (!b)
		return NULL;
	while ((other = table_next(&place)))
		if (other == b && known_hint(b) == &known[i])
			return NULL;
	return "a block is taken for a mapped one that is none";
}

/**
 * large_check() - verify all blocks with a mapping, and who knows them
 * @at: set to the block that something is wrong with, or NULL
 *
 * With table_lock and stock_lock held.
 *
 * Return: NULL, or what is wrong.
 */
const char *large_check(const struct block **at)
{
	const char *wrong = NULL;
	uint32_t place = 0, i;
	size_t count;

	for (count = 0; !wrong && (*at = table_next(&place)); count++)
		wrong = check_block(*at, place - 1);
	if (wrong)
		return wrong;
	if (count > stock_use().blocks)
		return "the table names more mapped blocks than were given out";
	for (i = 0; i < KNOWN && !wrong; i++) {
		*at = __atomic_load_n(&known[i], __ATOMIC_RELAXED);
		wrong = check_known(*at, i);
	}
	return wrong;
}
