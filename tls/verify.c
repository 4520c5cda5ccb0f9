/*
 * Judges a server's certificate chain: br_x509_minimal checks signatures,
 * dates, constraints and trust; here are the names (IP addresses too), the
 * pin, what authorities may issue for, what roots say about themselves, and
 * the sentences.  A certificate that is refused is the most frequent error of
 * TLS in practice, and "error 62" has never helped anybody.
 */
#include <stdlib.h>
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

static struct str name_of(const br_x509_trust_anchor *a)
{
	return (struct str){ (const char *)a->dn.data, a->dn.len };
}

/* Root number i of all that are known now.  False: there is none. */
static bool root_at(const struct verify *v, size_t i,
		    const br_x509_trust_anchor **a, const struct root_rules **r)
{
	const struct roots *some = &v->trust->roots;

	if (i >= some->n) {
		i -= some->n;
		some = &v->found;
	}
	if (i >= some->n)
		return false;
	*a = &some->anchors[i];
	*r = &some->rules[i];
	return true;
}

/* Whether constraints leave the first n certificates alone; an authority's
 * own successor, of the same name, may have any (RFC 5280 6.1.4 (b)). */
static bool limits_hold(struct verify *v, struct str constraints, size_t n,
			struct buf *culprit)
{
	if (constraints.n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if ((i == 0 || !cert_self_issued(&v->chain[i])) &&
		    !limits_allow(constraints, &v->chain[i], &v->left, culprit))
			return false;
	return true;
}

/* ---- why ---- */

#define refuse(v, ...) err_set(&(v)->why, ERR_TLS, __VA_ARGS__)

static void refuse_dates(struct verify *v, int64_t not_before,
			 int64_t not_after, const char *whose)
{
	char from[32], to[32], now[32];
	bool early = v->now < not_before;

	time_iso(not_before, from);
	time_iso(not_after, to);
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
	if (v->count > 1)
		cert_name_text(v->chain[v->count - 2].issuer, &issuer);
	if (v->count > 1)
		buf_addf(&whose, "issuer %s: ", name.str);
	switch (error) {
	case BR_ERR_X509_EXPIRED:
		refuse_dates(v, c->not_before, c->not_after, whose.str);
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

/* Refuse, if an authority with these constraints may not issue for the first n
 * certificates. */
static void refuse_limits(struct verify *v, struct str authority,
			  struct str constraints, size_t n)
{
	struct buf name = BUF_INIT(TEXT_MAX), culprit = BUF_INIT(TEXT_MAX);

	if (!limits_hold(v, constraints, n, &culprit)) {
		cert_name_text(authority, &name);
		refuse(v,
		       "issuer %s may not issue for %s (name constraints of its certificate)",
		       name.str, culprit.str);
	}
	buf_release(&name);
	buf_release(&culprit);
}

/* We know somebody of that name, who may not be used: why. */
static bool refuse_root(struct verify *v, struct str dn)
{
	struct buf name = BUF_INIT(TEXT_MAX), whose = BUF_INIT(TEXT_MAX);
	const struct root_rules *r;
	const br_x509_trust_anchor *a;

	cert_name_text(dn, &name);
	buf_addf(&whose, "trusted issuer %s: ", name.str);
	for (size_t i = 0; v->why.kind == ERR_NONE && root_at(v, i, &a, &r); i++) {
		if (!str_eq(dn, name_of(a)))
			continue;
		if (v->now < r->not_before || v->now > r->not_after)
			refuse_dates(v, r->not_before, r->not_after, whose.str);
		else if (!usage_serves(r->ext_usage))
			refuse(v,
			       "%scertificate is not for servers (extended key usage)",
			       whose.str);
		else
			refuse_limits(v, dn, r->constraints, v->count);
	}
	buf_release(&name);
	buf_release(&whose);
	return v->why.kind != ERR_NONE;
}

/* All were well, but none was issued by somebody we trust. */
static void refuse_issuer(struct verify *v)
{
	const struct cert *leaf = &v->chain[0], *last = &v->chain[v->count - 1];
	struct buf issuer = BUF_INIT(TEXT_MAX);
	bool known = false;

	cert_name_text(last->issuer, &issuer);
	for (size_t i = 0; i < v->minimal.trust_anchors_num; i++)
		known = known || str_eq(last->issuer, name_of(&v->usable[i]));
	if (known)
		refuse(v,
		       "a certificate says it is issued by %s, "
		       "but not with the key of the one we trust",
		       issuer.str);
	else if (refuse_root(v, last->issuer))
		; /* it says why */
	else if (v->count == 1 && cert_self_issued(leaf))
		refuse(v, "self-signed certificate %s is not trusted" OWN_CA,
		       issuer.str);
	else
		refuse(v, "unknown issuer %s%s" OWN_CA, issuer.str,
		       v->count > 1 ?
			       "" :
			       " (the server sent no intermediate certificate)");
	buf_release(&issuer);
}

static void refuse_usage(struct verify *v, const struct cert *c)
{
	struct buf name = BUF_INIT(TEXT_MAX);

	cert_name_text(c->subject, &name);
	refuse(v, "issuer %s: certificate is not for servers (extended key usage)",
	       name.str);
	buf_release(&name);
}

static void refuse_names(struct verify *v)
{
	struct buf names = BUF_INIT(TEXT_MAX);

	cert_names_text(&v->chain[0], &names);
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
}

static void append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct verify *v = self(ctx);

	if (v->why.kind == ERR_NONE)
		buf_add(&v->heard, p, n);
}

/* Have the roots of that name at hand, where they are in files named after it. */
static void look_for(struct verify *v, struct str name)
{
	const struct root_rules *r;
	const br_x509_trust_anchor *a;

	for (size_t i = 0; root_at(v, i, &a, &r); i++)
		if (str_eq(name, name_of(a)))
			return;
	trust_find(v->trust, name, &v->found);
}

/* Roots by their own certificates: those that are valid, for servers, and may
 * issue for the chain as far as it is known. */
static void choose_roots(struct verify *v)
{
	const br_x509_trust_anchor *a;
	const struct root_rules *r;
	size_t n = 0;

	v->usable = xrealloc(v->usable, (v->trust->roots.n + v->found.n + 1) *
						sizeof(v->usable[0]));
	for (size_t i = 0; root_at(v, i, &a, &r); i++) {
		struct buf ignored = BUF_INIT(TEXT_MAX);

		if (v->now >= r->not_before && v->now <= r->not_after &&
		    usage_serves(r->ext_usage) &&
		    limits_hold(v, r->constraints, v->count, &ignored))
			v->usable[n++] = *a;
		buf_release(&ignored);
	}
	v->minimal.trust_anchors = v->usable;
	v->minimal.trust_anchors_num = n;
}

static void hash_with(const br_hash_class *kind, struct str s,
		      unsigned char hash[br_sha512_SIZE])
{
	br_hash_compat_context h;

	kind->init(&h.vtable);
	kind->update(&h.vtable, s.p, s.n);
	kind->out(&h.vtable, hash);
}

/* The certificate as br_x509_minimal is shown it, or a part of it. */
static void add_shown(struct buf *shown, struct str part, const struct cert *c)
{
	buf_addstr(shown, part);
	for (size_t i = 0; i < 2; i++)
		if (c->critical[i].p != NULL)
			shown->str[c->critical[i].p - part.p] = 0;
}

/*
 * What is signed, hashed as it was heard: br_x509_minimal asks about the
 * certificate that it hears, or the one before, and has the hash of what it was
 * shown of that.
 */
static bool hash_heard(const struct verify *v, size_t n,
		       unsigned char hash[br_sha512_SIZE])
{
	static const br_hash_class *const kinds[] = { &br_sha256_vtable,
						      &br_sha384_vtable,
						      &br_sha512_vtable };
	const br_hash_class *kind = NULL;
	bool found = false;

	for (size_t i = 0; i < 3; i++)
		if ((kinds[i]->desc >> BR_HASHDESC_OUT_OFF &
		     BR_HASHDESC_OUT_MASK) == n)
			kind = kinds[i];
	for (unsigned back = 1;
	     kind != NULL && !found && back <= 2 && back <= v->count; back++) {
		const struct cert *c = &v->chain[v->count - back];
		struct buf shown = BUF_INIT(PEM_OBJECT_MAX);

		add_shown(&shown, c->tbs, c);
		hash_with(kind, buf_str(&shown), hash);
		found = memcmp(hash, v->minimal.tbs_hash, n) == 0;
		if (found)
			hash_with(kind, c->tbs, hash);
		buf_release(&shown);
	}
	return found;
}

/* Ours, from the signature in its context that br_x509_minimal gives. */
static struct verify *of_signature(const unsigned char *sig)
{
	return (struct verify *)(uintptr_t)(sig - offsetof(struct verify,
							   minimal.cert_sig));
}

static uint32_t check_rsa(const unsigned char *x, size_t n,
			  const unsigned char *oid, size_t hash_n,
			  const br_rsa_public_key *pk, unsigned char *out)
{
	struct verify *v = of_signature(x);
	unsigned char hash[br_sha512_SIZE];

	if (!br_rsa_pkcs1_vrfy_get_default()(x, n, oid, hash_n, pk, out) ||
	    !hash_heard(v, hash_n, hash) || memcmp(hash, out, hash_n) != 0)
		return 0;
	/* what it compares with is the hash of what it was shown */
	memcpy(out, v->minimal.tbs_hash, hash_n);
	return 1;
}

static uint32_t check_ecdsa(const br_ec_impl *ec, const void *shown,
			    size_t hash_n, const br_ec_public_key *pk,
			    const void *sig, size_t n)
{
	unsigned char hash[br_sha512_SIZE];

	(void)shown;
	return hash_heard(of_signature(sig), hash_n, hash) &&
	       br_ecdsa_vrfy_asn1_get_default()(ec, hash, hash_n, pk, sig, n);
}

/*
 * Let br_x509_minimal see the certificate.  It refuses critical extensions that
 * it does not know, and of those we know two: it is shown them as not critical,
 * and signatures are checked over what was really heard.
 */
static void show(struct verify *v, const struct buf *der, const struct cert *c)
{
	struct buf shown = BUF_INIT(PEM_OBJECT_MAX);
	const br_x509_class **m = &v->minimal.vtable;

	add_shown(&shown, buf_str(der), c);
	v->minimal.vtable->start_cert(m, (uint32_t)der->n);
	v->minimal.vtable->append(m, (unsigned char *)shown.str, shown.n);
	v->minimal.vtable->end_cert(m);
	buf_release(&shown);
}

/* br_x509_minimal, at the beginning of a chain. */
static void begin(struct verify *v)
{
	br_x509_minimal_context *m = &v->minimal;

	v->left = LIMITS_LOOKS;
	br_x509_minimal_init(m, &br_sha256_vtable, NULL, 0);
	/* no SHA-1, here or in the handshake: signatures with it are refused */
	br_x509_minimal_set_hash(m, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(m, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(m, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_rsa(m, check_rsa);
	br_x509_minimal_set_ecdsa(m, TLS_EC, check_ecdsa);
	br_x509_minimal_set_minrsa(m, RSA_BYTES_MIN);
	br_x509_minimal_set_time(m, (uint32_t)(v->now / 86400 + DAYS_TO_1970),
				 (uint32_t)(v->now % 86400));
	m->vtable->start_chain(&m->vtable, NULL);
}

/* Certificate number v->count, of a chain that is well so far. */
static void judge(struct verify *v)
{
	const struct buf *der = &v->der[v->count - 1];
	const struct cert *c = &v->chain[v->count - 1];

	/* one that is trusted itself, too; of others their issuers say so */
	if (v->count == 1)
		look_for(v, c->subject);
	look_for(v, c->issuer);
	choose_roots(v);
	show(v, der, c);
	if (v->minimal.err != 0 && v->minimal.err != BR_ERR_X509_OK)
		refuse_certificate(v, c, v->minimal.err);
	else if (v->count > 1 && !usage_serves(c->ext_usage))
		refuse_usage(v, c);
	else if (v->count > 1)
		refuse_limits(v, c->subject, c->constraints, v->count - 1);
}

/*
 * It was refused: before that is said, the roots count that are in a directory
 * of hashes under a name of their own.  False: there are none.
 */
static bool judge_again(struct verify *v)
{
	unsigned heard = v->count;

	if (v->found_all || !trust_find_all(v->trust, &v->found))
		return false;
	v->found_all = true;
	err_clear(&v->why);
	begin(v);
	for (v->count = 1; v->count <= v->kept; v->count++) {
		judge(v);
		if (v->why.kind != ERR_NONE || v->minimal.err == BR_ERR_X509_OK)
			break;
	}
	v->count = heard;
	return true;
}

static void end_cert(const br_x509_class **ctx)
{
	struct verify *v = self(ctx);
	struct err e = ERR_INIT;
	struct buf *der;
	struct cert *c;

	/* what comes behind the last one needed is ignored */
	if (v->why.kind != ERR_NONE ||
	    (v->count > 1 &&
	     (v->trust->pinned || v->minimal.err == BR_ERR_X509_OK)))
		return;
	c = &v->chain[v->count - 1];
	der = &v->der[v->count - 1];
	*der = v->heard;
	buf_init(&v->heard, PEM_OBJECT_MAX);
	if (cert_read(buf_str(der), c, &e) < 0) {
		refuse(v, "certificate %u of the server is malformed", v->count);
		return;
	}
	if (v->count == 1 && cert_key(c->spki, &v->key, &e) < 0)
		refuse(v, "certificate has %s", e.msg);
	if (v->why.kind != ERR_NONE || v->trust->pinned)
		return;
	v->kept = v->count;
	judge(v);
	if (v->why.kind != ERR_NONE)
		judge_again(v);
}

static void check_pin(struct verify *v)
{
	uint8_t hash[SHA256_LEN];

	sha256(v->chain[0].spki.p, v->chain[0].spki.n, hash);
	if (!same_bytes(hash, v->trust->pin, sizeof(hash)))
		refuse(v, "the server's key is not the pinned one");
}

/* All was heard, and none of it refused. */
static void conclude(struct verify *v)
{
	if (v->minimal.vtable->end_chain(&v->minimal.vtable) != 0)
		refuse_issuer(v);
	else if (!usage_serves(v->chain[0].ext_usage))
		refuse(v, "certificate is not for servers (extended key usage)");
	else if (!cert_is_for(&v->chain[0], v->host))
		refuse_names(v);
}

static unsigned end_chain(const br_x509_class **ctx)
{
	struct verify *v = self(ctx);

	if (v->why.kind == ERR_NONE && v->count == 0)
		refuse(v, "the server sent no certificate");
	if (v->why.kind == ERR_NONE && v->trust->pinned) {
		check_pin(v);
	} else if (v->why.kind == ERR_NONE) {
		conclude(v);
		if (v->why.kind != ERR_NONE && judge_again(v) &&
		    v->why.kind == ERR_NONE)
			conclude(v);
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
	memset(v, 0, sizeof(*v));
	v->vtable = &verify_class;
	v->trust = trust;
	v->host = host;
	v->now = unix_time();
	buf_init(&v->heard, PEM_OBJECT_MAX);
	for (size_t i = 0; i < VERIFY_CHAIN_MAX; i++)
		buf_init(&v->der[i], PEM_OBJECT_MAX);
	begin(v);
}

void verify_release(struct verify *v)
{
	buf_release(&v->heard);
	for (size_t i = 0; i < VERIFY_CHAIN_MAX; i++)
		buf_release(&v->der[i]);
	roots_release(&v->found);
	free(v->usable);
}
