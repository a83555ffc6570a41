/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What brkscope.ko tells user space: records and /proc formats
 *
 * Shared by the module and by its readers. All numbers are in the byte order
 * and word size of the machine; addresses and sizes are bytes, times are
 * CLOCK_MONOTONIC nanoseconds, counts of pages say so in their name.
 *
 * The rule of change: a field is never moved, a constant never renumbered.
 * New facts get new constants, reserved bytes (written as zero) or a new kind
 * of record; a reader skips the kinds that it does not know.
 */
#ifndef _UAPI_BRKSCOPE_H
#define _UAPI_BRKSCOPE_H

#include <linux/types.h>

#define BRKSCOPE_VERSION	1
#define BRKSCOPE_MAGIC		"brkscope"	/* eight bytes, no final NUL */

/**
 * struct brkscope_header - the first 64 bytes of each open events.bin
 * @magic: BRKSCOPE_MAGIC
 * @version: BRKSCOPE_VERSION
 * @record_size: bytes of one record, sizeof(struct brkscope_record)
 * @page_size: bytes of a page
 * @pid: process id (thread group id) of the watched process, as whoever began
 *	the watch sees it
 * @start: when the watch began, ns
 * @buffer_records: how many records the event buffer holds
 * @reserved: zero
 */
struct brkscope_header {
	char	magic[8];
	__u32	version;
	__u32	record_size;
	__u32	page_size;
	__u32	pid;
	__u64	start;
	__u64	buffer_records;
	__u64	reserved[3];
};

/**
 * enum brkscope_kind - what a record is about
 * @BRKSCOPE_FAULT: one page fault, retries included (record.fault)
 * @BRKSCOPE_BRK: one brk system call that was not a mere query (record.brk)
 * @BRKSCOPE_VMA: one change of one virtual memory area (record.vma)
 * @BRKSCOPE_NAME: text of a VMA's name, sent before the first use (record.name)
 * @BRKSCOPE_EXEC: the process has a new, empty address space; every VMA
 *	reported so far is gone (record.exec)
 * @BRKSCOPE_EXIT: the process has ended; nothing follows (record.exit)
 * @BRKSCOPE_PAGE: the page allocator gave pages to a thread of the process that
 *	was in a page fault or a memory system call (record.page)
 * @BRKSCOPE_SIGNAL: SIGSEGV or SIGBUS for an access of user code that the kernel
 *	could not serve; one outside every VMA has no fault record. An access of the
 *	kernel's own fails with EFAULT and no signal (record.signal)
 * @BRKSCOPE_FORK: the process made a child with an address space of its own or,
 *	by vfork, on loan (record.fork)
 * @BRKSCOPE_LOST: made at reading time for one reader: that many records were
 *	overwritten before it came to them; @seq is the first of them (record.lost)
 */
enum brkscope_kind {
	BRKSCOPE_FAULT	= 1,
	BRKSCOPE_BRK	= 2,
	BRKSCOPE_VMA	= 3,
	BRKSCOPE_NAME	= 4,
	BRKSCOPE_EXEC	= 5,
	BRKSCOPE_EXIT	= 6,
	BRKSCOPE_LOST	= 7,
	BRKSCOPE_PAGE	= 8,
	BRKSCOPE_SIGNAL	= 9,
	BRKSCOPE_FORK	= 10,
};

/**
 * enum brkscope_fault_class - what the kernel did about an access
 *
 * Judged by the page table before and after the fault and by its result.
 *
 * @BRKSCOPE_FIRST_WRITE: nothing was there; the kernel gave a zeroed page
 * @BRKSCOPE_FIRST_READ: nothing was there; the shared zero page was mapped
 * @BRKSCOPE_UPGRADE: a write to the zero page; the kernel gave an own page
 * @BRKSCOPE_COW_COPY: a write to a page shared by copy-on-write; copied
 * @BRKSCOPE_COW_REUSE: the same, but nobody else had it any more; made writable
 * @BRKSCOPE_HUGE: a huge page was mapped
 * @BRKSCOPE_FILE_MINOR: a page of a privately mapped file, found in memory
 * @BRKSCOPE_FILE_MAJOR: a page of a file that had to be read from the disk
 * @BRKSCOPE_SWAP_IN: the page was in swap (or on its way somewhere else)
 * @BRKSCOPE_SHARED: a page of a shared mapping
 * @BRKSCOPE_WRITE_PROTECT: first write to a page of a shared mapping that was
 *	mapped read-only so that the kernel learns of the write
 * @BRKSCOPE_SPURIOUS: the page table already allowed it, or still says nothing, or
 *	forbade it only so that NUMA balancing sees who accesses the page
 * @BRKSCOPE_FAILED: the access could not be served (SIGBUS, out of memory, ...)
 * @BRKSCOPE_CLASSES: how many classes there are
 */
enum brkscope_fault_class {
	BRKSCOPE_FIRST_WRITE	= 0,
	BRKSCOPE_FIRST_READ	= 1,
	BRKSCOPE_UPGRADE	= 2,
	BRKSCOPE_COW_COPY	= 3,
	BRKSCOPE_COW_REUSE	= 4,
	BRKSCOPE_HUGE		= 5,
	BRKSCOPE_FILE_MINOR	= 6,
	BRKSCOPE_FILE_MAJOR	= 7,
	BRKSCOPE_SWAP_IN	= 8,
	BRKSCOPE_SHARED		= 9,
	BRKSCOPE_WRITE_PROTECT	= 10,
	BRKSCOPE_SPURIOUS	= 11,
	BRKSCOPE_FAILED		= 12,
	BRKSCOPE_CLASSES
};

/* The names of the classes as all texts print them, by number. */
#define BRKSCOPE_FAULT_CLASS_NAMES {					\
	"first-write", "first-read", "upgrade", "cow-copy", "cow-reuse",\
	"huge", "file-minor", "file-major", "swap-in", "shared",	\
	"write-protect", "spurious", "failed" }

/* record.flags of a fault */
#define BRKSCOPE_FAULT_WRITE	0x0001	/* the access was a write */
#define BRKSCOPE_FAULT_EXEC	0x0002	/* the access fetched an instruction */
#define BRKSCOPE_FAULT_USER	0x0004	/* made by user code */
#define BRKSCOPE_FAULT_KERNEL	0x0008	/* made by the kernel for the process */
#define BRKSCOPE_FAULT_REMOTE	0x0010	/* made by another process */
#define BRKSCOPE_FAULT_MAJOR	0x0020	/* counted as major by the kernel */
#define BRKSCOPE_FAULT_RETRIED	0x0040	/* took the kernel more than one try */
#define BRKSCOPE_FAULT_FIRST	0x0080	/* no fault touched this page of this VMA before */
#define BRKSCOPE_FAULT_GUP	0x0100	/* no access: the kernel wanted the page to be there
					 * (MAP_POPULATE, mlock, O_DIRECT, ...)
					 */
#define BRKSCOPE_FAULT_FALLBACK	0x0200	/* a huge page was tried for, there was none */

/**
 * enum brkscope_vma_op - how a VMA changed
 * @BRKSCOPE_VMA_ADD: new: start, end
 * @BRKSCOPE_VMA_REMOVE: gone: old_start, old_end
 * @BRKSCOPE_VMA_GROW: old range lies inside the new one
 * @BRKSCOPE_VMA_SHRINK: new range lies inside the old one
 * @BRKSCOPE_VMA_PROTECT: same range, other permissions
 * @BRKSCOPE_VMA_MOVE: the old range moved to the new one with its pages (mremap),
 *	as much as fits: if the sizes differ it grew or shrank at its end on the way
 * @BRKSCOPE_VMA_CHANGE: same range and permissions; another attribute (its
 *	name, a flag such as locked) differs
 *
 * A split is a shrink and one or more adds, a merge is a grow and one or more
 * removes. Applied in the order of @seq the records give the state that
 * /proc/PID/maps shows; a remove or shrink comes before what takes its place.
 *
 * The old range of a move is a whole VMA at that moment. So a part of a VMA that moves
 * is split off first; what was at the new range goes first; and a move that leaves the
 * old VMA there, without its pages (MREMAP_DONTUNMAP), is followed by its add. If the
 * kernel merged what it moved, a merge follows. Where the module could not tell that
 * something moved, a move is a remove and an add.
 */
enum brkscope_vma_op {
	BRKSCOPE_VMA_ADD	= 0,
	BRKSCOPE_VMA_REMOVE	= 1,
	BRKSCOPE_VMA_GROW	= 2,
	BRKSCOPE_VMA_SHRINK	= 3,
	BRKSCOPE_VMA_PROTECT	= 4,
	BRKSCOPE_VMA_CHANGE	= 5,
	BRKSCOPE_VMA_MOVE	= 6,
	BRKSCOPE_VMA_OPS
};

/* The names of the operations as all texts print them, by number. */
#define BRKSCOPE_VMA_OP_NAMES {						\
	"add", "remove", "grow", "shrink", "protect", "change", "move" }

/* record.vma.prot and .old_prot */
#define BRKSCOPE_PROT_READ	0x01
#define BRKSCOPE_PROT_WRITE	0x02
#define BRKSCOPE_PROT_EXEC	0x04
#define BRKSCOPE_PROT_SHARED	0x08

/* record.vma.attr */
#define BRKSCOPE_ATTR_FILE	0x0001	/* maps a file */
#define BRKSCOPE_ATTR_LOCKED	0x0002	/* mlock */
#define BRKSCOPE_ATTR_GROWSDOWN	0x0004	/* a stack */
#define BRKSCOPE_ATTR_HUGETLB	0x0008	/* hugetlb pages */
#define BRKSCOPE_ATTR_HUGEPAGE	0x0010	/* MADV_HUGEPAGE */
#define BRKSCOPE_ATTR_NOHUGEPAGE 0x0020	/* MADV_NOHUGEPAGE */
#define BRKSCOPE_ATTR_DONTFORK	0x0040	/* MADV_DONTFORK */
#define BRKSCOPE_ATTR_DONTDUMP	0x0080	/* MADV_DONTDUMP */
#define BRKSCOPE_ATTR_WIPEONFORK 0x0100	/* MADV_WIPEONFORK */
#define BRKSCOPE_ATTR_UFFD	0x0200	/* registered with a userfaultfd */
#define BRKSCOPE_ATTR_SPECIAL	0x0400	/* [vdso] and the like, device memory */

/* record.code of a brk record */
enum brkscope_brk_result {
	BRKSCOPE_BRK_GROWN	= 0,
	BRKSCOPE_BRK_SHRUNK	= 1,
	BRKSCOPE_BRK_SAME	= 2,	/* asked for what it was */
	BRKSCOPE_BRK_REFUSED	= 3,	/* the break stayed where it was */
	BRKSCOPE_BRK_SET	= 4,	/* what exec set up; @old is the heap's start */
	BRKSCOPE_BRK_RESULTS
};

#define BRKSCOPE_BRK_RESULT_NAMES { "grown", "shrunk", "same", "refused", "set" }

/**
 * enum brkscope_brk_reason - why the kernel refused to move the break
 *
 * brk(2) itself says only that it did not; judged by the limits at that moment.
 *
 * @BRKSCOPE_BRK_OK: it was not refused
 * @BRKSCOPE_BRK_BELOW: below the start of the heap
 * @BRKSCOPE_BRK_RLIMIT_DATA: above RLIMIT_DATA
 * @BRKSCOPE_BRK_RLIMIT_AS: above RLIMIT_AS
 * @BRKSCOPE_BRK_COLLISION: another VMA, a stack's guard gap or the end of the
 *	address space is in the way
 * @BRKSCOPE_BRK_LOCKED: above RLIMIT_MEMLOCK, after mlockall(MCL_FUTURE)
 * @BRKSCOPE_BRK_MAP_COUNT: more VMAs than vm.max_map_count
 * @BRKSCOPE_BRK_NO_MEMORY: none of these: overcommit (vm.overcommit_memory), or
 *	no memory for the VMA
 * @BRKSCOPE_BRK_NO_HEAP: it would shrink, but the process has unmapped that part
 * @BRKSCOPE_BRK_KILLED: the thread was killed while it waited for its turn
 */
enum brkscope_brk_reason {
	BRKSCOPE_BRK_OK		= 0,
	BRKSCOPE_BRK_BELOW	= 1,
	BRKSCOPE_BRK_RLIMIT_DATA = 2,
	BRKSCOPE_BRK_RLIMIT_AS	= 3,
	BRKSCOPE_BRK_COLLISION	= 4,
	BRKSCOPE_BRK_LOCKED	= 5,
	BRKSCOPE_BRK_MAP_COUNT	= 6,
	BRKSCOPE_BRK_NO_MEMORY	= 7,
	BRKSCOPE_BRK_NO_HEAP	= 8,
	BRKSCOPE_BRK_KILLED	= 9,
	BRKSCOPE_BRK_REASONS
};

#define BRKSCOPE_BRK_REASON_NAMES {					\
	"ok", "below-start", "rlimit-data", "rlimit-as", "collision",	\
	"rlimit-memlock", "max-map-count", "no-memory", "no-heap",	\
	"killed" }

/* record.code of a page record: what the pages are for, judged from @gfp */
enum brkscope_page_use {
	BRKSCOPE_PAGE_DATA	= 0,	/* what the process sees */
	BRKSCOPE_PAGE_TABLE	= 1,	/* a page table of the process */
	BRKSCOPE_PAGE_OTHER	= 2,	/* the kernel's own, as a slab of VMAs */
	BRKSCOPE_PAGE_USES
};

#define BRKSCOPE_PAGE_USE_NAMES { "data", "table", "other" }

/* record.page.call: what the thread was at */
#define BRKSCOPE_PAGE_IN_FAULT	-1	/* a page fault; else the system call's number */

/* record.flags of a page record */
#define BRKSCOPE_PAGE_IA32	0x0001	/* @call is a number of the 32-bit ABI of x86 */

/* record.code of a fork record */
enum brkscope_fork_result {
	BRKSCOPE_FORK_ALONE	= 0,	/* unwatched: not asked for, or not the watcher's to see */
	BRKSCOPE_FORK_FOLLOWED	= 1,	/* the child has a watch of its own */
	BRKSCOPE_FORK_MISSED	= 2,	/* it should have one, and there was none ready */
	BRKSCOPE_FORK_RESULTS
};

#define BRKSCOPE_FORK_RESULT_NAMES { "alone", "followed", "missed" }

#define BRKSCOPE_NAME_NONE	0	/* anonymous memory without a name */
#define BRKSCOPE_NAME_CHUNK	34	/* bytes of text in one name record */

/**
 * struct brkscope_record - one event, 64 bytes
 * @seq: number of the event in its watch, from 1; a gap means loss
 * @time: when, CLOCK_MONOTONIC ns; for a fault, when it was finished
 * @tid: thread id of who did it, as whoever began the watch sees it; zero if it
 *	is not in that one's pid namespace
 * @kind: enum brkscope_kind
 * @code: fault class, VMA operation, brk result, page use or fork result, by @kind
 * @flags: BRKSCOPE_FAULT_* for a fault, BRKSCOPE_PAGE_* for a page, else zero
 *
 * fault: @addr the address accessed; @ip the user instruction that did it or
 * that entered the kernel (zero if remote); @frame page frame number of what is
 * mapped there now, zero if nothing, or if the reader lacks CAP_SYS_ADMIN; @latency
 * ns from the kernel's first look at it to the end; @name of the VMA; @prot of the
 * VMA; @around pages that the kernel mapped beside the wanted one (fault-around; 255:
 * or more); @page of the VMA, counted in pages from its start (0xffffffff: or more).
 *
 * brk: @old the break before, @requested the argument, @now the break after;
 * @pages by which the heap grew (negative: shrank), counted in whole pages;
 * @error errno of a refusal, positive: EINVAL (below the heap), EAGAIN (RLIMIT_MEMLOCK),
 * EINTR (killed), else ENOMEM, which sbrk(3) makes of each; @reason
 * enum brkscope_brk_reason.
 *
 * vma: @start, @end the range now; @old_start, @old_end before; @prot, @old_prot
 * BRKSCOPE_PROT_*; @attr BRKSCOPE_ATTR_*; @name; @cause number of the system
 * call in which it happened in the ABI of the caller, or -1.
 *
 * name: @id the name's number; @length bytes of the whole name; @offset of this
 * chunk in it; @text the chunk, padded with NUL.
 *
 * exec: @start_brk, @brk of the new image are not yet known here, the first
 * brk record or summary tells; @comm the new command name, NUL-terminated.
 *
 * exit: @status as wait(2) reports it.
 *
 * page: @addr the address whose fault wanted it, or zero; @frame number of the first
 * page frame, zero if the reader lacks CAP_SYS_ADMIN; @gfp GFP flags as the kernel
 * numbers them (they differ from kernel to kernel; PID/events has them in words);
 * @order 2^order pages; @zone number of the zone; @node number of the NUMA node;
 * @call BRKSCOPE_PAGE_IN_FAULT or number of the system call; @name of the VMA of @addr.
 *
 * signal: @addr the address accessed, zero where the processor does not tell it
 * (@si_code SI_KERNEL: no address at all, as it is not canonical); @ip the user
 * instruction; @signo SIGSEGV or SIGBUS; @si_code the reason as in sigaction(2);
 * @name of the VMA there, if any.
 *
 * fork: @child process id of the child, as whoever began the watch sees it; @shares
 * the parent's memory until it execs or exits (vfork).
 *
 * lost: @count records that this reader did not get.
 */
struct brkscope_record {
	__u64	seq;
	__u64	time;
	__u32	tid;
	__u8	kind;
	__u8	code;
	__u16	flags;
	union {
		struct {
			__u64	addr;
			__u64	ip;
			__u64	frame;
			__u64	latency;
			__u16	name;
			__u8	prot;
			__u8	around;
			__u32	page;
		} fault;
		struct {
			__u64	old;
			__u64	requested;
			__u64	now;
			__s64	pages;
			__s32	error;
			__u8	reason;
			__u8	reserved[3];
		} brk;
		struct {
			__u64	start;
			__u64	end;
			__u64	old_start;
			__u64	old_end;
			__u8	prot;
			__u8	old_prot;
			__u16	attr;
			__u16	name;
			__s16	cause;
		} vma;
		struct {
			__u16	id;
			__u16	length;
			__u16	offset;
			char	text[BRKSCOPE_NAME_CHUNK];
		} name;
		struct {
			char	comm[16];
			__u64	reserved[3];
		} exec;
		struct {
			__s32	status;
			__u32	reserved0;
			__u64	reserved[4];
		} exit;
		struct {
			__u64	count;
			__u64	reserved[4];
		} lost;
		struct {
			__u64	addr;
			__u64	frame;
			__u32	gfp;
			__u8	order;
			__u8	zone;
			__u16	node;
			__s16	call;
			__u16	name;
			__u32	reserved0;
			__u64	reserved;
		} page;
		struct {
			__u64	addr;
			__u64	ip;
			__s32	signo;
			__s32	si_code;
			__u16	name;
			__u16	reserved0[3];
			__u64	reserved;
		} signal;
		struct {
			__u32	child;
			__u32	shares;
			__u64	reserved[4];
		} fork;
	};
};

#endif /* _UAPI_BRKSCOPE_H */
