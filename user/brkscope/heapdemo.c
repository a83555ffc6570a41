// SPDX-License-Identifier: GPL-2.0-only
/*
 * heapdemo.c - what does each of malloc's doings make the kernel do?
 *
 * Run it under `brkscope run` and find each step in the report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_BLOCKS	8
#define BIG_BYTES	(1024 * 1024)

static long page;

static void *need(void *block)
{
	if (!block) {
		perror("heapdemo: malloc");
		exit(1);
	}
	return block;
}

/* Write one byte in each of @pages pages. */
static void write_pages(char *from, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		from[i * page] = 1;
}

static int read_pages(const char *from, int pages)
{
	int i, sum = 0;

	for (i = 0; i < pages; i++)
		sum += from[i * page];
	return sum;
}

/* 1. The first small blocks move the break once; only what is used is touched. */
static void small_blocks(void)
{
	char *blocks[SMALL_BLOCKS];
	int i;

	for (i = 0; i < SMALL_BLOCKS; i++)
		blocks[i] = need(malloc(24));
	strcpy(blocks[0], "hello, heap");
	for (i = 0; i < SMALL_BLOCKS; i++)
		free(blocks[i]);
}

/* 2. Pages read first get the shared zero page, and an own one when written. */
static void read_then_write(void)
{
	char *block = need(malloc(64 * 1024));

	if (read_pages(block + page, 4))
		puts("heapdemo: fresh memory is not zero");
	write_pages(block + page, 2);
	free(block);
}

/* 3. A big block is mapped on its own; a quarter of its pages is touched. */
static void big_block(void)
{
	char *block = need(malloc(BIG_BYTES));

	write_pages(block, BIG_BYTES / 4 / page);
	free(block);
}

/* 4. A block that grows, as every list and string buffer does. */
static void growing_block(void)
{
	size_t bytes, had = 0;
	char *block = NULL;

	for (bytes = 4 * 1024; bytes <= 256 * 1024; bytes *= 2) {
		block = need(realloc(block, bytes));
		memset(block + had, 1, bytes - had);
		had = bytes;
	}
	free(block);
}

/* 5. What is freed at the top of the heap goes back to the kernel. */
static void shrinking_heap(void)
{
	char *blocks[16];
	int i;

	for (i = 0; i < 16; i++) {
		blocks[i] = need(malloc(64 * 1024));
		write_pages(blocks[i], 2);
	}
	for (i = 15; i >= 0; i--)
		free(blocks[i]);
}

int main(void)
{
	page = sysconf(_SC_PAGESIZE);
	small_blocks();
	read_then_write();
	big_block();
	growing_block();
	shrinking_heap();
	return 0;
}
