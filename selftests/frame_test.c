// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame_test.c - are the heap's pages listed, and who sees their page frame numbers?
 */
#include <grp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

FIXTURE(frame) {
	pid_t pid;
	size_t page;
};

FIXTURE_SETUP(frame)
{
	if (geteuid())
		SKIP(return, "only root sees page frame numbers");
	scope_prepare();
	self->pid = getpid();
	self->page = scope_page_size();
	ASSERT_EQ(0, scope_watch(self->pid));
}

FIXTURE_TEARDOWN(frame)
{
	scope_unwatch(self->pid);
}

static void touch(char *address)
{
	*(volatile char *)address = 1;
}

/* ---- the table of the heap's pages ---- */

TEST_F(frame, the_pages_file_lists_the_heap_in_order_of_first_touch)
{
	static const int order[] = { 5, 0, 9, 3, 4, 1, 12, 2 };
	static const char head[] = "brkscope pages 1\nseq time_ns tid address class order frame\n";
	unsigned long long seq, time, address, frame, last = 0;
	unsigned int tid, page_order;
	char *heap, *row, class[32];
	int i, found, used;

	heap = sbrk(0);
	heap += -(uintptr_t)heap % self->page;
	ASSERT_EQ(0, brk(heap + 16 * self->page));
	for (i = 0; i < (int)ARRAY_SIZE(order); i++)
		touch(heap + order[i] * self->page + 40);
	touch(heap + 5 * self->page);
	ASSERT_LT(0, scope_read(self->pid, "pages"));
	ASSERT_EQ(0, strncmp(scope_text, head, strlen(head)));
	row = strchr(strchr(scope_text, '\n') + 1, '\n') + 1;
	for (i = 0; i < (int)ARRAY_SIZE(order); ) {
		found = sscanf(row, "%llu %llu %u %llx %31s %u %llx\n%n", &seq, &time, &tid,
			       &address, class, &page_order, &frame, &used);
		ASSERT_EQ(7, found)
			TH_LOG("after %d pages", i);
		row += used;
		if (address < (uintptr_t)heap)
			continue;	/* of the C library's heap */
		EXPECT_EQ((uintptr_t)heap + order[i] * self->page, address);
		EXPECT_STREQ("first-write", class);
		EXPECT_EQ(0, page_order);
		EXPECT_EQ(scope_frame((void *)(uintptr_t)address), frame);
		EXPECT_EQ((unsigned int)gettid(), tid);
		EXPECT_LT(last, time);
		last = time;
		i++;
	}
	EXPECT_EQ('\0', *row);
	ASSERT_EQ(0, brk(heap));
}

/* ---- who may see frames ---- */

#define USER_SETUP_FAILED	250

/* What of the three files shows a frame: 1 events.bin, 2 events, 4 pages. */
static int frames_seen(int bin, int events, int pages)
{
	ssize_t count = scope_drain(bin, scope_records, SCOPE_RECORDS), got, i;
	char event[8], old_end[32], *row;
	int seen = 0, rows = 0;

	for (i = 0; i < count; i++) {
		const struct brkscope_record *r = &scope_records[i];

		rows += r->kind == BRKSCOPE_FAULT || r->kind == BRKSCOPE_PAGE;
		if ((r->kind == BRKSCOPE_FAULT && r->fault.frame) ||
		    (r->kind == BRKSCOPE_PAGE && r->page.frame))
			seen |= 1;
	}
	got = read(events, scope_text, sizeof(scope_text) - 1);
	for (i = 0; got > 0 && i < (ssize_t)sizeof(scope_text) - 1 - got; ) {
		i += got;
		got = read(events, scope_text + i, sizeof(scope_text) - 1 - i);
	}
	scope_text[i] = '\0';
	for (row = scope_text; (row = strchr(row, '\n')); ) {
		row++;
		if (sscanf(row, "%*s %*s %*s %7s %*s %*s %*s %*s %31s", event, old_end) != 2 ||
		    (strcmp(event, "fault") && strcmp(event, "page")))
			continue;
		rows++;
		if (strcmp(old_end, "-"))
			seen |= 2;
	}
	got = read(pages, scope_text, sizeof(scope_text) - 1);
	scope_text[got < 0 ? 0 : got] = '\0';
	for (row = scope_text; (row = strchr(row, '\n')); ) {
		row++;
		if (sscanf(row, "%*u %*u %*u %*x %*s %*u %31s", old_end) == 1) {
			rows++;
			if (strcmp(old_end, "-"))
				seen |= 4;
		}
	}
	return rows > 20 ? seen : USER_SETUP_FAILED + 1;
}

static int frames_opened(pid_t pid)
{
	return frames_seen(scope_events(pid, NULL), scope_open(pid, "events", O_NONBLOCK),
			   scope_open(pid, "pages", 0));
}

static int become_user(void)
{
	return setgroups(0, NULL) || setresgid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       setresuid(SCOPE_USER, SCOPE_USER, SCOPE_USER);
}

/* In a child: be a user, watch oneself, touch the heap. Exits with what is seen. */
static int seen_by_user(void)
{
	pid_t child = child_start();
	char *heap;
	int status;
	size_t i;

	if (!child) {
		if (become_user() || scope_watch(getpid()))
			_exit(USER_SETUP_FAILED);
		heap = sbrk(20 * scope_page_size());
		for (i = 0; i < 20; i++)
			touch(heap + i * scope_page_size());
		_exit(frames_opened(getpid()));
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	scope_unwatch(child);
	return WEXITSTATUS(status);
}

TEST_F(frame, a_user_sees_no_frame_and_root_does)
{
	char *heap = sbrk(20 * self->page);
	size_t i;

	for (i = 0; i < 20; i++)
		touch(heap + i * self->page);
	EXPECT_EQ(7, frames_opened(self->pid));
	EXPECT_EQ(0, seen_by_user());
}

TEST_F(frame, whoever_opened_the_file_decides_and_not_whoever_reads)
{
	char *heap = sbrk(20 * self->page);
	int bin = scope_events(self->pid, NULL), status;
	int events = scope_open(self->pid, "events", O_NONBLOCK);
	int pages = scope_open(self->pid, "pages", 0);
	pid_t child;
	size_t i;

	for (i = 0; i < 20; i++)
		touch(heap + i * self->page);
	child = child_start();
	if (!child)
		_exit(become_user() ? USER_SETUP_FAILED : frames_seen(bin, events, pages));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(7 << 8, status);
}

TEST_HARNESS_MAIN
