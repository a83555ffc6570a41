// SPDX-License-Identifier: GPL-2.0-only
/*
 * large.c - how does a large block live in a mapping of its own?
 *
 * A large block in the heap would pin the memory below it, and its pages would
 * come back to the kernel late or never. From the mmap threshold on a block
 * gets its own pages; free gives them back at once, realloc lets the kernel
 * move them instead of copying.
 *
 *   page boundary                                              page boundary
 *   +----------+------+------------------------------------------+--------+
 *   | distance | meta | data                                     | unused |
 *   +----------+------+------------------------------------------+--------+
 *   0          8      16                                    length - 8
 *
 * The distance is that from the start of the mapping to the meta block: 8, or
 * more if the data had to begin at a rounder address.
 */
#include "guard.h"
#include "large.h"

#define LARGE_LEAD	(BLOCK_ALIGN - BLOCK_META)	/* least distance */
#define LARGE_TAIL	8UL	/* unused, so that the size is a multiple of 16 */

static size_t mapped_blocks;
static size_t mapped_bytes;

static void count(long blocks, long bytes)
{
	__atomic_fetch_add(&mapped_blocks, blocks, __ATOMIC_RELAXED);
	__atomic_fetch_add(&mapped_bytes, bytes, __ATOMIC_RELAXED);
}

/* Make the pages [start, start + length) the block whose data is at @data. */
static struct block *set_block(char *start, size_t length, char *data)
{
	struct block *b = block_of(data);
	size_t distance = (char *)b - start;

	*block_word_before(b) = distance;
	block_set(b, length - distance - LARGE_TAIL, BLOCK_USED | BLOCK_MAPPED);
	return b;
}

/* The mapping of a block. Its size is told, its start returned. */
static char *mapping_of(const struct block *b, size_t *length)
{
	size_t distance = *block_word_before(b);
	char *start = (char *)b - distance;

	*length = distance + block_size(b) + LARGE_TAIL;
	if ((uintptr_t)start % os_page_size || *length % os_page_size)
		guard_crit("block %p: the word in front of its meta block was overwritten: found %zu, expected the distance to a page boundary",
			   block_data(b), distance);
	return start;
}

/**
 * large_alloc() - a block in a mapping of its own, its data zero
 * @bytes: of data
 * @align: of the data, a power of two, at least BLOCK_ALIGN
 *
 * Return: the block, or NULL if the kernel refused.
 */
struct block *large_alloc(size_t bytes, size_t align)
{
	size_t spare = align > BLOCK_ALIGN ? align : 0;
	size_t length = align_up(BLOCK_ALIGN + bytes + LARGE_TAIL + spare,
				 os_page_size);
	char *mapping = os_map(length);
	char *start, *data, *end;

	if (!mapping)
		return NULL;
	data = (char *)align_up((uintptr_t)mapping + BLOCK_ALIGN, align);
	start = (char *)align_down((uintptr_t)data - BLOCK_ALIGN, os_page_size);
	end = (char *)align_up((uintptr_t)data + bytes + LARGE_TAIL,
			       os_page_size);
	os_unmap(mapping, start - mapping);
	os_unmap(end, mapping + length - end);
	count(1, end - start);
	return set_block(start, end - start, data);
}

/**
 * large_resize() - make a block longer or shorter; it may move
 * @b: from large_alloc()
 * @bytes: of data wanted
 *
 * The data keeps its place within its page, but no larger alignment.
 *
 * Return: the block where it is now, or NULL if it stays as it was.
 */
struct block *large_resize(struct block *b, size_t bytes)
{
	size_t distance = *block_word_before(b);
	size_t old_length, length;
	char *start = mapping_of(b, &old_length);

	length = align_up(distance + BLOCK_META + bytes + LARGE_TAIL,
			  os_page_size);
	if (length == old_length)
		return b;
	start = os_remap(start, old_length, length);
	if (!start)
		return NULL;
	count(0, (long)(length - old_length));
	return set_block(start, length, start + distance + BLOCK_META);
}

/**
 * large_free() - unmap a block
 * @b: from large_alloc()
 */
void large_free(struct block *b)
{
	size_t length;
	char *start = mapping_of(b, &length);

	count(-1, -(long)length);
	os_unmap(start, length);
}

/**
 * large_count() - how many blocks have their own mapping now
 * @blocks: set to their number
 * @bytes: set to the size of their mappings
 */
void large_count(size_t *blocks, size_t *bytes)
{
	*blocks = __atomic_load_n(&mapped_blocks, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}
