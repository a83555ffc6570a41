// SPDX-License-Identifier: GPL-2.0-only
/*
 * api_test.c - does every function keep what the texts about it promise?
 *
 * The C standard, POSIX, and where those are silent or leave a choice the
 * manual pages of Linux. What the blocks look like in memory is not asked here.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

const struct scenario scenarios[] = { { } };

static bool in_use(const void *data)
{
	return block_at_data(data).state == BRKMALLOC_USED;
}

TEST(nothing_asked_for_gives_distinct_blocks_that_can_be_freed)
{
	void *blocks[9];
	int i, k;

	blocks[0] = malloc(0);
	blocks[1] = malloc(0);
	blocks[2] = calloc(0, 8);
	blocks[3] = calloc(8, 0);
	blocks[4] = realloc(NULL, 0);
	blocks[5] = reallocarray(NULL, 0, 8);
	blocks[6] = aligned_alloc(64, 0);
	blocks[7] = valloc(0);
	ASSERT_EQ(0, posix_memalign(&blocks[8], 64, 0));
	for (i = 0; i < 9; i++) {
		ASSERT_NE(NULL, blocks[i]);
		for (k = 0; k < i; k++)
			EXPECT_NE(blocks[k], blocks[i]);
	}
	for (i = 0; i < 9; i++)
		free(blocks[i]);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(null_can_be_freed_resized_and_measured)
{
	void *block;

	errno = 5;
	free(NULL);
	cfree(NULL);
	free_sized(NULL, 100);
	free_aligned_sized(NULL, 64, 100);
	EXPECT_EQ(0, malloc_usable_size(NULL));
	EXPECT_EQ(5, errno);
	block = realloc(NULL, 100);
	ASSERT_NE(NULL, block);
	EXPECT_TRUE(in_use(block));
	free(block);
	block = reallocarray(NULL, 25, 4);
	ASSERT_NE(NULL, block);
	EXPECT_GE(malloc_usable_size(block), 100);
	free(block);
}

TEST(realloc_to_zero_frees)
{
	char *small = malloc(100);
	size_t virtual = virtual_bytes();
	int i;

	EXPECT_EQ(NULL, realloc(small, 0));
	EXPECT_FALSE(in_use(small));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(NULL, reallocarray(malloc(MIB), 0, 3));
	EXPECT_LE(virtual_bytes(), virtual + 20 * MIB);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(wrong_alignments_are_refused)
{
	size_t odd = opaque(48);
	void *const untouched = (void *)0x1234;
	void *result = untouched;

	errno = 0;
	EXPECT_EQ(NULL, aligned_alloc(odd, 100));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(NULL, memalign(opaque(0), 100));
	EXPECT_EQ(EINVAL, errno);
	errno = 77;
	EXPECT_EQ(EINVAL, posix_memalign(&result, odd, 100));
	EXPECT_EQ(EINVAL, posix_memalign(&result, 4, 100));
	EXPECT_EQ(EINVAL, posix_memalign(&result, 0, 100));
	EXPECT_EQ(ENOMEM, posix_memalign(&result, 64, SIZE_MAX - odd));
	EXPECT_EQ(77, errno);
	EXPECT_EQ(untouched, result);
	EXPECT_EQ(0, posix_memalign(&result, 8, 100));
	EXPECT_NE(untouched, result);
	EXPECT_EQ(77, errno);
	free(result);
}

TEST(valloc_and_pvalloc_give_whole_pages)
{
	void *a = valloc(100), *b = pvalloc(100), *c = pvalloc(PAGE + 1);

	EXPECT_EQ(0, (uintptr_t)a % PAGE);
	EXPECT_EQ(0, (uintptr_t)b % PAGE);
	EXPECT_GE(malloc_usable_size(b), PAGE);
	EXPECT_EQ(0, (uintptr_t)c % PAGE);
	EXPECT_GE(malloc_usable_size(c), 2 * PAGE);
	free(a);
	free(b);
	free(c);
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(all_that_is_usable_can_be_used)
{
	static const size_t sizes[] = { 0, 1, 24, 25, 1000, 5000, 100000, 300000 };
	void *blocks[ARRAY_SIZE(sizes) * 2];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		blocks[i] = i % 2 ? malloc(sizes[i / 2]) : aligned_alloc(256, sizes[i / 2]);
		ASSERT_GE(malloc_usable_size(blocks[i]), sizes[i / 2]);
		fill(blocks[i], malloc_usable_size(blocks[i]), i);
	}
	EXPECT_EQ(0, brkmalloc_check());
	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		EXPECT_TRUE(filled(blocks[i], malloc_usable_size(blocks[i]), i));
		free(blocks[i]);
	}
	EXPECT_EQ(0, brkmalloc_check());
}

#define EXPECT_REFUSED(call) do {					\
	errno = 0;							\
	EXPECT_EQ(NULL, call);						\
	EXPECT_EQ(ENOMEM, errno);					\
} while (0)

TEST(impossible_sizes_give_null_and_enomem)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 4096,
					(size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,
					1UL << 62, 1UL << 48, 1UL << 47 };
	void *block = malloc(100);
	void *large = malloc(1000000);
	size_t size;
	size_t i;

	fill(block, 100, 1);
	fill(large, 1000000, 2);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = opaque(sizes[i]);
		EXPECT_REFUSED(malloc(size));
		EXPECT_REFUSED(calloc(size, 1));
		EXPECT_REFUSED(calloc(size / 2 + 1, 2));
		EXPECT_REFUSED(calloc(size, size));
		EXPECT_REFUSED(realloc(NULL, size));
		EXPECT_REFUSED(realloc(hide(block), size));
		EXPECT_REFUSED(realloc(hide(large), size));
		EXPECT_REFUSED(reallocarray(hide(block), size, 3));
		EXPECT_REFUSED(reallocarray(hide(large), size, size));
		EXPECT_REFUSED(reallocarray(NULL, 2, size));
		EXPECT_REFUSED(aligned_alloc(64, size));
		EXPECT_REFUSED(aligned_alloc(opaque(1UL << 62), size));
		EXPECT_REFUSED(aligned_alloc(opaque(1UL << 63), 1));
		EXPECT_REFUSED(memalign(4096, size));
		EXPECT_REFUSED(valloc(size));
		EXPECT_REFUSED(pvalloc(size));
	}
	EXPECT_TRUE(filled(block, 100, 1));
	EXPECT_TRUE(filled(large, 1000000, 2));
	EXPECT_EQ(0, brkmalloc_check());
}

TEST(free_and_its_kin_give_back_and_keep_errno)
{
	static void *blocks[4000];
	size_t i;

	for (i = 0; i < 4000; i++)
		blocks[i] = i % 4 == 3 ? aligned_alloc(64, 1000) :
					 calloc(1, i % 100 ? 1000 : 200000);
	errno = 12345;
	for (i = 4000; i-- > 0;) {
		switch (i % 4) {
		case 0:
			free(blocks[i]);
			break;
		case 1:
			cfree(blocks[i]);
			break;
		case 2:
			free_sized(blocks[i], i % 100 ? 1000 : 200000);
			break;
		case 3:
			free_aligned_sized(blocks[i], 64, 1000);
		}
	}
	EXPECT_EQ(12345, errno);
	for (i = 0; i < 4000; i++)
		ASSERT_FALSE(in_use(blocks[i]));
	EXPECT_EQ(0, brkmalloc_check());
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
