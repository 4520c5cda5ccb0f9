/*
 * The template language's functions on text: strings, encodings, names made
 * by hashing, times.  Strings are measured in characters, not in bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "template/inner.h"

/* ---- characters ----------------------------------------------------------- */

/* Bytes of the first n characters; n may be more than there are. */
size_t chars(struct str s, int64_t n)
{
	struct str rest = s;

	while (n-- > 0 && rest.n > 0) {
		size_t one = str_utf8(rest);

		rest = str_skip(rest, one == 0 ? 1 : one);
	}
	return s.n - rest.n;
}

int64_t count_chars(struct str s)
{
	int64_t n = 0;

	for (; s.n > 0; n++)
		s = str_skip(s, chars(s, 1));
	return n;
}

/* ---- strings ---------------------------------------------------------------- */

static cJSON *f_concat(struct call *c)
{
	bool lists = cJSON_IsArray(c->v[0]);
	cJSON *out = lists ? cJSON_CreateArray() : NULL, *item;

	for (size_t i = 0; i < c->n; i++) {
		if (cJSON_IsArray(c->v[i]) != lists || cJSON_IsObject(c->v[i]))
			refuse(c, "its arguments must be all arrays or all strings");
		while (lists && (item = c->v[i]->child) != NULL) {
			cJSON_DetachItemViaPointer(c->v[i], item);
			cJSON_AddItemToArray(out, item);
		}
		if (!lists)
			add_text(&c->b, c->v[i]);
	}
	return lists ? unless_failed(c, out) : new_text(c);
}

/* "{0}", "{1:D3}", "{2:N0}", "{{" */
static cJSON *f_format(struct call *c)
{
	const char *p = c->v[0]->valuestring;

	for (; *p != '\0' && !failed(c->ev); p++) {
		struct str s = str_of(p + 1);
		uint64_t i, width = 0;
		char digits[128];
		bool groups;
		int64_t n;

		if ((*p == '{' || *p == '}') && p[1] == *p) {
			buf_addc(&c->b, *p++);
			continue;
		}
		if (*p == '}')
			return refuse(c, "a '}' has no '{'");
		if (*p != '{') {
			buf_addc(&c->b, *p);
			continue;
		}
		if (!str_dec(&s, c->n, &i) || ++i >= c->n)
			return refuse(c, "it has no argument for a place of the format");
		groups = str_istarts(s, STR(":N0"));
		if (groups) {
			s = str_skip(s, 3);
		} else if (str_istarts(s, STR(":D"))) {
			s = str_skip(s, 2);
			str_dec(&s, 99, &width);
		}
		if (*s.p != '}')
			return refuse(c, "only {n}, {n:Dn} and {n:N0} are known to the local Azure");
		p = s.p;
		if (!is_int(c->v[i], &n)) {
			add_text(&c->b, c->v[i]);
			continue;
		}
		width = (uint64_t)snprintf(digits, sizeof(digits), "%0*lld", (int)width,
					   (long long)(n < 0 ? -n : n));
		if (n < 0)
			buf_addc(&c->b, '-');
		for (i = 0; i < width; i++) {
			if (groups && i > 0 && (width - i) % 3 == 0)
				buf_addc(&c->b, ',');
			buf_addc(&c->b, digits[i]);
		}
	}
	return failed(c->ev) ? NULL : new_text(c);
}

enum { LOWER, UPPER };

static cJSON *f_case(struct call *c)
{
	for (char *p = c->v[0]->valuestring; *p != '\0'; p++)
		*p = c->how == UPPER ? to_upper(*p) : to_lower(*p);
	return arg_take(c, 0);
}

static cJSON *f_trim(struct call *c)
{
	return new_string(c, str_trim(arg_text(c, 0)));
}

static cJSON *f_replace(struct call *c)
{
	struct str s = arg_text(c, 0), from = arg_text(c, 1);
	ptrdiff_t at;

	if (from.n == 0)
		return refuse(c, "the string to replace is empty");
	while ((at = str_find(s, from)) >= 0) {
		buf_addstr(&c->b, str_head(s, (size_t)at));
		buf_addstr(&c->b, arg_text(c, 2));
		s = str_skip(s, (size_t)at + from.n);
	}
	buf_addstr(&c->b, s);
	return new_text(c);
}

/* Which of the delimiters (a string or an array of them) s begins with; its length. */
static size_t delimiter(struct call *c, struct str s)
{
	const cJSON *delims = c->v[1];
	const cJSON *d = cJSON_IsArray(delims) ? delims->child : delims;

	for (; d != NULL; d = d->next) {
		struct str one = str_of(d->valuestring);

		if (one.n > 0 && spend(c->ev, 1) && str_starts(s, one))
			return one.n;
		if (!cJSON_IsArray(delims))
			break;
	}
	return 0;
}

static cJSON *f_split(struct call *c)
{
	struct str s = arg_text(c, 0), word = { s.p, 0 };
	cJSON *out = cJSON_CreateArray();

	for (const cJSON *d = c->v[1]->child; d != NULL; d = d->next)
		if (!cJSON_IsString(d))
			refuse(c, "a delimiter is not a string");
	while (!failed(c->ev)) {
		size_t n = s.n == 0 ? 0 : delimiter(c, s);
		cJSON *v;

		if (s.n > 0 && n == 0) {
			word.n++;
			s = str_skip(s, 1);
			continue;
		}
		if ((v = new_string(c, word)) != NULL)
			cJSON_AddItemToArray(out, v);
		if (s.n == 0)
			break;
		s = str_skip(s, n);
		word = (struct str){ s.p, 0 };
	}
	return unless_failed(c, out);
}

static cJSON *f_join(struct call *c)
{

	for (const cJSON *i = c->v[0]->child; i != NULL; i = i->next) {
		add_text(&c->b, i);
		if (i->next != NULL)
			buf_addstr(&c->b, arg_text(c, 1));
	}
	return new_text(c);
}

static cJSON *f_substring(struct call *c)
{
	struct str s = arg_text(c, 0);
	int64_t have = count_chars(s), from = arg_int(c, 1);
	int64_t n = c->n > 2 ? arg_int(c, 2) : have - from;

	if (from < 0 || n < 0 || from > have || n > have - from)
		return refuse(c, "the index and length parameters must refer to a location within "
			      "the string");
	s = str_skip(s, chars(s, from));
	return new_string(c, str_head(s, chars(s, n)));
}

static cJSON *f_begins_or_ends(struct call *c)
{
	struct str s = arg_text(c, 0), part = arg_text(c, 1);

	if (c->how == LAST && s.n > part.n)
		s = str_skip(s, s.n - part.n);
	return cJSON_CreateBool(str_istarts(s, part));
}

/* Strings without regard to case, lists with it. */
static cJSON *f_index_of(struct call *c)
{
	int64_t at = -1, i = 0;

	if (cJSON_IsArray(c->v[0])) {
		for (const cJSON *v = c->v[0]->child; v != NULL; v = v->next, i++)
			if ((at < 0 || c->how == LAST) && same(c->ev, v, c->v[1]))
				at = i;
	} else if (cJSON_IsString(c->v[1])) {
		struct str s = arg_text(c, 0), what = arg_text(c, 1);

		for (; s.n >= what.n && spend(c->ev, what.n); s = str_skip(s, chars(s, 1)), i++) {
			if ((at < 0 || c->how == LAST) && str_istarts(s, what))
				at = i;
			if (s.n == 0)
				break;
		}
	} else {
		refuse(c, "the string to find is not a string");
	}
	return failed(c->ev) ? NULL : new_int(c, at);
}

static cJSON *f_pad_left(struct call *c)
{
	struct str pad = c->n > 2 ? arg_text(c, 2) : STR(" ");
	int64_t width = arg_int(c, 1);
	cJSON *text;

	if (!cJSON_IsString(c->v[0]) && !cJSON_IsNumber(c->v[0]))
		return refuse(c, "the value to pad is neither a string nor an integer");
	if (width < 0 || width > EXPRESSION_MAX || count_chars(pad) != 1)
		return refuse(c, "the length or the character to pad with is not valid");
	add_text(&c->b, c->v[0]);
	text = new_text(c);
	if (text == NULL)
		return NULL;
	buf_reset(&c->b);
	for (int64_t n = count_chars(str_of(text->valuestring)); n < width; n++)
		buf_addstr(&c->b, pad);
	buf_adds(&c->b, text->valuestring);
	cJSON_Delete(text);
	return new_text(c);
}

static cJSON *f_string(struct call *c)
{
	add_text(&c->b, c->v[0]);
	return new_text(c);
}

enum { BASE64, PERCENT };

/* What was decoded into c->b. */
static cJSON *decode(struct call *c, struct str s, int how)
{
	struct err e = ERR_INIT;
	int rc = how == BASE64 ? buf_add_unbase64(&c->b, s, &e) : buf_add_unpct(&c->b, s, false, &e);

	return rc == 0 ? new_text(c) : refuse(c, e.msg);
}

static cJSON *f_decode(struct call *c)
{
	return decode(c, arg_text(c, 0), c->how);
}

static cJSON *f_json(struct call *c)
{
	return new_parsed(c, arg_text(c, 0));
}

static cJSON *f_base64_to_json(struct call *c)
{
	cJSON *s = f_decode(c);
	cJSON *v = s == NULL ? NULL : new_parsed(c, str_of(s->valuestring));

	cJSON_Delete(s);
	return v;
}

enum { BARE, DATA_URI };

static cJSON *f_base64(struct call *c)
{
	if (c->how == DATA_URI)
		buf_adds(&c->b, "data:text/plain;charset=utf8;base64,");
	buf_add_base64(&c->b, arg_text(c, 0).p, arg_text(c, 0).n);
	return new_text(c);
}

static cJSON *f_data_uri_to_string(struct call *c)
{
	struct str s = arg_text(c, 0), head;

	if (!str_istarts(s, STR("data:")) || !str_cut(&s, ',', &head))
		return refuse(c, "the value is not a data URI");
	return decode(c, s, str_ends(head, STR(";base64")) ? BASE64 : PERCENT);
}

/* Everything behind the last slash of the base gives way; that of the host stays. */
static cJSON *f_uri(struct call *c)
{
	struct str base = arg_text(c, 0), rel = arg_text(c, 1), path = base;
	ptrdiff_t host = str_find(base, STR("://")), slash;

	if (host < 0)
		return refuse(c, "the base is not an absolute URI");
	path = str_skip(base, (size_t)host + 3);
	slash = str_starts(rel, STR("/")) ? str_chr(path, '/') : str_rchr(path, '/');
	buf_addstr(&c->b, slash < 0 ? base : str_head(base, (size_t)(host + 3 + slash)));
	if (!str_starts(rel, STR("/")))
		buf_addc(&c->b, '/');
	buf_addstr(&c->b, rel);
	return new_text(c);
}

static cJSON *f_uri_component(struct call *c)
{

	buf_add_pct(&c->b, arg_text(c, 0));
	return new_text(c);
}

/* ---- names that hash -------------------------------------------------------- */

static uint32_t rotated(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static uint32_t word_at(struct str s)
{
	uint32_t v = 0;

	for (size_t i = s.n < 4 ? s.n : 4; i-- > 0;)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

static uint32_t avalanche(uint32_t v)
{
	v = (v ^ v >> 16) * 0x85ebca6b;
	v = (v ^ v >> 13) * 0xc2b2ae35;
	return v ^ v >> 16;
}

/*
 * The hash behind uniqueString(): 64 bits out of two lanes of 32, a cousin of
 * MurmurHash3.  Not documented by Microsoft; known from its open-source
 * Terraform provider (azapi), and values that Azure itself made are in the
 * tests.
 */
static uint64_t unique_hash(struct str s)
{
	const uint32_t a = 0x239b961b, b = 0xab0e9789;
	uint32_t n = (uint32_t)s.n, h1 = 0, h2 = 0;

	for (; s.n >= 8; s = str_skip(s, 8)) {
		h1 ^= rotated(word_at(s) * a, 15) * b;
		h1 = (rotated(h1, 19) + h2) * 5 + 0x561ccd1b;
		h2 ^= rotated(word_at(str_skip(s, 4)) * b, 17) * a;
		h2 = (rotated(h2, 13) + h1) * 5 + 0x0bcaa747;
	}
	h1 ^= rotated(word_at(s) * a, 15) * b;
	h2 ^= rotated(word_at(str_skip(s, s.n < 4 ? s.n : 4)) * b, 17) * a;
	h1 ^= n;
	h2 ^= n;
	h1 += h2;
	h2 += h1;
	h1 = avalanche(h1);
	h2 = avalanche(h2);
	h1 += h2;
	h2 += h1;
	return (uint64_t)h2 << 32 | h1;
}

/* The arguments, joined, behind what is in c->b. */
static struct str joined(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		buf_addf(&c->b, "%s%s", i > 0 ? "-" : "", c->v[i]->valuestring);
	return buf_str(&c->b);
}

static cJSON *f_unique_string(struct call *c)
{
	uint64_t h = unique_hash(joined(c));

	buf_reset(&c->b);
	for (size_t i = 0; i < 13; i++, h <<= 5)
		buf_addc(&c->b, "abcdefghijklmnopqrstuvwxyz234567"[h >> 59]);
	return new_text(c);
}

/* A name-based UUID (RFC 9562 5.5) in the name space that Microsoft documents. */
static cJSON *f_guid(struct call *c)
{
	static const unsigned char space[16] = {
		0x11, 0xfb, 0x06, 0xfb, 0x71, 0x2d, 0x4d, 0xdd,
		0x98, 0xc7, 0xe7, 0x1b, 0xbd, 0x58, 0x88, 0x30,
	};
	struct str text;
	uint8_t h[20];

	buf_add(&c->b, space, sizeof(space));
	text = joined(c);
	sha1(text.p, text.n, h);
	buf_reset(&c->b);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_addc(&c->b, '-');
		buf_add_hex(&c->b, &h[i], 1);
	}
	return new_text(c);
}

static cJSON *f_new_guid(struct call *c)
{
	char out[37];

	if (!(c->ev->may & MAY_BE_NEW))
		return misplaced(c);
	random_guid(out);
	return new_string(c, str_of(out));
}

/* ---- times ------------------------------------------------------------------- */

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND };

struct date { unsigned part[6]; };

static struct date date_of(int64_t t)
{
	struct date d = { { 0 } };
	char z[32];
	struct str s;
	uint64_t v;

	time_iso(t, z);
	s = str_of(z);
	for (size_t i = YEAR; i <= SECOND && str_dec(&s, 9999, &v); i++) {
		d.part[i] = (unsigned)v;
		s = str_skip(s, 1);
	}
	return d;
}

/*
 * .NET's custom format letters that are only digits, and the standard formats
 * that are made of them.  Others are copied, as .NET does.
 */
static cJSON *formatted(struct call *c, int64_t t, struct str fmt)
{
	static const char letters[] = "yMdHmsh";	/* as in struct date, and 12 hours */
	struct date d = date_of(t);
	const char *at;

	buf_reset(&c->b);
	if (str_eqz(fmt, "d"))
		fmt = STR("MM/dd/yyyy");
	else if (str_eqz(fmt, "s"))
		fmt = STR("yyyy-MM-ddTHH:mm:ss");
	else if (str_eqz(fmt, "u"))
		fmt = STR("yyyy-MM-dd HH:mm:ssZ");
	while (fmt.n > 0 && !c->b.over) {
		char letter = fmt.p[0];
		unsigned n = 0, v;

		while (n < fmt.n && fmt.p[n] == letter)
			n++;
		fmt = str_skip(fmt, n);
		at = strchr(letters, letter);
		if (at != NULL) {
			v = *at == 'h' ? (d.part[HOUR] + 11) % 12 + 1 : d.part[at - letters];
			if (n > 2 && letter != 'y')
				return refuse(c, "names of months and days are not known to the local Azure");
			buf_addf(&c->b, "%0*u", (int)(n > 9 ? 9 : n), letter == 'y' && n == 2 ? v % 100 : v);
		} else if (letter == 't') {
			buf_adds(&c->b, d.part[HOUR] < 12 ? "AM" : "PM");
		} else {
			for (; n > 0; n--)
				buf_addc(&c->b, letter);
		}
	}
	return new_text(c);
}

static cJSON *f_utc_now(struct call *c)
{
	if (!(c->ev->may & MAY_BE_NEW))
		return misplaced(c);
	return formatted(c, template_scope(c->ev->t)->now,
			 c->n > 0 ? arg_text(c, 0) : STR("yyyyMMddTHHmmssZ"));
}

/* "2020-04-07T14:53:14Z", with a blank for the T, or utcNow()'s own form. */
static bool read_time(struct str s, int64_t *t)
{
	char z[32];

	if (s.n > 30)
		return false;
	snprintf(z, sizeof(z), "%.*s", STR_ARG(s));
	if (s.n == 16 && z[8] == 'T')
		snprintf(z, sizeof(z), "%.4s-%.2s-%.5s:%.2s:%.3s", s.p, s.p + 4, s.p + 6, s.p + 11, s.p + 13);
	if (s.n > 10 && z[10] == ' ')
		z[10] = 'T';
	return time_parse_iso(str_of(z), t);
}

/* ISO 8601: -P1Y2M3W4DT5H6M7S; a month has 30 days, a year 365. */
static bool add_duration(struct str s, int64_t *t)
{
	/* as they may follow P, and behind a T */
	static const char letters[] = "YMWDHMS";
	static const int seconds_of[] = { 31536000, 2592000, 604800, 86400, 3600, 60, 1 };
	int64_t sign = 1;
	size_t from = 0;
	const char *at;
	uint64_t n;

	if (str_starts(s, STR("-"))) {
		sign = -1;
		s = str_skip(s, 1);
	}
	if (!str_starts(s, STR("P")) || s.n < 3)
		return false;
	s = str_skip(s, 1);
	while (s.n > 0) {
		if (from == 0 && s.p[0] == 'T') {
			from = 4;
			s = str_skip(s, 1);
		}
		if (!str_dec(&s, 1000000000, &n) || s.n == 0)
			return false;
		at = memchr(letters + from, s.p[0], from == 0 ? 4 : 3);
		if (at == NULL)
			return false;
		s = str_skip(s, 1);
		*t += (int64_t)n * seconds_of[at - letters] * sign;
		if (*t < 0 || *t > 253402300799)	/* 1970 to 9999 */
			return false;
	}
	return true;
}

static cJSON *f_date_time_add(struct call *c)
{
	int64_t t = 0;

	if (!read_time(arg_text(c, 0), &t))
		return refuse(c, "the base is no time");
	if (!add_duration(arg_text(c, 1), &t))
		return refuse(c, "the duration is not valid");
	return formatted(c, t, c->n > 2 ? arg_text(c, 2) : STR("M/d/yyyy h:mm:ss tt"));
}

static cJSON *f_date_time_from_epoch(struct call *c)
{
	char z[32];

	time_iso(arg_int(c, 0), z);
	return new_string(c, str_of(z));
}

static cJSON *f_date_time_to_epoch(struct call *c)
{
	int64_t t;

	return read_time(arg_text(c, 0), &t) ? new_int(c, t) : refuse(c, "the value is no time");
}

/* ---- the table ------------------------------------------------------------------ */

const struct func text_funcs[] = {
	{ "concat", "v+", 0, f_concat },
	{ "format", "sv*", 0, f_format },
	{ "string", "v", 0, f_string },
	{ "json", "s", 0, f_json },
	{ "toLower", "s", LOWER, f_case },
	{ "toUpper", "s", UPPER, f_case },
	{ "trim", "s", 0, f_trim },
	{ "replace", "sss", 0, f_replace },
	{ "split", "sc", 0, f_split },
	{ "join", "as", 0, f_join },
	{ "substring", "si?i", 0, f_substring },
	{ "startsWith", "ss", FIRST, f_begins_or_ends },
	{ "endsWith", "ss", LAST, f_begins_or_ends },
	{ "indexOf", "cv", FIRST, f_index_of },
	{ "lastIndexOf", "cv", LAST, f_index_of },
	{ "padLeft", "vi?s", 0, f_pad_left },
	{ "uniqueString", "s+", 0, f_unique_string },
	{ "guid", "s+", 0, f_guid },
	{ "newGuid", "", 0, f_new_guid },
	{ "base64", "s", BARE, f_base64 },
	{ "base64ToString", "s", BASE64, f_decode },
	{ "base64ToJson", "s", BASE64, f_base64_to_json },
	{ "dataUri", "s", DATA_URI, f_base64 },
	{ "dataUriToString", "s", 0, f_data_uri_to_string },
	{ "uri", "ss", 0, f_uri },
	{ "uriComponent", "s", 0, f_uri_component },
	{ "uriComponentToString", "s", PERCENT, f_decode },
	{ "utcNow", "?s", 0, f_utc_now },
	{ "dateTimeAdd", "ss?s", 0, f_date_time_add },
	{ "dateTimeFromEpoch", "i", 0, f_date_time_from_epoch },
	{ "dateTimeToEpoch", "s", 0, f_date_time_to_epoch },
	{ .name = "" },
};
