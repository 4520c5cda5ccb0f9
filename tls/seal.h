#ifndef TLS_SEAL_H
#define TLS_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * A file that only who has the key can read, and nobody can change: a codec, it
 * does no I/O.
 *
 *	"azswarm sealed 1\n"
 *	salt		32 random bytes
 *	length		of the header, 2 bytes, the most significant first
 *	header		JSON, for everybody to read; it cannot be changed either
 *	chunk...	length of its content, 4 bytes, the first bit of which says
 *			that it is the last; the content in ChaCha20; a tag of 16
 *
 * The key of a file is HKDF-SHA-256 of the key and the salt, with all that is
 * before the salt and the header as info.  A chunk's nonce is 0 0 0, 1 where it
 * is the last, and its number from 0 in 8 bytes; the 4 bytes of its length are
 * authenticated with it.  So chunks that were changed, swapped, repeated, left
 * out or put behind the last are refused, and so is a file without its end.
 *
 * Source: RFC 5869 (HKDF), RFC 8439 (ChaCha20 and Poly1305); Hoang, Reyhanitabar,
 * Rogaway, Vizar, "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance" (STREAM).
 */
#define SEAL_KEY_LEN 32
#define SEAL_CHUNK (64u << 10)
#define SEAL_HEADER_MAX 4096
#define SEAL_PIECE_MAX (SEAL_CHUNK + 20) /* what seal_add() appends at most */
#define SEAL_BEGIN_MAX (64 + SEAL_HEADER_MAX)

struct seal {
	uint8_t key[SEAL_KEY_LEN]; /* the file's own */
	uint64_t number;	   /* of the next chunk */
	bool ended;
};

/* Append the beginning of a file; header has at most SEAL_HEADER_MAX bytes. */
void seal_begin(struct seal *s, const uint8_t key[SEAL_KEY_LEN],
		struct str header, struct buf *out);
/* Append a chunk, of at most SEAL_CHUNK bytes; the last may be empty. */
void seal_add(struct seal *s, struct str content, bool last, struct buf *out);
void seal_burn(struct seal *s);

struct unseal {
	uint8_t key[SEAL_KEY_LEN];
	struct seal seal;
	struct buf in;	   /* of what is not whole yet */
	struct buf header; /* once has_header; not to be believed before a chunk */
	bool has_header;
	struct err broken;
};

void unseal_init(struct unseal *u, const uint8_t key[SEAL_KEY_LEN]);
/*
 * More of the file, in pieces of any size.  content gets each chunk once it is
 * known to be true; -1 with e set ends it.  ERR_DATA, then and ever after: the
 * file is none of ours, was sealed with another key, or was changed.
 */
int unseal_add(struct unseal *u, struct str piece,
	       int (*content)(void *ctx, struct str chunk, struct err *e),
	       void *ctx, struct err *e);
/* The file has ended.  ERR_DATA: that is not its end. */
int unseal_end(struct unseal *u, struct err *e);
void unseal_burn(struct unseal *u);

#endif
