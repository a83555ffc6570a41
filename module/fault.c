// SPDX-License-Identifier: GPL-2.0-only
/*
 * What did an access find, what did the kernel do, what did it cost?
 *
 * The class of a fault is judged by the page table entry before and after
 * handle_mm_fault() and by its result, never by the names of inner functions,
 * which are inlined and renamed from kernel to kernel.
 *
 * Context of the hooks: the task that made the access or acts for another
 * (ptrace, process_vm_writev), preemption off, mmap_lock held for reading or
 * the VMA's own lock; a fault handler that slept may have dropped it before the
 * return. The page table is therefore read as get_user_pages_fast() does:
 * interrupts off, so that no table is freed under us, nothing dereferenced but
 * the tables. No allocation, no sleep, no user access.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/ktime.h>

#include "internal.h"

enum entry_kind {
	ENTRY_NONE,
	ENTRY_ZERO,	/* the shared zero page */
	ENTRY_READ,	/* present, the page table forbids writing */
	ENTRY_WRITE,	/* present and writable */
	ENTRY_AWAY,	/* an entry that is not present: swap, migration */
};

/**
 * struct page_state - what the page table says about one address
 * @pfn: page frame number, if present
 * @kind: enum entry_kind
 * @huge: mapped above the level of the page table entries
 */
struct page_state {
	unsigned long pfn;
	u8 kind;
	bool huge;
};

/* What fault_return() needs to know of the entry; lives in the return probe. */
struct fault_entry {
	struct mm_struct *mm;
	u64 id;
	u64 start;
	unsigned long addr;
	unsigned long ip;
	u32 page;
	struct page_state before;
	unsigned int flags;	/* FAULT_FLAG_* of the kernel */
	u8 prot;
	bool anon;
	bool elsewhere;
};

static struct page_state page_state_huge(unsigned long pfn, bool write)
{
	return (struct page_state){ .pfn = pfn, .huge = true,
				    .kind = write ? ENTRY_WRITE : ENTRY_READ };
}

static struct page_state page_state_pte(pte_t pte)
{
	struct page_state state = { .kind = ENTRY_NONE };

	if (pte_none(pte))
		return state;
	if (!pte_present(pte)) {
		state.kind = ENTRY_AWAY;
		return state;
	}
	state.pfn = pte_pfn(pte);
	if (is_zero_pfn(state.pfn))
		state.kind = ENTRY_ZERO;
	else
		state.kind = pte_write(pte) ? ENTRY_WRITE : ENTRY_READ;
	return state;
}

/* Interrupts are off. */
static struct page_state page_state_walk(struct mm_struct *mm, unsigned long addr)
{
	struct page_state none = { .kind = ENTRY_NONE };
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	if (pgd_none(READ_ONCE(*pgdp)))
		return none;
	p4dp = p4d_offset(pgdp, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || p4d_bad(p4d))
		return none;
	pudp = pud_offset(p4dp, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return none;
	if (pud_leaf(pud))
		return page_state_huge(pud_pfn(pud), pud_write(pud));
	pmdp = pmd_offset(pudp, addr);
	pmd = READ_ONCE(*pmdp);
	if (pmd_none(pmd))
		return none;
	if (!pmd_present(pmd))
		return (struct page_state){ .kind = ENTRY_AWAY, .huge = true };
	if (pmd_leaf(pmd))
		return page_state_huge(pmd_pfn(pmd), pmd_write(pmd));
	return page_state_pte(READ_ONCE(*pte_offset_kernel(&pmd, addr)));
}

static struct page_state page_state_read(struct mm_struct *mm, unsigned long addr)
{
	struct page_state state;
	unsigned long irq;

	local_irq_save(irq);
	state = page_state_walk(mm, addr);
	local_irq_restore(irq);
	return state;
}

static bool page_present(const struct page_state *state)
{
	return state->kind != ENTRY_NONE && state->kind != ENTRY_AWAY;
}

/* The entry was empty; now it is not. */
static u8 fault_class_new(const struct fault_entry *e, const struct page_state *after,
			  bool major)
{
	if (!page_present(after))
		return BRKSCOPE_SPURIOUS;
	if (after->huge)
		return BRKSCOPE_HUGE;
	if (after->kind == ENTRY_ZERO)
		return BRKSCOPE_FIRST_READ;
	if (e->anon)
		return BRKSCOPE_FIRST_WRITE;
	if (major)
		return BRKSCOPE_FILE_MAJOR;
	if (e->prot & BRKSCOPE_PROT_SHARED)
		return BRKSCOPE_SHARED;
	return e->flags & FAULT_FLAG_WRITE ? BRKSCOPE_COW_COPY : BRKSCOPE_FILE_MINOR;
}

/* The entry allowed something before; what does it allow now? */
static u8 fault_class_present(const struct fault_entry *e, const struct page_state *after)
{
	const struct page_state *before = &e->before;

	if (!page_present(after) || !(e->flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)))
		return BRKSCOPE_SPURIOUS;
	if (before->kind == ENTRY_ZERO)
		return after->kind == ENTRY_ZERO ? BRKSCOPE_SPURIOUS : BRKSCOPE_UPGRADE;
	if (before->pfn != after->pfn && !(before->huge && !after->huge))
		return after->huge ? BRKSCOPE_HUGE : BRKSCOPE_COW_COPY;
	if (before->kind == ENTRY_WRITE || after->kind != ENTRY_WRITE)
		return BRKSCOPE_SPURIOUS;
	return e->prot & BRKSCOPE_PROT_SHARED ? BRKSCOPE_WRITE_PROTECT : BRKSCOPE_COW_REUSE;
}

static u8 fault_class(const struct fault_entry *e, const struct page_state *after,
		      vm_fault_t result, bool major)
{
	if (result & VM_FAULT_ERROR)
		return BRKSCOPE_FAILED;
	if (e->before.kind == ENTRY_NONE)
		return fault_class_new(e, after, major);
	if (e->before.kind == ENTRY_AWAY)
		return page_present(after) ? BRKSCOPE_SWAP_IN : BRKSCOPE_SPURIOUS;
	return fault_class_present(e, after);
}

/**
 * fault_wanted() - is this fault about a watched process?
 * @regs: at the entry of handle_mm_fault(vma, address, flags, regs)
 *
 * Either its memory is, or it faults on other memory (exec building a new
 * address space, process_vm_writev): the kernel counts that in its rusage.
 *
 * Context: see the head of the file; preemption off.
 */
bool fault_wanted(struct pt_regs *regs)
{
	const struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);

	if (watch_of_mm(vma->vm_mm))
		return true;
	return vma->vm_mm != current->mm && current->mm && watch_of_mm(current->mm);
}

/**
 * fault_data_size() - bytes that fault_enter() needs to keep until the return
 */
size_t fault_data_size(void)
{
	return sizeof(struct fault_entry);
}

/**
 * fault_enter() - note what the fault finds
 * @data: fault_data_size() bytes that fault_return() will see
 * @regs: as for fault_wanted(), which said yes
 *
 * Return: 0, or 1 if the return is of no interest.
 */
int fault_enter(void *data, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);
	struct fault_entry *e = data;
	struct watch *w = watch_of_mm(vma->vm_mm);

	e->elsewhere = !w;
	if (!w)
		w = current->mm ? watch_of_mm(current->mm) : NULL;
	if (!w)
		return 1;
	e->mm = READ_ONCE(w->mm);
	e->id = w->id;
	e->flags = regs_get_kernel_argument(regs, 2);
	if (e->elsewhere)
		return 0;
	e->addr = regs_get_kernel_argument(regs, 1);
	e->page = min_t(unsigned long, (e->addr - vma->vm_start) >> PAGE_SHIFT, U32_MAX);
	e->anon = vma_is_anonymous(vma);
	e->prot = vma_prot(vma);
	e->ip = current->mm == vma->vm_mm ? instruction_pointer(task_pt_regs(current)) : 0;
	e->before = page_state_read(vma->vm_mm, e->addr);
	e->start = ktime_get_mono_fast_ns();
	return 0;
}

static struct fault_retry *fault_retry_slot(struct watch *w)
{
	return &w->faults.retry[(u32)current->pid % FAULT_RETRY_SLOTS];
}

/* The kernel dropped its locks and will come again: keep when it began. */
static void fault_keep(struct watch *w, const struct fault_entry *e)
{
	struct fault_retry *slot = fault_retry_slot(w);

	if (slot->tid == current->pid && slot->addr == e->addr)
		return;
	slot->tid = current->pid;
	slot->addr = e->addr;
	slot->start = e->start;
}

static void fault_count(struct watch *w, const struct brkscope_record *rec)
{
	struct fault_stats *stats = &w->faults;
	u64 ns = rec->fault.latency;

	stats->by_class[rec->code]++;
	stats->total_ns[rec->code] += ns;
	stats->hist[rec->code][ns ? min_t(int, fls64(ns) - 1, FAULT_HIST_BUCKETS - 1) : 0]++;
	stats->user += !!(rec->flags & BRKSCOPE_FAULT_USER);
	stats->kernel += !!(rec->flags & BRKSCOPE_FAULT_KERNEL);
	stats->remote += !!(rec->flags & BRKSCOPE_FAULT_REMOTE);
	stats->major += !!(rec->flags & BRKSCOPE_FAULT_MAJOR);
}

static u16 fault_flags(const struct fault_entry *e, vm_fault_t result, bool own)
{
	u16 flags = 0;

	if (e->flags & FAULT_FLAG_WRITE)
		flags |= BRKSCOPE_FAULT_WRITE;
	if (e->flags & FAULT_FLAG_INSTRUCTION)
		flags |= BRKSCOPE_FAULT_EXEC;
	if (!own)
		flags |= BRKSCOPE_FAULT_REMOTE;
	else if (e->flags & FAULT_FLAG_USER)
		flags |= BRKSCOPE_FAULT_USER;
	else
		flags |= BRKSCOPE_FAULT_KERNEL;
	/* mm_account_fault() of the kernel says so */
	if ((result & VM_FAULT_MAJOR) || (e->flags & FAULT_FLAG_TRIED))
		flags |= BRKSCOPE_FAULT_MAJOR;
	return flags;
}

/* watch.lock is held. */
static void fault_record(struct watch *w, const struct fault_entry *e,
			 vm_fault_t result, bool own, u64 now)
{
	struct brkscope_record rec = {
		.time = now, .tid = current->pid, .kind = BRKSCOPE_FAULT,
		.flags = fault_flags(e, result, own),
		.fault = { .addr = e->addr, .ip = e->ip, .page = e->page, .prot = e->prot },
	};
	struct page_state after = page_state_read(e->mm, e->addr);
	struct fault_retry *slot = fault_retry_slot(w);
	struct vma_node *node = mirror_find(w, e->addr);
	u64 start = e->start;

	if (slot->tid == current->pid) {
		if (slot->addr == e->addr) {
			start = slot->start;
			rec.flags |= BRKSCOPE_FAULT_RETRIED;
		}
		slot->tid = 0;
	}
	rec.code = fault_class(e, &after, result, rec.flags & BRKSCOPE_FAULT_MAJOR);
	rec.fault.latency = now - start;
	if (rec.code != BRKSCOPE_FAILED && page_present(&after) &&
	    touch_set(&w->touch, e->addr))
		rec.flags |= BRKSCOPE_FAULT_FIRST;
	if (node) {
		rec.fault.name = node->name;
		node->faults[rec.code]++;
	}
	fault_count(w, &rec);
	ring_put(w, &rec);
}

/**
 * fault_return() - note what the kernel did about it
 * @data: of fault_enter()
 * @regs: at the return of handle_mm_fault()
 *
 * The fault may have slept; the watch is looked up again and must be the same.
 */
void fault_return(void *data, struct pt_regs *regs)
{
	struct fault_entry *e = data;
	vm_fault_t result = (__force vm_fault_t)regs_return_value(regs);
	u64 now = ktime_get_mono_fast_ns();
	unsigned long irq;
	struct watch *w;
	bool own;

	w = watch_of_mm(e->mm);
	if (!w || w->id != e->id)
		return;
	own = current->tgid == w->nr;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (result & VM_FAULT_RETRY && !(result & VM_FAULT_ERROR)) {
		if (!e->elsewhere)
			fault_keep(w, e);
	} else {
		if (own && !(result & VM_FAULT_ERROR))
			w->faults.rusage++;
		if (!e->elsewhere)
			fault_record(w, e, result, own, now);
		else if (own && !(result & VM_FAULT_ERROR))
			w->faults.elsewhere++;
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}
