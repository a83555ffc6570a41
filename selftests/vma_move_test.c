// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_move_test.c - what do the records and the mirror say of memory that mremap moved?
 *
 * Before each move pages are written in a random pattern (SEED=number repeats
 * it). Afterwards the pages ever touched must be where the written bytes are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	700	/* more than one chunk of 512 */
#define FAR	((char *)0x250000000000)

static size_t page;

static uint8_t pattern(uint64_t seed, size_t i)
{
	uint64_t state = seed + i * 104729 + 1;

	return scope_random(&state) % 5 ? 0 : 1 + i % 200;
}

static void write_pattern(char *start, size_t pages, uint64_t seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (pattern(seed, i))
			start[i * page] = pattern(seed, i);
}

static uint64_t touched_in(pid_t pid, const void *start, const void *end)
{
	uint64_t sum = 0;
	size_t i;

	if (mirror_read(pid, &scope_mirror))
		return -1;
	for (i = 0; i < scope_mirror.count; i++)
		if (scope_mirror.area[i].start < (uintptr_t)end &&
		    scope_mirror.area[i].end > (uintptr_t)start)
			sum += scope_mirror.area[i].touched;
	return sum;
}

/*
 * Page by page: has it been touched exactly if it holds a byte of the pattern,
 * from its page @first on? An area for each page makes the mirror tell.
 */
static const char *misplaced(pid_t pid, char *start, size_t pages, size_t first, uint64_t seed)
{
	static char text[128];
	size_t i;

	for (i = 0; i < pages; i++)
		mprotect(start + i * page, page, i % 2 ? PROT_READ : PROT_READ | PROT_EXEC);
	if (mirror_read(pid, &scope_mirror))
		return "cannot read the mirror";
	for (i = 0; i < pages; i++) {
		const struct area *area = area_at(&scope_mirror,
						  (uintptr_t)start + i * page);
		uint8_t want = pattern(seed, first + i);

		snprintf(text, sizeof(text), "page %zu: want %u, touched %d", i,
			 want, area ? (int)area->touched : -1);
		if (!area || area->touched != !!want)
			return text;
		if (want && start[i * page] != (char)want)
			return "the memory itself is not as it should be";
	}
	return NULL;
}

FIXTURE(move) {
	pid_t pid;
	uint64_t seed;
	int events;
	char *area;
	ssize_t count;
};

FIXTURE_SETUP(move)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	self->seed = scope_seed(_metadata->name);
	self->area = scope_area(PAGES);
	ASSERT_NE(NULL, self->area);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
	write_pattern(self->area, PAGES, self->seed);
	ASSERT_EQ(NULL, replay_from_here(self->pid, self->events));
}

FIXTURE_TEARDOWN(move)
{
	close(self->events);
	scope_unwatch(self->pid);
}

/* Replays what has happened since; scope_records then has the VMA records alone. */
static const char *replayed(pid_t pid, int events, ssize_t *count)
{
	const char *difference = replay_differs(pid, events, count);

	if (!difference)
		*count = scope_keep(scope_records, *count, BRKSCOPE_VMA, 0, 0);
	return difference;
}

/* In a test, of its self. */
#define EXPECT_REPLAY() do {						\
	const char *wrong = replayed(self->pid, self->events, &self->count); \
									\
	EXPECT_EQ(NULL, wrong)						\
		TH_LOG("SEED=%llu: %s", (unsigned long long)self->seed, wrong); \
} while (0)

#define EXPECT_PLACED(start, pages, first) do {				\
	const char *wrong = misplaced(self->pid, start, pages, first, self->seed); \
									\
	EXPECT_EQ(NULL, wrong)						\
		TH_LOG("SEED=%llu: %s", (unsigned long long)self->seed, wrong); \
} while (0)

/* Nothing is mapped there afterwards that could be asked: the sum tells. */
TEST_F(move, that_shrinks_forgets_the_pages_that_stayed_behind)
{
	int64_t before;
	size_t i;

	for (i = 0; i < PAGES; i++)
		self->area[i * page] = 1;
	before = scope_number(self->pid, "pages_touched");
	ASSERT_EQ(FAR, mremap(self->area, PAGES * page, 100 * page,
			      MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	EXPECT_EQ(100, touched_in(self->pid, FAR, FAR + 100 * page));
	/* the test itself touches some */
	EXPECT_GT(before - (PAGES - 100) + 90, scope_number(self->pid, "pages_touched"));
}

TEST_F_TIMEOUT(move, of_a_whole_area_is_one_record_and_takes_the_touched_pages_along, 180)
{
	struct brkscope_record *r = scope_records;
	/* neither the word nor the chunk of the bits stays the same */
	char *to = FAR + 77 * page;

	ASSERT_EQ(to, mremap(self->area, PAGES * page, PAGES * page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_REPLAY();
	ASSERT_EQ(1, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, r->code);
	EXPECT_EQ((uintptr_t)self->area, r->vma.old_start);
	EXPECT_EQ((uintptr_t)self->area + PAGES * page, r->vma.old_end);
	EXPECT_EQ((uintptr_t)to, r->vma.start);
	EXPECT_EQ((uintptr_t)to + PAGES * page, r->vma.end);
	EXPECT_EQ(SYS_mremap, r->vma.cause);
	EXPECT_PLACED(to, PAGES, 0);
}

TEST_F_TIMEOUT(move, by_a_whole_number_of_chunks_takes_the_touched_pages_along, 180)
{
	char *to = self->area - (1UL << 40);

	ASSERT_EQ(to, mremap(self->area, PAGES * page, PAGES * page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_REPLAY();
	EXPECT_EQ(1, self->count);
	EXPECT_PLACED(to, PAGES, 0);
}

TEST_F_TIMEOUT(move, and_growth_are_one_record, 180)
{
	struct brkscope_record *r = scope_records;
	char *to = mremap(self->area, PAGES * page, 2 * PAGES * page, MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_NE(self->area, to);
	EXPECT_REPLAY();
	ASSERT_EQ(1, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, r->code);
	EXPECT_EQ(2 * PAGES * page, r->vma.end - r->vma.start);
	EXPECT_EQ(PAGES * page, r->vma.old_end - r->vma.old_start);
	EXPECT_EQ(0, touched_in(self->pid, to + PAGES * page, to + PAGES * page) -
		  touched_in(self->pid, to, to + page));
	EXPECT_PLACED(to, PAGES, 0);
}

TEST_F_TIMEOUT(move, and_shrinking_are_one_record_and_forget_the_tail, 180)
{
	struct brkscope_record *r = scope_records;

	ASSERT_EQ(FAR, mremap(self->area, PAGES * page, 300 * page,
			      MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	ASSERT_EQ(1, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, r->code);
	EXPECT_EQ(300 * page, r->vma.end - r->vma.start);
	EXPECT_EQ(PAGES * page, r->vma.old_end - r->vma.old_start);
	EXPECT_PLACED(FAR, 300, 0);
	/* the tail's addresses in use again: nothing has been touched there */
	ASSERT_EQ(self->area, mmap(self->area, PAGES * page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				   -1, 0));
	EXPECT_EQ(0, touched_in(self->pid, self->area, self->area + PAGES * page));
}

TEST_F_TIMEOUT(move, of_a_part_splits_it_off_first, 180)
{
	char *part = self->area + 100 * page;

	ASSERT_EQ(FAR, mremap(part, 200 * page, 200 * page,
			      MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	ASSERT_LE(1, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, scope_records[self->count - 1].code);
	EXPECT_EQ((uintptr_t)part, scope_records[self->count - 1].vma.old_start);
	EXPECT_EQ((uintptr_t)part + 200 * page, scope_records[self->count - 1].vma.old_end);
	EXPECT_PLACED(FAR, 200, 100);
	EXPECT_PLACED(self->area, 100, 0);
	EXPECT_PLACED(self->area + 300 * page, PAGES - 300, 300);
}

TEST_F_TIMEOUT(move, onto_like_memory_forgets_what_was_touched_there, 180)
{
	char *there = scope_area(PAGES), *to;
	size_t i;

	ASSERT_NE(NULL, there);
	for (i = 0; i < PAGES; i++)
		there[i * page] = 1;
	to = there + 50 * page;
	ASSERT_EQ(to, mremap(self->area, 600 * page, 600 * page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_REPLAY();
	EXPECT_PLACED(to, 600, 0);
	EXPECT_EQ(50, touched_in(self->pid, there, there + 50 * page));
	EXPECT_EQ(50, touched_in(self->pid, to + 600 * page, there + PAGES * page));
}

TEST_F_TIMEOUT(move, within_the_same_area, 180)
{
	char *from = self->area, *to = self->area + 400 * page;

	ASSERT_EQ(to, mremap(from, 200 * page, 200 * page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_REPLAY();
	EXPECT_PLACED(to, 200, 0);
	EXPECT_PLACED(self->area + 200 * page, 200, 200);
	EXPECT_PLACED(self->area + 600 * page, 100, 600);
}

TEST_F_TIMEOUT(move, that_leaves_the_old_area_is_a_move_and_an_add, 180)
{
	/* The C library leaves the last argument undefined without FIXED. */
	ASSERT_EQ((long)FAR, syscall(SYS_mremap, self->area, PAGES * page, PAGES * page,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	ASSERT_EQ(2, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_VMA_ADD, scope_records[1].code);
	EXPECT_EQ((uintptr_t)self->area, scope_records[1].vma.start);
	EXPECT_EQ(0, touched_in(self->pid, self->area, self->area + PAGES * page));
	EXPECT_PLACED(FAR, PAGES, 0);
}

TEST_F_TIMEOUT(move, that_leaves_a_part_of_the_old_area, 180)
{
	ASSERT_EQ((long)FAR, syscall(SYS_mremap, self->area + 100 * page, 200 * page,
				     200 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP |
				     MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	EXPECT_PLACED(FAR, 200, 100);
	EXPECT_PLACED(self->area, 100, 0);
	EXPECT_PLACED(self->area + 300 * page, PAGES - 300, 300);
}

TEST_F_TIMEOUT(move, of_length_zero_is_an_add, 180)
{
	char *shared = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, shared);
	shared[page] = 1;
	EXPECT_REPLAY();
	ASSERT_EQ(FAR, mremap(shared, 0, 8 * page, MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	ASSERT_EQ(1, self->count);
	EXPECT_EQ(BRKSCOPE_VMA_ADD, scope_records[0].code);
	EXPECT_EQ(1, touched_in(self->pid, shared, shared + 8 * page));
	EXPECT_EQ(0, touched_in(self->pid, FAR, FAR + 8 * page));
}

TEST_F_TIMEOUT(move, of_a_file_keeps_its_name_and_offset, 180)
{
	char *map;
	int fd = memfd_create("moved", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(fd, 64 * page));
	map = mmap(NULL, 20 * page, PROT_READ, MAP_PRIVATE, fd, 7 * page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_REPLAY();
	ASSERT_EQ(FAR, mremap(map + 3 * page, 10 * page, 10 * page,
			      MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, scope_records[self->count - 1].code);
	EXPECT_EQ(NULL, mirror_differs(self->pid));
}

TEST_F_TIMEOUT(move, next_to_like_memory_merges, 180)
{
	char *low = mmap(FAR - 8 * page, 8 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	char *from = mmap(FAR + 64 * page, 8 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	/* never touched, so that the kernel may merge it anywhere */
	ASSERT_EQ(FAR - 8 * page, low);
	EXPECT_REPLAY();
	ASSERT_EQ(FAR, mremap(from, 8 * page, 8 * page, MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_REPLAY();
	EXPECT_EQ(BRKSCOPE_VMA_MOVE, scope_records[0].code);
	EXPECT_EQ(NULL, mirror_differs(self->pid));
	EXPECT_EQ((uintptr_t)FAR + 8 * page, area_at(&scope_maps, (uintptr_t)low)->end);
}

TEST_F_TIMEOUT(move, that_fails_half_way_is_none, 180)
{
	struct rlimit limit = { 0, 0 }, before;
	char *there = scope_area(8);

	ASSERT_NE(NULL, there);
	there[page] = 1;
	EXPECT_REPLAY();
	/* What was there goes; then RLIMIT_AS forbids the growth. */
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &before));
	limit.rlim_max = before.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	ASSERT_EQ(MAP_FAILED, mremap(self->area, 4 * page, 6 * page,
				     MREMAP_MAYMOVE | MREMAP_FIXED, there));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &before));
	EXPECT_REPLAY();
	ASSERT_LE(1, self->count);
	EXPECT_NE(BRKSCOPE_VMA_MOVE, scope_records[self->count - 1].code);
	EXPECT_PLACED(self->area, PAGES, 0);
}

TEST_F_TIMEOUT(move, there_and_back_500_times_among_3000_others, 300)
{
	char *at = self->area, *to = FAR;
	ssize_t moves = 0, i;

	ASSERT_NE(NULL, scope_crowd(3000));
	ASSERT_TRUE(mirror_is_complete(self->pid));
	EXPECT_REPLAY();
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(to, mremap(at, PAGES * page, PAGES * page,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
		at = to;
		to += (i % 7 * 513 - 1000) * page;
		if (to < at + PAGES * page && to + PAGES * page > at)
			to = at + (1 + i % 3) * PAGES * page;
	}
	EXPECT_REPLAY();
	for (i = 0; i < self->count; i++)
		moves += scope_records[i].code == BRKSCOPE_VMA_MOVE;
	EXPECT_EQ(500, moves);
	EXPECT_EQ(NULL, mirror_differs(self->pid));
	EXPECT_PLACED(at, PAGES, 0);
}

/* The line of PID/faults for first writes of a VMA. */
static unsigned int first_writes(pid_t pid, const void *start)
{
	unsigned int count = 0;
	char want[32], *row;

	snprintf(want, sizeof(want), "\n%016lx ", (long)start);
	if (scope_read(pid, "faults") < 0)
		return -1;
	for (row = scope_text; (row = strstr(row, want)); row++)
		if (sscanf(row, "\n%*x %*x first-write %u ", &count) == 1)
			return count;
	return 0;
}

TEST_F_TIMEOUT(move, takes_the_faults_of_the_area_along, 180)
{
	unsigned int before = first_writes(self->pid, self->area), i, written = 0;

	for (i = 0; i < PAGES; i++)
		written += !!pattern(self->seed, i);
	EXPECT_EQ(written, before);
	ASSERT_EQ(FAR, mremap(self->area, PAGES * page, PAGES * page,
			      MREMAP_MAYMOVE | MREMAP_FIXED, FAR));
	EXPECT_EQ(before, first_writes(self->pid, FAR));
	/* and a merge of two areas adds theirs up */
	ASSERT_EQ(0, mprotect(FAR + 350 * page, 350 * page, PROT_NONE));
	ASSERT_EQ(0, mprotect(FAR + 350 * page, 350 * page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(before, first_writes(self->pid, FAR));
}

TEST_HARNESS_MAIN
