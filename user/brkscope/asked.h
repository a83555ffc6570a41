/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asked.h - what the program asked malloc for
 */
#ifndef BRKSCOPE_ASKED_H
#define BRKSCOPE_ASKED_H

#include "join.h"
#include "reader.h"

/**
 * struct call_stats - the calls of one function
 * @count: how many
 * @failed: how many of them gave no block though one was asked for
 * @bytes: asked for
 * @times: how long each took, ns, sorted
 */
struct call_stats {
	u64	count;
	u64	failed;
	u64	bytes;
	u64	*times;
};

/**
 * struct asked - what the program asked malloc for
 * @total: bytes asked for by all calls that gave a block
 * @live: bytes of the blocks not freed at the end
 * @peak: the most that was live at a time
 * @peak_time: when that was first, ns
 * @live_blocks: blocks not freed at the end
 * @unknown: calls of free and realloc with a block that is not in the log
 * @calls: by enum brkrecord_op
 */
struct asked {
	u64			total;
	u64			live;
	u64			peak;
	u64			peak_time;
	u64			live_blocks;
	u64			unknown;
	struct call_stats	calls[BRKRECORD_OPS];
};

void asked_count(struct asked *a, const struct capture *c);
void asked_free(struct asked *a);

#endif /* BRKSCOPE_ASKED_H */
