/*
 * Text codecs over the buffer: hex, base64 (RFC 4648), percent (RFC 3986
 * section 2.1), JSON strings (RFC 8259 section 7).  A decoder that refuses
 * leaves the buffer as it was.
 */
#include <string.h>

#include "base/buf.h"

static const char hex_digits[] = "0123456789abcdef";

void buf_add_hex(struct buf *b, const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++) {
		buf_addc(b, hex_digits[s[i] >> 4]);
		buf_addc(b, hex_digits[s[i] & 15]);
	}
}

/* Two hex digits; -1 when they are not. */
static int hex_pair(struct str s)
{
	uint64_t v;

	s = str_head(s, 2);
	return s.n == 2 && str_hex(&s, 255, &v) && s.n == 0 ? (int)v : -1;
}

int buf_add_unhex(struct buf *b, struct str s, struct err *e)
{
	size_t was = b->n;

	for (; s.n > 0; s = str_skip(s, 2)) {
		int v = hex_pair(s);

		if (v < 0) {
			buf_truncate(b, was);
			return err_set(e, ERR_DATA, "not hexadecimal");
		}
		buf_addc(b, (char)v);
	}
	return 0;
}

static void base64(struct buf *b, const void *p, size_t n, const char *last,
		   bool pad)
{
	static const char first[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned v = (unsigned)s[i] << 16;

		if (have > 1)
			v |= (unsigned)s[i + 1] << 8;
		if (have > 2)
			v |= s[i + 2];
		for (size_t k = 0; k <= have; k++) {
			unsigned d = v >> (18 - 6 * k) & 63;

			buf_addc(b, d < 62 ? first[d] : last[d - 62]);
		}
		for (size_t k = have; pad && k < 3; k++)
			buf_addc(b, '=');
	}
}

void buf_add_base64(struct buf *b, const void *p, size_t n)
{
	base64(b, p, n, "+/", true);
}

void buf_add_base64url(struct buf *b, const void *p, size_t n)
{
	base64(b, p, n, "-_", false);
}

/* What a digit stands for, of both alphabets, and one more: 0 is none. */
static const unsigned char base64_digits[256] = {
	['A'] = 1,  ['B'] = 2,	['C'] = 3,  ['D'] = 4,	['E'] = 5,  ['F'] = 6,
	['G'] = 7,  ['H'] = 8,	['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12,
	['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
	['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
	['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
	['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
	['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63, ['/'] = 64, ['_'] = 64,
};

/* Four digits to three bytes.  False: one is none. */
static inline bool unbase64_four(const char *p, char *to)
{
	const unsigned char *four = (const unsigned char *)p;
	uint32_t a = base64_digits[four[0]], b = base64_digits[four[1]],
		 c = base64_digits[four[2]], d = base64_digits[four[3]];
	uint32_t v = (a << 18) + (b << 12) + (c << 6) + d - 0x41041;

	to[0] = (char)(v >> 16);
	to[1] = (char)(v >> 8);
	to[2] = (char)v;
	return a != 0 && b != 0 && c != 0 && d != 0;
}

/* The two or three digits at the end.  Bits that are left over must be zero
 * (RFC 4648 section 3.5), or two texts would mean the same bytes. */
static bool unbase64_end(struct str s, char *to)
{
	char four[4] = { 'A', 'A', 'A', 'A' }, three[3];

	memcpy(four, s.p, s.n);
	if (!unbase64_four(four, three) || three[s.n - 1] != 0)
		return false;
	memcpy(to, three, s.n - 1);
	return true;
}

int buf_add_unbase64(struct buf *b, struct str s, struct err *e)
{
	size_t pad = 0, n = 0;
	bool good = true;
	char *to;

	while (s.n > 0 && s.p[s.n - 1] == '=' && pad < 2) {
		s.n--;
		pad++;
	}
	if (s.n % 4 == 1 || (pad > 0 && (s.n + pad) % 4 != 0))
		return err_set(e, ERR_DATA, "not base64: wrong length");
	if ((to = buf_room(b, s.n / 4 * 3 + (s.n % 4 + 1) / 2)) == NULL)
		return 0; /* b says that it is too much */
	for (; good && s.n >= 4; s.p += 4, s.n -= 4, n += 3)
		good = unbase64_four(s.p, to + n);
	if (good && s.n > 0 && (good = unbase64_end(s, to + n)))
		n += s.n - 1;
	if (!good) {
		burn(to, n);
		return err_set(e, ERR_DATA, "not base64");
	}
	buf_grew(b, n);
	return 0;
}

void buf_add_pct(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			buf_addc(b, c);
		else
			buf_addf(b, "%%%02X", (unsigned char)c);
	}
}

void buf_add_shell(struct buf *b, struct str s)
{
	buf_addc(b, '\'');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			buf_adds(b, "'\\''");
		else
			buf_addc(b, s.p[i]);
	buf_addc(b, '\'');
}

int buf_add_unpct(struct buf *b, struct str s, bool form, struct err *e)
{
	size_t was = b->n;

	while (s.n > 0) {
		char c = s.p[0];
		size_t n = str_visible(s, '%', '+');
		int v;

		if (n > 0) {
			buf_add(b, s.p, n);
			s = str_skip(s, n);
			continue;
		}
		s = str_skip(s, 1);
		if (c == '%') {
			if ((v = hex_pair(s)) < 0) {
				buf_truncate(b, was);
				return err_set(e, ERR_DATA, "bad percent escape");
			}
			c = (char)v;
			s = str_skip(s, 2);
		} else if (c == '+' && form) {
			c = ' ';
		}
		buf_addc(b, c);
	}
	return 0;
}

size_t str_utf8(struct str s)
{
	/* by the lead byte: length, and the range of the second byte, which
	 * is where overlong forms and surrogates are caught (Unicode table 3-7) */
	unsigned char lead, low = 0x80, high = 0xbf;
	size_t n;

	if (s.n == 0)
		return 0;
	lead = (unsigned char)s.p[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (s.n < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < low || c > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* How many bytes at the beginning are within quotes what they are. */
static size_t plain(struct str s)
{
	return str_visible(s, '"', '\\');
}

void buf_add_json(struct buf *b, struct str s)
{
	static const char named[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *at;

	for (size_t n = plain(s); s.n > 0; n = plain(s)) {
		if (n > 0) {
			buf_add(b, s.p, n);
			s = str_skip(s, n);
			continue;
		}
		n = str_utf8(s);
		at = s.p[0] == '\0' ? NULL : strchr(named, s.p[0]);
		if (n == 0) {
			buf_adds(b, "\xef\xbf\xbd");
			n = 1;
		} else if (at != NULL) {
			buf_addc(b, '\\');
			buf_addc(b, letter[at - named]);
		} else if ((unsigned char)s.p[0] < 0x20) {
			buf_addf(b, "\\u%04x", (unsigned char)s.p[0]);
		} else {
			buf_add(b, s.p, n);
		}
		s = str_skip(s, n);
	}
}

void buf_add_json_string(struct buf *b, struct str s)
{
	bool whole = plain(s) == s.n;
	char *to = whole ? buf_room(b, s.n + 2) : NULL;

	if (to != NULL) {
		to[0] = to[s.n + 1] = '"';
		if (s.n > 0)
			memcpy(to + 1, s.p, s.n);
		buf_grew(b, s.n + 2);
	} else if (!whole) {
		buf_addc(b, '"');
		buf_add_json(b, s);
		buf_addc(b, '"');
	}
}

struct str str_whole(struct str s)
{
	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		unsigned char c = (unsigned char)s.p[s.n - back];

		if ((c & 0xc0) == 0x80)
			continue;
		if (c >= 0xc2 && back < (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u))
			s.n -= back;
		break;
	}
	return s;
}

/* The code point of a character that str_utf8 knows to be one of n bytes. */
static uint32_t code_point(const char *p, size_t n)
{
	uint32_t c = (unsigned char)p[0];

	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

/* Is it an order to what shows it, and nothing to be seen? */
static bool is_order(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} orders[] = {
		{ 0x00, 0x1f }, /* C0 */
		{ 0x7f, 0x9f }, /* DEL and C1: 9B is what ESC [ is */
		/* UAX #9: marks, embeddings, overrides, isolates */
		{ 0x061c, 0x061c },
		{ 0x200e, 0x200f },
		{ 0x202a, 0x202e },
		{ 0x2066, 0x206f }, /* the last six: Unicode 23.3, deprecated */
		{ 0xfff9, 0xfffb }, /* one text between the lines of another */
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (c >= orders[i].first && c <= orders[i].last)
			return true;
	return false;
}

size_t text_clean(char *to, struct str s)
{
	size_t done = 0, n;

	for (; s.n > 0; s = str_skip(s, n)) {
		uint32_t c;

		/* nearly all there is, and may be where it is to go */
		if (s.p[0] >= ' ' && s.p[0] <= '~') {
			to[done++] = s.p[0];
			n = 1;
			continue;
		}
		n = str_utf8(s);
		c = n > 0 ? code_point(s.p, n) : 0;
		if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029) {
			n += str_starts(s, STR("\r\n"));
			to[done++] = ' ';
		} else if (is_order(c)) {
			n += n == 0;
			to[done++] = '?';
		} else {
			memmove(to + done, s.p, n);
			done += n;
		}
	}
	return done;
}

void buf_add_clean(struct buf *b, struct str s)
{
	char *to = buf_room(b, s.n);

	if (to != NULL)
		buf_grew(b, text_clean(to, s));
}
