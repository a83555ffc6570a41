/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runoptions.h - what `brkscope run' is told on its command line
 */
#ifndef BRKSCOPE_RUNOPTIONS_H
#define BRKSCOPE_RUNOPTIONS_H

#include "tool.h"

/**
 * struct run_options - what `brkscope run' is told on its command line
 * @output: file to record to
 * @default_output: new memory that @output may point to, else NULL
 * @ours: serve malloc by libbrkmalloc.so
 * @record: make a malloc log
 * @kernel: have the kernel module watch
 * @check: numbers that disagree are an error
 * @compare: hold the program at its end to compare them
 * @quiet: say nothing but errors
 * @buffer: bytes of the kernel's event buffer, 0 for the module's own choice
 * @log_size: bytes that the malloc log may grow to
 * @argv: the program and its arguments
 */
struct run_options {
	const char	*output;
	char		*default_output;
	bool		ours;
	bool		record;
	bool		kernel;
	bool		check;
	bool		compare;
	bool		quiet;
	u64		buffer;
	u64		log_size;
	char		**argv;
};

void run_options_parse(struct run_options *o, int argc, char **argv);

#endif /* BRKSCOPE_RUNOPTIONS_H */
