// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard_test.c - is misuse told in one line, and the program then stopped?
 */
#include <malloc.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

/* Filled before the child runs, so that parent and child know the pointer. */
static char *victim;
static size_t victim_size;

static void free_victim(void *arg)
{
	(void)arg;
	free(hide(victim));
}

static void free_twice(void *arg)
{
	(void)arg;
	free(victim);
	free(hide(victim));
}

static void realloc_after_free(void *arg)
{
	(void)arg;
	free(victim);
	hide(realloc(hide(victim), 10));
}

static void size_after_free(void *arg)
{
	(void)arg;
	free(victim);
	_exit(malloc_usable_size(hide(victim)));
}

static char *one_line(const char *call, const void *pointer, const char *what)
{
	static char line[256];

	snprintf(line, sizeof(line), "brkmalloc: %s%p%s", call, pointer, what);
	return line;
}

/*
 * The child dies of SIGABRT, and all it wrote is one line that begins with
 * @start.
 */
static bool dies_with(struct outcome *outcome, void (*child)(void *arg),
		      const char *start)
{
	run_child(outcome, child, NULL);
	return outcome_is_signal(outcome, SIGABRT) &&
	       !strncmp(outcome->text, start, strlen(start)) &&
	       strchr(outcome->text, '\n') ==
	       outcome->text + outcome->length - 1 &&
	       strstr(outcome->text, "expected");
}

#define EXPECT_DIES(child, call, pointer, what) do {			\
	static struct outcome outcome;					\
	const char *start = one_line(call, pointer, what);		\
	EXPECT_TRUE(dies_with(&outcome, child, start))			\
		TH_LOG("status 0x%x, wrote: %s", outcome.status,	\
		       outcome.text);					\
} while (0)

/* The same of a scenario, whose first line is the victim's address. */
static bool scenario_dies_with(struct outcome *outcome, const char *name, char *setting,
			       const char *call, const char *what)
{
	char *const settings[] = { setting, NULL };
	const char *line;
	char *end;

	run_scenario(outcome, name, settings);
	line = one_line(call, (void *)strtoul(outcome->text, &end, 16), what);
	return outcome_is_signal(outcome, SIGABRT) && *end == '\n' &&
	       !strncmp(end + 1, line, strlen(line));
}

static void take_victim(size_t size)
{
	victim_size = size;
	victim = malloc(size);
	hide(malloc(100));		/* a neighbour that stays */
}

TEST(double_free_of_a_block_between_others)
{
	take_victim(100);
	EXPECT_DIES(free_twice, "free(", victim, "): double free");
}

TEST(double_free_of_the_block_at_the_top)
{
	/* No hole is that large, and behind it nothing is taken. */
	victim = malloc(100000);
	victim = malloc(100000);
	EXPECT_DIES(free_twice, "free(", victim, "): double free");
}

TEST(double_free_of_a_mapped_block)
{
	/* One whose mapping is kept for the next block, and one too large for that. */
	victim = malloc(MIB);
	EXPECT_DIES(free_twice, "free(", victim, "): double free");
	victim = malloc(100 * MIB);
	EXPECT_DIES(free_twice, "free(", victim,
		    "): foreign pointer or double free");
}

/* What is freed after it sends it home to its arena. */
static void free_many_then_again(void *arg)
{
	static char *blocks[5000];
	size_t i;

	(void)arg;
	for (i = 0; i < 5000; i++)
		blocks[i] = malloc(victim_size);
	free(victim);
	for (i = 0; i < 5000; i++)
		free(blocks[i]);
	free(hide(victim));
}

TEST(double_free_of_a_block_long_ago)
{
	take_victim(100);
	EXPECT_DIES(free_many_then_again, "free(", victim, "): double free");
	take_victim(1000);
	EXPECT_DIES(free_many_then_again, "free(", victim, "): double free");
}

static void free_both_then_one(void *arg)
{
	char *second = victim + 112;

	(void)arg;
	free(victim);
	free(second);
	free(hide(second));
}

TEST(double_free_of_a_block_that_was_joined_with_the_one_before)
{
	char *blocks[3];
	int tries;

	for (tries = 0; tries < 100; tries++) {
		blocks[0] = malloc(100);
		blocks[1] = malloc(100);
		blocks[2] = malloc(100);
		if (blocks[1] == blocks[0] + 112 && blocks[2] == blocks[1] + 112)
			break;
	}
	ASSERT_LT(tries, 100);
	victim = blocks[0];
	EXPECT_DIES(free_both_then_one, "free(", blocks[1], "): double free");
}

TEST(realloc_of_a_freed_block)
{
	take_victim(100);
	EXPECT_DIES(realloc_after_free, "realloc(", victim, "): double free");
}

TEST(malloc_usable_size_of_a_freed_block)
{
	take_victim(100);
	EXPECT_DIES(size_after_free, "malloc_usable_size(", victim,
		    "): double free");
}

TEST(a_misaligned_pointer)
{
	take_victim(100);
	victim += 8;
	EXPECT_DIES(free_victim, "free(", victim, "): misaligned pointer");
	victim -= 7;
	EXPECT_DIES(free_victim, "free(", victim, "): misaligned pointer");
}

TEST(a_pointer_into_the_middle_of_a_block)
{
	take_victim(100);
	victim += 48;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
}

TEST(pointers_that_are_not_from_malloc)
{
	static alignas(16) char in_bss[64];
	alignas(16) char on_stack[64];
	char *mapped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(on_stack, 0, sizeof(on_stack));
	victim = in_bss + 16;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
	victim = on_stack + 16;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
	victim = mapped + 16;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
	munmap(mapped + PAGE, PAGE);
	victim = mapped + PAGE + 16;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
	victim = (char *)16;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
	victim = (char *)0xdeadbeefdeadbee0UL;
	EXPECT_DIES(free_victim, "free(", victim, "): foreign pointer");
}

static void write_before(void *arg)
{
	(void)arg;
	memset((char *)hide(victim) - 8, 'A', 8);
	free(victim);
}

static void write_behind(void *arg)
{
	(void)arg;
	memset(hide(victim), 'A', victim_size + 1);
	free(victim);
}

TEST(a_meta_block_overwritten_from_behind)
{
	take_victim(104);
	EXPECT_DIES(write_before, "free(", victim,
		    "): foreign pointer or overwritten meta block: found 0x4141414141414141");
}

static int write_behind_small(void)
{
	take_victim(104);
	fprintf(stderr, "%p\n", victim);
	write_behind(NULL);
	return 0;
}

/* To a cache it is all the same, until the block behind is freed. */
static void write_behind_free_behind(void *arg)
{
	write_behind(arg);
	free(hide(victim + victim_size + 8));
}

TEST(one_byte_written_past_the_end)
{
	static struct outcome outcome;

	/* The data ends where the next meta block begins. */
	take_victim(5000);
	ASSERT_EQ(5000, malloc_usable_size(victim));
	EXPECT_DIES(write_behind, "block ", victim,
		    " (5000 bytes): written past its end");
	take_victim(104);
	ASSERT_EQ(104, malloc_usable_size(victim));
	EXPECT_DIES(write_behind_free_behind, "free(", victim + 112,
		    "): foreign pointer or overwritten meta block");
	EXPECT_TRUE(scenario_dies_with(&outcome, "write_behind_small", "BRKMALLOC_CACHE=0",
				       "block ", " (104 bytes): written past its end"))
		TH_LOG("%s", outcome.text);
}

TEST(the_words_before_a_mapped_block_overwritten)
{
	long *words;

	victim = malloc(MIB);
	words = (long *)((char *)hide(victim) - 32);
	words[0] += 4096;
	EXPECT_DIES(free_victim, "block ", victim,
		    ": the words in front of its meta block were overwritten: found length 1056768 and distance 24");
	words[0] -= 4096;
	words[1] = 4711;
	EXPECT_DIES(free_victim, "block ", victim,
		    ": the words in front of its meta block were overwritten: found length 1052672 and distance 4711");
	words[1] = 24;
	words[2] ^= 1;
	EXPECT_DIES(free_victim, "block ", victim,
		    ": the words in front of its meta block were overwritten");
	words[2] ^= 1;
	free(victim);
}

static void free_of_no_arena(void *arg)
{
	(void)arg;
	((unsigned char *)hide(victim))[-5] = 200;
	free(victim);
}

TEST(the_arena_in_a_meta_block_overwritten)
{
	take_victim(5000);
	EXPECT_DIES(free_of_no_arena, "block ", victim,
		    " (5000 bytes): its meta block was overwritten: found arena 100");
}

TEST(links_of_freed_blocks_tell_no_secret_of_the_c_library)
{
	const unsigned long *random = (const unsigned long *)getauxval(AT_RANDOM);
	char *a = malloc(100), *b = malloc(100);
	unsigned long link;

	ASSERT_NE(NULL, random);
	free(a);
	free(b);
	memcpy(&link, hide(b), sizeof(link));
	/* Leads to a; what it is mangled with remains. */
	link ^= (unsigned long)a ^ (unsigned long)b;
	EXPECT_NE(random[0] | 1, link | 1);
	EXPECT_NE(random[1] | 1, link | 1);
}

/* A free block between two used ones, its links then spoiled. */
static void write_links_after_free(void *arg)
{
	(void)arg;
	free(victim);
	memset(hide(victim), 'A', 16);
	hide(malloc(victim_size));
}

static void write_footer_after_free(void *arg)
{
	char *behind = victim + victim_size + 8;

	(void)arg;
	free(victim);
	memset((char *)hide(victim) + victim_size - 8, 'A', 8);
	free(behind);
}

/* It is too small for what is then asked for: the search goes on behind it. */
static int write_links(void)
{
	take_victim(50008);
	fprintf(stderr, "%p\n", victim);
	free(victim);
	memset(hide(victim), 'A', 16);
	hide(malloc(2 * victim_size));
	return 0;
}

static void check_links(struct __test_metadata *_metadata, char *setting)
{
	static struct outcome outcome;

	EXPECT_TRUE(scenario_dies_with(&outcome, "write_links", setting, "free block ",
				       " was written to after free: found 0x4141414141414141"))
		TH_LOG("%s: %s", setting, outcome.text);
}

TEST(links_of_a_free_block_overwritten)
{
	take_victim(50008);
	EXPECT_DIES(write_links_after_free, "free block ", victim,
		    " was written to after free: found 0x4141414141414141");
	check_links(_metadata, "BRKMALLOC_FIT=first");
	check_links(_metadata, "BRKMALLOC_FIT=next");
	check_links(_metadata, "BRKMALLOC_FIT=best");
	check_links(_metadata, "BRKMALLOC_FIT=worst");
}

TEST(links_of_a_cached_block_overwritten)
{
	take_victim(100);
	EXPECT_DIES(write_links_after_free, "free block ", victim,
		    " (104 bytes) was written to after free: found 0x4141414141414141");
}

TEST(the_footer_of_a_free_block_overwritten)
{
	char *behind;

	victim_size = 50008;
	victim = malloc(victim_size);
	behind = malloc(50008);
	ASSERT_EQ(behind, victim + victim_size + 8);
	hide(malloc(100));
	EXPECT_DIES(write_footer_after_free, "block ", behind,
		    ": the free block in front of it was written to after free");
}

static void move_break_down(void *arg)
{
	size_t i;

	(void)arg;
	sbrk(-(intptr_t)(2 * PAGE));
	for (i = 0; i < 100; i++)
		hide(malloc(50000));
}

TEST(a_break_that_somebody_moved_down_below_the_heap)
{
	static struct outcome outcome;

	hide(malloc(100000));
	EXPECT_TRUE(dies_with(&outcome, move_break_down, "brkmalloc: break 0x"))
		TH_LOG("%s", outcome.text);
}

static void allocate_in_handler(int number)
{
	(void)number;
	free(malloc(100));
	if (write(STDERR_FILENO, "handled\n", 8))
		_exit(42);
}

static void free_twice_with_handler(void *arg)
{
	alarm(20);
	signal(SIGABRT, allocate_in_handler);
	free_twice(arg);
}

TEST(a_handler_of_sigabrt_may_call_malloc)
{
	static struct outcome outcome;

	take_victim(100);
	run_child(&outcome, free_twice_with_handler, NULL);
	EXPECT_TRUE(outcome_is_exit(&outcome, 42));
	EXPECT_NE(NULL, strstr(outcome.text, "double free"));
	EXPECT_NE(NULL, strstr(outcome.text, "handled\n"));
}

static int show_nothing(const struct brkmalloc_block *block, void *arg)
{
	(void)block;
	(void)arg;
	return 0;
}

static void check_damaged(void *arg)
{
	(void)arg;
	memset(victim + victim_size, 'A', 8);
	_exit(brkmalloc_check() ? 7 : 0);
}

TEST(brkmalloc_check_finds_an_overwritten_meta_block)
{
	static struct outcome outcome;

	take_victim(104);
	EXPECT_EQ(0, brkmalloc_check());
	EXPECT_EQ(0, brkmalloc_walk(show_nothing, NULL));
	run_child(&outcome, check_damaged, NULL);
	EXPECT_TRUE(outcome_is_exit(&outcome, 7));
	EXPECT_NE(NULL, strstr(outcome.text, "a meta block was overwritten"));
}

const struct scenario scenarios[] = {
	{ "write_behind_small",	write_behind_small },
	{ "write_links",	write_links },
	{ }
};

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
