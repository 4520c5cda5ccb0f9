#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Time.  Deadlines are absolute values of the monotonic clock in
 * milliseconds; IO_FOREVER only for daemons that wait for a caller.
 */
#define IO_FOREVER INT64_MAX
int64_t now_ms(void);			/* monotonic */
int64_t unix_time(void);		/* wall clock, seconds */
/* Sleep until the deadline; -1 with ERR_INTR set when interrupt_requested()
 * turns true meanwhile. */
int sleep_until(int64_t deadline_ms, struct err *e);
/* Set by the signal handler that main installs; looked at by everything
 * that waits, so that Ctrl-C ends each wait with ERR_INTR. */
void interrupt_request(void);
bool interrupt_requested(void);
/* A descriptor that becomes readable once interrupt_request() was called;
 * -1 before interrupt_init(). */
int interrupt_init(struct err *e);
int interrupt_fd(void);

/* Wait until fd has one of the poll(2) events (or hung up): 0.  -1 with
 * ERR_TIMEOUT at the deadline, ERR_INTR when interrupted. */
int fd_wait(int fd, short events, int64_t deadline_ms, struct err *e);
/* What to give poll(2) for that deadline: milliseconds left, at least 0; -1 for IO_FOREVER. */
int poll_timeout(int64_t deadline_ms);

/*
 * A byte stream: a TCP or unix socket, TLS over one, an SSH channel.
 * Layers above see only this.
 */
struct stream;
struct stream_ops {
	/* Read 1..n bytes.  0 is a clean end.  -1 sets e (ERR_TIMEOUT when
	 * the deadline passed, ERR_NET when the peer broke off). */
	ssize_t (*read)(struct stream *s, void *p, size_t n, int64_t deadline_ms,
			struct err *e);
	/* Write all n bytes, 0 or -1.  May buffer until flush. */
	int (*write)(struct stream *s, const void *p, size_t n,
		     int64_t deadline_ms, struct err *e);
	int (*flush)(struct stream *s, int64_t deadline_ms, struct err *e);
	/* Descriptor to poll for readability, or -1.  A stream that holds
	 * decoded bytes says so through pending(). */
	int (*fd)(struct stream *s);
	bool (*pending)(struct stream *s);
	/* Say goodbye where the protocol has a way (never blocks for long),
	 * close, and free the stream. */
	void (*close)(struct stream *s);
	/* Write what goes without waiting: how many bytes, 0 when none do, -1
	 * with e set.  NULL where there is no such thing. */
	ssize_t (*write_some)(struct stream *s, const void *p, size_t n, struct err *e);
};
struct stream {
	const struct stream_ops *ops;
};
ssize_t stream_read(struct stream *s, void *p, size_t n, int64_t deadline_ms, struct err *e);
int stream_write(struct stream *s, const void *p, size_t n, int64_t deadline_ms, struct err *e);
int stream_flush(struct stream *s, int64_t deadline_ms, struct err *e);
int stream_fd(struct stream *s);
bool stream_pending(struct stream *s);
void stream_close(struct stream *s);		/* NULL does nothing */

/* A stream over a connected socket (blocking or not), which it owns from now
 * on.  An interrupt ends it only where it would wait, so that what can be
 * said at once still is. */
struct stream *stream_of_fd(int fd);

/*
 * Connect to host:port over TCP, all addresses in turn, the next one started
 * 250 ms after the previous (RFC 8305 in short), IPv6 and IPv4.  "localhost" and names under it are loopback
 * without asking DNS (RFC 6761 6.3).  Returns a non-blocking, close-on-exec socket or
 * -1: e names the host, and whether the name or the connection failed.  Name servers that
 * do not answer, or that no route leads to, are ERR_TIMEOUT.
 */
int tcp_connect(const char *host, unsigned port, int64_t deadline_ms, struct err *e);
/* Of this machine itself: 127.0.0.0/8, ::1, localhost and names under it. */
bool host_is_loopback(const char *host);
int unix_connect(const char *path, int64_t deadline_ms, struct err *e);
/* Listen on a numeric address ("127.0.0.1", "0.0.0.0", "::1"); port 0 picks
 * one, *port gets what it is.  netns: NULL, or the path of a network
 * namespace in which the socket is opened. */
int tcp_listen(const char *addr, unsigned *port, const char *netns, struct err *e);
/* Listen on a path that nothing is at (0600: only its owner may connect). */
int unix_listen(const char *path, struct err *e);
/* Accept one connection.  -1 on deadline (ERR_TIMEOUT) or error. */
int tcp_accept(int fd, int64_t deadline_ms, struct err *e);

/* Whole file into b, which must be empty; at most b->max bytes. */
int file_read(const char *path, struct buf *b, struct err *e);
/* Write by a temporary file in the same directory, fsync, rename: readers
 * see the old or the new file, never half of one.  mode (e.g. 0600) is what
 * it gets, whatever the umask. */
int file_write(const char *path, struct str data, unsigned mode, struct err *e);
/* As file_write, but refuses to replace an existing file. */
int file_create(const char *path, struct str data, unsigned mode, struct err *e);
bool file_exists(const char *path);
int dir_make(const char *path, unsigned mode, struct err *e);	/* with parents; existing is fine */
/* Whole tree.  Missing is fine.  Follows no links, and refuses to go into
 * something mounted below. */
int dir_remove(const char *path, struct err *e);

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
int run_program(const char *const argv[], const char *const env[], struct buf *out,
		int64_t deadline_ms, int *status, struct err *e);

#endif
