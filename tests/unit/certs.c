/*
 * PEM, DER, private keys and certificates, and what is not quite one.  That
 * others can read what we make is shown by sh/tls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tls/inner.h"
#include "tests/check.h"

static bool says(const struct err *e, const char *words)
{
	return e->kind != ERR_NONE && strstr(e->msg, words) != NULL;
}

/* A slice that is as long as its memory: a byte too far is seen. */
static struct str exact(const void *p, size_t n)
{
	char *copy = malloc(n == 0 ? 1 : n);

	if (copy == NULL)
		abort();
	if (n > 0)
		memcpy(copy, p, n);
	return (struct str){ copy, n };
}

static void drop(struct str s)
{
	free((void *)(uintptr_t)s.p);
}

/* ---- PEM ---- */

static const struct pem_case {
	const char *name, *text;
	int count;	  /* objects, or -1 */
	const char *want; /* their bytes in hex, or words of the error */
} pem_cases[] = {
	{ "nothing", "", 0, "" },
	{ "text only", "hello\n-----\nBEGIN X\n", 0, "" },
	{ "one", "-----BEGIN X-----\nAAEC\n-----END X-----\n", 1, "000102" },
	{ "no newline at the end", "-----BEGIN X-----\nAAEC\n-----END X-----",
	  1, "000102" },
	{ "CRLF", "-----BEGIN X-----\r\nAAEC\r\n-----END X-----\r\n", 1, "000102" },
	{ "blanks around lines",
	  " -----BEGIN X----- \n\t AAEC \n\n-----END X-----\n", 1, "000102" },
	{ "lines of any length",
	  "-----BEGIN X-----\nA\nAE\nC\n-----END X-----\n", 1, "000102" },
	{ "padding", "-----BEGIN X-----\nAA==\n-----END X-----\n", 1, "00" },
	{ "empty object", "-----BEGIN X-----\n-----END X-----\n", 1, "" },
	{ "text between",
	  "a\n-----BEGIN X-----\nAA==\n-----END X-----\nb\n"
	  "-----BEGIN X Y-----\nAQ==\n-----END X Y-----\nc\n",
	  2, "0001" },
	{ "no end", "-----BEGIN X-----\nAAEC\n", -1, "no end of \"X\"" },
	{ "begin again",
	  "-----BEGIN X-----\n-----BEGIN X-----\nAAEC\n-----END X-----\n", -1,
	  "\"X\"" },
	{ "other end", "-----BEGIN X-----\nAAEC\n-----END Y-----\n", -1,
	  "\"X\" ends as \"Y\"" },
	{ "not base64", "-----BEGIN X-----\nA*EC\n-----END X-----\n", -1, "\"X\"" },
	{ "encrypted of old",
	  "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END X-----\n",
	  -1, "keys with a passphrase cannot be read" },
};

static void pem(void)
{
	for (size_t i = 0; i < sizeof(pem_cases) / sizeof(pem_cases[0]); i++) {
		const struct pem_case *c = &pem_cases[i];
		struct buf der = BUF_INIT(PEM_OBJECT_MAX), hex = BUF_INIT(100);
		struct str text = exact(c->text, strlen(c->text)), rest = text,
			   label;
		struct err e = ERR_INIT;
		char name[100];
		int rc, count = 0;

		while ((rc = pem_next(&rest, &label, &der, &e)) > 0) {
			buf_add_hex(&hex, der.str, der.n);
			count++;
		}
		snprintf(name, sizeof(name), "pem: %s", c->name);
		check(c->count < 0 ? rc < 0 && says(&e, c->want) :
				     rc == 0 && count == c->count &&
					     strcmp(hex.str, c->want) == 0,
		      name, rc < 0 ? e.msg : hex.str);
		drop(text);
		buf_release(&der);
		buf_release(&hex);
	}
}

static void pem_ceiling(void)
{
	struct buf text = BUF_INIT(1 << 20), der = BUF_INIT(PEM_OBJECT_MAX);
	char *zeros = xcalloc(1, PEM_OBJECT_MAX + 1);
	struct err e = ERR_INIT;
	struct str rest, label;

	pem_add(&text, "X", zeros, PEM_OBJECT_MAX);
	rest = buf_str(&text);
	check(pem_next(&rest, &label, &der, &e) == 1 && der.n == PEM_OBJECT_MAX,
	      "pem: largest object", e.msg);
	buf_reset(&text);
	pem_add(&text, "X", zeros, PEM_OBJECT_MAX + 1);
	rest = buf_str(&text);
	check(pem_next(&rest, &label, &der, &e) < 0 && says(&e, "larger than"),
	      "pem: too large", e.msg);
	free(zeros);
	buf_release(&text);
	buf_release(&der);
}

/* ---- DER ---- */

static const struct der_case {
	const char *name, *hex;
	int body; /* length of the body, -1: refused */
} der_cases[] = {
	{ "empty", "", -1 },
	{ "tag only", "30", -1 },
	{ "no body", "3000", 0 },
	{ "short", "040201ff", 2 },
	{ "body missing", "0402ff", -1 },
	{ "something behind", "0401ff00", 1 },
	{ "indefinite length", "308000000000", -1 },
	{ "long form of a short length", "04810100", -1 },
	{ "length with a leading zero", "0482008000", -1 },
	{ "length of four bytes", "048400000001ff", -1 },
	{ "length cut", "0482", -1 },
	{ "huge length", "0483ffffffff", -1 },
	{ "tag of several bytes", "1f8101", -1 },
};

static void der(void)
{
	for (size_t i = 0; i < sizeof(der_cases) / sizeof(der_cases[0]); i++) {
		const struct der_case *c = &der_cases[i];
		struct buf b = BUF_INIT(100);
		struct err e = ERR_INIT;
		struct str in, rest, body = STR_NULL;
		char name[100];
		unsigned tag;
		bool got;

		buf_add_unhex(&b, str_of(c->hex), &e);
		in = exact(b.str, b.n);
		rest = in;
		got = der_any(&rest, &tag, &body);
		snprintf(name, sizeof(name), "der: %s", c->name);
		check(c->body < 0 ? !got && rest.n == in.n :
				    got && body.n == (size_t)c->body,
		      name, "wrong");
		drop(in);
		buf_release(&b);
	}
}

static void der_numbers(void)
{
	static const struct {
		const char *hex, *want;
	} cases[] = {
		{ "020100", "" },   { "020101", "01" }, { "0202008f", "8f" },
		{ "0200", NULL },   { "02018f", NULL }, { "02020001", NULL },
		{ "030100", NULL },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT(100), hex = BUF_INIT(100);
		struct err e = ERR_INIT;
		struct str in, v;

		buf_add_unhex(&b, str_of(cases[i].hex), &e);
		in = buf_str(&b);
		if (der_uint(&in, &v))
			buf_add_hex(&hex, v.p, v.n);
		else
			buf_adds(&hex, "refused");
		if (strcmp(hex.str, cases[i].want != NULL ? cases[i].want :
							    "refused") != 0) {
			good = false;
			printf("# %s gave %s\n", cases[i].hex, hex.str);
		}
		buf_release(&b);
		buf_release(&hex);
	}
	check(good, "der: integers", "see above");
}

static void der_lengths(void)
{
	static const size_t sizes[] = { 0,    1,     0x7f,   0x80,
					0xff, 0x100, 0x1234, 0x7000 };
	char *bytes = xcalloc(1, 0x8000);
	bool good = true;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf b = BUF_INIT(0x10000);
		struct str in, body;

		memset(bytes, 'x', sizes[i]);
		der_add(&b, DER_OCTET_STRING, bytes, sizes[i]);
		buf_addc(&b, 'y');
		in = buf_str(&b);
		good = good && der_get(&in, DER_OCTET_STRING, &body) &&
		       body.n == sizes[i] &&
		       memcmp(body.p, bytes, sizes[i]) == 0 && str_eqz(in, "y");
		buf_release(&b);
	}
	check(good, "der: lengths written and read", "differ");

	for (size_t max = 0; max < 300; max++) {
		struct buf b = BUF_INIT(max);

		der_add(&b, DER_OCTET_STRING, bytes, 290);
		good = good && b.over == (max < 294) && b.n <= max;
		buf_release(&b);
	}
	check(good, "der: written over a ceiling", "not noticed");
	free(bytes);
}

static void der_times(void)
{
	static const struct {
		const char *text;
		unsigned tag;
		int64_t want;
	} cases[] = {
		{ "700101000000Z", DER_UTC_TIME, 0 },
		{ "491231235959Z", DER_UTC_TIME, 2524607999 },
		{ "260801120000Z", DER_UTC_TIME, 1785585600 },
		{ "20500101000000Z", DER_GENERALIZED_TIME, 2524608000 },
		{ "99991231235959Z", DER_GENERALIZED_TIME, 253402300799 },
		{ "2608011200Z", DER_UTC_TIME, -1 },
		{ "260801120000", DER_UTC_TIME, -1 },
		{ "260801120000+0100", DER_UTC_TIME, -1 },
		{ "261301120000Z", DER_UTC_TIME, -1 },
		{ "26 801120000Z", DER_UTC_TIME, -1 },
		{ "20260801120000.5Z", DER_GENERALIZED_TIME, -1 },
		{ "260801120000Z", DER_GENERALIZED_TIME, -1 },
		{ "", DER_UTC_TIME, -1 },
		{ "260801120000Z", DER_UTF8_STRING, -1 },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT(100);
		struct str in;
		int64_t t = -1;

		der_add(&b, cases[i].tag, cases[i].text, strlen(cases[i].text));
		in = exact(b.str, b.n);
		struct str at = in;
		if (!der_time(&at, &t))
			t = -1;
		if (t != cases[i].want) {
			good = false;
			printf("# %s gave %lld\n", cases[i].text, (long long)t);
		}
		drop(in);
		buf_release(&b);
	}
	check(good, "der: times", "see above");
}

/* ---- keys, cut and bent ---- */

static struct buf make_key(bool rsa)
{
	struct buf pem = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;

	if ((rsa ? key_make_rsa(2048, &pem, &e) : key_make_ec_p256(&pem, &e)) < 0) {
		check(false, "making a key", e.msg);
		exit(1);
	}
	return pem;
}

static struct buf decoded(const struct buf *pem)
{
	struct buf der = BUF_INIT(PEM_OBJECT_MAX);
	struct str rest = buf_str(pem), label;
	struct err e = ERR_INIT;

	pem_next(&rest, &label, &der, &e);
	return der;
}

/* Inside of PKCS#8, as openssl writes it. */
static struct buf wrapped(const struct buf *key, bool rsa)
{
	struct buf out = BUF_INIT(8192);
	size_t at = der_open(&out, DER_SEQUENCE), algorithm;

	der_add_uint(&out, "", 0);
	algorithm = der_open(&out, DER_SEQUENCE);
	if (rsa) {
		der_add(&out, DER_OID, oid_rsa.p, oid_rsa.n);
		der_add(&out, DER_NULL, "", 0);
	} else {
		der_add(&out, DER_OID, oid_ec.p, oid_ec.n);
		der_add(&out, DER_OID, oid_p256.p, oid_p256.n);
	}
	der_close(&out, algorithm);
	der_add(&out, DER_OCTET_STRING, key->str, key->n);
	der_close(&out, at);
	return out;
}

static bool loads(const char *label, const void *p, size_t n)
{
	struct buf pem = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	struct key *k = xmalloc(sizeof(*k));
	bool good;

	pem_add(&pem, label, p, n);
	good = key_load(k, buf_str(&pem), &e) == 0;
	if (!good && (e.kind != ERR_DATA || e.msg[0] == '\0')) {
		check(false, "a refusal has words", e.msg);
		exit(1);
	}
	free(k);
	buf_release(&pem);
	return good;
}

static void cut_and_bent(const char *name, const char *label,
			 const struct buf *der_key)
{
	char *copy = xmalloc(der_key->n + 1), what[100];
	size_t taken = 0;

	snprintf(what, sizeof(what), "%s: whole", name);
	check(loads(label, der_key->str, der_key->n), what, "refused");
	for (size_t cut = 0; cut < der_key->n; cut++)
		taken += loads(label, der_key->str, cut);
	snprintf(what, sizeof(what), "%s: cut at every byte", name);
	check(taken == 0, what, "taken");
	memcpy(copy, der_key->str, der_key->n);
	copy[der_key->n] = 0;
	snprintf(what, sizeof(what), "%s: something behind", name);
	check(!loads(label, copy, der_key->n + 1), what, "taken");
	/* some bent keys are keys; none may do harm */
	for (size_t i = 0; i < der_key->n; i++) {
		copy[i] = (char)(copy[i] ^ 0x81);
		loads(label, copy, der_key->n);
		copy[i] = (char)(copy[i] ^ 0x81);
	}
	snprintf(what, sizeof(what), "%s: bent at every byte", name);
	check(true, what, "");
	free(copy);
}

static void keys(bool rsa)
{
	const char *label = rsa ? "RSA PRIVATE KEY" : "EC PRIVATE KEY";
	const char *name = rsa ? "RSA key" : "EC key";
	struct buf pem_key = make_key(rsa), der_key = decoded(&pem_key);
	struct buf p8 = wrapped(&der_key, rsa), spki = BUF_INIT(1024),
		   text = BUF_INIT(64u << 10);
	uint8_t pin[32], other[32];
	struct err e = ERR_INIT;
	struct str cut;
	size_t taken = 0;

	cut_and_bent(name, label, &der_key);
	cut_and_bent(rsa ? "RSA key in PKCS#8" : "EC key in PKCS#8",
		     "PRIVATE KEY", &p8);

	/* the text, too; only its last newline may be missing */
	for (size_t n = 0; n + 1 < pem_key.n; n++) {
		struct err ignored = ERR_INIT;

		cut = exact(pem_key.str, n);
		taken += key_pin(cut, pin, &ignored) == 0;
		drop(cut);
	}
	check(taken == 0,
	      rsa ? "RSA PEM cut at every byte" : "EC PEM cut at every byte",
	      "taken");

	check(key_pin(buf_str(&pem_key), pin, &e) == 0, "pin", e.msg);
	pem_add(&text, "PRIVATE KEY", p8.str, p8.n);
	check(key_pin(buf_str(&text), other, &e) == 0 &&
		      memcmp(pin, other, 32) == 0,
	      "pin of the same key in PKCS#8", e.msg);
	buf_reset(&text);
	check(key_ssh_public(buf_str(&pem_key), NULL, &text, &e) == 0 &&
		      str_starts(buf_str(&text),
				 rsa ? STR("ssh-rsa AAAAB3NzaC1yc2E") :
				       STR("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY")) &&
		      str_ends(buf_str(&text), STR("\n")),
	      "ssh line without comment", text.str);
	buf_burn(&pem_key);
	buf_burn(&der_key);
	buf_burn(&p8);
	buf_release(&spki);
	buf_release(&text);
}

/* An EC key is a number between 1 and the order of its curve. */
static void ec_range(void)
{
	static const struct {
		const char *name, *hex;
		bool good;
	} cases[] = {
		{ "zero",
		  "0000000000000000000000000000000000000000000000000000000000000000",
		  false },
		{ "one",
		  "0000000000000000000000000000000000000000000000000000000000000001",
		  true },
		{ "order less one",
		  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
		  true },
		{ "order",
		  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
		  false },
		{ "all ones",
		  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		  false },
		{ "too short", "01", false },
		{ "too long",
		  "000000000000000000000000000000000000000000000000000000000000000001",
		  false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf x = BUF_INIT(100), b = BUF_INIT(200);
		struct err e = ERR_INIT;
		size_t at = der_open(&b, DER_SEQUENCE), inner;
		char name[100];

		buf_add_unhex(&x, str_of(cases[i].hex), &e);
		der_add_uint(&b, "\1", 1);
		der_add(&b, DER_OCTET_STRING, x.str, x.n);
		inner = der_open(&b, DER_CONTEXT_OPEN(0));
		der_add(&b, DER_OID, oid_p256.p, oid_p256.n);
		der_close(&b, inner);
		der_close(&b, at);
		snprintf(name, sizeof(name), "EC key: %s", cases[i].name);
		check(loads("EC PRIVATE KEY", b.str, b.n) == cases[i].good,
		      name, cases[i].good ? "refused" : "taken");
		buf_release(&x);
		buf_release(&b);
	}
}

/* ---- certificates ---- */

static void text_is(void (*text_of)(const struct cert *, struct buf *),
		    const struct cert *c, const char *want, const char *what)
{
	struct buf b = BUF_INIT(1000);

	text_of(c, &b);
	check(strcmp(b.str, want) == 0, what, b.str);
	buf_release(&b);
}

static void subject_text(const struct cert *c, struct buf *out)
{
	cert_name_text(c->subject, out);
}

static void issuer_text(const struct cert *c, struct buf *out)
{
	cert_name_text(c->issuer, out);
}

static struct buf make_cert(const struct cert_spec *spec, const struct buf *key)
{
	struct buf pem_cert = BUF_INIT(64u << 10), out;
	struct err e = ERR_INIT;

	if (cert_make(spec, buf_str(key), buf_str(key), &pem_cert, &e) < 0) {
		check(false, "making a certificate", e.msg);
		exit(1);
	}
	out = decoded(&pem_cert);
	buf_release(&pem_cert);
	return out;
}

static void certificates(void)
{
	static const char *const names[] = { "DNS:a.example", "DNS:*.b.example",
					     "IP:10.77.0.1", "IP:2001:db8::1",
					     NULL };
	static const char *const many[] = { "DNS:a", "DNS:b",	 "DNS:c",
					    "DNS:d", "DNS:e",	 "DNS:f",
					    "DNS:g", "DNS:h\nx", NULL };
	struct cert_spec spec = { .cn = "a\tleaf",
				  .issuer_cn = "An Issuer",
				  .names = names,
				  .days = 2 };
	struct buf key = make_key(false), der_cert = make_cert(&spec, &key),
		   spki = BUF_INIT(1024);
	struct err e = ERR_INIT;
	br_x509_pkey pkey;
	struct key k;
	struct cert c;
	size_t taken = 0;
	char *copy;

	check(cert_read(buf_str(&der_cert), &c, &e) == 0, "certificate: read",
	      e.msg);
	text_is(subject_text, &c, "CN=a?leaf",
		"certificate: subject, control characters shown");
	text_is(issuer_text, &c, "CN=An Issuer", "certificate: issuer");
	text_is(cert_names_text, &c,
		"a.example, *.b.example, 10.77.0.1, 2001:db8::1",
		"certificate: names");
	check(c.version == 3 && !c.ca && usage_serves(c.ext_usage),
	      "certificate: a server's", "it is not");
	check(c.not_after - c.not_before == 2 * 86400 + 3600 &&
		      c.not_before <= unix_time() - 3600 &&
		      c.not_before > unix_time() - 3700,
	      "certificate: dates", "wrong");
	key_load(&k, buf_str(&key), &e);
	key_spki(&k, &spki);
	check(str_eq(c.spki, buf_str(&spki)), "certificate: key", "another");
	check(cert_key(c.spki, &pkey, &e) == 0 && pkey.key_type == BR_KEYTYPE_EC &&
		      pkey.key.ec.curve == BR_EC_secp256r1 &&
		      pkey.key.ec.qlen == 65,
	      "certificate: key taken apart", e.msg);

	for (size_t n = 0; n < der_cert.n; n++) {
		struct err ignored = ERR_INIT;
		struct str cut = exact(der_cert.str, n);

		taken += cert_read(cut, &c, &ignored) == 0;
		drop(cut);
	}
	check(taken == 0, "certificate: cut at every byte", "taken");
	for (size_t n = 0; n < c.spki.n; n++) {
		struct err ignored = ERR_INIT;
		struct str cut = exact(spki.str, n);

		taken += cert_key(cut, &pkey, &ignored) == 0;
		drop(cut);
	}
	check(taken == 0, "certificate: key cut at every byte", "taken");

	copy = xmalloc(der_cert.n);
	memcpy(copy, der_cert.str, der_cert.n);
	for (size_t i = 0; i < der_cert.n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct buf text = BUF_INIT(500);
			struct err ignored = ERR_INIT;

			copy[i] = (char)(copy[i] ^ (1 << bit));
			if (cert_read((struct str){ copy, der_cert.n }, &c,
				      &ignored) == 0) {
				cert_name_text(c.subject, &text);
				cert_names_text(&c, &text);
				cert_is_for(&c, "x.b.example");
				cert_is_for(&c, "10.77.0.1");
				usage_serves(c.ext_usage);
				cert_key(c.spki, &pkey, &ignored);
			}
			copy[i] = (char)(copy[i] ^ (1 << bit));
			buf_release(&text);
		}
	check(true, "certificate: every bit bent", "");
	free(copy);
	buf_release(&der_cert);

	spec = (struct cert_spec){ .cn = "ca", .ca = true, .names = many, .days = 1 };
	der_cert = make_cert(&spec, &key);
	check(cert_read(buf_str(&der_cert), &c, &e) == 0 && c.ca &&
		      str_eq(c.subject, c.issuer),
	      "certificate: an authority's", e.msg);
	text_is(cert_names_text, &c, "a, b, c, d, e, f and 2 more",
		"certificate: a long list of names");
	buf_release(&der_cert);

	spec = (struct cert_spec){ .cn = "none", .days = 1 };
	der_cert = make_cert(&spec, &key);
	check(cert_read(buf_str(&der_cert), &c, &e) == 0 && c.names.p == NULL &&
		      !cert_is_for(&c, "none"),
	      "certificate: without names", "is for its CN");
	buf_release(&der_cert);

	spec.days = 36501;
	{
		struct buf out = BUF_INIT(100);

		check(cert_make(&spec, buf_str(&key), buf_str(&key), &out, &e) < 0 &&
			      says(&e, "36501 days; 36500 at most"),
		      "certificate: for too long", e.msg);
		buf_release(&out);
	}
	burn(&k, sizeof(k));
	buf_release(&spki);
	buf_burn(&key);
}

/* ---- name constraints, as a stranger may write them ---- */

/* Inside of nameConstraints: n times the same base. */
static struct buf subtrees(size_t n, unsigned tag, struct str base)
{
	struct buf b = BUF_INIT(1u << 20);
	size_t list = der_open(&b, DER_CONTEXT_OPEN(1)), one;

	for (size_t i = 0; i < n; i++) {
		one = der_open(&b, DER_SEQUENCE);
		der_add(&b, tag, base.p, base.n);
		der_close(&b, one);
	}
	der_close(&b, list);
	return b;
}

static bool allow(const struct buf *constraints, const struct cert *c,
		  unsigned *left, char said[200])
{
	struct buf text = BUF_INIT(199);
	struct str in = exact(constraints->str, constraints->n);
	bool good = limits_allow(in, c, left, &text);

	memcpy(said, text.str, text.n + 1);
	drop(in);
	buf_release(&text);
	return good;
}

static void limits(void)
{
	static const char *const names[] = { "DNS:a.example", "IP:10.0.0.1",
					     NULL };
	struct cert_spec spec = { .cn = "a leaf", .names = names, .days = 1 };
	struct buf key = make_key(false), der_cert = make_cert(&spec, &key), b;
	unsigned left = LIMITS_LOOKS;
	struct err e = ERR_INIT;
	char said[200];
	struct cert c;
	size_t taken = 0;

	cert_read(buf_str(&der_cert), &c, &e);
	b = subtrees(1, DER_CONTEXT(2), STR("b.example"));
	check(allow(&b, &c, &left, said) && left < LIMITS_LOOKS,
	      "limits: others are excluded", said);
	for (size_t n = 1; n < b.n; n++) {
		struct buf cut = { .str = b.str, .n = n };

		taken += allow(&cut, &c, &left, said);
	}
	check(taken == 0, "limits: cut at every byte", "taken");
	buf_release(&b);
	/* each of them is looked at for the subject and two names */
	b = subtrees(1000, DER_CONTEXT(2), STR("b.example"));
	left = 3000;
	check(allow(&b, &c, &left, said) && left == 0,
	      "limits: as many looks as there may be", said);
	left = 2999;
	check(!allow(&b, &c, &left, said) && left == 0 &&
		      strcmp(said, "10.0.0.1") == 0,
	      "limits: one look too many", said);
	check(!allow(&b, &c, &left, said), "limits: and none afterwards", said);
	buf_release(&b);
	/* CN=a leaf as a BMPString: who knows whether it is the same */
	b = subtrees(1, DER_CONTEXT_OPEN(4),
		     STR("\x30\x17\x31\x15\x30\x13\x06\x03\x55\x04\x03\x1e\x0c"
			 "\0a\0 \0l\0e\0a\0f"));
	left = LIMITS_LOOKS;
	check(!allow(&b, &c, &left, said) && strcmp(said, "CN=a leaf") == 0,
	      "limits: excluded in another alphabet", said);
	buf_release(&b);
	buf_release(&der_cert);
	buf_burn(&key);
}

static void whom_for(void)
{
	static const char *const names[] = {
		"DNS:a.example",    "DNS:*.b.example", "DNS:*.example",
		"DNS:x*.c.example", "DNS:*",	       "DNS:10.0.0.9",
		"IP:10.0.0.1",	    "IP:::1",	       NULL
	};
	static const struct {
		const char *host;
		bool good;
	} cases[] = {
		{ "a.example", true },
		{ "A.Example", true },
		{ "a.example.", true },
		{ "b.example", false },
		{ "x.b.example", true },
		{ "X.B.EXAMPLE", true },
		{ "y.x.b.example", false },
		{ ".b.example", false },
		{ "xb.example", false },
		/* the label behind the star must have one behind it */
		{ "c.example", false },
		{ "com", false },
		/* a star that is a part of a label is a star */
		{ "xy.c.example", false },
		{ "x*.c.example", true },
		/* addresses match addresses, names match names */
		{ "10.0.0.1", true },
		{ "10.0.0.2", false },
		{ "10.0.0.9", false },
		{ "::1", true },
		{ "0:0:0:0:0:0:0:1", true },
		{ "::2", false },
		{ "", false },
	};
	struct cert_spec spec = { .cn = "a.test", .names = names, .days = 1 };
	struct buf key = make_key(false), der_cert = make_cert(&spec, &key);
	struct err e = ERR_INIT;
	struct cert c;

	cert_read(buf_str(&der_cert), &c, &e);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[100];

		snprintf(name, sizeof(name), "certificate for \"%s\"",
			 cases[i].host);
		check(cert_is_for(&c, cases[i].host) == cases[i].good, name,
		      cases[i].good ? "is not" : "is");
	}
	buf_release(&der_cert);
	buf_burn(&key);
}

int main(void)
{
	pem();
	pem_ceiling();
	der();
	der_numbers();
	der_lengths();
	der_times();
	keys(false);
	keys(true);
	ec_range();
	certificates();
	limits();
	whom_for();
	return check_failed();
}
