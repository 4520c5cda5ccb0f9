/*
 * The connection: greeting, packets in and out of their queues, which message
 * may come when, and what keeps it alive: new keys in time, questions into a
 * silence.  Knows streams, not sockets.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "ssh/inner.h"

#define GREETING_MAX 8192 /* bytes before and in the version line */
#define GREETING_LINES 32
#define VERSION_MAX 255 /* RFC 4253 4.2 */
#define READ_SIZE (64 * 1024)
#define READS_AT_ONCE 2	  /* then channels get their turn */
#define OUT_MAX (4 << 20) /* a server that asks and never reads */
#define KEEPALIVE_MS (15 * 1000)
#define SILENCES 3
#define REKEY_BYTES (1ull << 30)
#define REKEY_MS (3600 * 1000)
#define GOODBYE_MS 1000
#define WRITE_MS (60 * 1000) /* on streams that cannot do without waiting */

static const char us[] = SSH_VERSION "\r\n";

/* ---- sending ---- */

struct buf *msg_begin(struct ssh *s, unsigned type)
{
	buf_reset(&s->msg);
	buf_addc(&s->msg, (char)type);
	return &s->msg;
}

void msg_send(struct ssh *s)
{
	unsigned type = s->msg.n > 0 ? (unsigned char)s->msg.str[0] : 0;

	if (s->dead.kind != ERR_NONE || s->msg.over)
		return;
	/* RFC 4253 7.1: between our KEXINIT and NEWKEYS nothing else */
	if (s->tx_kex && type != MSG_DISCONNECT &&
	    (type < MSG_KEXINIT || type > 49)) {
		uint8_t n[4];

		wire_set_be32(n, (uint32_t)s->msg.n);
		queue_add(&s->held, n, sizeof(n));
		queue_add(&s->held, s->msg.str, s->msg.n);
	} else {
		packet_seal(&s->tx, buf_str(&s->msg), &s->out);
	}
}

static void send_held(struct ssh *s)
{
	while (s->held.n > 0 && !s->tx_kex) {
		size_t n = wire_be32(queue_front(&s->held));

		packet_seal(&s->tx,
			    (struct str){ (char *)queue_front(&s->held) + 4, n },
			    &s->out);
		queue_drop(&s->held, 4 + n);
	}
}

/* Hand the stream what it takes. */
static int flush(struct ssh *s, struct err *e)
{
	while (s->out.n > 0) {
		const struct stream_ops *ops = s->stream->ops;
		ssize_t put = (ssize_t)s->out.n;

		if (ops->write_some != NULL)
			put = ops->write_some(s->stream, queue_front(&s->out),
					      s->out.n, e);
		else if (stream_write(s->stream, queue_front(&s->out), s->out.n,
				      now_ms() + WRITE_MS, e) < 0 ||
			 stream_flush(s->stream, now_ms() + WRITE_MS, e) < 0)
			return -1;
		if (put < 0)
			return -1;
		if (put == 0)
			break;
		queue_drop(&s->out, (size_t)put);
	}
	if (s->out.n + s->held.n > (size_t)OUT_MAX)
		return err_set(e, ERR_PROTO,
			       "the server asks, but does not read the answers");
	return 0;
}

int ssh_die(struct ssh *s, int bye, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (s->dead.kind != ERR_NONE)
		return -1;
	err_in(e, "%s", s->who);
	if (bye != 0 && s->stream != NULL) {
		struct buf *m = msg_begin(s, MSG_DISCONNECT);

		wire_put_u32(m, (uint32_t)bye);
		wire_putz(m, bye == BYE_APPLICATION ? "done" : "refused");
		wire_putz(m, "");
		msg_send(s);
		flush(s, &ignored);
	}
	s->dead = *e;
	return -1;
}

static int is_dead(const struct ssh *s, struct err *e)
{
	return s->dead.kind == ERR_NONE ?
		       0 :
		       err_set(e, s->dead.kind, "%s", s->dead.msg);
}

/* ---- messages ---- */

static int disconnected(struct str body, struct err *e)
{
	struct str text = STR_NULL;
	uint32_t why = 0;

	if (!wire_u32(&body, &why) || !wire_string(&body, &text))
		return err_set(e, ERR_NET, "the server ended the connection");
	return err_set(e, why == BYE_NO_AUTH ? ERR_AUTH : ERR_NET,
		       "the server ended the connection: %.*s (reason %u)",
		       STR_ARG(str_head(text, 300)), why);
}

/* RFC 8308 2.3 */
static int ext_info(struct ssh *s, struct str body, struct err *e)
{
	struct str name, value;
	uint32_t n;

	if (!wire_u32(&body, &n))
		return err_set(e, ERR_PROTO, "malformed list of extensions");
	for (; n > 0; n--) {
		if (!wire_string(&body, &name) || !wire_string(&body, &value))
			return err_set(e, ERR_PROTO,
				       "malformed list of extensions");
		if (str_eqz(name, "server-sig-algs")) {
			buf_reset(&s->sig_algs);
			buf_addstr(&s->sig_algs, str_head(value, s->sig_algs.max));
			s->ext_info = true;
		}
	}
	return 0;
}

static int global_request(struct ssh *s, struct str body, struct err *e)
{
	struct str name;
	bool reply;

	if (!wire_string(&body, &name) || !wire_bool(&body, &reply))
		return err_set(e, ERR_PROTO, "malformed request");
	/* a keepalive is answered by refusing it: that is how it is done */
	if (reply) {
		msg_begin(s, MSG_REQUEST_FAILURE);
		msg_send(s);
	}
	return 0;
}

static int channel_open_refused(struct ssh *s, struct str body, struct err *e)
{
	struct str type;
	uint32_t id;
	struct buf *m;

	if (!wire_string(&body, &type) || !wire_u32(&body, &id))
		return err_set(e, ERR_PROTO, "malformed request for a channel");
	m = msg_begin(s, MSG_CHANNEL_OPEN_FAILURE);
	wire_put_u32(m, id);
	wire_put_u32(m, 1); /* administratively prohibited */
	wire_putz(m, "not asked for");
	wire_putz(m, "");
	msg_send(s);
	return 0;
}

static int auth_message(struct ssh *s, unsigned type, struct str payload,
			struct err *e)
{
	if (type == MSG_USERAUTH_BANNER)
		return 0; /* nobody asked for advertising */
	if (!s->auth_due)
		return err_set(e, ERR_PROTO, "message %u without a question",
			       type);
	s->auth_due = false;
	buf_reset(&s->auth_reply);
	buf_addstr(&s->auth_reply, payload);
	return 0;
}

static int live_message(struct ssh *s, unsigned type, struct str body,
			struct err *e)
{
	switch (type) {
	case MSG_GLOBAL_REQUEST:
		return global_request(s, body, e);
	case MSG_REQUEST_SUCCESS:
	case MSG_REQUEST_FAILURE:
		if (s->pings_due == 0)
			return err_set(e, ERR_PROTO,
				       "an answer without a question");
		s->pings_due--;
		return 0;
	case MSG_CHANNEL_OPEN:
		return channel_open_refused(s, body, e);
	}
	return channel_message(s, type, body, e);
}

static void unimplemented(struct ssh *s)
{
	struct buf *m = msg_begin(s, MSG_UNIMPLEMENTED);

	wire_put_u32(m, s->rx.seq - 1);
	msg_send(s);
}

/* By the host: as whom the server knows it, and its words. */
static int greeted(struct ssh *s, struct str body, struct err *e)
{
	struct str who;
	uint32_t unused;

	if (!wire_u32(&body, &unused) || !wire_string(&body, &who))
		return err_set(e, ERR_PROTO, "malformed greeting");
	free(s->who);
	s->who = str_dup(who);
	buf_addstr(s->hello, body);
	s->hello = NULL;
	return 0;
}

int ssh_dispatch(struct ssh *s, struct str payload, int *bye, struct err *e)
{
	const struct kex *k = &s->kex;
	struct str body = payload;
	unsigned type = 0;
	bool first = k->done == 0;

	*bye = BYE_PROTOCOL;
	wire_u8(&body, &type);
	if (type == MSG_DISCONNECT) {
		*bye = 0;
		return disconnected(body, e);
	}
	/* a guest has no keys, and is told who the host is */
	if (s->shared && type < MSG_GLOBAL_REQUEST)
		return err_set(e, ERR_PROTO, "message %u to a guest", type);
	if (s->hello != NULL && type == MSG_HELLO)
		return greeted(s, body, e);
	if (type >= MSG_KEXINIT && type <= 49) {
		int rc = kex_message(s, type, body, payload, bye, e);

		send_held(s);
		return rc;
	}
	/* strict: nothing may be slipped in before the first keys */
	if (type <= MSG_DEBUG && !(first && k->strict))
		return 0;
	/*
	 * Later, RFC 4253 7.1 forbids it as well, but not every server knows
	 * (asyncssh 2.10): under the old keys it is as good as before.
	 */
	if (first)
		return err_set(e, ERR_PROTO,
			       "message %u in the middle of a key exchange",
			       type);
	if (type == MSG_EXT_INFO)
		return ext_info(s, body, e);
	if (type == MSG_SERVICE_ACCEPT ||
	    (type >= MSG_USERAUTH_REQUEST && type < MSG_GLOBAL_REQUEST)) {
		if (!s->signed_in)
			return auth_message(s, type, payload, e);
		return err_set(e, ERR_PROTO, "message %u after sign-in", type);
	}
	if (type >= MSG_GLOBAL_REQUEST && type <= MSG_CHANNEL_FAILURE) {
		/* success may already be here, just not looked at */
		if (!s->signed_in &&
		    (s->auth_reply.n == 0 ||
		     s->auth_reply.str[0] != MSG_USERAUTH_SUCCESS))
			return err_set(e, ERR_PROTO,
				       "message %u before sign-in", type);
		return live_message(s, type, body, e);
	}
	unimplemented(s);
	return 0;
}

/* ---- receiving ---- */

/* Lines up to the one that says SSH-2.0: 1, 0 when it is not there yet. */
static int greeting(struct ssh *s, struct err *e)
{
	for (;;) {
		struct str in = { (char *)queue_front(&s->in), s->in.n }, line;
		ptrdiff_t n = s->in.n > 0 ? str_chr(in, '\n') : -1;

		if (n < 0 ? s->greeting_n + in.n > GREETING_MAX :
			    s->greeting_n + (size_t)n > GREETING_MAX ||
				    s->greeting_lines >= GREETING_LINES)
			return err_set(e, ERR_PROTO,
				       "it goes on greeting, and does not say "
				       "\"SSH-2.0-\"; this is no SSH server");
		if (n < 0)
			return 0;
		line = str_head(in, (size_t)n);
		s->greeting_lines++;
		s->greeting_n += (size_t)n + 1;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (!str_starts(line, STR("SSH-"))) {
			queue_drop(&s->in, (size_t)n + 1);
			continue;
		}
		if (line.n > VERSION_MAX || str_chr(line, '\0') >= 0)
			return err_set(e, ERR_PROTO, "malformed version line");
		if (!str_starts(line, STR("SSH-2.0-")) &&
		    !str_starts(line, STR("SSH-1.99-")))
			return err_set(e, ERR_PROTO,
				       "it speaks \"%.*s\"; SSH-2.0 is asked for",
				       STR_ARG(str_head(line, 40)));
		buf_addstr(&s->version, line);
		queue_drop(&s->in, (size_t)n + 1);
		kex_start(s);
		return 1;
	}
}

int ssh_take(struct ssh *s, struct err *e)
{
	struct str payload;
	size_t used;
	int bye = BYE_PROTOCOL, rc;

	if (s->version.n == 0) {
		rc = greeting(s, e);
		if (rc <= 0)
			return rc < 0 ? ssh_die(s, 0, e) : 0;
	}
	while (s->in.n > 0) {
		rc = packet_open(&s->rx, queue_front(&s->in), s->in.n, &used,
				 &payload, &bye, e);
		if (rc == 0)
			break;
		if (rc > 0) {
			rc = ssh_dispatch(s, payload, &bye, e);
			queue_drop(&s->in, used);
		}
		if (rc < 0)
			return ssh_die(s, bye, e);
	}
	return 0;
}

static int receive(struct ssh *s, struct err *e)
{
	for (int i = 0; i < READS_AT_ONCE; i++) {
		struct err none = ERR_INIT;
		uint8_t *p = queue_room(&s->in, READ_SIZE);
		ssize_t got = stream_read(s->stream, p, READ_SIZE, 0, &none);

		if (got < 0 && (none.kind == ERR_TIMEOUT || none.kind == ERR_INTR))
			return 0;
		if (got == 0 && s->version.n == 0)
			err_set(&none, ERR_NET,
				"the server hung up without a greeting");
		else if (got == 0)
			err_set(&none, ERR_NET, "the server hung up");
		if (got <= 0) {
			err_set(e, none.kind, "%s", none.msg);
			return ssh_die(s, 0, e);
		}
		s->in.n += (size_t)got;
		s->pings = 0;
		s->heard_ms = now_ms();
		if (!s->shared)
			s->ping_ms = s->heard_ms + s->keepalive_ms;
		if (ssh_take(s, e) < 0)
			return -1;
		if ((size_t)got < READ_SIZE && !stream_pending(s->stream))
			return 0;
	}
	return 0;
}

int ssh_flush(struct ssh *s, struct err *e)
{
	struct err mine = ERR_INIT;

	if (flush(s, &mine) == 0)
		return 0;
	/* what the server said before it hung up tells more, and is soon read */
	for (int i = 0; i < OUT_MAX / READ_SIZE; i++)
		if (receive(s, e) < 0)
			return -1;
	err_set(e, mine.kind, "%s", mine.msg);
	return ssh_die(s, 0, e);
}

/* ---- life ---- */

static int timers(struct ssh *s, struct err *e)
{
	int64_t now = now_ms();
	struct buf *m;

	if (s->kex.step != KEX_NONE && now >= s->kex.deadline_ms) {
		err_set(e, ERR_NET, "the server does not finish the key exchange");
		return ssh_die(s, BYE_KEX, e);
	}
	if (!s->signed_in)
		return 0;
	if (s->kex.step == KEX_NONE &&
	    (now >= s->rekey_at_ms || s->rx.bytes + s->tx.bytes >= s->rekey_bytes))
		kex_start(s);
	if (now < s->ping_ms)
		return 0;
	if (s->pings == SILENCES) {
		err_set(e, ERR_NET, "the server has not said a word for %lld s",
			(long long)(s->keepalive_ms * (SILENCES + 1) / 1000));
		return ssh_die(s, 0, e);
	}
	m = msg_begin(s, MSG_GLOBAL_REQUEST);
	wire_putz(m, "keepalive@openssh.com");
	wire_put_bool(m, true);
	msg_send(s);
	s->pings++;
	s->pings_due++;
	s->ping_ms = now + s->keepalive_ms;
	return 0;
}

int ssh_work(struct ssh *s, struct err *e)
{
	if (is_dead(s, e) < 0)
		return -1;
	if (ssh_flush(s, e) < 0)
		return -1;
	if (receive(s, e) < 0 || timers(s, e) < 0)
		return -1;
	return ssh_flush(s, e);
}

int ssh_fd(struct ssh *s)
{
	return stream_fd(s->stream);
}

short ssh_events(struct ssh *s)
{
	struct ssh *below = ssh_below(s);

	if (below != NULL)
		return ssh_events(below);
	return s->out.n > 0 ? POLLIN | POLLOUT : POLLIN;
}

int64_t ssh_next_ms(struct ssh *s)
{
	struct ssh *below = ssh_below(s);
	int64_t next = s->kex.step != KEX_NONE ? s->kex.deadline_ms : IO_FOREVER,
		under;

	if (s->signed_in && s->ping_ms < next)
		next = s->ping_ms;
	if (s->signed_in && s->kex.step == KEX_NONE && s->rekey_at_ms < next)
		next = s->rekey_at_ms;
	if (stream_pending(s->stream))
		next = 0;
	under = below != NULL ? ssh_next_ms(below) : IO_FOREVER;
	return under < next ? under : next;
}

int ssh_wait(struct ssh *s, int64_t deadline_ms, struct err *e)
{
	int64_t until = ssh_next_ms(s);
	struct err none = ERR_INIT;

	if (is_dead(s, e) < 0)
		return -1;
	if (ssh_flush(s, e) < 0)
		return -1;
	if (until > deadline_ms)
		until = deadline_ms;
	if (until > 0 && fd_wait(ssh_fd(s), ssh_events(s), until, &none) < 0 &&
	    none.kind != ERR_TIMEOUT)
		return err_set(e, none.kind, "%s", none.msg);
	return ssh_work(s, e);
}

void ssh_rekey(struct ssh *s)
{
	if (s->kex.step == KEX_NONE && s->dead.kind == ERR_NONE)
		kex_start(s);
}

unsigned ssh_rekeyed(const struct ssh *s)
{
	return s->kex.done;
}

const char *ssh_algorithms(const struct ssh *s)
{
	return s->algorithms.str;
}

/* ---- opening and closing ---- */

struct ssh *ssh_blank(struct stream *st, const char *who)
{
	struct ssh *s = xcalloc(1, sizeof(*s));

	s->stream = st;
	s->who = xstrdup(who);
	buf_init(&s->msg, SSH_PAYLOAD_MAX);
	buf_init(&s->version, VERSION_MAX);
	buf_init(&s->kex.ours, 4096);
	buf_init(&s->kex.theirs, SSH_PACKET_MAX);
	buf_init(&s->offer_kex, 1024);
	buf_init(&s->offer_host, 1024);
	buf_init(&s->offer_cipher, 1024);
	buf_init(&s->offer_mac, 1024);
	buf_init(&s->algorithms, 1024);
	buf_init(&s->sig_algs, 1024);
	buf_init(&s->auth_reply, SSH_PACKET_MAX);
	return s;
}

static int take_host_key(struct ssh_pub *pub, const char *line, struct err *e)
{
	struct buf blob = BUF_INIT(SSH_BLOB_MAX);
	int rc = ssh_blob_of_line(line, "expected host key", &blob, e);

	if (rc == 0 && (rc = ssh_pub_parse(pub, buf_str(&blob), e)) < 0)
		err_in(e, "expected host key");
	buf_release(&blob);
	return rc;
}

struct ssh *ssh_new(struct stream *st, const struct ssh_config *c, struct err *e)
{
	char *who = xasprintf("ssh %s@%s", c->user,
			      c->name != NULL ? c->name : "server");
	struct ssh *s = ssh_blank(st, who);
	int rc;

	free(who);
	s->keepalive_ms = c->keepalive_ms > 0 ? c->keepalive_ms : KEEPALIVE_MS;
	s->rekey_bytes = c->rekey_bytes > 0 ? c->rekey_bytes : REKEY_BYTES;
	s->rekey_ms = c->rekey_ms > 0 ? c->rekey_ms : REKEY_MS;
	s->ping_ms = now_ms() + s->keepalive_ms;
	queue_add(&s->out, us, sizeof(us) - 1);
	if (c->host_key == NULL)
		rc = err_set(e, ERR_DATA, "no host key is known for it");
	else
		rc = take_host_key(&s->host, c->host_key, e);
	if (rc == 0 && c->other_host_key != NULL)
		rc = take_host_key(&s->other_host, c->other_host_key, e);
	if (rc == 0)
		rc = kex_offer(s, c, e);
	if (rc == 0)
		return s;
	ssh_die(s, 0, e);
	ssh_close(s);
	return NULL;
}

struct ssh *ssh_open(struct stream *st, const struct ssh_config *c,
		     int64_t deadline_ms, struct err *e)
{
	struct ssh *s = ssh_new(st, c, e);

	if (s == NULL)
		return NULL;
	while (s->kex.done == 0) {
		if (now_ms() >= deadline_ms) {
			err_set(e, ERR_TIMEOUT,
				s->version.n == 0 ?
					"no greeting from the server" :
					"the key exchange was not finished in time");
			goto fail;
		}
		if (ssh_wait(s, deadline_ms, e) < 0)
			goto fail;
	}
	if (ssh_auth_run(s, c, deadline_ms, e) < 0)
		goto fail;
	s->ping_ms = now_ms() + s->keepalive_ms;
	return s;
fail:
	ssh_die(s, BYE_APPLICATION, e);
	ssh_close(s);
	return NULL;
}

/* Whatever is queued and a goodbye, if the peer takes them soon. */
static void goodbye(struct ssh *s)
{
	struct err e = ERR_INIT;
	int64_t until = now_ms() + GOODBYE_MS;

	err_set(&e, ERR_NET, "closed");
	ssh_die(s, BYE_APPLICATION, &e);
	for (;;) {
		struct err again = ERR_INIT;

		if (flush(s, &again) < 0 || s->out.n == 0 ||
		    fd_wait(ssh_fd(s), POLLOUT, until, &again) < 0)
			break;
	}
}

void ssh_close(struct ssh *s)
{
	if (s == NULL)
		return;
	if (s->dead.kind == ERR_NONE)
		goodbye(s);
	ssh_forget(s);
}

void ssh_forget(struct ssh *s)
{
	while (s->all != NULL)
		channel_free(s->all);
	stream_close(s->stream);
	free(s->who);
	queue_release(&s->in);
	queue_release(&s->out);
	queue_release(&s->held);
	buf_release(&s->msg);
	buf_release(&s->version);
	buf_release(&s->offer_kex);
	buf_release(&s->offer_host);
	buf_release(&s->offer_cipher);
	buf_release(&s->offer_mac);
	buf_release(&s->algorithms);
	buf_release(&s->sig_algs);
	buf_release(&s->auth_reply);
	kex_release(&s->kex);
	burn(s, sizeof(*s));
	free(s);
}
