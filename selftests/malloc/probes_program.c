// SPDX-License-Identifier: GPL-2.0-only
/*
 * probes_program.c - calls of malloc that a tracer is to count
 *
 * So many calls, with sizes that nobody else asks for: see probes_test.sh.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define CALLS	1000
#define SMALL	711UL		/* of malloc; from the cache */
#define LONGER	7111UL		/* of calloc; from an arena */
#define LARGE	7111111UL	/* of malloc; a mapping */
#define RESIZED	1777UL		/* of realloc, from a smaller one */

int main(void)
{
	void *volatile data;
	size_t top = 0;
	int i;

	for (i = 0; i < CALLS; i++) {
		data = malloc(SMALL);
		free(data);
		data = calloc(1, LONGER);
		data = realloc(data, RESIZED);
		free(data);
	}
	for (i = 0; i < CALLS / 100; i++)
		free(malloc(LARGE));
	/* The heap grows and is trimmed. */
	for (i = 0; i < CALLS; i++) {
		data = malloc(100000);
		top += !!data;
	}
	malloc_trim(0);
	data = aligned_alloc(4096, SMALL);
	free(data);
	return top != CALLS;
}
