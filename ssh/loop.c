/*
 * Bytes between channels and descriptors, with one poll(2): the forwards of
 * `proxy`, the stdin and stdout of a command or shell.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ssh/inner.h"

#define CARRIES 256
#define LISTENERS 32
#define CHUNK (64 * 1024)
#define TURNS 16 /* chunks for one descriptor before the next */

struct listener {
	int fd;
	const char *host;
	unsigned port;
};

/* One channel and its descriptors. */
struct carry {
	struct ssh_channel *c;
	int in, out, err, tty;
	bool own;      /* in and out are one socket, accepted here */
	bool in_done;  /* it said its last */
	bool out_done; /* it was told the end */
	bool failed;
	short in_got; /* what poll said */
};

struct ssh_loop {
	struct ssh *s;
	struct listener listener[LISTENERS];
	size_t listeners;
	struct carry carry[CARRIES];
	size_t carries;
	unsigned refused;
	int (*gate)(void *ctx, struct err *e); /* NULL: none */
	void *ctx;
};

struct ssh_loop *ssh_loop_new(struct ssh *s)
{
	struct ssh_loop *l = xcalloc(1, sizeof(*l));

	l->s = s;
	return l;
}

static void drop(struct ssh_loop *l, size_t i)
{
	struct carry *k = &l->carry[i];

	if (k->own) {
		close(k->in);
		ssh_channel_close(k->c);
	}
	*k = l->carry[--l->carries];
}

void ssh_loop_free(struct ssh_loop *l)
{
	if (l == NULL)
		return;
	while (l->carries > 0)
		drop(l, l->carries - 1);
	free(l);
}

void ssh_loop_listen(struct ssh_loop *l, int fd, const char *host, unsigned port)
{
	if (l->listeners < LISTENERS)
		l->listener[l->listeners++] = (struct listener){ fd, host, port };
}

void ssh_loop_gate(struct ssh_loop *l, int (*gate)(void *ctx, struct err *e),
		   void *ctx)
{
	l->gate = gate;
	l->ctx = ctx;
}

void ssh_loop_attach(struct ssh_loop *l, struct ssh_channel *c, int in, int out,
		     int err, int tty)
{
	if (l->carries < CARRIES)
		l->carry[l->carries++] = (struct carry){ .c = c,
							 .in = in,
							 .out = out,
							 .err = err,
							 .tty = tty,
							 .in_done = in < 0,
							 .out_done = out < 0 };
	if (in < 0)
		ssh_channel_eof(c);
}

unsigned ssh_loop_carried(const struct ssh_loop *l)
{
	return (unsigned)l->carries;
}

unsigned ssh_loop_refused(const struct ssh_loop *l)
{
	return l->refused;
}

/* ---- from a descriptor ---- */

static void take_in(struct carry *k, char *tmp)
{
	for (int i = 0; i < TURNS && !k->in_done; i++) {
		size_t room = ssh_channel_room(k->c);
		struct err none = ERR_INIT;
		ssize_t got;

		if (room == 0)
			return;
		if (room > CHUNK)
			room = CHUNK;
		got = k->own ? recv(k->in, tmp, room, MSG_DONTWAIT) :
			       read(k->in, tmp, room);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < 0 && k->own) {
			k->failed = true;
			return;
		}
		/* a terminal that went away reads as an error: the end, too */
		if (got <= 0) {
			k->in_done = true;
			ssh_channel_eof(k->c);
			return;
		}
		if (ssh_channel_write(k->c, tmp, (size_t)got, &none) < 0)
			k->in_done = true;
		if (!k->own)
			return; /* it may block the next time */
	}
}

/* ---- to a descriptor ---- */

/* -1 with errno when the descriptor is of no more use. */
static int put_out(const struct carry *k, int fd, struct queue *q)
{
	while (q->n > 0) {
		size_t n = k->own ? q->n : fd_takes(fd, q->n);
		ssize_t put;

		if (n == 0)
			return 0;
		put = k->own ? send(fd, queue_front(q), n,
				    MSG_DONTWAIT | MSG_NOSIGNAL) :
			       write(fd, queue_front(q), n);
		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (put < 0)
			return -1;
		channel_took(k->c, q, (size_t)put);
	}
	return 0;
}

static int give_out(struct carry *k, struct err *e)
{
	struct ssh_channel *c = k->c;

	if (k->out < 0)
		channel_took(c, &c->in, c->in.n);
	if (k->err < 0)
		channel_took(c, &c->err, c->err.n);
	if (put_out(k, k->out, &c->in) < 0 || put_out(k, k->err, &c->err) < 0) {
		if (!k->own)
			return err_sys(e, ERR_IO, "writing what came");
		k->failed = true;
		return 0;
	}
	if (c->eof_by_peer && c->in.n == 0 && !k->out_done) {
		k->out_done = true;
		if (k->own)
			shutdown(k->out, SHUT_WR);
	}
	return 0;
}

/* ---- the loop ---- */

static int accept_some(struct ssh_loop *l, const struct listener *from,
		       struct err *e)
{
	struct err none = ERR_INIT;

	/* asked each time: the socket may be a blocking one */
	while (l->carries < CARRIES && fd_wait(from->fd, POLLIN, 0, &none) == 0) {
		struct ssh_channel *c;
		int fd;

		if (l->gate != NULL && l->gate(l->ctx, e) < 0)
			return -1;
		fd = accept4(from->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return 0;
		c = from->port == 0 ?
			    ssh_unix(l->s, from->host, &none) :
			    ssh_tcp(l->s, from->host, from->port, &none);
		if (c == NULL) {
			close(fd);
			return 0;
		}
		c->drop_err = true;
		l->carry[l->carries++] = (struct carry){ .c = c,
							 .in = fd,
							 .out = fd,
							 .err = -1,
							 .tty = -1,
							 .own = true };
	}
	return 0;
}

/* Own connections that are through. */
static void reap(struct ssh_loop *l)
{
	for (size_t i = l->carries; i-- > 0;) {
		struct carry *k = &l->carry[i];

		if (!k->own)
			continue;
		if (k->c->state == CH_REFUSED) {
			l->refused++;
			drop(l, i);
		} else if (k->failed || (k->out_done &&
					 (k->in_done || k->c->closed_by_peer))) {
			drop(l, i);
		}
	}
}

static size_t want(struct pollfd *p, size_t n, int fd, short events)
{
	/* one without a wish would still report a hang-up, over and over */
	p[n] = (struct pollfd){ .fd = events != 0 ? fd : -1, .events = events };
	return n + 1;
}

static int wait_all(struct ssh_loop *l, struct pollfd *p, int resized,
		    int64_t until, struct err *e)
{
	size_t n = 0, at;

	n = want(p, n, interrupt_fd(), POLLIN);
	n = want(p, n, resized, POLLIN);
	n = want(p, n, ssh_fd(l->s), ssh_events(l->s));
	for (size_t i = 0; i < l->listeners; i++)
		n = want(p, n, l->listener[i].fd,
			 l->carries < CARRIES ? POLLIN : 0);
	at = n;
	for (size_t i = 0; i < l->carries; i++) {
		struct carry *k = &l->carry[i];

		n = want(p, n, k->in,
			 !k->in_done && ssh_channel_room(k->c) > 0 ? POLLIN : 0);
		n = want(p, n, k->out, k->c->in.n > 0 ? POLLOUT : 0);
		n = want(p, n, k->err, k->c->err.n > 0 ? POLLOUT : 0);
	}
	if (poll(p, n, poll_timeout(until)) < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, "poll");
	if (interrupt_requested())
		return err_set(e, ERR_INTR, "interrupted");
	for (size_t i = 0; i < l->carries; i++, at += 3)
		l->carry[i].in_got = p[at].revents;
	return 0;
}

static void resize(struct ssh_loop *l, int fd)
{
	struct signalfd_siginfo info;
	unsigned cols, rows;

	while (read(fd, &info, sizeof(info)) > 0)
		;
	for (size_t i = 0; i < l->carries; i++)
		if (l->carry[i].tty >= 0 &&
		    ssh_tty_size(l->carry[i].tty, &cols, &rows))
			ssh_channel_size(l->carry[i].c, cols, rows);
}

/* One turn: 1 when c is through, 0 to go on, -1. */
static int turn(struct ssh_loop *l, struct ssh_channel *c, struct pollfd *p,
		char *tmp, int resized, int64_t deadline_ms, struct err *e)
{
	int64_t until;

	/* first what others who pump the connection left to do */
	for (size_t i = 0; i < l->carries; i++)
		if (give_out(&l->carry[i], e) < 0)
			return -1;
	reap(l);
	if (c != NULL && ssh_channel_ready(c, e) < 0)
		return -1;
	if (c != NULL && c->closed_by_peer && ssh_channel_ended(c))
		return 1;

	if (ssh_flush(l->s, e) < 0)
		return -1;
	until = ssh_next_ms(l->s);
	if (wait_all(l, p, resized, until < deadline_ms ? until : deadline_ms,
		     e) < 0)
		return -1;
	if (p[1].revents != 0)
		resize(l, resized);
	for (size_t i = 0; i < l->carries; i++)
		if (l->carry[i].in_got != 0)
			take_in(&l->carry[i], tmp);
	for (size_t i = 0; i < l->listeners; i++)
		if (p[3 + i].revents != 0 &&
		    accept_some(l, &l->listener[i], e) < 0)
			return -1;
	return ssh_work(l->s, e);
}

int ssh_loop_run(struct ssh_loop *l, struct ssh_channel *c, int64_t deadline_ms,
		 struct err *e)
{
	struct pollfd *p = xcalloc(3 + LISTENERS + 3 * CARRIES, sizeof(*p));
	char *tmp = xmalloc(CHUNK);
	sigset_t winch, old;
	bool tty = false;
	int resized = -1, rc = 0;

	for (size_t i = 0; i < l->carries; i++)
		tty = tty || l->carry[i].tty >= 0;
	if (tty) {
		sigemptyset(&winch);
		sigaddset(&winch, SIGWINCH);
		pthread_sigmask(SIG_BLOCK, &winch, &old);
		resized = signalfd(-1, &winch, SFD_NONBLOCK | SFD_CLOEXEC);
	}
	for (;;) {
		rc = turn(l, c, p, tmp, resized, deadline_ms, e);
		if (rc != 0)
			break;
		if (now_ms() >= deadline_ms) {
			if (c != NULL)
				rc = err_set(e, ERR_TIMEOUT,
					     "%s: not ended in time", l->s->who);
			break;
		}
	}
	if (resized >= 0)
		close(resized);
	if (tty)
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	free(tmp);
	free(p);
	return rc < 0 ? -1 : 0;
}
