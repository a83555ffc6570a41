// SPDX-License-Identifier: GPL-2.0-only
/*
 * areas.c - how much memory was obtained, what for, and how much was touched?
 *
 * Replays the changes of VMAs on ranges that remember what their bytes were
 * obtained for. A byte is obtained when it becomes accessible: a reservation
 * without permissions costs nothing yet.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "areas.h"

#define GROUP_NS	1000000ULL	/* changes further apart are of two calls */

#define PROT_ANY	(BRKSCOPE_PROT_READ | BRKSCOPE_PROT_WRITE | BRKSCOPE_PROT_EXEC)

/**
 * areas_init() - an empty address space
 * @a: gets it
 * @page_size: bytes of a page
 */
void areas_init(struct areas *a, u64 page_size)
{
	memset(a, 0, sizeof(*a));
	a->page_size = page_size;
}

static void amount_add(struct amount *m, u64 bytes, bool fresh)
{
	m->now += bytes;
	if (fresh)
		m->total += bytes;
}

static void amount_peak(struct amount *m)
{
	if (m->now > m->peak)
		m->peak = m->now;
}

static void amount_take(struct amount *m, u64 bytes)
{
	m->now -= bytes < m->now ? bytes : m->now;
}

static bool is_heap(unsigned int origin)
{
	return origin == ORIGIN_BREAK || origin == ORIGIN_MALLOC;
}

static void count_obtained(struct areas *a, const struct piece *p, bool fresh)
{
	u64 bytes = p->end - p->start;

	if (p->origin == ORIGIN_NONE || !(p->prot & PROT_ANY))
		return;
	amount_add(&a->obtained[p->origin], bytes, fresh);
	if (is_heap(p->origin))
		amount_add(&a->heap.obtained, bytes, fresh);
}

static void count_removed(struct areas *a, const struct piece *p)
{
	u64 bytes = p->end - p->start;

	if (p->origin == ORIGIN_NONE || !(p->prot & PROT_ANY))
		return;
	amount_take(&a->obtained[p->origin], bytes);
	if (is_heap(p->origin))
		amount_take(&a->heap.obtained, bytes);
}

static void count_touched(struct areas *a, unsigned int origin, u64 pages)
{
	amount_add(&a->touched[origin], pages * a->page_size, true);
	amount_peak(&a->touched[origin]);
	if (!is_heap(origin))
		return;
	amount_add(&a->heap.touched, pages * a->page_size, true);
	amount_peak(&a->heap.touched);
}

/* Bytes that will not come back: their pages are no longer touched. */
static void forget_touched(struct areas *a, const struct piece *p)
{
	u64 bytes;

	if (p->origin == ORIGIN_NONE)
		return;
	bytes = a->page_size * pageset_remove(&a->touched_pages, p->start / a->page_size,
					      p->end / a->page_size);
	amount_take(&a->touched[p->origin], bytes);
	if (is_heap(p->origin))
		amount_take(&a->heap.touched, bytes);
}

/* Index of the first piece that ends after an address. */
static size_t piece_at(const struct pieces *p, u64 address)
{
	size_t low = 0, high = p->nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (p->list[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert(struct pieces *p, const struct piece *piece)
{
	size_t at;

	if (piece->start >= piece->end)
		return;
	at = piece_at(p, piece->start);
	p->list = grow_array(p->list, p->nr, &p->room, sizeof(*p->list));
	memmove(p->list + at + 1, p->list + at, (p->nr - at) * sizeof(*p->list));
	p->list[at] = *piece;
	p->nr++;
}

/* Takes the first piece with bytes in [start, end) out, cut to that range. */
static bool take(struct pieces *p, u64 start, u64 end, struct piece *out)
{
	size_t at = piece_at(p, start);
	struct piece before, after;

	if (at == p->nr || p->list[at].start >= end || start >= end)
		return false;
	*out = p->list[at];
	before = *out;
	after = *out;
	memmove(p->list + at, p->list + at + 1, (p->nr - at - 1) * sizeof(*p->list));
	p->nr--;
	if (out->start < start)
		out->start = start;
	if (out->end > end)
		out->end = end;
	before.end = out->start;
	after.start = out->end;
	insert(p, &before);
	insert(p, &after);
	return true;
}

static void remove_range(struct areas *a, u64 start, u64 end)
{
	struct piece p, q;

	while (take(&a->live, start, end, &p)) {
		count_removed(a, &p);
		while (take(&a->gone, p.start, p.end, &q))
			;
		insert(&a->gone, &p);
	}
}

/* Bytes where nothing was: obtained anew, or moved here by mremap. */
static void add_new(struct areas *a, struct piece p)
{
	u64 page = a->page_size;
	struct piece from, part;

	while (a->group_cause == SYS_mremap && a->gone.nr && p.start < p.end) {
		if (!take(&a->gone, a->gone.list[0].start,
			  a->gone.list[0].start + (p.end - p.start), &from))
			break;
		part = p;
		part.end = p.start + (from.end - from.start);
		part.origin = from.origin;
		pageset_move(&a->touched_pages, from.start / page, from.end / page,
			     part.start / page);
		count_obtained(a, &part, !(from.prot & PROT_ANY));
		insert(&a->live, &part);
		p.start = part.end;
	}
	if (p.start < p.end) {
		count_obtained(a, &p, true);
		insert(&a->live, &p);
	}
}

/* Bytes that went in this same group: the same memory as before, if it can be. */
static void add_back(struct areas *a, struct piece *p, const struct piece *back, bool foreign)
{
	p->origin = back->origin;
	if (foreign || !(p->prot & PROT_ANY))
		forget_touched(a, p);
	if (foreign)
		p->origin = ORIGIN_NONE;
	count_obtained(a, p, !(back->prot & PROT_ANY));
	insert(&a->live, p);
}

static void add_range(struct areas *a, const struct piece *range, bool foreign)
{
	struct piece p = *range, back;

	remove_range(a, range->start, range->end);
	while (p.start < range->end) {
		p.end = range->end;
		p.origin = range->origin;
		if (!take(&a->gone, p.start, p.end, &back)) {
			add_new(a, p);
		} else if (back.start > p.start) {
			insert(&a->gone, &back);
			p.end = back.start;
			add_new(a, p);
		} else {
			p.end = back.end;
			add_back(a, &p, &back, foreign);
		}
		p.start = p.end;
	}
}

/* Bytes that mremap moved are the same as before; those beyond the old size are new. */
static void move_range(struct areas *a, const struct brkscope_record *r,
		       const struct piece *as, bool foreign)
{
	u64 page = a->page_size, old = r->vma.old_start, to;
	u64 size = r->vma.end - r->vma.start;
	struct piece p, rest = *as;

	if (size > r->vma.old_end - old)
		size = r->vma.old_end - old;
	while (take(&a->live, old, old + size, &p)) {
		to = p.start - old + r->vma.start;
		pageset_move(&a->touched_pages, p.start / page, p.end / page, to / page);
		p.end += to - p.start;
		p.start = to;
		p.name = as->name;
		insert(&a->live, &p);
	}
	remove_range(a, old + size, r->vma.old_end);
	rest.start += size;
	add_range(a, &rest, foreign);
}

/**
 * areas_close_group() - no more changes of the present system call will come
 * @a: the address space
 */
void areas_close_group(struct areas *a)
{
	size_t i;

	for (i = 0; i < a->gone.nr; i++)
		forget_touched(a, &a->gone.list[i]);
	a->gone.nr = 0;
	a->group_tid = 0;
	for (i = 0; i < ORIGINS; i++) {
		amount_peak(&a->obtained[i]);
		if (a->heap.obtained.now > a->heap.obtained.peak)
			a->heap.at_peak[i] = a->obtained[i].now;
	}
	amount_peak(&a->heap.obtained);
}

/* In the records of one call all that takes away comes before all that adds. */
static void join_group(struct areas *a, const struct brkscope_record *r)
{
	bool adds = r->code == BRKSCOPE_VMA_ADD || r->code == BRKSCOPE_VMA_GROW;

	/* what a move replaces is not what it moves */
	if (a->group_tid != r->tid || a->group_cause != r->vma.cause ||
	    (a->group_adds && !adds) || r->code == BRKSCOPE_VMA_MOVE ||
	    r->time - a->group_time > GROUP_NS)
		areas_close_group(a);
	a->group_tid = r->tid;
	a->group_adds = adds;
	a->group_cause = r->vma.cause;
	a->group_time = r->time;
}

/**
 * areas_change() - a VMA has changed
 * @a: the address space
 * @r: the record, of kind BRKSCOPE_VMA
 * @name: the VMA's name, which must stay
 * @origin: what new bytes of it are obtained for
 */
void areas_change(struct areas *a, const struct brkscope_record *r, const char *name,
		  enum origin origin)
{
	struct piece p = { .start = r->vma.start, .end = r->vma.end, .prot = r->vma.prot,
			   .origin = origin, .name = name };
	bool foreign = r->vma.prot & BRKSCOPE_PROT_SHARED ||
		       r->vma.attr & (BRKSCOPE_ATTR_FILE | BRKSCOPE_ATTR_SPECIAL);

	join_group(a, r);
	switch (r->code) {
	case BRKSCOPE_VMA_REMOVE:
		remove_range(a, r->vma.old_start, r->vma.old_end);
		break;
	case BRKSCOPE_VMA_SHRINK:
		remove_range(a, r->vma.old_start, r->vma.start);
		remove_range(a, r->vma.end, r->vma.old_end);
		break;
	case BRKSCOPE_VMA_MOVE:
		move_range(a, r, &p, foreign);
		break;
	case BRKSCOPE_VMA_GROW:
		p.end = r->vma.old_start;
		add_range(a, &p, foreign);
		p.start = r->vma.old_end;
		p.end = r->vma.end;
		add_range(a, &p, foreign);
		break;
	default:
		add_range(a, &p, foreign);
	}
}

/**
 * areas_fault() - a page was touched
 * @a: the address space
 * @r: the record, of kind BRKSCOPE_FAULT
 */
void areas_fault(struct areas *a, const struct brkscope_record *r)
{
	u64 page = r->fault.addr / a->page_size, end = page + 1, fresh = 0;
	const struct piece *p;

	areas_close_group(a);
	p = areas_find(a, r->fault.addr);
	if (!p || p->origin == ORIGIN_NONE || r->code == BRKSCOPE_FAILED ||
	    r->code == BRKSCOPE_SPURIOUS)
		return;
	if (r->code == BRKSCOPE_HUGE) {
		/* a page table's worth: entries of eight bytes fill a page */
		page &= ~(a->page_size / 8 - 1);
		end = page + a->page_size / 8;
		if (page < p->start / a->page_size)
			page = p->start / a->page_size;
		if (end > p->end / a->page_size)
			end = p->end / a->page_size;
	}
	for (; page < end; page++)
		fresh += pageset_add(&a->touched_pages, page);
	count_touched(a, p->origin, fresh);
}

/**
 * areas_exec() - the address space is a new, empty one
 * @a: the address space; the amounts so far remain as peaks and totals
 */
void areas_exec(struct areas *a)
{
	size_t i;

	areas_close_group(a);
	a->live.nr = 0;
	pageset_free(&a->touched_pages);
	for (i = 0; i < ORIGINS; i++) {
		a->obtained[i].now = 0;
		a->touched[i].now = 0;
	}
	a->heap.obtained.now = 0;
	a->heap.touched.now = 0;
}

/**
 * areas_find() - what is at an address?
 * @a: the address space
 * @address: any
 *
 * Return: the piece, NULL if nothing is mapped; good until the next change
 */
const struct piece *areas_find(const struct areas *a, u64 address)
{
	size_t at = piece_at(&a->live, address);

	return at < a->live.nr && a->live.list[at].start <= address ? &a->live.list[at] : NULL;
}

/**
 * areas_free() - give the address space back
 * @a: the address space
 */
void areas_free(struct areas *a)
{
	free(a->live.list);
	free(a->gone.list);
	pageset_free(&a->touched_pages);
}
