// SPDX-License-Identifier: GPL-2.0-only
/*
 * summary.c - how much was asked for, obtained and touched, and is it all true?
 */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"

static void line(const char *what, u64 bytes, u64 of, const char *of_what)
{
	char human[UNIT_TEXT], exact[UNIT_TEXT], percent[UNIT_TEXT];

	printf("  %-34s %10s %17s B", what, bytes_text(human, bytes), count_text(exact, bytes));
	if (of_what)
		printf(" %8s %s", percent_text(percent, bytes, of), of_what);
	putchar('\n');
}

static void print_asked(const struct analysis *a)
{
	const struct asked *asked = &a->asked;
	char blocks[2 * UNIT_TEXT];

	if (!a->join.nr_starts) {
		printf("  asked of malloc: not recorded\n");
		return;
	}
	line("asked of malloc, live at the peak", asked->peak, 0, NULL);
	line("  in all calls", asked->total, 0, NULL);
	if (asked->live_blocks) {
		snprintf(blocks, sizeof(blocks), "  never freed (%llu block%s)",
			 asked->live_blocks, asked->live_blocks == 1 ? "" : "s");
		line(blocks, asked->live, asked->total, "of all asked");
	}
}

static void print_obtained(const struct analysis *a)
{
	const struct areas *m = &a->areas;
	u64 peak = m->heap.obtained.peak, total = m->heap.obtained.total;
	u64 touched = m->heap.touched.total;

	line("obtained for it, at the peak", peak, a->asked.peak,
	     a->join.nr_starts ? "of what was asked, live" : NULL);
	line("  by moving the break", m->heap.at_peak[ORIGIN_BREAK], peak, "of obtained");
	line("  by anonymous maps", m->heap.at_peak[ORIGIN_MALLOC], peak, "of obtained");
	line("  all ever, some given back", total, 0, NULL);
	line("ever touched", touched, total, "of all ever obtained");
	line("never touched", total - touched, total, "of all ever obtained");
	if (m->obtained[ORIGIN_OTHER].total) {
		line("other anonymous maps, at the peak", m->obtained[ORIGIN_OTHER].peak, 0, NULL);
		line("  ever touched", m->touched[ORIGIN_OTHER].total,
		     m->obtained[ORIGIN_OTHER].total, "of all of them");
	}
}

/* Of the whole process, its loading too. */
static void print_given(const struct analysis *a)
{
	u64 size = a->capture.header.page_size;
	u64 data = a->given[BRKSCOPE_PAGE_DATA], tables = a->given[BRKSCOPE_PAGE_TABLE];

	if (!data && !tables)
		return;
	line("physical pages given", (data + tables) * size, 0, NULL);
	line("  for data", data * size, (data + tables) * size, "of them");
	line("  for page tables", tables * size, (data + tables) * size, "of them");
}

/**
 * print_summary() - asked for, obtained, touched
 * @a: the analysis
 */
void print_summary(const struct analysis *a)
{
	print_heading("SUMMARY", "");
	print_asked(a);
	if (a->capture.kernel_header) {
		print_obtained(a);
		print_given(a);
	}
}

static void print_loss(const char *what, u64 count, const char *remedy)
{
	char text[UNIT_TEXT];

	printf("  %s%s %s%s%s\n", style_on(count ? STYLE_BAD : STYLE_GOOD),
	       count_text(text, count), what, count ? remedy : "", style_off());
}

static void print_checks(const char *text)
{
	enum style style;
	int length;

	for (; text && *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		style = !strncmp(text, "ok:", 3) ? STYLE_GOOD :
			!strncmp(text, "DIFFERS:", 8) ? STYLE_BAD : STYLE_FAINT;
		printf("  %s%.*s%s\n", style_on(style), length, text, style_off());
	}
}

/**
 * print_losses() - what is missing, and whether the kernel agrees
 * @a: the analysis
 */
void print_losses(const struct analysis *a)
{
	const struct capture *c = &a->capture;
	u64 dropped = 0, early = 0, missed = 0;

	print_heading("ACCOUNT", "");
	if (c->kernel_header) {
		print_loss("kernel records lost before they were read", a->lost,
			   ": --buffer SIZE makes room");
		if (text_value(c->text[CHUNK_LOSS], "missed", &missed, 10))
			print_loss("events missed by the module's hooks", missed, "");
	}
	if (text_value(c->text[CHUNK_RESULT], "calls_dropped", &dropped, 10))
		print_loss("malloc calls not recorded", dropped, ": --log-size SIZE makes room");
	if (text_value(c->text[CHUNK_RESULT], "calls_early", &early, 10) && early)
		print_loss("malloc calls before the recorder could attach", early, "");
	if (a->asked.unknown)
		print_loss("calls with a block whose malloc is not recorded", a->asked.unknown, "");
	print_checks(c->text[CHUNK_CHECKS]);
}
