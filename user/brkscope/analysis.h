/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * analysis.h - what a recording tells, once all of it is put together
 */
#ifndef BRKSCOPE_ANALYSIS_H
#define BRKSCOPE_ANALYSIS_H

#include "areas.h"
#include "asked.h"
#include "join.h"
#include "names.h"
#include "reader.h"
#include "timeline.h"

/**
 * struct latencies - the faults of one class
 * @ns: how long each took, sorted
 * @nr: how many
 * @room: room for how many
 * @total: all together, ns
 */
struct latencies {
	u64	*ns;
	size_t	nr;
	size_t	room;
	u64	total;
};

/**
 * struct analysis - what a recording tells
 * @capture: the file
 * @join: its malloc log, sorted
 * @names: names of areas
 * @areas: the address space as the last event left it, and amounts
 * @timeline: the rows
 * @asked: what malloc was asked for
 * @faults: by class
 * @nr_faults: of all classes together
 * @faults_ns: how long they took
 * @recorder_events: events that the malloc log itself caused, not in the above
 * @recorder_faults: how many of them are faults
 * @given: pages that the page allocator gave, by enum brkscope_page_use
 * @lost: records that the stream says were lost
 */
struct analysis {
	struct capture		capture;
	struct join		join;
	struct names		names;
	struct areas		areas;
	struct timeline		timeline;
	struct asked		asked;
	struct latencies	faults[BRKSCOPE_CLASSES];
	u64			nr_faults;
	u64			faults_ns;
	u64			recorder_events;
	u64			recorder_faults;
	u64			given[BRKSCOPE_PAGE_USES];
	u64			lost;
};

void analysis_make(struct analysis *a, bool full);
void analysis_free(struct analysis *a);
u64 percentile(const u64 *sorted, size_t nr, unsigned int percent);

void print_heading(const char *title, const char *note);
void print_faults(const struct analysis *a);
void print_calls(const struct analysis *a);
void print_summary(const struct analysis *a);
void print_losses(const struct analysis *a);

#endif /* BRKSCOPE_ANALYSIS_H */
