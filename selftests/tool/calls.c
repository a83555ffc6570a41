// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls.c - a program whose malloc calls are known
 *
 * What it asks for by itself has sizes of TAG and above, which nothing in the C
 * library asks for, so that the tests can tell its calls from others.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

/* Not static: the compiler must not know what becomes of them. */
void *sink;
size_t too_many = SIZE_MAX / 2;

/* Each iteration: malloc, realloc, calloc and two frees. */
static void *some_calls(void *arg)
{
	long count = *(long *)arg, i;
	void *a, *b;

	for (i = 0; i < count; i++) {
		a = malloc(TAG);
		a = realloc(a, TAG + 1);
		b = calloc(2, TAG / 2 + 1);
		free(a);
		free(b);
	}
	return NULL;
}

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

static int in_threads(int threads, long each, bool at_once)
{
	pthread_t *t = malloc(threads * sizeof(*t));
	int i;

	for (i = 0; i < threads; i++) {
		if (pthread_create(&t[i], NULL, some_calls, &each))
			return 1;
		if (!at_once)
			pthread_join(t[i], NULL);
	}
	for (i = 0; at_once && i < threads; i++)
		pthread_join(t[i], NULL);
	free(t);
	return 0;
}

/* Every function once, each with a size of its own. */
static int each_function(void)
{
	void *p;

	sink = malloc(TAG + BRKRECORD_MALLOC);
	free(sink);
	sink = calloc(1, TAG + BRKRECORD_CALLOC);
	sink = realloc(sink, TAG + BRKRECORD_REALLOC);
	sink = reallocarray(sink, 1, TAG + BRKRECORD_REALLOCARRAY);
	sink = aligned_alloc(64, TAG + BRKRECORD_ALIGNED_ALLOC);
	if (posix_memalign(&p, 128, TAG + BRKRECORD_POSIX_MEMALIGN))
		return 1;
	sink = memalign(256, TAG + BRKRECORD_MEMALIGN);
	sink = valloc(TAG + BRKRECORD_VALLOC);
	sink = pvalloc(TAG + BRKRECORD_PVALLOC);
	errno = 0;
	sink = calloc(too_many, 4);
	return sink || errno != ENOMEM;
}

static int in_child(long each, bool with_vfork)
{
	pid_t pid;

	some_calls(&each);
	pid = with_vfork ? vfork() : fork();
	if (!pid) {
		if (!with_vfork)
			some_calls(&each);
		_exit(0);
	}
	some_calls(&each);
	return waitpid(pid, NULL, 0) != pid;
}

/* Children that execute this program once more, and then ourselves too. */
static int executed(const char *self, char *each, bool child)
{
	long count = atol(each);
	pid_t pid = child ? fork() : 0;
	char *argv[5];

	argv[0] = (char *)self;
	argv[1] = "threads";
	argv[2] = "1";
	argv[3] = each;
	argv[4] = NULL;
	if (child && pid)
		some_calls(&count);
	if (!pid) {
		if (!child)
			sink = malloc(TAG + BRKRECORD_MALLOC);
		execv(self, argv);
		_exit(1);
	}
	return waitpid(pid, NULL, 0) != pid;
}

/* So many bytes of a block, each page written once, as fast as can be. */
static int touched(long bytes)
{
	char *block = malloc(bytes);
	long at;

	for (at = 0; block && at < bytes; at += 4096)
		block[at] = 1;
	free(block);
	return !block;
}

static void got_signal(int number)
{
	_exit(number);
}

/* Ends with the number of the signal as its status. */
static noreturn void await_signal(void)
{
	static const int all[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	size_t i;

	for (i = 0; i < COUNT(all); i++)
		signal(all[i], got_signal);
	puts("ready");
	fflush(stdout);
	while (1)
		pause();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	long each = argc > 2 ? atol(argv[argc - 1]) : 0;

	if (!strcmp(mode, "threads") && argc == 4)
		return in_threads(atoi(argv[2]), each, true);
	if (!strcmp(mode, "threads-in-turn") && argc == 4)
		return in_threads(atoi(argv[2]), each, false);
	if (!strcmp(mode, "each"))
		return each_function();
	if (!strcmp(mode, "fork") || !strcmp(mode, "vfork"))
		return in_child(each, *mode == 'v');
	if (!strcmp(mode, "exec") || !strcmp(mode, "exec-child"))
		return executed(argv[0], argv[argc - 1], !strcmp(mode, "exec-child"));
	if (!strcmp(mode, "killed")) {
		some_calls(&each);
		raise(SIGKILL);
	}
	if (!strcmp(mode, "touch"))
		return touched(each);
	if (!strcmp(mode, "signal"))
		await_signal();
	fprintf(stderr, "calls: what?\n");
	return 2;
}
