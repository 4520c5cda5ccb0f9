#ifndef TESTS_JSON_JUDGE_H
#define TESTS_JSON_JUDGE_H

/*
 * What a reader of JSON is held against: the grammar (RFC 8259) in the plainest
 * form, a function a rule, over the whole text; and the tree that cJSON makes of
 * it.  No product code is in it but slices (base/str.c).
 */
#include <cJSON.h>

#include "base/buf.h"

#define JUDGE_DEPTH_MAX 128

static void judge_blanks(struct str *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
			    s->p[0] == '\n' || s->p[0] == '\r'))
		*s = str_skip(*s, 1);
}

static bool judge_eat(struct str *s, struct str word)
{
	if (!str_starts(*s, word))
		return false;
	*s = str_skip(*s, word.n);
	return true;
}

static bool judge_digits(struct str *s)
{
	size_t was = s->n;

	while (s->n > 0 && is_digit(s->p[0]))
		*s = str_skip(*s, 1);
	return s->n < was;
}

static bool judge_number(struct str *s)
{
	judge_eat(s, STR("-"));
	if (!judge_eat(s, STR("0")) && !judge_digits(s))
		return false;
	if (judge_eat(s, STR(".")) && !judge_digits(s))
		return false;
	if (judge_eat(s, STR("e")) || judge_eat(s, STR("E"))) {
		if (!judge_eat(s, STR("+")))
			judge_eat(s, STR("-"));
		return judge_digits(s);
	}
	return true;
}

/* "\uXXXX" behind the backslash; a surrogate needs its other half, and
 * U+0000 has no place in a C string. */
static bool judge_u_escape(struct str *s)
{
	struct str hex = str_head(str_skip(*s, 1), 4);
	uint64_t v;

	if (hex.n < 4 || !str_hex(&hex, 0xffff, &v) || hex.n != 0 || v == 0 ||
	    (v >= 0xdc00 && v <= 0xdfff))
		return false;
	*s = str_skip(*s, 5);
	if (v < 0xd800 || v > 0xdbff)
		return true;
	hex = str_head(str_skip(*s, 2), 4);
	if (!str_starts(*s, STR("\\u")) || hex.n < 4 ||
	    !str_hex(&hex, 0xdfff, &v) || hex.n != 0 || v < 0xdc00)
		return false;
	*s = str_skip(*s, 6);
	return true;
}

static bool judge_string(struct str *s)
{
	if (!judge_eat(s, STR("\"")))
		return false;
	while (s->n > 0 && s->p[0] != '"') {
		size_t n = str_utf8(*s);

		if (n == 0 || (unsigned char)s->p[0] < 0x20)
			return false;
		if (!judge_eat(s, STR("\\"))) {
			*s = str_skip(*s, n);
			continue;
		}
		if (s->n == 0)
			return false;
		if (s->p[0] == 'u') {
			if (!judge_u_escape(s))
				return false;
		} else if (str_chr(STR("\"\\/bfnrt"), s->p[0]) >= 0) {
			*s = str_skip(*s, 1);
		} else {
			return false;
		}
	}
	return judge_eat(s, STR("\""));
}

/* On false, *s is where the trouble is. */
static bool judge_value(struct str *s, unsigned depth);

static bool judge_list(struct str *s, char close, unsigned depth)
{
	struct str end = { &close, 1 };

	*s = str_skip(*s, 1);
	judge_blanks(s);
	if (judge_eat(s, end))
		return true;
	do {
		judge_blanks(s);
		if (close == '}') {
			if (!judge_string(s))
				return false;
			judge_blanks(s);
			if (!judge_eat(s, STR(":")))
				return false;
		}
		if (!judge_value(s, depth + 1))
			return false;
		judge_blanks(s);
	} while (judge_eat(s, STR(",")));
	return judge_eat(s, end);
}

static bool judge_value(struct str *s, unsigned depth)
{
	judge_blanks(s);
	if (s->n == 0 || depth > JUDGE_DEPTH_MAX)
		return false;
	switch (s->p[0]) {
	case '{':
		return judge_list(s, '}', depth);
	case '[':
		return judge_list(s, ']', depth);
	case '"':
		return judge_string(s);
	case 't':
		return judge_eat(s, STR("true"));
	case 'f':
		return judge_eat(s, STR("false"));
	case 'n':
		return judge_eat(s, STR("null"));
	default:
		return judge_number(s);
	}
}

/* Whether that is JSON; *at gets where it is not. */
static inline bool judge_text(struct str text, size_t *at)
{
	struct str s = text;
	bool ok;

	judge_eat(&s, STR("\xef\xbb\xbf"));
	judge_blanks(&s);
	ok = judge_value(&s, 0);
	if (ok)
		judge_blanks(&s);
	*at = text.n - s.n;
	return ok && s.n == 0;
}

#endif
