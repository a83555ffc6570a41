/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that depends on the kernel's version or architecture
 *
 * The other files are written for the newest kernel; what an older one lacks
 * gets the newer one's name here. One feature, one comment with the upstream
 * commit, one condition.
 */
#ifndef _BRKSCOPE_COMPAT_H
#define _BRKSCOPE_COMPAT_H

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/thread_info.h>
#include <linux/version.h>
#include <linux/vmstat.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 37)
#error "brkscope needs Linux 6.1.37 or newer: before, a stack grew under mmap_lock held for reading"
#endif

/*
 * Where the system call's own arguments are: the wrappers of x86 and arm64
 * take one pointer to the registers of user space (commit "syscalls/x86: Use
 * 'struct pt_regs' based syscall calling convention for 64-bit syscalls", 4.17).
 */
#if defined(CONFIG_X86_64)
#define COMPAT_SYSCALL(name) "__x64_sys_" name
static inline struct pt_regs *compat_syscall_regs(struct pt_regs *regs)
{
	return (struct pt_regs *)regs->di;
}
#elif defined(CONFIG_ARM64)
#define COMPAT_SYSCALL(name) "__arm64_sys_" name
static inline struct pt_regs *compat_syscall_regs(struct pt_regs *regs)
{
	return (struct pt_regs *)regs->regs[0];
}
#else
#error "brkscope knows x86-64 and arm64"
#endif

/* 32-bit programs on a 64-bit kernel have system calls of other numbers. */
#if defined(CONFIG_X86_64) && defined(CONFIG_IA32_EMULATION)
#define COMPAT_IA32 1
#define COMPAT_SYSCALL_IA32(name) "__ia32_sys_" name
static inline bool compat_in_ia32_syscall(void)
{
	return in_ia32_syscall();
}
#else
static inline bool compat_in_ia32_syscall(void)
{
	return false;
}
#endif

/*
 * What an ftrace callback gets of the registers: with DYNAMIC_FTRACE_WITH_ARGS x86
 * saves the arguments and the stack pointer alone, which is all that a hook and
 * a return probe look at, and less than half the cost of all registers ("ftrace:
 * Have the callbacks receive a struct ftrace_regs instead of pt_regs", 5.11).
 * They are reached by a macro since "ftrace: Make ftrace_regs abstract from direct
 * use" (6.13). Other architectures are served by kprobes.
 */
#if defined(CONFIG_X86_64) && defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) && \
	defined(CONFIG_KRETPROBE_ON_RETHOOK)
#define COMPAT_FTRACE 1
#ifdef arch_ftrace_regs
#define compat_ftrace_regs(fregs) (&arch_ftrace_regs(fregs)->regs)
#else
#define compat_ftrace_regs(fregs) (&(fregs)->regs)
#endif
#else
#define COMPAT_FTRACE 0
#define compat_ftrace_regs(fregs) ((struct pt_regs *)NULL)
#endif

/*
 * sched_process_exit says whether the last thread went since "exit: move and
 * extend sched_process_exit() tracepoint" (6.16).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define COMPAT_EXIT_PROBE_ARGS void *data, struct task_struct *task, bool group_dead
#else
#define COMPAT_EXIT_PROBE_ARGS void *data, struct task_struct *task
#endif

/*
 * override_creds() takes and revert_creds() gives back a reference until "tree-wide:
 * s/override_creds()/override_creds_light(get_new_cred())/g" (6.14).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define compat_override_creds(cred) override_creds(get_cred(cred))
#define compat_revert_creds(old) put_cred(revert_creds(old))
#else
#define compat_override_creds(cred) override_creds(cred)
#define compat_revert_creds(old) revert_creds(old)
#endif

/*
 * A fault may hold the lock of its VMA alone since "mm: introduce per-VMA lock"
 * and its followers (6.4); before, mmap_lock stops them all.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void vma_start_write(struct vm_area_struct *vma)
{
}
#endif

/*
 * The return probes that a task has under way hang on the task, the newest first:
 * rethook's nodes since "kprobes: Use rethook for kretprobe if possible" (5.19).
 */
#ifdef CONFIG_KRETPROBE_ON_RETHOOK
#define compat_return_probes(task) ((task)->rethooks.first)
#define compat_return_probe(link) \
	container_of(link, struct kretprobe_instance, node.llist)
#else
#define compat_return_probes(task) ((task)->kretprobe_instances.first)
#define compat_return_probe(link) \
	container_of(link, struct kretprobe_instance, llist)
#endif

/*
 * How often did this CPU want a huge page at a fault and not get one? Preemption off.
 */
#if defined(CONFIG_TRANSPARENT_HUGEPAGE) && defined(CONFIG_VM_EVENT_COUNTERS)
static inline unsigned long compat_thp_fallbacks(void)
{
	return raw_cpu_read(vm_event_states.event[THP_FAULT_FALLBACK]);
}
#else
static inline unsigned long compat_thp_fallbacks(void)
{
	return 0;
}
#endif

/*
 * /proc/PID/maps calls a VMA the heap or the stack by functions of linux/mm.h since
 * "mm: factor out VMA stack and heap checks" (6.6); before, by these conditions.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline bool vma_is_initial_heap(const struct vm_area_struct *vma)
{
	return vma->vm_start <= vma->vm_mm->brk && vma->vm_end >= vma->vm_mm->start_brk;
}

static inline bool vma_is_initial_stack(const struct vm_area_struct *vma)
{
	return vma->vm_start <= vma->vm_mm->start_stack &&
	       vma->vm_end >= vma->vm_mm->start_stack;
}
#endif

/*
 * A VMA of a file in an overlay maps the file below, and maps shows the one above,
 * since "fs: store real path instead of fake path in backing file f_path" (6.7).
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define file_user_path(file) (&(file)->f_path)
#endif

/* Shared anonymous memory can be named since "mm: anonymous shared memory naming" (6.2). */
#define COMPAT_ANON_SHMEM_NAME (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0))

/*
 * Number and arguments of the system call that the current task is in, by the native
 * numbers. A 32-bit call has numbers of its own and half of each register; on x86
 * the kernel's headers name those numbers. Return: -1 if it is in none.
 */
#define COMPAT_SYSCALL_OTHER 0x7fffffff	/* one that is not in the list below */

static inline int compat_syscall(unsigned long args[6])
{
	struct pt_regs *regs = task_pt_regs(current);
	int nr = syscall_get_nr(current, regs);
	int i;

	syscall_get_arguments(current, regs, args);
	if (nr == -1 || !in_compat_syscall())
		return nr;
	for (i = 0; i < 6; i++)
		args[i] = (u32)args[i];
#if defined(CONFIG_X86_64) && defined(CONFIG_IA32_EMULATION)
	switch (in_ia32_syscall() ? nr : -1) {
	case __NR_ia32_brk:	return __NR_brk;
	case __NR_ia32_mmap:	/* by pointer to its arguments, which are not looked at */
	case __NR_ia32_mmap2:	return __NR_mmap;
	case __NR_ia32_munmap:	return __NR_munmap;
	case __NR_ia32_mremap:	return __NR_mremap;
	case __NR_ia32_mprotect: return __NR_mprotect;
	case __NR_ia32_madvise:	return __NR_madvise;
	case __NR_ia32_mlock:	return __NR_mlock;
	case __NR_ia32_munlock:	return __NR_munlock;
	case __NR_ia32_prctl:	return __NR_prctl;
	}
#endif
	return COMPAT_SYSCALL_OTHER;
}

#endif /* _BRKSCOPE_COMPAT_H */
