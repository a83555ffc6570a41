// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream_test.c - does each reader of the event streams get everything, and wake?
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define STATUS	37	/* what the child exits with */

FIXTURE(stream) {
	pid_t child;
	int events;
	struct brkscope_header header;
	uint64_t begun;
};

static void one_round(void)
{
	size_t page = scope_page_size();
	char *map = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(map, 8 * page, MADV_NOHUGEPAGE);
	map[0] = 1;
	map[3 * page] = 1;
	mprotect(map + 4 * page, page, PROT_READ);
	munmap(map, 8 * page);
	syscall(SYS_brk, syscall(SYS_brk, 0) + 2 * page);
}

/* Does some of everything each time it is let go on; ends after five times. */
static void child_main(void)
{
	int i;

	for (i = 0; i < 5; i++) {
		child_stop_here();
		one_round();
	}
	child_stop_here();
	_exit(STATUS);
}

FIXTURE_SETUP(stream)
{
	scope_prepare();
	self->child = child_start();
	ASSERT_LE(0, self->child);
	if (!self->child)
		child_main();
	ASSERT_EQ(0, child_until_stopped(self->child));
	self->begun = scope_now();
	ASSERT_EQ(0, scope_watch(self->child));
	self->events = scope_events(self->child, &self->header);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(stream)
{
	close(self->events);
	child_drop(self->child);
}

static int let_one_round(pid_t child)
{
	return child_continue(child) ?: child_until_stopped(child);
}

static int let_end(pid_t child)
{
	int i;

	for (i = 0; i < 5; i++)
		if (let_one_round(child))
			return -ECHILD;
	return child_end(child);
}

TEST_F(stream, the_header_describes_the_records)
{
	EXPECT_EQ(BRKSCOPE_VERSION, self->header.version);
	EXPECT_EQ(sizeof(struct brkscope_record), self->header.record_size);
	EXPECT_EQ(scope_page_size(), self->header.page_size);
	EXPECT_EQ((uint32_t)self->child, self->header.pid);
	EXPECT_LE(self->begun, self->header.start);
	EXPECT_GE(scope_now(), self->header.start);
	EXPECT_LT(0, self->header.buffer_records);
	EXPECT_EQ(0, self->header.reserved[0] | self->header.reserved[1] |
		     self->header.reserved[2]);
}

TEST_F(stream, reading_less_than_one_record_is_invalid)
{
	char few[63];
	int fd = scope_open(self->child, "events.bin", O_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, few, sizeof(few)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, let_one_round(self->child));
	EXPECT_EQ(-1, read(self->events, few, sizeof(few)));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

TEST_F(stream, only_whole_records_are_given)
{
	char odd[200];
	ssize_t got;

	ASSERT_EQ(0, let_one_round(self->child));
	got = read(self->events, odd, sizeof(odd));
	EXPECT_EQ(192, got);
}

TEST_F(stream, a_reader_that_does_not_block_gets_eagain)
{
	struct brkscope_record record;
	ssize_t got;

	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	got = read(self->events, &record, sizeof(record));
	EXPECT_EQ(-1, got);
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(stream, poll_tells_when_there_is_more)
{
	struct pollfd poller = { .fd = self->events, .events = POLLIN };

	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	EXPECT_EQ(0, poll(&poller, 1, 50));
	ASSERT_EQ(0, let_one_round(self->child));
	EXPECT_EQ(1, poll(&poller, 1, 5000));
	EXPECT_EQ(POLLIN, poller.revents & (POLLIN | POLLERR));
	EXPECT_LT(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	EXPECT_EQ(0, poll(&poller, 1, 50));
}

TEST_F(stream, poll_that_waits_is_woken)
{
	struct pollfd poller = { .fd = self->events, .events = POLLIN };
	uint64_t began;
	pid_t waker;

	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	waker = child_start();
	if (!waker) {
		usleep(200000);
		_exit(child_continue(self->child));
	}
	began = scope_now();
	EXPECT_EQ(1, poll(&poller, 1, 20000));
	EXPECT_LE(began + 100000000, scope_now());
	/* A poll that nobody wakes looks once more when its time is over. */
	EXPECT_GT(began + 15000000000, scope_now());
	waitpid(waker, NULL, 0);
}

/* Reads one record, waiting for it; exits 0 if it came after @since. */
static void blocking_reader(pid_t watched, uint64_t *since)
{
	int fd = scope_events(watched, NULL);
	struct brkscope_record record;

	if (fd < 0 || scope_drain(fd, scope_records, SCOPE_RECORDS) < 0)
		_exit(2);
	fcntl(fd, F_SETFL, 0);
	if (read(fd, &record, sizeof(record)) != sizeof(record))
		_exit(3);
	_exit(record.time >= *since && *since ? 0 : 4);
}

TEST_F(stream, a_reader_that_blocks_is_woken_by_the_next_record)
{
	uint64_t *since = mmap(NULL, scope_page_size(), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t reader = child_start();
	int status;

	if (!reader)
		blocking_reader(self->child, since);
	usleep(100000);
	ASSERT_TRUE(scope_wait_state(reader, 'S'));
	usleep(100000);
	ASSERT_EQ(0, waitpid(reader, &status, WNOHANG));
	*since = scope_now();
	ASSERT_EQ(0, let_one_round(self->child));
	ASSERT_EQ(reader, waitpid(reader, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(stream, a_reader_that_blocks_can_be_killed)
{
	uint64_t since = 0;
	pid_t reader = child_start();
	int status;

	if (!reader)
		blocking_reader(self->child, &since);
	usleep(100000);
	ASSERT_TRUE(scope_wait_state(reader, 'S'));
	kill(reader, SIGTERM);
	ASSERT_EQ(reader, waitpid(reader, &status, 0));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

TEST_F(stream, a_reader_that_blocks_wakes_when_the_watch_is_ended)
{
	uint64_t since = 1;
	pid_t reader = child_start();
	int status, tries;

	if (!reader)
		blocking_reader(self->child, &since);
	usleep(100000);
	ASSERT_TRUE(scope_wait_state(reader, 'S'));
	ASSERT_EQ(0, scope_unwatch(self->child));
	for (tries = 0; tries < 100; tries++) {
		if (waitpid(reader, &status, WNOHANG) == reader)
			break;
		usleep(50000);
	}
	EXPECT_GT(100, tries);
}

/* Whoever polls waits in the watch, and an epoll does until the file is closed. */
TEST_F(stream, a_file_in_an_epoll_ends_with_unwatch_and_does_no_harm)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->events, &event));
	ASSERT_EQ(0, scope_unwatch(self->child));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLIN | EPOLLHUP, event.events);
	EXPECT_EQ(0, read(self->events, scope_records, sizeof(*scope_records)));
	/* the epoll leaves what it waits in */
	EXPECT_EQ(0, close(self->events));
	self->events = -1;
	close(epoll);
}

/* Takes what is there now in bites of @bite records. */
static ssize_t nibble(int fd, struct brkscope_record *to, size_t bite)
{
	ssize_t count = 0, got;

	while ((got = read(fd, to + count, bite * sizeof(*to))) > 0)
		count += got / sizeof(*to);
	return count;
}

TEST_F(stream, readers_of_any_pace_each_get_everything)
{
	static struct brkscope_record steady[4096], late[4096];
	ssize_t all, steadily = 0, lately;
	int early = scope_events(self->child, NULL), i, fd;

	ASSERT_LE(0, early);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, let_one_round(self->child));
		steadily += nibble(early, steady + steadily, 3);
	}
	ASSERT_EQ(STATUS << 8, child_end(self->child));
	steadily += nibble(early, steady + steadily, 1);
	all = scope_drain(self->events, scope_records, 4096);
	ASSERT_LT(20, all);
	EXPECT_EQ(all, steadily);
	EXPECT_EQ(0, memcmp(scope_records, steady, all * sizeof(*steady)));

	fd = scope_events(self->child, NULL);
	ASSERT_LE(0, fd);
	lately = scope_drain(fd, late, 4096);
	EXPECT_EQ(all, lately);
	EXPECT_EQ(0, memcmp(scope_records, late, all * sizeof(*late)));
	close(early);
	close(fd);
}

TEST_F(stream, numbers_rise_by_one_and_times_do_not_fall)
{
	ssize_t count, i;

	ASSERT_EQ(STATUS << 8, let_end(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(20, count);
	EXPECT_EQ(1, scope_records[0].seq);
	for (i = 1; i < count; i++) {
		EXPECT_EQ(scope_records[i - 1].seq + 1, scope_records[i].seq);
		EXPECT_LE(scope_records[i - 1].time, scope_records[i].time);
	}
	EXPECT_EQ((int64_t)count, scope_number(self->child, "events_seen"));
}

TEST_F(stream, the_last_record_is_the_exit_and_then_the_stream_ends)
{
	struct pollfd poller = { .fd = self->events, .events = POLLIN };
	ssize_t count;

	ASSERT_EQ(STATUS << 8, let_end(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	EXPECT_EQ(BRKSCOPE_EXIT, scope_records[count - 1].kind);
	EXPECT_EQ(STATUS << 8, scope_records[count - 1].exit.status);
	EXPECT_EQ(0, read(self->events, scope_records, sizeof(*scope_records)));
	EXPECT_EQ(0, read(self->events, scope_records, sizeof(*scope_records)));
	EXPECT_EQ(1, poll(&poller, 1, 0));
	fcntl(self->events, F_SETFL, 0);
	EXPECT_EQ(0, read(self->events, scope_records, sizeof(*scope_records)));
}

TEST_F(stream, death_by_a_signal_is_told_as_wait_tells_it)
{
	ssize_t count;
	int status;

	kill(self->child, SIGKILL);
	ASSERT_EQ(self->child, waitpid(self->child, &status, 0));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	EXPECT_EQ(BRKSCOPE_EXIT, scope_records[count - 1].kind);
	EXPECT_EQ(status, scope_records[count - 1].exit.status);
}

TEST_F(stream, clear_empties_it_and_new_records_go_on_counting)
{
	uint64_t cleared, last;
	ssize_t count;
	int fd;

	ASSERT_EQ(0, let_one_round(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	last = scope_records[count - 1].seq;
	ASSERT_EQ(0, scope_control("clear %d\n", self->child));
	cleared = scope_now();
	EXPECT_EQ(0, scope_number(self->child, "events_held"));
	fd = scope_events(self->child, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, let_one_round(self->child));
	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	while (count-- > 0) {
		/* What was cleared may be told as lost, never given. */
		if (scope_records[count].kind == BRKSCOPE_LOST)
			continue;
		EXPECT_LT(last, scope_records[count].seq);
		EXPECT_LE(cleared, scope_records[count].time);
	}
	close(fd);
}

TEST_HARNESS_MAIN
