// SPDX-License-Identifier: GPL-2.0-only
/*
 * format.c - is a stretch of a brkscope file what was written?
 *
 * CRC-32 (polynomial 0x04c11db7 reflected, as in zip and Ethernet), by a table
 * of 256 remainders that is made on first use.
 */
#include <stddef.h>

#include "format.h"

static __u32 remainders[256];

static void make_remainders(void)
{
	__u32 i, r, bit;

	for (i = 0; i < 256; i++) {
		r = i;
		for (bit = 0; bit < 8; bit++)
			r = r & 1 ? (r >> 1) ^ 0xedb88320u : r >> 1;
		remainders[i] = r;
	}
}

/**
 * crc32_update() - take more bytes into a CRC-32
 * @crc: what the call before returned, 0 for the first
 * @data: the bytes
 * @bytes: how many
 *
 * Return: the CRC-32 of all bytes so far
 */
__u32 crc32_update(__u32 crc, const void *data, __u64 bytes)
{
	const unsigned char *p = data;

	if (!remainders[1])
		make_remainders();
	crc = ~crc;
	while (bytes--)
		crc = remainders[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/**
 * chunk_crc() - the checksum that belongs into a chunk's header
 * @chunk: header with type and length set
 * @payload: @chunk->length bytes
 *
 * Return: the CRC-32
 */
__u32 chunk_crc(const struct chunk_header *chunk, const void *payload)
{
	__u32 crc;

	crc = crc32_update(0, &chunk->type, sizeof(chunk->type));
	crc = crc32_update(crc, &chunk->length, sizeof(chunk->length));
	return crc32_update(crc, payload, chunk->length);
}

/**
 * file_header_crc() - the checksum that belongs into the file's header
 * @header: header with everything else set
 *
 * Return: the CRC-32
 */
__u32 file_header_crc(const struct file_header *header)
{
	return crc32_update(0, header, offsetof(struct file_header, crc));
}
