/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock.h - who may touch the heap now?
 */
#ifndef BRKMALLOC_LOCK_H
#define BRKMALLOC_LOCK_H

void lock_take(void);
void lock_release(void);
void lock_let_owner_pass(void);
void lock_watch_fork(void);

#endif /* BRKMALLOC_LOCK_H */
