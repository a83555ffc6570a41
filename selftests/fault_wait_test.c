// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_wait_test.c - what is told of a fault that somebody else answers?
 *
 * A userfaultfd holds it up until the page is there or will never be, or has
 * left its mark where the page would be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "fault_class.h"

#define ANSWER_AFTER_NS	100000000L

static void *answer_one_fault(void *data)
{
	struct timespec pause = { .tv_nsec = ANSWER_AFTER_NS };
	int fd = *(int *)data;
	struct uffdio_zeropage zero = {};
	struct uffd_msg message;

	if (read(fd, &message, sizeof(message)) != sizeof(message))
		return NULL;
	nanosleep(&pause, NULL);
	zero.range.start = message.arg.pagefault.address & -scope_page_size();
	zero.range.len = scope_page_size();
	ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	return data;
}

TEST_F(class, a_fault_that_waits_for_an_answer_is_one_record_retried)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)self->area, PAGES * self->page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	pthread_t thread;

	if (fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &range));
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer_one_fault, &fd));
	load(self->area + 2 * self->page);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, class_faults(self->events, self->area, PAGES));
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[0].code);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_RETRIED);
	EXPECT_EQ((uintptr_t)self->area + 2 * self->page,
		  scope_records[0].fault.addr);
	EXPECT_LE((uint64_t)ANSWER_AFTER_NS, scope_records[0].fault.latency);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

/* Waits for a fault; then the file has no such page any more. */
static void *cut_the_file(void *data)
{
	int *fds = data;
	struct uffd_msg message;
	struct uffdio_range range = { .len = scope_page_size() };

	if (read(fds[0], &message, sizeof(message)) != sizeof(message) ||
	    ftruncate(fds[1], 0))
		return NULL;
	range.start = message.arg.pagefault.address & -scope_page_size();
	ioctl(fds[0], UFFDIO_WAKE, &range);
	return data;
}

/* Return: a userfaultfd for all of @map, or -1 */
static int userfault_on(char *map, uint64_t mode, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register range = {
		.range = { (uintptr_t)map, PAGES * scope_page_size() }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : fd;
}

TEST_F(class, a_fault_that_fails_after_a_wait_is_failed_and_not_major)
{
	int64_t major = scope_number(self->pid, "faults_major");
	char *map = map_file(self->file, MAP_SHARED);
	int fds[2] = { -1, self->file };
	pthread_t thread;

	ASSERT_NE(MAP_FAILED, map);
	/* shared, so of the page cache: a new hole for each page */
	ASSERT_EQ(0, ftruncate(self->file, 0));
	ASSERT_EQ(0, ftruncate(self->file, PAGES * self->page));
	fds[0] = userfault_on(map, UFFDIO_REGISTER_MODE_MISSING, 0);
	if (fds[0] < 0)
		SKIP(return, "no userfaultfd for files in memory: %s", strerror(errno));
	ASSERT_EQ(0, pthread_create(&thread, NULL, cut_the_file, fds));
	signal(SIGBUS, class_jump_back);
	if (!sigsetjmp(class_back, 1))
		load(map + 3 * self->page);
	signal(SIGBUS, SIG_DFL);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_RETRIED);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_MAJOR);
	/* getrusage does not count a fault that failed */
	EXPECT_EQ(major, scope_number(self->pid, "faults_major"));
	close(fds[0]);
}

/* A mark of userfaultfd's in the page table is no page, and not in swap. */
TEST_F(class, a_page_that_is_only_marked_is_as_if_nothing_were_there)
{
	char *map = map_file(self->file, MAP_SHARED);
	struct uffdio_writeprotect mark = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int fd;

	ASSERT_NE(MAP_FAILED, map);
	fd = userfault_on(map, UFFDIO_REGISTER_MODE_WP, UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	if (fd < 0)
		SKIP(return, "no userfaultfd that marks files in memory: %s", strerror(errno));
	mark.range.start = (uintptr_t)map;
	mark.range.len = PAGES * self->page;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_WRITEPROTECT, &mark));
	load(map + 2 * self->page);
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_SHARED, scope_records[0].code);
	close(fd);
}

TEST_HARNESS_MAIN
