/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * areas.h - the address space of the program, replayed
 */
#ifndef BRKSCOPE_AREAS_H
#define BRKSCOPE_AREAS_H

#include "../../module/uapi/brkscope.h"
#include "pageset.h"
#include "tool.h"

/**
 * enum origin - what memory was obtained for
 * @ORIGIN_NONE: not for data of the program's own making: files, stacks, the
 *	program's image, what the kernel and the dynamic linker set up
 * @ORIGIN_BREAK: by moving the program break
 * @ORIGIN_MALLOC: anonymous, mapped inside a malloc call
 * @ORIGIN_OTHER: anonymous, mapped by the program outside of any malloc call
 * @ORIGINS: how many there are
 */
enum origin {
	ORIGIN_NONE,
	ORIGIN_BREAK,
	ORIGIN_MALLOC,
	ORIGIN_OTHER,
	ORIGINS
};

/**
 * struct amount - an amount that comes and goes
 * @now: bytes
 * @peak: the most that @now ever was
 * @total: all that ever came
 */
struct amount {
	u64	now;
	u64	peak;
	u64	total;
};

/**
 * struct heap - break and malloc together
 * @obtained: accessible memory
 * @touched: the part of it that was touched
 * @at_peak: what @obtained was made of at its peak, by origin
 */
struct heap {
	struct amount	obtained;
	struct amount	touched;
	u64		at_peak[ORIGINS];
};

/**
 * struct piece - a range of the address space of one kind
 * @start: first address
 * @end: address after the last
 * @prot: BRKSCOPE_PROT_*
 * @origin: what it was obtained for
 * @name: its name
 */
struct piece {
	u64		start;
	u64		end;
	__u8		prot;
	__u8		origin;
	const char	*name;
};

/**
 * struct pieces - ranges in order, none touching another's bytes
 * @list: the ranges
 * @nr: how many
 * @room: room for how many
 */
struct pieces {
	struct piece	*list;
	size_t		nr;
	size_t		room;
};

/**
 * struct areas - the address space as of the events so far
 * @page_size: bytes
 * @live: what is mapped
 * @gone: what the present group of changes took away; it may come back in it
 * @group_tid: thread of the present group, 0 if there is none
 * @group_cause: its system call
 * @group_adds: whether its latest change added something
 * @group_time: of its latest change, ns
 * @touched_pages: pages of @live that were touched and have an origin
 * @obtained: accessible memory by origin
 * @touched: the part of it that was touched
 * @heap: break and malloc together
 *
 * One system call makes one group of changes: what a group removes and adds
 * again is the same memory (a split, a merge), and what mremap(2) removes and
 * adds elsewhere has moved, where the module had no record of a move for it.
 */
struct areas {
	u64		page_size;
	struct pieces	live;
	struct pieces	gone;
	__u32		group_tid;
	int		group_cause;
	bool		group_adds;
	u64		group_time;
	struct pageset	touched_pages;
	struct amount	obtained[ORIGINS];
	struct amount	touched[ORIGINS];
	struct heap	heap;
};

void areas_init(struct areas *a, u64 page_size);
void areas_change(struct areas *a, const struct brkscope_record *r, const char *name,
		  enum origin origin);
void areas_fault(struct areas *a, const struct brkscope_record *r);
void areas_close_group(struct areas *a);
void areas_exec(struct areas *a);
const struct piece *areas_find(const struct areas *a, u64 address);
void areas_free(struct areas *a);

#endif /* BRKSCOPE_AREAS_H */
