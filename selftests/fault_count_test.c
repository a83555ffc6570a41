// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_count_test.c - do the module's counts and addresses equal the kernel's own?
 *
 * Two tellers that know nothing of the module: getrusage(2) for the number of
 * faults, and a perf event with an address for each minor fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	128
#define THREADS	4
#define PERF_PAGES	64	/* of ring buffer; 8 bytes of header a sample + 8 */

/**
 * struct place - where one thread makes faults
 * @random: state of its random numbers
 * @private: PAGES pages of private memory
 * @shared: PAGES pages of shared memory
 * @file: PAGES pages of a file, mapped privately
 * @pipe: both ends of a pipe
 */
struct place {
	uint64_t random;
	char *private;
	char *shared;
	char *file;
	int pipe[2];
};

static size_t page;
static struct place places[THREADS];

FIXTURE(count) {
	pid_t pid;
	uint64_t seed;
	int events;
};

static bool place_prepare(struct place *place, uint64_t seed)
{
	size_t size = PAGES * page;
	int fd = memfd_create("counted", MFD_CLOEXEC);

	place->random = seed;
	place->private = scope_area(PAGES);
	place->shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, size) || pipe2(place->pipe, O_CLOEXEC))
		return false;
	place->file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	return place->private && place->shared != MAP_FAILED &&
	       place->file != MAP_FAILED;
}

FIXTURE_SETUP(count)
{
	int i;

	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	self->seed = scope_seed(_metadata->name);
	for (i = 0; i < THREADS; i++)
		ASSERT_TRUE(place_prepare(&places[i], self->seed + i * 31));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(count)
{
	close(self->events);
	scope_unwatch(self->pid);
}

static char *random_page(struct place *place)
{
	char * const areas[] = { place->private, place->shared, place->file };
	char *area = areas[scope_random(&place->random) % 3];

	return area + scope_random(&place->random) % PAGES * page;
}

/* One piece of work that may fault. None leaves the address space changed. */
static void random_work(struct place *place, bool may_fork)
{
	char *base = random_page(place);
	volatile char *at = base + scope_random(&place->random) % page;
	struct iovec from = { (void *)at, 1 };
	struct iovec to = { random_page(place), 1 };
	pid_t child;

	switch (scope_random(&place->random) % 16) {
	case 0 ... 4:
		*at = 1;
		break;
	case 5 ... 8:
		(void)*at;
		break;
	case 9:
		madvise(base, page, MADV_DONTNEED);
		break;
	case 10:
		if (write(place->pipe[1], "1", 1) == 1 &&
		    read(place->pipe[0], (void *)at, 1) != 1)
			abort();
		break;
	case 11:
		if (write(place->pipe[1], (void *)at, 1) == 1 &&
		    read(place->pipe[0], to.iov_base, 1) != 1)
			abort();
		break;
	case 12:
		process_vm_writev(getpid(), &from, 1, &to, 1, 0);
		break;
	case 13:
		madvise(base, page, MADV_POPULATE_WRITE);
		break;
	case 14:
		mlock((void *)at, 1);
		munlock((void *)at, 1);
		break;
	case 15:
		if (!may_fork)
			break;
		child = fork();
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
		break;
	}
}

TEST_F_TIMEOUT(count, faults_equal_getrusage_at_every_moment_of_one_thread, 300)
{
	int64_t first = scope_settled(self->pid, "faults_rusage");
	int i;

	for (i = 0; i < 600; i++) {
		random_work(&places[0], true);
		ASSERT_EQ(0, scope_miscounted(self->pid))
			TH_LOG("SEED=%llu, after work %d",
			       (unsigned long long)self->seed, i);
	}
	EXPECT_LT(first + 100, scope_number(self->pid, "faults_rusage"));
}

static void *work_in_thread(void *place)
{
	int i;

	for (i = 0; i < 200; i++)
		random_work(place, false);
	return NULL;
}

TEST_F_TIMEOUT(count, faults_equal_getrusage_of_four_threads, 300)
{
	pthread_t threads[THREADS];
	int i, round;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < THREADS; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL,
						    work_in_thread, &places[i]));
		for (i = 0; i < THREADS; i++)
			ASSERT_EQ(0, pthread_join(threads[i], NULL));
		ASSERT_EQ(0, scope_miscounted(self->pid))
			TH_LOG("SEED=%llu, after round %d",
			       (unsigned long long)self->seed, round);
	}
}

TEST_F(count, a_fault_made_in_another_process_counts_here_and_has_no_record)
{
	int64_t faults, elsewhere;
	char *to = places[0].private;
	pid_t child;

	child = child_start();
	ASSERT_LE(0, child);
	if (!child) {
		child_stop_here();
		_exit(0);
	}
	ASSERT_EQ(0, child_until_stopped(child));
	/* A first write there makes the call itself known to this process. */
	ASSERT_EQ(2, scope_poke(child, to + page, "12", 2));
	elsewhere = scope_settled(self->pid, "faults_elsewhere");
	faults = scope_settled(self->pid, "faults");
	ASSERT_EQ(2, scope_poke(child, to, "12", 2));
	EXPECT_EQ(faults, scope_number(self->pid, "faults"));
	EXPECT_EQ(elsewhere + 1, scope_number(self->pid, "faults_elsewhere"));
	EXPECT_EQ(0, scope_miscounted(self->pid));
	EXPECT_EQ(0, child_end(child));
}

struct address_list {
	size_t count;
	uint64_t lost;
	uint64_t address[8192];
};

static struct address_list perf_told, module_told;

static void perf_collect(struct perf_event_mmap_page *buffer)
{
	static char data[PERF_PAGES * 4096];
	uint64_t head = __atomic_load_n(&buffer->data_head, __ATOMIC_ACQUIRE);
	size_t size = buffer->data_size, i;
	struct perf_event_header *event;
	uint64_t at = 0;

	for (i = 0; i < head && i < sizeof(data); i++)
		data[i] = ((char *)buffer)[buffer->data_offset + i % size];
	if (head > sizeof(data))
		perf_told.lost = head;
	while (at < head && !perf_told.lost) {
		event = (void *)(data + at);
		if (event->type == PERF_RECORD_SAMPLE)
			perf_told.address[perf_told.count++] =
				*(uint64_t *)(event + 1);
		else if (event->type == PERF_RECORD_LOST)
			perf_told.lost++;
		at += event->size;
	}
}

static int perf_begin(struct perf_event_mmap_page **buffer)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		return -errno;
	*buffer = mmap(NULL, (PERF_PAGES + 1) * page, PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	return *buffer == MAP_FAILED ? -errno : fd;
}

TEST_F_TIMEOUT(count, addresses_equal_those_that_perf_saw, 300)
{
	struct perf_event_mmap_page *buffer;
	int fd = perf_begin(&buffer), i;
	ssize_t count, kept = 0;

	if (fd < 0)
		SKIP(return, "no perf event: %s", strerror(-fd));
	memset(&perf_told, 0, sizeof(perf_told));
	memset(&module_told, 1, sizeof(module_told));
	for (i = 0; i < 20; i++)
		random_work(&places[0], false);
	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));

	ASSERT_EQ(0, ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	for (i = 0; i < 1500; i++)
		random_work(&places[0], false);
	ASSERT_EQ(0, ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	perf_collect(buffer);
	ASSERT_EQ(0, perf_told.lost);
	ASSERT_LT(100, perf_told.count);
	/* perf sees minor faults by an instruction, not those of get_user_pages. */
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_FAULT || r->code == BRKSCOPE_FAILED ||
		    r->flags & BRKSCOPE_FAULT_MAJOR)
			continue;
		module_told.address[kept++] = r->fault.addr;
	}
	for (i = 0, module_told.count = 0; i < kept; i++) {
		uint64_t next = module_told.count < perf_told.count ?
				perf_told.address[module_told.count] : 0;

		if (module_told.address[i] == next)
			module_told.count++;
		else
			ASSERT_EQ(0, module_told.address[i] % page)
				TH_LOG("SEED=%llu: fault %d at %llx, perf has %llx",
				       (unsigned long long)self->seed, i,
				       (unsigned long long)module_told.address[i],
				       (unsigned long long)next);
	}
	EXPECT_EQ(perf_told.count, module_told.count);
}

/* A child that has worked and stands still, so that nothing changes between reads. */
FIXTURE(still) {
	pid_t child;
	int events;
};

FIXTURE_SETUP(still)
{
	uint64_t seed = scope_seed(_metadata->name);

	scope_prepare();
	page = scope_page_size();
	ASSERT_TRUE(place_prepare(&places[0], seed));
	self->child = child_start();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		child_stop_here();
		work_in_thread(&places[0]);
		child_stop_here();
		memset(scope_area(2000), 1, 2000 * page);
		child_stop_here();
		_exit(0);
	}
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(0, scope_watch(self->child));
	self->events = scope_events(self->child, NULL);
	ASSERT_LE(0, self->events);
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
}

FIXTURE_TEARDOWN(still)
{
	close(self->events);
	child_drop(self->child);
}

TEST_F(still, the_classes_add_up_to_all_records)
{
	int64_t classes = 0, faults, wanted[BRKSCOPE_CLASSES], majors, i;
	uint64_t told[BRKSCOPE_CLASSES] = {}, all = 0, major = 0;
	char name[64], *dash;
	ssize_t count;

	for (i = 0; i < BRKSCOPE_CLASSES; i++) {
		snprintf(name, sizeof(name), "fault_%s", scope_class_names[i]);
		while ((dash = strchr(name, '-')))
			*dash = '_';
		wanted[i] = scope_number(self->child, name);
		ASSERT_LE(0, wanted[i]);
		classes += wanted[i];
	}
	faults = scope_number(self->child, "faults");
	majors = scope_number(self->child, "faults_major");
	EXPECT_EQ(faults, classes);
	EXPECT_EQ(faults, scope_number(self->child, "faults_user") +
			  scope_number(self->child, "faults_kernel") +
			  scope_number(self->child, "faults_remote"));
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	for (i = 0; i < count; i++) {
		if (scope_records[i].kind != BRKSCOPE_FAULT)
			continue;
		ASSERT_GT(BRKSCOPE_CLASSES, scope_records[i].code);
		told[scope_records[i].code]++;
		major += !!(scope_records[i].flags & BRKSCOPE_FAULT_MAJOR);
		all++;
	}
	EXPECT_EQ((uint64_t)faults, all);
	EXPECT_EQ((uint64_t)majors, major);
	for (i = 0; i < BRKSCOPE_CLASSES; i++)
		EXPECT_EQ((uint64_t)wanted[i], told[i])
			TH_LOG("class %s", scope_class_names[i]);
}

TEST_F(still, the_histogram_holds_each_latency_of_the_records)
{
	uint64_t wanted[BRKSCOPE_CLASSES][33] = {}, number, sum;
	char class[32], *row;
	int used, i, c, rows = 0;
	ssize_t count;

	ASSERT_LT(0, scope_read(self->child, "faults"));
	ASSERT_EQ(0, strncmp(scope_text, "brkscope faults 1\n", 18));
	row = strstr(scope_text, "\n\n");
	ASSERT_NE(NULL, row);
	row = strchr(row + 2, '\n');
	ASSERT_NE(NULL, row);
	row++;
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_FAULT)
			continue;
		wanted[r->code][32] += r->fault.latency;
		wanted[r->code][r->fault.latency < 2 ? 0 :
				63 - __builtin_clzll(r->fault.latency)]++;
	}
	while (sscanf(row, "%31s %lu %lu%n", class, &number, &sum, &used) == 3) {
		uint64_t total = 0;

		for (c = 0; c < BRKSCOPE_CLASSES; c++)
			if (!strcmp(class, scope_class_names[c]))
				break;
		ASSERT_GT(BRKSCOPE_CLASSES, c);
		EXPECT_EQ(wanted[c][32], sum);
		row += used;
		for (i = 0; i < 32; i++) {
			uint64_t bin;
			int fields;

			fields = sscanf(row, "%lu%n", &bin, &used);
			ASSERT_EQ(1, fields);
			EXPECT_EQ(wanted[c][i], bin)
				TH_LOG("class %s bin %d", class, i);
			total += bin;
			row += used;
		}
		EXPECT_EQ(number, total);
		rows++;
	}
	EXPECT_LE(2, rows);
}

TEST_F(still, resident_pages_are_what_the_kernel_says)
{
	int64_t before = scope_number(self->child, "rss_pages");

	EXPECT_EQ(scope_stat(self->child, 24), before);
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	EXPECT_EQ(scope_stat(self->child, 24),
		  scope_number(self->child, "rss_pages"));
	/* The kernel itself tells the last 64 late. */
	EXPECT_LE(before + 2000 - 64, scope_number(self->child, "rss_pages"));
}

TEST_HARNESS_MAIN
