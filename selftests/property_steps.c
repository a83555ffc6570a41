// SPDX-License-Identifier: GPL-2.0-only
/*
 * property_steps.c - what does the random test do to the watched process next?
 *
 * A step is chosen by the random numbers and by what the kernel says that the
 * process has now, so that the same seed gives the same steps.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "property.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* 6.1 */
#endif

/* More areas than this beyond those of the program, and some are unmapped. */
#define MANY_AREAS	40

struct range {
	uint64_t start;
	uint64_t bytes;
};

/**
 * struct chooser - a step being chosen
 * @subject: for whom
 * @random: state of the random numbers
 */
struct chooser {
	const struct subject *subject;
	uint64_t *random;
};

static uint64_t below(struct chooser *c, uint64_t limit)
{
	return scope_random(c->random) % limit;
}

static bool one_in(struct chooser *c, uint64_t n)
{
	return !below(c, n);
}

static uint64_t some_pages(struct chooser *c, uint64_t limit)
{
	static const unsigned int sizes[] = { 2, 4, 4, 8, 8, 16, 32, 128, 600 };
	uint64_t most = sizes[below(c, sizeof(sizes) / sizeof(*sizes))];

	return 1 + below(c, most < limit ? most : limit);
}

/* The stack belongs to the program also where it grew later. */
static bool is_fixed(const struct subject *subject, const struct area *within,
		     struct range range)
{
	const struct area_list *fixed = &subject->fixed;
	size_t i;

	if (!strcmp(within->name, "[stack]"))
		return true;
	for (i = 0; i < fixed->count; i++)
		if (range.start < fixed->area[i].end &&
		    fixed->area[i].start < range.start + range.bytes)
			return true;
	return false;
}

static struct range in_arena(struct chooser *c)
{
	uint64_t first = below(c, ARENA_PAGES);
	struct range range;

	/* Now and then the start of what may become a huge page. */
	if (one_in(c, 8))
		first &= ~511ULL;
	range.start = ARENA + first * PAGE;
	range.bytes = some_pages(c, ARENA_PAGES - first) * PAGE;
	return range;
}

/* A part of an area that is there, or the whole; it may begin or end with it. */
static struct range in_area(struct chooser *c, const struct area *area)
{
	uint64_t pages = (area->end - area->start) / PAGE;
	uint64_t first = one_in(c, 2) ? 0 : below(c, pages), count;

	count = some_pages(c, pages - first);
	if (one_in(c, 3))
		count = pages - first;
	return (struct range){ .start = area->start + first * PAGE,
			       .bytes = count * PAGE };
}

/* An address range that a step may spoil; mostly something is there. */
static struct range some_range(struct chooser *c)
{
	const struct area_list *maps = &c->subject->maps;
	int tries = one_in(c, 5) ? 0 : 20;

	while (tries--) {
		const struct area *area = &maps->area[below(c, maps->count)];
		struct range range = in_area(c, area);

		if (!is_fixed(c->subject, area, range))
			return range;
	}
	return in_arena(c);
}

static int some_prot(struct chooser *c)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ,
		PROT_NONE, PROT_WRITE, PROT_READ | PROT_EXEC,
		PROT_READ | PROT_WRITE | PROT_EXEC,
	};

	return prots[below(c, sizeof(prots) / sizeof(*prots))];
}

static void choose_break(struct chooser *c, struct order *order)
{
	uint64_t heap = c->subject->heap, now = c->subject->last.brk;

	if (one_in(c, 2)) {
		order->op = OP_SBRK;
		order->arg[0] = below(c, 40 * PAGE) - 20 * PAGE;
		if (now + order->arg[0] < heap)
			order->arg[0] = 0;
		return;
	}
	order->op = OP_BRK;
	order->arg[0] = heap + below(c, 100) * PAGE;
	if (one_in(c, 4))
		order->arg[0] += below(c, PAGE);
	if (one_in(c, 20))	/* below the heap: refused */
		order->arg[0] = 1 + below(c, 16 * PAGE);
	if (one_in(c, 20))	/* more than there is: refused */
		order->arg[0] = heap + 2 * ARENA;
}

static void choose_mmap(struct chooser *c, struct order *order)
{
	struct range range = in_arena(c);
	uint64_t flags = one_in(c, 4) ? MAP_SHARED : MAP_PRIVATE;
	int64_t fd = -1;

	order->op = OP_MMAP;
	if (one_in(c, 3))
		fd = one_in(c, 3) ? FD_PROGRAM : FD_FILE;
	else
		flags |= MAP_ANONYMOUS;
	if (one_in(c, 3))
		flags |= MAP_FIXED;
	else if (one_in(c, 8))
		flags |= MAP_FIXED_NOREPLACE;
	else if (one_in(c, 2))
		range.start = 0;
	if (one_in(c, 6))
		flags |= MAP_POPULATE;
	if (one_in(c, 12))
		flags |= MAP_LOCKED;
	if (one_in(c, 12))
		flags |= MAP_NORESERVE;
	if (one_in(c, 20) && flags & MAP_PRIVATE && fd < 0)
		flags |= MAP_GROWSDOWN;
	order->arg[0] = range.start;
	order->arg[1] = range.bytes;
	order->arg[2] = some_prot(c);
	order->arg[3] = flags;
	order->arg[4] = fd;
	order->arg[5] = fd < 0 ? 0 : below(c, FILE_PAGES) * PAGE;
}

static void choose_mremap(struct chooser *c, struct order *order)
{
	struct range range = some_range(c), target = in_arena(c);

	order->op = OP_MREMAP;
	order->arg[0] = range.start;
	order->arg[1] = range.bytes;
	order->arg[2] = range.bytes;
	if (!one_in(c, 3))
		order->arg[2] = one_in(c, 2) ? range.bytes + target.bytes :
			(1 + below(c, range.bytes / PAGE)) * PAGE;
	order->arg[3] = one_in(c, 3) ? 0 : MREMAP_MAYMOVE;
	if (!order->arg[3] || one_in(c, 2))
		return;
	order->arg[3] |= MREMAP_FIXED;
	order->arg[4] = target.start;
	if (one_in(c, 4)) {
		order->arg[2] = range.bytes;
		order->arg[3] |= MREMAP_DONTUNMAP;
	}
	if (target.start + order->arg[2] > ARENA + ARENA_PAGES * PAGE)
		order->arg[3] = MREMAP_MAYMOVE;
}

static int some_advice(struct chooser *c)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_FREE,
		MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_POPULATE_WRITE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_RANDOM, MADV_NORMAL, MADV_COLD,
		MADV_PAGEOUT, MADV_REMOVE, MADV_COLLAPSE,
	};

	return advices[below(c, sizeof(advices) / sizeof(*advices))];
}

/* An operation on a range of pages: which, and its third argument */
static void choose_on_range(struct chooser *c, struct order *order,
			    enum property_op op, uint64_t third)
{
	struct range range = some_range(c);

	order->op = op;
	order->arg[0] = range.start;
	order->arg[1] = range.bytes;
	order->arg[2] = third;
}

/* An access to bytes, which need not begin and end with pages */
static void choose_bytes(struct chooser *c, struct order *order,
			 enum property_op op, uint64_t third)
{
	uint64_t cut;

	choose_on_range(c, order, op, third);
	if (order->arg[1] > 16 * PAGE)
		order->arg[1] = 16 * PAGE;
	cut = below(c, order->arg[1]);
	if (one_in(c, 2)) {
		order->arg[0] += cut;
		order->arg[1] -= cut;
	}
}

/* An access page by page: the second argument counts pages. */
static void choose_touch(struct chooser *c, struct order *order,
			 enum property_op op)
{
	choose_on_range(c, order, op, !one_in(c, 3));
	order->arg[1] /= PAGE;
	if (order->arg[1] > 40)
		order->arg[1] = 40;
}

static void choose_order(struct chooser *c, struct order *order)
{
	memset(order, 0, sizeof(*order));
	switch (below(c, 20)) {
	case 0:
	case 1:
		return choose_break(c, order);
	case 2:
	case 3:
	case 4:
		return choose_mmap(c, order);
	case 5:
		return choose_on_range(c, order, OP_MUNMAP, 0);
	case 6:
	case 7:
		return choose_mremap(c, order);
	case 8:
	case 9:
		return choose_on_range(c, order, OP_MPROTECT, some_prot(c));
	case 10:
	case 11:
	case 12:
		return choose_on_range(c, order, OP_MADVISE, some_advice(c));
	case 13:
		return choose_on_range(c, order, OP_MLOCK, below(c, 2));
	case 14:
		return choose_on_range(c, order, OP_MUNLOCK, 0);
	case 15:
		return choose_bytes(c, order, OP_READ, 0);
	case 16:
		return choose_bytes(c, order, OP_WRITE, 0);
	default:
		return choose_touch(c, order, OP_TOUCH);
	}
}

/* What threads do not do at once, for the process would not survive or wait. */
static void choose_rare(struct chooser *c, struct order *order)
{
	memset(order, 0, sizeof(*order));
	switch (below(c, 12)) {
	case 0:
		order->op = OP_EXEC;
		return;
	case 1:
		order->op = OP_STACK;
		order->arg[0] = below(c, 64);
		return;
	case 2:
	case 3:
	case 4:
		return choose_touch(c, order, OP_FORK);
	case 5:
		return choose_touch(c, order, OP_VFORK);
	default:
		return choose_bytes(c, order, OP_REMOTE, below(c, REMOTES));
	}
}

/**
 * step_choose() - what comes next
 * @subject: who is to do it
 * @threads: may several threads do something at once?
 * @random: state of the random numbers
 * @step: where to
 */
void step_choose(const struct subject *subject, bool threads, uint64_t *random,
		 struct step *step)
{
	struct chooser chooser = { .subject = subject, .random = random };
	uint32_t i;

	memset(step, 0, sizeof(*step));
	step->count = 1;
	if (subject->maps.count > subject->fixed.count + MANY_AREAS) {
		choose_on_range(&chooser, &step->order[0], OP_MUNMAP, 0);
		if (one_in(&chooser, 8)) {
			step->order[0].arg[0] = ARENA;
			step->order[0].arg[1] = ARENA_PAGES * PAGE;
		}
	} else if (threads && one_in(&chooser, 4)) {
		step->threads = THREADS;
		step->count = ORDERS;
		for (i = 0; i < ORDERS; i++)
			choose_order(&chooser, &step->order[i]);
	} else if (one_in(&chooser, 8)) {
		choose_rare(&chooser, &step->order[0]);
	} else {
		choose_order(&chooser, &step->order[0]);
	}
}

static const char *const op_names[OPS] = {
	"brk", "sbrk", "mmap", "munmap", "mremap", "mprotect", "madvise",
	"mlock2", "munlock", "touch", "read into", "write from", "deepen stack",
	"fork, touch", "vfork, touch", "exec", "remote access",
};

/**
 * step_print() - tell a step in words
 * @to: where
 * @step: the step
 * @answer: what came of it
 */
void step_print(FILE *to, const struct step *step, const struct answer *answer)
{
	uint32_t i;
	int k;

	for (i = 0; i < step->count; i++) {
		const struct order *order = &step->order[i];

		fprintf(to, "#   %s", step->threads ? "  " : "");
		if (step->threads)
			fprintf(to, "thread %u: ",
				i / (step->count / step->threads));
		fprintf(to, "%s(", op_names[order->op]);
		for (k = 0; k < 6; k++)
			fprintf(to, "%s%#llx", k ? ", " : "",
				(unsigned long long)order->arg[k]);
		if (answer->result[i] < 0 && answer->result[i] > -4096)
			fprintf(to, ") = %s\n", strerror(-answer->result[i]));
		else
			fprintf(to, ") = %#llx\n",
				(unsigned long long)answer->result[i]);
	}
}
