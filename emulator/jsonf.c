/*
 * Documents written as they look: what the local Azure answers is mostly
 * constant text with a few holes, so it is given as a template.  Also what is
 * done to such documents, as far as nobody but the local Azure does it.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/asset.h"
#include "base/hash.h"
#include "base/time.h"

#include "emulator/jsonf.h"

#define DOCUMENT_MAX (256u << 20)

void json_now(char out[40])
{
	struct timespec t;
	long ticks; /* of 100 ns */

	clock_gettime(CLOCK_REALTIME, &t);
	ticks = t.tv_nsec / 100;
	time_iso(t.tv_sec, out);
	out[19] = '.';
	for (int i = 26; i > 19; i--, ticks /= 10)
		out[i] = (char)('0' + ticks % 10);
	memcpy(out + 27, "Z", 2);
}

static void put_string(struct buf *b, const char *s, bool quoted)
{
	if (quoted)
		buf_add_json(b, str_of(s));
	else if (s != NULL)
		buf_add_json_string(b, str_of(s));
	else
		buf_adds(b, "null");
}

static struct buf shapes;

static void shapes_load(void)
{
	asset_get("azure/shapes", &shapes);
}

struct str json_shape(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct buf line = BUF_INIT(64);
	struct str s;
	ptrdiff_t at;

	pthread_once(&once, shapes_load);
	s = buf_str(&shapes);
	buf_addf(&line, "\n%s\n", name);
	at = str_find(s, buf_str(&line));
	assert(at >= 0);
	s = str_skip(s, (size_t)at + line.n);
	buf_release(&line);
	return str_head(s, (size_t)str_find(s, STR("\n\n")));
}

/* How much of a shape is neither a hole nor anything of quotes. */
static size_t text(const char *p, const char *end)
{
	size_t n = 1;

	while (p + n < end && p[n] != '\'' && p[n] != '"' && p[n] != '%' &&
	       p[n] != '\\')
		n++;
	return n;
}

static cJSON *json_vfmt(const char *fmt, va_list ap)
{
	struct str s = fmt[0] == '@' ? json_shape(fmt + 1) : str_of(fmt);
	struct buf b = BUF_INIT(DOCUMENT_MAX);
	char quote = '\0', unique[40];
	const cJSON *doc;
	cJSON *out;

	for (const char *p = s.p; p < s.p + s.n; p++) {
		bool quoted = quote != '\0';

		if (*p == (quoted ? quote : '"') || (*p == '\'' && !quoted)) {
			buf_addc(&b, '"');
			quote = quoted ? '\0' : *p;
			continue;
		}
		if (*p == '\\') {
			buf_add(&b, p++, 2);
			continue;
		}
		if (*p != '%') {
			size_t n = text(p, s.p + s.n);

			buf_add(&b, p, n);
			p += n - 1;
			continue;
		}
		switch (*++p) {
		case 's':
			put_string(&b, va_arg(ap, const char *), quoted);
			break;
		case 't':
			json_now(unique);
			put_string(&b, unique, quoted);
			break;
		case 'U':
			random_guid(unique);
			put_string(&b, unique, quoted);
			break;
		case 'd':
			buf_addf(&b, "%d", va_arg(ap, int));
			break;
		case 'l':
			buf_addf(&b, "%lld", (long long)va_arg(ap, int64_t));
			break;
		case 'b':
			buf_adds(&b, va_arg(ap, int) ? "true" : "false");
			break;
		case 'j':
			doc = va_arg(ap, const cJSON *);
			if (doc == NULL)
				buf_adds(&b, "null");
			else
				json_print(doc, &b);
			break;
		default:
			abort(); /* an unknown hole */
		}
	}
	/* ours, so not held to the grammar first as a stranger's is */
	out = cJSON_ParseWithLength(b.str, b.n);
	assert(out != NULL);
	buf_burn(&b); /* account keys pass through here, too */
	return out;
}

cJSON *json_fmt(const char *fmt, ...)
{
	va_list ap;
	cJSON *out;

	va_start(ap, fmt);
	out = json_vfmt(fmt, ap);
	va_end(ap);
	return out;
}

cJSON *json_array_of(cJSON *item)
{
	cJSON *arr = cJSON_CreateArray();

	cJSON_AddItemToArray(arr, item);
	return arr;
}

/* What to lacks and from has. */
static void fill(cJSON *to, cJSON *from)
{
	cJSON *item, *next, *have;

	for (item = from->child; item != NULL; item = next) {
		next = item->next;
		have = cJSON_GetObjectItem(to, item->string);
		if (have == NULL)
			cJSON_AddItemToObject(to, item->string,
					      cJSON_DetachItemViaPointer(from,
									 item));
		else if (cJSON_IsObject(have))
			fill(have, item);
	}
}

void json_defaults(cJSON *obj, const char *fmt, ...)
{
	va_list ap;
	cJSON *from;

	va_start(ap, fmt);
	from = json_vfmt(fmt, ap);
	va_end(ap);
	fill(obj, from);
	json_free(from);
}

void json_merge(cJSON *doc, const cJSON *patch)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, patch) {
		cJSON *old = cJSON_GetObjectItem(doc, p->string);

		if (cJSON_IsNull(p)) {
			json_drop(doc, p->string);
		} else if (cJSON_IsObject(p) && cJSON_IsObject(old)) {
			json_merge(old, p);
		} else {
			json_drop(doc, p->string);
			cJSON_AddItemToObject(doc, p->string,
					      cJSON_Duplicate(p, true));
		}
	}
}

cJSON *json_sub(cJSON *obj, const char *name)
{
	cJSON *v = cJSON_GetObjectItem(obj, name);

	if (cJSON_IsObject(v))
		return v;
	json_drop(obj, name);
	return json_add_obj(obj, name);
}

void json_drop(cJSON *obj, const char *name)
{
	cJSON_DeleteItemFromObject(obj, name);
}

void json_put_int(cJSON *obj, const char *name, int64_t v)
{
	json_set(obj, name, cJSON_CreateNumber((double)v));
}

void json_put_str(cJSON *obj, const char *name, const char *v)
{
	cJSON *text = cJSON_CreateString(v);

	/* v may be what is there */
	json_drop(obj, name);
	cJSON_AddItemToObject(obj, name, text);
}

int64_t json_duration_s(const cJSON *doc, const char *path, int64_t dflt)
{
	struct str s = str_of(json_str_opt(doc, path, ""));
	int64_t sum = 0, v, unit;
	bool any = false, time = false;

	if (s.n == 0 || *s.p != 'P')
		return dflt;
	for (s = str_skip(s, 1); s.n > 0; s = str_skip(s, 1)) {
		if (*s.p == 'T' && !time) {
			time = true;
			continue;
		}
		for (v = -1; s.n > 0 && is_digit(*s.p) && v < 1000000;
		     s = str_skip(s, 1))
			v = (v < 0 ? 0 : v) * 10 + (*s.p - '0');
		unit = s.n == 0		    ? 0 :
		       *s.p == 'D' && !time ? 86400 :
		       !time		    ? 0 :
		       *s.p == 'H'	    ? 3600 :
		       *s.p == 'M'	    ? 60 :
		       *s.p == 'S'	    ? 1 :
					      0;
		if (v < 0 || unit == 0)
			return dflt;
		sum += v * unit;
		any = true;
	}
	return any ? sum : dflt;
}
