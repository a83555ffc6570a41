// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard.c - is this pointer, this meta block, this link what it must be?
 *
 * Everything that the program can spoil is checked here, once, before anybody
 * relies on it. What is wrong is told in one line that names the pointer, what
 * was found and what was expected; then the program is stopped, for a heap that
 * is known to be broken must not be used on. Nothing here allocates.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "full.h"
#include "guard.h"
#include "large.h"
#include "lock.h"

static void say(const char *format, va_list args)
{
	struct line line = { .length = 0 };
	ssize_t written;

	line_add(&line, "brkmalloc: ");
	line_format(&line, format, args);
	line.text[line.length++] = '\n';
	written = write(STDERR_FILENO, line.text, line.length);
	(void)written;		/* whom else could we tell? */
}

/**
 * guard_warn() - write one line to standard error, without allocating
 * @format: as printf, but only %s, %p and %zu
 */
void guard_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/**
 * guard_stop() - stop the program
 *
 * With the lock held.
 */
void guard_stop(void)
{
	/* A handler of SIGABRT that calls malloc must not wait for us. */
	lock_let_owner_pass();
	abort();
}

/**
 * guard_crit() - say what is wrong and stop the program
 * @format: as guard_warn()
 *
 * With the lock held.
 */
void guard_crit(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	guard_stop();
}

noreturn static void freed_twice(const char *caller, const struct block *b, size_t bytes)
{
	guard_crit("%s(%p): double free: the meta block says free (%zu bytes), expected a block in use",
		   caller, block_data(b), bytes);
}

/**
 * guard_foreign() - a pointer that the program handed in is that of no block
 * @caller: name of the function that was called
 * @b: what would be its meta block
 */
void guard_foreign(const char *caller, const struct block *b)
{
	uint64_t found = *(const uint64_t *)b;

	if (full_is_on() && found == FULL_FREED_WORD)
		guard_crit("%s(%p): double free: found freed memory, %p, in front of it, expected a block in use",
			   caller, block_data(b), (void *)found);
	guard_crit("%s(%p): foreign pointer or overwritten meta block: found %p in front of it, expected the seal of a block in use",
		   caller, block_data(b), (void *)found);
}

/**
 * guard_data() - the block of a pointer that the program handed in
 * @caller: name of the function that was called
 * @data: what the program says is a data block
 *
 * Return: the block, which is in use. Does not return for anything else.
 */
struct block *guard_data(const char *caller, const void *data)
{
	struct block *b = block_of(data);

	if ((uintptr_t)data % BLOCK_ALIGN)
		guard_crit("%s(%p): misaligned pointer: no data block begins here, expected a multiple of %zu",
			   caller, data, BLOCK_ALIGN);
	if (!extent_has_place((uintptr_t)data) && !large_is_known(b) && !os_is_mapped(b))
		guard_crit("%s(%p): foreign pointer or double free: no memory is mapped here, expected a data block in use",
			   caller, data);
	switch (block_state(b)) {
	case BLOCK_USED:
	case BLOCK_MAPPED:
	case BLOCK_GUARDED:
		return b;
	case BLOCK_CACHED:
	case BLOCK_FREE:
		freed_twice(caller, b, block_size(b));
	case BLOCK_KEPT:
		freed_twice(caller, b, full_requested(b));
	case BLOCK_FENCE:
		guard_crit("%s(%p): foreign pointer: the end of a heap region, expected a data block",
			   caller, data);
	default:
		guard_foreign(caller, b);
	}
}

/**
 * guard_after_failed() - the meta block behind a block was overwritten
 * @b: the block, in whose name a complaint is made
 * @after: the block behind it
 */
void guard_after_failed(const struct block *b, const struct block *after)
{
	guard_crit("block %p (%zu bytes): written past its end: the meta block behind it, at %p, was overwritten: found %p, expected a good seal",
		   block_data(b), block_usable(b), (const void *)after,
		   (void *)*(const uintptr_t *)after);
}

/**
 * guard_before() - the free block in front of a block, by its footer
 * @b: a block whose BLOCK_PREV_FREE is set
 *
 * Return: that block, its footer and meta block compared if there are guards.
 */
struct block *guard_before(const struct block *b)
{
	size_t footer = *block_word_before(b);
	struct block *before = block_at(b, -(ptrdiff_t)footer);

	if (!guard_is_on())
		return before;
	if (footer < BLOCK_MIN || footer % BLOCK_ALIGN || !heap_may_read(before) ||
	    !block_is_free(before) || block_size(before) != footer)
		guard_crit("block %p: the free block in front of it was written to after free: found %zu as its footer, expected the size in its meta block",
			   block_data(b), footer);
	return before;
}

/**
 * guard_link_failed() - a link of a free block leads where no block links back
 * @b: in a free list
 * @which: link
 * @link: as it was found
 */
void guard_link_failed(const struct block *b, const char *which, uintptr_t link)
{
	guard_crit("free block %p was written to after free: found %p as its %s link, expected a free block that links back",
		   block_data(b), (void *)link, which);
}

/**
 * guard_cached_failed() - a block in a thread's cache was written to
 * @b: it; its link is not what it must be
 */
void guard_cached_failed(const struct block *b)
{
	guard_crit("free block %p (%zu bytes) was written to after free: found %p as its link, expected a link and its check",
		   block_data(b), block_usable(b), (const void *)b->next);
}
