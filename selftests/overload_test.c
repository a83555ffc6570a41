// SPDX-License-Identifier: GPL-2.0-only
/*
 * overload_test.c - what if far more happens than its readers can take?
 *
 * Four threads fault as fast as they can into a buffer of 64 KiB. No reader
 * may miss a record without being told, and nobody waits for a reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define THREADS	4
#define PAGES	64
#define ROUNDS	25
#define WORK	(THREADS * PAGES * ROUNDS)	/* faults between two stops */

static pthread_barrier_t begin, done;

static void fault_in_rounds(char *area, int rounds)
{
	size_t page = scope_page_size(), i;

	while (rounds--) {
		for (i = 0; i < PAGES; i++)
			*(volatile char *)(area + i * page) = 1;
		madvise(area, PAGES * page, MADV_DONTNEED);
	}
}

static void *work(void *area)
{
	fault_in_rounds(area, 1);
	for (;;) {
		pthread_barrier_wait(&begin);
		fault_in_rounds(area, ROUNDS);
		pthread_barrier_wait(&done);
	}
	return NULL;
}

/* Each time that it is let go on, its threads make WORK faults, then it stops. */
static void child_main(void)
{
	pthread_t thread;
	int i;

	pthread_barrier_init(&begin, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, work, scope_area(PAGES)))
			_exit(1);
	for (;;) {
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&done);
		child_stop_here();
	}
}

FIXTURE(overload) {
	pid_t child;
	pid_t reader;
	int64_t faults;
	int64_t seen;
};

static int64_t kernels_faults(pid_t pid)
{
	return scope_stat(pid, 10) + scope_stat(pid, 12);
}

FIXTURE_SETUP(overload)
{
	scope_prepare();
	self->reader = 0;
	self->child = child_start();
	ASSERT_LE(0, self->child);
	if (!self->child)
		child_main();
	/* One piece of work has touched all that they need for themselves. */
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(0, scope_control("watch %d buffer=64K\n", self->child));
	self->faults = kernels_faults(self->child);
	self->seen = scope_number(self->child, "events_seen");
	ASSERT_LT(0, self->seen);
}

FIXTURE_TEARDOWN(overload)
{
	if (self->reader > 0) {
		kill(self->reader, SIGKILL);
		waitpid(self->reader, NULL, 0);
	}
	child_drop(self->child);
}

/* The work was done, each fault of it was seen, and the counts are the kernel's. */
#define EXPECT_SEEN_WORK(times)						\
do {									\
	int64_t faults_ = kernels_faults(self->child) - self->faults;	\
	int64_t seen_ = scope_number(self->child, "events_seen");	\
									\
	EXPECT_LE((int64_t)(times) * WORK, faults_);			\
	EXPECT_LE(faults_, seen_ - self->seen);				\
	EXPECT_EQ(0, scope_miscounted(self->child));			\
	EXPECT_EQ(0, scope_loss(self->child, "missed"));		\
	EXPECT_EQ(seen_, scope_loss(self->child, "held") +		\
			 scope_loss(self->child, "overwritten"));	\
} while (0)

enum reader_kind {
	STOPPED,	/* reads nothing before all is over */
	SLOW,		/* a few records now and then */
	FAST,		/* all there is, at once */
	LATE,		/* opened when half is over, then fast */
	READERS
};

struct reader {
	int fd;
	struct tally tally;
};

static int reader_open(struct reader *reader, pid_t pid)
{
	memset(reader, 0, sizeof(*reader));
	reader->tally.next = 1;
	reader->fd = scope_events(pid, NULL);
	return reader->fd < 0 ? reader->fd : 0;
}

static void read_some(struct reader *reader, size_t most)
{
	ssize_t got = read(reader->fd, scope_records,
			   most * sizeof(*scope_records));

	if (got > 0)
		scope_tally(&reader->tally, scope_records,
			    got / sizeof(*scope_records));
}

TEST_F_TIMEOUT(overload, every_reader_gets_or_is_told_of_each_record, 600)
{
	static const char *const names[READERS] = {
		"stopped", "slow", "fast", "late" };
	static struct reader readers[READERS];
	int i, turn, piece, works = 4;
	int64_t seen;

	for (i = 0; i < LATE; i++)
		ASSERT_EQ(0, reader_open(&readers[i], self->child));
	for (piece = 0; piece < works; piece++) {
		if (piece == works / 2)
			ASSERT_EQ(0, reader_open(&readers[LATE], self->child));
		ASSERT_EQ(0, child_continue(self->child));
		for (turn = 0; !waitpid(self->child, NULL, WUNTRACED | WNOHANG); turn++) {
			/* Never as much as there is, however fast the machine */
			if (turn % 8 == 0 && turn < 800)
				read_some(&readers[SLOW], 5);
			read_some(&readers[FAST], SCOPE_RECORDS);
			if (piece >= works / 2)
				read_some(&readers[LATE], SCOPE_RECORDS);
		}
	}
	EXPECT_SEEN_WORK(works);
	seen = scope_number(self->child, "events_seen");
	for (i = 0; i < READERS; i++) {
		struct tally *tally = &readers[i].tally;

		ASSERT_LE(0, scope_tally_rest(tally, readers[i].fd));
		EXPECT_FALSE(tally->wrong)
			TH_LOG("the %s reader: a gap that is not told", names[i]);
		EXPECT_EQ(seen, (int64_t)(tally->read + tally->lost))
			TH_LOG("the %s reader", names[i]);
		EXPECT_LT(0, tally->read);
		TH_LOG("the %s reader: %llu records and %llu lost in %llu gaps",
		       names[i], (unsigned long long)tally->read,
		       (unsigned long long)tally->lost,
		       (unsigned long long)tally->gaps);
	}
	EXPECT_EQ(1, readers[STOPPED].tally.gaps);
	EXPECT_LT(0, readers[SLOW].tally.gaps);
	EXPECT_GE(readers[STOPPED].tally.lost, readers[FAST].tally.lost);
}

TEST_F_TIMEOUT(overload, a_reader_that_never_reads_holds_nobody_up, 300)
{
	int bin = scope_events(self->child, NULL);
	int text = scope_open(self->child, "events", 0);

	ASSERT_LE(0, bin);
	ASSERT_LE(0, text);
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	EXPECT_SEEN_WORK(1);
}

/* Reads events.bin, waiting for more, until it is killed. */
static void read_for_ever(pid_t pid)
{
	int fd = scope_open(pid, "events.bin", 0);

	while (read(fd, scope_records, 16 * sizeof(*scope_records)) > 0)
		;
	_exit(1);
}

TEST_F_TIMEOUT(overload, a_stopped_reader_holds_nobody_up, 300)
{
	int i;

	self->reader = child_start();
	if (!self->reader)
		read_for_ever(self->child);
	/* It sleeps in read(2), having read all. */
	ASSERT_TRUE(scope_wait_state(self->reader, 'S'));
	for (i = 0; i < 3; i++) {
		/* The second time it is stopped somewhere in its reading. */
		kill(self->reader, SIGSTOP);
		ASSERT_EQ(0, child_until_stopped(self->reader));
		ASSERT_EQ(0, child_continue(self->child));
		ASSERT_EQ(0, child_until_stopped(self->child));
		EXPECT_EQ('T', scope_state(self->reader));
		EXPECT_SEEN_WORK(i + 1);
		ASSERT_EQ(0, child_continue(self->reader));
	}
	EXPECT_TRUE(scope_wait_state(self->reader, 'S'));
}

/*
 * Reads the text byte by byte, and stops itself in the middle of a line: half
 * of it is delivered, the rest waits in the open file.
 */
static void read_bytes(pid_t pid)
{
	int fd = scope_open(pid, "events", 0), count = 0;
	char byte;

	while (read(fd, &byte, 1) == 1)
		if (++count == 1000)
			child_stop_here();
	_exit(1);
}

TEST_F_TIMEOUT(overload, a_reader_of_single_bytes_holds_nobody_up, 300)
{
	struct tally tally = { .next = 1 };
	int fd, i;

	self->reader = child_start();
	if (!self->reader)
		read_bytes(self->child);
	ASSERT_EQ(0, child_until_stopped(self->reader));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, child_continue(self->child));
		ASSERT_EQ(0, child_until_stopped(self->child));
		EXPECT_SEEN_WORK(i + 1);
		/* The second time it reads while the others fault. */
		ASSERT_EQ(0, child_continue(self->reader));
	}
	/* Records have no halves. */
	fd = scope_events(self->child, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, scope_records, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_LT(0, scope_tally_rest(&tally, fd));
	EXPECT_FALSE(tally.wrong);
}

TEST_HARNESS_MAIN
