// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_name_test.c - does the module call a VMA what maps calls it?
 *
 * Every variant of the fixture makes a VMA with a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	32

/* PAGES pages of private memory, a page apart from others. */
static char *area;
static size_t page;
static char directory[sizeof("/root/brkscope_vma_XXXXXX")];

/* Three pages of a new file; NULL and errno if not */
static char *map_new(const char *name, int prot, int flags, int unlink_first)
{
	char path[512];
	void *got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 8 * page))
		return NULL;
	if (unlink_first)
		unlink(path);
	got = mmap(NULL, 3 * page, prot, flags, fd, 2 * page);
	close(fd);
	return got == MAP_FAILED ? NULL : got;
}

static int map_file(const char *name, int prot, int flags, int unlink_first)
{
	return map_new(name, prot, flags, unlink_first) ? 0 : -errno;
}

static int file_private(void)
{
	return map_file("plain", PROT_READ, MAP_PRIVATE, 0);
}

static int file_shared(void)
{
	return map_file("shared", PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

static int file_deleted(void)
{
	return map_file("gone", PROT_READ, MAP_PRIVATE, 1);
}

static int name_with_spaces(void)
{
	return map_file("  a name  with spaces ", PROT_READ, MAP_PRIVATE, 0);
}

static int name_with_newline(void)
{
	return map_file("two\nlines\tand\\more", PROT_READ, MAP_PRIVATE, 0);
}

static int name_of_200_bytes(void)
{
	char name[201];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	return map_file(name, PROT_READ, MAP_PRIVATE, 0);
}

static int anonymous_shared(void)
{
	return mmap(NULL, 5 * page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int name_anonymous(void)
{
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area + 2 * page,
		     2 * page, "a name of its own") ? -errno : 0;
}

static int perf_buffer(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		return -errno;
	return mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
	       MAP_FAILED ? -errno : 0;
}

/* The root of the virtual machine is an overlay; elsewhere it is just a file. */
static int file_of_the_root(void)
{
	int error;

	strcpy(directory, "/root/brkscope_vma_XXXXXX");
	if (!mkdtemp(directory))
		return -errno;
	error = map_file("above", PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	return error ?: map_file("shared above", PROT_READ, MAP_SHARED, 0);
}

static int name_shared_anonymous(void)
{
	char *got = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	/* Kernels before 6.2 refuse it: EBADF. */
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, got, page, "shared name") &&
	       errno != EBADF ? -errno : 0;
}

static int name_all_of_shared_anonymous(void)
{
	char *got = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, got, 4 * page, "shared name") &&
	       errno != EBADF ? -errno : 0;
}

static int name_taken_away(void)
{
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area, 4 * page, "some name") ||
	       prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area, 4 * page, NULL) ?
	       -errno : 0;
}

/* An area that starts where the heap ends, and one that ends where it starts. */
static int heap_and_neighbours(void)
{
	char *start = (char *)scope_stat(getpid(), 47);
	char *end = (char *)(((long)syscall(SYS_brk, 0) + page - 1) & -page);

	if (mmap(end, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		return -errno;
	start = (char *)((long)start & -page) - page;
	if (mmap(start, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		return -errno;
	syscall(SYS_brk, end - 1);
	syscall(SYS_brk, end);
	return 0;
}

/*
 * A userfaultfd splits the area of a file in memory; who has it last is a process
 * that ends. Its end merges the area, when it has no root directory any more.
 */
static int merged_by_the_end_of_another(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *got = map_new("in memory", PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), go[2];
	pid_t child;
	char none;

	if (!got || fd < 0 || pipe2(go, O_CLOEXEC))
		return -errno;
	range.range.start = (uintptr_t)got + page;
	range.range.len = page;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(read(go[0], &none, 1));
	}
	close(fd);
	close(go[1]);
	close(go[0]);
	return waitpid(child, NULL, 0) == child ? 0 : -ECHILD;
}

static int names_of_many_files(void)
{
	char name[32];
	int i, error;

	for (i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		error = map_file(name, PROT_READ, MAP_PRIVATE, 0);
		if (error)
			return error;
	}
	return 0;
}

FIXTURE(name) {
	pid_t pid;
	int events;
};

FIXTURE_VARIANT(name) {
	int (*make)(void);
};

FIXTURE_VARIANT_ADD(name, file_private) {
	.make = file_private
};

FIXTURE_VARIANT_ADD(name, file_shared) {
	.make = file_shared
};

FIXTURE_VARIANT_ADD(name, file_deleted) {
	.make = file_deleted
};

FIXTURE_VARIANT_ADD(name, name_with_spaces) {
	.make = name_with_spaces
};

FIXTURE_VARIANT_ADD(name, name_with_newline) {
	.make = name_with_newline
};

FIXTURE_VARIANT_ADD(name, name_of_200_bytes) {
	.make = name_of_200_bytes
};

FIXTURE_VARIANT_ADD(name, anonymous_shared) {
	.make = anonymous_shared
};

FIXTURE_VARIANT_ADD(name, name_anonymous) {
	.make = name_anonymous
};

FIXTURE_VARIANT_ADD(name, perf_buffer) {
	.make = perf_buffer
};

FIXTURE_VARIANT_ADD(name, file_of_the_root) {
	.make = file_of_the_root
};

FIXTURE_VARIANT_ADD(name, name_shared_anonymous) {
	.make = name_shared_anonymous
};

FIXTURE_VARIANT_ADD(name, name_all_of_shared_anonymous) {
	.make = name_all_of_shared_anonymous
};

FIXTURE_VARIANT_ADD(name, name_taken_away) {
	.make = name_taken_away
};

FIXTURE_VARIANT_ADD(name, heap_and_neighbours) {
	.make = heap_and_neighbours
};

FIXTURE_VARIANT_ADD(name, merged_by_the_end_of_another) {
	.make = merged_by_the_end_of_another
};

FIXTURE_VARIANT_ADD(name, names_of_many_files) {
	.make = names_of_many_files
};

FIXTURE_SETUP(name)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	strcpy(directory, "/tmp/brkscope_vma_XXXXXX");
	ASSERT_NE(NULL, mkdtemp(directory));
	area = scope_area(PAGES);
	ASSERT_NE(NULL, area);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(name)
{
	close(self->events);
	scope_unwatch(self->pid);
	if (system("rm -rf /tmp/brkscope_vma_?????? /root/brkscope_vma_??????"))
		TH_LOG("could not remove %s", directory);
}

TEST_F(name, is_the_same_in_records_mirror_and_maps)
{
	const char *difference = replay_from_here(self->pid, self->events);
	ssize_t count;
	int error;

	ASSERT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	error = variant->make();
	if (error == -ENOSYS || error == -EINVAL || error == -EPERM)
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	ASSERT_EQ(0, error);
	difference = replay_differs(self->pid, self->events, &count);
	EXPECT_EQ(NULL, difference)
		TH_LOG("replay, %s", difference);
	difference = mirror_differs(self->pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("mirror, %s", difference);
}

TEST_HARNESS_MAIN
