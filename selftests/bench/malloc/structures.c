// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do trees, tables, texts and lists cost, the blocks' use included?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

struct node {
	struct node	*left;
	struct node	*right;
	long		key;
};

static struct node *tree_build(int depth)
{
	struct node *node = take(sizeof(*node));

	node->key = depth;
	node->left = depth ? tree_build(depth - 1) : NULL;
	node->right = depth ? tree_build(depth - 1) : NULL;
	return node;
}

static long tree_sum(const struct node *node)
{
	return node ? node->key + tree_sum(node->left) + tree_sum(node->right) : 0;
}

static void tree_free(struct node *node)
{
	if (!node)
		return;
	tree_free(node->left);
	tree_free(node->right);
	free(node);
}

/* A large tree stays while small ones come and go. */
static void tree(void)
{
	struct node *lasting = tree_build(17);
	long sum = 0;

	for (int i = 0; i < 3000; i++) {
		struct node *node = tree_build(9);

		sum += tree_sum(node);
		tree_free(node);
	}
	if (sum != 3000 * 1013L || tree_sum(lasting) != 262125)
		die("the trees are not what was built: %ld, %ld", sum,
		    tree_sum(lasting));
	tree_free(lasting);
}

struct entry {
	struct entry	*next;
	char		*key;
	char		*value;
};

#define BUCKETS	65536

static struct entry **table_find(struct entry **table, const char *key)
{
	uint32_t hash = 2166136261;
	struct entry **at;

	for (const char *c = key; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619;
	for (at = &table[hash % BUCKETS]; *at; at = &(*at)->next) {
		if (!strcmp((*at)->key, key))
			break;
	}
	return at;
}

static void table_put(struct entry **at, const char *key, const char *value)
{
	struct entry *entry = *at;

	if (!entry) {
		entry = take(sizeof(*entry));
		entry->next = NULL;
		entry->key = need(strdup(key));
		*at = entry;
	} else {
		free(entry->value);
	}
	entry->value = need(strdup(value));
}

static void table_drop(struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	free(entry->key);
	free(entry->value);
	free(entry);
}

/* Put, replace and drop entries with texts of different lengths. */
static void table(void)
{
	struct rng rng = rng_make(1);
	struct entry **buckets = need(calloc(BUCKETS, sizeof(*buckets)));
	char key[32], value[128];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 400000; i++) {
		struct entry **at;
		int length = rng_below(&rng, sizeof(value));

		snprintf(key, sizeof(key), "key %x", rng_below(&rng, 150000) * 2654435761U);
		at = table_find(buckets, key);
		if (*at && rng_below(&rng, 3) == 0) {
			table_drop(at);
			continue;
		}
		value[length] = '\0';
		table_put(at, key, value);
		value[length] = 'v';
	}
	for (int i = 0; i < BUCKETS; i++) {
		while (buckets[i])
			table_drop(&buckets[i]);
	}
	free(buckets);
}

/* Lines are read, split into words, and put together again in another order. */
static void text(void)
{
	enum { WORDS = 40 };
	struct rng rng = rng_make(2);
	char *words[WORDS];

	for (int i = 0; i < 40000; i++) {
		size_t length = 0;
		char *line, *end;

		for (int j = 0; j < WORDS; j++) {
			size_t size = rng_between(&rng, 1, 24);

			words[j] = take(size + 1);
			memset(words[j], 'a' + j % 26, size);
			words[j][size] = '\0';
			length += size + 1;
		}
		line = take(length + 1);
		end = line;
		for (int j = 0; j < WORDS; j++) {
			end = stpcpy(end, words[j * 7 % WORDS]);
			*end++ = ' ';
			free(words[j * 7 % WORDS]);
		}
		free(line);
	}
}

struct link {
	struct link	*next;
	long		value;
};

/*
 * A list made while other blocks come and go is walked: what malloc does about
 * locality is paid here.
 */
static void list(void)
{
	enum { LINKS = 200000 };
	struct rng rng = rng_make(3);
	struct link *first = NULL, *link;
	void **others = map_own(LINKS * sizeof(*others));
	long sum = 0;

	for (int i = 0; i < LINKS; i++)
		others[i] = take(rng_between(&rng, 16, 96));
	for (int i = 0; i < LINKS; i++) {
		int at = rng_below(&rng, LINKS);

		free(others[at]);
		others[at] = NULL;
		link = take(sizeof(*link));
		link->value = i;
		link->next = first;
		first = link;
	}
	for (int i = 0; i < 10; i++) {
		for (link = first; link; link = link->next)
			sum += link->value;
	}
	if (sum != 10L * LINKS * (LINKS - 1) / 2)
		die("the list is not what was made: %ld", sum);
	while ((link = first)) {
		first = link->next;
		free(link);
	}
	for (int i = 0; i < LINKS; i++)
		free(others[i]);
}

const struct workload structure_workloads[] = {
	{ "tree", "small binary trees, beside a large one", tree },
	{ "table", "a hash table of texts", table },
	{ "text", "lines split into words and joined", text },
	{ "list", "a list made in a fragmented heap is walked", list },
	{ }
};
