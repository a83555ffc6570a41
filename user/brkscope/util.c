// SPDX-License-Identifier: GPL-2.0-only
/*
 * util.c - how does the tool say numbers and errors, and get memory?
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void say(const char *format, va_list args)
{
	fflush(stdout);
	fputs("brkscope: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/**
 * complain() - tell the user on standard error
 * @format: as for printf(3), without the name of the tool and the newline
 */
void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/**
 * die() - tell the user and end the tool with STATUS_TOOL
 * @format: as for complain()
 */
void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(STATUS_TOOL);
}

/**
 * xmalloc() - zeroed memory, or the end of the tool
 * @size: bytes
 *
 * Return: the block
 */
void *xmalloc(size_t size)
{
	void *block = calloc(1, size ? size : 1);

	if (!block)
		die("out of memory (%zu bytes more wanted)", size);
	return block;
}

/**
 * xrealloc() - a block of another size, or the end of the tool
 * @ptr: the block, or NULL
 * @nmemb: elements wanted
 * @size: bytes of one
 *
 * Return: the block; what is new in it is not zeroed
 */
void *xrealloc(void *ptr, size_t nmemb, size_t size)
{
	void *block = reallocarray(ptr, nmemb ? nmemb : 1, size);

	if (!block)
		die("out of memory (%zu times %zu bytes wanted)", nmemb, size);
	return block;
}

/**
 * xstrdup() - a copy of a string, or the end of the tool
 * @text: the string
 *
 * Return: the copy
 */
char *xstrdup(const char *text)
{
	return strcpy(xmalloc(strlen(text) + 1), text);
}

/**
 * xasprintf() - print into new memory, or the end of the tool
 * @format: as for printf(3)
 *
 * Return: the text
 */
char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die("out of memory");
	va_end(args);
	return text;
}

/**
 * grow_array() - make room for one more element
 * @array: the array, or NULL
 * @used: elements in it
 * @room: elements it has room for, updated
 * @size: bytes of an element
 *
 * Return: the array, perhaps elsewhere
 */
void *grow_array(void *array, size_t used, size_t *room, size_t size)
{
	if (used < *room)
		return array;
	*room = *room ? *room * 2 : 16;
	return xrealloc(array, *room, size);
}

/**
 * bytes_text() - bytes for people: "17 B", "132 KiB", "1.50 MiB"
 * @text: UNIT_TEXT bytes
 * @bytes: how many
 *
 * Return: @text
 */
const char *bytes_text(char *text, u64 bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes / 1024.0;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(text, UNIT_TEXT, "%llu B", bytes);
		return text;
	}
	while (value >= 1023.95 && i + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		i++;
	}
	if (value == (u64)value)
		snprintf(text, UNIT_TEXT, "%.0f %s", value, units[i]);
	else
		snprintf(text, UNIT_TEXT, value < 10 ? "%.2f %s" : "%.1f %s", value, units[i]);
	return text;
}

/**
 * count_text() - a count with its thousands apart: "1,234,567"
 * @text: UNIT_TEXT bytes
 * @count: the count
 *
 * Return: @text
 */
const char *count_text(char *text, u64 count)
{
	char digits[UNIT_TEXT];
	int length = snprintf(digits, sizeof(digits), "%llu", count);
	char *out = text;
	int i;

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = 0;
	return text;
}

/**
 * time_text() - a duration for people: "850 ns", "12.3 us", "4.56 ms", "1.20 s"
 * @text: UNIT_TEXT bytes
 * @ns: nanoseconds
 *
 * Return: @text
 */
const char *time_text(char *text, u64 ns)
{
	static const char *const units[] = { "us", "ms", "s" };
	double value = ns / 1000.0;
	size_t i = 0;

	if (ns < 1000) {
		snprintf(text, UNIT_TEXT, "%llu ns", ns);
		return text;
	}
	while (value >= 999.5 && i + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		i++;
	}
	snprintf(text, UNIT_TEXT, value < 9.995 ? "%.2f %s" : value < 99.95 ? "%.1f %s" : "%.0f %s",
		 value, units[i]);
	return text;
}

/**
 * percent_text() - a part of a whole: "12.3%", or "-" of nothing
 * @text: UNIT_TEXT bytes
 * @part: the part
 * @whole: the whole
 *
 * Return: @text
 */
const char *percent_text(char *text, u64 part, u64 whole)
{
	if (!whole)
		strcpy(text, "-");
	else
		snprintf(text, UNIT_TEXT, "%.1f%%", 100.0 * part / whole);
	return text;
}

/**
 * parse_size() - "4096", "64K", "16M", "1G"
 * @text: what the user typed
 * @bytes: gets the bytes
 *
 * Return: false if it is not a size
 */
bool parse_size(const char *text, u64 *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	u64 value;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return false;
		if (value > ~0ULL >> (10 * (unit - units + 1)))
			return false;
		value <<= 10 * (unit - units + 1);
	}
	*bytes = value;
	return true;
}

static const char *find_value(const char *text, const char *name)
{
	size_t length = strlen(name);
	const char *line;

	for (line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return NULL;
}

/**
 * text_value() - the number of a `name: value` line
 * @text: the lines, or NULL
 * @name: the name
 * @value: gets the number
 * @base: 10 or 16
 *
 * Return: false if there is no such line, or no number in it
 */
bool text_value(const char *text, const char *name, u64 *value, int base)
{
	const char *at = text ? find_value(text, name) : NULL;
	char *end;

	if (!at)
		return false;
	errno = 0;
	*value = strtoull(at, &end, base);
	return end != at && !errno;
}

/**
 * text_string() - the text of a `name: value` line
 * @text: the lines, or NULL
 * @name: the name
 *
 * Return: a new string to be freed, or NULL if there is no such line
 */
char *text_string(const char *text, const char *name)
{
	const char *at = text ? find_value(text, name) : NULL;

	return at ? xasprintf("%.*s", (int)strcspn(at, "\n"), at) : NULL;
}
