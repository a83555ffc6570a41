/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * line.h - text without stdio, which may allocate: the contract of line.c
 */
#ifndef BRKMALLOC_LINE_H
#define BRKMALLOC_LINE_H

#include <stdarg.h>
#include <stddef.h>

#define __printf(format, args) __attribute__(( \
	__format__(printf, format, args)))

#define LINE_MAX_BYTES	400

/**
 * struct line - some text
 * @text: the bytes, with room for one more behind them
 * @length: how many there are; what is too much is left out
 */
struct line {
	char	text[LINE_MAX_BYTES];
	size_t	length;
};

void line_format(struct line *line, const char *format, va_list args);
__printf(2, 3) void line_add(struct line *line, const char *format, ...);

#endif /* BRKMALLOC_LINE_H */
