/*
 * Resource Manager's front door: who calls, which version of the API, which
 * subscription and group, and what every answer looks like, whoever gives it.
 * What lies below "providers" is resource.c's.
 */
#include <stdlib.h>

#include "emulator/inner.h"

int call_answer(struct call *c, unsigned status, cJSON *out)
{
	json_free(c->out);
	c->status = status;
	c->out = out;
	return 0;
}

void call_field(struct call *c, const char *fmt, ...)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	va_list ap;

	if (c->n_fields == sizeof(c->fields) / sizeof(c->fields[0]))
		return;
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	c->fields[c->n_fields++] = buf_detach(&b);
}

char *call_param(const struct call *c, const char *name)
{
	struct buf b = BUF_INIT(1024);

	if (http_x_param(c->x, name, &b) && !b.over)
		return buf_detach(&b);
	buf_release(&b);
	return NULL;
}

int call_method(struct call *c)
{
	c->gateway = true;
	return fault_set(&c->fault, 405, "HttpMethodNotAllowed: "
		      "The HTTP method '%.*s' is not supported at scope '%.200s'.",
		      STR_ARG(http_x_head(c->x)->method), c->seg[c->n_seg - 1]);
}

/* ---- pages ---- */

/*
 * The token says where the next page begins.  Between the first page and the
 * second comes one that is empty and still has a nextLink, as Azure's do.
 */
int call_page(struct call *c, cJSON *arr, size_t page)
{
	struct buf link = BUF_INIT(HTTP_LINE_MAX);
	struct str query = http_x_query(c->x), word;
	size_t total = (size_t)cJSON_GetArraySize(arr), n;
	char *asked_top = call_param(c, "$top"), *token = call_param(c, "$skiptoken");
	uint64_t from = 0, top;
	bool empty = false;
	cJSON *out, *value, *item;
	int rc;

	if (str_num(str_of(asked_top), 1000, &top) && top > 0)
		page = (size_t)top;
	if (token != NULL) {
		empty = token[0] == 'g';
		if (!str_num(str_skip(str_of(token), 3), 1000000, &from)) {
			rc = fault_set(&c->fault, 400, "InvalidSkipToken: "
				       "The provided skip token is invalid.");
			goto out;
		}
	}
	out = cJSON_CreateObject();
	value = json_add_arr(out, "value");
	for (n = 0; n < from && arr->child != NULL; n++)
		json_free(cJSON_DetachItemFromArray(arr, 0));
	for (n = 0; !empty && n < page && (item = cJSON_DetachItemFromArray(arr, 0)) != NULL; n++)
		cJSON_AddItemToArray(value, item);
	if (empty || from + page < total) {
		struct str path = http_x_path(c->x);

		buf_addf(&link, "%s%.*s?", c->base, STR_ARG(path));
		while (str_next(&query, '&', &word))
			if (!str_istarts(word, STR("$skiptoken")) &&
			    !str_istarts(word, STR("%24skiptoken")))
				buf_addf(&link, "%.*s&", STR_ARG(word));
		buf_addf(&link, "%%24skiptoken=%s%llu", !empty && from == 0 ? "gap" : "row",
			 (unsigned long long)(empty ? from : from + page));
		json_add_str(out, "nextLink", link.str);
	}
	rc = call_answer(c, 200, out);
out:
	free(asked_top);
	free(token);
	buf_release(&link);
	json_free(arr);
	return rc;
}

/* ---- operations ---- */

/* What binds a poll URL to its operation: whoever shortens it is refused. */
static void poll_seal(struct emu *m, const struct op *op, struct buf *b)
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(m->token_key, sizeof(m->token_key), op->id, strlen(op->id), mac);
	buf_addf(b, "&t=%018lld&c=%s&s=", (long long)(op->started + 62135596800) * 10000000 %
		 1000000000000000000, m->certificate);
	for (int i = 0; i < 8; i++)
		buf_add_hex(b, mac, 21);
	buf_adds(b, "00AaZz&h=");
	buf_add_base64url(b, mac, sizeof(mac));
}

static bool poll_sealed(const struct call *c, const struct op *op)
{
	struct buf want = BUF_INIT(HTTP_LINE_MAX), got = BUF_INIT(HTTP_LINE_MAX);
	bool same;

	poll_seal(c->m, op, &want);
	buf_addstr(&got, http_x_query(c->x));
	same = strstr(got.str, want.str) != NULL;
	buf_release(&want);
	buf_release(&got);
	return same;
}

/* where: namespace/word, "Microsoft.Compute/operations" */
static void poll_url(struct call *c, const struct op *op, const char *name, const char *where,
		     const char *more)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);

	buf_addf(&b, "%s/subscriptions/%s/providers/%.*s/locations/%s/%s/%s", c->base, c->m->subscription,
		 (int)strcspn(where, "/"), where, op->location, strchr(where, '/') + 1, op->id);
	buf_addf(&b, "?api-version=%s%s", op->api, more);
	poll_seal(c->m, op, &b);
	call_field(c, "%s: %s", name, b.str);
	buf_release(&b);
}

void call_op(struct call *c, const struct op *op)
{
	bool put = c->method == PUT || c->method == PATCH, ask_again = false;
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	char p[64];

	switch (op->style) {
	case OP_COMPUTE:
		snprintf(p, sizeof(p), "&p=%s", c->m->object);
		poll_url(c, op, "Azure-AsyncOperation", "Microsoft.Compute/operations", p);
		snprintf(p, sizeof(p), "&p=%s&monitor=true", c->m->object);
		if (!put)
			poll_url(c, op, "Location", "Microsoft.Compute/operations", p);
		ask_again = put;
		break;
	case OP_NETWORK:
		poll_url(c, op, "Azure-AsyncOperation", "Microsoft.Network/operations", "");
		if (!put)
			poll_url(c, op, "Location", "Microsoft.Network/operationResults", "");
		break;
	case OP_STORAGE:
		poll_url(c, op, "Location", "Microsoft.Storage/asyncoperations", "&monitor=true");
		ask_again = true;
		break;
	case OP_JOB:
	case OP_DEPLOYMENT:
		if (op->style == OP_JOB)
			buf_addf(&b, "Location: %s/subscriptions/%s/operationresults/", c->base,
				 c->m->subscription);
		else
			buf_addf(&b, "Azure-AsyncOperation: %s%s/operationStatuses/", c->base, op->key);
		buf_addf(&b, "%s?api-version=%s", op->id, op->api);
		poll_seal(c->m, op, &b);
		call_field(c, "%s", b.str);
		ask_again = op->style == OP_JOB;
		break;
	default:
		break;
	}
	if (op->style == OP_NETWORK || (op->style == OP_COMPUTE && put))
		call_field(c, "Azure-AsyncNotification: Enabled");
	if (ask_again)
		call_field(c, "Retry-After: %u", c->m->o.retry_after_s);
	buf_release(&b);
}

struct op *call_begin(struct call *c, enum op_style style, const struct entry *n, op_run *run,
		      cJSON *args, cJSON *busy)
{
	struct op *op = op_start(c->m, style, json_text(n->doc, "location"), n->key, c->api, run, args,
				 busy, &c->fault);

	if (op != NULL) {
		call_op(c, op);
		call_answer(c, 202, NULL);
	}
	return op;
}

static cJSON *async_document(const struct op *op)
{
	cJSON *doc = json_fmt("{'status':%s}", op_word(op));
	char s[32];

	if (op->style == OP_COMPUTE) {
		time_iso(op->started, s);
		json_add_str(doc, "startTime", s);
		time_iso(op->ended, s);
		if (op->status != OP_RUNNING)
			json_add_str(doc, "endTime", s);
		json_add_str(doc, "name", op->id);
	}
	if (op->output != NULL)
		json_defaults(doc, "{'properties':{'output':%j}}", op->output);
	if (op->status == OP_FAILED || op->status == OP_CANCELED)
		json_defaults(doc, "{'error':%j}", op->fault.error);
	return doc;
}

/* ARM's own jobs fail with names in capitals. */
static cJSON *pascal(const cJSON *error)
{
	cJSON *out = json_fmt("{'Error':{'Code':%s,'Target':null,'Message':%s,'Details':[],"
			      "'AdditionalInfo':null}}", json_text(error, "code"),
			      json_text(error, "message"));
	const cJSON *d;

	cJSON_ArrayForEach(d, json_get(error, "details"))
		json_push(json_get_mut(out->child, "Details"), "{'Code':null,'Target':%s,'Message':%s,"
			  "'Details':null,'AdditionalInfo':null}", json_text(d, "target"),
			  json_text(d, "message"));
	return out;
}

/* A Location poll: 202, then the result or the error. */
static int poll_location(struct call *c, const struct op *op)
{
	const struct fault *f = &op->fault;
	struct entry *n;

	c->plain = "text/plain; charset=utf-8";
	if (op->status == OP_RUNNING) {
		call_op(c, op);
		return call_answer(c, 202, NULL);
	}
	if (op->status != OP_SUCCEEDED)
		return call_answer(c, f->status, op->style == OP_JOB ? pascal(f->error) :
				   json_fmt("{'error':%j}", f->error));
	if (op->style == OP_STORAGE && (n = store_find(c->m, op->key)) != NULL)
		return call_answer(c, 200, entry_show(c->m, n));
	if (op->output != NULL)
		return call_answer(c, 200, cJSON_Duplicate(op->output, true));
	return call_answer(c, op->done_status, NULL);
}

int call_poll(struct call *c, const char *id, bool location)
{
	struct op *op = op_find(c->m, str_of(id));
	char *monitor;

	if (c->method != GET)
		return call_method(c);
	if (op == NULL)
		return fault_set(&c->fault, 404, "OperationNotFound: "
			      "The operation '%.80s' was not found.", id);
	if (!poll_sealed(c, op))
		return fault_say(&c->fault, 400, "InvalidAsyncOperationUri");
	monitor = call_param(c, "monitor");
	location = location || monitor != NULL;
	free(monitor);
	if (location)
		return poll_location(c, op);
	if (op->status == OP_RUNNING && op->style != OP_NETWORK)
		call_field(c, "Retry-After: %u", c->m->o.retry_after_s);
	c->pretty = op->style == OP_COMPUTE;
	return call_answer(c, 200, async_document(op));
}

/* providers/NS/locations/L/(operations|operationResults|asyncoperations)/ID */
static bool is_poll(char **s)
{
	if (!str_is(s[1], "locations") || s[2] == NULL || s[3] == NULL || s[4] == NULL || s[5] != NULL)
		return false;
	return str_is(s[3], "operations") || str_is(s[3], "operationResults") || str_is(s[3], "asyncoperations");
}

/* ---- routing ---- */

static int check_version(struct call *c)
{
	char *api = call_param(c, "api-version");

	snprintf(c->api, sizeof(c->api), "%.31s", api != NULL ? api : "");
	free(api);
	c->gateway = true;
	if (c->api[0] == '\0')
		return fault_say(&c->fault, 400, "MissingApiVersionParameter");
	c->gateway = false;
	return 0;
}

static int not_found(struct call *c)
{
	c->gateway = true;
	return fault_set(&c->fault, 404, "NotFound: "
		      "The requested resource does not exist: '%.200s'.",
		      c->n_seg > 0 ? c->seg[c->n_seg - 1] : "/");
}

/* The versions of ARM's own calls; providers have theirs. */
static int core_version(struct call *c)
{
	static const char versions[] = "2022-12-01, 2020-01-01, 2019-11-01, 2019-06-01, 2016-06-01, "
		RESOURCES_VERSIONS;

	if (version_known(versions, c->api))
		return 0;
	c->gateway = true;
	return fault_say(&c->fault, 400, "InvalidApiVersionParameter", c->api, versions);
}

/* Group providers: s[0] is the namespace. */
static int resource_call(struct call *c, struct entry *group, char **s)
{
	if (str_is(s[0], "Microsoft.Resources") && str_is(s[1], "deployments"))
		return core_version(c) < 0 ? -1 : deployments_call(c, group, s + 2);
	return resource_route(c, group, s);
}

/* Below a group: s[0] is what follows its name, NULL for the group itself. */
static int in_group(struct call *c, const char *name, char **s)
{
	struct entry *group;

	if (s[0] == NULL)
		return core_version(c) < 0 ? -1 : group_call(c);
	group = group_named(c, name);
	if (group == NULL)
		return -1;
	if (str_is(s[0], "providers") && s[1] != NULL)
		return resource_call(c, group, s + 1);
	if (core_version(c) < 0)
		return -1;
	if (str_is(s[0], "deployments") && s[1] != NULL && str_is(s[2], "operations"))
		return operations_call(c, group, s[1], s[3]);
	if (str_is(s[0], "resources") && s[1] == NULL)
		return call_resources(c, group->key);
	return not_found(c);
}

static int in_subscription(struct call *c)
{
	char **s = c->seg + 2;
	const char *what = s[0];

	if (what == NULL || str_is(what, "locations") || str_is(what, "resources") ||
	    (str_is(what, "resourcegroups") && s[1] == NULL))
		return core_version(c) < 0 ? -1 : arm_subscription(c);
	if (str_is(what, "resourcegroups"))
		return in_group(c, s[1], s + 2);
	if (str_is(what, "operationresults") && s[1] != NULL && s[2] == NULL)
		return call_poll(c, s[1], true);
	if (str_is(what, "providers")) {
		if (s[1] != NULL && is_poll(s + 1))
			return call_poll(c, s[5], str_is(s[4], "operationResults") || str_is(s[4], "asyncoperations"));
		return arm_providers(c, s + 1);
	}
	return not_found(c);
}

static bool is_guid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == '-' ? s[i] != '-' :
		    !is_digit(s[i]) && !(to_lower(s[i]) >= 'a' && to_lower(s[i]) <= 'f'))
			return false;
	return s[i] == '\0';
}

cJSON *cloud_doc(const struct emu *m, const char *base)
{
	return json_fmt("@cloud", base, base, base, base, base, base, (int)m->port);
}

/* The cloud in the shape the caller's version has. */
static int metadata(struct call *c)
{
	cJSON *doc;

	if (strcmp(c->api, "2015-01-01") == 0)
		return call_answer(c, 200, json_fmt("@cloud-2015", c->base, c->base, c->base));
	/* 2022-09-01 answers with an array of clouds, of one here */
	doc = cloud_doc(c->m, c->base);
	return call_answer(c, 200, strcmp(c->api, "2019-05-01") == 0 ? doc : json_array_of(doc));
}

static int route(struct call *c)
{
	char **s = c->seg;

	if (s[0] == NULL)
		return not_found(c);
	if (check_version(c) < 0)
		return -1;
	if (str_is(s[0], "metadata") && str_is(s[1], "endpoints") && s[2] == NULL)
		return metadata(c);
	if (entra_check(c) < 0)
		return -1;
	if ((str_is(s[0], "subscriptions") && s[1] == NULL) || (str_is(s[0], "tenants") && s[1] == NULL))
		return core_version(c) < 0 ? -1 : arm_subscriptions(c);
	if (str_is(s[0], "providers"))
		return arm_providers(c, s + 1);
	if (!str_is(s[0], "subscriptions"))
		return not_found(c);
	c->gateway = true;
	if (!is_guid(s[1]))
		return fault_say(&c->fault, 400, "InvalidSubscriptionId", s[1]);
	if (!str_is(s[1], c->m->subscription))
		return fault_set(&c->fault, 404, "SubscriptionNotFound: "
			      "The subscription '%s' could not be found.", s[1]);
	c->gateway = false;
	return in_subscription(c);
}

void arm_handle(struct call *c)
{
	if (entra_handle(c))
		return;
	if (route(c) < 0) {
		c->status = c->fault.status;
		json_free(c->out);
		c->out = json_fmt("{'error':%j}", c->fault.error);
	}
}
