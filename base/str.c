/*
 * Slices of other people's bytes: comparing, cutting, reading numbers.  All
 * of it is ASCII and asks no locale.
 */
#include <string.h>

#include "base/buf.h"

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_alnum(char c)
{
	return is_digit(c) || is_alpha(c);
}

char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

char to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

struct str str_of(const char *z)
{
	return (struct str){ z, z == NULL ? 0 : strlen(z) };
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = least(a.n, b.n);
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

int str_icmp(struct str a, struct str b)
{
	size_t n = least(a.n, b.n);

	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)to_lower(a.p[i]) -
			(unsigned char)to_lower(b.p[i]);

		if (d != 0)
			return d;
	}
	return (a.n > b.n) - (a.n < b.n);
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && str_cmp(a, b) == 0;
}

bool str_eqz(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

bool str_ieq(struct str a, struct str b)
{
	return a.n == b.n && str_icmp(a, b) == 0;
}

bool str_ieqz(struct str a, const char *z)
{
	return str_ieq(a, str_of(z));
}

bool str_glob(struct str pattern, struct str s)
{
	struct str behind = STR_NULL, again = STR_NULL; /* the last star */
	bool star = false;

	while (s.n > 0) {
		if (pattern.n > 0 && *pattern.p == '*') {
			star = true;
			behind = pattern = str_skip(pattern, 1);
			again = s;
		} else if (pattern.n > 0 &&
			   to_lower(*pattern.p) == to_lower(*s.p)) {
			pattern = str_skip(pattern, 1);
			s = str_skip(s, 1);
		} else if (star) {
			pattern = behind;
			s = again = str_skip(again, 1);
		} else {
			return false;
		}
	}
	while (pattern.n > 0 && *pattern.p == '*')
		pattern = str_skip(pattern, 1);
	return pattern.n == 0;
}

bool str_is(const char *a, const char *b)
{
	return a != NULL && b != NULL && str_ieq(str_of(a), str_of(b));
}

bool str_listed(const char *words, const char *word)
{
	struct str s = str_of(words), one;

	while (str_next(&s, ' ', &one))
		if (word != NULL && str_ieqz(one, word))
			return true;
	return false;
}

struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.p, least(s.n, n) };
}

struct str str_skip(struct str s, size_t n)
{
	n = least(s.n, n);
	return n == 0 ? s : (struct str){ s.p + n, s.n - n };
}

unsigned str_distance(const char *a, const char *b)
{
	unsigned row[64], diagonal, above, best;
	size_t n = strlen(b);

	if (n >= 63)
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			above = row[j + 1];
			best = diagonal + (a[i] != b[j]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			diagonal = above;
			row[j + 1] = best;
		}
	}
	return row[n];
}

bool str_starts(struct str s, struct str prefix)
{
	return str_eq(str_head(s, prefix.n), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	return str_ieq(str_head(s, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return -1;
	at = memmem(s.p, s.n, needle.p, needle.n);
	return at == NULL ? -1 : at - s.p;
}

ptrdiff_t str_chr(struct str s, char c)
{
	const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return at == NULL ? -1 : at - s.p;
}

ptrdiff_t str_rchr(struct str s, char c)
{
	const char *at = s.n == 0 ? NULL : memrchr(s.p, c, s.n);

	return at == NULL ? -1 : at - s.p;
}

struct str str_host(struct str peer)
{
	ptrdiff_t colon = str_rchr(peer, ':');

	if (colon >= 0)
		peer = str_head(peer, (size_t)colon);
	if (peer.n >= 2 && peer.p[0] == '[')
		peer = str_head(str_skip(peer, 1), peer.n - 2);
	return peer;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = str_skip(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_cut(struct str *s, char c, struct str *left)
{
	ptrdiff_t at = str_chr(*s, c);

	if (at < 0)
		return false;
	*left = str_head(*s, (size_t)at);
	*s = str_skip(*s, (size_t)at + 1);
	return true;
}

bool str_next(struct str *s, char c, struct str *word)
{
	if (s->p == NULL)
		return false;
	if (!str_cut(s, c, word)) {
		*word = *s;
		*s = STR_NULL; /* "a," has a word behind the comma */
	}
	return true;
}

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	c = to_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool number(struct str *s, unsigned base, uint64_t max, uint64_t *v)
{
	uint64_t sum = 0;
	size_t n;

	for (n = 0; n < s->n && digit_of(s->p[n]) < (int)base; n++) {
		unsigned d = (unsigned)digit_of(s->p[n]);

		if (d > max || sum > (max - d) / base)
			return false;
		sum = sum * base + d;
	}
	if (n == 0)
		return false;
	*s = str_skip(*s, n);
	*v = sum;
	return true;
}

bool str_dec(struct str *s, uint64_t max, uint64_t *v)
{
	return number(s, 10, max, v);
}

bool str_hex(struct str *s, uint64_t max, uint64_t *v)
{
	return number(s, 16, max, v);
}

bool str_num(struct str s, uint64_t max, uint64_t *v)
{
	uint64_t got;

	if (!str_dec(&s, max, &got) || s.n != 0)
		return false;
	*v = got;
	return true;
}

bool str_is_token(struct str s)
{
	static const bool in_token[256] = {
		['0' ... '9'] = true,  ['A' ... 'Z'] = true,
		['a' ... 'z'] = true,  ['!'] = true,
		['#' ... '\''] = true, ['*'] = true,
		['+'] = true,	       ['-'] = true,
		['.'] = true,	       ['^'] = true,
		['_'] = true,	       ['`'] = true,
		['|'] = true,	       ['~'] = true,
	};

	for (size_t i = 0; i < s.n; i++)
		if (!in_token[(unsigned char)s.p[i]])
			return false;
	return s.n > 0;
}

/* Eight bytes at a time: the high bit of each of them that is not visible. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
static bool all_visible(uint64_t w)
{
	uint64_t below = w - EACH(' '), del = w ^ EACH(0x7f);

	return ((below | (del - EACH(1)) | w) & EACH(0x80)) == 0;
}

static bool has_byte(uint64_t w, char c)
{
	uint64_t zero = w ^ EACH((unsigned char)c);

	return ((zero - EACH(1)) & ~zero & EACH(0x80)) != 0;
}

size_t str_visible(struct str s, char but, char nor)
{
	size_t n = 0;
	uint64_t w;

	for (; s.n - n >= sizeof(w); n += sizeof(w)) {
		memcpy(&w, s.p + n, sizeof(w));
		if (!all_visible(w) || has_byte(w, but) || has_byte(w, nor))
			break;
	}
	while (n < s.n && s.p[n] >= ' ' && s.p[n] < 0x7f && s.p[n] != but &&
	       s.p[n] != nor)
		n++;
	return n;
}

char *str_dup(struct str s)
{
	return xstrndup(s.p, s.n);
}
