// SPDX-License-Identifier: GPL-2.0-only
/*
 * fit.c - which free block serves a request?
 *
 * Free blocks hang in doubly linked lists whose links lie in the free memory
 * itself. A block freed last stands first. The policies:
 *
 *   first	one list; the first block that is large enough
 *   next	one list; the same, but the search goes on where the last ended
 *   best	one list; the smallest block that is large enough
 *   worst	one list; the largest block
 *   segregated	a list for each class of sizes and a bitmap of the lists that
 *		are not empty; a block of the next class that has one. Constant
 *		time, and nearly as tight as best fit.
 *
 * The first four take time in proportion to the number of free blocks.
 *
 * Size classes of the segregated lists, in units of 16 bytes: one for each size
 * below 32 units, then 16 to each doubling:
 *
 *   size in bytes   32  48  64 ... 496 | 512 544 ... 992 | 1024 1088 ... | ...
 *   list             2   3   4 ...  31 |  32  33 ...  47 |   48   49 ... | ...
 */
#include <string.h>

#include "fit.h"
#include "guard.h"

#define CLASS_UNIT_SHIFT	4
#define CLASSES_EXACT		32UL	/* classes of one size each */
#define CLASSES_EXACT_SHIFT	5
#define CLASSES_PER_DOUBLING	16UL
#define CLASSES_DOUBLING_SHIFT	4
#define BITS			64UL

/**
 * struct fit_policy - one way to choose
 * @name: as in BRKMALLOC_FIT
 * @list_of: in which list a block of a size belongs
 * @find: a free block of at least a size, or NULL
 */
struct fit_policy {
	const char	*name;
	size_t		(*list_of)(size_t size);
	struct block	*(*find)(struct fit *fit, size_t size);
};

static size_t only_list(size_t size)
{
	(void)size;
	return 0;
}

/* The next block of a list that is searched, where links are followed unseen. */
static struct block *step(struct block *b)
{
	struct block *next = block_next(b);

	guard_links(b, next, NULL);
	return next;
}

static struct block *first_from(struct block *b, const struct block *end,
				size_t size)
{
	while (b != end && block_size(b) < size)
		b = step(b);
	return b == end ? NULL : b;
}

static struct block *find_first(struct fit *fit, size_t size)
{
	return first_from(fit->lists[0], NULL, size);
}

static struct block *find_next(struct fit *fit, size_t size)
{
	struct block *found = first_from(fit->rover, NULL, size);

	if (!found)
		found = first_from(fit->lists[0], fit->rover, size);
	if (found)
		fit->rover = found;		/* its removal moves it on */
	return found;
}

static struct block *find_best(struct fit *fit, size_t size)
{
	struct block *best = NULL;
	struct block *b;

	for (b = fit->lists[0]; b; b = step(b)) {
		if (block_size(b) == size)
			return b;
		if (block_size(b) > size &&
		    (!best || block_size(b) < block_size(best)))
			best = b;
	}
	return best;
}

static struct block *find_worst(struct fit *fit, size_t size)
{
	struct block *worst = NULL;
	struct block *b;

	for (b = fit->lists[0]; b; b = step(b))
		if (!worst || block_size(b) > block_size(worst))
			worst = b;
	return worst && block_size(worst) >= size ? worst : NULL;
}

static size_t class_of(size_t size)
{
	size_t units = size >> CLASS_UNIT_SHIFT;
	unsigned int log2, part;

	if (units < CLASSES_EXACT)
		return units;
	log2 = BITS - 1 - __builtin_clzl(units);
	part = (units >> (log2 - CLASSES_DOUBLING_SHIFT)) % CLASSES_PER_DOUBLING;
	return CLASSES_EXACT +
	       (log2 - CLASSES_EXACT_SHIFT) * CLASSES_PER_DOUBLING + part;
}

static size_t lowest_bit(unsigned long word)
{
	return __builtin_ctzl(word);
}

/* The first list after @class that is not empty, or FIT_CLASSES. */
static size_t class_after(const struct fit *fit, size_t class)
{
	size_t next = class + 1;
	size_t word = next / BITS;
	unsigned long bits, words;

	if (next >= FIT_CLASSES)
		return FIT_CLASSES;
	bits = fit->not_empty[word] >> (next % BITS);
	if (bits)
		return next + lowest_bit(bits);
	words = fit->not_zero >> word >> 1;
	if (!words)
		return FIT_CLASSES;
	word += 1 + lowest_bit(words);
	return word * BITS + lowest_bit(fit->not_empty[word]);
}

/*
 * Any block of a higher class is large enough. Of our own class only the first
 * is looked at: to search the list would not be constant time.
 */
static struct block *find_segregated(struct fit *fit, size_t size)
{
	size_t class = class_of(size);
	struct block *b = fit->lists[class];

	if (b && block_size(b) >= size)
		return b;
	class = class_after(fit, class);
	return class < FIT_CLASSES ? fit->lists[class] : NULL;
}

static const struct fit_policy policies[] = {
	{ "segregated",	class_of,	find_segregated },
	{ "first",	only_list,	find_first },
	{ "next",	only_list,	find_next },
	{ "best",	only_list,	find_best },
	{ "worst",	only_list,	find_worst },
	{ }
};

static const struct fit_policy *policy = &policies[0];

/**
 * fit_choose() - set the policy, before there is any free block
 * @name: its name
 *
 * Return: whether there is such a policy; if not nothing is changed.
 */
bool fit_choose(const char *name)
{
	const struct fit_policy *p = policies;

	while (p->name && strcmp(p->name, name))
		p++;
	if (p->name)
		policy = p;
	return p->name;
}

/**
 * fit_name() - the name of the policy
 */
const char *fit_name(void)
{
	return policy->name;
}

static inline size_t list_of(size_t size)
{
	return likely(policy == policies) ? class_of(size) : policy->list_of(size);
}

/**
 * fit_list_of() - in which list is a free block of a size?
 * @size: in bytes
 *
 * Larger ones are in the same list or in one behind it.
 */
size_t fit_list_of(size_t size)
{
	return list_of(size);
}

/**
 * fit_insert() - put a free block into its list
 * @fit: the lists
 * @b: free, its size set
 */
void fit_insert(struct fit *fit, struct block *b)
{
	size_t list = list_of(block_size(b));
	struct block *next = fit->lists[list];

	block_set_prev(b, NULL);
	block_set_next(b, next);
	if (next)
		block_set_prev(next, b);
	fit->lists[list] = b;
	fit->not_empty[list / BITS] |= 1UL << (list % BITS);
	fit->not_zero |= 1UL << (list / BITS);
	POKE(fit->bytes, fit->bytes + block_size(b));
}

/**
 * fit_remove() - take a block out of its list
 * @fit: the lists
 * @b: in a free list, its size as when it was inserted
 */
void fit_remove(struct fit *fit, struct block *b)
{
	struct block *next = block_next(b), *prev = block_prev(b);
	size_t list;

	guard_links(b, next, prev);
	POKE(fit->bytes, fit->bytes - block_size(b));
	if (fit->rover == b)
		fit->rover = next;
	if (next)
		block_set_prev(next, prev);
	if (prev) {
		block_set_next(prev, next);
		return;
	}
	list = list_of(block_size(b));
	fit->lists[list] = next;
	if (next)
		return;
	fit->not_empty[list / BITS] &= ~(1UL << (list % BITS));
	if (!fit->not_empty[list / BITS])
		fit->not_zero &= ~(1UL << (list / BITS));
}

/**
 * fit_find() - choose a free block
 * @fit: the lists
 * @size: of the block wanted, meta block included
 *
 * Return: a block of at least that size, still in its list, or NULL.
 */
struct block *fit_find(struct fit *fit, size_t size)
{
	return likely(policy == policies) ? find_segregated(fit, size) :
					    policy->find(fit, size);
}

/* One list. Counts its blocks. */
static const char *check_list(const struct fit *fit, size_t list, size_t most,
			      size_t *count, const struct block **at)
{
	const struct block *b, *prev = NULL;

	for (b = fit->lists[list]; b; prev = b, b = block_next(b)) {
		*at = b;
		if (++*count > most)
			return "a free list holds more than the free blocks of the heap";
		if (!heap_may_read(b) || !block_is_free(b))
			return "a free list holds a block that is not free";
		if (block_prev(b) != prev)
			return "a free list is not linked both ways";
		if (policy->list_of(block_size(b)) != list)
			return "a free block is in the list of another size";
	}
	return NULL;
}

/**
 * fit_check() - verify lists and bitmap
 * @fit: the lists
 * @blocks: how many free blocks there are in the heap
 * @at: set to the block that something is wrong with, or NULL
 *
 * Return: NULL, or what is wrong.
 */
const char *fit_check(const struct fit *fit, size_t blocks, const struct block **at)
{
	const char *wrong;
	size_t list, count = 0;

	for (list = 0; list < FIT_CLASSES; list++) {
		*at = NULL;
		if (!fit->lists[list] != !(fit->not_empty[list / BITS] >> list % BITS & 1))
			return "the bitmap and a free list disagree";
		if (!fit->not_empty[list / BITS] != !(fit->not_zero >> list / BITS & 1))
			return "the bitmap and its summary disagree";
		wrong = check_list(fit, list, blocks, &count, at);
		if (wrong)
			return wrong;
	}
	*at = fit->rover;
	if (fit->rover && (!heap_may_read(fit->rover) || !block_is_free(fit->rover)))
		return "next fit would go on at a block that is not free";
	*at = NULL;
	return count == blocks ? NULL : "a free block is in no list";
}
