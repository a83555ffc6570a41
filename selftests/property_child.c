// SPDX-License-Identifier: GPL-2.0-only
/*
 * property_child.c - the watched process: how is a step of the random test done?
 *
 * It is linked statically and calls no malloc, so that all it does to its
 * memory is what the test orders.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "property.h"

#define THREAD_STACK	(64 * 1024)

static struct step step;
static struct answer answer;
static char stacks[THREADS][THREAD_STACK] __attribute__((aligned(16)));
static int running[THREADS];
static uint64_t heap;

__asm__(".pushsection .text\n"
	".globl touch_read, touch_write, touch_failed\n"
	"touch_read:\n"
	"	movb (%rdi), %al\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"touch_write:\n"
	"	movb $1, (%rdi)\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"touch_failed:\n"
	"	movq $-1, %rax\n"
	"	ret\n"
	".popsection\n");

static void on_bad_access(int signal, siginfo_t *info, void *context)
{
	greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if (*ip != (greg_t)touch_read && *ip != (greg_t)touch_write)
		_exit(128 + signal);
	*ip = (greg_t)touch_failed;
}

/* How many of the pages could be touched */
static long touch(const uint64_t *arg)
{
	long done = 0;
	uint64_t i;

	for (i = 0; i < arg[1]; i++) {
		char *at = (char *)arg[0] + i * PAGE + (i * 64) % PAGE;

		done += !(arg[2] ? touch_write(at) : touch_read(at));
	}
	return done;
}

/* Not inlined and without a tail call, each call takes a page of the stack. */
static long __attribute__((noinline)) deepen(long pages)
{
	volatile char room[PAGE - 64];

	room[0] = 1;
	return pages > 0 ? deepen(pages - 1) + room[0] : 0;
}

static long wait_for(pid_t child)
{
	int status;

	if (child < 0)
		return -errno;
	return waitpid(child, &status, 0) == child ? status : -errno;
}

static long fork_and_touch(const uint64_t *arg)
{
	pid_t child = fork();

	if (!child) {
		touch(arg);
		_exit(0);
	}
	return wait_for(child);
}

static long vfork_and_touch(const uint64_t *arg)
{
	pid_t child = vfork();

	if (!child) {
		touch(arg);
		_exit(0);
	}
	return wait_for(child);
}

static long exec_again(void)
{
	char *const argv[] = { "property_child", NULL };
	char *const envp[] = { NULL };

	execve("/proc/self/exe", argv, envp);
	return -errno;
}

/* The library keeps the break in a variable, which threads would race for. */
static long move_break(const struct order *order, bool alone)
{
	void *now;

	if (!alone) {
		uint64_t wanted = order->arg[0];

		if (order->op == OP_SBRK)
			wanted += syscall(SYS_brk, 0);
		/* Below lies what the library keeps there. */
		if (order->op == OP_SBRK && wanted < heap)
			wanted = heap;
		return syscall(SYS_brk, wanted);
	}
	if (order->op == OP_BRK)
		return brk((void *)order->arg[0]) ? -errno : 0;
	now = sbrk(order->arg[0]);
	return now == (void *)-1 ? -errno : (long)now;
}

static const int number_of[OPS] = {
	[OP_MMAP] = SYS_mmap, [OP_MUNMAP] = SYS_munmap,
	[OP_MREMAP] = SYS_mremap, [OP_MPROTECT] = SYS_mprotect,
	[OP_MADVISE] = SYS_madvise, [OP_MLOCK] = SYS_mlock2,
	[OP_MUNLOCK] = SYS_munlock,
};

static long carry_out(const struct order *order, bool alone)
{
	const uint64_t *a = order->arg;
	long result;

	switch (order->op) {
	case OP_BRK:
	case OP_SBRK:
		return move_break(order, alone);
	case OP_TOUCH:
		return touch(a);
	case OP_READ:
		result = read(FD_ZERO, (void *)a[0], a[1]);
		break;
	case OP_WRITE:
		result = pwrite(FD_SINK, (void *)a[0], a[1], 0);
		break;
	case OP_STACK:
		return deepen(a[0]);
	case OP_FORK:
		return fork_and_touch(a);
	case OP_VFORK:
		return vfork_and_touch(a);
	case OP_EXEC:
		return exec_again();
	default:
		result = syscall(number_of[order->op], a[0], a[1], a[2], a[3],
				 a[4], a[5]);
	}
	return result == -1 ? -errno : result;
}

static int thread_main(void *data)
{
	uint32_t each = step.count / step.threads, i = (uintptr_t)data * each;
	uint32_t end = i + each;

	for (; i < end; i++)
		answer.result[i] = carry_out(&step.order[i], false);
	/* Returning would end in exit(3), and so does the library's exit(2). */
	syscall(SYS_exit, 0);
	return 0;
}

/*
 * Threads without a thread-local storage of their own: a pthread would call
 * malloc. When @running is zero, a thread touches user memory no more.
 */
static void run_threads(void)
{
	uint32_t i;
	int left;

	for (i = 0; i < step.threads; i++) {
		running[i] = 1;
		if (clone(thread_main, stacks[i] + THREAD_STACK,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
			  (void *)(uintptr_t)i, NULL, NULL, &running[i]) < 0)
			running[i] = 0;
	}
	for (i = 0; i < step.threads; i++)
		while ((left = __atomic_load_n(&running[i], __ATOMIC_ACQUIRE)))
			syscall(SYS_futex, &running[i], FUTEX_WAIT, left, NULL,
				NULL, 0);
	/* What the threads did the library has not seen. */
	brk((void *)syscall(SYS_brk, 0));
}

static void run_step(void)
{
	memset(&answer, 0, sizeof(answer));
	if (step.threads)
		run_threads();
	else
		answer.result[0] = carry_out(&step.order[0], true);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_bad_access,
				    .sa_flags = SA_SIGINFO };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	heap = (uint64_t)sbrk(0);
	do {
		answer.brk = (uint64_t)sbrk(0);
		if (write(FD_ANSWER, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
		if (read(FD_STEP, &step, sizeof(step)) != sizeof(step))
			return 0;
		run_step();
	} while (1);
}
