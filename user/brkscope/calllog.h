/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calllog.h - the malloc log that libbrkrecord.so fills for us
 */
#ifndef BRKSCOPE_CALLLOG_H
#define BRKSCOPE_CALLLOG_H

#include "../record/record.h"
#include "tool.h"
#include "writer.h"

/**
 * struct calllog - a log that a program is filling
 * @fd: the log's file, in memory only
 * @header: the mapped log
 * @size: bytes of it
 * @path: name under which the program finds it
 * @drained: offset up to which records have been stored
 * @punched: offset up to which memory has been given back
 * @calls: records of calls stored
 * @start: the latest START mark, its op BRKRECORD_NONE if there is none
 * @end: the END mark after it, likewise
 */
struct calllog {
	int			fd;
	struct brkrecord_header	*header;
	u64			size;
	char			path[64];
	u64			drained;
	u64			punched;
	u64			calls;
	struct brkrecord_call	start;
	struct brkrecord_call	end;
};

void calllog_create(struct calllog *log, u64 size);
void calllog_allow(struct calllog *log, unsigned int pid);
size_t calllog_drain(struct calllog *log, struct writer *out, bool all);
void calllog_destroy(struct calllog *log);

#endif /* BRKSCOPE_CALLLOG_H */
