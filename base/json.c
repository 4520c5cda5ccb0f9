/*
 * JSON documents over cJSON: what to look up and print.  base/reader.c reads
 * them.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/reader.h"

/* ---- reading ------------------------------------------------------------- */

cJSON *json_parse(struct str text, const char *what, struct err *e)
{
	struct json_reader r = { 0 };
	enum json_read got;
	struct str s = text;
	size_t mark = 0;
	cJSON *doc = NULL;

	if (str_starts(s, STR("\xef\xbb\xbf")))
		mark = 3;
	s = str_skip(s, mark);
	json_reader_reset(&r);
	if ((got = json_reader_add(&r, &s)) == JSON_MORE)
		got = json_reader_end(&r);
	while (s.n > 0 && str_chr(STR(" \t\n\r"), s.p[0]) >= 0)
		s = str_skip(s, 1);
	if (got == JSON_WHOLE && s.n == 0) {
		doc = r.doc;
		r.doc = NULL;
	} else {
		err_set(e, ERR_DATA, "%s: not JSON at byte %zu", what,
			got == JSON_WHOLE ? text.n - s.n : mark + r.at);
	}
	json_reader_release(&r);
	return doc;
}

/* ---- printing ------------------------------------------------------------ */

/*
 * Whole numbers in full: cJSON writes 1e+15, which a reader that wants an
 * integer (the Docker Engine's, for one) refuses.
 */
static void add_number(struct buf *b, double d)
{
	char text[32];

	if (!isfinite(d)) {
		buf_adds(b, "null");
	} else if (fabs(d) < 1e18 && d == (double)(int64_t)d) {
		if (d < 0)
			buf_addc(b, '-');
		buf_add_dec(b, (uint64_t)(int64_t)fabs(d));
	} else {
		snprintf(text, sizeof(text), "%.15g", d);
		if (strtod(text, NULL) != d)
			snprintf(text, sizeof(text), "%.17g", d);
		buf_adds(b, text);
	}
}

/* mark, unless it is NUL; then a line's end, unless eol is NULL. */
static void add_mark(struct buf *b, char mark, const char *eol, size_t depth)
{
	size_t before = mark != '\0', ends = eol == NULL ? 0 : strlen(eol),
	       blanks = eol == NULL ? 0 : 2 * depth, n = before + ends + blanks;
	char *to = buf_room(b, n);

	if (to == NULL)
		return;
	*to = mark;
	if (ends > 0)
		memcpy(to + before, eol, ends);
	memset(to + before + ends, ' ', blanks);
	buf_grew(b, n);
}

/* eol NULL: compact */
static void print(const cJSON *v, struct buf *b, const char *eol, size_t depth)
{
	bool obj = cJSON_IsObject(v);
	char mark = obj ? '{' : '[';

	if (obj || cJSON_IsArray(v)) {
		for (const cJSON *c = v->child; c != NULL; c = c->next) {
			add_mark(b, mark, eol, depth + 1);
			mark = ',';
			if (obj) {
				buf_add_json_string(b, str_of(c->string));
				buf_add(b, ": ", eol == NULL ? 1 : 2);
			}
			print(c, b, eol, depth + 1);
		}
		if (v->child == NULL)
			buf_addc(b, mark);
		else
			add_mark(b, '\0', eol, depth);
		buf_addc(b, obj ? '}' : ']');
	} else if (cJSON_IsString(v)) {
		buf_add_json_string(b, str_of(v->valuestring));
	} else if (cJSON_IsNumber(v)) {
		add_number(b, v->valuedouble);
	} else if (cJSON_IsRaw(v)) {
		buf_adds(b, v->valuestring);
	} else if (cJSON_IsBool(v)) {
		buf_adds(b, cJSON_IsTrue(v) ? "true" : "false");
	} else {
		buf_adds(b, "null");
	}
}

void json_print(const cJSON *doc, struct buf *b)
{
	print(doc, b, NULL, 0);
}

void json_print_pretty(const cJSON *doc, struct buf *b)
{
	print(doc, b, "\n", 0);
}

void json_print_crlf(const cJSON *doc, struct buf *b)
{
	print(doc, b, "\r\n", 0);
}

/* ---- looking things up ---------------------------------------------------- */

static const cJSON *member(const cJSON *obj, struct str name, bool fold)
{
	if (!cJSON_IsObject(obj))
		return NULL;
	for (const cJSON *c = obj->child; c != NULL; c = c->next) {
		struct str have = str_of(c->string);

		if (fold ? str_ieq(have, name) : str_eq(have, name))
			return c;
	}
	return NULL;
}

const cJSON *json_get(const cJSON *obj, const char *name)
{
	return member(obj, str_of(name), false);
}

const cJSON *json_get_i(const cJSON *obj, const char *name)
{
	return member(obj, str_of(name), true);
}

cJSON *json_get_mut(cJSON *obj, const char *name)
{
	if (cJSON_IsObject(obj))
		for (cJSON *c = obj->child; c != NULL; c = c->next)
			if (strcmp(c->string, name) == 0)
				return c;
	return NULL;
}

static bool eat(struct str *s, struct str word)
{
	if (!str_starts(*s, word))
		return false;
	*s = str_skip(*s, word.n);
	return true;
}

const cJSON *json_at(const cJSON *doc, const char *path)
{
	struct str rest = str_of(path);

	while (doc != NULL && rest.n > 0) {
		size_t n = 0;
		uint64_t i;

		if (eat(&rest, STR("["))) {
			if (!str_dec(&rest, INT_MAX, &i) || !eat(&rest, STR("]")))
				return NULL;
			doc = cJSON_IsArray(doc) ?
				      cJSON_GetArrayItem(doc, (int)i) :
				      NULL;
		} else {
			while (n < rest.n && rest.p[n] != '.' && rest.p[n] != '[')
				n++;
			doc = member(doc, str_head(rest, n), false);
			rest = str_skip(rest, n);
		}
		eat(&rest, STR("."));
	}
	return doc;
}

bool json_deeper(const cJSON *doc, unsigned levels)
{
	const cJSON *v;

	if (!cJSON_IsArray(doc) && !cJSON_IsObject(doc))
		return false;
	if (levels == 0)
		return true;
	cJSON_ArrayForEach(v, doc)
		if (json_deeper(v, levels - 1))
			return true;
	return false;
}

const char *json_type(const cJSON *v)
{
	if (v == NULL)
		return "nothing";
	if (cJSON_IsString(v))
		return "a string";
	if (cJSON_IsNumber(v))
		return "a number";
	if (cJSON_IsBool(v))
		return "a boolean";
	if (cJSON_IsArray(v))
		return "an array";
	return cJSON_IsObject(v) ? "an object" : "null";
}

static int unexpected(const char *path, const char *want, const cJSON *v,
		      struct err *e)
{
	return err_set(e, ERR_DATA, "%s: expected %s, found %s", path, want,
		       json_type(v));
}

const char *json_str(const cJSON *doc, const char *path, struct err *e)
{
	const cJSON *v = json_at(doc, path);

	if (cJSON_IsString(v))
		return v->valuestring;
	unexpected(path, "a string", v, e);
	return NULL;
}

const char *json_str_opt(const cJSON *doc, const char *path, const char *dflt)
{
	const cJSON *v = json_at(doc, path);

	return cJSON_IsString(v) ? v->valuestring : dflt;
}

const char *json_text(const cJSON *doc, const char *path)
{
	return json_str_opt(doc, path, "");
}

bool json_is(const cJSON *doc, const char *path, const char *word)
{
	return str_is(json_str_opt(doc, path, NULL), word);
}

cJSON *json_named(const cJSON *arr, const char *name)
{
	cJSON *item;

	cJSON_ArrayForEach(item, arr)
		if (json_is(item, "name", name))
			return item;
	return NULL;
}

/* A whole number that an int64_t can hold. */
static bool whole(const cJSON *v, int64_t *n)
{
	double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;

	if (!(d >= -0x1p63 && d < 0x1p63) || d != (double)(int64_t)d)
		return false;
	*n = (int64_t)d;
	return true;
}

int json_take(const cJSON *doc, const char *path, char *to, size_t size,
	      struct err *e)
{
	const char *v = json_str(doc, path, e);

	if (v == NULL)
		return -1;
	if (strlen(v) >= size)
		return err_set(e, ERR_DATA, "%s: longer than %zu characters",
			       path, size - 1);
	memcpy(to, v, strlen(v) + 1);
	return 0;
}

int json_int(const cJSON *doc, const char *path, int64_t min, int64_t max,
	     int64_t *v, struct err *e)
{
	const cJSON *item = json_at(doc, path);
	int64_t n;

	if (!cJSON_IsNumber(item))
		return unexpected(path, "a number", item, e);
	if (!whole(item, &n) || n < min || n > max)
		return err_set(
			e, ERR_DATA,
			"%s: expected a whole number from %lld to %lld, found %.17g",
			path, (long long)min, (long long)max, item->valuedouble);
	*v = n;
	return 0;
}

int64_t json_int_opt(const cJSON *doc, const char *path, int64_t dflt)
{
	int64_t n;

	return whole(json_at(doc, path), &n) ? n : dflt;
}

bool json_bool_opt(const cJSON *doc, const char *path, bool dflt)
{
	const cJSON *v = json_at(doc, path);

	return cJSON_IsBool(v) ? cJSON_IsTrue(v) : dflt;
}

const cJSON *json_arr(const cJSON *doc, const char *path, struct err *e)
{
	const cJSON *v = json_at(doc, path);

	if (cJSON_IsArray(v))
		return v;
	unexpected(path, "an array", v, e);
	return NULL;
}

const cJSON *json_obj(const cJSON *doc, const char *path, struct err *e)
{
	const cJSON *v = json_at(doc, path);

	if (cJSON_IsObject(v))
		return v;
	unexpected(path, "an object", v, e);
	return NULL;
}

/* ---- building ------------------------------------------------------------- */

static cJSON *add(cJSON *obj, const char *name, cJSON *v)
{
	if (name == NULL)
		cJSON_AddItemToArray(obj, v);
	else
		cJSON_AddItemToObject(obj, name, v);
	return v;
}

cJSON *json_add_str(cJSON *obj, const char *name, const char *v)
{
	return add(obj, name, cJSON_CreateString(v));
}

cJSON *json_add_strn(cJSON *obj, const char *name, struct str v)
{
	char *z = str_dup(v);
	cJSON *item = json_add_str(obj, name, z);

	burn_str(z);
	return item;
}

cJSON *json_add_int(cJSON *obj, const char *name, int64_t v)
{
	return add(obj, name, cJSON_CreateNumber((double)v));
}

cJSON *json_add_bool(cJSON *obj, const char *name, bool v)
{
	return add(obj, name, cJSON_CreateBool(v));
}

cJSON *json_add_obj(cJSON *obj, const char *name)
{
	return add(obj, name, cJSON_CreateObject());
}

cJSON *json_add_arr(cJSON *obj, const char *name)
{
	return add(obj, name, cJSON_CreateArray());
}

void json_set(cJSON *obj, const char *name, cJSON *v)
{
	if (!cJSON_IsObject(obj))
		cJSON_Delete(v);
	else if (json_get(obj, name) != NULL)
		cJSON_ReplaceItemInObjectCaseSensitive(obj, name, v);
	else
		add(obj, name, v);
}

void json_strip_nulls(cJSON *doc)
{
	cJSON *item = doc->child, *next;

	for (; item != NULL; item = next) {
		next = item->next;
		if (cJSON_IsNull(item) && cJSON_IsObject(doc))
			json_free(cJSON_DetachItemViaPointer(doc, item));
		else
			json_strip_nulls(item);
	}
}

void json_free(cJSON *doc)
{
	cJSON_Delete(doc);
}

static void zero(cJSON *v)
{
	for (; v != NULL; v = v->next) {
		if (v->valuestring != NULL)
			burn(v->valuestring, strlen(v->valuestring));
		zero(v->child);
	}
}

void json_burn(cJSON *doc)
{
	if (doc == NULL)
		return;
	if (doc->valuestring != NULL)
		burn(doc->valuestring, strlen(doc->valuestring));
	zero(doc->child);
	cJSON_Delete(doc);
}

void json_init(void)
{
	cJSON_Hooks hooks = { xmalloc, free };

	cJSON_InitHooks(&hooks);
}
