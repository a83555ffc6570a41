// SPDX-License-Identifier: GPL-2.0-only
/*
 * tables.c - which faults and which malloc calls were there, and how long did
 * they take?
 */
#include <stdlib.h>

#include "analysis.h"

static const char *const class_notes[BRKSCOPE_CLASSES] = {
	[BRKSCOPE_FIRST_WRITE]	= "a new zeroed page was given",
	[BRKSCOPE_FIRST_READ]	= "the shared zero page was mapped",
	[BRKSCOPE_UPGRADE]	= "own page instead of zero page",
	[BRKSCOPE_COW_COPY]	= "copy-on-write: copied",
	[BRKSCOPE_COW_REUSE]	= "copy-on-write: last one, kept",
	[BRKSCOPE_HUGE]		= "a huge page was mapped",
	[BRKSCOPE_FILE_MINOR]	= "of a file, found in memory",
	[BRKSCOPE_FILE_MAJOR]	= "of a file, read from the disk",
	[BRKSCOPE_SWAP_IN]	= "was in swap",
	[BRKSCOPE_SHARED]	= "of a shared mapping",
	[BRKSCOPE_WRITE_PROTECT] = "first write to a shared page",
	[BRKSCOPE_SPURIOUS]	= "was allowed already",
	[BRKSCOPE_FAILED]	= "could not be served",
};

/**
 * print_heading() - the heading of a part of the report
 * @title: in capitals
 * @note: what stands beside it, may be empty
 */
void print_heading(const char *title, const char *note)
{
	printf("\n%s%s%s%s%s\n", style_on(STYLE_HEAD), title, style_off(), *note ? "  " : "",
	       note);
}

static void print_times(const u64 *sorted, size_t nr, u64 total)
{
	char text[3][UNIT_TEXT];

	printf(" %9s %9s %9s", time_text(text[0], percentile(sorted, nr, 50)),
	       time_text(text[1], percentile(sorted, nr, 99)), time_text(text[2], total));
}

static void print_class(const struct analysis *a, unsigned int class)
{
	const struct latencies *l = &a->faults[class];
	char count[UNIT_TEXT], share[UNIT_TEXT];

	if (!l->nr)
		return;
	printf("  %s%-14s%s %10s %7s", style_on(class == BRKSCOPE_FAILED ? STYLE_BAD : STYLE_TOUCH),
	       class_name(class), style_off(), count_text(count, l->nr),
	       percent_text(share, l->nr, a->nr_faults));
	print_times(l->ns, l->nr, l->total);
	printf("   %s\n", class_notes[class]);
}

/**
 * print_faults() - the table of page faults by class
 * @a: the analysis
 */
void print_faults(const struct analysis *a)
{
	char count[UNIT_TEXT], total[UNIT_TEXT];
	unsigned int i;

	print_heading("PAGE FAULTS", "");
	printf("%s  %-14s %10s %7s %9s %9s %9s   %s%s\n", style_on(STYLE_FAINT), "class", "count",
	       "share", "median", "p99", "in all", "what the kernel did", style_off());
	for (i = 0; i < BRKSCOPE_CLASSES; i++)
		print_class(a, i);
	printf("  %-14s %10s %7s %9s %9s %9s\n", "all", count_text(count, a->nr_faults), "", "",
	       "", time_text(total, a->faults_ns));
	if (a->recorder_faults)
		printf("  %s%s more are of the malloc log itself and not counted here%s\n",
		       style_on(STYLE_FAINT), count_text(count, a->recorder_faults), style_off());
}

static void print_function(const struct call_stats *s, unsigned int op)
{
	char count[UNIT_TEXT], failed[UNIT_TEXT], bytes[UNIT_TEXT];
	u64 total = 0, i;

	if (!s->count)
		return;
	for (i = 0; i < s->count; i++)
		total += s->times[i];
	printf("  %-14s %10s %7s", call_name(op), count_text(count, s->count),
	       s->failed ? count_text(failed, s->failed) : "-");
	print_times(s->times, s->count, total);
	printf("   %10s\n", op == BRKRECORD_FREE ? "" : bytes_text(bytes, s->bytes));
}

/**
 * print_calls() - the table of malloc calls by function
 * @a: the analysis
 */
void print_calls(const struct analysis *a)
{
	unsigned int i;

	print_heading("MALLOC CALLS", "");
	printf("%s  %-14s %10s %7s %9s %9s %9s   %10s%s\n", style_on(STYLE_FAINT), "function",
	       "count", "failed", "median", "p99", "in all", "asked for", style_off());
	for (i = BRKRECORD_FIRST_CALL; i < BRKRECORD_OPS; i++)
		print_function(&a->asked.calls[i], i);
}
