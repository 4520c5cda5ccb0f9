/*
 * Resource Manager's front door: who calls, which version of the API, which
 * subscription and group, and what every answer looks like, whoever gives it.
 * What lies below "providers" is resource.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "emulator/arm/arm.h"
#include "emulator/arm/deploy.h"
#include "emulator/arm/groups.h"
#include "emulator/arm/prices.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/rights.h"
#include "emulator/arm/subscription.h"
#include "emulator/entra_server.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "http.h"

/* ---- operations ---- */

/* What binds a poll URL to its operation: whoever shortens it is refused. */
static void poll_seal(struct emu *m, const struct op *op, struct buf *b)
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(m->token_key, sizeof(m->token_key), op->id, strlen(op->id),
		    mac);
	buf_addf(b, "&t=%018lld&c=%s&s=",
		 (long long)(op->started + 62135596800) * 10000000 %
			 1000000000000000000,
		 m->certificate);
	for (int i = 0; i < 8; i++)
		buf_add_hex(b, mac, 21);
	buf_adds(b, "00AaZz&h=");
	buf_add_base64url(b, mac, sizeof(mac));
}

static bool poll_sealed(const struct request *r, const struct op *op)
{
	struct buf want = BUF_INIT(HTTP_LINE_MAX), got = BUF_INIT(HTTP_LINE_MAX);
	bool same;

	poll_seal(r->m, op, &want);
	buf_addstr(&got, http_x_query(r->x));
	same = strstr(got.str, want.str) != NULL;
	buf_release(&want);
	buf_release(&got);
	return same;
}

/* where: namespace/word, "Microsoft.Compute/operations" */
static void poll_url(struct request *r, const struct op *op, const char *name,
		     const char *where, const char *more)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);

	buf_addf(&b, "%s/subscriptions/%s/providers/%.*s/locations/%s/%s/%s",
		 r->base, r->m->subscription, (int)strcspn(where, "/"), where,
		 op->location, strchr(where, '/') + 1, op->id);
	buf_addf(&b, "?api-version=%s%s", op->api, more);
	poll_seal(r->m, op, &b);
	request_field(r, "%s: %s", name, b.str);
	buf_release(&b);
}

static bool is_compute(const struct op *op)
{
	return op->style == OP_COMPUTE || op->style == OP_GALLERY;
}

void arm_op_fields(struct request *r, const struct op *op)
{
	bool put = r->method == PUT || r->method == PATCH, ask_again = false;
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	char p[64];

	switch (op->style) {
	case OP_COMPUTE:
		snprintf(p, sizeof(p), "&p=%s", r->m->object);
		poll_url(r, op, "Azure-AsyncOperation",
			 "Microsoft.Compute/operations", p);
		snprintf(p, sizeof(p), "&p=%s&monitor=true", r->m->object);
		if (!put)
			poll_url(r, op, "Location",
				 "Microsoft.Compute/operations", p);
		ask_again = put;
		break;
	case OP_NETWORK:
		poll_url(r, op, "Azure-AsyncOperation",
			 "Microsoft.Network/operations", "");
		if (!put)
			poll_url(r, op, "Location",
				 "Microsoft.Network/operationResults", "");
		break;
	case OP_GALLERY:
		poll_url(r, op, "Azure-AsyncOperation",
			 "Microsoft.Compute/capsOperations", "");
		if (!put)
			poll_url(r, op, "Location",
				 "Microsoft.Compute/capsOperations",
				 "&monitor=true");
		ask_again = !put;
		break;
	case OP_STORAGE:
		poll_url(r, op, "Location", "Microsoft.Storage/asyncoperations",
			 "&monitor=true");
		ask_again = true;
		break;
	case OP_JOB:
	case OP_DEPLOYMENT:
		if (op->style == OP_JOB)
			buf_addf(&b,
				 "Location: %s/subscriptions/%s/operationresults/",
				 r->base, r->m->subscription);
		else
			buf_addf(&b,
				 "Azure-AsyncOperation: %s%s/operationStatuses/",
				 r->base, op->key);
		buf_addf(&b, "%s?api-version=%s", op->id, op->api);
		poll_seal(r->m, op, &b);
		request_field(r, "%s", b.str);
		ask_again = op->style == OP_JOB;
		break;
	default:
		break;
	}
	if (op->style == OP_NETWORK || (is_compute(op) && put))
		request_field(r, "Azure-AsyncNotification: Enabled");
	if (ask_again)
		request_field(r, "Retry-After: %u", r->m->o.retry_after_s);
	buf_release(&b);
}

struct op *arm_begin(struct request *r, enum op_style style,
		     const struct entry *n, op_run *run, cJSON *args, cJSON *busy)
{
	struct op *op = op_start(r->m, style, json_text(n->doc, "location"),
				 n->key, r->api, run, args, busy, &r->fault);

	if (op != NULL) {
		arm_op_fields(r, op);
		request_answer(r, 202, NULL);
	}
	return op;
}

static cJSON *async_document(const struct op *op)
{
	cJSON *doc = json_fmt("{'status':%s}", op_word(op));
	char s[32];

	if (is_compute(op)) {
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
	cJSON *out = json_fmt(
		"{'Error':{'Code':%s,'Target':null,'Message':%s,'Details':[],"
		"'AdditionalInfo':null}}",
		json_text(error, "code"), json_text(error, "message"));
	const cJSON *d;

	cJSON_ArrayForEach(d, json_get(error, "details"))
		json_push(json_get_mut(out->child, "Details"),
			  "{'Code':null,'Target':%s,'Message':%s,"
			  "'Details':null,'AdditionalInfo':null}",
			  json_text(d, "target"), json_text(d, "message"));
	return out;
}

/* A Location poll: 202, then the result or the error. */
static int poll_location(struct request *r, const struct op *op)
{
	const struct fault *f = &op->fault;
	struct entry *n;

	r->plain = "text/plain; charset=utf-8";
	if (op->status == OP_RUNNING) {
		arm_op_fields(r, op);
		return request_answer(r, 202, NULL);
	}
	if (op->status != OP_SUCCEEDED)
		return request_answer(r, f->status,
				      op->style == OP_JOB ?
					      pascal(f->error) :
					      json_fmt("{'error':%j}", f->error));
	if (op->style == OP_STORAGE && (n = store_find(r->m, op->key)) != NULL)
		return request_answer(r, 200, resource_show(r->m, n));
	if (op->output != NULL)
		return request_answer(r, 200, cJSON_Duplicate(op->output, true));
	return request_answer(r, op->done_status, NULL);
}

int arm_poll(struct request *r, const char *id, bool location)
{
	struct op *op = op_find(r->m, str_of(id));
	char *monitor;

	if (r->method != GET)
		return request_bad_method(r);
	if (op == NULL)
		return fault_set(&r->fault, 404,
				 "OperationNotFound: "
				 "The operation '%.80s' was not found.",
				 id);
	if (!poll_sealed(r, op))
		return fault_set(&r->fault, 400,
				 "InvalidAsyncOperationUri: The address of "
				 "the operation is not the one that was given out: it must be used as "
				 "it is, all of its parameters included.");
	monitor = request_param(r, "monitor");
	location = location || monitor != NULL;
	free(monitor);
	if (location)
		return poll_location(r, op);
	if (op->status == OP_RUNNING && op->style != OP_NETWORK)
		request_field(r, "Retry-After: %u", r->m->o.retry_after_s);
	r->pretty = is_compute(op);
	return request_answer(r, 200, async_document(op));
}

/* providers/NS/locations/L/(operations|operationResults|...)/ID */
static bool is_poll(char **s)
{
	if (!str_is(s[1], "locations") || s[2] == NULL || s[3] == NULL ||
	    s[4] == NULL || s[5] != NULL)
		return false;
	return str_listed("operations operationResults asyncoperations "
			  "capsOperations",
			  s[3]);
}

/* ---- routing ---- */

static int check_version(struct request *r)
{
	char *api = request_param(r, "api-version");

	snprintf(r->api, sizeof(r->api), "%.31s", api != NULL ? api : "");
	free(api);
	r->gateway = true;
	if (r->api[0] == '\0')
		return fault_set(
			&r->fault, 400,
			"MissingApiVersionParameter: The api-version "
			"query parameter (?api-version=) is required for all requests.");
	r->gateway = false;
	return 0;
}

static int not_found(struct request *r)
{
	r->gateway = true;
	return fault_set(&r->fault, 404,
			 "NotFound: "
			 "The requested resource does not exist: '%.200s'.",
			 r->n_seg > 0 ? r->seg[r->n_seg - 1] : "/");
}

/* The versions of ARM's own calls; providers have theirs. */
static int core_version(struct request *r)
{
	static const char versions[] =
		"2022-12-01, 2020-01-01, 2019-11-01, 2019-06-01, 2016-06-01, " RESOURCES_VERSIONS;

	if (resource_version_known(versions, r->api))
		return 0;
	r->gateway = true;
	return fault_set(&r->fault, 400,
			 "InvalidApiVersionParameter: The api-version '%s' is "
			 "invalid. The supported versions are '%s'.",
			 r->api, versions);
}

/* Group providers: s[0] is the namespace. */
static int in_provider(struct request *r, struct entry *group, char **s)
{
	int rc;

	if (str_is(s[0], "Microsoft.Resources") && str_is(s[1], "deployments"))
		return core_version(r) < 0 ? -1 :
					     deployment_route(r, group, s + 2);
	if (str_is(s[0], "Microsoft.Authorization") &&
	    (rc = rights_route(r, s + 1)) != 1)
		return rc;
	return resource_route(r, group, s);
}

/* Below a group: s[0] is what follows its name, NULL for the group itself. */
static int in_group(struct request *r, const char *name, char **s)
{
	struct entry *group;

	if (s[0] == NULL)
		return core_version(r) < 0 ? -1 : group_route(r);
	group = group_named(r, name);
	if (group == NULL)
		return -1;
	if (str_is(s[0], "providers") && s[1] != NULL)
		return in_provider(r, group, s + 1);
	if (core_version(r) < 0)
		return -1;
	if (str_is(s[0], "deployments") && s[1] != NULL &&
	    str_is(s[2], "operations"))
		return deployment_operations(r, group, s[1], s[3]);
	if (str_is(s[0], "resources") && s[1] == NULL)
		return resource_list_tracked(r, group->key);
	return not_found(r);
}

static int in_subscription(struct request *r)
{
	char **s = r->seg + 2;
	const char *what = s[0];

	if (what == NULL || str_is(what, "locations") ||
	    str_is(what, "resources") ||
	    (str_is(what, "resourcegroups") && s[1] == NULL))
		return core_version(r) < 0 ? -1 : subscription_route(r);
	if (str_is(what, "resourcegroups"))
		return in_group(r, s[1], s + 2);
	if (str_is(what, "operationresults") && s[1] != NULL && s[2] == NULL)
		return arm_poll(r, s[1], true);
	if (str_is(what, "providers")) {
		if (s[1] != NULL && is_poll(s + 1))
			return arm_poll(r, s[5],
					!str_listed("operations capsOperations",
						    s[4]));
		return subscription_providers(r, s + 1);
	}
	return not_found(r);
}

static bool is_guid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == '-' ? s[i] != '-' :
				     !is_digit(s[i]) && !(to_lower(s[i]) >= 'a' &&
							  to_lower(s[i]) <= 'f'))
			return false;
	return s[i] == '\0';
}

cJSON *arm_cloud_doc(const struct emu *m, const char *base)
{
	return json_fmt("@cloud", base, base, base, base, base, base,
			(int)m->port);
}

/* The cloud in the shape the caller's version has. */
static int metadata(struct request *r)
{
	cJSON *doc;

	if (strcmp(r->api, "2015-01-01") == 0)
		return request_answer(r, 200,
				      json_fmt("@cloud-2015", r->base, r->base,
					       r->base));
	/* 2022-09-01 answers with an array of clouds, of one here */
	doc = arm_cloud_doc(r->m, r->base);
	return request_answer(r, 200,
			      strcmp(r->api, "2019-05-01") == 0 ?
				      doc :
				      json_array_of(doc));
}

static int route(struct request *r)
{
	char **s = r->seg;

	if (s[0] == NULL)
		return not_found(r);
	if (str_is(s[0], "api") && str_is(s[1], "retail") &&
	    str_is(s[2], "prices") && s[3] == NULL)
		return prices_list(r);
	if (check_version(r) < 0)
		return -1;
	if (str_is(s[0], "metadata") && str_is(s[1], "endpoints") && s[2] == NULL)
		return metadata(r);
	if (entra_server_check(r) < 0)
		return -1;
	if ((str_is(s[0], "subscriptions") && s[1] == NULL) ||
	    (str_is(s[0], "tenants") && s[1] == NULL))
		return core_version(r) < 0 ? -1 : subscription_list(r);
	if (str_is(s[0], "providers"))
		return subscription_providers(r, s + 1);
	if (!str_is(s[0], "subscriptions"))
		return not_found(r);
	r->gateway = true;
	if (!is_guid(s[1]))
		return fault_set(
			&r->fault, 400,
			"InvalidSubscriptionId: The provided "
			"subscription identifier '%.64s' is malformed or invalid.",
			s[1]);
	if (!str_is(s[1], r->m->subscription))
		return fault_set(&r->fault, 404,
				 "SubscriptionNotFound: "
				 "The subscription '%s' could not be found.",
				 s[1]);
	r->gateway = false;
	return in_subscription(r);
}

void arm_handle(struct request *r)
{
	if (entra_server_handle(r))
		return;
	if (route(r) < 0)
		request_answer(r, r->fault.status,
			       json_fmt("{'error':%j}", r->fault.error));
}
