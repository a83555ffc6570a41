// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_test.c - is each malloc call in the log, once, and as it was?
 *
 * Runs the program `calls' under `brkscope run --no-kernel' and counts in the
 * file what that program is known to have done.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "calls.h"
#include "tool_test.h"

/* What the log says about the tagged calls. */
struct tally {
	u64 count[BRKRECORD_OPS];
	u64 freed;		/* frees of blocks that tagged calls gave */
	u64 disordered;		/* calls that ended before they began */
	u64 starts;
	u64 threads;		/* different thread ids */
};

/* A run of the program, and what the log says of it. */
struct recording {
	char output[4096];
	char *file;
	struct capture capture;
	struct tally tally;
};

FIXTURE(log) {
	struct recording r;
};

FIXTURE_VARIANT(log) {
	const char *malloc;
};

FIXTURE_VARIANT_ADD(log, libc) { .malloc = "libc" };
FIXTURE_VARIANT_ADD(log, ours) { .malloc = "ours" };

FIXTURE_SETUP(log)
{
	self->r.file = temporary_file();
}

FIXTURE_TEARDOWN(log)
{
	capture_close(&self->r.capture);
	unlink(self->r.file);
	free(self->r.file);
}

static bool tagged(const struct brkrecord_call *c)
{
	return c->op >= BRKRECORD_FIRST_CALL && c->op < BRKRECORD_OPS &&
	       c->size >= TAG && c->size < TAG_END;
}

static int by_number(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The tagged calls give these addresses, in ascending order. */
static u64 *given_blocks(const struct capture *c, size_t *nr)
{
	u64 *blocks = xmalloc((c->nr_calls + 1) * sizeof(*blocks));
	size_t i;

	*nr = 0;
	for (i = 0; i < c->nr_calls; i++)
		if (tagged(c->calls[i]))
			blocks[(*nr)++] = c->calls[i]->result;
	qsort(blocks, *nr, sizeof(*blocks), by_number);
	return blocks;
}

static void count_threads(struct tally *t, const struct capture *c)
{
	u64 *tids = xmalloc((c->nr_calls + 1) * sizeof(*tids));
	size_t nr = 0, i;

	for (i = 0; i < c->nr_calls; i++)
		if (tagged(c->calls[i]))
			tids[nr++] = c->calls[i]->tid;
	qsort(tids, nr, sizeof(*tids), by_number);
	for (i = 0; i < nr; i++)
		t->threads += !i || tids[i] != tids[i - 1];
	free(tids);
}

static void tally(struct tally *t, const struct capture *c)
{
	const struct brkrecord_call *call;
	size_t nr, i;
	u64 *blocks = given_blocks(c, &nr), old;

	memset(t, 0, sizeof(*t));
	for (i = 0; i < c->nr_calls; i++) {
		call = c->calls[i];
		old = call->old;
		t->starts += call->op == BRKRECORD_START;
		t->disordered += call->exit < call->enter;
		t->freed += call->op == BRKRECORD_FREE && old &&
			    bsearch(&old, blocks, nr, sizeof(old), by_number);
		if (tagged(call))
			t->count[call->op]++;
	}
	count_threads(t, c);
	free(blocks);
}

/* Runs the program and tallies its log; the status of the tool. */
static int record(struct recording *r, const char *malloc, const char *options,
		  const char *arguments)
{
	char *tool = build_path("user/brkscope");
	char *calls = build_path("selftests/tool/helpers/calls");
	int status;

	status = run_command(r->output, sizeof(r->output),
			     "%s run --no-kernel --malloc %s -o %s %s -- %s %s", tool, malloc,
			     r->file, options, calls, arguments);
	free(tool);
	free(calls);
	if (capture_open(&r->capture, r->file))
		tally(&r->tally, &r->capture);
	return status;
}

/* The calls of so many iterations of some_calls() in calls.c. */
static void expect_iterations(struct __test_metadata *_metadata, const struct tally *t, u64 count)
{
	EXPECT_EQ(count, t->count[BRKRECORD_MALLOC]);
	EXPECT_EQ(count, t->count[BRKRECORD_REALLOC]);
	EXPECT_EQ(count, t->count[BRKRECORD_CALLOC]);
	EXPECT_EQ(0, t->disordered);
}

TEST_F(log, has_every_call_of_one_thread_once)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "threads 1 5000"));
	ASSERT_TRUE(self->r.capture.complete);
	expect_iterations(_metadata, &self->r.tally, 5000);
	EXPECT_GE(self->r.tally.freed, 10000);
	EXPECT_LE(self->r.tally.freed, 10020);
	EXPECT_EQ(1, self->r.tally.starts);
}

TEST_F(log, has_every_call_of_eight_threads_at_once)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "threads 8 3000"));
	expect_iterations(_metadata, &self->r.tally, 8 * 3000);
	/* blocks of others may have lain at the same addresses */
	EXPECT_GE(self->r.tally.freed, 2 * 8 * 3000);
	EXPECT_LE(self->r.tally.freed, 2 * 8 * 3000 + 20);
	EXPECT_EQ(8, self->r.tally.threads);
}

TEST_F(log, has_every_call_of_threads_that_come_and_go)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "threads-in-turn 300 3"));
	expect_iterations(_metadata, &self->r.tally, 300 * 3);
	EXPECT_EQ(300, self->r.tally.threads);
}

TEST_F(log, tells_each_function_with_its_size_and_result)
{
	const struct brkrecord_call *call;
	u64 failed = 0;
	size_t i;
	int op;

	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "each"));
	for (i = 0; i < self->r.capture.nr_calls; i++) {
		call = self->r.capture.calls[i];
		if (tagged(call)) {
			EXPECT_EQ(TAG + call->op, call->size);
			EXPECT_NE(0, call->result);
		}
		failed += call->op == BRKRECORD_CALLOC && call->size == BRKRECORD_OVERFLOW &&
			  !call->result && call->error == ENOMEM;
	}
	for (op = BRKRECORD_FIRST_CALL; op < BRKRECORD_OPS; op++)
		EXPECT_EQ(op != BRKRECORD_FREE, self->r.tally.count[op])
			TH_LOG("op %d", op);
	EXPECT_EQ(1, failed);
}

TEST_F(log, has_nothing_of_a_forked_child)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "fork 100"));
	expect_iterations(_metadata, &self->r.tally, 200);
	EXPECT_EQ(1, self->r.tally.threads);
}

TEST_F(log, goes_on_after_a_vfork)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "vfork 100"));
	expect_iterations(_metadata, &self->r.tally, 200);
}

TEST_F(log, has_nothing_of_a_program_that_a_child_executes)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "exec-child 100"));
	expect_iterations(_metadata, &self->r.tally, 100);
	EXPECT_EQ(1, self->r.tally.starts);
}

TEST_F(log, goes_on_in_a_program_that_the_process_executes)
{
	ASSERT_EQ(0, record(&self->r, variant->malloc, "", "exec 50"));
	EXPECT_EQ(2, self->r.tally.starts);
	EXPECT_EQ(51, self->r.tally.count[BRKRECORD_MALLOC]);
	EXPECT_EQ(50, self->r.tally.count[BRKRECORD_CALLOC]);
}

TEST_F(log, of_a_killed_program_has_all_its_calls)
{
	ASSERT_EQ(128 + SIGKILL, record(&self->r, variant->malloc, "", "killed 777"));
	ASSERT_TRUE(self->r.capture.complete);
	expect_iterations(_metadata, &self->r.tally, 777);
}

TEST_F(log, that_is_full_counts_what_it_could_not_take)
{
	const char *result;
	u64 recorded, dropped;

	ASSERT_EQ(0, record(&self->r, variant->malloc, "--log-size 64K", "threads 4 1000"));
	result = self->r.capture.text[CHUNK_RESULT];
	ASSERT_TRUE(text_value(result, "calls_dropped", &dropped, 10));
	ASSERT_TRUE(text_value(result, "calls_recorded", &recorded, 10));
	EXPECT_LE(recorded, 64 * 1024 / sizeof(struct brkrecord_call));
	EXPECT_GT(recorded, 0);
	/* five calls an iteration, and a few of the C library's own */
	EXPECT_GE(recorded + dropped, 4 * 5 * 1000);
	EXPECT_LE(recorded + dropped, 4 * 5 * 1000 + 100);
	EXPECT_NE(NULL, strstr(self->r.output, "--log-size"));
}

TEST_F(log, keeps_the_malloc_of_the_program)
{
	static const char *const maps = "sh -c 'cat /proc/$$/maps >&2; exit 3'";
	char *tool = build_path("user/brkscope");
	char output[1 << 16];
	int status;

	status = run_command(output, sizeof(output),
			     "%s run --no-kernel --malloc %s -o %s -- %s", tool,
			     variant->malloc, self->r.file, maps);
	free(tool);
	EXPECT_EQ(3, status);
	EXPECT_NE(NULL, strstr(output, "libbrkrecord.so"));
	EXPECT_EQ(!strcmp(variant->malloc, "ours"), !!strstr(output, "libbrkmalloc.so"));
}

TEST_HARNESS_MAIN
