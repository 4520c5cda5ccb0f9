/*
 * JSON (RFC 8259) read a piece at a time, each byte once.  Stricter than most:
 * no U+0000, no broken UTF-8, no lone surrogate, for a text cut short at a NUL
 * is how two programs come to read the same bytes differently.
 *
 * Most of what Azure sends is text in strings that no column shows, so this is
 * what has to be quick: plain() takes it eight bytes at a time.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"

#define ALL UINT32_MAX /* everything from here on is wanted */
#define DIGITS_EXACT \
	15 /* decimal digits that a double holds, whatever they are */

enum state {
	VALUE,
	FIRST_ITEM,
	FIRST_NAME,
	NAME,
	COLON,
	NEXT,
	STRING,
	ESCAPE,
	HEX,
	LOW_HALF,
	LOW_U,
	UTF8,
	WORD,
	/* of a number; those where it may end are is_over()'s */
	MINUS,
	ZERO,
	WHOLE,
	POINT,
	FRACTION,
	E,
	E_SIGN,
	EXPONENT,
	DONE,
};

static void step(struct str *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static void blanks(struct str *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
			    s->p[0] == '\n' || s->p[0] == '\r'))
		step(s, 1);
}

/* What is wrong shows as a whole, and is told from where it begins. */
static void mark(struct json_reader *r, const struct str *in)
{
	r->mark = r->end - in->n;
}

/* ---- the tree ---- */

static void add(struct json_reader *r, cJSON *v)
{
	v->string = r->name;
	r->name = NULL;
	if (r->depth == 0)
		r->doc = v;
	else
		cJSON_AddItemToArray(r->levels[r->depth - 1].list, v);
}

static void value_ends(struct json_reader *r)
{
	r->state = r->depth == 0 ? DONE : NEXT;
}

static bool open_list(struct json_reader *r, bool object)
{
	struct json_level *l = &r->levels[r->depth];

	l->list = NULL;
	if (r->value_want != 0)
		add(r, l->list = object ? cJSON_CreateObject() :
					  cJSON_CreateArray());
	l->want = r->value_want;
	l->skip = r->value_skip;
	l->object = object;
	r->depth++;
	r->state = object ? FIRST_NAME : FIRST_ITEM;
	return true;
}

static bool close_list(struct json_reader *r, char c)
{
	if (c != (r->levels[r->depth - 1].object ? '}' : ']'))
		return false;
	r->depth--;
	value_ends(r);
	return true;
}

/* Which of the wanted paths lead through that name. */
static void take_name(struct json_reader *r, struct str name)
{
	const struct json_level *l = &r->levels[r->depth - 1];
	uint32_t want = l->want == ALL ? ALL : 0;

	for (unsigned i = 0; l->want != ALL && l->want >> i != 0; i++) {
		const char *path;

		if ((l->want >> i & 1) == 0)
			continue;
		path = r->want[i] + l->skip;
		if (strncmp(path, name.p, name.n) != 0 ||
		    (path[name.n] != '\0' && path[name.n] != '.'))
			continue;
		want |= 1u << i;
		if (path[name.n] == '\0')
			want = ALL;
		if (want == ALL)
			break;
	}
	r->value_want = want;
	r->value_skip = l->skip + (uint32_t)name.n + 1;
	if (want != 0)
		r->name = str_dup(name);
}

static void take_string(struct json_reader *r, struct str text)
{
	cJSON *v;

	if (r->is_name) {
		if (r->kept)
			take_name(r, text);
		else
			r->value_want = 0;
		r->state = COLON;
		return;
	}
	if (r->kept) {
		v = cJSON_CreateNull();
		v->type = cJSON_String;
		v->valuestring = str_dup(text);
		add(r, v);
	}
	value_ends(r);
}

static double number_of(struct str text)
{
	bool minus = text.p[0] == '-';
	struct str digits = str_skip(text, minus);
	char *z, small[64];
	uint64_t v;
	double d;

	if (digits.n <= DIGITS_EXACT && str_num(digits, UINT64_MAX, &v))
		return minus ? -(double)v : (double)v;
	z = text.n < sizeof(small) ? small : xmalloc(text.n + 1);
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	d = strtod(z, NULL);
	if (z != small)
		free(z);
	return d;
}

static void take_number(struct json_reader *r, struct str text)
{
	if (r->value_want != 0)
		add(r, cJSON_CreateNumber(number_of(text)));
	value_ends(r);
}

/* ---- strings ---- */

/* How many bytes at the front are ASCII that stands for itself in a string. */
static size_t plain(struct str s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	size_t n = 0;

	for (uint64_t w; s.n - n >= sizeof(w); n += sizeof(w)) {
		uint64_t quote, back, found;

		memcpy(&w, s.p + n, sizeof(w));
		w = le64toh(w);
		quote = w ^ ones * '"';
		back = w ^ ones * '\\';
		/* the high bit of a byte that is zero, or below 0x20, or has
		 * it; a borrow may set others, but only behind such a one */
		found = (((quote - ones) & ~quote) | ((back - ones) & ~back) |
			 (w - ones * 0x20) | w) &
			highs;
		if (found != 0)
			return n + (size_t)__builtin_ctzll(found) / 8;
	}
	while (n < s.n && (unsigned char)s.p[n] >= 0x20 &&
	       (unsigned char)s.p[n] < 0x80 && s.p[n] != '"' && s.p[n] != '\\')
		n++;
	return n;
}

static bool begin_string(struct json_reader *r, struct str *in, bool is_name)
{
	step(in, 1);
	r->is_name = is_name;
	r->kept = (is_name ? r->levels[r->depth - 1].want : r->value_want) != 0;
	buf_reset(&r->text);
	r->state = STRING;
	return true;
}

/* The bytes of a character and the bounds of its second one, by the first
 * (Unicode 15, table 3-7). */
static bool begin_utf8(struct json_reader *r, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	r->tail = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	r->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	r->limit = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

static bool string(struct json_reader *r, struct str *in)
{
	struct str seen = *in;
	size_t n = plain(*in), more;

	/* characters that are there as a whole */
	while (n < in->n && (unsigned char)in->p[n] >= 0x80 &&
	       (more = str_utf8(str_skip(*in, n))) > 0) {
		n += more;
		n += plain(str_skip(*in, n));
	}
	seen.n = n;
	step(in, n);
	if (in->n > 0 && in->p[0] == '"') {
		step(in, 1);
		if (r->kept && r->text.n > 0) {
			buf_addstr(&r->text, seen);
			seen = buf_str(&r->text);
		}
		take_string(r, seen);
		return true;
	}
	if (r->kept)
		buf_addstr(&r->text, seen);
	if (in->n == 0)
		return true;
	if (in->p[0] == '\\') {
		r->state = ESCAPE;
	} else {
		mark(r, in);
		if (!begin_utf8(r, (unsigned char)in->p[0]))
			return false; /* a control character, too */
		if (r->kept)
			buf_addc(&r->text, in->p[0]);
		r->state = UTF8;
	}
	step(in, 1);
	return true;
}

static bool utf8(struct json_reader *r, struct str *in)
{
	unsigned char c = (unsigned char)in->p[0];

	if (c < r->low || c > r->limit)
		return false;
	if (r->kept)
		buf_addc(&r->text, in->p[0]);
	step(in, 1);
	r->low = 0x80;
	r->limit = 0xbf;
	if (--r->tail == 0)
		r->state = STRING;
	return true;
}

static bool escape(struct json_reader *r, struct str *in)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	ptrdiff_t i = str_chr(STR(from), in->p[0]);

	mark(r, in);
	if (in->p[0] != 'u' && i < 0)
		return false;
	r->state = i < 0 ? HEX : STRING;
	r->hex_digits = r->hex = r->high = 0;
	if (i >= 0 && r->kept)
		buf_addc(&r->text, to[i]);
	step(in, 1);
	return true;
}

static void add_utf8(struct buf *b, unsigned c)
{
	unsigned tails = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char leads[] = { 0, 0xc0, 0xe0, 0xf0 };

	buf_addc(b, (char)(leads[tails] | c >> 6 * tails));
	while (tails-- > 0)
		buf_addc(b, (char)(0x80 | (c >> 6 * tails & 0x3f)));
}

/* Four digits behind a \u: a character, or one half of a pair of them. */
static bool take_hex(struct json_reader *r, const struct str *in)
{
	unsigned v = r->hex;

	if (r->high != 0) {
		if (v < 0xdc00 || v > 0xdfff)
			return false;
		v = 0x10000 + ((r->high - 0xd800) << 10) + (v - 0xdc00);
	} else if (v == 0 || (v >= 0xdc00 && v <= 0xdfff)) {
		return false;
	} else if (v >= 0xd800 && v <= 0xdbff) {
		r->high = v;
		mark(r, in);
		r->state = LOW_HALF;
		return true;
	}
	if (r->kept)
		add_utf8(&r->text, v);
	r->state = STRING;
	return true;
}

static bool hex(struct json_reader *r, struct str *in)
{
	struct str digit = str_head(*in, 1);
	uint64_t v;

	if (!str_hex(&digit, 15, &v))
		return false;
	step(in, 1);
	r->hex = r->hex << 4 | (unsigned)v;
	return ++r->hex_digits < 4 || take_hex(r, in);
}

/* The other half's \u */
static bool low_half(struct json_reader *r, struct str *in)
{
	if (in->p[0] != (r->state == LOW_HALF ? '\\' : 'u'))
		return false;
	step(in, 1);
	r->hex_digits = r->hex = 0;
	r->state = r->state == LOW_HALF ? LOW_U : HEX;
	return true;
}

/* ---- words and numbers ---- */

static bool begin_word(struct json_reader *r, struct str *in, const char *word,
		       cJSON *(*create)(void))
{
	mark(r, in);
	if (r->value_want != 0)
		add(r, create());
	r->rest = word;
	r->state = WORD;
	return true;
}

static bool word(struct json_reader *r, struct str *in)
{
	for (; in->n > 0 && *r->rest != '\0'; r->rest++) {
		if (in->p[0] != *r->rest)
			return false;
		step(in, 1);
	}
	if (*r->rest == '\0')
		value_ends(r);
	return true;
}

/* Where that character leads in a number, DONE: it is not of it any more. */
static enum state number_next(enum state at, char c)
{
	if (is_digit(c)) {
		switch (at) {
		case MINUS:
			return c == '0' ? ZERO : WHOLE;
		case ZERO:
			return DONE;
		case POINT:
			return FRACTION;
		case E:
		case E_SIGN:
			return EXPONENT;
		default:
			return at;
		}
	}
	if (c == '.')
		return at == ZERO || at == WHOLE ? POINT : DONE;
	if (c == 'e' || c == 'E')
		return at == ZERO || at == WHOLE || at == FRACTION ? E : DONE;
	return (c == '+' || c == '-') && at == E ? E_SIGN : DONE;
}

static bool is_over(enum state at)
{
	return at == ZERO || at == WHOLE || at == FRACTION || at == EXPONENT;
}

static bool number(struct json_reader *r, struct str *in)
{
	struct str seen = *in;
	enum state next = DONE;

	while (in->n > 0 && (next = number_next(r->state, in->p[0])) != DONE) {
		r->state = next;
		step(in, 1);
	}
	seen.n -= in->n;
	if (in->n > 0 && !is_over(r->state))
		return false;
	if (r->value_want != 0 && (in->n == 0 || r->text.n > 0)) {
		buf_addstr(&r->text, seen);
		seen = buf_str(&r->text);
	}
	if (in->n > 0)
		take_number(r, seen);
	return true;
}

static bool begin_number(struct json_reader *r, struct str *in)
{
	buf_reset(&r->text);
	/* as behind a minus, which it may have */
	r->state = MINUS;
	if (in->p[0] == '-' && r->value_want != 0)
		buf_addc(&r->text, '-');
	if (in->p[0] == '-')
		step(in, 1);
	else if (!is_digit(in->p[0]))
		return false;
	return in->n == 0 || number(r, in);
}

/* ---- what may come where ---- */

static bool value(struct json_reader *r, struct str *in)
{
	if (r->depth > JSON_DEPTH_MAX)
		return false;
	switch (in->p[0]) {
	case '{':
	case '[':
		step(in, 1);
		return open_list(r, in->p[-1] == '{');
	case '"':
		return begin_string(r, in, false);
	case 't':
		return begin_word(r, in, "true", cJSON_CreateTrue);
	case 'f':
		return begin_word(r, in, "false", cJSON_CreateFalse);
	case 'n':
		return begin_word(r, in, "null", cJSON_CreateNull);
	default:
		return begin_number(r, in);
	}
}

/* Between tokens. */
static bool structure(struct json_reader *r, struct str *in)
{
	const struct json_level *l;
	char c;

	blanks(in);
	if (in->n == 0)
		return true;
	c = in->p[0];
	if (r->state == VALUE || (r->state == FIRST_ITEM && c != ']')) {
		return value(r, in);
	} else if (r->state == NAME || (r->state == FIRST_NAME && c != '}')) {
		return c == '"' && begin_string(r, in, true);
	} else if (r->state == COLON) {
		r->state = VALUE;
		if (c == ':')
			step(in, 1);
		return c == ':';
	}
	l = &r->levels[r->depth - 1];
	if (r->state == NEXT && c == ',') {
		r->state = l->object ? NAME : VALUE;
		r->value_want = l->want;
		r->value_skip = l->skip;
	} else if (!close_list(r, c)) {
		return false;
	}
	step(in, 1);
	return true;
}

static bool go_on(struct json_reader *r, struct str *in)
{
	switch (r->state) {
	case STRING:
		return string(r, in);
	case ESCAPE:
		return escape(r, in);
	case HEX:
		return hex(r, in);
	case LOW_HALF:
	case LOW_U:
		return low_half(r, in);
	case UTF8:
		return utf8(r, in);
	case WORD:
		return word(r, in);
	default:
		return r->state < STRING ? structure(r, in) : number(r, in);
	}
}

/* What is wrong with these is told from where they begin. */
static bool is_marked(int state)
{
	return state == HEX || state == LOW_HALF || state == LOW_U ||
	       state == UTF8 || state == WORD;
}

static enum json_read broken(struct json_reader *r)
{
	if (is_marked(r->state))
		r->at = r->mark;
	json_burn(r->doc);
	r->doc = NULL;
	return JSON_BROKEN;
}

/* ---- from outside ---- */

void json_reader_reset(struct json_reader *r)
{
	uint32_t paths = 0;

	if (r->text.max == 0)
		buf_init(&r->text, SIZE_MAX / 2);
	json_burn(r->doc);
	burn_str(r->name);
	buf_reset(&r->text);
	r->doc = NULL;
	r->name = NULL;
	r->at = r->mark = 0;
	r->depth = 0;
	r->state = VALUE;
	for (; r->want != NULL && r->want[paths] != NULL && paths < JSON_WANTED_MAX;
	     paths++)
		;
	r->value_want = r->want == NULL ? ALL : (1u << paths) - 1;
	r->value_skip = 0;
}

enum json_read json_reader_add(struct json_reader *r, struct str *in)
{
	size_t all = in->n;
	bool ok = true;

	r->end = r->at + all;
	while (ok && in->n > 0 && r->state != DONE)
		ok = go_on(r, in);
	r->at = r->end - in->n;
	if (!ok)
		return broken(r);
	return r->state == DONE ? JSON_WHOLE : JSON_MORE;
}

enum json_read json_reader_end(struct json_reader *r)
{
	if (is_over(r->state))
		take_number(r, buf_str(&r->text));
	return r->state == DONE ? JSON_WHOLE : broken(r);
}

void json_reader_release(struct json_reader *r)
{
	json_reader_reset(r);
	buf_burn(&r->text);
}
