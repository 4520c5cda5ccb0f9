/*
 * Whether a text was signed with the key of a certificate: RS256 and PS256
 * (RFC 7518 3.3, 3.5).  BearSSL has no RSASSA-PSS; it is built over the
 * public-key operation here.
 */
#include <string.h>

#include "base/hash.h"
#include "tls/inner.h"

#define SALT 32

/* OAEP's, not in the public header: MGF1 of seed (RFC 8017 B.2.1), xored into data. */
void br_mgf1_xor(void *data, size_t len, const br_hash_class *dig,
		 const void *seed, size_t seed_len);

int cert_der(struct str pem, struct buf *der, struct err *e)
{
	struct buf one = BUF_INIT(PEM_OBJECT_MAX);
	struct str label;
	int rc;

	while ((rc = pem_next(&pem, &label, &one, e)) > 0 &&
	       !str_eqz(label, "CERTIFICATE"))
		;
	if (rc > 0)
		buf_addstr(der, buf_str(&one));
	buf_burn(&one); /* it may have held the key */
	return rc > 0 ? 0 :
	       rc < 0 ? -1 :
			err_set(e, ERR_DATA, "no certificate in it");
}

/* EMSA-PSS-VERIFY, RFC 8017 9.1.2.  em is as long as the key (256 bytes at
 * least), which has no leading zero bits: em has one. */
static bool pss_holds(uint8_t *em, size_t n, const uint8_t hash[SHA256_LEN])
{
	size_t db = n - SHA256_LEN - 1, salt = db - SALT;
	uint8_t m[8 + SHA256_LEN + SALT] = { 0 }, h[SHA256_LEN];

	if (em[n - 1] != 0xbc || (em[0] & 0x80) != 0)
		return false;
	br_mgf1_xor(em, db, &br_sha256_vtable, em + db, SHA256_LEN);
	em[0] &= 0x7f;
	for (size_t i = 0; i + 1 < salt; i++)
		if (em[i] != 0)
			return false;
	if (em[salt - 1] != 1)
		return false;
	memcpy(m + 8, hash, SHA256_LEN);
	memcpy(m + 8 + SHA256_LEN, em + salt, SALT);
	sha256(m, sizeof(m), h);
	return memcmp(h, em + db, SHA256_LEN) == 0;
}

bool cert_signed(struct str der, bool pss, struct str text, struct str sig)
{
	uint8_t hash[SHA256_LEN], got[SHA256_LEN], em[512];
	struct err ignored = ERR_INIT;
	struct cert c;
	br_x509_pkey key;

	if (cert_read(der, &c, &ignored) < 0 ||
	    cert_key(c.spki, &key, &ignored) < 0 ||
	    key.key_type != BR_KEYTYPE_RSA || key.key.rsa.nlen != sig.n ||
	    sig.n > sizeof(em) || sig.n < 256 || (key.key.rsa.n[0] & 0x80) == 0)
		return false;
	sha256(text.p, text.n, hash);
	memcpy(em, sig.p, sig.n);
	if (pss)
		return br_rsa_public_get_default()(em, sig.n, &key.key.rsa) &&
		       pss_holds(em, sig.n, hash);
	return br_rsa_pkcs1_vrfy_get_default()(em, sig.n, BR_HASH_OID_SHA256,
					       sizeof(got), &key.key.rsa, got) &&
	       memcmp(got, hash, sizeof(got)) == 0;
}
