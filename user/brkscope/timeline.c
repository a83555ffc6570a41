// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeline.c - what happened, in order?
 *
 * One row for each break move, change of an area and fault; neighbours that
 * say the same are folded into one. The area change that a break move makes is
 * part of its row. What the dynamic linker does before the program's libraries
 * are there is one row, unless all is wanted.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "timeline.h"

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
	row->area = "[heap]";
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

/* A file's areas come and go together when it is loaded: one row for them all. */
static bool fold_change(struct timeline *t, const struct brkscope_record *r, const char *name)
{
	struct row *row = last_row(t);

	if (!row || row->kind != BRKSCOPE_VMA || row->tid != r->tid ||
	    !(r->vma.attr & BRKSCOPE_ATTR_FILE) || strcmp(row->area, name))
		return false;
	strcpy(row->event, "area changes");
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

static void add_change(struct timeline *t, const struct brkscope_record *r,
		       const struct brkrecord_call *call)
{
	const char *name = names_text(t->names, r->vma.name);
	bool gone = r->code == BRKSCOPE_VMA_REMOVE;
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
		row->by = syscall_name(r->vma.cause);
		set_call(row, call);
	}
	row = last_row(t);
	widen(row, gone ? r->vma.old_start : r->vma.start, gone ? r->vma.old_end : r->vma.end);
	if (r->code == BRKSCOPE_VMA_PROTECT || r->code == BRKSCOPE_VMA_CHANGE) {
		row->change += row->count == 1 ? row->end - row->start : 0;
	} else {
		row->change += (long long)(gone ? 0 : r->vma.end - r->vma.start) -
			       (long long)(r->code == BRKSCOPE_VMA_ADD ? 0 :
					   r->vma.old_end - r->vma.old_start);
		row->signed_change = true;
	}
}

static bool fold_fault(const struct row *row, const struct brkscope_record *r, const char *name)
{
	return row && row->kind == BRKSCOPE_FAULT && row->code == r->code &&
	       row->tid == r->tid && row->vma_start == r->fault.vma_start &&
	       !strcmp(row->area, name);
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
	struct row *row = last_row(t);

	if (fold_fault(row, r, name)) {
		row->count++;
		row->in_calls += !!call;
		row->calls += call && call != row->call;
		row->call = call ? call : row->call;
		if (by && row->by && strcmp(by, row->by))
			row->by = "several";
	} else {
		row = new_row(t, r);
		snprintf(row->event, ROW_EVENT, "%s", class_name(r->code));
		row->style = r->code == BRKSCOPE_FAILED ? STYLE_BAD : STYLE_TOUCH;
		row->area = name;
		row->vma_start = r->fault.vma_start;
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
	case BRKSCOPE_LOST:
		add_text(t, r, STYLE_BAD, xasprintf("%llu records lost here",
						    (u64)r->lost.count));
		break;
	}
}
