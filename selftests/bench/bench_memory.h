/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench_memory.h - what must the one who measures know of what he measures?
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#define PAGE	4096UL

/**
 * struct operation - what is measured
 * @name: as a command has it
 * @before: once before all, with how often it will be done; or NULL
 * @each: is timed; told how often it was done before
 * @after: once after all, or NULL
 */
struct operation {
	const char *name;
	void (*before)(long count);
	void (*each)(long i);
	void (*after)(void);
};

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void make_vmas(unsigned long total);
void operation_none(long i);
const struct operation *operation_find(const char *name);

#endif /* BENCH_MEMORY_H */
