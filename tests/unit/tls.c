/*
 * The TLS stream against itself, through a relay that cuts and bends: how
 * others take it is shown by sh/tls.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/net.h"
#include "tls/inner.h"
#include "tests/check.h"

#define SECOND 1000
#define NEVER SIZE_MAX

static bool says(const struct err *e, const char *words)
{
	return e->kind != ERR_NONE && strstr(e->msg, words) != NULL;
}

static int64_t patience_ms = 20 * SECOND;

static int64_t soon(void)
{
	return now_ms() + patience_ms;
}

/* ---- the parties ---- */

static struct tls_identity *identity;
static uint8_t pin[32];

/* What the server does once the handshake is through. */
enum manners { ECHO, SAY_AND_CLOSE, SAY_AND_DROP, READ_NOTHING };

struct server {
	pthread_t thread;
	int fd;
	enum manners manners;
	atomic_bool enough; /* for READ_NOTHING */
	struct err e;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	struct stream *t = tls_accept(s->fd, identity, soon(), &s->e);
	static const char text[] = "all that I have to say";
	char piece[3000];
	ssize_t n;

	if (t == NULL)
		return NULL;
	switch (s->manners) {
	case ECHO:
		while ((n = stream_read(t, piece, sizeof(piece), soon(), &s->e)) >
		       0)
			if (stream_write(t, piece, (size_t)n, soon(), &s->e) < 0 ||
			    stream_flush(t, soon(), &s->e) < 0)
				break;
		break;
	case SAY_AND_CLOSE:
	case SAY_AND_DROP:
		stream_write(t, text, sizeof(text) - 1, soon(), &s->e);
		stream_flush(t, soon(), &s->e);
		if (s->manners == SAY_AND_DROP)
			shutdown(stream_fd(t), SHUT_RDWR);
		break;
	case READ_NOTHING:
		while (!atomic_load(&s->enough) &&
		       sleep_until(now_ms() + 10, &s->e) == 0)
			;
		break;
	}
	stream_close(t);
	return NULL;
}

/* Passes bytes on until so many have gone that way; one of them changed. */
struct relay {
	pthread_t thread;
	int client, server;
	size_t cut[2], bend[2], seen[2]; /* [0] to the server, [1] to the client */
};

static bool pass(struct relay *r, int way, int from, int to)
{
	unsigned char b[4096];
	ssize_t n = recv(from, b, sizeof(b), 0);
	size_t at = r->seen[way], keep;

	if (n <= 0)
		return false;
	keep = (size_t)n;
	if (r->bend[way] >= at && r->bend[way] - at < keep)
		b[r->bend[way] - at] ^= 0x55;
	if (r->cut[way] - at < keep)
		keep = r->cut[way] - at;
	r->seen[way] += keep;
	for (size_t done = 0; done < keep;) {
		ssize_t put = send(to, b + done, keep - done, MSG_NOSIGNAL);

		if (put <= 0)
			return false;
		done += (size_t)put;
	}
	return r->seen[way] < r->cut[way];
}

static void *relay(void *arg)
{
	struct relay *r = arg;
	struct pollfd p[2] = { { .fd = r->client, .events = POLLIN },
			       { .fd = r->server, .events = POLLIN } };

	while (poll(p, 2, 20 * SECOND) > 0) {
		if (p[0].revents && !pass(r, 0, r->client, r->server))
			break;
		if (p[1].revents && !pass(r, 1, r->server, r->client))
			break;
	}
	close(r->client);
	close(r->server);
	return NULL;
}

struct rig {
	struct server server;
	struct relay relay;
	int fd; /* the client's */
};

static void rig_start(struct rig *g, enum manners manners)
{
	int a[2], b[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b) < 0)
		abort();
	g->fd = a[0];
	g->relay.client = a[1];
	g->relay.server = b[0];
	g->server.fd = b[1];
	g->server.manners = manners;
	atomic_store(&g->server.enough, false);
	g->server.e = (struct err)ERR_INIT;
	g->relay.seen[0] = g->relay.seen[1] = 0;
	if (pthread_create(&g->server.thread, NULL, serve, &g->server) != 0 ||
	    pthread_create(&g->relay.thread, NULL, relay, &g->relay) != 0)
		abort();
}

static void rig_whole(struct rig *g)
{
	for (int way = 0; way < 2; way++)
		g->relay.cut[way] = g->relay.bend[way] = NEVER;
}

static void rig_end(struct rig *g)
{
	pthread_join(g->server.thread, NULL);
	pthread_join(g->relay.thread, NULL);
}

static struct stream *dial(struct rig *g, struct err *e)
{
	struct tls_trust *trust = tls_trust_pin(pin);
	struct stream *s = tls_connect(g->fd, "server.test", trust, soon(), e);

	tls_trust_free(trust); /* not needed any more */
	return s;
}

/* ---- cases ---- */

static void echo_sizes(void)
{
	static const size_t sizes[] = { 1, 2, 100, 16383, 16384, 16385, 50000 };
	struct rig g;
	struct err e = ERR_INIT;
	struct stream *s;
	char *out = xmalloc(50000), *in = xmalloc(50000);
	bool good = true;

	rig_whole(&g);
	rig_start(&g, ECHO);
	s = dial(&g, &e);
	check(s != NULL, "handshake", e.msg);
	for (size_t i = 0; s != NULL && i < sizeof(sizes) / sizeof(sizes[0]);
	     i++) {
		size_t got = 0;

		random_bytes(out, sizes[i]);
		/* no flush: a read does it, or both would wait */
		good = good && stream_write(s, out, sizes[i], soon(), &e) == 0;
		while (good && got < sizes[i]) {
			ssize_t n = stream_read(s, in + got, sizes[i] - got,
						soon(), &e);

			good = n > 0;
			if (n > 0)
				got += (size_t)n;
		}
		good = good && memcmp(in, out, sizes[i]) == 0;
	}
	check(good, "echo of many sizes", e.msg);

	if (s != NULL) {
		good = stream_write(s, "abc", 3, soon(), &e) == 0 &&
		       stream_read(s, in, 1, soon(), &e) == 1 && in[0] == 'a';
		check(good && stream_pending(s), "two bytes are pending", e.msg);
		check(stream_read(s, in, 10, soon(), &e) == 2 &&
			      !stream_pending(s),
		      "then none is", e.msg);
		check(stream_read(s, in, 10, now_ms() + 50, &e) == -1 &&
			      e.kind == ERR_TIMEOUT,
		      "silence ends at the deadline", e.msg);
		e = (struct err)ERR_INIT;
		check(stream_write(s, "still here", 10, soon(), &e) == 0 &&
			      stream_read(s, in, 10, soon(), &e) == 10,
		      "and goes on afterwards", e.msg);
	}
	stream_close(s);
	rig_end(&g);
	check(g.server.e.kind == ERR_NONE, "the server saw an orderly end",
	      g.server.e.msg);
	free(out);
	free(in);
}

static size_t read_all(struct stream *s, char *in, size_t max, ssize_t *last,
		       struct err *e)
{
	size_t got = 0;

	while ((*last = stream_read(s, in + got, max - got, soon(), e)) > 0)
		got += (size_t)*last;
	return got;
}

static void endings(void)
{
	struct rig g;
	struct err e = ERR_INIT;
	struct stream *s;
	char in[100];
	ssize_t last;

	rig_whole(&g);
	rig_start(&g, SAY_AND_CLOSE);
	s = dial(&g, &e);
	if (s == NULL)
		abort();
	check(read_all(s, in, sizeof(in), &last, &e) == 22 && last == 0 &&
		      e.kind == ERR_NONE,
	      "close_notify is a clean end", e.msg);
	check(stream_read(s, in, sizeof(in), soon(), &e) == 0, "and stays one",
	      e.msg);
	check(stream_write(s, "x", 1, soon(), &e) == -1 && e.kind == ERR_NET &&
		      says(&e, "server closed the connection"),
	      "writing behind it", e.msg);
	stream_close(s);
	rig_end(&g);

	e = (struct err)ERR_INIT;
	rig_start(&g, SAY_AND_DROP);
	s = dial(&g, &e);
	if (s == NULL)
		abort();
	check(read_all(s, in, sizeof(in), &last, &e) == 22 && last == -1 &&
		      e.kind == ERR_NET &&
		      says(&e, "closed the connection without a TLS goodbye"),
	      "an end without close_notify is none", e.msg);
	e = (struct err)ERR_INIT;
	check(stream_read(s, in, sizeof(in), soon(), &e) == -1 &&
		      says(&e, "broken"),
	      "and stays an error", e.msg);
	stream_close(s);
	rig_end(&g);
}

static void slow_reader(void)
{
	struct rig g;
	struct err e = ERR_INIT;
	struct stream *s;
	char *big = xcalloc(1, 4 << 20);
	int64_t before;

	rig_whole(&g);
	rig_start(&g, READ_NOTHING);
	s = dial(&g, &e);
	if (s == NULL)
		abort();
	before = now_ms();
	check(stream_write(s, big, 4 << 20, now_ms() + 300, &e) == -1 &&
		      e.kind == ERR_TIMEOUT,
	      "a peer that reads nothing", e.msg);
	stream_close(s);
	check(now_ms() - before < CHECK_PATIENCE_MS,
	      "is not waited for when closing", "too long");
	atomic_store(&g.server.enough, true);
	rig_end(&g);
	free(big);
}

static void deadlines(void)
{
	struct tls_trust *trust = tls_trust_pin(pin);
	struct err e = ERR_INIT;
	int a[2];

	for (int server = 0; server < 2; server++) {
		int64_t before = now_ms();
		struct stream *s;

		e = (struct err)ERR_INIT;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) < 0)
			abort();
		s = server ? tls_accept(a[0], identity, now_ms() + 200, &e) :
			     tls_connect(a[0], "x", trust, now_ms() + 200, &e);
		check(s == NULL && e.kind == ERR_TIMEOUT &&
			      now_ms() - before < CHECK_PATIENCE_MS,
		      server ? "silent client" : "silent server", e.msg);
		close(a[1]);
	}
	tls_trust_free(trust);
}

/* How many bytes go each way when nothing is wrong. */
static void measure(size_t seen[2])
{
	struct rig g;
	struct err e = ERR_INIT;
	struct stream *s;
	char in[100];
	ssize_t last;

	rig_whole(&g);
	rig_start(&g, SAY_AND_CLOSE);
	s = dial(&g, &e);
	if (s == NULL)
		abort();
	/* the handshake alone is what the client sends */
	seen[0] = g.relay.seen[0];
	read_all(s, in, sizeof(in), &last, &e);
	stream_close(s);
	rig_end(&g);
	seen[1] = g.relay.seen[1];
}

/* Neither end may take a handshake or a text that is not all there or not as
 * it was sent; nobody may hang. */
static void cut_and_bent(int way, size_t total, bool bend)
{
	static const char *const names[2][2] = {
		{ "cut on the way to the server", "cut on the way to the client" },
		{ "bent on the way to the server",
		  "bent on the way to the client" },
	};
	unsigned tried = 0, fooled = 0, mute = 0;

	/* a length bent upwards makes somebody wait for the rest */
	patience_ms = bend ? SECOND : 20 * SECOND;
	for (size_t at = 0; at < total;
	     at += at < 120 || total - at < 120 ? 3 : 11) {
		struct rig g;
		struct err e = ERR_INIT;
		struct stream *s;
		char in[100];
		ssize_t last = -1;

		rig_whole(&g);
		(bend ? g.relay.bend : g.relay.cut)[way] = at;
		rig_start(&g, SAY_AND_CLOSE);
		s = dial(&g, &e);
		if (s != NULL)
			read_all(s, in, sizeof(in), &last, &e);
		stream_close(s);
		rig_end(&g);
		tried++;
		if (bend && g.relay.seen[way] <= at)
			continue; /* it was shorter this time */
		if (last == 0 && g.server.e.kind == ERR_NONE)
			fooled++;
		if (last != 0 && e.msg[0] == '\0')
			mute++;
	}
	patience_ms = 20 * SECOND;
	printf("# %u tries\n", tried);
	check(fooled == 0, names[bend][way], "not noticed");
	check(mute == 0, "every failure has words", "one has none");
}

static void identities(void)
{
	struct buf a = BUF_INIT(64u << 10), b = BUF_INIT(64u << 10),
		   cert = BUF_INIT(64u << 10), chain = BUF_INIT(64u << 10);
	struct cert_spec spec = { .cn = "x", .days = 1 };
	struct tls_identity *id;
	struct err e = ERR_INIT;
	uint8_t got[32], want[32];

	if (key_make_ec_p256(&a, &e) < 0 || key_make_ec_p256(&b, &e) < 0 ||
	    cert_make(&spec, buf_str(&b), buf_str(&b), &cert, &e) < 0)
		abort();
	check(tls_identity_pem(buf_str(&a), buf_str(&cert), &e) == NULL &&
		      says(&e, "the certificate is not for this private key"),
	      "identity: another key", e.msg);
	e = (struct err)ERR_INIT;
	check(tls_identity_pem(buf_str(&b), STR(""), &e) == NULL &&
		      says(&e, "no certificate in PEM form"),
	      "identity: no certificate", e.msg);
	for (int i = 0; i < 11; i++)
		buf_addstr(&chain, buf_str(&cert));
	e = (struct err)ERR_INIT;
	check(tls_identity_pem(buf_str(&b), buf_str(&chain), &e) == NULL &&
		      says(&e, "a chain of more than 10"),
	      "identity: chain too long", e.msg);
	e = (struct err)ERR_INIT;
	id = tls_identity_pem(buf_str(&b), buf_str(&cert), &e);
	check(id != NULL && key_pin(buf_str(&b), want, &e) == 0 &&
		      (tls_identity_pin(id, got), memcmp(got, want, 32) == 0),
	      "identity: pin", e.msg);
	tls_identity_free(id);
	buf_burn(&a);
	buf_burn(&b);
	buf_release(&cert);
	buf_release(&chain);
}

/* A chain of more certificates than anybody needs, and one too large. */
static void hostile_chains(void)
{
	struct verify v;
	struct tls_trust *trust = tls_trust_pin(pin);
	struct buf der = BUF_INIT(PEM_OBJECT_MAX), text = BUF_INIT(64u << 10);
	struct cert_spec spec = { .cn = "x", .days = 1 };
	struct err e = ERR_INIT;
	struct str rest, label;

	if (key_make_ec_p256(&text, &e) < 0 ||
	    cert_make(&spec, buf_str(&text), buf_str(&text), &text, &e) < 0)
		abort();
	rest = buf_str(&text);
	pem_next(&rest, &label, &der, &e); /* the key */
	pem_next(&rest, &label, &der, &e);
	verify_init(&v, trust, "x");
	v.vtable->start_chain(&v.vtable, "x");
	for (int i = 0; i < VERIFY_CHAIN_MAX + 1; i++) {
		v.vtable->start_cert(&v.vtable, (uint32_t)der.n);
		v.vtable->append(&v.vtable, (unsigned char *)der.str, der.n);
		v.vtable->end_cert(&v.vtable);
	}
	check(v.vtable->end_chain(&v.vtable) != 0 &&
		      says(&v.why, "more than 10 certificates") &&
		      v.vtable->get_pkey(&v.vtable, NULL) == NULL,
	      "verify: chain too long", v.why.msg);
	verify_release(&v);

	verify_init(&v, trust, "x");
	v.vtable->start_chain(&v.vtable, "x");
	v.vtable->start_cert(&v.vtable, 0xffffff);
	v.vtable->append(&v.vtable, (unsigned char *)der.str, der.n);
	v.vtable->end_cert(&v.vtable);
	check(v.vtable->end_chain(&v.vtable) != 0 &&
		      says(&v.why, "a certificate of more than 32768 bytes"),
	      "verify: certificate too large", v.why.msg);
	verify_release(&v);

	/* a good certificate, of somebody else's key */
	verify_init(&v, trust, "x");
	v.vtable->start_chain(&v.vtable, "x");
	v.vtable->start_cert(&v.vtable, (uint32_t)der.n);
	v.vtable->append(&v.vtable, (unsigned char *)der.str, der.n);
	v.vtable->end_cert(&v.vtable);
	check(v.vtable->end_chain(&v.vtable) != 0 &&
		      says(&v.why, "key is not the pinned one") &&
		      v.vtable->get_pkey(&v.vtable, NULL) == NULL,
	      "verify: another key", v.why.msg);
	verify_release(&v);

	verify_init(&v, trust, "x");
	v.vtable->start_chain(&v.vtable, "x");
	check(v.vtable->end_chain(&v.vtable) != 0 &&
		      says(&v.why, "sent no certificate"),
	      "verify: empty chain", v.why.msg);
	verify_release(&v);
	buf_release(&der);
	buf_release(&text);
	tls_trust_free(trust);
}

/* One certificate, trusted or not, for the name or not. */
static void names(void)
{
	static const struct {
		const char *host;
		bool trusted;
		const char *want;
	} rows[] = {
		{ "x.test", true, "" },
		{ "X.TEST", true, "" },
		{ "y.test", true, "certificate is for " },
		{ "x.test.evil", true, "certificate is for " },
		{ "x.test", false, "self-signed certificate " },
	};
	static const char *const own[] = { "DNS:x.test", NULL };
	struct cert_spec spec = { .cn = "x.test", .names = own, .days = 1 };
	struct buf der = BUF_INIT(PEM_OBJECT_MAX), text = BUF_INIT(64u << 10),
		   key = BUF_INIT(8192);
	struct err e = ERR_INIT;
	struct str rest, label;

	if (key_make_ec_p256(&key, &e) < 0 ||
	    cert_make(&spec, buf_str(&key), buf_str(&key), &text, &e) < 0)
		abort();
	rest = buf_str(&text);
	pem_next(&rest, &label, &der, &e);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_trust *t =
			rows[i].trusted ?
				tls_trust_pem(buf_str(&text), "it", &e) :
				trust_from(&(const char *){ NULL }, &e);
		struct verify v;
		char name[80];

		verify_init(&v, t, rows[i].host);
		v.vtable->start_chain(&v.vtable, rows[i].host);
		v.vtable->start_cert(&v.vtable, (uint32_t)der.n);
		v.vtable->append(&v.vtable, (unsigned char *)der.str, der.n);
		v.vtable->end_cert(&v.vtable);
		snprintf(name, sizeof(name), "verify: for %s, %s", rows[i].host,
			 rows[i].trusted ? "trusted" : "of nobody");
		check(rows[i].want[0] == '\0' ?
			      v.vtable->end_chain(&v.vtable) == 0 :
			      v.vtable->end_chain(&v.vtable) != 0 &&
				      says(&v.why, rows[i].want),
		      name, v.why.msg);
		verify_release(&v);
		tls_trust_free(t);
	}
	buf_release(&der);
	buf_release(&text);
	buf_burn(&key);
}

static void trust(void)
{
	struct err e = ERR_INIT;

	check(tls_trust_pem(STR("nothing"), "the text", &e) == NULL &&
		      says(&e, "the text: no certificate in PEM form"),
	      "trust: nothing", e.msg);
	tls_trust_free(NULL);
}

int main(void)
{
	struct buf key = BUF_INIT(8192);
	struct err e = ERR_INIT;
	size_t seen[2];

	if (key_make_ec_p256(&key, &e) < 0 ||
	    (identity = tls_identity_key(buf_str(&key), "server.test", &e)) ==
		    NULL) {
		check(false, "identity", e.msg);
		return 1;
	}
	tls_identity_pin(identity, pin);
	echo_sizes();
	endings();
	slow_reader();
	deadlines();
	measure(seen);
	for (int way = 0; way < 2; way++) {
		/* the length of a signature differs by a few bytes */
		cut_and_bent(way, seen[way] - 8, false);
		cut_and_bent(way, seen[way], true);
	}
	identities();
	hostile_chains();
	names();
	trust();
	tls_identity_free(identity);
	buf_burn(&key);
	return check_failed();
}
