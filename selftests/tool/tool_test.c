// SPDX-License-Identifier: GPL-2.0-only
/*
 * tool_test.c - how do the tests find and run the tool?
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool_test.h"

/**
 * build_path() - a product of the build
 * @below: its path below the build directory
 *
 * Return: its whole path, in new memory; tests lie in selftests/tool/ there
 */
char *build_path(const char *below)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int up;

	if (length < 0)
		die("cannot read /proc/self/exe");
	self[length] = 0;
	for (up = 0; up < 3; up++)
		*strrchr(self, '/') = 0;
	return xasprintf("%s/%s", self, below);
}

/**
 * temporary_file() - a new, empty file
 *
 * Return: its name, in new memory; remove the file after use
 */
char *temporary_file(void)
{
	const char *folder = getenv("TMPDIR");
	char *path = xasprintf("%s/brkscope.XXXXXX", folder ? folder : "/tmp");
	int fd = mkstemp(path);

	if (fd < 0)
		die("cannot make a temporary file %s", path);
	close(fd);
	return path;
}

/**
 * run_command() - run a shell command
 * @output: gets what it says on both outputs
 * @room: bytes of @output
 * @format: the command, as for printf(3)
 *
 * Return: its exit status, 128 + signal as of the shell
 */
int run_command(char *output, size_t room, const char *format, ...)
{
	size_t used = 0, got;
	char *inner, *command;
	va_list args;
	FILE *pipe;
	int status;

	va_start(args, format);
	if (vasprintf(&inner, format, args) < 0)
		die("out of memory");
	va_end(args);
	command = xasprintf("exec 2>&1; %s", inner);
	pipe = popen(command, "r");
	if (!pipe)
		die("cannot run %s", command);
	while (used + 1 < room && (got = fread(output + used, 1, room - used - 1, pipe)))
		used += got;
	output[used] = 0;
	status = pclose(pipe);
	free(inner);
	free(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
