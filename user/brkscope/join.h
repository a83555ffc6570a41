/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * join.h - which malloc call made the kernel do it?
 */
#ifndef BRKSCOPE_JOIN_H
#define BRKSCOPE_JOIN_H

#include "reader.h"

/**
 * struct join - the malloc log in order of thread and time
 * @calls: sorted by thread, then by time of entry
 * @nr: how many
 * @starts: the START marks in order of time
 * @nr_starts: how many
 */
struct join {
	const struct brkrecord_call	**calls;
	size_t				nr;
	const struct brkrecord_call	**starts;
	size_t				nr_starts;
};

void join_init(struct join *j, const struct capture *c);
const struct brkrecord_call *join_find(const struct join *j, __u32 tid, u64 time);
const struct brkrecord_call *join_start_after(const struct join *j, u64 time);
void join_free(struct join *j);

#endif /* BRKSCOPE_JOIN_H */
