/*
 * JSON as Resource Manager reads it, which is more than RFC 8259 allows.  It
 * takes bodies of requests that way, and so does the template function json().
 */
#include <string.h>

#include "template/template.h"

/* One string, of either quote, as JSON wants it.  What is behind it. */
static struct str copy_string(struct str s, struct buf *out)
{
	char quote = *s.p;

	buf_addc(out, '"');
	for (s = str_skip(s, 1); s.n > 0 && *s.p != quote; s = str_skip(s, 1)) {
		if (*s.p == '\\' && s.n > 1 && s.p[1] == '\'') {
			s = str_skip(s, 1);
			buf_addc(out, '\'');
		} else if (*s.p == '\\' && s.n > 1) {
			buf_add(out, s.p, 2);
			s = str_skip(s, 1);
		} else if (*s.p == '"' || (unsigned char)*s.p < ' ') {
			buf_add_json(out, str_head(s, 1));
		} else {
			buf_addc(out, *s.p);
		}
	}
	buf_addc(out, '"');
	return str_skip(s, 1);
}

/* How many bytes at the front are a blank or a comment, one of them. */
static size_t blank(struct str s)
{
	ptrdiff_t at;

	if (str_starts(s, STR("//")))
		return (at = str_chr(s, '\n')) < 0 ? s.n : (size_t)at;
	if (str_starts(s, STR("/*")))
		return (at = str_find(s, STR("*/"))) < 0 ? s.n : (size_t)at + 2;
	return s.n > 0 && strchr(" \t\r\n", *s.p) != NULL ? 1 : 0;
}

static struct str skip_blanks(struct str s)
{
	for (size_t n; (n = blank(s)) > 0;)
		s = str_skip(s, n);
	return s;
}

static bool is_name(char c)
{
	return is_alnum(c) || c == '_' || c == '$';
}

/* A word without quotes: before a colon it is a name, else true or the like. */
static struct str copy_word(struct str s, struct buf *out)
{
	struct str ahead;
	size_t n = 0;

	while (n < s.n && is_name(s.p[n]))
		n++;
	ahead = skip_blanks(str_skip(s, n));
	if (str_starts(ahead, STR(":")))
		buf_addf(out, "\"%.*s\"", (int)n, s.p);
	else
		buf_add(out, s.p, n);
	return str_skip(s, n);
}

void template_strict_json(struct str s, struct buf *out)
{
	while (s = skip_blanks(s), s.n > 0 && !out->over) {
		if (*s.p == '"' || *s.p == '\'') {
			s = copy_string(s, out);
		} else if (*s.p == ',') {
			s = skip_blanks(str_skip(s, 1));
			/* before the end it is one too many */
			if (s.n == 0 || (*s.p != '}' && *s.p != ']'))
				buf_addc(out, ',');
		} else if (is_name(*s.p) && !is_digit(*s.p)) {
			s = copy_word(s, out);
		} else {
			buf_addc(out, *s.p);
			s = str_skip(s, 1);
		}
	}
}
