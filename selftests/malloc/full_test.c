// SPDX-License-Identifier: GPL-2.0-only
/*
 * full_test.c - what does each level of BRKMALLOC_GUARD find?
 *
 * But for what is done to freed blocks with the level full: quarantine_test.c.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "misuse.h"

/* What the meta block in front of it, or malloc's note, says about the size. */
static size_t told_size(size_t block, size_t requested)
{
	return strcmp(getenv("BRKMALLOC_GUARD"), "full") ? block : requested;
}

/* ---- at each level ---- */

static int free_twice(void)
{
	char *p = hide(malloc(100));

	expect_warn("free(%p): double free: the meta block says free (%zu bytes), expected a block in use",
		    p, told_size(112, 100));
	free(p);
	free(hide(p));
	return 0;
}

static int free_misaligned(void)
{
	char *p = hide(malloc(100));

	expect_warn("free(%p): misaligned pointer: no data block begins here, expected a multiple of 16",
		    p + 8);
	free(p + 8);
	return 0;
}

static int free_inner_pointer(void)
{
	char *p = hide(calloc(1, 100));

	expect_warn("free(%p): foreign pointer or overwritten meta block: found 0x0 in front of it, expected the seal of a block in use",
		    p + 48);
	free(p + 48);
	return 0;
}

/* The seal alone: whoever does not look at it goes on. */
static int free_without_seal(void)
{
	char *p = hide(malloc(100));
	uint64_t meta;

	memset(p - 4, 'A', 4);
	memcpy(&meta, p - 8, 8);
	expect_warn("free(%p): foreign pointer or overwritten meta block: found 0x%lx in front of it, expected the seal of a block in use",
		    p, meta);
	free(p);
	return 0;
}

static int write_to_cached(void)
{
	char *p = hide(malloc(100));

	free(p);
	memset(p + 8, 'A', 8);
	expect_warn("free block %p (104 bytes) was written to after free: found %p as its link, expected a link and its check",
		    p, *(void **)p);
	hide(malloc(100));
	return 0;
}

/* ---- redzones ---- */

static void free_it(void *p)
{
	free(p);
}

static void resize_it(void *p)
{
	hide(realloc(p, 10));
}

/* Write 'A' to @offset of a block and do @then. */
static int spoil(char *p, size_t size, long offset, int expected, void (*then)(void *p))
{
	p = hide(p);
	expect_warn("block %p (%zu bytes): written %s: found 0x41 at offset %ld, expected 0x%x",
		    p, size, offset < 0 ? "in front of it" : "past its end", offset, expected);
	p[offset] = 'A';
	then(p);
	return 0;
}

static int overrun_then_free(void)
{
	return spoil(malloc(100), 100, 100, 0xf7, free_it);
}

static int overrun_then_realloc(void)
{
	return spoil(malloc(104), 104, 104, 0xf7, resize_it);
}

static int overrun_to_the_end_of_the_redzone(void)
{
	return spoil(malloc(100), 100, 115, 0xf7, free_it);
}

static int overrun_of_nothing(void)
{
	return spoil(malloc(0), 0, 0, 0xf7, free_it);
}

static int overrun_of_calloc(void)
{
	return spoil(calloc(10, 10), 100, 100, 0xf7, free_it);
}

static int overrun_of_realloc(void)
{
	return spoil(realloc(malloc(10), 200), 200, 200, 0xf7, free_it);
}

static int overrun_of_aligned(void)
{
	return spoil(aligned_alloc(4096, 100), 100, 100, 0xf7, free_it);
}

static int overrun_of_mapped(void)
{
	return spoil(malloc(MIB), MIB, MIB, 0xf7, free_it);
}

static int overrun_of_mapped_then_realloc(void)
{
	return spoil(malloc(MIB), MIB, MIB + 3, 0xf7, resize_it);
}

static int underrun(void)
{
	return spoil(malloc(100), 100, -20, 0xf7, free_it);
}

/* The distance that malloc noted there. */
static int underrun_of_two_words(void)
{
	return spoil(malloc(100), 100, -16, 64, free_it);
}

static int underrun_of_two_words_far(void)
{
	return spoil(malloc(100), 100, -9, 0, free_it);
}

static int underrun_of_aligned(void)
{
	return spoil(memalign(4096, 100), 100, -300, 0xf7, free_it);
}

static int underrun_of_mapped(void)
{
	return spoil(malloc(MIB), MIB, -20, 0xf7, free_it);
}

static int underrun_to_the_note(void)
{
	char *p = hide(malloc(100));

	p[-50] ^= 'A';
	free(p);
	return 0;
}

static int wrong_size(void)
{
	char *p = hide(malloc(100));

	free_sized(NULL, 7);
	free_sized(malloc(100), 100);
	free_aligned_sized(aligned_alloc(64, 128), 64, 128);
	expect_warn("free_sized(%p): wrong size: told 99 bytes, expected the 100 that were asked for",
		    p);
	free_sized(p, 99);
	return 0;
}

static int wrong_aligned_size(void)
{
	char *p = hide(aligned_alloc(64, 128));

	expect_warn("free_aligned_sized(%p): wrong size: told 64 bytes, expected the 128 that were asked for",
		    p);
	free_aligned_sized(p, 64, 64);
	return 0;
}

/* ---- brkmalloc_check() ---- */

static int check_finds_overrun(void)
{
	return check_finds("written past its end", hide(malloc(100)), 100, 100, 0xf7);
}

static int check_finds_overrun_of_mapped(void)
{
	return check_finds("written past its end", hide(malloc(MIB)), MIB, MIB + 1, 0xf7);
}

static int check_finds_underrun(void)
{
	return check_finds("written in front of it", hide(malloc(100)), 100, -20, 0xf7);
}

/* ---- what is right stays so ---- */

static int knows_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 24, 100, 1032, 1033, 50000, MIB, 10 * MIB };
	size_t i, align;
	char *p;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		p = hide(malloc(sizes[i]));
		REQUIRE(malloc_usable_size(p) == sizes[i]);
		free(p);
		for (align = 16; align <= 4096 * MIB; align *= 16) {
			p = hide(memalign(align, sizes[i]));
			REQUIRE((uintptr_t)p % align == 0);
			REQUIRE(malloc_usable_size(p) == sizes[i]);
			memset(p, 'x', sizes[i]);
			free(p);
		}
	}
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int is_walked(void)
{
	char *p = hide(malloc(100));

	REQUIRE(block_at_data(p).state == BRKMALLOC_USED);
	REQUIRE(block_at_data(p).size >= 100);
	free(p);
	REQUIRE(block_at_data(p).state != BRKMALLOC_USED);
	return 0;
}

static void *churn(void *arg)
{
	unsigned long state = (unsigned long)arg;
	char *blocks[50] = { NULL };
	size_t i, slot, size;

	for (i = 0; i < 20000; i++) {
		state = state * 6364136223846793005UL + 1442695040888963407UL;
		slot = (state >> 33) % 50;
		size = (state >> 40) % 3000;
		free(blocks[slot]);
		blocks[slot] = malloc(size);
		memset(blocks[slot], 'x', size);
	}
	for (slot = 0; slot < 50; slot++)
		free(blocks[slot]);
	return NULL;
}

/* A child of a program with threads goes on, with what they have left behind. */
static int forks(void)
{
	pthread_t threads[3];
	unsigned long i;
	int status;
	pid_t pid;

	for (i = 0; i < 3; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, churn, (void *)(i + 1)));
	for (i = 0; i < 20; i++) {
		pid = fork();
		if (!pid) {
			alarm(60);
			churn((void *)(i + 10));
			_exit(brkmalloc_check() ? 1 : 0);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid && !status);
	}
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	REQUIRE(!brkmalloc_check());
	return 0;
}

const struct scenario scenarios[] = {
	SCENARIO(free_twice), SCENARIO(free_misaligned), SCENARIO(free_inner_pointer),
	SCENARIO(free_without_seal), SCENARIO(write_to_cached),
	SCENARIO(overrun_then_free), SCENARIO(overrun_then_realloc),
	SCENARIO(overrun_to_the_end_of_the_redzone), SCENARIO(overrun_of_nothing),
	SCENARIO(overrun_of_calloc), SCENARIO(overrun_of_realloc),
	SCENARIO(overrun_of_aligned), SCENARIO(overrun_of_mapped),
	SCENARIO(overrun_of_mapped_then_realloc), SCENARIO(underrun),
	SCENARIO(underrun_of_two_words), SCENARIO(underrun_of_two_words_far),
	SCENARIO(underrun_of_aligned), SCENARIO(underrun_of_mapped),
	SCENARIO(underrun_to_the_note), SCENARIO(wrong_size), SCENARIO(wrong_aligned_size),
	SCENARIO(check_finds_overrun), SCENARIO(check_finds_overrun_of_mapped),
	SCENARIO(check_finds_underrun), SCENARIO(knows_sizes),
	SCENARIO(is_walked), SCENARIO(forks),
	{ }
};

TEST(both_levels_stop_what_free_can_see)
{
	EXPECT_STOPS("default", "free_twice");
	EXPECT_STOPS("full", "free_twice");
	EXPECT_STOPS("default", "free_misaligned");
	EXPECT_STOPS("full", "free_misaligned");
	EXPECT_STOPS("default", "free_inner_pointer");
	EXPECT_STOPS("full", "free_inner_pointer");
	EXPECT_STOPS("default", "free_without_seal");
	EXPECT_STOPS("full", "free_without_seal");
	EXPECT_STOPS("default", "write_to_cached");
}

TEST(off_does_not_look)
{
	EXPECT_SILENCE("off", "free_twice");
	EXPECT_SILENCE("off", "free_without_seal");
	EXPECT_SILENCE("off", "write_to_cached");
}

TEST(what_only_full_finds_is_left_alone_by_the_others)
{
	EXPECT_SILENCE("default", "overrun_then_free");
	EXPECT_SILENCE("default", "wrong_size");
	EXPECT_SILENCE("off", "wrong_size");
}

TEST(a_byte_behind_the_data_is_found_by_free_and_realloc)
{
	EXPECT_STOPS("full", "overrun_then_free");
	EXPECT_STOPS("full", "overrun_then_realloc");
	EXPECT_STOPS("full", "overrun_to_the_end_of_the_redzone");
	EXPECT_STOPS("full", "overrun_of_nothing");
	EXPECT_STOPS("full", "overrun_of_calloc");
	EXPECT_STOPS("full", "overrun_of_realloc");
	EXPECT_STOPS("full", "overrun_of_aligned");
	EXPECT_STOPS("full", "overrun_of_mapped");
	EXPECT_STOPS("full", "overrun_of_mapped_then_realloc");
}

TEST(a_byte_in_front_of_the_data_is_found)
{
	static struct outcome outcome;
	char *const full[] = { "BRKMALLOC_GUARD=full", NULL };
	unsigned long offset;
	const char *at;

	EXPECT_STOPS("full", "underrun");
	EXPECT_STOPS("full", "underrun_of_two_words");
	EXPECT_STOPS("full", "underrun_of_two_words_far");
	EXPECT_STOPS("full", "underrun_of_aligned");
	EXPECT_STOPS("full", "underrun_of_mapped");
	run_scenario(&outcome, "underrun_to_the_note", full);
	EXPECT_TRUE(outcome_is_signal(&outcome, SIGABRT));
	at = strstr(outcome.text, "(0 bytes): the note of its size was overwritten: found 0x");
	ASSERT_NE(NULL, at)
		TH_LOG("%s", outcome.text);
	/* Which byte of its check differs nobody can say. */
	offset = strtoul(strstr(at, "at offset -") + 11, NULL, 10);
	EXPECT_TRUE(offset > 24 && offset <= 32);
}

TEST(a_wrong_size_is_told)
{
	EXPECT_STOPS("full", "wrong_size");
	EXPECT_STOPS("full", "wrong_aligned_size");
}

TEST(brkmalloc_check_finds_what_free_finds)
{
	EXPECT_TELLS("full", "check_finds_overrun");
	EXPECT_TELLS("full", "check_finds_overrun_of_mapped");
	EXPECT_TELLS("full", "check_finds_underrun");
}

TEST(sizes_are_those_asked_for)
{
	EXPECT_SCENARIO_PASSES("knows_sizes", "BRKMALLOC_GUARD=full");
	EXPECT_SCENARIO_PASSES("knows_sizes", "BRKMALLOC_GUARD=full",
			       "BRKMALLOC_MMAP_THRESHOLD=1G");
}

TEST(brkmalloc_walk_shows_the_pointers_of_the_program)
{
	EXPECT_SCENARIO_PASSES("is_walked", "BRKMALLOC_GUARD=full");
}

TEST(threads_and_their_forked_children_go_on)
{
	EXPECT_SCENARIO_PASSES("forks", "BRKMALLOC_GUARD=full");
	EXPECT_SCENARIO_PASSES("forks", "BRKMALLOC_GUARD=off");
}

#define EXPECT_SAID(level, said) do {					\
	RUN(level, "is_walked");					\
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));			\
	EXPECT_STREQ(said, outcome.text);				\
} while (0)

TEST(an_unknown_level_is_told_and_the_default_taken)
{
	static struct outcome outcome;
	char *const settings[] = { "BRKMALLOC_GUARD=strict", NULL };

	EXPECT_SAID("strict",
		    "brkmalloc: BRKMALLOC_GUARD=strict: no such level; give off, default or full; taking default\n");
	EXPECT_SAID("", "");
	run_scenario(&outcome, "free_twice", settings);
	EXPECT_TRUE(outcome_is_signal(&outcome, SIGABRT));
	EXPECT_NE(NULL, strstr(outcome.text, "(112 bytes)"));
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
