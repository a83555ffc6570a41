// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - does the module say what the kernel says?
 *
 * The texts of both sides are taken while the program is held at its end: its
 * memory is complete and nobody changes it. Each comparison gives a line of
 * verdict with both numbers in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Fields of /proc/PID/stat, numbered as in proc(5). */
#define STAT_MINFLT	10
#define STAT_CMINFLT	11
#define STAT_MAJFLT	12
#define STAT_CMAJFLT	13
#define STAT_START_BRK	47

#define ENDS_A_WORD	"\n "

enum verdict { OK, DIFFERS, NOT_MADE };

__printf(3, 4)
static void judge(struct checks *c, enum verdict v, const char *format, ...)
{
	static const char *const names[] = { "ok", "DIFFERS", "not made" };
	char *old = c->verdicts, *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die("out of memory");
	va_end(args);
	c->verdicts = xasprintf("%s%s: %s\n", old ? old : "", names[v], text);
	c->failed += v == DIFFERS;
	free(text);
	free(old);
}

static void cannot(struct checks *c, const char *what)
{
	judge(c, NOT_MADE, "%s", what);
	c->failed++;
}

static char *proc_text(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return read_text(path);
}

/**
 * checks_take() - take the texts of both sides
 * @c: gets them
 * @w: a watch whose program is held at its end, its other threads gone
 */
void checks_take(struct checks *c, const struct watch *w)
{
	c->maps = proc_text(w->pid, "maps");
	c->vmas = watch_text(w, "vmas");
	c->stat = proc_text(w->pid, "stat");
	c->summary = watch_text(w, "summary");
}

static bool stat_field(const char *stat, int number, u64 *value)
{
	const char *at = stat ? strrchr(stat, ')') : NULL;
	int field;

	for (field = 2; at && field < number; field++) {
		at = strchr(at + 1, ' ');
		if (!at)
			return false;
	}
	return at && sscanf(at, " %llu", value) == 1;
}

struct area {
	u64		start;
	u64		end;
	char		perms[8];
	const char	*name;
	int		name_length;
};

static bool same_area(const struct area *a, const struct area *b)
{
	return a->start == b->start && a->end == b->end && !strcmp(a->perms, b->perms) &&
	       a->name_length == b->name_length && !memcmp(a->name, b->name, a->name_length);
}

static void set_name(struct area *a, const char *name)
{
	a->name = name;
	a->name_length = strcspn(name, "\n");
	if (a->name_length == 1 && *name == '-')
		a->name_length = 0;
}

/*
 * Both texts have one area a line: @before words stand between the permissions
 * and the name. Lines without a range (the module's heads) are passed over, and
 * so is [vsyscall], which is no memory of the process.
 */
static const char *next_area(const char *text, int before, struct area *a)
{
	const char *line;
	int used, words;

	for (line = text; line && *line; line = text) {
		text = strchr(line, '\n');
		text = text ? text + 1 : line + strlen(line);
		if (sscanf(line, "%llx%*[- ]%llx %7s%n", &a->start, &a->end, a->perms, &used) != 3)
			continue;
		line += used;
		for (words = 0; words < before; words++) {
			line += strspn(line, " ");
			line += strcspn(line, ENDS_A_WORD);
		}
		set_name(a, line + strspn(line, " "));
		if (a->name_length != 10 || memcmp(a->name, "[vsyscall]", 10))
			return text;
	}
	return NULL;
}

#define MAPS_WORDS	3	/* offset, device, inode */
#define VMAS_WORDS	3	/* touched_pages, pages, offset */

static char *area_text(const struct area *a, bool there)
{
	if (!there)
		return xstrdup("nothing");
	return xasprintf("%llx-%llx %s %.*s", a->start, a->end, a->perms,
			 a->name_length, a->name);
}

static void check_maps(struct checks *c)
{
	const char *m = c->maps, *v = c->vmas;
	struct area kernel, module;
	char *ours, *theirs;
	int areas = 0;

	while (1) {
		m = next_area(m, MAPS_WORDS, &kernel);
		v = next_area(v, VMAS_WORDS, &module);
		if (!m && !v)
			break;
		if (!m || !v || !same_area(&kernel, &module)) {
			theirs = area_text(&kernel, m);
			ours = area_text(&module, v);
			judge(c, DIFFERS,
			      "memory areas after the first %d: /proc/PID/maps has %s, the module has %s",
			      areas, theirs, ours);
			free(theirs);
			free(ours);
			return;
		}
		areas++;
	}
	if (areas)
		judge(c, OK, "memory areas: all %d as in /proc/PID/maps", areas);
	else
		cannot(c, "memory areas: no text of either side has any");
}

/* The heap may be split into several areas: its end is that of the last. */
static u64 heap_end(const char *maps)
{
	struct area a;
	u64 end = 0;

	while ((maps = next_area(maps, MAPS_WORDS, &a)))
		if (a.name_length == 6 && !memcmp(a.name, "[heap]", 6))
			end = a.end;
	return end;
}

static void check_break_areas(struct checks *c, u64 page_size)
{
	u64 start, now, kernel_start, end, rounded;

	if (!text_value(c->summary, "break_start", &start, 16) ||
	    !text_value(c->summary, "break_now", &now, 16) ||
	    !stat_field(c->stat, STAT_START_BRK, &kernel_start)) {
		cannot(c, "break: the module's or the kernel's text lacks it");
		return;
	}
	judge(c, start == kernel_start ? OK : DIFFERS,
	      "break at the start: %llx, /proc/PID/stat has %llx", start, kernel_start);
	end = heap_end(c->maps);
	rounded = (now + page_size - 1) & -page_size;
	if (!end)
		judge(c, now == start ? OK : DIFFERS, "break at the end: %llx with no [heap]", now);
	else
		judge(c, rounded == end ? OK : DIFFERS,
		      "break at the end: %llx, [heap] ends at %llx", now, end);
}

/* Where the recorded moves put the break at a moment. */
static u64 break_at(const struct watch *w, u64 start, u64 time)
{
	u64 now = start;
	size_t i;

	for (i = 0; i < w->nr_moves && w->moves[i].time <= time; i++)
		now = w->moves[i].now;
	return now;
}

static void check_break_calls(struct checks *c, const struct watch *w, const struct calllog *log)
{
	u64 start, at_end;

	if (log->end.op == BRKRECORD_NONE || !text_value(c->summary, "break_start", &start, 16)) {
		judge(c, NOT_MADE,
		      "break as the program itself sees it: it did not end by exit(3) with libbrkrecord.so in it");
		return;
	}
	if (w->lost) {
		judge(c, NOT_MADE,
		      "break as the program itself sees it: moves may be among the lost records");
		return;
	}
	at_end = break_at(w, start, log->end.enter);
	judge(c, at_end == log->end.result ? OK : DIFFERS,
	      "break as the program itself sees it: %llx by the moves, sbrk(0) says %llx",
	      at_end, (u64)log->end.result);
}

static bool module_faults(const char *summary, u64 *faults)
{
	u64 before;

	if (!text_value(summary, "faults_rusage", faults, 10) ||
	    !text_value(summary, "rusage_before", &before, 10))
		return false;
	*faults += before;
	return true;
}

static void check_faults_stat(struct checks *c)
{
	u64 faults, minor, major;

	if (!module_faults(c->summary, &faults) ||
	    !stat_field(c->stat, STAT_MINFLT, &minor) ||
	    !stat_field(c->stat, STAT_MAJFLT, &major)) {
		cannot(c, "faults: the module's or the kernel's text lacks them");
		return;
	}
	judge(c, faults == minor + major ? OK : DIFFERS,
	      "faults before the end: %llu, /proc/PID/stat has %llu minor + %llu major",
	      faults, minor, major);
}

/* wait4() adds what the program's own children used, once it waited for them. */
static void check_faults_rusage(struct checks *c, const struct program *p, const char *summary)
{
	u64 faults, minor, major;

	if (!module_faults(summary, &faults) ||
	    !stat_field(c->stat, STAT_CMINFLT, &minor) ||
	    !stat_field(c->stat, STAT_CMAJFLT, &major)) {
		cannot(c, "faults: the module's last summary lacks them");
		return;
	}
	minor = p->usage.ru_minflt - minor;
	major = p->usage.ru_majflt - major;
	judge(c, faults == minor + major ? OK : DIFFERS,
	      "faults in all: %llu, getrusage has %llu minor + %llu major",
	      faults, minor, major);
}

static void check_account(struct checks *c, const struct watch *w, const char *summary)
{
	u64 seen, faults;

	if (!w->ended || !text_value(summary, "events_seen", &seen, 10) ||
	    !text_value(summary, "faults", &faults, 10)) {
		cannot(c, "account of events: the stream did not end, or no summary");
		return;
	}
	judge(c, seen == w->records + w->lost ? OK : DIFFERS,
	      "events: %llu seen = %llu delivered + %llu lost", seen, w->records, w->lost);
	if (!w->lost)
		judge(c, faults == w->faults ? OK : DIFFERS,
		      "faults recorded: %llu by the summary, %llu delivered", faults, w->faults);
}

/**
 * checks_judge() - compare all that can be compared
 * @c: the texts, if checks_take() could be called; gets the verdicts
 * @w: the watch, drained to its end
 * @p: the program, ended
 * @log: its malloc log, drained to its end
 * @final_summary: the module's summary now
 */
void checks_judge(struct checks *c, const struct watch *w, const struct program *p,
		  const struct calllog *log, const char *final_summary)
{
	u64 page_size;

	if (!c->maps || !c->vmas || !c->summary || !c->stat) {
		cannot(c, "memory areas, break, faults: the program could not be held at its end");
	} else {
		if (!text_value(c->summary, "page_size", &page_size, 10))
			page_size = 4096;
		check_maps(c);
		check_break_areas(c, page_size);
		check_break_calls(c, w, log);
		check_faults_stat(c);
		check_faults_rusage(c, p, final_summary);
	}
	check_account(c, w, final_summary);
}

/**
 * checks_free() - give back the texts
 * @c: the checks
 */
void checks_free(struct checks *c)
{
	free(c->verdicts);
	free(c->vmas);
	free(c->maps);
	free(c->summary);
	free(c->stat);
	memset(c, 0, sizeof(*c));
}
