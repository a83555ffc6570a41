// SPDX-License-Identifier: GPL-2.0-only
/*
 * property_test.c - is there anything a process can do to its memory that the module gets wrong?
 *
 * Random steps, and after each of them the whole comparison of
 * property_check.c. Every few hundred steps a new process begins, or two that
 * take turns, or one with threads that do their steps at once.
 *
 *   SEED    the seed of the first process; a failure names the one to give
 *   STEPS   how many steps in all (20000)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "property.h"

#define RUN_STEPS	500	/* between two new processes */
#define HISTORY		20	/* steps that a failure shows */

static struct subject subjects[2];

/* The last steps, the oldest overwritten first */
static struct {
	uint64_t number;
	int subject;
	struct step step;
	struct answer answer;
} history[HISTORY];

static int memory_file(const char *name, size_t bytes)
{
	int fd = memfd_create(name, 0);

	return fd < 0 || ftruncate(fd, bytes) ? -1 : fd;
}

static void give(int fd, int as)
{
	if (fd < 0 || dup2(fd, as) != as)
		_exit(1);
}

/* In the new process: the files it needs, fixed addresses, its program. */
static void become_child(const char *program, int orders, int answers)
{
	char *const argv[] = { "property_child", NULL };
	char *const envp[] = { NULL };

	give(orders, FD_STEP);
	give(answers, FD_ANSWER);
	give(memory_file("property", FILE_PAGES * PAGE), FD_FILE);
	give(open(program, O_RDONLY), FD_PROGRAM);
	give(open("/dev/zero", O_RDONLY), FD_ZERO);
	give(memory_file("sink", 0), FD_SINK);
	close_range(3, FD_STEP - 1, 0);
	close_range(FD_SINK + 1, ~0U, 0);
	/* The same seed shall meet the same addresses. */
	personality(ADDR_NO_RANDOMIZE);
	execve(program, argv, envp);
	_exit(1);
}

static bool get_answer(struct subject *subject)
{
	return read(subject->answers, &subject->last, sizeof(subject->last)) ==
	       sizeof(subject->last);
}

/* A new program: what it has now it needs. */
static int note_program(struct subject *subject)
{
	subject->heap = subject->last.brk;
	return maps_read(subject->pid, &subject->fixed);
}

static const char *begin(struct subject *subject)
{
	char program[4096];
	int to[2], from[2];

	if (scope_program("property_child", program, sizeof(program)) ||
	    pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return "no pipes";
	subject->pid = fork();
	if (!subject->pid)
		become_child(program, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	subject->orders = to[1];
	subject->answers = from[0];
	subject->events = -1;
	if (subject->pid < 0 || !get_answer(subject) || note_program(subject))
		return "the process did not start";
	if (scope_control("watch %d buffer=8M\n", subject->pid))
		return "the process cannot be watched";
	subject->events = scope_events(subject->pid, NULL);
	if (subject->events < 0)
		return "no events.bin";
	check_begin(subject);
	return check_now(subject, NULL);
}

static void end(struct subject *subject)
{
	if (subject->pid <= 0)
		return;
	close(subject->orders);
	close(subject->answers);
	if (subject->events >= 0)
		close(subject->events);
	scope_unwatch(subject->pid);
	kill(subject->pid, SIGKILL);
	waitpid(subject->pid, NULL, 0);
	subject->pid = 0;
}

/* What another process does to the memory, while its owner sleeps */
static int64_t remote_access(pid_t pid, const struct order *order)
{
	static char bytes[16 * PAGE];
	struct iovec own = { bytes, order->arg[1] };
	struct iovec other = { (void *)order->arg[0], order->arg[1] };
	char path[64];
	ssize_t done;
	int fd;

	switch (order->arg[2]) {
	case REMOTE_READ:
		done = process_vm_readv(pid, &own, 1, &other, 1, 0);
		break;
	case REMOTE_WRITE:
		done = process_vm_writev(pid, &own, 1, &other, 1, 0);
		break;
	default:
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		done = pwrite(fd, bytes, order->arg[1], order->arg[0]);
		if (done < 0)
			done = -errno;
		close(fd);
		return done;
	}
	return done < 0 ? -errno : done;
}

static const char *do_step(struct subject *subject, const struct step *step)
{
	if (step->order[0].op == OP_REMOTE) {
		subject->last.result[0] = remote_access(subject->pid,
							&step->order[0]);
		return NULL;
	}
	if (write(subject->orders, step, sizeof(*step)) != sizeof(*step) ||
	    !get_answer(subject))
		return "the process does not answer";
	if (step->order[0].op == OP_EXEC && note_program(subject))
		return "the process has no maps";
	return NULL;
}

/**
 * struct run - a number of steps with new processes
 * @seed: of it
 * @random: state of the random numbers
 * @subjects: how many processes take turns
 * @threads: they have threads
 * @steps: done so far
 */
struct run {
	uint64_t seed;
	uint64_t random;
	int subjects;
	bool threads;
	uint64_t steps;
};

static const char *next_step(struct run *run)
{
	int which = scope_random(&run->random) % run->subjects;
	struct subject *subject = &subjects[which];
	typeof(history[0]) *entry = &history[run->steps % HISTORY];
	const char *wrong;

	entry->number = ++run->steps;
	entry->subject = which;
	step_choose(subject, run->threads, &run->random, &entry->step);
	memset(&entry->answer, 0, sizeof(entry->answer));
	wrong = do_step(subject, &entry->step);
	entry->answer = subject->last;
	return wrong ?: check_now(subject, &entry->step);
}

static const char *run_steps(struct run *run, uint64_t count)
{
	const char *wrong = NULL;
	int i;

	run->random = run->seed;
	run->subjects = 1 + !(scope_random(&run->random) % 4);
	run->threads = !(scope_random(&run->random) % 3);
	run->steps = 0;
	for (i = 0; i < run->subjects && !wrong; i++)
		wrong = begin(&subjects[i]);
	while (!wrong && run->steps < count)
		wrong = next_step(run);
	for (i = 0; i < run->subjects && !wrong; i++)
		wrong = check_from_start(&subjects[i]);
	return wrong;
}

static void print_failure(const struct run *run, const char *wrong)
{
	uint64_t i = run->steps < HISTORY ? 0 : run->steps - HISTORY;

	printf("# SEED=%llu STEPS=%llu property_test repeats it: step %llu, %s\n",
	       (unsigned long long)run->seed, (unsigned long long)run->steps,
	       (unsigned long long)run->steps, wrong);
	for (; i < run->steps; i++) {
		typeof(history[0]) *entry = &history[i % HISTORY];

		printf("# step %llu%s\n", (unsigned long long)entry->number,
		       entry->subject ? ", the other process" : "");
		step_print(stdout, &entry->step, &entry->answer);
	}
	fflush(stdout);
}

FIXTURE(random) {
	uint64_t steps;
};

FIXTURE_SETUP(random)
{
	const char *given = getenv("STEPS");

	self->steps = given ? strtoull(given, NULL, 0) : 20000;
	ASSERT_LT(0, self->steps)
		TH_LOG("STEPS=%s is no number of steps", given);
}

FIXTURE_TEARDOWN(random)
{
	end(&subjects[0]);
	end(&subjects[1]);
}

/* A soak may take days; in the suite the runner has its own limit. */
TEST_F_TIMEOUT(random, steps_leave_nothing_that_the_module_does_not_know, 30 * 86400)
{
	struct run run = { .seed = scope_seed("property_test") };
	uint64_t done = 0, count, begun = scope_now();
	const char *wrong;

	while (done < self->steps) {
		count = self->steps - done;
		if (count > RUN_STEPS)
			count = RUN_STEPS;
		wrong = run_steps(&run, count);
		if (wrong)
			print_failure(&run, wrong);
		ASSERT_EQ(NULL, wrong);
		end(&subjects[0]);
		end(&subjects[1]);
		done += count;
		if (done % 5000 < RUN_STEPS)
			TH_LOG("%llu steps in %llu s", (unsigned long long)done,
			       (unsigned long long)(scope_now() - begun) / 1000000000);
		run.seed = run.random;
	}
}

TEST_HARNESS_MAIN
