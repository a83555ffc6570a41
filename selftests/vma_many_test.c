// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_many_test.c - is the mirror complete however many VMAs there are?
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define MANY	50000
#define STEP	10000	/* more than a watch has room for at first */
#define PATIENCE	60	/* s */

static size_t page;

FIXTURE(many) {
	pid_t pid;
};

FIXTURE_SETUP(many)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	ASSERT_EQ(0, scope_watch(self->pid));
}

FIXTURE_TEARDOWN(many)
{
	scope_unwatch(self->pid);
}

static FILE *open_file(const char *format, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), format, pid);
	return fopen(path, "r");
}

/* How many VMAs maps has; reads nothing of the module. */
static int64_t maps_count(pid_t pid)
{
	FILE *maps = open_file("/proc/%d/maps", pid);
	static char line[4096];
	int64_t count = 0;

	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps))
		count += !strstr(line, "[vsyscall]");
	fclose(maps);
	return count;
}

/* The mirror catches up by itself: nothing here makes it look. */
static bool reaches(pid_t pid, int64_t vmas)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int i;

	for (i = 0; i < 3000; i++) {
		if (scope_number(pid, "vmas") == vmas)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Range and permissions, line by line; the lists are too long for struct area_list. */
static const char *lists_differ(pid_t pid)
{
	static char difference[9000], want[4096], seen[4096];
	FILE *maps = open_file("/proc/%d/maps", pid);
	FILE *mirror = open_file(SCOPE_DIR "/%d/vmas", pid);
	unsigned long start, end, mirror_start, mirror_end;
	char perms[5], mirror_perms[5];

	*difference = '\0';
	if (!maps || !mirror || !fgets(seen, sizeof(seen), mirror) ||
	    !fgets(seen, sizeof(seen), mirror))
		return "cannot read";
	while (!*difference && fgets(want, sizeof(want), maps) && !strstr(want, "[vsyscall]")) {
		if (fgets(seen, sizeof(seen), mirror) &&
		    sscanf(want, "%lx-%lx %4s", &start, &end, perms) == 3 &&
		    sscanf(seen, "%lx %lx %4s", &mirror_start, &mirror_end,
			   mirror_perms) == 3 && start == mirror_start &&
		    end == mirror_end && !strcmp(perms, mirror_perms))
			continue;
		snprintf(difference, sizeof(difference), "maps: %s mirror: %s", want, seen);
	}
	if (!*difference && fgets(seen, sizeof(seen), mirror))
		snprintf(difference, sizeof(difference), "the mirror has more: %s", seen);
	fclose(maps);
	fclose(mirror);
	return *difference ? difference : NULL;
}

/*
 * Crowds of STEP areas, MANY in all, and where the last is. A debug kernel checks
 * all areas at each change and would take hours: there it is fewer.
 */
static size_t make_many(char **last)
{
	uint64_t end = scope_now() + PATIENCE * 1000000000ULL;
	size_t count = 0;

	do {
		*last = scope_crowd(STEP);
		if (!*last)
			return 0;
		count += STEP;
	} while (count < MANY && scope_now() < end);
	return count;
}

TEST_F_TIMEOUT(many, areas_made_in_a_storm_are_all_in_the_mirror_in_the_end, 600)
{
	int64_t before = maps_count(self->pid), count;
	const char *difference;
	char *crowd;
	size_t made, i;

	made = make_many(&crowd);
	ASSERT_LT(0, made);
	if (made < MANY)
		TH_LOG("%zu areas: this kernel is slow", made);
	count = maps_count(self->pid);
	/* neighbouring crowds merge at their ends */
	ASSERT_LE(before + (int64_t)(made - made / STEP), count);
	EXPECT_TRUE(reaches(self->pid, count))
		TH_LOG("%ld of %ld", (long)scope_number(self->pid, "vmas"), (long)count);
	difference = lists_differ(self->pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);

	/* one change among so many */
	ASSERT_EQ(0, mprotect(crowd + 1001 * page, page, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, munmap(crowd + 3000 * page, 2 * page));
	EXPECT_EQ(maps_count(self->pid), scope_number(self->pid, "vmas"));
	EXPECT_EQ(NULL, lists_differ(self->pid));

	/* and gone, in pieces */
	for (i = 0; i < STEP; i += 100)
		ASSERT_EQ(0, munmap(crowd + i * page, 100 * page));
	EXPECT_EQ(maps_count(self->pid), scope_number(self->pid, "vmas"));
	EXPECT_EQ(NULL, lists_differ(self->pid));
}

TEST_F_TIMEOUT(many, areas_that_are_there_when_the_watch_begins_are_in_the_mirror, 600)
{
	char *crowd;

	ASSERT_EQ(0, scope_unwatch(self->pid));
	ASSERT_NE(0, make_many(&crowd));
	ASSERT_EQ(0, scope_watch(self->pid));
	EXPECT_EQ(maps_count(self->pid), scope_number(self->pid, "vmas"));
	EXPECT_EQ(NULL, lists_differ(self->pid));
	EXPECT_EQ(0, scope_loss(self->pid, "vma_overflow"));
}

TEST_HARNESS_MAIN
