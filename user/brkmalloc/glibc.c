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
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "config.h"
#include "full.h"
#include "stats.h"

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

static int choose(size_t *choice, size_t value)
{
	/* What the environment says must have been read before we overrule it. */
	free(malloc(1));
	__atomic_store_n(choice, value, __ATOMIC_RELAXED);
	return 1;
}

static int choose_trim(int value)
{
	choose(&config.trim_threshold, (size_t)(long)value);
	__atomic_store_n(&config.trim_is_chosen, true, __ATOMIC_RELAXED);
	return 1;
}

/* Zero is no limit but our own; arenas that there are already stay. */
static int choose_arena_max(int value)
{
	if (value < 0)
		return 0;
	return choose(&config.arena_max, value && value < BLOCK_ARENAS ? value : BLOCK_ARENAS);
}

/**
 * mallopt() - see mallopt(3)
 * @parameter: M_...
 * @value: for the thresholds bytes, or -1 for never
 *
 * M_MMAP_THRESHOLD, M_MMAP_MAX, M_TRIM_THRESHOLD and M_ARENA_MAX do what they say.
 * What only tunes how the C library works inside is accepted and has nothing to
 * tune here. M_PERTURB and what nobody knows is refused.
 *
 * Return: 1 if accepted, 0 if not.
 */
EXPORT int mallopt(int parameter, int value)
{
	switch (parameter) {
	case M_MMAP_MAX:
		return value >= 0 && choose(&config.mmap_max, value);
	case M_MMAP_THRESHOLD:
		return choose(&config.mmap_threshold, (size_t)(long)value);
	case M_TRIM_THRESHOLD:
		return choose_trim(value);
	case M_ARENA_MAX:
		return choose_arena_max(value);
	case M_MXFAST:
		return value >= 0 && value <= FAST_MAX;
	case M_TOP_PAD:
	case M_CHECK_ACTION:
	case M_ARENA_TEST:
		return 1;
	default:
		return 0;
	}
}

static struct mallinfo2 info_of(const struct brkmalloc_stats *stats)
{
	struct mallinfo2 info = { 0 };

	info.arena = stats->region_bytes;
	info.ordblks = stats->free_blocks + !!stats->top_bytes;
	info.smblks = stats->cached_blocks;
	info.hblks = stats->mapped_blocks;
	info.hblkhd = stats->mapped_bytes;
	info.fsmblks = stats->cached_bytes;
	info.fordblks = stats->free_bytes + stats->top_bytes + stats->cached_bytes;
	info.uordblks = info.arena - info.fordblks;
	info.keepcost = stats->top_bytes;
	return info;
}

/**
 * mallinfo2() - see mallinfo(3)
 *
 * Costs time in proportion to the number of blocks.
 *
 * Return: sizes in bytes with the meta blocks, in @arena those of the heap, in
 * @hblkhd those of blocks with a mapping of their own; @uordblks and @fordblks
 * add up to @arena. @smblks and @fsmblks are the blocks that threads keep.
 */
EXPORT struct mallinfo2 mallinfo2(void)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	return info_of(&stats);
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
		.smblks		= (int)info.smblks,
		.hblks		= (int)info.hblks,
		.hblkhd		= (int)info.hblkhd,
		.fsmblks	= (int)info.fsmblks,
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
	struct brkmalloc_stats stats;
	struct mallinfo2 info;
	unsigned int i;

	for (i = 0; stats_of_arena(i, &stats); i++) {
		info = info_of(&stats);
		fprintf(stderr,
			"Arena %u:\n"
			"system bytes     = %10zu\n"
			"in use bytes     = %10zu\n",
			i, info.arena, info.uordblks);
	}
	info = mallinfo2();
	fprintf(stderr,
		"Total (incl. mmap):\n"
		"system bytes     = %10zu\n"
		"in use bytes     = %10zu\n"
		"max mmap regions = %10zu\n"
		"max mmap bytes   = %10zu\n",
		info.arena + info.hblkhd, info.uordblks + info.hblkhd, info.hblks,
		info.hblkhd);
}

static void print_sizes(FILE *file, const struct brkmalloc_size_class *classes)
{
	const struct brkmalloc_size_class *c = classes;

	fputs("<sizes>\n", file);
	for (; c < classes + BRKMALLOC_SIZE_CLASSES; c++)
		if (c->blocks)
			fprintf(file, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n",
				c->from, c->to, c->bytes, c->blocks);
	fputs("</sizes>\n", file);
}

static void print_free(FILE *file, const struct mallinfo2 *info)
{
	fprintf(file,
		"<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
		info->smblks, info->fsmblks, info->ordblks,
		info->fordblks - info->fsmblks);
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

static void add(struct mallinfo2 *sum, const struct mallinfo2 *info)
{
	sum->arena += info->arena;
	sum->ordblks += info->ordblks;
	sum->smblks += info->smblks;
	sum->fsmblks += info->fsmblks;
	sum->fordblks += info->fordblks;
}

/**
 * malloc_info() - see malloc_info(3)
 * @options: zero
 * @file: gets an XML document
 *
 * Each arena is counted before it is written about, for that may take memory; the
 * totals are the sums of what was written.
 *
 * Return: zero; or -1, with errno EINVAL if @options is not zero, with that of
 * the write if @file could not be written to.
 */
EXPORT int malloc_info(int options, FILE *file)
{
	struct brkmalloc_stats stats;
	struct mallinfo2 info, sum = { 0 };
	unsigned int i;

	if (options) {
		errno = EINVAL;
		return -1;
	}
	fputs("<malloc version=\"1\">\n", file);
	for (i = 0; stats_of_arena(i, &stats); i++) {
		info = info_of(&stats);
		add(&sum, &info);
		fprintf(file, "<heap nr=\"%u\">\n", i);
		print_sizes(file, stats.free_by_size);
		print_free(file, &info);
		print_system(file, &info);
		fputs("</heap>\n", file);
	}
	info = mallinfo2();
	print_free(file, &sum);
	fprintf(file, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n",
		info.hblks, info.hblkhd);
	print_system(file, &sum);
	fputs("</malloc>\n", file);
	return ferror(file) ? -1 : 0;
}
