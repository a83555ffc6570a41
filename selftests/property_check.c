// SPDX-License-Identifier: GPL-2.0-only
/*
 * property_check.c - does the module know what the kernel knows of a process that stands still?
 *
 * What should be comes from /proc/PID/maps, /proc/PID/stat, /proc/PID/pagemap
 * and the process itself, what is from the module's files.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "property.h"

static char message[1024];
static struct replay again;

static const char *differs(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static const char *differs(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return message;
}

/* Waits until it sleeps for its next step; its faults as getrusage(2) has them. */
static int64_t faults_at_rest(pid_t pid)
{
	char path[64], text[1024], *at;
	int64_t faults = 0;
	int i, field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (i = 0; i < 1000000; i++) {
		if (scope_read_path(path, text, sizeof(text)) < 0)
			return -ESRCH;
		at = strrchr(text, ')');
		if (at && at[2] == 'S')
			break;
		if (!at || at[2] == 'Z')
			return -ESRCH;
		sched_yield();
	}
	for (field = 2; field < 12; field++) {
		at = strchr(at + 1, ' ');
		if (field + 1 == 10 || field + 1 == 12)
			faults += strtoll(at + 1, NULL, 10);
	}
	return faults;
}

/* A number of the summary in scope_text; -1 if it has none of that name. */
static int64_t number(const char *name, int base)
{
	char value[64];

	if (scope_value(scope_text, name, value, sizeof(value)))
		return -1;
	return strtoull(value, NULL, base);
}

/* Does getrusage(2) of the process count it? Not what its vfork child did. */
static bool is_own_fault(const struct subject *subject, const struct step *step,
			 const struct brkscope_record *r)
{
	return r->kind == BRKSCOPE_FAULT && r->code != BRKSCOPE_FAILED &&
	       !(r->flags & BRKSCOPE_FAULT_REMOTE) &&
	       (r->tid == (uint32_t)subject->pid || (step && step->threads));
}

static const char *replay_more(struct subject *subject, const struct step *step,
			       const struct brkscope_record *records, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const struct brkscope_record *r = &records[i];

		if (r->seq != subject->next || r->kind == BRKSCOPE_LOST)
			return differs("record %llu of kind %u where %llu was due",
				       (unsigned long long)r->seq, r->kind,
				       (unsigned long long)subject->next);
		subject->next++;
		pages_record(&subject->told, r);
		if (r->kind == BRKSCOPE_BRK)
			subject->replayed_brk = r->brk.now;
		else if (r->kind == BRKSCOPE_EXEC)
			subject->replayed_brk = 0;
		subject->page_faults += is_own_fault(subject, step, r);
	}
	replay_records(&subject->replay, records, count);
	return NULL;
}

/* Records carry no file offsets. */
static const char *replayed_differs(const struct area_list *maps,
				    const struct replay *replay)
{
	static struct area_list want;
	const char *text;
	size_t i;

	if (*replay->error)
		return differs("replay: %s", replay->error);
	want.count = maps->count;
	memcpy(want.area, maps->area, maps->count * sizeof(*maps->area));
	for (i = 0; i < want.count; i++)
		want.area[i].offset = 0;
	text = areas_differ(&want, &replay->areas);
	return text ? differs("replay, %s", text) : NULL;
}

static const char *check_events(struct subject *subject, const struct step *step)
{
	ssize_t count = scope_drain(subject->events, scope_records, SCOPE_RECORDS);
	const char *wrong;

	if (count < 0)
		return differs("events.bin: %s", strerror(-count));
	wrong = replay_more(subject, step, scope_records, count);
	return wrong ?: replayed_differs(&subject->maps, &subject->replay);
}

static const char *check_mirror(struct subject *subject)
{
	int error = maps_read(subject->pid, &subject->maps);
	const char *text;

	if (!error)
		error = mirror_read(subject->pid, &scope_mirror);
	if (error)
		return differs("cannot read the areas: %s", strerror(-error));
	text = areas_differ(&subject->maps, &scope_mirror);
	return text ? differs("mirror, %s", text) : NULL;
}

/*
 * New memory may look just like the old, and then no record of an area tells.
 * Of threads nobody knows whether a page was there before the new memory or
 * after it; from then on too many pages count as told.
 */
static void forget_replaced(struct subject *subject, const struct step *step)
{
	const struct order *order = &step->order[0];
	uint64_t result = subject->last.result[0];

	if (step->threads)
		subject->told_too_many = true;
	else if (order->op == OP_MMAP && result < -4095ULL)
		pages_forget(&subject->told, result, result + order->arg[1]);
}

static const char *check_pages(struct subject *subject)
{
	int64_t held, untold, silent = number("pages_silent", 10);
	int error;

	pages_unmapped(&subject->told, &subject->maps);
	if (subject->told.full)
		return differs("more pages than the test can follow");
	error = pages_count(subject->pid, &subject->maps, &subject->told, &held,
			    &untold);
	if (error)
		return differs("pagemap: %s", strerror(-error));
	if (number("pages_held", 10) < 0)
		return NULL;
	if (number("pages_held", 10) != held)
		return differs("pages_held %lld, pagemap has %lld",
			       (long long)number("pages_held", 10),
			       (long long)held);
	if (subject->told_too_many ? silent < untold : silent != untold)
		return differs("pages_silent %lld, pagemap has %lld that no fault record told of",
			       (long long)silent, (long long)untold);
	return NULL;
}

static const char *check_summary(struct subject *subject, int64_t faults)
{
	int64_t elsewhere, counted;
	ssize_t got = scope_read(subject->pid, "summary");

	if (got < 0)
		return differs("summary: %s", strerror(-got));
	if (number("break_now", 16) != (int64_t)subject->last.brk)
		return differs("break_now %llx, sbrk(0) is %llx",
			       (unsigned long long)number("break_now", 16),
			       (unsigned long long)subject->last.brk);
	if (subject->replayed_brk && subject->replayed_brk != subject->last.brk)
		return differs("the break is %llx by its records, sbrk(0) is %llx",
			       (unsigned long long)subject->replayed_brk,
			       (unsigned long long)subject->last.brk);

	faults -= number("rusage_before", 10);
	counted = number("faults_rusage", 10);
	if (counted != faults)
		return differs("faults_rusage %lld, getrusage has %lld",
			       (long long)counted, (long long)faults);
	elsewhere = number("faults_elsewhere", 10);
	if (subject->page_faults + elsewhere != faults)
		return differs("%lld fault records + %lld elsewhere, getrusage has %lld",
			       (long long)subject->page_faults,
			       (long long)elsewhere, (long long)faults);
	return check_pages(subject);
}

/**
 * check_begin() - take what is before the first step
 * @subject: just watched, its events open, and waiting for a step
 */
void check_begin(struct subject *subject)
{
	replay_begin(&subject->replay, NULL);
	subject->next = 1;
	subject->replayed_brk = 0;
	subject->page_faults = 0;
	memset(&subject->told, 0, sizeof(subject->told));
	subject->told_too_many = false;
}

/**
 * check_now() - compare all that the module says with what is
 * @subject: who has just answered
 * @step: what it did, NULL if the watch has just begun
 *
 * Return: NULL, or what differs in words.
 */
const char *check_now(struct subject *subject, const struct step *step)
{
	int64_t faults = faults_at_rest(subject->pid);
	const char *wrong;

	if (faults < 0)
		return differs("the process has ended");
	if (step)
		forget_replaced(subject, step);
	wrong = check_mirror(subject);
	if (!wrong)
		wrong = check_events(subject, step);
	if (!wrong)
		wrong = check_summary(subject, faults);
	return wrong;
}

/**
 * check_from_start() - does a new reader of events.bin come to the same areas?
 * @subject: whose buffer has lost nothing
 *
 * Return: NULL, or what differs in words.
 */
const char *check_from_start(struct subject *subject)
{
	int fd = scope_events(subject->pid, NULL);
	uint64_t next = 1;
	ssize_t got, i;

	if (fd < 0)
		return differs("events.bin: %s", strerror(-fd));
	replay_begin(&again, NULL);
	while ((got = read(fd, scope_records, sizeof(scope_records))) > 0) {
		got /= sizeof(*scope_records);
		for (i = 0; i < got; i++)
			if (scope_records[i].seq != next++)
				break;
		if (i < got)
			break;
		replay_records(&again, scope_records, got);
	}
	close(fd);
	if (next != subject->next)
		return differs("a new reader came to record %llu, the old one to %llu",
			       (unsigned long long)next,
			       (unsigned long long)subject->next);
	return replayed_differs(&subject->maps, &again);
}
