// SPDX-License-Identifier: GPL-2.0-only
/*
 * join.c - which malloc call made the kernel do it?
 *
 * The one that the same thread was in at that time. Both logs tell the same
 * clock, and calls of one thread do not overlap: only the outermost of nested
 * calls is recorded.
 */
#include <stdlib.h>

#include "join.h"

static int by_thread_and_time(const void *a, const void *b)
{
	const struct brkrecord_call *x = *(const struct brkrecord_call *const *)a;
	const struct brkrecord_call *y = *(const struct brkrecord_call *const *)b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->enter < y->enter ? -1 : x->enter > y->enter;
}

static int by_time(const void *a, const void *b)
{
	const struct brkrecord_call *x = *(const struct brkrecord_call *const *)a;
	const struct brkrecord_call *y = *(const struct brkrecord_call *const *)b;

	return x->enter < y->enter ? -1 : x->enter > y->enter;
}

/**
 * join_init() - sort the malloc log
 * @j: gets the order
 * @c: the capture, which must stay open
 */
void join_init(struct join *j, const struct capture *c)
{
	size_t i;

	j->calls = xrealloc(NULL, c->nr_calls, sizeof(*j->calls));
	j->nr = 0;
	j->starts = NULL;
	j->nr_starts = 0;
	for (i = 0; i < c->nr_calls; i++) {
		if (c->calls[i]->op >= BRKRECORD_FIRST_CALL) {
			j->calls[j->nr++] = c->calls[i];
		} else if (c->calls[i]->op == BRKRECORD_START) {
			j->starts = xrealloc(j->starts, j->nr_starts + 1, sizeof(*j->starts));
			j->starts[j->nr_starts++] = c->calls[i];
		}
	}
	qsort(j->calls, j->nr, sizeof(*j->calls), by_thread_and_time);
	if (j->nr_starts)
		qsort(j->starts, j->nr_starts, sizeof(*j->starts), by_time);
}

/**
 * join_find() - the call that a thread was in
 * @j: the sorted log
 * @tid: the thread
 * @time: when, ns
 *
 * Return: the call, or NULL if the thread was in none
 */
const struct brkrecord_call *join_find(const struct join *j, __u32 tid, u64 time)
{
	const struct brkrecord_call *call;
	size_t low = 0, high = j->nr, middle;

	/* the first that is after (tid, time) */
	while (low < high) {
		middle = low + (high - low) / 2;
		call = j->calls[middle];
		if (call->tid < tid || (call->tid == tid && call->enter <= time))
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	call = j->calls[low - 1];
	return call->tid == tid && call->enter <= time && time <= call->exit ? call : NULL;
}

/**
 * join_start_after() - when did a program image begin to be recorded?
 * @j: the sorted log
 * @time: when it was executed, ns
 *
 * Return: its START mark, NULL if there is none
 */
const struct brkrecord_call *join_start_after(const struct join *j, u64 time)
{
	size_t i;

	for (i = 0; i < j->nr_starts; i++)
		if (j->starts[i]->enter >= time)
			return j->starts[i];
	return NULL;
}

/**
 * join_free() - give the order back
 * @j: the sorted log
 */
void join_free(struct join *j)
{
	free(j->calls);
	free(j->starts);
}
