// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse_test.c - what if the kernel refuses, at any call in turn?
 *
 * A program works through all that makes malloc call the kernel, under ptrace.
 * In the first run its first call of brk, mmap, mremap, munmap or madvise is not
 * carried out and gives ENOMEM, in the second run its second call, and so on
 * until the program no longer makes so many. It demands of malloc each time:
 * NULL with ENOMEM or a block, no content lost, a heap that brkmalloc_check()
 * finds sound, and that it goes on. Then the same with all calls refused from
 * the first, the second ... on.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define BLOCKS	600

static char *blocks[BLOCKS];
static size_t sizes[BLOCKS];
static size_t refused;

/* A call returned @now for block @i, of which @kept bytes are to be as before. */
static void take(size_t i, void *now, size_t bytes, size_t kept)
{
	if (!now) {
		REQUIRE(errno == ENOMEM);
		refused++;
	} else {
		REQUIRE(filled(now, kept, i));
		blocks[i] = now;
		sizes[i] = bytes;
		fill(now, bytes, i);
	}
	errno = 0;
}

static void resize(size_t i, size_t bytes)
{
	size_t kept = bytes < sizes[i] ? bytes : sizes[i];
	void *now = realloc(blocks[i], bytes);

	/* What becomes shorter can stay where it is. */
	REQUIRE(now || bytes > sizes[i]);
	take(i, now, bytes, kept);
	REQUIRE(filled(blocks[i], sizes[i], i));
}

static void give(size_t i)
{
	REQUIRE(filled(blocks[i], sizes[i], i));
	errno = 77;
	free(blocks[i]);
	REQUIRE(errno == 77);
	errno = 0;
	blocks[i] = NULL;
	sizes[i] = 0;
}

/* The heap grows, blocks in it move, and its top comes down again. */
static void work_in_heap(void)
{
	size_t i;
	char *zeroes;

	for (i = 0; i < 200; i++)
		take(i, malloc(4000), 4000, 0);
	for (i = 0; i < 200; i += 3)
		resize(i, 9000);
	for (i = 1; i < 200; i += 3)
		give(i);
	zeroes = calloc(30, 4000);
	REQUIRE(!zeroes || all_zero(zeroes, 120000));
	free(zeroes);
	take(200, aligned_alloc(65536, 50000), 50000, 0);
	for (i = 200; i-- > 40;)
		give(i);
	REQUIRE(!brkmalloc_check());
}

/* Mappings come, are made longer and shorter, and go. */
static void work_with_mappings(void)
{
	size_t i;
	char *zeroes;

	for (i = 210; i < 220; i++)
		take(i, malloc(150000), 150000, 0);
	for (i = 210; i < 220; i += 2)
		resize(i, 600000);
	for (i = 210; i < 220; i += 4)
		resize(i, 200000);
	for (i = 212; i < 220; i += 4)
		resize(i, 120000);
	take(220, aligned_alloc(MIB, 300000), 300000, 0);
	take(221, aligned_alloc(4 * PAGE, 200000), 200000, 0);
	zeroes = calloc(1, 500000);
	REQUIRE(!zeroes || all_zero(zeroes, 500000));
	free(zeroes);
	resize(0, 400000);
	for (i = 210; i < 216; i++)
		give(i);
	REQUIRE(!brkmalloc_check());
}

/* As after a peak: a long stretch inside the heap becomes free, and is purged. */
static void work_after_peak(void)
{
	size_t i;

	for (i = 230; i < 560; i++)
		take(i, malloc(120000), 120000, 0);
	for (i = 230; i < 559; i++)
		give(i);
	for (i = 230; i < 250; i++)
		take(i, malloc(60000), 60000, 0);
	REQUIRE(!brkmalloc_check());
}

/* Also after a refusal all between there and the break is of the heap, once. */
static bool nothing_is_lost(unsigned long from)
{
	struct brkmalloc_stats stats;

	brkmalloc_stats(&stats);
	return stats.region_bytes + PAGE >= break_now() - from;
}

static int work(void)
{
	unsigned long from = break_now();
	void *last[2];
	size_t i;

	raise(SIGSTOP);
	work_in_heap();
	work_with_mappings();
	work_after_peak();
	for (i = 0; i < BLOCKS; i++)
		give(i);
	/* The tracer lets everything pass from here on. */
	raise(SIGSTOP);
	REQUIRE(!brkmalloc_check());
	REQUIRE(nothing_is_lost(from));
	last[0] = malloc(100000);
	last[1] = malloc(2 * MIB);
	REQUIRE(last[0] && last[1]);
	fill(last[0], 100000, 1);
	fill(last[1], 2 * MIB, 2);
	for (i = 0; i < 200; i++)
		take(i, malloc(4000), 4000, 0);
	for (i = 0; i < 200; i++)
		give(i);
	REQUIRE(filled(last[0], 100000, 1) && filled(last[1], 2 * MIB, 2));
	free(last[0]);
	free(last[1]);
	REQUIRE(!brkmalloc_check());
	REQUIRE(nothing_is_lost(from));
	return refused ? 42 : 0;
}

const struct scenario scenarios[] = { { "work", work }, { } };

#ifdef __x86_64__

enum call {
	BRK,
	MMAP,
	MREMAP,
	MUNMAP,
	MADVISE,
	CALLS
};

static const char *const call_names[CALLS] = {
	"brk", "mmap", "mremap", "munmap", "madvise"
};

static const long call_numbers[CALLS] = {
	SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap, SYS_madvise
};

/**
 * struct run - one run of the program
 * @from: the first call to be refused, counted from 1
 * @to: the last one
 * @seen: calls so far
 * @kinds: how many of each were refused
 * @status: how it ended, as from waitpid()
 */
struct run {
	size_t	from;
	size_t	to;
	size_t	seen;
	size_t	kinds[CALLS];
	int	status;
};

static pid_t start(char *setting)
{
	pid_t pid = fork();

	if (!pid) {
		putenv(setting);
		if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			execl("/proc/self/exe", "refuse_test", "--scenario",
			      "work", NULL);
		_exit(99);
	}
	return pid;
}

/* Which kind of call the program enters with these registers. */
static enum call call_entered(const struct user_regs_struct *regs)
{
	int i;

	/* That only asks where the break is. */
	if (regs->orig_rax == SYS_brk && !regs->rdi)
		return CALLS;
	for (i = 0; i < CALLS; i++)
		if ((long)regs->orig_rax == call_numbers[i])
			break;
	return i;
}

/*
 * The program stands before a system call. One to be refused is exchanged for
 * one that does nothing: brk to zero, for brk has no error, it tells where the
 * break is; otherwise a number that no call has.
 *
 * Return: the kind of call that is refused, or CALLS. @regs are those of before.
 */
static enum call enter(struct run *run, pid_t pid, struct user_regs_struct *regs)
{
	struct user_regs_struct changed;
	enum call call;

	ptrace(PTRACE_GETREGS, pid, NULL, regs);
	call = call_entered(regs);
	if (call == CALLS)
		return CALLS;
	run->seen++;
	if (run->seen < run->from || run->seen > run->to)
		return CALLS;
	run->kinds[call]++;
	changed = *regs;
	if (call == BRK)
		changed.rdi = 0;
	else
		changed.orig_rax = -1;
	ptrace(PTRACE_SETREGS, pid, NULL, &changed);
	return call;
}

/* The program comes out of a refused call with its own arguments. */
static void leave(enum call call, pid_t pid, struct user_regs_struct *regs)
{
	struct user_regs_struct now;

	ptrace(PTRACE_GETREGS, pid, NULL, &now);
	now.rdi = regs->rdi;
	if (call != BRK)
		now.rax = -ENOMEM;
	ptrace(PTRACE_SETREGS, pid, NULL, &now);
}

static bool stopped_by(const struct run *run, int number)
{
	return WIFSTOPPED(run->status) && WSTOPSIG(run->status) == number;
}

/* Between its two stops every call of the program is looked at. */
static void trace(struct run *run, pid_t pid)
{
	struct user_regs_struct regs;
	enum call refused_call = CALLS;
	bool inside = false;

	while (waitpid(pid, &run->status, 0) == pid && !stopped_by(run, SIGSTOP)) {
		if (!stopped_by(run, SIGTRAP))
			return;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	while (waitpid(pid, &run->status, 0) == pid && stopped_by(run, SIGTRAP | 0x80)) {
		inside = !inside;
		if (inside)
			refused_call = enter(run, pid, &regs);
		else if (refused_call != CALLS)
			leave(refused_call, pid, &regs);
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	if (!stopped_by(run, SIGSTOP)) {
		/* It has ended, or a signal is about to end it. */
		if (WIFSTOPPED(run->status)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		return;
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	waitpid(pid, &run->status, 0);
}

FIXTURE(refuse) {
	size_t	kinds[CALLS];
	size_t	noticed;	/* runs in which the program was given a NULL */
};

FIXTURE_VARIANT(refuse) {
	char	*setting;
	bool	 in_place;	/* blocks grow by mremap, and madvise empties free ones */
};

FIXTURE_VARIANT_ADD(refuse, defaults) {
	.setting = "BRKMALLOC_FIT=segregated",
	.in_place = true,
};

FIXTURE_VARIANT_ADD(refuse, trim_always) {
	.setting = "BRKMALLOC_TRIM_THRESHOLD=0",
	.in_place = true,
};

FIXTURE_VARIANT_ADD(refuse, no_cache) {
	.setting = "BRKMALLOC_CACHE=0",
	.in_place = true,
};

FIXTURE_VARIANT_ADD(refuse, full_guard) {
	.setting = "BRKMALLOC_GUARD=full",
};

FIXTURE_SETUP(refuse)
{
	(void)variant;
	memset(self, 0, sizeof(*self));
}

FIXTURE_TEARDOWN(refuse)
{
	(void)self;
	(void)variant;
}

/* One run. Whether the program still made as many calls. */
static bool refuse(struct __test_metadata *_metadata, FIXTURE_DATA(refuse) *self,
		   char *setting, size_t from, size_t to)
{
	struct run run = { .from = from, .to = to };
	pid_t pid = start(setting);
	int i;

	trace(&run, pid);
	EXPECT_TRUE(WIFEXITED(run.status) && (WEXITSTATUS(run.status) == 0 ||
					      WEXITSTATUS(run.status) == 42))
		TH_LOG("%s, calls %zu to %zu refused: status 0x%x", setting,
		       from, to, run.status);
	self->noticed += WIFEXITED(run.status) && WEXITSTATUS(run.status) == 42;
	for (i = 0; i < CALLS; i++)
		self->kinds[i] += run.kinds[i];
	return run.seen >= from;
}

TEST_F_TIMEOUT(refuse, the_program_goes_on_whatever_single_call_is_refused, 300)
{
	size_t n;
	int i;

	for (n = 1; refuse(_metadata, self, variant->setting, n, n); n++)
		;
	for (i = 0; i < CALLS; i++)
		TH_LOG("refused %s %zu times", call_names[i], self->kinds[i]);
	/* Of these calls the work makes some for sure. */
	EXPECT_LT(0, self->kinds[BRK]);
	EXPECT_LT(0, self->kinds[MMAP]);
	EXPECT_LT(0, self->kinds[MUNMAP]);
	/* The full guard moves whatever grows, and keeps free memory filled. */
	EXPECT_EQ(variant->in_place, self->kinds[MREMAP] > 0);
	EXPECT_EQ(variant->in_place, self->kinds[MADVISE] > 0);
	EXPECT_LT(10, n);
}

TEST_F_TIMEOUT(refuse, the_program_goes_on_whenever_no_more_is_granted, 300)
{
	size_t n;

	for (n = 1; refuse(_metadata, self, variant->setting, n, SIZE_MAX); n++)
		;
	EXPECT_LT(10, n);
	/* Without any memory the program cannot have been content. */
	EXPECT_LT(0, self->noticed);
}

#else

TEST(the_program_goes_on_whatever_call_is_refused)
{
	SKIP(return, "the registers of a traced program are known for x86-64 only");
}

#endif

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
