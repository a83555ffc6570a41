/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * os.h - what does the malloc library want from the kernel?
 *
 * The contract of os.c, the only file that moves the program break or maps
 * memory. None of these functions changes errno: malloc's caller hears ENOMEM
 * from api.c alone, and free must leave errno as it was.
 */
#ifndef BRKMALLOC_OS_H
#define BRKMALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the library alone, so that no table is needed to reach it. */
#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN size_t os_page_size;

/**
 * struct os_count - how often something was asked of the kernel, and granted
 * @break_moves: the break was moved
 * @maps: pages were mapped
 */
struct os_count {
	size_t	break_moves;
	size_t	maps;
};

extern HIDDEN struct os_count os_count;

static inline size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static inline size_t align_down(size_t n, size_t to)
{
	return n & ~(to - 1);
}

#define OS_TICKS	1000	/* in a second */

void os_start(void);
unsigned long os_ticks(void);
void os_random(uint64_t numbers[2]);
char *os_break_grow(size_t least, size_t more, size_t *got);
const char *os_break(void);
bool os_break_shrink(char *end, size_t bytes);
char *os_map(size_t bytes);
void os_unmap(char *start, size_t bytes);
bool os_purge(char *start, size_t bytes);
char *os_remap(char *start, size_t old_bytes, size_t new_bytes);
bool os_is_mapped(const void *address);

#endif /* BRKMALLOC_OS_H */
