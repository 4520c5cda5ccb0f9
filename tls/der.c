/*
 * PEM (RFC 7468) and DER (X.690), both directions, as far as keys and
 * certificates need them.  Reads what strangers wrote: nothing is taken that
 * is not wholly there, or that has two spellings.
 */
#include <string.h>

#include "base/time.h"
#include "tls/inner.h"

#define OID(lit) \
	{ \
		(lit), sizeof(lit) - 1 \
	}

const struct str oid_rsa = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),
		 oid_rsa_sha256 = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),
		 oid_ec = OID("\x2a\x86\x48\xce\x3d\x02\x01"),
		 oid_ecdsa_sha256 = OID("\x2a\x86\x48\xce\x3d\x04\x03\x02"),
		 oid_p256 = OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"),
		 oid_p384 = OID("\x2b\x81\x04\x00\x22"),
		 oid_p521 = OID("\x2b\x81\x04\x00\x23"),
		 oid_cn = OID("\x55\x04\x03"), oid_o = OID("\x55\x04\x0a"),
		 oid_ou = OID("\x55\x04\x0b"), oid_ski = OID("\x55\x1d\x0e"),
		 oid_usage = OID("\x55\x1d\x0f"), oid_san = OID("\x55\x1d\x11"),
		 oid_basic = OID("\x55\x1d\x13"), oid_aki = OID("\x55\x1d\x23"),
		 oid_ext_usage = OID("\x55\x1d\x25"),
		 oid_constraints = OID("\x55\x1d\x1e"),
		 oid_email = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"),
		 oid_any_usage = OID("\x55\x1d\x25\x00"),
		 oid_server_auth = OID("\x2b\x06\x01\x05\x05\x07\x03\x01");

/* ---- PEM ---- */

/* Next line without its end; what follows the last newline is a line too. */
static bool next_line(struct str *text, struct str *line)
{
	if (!str_next(text, '\n', line))
		return false;
	*line = str_trim(*line);
	return true;
}

/* The LABEL of a "-----WORD LABEL-----" line. */
static bool boundary(struct str line, struct str word, struct str *label)
{
	const struct str dashes = STR("-----");

	if (!str_starts(line, word) || !str_ends(line, dashes) ||
	    line.n < word.n + dashes.n)
		return false;
	*label = str_head(str_skip(line, word.n), line.n - word.n - dashes.n);
	return true;
}

int pem_next(struct str *text, struct str *label, struct buf *der, struct err *e)
{
	struct buf base64 = BUF_INIT(PEM_OBJECT_MAX / 3 * 4 + 4);
	struct str line, end;
	int rc = -1;

	buf_reset(der);
	do {
		if (!next_line(text, &line))
			return 0;
	} while (!boundary(line, STR("-----BEGIN "), label));

	for (;;) {
		if (!next_line(text, &line)) {
			err_set(e, ERR_DATA, "PEM: no end of \"%.*s\"",
				STR_ARG(str_head(*label, 64)));
			goto out;
		}
		if (boundary(line, STR("-----END "), &end))
			break;
		if (str_chr(line, ':') >= 0) {
			err_set(e, ERR_DATA,
				"PEM: \"%.*s\" has header lines; "
				"keys with a passphrase cannot be read",
				STR_ARG(str_head(*label, 64)));
			goto out;
		}
		buf_addstr(&base64, line);
	}
	if (!str_eq(*label, end)) {
		err_set(e, ERR_DATA, "PEM: \"%.*s\" ends as \"%.*s\"",
			STR_ARG(str_head(*label, 64)),
			STR_ARG(str_head(end, 64)));
		goto out;
	}
	if (buf_check(&base64, "PEM object", e) < 0)
		goto out;
	if (buf_add_unbase64(der, buf_str(&base64), e) < 0) {
		err_in(e, "PEM: \"%.*s\"", STR_ARG(str_head(*label, 64)));
		goto out;
	}
	if (buf_check(der, "PEM object", e) < 0)
		goto out;
	rc = 1;
out:
	buf_burn(&base64);
	return rc;
}

void pem_add(struct buf *out, const char *label, const void *der, size_t n)
{
	const unsigned char *p = der;

	buf_addf(out, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < n; at += 48) {
		buf_add_base64(out, p + at, n - at < 48 ? n - at : 48);
		buf_addc(out, '\n');
	}
	buf_addf(out, "-----END %s-----\n", label);
}

/* ---- DER, reading ---- */

static unsigned byte_at(struct str s, size_t i)
{
	return (unsigned char)s.p[i];
}

/* Length of the header in front, with the length of the body in *body_n;
 * 0 if it is malformed or the body is not all there. */
static size_t der_header(struct str in, size_t *body_n)
{
	size_t n, octets, head = 2;

	if (in.n < 2 || (byte_at(in, 0) & 0x1f) == 0x1f)
		return 0;
	n = byte_at(in, 1);
	if (n >= 0x80) {
		octets = n & 0x7f;
		if (octets < 1 || octets > 3 || in.n < 2 + octets ||
		    byte_at(in, 2) == 0)
			return 0;
		n = 0;
		for (size_t i = 0; i < octets; i++)
			n = n << 8 | byte_at(in, 2 + i);
		if (n < 0x80)
			return 0;
		head += octets;
	}
	if (n > in.n - head)
		return 0;
	*body_n = n;
	return head;
}

bool der_any(struct str *in, unsigned *tag, struct str *body)
{
	size_t n, head = der_header(*in, &n);

	if (head == 0)
		return false;
	*tag = byte_at(*in, 0);
	*body = str_head(str_skip(*in, head), n);
	*in = str_skip(*in, head + n);
	return true;
}

bool der_get(struct str *in, unsigned tag, struct str *body)
{
	unsigned found;

	return in->n > 0 && byte_at(*in, 0) == tag && der_any(in, &found, body);
}

bool der_whole(struct str *in, unsigned tag, struct str *whole)
{
	struct str body, from = *in;

	if (!der_get(in, tag, &body))
		return false;
	*whole = str_head(from, from.n - in->n);
	return true;
}

bool der_uint(struct str *in, struct str *v)
{
	struct str at = *in;

	if (!der_get(&at, DER_INTEGER, v) || v->n == 0 || byte_at(*v, 0) >= 0x80 ||
	    (v->n > 1 && byte_at(*v, 0) == 0 && byte_at(*v, 1) < 0x80))
		return false;
	if (byte_at(*v, 0) == 0)
		*v = str_skip(*v, 1);
	*in = at;
	return true;
}

bool der_bits(struct str *in, struct str *v)
{
	struct str at = *in;

	if (!der_get(&at, DER_BIT_STRING, v) || v->n == 0 || byte_at(*v, 0) != 0)
		return false;
	*v = str_skip(*v, 1);
	*in = at;
	return true;
}

/* "991231235959Z" or "20501231235959Z". */
bool der_time(struct str *in, int64_t *t)
{
	struct str body, at = *in;
	unsigned tag;
	char z[32];
	size_t year = 4, n = 0;

	if (!der_any(&at, &tag, &body) ||
	    (tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME))
		return false;
	if (tag == DER_UTC_TIME)
		year = 2;
	if (body.n != year + 11 || byte_at(body, body.n - 1) != 'Z')
		return false;
	for (size_t i = 0; i + 1 < body.n; i++)
		if (!is_digit(body.p[i]))
			return false;
	if (year == 2) { /* RFC 5280 4.1.2.5.1: 50 is 1950 */
		memcpy(z, byte_at(body, 0) >= '5' ? "19" : "20", 2);
		n = 2;
	}
	for (size_t i = 0; i + 1 < body.n; i++) {
		if (i >= year && (i - year) % 2 == 0)
			z[n++] = "--T::"[(i - year) / 2];
		z[n++] = body.p[i];
	}
	z[n++] = 'Z';
	if (!time_parse_iso((struct str){ z, n }, t))
		return false;
	*in = at;
	return true;
}

/* ---- DER, writing ---- */

size_t der_open(struct buf *b, unsigned tag)
{
	buf_addc(b, (char)tag);
	buf_addc(b, 0);
	return b->n;
}

/* Only now is the length known; the body moves where it needs more bytes. */
void der_close(struct buf *b, size_t at)
{
	size_t n = b->n - at, more = n < 0x80 ? 0 : n < 0x100 ? 1 : 2;

	if (b->over || (more > 0 && buf_room(b, more) == NULL))
		return;
	if (more == 0) {
		b->str[at - 1] = (char)n;
		return;
	}
	memmove(b->str + at + more, b->str + at, n);
	b->str[at - 1] = (char)(0x80 | more);
	b->str[at] = (char)(more == 2 ? n >> 8 : n);
	if (more == 2)
		b->str[at + 1] = (char)n;
	buf_grew(b, more);
}

void der_add(struct buf *b, unsigned tag, const void *p, size_t n)
{
	size_t at = der_open(b, tag);

	buf_add(b, p, n);
	der_close(b, at);
}

void der_add_uint(struct buf *b, const void *p, size_t n)
{
	const unsigned char *v = p;
	size_t at;

	while (n > 0 && *v == 0) {
		v++;
		n--;
	}
	at = der_open(b, DER_INTEGER);
	if (n == 0 || *v >= 0x80)
		buf_addc(b, 0);
	buf_add(b, v, n);
	der_close(b, at);
}

void der_add_bits(struct buf *b, const void *p, size_t n)
{
	size_t at = der_open(b, DER_BIT_STRING);

	buf_addc(b, 0);
	buf_add(b, p, n);
	der_close(b, at);
}
