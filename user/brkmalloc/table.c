// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - which blocks have a mapping of their own?
 *
 * The blocks of the heap are found by walking from one to the next. Those with a
 * mapping are anywhere, so each has a place in a table. While a block is in the
 * table it is there and may be looked at; whoever moves or frees it takes it out
 * before. The table lies where no data block is beside it, which the program could
 * write past the end of.
 */
#include <string.h>

#include "table.h"

#define PLACES_FIRST	64U	/* before the table has to grow */

struct lock table_lock = LOCK_INITIALIZER;

/*
 * In a place there is the address of a block, or twice the number of the next free
 * place plus one, or zero: kept for a block that is on its way. Under table_lock.
 */
static uintptr_t first_table[PLACES_FIRST];
static uintptr_t *table = first_table;
static uint32_t places = PLACES_FIRST;
static uint32_t places_used;		/* from there on none was ever used */
static uint32_t free_place = TABLE_FULL;

static bool grow(void)
{
	size_t bytes = places * sizeof(*table);
	size_t length = align_up(2 * bytes, os_page_size);
	uintptr_t *larger = (uintptr_t *)os_map(length);

	if (!larger)
		return false;
	memcpy(larger, table, bytes);
	if (table != first_table)
		os_unmap((char *)table, bytes);
	table = larger;
	places = length / sizeof(*table);
	return true;
}

/**
 * table_keep() - a place for a block to come
 *
 * Return: its number, or TABLE_FULL if the kernel refused a larger table.
 */
uint32_t table_keep(void)
{
	uint32_t place;

	lock_take(&table_lock);
	place = free_place;
	if (place != TABLE_FULL) {
		free_place = table[place] >> 1;
		table[place] = 0;
	} else if (places_used < places || grow()) {
		place = places_used++;
	}
	lock_release(&table_lock);
	return place;
}

/**
 * table_set() - show a block to others, or do so no longer
 * @place: of table_keep()
 * @b: the block, made; or NULL because it is about to move
 */
void table_set(uint32_t place, const struct block *b)
{
	lock_take(&table_lock);
	table[place] = (uintptr_t)b;
	lock_release(&table_lock);
}

/**
 * table_drop() - a block is about to go, or did not come
 * @place: of table_keep()
 */
void table_drop(uint32_t place)
{
	lock_take(&table_lock);
	table[place] = (uintptr_t)free_place << 1 | 1;
	free_place = place;
	lock_release(&table_lock);
}

/**
 * table_next() - the blocks one after the other
 * @place: zero at first; set to the place behind that of the block
 *
 * With table_lock held.
 *
 * Return: a block, or NULL if there are no more.
 */
const struct block *table_next(uint32_t *place)
{
	uintptr_t entry;

	while (*place < places_used) {
		entry = table[(*place)++];
		if (entry && !(entry & 1))
			return (const struct block *)entry;
	}
	return NULL;
}
