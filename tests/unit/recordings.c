/*
 * What Azure answered to others, years ago and lately, given to our side:
 * errors must keep their cause, operations must reach the end they reached,
 * lists must be read to their end.  What is expected comes from the recorded
 * bytes, by rules written here again.
 *
 * The recordings are beside the repository, not in it: ../shared/azure.
 */
#include <dirent.h>

#define ARM_HOST "management.azure.com"
#include "tests/armdouble.h"

/* acts say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static int failures;

static void told(const char *file, int i, const char *what, const char *why)
{
	if (*why == '\0')
		printf("ok recordings %s %d %s\n", file, i, what);
	else
		printf("not ok recordings %s %d %s: %s\n", file, i, what, why);
	failures += *why != '\0';
}

/* ---- one exchange ---------------------------------------------------------- */

static const char *text_of(const cJSON *x, const char *name)
{
	return json_str_opt(x, name, "");
}

static unsigned status_of(const cJSON *x)
{
	return (unsigned)json_int_opt(x, "status", 0);
}

static const char *field_of(const cJSON *x, const char *name)
{
	const cJSON *v = json_get_i(json_get(x, "response_headers"), name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

/* The answer as http.c would give it; its slices point into x. */
static void reply_of(const cJSON *x, struct azure_reply *r)
{
	struct err ignored = ERR_INIT;
	const cJSON *f;

	*r = (struct azure_reply){ 0 };
	http_response_init(&r->http, 16u << 20);
	r->http.head.status = status_of(x);
	r->http.head.reason = str_of(http_reason(status_of(x)));
	cJSON_ArrayForEach(f, json_get(x, "response_headers"))
		if (cJSON_IsString(f) && r->http.head.n_fields < HTTP_FIELDS_MAX)
			r->http.head.fields[r->http.head.n_fields++] = (struct http_field){
				str_of(f->string), str_of(f->valuestring)
			};
	buf_adds(&r->http.body, text_of(x, "response_body"));
	if (r->http.body.n > 0)
		r->doc = json_parse(buf_str(&r->http.body), "answer", &ignored);
}

/* ---- errors ---------------------------------------------------------------- */

/* Codes and messages by how deep they are, the deepest kept. */
struct deepest {
	unsigned depth;
	struct buf words;	/* '\n' between */
};

static void keep(struct deepest *d, unsigned depth, const char *word)
{
	if (depth < d->depth || *word == '\0')
		return;
	if (depth > d->depth)
		buf_reset(&d->words);
	d->depth = depth;
	buf_addstr(&d->words, str_head(str_of(word), 100));
	buf_addc(&d->words, '\n');
}

static void look_for_words(const cJSON *v, unsigned depth, struct deepest *d)
{
	struct err ignored = ERR_INIT;
	const cJSON *in;
	cJSON *nested;

	if (cJSON_IsObject(v)) {
		const cJSON *code = json_get_i(v, "code"), *message = json_get_i(v, "message");

		if (cJSON_IsString(code))
			keep(d, depth, code->valuestring);
		if (cJSON_IsString(message)) {
			nested = json_parse(str_of(message->valuestring), "message", &ignored);
			if (cJSON_IsObject(nested))
				look_for_words(nested, depth + 1, d);
			else
				keep(d, depth, message->valuestring);
			json_free(nested);
		}
	}
	if (cJSON_IsObject(v) || cJSON_IsArray(v))
		cJSON_ArrayForEach(in, v)
			look_for_words(in, depth + 1, d);
}

/* What we said holds one of the deepest codes or messages. */
static bool says_cause(const char *said, const cJSON *doc, struct buf *why)
{
	struct deepest d = { .words = BUF_INIT(1u << 20) };
	struct str rest, word;
	bool found = false;

	look_for_words(doc, 1, &d);
	rest = buf_str(&d.words);
	while (!found && str_next(&rest, '\n', &word))
		found = word.n > 0 && str_find(str_of(said), word) >= 0;
	if (!found && d.words.n > 0)
		buf_addf(why, "\"%s\" lacks each of %s", said, d.words.str);
	if (d.words.n == 0)
		found = *said != '\0';
	buf_release(&d.words);
	return found;
}

static void play_error(const char *file, int i, const cJSON *x)
{
	struct buf why = BUF_INIT(1u << 20);
	struct azure_reply r;
	struct err e = ERR_INIT;
	char status[20];

	reply_of(x, &r);
	azure_error(&r.http.head, r.doc, buf_str(&r.http.body), &e);
	snprintf(status, sizeof(status), "HTTP %u", status_of(x));
	if (strstr(e.msg, status) == NULL)
		buf_addf(&why, "no %s in \"%s\"", status, e.msg);
	else if (says_cause(e.msg, r.doc, &why) && *field_of(x, "x-ms-request-id") &&
		 strstr(e.msg, field_of(x, "x-ms-request-id")) == NULL)
		buf_addf(&why, "no request id in \"%s\"", e.msg);
	told(file, i, "error", why.str);
	azure_reply_release(&r);
	buf_release(&why);
}

/* A file that is the bare body of a failed operation. */
static void play_bare_error(const char *file, const cJSON *doc)
{
	struct buf why = BUF_INIT(1u << 20);
	struct azure_reply r = { 0 };
	struct err e = ERR_INIT;
	struct lro op = { .how = LRO_ASYNC, .deadline_ms = 3600000 };

	http_response_init(&r.http, 1u << 20);
	r.http.head.status = 200;
	json_print(doc, &r.http.body);
	r.doc = json_parse(buf_str(&r.http.body), "body", &e);
	if (lro_step(&op, &r, 0, &e) != LRO_FAILED)
		buf_adds(&why, "not taken for a failure");
	else
		says_cause(e.msg, doc, &why);
	told(file, 0, "failed operation", why.str);
	azure_reply_release(&r);
	lro_release(&op);
	buf_release(&why);
}

/* ---- long-running operations ------------------------------------------------ */

static const char *name_of(enum lro_state state)
{
	return state == LRO_WAIT ? "waiting" : state == LRO_DONE ? "done" : "failed";
}

/* The state that the answer to a poll stands for. */
static enum lro_state recorded_state(const cJSON *x)
{
	struct azure_reply r;
	enum lro_state state;
	const char *word;

	reply_of(x, &r);
	word = json_str_opt(r.doc, "status", json_str_opt(r.doc, "properties.provisioningState",
	  ""));
	if (status_of(x) >= 400)
		state = LRO_FAILED;
	else if (strcmp(word, "Succeeded") == 0)
		state = LRO_DONE;
	else if (strcmp(word, "Failed") == 0 || strcmp(word, "Canceled") == 0)
		state = LRO_FAILED;
	else if (*word != '\0' || status_of(x) == 202)
		state = LRO_WAIT;
	else
		state = LRO_DONE;
	azure_reply_release(&r);
	return state;
}

/* The wait until the next poll is what the answer asked for, if it did. */
static void check_pause(const struct lro *op, const cJSON *x, int64_t now, struct buf *why)
{
	const char *wanted = field_of(x, "retry-after");
	int64_t pause = op->next_ms - now, s = *wanted ? strtol(wanted, NULL, 10) : -1;

	if (s > 0 ? pause != s * 1000 : pause < 1000 || pause > 60000)
		buf_addf(why, "pause of %lld ms after Retry-After \"%s\"", (long long)pause,
		  wanted);
}

/* Feed what begins with poll, as long as it polls this operation.  before:
 * the answer before it, NULL if there is none. */
static void play_polls(struct lro *op, enum lro_state state, const cJSON *before,
		       const cJSON *poll, struct buf *why)
{
	int64_t now = op->began_ms;

	/* the others sometimes asked once more, after the end */
	for (; state == LRO_WAIT && poll != NULL && why->n == 0; before = poll, poll = poll->next) {
		enum lro_state want = recorded_state(poll);
		struct azure_reply r;
		struct err e = ERR_INIT;

		if (op->url == NULL || strcmp(text_of(poll, "method"), "GET") != 0 ||
		    strcmp(text_of(poll, "url"), op->url) != 0)
			break;
		if (before != NULL)
			check_pause(op, before, now, why);
		now = op->next_ms;
		reply_of(poll, &r);
		state = lro_step(op, &r, now, &e);
		if (state != want)
			buf_addf(why, "exchange %d is %s, recorded as %s: %s",
				 (int)json_int_opt(poll, "i", -1), name_of(state), name_of(want),
				 e.msg);
		if (state == LRO_FAILED)
			says_cause(e.msg, r.doc, why);
		azure_reply_release(&r);
	}
}

static void play_operation(const char *file, int i, const cJSON *x)
{
	const char *method = text_of(x, "method"), *async, *location;
	struct buf why = BUF_INIT(1u << 20);
	struct azure_reply r;
	struct err e = ERR_INIT;
	struct lro op;
	enum lro_state state, want;
	char what[80];

	async = field_of(x, "azure-asyncoperation");
	location = field_of(x, "location");
	want = *async || (*location && status_of(x) == 202) ? LRO_WAIT : LRO_DONE;
	reply_of(x, &r);
	state = lro_start(&op, method, text_of(x, "url"), &r, 1000, 24 * 3600000, &e);
	if (state != want)
		buf_addf(&why, "begins %s, not %s: %s", name_of(state), name_of(want), e.msg);
	else if (state == LRO_WAIT && strcmp(op.url, *async ? async : location) != 0)
		buf_addf(&why, "polls %s", op.url);
	snprintf(what, sizeof(what), "%s %u to its end", method, status_of(x));
	play_polls(&op, state, x, x->next, &why);
	told(file, i, what, why.str);
	lro_release(&op);
	azure_reply_release(&r);
	buf_release(&why);
}

/* Polls whose beginning was not recorded: a group that is being deleted. */
static void play_orphans(const char *file, int i, const cJSON *first)
{
	struct buf why = BUF_INIT(1u << 20);
	struct lro op = { .how = LRO_LOCATION, .url = xstrdup(text_of(first, "url")),
			  .deleting = true, .deadline_ms = 24 * 3600000 };

	play_polls(&op, LRO_WAIT, NULL, first, &why);
	told(file, i, "polls to their end", why.str);
	lro_release(&op);
	buf_release(&why);
}

/* ---- lists ----------------------------------------------------------------- */

static int count(void *ctx, const cJSON *item, struct err *e)
{
	unsigned *n = ctx;

	(void)e;
	*n += cJSON_IsObject(item) ? 1 : 0;
	return 0;
}

static const cJSON *exchange_of(const cJSON *from, const char *url)
{
	for (; from != NULL; from = from->next)
		if (strcmp(text_of(from, "url"), url) == 0)
			return from;
	return NULL;
}

#define PAGES 20

static void play_list(const char *file, int i, const cJSON *x)
{
	struct act acts[PAGES + 1] = { { NULL } };
	char *requests[PAGES] = { NULL };
	cJSON *docs[PAGES] = { NULL };
	struct buf why = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	const char *url = text_of(x, "url");
	unsigned want = 0, got = 0;
	size_t n;
	struct rig g;

	/* this page and those it leads to; those that were not recorded are empty */
	for (n = 0; n < PAGES && url[0] != '\0'; n++) {
		requests[n] = xasprintf("GET %s", url);
		acts[n] = (struct act){ .request = requests[n], .status = 200,
					.body = x ? text_of(x,
					  "response_body") : "{\"value\":[]}" };
		docs[n] = json_parse(str_of(acts[n].body), "page", &e);
		want += (unsigned)cJSON_GetArraySize(json_get(docs[n], "value"));
		url = json_str_opt(docs[n], "nextLink", "");
		x = x ? exchange_of(x->next, url) : NULL;
	}
	rig_open(&g, acts, NULL);
	g.d.piece = 1000;
	if (azure_list(&g.az, requests[0] + 4, "list", count, &got, &e) < 0)
		buf_adds(&why, e.msg);
	else if (double_content(&g.d, &why) && got != want)
		buf_addf(&why, "%u items, not %u", got, want);
	told(file, i, "list", why.str);
	rig_close(&g);
	buf_release(&why);
	for (n = 0; n < PAGES; n++) {
		free(requests[n]);
		json_free(docs[n]);
	}
}

/* ---- files ----------------------------------------------------------------- */

static void play_exchange(const char *file, const cJSON *x)
{
	int i = (int)json_int_opt(x, "i", -1);
	const char *method = text_of(x, "method");
	struct azure_reply r;

	if (status_of(x) >= 400) {
		play_error(file, i, x);
		return;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		play_operation(file, i, x);
		return;
	}
	reply_of(x, &r);
	if (status_of(x) == 200 && cJSON_IsArray(json_get(r.doc, "value")))
		play_list(file, i, x);
	azure_reply_release(&r);
}

static void play_file(const char *dir, const char *file)
{
	char *path = xasprintf("%s/%s", dir, file);
	struct buf text = BUF_INIT(16u << 20);
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	const cJSON *x, *first, *exchanges;
	const char *location;

	if (file_read(path, &text, &e) < 0 ||
	    (doc = json_parse(buf_str(&text), file, &e)) == NULL) {
		told(file, 0, "readable", e.msg);
	} else if ((exchanges = json_get(doc, "exchanges")) == NULL) {
		play_bare_error(file, doc);
	} else {
		first = exchanges->child;
		location = first ? field_of(first, "location") : "";
		if (first != NULL && status_of(first) == 202 &&
		    strcmp(location, text_of(first, "url")) == 0)
			play_orphans(file, (int)json_int_opt(first, "i", -1), first);
		cJSON_ArrayForEach(x, exchanges)
			play_exchange(file, x);
	}
	json_free(doc);
	buf_release(&text);
	free(path);
}

static int is_json(const struct dirent *d)
{
	return str_ends(str_of(d->d_name), STR(".json"));
}

int main(void)
{
	const char *src = getenv("SRCDIR");
	char *dir = xasprintf("%s/../shared/azure/recordings", src ? src : ".");
	struct dirent **entry;
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	n = scandir(dir, &entry, is_json, alphasort);
	if (n <= 0) {
		printf("skip recordings all: no recordings in ../shared/azure/recordings\n");
		free(dir);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		play_file(dir, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	free(dir);
	return failures > 0;
}
