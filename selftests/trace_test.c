// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace_test.c - do the tracepoints brkscope:* say what events.bin says?
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define TRACING		"/sys/kernel/tracing/"
#define LINE		512

static const char *const vma_ops[] = BRKSCOPE_VMA_OP_NAMES;
static const char *const brk_results[] = BRKSCOPE_BRK_RESULT_NAMES;
static const char *const brk_reasons[] = BRKSCOPE_BRK_REASON_NAMES;
static const char *const page_uses[] = BRKSCOPE_PAGE_USE_NAMES;
static char trace[2 * 1024 * 1024];

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	int done;

	if (fd < 0)
		return -errno;
	done = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return done;
}

FIXTURE(trace) {
	pid_t pid;
	int events;
};

FIXTURE_SETUP(trace)
{
	if (geteuid())
		SKIP(return, "only root may trace");
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "trace", W_OK))
		SKIP(return, "this kernel has no tracefs");
	scope_prepare();
	memset(trace, 1, sizeof(trace));
	self->pid = getpid();
	ASSERT_EQ(0, access(TRACING "events/brkscope/enable", W_OK));
	ASSERT_EQ(0, write_file(TRACING "trace", ""));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(trace)
{
	write_file(TRACING "events/brkscope/enable", "0");
	close(self->events);
	scope_unwatch(self->pid);
}

/* Every kind of record that has a tracepoint, and every call of a name. */
static void do_something_of_all(void)
{
	size_t page = scope_page_size();
	char *area = scope_area(300), *top;
	int i;

	for (i = 0; i < 300; i += 3)
		area[i * page] = 1;
	for (i = 1; i < 100; i += 3)
		area[page] = area[i * page];
	mprotect(area, page, PROT_READ);
	mlock(area + 10 * page, page);
	munmap(area + 20 * page, 30 * page);
	top = (char *)syscall(SYS_brk, 0);
	for (i = 1; i < 20; i++)
		syscall(SYS_brk, top + i * 1000);
	top[9000] = 1;
	syscall(SYS_brk, 1UL << 46);
	syscall(SYS_brk, 4096);
	syscall(SYS_brk, top);
}

/* The line of the trace that a record must be, or false if it has none. */
static bool wanted_line(char *line, pid_t pid, const struct brkscope_record *r)
{
	char head[64];

	snprintf(head, sizeof(head), "pid=%d tid=%u seq=%llu", pid, r->tid, r->seq);
	switch (r->kind) {
	case BRKSCOPE_BRK:
		snprintf(line, LINE,
			 "brk: %s %s old=%llx requested=%llx now=%llx pages=%lld error=%d reason=%s",
			 head, brk_results[r->code], r->brk.old, r->brk.requested, r->brk.now,
			 r->brk.pages, r->brk.error, brk_reasons[r->brk.reason]);
		return true;
	case BRKSCOPE_VMA:
		snprintf(line, LINE,
			 "vma: %s %s start=%llx end=%llx old_start=%llx old_end=%llx prot=%x old_prot=%x attr=%x cause=%d name=%s",
			 head, vma_ops[r->code], r->vma.start, r->vma.end, r->vma.old_start,
			 r->vma.old_end, r->vma.prot, r->vma.old_prot, r->vma.attr,
			 r->vma.cause, scope_replay.names[r->vma.name]);
		return true;
	case BRKSCOPE_FAULT:
		snprintf(line, LINE,
			 "fault: %s %s addr=%llx ip=%llx latency=%llu page=%u flags=%x prot=%x around=%u name=%s",
			 head, scope_class_names[r->code], r->fault.addr, r->fault.ip,
			 r->fault.latency, r->fault.page, r->flags, r->fault.prot,
			 r->fault.around, scope_replay.names[r->fault.name]);
		return true;
	case BRKSCOPE_PAGE:
		snprintf(line, LINE,
			 "page: %s %s addr=%llx order=%u zone=%u node=%u gfp=%x call=%d flags=%x name=%s",
			 head, page_uses[r->code], r->page.addr, r->page.order, r->page.zone,
			 r->page.node, r->page.gfp, r->page.call, r->flags,
			 scope_replay.names[r->page.name]);
		return true;
	}
	return false;
}

/* Events of ours in the trace with a number from @first to @last. */
static int count_lines(uint64_t first, uint64_t last)
{
	unsigned long long seq;
	char head[32];
	const char *at;
	int count = 0;

	snprintf(head, sizeof(head), ": pid=%d ", getpid());
	for (at = trace; (at = strstr(at, head)); at++)
		if (sscanf(at, ": pid=%*d tid=%*d seq=%llu", &seq) == 1)
			count += seq >= first && seq <= last;
	return count;
}

TEST_F(trace, every_record_is_one_event_with_its_fields)
{
	int counts[BRKSCOPE_FORK + 1] = {}, wanted = 0;
	ssize_t count, i;
	char line[LINE];

	/* The names of the areas that were there before. */
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	replay_begin(&scope_replay, NULL);
	replay_names(&scope_replay, scope_records, count);
	ASSERT_EQ(0, write_file(TRACING "events/brkscope/enable", "1"));
	/* What came before the tracepoints were on. */
	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	do_something_of_all();
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_EQ(0, write_file(TRACING "events/brkscope/enable", "0"));
	ASSERT_LT(0, scope_read_path(TRACING "trace", trace, sizeof(trace)));
	replay_names(&scope_replay, scope_records, count);
	for (i = 0; i < count; i++) {
		if (!wanted_line(line, self->pid, &scope_records[i]))
			continue;
		counts[scope_records[i].kind]++;
		wanted++;
		strcat(line, "\n");
		ASSERT_NE(NULL, strstr(trace, line))
			TH_LOG("not in the trace: %s", line);
	}
	EXPECT_EQ(wanted, count_lines(scope_records[0].seq, scope_records[count - 1].seq));
	EXPECT_LE(130, counts[BRKSCOPE_FAULT]);
	EXPECT_LE(100, counts[BRKSCOPE_PAGE]);
	EXPECT_LE(22, counts[BRKSCOPE_BRK]);
	EXPECT_LE(6, counts[BRKSCOPE_VMA]);
}

TEST_F(trace, no_field_is_a_page_frame_or_a_kernel_address)
{
	static const char *const names[] = { "brk", "vma", "fault", "page" };
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), TRACING "events/brkscope/%s/format", names[i]);
		ASSERT_LT(0, scope_read_path(path, trace, sizeof(trace)));
		EXPECT_NE(NULL, strstr(trace, "field:u64 seq;"));
		EXPECT_EQ(NULL, strstr(trace, "frame"));
		EXPECT_EQ(NULL, strstr(trace, "pfn"));
		EXPECT_EQ(NULL, strstr(trace, "*"));
	}
}

TEST_HARNESS_MAIN
