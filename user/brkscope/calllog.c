// SPDX-License-Identifier: GPL-2.0-only
/*
 * calllog.c - how does the malloc log come from the program to the file?
 *
 * The log is a memfd: no name in any directory, nothing left behind by whoever
 * is killed, memory only for what is used. The program opens it through our
 * /proc/PID/fd. What has been stored is given back to the kernel while the
 * program runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calllog.h"

#define COPY_BYTES	(256 * 1024)	/* stored as one chunk of the file */
#define PUNCH_BYTES	(1024 * 1024)	/* given back at once */

#define SLOTS		(BRKRECORD_CHUNK / sizeof(struct brkrecord_call))

/**
 * calllog_create() - make an empty log, or end the tool
 * @log: gets the log
 * @size: bytes it may grow to
 */
void calllog_create(struct calllog *log, u64 size)
{
	struct brkrecord_header *h;

	memset(log, 0, sizeof(*log));
	log->size = BRKRECORD_DATA + size / BRKRECORD_CHUNK * BRKRECORD_CHUNK;
	log->fd = memfd_create("brkrecord", MFD_CLOEXEC);
	if (log->fd < 0 || ftruncate(log->fd, log->size))
		die("cannot make a malloc log of %llu bytes: %s", log->size, strerror(errno));
	h = mmap(NULL, log->size, PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
	if (h == MAP_FAILED)
		die("cannot map a malloc log of %llu bytes: %s (--log-size SIZE makes it smaller)",
		    log->size, strerror(errno));
	memcpy(h->magic, BRKRECORD_MAGIC, sizeof(h->magic));
	h->version = BRKRECORD_VERSION;
	h->record_size = sizeof(struct brkrecord_call);
	h->size = log->size;
	h->cursor = BRKRECORD_DATA;
	log->header = h;
	log->drained = BRKRECORD_DATA;
	log->punched = BRKRECORD_DATA;
	snprintf(log->path, sizeof(log->path), "/proc/%d/fd/%d", getpid(), log->fd);
}

/**
 * calllog_allow() - say which process shall record
 * @log: the log
 * @pid: the process
 */
void calllog_allow(struct calllog *log, unsigned int pid)
{
	__atomic_store_n(&log->header->pid, pid, __ATOMIC_RELEASE);
}

static void note(struct calllog *log, const struct brkrecord_call *call)
{
	if (call->op == BRKRECORD_START) {
		log->start = *call;
		log->end.op = BRKRECORD_NONE;
	} else if (call->op == BRKRECORD_END) {
		log->end = *call;
	} else {
		log->calls++;
	}
}

/* Copies the written slots of one chunk; false if it is not full yet. */
static bool copy_chunk(struct calllog *log, struct brkrecord_call *to, size_t *count, bool all)
{
	struct brkrecord_call *slot = (void *)((char *)log->header + log->drained);
	size_t i, n = 0;

	for (i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&slot[i].op, __ATOMIC_ACQUIRE) != BRKRECORD_NONE)
			to[n++] = slot[i];
		else if (!all)
			return false;
	}
	for (i = 0; i < n; i++)
		note(log, &to[i]);
	*count = n;
	return true;
}

static void give_back(struct calllog *log, bool all)
{
	u64 end = log->drained & ~(u64)(BRKRECORD_DATA - 1);

	if (all || end - log->punched < PUNCH_BYTES)
		return;
	/* if the kernel cannot, the log merely takes more memory */
	if (!fallocate(log->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, log->punched,
		       end - log->punched))
		log->punched = end;
}

/**
 * calllog_drain() - store the records that are there by now
 * @log: the log
 * @out: where to
 * @all: the program has ended: take half-filled chunks too. If false, stop at
 *	the first chunk that its thread is still filling
 *
 * Return: how many records there were
 */
size_t calllog_drain(struct calllog *log, struct writer *out, bool all)
{
	static struct brkrecord_call copy[COPY_BYTES / sizeof(struct brkrecord_call)];
	u64 end = __atomic_load_n(&log->header->cursor, __ATOMIC_ACQUIRE);
	size_t used = 0, total = 0, count;

	if (end > log->size)
		end = log->size;
	while (log->drained + BRKRECORD_CHUNK <= end) {
		if (!copy_chunk(log, copy + used, &count, all))
			break;
		log->drained += BRKRECORD_CHUNK;
		used += count;
		total += count;
		if (used + SLOTS > ARRAY_SIZE(copy)) {
			writer_chunk(out, CHUNK_MALLOC, copy, used * sizeof(copy[0]));
			used = 0;
		}
	}
	if (used)
		writer_chunk(out, CHUNK_MALLOC, copy, used * sizeof(copy[0]));
	give_back(log, all);
	return total;
}

/**
 * calllog_destroy() - give the log back
 * @log: the log
 */
void calllog_destroy(struct calllog *log)
{
	munmap(log->header, log->size);
	close(log->fd);
}
