/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - the malloc log: what libbrkrecord.so writes and the tool reads
 *
 * The log is one file that the reader creates, sizes and hands over by name in
 * the environment (BRKRECORD_FILE). libbrkrecord.so maps it shared, once. It
 * starts with a page that holds struct brkrecord_header; from
 * BRKRECORD_DATA on follow chunks of BRKRECORD_CHUNK bytes. A thread takes a
 * chunk by adding to the cursor and is then the only writer in it, so there is
 * neither a lock nor a system call on the path of a malloc call.
 *
 * A slot of a chunk whose op is BRKRECORD_NONE has not been written (yet); op
 * is stored last, so that a reader sees whole records only, even of a program
 * that was killed in the middle. Chunks of several threads lie side by side in
 * the order in which they were taken: sort by time to get one history.
 *
 * Numbers are in the machine's own byte order. All times are CLOCK_MONOTONIC
 * nanoseconds, the clock of the kernel module's records.
 *
 * Only one process writes: the one whose pid the header names. A child made by
 * fork stops recording, a program it executes does not start to. If the process
 * itself executes another program, a new BRKRECORD_START tells that all blocks
 * before it are gone.
 */
#ifndef BRKRECORD_RECORD_H
#define BRKRECORD_RECORD_H

#include <linux/types.h>

#define BRKRECORD_MAGIC		"brkrecrd"	/* eight bytes, no final NUL */
#define BRKRECORD_VERSION	1
#define BRKRECORD_ENV		"BRKRECORD_FILE"
#define BRKRECORD_DATA		4096		/* offset of the first chunk */
#define BRKRECORD_CHUNK		1024		/* 16 records */
#define BRKRECORD_OVERFLOW	(~0ULL)		/* a size that does not fit */

/**
 * struct brkrecord_header - the first bytes of the log
 * @magic: BRKRECORD_MAGIC
 * @version: BRKRECORD_VERSION
 * @record_size: sizeof(struct brkrecord_call)
 * @size: bytes of the file, header page included
 * @pid: the process that shall record
 * @attached: how many times a program image of @pid began to record
 * @cursor: offset of the next free chunk; runs past @size when the log is full
 * @dropped: calls that were not recorded because the log was full
 * @early: calls made before the library could attach
 *
 * The reader fills in all up to @pid and zeroes the rest, the library only
 * adds to what follows.
 */
struct brkrecord_header {
	char		magic[8];
	__u32	version;
	__u32	record_size;
	__u64	size;
	__u32	pid;
	__u32	attached;
	__u64	cursor;
	__u64	dropped;
	__u64	early;
};

/**
 * enum brkrecord_op - which function a record is about
 * @BRKRECORD_NONE: the slot is empty
 * @BRKRECORD_START: the library attached; @result is the program break, @old
 *	the address of the library's own page, @caller that of the mapped log,
 *	@size its length
 * @BRKRECORD_END: the program ends by exit(3); @result is the program break
 * @BRKRECORD_FIRST_CALL: the first of the ops that are calls
 * @BRKRECORD_MALLOC: malloc(3)
 * @BRKRECORD_FREE: free(3)
 * @BRKRECORD_CALLOC: calloc(3)
 * @BRKRECORD_REALLOC: realloc(3)
 * @BRKRECORD_REALLOCARRAY: reallocarray(3)
 * @BRKRECORD_ALIGNED_ALLOC: aligned_alloc(3)
 * @BRKRECORD_POSIX_MEMALIGN: posix_memalign(3)
 * @BRKRECORD_MEMALIGN: memalign(3)
 * @BRKRECORD_VALLOC: valloc(3)
 * @BRKRECORD_PVALLOC: pvalloc(3)
 * @BRKRECORD_OPS: one more than the last
 */
enum brkrecord_op {
	BRKRECORD_NONE			= 0,
	BRKRECORD_START			= 1,
	BRKRECORD_END			= 2,
	BRKRECORD_FIRST_CALL		= 8,
	BRKRECORD_MALLOC		= BRKRECORD_FIRST_CALL,
	BRKRECORD_FREE			= 9,
	BRKRECORD_CALLOC		= 10,
	BRKRECORD_REALLOC		= 11,
	BRKRECORD_REALLOCARRAY		= 12,
	BRKRECORD_ALIGNED_ALLOC		= 13,
	BRKRECORD_POSIX_MEMALIGN	= 14,
	BRKRECORD_MEMALIGN		= 15,
	BRKRECORD_VALLOC		= 16,
	BRKRECORD_PVALLOC		= 17,
	BRKRECORD_OPS
};

/**
 * struct brkrecord_call - one call of one function, 64 bytes
 * @enter: when the function was entered
 * @exit: when it returned
 * @tid: thread id
 * @op: enum brkrecord_op
 * @error: errno if it failed (result 0 where a block was asked for)
 * @size: bytes asked for, of all elements together (BRKRECORD_OVERFLOW if that overflows)
 * @extra: calloc, reallocarray: how many elements; aligned functions: alignment
 * @result: address of the block, 0 if none
 * @old: realloc, reallocarray, free: the block handed in
 * @caller: return address of the call
 */
struct brkrecord_call {
	__u64	enter;
	__u64	exit;
	__u32	tid;
	__u16	op;
	__u16	error;
	__u64	size;
	__u64	extra;
	__u64	result;
	__u64	old;
	__u64	caller;
};

#endif /* BRKRECORD_RECORD_H */
