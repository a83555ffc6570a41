/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do tracers see of the records?
 *
 * The tracepoints brkscope:brk, :vma, :fault and :page, one event for each record
 * of PID/events.bin, with the fields of uapi/brkscope.h. Page frame numbers are
 * left out, kernel addresses are in no record. pid is the watch's, tid the
 * record's; the tracer adds who ran.
 *
 * Context: ring_commit(); watch.lock is held and interrupts are off.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM brkscope

#if !defined(_BRKSCOPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BRKSCOPE_TRACE_H

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "internal.h"

/* A tracer's event is a page at most, a path may be longer. */
#define BRKSCOPE_TRACE_NAME	256

#define BRKSCOPE_FAULT_SYMBOLS					\
	EM(BRKSCOPE_FIRST_WRITE,	"first-write")		\
	EM(BRKSCOPE_FIRST_READ,		"first-read")		\
	EM(BRKSCOPE_UPGRADE,		"upgrade")		\
	EM(BRKSCOPE_COW_COPY,		"cow-copy")		\
	EM(BRKSCOPE_COW_REUSE,		"cow-reuse")		\
	EM(BRKSCOPE_HUGE,		"huge")			\
	EM(BRKSCOPE_FILE_MINOR,		"file-minor")		\
	EM(BRKSCOPE_FILE_MAJOR,		"file-major")		\
	EM(BRKSCOPE_SWAP_IN,		"swap-in")		\
	EM(BRKSCOPE_SHARED,		"shared")		\
	EM(BRKSCOPE_WRITE_PROTECT,	"write-protect")	\
	EM(BRKSCOPE_SPURIOUS,		"spurious")		\
	E_(BRKSCOPE_FAILED,		"failed")

#define BRKSCOPE_VMA_SYMBOLS					\
	EM(BRKSCOPE_VMA_ADD,		"add")			\
	EM(BRKSCOPE_VMA_REMOVE,		"remove")		\
	EM(BRKSCOPE_VMA_GROW,		"grow")			\
	EM(BRKSCOPE_VMA_SHRINK,		"shrink")		\
	EM(BRKSCOPE_VMA_PROTECT,	"protect")		\
	EM(BRKSCOPE_VMA_CHANGE,		"change")		\
	E_(BRKSCOPE_VMA_MOVE,		"move")

#define BRKSCOPE_BRK_SYMBOLS					\
	EM(BRKSCOPE_BRK_GROWN,		"grown")		\
	EM(BRKSCOPE_BRK_SHRUNK,		"shrunk")		\
	EM(BRKSCOPE_BRK_SAME,		"same")			\
	EM(BRKSCOPE_BRK_REFUSED,	"refused")		\
	E_(BRKSCOPE_BRK_SET,		"set")

#define BRKSCOPE_REASON_SYMBOLS					\
	EM(BRKSCOPE_BRK_OK,		"ok")			\
	EM(BRKSCOPE_BRK_BELOW,		"below-start")		\
	EM(BRKSCOPE_BRK_RLIMIT_DATA,	"rlimit-data")		\
	EM(BRKSCOPE_BRK_RLIMIT_AS,	"rlimit-as")		\
	EM(BRKSCOPE_BRK_COLLISION,	"collision")		\
	EM(BRKSCOPE_BRK_LOCKED,		"rlimit-memlock")	\
	EM(BRKSCOPE_BRK_MAP_COUNT,	"max-map-count")	\
	EM(BRKSCOPE_BRK_NO_MEMORY,	"no-memory")		\
	EM(BRKSCOPE_BRK_NO_HEAP,	"no-heap")		\
	E_(BRKSCOPE_BRK_KILLED,	"killed")

#define BRKSCOPE_PAGE_SYMBOLS					\
	EM(BRKSCOPE_PAGE_DATA,		"data")			\
	EM(BRKSCOPE_PAGE_TABLE,		"table")		\
	E_(BRKSCOPE_PAGE_OTHER,	"other")

/* First for user space, which cannot know the values of our enums ... */
#undef EM
#undef E_
#define EM(value, text)		TRACE_DEFINE_ENUM(value);
#define E_(value, text)	TRACE_DEFINE_ENUM(value);

BRKSCOPE_FAULT_SYMBOLS
BRKSCOPE_VMA_SYMBOLS
BRKSCOPE_BRK_SYMBOLS
BRKSCOPE_REASON_SYMBOLS
BRKSCOPE_PAGE_SYMBOLS

/* ... then for __print_symbolic(). */
#undef EM
#undef E_
#define EM(value, text)		{ value, text },
#define E_(value, text)	{ value, text }

TRACE_EVENT(brk,
	TP_PROTO(const struct watch *w, const struct brkscope_record *rec),
	TP_ARGS(w, rec),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, time)
		__field(u32, pid)
		__field(u32, tid)
		__field(u64, old)
		__field(u64, requested)
		__field(u64, now)
		__field(s64, pages)
		__field(s32, error)
		__field(u8, reason)
		__field(u8, result)
	),
	TP_fast_assign(
		__entry->seq = rec->seq;
		__entry->time = rec->time;
		__entry->pid = watch_nr(w, w->pid);
		__entry->tid = rec->tid;
		__entry->old = rec->brk.old;
		__entry->requested = rec->brk.requested;
		__entry->now = rec->brk.now;
		__entry->pages = rec->brk.pages;
		__entry->error = rec->brk.error;
		__entry->reason = rec->brk.reason;
		__entry->result = rec->code;
	),
	TP_printk("pid=%u tid=%u seq=%llu %s old=%llx requested=%llx now=%llx pages=%lld error=%d reason=%s",
		  __entry->pid, __entry->tid, __entry->seq,
		  __print_symbolic(__entry->result, BRKSCOPE_BRK_SYMBOLS),
		  __entry->old, __entry->requested, __entry->now, __entry->pages,
		  __entry->error, __print_symbolic(__entry->reason, BRKSCOPE_REASON_SYMBOLS))
);

TRACE_EVENT(vma,
	TP_PROTO(const struct watch *w, const struct brkscope_record *rec),
	TP_ARGS(w, rec),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, time)
		__field(u32, pid)
		__field(u32, tid)
		__field(u64, start)
		__field(u64, end)
		__field(u64, old_start)
		__field(u64, old_end)
		__field(u16, attr)
		__field(s16, cause)
		__field(u8, prot)
		__field(u8, old_prot)
		__field(u8, op)
		__dynamic_array(char, name, trace_name_size(w, rec->vma.name))
	),
	TP_fast_assign(
		__entry->seq = rec->seq;
		__entry->time = rec->time;
		__entry->pid = watch_nr(w, w->pid);
		__entry->tid = rec->tid;
		__entry->start = rec->vma.start;
		__entry->end = rec->vma.end;
		__entry->old_start = rec->vma.old_start;
		__entry->old_end = rec->vma.old_end;
		__entry->attr = rec->vma.attr;
		__entry->cause = rec->vma.cause;
		__entry->prot = rec->vma.prot;
		__entry->old_prot = rec->vma.old_prot;
		__entry->op = rec->code;
		strscpy(__get_dynamic_array(name), mirror_name(w, rec->vma.name),
			__get_dynamic_array_len(name));
	),
	TP_printk("pid=%u tid=%u seq=%llu %s start=%llx end=%llx old_start=%llx old_end=%llx prot=%x old_prot=%x attr=%x cause=%d name=%s",
		  __entry->pid, __entry->tid, __entry->seq,
		  __print_symbolic(__entry->op, BRKSCOPE_VMA_SYMBOLS),
		  __entry->start, __entry->end, __entry->old_start, __entry->old_end,
		  __entry->prot, __entry->old_prot, __entry->attr, __entry->cause,
		  __get_str(name))
);

TRACE_EVENT(fault,
	TP_PROTO(const struct watch *w, const struct brkscope_record *rec),
	TP_ARGS(w, rec),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, time)
		__field(u32, pid)
		__field(u32, tid)
		__field(u64, addr)
		__field(u64, ip)
		__field(u64, latency)
		__field(u32, page)
		__field(u16, flags)
		__field(u8, prot)
		__field(u8, around)
		__field(u8, class)
		__dynamic_array(char, name, trace_name_size(w, rec->fault.name))
	),
	TP_fast_assign(
		__entry->seq = rec->seq;
		__entry->time = rec->time;
		__entry->pid = watch_nr(w, w->pid);
		__entry->tid = rec->tid;
		__entry->addr = rec->fault.addr;
		__entry->ip = rec->fault.ip;
		__entry->latency = rec->fault.latency;
		__entry->page = rec->fault.page;
		__entry->flags = rec->flags;
		__entry->prot = rec->fault.prot;
		__entry->around = rec->fault.around;
		__entry->class = rec->code;
		strscpy(__get_dynamic_array(name), mirror_name(w, rec->fault.name),
			__get_dynamic_array_len(name));
	),
	TP_printk("pid=%u tid=%u seq=%llu %s addr=%llx ip=%llx latency=%llu page=%u flags=%x prot=%x around=%u name=%s",
		  __entry->pid, __entry->tid, __entry->seq,
		  __print_symbolic(__entry->class, BRKSCOPE_FAULT_SYMBOLS),
		  __entry->addr, __entry->ip, __entry->latency, __entry->page,
		  __entry->flags, __entry->prot, __entry->around, __get_str(name))
);

TRACE_EVENT(page,
	TP_PROTO(const struct watch *w, const struct brkscope_record *rec),
	TP_ARGS(w, rec),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, time)
		__field(u32, pid)
		__field(u32, tid)
		__field(u64, addr)
		__field(u32, gfp)
		__field(u16, node)
		__field(s16, call)
		__field(u16, flags)
		__field(u8, order)
		__field(u8, zone)
		__field(u8, use)
		__dynamic_array(char, name, trace_name_size(w, rec->page.name))
	),
	TP_fast_assign(
		__entry->seq = rec->seq;
		__entry->time = rec->time;
		__entry->pid = watch_nr(w, w->pid);
		__entry->tid = rec->tid;
		__entry->addr = rec->page.addr;
		__entry->gfp = rec->page.gfp;
		__entry->node = rec->page.node;
		__entry->call = rec->page.call;
		__entry->flags = rec->flags;
		__entry->order = rec->page.order;
		__entry->zone = rec->page.zone;
		__entry->use = rec->code;
		strscpy(__get_dynamic_array(name), mirror_name(w, rec->page.name),
			__get_dynamic_array_len(name));
	),
	TP_printk("pid=%u tid=%u seq=%llu %s addr=%llx order=%u zone=%u node=%u gfp=%x call=%d flags=%x name=%s",
		  __entry->pid, __entry->tid, __entry->seq,
		  __print_symbolic(__entry->use, BRKSCOPE_PAGE_SYMBOLS),
		  __entry->addr, __entry->order, __entry->zone, __entry->node,
		  __entry->gfp, __entry->call, __entry->flags, __get_str(name))
);

#endif /* _BRKSCOPE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
