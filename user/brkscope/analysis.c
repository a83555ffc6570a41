// SPDX-License-Identifier: GPL-2.0-only
/*
 * analysis.c - what do the two logs tell when they are put together?
 *
 * Goes through the kernel's records once, in order, and hands each to those
 * who replay or count, together with the malloc call that caused it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "analysis.h"

#define LOG_NAME	"/memfd:brkrecord"	/* see calllog_create() */

/* The malloc log and the page beside it are ours, not the program's doing. */
static bool is_recorders(const struct analysis *a, u64 address, unsigned int name)
{
	size_t i;

	if (!strncmp(names_text(&a->names, name), LOG_NAME, strlen(LOG_NAME)))
		return true;
	for (i = 0; i < a->join.nr_starts; i++)
		if (address - a->join.starts[i]->old < a->areas.page_size)
			return true;
	return false;
}

static bool skip_recorders(struct analysis *a, const struct brkscope_record *r)
{
	bool fault = r->kind == BRKSCOPE_FAULT;
	bool ours = fault ? is_recorders(a, r->fault.addr, r->fault.name) :
		    r->kind == BRKSCOPE_VMA &&
		    is_recorders(a, r->code == BRKSCOPE_VMA_REMOVE ? r->vma.old_start :
				 r->vma.start, r->vma.name);

	a->recorder_events += ours;
	a->recorder_faults += ours && fault;
	return ours;
}

static enum origin origin_of(const struct analysis *a, const struct brkscope_record *r,
			     const char *name, const struct brkrecord_call *call)
{
	const struct brkrecord_call *start;

	if (r->vma.prot & BRKSCOPE_PROT_SHARED ||
	    r->vma.attr & (BRKSCOPE_ATTR_FILE | BRKSCOPE_ATTR_SPECIAL | BRKSCOPE_ATTR_GROWSDOWN))
		return ORIGIN_NONE;
	if (r->vma.cause == SYS_brk)
		return ORIGIN_BREAK;
	if (!strncmp(name, "[stack", 6) || !strcmp(name, "[heap]"))
		return ORIGIN_NONE;
	if (call)
		return ORIGIN_MALLOC;
	/* until the recorder attaches it is the dynamic linker that maps */
	start = join_start_after(&a->join, r->time);
	if (start && start == join_start_after(&a->join, a->timeline.load_began))
		return ORIGIN_NONE;
	return r->vma.cause == SYS_execve || r->vma.cause < 0 ? ORIGIN_NONE : ORIGIN_OTHER;
}

static void count_fault(struct analysis *a, const struct brkscope_record *r)
{
	struct latencies *l;

	if (r->code >= BRKSCOPE_CLASSES)
		return;
	l = &a->faults[r->code];
	l->ns = grow_array(l->ns, l->nr, &l->room, sizeof(*l->ns));
	l->ns[l->nr++] = r->fault.latency;
	l->total += r->fault.latency;
	a->nr_faults++;
	a->faults_ns += r->fault.latency;
}

static void take_event(struct analysis *a, const struct brkscope_record *r)
{
	const struct brkrecord_call *call = join_find(&a->join, r->tid, r->time);
	const char *name;

	switch (r->kind) {
	case BRKSCOPE_NAME:
		names_take(&a->names, r);
		return;
	case BRKSCOPE_FAULT:
		areas_fault(&a->areas, r);
		count_fault(a, r);
		break;
	case BRKSCOPE_VMA:
		name = names_text(&a->names, r->vma.name);
		areas_change(&a->areas, r, name, origin_of(a, r, name, call));
		break;
	case BRKSCOPE_EXEC:
		areas_exec(&a->areas);
		break;
	case BRKSCOPE_PAGE:
		if (r->code < BRKSCOPE_PAGE_USES && r->page.order < 32)
			a->given[r->code] += 1ULL << r->page.order;
		break;
	case BRKSCOPE_LOST:
		a->lost += r->lost.count;
		break;
	}
	timeline_add(&a->timeline, r, call);
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/**
 * analysis_make() - put together what the file holds
 * @a: the analysis, its @capture opened and all else zero
 * @full: leave nothing out of the timeline
 */
void analysis_make(struct analysis *a, bool full)
{
	const struct capture *c = &a->capture;
	size_t i;

	join_init(&a->join, c);
	asked_count(&a->asked, c);
	areas_init(&a->areas, c->header.page_size);
	a->timeline.full = full;
	a->timeline.pid = c->header.pid;
	a->timeline.page_size = c->header.page_size;
	a->timeline.names = &a->names;
	a->timeline.join = &a->join;
	a->timeline.areas = &a->areas;
	for (i = 0; i < c->nr_events; i++)
		if (!skip_recorders(a, c->events[i]))
			take_event(a, c->events[i]);
	areas_close_group(&a->areas);
	for (i = 0; i < BRKSCOPE_CLASSES; i++)
		if (a->faults[i].nr)
			qsort(a->faults[i].ns, a->faults[i].nr, sizeof(u64), by_value);
}

/**
 * analysis_free() - give everything back, the capture too
 * @a: the analysis
 */
void analysis_free(struct analysis *a)
{
	size_t i;

	timeline_free(&a->timeline);
	areas_free(&a->areas);
	asked_free(&a->asked);
	join_free(&a->join);
	names_free(&a->names);
	for (i = 0; i < BRKSCOPE_CLASSES; i++)
		free(a->faults[i].ns);
	capture_close(&a->capture);
}

/**
 * percentile() - the value that so many per cent do not exceed
 * @sorted: values in ascending order
 * @nr: how many
 * @percent: 1 to 100
 *
 * Return: the value (nearest rank), 0 of none
 */
u64 percentile(const u64 *sorted, size_t nr, unsigned int percent)
{
	size_t rank = (nr * percent + 99) / 100;

	return nr ? sorted[rank ? rank - 1 : 0] : 0;
}
