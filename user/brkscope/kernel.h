/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h - the kernel module as the tool sees it: /proc/brkscope
 */
#ifndef BRKSCOPE_KERNEL_H
#define BRKSCOPE_KERNEL_H

#include <sys/types.h>

#include "../../module/uapi/brkscope.h"
#include "tool.h"
#include "writer.h"

/**
 * struct break_move - when the program break came to be where
 * @time: ns
 * @now: the break from then on
 */
struct break_move {
	u64	time;
	u64	now;
};

/**
 * struct watch - one watched process
 * @pid: the process
 * @folder: name of its folder in /proc/brkscope
 * @control: /proc/brkscope/control, or -1
 * @events: events.bin in that folder, or -1
 * @got_header: the stream's header was read
 * @started: the program's exec was seen: records are kept from here on
 * @ended: the stream is at its end
 * @records: records delivered, those before exec included
 * @faults: how many of them were faults
 * @lost: records that the stream says were lost
 * @exec_time: when the program's exec was, ns, 0 if not seen
 * @moves: break moves since the last exec
 * @nr_moves: how many
 * @room_moves: room for how many
 */
struct watch {
	pid_t			pid;
	char			folder[32];
	int			control;
	int			events;
	bool			got_header;
	bool			started;
	bool			ended;
	u64			records;
	u64			faults;
	u64			lost;
	u64			exec_time;
	struct break_move	*moves;
	size_t			nr_moves;
	size_t			room_moves;
};

void watch_init(struct watch *w);
bool watch_begin(struct watch *w, pid_t pid, u64 buffer);
size_t watch_drain(struct watch *w, struct writer *out);
char *watch_text(const struct watch *w, const char *name);
void watch_end(struct watch *w);
char *read_text(const char *path);

#endif /* BRKSCOPE_KERNEL_H */
