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
#include "base/hash.h"
#include "tls/inner.h"

#define RECORDS_MAX (8u << 20)
#define SAME_HASH_MAX 16 /* files of a directory with names of one hash */
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

void roots_release(struct roots *r)
{
	buf_release(&r->records);
	free(r->anchors);
	free(r->rules);
	free(r->seen);
	*r = (struct roots){ 0 };
}

/* Empty, whatever was in it. */
static void roots_init(struct roots *r)
{
	roots_release(r);
	buf_init(&r->records, RECORDS_MAX);
}

static struct tls_trust *trust_new(void)
{
	struct tls_trust *t = xcalloc(1, sizeof(*t));

	roots_init(&t->roots);
	return t;
}

/* Make BearSSL's array once all records are there. */
static void roots_index(struct roots *r)
{
	struct str records = buf_str(&r->records);
	size_t room = 0;

	for (r->n = 0; records.n > 0; r->n++) {
		if (r->n == room) {
			room = room == 0 ? 16 : room * 2;
			r->anchors = xrealloc(r->anchors,
					      room * sizeof(r->anchors[0]));
			r->rules = xrealloc(r->rules, room * sizeof(r->rules[0]));
		}
		r->rules[r->n] = (struct root_rules){ 0 };
		r->anchors[r->n] = take_anchor(&records, &r->rules[r->n]);
	}
}

/* FNV-1a: of two records that are not the same, nearly always another. */
static uint32_t mark_of(struct str s)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619;
	return h;
}

/* Add a record that is not there yet: directories of certificates hold each
 * one up to three times. */
static void add_record(struct roots *r, struct str record)
{
	uint32_t mark = mark_of(record);
	bool there = false;

	for (size_t i = 0; i < r->n && !there; i++)
		there = r->seen[i] == mark &&
			str_find(buf_str(&r->records), record) >= 0;
	if (there)
		return;
	if (r->n % 16 == 0)
		r->seen = xrealloc(r->seen, (r->n + 16) * sizeof(r->seen[0]));
	r->seen[r->n++] = mark;
	buf_addstr(&r->records, record);
}

/* The certificate as a record. */
static int add_certificate(struct roots *t, struct str der, struct err *e)
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
	add_record(t, buf_str(&r));
	buf_release(&r);
	return buf_check(&t->records, "the set of trusted roots", e);
}

/*
 * Every certificate of a PEM text.  One that we cannot use (a key of another
 * kind) is no reason to refuse the others, but it is the reason given when
 * none is left.
 */
static int add_pem(struct roots *t, struct str pem, struct err *e)
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

static int add_file(struct roots *t, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(PEM_FILE_MAX);
	int rc = -1;

	if (file_read(path, &text, e) == 0 &&
	    (rc = add_pem(t, buf_str(&text), e)) < 0)
		err_in(e, "%s", path);
	buf_release(&text);
	return rc;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* All files of a directory; such directories hold other things, too. */
static int add_directory(struct roots *t, const char *path, struct err *e)
{
	struct dirent *entry;
	DIR *d = opendir(path);
	unsigned used = 0;

	if (d == NULL)
		return err_sys(e, ERR_IO, "%s", path);
	while ((entry = readdir(d)) != NULL) {
		char *file = xasprintf("%s/%s", path, entry->d_name);
		struct err skipped = ERR_INIT;

		if (is_file(file) && add_file(t, file, &skipped) == 0)
			used++;
		free(file);
	}
	closedir(d);
	if (used == 0)
		return err_set(e, ERR_DATA,
			       "%s: no certificate in PEM form in it", path);
	return 0;
}

/* "5ad8a5d6.0" */
static bool is_hash_name(const char *name)
{
	struct str s = str_of(name);
	uint64_t v;

	for (size_t i = 0; i < 8; i++)
		if (i >= s.n ||
		    !(is_digit(s.p[i]) || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	s = str_skip(s, 8);
	return str_starts(s, STR(".")) && str_num(str_skip(s, 1), 999, &v);
}

/* Does it have files that are named so?  -1: it cannot be read. */
static int has_hash_names(const char *path, struct err *e)
{
	struct dirent *entry;
	DIR *d = opendir(path);
	int found = 0;

	if (d == NULL)
		return err_sys(e, ERR_IO, "%s", path);
	while (found == 0 && (entry = readdir(d)) != NULL)
		found = is_hash_name(entry->d_name);
	closedir(d);
	return found;
}

static int add_directories(struct tls_trust *t, const char *list, struct err *e)
{
	struct str rest = str_of(list), one;
	size_t n = 0;

	while (str_next(&rest, ':', &one)) {
		char *path = str_dup(one);
		int named = one.n == 0 ? 0 : has_hash_names(path, e);

		if (named > 0) {
			t->named = xrealloc(t->named,
					    (n + 2) * sizeof(t->named[0]));
			t->named[n++] = path;
			t->named[n] = NULL;
			continue;
		}
		if (named == 0 && one.n > 0)
			named = add_directory(&t->roots, path, e);
		free(path);
		if (named < 0)
			return -1;
	}
	return 0;
}

/* ---- directories with names that are hashes ---- */

/* A string of a Name as OpenSSL compares it: UTF-8, no blanks at the ends, one
 * for many inside, ASCII letters small. */
static bool add_canonical(struct buf *b, unsigned tag, struct str text)
{
	static const char blanks[] = " \t\n\v\f\r";
	bool blank = false;
	size_t at;

	/* with two and four bytes a character: rare */
	if (tag == 0x1c || tag == 0x1e)
		return false;
	/* TeletexString beyond ASCII, the same */
	for (size_t i = 0; tag == 0x14 && i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return false;
	/* PrintableString, TeletexString, IA5String, VisibleString */
	if (tag != DER_UTF8_STRING && tag != 0x13 && tag != 0x14 &&
	    tag != 0x16 && tag != 0x1a) {
		der_add(b, tag, text.p, text.n);
		return true;
	}
	at = der_open(b, DER_UTF8_STRING);
	for (size_t i = 0, begun = b->n; i < text.n; i++) {
		char c = text.p[i];

		if (c != '\0' && strchr(blanks, c) != NULL) {
			blank = b->n > begun;
			continue;
		}
		if (blank)
			buf_addc(b, ' ');
		blank = false;
		buf_addc(b, to_lower(c));
	}
	der_close(b, at);
	return true;
}

/* Source: openssl-x509(1), -subject_hash; crypto/x509/x_name.c says what it is
 * of: the sets of the Name, without what is around them. */
bool name_hash(struct str name, uint32_t *hash)
{
	struct buf b = BUF_INIT(PEM_OBJECT_MAX);
	struct str sets, set, pair, oid, text;
	uint8_t sum[20];
	bool ok = der_get(&name, DER_SEQUENCE, &sets);

	while (ok && sets.n > 0) {
		unsigned tag;
		size_t a, c;

		/* of two in a set, their order might be another */
		ok = der_get(&sets, DER_SET, &set) &&
		     der_get(&set, DER_SEQUENCE, &pair) && set.n == 0 &&
		     der_get(&pair, DER_OID, &oid) &&
		     der_any(&pair, &tag, &text) && pair.n == 0;
		if (!ok)
			break;
		a = der_open(&b, DER_SET);
		c = der_open(&b, DER_SEQUENCE);
		der_add(&b, DER_OID, oid.p, oid.n);
		ok = add_canonical(&b, tag, text);
		der_close(&b, c);
		der_close(&b, a);
	}
	if (ok && !b.over) {
		sha1(b.str, b.n, sum);
		*hash = sum[0] | (uint32_t)sum[1] << 8 |
			(uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24;
	}
	ok = ok && !b.over;
	buf_release(&b);
	return ok;
}

void trust_find(const struct tls_trust *t, struct str name, struct roots *found)
{
	uint32_t hash;

	if (t->named == NULL || !name_hash(name, &hash))
		return;
	if (found->records.max == 0)
		roots_init(found);
	for (char **dir = t->named; *dir != NULL; dir++)
		for (unsigned i = 0; i < SAME_HASH_MAX; i++) {
			char *path = xasprintf("%s/%08x.%u", *dir, hash, i);
			struct err ignored = ERR_INIT;
			bool there = is_file(path);

			if (there)
				add_file(found, path, &ignored);
			free(path);
			if (!there)
				break;
		}
	roots_index(found);
}

bool trust_find_all(const struct tls_trust *t, struct roots *found)
{
	if (t->named == NULL)
		return false;
	if (found->records.max == 0)
		roots_init(found);
	for (char **dir = t->named; *dir != NULL; dir++) {
		struct err ignored = ERR_INIT;

		add_directory(found, *dir, &ignored);
	}
	roots_index(found);
	return true;
}

/* ---- from outside ---- */

struct tls_trust *trust_from(const char *const *stores, struct err *e)
{
	const char *file = getenv("SSL_CERT_FILE"),
		   *dirs = getenv("SSL_CERT_DIR");
	struct tls_trust *t = trust_new();
	bool named;

	if (file != NULL && *file != '\0' && add_file(&t->roots, file, e) < 0) {
		err_in(e, "SSL_CERT_FILE");
		goto fail;
	}
	if (dirs != NULL && *dirs != '\0' && add_directories(t, dirs, e) < 0) {
		err_in(e, "SSL_CERT_DIR");
		goto fail;
	}
	/* A store that is there and cannot be used is passed over: whoever
	 * wants another one names it. */
	named = t->named != NULL || t->roots.records.n > 0;
	for (; !named && t->roots.records.n == 0 && *stores != NULL; stores++) {
		struct err ignored = ERR_INIT;

		if (file_exists(*stores) &&
		    add_file(&t->roots, *stores, &ignored) < 0)
			roots_init(&t->roots);
	}
	if (!named && t->roots.records.n == 0)
		asset_get("build/roots", &t->roots.records);
	roots_index(&t->roots);
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

	if (add_pem(&t->roots, pem, e) < 0) {
		err_in(e, "%s", what);
		tls_trust_free(t);
		return NULL;
	}
	roots_index(&t->roots);
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
	roots_release(&t->roots);
	for (char **dir = t->named; dir != NULL && *dir != NULL; dir++)
		free(*dir);
	free(t->named);
	free(t);
}
