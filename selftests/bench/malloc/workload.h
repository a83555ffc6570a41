/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * workload.h - what do the workloads share, and which are there?
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB		1024UL
#define MIB		(1024UL * 1024)

/**
 * struct workload - a use of malloc, repeatable to the last call
 * @name: by which it is chosen
 * @what: one line about it
 * @run: does it
 */
struct workload {
	const char	*name;
	const char	*what;
	void		(*run)(void);
};

/* Each family's list ends with an empty entry. */
extern const struct workload block_workloads[];
extern const struct workload resize_workloads[];
extern const struct workload structure_workloads[];
extern const struct workload thread_workloads[];
extern const struct workload heap_workloads[];
extern const struct workload trace_workloads[];

/**
 * struct rng - a sequence of numbers that is the same in every run (xorshift64*)
 * @state: never zero
 */
struct rng {
	uint64_t state;
};

/**
 * rng_make() - begin a sequence
 * @seed: which one
 */
static inline struct rng rng_make(uint64_t seed)
{
	return (struct rng){ seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d };
}

/**
 * rng_next() - the next number, 32 bits
 * @rng: the sequence
 */
static inline uint32_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return (rng->state * 0x2545f4914f6cdd1d) >> 32;
}

/**
 * rng_below() - the next number, from 0 to @limit - 1
 * @rng: the sequence
 * @limit: at least 1
 */
static inline uint32_t rng_below(struct rng *rng, uint32_t limit)
{
	return ((uint64_t)rng_next(rng) * limit) >> 32;
}

/**
 * rng_between() - the next number, from @least to @most
 * @rng: the sequence
 * @least: the least
 * @most: the greatest
 */
static inline uint32_t rng_between(struct rng *rng, uint32_t least, uint32_t most)
{
	return least + rng_below(rng, most - least + 1);
}

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
size_t mixed_size(struct rng *rng);
void *need(void *block);
void *take(size_t size);
void fill_pages(void *block, size_t size);
void *map_own(size_t size);
void tell(const char *what, double value);
void clock_stop(void);
void clock_go(void);
unsigned long resident_kb(void);

#endif /* WORKLOAD_H */
