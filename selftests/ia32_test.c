// SPDX-License-Identifier: GPL-2.0-only
/*
 * ia32_test.c - are the records of a 32-bit program right on a 64-bit kernel?
 *
 * Held against the program's own report, /proc/PID/maps and /proc/PID/stat.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"
#include "ia32_program.h"

/* Numbers of the 32-bit system calls. */
#define IA32_FORK	2
#define IA32_BRK	45
#define IA32_MUNMAP	91
#define IA32_MMAP2	192

static const int steps[IA32_STEPS] = IA32_STEP_BYTES;

FIXTURE(ia32) {
	pid_t child;
	struct ia32_report report;
	ssize_t count;
	int64_t break_now;
};

FIXTURE_SETUP(ia32)
{
	int ends[2], events;

	if (access("./ia32_program", X_OK))
		SKIP(return, "the 32-bit program is built on x86-64 alone");
	scope_prepare();
	ASSERT_EQ(0, pipe(ends));
	self->child = child_start();
	if (!self->child) {
		dup2(ends[1], 1);
		execl("./ia32_program", "ia32_program", NULL);
		_exit(errno);
	}
	ASSERT_EQ(0, child_until_stopped(self->child))
		TH_LOG("this kernel does not run 32-bit programs (CONFIG_IA32_EMULATION)?");
	ASSERT_EQ(0, scope_watch(self->child));
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(sizeof(self->report), read(ends[0], &self->report, sizeof(self->report)));
	ASSERT_EQ(IA32_MAGIC, self->report.magic);
	events = scope_events(self->child, NULL);
	ASSERT_LE(0, events);
	self->count = scope_drain(events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, self->count);
	close(events);
	close(ends[0]);
	close(ends[1]);
}

FIXTURE_TEARDOWN(ia32)
{
	EXPECT_EQ(7 << 8, child_end(self->child));
	scope_unwatch(self->child);
}

TEST_F(ia32, every_move_of_its_break_is_told_as_the_program_saw_it)
{
	uint64_t old = self->report.start;
	ssize_t count;
	int i;

	count = scope_keep(scope_records, self->count, BRKSCOPE_BRK, 0, 0);
	ASSERT_EQ(IA32_STEPS + 1, count);
	for (i = 0; i < IA32_STEPS; i++) {
		const struct brkscope_record *r = &scope_records[i];

		EXPECT_EQ(old, r->brk.old);
		EXPECT_EQ(old + steps[i], r->brk.requested);
		EXPECT_EQ(self->report.breaks[i], r->brk.now);
		EXPECT_EQ(steps[i] > 0 ? BRKSCOPE_BRK_GROWN : steps[i] < 0 ? BRKSCOPE_BRK_SHRUNK :
			  BRKSCOPE_BRK_SAME, r->code);
		EXPECT_EQ((uint32_t)self->child, r->tid);
		old = r->brk.now;
	}
	EXPECT_EQ(BRKSCOPE_BRK_REFUSED, scope_records[i].code);
	EXPECT_EQ(BRKSCOPE_BRK_COLLISION, scope_records[i].brk.reason);
	EXPECT_EQ(0xfffff000, scope_records[i].brk.requested);
	EXPECT_EQ(self->report.refused, scope_records[i].brk.now);
	EXPECT_EQ(self->report.refused, scope_number(self->child, "break_now"));
}

TEST_F(ia32, its_vmas_are_those_of_maps_and_causes_are_its_own_call_numbers)
{
	int brk = 0, mmap2 = 0, munmap = 0;
	ssize_t i;

	for (i = 0; i < self->count; i++) {
		const struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_VMA || r->vma.cause < 0)
			continue;
		brk += r->vma.cause == IA32_BRK;
		mmap2 += r->vma.cause == IA32_MMAP2 && r->vma.start == self->report.map;
		munmap += r->vma.cause == IA32_MUNMAP;
	}
	/* Whole pages: it grew twice and shrank by one. */
	EXPECT_EQ(3, brk);
	EXPECT_EQ(1, mmap2);
	EXPECT_EQ(2, munmap);
	EXPECT_EQ(NULL, mirror_differs(self->child));
}

TEST_F(ia32, its_first_touches_are_faults_and_as_many_as_the_kernel_counts)
{
	uint32_t heap = self->report.start, map = self->report.map;
	int touches = 0;
	ssize_t i;

	for (i = 0; i < self->count; i++) {
		const struct brkscope_record *r = &scope_records[i];
		uint64_t at = r->fault.addr;

		if (r->kind == BRKSCOPE_FAULT && r->code == BRKSCOPE_FIRST_WRITE &&
		    ((at >= heap && at < heap + IA32_TOUCHES * 4096) ||
		     (at >= map && at < map + 2 * 4096))) {
			EXPECT_EQ(0, at & 4095);
			EXPECT_NE(0, r->fault.ip);
			EXPECT_EQ(0, r->fault.ip >> 32);
			touches++;
		}
	}
	EXPECT_EQ(IA32_TOUCHES + 2, touches);
	EXPECT_EQ(0, scope_miscounted(self->child));
}

TEST_F(ia32, pages_of_its_calls_are_marked_with_its_own_call_numbers)
{
	int tables = 0;
	ssize_t i;

	for (i = 0; i < self->count; i++) {
		const struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_PAGE)
			continue;
		EXPECT_EQ(r->page.call == BRKSCOPE_PAGE_IN_FAULT ? 0 : BRKSCOPE_PAGE_IA32,
			  r->flags);
		tables += r->page.call == IA32_FORK && r->code == BRKSCOPE_PAGE_TABLE;
	}
	EXPECT_LT(0, tables);
	ASSERT_LT(0, scope_read(self->child, "events"));
	EXPECT_NE(NULL, strstr(scope_text, ",call=fork,"));
}

TEST_HARNESS_MAIN
