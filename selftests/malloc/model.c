// SPDX-License-Identifier: GPL-2.0-only
/*
 * model.c - what should the heap hold, and does it?
 *
 * The model knows of each block its address, size, alignment and content.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

#define FOREIGN_MAX	1000

struct slot slots[THREADS_MAX * SLOTS];
size_t threads;
unsigned long run_seed;

/* Blocks in use that are not of the model: what the C library took. */
static void *foreign[FOREIGN_MAX];
static size_t foreign_blocks;

unsigned long next_random(unsigned long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dUL >> 16;
}

/* Mostly small, every power of two as likely as the next, up to 512 KiB. */
static size_t random_size(unsigned long *state)
{
	unsigned int bits = next_random(state) % 11;

	if (next_random(state) % 200 == 0)
		bits = 11 + next_random(state) % 8;
	return next_random(state) % (1UL << bits << 1);
}

void fail_at(const void *data, const char *what)
{
	fprintf(stderr, "seed %lu, block %p: %s\n", run_seed, data, what);
	_exit(1);
}

void fail(const struct slot *slot, const char *what)
{
	fprintf(stderr, "seed %lu, slot %zu, block %p, %zu bytes, aligned to %zu: %s\n",
		run_seed, (size_t)(slot - slots), (void *)slot->data,
		slot->size, slot->align, what);
	_exit(1);
}

/* @data is what the slot has now, of which the first @kept bytes are not new. */
static void accept(struct slot *slot, void *data, size_t size, size_t kept,
		   unsigned long *state)
{
	unsigned long old_seed = slot->seed;
	size_t usable;

	slot->data = data;
	slot->size = size;
	slot->seed = next_random(state);
	if (!data)
		fail(slot, "no memory");
	if ((uintptr_t)data % slot->align)
		fail(slot, "less aligned than it must be");
	usable = malloc_usable_size(data);
	if (usable < size)
		fail(slot, "shorter than asked for");
	if (!filled(data, kept, old_seed))
		fail(slot, "content lost by realloc");
	/* All that is usable may be used, and is then to be kept. */
	if (next_random(state) % 8 == 0)
		slot->size = usable;
	fill(data, slot->size, slot->seed);
}

static void *allocate_aligned(struct slot *slot, size_t size, unsigned long *state)
{
	void *data;

	slot->align = 16UL << next_random(state) % 9;
	switch (next_random(state) % 3) {
	case 0:
		return aligned_alloc(slot->align, size);
	case 1:
		return memalign(slot->align, size);
	default:
		return posix_memalign(&data, slot->align, size) ? NULL : data;
	}
}

static void allocate(struct slot *slot, unsigned long *state)
{
	size_t size = random_size(state);
	void *data;

	slot->align = 16;
	switch (next_random(state) % 8) {
	case 0:
		data = allocate_aligned(slot, size, state);
		break;
	case 1:
	case 2:
		data = calloc(1, size);
		if (data && !all_zero(data, size))
			fail(slot, "calloc gave memory that is not zero");
		break;
	case 3:
		data = realloc(NULL, size);
		break;
	default:
		data = malloc(size);
	}
	accept(slot, data, size, 0, state);
}

static void resize(struct slot *slot, unsigned long *state)
{
	size_t size = random_size(state);
	char *now;

	slot->align = 16;
	if (next_random(state) % 2) {
		now = realloc(slot->data, size);
	} else {
		size -= size % 7;
		now = reallocarray(slot->data, size / 7, 7);
	}
	if (!size) {
		if (now)
			fail(slot, "realloc to zero bytes gave a block");
		slot->data = NULL;
		return;
	}
	accept(slot, now, size, size < slot->size ? size : slot->size, state);
}

/* One random call on a slot, whose lock the caller holds. */
void operate(struct slot *slot, unsigned long *state)
{
	if (!slot->data) {
		allocate(slot, state);
		return;
	}
	if (malloc_usable_size(slot->data) < slot->size)
		fail(slot, "became shorter");
	if (!filled(slot->data, slot->size, slot->seed))
		fail(slot, "content changed");
	if (next_random(state) % 3) {
		free(slot->data);
		slot->data = NULL;
	} else {
		resize(slot, state);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = *(struct slot *const *)a;
	const struct slot *y = *(struct slot *const *)b;

	return x->data < y->data ? -1 : x->data > y->data;
}

/* Sorted by hand: qsort may call malloc. */
static size_t sorted_slots(struct slot **sorted)
{
	size_t n = 0, gap, i, k;
	struct slot *slot;

	for (slot = slots; slot < slots + threads * SLOTS; slot++)
		if (slot->data)
			sorted[n++] = slot;
	for (gap = n / 2; gap; gap /= 2) {
		for (i = gap; i < n; i++) {
			slot = sorted[i];
			for (k = i; k >= gap && by_address(&sorted[k - gap], &slot) > 0; k -= gap)
				sorted[k] = sorted[k - gap];
			sorted[k] = slot;
		}
	}
	return n;
}

struct heap_view {
	struct slot	*sorted[THREADS_MAX * SLOTS];
	size_t		n;
	size_t		used;		/* blocks of the model seen in use */
	size_t		foreign;	/* others seen in use */
	void		*at;		/* the block seen last */
};

static struct heap_view view;

static bool is_foreign(const void *data)
{
	size_t i;

	for (i = 0; i < foreign_blocks; i++)
		if (foreign[i] == data)
			return true;
	return false;
}

static struct slot *slot_of(void *data)
{
	const struct slot key = { .data = data };
	const struct slot *wanted = &key;
	struct slot **found = bsearch(&wanted, view.sorted, view.n,
				      sizeof(*view.sorted), by_address);

	return found ? *found : NULL;
}

enum complaint {
	NONE,
	NOT_IN_USE,
	NOBODYS,
	TOO_SHORT,
};

static bool is_held(const struct brkmalloc_block *block)
{
	return block->state == BRKMALLOC_USED || block->state == BRKMALLOC_MAPPED;
}

static int see_block(const struct brkmalloc_block *block, void *arg)
{
	bool used = is_held(block);
	struct slot *slot = slot_of(block->data);

	view.at = block->data;
	if (slot && !used)
		return NOT_IN_USE;
	if (slot) {
		view.used++;
		return block->size < slot->size ? TOO_SHORT : NONE;
	}
	if (!used)
		return NONE;
	view.foreign++;
	return is_foreign(block->data) ? NONE : NOBODYS;
}

static int note_foreign(const struct brkmalloc_block *block, void *arg)
{
	if (!is_held(block))
		return 0;
	if (slot_of(block->data))
		return 0;
	if (foreign_blocks == FOREIGN_MAX)
		return 1;
	foreign[foreign_blocks++] = block->data;
	return 0;
}

/*
 * Take what is in use and not of the model for the C library's. All threads are
 * there, and nothing has happened since.
 */
void learn_foreign(void)
{
	size_t before = foreign_blocks;

	view.n = sorted_slots(view.sorted);
	foreign_blocks = 0;
	if (brkmalloc_walk(note_foreign, NULL))
		fail_at(NULL, "too many blocks are in use before the first call");
	/* A few for each thread; more would be what the generation before left. */
	if (before && foreign_blocks > before + 4 * threads)
		fail_at(NULL, "blocks that nobody has are in use");
}

/* Everything that must be true while all threads stand still. */
void check_everything(void)
{
	static const char *const complaints[] = {
		[NOT_IN_USE] = "of the model and not in use in the heap",
		[NOBODYS] = "in use in the heap and not of the model",
		[TOO_SHORT] = "shorter in the heap than in the model",
	};
	size_t i;
	int complaint;

	if (brkmalloc_check())
		fail_at(NULL, "brkmalloc_check");
	view.n = sorted_slots(view.sorted);
	for (i = 1; i < view.n; i++)
		if (view.sorted[i - 1]->data + malloc_usable_size(view.sorted[i - 1]->data) >
		    view.sorted[i]->data)
			fail(view.sorted[i], "overlaps the block before");
	view.used = 0;
	view.foreign = 0;
	complaint = brkmalloc_walk(see_block, NULL);
	if (complaint)
		fail_at(view.at, complaints[complaint]);
	if (view.used != view.n)
		fail_at(NULL, "a block of the model is not seen");
	if (view.foreign > foreign_blocks)
		fail_at(NULL, "a block is seen twice");
}
