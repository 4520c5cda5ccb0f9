/*
 * What strangers give tls/ to read: PEM and private keys, DER, a server's
 * certificate chain as BearSSL hands it on, what an authority may issue for.
 * The first byte says which.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pem(struct str text)
{
	struct key *k = xmalloc(sizeof(*k));
	struct buf out = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct tls_trust *t;

	if (key_load(k, text, &e) == 0)
		key_spki(k, &out);
	free(k);
	e = (struct err)ERR_INIT;
	t = tls_trust_pem(text, "text", &e);
	tls_trust_free(t);
	buf_release(&out);
}

static void certificate(struct str der)
{
	struct buf text = BUF_INIT(500);
	struct err e = ERR_INIT;
	br_x509_pkey key;
	struct cert c;

	if (cert_read(der, &c, &e) == 0) {
		cert_name_text(c.subject, &text);
		cert_names_text(&c, &text);
		cert_is_for(&c, "a.b.example");
		cert_is_for(&c, "127.0.0.1");
		usage_serves(c.ext_usage);
		cert_key(c.spki, &key, &e);
	}
	buf_release(&text);
}

/* The inside of nameConstraints behind its length, and a certificate. */
static void limits(struct str in)
{
	unsigned left = LIMITS_LOOKS;
	struct buf text = BUF_INIT(500);
	struct err e = ERR_INIT;
	struct str constraints;
	struct cert c;
	size_t n;

	if (in.n < 2)
		return;
	n = (size_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];
	constraints = str_head(str_skip(in, 2), n);
	if (cert_read(str_skip(in, 2 + n), &c, &e) == 0) {
		if (!limits_allow(constraints, &c, &left, &text) && text.n == 0)
			abort(); /* a refusal without words */
		limits_allow(c.constraints, &c, &left, &text);
	}
	buf_release(&text);
}

/* Certificates, each behind its length in two bytes. */
static void chain(struct str in, bool pinned)
{
	static const uint8_t pin[32];
	struct tls_trust *t = tls_trust_pin(pin);
	struct verify v;

	/* without the pin there is nobody to trust, but all that comes before */
	t->pinned = pinned;
	verify_init(&v, t, "a.b.example");
	v.vtable->start_chain(&v.vtable, "a.b.example");
	while (in.n > 2) {
		size_t n = (size_t)(unsigned char)in.p[0] << 8 |
			   (unsigned char)in.p[1];
		struct str one;

		in = str_skip(in, 2);
		one = str_head(in, n);
		in = str_skip(in, n);
		v.vtable->start_cert(&v.vtable, (uint32_t)n);
		while (one.n > 0) { /* BearSSL gives small pieces, too */
			struct str piece = str_head(one, 256);

			v.vtable->append(&v.vtable,
					 (const unsigned char *)piece.p, piece.n);
			one = str_skip(one, piece.n);
		}
		v.vtable->end_cert(&v.vtable);
	}
	if (v.vtable->end_chain(&v.vtable) == 0)
		abort(); /* nobody could be trusted */
	if (v.why.kind == ERR_NONE || v.why.msg[0] == '\0')
		abort(); /* a refusal without words */
	if (v.vtable->get_pkey(&v.vtable, NULL) != NULL)
		abort();
	verify_release(&v);
	tls_trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;

	if (size == 0)
		return 0;
	in = (struct str){ (const char *)data + 1, size - 1 };
	switch (data[0] % 5) {
	case 0:
		pem(in);
		break;
	case 1:
		certificate(in);
		break;
	case 2:
		chain(in, true);
		break;
	case 3:
		chain(in, false);
		break;
	case 4:
		limits(in);
		break;
	}
	return 0;
}
