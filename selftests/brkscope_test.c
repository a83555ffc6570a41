// SPDX-License-Identifier: GPL-2.0-only
/*
 * brkscope_test.c - how does a test speak with /proc/brkscope and with its child?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "brkscope_test.h"

struct brkscope_record scope_records[SCOPE_RECORDS];
char scope_text[SCOPE_TEXT];
struct area_list scope_maps, scope_mirror;
struct replay scope_replay;
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

	snprintf(path, sizeof(path), SCOPE_DIR "/%d/%s", pid, file);
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
 * scope_stat() - one numeric field of /proc/PID/stat
 * @pid: process
 * @field: its number as proc(5) counts, from 4
 *
 * Return: the number, or -errno.
 */
int64_t scope_stat(pid_t pid, int field)
{
	char path[64], *at;
	ssize_t got;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	got = scope_read_path(path, small_text, sizeof(small_text));
	if (got < 0)
		return got;
	at = strrchr(small_text, ')');
	for (i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoll(at + 1, NULL, 10) : -EPROTO;
}

/** scope_state() - the state letter of /proc/PID/stat, '?' if there is none */
char scope_state(pid_t pid)
{
	char path[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (scope_read_path(path, small_text, sizeof(small_text)) < 0)
		return '?';
	at = strrchr(small_text, ')');
	return at && at[1] ? at[2] : '?';
}

/* Minor + major faults as the kernel counts them. */
static int64_t kernels_count(pid_t pid)
{
	static struct rusage usage;

	if (pid != getpid())
		return scope_stat(pid, 10) + scope_stat(pid, 12);
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/**
 * scope_settled() - a number of a summary that reading it does not change
 * @pid: the watched process, which may be the caller
 * @name: of the number
 *
 * The caller's first readings may fault in code and buffers of the reader.
 *
 * Return: the number, or -errno; -EAGAIN if it never stands still.
 */
int64_t scope_settled(pid_t pid, const char *name)
{
	int64_t last = -1, now = scope_number(pid, name);
	int i;

	for (i = 0; i < 100 && now != last && now >= 0; i++) {
		last = now;
		now = scope_number(pid, name);
	}
	return now == last || now < 0 ? now : -EAGAIN;
}

/**
 * scope_miscounted() - how far is the module off the kernel's count of faults?
 * @pid: the watched process, which may be the caller
 *
 * The kernel's count is read between two equal readings of the module's, so
 * that both are of the same moment.
 *
 * Return: faults that the module tells beyond those of getrusage(2);
 * INT64_MIN if the numbers never stand still or cannot be read.
 */
int64_t scope_miscounted(pid_t pid)
{
	int64_t before, kernels, after;
	int i;

	for (i = 0; i < 100; i++) {
		before = scope_number(pid, "faults_rusage");
		kernels = kernels_count(pid);
		after = scope_number(pid, "faults_rusage");
		if (before >= 0 && before == after)
			return after + scope_number(pid, "rusage_before") -
			       kernels;
	}
	return INT64_MIN;
}

/**
 * scope_wait_state() - wait until a process is in a state
 * @pid: process
 * @state: letter as in /proc/PID/stat
 *
 * Return: false if it was not so for 20 seconds.
 */
bool scope_wait_state(pid_t pid, char state)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	for (i = 0; i < 2000; i++) {
		if (scope_state(pid) == state)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/**
 * scope_pagemap() - what /proc/self/pagemap says of one page
 * @address: in the page
 * @entry: where to: bit 63 present, bit 62 swapped, low bits the frame
 *
 * Return: 0 or -errno.
 */
int scope_pagemap(const void *address, uint64_t *entry)
{
	off_t at = (uintptr_t)address / scope_page_size() * sizeof(*entry);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = pread(fd, entry, sizeof(*entry), at);
	close(fd);
	return got == sizeof(*entry) ? 0 : -EIO;
}

/**
 * scope_area() - untouched private memory of small pages only
 * @pages: how many
 *
 * A page without access on either side keeps the kernel from merging it.
 *
 * Return: its start, or NULL.
 */
void *scope_area(size_t pages)
{
	size_t page = scope_page_size();
	char *area = mmap(NULL, (pages + 2) * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	area += page;
	if (mprotect(area, pages * page, PROT_READ | PROT_WRITE) ||
	    (madvise(area, pages * page, MADV_NOHUGEPAGE) && errno != EINVAL))
		return NULL;
	return area;
}

/**
 * child_start() - fork; the child dies with the caller
 *
 * Return: as fork(2).
 */
pid_t child_start(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/** child_stop_here() - in the child: stop until child_continue() */
void child_stop_here(void)
{
	kill(getpid(), SIGSTOP);
}

/** child_until_stopped() - wait until the child stops; 0, or -ECHILD if it ended */
int child_until_stopped(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return -ECHILD;
	return 0;
}

/** child_continue() - let a stopped child go on; 0 or -errno */
int child_continue(pid_t pid)
{
	return kill(pid, SIGCONT) ? -errno : 0;
}

/** child_end() - let the child go on to its end; its wait status or -errno */
int child_end(pid_t pid)
{
	int status;

	kill(pid, SIGCONT);
	return waitpid(pid, &status, 0) == pid ? status : -errno;
}
