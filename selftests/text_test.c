// SPDX-License-Identifier: GPL-2.0-only
/*
 * text_test.c - do the texts say what the binary records say?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

static const char *const vma_ops[] = BRKSCOPE_VMA_OP_NAMES;
static const char *const brk_results[] = BRKSCOPE_BRK_RESULT_NAMES;
static const char *const brk_reasons[] = BRKSCOPE_BRK_REASON_NAMES;
static const char *const page_uses[] = BRKSCOPE_PAGE_USE_NAMES;
static const char helper[] = "./test_helper";

FIXTURE(text) {
	pid_t child;
	ssize_t count;
};

static char *volatile mended;	/* read by the handler */

static void mend(int number)
{
	(void)number;
	if (mprotect(mended, scope_page_size(), PROT_READ | PROT_WRITE))
		_exit(1);
}

/* Every kind of record once at least. */
static void child_main(void)
{
	size_t page = scope_page_size();
	char *area = scope_area(16);
	int fd, ends[2];

	signal(SIGSEGV, mend);
	child_stop_here();
	mended = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)mended = 1;
	area[0] = 1;
	area[page] = area[2 * page];
	fd = memfd_create("a file, with\ta tab and spaces", 0);
	if (ftruncate(fd, 4 * page) || pipe(ends))
		_exit(1);
	area = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	area[page] = 1;
	if (write(ends[1], "text", 4) != 4 || read(ends[0], area, 4) != 4)
		_exit(1);
	mprotect(area, page, PROT_NONE);
	mlock(area + page, page);
	munmap(area + 2 * page, page);
	syscall(SYS_brk, syscall(SYS_brk, 0) + page);
	syscall(SYS_brk, syscall(SYS_brk, 0));
	syscall(SYS_brk, syscall(SYS_brk, 0) - page);
	syscall(SYS_brk, 1UL << 46);
	execl(helper, helper, "exit", "5", NULL);
	_exit(1);
}

FIXTURE_SETUP(text)
{
	int fd;

	scope_prepare();
	self->child = child_start();
	ASSERT_LE(0, self->child);
	if (!self->child)
		child_main();
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(0, scope_watch(self->child));
	ASSERT_EQ(5 << 8, child_end(self->child));
	fd = scope_events(self->child, NULL);
	ASSERT_LE(0, fd);
	self->count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	ASSERT_LT(20, self->count);
	close(fd);
	replay_begin(&scope_replay, NULL);
}

FIXTURE_TEARDOWN(text)
{
	scope_unwatch(self->child);
}

/**
 * struct row - one line of the events text, columns as they stand there
 */
struct row {
	char seq[24], time[24], tid[16], event[8], what[32];
	char start[20], end[20], old_start[20], old_end[20];
	char n[24], access[8], name[256];
};

static const char *read_row(const char *at, struct row *row)
{
	int used = 0;
	size_t length;

	if (sscanf(at, "%23s %23s %15s %7s %31s %19s %19s %19s %19s %23s %7s %n",
		   row->seq, row->time, row->tid, row->event, row->what,
		   row->start, row->end, row->old_start, row->old_end, row->n,
		   row->access, &used) != 11 || !used)
		return NULL;
	at += used;
	length = strcspn(at, "\n");
	if (length >= sizeof(row->name))
		return NULL;
	memcpy(row->name, at, length);
	row->name[length] = '\0';
	return at[length] ? at + length + 1 : NULL;
}

static void put_address(char *column, uint64_t address)
{
	sprintf(column, "%016llx", (unsigned long long)address);
}

static void put_number(char *column, int64_t number)
{
	sprintf(column, "%lld", (long long)number);
}

static void put_frame(char *column, uint64_t frame)
{
	if (frame)
		sprintf(column, "%llx", (unsigned long long)frame);
}

static void put_name(char *column, const char *name)
{
	size_t used = 0;

	for (; *name; name++) {
		if (*name == '\n')
			used += sprintf(column + used, "\\012");
		else
			column[used++] = *name;
	}
	if (!used)
		column[used++] = '-';
	column[used] = '\0';
}

static void wanted_fault(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->event, "fault");
	strcpy(row->what, scope_class_names[r->code]);
	put_address(row->start, r->fault.addr);
	put_address(row->old_start, r->fault.ip);
	put_frame(row->old_end, r->fault.frame);
	put_number(row->n, r->fault.latency);
	row->access[0] = r->flags & BRKSCOPE_FAULT_WRITE ? 'w' :
			 r->flags & BRKSCOPE_FAULT_EXEC ? 'x' : 'r';
	row->access[1] = r->flags & BRKSCOPE_FAULT_USER ? 'u' :
			 r->flags & BRKSCOPE_FAULT_GUP ? 'g' :
			 r->flags & BRKSCOPE_FAULT_KERNEL ? 'k' : 'm';
	row->access[2] = r->flags & BRKSCOPE_FAULT_FIRST ? '1' : '.';
	row->access[3] = '\0';
	put_name(row->name, scope_replay.names[r->fault.name]);
}

static void wanted_vma(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->event, "vma");
	strcpy(row->what, vma_ops[r->code]);
	if (r->vma.end) {
		put_address(row->start, r->vma.start);
		put_address(row->end, r->vma.end);
	}
	if (r->vma.old_end) {
		put_address(row->old_start, r->vma.old_start);
		put_address(row->old_end, r->vma.old_end);
	}
	put_number(row->n, r->vma.cause);
	sprintf(row->access, "%c%c%c%c",
		r->vma.prot & BRKSCOPE_PROT_READ ? 'r' : '-',
		r->vma.prot & BRKSCOPE_PROT_WRITE ? 'w' : '-',
		r->vma.prot & BRKSCOPE_PROT_EXEC ? 'x' : '-',
		r->vma.prot & BRKSCOPE_PROT_SHARED ? 's' : 'p');
	put_name(row->name, scope_replay.names[r->vma.name]);
}

static void wanted_brk(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->event, "brk");
	strcpy(row->what, brk_results[r->code]);
	put_address(row->start, r->brk.requested);
	put_address(row->end, r->brk.now);
	put_address(row->old_end, r->brk.old);
	put_number(row->n, r->brk.pages);
	if (r->code == BRKSCOPE_BRK_REFUSED)
		strcpy(row->name, brk_reasons[r->brk.reason]);
}

/* The names of zones and of GFP flags are the kernel's; page_test looks at them. */
static void wanted_page(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->event, "page");
	strcpy(row->what, page_uses[r->code]);
	if (r->page.addr)
		put_address(row->start, r->page.addr);
	put_frame(row->old_end, r->page.frame);
	put_number(row->n, r->page.order);
	sprintf(row->name, "node=%u,call=%s", r->page.node,
		r->page.call == BRKSCOPE_PAGE_IN_FAULT ? "fault" :
		r->page.call == SYS_brk ? "brk" : r->page.call == SYS_mmap ? "mmap" :
		r->page.call == SYS_mprotect ? "mprotect" : r->page.call == SYS_mlock ? "mlock" :
		r->page.call == SYS_munmap ? "munmap" : r->page.call == SYS_execve ? "execve" :
		"another");
}

static void wanted_signal(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->event, "signal");
	strcpy(row->what, r->signal.signo == SIGSEGV ? "SIGSEGV" : "SIGBUS");
	put_address(row->start, r->signal.addr);
	put_address(row->old_start, r->signal.ip);
	put_number(row->n, r->signal.si_code);
	strcpy(row->access, r->signal.signo == SIGSEGV ?
	       r->signal.si_code == SEGV_MAPERR ? "maperr" : "accerr" : "adrerr");
	put_name(row->name, scope_replay.names[r->signal.name]);
}

/* Cut "zone=NAME," off the front and ",gfp=FLAGS" off the end. */
static bool cut_page_name(char *name)
{
	char *node = strstr(name, ",node="), *gfp = strstr(name, ",gfp=");

	if (strncmp(name, "zone=", 5) || !node || !gfp || !gfp[5])
		return false;
	*gfp = '\0';
	memmove(name, node + 1, strlen(node));
	return true;
}

/* The row that a record must be, "-" where nothing applies. */
static void wanted_row(struct row *row, const struct brkscope_record *r)
{
	strcpy(row->what, "-");
	strcpy(row->start, "-");
	strcpy(row->end, "-");
	strcpy(row->old_start, "-");
	strcpy(row->old_end, "-");
	strcpy(row->n, "-");
	strcpy(row->access, "-");
	strcpy(row->name, "-");
	put_number(row->seq, r->seq);
	put_number(row->time, r->time);
	put_number(row->tid, r->tid);
	switch (r->kind) {
	case BRKSCOPE_FAULT:
		wanted_fault(row, r);
		break;
	case BRKSCOPE_VMA:
		wanted_vma(row, r);
		break;
	case BRKSCOPE_BRK:
		wanted_brk(row, r);
		break;
	case BRKSCOPE_PAGE:
		wanted_page(row, r);
		break;
	case BRKSCOPE_SIGNAL:
		wanted_signal(row, r);
		break;
	case BRKSCOPE_EXEC:
		strcpy(row->event, "exec");
		put_name(row->name, r->exec.comm);
		break;
	case BRKSCOPE_EXIT:
		strcpy(row->event, "exit");
		put_number(row->n, r->exit.status);
		break;
	}
}

TEST_F(text, events_agrees_with_events_bin_row_by_row)
{
#define COLUMNS "seq time_ns tid event what start end old_start old_end n access name"
	static const char head[] = "brkscope events 1\n" COLUMNS "\n";
	int kinds[BRKSCOPE_FORK + 1] = {};
	struct row row, wanted;
	const char *at;
	ssize_t i;

	ASSERT_LT(0, scope_read(self->child, "events"));
	ASSERT_EQ(0, strncmp(scope_text, head, sizeof(head) - 1));
	at = scope_text + sizeof(head) - 1;
	for (i = 0; i < self->count; i++) {
		replay_names(&scope_replay, &scope_records[i], 1);
		ASSERT_GE(BRKSCOPE_FORK, scope_records[i].kind);
		kinds[scope_records[i].kind]++;
		if (scope_records[i].kind == BRKSCOPE_NAME)
			continue;
		at = read_row(at, &row);
		ASSERT_NE(NULL, at)
			TH_LOG("after %zd records", i);
		wanted_row(&wanted, &scope_records[i]);
		if (scope_records[i].kind == BRKSCOPE_PAGE)
			EXPECT_TRUE(cut_page_name(row.name))
				TH_LOG("%s", row.name);
		ASSERT_STREQ(wanted.seq, row.seq);
		EXPECT_STREQ(wanted.time, row.time);
		EXPECT_STREQ(wanted.tid, row.tid);
		EXPECT_STREQ(wanted.event, row.event);
		EXPECT_STREQ(wanted.what, row.what);
		EXPECT_STREQ(wanted.start, row.start);
		EXPECT_STREQ(wanted.end, row.end);
		EXPECT_STREQ(wanted.old_start, row.old_start);
		EXPECT_STREQ(wanted.old_end, row.old_end);
		EXPECT_STREQ(wanted.n, row.n);
		EXPECT_STREQ(wanted.access, row.access);
		EXPECT_STREQ(wanted.name, row.name);
	}
	EXPECT_EQ('\0', *at);
	for (i = BRKSCOPE_FAULT; i <= BRKSCOPE_SIGNAL; i++)
		EXPECT_LT(i == BRKSCOPE_LOST ? -1 : 0, kinds[i])
			TH_LOG("no record of kind %zd was made", i);
}

TEST_F(text, every_text_begins_with_its_name_and_version)
{
	static const char *const files[] = { "summary", "events", "vmas", "brk",
					     "faults", "pages", "loss" };
	char head[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(head, sizeof(head), "brkscope %s 1\n", files[i]);
		ASSERT_LT(0, scope_read(self->child, files[i]))
			TH_LOG("%s", files[i]);
		EXPECT_EQ(0, strncmp(scope_text, head, strlen(head)))
			TH_LOG("%s begins otherwise", files[i]);
	}
}

TEST_F(text, a_text_read_in_small_bites_is_the_same)
{
	static const char *const files[] = { "summary", "events", "vmas", "brk",
					     "faults", "pages", "loss" };
	static char bites[SCOPE_TEXT];
	ssize_t whole, used, got;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		whole = scope_read(self->child, files[i]);
		ASSERT_LT(0, whole);
		fd = scope_open(self->child, files[i], O_NONBLOCK);
		ASSERT_LE(0, fd);
		for (used = 0; (got = read(fd, bites + used, 13)) > 0; )
			used += got;
		close(fd);
		EXPECT_EQ(whole, used);
		EXPECT_EQ(0, memcmp(bites, scope_text, whole))
			TH_LOG("%s", files[i]);
	}
}

TEST_F(text, the_summary_has_every_line_of_the_contract)
{
	static const char *const names[] = {
		"pid", "comm", "state", "start_ns", "end_ns", "page_size",
		"break_start", "break_now", "break_peak", "break_moves",
		"break_failures", "break_queries", "vmas", "vma_changes",
		"execs", "faults", "faults_rusage", "faults_elsewhere",
		"rusage_before", "faults_user", "faults_kernel",
		"faults_remote", "faults_major", "pages_touched", "rss_pages",
		"events_seen", "events_held", "events_overwritten",
		"events_missed", "pages_data", "pages_table", "pages_other",
		"signals",
	};
	char value[64];
	size_t i;

	ASSERT_LT(0, scope_read(self->child, "summary"));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(0, scope_value(scope_text, names[i], value,
					 sizeof(value)))
			TH_LOG("no line for %s", names[i]);
		EXPECT_STRNE("", value);
	}
	scope_value(scope_text, "comm", value, sizeof(value));
	EXPECT_STREQ("test_helper", value);
	scope_value(scope_text, "state", value, sizeof(value));
	EXPECT_STREQ("ended", value);
	EXPECT_EQ(1, scope_number(self->child, "execs"));
	EXPECT_EQ(self->child, scope_number(self->child, "pid"));
	EXPECT_EQ((int64_t)scope_page_size(),
		  scope_number(self->child, "page_size"));
	EXPECT_LT(scope_number(self->child, "start_ns"),
		  scope_number(self->child, "end_ns"));
}

TEST_HARNESS_MAIN
