// SPDX-License-Identifier: GPL-2.0-only
/*
 * brk_test.c - is every move of the program break told as it was?
 *
 * The tests call brk(2) directly: the C library answers sbrk(0) by itself.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

static uint64_t move_break(uint64_t to)
{
	return syscall(SYS_brk, to);
}

static int64_t pages_up_to(uint64_t address)
{
	return (address + scope_page_size() - 1) / scope_page_size();
}

FIXTURE(brk) {
	pid_t pid;
	uint64_t start;		/* the break when the watch began */
	uint64_t page;
	int events;
};

FIXTURE_SETUP(brk)
{
	scope_prepare();
	self->pid = getpid();
	self->page = scope_page_size();
	/* Page-aligned and with room below it to shrink. */
	self->start = move_break(0);
	self->start = (self->start + self->page - 1) & -self->page;
	self->start += 64 * self->page;
	ASSERT_EQ(0, brk((void *)self->start));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(brk)
{
	close(self->events);
	scope_unwatch(self->pid);
}

/* The brk records since the last call, at the front of scope_records. */
static ssize_t new_moves(int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	if (count < 0)
		return count;
	return scope_keep(scope_records, count, BRKSCOPE_BRK, 0, 0);
}

/* Is this record this move, made by the calling thread since @since? */
static bool is_move(const struct brkscope_record *record, int result,
		    uint64_t old, uint64_t requested, uint64_t now,
		    uint64_t since)
{
	return record->kind == BRKSCOPE_BRK && record->code == result &&
	       record->brk.old == old && record->brk.requested == requested &&
	       record->brk.now == now &&
	       record->brk.pages == pages_up_to(now) - pages_up_to(old) &&
	       record->tid == (uint32_t)gettid() && record->flags == 0 &&
	       record->time >= since && record->time <= scope_now();
}

TEST_F(brk, growing_by_n_pages_is_one_record_with_those_addresses)
{
	int pages[] = { 1, 2, 7, 33, 256 };
	uint64_t old = self->start;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		uint64_t since = scope_now();
		uint64_t new = old + pages[i] * self->page;

		ASSERT_EQ((void *)old, sbrk(pages[i] * self->page));
		ASSERT_EQ(1, new_moves(self->events));
		EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_GROWN, old, new,
				    new, since));
		EXPECT_EQ(pages[i], scope_records[0].brk.pages);
		EXPECT_EQ((uint64_t)sbrk(0), scope_records[0].brk.now);
		old = new;
	}
}

TEST_F(brk, shrinking_is_one_record_with_negative_pages)
{
	uint64_t since = scope_now(), low = self->start - 40 * self->page;

	ASSERT_EQ((void *)self->start, sbrk(-40 * (intptr_t)self->page));
	ASSERT_EQ(1, new_moves(self->events));
	EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_SHRUNK, self->start,
			    low, low, since));
	EXPECT_EQ(-40, scope_records[0].brk.pages);
}

TEST_F(brk, a_move_refused_by_the_data_limit_leaves_the_break)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	int64_t failures = scope_number(self->pid, "break_failures");
	uint64_t since = scope_now();
	uint64_t wish = self->start + 1000 * self->page;

	ASSERT_EQ(0, setrlimit(RLIMIT_DATA, &limit));
	ASSERT_EQ(self->start, move_break(wish));
	ASSERT_EQ(1, new_moves(self->events));
	EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_REFUSED, self->start,
			    wish, self->start, since));
	EXPECT_EQ(failures + 1, scope_number(self->pid, "break_failures"));
	EXPECT_EQ((int64_t)self->start, scope_number(self->pid, "break_now"));
}

TEST_F(brk, a_move_into_another_mapping_is_refused)
{
	uint64_t wall = self->start + 16 * self->page, since;

	ASSERT_EQ((void *)wall, mmap((void *)wall, self->page, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS |
				     MAP_FIXED_NOREPLACE, -1, 0));
	since = scope_now();
	ASSERT_EQ(self->start, move_break(wall + self->page));
	ASSERT_EQ(1, new_moves(self->events));
	EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_REFUSED, self->start,
			    wall + self->page, self->start, since));
}

TEST_F(brk, a_move_below_the_heap_is_refused)
{
	uint64_t low = scope_number(self->pid, "break_start") - self->page;
	uint64_t since = scope_now();

	ASSERT_EQ(self->start, move_break(low));
	ASSERT_EQ(1, new_moves(self->events));
	EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_REFUSED, self->start,
			    low, self->start, since));
}

TEST_F(brk, asking_for_the_present_break_is_a_record_of_no_change)
{
	int64_t moves = scope_number(self->pid, "break_moves");
	uint64_t since = scope_now();

	ASSERT_EQ(self->start, move_break(self->start));
	ASSERT_EQ(1, new_moves(self->events));
	EXPECT_TRUE(is_move(scope_records, BRKSCOPE_BRK_SAME, self->start,
			    self->start, self->start, since));
	EXPECT_EQ(0, scope_number(self->pid, "break_failures"));
	EXPECT_LE(moves, scope_number(self->pid, "break_moves"));
}

TEST_F(brk, a_query_is_counted_apart_and_makes_no_record)
{
	int64_t queries = scope_number(self->pid, "break_queries");
	int64_t moves = scope_number(self->pid, "break_moves");
	int i;

	ASSERT_LE(0, queries);
	for (i = 0; i < 17; i++)
		ASSERT_EQ(self->start, move_break(0));
	EXPECT_EQ(queries + 17, scope_number(self->pid, "break_queries"));
	EXPECT_EQ(moves, scope_number(self->pid, "break_moves"));
	EXPECT_EQ(0, scope_number(self->pid, "break_failures"));
	EXPECT_EQ(0, new_moves(self->events));
}

TEST_F(brk, unaligned_moves_tell_the_exact_break_and_count_whole_pages)
{
	static const int steps[] = { 1, 100, 4000, -4100, 4095, 4097, -1, -8191,
				     12289, -12289 };
	uint64_t old = self->start;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t since = scope_now(), new = old + steps[i];

		ASSERT_EQ(new, move_break(new));
		ASSERT_EQ(1, new_moves(self->events));
		EXPECT_TRUE(is_move(scope_records, steps[i] > 0 ?
				    BRKSCOPE_BRK_GROWN : BRKSCOPE_BRK_SHRUNK,
				    old, new, new, since)) {
			TH_LOG("step %zu by %d: record says %d pages", i,
			       steps[i], (int)scope_records[0].brk.pages);
		}
		EXPECT_EQ((int64_t)new, scope_number(self->pid, "break_now"));
		old = new;
	}
}

TEST_F(brk, the_summary_tells_start_now_and_peak_as_the_kernel_does)
{
	uint64_t high = self->start + 300 * self->page;
	int64_t moves = scope_number(self->pid, "break_moves");

	/* Field 47 of stat is start_brk; root may read it. */
	EXPECT_EQ(scope_stat(self->pid, 47),
		  scope_number(self->pid, "break_start"));
	EXPECT_EQ((int64_t)move_break(0), scope_number(self->pid, "break_now"));
	EXPECT_EQ((int64_t)self->start, scope_number(self->pid, "break_peak"));

	ASSERT_EQ(high, move_break(high));
	ASSERT_EQ(high - self->page * 200, move_break(high - self->page * 200));
	EXPECT_EQ((int64_t)move_break(0), scope_number(self->pid, "break_now"));
	EXPECT_EQ((int64_t)high, scope_number(self->pid, "break_peak"));
	EXPECT_EQ(moves + 2, scope_number(self->pid, "break_moves"));
}

TEST_F(brk, random_moves_are_all_told_in_order)
{
	uint64_t seed = scope_seed("random_moves_are_all_told_in_order");
	struct { uint64_t old, requested, now; } done[500];
	uint64_t at = self->start;
	ssize_t count;
	int i;

	for (i = 0; i < 500; i++) {
		uint64_t to = self->start - 60 * self->page +
			      scope_random(&seed) % (1000 * self->page);

		done[i].old = at;
		done[i].requested = to;
		at = move_break(to);
		done[i].now = at;
	}
	count = new_moves(self->events);
	ASSERT_EQ(500, count);
	for (i = 0; i < 500; i++) {
		EXPECT_EQ(done[i].old, scope_records[i].brk.old);
		EXPECT_EQ(done[i].requested, scope_records[i].brk.requested);
		EXPECT_EQ(done[i].now, scope_records[i].brk.now);
		EXPECT_EQ(pages_up_to(done[i].now) - pages_up_to(done[i].old),
			  scope_records[i].brk.pages);
		if (i)
			EXPECT_LE(scope_records[i - 1].time,
				  scope_records[i].time);
	}
}

static void *grow_in_thread(void *tid)
{
	*(uint32_t *)tid = gettid();
	move_break(move_break(0) + scope_page_size());
	return NULL;
}

TEST_F(brk, a_move_by_a_thread_carries_its_thread_id)
{
	pthread_t thread;
	uint32_t tid = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, grow_in_thread, &tid));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	/* The C library may have grown the heap for the thread before. */
	ASSERT_LE(1, new_moves(self->events));
	EXPECT_NE((uint32_t)self->pid, tid);
	while (scope_records[0].tid != tid && scope_records[0].kind)
		memmove(scope_records, scope_records + 1,
			sizeof(scope_records) - sizeof(scope_records[0]));
	EXPECT_EQ(tid, scope_records[0].tid);
	EXPECT_EQ(1, scope_records[0].brk.pages);
}

TEST_F(brk, the_brk_file_holds_the_same_rows)
{
	static const char head[] =
		"brkscope brk 1\nseq time_ns tid what old requested new pages error reason";
	static const char *const results[] = BRKSCOPE_BRK_RESULT_NAMES;
	static const char *const reasons[] = BRKSCOPE_BRK_REASON_NAMES;
	uint64_t top = self->start + 5 * self->page;
	unsigned long long seq, time, old, requested, now;
	ssize_t count, i;
	char what[16], reason[16], *row;
	unsigned int tid;
	int fields;
	int used, error;
	long pages;

	ASSERT_EQ(top, move_break(top));
	ASSERT_EQ(top, move_break(top));
	ASSERT_EQ(top, move_break(1ULL << 46));
	ASSERT_EQ(self->start, move_break(self->start));
	count = new_moves(self->events);
	ASSERT_EQ(4, count);
	ASSERT_LT(0, scope_read(self->pid, "brk"));
	ASSERT_EQ(0, strncmp(scope_text, head, sizeof(head) - 1));
	row = strchr(scope_text + sizeof(head) - 1, '\n');
	for (i = 0; i < count; i++) {
		struct brkscope_record *record = &scope_records[i];

		ASSERT_NE(NULL, row);
		fields = sscanf(row, " %llu %llu %u %15s %llx %llx %llx %ld %d %15s%n",
				&seq, &time, &tid, what, &old, &requested,
				&now, &pages, &error, reason, &used);
		ASSERT_EQ(10, fields);
		EXPECT_EQ(record->seq, seq);
		EXPECT_EQ(record->time, time);
		EXPECT_EQ(record->tid, tid);
		EXPECT_STREQ(results[record->code], what);
		EXPECT_EQ(record->brk.old, old);
		EXPECT_EQ(record->brk.requested, requested);
		EXPECT_EQ(record->brk.now, now);
		EXPECT_EQ(record->brk.pages, pages);
		EXPECT_EQ(record->brk.error, error);
		EXPECT_STREQ(reasons[record->brk.reason], reason);
		row += used;
	}
	EXPECT_STREQ("\n", row);
}

TEST_HARNESS_MAIN
