/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * brkscope_test.h - how does a test talk to the module and to the kernel's own files?
 *
 * A test watches itself or a child, so everything here must leave the watched
 * process as it was: no malloc, no stdio, and every buffer is static and
 * touched by scope_prepare() before the watch begins.
 */
#ifndef BRKSCOPE_TEST_H
#define BRKSCOPE_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../module/uapi/brkscope.h"

#define SCOPE_DIR	"/proc/brkscope"
#define SCOPE_RECORDS	49152	/* capacity of scope_records */
#define SCOPE_AREAS	4096	/* capacity of one struct area_list */
#define SCOPE_TEXT	(1024 * 1024)

/* Seconds for one test; the harness has 30, which a kernel with KASAN under emulation exceeds. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

/* A uid that is nobody's: what an ordinary user of the machine may do. */
#define SCOPE_USER	1000

/**
 * struct area - one line of maps or of the mirror
 * @start: first address
 * @end: first address after it
 * @prot: BRKSCOPE_PROT_*
 * @offset: bytes from the start of the file
 * @touched: pages ever touched (mirror only)
 * @pages: pages in the range (mirror only)
 * @name: as maps prints it, empty if none
 */
struct area {
	uint64_t start;
	uint64_t end;
	unsigned int prot;
	uint64_t offset;
	uint64_t touched;
	uint64_t pages;
	char name[256];
};

struct area_list {
	size_t count;
	struct area area[SCOPE_AREAS];
};

/**
 * struct replay - the VMAs as a reader of events.bin knows them
 * @areas: the present set, sorted by address
 * @names: text by name number
 * @error: what the records claimed that cannot be, empty if nothing
 */
struct replay {
	struct area_list areas;
	char names[1024][256];
	char error[256];
};

/**
 * struct tally - what one reader of events.bin got
 * @read: records that really are events
 * @lost: events that lost records stand for
 * @gaps: lost records
 * @next: the seq that must come next
 * @wrong: a record came with another seq, or a lost one that counts nothing
 */
struct tally {
	uint64_t read;
	uint64_t lost;
	uint64_t gaps;
	uint64_t next;
	bool wrong;
};

extern struct brkscope_record scope_records[SCOPE_RECORDS];
extern char scope_text[SCOPE_TEXT];
extern struct area_list scope_maps, scope_mirror;
extern struct replay scope_replay;
extern const char *const scope_class_names[];
extern char scope_suffix[24];	/* of folders' names: "@NS" in a pid namespace */

void scope_prepare(void);
size_t scope_page_size(void);
uint64_t scope_now(void);
uint64_t scope_seed(const char *test);
uint64_t scope_random(uint64_t *state);

int scope_control(const char *format, ...) __attribute__((format(printf, 1, 2)));
int scope_watch(pid_t pid);
int scope_unwatch(pid_t pid);

ssize_t scope_read(pid_t pid, const char *file);
ssize_t scope_read_path(const char *path, char *text, size_t size);
int64_t scope_number(pid_t pid, const char *name);
int scope_value(const char *text, const char *name, char *value, size_t size);
int64_t scope_loss(pid_t pid, const char *name);

int scope_open(pid_t pid, const char *file, int flags);
int scope_events(pid_t pid, struct brkscope_header *header);
ssize_t scope_drain(int fd, struct brkscope_record *records, size_t room);
void scope_tally(struct tally *tally, const struct brkscope_record *records,
		 size_t count);
ssize_t scope_tally_rest(struct tally *tally, int fd);
size_t scope_keep(struct brkscope_record *records, size_t count, int kind,
		  uint64_t start, uint64_t end);
ssize_t scope_faults(int events, const void *from, size_t bytes);

int maps_read(pid_t pid, struct area_list *list);
int mirror_read(pid_t pid, struct area_list *list);
const char *areas_differ(const struct area_list *want,
			 const struct area_list *seen);
const char *mirror_differs(pid_t pid);
bool mirror_is_complete(pid_t pid);
const struct area *area_at(const struct area_list *list, uint64_t address);

void replay_begin(struct replay *replay, const struct area_list *initial);
void replay_records(struct replay *replay,
		    const struct brkscope_record *records, size_t count);
void replay_names(struct replay *replay,
		  const struct brkscope_record *records, size_t count);
const char *replay_from_here(pid_t pid, int events);
const char *replay_differs(pid_t pid, int events, ssize_t *count);

int64_t scope_stat(pid_t pid, int field);
char scope_state(pid_t pid);
int64_t scope_settled(pid_t pid, const char *name);
int64_t scope_miscounted(pid_t pid);
bool scope_wait_state(pid_t pid, char state);
ssize_t scope_poke(pid_t pid, void *to, const void *from, size_t size);
int scope_pagemap(const void *address, uint64_t *entry);
uint64_t scope_frame(const void *address);
void *scope_area(size_t pages);
void *scope_crowd(size_t count);
int scope_ranged(bool ranged);

int scope_program(const char *name, char *path, size_t size);
pid_t child_start(void);
int child_become_user(void);
int namespace_make(int flags, const char *uid_map, const char *gid_map);
void child_stop_here(void);
int child_continue(pid_t pid);
int child_until_stopped(pid_t pid);
int child_next_stop(pid_t pid);
int child_watched(pid_t *child, int *events, void (*main)(void));
int child_end(pid_t pid);
void child_drop(pid_t pid);
void thread_run(void (*run)(void));

#endif /* BRKSCOPE_TEST_H */
