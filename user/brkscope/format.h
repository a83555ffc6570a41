/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * format.h - the file that `brkscope run` writes and `brkscope report` reads
 *
 * A file is struct file_header and then chunks, each struct chunk_header and
 * @length bytes of payload, padded with zero bytes to a multiple of eight. The
 * first chunk starts at sizeof(struct file_header); every chunk therefore lies
 * on a multiple of eight and its records can be read in place.
 *
 * Chunks are only ever appended, each with one write: a tool that is killed
 * leaves a file that ends early but whose whole chunks are good. The last chunk
 * of a complete file is CHUNK_END. A reader skips types that it does not know.
 *
 * Numbers are in the byte order of the machine that wrote the file.
 */
#ifndef BRKSCOPE_FORMAT_H
#define BRKSCOPE_FORMAT_H

#include <linux/types.h>

#define FILE_MAGIC	"brkfile\n"	/* eight bytes, no final NUL */
#define FILE_VERSION	1
#define FILE_BYTE_ORDER	0x01020304u
#define FILE_ALIGN	8

/**
 * struct file_header - the first 64 bytes of the file
 * @magic: FILE_MAGIC
 * @version: FILE_VERSION
 * @byte_order: FILE_BYTE_ORDER as the writing machine stores it
 * @page_size: bytes of a page there
 * @pid: process that was watched
 * @created: when, seconds since 1970
 * @reserved: zero
 * @reserved0: zero
 * @crc: CRC-32 of all fields before
 */
struct file_header {
	char	magic[8];
	__u32	version;
	__u32	byte_order;
	__u32	page_size;
	__u32	pid;
	__u64	created;
	__u64	reserved[3];
	__u32	reserved0;
	__u32	crc;
};

/**
 * struct chunk_header - what stands in front of a chunk's payload
 * @type: enum chunk_type
 * @crc: CRC-32 of @type, @length and the payload without its padding
 * @length: bytes of the payload without its padding
 */
struct chunk_header {
	__u32	type;
	__u32	crc;
	__u64	length;
};

/**
 * enum chunk_type - what a chunk's payload is
 * @CHUNK_COMMAND: the program and its arguments, each ended by a NUL
 * @CHUNK_SETUP: text, `name: value` lines: how the run was set up
 * @CHUNK_KERNEL_HEADER: struct brkscope_header, before the first CHUNK_KERNEL
 * @CHUNK_KERNEL: struct brkscope_record's, from the program's exec on, and the
 *	names that records refer to
 * @CHUNK_MALLOC: struct brkrecord_call's; chunks in the order of the log
 * @CHUNK_SUMMARY: text of /proc/brkscope/PID/summary after the end
 * @CHUNK_VMAS: text of /proc/brkscope/PID/vmas when the program was about to end
 * @CHUNK_FAULTS: text of /proc/brkscope/PID/faults after the end
 * @CHUNK_LOSS: text of /proc/brkscope/PID/loss after the end
 * @CHUNK_MAPS: text of /proc/PID/maps when the program was about to end
 * @CHUNK_CHECKS: text, `ok|DIFFERS|not made: what was compared` lines
 * @CHUNK_RESULT: text, `name: value` lines: exit status, rusage, loss of the log
 * @CHUNK_END: empty; the file is complete
 * @CHUNK_TYPES: one more than the last
 */
enum chunk_type {
	CHUNK_COMMAND		= 1,
	CHUNK_SETUP		= 2,
	CHUNK_KERNEL_HEADER	= 3,
	CHUNK_KERNEL		= 4,
	CHUNK_MALLOC		= 5,
	CHUNK_SUMMARY		= 6,
	CHUNK_VMAS		= 7,
	CHUNK_FAULTS		= 8,
	CHUNK_LOSS		= 9,
	CHUNK_MAPS		= 10,
	CHUNK_CHECKS		= 11,
	CHUNK_RESULT		= 12,
	CHUNK_END		= 13,
	CHUNK_TYPES
};

__u32 crc32_update(__u32 crc, const void *data, __u64 bytes);
__u32 chunk_crc(const struct chunk_header *chunk, const void *payload);
__u32 file_header_crc(const struct file_header *header);

#endif /* BRKSCOPE_FORMAT_H */
