/*
 * A request to Resource Manager or Entra ID: read from the wire, given to the
 * file that knows the answer, and answered as those services do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/arm/arm.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/record.h"
#include "emulator/request.h"
#include "template/template.h"
#include "http.h"

void request_drop_answer(struct request *r)
{
	json_burn(r->out);
	r->out = NULL;
	buf_burn(&r->text);
}

int request_answer(struct request *r, unsigned status, cJSON *out)
{
	json_free(r->out);
	buf_reset(&r->text);
	r->status = status;
	r->out = out;
	return 0;
}

static void print(struct request *r, const cJSON *doc)
{
	if (r->pretty) /* compute's bodies are indented, the others' are not */
		json_print_crlf(doc, &r->text);
	else
		json_print(doc, &r->text);
}

int request_answer_as_is(struct request *r, unsigned status, const cJSON *doc)
{
	request_answer(r, status, NULL);
	print(r, doc);
	return 0;
}

void request_field(struct request *r, const char *fmt, ...)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	va_list ap;

	if (r->n_fields == sizeof(r->fields) / sizeof(r->fields[0]))
		return;
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	r->fields[r->n_fields++] = buf_detach(&b);
}

/* "NAME: VALUE", which need no formatting. */
static void add_field(struct request *r, const char *name, struct str value)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);

	if (r->n_fields == sizeof(r->fields) / sizeof(r->fields[0]))
		return;
	buf_room(&b, strlen(name) + 2 + value.n);
	buf_adds(&b, name);
	buf_adds(&b, ": ");
	buf_addstr(&b, value);
	r->fields[r->n_fields++] = buf_detach(&b);
}

char *request_param(const struct request *r, const char *name)
{
	struct buf b = BUF_INIT(1024);

	if (http_x_param(r->x, name, &b) && !b.over)
		return buf_detach(&b);
	buf_release(&b);
	return NULL;
}

int request_bad_method(struct request *r)
{
	r->gateway = true;
	return fault_set(
		&r->fault, 405,
		"HttpMethodNotAllowed: "
		"The HTTP method '%.*s' is not supported at scope '%.200s'.",
		STR_ARG(http_x_head(r->x)->method), r->seg[r->n_seg - 1]);
}

/* ---- pages ---- */

int request_page_begin(struct request *r, struct page *p, size_t size)
{
	char *asked_top = request_param(r, "$top"),
	     *token = request_param(r, "$skiptoken");
	uint64_t from = 0, top;
	int rc = 0;

	*p = (struct page){ .size = size };
	if (str_num(str_of(asked_top), 1000, &top) && top > 0)
		p->size = (size_t)top;
	if (token != NULL) {
		p->gap = token[0] == 'g';
		if (!str_num(str_skip(str_of(token), 3), 1000000, &from))
			rc = fault_set(&r->fault, 400,
				       "InvalidSkipToken: "
				       "The provided skip token is invalid.");
	}
	p->from = (size_t)from;
	if (rc == 0) {
		p->filter = request_param(r, "$filter");
		p->value = cJSON_CreateArray();
	}
	free(asked_top);
	free(token);
	return rc;
}

bool request_page_wants(struct page *p)
{
	size_t at = p->seen++;

	return !p->gap && at >= p->from && at - p->from < p->size;
}

/*
 * The token says where the next page begins.  Between the first page and the
 * second comes one that is empty and still has a nextLink, as Azure's do.
 */
int request_page_end(struct request *r, struct page *p)
{
	struct buf link = BUF_INIT(HTTP_LINE_MAX);
	struct str query = http_x_query(r->x), path = http_x_path(r->x), word;
	cJSON *out = NULL;

	free(p->filter);
	if (r->fault.error != NULL) {
		json_free(p->value);
		return -1;
	}
	out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "value", p->value);
	if (p->gap || p->from + p->size < p->seen) {
		buf_addf(&link, "%s%.*s?", r->base, STR_ARG(path));
		while (str_next(&query, '&', &word))
			if (!str_istarts(word, STR("$skiptoken")) &&
			    !str_istarts(word, STR("%24skiptoken")))
				buf_addf(&link, "%.*s&", STR_ARG(word));
		buf_addf(&link, "%%24skiptoken=%s%zu",
			 !p->gap && p->from == 0 ? "gap" : "row",
			 p->gap ? p->from : p->from + p->size);
		json_add_str(out, "nextLink", link.str);
	}
	buf_release(&link);
	return request_answer(r, 200, out);
}

int request_page(struct request *r, const cJSON *arr, size_t size)
{
	const cJSON *v;
	struct page p;

	if (request_page_begin(r, &p, size) < 0)
		return -1;
	cJSON_ArrayForEach(v, arr)
		if (request_page_wants(&p))
			cJSON_AddItemToArray(p.value, cJSON_Duplicate(v, true));
	return request_page_end(r, &p);
}

/* ---- filters ---- */

char *request_filter_value(struct request *r, const char *name)
{
	char *filter = request_param(r, "$filter"),
	     *want = xasprintf("%s eq '", name), *at, *value = NULL;

	if (filter != NULL && (at = strstr(filter, want)) != NULL) {
		at += strlen(want);
		value = xstrndup(at, strcspn(at, "'"));
	}
	free(filter);
	free(want);
	return value;
}

/* What a filter can name, and where a document has it. */
static const struct {
	const char *name, *path;
	unsigned word; /* which one between '/', from 1; 0: all of it */
} filter_fields[] = {
	{ "resourceGroup", "id", 5 },
	{ "resourceType", "type", 0 },
	{ "name", "name", 0 },
	{ "location", "location", 0 },
	{ "provisioningState", "properties.provisioningState", 0 },
};

/* Has doc that value in that field?  -1: there is no such field. */
static int field_holds(const cJSON *doc, struct str field, struct str value)
{
	struct str text, word;

	for (size_t i = 0; i < sizeof(filter_fields) / sizeof(filter_fields[0]);
	     i++) {
		if (!str_ieqz(field, filter_fields[i].name))
			continue;
		text = word = str_of(json_text(doc, filter_fields[i].path));
		for (unsigned k = filter_fields[i].word;
		     k > 0 && str_next(&text, '/', &word); k--)
			;
		return str_ieq(value, word);
	}
	return -1;
}

/* Has doc a tag of that name, with that value unless it is STR_NULL? */
static bool tag_holds(const cJSON *doc, struct str name, struct str value)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, json_get(doc, "tags"))
		if (str_ieqz(name, v->string) &&
		    (value.p == NULL ||
		     str_eq(value, str_of(cJSON_GetStringValue(v)))))
			return true;
	return false;
}

/* Does doc fit "NAME eq 'x' and NAME eq 'y'"?  -1: a filter of another kind. */
static int filter_holds(const cJSON *doc, struct str filter)
{
	struct str field, value, tag = STR_NULL;
	bool held = true;
	int one;

	for (; filter.n > 0; filter = str_trim(filter)) {
		if (!str_cut(&filter, '\'', &field) ||
		    !str_cut(&filter, '\'', &value))
			return -1;
		field = str_trim(field);
		if (str_istarts(field, STR("and ")))
			field = str_trim(str_skip(field, 4));
		if (!str_ends(field, STR(" eq")))
			return -1;
		field = str_trim(str_head(field, field.n - 3));
		if (str_ieqz(field, "tagName")) {
			tag = value;
			one = tag_holds(doc, tag, STR_NULL);
		} else if (str_ieqz(field, "tagValue")) {
			one = tag_holds(doc, tag, value);
		} else {
			one = field_holds(doc, field, value);
		}
		if (one < 0)
			return -1;
		held = held && one;
	}
	return held;
}

bool request_page_keeps(struct request *r, const struct page *p, const cJSON *doc)
{
	int held = filter_holds(doc, str_of(p->filter));

	if (held < 0)
		fault_set(&r->fault, 400,
			  "InvalidFilterInQueryString: Invalid $filter '%.200s' specified in the "
			  "query string.",
			  p->filter);
	return held > 0;
}

/* ---- answers ---- */

#define COMMON 6
#define PIECE 8192 /* of an answer in chunks */

static void identify(struct request *r)
{
	struct str given = http_field(http_x_head(r->x),
				      "x-ms-correlation-request-id");
	struct str client = http_field(http_x_head(r->x),
				       "x-ms-client-request-id");
	char id[37], now[32], route[80] = "LOCAL:", *to = route + strlen(route);
	enum method kind = r->method == HEAD   ? GET :
			   r->method == GET    ? GET :
			   r->method == DELETE ? DELETE :
						 PUT;
	static const char *const left[][4] = {
#define LEFT(what, few, many) \
	{ "x-ms-ratelimit-remaining-subscription-" what, few, \
	  "x-ms-ratelimit-remaining-subscription-global-" what, many }
		[GET] = LEFT("reads", "249", "3749"),
		[DELETE] = LEFT("deletes", "199", "2999"),
		[PUT] = LEFT("writes", "199", "2999"),
#undef LEFT
	};

	random_guid(id);
	if (given.p == NULL && r->method == PUT)
		given = str_of(json_str_opt(r->out, "properties.correlationId",
					    NULL)); /* a deployment's */
	time_iso(unix_time(), now);
	for (const char *p = now; *p != '\0'; p++)
		if (*p != '-' && *p != ':')
			*to++ = *p;
	*to++ = ':';
	memcpy(to, id, sizeof(id));
	add_field(r, "x-ms-request-id", str_of(id));
	add_field(r, "x-ms-correlation-request-id",
		  given.p != NULL && given.n <= 64 ? given : str_of(id));
	add_field(r, "x-ms-routing-request-id", str_of(route));
	add_field(r, left[kind][0], str_of(left[kind][1]));
	add_field(r, left[kind][2], str_of(left[kind][3]));
	if (client.p != NULL && client.n <= 64 &&
	    str_ieq(http_field(http_x_head(r->x), "x-ms-return-client-request-id"),
		    STR("true")))
		add_field(r, "x-ms-client-request-id", client);
	if (r->status >= 400)
		add_field(r, "x-ms-failure-cause",
			  str_of(r->gateway ? "gateway" : "service"));
}

/* A page for a browser, and no document. */
static bool is_page(const struct request *r)
{
	return r->plain != NULL && cJSON_IsString(r->out);
}

static void print_body(struct request *r)
{
	if (is_page(r))
		buf_adds(&r->text, r->out->valuestring);
	else if (r->out != NULL)
		print(r, r->out);
}

/*
 * The answer piece by piece.  limit: where it breaks off; drip_ms: a byte in so
 * many milliseconds, unless it is 0.
 */
static void send_pieces(struct request *r, const char *const *fields,
			struct str body, bool chunked, size_t limit,
			unsigned drip_ms)
{
	struct str rest = str_head(body, limit);
	size_t piece = drip_ms > 0 ? 1 : PIECE;
	struct err e = ERR_INIT;
	bool ok = http_x_begin(r->x, r->status, fields,
			       chunked ? UINT64_MAX : body.n, &e) == 0;

	while (ok && rest.n > 0) {
		ok = http_x_send(r->x, str_head(rest, piece), &e) == 0 &&
		     (drip_ms == 0 || faults_pause(r->m, drip_ms) == 0);
		rest = str_skip(rest, piece);
	}
	if (ok && limit >= body.n)
		http_x_end(r->x, &e);
	else
		http_x_abort(r->x);
}

/* rule: what is to be wrong with it, or NULL. */
static void send_answer(struct request *r, const cJSON *rule)
{
	struct faults_pace pace = faults_pace(rule);
	const char *fields[COMMON + sizeof(r->fields) / sizeof(r->fields[0]) + 2] = {
		"Cache-Control: no-cache",
		"Pragma: no-cache",
		"Expires: -1",
		"Strict-Transport-Security: max-age=31536000; includeSubDomains",
		"X-Content-Type-Options: nosniff",
		"X-Cache: CONFIG_NOCACHE",
	};
	struct str body;
	char type[80];
	size_t n = COMMON;
	bool chunked;

	/* a browser would take this for all of localhost, also for the port that
	 * waits for it to come back */
	if (is_page(r) || r->status == 302)
		fields[3] = "Referrer-Policy: no-referrer";
	identify(r);
	print_body(r);
	body = buf_str(&r->text);
	for (size_t i = 0; i < r->n_fields; i++)
		fields[n++] = r->fields[i];
	if (body.n > 0 || r->plain != NULL) {
		snprintf(type, sizeof(type), "Content-Type: %s",
			 body.n > 0 && !is_page(r) ?
				 "application/json; charset=utf-8" :
				 r->plain);
		fields[n++] = type;
	}
	fields[n] = NULL;
	/* long lists come in chunks, as from Azure */
	chunked = body.n > 4096 && r->status == 200 && r->method == GET;
	if (chunked || pace.limit < body.n || pace.drip_ms > 0)
		send_pieces(r, fields, body, chunked, pace.limit, pace.drip_ms);
	else
		http_x_answer(r->x, r->status, fields, body);
}

/* ---- requests ---- */

static int split_path(struct request *r)
{
	struct str path = http_x_path(r->x), word;
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;
	int rc = 0;

	while (rc == 0 && str_next(&path, '/', &word)) {
		if (word.n == 0)
			continue;
		buf_reset(&b);
		if (r->n_seg == SEG_MAX ||
		    buf_add_unpct(&b, word, false, &e) < 0 || b.over ||
		    str_chr(buf_str(&b), '/') >= 0 || strlen(b.str) != b.n)
			rc = -1;
		else
			r->seg[r->n_seg++] = xstrndup(b.str, b.n);
	}
	buf_release(&b);
	return rc;
}

static cJSON *parse_body(struct str text, struct err *e)
{
	struct buf b = BUF_INIT(BODY_MAX);
	struct err again = ERR_INIT;
	cJSON *doc = json_parse(text, "body", e);

	if (doc == NULL) {
		template_strict_json(text, &b);
		doc = json_parse(buf_str(&b), "body", &again);
	}
	buf_burn(&b);
	return doc;
}

/* The body: a JSON document, or for Entra a form. */
static int read_body(struct request *r, struct err *e)
{
	struct str type = http_field(http_x_head(r->x), "Content-Type");
	struct buf b = BUF_INIT(BODY_MAX);
	struct err why = ERR_INIT;
	int rc = http_x_body(r->x, &b, e);

	if (rc < 0 && b.over)
		fault_set(&r->fault, 413,
			  "RequestContentTooLarge: "
			  "The request content is larger than %u bytes.",
			  BODY_MAX);
	if (rc == 0 && b.n > 0) {
		if (str_istarts(type, STR("application/x-www-form-urlencoded")))
			r->body = json_fmt("{'form':%s}", b.str);
		else if ((r->body = parse_body(buf_str(&b), &why)) == NULL)
			rc = fault_content(&r->fault, why.msg);
		else if (json_deeper(r->body, LEVELS_MAX))
			rc = fault_content(&r->fault, "nested too deeply");
	}
	buf_burn(&b);
	return rc;
}

enum method request_method(const struct http_head *h)
{
	static const char *const methods[] = {
		[GET] = "GET",	 [HEAD] = "HEAD",   [PUT] = "PUT",
		[POST] = "POST", [PATCH] = "PATCH", [DELETE] = "DELETE",
	};

	for (enum method i = GET; i <= DELETE; i++)
		if (str_eqz(h->method, methods[i]))
			return i;
	return METHOD_UNKNOWN;
}

static void request_free(struct request *r)
{
	json_burn(r->body);
	/* what is only looked at holds no secrets */
	if (r->method == GET)
		json_free(r->out);
	else
		json_burn(r->out);
	buf_burn(&r->text);
	fault_release(&r->fault);
	for (size_t i = 0; i < r->n_seg; i++)
		free(r->seg[i]);
	for (size_t i = 0; i < r->n_fields; i++)
		free(r->fields[i]);
	free(r);
}

/* Read the request and have it answered.  -1: the caller is gone, with half a body. */
static int work_out(struct request *r)
{
	struct err e = ERR_INIT;

	if (r->method == METHOD_UNKNOWN || split_path(r) < 0)
		fault_set(&r->fault, 400,
			  "BadRequest: The request cannot be understood.");
	else if (read_body(r, &e) < 0 && r->fault.error == NULL)
		return -1;
	if (r->fault.error == NULL) {
		pthread_mutex_lock(&r->m->lock);
		arm_handle(r);
		pthread_mutex_unlock(&r->m->lock);
	} else {
		r->gateway = true;
		request_answer(r, r->fault.status,
			       json_fmt("{'error':%j}", r->fault.error));
	}
	return 0;
}

void request_serve(struct emu *m, struct http_exchange *x, struct str host)
{
	const struct http_head *h = http_x_head(x);
	struct request *r = xcalloc(1, sizeof(*r));
	int64_t began = now_ms();
	cJSON *rule = faults_request(m, h);
	bool cut_off = false;

	r->m = m;
	r->x = x;
	buf_init(&r->text, STATE_MAX);
	r->method = request_method(h);
	snprintf(r->host, sizeof(r->host), "%.*s", STR_ARG(host));
	snprintf(r->base, sizeof(r->base), "https://%s", r->host);
	if (faults_carried_out(rule))
		cut_off = work_out(r) < 0;
	faults_answer(r, rule);
	if (cut_off)
		http_x_abort(x);
	else if (!faults_send(m, x, rule))
		send_answer(r, rule);
	record_exchange(m, x, r->base, r, rule != NULL);
	emu_log(m, "%.*s %.*s -> %u %s (%lld ms)", STR_ARG(h->method),
		STR_ARG(str_head(h->target, 300)), r->status,
		json_text(r->fault.error, "code"), (long long)(now_ms() - began));
	json_free(rule);
	request_free(r);
}
