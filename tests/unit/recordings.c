/*
 * What Azure answered to others, years ago and lately, given to our side: a
 * player that only knows the recorded bytes answers what our client asks, over
 * the transport of armdouble.h.  Errors must keep their cause, operations must
 * reach the end they reached on Azure, lists must be read to their end, and
 * every exchange of every recording must have been served when all is over.
 * What is expected comes from the recorded bytes, by rules written here again.
 *
 * The recordings are beside the repository, not in it: ../shared/azure.
 */
#include <dirent.h>

#define ARM_HOST "management.azure.com"
#include "base/file.h"
#include "tests/armdouble.h"
#include "tests/check.h"

/* acts say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static struct {
	unsigned files, exchanges, served;
} total;

static void told(const char *file, int i, const char *what, const char *why)
{
	char name[200];

	snprintf(name, sizeof(name), "%s %d %s", file, i, what);
	check_why(name, why);
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
			r->http.head.fields[r->http.head.n_fields++] =
				(struct http_field){ str_of(f->string),
						     str_of(f->valuestring) };
	buf_adds(&r->http.body, text_of(x, "response_body"));
	if (r->http.body.n > 0)
		r->doc = json_parse(buf_str(&r->http.body), "answer", &ignored);
}

/* ---- errors ---------------------------------------------------------------- */

/* Codes and messages by how deep they are, the deepest kept. */
struct deepest {
	unsigned depth;
	struct buf words; /* '\n' between */
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
		const cJSON *code = json_get_i(v, "code"),
			    *message = json_get_i(v, "message");

		if (cJSON_IsString(code))
			keep(d, depth, code->valuestring);
		if (cJSON_IsString(message)) {
			nested = json_parse(str_of(message->valuestring),
					    "message", &ignored);
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

/* ---- which exchange answers for what another one began ------------------------ */

/* The address that an answer sends the client to; "" when it sends it nowhere. */
static const char *sent_to(const cJSON *x)
{
	const char *async = field_of(x, "azure-asyncoperation"),
		   *location = field_of(x, "location");

	return *async ? async : status_of(x) == 202 ? location : "";
}

/* What follows the last '/': an operation's id, and the query. */
static const char *id_of(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash ? slash : url;
}

/* poll is one of the operation at url: recorders gave some other names to
 * deployments, but not to operations. */
static bool is_poll(const cJSON *poll, const char *url)
{
	const char *asked = text_of(poll, "url");

	return strcmp(text_of(poll, "method"), "GET") == 0 &&
	       (strcmp(asked, url) == 0 ||
		(strstr(asked, "/operationStatuses/") != NULL &&
		 strcmp(id_of(asked), id_of(url)) == 0));
}

/* The next one behind x that answers for the operation at url.  Some clients
 * asked for the resource instead: its state is the operation's. */
static const cJSON *next_poll(const cJSON *began, const cJSON *x, const char *url)
{
	const cJSON *any;

	for (any = began->next; any != NULL && !is_poll(any, url); any = any->next)
		;
	if (any == NULL)
		url = text_of(began, "url");
	for (x = x->next; x != NULL && !is_poll(x, url); x = x->next)
		;
	return x;
}

/* ---- the player -------------------------------------------------------------- */

/* One recording.  Of exchanges that ask for the same the first that was not
 * served yet is next; when all were, the last one is given again. */
struct player {
	const char *file;
	const cJSON *exchanges;
	bool *served;
	struct act act;
	struct buf fields;
	const cJSON *last; /* served */
	int64_t last_at;
	const cJSON *began, *polled; /* what is polled, and where it stands */
	char state[100];	     /* an answer made of a resource's */
	struct buf wrong;	     /* of what the client did */
};

static bool same_body(const cJSON *x, struct str body)
{
	struct err ignored = ERR_INIT;
	cJSON *was = json_parse(str_of(text_of(x, "request_body")), "recorded",
				&ignored);
	cJSON *is = json_parse(body, "sent", &ignored);
	bool same = was == NULL || cJSON_Compare(was, is, true);

	json_free(was);
	json_free(is);
	return same;
}

/* Fields that say how the body was framed are said anew. */
static bool is_framing(const char *name)
{
	static const char names[] =
		" content-length transfer-encoding connection content-encoding ";
	struct str rest = STR(names), one;

	while (str_next(&rest, ' ', &one))
		if (one.n > 0 && str_ieqz(one, name))
			return true;
	return false;
}

/* Asked again for the same: not before the last answer allowed it. */
static void check_pause(struct player *p, const cJSON *x)
{
	const char *wanted = p->last ? field_of(p->last, "retry-after") : "";
	int64_t pause = fake.now - p->last_at,
		s = *wanted ? strtol(wanted, NULL, 10) : -1;

	if (p->last == NULL ||
	    strcmp(text_of(p->last, "url"), text_of(x, "url")) != 0 ||
	    status_of(p->last) >= 300)
		return;
	if (s > 0 ? pause != s * 1000 : pause > 60000)
		buf_addf(&p->wrong, "asks after %lld ms, Retry-After was \"%s\"",
			 (long long)pause, wanted);
}

static void fill(struct player *p, const cJSON *x, const char *body)
{
	const cJSON *f;

	p->last = x;
	p->last_at = fake.now;
	buf_reset(&p->fields);
	cJSON_ArrayForEach(f, json_get(x, "response_headers"))
		if (cJSON_IsString(f) && !is_framing(f->string))
			buf_addf(&p->fields, "%s: %s\r\n", f->string,
				 f->valuestring);
	p->act = (struct act){ .status = status_of(x),
			       .fields = p->fields.str,
			       .body = body };
}

/* A poll at an address that nobody asked, or under another name. */
static const struct act *answer_for(struct player *p)
{
	const cJSON *x = next_poll(p->began, p->polled, sent_to(p->began));
	struct azure_reply r;

	p->polled = x != NULL ? x : p->polled;
	reply_of(p->polled, &r);
	snprintf(p->state, sizeof(p->state), "{\"status\":\"%s\"}",
		 json_str_opt(r.doc, "status",
			      json_str_opt(r.doc, "properties.provisioningState",
					   "Succeeded")));
	azure_reply_release(&r);
	fill(p, p->polled, p->state);
	return &p->act;
}

static const struct act *choose(void *ctx, struct str method, struct str url,
				struct str body)
{
	struct player *p = ctx;
	const cJSON *x, *found = NULL;
	size_t i = 0, at = 0;

	cJSON_ArrayForEach(x, p->exchanges) {
		if (str_eqz(method, text_of(x, "method")) &&
		    str_eqz(url, text_of(x, "url")) &&
		    (found == NULL || p->served[at])) {
			found = x;
			at = i;
		}
		i++;
	}
	if (found == NULL && p->began != NULL && str_eqz(url, sent_to(p->began)))
		return answer_for(p);
	if (found == NULL) {
		buf_addf(&p->wrong, "%.*s %.*s was not recorded",
			 STR_ARG(method), STR_ARG(url));
		return NULL;
	}
	if (!same_body(found, body))
		buf_addf(&p->wrong, "the body of %.*s is another",
			 STR_ARG(method));
	check_pause(p, found);
	p->served[at] = true;
	if (*sent_to(found) != '\0' && p->began == NULL)
		p->began = p->polled = found;
	fill(p, found,
	     str_eqz(method, "HEAD") ? NULL : text_of(found, "response_body"));
	return &p->act;
}

/* ---- what the client makes of it ------------------------------------------- */

static const char *name_of(enum lro_state state)
{
	return state == LRO_WAIT ? "waiting" :
	       state == LRO_DONE ? "done" :
				   "failed";
}

/* The state that an answer stands for. */
static enum lro_state recorded_state(const cJSON *x)
{
	struct azure_reply r;
	enum lro_state state;
	const char *word;

	reply_of(x, &r);
	word = json_str_opt(r.doc, "status",
			    json_str_opt(r.doc, "properties.provisioningState",
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

/* The exchange that ends what x begins, x itself when that needs no polls; NULL
 * when the end was not recorded, *polls then says whether any poll was. */
static const cJSON *end_of(const cJSON *x, bool *polls)
{
	const char *url = sent_to(x), *method = text_of(x, "method");
	const cJSON *began = x;

	*polls = false;
	if (*url == '\0' && recorded_state(x) == LRO_WAIT &&
	    (strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0))
		url = text_of(x, "url");
	if (*url == '\0')
		return x;
	while ((x = next_poll(began, x, url)) != NULL &&
	       recorded_state(x) == LRO_WAIT)
		*polls = true;
	return x;
}

static bool is_recorded(const cJSON *from, const char *method, const char *url)
{
	for (; from != NULL; from = from->next)
		if (strcmp(text_of(from, "method"), method) == 0 &&
		    strcmp(text_of(from, "url"), url) == 0)
			return true;
	return false;
}

/* A refusal, as the person sees it. */
static void check_error(const cJSON *x, const struct err *e, struct buf *why)
{
	struct azure_reply r;
	char status[20];

	reply_of(x, &r);
	snprintf(status, sizeof(status), "HTTP %u", status_of(x));
	if (strstr(e->msg, status) == NULL)
		buf_addf(why, "no %s in \"%s\"", status, e->msg);
	else if (says_cause(e->msg, r.doc, why) &&
		 *field_of(x, "x-ms-request-id") &&
		 strstr(e->msg, field_of(x, "x-ms-request-id")) == NULL)
		buf_addf(why, "no request id in \"%s\"", e->msg);
	azure_reply_release(&r);
}

/* What came out is the recorded document. */
static void check_document(const cJSON *x, const struct azure_reply *r,
			   struct buf *why)
{
	struct azure_reply want;

	reply_of(x, &want);
	if (want.doc != NULL && strcmp(text_of(x, "method"), "HEAD") != 0 &&
	    !cJSON_Compare(want.doc, r->doc, true))
		buf_adds(why, "another document");
	azure_reply_release(&want);
}

static void ask(struct rig *g, const cJSON *x, struct buf *why)
{
	struct azure_reply r;
	struct err e = ERR_INIT;
	int rc = azure_call(&g->az, text_of(x, "method"), text_of(x, "url"),
			    NULL, 0, &r, &e);

	if (status_of(x) >= 400 && rc == 0)
		buf_adds(why, "no error");
	else if (status_of(x) >= 400)
		check_error(x, &e, why);
	else if (rc < 0)
		buf_adds(why, e.msg);
	else
		check_document(x, &r, why);
	azure_reply_release(&r);
}

static void operate(struct rig *g, const cJSON *x, struct buf *why)
{
	bool polls;
	const cJSON *end = end_of(x, &polls);
	/* one that was still going on when the recording ended goes on */
	struct azure_wait w = { .what = "it",
				.limit_ms = 1800000,
				.no_wait = end == NULL && !polls };
	struct azure_reply r = { 0 }, last;
	struct err e = ERR_INIT, ignored = ERR_INIT;
	const char *url = text_of(x, "url");
	bool get = end != NULL && end != x && is_recorded(end, "GET", url) &&
		   strcmp(text_of(x, "method"), "DELETE") != 0;
	cJSON *body = json_parse(str_of(text_of(x, "request_body")), "recorded",
				 &ignored);
	enum lro_state want = end == NULL ? (polls ? LRO_WAIT : LRO_DONE) :
			      end == x && status_of(x) < 400 ?
					    LRO_DONE :
					    recorded_state(end);
	int rc = azure_do(&g->az, text_of(x, "method"), url, body, &w,
			  get ? &r : NULL, &e);

	if ((rc == 0) != (want == LRO_DONE))
		buf_addf(why, "ends %s, recorded as %s: %s",
			 rc == 0 ? "done" : "failed", name_of(want), e.msg);
	else if (want == LRO_WAIT && e.kind != ERR_TIMEOUT)
		buf_addf(why, "does not go on waiting: %s", e.msg);
	else if (rc < 0 && end == x)
		check_error(x, &e, why);
	else if (rc < 0 && want == LRO_FAILED) {
		reply_of(end, &last);
		says_cause(e.msg, last.doc, why);
		azure_reply_release(&last);
	} else if (get && ((struct player *)g->d.choose_ctx)->last != NULL) {
		check_document(((struct player *)g->d.choose_ctx)->last, &r, why);
	}
	azure_reply_release(&r);
	json_free(body);
}

static int count(void *ctx, const cJSON *item, struct err *e)
{
	unsigned *n = ctx;

	(void)e;
	*n += cJSON_IsObject(item) ? 1 : 0;
	return 0;
}

/* Items of this page and of those that it leads to.  -1: one was not recorded. */
static int items_from(const cJSON *x, const cJSON *exchanges)
{
	int n = 0, more = 0;
	struct azure_reply r;
	const char *next;

	reply_of(x, &r);
	n = cJSON_GetArraySize(json_get(r.doc, "value"));
	next = json_str_opt(r.doc, "nextLink", "");
	if (*next != '\0') {
		more = -1;
		cJSON_ArrayForEach(x, exchanges)
			if (more < 0 && strcmp(text_of(x, "url"), next) == 0)
				more = items_from(x, exchanges);
	}
	azure_reply_release(&r);
	return more < 0 ? -1 : n + more;
}

static void list(struct rig *g, const cJSON *x, const cJSON *exchanges,
		 struct buf *why)
{
	struct err e = ERR_INIT;
	struct player *p = g->d.choose_ctx;
	unsigned got = 0;
	int want = items_from(x, exchanges);
	int rc = azure_list(&g->az, text_of(x, "url"), "list", count, &got, &e);

	if (want < 0) {
		/* it ends where the recording does, and not before */
		if (rc == 0 || strstr(p->wrong.str, " was not recorded") == NULL)
			buf_adds(why, "did not ask for the next page");
		buf_reset(&p->wrong);
	} else if (rc < 0) {
		buf_adds(why, e.msg);
	} else if (got != (unsigned)want) {
		buf_addf(why, "%u items, not %d", got, want);
	}
}

/* Polls whose beginning was not recorded: a group that is being deleted. */
static void poll_orphans(struct player *p, struct buf *why)
{
	const cJSON *first = p->exchanges->child, *x;
	struct lro op = { .how = LRO_LOCATION,
			  .url = xstrdup(text_of(first, "url")),
			  .deleting = true,
			  .deadline_ms = 24 * 3600000 };
	enum lro_state state = LRO_WAIT;
	int64_t now = 0;
	size_t i = 0;

	for (x = first; x != NULL && state == LRO_WAIT && why->n == 0;
	     x = x->next, i++) {
		struct azure_reply r;
		struct err e = ERR_INIT;

		if (strcmp(text_of(x, "url"), op.url) != 0)
			break;
		reply_of(x, &r);
		state = lro_step(&op, &r, now, &e);
		now = op.next_ms;
		if (state != recorded_state(x))
			buf_addf(why, "%s, recorded as %s: %s", name_of(state),
				 name_of(recorded_state(x)), e.msg);
		if (state == LRO_FAILED)
			says_cause(e.msg, r.doc, why);
		azure_reply_release(&r);
		p->served[i] = true;
	}
	lro_release(&op);
}

/* ---- files ----------------------------------------------------------------- */

static void play_exchange(struct player *p, const cJSON *x)
{
	static const struct act anything[] = { { "GET /", .times = EVER } };
	const char *method = text_of(x, "method"), *what;
	bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	struct buf why = BUF_INIT(1u << 20);
	struct azure_reply r;
	struct rig g;
	char name[80];
	bool polls = false;

	rig_open(&g, anything, NULL);
	g.d.choose = choose;
	g.d.choose_ctx = p;
	g.d.piece = 1000;
	p->last = p->began = NULL;
	reply_of(x, &r);
	if (reads && status_of(x) == 200 &&
	    cJSON_IsArray(json_get(r.doc, "value"))) {
		what = "list";
		list(&g, x, p->exchanges, &why);
	} else if (reads) {
		what = status_of(x) >= 400 ? "error" : "answer";
		ask(&g, x, &why);
	} else {
		what = status_of(x) >= 400	 ? "error" :
		       end_of(x, &polls) != NULL ? "to its end" :
		       polls			 ? "is waited for" :
						   "begins";
		operate(&g, x, &why);
	}
	if (why.n == 0)
		double_content(&g.d, &why);
	buf_addstr(&why, buf_str(&p->wrong));
	buf_reset(&p->wrong);
	snprintf(name, sizeof(name), "%s %u %s", method, status_of(x), what);
	told(p->file, (int)json_int_opt(x, "i", -1), name, why.str);
	azure_reply_release(&r);
	rig_close(&g);
	buf_release(&why);
}

static void play_exchanges(const char *file, const cJSON *exchanges)
{
	size_t n = (size_t)cJSON_GetArraySize(exchanges), i = 0, served = 0;
	struct player p = { .file = file,
			    .exchanges = exchanges,
			    .served = xcalloc(n + 1, 1),
			    .fields = BUF_INIT(1u << 20),
			    .wrong = BUF_INIT(1u << 20) };
	const cJSON *x, *first = exchanges->child;

	if (first != NULL && status_of(first) == 202 &&
	    strcmp(field_of(first, "location"), text_of(first, "url")) == 0) {
		poll_orphans(&p, &p.wrong);
		told(file, (int)json_int_opt(first, "i", -1),
		     "polls to their end", p.wrong.str);
		buf_reset(&p.wrong);
	}
	/* what the client did not ask for by itself, it is made to */
	cJSON_ArrayForEach(x, exchanges)
		if (!p.served[i++])
			play_exchange(&p, x);
	for (i = 0; i < n; i++)
		served += p.served[i];
	total.exchanges += (unsigned)n;
	total.served += (unsigned)served;
	free(p.served);
	buf_release(&p.fields);
	buf_release(&p.wrong);
}

static void play_file(const char *dir, const char *file)
{
	char *path = xasprintf("%s/%s", dir, file);
	struct buf text = BUF_INIT(16u << 20);
	struct err e = ERR_INIT;
	const cJSON *exchanges;
	cJSON *doc = NULL;

	total.files++;
	if (file_read(path, &text, &e) < 0 ||
	    (doc = json_parse(buf_str(&text), file, &e)) == NULL)
		told(file, 0, "readable", e.msg);
	else if ((exchanges = json_get(doc, "exchanges")) == NULL)
		play_bare_error(file, doc);
	else
		play_exchanges(file, exchanges);
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
	char all[80];
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	n = scandir(dir, &entry, is_json, alphasort);
	if (n <= 0) {
		check_skip("all", "no recordings in ../shared/azure/recordings");
		free(dir);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		play_file(dir, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	free(dir);
	snprintf(all, sizeof(all), "all %u exchanges in %u files",
		 total.exchanges, total.files);
	checkf(total.served == total.exchanges && total.exchanges > 0, all,
	       "%u were served", total.served);
	return check_failed();
}
