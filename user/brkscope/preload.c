// SPDX-License-Identifier: GPL-2.0-only
/*
 * preload.c - which libraries come before the program's own?
 *
 * libbrkrecord.so first, so that it sees the program's calls, then
 * libbrkmalloc.so if it is to serve them, then what the user preloads.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../record/record.h"
#include "preload.h"

#define LIBDIR_ENV	"BRKSCOPE_LIBDIR"

/* The folder of this program's own file, in new memory. */
static char *own_folder(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length <= 0)
		die("cannot read /proc/self/exe: is /proc mounted?");
	path[length] = 0;
	*strrchr(path, '/') = 0;
	return xstrdup(path);
}

static char *find_library(const char *name)
{
	static const char *const below[] = { "", "/../lib/brkscope", "/../lib" };
	const char *folder = getenv(LIBDIR_ENV);
	char *own, *path;
	size_t i;

	if (folder) {
		path = xasprintf("%s/%s", folder, name);
		if (access(path, R_OK))
			die("%s: there is no %s to read (" LIBDIR_ENV " says so)", folder, name);
		return path;
	}
	own = own_folder();
	for (i = 0; i < ARRAY_SIZE(below); i++) {
		path = xasprintf("%s%s/%s", own, below[i], name);
		if (!access(path, R_OK)) {
			free(own);
			return path;
		}
		free(path);
	}
	die("%s is not in %s nor in ../lib/brkscope: `make user` builds it, or %s names its folder",
	    name, own, LIBDIR_ENV);
}

static void add_library(char **list, const char *name)
{
	char *path = find_library(name), *old = *list;

	if (strpbrk(path, " :"))
		die("%s cannot be preloaded: a path with a blank or colon cannot. Move the tree",
		    path);
	*list = xasprintf("%s%s%s", old ? old : "", old ? ":" : "", path);
	free(old);
	free(path);
}

static bool is_set_by_us(const char *variable)
{
	return !strncmp(variable, "LD_PRELOAD=", 11) ||
	       !strncmp(variable, BRKRECORD_ENV "=", sizeof(BRKRECORD_ENV));
}

/**
 * preload_environment() - our environment, changed so that libraries are preloaded
 * @record: preload libbrkrecord.so
 * @ours: preload libbrkmalloc.so
 * @log_path: where libbrkrecord.so finds its log
 *
 * Ends the tool, with the reason, if a library is not to be found.
 *
 * Return: the environment, for preload_free()
 */
char **preload_environment(bool record, bool ours, const char *log_path)
{
	const char *users = getenv("LD_PRELOAD");
	size_t count = 0, used = 0;
	char *list = NULL;
	char **env;

	if (record)
		add_library(&list, "libbrkrecord.so");
	if (ours)
		add_library(&list, "libbrkmalloc.so");
	while (environ[count])
		count++;
	env = xmalloc((count + 3) * sizeof(*env));
	for (count = 0; environ[count]; count++)
		if (!is_set_by_us(environ[count]))
			env[used++] = xstrdup(environ[count]);
	if (list && users && *users)
		env[used++] = xasprintf("LD_PRELOAD=%s:%s", list, users);
	else if (list || users)
		env[used++] = xasprintf("LD_PRELOAD=%s", list ? list : users);
	if (record)
		env[used++] = xasprintf(BRKRECORD_ENV "=%s", log_path);
	free(list);
	return env;
}

/**
 * preload_free() - give an environment back
 * @environment: what preload_environment() returned
 */
void preload_free(char **environment)
{
	size_t i;

	for (i = 0; environment[i]; i++)
		free(environment[i]);
	free(environment);
}
