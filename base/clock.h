#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Time.  Deadlines are absolute values of the monotonic clock in
 * milliseconds; IO_FOREVER only for daemons that wait for a caller.
 */
#define IO_FOREVER INT64_MAX
int64_t now_ms(void);	 /* monotonic */
int64_t unix_time(void); /* wall clock, seconds */
/* Sleep until the deadline; -1 with ERR_INTR set when interrupt_requested()
 * turns true meanwhile. */
int sleep_until(int64_t deadline_ms, struct err *e);
/* Set by the signal handler that main installs; looked at by everything
 * that waits, so that Ctrl-C ends each wait with ERR_INTR. */
void interrupt_request(void);
bool interrupt_requested(void);
/* For what has to be done because of it: waits wait again, until the next. */
void interrupt_forget(void);
/* A descriptor that becomes readable once interrupt_request() was called;
 * -1 before interrupt_init(). */
int interrupt_init(struct err *e);
int interrupt_fd(void);
/* In a child, behind fork(): the descriptor is one with the parent's, and what
 * ends that one would end this. */
int interrupt_anew(struct err *e);

/* Wait until fd has one of the poll(2) events (or hung up): 0.  -1 with
 * ERR_TIMEOUT at the deadline, ERR_INTR when interrupted. */
int fd_wait(int fd, short events, int64_t deadline_ms, struct err *e);
/* What to give poll(2) for that deadline: milliseconds left, at least 0; -1 for IO_FOREVER. */
int poll_timeout(int64_t deadline_ms);

#endif
