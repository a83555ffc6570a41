// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_test.c - does a damaged file ever do more than give an error?
 *
 * Built with the address and undefined behaviour sanitizers, which end the test
 * at the first wrong access. The reader, and all that report does with what it
 * read, run in this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "analysis.h"
#include "synthetic.h"
#include "tool_test.h"

#define REPORT_EVERY	32	/* of the lengths to which the file is cut */

/* A file, and what is in it as it should be. */
struct sample {
	char *path;
	unsigned char *good;
	size_t bytes;
};

FIXTURE(file) {
	struct sample sample;
};

static void load(struct sample *sample)
{
	struct stat st;
	int fd = open(sample->path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s", sample->path);
	sample->bytes = st.st_size;
	sample->good = xmalloc(sample->bytes);
	if (read(fd, sample->good, sample->bytes) != (ssize_t)sample->bytes)
		die("cannot read %s", sample->path);
	close(fd);
}

static void save(struct sample *sample, const void *data, size_t bytes)
{
	int fd = open(sample->path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		die("cannot write %s", sample->path);
	close(fd);
}

FIXTURE_SETUP(file)
{
	struct sample *sample = &self->sample;
	int fd = memfd_create("brkscope", 0);	/* a disk would be slow */

	sample->path = xasprintf("/proc/self/fd/%d", fd);
	synthetic_file(sample->path);
	load(sample);
}

FIXTURE_TEARDOWN(file)
{
	struct sample *sample = &self->sample;

	free(sample->path);
	free(sample->good);
}

/* All of the report, to nowhere. */
static void report(struct analysis *a)
{
	fflush(stdout);
	analysis_make(a, false);
	timeline_print(&a->timeline, 20);
	print_faults(a);
	print_calls(a);
	print_summary(a);
	print_losses(a);
}

/* The report writes to standard output, which is TAP's. */
static int mute(void)
{
	int old, nowhere = open("/dev/null", O_WRONLY);

	fflush(stdout);
	old = dup(1);
	dup2(nowhere, 1);
	close(nowhere);
	return old;
}

static void unmute(int old)
{
	fflush(stdout);
	dup2(old, 1);
	close(old);
}

static struct analysis *open_file(struct sample *sample, bool *sound)
{
	struct analysis *a = xmalloc(sizeof(*a));

	*sound = capture_open(&a->capture, sample->path);
	return a;
}

static void close_file(struct analysis *a)
{
	analysis_free(a);
	free(a);
}

TEST_F(file, that_is_whole_is_read_whole)
{
	struct sample *sample = &self->sample;
	bool sound;
	struct analysis *a = open_file(sample, &sound);

	ASSERT_TRUE(sound) TH_LOG("%s", a->capture.error);
	EXPECT_TRUE(a->capture.complete);
	EXPECT_EQ(synthetic_events(), a->capture.nr_events);
	EXPECT_EQ(synthetic_calls(), a->capture.nr_calls);
	EXPECT_STREQ("demo --with args", a->capture.command);
	close_file(a);
}

TEST_F(file, cut_at_any_length_is_an_error_or_a_shorter_file)
{
	struct sample *sample = &self->sample;
	int out = mute();
	struct analysis *a;
	size_t length;
	bool sound;

	for (length = 0; length < sample->bytes; length++) {
		save(sample, sample->good, length);
		a = open_file(sample, &sound);
		if (sound) {
			EXPECT_FALSE(a->capture.complete) TH_LOG("cut at %zu", length);
			EXPECT_LE(a->capture.cut, length);
			if (length % REPORT_EVERY == 0)
				report(a);
		} else {
			EXPECT_NE(0, a->capture.error[0]) TH_LOG("cut at %zu", length);
			EXPECT_LT(length, sizeof(struct file_header));
		}
		close_file(a);
	}
	unmute(out);
}

/* No single byte can change unnoticed, but for padding between chunks. */
TEST_F(file, with_any_byte_changed_is_an_error_or_cut_short)
{
	struct sample *sample = &self->sample;
	int out = mute();
	size_t at, unnoticed = 0;
	struct analysis *a;
	bool sound;

	for (at = 0; at < sample->bytes; at++) {
		sample->good[at] ^= 0x41;
		save(sample, sample->good, sample->bytes);
		sample->good[at] ^= 0x41;
		a = open_file(sample, &sound);
		if (sound)
			report(a);
		else
			EXPECT_NE(0, a->capture.error[0]) TH_LOG("byte %zu", at);
		unnoticed += sound && a->capture.complete;
		close_file(a);
	}
	unmute(out);
	EXPECT_EQ(synthetic_padding(), unnoticed);
}

TEST_F(file, that_is_damaged_gives_an_error_with_the_offset)
{
	struct sample *sample = &self->sample;
	size_t at = sizeof(struct file_header) + sizeof(struct chunk_header);
	char wanted[32];
	struct analysis *a;
	bool sound;

	sample->good[at] ^= 1;
	save(sample, sample->good, sample->bytes);
	a = open_file(sample, &sound);
	EXPECT_FALSE(sound);
	snprintf(wanted, sizeof(wanted), "offset %zu", sizeof(struct file_header));
	EXPECT_NE(NULL, strstr(a->capture.error, wanted)) TH_LOG("%s", a->capture.error);
	close_file(a);
}

/* Sets all checksums right again, so that the damage gets past them. */
static void repair(unsigned char *data, size_t bytes)
{
	struct file_header *h = (void *)data;
	struct chunk_header chunk;
	size_t at = sizeof(*h);

	h->crc = file_header_crc(h);
	while (at + sizeof(chunk) <= bytes) {
		memcpy(&chunk, data + at, sizeof(chunk));
		if (chunk.length > bytes - at - sizeof(chunk))
			return;
		chunk.crc = chunk_crc(&chunk, data + at + sizeof(chunk));
		memcpy(data + at, &chunk, sizeof(chunk));
		at += sizeof(chunk) + chunk.length + (-chunk.length & (FILE_ALIGN - 1));
	}
}

static void damage(unsigned char *data, size_t bytes, unsigned int *seed)
{
	unsigned int times = 1 + rand_r(seed) % 8;
	size_t at;

	while (times--) {
		at = ((size_t)rand_r(seed) << 16 ^ rand_r(seed)) % bytes;
		switch (rand_r(seed) % 3) {
		case 0:
			data[at] = rand_r(seed);
			break;
		case 1:
			data[at] ^= 1 << rand_r(seed) % 8;
			break;
		default:
			memset(data + at, rand_r(seed) & 1 ? 0xff : 0,
			       bytes - at < 8 ? bytes - at : 8);
		}
	}
}

TEST_F_TIMEOUT(file, with_lies_behind_right_checksums_never_crashes_the_report, 120)
{
	struct sample *sample = &self->sample;
	unsigned char *bad = xmalloc(sample->bytes);
	unsigned int seed = 4711, round, sound_ones = 0;
	int out = mute();
	struct analysis *a;
	bool sound;

	for (round = 0; round < 1500; round++) {
		memcpy(bad, sample->good, sample->bytes);
		damage(bad, sample->bytes, &seed);
		repair(bad, sample->bytes);
		save(sample, bad, sample->bytes);
		a = open_file(sample, &sound);
		if (sound)
			report(a);
		sound_ones += sound;
		close_file(a);
	}
	unmute(out);
	free(bad);
	/* most of the damage is in records, which have no structure to break */
	EXPECT_GT(sound_ones, 700);
}

TEST_F(file, of_another_kind_is_refused)
{
	struct sample *sample = &self->sample;
	struct analysis *a;
	bool sound;

	save(sample, "\177ELF and so on, sixty-four bytes and more of something else, indeed", 64);
	a = open_file(sample, &sound);
	EXPECT_FALSE(sound);
	EXPECT_NE(NULL, strstr(a->capture.error, "not a brkscope file"));
	close_file(a);
	a = xmalloc(sizeof(*a));
	EXPECT_FALSE(capture_open(&a->capture, "/dev/null"));
	EXPECT_NE(NULL, strstr(a->capture.error, "not a regular file"));
	close_file(a);
	a = xmalloc(sizeof(*a));
	EXPECT_FALSE(capture_open(&a->capture, "/nonexistent/file"));
	EXPECT_NE(NULL, strstr(a->capture.error, strerror(ENOENT)));
	close_file(a);
}

TEST_HARNESS_MAIN
