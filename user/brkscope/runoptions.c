// SPDX-License-Identifier: GPL-2.0-only
/*
 * runoptions.c - what does the user want `brkscope run' to do?
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "runoptions.h"

#define LOG_SIZE	(1024ULL * 1024 * 1024)	/* address space; memory only as used */

static const char usage[] =
"usage: brkscope run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
"Run PROGRAM and record its malloc calls and what the kernel did about them.\n"
"\n"
"  -o, --output FILE    record to FILE (default: PROGRAM.brkscope)\n"
"  -m, --malloc WHICH   serve malloc by `libc' (the program's own, default) or\n"
"                       by `ours' (libbrkmalloc.so)\n"
"  -b, --buffer SIZE    the kernel's event buffer (bytes; K, M, G may follow)\n"
"      --log-size SIZE  how long the malloc log may get (default: 1G)\n"
"      --no-log         no malloc log: do not preload libbrkrecord.so\n"
"      --no-kernel      the malloc log alone; needs no kernel module\n"
"      --check          fail with status 125 if the module's numbers disagree\n"
"                       with /proc/PID/maps, sbrk(0) and getrusage\n"
"      --no-check       do not hold the program at its end to compare them\n"
"  -q, --quiet          say nothing but errors\n"
"  -h, --help           this text\n"
"\n"
"Exit status: that of PROGRAM; 128+N if signal N ended it; 125 if brkscope\n"
"failed, 126 if PROGRAM cannot be executed, 127 if there is none.\n";

enum { OPT_LOG_SIZE = 256, OPT_NO_LOG, OPT_NO_KERNEL, OPT_CHECK, OPT_NO_CHECK };

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "malloc", required_argument, NULL, 'm' },
	{ "buffer", required_argument, NULL, 'b' },
	{ "log-size", required_argument, NULL, OPT_LOG_SIZE },
	{ "no-log", no_argument, NULL, OPT_NO_LOG },
	{ "no-kernel", no_argument, NULL, OPT_NO_KERNEL },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "no-check", no_argument, NULL, OPT_NO_CHECK },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static u64 size_option(const char *name, const char *text)
{
	u64 bytes;

	if (!parse_size(text, &bytes) || !bytes)
		die("%s %s: not a size (a number; K, M or G may follow)", name, text);
	return bytes;
}

static bool malloc_option(const char *which)
{
	if (strcmp(which, "ours") && strcmp(which, "libc"))
		die("--malloc %s: there is `ours' and `libc'", which);
	return !strcmp(which, "ours");
}

static void take_option(struct run_options *o, int option)
{
	switch (option) {
	case 'o':
		o->output = optarg;
		break;
	case 'm':
		o->ours = malloc_option(optarg);
		break;
	case 'b':
		o->buffer = size_option("--buffer", optarg);
		break;
	case OPT_LOG_SIZE:
		o->log_size = size_option("--log-size", optarg);
		break;
	case OPT_NO_LOG:
		o->record = false;
		break;
	case OPT_NO_KERNEL:
		o->kernel = false;
		break;
	case OPT_CHECK:
		o->check = true;
		o->compare = true;
		break;
	case OPT_NO_CHECK:
		o->check = false;
		o->compare = false;
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs("Try `brkscope run --help'.\n", stderr);
		exit(STATUS_TOOL);
	}
}

/**
 * run_options_parse() - parse the arguments of `brkscope run', or end the tool
 * @o: gets what they say
 * @argc: number of @argv
 * @argv: "run" and its arguments
 */
void run_options_parse(struct run_options *o, int argc, char **argv)
{
	const char *base;
	int option;

	*o = (struct run_options){ .record = true, .kernel = true, .compare = true,
			       .log_size = LOG_SIZE };
	while ((option = getopt_long(argc, argv, "+o:m:b:qh", long_options, NULL)) != -1)
		take_option(o, option);
	o->argv = argv + optind;
	if (!*o->argv)
		die("run: which program? Try `brkscope run --help'");
	if (!o->kernel && o->check)
		die("--check compares with the kernel module: not together with --no-kernel");
	if (!o->kernel && !o->record)
		die("--no-kernel and --no-log together leave nothing to record");
	if (!o->output) {
		base = strrchr(*o->argv, '/');
		o->default_output = xasprintf("%s.brkscope", base ? base + 1 : *o->argv);
		o->output = o->default_output;
	}
}
