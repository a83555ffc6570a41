// SPDX-License-Identifier: GPL-2.0-only
/*
 * writer.c - how does a brkscope file come about?
 *
 * Every chunk goes out whole in one writev(2), so that a file whose writer was
 * killed is a good beginning.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

/**
 * writer_open() - create the file
 * @w: gets the writer
 * @path: file name; an old file is overwritten
 *
 * Return: false with errno if it cannot be created
 */
bool writer_open(struct writer *w, const char *path)
{
	memset(w, 0, sizeof(*w));
	w->path = path;
	w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return w->fd >= 0;
}

static void put(struct writer *w, struct iovec *iov, int count)
{
	ssize_t done;

	while (count && !w->error) {
		done = writev(w->fd, iov, count);
		if (done < 0) {
			if (errno != EINTR)
				w->error = errno;
			continue;
		}
		w->bytes += done;
		while (count && (size_t)done >= iov->iov_len) {
			done -= iov->iov_len;
			iov++;
			count--;
		}
		if (count) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= done;
		}
	}
}

/**
 * writer_start() - write the file's header
 * @w: the writer
 * @pid: process that is watched
 */
void writer_start(struct writer *w, unsigned int pid)
{
	struct file_header header = {
		.version = FILE_VERSION,
		.byte_order = FILE_BYTE_ORDER,
		.page_size = sysconf(_SC_PAGESIZE),
		.pid = pid,
		.created = time(NULL),
	};
	struct iovec iov = { .iov_base = &header, .iov_len = sizeof(header) };

	memcpy(header.magic, FILE_MAGIC, sizeof(header.magic));
	header.crc = file_header_crc(&header);
	put(w, &iov, 1);
}

/**
 * writer_chunk() - append a chunk
 * @w: the writer
 * @type: its type
 * @payload: what is in it
 * @bytes: how much
 *
 * An error is kept in @w and told by writer_close().
 */
void writer_chunk(struct writer *w, enum chunk_type type, const void *payload, u64 bytes)
{
	static const char zero[FILE_ALIGN];
	struct chunk_header chunk = { .type = type, .length = bytes };
	struct iovec iov[3] = {
		{ .iov_base = &chunk, .iov_len = sizeof(chunk) },
		{ .iov_base = (void *)payload, .iov_len = bytes },
		{ .iov_base = (void *)zero, .iov_len = -bytes & (FILE_ALIGN - 1) },
	};

	chunk.crc = chunk_crc(&chunk, payload);
	put(w, iov, 3);
}

/**
 * writer_text() - append a chunk of text
 * @w: the writer
 * @type: its type
 * @text: the text; nothing is written if it is NULL
 */
void writer_text(struct writer *w, enum chunk_type type, const char *text)
{
	if (text)
		writer_chunk(w, type, text, strlen(text));
}

/**
 * writer_close() - mark the file as complete and close it
 * @w: the writer
 *
 * Return: false with errno if something could not be written
 */
bool writer_close(struct writer *w)
{
	writer_chunk(w, CHUNK_END, "", 0);
	if (close(w->fd) && !w->error)
		w->error = errno;
	errno = w->error;
	return !w->error;
}
