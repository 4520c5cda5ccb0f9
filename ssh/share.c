/*
 * One connection for several programs of one user: the process that has it
 * (the host) lends channels to those that connect at a unix socket (guests).
 * A guest speaks the connection protocol (RFC 4254) in packets of RFC 4253 6
 * without keys, as the one on the other side does; the host only changes the
 * numbers of channels.  Windows are those of the ends, so that a slow guest
 * stops nobody else.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ssh/inner.h"

#define GUESTS 8 /* a server gives ten sessions to a connection (MaxSessions) */
#define LENT 256 /* channels of all guests; behind our own numbers */
#define TAKE_HIGH (256u << 10) /* not yet sent: guests have to wait */
#define READ_SIZE (64u << 10)
#define BEHIND_MAX (16u << 20) /* what a guest has not read; windows are less */
#define FRESH_MS 2000	       /* a server that spoke that long ago is there */
#define LOOK_MS 1000

struct guest {
	int fd;
	struct queue in, out;
	struct direction rx, tx; /* plain */
	int64_t came_ms;
	bool greeted, gone;
};

/* A channel of a guest. */
struct lent {
	bool used;
	struct guest *g; /* NULL: gone, the server still has to close it */
	uint32_t id;	 /* the guest's number */
	uint32_t peer;	 /* the server's, once open */
	bool open, close_sent, closed_by_peer;
};

struct share {
	struct ssh *s;
	struct str hello;
	struct guest *guest[GUESTS];
	size_t guests;
	struct lent lent[LENT];
};

/* ---- to a guest ---- */

static void tell(struct guest *g, unsigned type, uint32_t id, struct str body)
{
	struct buf b = BUF_INIT(SSH_PAYLOAD_MAX);

	buf_addc(&b, (char)type);
	wire_put_u32(&b, id);
	buf_addstr(&b, body);
	if (b.over || g->out.n > BEHIND_MAX)
		g->gone = true;
	else
		packet_seal(&g->tx, buf_str(&b), &g->out);
	buf_burn(&b);
}

/* hello is empty for one who finds no room. */
static void greet_with(struct share *sh, struct guest *g, struct str hello)
{
	struct buf b = BUF_INIT(SSH_PAYLOAD_MAX);

	wire_putz(&b, sh->s->who);
	buf_addstr(&b, hello);
	tell(g, MSG_HELLO, 0, buf_str(&b));
	buf_release(&b);
	g->greeted = true;
}

static void greet(struct share *sh, struct guest *g)
{
	if (!g->greeted && sh->s->heard_ms + FRESH_MS >= g->came_ms)
		greet_with(sh, g, sh->hello);
}

/* ---- to the server ---- */

static void send_close(struct ssh *s, struct lent *l)
{
	struct buf *m = msg_begin(s, MSG_CHANNEL_CLOSE);

	wire_put_u32(m, l->peer);
	msg_send(s);
	l->close_sent = true;
}

static void leave(struct share *sh, const struct guest *g)
{
	for (size_t i = 0; i < LENT; i++) {
		struct lent *l = &sh->lent[i];

		if (!l->used || l->g != g)
			continue;
		l->g = NULL;
		if (l->open && !l->close_sent)
			send_close(sh->s, l);
		l->used = !l->closed_by_peer;
	}
}

static bool open_for(struct share *sh, struct guest *g, struct str body)
{
	struct str type;
	uint32_t id;
	struct buf *m;
	size_t i = 0;

	if (!wire_string(&body, &type) || !wire_u32(&body, &id))
		return false;
	while (i < LENT && sh->lent[i].used)
		i++;
	if (i == LENT) {
		/* resource shortage; no words, no language */
		tell(g, MSG_CHANNEL_OPEN_FAILURE, id,
		     (struct str){ "\0\0\0\4\0\0\0\0\0\0\0\0", 12 });
		return true;
	}
	sh->lent[i] = (struct lent){ .used = true, .g = g, .id = id };
	m = msg_begin(sh->s, MSG_CHANNEL_OPEN);
	wire_put(m, type.p, type.n);
	wire_put_u32(m, (uint32_t)(SSH_CHANNELS + i));
	buf_addstr(m, body);
	msg_send(sh->s);
	return true;
}

/* A message about a channel that is the guest's. */
static bool pass_on(struct share *sh, struct guest *g, unsigned type,
		    struct str payload)
{
	struct str body = str_skip(payload, 1);
	struct lent *l = NULL;
	uint32_t peer;

	if (!wire_u32(&body, &peer))
		return false;
	for (size_t i = 0; i < LENT && l == NULL; i++)
		if (sh->lent[i].used && sh->lent[i].g == g && sh->lent[i].open &&
		    sh->lent[i].peer == peer && !sh->lent[i].close_sent)
			l = &sh->lent[i];
	if (l == NULL)
		return false;
	msg_begin(sh->s, type);
	buf_addstr(&sh->s->msg, str_skip(payload, 1));
	msg_send(sh->s);
	if (type == MSG_CHANNEL_CLOSE) {
		l->close_sent = true;
		l->used = !l->closed_by_peer;
	}
	return true;
}

/* False: this is no guest of ours. */
static bool hear(struct share *sh, struct guest *g, struct str payload)
{
	struct str body = payload;
	unsigned type = 0;

	wire_u8(&body, &type);
	if (type == MSG_CHANNEL_OPEN)
		return open_for(sh, g, body);
	if (type > MSG_CHANNEL_OPEN_FAILURE && type <= MSG_CHANNEL_FAILURE)
		return pass_on(sh, g, type, payload);
	return false; /* MSG_DISCONNECT, too */
}

static void take(struct share *sh, struct guest *g)
{
	struct err ignored = ERR_INIT;
	struct str payload;
	size_t used;
	int bye, rc = 1;
	ssize_t got = recv(g->fd, queue_room(&g->in, READ_SIZE), READ_SIZE,
			   MSG_DONTWAIT);

	if (got <= 0) {
		g->gone = got == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	g->in.n += (size_t)got;
	while (!g->gone && g->in.n > 0) {
		rc = packet_open(&g->rx, queue_front(&g->in), g->in.n, &used,
				 &payload, &bye, &ignored);
		if (rc == 0)
			break;
		g->gone = rc < 0 || !hear(sh, g, payload);
		if (rc > 0)
			queue_drop(&g->in, used);
	}
}

/* ---- from the server ---- */

int share_message(struct ssh *s, unsigned type, uint32_t id, struct str body,
		  struct err *e)
{
	struct share *sh = s->share;
	struct str rest = body;
	struct lent *l;

	if (sh == NULL || id < SSH_CHANNELS || id - SSH_CHANNELS >= LENT ||
	    !sh->lent[id - SSH_CHANNELS].used)
		return err_set(e, ERR_PROTO,
			       "message %u for a channel that does not exist",
			       type);
	l = &sh->lent[id - SSH_CHANNELS];
	if (l->open == (type == MSG_CHANNEL_OPEN_CONFIRMATION ||
			type == MSG_CHANNEL_OPEN_FAILURE))
		return err_set(e, ERR_PROTO,
			       "message %u before its channel, or twice", type);
	if (type == MSG_CHANNEL_OPEN_CONFIRMATION) {
		if (!wire_u32(&rest, &l->peer))
			return err_set(e, ERR_PROTO,
				       "malformed answer to the opening of a "
				       "channel");
		l->open = true;
		if (l->g == NULL)
			send_close(s, l);
	}
	if (l->g != NULL)
		tell(l->g, type, l->id, body);
	if (type == MSG_CHANNEL_OPEN_FAILURE)
		l->used = false;
	if (type == MSG_CHANNEL_CLOSE) {
		l->closed_by_peer = true;
		l->used = !l->close_sent;
	}
	return 0;
}

/* ---- guests ---- */

static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
	       who.uid == getuid();
}

static void give(struct guest *g)
{
	while (g->out.n > 0 && !g->gone) {
		ssize_t put = send(g->fd, queue_front(&g->out), g->out.n,
				   MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (put < 0)
			g->gone = true;
		else
			queue_drop(&g->out, (size_t)put);
	}
}

static void guest_free(struct guest *g)
{
	close(g->fd);
	queue_release(&g->in);
	queue_release(&g->out);
	free(g);
}

static void admit(struct share *sh, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct guest *g;

	if (fd < 0)
		return;
	if (!is_ours(fd)) {
		close(fd);
		return;
	}
	g = xcalloc(1, sizeof(*g));
	g->fd = fd;
	g->came_ms = now_ms();
	if (sh->guests == GUESTS) {
		greet_with(sh, g, STR_NULL);
		give(g);
		guest_free(g);
		return;
	}
	sh->guest[sh->guests++] = g;
	/* whether the server is still there is asked before it is promised */
	if (sh->s->pings == 0 && sh->s->heard_ms + FRESH_MS < g->came_ms)
		sh->s->ping_ms = g->came_ms;
}

static void serve_guests(struct share *sh)
{
	for (size_t i = sh->guests; i-- > 0;) {
		struct guest *g = sh->guest[i];

		greet(sh, g);
		give(g);
		if (!g->gone)
			continue;
		leave(sh, g);
		guest_free(g);
		sh->guest[i] = sh->guest[--sh->guests];
	}
}

/* ---- the host ---- */

/* One turn.  -1: the connection is over. */
static int turn(struct share *sh, int fd, struct err *e)
{
	struct ssh *s = sh->s;
	struct pollfd p[3 + GUESTS];
	int64_t until = now_ms() + LOOK_MS, next;
	size_t n = sh->guests;
	bool room = s->out.n < TAKE_HIGH && !s->tx_kex;

	if (ssh_flush(s, e) < 0)
		return -1;
	next = ssh_next_ms(s);
	p[0] = (struct pollfd){ .fd = interrupt_fd(), .events = POLLIN };
	p[1] = (struct pollfd){ .fd = ssh_fd(s), .events = ssh_events(s) };
	p[2] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (size_t i = 0; i < n; i++) {
		const struct guest *g = sh->guest[i];

		p[3 + i] = (struct pollfd){
			.fd = room || g->out.n > 0 ? g->fd : -1,
			.events = (short)((room ? POLLIN : 0) |
					  (g->out.n > 0 ? POLLOUT : 0))
		};
	}
	if (poll(p, (nfds_t)(3 + n), poll_timeout(next < until ? next : until)) <
		    0 &&
	    errno != EINTR)
		return err_sys(e, ERR_IO, "poll");
	if (interrupt_requested())
		return err_set(e, ERR_INTR, "interrupted");
	for (size_t i = 0; i < n; i++)
		if ((p[3 + i].revents & ~POLLOUT) != 0 && s->out.n < TAKE_HIGH)
			take(sh, sh->guest[i]);
	if (p[2].revents != 0)
		admit(sh, fd);
	if (ssh_work(s, e) < 0)
		return -1;
	serve_guests(sh);
	return 0;
}

int ssh_share(struct ssh *s, int fd, struct str hello, int64_t idle_ms,
	      bool (*goes_on)(void *ctx), void *ctx, struct err *e)
{
	struct share *sh = xcalloc(1, sizeof(*sh));
	int64_t used = now_ms();
	int rc = 0;

	sh->s = s;
	sh->hello = hello;
	s->share = sh;
	while (rc == 0) {
		rc = turn(sh, fd, e);
		if (sh->guests > 0)
			used = now_ms();
		else if (now_ms() - used >= idle_ms || !goes_on(ctx))
			break;
	}
	while (sh->guests > 0) {
		sh->guest[0]->gone = true;
		serve_guests(sh);
	}
	s->share = NULL;
	free(sh);
	return rc;
}

/* ---- the guest ---- */

struct ssh *ssh_join(struct stream *st, struct buf *hello, int64_t deadline_ms,
		     struct err *e)
{
	struct ssh *s = ssh_blank(st, "ssh");

	/* as one that has greeted and signed in, and needs no new keys */
	buf_adds(&s->version, "shared");
	s->kex.done = 1;
	s->signed_in = true;
	s->shared = true;
	s->hello = hello;
	s->rekey_bytes = UINT64_MAX;
	s->rekey_at_ms = s->ping_ms = IO_FOREVER;
	while (s->hello != NULL)
		if (now_ms() >= deadline_ms) {
			err_set(e, ERR_TIMEOUT,
				"who keeps the connection does not answer");
			goto fail;
		} else if (ssh_wait(s, deadline_ms, e) < 0) {
			goto fail;
		}
	return s;
fail:
	ssh_close(s);
	return NULL;
}
