#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

void sha256(const void *p, size_t n, uint8_t out[SHA256_LEN]);
void sha1(const void *p, size_t n, uint8_t out[20]);
/* RFC 2104 with SHA-256. */
void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
		 uint8_t out[SHA256_LEN]);
/* Equality in constant time. */
bool same_bytes(const void *a, const void *b, size_t n);

/* Running SHA-256, for streams. */
struct sha256_state {
	uint64_t opaque[20];
};
void sha256_start(struct sha256_state *s);
void sha256_add(struct sha256_state *s, const void *p, size_t n);
void sha256_done(const struct sha256_state *s, uint8_t out[SHA256_LEN]);

/* Kernel randomness; ends the program if the kernel has none. */
void random_bytes(void *p, size_t n);
/* Uniform in 0..n-1. */
uint32_t random_below(uint32_t n);
/* Random version-4 UUID in lower case (RFC 9562). */
void random_guid(char out[37]);

#endif
