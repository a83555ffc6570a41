// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long does a program run, and how much memory does it hold at its peak?
 *
 * usage: measure FILE PROGRAM [ARGUMENT]...
 *
 * Runs PROGRAM and writes one line to FILE: wall time and processor time in
 * nanoseconds, peak resident memory in KiB, exit status (128 + signal). The peak
 * is that of the largest process among PROGRAM and the children it waited for.
 *
 * This is a static program of its own because a process begins its life, in the
 * kernel's account, with the peak of the one that it was forked from: that of an
 * interpreter would hide those of all small programs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

static uint64_t to_ns(struct timeval t)
{
	return t.tv_sec * 1000000000UL + t.tv_usec * 1000UL;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	uint64_t start, wall;
	int status;
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FILE PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	start = now();
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "measure: %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
		perror("measure");
		return 1;
	}
	wall = now() - start;

	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	out = fopen(argv[1], "w");
	if (!out ||
	    fprintf(out, "%lu %lu %ld %d\n", wall,
		    to_ns(usage.ru_utime) + to_ns(usage.ru_stime), usage.ru_maxrss,
		    status) < 0 ||
	    fclose(out)) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
