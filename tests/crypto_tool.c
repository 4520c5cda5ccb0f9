/*
 * What the arithmetic of a handshake takes, for tests/bench_crypto.sh: the
 * functions that tls/ and ssh/ call, each as often as goes in half a second of
 * the processor, best of some turns.  A line each, "NAME TIMES-PER-SECOND".  A
 * result that is not what it must be ends it with exit 1: what is quick and
 * wrong shall not be shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "ssh/inner.h"
#include "tls/inner.h"
#include "tls/tls.h"

#define TURNS 3
#define TURN_NS 500000000

static struct key ec_key, rsa_key;
static uint8_t hash[SHA256_LEN], ec_sig[80], rsa_sig[256];
static size_t ec_sig_n;
static struct ssh_key *ssh_key;
static struct ssh_pub ssh_pub;
static struct buf ssh_sig = BUF_INIT(1024);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "crypto_tool: %s\n", what);
	exit(1);
}

static void x25519_by(const br_ec_impl *ec)
{
	/* RFC 7748 section 5.2: k and u are 9, and what the first iteration gives */
	static const uint8_t nine[32] = { 9 };
	static const uint8_t want[] = { 0x42, 0x2c, 0x8e, 0x7a,
					0x62, 0x27, 0xd7, 0xbc };
	uint8_t point[32];

	memcpy(point, nine, sizeof(point));
	must(ec->mul(point, 32, nine, 32, BR_EC_curve25519) == 1 &&
		     memcmp(point, want, sizeof(want)) == 0,
	     "X25519 is wrong");
}

static void tls_x25519(void)
{
	x25519_by(TLS_EC);
}

static void ssh_x25519(void)
{
	x25519_by(SSH_X25519);
}

static void tls_ec_sign(void)
{
	ec_sig_n = br_ecdsa_sign_asn1_get_default()(TLS_EC, &br_sha256_vtable,
						    hash, &ec_key.ec, ec_sig);
	must(ec_sig_n > 0, "ECDSA does not sign");
}

static void tls_ec_verify(void)
{
	must(br_ecdsa_vrfy_asn1_get_default()(TLS_EC, hash, sizeof(hash),
					      &ec_key.ec_pub, ec_sig,
					      ec_sig_n) == 1,
	     "ECDSA does not verify");
}

static void tls_rsa_sign(void)
{
	must(br_rsa_pkcs1_sign_get_default()(BR_HASH_OID_SHA256, hash,
					     sizeof(hash), &rsa_key.rsa,
					     rsa_sig) == 1,
	     "RSA does not sign");
}

static void tls_rsa_verify(void)
{
	uint8_t found[SHA256_LEN];

	must(br_rsa_pkcs1_vrfy_get_default()(rsa_sig, sizeof(rsa_sig),
					     BR_HASH_OID_SHA256, sizeof(found),
					     &rsa_key.rsa_pub, found) == 1 &&
		     same_bytes(found, hash, sizeof(hash)),
	     "RSA does not verify");
}

static void ssh_sign(void)
{
	struct err e = ERR_INIT;

	buf_reset(&ssh_sig);
	must(ssh_key_sign(ssh_key, ssh_key_algorithm(ssh_key),
			  (struct str){ (char *)hash, sizeof(hash) }, &ssh_sig,
			  &e) == 0,
	     "the SSH key does not sign");
}

static void ssh_verify(void)
{
	must(ssh_pub_verify(&ssh_pub, str_of(ssh_key_algorithm(ssh_key)),
			    buf_str(&ssh_sig), hash, sizeof(hash)),
	     "the SSH key does not verify");
}

/* In this order: what verifies follows what signs. */
static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	{ "tls-x25519", tls_x25519 },
	{ "tls-p256-sign", tls_ec_sign },
	{ "tls-p256-verify", tls_ec_verify },
	{ "tls-rsa2048-sign", tls_rsa_sign },
	{ "tls-rsa2048-verify", tls_rsa_verify },
	{ "ssh-x25519", ssh_x25519 },
	{ "ssh-p256-sign", ssh_sign },
	{ "ssh-p256-verify", ssh_verify },
};

static int64_t processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double per_second(void (*run)(void))
{
	double best = 0;

	for (int turn = 0; turn < TURNS; turn++) {
		int64_t began = processor_ns(), took;
		unsigned n = 0;

		do {
			run();
			n++;
		} while ((took = processor_ns() - began) < TURN_NS);
		if (n * 1e9 / (double)took > best)
			best = n * 1e9 / (double)took;
	}
	return best;
}

static void make_keys(void)
{
	struct buf pem = BUF_INIT(8192), blob = BUF_INIT(SSH_BLOB_MAX);
	struct err e = ERR_INIT;

	random_bytes(hash, sizeof(hash));
	must(key_make_ec_p256(&pem, &e) == 0 &&
		     key_load(&ec_key, buf_str(&pem), &e) == 0,
	     e.msg);
	ssh_key = ssh_key_parse(buf_str(&pem), "the key", &e);
	must(ssh_key != NULL, e.msg);
	ssh_key_blob(ssh_key, &blob);
	must(ssh_pub_parse(&ssh_pub, buf_str(&blob), &e) == 0, e.msg);
	buf_reset(&pem);
	must(key_make_rsa(2048, &pem, &e) == 0 &&
		     key_load(&rsa_key, buf_str(&pem), &e) == 0,
	     e.msg);
	buf_burn(&pem);
	buf_release(&blob);
}

int main(void)
{
	make_keys();
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		printf("%s %.1f\n", ops[i].name, per_second(ops[i].run));
	ssh_key_free(ssh_key);
	buf_release(&ssh_sig);
	return 0;
}
