// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump.c - how does the heap get into a file, for others to look at?
 *
 * BRKMALLOC_DUMP=PATH has the heap written there when the program ends by exit(), and
 * BRKMALLOC_DUMP_SIGNAL=NAME whenever that signal comes. The format is told in
 * brkmalloc(3).
 *
 * A signal may come while this thread or another is changing the heap and holds a
 * lock. The handler cannot wait for that. It leaves a note and tries all locks: if
 * it gets them, it writes the dump. If not, then whoever holds one sees the note when
 * he releases it, and does the same. So the dump comes as soon as the heap is at
 * rest, and there is never a wait. Nothing here allocates, or calls what may.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "dump.h"
#include "guard.h"
#include "large.h"
#include "stock.h"
#include "table.h"
#include "walk.h"

#define EXIT_TRIES	1000	/* each a millisecond, for locks that others hold */

/**
 * struct out - a file that is being written
 * @fd: it
 * @error: errno of the first write that failed
 * @lines: so far
 * @used: bytes in @buffer
 * @buffer: not yet written
 */
struct out {
	int	fd;
	int	error;
	size_t	lines;
	size_t	used;
	char	buffer[2048];
};

static char pattern[LINE_MAX_BYTES];
static int signal_number;
static size_t dumps;		/* so far, by whoever has all locks */
static pid_t wanted_by;		/* the note: the process that got the signal, or zero */

static void flush(struct out *out)
{
	size_t done = 0;
	ssize_t n;

	while (done < out->used && !out->error) {
		n = write(out->fd, out->buffer + done, out->used - done);
		if (n > 0)
			done += n;
		else if (errno != EINTR)
			out->error = errno;
	}
	out->used = 0;
}

__printf(2, 3)
static void print(struct out *out, const char *format, ...)
{
	struct line line = { .length = 0 };
	va_list args;

	va_start(args, format);
	line_format(&line, format, args);
	va_end(args);
	line.text[line.length++] = '\n';
	if (out->used + line.length > sizeof(out->buffer))
		flush(out);
	memcpy(out->buffer + out->used, line.text, line.length);
	out->used += line.length;
	out->lines++;
}

static void print_block(struct out *out, const struct brkmalloc_block *block,
			const char *state)
{
	if (block->arena == BRKMALLOC_NO_ARENA)
		print(out, "block %p %zu %s - %zu", block->data, block->size, state,
		      block->requested);
	else
		print(out, "block %p %zu %s %zu %zu", block->data, block->size, state,
		      (size_t)block->arena, block->requested);
}

static int print_visited(const struct brkmalloc_block *block, void *arg)
{
	static const char *const states[] = {
		[BRKMALLOC_USED] = "used",
		[BRKMALLOC_FREE] = "free",
		[BRKMALLOC_TOP] = "top",
		[BRKMALLOC_CACHED] = "cached",
		[BRKMALLOC_MAPPED] = "mapped",
		[BRKMALLOC_KEPT] = "kept",
	};

	print_block(arg, block, states[block->state]);
	return 0;
}

static void print_region(struct out *out, const struct heap *heap, struct region *region)
{
	struct brkmalloc_block end = { .arena = heap->arena };
	const struct block *last;
	int ignored;

	print(out, "region %p %zu %s %zu", (void *)region, region->size,
	      region->mapped ? "mmap" : "break", (size_t)heap->arena);
	last = walk_region(heap, region, print_visited, out, &ignored);
	if (!last)
		return;
	end.data = block_data(last);
	end.size = region_end(region) - (char *)end.data;
	print_block(out, &end, block_is_fence(last) ? "end" : "broken");
}

static void print_heap(struct out *out)
{
	struct region *region;
	const struct block *b;
	struct arena *arena;
	struct piece piece;
	uint32_t place = 0;
	unsigned int i;

	print(out, "break %p", os_break());
	print(out, "fit %s", fit_name());
	for (i = 0; (arena = arena_nth(i)); i++)
		for (region = arena->heap.regions; region; region = region->next)
			print_region(out, &arena->heap, region);
	while ((b = table_next(&place))) {
		piece = large_mapping(b);
		print(out, "mapping %p %zu", piece.start, piece.length);
	}
	walk_mapped(print_visited, out);
	for (i = 0; stock_nth(i, &piece); i++)
		print(out, "stock %p %zu", piece.start, piece.length);
}

/*
 * %p is the process, %n the number of the dump, %% a percent sign. Return: whether
 * there was room for it.
 */
static bool make_path(struct line *path)
{
	const char *from;

	for (from = pattern; *from; from++) {
		if (*from != '%' || !from[1] || !strchr("pn%", from[1]))
			line_add(path, "%c", *from);
		else if (*++from == '%')
			line_add(path, "%c", '%');
		else
			line_add(path, "%zu", *from == 'p' ? (size_t)getpid() : dumps);
	}
	path->text[path->length] = '\0';
	return path->length < sizeof(path->text) - 1;
}

static int open_dump(struct line *path)
{
	dumps++;
	if (!make_path(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
}

/* With all locks held if @at_rest. */
static void dump(const char *why, bool at_rest)
{
	struct line path = { .length = 0 };
	struct out out = { .fd = -1 };
	struct timespec now;

	out.fd = open_dump(&path);
	if (out.fd < 0) {
		guard_warn("BRKMALLOC_DUMP: %s cannot be opened: %s", path.text,
			   strerrordesc_np(errno));
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	print(&out, "brkmalloc-dump 1");
	print(&out, "pid %zu", (size_t)getpid());
	print(&out, "time %zu", (size_t)now.tv_sec * 1000000000 + now.tv_nsec);
	print(&out, "why %s", why);
	if (at_rest)
		print_heap(&out);
	else
		print(&out, "busy");
	print(&out, "end %zu", out.lines + 1);
	flush(&out);
	close(out.fd);
	if (out.error)
		guard_warn("BRKMALLOC_DUMP: %s cannot be written: %s", path.text,
			   strerrordesc_np(out.error));
}

/* If there is a note and the heap is at rest: write the dump. */
static void answer_once(void)
{
	if (lock_is_passed() || !arena_try_all())
		return;
	lock_tell(NULL);
	/* In a child by fork the note is its parent's. */
	if (__atomic_exchange_n(&wanted_by, 0, __ATOMIC_SEQ_CST) == getpid())
		dump("signal", true);
	arena_release_all();
}

/*
 * Called by the handler, and after locks were released. Whoever comes while another is
 * at it, possibly the one that he interrupted, only leaves word to look again.
 */
static void answer(void)
{
	static unsigned int calls;
	int saved = errno;
	unsigned int seen;

	if (!__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST)) {
		do {
			seen = __atomic_load_n(&calls, __ATOMIC_SEQ_CST);
			answer_once();
		} while (!__atomic_compare_exchange_n(&calls, &seen, 0, false,
						      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	}
	errno = saved;
}

static void handle(int number)
{
	(void)number;
	__atomic_store_n(&wanted_by, getpid(), __ATOMIC_SEQ_CST);
	lock_tell(answer);
	answer();
}

/* The number of SIGUSR1, USR1 or 10; zero if there is no such signal. */
static int parse_signal(const char *text)
{
	const char *name = strncmp(text, "SIG", 3) ? text : text + 3;
	const char *other;
	int number = 0, i;

	for (i = 1; i < NSIG; i++) {
		other = sigabbrev_np(i);
		if (other && !strcmp(other, name))
			return i;
	}
	for (; *text >= '0' && *text <= '9' && number < NSIG; text++)
		number = 10 * number + *text - '0';
	return *text || number >= NSIG ? 0 : number;
}

/**
 * dump_choose() - what the user wants
 * @path: of the dump, with %p and the like in it; NULL for none
 * @signal: at which to write it, name or number; NULL for none
 */
void dump_choose(const char *path, const char *signal)
{
	if (path && strlen(path) < sizeof(pattern))
		strcpy(pattern, path);
	else if (path)
		guard_warn("BRKMALLOC_DUMP: the path is too long; writing no dump");
	if (!signal)
		return;
	signal_number = parse_signal(signal);
	if (!path)
		guard_warn("BRKMALLOC_DUMP_SIGNAL=%s: BRKMALLOC_DUMP does not say where to write; writing no dump",
			   signal);
	else if (!signal_number)
		guard_warn("BRKMALLOC_DUMP_SIGNAL=%s: no such signal; give a name like USR2 or a number",
			   signal);
}

/* Is there such a file that we may write, or a folder that it may be made in? */
static bool may_write(struct line *path)
{
	char *slash;

	if (!make_path(path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (!access(path->text, W_OK))
		return true;
	if (errno != ENOENT)
		return false;
	slash = strrchr(path->text, '/');
	if (!slash)
		return !access(".", W_OK);
	slash[1] = '\0';
	return !access(path->text, W_OK);
}

/**
 * dump_watch() - be ready for the signal
 *
 * Before main; if the program has a handler of its own for it, that one counts. A
 * path that is no good is told now: at the end many a program has closed its standard
 * error.
 */
void dump_watch(void)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
	struct line path = { .length = 0 };

	if (!*pattern)
		return;
	if (!may_write(&path)) {
		guard_warn("BRKMALLOC_DUMP=%s: %s: %s; writing no dump", pattern, path.text,
			   strerrordesc_np(errno));
		*pattern = '\0';
	}
	if (!*pattern || !signal_number)
		return;
	sigfillset(&action.sa_mask);
	if (sigaction(signal_number, &action, NULL))
		guard_warn("BRKMALLOC_DUMP_SIGNAL: signal %zu cannot be caught",
			   (size_t)signal_number);
}

/* What the program leaves behind. Others may still be at it. */
__attribute__((destructor))
static void dump_at_exit(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	bool at_rest;
	int i;

	if (!*pattern)
		return;
	at_rest = arena_try_all();
	for (i = 0; !at_rest && i < EXIT_TRIES; i++) {
		nanosleep(&moment, NULL);
		at_rest = arena_try_all();
	}
	dump("exit", at_rest);
	if (at_rest)
		arena_release_all();
}
