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
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

const struct scenario scenarios[] = { { } };

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
	victim = malloc(MIB);
	EXPECT_DIES(free_twice, "free(", victim,
		    "): foreign pointer or double free");
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

TEST(one_byte_written_past_the_end)
{
	/* The data ends where the next meta block begins. */
	take_victim(104);
	ASSERT_EQ(104, malloc_usable_size(victim));
	EXPECT_DIES(write_behind, "block ", victim,
		    " (104 bytes): written past its end");
}

TEST(the_word_before_a_mapped_block_overwritten)
{
	victim = malloc(MIB);
	*(long *)((char *)hide(victim) - 16) = 4711;
	EXPECT_DIES(free_victim, "block ", victim,
		    ": the word in front of its meta block was overwritten: found 4711");
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

TEST(links_of_a_free_block_overwritten)
{
	take_victim(50008);
	EXPECT_DIES(write_links_after_free, "free block ", victim,
		    " was written to after free: found 0x4141414141414141");
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

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
