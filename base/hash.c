/*
 * Hashes, HMAC and randomness: the one place below tls/ and ssh/ that knows
 * BearSSL.  The randomness is the kernel's, asked for each time: it is fast
 * enough for what we make, needs no seeding and survives a fork.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bearssl.h>

#include "base/hash.h"

void sha256(const void *p, size_t n, uint8_t out[SHA256_LEN])
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, p, n);
	br_sha256_out(&c, out);
}

void sha1(const void *p, size_t n, uint8_t out[20])
{
	br_sha1_context c;

	br_sha1_init(&c);
	br_sha1_update(&c, p, n);
	br_sha1_out(&c, out);
}

void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
		 uint8_t out[SHA256_LEN])
{
	br_hmac_key_context k;
	br_hmac_context c;

	br_hmac_key_init(&k, &br_sha256_vtable, key, key_n);
	br_hmac_init(&c, &k, 0);
	br_hmac_update(&c, p, n);
	br_hmac_out(&c, out);
	explicit_bzero(&k, sizeof(k));
	explicit_bzero(&c, sizeof(c));
}

bool same_bytes(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	uint64_t differ = 0, one, other;

	/* the compiler is told that differ changes: else it may leave a loop at
	 * the first difference */
	for (; n >= sizeof(one); x += sizeof(one), y += sizeof(one)) {
		memcpy(&one, x, sizeof(one));
		memcpy(&other, y, sizeof(one));
		differ |= one ^ other;
		__asm__("" : "+r"(differ));
		n -= sizeof(one);
	}
	for (; n > 0; n--) {
		differ |= (uint64_t)(*x++ ^ *y++);
		__asm__("" : "+r"(differ));
	}
	return differ == 0;
}

/* The header does not show BearSSL's type; it is copied in and out. */
_Static_assert(sizeof(struct sha256_state) >= sizeof(br_sha256_context),
	       "sha256_state holds a br_sha256_context");

void sha256_start(struct sha256_state *s)
{
	br_sha256_context c;

	br_sha256_init(&c);
	memcpy(s, &c, sizeof(c));
}

void sha256_add(struct sha256_state *s, const void *p, size_t n)
{
	br_sha256_context c;

	memcpy(&c, s, sizeof(c));
	br_sha256_update(&c, p, n);
	memcpy(s, &c, sizeof(c));
}

void sha256_done(const struct sha256_state *s, uint8_t out[SHA256_LEN])
{
	br_sha256_context c;

	memcpy(&c, s, sizeof(c));
	br_sha256_out(&c, out);
}

void random_bytes(void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* keys made without it would be worse than none */
			fprintf(stderr,
				"azswarm: no randomness from the kernel: %s\n",
				strerror(errno));
			exit(1);
		}
		at += got;
		n -= (size_t)got;
	}
}

uint32_t random_below(uint32_t n)
{
	uint32_t v, limit;

	assert(n > 0);
	/* the values at the top that would favour small results are drawn again */
	limit = UINT32_MAX - UINT32_MAX % n;
	do {
		random_bytes(&v, sizeof(v));
	} while (v >= limit);
	return v % n;
}

void random_guid(char out[37])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t b[16];
	char *at = out;

	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant of the RFC */
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[b[i] >> 4];
		*at++ = digits[b[i] & 15];
	}
	*at = '\0';
}
