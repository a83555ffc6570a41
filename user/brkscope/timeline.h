/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timeline.h - what happened, in order
 */
#ifndef BRKSCOPE_TIMELINE_H
#define BRKSCOPE_TIMELINE_H

#include "areas.h"
#include "join.h"
#include "names.h"
#include "style.h"

#define ROW_EVENT	28	/* room for the words of a row */

/**
 * struct row - one line of the timeline: an event, or a run of equal ones
 * @time: of the first event, ns
 * @tid: thread
 * @kind: enum brkscope_kind; 0 for a line of plain text
 * @code: as in the record
 * @last_op: enum brkscope_vma_op of the last event
 * @cause: system call, for changes of areas
 * @style: how it looks
 * @event: what happened, in words, without the count
 * @count: how many events are in it
 * @start: lowest address
 * @end: address after the highest
 * @change: bytes by which the memory grew (negative: shrank), or were touched
 * @signed_change: show @change with its sign
 * @area: name of the area
 * @areas: 0, or in how many areas the faults were if they are of files
 * @vma_start: start of the area, for faults
 * @call: the malloc call in which the first event was
 * @in_calls: how many of the events were in any malloc call
 * @calls: in how many different malloc calls
 * @by: what did it if no malloc call, NULL if unknown
 */
struct row {
	u64				time;
	__u32				tid;
	__u8				kind;
	__u8				code;
	__u8				last_op;
	int				cause;
	enum style			style;
	char				event[ROW_EVENT];
	u64				count;
	u64				start;
	u64				end;
	long long			change;
	bool				signed_change;
	const char			*area;
	u64				areas;
	u64				vma_start;
	const struct brkrecord_call	*call;
	u64				in_calls;
	u64				calls;
	const char			*by;
};

/**
 * struct timeline - rows and what is needed to make them
 * @rows: the rows
 * @nr: how many
 * @room: room for how many
 * @full: leave nothing out
 * @zero: time of exec, ns
 * @pid: of the program
 * @page_size: bytes
 * @names: names of areas
 * @join: the malloc log
 * @areas: the address space
 * @loaded: until when the present image is being loaded, ns, 0 if it is not
 * @load_began: when that began, ns
 * @load_changes: changes of areas in that time
 * @load_faults: faults in that time
 */
struct timeline {
	struct row			*rows;
	size_t				nr;
	size_t				room;
	bool				full;
	u64				zero;
	__u32				pid;
	u64				page_size;
	const struct names		*names;
	const struct join		*join;
	const struct areas		*areas;
	u64				loaded;
	u64				load_began;
	u64				load_changes;
	u64				load_faults;
};

void timeline_add(struct timeline *t, const struct brkscope_record *r,
		  const struct brkrecord_call *call);
void timeline_print(const struct timeline *t, size_t limit);
void timeline_free(struct timeline *t);

#endif /* BRKSCOPE_TIMELINE_H */
