// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeprint.c - how does the timeline look on the screen?
 */
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

/* The last of the columns: the area, and what made it happen. */
#define CAUSE_ROOM	128

static void relative_time(char *text, const struct timeline *t, u64 time)
{
	double us = ((double)time - (double)t->zero) / 1000;

	if (us < 10000)
		snprintf(text, UNIT_TEXT, "%.1f us", us);
	else if (us < 10000000)
		snprintf(text, UNIT_TEXT, "%.3f ms", us / 1000);
	else
		snprintf(text, UNIT_TEXT, "%.4f s", us / 1000000);
}

static void call_text(char *text, size_t room, const struct brkrecord_call *c)
{
	const char *name = call_name(c->op);
	char bytes[UNIT_TEXT];

	if (c->op == BRKRECORD_FREE)
		snprintf(text, room, "in %s(%llx)", name, (u64)c->old);
	else
		snprintf(text, room, "in %s(%s)", name,
			 c->size < 10000 ? count_text(bytes, c->size) :
					   bytes_text(bytes, c->size));
}

static void cause_text(char *text, const struct row *row)
{
	char some[UNIT_TEXT], all[UNIT_TEXT];

	if (row->in_calls == row->count && row->calls == 1)
		call_text(text, CAUSE_ROOM, row->call);
	else if (row->in_calls == row->count)
		snprintf(text, CAUSE_ROOM, "in %s malloc calls", count_text(some, row->calls));
	else if (row->in_calls)
		snprintf(text, CAUSE_ROOM, "%s of %s in malloc", count_text(some, row->in_calls),
			 count_text(all, row->count));
	else if (row->by)
		snprintf(text, CAUSE_ROOM, "by %s", row->by);
	else
		*text = 0;
}

static void area_text(char *text, const struct row *row)
{
	if (row->areas)
		snprintf(text, CAUSE_ROOM, "of files");
	else
		snprintf(text, CAUSE_ROOM, "%s", base_name(row->area));
}

static void range_text(char *text, const struct row *row)
{
	if (row->areas)
		*text = 0;
	else
		snprintf(text, 2 * UNIT_TEXT, "%llx-%llx", row->start, row->end);
}

static void size_text(char *text, const struct row *row)
{
	const char *sign = !row->signed_change || !row->change ? "" : row->change < 0 ? "-" : "+";
	char bytes[UNIT_TEXT];

	snprintf(text, UNIT_TEXT, "%s%s", sign, bytes_text(bytes, llabs(row->change)));
}

static void print_row(const struct timeline *t, const struct row *row)
{
	char time[UNIT_TEXT], range[2 * UNIT_TEXT], size[UNIT_TEXT], event[2 * UNIT_TEXT];
	char cause[CAUSE_ROOM], area[CAUSE_ROOM], count[UNIT_TEXT];

	relative_time(time, t, row->time);
	if (!row->kind) {
		printf("%12s  %s%s%s\n", time, style_on(row->style), row->by, style_off());
		return;
	}
	if (row->count > 1)
		snprintf(event, sizeof(event), "%s x%s", row->event,
			 count_text(count, row->count));
	else
		snprintf(event, sizeof(event), "%s", row->event);
	range_text(range, row);
	area_text(area, row);
	size_text(size, row);
	cause_text(cause, row);
	printf("%12s  %s%-18s%s %-25s %10s  %s%s%s", time, style_on(row->style), event,
	       style_off(), range, size, area, *area && *cause ? "  " : "", cause);
	if (row->tid != t->pid)
		printf("  [%u]", row->tid);
	putchar('\n');
}

static void print_gap(const struct timeline *t, size_t first, size_t end)
{
	u64 breaks = 0, changes = 0, faults = 0;
	char rows[UNIT_TEXT], a[UNIT_TEXT], b[UNIT_TEXT], c[UNIT_TEXT];
	size_t i;

	for (i = first; i < end; i++) {
		breaks += t->rows[i].kind == BRKSCOPE_BRK &&
			  t->rows[i].code != BRKSCOPE_BRK_REFUSED ? t->rows[i].count : 0;
		changes += t->rows[i].kind == BRKSCOPE_VMA ? t->rows[i].count : 0;
		faults += t->rows[i].kind == BRKSCOPE_FAULT ? t->rows[i].count : 0;
	}
	printf("%12s  %s%s rows left out: ", "...", style_on(STYLE_FAINT),
	       count_text(rows, end - first));
	printf("%s break moves, %s changes of areas, %s faults (--full)%s\n",
	       count_text(a, breaks), count_text(b, changes), count_text(c, faults), style_off());
}

/**
 * timeline_print() - print the rows
 * @t: the timeline
 * @limit: if there are more, leave out some in the middle; 0 for no limit
 */
void timeline_print(const struct timeline *t, size_t limit)
{
	size_t head = t->nr, tail = t->nr, i;

	if (limit && t->nr > limit) {
		head = limit - limit / 3;
		tail = t->nr - limit / 3;
	}
	printf("%s%12s  %-18s %-25s %10s  %s%s\n", style_on(STYLE_HEAD), "since exec", "event",
	       "addresses", "size", "area, cause", style_off());
	for (i = 0; i < head; i++)
		print_row(t, &t->rows[i]);
	if (head < tail)
		print_gap(t, head, tail);
	for (i = tail; i < t->nr; i++)
		print_row(t, &t->rows[i]);
}

/**
 * timeline_free() - give the rows back
 * @t: the timeline
 */
void timeline_free(struct timeline *t)
{
	size_t i;

	for (i = 0; i < t->nr; i++)
		if (!t->rows[i].kind)
			free((char *)t->rows[i].by);
	free(t->rows);
}
