/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * program.h - the program that is run
 */
#ifndef BRKSCOPE_PROGRAM_H
#define BRKSCOPE_PROGRAM_H

#include <sys/resource.h>
#include <sys/types.h>

#include "tool.h"

/**
 * enum program_state - how far the program is
 * @PROGRAM_HELD: forked, waits for us before it executes
 * @PROGRAM_RUNS: let go
 * @PROGRAM_ENDING: held at its very end: all memory is still there, no user
 *	code will run any more. Only if traced; program_let_end() lets it go
 * @PROGRAM_ENDED: waited for
 */
enum program_state {
	PROGRAM_HELD,
	PROGRAM_RUNS,
	PROGRAM_ENDING,
	PROGRAM_ENDED,
};

/**
 * struct program - a child of ours
 * @pid: its process id
 * @state: how far it is
 * @traced: PTRACE_SEIZE'd, in order to hold it at its end
 * @gate: writing a byte lets it execute
 * @exec_error: reading gives the errno of an exec that failed, EOF if it worked
 * @status: as wait(2) has it, in PROGRAM_ENDED
 * @usage: rusage of it and of those it waited for, in PROGRAM_ENDED
 */
struct program {
	pid_t			pid;
	enum program_state	state;
	bool			traced;
	int			gate;
	int			exec_error;
	int			status;
	struct rusage		usage;
};

void program_fork(struct program *p, char **argv, char **environment);
bool program_trace(struct program *p);
int program_go(struct program *p);
void program_wait(struct program *p);
void program_let_end(struct program *p);
void program_abandon(struct program *p);
void program_forward(struct program *p, int signal);

#endif /* BRKSCOPE_PROGRAM_H */
