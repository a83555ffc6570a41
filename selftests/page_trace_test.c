// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_trace_test.c - do page records equal the kernel's kmem:mm_page_alloc?
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "page_area.h"

#define TRACING		"/sys/kernel/tracing/"

/* ---- against the kernel's own tracepoint ---- */

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

/* One line of the trace that begins at or after @at, or NULL. */
static const char *trace_next(const char *at, uint64_t *frame, unsigned int *order,
			      char *gfp, size_t size)
{
	unsigned long long number;
	size_t length;

	at = strstr(at, "mm_page_alloc: ");
	if (!at)
		return NULL;
	at = strstr(at, "pfn=");
	if (!at || sscanf(at, "pfn=0x%llx order=%u", &number, order) != 2)
		return NULL;
	*frame = number;
	at = strstr(at, "gfp_flags=") + strlen("gfp_flags=");
	length = strcspn(at, "\n");
	snprintf(gfp, size, "%.*s", (int)length, at);
	return at + length;
}

static bool of_a_process(const char *gfp)
{
	return strstr(gfp, "GFP_HIGHUSER") || !strcmp(gfp, "GFP_KERNEL_ACCOUNT|__GFP_ZERO") ||
	       !strcmp(gfp, "GFP_KERNEL_ACCOUNT|__GFP_COMP|__GFP_ZERO") ||
	       !strcmp(gfp, "GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP");
}

TEST_F(page, frame_order_and_flags_are_those_of_the_kernels_own_tracepoint)
{
	char number[16], gfp[256], row[512];
	const char *trace = page_text;
	unsigned int order;
	uint64_t frame;
	ssize_t count, i;
	int traced = 0;

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "events/kmem/mm_page_alloc/enable", W_OK))
		SKIP(return, "tracefs has no kmem:mm_page_alloc");
	snprintf(number, sizeof(number), "%d", gettid());
	ASSERT_EQ(0, write_file(TRACING "trace", ""));
	ASSERT_EQ(0, write_file(TRACING "set_event_pid", number));
	ASSERT_EQ(0, write_file(TRACING "events/kmem/mm_page_alloc/enable", "1"));
	ASSERT_LE(0, new_records(self->events));
	for (i = 0; i < 100; i++)
		touch(self->gib + i * 77 * self->page);
	count = new_pages(self->events, self->gib, GIB);
	ASSERT_EQ(0, write_file(TRACING "events/kmem/mm_page_alloc/enable", "0"));
	ASSERT_EQ(0, write_file(TRACING "set_event_pid", ""));
	ASSERT_LT(0, scope_read_path(TRACING "trace", page_text, sizeof(page_text)));
	ASSERT_LT(0, scope_read(self->pid, "events"));
	ASSERT_LE(100, count);
	ASSERT_EQ(0, count_use(count, BRKSCOPE_PAGE_OTHER));
	for (i = 0; i < count; ) {
		trace = trace_next(trace, &frame, &order, gfp, sizeof(gfp));
		ASSERT_NE(NULL, trace)
			TH_LOG("record %zd of %zd is not in the trace", i, count);
		if (!of_a_process(gfp))
			continue;
		traced++;
		EXPECT_EQ(frame, scope_records[i].page.frame);
		EXPECT_EQ(order, scope_records[i].page.order);
		snprintf(row, sizeof(row), "page %s %016llx - - %llx %u - zone=",
			 page_uses[scope_records[i].code],
			 (unsigned long long)scope_records[i].page.addr,
			 (unsigned long long)frame, order);
		ASSERT_NE(NULL, strstr(scope_text, row))
			TH_LOG("no row '%s'", row);
		EXPECT_EQ(strstr(scope_text, row) + strcspn(strstr(scope_text, row), "\n") -
			  strlen(gfp), strstr(strstr(scope_text, row), gfp))
			TH_LOG("the row does not end with %s", gfp);
		i++;
	}
	while ((trace = trace_next(trace, &frame, &order, gfp, sizeof(gfp))))
		traced += of_a_process(gfp);
	EXPECT_EQ(count, traced);
}

TEST_HARNESS_MAIN
