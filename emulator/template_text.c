/*
 * The template language's functions on text: strings, encodings, names made
 * by hashing, times.  Strings are measured in characters, not in bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "emulator/template_inner.h"

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
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	bool lists = cJSON_IsArray(c->v[0]);
	cJSON *out = lists ? cJSON_CreateArray() : NULL;

	for (size_t i = 0; i < c->n; i++) {
		cJSON *item;

		if (cJSON_IsArray(c->v[i]) != lists || cJSON_IsObject(c->v[i]))
			refuse(c, "its arguments must be all arrays or all strings");
		while (lists && (item = c->v[i]->child) != NULL) {
			cJSON_DetachItemViaPointer(c->v[i], item);
			cJSON_AddItemToArray(out, item);
		}
		if (!lists)
			add_text(&b, c->v[i]);
	}
	if (lists)
		return unless_failed(c, out);
	return new_text(c, &b);
}

/* "{0}", "{1:D3}", "{{" */
static cJSON *f_format(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = arg_text(c, 0);

	while (s.n > 0 && !failed(c->ev)) {
		uint64_t i, width = 0;
		int64_t n;

		if (str_starts(s, STR("{{")) || str_starts(s, STR("}}"))) {
			buf_addc(&b, s.p[0]);
			s = str_skip(s, 2);
			continue;
		}
		if (s.p[0] != '{') {
			if (s.p[0] == '}')
				refuse(c, "a '}' has no '{'");
			buf_addc(&b, s.p[0]);
			s = str_skip(s, 1);
			continue;
		}
		s = str_skip(s, 1);
		if (!str_dec(&s, c->n, &i) || i + 1 >= c->n) {
			refuse(c, "it has no argument for a place of the format");
			break;
		}
		if (str_istarts(s, STR(":D"))) {
			s = str_skip(s, 2);
			str_dec(&s, 99, &width);
		}
		if (!str_starts(s, STR("}"))) {
			refuse(c, "only {n} and {n:Dn} are known to the local Azure");
			break;
		}
		s = str_skip(s, 1);
		if (is_int(c->v[i + 1], &n))
			buf_addf(&b, "%s%0*lld", n < 0 ? "-" : "", (int)width,
				 (long long)(n < 0 ? -n : n));
		else
			add_text(&b, c->v[i + 1]);
	}
	if (failed(c->ev)) {
		buf_release(&b);
		return NULL;
	}
	return new_text(c, &b);
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
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = arg_text(c, 0), from = arg_text(c, 1);
	ptrdiff_t at;

	if (from.n == 0)
		return refuse(c, "the string to replace is empty");
	while ((at = str_find(s, from)) >= 0) {
		buf_addstr(&b, str_head(s, (size_t)at));
		buf_addstr(&b, arg_text(c, 2));
		s = str_skip(s, (size_t)at + from.n);
	}
	buf_addstr(&b, s);
	return new_text(c, &b);
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
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	for (const cJSON *i = c->v[0]->child; i != NULL; i = i->next) {
		add_text(&b, i);
		if (i->next != NULL)
			buf_addstr(&b, arg_text(c, 1));
	}
	return new_text(c, &b);
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
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX), out = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str pad = c->n > 2 ? arg_text(c, 2) : STR(" ");
	int64_t width = arg_int(c, 1);

	if (!cJSON_IsString(c->v[0]) && !cJSON_IsNumber(c->v[0]))
		return refuse(c, "the value to pad is neither a string nor an integer");
	if (width < 0 || width > EXPRESSION_MAX || count_chars(pad) != 1)
		return refuse(c, "the length or the character to pad with is not valid");
	add_text(&b, c->v[0]);
	for (int64_t n = count_chars(buf_str(&b)); n < width; n++)
		buf_addstr(&out, pad);
	buf_addstr(&out, buf_str(&b));
	buf_release(&b);
	return new_text(c, &out);
}

static cJSON *f_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	add_text(&b, c->v[0]);
	return new_text(c, &b);
}

static cJSON *decoded(struct call *c, struct buf *b, int rc, struct err *e)
{
	if (rc == 0)
		return new_text(c, b);
	buf_release(b);
	return refuse(c, e->msg);
}

static cJSON *f_base64(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_add_base64(&b, arg_text(c, 0).p, arg_text(c, 0).n);
	return new_text(c, &b);
}

static cJSON *f_base64_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct err e = ERR_INIT;

	return decoded(c, &b, buf_add_unbase64(&b, arg_text(c, 0), &e), &e);
}

static cJSON *f_json(struct call *c)
{
	return new_parsed(c, arg_text(c, 0));
}

static cJSON *f_base64_to_json(struct call *c)
{
	cJSON *s = f_base64_to_string(c);
	cJSON *v = s == NULL ? NULL : new_parsed(c, str_of(s->valuestring));

	cJSON_Delete(s);
	return v;
}

static cJSON *f_data_uri(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_adds(&b, "data:text/plain;charset=utf8;base64,");
	buf_add_base64(&b, arg_text(c, 0).p, arg_text(c, 0).n);
	return new_text(c, &b);
}

static cJSON *f_data_uri_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = arg_text(c, 0), head;
	struct err e = ERR_INIT;

	if (!str_istarts(s, STR("data:")) || !str_cut(&s, ',', &head))
		return refuse(c, "the value is not a data URI");
	if (str_ends(head, STR(";base64")))
		return decoded(c, &b, buf_add_unbase64(&b, s, &e), &e);
	return decoded(c, &b, buf_add_unpct(&b, s, false, &e), &e);
}

/* Everything behind the last slash of the base gives way; that of the host stays. */
static cJSON *f_uri(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str base = arg_text(c, 0), rel = arg_text(c, 1), path = base;
	ptrdiff_t host = str_find(base, STR("://")), slash;

	if (host < 0)
		return refuse(c, "the base is not an absolute URI");
	path = str_skip(base, (size_t)host + 3);
	slash = str_starts(rel, STR("/")) ? str_chr(path, '/') : str_rchr(path, '/');
	buf_addstr(&b, slash < 0 ? base : str_head(base, (size_t)(host + 3 + slash)));
	if (!str_starts(rel, STR("/")))
		buf_addc(&b, '/');
	buf_addstr(&b, rel);
	return new_text(c, &b);
}

static cJSON *f_uri_component(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_add_pct(&b, arg_text(c, 0));
	return new_text(c, &b);
}

static cJSON *f_uri_component_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct err e = ERR_INIT;

	return decoded(c, &b, buf_add_unpct(&b, arg_text(c, 0), false, &e), &e);
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

static void add_joined(struct call *c, struct buf *b)
{
	for (size_t i = 0; i < c->n; i++)
		buf_addf(b, "%s%s", i > 0 ? "-" : "", c->v[i]->valuestring);
}

static cJSON *f_unique_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	char out[13];
	uint64_t h;

	add_joined(c, &b);
	h = unique_hash(buf_str(&b));
	buf_release(&b);
	for (size_t i = 0; i < sizeof(out); i++, h <<= 5)
		out[i] = "abcdefghijklmnopqrstuvwxyz234567"[h >> 59];
	return new_string(c, (struct str){ out, sizeof(out) });
}

/* A name-based UUID (RFC 9562 5.5) in the name space that Microsoft documents. */
static cJSON *f_guid(struct call *c)
{
	static const unsigned char space[16] = {
		0x11, 0xfb, 0x06, 0xfb, 0x71, 0x2d, 0x4d, 0xdd,
		0x98, 0xc7, 0xe7, 0x1b, 0xbd, 0x58, 0x88, 0x30,
	};
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX), out = BUF_INIT(64);
	uint8_t h[20];

	buf_add(&b, space, sizeof(space));
	add_joined(c, &b);
	sha1(b.str, b.n, h);
	buf_release(&b);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_addc(&out, '-');
		buf_add_hex(&out, &h[i], 1);
	}
	return new_text(c, &out);
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

struct date { unsigned year, month, day, hour, min, sec; };

static struct date date_of(int64_t t)
{
	struct date d = { 0 };
	char z[32];
	uint64_t v[6] = { 0 };
	struct str s;

	time_iso(t, z);
	s = str_of(z);
	for (size_t i = 0; i < 6; i++) {
		str_dec(&s, 9999, &v[i]);
		s = str_skip(s, 1);
	}
	d.year = (unsigned)v[0];
	d.month = (unsigned)v[1];
	d.day = (unsigned)v[2];
	d.hour = (unsigned)v[3];
	d.min = (unsigned)v[4];
	d.sec = (unsigned)v[5];
	return d;
}

/*
 * .NET's custom format letters that are only digits, and the standard formats
 * that are made of them.  Others are copied, as .NET does.
 */
static cJSON *formatted(struct call *c, int64_t t, struct str fmt)
{
	struct date d = date_of(t);
	const struct { char letter; unsigned value; } parts[] = {
		{ 'y', d.year }, { 'M', d.month }, { 'd', d.day }, { 'H', d.hour },
		{ 'h', d.hour % 12 == 0 ? 12 : d.hour % 12 }, { 'm', d.min }, { 's', d.sec },
	};
	struct buf b = BUF_INIT(1000);

	if (str_eqz(fmt, "d"))
		fmt = STR("MM/dd/yyyy");
	else if (str_eqz(fmt, "s"))
		fmt = STR("yyyy-MM-ddTHH:mm:ss");
	else if (str_eqz(fmt, "u"))
		fmt = STR("yyyy-MM-dd HH:mm:ssZ");
	while (fmt.n > 0 && !b.over) {
		char letter = fmt.p[0];
		unsigned n = 0;
		size_t i = 0;

		while (n < fmt.n && fmt.p[n] == letter)
			n++;
		while (i < 7 && parts[i].letter != letter)
			i++;
		fmt = str_skip(fmt, n);
		if (i < 7 && n > 2 && letter != 'y') {
			buf_release(&b);
			return refuse(c, "names of months and days are not known to the local "
				      "Azure");
		}
		if (i < 7 && letter == 'y')
			buf_addf(&b, "%0*u", (int)(n > 9 ? 9 : n), n == 2 ? d.year % 100 : d.year);
		else if (i < 7)
			buf_addf(&b, "%0*u", (int)n, parts[i].value);
		else if (letter == 't')
			buf_adds(&b, d.hour < 12 ? "AM" : "PM");
		else
			for (; n > 0; n--)
				buf_addc(&b, letter);
	}
	return new_text(c, &b);
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
	struct buf b = BUF_INIT(64);
	bool good;

	if (s.n == 16 && s.p[8] == 'T') {
		static const size_t cut[] = { 4, 6, 11, 13 };
		size_t from = 0;

		for (size_t i = 0; i < 4; i++) {
			buf_add(&b, s.p + from, cut[i] - from);
			buf_addc(&b, i < 2 ? '-' : ':');
			from = cut[i];
		}
		s = str_skip(s, from);
	}
	buf_addstr(&b, s);
	if (b.n > 10 && b.str[10] == ' ')
		b.str[10] = 'T';
	good = !b.over && time_parse_iso(buf_str(&b), t);
	buf_release(&b);
	return good;
}

/* The same day months later; the 31st of a shorter month is its last. */
static int64_t months_later(int64_t t, int64_t n)
{
	struct date d = date_of(t);
	int64_t month = (int64_t)d.year * 12 + d.month - 1 + n, out = t;
	char z[64];

	if (month < 1970 * 12 || month > 9999 * 12 + 11)
		return t;
	do {
		snprintf(z, sizeof(z), "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(month / 12),
			 (unsigned)(month % 12) + 1, d.day, d.hour, d.min, d.sec);
	} while (!time_parse_iso(str_of(z), &out) && d.day-- > 28);
	return out;
}

/* ISO 8601: -P1Y2M3W4DT5H6M7S */
static bool add_duration(struct str s, int64_t *t)
{
	static const struct { char letter; bool time; int64_t seconds, months; } units[] = {
		{ 'Y', false, 0, 12 }, { 'M', false, 0, 1 }, { 'W', false, 604800, 0 },
		{ 'D', false, 86400, 0 }, { 'H', true, 3600, 0 }, { 'M', true, 60, 0 },
		{ 'S', true, 1, 0 },
	};
	int64_t sign = 1, months = 0, seconds = 0;
	bool time = false;
	uint64_t n;

	if (str_starts(s, STR("-"))) {
		sign = -1;
		s = str_skip(s, 1);
	}
	if (!str_starts(s, STR("P")) || s.n < 3)
		return false;
	s = str_skip(s, 1);
	while (s.n > 0) {
		size_t i = 0;

		if (!time && str_starts(s, STR("T"))) {
			time = true;
			s = str_skip(s, 1);
		}
		if (!str_dec(&s, 1000000000, &n) || s.n == 0)
			return false;
		while (i < 7 && (units[i].letter != s.p[0] || units[i].time != time))
			i++;
		if (i == 7)
			return false;
		s = str_skip(s, 1);
		months += (int64_t)n * units[i].months * sign;
		seconds += (int64_t)n * units[i].seconds * sign;
	}
	*t = months_later(*t, months) + seconds;
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
	{ "concat", "v+", f_concat, 0 },
	{ "format", "sv*", f_format, 0 },
	{ "string", "v", f_string, 0 },
	{ "json", "s", f_json, 0 },
	{ "toLower", "s", f_case, LOWER },
	{ "toUpper", "s", f_case, UPPER },
	{ "trim", "s", f_trim, 0 },
	{ "replace", "sss", f_replace, 0 },
	{ "split", "sc", f_split, 0 },
	{ "join", "as", f_join, 0 },
	{ "substring", "si?i", f_substring, 0 },
	{ "startsWith", "ss", f_begins_or_ends, FIRST },
	{ "endsWith", "ss", f_begins_or_ends, LAST },
	{ "indexOf", "cv", f_index_of, FIRST },
	{ "lastIndexOf", "cv", f_index_of, LAST },
	{ "padLeft", "vi?s", f_pad_left, 0 },
	{ "uniqueString", "s+", f_unique_string, 0 },
	{ "guid", "s+", f_guid, 0 },
	{ "newGuid", "", f_new_guid, 0 },
	{ "base64", "s", f_base64, 0 },
	{ "base64ToString", "s", f_base64_to_string, 0 },
	{ "base64ToJson", "s", f_base64_to_json, 0 },
	{ "dataUri", "s", f_data_uri, 0 },
	{ "dataUriToString", "s", f_data_uri_to_string, 0 },
	{ "uri", "ss", f_uri, 0 },
	{ "uriComponent", "s", f_uri_component, 0 },
	{ "uriComponentToString", "s", f_uri_component_to_string, 0 },
	{ "utcNow", "?s", f_utc_now, 0 },
	{ "dateTimeAdd", "ss?s", f_date_time_add, 0 },
	{ "dateTimeFromEpoch", "i", f_date_time_from_epoch, 0 },
	{ "dateTimeToEpoch", "s", f_date_time_to_epoch, 0 },
	{ NULL, NULL, NULL, 0 },
};
