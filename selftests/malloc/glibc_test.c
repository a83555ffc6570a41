// SPDX-License-Identifier: GPL-2.0-only
/*
 * glibc_test.c - are mallopt and the reports about the heap as the C library's?
 */
#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

/* The parameters of mallopt each in a process that has not yet used them. */
static int maps_from_4096(void)
{
	errno = 0;
	REQUIRE(mallopt(M_MMAP_THRESHOLD, 4096) == 1);
	REQUIRE(!errno);
	REQUIRE(in_heap(malloc(4095)));
	REQUIRE(!in_heap(malloc(4096)));
	REQUIRE(mallopt(M_MMAP_THRESHOLD, -1) == 1);
	REQUIRE(in_heap(malloc(10 * MIB)));
	return 0;
}

static int maps_so_many(void)
{
	void *mapped = malloc(MIB);

	REQUIRE(!in_heap(mapped));
	REQUIRE(mallopt(M_MMAP_MAX, 2) == 1);
	REQUIRE(!in_heap(malloc(MIB)));
	REQUIRE(in_heap(malloc(MIB)));
	free(mapped);
	REQUIRE(!in_heap(malloc(MIB)));
	REQUIRE(mallopt(M_MMAP_MAX, 0) == 1);
	REQUIRE(in_heap(malloc(MIB)));
	/* For which there is no place in a heap. */
	REQUIRE(malloc(300 * MIB));
	REQUIRE(mallopt(M_MMAP_MAX, -1) == 0);
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

static int trims_when_told(void)
{
	REQUIRE(mallopt(M_MMAP_THRESHOLD, 100 * MIB) == 1);
	REQUIRE(mallopt(M_TRIM_THRESHOLD, 4 * MIB) == 1);
	REQUIRE(trimmed(2 * MIB) == 0);
	/* All but as much as the threshold may stay. */
	REQUIRE(trimmed(9 * MIB) >= 5 * (long)MIB);
	REQUIRE(mallopt(M_TRIM_THRESHOLD, -1) == 1);
	REQUIRE(trimmed(20 * MIB) == 0);
	return 0;
}

static int trims_a_large_heap_when_told(void)
{
	REQUIRE(mallopt(M_MMAP_THRESHOLD, 100 * MIB) == 1);
	REQUIRE(mallopt(M_TRIM_THRESHOLD, MIB) == 1);
	hide(malloc(90 * MIB));
	REQUIRE(trimmed(4 * MIB) >= 3 * (long)MIB);
	return 0;
}

static bool enough;

static void *allocate(void *arg)
{
	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		free(hide(malloc(5000)));
	return arg;
}

static int hold_the_locks(const struct brkmalloc_block *block, void *arg)
{
	struct timespec moment = { .tv_nsec = 1000000 };

	nanosleep(&moment, NULL);
	return 1;
}

static size_t arenas(void)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	return stats.arenas;
}

/*
 * A thread that has to wait for its arena again and again moves to another. On a busy
 * machine it may take a while until it had to.
 */
static size_t arenas_of_two_threads(int tries)
{
	pthread_t thread;
	int i;

	hide(malloc(1));
	REQUIRE(!pthread_create(&thread, NULL, allocate, NULL));
	for (i = 0; i < tries && arenas() < 2; i++)
		brkmalloc_walk(hold_the_locks, NULL);
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return arenas();
}

static int has_one_arena(void)
{
	REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
	REQUIRE(arenas_of_two_threads(300) == 1);
	return 0;
}

static int has_two_arenas(void)
{
	REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
	REQUIRE(mallopt(M_ARENA_MAX, 0) == 1);
	REQUIRE(mallopt(M_ARENA_MAX, -1) == 0);
	REQUIRE(arenas_of_two_threads(10000) == 2);
	return 0;
}

static int tells_of_two_arenas(void)
{
	REQUIRE(arenas_of_two_threads(10000) == 2);
	return malloc_info(0, stdout);
}

const struct scenario scenarios[] = {
	{ "maps_from_4096",	maps_from_4096 },
	{ "maps_so_many",	maps_so_many },
	{ "trims_a_large_heap_when_told", trims_a_large_heap_when_told },
	{ "has_one_arena",	has_one_arena },
	{ "has_two_arenas",	has_two_arenas },
	{ "tells_of_two_arenas", tells_of_two_arenas },
	{ "trims_when_told",	trims_when_told },
	{ }
};

TEST(mallopt_moves_the_thresholds_whatever_the_environment_says)
{
	EXPECT_SCENARIO_PASSES("maps_from_4096", "BRKMALLOC_MMAP_THRESHOLD=1M");
	EXPECT_SCENARIO_PASSES("maps_so_many", "BRKMALLOC_TRIM_THRESHOLD=1G");
	EXPECT_SCENARIO_PASSES("trims_when_told", "BRKMALLOC_TRIM_THRESHOLD=1M");
	EXPECT_SCENARIO_PASSES("trims_a_large_heap_when_told", NULL);
}

TEST(mallopt_limits_the_arenas)
{
	EXPECT_SCENARIO_PASSES("has_one_arena", NULL);
	EXPECT_SCENARIO_PASSES("has_two_arenas", "BRKMALLOC_ARENAS=1");
}

TEST(mallopt_accepts_what_is_tuning_and_refuses_what_it_cannot_do)
{
	errno = 3;
	EXPECT_EQ(1, mallopt(M_ARENA_TEST, 4));
	EXPECT_EQ(1, mallopt(M_TOP_PAD, 1 << 20));
	EXPECT_EQ(1, mallopt(M_MXFAST, 0));
	EXPECT_EQ(1, mallopt(M_MXFAST, 160));
	EXPECT_EQ(0, mallopt(M_MXFAST, 161));
	EXPECT_EQ(0, mallopt(M_MXFAST, -1));
	EXPECT_EQ(0, mallopt(M_PERTURB, 0xaa));
	EXPECT_EQ(0, mallopt(12345, 1));
	EXPECT_EQ(3, errno);
}

#define HELD	4000	/* blocks of 1000 bytes, far more than any cache holds */

/* It is deprecated for being narrow, and yet there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static struct mallinfo narrow_mallinfo(void)
{
	return mallinfo();
}

#pragma GCC diagnostic pop

TEST(mallinfo_follows_what_the_program_takes_and_gives)
{
	static void *blocks[HELD];
	struct mallinfo2 before = mallinfo2(), after;
	unsigned long break_before = break_now();
	struct mallinfo narrow;
	struct vma vma;
	void *large;
	size_t i;

	for (i = 0; i < HELD; i++)
		blocks[i] = malloc(1000);
	after = mallinfo2();
	EXPECT_GE(after.uordblks - before.uordblks, HELD * 1000);
	EXPECT_LE(after.uordblks - before.uordblks, HELD * 1000 * 5 / 4);
	EXPECT_GE(after.arena - before.arena, break_now() - break_before);
	EXPECT_EQ(after.arena, after.uordblks + after.fordblks);
	for (i = 0; i < HELD - 1; i++)
		free(blocks[i]);
	after = mallinfo2();
	EXPECT_LE(after.uordblks - before.uordblks, HELD * 1000 / 4);
	EXPECT_GE(after.fordblks, HELD * 1000 * 3 / 4);
	EXPECT_LE(1, after.ordblks);
	EXPECT_GE(after.fordblks, after.keepcost);

	large = malloc(3 * MIB);
	ASSERT_TRUE(vma_at(large, &vma));
	after = mallinfo2();
	EXPECT_EQ(before.hblks + 1, after.hblks);
	EXPECT_GE(after.hblkhd - before.hblkhd, 3 * MIB);
	EXPECT_LE(after.hblkhd - before.hblkhd, vma.end - vma.start);
	narrow = narrow_mallinfo();
	EXPECT_EQ((int)after.arena, narrow.arena);
	EXPECT_EQ((int)after.hblkhd, narrow.hblkhd);
	EXPECT_EQ((int)after.uordblks, narrow.uordblks);
	free(large);
	EXPECT_EQ(before.hblks, mallinfo2().hblks);
	free(blocks[HELD - 1]);
}

TEST(mallinfo_tells_what_a_threads_cache_keeps)
{
	struct mallinfo2 before, after;
	void *blocks[10];
	size_t i;

	for (i = 0; i < 10; i++)
		blocks[i] = malloc(104);
	before = mallinfo2();
	for (i = 0; i < 10; i++)
		free(blocks[i]);
	after = mallinfo2();
	EXPECT_EQ(10, after.smblks - before.smblks);
	EXPECT_EQ(10 * 112, after.fsmblks - before.fsmblks);
	EXPECT_EQ(10 * 112, after.fordblks - before.fordblks);
	EXPECT_EQ(10 * 112, before.uordblks - after.uordblks);
}

/* Each run of digits becomes N, each run of blanks one. */
static void normalise(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (isdigit(*text) && to[-1] == 'N')
			continue;
		if (*text == ' ' && to[-1] == ' ')
			continue;
		*to++ = isdigit(*text) ? 'N' : *text;
	}
	*to = '\0';
}

static void print_stats(void *arg)
{
	hide(malloc(3 * MIB));
	malloc_stats();
}

TEST(malloc_stats_tells_on_standard_error_in_the_c_librarys_form)
{
	static const char form[] =
		"Arena N:\nsystem bytes = N\nin use bytes = N\n";
	static const char sum[] =
		"Total (incl. mmap):\nsystem bytes = N\nin use bytes = N\n"
		"max mmap regions = N\nmax mmap bytes = N\n";
	static struct outcome outcome;
	char *end = outcome.text;
	const char *bytes;

	run_child(&outcome, print_stats, NULL);
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));
	bytes = strstr(outcome.text, "max mmap bytes   = ");
	ASSERT_NE(NULL, bytes);
	EXPECT_LE(3 * MIB, strtoul(bytes + strlen("max mmap bytes   = "), NULL, 10));
	normalise(outcome.text);
	ASSERT_EQ(0, strncmp(end, form, strlen(form))) TH_LOG("%s", end);
	while (!strncmp(end, form, strlen(form)))
		end += strlen(form);
	EXPECT_STREQ(sum, end);
}

/* The number behind the next occurrence of @name in @xml, which moves there. */
static size_t next_number(const char **xml, const char *name)
{
	const char *found = strstr(*xml, name);

	if (!found)
		return SIZE_MAX;
	*xml = found + strlen(name);
	return strtoul(*xml, NULL, 10);
}

static char xml_text[64 * 1024];

/* In a static array, so that writing it takes no block. */
static int write_xml(void)
{
	FILE *file = fmemopen(xml_text, sizeof(xml_text), "w");
	int result = malloc_info(0, file);

	fclose(file);
	return result;
}

TEST(malloc_info_tells_the_free_blocks_by_size)
{
	static const char start[] =
		"<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n";
	static void *blocks[HELD];
	const char *xml = xml_text, *end;
	size_t total = 0, count = 0, i;

	/* Every other one is free: they cannot join. */
	for (i = 0; i < HELD; i++)
		blocks[i] = malloc(1000);
	for (i = 0; i < HELD; i += 2)
		free(blocks[i]);
	ASSERT_EQ(0, write_xml());
	ASSERT_EQ(0, strncmp(xml, start, strlen(start))) TH_LOG("%s", xml);
	end = strstr(xml, "</sizes>");
	ASSERT_NE(NULL, end);
	while (next_number(&xml, "<size from=\"") != SIZE_MAX && xml < end) {
		EXPECT_LE(strtoul(xml, NULL, 10), next_number(&xml, "to=\""));
		total += next_number(&xml, "total=\"");
		count += next_number(&xml, "count=\"");
	}
	EXPECT_GE(total, HELD / 2 * 1000 * 3 / 4);
	EXPECT_GE(count, HELD / 2 * 3 / 4);
	/* The rest is what these are, and the top. */
	xml = end;
	EXPECT_LE(count, next_number(&xml, "<total type=\"rest\" count=\""));
	EXPECT_LE(total, next_number(&xml, "size=\""));
	for (i = 1; i < HELD; i += 2)
		free(blocks[i]);
}

#define SYSTEM								\
	"<system type=\"current\" size=\"N\"/>\n"			\
	"<system type=\"max\" size=\"N\"/>\n"				\
	"<aspace type=\"total\" size=\"N\"/>\n"				\
	"<aspace type=\"mprotect\" size=\"N\"/>\n"

#define FREE								\
	"<total type=\"fast\" count=\"N\" size=\"N\"/>\n"		\
	"<total type=\"rest\" count=\"N\" size=\"N\"/>\n"

TEST(malloc_info_ends_with_the_c_librarys_elements)
{
	static const char end[] = "</sizes>\n" FREE SYSTEM "</heap>\n" FREE
		"<total type=\"mmap\" count=\"N\" size=\"N\"/>\n" SYSTEM "</malloc>\n";
	char *found = xml_text, *last = NULL;

	ASSERT_EQ(0, write_xml());
	normalise(xml_text);
	while ((found = strstr(found, "</sizes>")))
		last = found++;
	ASSERT_NE(NULL, last);
	EXPECT_STREQ(end, last);
}

TEST(malloc_info_has_a_heap_for_each_arena)
{
	static struct outcome outcome;
	const char *xml = outcome.text;
	size_t total = 0;

	run_scenario(&outcome, "tells_of_two_arenas", NULL);
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));
	EXPECT_EQ(0, next_number(&xml, "<heap nr=\""));
	total += next_number(&xml, "<system type=\"current\" size=\"");
	EXPECT_EQ(1, next_number(&xml, "<heap nr=\""));
	total += next_number(&xml, "<system type=\"current\" size=\"");
	EXPECT_EQ(SIZE_MAX, next_number(&xml, "<heap nr=\""));
	EXPECT_EQ(total, next_number(&xml, "<system type=\"current\" size=\""));
}

TEST(malloc_info_refuses_options_and_tells_of_a_full_disk)
{
	FILE *full = fopen("/dev/full", "w");

	errno = 0;
	EXPECT_EQ(-1, malloc_info(1, stdout));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_NE(NULL, full);
	setvbuf(full, NULL, _IONBF, 0);
	errno = 0;
	EXPECT_EQ(-1, malloc_info(0, full));
	EXPECT_EQ(ENOSPC, errno);
	fclose(full);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
