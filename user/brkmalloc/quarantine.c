// SPDX-License-Identifier: GPL-2.0-only
/*
 * quarantine.c - was freed memory written to?
 *
 * With BRKMALLOC_GUARD=full the data of a freed block is filled, and the block kept
 * for a while: what the program still does with it hits nobody else. The oldest go
 * home when there are too many. All free memory of the heap is filled, too, but for
 * what the heap itself writes there.
 *
 *   free() -> quarantine -> free memory -> malloc()
 *                        1              2
 *
 * At 1 and 2, and by brkmalloc_check(), it is looked at: a byte that is not what it
 * was filled with was written after free.
 */
#include <string.h>

#include "full.h"
#include "large.h"

#define KEPT_BYTES	(16UL << 20)	/* in quarantine, at most */
#define KEPT_SHARE	4		/* that part of it is the longest block kept */

struct kept_mappings kept_mappings;
static struct notes kept;
static size_t kept_bytes;

/**
 * quarantine_fill() - memory is free and nobody had it before
 * @start: of it
 * @end: of it
 */
void quarantine_fill(char *start, char *end)
{
	if (full_is_on() && start < end)
		memset(start, FULL_FREED, end - start);
}

/**
 * quarantine_spoiled() - was free memory of a heap written to?
 * @b: a free block, or a top
 * @end: of what is filled
 *
 * What the heap itself may have written at its beginning is not looked at, nor is
 * the footer.
 *
 * Return: the first byte that is wrong, or NULL.
 */
const char *quarantine_spoiled(const struct block *b, const char *end)
{
	const char *at;

	if (!full_is_on())
		return NULL;
	for (at = (const char *)b + BLOCK_MIN; at < end; at++)
		if ((unsigned char)*at != FULL_FREED)
			return at;
	return NULL;
}

/**
 * quarantine_check_fresh() - stop the program if it wrote to what was free till now
 * @b: just taken
 * @dirty: bytes of its data that were used before
 */
void quarantine_check_fresh(const struct block *b, size_t dirty)
{
	size_t usable = block_units(b) ? block_usable(b) - sizeof(size_t) : 0;
	const char *at, *data = block_data(b);

	at = quarantine_spoiled(b, data + (dirty < usable ? dirty : usable));
	if (at)
		guard_crit("free memory was written to after free: found %p at %p, expected %p",
			   (void *)(uintptr_t)(unsigned char)*at, at,
			   (void *)(uintptr_t)FULL_FREED);
}

static char *least(char *a, char *b)
{
	return a < b ? a : b;
}

/*
 * Free a block of a heap, filled from end to end, and fill again what the heap wrote
 * where it was joined with others. There may be less of the top then, or its region
 * may be gone.
 */
static void give_to_heap(struct heap *heap, struct block *b)
{
	struct block *after = block_after(b), *start = b;
	char *end = (char *)after, *top_end;
	bool at_top = after == heap->top;
	size_t bytes = heap->bytes;

	if (!at_top && block_is_free(after))
		end = least(end + BLOCK_MIN, (char *)block_word_before(block_after(after)));
	if (block_prev_is_free(b))
		start = guard_before(b);
	quarantine_fill(block_data(b), (char *)after);
	heap_free(heap, b);
	if (!at_top && heap->bytes != bytes)
		return;
	top_end = at_top ? heap->fresh : end;
	if (start != b)
		quarantine_fill((char *)block_word_before(b), least(block_data(b), top_end));
	if (at_top)
		quarantine_fill((char *)start, least((char *)start + BLOCK_MIN, top_end));
	else
		quarantine_fill((char *)after, end);
}

static void give_home(struct note *n)
{
	struct block *outer = note_outer(n);
	struct arena *arena;

	if (!block_units(outer)) {
		large_free(outer);
		return;
	}
	arena = arena_of(outer);
	arena_take(arena);
	give_to_heap(&arena->heap, outer);
	arena_release(arena);
}

/* Length of the outer block's mapping, if it has one of its own. */
static size_t mapping_bytes(const struct note *n)
{
	if (block_units(note_outer(n)))
		return 0;
	return (uintptr_t)n % os_page_size + note_outer_bytes(n);
}

static void change_states(struct note *n)
{
	struct block *outer = note_outer(n);
	bool mapped = !block_units(outer);

	block_change_state(block_of(note_data(n)), BLOCK_GUARDED, BLOCK_KEPT);
	block_change_state(outer, mapped ? BLOCK_MAPPED : BLOCK_USED, BLOCK_KEPT);
}

static void release_oldest(void)
{
	struct note *n = kept.first;
	struct damage damage;

	if (note_is_damaged(n, BLOCK_KEPT, &damage))
		full_stop(&damage);
	notes_remove(&kept, n);
	kept_bytes -= note_outer_bytes(n);
	kept_mappings.blocks -= !!mapping_bytes(n);
	kept_mappings.bytes -= mapping_bytes(n);
	give_home(n);
}

/**
 * quarantine_put() - keep a freed block for a while
 * @n: its note; the block is in use and undamaged
 *
 * With full_lock held. A long one goes home at once: if it was mapped, then whoever
 * still uses it is stopped by the kernel.
 */
void quarantine_put(struct note *n)
{
	size_t bytes = note_outer_bytes(n);

	change_states(n);
	if (bytes > KEPT_BYTES / KEPT_SHARE) {
		give_home(n);
		return;
	}
	quarantine_fill(note_data(n), note_data(n) + n->requested);
	notes_add(&kept, n);
	kept_bytes += bytes;
	kept_mappings.blocks += !!mapping_bytes(n);
	kept_mappings.bytes += mapping_bytes(n);
	while (kept_bytes > KEPT_BYTES)
		release_oldest();
}

/**
 * quarantine_empty() - all go home, because the kernel has no more memory
 *
 * With full_lock held.
 *
 * Return: whether there were any.
 */
bool quarantine_empty(void)
{
	bool any = kept.first;

	while (kept.first)
		release_oldest();
	return any;
}

/**
 * quarantine_find_damage() - was any block in quarantine written to?
 * @damage: set if so
 */
bool quarantine_find_damage(struct damage *damage)
{
	return notes_find_damage(&kept, BLOCK_KEPT, damage);
}
