// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - how does the tool talk to the kernel module?
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"

#define PROC		"/proc/brkscope"
#define DRAIN_RECORDS	2048	/* records a read */

/**
 * watch_init() - a watch of nothing
 * @w: gets it
 */
void watch_init(struct watch *w)
{
	memset(w, 0, sizeof(*w));
	w->control = -1;
	w->events = -1;
}

/**
 * read_text() - a whole text file
 * @path: its name
 *
 * Return: the text, to be freed; NULL with errno if it cannot be read
 */
char *read_text(const char *path)
{
	size_t used = 0, room = 1 << 14;
	char *text;
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = xmalloc(room);
	while ((got = read(fd, text + used, room - used - 1)) > 0) {
		used += got;
		if (used + 1 == room) {
			room *= 2;
			text = xrealloc(text, room, 1);
		}
	}
	close(fd);
	text[used] = 0;
	if (got < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/**
 * watch_text() - a text file of the watch
 * @w: the watch
 * @name: such as "summary"
 *
 * Return: the text, to be freed; NULL with errno if it cannot be read
 */
char *watch_text(const struct watch *w, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), PROC "/%s/%s", w->folder, name);
	return read_text(path);
}

/*
 * The watch's folder is PID, or PID@NS in a pid namespace: it is the last word of
 * the process's row in control.
 */
static bool find_folder(struct watch *w)
{
	char *text = read_text(PROC "/control");
	char *line, *rest = text, *word;

	*w->folder = 0;
	while (rest && (line = strsep(&rest, "\n"))) {
		if (strtol(line, &word, 10) != w->pid || *word != ' ')
			continue;
		word = strrchr(line, ' ') + 1;
		if (strlen(word) < sizeof(w->folder))
			strcpy(w->folder, word);
	}
	free(text);
	return *w->folder;
}

static void explain_open(int error)
{
	if (error == ENOENT)
		complain("the kernel module is not loaded (there is no " PROC "/control)\n"
			 "  load it:           sudo make load   (or: sudo insmod brkscope.ko)\n"
			 "  or go on without:  brkscope run --no-kernel ...   (the malloc log alone)");
	else
		complain("cannot open " PROC "/control: %s\n"
			 "  go on without the kernel's side: brkscope run --no-kernel ...",
			 strerror(error));
}

static void explain_watch(const struct watch *w, int error, u64 buffer)
{
	char *text = read_text(PROC "/control");
	char *reason = text_string(text, "last_error");

	complain("the kernel module does not watch process %d: %s%s%s", w->pid,
		 strerror(error), reason ? ": " : "", reason ? reason : "");
	if (error == E2BIG || error == ENOMEM)
		complain("a smaller buffer than %llu bytes may do: --buffer SIZE", buffer);
	else
		complain("go on without the kernel's side: brkscope run --no-kernel ...");
	free(reason);
	free(text);
}

static bool control_write(struct watch *w, const char *command)
{
	ssize_t length = strlen(command);
	ssize_t done = write(w->control, command, length);

	if (done >= 0 && done != length)
		errno = EIO;
	return done == length;
}

/**
 * watch_begin() - have the kernel module watch a process
 * @w: a watch that watch_init() made
 * @pid: the process
 * @buffer: bytes of its event buffer, 0 for the module's own choice
 *
 * Return: false if it cannot be; the user has been told why and what to do
 */
bool watch_begin(struct watch *w, pid_t pid, u64 buffer)
{
	char text[96];
	int length;

	w->pid = pid;
	w->control = open(PROC "/control", O_RDWR | O_CLOEXEC);
	if (w->control < 0) {
		explain_open(errno);
		return false;
	}
	length = snprintf(text, sizeof(text), "watch %d", pid);
	if (buffer)
		length += snprintf(text + length, sizeof(text) - length, " buffer=%lluK",
				   (buffer + 1023) / 1024);
	snprintf(text + length, sizeof(text) - length, "\n");
	if (!control_write(w, text)) {
		explain_watch(w, errno, buffer);
		return false;
	}
	if (!find_folder(w)) {
		complain("the kernel module watches process %d, but does not list it in " PROC "/control",
			 pid);
		watch_end(w);
		return false;
	}
	snprintf(text, sizeof(text), PROC "/%s/events.bin", w->folder);
	w->events = open(text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (w->events < 0) {
		complain("cannot open %s: %s", text, strerror(errno));
		watch_end(w);
		return false;
	}
	return true;
}

static void note_break(struct watch *w, const struct brkscope_record *r)
{
	w->moves = grow_array(w->moves, w->nr_moves, &w->room_moves, sizeof(*w->moves));
	w->moves[w->nr_moves].time = r->time;
	w->moves[w->nr_moves++].now = r->brk.now;
}

/*
 * What came before the program's exec is our own fork's doing and is dropped,
 * but for names, which later records may use. A loss ends this too: the exec
 * may be among what was lost.
 */
static bool keep(struct watch *w, const struct brkscope_record *r)
{
	w->records += r->kind != BRKSCOPE_LOST;
	switch (r->kind) {
	case BRKSCOPE_FAULT:
		w->faults++;
		break;
	case BRKSCOPE_BRK:
		note_break(w, r);
		break;
	case BRKSCOPE_LOST:
		w->lost += r->lost.count;
		w->started = true;
		break;
	case BRKSCOPE_EXEC:
		w->nr_moves = 0;
		if (!w->exec_time)
			w->exec_time = r->time;
		w->started = true;
		break;
	}
	return w->started || r->kind == BRKSCOPE_NAME;
}

static void store(struct watch *w, struct writer *out, struct brkscope_record *r, size_t count)
{
	size_t i, kept = 0;

	if (!w->got_header) {
		writer_chunk(out, CHUNK_KERNEL_HEADER, r, sizeof(*r));
		w->got_header = true;
		r++;
		count--;
	}
	for (i = 0; i < count; i++)
		if (keep(w, &r[i]))
			r[kept++] = r[i];
	if (kept)
		writer_chunk(out, CHUNK_KERNEL, r, kept * sizeof(*r));
}

/**
 * watch_drain() - store all records that are there by now
 * @w: the watch
 * @out: where to
 *
 * Never blocks. Sets @w->ended when the stream is at its end.
 *
 * Return: how many records there were
 */
size_t watch_drain(struct watch *w, struct writer *out)
{
	static struct brkscope_record records[DRAIN_RECORDS];
	size_t total = 0;
	ssize_t got;

	static_assert(sizeof(struct brkscope_header) == sizeof(struct brkscope_record),
		      "header and record are read alike");
	if (w->events < 0 || w->ended)
		return 0;
	while ((got = read(w->events, records, sizeof(records))) > 0) {
		store(w, out, records, got / sizeof(records[0]));
		total += got / sizeof(records[0]);
	}
	if (!got) {
		w->ended = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		complain("reading the kernel's records: %s", strerror(errno));
		w->ended = true;
	}
	return total;
}

/**
 * watch_end() - have the kernel module forget the process
 * @w: the watch
 */
void watch_end(struct watch *w)
{
	char command[32];

	if (w->events >= 0)
		close(w->events);
	if (w->control >= 0) {
		snprintf(command, sizeof(command), "unwatch %d\n", w->pid);
		if (!control_write(w, command) && errno != ESRCH)
			complain("unwatch %d: %s", w->pid, strerror(errno));
		close(w->control);
	}
	w->events = -1;
	w->control = -1;
	free(w->moves);
	w->moves = NULL;
	w->nr_moves = 0;
	w->room_moves = 0;
}
