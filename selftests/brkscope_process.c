// SPDX-License-Identifier: GPL-2.0-only
/*
 * brkscope_process.c - how does a test handle a process, and what does the kernel say of it?
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "brkscope_test.h"

static char stat_text[4096];

/**
 * scope_stat() - one numeric field of /proc/PID/stat
 * @pid: process
 * @field: its number as proc(5) counts, from 4
 *
 * Return: the number, or -errno.
 */
int64_t scope_stat(pid_t pid, int field)
{
	char path[64], *at;
	ssize_t got;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	got = scope_read_path(path, stat_text, sizeof(stat_text));
	if (got < 0)
		return got;
	at = strrchr(stat_text, ')');
	for (i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoll(at + 1, NULL, 10) : -EPROTO;
}

/** scope_state() - the state letter of /proc/PID/stat, '?' if there is none */
char scope_state(pid_t pid)
{
	char path[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (scope_read_path(path, stat_text, sizeof(stat_text)) < 0)
		return '?';
	at = strrchr(stat_text, ')');
	return at && at[1] ? at[2] : '?';
}

/* Minor + major faults as the kernel counts them. */
static int64_t kernels_count(pid_t pid)
{
	static struct rusage usage;

	if (pid != getpid())
		return scope_stat(pid, 10) + scope_stat(pid, 12);
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/**
 * scope_settled() - a number of a summary that reading it does not change
 * @pid: the watched process, which may be the caller
 * @name: of the number
 *
 * The caller's first readings may fault in code and buffers of the reader.
 *
 * Return: the number, or -errno; -EAGAIN if it never stands still.
 */
int64_t scope_settled(pid_t pid, const char *name)
{
	int64_t last = -1, now = scope_number(pid, name);
	int i;

	for (i = 0; i < 100 && now != last && now >= 0; i++) {
		last = now;
		now = scope_number(pid, name);
	}
	return now == last || now < 0 ? now : -EAGAIN;
}

/**
 * scope_miscounted() - how far is the module off the kernel's count of faults?
 * @pid: the watched process, which may be the caller
 *
 * The kernel's count is read between two equal readings of the module's, so
 * that both are of the same moment.
 *
 * Return: faults that the module tells beyond those of getrusage(2);
 * INT64_MIN if the numbers never stand still or cannot be read.
 */
int64_t scope_miscounted(pid_t pid)
{
	int64_t before, kernels, after;
	int i;

	for (i = 0; i < 100; i++) {
		before = scope_number(pid, "faults_rusage");
		kernels = kernels_count(pid);
		after = scope_number(pid, "faults_rusage");
		if (before >= 0 && before == after)
			return after + scope_number(pid, "rusage_before") -
			       kernels;
	}
	return INT64_MIN;
}

/**
 * scope_wait_state() - wait until a process is in a state
 * @pid: process
 * @state: letter as in /proc/PID/stat
 *
 * Return: false if it was not so for 20 seconds.
 */
bool scope_wait_state(pid_t pid, char state)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	for (i = 0; i < 2000; i++) {
		if (scope_state(pid) == state)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/**
 * scope_poke() - write to the memory of another process
 * @pid: process
 * @to: there
 * @from: here
 * @size: bytes
 *
 * A kernel without CONFIG_CROSS_MEMORY_ATTACH has no process_vm_writev(2); a
 * write to /proc/PID/mem goes the same way through the page tables.
 *
 * Return: bytes written or -errno.
 */
ssize_t scope_poke(pid_t pid, void *to, const void *from, size_t size)
{
	struct iovec own = { (void *)from, size }, other = { to, size };
	ssize_t done = process_vm_writev(pid, &own, 1, &other, 1, 0);
	char path[64];
	int fd;

	if (done >= 0 || errno != ENOSYS)
		return done < 0 ? -errno : done;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = pwrite(fd, from, size, (uintptr_t)to);
	if (done < 0)
		done = -errno;
	close(fd);
	return done;
}

/**
 * scope_pagemap() - what /proc/self/pagemap says of one page
 * @address: in the page
 * @entry: where to: bit 63 present, bit 62 swapped, low bits the frame
 *
 * Return: 0 or -errno.
 */
int scope_pagemap(const void *address, uint64_t *entry)
{
	off_t at = (uintptr_t)address / scope_page_size() * sizeof(*entry);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = pread(fd, entry, sizeof(*entry), at);
	close(fd);
	return got == sizeof(*entry) ? 0 : -EIO;
}

/**
 * scope_frame() - number of the page frame behind an address of the caller
 * @address: in the page
 *
 * Return: the number, or 0 if there is none or the caller may not see it.
 */
uint64_t scope_frame(const void *address)
{
	uint64_t entry;

	if (scope_pagemap(address, &entry) || !(entry >> 63))
		return 0;
	return entry & ((1ULL << 55) - 1);
}

/**
 * scope_area() - untouched private memory of small pages only
 * @pages: how many
 *
 * A page without access on either side keeps the kernel from merging it.
 *
 * Return: its start, or NULL.
 */
void *scope_area(size_t pages)
{
	size_t page = scope_page_size();
	char *area = mmap(NULL, (pages + 2) * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	area += page;
	if (mprotect(area, pages * page, PROT_READ | PROT_WRITE) ||
	    (madvise(area, pages * page, MADV_NOHUGEPAGE) && errno != EINVAL))
		return NULL;
	return area;
}

/**
 * scope_program() - where is a program that was built beside this test?
 * @name: of the program
 * @path: where to
 * @size: bytes there
 *
 * Return: 0 or -errno.
 */
int scope_program(const char *name, char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size);

	if (length < 0)
		return -errno;
	while (length && path[length - 1] != '/')
		length--;
	if (length + strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(path + length, name);
	return 0;
}

/**
 * scope_crowd() - make many VMAs
 * @count: how many, of a page each
 *
 * Return: the first, or NULL. The next is a page above.
 */
void *scope_crowd(size_t count)
{
	size_t page = scope_page_size(), i;
	char *area = mmap(NULL, (count + 1) * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	for (i = 1; i < count; i += 2)
		if (mprotect(area + i * page, page, PROT_READ))
			return NULL;
	return area;
}

/**
 * scope_ranged() - let the module compare VMAs where they may have changed, or all
 * @ranged: only where they may have changed
 *
 * Return: 0 or -errno.
 */
int scope_ranged(bool ranged)
{
	int fd = open("/sys/module/brkscope/parameters/ranged", O_WRONLY | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, ranged ? "Y" : "N", 1);
	close(fd);
	return done == 1 ? 0 : -EIO;
}

/**
 * child_start() - fork; the child dies with the caller
 *
 * Return: as fork(2).
 */
pid_t child_start(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* There is no signal for a death before that. */
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/**
 * child_become_user() - in a child: be the user SCOPE_USER for good
 *
 * That user can watch it, and it still dies with the caller of child_start().
 *
 * Return: 0, or another number if it could not be done.
 */
int child_become_user(void)
{
	return setgroups(0, NULL) ||
	       setresgid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       setresuid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int write_file(const char *path, const char *format, int number)
{
	char text[64];
	int length = snprintf(text, sizeof(text), format, number);
	int fd = open(path, O_WRONLY);
	ssize_t done = fd < 0 ? -1 : write(fd, text, length);

	close(fd);
	return done == length ? 0 : -1;
}

/**
 * namespace_make() - in a child that is the user: go into new namespaces
 * @flags: which, besides a user namespace, as for unshare(2)
 * @uid_map: of that; %d is SCOPE_USER
 * @gid_map: likewise
 *
 * Return: 0, or another number if it could not be done.
 */
int namespace_make(int flags, const char *uid_map, const char *gid_map)
{
	return unshare(CLONE_NEWUSER | flags) ||
	       write_file("/proc/self/setgroups", "deny", 0) ||
	       write_file("/proc/self/uid_map", uid_map, SCOPE_USER) ||
	       write_file("/proc/self/gid_map", gid_map, SCOPE_USER);
}

/** child_stop_here() - in the child: stop until child_continue() */
void child_stop_here(void)
{
	kill(getpid(), SIGSTOP);
}

/** child_until_stopped() - wait until the child stops; 0, or -ECHILD if it ended */
int child_until_stopped(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return -ECHILD;
	return 0;
}

/** child_continue() - let a stopped child go on; 0 or -errno */
int child_continue(pid_t pid)
{
	return kill(pid, SIGCONT) ? -errno : 0;
}

/** child_next_stop() - let the child go on to where it stops again; 0 or -errno */
int child_next_stop(pid_t pid)
{
	return child_continue(pid) ?: child_until_stopped(pid);
}

/**
 * child_watched() - make a child that is watched
 * @child: gets its process id
 * @events: gets its stream, open, not blocking
 * @main: what it runs from its first stop on
 *
 * Return: 0, with the child stopped, or -errno.
 */
int child_watched(pid_t *child, int *events, void (*main)(void))
{
	*child = child_start();
	if (!*child) {
		child_stop_here();
		main();
		_exit(0);
	}
	if (*child < 0 || child_until_stopped(*child))
		return -ECHILD;
	if (scope_watch(*child))
		return -EPERM;
	*events = scope_events(*child, NULL);
	return *events < 0 ? *events : 0;
}

/** child_end() - let the child go on to its end; its wait status or -errno */
int child_end(pid_t pid)
{
	int status;

	kill(pid, SIGCONT);
	return waitpid(pid, &status, 0) == pid ? status : -errno;
}

/** child_drop() - end a child and its watch, if there are any */
void child_drop(pid_t pid)
{
	if (pid <= 0)
		return;
	scope_unwatch(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void *thread_main(void *run)
{
	((void (*)(void))run)();
	return NULL;
}

/** thread_run() - run something in a thread of its own, and wait for that */
void thread_run(void (*run)(void))
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, run);
	pthread_join(thread, NULL);
}
