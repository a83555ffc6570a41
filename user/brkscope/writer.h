/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * writer.h - write a brkscope file, chunk by chunk
 */
#ifndef BRKSCOPE_WRITER_H
#define BRKSCOPE_WRITER_H

#include "format.h"
#include "tool.h"

/**
 * struct writer - a file that is being written
 * @fd: where to
 * @path: its name, for messages
 * @bytes: written so far
 * @error: errno of the first failed write; later ones are not tried
 */
struct writer {
	int		fd;
	const char	*path;
	u64		bytes;
	int		error;
};

bool writer_open(struct writer *w, const char *path);
void writer_start(struct writer *w, unsigned int pid);
void writer_chunk(struct writer *w, enum chunk_type type, const void *payload, u64 bytes);
void writer_text(struct writer *w, enum chunk_type type, const char *text);
bool writer_close(struct writer *w);

#endif /* BRKSCOPE_WRITER_H */
