// SPDX-License-Identifier: GPL-2.0-only
/*
 * life_test.c - does malloc serve a program from its first to its last moment?
 *
 * Before main, in threads that come and go, in the destructors that run when a
 * thread has otherwise ended, in code that is loaded and unloaded, and while
 * the program exits.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

/* Blocks taken at a moment when little of the program exists yet. */
struct early {
	char	*small;
	char	*large;
	char	*again;
};

static struct early before_all, before_main;

static void take_early(struct early *early)
{
	early->small = malloc(100);
	fill(early->small, 100, 1);
	early->large = calloc(1, 300000);
	fill(early->large, 300000, 2);
	early->again = realloc(malloc(10), 5000);
	free(malloc(7000));
	fill(early->again, 5000, 3);
}

static bool early_is_kept(const struct early *early)
{
	return block_at_data(early->small).state == BRKMALLOC_USED &&
	       filled(early->small, 100, 1) && filled(early->large, 300000, 2) &&
	       filled(early->again, 5000, 3);
}

static void free_early(struct early *early)
{
	free(early->small);
	free(early->large);
	free(early->again);
}

/* The dynamic linker calls these before any constructor of any library. */
static void before_constructors(int argc, char **argv, char **environment)
{
	take_early(&before_all);
}

__attribute__((section(".preinit_array"), used))
static void (*const preinit)(int, char **, char **) = before_constructors;

static pthread_key_t early_key;
static int late_destructions;

/*
 * Runs in as many rounds as there are, so also after those of the library, if
 * it has any: gives back what was taken the round before, takes anew.
 */
static void destroy_late(void *block)
{
	char *next;

	if (!filled(block, 400, 5))
		abort();
	free(block);
	next = malloc(400);
	fill(next, 400, 5);
	/* Some more than a cache would keep of one size. */
	free(malloc(400));
	free(calloc(3, 1000));
	free(realloc(malloc(20), 2000));
	free(aligned_alloc(256, 500));
	__atomic_fetch_add(&late_destructions, 1, __ATOMIC_RELAXED);
	if (pthread_setspecific(early_key, next))
		abort();
}

__attribute__((constructor(101)))
static void before_other_constructors(void)
{
	take_early(&before_main);
	pthread_key_create(&early_key, destroy_late);
}

TEST(blocks_taken_before_main_are_like_any_other)
{
	EXPECT_TRUE(early_is_kept(&before_all));
	EXPECT_TRUE(early_is_kept(&before_main));
	free_early(&before_all);
	free_early(&before_main);
	EXPECT_EQ(0, brkmalloc_check());
}

static void *use_and_leave_key(void *arg)
{
	char *block = malloc(400);

	fill(block, 400, 5);
	pthread_setspecific(early_key, block);
	free(malloc(1000));
	return NULL;
}

static bool run_thread(void *(*work)(void *), void *arg)
{
	pthread_t id;

	return !pthread_create(&id, NULL, work, arg) && !pthread_join(id, NULL);
}

#define LATE_THREADS	300

static int count_400(const struct brkmalloc_block *block, void *arg)
{
	if (block->state == BRKMALLOC_USED && block->size >= 400 &&
	    block->size < 416)
		++*(size_t *)arg;
	return 0;
}

TEST(destructors_of_thread_specific_data_may_call_malloc_to_the_last_round)
{
	size_t before = 0, after = 0;
	int i;

	brkmalloc_walk(count_400, &before);
	for (i = 0; i < LATE_THREADS; i++)
		ASSERT_TRUE(run_thread(use_and_leave_key, NULL));
	EXPECT_EQ(LATE_THREADS * PTHREAD_DESTRUCTOR_ITERATIONS, late_destructions);
	EXPECT_EQ(0, brkmalloc_check());
	/* The last round of each left one block, which nobody frees. */
	brkmalloc_walk(count_400, &after);
	EXPECT_EQ(LATE_THREADS, after - before);
}

static void *take_and_give(void *arg)
{
	char *blocks[200];
	size_t i;

	for (i = 0; i < 200; i++) {
		blocks[i] = malloc(i * 5 + 1);
		fill(blocks[i], i * 5 + 1, i);
	}
	for (i = 0; i < 200; i++) {
		if (!filled(blocks[i], i * 5 + 1, i))
			abort();
		free(blocks[i]);
	}
	return NULL;
}

static size_t heap_bytes(void)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	return stats.region_bytes;
}

TEST(what_threads_used_serves_the_threads_after_them)
{
	size_t bytes, virtual;
	int i;

	for (i = 0; i < 50; i++)
		ASSERT_TRUE(run_thread(take_and_give, NULL));
	bytes = heap_bytes();
	virtual = virtual_bytes();
	for (i = 0; i < 2000; i++)
		ASSERT_TRUE(run_thread(take_and_give, NULL));
	/* 2000 threads with 100 KiB each would be 200 MiB. */
	EXPECT_LE(heap_bytes(), bytes + MIB);
	EXPECT_LE(virtual_bytes(), virtual + 16 * MIB);
	EXPECT_EQ(0, brkmalloc_check());
}

#define BEQUEST	100

static void *bequeath(void *arg)
{
	char **blocks = arg;
	size_t i;

	for (i = 0; i < BEQUEST; i++) {
		blocks[i] = malloc(i * 20 + 1);
		fill(blocks[i], i * 20 + 1, i);
	}
	return NULL;
}

TEST(blocks_outlive_the_thread_that_took_them)
{
	char *blocks[BEQUEST];
	int round, i;

	for (round = 0; round < 50; round++) {
		ASSERT_TRUE(run_thread(bequeath, blocks));
		ASSERT_TRUE(run_thread(take_and_give, NULL));
		for (i = 0; i < BEQUEST; i++) {
			ASSERT_TRUE(filled(blocks[i], i * 20 + 1, i));
			if (i % 2)
				blocks[i] = realloc(blocks[i], 3000);
			free(blocks[i]);
		}
		ASSERT_EQ(0, brkmalloc_check());
	}
}

/* build/selftests/malloc/life_test -> .../helpers/life_plugin.so */
static bool plugin_path(char *path)
{
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n < 0)
		return false;
	program[n] = '\0';
	snprintf(path, PATH_MAX, "%s/helpers/life_plugin.so", dirname(program));
	return true;
}

TEST(code_that_is_loaded_and_unloaded_shares_the_heap)
{
	char path[PATH_MAX], *block = NULL;
	char *(*plugin_text)(char *block);
	void *plugin;
	int i;

	ASSERT_TRUE(plugin_path(path));
	for (i = 0; i < 50; i++) {
		plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		ASSERT_NE(NULL, plugin) TH_LOG("%s", dlerror());
		plugin_text = dlsym(plugin, "plugin_text");
		ASSERT_TRUE(plugin_text);
		/* Frees what it gave the last time it was here. */
		block = plugin_text(block);
		ASSERT_EQ(BRKMALLOC_USED, block_at_data(block).state);
		EXPECT_EQ(0, dlclose(plugin));
		EXPECT_EQ(NULL, dlopen(path, RTLD_NOW | RTLD_NOLOAD));
		EXPECT_STREQ("from the constructor", block);
	}
	free(block);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(a_program_started_without_fork_leaves_the_heap_alone)
{
	char *const argv[] = { "/bin/true", NULL };
	char *block = malloc(1000);
	int status, i;
	pid_t pid;

	fill(block, 1000, 4);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, posix_spawn(&pid, argv[0], NULL, NULL, argv, environ));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_TRUE(filled(block, 1000, 4));
	EXPECT_EQ(0, brkmalloc_check());
	free(block);
}

static char *kept_to_the_end;

static void at_the_end(void)
{
	char *block = malloc(500);

	fill(block, 500, 8);
	if (!filled(kept_to_the_end, 1000, 9) || !filled(block, 500, 8) ||
	    brkmalloc_check())
		_exit(1);
	free(kept_to_the_end);
	free(block);
	kept_to_the_end = NULL;
}

/* After at_the_end(), among the last things of the process. */
__attribute__((destructor(101)))
static void after_the_end(void)
{
	free(realloc(malloc(30), 100000));
	if (brkmalloc_check())
		_exit(2);
}

static void *churn_without_end(void *arg)
{
	for (;;)
		take_and_give(NULL);
	return NULL;
}

/* Threads go on while the first one leaves main. */
static int exit_while_others_go_on(void)
{
	pthread_t id;
	int i;

	kept_to_the_end = malloc(1000);
	fill(kept_to_the_end, 1000, 9);
	REQUIRE(!atexit(at_the_end));
	for (i = 0; i < 3; i++)
		REQUIRE(!pthread_create(&id, NULL, churn_without_end, NULL));
	usleep(10000);
	return 0;
}

/* The first thread ends, another one ends the process. */
static void *last_thread(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
	take_and_give(NULL);
	exit(brkmalloc_check() ? 3 : 42);
}

static int first_thread_ends_first(void)
{
	static pthread_t first;
	pthread_t id;

	first = pthread_self();
	take_and_give(NULL);
	REQUIRE(!pthread_create(&id, NULL, last_thread, &first));
	pthread_exit(NULL);
}

const struct scenario scenarios[] = {
	{ "exit_while_others_go_on",	exit_while_others_go_on },
	{ "first_thread_ends_first",	first_thread_ends_first },
	{ }
};

TEST(handlers_and_destructors_at_exit_may_call_malloc)
{
	static struct outcome outcome;
	int i;

	for (i = 0; i < 20; i++) {
		run_scenario(&outcome, "exit_while_others_go_on", NULL);
		EXPECT_TRUE(outcome_is_exit(&outcome, 0))
			TH_LOG("status 0x%x: %s", outcome.status, outcome.text);
	}
}

TEST(the_first_thread_may_end_before_the_others)
{
	static struct outcome outcome;

	run_scenario(&outcome, "first_thread_ends_first", NULL);
	EXPECT_TRUE(outcome_is_exit(&outcome, 42));
	EXPECT_STREQ("", outcome.text);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
