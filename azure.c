/*
 * Azure Resource Manager as a client sees it.  Builds requests, reads errors
 * in all the shapes that resource providers give them, repeats what may be
 * repeated, follows pages and long-running operations.  Knows no resource
 * type: which ones are asked for is the caller's business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "http/retry.h"

#define EXCHANGE_MS 120000		/* the gateway itself gives up after 60 s */
#define CONFLICT_MS 300000		/* how long "another operation" may take */
#define CONFLICT_WAIT_MS 10000
#define REGISTER_MS 600000
#define REGISTER_WAIT_MS 10000
#define PAGES_MAX 10000
#define NESTING_MAX 8			/* messages that are JSON texts */
#define SAID_MAX 700			/* of a cause, so that the ids behind it are seen */
/* private flags: what this call does not do, for it is part of doing it */
#define NO_REGISTERING 0x100u
#define NO_POLICY_TOKEN 0x200u
#define API_POLICY_TOKEN "2025-11-01"
#define CLAIMS_MAX 8192
#define USER_AGENT "azswarm"
#define POLL_MS 5000			/* compute allows 15 polls a minute, 45 at once */
#define POLL_LEAST_MS 1000		/* whatever Retry-After says */
#define POLL_LATER_MS 15000		/* after POLL_PATIENCE_MS */
#define POLL_PATIENCE_MS 180000
#define POLL_MISSING_MAX 10
#define POLL_DROPPED_MAX 3

int azure_init(struct azure *az, struct entra *entra, const char *arm,
	       const char *subscription, struct http_dialer dialer, struct azure_clock clock,
	       struct err *e)
{
	struct err ignored = ERR_INIT;
	struct http_url u;
	size_t n = strlen(arm);

	*az = (struct azure){ .entra = entra, .clock = clock };
	while (n > 0 && arm[n - 1] == '/')
		n--;
	if (http_url_parse((struct str){ arm, n }, &u, &ignored) < 0 || !u.tls || u.path.n > 1) {
		err_set(e, ERR_USAGE, "\"%s\" is not an https URL without a path", arm);
		return err_in(e, "Azure Resource Manager endpoint");
	}
	az->arm = xstrndup(arm, n);
	memcpy(az->arm_host, u.host, sizeof(az->arm_host));
	az->arm_port = u.port;
	az->subscription = xstrdup(subscription);
	http_client_init(&az->http, dialer, USER_AGENT);
	return 0;
}

void azure_release(struct azure *az)
{
	free(az->arm);
	free(az->subscription);
	burn_str(az->policy_token);
	http_client_release(&az->http);
	*az = (struct azure){ 0 };
}

void azure_reply_release(struct azure_reply *r)
{
	json_free(r->doc);
	r->doc = NULL;
	http_response_release(&r->http);
}

char *azure_path(const struct azure *az, const char *fmt, ...)
{
	struct buf b = BUF_INIT(16u << 10);
	va_list ap;

	buf_addf(&b, "/subscriptions/%s", az->subscription);
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return buf_detach(&b);
}

/* ---- errors ---- */

const char *azure_error_code(const cJSON *doc)
{
	const cJSON *in = json_get_i(doc, "error"), *code;

	code = json_get_i(cJSON_IsObject(in) ? in : doc, "code");
	return cJSON_IsString(code) ? code->valuestring : "";
}

static const char *field_i(const cJSON *o, const char *name)
{
	const cJSON *v = json_get_i(o, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

/* A message that is itself a JSON document, as deployments nest them.  NULL
 * when it is just text.  Caller frees. */
static cJSON *message_doc(const char *message)
{
	struct str s = str_trim(str_of(message));
	struct err ignored = ERR_INIT;

	if (s.n == 0 || s.p[0] != '{')
		return NULL;
	return json_parse(s, "message", &ignored);
}

/* As much of s as fits, cut between characters; out is then over. */
static void add_some(struct buf *out, struct str s)
{
	size_t room = out->over ? 0 : out->max - out->n;

	if (s.n <= room) {
		buf_addstr(out, s);
		return;
	}
	while (room > 0 && ((unsigned char)s.p[room] & 0xc0) == 0x80)
		room--;
	buf_addstr(out, str_head(s, room));
	out->over = true;
}

/* Which policy it is that refuses. */
static void say_policy(const cJSON *o, struct buf *out)
{
	static const char *const names[][2] = {
		{ "policyDefinitionDisplayName", " (policy \"" },
		{ "policyAssignmentName", "\", assignment \"" },
	};
	const cJSON *a, *info;

	cJSON_ArrayForEach(a, json_get_i(o, "additionalInfo")) {
		info = json_get_i(a, "info");
		if (*field_i(info, names[0][0]) == '\0')
			continue;
		for (size_t i = 0; i < 2; i++) {
			add_some(out, str_of(names[i][1]));
			add_some(out, str_of(field_i(info, names[i][0])));
		}
		add_some(out, STR("\")"));
	}
}

/*
 * What an error body comes down to: the text for a person, and code and target
 * of the first cause, for whoever decides what happens now.
 */
struct cause {
	struct buf text;
	char code[64], target[64];
};

#define CAUSE_INIT(ceiling) { .text = BUF_INIT(ceiling) }

/*
 * Compute has no code for a quota of cores that is used up: it says
 * OperationNotAllowed, as for much else, and "quota" in the message only.
 * This is where that becomes the code that other services use.
 */
static const char *code_meant(const char *code, const char *message)
{
	bool quota = str_ieqz(str_of(code), "OperationNotAllowed") &&
		str_find(str_of(message), STR("uota")) >= 0;

	return quota ? "QuotaExceeded" : code;
}

static void say_one(const cJSON *o, struct cause *c)
{
	const char *code = field_i(o, "code"), *message = field_i(o, "message");
	const char *target = field_i(o, "target");
	struct buf *out = &c->text;

	if (c->code[0] == '\0' && c->target[0] == '\0') {
		snprintf(c->code, sizeof(c->code), "%s", code_meant(code, message));
		snprintf(c->target, sizeof(c->target), "%s", target);
	}
	add_some(out, str_of(code));
	say_policy(o, out);	/* first, for the message is long */
	add_some(out, str_of(*code && *message ? ": " : ""));
	add_some(out, str_of(message));
	if (*target != '\0') {
		add_some(out, STR(" (target "));
		add_some(out, str_of(target));
		add_some(out, STR(")"));
	}
}

/* Walk to the deepest details that say something and say them; what wraps
 * them ("At least one operation failed") helps nobody.  The parser bounds how
 * deep objects go, depth how many texts are parsed within texts. */
static bool say_innermost(const cJSON *o, unsigned depth, struct cause *c)
{
	const cJSON *in, *d, *details;
	const char *code, *message;
	bool said = false;
	cJSON *nested;

	if (!cJSON_IsObject(o))
		return false;
	in = json_get_i(o, "error");
	if (cJSON_IsObject(in))
		return say_innermost(in, depth, c);

	code = field_i(o, "code");
	message = field_i(o, "message");
	details = json_get_i(o, "details");
	if (cJSON_IsArray(details)) {
		cJSON_ArrayForEach(d, details) {
			size_t before = c->text.n;

			if (said)
				add_some(&c->text, STR("; "));
			if (say_innermost(d, depth, c))
				said = true;
			else
				buf_truncate(&c->text, before);
		}
	}
	if (said)
		return true;
	nested = depth < NESTING_MAX ? message_doc(message) : NULL;
	if (nested != NULL) {
		said = say_innermost(nested, depth + 1, c);
		json_free(nested);
		if (said)
			return true;
	}
	in = json_get_i(o, "innererror");
	if (*message == '\0' && cJSON_IsObject(in) && say_innermost(in, depth, c))
		return true;
	if (*code == '\0' && *message == '\0')
		return false;
	say_one(o, c);
	return true;
}

int azure_error_doc(const cJSON *doc, struct err *e)
{
	struct cause c = CAUSE_INIT(SAID_MAX);

	if (!say_innermost(doc, 0, &c))
		buf_adds(&c.text, "Azure gave no reason");
	err_refused(e, ERR_AZURE, c.code, c.target, "%s%s", c.text.str,
		    c.text.over ? "..." : "");
	buf_release(&c.text);
	return -1;
}

int azure_error(const struct http_head *h, const cJSON *doc, struct str raw, struct err *e)
{
	struct str id = http_field(h, "x-ms-request-id");
	struct str correlation = http_field(h, "x-ms-correlation-request-id");
	struct buf ids = BUF_INIT(512);
	struct cause c = CAUSE_INIT(SAID_MAX);
	bool said = say_innermost(doc, 0, &c);

	if (said)
		buf_addf(&ids, "HTTP %u", h->status);
	else {
		buf_addf(&c.text, "HTTP %u %.*s%s", h->status,
			 STR_ARG(str_head(h->reason, 80)), raw.n ? ": " : "");
		add_some(&c.text, str_trim(raw));
	}
	if (id.n > 0)
		buf_addf(&ids, "%srequest %.*s", ids.n ? ", " : "", STR_ARG(str_head(id, 100)));
	if (correlation.n > 0)
		buf_addf(&ids, "%scorrelation %.*s", ids.n ? ", " : "",
			 STR_ARG(str_head(correlation, 100)));
	err_refused(e, ERR_AZURE, c.code, c.target, "%s%s [%s]", c.text.str,
		    c.text.over ? "..." : "", ids.n ? ids.str : "no request id");
	if (h->status == 401)
		http_blame_clock(http_clock_ahead(h), e);
	buf_release(&c.text);
	buf_release(&ids);
	return -1;
}

/* ---- lists, an element at a time ---- */

/*
 * Takes an answer {"value": [ {...}, ... ], "nextLink": ...} as it arrives and
 * hands over each element of the array when it is complete: the list of VM
 * sizes has megabytes, and none of it need stay.  What is not an element goes
 * to rest, for the parser.  Only finds the elements; whether they are JSON,
 * the parser tells.
 */
struct splitter {
	int (*fn)(void *ctx, const cJSON *item, struct err *e);
	void *ctx;
	struct buf item, rest, key;
	unsigned depth;
	bool in_string, escaped;
	bool is_value;			/* the string last seen at depth 1 was "value" */
	bool in_array, in_item;
	unsigned done;			/* of this page; a repeated page skips these */
	unsigned seen;
	bool refused;			/* fn did not take an element: no matter for another try */
	const struct http_head *head;
	struct buf *refusal;		/* gets the body of an answer that is none of ours */
};

#define ITEM_MAX (1u << 20)
#define REST_MAX (64u << 10)

static void split_restart(struct splitter *s)
{
	buf_reset(&s->item);
	buf_reset(&s->rest);
	buf_reset(&s->key);
	s->depth = s->seen = 0;
	s->in_string = s->escaped = s->is_value = s->in_array = s->in_item = false;
}

static int split_item(struct splitter *s, struct err *e)
{
	cJSON *doc;
	int rc = 0;

	if (buf_check(&s->item, "an element of the list", e) < 0)
		return -1;
	if (++s->seen > s->done) {
		if ((doc = json_parse(buf_str(&s->item), "element", e)) == NULL)
			return -1;
		rc = s->fn(s->ctx, doc, e);
		s->refused = rc < 0;
		json_free(doc);
		s->done++;
	}
	buf_reset(&s->item);
	s->in_item = false;
	return rc;
}

static int split_byte(struct splitter *s, char c, struct err *e)
{
	bool was_string = s->in_string;

	if (s->in_array && s->depth == 2 && !s->in_string && c == '{')
		s->in_item = true;
	buf_addc(s->in_item ? &s->item : &s->rest, c);
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
	} else if (c == '"') {
		s->in_string = true;
	} else if (c == '{' || c == '[') {
		if (c == '[' && s->depth == 1 && s->is_value)
			s->in_array = true;
		s->depth++;
	} else if ((c == '}' || c == ']') && s->depth > 0) {
		s->depth--;
		if (s->in_array && s->depth == 1)
			s->in_array = false;
		if (s->in_item && s->depth == 2)
			return split_item(s, e);
	} else if (c == ',' && s->in_array && s->depth == 2) {
		s->rest.n--;		/* the commas between what is taken out */
		s->rest.str[s->rest.n] = '\0';
	}
	/* remember the last string at depth 1: the name in front of a value */
	if (s->depth == 1 && (was_string || s->in_string)) {
		if (!was_string)
			buf_reset(&s->key);
		else if (s->in_string)
			buf_addc(&s->key, c);
		s->is_value = str_eqz(buf_str(&s->key), "value");
	}
	return 0;
}

static int split_body(void *ctx, struct str piece, struct err *e)
{
	struct splitter *s = ctx;

	if (s->head->status != 200) {
		buf_addstr(s->refusal, piece);
		return 0;
	}
	for (size_t i = 0; i < piece.n; i++)
		if (split_byte(s, piece.p[i], e) < 0)
			return -1;
	return buf_check(&s->rest, "what is not the list", e);
}

/* ---- one request ---- */

static bool on_arm_host(const struct azure *az, const char *url, struct err *e)
{
	struct http_url u;
	struct str host, suffix;

	if (http_url_parse(str_of(url), &u, e) < 0)
		return false;
	host = str_of(u.host);
	suffix = str_of(az->arm_host);
	/* the ARM host itself or a region of it: "eastus.management..." */
	if (u.tls && u.port == az->arm_port && str_ends(host, suffix) &&
	    (host.n == suffix.n || host.p[host.n - suffix.n - 1] == '.'))
		return true;
	err_set(e, ERR_PROTO, "Azure named a URL on %s; our token only goes to %s",
		u.host, az->arm_host);
	return false;
}

static int exchange(struct azure *az, const char *method, const char *url, struct str body,
		    unsigned flags, struct splitter *split, struct azure_reply *r, struct err *e)
{
	const char *fields[8];
	const char *token;
	struct buf auth = BUF_INIT(ENTRA_TOKEN_MAX + 64);
	char guid[37], id[64];
	struct http_request q = {
		.method = method, .url = url, .fields = fields, .body = body,
		.idempotent = !(flags & AZURE_ONCE),
	};
	struct err ignored = ERR_INIT;
	size_t n = 0;
	int rc = -1;

	azure_reply_release(r);
	http_response_init(&r->http, ARM_ANSWER_MAX);
	if (entra_token(az->entra, &token, e) < 0)
		return -1;
	buf_addf(&auth, "Authorization: Bearer %s", token);
	random_guid(guid);
	snprintf(id, sizeof(id), "x-ms-client-request-id: %s", guid);
	fields[n++] = auth.str;
	fields[n++] = "Accept: application/json";
	fields[n++] = id;
	if (body.p != NULL)
		fields[n++] = "Content-Type: application/json";
	if (flags & NO_POLICY_TOKEN)
		fields[n++] = "x-ms-force-sync: true";
	else if (az->policy_token != NULL)
		fields[n++] = az->policy_token;
	fields[n] = NULL;
	q.deadline_ms = now_ms() + EXCHANGE_MS;
	if (split != NULL) {
		split_restart(split);
		split->head = &r->http.head;
		split->refusal = &r->http.body;
		r->http.on_body = split_body;
		r->http.ctx = split;
	}
	rc = http_exchange(&az->http, &q, &r->http, e);
	if (rc == 0 && r->http.body.n > 0)
		r->doc = json_parse(buf_str(&r->http.body), "answer", &ignored);
	/* the page of somebody who sits between, and no word from Azure */
	if (rc == 0 && split == NULL && r->doc == NULL && r->http.body.n > 0 &&
	    r->http.head.status / 100 == 2)
		rc = err_set(e, ERR_PROTO, "HTTP %u and not JSON: %.*s", r->http.head.status,
			     STR_ARG(str_head(buf_str(&r->http.body), 80)));
	buf_burn(&auth);
	return rc;
}

/* A status that says the request was not, or may be not, carried out. */
static bool transient(const struct http_head *h, unsigned flags)
{
	unsigned status = h->status;

	/* who says when to come again has turned us away */
	if (status == 429 || (status == 503 && http_field(h, "retry-after").n > 0))
		return true;
	/* these leave open whether something was done */
	return !(flags & AZURE_ONCE) && (status == 408 || (status >= 500 && status <= 504 &&
							   status != 501));
}

static bool busy(const struct azure_reply *r)
{
	static const char *const codes[] = {
		"AnotherOperationInProgress", "OperationPreempted", "Conflict",
		"ConflictingConcurrentWriteNotAllowed", "DeploymentActive",
		"ResourceGroupBeingDeleted", "RetryableError",
		"RetryableErrorDueToAnotherOperation", "StorageAccountOperationInProgress",
	};
	const char *code = azure_error_code(r->doc);

	if (r->http.head.status != 409 && r->http.head.status != 429)
		return false;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (str_ieqz(str_of(code), codes[i]))
			return true;
	return false;
}

static int pause_for(struct azure *az, int64_t ms, const char *why, struct err *e)
{
	int64_t now = az->clock.now(az->clock.ctx);

	return az->clock.wait(az->clock.ctx, now + ms, why, now, e);
}

static int64_t backoff_ms(unsigned attempt)
{
	int64_t base = (int64_t)1000 << (attempt > 5 ? 5 : attempt);

	return base * 8 / 10 + random_below((uint32_t)(base / 2) + 1);
}

/* "... not registered to use namespace 'Microsoft.Compute'. ...": the first
 * word of that form in the message or target.  Caller frees; NULL if none. */
static char *provider_named(const cJSON *doc)
{
	struct cause c = CAUSE_INIT(4096);
	struct str s, word;
	char *found = NULL;
	size_t n;

	say_innermost(doc, 0, &c);
	for (s = buf_str(&c.text); found == NULL && s.n > 0; s = str_skip(s, n + 1)) {
		for (n = 0; n < s.n && (is_alnum(s.p[n]) || s.p[n] == '.'); n++)
			;
		word = str_head(s, n);
		while (str_ends(word, STR(".")))
			word.n--;
		if (str_istarts(word, STR("Microsoft.")) && word.n < 80)
			found = str_dup(word);
	}
	buf_release(&c.text);
	return found;
}

/* Register a resource provider and wait until it is.  Only ever called once
 * per azure_call. */
static int provider_register(struct azure *az, const char *ns, struct err *e)
{
	char *post = azure_path(az, "/providers/%s/register?api-version=" API_RESOURCES, ns);
	char *get = azure_path(az, "/providers/%s?api-version=" API_RESOURCES, ns);
	char *what = xasprintf("resource provider %s to be registered", ns);
	int64_t began = az->clock.now(az->clock.ctx);
	struct azure_reply r = { 0 };
	const char *method = "POST", *path = post;
	int rc = -1;

	for (;;) {
		if (azure_call(az, method, path, NULL, NO_REGISTERING, &r, e) < 0)
			break;
		if (strcmp(json_str_opt(r.doc, "registrationState", ""), "Registered") == 0) {
			rc = 0;
			break;
		}
		method = "GET";
		path = get;
		if (az->clock.now(az->clock.ctx) - began > REGISTER_MS) {
			err_set(e, ERR_TIMEOUT, "still %s after %d minutes",
				json_str_opt(r.doc, "registrationState", "unknown"),
				REGISTER_MS / 60000);
			break;
		}
		if (az->clock.wait(az->clock.ctx, az->clock.now(az->clock.ctx) + REGISTER_WAIT_MS,
				   what, began, e) < 0)
			break;
		azure_reply_release(&r);
	}
	azure_reply_release(&r);
	free(post);
	free(get);
	free(what);
	return rc < 0 ? err_in(e, "registering resource provider %s", ns) : 0;
}

/* ---- refused for who we are ---- */

/* The value of a parameter in a list of challenges (RFC 9110 section 11.6.1),
 * without its quotes; empty when there is none. */
static struct str challenge_param(struct str s, const char *name)
{
	struct str word, value;
	bool quoted;
	size_t n;

	while ((s = str_trim(s)).n > 0) {
		for (n = 0; n < s.n && strchr(" \t,=\"", s.p[n]) == NULL; n++)
			;
		word = str_head(s, n);
		s = str_trim(str_skip(s, n));
		if (s.n == 0 || *s.p != '=') {
			s = str_skip(s, n == 0);	/* a comma, or a scheme */
			continue;
		}
		s = str_trim(str_skip(s, 1));
		quoted = str_starts(s, STR("\""));
		s = str_skip(s, quoted);
		for (n = 0; n < s.n && (quoted ? s.p[n] != '"' : strchr(" \t,", s.p[n]) == NULL);
		     n++)
			if (quoted && s.p[n] == '\\')
				n++;
		value = str_head(s, n);
		s = str_skip(s, n + quoted);
		if (str_ieqz(word, name))
			return value;
	}
	return STR_NULL;
}

char *azure_claims(const struct http_head *h)
{
	struct buf json = BUF_INIT(CLAIMS_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;
	struct str v;

	for (size_t i = 0; i < h->n_fields && doc == NULL; i++) {
		if (!str_ieqz(h->fields[i].name, "www-authenticate"))
			continue;
		v = challenge_param(h->fields[i].value, "claims");
		buf_reset(&json);
		if (v.n > 0 && buf_add_unbase64(&json, v, &ignored) == 0 && !json.over)
			doc = json_parse(buf_str(&json), "claims", &ignored);
	}
	if (!cJSON_IsObject(doc))
		buf_reset(&json);
	json_free(doc);
	return json.n > 0 ? buf_detach(&json) : (buf_release(&json), NULL);
}

/*
 * 1: a token that may do better is asked for next time; each way is tried
 * once, *tried remembers.  0: nothing that a token could change.  -1: Azure
 * wants what this credential cannot give.
 */
static int renew(struct azure *az, const struct azure_reply *r, unsigned *tried, struct err *e)
{
	unsigned status = r->http.head.status, way = 1;
	char *claims = NULL;
	int rc = 1;

	if (status != 401 && status != 403)
		return 0;
	if ((claims = azure_claims(&r->http.head)) != NULL)
		way = 2;
	if ((way == 1 && status == 403) || (*tried & way))
		rc = 0;
	else if (claims == NULL)
		entra_forget(az->entra);
	else if (entra_challenge(az->entra, claims, e) < 0)
		rc = err_in(e, "%s", *azure_error_code(r->doc) ? azure_error_code(r->doc) :
			    "HTTP 401");
	*tried |= way;
	free(claims);
	return rc;
}

/*
 * A policy that asks somebody outside lets through only who brings proof that
 * it was asked about this very request: get that.  False: what was refused
 * stays refused.
 */
static bool policy_token(struct azure *az, const char *method, const char *url, const cJSON *body,
			 const struct azure_reply *refusal)
{
	char *path;
	cJSON *doc, *op;
	struct azure_reply r;
	struct err ignored = ERR_INIT;
	const char *token;
	bool got = false;

	if (refusal->http.head.status != 403 || az->policy_token != NULL ||
	    strcmp(method, "GET") == 0 ||
	    !str_ieqz(str_of(azure_error_code(refusal->doc)), "RequestDisallowedByPolicy") ||
	    str_find(buf_str(&refusal->http.body), STR("\"missingPolicyTokenDetails\"")) < 0)
		return false;
	path = azure_path(az, "/providers/Microsoft.Authorization/acquirePolicyToken"
			  "?api-version=" API_POLICY_TOKEN);
	doc = cJSON_CreateObject();
	op = json_add_obj(doc, "operation");
	json_add_str(op, "uri", url);
	json_add_str(op, "httpMethod", method);
	if (body != NULL)
		json_set(op, "content", cJSON_Duplicate(body, true));
	if (azure_call(az, "POST", path, doc, NO_REGISTERING | NO_POLICY_TOKEN, &r, &ignored) == 0 &&
	    *(token = json_str_opt(r.doc, "token", "")) != '\0') {
		az->policy_token = xasprintf("x-ms-policy-external-evaluations: %s", token);
		got = true;
	}
	json_burn(r.doc);
	r.doc = NULL;
	azure_reply_release(&r);
	json_burn(doc);
	free(path);
	return got;
}

/* ---- one request, until it is answered ---- */

static int call(struct azure *az, const char *method, const char *path, const cJSON *body,
		unsigned flags, struct splitter *split, struct azure_reply *r, struct err *e)
{
	struct buf text = BUF_INIT(8u << 20), url = BUF_INIT(16u << 10);
	struct str raw = STR_NULL;
	bool registered = (flags & NO_REGISTERING) != 0;
	unsigned renewed = 0;
	const char *token;
	int64_t began = az->clock.now(az->clock.ctx);
	unsigned tries = 0;
	char *ns = NULL;
	int rc = -1;

	*r = (struct azure_reply){ 0 };
	http_response_init(&r->http, ARM_ANSWER_MAX);
	if (path[0] == '/')
		buf_adds(&url, az->arm);
	buf_adds(&url, path);
	if (buf_check(&url, "the URL", e) < 0 || !on_arm_host(az, url.str, e))
		goto out;
	if (body != NULL) {
		json_print(body, &text);
		if (buf_check(&text, "the request", e) < 0)
			goto out;
		raw = buf_str(&text);
	}
	for (;;) {
		struct err once = ERR_INIT;
		unsigned status;
		int64_t wait_s;
		int again;
		unsigned sent = az->http.requests;

		/* asked for with a patience of its own, which must not multiply */
		if (entra_token(az->entra, &token, e) < 0)
			goto out;
		if (exchange(az, method, url.str, raw, flags, split, r, &once) < 0) {
			again = (once.kind == ERR_NET || once.kind == ERR_PROTO) &&
				!(flags & AZURE_ONCE) && !(split && split->refused);
			if (!again || ++tries == 5) {
				*e = once;
				if ((flags & AZURE_ONCE) && az->http.requests != sent) {
					err_in(e, "it is unknown whether Azure took this");
					snprintf(e->code, sizeof(e->code), AZURE_OUTCOME_UNKNOWN);
				}
				goto out;
			}
			if (az->note)
				az->note(az->note_ctx, once.msg);
			if (pause_for(az, backoff_ms(tries - 1), "a new connection to Azure", e) < 0)
				goto out;
			continue;
		}
		status = r->http.head.status;
		if (status >= 200 && status < 300)
			break;
		if ((status == 404 && (flags & AZURE_MISSING_OK)) ||
		    (status == 409 && (flags & AZURE_CONFLICT_OK)))
			break;
		if ((again = renew(az, r, &renewed, e)) < 0)
			goto out;
		if (again || (!(flags & NO_POLICY_TOKEN) &&
			      policy_token(az, method, url.str, body, r)))
			continue;
		if (busy(r) && az->clock.now(az->clock.ctx) - began < CONFLICT_MS) {
			wait_s = http_retry_after_s(&r->http.head, unix_time());
			if (az->clock.wait(az->clock.ctx, az->clock.now(az->clock.ctx) +
					   (wait_s > 0 ? wait_s * 1000 : CONFLICT_WAIT_MS),
					   "another operation to finish", began, e) < 0)
				goto out;
			continue;
		}
		if (transient(&r->http.head, flags) && ++tries < 5) {
			wait_s = http_retry_after_s(&r->http.head, unix_time());
			if (pause_for(az, wait_s >= 0 ? wait_s * 1000 : backoff_ms(tries - 1),
				      status == 429 ? "Azure, which throttles us" :
				      "Azure, which is not well", e) < 0)
				goto out;
			continue;
		}
		if (status == 409 && !registered &&
		    strcmp(azure_error_code(r->doc), "MissingSubscriptionRegistration") == 0 &&
		    (ns = provider_named(r->doc)) != NULL) {
			registered = true;
			if (provider_register(az, ns, e) < 0)
				goto out;
			continue;
		}
		azure_error(&r->http.head, r->doc, buf_str(&r->http.body), e);
		if (status == 401)
			e->kind = ERR_AUTH;
		goto out;
	}
	rc = 0;
out:
	free(ns);
	burn_str(az->policy_token);
	az->policy_token = NULL;
	buf_burn(&text);		/* customData and keys go through here */
	buf_release(&url);
	return rc;
}

int azure_call(struct azure *az, const char *method, const char *path, const cJSON *body,
	       unsigned flags, struct azure_reply *r, struct err *e)
{
	return call(az, method, path, body, flags, NULL, r, e);
}

int azure_list(struct azure *az, const char *path, const char *what,
	       int (*fn)(void *ctx, const cJSON *item, struct err *e), void *ctx, struct err *e)
{
	struct splitter split = {
		.fn = fn, .ctx = ctx, .item = BUF_INIT(ITEM_MAX), .rest = BUF_INIT(REST_MAX),
		.key = BUF_INIT(64),
	};
	char *url = xstrdup(path);
	struct azure_reply r = { 0 };
	cJSON *doc = NULL;
	int rc = -1;

	for (unsigned page = 0; ; page++) {
		const cJSON *value;
		const char *next;

		if (page == PAGES_MAX) {
			err_set(e, ERR_PROTO, "more than %u pages", PAGES_MAX);
			goto out;
		}
		split.done = 0;
		if (call(az, "GET", url, NULL, 0, &split, &r, e) < 0 ||
		    (doc = json_parse(buf_str(&split.rest), "list", e)) == NULL ||
		    (value = json_arr(doc, "value", e)) == NULL)
			goto out;
		if (value->child != NULL) {
			err_set(e, ERR_PROTO, "an element that is no object");
			goto out;
		}
		next = json_str_opt(doc, "nextLink", "");
		if (*next == '\0')
			break;
		free(url);
		url = xstrdup(next);
		json_free(doc);
		doc = NULL;
		azure_reply_release(&r);
	}
	rc = 0;
out:
	json_free(doc);
	azure_reply_release(&r);
	buf_release(&split.item);
	buf_release(&split.rest);
	buf_release(&split.key);
	free(url);
	return rc < 0 ? err_in(e, "%s", what) : 0;
}

/* ---- long-running operations ---- */

enum verdict { STILL_RUNNING, SUCCEEDED, NO_SUCCESS };

/* Only three words are terminal; a fourth spelling occurs. */
static enum verdict verdict_of(const char *status)
{
	struct str s = str_of(status);

	if (str_ieqz(s, "Succeeded"))
		return SUCCEEDED;
	if (str_ieqz(s, "Failed") || str_ieqz(s, "Canceled") || str_ieqz(s, "Cancelled"))
		return NO_SUCCESS;
	return STILL_RUNNING;
}

static enum lro_state failed_with(const char *status, const cJSON *doc, struct err *e)
{
	const cJSON *error = json_get_i(doc, "error");

	if (!cJSON_IsObject(error))
		error = json_at(doc, "properties.error");
	if (cJSON_IsObject(error))
		azure_error_doc(error, e);
	else
		err_set(e, ERR_AZURE, "Azure gave no reason");
	err_in(e, "operation %s", status);
	return LRO_FAILED;
}

static enum lro_state wait_on(struct lro *op, const struct azure_reply *r, int64_t now_ms,
			      struct err *e)
{
	int64_t s = r ? http_retry_after_s(&r->http.head, unix_time()) : -1;
	int64_t ms = s == 0 ? POLL_LEAST_MS : s > 0 ? s * 1000 :
		     now_ms - op->began_ms > POLL_PATIENCE_MS ? POLL_LATER_MS : POLL_MS;

	if (now_ms + ms > op->deadline_ms) {
		err_set(e, ERR_TIMEOUT, "not finished in time; it goes on in Azure, "
			"and this command may be run again");
		return LRO_FAILED;
	}
	op->next_ms = now_ms + ms;
	return LRO_WAIT;
}

static bool has_state(const cJSON *doc)
{
	return json_at(doc, "properties.provisioningState") != NULL;
}

static enum lro_state resource_state(struct lro *op, const struct azure_reply *r,
				     int64_t now_ms, struct err *e)
{
	const char *state = json_str_opt(r->doc, "properties.provisioningState", "");

	switch (*state ? verdict_of(state) : SUCCEEDED) {
	case SUCCEEDED:
		return LRO_DONE;
	case NO_SUCCESS:
		return failed_with(state, r->doc, e);
	case STILL_RUNNING:
		break;
	}
	return wait_on(op, r, now_ms, e);
}

static void set_url(struct lro *op, enum lro_how how, struct str url)
{
	free(op->url);
	op->url = str_dup(url);
	op->how = how;
}

enum lro_state lro_start(struct lro *op, const char *method, const char *url,
			 const struct azure_reply *r, int64_t now_ms, int64_t limit_ms,
			 struct err *e)
{
	const struct http_head *h = &r->http.head;
	struct str async = http_field(h, "azure-asyncoperation");
	struct str location = http_field(h, "location");
	bool writes = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;

	*op = (struct lro){
		.resource = writes ? xstrdup(url) : NULL,
		.deleting = strcmp(method, "DELETE") == 0,
		.began_ms = now_ms, .deadline_ms = now_ms + limit_ms,
	};
	if (async.n == 0)
		async = http_field(h, "operation-location");
	if (async.n > 0) {
		set_url(op, LRO_ASYNC, async);
		return wait_on(op, r, now_ms, e);
	}
	if (h->status == 202 && location.n > 0) {
		set_url(op, LRO_LOCATION, location);
		return wait_on(op, r, now_ms, e);
	}
	if (writes) {
		set_url(op, LRO_RESOURCE, str_of(url));
		if (h->status == 202 && !has_state(r->doc))
			return wait_on(op, r, now_ms, e);
		return resource_state(op, r, now_ms, e);
	}
	return LRO_DONE;
}

/* The answer to a poll whose status line alone says how it stands: true when
 * *state is decided. */
static bool status_decides(struct lro *op, const struct azure_reply *r, int64_t now_ms,
			   enum lro_state *state, struct err *e)
{
	unsigned status = r->http.head.status;

	op->dropped = 0;
	if (status == 404) {
		if (op->deleting) {
			*state = LRO_DONE;
			return true;
		}
		/* not replicated yet, for a while */
		if (++op->missing <= POLL_MISSING_MAX) {
			*state = wait_on(op, r, now_ms, e);
			return true;
		}
	} else {
		op->missing = 0;
	}
	if (status == 408 || status == 429 || status >= 500) {
		*state = wait_on(op, r, now_ms, e);
		return true;
	}
	if (status < 200 || status >= 300) {
		azure_error(&r->http.head, r->doc, buf_str(&r->http.body), e);
		if (status == 401)
			e->kind = ERR_AUTH;
		*state = LRO_FAILED;
		return true;
	}
	return false;
}

enum lro_state lro_step(struct lro *op, const struct azure_reply *r, int64_t now_ms,
			struct err *e)
{
	struct str next = http_field(&r->http.head, "location");
	unsigned status = r->http.head.status;
	enum lro_state state;
	const char *word;

	if (status_decides(op, r, now_ms, &state, e))
		return state;
	switch (op->how) {
	case LRO_ASYNC:
		word = json_str_opt(r->doc, "status", "");
		/* an empty 200 stands for success; a document without a status
		 * is the resource itself */
		if (*word == '\0') {
			if (r->doc == NULL && r->http.body.n > 0) {
				err_set(e, ERR_PROTO, "the state of the operation is not JSON");
				return LRO_FAILED;
			}
			if (status == 202 && !has_state(r->doc))
				return wait_on(op, r, now_ms, e);
			return resource_state(op, r, now_ms, e);
		}
		switch (verdict_of(word)) {
		case SUCCEEDED:
			return LRO_DONE;
		case NO_SUCCESS:
			return failed_with(word, r->doc, e);
		case STILL_RUNNING:
			return wait_on(op, r, now_ms, e);
		}
		break;
	case LRO_LOCATION:
		if (status == 202) {
			if (next.n > 0)
				set_url(op, LRO_LOCATION, next);
			return wait_on(op, r, now_ms, e);
		}
		word = json_str_opt(r->doc, "status", "");
		if (verdict_of(word) == NO_SUCCESS)
			return failed_with(word, r->doc, e);
		return resource_state(op, r, now_ms, e);
	case LRO_RESOURCE:
		return resource_state(op, r, now_ms, e);
	}
	return LRO_DONE;
}

enum lro_state lro_dropped(struct lro *op, int64_t now_ms, struct err *e)
{
	if (++op->dropped > POLL_DROPPED_MAX) {
		err_set(e, ERR_NET, "no answer %u times in a row while waiting",
			op->dropped);
		return LRO_FAILED;
	}
	return wait_on(op, NULL, now_ms, e);
}

void lro_release(struct lro *op)
{
	free(op->url);
	free(op->resource);
	*op = (struct lro){ 0 };
}

/* One poll: a single request with a current token.  Repeating is lro_step's
 * business, not azure_call's, so that throttled polls slow down. */
static int poll_once(struct azure *az, const char *url, struct azure_reply *r, struct err *e)
{
	struct buf full = BUF_INIT(16u << 10);
	unsigned renewed = 0;
	int rc = -1, again = 1;

	if (url[0] == '/')
		buf_adds(&full, az->arm);
	buf_adds(&full, url);
	if (buf_check(&full, "the poll URL", e) < 0)
		goto out;
	while (again > 0 && (rc = exchange(az, "GET", full.str, STR_NULL, 0, NULL, r, e)) == 0)
		rc = again = renew(az, r, &renewed, e);
out:
	buf_release(&full);
	return rc;
}

static int finish(struct azure *az, struct lro *op, enum lro_state state,
		  const struct azure_wait *w, struct azure_reply *r, struct err *e)
{
	while (state == LRO_WAIT) {
		struct err once = ERR_INIT;

		if (op->url[0] != '/' && !on_arm_host(az, op->url, e))
			return -1;
		if (az->clock.wait(az->clock.ctx, op->next_ms, w->what, op->began_ms, e) < 0)
			return -1;
		if (poll_once(az, op->url, r, &once) < 0) {
			if (once.kind != ERR_NET && once.kind != ERR_PROTO &&
			    once.kind != ERR_TIMEOUT) {
				*e = once;
				return -1;
			}
			state = lro_dropped(op, az->clock.now(az->clock.ctx), e);
			if (state == LRO_FAILED && e->kind == ERR_NET) {
				err_in(&once, "%s", e->msg);
				once.kind = ERR_NET;
				*e = once;
			}
		} else {
			state = lro_step(op, r, az->clock.now(az->clock.ctx), e);
		}
		if (state != LRO_FAILED && w->tick != NULL && w->tick(w->ctx, e) < 0)
			return -1;
	}
	return state == LRO_DONE ? 0 : -1;
}

int azure_do(struct azure *az, const char *method, const char *path, const cJSON *body,
	     const struct azure_wait *w, struct azure_reply *final, struct err *e)
{
	struct azure_reply r = { 0 };
	struct lro op = { 0 };
	enum lro_state state;
	int rc = -1;

	if (azure_call(az, method, path, body, w->flags, &r, e) < 0)
		goto out;
	if (r.http.head.status >= 400 || w->no_wait) {	/* what the flags allow */
		rc = 0;
		goto out;
	}
	state = lro_start(&op, method, path, &r, az->clock.now(az->clock.ctx), w->limit_ms, e);
	if (state == LRO_FAILED)
		goto out;
	if (state == LRO_WAIT) {
		if (finish(az, &op, state, w, &r, e) < 0)
			goto out;
		/* the 404 of a poll is not the resource's */
		if (r.http.head.status == 404)
			azure_reply_release(&r);
		if (op.resource != NULL && op.how != LRO_RESOURCE && final != NULL) {
			azure_reply_release(&r);
			if (azure_call(az, "GET", op.resource, NULL, 0, &r, e) < 0)
				goto out;
		}
	}
	rc = 0;
out:
	if (final != NULL)
		*final = r;
	else
		azure_reply_release(&r);
	lro_release(&op);
	return rc < 0 ? err_in(e, "%s", w->what) : 0;
}
