/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reader.h - a brkscope file, opened and proved sound
 */
#ifndef BRKSCOPE_READER_H
#define BRKSCOPE_READER_H

#include "../../module/uapi/brkscope.h"
#include "../record/record.h"
#include "format.h"
#include "tool.h"

/**
 * struct capture - all that a brkscope file holds
 * @header: the file's header
 * @kernel_header: header of the kernel's records, NULL if there are none
 * @events: the kernel's records in the order of their numbers
 * @nr_events: how many
 * @calls: the malloc log in the order of its file
 * @nr_calls: how many
 * @text: by enum chunk_type the text chunks, NULL where there is none
 * @command: the program and its arguments, separated by blanks, NULL if unknown
 * @complete: the file has its end mark
 * @cut: where a file that is not complete stops to be readable
 * @error: what is wrong, after capture_open() returned false
 * @map: the mapped file
 * @bytes: its length
 *
 * Records lie in the mapped file: they are good until capture_close().
 */
struct capture {
	struct file_header		header;
	const struct brkscope_header	*kernel_header;
	const struct brkscope_record	**events;
	size_t				nr_events;
	const struct brkrecord_call	**calls;
	size_t				nr_calls;
	char				*text[CHUNK_TYPES];
	char				*command;
	bool				complete;
	u64				cut;
	char				error[256];
	const char			*map;
	u64				bytes;
};

bool capture_open(struct capture *c, const char *path);
void capture_close(struct capture *c);

#endif /* BRKSCOPE_READER_H */
