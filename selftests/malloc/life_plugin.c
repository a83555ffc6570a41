// SPDX-License-Identifier: GPL-2.0-only
/*
 * life_plugin.c - what does code that life_test.c loads and unloads allocate?
 *
 * Built as a shared object that knows nothing of the library: its malloc is
 * whatever the program has.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

char *plugin_text(char *block);

static char *text;
static __thread char per_thread[5000];

__attribute__((constructor))
static void load(void)
{
	text = strdup("from the constructor");
}

static void *work(void *arg)
{
	/* Storage of the thread for this object is taken by malloc, too. */
	memset(per_thread, 1, sizeof(per_thread));
	free(malloc(per_thread[0] * 100));
	return arg;
}

/*
 * Frees @block and returns another one. In between a thread comes and goes.
 */
char *plugin_text(char *block)
{
	char *given = text;
	pthread_t id;

	free(block);
	if (pthread_create(&id, NULL, work, NULL) || pthread_join(id, NULL))
		return NULL;
	text = malloc(3000);
	return given;
}

__attribute__((destructor))
static void unload(void)
{
	free(text);
}
