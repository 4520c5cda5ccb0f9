/*
 * TLS 1.2 (RFC 5246) over BearSSL as a struct stream.  The engine is put
 * together by hand: ECDHE with AES-GCM or ChaCha20-Poly1305, SHA-256 and up,
 * and nothing that the linker would carry along for the past's sake.  No
 * renegotiation, no resumption, no ALPN.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/net.h"
#include "tls/inner.h"

#define GOODBYE_MS 1000 /* for close_notify, where the peer does not read */
#define CHAIN_MAX 10
#define SELF_SIGNED_DAYS 3650

struct tls_stream {
	struct stream base;
	struct stream *under;
	const char *peer;	       /* "server" or "client", for messages */
	br_ssl_engine_context *engine; /* of the one in use */
	union {
		br_ssl_client_context client;
		br_ssl_server_context server;
	} as;
	bool broken; /* the transport failed or ended in disorder */
	struct tls_shown shown;
	unsigned char io[BR_SSL_BUFSIZE_BIDI];
};

struct tls_identity {
	struct key key;
	uint8_t pin[32];
	br_x509_certificate chain[CHAIN_MAX];
	size_t chain_count;
	struct buf der; /* what the chain points into */
};

/* ---- words for numbers ---- */

struct sentence {
	int code;
	const char *text;
};

static const char *sentence_for(const struct sentence *s, size_t n, int code)
{
	for (size_t i = 0; i < n; i++)
		if (s[i].code == code)
			return s[i].text;
	return NULL;
}

/* RFC 5246 7.2: what the alerts of peers mean to somebody who waits. */
static const struct sentence alerts[] = {
	{ 10, "unexpected message" },
	{ 20, "a record arrived damaged" },
	{ 40,
	  "nothing in common (here it is TLS 1.2, ECDHE, AES-GCM or ChaCha20)" },
	{ 42, "our certificate is bad" },
	{ 43, "our certificate is of a kind it does not know" },
	{ 44, "our certificate is revoked" },
	{ 45, "our certificate has expired" },
	{ 46, "our certificate is not acceptable" },
	{ 47, "illegal parameter" },
	{ 48, "it does not know who issued our certificate" },
	{ 49, "access denied" },
	{ 50, "message could not be decoded" },
	{ 51, "a signature or key did not verify" },
	{ 70, "TLS 1.2 is not spoken there (perhaps TLS 1.3 only)" },
	{ 71, "our cipher suites are not strong enough" },
	{ 80, "internal error" },
	{ 112, "it has no host of this name" },
	{ 116, "it asks for a client certificate" },
};

static const struct sentence errors[] = {
	{ BR_ERR_UNSUPPORTED_VERSION, "does not speak TLS" },
	{ BR_ERR_BAD_VERSION, "changed its protocol version" },
	{ BR_ERR_BAD_LENGTH, "sent a record of impossible length" },
	{ BR_ERR_TOO_LARGE, "sent a record that is too large" },
	{ BR_ERR_BAD_MAC, "sent a record that was damaged on its way" },
	{ BR_ERR_UNKNOWN_TYPE, "does not speak TLS" },
	{ BR_ERR_UNEXPECTED, "sent a message out of turn" },
	{ BR_ERR_BAD_HANDSHAKE, "sent a malformed handshake message" },
	{ BR_ERR_BAD_CIPHER_SUITE, "chose a cipher suite that was not offered" },
	{ BR_ERR_BAD_SECRENEG, "sent a bad renegotiation indication" },
	{ BR_ERR_EXTRA_EXTENSION, "sent an extension that was not offered" },
	{ BR_ERR_BAD_SNI, "sent a bad server name" },
	{ BR_ERR_BAD_FINISHED, "saw another handshake than we did" },
	{ BR_ERR_INVALID_ALGORITHM, "chose a curve or hash that was not offered" },
	{ BR_ERR_BAD_SIGNATURE,
	  "did not prove that it holds its certificate's key" },
	{ BR_ERR_WRONG_KEY_USAGE,
	  "has a certificate whose key does not fit the cipher suite" },
	{ BR_ERR_NO_CLIENT_AUTH, "asks for a client certificate" },
};

#define SENTENCE_FOR(list, code) \
	sentence_for(list, sizeof(list) / sizeof((list)[0]), code)

static int engine_error(const struct tls_stream *t, int code, struct err *e)
{
	const char *text;

	if (code >= BR_ERR_SEND_FATAL_ALERT) {
		code -= BR_ERR_SEND_FATAL_ALERT;
		if (code == 70 || code == 86)
			return err_set(e, ERR_TLS,
				       "the %s does not offer TLS 1.2", t->peer);
		text = SENTENCE_FOR(alerts, code);
		return err_set(e, ERR_TLS, "we refused the %s: %s (alert %d)",
			       t->peer, text != NULL ? text : "TLS alert", code);
	}
	if (code >= BR_ERR_RECV_FATAL_ALERT) {
		code -= BR_ERR_RECV_FATAL_ALERT;
		text = SENTENCE_FOR(alerts, code);
		return err_set(e, ERR_TLS, "the %s refused: %s (alert %d)",
			       t->peer, text != NULL ? text : "TLS alert", code);
	}
	/* version_in: of its records, set only where they look like TLS */
	if (code == BR_ERR_UNSUPPORTED_VERSION && t->engine->version_in != 0)
		return err_set(e, ERR_TLS,
			       "the %s speaks only versions of TLS before 1.2",
			       t->peer);
	text = SENTENCE_FOR(errors, code);
	if (text != NULL)
		return err_set(e, ERR_TLS, "the %s %s", t->peer, text);
	return err_set(e, ERR_TLS, "TLS failed (BearSSL error %d)", code);
}

/* ---- moving records ---- */

static int send_record(struct tls_stream *t, int64_t deadline_ms, struct err *e)
{
	struct err ignored = ERR_INIT;
	size_t n;
	unsigned char *p = br_ssl_engine_sendrec_buf(t->engine, &n);

	if (t->engine->shutdown_recv) {
		/* our answer to the peer's goodbye: many do not stay for it */
		(void)stream_write(t->under, p, n, deadline_ms, &ignored);
	} else if (stream_write(t->under, p, n, deadline_ms, e) < 0) {
		t->broken = true; /* how much went out is not known */
		return -1;
	}
	br_ssl_engine_sendrec_ack(t->engine, n);
	return 0;
}

/* Some bytes of one: the engine puts records together. */
static int receive_record(struct tls_stream *t, int64_t deadline_ms, struct err *e)
{
	size_t n;
	unsigned char *p = br_ssl_engine_recvrec_buf(t->engine, &n);
	ssize_t got = stream_read(t->under, p, n, deadline_ms, e);

	if (got > 0) {
		br_ssl_engine_recvrec_ack(t->engine, (size_t)got);
		return 0;
	}
	if (got == 0) {
		/* anybody on the way can end a connection: without TLS's own
		 * goodbye what came so far may not be all */
		t->broken = true;
		return err_set(e, ERR_NET,
			       "the %s closed the connection without a TLS goodbye",
			       t->peer);
	}
	if (e->kind != ERR_TIMEOUT && e->kind != ERR_INTR)
		t->broken = true;
	return -1;
}

/*
 * Move records until the engine is in one of the wanted states: 1.  0 when the
 * peer said goodbye in order, -1 with e.  What is to be sent goes first, so
 * that nobody waits for an answer to something still in our buffer.
 */
static int run_until(struct tls_stream *t, unsigned wanted, int64_t deadline_ms,
		     struct err *e)
{
	for (;;) {
		unsigned state = br_ssl_engine_current_state(t->engine);
		int code = br_ssl_engine_last_error(t->engine);

		if (t->broken)
			return err_set(e, ERR_NET,
				       "the connection to the %s is broken",
				       t->peer);
		if (state & BR_SSL_CLOSED)
			return code == BR_ERR_OK ? 0 : engine_error(t, code, e);
		if (state & BR_SSL_SENDREC) {
			if (send_record(t, deadline_ms, e) < 0)
				return -1;
		} else if (state & wanted) {
			return 1;
		} else if (state & BR_SSL_RECVREC) {
			if (receive_record(t, deadline_ms, e) < 0)
				return -1;
		} else {
			return err_set(e, ERR_TLS, "TLS is stuck in state %u",
				       state);
		}
	}
}

/* ---- struct stream ---- */

static struct tls_stream *self(struct stream *s)
{
	return (struct tls_stream *)s;
}

static ssize_t tls_read(struct stream *s, void *p, size_t n,
			int64_t deadline_ms, struct err *e)
{
	struct tls_stream *t = self(s);
	unsigned char *from;
	size_t there;
	int rc;

	br_ssl_engine_flush(t->engine, 0);
	rc = run_until(t, BR_SSL_RECVAPP, deadline_ms, e);
	if (rc <= 0)
		return rc;
	from = br_ssl_engine_recvapp_buf(t->engine, &there);
	if (n > there)
		n = there;
	memcpy(p, from, n);
	br_ssl_engine_recvapp_ack(t->engine, n);
	return (ssize_t)n;
}

static int tls_write(struct stream *s, const void *p, size_t n,
		     int64_t deadline_ms, struct err *e)
{
	struct tls_stream *t = self(s);
	const unsigned char *from = p;

	while (n > 0) {
		int rc = run_until(t, BR_SSL_SENDAPP, deadline_ms, e);
		unsigned char *to;
		size_t room;

		if (rc == 0)
			return err_set(e, ERR_NET,
				       "the %s closed the connection", t->peer);
		if (rc < 0)
			return -1;
		to = br_ssl_engine_sendapp_buf(t->engine, &room);
		if (room > n)
			room = n;
		memcpy(to, from, room);
		br_ssl_engine_sendapp_ack(t->engine, room);
		from += room;
		n -= room;
	}
	return 0;
}

static int tls_flush(struct stream *s, int64_t deadline_ms, struct err *e)
{
	struct tls_stream *t = self(s);

	if (t->broken)
		return err_set(e, ERR_NET, "the connection to the %s is broken",
			       t->peer);
	br_ssl_engine_flush(t->engine, 0);
	while (br_ssl_engine_current_state(t->engine) & BR_SSL_SENDREC)
		if (send_record(t, deadline_ms, e) < 0)
			return -1;
	return stream_flush(t->under, deadline_ms, e);
}

static int tls_fd(struct stream *s)
{
	return stream_fd(self(s)->under);
}

static bool tls_pending(struct stream *s)
{
	return (br_ssl_engine_current_state(self(s)->engine) & BR_SSL_RECVAPP) !=
	       0;
}

/* close_notify, but only what can be sent at once or nearly so; the peer's is
 * not waited for (RFC 5246 7.2.1 does not ask for it). */
static void say_goodbye(struct tls_stream *t)
{
	struct err e = ERR_INIT;
	int64_t deadline = now_ms() + GOODBYE_MS;
	size_t n;

	br_ssl_engine_close(t->engine);
	if (br_ssl_engine_recvapp_buf(t->engine, &n) != NULL)
		br_ssl_engine_recvapp_ack(t->engine, n);
	while (br_ssl_engine_current_state(t->engine) & BR_SSL_SENDREC)
		if (send_record(t, deadline, &e) < 0)
			return;
	(void)stream_flush(t->under, deadline, &e);
}

static void tls_close(struct stream *s)
{
	struct tls_stream *t = self(s);

	if (!t->broken)
		say_goodbye(t);
	stream_close(t->under);
	burn(t, sizeof(*t)); /* session keys */
	free(t);
}

static const struct stream_ops tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.fd = tls_fd,
	.pending = tls_pending,
	.close = tls_close,
};

/* ---- the engine ---- */

/* What we speak, the best first. */
static const struct suite {
	uint16_t id;
	bool aes;
} suites[] = {
	{ BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true },
	{ BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true },
	{ BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true },
	{ BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, true },
	{ BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, false },
	{ BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, false },
};
#define N_SUITES (sizeof(suites) / sizeof(suites[0]))

/* The constant-time AES in software is several times slower than ChaCha20: on
 * processors without AES instructions its suites come last. */
static void set_suites(br_ssl_engine_context *engine)
{
	bool fast_aes = br_aes_x86ni_ctr_get_vtable() != NULL;
	uint16_t list[N_SUITES];
	size_t n = 0;

	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < N_SUITES; i++)
			if ((suites[i].aes && !fast_aes) == last)
				list[n++] = suites[i].id;
	br_ssl_engine_set_suites(engine, list, n);
}

static struct tls_stream *stream_new(struct stream *under, const char *peer)
{
	struct tls_stream *t = xcalloc(1, sizeof(*t));

	t->base.ops = &tls_ops;
	t->under = under;
	t->peer = peer;
	return t;
}

/* What client and server have in common. */
static void engine_init(struct tls_stream *t, br_ssl_engine_context *engine)
{
	uint8_t seed[32];

	t->engine = engine;
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	set_suites(engine);
	br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
	br_ssl_engine_set_default_aes_gcm(engine);
	br_ssl_engine_set_chapol(engine, &br_sslrec_in_chapol_vtable,
				 &br_sslrec_out_chapol_vtable);
	br_ssl_engine_set_chacha20(engine, br_chacha20_ct_run);
	br_ssl_engine_set_poly1305(engine, br_poly1305_ctmul_run);
	br_ssl_engine_set_ec(engine, TLS_EC);
	br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_buffer(engine, t->io, sizeof(t->io), 1);
	random_bytes(seed, sizeof(seed));
	br_ssl_engine_inject_entropy(engine, seed, sizeof(seed));
	burn(seed, sizeof(seed));
}

static int handshake(struct tls_stream *t, int64_t deadline_ms, struct err *e)
{
	int rc = run_until(t, BR_SSL_SENDAPP | BR_SSL_RECVAPP, deadline_ms, e);

	if (rc == 0)
		return err_set(e, ERR_NET,
			       "the %s said goodbye during the handshake",
			       t->peer);
	return rc < 0 ? -1 : 0;
}

/* ---- client ---- */

static bool is_address(const char *name)
{
	unsigned char any[16];

	return inet_pton(AF_INET, name, any) == 1 ||
	       inet_pton(AF_INET6, name, any) == 1;
}

/* While verify still holds the chain: in der is what was needed of it. */
static void remember_chain(struct tls_shown *shown, const struct verify *v)
{
	struct buf root = BUF_INIT(sizeof(shown->issuer));
	size_t n = 0;

	while (n < VERIFY_CHAIN_MAX && v->der[n].n > 0)
		n++;
	if (n == 0)
		return;
	cert_name_text(v->chain[n - 1].issuer, &root);
	snprintf(shown->issuer, sizeof(shown->issuer), "%s", root.str);
	shown->not_after = v->chain[0].not_after;
	buf_release(&root);
}

void tls_shown(struct stream *s, struct tls_shown *shown)
{
	*shown = self(s)->shown;
}

struct stream *tls_over(struct stream *under, const char *name,
			const struct tls_trust *trust, int64_t deadline_ms,
			struct err *e)
{
	struct tls_stream *t = stream_new(under, "server");
	br_ssl_client_context *client = &t->as.client;
	struct verify *v = xmalloc(sizeof(*v));
	int rc;

	verify_init(v, trust, name);
	br_ssl_client_zero(client);
	engine_init(t, &client->eng);
	br_ssl_engine_set_default_rsavrfy(t->engine);
	br_ssl_engine_set_ecdsa(t->engine, br_ecdsa_vrfy_asn1_get_default());
	br_ssl_engine_set_x509(t->engine, &v->vtable);
	/* RFC 6066 section 3: addresses are not server names */
	if (!br_ssl_client_reset(client, is_address(name) ? NULL : name, 0))
		rc = engine_error(t, br_ssl_engine_last_error(t->engine), e);
	else
		rc = handshake(t, deadline_ms, e);
	if (v->why.kind != ERR_NONE) { /* the reason behind the engine's number */
		err_clear(e);
		err_set(e, v->why.kind, "%s", v->why.msg);
	}
	br_ssl_engine_set_x509(t->engine, NULL);
	if (rc == 0)
		remember_chain(&t->shown, v);
	verify_release(v);
	free(v);
	if (rc < 0) {
		err_in(e, "TLS with %s", name);
		tls_close(&t->base);
		return NULL;
	}
	return &t->base;
}

struct stream *tls_connect(int fd, const char *name, const struct tls_trust *trust,
			   int64_t deadline_ms, struct err *e)
{
	return tls_over(stream_of_fd(fd), name, trust, deadline_ms, e);
}

/* ---- server ---- */

static int add_chain(struct tls_identity *id, struct str pem, struct err *e)
{
	struct buf der = BUF_INIT(PEM_OBJECT_MAX);
	size_t ends[CHAIN_MAX];
	struct str label;
	int found;

	while ((found = pem_next(&pem, &label, &der, e)) > 0) {
		if (!str_eqz(label, "CERTIFICATE"))
			continue;
		if (id->chain_count == CHAIN_MAX) {
			found = err_set(e, ERR_DATA,
					"a chain of more than %d certificates",
					CHAIN_MAX);
			break;
		}
		buf_addstr(&id->der, buf_str(&der));
		ends[id->chain_count++] = id->der.n;
	}
	buf_release(&der);
	if (found < 0 || buf_check(&id->der, "the certificate chain", e) < 0)
		return -1;
	/* only now: the buffer has moved while it grew */
	for (size_t i = 0, at = 0; i < id->chain_count; at = ends[i++])
		id->chain[i] = (br_x509_certificate){ loose(id->der.str + at),
						      ends[i] - at };
	return 0;
}

/* The leaf is a certificate, and for this key. */
static int check_leaf(const struct tls_identity *id, const struct buf *spki,
		      struct err *e)
{
	struct cert c;

	if (id->chain_count == 0)
		return err_set(e, ERR_DATA, "no certificate in PEM form");
	if (cert_read((struct str){ (const char *)id->chain[0].data,
				    id->chain[0].data_len },
		      &c, e) < 0)
		return -1;
	if (!str_eq(c.spki, buf_str(spki)))
		return err_set(e, ERR_DATA,
			       "the certificate is not for this private key");
	return 0;
}

struct tls_identity *tls_identity_pem(struct str key, struct str chain,
				      struct err *e)
{
	struct tls_identity *id = xcalloc(1, sizeof(*id));
	struct buf spki = BUF_INIT(1024);

	buf_init(&id->der, CHAIN_MAX * PEM_OBJECT_MAX);
	if (key_load(&id->key, key, e) < 0)
		goto fail;
	key_spki(&id->key, &spki);
	sha256(spki.str, spki.n, id->pin);
	if (add_chain(id, chain, e) < 0 || check_leaf(id, &spki, e) < 0)
		goto fail;
	buf_release(&spki);
	return id;
fail:
	buf_release(&spki);
	tls_identity_free(id);
	return NULL;
}

struct tls_identity *tls_identity_key(struct str key, const char *cn,
				      struct err *e)
{
	struct cert_spec spec = { .cn = cn, .days = SELF_SIGNED_DAYS };
	struct buf pem = BUF_INIT(PEM_OBJECT_MAX);
	struct tls_identity *id = NULL;

	if (cert_make(&spec, key, key, &pem, e) == 0)
		id = tls_identity_pem(key, buf_str(&pem), e);
	buf_release(&pem);
	return id;
}

void tls_identity_free(struct tls_identity *id)
{
	if (id == NULL)
		return;
	buf_release(&id->der);
	burn(id, sizeof(*id));
	free(id);
}

void tls_identity_pin(const struct tls_identity *id, uint8_t out[32])
{
	memcpy(out, id->pin, sizeof(id->pin));
}

struct stream *tls_accept(int fd, const struct tls_identity *id,
			  int64_t deadline_ms, struct err *e)
{
	struct tls_stream *t = stream_new(stream_of_fd(fd), "client");
	br_ssl_server_context *server = &t->as.server;
	int rc;

	br_ssl_server_zero(server);
	engine_init(t, &server->eng);
	br_ssl_engine_add_flags(t->engine, BR_OPT_ENFORCE_SERVER_PREFERENCES);
	/* the key signs and does nothing else: every suite is ECDHE */
	if (id->key.type == BR_KEYTYPE_RSA)
		br_ssl_server_set_single_rsa(server, id->chain, id->chain_count,
					     &id->key.rsa, BR_KEYTYPE_SIGN, 0,
					     br_rsa_pkcs1_sign_get_default());
	else
		br_ssl_server_set_single_ec(server, id->chain, id->chain_count,
					    &id->key.ec, BR_KEYTYPE_SIGN, 0,
					    TLS_EC,
					    br_ecdsa_sign_asn1_get_default());
	if (!br_ssl_server_reset(server))
		rc = engine_error(t, br_ssl_engine_last_error(t->engine), e);
	else
		rc = handshake(t, deadline_ms, e);
	if (rc < 0) {
		err_in(e, "TLS handshake");
		tls_close(&t->base);
		return NULL;
	}
	return &t->base;
}
