/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tool.h - what all parts of the tool share: errors, memory, units
 */
#ifndef BRKSCOPE_TOOL_H
#define BRKSCOPE_TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <linux/types.h>

#ifndef VERSION
#define VERSION		"0.1"
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* Exit statuses of the tool itself, as env(1) has them. */
#define STATUS_TOOL		125	/* the tool failed */
#define STATUS_CANNOT_EXEC	126	/* the program is there but cannot run */
#define STATUS_NOT_FOUND	127	/* there is no such program */

/* The kernel's names for what the compiler can check. */
#define __printf(format, args) __attribute__(( \
	__format__(printf, format, args)))

typedef unsigned long long u64;

__printf(1, 2) void complain(const char *format, ...);
__printf(1, 2) noreturn void die(const char *format, ...);

void *xmalloc(size_t size);
void *xrealloc(void *ptr, size_t nmemb, size_t size);
char *xstrdup(const char *text);
__printf(1, 2) char *xasprintf(const char *format, ...);
void *grow_array(void *array, size_t used, size_t *room, size_t size);

#define UNIT_TEXT	32	/* room for what the functions below write */

const char *bytes_text(char *text, u64 bytes);
const char *count_text(char *text, u64 count);
const char *time_text(char *text, u64 ns);
const char *percent_text(char *text, u64 part, u64 whole);
bool parse_size(const char *text, u64 *bytes);
bool text_value(const char *text, const char *name, u64 *value, int base);
char *text_string(const char *text, const char *name);

/* Subcommands: argv[0] is the subcommand's name. */
int command_run(int argc, char **argv);
int command_report(int argc, char **argv);

#endif /* BRKSCOPE_TOOL_H */
