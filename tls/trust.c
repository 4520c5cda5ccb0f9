/*
 * Whom to trust: the roots that SSL_CERT_FILE and SSL_CERT_DIR name, else
 * those of the system, else the few that are built in, or one key.  A root is
 * kept as a record of its name, dates and key; build-aux/anchors.c describes
 * the form.  A root from a file may say more about its use.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/asset.h"
#include "base/file.h"
#include "tls/inner.h"

#define RECORDS_MAX (8u << 20)
/* Added to a record's type. */
#define NOT_AN_AUTHORITY 0x80 /* trusted for itself only */
#define WITH_USAGE 0x40 /* behind the key: u16be n, inside of extKeyUsage */
#define WITH_CONSTRAINTS 0x20 /* then: u16be n, inside of nameConstraints */

/* ---- records ---- */

static void add_sized(struct buf *b, const void *p, size_t n)
{
	buf_addc(b, (char)(n >> 8));
	buf_addc(b, (char)n);
	buf_add(b, p, n);
}

static void add_time(struct buf *b, int64_t t)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_addc(b, (char)((uint64_t)t >> shift));
}

static struct str take(struct str *in, size_t n)
{
	struct str s = str_head(*in, n);

	*in = str_skip(*in, n);
	return s;
}

static struct str take_sized(struct str *in)
{
	struct str n = take(in, 2);

	return n.n < 2 ? n :
			 take(in, (size_t)(unsigned char)n.p[0] << 8 |
					  (unsigned char)n.p[1]);
}

static int64_t take_time(struct str *in)
{
	struct str t = take(in, 8);
	uint64_t v = 0;

	for (size_t i = 0; i < t.n; i++)
		v = v << 8 | (unsigned char)t.p[i];
	return (int64_t)v;
}

/* A root in BearSSL's form, and what BearSSL does not ask about it; both
 * point into the record. */
static br_x509_trust_anchor take_anchor(struct str *in, struct root_rules *r)
{
	br_x509_trust_anchor a = { .flags = BR_X509_TA_CA };
	struct str dn = take_sized(in), type, v;
	unsigned kind, flags;

	r->not_before = take_time(in);
	r->not_after = take_time(in);
	type = take(in, 1);
	flags = type.n > 0 ? (unsigned char)type.p[0] : 0;
	kind = flags & 0x1f;
	if (flags & NOT_AN_AUTHORITY)
		a.flags = 0;
	a.dn = (br_x500_name){ loose(dn.p), dn.n };
	v = take_sized(in);
	if (kind == 1) {
		struct str n = take(in, 1),
			   e = take(in, n.n > 0 ? (unsigned char)n.p[0] : 0);

		a.pkey.key_type = BR_KEYTYPE_RSA;
		a.pkey.key.rsa = (br_rsa_public_key){ loose(v.p), v.n,
						      loose(e.p), e.n };
	} else {
		a.pkey.key_type = BR_KEYTYPE_EC;
		a.pkey.key.ec = (br_ec_public_key){
			BR_EC_secp256r1 + (int)kind - 2, loose(v.p), v.n
		};
	}
	if (flags & WITH_USAGE)
		r->ext_usage = take_sized(in);
	if (flags & WITH_CONSTRAINTS)
		r->constraints = take_sized(in);
	return a;
}

static struct tls_trust *trust_new(void)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));

	buf_init(&t->records, RECORDS_MAX);
	return t;
}

/* Make BearSSL's array once all records are there. */
static void trust_index(struct tls_trust *t, struct str records)
{
	struct root_rules *rules;
	size_t room = 0;

	while (records.n > 0) {
		if (t->anchors_count == room) {
			room = room == 0 ? 256 : room * 2;
			t->anchors = xrealloc(t->anchors,
					      room * sizeof(t->anchors[0]));
			t->rules = xrealloc(t->rules, room * sizeof(t->rules[0]));
		}
		rules = &t->rules[t->anchors_count];
		*rules = (struct root_rules){ 0 };
		t->anchors[t->anchors_count++] = take_anchor(&records, rules);
	}
}

/* The certificate as a record, unless it is there already: directories of
 * certificates hold each one up to three times. */
static int add_certificate(struct tls_trust *t, struct str der, struct err *e)
{
	struct buf r = BUF_INIT(2 * PEM_OBJECT_MAX);
	br_x509_pkey key;
	struct cert c;
	unsigned type;

	if (cert_read(der, &c, e) < 0 || cert_key(c.spki, &key, e) < 0)
		return -1;
	/* certificates of version 1 cannot say that they are an authority */
	type = c.ca || c.version == 1 ? 0 : NOT_AN_AUTHORITY;
	type |= c.ext_usage.p != NULL ? WITH_USAGE : 0;
	type |= c.constraints.p != NULL ? WITH_CONSTRAINTS : 0;
	add_sized(&r, c.subject.p, c.subject.n);
	add_time(&r, c.not_before);
	add_time(&r, c.not_after);
	if (key.key_type == BR_KEYTYPE_RSA) {
		buf_addc(&r, (char)(1 | type));
		add_sized(&r, key.key.rsa.n, key.key.rsa.nlen);
		buf_addc(&r, (char)key.key.rsa.elen);
		buf_add(&r, key.key.rsa.e, key.key.rsa.elen);
	} else {
		buf_addc(&r, (char)((unsigned)(key.key.ec.curve -
					       BR_EC_secp256r1 + 2) |
				    type));
		add_sized(&r, key.key.ec.q, key.key.ec.qlen);
	}
	if (type & WITH_USAGE)
		add_sized(&r, c.ext_usage.p, c.ext_usage.n);
	if (type & WITH_CONSTRAINTS)
		add_sized(&r, c.constraints.p, c.constraints.n);
	if (r.over || (key.key_type == BR_KEYTYPE_RSA && key.key.rsa.elen > 255)) {
		buf_release(&r);
		return err_set(
			e, ERR_DATA,
			"a certificate with names or keys too large to be true");
	}
	if (str_find(buf_str(&t->records), buf_str(&r)) < 0)
		buf_addstr(&t->records, buf_str(&r));
	buf_release(&r);
	return buf_check(&t->records, "the set of trusted roots", e);
}

/*
 * Every certificate of a PEM text.  One that we cannot use (a key of another
 * kind) is no reason to refuse the others, but it is the reason given when
 * none is left.
 */
static int add_pem(struct tls_trust *t, struct str pem, struct err *e)
{
	struct buf der = BUF_INIT(PEM_OBJECT_MAX);
	struct err first = ERR_INIT;
	struct str label;
	unsigned used = 0;
	int found;

	while ((found = pem_next(&pem, &label, &der, e)) > 0) {
		if (!str_eqz(label, "CERTIFICATE") &&
		    !str_eqz(label, "X509 CERTIFICATE"))
			continue;
		if (add_certificate(t, buf_str(&der), &first) == 0)
			used++;
	}
	buf_release(&der);
	if (found < 0)
		return -1;
	if (used == 0 && first.kind != ERR_NONE)
		return err_set(e, first.kind, "%s", first.msg);
	if (used == 0)
		return err_set(e, ERR_DATA, "no certificate in PEM form in it");
	return 0;
}

/* ---- where they come from ---- */

static int add_file(struct tls_trust *t, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(PEM_FILE_MAX);
	int rc = -1;

	if (file_read(path, &text, e) == 0 &&
	    (rc = add_pem(t, buf_str(&text), e)) < 0)
		err_in(e, "%s", path);
	buf_release(&text);
	return rc;
}

/* All files of a directory; such directories hold other things, too. */
static int add_directory(struct tls_trust *t, const char *path, struct err *e)
{
	struct dirent *entry;
	DIR *d = opendir(path);
	unsigned used = 0;

	if (d == NULL)
		return err_sys(e, ERR_IO, "%s", path);
	while ((entry = readdir(d)) != NULL) {
		char *file = xasprintf("%s/%s", path, entry->d_name);
		struct err skipped = ERR_INIT;
		struct stat st;

		if (stat(file, &st) == 0 && S_ISREG(st.st_mode) &&
		    add_file(t, file, &skipped) == 0)
			used++;
		free(file);
	}
	closedir(d);
	if (used == 0)
		return err_set(e, ERR_DATA,
			       "%s: no certificate in PEM form in it", path);
	return 0;
}

static int add_directories(struct tls_trust *t, const char *list, struct err *e)
{
	struct str rest = str_of(list), one;

	while (str_next(&rest, ':', &one)) {
		char *path = str_dup(one);
		int rc = one.n == 0 ? 0 : add_directory(t, path, e);

		free(path);
		if (rc < 0)
			return -1;
	}
	return 0;
}

struct tls_trust *trust_from(const char *const *stores, struct err *e)
{
	const char *file = getenv("SSL_CERT_FILE"),
		   *dirs = getenv("SSL_CERT_DIR");
	struct tls_trust *t = trust_new();

	if (file != NULL && *file != '\0' && add_file(t, file, e) < 0) {
		err_in(e, "SSL_CERT_FILE");
		goto fail;
	}
	if (dirs != NULL && *dirs != '\0' && add_directories(t, dirs, e) < 0) {
		err_in(e, "SSL_CERT_DIR");
		goto fail;
	}
	/* A store that is there and cannot be used is passed over: whoever
	 * wants another one names it. */
	for (; t->records.n == 0 && *stores != NULL; stores++) {
		struct err ignored = ERR_INIT;

		if (file_exists(*stores) && add_file(t, *stores, &ignored) < 0)
			buf_reset(&t->records);
	}
	if (t->records.n == 0)
		asset_get("build/roots", &t->records);
	trust_index(t, buf_str(&t->records));
	return t;
fail:
	tls_trust_free(t);
	return NULL;
}

struct tls_trust *tls_trust_default(struct err *e)
{
	/* where the distributions keep them, in the order of what is common */
	static const char *const stores[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
		"/etc/ssl/ca-bundle.pem",	      /* SUSE */
		"/etc/ssl/cert.pem", NULL
	};

	return trust_from(stores, e);
}

struct tls_trust *tls_trust_pem(struct str pem, const char *what, struct err *e)
{
	struct tls_trust *t = trust_new();

	if (add_pem(t, pem, e) < 0) {
		err_in(e, "%s", what);
		tls_trust_free(t);
		return NULL;
	}
	trust_index(t, buf_str(&t->records));
	return t;
}

struct tls_trust *tls_trust_pin(const uint8_t spki_sha256[32])
{
	struct tls_trust *t = trust_new();

	t->pinned = true;
	memcpy(t->pin, spki_sha256, sizeof(t->pin));
	return t;
}

void tls_trust_free(struct tls_trust *t)
{
	if (t == NULL)
		return;
	buf_release(&t->records);
	free(t->anchors);
	free(t->rules);
	free(t);
}
