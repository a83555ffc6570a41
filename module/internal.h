/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms of the module know of one another
 *
 * fault.c, vma.c and brk.c turn the arguments of a hook into records and hand
 * them to ring.c; watch.c says whom it is about; proc.c makes text of it all.
 */
#ifndef _BRKSCOPE_INTERNAL_H
#define _BRKSCOPE_INTERNAL_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/rculist_nulls.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "compat.h"
#include "uapi/brkscope.h"
#include "vma.h"

struct file;
struct kernel_siginfo;
struct page;
struct proc_dir_entry;
struct seq_file;
struct pt_regs;
struct watch;
struct account;
struct follow;

/* ---- ring.c: the event buffer ---- */

/**
 * struct ring - the events of one watch, the newest overwrite the oldest
 * @slots: @size records; a slot whose seq is not the wanted one is not valid
 * @size: number of slots, a power of two
 * @head: seq of the newest record; stores are ordered after the slot's
 * @base: records up to this seq were cleared by the user
 * @overwritten: records that were not cleared, and had to make room
 * @wait: readers that have read everything
 * @wake: wakes them from where a hook may not
 */
struct ring {
	struct brkscope_record *slots;
	u64 size;
	u64 head;
	u64 base;
	u64 overwritten;
	wait_queue_head_t wait;
	struct irq_work wake;
};

int ring_init(struct ring *ring, u64 size);
void ring_destroy(struct ring *ring);
struct brkscope_record *ring_begin(struct watch *w);
void ring_commit(struct watch *w, struct brkscope_record *slot);
void ring_put(struct watch *w, struct brkscope_record *rec);
void ring_clear(struct watch *w);
u64 ring_oldest(const struct ring *ring);
bool ring_get(const struct ring *ring, u64 seq, struct brkscope_record *rec);

/* ---- trace.c: records as events of the kernel's tracers ---- */

void trace_record(const struct watch *w, const struct brkscope_record *rec);

#define FAULT_HIST_BUCKETS	32	/* bucket i: 2^i <= ns < 2^(i+1) */

/* ---- fault.c: page faults ---- */

#define FAULT_RETRY_SLOTS	16

/**
 * struct fault_stats - what the faults of a watch add up to
 * @by_class: records by class
 * @total_ns: their latencies added up, by class
 * @hist: their latencies' histogram, by class
 * @user: records of accesses by user code
 * @kernel: by the kernel on behalf of the process
 * @remote: by another process
 * @major: records that the kernel counts as major
 * @rusage: faults that the kernel adds to the process's rusage
 * @elsewhere: the part of @rusage in other address spaces; no record
 * @retry: first tries that the kernel wants repeated, by thread
 */
struct fault_stats {
	u64 by_class[BRKSCOPE_CLASSES];
	u64 total_ns[BRKSCOPE_CLASSES];
	u32 hist[BRKSCOPE_CLASSES][FAULT_HIST_BUCKETS];
	u64 user;
	u64 kernel;
	u64 remote;
	u64 major;
	u64 rusage;
	u64 elsewhere;
	struct fault_retry {
		u32 tid;
		u8 found;
		unsigned long addr;
		u64 start;
	} retry[FAULT_RETRY_SLOTS];
};

size_t fault_data_size(void);
int fault_enter(void *data, struct pt_regs *regs);
void fault_return(void *data, struct pt_regs *regs);
unsigned long fault_under_way(void);

/* ---- page.c: physical pages ---- */

/**
 * struct page_stats - what the page allocator gave
 * @by_use: pages by enum brkscope_page_use
 * @missed: times that the allocator gave pages and no record could be made
 */
struct page_stats {
	u64 by_use[BRKSCOPE_PAGE_USES];
	atomic64_t missed;
};

bool page_on_alloc(struct page *page, unsigned int order, gfp_t gfp);
const char *page_call_name(int nr, bool ia32);

/* ---- held.c: which pages the process holds ---- */

/**
 * struct held_pages - what the page tables of a process hold
 * @held: pages that are present and no page of a file, as /proc/PID/pagemap tells
 * @silent: the part of them that no fault of the watch touched or gave
 */
struct held_pages {
	u64 held;
	u64 silent;
};

int held_count(struct watch *w, struct held_pages *sum);

/* ---- signal.c: accesses that could not be served ---- */

bool signal_on_generate(int sig, const struct kernel_siginfo *info, struct task_struct *task,
			int group);
const char *signal_reason(int signo, int si_code);

/* ---- brk.c: the program break ---- */

/**
 * struct brk_stats - the program break of the present address space
 * @start: where the heap begins
 * @now: the break
 * @peak: the highest break seen
 * @moves: times it moved
 * @failures: times the kernel refused to move it
 * @queries: brk(0)
 */
struct brk_stats {
	unsigned long start;
	unsigned long now;
	unsigned long peak;
	u64 moves;
	u64 failures;
	u64 queries;
};

size_t brk_data_size(void);
int brk_enter(void *data, struct pt_regs *regs);
void brk_return(void *data, struct pt_regs *regs);
void brk_look(struct watch *w, const struct mm_struct *mm);
bool brk_on_exec(void);
void brk_init(void);

/* ---- watch.c: who is watched ---- */

/**
 * struct watch_options - what a command asks for
 * @cred: of the one who opened control
 * @ns: pid namespace of the one who wrote the command; NULL for the initial one
 * @buffer_bytes: size of the event buffer
 * @pages: records of the page allocator, too
 * @follow: what the watches of one family have in common; NULL: children are not followed
 */
struct watch_options {
	const struct cred *cred;
	struct pid_namespace *ns;
	u64 buffer_bytes;
	bool pages;
	struct follow *follow;
};

/**
 * struct children - what became of the children of a watched process
 * @results: how many, by enum brkscope_fork_result
 */
struct children {
	u64 results[BRKSCOPE_FORK_RESULTS];
};

/**
 * struct watch - one watched process, from the watch command to unwatch
 * @ref: the table's, each open file's; the last one frees
 * @by_mm: in the table by address space while it has one that is watched
 * @by_pid: in the table by process while it lives
 * @all: in the list of all watches, under watch_mutex
 * @mm: key of @by_mm, never followed without a reference of one's own;
 *	NULL between the end of an address space and the next exec
 * @pid: the process, referenced; NULL in a spare, see follow.c
 * @nr: its number in the initial pid namespace
 * @ns: pid namespace of the one who began the watch, referenced: what every pid that
 *	he is told means; NULL for the initial one
 * @id: never used twice; a hook that sleeps proves with it that it found the same
 * @account: whose memory it is
 * @charged: bytes of it, see watch_charge()
 * @follow: of the family, referenced; NULL: children are not followed
 * @spare: in the family's list of spares, or of those without a directory; or empty
 * @borrows: the process still runs in its parent's address space (vfork), and what
 *	it does there is told in the parent's watch
 * @wants_pages: records of the page allocator, too
 * @uid: whose watch it is
 * @gid: group of its /proc entries
 * @comm: command name, at the last exec
 * @start: of the watch, ns
 * @end: of the watch, ns; zero while it lives
 * @rusage_before: minor + major faults of the process before those that the watch tells
 * @execs: since then
 * @ended: the process is over, or out of reach; nothing is added any more
 * @exiting: the last thread is in exit; the end of the address space is the end
 * @removed: unwatch has taken it; readers get the end of the file
 * @status: of the process, once it is over, as wait(2) reports it
 * @grower: gives the pools of @vmas and @touch more memory
 * @refresh: held by the one who compares all VMAs for a reader
 * @reading: held by who reads a stream; its memory is freed by who holds it for writing
 * @lock: of everything below; taken in hooks, so raw, and interrupts off
 * @dir: /proc/brkscope/PID
 * @children: that it made
 */
struct watch {
	refcount_t ref;
	struct hlist_nulls_node by_mm;
	struct hlist_node by_pid;
	struct list_head all;
	struct mm_struct *mm;
	struct pid *pid;
	pid_t nr;
	struct pid_namespace *ns;
	u64 id;
	struct account *account;
	atomic64_t charged;
	struct follow *follow;
	struct list_head spare;
	kuid_t uid;
	kgid_t gid;
	char comm[TASK_COMM_LEN];
	u64 start;
	u64 end;
	u64 rusage_before;
	u64 execs;
	bool ended;
	bool exiting;
	bool removed;
	bool borrows;
	bool wants_pages;
	int status;
	struct proc_dir_entry *dir;
	struct pool_grower grower;
	struct mutex refresh;	/* who compares all VMAs for a reader */
	struct rw_semaphore reading;

	raw_spinlock_t lock;
	struct ring ring;
	struct vma_mirror vmas;
	struct name_table *names;
	struct touch_map touch;
	struct fault_stats faults;
	struct page_stats pages;
	struct brk_stats brk;
	struct children children;
	u64 signals;
};

#define WATCH_TABLE_BITS	8

extern struct hlist_nulls_head watch_by_mm[1 << WATCH_TABLE_BITS];

/**
 * watch_maybe() - could an address space be watched?
 * @mm: only compared, never followed
 *
 * Cheap, and never wrong when it says no. Context: any.
 */
static __always_inline bool watch_maybe(const struct mm_struct *mm)
{
	return !is_a_nulls(READ_ONCE(watch_by_mm[hash_ptr(mm, WATCH_TABLE_BITS)].first));
}

/**
 * watch_of_mm() - the watch of an address space
 * @mm: only compared, never followed
 *
 * Context: any; RCU read lock or preemption off, which also bounds how long the
 * result may be used. Return: the watch or NULL.
 */
static __always_inline struct watch *watch_of_mm(const struct mm_struct *mm)
{
	u32 bucket = hash_ptr(mm, WATCH_TABLE_BITS);
	struct hlist_nulls_node *node;
	struct watch *w;

	do {
		hlist_nulls_for_each_entry_rcu(w, node, &watch_by_mm[bucket], by_mm)
			if (READ_ONCE(w->mm) == mm)
				return w;
		/* an exec moved the entry we stood on to another bucket: again */
	} while (get_nulls_value(node) != bucket);
	return NULL;
}

/**
 * fault_maybe() - could a fault be about a watched process?
 * @regs: at the entry of handle_mm_fault(vma, address, flags, regs)
 *
 * Either its memory is watched, or it faults on other memory (exec building a new
 * address space, process_vm_writev): the kernel counts that in its rusage.
 */
static __always_inline bool fault_maybe(struct pt_regs *regs)
{
	const struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);
	const struct mm_struct *mm = vma->vm_mm;

	return watch_maybe(mm) || (mm != current->mm && watch_maybe(current->mm));
}

/**
 * vma_unlock_maybe() - could a lock be the mmap_lock of a watched process?
 * @regs: at the entry of up_write(sem) or downgrade_write(sem)
 */
static __always_inline bool vma_unlock_maybe(struct pt_regs *regs)
{
	struct rw_semaphore *sem = (void *)regs_get_kernel_argument(regs, 0);

	return watch_maybe(container_of(sem, struct mm_struct, mmap_lock));
}

/**
 * watch_tid() - number of a thread as the one who began the watch sees it
 * @w: the watch
 * @task: the thread
 *
 * Context: any. Return: zero if it is not in that one's pid namespace.
 */
static inline u32 watch_tid(const struct watch *w, struct task_struct *task)
{
	return likely(!w->ns) ? task->pid : task_pid_nr_ns(task, w->ns);
}

/**
 * watch_nr() - number of a process as the one who began the watch sees it
 * @w: the watch
 * @pid: the process
 *
 * Context: any. Return: zero if it is not in that one's pid namespace.
 */
static inline pid_t watch_nr(const struct watch *w, struct pid *pid)
{
	return pid_nr_ns(pid, w->ns ?: &init_pid_ns);
}

struct watch *watch_get(struct watch *w);
void watch_empty(struct watch *w);
void watch_put(struct watch *w);
struct watch *watch_of_task(struct task_struct *task);
u64 watch_bytes(u64 buffer_bytes, u32 vmas);
struct watch *watch_alloc(const struct watch_options *options, u32 vmas);
void watch_set_process(struct watch *w, struct task_struct *task, struct pid *pid);
int watch_table_add_mm(struct watch *w, struct mm_struct *mm);
bool watch_table_add_pid(struct watch *w);
void watch_end(struct watch *w, bool record);
struct mm_struct *watch_get_mm(struct watch *w);
u64 watch_rusage(struct task_struct *task);
void watch_init(void);
bool watch_on_exec(struct pt_regs *regs);
bool watch_on_mm_end(struct pt_regs *regs);
bool watch_on_task_exit(struct task_struct *task);

/* ---- account.c: how much memory a user's watches take ---- */

struct account *account_get(const struct cred *cred);
void account_put(struct account *account);
bool account_fits(const struct account *account, s64 bytes);
bool watch_charge(struct watch *w, s64 bytes);

/* ---- follow.c: children of watched processes ---- */

struct follow *follow_create(const struct watch_options *options, u32 vmas);
struct follow *follow_get(struct follow *f);
void follow_put(struct follow *f);
void follow_join(struct follow *f);
void follow_leave(struct follow *f);
void follow_refill(struct follow *f);
bool follow_take_back(struct watch *w);
u64 follow_unshown(const struct follow *f);
bool follow_on_fork(struct task_struct *parent, struct task_struct *child);
int follow_init(void);
void follow_drain(void);
void follow_exit(void);

/* ---- list.c: which watches there are ---- */

struct watch *watch_make(const struct watch_options *options, u32 vmas, bool spare,
			 const char **why);
int watch_enlist(struct watch *w, const char **why);
int watch_publish(struct watch *w);
void watch_destroy(struct watch *w);
void watch_settle(void);
struct watch *watch_command(pid_t nr, const struct cred *cred, bool remove, const char **why);
bool watch_may_see(const struct watch *w, const struct cred *cred);
void watch_for_each(void (*fn)(struct watch *w, void *arg), void *arg);
void watch_exit(void);
void list_watch_ended(const struct watch *w);

/* ---- command.c: watch, unwatch, clear ---- */

int watch_add(pid_t nr, u64 buffer_bytes, bool follow, bool pages, const struct cred *cred,
	      const char **why);
int watch_remove(pid_t nr, const struct cred *cred, const char **why);
int watch_clear(pid_t nr, const struct cred *cred, const char **why);

/* ---- hook.c: where we listen ---- */

void hook_free(void);
u64 hook_missed(void);
bool hook_tells_ranges(void);
const void *hook_fault_data(void);
void hook_show(struct seq_file *m);

/* ---- attach.c: by what means ---- */

int hook_attach(const char **why);
int hook_attach_pages(const char **why);
void hook_detach_pages(void);
void hook_detach(void);
const void *hook_find(const char *name);

/* ---- may.c: who may watch whom ---- */

int may_watch(struct pid *pid, const struct mm_struct *mm, const struct cred *cred);
bool may_trace(const struct cred *cred, struct task_struct *task);

/* ---- proc.c, events.c, tables.c, control.c: the /proc/brkscope tree ---- */

int proc_init(void);
void proc_exit(void);
#define PROC_FOLDER_MAX	32	/* bytes of a folder's name */
void proc_folder(const struct watch *w, char name[PROC_FOLDER_MAX]);
int proc_add_watch(struct watch *w);
void proc_del_watch(struct watch *w);

extern const struct proc_ops proc_events_ops;
extern const struct proc_ops proc_events_bin_ops;
extern const struct proc_ops proc_control_ops;
extern const struct proc_ops proc_hooks_ops;
extern const struct proc_ops proc_vmas_ops;
extern const struct proc_ops proc_brk_ops;
extern const struct proc_ops proc_pages_ops;
int faults_show(struct seq_file *m, void *unused);

extern const char * const fault_class_names[BRKSCOPE_CLASSES];
extern const char * const vma_op_names[BRKSCOPE_VMA_OPS];
extern const char * const brk_result_names[BRKSCOPE_BRK_RESULTS];
extern const char * const brk_reason_names[BRKSCOPE_BRK_REASONS];
extern const char * const fork_result_names[BRKSCOPE_FORK_RESULTS];
extern const char * const page_use_names[BRKSCOPE_PAGE_USES];
void proc_format_prot(char out[5], u8 prot);
bool proc_may_see_frames(const struct file *file);
void proc_hide_frame(struct brkscope_record *rec);
int proc_watch_open(struct inode *inode);
void proc_watch_release(struct watch *w);

#endif /* _BRKSCOPE_INTERNAL_H */
