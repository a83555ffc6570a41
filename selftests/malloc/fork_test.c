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

#define TRADED		100
#define GENERATIONS	3
#define CHILDREN	3	/* of each process but those of the last generation */
#define LIVE_SECONDS	120	/* threads that have nothing to wait for share the machine */

struct note {
	size_t		bytes;
	unsigned long	seed;
	char		text[];
};

static struct note *traded[TRADED];

static struct note *write_note(size_t bytes, unsigned long seed)
{
	struct note *note = malloc(sizeof(*note) + bytes);

	if (!note)
		_exit(2);
	note->bytes = bytes;
	note->seed = seed;
	fill(note->text, bytes, seed);
	return note;
}

/* Put notes where all find them; check and free what another thread put. */
static void trade(size_t i)
{
	struct note *note = write_note(i * 37 % 2000, i);

	note = __atomic_exchange_n(&traded[i * 7 % TRADED], note, __ATOMIC_ACQ_REL);
	if (note && !filled(note->text, note->bytes, note->seed))
		_exit(3);
	free(note);
}

static void *trade_until_stopped(void *arg)
{
	size_t i;

	for (i = (size_t)arg; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
		trade(i);
	return NULL;
}

/*
 * What every process does: with threads that trade notes it has children one
 * after the other, which do the same, and goes on meanwhile. A child finds the
 * notes of threads that it does not have.
 */
static int live(int generation)
{
	pthread_t ids[2];
	int status, i, k;
	pid_t pid;

	alarm(LIVE_SECONDS);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		if (pthread_create(&ids[i], NULL, trade_until_stopped, (void *)(i * 1000L)))
			return 4;
	for (i = 0; i < (generation < GENERATIONS ? CHILDREN : 0); i++) {
		pid = fork();
		if (!pid)
			_exit(live(generation + 1));
		for (k = 0; k < 1000; k++)
			trade(k);
		if (waitpid(pid, &status, 0) != pid || status)
			return WIFEXITED(status) && status ? WEXITSTATUS(status) : 5;
	}
	for (k = 0; k < 1000; k++)
		trade(k);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
	for (i = 0; i < TRADED; i++) {
		if (traded[i] && !filled(traded[i]->text, traded[i]->bytes, traded[i]->seed))
			return 6;
		free(traded[i]);
		traded[i] = NULL;
	}
	return brkmalloc_check() ? 7 : 0;
}

FIXTURE(generations) {
};

FIXTURE_SETUP(generations)
{
	(void)self;
}

FIXTURE_TEARDOWN(generations)
{
	(void)self;
}

TEST_F_TIMEOUT(generations, parents_and_children_go_on_with_threads_of_their_own,
	       2 * LIVE_SECONDS)
{
	ASSERT_EQ(0, live(0));
	ASSERT_EQ(0, live(0));
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
