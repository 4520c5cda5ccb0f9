/*
 * tls/seal: files that are sealed.  What the cipher and the key's derivation give
 * is the RFCs' own; the file was made by tests/sealed.py, with somebody else's.
 */
#include <string.h>

#include <bearssl.h>

#include "base/buf.h"
#include "tests/check.h"
#include "tls/seal.h"

#define CONTENT_MAX (1u << 20)

/* printf 'The quick brown fox' | tests/sealed.py seal KEY '{"group":"g"}' SALT */
#define ELSEWHERE \
	"617a737761726d207365616c656420310a6465666768696a6b6c6d6e6f707172" \
	"737475767778797a7b7c7d7e7f80818283000d7b2267726f7570223a2267227d" \
	"80000013bf70f555394e6d151abf5e8aa77a0e66b00bdaacac2111c0a501bf1c" \
	"e7bda501cfa012"

static const uint8_t key[SEAL_KEY_LEN] = { 0,  1,  2,  3,  4,  5,  6,  7,
					   8,  9,  10, 11, 12, 13, 14, 15,
					   16, 17, 18, 19, 20, 21, 22, 23,
					   24, 25, 26, 27, 28, 29, 30, 31 };
static const uint8_t other[SEAL_KEY_LEN] = { 1 };

static void unhex(struct buf *b, const char *hex)
{
	struct err e = ERR_INIT;

	buf_init(b, CONTENT_MAX);
	if (buf_add_unhex(b, str_of(hex), &e) < 0)
		check_give_up("unhex", "%s", e.msg);
}

static void is_hex(const void *p, size_t n, const char *want, const char *name)
{
	struct buf b = BUF_INIT(1024);

	buf_add_hex(&b, p, n);
	check_same(b.str, want, name);
	buf_release(&b);
}

/* RFC 5869 A.1; RFC 8439 2.8.2, with the functions that seal.c calls. */
static void rfcs(void)
{
	static const char text[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you "
		"only one tip for the future, sunscreen would be it.";
	struct buf ikm, salt, info, k, aad, nonce;
	uint8_t okm[42], tag[16];
	char data[sizeof(text)];
	br_hkdf_context c;

	unhex(&ikm, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	unhex(&salt, "000102030405060708090a0b0c");
	unhex(&info, "f0f1f2f3f4f5f6f7f8f9");
	br_hkdf_init(&c, &br_sha256_vtable, salt.str, salt.n);
	br_hkdf_inject(&c, ikm.str, ikm.n);
	br_hkdf_flip(&c);
	br_hkdf_produce(&c, info.str, info.n, okm, sizeof(okm));
	is_hex(okm, sizeof(okm),
	       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	       "34007208d5b887185865",
	       "RFC 5869 A.1");
	unhex(&k,
	      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	unhex(&aad, "50515253c0c1c2c3c4c5c6c7");
	unhex(&nonce, "070000004041424344454647");
	memcpy(data, text, sizeof(text));
	br_poly1305_ctmul_run(k.str, nonce.str, data, sizeof(text) - 1, aad.str,
			      aad.n, tag, br_chacha20_ct_run, 1);
	is_hex(data, 16, "d31a8d34648e60db7b86afbc53ef7ec2",
	       "RFC 8439 2.8.2: text");
	is_hex(tag, sizeof(tag), "1ae10b594f09e26a7e902ecbd0600691",
	       "RFC 8439 2.8.2: tag");
	buf_release(&ikm);
	buf_release(&salt);
	buf_release(&info);
	buf_release(&k);
	buf_release(&aad);
	buf_release(&nonce);
}

static int take(void *ctx, struct str chunk, struct err *e)
{
	(void)e;
	buf_addstr(ctx, chunk);
	return 0;
}

/* Open it in pieces of that size: what was wrong, "" for nothing. */
static void open_file(struct str file, const uint8_t *with, size_t piece,
		      struct buf *content, struct buf *header, char why[256])
{
	struct unseal u;
	struct err e = ERR_INIT;
	int rc = 0;

	buf_reset(content);
	unseal_init(&u, with);
	for (size_t at = 0; rc == 0 && at < file.n; at += piece)
		rc = unseal_add(&u, str_head(str_skip(file, at), piece), take,
				content, &e);
	if (rc == 0)
		rc = unseal_end(&u, &e);
	else if (unseal_end(&u, &(struct err)ERR_INIT) == 0)
		check(false, "it stays broken", "it is well again");
	if (header != NULL)
		buf_addstr(header, buf_str(&u.header));
	snprintf(why, 256, "%.255s", rc < 0 ? e.msg : "");
	unseal_burn(&u);
}

static void made_elsewhere(void)
{
	struct buf file, content = BUF_INIT(CONTENT_MAX), header = BUF_INIT(4096);
	char why[256];

	unhex(&file, ELSEWHERE);
	open_file(buf_str(&file), key, file.n, &content, &header, why);
	check_same(why, "", "made elsewhere: opens");
	check_same(content.str, "The quick brown fox", "made elsewhere: content");
	check_same(header.str, "{\"group\":\"g\"}", "made elsewhere: header");
	buf_release(&file);
	buf_release(&content);
	buf_release(&header);
}

/* n bytes that differ, in chunks of at most that size. */
static void make(struct buf *file, struct buf *content, size_t n, size_t chunk)
{
	struct str rest;
	struct seal s;

	buf_init(file, 2 * CONTENT_MAX);
	buf_init(content, CONTENT_MAX);
	for (size_t i = 0; i < n; i++)
		buf_addc(content, (char)(i * 7 + i / 251));
	rest = buf_str(content);
	seal_begin(&s, key, STR("{}"), file);
	do {
		struct str one = str_head(rest, chunk);

		rest = str_skip(rest, chunk);
		seal_add(&s, one, rest.n == 0, file);
	} while (rest.n > 0);
	seal_burn(&s);
}

static void there_and_back(void)
{
	static const size_t sizes[] = {
		0, 1, SEAL_CHUNK - 1, SEAL_CHUNK, SEAL_CHUNK + 1, 3 * SEAL_CHUNK
	};
	static const size_t pieces[] = { 1, 997, SEAL_CHUNK, CONTENT_MAX };
	struct buf got = BUF_INIT(CONTENT_MAX);
	char why[256], name[64];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct buf file, content;

		make(&file, &content, sizes[i], SEAL_CHUNK);
		for (size_t k = 0; k < sizeof(pieces) / sizeof(*pieces); k++) {
			open_file(buf_str(&file), key, pieces[k], &got, NULL, why);
			snprintf(name, sizeof(name), "%zu bytes in pieces of %zu",
				 sizes[i], pieces[k]);
			check(*why == '\0' &&
				      str_eq(buf_str(&got), buf_str(&content)),
			      name, why);
		}
		buf_release(&file);
		buf_release(&content);
	}
	buf_release(&got);
}

/* A file of three chunks of 10 bytes, 30 each: as it is wrong. */
#define BEGIN 53
#define CHUNK 30

static const struct {
	const char *name;
	size_t parts[4]; /* which chunks, 1 to 3, as they follow each other */
	const char *words;
} orders[] = {
	{ "a chunk twice", { 1, 2, 2, 3 }, "changed, in chunk 2" },
	{ "two swapped", { 2, 1, 3 }, "sealed with another key, or changed" },
	{ "one left out", { 1, 3 }, "changed, in chunk 1" },
	{ "the last left out", { 1, 2 }, "cut: its end is missing" },
	{ "something behind the last", { 1, 2, 3, 1 }, "bytes behind its end" },
	{ "the last alone", { 3 }, "sealed with another key, or changed" },
	{ "no chunk", { 0 }, "cut: its end is missing" },
};

static void wrong_orders(struct str file)
{
	struct buf b = BUF_INIT(4096), got = BUF_INIT(4096);
	char why[256];

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		buf_reset(&b);
		buf_addstr(&b, str_head(file, BEGIN));
		for (size_t k = 0; k < 4 && orders[i].parts[k] > 0; k++) {
			size_t at = BEGIN + CHUNK * (orders[i].parts[k] - 1);

			buf_addstr(&b, str_head(str_skip(file, at), CHUNK));
		}
		open_file(buf_str(&b), key, 11, &got, NULL, why);
		check_same(why, orders[i].words, orders[i].name);
	}
	buf_release(&b);
	buf_release(&got);
}

static void refused(void)
{
	struct buf file, content, got = BUF_INIT(4096);
	size_t passed = 0;
	char why[256];

	make(&file, &content, 30, 10);
	checkf(file.n == BEGIN + 3 * CHUNK, "its size", "%zu", file.n);
	wrong_orders(buf_str(&file));
	open_file(buf_str(&file), other, 7, &got, NULL, why);
	check_same(why, "sealed with another key, or changed", "another key");
	check_same(got.str, "", "another key: nothing is given");
	for (size_t n = 0; n < file.n; n++) {
		open_file(str_head(buf_str(&file), n), key, 64, &got, NULL, why);
		passed += *why == '\0';
	}
	checkf(passed == 0, "cut anywhere", "%zu of them pass", passed);
	check_same(why, "cut: its end is missing", "cut by a byte");
	for (size_t i = 0; i < file.n * 8; i++) {
		file.str[i / 8] ^= (char)(1 << i % 8);
		open_file(buf_str(&file), key, 64, &got, NULL, why);
		passed += *why == '\0';
		file.str[i / 8] ^= (char)(1 << i % 8);
	}
	checkf(passed == 0, "any bit changed", "%zu of them pass", passed);
	open_file(STR("PK\3\4 and so on"), key, 64, &got, NULL, why);
	check_same(why, "not a file that azswarm has sealed", "another's file");
	buf_release(&file);
	buf_release(&content);
	buf_release(&got);
}

/* The same content is another file each time. */
static void salted(void)
{
	struct buf a, b, content;

	make(&a, &content, 100, 100);
	buf_release(&content);
	make(&b, &content, 100, 100);
	check(!str_eq(str_skip(buf_str(&a), BEGIN), str_skip(buf_str(&b), BEGIN)),
	      "another key for each file", "the same bytes");
	buf_release(&a);
	buf_release(&b);
	buf_release(&content);
}

int main(void)
{
	rfcs();
	made_elsewhere();
	there_and_back();
	refused();
	salted();
	return check_failed();
}
