// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf_test.c - does the kernel's own sampling of page faults tell the same of each one?
 *
 * perf_event_open(2) on minor faults, a sample of each: address, instruction,
 * thread, time, and the physical address that is mapped there afterwards.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define BUFFER_PAGES	256
#define PAGES		64
#define HUGE		(2 * 1024 * 1024)

/* One PERF_RECORD_SAMPLE, in the order of perf_event_open(2) */
struct sample {
	struct perf_event_header header;
	uint64_t ip;
	uint32_t pid;
	uint32_t tid;
	uint64_t time;
	uint64_t addr;
	uint64_t phys;
};

FIXTURE(perf) {
	int fd;
	int events;
	size_t page;
	struct perf_event_mmap_page *buffer;
	struct sample *samples;
	size_t count;
	char *first;		/* touching it begins what is compared */
	char *last;		/* touching it ends it */
};

static int perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			       PERF_SAMPLE_ADDR | PERF_SAMPLE_PHYS_ADDR,
		.disabled = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

FIXTURE_SETUP(perf)
{
	scope_prepare();
	self->page = scope_page_size();
	self->fd = perf_open();
	if (self->fd < 0)
		SKIP(return, "perf_event_open: %s", strerror(errno));
	self->buffer = mmap(NULL, (BUFFER_PAGES + 1) * self->page,
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    self->fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buffer);
	self->samples = mmap(NULL, BUFFER_PAGES * self->page,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->samples);
	self->count = 0;
	ASSERT_EQ(0, scope_control("watch %d buffer=2M\n", getpid()));
	self->events = scope_events(getpid(), NULL);
	ASSERT_LE(0, self->events);
	self->first = scope_area(1);
	self->last = scope_area(1);
	ASSERT_NE(NULL, self->last);
}

FIXTURE_TEARDOWN(perf)
{
	scope_unwatch(getpid());
}

/* The samples between the two touches, in order; false if perf lost one. */
static bool collect(FIXTURE_DATA(perf) *self)
{
	uint64_t head = __atomic_load_n(&self->buffer->data_head, __ATOMIC_ACQUIRE);
	char *at = (char *)self->buffer + self->buffer->data_offset;
	char *end = at + head;
	bool inside = false;

	if (head > self->buffer->data_size)
		return false;
	while (at < end) {
		struct sample *sample = (struct sample *)at;

		if (sample->header.type == PERF_RECORD_LOST)
			return false;
		at += sample->header.size;
		if (sample->header.type != PERF_RECORD_SAMPLE)
			continue;
		if (sample->addr == (uintptr_t)self->last)
			return inside;
		if (inside)
			self->samples[self->count++] = *sample;
		inside |= sample->addr == (uintptr_t)self->first;
	}
	return false;
}

/* Each way to come to a page that ends as a minor fault */
static void fault_in_each_way(void)
{
	size_t page = scope_page_size(), i;
	volatile char *anon = scope_area(PAGES), *huge, *file, *shared;
	int fd = memfd_create("perf_test", MFD_CLOEXEC);
	pid_t child;

	for (i = 0; i < PAGES; i++)	/* first writes, first reads */
		if (i & 1)
			anon[i * page + 8 * i] = 1;
		else
			(void)anon[i * page + 8 * i];
	for (i = 0; i < PAGES; i += 4)	/* upgrades */
		anon[i * page + 1] = 1;
	child = fork();
	if (!child)
		_exit(0);
	for (i = 1; i < PAGES; i += 4)	/* copies or reuses */
		anon[i * page + 2] = 2;
	waitpid(child, NULL, 0);
	for (i = 3; i < PAGES; i += 4)
		anon[i * page + 3] = 3;

	huge = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)huge, 2 * HUGE, MADV_HUGEPAGE);
	huge = (char *)(((uintptr_t)huge + HUGE - 1) & -(uintptr_t)HUGE);
	huge[5 * page + 5] = 1;		/* in the middle of it */

	if (ftruncate(fd, PAGES * page))
		return;
	shared = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	file = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (i = 0; i < PAGES / 2; i++)
		shared[i * page] = 1;
	for (i = 0; i < PAGES; i += 2)
		(void)file[i * page];
	for (i = 0; i < PAGES; i += 3)
		file[i * page] = 1;
}

static void *fault_in_thread(void *unused)
{
	fault_in_each_way();
	return unused;
}

/*
 * Keeps the records of what perf samples between the two touches: minor faults
 * of this thread that an instruction made. Those of get_user_pages() are not,
 * as a futex's; they are of the kernel and of whole pages.
 */
static size_t keep_sampled(const FIXTURE_DATA(perf) *self,
			   struct brkscope_record *records, ssize_t count)
{
	uint32_t tid = syscall(SYS_gettid);
	bool inside = false;
	size_t kept = 0;
	ssize_t i;

	for (i = 0; i < count; i++) {
		const struct brkscope_record *r = &records[i];
		uint64_t next = kept < self->count ? self->samples[kept].addr : 0;

		if (r->kind != BRKSCOPE_FAULT || r->tid != tid ||
		    r->code == BRKSCOPE_FAILED || r->flags & BRKSCOPE_FAULT_MAJOR)
			continue;
		if (r->fault.addr == (uintptr_t)self->last)
			break;
		if (inside && !(r->flags & BRKSCOPE_FAULT_KERNEL &&
				r->fault.addr % self->page == 0 &&
				r->fault.addr != next))
			records[kept++] = *r;
		inside |= r->fault.addr == (uintptr_t)self->first;
	}
	return kept;
}

/* Samples in self->samples, records of the same faults in scope_records */
static void run(struct __test_metadata *_metadata, FIXTURE_DATA(perf) *self)
{
	ssize_t count;
	size_t i;

	ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_ENABLE, 0));
	*(volatile char *)self->first = 1;
	fault_in_each_way();
	*(volatile char *)self->last = 1;
	ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_DISABLE, 0));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	ASSERT_TRUE(collect(self));
	ASSERT_LT(2 * PAGES, self->count);
	count = keep_sampled(self, scope_records, count);
	for (i = 0; i < self->count && i < (size_t)count; i++)
		if (self->samples[i].addr != scope_records[i].fault.addr)
			break;
	EXPECT_EQ((ssize_t)self->count, count);
	ASSERT_EQ(self->count, i)
		TH_LOG("sample of %llx, record of %llx, class %s, flags %#x",
		       (unsigned long long)self->samples[i].addr,
		       (unsigned long long)scope_records[i].fault.addr,
		       scope_class_names[scope_records[i].code],
		       scope_records[i].flags);
}

TEST_F(perf, samples_are_of_the_same_faults_in_the_same_order)
{
	size_t i;

	run(_metadata, self);
	for (i = 0; i < self->count; i++) {
		const struct brkscope_record *r = &scope_records[i];
		const struct sample *s = &self->samples[i];

		ASSERT_EQ(s->addr, r->fault.addr)
			TH_LOG("fault %zu of class %s", i, scope_class_names[r->code]);
		EXPECT_EQ(s->tid, r->tid);
		/* perf samples before the kernel is quite done with it */
		EXPECT_LE(s->time, r->time);
		EXPECT_GE(s->time, r->time - r->fault.latency);
		if (r->flags & BRKSCOPE_FAULT_USER)
			EXPECT_EQ(s->ip, r->fault.ip);
	}
}

TEST_F(perf, physical_addresses_are_the_frames)
{
	uint64_t classes = 0;
	size_t i;

	run(_metadata, self);
	for (i = 0; i < self->count; i++) {
		const struct brkscope_record *r = &scope_records[i];
		const struct sample *s = &self->samples[i];

		/* perf does not tell of the shared zero page. */
		if (!s->phys)
			continue;
		EXPECT_EQ(s->phys >> 12, r->fault.frame)
			TH_LOG("%llx, class %s", (unsigned long long)s->addr,
			       scope_class_names[r->code]);
		classes |= 1 << r->code;
	}
	/* At least these were among them. */
	EXPECT_NE(0, classes & 1 << BRKSCOPE_FIRST_WRITE);
	EXPECT_NE(0, classes & 1 << BRKSCOPE_UPGRADE);
	EXPECT_NE(0, classes & 1 << BRKSCOPE_COW_COPY);
	EXPECT_NE(0, classes & 1 << BRKSCOPE_COW_REUSE);
	EXPECT_NE(0, classes & 1 << BRKSCOPE_SHARED);
	EXPECT_NE(0, classes & 1 << BRKSCOPE_FILE_MINOR);
	if (!access("/sys/kernel/mm/transparent_hugepage", F_OK))
		EXPECT_NE(0, classes & 1 << BRKSCOPE_HUGE);
}

TEST_F(perf, a_thread_that_is_not_sampled_does_not_disturb_the_order)
{
	pthread_t thread;
	size_t i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, fault_in_thread, NULL));
	run(_metadata, self);
	pthread_join(thread, NULL);
	for (i = 0; i < self->count; i++)
		ASSERT_EQ(self->samples[i].addr, scope_records[i].fault.addr);
}

TEST_HARNESS_MAIN
