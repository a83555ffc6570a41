// SPDX-License-Identifier: GPL-2.0-only
/*
 * loss_test.c - when the buffer is too small, is every lost record told?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define BUFFER	(64 * 1024)
#define PAGES	512

FIXTURE(loss) {
	pid_t child;
	uint64_t held_at_most;
};

/* Faults in each page of an area each time that it is let go on. */
static void child_main(void)
{
	size_t page = scope_page_size(), i;
	char *area = scope_area(PAGES);
	int round;

	for (;;) {
		child_stop_here();
		for (round = 0; round < 10; round++) {
			for (i = 0; i < PAGES; i++)
				*(volatile char *)(area + i * page) = 1;
			madvise(area, PAGES * page, MADV_DONTNEED);
		}
	}
}

FIXTURE_SETUP(loss)
{
	struct brkscope_header header;
	int fd;

	scope_prepare();
	self->child = child_start();
	ASSERT_LE(0, self->child);
	if (!self->child)
		child_main();
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(0, scope_control("watch %d buffer=64K\n", self->child));
	fd = scope_events(self->child, &header);
	ASSERT_LE(0, fd);
	close(fd);
	self->held_at_most = header.buffer_records;
}

FIXTURE_TEARDOWN(loss)
{
	child_drop(self->child);
}

TEST_F(loss, the_buffer_is_of_the_size_asked_for)
{
	EXPECT_EQ((uint64_t)BUFFER / sizeof(struct brkscope_record),
		  self->held_at_most);
}

TEST_F(loss, a_reader_that_came_too_late_is_told_how_many_it_lost)
{
	struct tally tally = { .next = 1 };
	int fd = scope_events(self->child, NULL);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_LT(0, scope_tally_rest(&tally, fd));
	EXPECT_FALSE(tally.wrong);
	EXPECT_LT(4000, tally.lost);
	EXPECT_GE(self->held_at_most, tally.read);
	EXPECT_LE(self->held_at_most / 2, tally.read);
	EXPECT_EQ(scope_number(self->child, "events_seen"),
		  (int64_t)(tally.read + tally.lost));
}

TEST_F(loss, a_new_reader_of_an_overwritten_buffer_is_told_the_same)
{
	struct tally tally = { .next = 1 };
	int fd;

	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	fd = scope_events(self->child, NULL);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, scope_tally_rest(&tally, fd));
	EXPECT_EQ(BRKSCOPE_LOST, scope_records[0].kind);
	EXPECT_FALSE(tally.wrong);
	EXPECT_EQ(scope_number(self->child, "events_seen"),
		  (int64_t)(tally.read + tally.lost));
}

TEST_F_TIMEOUT(loss, read_and_lost_add_up_while_records_are_being_made, 120)
{
	struct tally tally = { .next = 1 };
	int fd = scope_events(self->child, NULL), round, got;

	ASSERT_LE(0, fd);
	for (round = 0; round < 6; round++) {
		ASSERT_EQ(0, child_continue(self->child));
		/* Read in bites of a few records while the child goes on. */
		do {
			got = read(fd, scope_records, 7 * sizeof(*scope_records));
			if (got > 0)
				scope_tally(&tally, scope_records,
					    got / sizeof(*scope_records));
		} while (waitpid(self->child, NULL, WUNTRACED | WNOHANG) == 0);
	}
	ASSERT_LE(0, scope_tally_rest(&tally, fd));
	EXPECT_FALSE(tally.wrong);
	EXPECT_LT(0, tally.read);
	EXPECT_EQ(scope_number(self->child, "events_seen"),
		  (int64_t)(tally.read + tally.lost));
}

TEST_F(loss, the_loss_file_adds_up)
{
	int64_t seen, held, overwritten;

	EXPECT_EQ(0, scope_loss(self->child, "overwritten"));
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	seen = scope_loss(self->child, "seen");
	held = scope_loss(self->child, "held");
	overwritten = scope_loss(self->child, "overwritten");
	EXPECT_LT(5000, seen);
	EXPECT_LT(4000, overwritten);
	EXPECT_LT(0, held);
	EXPECT_GE((int64_t)self->held_at_most, held);
	EXPECT_EQ(seen, held + overwritten);
	EXPECT_EQ(seen, scope_number(self->child, "events_seen"));
	EXPECT_EQ(held, scope_number(self->child, "events_held"));
	EXPECT_EQ(overwritten,
		  scope_number(self->child, "events_overwritten"));
	EXPECT_EQ(0, scope_loss(self->child, "missed"));

	ASSERT_EQ(0, scope_control("clear %d\n", self->child));
	EXPECT_EQ(0, scope_loss(self->child, "held"));
	EXPECT_EQ(scope_loss(self->child, "seen"),
		  scope_loss(self->child, "overwritten") +
		  scope_loss(self->child, "cleared"));
}

TEST_F(loss, the_counts_of_faults_do_not_lose_what_the_buffer_lost)
{
	int64_t faults = scope_number(self->child, "fault_first_write");

	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	EXPECT_LE(faults + 10 * PAGES,
		  scope_number(self->child, "fault_first_write"));
	EXPECT_EQ(0, scope_miscounted(self->child));
}

TEST_F(loss, the_text_stream_tells_it_as_a_row)
{
	unsigned long long seq, lost, after;
	int fields;
	char *row;

	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_LT(0, scope_read(self->child, "events"));
	row = strchr(scope_text, '\n');
	ASSERT_NE(NULL, row);
	row = strchr(row + 1, '\n');
	ASSERT_NE(NULL, row);
	fields = sscanf(row, " %llu %*s %*s lost %*s %*s %*s %*s %*s %llu",
			&seq, &lost);
	ASSERT_EQ(2, fields);
	EXPECT_EQ(1, seq);
	row = strchr(row + 1, '\n');
	fields = sscanf(row, " %llu", &after);
	ASSERT_EQ(1, fields);
	EXPECT_EQ(after, seq + lost);
}

TEST_HARNESS_MAIN
