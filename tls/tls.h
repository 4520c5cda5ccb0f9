#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"

/*
 * TLS 1.2 over BearSSL as a struct stream, and the keys and certificates we
 * make ourselves.
 */

/* ---- whom to trust ---- */

struct tls_trust; /* a set of roots, or one pinned key */

/*
 * Roots from SSL_CERT_FILE / SSL_CERT_DIR when set (PEM; they replace all
 * others), else those of the system, else those built in, which are enough for
 * Azure and GitHub.  A variable that names something unreadable or without a
 * certificate is an error that names it.  A directory whose files are named
 * after hashes (openssl-rehash(1)) is read when a chain names one, and wholly
 * before a server is refused.
 */
struct tls_trust *tls_trust_default(struct err *e);
/* Roots from PEM text. */
struct tls_trust *tls_trust_pem(struct str pem, const char *what, struct err *e);
/* Exactly the key with this SHA-256 of its SubjectPublicKeyInfo; names and
 * dates do not matter then. */
struct tls_trust *tls_trust_pin(const uint8_t spki_sha256[32]);
void tls_trust_free(struct tls_trust *t); /* NULL does nothing */

/*
 * Handshake as a client over an open socket (owned from now on, closed on
 * failure too).  name is sent as SNI, unless it is an address, and is checked
 * against the certificate's subjectAltName: DNS names and IP addresses.
 * Refusals say why ("certificate expired since 2021-02-03T04:05:06Z",
 * "certificate is for a.example, b.example, not c.example", "unknown issuer
 * CN=...") and are ERR_TLS.  trust is not needed any more afterwards.
 *
 * Reading from the stream gives 0 only behind the peer's close_notify; a
 * connection that just ends is ERR_NET.  Reading flushes what was written.
 */
struct stream *tls_connect(int fd, const char *name, const struct tls_trust *trust,
			   int64_t deadline_ms, struct err *e);
/* The same over a stream that is open already (a proxy's tunnel, and so perhaps TLS itself). */
struct stream *tls_over(struct stream *under, const char *name,
			const struct tls_trust *trust, int64_t deadline_ms,
			struct err *e);

/* What the server showed: when its certificate ends (Unix time), and the root it
 * led to, "CN=...", for people.  s: of tls_connect or tls_over. */
struct tls_shown {
	int64_t not_after;
	char issuer[128];
};
void tls_shown(struct stream *s, struct tls_shown *shown);

/* ---- serving ---- */

struct tls_identity; /* private key and certificate chain */

/* PEM texts: a key (PKCS#1, SEC1 or PKCS#8; RSA of 2048 to 4096 bits or EC
 * P-256/P-384) and its chain, leaf first. */
struct tls_identity *tls_identity_pem(struct str key, struct str chain,
				      struct err *e);
/* A key alone: a self-signed certificate is made for it on the fly (for
 * pinned servers). */
struct tls_identity *tls_identity_key(struct str key, const char *cn,
				      struct err *e);
void tls_identity_free(struct tls_identity *id);
/* SHA-256 of the SubjectPublicKeyInfo. */
void tls_identity_pin(const struct tls_identity *id, uint8_t out[32]);

/* Handshake as a server (TLS 1.2 only, ECDHE + AES-GCM or ChaCha20).  Owns fd
 * even on failure.  Many threads may share one identity; it must outlive the
 * streams. */
struct stream *tls_accept(int fd, const struct tls_identity *id,
			  int64_t deadline_ms, struct err *e);

/* ---- signatures (tls/signed.c) ---- */

/* The first certificate of a PEM text, appended to der. */
int cert_der(struct str pem, struct buf *der, struct err *e);
/* Whether the RSA key of that certificate (DER) signed text with SHA-256: by PKCS#1 v1.5, or
 * with pss by RSASSA-PSS with MGF1-SHA-256 and 32 bytes of salt (RFC 8017 8.1.2). */
bool cert_signed(struct str der, bool pss, struct str text, struct str sig);

/* ---- keys and certificates we make (tls/keys.c) ---- */

/* PEM private keys, appended to out (burn it): RSA in PKCS#1 ("RSA PRIVATE
 * KEY", usable by ssh -i), EC in SEC1 form. */
int key_make_rsa(unsigned bits, struct buf *out, struct err *e);
int key_make_ec_p256(struct buf *out, struct err *e);
/* "ssh-rsa AAAA... COMMENT\n" or "ecdsa-sha2-nistp256 AAAA... COMMENT\n" of a PEM
 * private key (RFC 4253 6.6, RFC 5656 3.1); comment may be NULL. */
int key_ssh_public(struct str pem, const char *comment, struct buf *out,
		   struct err *e);
/* SHA-256 of the key's SubjectPublicKeyInfo. */
int key_pin(struct str pem, uint8_t out[32], struct err *e);
/* RSA signature with SHA-256 of data, by a PEM private key, appended to out: RSASSA-PSS (RFC 8017
 * 8.1, MGF1 with SHA-256, 32 bytes of salt), or with PKCS #1 v1.5. */
int key_sign_rsa(struct str pem, bool pss, struct str data, struct buf *out,
		 struct err *e);
/* Take the next certificate off PEM text: its DER, and the SHA-256 of its SubjectPublicKeyInfo.
 * 1; 0 when there is none left; -1 with e. */
int cert_next(struct str *pem, struct buf *der, uint8_t pin[32], struct err *e);
/*
 * An X.509 v3 certificate (PEM appended to out) for subject_key, signed with
 * issuer_key.  issuer_cn NULL: self-signed.  ca: basicConstraints CA:TRUE,
 * keyCertSign; else extKeyUsage serverAuth.  names: NULL, or a NULL-ended list;
 * "DNS:..." and "IP:..." become subjectAltName.  Valid from an hour ago, for
 * days (36500 at most).
 */
struct cert_spec {
	const char *cn;
	const char *issuer_cn;
	bool ca;
	const char *const *names;
	unsigned days;
};
int cert_make(const struct cert_spec *spec, struct str subject_key,
	      struct str issuer_key, struct buf *out, struct err *e);

#endif
