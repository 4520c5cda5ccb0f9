/*
 * The functions of the template language, as "ARM template functions"
 * (learn.microsoft.com) describes them.  Strings are measured in characters,
 * not bytes; integers are exact to 2^53.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "emulator/template_inner.h"

/* ---- helpers ---------------------------------------------------------------- */

static cJSON *refuse(struct call *c, const char *why)
{
	return fail(c->ev, "Unable to evaluate template language function '%s': %s.", c->name, why);
}

static cJSON *misplaced(struct call *c)
{
	return fail(c->ev, "The template function '%s' is not expected at this location.", c->name);
}

static struct str text(const struct call *c, size_t i)
{
	return str_of(c->v[i]->valuestring);
}

/* For arguments that the table says are integers. */
static int64_t whole(const struct call *c, size_t i)
{
	int64_t n = 0;

	is_int(c->v[i], &n);
	return n;
}

/* Argument i, no longer the call's. */
static cJSON *keep(struct call *c, size_t i)
{
	cJSON *v = c->v[i];

	c->v[i] = NULL;
	return v;
}

static cJSON *string(struct call *c, struct str s)
{
	cJSON *v;
	char *z;

	if (!spend(c->ev, s.n + sizeof(*v)))
		return NULL;
	z = str_dup(s);
	v = cJSON_CreateString(z);
	free(z);
	return v;
}

/* What b holds, as a string; b is released. */
static cJSON *finish(struct call *c, struct buf *b)
{
	cJSON *v = NULL;

	if (b->over)
		refuse(c, "the string is too long");
	else if (memchr(b->str, '\0', b->n) != NULL)
		refuse(c, "the result is not text");
	else
		v = string(c, buf_str(b));
	buf_release(b);
	return v;
}

static cJSON *integer(struct call *c, int64_t n)
{
	cJSON *v = cJSON_CreateNumber((double)n);
	int64_t same;

	if (is_int(v, &same))
		return v;
	cJSON_Delete(v);
	return refuse(c, "the number is too large");
}

static bool add_copy(struct call *c, cJSON *list, const cJSON *v)
{
	cJSON *copy = copy_of(c->ev, v);

	if (copy != NULL)
		cJSON_AddItemToArray(list, copy);
	return copy != NULL;
}

/* list, unless something failed meanwhile */
static cJSON *unless_failed(struct call *c, cJSON *list)
{
	if (!failed(c->ev))
		return list;
	cJSON_Delete(list);
	return NULL;
}

/* Deep, members in any order.  Comparing is accounted for like building: it
 * is what nested loops over long lists consist of. */
static bool same(struct call *c, const cJSON *a, const cJSON *b)
{
	if (!spend(c->ev, 16) || (a->type & 0xff) != (b->type & 0xff))
		return false;
	if (cJSON_IsNumber(a))
		return a->valuedouble >= b->valuedouble && a->valuedouble <= b->valuedouble;
	if (cJSON_IsString(a))
		return strcmp(a->valuestring, b->valuestring) == 0;
	if (!cJSON_IsArray(a) && !cJSON_IsObject(a))
		return true;
	if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
		return false;
	for (const cJSON *x = a->child, *y = b->child; x != NULL; x = x->next, y = y->next) {
		const cJSON *other = y;

		if (cJSON_IsObject(a) && strcmp(x->string, y->string) != 0 &&
		    spend(c->ev, (size_t)cJSON_GetArraySize(b)))
			other = json_get(b, x->string);
		if (other == NULL || failed(c->ev) || !same(c, x, other))
			return false;
	}
	return true;
}

static bool holds(struct call *c, const cJSON *list, const cJSON *v)
{
	for (const cJSON *i = list->child; i != NULL; i = i->next)
		if (same(c, i, v))
			return true;
	return false;
}

/* A primitive as string() and concat() write it. */
static void add_text(struct buf *b, const cJSON *v)
{
	if (cJSON_IsString(v))
		buf_adds(b, v->valuestring);
	else if (cJSON_IsBool(v))
		buf_adds(b, cJSON_IsTrue(v) ? "True" : "False");
	else if (!cJSON_IsNull(v))
		json_print(v, b);
}

/* ---- characters ----------------------------------------------------------- */

/* Bytes of the first n characters; n may be more than there are. */
static size_t chars(struct str s, int64_t n)
{
	struct str rest = s;

	while (n-- > 0 && rest.n > 0) {
		size_t one = str_utf8(rest);

		rest = str_skip(rest, one == 0 ? 1 : one);
	}
	return s.n - rest.n;
}

static int64_t count_chars(struct str s)
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
	return finish(c, &b);
}

/* "{0}", "{1:D3}", "{{" */
static cJSON *f_format(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = text(c, 0);

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
	return finish(c, &b);
}

static cJSON *mapped(struct call *c, char (*map)(char))
{
	for (char *p = c->v[0]->valuestring; *p != '\0'; p++)
		*p = map(*p);
	return keep(c, 0);
}

static cJSON *f_to_lower(struct call *c)
{
	return mapped(c, to_lower);
}

static cJSON *f_to_upper(struct call *c)
{
	return mapped(c, to_upper);
}

static cJSON *f_trim(struct call *c)
{
	return string(c, str_trim(text(c, 0)));
}

static cJSON *f_replace(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = text(c, 0), from = text(c, 1);
	ptrdiff_t at;

	if (from.n == 0)
		return refuse(c, "the string to replace is empty");
	while ((at = str_find(s, from)) >= 0) {
		buf_addstr(&b, str_head(s, (size_t)at));
		buf_addstr(&b, text(c, 2));
		s = str_skip(s, (size_t)at + from.n);
	}
	buf_addstr(&b, s);
	return finish(c, &b);
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
	struct str s = text(c, 0), word = { s.p, 0 };
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
		if ((v = string(c, word)) != NULL)
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
			buf_addstr(&b, text(c, 1));
	}
	return finish(c, &b);
}

static cJSON *f_substring(struct call *c)
{
	struct str s = text(c, 0);
	int64_t have = count_chars(s), from = whole(c, 1);
	int64_t n = c->n > 2 ? whole(c, 2) : have - from;

	if (from < 0 || n < 0 || from > have || n > have - from)
		return refuse(c, "the index and length parameters must refer to a location within "
			      "the string");
	s = str_skip(s, chars(s, from));
	return string(c, str_head(s, chars(s, n)));
}

static cJSON *f_starts_with(struct call *c)
{
	return cJSON_CreateBool(str_istarts(text(c, 0), text(c, 1)));
}

static cJSON *f_ends_with(struct call *c)
{
	struct str s = text(c, 0), end = text(c, 1);

	return cJSON_CreateBool(s.n >= end.n && str_ieq(str_skip(s, s.n - end.n), end));
}

/* Strings without regard to case, lists with it. */
static cJSON *index_of(struct call *c, bool last)
{
	int64_t at = -1, i = 0;

	if (cJSON_IsArray(c->v[0])) {
		for (const cJSON *v = c->v[0]->child; v != NULL; v = v->next, i++)
			if ((at < 0 || last) && same(c, v, c->v[1]))
				at = i;
	} else if (cJSON_IsString(c->v[1])) {
		struct str s = text(c, 0), what = text(c, 1);

		for (; s.n >= what.n && spend(c->ev, what.n); s = str_skip(s, chars(s, 1)), i++) {
			if ((at < 0 || last) && str_istarts(s, what))
				at = i;
			if (s.n == 0)
				break;
		}
	} else {
		refuse(c, "the string to find is not a string");
	}
	return failed(c->ev) ? NULL : integer(c, at);
}

static cJSON *f_index_of(struct call *c)
{
	return index_of(c, false);
}

static cJSON *f_last_index_of(struct call *c)
{
	return index_of(c, true);
}

static cJSON *f_pad_left(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX), out = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str pad = c->n > 2 ? text(c, 2) : STR(" ");
	int64_t width = whole(c, 1);

	if (!cJSON_IsString(c->v[0]) && !cJSON_IsNumber(c->v[0]))
		return refuse(c, "the value to pad is neither a string nor an integer");
	if (width < 0 || width > EXPRESSION_MAX || count_chars(pad) != 1)
		return refuse(c, "the length or the character to pad with is not valid");
	add_text(&b, c->v[0]);
	for (int64_t n = count_chars(buf_str(&b)); n < width; n++)
		buf_addstr(&out, pad);
	buf_addstr(&out, buf_str(&b));
	buf_release(&b);
	return finish(c, &out);
}

static cJSON *f_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	add_text(&b, c->v[0]);
	return finish(c, &b);
}

static cJSON *decoded(struct call *c, struct buf *b, int rc, struct err *e)
{
	if (rc == 0)
		return finish(c, b);
	buf_release(b);
	return refuse(c, e->msg);
}

static cJSON *f_base64(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_add_base64(&b, text(c, 0).p, text(c, 0).n);
	return finish(c, &b);
}

static cJSON *f_base64_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct err e = ERR_INIT;

	return decoded(c, &b, buf_add_unbase64(&b, text(c, 0), &e), &e);
}

static cJSON *parsed(struct call *c, struct str s)
{
	struct err e = ERR_INIT;
	cJSON *v = spend(c->ev, s.n * 4) ? json_parse(s, "the text", &e) : NULL;

	return v != NULL ? v : refuse(c, e.msg);
}

static cJSON *f_json(struct call *c)
{
	return parsed(c, text(c, 0));
}

static cJSON *f_base64_to_json(struct call *c)
{
	cJSON *s = f_base64_to_string(c);
	cJSON *v = s == NULL ? NULL : parsed(c, str_of(s->valuestring));

	cJSON_Delete(s);
	return v;
}

static cJSON *f_data_uri(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_adds(&b, "data:text/plain;charset=utf8;base64,");
	buf_add_base64(&b, text(c, 0).p, text(c, 0).n);
	return finish(c, &b);
}

static cJSON *f_data_uri_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct str s = text(c, 0), head;
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
	struct str base = text(c, 0), rel = text(c, 1), path = base;
	ptrdiff_t host = str_find(base, STR("://")), slash;

	if (host < 0)
		return refuse(c, "the base is not an absolute URI");
	path = str_skip(base, (size_t)host + 3);
	slash = str_starts(rel, STR("/")) ? str_chr(path, '/') : str_rchr(path, '/');
	buf_addstr(&b, slash < 0 ? base : str_head(base, (size_t)(host + 3 + slash)));
	if (!str_starts(rel, STR("/")))
		buf_addc(&b, '/');
	buf_addstr(&b, rel);
	return finish(c, &b);
}

static cJSON *f_uri_component(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_add_pct(&b, text(c, 0));
	return finish(c, &b);
}

static cJSON *f_uri_component_to_string(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	struct err e = ERR_INIT;

	return decoded(c, &b, buf_add_unpct(&b, text(c, 0), false, &e), &e);
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
	return string(c, (struct str){ out, sizeof(out) });
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
	return finish(c, &out);
}

static cJSON *f_new_guid(struct call *c)
{
	char out[37];

	if (!(c->ev->may & MAY_BE_NEW))
		return misplaced(c);
	random_guid(out);
	return string(c, str_of(out));
}

/* ---- lists and objects ---------------------------------------------------- */

static cJSON *f_length(struct call *c)
{
	if (cJSON_IsString(c->v[0]))
		return integer(c, count_chars(text(c, 0)));
	return integer(c, cJSON_GetArraySize(c->v[0]));
}

static cJSON *f_empty(struct call *c)
{
	const cJSON *v = c->v[0];

	if (cJSON_IsString(v))
		return cJSON_CreateBool(v->valuestring[0] == '\0');
	if (cJSON_IsArray(v) || cJSON_IsObject(v) || cJSON_IsNull(v))
		return cJSON_CreateBool(v->child == NULL);
	return refuse(c, "its argument is neither string, array nor object");
}

static cJSON *f_array(struct call *c)
{
	cJSON *out;

	if (cJSON_IsArray(c->v[0]))
		return keep(c, 0);
	out = cJSON_CreateArray();
	cJSON_AddItemToArray(out, keep(c, 0));
	return out;
}

static cJSON *f_create_array(struct call *c)
{
	cJSON *out = cJSON_CreateArray();

	for (size_t i = 0; i < c->n; i++)
		cJSON_AddItemToArray(out, keep(c, i));
	return out;
}

static cJSON *f_create_object(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	for (size_t i = 0; i + 1 < c->n; i += 2) {
		if (!cJSON_IsString(c->v[i]))
			refuse(c, "a name is not a string");
		else
			json_set(out, c->v[i]->valuestring, keep(c, i + 1));
	}
	if (c->n % 2 != 0)
		refuse(c, "a name has no value");
	return unless_failed(c, out);
}

/* Nested objects are merged, lists are not. */
static void merge(struct call *c, cJSON *to, cJSON *from, bool deep)
{
	cJSON *item;

	while ((item = from->child) != NULL && spend(c->ev, (size_t)cJSON_GetArraySize(to))) {
		cJSON *have = json_get_mut(to, item->string);

		cJSON_DetachItemViaPointer(from, item);
		if (deep && cJSON_IsObject(have) && cJSON_IsObject(item)) {
			merge(c, have, item, true);
			cJSON_Delete(item);
		} else if (have != NULL) {
			/* the name is the item's own: replacing must not free it first */
			cJSON_ReplaceItemViaPointer(to, have, item);
		} else {
			cJSON_AddItemToArray(to, item);
		}
	}
}

static bool all_of(const struct call *c, bool (*is)(const cJSON *))
{
	for (size_t i = 0; i < c->n; i++)
		if (!is(c->v[i]))
			return false;
	return true;
}

static bool is_array(const cJSON *v)
{
	return cJSON_IsArray(v);
}

static bool is_object(const cJSON *v)
{
	return cJSON_IsObject(v);
}

static cJSON *f_union(struct call *c)
{
	cJSON *out;

	if (all_of(c, is_object)) {
		out = keep(c, 0);
		for (size_t i = 1; i < c->n; i++)
			merge(c, out, c->v[i], true);
		return unless_failed(c, out);
	}
	if (!all_of(c, is_array))
		return refuse(c, "its arguments must be all arrays or all objects");
	out = cJSON_CreateArray();
	for (size_t i = 0; i < c->n; i++)
		for (const cJSON *v = c->v[i]->child; v != NULL; v = v->next)
			if (!holds(c, out, v) && !add_copy(c, out, v))
				break;
	return unless_failed(c, out);
}

static bool in_all(struct call *c, const cJSON *v)
{
	for (size_t i = 1; i < c->n; i++) {
		if (cJSON_IsArray(c->v[i])) {
			if (!holds(c, c->v[i], v))
				return false;
		} else {
			const cJSON *have = json_get(c->v[i], v->string);

			if (have == NULL || !same(c, have, v))
				return false;
		}
	}
	return true;
}

static cJSON *f_intersection(struct call *c)
{
	bool lists = all_of(c, is_array);
	cJSON *out, *copy;

	if (!lists && !all_of(c, is_object))
		return refuse(c, "its arguments must be all arrays or all objects");
	out = lists ? cJSON_CreateArray() : cJSON_CreateObject();
	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev); v = v->next) {
		if (!in_all(c, v) || (lists && holds(c, out, v)))
			continue;
		if ((copy = copy_of(c->ev, v)) != NULL)
			cJSON_AddItemToArray(out, copy);	/* with its name */
	}
	return unless_failed(c, out);
}

static cJSON *f_contains(struct call *c)
{
	if (cJSON_IsArray(c->v[0]))
		return cJSON_CreateBool(holds(c, c->v[0], c->v[1]));
	if (cJSON_IsString(c->v[0]) && !cJSON_IsArray(c->v[1]) && !cJSON_IsObject(c->v[1])) {
		struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
		bool found;

		add_text(&b, c->v[1]);
		found = str_find(text(c, 0), buf_str(&b)) >= 0;
		buf_release(&b);
		return cJSON_CreateBool(found);
	}
	if (cJSON_IsObject(c->v[0]) && cJSON_IsString(c->v[1]))
		return cJSON_CreateBool(json_get_i(c->v[0], c->v[1]->valuestring) != NULL);
	return refuse(c, "what to find has a type that it cannot hold");
}

/* Characters or items from..from+n. */
static cJSON *slice(struct call *c, int64_t from, int64_t n)
{
	struct str s;
	cJSON *out;

	if (cJSON_IsString(c->v[0])) {
		s = text(c, 0);
		s = str_skip(s, chars(s, from));
		return string(c, str_head(s, chars(s, n)));
	}
	out = cJSON_CreateArray();
	for (const cJSON *v = c->v[0]->child; v != NULL && n > 0; v = v->next) {
		if (from-- > 0)
			continue;
		n--;
		if (!add_copy(c, out, v))
			break;
	}
	return unless_failed(c, out);
}

static cJSON *f_take(struct call *c)
{
	return slice(c, 0, whole(c, 1));
}

static cJSON *f_skip(struct call *c)
{
	return slice(c, whole(c, 1), INT64_MAX);
}

static cJSON *end_of(struct call *c, bool last)
{
	cJSON *v = c->v[0], *item;
	int64_t n = cJSON_IsString(v) ? count_chars(text(c, 0)) : cJSON_GetArraySize(v);

	if (cJSON_IsString(v))
		return slice(c, last && n > 0 ? n - 1 : 0, 1);
	if (n == 0)
		return cJSON_CreateNull();
	item = last ? v->child->prev : v->child;	/* cJSON: the first's prev is the last */
	return cJSON_DetachItemViaPointer(v, item);
}

static cJSON *f_first(struct call *c)
{
	return end_of(c, false);
}

static cJSON *f_last(struct call *c)
{
	return end_of(c, true);
}

static cJSON *f_range(struct call *c)
{
	int64_t from = whole(c, 0), n = whole(c, 1);
	cJSON *out;

	if (n < 0 || n > 10000)
		return refuse(c, "the count must be from 0 to 10000");
	if (!spend(c->ev, (size_t)n * sizeof(*out)))
		return NULL;
	out = cJSON_CreateArray();
	for (int64_t i = 0; i < n; i++)
		cJSON_AddItemToArray(out, cJSON_CreateNumber((double)(from + i)));
	return out;
}

static cJSON *extreme(struct call *c, bool most)
{
	const cJSON *v = c->n == 1 && cJSON_IsArray(c->v[0]) ? c->v[0]->child : NULL;
	int64_t best = 0, n;
	size_t i;

	for (i = 0; v != NULL || (i < c->n && !cJSON_IsArray(c->v[0])); i++) {
		if (!is_int(v != NULL ? v : c->v[i], &n))
			return refuse(c, "its arguments must be integers or an array of them");
		if (i == 0 || (most ? n > best : n < best))
			best = n;
		if (v != NULL && (v = v->next) == NULL) {
			i++;
			break;
		}
	}
	return i == 0 ? refuse(c, "the array is empty") : integer(c, best);
}

static cJSON *f_min(struct call *c)
{
	return extreme(c, false);
}

static cJSON *f_max(struct call *c)
{
	return extreme(c, true);
}

static cJSON *f_flatten(struct call *c)
{
	cJSON *out = cJSON_CreateArray(), *list, *item;

	for (list = c->v[0]->child; list != NULL; list = list->next) {
		if (!cJSON_IsArray(list))
			refuse(c, "an item is not an array");
		while (cJSON_IsArray(list) && (item = list->child) != NULL) {
			cJSON_DetachItemViaPointer(list, item);
			cJSON_AddItemToArray(out, item);
		}
	}
	return unless_failed(c, out);
}

static cJSON *f_shallow_merge(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	for (cJSON *v = c->v[0]->child; v != NULL; v = v->next) {
		if (cJSON_IsObject(v))
			merge(c, out, v, false);
		else
			refuse(c, "an item is not an object");
	}
	return unless_failed(c, out);
}

static cJSON *f_object_keys(struct call *c)
{
	cJSON *out = cJSON_CreateArray(), *v;

	for (const cJSON *i = c->v[0]->child; i != NULL; i = i->next)
		if ((v = string(c, str_of(i->string))) != NULL)
			cJSON_AddItemToArray(out, v);
	return unless_failed(c, out);
}

static int by_name(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return str_icmp(str_of((*x)->string), str_of((*y)->string));
}

/* In the order of the names, as Azure has it. */
static cJSON *f_items(struct call *c)
{
	size_t n = (size_t)cJSON_GetArraySize(c->v[0]), i = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray(), *copy, *pair;

	for (const cJSON *v = c->v[0]->child; v != NULL; v = v->next)
		all[i++] = v;
	qsort(all, n, sizeof(*all), by_name);
	for (i = 0; i < n && (copy = copy_of(c->ev, all[i])) != NULL; i++) {
		pair = json_add_obj(out, NULL);
		json_add_str(pair, "key", all[i]->string);
		cJSON_AddItemToObject(pair, "value", copy);
	}
	free(all);
	return unless_failed(c, out);
}

static cJSON *f_try_get(struct call *c)
{
	cJSON *v = keep(c, 0);

	for (size_t i = 1; i < c->n && v != NULL; i++)
		v = eval_access(c->ev, v, c->v[i], true);
	return v != NULL || failed(c->ev) ? v : cJSON_CreateNull();
}

static cJSON *f_coalesce(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!cJSON_IsNull(c->v[i]))
			return keep(c, i);
	return cJSON_CreateNull();
}

/* ---- lambdas ------------------------------------------------------------------ */

/* NULL is an error or not known; *unknown tells. */
static cJSON *apply(struct call *c, size_t fn, const cJSON *const *v, size_t n, bool *unknown)
{
	cJSON *got = eval_lambda(c->ev, c->v[fn], v, n);

	*unknown = *unknown || (got == NULL && !failed(c->ev));
	return got;
}

static bool applies(struct call *c, size_t fn, const cJSON *const *v, size_t n, bool *unknown)
{
	cJSON *got = apply(c, fn, v, n, unknown);
	bool yes = cJSON_IsTrue(got);

	if (got != NULL && !cJSON_IsBool(got))
		refuse(c, "the lambda does not give a boolean");
	cJSON_Delete(got);
	return yes;
}

static cJSON *filter_or_map(struct call *c, bool map)
{
	cJSON *out = cJSON_CreateArray(), *index = cJSON_CreateNumber(0);
	bool unknown = false;

	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev); v = v->next) {
		const cJSON *pass[2] = { v, index };
		cJSON *got;

		if (!map && applies(c, 1, pass, 2, &unknown))
			add_copy(c, out, v);
		else if (map && (got = apply(c, 1, pass, 2, &unknown)) != NULL)
			cJSON_AddItemToArray(out, got);
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	if (!unknown)
		return unless_failed(c, out);
	cJSON_Delete(out);
	return NULL;
}

static cJSON *f_filter(struct call *c)
{
	return filter_or_map(c, false);
}

static cJSON *f_map(struct call *c)
{
	return filter_or_map(c, true);
}

static cJSON *f_reduce(struct call *c)
{
	cJSON *sum = keep(c, 1), *index = cJSON_CreateNumber(0);
	bool unknown = false;

	for (const cJSON *v = c->v[0]->child; v != NULL && sum != NULL; v = v->next) {
		const cJSON *pass[3] = { sum, v, index };
		cJSON *next = apply(c, 2, pass, 3, &unknown);

		cJSON_Delete(sum);
		sum = next;
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	return sum;
}

/* By insertion, which keeps the order of equals; the lambda says "a before b". */
static cJSON *f_sort(struct call *c)
{
	size_t n = (size_t)cJSON_GetArraySize(c->v[0]), done = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray();
	bool unknown = false;

	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev) && !unknown; v = v->next) {
		size_t at = done++;

		for (; at > 0; at--) {
			const cJSON *pass[2] = { v, all[at - 1] };

			if (!applies(c, 1, pass, 2, &unknown))
				break;
			all[at] = all[at - 1];
		}
		all[at] = v;
	}
	for (size_t i = 0; i < n && !unknown && !failed(c->ev); i++)
		add_copy(c, out, all[i]);
	free(all);
	if (!unknown)
		return unless_failed(c, out);
	cJSON_Delete(out);
	return NULL;
}

static cJSON *f_to_object(struct call *c)
{
	cJSON *out = cJSON_CreateObject();
	bool unknown = false;

	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev); v = v->next) {
		const cJSON *pass[1] = { v };
		cJSON *name = apply(c, 1, pass, 1, &unknown);
		cJSON *value = c->n > 2 ? apply(c, 2, pass, 1, &unknown) : copy_of(c->ev, v);

		if (name != NULL && !cJSON_IsString(name))
			refuse(c, "a name is not a string");
		if (cJSON_IsString(name) && value != NULL &&
		    spend(c->ev, (size_t)cJSON_GetArraySize(out)))
			json_set(out, name->valuestring, value);
		else
			cJSON_Delete(value);
		cJSON_Delete(name);
	}
	if (!unknown)
		return unless_failed(c, out);
	cJSON_Delete(out);
	return NULL;
}

static cJSON *f_lambda_variables(struct call *c)
{
	for (const struct binding *b = c->ev->bound; b != NULL; b = b->up)
		if (str_ieqz(text(c, 0), b->name))
			return copy_of(c->ev, b->value);
	return refuse(c, "there is no such lambda variable here");
}

/* ---- logic and numbers ------------------------------------------------------ */

static cJSON *f_equals(struct call *c)
{
	return cJSON_CreateBool(same(c, c->v[0], c->v[1]));
}

/* <0, 0, >0; both integers or both strings. */
static bool order(struct call *c, int *d)
{
	int64_t a, b;

	if (is_int(c->v[0], &a) && is_int(c->v[1], &b))
		*d = (a > b) - (a < b);
	else if (cJSON_IsString(c->v[0]) && cJSON_IsString(c->v[1]))
		*d = str_cmp(text(c, 0), text(c, 1));
	else
		refuse(c, "its arguments must be two integers or two strings");
	return !failed(c->ev);
}

static cJSON *f_less(struct call *c)
{
	int d;

	return order(c, &d) ? cJSON_CreateBool(d < 0) : NULL;
}

static cJSON *f_less_or_equals(struct call *c)
{
	int d;

	return order(c, &d) ? cJSON_CreateBool(d <= 0) : NULL;
}

static cJSON *f_greater(struct call *c)
{
	int d;

	return order(c, &d) ? cJSON_CreateBool(d > 0) : NULL;
}

static cJSON *f_greater_or_equals(struct call *c)
{
	int d;

	return order(c, &d) ? cJSON_CreateBool(d >= 0) : NULL;
}

static cJSON *f_not(struct call *c)
{
	return cJSON_CreateBool(!cJSON_IsTrue(c->v[0]));
}

static cJSON *f_and(struct call *c)
{
	bool all = true;

	for (size_t i = 0; i < c->n; i++)
		all = all && cJSON_IsTrue(c->v[i]);
	return cJSON_CreateBool(all);
}

static cJSON *f_or(struct call *c)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any = any || cJSON_IsTrue(c->v[i]);
	return cJSON_CreateBool(any);
}

static cJSON *f_bool(struct call *c)
{
	int64_t n;

	if (cJSON_IsBool(c->v[0]))
		return keep(c, 0);
	if (is_int(c->v[0], &n))
		return cJSON_CreateBool(n != 0);
	if (cJSON_IsString(c->v[0]) && str_ieqz(text(c, 0), "true"))
		return cJSON_CreateTrue();
	if (cJSON_IsString(c->v[0]) && str_ieqz(text(c, 0), "false"))
		return cJSON_CreateFalse();
	return refuse(c, "the value is no boolean");
}

static cJSON *f_true(struct call *c)
{
	(void)c;
	return cJSON_CreateTrue();
}

static cJSON *f_false(struct call *c)
{
	(void)c;
	return cJSON_CreateFalse();
}

static cJSON *f_null(struct call *c)
{
	(void)c;
	return cJSON_CreateNull();
}

static cJSON *f_int(struct call *c)
{
	struct str s;
	uint64_t n;
	bool minus;

	if (cJSON_IsNumber(c->v[0]) && fabs(c->v[0]->valuedouble) < 0x1p53)
		return integer(c, (int64_t)c->v[0]->valuedouble);
	if (!cJSON_IsString(c->v[0]))
		return refuse(c, "the value is neither a string nor an integer");
	s = text(c, 0);
	minus = str_starts(s, STR("-"));
	if (!str_num(str_skip(s, minus), INT64_MAX, &n))
		return refuse(c, "the value is no integer");
	return integer(c, minus ? -(int64_t)n : (int64_t)n);
}

static cJSON *f_float(struct call *c)
{
	struct err e = ERR_INIT;
	cJSON *v;

	if (cJSON_IsNumber(c->v[0]))
		return keep(c, 0);
	v = cJSON_IsString(c->v[0]) ? json_parse(text(c, 0), "", &e) : NULL;
	if (cJSON_IsNumber(v))
		return v;
	cJSON_Delete(v);
	return refuse(c, "the value is no number");
}

/* Arguments are below 2^53: sums fit, products may not. */
static cJSON *f_add(struct call *c)
{
	return integer(c, whole(c, 0) + whole(c, 1));
}

static cJSON *f_sub(struct call *c)
{
	return integer(c, whole(c, 0) - whole(c, 1));
}

static cJSON *f_mul(struct call *c)
{
	int64_t v;

	if (__builtin_mul_overflow(whole(c, 0), whole(c, 1), &v))
		return refuse(c, "the number is too large");
	return integer(c, v);
}

static cJSON *f_div(struct call *c)
{
	if (whole(c, 1) == 0)
		return refuse(c, "division by zero");
	return integer(c, whole(c, 0) / whole(c, 1));
}

static cJSON *f_mod(struct call *c)
{
	if (whole(c, 1) == 0)
		return refuse(c, "division by zero");
	return integer(c, whole(c, 0) % whole(c, 1));
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
			return refuse(c, "names of months and days are not known to the local Azure");
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
	return finish(c, &b);
}

static cJSON *f_utc_now(struct call *c)
{
	if (!(c->ev->may & MAY_BE_NEW))
		return misplaced(c);
	return formatted(c, template_scope(c->ev->t)->now,
			 c->n > 0 ? text(c, 0) : STR("yyyyMMddTHHmmssZ"));
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

	if (!read_time(text(c, 0), &t))
		return refuse(c, "the base is no time");
	if (!add_duration(text(c, 1), &t))
		return refuse(c, "the duration is not valid");
	return formatted(c, t, c->n > 2 ? text(c, 2) : STR("M/d/yyyy h:mm:ss tt"));
}

static cJSON *f_date_time_from_epoch(struct call *c)
{
	char z[32];

	time_iso(whole(c, 0), z);
	return string(c, str_of(z));
}

static cJSON *f_date_time_to_epoch(struct call *c)
{
	int64_t t;

	return read_time(text(c, 0), &t) ? integer(c, t) : refuse(c, "the value is no time");
}

/* ---- the deployment ------------------------------------------------------------ */

static cJSON *f_parameters(struct call *c)
{
	return template_parameter(c->ev, text(c, 0));
}

static cJSON *f_variables(struct call *c)
{
	if (!(c->ev->may & MAY_USE_VARIABLES))
		return misplaced(c);
	return template_variable(c->ev, text(c, 0));
}

static cJSON *f_copy_index(struct call *c)
{
	const struct loop *l = c->ev->loops;
	bool named = c->n > 0 && cJSON_IsString(c->v[0]);
	size_t at = named ? 1 : 0;
	int64_t offset = 0;

	if (c->n > at + 1 || (c->n > at && !is_int(c->v[at], &offset)))
		return refuse(c, "it takes a loop's name and an integer to add");
	while (l != NULL && (named ? l->name == NULL || !str_ieqz(text(c, 0), l->name) : !l->plain))
		l = l->up;
	if (l == NULL)
		return fail(c->ev, "The template function 'copyIndex' is not expected at this "
			    "location. The function can only be used in a resource with copy "
			    "specified.");
	return integer(c, l->index + offset);
}

static const struct template_scope *scope(struct call *c)
{
	return template_scope(c->ev->t);
}

static cJSON *f_resource_group(struct call *c)
{
	return scope(c)->group != NULL ? copy_of(c->ev, scope(c)->group) : misplaced(c);
}

static cJSON *f_subscription(struct call *c)
{
	const struct template_scope *s = scope(c);
	cJSON *out;
	char *id;

	if (s->subscription != NULL)
		return copy_of(c->ev, s->subscription);
	id = xasprintf("/subscriptions/%s", s->subscription_id);
	out = cJSON_CreateObject();
	json_add_str(out, "id", id);
	json_add_str(out, "subscriptionId", s->subscription_id);
	json_add_str(out, "tenantId", s->tenant_id);
	json_add_str(out, "displayName", "local");
	free(id);
	return out;
}

static cJSON *f_tenant(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	json_add_str(out, "tenantId", scope(c)->tenant_id);
	return out;
}

static cJSON *f_deployment(struct call *c)
{
	cJSON *out = cJSON_CreateObject(), *p;

	json_add_str(out, "name", scope(c)->deployment_name);
	if (scope(c)->location != NULL)
		json_add_str(out, "location", scope(c)->location);
	p = json_add_obj(out, "properties");
	json_add_str(p, "mode", "Incremental");
	json_add_str(p, "provisioningState", "Accepted");
	return out;
}

static cJSON *f_environment(struct call *c)
{
	static const char public_cloud[] =
		"{\"name\":\"AzureCloud\",\"portal\":\"https://portal.azure.com\","
		"\"resourceManager\":\"https://management.azure.com/\","
		"\"authentication\":{\"loginEndpoint\":\"https://login.microsoftonline.com/\","
		"\"audiences\":[\"https://management.core.windows.net/\","
		"\"https://management.azure.com/\"],\"tenant\":\"common\","
		"\"identityProvider\":\"AAD\"},"
		"\"suffixes\":{\"acrLoginServer\":\".azurecr.io\",\"keyvaultDns\":\".vault.azure.net\","
		"\"sqlServerHostname\":\".database.windows.net\",\"storage\":\"core.windows.net\"}}";

	if (scope(c)->environment != NULL)
		return copy_of(c->ev, scope(c)->environment);
	return parsed(c, str_of(public_cloud));
}

/* "Ns/a/b" and the names x, y: /providers/Ns/a/x/b/y behind what is in b. */
static cJSON *provider_id(struct call *c, struct buf *b, size_t at)
{
	struct str type, ns, seg;
	char why[160];
	size_t i = at + 1;

	if (at >= c->n) {
		buf_release(b);
		return refuse(c, "it requires a resource type");
	}
	type = text(c, at);
	if (str_ends(type, STR("/")))
		type.n--;
	if (!str_cut(&type, '/', &ns)) {
		buf_release(b);
		return refuse(c, "it requires a resource type with its namespace");
	}
	buf_addf(b, "/providers/%.*s", STR_ARG(ns));
	for (; str_next(&type, '/', &seg); i++)
		if (i < c->n)
			buf_addf(b, "/%.*s/%s", STR_ARG(seg), c->v[i]->valuestring);
	if (i == c->n)
		return finish(c, b);
	buf_release(b);
	snprintf(why, sizeof(why), "the type '%.80s' requires '%zu' resource name argument(s)",
		 c->v[at]->valuestring, i - at - 1);
	return refuse(c, why);
}

static bool has_slash(const struct call *c, size_t i)
{
	return i < c->n && str_chr(text(c, i), '/') >= 0;
}

static cJSON *f_resource_id(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	size_t at = 0;

	while (at < 2 && !has_slash(c, at))
		at++;
	if (at == 0)
		buf_adds(&b, template_base(c->ev->t));
	else
		buf_addf(&b, "/subscriptions/%s/resourceGroups/%s",
			 at == 2 ? c->v[0]->valuestring : scope(c)->subscription_id,
			 at <= c->n ? c->v[at - 1]->valuestring : "");
	return provider_id(c, &b, at);
}

static cJSON *f_subscription_resource_id(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	size_t at = has_slash(c, 0) ? 0 : 1;

	buf_addf(&b, "/subscriptions/%s", at == 1 ? c->v[0]->valuestring : scope(c)->subscription_id);
	return provider_id(c, &b, at);
}

static cJSON *f_tenant_resource_id(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	return provider_id(c, &b, 0);
}

static cJSON *f_extension_resource_id(struct call *c)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);

	buf_addstr(&b, text(c, 0));
	return provider_id(c, &b, 1);
}

/* The first n zones behind the offset-th; every location has three here. */
static cJSON *f_pick_zones(struct call *c)
{
	int64_t n = c->n > 3 ? whole(c, 3) : 1, offset = c->n > 4 ? whole(c, 4) : 0;
	cJSON *out;

	if (n < 1 || offset < 0 || n > 3 || offset > 2 || n + offset > 3)
		return refuse(c, "the location has 3 zones");
	out = cJSON_CreateArray();
	for (int64_t i = 1; i <= n; i++) {
		char z[2] = { (char)('0' + offset + i), '\0' };

		json_add_str(out, NULL, z);
	}
	return out;
}

/*
 * The id that argument 0 means.  In a dry run that is all: the resource is
 * noted as needed, and NULL without an error says "not known".
 */
static char *refers_to(struct call *c, const char **api)
{
	struct eval *ev = c->ev;
	size_t i = SIZE_MAX;
	char *id;

	if (!(ev->may & MAY_REFER)) {
		misplaced(c);
		return NULL;
	}
	id = template_resolve(ev->t, text(c, 0), &i);
	if (id == NULL) {
		fail(ev, "The resource '%.200s' is not defined in the template.",
		     c->v[0]->valuestring);
		return NULL;
	}
	*api = c->n > 1 ? c->v[1]->valuestring
			: i != SIZE_MAX ? template_api_version(ev->t, i) : "";
	if (**api == '\0')
		fail(ev, "The reference to '%.200s' requires an API version.", id);
	else if (i != SIZE_MAX)
		template_needs(ev, i);
	if (failed(ev) || ev->dry) {
		ev->unknown = true;
		free(id);
		return NULL;
	}
	return id;
}

/* What a callback gave: NULL without an error is "not known". */
static cJSON *answer(struct call *c, char *id, cJSON *v)
{
	free(id);
	if (v == NULL) {
		c->ev->unknown = true;
	} else if (failed(c->ev) || !spend(c->ev, 1)) {
		cJSON_Delete(v);
		v = NULL;
	}
	return v;
}

static cJSON *f_reference(struct call *c)
{
	const struct template_scope *s = scope(c);
	bool full = c->n > 2;
	const char *api;
	char *id;

	if (full && !str_ieqz(text(c, 2), "Full"))
		return refuse(c, "its third argument can only be 'Full'");
	id = refers_to(c, &api);
	if (id == NULL)
		return NULL;
	return answer(c, id, s->reference == NULL ? NULL :
		      s->reference(s->ctx, id, api, full, c->ev->e));
}

static cJSON *f_list(struct call *c)
{
	const struct template_scope *s = scope(c);
	const char *api;
	char *id = refers_to(c, &api);

	if (id == NULL)
		return NULL;
	return answer(c, id, s->list == NULL ? NULL :
		      s->list(s->ctx, c->name, id, api, c->n > 2 ? c->v[2] : NULL, c->ev->e));
}

/* ---- the table ------------------------------------------------------------------ */

/* Sorted by nothing: a lookup is a hundred short comparisons. */
static const struct func funcs[] = {
	{ "parameters", "s", f_parameters },
	{ "variables", "s", f_variables },
	{ "concat", "v+", f_concat },
	{ "format", "sv*", f_format },
	{ "resourceId", "s+", f_resource_id },
	{ "subscriptionResourceId", "s+", f_subscription_resource_id },
	{ "tenantResourceId", "s+", f_tenant_resource_id },
	{ "extensionResourceId", "ss+", f_extension_resource_id },
	{ "reference", "s?ss", f_reference },
	{ "resourceGroup", "", f_resource_group },
	{ "subscription", "", f_subscription },
	{ "tenant", "", f_tenant },
	{ "deployment", "", f_deployment },
	{ "environment", "", f_environment },
	{ "copyIndex", "?vv", f_copy_index },
	{ "length", "x", f_length },
	{ "range", "ii", f_range },
	{ "equals", "vv", f_equals },
	{ "less", "vv", f_less },
	{ "lessOrEquals", "vv", f_less_or_equals },
	{ "greater", "vv", f_greater },
	{ "greaterOrEquals", "vv", f_greater_or_equals },
	{ "not", "b", f_not },
	{ "and", "bb+", f_and },
	{ "or", "bb+", f_or },
	{ "bool", "v", f_bool },
	{ "true", "", f_true },
	{ "false", "", f_false },
	{ "null", "", f_null },
	{ "int", "v", f_int },
	{ "float", "v", f_float },
	{ "string", "v", f_string },
	{ "json", "s", f_json },
	{ "array", "v", f_array },
	{ "createArray", "v*", f_create_array },
	{ "createObject", "v*", f_create_object },
	{ "union", "v+", f_union },
	{ "intersection", "v+", f_intersection },
	{ "contains", "xv", f_contains },
	{ "empty", "v", f_empty },
	{ "first", "c", f_first },
	{ "last", "c", f_last },
	{ "take", "ci", f_take },
	{ "skip", "ci", f_skip },
	{ "min", "v+", f_min },
	{ "max", "v+", f_max },
	{ "coalesce", "v+", f_coalesce },
	{ "flatten", "a", f_flatten },
	{ "shallowMerge", "a", f_shallow_merge },
	{ "objectKeys", "o", f_object_keys },
	{ "items", "o", f_items },
	{ "tryGet", "vv+", f_try_get },
	{ "filter", "al", f_filter },
	{ "map", "al", f_map },
	{ "reduce", "avl", f_reduce },
	{ "sort", "al", f_sort },
	{ "toObject", "al?l", f_to_object },
	{ "lambdaVariables", "s", f_lambda_variables },
	{ "add", "ii", f_add },
	{ "sub", "ii", f_sub },
	{ "mul", "ii", f_mul },
	{ "div", "ii", f_div },
	{ "mod", "ii", f_mod },
	{ "toLower", "s", f_to_lower },
	{ "toUpper", "s", f_to_upper },
	{ "trim", "s", f_trim },
	{ "replace", "sss", f_replace },
	{ "split", "sc", f_split },
	{ "join", "as", f_join },
	{ "substring", "si?i", f_substring },
	{ "startsWith", "ss", f_starts_with },
	{ "endsWith", "ss", f_ends_with },
	{ "indexOf", "cv", f_index_of },
	{ "lastIndexOf", "cv", f_last_index_of },
	{ "padLeft", "vi?s", f_pad_left },
	{ "uniqueString", "s+", f_unique_string },
	{ "guid", "s+", f_guid },
	{ "newGuid", "", f_new_guid },
	{ "base64", "s", f_base64 },
	{ "base64ToString", "s", f_base64_to_string },
	{ "base64ToJson", "s", f_base64_to_json },
	{ "dataUri", "s", f_data_uri },
	{ "dataUriToString", "s", f_data_uri_to_string },
	{ "uri", "ss", f_uri },
	{ "uriComponent", "s", f_uri_component },
	{ "uriComponentToString", "s", f_uri_component_to_string },
	{ "utcNow", "?s", f_utc_now },
	{ "dateTimeAdd", "ss?s", f_date_time_add },
	{ "dateTimeFromEpoch", "i", f_date_time_from_epoch },
	{ "dateTimeToEpoch", "s", f_date_time_to_epoch },
	{ "pickZones", "sss?ii", f_pick_zones },
};

/* listKeys(), listAccountSas(), ...: any name. */
static const struct func list_func = { "list", "ss?o", f_list };

const struct func *func_find(struct str name)
{
	for (size_t i = 0; i < sizeof(funcs) / sizeof(funcs[0]); i++)
		if (str_ieqz(name, funcs[i].name))
			return &funcs[i];
	return str_istarts(name, STR("list")) && str_chr(name, '.') < 0 ? &list_func : NULL;
}

bool func_count_ok(const struct func *f, size_t n)
{
	size_t min = 0, max = 0;
	bool more = false;

	for (const char *p = f->args; *p != '\0'; p++) {
		if (*p == '?') {
			more = true;
		} else if (*p == '+' || *p == '*') {
			max = SIZE_MAX;
			min -= *p == '*';
		} else {
			max++;
			min += !more;
		}
	}
	return n >= min && n <= max;
}

static bool fits(char type, const cJSON *v)
{
	int64_t n;

	switch (type) {
	case 's':
		return cJSON_IsString(v);
	case 'i':
		return is_int(v, &n);
	case 'b':
		return cJSON_IsBool(v);
	case 'a':
		return cJSON_IsArray(v);
	case 'o':
		return cJSON_IsObject(v);
	case 'c':
		return cJSON_IsString(v) || cJSON_IsArray(v);
	case 'x':
		return cJSON_IsString(v) || cJSON_IsArray(v) || cJSON_IsObject(v);
	case 'l':
		return cJSON_IsRaw(v);
	default:
		return !cJSON_IsRaw(v);
	}
}

cJSON *func_run(const struct func *f, struct call *c)
{
	const char *p = f->args;
	char why[100];

	for (size_t i = 0; i < c->n; i++) {
		if (*p == '?')
			p++;
		if (!fits(*p, c->v[i])) {
			snprintf(why, sizeof(why), "its argument %zu has the type '%s', which is not "
				 "expected", i + 1, type_name(c->v[i]));
			return refuse(c, why);
		}
		if (p[1] != '+' && p[1] != '*')
			p++;
	}
	return f->run(c);
}
