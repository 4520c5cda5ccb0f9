/*
 * Public keys that signatures are checked with, and private keys that sign:
 * RSA (RFC 8332) and ECDSA (RFC 5656), read from PEM (RFC 8017 A.1.2, RFC
 * 5915, RFC 5958) and from OpenSSH's own form (PROTOCOL.key).  Knows nothing
 * of connections.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ssh/inner.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096 /* BearSSL's limit */
#define RSA_N_MAX (RSA_BITS_MAX / 8)
#define FILE_MAX (32 * 1024)

static unsigned char *loose(const void *p)
{
	/* BearSSL's structures do not know const */
	return (unsigned char *)(uintptr_t)p;
}

static size_t bit_length(struct str v)
{
	size_t n = v.n * 8;

	for (unsigned top = v.n > 0 ? (unsigned char)v.p[0] : 0x80; top < 0x80;
	     top <<= 1)
		n--;
	return n;
}

/* ---- algorithms ---- */

static const struct curve {
	const char *type, *name;
	int id;
	size_t n;		   /* bytes of a coordinate, and of the order */
	const br_hash_class *hash; /* RFC 5656 6.2.1 */
} curves[] = {
	{ "ecdsa-sha2-nistp256", "nistp256", BR_EC_secp256r1, 32,
	  &br_sha256_vtable },
	{ "ecdsa-sha2-nistp384", "nistp384", BR_EC_secp384r1, 48,
	  &br_sha384_vtable },
};

static const struct rsa_alg {
	const char *name;
	const br_hash_class *hash;
	size_t hash_n;
	const unsigned char *oid;
} rsa_algs[] = {
	{ "rsa-sha2-512", &br_sha512_vtable, 64, BR_HASH_OID_SHA512 },
	{ "rsa-sha2-256", &br_sha256_vtable, 32, BR_HASH_OID_SHA256 },
};

static const struct curve *curve_named(struct str name)
{
	for (size_t i = 0; i < 2; i++)
		if (str_eqz(name, curves[i].name))
			return &curves[i];
	return NULL;
}

static const struct rsa_alg *rsa_alg(struct str name)
{
	for (size_t i = 0; i < 2; i++)
		if (str_eqz(name, rsa_algs[i].name))
			return &rsa_algs[i];
	return NULL;
}

static void hash_of(const br_hash_class *h, struct str data,
		    uint8_t out[SSH_HASH_MAX])
{
	br_hash_compat_context c;

	h->init(&c.vtable);
	h->update(&c.vtable, data.p, data.n);
	h->out(&c.vtable, out);
}

/* ---- public keys ---- */

void ssh_fingerprint(struct str blob, char out[51])
{
	struct buf b = BUF_INIT(64);
	uint8_t h[SHA256_LEN];

	sha256(blob.p, blob.n, h);
	buf_adds(&b, "SHA256:");
	buf_add_base64(&b, h, sizeof(h));
	buf_truncate(&b, 50); /* shown without padding everywhere */
	memcpy(out, b.str, 51);
	buf_release(&b);
}

int ssh_blob_of_line(const char *line, const char *what, struct buf *blob,
		     struct err *e)
{
	struct str rest = str_trim(str_of(line)), type, base64, inner;
	struct err mine = ERR_INIT;

	if (!str_cut(&rest, ' ', &type) || type.n == 0)
		return err_set(e, ERR_DATA, "%s: not a line of TYPE BASE64", what);
	rest = str_trim(rest);
	str_next(&rest, ' ', &base64);
	buf_reset(blob);
	if (buf_add_unbase64(blob, base64, &mine) < 0 || blob->over)
		return err_set(e, ERR_DATA, "%s: not a line of TYPE BASE64", what);
	rest = buf_str(blob);
	if (!wire_string(&rest, &inner) || !str_eq(type, inner))
		return err_set(e, ERR_DATA, "%s: type and key do not agree", what);
	return 0;
}

int ssh_pub_parse(struct ssh_pub *p, struct str blob, struct err *e)
{
	struct str in, type, curve, q, exp, n;

	if (blob.n > sizeof(p->blob))
		return err_set(e, ERR_DATA, "a key of %zu bytes; %zu at most",
			       blob.n, sizeof(p->blob));
	memcpy(p->blob, blob.p, blob.n);
	p->blob_n = blob.n;
	in = (struct str){ (const char *)p->blob, blob.n };
	if (!wire_string(&in, &type))
		return err_set(e, ERR_DATA, "not a public key");
	p->rsa = str_eqz(type, "ssh-rsa");
	if (p->rsa) {
		if (!wire_mpint(&in, &exp) || !wire_mpint(&in, &n) ||
		    in.n != 0 || exp.n == 0)
			return err_set(e, ERR_DATA, "not an RSA public key");
		if (bit_length(n) < RSA_BITS_MIN || bit_length(n) > RSA_BITS_MAX)
			return err_set(e, ERR_DATA,
				       "RSA key of %zu bits; only %u to %u will do",
				       bit_length(n), RSA_BITS_MIN, RSA_BITS_MAX);
		p->rsa_pub = (br_rsa_public_key){ loose(n.p), n.n, loose(exp.p),
						  exp.n };
		return 0;
	}
	if (!str_eqz(type, "ecdsa-sha2-nistp256"))
		return err_set(e, ERR_DATA,
			       "a key of type \"%.*s\"; ecdsa-sha2-nistp256 "
			       "and ssh-rsa are understood",
			       STR_ARG(str_head(type, 40)));
	if (!wire_string(&in, &curve) || !str_eqz(curve, "nistp256") ||
	    !wire_string(&in, &q) || in.n != 0 || q.n != 65 || q.p[0] != 4)
		return err_set(e, ERR_DATA, "not an ECDSA public key");
	p->ec_pub = (br_ec_public_key){ BR_EC_secp256r1, loose(q.p), q.n };
	return 0;
}

/* mpint r and s, each put at the end of n bytes. */
static bool raw_pair(struct str in, uint8_t *raw, size_t n)
{
	struct str r, s;

	if (!wire_mpint(&in, &r) || !wire_mpint(&in, &s) || in.n != 0 ||
	    r.n > n || s.n > n)
		return false;
	memset(raw, 0, 2 * n);
	memcpy(raw + n - r.n, r.p, r.n);
	memcpy(raw + 2 * n - s.n, s.p, s.n);
	return true;
}

static bool rsa_verify(const br_rsa_public_key *k, const struct rsa_alg *a,
		       struct str sig, const uint8_t *hash)
{
	uint8_t padded[RSA_N_MAX] = { 0 }, found[SSH_HASH_MAX];

	/* RFC 8332 3: leading zeros may be missing */
	if (sig.n > k->nlen || sig.n == 0)
		return false;
	memcpy(padded + k->nlen - sig.n, sig.p, sig.n);
	return br_rsa_pkcs1_vrfy_get_default()(padded, k->nlen, a->oid,
					       a->hash_n, k, found) &&
	       same_bytes(found, hash, a->hash_n);
}

bool ssh_pub_verify(const struct ssh_pub *p, struct str algorithm,
		    struct str sig, const void *data, size_t n)
{
	struct str name, body, text = { data, n };
	uint8_t hash[SSH_HASH_MAX], raw[64];
	const struct rsa_alg *a;

	if (!wire_string(&sig, &name) || !wire_string(&sig, &body) ||
	    sig.n != 0 || !str_eq(name, algorithm))
		return false;
	if (p->rsa) {
		if ((a = rsa_alg(algorithm)) == NULL)
			return false;
		hash_of(a->hash, text, hash);
		return rsa_verify(&p->rsa_pub, a, body, hash);
	}
	if (!str_eqz(algorithm, curves[0].type) || !raw_pair(body, raw, 32))
		return false;
	hash_of(&br_sha256_vtable, text, hash);
	return br_ecdsa_vrfy_raw_get_default()(SSH_EC, hash, 32, &p->ec_pub,
					       raw, sizeof(raw)) == 1;
}

/* ---- private keys ---- */

struct ssh_key {
	const struct curve *curve; /* NULL: RSA */
	br_rsa_private_key rsa;
	br_rsa_public_key rsa_pub;
	br_ec_private_key ec;
	uint8_t q[BR_EC_KBUF_PUB_MAX_SIZE];
	size_t q_n;
	/* what the above point into */
	uint8_t n[RSA_N_MAX], e[8];
	uint8_t p[RSA_N_MAX], pq[RSA_N_MAX], dp[RSA_N_MAX], dq[RSA_N_MAX],
		iq[RSA_N_MAX];
	uint8_t x[48];
};

/* Numbers of an RSA key, big-endian, without leading zeros. */
struct rsa_parts {
	struct str n, e, d, p, q, dp, dq, iq; /* dp.n == 0: to be computed */
};

/* r = d mod (m - 1), r of m.n bytes, one bit at a time and each in the same
 * time; m is odd, so m - 1 only clears a bit. */
static void mod_minus_1(uint8_t *r, struct str d, struct str m)
{
	uint8_t t[RSA_N_MAX];
	size_t n = m.n;

	memset(r, 0, n);
	for (size_t bit = 0; bit < d.n * 8; bit++) {
		unsigned in = (unsigned char)d.p[bit / 8] >> (7 - bit % 8) & 1,
			 borrow = 0, keep;

		for (size_t i = n; i-- > 0;) {
			unsigned v = (unsigned)r[i] << 1 | in;

			r[i] = (uint8_t)v;
			in = v >> 8;
		}
		for (size_t i = n; i-- > 0;) {
			unsigned mi = (unsigned char)m.p[i] &
				      (i == n - 1 ? 0xfeu : 0xffu);
			unsigned v = 0x100u + r[i] - mi - borrow;

			t[i] = (uint8_t)v;
			borrow = 1 - (v >> 8);
		}
		/* subtract when it fits: the bit shifted out pays the borrow */
		keep = borrow & (in ^ 1);
		for (size_t i = 0; i < n; i++)
			r[i] = (uint8_t)((r[i] & (0u - keep)) |
					 (t[i] & (keep - 1u)));
	}
	burn(t, sizeof(t));
}

static bool copy_part(uint8_t *to, size_t max, struct str v)
{
	if (v.n == 0 || v.n > max)
		return false;
	memcpy(to, v.p, v.n);
	return true;
}

static int load_rsa(struct ssh_key *k, const struct rsa_parts *v, struct err *e)
{
	size_t half = RSA_N_MAX / 2 + 4;

	if (bit_length(v->n) < RSA_BITS_MIN || bit_length(v->n) > RSA_BITS_MAX)
		return err_set(e, ERR_DATA,
			       "RSA key of %zu bits; only %u to %u will do",
			       bit_length(v->n), RSA_BITS_MIN, RSA_BITS_MAX);
	if (!copy_part(k->n, sizeof(k->n), v->n) ||
	    !copy_part(k->e, sizeof(k->e), v->e) || !copy_part(k->p, half, v->p) ||
	    !copy_part(k->pq, half, v->q) || !copy_part(k->iq, half, v->iq) ||
	    !((unsigned char)v->p.p[v->p.n - 1] & 1) ||
	    !((unsigned char)v->q.p[v->q.n - 1] & 1))
		return err_set(e, ERR_DATA,
			       "not an RSA private key of two primes");
	k->rsa = (br_rsa_private_key){ (uint32_t)bit_length(v->n),
				       k->p,
				       v->p.n,
				       k->pq,
				       v->q.n,
				       k->dp,
				       v->dp.n,
				       k->dq,
				       v->dq.n,
				       k->iq,
				       v->iq.n };
	if (v->dp.n == 0) {
		mod_minus_1(k->dp, v->d, v->p);
		mod_minus_1(k->dq, v->d, v->q);
		k->rsa.dplen = v->p.n;
		k->rsa.dqlen = v->q.n;
	} else if (!copy_part(k->dp, half, v->dp) ||
		   !copy_part(k->dq, half, v->dq)) {
		return err_set(e, ERR_DATA,
			       "not an RSA private key of two primes");
	}
	k->rsa_pub = (br_rsa_public_key){ k->n, v->n.n, k->e, v->e.n };
	return 0;
}

static int load_ec(struct ssh_key *k, const struct curve *c, struct str x,
		   struct err *e)
{
	const br_ec_impl *ec = SSH_EC;
	const unsigned char *order;
	br_ec_public_key pub;
	size_t order_n;
	unsigned any = 0;

	if (c == NULL)
		return err_set(e, ERR_DATA,
			       "EC key that is not on P-256 or P-384");
	while (x.n > c->n && x.p[0] == 0)
		x = str_skip(x, 1);
	if (x.n > c->n)
		return err_set(e, ERR_DATA, "EC private key that is too long");
	memcpy(k->x + c->n - x.n, x.p, x.n);
	order = ec->order(c->id, &order_n);
	for (size_t i = 0; i < c->n; i++)
		any |= k->x[i];
	if (any == 0 || memcmp(k->x, order, c->n) >= 0)
		return err_set(e, ERR_DATA,
			       "EC private key that is not below the curve's order");
	k->curve = c;
	k->ec = (br_ec_private_key){ c->id, k->x, c->n };
	/* a public key in the file is computed, not believed */
	k->q_n = br_ec_compute_pub(ec, &pub, k->q, &k->ec);
	return 0;
}

/* ---- DER, as much as private keys need ---- */

enum {
	DER_INTEGER = 2,
	DER_OCTETS = 4,
	DER_OID = 6,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0
};

static bool der_body(struct str *in, unsigned tag, struct str *body)
{
	size_t n, octets = 0;

	if (in->n < 2 || (unsigned char)in->p[0] != tag)
		return false;
	n = (unsigned char)in->p[1];
	if (n >= 0x80) {
		octets = n & 0x7f;
		if (octets < 1 || octets > 2 || in->n < 2 + octets)
			return false;
		n = 0;
		for (size_t i = 0; i < octets; i++)
			n = n << 8 | (unsigned char)in->p[2 + i];
	}
	if (n > in->n - 2 - octets)
		return false;
	*body = str_head(str_skip(*in, 2 + octets), n);
	*in = str_skip(*in, 2 + octets + n);
	return true;
}

static bool der_number(struct str *in, struct str *v)
{
	if (!der_body(in, DER_INTEGER, v) || v->n == 0 ||
	    (unsigned char)v->p[0] >= 0x80)
		return false;
	while (v->n > 0 && v->p[0] == 0)
		*v = str_skip(*v, 1);
	return true;
}

static const struct curve *curve_oid(struct str oid)
{
	if (str_eq(oid, STR("\x2a\x86\x48\xce\x3d\x03\x01\x07")))
		return &curves[0];
	return str_eq(oid, STR("\x2b\x81\x04\x00\x22")) ? &curves[1] : NULL;
}

/* PKCS#1 RSAPrivateKey, inside of its SEQUENCE. */
static int der_rsa(struct ssh_key *k, struct str in, struct err *e)
{
	struct rsa_parts v;
	struct str version;

	if (!der_number(&in, &version) || version.n != 0 ||
	    !der_number(&in, &v.n) || !der_number(&in, &v.e) ||
	    !der_number(&in, &v.d) || !der_number(&in, &v.p) ||
	    !der_number(&in, &v.q) || !der_number(&in, &v.dp) ||
	    !der_number(&in, &v.dq) || !der_number(&in, &v.iq) || in.n != 0 ||
	    v.dp.n == 0)
		return err_set(e, ERR_DATA,
			       "not an RSA private key of two primes");
	return load_rsa(k, &v, e);
}

/* SEC1 ECPrivateKey, inside of its SEQUENCE; c when its envelope named it. */
static int der_ec(struct ssh_key *k, struct str in, const struct curve *c,
		  struct err *e)
{
	struct str version, x, param, oid;

	if (!der_number(&in, &version) || !str_eqz(version, "\1") ||
	    !der_body(&in, DER_OCTETS, &x))
		return err_set(e, ERR_DATA, "not an EC private key");
	if (der_body(&in, DER_CONTEXT_0, &param)) {
		const struct curve *named = der_body(&param, DER_OID, &oid) ?
						    curve_oid(oid) :
						    NULL;

		c = c == NULL || c == named ? named : NULL;
	}
	return load_ec(k, c, x, e);
}

static int der_pkcs8(struct ssh_key *k, struct str in, struct err *e)
{
	struct str version, algorithm, oid, octets, inner, named;
	bool rsa, ec;

	if (!der_number(&in, &version) ||
	    !der_body(&in, DER_SEQUENCE, &algorithm) ||
	    !der_body(&algorithm, DER_OID, &oid) ||
	    !der_body(&in, DER_OCTETS, &octets))
		return err_set(e, ERR_DATA, "not a private key in PKCS#8");
	rsa = str_eq(oid, STR("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"));
	ec = str_eq(oid, STR("\x2a\x86\x48\xce\x3d\x02\x01"));
	if (!rsa && !ec)
		return err_set(e, ERR_DATA,
			       "a private key that is neither RSA nor ECDSA");
	if (!der_body(&octets, DER_SEQUENCE, &inner))
		return err_set(e, ERR_DATA, "not a private key in PKCS#8");
	if (rsa)
		return der_rsa(k, inner, e);
	if (!der_body(&algorithm, DER_OID, &named) || curve_oid(named) == NULL)
		return err_set(e, ERR_DATA,
			       "EC key that is not on P-256 or P-384");
	return der_ec(k, inner, curve_oid(named), e);
}

/* ---- openssh-key-v1 ---- */

static int openssh_key(struct ssh_key *k, struct str in, struct err *e)
{
	const struct str magic = { "openssh-key-v1", 15 }; /* with its NUL */
	struct str cipher, kdf, options, pub, priv, type, curve, q, x, comment;
	struct rsa_parts v = { .dp = STR_NULL, .dq = STR_NULL };
	uint32_t n, check1, check2;
	bool rsa;

	if (!str_starts(in, magic))
		return err_set(e, ERR_DATA, "not a private key in OpenSSH's form");
	in = str_skip(in, magic.n);
	if (!wire_string(&in, &cipher) || !wire_string(&in, &kdf) ||
	    !wire_string(&in, &options) || !wire_u32(&in, &n))
		return err_set(e, ERR_DATA, "not a private key in OpenSSH's form");
	if (!str_eqz(cipher, "none") || !str_eqz(kdf, "none"))
		return err_set(e, ERR_DATA,
			       "it has a passphrase; give it to an ssh-agent, "
			       "or take one without");
	if (n != 1 || !wire_string(&in, &pub) || !wire_string(&in, &priv) ||
	    in.n != 0 || !wire_u32(&priv, &check1) || !wire_u32(&priv, &check2) ||
	    check1 != check2 || !wire_string(&priv, &type))
		return err_set(e, ERR_DATA, "not a private key in OpenSSH's form");
	rsa = str_eqz(type, "ssh-rsa");
	if (!rsa && !str_starts(type, STR("ecdsa-sha2-nistp")))
		return err_set(e, ERR_DATA,
			       "a private key of type \"%.*s\"; RSA and ECDSA "
			       "will do",
			       STR_ARG(str_head(type, 40)));
	if (rsa ? !wire_mpint(&priv, &v.n) || !wire_mpint(&priv, &v.e) ||
			    !wire_mpint(&priv, &v.d) || !wire_mpint(&priv, &v.iq) ||
			    !wire_mpint(&priv, &v.p) || !wire_mpint(&priv, &v.q) :
		  !wire_string(&priv, &curve) || !wire_string(&priv, &q) ||
			    !wire_mpint(&priv, &x))
		return err_set(e, ERR_DATA, "not a private key in OpenSSH's form");
	if (!wire_string(&priv, &comment))
		return err_set(e, ERR_DATA, "not a private key in OpenSSH's form");
	for (size_t i = 0; i < priv.n; i++)
		if ((unsigned char)priv.p[i] != (uint8_t)(i + 1))
			return err_set(e, ERR_DATA,
				       "not a private key in OpenSSH's form");
	return rsa ? load_rsa(k, &v, e) : load_ec(k, curve_named(curve), x, e);
}

/* ---- PEM ---- */

/* The label of the first "-----BEGIN LABEL-----" that ends in PRIVATE KEY,
 * and the lines up to its end. */
static bool pem_private(struct str text, struct str *label, struct str *lines)
{
	const struct str begin = STR("-----BEGIN "), end = STR("-----END "),
			 dashes = STR("-----");
	struct str line;

	while (str_next(&text, '\n', &line)) {
		ptrdiff_t stop;

		line = str_trim(line);
		if (!str_starts(line, begin) ||
		    !str_ends(line, STR("PRIVATE KEY-----")))
			continue;
		*label = str_head(str_skip(line, begin.n),
				  line.n - begin.n - dashes.n);
		stop = str_find(text, end);
		if (stop < 0)
			return false;
		*lines = str_head(text, (size_t)stop);
		text = str_skip(text, (size_t)stop + end.n);
		return str_starts(text, *label) &&
		       str_starts(str_skip(text, label->n), dashes);
	}
	return false;
}

static int load_pem(struct ssh_key *k, struct str text, struct err *e)
{
	struct buf base64 = BUF_INIT(FILE_MAX), der = BUF_INIT(FILE_MAX);
	struct str label, lines, line, in, body;
	struct err bad = ERR_INIT;
	int rc = -1;

	if (!pem_private(text, &label, &lines)) {
		err_set(e, ERR_DATA, "no private key in it");
		goto out;
	}
	while (str_next(&lines, '\n', &line)) {
		/* header lines stand only in front of what is encrypted */
		if (str_chr(line, ':') >= 0) {
			label = STR("ENCRYPTED PRIVATE KEY");
			break;
		}
		buf_addstr(&base64, str_trim(line));
	}
	if (str_eqz(label, "ENCRYPTED PRIVATE KEY")) {
		err_set(e, ERR_DATA,
			"it has a passphrase; give it to an ssh-agent, "
			"or take one without");
		goto out;
	}
	if (buf_add_unbase64(&der, buf_str(&base64), &bad) < 0) {
		err_set(e, ERR_DATA, "not PEM: %s", bad.msg);
		goto out;
	}
	in = buf_str(&der);
	if (str_eqz(label, "OPENSSH PRIVATE KEY"))
		rc = openssh_key(k, in, e);
	else if (!der_body(&in, DER_SEQUENCE, &body) || in.n != 0)
		err_set(e, ERR_DATA, "not a private key");
	else if (str_eqz(label, "RSA PRIVATE KEY"))
		rc = der_rsa(k, body, e);
	else if (str_eqz(label, "EC PRIVATE KEY"))
		rc = der_ec(k, body, NULL, e);
	else if (str_eqz(label, "PRIVATE KEY"))
		rc = der_pkcs8(k, body, e);
	else
		err_set(e, ERR_DATA,
			"\"%.*s\" cannot be read; RSA and ECDSA keys can",
			STR_ARG(str_head(label, 40)));
out:
	buf_burn(&base64);
	buf_burn(&der);
	return rc;
}

struct ssh_key *ssh_key_parse(struct str text, const char *what, struct err *e)
{
	struct ssh_key *k = xcalloc(1, sizeof(*k));

	if (load_pem(k, text, e) == 0)
		return k;
	err_in(e, "key %s", what);
	ssh_key_free(k);
	return NULL;
}

struct ssh_key *ssh_key_read(const char *path, struct err *e)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct ssh_key *k = NULL;

	if (file_read_own(path, true, &text, e) == 0)
		k = ssh_key_parse(buf_str(&text), path, e);
	buf_burn(&text);
	return k;
}

void ssh_key_free(struct ssh_key *k)
{
	if (k == NULL)
		return;
	burn(k, sizeof(*k));
	free(k);
}

bool ssh_key_is_rsa(const struct ssh_key *k)
{
	return k->curve == NULL;
}

const char *ssh_key_algorithm(const struct ssh_key *k)
{
	return k->curve == NULL ? NULL : k->curve->type;
}

void ssh_key_blob(const struct ssh_key *k, struct buf *out)
{
	if (k->curve == NULL) {
		wire_putz(out, "ssh-rsa");
		wire_put_mpint(out, k->rsa_pub.e, k->rsa_pub.elen);
		wire_put_mpint(out, k->rsa_pub.n, k->rsa_pub.nlen);
	} else {
		wire_putz(out, k->curve->type);
		wire_putz(out, k->curve->name);
		wire_put(out, k->q, k->q_n);
	}
}

void ssh_key_public(const struct ssh_key *k, struct buf *line)
{
	struct buf blob = BUF_INIT(SSH_BLOB_MAX);

	ssh_key_blob(k, &blob);
	buf_addf(line, "%s ", k->curve == NULL ? "ssh-rsa" : k->curve->type);
	buf_add_base64(line, blob.str, blob.n);
	buf_release(&blob);
}

static int sign_rsa(const struct ssh_key *k, const char *algorithm,
		    struct str data, struct buf *sig, struct err *e)
{
	const struct rsa_alg *a = rsa_alg(str_of(algorithm));
	uint8_t hash[SSH_HASH_MAX], raw[RSA_N_MAX];

	hash_of(a->hash, data, hash);
	/* checked before it leaves: a signature by half of a key gives the key away */
	if (!br_rsa_pkcs1_sign_get_default()(a->oid, hash, a->hash_n, &k->rsa,
					     raw) ||
	    !rsa_verify(&k->rsa_pub, a,
			(struct str){ (char *)raw, k->rsa_pub.nlen }, hash))
		return err_set(e, ERR_DATA,
			       "the RSA key's numbers do not belong together");
	wire_put(sig, raw, k->rsa_pub.nlen);
	return 0;
}

static int sign_ec(const struct ssh_key *k, struct str data, struct buf *sig,
		   struct err *e)
{
	struct buf pair = BUF_INIT(128);
	uint8_t hash[SSH_HASH_MAX], raw[96];
	size_t n = k->curve->n;

	hash_of(k->curve->hash, data, hash);
	if (br_ecdsa_sign_raw_get_default()(SSH_EC, k->curve->hash, hash,
					    &k->ec, raw) != 2 * n)
		return err_set(e, ERR_DATA, "the ECDSA key does not sign");
	wire_put_mpint(&pair, raw, n);
	wire_put_mpint(&pair, raw + n, n);
	wire_putb(sig, &pair);
	buf_release(&pair);
	return 0;
}

int ssh_key_sign(const struct ssh_key *k, const char *algorithm,
		 struct str data, struct buf *sig, struct err *e)
{
	wire_putz(sig, algorithm);
	return ssh_key_is_rsa(k) ? sign_rsa(k, algorithm, data, sig, e) :
				   sign_ec(k, data, sig, e);
}
