// SPDX-License-Identifier: GPL-2.0-only
/*
 * synthetic.c - a made-up recording of which every number is known
 *
 * The program asks for 24 bytes, for which the break grows by 33 pages, and
 * writes 17 of them; for 1 MiB, for which 257 pages are mapped, and reads 8 of
 * them and writes 4 of those; moves that block by realloc to 513 pages, and
 * frees it. A child thread touches one page more of the heap. At the peak
 * 33 + 513 pages are obtained, 33 + 513 in all; 18 + 8 are touched.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "synthetic.h"
#include "tool_test.h"

#define US		1000ULL
#define T0		(1000000 * US)	/* time of exec */
#define START		(T0 + 500 * US)	/* time of the START mark */

enum { HEAP_NAME = 1, FILE_NAME = 2 };

static struct brkscope_record events[256];
static struct brkrecord_call calls[16];
static size_t nr_events, nr_calls, padding;

static struct brkscope_record *event(u64 us, unsigned int kind, unsigned int code)
{
	struct brkscope_record *r = &events[nr_events++];

	memset(r, 0, sizeof(*r));
	r->seq = nr_events;
	r->time = T0 + us * US;
	r->tid = SYNTHETIC_PID;
	r->kind = kind;
	r->code = code;
	return r;
}

/* A name in chunks, as the module sends them. */
static void name(unsigned int id, const char *text)
{
	size_t length = strlen(text), at;
	struct brkscope_record *r;

	for (at = 0; at < length; at += BRKSCOPE_NAME_CHUNK) {
		r = event(1, BRKSCOPE_NAME, 0);
		r->name.id = id;
		r->name.length = length;
		r->name.offset = at;
		memcpy(r->name.text, text + at,
		       length - at < BRKSCOPE_NAME_CHUNK ? length - at : BRKSCOPE_NAME_CHUNK);
	}
}

static struct brkscope_record *change(u64 us, unsigned int op, int cause, u64 start, u64 pages)
{
	struct brkscope_record *r = event(us, BRKSCOPE_VMA, op);
	u64 end = start + pages * SYNTHETIC_PAGE;

	r->vma.prot = BRKSCOPE_PROT_READ | BRKSCOPE_PROT_WRITE;
	r->vma.cause = cause;
	if (op == BRKSCOPE_VMA_REMOVE) {
		r->vma.old_start = start;
		r->vma.old_end = end;
	} else {
		r->vma.start = start;
		r->vma.end = end;
	}
	return r;
}

static void faults(u64 us, unsigned int class, u64 start, unsigned int pages,
		   unsigned int name_id)
{
	u64 area = name_id == HEAP_NAME ? SYNTHETIC_HEAP : SYNTHETIC_MAP;
	struct brkscope_record *r;
	unsigned int i;

	for (i = 0; i < pages; i++) {
		r = event(us + i, BRKSCOPE_FAULT, class);
		r->fault.addr = start + i * SYNTHETIC_PAGE + 8;
		r->fault.page = (r->fault.addr - area) / SYNTHETIC_PAGE;
		r->fault.latency = 1000 + i;
		r->fault.name = name_id;
		r->flags = BRKSCOPE_FAULT_USER | BRKSCOPE_FAULT_FIRST;
	}
}

static void call(unsigned int op, u64 us, u64 took, u64 size, u64 old, u64 result)
{
	struct brkrecord_call *c = &calls[nr_calls++];

	memset(c, 0, sizeof(*c));
	c->op = op;
	c->tid = SYNTHETIC_PID;
	c->enter = T0 + us * US;
	c->exit = c->enter + took * US;
	c->size = size;
	c->old = old;
	c->result = result;
}

static void heap(void)
{
	struct brkscope_record *r;

	call(BRKRECORD_MALLOC, 1000, 50, 24, 0, SYNTHETIC_HEAP + 16);
	r = event(1010, BRKSCOPE_BRK, BRKSCOPE_BRK_GROWN);
	r->brk.old = SYNTHETIC_HEAP;
	r->brk.requested = SYNTHETIC_HEAP + 33 * SYNTHETIC_PAGE;
	r->brk.now = r->brk.requested;
	r->brk.pages = 33;
	change(1011, BRKSCOPE_VMA_ADD, SYS_brk, SYNTHETIC_HEAP, 33)->vma.name = HEAP_NAME;
	faults(1100, BRKSCOPE_FIRST_WRITE, SYNTHETIC_HEAP, 17, HEAP_NAME);
	faults(1150, BRKSCOPE_FIRST_WRITE, SYNTHETIC_HEAP + 20 * SYNTHETIC_PAGE, 1, HEAP_NAME);
	events[nr_events - 1].tid = SYNTHETIC_PID + 1;
}

static void big_block(void)
{
	u64 moved = SYNTHETIC_MAP + (1ULL << 30);

	call(BRKRECORD_MALLOC, 2000, 50, 1 << 20, 0, SYNTHETIC_MAP + 16);
	change(2010, BRKSCOPE_VMA_ADD, SYS_mmap, SYNTHETIC_MAP, 257);
	faults(2100, BRKSCOPE_FIRST_READ, SYNTHETIC_MAP, 8, 0);
	faults(2200, BRKSCOPE_UPGRADE, SYNTHETIC_MAP, 4, 0);
	call(BRKRECORD_REALLOC, 3000, 50, 2 << 20, SYNTHETIC_MAP + 16, moved + 16);
	change(3010, BRKSCOPE_VMA_REMOVE, SYS_mremap, SYNTHETIC_MAP, 257);
	change(3011, BRKSCOPE_VMA_ADD, SYS_mremap, moved, 513);
	call(BRKRECORD_FREE, 4000, 50, 0, moved + 16, 0);
	change(4010, BRKSCOPE_VMA_REMOVE, SYS_munmap, moved, 513);
}

static void given(u64 us, unsigned int use, unsigned int order)
{
	event(us, BRKSCOPE_PAGE, use)->page.order = order;
}

/* 4 + 512 pages of data, 2 page tables, a child, a refused break, a fault of the program */
static void other_kinds(void)
{
	struct brkscope_record *r;
	int i;

	for (i = 0; i < 4; i++)
		given(4100, BRKSCOPE_PAGE_DATA, 0);
	given(4101, BRKSCOPE_PAGE_DATA, 9);
	given(4102, BRKSCOPE_PAGE_TABLE, 0);
	given(4103, BRKSCOPE_PAGE_TABLE, 0);
	given(4104, BRKSCOPE_PAGE_OTHER, 3);
	event(4200, BRKSCOPE_FORK, BRKSCOPE_FORK_ALONE)->fork.child = 4711;
	r = event(4300, BRKSCOPE_BRK, BRKSCOPE_BRK_REFUSED);
	r->brk.old = SYNTHETIC_HEAP + 33 * SYNTHETIC_PAGE;
	r->brk.now = r->brk.old;
	r->brk.requested = r->brk.old + (1ULL << 40);
	r->brk.reason = BRKSCOPE_BRK_RLIMIT_DATA;
	r = event(4400, BRKSCOPE_SIGNAL, 0);
	r->signal.addr = 0xdead0;
	r->signal.signo = SIGSEGV;
	r->signal.si_code = SEGV_MAPERR;
}

static void make(void)
{
	struct brkscope_record *r;

	nr_events = 0;
	nr_calls = 0;
	r = event(0, BRKSCOPE_EXEC, 0);
	strcpy(r->exec.comm, "demo");
	name(HEAP_NAME, "[heap]");
	name(FILE_NAME, "/usr/lib/a/rather/long/folder/name/that/takes/two/chunks/libdemo.so.1");
	r = change(10, BRKSCOPE_VMA_ADD, SYS_mmap, SYNTHETIC_MAP + (1ULL << 40), 10);
	r->vma.name = FILE_NAME;
	r->vma.attr = BRKSCOPE_ATTR_FILE;
	/* the dynamic linker's own: no heap */
	change(20, BRKSCOPE_VMA_ADD, SYS_mmap, SYNTHETIC_MAP + (1ULL << 41), 10);
	call(BRKRECORD_START, 500, 1, 1 << 30, 0, SYNTHETIC_HEAP);
	heap();
	big_block();
	other_kinds();
	event(5000, BRKSCOPE_EXIT, 0);
}

static void text(struct writer *w, enum chunk_type type, const char *what)
{
	writer_text(w, type, what);
	padding += -strlen(what) & (FILE_ALIGN - 1);
}

static void write_texts(struct writer *w)
{
	text(w, CHUNK_SUMMARY, "brkscope summary 1\npid: 4242\n");
	text(w, CHUNK_LOSS, "brkscope loss 1\nmissed: 0\n");
	text(w, CHUNK_CHECKS, "ok: one thing\nDIFFERS: another\n");
	text(w, CHUNK_RESULT, "status: 768\nexec_ns: 1000000000\nend_ns: 1005000000\n"
	     "calls_dropped: 0\ncalls_early: 0\n");
}

/**
 * synthetic_file() - write the recording
 * @path: to this file
 */
void synthetic_file(const char *path)
{
	static const char command[] = "demo\0--with\0args";
	struct brkscope_header header = {
		.version = BRKSCOPE_VERSION,
		.record_size = sizeof(struct brkscope_record),
		.page_size = SYNTHETIC_PAGE,
		.pid = SYNTHETIC_PID,
	};
	struct writer w;

	make();
	padding = -sizeof(command) & (FILE_ALIGN - 1);
	memcpy(header.magic, BRKSCOPE_MAGIC, sizeof(header.magic));
	if (!writer_open(&w, path))
		die("cannot write %s", path);
	writer_start(&w, SYNTHETIC_PID);
	writer_chunk(&w, CHUNK_COMMAND, command, sizeof(command));
	text(&w, CHUNK_SETUP, "tool: 0\nkernel: 6.1.0\nmachine: x86_64\nmalloc: ours\n");
	writer_chunk(&w, CHUNK_KERNEL_HEADER, &header, sizeof(header));
	writer_chunk(&w, CHUNK_KERNEL, events, 20 * sizeof(events[0]));
	writer_chunk(&w, CHUNK_MALLOC, calls, nr_calls * sizeof(calls[0]));
	writer_chunk(&w, CHUNK_KERNEL, events + 20, (nr_events - 20) * sizeof(events[0]));
	write_texts(&w);
	if (!writer_close(&w))
		die("cannot write %s", path);
}

/**
 * synthetic_events() - kernel records in the recording
 *
 * Return: how many
 */
size_t synthetic_events(void)
{
	return nr_events;
}

/**
 * synthetic_calls() - malloc records in the recording
 *
 * Return: how many
 */
size_t synthetic_calls(void)
{
	return nr_calls;
}

/**
 * synthetic_padding() - bytes between the chunks that say nothing
 *
 * Return: how many
 */
size_t synthetic_padding(void)
{
	return padding;
}
