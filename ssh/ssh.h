#ifndef SSH_SSH_H
#define SSH_SSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"

/*
 * An SSH-2 client (RFC 4250-4254, 5656, 6668, 8308, 8332, 8731, strict key
 * exchange): one connection over any struct stream, many channels over the
 * connection.  One thread; nothing here starts another.
 *
 * Whatever waits, pumps: while one channel waits for its bytes, those of the
 * others are taken in, rekeying and keepalive go on.  A connection is not
 * pumped while nobody calls anything of it.
 */

/* ---- keys ---- */

struct ssh_key; /* a private key: RSA, or ECDSA on P-256 or P-384 */

/*
 * Read a private key: PEM in PKCS#1, SEC1 or PKCS#8, or openssh-key-v1.  One
 * with a passphrase is refused (ERR_DATA), naming the file; so is RSA below
 * 2048 bits, and every other kind; so is a file that others may read or write,
 * or that is neither ours nor root's.  NULL with e set on failure.
 */
struct ssh_key *ssh_key_read(const char *path, struct err *e);
/* The same of text in memory; what names it in messages. */
struct ssh_key *ssh_key_parse(struct str text, const char *what, struct err *e);
void ssh_key_free(struct ssh_key *k); /* burns it; NULL does nothing */
/* "TYPE BASE64" is appended to line: what authorized_keys takes. */
void ssh_key_public(const struct ssh_key *k, struct buf *line);

/* ---- a connection ---- */

struct ssh;

/* Zero and NULL mean the default, where one is named; no field is kept. */
struct ssh_config {
	const char *user;
	const char *name; /* of the server, for messages; default "server" */
	/*
	 * "TYPE BASE64 [COMMENT]", ecdsa-sha2-nistp256 or ssh-rsa: the one key
	 * the server may have.  There is no way to do without.
	 */
	const char *host_key;
	const char *other_host_key; /* or this, of the same type; NULL: no other */
	const struct ssh_key *key; /* tried first; NULL: only the agent */
	const char *agent; /* path of an agent's socket, tried second; NULL: none */
	const char *agent_key; /* "TYPE BASE64 ...": only this one of the agent's; NULL: any */
	int64_t keepalive_ms; /* ask after this long a silence, give up at the third; 15 s */
	uint64_t rekey_bytes; /* new keys after this much in both directions; 1 GiB */
	int64_t rekey_ms; /* and after this long; 1 h */
	/* Offer only these of ours, comma-separated; NULL: all.  For tests. */
	const char *kex, *ciphers, *macs;
};

/*
 * Greet, exchange keys, check the host key, sign in.  s is owned from now on
 * and closed on failure, too.  deadline_ms bounds all of it.
 *
 * NULL with e set: ERR_AUTH when the server does not want the user or key,
 * ERR_PROTO when it breaks the protocol, has another host key ("host key
 * SHA256:... expected, SHA256:... seen") or no algorithm in common with us,
 * ERR_NET, ERR_TIMEOUT, ERR_INTR, ERR_DATA for a host_key line or an agent
 * that is not one.
 */
struct ssh *ssh_open(struct stream *s, const struct ssh_config *c,
		     int64_t deadline_ms, struct err *e);
/*
 * Say goodbye (at most a second), close the stream, free everything, also
 * channels still there (loops and streams over channels go before).  NULL
 * does nothing.
 */
void ssh_close(struct ssh *s);

/* Close the stream and free everything without a word to the server, for
 * another process has the connection now. */
void ssh_forget(struct ssh *s);

/*
 * Do what can be done without waiting: take packets in, send what is to be
 * sent.  0, or -1 once the connection is over: then every call says why.
 */
int ssh_work(struct ssh *s, struct err *e);
/* Wait until the peer says something or the deadline passes (0 both times),
 * then ssh_work(). */
int ssh_wait(struct ssh *s, int64_t deadline_ms, struct err *e);
/* For an outer poll(2): descriptor, events, and when to call ssh_work() though
 * nothing happened.  Ask again after each call. */
int ssh_fd(struct ssh *s);
short ssh_events(struct ssh *s);
int64_t ssh_next_ms(struct ssh *s);

/* New keys now (RFC 4253 9); happens by itself, too. */
void ssh_rekey(struct ssh *s);
/* How often keys were exchanged, the first time counts. */
unsigned ssh_rekeyed(const struct ssh *s);
/* "curve25519-sha256 ecdsa-sha2-nistp256 aes128-gcm@openssh.com", for --verbose and tests. */
const char *ssh_algorithms(const struct ssh *s);

/* ---- one connection for several programs (ssh/share.c) ---- */

/*
 * Lend the connection to those of our own user who connect at fd, a unix
 * socket that listens: they ssh_join().  Each is greeted with hello, once the
 * server is known to be there (it said something within 2 s).  Until nobody
 * was there for idle_ms, or nobody is and goes_on(ctx) is false, which is
 * asked each second (0 both times), or the connection is over or an interrupt
 * comes (-1).  At most 64 guests at once and 256 channels of theirs.
 */
int ssh_share(struct ssh *s, int fd, struct str hello, int64_t idle_ms,
	      bool (*goes_on)(void *ctx), void *ctx, struct err *e);
/*
 * A connection that somebody lends: st leads to him, and is owned from now on.
 * It is as one of our own, but for keys, which nobody has here.  hello gets the
 * greeting.  NULL with e set, also at the deadline.
 */
struct ssh *ssh_join(struct stream *st, struct buf *hello, int64_t deadline_ms,
		     struct err *e);

/* ---- channels ---- */

struct ssh_channel;

/*
 * Open a channel.  These return at once, the channel then is opening; NULL
 * (e set) when the connection is over or has 512 channels.  A server that
 * refuses is told by ssh_channel_ready() and everything after it.
 */
struct ssh_channel *ssh_exec(struct ssh *s, const char *command, struct err *e);
/* A login shell (command NULL) or a command on a terminal of its own; term is
 * $TERM, NULL "dumb". */
struct ssh_channel *ssh_shell(struct ssh *s, const char *command, const char *term,
			      unsigned cols, unsigned rows, struct err *e);
struct ssh_channel *ssh_tcp(struct ssh *s, const char *host, unsigned port,
			    struct err *e);
struct ssh_channel *ssh_unix(struct ssh *s, const char *path, struct err *e);

/* 1 when open (the command started, the far end connected), 0 not yet, -1
 * refused or broken (ERR_NET). */
int ssh_channel_ready(struct ssh_channel *c, struct err *e);
/* Wait for that: 0 or -1. */
int ssh_channel_wait(struct ssh_channel *c, int64_t deadline_ms, struct err *e);

/*
 * Without waiting.  read: 1..n bytes; 0 the end; -1 nothing now (e untouched)
 * or broken (e set).  write: how many were taken, 0 when there is no room
 * now, -1 with e set.  err says which: the command's stderr.
 */
ssize_t ssh_channel_read(struct ssh_channel *c, bool err, void *p, size_t n,
			 struct err *e);
ssize_t ssh_channel_write(struct ssh_channel *c, const void *p, size_t n,
			  struct err *e);
/* How much ssh_channel_write() would take now, how much _read() would give. */
size_t ssh_channel_room(const struct ssh_channel *c);
size_t ssh_channel_held(const struct ssh_channel *c, bool err);
/* The server did not open it: nothing was asked of it yet. */
bool ssh_channel_refused(const struct ssh_channel *c);
/* The peer closed its half, and everything was read. */
bool ssh_channel_ended(const struct ssh_channel *c);
/* The peer takes no more (closed, or said so). */
bool ssh_channel_deaf(const struct ssh_channel *c);
/* No more from us; reading goes on. */
void ssh_channel_eof(struct ssh_channel *c);
void ssh_channel_size(struct ssh_channel *c, unsigned cols, unsigned rows);
/* The command's end: its exit code, 128+n for a signal; -1 as long as the
 * server has not said, also when it closed without. */
int ssh_channel_status(const struct ssh_channel *c);
/* Close and free; never waits. */
void ssh_channel_close(struct ssh_channel *c);

/*
 * The channel as a stream, for HTTP or another SSH connection through it;
 * stderr is dropped.  stream_close() closes and frees the channel; it must
 * come before ssh_close() of the connection.  Reading and writing wait until
 * the channel is open.
 */
struct stream *ssh_channel_stream(struct ssh_channel *c);
/* The same of one that was just asked for, once it is open.  NULL: it does not
 * open, and is closed; or c is NULL, of which e tells already. */
struct stream *ssh_channel_opened(struct ssh_channel *c, int64_t deadline_ms,
				  struct err *e);

/*
 * Run a command to its end: input (may be empty) is its stdin, out and err
 * get what it says (NULL: dropped; the same buffer for both is fine; over its
 * ceiling dropped, see buf_check()).  0 with *status set, or -1.
 */
int ssh_run(struct ssh *s, const char *command, struct str input, struct buf *out,
	    struct buf *err, int *status, int64_t deadline_ms, struct err *e);

/* ---- a loop that carries bytes between channels and descriptors ---- */

struct ssh_loop;

struct ssh_loop *ssh_loop_new(struct ssh *s);
/* Ends what it carries; the connection stays.  NULL does nothing. */
void ssh_loop_free(struct ssh_loop *l);
/*
 * Each connection accepted at fd gets a channel of its own to host:port, or
 * to the unix socket host when port is 0.  fd and host stay the caller's.
 * At most 256 connections at once, more wait in the socket's queue; one
 * whose far end refuses is closed, the next is not affected.
 */
void ssh_loop_listen(struct ssh_loop *l, int fd, const char *host, unsigned port);
/* Ask gate(ctx) before each connection is accepted: -1 ends ssh_loop_run() with
 * its error, and who wants to be accepted waits in the socket's queue. */
void ssh_loop_gate(struct ssh_loop *l, int (*gate)(void *ctx, struct err *e),
		   void *ctx);
/*
 * Carry in -> channel, channel -> out, its stderr -> err; -1 where there is
 * none.  The descriptors stay the caller's and may be blocking; tty (-1:
 * none) is the terminal whose size the far one follows.  The channel stays the
 * caller's, to ask for its status and close, after ssh_loop_free().
 */
void ssh_loop_attach(struct ssh_loop *l, struct ssh_channel *c, int in, int out,
		     int err, int tty);
/* Connections being carried now, and refused by the far end so far. */
unsigned ssh_loop_carried(const struct ssh_loop *l);
unsigned ssh_loop_refused(const struct ssh_loop *l);
/*
 * Run until the attached channel c has ended and everything of it is written
 * (0), the deadline (0 when c is NULL, else ERR_TIMEOUT), the connection
 * breaks, or an interrupt (ERR_INTR).
 */
int ssh_loop_run(struct ssh_loop *l, struct ssh_channel *c, int64_t deadline_ms,
		 struct err *e);

/* ---- the operator's terminal ---- */

struct ssh_tty;

/*
 * Put the terminal fd into raw mode.  A small process of our own puts it back
 * should we end without ssh_tty_leave(), by whatever signal.  NULL with e set.
 */
struct ssh_tty *ssh_tty_enter(int fd, struct err *e);
void ssh_tty_leave(struct ssh_tty *t); /* NULL does nothing */
/* False when fd is no terminal; then 80 x 24. */
bool ssh_tty_size(int fd, unsigned *cols, unsigned *rows);

#endif
