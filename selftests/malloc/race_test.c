// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_test.c - does ThreadSanitizer find the library free of data races?
 *
 * It watches every access of library and program in race_program.c. helgrind
 * would not do: it takes each atomic operation for a race.
 */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define FOUND	66	/* exit status if the sanitizer had something to say */

const struct scenario scenarios[] = { { } };

/*
 * Run build/selftests/malloc/helpers/race_program. The sanitizer needs a layout
 * of the address space that it knows.
 */
static bool run_watched(struct outcome *outcome, char *argument, char *setting)
{
	char own[PATH_MAX], path[PATH_MAX];
	char *const argv[] = { "/usr/bin/setarch", "-R", path, argument, NULL };
	char *const settings[] = { "TSAN_OPTIONS=exitcode=66 halt_on_error=1", setting, NULL };
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (n < 0)
		return false;
	own[n] = '\0';
	snprintf(path, sizeof(path), "%s/helpers/race_program", dirname(own));
	run_program(outcome, argv, settings);
	return true;
}

TEST(a_race_would_be_seen)
{
	static struct outcome outcome;

	ASSERT_TRUE(run_watched(&outcome, "race", NULL));
	EXPECT_TRUE(outcome_is_exit(&outcome, FOUND));
	EXPECT_NE(NULL, strstr(outcome.text, "ThreadSanitizer: data race"))
		TH_LOG("%s", outcome.text);
	EXPECT_NE(NULL, strstr(outcome.text, "write_racing"));
}

FIXTURE(race) {
};

FIXTURE_VARIANT(race) {
	char	*setting;
};

FIXTURE_VARIANT_ADD(race, defaults) {
	.setting = NULL,
};

FIXTURE_VARIANT_ADD(race, no_cache) {
	.setting = "BRKMALLOC_CACHE=0",
};

FIXTURE_VARIANT_ADD(race, no_guard) {
	.setting = "BRKMALLOC_GUARD=off",
};

FIXTURE_VARIANT_ADD(race, full_guard) {
	.setting = "BRKMALLOC_GUARD=full",
};

FIXTURE_VARIANT_ADD(race, next_fit) {
	.setting = "BRKMALLOC_FIT=next",
};

FIXTURE_VARIANT_ADD(race, trim_always) {
	.setting = "BRKMALLOC_TRIM_THRESHOLD=0",
};

FIXTURE_VARIANT_ADD(race, map_early) {
	.setting = "BRKMALLOC_MMAP_THRESHOLD=2K",
};

FIXTURE_SETUP(race)
{
	(void)self;
	(void)variant;
}

FIXTURE_TEARDOWN(race)
{
	(void)self;
	(void)variant;
}

TEST_F_TIMEOUT(race, none_is_found, 300)
{
	static struct outcome outcome;

	ASSERT_TRUE(run_watched(&outcome, NULL, variant->setting));
	EXPECT_TRUE(outcome_is_exit(&outcome, 0)) TH_LOG("%s", outcome.text);
	EXPECT_STREQ("done\n", outcome.text);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
