/*
 * The keys and certificates we make, and private keys read from PEM: RSA in
 * PKCS#1 (RFC 8017 A.1.2), EC in SEC1 form (RFC 5915), both also inside
 * PKCS#8 (RFC 5958); certificates of RFC 5280 with SHA-256 signatures.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "tls/inner.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096 /* BearSSL's own limit */
#define PUBLIC_MAX 1024	  /* a public key in any of its encodings */
#define CERT_DER_MAX (16u << 10)
#define CERT_DAYS_MAX 36500

/* ---- the kernel's randomness in BearSSL's clothes ---- */

static void kernel_init(const br_prng_class **ctx, const void *params,
			const void *seed, size_t n)
{
	(void)ctx, (void)params, (void)seed, (void)n;
}

static void kernel_generate(const br_prng_class **ctx, void *out, size_t n)
{
	(void)ctx;
	random_bytes(out, n);
}

static void kernel_update(const br_prng_class **ctx, const void *seed, size_t n)
{
	(void)ctx, (void)seed, (void)n;
}

static const br_prng_class kernel_prng = {
	sizeof(const br_prng_class *),
	kernel_init,
	kernel_generate,
	kernel_update,
};

/* ---- making keys ---- */

int key_make_rsa(unsigned bits, struct buf *out, struct err *e)
{
	const br_prng_class *rng = &kernel_prng;
	unsigned char priv[BR_RSA_KBUF_PRIV_SIZE(RSA_BITS_MAX)];
	unsigned char pub[BR_RSA_KBUF_PUB_SIZE(RSA_BITS_MAX)];
	unsigned char d[RSA_BITS_MAX / 8];
	struct buf der = BUF_INIT(KEY_DER_MAX);
	br_rsa_private_key sk;
	br_rsa_public_key pk;
	size_t d_n, at;
	int rc = -1;

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return err_set(e, ERR_USAGE, "RSA keys have %u to %u bits, not %u",
			       RSA_BITS_MIN, RSA_BITS_MAX, bits);
	if (!br_rsa_keygen_get_default()(&rng, &sk, priv, &pk, pub, bits, 65537) ||
	    (d_n = br_rsa_compute_privexp_get_default()(d, &sk, 65537)) == 0) {
		err_set(e, ERR_DATA, "RSA key of %u bits could not be made", bits);
		goto out;
	}
	at = der_open(&der, DER_SEQUENCE);
	der_add_uint(&der, "", 0); /* version: two primes */
	der_add_uint(&der, pk.n, pk.nlen);
	der_add_uint(&der, pk.e, pk.elen);
	der_add_uint(&der, d, d_n);
	der_add_uint(&der, sk.p, sk.plen);
	der_add_uint(&der, sk.q, sk.qlen);
	der_add_uint(&der, sk.dp, sk.dplen);
	der_add_uint(&der, sk.dq, sk.dqlen);
	der_add_uint(&der, sk.iq, sk.iqlen);
	der_close(&der, at);
	pem_add(out, "RSA PRIVATE KEY", der.str, der.n);
	rc = buf_check(out, "private key", e);
out:
	burn(priv, sizeof(priv));
	burn(d, sizeof(d));
	buf_burn(&der);
	return rc;
}

int key_make_ec_p256(struct buf *out, struct err *e)
{
	const br_prng_class *rng = &kernel_prng;
	const br_ec_impl *ec = TLS_EC;
	unsigned char x[BR_EC_KBUF_PRIV_MAX_SIZE], q[BR_EC_KBUF_PUB_MAX_SIZE];
	struct buf der = BUF_INIT(256);
	br_ec_private_key sk;
	size_t q_n, at, inner;
	int rc;

	br_ec_keygen(&rng, ec, &sk, x, BR_EC_secp256r1);
	q_n = br_ec_compute_pub(ec, NULL, q, &sk);

	at = der_open(&der, DER_SEQUENCE);
	der_add_uint(&der, "\1", 1);
	der_add(&der, DER_OCTET_STRING, sk.x, sk.xlen);
	inner = der_open(&der, DER_CONTEXT_OPEN(0));
	der_add(&der, DER_OID, oid_p256.p, oid_p256.n);
	der_close(&der, inner);
	inner = der_open(&der, DER_CONTEXT_OPEN(1));
	der_add_bits(&der, q, q_n);
	der_close(&der, inner);
	der_close(&der, at);
	pem_add(out, "EC PRIVATE KEY", der.str, der.n);
	rc = buf_check(out, "private key", e);
	burn(x, sizeof(x));
	buf_burn(&der);
	return rc;
}

/* ---- reading keys ---- */

static uint32_t bit_length(struct str v)
{
	uint32_t n = (uint32_t)v.n * 8;

	for (unsigned top = v.n > 0 ? (unsigned char)v.p[0] : 0x80; top < 0x80;
	     top <<= 1)
		n--;
	return n;
}

/* RSAPrivateKey; the body of its SEQUENCE. */
static int load_rsa(struct key *k, struct str in, struct err *e)
{
	struct str version, n, pub, d, p, q, dp, dq, iq;

	if (!der_uint(&in, &version) || version.n != 0 || !der_uint(&in, &n) ||
	    !der_uint(&in, &pub) || !der_uint(&in, &d) || !der_uint(&in, &p) ||
	    !der_uint(&in, &q) || !der_uint(&in, &dp) || !der_uint(&in, &dq) ||
	    !der_uint(&in, &iq) || in.n != 0 || p.n == 0 || q.n == 0 || pub.n == 0)
		return err_set(e, ERR_DATA,
			       "not an RSA private key of two primes");
	if (bit_length(n) < RSA_BITS_MIN || bit_length(n) > RSA_BITS_MAX)
		return err_set(e, ERR_DATA,
			       "RSA key of %u bits; only %u to %u will do",
			       bit_length(n), RSA_BITS_MIN, RSA_BITS_MAX);
	k->type = BR_KEYTYPE_RSA;
	k->rsa = (br_rsa_private_key){ bit_length(n), loose(p.p),  p.n,
				       loose(q.p),    q.n,	   loose(dp.p),
				       dp.n,	      loose(dq.p), dq.n,
				       loose(iq.p),   iq.n };
	k->rsa_pub = (br_rsa_public_key){ loose(n.p), n.n, loose(pub.p), pub.n };
	return 0;
}

static int curve_of(struct str oid)
{
	return str_eq(oid, oid_p256) ? BR_EC_secp256r1 :
	       str_eq(oid, oid_p384) ? BR_EC_secp384r1 :
				       0;
}

/* ECPrivateKey; the body of its SEQUENCE.  curve is 0 when only it says. */
static int load_ec(struct key *k, struct str in, int curve, struct err *e)
{
	const br_ec_impl *ec = TLS_EC;
	struct str version, x, param, oid;
	const unsigned char *order;
	size_t order_n;

	if (!der_uint(&in, &version) || !str_eqz(version, "\1") ||
	    !der_get(&in, DER_OCTET_STRING, &x))
		return err_set(e, ERR_DATA, "not an EC private key");
	if (der_get(&in, DER_CONTEXT_OPEN(0), &param)) {
		int named = der_get(&param, DER_OID, &oid) ? curve_of(oid) : 0;

		if (named == 0 || (curve != 0 && named != curve))
			curve = 0;
		else
			curve = named;
	}
	if (curve == 0)
		return err_set(e, ERR_DATA,
			       "EC key that is not on P-256 or P-384");
	/* the public key that may follow is computed, not believed */
	order = ec->order(curve, &order_n);
	if (x.n != order_n || memcmp(x.p, order, order_n) >= 0 ||
	    str_eq(x, (struct str){ (const char[48]){ 0 }, order_n }))
		return err_set(e, ERR_DATA,
			       "EC private key that is not below the curve's order");
	k->type = BR_KEYTYPE_EC;
	k->ec = (br_ec_private_key){ curve, loose(x.p), x.n };
	br_ec_compute_pub(ec, &k->ec_pub, k->q, &k->ec);
	return 0;
}

/* PrivateKeyInfo; the body of its SEQUENCE. */
static int load_pkcs8(struct key *k, struct str in, struct err *e)
{
	struct str version, algorithm, oid, octets, inner, named;
	int curve = 0;

	if (!der_uint(&in, &version) || !der_get(&in, DER_SEQUENCE, &algorithm) ||
	    !der_get(&algorithm, DER_OID, &oid) ||
	    !der_get(&in, DER_OCTET_STRING, &octets))
		return err_set(e, ERR_DATA, "not a private key in PKCS#8");
	if (!str_eq(oid, oid_rsa) && !str_eq(oid, oid_ec))
		return err_set(e, ERR_DATA,
			       "a private key that is neither RSA nor EC");
	if (!der_get(&octets, DER_SEQUENCE, &inner))
		return err_set(e, ERR_DATA, "not a private key in PKCS#8");
	if (str_eq(oid, oid_rsa))
		return load_rsa(k, inner, e);
	if (der_get(&algorithm, DER_OID, &named) && (curve = curve_of(named)) == 0)
		return err_set(e, ERR_DATA,
			       "EC key that is not on P-256 or P-384");
	return load_ec(k, inner, curve, e);
}

int key_load(struct key *k, struct str pem, struct err *e)
{
	struct buf der = BUF_INIT(KEY_DER_MAX);
	struct str label, in, body;
	int rc = -1, found;

	memset(k, 0, sizeof(*k));
	while ((found = pem_next(&pem, &label, &der, e)) > 0) {
		if (str_ends(label, STR("PRIVATE KEY")))
			break; /* "EC PARAMETERS" stands in front of some */
	}
	if (found < 0)
		goto out;
	if (found == 0) {
		err_set(e, ERR_DATA, "no private key in PEM form");
		goto out;
	}
	memcpy(k->der, der.str, der.n);
	in = (struct str){ (const char *)k->der, der.n };
	if (str_eqz(label, "OPENSSH PRIVATE KEY")) {
		err_set(e, ERR_DATA,
			"private key in OpenSSH's own form; "
			"'ssh-keygen -p -m PEM -f FILE' rewrites it as PEM");
	} else if (str_eqz(label, "ENCRYPTED PRIVATE KEY")) {
		err_set(e, ERR_DATA,
			"private key with a passphrase cannot be read");
	} else if (!der_get(&in, DER_SEQUENCE, &body) || in.n != 0) {
		err_set(e, ERR_DATA, "private key is not DER");
	} else if (str_eqz(label, "RSA PRIVATE KEY")) {
		rc = load_rsa(k, body, e);
	} else if (str_eqz(label, "EC PRIVATE KEY")) {
		rc = load_ec(k, body, 0, e);
	} else if (str_eqz(label, "PRIVATE KEY")) {
		rc = load_pkcs8(k, body, e);
	} else {
		err_set(e, ERR_DATA, "\"%.*s\" cannot be read; RSA or EC keys can",
			STR_ARG(str_head(label, 64)));
	}
out:
	if (rc < 0)
		burn(k, sizeof(*k));
	buf_burn(&der);
	return rc;
}

/* ---- public keys ---- */

static struct str curve_oid(const struct key *k)
{
	return k->ec.curve == BR_EC_secp256r1 ? oid_p256 : oid_p384;
}

/* What subjectPublicKey holds. */
static void public_key(const struct key *k, struct buf *out)
{
	size_t at;

	if (k->type == BR_KEYTYPE_EC) {
		buf_add(out, k->ec_pub.q, k->ec_pub.qlen);
		return;
	}
	at = der_open(out, DER_SEQUENCE);
	der_add_uint(out, k->rsa_pub.n, k->rsa_pub.nlen);
	der_add_uint(out, k->rsa_pub.e, k->rsa_pub.elen);
	der_close(out, at);
}

void key_spki(const struct key *k, struct buf *out)
{
	struct buf bits = BUF_INIT(PUBLIC_MAX);
	size_t at = der_open(out, DER_SEQUENCE), inner;

	inner = der_open(out, DER_SEQUENCE);
	if (k->type == BR_KEYTYPE_RSA) {
		der_add(out, DER_OID, oid_rsa.p, oid_rsa.n);
		der_add(out, DER_NULL, "", 0);
	} else {
		struct str curve = curve_oid(k);

		der_add(out, DER_OID, oid_ec.p, oid_ec.n);
		der_add(out, DER_OID, curve.p, curve.n);
	}
	der_close(out, inner);
	public_key(k, &bits);
	der_add_bits(out, bits.str, bits.n);
	der_close(out, at);
	buf_release(&bits);
}

int key_pin(struct str pem, uint8_t out[32], struct err *e)
{
	struct buf spki = BUF_INIT(PUBLIC_MAX);
	struct key k;

	if (key_load(&k, pem, e) < 0)
		return -1;
	key_spki(&k, &spki);
	sha256(spki.str, spki.n, out);
	burn(&k, sizeof(k));
	buf_release(&spki);
	return 0;
}

/* RFC 4251 section 5: a length in four bytes, then the bytes. */
static void ssh_string(struct buf *b, const void *p, size_t n)
{
	buf_addc(b, 0);
	buf_addc(b, 0);
	buf_addc(b, (char)(n >> 8));
	buf_addc(b, (char)n);
	buf_add(b, p, n);
}

/* A number whose top bit is set gets a zero in front. */
static void ssh_mpint(struct buf *b, const unsigned char *p, size_t n)
{
	char v[1 + RSA_BITS_MAX / 8] = { 0 };
	size_t pad = n > 0 && p[0] >= 0x80;

	memcpy(v + pad, p, n);
	ssh_string(b, v, n + pad);
}

int key_ssh_public(struct str pem, const char *comment, struct buf *out,
		   struct err *e)
{
	struct buf blob = BUF_INIT(PUBLIC_MAX);
	const char *type = "ssh-rsa";
	struct key k;

	if (key_load(&k, pem, e) < 0)
		return -1;
	if (k.type == BR_KEYTYPE_EC)
		type = k.ec.curve == BR_EC_secp256r1 ? "ecdsa-sha2-nistp256" :
						       "ecdsa-sha2-nistp384";
	ssh_string(&blob, type, strlen(type));
	if (k.type == BR_KEYTYPE_RSA) {
		ssh_mpint(&blob, k.rsa_pub.e, k.rsa_pub.elen);
		ssh_mpint(&blob, k.rsa_pub.n, k.rsa_pub.nlen);
	} else {
		ssh_string(&blob, strrchr(type, 'n'), strlen("nistp256"));
		ssh_string(&blob, k.ec_pub.q, k.ec_pub.qlen);
	}
	buf_addf(out, "%s ", type);
	buf_add_base64(out, blob.str, blob.n);
	if (comment != NULL && *comment != '\0')
		buf_addf(out, " %s", comment);
	buf_addc(out, '\n');
	burn(&k, sizeof(k));
	buf_release(&blob);
	return buf_check(out, "public key", e);
}

/* ---- signing ---- */

/*
 * EMSA-PSS-ENCODE, RFC 8017 9.1.1, into em of n bytes for a key of so many
 * bits.  BearSSL 0.6 has the arithmetic of RSA, but no PSS.
 */
static void pss_encode(const uint8_t hash[SHA256_LEN], unsigned char *em,
		       size_t n, uint32_t bits)
{
	unsigned char m[8 + 2 * SHA256_LEN] = { 0 }, *h = em + n - 1 - SHA256_LEN;
	unsigned char seed[SHA256_LEN + 4] = { 0 }, mask[SHA256_LEN];
	unsigned char *salt = m + 8 + SHA256_LEN;
	size_t db = n - 1 - SHA256_LEN;

	memcpy(m + 8, hash, SHA256_LEN);
	random_bytes(salt, SHA256_LEN);
	sha256(m, sizeof(m), h);
	memset(em, 0, db);
	em[db - SHA256_LEN - 1] = 1;
	memcpy(em + db - SHA256_LEN, salt, SHA256_LEN);
	em[n - 1] = 0xbc;
	memcpy(seed, h, SHA256_LEN);
	for (size_t i = 0; i < db; i++) {
		if (i % SHA256_LEN ==
		    0) { /* MGF1, B.2.1; the counter stays below 256 */
			seed[sizeof(seed) - 1] = (unsigned char)(i / SHA256_LEN);
			sha256(seed, sizeof(seed), mask);
		}
		em[i] ^= mask[i % SHA256_LEN];
	}
	em[0] &= (unsigned char)(0xff >> (8 * n - (bits - 1)));
}

static size_t sign_rsa(const struct key *k, bool pss,
		       const uint8_t hash[SHA256_LEN],
		       unsigned char sig[RSA_BITS_MAX / 8])
{
	size_t n = k->rsa_pub.nlen, em_n = (k->rsa.n_bitlen - 1 + 7) / 8;
	uint32_t ok;

	if (pss) {
		sig[0] = 0;
		pss_encode(hash, sig + (n - em_n), em_n, k->rsa.n_bitlen);
		ok = br_rsa_private_get_default()(sig, &k->rsa);
	} else {
		ok = br_rsa_pkcs1_sign_get_default()(BR_HASH_OID_SHA256, hash,
						     SHA256_LEN, &k->rsa, sig);
	}
	return ok ? n : 0;
}

int key_sign_rsa(struct str pem, bool pss, struct str data, struct buf *out,
		 struct err *e)
{
	unsigned char sig[RSA_BITS_MAX / 8];
	uint8_t hash[SHA256_LEN];
	struct key k;
	size_t n = 0;

	if (key_load(&k, pem, e) < 0)
		return -1;
	sha256(data.p, data.n, hash);
	if (k.type == BR_KEYTYPE_RSA)
		n = sign_rsa(&k, pss, hash, sig);
	buf_add(out, sig, n);
	burn(&k, sizeof(k));
	return n > 0 ? buf_check(out, "signature", e) :
		       err_set(e, ERR_DATA,
			       "a private key that does not sign: only RSA keys will do");
}

int cert_next(struct str *pem, struct buf *der, uint8_t pin[32], struct err *e)
{
	struct str label;
	struct cert c;
	int found;

	while ((found = pem_next(pem, &label, der, e)) > 0)
		if (str_eqz(label, "CERTIFICATE"))
			break;
	if (found > 0 && (found = cert_read(buf_str(der), &c, e)) == 0) {
		sha256(c.spki.p, c.spki.n, pin);
		found = 1;
	}
	return found;
}

/* ---- making certificates ---- */

static void add_name(struct buf *b, const char *cn)
{
	size_t name = der_open(b, DER_SEQUENCE);
	size_t set = der_open(b, DER_SET);
	size_t pair = der_open(b, DER_SEQUENCE);

	der_add(b, DER_OID, oid_cn.p, oid_cn.n);
	der_add(b, DER_UTF8_STRING, cn, strlen(cn));
	der_close(b, pair);
	der_close(b, set);
	der_close(b, name);
}

static void add_time(struct buf *b, int64_t t)
{
	char iso[32], z[16];
	size_t n = 0;

	time_iso(t, iso);
	for (const char *c = iso; *c != '\0' && n < sizeof(z); c++)
		if (is_alnum(*c) && *c != 'T')
			z[n++] = *c;
	/* RFC 5280 4.1.2.5: two digits of the year through 2049 */
	if (memcmp(z, "2050", 4) < 0)
		der_add(b, DER_UTC_TIME, z + 2, n - 2);
	else
		der_add(b, DER_GENERALIZED_TIME, z, n);
}

static void add_signature_algorithm(struct buf *b, const struct key *issuer)
{
	size_t at = der_open(b, DER_SEQUENCE);

	if (issuer->type == BR_KEYTYPE_RSA) {
		der_add(b, DER_OID, oid_rsa_sha256.p, oid_rsa_sha256.n);
		der_add(b, DER_NULL, "", 0);
	} else {
		der_add(b, DER_OID, oid_ecdsa_sha256.p, oid_ecdsa_sha256.n);
	}
	der_close(b, at);
}

struct extension {
	size_t at, octets;
};

static struct extension extension_open(struct buf *b, struct str oid, bool critical)
{
	struct extension x = { der_open(b, DER_SEQUENCE), 0 };

	der_add(b, DER_OID, oid.p, oid.n);
	if (critical)
		der_add(b, DER_BOOLEAN, "\xff", 1);
	x.octets = der_open(b, DER_OCTET_STRING);
	return x;
}

static void extension_close(struct buf *b, struct extension x)
{
	der_close(b, x.octets);
	der_close(b, x.at);
}

/* RFC 5280 4.2.1.2 (1): SHA-1 of the public key, a name and not a proof. */
static void key_identifier(const struct key *k, uint8_t id[20])
{
	struct buf bits = BUF_INIT(PUBLIC_MAX);

	public_key(k, &bits);
	sha1(bits.str, bits.n, id);
	buf_release(&bits);
}

static int add_alternative_names(struct buf *b, const char *const *names,
				 struct err *e)
{
	struct extension x = extension_open(b, oid_san, false);
	size_t seq = der_open(b, DER_SEQUENCE);

	for (; *names != NULL; names++) {
		struct str name = str_of(*names), type;
		unsigned char ip[16];

		if (!str_cut(&name, ':', &type) || name.n == 0)
			return err_set(e, ERR_USAGE,
				       "\"%s\" is not DNS:NAME or IP:ADDRESS",
				       *names);
		if (str_eqz(type, "DNS"))
			der_add(b, DER_CONTEXT(2), name.p, name.n);
		else if (str_eqz(type, "IP") &&
			 inet_pton(AF_INET, name.p, ip) == 1)
			der_add(b, DER_CONTEXT(7), ip, 4);
		else if (str_eqz(type, "IP") &&
			 inet_pton(AF_INET6, name.p, ip) == 1)
			der_add(b, DER_CONTEXT(7), ip, 16);
		else
			return err_set(e, ERR_USAGE,
				       "\"%s\" is not DNS:NAME or IP:ADDRESS",
				       *names);
	}
	der_close(b, seq);
	extension_close(b, x);
	return 0;
}

static int add_extensions(struct buf *b, const struct cert_spec *spec,
			  const struct key *subject, const struct key *issuer,
			  struct err *e)
{
	size_t outer = der_open(b, DER_CONTEXT_OPEN(3));
	size_t list = der_open(b, DER_SEQUENCE), seq;
	struct extension x;
	uint8_t id[20];

	x = extension_open(b, oid_basic, true);
	seq = der_open(b, DER_SEQUENCE);
	if (spec->ca)
		der_add(b, DER_BOOLEAN, "\xff", 1);
	der_close(b, seq);
	extension_close(b, x);

	/* named bits, the first is the highest; then how many of the byte are unused */
	x = extension_open(b, oid_usage, true);
	if (spec->ca)
		der_add(b, DER_BIT_STRING, "\x01\x06", 2); /* certificates, CRLs */
	else if (subject->type == BR_KEYTYPE_RSA)
		der_add(b, DER_BIT_STRING, "\x05\xa0", 2); /* signatures, keys */
	else
		der_add(b, DER_BIT_STRING, "\x07\x80", 2); /* signatures */
	extension_close(b, x);

	if (!spec->ca) {
		x = extension_open(b, oid_ext_usage, false);
		seq = der_open(b, DER_SEQUENCE);
		der_add(b, DER_OID, oid_server_auth.p, oid_server_auth.n);
		der_close(b, seq);
		extension_close(b, x);
	}
	if (spec->names != NULL && spec->names[0] != NULL &&
	    add_alternative_names(b, spec->names, e) < 0)
		return -1;

	key_identifier(subject, id);
	x = extension_open(b, oid_ski, false);
	der_add(b, DER_OCTET_STRING, id, sizeof(id));
	extension_close(b, x);

	key_identifier(issuer, id);
	x = extension_open(b, oid_aki, false);
	seq = der_open(b, DER_SEQUENCE);
	der_add(b, DER_CONTEXT(0), id, sizeof(id));
	der_close(b, seq);
	extension_close(b, x);

	der_close(b, list);
	der_close(b, outer);
	return 0;
}

static int add_signature(struct buf *b, const void *tbs, size_t n,
			 const struct key *issuer, struct err *e)
{
	unsigned char sig[RSA_BITS_MAX / 8];
	uint8_t hash[SHA256_LEN];
	size_t sig_n;

	sha256(tbs, n, hash);
	if (issuer->type == BR_KEYTYPE_RSA) {
		sig_n = sign_rsa(issuer, false, hash, sig);
	} else {
		sig_n = br_ecdsa_sign_asn1_get_default()(TLS_EC, &br_sha256_vtable,
							 hash, &issuer->ec, sig);
	}
	if (sig_n == 0)
		return err_set(e, ERR_DATA,
			       "the issuer's private key does not sign");
	der_add_bits(b, sig, sig_n);
	return 0;
}

static int add_tbs(struct buf *b, const struct cert_spec *spec,
		   const struct key *subject, const struct key *issuer,
		   struct err *e)
{
	size_t tbs = der_open(b, DER_SEQUENCE), at;
	int64_t now = unix_time();
	uint8_t serial[16];

	at = der_open(b, DER_CONTEXT_OPEN(0));
	der_add_uint(b, "\2", 1); /* v3 */
	der_close(b, at);
	random_bytes(serial, sizeof(serial));
	serial[0] |= 0x40; /* all are of one length */
	serial[0] &= 0x7f;
	der_add_uint(b, serial, sizeof(serial));
	add_signature_algorithm(b, issuer);
	add_name(b, spec->issuer_cn != NULL ? spec->issuer_cn : spec->cn);
	at = der_open(b, DER_SEQUENCE);
	add_time(b, now - 3600); /* for peers whose clock is behind */
	add_time(b, now + (int64_t)spec->days * 86400);
	der_close(b, at);
	add_name(b, spec->cn);
	key_spki(subject, b);
	if (add_extensions(b, spec, subject, issuer, e) < 0)
		return -1;
	der_close(b, tbs);
	return 0;
}

int cert_make(const struct cert_spec *spec, struct str subject_key,
	      struct str issuer_key, struct buf *out, struct err *e)
{
	struct buf tbs = BUF_INIT(CERT_DER_MAX), der = BUF_INIT(CERT_DER_MAX);
	struct key *k = xcalloc(2, sizeof(*k)), *subject = &k[0], *issuer = &k[1];
	size_t at;
	int rc = -1;

	if (spec->days > CERT_DAYS_MAX) {
		err_set(e, ERR_USAGE, "a certificate for %u days; %u at most",
			spec->days, CERT_DAYS_MAX);
		goto out;
	}
	if (key_load(subject, subject_key, e) < 0 ||
	    key_load(issuer, issuer_key, e) < 0 ||
	    add_tbs(&tbs, spec, subject, issuer, e) < 0 ||
	    buf_check(&tbs, "certificate", e) < 0)
		goto out;
	at = der_open(&der, DER_SEQUENCE);
	buf_add(&der, tbs.str, tbs.n);
	add_signature_algorithm(&der, issuer);
	if (add_signature(&der, tbs.str, tbs.n, issuer, e) < 0)
		goto out;
	der_close(&der, at);
	if (buf_check(&der, "certificate", e) < 0)
		goto out;
	pem_add(out, "CERTIFICATE", der.str, der.n);
	rc = buf_check(out, "certificate", e);
out:
	if (rc < 0)
		err_in(e, "certificate for \"%s\"", spec->cn);
	burn(k, 2 * sizeof(*k));
	free(k);
	buf_release(&tbs);
	buf_release(&der);
	return rc;
}
