// SPDX-License-Identifier: GPL-2.0-only
/*
 * program.c - how does a program start, stop and end under our eyes?
 *
 * It is forked at once but executes only when it is told to, so that the watch
 * begins before its first instruction. To hold it at its end it is seized, not
 * attached: no stop is seen that would not have been, signals are passed on as
 * they come, and a stop by job control stays one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

#define EXEC_WAIT_MS	20

static noreturn void child(int gate, int exec_error, char **argv, char **environment)
{
	sigset_t none;
	char go;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* end of file: the tool is gone, so there is nothing to do */
	if (read(gate, &go, 1) != 1)
		_exit(STATUS_TOOL);
	execvpe(argv[0], argv, environment);
	error = errno;
	if (write(exec_error, &error, sizeof(error)) != sizeof(error))
		_exit(STATUS_TOOL);
	_exit(STATUS_CANNOT_EXEC);
}

/**
 * program_fork() - make the process that will become the program
 * @p: gets it
 * @argv: the program, looked up in PATH, and its arguments
 * @environment: its environment
 *
 * Ends the tool if there can be no process.
 */
void program_fork(struct program *p, char **argv, char **environment)
{
	int gate[2], error[2];

	memset(p, 0, sizeof(*p));
	if (pipe2(gate, O_CLOEXEC) || pipe2(error, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	p->pid = fork();
	if (p->pid < 0)
		die("cannot make a process: %s", strerror(errno));
	if (!p->pid) {
		close(gate[1]);
		close(error[0]);
		child(gate[0], error[1], argv, environment);
	}
	close(gate[0]);
	close(error[1]);
	p->gate = gate[1];
	p->exec_error = error[0];
}

/**
 * program_trace() - arrange that the program is held at its end
 * @p: a program in PROGRAM_HELD
 *
 * Return: false with errno if the kernel refuses
 */
bool program_trace(struct program *p)
{
	p->traced = !ptrace(PTRACE_SEIZE, p->pid, 0, PTRACE_O_TRACEEXIT);
	return p->traced;
}

/**
 * program_go() - let it execute
 * @p: a program in PROGRAM_HELD
 *
 * Waits until the exec has worked or failed. If it failed the process is gone.
 *
 * Return: 0, or the errno of the exec
 */
int program_go(struct program *p)
{
	struct pollfd pipe = { .fd = p->exec_error, .events = POLLIN };
	int error = 0;
	ssize_t got;

	if (write(p->gate, "", 1) != 1)
		die("cannot start the program: %s", strerror(errno));
	close(p->gate);
	p->state = PROGRAM_RUNS;
	/* a signal may stop it on its way if it is traced */
	while (poll(&pipe, 1, EXEC_WAIT_MS) <= 0)
		program_wait(p);
	got = read(p->exec_error, &error, sizeof(error));
	close(p->exec_error);
	return got == sizeof(error) ? error : 0;
}

static void go_on(struct program *p, int request, int signal)
{
	/* ESRCH: it was killed meanwhile, the next wait will say so */
	if (ptrace(request, p->pid, 0, signal) && errno != ESRCH)
		complain("ptrace: %s", strerror(errno));
}

static bool stops_job(int signal)
{
	return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/*
 * The terminal's stop reaches the program alone, as we block it. We follow it,
 * or else the shell would not notice that the job has stopped.
 */
static void follow_stop(struct program *p, int signal)
{
	if (stops_job(signal) && getpgid(p->pid) == getpgrp())
		raise(SIGSTOP);
}

static void stopped(struct program *p, int status)
{
	int signal = WSTOPSIG(status);

	switch (status >> 16) {
	case PTRACE_EVENT_EXIT:
		p->state = PROGRAM_ENDING;
		break;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || stops_job(signal)) {
			go_on(p, PTRACE_LISTEN, 0);
			follow_stop(p, signal);
		} else {
			go_on(p, PTRACE_CONT, 0);
		}
		break;
	default:
		if (p->traced)
			go_on(p, PTRACE_CONT, signal);
		else
			follow_stop(p, signal);
	}
}

/**
 * program_wait() - take note of all that has happened to the program
 * @p: the program
 *
 * Never blocks.
 */
void program_wait(struct program *p)
{
	int status;

	while (p->state != PROGRAM_ENDED &&
	       wait4(p->pid, &status, WNOHANG | (p->traced ? 0 : WUNTRACED),
		     &p->usage) == p->pid) {
		if (WIFSTOPPED(status)) {
			stopped(p, status);
		} else {
			p->status = status;
			p->state = PROGRAM_ENDED;
		}
	}
}

/**
 * program_let_end() - let go what is held at its end
 * @p: a program in PROGRAM_ENDING
 */
void program_let_end(struct program *p)
{
	p->state = PROGRAM_RUNS;
	go_on(p, PTRACE_CONT, 0);
}

/**
 * program_abandon() - get rid of a program that has not been let go
 * @p: a program in PROGRAM_HELD
 */
void program_abandon(struct program *p)
{
	close(p->gate);
	close(p->exec_error);
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/**
 * program_forward() - hand a signal that we got to the program
 * @p: the program
 * @signal: the signal
 */
void program_forward(struct program *p, int signal)
{
	if (p->state == PROGRAM_RUNS || p->state == PROGRAM_HELD)
		kill(p->pid, signal);
}
