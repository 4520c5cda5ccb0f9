/*
 * Channels (RFC 4254 5 and 6, direct-streamlocal@openssh.com): their states,
 * their windows, and a struct stream over one.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "ssh/inner.h"

/*
 * What a channel may hold is memory only when its reader is slow.  The first
 * channel begins wide, the others narrow, and those whose readers keep up
 * widen, as long as all together stay in bounds.
 */
#define WINDOW_ALL (8u << 20)
#define WINDOW_MAX (2u << 20) /* 100 MB/s at 20 ms */
#define WINDOW_MIN (64u << 10)
#define OUT_HIGH (256u << 10) /* sealed and not yet taken by the stream */

/* ---- beginning ---- */

static struct ssh_channel *channel_new(struct ssh *s, struct err *e)
{
	struct ssh_channel *c;
	uint32_t id = 0;

	if (s->dead.kind != ERR_NONE) {
		err_set(e, s->dead.kind, "%s", s->dead.msg);
		return NULL;
	}
	while (id < SSH_CHANNELS && s->channel[id] != NULL)
		id++;
	if (id == SSH_CHANNELS) {
		err_set(e, ERR_USAGE, "%s: %d channels are open already",
			s->who, SSH_CHANNELS);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->ssh = s;
	c->id = id;
	c->status = -1;
	c->next = s->all;
	s->all = c;
	s->channel[id] = c;
	s->channels++;
	c->window_max = s->channels == 1 ? WINDOW_MAX : WINDOW_MIN;
	s->windows += c->window_max;
	c->window = c->window_max;
	return c;
}

static struct buf *open_begin(struct ssh_channel *c, const char *type)
{
	struct buf *m = msg_begin(c->ssh, MSG_CHANNEL_OPEN);

	wire_putz(m, type);
	wire_put_u32(m, c->id);
	wire_put_u32(m, c->window);
	wire_put_u32(m, SSH_DATA_MAX);
	return m;
}

/* What cannot be said in one packet is refused before it is half said. */
static bool too_long(const char *text, struct err *e)
{
	if (text == NULL || strlen(text) <= SSH_DATA_MAX)
		return false;
	err_set(e, ERR_USAGE, "a command of %zu bytes; %d at most",
		strlen(text), SSH_DATA_MAX);
	return true;
}

static struct ssh_channel *session(struct ssh *s, const char *command,
				   struct err *e)
{
	struct ssh_channel *c;

	if (too_long(command, e) || (c = channel_new(s, e)) == NULL)
		return NULL;
	open_begin(c, "session");
	msg_send(s);
	c->command = command != NULL ? xstrdup(command) : NULL;
	return c;
}

struct ssh_channel *ssh_exec(struct ssh *s, const char *command, struct err *e)
{
	return session(s, command, e);
}

struct ssh_channel *ssh_shell(struct ssh *s, const char *command, const char *term,
			      unsigned cols, unsigned rows, struct err *e)
{
	struct ssh_channel *c = session(s, command, e);

	if (c == NULL)
		return NULL;
	c->pty = true;
	c->term = str_dup(str_head(str_of(term != NULL ? term : "dumb"), 64));
	c->cols = cols;
	c->rows = rows;
	return c;
}

static struct ssh_channel *forward(struct ssh *s, const char *type,
				   const char *target, bool tcp, unsigned port,
				   struct err *e)
{
	struct ssh_channel *c;
	struct buf *m;

	if (too_long(target, e) || (c = channel_new(s, e)) == NULL)
		return NULL;
	m = open_begin(c, type);
	wire_putz(m, target);
	if (tcp)
		wire_put_u32(m, port);
	/* the address that asked for it, which here is always this program */
	wire_putz(m, tcp ? "127.0.0.1" : "");
	wire_put_u32(m, 0);
	msg_send(s);
	return c;
}

struct ssh_channel *ssh_tcp(struct ssh *s, const char *host, unsigned port,
			    struct err *e)
{
	return forward(s, "direct-tcpip", host, true, port, e);
}

struct ssh_channel *ssh_unix(struct ssh *s, const char *path, struct err *e)
{
	return forward(s, "direct-streamlocal@openssh.com", path, false, 0, e);
}

/* ---- requests ---- */

static struct buf *channel_begin(struct ssh_channel *c, unsigned type)
{
	struct buf *m = msg_begin(c->ssh, type);

	wire_put_u32(m, c->peer);
	return m;
}

static struct buf *request_begin(struct ssh_channel *c, const char *name,
				 bool reply)
{
	struct buf *m = channel_begin(c, MSG_CHANNEL_REQUEST);

	wire_putz(m, name);
	wire_put_bool(m, reply);
	c->replies += reply;
	return m;
}

static void put_size(struct buf *m, const struct ssh_channel *c)
{
	wire_put_u32(m, c->cols);
	wire_put_u32(m, c->rows);
	wire_put_u32(m, 0);
	wire_put_u32(m, 0);
}

/* A session is there: say what should run in it. */
static void start_session(struct ssh_channel *c)
{
	struct buf *m;

	if (c->pty) {
		m = request_begin(c, "pty-req", true);
		wire_putz(m, c->term);
		put_size(m, c);
		wire_put(m, "", 1); /* no modes: the far end's defaults */
		msg_send(c->ssh);
	}
	m = request_begin(c, c->command != NULL ? "exec" : "shell", true);
	if (c->command != NULL)
		wire_putz(m, c->command);
	msg_send(c->ssh);
	c->state = CH_STARTING;
}

static void send_close(struct ssh_channel *c)
{
	if (c->close_sent)
		return;
	c->close_sent = true;
	channel_begin(c, MSG_CHANNEL_CLOSE);
	msg_send(c->ssh);
}

void ssh_channel_eof(struct ssh_channel *c)
{
	c->eof_wanted = true;
	if (c->state != CH_OPEN || c->eof_sent || c->close_sent)
		return;
	c->eof_sent = true;
	channel_begin(c, MSG_CHANNEL_EOF);
	msg_send(c->ssh);
}

void ssh_channel_size(struct ssh_channel *c, unsigned cols, unsigned rows)
{
	struct buf *m;

	c->cols = cols;
	c->rows = rows;
	if (c->state == CH_OPENING || c->state == CH_REFUSED || c->close_sent)
		return;
	m = request_begin(c, "window-change", false);
	put_size(m, c);
	msg_send(c->ssh);
}

/* ---- what the peer says ---- */

static void refused(struct ssh_channel *c, const char *why, struct str text)
{
	struct buf b = BUF_INIT(512);

	buf_addf(&b, "the server %s%s", why, text.n > 0 ? ": " : "");
	buf_add_clean(&b, str_whole(str_head(text, 200)));
	c->state = CH_REFUSED;
	free(c->why);
	c->why = buf_detach(&b);
}

static void forget(struct ssh_channel *c)
{
	struct ssh *s = c->ssh;

	if (s->channel[c->id] == c) {
		s->channel[c->id] = NULL;
		s->channels--;
		s->windows -= c->window_max;
	}
}

void channel_free(struct ssh_channel *c)
{
	struct ssh_channel **at = &c->ssh->all;

	forget(c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	queue_release(&c->in);
	queue_release(&c->err);
	free(c->command);
	free(c->term);
	free(c->why);
	free(c);
}

static int opened(struct ssh_channel *c, struct str body, struct err *e)
{
	if (c->state != CH_OPENING || !wire_u32(&body, &c->peer) ||
	    !wire_u32(&body, &c->peer_window) ||
	    !wire_u32(&body, &c->peer_max) || c->peer_max == 0)
		return err_set(e, ERR_PROTO,
			       "malformed answer to the opening of a channel");
	if (c->peer_max > SSH_DATA_MAX)
		c->peer_max = SSH_DATA_MAX;
	c->state = CH_OPEN;
	if (c->abandoned)
		send_close(c);
	else if (c->command != NULL || c->pty)
		start_session(c);
	else if (c->eof_wanted)
		ssh_channel_eof(c);
	return 0;
}

static int open_failed(struct ssh_channel *c, struct str body, struct err *e)
{
	static const char *const reasons[] = {
		"refuses the channel", "prohibits the channel",
		"could not connect", "does not know this kind of channel",
		"is out of resources"
	};
	struct str text;
	uint32_t why;

	if (c->state != CH_OPENING || !wire_u32(&body, &why) ||
	    !wire_string(&body, &text))
		return err_set(e, ERR_PROTO,
			       "malformed answer to the opening of a channel");
	if (c->abandoned) {
		channel_free(c);
		return 0;
	}
	c->not_opened = true;
	refused(c, reasons[why < sizeof(reasons) / sizeof(reasons[0]) ? why : 0],
		text);
	forget(c);
	return 0;
}

static int answered(struct ssh_channel *c, bool good, struct err *e)
{
	if (c->replies == 0)
		return err_set(e, ERR_PROTO, "an answer without a question");
	c->replies--;
	if (c->state != CH_STARTING)
		return 0;
	if (!good) {
		refused(c,
			c->pty && c->replies > 0 ? "gives no terminal" :
			c->command != NULL	 ? "does not run the command" :
						   "gives no shell",
			STR_NULL);
		send_close(c);
	} else if (c->replies == 0) {
		c->state = CH_OPEN;
		if (c->eof_wanted)
			ssh_channel_eof(c);
	}
	return 0;
}

static int data(struct ssh_channel *c, struct queue *q, struct str body,
		struct err *e)
{
	struct str bytes;

	if (!wire_string(&body, &bytes) || body.n != 0)
		return err_set(e, ERR_PROTO, "malformed data");
	if (c->state == CH_OPENING || c->eof_by_peer)
		return err_set(e, ERR_PROTO, "data on a channel that is not open");
	if (bytes.n > c->window)
		return err_set(e, ERR_PROTO, "more data than the window allows");
	c->window -= (uint32_t)bytes.n;
	if (c->abandoned || c->close_sent)
		return 0;
	if (q == NULL) {
		channel_took(c, &c->err, 0);
		return 0;
	}
	queue_add(q, bytes.p, bytes.n);
	return 0;
}

static int extended(struct ssh_channel *c, struct str body, struct err *e)
{
	uint32_t type;

	if (!wire_u32(&body, &type))
		return err_set(e, ERR_PROTO, "malformed data");
	return data(c, type == 1 && !c->drop_err ? &c->err : NULL, body, e);
}

static int signal_number(struct str name)
{
	static const struct {
		const char *name;
		int n;
	} signals[] = {
		{ "HUP", 1 },	{ "INT", 2 },	{ "QUIT", 3 },	{ "ILL", 4 },
		{ "ABRT", 6 },	{ "FPE", 8 },	{ "KILL", 9 },	{ "USR1", 10 },
		{ "SEGV", 11 }, { "USR2", 12 }, { "PIPE", 13 }, { "ALRM", 14 },
		{ "TERM", 15 },
	};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (str_eqz(name, signals[i].name))
			return signals[i].n;
	return 127;
}

static int requested(struct ssh_channel *c, struct str body, struct err *e)
{
	struct str name, text;
	uint32_t code;
	bool reply;

	if (!wire_string(&body, &name) || !wire_bool(&body, &reply))
		return err_set(e, ERR_PROTO, "malformed request");
	if (str_eqz(name, "exit-status") && wire_u32(&body, &code))
		c->status = (int)(code & 0xff);
	else if (str_eqz(name, "exit-signal") && wire_string(&body, &text))
		c->status = 128 + signal_number(text);
	else if (str_eqz(name, "eow@openssh.com"))
		c->deaf = true;
	if (reply && !c->close_sent) {
		channel_begin(c, MSG_CHANNEL_FAILURE);
		msg_send(c->ssh);
	}
	return 0;
}

static int closed(struct ssh_channel *c, struct err *e)
{
	if (c->state == CH_OPENING)
		return err_set(e, ERR_PROTO, "a channel closes that is not open");
	c->closed_by_peer = c->eof_by_peer = true;
	if (c->state == CH_STARTING)
		refused(c, "closed the channel before the command began",
			STR_NULL);
	send_close(c);
	forget(c);
	if (c->abandoned)
		channel_free(c);
	return 0;
}

static int adjusted(struct ssh_channel *c, struct str body, struct err *e)
{
	uint32_t more;

	if (!wire_u32(&body, &more) || c->state == CH_OPENING ||
	    more > UINT32_MAX - c->peer_window)
		return err_set(e, ERR_PROTO, "malformed change of a window");
	c->peer_window += more;
	return 0;
}

int channel_message(struct ssh *s, unsigned type, struct str body, struct err *e)
{
	struct ssh_channel *c;
	uint32_t id = UINT32_MAX;

	wire_u32(&body, &id);
	if (id >= SSH_CHANNELS || (c = s->channel[id]) == NULL)
		return share_message(s, type, id, body, e);
	switch (type) {
	case MSG_CHANNEL_OPEN_CONFIRMATION:
		return opened(c, body, e);
	case MSG_CHANNEL_OPEN_FAILURE:
		return open_failed(c, body, e);
	case MSG_CHANNEL_WINDOW_ADJUST:
		return adjusted(c, body, e);
	case MSG_CHANNEL_DATA:
		return data(c, &c->in, body, e);
	case MSG_CHANNEL_EXTENDED_DATA:
		return extended(c, body, e);
	case MSG_CHANNEL_EOF:
		c->eof_by_peer = true;
		return 0;
	case MSG_CHANNEL_CLOSE:
		return closed(c, e);
	case MSG_CHANNEL_REQUEST:
		return c->state != CH_OPENING ?
			       requested(c, body, e) :
			       err_set(e, ERR_PROTO,
				       "a request before its channel");
	case MSG_CHANNEL_SUCCESS:
	case MSG_CHANNEL_FAILURE:
		return answered(c, type == MSG_CHANNEL_SUCCESS, e);
	}
	return err_set(e, ERR_PROTO, "message %u, which means nothing", type);
}

/* ---- reading and writing ---- */

void channel_took(struct ssh_channel *c, struct queue *q, size_t n)
{
	uint32_t grant, held;
	struct buf *m;

	queue_drop(q, n);
	held = (uint32_t)(c->in.n + c->err.n);
	grant = c->window_max - c->window - held;
	/* in time: an eighth is gone, not all of it */
	if (c->eof_by_peer || c->close_sent || grant < c->window_max / 8)
		return;
	if (held == 0 && c->window_max < WINDOW_MAX &&
	    c->ssh->windows + c->window_max <= WINDOW_ALL) {
		c->ssh->windows += c->window_max;
		grant += c->window_max;
		c->window_max *= 2;
	}
	c->window += grant;
	m = channel_begin(c, MSG_CHANNEL_WINDOW_ADJUST);
	wire_put_u32(m, grant);
	msg_send(c->ssh);
}

/* 0, or -1 with e set when nothing can come of this channel any more. */
static int broken(const struct ssh_channel *c, struct err *e)
{
	if (c->state == CH_REFUSED)
		return err_set(e, ERR_NET, "%s: %s", c->ssh->who, c->why);
	if (c->ssh->dead.kind != ERR_NONE && !c->closed_by_peer)
		return err_set(e, c->ssh->dead.kind, "%s", c->ssh->dead.msg);
	return 0;
}

int ssh_channel_ready(struct ssh_channel *c, struct err *e)
{
	if (broken(c, e) < 0)
		return -1;
	return c->state == CH_OPEN;
}

int ssh_channel_wait(struct ssh_channel *c, int64_t deadline_ms, struct err *e)
{
	int rc;

	while ((rc = ssh_channel_ready(c, e)) == 0)
		if (now_ms() >= deadline_ms)
			return err_set(e, ERR_TIMEOUT,
				       "%s: the channel was not opened in time",
				       c->ssh->who);
		else if (ssh_wait(c->ssh, deadline_ms, e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

ssize_t ssh_channel_read(struct ssh_channel *c, bool err, void *p, size_t n,
			 struct err *e)
{
	struct queue *q = err ? &c->err : &c->in;

	if (q->n > 0) {
		if (n > q->n)
			n = q->n;
		memcpy(p, queue_front(q), n);
		channel_took(c, q, n);
		return (ssize_t)n;
	}
	if (broken(c, e) < 0)
		return -1;
	return c->eof_by_peer ? 0 : -1;
}

size_t ssh_channel_room(const struct ssh_channel *c)
{
	const struct ssh *s = c->ssh;

	if (c->state != CH_OPEN || c->eof_sent || c->close_sent || c->deaf ||
	    s->tx_kex || s->dead.kind != ERR_NONE || s->out.n >= OUT_HIGH)
		return 0;
	return OUT_HIGH - s->out.n < c->peer_window ? OUT_HIGH - s->out.n :
						      c->peer_window;
}

ssize_t ssh_channel_write(struct ssh_channel *c, const void *p, size_t n,
			  struct err *e)
{
	struct str rest = { p, n };

	if (broken(c, e) < 0)
		return -1;
	if (ssh_channel_deaf(c) || c->eof_sent)
		return err_set(e, ERR_NET, "%s: the far end takes no more",
			       c->ssh->who);
	if (rest.n > ssh_channel_room(c))
		rest.n = ssh_channel_room(c);
	n = rest.n;
	while (rest.n > 0) {
		struct str now = str_head(rest, c->peer_max);
		struct buf *m = channel_begin(c, MSG_CHANNEL_DATA);

		wire_put(m, now.p, now.n);
		msg_send(c->ssh);
		c->peer_window -= (uint32_t)now.n;
		rest = str_skip(rest, now.n);
	}
	return (ssize_t)n;
}

size_t ssh_channel_held(const struct ssh_channel *c, bool err)
{
	return err ? c->err.n : c->in.n;
}

bool ssh_channel_refused(const struct ssh_channel *c)
{
	return c->not_opened;
}

bool ssh_channel_ended(const struct ssh_channel *c)
{
	return c->eof_by_peer && c->in.n == 0 && c->err.n == 0;
}

bool ssh_channel_deaf(const struct ssh_channel *c)
{
	return c->deaf || c->closed_by_peer || c->close_sent;
}

int ssh_channel_status(const struct ssh_channel *c)
{
	return c->status;
}

void ssh_channel_close(struct ssh_channel *c)
{
	struct ssh *s = c->ssh;
	struct err none = ERR_INIT;

	if (s->channel[c->id] != c || s->dead.kind != ERR_NONE) {
		channel_free(c);
		return;
	}
	c->abandoned = true;
	queue_release(&c->in);
	queue_release(&c->err);
	if (c->state != CH_OPENING)
		send_close(c);
	/* so that it is said although nobody may pump for a while; what goes
	 * wrong is remembered */
	ssh_flush(s, &none);
}

/* ---- as a stream ---- */

static struct ssh_channel *of(struct stream *st)
{
	return (struct ssh_channel *)st;
}

static int pump(struct ssh_channel *c, int64_t deadline_ms, struct err *e)
{
	if (now_ms() >= deadline_ms)
		return err_set(e, ERR_TIMEOUT, "timed out");
	return ssh_wait(c->ssh, deadline_ms, e);
}

static ssize_t channel_read(struct stream *st, void *p, size_t n,
			    int64_t deadline_ms, struct err *e)
{
	struct ssh_channel *c = of(st);
	struct err bad = ERR_INIT;

	for (bool looked = false;; looked = true) {
		ssize_t got = ssh_channel_read(c, false, p, n, &bad);

		if (got >= 0)
			return got;
		if (bad.kind != ERR_NONE)
			return err_set(e, bad.kind, "%s", bad.msg);
		/* a deadline of long ago means: what is here, without waiting */
		if (looked && now_ms() >= deadline_ms)
			return err_set(e, ERR_TIMEOUT, "timed out");
		if (ssh_wait(c->ssh, deadline_ms, &bad) < 0 && c->in.n == 0)
			return err_set(e, bad.kind, "%s", bad.msg);
		bad = (struct err)ERR_INIT;
	}
}

static int channel_write(struct stream *st, const void *p, size_t n,
			 int64_t deadline_ms, struct err *e)
{
	struct ssh_channel *c = of(st);
	struct str rest = { p, n };

	while (rest.n > 0) {
		ssize_t put = ssh_channel_write(c, rest.p, rest.n, e);

		if (put < 0 || (put == 0 && pump(c, deadline_ms, e) < 0))
			return -1;
		rest = str_skip(rest, (size_t)put);
	}
	return 0;
}

static ssize_t channel_write_some(struct stream *st, const void *p, size_t n,
				  struct err *e)
{
	struct ssh_channel *c = of(st);
	ssize_t put = ssh_channel_write(c, p, n, e);

	return put < 0 || ssh_flush(c->ssh, e) < 0 ? -1 : put;
}

static int channel_flush(struct stream *st, int64_t deadline_ms, struct err *e)
{
	struct ssh_channel *c = of(st);

	while (c->ssh->out.n > 0)
		if (pump(c, deadline_ms, e) < 0)
			return -1;
	return 0;
}

static int channel_fd(struct stream *st)
{
	return ssh_fd(of(st)->ssh);
}

static bool channel_pending(struct stream *st)
{
	const struct ssh_channel *c = of(st);

	/* an end or an error is read without waiting, too */
	return c->in.n > 0 || c->eof_by_peer || c->state == CH_REFUSED ||
	       c->ssh->dead.kind != ERR_NONE;
}

static int channel_finish(struct stream *st, struct err *e)
{
	struct ssh_channel *c = of(st);

	ssh_channel_eof(c);
	return ssh_flush(c->ssh, e);
}

static int channel_work(struct stream *st, short *events, int64_t *again_ms,
			struct err *e)
{
	struct ssh_channel *c = of(st);

	/* what came before it broke is read first */
	if (ssh_work(c->ssh, e) < 0)
		return -1;
	*events = ssh_events(c->ssh);
	*again_ms = ssh_next_ms(c->ssh);
	return 0;
}

static void channel_close(struct stream *st)
{
	ssh_channel_close(of(st));
}

static const struct stream_ops channel_ops = {
	.read = channel_read,
	.write = channel_write,
	.flush = channel_flush,
	.fd = channel_fd,
	.pending = channel_pending,
	.close = channel_close,
	.write_some = channel_write_some,
	.finish = channel_finish,
	.work = channel_work,
};

bool channel_is_stream(const struct stream *st)
{
	return st->ops == &channel_ops;
}

struct ssh *ssh_below(const struct ssh *s)
{
	return channel_is_stream(s->stream) ? of(s->stream)->ssh : NULL;
}

struct stream *ssh_channel_stream(struct ssh_channel *c)
{
	c->stream.ops = &channel_ops;
	c->drop_err = true;
	channel_took(c, &c->err, c->err.n);
	return &c->stream;
}

struct stream *ssh_channel_opened(struct ssh_channel *c, int64_t deadline_ms,
				  struct err *e)
{
	if (c == NULL)
		return NULL;
	if (ssh_channel_wait(c, deadline_ms, e) < 0) {
		ssh_channel_close(c);
		return NULL;
	}
	return ssh_channel_stream(c);
}

/* ---- a command from beginning to end ---- */

static void collect(struct ssh_channel *c, bool err, struct buf *out)
{
	struct queue *q = err ? &c->err : &c->in;

	if (out != NULL)
		buf_add(out, queue_front(q), q->n);
	if (q->n > 0)
		channel_took(c, q, q->n);
}

int ssh_run(struct ssh *s, const char *command, struct str input, struct buf *out,
	    struct buf *err, int *status, int64_t deadline_ms, struct err *e)
{
	struct ssh_channel *c = ssh_exec(s, command, e);
	int rc = -1;

	if (c == NULL)
		return -1;
	for (;;) {
		collect(c, false, out);
		collect(c, true, err);
		if (broken(c, e) < 0)
			break;
		if (c->closed_by_peer) {
			*status = c->status;
			rc = c->status >= 0 ?
				     0 :
				     err_set(e, ERR_NET,
					     "%s: the command ended without an exit code",
					     s->who);
			break;
		}
		if (input.n > 0 && !ssh_channel_deaf(c)) {
			ssize_t put = ssh_channel_write(c, input.p, input.n, e);

			if (put < 0)
				break;
			input = str_skip(input, (size_t)put);
		}
		if (input.n == 0 || ssh_channel_deaf(c))
			ssh_channel_eof(c);
		if (now_ms() >= deadline_ms) {
			err_set(e, ERR_TIMEOUT,
				"%s: the command did not end in time", s->who);
			break;
		}
		if (ssh_wait(s, deadline_ms, e) < 0 && !c->closed_by_peer)
			break;
	}
	ssh_channel_close(c);
	return rc;
}
