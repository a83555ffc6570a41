// SPDX-License-Identifier: GPL-2.0-only
/*
 * misuse.c - is misuse told in exactly one line?
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "misuse.h"

/* Write the line that is to be told. */
void expect_warn(const char *format, ...)
{
	char line[300] = "brkmalloc: ";
	size_t length = strlen(line);
	va_list args;

	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - 1 - length, format, args);
	va_end(args);
	line[length++] = '\n';
	REQUIRE(write(STDOUT_FILENO, line, length) == (ssize_t)length);
}

/* In a heap that is sound: spoil one byte and see brkmalloc_check() tell it. */
int check_finds(const char *what, char *p, size_t size, long offset, int expected)
{
	REQUIRE(!brkmalloc_check());
	expect_warn("check: block %p (%zu bytes): %s: found 0x41 at offset %ld, expected 0x%x",
		    p, size, what, offset, expected);
	p[offset] = 'A';
	return brkmalloc_check() == -1 ? 0 : 1;
}

/* Is the text one line twice? */
bool said_twice(const char *text)
{
	const char *end = strchr(text, '\n');
	size_t length = end ? end + 1 - text : 0;

	return length && !strncmp(text, text + length, length) && !text[2 * length];
}

/* Is it one line? */
bool said_once(const char *text)
{
	const char *end = strchr(text, '\n');

	return end && !end[1];
}
