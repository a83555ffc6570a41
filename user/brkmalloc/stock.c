// SPDX-License-Identifier: GPL-2.0-only
/*
 * stock.c - which mappings are kept for the next large block?
 *
 * To map, to touch first and to unmap again is what costs most in the life of a
 * large block. So some of them are kept when they are freed. The stock must not
 * make the program larger than it would be without, so
 *
 *   - what is in use and in stock together is never more than was in use once;
 *   - when the heap grows, the stock becomes smaller by as much;
 *   - there is never more than STOCK_BYTES.
 *
 * What is oldest goes first. With BRKMALLOC_GUARD=full there is none: who uses a
 * block that was unmapped is stopped by the kernel.
 */
#include "block.h"
#include "config.h"
#include "stock.h"

#define STOCK_BYTES	(64UL << 20)
#define STOCK_PIECES	16
#define STOCK_SLACK	8	/* a piece may be an eighth longer than asked for, ... */
#define STOCK_STRETCH	2	/* ... or is stretched to twice its length */

struct lock stock_lock = LOCK_INITIALIZER;

/* All under stock_lock, but that @count and @use.blocks are looked at without; the oldest first. */
static struct piece pieces[STOCK_PIECES];
static size_t count, bytes;
static struct stock_use use;

static void note_use(long more_blocks, long more_bytes)
{
	POKE(use.blocks, use.blocks + more_blocks);
	use.bytes += more_bytes;
	if (use.bytes > use.peak)
		use.peak = use.bytes;
}

static struct piece take_nth(size_t i)
{
	struct piece piece = pieces[i];

	bytes -= piece.length;
	POKE(count, count - 1);
	for (; i < count; i++)
		pieces[i] = pieces[i + 1];
	return piece;
}

/* Unmap the oldest until there are no more than @most bytes. */
static void shrink(size_t most)
{
	struct piece piece;

	while (count && bytes > most) {
		piece = take_nth(0);
		os_unmap(piece.start, piece.length);
	}
}

/* As many as together with what is in use make the former peak. */
static void shrink_to_peak(size_t peak)
{
	shrink(use.bytes < peak ? peak - use.bytes : 0);
}

/**
 * stock_may_have_more() - does the user allow another mapping to be in use?
 */
bool stock_may_have_more(void)
{
	return PEEK(use.blocks) < PEEK(config.mmap_max);
}

/**
 * stock_map() - a new mapping, its pages zero
 * @length: bytes, a multiple of the page size
 *
 * Return: it, or none if the kernel refused.
 */
struct piece stock_map(size_t length)
{
	struct piece piece = { os_map(length), length, 0 };
	size_t peak;

	if (!piece.start)
		return piece;
	lock_take(&stock_lock);
	peak = use.peak;
	note_use(1, length);
	shrink_to_peak(peak);
	lock_release(&stock_lock);
	return piece;
}

/* The shortest piece from @length on, else the longest. There is one. */
static size_t best_for(size_t length)
{
	size_t i, best = 0;

	for (i = 1; i < count; i++)
		if (pieces[best].length < length ? pieces[i].length > pieces[best].length :
		    pieces[i].length >= length && pieces[i].length <= pieces[best].length)
			best = i;
	return best;
}

/* Take @length bytes of a piece that is longer; the rest stays where it is. */
static struct piece cut(size_t i, size_t length)
{
	struct piece piece = pieces[i];

	pieces[i].start += length;
	pieces[i].length -= length;
	bytes -= length;
	piece.length = length;
	return piece;
}

static struct piece stretch(struct piece piece, size_t length)
{
	char *start = os_remap(piece.start, piece.length, length);

	if (!start) {
		os_unmap(piece.start, piece.length);
		return (struct piece){ NULL, 0, 0 };
	}
	piece.dirty = piece.length;
	return (struct piece){ start, length, piece.dirty };
}

static struct piece take(size_t length)
{
	size_t best = best_for(length);
	size_t has = pieces[best].length;
	struct piece piece = { NULL, 0, 0 };

	if (has > length + length / STOCK_SLACK)
		piece = cut(best, length);
	else if (has >= length)
		piece = take_nth(best);
	else if (has >= length / STOCK_STRETCH)
		return stretch(take_nth(best), length);
	piece.dirty = piece.length;
	return piece;
}

/**
 * stock_take() - a mapping out of the stock, its pages as they were left
 * @length: bytes, a multiple of the page size
 *
 * Return: one of that length or a little more, or none.
 */
struct piece stock_take(size_t length)
{
	struct piece piece = { NULL, 0, 0 };
	size_t peak;

	if (!PEEK(count))
		return piece;
	lock_take(&stock_lock);
	if (count)
		piece = take(length);
	if (piece.start) {
		peak = use.peak;
		note_use(1, piece.length);
		shrink_to_peak(peak);
	}
	lock_release(&stock_lock);
	return piece;
}

/**
 * stock_resized() - a mapping in use has another length now
 * @from: bytes before
 * @to: bytes now
 */
void stock_resized(size_t from, size_t to)
{
	size_t peak;

	lock_take(&stock_lock);
	peak = use.peak;
	note_use(0, (long)to - (long)from);
	shrink_to_peak(peak);
	lock_release(&stock_lock);
}

/**
 * stock_put() - a mapping is not in use any more: keep or unmap it
 * @piece: from stock_map() or stock_take()
 */
void stock_put(struct piece piece)
{
	bool kept = piece.length <= STOCK_BYTES && config.guard != GUARD_FULL;

	lock_take(&stock_lock);
	note_use(-1, -(long)piece.length);
	if (kept) {
		if (count == STOCK_PIECES)
			shrink(bytes - 1);
		shrink(STOCK_BYTES - piece.length);
		pieces[count] = piece;
		POKE(count, count + 1);
		bytes += piece.length;
		shrink_to_peak(use.peak);
	}
	lock_release(&stock_lock);
	if (!kept)
		os_unmap(piece.start, piece.length);
}

/**
 * stock_yield() - the heap grows: what it takes the stock gives back
 * @more: bytes
 */
void stock_yield(size_t more)
{
	if (!PEEK(count))
		return;
	lock_take(&stock_lock);
	shrink(bytes > more ? bytes - more : 0);
	lock_release(&stock_lock);
}

/**
 * stock_release() - unmap all of it
 *
 * Return: bytes given back.
 */
size_t stock_release(void)
{
	size_t had;

	lock_take(&stock_lock);
	had = bytes;
	shrink(0);
	lock_release(&stock_lock);
	return had;
}

/**
 * stock_use() - what the program holds; with stock_lock held
 */
struct stock_use stock_use(void)
{
	return use;
}

/**
 * stock_bytes() - what is in stock; with stock_lock held
 */
size_t stock_bytes(void)
{
	return bytes;
}

/**
 * stock_nth() - a piece in stock; with stock_lock held
 * @n: number of the piece, from zero on
 * @piece: set to it
 *
 * Return: whether there is one.
 */
bool stock_nth(size_t n, struct piece *piece)
{
	if (n >= count)
		return false;
	*piece = pieces[n];
	return true;
}

/* Whole pages that are there, and no part of another piece? */
static bool is_good(size_t i)
{
	const struct piece *piece = &pieces[i], *other;

	for (other = pieces; other < piece; other++)
		if (piece->start < other->start + other->length &&
		    other->start < piece->start + piece->length)
			return false;
	return piece->length && !(piece->length % os_page_size) &&
	       !((uintptr_t)piece->start % os_page_size) &&
	       os_is_mapped(piece->start) &&
	       os_is_mapped(piece->start + piece->length - os_page_size);
}

/**
 * stock_check() - verify what is in stock, and the account; with stock_lock held
 *
 * Return: NULL, or what is wrong.
 */
const char *stock_check(void)
{
	size_t i, sum = 0;

	if (count > STOCK_PIECES || bytes > STOCK_BYTES)
		return "the stock is larger than it may be";
	for (i = 0; i < count; i++) {
		if (!is_good(i))
			return "a piece in stock is no mapping of its own";
		sum += pieces[i].length;
	}
	if (sum != bytes)
		return "the stock is not as large as it thinks";
	if (use.bytes > use.peak || bytes > use.peak - use.bytes)
		return "the stock makes the program larger than it ever was";
	return NULL;
}
