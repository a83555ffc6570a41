// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - how does a call get into the log?
 *
 * The log is mapped on the first call for which the environment is known (or
 * in the constructor, whichever comes first). From then on a call takes the
 * next slot of its thread's chunk, and one atomic add when the chunk is full.
 *
 * Whether this process records is kept in a page that the kernel wipes in
 * every child that gets a copy of the memory (MADV_WIPEONFORK): after a fork,
 * by whatever function, the child finds zeroes there and leaves the log alone.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static_assert(sizeof(struct brkrecord_call) == 64, "a record is one cache line");
static_assert(BRKRECORD_CHUNK % sizeof(struct brkrecord_call) == 0, "whole records");

/* Lives in the page that is wiped on fork. */
struct own {
	struct brkrecord_header *log;
	__u64 size;
};

static struct own *own;		/* set once, by attach() */
static unsigned int early;	/* calls before that */

enum { DETACHED, ATTACHING, SETTLED };
static int state = DETACHED;

static __thread struct {
	struct brkrecord_call *next;
	struct brkrecord_call *end;
	__u32 tid;
	__u32 depth;
} self __attribute__((tls_model("initial-exec")));

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct brkrecord_header *recording(void)
{
	struct own *o = __atomic_load_n(&own, __ATOMIC_ACQUIRE);

	return likely(o) ? o->log : NULL;
}

static struct brkrecord_call *take_slot(struct brkrecord_header *log)
{
	__u64 at;

	if (self.next == self.end) {
		at = __atomic_fetch_add(&log->cursor, BRKRECORD_CHUNK, __ATOMIC_RELAXED);
		if (at + BRKRECORD_CHUNK > own->size) {
			__atomic_fetch_add(&log->dropped, 1, __ATOMIC_RELAXED);
			return NULL;
		}
		self.next = (void *)((char *)log + at);
		self.end = (void *)((char *)self.next + BRKRECORD_CHUNK);
	}
	return self.next++;
}

static void write_record(struct brkrecord_header *log, const struct brkrecord_call *call)
{
	struct brkrecord_call *slot = take_slot(log);

	if (unlikely(!slot))
		return;
	if (unlikely(!self.tid))
		self.tid = syscall(SYS_gettid);
	slot->enter = call->enter;
	slot->exit = call->exit;
	slot->tid = self.tid;
	slot->error = call->error;
	slot->size = call->size;
	slot->extra = call->extra;
	slot->result = call->result;
	slot->old = call->old;
	slot->caller = call->caller;
	__atomic_store_n(&slot->op, call->op, __ATOMIC_RELEASE);
}

static void write_mark(struct brkrecord_header *log, __u16 op)
{
	struct brkrecord_call mark = { .op = op, .enter = now_ns() };

	if (op == BRKRECORD_START) {
		mark.old = (uintptr_t)own;
		mark.caller = (uintptr_t)log;
		mark.size = own->size;
	}
	mark.result = syscall(SYS_brk, 0);
	mark.exit = now_ns();
	write_record(log, &mark);
}

static bool header_fits(int fd, struct brkrecord_header *h)
{
	struct stat st;

	return pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
	       !memcmp(h->magic, BRKRECORD_MAGIC, sizeof(h->magic)) &&
	       h->version == BRKRECORD_VERSION &&
	       h->record_size == sizeof(struct brkrecord_call) &&
	       h->pid == (__u32)getpid() &&
	       !fstat(fd, &st) && h->size >= BRKRECORD_DATA &&
	       h->size <= (__u64)st.st_size;
}

static struct own *map_own_page(void)
{
	size_t length = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, length, MADV_WIPEONFORK)) {
		munmap(page, length);
		return NULL;
	}
	return page;
}

/* Without a log that fits there is nothing to do, and nobody to tell. */
static void attach(const char *path)
{
	struct brkrecord_header h, *log;
	struct own *page;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!header_fits(fd, &h))
		goto close;
	log = mmap(NULL, h.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (log == MAP_FAILED)
		goto close;
	page = map_own_page();
	if (!page) {
		munmap(log, h.size);
		goto close;
	}
	page->log = log;
	page->size = h.size;
	__atomic_fetch_add(&log->attached, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&log->early, early, __ATOMIC_RELAXED);
	__atomic_store_n(&own, page, __ATOMIC_RELEASE);
	write_mark(log, BRKRECORD_START);
close:
	close(fd);
}

static void settle(void)
{
	int expected = DETACHED;
	int saved = errno;
	const char *path;

	/* before the C library's own start there is no environment to ask */
	if (!environ || !__atomic_compare_exchange_n(&state, &expected, ATTACHING, false,
						     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		__atomic_fetch_add(&early, 1, __ATOMIC_RELAXED);
		return;
	}
	path = getenv(BRKRECORD_ENV);
	if (path)
		attach(path);
	__atomic_store_n(&state, SETTLED, __ATOMIC_RELEASE);
	errno = saved;
}

/**
 * log_begin() - a function of ours was entered
 * @call: gets the time; the caller fills in the rest before log_end()
 *
 * What an allocator does inside one of its own functions by calling another is
 * not logged: only the outermost call is what the program asked for.
 *
 * Return: whether to log; hand it to log_end()
 */
bool log_begin(struct brkrecord_call *call)
{
	if (self.depth++)
		return false;
	if (unlikely(__atomic_load_n(&state, __ATOMIC_ACQUIRE) != SETTLED))
		settle();
	if (!recording())
		return false;
	call->enter = now_ns();
	return true;
}

/**
 * log_end() - the function is about to return
 * @call: the finished record but for its exit time
 * @logged: what log_begin() said
 */
void log_end(struct brkrecord_call *call, bool logged)
{
	struct brkrecord_header *log;

	if (logged) {
		call->exit = now_ns();
		log = recording();
		if (log)
			write_record(log, call);
	}
	self.depth--;
}

static void __attribute__((constructor)) begin(void)
{
	next_ready();
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != SETTLED) {
		self.depth++;
		settle();
		self.depth--;
	}
}

static void __attribute__((destructor)) finish(void)
{
	struct brkrecord_header *log = recording();

	if (log)
		write_mark(log, BRKRECORD_END);
}
