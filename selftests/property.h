/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * property.h - what do the random test and the process that it drives say to each other?
 *
 * property_test.c chooses a step, property_child.c does it in the watched
 * process and answers, then it sleeps in read(2) until the next one: while the
 * module is compared with the kernel nothing moves.
 */
#ifndef PROPERTY_H
#define PROPERTY_H

#include <stdint.h>

#include "brkscope_test.h"

/* The addresses that steps choose themselves; the kernel uses others. */
#define ARENA		0x100000000000ULL
#define ARENA_PAGES	1024
#define PAGE		4096ULL

/* Files that the child is born with */
enum property_fd {
	FD_STEP = 200,	/* a pipe: struct step comes in */
	FD_ANSWER,	/* a pipe: struct answer goes out */
	FD_FILE,	/* a file in memory, FILE_PAGES long, to be mapped */
	FD_PROGRAM,	/* a file of the file system, read-only, to be mapped */
	FD_ZERO,	/* /dev/zero, to be read */
	FD_SINK,	/* a file in memory, to be written */
};

#define FILE_PAGES	48

enum property_op {
	OP_BRK,		/* new break, from the start of the heap */
	OP_SBRK,	/* by how much */
	OP_MMAP,	/* as mmap(2) */
	OP_MUNMAP,	/* address, bytes */
	OP_MREMAP,	/* as mremap(2) */
	OP_MPROTECT,	/* address, bytes, prot */
	OP_MADVISE,	/* address, bytes, advice */
	OP_MLOCK,	/* address, bytes, flags of mlock2(2) */
	OP_MUNLOCK,	/* address, bytes */
	OP_TOUCH,	/* address, pages, write? */
	OP_READ,	/* address, bytes: the kernel writes there */
	OP_WRITE,	/* address, bytes: the kernel reads there */
	OP_STACK,	/* pages: how deep to grow the stack */
	OP_FORK,	/* address, pages, write?: what the child does */
	OP_VFORK,	/* the same in a child that shares the memory */
	OP_EXEC,
	OP_REMOTE,	/* address, bytes, enum property_remote: the test does it */
	OPS
};

enum property_remote {
	REMOTE_READ,	/* process_vm_readv(2) */
	REMOTE_WRITE,	/* process_vm_writev(2) */
	REMOTE_FORCE,	/* a write to /proc/PID/mem, which asks no permissions */
	REMOTES
};

struct order {
	uint64_t op;
	uint64_t arg[6];
};

#define THREADS		4
#define ORDERS		16

/**
 * struct step - what the child is to do before it stands still again
 * @threads: 0: the only order is for the main thread; else how many threads do
 *	@count / @threads orders each, all at once
 * @count: of orders
 * @order: for the first thread, then for the second, ...
 */
struct step {
	uint32_t threads;
	uint32_t count;
	struct order order[ORDERS];
};

/**
 * struct answer - what came of a step
 * @brk: what sbrk(0) says
 * @result: of each order, negative errno if it failed
 */
struct answer {
	uint64_t brk;
	int64_t result[ORDERS];
};

#define PAGE_SET_SLOTS	32768

/**
 * struct page_set - page numbers
 * @slot: a hash table: the number, doubled, and one if it is in the set
 * @full: a page found no slot
 */
struct page_set {
	uint64_t slot[PAGE_SET_SLOTS];
	bool full;
};

/**
 * struct subject - one watched process
 * @pid: of it
 * @orders: pipe to it
 * @answers: pipe from it
 * @events: its events.bin
 * @next: seq of the record to come
 * @heap: the break when the program began
 * @last: its answer to the last step
 * @maps: its VMAs after the last step, as the kernel tells them
 * @fixed: those that it needs to live, the program's own; steps spare them
 * @replay: its VMAs as the records tell them
 * @replayed_brk: its break as the records tell it, zero if they did not
 * @page_faults: fault records of its own, delivered since the watch began
 * @told: pages of which a fault record told, where they are now
 * @told_too_many: and perhaps others, that since were unmapped and mapped again
 */
struct subject {
	pid_t pid;
	int orders;
	int answers;
	int events;
	uint64_t next;
	uint64_t heap;
	struct answer last;
	struct area_list maps;
	struct area_list fixed;
	struct replay replay;
	uint64_t replayed_brk;
	int64_t page_faults;
	struct page_set told;
	bool told_too_many;
};

/*
 * In the assembly of property_child.c: one access each, zero if it was possible.
 * The handler of SIGSEGV and SIGBUS knows where an access stands and lets it
 * return -1, whichever thread it was.
 */
long touch_read(const void *address);
long touch_write(void *address);
extern const char touch_failed[];

/* property_steps.c */
void step_choose(const struct subject *subject, bool threads, uint64_t *random,
		 struct step *step);
void step_print(FILE *to, const struct step *step, const struct answer *answer);

/* property_pages.c */
void pages_forget(struct page_set *set, uint64_t start, uint64_t end);
void pages_record(struct page_set *set, const struct brkscope_record *r);
void pages_unmapped(struct page_set *set, const struct area_list *maps);
int pages_count(pid_t pid, const struct area_list *maps, struct page_set *told,
		int64_t *held, int64_t *untold);

/* property_check.c */
void check_begin(struct subject *subject);
const char *check_now(struct subject *subject, const struct step *step);
const char *check_from_start(struct subject *subject);

#endif /* PROPERTY_H */
