// SPDX-License-Identifier: GPL-2.0-only
/*
 * glibc.c - what else does a program expect of the C library's malloc?
 *
 * Older and newer ways to free, the knobs of mallopt(3), and the reports of
 * mallinfo(3), malloc_stats(3) and malloc_info(3) in the C library's own form. A
 * program that calls one of them must not be answered by the C library, whose
 * malloc holds nothing.
 *
 * Everything reported comes from a walk over the heap at that moment. Nothing is
 * remembered, so what the C library calls a maximum is the present value here.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "brkmalloc.h"
#include "config.h"
#include "full.h"

#define EXPORT	__attribute__((visibility("default")))

#define FAST_MAX	(80 * (int)sizeof(size_t) / 4)	/* of M_MXFAST */

/**
 * free_sized() - free() of C23 for who still knows the size
 * @data: a data block of malloc, calloc or realloc, or NULL
 * @size: as asked for; the meta block knows it, too, so it is only looked at with
 *	BRKMALLOC_GUARD=full
 */
EXPORT void free_sized(void *data, size_t size)
{
	if (full_is_on())
		full_check_size("free_sized", data, size);
	free(data);
}

/**
 * free_aligned_sized() - the same for aligned_alloc
 * @data: a data block of aligned_alloc, or NULL
 * @align: as asked for; not needed
 * @size: as asked for; as in free_sized()
 */
EXPORT void free_aligned_sized(void *data, size_t align, size_t size)
{
	(void)align;
	if (full_is_on())
		full_check_size("free_aligned_sized", data, size);
	free(data);
}

/**
 * cfree() - free() as it was called for blocks of calloc
 * @data: a data block, or NULL
 *
 * For programs linked with a C library before 2.26.
 */
EXPORT void cfree(void *data)
{
	free(data);
}

static int choose(size_t *choice, int value)
{
	/* What the environment says must have been read before we overrule it. */
	free(malloc(1));
	__atomic_store_n(choice, (size_t)(long)value, __ATOMIC_RELAXED);
	return 1;
}

/**
 * mallopt() - see mallopt(3)
 * @parameter: M_...
 * @value: for the thresholds bytes, or -1 for never
 *
 * M_MMAP_THRESHOLD and M_TRIM_THRESHOLD do what they say, and M_MMAP_MAX does if
 * it is 0. What only tunes how the C library works inside is accepted and has
 * nothing to tune here. M_PERTURB and what nobody knows is refused.
 *
 * Return: 1 if accepted, 0 if not.
 */
EXPORT int mallopt(int parameter, int value)
{
	switch (parameter) {
	case M_MMAP_MAX:
		return value > 0 || choose(&config.mmap_threshold, -1);
	case M_MMAP_THRESHOLD:
		return choose(&config.mmap_threshold, value);
	case M_TRIM_THRESHOLD:
		return choose(&config.trim_threshold, value);
	case M_MXFAST:
		return value >= 0 && value <= FAST_MAX;
	case M_TOP_PAD:
	case M_CHECK_ACTION:
	case M_ARENA_TEST:
	case M_ARENA_MAX:
		return 1;
	default:
		return 0;
	}
}

/**
 * mallinfo2() - see mallinfo(3)
 *
 * Costs time in proportion to the number of blocks.
 *
 * Return: sizes in bytes with the meta blocks, in @arena those of the heap, in
 * @hblkhd those of blocks with a mapping of their own; @uordblks and @fordblks
 * add up to @arena.
 */
EXPORT struct mallinfo2 mallinfo2(void)
{
	struct brkmalloc_stats stats;
	struct mallinfo2 info = { 0 };

	brkmalloc_stats(&stats);
	info.arena = stats.region_bytes;
	info.ordblks = stats.free_blocks + !!stats.top_bytes;
	info.hblks = stats.mapped_blocks;
	info.hblkhd = stats.mapped_bytes;
	info.fordblks = stats.free_bytes + stats.top_bytes;
	info.uordblks = info.arena - info.fordblks;
	info.keepcost = stats.top_bytes;
	return info;
}

/**
 * mallinfo() - the same in numbers too short for large heaps
 *
 * Return: as mallinfo2(), the low 32 bits of each.
 */
EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 info = mallinfo2();

	return (struct mallinfo) {
		.arena		= (int)info.arena,
		.ordblks	= (int)info.ordblks,
		.hblks		= (int)info.hblks,
		.hblkhd		= (int)info.hblkhd,
		.uordblks	= (int)info.uordblks,
		.fordblks	= (int)info.fordblks,
		.keepcost	= (int)info.keepcost,
	};
}

/**
 * malloc_stats() - see malloc_stats(3); on standard error
 */
EXPORT void malloc_stats(void)
{
	struct mallinfo2 info = mallinfo2();

	fprintf(stderr,
		"Arena 0:\n"
		"system bytes     = %10zu\n"
		"in use bytes     = %10zu\n"
		"Total (incl. mmap):\n"
		"system bytes     = %10zu\n"
		"in use bytes     = %10zu\n"
		"max mmap regions = %10zu\n"
		"max mmap bytes   = %10zu\n",
		info.arena, info.uordblks, info.arena + info.hblkhd,
		info.uordblks + info.hblkhd, info.hblks, info.hblkhd);
}

/**
 * struct size_class - free blocks whose sizes have the same highest bit
 * @from: the smallest size among them, in bytes with the meta block
 * @to: the largest
 * @total: the sum
 * @count: how many there are
 */
struct size_class {
	size_t	from;
	size_t	to;
	size_t	total;
	size_t	count;
};

#define SIZE_CLASSES	(CHAR_BIT * sizeof(size_t))

static int classify(const struct brkmalloc_block *block, void *arg)
{
	struct size_class *classes = arg;
	size_t size = block->size + BLOCK_META;
	struct size_class *class = &classes[SIZE_CLASSES - 1 - __builtin_clzl(size)];

	if (block->state != BRKMALLOC_FREE)
		return 0;
	if (!class->count || size < class->from)
		class->from = size;
	if (size > class->to)
		class->to = size;
	class->total += size;
	class->count++;
	return 0;
}

static void print_sizes(FILE *file, const struct size_class *classes)
{
	size_t i;

	fputs("<sizes>\n", file);
	for (i = 0; i < SIZE_CLASSES; i++)
		if (classes[i].count)
			fprintf(file, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n",
				classes[i].from, classes[i].to, classes[i].total,
				classes[i].count);
	fputs("</sizes>\n", file);
}

static void print_free(FILE *file, const struct mallinfo2 *info)
{
	fprintf(file,
		"<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
		info->smblks, info->fsmblks, info->ordblks, info->fordblks);
}

static void print_system(FILE *file, const struct mallinfo2 *info)
{
	fprintf(file,
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<system type=\"max\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n"
		"<aspace type=\"mprotect\" size=\"%zu\"/>\n",
		info->arena, info->arena, info->arena, info->arena);
}

/**
 * malloc_info() - see malloc_info(3)
 * @options: zero
 * @file: gets an XML document
 *
 * Return: zero; or -1, with errno EINVAL if @options is not zero, with that of
 * the write if @file could not be written to.
 */
EXPORT int malloc_info(int options, FILE *file)
{
	struct size_class classes[SIZE_CLASSES] = { 0 };
	struct mallinfo2 info;

	if (options) {
		errno = EINVAL;
		return -1;
	}
	/* All is known before the first is written: that may take memory. */
	info = mallinfo2();
	brkmalloc_walk(classify, classes);
	fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n", file);
	print_sizes(file, classes);
	print_free(file, &info);
	print_system(file, &info);
	fputs("</heap>\n", file);
	print_free(file, &info);
	fprintf(file, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n",
		info.hblks, info.hblkhd);
	print_system(file, &info);
	fputs("</malloc>\n", file);
	return ferror(file) ? -1 : 0;
}
