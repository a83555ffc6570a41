// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - which subcommand is it?
 */
#include <string.h>

#include "tool.h"

static const char usage[] =
"usage: brkscope COMMAND ...\n"
"See what malloc makes the kernel do.\n"
"\n"
"  brkscope run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
"                                     run a program and record it\n"
"  brkscope report [OPTION]... FILE   show what was recorded\n"
"  brkscope help [COMMAND]            this text, or that of a command\n"
"  brkscope --version\n"
"\n"
"Each command explains itself with --help. The manual: brkscope(1).\n";

static const struct command {
	const char *name;
	int (*function)(int argc, char **argv);
} commands[] = {
	{ "run", command_run },
	{ "report", command_report },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int explain(const char *name)
{
	const struct command *command = name ? find_command(name) : NULL;
	char *argv[3];

	argv[0] = (char *)name;
	argv[1] = "--help";
	argv[2] = NULL;
	if (command)
		return command->function(2, argv);
	if (name)
		die("there is no command `%s'. Try `brkscope help'", name);
	fputs(usage, stdout);
	return 0;
}

static bool is_one_of(const char *text, const char *a, const char *b, const char *c)
{
	return !strcmp(text, a) || !strcmp(text, b) || !strcmp(text, c);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		fputs(usage, stderr);
		return STATUS_TOOL;
	}
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return explain(argv[2]);
	if (is_one_of(argv[1], "--version", "-V", "version")) {
		puts("brkscope " VERSION);
		return 0;
	}
	command = find_command(argv[1]);
	if (command)
		return command->function(argc - 1, argv + 1);
	die("there is no command `%s'. Try `brkscope help'", argv[1]);
}
