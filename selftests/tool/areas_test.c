// SPDX-License-Identifier: GPL-2.0-only
/*
 * areas_test.c - is memory counted right when areas split, merge and move?
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "areas.h"

#define PAGE	4096ULL
#define BASE	0x100000ULL

/* An address space and the time of its latest event, ns. */
struct replay {
	struct areas a;
	u64 time;
};

FIXTURE(areas) {
	struct replay replay;
};

FIXTURE_SETUP(areas)
{
	areas_init(&self->replay.a, PAGE);
}

FIXTURE_TEARDOWN(areas)
{
	areas_free(&self->replay.a);
}

/* Ranges are in pages from BASE; an end of 0 is no range. */
static void change_by(struct replay *r, unsigned int op, int cause, unsigned int prot,
		      u64 start, u64 end, u64 old_start, u64 old_end)
{
	struct brkscope_record rec = {
		.kind = BRKSCOPE_VMA, .code = op, .tid = 1, .time = r->time += 10,
		.vma = { .start = end ? BASE + start * PAGE : 0,
			 .end = end ? BASE + end * PAGE : 0,
			 .old_start = old_end ? BASE + old_start * PAGE : 0,
			 .old_end = old_end ? BASE + old_end * PAGE : 0,
			 .prot = prot, .cause = cause },
	};

	areas_change(&r->a, &rec, "", ORIGIN_MALLOC);
}

#define RW	(BRKSCOPE_PROT_READ | BRKSCOPE_PROT_WRITE)

static void add(struct replay *r, int cause, u64 start, u64 end)
{
	change_by(r, BRKSCOPE_VMA_ADD, cause, RW, start, end, 0, 0);
}

static void fault(struct replay *r, unsigned int class, u64 page)
{
	struct brkscope_record rec = {
		.kind = BRKSCOPE_FAULT, .code = class, .tid = 1, .time = r->time += 10,
		.fault = { .addr = BASE + page * PAGE + 1 },
	};

	areas_fault(&r->a, &rec);
}

#define OBTAINED	(self->replay.a.heap.obtained)
#define TOUCHED		(self->replay.a.heap.touched)

TEST_F(areas, count_a_page_touched_twice_once)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_READ, 3);
	fault(&self->replay, BRKSCOPE_UPGRADE, 3);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 4);
	EXPECT_EQ(10 * PAGE, OBTAINED.now);
	EXPECT_EQ(2 * PAGE, TOUCHED.now);
}

TEST_F(areas, do_not_count_a_fault_that_gave_nothing)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FAILED, 3);
	fault(&self->replay, BRKSCOPE_SPURIOUS, 4);
	EXPECT_EQ(0, TOUCHED.total);
}

TEST_F(areas, count_memory_again_that_was_given_back_between)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 0);
	change_by(&self->replay, BRKSCOPE_VMA_REMOVE, SYS_munmap, RW, 0, 0, 0, 10);
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 0);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(10 * PAGE, OBTAINED.peak);
	EXPECT_EQ(20 * PAGE, OBTAINED.total);
	EXPECT_EQ(2 * PAGE, TOUCHED.total);
	EXPECT_EQ(1 * PAGE, TOUCHED.peak);
}

TEST_F(areas, that_split_stay_the_same_memory)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 1);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 9);
	/* mprotect of pages 4 and 5 to read-only */
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_mprotect, RW, 0, 4, 0, 10);
	change_by(&self->replay, BRKSCOPE_VMA_ADD, SYS_mprotect, BRKSCOPE_PROT_READ, 4, 6, 0, 0);
	add(&self->replay, SYS_mprotect, 6, 10);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(10 * PAGE, OBTAINED.now);
	EXPECT_EQ(10 * PAGE, OBTAINED.total);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 9);
	EXPECT_EQ(2 * PAGE, TOUCHED.total);
}

TEST_F(areas, with_a_hole_lose_only_the_hole)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 5);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 9);
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_munmap, RW, 0, 4, 0, 10);
	add(&self->replay, SYS_munmap, 6, 10);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(8 * PAGE, OBTAINED.now);
	EXPECT_EQ(10 * PAGE, OBTAINED.total);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
	EXPECT_EQ(NULL, areas_find(&self->replay.a, BASE + 5 * PAGE));
}

TEST_F(areas, that_merge_stay_the_same_memory)
{
	add(&self->replay, SYS_mmap, 0, 4);
	add(&self->replay, SYS_mmap, 6, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 7);
	/* a map of pages 4 and 5 joins both */
	change_by(&self->replay, BRKSCOPE_VMA_REMOVE, SYS_mmap, RW, 0, 0, 6, 10);
	change_by(&self->replay, BRKSCOPE_VMA_GROW, SYS_mmap, RW, 0, 10, 0, 4);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(10 * PAGE, OBTAINED.total);
	EXPECT_EQ(10 * PAGE, OBTAINED.now);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
}

TEST_F(areas, that_mremap_moves_take_their_touched_pages_along)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 2);
	change_by(&self->replay, BRKSCOPE_VMA_REMOVE, SYS_mremap, RW, 0, 0, 0, 10);
	add(&self->replay, SYS_mremap, 1000, 1020);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(20 * PAGE, OBTAINED.now);
	EXPECT_EQ(20 * PAGE, OBTAINED.total);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 1002);
	EXPECT_EQ(1 * PAGE, TOUCHED.total);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 1012);
	EXPECT_EQ(2 * PAGE, TOUCHED.total);
}

TEST_F(areas, that_a_record_moves_keep_what_was_touched)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 2);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 9);
	change_by(&self->replay, BRKSCOPE_VMA_MOVE, SYS_mremap, RW, 1000, 1020, 0, 10);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(20 * PAGE, OBTAINED.now);
	EXPECT_EQ(20 * PAGE, OBTAINED.total);
	EXPECT_EQ(2 * PAGE, TOUCHED.now);
	fault(&self->replay, BRKSCOPE_UPGRADE, 1002);
	EXPECT_EQ(2 * PAGE, TOUCHED.total);
	EXPECT_EQ(NULL, areas_find(&self->replay.a, BASE));

	/* back, and shrunk to five pages: page 9 is gone for good */
	change_by(&self->replay, BRKSCOPE_VMA_MOVE, SYS_mremap, RW, 0, 5, 1000, 1020);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(5 * PAGE, OBTAINED.now);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
}

TEST_F(areas, that_a_move_replaces_are_forgotten)
{
	add(&self->replay, SYS_mmap, 0, 10);
	add(&self->replay, SYS_mmap, 20, 30);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 3);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 25);
	/* pages 2 to 5 move to 24 and leave an empty area behind */
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_mremap, RW, 20, 24, 20, 30);
	add(&self->replay, SYS_mremap, 28, 30);
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_mremap, RW, 0, 2, 0, 10);
	add(&self->replay, SYS_mremap, 2, 10);
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_mremap, RW, 2, 6, 2, 10);
	add(&self->replay, SYS_mremap, 6, 10);
	change_by(&self->replay, BRKSCOPE_VMA_MOVE, SYS_mremap, RW, 24, 28, 2, 6);
	add(&self->replay, SYS_mremap, 2, 6);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(20 * PAGE, OBTAINED.now);
	EXPECT_EQ(24 * PAGE, OBTAINED.total);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
	fault(&self->replay, BRKSCOPE_SPURIOUS, 25);
	fault(&self->replay, BRKSCOPE_UPGRADE, 25);
	EXPECT_EQ(1 * PAGE, TOUCHED.now);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 3);
	EXPECT_EQ(2 * PAGE, TOUCHED.now);
}

TEST_F(areas, without_permissions_are_not_obtained_yet)
{
	change_by(&self->replay, BRKSCOPE_VMA_ADD, SYS_mmap, 0, 0, 100, 0, 0);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(0, OBTAINED.total);
	change_by(&self->replay, BRKSCOPE_VMA_SHRINK, SYS_mprotect, 0, 10, 100, 0, 100);
	add(&self->replay, SYS_mprotect, 0, 10);
	areas_close_group(&self->replay.a);
	EXPECT_EQ(10 * PAGE, OBTAINED.total);
	EXPECT_EQ(10 * PAGE, OBTAINED.peak);
}

TEST_F(areas, count_a_huge_page_as_the_pages_it_covers)
{
	add(&self->replay, SYS_mmap, 0, 2048);
	fault(&self->replay, BRKSCOPE_HUGE, 700);
	EXPECT_EQ(512 * PAGE, TOUCHED.total);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 701);
	EXPECT_EQ(512 * PAGE, TOUCHED.total);
}

TEST_F(areas, are_all_gone_after_exec)
{
	add(&self->replay, SYS_mmap, 0, 10);
	fault(&self->replay, BRKSCOPE_FIRST_WRITE, 0);
	areas_exec(&self->replay.a);
	EXPECT_EQ(0, OBTAINED.now);
	EXPECT_EQ(0, TOUCHED.now);
	EXPECT_EQ(10 * PAGE, OBTAINED.peak);
	EXPECT_EQ(NULL, areas_find(&self->replay.a, BASE));
}

/* The sets are held against a plain array of the same pages. */
TEST(pagesets_agree_with_an_array)
{
	enum { PAGES = 4096, STEPS = 20000 };
	static bool model[2 * PAGES];
	struct pageset set = { 0 };
	unsigned int seed = 99, step;
	u64 page, first, count, gone, i;

	for (step = 0; step < STEPS; step++) {
		page = rand_r(&seed) % PAGES;
		count = rand_r(&seed) % 600;
		first = page;
		switch (rand_r(&seed) % 40) {
		case 0:
			for (gone = 0, i = first; i < first + count && i < 2 * PAGES; i++) {
				gone += model[i];
				model[i] = false;
			}
			ASSERT_EQ(gone, pageset_remove(&set, first, i));
			break;
		case 1:
			if (first + count > PAGES)
				break;
			pageset_remove(&set, PAGES, 2 * PAGES);
			memset(model + PAGES, 0, PAGES);
			for (gone = 0, i = 0; i < count; i++) {
				gone += model[first + i];
				model[PAGES + i] = model[first + i];
				model[first + i] = false;
			}
			ASSERT_EQ(gone, pageset_move(&set, first, first + count, PAGES));
			break;
		default:
			ASSERT_EQ(!model[page], pageset_add(&set, page));
			model[page] = true;
		}
	}
	for (page = 0; page < 2 * PAGES; page++)
		EXPECT_EQ(model[page], pageset_has(&set, page));
	EXPECT_LT(0, pageset_remove(&set, 0, ~0ULL));
	EXPECT_EQ(0, pageset_remove(&set, 0, ~0ULL));
	pageset_free(&set);
}

TEST_HARNESS_MAIN
