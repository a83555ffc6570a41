// SPDX-License-Identifier: GPL-2.0-only
/*
 * style.c - in colour or not?
 *
 * Only on a terminal that is not dumb, and not if NO_COLOR is set.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "style.h"

static bool coloured;

/**
 * style_init() - decide once
 * @out: where the text goes
 */
void style_init(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	coloured = isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb");
}

/**
 * style_on() - what to print in front of a piece of text
 * @style: what it is
 *
 * Return: a terminal's control sequence, or nothing
 */
const char *style_on(enum style style)
{
	static const char *const codes[STYLES] = {
		[STYLE_PLAIN]	= "",
		[STYLE_HEAD]	= "\033[1m",
		[STYLE_FAINT]	= "\033[2m",
		[STYLE_BREAK]	= "\033[1;33m",
		[STYLE_AREA]	= "\033[36m",
		[STYLE_TOUCH]	= "\033[32m",
		[STYLE_GOOD]	= "\033[32m",
		[STYLE_BAD]	= "\033[1;31m",
	};

	return coloured ? codes[style] : "";
}

/**
 * style_off() - what to print after it
 *
 * Return: a terminal's control sequence, or nothing
 */
const char *style_off(void)
{
	return coloured ? "\033[0m" : "";
}
