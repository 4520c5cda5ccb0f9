/* A sealed file; see seal.h. */
#include "tls/seal.h"

#include <assert.h>
#include <string.h>

#include <bearssl.h>

#include "base/hash.h"

#define MAGIC "azswarm sealed 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define SALT_LEN 32
#define FIXED_LEN (MAGIC_LEN + SALT_LEN + 2)
#define PREFIX_LEN 4
#define TAG_LEN 16
#define LAST 0x80 /* in the first byte of the prefix */

static void derive(struct seal *s, const uint8_t key[SEAL_KEY_LEN],
		   const void *salt, struct str header)
{
	struct buf info = BUF_INIT(MAGIC_LEN + SEAL_HEADER_MAX);
	br_hkdf_context c;

	*s = (struct seal){ 0 };
	buf_addstr(&info, STR(MAGIC));
	buf_addstr(&info, header);
	br_hkdf_init(&c, &br_sha256_vtable, salt, SALT_LEN);
	br_hkdf_inject(&c, key, SEAL_KEY_LEN);
	br_hkdf_flip(&c);
	br_hkdf_produce(&c, info.str, info.n, s->key, sizeof(s->key));
	burn(&c, sizeof(c));
	buf_release(&info);
}

/* A chunk in place.  prefix: its length, which says whether it is the last. */
static void run(const struct seal *s, const uint8_t prefix[PREFIX_LEN],
		void *data, size_t n, uint8_t tag[TAG_LEN], bool encrypt)
{
	uint8_t nonce[12] = { 0, 0, 0, prefix[0] >> 7 };

	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(s->number >> (56 - 8 * i));
	br_poly1305_ctmul_run(s->key, nonce, data, n, prefix, PREFIX_LEN, tag,
			      br_chacha20_ct_run, encrypt);
}

void seal_begin(struct seal *s, const uint8_t key[SEAL_KEY_LEN],
		struct str header, struct buf *out)
{
	uint8_t salt[SALT_LEN];

	assert(header.n <= SEAL_HEADER_MAX);
	random_bytes(salt, sizeof(salt));
	buf_addstr(out, STR(MAGIC));
	buf_add(out, salt, sizeof(salt));
	buf_addc(out, (char)(header.n >> 8));
	buf_addc(out, (char)header.n);
	buf_addstr(out, header);
	derive(s, key, salt, header);
}

void seal_add(struct seal *s, struct str content, bool last, struct buf *out)
{
	uint8_t prefix[PREFIX_LEN] = { last ? LAST : 0,
				       (uint8_t)(content.n >> 16),
				       (uint8_t)(content.n >> 8),
				       (uint8_t)content.n };
	uint8_t tag[TAG_LEN];
	char *to;

	assert(content.n <= SEAL_CHUNK && !s->ended);
	buf_add(out, prefix, sizeof(prefix));
	if ((to = buf_room(out, content.n)) == NULL)
		return;
	memcpy(to, content.p, content.n);
	run(s, prefix, to, content.n, tag, true);
	buf_grew(out, content.n);
	buf_add(out, tag, sizeof(tag));
	s->number++;
	s->ended = last;
}

void seal_burn(struct seal *s)
{
	burn(s, sizeof(*s));
}

/* ---- opening ---- */

void unseal_init(struct unseal *u, const uint8_t key[SEAL_KEY_LEN])
{
	*u = (struct unseal){ .in = BUF_INIT(SEAL_PIECE_MAX),
			      .header = BUF_INIT(SEAL_HEADER_MAX) };
	memcpy(u->key, key, SEAL_KEY_LEN);
}

static size_t byte_at(const struct unseal *u, size_t i)
{
	return (uint8_t)u->in.str[i];
}

/* How many bytes must be there before what comes next is known, or whole: the
 * first that are not are asked for. */
static int wanted(const struct unseal *u, size_t *n, struct err *e)
{
	const struct buf *in = &u->in;
	size_t header;

	if (u->has_header) {
		*n = PREFIX_LEN;
		if (in->n < *n)
			return 0;
		*n = byte_at(u, 1) << 16 | byte_at(u, 2) << 8 | byte_at(u, 3);
		if ((byte_at(u, 0) & ~(size_t)LAST) != 0 || *n > SEAL_CHUNK)
			return err_set(e, ERR_DATA, "a chunk of a wrong length");
		*n += PREFIX_LEN + TAG_LEN;
		return 0;
	}
	*n = FIXED_LEN;
	if (memcmp(in->str, MAGIC, in->n < MAGIC_LEN ? in->n : MAGIC_LEN) != 0)
		return err_set(e, ERR_DATA, "not a file that azswarm has sealed");
	if (in->n < FIXED_LEN)
		return 0;
	header = byte_at(u, FIXED_LEN - 2) << 8 | byte_at(u, FIXED_LEN - 1);
	if (header > SEAL_HEADER_MAX)
		return err_set(e, ERR_DATA, "a header of %zu bytes", header);
	*n += header;
	return 0;
}

static void take_header(struct unseal *u)
{
	buf_addstr(&u->header, str_skip(buf_str(&u->in), FIXED_LEN));
	derive(&u->seal, u->key, u->in.str + MAGIC_LEN, buf_str(&u->header));
	u->has_header = true;
}

static int take_chunk(struct unseal *u,
		      int (*content)(void *ctx, struct str chunk, struct err *e),
		      void *ctx, struct err *e)
{
	uint8_t prefix[PREFIX_LEN], tag[TAG_LEN];
	size_t n = u->in.n - PREFIX_LEN - TAG_LEN;
	char *data = u->in.str + PREFIX_LEN;

	memcpy(prefix, u->in.str, sizeof(prefix));
	run(&u->seal, prefix, data, n, tag, false);
	if (!same_bytes(tag, data + n, TAG_LEN))
		return u->seal.number == 0 ?
			       err_set(e, ERR_DATA,
				       "sealed with another key, or changed") :
			       err_set(e, ERR_DATA, "changed, in chunk %llu",
				       (unsigned long long)u->seal.number);
	u->seal.number++;
	u->seal.ended = (prefix[0] & LAST) != 0;
	return n == 0 ? 0 : content(ctx, (struct str){ data, n }, e);
}

static int add(struct unseal *u, struct str piece,
	       int (*content)(void *ctx, struct str chunk, struct err *e),
	       void *ctx, struct err *e)
{
	size_t need, take;

	while (piece.n > 0) {
		if (u->seal.ended)
			return err_set(e, ERR_DATA, "bytes behind its end");
		if (wanted(u, &need, e) < 0)
			return -1;
		take = need - u->in.n < piece.n ? need - u->in.n : piece.n;
		buf_addstr(&u->in, str_head(piece, take));
		piece = str_skip(piece, take);
		if (u->in.n < need)
			return wanted(u, &need, e);
		/* the length of something is known, and then it is whole */
		if (wanted(u, &need, e) < 0)
			return -1;
		if (u->in.n < need)
			continue;
		if (!u->has_header)
			take_header(u);
		else if (take_chunk(u, content, ctx, e) < 0)
			return -1;
		burn(u->in.str, u->in.n);
		buf_reset(&u->in);
	}
	return 0;
}

int unseal_add(struct unseal *u, struct str piece,
	       int (*content)(void *ctx, struct str chunk, struct err *e),
	       void *ctx, struct err *e)
{
	if (u->broken.kind == ERR_NONE)
		add(u, piece, content, ctx, &u->broken);
	if (u->broken.kind == ERR_NONE)
		return 0;
	*e = u->broken;
	return -1;
}

int unseal_end(struct unseal *u, struct err *e)
{
	if (u->broken.kind != ERR_NONE)
		*e = u->broken;
	else if (!u->has_header && u->in.n < MAGIC_LEN)
		err_set(e, ERR_DATA, "not a file that azswarm has sealed");
	else if (!u->seal.ended)
		err_set(e, ERR_DATA, "cut: its end is missing");
	else
		return 0;
	return -1;
}

void unseal_burn(struct unseal *u)
{
	buf_burn(&u->in);
	buf_release(&u->header);
	burn(u, sizeof(*u));
}
