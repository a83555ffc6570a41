// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a record become an event of the kernel's tracers?
 *
 * Context: ring_commit(); watch.lock is held and interrupts are off.
 */
#include "internal.h"

static size_t trace_name_size(const struct watch *w, u16 name);

#define CREATE_TRACE_POINTS
#include "trace.h"

static size_t trace_name_size(const struct watch *w, u16 name)
{
	return min_t(size_t, strlen(mirror_name(w, name)) + 1, BRKSCOPE_TRACE_NAME);
}

/**
 * trace_record() - hand a record to the tracers
 * @w: whose
 * @rec: the record, numbered
 *
 * Kinds that have no tracepoint are passed over.
 */
void trace_record(const struct watch *w, const struct brkscope_record *rec)
{
	switch (rec->kind) {
	case BRKSCOPE_FAULT:
		trace_fault(w, rec);
		break;
	case BRKSCOPE_PAGE:
		trace_page(w, rec);
		break;
	case BRKSCOPE_VMA:
		trace_vma(w, rec);
		break;
	case BRKSCOPE_BRK:
		trace_brk(w, rec);
		break;
	}
}
