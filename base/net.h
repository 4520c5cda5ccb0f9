#ifndef BASE_NET_H
#define BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A byte stream: a TCP or unix socket, TLS over one, an SSH channel.
 * Layers above see only this.
 */
struct stream;
struct stream_ops {
	/* Read 1..n bytes.  0 is a clean end.  -1 sets e (ERR_TIMEOUT when
	 * the deadline passed, ERR_NET when the peer broke off). */
	ssize_t (*read)(struct stream *s, void *p, size_t n,
			int64_t deadline_ms, struct err *e);
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
	ssize_t (*write_some)(struct stream *s, const void *p, size_t n,
			      struct err *e);
	/* No more from us; reading goes on.  NULL where there is no such thing. */
	int (*finish)(struct stream *s, struct err *e);
	/* See stream_work().  NULL: there is nothing to do but to read. */
	int (*work)(struct stream *s, short *events, int64_t *again_ms,
		    struct err *e);
};
struct stream {
	const struct stream_ops *ops;
};
ssize_t stream_read(struct stream *s, void *p, size_t n, int64_t deadline_ms,
		    struct err *e);
int stream_write(struct stream *s, const void *p, size_t n, int64_t deadline_ms,
		 struct err *e);
int stream_flush(struct stream *s, int64_t deadline_ms, struct err *e);
int stream_fd(struct stream *s);
bool stream_pending(struct stream *s);
void stream_close(struct stream *s); /* NULL does nothing */
/*
 * For who polls by himself and may not read now: take in what has come, send on
 * what write_some() was given, without waiting; then the events to poll
 * stream_fd() for (none: reading alone tells), and when to call this again though
 * nothing happened.
 */
int stream_work(struct stream *s, short *events, int64_t *again_ms, struct err *e);

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
int tcp_connect(const char *host, unsigned port, int64_t deadline_ms,
		struct err *e);
/*
 * The same, of servers that speak first, at numeric addresses: the first of
 * them that has said something, *which.  One that does not within half a second
 * has the next one beside it.  -1 when none does, ERR_TIMEOUT at the deadline.
 */
int tcp_greeting(const char *const *address, size_t n, unsigned port,
		 int64_t deadline_ms, size_t *which, struct err *e);
/* What its name resolves to: the number of addresses, and the first of them; -1 as with
 * tcp_connect. */
int host_lookup(const char *host, int64_t deadline_ms, char first[64],
		struct err *e);
/* Of this machine itself: 127.0.0.0/8, ::1, localhost and names under it. */
bool host_is_loopback(const char *host);
/*
 * How much of n a descriptor that may be a blocking one takes without blocking,
 * 0: nothing now.  It is not made non-blocking: others share it, the operator's
 * shell for one.
 */
size_t fd_takes(int fd, size_t n);
int unix_connect(const char *path, int64_t deadline_ms, struct err *e);
/* Listen on a numeric address ("127.0.0.1", "0.0.0.0", "::1"); port 0 picks
 * one, *port gets what it is.  netns: NULL, or the path of a network
 * namespace in which the socket is opened. */
int tcp_listen(const char *addr, unsigned *port, const char *netns, struct err *e);
/* Listen on a path that nothing is at (0600: only its owner may connect). */
int unix_listen(const char *path, struct err *e);
/* Accept one connection.  -1 on deadline (ERR_TIMEOUT) or error. */
int tcp_accept(int fd, int64_t deadline_ms, struct err *e);

#endif
