// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages does the process hold now, and which of them came without a fault?
 *
 * Read from the page tables when somebody asks. A page that is held although no
 * fault of the watch touched it came silently: it was there when the watch began,
 * fork copied its entry, khugepaged or fault-around mapped it, UFFDIO_COPY or
 * mremap put it there.
 *
 * Context: a reader, who may sleep. mmap_lock is held for reading for some
 * megabytes of tables at a time, as /proc/PID/pagemap does it, and interrupts are
 * off while one table is read, so that no table is freed under us.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

#define HELD_BATCH	64	/* tables for one hold of mmap_lock */

/**
 * struct held_walk - one count of the pages
 * @w: whose
 * @mm: its address space, referenced
 * @addr: what is below is counted
 * @sum: the result
 * @chunk: pages that are held, of the piece that is being looked at
 * @touched: pages that are known from faults, of the same piece
 */
struct held_walk {
	struct watch *w;
	struct mm_struct *mm;
	unsigned long addr;
	struct held_pages *sum;
	DECLARE_BITMAP(chunk, TOUCH_CHUNK_PAGES);
	DECLARE_BITMAP(touched, TOUCH_CHUNK_PAGES);
};

/* As /proc/PID/pagemap tells it: present, and no page of a file or of shared memory. */
static bool held_page(struct page *page)
{
	return PageAnon(page);
}

static bool held_pte(pte_t pte)
{
	return pte_present(pte) && (pte_special(pte) || held_page(pte_page(pte)));
}

static void held_table(struct held_walk *h, pmd_t pmd, unsigned long addr, unsigned long end)
{
	pte_t *ptep = pte_offset_kernel(&pmd, addr);

	for (; addr < end; addr += PAGE_SIZE, ptep++)
		if (held_pte(READ_ONCE(*ptep)))
			__set_bit((addr >> PAGE_SHIFT) % TOUCH_CHUNK_PAGES, h->chunk);
}

static void held_huge(struct held_walk *h, struct page *page, unsigned long addr,
		      unsigned long end)
{
	if (held_page(page))
		bitmap_set(h->chunk, (addr >> PAGE_SHIFT) % TOUCH_CHUNK_PAGES,
			   (end - addr) >> PAGE_SHIFT);
}

/*
 * What is held of [@addr, @end), which lies below one entry of a page middle
 * directory? Interrupts are off. Return: where to go on; beyond @end if a whole
 * upper table is not there.
 */
static unsigned long held_range(struct held_walk *h, unsigned long addr, unsigned long end)
{
	pgd_t *pgdp = pgd_offset(h->mm, addr);
	p4d_t *p4dp;
	pud_t *pudp, pud;
	pmd_t pmd;

	if (pgd_none(READ_ONCE(*pgdp)))
		return (addr & PGDIR_MASK) + PGDIR_SIZE;
	p4dp = p4d_offset(pgdp, addr);
	if (!p4d_present(READ_ONCE(*p4dp)))
		return (addr & P4D_MASK) + P4D_SIZE;
	pudp = pud_offset(p4dp, addr);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return (addr & PUD_MASK) + PUD_SIZE;
	if (pud_leaf(pud)) {
		held_huge(h, pud_page(pud), addr, end);
		return end;
	}
	pmd = READ_ONCE(*pmd_offset(pudp, addr));
	if (!pmd_present(pmd))
		return end;
	if (pmd_leaf(pmd))
		held_huge(h, pmd_page(pmd), addr, end);
	else
		held_table(h, pmd, addr, end);
	return end;
}

/* One piece of TOUCH_CHUNK_PAGES pages, or what the VMA has of it. */
static unsigned long held_chunk(struct held_walk *h, unsigned long addr, unsigned long end)
{
	u64 number = (addr >> PAGE_SHIFT) / TOUCH_CHUNK_PAGES;
	unsigned long next = (number + 1) * TOUCH_CHUNK_PAGES << PAGE_SHIFT;
	unsigned int held;

	bitmap_zero(h->chunk, TOUCH_CHUNK_PAGES);
	local_irq_disable();
	next = held_range(h, addr, min(end, next));
	local_irq_enable();
	held = bitmap_weight(h->chunk, TOUCH_CHUNK_PAGES);
	if (!held)
		return next;
	touch_copy(h->w, number, h->touched);
	h->sum->held += held;
	bitmap_andnot(h->chunk, h->chunk, h->touched, TOUCH_CHUNK_PAGES);
	h->sum->silent += bitmap_weight(h->chunk, TOUCH_CHUNK_PAGES);
	return next;
}

/* mmap_lock is held. Return: false at the end of the address space. */
static bool held_batch(struct held_walk *h)
{
	VMA_ITERATOR(vmi, h->mm, h->addr);
	struct vm_area_struct *vma;
	int tables = 0;

	for_each_vma(vmi, vma) {
		/* frames of devices: there may be no struct page; pagemap skips them, too */
		if (vma->vm_flags & VM_PFNMAP)
			continue;
		h->addr = max(h->addr, vma->vm_start);
		for (; h->addr < vma->vm_end; tables++) {
			if (tables == HELD_BATCH)
				return true;
			h->addr = held_chunk(h, h->addr, vma->vm_end);
		}
	}
	return false;
}

/**
 * held_count() - count the pages that a watched process holds
 * @w: the watch, referenced
 * @sum: gets the counts, zero if the address space is gone
 *
 * Context: process; sleeps. While the process runs the counts are of no one
 * moment. Return: 0, or -EINTR if the reader is to die.
 */
int held_count(struct watch *w, struct held_pages *sum)
{
	struct held_walk h = { .w = w, .sum = sum, .mm = watch_get_mm(w) };
	bool more = true;
	int err = 0;

	memset(sum, 0, sizeof(*sum));
	if (!h.mm)
		return 0;
	while (more && !err) {
		err = mmap_read_lock_killable(h.mm);
		if (err)
			break;
		more = READ_ONCE(w->mm) == h.mm && held_batch(&h);
		mmap_read_unlock(h.mm);
		cond_resched();
		err = fatal_signal_pending(current) ? -EINTR : 0;
	}
	mmput(h.mm);
	return err;
}
