// SPDX-License-Identifier: GPL-2.0-only
/*
 * trim_test.c - does malloc_trim() give back all that nobody needs?
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define BLOCKS	(64 * KIB)
#define SIZE	1000UL		/* of each, with 8 in front */
#define KEPT	200		/* every so manieth stays, and one page of fifty */

static char *data[BLOCKS];

static size_t resident_bytes(void)
{
	char text[256];
	int fd = open("/proc/self/statm", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *end;

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	strtoul(text, &end, 10);
	return strtoul(end, NULL, 10) * PAGE;
}

static void take(void)
{
	size_t i;

	for (i = 0; i < BLOCKS; i++) {
		data[i] = malloc(SIZE);
		REQUIRE(data[i]);
		fill(data[i], SIZE, i);
	}
}

static bool kept_are_whole(void)
{
	size_t i;

	for (i = 0; i < BLOCKS; i += KEPT)
		if (!filled(data[i], SIZE, i))
			return false;
	return true;
}

/* With a trim threshold that keeps the library from doing it by itself. */
static int holes_and_top(void)
{
	size_t before, resident, after, i;
	unsigned long top = break_now();

	take();
	before = resident_bytes();
	for (i = 0; i < BLOCKS; i++)
		if (i % KEPT)
			free(data[i]);
	resident = resident_bytes();
	REQUIRE(malloc_trim(0) == 1);
	after = resident_bytes();
	REQUIRE(after < resident);
	REQUIRE(before - after >= BLOCKS * SIZE * 9 / 10);
	REQUIRE(kept_are_whole());
	REQUIRE(!brkmalloc_check());
	REQUIRE(malloc_trim(0) == 0);
	REQUIRE(resident_bytes() + 16 * PAGE >= after);

	for (i = 0; i < BLOCKS; i += KEPT)
		free(data[i]);
	REQUIRE(break_now() > top + BLOCKS * SIZE);
	REQUIRE(malloc_trim(0) == 1);
	REQUIRE(break_now() < top + 64 * KIB);
	REQUIRE(malloc_trim(0) == 0);
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int keeps_the_pad(void)
{
	char *last = malloc(2 * MIB), *top = malloc(4 * MIB);
	unsigned long room;

	REQUIRE(top > last && top - last < 2 * (long)MIB + (long)PAGE);
	free(top);
	REQUIRE(break_now() - (unsigned long)top >= 4 * MIB);
	REQUIRE(malloc_trim(MIB) == 1);
	room = break_now() - (unsigned long)top;
	REQUIRE(room >= MIB && room <= MIB + 2 * PAGE);
	REQUIRE(malloc_trim(MIB) == 0);
	REQUIRE(malloc_trim(100 * MIB) == 0);
	return 0;
}

/* Somebody's memory lies behind the top: the break cannot come down. */
static int top_that_is_not_the_last(void)
{
	char *top, *behind;
	size_t pages;

	top = malloc(8 * MIB);
	fill(top, 8 * MIB, 1);
	behind = sbrk(PAGE);
	memset(behind, 'A', PAGE);
	free(top);
	pages = pages_touched(top, 8 * MIB);
	REQUIRE(pages >= 8 * MIB / PAGE);
	REQUIRE(malloc_trim(0) == 1);
	REQUIRE(pages_touched(top, 8 * MIB) <= 2);
	REQUIRE(behind[0] == 'A' && behind[PAGE - 1] == 'A');
	REQUIRE(malloc_trim(0) == 0);
	return 0;
}

static int mapped_blocks(void)
{
	char *large = malloc(8 * MIB);
	struct vma vma;

	free(large);
	REQUIRE(vma_at(large, &vma));
	REQUIRE(malloc_trim(0) == 1);
	REQUIRE(!vma_at(large, &vma));
	REQUIRE(malloc_trim(0) == 0);
	return 0;
}

const struct scenario scenarios[] = {
	{ "holes_and_top",		holes_and_top },
	{ "keeps_the_pad",		keeps_the_pad },
	{ "top_that_is_not_the_last",	top_that_is_not_the_last },
	{ "mapped_blocks",		mapped_blocks },
	{ }
};

TEST(holes_and_the_top_go_back)
{
	EXPECT_SCENARIO_PASSES("holes_and_top", "BRKMALLOC_TRIM_THRESHOLD=1G");
	EXPECT_SCENARIO_PASSES("holes_and_top", "BRKMALLOC_TRIM_THRESHOLD=1G",
			       "BRKMALLOC_FIT=next");
}

TEST(as_much_as_the_caller_says_stays_at_the_top)
{
	EXPECT_SCENARIO_PASSES("keeps_the_pad", "BRKMALLOC_TRIM_THRESHOLD=1G",
			       "BRKMALLOC_MMAP_THRESHOLD=1G");
}

TEST(pages_of_a_top_that_the_break_cannot_give_back_go_back)
{
	EXPECT_SCENARIO_PASSES("top_that_is_not_the_last", "BRKMALLOC_TRIM_THRESHOLD=1G",
			       "BRKMALLOC_MMAP_THRESHOLD=1G");
}

TEST(freed_mappings_that_were_kept_go_back)
{
	EXPECT_SCENARIO_PASSES("mapped_blocks", NULL);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
