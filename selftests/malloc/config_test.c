// SPDX-License-Identifier: GPL-2.0-only
/*
 * config_test.c - do the environment variables do what they say?
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define NOBODY	65534

static int say_fit(void)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	printf("fit is %s\n", stats.fit);
	return 0;
}

/*
 * Free blocks of 600, 200, 400 and 100 KiB in this order of address, freed in
 * this order, with used blocks between; then one of 150 KiB is taken. The
 * offset of the hole it came from tells the policy.
 */
static int which_hole(size_t *hole)
{
	static const size_t sizes[] = { 600, 200, 400, 100 };
	char *blocks[4];
	char *taken;

	for (*hole = 0; *hole < 4; ++*hole) {
		blocks[*hole] = malloc(sizes[*hole] * KIB);
		REQUIRE(blocks[*hole] && malloc(100));
	}
	for (*hole = 0; *hole < 4; ++*hole)
		free(blocks[*hole]);
	taken = malloc(150 * KIB);
	for (*hole = 0; *hole < 4; ++*hole)
		if (taken == blocks[*hole])
			return 0;
	return 1;
}

static int takes(size_t wanted)
{
	size_t hole;

	REQUIRE(!which_hole(&hole));
	fprintf(stderr, "hole %zu\n", hole);
	REQUIRE(hole == wanted);
	return 0;
}

/* The list begins with what was freed last: 100, 400, 200, 600. */
static int takes_first(void)
{
	return takes(2);
}

static int takes_best(void)
{
	return takes(1);
}

static int takes_worst(void)
{
	return takes(0);
}

/* After the first search has ended in a block, the next goes on behind it. */
static int takes_next(void)
{
	char *blocks[3], *a, *b;
	int i;

	for (i = 0; i < 3; i++) {
		blocks[i] = malloc(10000);
		REQUIRE(blocks[i] && malloc(16));
	}
	for (i = 0; i < 3; i++)
		free(blocks[i]);
	/* The list is 2, 1, 0; first fit would take 2 again for b. */
	a = malloc(9992);
	REQUIRE(a == blocks[2]);
	free(a);
	b = malloc(9992);
	REQUIRE(b == blocks[1]);
	return 0;
}

static int maps_from_4096(void)
{
	REQUIRE(in_heap(malloc(4095)));
	REQUIRE(!in_heap(malloc(4096)));
	REQUIRE(!in_heap(calloc(2, 4096)));
	REQUIRE(!in_heap(realloc(malloc(100), 100000)));
	return 0;
}

static int maps_all_but_small(void)
{
	REQUIRE(in_heap(malloc(0)) && in_heap(malloc(1032)));
	REQUIRE(!in_heap(malloc(1033)));
	return 0;
}

static int maps_nothing(void)
{
	char *block = malloc(100 * MIB);

	REQUIRE(in_heap(block));
	REQUIRE(in_heap(block + 100 * MIB - 1));
	return 0;
}

/* Free @bytes at the top; by how much the break came down. */
static long trimmed(size_t bytes)
{
	char *block = malloc(bytes);
	unsigned long before = break_now();

	free(block);
	return before - break_now();
}

static int trims_from_1m(void)
{
	REQUIRE(trimmed(800 * KIB) == 0);
	REQUIRE(trimmed(1200 * KIB) > (long)MIB);
	return 0;
}

static int trims_always(void)
{
	REQUIRE(trimmed(100 * KIB) >= 100 * (long)KIB);
	REQUIRE(trimmed(5000) >= 4096);
	return 0;
}

static int trims_never(void)
{
	REQUIRE(trimmed(100 * MIB) == 0);
	return 0;
}

const struct scenario scenarios[] = {
	{ "say_fit",		say_fit },
	{ "takes_first",	takes_first },
	{ "takes_next",		takes_next },
	{ "takes_best",		takes_best },
	{ "takes_worst",	takes_worst },
	{ "maps_from_4096",	maps_from_4096 },
	{ "maps_all_but_small",	maps_all_but_small },
	{ "maps_nothing",	maps_nothing },
	{ "trims_from_1m",	trims_from_1m },
	{ "trims_always",	trims_always },
	{ "trims_never",	trims_never },
	{ }
};

#define MAP_LATE "BRKMALLOC_MMAP_THRESHOLD=1G"

TEST(first_fit_takes_the_first_in_the_list)
{
	EXPECT_SCENARIO_PASSES("takes_first", "BRKMALLOC_FIT=first", MAP_LATE);
}

TEST(next_fit_goes_on_behind_the_last)
{
	EXPECT_SCENARIO_PASSES("takes_next", "BRKMALLOC_FIT=next",
			       "BRKMALLOC_CACHE=0");
}

TEST(best_fit_takes_the_smallest_that_is_large_enough)
{
	EXPECT_SCENARIO_PASSES("takes_best", "BRKMALLOC_FIT=best", MAP_LATE);
}

TEST(worst_fit_takes_the_largest)
{
	EXPECT_SCENARIO_PASSES("takes_worst", "BRKMALLOC_FIT=worst", MAP_LATE);
}

TEST(segregated_fit_takes_the_tightest_class)
{
	EXPECT_SCENARIO_PASSES("takes_best", "BRKMALLOC_FIT=segregated",
			       MAP_LATE);
}

TEST(the_mmap_threshold_is_kept)
{
	EXPECT_SCENARIO_PASSES("maps_from_4096",
			       "BRKMALLOC_MMAP_THRESHOLD=4096");
	EXPECT_SCENARIO_PASSES("maps_from_4096", "BRKMALLOC_MMAP_THRESHOLD=4K");
	EXPECT_SCENARIO_PASSES("maps_all_but_small", "BRKMALLOC_MMAP_THRESHOLD=0");
	EXPECT_SCENARIO_PASSES("maps_nothing", MAP_LATE);
}

TEST(the_trim_threshold_is_kept)
{
	EXPECT_SCENARIO_PASSES("trims_from_1m", MAP_LATE,
			       "BRKMALLOC_TRIM_THRESHOLD=1M");
	EXPECT_SCENARIO_PASSES("trims_always", MAP_LATE,
			       "BRKMALLOC_TRIM_THRESHOLD=0");
	EXPECT_SCENARIO_PASSES("trims_never", MAP_LATE,
			       "BRKMALLOC_TRIM_THRESHOLD=1G");
}

#define EXPECT_SAID(setting, said) do {					\
	static struct outcome outcome;					\
	char *const settings[] = { setting, NULL };			\
	run_scenario(&outcome, "say_fit", settings);			\
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));			\
	EXPECT_STREQ(said, outcome.text);				\
} while (0)

TEST(a_value_that_makes_no_sense_is_told_once_and_the_default_taken)
{
	EXPECT_SAID("BRKMALLOC_FIT=tight",
		    "brkmalloc: BRKMALLOC_FIT=tight: no such policy; give first, next, best, worst or segregated; taking segregated\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_MMAP_THRESHOLD=12x",
		    "brkmalloc: BRKMALLOC_MMAP_THRESHOLD=12x: not a size; give bytes, or a number with K, M or G; taking 131072\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_TRIM_THRESHOLD=-1",
		    "brkmalloc: BRKMALLOC_TRIM_THRESHOLD=-1: not a size; give bytes, or a number with K, M or G; taking 262144\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_TRIM_THRESHOLD=99999999999G",
		    "brkmalloc: BRKMALLOC_TRIM_THRESHOLD=99999999999G: not a size; give bytes, or a number with K, M or G; taking 262144\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_CACHE=no",
		    "brkmalloc: BRKMALLOC_CACHE=no: give 0 or 1; taking 1\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_ARENAS=0",
		    "brkmalloc: BRKMALLOC_ARENAS=0: give a number from 1 to 128; taking 128\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_ARENAS=129",
		    "brkmalloc: BRKMALLOC_ARENAS=129: give a number from 1 to 128; taking 128\n"
		    "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_ARENAS=128", "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_CACHE=0", "fit is segregated\n");
	EXPECT_SAID("BRKMALLOC_FIT=worst", "fit is worst\n");
	EXPECT_SAID("BRKMALLOC_FIT=", "fit is segregated\n");
}

/* A set-uid copy of this program. */
static bool make_setuid_copy(const char *path)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	struct stat st;
	bool done;

	done = !fstat(from, &st) &&
	       sendfile(to, from, NULL, st.st_size) == st.st_size &&
	       !fchmod(to, 04755);
	close(from);
	close(to);
	return done;
}

static void run_as_nobody(void *path)
{
	char *const argv[] = { path, "--scenario", "say_fit", NULL };

	putenv("BRKMALLOC_FIT=worst");
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(99);
	execv(path, argv);
	_exit(98);
}

TEST(a_set_uid_program_ignores_the_environment)
{
	static struct outcome outcome;
	char path[64];
	struct statvfs fs;

	snprintf(path, sizeof(path), "/tmp/brkmalloc-setuid-%d", getpid());
	if (geteuid() || statvfs("/tmp", &fs) || fs.f_flag & ST_NOSUID)
		SKIP(return, "needs root and a /tmp that is not mounted nosuid");
	ASSERT_TRUE(make_setuid_copy(path));
	run_child(&outcome, run_as_nobody, path);
	unlink(path);
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));
	EXPECT_STREQ("fit is segregated\n", outcome.text);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
