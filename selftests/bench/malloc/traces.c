// SPDX-License-Identifier: GPL-2.0-only
/*
 * How well does malloc pack, and how fast is it, on traces as of the malloc lab?
 *
 * A trace is a list of calls with no program around it. It is replayed once with
 * every byte of the blocks written: "asked_kb" is the most that was asked for at
 * a time, "grown_kb" what the resident memory grew by for it. Then it is replayed
 * for the time of "calls" calls, with only a byte written. Nothing here but the
 * calls of the trace uses malloc.
 */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define MOST_CALLS	100000
#define MOST_BLOCKS	30000

struct call {
	uint32_t	block;
	uint32_t	size;	/* 0: free */
	bool		again;	/* realloc of a block that is there */
};

struct trace {
	struct call	*calls;
	size_t		count;
	uint32_t	*sizes;	/* of the blocks that are live, while it is made */
	size_t		asked;	/* of those, in all */
	size_t		peak;
};

static void add(struct trace *trace, uint32_t block, uint32_t size)
{
	if (trace->count == MOST_CALLS || block >= MOST_BLOCKS)
		die("this trace is too long");
	trace->calls[trace->count++] = (struct call){
		block, size, size && trace->sizes[block] };
	trace->asked += size;
	trace->asked -= trace->sizes[block];
	trace->sizes[block] = size;
	if (trace->asked > trace->peak)
		trace->peak = trace->asked;
}

static void play(const struct trace *trace, char **blocks)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct call *call = &trace->calls[i];
		char **at = &blocks[call->block];

		if (!call->size)
			free(*at);
		else if (!call->again)
			*at = take(call->size);
		else
			*at = need(realloc(*at, call->size));
	}
}

/* Return: the most that was resident at any of many moments, in KiB */
static unsigned long play_and_fill(const struct trace *trace, char **blocks,
				   uint32_t *sizes)
{
	unsigned long most = 0, now;

	for (size_t i = 0; i < trace->count; i++) {
		const struct call *call = &trace->calls[i];
		char **at = &blocks[call->block];
		uint32_t had = sizes[call->block];

		sizes[call->block] = call->size;
		if (!call->size) {
			free(*at);
			continue;
		}
		*at = need(call->again ? realloc(*at, call->size) : malloc(call->size));
		if (call->size > had)
			memset(*at + had, 1, call->size - had);
		if (i % 64 == 0) {
			now = resident_kb();
			most = now > most ? now : most;
		}
	}
	return most;
}

static void run_trace(void (*make)(struct trace *trace))
{
	struct trace trace = {
		.calls = map_own(MOST_CALLS * sizeof(*trace.calls)),
		.sizes = map_own(MOST_BLOCKS * sizeof(*trace.sizes)),
	};
	char **blocks = map_own(MOST_BLOCKS * sizeof(*blocks));
	uint32_t *sizes = map_own(MOST_BLOCKS * sizeof(*sizes));
	unsigned long before;
	size_t rounds;

	clock_stop();
	make(&trace);
	for (uint32_t i = 0; i < MOST_BLOCKS; i++) {
		if (trace.sizes[i])
			add(&trace, i, 0);
	}
	before = resident_kb();
	tell("asked_kb", (double)trace.peak / KIB);
	tell("grown_kb", play_and_fill(&trace, blocks, sizes) - before);

	rounds = 4000000 / trace.count + 1;
	tell("calls", rounds * trace.count);
	clock_go();
	for (size_t i = 0; i < rounds; i++)
		play(&trace, blocks);
}

/* One block grows by little while small ones come and go. */
static void make_realloc(struct trace *trace)
{
	add(trace, 0, 512);
	for (uint32_t i = 1; i < 4800; i++) {
		add(trace, 0, 512 + 128 * i);
		add(trace, i, 128);
		if (i > 1)
			add(trace, i - 1, 0);
	}
}

/* Small and large in turn; the large ones go, larger ones come. */
static void binary(struct trace *trace, uint32_t count, uint32_t small, uint32_t large)
{
	for (uint32_t i = 0; i < 2 * count; i += 2) {
		add(trace, i, small);
		add(trace, i + 1, large);
	}
	for (uint32_t i = 1; i < 2 * count; i += 2)
		add(trace, i, 0);
	for (uint32_t i = 1; i < 2 * count; i += 2)
		add(trace, i, large + small);
}

static void make_binary(struct trace *trace)
{
	binary(trace, 2000, 64, 448);
}

static void make_binary2(struct trace *trace)
{
	binary(trace, 8000, 16, 112);
}

/* Pairs of neighbours go, blocks of twice their size come. */
static void make_coalescing(struct trace *trace)
{
	enum { PAIRS = 12 };

	for (int round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < 2 * PAIRS; i++)
			add(trace, i, 4095);
		for (uint32_t i = 0; i < 2 * PAIRS; i++)
			add(trace, i, 0);
		for (uint32_t i = 0; i < PAIRS; i++)
			add(trace, i, 8190);
		for (uint32_t i = 0; i < PAIRS; i++)
			add(trace, i, 0);
	}
}

/* Any block is freed or made, until there are @live. */
static void make_any(struct trace *trace, uint32_t live, uint32_t count,
		     uint32_t (*size)(struct rng *rng))
{
	struct rng rng = rng_make(live);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t block = rng_below(&rng, live);

		add(trace, block, trace->sizes[block] ? 0 : size(&rng));
	}
}

static uint32_t any_size(struct rng *rng)
{
	return rng_between(rng, 1, 32 * KIB);
}

static uint32_t text_size(struct rng *rng)
{
	return rng_between(rng, 4, rng_below(rng, 8) ? 60 : 250);
}

static void make_random(struct trace *trace)
{
	make_any(trace, 200, 9600, any_size);
}

static void make_texts(struct trace *trace)
{
	make_any(trace, 20000, 80000, text_size);
}

/* What a compiler does: objects in phases, of which some outlive the phase. */
static void make_phases(struct trace *trace)
{
	struct rng rng = rng_make(7);
	uint32_t next = 0;

	for (int phase = 0; phase < 8; phase++) {
		uint32_t first = next;

		for (int i = 0; i < 1500; i++)
			add(trace, next++, mixed_size(&rng));
		for (uint32_t i = first; i < next; i++) {
			if (rng_below(&rng, 10))
				add(trace, i, 0);
		}
	}
}

static void trace_realloc(void) { run_trace(make_realloc); }
static void trace_binary(void) { run_trace(make_binary); }
static void trace_binary2(void) { run_trace(make_binary2); }
static void trace_coalescing(void) { run_trace(make_coalescing); }
static void trace_random(void) { run_trace(make_random); }
static void trace_texts(void) { run_trace(make_texts); }
static void trace_phases(void) { run_trace(make_phases); }

const struct workload trace_workloads[] = {
	{ "trace-realloc", "a block grows, small ones come and go", trace_realloc },
	{ "trace-binary", "64 and 448 B in turn, then 512", trace_binary },
	{ "trace-binary2", "16 and 112 B in turn, then 128", trace_binary2 },
	{ "trace-coalescing", "neighbours are to become one block", trace_coalescing },
	{ "trace-random", "1 B to 32 KiB, any is freed", trace_random },
	{ "trace-texts", "4 to 250 B, any is freed", trace_texts },
	{ "trace-phases", "mixed sizes in phases, a tenth stays", trace_phases },
	{ }
};
