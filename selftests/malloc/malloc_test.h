/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * malloc_test.h - what do the malloc tests share?
 *
 * Two things: looking at the heap from outside (the kernel's files about this
 * process, read without malloc), and scenarios. A scenario is a function of the
 * test program that runs in a process of its own, with an environment of its
 * own, from the first instruction on.
 */
#ifndef MALLOC_TEST_H
#define MALLOC_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "brkmalloc.h"

#define PAGE	4096UL
#define KIB	1024UL
#define MIB	(1024 * KIB)

/**
 * struct vma - one line of /proc/self/maps
 * @start: first address
 * @end: first address behind
 * @heap: named [heap]
 */
struct vma {
	unsigned long	start;
	unsigned long	end;
	bool		heap;
};

bool vma_at(const void *address, struct vma *vma);
bool heap_vma(struct vma *vma);
bool in_heap(const void *address);
long pages_touched(const void *start, size_t bytes);
size_t virtual_bytes(void);
long minor_faults(void);
unsigned long break_now(void);

void fill(void *data, size_t bytes, unsigned long seed);
bool filled(const void *data, size_t bytes, unsigned long seed);
bool all_zero(const void *data, size_t bytes);

/* Block, as brkmalloc_walk() shows it; state -1 if there is none. */
struct brkmalloc_block block_at_data(const void *data);

/* Against compilers that know what malloc and free mean. */
static inline void *hide(void *p)
{
	__asm__ ("" : "+r"(p));
	return p;
}

static inline size_t opaque(size_t n)
{
	__asm__ ("" : "+r"(n));
	return n;
}

/**
 * struct outcome - how a program ended and what it wrote
 * @status: as from waitpid()
 * @text: standard output and error together
 * @length: bytes of @text
 */
struct outcome {
	int	status;
	char	text[64 * 1024];
	size_t	length;
};

bool outcome_is_exit(const struct outcome *outcome, int code);
bool outcome_is_signal(const struct outcome *outcome, int number);
void run_child(struct outcome *outcome, void (*child)(void *arg), void *arg);
void run_program(struct outcome *outcome, char *const argv[],
		 char *const settings[]);

/**
 * struct scenario - a function that runs in a fresh process
 * @name: by which it is called
 * @run: returns the exit status; says on standard error what went wrong
 */
struct scenario {
	const char	*name;
	int		(*run)(void);
};

extern const struct scenario scenarios[];	/* ends with a NULL name */

void run_scenario(struct outcome *outcome, const char *name,
		  char *const settings[]);
int scenario_or_tests(int argc, char **argv, int (*tests)(int, char **));

/* In a scenario: the first thing that is not so ends it. */
#define REQUIRE(condition) require(condition, #condition, __FILE__, __LINE__)

void require(bool so, const char *what, const char *file, int line);

/* In a test: show what a scenario wrote if it did not end well. */
#define EXPECT_SCENARIO_PASSES(name, ...) do {				\
	static struct outcome __outcome;				\
	char *const __settings[] = { __VA_ARGS__, NULL };		\
	run_scenario(&__outcome, name, __settings);			\
	EXPECT_TRUE(outcome_is_exit(&__outcome, 0))			\
		TH_LOG("status 0x%x: %s", __outcome.status,		\
		       __outcome.text);					\
} while (0)

#endif /* MALLOC_TEST_H */
