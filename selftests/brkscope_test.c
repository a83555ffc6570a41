// SPDX-License-Identifier: GPL-2.0-only
/*
 * brkscope_test.c - how does a test speak with /proc/brkscope?
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "brkscope_test.h"

struct brkscope_record scope_records[SCOPE_RECORDS];
char scope_text[SCOPE_TEXT];
struct area_list scope_maps, scope_mirror;
struct replay scope_replay;
char scope_suffix[24];
const char *const scope_class_names[] = BRKSCOPE_FAULT_CLASS_NAMES;

static char small_text[16384];

/* Makes the stack as deep as any test needs, so that it does not grow later. */
static void __attribute__((noinline)) deepen_stack(void)
{
	char room[256 * 1024];

	memset(room, 1, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
}

/**
 * scope_prepare() - touch every buffer of this library and the stack
 *
 * Call it before the watch of the calling process begins: afterwards reading
 * the module's files makes neither a page fault nor a VMA change.
 */
void scope_prepare(void)
{
	deepen_stack();
	memset(scope_records, 1, sizeof(scope_records));
	memset(scope_text, 1, sizeof(scope_text));
	memset(small_text, 1, sizeof(small_text));
	memset(&scope_maps, 1, sizeof(scope_maps));
	memset(&scope_mirror, 1, sizeof(scope_mirror));
	memset(&scope_replay, 1, sizeof(scope_replay));
}

/** scope_page_size() - bytes of a page */
size_t scope_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/** scope_now() - CLOCK_MONOTONIC in nanoseconds, the clock of all records */
uint64_t scope_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/**
 * scope_seed() - the seed of a random test, printed so that it can be repeated
 * @test: name of the test
 *
 * Return: SEED from the environment, else a fresh number; never zero.
 */
uint64_t scope_seed(const char *test)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : scope_now();

	if (!seed)
		seed = 1;
	printf("# %s: SEED=%llu\n", test, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/**
 * scope_random() - the next random number (xorshift64*)
 * @state: the state, begun with a seed
 */
uint64_t scope_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL) >> 16;
}

/**
 * scope_control() - write one text to the control file
 * @format: printf format of what to write, its newline included
 *
 * Return: 0 if all was taken, the number of bytes taken if fewer, or -errno.
 */
int scope_control(const char *format, ...)
{
	char line[256];
	va_list args;
	ssize_t done;
	int length, fd;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	fd = open(SCOPE_DIR "/control", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = write(fd, line, length);
	if (done < 0)
		done = -errno;
	close(fd);
	return done == length ? 0 : done;
}

/** scope_watch() - watch @pid with the default buffer; returns 0 or -errno */
int scope_watch(pid_t pid)
{
	return scope_control("watch %d\n", pid);
}

/** scope_unwatch() - end the watch of @pid and forget it; returns 0 or -errno */
int scope_unwatch(pid_t pid)
{
	return scope_control("unwatch %d\n", pid);
}

/**
 * scope_open() - open a file of a watch
 * @pid: the watched process
 * @file: "summary", "events", ...
 * @flags: open(2) flags besides O_RDONLY
 *
 * Return: file descriptor or -errno.
 */
int scope_open(pid_t pid, const char *file, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), SCOPE_DIR "/%d%s/%s", pid, scope_suffix, file);
	fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got = 0;

	while (used < size - 1) {
		got = read(fd, text + used, size - 1 - used);
		if (got <= 0)
			break;
		used += got;
	}
	/* An event stream has no end before the process has. */
	got = got < 0 && errno != EAGAIN ? -errno : (ssize_t)used;
	text[used] = '\0';
	close(fd);
	if (used == size - 1)
		return -EOVERFLOW;
	return got;
}

/**
 * scope_read_path() - the whole of a text file
 * @path: which file
 * @text: where to
 * @size: bytes there
 *
 * Return: bytes without the final NUL, or -errno.
 */
ssize_t scope_read_path(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read_all(fd, text, size);
}

/**
 * scope_read() - the whole of a file of a watch into scope_text
 * @pid: the watched process
 * @file: "summary", "vmas", ...; events only if it never blocks
 *
 * Return: bytes, or -errno.
 */
ssize_t scope_read(pid_t pid, const char *file)
{
	int fd = scope_open(pid, file, O_NONBLOCK);

	return fd < 0 ? fd : read_all(fd, scope_text, sizeof(scope_text));
}

/**
 * scope_value() - the value of a `name: value` line
 * @text: the lines
 * @name: which
 * @value: where to
 * @size: bytes there
 *
 * Return: 0, or -ENOENT if there is no such line.
 */
int scope_value(const char *text, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	const char *line = text;

	while (line) {
		if (!strncmp(line, name, length) && line[length] == ':') {
			line += length + 1;
			line += strspn(line, " ");
			length = strcspn(line, "\n");
			if (length >= size)
				length = size - 1;
			memcpy(value, line, length);
			value[length] = '\0';
			return 0;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return -ENOENT;
}

static int64_t number_in(pid_t pid, const char *file, const char *name)
{
	int base = strncmp(name, "break_start", 11) &&
		   strncmp(name, "break_now", 9) &&
		   strncmp(name, "break_peak", 10) ? 10 : 16;
	char value[64], *end;
	int fd = scope_open(pid, file, 0);
	int64_t number;
	ssize_t got;

	if (fd < 0)
		return fd;
	got = read_all(fd, small_text, sizeof(small_text));
	if (got < 0)
		return got;
	if (scope_value(small_text, name, value, sizeof(value)))
		return -ENOENT;
	errno = 0;
	number = strtoll(value, &end, base);
	return errno || *end || end == value ? -EINVAL : number;
}

/**
 * scope_number() - one number of a summary
 * @pid: the watched process
 * @name: "faults", "break_now", ...
 *
 * Return: the number, or -errno (-ENOENT: no such line).
 */
int64_t scope_number(pid_t pid, const char *name)
{
	return number_in(pid, "summary", name);
}

/** scope_loss() - one number of the loss file of @pid, or -errno */
int64_t scope_loss(pid_t pid, const char *name)
{
	return number_in(pid, "loss", name);
}

/**
 * scope_events() - open the binary event stream, not blocking
 * @pid: the watched process
 * @header: its header, or NULL
 *
 * Return: file descriptor at the first record, or -errno.
 */
int scope_events(pid_t pid, struct brkscope_header *header)
{
	struct brkscope_header own;
	int fd = scope_open(pid, "events.bin", O_NONBLOCK);

	if (fd < 0)
		return fd;
	if (!header)
		header = &own;
	if (read(fd, header, sizeof(*header)) != sizeof(*header) ||
	    memcmp(header->magic, BRKSCOPE_MAGIC, sizeof(header->magic))) {
		close(fd);
		return -EPROTO;
	}
	return fd;
}

/**
 * scope_drain() - all records that are there now
 * @fd: from scope_events()
 * @records: where to
 * @room: how many fit
 *
 * Return: how many, or -errno; -ENOSPC if there were more than @room.
 */
ssize_t scope_drain(int fd, struct brkscope_record *records, size_t room)
{
	size_t count = 0;

	while (count < room) {
		ssize_t got = read(fd, records + count,
				   (room - count) * sizeof(*records));

		if (got == 0 || (got < 0 && errno == EAGAIN))
			return count;
		if (got < 0)
			return -errno;
		if (got % sizeof(*records))
			return -EPROTO;
		count += got / sizeof(*records);
	}
	return -ENOSPC;
}

/**
 * scope_tally() - add up what one reader got
 * @tally: of the reader; @next is the seq of its first record
 * @records: that came now
 * @count: how many
 */
void scope_tally(struct tally *tally, const struct brkscope_record *records,
		 size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (records[i].seq != tally->next)
			tally->wrong = true;
		if (records[i].kind == BRKSCOPE_LOST) {
			tally->gaps++;
			tally->lost += records[i].lost.count;
			tally->next = records[i].seq + records[i].lost.count;
			tally->wrong |= !records[i].lost.count;
		} else {
			tally->read++;
			tally->next = records[i].seq + 1;
		}
	}
}

/**
 * scope_tally_rest() - read all that is there and add it up
 * @tally: of the reader
 * @fd: from scope_events()
 *
 * Return: how many records came, or -errno.
 */
ssize_t scope_tally_rest(struct tally *tally, int fd)
{
	ssize_t count = scope_drain(fd, scope_records, SCOPE_RECORDS);

	if (count > 0)
		scope_tally(tally, scope_records, count);
	return count;
}

/**
 * scope_keep() - drop all records but those of one kind in a range
 * @records: the records, kept ones moved to the front
 * @count: how many
 * @kind: which kind to keep
 * @start: for faults: lowest address to keep
 * @end: for faults: first address above
 *
 * Return: how many are kept.
 */
size_t scope_keep(struct brkscope_record *records, size_t count, int kind,
		  uint64_t start, uint64_t end)
{
	size_t kept = 0, i;

	for (i = 0; i < count; i++) {
		if (records[i].kind != kind)
			continue;
		if (kind == BRKSCOPE_FAULT && (records[i].fault.addr < start ||
					       records[i].fault.addr >= end))
			continue;
		records[kept++] = records[i];
	}
	return kept;
}

/**
 * scope_faults() - the faults in a range since the stream was read last
 * @events: stream of the watch
 * @from: first address
 * @bytes: size of the range
 *
 * Return: how many, and they are at the front of scope_records; or -errno.
 */
ssize_t scope_faults(int events, const void *from, size_t bytes)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	if (count < 0)
		return count;
	return scope_keep(scope_records, count, BRKSCOPE_FAULT, (uintptr_t)from,
			  (uintptr_t)from + bytes);
}
