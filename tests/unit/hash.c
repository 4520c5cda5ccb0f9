/* base/hash: published vectors, and what can be said about randomness. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "tests/check.h"

static void is_hex(const void *p, size_t n, const char *want, const char *what)
{
	struct buf b = BUF_INIT(256);

	buf_add_hex(&b, p, n);
	check(strcmp(b.str, want) == 0, what, b.str);
	buf_release(&b);
}

static void vectors(void)
{
	uint8_t out[SHA256_LEN];
	uint8_t key[131];

	/* FIPS 180-4, examples of NIST */
	sha256("", 0, out);
	is_hex(out, 32,
	       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	       "sha256 of nothing");
	sha256("abc", 3, out);
	is_hex(out, 32,
	       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	       "sha256 of abc");
	sha1("abc", 3, out);
	is_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d", "sha1 of abc");

	/* RFC 4231, cases 2 and 6 */
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	is_hex(out, 32,
	       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	       "hmac short key");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, sizeof(key),
		    "Test Using Larger Than Block-Size Key - Hash Key First",
		    54, out);
	is_hex(out, 32,
	       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
	       "hmac long key");
}

static void running(void)
{
	uint8_t data[300], whole[SHA256_LEN], parts[SHA256_LEN],
		early[SHA256_LEN];
	struct sha256_state s;
	bool same = true;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	sha256(data, sizeof(data), whole);
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		sha256_start(&s);
		sha256_add(&s, data, cut);
		sha256_done(&s, early); /* must not disturb */
		sha256_add(&s, data + cut, sizeof(data) - cut);
		sha256_done(&s, parts);
		same = same && memcmp(whole, parts, sizeof(whole)) == 0;
	}
	check(same, "cut in two at every byte", "a cut changed the hash");
}

static void compare(void)
{
	uint8_t a[40], b[40];
	bool found = true;

	memset(a, 7, sizeof(a));
	memcpy(b, a, sizeof(a));
	check(same_bytes(a, b, sizeof(a)), "same bytes", "said different");
	check(same_bytes(a, b, 0), "no bytes are the same", "said different");
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		for (size_t n = 0; n <= sizeof(a); n++)
			found = found && same_bytes(a, b, n) == (i >= n);
		b[i] ^= 0x80;
	}
	check(found, "one bit differs, at every place of every length",
	      "said same");
}

static void randomness(void)
{
	uint8_t big[5000] = { 0 }, seen[7] = { 0 };
	char g[37], h[37];
	unsigned zero = 0, bad = 0;

	random_bytes(big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		zero += big[i] == 0;
	/* 20 expected; 200 will not be seen in the life of this program */
	check(zero < 200, "random bytes fill all", "too many zeros");
	for (int i = 0; i < 2000; i++) {
		uint32_t v = random_below(7);

		if (v < 7)
			seen[v] = 1;
		else
			bad++;
	}
	check(bad == 0 && memchr(seen, 0, sizeof(seen)) == NULL,
	      "random below 7 gives 0..6", "something missing or too large");
	check(random_below(1) == 0, "random below 1", "not 0");

	random_guid(g);
	random_guid(h);
	check(strlen(g) == 36 && g[8] == '-' && g[13] == '-' && g[18] == '-' &&
		      g[23] == '-' && g[14] == '4' &&
		      strchr("89ab", g[19]) != NULL &&
		      strspn(g, "0123456789abcdef-") == 36,
	      "guid form", g);
	check(strcmp(g, h) != 0, "guids differ", g);
}

int main(void)
{
	vectors();
	running();
	compare();
	randomness();
	return check_failed();
}
