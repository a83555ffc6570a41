// SPDX-License-Identifier: GPL-2.0-only
/*
 * redteam.c - how does a test let an ordinary user try something?
 */
#include <string.h>
#include <unistd.h>

#include "redteam.h"

pid_t idle_pids[MOST];

/** parameter() - the number that a parameter of the module has, or -1 */
long parameter(const char *name)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/sys/module/brkscope/parameters/%s", name);
	return scope_read_path(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

/** idle() - start a process that does nothing; as fork(2) */
pid_t idle(void)
{
	pid_t pid = child_start();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/** start_idle() - fill the front of idle_pids; 0 or -1 */
int start_idle(int count)
{
	int i;

	for (i = 0; i < count; i++) {
		idle_pids[i] = idle();
		if (idle_pids[i] <= 0)
			return -1;
	}
	return 0;
}

/** end_idle() - end those, and their watches */
void end_idle(int count)
{
	int i;

	for (i = 0; i < count; i++) {
		kill(idle_pids[i], SIGKILL);
		waitpid(idle_pids[i], NULL, 0);
		scope_unwatch(idle_pids[i]);
	}
}

/**
 * as_user() - do something as the ordinary user, in a child
 * @action: what
 * @number: for @action
 *
 * Return: what @action returns, which must be below 99; 99 if the child could
 * not become the user; the negative number of the signal that killed it.
 */
int as_user(int (*action)(long number), long number)
{
	pid_t child = child_start();
	int status;

	if (!child)
		_exit(child_become_user() ? 99 : action(number));
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/** control_rows() - rows of control in a state, as the caller sees it, or -1 */
int control_rows(const char *state)
{
	char word[16];
	int count = 0, pid;
	char *line;

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return -1;
	for (line = scope_text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		count += sscanf(line, "%d %15s", &pid, word) == 2 &&
			 !strcmp(word, state);
	}
	return count;
}
