// SPDX-License-Identifier: GPL-2.0-only
/*
 * asked.c - how many bytes did the program want, and when the most at a time?
 *
 * Replays the malloc log in order of time. A block is freed when free is
 * entered and there when malloc returns: so another thread's malloc may be
 * given the same address before the free has returned.
 */
#include <stdlib.h>
#include <string.h>

#include "asked.h"

/* What a call does to the set of blocks; a realloc that works does both. */
struct step {
	u64				time;
	const struct brkrecord_call	*call;
	bool				gives;
};

struct block {
	u64	address;	/* 0: free slot, 1: deleted */
	u64	size;
};

/* Open addressing; deleted slots go when the table is made anew. */
struct blocks {
	struct block	*slots;
	size_t		room;
	size_t		used;	/* deleted ones included */
	size_t		live;
};

#define FREE_SLOT	0
#define DELETED_SLOT	1

static struct block *find_block(const struct blocks *b, u64 address)
{
	struct block *slot, *deleted = NULL;
	size_t i;

	for (i = address * 0x9e3779b97f4a7c15ULL >> 20; ; i++) {
		slot = &b->slots[i & (b->room - 1)];
		if (slot->address == address)
			return slot;
		if (slot->address == DELETED_SLOT && !deleted)
			deleted = slot;
		if (slot->address == FREE_SLOT)
			return deleted ? deleted : slot;
	}
}

static void make_room(struct blocks *b)
{
	struct blocks fresh = { .room = 1024 };
	size_t i;

	if (b->used * 2 < b->room)
		return;
	while (fresh.room < b->live * 4)
		fresh.room *= 2;
	fresh.slots = xmalloc(fresh.room * sizeof(*fresh.slots));
	for (i = 0; i < b->room; i++)
		if (b->slots[i].address > DELETED_SLOT)
			*find_block(&fresh, b->slots[i].address) = b->slots[i];
	fresh.live = b->live;
	fresh.used = b->live;
	free(b->slots);
	*b = fresh;
}

static void give(struct asked *a, struct blocks *b, const struct step *s)
{
	struct block *slot;

	a->total += s->call->size;
	if (s->call->result <= DELETED_SLOT)
		return;
	make_room(b);
	slot = find_block(b, s->call->result);
	if (slot->address == s->call->result) {
		/* given twice: its free was not recorded */
		a->live -= slot->size;
	} else {
		b->used += slot->address == FREE_SLOT;
		b->live++;
	}
	slot->address = s->call->result;
	slot->size = s->call->size;
	a->live += slot->size;
	if (a->live > a->peak) {
		a->peak = a->live;
		a->peak_time = s->time;
	}
}

static void take_back(struct asked *a, struct blocks *b, const struct step *s)
{
	struct block *slot = b->room ? find_block(b, s->call->old) : NULL;

	if (s->call->old <= DELETED_SLOT)
		return;
	if (!slot || slot->address != s->call->old) {
		a->unknown++;
		return;
	}
	a->live -= slot->size;
	slot->address = DELETED_SLOT;
	b->live--;
}

static bool resizes(const struct brkrecord_call *c)
{
	return c->op == BRKRECORD_REALLOC || c->op == BRKRECORD_REALLOCARRAY;
}

/* realloc(p, 0) may free p and give nothing: that is no failure. */
static bool failed(const struct brkrecord_call *c)
{
	return c->op != BRKRECORD_FREE && !c->result && c->size;
}

static size_t make_steps(struct step *steps, const struct capture *c)
{
	const struct brkrecord_call *call;
	size_t i, n = 0;

	for (i = 0; i < c->nr_calls; i++) {
		call = c->calls[i];
		if (call->op == BRKRECORD_START)
			steps[n++] = (struct step){ .time = call->enter, .call = call };
		if (call->op < BRKRECORD_FIRST_CALL || call->op >= BRKRECORD_OPS || failed(call))
			continue;
		if (call->op == BRKRECORD_FREE || (resizes(call) && call->old))
			steps[n++] = (struct step){ .time = call->enter, .call = call };
		if (call->op != BRKRECORD_FREE && call->result)
			steps[n++] = (struct step){ .time = call->exit, .call = call,
						    .gives = true };
	}
	return n;
}

/* At the same moment what is freed comes first. */
static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (int)x->gives - (int)y->gives;
}

static void new_image(struct asked *a, struct blocks *b)
{
	free(b->slots);
	memset(b, 0, sizeof(*b));
	a->live = 0;
}

static void replay(struct asked *a, const struct capture *c)
{
	struct step *steps = xmalloc((2 * c->nr_calls + 1) * sizeof(*steps));
	size_t n = make_steps(steps, c), i;
	struct blocks blocks = { 0 };

	qsort(steps, n, sizeof(*steps), by_time);
	for (i = 0; i < n; i++) {
		if (steps[i].call->op == BRKRECORD_START)
			new_image(a, &blocks);
		else if (steps[i].gives)
			give(a, &blocks, &steps[i]);
		else
			take_back(a, &blocks, &steps[i]);
	}
	a->live_blocks = blocks.live;
	free(blocks.slots);
	free(steps);
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void count_calls(struct asked *a, const struct capture *c)
{
	const struct brkrecord_call *call;
	struct call_stats *s;
	size_t i;

	for (i = 0; i < c->nr_calls; i++)
		if (c->calls[i]->op < BRKRECORD_OPS)
			a->calls[c->calls[i]->op].count++;
	for (s = a->calls; s < a->calls + BRKRECORD_OPS; s++) {
		s->times = xmalloc(s->count * sizeof(*s->times));
		s->count = 0;
	}
	for (i = 0; i < c->nr_calls; i++) {
		call = c->calls[i];
		if (call->op >= BRKRECORD_OPS)
			continue;
		s = &a->calls[call->op];
		s->times[s->count++] = call->exit - call->enter;
		s->failed += failed(call);
		if (!failed(call) && call->op >= BRKRECORD_FIRST_CALL)
			s->bytes += call->size;
	}
	for (s = a->calls; s < a->calls + BRKRECORD_OPS; s++)
		qsort(s->times, s->count, sizeof(*s->times), by_value);
}

/**
 * asked_count() - count what was asked
 * @a: gets the counts; give back with asked_free()
 * @c: the capture
 */
void asked_count(struct asked *a, const struct capture *c)
{
	memset(a, 0, sizeof(*a));
	count_calls(a, c);
	replay(a, c);
}

/**
 * asked_free() - give the counts back
 * @a: the counts
 */
void asked_free(struct asked *a)
{
	size_t i;

	for (i = 0; i < BRKRECORD_OPS; i++)
		free(a->calls[i].times);
}
