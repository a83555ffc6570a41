// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - what did the user choose by environment variables?
 *
 * BRKMALLOC_FIT=first|next|best|worst|segregated
 * BRKMALLOC_CACHE=0|1
 * BRKMALLOC_ARENAS=1..128
 * BRKMALLOC_GUARD=off|default|full
 * BRKMALLOC_MMAP_THRESHOLD=BYTES[K|M|G]
 * BRKMALLOC_TRIM_THRESHOLD=BYTES[K|M|G]
 * BRKMALLOC_DUMP=PATH
 * BRKMALLOC_DUMP_SIGNAL=NAME|NUMBER
 *
 * Read once, at the first call. A value that makes no sense is told and the
 * default taken. A set-uid program ignores all of it.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "dump.h"
#include "fit.h"
#include "guard.h"

struct config config = {
	.mmap_threshold	= 128UL << 10,
	.mmap_max	= SIZE_MAX,
	.trim_threshold	= 256UL << 10,
	.cache		= true,
	.arena_max	= BLOCK_ARENAS,
	.guard		= GUARD_DEFAULT,
};

static unsigned int unit_shift(char unit)
{
	switch (unit) {
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	default:
		return 0;
	}
}

static bool parse_size(const char *text, size_t *size)
{
	const char *s = text;
	unsigned int shift;
	size_t n = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(n, 10UL, &n) ||
		    __builtin_add_overflow(n, (size_t)(*s - '0'), &n))
			return false;
	}
	if (s == text)
		return false;
	shift = unit_shift(*s);
	if (shift)
		s++;
	if (*s || n > SIZE_MAX >> shift)
		return false;
	*size = n << shift;
	return true;
}

/* An empty value is none, as with most variables. */
static const char *from_environment(const char *name)
{
	const char *text = secure_getenv(name);

	return text && *text ? text : NULL;
}

static bool read_size(const char *name, size_t *size)
{
	const char *text = from_environment(name);

	if (!text)
		return false;
	if (parse_size(text, size))
		return true;
	guard_warn("%s=%s: not a size; give bytes, or a number with K, M or G; taking %zu",
		   name, text, *size);
	return false;
}

static void read_switch(const char *name, bool *on)
{
	const char *text = from_environment(name);

	if (!text)
		return;
	if ((*text == '0' || *text == '1') && !text[1])
		*on = *text == '1';
	else
		guard_warn("%s=%s: give 0 or 1; taking %zu", name, text, (size_t)*on);
}

static void read_number(const char *name, size_t least, size_t most, size_t *number)
{
	const char *text = from_environment(name);
	size_t n;

	if (!text)
		return;
	if (parse_size(text, &n) && n >= least && n <= most)
		*number = n;
	else
		guard_warn("%s=%s: give a number from %zu to %zu; taking %zu",
			   name, text, least, most, *number);
}

static void read_guard(void)
{
	static const char *const names[] = {
		[GUARD_OFF] = "off", [GUARD_DEFAULT] = "default", [GUARD_FULL] = "full",
	};
	const char *text = from_environment("BRKMALLOC_GUARD");
	enum guard_level level;

	if (!text)
		return;
	for (level = GUARD_OFF; level <= GUARD_FULL; level++) {
		if (!strcmp(text, names[level])) {
			config.guard = level;
			return;
		}
	}
	guard_warn("BRKMALLOC_GUARD=%s: no such level; give off, default or full; taking %s",
		   text, names[config.guard]);
}

/**
 * config_read() - read the environment
 *
 * Runs before main, possibly before anything else in the program; looks at the
 * environment in place and allocates nothing.
 */
void config_read(void)
{
	const char *fit = from_environment("BRKMALLOC_FIT");

	read_size("BRKMALLOC_MMAP_THRESHOLD", &config.mmap_threshold);
	config.trim_is_chosen = read_size("BRKMALLOC_TRIM_THRESHOLD",
					  &config.trim_threshold);
	read_switch("BRKMALLOC_CACHE", &config.cache);
	read_number("BRKMALLOC_ARENAS", 1, BLOCK_ARENAS, &config.arena_max);
	read_guard();
	if (fit && !fit_choose(fit))
		guard_warn("BRKMALLOC_FIT=%s: no such policy; give first, next, best, worst or segregated; taking %s",
			   fit, fit_name());
	dump_choose(from_environment("BRKMALLOC_DUMP"),
		    from_environment("BRKMALLOC_DUMP_SIGNAL"));
}
