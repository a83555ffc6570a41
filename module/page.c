// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which physical pages did the page allocator give?
 *
 * The tracepoint kmem:mm_page_alloc tells of every page that anybody is given.
 * Of interest are those for a task in a watched address space that is in a page
 * fault or in a system call about memory. What the pages are for is judged from
 * the GFP flags: they are the contract between whoever asks and the allocator,
 * and older than any name of an inner function.
 *
 * Context of page_on_alloc(): any, preemption off; perhaps with interrupts off and
 * locks held. Only what a task does for itself is looked at, never interrupts.
 * Nothing that holds watch.lock allocates; a tracer that runs under it might, so
 * with interrupts off the lock is tried and not waited for.
 */
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <asm/pgalloc.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "internal.h"

/* The system calls about memory, by number. */
static const char * const page_calls[] = {
	[__NR_brk] = "brk",
	[__NR_clone] = "clone",
	[__NR_clone3] = "clone3",
	[__NR_execve] = "execve",
	[__NR_execveat] = "execveat",
#ifdef __NR_fork
	[__NR_fork] = "fork",
	[__NR_vfork] = "vfork",
#endif
	[__NR_madvise] = "madvise",
	[__NR_mbind] = "mbind",
	[__NR_migrate_pages] = "migrate_pages",
	[__NR_mlock] = "mlock",
	[__NR_mlock2] = "mlock2",
	[__NR_mlockall] = "mlockall",
	[__NR_mmap] = "mmap",
	[__NR_move_pages] = "move_pages",
	[__NR_mprotect] = "mprotect",
	[__NR_mremap] = "mremap",
	[__NR_munlock] = "munlock",
	[__NR_munlockall] = "munlockall",
	[__NR_munmap] = "munmap",
	[__NR_pkey_mprotect] = "pkey_mprotect",
	[__NR_process_madvise] = "process_madvise",
	[__NR_remap_file_pages] = "remap_file_pages",
	[__NR_shmat] = "shmat",
	[__NR_shmdt] = "shmdt",
};

#ifdef COMPAT_IA32
static const char * const page_calls_ia32[] = {
	[__NR_ia32_brk] = "brk",
	[__NR_ia32_clone] = "clone",
	[__NR_ia32_clone3] = "clone3",
	[__NR_ia32_execve] = "execve",
	[__NR_ia32_execveat] = "execveat",
	[__NR_ia32_fork] = "fork",
	[__NR_ia32_ipc] = "ipc",
	[__NR_ia32_madvise] = "madvise",
	[__NR_ia32_mbind] = "mbind",
	[__NR_ia32_migrate_pages] = "migrate_pages",
	[__NR_ia32_mlock] = "mlock",
	[__NR_ia32_mlock2] = "mlock2",
	[__NR_ia32_mlockall] = "mlockall",
	[__NR_ia32_mmap] = "mmap",
	[__NR_ia32_mmap2] = "mmap2",
	[__NR_ia32_move_pages] = "move_pages",
	[__NR_ia32_mprotect] = "mprotect",
	[__NR_ia32_mremap] = "mremap",
	[__NR_ia32_munlock] = "munlock",
	[__NR_ia32_munlockall] = "munlockall",
	[__NR_ia32_munmap] = "munmap",
	[__NR_ia32_pkey_mprotect] = "pkey_mprotect",
	[__NR_ia32_process_madvise] = "process_madvise",
	[__NR_ia32_remap_file_pages] = "remap_file_pages",
	[__NR_ia32_shmat] = "shmat",
	[__NR_ia32_shmdt] = "shmdt",
	[__NR_ia32_vfork] = "vfork",
};
#endif

/**
 * page_call_name() - name of a system call about memory
 * @nr: its number
 * @ia32: the number is one of the 32-bit ABI
 *
 * Return: the name, or NULL if it is not about memory.
 */
const char *page_call_name(int nr, bool ia32)
{
#ifdef COMPAT_IA32
	if (ia32)
		return nr >= 0 && nr < ARRAY_SIZE(page_calls_ia32) ? page_calls_ia32[nr] : NULL;
#endif
	return nr >= 0 && nr < ARRAY_SIZE(page_calls) ? page_calls[nr] : NULL;
}

/* ---- what is given ---- */

/*
 * User pages are asked for as movable, or, where they cannot be moved, as high
 * memory within the process's cpuset; a task that reclaims memory asks for
 * pages to swap to. Page tables have flags of their own; slabs are never asked
 * for as zeroed.
 */
static u8 page_use(unsigned int order, gfp_t gfp)
{
	gfp_t given = (gfp | __GFP_IO | __GFP_FS) & ~(__GFP_COMP | __GFP_HARDWALL);

	if (given == GFP_PGTABLE_USER && order <= 1)
		return BRKSCOPE_PAGE_TABLE;
	if (current->flags & PF_MEMALLOC || !(gfp & __GFP_HARDWALL))
		return BRKSCOPE_PAGE_OTHER;
	return gfp & (__GFP_MOVABLE | __GFP_HIGHMEM) ? BRKSCOPE_PAGE_DATA : BRKSCOPE_PAGE_OTHER;
}

/* What is the current task at? False: neither a fault nor a call about memory. */
static bool page_wanted(unsigned long *addr, int *call, bool *ia32)
{
	*ia32 = false;
	*call = BRKSCOPE_PAGE_IN_FAULT;
	*addr = fault_under_way();
	if (*addr)
		return true;
	/* these are in no system call */
	if (current->flags & (PF_KTHREAD | PF_IO_WORKER))
		return false;
	*call = syscall_get_nr(current, task_pt_regs(current));
	if (*call == BRKSCOPE_PAGE_IN_FAULT)	/* a stack that grows, say */
		return true;
	*ia32 = compat_in_ia32_syscall();
	return page_call_name(*call, *ia32);
}

/* watch.lock is held. */
static void page_record(struct watch *w, struct page *page, unsigned int order, gfp_t gfp,
			unsigned long addr, int call, bool ia32)
{
	struct vma_node *node = addr ? mirror_find(w, addr) : NULL;
	struct brkscope_record *rec = ring_begin(w);

	rec->time = ktime_get_mono_fast_ns();
	rec->tid = watch_tid(w, current);
	rec->kind = BRKSCOPE_PAGE;
	rec->code = page_use(order, gfp);
	rec->flags = ia32 ? BRKSCOPE_PAGE_IA32 : 0;
	rec->page.addr = addr;
	rec->page.frame = page_to_pfn(page);
	rec->page.gfp = (__force u32)gfp;
	rec->page.order = order;
	rec->page.zone = page_zonenum(page);
	rec->page.node = page_to_nid(page);
	rec->page.call = call;
	rec->page.name = node ? node->name : BRKSCOPE_NAME_NONE;
	rec->page.reserved0 = 0;
	rec->page.reserved = 0;
	w->pages.by_use[rec->code] += 1ULL << order;
	ring_commit(w, rec);
}

/**
 * page_on_alloc() - the page allocator gave pages to whoever is running
 * @page: the first, or NULL if it had none
 * @order: 2^order pages
 * @gfp: as asked for
 *
 * Context: see the head of the file. Return: was it about a watched process?
 */
bool page_on_alloc(struct page *page, unsigned int order, gfp_t gfp)
{
	unsigned long addr, irq;
	struct watch *w;
	bool ia32;
	int call;

	if (!current->mm || !in_task() || !page)
		return false;
	w = watch_of_mm(current->mm);
	if (!w || !w->wants_pages || !page_wanted(&addr, &call, &ia32))
		return false;
	if (!irqs_disabled()) {
		raw_spin_lock_irqsave(&w->lock, irq);
	} else if (!raw_spin_trylock_irqsave(&w->lock, irq)) {
		atomic64_inc(&w->pages.missed);
		return true;
	}
	page_record(w, page, order, gfp, addr, call, ia32);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return true;
}
