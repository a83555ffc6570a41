// SPDX-License-Identifier: GPL-2.0-only
/*
 * lifecycle_test.c - does a watch follow its process through exec, fork and end?
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

static const char helper[] = "./test_helper";

FIXTURE(life) {
	pid_t child;
	int events;
};

FIXTURE_SETUP(life)
{
	scope_prepare();
}

FIXTURE_TEARDOWN(life)
{
	child_drop(self->child);
}

static void vfork_and_exec(void)
{
	pid_t other = vfork();

	if (!other) {
		execl(helper, helper, "exit", "0", NULL);
		_exit(1);
	}
	waitpid(other, NULL, 0);
	child_stop_here();
}

TEST_F(life, a_vfork_child_that_executes_does_not_disturb_its_parents_watch)
{
	const char *difference;
	ssize_t count;
	char state[16];

	ASSERT_EQ(0, child_watched(&self->child, &self->events, vfork_and_exec));
	ASSERT_EQ(0, child_next_stop(self->child));
	difference = mirror_differs(self->child);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	EXPECT_EQ(0, scope_number(self->child, "execs"));
	EXPECT_EQ(0, scope_miscounted(self->child));
	ASSERT_LT(0, scope_read(self->child, "summary"));
	ASSERT_EQ(0, scope_value(scope_text, "state", state, sizeof(state)));
	EXPECT_STREQ("live", state);
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	while (count-- > 0) {
		EXPECT_NE(BRKSCOPE_EXIT, scope_records[count].kind);
		EXPECT_NE(BRKSCOPE_EXEC, scope_records[count].kind);
	}
}

static void move_break_in_vfork_child(void)
{
	uint64_t now = syscall(SYS_brk, 0);
	pid_t other = vfork();

	if (!other) {
		syscall(SYS_brk, now + 3 * scope_page_size());
		_exit(0);
	}
	waitpid(other, NULL, 0);
	child_stop_here();
}

TEST_F(life, what_a_vfork_child_does_to_the_shared_memory_is_told)
{
	ssize_t count;

	ASSERT_EQ(0, child_watched(&self->child, &self->events,
				   move_break_in_vfork_child));
	ASSERT_EQ(0, child_next_stop(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	ASSERT_EQ(1, scope_keep(scope_records, count, BRKSCOPE_BRK, 0, 0));
	EXPECT_EQ(3, scope_records[0].brk.pages);
	EXPECT_NE((uint32_t)self->child, scope_records[0].tid);
	EXPECT_EQ(NULL, mirror_differs(self->child));
	EXPECT_EQ((int64_t)scope_records[0].brk.now,
		  scope_number(self->child, "break_now"));
}

static void fork_and_let_work(void)
{
	size_t page = scope_page_size(), i;
	pid_t other = fork();

	if (!other) {
		for (i = 0; i < 50; i++)
			mmap(NULL, page, i & 1 ? PROT_READ : PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		syscall(SYS_brk, syscall(SYS_brk, 0) + page);
		_exit(0);
	}
	waitpid(other, NULL, 0);
	child_stop_here();
}

TEST_F(life, a_forked_child_is_another_process_and_not_watched)
{
	ssize_t count;

	ASSERT_EQ(0, child_watched(&self->child, &self->events,
				   fork_and_let_work));
	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	ASSERT_EQ(0, child_next_stop(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	while (count-- > 0) {
		if (scope_records[count].kind == BRKSCOPE_NAME)
			continue;
		EXPECT_EQ((uint32_t)self->child, scope_records[count].tid);
		EXPECT_NE(BRKSCOPE_BRK, scope_records[count].kind);
	}
	EXPECT_EQ(NULL, mirror_differs(self->child));
	EXPECT_EQ(0, scope_miscounted(self->child));
}

static void touch_a_little(void)
{
	*(volatile char *)scope_area(1) = 1;
}

TEST_F(life, an_ended_watch_can_be_read_until_unwatch)
{
	struct brkscope_record record;
	char state[16], path[64];

	ASSERT_EQ(0, child_watched(&self->child, &self->events, touch_a_little));
	ASSERT_EQ(0, child_end(self->child));
	ASSERT_LT(0, scope_read(self->child, "summary"));
	ASSERT_EQ(0, scope_value(scope_text, "state", state, sizeof(state)));
	EXPECT_STREQ("ended", state);
	EXPECT_LT(scope_number(self->child, "start_ns"),
		  scope_number(self->child, "end_ns"));
	EXPECT_LT(0, scope_number(self->child, "faults"));
	EXPECT_LT(0, scope_read(self->child, "vmas"));
	EXPECT_LT(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));

	ASSERT_EQ(0, scope_unwatch(self->child));
	snprintf(path, sizeof(path), SCOPE_DIR "/%d", self->child);
	EXPECT_NE(0, access(path, F_OK));
	/* What is still open ends; it does no harm. */
	EXPECT_GE(0, read(self->events, &record, sizeof(record)));
}

TEST_F(life, a_process_can_be_watched_again_while_an_old_file_is_open)
{
	struct brkscope_header header;
	int fd;

	ASSERT_EQ(0, child_watched(&self->child, &self->events, touch_a_little));
	ASSERT_EQ(0, scope_unwatch(self->child));
	ASSERT_EQ(0, scope_watch(self->child));
	fd = scope_events(self->child, &header);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, header.start);
	EXPECT_GE(0, read(self->events, scope_records, sizeof(*scope_records)));
	ASSERT_EQ(0, child_end(self->child));
	EXPECT_LT(0, scope_drain(fd, scope_records, SCOPE_RECORDS));
	close(fd);
}

static void *outlive_the_first_thread(void *data)
{
	usleep(300000);
	child_stop_here();
	*(volatile char *)scope_area(1) = 1;
	_exit(7);
	return data;
}

static void end_the_first_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlive_the_first_thread, NULL);
	syscall(SYS_exit, 0);
}

TEST_F(life, a_watch_lasts_until_the_last_thread_has_ended)
{
	char state[16];
	ssize_t count;

	ASSERT_EQ(0, child_watched(&self->child, &self->events,
				   end_the_first_thread));
	ASSERT_EQ(0, child_next_stop(self->child));
	ASSERT_LT(0, scope_read(self->child, "summary"));
	ASSERT_EQ(0, scope_value(scope_text, "state", state, sizeof(state)));
	EXPECT_STREQ("live", state);
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	while (count-- > 0)
		EXPECT_NE(BRKSCOPE_EXIT, scope_records[count].kind);
	EXPECT_EQ(7 << 8, child_end(self->child));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	EXPECT_EQ(BRKSCOPE_EXIT, scope_records[count - 1].kind);
	EXPECT_EQ(7 << 8, scope_records[count - 1].exit.status);
}

#define ENDING_THREADS	8

static pthread_barrier_t ending;

/*
 * The kernel clears the word that set_tid_address(2) names when the thread ends:
 * here it lies in a page that nobody has touched.
 */
static void *touch_on_the_way_out(void *data)
{
	syscall(SYS_set_tid_address, data);
	pthread_barrier_wait(&ending);
	syscall(SYS_exit, 0);
	return data;
}

static void end_together(void)
{
	char *area = scope_area(ENDING_THREADS);
	pthread_t thread;
	int i;

	pthread_barrier_init(&ending, NULL, ENDING_THREADS);
	for (i = 1; i < ENDING_THREADS; i++)
		pthread_create(&thread, NULL, touch_on_the_way_out,
			       area + i * scope_page_size());
	touch_on_the_way_out(area);
}

TEST_F_TIMEOUT(life, faults_of_threads_that_end_together_are_all_counted, 300)
{
	struct rusage usage;
	int i, status;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, child_watched(&self->child, &self->events,
					   end_together));
		ASSERT_EQ(0, child_continue(self->child));
		ASSERT_EQ(self->child, wait4(self->child, &status, 0, &usage));
		ASSERT_EQ(0, status);
		EXPECT_EQ(usage.ru_minflt + usage.ru_majflt,
			  scope_number(self->child, "rusage_before") +
			  scope_number(self->child, "faults_rusage"));
		close(self->events);
		ASSERT_EQ(0, scope_unwatch(self->child));
		self->child = 0;
	}
}

static void *work_forever(void *data)
{
	size_t page = scope_page_size(), i;

	for (;;) {
		char *map = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (i = 0; i < 16; i++)
			*(volatile char *)(map + i * page) = 1;
		mprotect(map + 3 * page, page, PROT_READ);
		munmap(map, 16 * page);
	}
	return data;
}

TEST_F_TIMEOUT(life, a_watch_begun_while_three_threads_work_is_exact, 300)
{
	const char *difference;
	pthread_t thread;
	int i;

	self->child = child_start();
	if (!self->child) {
		pthread_create(&thread, NULL, work_forever, NULL);
		pthread_create(&thread, NULL, work_forever, NULL);
		work_forever(NULL);
	}
	for (i = 0; i < 25; i++) {
		usleep(20000);
		ASSERT_EQ(0, scope_watch(self->child));
		usleep(20000);
		kill(self->child, SIGSTOP);
		ASSERT_EQ(0, child_until_stopped(self->child));
		difference = mirror_differs(self->child);
		EXPECT_EQ(NULL, difference)
			TH_LOG("time %d: %s", i, difference);
		EXPECT_EQ(0, scope_miscounted(self->child));
		child_continue(self->child);
		ASSERT_EQ(0, scope_unwatch(self->child));
	}
}

static void grow_and_shrink(void)
{
	uint64_t now = syscall(SYS_brk, 0);
	int i;

	for (i = 1; i <= 100; i++) {
		syscall(SYS_brk, now + (getpid() % 50 + 1) * scope_page_size());
		syscall(SYS_brk, now);
	}
	child_stop_here();
}

TEST_F(life, twenty_watches_at_once_do_not_mix)
{
	pid_t child[20];
	int events[20], i;
	ssize_t count, k;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, child_watched(&child[i], &events[i],
					   grow_and_shrink));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, child_continue(child[i]));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, child_until_stopped(child[i]));
	for (i = 0; i < 20; i++) {
		count = scope_drain(events[i], scope_records, SCOPE_RECORDS);
		ASSERT_LT(0, count);
		count = scope_keep(scope_records, count, BRKSCOPE_BRK, 0, 0);
		EXPECT_EQ(200, count);
		for (k = 0; k < count; k++) {
			EXPECT_EQ((uint32_t)child[i], scope_records[k].tid);
			EXPECT_EQ((k & 1 ? -1 : 1) * (child[i] % 50 + 1),
				  scope_records[k].brk.pages);
		}
		EXPECT_EQ(0, scope_miscounted(child[i]));
		close(events[i]);
		EXPECT_EQ(0, child_end(child[i]));
		EXPECT_EQ(0, scope_unwatch(child[i]));
	}
}

TEST_HARNESS_MAIN
