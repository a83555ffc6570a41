// SPDX-License-Identifier: GPL-2.0-only
/*
 * brk_reason_test.c - is it told why the kernel refused to move the break?
 *
 * Each reason is made to happen, in a child that is an ordinary user where a limit
 * does not hold for root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define SETUP_FAILED	250
#define NOT_REFUSED	251

static const char *const reasons[] = BRKSCOPE_BRK_REASON_NAMES;

static uint64_t move_break(uint64_t to)
{
	return syscall(SYS_brk, to);
}

/* Ask for what is to be refused; never returns. */
static void ask(uint64_t to)
{
	uint64_t before = move_break(0);

	_exit(move_break(to) == before && before != to ? 0 : NOT_REFUSED);
}

static void ask_pages(int64_t pages)
{
	ask(move_break(0) + pages * (int64_t)scope_page_size());
}

static void limit(int resource, rlim_t value)
{
	struct rlimit both = { value, value };

	if (setrlimit(resource, &both))
		_exit(SETUP_FAILED);
}

static void *map_at(uint64_t address, size_t pages, int flags)
{
	void *map = mmap((void *)address, pages * scope_page_size(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (map == MAP_FAILED)
		_exit(SETUP_FAILED);
	return map;
}

/* ---- what the child does ---- */

static void below_start(void)
{
	ask(scope_page_size());
}

static void above_data_limit(void)
{
	limit(RLIMIT_DATA, 0);
	ask_pages(1000);
}

/* The heap alone would fit; all private writable memory counts, too. */
static void above_data_limit_by_maps(void)
{
	map_at(0, 16384, MAP_NORESERVE);
	limit(RLIMIT_DATA, 32 << 20);
	ask_pages(1);
}

static void above_address_space_limit(void)
{
	limit(RLIMIT_AS, 1 << 20);
	ask_pages(1);
}

static uint64_t aligned_break(void)
{
	return (move_break(0) + scope_page_size() - 1) & -scope_page_size();
}

static void into_a_map(void)
{
	map_at(aligned_break() + 16 * scope_page_size(), 1, MAP_FIXED_NOREPLACE);
	ask_pages(20);
}

/* A stack keeps 256 pages below it free. */
static void into_a_guard_gap(void)
{
	map_at(aligned_break() + 200 * scope_page_size(), 1, MAP_FIXED_NOREPLACE | MAP_GROWSDOWN);
	ask_pages(10);
}

static void beyond_the_address_space(void)
{
	ask(1UL << 62);
}

static void above_lock_limit(void)
{
	limit(RLIMIT_MEMLOCK, 64 << 10);
	if (mlockall(MCL_FUTURE))
		_exit(SETUP_FAILED);
	ask_pages(1000);
}

static void more_than_there_is(void)
{
	ask_pages(2 << 20);
}

static void one_page_more(void)
{
	ask_pages(1);
}

static void shrink_what_is_unmapped(void)
{
	uint64_t start = aligned_break(), page = scope_page_size();

	if (move_break(start + 10 * page) != start + 10 * page ||
	    munmap((void *)(start + 4 * page), 6 * page))
		_exit(SETUP_FAILED);
	ask_pages(-2);
}

/* ---- the tests ---- */

FIXTURE(reason) {
	pid_t child;
	char restore[32];	/* what to write back into @setting */
	const char *setting;
};

FIXTURE_SETUP(reason)
{
	if (geteuid())
		SKIP(return, "only root can become a user and set sysctls");
	scope_prepare();
}

static int write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), done;

	if (fd < 0)
		return -errno;
	done = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return done;
}

FIXTURE_TEARDOWN(reason)
{
	if (self->setting)
		write_setting(self->setting, self->restore);
	if (self->child > 0)
		scope_unwatch(self->child);
}

static int become_user(void)
{
	return setgroups(0, NULL) || setresgid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       setresuid(SCOPE_USER, SCOPE_USER, SCOPE_USER);
}

/* A watched child that does @act as a user when it is let go on. */
static int start(pid_t *child, void (*act)(void))
{
	*child = child_start();
	if (!*child) {
		if (become_user())
			_exit(SETUP_FAILED);
		child_stop_here();
		act();
	}
	return child_until_stopped(*child) ?: scope_watch(*child);
}

/* Let the child go on to its end; NULL if it was refused for @reason, all over. */
static const char *differs(pid_t child, int reason, int error)
{
	static char why[256];
	int status = child_end(child), events, refused = 0;
	const struct brkscope_record *found = NULL;
	ssize_t count, i;
	char tail[64];

	if (status)
		return status >> 8 == NOT_REFUSED ? "it was not refused" : "the child failed";
	events = scope_events(child, NULL);
	count = scope_drain(events, scope_records, SCOPE_RECORDS);
	close(events);
	for (i = 0; i < count; i++) {
		const struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_BRK)
			continue;
		if (r->code == BRKSCOPE_BRK_REFUSED) {
			refused++;
			found = r;
		} else if (r->brk.reason || r->brk.error) {
			return "a move that was made has a reason";
		}
	}
	if (refused != 1)
		return "there is not one refusal";
	if (found->brk.reason != reason || found->brk.error != error) {
		snprintf(why, sizeof(why), "reason %s, error %d", reasons[found->brk.reason],
			 found->brk.error);
		return why;
	}
	snprintf(tail, sizeof(tail), " 0 %d %s\n", error, reasons[reason]);
	if (scope_read(child, "brk") < 0 || !strstr(scope_text, tail))
		return "the brk file says otherwise";
	snprintf(tail, sizeof(tail), " 0 - %s\n", reasons[reason]);
	if (scope_read(child, "events") < 0 || !strstr(scope_text, tail))
		return "the events file says otherwise";
	return NULL;
}

#define EXPECT_REASON(act, reason, error)					\
	do {									\
		const char *differs_by;						\
										\
		ASSERT_EQ(0, start(&self->child, act));				\
		differs_by = differs(self->child, reason, error);		\
		EXPECT_EQ(NULL, differs_by)					\
			TH_LOG("%s", differs_by);				\
		scope_unwatch(self->child);					\
	} while (0)

TEST_F(reason, below_the_heap_is_einval)
{
	EXPECT_REASON(below_start, BRKSCOPE_BRK_BELOW, EINVAL);
}

TEST_F(reason, the_data_limit_counts_the_heap_and_all_private_maps)
{
	EXPECT_REASON(above_data_limit, BRKSCOPE_BRK_RLIMIT_DATA, ENOMEM);
	EXPECT_REASON(above_data_limit_by_maps, BRKSCOPE_BRK_RLIMIT_DATA, ENOMEM);
}

TEST_F(reason, the_address_space_limit)
{
	EXPECT_REASON(above_address_space_limit, BRKSCOPE_BRK_RLIMIT_AS, ENOMEM);
}

TEST_F(reason, a_collision_with_a_map_a_stacks_gap_or_the_end)
{
	EXPECT_REASON(into_a_map, BRKSCOPE_BRK_COLLISION, ENOMEM);
	EXPECT_REASON(into_a_guard_gap, BRKSCOPE_BRK_COLLISION, ENOMEM);
	EXPECT_REASON(beyond_the_address_space, BRKSCOPE_BRK_COLLISION, ENOMEM);
}

TEST_F(reason, the_limit_of_locked_memory_is_eagain)
{
	EXPECT_REASON(above_lock_limit, BRKSCOPE_BRK_LOCKED, EAGAIN);
}

TEST_F(reason, a_heap_that_was_unmapped_cannot_shrink)
{
	EXPECT_REASON(shrink_what_is_unmapped, BRKSCOPE_BRK_NO_HEAP, ENOMEM);
}

static int set_to(FIXTURE_DATA(reason) *self, const char *path, const char *value)
{
	if (scope_read_path(path, self->restore, sizeof(self->restore)) < 0)
		return -errno;
	self->setting = path;
	return write_setting(path, value);
}

TEST_F(reason, overcommit_that_is_forbidden_is_no_memory)
{
	ASSERT_EQ(0, start(&self->child, more_than_there_is));
	ASSERT_EQ(0, set_to(self, "/proc/sys/vm/overcommit_memory", "2"));
	EXPECT_EQ(NULL, differs(self->child, BRKSCOPE_BRK_NO_MEMORY, ENOMEM));
}

TEST_F(reason, too_many_vmas)
{
	ASSERT_EQ(0, start(&self->child, one_page_more));
	ASSERT_EQ(0, set_to(self, "/proc/sys/vm/max_map_count", "5"));
	EXPECT_EQ(NULL, differs(self->child, BRKSCOPE_BRK_MAP_COUNT, ENOMEM));
}

TEST_F(reason, what_exec_set_up_is_the_first_record_of_the_new_break)
{
	ssize_t count, i;
	int events, set = 0;

	self->child = child_start();
	if (!self->child) {
		child_stop_here();
		execl("./test_helper", "test_helper", "stop", NULL);
		_exit(SETUP_FAILED);
	}
	ASSERT_EQ(0, child_until_stopped(self->child));
	ASSERT_EQ(0, scope_watch(self->child));
	ASSERT_EQ(0, child_continue(self->child));
	ASSERT_EQ(0, child_until_stopped(self->child));
	events = scope_events(self->child, NULL);
	count = scope_drain(events, scope_records, SCOPE_RECORDS);
	for (i = 0; i < count && scope_records[i].kind != BRKSCOPE_EXEC; )
		i++;
	ASSERT_LT(i, count);
	for (; i < count; i++) {
		const struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_BRK)
			continue;
		if (!set++) {
			EXPECT_EQ(BRKSCOPE_BRK_SET, r->code);
			/* Field 47 of stat is start_brk. */
			EXPECT_EQ((uint64_t)scope_stat(self->child, 47), r->brk.old);
			EXPECT_EQ(r->brk.old, r->brk.now);
			EXPECT_EQ(0, r->brk.pages);
		} else {
			EXPECT_NE(BRKSCOPE_BRK_SET, r->code);
		}
	}
	EXPECT_LE(1, set);
	close(events);
	child_end(self->child);
}

TEST_HARNESS_MAIN
