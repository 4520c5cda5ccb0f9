#ifndef BASE_RUN_H
#define BASE_RUN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Run a program and wait.  argv[0] is looked up in PATH when it has no
 * slash.  out gets stdout and stderr together (NULL: they go nowhere); what
 * is over its ceiling is dropped, buf_check() tells.  stdin is empty.  env
 * entries ("NAME=value", may be NULL) are added to ours or replace them.
 * *status gets the exit code (128+n for signal n).  Waits for the program,
 * not for daemons it leaves behind.  On deadline (ERR_TIMEOUT) or interrupt
 * (ERR_INTR) its process group is ended, with SIGKILL after 2 s, and -1
 * returned.
 */
int run_program(const char *const argv[], const char *const env[],
		struct buf *out, int64_t deadline_ms, int *status, struct err *e);
/* The same, with something to read, at most 64 KiB; out gets stdout alone. */
int run_filter(const char *const argv[], struct str in, struct buf *out,
	       int64_t deadline_ms, int *status, struct err *e);

#endif
