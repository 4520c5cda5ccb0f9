/*
 * Judges a server's certificate chain: br_x509_minimal checks signatures,
 * dates, constraints and trust; here are the names (IP addresses too), the
 * pin, and the sentences.  A certificate that is refused is the most frequent
 * error of TLS in practice, and "error 62" has never helped anybody.
 */
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "tls/inner.h"

#define RSA_BYTES_MIN 256   /* 2048 bits */
#define DAYS_TO_1970 719528 /* from 1 January of year 0, as BearSSL counts */
#define TEXT_MAX 512	    /* names within a message */
#define OWN_CA "; is it one of yours? Its PEM file belongs into SSL_CERT_FILE"

/* What BearSSL calls an engine is the first member of ours. */
static struct verify *self(const br_x509_class *const *ctx)
{
	return (struct verify *)(uintptr_t)ctx;
}

/* ---- why ---- */

#define refuse(v, ...) err_set(&(v)->why, ERR_TLS, __VA_ARGS__)

static void refuse_dates(struct verify *v, const struct cert *c, const char *whose)
{
	char from[32], to[32], now[32];
	bool early = v->now < c->not_before;

	time_iso(c->not_before, from);
	time_iso(c->not_after, to);
	time_iso(v->now, now);
	refuse(v,
	       "%scertificate %s %s (it is valid from %s to %s; the clock of this machine says %s)",
	       whose, early ? "not valid before" : "expired since",
	       early ? from : to, from, to, now);
}

/* br_x509_minimal stopped at c, which is certificate number v->count. */
static void refuse_certificate(struct verify *v, const struct cert *c, int error)
{
	struct buf name = BUF_INIT(TEXT_MAX), issuer = BUF_INIT(TEXT_MAX),
		   whose = BUF_INIT(TEXT_MAX);

	cert_name_text(c->subject, &name);
	cert_name_text(buf_str(&v->issuer), &issuer);
	if (v->count > 1)
		buf_addf(&whose, "issuer %s: ", name.str);
	switch (error) {
	case BR_ERR_X509_EXPIRED:
		refuse_dates(v, c, whose.str);
		break;
	case BR_ERR_X509_DN_MISMATCH:
		refuse(v,
		       "the certificates are out of order: behind one issued by %s comes %s",
		       issuer.str, name.str);
		break;
	case BR_ERR_X509_BAD_SIGNATURE:
	case BR_ERR_X509_WRONG_KEY_TYPE:
		refuse(v,
		       "a certificate says it is issued by %s, but is signed with another key",
		       issuer.str);
		break;
	case BR_ERR_X509_NOT_CA:
		refuse(v, "%scertificate may not issue others", whose.str);
		break;
	case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
		refuse(v, "%scertificate forbids this use of its key", whose.str);
		break;
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
		refuse(v, "%scertificate has a weak key: RSA of less than %d bits",
		       whose.str, RSA_BYTES_MIN * 8);
		break;
	case BR_ERR_X509_CRITICAL_EXTENSION:
		refuse(v,
		       "%scertificate has a critical extension that is not understood here",
		       whose.str);
		break;
	case BR_ERR_X509_UNSUPPORTED:
		refuse(v,
		       "%scertificate has a key or signature of a kind that is not accepted "
		       "(RSA PKCS#1 or ECDSA, with SHA-256 or longer, are)",
		       whose.str);
		break;
	default:
		refuse(v, "%scertificate is malformed (BearSSL error %d)",
		       whose.str, error);
	}
	buf_release(&name);
	buf_release(&issuer);
	buf_release(&whose);
}

/* All were well, but none was issued by somebody we trust. */
static void refuse_issuer(struct verify *v)
{
	struct buf issuer = BUF_INIT(TEXT_MAX);
	bool known = false;

	cert_name_text(buf_str(&v->issuer), &issuer);
	for (size_t i = 0; i < v->trust->anchors_count; i++) {
		const br_x500_name *dn = &v->trust->anchors[i].dn;

		known = known ||
			str_eq(buf_str(&v->issuer),
			       (struct str){ (const char *)dn->data, dn->len });
	}
	if (known)
		refuse(v,
		       "a certificate says it is issued by %s, "
		       "but not with the key of the one we trust",
		       issuer.str);
	else if (v->count == 1 && str_eq(v->leaf.subject, v->leaf.issuer))
		refuse(v, "self-signed certificate %s is not trusted" OWN_CA,
		       issuer.str);
	else
		refuse(v, "unknown issuer %s%s" OWN_CA, issuer.str,
		       v->count > 1 ?
			       "" :
			       " (the server sent no intermediate certificate)");
	buf_release(&issuer);
}

static void refuse_names(struct verify *v)
{
	struct buf names = BUF_INIT(TEXT_MAX);

	cert_names_text(&v->leaf, &names);
	refuse(v, "certificate is for %s, not %s", names.str, v->host);
	buf_release(&names);
}

/* ---- BearSSL's side ---- */

static void start_chain(const br_x509_class **ctx, const char *name)
{
	struct verify *v = self(ctx);

	(void)name; /* SNI, absent for addresses: host has it */
	v->minimal.vtable->start_chain(&v->minimal.vtable, NULL);
}

static void start_cert(const br_x509_class **ctx, uint32_t n)
{
	struct verify *v = self(ctx);

	v->count++;
	buf_reset(&v->heard);
	if (v->count > VERIFY_CHAIN_MAX)
		refuse(v, "more than %d certificates", VERIFY_CHAIN_MAX);
	if (n > PEM_OBJECT_MAX)
		refuse(v, "a certificate of more than %u bytes", PEM_OBJECT_MAX);
	if (v->why.kind == ERR_NONE)
		v->minimal.vtable->start_cert(&v->minimal.vtable, n);
}

static void append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct verify *v = self(ctx);

	if (v->why.kind != ERR_NONE)
		return;
	buf_add(&v->heard, p, n);
	v->minimal.vtable->append(&v->minimal.vtable, p, n);
}

static void end_cert(const br_x509_class **ctx)
{
	struct verify *v = self(ctx);
	struct err e = ERR_INIT;
	struct cert c;

	if (v->why.kind != ERR_NONE)
		return;
	v->minimal.vtable->end_cert(&v->minimal.vtable);
	/* what comes behind the last one needed is ignored */
	if (v->count > 1 && (v->trust->pinned || v->minimal.err == BR_ERR_X509_OK))
		return;
	if (cert_read(buf_str(&v->heard), &c, &e) < 0) {
		refuse(v, "certificate %u of the server is malformed", v->count);
		return;
	}
	if (!v->trust->pinned && v->minimal.err != 0 &&
	    v->minimal.err != BR_ERR_X509_OK) {
		refuse_certificate(v, &c, v->minimal.err);
		return;
	}
	buf_reset(&v->issuer);
	buf_addstr(&v->issuer, c.issuer);
	if (v->count > 1)
		return;
	v->leaf_der = v->heard;
	buf_init(&v->heard, PEM_OBJECT_MAX);
	v->leaf = c;
	if (cert_key(c.spki, &v->key, &e) < 0)
		refuse(v, "certificate has %s", e.msg);
}

static void check_pin(struct verify *v)
{
	uint8_t hash[SHA256_LEN];

	sha256(v->leaf.spki.p, v->leaf.spki.n, hash);
	if (!same_bytes(hash, v->trust->pin, sizeof(hash)))
		refuse(v, "the server's key is not the pinned one");
}

static unsigned end_chain(const br_x509_class **ctx)
{
	struct verify *v = self(ctx);

	if (v->why.kind == ERR_NONE && v->count == 0)
		refuse(v, "the server sent no certificate");
	if (v->why.kind == ERR_NONE && v->trust->pinned)
		check_pin(v);
	else if (v->why.kind == ERR_NONE) {
		if (v->minimal.vtable->end_chain(&v->minimal.vtable) != 0)
			refuse_issuer(v);
		else if (!cert_may_serve(&v->leaf))
			refuse(v,
			       "certificate is not for servers (extended key usage)");
		else if (!cert_is_for(&v->leaf, v->host))
			refuse_names(v);
	}
	return v->why.kind == ERR_NONE ? 0 : BR_ERR_X509_NOT_TRUSTED;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx,
				    unsigned *usages)
{
	struct verify *v = self(ctx);

	if (v->why.kind != ERR_NONE)
		return NULL;
	if (!v->trust->pinned)
		return v->minimal.vtable->get_pkey(&v->minimal.vtable, usages);
	if (usages != NULL)
		*usages = BR_KEYTYPE_SIGN;
	return &v->key;
}

static const br_x509_class verify_class = {
	sizeof(struct verify),
	start_chain,
	start_cert,
	append,
	end_cert,
	end_chain,
	get_pkey,
};

void verify_init(struct verify *v, const struct tls_trust *trust, const char *host)
{
	br_x509_minimal_context *m = &v->minimal;

	memset(v, 0, sizeof(*v));
	v->vtable = &verify_class;
	v->trust = trust;
	v->host = host;
	v->now = unix_time();
	buf_init(&v->heard, PEM_OBJECT_MAX);
	buf_init(&v->leaf_der, 0);
	buf_init(&v->issuer, PEM_OBJECT_MAX);

	br_x509_minimal_init(m, &br_sha256_vtable, trust->anchors,
			     trust->anchors_count);
	/* no SHA-1, here or in the handshake: signatures with it are refused */
	br_x509_minimal_set_hash(m, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(m, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(m, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_rsa(m, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(m, TLS_EC, br_ecdsa_vrfy_asn1_get_default());
	br_x509_minimal_set_minrsa(m, RSA_BYTES_MIN);
	br_x509_minimal_set_time(m, (uint32_t)(v->now / 86400 + DAYS_TO_1970),
				 (uint32_t)(v->now % 86400));
}

void verify_release(struct verify *v)
{
	buf_release(&v->heard);
	buf_release(&v->leaf_der);
	buf_release(&v->issuer);
}
