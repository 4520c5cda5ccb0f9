#ifndef TLS_INNER_H
#define TLS_INNER_H

/*
 * What the files of tls/ share; nobody outside includes this.
 */
#include <bearssl.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/tls.h"

/* ---- PEM and DER (tls/der.c) ---- */

#define PEM_OBJECT_MAX (32u << 10) /* one object, decoded */
#define PEM_FILE_MAX (4u << 20)	   /* Debian's bundle of roots is 0.2 MiB */

/*
 * Take the next object off the front of *text (RFC 7468; what stands between
 * objects is passed over).  label points into the text, der is emptied first.
 * 1 when there was one, 0 when there is none left, -1 with e.
 */
int pem_next(struct str *text, struct str *label, struct buf *der, struct err *e);
void pem_add(struct buf *out, const char *label, const void *der, size_t n);

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0x80u | (n))	  /* [n] IMPLICIT, primitive */
#define DER_CONTEXT_OPEN(n) (0xa0u | (n)) /* [n], constructed */

/*
 * Reading, X.690 section 10 (definite, shortest lengths only) and tags below
 * 31: false, with *in untouched, when the front of *in is not that.
 */
bool der_any(struct str *in, unsigned *tag, struct str *body);
/* The next element has this tag. */
bool der_get(struct str *in, unsigned tag, struct str *body);
/* The same, with the header: what is hashed or compared. */
bool der_whole(struct str *in, unsigned tag, struct str *whole);
/* An INTEGER that is not negative, without its leading zeros. */
bool der_uint(struct str *in, struct str *v);
/* The bytes of a BIT STRING that has no unused bits. */
bool der_bits(struct str *in, struct str *v);
/* UTCTime or GeneralizedTime in the form that RFC 5280 4.1.2.5 allows. */
bool der_time(struct str *in, int64_t *t);

/* Writing: what comes between _open and _close is the element's body. */
size_t der_open(struct buf *b, unsigned tag);
void der_close(struct buf *b, size_t at);
void der_add(struct buf *b, unsigned tag, const void *p, size_t n);
void der_add_uint(struct buf *b, const void *p, size_t n);
void der_add_bits(struct buf *b, const void *p,
		  size_t n); /* a BIT STRING of whole bytes */

/* The encoded bodies of the object identifiers that we write or know. */
extern const struct str oid_rsa, oid_rsa_sha256, oid_ec, oid_ecdsa_sha256,
	oid_p256, oid_p384, oid_p521, oid_cn, oid_ou, oid_o, oid_ski, oid_aki,
	oid_basic, oid_usage, oid_ext_usage, oid_san, oid_server_auth,
	oid_any_usage, oid_constraints, oid_email;

/* Each curve by the code that BearSSL has made for it. */
#define TLS_EC (&br_ec_all_m31)

/* BearSSL's structures are not const where its functions only read. */
static inline unsigned char *loose(const void *p)
{
	return (unsigned char *)(uintptr_t)p;
}

/* ---- private keys (tls/keys.c) ---- */

#define KEY_DER_MAX 4096 /* RSA-4096 in PKCS#8 takes 2,400 */

/* A private key with its public half.  Points into itself: never copied. */
struct key {
	int type; /* BR_KEYTYPE_RSA or BR_KEYTYPE_EC */
	br_rsa_private_key rsa;
	br_rsa_public_key rsa_pub;
	br_ec_private_key ec;
	br_ec_public_key ec_pub;
	unsigned char q[BR_EC_KBUF_PUB_MAX_SIZE];
	unsigned char der[KEY_DER_MAX];
};

int key_load(struct key *k, struct str pem, struct err *e);
/* SubjectPublicKeyInfo, RFC 5280 4.1.2.7. */
void key_spki(const struct key *k, struct buf *out);

/* ---- certificates, read (tls/cert.c) ---- */

/* Slices into the DER given. */
struct cert {
	unsigned version;	    /* 1..3 */
	struct str issuer, subject; /* whole Names */
	struct str spki;	    /* whole SubjectPublicKeyInfo */
	int64_t not_before, not_after;
	struct str names;	/* inside of subjectAltName, p NULL if absent */
	struct str ext_usage;	/* inside of extKeyUsage, p NULL if absent */
	struct str constraints; /* inside of nameConstraints, the same */
	bool ca;		/* basicConstraints says so */
	/* The bytes that call the last two critical, p NULL if not there. */
	struct str critical[2];
	struct str tbs; /* what is signed */
};

int cert_read(struct str der, struct cert *c, struct err *e);
/* The key, pointing into the SPKI. */
int cert_key(struct str spki, br_x509_pkey *key, struct err *e);
/* "CN=example" for people; the O or OU of a Name without CN. */
void cert_name_text(struct str name, struct buf *out);
/* Whether the names hold this host name or IP address (RFC 9525 6.3, 6.4). */
bool cert_is_for(const struct cert *c, const char *host);
/* The names for people, "a.example, 10.0.0.1", a long list cut short. */
void cert_names_text(const struct cert *c, struct buf *out);
/* An extKeyUsage (its inside) that is absent, or allows to be a server: of an
 * authority, to issue for servers. */
bool usage_serves(struct str ext_usage);
bool cert_self_issued(const struct cert *c);

/* ---- for whom an authority may issue (tls/limits.c) ---- */

/* Comparisons for one chain: certificates of strangers could ask for 10^9. */
#define LIMITS_LOOKS (1u << 18)

/*
 * Whether nameConstraints (their inside, p NULL or empty: none) leave all names
 * of the certificate alone, its subject too.  False with the name, or what is
 * wrong with them, for people; also when *left comparisons do not suffice.
 */
bool limits_allow(struct str constraints, const struct cert *c, unsigned *left,
		  struct buf *culprit);

/* ---- trust (tls/trust.c) ---- */

/* What a root's certificate says about its use; dates are Unix time. */
struct root_rules {
	int64_t not_before, not_after;
	struct str ext_usage, constraints; /* as in struct cert, or empty */
};

/* A set of them. */
struct roots {
	br_x509_trust_anchor *anchors;
	struct root_rules *rules; /* as many */
	size_t n;
	struct buf records; /* what the anchors point into */
	uint32_t *seen;	    /* of each record: what tells most from others */
};

struct tls_trust {
	bool pinned;
	uint8_t pin[32];
	struct roots roots;
	/* Directories where files are named after what they hold: they are
	 * read when somebody is looked for.  NULL at the end, or NULL. */
	char **named;
};

/* As tls_trust_default, with these files as the system's, NULL at the end. */
struct tls_trust *trust_from(const char *const *stores, struct err *e);
/* Add to found, which is { 0 } at first, the roots of that name (a whole Name)
 * that are in directories of t's; what cannot be read is not there. */
void trust_find(const struct tls_trust *t, struct str name, struct roots *found);
/* The same for all that is in them, whatever its file is called.  False: t has
 * no such directory, and found is as it was. */
bool trust_find_all(const struct tls_trust *t, struct roots *found);
void roots_release(struct roots *r);
/* The hash that OpenSSL's directories have names by (subject_hash).  False for
 * names that would be work and are rare, of which trust_find() finds none. */
bool name_hash(struct str name, uint32_t *hash);

/* ---- our X.509 engine (tls/verify.c) ---- */

#define VERIFY_CHAIN_MAX 10

/*
 * Hears the server's chain from BearSSL, lets br_x509_minimal judge it (or
 * compares the pin), adds what that leaves out (names, usage, constraints and
 * the roots' own), and knows afterwards in words why it was refused.
 */
struct verify {
	const br_x509_class *vtable; /* first: BearSSL sees a br_x509_class ** */
	const struct tls_trust *trust;
	const char *host;
	int64_t now; /* wall clock, seconds */
	br_x509_minimal_context minimal;
	struct roots found; /* beside those of trust, for this chain */
	bool found_all;	    /* there are no more */
	br_x509_trust_anchor *usable; /* of both, those for the chain so far */
	unsigned left;		      /* comparisons of names */
	unsigned count;		      /* certificates heard */
	unsigned kept;		      /* of them, in chain and der */
	struct buf heard;
	/* those that were needed, leaf first, and what they point into */
	struct cert chain[VERIFY_CHAIN_MAX];
	struct buf der[VERIFY_CHAIN_MAX];
	br_x509_pkey key; /* the leaf's */
	struct err why;	  /* set: refused */
};

void verify_init(struct verify *v, const struct tls_trust *trust,
		 const char *host);
void verify_release(struct verify *v);

#endif
