#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Running out of memory ends the program here (message, exit 1). */
void *xmalloc(size_t n); /* n == 0 gives a pointer too */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zero memory in a way the compiler keeps.  NULL with n == 0 is fine. */
void burn(void *p, size_t n);
/* Zero and free a NUL-terminated secret; NULL does nothing. */
void burn_str(char *s);

/*
 * A slice of somebody else's bytes: never assumed NUL-terminated.  The
 * functions that take a pointer to one consume from its front.
 */
struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_NULL ((struct str){ NULL, 0 })
/* For printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p

struct str str_of(const char *z); /* NULL gives an empty slice */
bool str_eq(struct str a, struct str b);
bool str_eqz(struct str a, const char *z);
bool str_ieq(struct str a, struct str b); /* ASCII case folded */
bool str_ieqz(struct str a, const char *z);
/* Whether it is as the pattern says: * is any run of characters, letters fold. */
bool str_glob(struct str pattern, struct str s);
/* The same for two C strings, of which NULL equals nothing, not even NULL. */
bool str_is(const char *a, const char *b);
/* Is it one of these words, separated by blanks?  In any case; NULL is not. */
bool str_listed(const char *words, const char *word);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Offset of needle in s, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_rchr(struct str s, char c);
/* "10.77.0.10" of "10.77.0.10:2377", "::1" of "[::1]:2377". */
struct str str_host(struct str peer);
struct str str_trim(struct str s); /* spaces, tabs, CR, LF at both ends */
struct str str_skip(struct str s, size_t n); /* n may exceed s.n: empty then */
struct str str_head(struct str s, size_t n);
/* Cut at the first c: *left gets what is before, *s what is after.  False
 * (both untouched) when there is no c. */
bool str_cut(struct str *s, char c, struct str *left);
/* Next word of *s up to c or the end; false when *s is exhausted.  "a,,b"
 * gives "a", "", "b". */
bool str_next(struct str *s, char c, struct str *word);
/* Consume decimal (hex) digits, at least one, value at most max; false leaves
 * *s untouched.  No sign, no leading blanks. */
bool str_dec(struct str *s, uint64_t max, uint64_t *v);
bool str_hex(struct str *s, uint64_t max, uint64_t *v);
/* The whole slice is a decimal number not above max. */
bool str_num(struct str s, uint64_t max, uint64_t *v);
/* How many bytes at the beginning are ASCII from ' ' to '~', and neither of the
 * two. */
size_t str_visible(struct str s, char but, char nor);
bool str_is_token(struct str s);	 /* RFC 9110 5.6.2, not empty */
char *str_dup(struct str s);		 /* NUL-terminated copy */
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
int str_icmp(struct str a, struct str b);
/* How far two words are from each other: insertions, deletions, substitutions.
 * A b of 63 bytes and more is far from everything. */
unsigned str_distance(const char *a, const char *b);
/* Bytes of the UTF-8 character at the front; 0 when s is empty or it is none. */
size_t str_utf8(struct str s);
/* Without the beginning of a character at the end of s, which was cut. */
struct str str_whole(struct str s);

bool is_digit(char c);
bool is_alpha(char c);
bool is_alnum(char c);
char to_lower(char c);
char to_upper(char c);

/*
 * A growing byte buffer, born with its ceiling.  str is always
 * NUL-terminated (points to "" when empty), n does not count the NUL.
 * Going over the ceiling marks the buffer: it keeps what it had, ignores
 * what follows, and `over` stays true until _reset.
 */
struct buf {
	char *str;
	size_t n;
	size_t cap; /* allocated, 0 when str is static "" */
	size_t max;
	bool over;
};

extern char buf_nothing[1]; /* the static "": nobody writes to it */
#define BUF_INIT(ceiling) \
	{ \
		.str = buf_nothing, .max = (ceiling) \
	}

void buf_init(struct buf *b, size_t max);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *z);
void buf_addstr(struct buf *b, struct str s);
void buf_add_dec(struct buf *b, uint64_t v);
void buf_addf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* As much of it as there is room for: for a line that is told, where a peer's
 * long words must not silence ours. */
void buf_vaddf_cut(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* Make room for n more bytes and return where they go; NULL if over the
 * ceiling.  Follow with buf_grew(b, how many were written). */
char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* drop from the front */
void buf_truncate(struct buf *b, size_t n);
struct str buf_str(const struct buf *b);
char *buf_detach(struct buf *b); /* caller frees; b is empty again */
void buf_reset(struct buf *b);	 /* empty, memory kept */
void buf_release(struct buf *b);
void buf_burn(struct buf *b); /* zero, then release */
/* -1 with e set ("WHAT is larger than MAX bytes") if b went over. */
int buf_check(const struct buf *b, const char *what, struct err *e);

/* Text codecs.  Decoders refuse what is not exactly of the form. */
void buf_add_hex(struct buf *b, const void *p, size_t n);
void buf_add_base64(struct buf *b, const void *p, size_t n); /* RFC 4648 4, padded */
void buf_add_base64url(struct buf *b, const void *p,
		       size_t n); /* RFC 4648 5, no padding */
/* Both alphabets, padding optional, no white space. */
int buf_add_unbase64(struct buf *b, struct str s, struct err *e);
int buf_add_unhex(struct buf *b, struct str s, struct err *e);
/* Percent-encode everything but RFC 3986 unreserved characters. */
void buf_add_pct(struct buf *b, struct str s);
/* Percent-decode; `+` is a space when form is true.  Bad escapes refused. */
int buf_add_unpct(struct buf *b, struct str s, bool form, struct err *e);
/* As one word of a shell's, between '. */
void buf_add_shell(struct buf *b, struct str s);
/* Inside of a JSON string literal (no quotes added), RFC 8259 7.  Bytes that are not UTF-8 become
 * U+FFFD. */
void buf_add_json(struct buf *b, struct str s);
void buf_add_json_string(struct buf *b, struct str s); /* with the quotes */
/*
 * What strangers wrote, for a line on a terminal: printable UTF-8 as it is, a
 * line end (LF, CR, CRLF, U+2028, U+2029) as one blank; as '?' what moves a
 * cursor or turns a line around (C0, DEL, C1, the bidirectional controls), and
 * each byte that is not UTF-8.  All that is shown goes through this.
 *
 * Source: Unicode 15, 3.9 and 23; UAX #9 section 2; ECMA-48.
 */
void buf_add_clean(struct buf *b, struct str s);
/* The same to memory of s.n bytes, which s may be in: how many of them it
 * takes, never more. */
size_t text_clean(char *to, struct str s);

#endif
