// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeline.c - what happened, in order?
 *
 * One row for each break move and change of an area; the faults between them
 * are gathered, one row for those of one kind in one area. The area change that
 * a break move makes is part of its row. What the dynamic linker does before the
 * program's libraries are there is one row, unless all is wanted.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "timeline.h"

#define GATHER_ROWS	8	/* how far back a fault looks for its like */

static struct row *new_row(struct timeline *t, const struct brkscope_record *r)
{
	struct row *row;

	t->rows = grow_array(t->rows, t->nr, &t->room, sizeof(*t->rows));
	row = &t->rows[t->nr++];
	memset(row, 0, sizeof(*row));
	row->time = r->time;
	row->tid = r->tid;
	row->kind = r->kind;
	row->code = r->code;
	row->count = 1;
	row->area = "";
	return row;
}

static struct row *last_row(struct timeline *t)
{
	return t->nr ? &t->rows[t->nr - 1] : NULL;
}

static void set_call(struct row *row, const struct brkrecord_call *call)
{
	row->call = call;
	row->in_calls = !!call;
	row->calls = !!call;
}

/* The heap, and why it could not grow. */
static const char *refused_area(const struct brkscope_record *r)
{
	static const char * const areas[BRKSCOPE_BRK_REASONS] = {
		[BRKSCOPE_BRK_OK] = "[heap]",
		[BRKSCOPE_BRK_BELOW] = "[heap]: below its start",
		[BRKSCOPE_BRK_RLIMIT_DATA] = "[heap]: RLIMIT_DATA",
		[BRKSCOPE_BRK_RLIMIT_AS] = "[heap]: RLIMIT_AS",
		[BRKSCOPE_BRK_COLLISION] = "[heap]: another area is in the way",
		[BRKSCOPE_BRK_LOCKED] = "[heap]: RLIMIT_MEMLOCK",
		[BRKSCOPE_BRK_MAP_COUNT] = "[heap]: vm.max_map_count",
		[BRKSCOPE_BRK_NO_MEMORY] = "[heap]: no memory",
	};

	return r->brk.reason < BRKSCOPE_BRK_REASONS ? areas[r->brk.reason] : "[heap]";
}

static void add_brk(struct timeline *t, const struct brkscope_record *r,
		    const struct brkrecord_call *call)
{
	struct row *row = new_row(t, r);
	bool grew = r->brk.now >= r->brk.old;

	snprintf(row->event, ROW_EVENT, "break %s", brk_result_name(r->code));
	row->style = r->code == BRKSCOPE_BRK_REFUSED ? STYLE_BAD : STYLE_BREAK;
	row->start = grew ? r->brk.old : r->brk.now;
	row->end = grew ? r->brk.now : r->brk.old;
	row->change = (long long)(r->brk.now - r->brk.old);
	row->signed_change = true;
	row->area = refused_area(r);
	set_call(row, call);
}

static void perms_text(char *text, unsigned int prot)
{
	text[0] = prot & BRKSCOPE_PROT_READ ? 'r' : '-';
	text[1] = prot & BRKSCOPE_PROT_WRITE ? 'w' : '-';
	text[2] = prot & BRKSCOPE_PROT_EXEC ? 'x' : '-';
	text[3] = prot & BRKSCOPE_PROT_SHARED ? 's' : 'p';
	text[4] = 0;
}

/*
 * Taking away and then adding in the same system call is a split or a merge, a
 * replacement or a move.
 */
static bool same_call(const struct row *row, const struct brkscope_record *r)
{
	bool move = r->code == BRKSCOPE_VMA_MOVE;
	bool adds = r->code == BRKSCOPE_VMA_ADD || r->code == BRKSCOPE_VMA_GROW;
	bool took = row->last_op == BRKSCOPE_VMA_REMOVE || row->last_op == BRKSCOPE_VMA_SHRINK;
	bool moved = row->last_op == BRKSCOPE_VMA_MOVE;

	if (row->cause != r->vma.cause)
		return false;
	/* what a move replaces and splits off comes before it, what it leaves after */
	if (move || moved)
		return move != moved && (move || adds);
	return adds && (took || (row->count > 1 && row->cause != SYS_mmap));
}

/* A file's areas come and go together when it is loaded: one row for them all. */
static bool fold_change(struct timeline *t, const struct brkscope_record *r, const char *name)
{
	struct row *row = last_row(t);
	bool file = r->vma.attr & BRKSCOPE_ATTR_FILE;

	if (!row || row->kind != BRKSCOPE_VMA || row->tid != r->tid)
		return false;
	if (!(file && !strcmp(row->area, name)) && !same_call(row, r))
		return false;
	strcpy(row->event, row->cause == SYS_mremap ? "area moved" : file ? "area changes" :
	       row->cause == SYS_mmap ? "area replaced" : "area split");
	row->count++;
	row->signed_change = true;
	return true;
}

static void widen(struct row *row, u64 start, u64 end)
{
	if (row->count == 1 || start < row->start)
		row->start = start;
	if (row->count == 1 || end > row->end)
		row->end = end;
}

/* The bytes that a change is about: of a grown or shrunk area those at its edge. */
static void widen_change(struct row *row, const struct brkscope_record *r)
{
	u64 start = r->vma.start, end = r->vma.end;
	u64 old_start = r->vma.old_start, old_end = r->vma.old_end;

	switch (r->code) {
	case BRKSCOPE_VMA_REMOVE:
		widen(row, old_start, old_end);
		return;
	case BRKSCOPE_VMA_GROW:
		if (start == old_start)
			start = old_end;
		else if (end == old_end)
			end = old_start;
		break;
	case BRKSCOPE_VMA_SHRINK:
		if (start == old_start) {
			start = end;
			end = old_end;
		} else if (end == old_end) {
			end = start;
			start = old_start;
		}
		break;
	}
	widen(row, start, end);
}

static long long change_bytes(const struct brkscope_record *r)
{
	long long now = r->vma.end - r->vma.start;
	long long old = r->vma.old_end - r->vma.old_start;

	switch (r->code) {
	case BRKSCOPE_VMA_ADD:
		return now;
	case BRKSCOPE_VMA_REMOVE:
		return -old;
	default:
		return now - old;
	}
}

static void add_change(struct timeline *t, const struct brkscope_record *r,
		       const struct brkrecord_call *call)
{
	const char *name = names_text(t->names, r->vma.name);
	struct row *row;
	char perms[5];

	if (r->vma.cause == SYS_brk)
		return;	/* shown as the break's move */
	if (!fold_change(t, r, name)) {
		row = new_row(t, r);
		perms_text(perms, r->vma.prot);
		snprintf(row->event, ROW_EVENT, "area %s %s", vma_op_name(r->code), perms);
		row->style = STYLE_AREA;
		row->area = name;
		row->cause = r->vma.cause;
		row->by = syscall_name(r->vma.cause);
		set_call(row, call);
	} else {
		row = last_row(t);
		row->in_calls += !!call;
	}
	row->last_op = r->code;
	widen_change(row, r);
	row->change += change_bytes(r);
	row->signed_change = true;
	if (row->count == 1 && !row->change) {
		row->change = r->vma.end - r->vma.start;
		row->signed_change = false;
	}
}

static bool is_file(const char *name)
{
	return *name == '/';
}

/* Where the area of a fault begins */
static u64 area_start(const struct timeline *t, const struct brkscope_record *r)
{
	return (r->fault.addr & -t->page_size) - r->fault.page * t->page_size;
}

/*
 * A run of faults of one kind in one area is one row. The pages of files are
 * no heap's: unless all is wanted, all classes and files go together.
 */
static bool fold_fault(const struct timeline *t, const struct row *row,
		       const struct brkscope_record *r, const char *name)
{
	if (row->tid != r->tid)
		return false;
	if (!t->full && is_file(row->area) && is_file(name) &&
	    row->code != BRKSCOPE_FAILED && r->code != BRKSCOPE_FAILED)
		return true;
	return row->code == r->code && row->vma_start == area_start(t, r) &&
	       !strcmp(row->area, name);
}

/*
 * The row that a fault belongs to. Between two moves of the break or changes of
 * areas faults are gathered by what they are; if all is wanted, only those that
 * follow each other.
 */
static struct row *find_run(struct timeline *t, const struct brkscope_record *r,
			    const char *name)
{
	size_t back, most = t->full ? 1 : GATHER_ROWS;
	struct row *row;

	for (back = 1; back <= most && back <= t->nr; back++) {
		row = &t->rows[t->nr - back];
		if (row->kind != BRKSCOPE_FAULT)
			return NULL;
		if (fold_fault(t, row, r, name))
			return row;
	}
	return NULL;
}

/* Another fault of a run. */
static void add_to_run(const struct timeline *t, struct row *row,
		       const struct brkscope_record *r, const char *name,
		       const char *by, const struct brkrecord_call *call)
{
	if (row->code != r->code)
		strcpy(row->event, "file pages");
	if (row->vma_start != area_start(t, r) || strcmp(row->area, name))
		row->areas = row->areas ? row->areas + 1 : 2;
	row->code = r->code;
	row->area = name;
	row->vma_start = area_start(t, r);
	row->count++;
	row->in_calls += !!call;
	row->calls += call && call != row->call;
	row->call = call ? call : row->call;
	if (!by || !row->by || strcmp(by, row->by))
		row->by = NULL;
}

/* Who made an access that no malloc call made? */
static const char *accessor(const struct timeline *t, const struct brkscope_record *r)
{
	const struct piece *p;

	if (r->flags & BRKSCOPE_FAULT_REMOTE)
		return "another process";
	if (r->flags & BRKSCOPE_FAULT_KERNEL)
		return "the kernel";
	p = areas_find(t->areas, r->fault.ip);
	return p && *p->name ? base_name(p->name) : NULL;
}

static void add_fault(struct timeline *t, const struct brkscope_record *r,
		      const struct brkrecord_call *call)
{
	const char *name = names_text(t->names, r->fault.name);
	u64 page = r->fault.addr & -t->page_size;
	const char *by = accessor(t, r);
	struct row *row = find_run(t, r, name);

	if (row) {
		add_to_run(t, row, r, name, by, call);
	} else {
		row = new_row(t, r);
		snprintf(row->event, ROW_EVENT, "%s", class_name(r->code));
		row->style = r->code == BRKSCOPE_FAILED ? STYLE_BAD : STYLE_TOUCH;
		row->area = name;
		row->vma_start = area_start(t, r);
		row->by = by;
		set_call(row, call);
	}
	widen(row, page, page + t->page_size);
	row->change += t->page_size;
}

static void add_text(struct timeline *t, const struct brkscope_record *r, enum style style,
		     const char *text)
{
	struct row *row = new_row(t, r);

	row->kind = 0;
	row->style = style;
	row->by = text;
}

static void add_signal(struct timeline *t, const struct brkscope_record *r)
{
	const char *name = r->signal.signo == SIGBUS ? "SIGBUS" : "SIGSEGV";
	const struct piece *p = areas_find(t->areas, r->signal.ip);
	const char *why = r->signal.signo == SIGBUS ? "no memory or file behind it" :
			  r->signal.si_code == SEGV_MAPERR ? "no area there" :
			  r->signal.si_code == SEGV_ACCERR ? "the area forbids it" : "refused";

	add_text(t, r, STYLE_BAD, xasprintf("%s at %llx: %s%s%s", name, (u64)r->signal.addr, why,
					    p && *p->name ? ", by " : "",
					    p ? base_name(p->name) : ""));
}

static void add_fork(struct timeline *t, const struct brkscope_record *r)
{
	add_text(t, r, STYLE_HEAD, xasprintf("made child process %u%s", r->fork.child,
					     r->fork.shares ? ", by vfork" : ""));
}

static void add_exit(struct timeline *t, const struct brkscope_record *r)
{
	int status = r->exit.status;

	if (WIFSIGNALED(status))
		add_text(t, r, STYLE_HEAD, xasprintf("ended by signal %d", WTERMSIG(status)));
	else
		add_text(t, r, STYLE_HEAD, xasprintf("ended, exit status %d",
						     WEXITSTATUS(status)));
}

static void add_exec(struct timeline *t, const struct brkscope_record *r)
{
	const struct brkrecord_call *start = join_start_after(t->join, r->time);

	if (!t->zero)
		t->zero = r->time;
	add_text(t, r, STYLE_HEAD, xasprintf("%.*s executed", (int)sizeof(r->exec.comm),
					     r->exec.comm));
	t->loaded = start && !t->full ? start->enter : 0;
	t->load_began = r->time;
	t->load_changes = 0;
	t->load_faults = 0;
}

/* Counts what belongs to loading; false once that is over. */
static bool loading(struct timeline *t, const struct brkscope_record *r)
{
	char took[UNIT_TEXT];

	if (!t->loaded)
		return false;
	if (r->time < t->loaded && r->kind == BRKSCOPE_VMA) {
		t->load_changes++;
		return true;
	}
	if (r->time < t->loaded && r->kind == BRKSCOPE_FAULT) {
		t->load_faults++;
		return true;
	}
	if (r->time < t->loaded)
		return false;
	t->loaded = 0;
	add_text(t, r, STYLE_FAINT,
		 xasprintf("loaded in %s: %llu changes of areas, %llu faults (--full lists them)",
			   time_text(took, r->time - t->load_began), t->load_changes,
			   t->load_faults));
	return false;
}

/**
 * timeline_add() - add the next event
 * @t: the timeline
 * @r: the event; areas have seen it already
 * @call: the malloc call in which it was, or NULL
 */
void timeline_add(struct timeline *t, const struct brkscope_record *r,
		  const struct brkrecord_call *call)
{
	if (!t->zero)
		t->zero = r->time;
	if (loading(t, r))
		return;
	switch (r->kind) {
	case BRKSCOPE_FAULT:
		add_fault(t, r, call);
		break;
	case BRKSCOPE_BRK:
		if (r->code != BRKSCOPE_BRK_SET)	/* exec itself has a row */
			add_brk(t, r, call);
		break;
	case BRKSCOPE_VMA:
		add_change(t, r, call);
		break;
	case BRKSCOPE_EXEC:
		add_exec(t, r);
		break;
	case BRKSCOPE_EXIT:
		add_exit(t, r);
		break;
	case BRKSCOPE_SIGNAL:
		add_signal(t, r);
		break;
	case BRKSCOPE_FORK:
		add_fork(t, r);
		break;
	case BRKSCOPE_LOST:
		add_text(t, r, STYLE_BAD, xasprintf("%llu records lost here",
						    (u64)r->lost.count));
		break;
	}
}
