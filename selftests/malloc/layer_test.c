// SPDX-License-Identifier: GPL-2.0-only
/*
 * layer_test.c - what do caches, depots and arenas do with a thread's blocks?
 *
 * brkmalloc_walk() holds all arenas while it shows their blocks. What another
 * thread does in that time finds its arena busy.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define MANY	1000	/* blocks, more than a bin of a cache holds */
#define SMALL	1000	/* bytes that caches keep */
#define MEDIUM	5000	/* bytes that they do not */
#define TRIES	2000	/* to get in the way of each other */

static char *blocks[MANY];

static void take_many(size_t bytes)
{
	int i;

	for (i = 0; i < MANY; i++) {
		blocks[i] = malloc(bytes);
		REQUIRE(blocks[i]);
	}
}

static void free_many(void)
{
	int i;

	for (i = 0; i < MANY; i++)
		free(blocks[i]);
}

static bool is_one_of_many(const char *block)
{
	int i;

	for (i = 0; i < MANY; i++)
		if (blocks[i] == block)
			return true;
	return false;
}

static unsigned int state_of(const void *data)
{
	return block_at_data(data).state;
}

static size_t arenas(void)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	return stats.arenas;
}

/* A thread that does one thing at a time when it is told to. */
static sem_t told, done;
static void (*task)(void);

static void *serve(void *arg)
{
	for (;;) {
		sem_wait(&told);
		if (!task)
			return arg;
		task();
		sem_post(&done);
	}
}

static pthread_t start_other(void)
{
	pthread_t id;

	REQUIRE(!sem_init(&told, 0, 0) && !sem_init(&done, 0, 0));
	REQUIRE(!pthread_create(&id, NULL, serve, NULL));
	return id;
}

static void tell(void (*what)(void))
{
	task = what;
	sem_post(&told);
}

static void let_other(void (*what)(void))
{
	tell(what);
	sem_wait(&done);
}

static void end_other(pthread_t id)
{
	tell(NULL);
	REQUIRE(!pthread_join(id, NULL));
}

static int let_other_once(const struct brkmalloc_block *block, void *arg)
{
	(void)block;
	let_other(*(void (**)(void))arg);
	return 1;
}

/* Other does @what while every arena is busy, and must not wait for one. */
static void let_other_meanwhile(void (*what)(void))
{
	alarm(20);
	REQUIRE(brkmalloc_walk(let_other_once, &what) == 1);
	alarm(0);
}

static char *others, *anew;

static void take_medium(void)
{
	others = malloc(MEDIUM);
}

static void free_medium(void)
{
	free(others);
}

static void free_and_take_small(void)
{
	free(others);
	anew = malloc(SMALL);
}

static int tell_and_rest(const struct brkmalloc_block *block, void *arg)
{
	const struct timespec rest = { .tv_nsec = 200000 };

	(void)block;
	(void)arg;
	tell(take_medium);
	nanosleep(&rest, NULL);
	return 1;
}

/* Other finds its arena busy again and again, until it has another or cannot. */
static void get_in_the_way(void)
{
	int i;

	others = NULL;
	for (i = 0; i < TRIES && (!others || !block_at_data(others).arena); i++) {
		brkmalloc_walk(tell_and_rest, NULL);
		sem_wait(&done);
	}
}

static int count_cached(const struct brkmalloc_block *block, void *arg)
{
	*(size_t *)arg += block->state == BRKMALLOC_CACHED;
	return 0;
}

static int without_cache(void)
{
	size_t cached = 0;

	take_many(SMALL);
	free_many();
	brkmalloc_walk(count_cached, &cached);
	REQUIRE(!cached);
	REQUIRE(state_of(blocks[MANY / 2]) != BRKMALLOC_USED);
	return 0;
}

static int with_cache(void)
{
	char *a = malloc(SMALL), *b = malloc(SMALL);

	free(a);
	free(b);
	REQUIRE(state_of(a) == BRKMALLOC_CACHED);
	REQUIRE(state_of(b) == BRKMALLOC_CACHED);
	/* What was freed last is still near the processor. */
	REQUIRE(malloc(SMALL) == b);
	REQUIRE(malloc(SMALL) == a);
	REQUIRE(state_of(a) == BRKMALLOC_USED);
	take_many(MEDIUM);
	free(blocks[10]);
	REQUIRE(state_of(blocks[10]) == BRKMALLOC_FREE);
	REQUIRE(!brkmalloc_check());
	return 0;
}

/* Another thread gets all but what is in our cache. */
static int cache_stays_a_cache(void)
{
	pthread_t other = start_other();
	char *kept;
	int round;

	for (round = 0; round < 500; round++) {
		take_many(SMALL);
		free_many();
	}
	kept = malloc(SMALL);
	free(kept);
	for (round = 0; round < MANY; round++) {
		let_other(free_and_take_small);
		REQUIRE(anew != kept);
		others = NULL;
	}
	REQUIRE(state_of(kept) == BRKMALLOC_CACHED);
	REQUIRE(malloc(SMALL) == kept);
	end_other(other);
	return 0;
}

static void take_and_free_many(void)
{
	take_many(100);
	free_many();
}

/* All that a thread kept is there for the next one when it has ended. */
static int thread_gives_back(void)
{
	pthread_t other = start_other();
	int i, found = 0;

	let_other(take_and_free_many);
	end_other(other);
	for (i = 0; i < MANY; i++)
		found += is_one_of_many(malloc(100));
	REQUIRE(found == MANY);
	return 0;
}

static int freed_while_busy(void)
{
	pthread_t other = start_other();
	char *block;

	block = malloc(MEDIUM);
	REQUIRE(malloc(MEDIUM));
	others = block;
	let_other_meanwhile(free_medium);
	/* Who takes the arena next, and be it to look, takes the block in. */
	REQUIRE(state_of(block) == BRKMALLOC_FREE);
	REQUIRE(!brkmalloc_check());
	REQUIRE(malloc(MEDIUM) == block);
	end_other(other);
	return 0;
}

static int written_while_going_home(void)
{
	start_other();
	others = malloc(MEDIUM);
	let_other_meanwhile(free_medium);
	memset(hide(others), 'A', 8);
	hide(malloc(MEDIUM));
	return 0;
}

static int gets_an_arena(void)
{
	pthread_t other = start_other();
	char *home;

	get_in_the_way();
	REQUIRE(arenas() > 1);
	REQUIRE(block_at_data(others).arena);
	/* Freed here it goes home, where the next block of other comes from. */
	home = others;
	free(others);
	REQUIRE(malloc(MEDIUM) != home);
	let_other(take_medium);
	REQUIRE(others == home);
	REQUIRE(!brkmalloc_check());
	end_other(other);
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int gets_no_arena(void)
{
	pthread_t other = start_other();

	get_in_the_way();
	REQUIRE(arenas() == 1);
	REQUIRE(!block_at_data(others).arena);
	end_other(other);
	return 0;
}

static int new_thread_has_another_arena(void)
{
	pthread_t other = start_other();

	let_other(take_medium);
	REQUIRE(block_at_data(others).arena);
	end_other(other);
	return brkmalloc_check();
}

/* The arena of the thread that the child does not have serves its next one. */
static int child_takes_over_arenas(void)
{
	int status;
	pid_t pid;

	start_other();
	get_in_the_way();
	REQUIRE(block_at_data(others).arena);
	pid = fork();
	if (!pid)
		_exit(new_thread_has_another_arena());
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(!status);
	return 0;
}

#define FREED_ELSEWHERE	300

/* Other frees what it has but the last block, which holds its top. */
static void take_medium_elsewhere(void)
{
	int i;

	for (i = 0; i <= FREED_ELSEWHERE; i++)
		blocks[i] = malloc(MEDIUM);
	for (i = 0; i < FREED_ELSEWHERE; i++)
		free(blocks[i]);
}

static int other_arenas_serve(void)
{
	const struct rlimit none = { .rlim_cur = PAGE, .rlim_max = RLIM_INFINITY };
	size_t taken = 0;

	start_other();
	get_in_the_way();
	REQUIRE(block_at_data(others).arena);
	let_other(take_medium_elsewhere);
	REQUIRE(block_at_data(blocks[FREED_ELSEWHERE]).arena);
	REQUIRE(!setrlimit(RLIMIT_DATA, &none));
	/* What is left at our own top, and all of that. */
	while (hide(malloc(MEDIUM)))
		taken++;
	REQUIRE(errno == ENOMEM);
	REQUIRE(taken >= FREED_ELSEWHERE);
	REQUIRE(!brkmalloc_check());
	return 0;
}

const struct scenario scenarios[] = {
	{ "without_cache",		without_cache },
	{ "with_cache",			with_cache },
	{ "cache_stays_a_cache",	cache_stays_a_cache },
	{ "thread_gives_back",		thread_gives_back },
	{ "freed_while_busy",		freed_while_busy },
	{ "written_while_going_home",	written_while_going_home },
	{ "gets_an_arena",		gets_an_arena },
	{ "gets_no_arena",		gets_no_arena },
	{ "other_arenas_serve",		other_arenas_serve },
	{ "child_takes_over_arenas",	child_takes_over_arenas },
	{ }
};

TEST(a_small_block_that_was_freed_waits_in_the_cache_and_comes_first)
{
	EXPECT_SCENARIO_PASSES("with_cache", "BRKMALLOC_CACHE=1");
	EXPECT_SCENARIO_PASSES("with_cache", "BRKMALLOC_CACHE=");
}

TEST(without_caches_every_freed_block_is_of_the_heap_at_once)
{
	EXPECT_SCENARIO_PASSES("without_cache", "BRKMALLOC_CACHE=0");
}

TEST(a_cache_that_overflowed_many_times_still_keeps_what_was_freed_last)
{
	EXPECT_SCENARIO_PASSES("cache_stays_a_cache", "BRKMALLOC_ARENAS=1");
}

TEST(what_an_ended_thread_had_in_its_cache_is_used_first)
{
	EXPECT_SCENARIO_PASSES("thread_gives_back", "BRKMALLOC_ARENAS=1");
}

TEST(who_frees_a_block_of_a_busy_arena_does_not_wait)
{
	EXPECT_SCENARIO_PASSES("freed_while_busy", "BRKMALLOC_CACHE=1");
	EXPECT_SCENARIO_PASSES("freed_while_busy", "BRKMALLOC_CACHE=0");
}

TEST(a_write_to_a_block_on_its_way_home_is_found)
{
	static struct outcome outcome;

	run_scenario(&outcome, "written_while_going_home", NULL);
	EXPECT_TRUE(outcome_is_signal(&outcome, SIGABRT));
	EXPECT_NE(NULL, strstr(outcome.text, "was written to after free: found 0x4141414141414141"))
		TH_LOG("%s", outcome.text);
}

TEST(threads_in_each_others_way_get_arenas_of_their_own)
{
	EXPECT_SCENARIO_PASSES("gets_an_arena", "BRKMALLOC_CACHE=1");
	EXPECT_SCENARIO_PASSES("gets_an_arena", "BRKMALLOC_CACHE=0");
}

TEST(there_are_no_more_arenas_than_the_user_allows)
{
	EXPECT_SCENARIO_PASSES("gets_no_arena", "BRKMALLOC_ARENAS=1");
}

TEST(what_is_free_in_another_arena_serves_when_there_is_no_more)
{
	EXPECT_SCENARIO_PASSES("other_arenas_serve", NULL);
}

TEST(the_threads_of_a_child_use_the_arenas_of_those_that_it_does_not_have)
{
	EXPECT_SCENARIO_PASSES("child_takes_over_arenas", NULL);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
