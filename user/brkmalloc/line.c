// SPDX-License-Identifier: GPL-2.0-only
/*
 * line.c - how is a line of text made where nothing may be allocated?
 */
#include <stdint.h>

#include "line.h"

static void line_char(struct line *line, char c)
{
	if (line->length < sizeof(line->text) - 1)
		line->text[line->length++] = c;
}

static void line_string(struct line *line, const char *s)
{
	while (*s)
		line_char(line, *s++);
}

static void line_number(struct line *line, unsigned long n, unsigned int base)
{
	if (n >= base)
		line_number(line, n / base, base);
	line_char(line, "0123456789abcdef"[n % base]);
}

/**
 * line_format() - add text
 * @line: to which
 * @format: as printf, but only %s, %c, %zu and %p
 * @args: as of vprintf()
 */
void line_format(struct line *line, const char *format, va_list args)
{
	for (; *format; format++) {
		if (*format != '%') {
			line_char(line, *format);
		} else if (*++format == 's') {
			line_string(line, va_arg(args, const char *));
		} else if (*format == 'c') {
			line_char(line, va_arg(args, int));
		} else if (*format == 'p') {
			line_string(line, "0x");
			line_number(line, va_arg(args, uintptr_t), 16);
		} else {
			line_number(line, va_arg(args, size_t), 10);
			format++;
		}
	}
}

/**
 * line_add() - add text
 * @line: to which
 * @format: as printf, but only %s, %c, %zu and %p
 */
void line_add(struct line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line_format(line, format, args);
	va_end(args);
}
