/*
 * DEFLATE (RFC 1951), decompression only: assets are compressed when the
 * program is built.  Canonical codes are decoded bit by bit by counting, which
 * needs no tables but the code itself; nobody waits for 60 KiB.
 */
#include <string.h>

#include "base/inflate.h"

#define CODE_BITS 15 /* longest code */
#define LITERALS 288
#define DISTANCES 30

struct bits {
	const unsigned char *p, *end;
	unsigned held, n; /* bits not yet used, and how many */
	bool short_of;	  /* ran out of input */
};

static unsigned take(struct bits *b, unsigned n)
{
	unsigned v;

	while (b->n < n) {
		if (b->p == b->end) {
			b->short_of = true;
			return 0;
		}
		b->held |= (unsigned)*b->p++ << b->n;
		b->n += 8;
	}
	v = b->held & ((1u << n) - 1);
	b->held >>= n;
	b->n -= n;
	return v;
}

/* A canonical Huffman code, section 3.2.2. */
struct code {
	uint16_t count[CODE_BITS + 1]; /* codes of each length */
	uint16_t symbol[LITERALS];     /* ordered by code */
};

/* Negative: over-subscribed; else how many codes are left unused. */
static int code_make(struct code *c, const uint8_t *lengths, unsigned n)
{
	uint16_t at[CODE_BITS + 1];
	int left = 1;

	memset(c->count, 0, sizeof(c->count));
	for (unsigned i = 0; i < n; i++)
		c->count[lengths[i]]++;
	c->count[0] = 0;
	at[1] = 0;
	for (unsigned len = 1; len <= CODE_BITS; len++) {
		left = 2 * left - c->count[len];
		if (left < 0)
			return left;
		if (len < CODE_BITS)
			at[len + 1] = (uint16_t)(at[len] + c->count[len]);
	}
	for (unsigned i = 0; i < n; i++)
		if (lengths[i] != 0)
			c->symbol[at[lengths[i]]++] = (uint16_t)i;
	return left;
}

/* The next symbol, or -1. */
static int decode(struct bits *b, const struct code *c)
{
	int code = 0, first = 0, index = 0;

	for (unsigned len = 1; len <= CODE_BITS && !b->short_of; len++) {
		int count = c->count[len];

		code |= (int)take(b, 1);
		if (code - first < count)
			return c->symbol[index + code - first];
		index += count;
		first = 2 * (first + count);
		code *= 2;
	}
	return -1;
}

/* Section 3.2.5: what the symbols for lengths and distances stand for. */
static const uint16_t length_base[] = { 3,   4,	  5,   6,   7,	8,  9,	10,
					11,  13,  15,  17,  19, 23, 27, 31,
					35,  43,  51,  59,  67, 83, 99, 115,
					131, 163, 195, 227, 258 };
static const uint16_t distance_base[] = { 1,	2,    3,    4,	   5,	  7,
					  9,	13,   17,   25,	   33,	  49,
					  65,	97,   129,  193,   257,	  385,
					  513,	769,  1025, 1537,  2049,  3073,
					  4097, 6145, 8193, 12289, 16385, 24577 };

static unsigned length_extra(unsigned i)
{
	return i < 8 || i == 28 ? 0 : (i - 4) / 4;
}

static int symbols(struct bits *b, const struct code *lit,
		   const struct code *dist, struct buf *out)
{
	for (;;) {
		int sym = decode(b, lit), d;
		unsigned n;
		size_t back;

		if (sym < 0)
			return -1;
		if (sym < 256) {
			buf_addc(out, (char)sym);
			continue;
		}
		if (sym == 256)
			return 0;
		sym -= 257;
		if (sym >= 29 || out->over)
			return -1;
		n = length_base[sym] + take(b, length_extra((unsigned)sym));
		if ((d = decode(b, dist)) < 0 || d >= DISTANCES)
			return -1;
		back = distance_base[d] +
		       take(b, d < 4 ? 0 : (unsigned)(d - 2) / 2);
		if (b->short_of || back > out->n)
			return -1;
		while (n-- > 0)
			buf_addc(out, out->str[out->n - back]);
	}
}

static int stored(struct bits *b, struct buf *out)
{
	size_t n;

	b->held = b->n = 0; /* to the next byte */
	if (b->end - b->p < 4)
		return -1;
	n = (size_t)b->p[0] | (size_t)b->p[1] << 8;
	b->p += 4;
	if ((size_t)(b->end - b->p) < n)
		return -1;
	for (size_t piece; n > 0 && !out->over; n -= piece, b->p += piece) {
		piece = n < INFLATE_PIECE ? n : INFLATE_PIECE;
		buf_add(out, b->p, piece);
	}
	return 0;
}

/* Section 3.2.7: the codes come first, coded themselves. */
static int dynamic(struct bits *b, struct buf *out)
{
	static const uint8_t order[] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					 11, 4,	 12, 3, 13, 2, 14, 1, 15 };
	uint8_t lengths[LITERALS + 32] = { 0 };
	struct code lit, dist;
	unsigned n_lit = take(b, 5) + 257, n_dist = take(b, 5) + 1,
		 n = take(b, 4) + 4, i;

	if (n_lit > 286 || n_dist > DISTANCES)
		return -1;
	for (i = 0; i < n; i++)
		lengths[order[i]] = (uint8_t)take(b, 3);
	if (b->short_of || code_make(&lit, lengths, 19) != 0)
		return -1;
	memset(lengths, 0, sizeof(lengths));
	for (i = 0; i < n_lit + n_dist;) {
		int sym = decode(b, &lit);
		uint8_t again = 0;
		unsigned times;

		if (sym < 0)
			return -1;
		if (sym < 16) {
			lengths[i++] = (uint8_t)sym;
			continue;
		}
		if (sym == 16) {
			if (i == 0)
				return -1;
			again = lengths[i - 1];
		}
		times = sym == 16 ? 3 + take(b, 2) :
			sym == 17 ? 3 + take(b, 3) :
				    11 + take(b, 7);
		if (b->short_of || i + times > n_lit + n_dist)
			return -1;
		while (times-- > 0)
			lengths[i++] = again;
	}
	if (code_make(&lit, lengths, n_lit) < 0 ||
	    code_make(&dist, lengths + n_lit, n_dist) < 0)
		return -1;
	return symbols(b, &lit, &dist, out);
}

static int fixed(struct bits *b, struct buf *out)
{
	uint8_t lengths[LITERALS];
	struct code lit, dist;

	for (unsigned i = 0; i < LITERALS; i++)
		lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	code_make(&lit, lengths, LITERALS);
	memset(lengths, 5, DISTANCES);
	code_make(&dist, lengths, DISTANCES);
	return symbols(b, &lit, &dist, out);
}

static int inflate(struct bits *b, struct buf *out)
{
	bool last;
	int rc = 0;

	do {
		last = take(b, 1);
		switch (take(b, 2)) {
		case 0:
			rc = stored(b, out);
			break;
		case 1:
			rc = fixed(b, out);
			break;
		case 2:
			rc = dynamic(b, out);
			break;
		default:
			rc = -1;
		}
	} while (rc == 0 && !last && !b->short_of && !out->over);
	return b->short_of ? -1 : rc;
}

int gunzip(struct str gz, struct buf *out, struct err *e)
{
	static const unsigned char magic[] = { 0x1f, 0x8b, 8, 0 };
	const unsigned char *p = (const unsigned char *)gz.p;
	struct bits b = { 0 };
	size_t before = out->n, said;

	if (gz.n < 18 || memcmp(p, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_DATA, "not a gzip file of ours");
	b.p = p + 10;
	b.end = p + gz.n - 8;
	if (inflate(&b, out) < 0)
		return err_set(e, ERR_DATA, "broken gzip data");
	if (buf_check(out, "what was compressed", e) < 0)
		return -1;
	said = (size_t)b.end[4] | (size_t)b.end[5] << 8 |
	       (size_t)b.end[6] << 16 | (size_t)b.end[7] << 24;
	if (out->n - before != said)
		return err_set(e, ERR_DATA,
			       "gzip data of another length than it says");
	return 0;
}
