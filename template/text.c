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

/* ---- characters ---- */

/* n may be more than there are; a byte that is no UTF-8 counts as one. */
size_t text_bytes(struct str s, int64_t n)
{
	struct str rest = s;

	while (n-- > 0 && rest.n > 0) {
		size_t one = str_utf8(rest);

		rest = str_skip(rest, one == 0 ? 1 : one);
	}
	return s.n - rest.n;
}

int64_t text_length(struct str s)
{
	int64_t n = 0;

	for (; s.n > 0; n++)
		s = str_skip(s, text_bytes(s, 1));
	return n;
}

/* ---- strings ---- */

static cJSON *f_concat(struct invocation *inv)
{
	bool lists = cJSON_IsArray(inv->arg[0]);
	cJSON *out = lists ? cJSON_CreateArray() : NULL, *item;

	for (size_t i = 0; i < inv->n; i++) {
		if (cJSON_IsArray(inv->arg[i]) != lists ||
		    cJSON_IsObject(inv->arg[i]))
			func_refuse(inv, "its arguments must be all arrays or all "
					 "strings");
		while (lists && (item = inv->arg[i]->child) != NULL) {
			cJSON_DetachItemViaPointer(inv->arg[i], item);
			cJSON_AddItemToArray(out, item);
		}
		if (!lists)
			value_add_text(&inv->text, inv->arg[i]);
	}
	return lists ? func_give(inv, out) : func_give_text(inv);
}

/* An integer with at least `width` digits, in groups of three if so wanted. */
static void add_digits(struct buf *b, int64_t n, unsigned width, bool groups)
{
	char digits[128];
	int len = snprintf(digits, sizeof(digits), "%0*lld", (int)width,
			   (long long)(n < 0 ? -n : n));

	if (n < 0)
		buf_addc(b, '-');
	for (int i = 0; i < len; i++) {
		if (groups && i > 0 && (len - i) % 3 == 0)
			buf_addc(b, ',');
		buf_addc(b, digits[i]);
	}
}

/* As JSON with single quotes, but for a string on its own. */
static void add_formatted(struct buf *b, const cJSON *v)
{
	struct buf text = BUF_INIT(TEMPLATE_BYTES_MAX);
	bool quoted = false;

	if (!cJSON_IsArray(v) && !cJSON_IsObject(v)) {
		value_add_text(b, v);
		return;
	}
	json_print(v, &text);
	b->over = b->over || text.over;
	for (struct str s = buf_str(&text); s.n > 0; s = str_skip(s, 1)) {
		if (s.p[0] == '"') {
			quoted = !quoted;
			buf_addc(b, '\'');
		} else if (quoted && s.p[0] == '\'') {
			buf_adds(b, "\\'");
		} else if (quoted && s.p[0] == '\\' && s.n > 1) {
			s = str_skip(s, 1);
			if (s.p[0] != '"')
				buf_addc(b, '\\');
			buf_addc(b, s.p[0]);
		} else {
			buf_addc(b, s.p[0]);
		}
	}
	buf_release(&text);
}

/* What stands between "{" and "}", at the front of *s: N, N:Dn or N:N0.  False
 * with the error set. */
static bool add_place(struct invocation *inv, struct str *s)
{
	uint64_t place, width = 0;
	bool groups;
	int64_t n;

	if (!str_dec(s, inv->n, &place) || place + 1 >= inv->n) {
		func_refuse(inv, "it has no argument for a place of the format");
		return false;
	}
	groups = str_istarts(*s, STR(":N0"));
	if (groups) {
		*s = str_skip(*s, 3);
	} else if (str_istarts(*s, STR(":D"))) {
		*s = str_skip(*s, 2);
		str_dec(s, 99, &width);
	}
	if (!str_starts(*s, STR("}"))) {
		func_refuse(inv, "only {n}, {n:Dn} and {n:N0} are known to the "
				 "local Azure");
		return false;
	}
	*s = str_skip(*s, 1);
	if (value_int(inv->arg[place + 1], &n))
		add_digits(&inv->text, n, (unsigned)width, groups);
	else
		add_formatted(&inv->text, inv->arg[place + 1]);
	return true;
}

/* "{0}", "{1:D3}", "{2:N0}", "{{" */
static cJSON *f_format(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0);

	while (s.n > 0 && !eval_failed(inv->ev)) {
		char c = s.p[0];

		s = str_skip(s, 1);
		if ((c == '{' || c == '}') && s.n > 0 && s.p[0] == c) {
			buf_addc(&inv->text, c);
			s = str_skip(s, 1);
		} else if (c == '}') {
			return func_refuse(inv, "a '}' has no '{'");
		} else if (c != '{') {
			buf_addc(&inv->text, c);
		} else if (!add_place(inv, &s)) {
			return NULL;
		}
	}
	return eval_failed(inv->ev) ? NULL : func_give_text(inv);
}

static cJSON *change_case(struct invocation *inv, char (*change)(char))
{
	for (char *p = inv->arg[0]->valuestring; *p != '\0'; p++)
		*p = change(*p);
	return func_arg_take(inv, 0);
}

static cJSON *f_to_lower(struct invocation *inv)
{
	return change_case(inv, to_lower);
}

static cJSON *f_to_upper(struct invocation *inv)
{
	return change_case(inv, to_upper);
}

static cJSON *f_trim(struct invocation *inv)
{
	return func_give_string(inv, str_trim(func_arg_text(inv, 0)));
}

static cJSON *f_replace(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0), from = func_arg_text(inv, 1);
	ptrdiff_t at;

	if (from.n == 0)
		return func_refuse(inv, "the string to replace is empty");
	while ((at = str_find(s, from)) >= 0) {
		buf_addstr(&inv->text, str_head(s, (size_t)at));
		buf_addstr(&inv->text, func_arg_text(inv, 2));
		s = str_skip(s, (size_t)at + from.n);
	}
	buf_addstr(&inv->text, s);
	return func_give_text(inv);
}

/* The length of the delimiter that s begins with, 0 for none; argument 1 is one
 * or an array of them. */
static size_t delimiter(struct invocation *inv, struct str s)
{
	const cJSON *delims = inv->arg[1];
	const cJSON *d = cJSON_IsArray(delims) ? delims->child : delims;

	for (; d != NULL; d = d->next) {
		struct str one = str_of(d->valuestring);

		if (one.n > 0 && eval_spend(inv->ev, 1) && str_starts(s, one))
			return one.n;
		if (!cJSON_IsArray(delims))
			break;
	}
	return 0;
}

static cJSON *f_split(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0), word = { s.p, 0 };
	cJSON *out = cJSON_CreateArray();

	for (const cJSON *d = inv->arg[1]->child; d != NULL; d = d->next)
		if (!cJSON_IsString(d))
			func_refuse(inv, "a delimiter is not a string");
	while (!eval_failed(inv->ev)) {
		size_t n = s.n == 0 ? 0 : delimiter(inv, s);
		cJSON *v;

		if (s.n > 0 && n == 0) {
			word.n++;
			s = str_skip(s, 1);
			continue;
		}
		if ((v = func_give_string(inv, word)) != NULL)
			cJSON_AddItemToArray(out, v);
		if (s.n == 0)
			break;
		s = str_skip(s, n);
		word = (struct str){ s.p, 0 };
	}
	return func_give(inv, out);
}

static cJSON *f_join(struct invocation *inv)
{
	for (const cJSON *i = inv->arg[0]->child; i != NULL; i = i->next) {
		value_add_text(&inv->text, i);
		if (i->next != NULL)
			buf_addstr(&inv->text, func_arg_text(inv, 1));
	}
	return func_give_text(inv);
}

static cJSON *f_substring(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0);
	int64_t have = text_length(s), from = func_arg_int(inv, 1);
	int64_t n = inv->n > 2 ? func_arg_int(inv, 2) : have - from;

	if (from < 0 || n < 0 || from > have || n > have - from)
		return func_refuse(inv, "the index and length parameters must "
					"refer to a location within the string");
	s = str_skip(s, text_bytes(s, from));
	return func_give_string(inv, str_head(s, text_bytes(s, n)));
}

static cJSON *f_starts_with(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0), start = func_arg_text(inv, 1);

	return cJSON_CreateBool(str_istarts(s, start));
}

static cJSON *f_ends_with(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0), end = func_arg_text(inv, 1);

	if (s.n > end.n)
		s = str_skip(s, s.n - end.n);
	return cJSON_CreateBool(str_istarts(s, end));
}

/* Where argument 1 is in argument 0, the first or the last time; -1 if nowhere.
 * In strings the case of letters does not matter, in lists it does. */
static cJSON *index_of(struct invocation *inv, bool last)
{
	const cJSON *in = inv->arg[0], *what = inv->arg[1];
	int64_t at = -1, i = 0;

	if (cJSON_IsArray(in)) {
		for (const cJSON *v = in->child; v != NULL; v = v->next, i++)
			if ((at < 0 || last) && value_equal(inv->ev, v, what))
				at = i;
	} else if (cJSON_IsString(what)) {
		struct str s = func_arg_text(inv, 0);
		struct str part = func_arg_text(inv, 1);

		for (; s.n >= part.n && eval_spend(inv->ev, part.n);
		     s = str_skip(s, text_bytes(s, 1)), i++) {
			if ((at < 0 || last) && str_istarts(s, part))
				at = i;
			if (s.n == 0)
				break;
		}
	} else {
		func_refuse(inv, "the string to find is not a string");
	}
	return eval_failed(inv->ev) ? NULL : func_give_int(inv, at);
}

static cJSON *f_index_of(struct invocation *inv)
{
	return index_of(inv, false);
}

static cJSON *f_last_index_of(struct invocation *inv)
{
	return index_of(inv, true);
}

static cJSON *f_pad_left(struct invocation *inv)
{
	struct str pad = inv->n > 2 ? func_arg_text(inv, 2) : STR(" ");
	int64_t width = func_arg_int(inv, 1);
	cJSON *text;

	if (!cJSON_IsString(inv->arg[0]) && !cJSON_IsNumber(inv->arg[0]))
		return func_refuse(inv, "the value to pad is neither a string "
					"nor an integer");
	if (width < 0 || width > EXPRESSION_MAX || text_length(pad) != 1)
		return func_refuse(inv, "the length or the character to pad "
					"with is not valid");
	value_add_text(&inv->text, inv->arg[0]);
	text = func_give_text(inv);
	if (text == NULL)
		return NULL;
	buf_reset(&inv->text);
	for (int64_t n = text_length(str_of(text->valuestring)); n < width; n++)
		buf_addstr(&inv->text, pad);
	buf_adds(&inv->text, text->valuestring);
	cJSON_Delete(text);
	return func_give_text(inv);
}

static cJSON *f_string(struct invocation *inv)
{
	value_add_text(&inv->text, inv->arg[0]);
	return func_give_text(inv);
}

static cJSON *f_json(struct invocation *inv)
{
	return func_give_parsed(inv, func_arg_text(inv, 0));
}

/* ---- encodings ---- */

static cJSON *give_unbase64(struct invocation *inv, struct str s)
{
	struct err e = ERR_INIT;

	if (buf_add_unbase64(&inv->text, s, &e) < 0)
		return func_refuse(inv, e.msg);
	return func_give_text(inv);
}

static cJSON *give_unpct(struct invocation *inv, struct str s)
{
	struct err e = ERR_INIT;

	if (buf_add_unpct(&inv->text, s, false, &e) < 0)
		return func_refuse(inv, e.msg);
	return func_give_text(inv);
}

static cJSON *f_base64(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0);

	buf_add_base64(&inv->text, s.p, s.n);
	return func_give_text(inv);
}

static cJSON *f_base64_to_string(struct invocation *inv)
{
	return give_unbase64(inv, func_arg_text(inv, 0));
}

static cJSON *f_base64_to_json(struct invocation *inv)
{
	cJSON *s = f_base64_to_string(inv), *v = NULL;

	if (s != NULL)
		v = func_give_parsed(inv, str_of(s->valuestring));
	cJSON_Delete(s);
	return v;
}

static cJSON *f_data_uri(struct invocation *inv)
{
	buf_adds(&inv->text, "data:text/plain;charset=utf-8;base64,");
	return f_base64(inv);
}

static cJSON *f_data_uri_to_string(struct invocation *inv)
{
	struct str s = func_arg_text(inv, 0), head;

	if (!str_istarts(s, STR("data:")) || !str_cut(&s, ',', &head))
		return func_refuse(inv, "the value is not a data URI");
	return str_ends(head, STR(";base64")) ? give_unbase64(inv, s) :
						give_unpct(inv, s);
}

/* What is behind the last slash of the base gives way to the other; a slash in
 * front of that means the root of the host. */
static cJSON *f_uri(struct invocation *inv)
{
	struct str base = func_arg_text(inv, 0), rel = func_arg_text(inv, 1);
	struct str path = base;
	ptrdiff_t host = str_find(base, STR("://")), slash;

	if (host < 0)
		return func_refuse(inv, "the base is not an absolute URI");
	path = str_skip(base, (size_t)host + 3);
	slash = str_starts(rel, STR("/")) ? str_chr(path, '/') :
					    str_rchr(path, '/');
	buf_addstr(&inv->text,
		   slash < 0 ? base : str_head(base, (size_t)(host + 3 + slash)));
	if (!str_starts(rel, STR("/")))
		buf_addc(&inv->text, '/');
	buf_addstr(&inv->text, rel);
	return func_give_text(inv);
}

/* A component; "" when it is not there. */
static const char *component(struct invocation *inv, const char *name)
{
	const cJSON *v = json_get_i(inv->arg[0], name);

	if (v != NULL && !cJSON_IsString(v) && !cJSON_IsNull(v))
		func_refuse(inv, "a component is not a string");
	return cJSON_IsString(v) ? v->valuestring : "";
}

static cJSON *f_build_uri(struct invocation *inv)
{
	const char *scheme = component(inv, "scheme");
	const char *host = component(inv, "host"), *path = component(inv, "path");
	const char *query = component(inv, "query");
	const cJSON *port = json_get_i(inv->arg[0], "port");
	int64_t n = 0;

	if (eval_failed(inv->ev))
		return NULL;
	if (*scheme == '\0' || *host == '\0')
		return func_refuse(inv, "it needs 'scheme' and 'host'");
	if (port != NULL && (!value_int(port, &n) || n < 1 || n > 65535))
		return func_refuse(inv, "the port is none");
	buf_addf(&inv->text, "%s://%s", scheme, host);
	if (port != NULL)
		buf_addf(&inv->text, ":%lld", (long long)n);
	buf_addf(&inv->text, "%s%s", *path == '/' ? "" : "/", path);
	if (*query != '\0')
		buf_addf(&inv->text, "%s%s", *query == '?' ? "" : "?", query);
	return func_give_text(inv);
}

static cJSON *f_uri_component(struct invocation *inv)
{
	buf_add_pct(&inv->text, func_arg_text(inv, 0));
	return func_give_text(inv);
}

static cJSON *f_uri_component_to_string(struct invocation *inv)
{
	return give_unpct(inv, func_arg_text(inv, 0));
}

/* ---- names that hash ---- */

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

/* The arguments, joined, behind what is in inv->text. */
static struct str joined(struct invocation *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		buf_addf(&inv->text, "%s%s", i > 0 ? "-" : "",
			 inv->arg[i]->valuestring);
	return buf_str(&inv->text);
}

static cJSON *f_unique_string(struct invocation *inv)
{
	uint64_t h = unique_hash(joined(inv));

	buf_reset(&inv->text);
	for (size_t i = 0; i < 13; i++, h <<= 5)
		buf_addc(&inv->text, "abcdefghijklmnopqrstuvwxyz234567"[h >> 59]);
	return func_give_text(inv);
}

/* A name-based UUID (RFC 9562 5.5) in the name space that Microsoft documents. */
static cJSON *f_guid(struct invocation *inv)
{
	static const unsigned char space[16] = {
		0x11, 0xfb, 0x06, 0xfb, 0x71, 0x2d, 0x4d, 0xdd,
		0x98, 0xc7, 0xe7, 0x1b, 0xbd, 0x58, 0x88, 0x30,
	};
	struct str text;
	uint8_t h[20];

	buf_add(&inv->text, space, sizeof(space));
	text = joined(inv);
	sha1(text.p, text.n, h);
	buf_reset(&inv->text);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_addc(&inv->text, '-');
		buf_add_hex(&inv->text, &h[i], 1);
	}
	return func_give_text(inv);
}

static cJSON *f_new_guid(struct invocation *inv)
{
	char out[37];

	if (!(inv->ev->may & MAY_BE_NEW))
		return func_misplaced(inv);
	random_guid(out);
	return func_give_string(inv, str_of(out));
}

/* ---- times ---- */

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND };

struct date {
	unsigned part[6];
};

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
static cJSON *formatted(struct invocation *inv, int64_t t, struct str fmt)
{
	/* in the order of struct date's parts, then the hour of twelve */
	static const char letters[] = "yMdHmsh";
	struct date d = date_of(t);
	const char *at;

	buf_reset(&inv->text);
	if (str_eqz(fmt, "d"))
		fmt = STR("MM/dd/yyyy");
	else if (str_eqz(fmt, "o") || str_eqz(fmt, "O"))
		fmt = STR("yyyy-MM-ddTHH:mm:ss.fffffffZ");
	else if (str_eqz(fmt, "s"))
		fmt = STR("yyyy-MM-ddTHH:mm:ss");
	else if (str_eqz(fmt, "u"))
		fmt = STR("yyyy-MM-dd HH:mm:ssZ");
	while (fmt.n > 0 && !inv->text.over) {
		char letter = fmt.p[0];
		unsigned n = 0, v;

		while (n < fmt.n && fmt.p[n] == letter)
			n++;
		fmt = str_skip(fmt, n);
		at = strchr(letters, letter);
		if (at != NULL) {
			v = *at == 'h' ? (d.part[HOUR] + 11) % 12 + 1 :
					 d.part[at - letters];
			if (n > 2 && letter != 'y')
				return func_refuse(inv, "names of months and "
							"days are not known to the "
							"local Azure");
			buf_addf(&inv->text, "%0*u", (int)(n > 9 ? 9 : n),
				 letter == 'y' && n == 2 ? v % 100 : v);
		} else if (letter == 'f') { /* of a second: nobody asks */
			buf_addf(&inv->text, "%0*u", (int)(n > 7 ? 7 : n), 0u);
		} else if (letter == 't') {
			buf_adds(&inv->text, d.part[HOUR] < 12 ? "AM" : "PM");
		} else {
			for (; n > 0; n--)
				buf_addc(&inv->text, letter);
		}
	}
	return func_give_text(inv);
}

static cJSON *f_utc_now(struct invocation *inv)
{
	if (!(inv->ev->may & MAY_BE_NEW))
		return func_misplaced(inv);
	return formatted(inv, template_scope_of(inv->ev->t)->now,
			 inv->n > 0 ? func_arg_text(inv, 0) :
				      STR("yyyyMMddTHHmmssZ"));
}

/* "2020-04-07T14:53:14Z", with a blank for the T, or utcNow()'s own form. */
static bool read_time(struct str s, int64_t *t)
{
	char z[32];

	if (s.n > 30)
		return false;
	snprintf(z, sizeof(z), "%.*s", STR_ARG(s));
	if (s.n == 16 && z[8] == 'T')
		snprintf(z, sizeof(z), "%.4s-%.2s-%.5s:%.2s:%.3s", s.p, s.p + 4,
			 s.p + 6, s.p + 11, s.p + 13);
	if (s.n > 10 && z[10] == ' ')
		z[10] = 'T';
	return time_parse_iso(str_of(z), t);
}

/* ISO 8601: -P1Y2M3W4DT5H6M7S; a month has 30 days, a year 365. */
static bool add_duration(struct str s, int64_t *t)
{
	/* four that may follow P, and three that may follow T */
	static const char letters[] = "YMWDHMS";
	static const int seconds_of[] = {
		365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1
	};
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
		if (*t < 0 || *t > 253402300799) /* 1970 to 9999 */
			return false;
	}
	return true;
}

static cJSON *f_date_time_add(struct invocation *inv)
{
	int64_t t = 0;

	if (!read_time(func_arg_text(inv, 0), &t))
		return func_refuse(inv, "the base is no time");
	if (!add_duration(func_arg_text(inv, 1), &t))
		return func_refuse(inv, "the duration is not valid");
	if (inv->n > 2)
		return formatted(inv, t, func_arg_text(inv, 2));
	/* without a format it is that of the base, more or less */
	return formatted(inv, t,
			 str_chr(func_arg_text(inv, 0), 'T') == 10 ?
				 STR("yyyy-MM-ddTHH:mm:ssZ") :
				 STR("M/d/yyyy h:mm:ss tt"));
}

static cJSON *f_date_time_from_epoch(struct invocation *inv)
{
	char z[32];

	time_iso(func_arg_int(inv, 0), z);
	return func_give_string(inv, str_of(z));
}

static cJSON *f_date_time_to_epoch(struct invocation *inv)
{
	int64_t t;

	if (!read_time(func_arg_text(inv, 0), &t))
		return func_refuse(inv, "the value is no time");
	return func_give_int(inv, t);
}

const struct func func_text[] = {
	{ "concat", { ANY | REPEATED }, f_concat },
	{ "format", { STRING, ANY | REPEATED | OPTIONAL }, f_format },
	{ "string", { ANY }, f_string },
	{ "json", { STRING }, f_json },
	{ "toLower", { STRING }, f_to_lower },
	{ "toUpper", { STRING }, f_to_upper },
	{ "trim", { STRING }, f_trim },
	{ "replace", { STRING, STRING, STRING }, f_replace },
	{ "split", { STRING, STRING | ARRAY }, f_split },
	{ "join", { ARRAY, STRING }, f_join },
	{ "substring", { STRING, INTEGER, INTEGER | OPTIONAL }, f_substring },
	{ "startsWith", { STRING, STRING }, f_starts_with },
	{ "endsWith", { STRING, STRING }, f_ends_with },
	{ "indexOf", { STRING | ARRAY, ANY }, f_index_of },
	{ "lastIndexOf", { STRING | ARRAY, ANY }, f_last_index_of },
	{ "padLeft", { ANY, INTEGER, STRING | OPTIONAL }, f_pad_left },
	{ "base64", { STRING }, f_base64 },
	{ "base64ToString", { STRING }, f_base64_to_string },
	{ "base64ToJson", { STRING }, f_base64_to_json },
	{ "dataUri", { STRING }, f_data_uri },
	{ "dataUriToString", { STRING }, f_data_uri_to_string },
	{ "uri", { STRING, STRING }, f_uri },
	{ "buildUri", { OBJECT }, f_build_uri },
	{ "uriComponent", { STRING }, f_uri_component },
	{ "uriComponentToString", { STRING }, f_uri_component_to_string },
	{ "uniqueString", { STRING | REPEATED }, f_unique_string },
	{ "guid", { STRING | REPEATED }, f_guid },
	{ "newGuid", { 0 }, f_new_guid },
	{ "utcNow", { STRING | OPTIONAL }, f_utc_now },
	{ "dateTimeAdd", { STRING, STRING, STRING | OPTIONAL }, f_date_time_add },
	{ "dateTimeFromEpoch", { INTEGER }, f_date_time_from_epoch },
	{ "dateTimeToEpoch", { STRING }, f_date_time_to_epoch },
	{ .name = NULL },
};
