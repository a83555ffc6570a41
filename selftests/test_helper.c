// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_helper.c - the program that tests execute, let run or hold up
 *
 *   test_helper stop          stop, and exit with 0 when let go on
 *   test_helper exit STATUS   exit
 *   test_helper fault         fault, map and move the break until killed
 *   test_helper hold FILE     keep FILE open until standard input ends
 *   test_helper sleep-in-fault
 *                             touch a page where nobody answers; after a signal
 *                             USR1 answer, check the page, exit with 0
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int stop(void)
{
	kill(getpid(), SIGSTOP);
	return 0;
}

static int fault_forever(void)
{
	size_t page = sysconf(_SC_PAGESIZE), i;

	for (;;) {
		char *map = mmap(NULL, 64 * page, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			return 1;
		for (i = 0; i < 64; i++)
			*(volatile char *)(map + i * page) = 1;
		mprotect(map + 16 * page, page, PROT_READ);
		munmap(map, 64 * page);
		if (sbrk(page) == (void *)-1 || sbrk(-(long)page) == (void *)-1)
			return 1;
	}
}

static int hold(const char *file)
{
	char byte;
	int fd = open(file, O_RDONLY);

	if (fd < 0) {
		perror(file);
		return 1;
	}
	printf("open\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	close(fd);
	return 0;
}

/* Touches a page that only the other thread can give; returns what it read. */
static void *touch_missing(void *page)
{
	return (void *)(long)(*(volatile char *)page == 'x' ? 0 : 1);
}

static int sleep_in_fault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), number;
	char *missing, *given;
	struct uffdio_register range = {};
	struct uffdio_copy copy = {};
	pthread_t thread;
	void *result;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	missing = mmap(NULL, page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	given = mmap(NULL, page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(given, 'x', page);
	range.range.start = (unsigned long)missing;
	range.range.len = page;
	range.mode = UFFDIO_REGISTER_MODE_MISSING;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range)) {
		perror("userfaultfd");
		return 4;
	}
	kill(getpid(), SIGSTOP);
	if (pthread_create(&thread, NULL, touch_missing, missing))
		return 1;
	sigwait(&set, &number);
	copy.dst = (unsigned long)missing;
	copy.src = (unsigned long)given;
	copy.len = page;
	if (ioctl(fd, UFFDIO_COPY, &copy)) {
		perror("UFFDIO_COPY");
		return 1;
	}
	pthread_join(thread, &result);
	return result ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "stop"))
		return stop();
	if (!strcmp(what, "exit") && argc > 2)
		return atoi(argv[2]);
	if (!strcmp(what, "fault"))
		return fault_forever();
	if (!strcmp(what, "hold") && argc > 2)
		return hold(argv[2]);
	if (!strcmp(what, "sleep-in-fault"))
		return sleep_in_fault();
	fprintf(stderr, "%s: give one of: stop, exit STATUS, fault, hold FILE, sleep-in-fault\n",
		argv[0]);
	return 2;
}
