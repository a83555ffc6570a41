// SPDX-License-Identifier: GPL-2.0-only
/*
 * reader.c - is this a brkscope file, and what is in it?
 *
 * Nothing in the file is trusted: each header and length is checked against
 * the file's size, each chunk against its checksum, and every error says at
 * which offset. A file that merely ends early is read as far as it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"

__printf(2, 3)
static bool fail(struct capture *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	return false;
}

static bool map_file(struct capture *c, const char *path)
{
	struct stat st;
	void *map;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(c, "%s", strerror(errno));
	if (fstat(fd, &st)) {
		fail(c, "%s", strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		fail(c, "not a regular file");
	} else if (!st.st_size) {
		fail(c, "the file is empty");
	} else {
		map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED) {
			fail(c, "cannot be mapped: %s", strerror(errno));
		} else {
			c->map = map;
			c->bytes = st.st_size;
		}
	}
	close(fd);
	return c->map;
}

static bool check_header(struct capture *c)
{
	struct file_header *h = &c->header;

	if (c->bytes >= sizeof(h->magic) && memcmp(c->map, FILE_MAGIC, sizeof(h->magic)))
		return fail(c, "not a brkscope file (other bytes than its mark at offset 0)");
	if (c->bytes < sizeof(*h))
		return fail(c, "the file ends at offset %llu, inside its header", c->bytes);
	memcpy(h, c->map, sizeof(*h));
	if (h->byte_order != FILE_BYTE_ORDER)
		return fail(c, "written on a machine of the other byte order (offset %zu)",
			    offsetof(struct file_header, byte_order));
	if (h->version != FILE_VERSION)
		return fail(c, "format version %u (offset %zu), this tool reads version %u",
			    h->version, offsetof(struct file_header, version), FILE_VERSION);
	if (h->crc != file_header_crc(h))
		return fail(c, "the header is damaged (checksum at offset %zu)",
			    offsetof(struct file_header, crc));
	if (h->page_size < 1024 || h->page_size & (h->page_size - 1))
		return fail(c, "page size %u (offset %zu) is none", h->page_size,
			    offsetof(struct file_header, page_size));
	return true;
}

static bool add_events(struct capture *c, const char *payload, u64 bytes, u64 offset)
{
	size_t count = bytes / sizeof(struct brkscope_record);
	size_t i;

	if (bytes % sizeof(struct brkscope_record))
		return fail(c, "kernel records at offset %llu are not whole", offset);
	c->events = xrealloc(c->events, c->nr_events + count, sizeof(*c->events));
	for (i = 0; i < count; i++)
		c->events[c->nr_events++] = (const void *)(payload + i * sizeof(**c->events));
	return true;
}

static bool add_calls(struct capture *c, const char *payload, u64 bytes, u64 offset)
{
	size_t count = bytes / sizeof(struct brkrecord_call);
	size_t i;

	if (bytes % sizeof(struct brkrecord_call))
		return fail(c, "malloc records at offset %llu are not whole", offset);
	c->calls = xrealloc(c->calls, c->nr_calls + count, sizeof(*c->calls));
	for (i = 0; i < count; i++)
		c->calls[c->nr_calls++] = (const void *)(payload + i * sizeof(**c->calls));
	return true;
}

static bool set_kernel_header(struct capture *c, const char *payload, u64 bytes, u64 offset)
{
	const struct brkscope_header *h = (const void *)payload;

	if (bytes != sizeof(*h) || memcmp(h->magic, BRKSCOPE_MAGIC, sizeof(h->magic)))
		return fail(c, "the kernel's header at offset %llu is none", offset);
	if (h->version != BRKSCOPE_VERSION || h->record_size != sizeof(struct brkscope_record))
		return fail(c,
			    "kernel records of version %u, %u bytes (offset %llu): this tool reads version %u, %zu bytes",
			    h->version, h->record_size, offset, BRKSCOPE_VERSION,
			    sizeof(struct brkscope_record));
	c->kernel_header = h;
	return true;
}

static void set_text(struct capture *c, unsigned int type, const char *payload, u64 bytes)
{
	char *text = xmalloc(bytes + 1);

	memcpy(text, payload, bytes);
	free(c->text[type]);
	c->text[type] = text;
}

static void set_command(struct capture *c, const char *payload, u64 bytes)
{
	u64 i;

	free(c->command);
	c->command = xmalloc(bytes + 1);
	memcpy(c->command, payload, bytes);
	for (i = 0; i + 1 < bytes; i++)
		if (!c->command[i])
			c->command[i] = ' ';
}

static bool take_chunk(struct capture *c, u64 offset, const struct chunk_header *chunk,
		       const char *payload)
{
	switch (chunk->type) {
	case CHUNK_COMMAND:
		set_command(c, payload, chunk->length);
		return true;
	case CHUNK_KERNEL_HEADER:
		return set_kernel_header(c, payload, chunk->length, offset);
	case CHUNK_KERNEL:
		return add_events(c, payload, chunk->length, offset);
	case CHUNK_MALLOC:
		return add_calls(c, payload, chunk->length, offset);
	case CHUNK_END:
		c->complete = true;
		return true;
	default:
		if (chunk->type < CHUNK_TYPES)
			set_text(c, chunk->type, payload, chunk->length);
		return true;
	}
}

/* The chunk at @offset: its payload, or NULL if the file ends inside it. */
static const char *find_chunk(struct capture *c, u64 offset, struct chunk_header *chunk)
{
	u64 left = c->bytes - offset;

	if (left < sizeof(*chunk))
		return NULL;
	memcpy(chunk, c->map + offset, sizeof(*chunk));
	if (chunk->length > left - sizeof(*chunk))
		return NULL;
	return c->map + offset + sizeof(*chunk);
}

static bool read_chunks(struct capture *c)
{
	u64 offset = sizeof(struct file_header);
	struct chunk_header chunk;
	const char *payload;

	while (offset < c->bytes && !c->complete) {
		payload = find_chunk(c, offset, &chunk);
		if (!payload)
			break;
		if (chunk.crc != chunk_crc(&chunk, payload))
			return fail(c,
				    "the chunk at offset %llu (type %u, %llu bytes) is damaged: its checksum differs",
				    offset, chunk.type, (u64)chunk.length);
		if (!take_chunk(c, offset, &chunk, payload))
			return false;
		offset += sizeof(chunk) + chunk.length + (-chunk.length & (FILE_ALIGN - 1));
	}
	c->cut = offset < c->bytes ? offset : c->bytes;
	if (c->complete && offset < c->bytes)
		return fail(c, "something follows the end mark at offset %llu", offset);
	return true;
}

/**
 * capture_open() - read a brkscope file
 * @c: gets what is in it
 * @path: its name
 *
 * Return: false if it is not a sound brkscope file; @c->error says why and where.
 * Call capture_close() in either case.
 */
bool capture_open(struct capture *c, const char *path)
{
	memset(c, 0, sizeof(*c));
	return map_file(c, path) && check_header(c) && read_chunks(c);
}

/**
 * capture_close() - give back what capture_open() took
 * @c: the capture
 */
void capture_close(struct capture *c)
{
	size_t i;

	if (c->map)
		munmap((void *)c->map, c->bytes);
	for (i = 0; i < CHUNK_TYPES; i++)
		free(c->text[i]);
	free(c->events);
	free(c->calls);
	free(c->command);
	memset(c, 0, sizeof(*c));
}
