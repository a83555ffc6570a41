// SPDX-License-Identifier: GPL-2.0-only
/*
 * brkscope_maps.c - do three tellers of a process's VMAs say the same?
 *
 * The kernel (/proc/PID/maps), the module's mirror (PID/vmas) and the event
 * records applied one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "brkscope_test.h"

static char maps_text[SCOPE_TEXT];
static char difference[768];

static unsigned int parse_perms(const char *perms)
{
	return (perms[0] == 'r' ? BRKSCOPE_PROT_READ : 0) |
	       (perms[1] == 'w' ? BRKSCOPE_PROT_WRITE : 0) |
	       (perms[2] == 'x' ? BRKSCOPE_PROT_EXEC : 0) |
	       (perms[3] == 's' ? BRKSCOPE_PROT_SHARED : 0);
}

/* Takes the rest of a line as a name; "-" says that there is none. */
static void parse_name(struct area *area, const char *text, bool dash)
{
	size_t length;

	text += strspn(text, " ");
	length = strcspn(text, "\n");
	if (dash && length == 1 && *text == '-')
		length = 0;
	if (length >= sizeof(area->name))
		length = sizeof(area->name) - 1;
	memcpy(area->name, text, length);
	area->name[length] = '\0';
}

static int parse_maps_line(const char *line, struct area *area)
{
	unsigned long long start, end, offset;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %*x:%*x %*u%n", &start, &end,
		   perms, &offset, &name) != 4 || !name)
		return -EPROTO;
	memset(area, 0, sizeof(*area));
	area->start = start;
	area->end = end;
	area->prot = parse_perms(perms);
	area->offset = offset;
	parse_name(area, line + name, false);
	return 0;
}

static int parse_mirror_line(const char *line, struct area *area)
{
	unsigned long long start, end, offset, touched, pages;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%16llx %16llx %4s %llu %llu %llx%n", &start, &end,
		   perms, &touched, &pages, &offset, &name) != 6 || !name)
		return -EPROTO;
	memset(area, 0, sizeof(*area));
	area->start = start;
	area->end = end;
	area->prot = parse_perms(perms);
	area->offset = offset;
	area->touched = touched;
	area->pages = pages;
	parse_name(area, line + name, true);
	return 0;
}

static int parse_lines(const char *text, struct area_list *list,
		       int (*parse)(const char *line, struct area *area))
{
	int error;

	list->count = 0;
	while (*text) {
		if (list->count == SCOPE_AREAS)
			return -ENOSPC;
		error = parse(text, &list->area[list->count]);
		if (error)
			return error;
		list->count++;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

/**
 * maps_read() - the VMAs as the kernel tells them
 * @pid: process
 * @list: where to
 *
 * Return: 0 or -errno.
 */
int maps_read(pid_t pid, struct area_list *list)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	got = scope_read_path(path, maps_text, sizeof(maps_text));
	if (got < 0)
		return got;
	got = parse_lines(maps_text, list, parse_maps_line);
	/* Shown after all others where the kernel has it, but no VMA of the process. */
	if (!got && list->count && !strcmp(list->area[list->count - 1].name, "[vsyscall]"))
		list->count--;
	return got;
}

/**
 * mirror_read() - the VMAs as the module tells them
 * @pid: watched process
 * @list: where to
 *
 * Return: 0 or -errno; -EPROTO if the text is not of version 1.
 */
int mirror_read(pid_t pid, struct area_list *list)
{
	static const char head[] =
		"brkscope vmas 1\nstart end perms touched_pages pages offset name";
	char *rows;
	ssize_t got = scope_read(pid, "vmas");

	if (got < 0)
		return got;
	if (strncmp(scope_text, head, sizeof(head) - 1))
		return -EPROTO;
	rows = strchr(scope_text + sizeof(head) - 1, '\n');
	if (!rows)
		return -EPROTO;
	return parse_lines(rows + 1, list, parse_mirror_line);
}

static void print_area(char *text, size_t size, const struct area_list *list,
		       size_t index)
{
	const struct area *area = &list->area[index];

	if (index >= list->count) {
		snprintf(text, size, "(nothing)");
		return;
	}
	snprintf(text, size, "%llx-%llx %c%c%c%c %llx '%s'",
		 (unsigned long long)area->start, (unsigned long long)area->end,
		 area->prot & BRKSCOPE_PROT_READ ? 'r' : '-',
		 area->prot & BRKSCOPE_PROT_WRITE ? 'w' : '-',
		 area->prot & BRKSCOPE_PROT_EXEC ? 'x' : '-',
		 area->prot & BRKSCOPE_PROT_SHARED ? 's' : 'p',
		 (unsigned long long)area->offset, area->name);
}

/**
 * areas_differ() - is one list the same as another?
 * @want: what should be
 * @seen: what is
 *
 * Return: NULL if they are equal, else the first difference in words.
 */
const char *areas_differ(const struct area_list *want,
			 const struct area_list *seen)
{
	char wanted[300], found[300];
	size_t i;

	for (i = 0; i < want->count || i < seen->count; i++) {
		const struct area *a = &want->area[i], *b = &seen->area[i];

		if (i < want->count && i < seen->count &&
		    a->start == b->start && a->end == b->end &&
		    a->prot == b->prot && a->offset == b->offset &&
		    !strcmp(a->name, b->name))
			continue;
		print_area(wanted, sizeof(wanted), want, i);
		print_area(found, sizeof(found), seen, i);
		snprintf(difference, sizeof(difference),
			 "line %zu: expected %s, seen %s", i + 1, wanted, found);
		return difference;
	}
	return NULL;
}

/**
 * mirror_differs() - is the module's mirror what the kernel says now?
 * @pid: a watched process that changes nothing meanwhile
 *
 * Return: NULL if it is, else the first difference in words.
 */
const char *mirror_differs(pid_t pid)
{
	int error = mirror_read(pid, &scope_mirror);

	if (!error)
		error = maps_read(pid, &scope_maps);
	if (error) {
		snprintf(difference, sizeof(difference), "cannot read: %s",
			 strerror(-error));
		return difference;
	}
	return areas_differ(&scope_maps, &scope_mirror);
}

/**
 * mirror_is_complete() - wait until the mirror has as many VMAs as maps
 * @pid: a watched process that changes nothing meanwhile
 *
 * After many new VMAs at once the module may need some time for more memory; the
 * records of some come then. Return: false if it takes forever.
 */
bool mirror_is_complete(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int i;

	if (maps_read(pid, &scope_maps))
		return false;
	for (i = 0; i < 1000; i++) {
		if (scope_number(pid, "vmas") == (int64_t)scope_maps.count)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/** area_at() - the area that holds an address, or NULL */
const struct area *area_at(const struct area_list *list, uint64_t address)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (address >= list->area[i].start && address < list->area[i].end)
			return &list->area[i];
	return NULL;
}

/**
 * replay_begin() - start a replay
 * @replay: the replay
 * @initial: the VMAs at that moment, NULL for none
 */
void replay_begin(struct replay *replay, const struct area_list *initial)
{
	memset(replay, 0, sizeof(*replay));
	if (initial)
		replay->areas = *initial;
}

static void replay_fail(struct replay *replay, const char *what,
			const struct brkscope_record *record)
{
	if (*replay->error)
		return;
	snprintf(replay->error, sizeof(replay->error),
		 "record %llu op %u %llx-%llx (was %llx-%llx): %s",
		 (unsigned long long)record->seq, record->code,
		 (unsigned long long)record->vma.start,
		 (unsigned long long)record->vma.end,
		 (unsigned long long)record->vma.old_start,
		 (unsigned long long)record->vma.old_end, what);
}

static struct area *replay_find(struct replay *replay, uint64_t start,
				uint64_t end)
{
	struct area_list *list = &replay->areas;
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->area[i].start == start && list->area[i].end == end)
			return &list->area[i];
	return NULL;
}

static void replay_remove(struct replay *replay, struct area *area)
{
	struct area_list *list = &replay->areas;
	size_t index = area - list->area;

	list->count--;
	memmove(area, area + 1, (list->count - index) * sizeof(*area));
}

/* Records carry a name as it is; maps writes a newline as \012. */
static void escape_name(struct area *area, const char *text)
{
	size_t used = 0;

	for (; *text && used < sizeof(area->name) - 4; text++) {
		if (*text == '\n')
			used += sprintf(area->name + used, "\\012");
		else
			area->name[used++] = *text;
	}
}

static void replay_insert(struct replay *replay,
			  const struct brkscope_record *record)
{
	struct area_list *list = &replay->areas;
	struct area *area;
	size_t index = 0;

	while (index < list->count &&
	       list->area[index].end <= record->vma.start)
		index++;
	area = &list->area[index];
	if (record->vma.start >= record->vma.end)
		return replay_fail(replay, "an empty range", record);
	if (index < list->count && area->start < record->vma.end)
		return replay_fail(replay, "overlaps what is there", record);
	if (list->count == SCOPE_AREAS)
		return replay_fail(replay, "more VMAs than the test can hold",
				   record);
	memmove(area + 1, area, (list->count - index) * sizeof(*area));
	list->count++;
	memset(area, 0, sizeof(*area));
	area->start = record->vma.start;
	area->end = record->vma.end;
	area->prot = record->vma.prot;
	if (record->vma.name < 1024)
		escape_name(area, replay->names[record->vma.name]);
}

static void replay_vma(struct replay *replay,
		       const struct brkscope_record *record)
{
	struct area *old = NULL;

	if (record->code != BRKSCOPE_VMA_ADD) {
		old = replay_find(replay, record->vma.old_start,
				  record->vma.old_end);
		if (!old)
			return replay_fail(replay, "no such old range", record);
		replay_remove(replay, old);
	}
	if (record->code != BRKSCOPE_VMA_REMOVE)
		replay_insert(replay, record);
}

static void replay_name(struct replay *replay,
			const struct brkscope_record *record)
{
	size_t room = sizeof(replay->names[0]) - 1, length;

	if (record->name.id >= 1024 || record->name.offset >= room)
		return;
	length = record->name.length - record->name.offset;
	if (length > BRKSCOPE_NAME_CHUNK)
		length = BRKSCOPE_NAME_CHUNK;
	if (length > room - record->name.offset)
		length = room - record->name.offset;
	memcpy(replay->names[record->name.id] + record->name.offset,
	       record->name.text, length);
	replay->names[record->name.id][record->name.offset + length] = '\0';
}

/**
 * replay_names() - learn the names that records carry, apply nothing else
 * @replay: the replay
 * @records: from the first of the watch on
 * @count: how many
 */
void replay_names(struct replay *replay,
		  const struct brkscope_record *records, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (records[i].kind == BRKSCOPE_NAME)
			replay_name(replay, &records[i]);
}

/**
 * replay_records() - apply records to the set
 * @replay: the replay; its error tells what could not be
 * @records: in the order of seq
 * @count: how many
 */
void replay_records(struct replay *replay,
		    const struct brkscope_record *records, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (records[i].kind == BRKSCOPE_NAME)
			replay_name(replay, &records[i]);
		else if (records[i].kind == BRKSCOPE_VMA)
			replay_vma(replay, &records[i]);
		else if (records[i].kind == BRKSCOPE_EXEC)
			replay->areas.count = 0;
	}
}

/**
 * replay_from_here() - begin a replay in scope_replay with the VMAs as they are
 * @pid: a watched process that changes nothing meanwhile
 * @events: its events.bin, opened before anything was read
 *
 * Return: NULL, else in words why not.
 */
const char *replay_from_here(pid_t pid, int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);
	int error = count < 0 ? count : maps_read(pid, &scope_maps);

	if (error) {
		snprintf(difference, sizeof(difference), "cannot read: %s",
			 strerror(-error));
		return difference;
	}
	replay_begin(&scope_replay, &scope_maps);
	replay_names(&scope_replay, scope_records, count);
	return NULL;
}

/**
 * replay_differs() - do the records since then lead to the VMAs of now?
 * @pid: a watched process that changes nothing meanwhile
 * @events: as for replay_from_here()
 * @count: gets how many records there were; they are in scope_records
 *
 * Reads nothing that makes the module look for itself. Return: NULL if they do,
 * else the first difference in words.
 */
const char *replay_differs(pid_t pid, int events, ssize_t *count)
{
	size_t i;
	int error;

	*count = scope_drain(events, scope_records, SCOPE_RECORDS);
	error = *count < 0 ? *count : maps_read(pid, &scope_maps);
	if (error) {
		snprintf(difference, sizeof(difference), "cannot read: %s",
			 strerror(-error));
		return difference;
	}
	replay_records(&scope_replay, scope_records, *count);
	if (*scope_replay.error)
		return scope_replay.error;
	/* Records carry no file offset. */
	for (i = 0; i < scope_maps.count; i++)
		scope_maps.area[i].offset = 0;
	for (i = 0; i < scope_replay.areas.count; i++)
		scope_replay.areas.area[i].offset = 0;
	return areas_differ(&scope_maps, &scope_replay.areas);
}
