// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_before_test.c - does a watch know how many faults there were before it?
 *
 * It adds up those of all threads while some end and hand theirs over to the
 * process. There are many threads, so that this takes a while: a sum without a
 * lock is wrong a few times in two hundred.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define IDLE_THREADS	2000	/* over which the kernel and the module add up */
#define THREAD_FILES	300	/* closed by a thread after it gave up its memory */
#define THREAD_PAGES	8
#define THREAD_STACK	(64 * 1024)

/* Are threads made just now? What the test wants, and what is so; shared. */
static struct busy {
	bool wanted;
	bool is;
} *busy;

static void *wait_forever(void *data)
{
	for (;;)
		pause();
	return data;
}

static void *fault_and_end(void *data)
{
	size_t page = scope_page_size(), i;
	char *area = data;

	if (unshare(CLONE_FILES))
		abort();
	madvise(area, THREAD_PAGES * page, MADV_DONTNEED);
	for (i = 0; i < THREAD_PAGES; i++)
		*(volatile char *)(area + i * page) = 1;
	return NULL;
}

/* All stacks are one VMA: the module looks at all VMAs before it adds up. */
static pthread_t make_thread(void *(*run)(void *data), void *data, char *stack)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, THREAD_STACK);
	if (pthread_create(&thread, &attributes, run, data))
		abort();
	return thread;
}

static void make_threads_that_end(void)
{
	char *stacks = scope_area((IDLE_THREADS + 1) * THREAD_STACK / scope_page_size());
	char *area = scope_area(THREAD_PAGES);
	int i;

	for (i = 0; i < THREAD_FILES; i++)
		if (dup(STDOUT_FILENO) < 0)
			abort();
	for (i = 1; i <= IDLE_THREADS; i++)
		make_thread(wait_forever, NULL, stacks + i * THREAD_STACK);
	child_stop_here();
	for (;;) {
		__atomic_store_n(&busy->is, false, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&busy->wanted, __ATOMIC_SEQ_CST))
			usleep(1000);
		__atomic_store_n(&busy->is, true, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&busy->wanted, __ATOMIC_SEQ_CST))
			pthread_join(make_thread(fault_and_end, area, stacks), NULL);
	}
}

static void be_busy(bool wanted)
{
	__atomic_store_n(&busy->wanted, wanted, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&busy->is, __ATOMIC_SEQ_CST) != wanted)
		usleep(100);
}

FIXTURE(before) {
	pid_t child;
};

FIXTURE_SETUP(before)
{
	scope_prepare();
	busy = mmap(NULL, sizeof(*busy), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, busy);
	self->child = child_start();
	if (!self->child)
		make_threads_that_end();
	ASSERT_EQ(0, child_until_stopped(self->child));
	/* So the hooks stay attached from one watch of the child to the next. */
	ASSERT_EQ(0, scope_watch(getpid()));
}

FIXTURE_TEARDOWN(before)
{
	scope_unwatch(getpid());
	child_drop(self->child);
	munmap(busy, sizeof(*busy));
}

TEST_F_TIMEOUT(before, a_watch_begun_while_threads_end_counts_the_faults_of_each_once, 600)
{
	int i;

	ASSERT_EQ(0, child_continue(self->child));
	for (i = 0; i < 200; i++) {
		be_busy(true);
		usleep(i * 20);
		ASSERT_EQ(0, scope_watch(self->child));
		be_busy(false);
		EXPECT_EQ(0, scope_miscounted(self->child))
			TH_LOG("watch %d", i);
		ASSERT_EQ(0, scope_unwatch(self->child));
	}
}

TEST_HARNESS_MAIN
