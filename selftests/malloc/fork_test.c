// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork_test.c - does a child of a busy threaded program have a sound heap?
 */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define FORKS	100
#define THREADS	3

const struct scenario scenarios[] = { { } };

static bool stop;

static void *churn(void *arg)
{
	char *blocks[50] = { NULL };
	size_t i = (size_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		i++;
		free(blocks[i % 50]);
		blocks[i % 50] = malloc(i * 37 % 3000);
		blocks[(i + 1) % 50] = realloc(blocks[(i + 1) % 50],
					       i * 53 % 5000 + 1);
	}
	for (i = 0; i < 50; i++)
		free(blocks[i]);
	return NULL;
}

/* What a child does; a lock that nobody will release ends it by SIGALRM. */
static void use_heap(void)
{
	char *blocks[50] = { NULL };
	size_t i;

	alarm(20);
	if (brkmalloc_check())
		_exit(1);
	for (i = 0; i < 500; i++) {
		free(blocks[i % 50]);
		blocks[i % 50] = malloc(i * 41 % 4000);
		if (!blocks[i % 50])
			_exit(2);
		memset(blocks[i % 50], 1, i * 41 % 4000);
	}
	_exit(brkmalloc_check() ? 3 : 0);
}

TEST(children_of_a_threaded_program_find_the_heap_sound_and_unlocked)
{
	pthread_t ids[THREADS];
	int status, i;
	pid_t pid;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&ids[i], NULL, churn, (void *)(long)i));
	for (i = 0; i < FORKS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			use_heap();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status) TH_LOG("in child %d", i);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	EXPECT_EQ(0, brkmalloc_check());
}

static int handlers_ran;

static void allocating_handler(void)
{
	free(malloc(100));
	handlers_ran++;
}

/* Registered before the library's own handler, so its first part runs with our lock held. */
__attribute__((constructor(101)))
static void register_early(void)
{
	pthread_atfork(allocating_handler, allocating_handler,
		       allocating_handler);
}

TEST(fork_handlers_may_call_malloc)
{
	void *block = malloc(10);
	int status;
	pid_t pid;

	alarm(20);
	ASSERT_EQ(0, pthread_atfork(allocating_handler, allocating_handler,
				    allocating_handler));
	handlers_ran = 0;
	pid = fork();
	if (!pid)
		use_heap();
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Before and after, of these and of those registered early. */
	EXPECT_EQ(4, handlers_ran);
	free(block);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(fork_handlers_registered_before_ours_may_call_malloc_too)
{
	int status;
	pid_t pid;

	handlers_ran = 0;
	alarm(20);
	pid = fork();
	if (!pid)
		use_heap();
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, handlers_ran);
}

TEST(parent_and_child_do_not_see_each_others_writes)
{
	char *block = malloc(100000);
	int status;
	pid_t pid;

	fill(block, 100000, 1);
	pid = fork();
	if (!pid) {
		fill(block, 100000, 2);
		free(block);
		use_heap();
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(filled(block, 100000, 1));
	free(block);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
