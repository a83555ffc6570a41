// SPDX-License-Identifier: GPL-2.0-only
/*
 * signal_test.c - is every access told that the kernel answered with a signal?
 *
 * Held against what the signal's handler is told.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

/**
 * struct told - what a handler was told
 * @count: how often it ran
 * @info: the last time
 * @ip: of the instruction that did it
 */
static struct told {
	int count;
	siginfo_t info;
	uint64_t ip;
	uint32_t tid;
} told;

static sigjmp_buf back;
static char *volatile to_mend;

static void note(siginfo_t *info, void *context)
{
	const ucontext_t *user = context;

	told.count++;
	told.info = *info;
	told.ip = user->uc_mcontext.gregs[REG_RIP];
	told.tid = gettid();
}

static void leave(int number, siginfo_t *info, void *context)
{
	(void)number;
	note(info, context);
	siglongjmp(back, 1);
}

static void mend(int number, siginfo_t *info, void *context)
{
	(void)number;
	note(info, context);
	if (mprotect(to_mend, scope_page_size(), PROT_READ | PROT_WRITE))
		_exit(1);
}

static void go_on(int number, siginfo_t *info, void *context)
{
	(void)number;
	note(info, context);
}

static void handle(void (*handler)(int number, siginfo_t *info, void *context))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

FIXTURE(signal) {
	pid_t pid;
	size_t page;
	char *area;		/* two pages, the second not mapped */
	int events;
};

FIXTURE_SETUP(signal)
{
	scope_prepare();
	memset(&told, 0, sizeof(told));
	self->pid = getpid();
	self->page = scope_page_size();
	self->area = scope_area(2);
	ASSERT_NE(NULL, self->area);
	ASSERT_EQ(0, munmap(self->area + self->page, self->page));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
	handle(leave);
}

FIXTURE_TEARDOWN(signal)
{
	close(self->events);
	scope_unwatch(self->pid);
}

/* The signal records since the last call at the front of scope_records. */
static ssize_t new_signals(int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	return count < 0 ? count :
	       (ssize_t)scope_keep(scope_records, count, BRKSCOPE_SIGNAL, 0, 0);
}

/* Is the record what the handler was told? */
static bool is_as_told(const struct brkscope_record *r)
{
	return r->signal.addr == (uintptr_t)told.info.si_addr && r->signal.ip == told.ip &&
	       r->signal.signo == told.info.si_signo &&
	       r->signal.si_code == told.info.si_code && r->tid == told.tid &&
	       r->code == 0 && r->flags == 0 && r->time <= scope_now();
}

static void read_at(void *address)
{
	(void)*(volatile char *)address;
}

static void write_at(void *address)
{
	*(volatile char *)address = 1;
}

static void jump_to(void *address)
{
	((void (*)(void))address)();
}

/* Let @access happen and leave it by the handler. */
static void try_access(void (*access)(void *address), void *address)
{
	if (!sigsetjmp(back, 1))
		access(address);
}

TEST_F(signal, a_read_outside_every_vma_is_segv_maperr)
{
	try_access(read_at, self->area + self->page + 100);
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_EQ(SEGV_MAPERR, scope_records[0].signal.si_code);
	EXPECT_EQ((uintptr_t)self->area + self->page + 100, scope_records[0].signal.addr);
	EXPECT_EQ(BRKSCOPE_NAME_NONE, scope_records[0].signal.name);
	EXPECT_EQ(1, scope_number(self->pid, "signals"));
}

TEST_F(signal, a_write_to_a_read_only_page_is_segv_accerr_each_time)
{
	int i;

	ASSERT_EQ(0, mprotect(self->area, self->page, PROT_READ));
	for (i = 0; i < 5; i++)
		try_access(write_at, self->area + i);
	ASSERT_EQ(5, told.count);
	ASSERT_EQ(5, new_signals(self->events));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(SEGV_ACCERR, scope_records[i].signal.si_code);
		EXPECT_EQ((uintptr_t)self->area + i, scope_records[i].signal.addr);
	}
	EXPECT_TRUE(is_as_told(&scope_records[4]));
}

TEST_F(signal, a_jump_to_what_is_no_code_has_the_address_as_its_instruction)
{
	write_at(self->area);
	try_access(jump_to, self->area);
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_EQ((uintptr_t)self->area, scope_records[0].signal.addr);
	EXPECT_EQ((uintptr_t)self->area, scope_records[0].signal.ip);
	EXPECT_EQ(SEGV_ACCERR, scope_records[0].signal.si_code);
}

TEST_F(signal, an_access_beyond_the_end_of_a_file_is_sigbus_with_the_files_name)
{
	int fd = memfd_create("short file", 0);
	char *map;

	ASSERT_EQ(0, ftruncate(fd, 100));
	map = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	read_at(map);
	try_access(read_at, map + self->page);
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(SIGBUS, told.info.si_signo);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_EQ(BUS_ADRERR, scope_records[0].signal.si_code);
	ASSERT_LT(0, scope_read(self->pid, "events"));
	EXPECT_NE(NULL, strstr(scope_text, " adrerr /memfd:short file (deleted)\n"));
	close(fd);
}

TEST_F(signal, an_address_that_is_not_canonical_is_told_without_an_address)
{
	try_access(read_at, (void *)(1UL << 63));
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_EQ(SI_KERNEL, scope_records[0].signal.si_code);
	EXPECT_EQ(0, scope_records[0].signal.addr);
}

TEST_F(signal, an_access_that_the_handler_mends_is_one_record)
{
	handle(mend);
	to_mend = self->area;
	ASSERT_EQ(0, mprotect(self->area, self->page, PROT_NONE));
	write_at(self->area + 8);
	EXPECT_EQ(1, self->area[8]);
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_EQ(SEGV_ACCERR, scope_records[0].signal.si_code);
}

TEST_F(signal, signals_sent_by_hand_make_no_record)
{
	siginfo_t forged = { .si_signo = SIGSEGV, .si_code = SEGV_MAPERR };

	handle(go_on);
	forged.si_addr = self->area;
	ASSERT_EQ(0, kill(self->pid, SIGSEGV));
	ASSERT_EQ(0, raise(SIGBUS));
	ASSERT_EQ(0, sigqueue(self->pid, SIGSEGV, (union sigval) { .sival_int = 1 }));
	ASSERT_EQ(0, syscall(SYS_rt_sigqueueinfo, self->pid, SIGSEGV, &forged));
	ASSERT_EQ(0, syscall(SYS_rt_tgsigqueueinfo, self->pid, self->pid, SIGSEGV, &forged));
	forged.si_code = SI_KERNEL;
	ASSERT_EQ(0, syscall(SYS_rt_tgsigqueueinfo, self->pid, self->pid, SIGSEGV, &forged));
	ASSERT_EQ(6, told.count);
	EXPECT_EQ(0, new_signals(self->events));
	EXPECT_EQ(0, scope_number(self->pid, "signals"));
}

TEST_F(signal, a_system_call_that_fails_with_efault_makes_no_record)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(-1, write(ends[1], self->area + self->page, 8));
	ASSERT_EQ(EFAULT, errno);
	EXPECT_EQ(0, told.count);
	EXPECT_EQ(0, new_signals(self->events));
	close(ends[0]);
	close(ends[1]);
}

static void *bad_read(void *address)
{
	try_access(read_at, address);
	return NULL;
}

TEST_F(signal, an_access_by_a_thread_carries_its_thread_id)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, bad_read, self->area + self->page));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, told.count);
	ASSERT_EQ(1, new_signals(self->events));
	EXPECT_TRUE(is_as_told(scope_records));
	EXPECT_NE((uint32_t)self->pid, scope_records[0].tid);
}

TEST_F(signal, the_access_that_kills_is_the_last_but_the_end)
{
	pid_t child = child_start();
	ssize_t count, i;
	int events;

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		child_stop_here();
		write_at(self->area + self->page);
		_exit(0);
	}
	ASSERT_EQ(0, child_until_stopped(child));
	ASSERT_EQ(0, scope_watch(child));
	EXPECT_EQ(SIGSEGV, child_end(child) & 127);
	events = scope_events(child, NULL);
	count = scope_drain(events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(2, count);
	EXPECT_EQ(BRKSCOPE_EXIT, scope_records[count - 1].kind);
	for (i = count - 1; i > 0 && scope_records[i].kind != BRKSCOPE_SIGNAL; )
		i--;
	EXPECT_EQ(BRKSCOPE_SIGNAL, scope_records[i].kind);
	EXPECT_EQ((uintptr_t)self->area + self->page, scope_records[i].signal.addr);
	close(events);
	scope_unwatch(child);
}

TEST_HARNESS_MAIN
