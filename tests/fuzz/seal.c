/*
 * A sealed file from anywhere, in pieces: what is opened is what was sealed, and
 * no byte of another is given.  The first byte says how the pieces are cut; the
 * second, whether the rest is a file, or what is sealed here and then changed at
 * one place.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[SEAL_KEY_LEN] = { 7 };

static int take(void *ctx, struct str chunk, struct err *e)
{
	(void)e;
	buf_addstr(ctx, chunk);
	return 0;
}

/* Whether all of it opens. */
static bool opens(struct str file, size_t piece, struct buf *content)
{
	struct err e = ERR_INIT;
	struct unseal u;
	bool whole = true;

	unseal_init(&u, key);
	for (size_t at = 0; whole && at < file.n; at += piece)
		whole = unseal_add(&u, str_head(str_skip(file, at), piece),
				   take, content, &e) == 0;
	whole = unseal_end(&u, &e) == 0;
	if (!whole && e.kind != ERR_DATA)
		abort();
	unseal_burn(&u);
	return whole;
}

/* The rest is content, sealed in chunks, and one bit of the file changed. */
static void seal_and_change(struct str content, size_t piece)
{
	struct buf file = BUF_INIT(8u << 20), got = BUF_INIT(4u << 20);
	struct str rest = content;
	struct seal s;
	size_t at;

	seal_begin(&s, key, STR("{}"), &file);
	do {
		struct str one = str_head(rest, piece);

		rest = str_skip(rest, piece);
		seal_add(&s, one, rest.n == 0, &file);
	} while (rest.n > 0);
	if (!opens(buf_str(&file), piece, &got) || !str_eq(buf_str(&got), content))
		abort();
	at = content.n > 0 ? (uint8_t)content.p[0] * 257u % file.n : 0;
	file.str[at] ^= 1;
	buf_reset(&got);
	if (opens(buf_str(&file), piece, &got) ||
	    !str_starts(content, buf_str(&got)))
		abort();
	seal_burn(&s);
	buf_release(&file);
	buf_release(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf got = BUF_INIT(4u << 20);
	struct str rest;
	size_t piece;

	if (size < 2 || size > 100000)
		return 0;
	piece = 1 + data[0] * 16u;
	rest = (struct str){ (const char *)data + 2, size - 2 };
	if (data[1] % 2 != 0)
		seal_and_change(rest, piece);
	else if (opens(rest, piece, &got) && got.over)
		abort();
	buf_release(&got);
	return 0;
}
