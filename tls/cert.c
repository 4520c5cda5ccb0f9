/*
 * What a certificate says (RFC 5280): names, dates, key, constraints.  Judges
 * no signature; that is BearSSL's part.  Here is what BearSSL does not tell:
 * for whom the certificate is, by whom, and since when it is not valid.
 */
#include <arpa/inet.h>
#include <string.h>

#include "tls/inner.h"

#define NAMES_SHOWN 6

/* One Extension; those we do not know are BearSSL's business. */
static bool read_extension(struct str in, struct cert *c)
{
	struct str oid, critical = STR_NULL, value;
	struct str *into = NULL;

	if (!der_get(&in, DER_OID, &oid))
		return false;
	if (der_get(&in, DER_BOOLEAN, &critical) && critical.n != 1)
		return false;
	if (!der_get(&in, DER_OCTET_STRING, &value) || in.n != 0)
		return false;
	if (str_eq(oid, oid_san)) {
		into = &c->names;
	} else if (str_eq(oid, oid_ext_usage)) {
		into = &c->ext_usage;
		c->critical[0] = critical;
	} else if (str_eq(oid, oid_constraints)) {
		into = &c->constraints;
		c->critical[1] = critical;
	}
	if (into != NULL)
		return into->p == NULL && der_get(&value, DER_SEQUENCE, into) &&
		       value.n == 0;
	if (str_eq(oid, oid_basic)) {
		struct str body, yes;

		if (!der_get(&value, DER_SEQUENCE, &body))
			return false;
		c->ca = der_get(&body, DER_BOOLEAN, &yes) && str_eqz(yes, "\xff");
	}
	return true;
}

static bool read_extensions(struct str in, struct cert *c)
{
	struct str list, one;

	if (!der_get(&in, DER_SEQUENCE, &list) || in.n != 0)
		return false;
	while (list.n > 0)
		if (!der_get(&list, DER_SEQUENCE, &one) || !read_extension(one, c))
			return false;
	return true;
}

/* TBSCertificate, section 4.1. */
static bool read_tbs(struct str in, struct cert *c)
{
	struct str skip, number, validity;

	c->version = 1;
	if (der_get(&in, DER_CONTEXT_OPEN(0), &skip)) {
		if (!der_uint(&skip, &number) || number.n != 1 ||
		    (unsigned char)number.p[0] > 2)
			return false;
		c->version = 1u + (unsigned char)number.p[0];
	}
	if (!der_get(&in, DER_INTEGER, &skip) || /* some serials are negative */
	    !der_get(&in, DER_SEQUENCE, &skip) ||
	    !der_whole(&in, DER_SEQUENCE, &c->issuer) ||
	    !der_get(&in, DER_SEQUENCE, &validity) ||
	    !der_time(&validity, &c->not_before) ||
	    !der_time(&validity, &c->not_after) ||
	    !der_whole(&in, DER_SEQUENCE, &c->subject) ||
	    !der_whole(&in, DER_SEQUENCE, &c->spki))
		return false;
	der_get(&in, DER_CONTEXT(1), &skip);
	der_get(&in, DER_CONTEXT(2), &skip);
	if (der_get(&in, DER_CONTEXT_OPEN(3), &skip) && !read_extensions(skip, c))
		return false;
	return in.n == 0;
}

int cert_read(struct str der, struct cert *c, struct err *e)
{
	struct str body, whole, tbs, skip;

	memset(c, 0, sizeof(*c));
	if (!der_get(&der, DER_SEQUENCE, &body) || der.n != 0 ||
	    !der_whole(&body, DER_SEQUENCE, &c->tbs))
		return err_set(e, ERR_DATA, "not an X.509 certificate");
	whole = c->tbs;
	if (!der_get(&whole, DER_SEQUENCE, &tbs) || !read_tbs(tbs, c) ||
	    !der_get(&body, DER_SEQUENCE, &skip) ||
	    !der_get(&body, DER_BIT_STRING, &skip) || body.n != 0)
		return err_set(e, ERR_DATA, "not an X.509 certificate");
	return 0;
}

int cert_key(struct str spki, br_x509_pkey *key, struct err *e)
{
	static const struct {
		const struct str *oid;
		int curve;
	} curves[] = {
		{ &oid_p256, BR_EC_secp256r1 },
		{ &oid_p384, BR_EC_secp384r1 },
		{ &oid_p521, BR_EC_secp521r1 },
	};
	struct str body, algorithm, oid, named, bits, rsa, n, exponent;

	memset(key, 0, sizeof(*key));
	if (!der_get(&spki, DER_SEQUENCE, &body) || spki.n != 0 ||
	    !der_get(&body, DER_SEQUENCE, &algorithm) ||
	    !der_get(&algorithm, DER_OID, &oid) || !der_bits(&body, &bits) ||
	    body.n != 0)
		return err_set(e, ERR_DATA, "a public key that is not DER");
	if (str_eq(oid, oid_rsa)) {
		if (!der_get(&bits, DER_SEQUENCE, &rsa) ||
		    !der_uint(&rsa, &n) || !der_uint(&rsa, &exponent) ||
		    rsa.n != 0 || bits.n != 0 || n.n == 0 || exponent.n == 0)
			return err_set(e, ERR_DATA,
				       "a public key that is not RSA as it claims");
		key->key_type = BR_KEYTYPE_RSA;
		key->key.rsa = (br_rsa_public_key){ loose(n.p), n.n,
						    loose(exponent.p),
						    exponent.n };
		return 0;
	}
	if (str_eq(oid, oid_ec) && der_get(&algorithm, DER_OID, &named)) {
		for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
			if (!str_eq(named, *curves[i].oid))
				continue;
			key->key_type = BR_KEYTYPE_EC;
			key->key.ec = (br_ec_public_key){ curves[i].curve,
							  loose(bits.p), bits.n };
			return 0;
		}
	}
	return err_set(
		e, ERR_DATA,
		"a public key that is neither RSA nor on P-256, P-384 or P-521");
}

/* ---- for people ---- */

void cert_name_text(struct str name, struct buf *out)
{
	static const struct {
		const struct str *oid;
		const char *label;
	} wanted[] = {
		{ &oid_cn, "CN=" },
		{ &oid_ou, "OU=" },
		{ &oid_o, "O=" },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct str all, sets, set, pair, oid, at = name, value;
		unsigned tag;

		if (!der_get(&at, DER_SEQUENCE, &all))
			break;
		sets = all;
		while (der_get(&sets, DER_SET, &set))
			while (der_get(&set, DER_SEQUENCE, &pair))
				if (der_get(&pair, DER_OID, &oid) &&
				    str_eq(oid, *wanted[i].oid) &&
				    der_any(&pair, &tag, &value)) {
					buf_adds(out, wanted[i].label);
					buf_add_clean(out,
						      str_whole(str_head(value,
									 64)));
					return;
				}
	}
	buf_adds(out, "without a name");
}

/* Next dNSName or iPAddress among the names; others are passed over. */
static bool next_name(struct str *names, bool *ip, struct str *name)
{
	unsigned tag;

	while (der_any(names, &tag, name)) {
		*ip = tag == DER_CONTEXT(7);
		if (tag == DER_CONTEXT(2) ||
		    (*ip && (name->n == 4 || name->n == 16)))
			return true;
	}
	return false;
}

void cert_names_text(const struct cert *c, struct buf *out)
{
	struct str names = c->names, name;
	unsigned shown = 0, more = 0;
	char text[INET6_ADDRSTRLEN];
	bool ip;

	while (next_name(&names, &ip, &name)) {
		if (shown == NAMES_SHOWN) {
			more++;
			continue;
		}
		if (shown++ > 0)
			buf_adds(out, ", ");
		if (ip)
			buf_adds(out, inet_ntop(name.n == 4 ? AF_INET : AF_INET6,
						name.p, text, sizeof(text)));
		else
			buf_add_clean(out, str_whole(str_head(name, 64)));
	}
	if (more > 0)
		buf_addf(out, " and %u more", more);
	if (shown == 0)
		buf_adds(out, "no host at all");
}

/* ---- for whom ---- */

/* RFC 9525 6.3: a wildcard is the whole leftmost label and stands for one;
 * at least two labels must follow, or "*.com" would be half the world. */
static bool dns_matches(struct str pattern, struct str host)
{
	struct str label;

	if (!str_starts(pattern, STR("*.")))
		return str_ieq(pattern, host);
	pattern = str_skip(pattern, 2);
	return str_chr(pattern, '.') >= 0 && str_cut(&host, '.', &label) &&
	       label.n > 0 && str_ieq(pattern, host);
}

bool cert_is_for(const struct cert *c, const char *host)
{
	struct str names = c->names, name, want = str_of(host);
	unsigned char address[16];
	size_t address_n = 0;
	bool ip;

	if (inet_pton(AF_INET, host, address) == 1)
		address_n = 4;
	else if (inet_pton(AF_INET6, host, address) == 1)
		address_n = 16;
	if (str_ends(want, STR("."))) /* the root, spelled out */
		want = str_head(want, want.n - 1);
	while (next_name(&names, &ip, &name)) {
		if (ip != (address_n > 0))
			continue;
		if (ip ? name.n == address_n &&
				    memcmp(name.p, address, address_n) == 0 :
			 dns_matches(name, want))
			return true;
	}
	return false;
}

bool cert_self_issued(const struct cert *c)
{
	return str_eq(c->subject, c->issuer);
}

bool usage_serves(struct str list)
{
	struct str oid;

	if (list.p == NULL)
		return true;
	while (der_get(&list, DER_OID, &oid))
		if (str_eq(oid, oid_server_auth) || str_eq(oid, oid_any_usage))
			return true;
	return false;
}
