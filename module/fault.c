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
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"

enum entry_kind {
	ENTRY_NONE,	/* nothing, or a mark of userfaultfd's in the place of nothing */
	ENTRY_ZERO,	/* the shared zero page */
	ENTRY_READ,	/* present, the page table forbids writing */
	ENTRY_WRITE,	/* present and writable */
	ENTRY_AWAY,	/* an entry that is not present: swap, migration */
};

/**
 * struct page_state - what the page table says about one address
 * @pfn: number of the page frame at the address, of a huge page's part too
 * @kind: enum entry_kind
 * @huge: mapped above the level of the page table entries
 * @closed: present, and no access is allowed: PROT_NONE, or NUMA balancing wants to see who
 */
struct page_state {
	unsigned long pfn;
	u8 kind;
	bool huge;
	bool closed;
};

/* Neighbours that fault-around may map: its default window, fault_around_bytes */
#define AROUND_PAGES	(SZ_64K / PAGE_SIZE)

/**
 * struct fault_entry - what fault_return() must know of the entry
 * @mm: the watched address space: the one that faults, or else current's
 * @id: of its watch
 * @start: ns
 * @addr: of the access
 * @ip: of the user instruction
 * @pmdp: the page middle directory entry for @addr, if there was one that stays
 * @before: what the page table said
 * @flags: FAULT_FLAG_* of the kernel
 * @page: of the VMA
 * @fallbacks: of this CPU's huge page faults so far
 * @cpu: which CPU
 * @prot: BRKSCOPE_PROT_* of the VMA
 * @around: pages mapped in the window of the address
 * @anon: the VMA is anonymous
 * @uffd: the VMA is registered with a userfaultfd
 * @gup: nobody accesses the page: get_user_pages() wants it to be there
 * @no_table: a huge page was possible: there was no page table
 * @elsewhere: the address space that faults is not @mm
 */
struct fault_entry {
	struct mm_struct *mm;
	u64 id;
	u64 start;
	unsigned long addr;
	unsigned long ip;
	pmd_t *pmdp;
	struct page_state before;
	unsigned int flags;
	u32 page;
	unsigned long fallbacks;
	int cpu;
	u8 prot;
	u8 around;
	bool anon;
	bool uffd;
	bool gup;
	bool no_table;
	bool elsewhere;
};

static __always_inline struct page_state page_state_huge(unsigned long pfn, bool write,
							 bool closed)
{
	return (struct page_state){ .pfn = pfn, .huge = true, .closed = closed,
				    .kind = write ? ENTRY_WRITE : ENTRY_READ };
}

static __always_inline struct page_state page_state_pte(pte_t pte)
{
	unsigned long pfn;

	if (!pte_present(pte))
		return (struct page_state){ .kind = pte_none_mostly(pte) ? ENTRY_NONE :
								   ENTRY_AWAY };
	pfn = pte_pfn(pte);
	return (struct page_state){ .pfn = pfn, .closed = pte_protnone(pte),
				    .kind = pte_write(pte) ? ENTRY_WRITE :
				    is_zero_pfn(pfn) ? ENTRY_ZERO : ENTRY_READ };
}

/* From the middle directory on down. Interrupts are off. */
static __always_inline struct page_state page_state_pmd(pmd_t *pmdp, unsigned long addr)
{
	pmd_t pmd = READ_ONCE(*pmdp);

	if (!pmd_present(pmd))
		return (struct page_state){ .kind = pmd_none(pmd) ? ENTRY_NONE : ENTRY_AWAY };
	if (pmd_leaf(pmd))
		return page_state_huge(pmd_pfn(pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT),
				       pmd_write(pmd), pmd_protnone(pmd));
	return page_state_pte(READ_ONCE(*pte_offset_kernel(&pmd, addr)));
}

/* Interrupts are off. *@pmdp becomes NULL where there is no middle directory. */
static __always_inline struct page_state page_state_walk(struct mm_struct *mm,
							 unsigned long addr, pmd_t **pmdp)
{
	struct page_state none = { .kind = ENTRY_NONE };
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp;
	pud_t *pudp, pud;

	*pmdp = NULL;
	if (pgd_none(READ_ONCE(*pgdp)))
		return none;
	p4dp = p4d_offset(pgdp, addr);
	if (!p4d_present(READ_ONCE(*p4dp)))
		return none;
	pudp = pud_offset(p4dp, addr);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return none;
	if (pud_leaf(pud))
		return page_state_huge(pud_pfn(pud) + ((addr & ~PUD_MASK) >> PAGE_SHIFT),
				       pud_write(pud), false);
	*pmdp = pmd_offset(pudp, addr);
	return page_state_pmd(*pmdp, addr);
}

static bool page_present(const struct page_state *state)
{
	return state->kind != ENTRY_NONE && state->kind != ENTRY_AWAY;
}

/* How many pages of the window around an address are mapped? Interrupts are off. */
static u8 pages_around(pmd_t *pmdp, unsigned long addr)
{
	unsigned long window = addr & -(AROUND_PAGES * PAGE_SIZE);
	pmd_t pmd = pmdp ? READ_ONCE(*pmdp) : __pmd(0);
	pte_t *ptep;
	u8 i, n = 0;

	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd))
		return 0;
	ptep = pte_offset_kernel(&pmd, window);
	for (i = 0; i < AROUND_PAGES; i++)
		n += !!pte_present(READ_ONCE(ptep[i]));
	return n;
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

/*
 * The entry allowed something before; what does it allow now? NUMA balancing, which had
 * only closed it to see who comes, may move the page or not; it copies nothing.
 */
static u8 fault_class_present(const struct fault_entry *e, const struct page_state *after)
{
	const u8 any = BRKSCOPE_PROT_READ | BRKSCOPE_PROT_WRITE | BRKSCOPE_PROT_EXEC;
	const struct page_state *before = &e->before;

	if (before->closed && e->prot & any)
		return BRKSCOPE_SPURIOUS;
	if (!page_present(after) || !(e->flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)))
		return BRKSCOPE_SPURIOUS;
	if (before->pfn != after->pfn && after->huge)
		return BRKSCOPE_HUGE;
	if (before->kind == ENTRY_ZERO)
		return after->kind == ENTRY_ZERO ? BRKSCOPE_SPURIOUS : BRKSCOPE_UPGRADE;
	if (before->pfn != after->pfn)
		return BRKSCOPE_COW_COPY;
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
 * fault_data_size() - bytes that fault_enter() needs to keep until the return
 */
size_t fault_data_size(void)
{
	return sizeof(struct fault_entry);
}

/* It faults on memory of another process: the kernel counts that in its own rusage. */
static int fault_enter_elsewhere(struct fault_entry *e)
{
	struct watch *w = current->mm ? watch_of_mm(current->mm) : NULL;

	if (!w)
		return 1;
	e->mm = current->mm;
	e->id = w->id;
	e->elsewhere = true;
	return 0;
}

/**
 * fault_enter() - note what the fault finds
 * @data: fault_data_size() bytes that fault_return() will see
 * @regs: at the entry of handle_mm_fault(vma, address, flags, regs)
 *
 * Context: see the head of the file; preemption off.
 * Return: 0, or 1 if the return is of no interest.
 */
int fault_enter(void *data, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);
	struct mm_struct *mm = vma->vm_mm;
	struct watch *w = watch_of_mm(mm);
	struct fault_entry *e = data;
	unsigned long flags, page;

	e->flags = regs_get_kernel_argument(regs, 2);
	if (!w)
		return fault_enter_elsewhere(e);
	e->elsewhere = false;
	e->mm = mm;
	e->id = w->id;
	e->addr = regs_get_kernel_argument(regs, 1);
	e->gup = !regs_get_kernel_argument(regs, 3);
	page = (e->addr - vma->vm_start) >> PAGE_SHIFT;
	e->page = min_t(unsigned long, page, U32_MAX);
	e->anon = vma_is_anonymous(vma);
	e->uffd = vma->vm_flags & __VM_UFFD_FLAGS;
	e->prot = vma_prot(vma);
	e->ip = current->mm == mm ? instruction_pointer(task_pt_regs(current)) : 0;
	e->start = ktime_get_mono_fast_ns();
	local_irq_save(flags);
	e->before = page_state_walk(mm, e->addr, &e->pmdp);
	/* anonymous memory has pages of its own, and huge zero pages */
	if (unlikely(e->before.huge && e->anon && !PageAnon(pfn_to_page(e->before.pfn))))
		e->before.kind = ENTRY_ZERO;
	if (unlikely(!e->anon)) {
		e->around = pages_around(e->pmdp, e->addr);
		e->pmdp = NULL;	/* a shared table of huge pages may go */
	}
	e->no_table = e->anon && (!e->pmdp || pmd_none(READ_ONCE(*e->pmdp)));
	if (unlikely(e->no_table)) {
		e->fallbacks = compat_thp_fallbacks();
		e->cpu = raw_smp_processor_id();
	}
	local_irq_restore(flags);
	return 0;
}

static struct fault_retry *fault_retry_slot(struct watch *w)
{
	return &w->faults.retry[(u32)current->pid % FAULT_RETRY_SLOTS];
}

/* The kernel dropped its locks and will come again: keep what it found, and when. */
static void fault_keep(struct watch *w, const struct fault_entry *e)
{
	struct fault_retry *slot = fault_retry_slot(w);

	if (slot->tid == current->pid && slot->addr == e->addr)
		return;
	slot->tid = current->pid;
	slot->addr = e->addr;
	slot->start = e->start;
	slot->found = e->before.kind;
}

/* The last try of several: it began with the first. */
static u16 fault_merge_tries(struct fault_retry *slot, struct fault_entry *e)
{
	u16 flags = 0;

	if (slot->addr == e->addr) {
		e->start = slot->start;
		flags = BRKSCOPE_FAULT_RETRIED;
		/* who reads the userfaultfd gave the page while the task waited */
		if (e->uffd && slot->found == ENTRY_NONE)
			e->before.kind = ENTRY_NONE;
	}
	slot->tid = 0;
	return flags;
}

static void fault_count(struct watch *w, u8 class, u16 flags, u64 ns)
{
	struct fault_stats *stats = &w->faults;

	stats->by_class[class]++;
	stats->total_ns[class] += ns;
	stats->hist[class][min_t(int, __fls(ns | 1), FAULT_HIST_BUCKETS - 1)]++;
	if (likely(flags & BRKSCOPE_FAULT_USER))
		stats->user++;
	else if (flags & BRKSCOPE_FAULT_REMOTE)
		stats->remote++;
	else
		stats->kernel++;
	if (unlikely(flags & BRKSCOPE_FAULT_MAJOR))
		stats->major++;
}

static u16 fault_flags(const struct fault_entry *e, vm_fault_t result)
{
	u16 flags = 0;

	if (e->flags & FAULT_FLAG_WRITE)
		flags |= BRKSCOPE_FAULT_WRITE;
	if (e->flags & FAULT_FLAG_INSTRUCTION)
		flags |= BRKSCOPE_FAULT_EXEC;
	if (e->flags & FAULT_FLAG_USER)
		flags |= BRKSCOPE_FAULT_USER;
	else if (current->mm != e->mm)
		flags |= BRKSCOPE_FAULT_REMOTE;
	else
		flags |= e->gup ? BRKSCOPE_FAULT_KERNEL | BRKSCOPE_FAULT_GUP :
				  BRKSCOPE_FAULT_KERNEL;
	/* mm_account_fault() of the kernel says so, and counts none that failed */
	if (!(result & VM_FAULT_ERROR) &&
	    ((result & VM_FAULT_MAJOR) || (e->flags & FAULT_FLAG_TRIED)))
		flags |= BRKSCOPE_FAULT_MAJOR;
	return flags;
}

/*
 * The lock that keeps the tables is held unless the fault gave it up to wait, and
 * so is what e->pmdp points to: no VMA goes without it, and tables go with VMAs.
 */
static struct page_state page_state_after(const struct fault_entry *e, vm_fault_t result,
					  pmd_t **pmdp)
{
	*pmdp = e->pmdp;
	if (likely(*pmdp && !(result & (VM_FAULT_ERROR | VM_FAULT_RETRY | VM_FAULT_COMPLETED))))
		return page_state_pmd(*pmdp, e->addr);
	return page_state_walk(e->mm, e->addr, pmdp);
}

/* A huge page was tried for, on this CPU all the while, and there was none. */
static bool fault_fell_back(const struct fault_entry *e, const struct page_state *after)
{
	return !after->huge && e->cpu == raw_smp_processor_id() &&
	       e->fallbacks != compat_thp_fallbacks();
}

/* How many neighbours were mapped along with the page */
static u8 fault_around(const struct fault_entry *e, pmd_t *pmdp)
{
	u8 now = pages_around(pmdp, e->addr);

	return e->before.kind == ENTRY_NONE && now > e->around + 1 ? now - e->around - 1 : 0;
}

/* watch.lock is held, interrupts are off. */
static void fault_record(struct watch *w, struct fault_entry *e, vm_fault_t result, u64 now)
{
	struct fault_retry *slot = fault_retry_slot(w);
	struct brkscope_record *rec = ring_begin(w);
	u16 flags = fault_flags(e, result);
	struct page_state after;
	struct vma_node *node;
	u8 class, around = 0;
	pmd_t *pmdp;

	after = page_state_after(e, result, &pmdp);
	if (unlikely(slot->tid == current->pid))
		flags |= fault_merge_tries(slot, e);
	class = fault_class(e, &after, result, flags & BRKSCOPE_FAULT_MAJOR);
	if (unlikely(!e->anon))
		around = fault_around(e, pmdp);
	else if (unlikely(e->no_table) && fault_fell_back(e, &after))
		flags |= BRKSCOPE_FAULT_FALLBACK;
	if (class != BRKSCOPE_FAILED && page_present(&after) && touch_set(&w->touch, e->addr))
		flags |= BRKSCOPE_FAULT_FIRST;
	if (unlikely(class == BRKSCOPE_HUGE))
		touch_set_huge(&w->touch, e->addr);
	rec->time = now;
	rec->tid = watch_tid(w, current);
	rec->kind = BRKSCOPE_FAULT;
	rec->code = class;
	rec->flags = flags;
	rec->fault.addr = e->addr;
	rec->fault.ip = e->ip;
	rec->fault.frame = after.pfn;
	rec->fault.latency = now - e->start;
	rec->fault.prot = e->prot;
	rec->fault.around = around;
	rec->fault.page = e->page;
	node = mirror_find(w, e->addr);
	if (likely(node))
		node->faults[class]++;
	rec->fault.name = node ? node->name : BRKSCOPE_NAME_NONE;
	fault_count(w, class, flags, now - e->start);
	ring_commit(w, rec);
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
	vm_fault_t result = (__force vm_fault_t)regs_return_value(regs);
	struct fault_entry *e = data;
	unsigned long irq;
	struct watch *w;
	bool counted;
	u64 now;

	w = watch_of_mm(e->mm);
	if (!w || w->id != e->id)
		return;
	now = ktime_get_mono_fast_ns();
	/* mm_account_fault() of the kernel counts for whoever runs */
	counted = !(result & VM_FAULT_ERROR) && task_tgid(current) == w->pid;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (unlikely(result & VM_FAULT_RETRY && !(result & VM_FAULT_ERROR))) {
		if (!e->elsewhere)
			fault_keep(w, e);
	} else {
		w->faults.rusage += counted;
		if (likely(!e->elsewhere))
			fault_record(w, e, result, now);
		else
			w->faults.elsewhere += counted;
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * fault_under_way() - is the current task in a page fault in its own address space?
 *
 * Context: the task itself. Return: the address accessed, or zero; a fault at
 * address zero never comes as far as the hook.
 */
unsigned long fault_under_way(void)
{
	const struct fault_entry *e = hook_fault_data();

	return e && !e->elsewhere && e->mm == current->mm ? e->addr : 0;
}
