// SPDX-License-Identifier: GPL-2.0-only
/*
 * quarantine_test.c - does BRKMALLOC_GUARD=full find what is done to freed blocks?
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "misuse.h"

#define FRESH		0xeb
#define FREED		0xd9
#define QUARANTINE	(16 * MIB)

/* Free so much in large blocks, which are mapped, that all before leaves the quarantine. */
static void empty_quarantine(void)
{
	size_t i;

	for (i = 0; i < QUARANTINE / MIB + 1; i++)
		free(hide(malloc(MIB)));
}

static int write_after_free(char *p, size_t size, size_t offset)
{
	p = hide(p);
	free(p);
	expect_warn("block %p (%zu bytes): written to after free: found 0x41 at offset %zu, expected 0xd9",
		    p, size, offset);
	p[offset] = 'A';
	empty_quarantine();
	return 0;
}

static int write_to_kept(void)
{
	return write_after_free(malloc(100), 100, 3);
}

static int write_to_kept_aligned(void)
{
	return write_after_free(aligned_alloc(512, 1000), 1000, 999);
}

static int write_to_kept_mapped(void)
{
	return write_after_free(malloc(MIB), MIB, 54321);
}

static int write_to_free_memory(void)
{
	char *p = hide(malloc(50000));

	hide(malloc(100));
	free(p);
	empty_quarantine();
	expect_warn("free memory was written to after free: found 0x41 at %p, expected 0xd9",
		    p + 12345);
	p[12345] = 'A';
	hide(malloc(50000));
	return 0;
}

static int write_to_freed_top(void)
{
	char *p = hide(malloc(50000));

	free(p);
	empty_quarantine();
	expect_warn("free memory was written to after free: found 0x41 at %p, expected 0xd9",
		    p + 100);
	p[100] = 'A';
	hide(malloc(50000));
	return 0;
}

static int free_twice_later(void)
{
	char *p = hide(malloc(100));

	hide(malloc(100));
	free(p);
	empty_quarantine();
	expect_warn("free(%p): double free: found freed memory, 0xd9d9d9d9d9d9d9d9, in front of it, expected a block in use",
		    p);
	free(hide(p));
	return 0;
}

static int use_after_realloc(void)
{
	char *p = hide(malloc(100)), *now = realloc(p, 101);

	REQUIRE(now != p);
	expect_warn("free(%p): double free: the meta block says free (100 bytes), expected a block in use",
		    p);
	free(hide(p));
	return 0;
}

static int free_mapped_twice(void)
{
	char *p = hide(malloc(MIB));

	expect_warn("free(%p): double free: the meta block says free (%zu bytes), expected a block in use",
		    p, MIB);
	free(p);
	free(hide(p));
	return 0;
}

/* The quarantine has no place for it. */
static int write_to_unmapped(void)
{
	char *p = hide(malloc(10 * MIB));

	free(p);
	p[1000] = 'A';
	return 0;
}

static int check_finds_write_after_free(void)
{
	char *p = hide(malloc(100));

	free(p);
	return check_finds("written to after free", p, 100, 7, FREED);
}

static int check_finds_write_to_free_memory(void)
{
	char *p = hide(malloc(50000));

	hide(malloc(100));
	free(p);
	empty_quarantine();
	REQUIRE(!brkmalloc_check());
	expect_warn("check: block %p: it was written to after free", p - 64);
	p[1000] = 'A';
	return brkmalloc_check() == -1 ? 0 : 1;
}

static bool all_are(const void *data, size_t bytes, unsigned char byte)
{
	const unsigned char *p = hide((void *)data);
	size_t i;

	for (i = 0; i < bytes; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static int fills(void)
{
	unsigned char *p = hide(malloc(1000)), *now;

	REQUIRE(all_are(p, 1000, FRESH));
	memset(p, 'x', 1000);
	now = hide(realloc(p, 2000));
	REQUIRE(all_are(now, 1000, 'x') && all_are(now + 1000, 1000, FRESH));
	REQUIRE(all_are(p, 1000, FREED));
	free(now);
	REQUIRE(all_are(now, 2000, FREED));
	REQUIRE(all_are(hide(malloc(MIB)), MIB, FRESH));
	REQUIRE(all_are(hide(aligned_alloc(256, 512)), 512, FRESH));
	return 0;
}

static int calloc_is_zero(void)
{
	static const size_t sizes[] = { 0, 1, 100, 1032, 50000, 127 * KIB, MIB, 10 * MIB };
	size_t round, i;
	char *p;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			p = hide(calloc(1, sizes[i]));
			REQUIRE(all_zero(p, sizes[i]));
			memset(p, 'x', sizes[i]);
			free(p);
		}
		empty_quarantine();
	}
	return 0;
}

/* How much larger the process is after so much was freed. */
static size_t grown(size_t size, size_t total)
{
	size_t before = virtual_bytes();
	size_t i;

	for (i = 0; i < total / size; i++)
		free(hide(malloc(size)));
	return virtual_bytes() - before;
}

static int is_bounded(void)
{
	size_t small = grown(1000, 10 * QUARANTINE), large;

	/* A block of 1000 bytes takes up to 1100. */
	REQUIRE(small > QUARANTINE - QUARANTINE / 8 && small < QUARANTINE + 4 * MIB);
	/* Other blocks take their place. */
	large = grown(MIB, 10 * QUARANTINE);
	REQUIRE(small + large < 2 * QUARANTINE + 4 * MIB);
	REQUIRE(grown(10 * MIB, 10 * QUARANTINE) < MIB);
	REQUIRE(grown(100, 10 * QUARANTINE) < QUARANTINE + 4 * MIB);
	return 0;
}

/* What is kept is not refused to the program. */
static int yields(void)
{
	struct rlimit limit = { 64 * MIB, RLIM_INFINITY };
	char *p;

	grown(1000, QUARANTINE);
	REQUIRE(!setrlimit(RLIMIT_AS, &limit));
	p = hide(malloc(limit.rlim_cur - virtual_bytes() + QUARANTINE / 2));
	REQUIRE(p);
	return 0;
}

const struct scenario scenarios[] = {
	SCENARIO(write_to_kept), SCENARIO(write_to_kept_aligned),
	SCENARIO(write_to_kept_mapped), SCENARIO(write_to_free_memory),
	SCENARIO(write_to_freed_top), SCENARIO(free_twice_later),
	SCENARIO(use_after_realloc), SCENARIO(free_mapped_twice),
	SCENARIO(write_to_unmapped), SCENARIO(check_finds_write_after_free),
	SCENARIO(check_finds_write_to_free_memory), SCENARIO(fills),
	SCENARIO(calloc_is_zero), SCENARIO(is_bounded), SCENARIO(yields),
	{ }
};

TEST(a_write_after_free_is_found_when_the_block_leaves_the_quarantine)
{
	EXPECT_STOPS("full", "write_to_kept");
	EXPECT_STOPS("full", "write_to_kept_aligned");
	EXPECT_STOPS("full", "write_to_kept_mapped");
}

TEST(a_write_after_that_is_found_when_the_memory_is_used_again)
{
	EXPECT_STOPS("full", "write_to_free_memory");
	EXPECT_STOPS("full", "write_to_freed_top");
}

TEST(a_write_to_a_long_block_after_free_is_stopped_by_the_kernel)
{
	RUN("full", "write_to_unmapped");

	EXPECT_TRUE(outcome_is_signal(&outcome, SIGSEGV));
}

TEST(a_double_free_is_found_also_later_and_of_what_realloc_left)
{
	EXPECT_STOPS("full", "free_twice_later");
	EXPECT_STOPS("full", "use_after_realloc");
	EXPECT_STOPS("full", "free_mapped_twice");
}

TEST(brkmalloc_check_finds_a_write_after_free)
{
	EXPECT_TELLS("full", "check_finds_write_after_free");
	EXPECT_TELLS("full", "check_finds_write_to_free_memory");
}

TEST(without_a_quarantine_nobody_looks)
{
	EXPECT_SILENCE("default", "write_to_kept");
	EXPECT_SILENCE("off", "write_to_kept");
}

TEST(new_and_freed_data_is_filled_and_that_of_calloc_zero)
{
	EXPECT_SCENARIO_PASSES("fills", "BRKMALLOC_GUARD=full");
	EXPECT_SCENARIO_PASSES("calloc_is_zero", "BRKMALLOC_GUARD=full");
	EXPECT_SCENARIO_PASSES("calloc_is_zero", "BRKMALLOC_GUARD=full",
			       "BRKMALLOC_MMAP_THRESHOLD=1G");
}

TEST(the_quarantine_is_bounded)
{
	EXPECT_SCENARIO_PASSES("is_bounded", "BRKMALLOC_GUARD=full");
}

TEST(the_quarantine_is_given_up_when_memory_is_short)
{
	EXPECT_SCENARIO_PASSES("yields", "BRKMALLOC_GUARD=full");
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
