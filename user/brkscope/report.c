// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - `brkscope report`: what is in a recording?
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "analysis.h"

#define ROWS		60
#define COMMAND_WIDTH	90

static const char usage[] =
"usage: brkscope report [OPTION]... FILE\n"
"Show what `brkscope run' recorded to FILE: the timeline, page faults by class,\n"
"malloc calls, and how much was asked for, obtained and touched.\n"
"\n"
"  -f, --full     leave nothing out of the timeline\n"
"  -r, --rows N   at most N rows of it (default: 60)\n"
"  -h, --help     this text\n"
"\n"
"Colour is used on a terminal unless NO_COLOR is set.\n"
"Exit status: 0, or 125 if FILE cannot be read or is no sound recording.\n";

struct options {
	const char	*file;
	bool		full;
	size_t		rows;
};

static const struct option long_options[] = {
	{ "full", no_argument, NULL, 'f' },
	{ "rows", required_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void parse_options(struct options *o, int argc, char **argv)
{
	int option;
	u64 rows;

	*o = (struct options){ .rows = ROWS };
	while ((option = getopt_long(argc, argv, "fr:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'f':
			o->full = true;
			break;
		case 'r':
			if (!parse_size(optarg, &rows) || rows < 3)
				die("--rows %s: not a number of at least 3", optarg);
			o->rows = rows;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("Try `brkscope report --help'.\n", stderr);
			exit(STATUS_TOOL);
		}
	}
	if (argc - optind != 1)
		die("report: which file? One name is wanted. Try `brkscope report --help'");
	o->file = argv[optind];
}

static void print_end(const char *result)
{
	u64 value, began, ended;
	char took[UNIT_TEXT];
	int status;

	if (text_value(result, "exec_ns", &began, 10) &&
	    text_value(result, "end_ns", &ended, 10) && ended >= began)
		printf(", %s", time_text(took, ended - began));
	if (!text_value(result, "status", &value, 10))
		return;
	status = value;
	if (WIFSIGNALED(status))
		printf(", ended by signal %d", WTERMSIG(status));
	else
		printf(", exit status %d", WEXITSTATUS(status));
}

/* One line, whatever newlines and lengths the arguments have. */
static void print_command(const char *command)
{
	char *text = xstrdup(command ? command : "(unknown program)");
	size_t i, length = strlen(text);

	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	printf("%s%.*s%s%s\n", style_on(STYLE_HEAD), COMMAND_WIDTH, text,
	       length > COMMAND_WIDTH ? "..." : "", style_off());
	free(text);
}

static void print_top(const struct analysis *a)
{
	const struct capture *c = &a->capture;
	char *kernel = text_string(c->text[CHUNK_SETUP], "kernel");
	char *which = text_string(c->text[CHUNK_SETUP], "malloc");
	time_t created = c->header.created;
	struct tm tm;
	char when[64];

	if (!localtime_r(&created, &tm) || !strftime(when, sizeof(when), "%F %T", &tm))
		strcpy(when, "?");
	print_command(c->command);
	printf("process %u", c->header.pid);
	print_end(c->text[CHUNK_RESULT]);
	printf("; malloc of %s; Linux %s; %s\n",
	       which && !strcmp(which, "ours") ? "libbrkmalloc" : "the C library",
	       kernel ? kernel : "?", when);
	free(kernel);
	free(which);
}

static void print_report(const struct analysis *a, const struct options *o)
{
	char events[UNIT_TEXT], rows[UNIT_TEXT], *note;

	print_top(a);
	if (a->capture.kernel_header) {
		note = xasprintf("%s events in %s rows",
				 count_text(events, a->capture.nr_events - a->recorder_events),
				 count_text(rows, a->timeline.nr));
		print_heading("TIMELINE", note);
		free(note);
		timeline_print(&a->timeline, o->full ? 0 : o->rows);
		print_faults(a);
	} else {
		printf("\nNo kernel records: recorded with --no-kernel.\n");
	}
	if (a->join.nr_starts)
		print_calls(a);
	print_summary(a);
	print_losses(a);
}

/**
 * command_report() - `brkscope report`
 * @argc: number of @argv
 * @argv: "report" and its arguments
 *
 * Return: the tool's exit status
 */
int command_report(int argc, char **argv)
{
	static struct analysis a;
	struct options o;

	parse_options(&o, argc, argv);
	if (!capture_open(&a.capture, o.file))
		die("%s: %s", o.file, a.capture.error);
	if (!a.capture.complete)
		complain("%s ends early, at offset %llu of %llu: this is what there is",
			 o.file, a.capture.cut, a.capture.bytes);
	style_init(stdout);
	analysis_make(&a, o.full);
	print_report(&a, &o);
	analysis_free(&a);
	if (fflush(stdout) || ferror(stdout))
		die("cannot write the report");
	return 0;
}
