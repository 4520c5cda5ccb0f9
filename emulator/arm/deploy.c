/*
 * Template deployments: validation, the run of a template resource by
 * resource, its operations, outputs and failures.  The language is
 * that of template/; the resources go through resource_put() like any request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "emulator/arm/arm.h"
#include "emulator/arm/deploy.h"
#include "emulator/arm/groups.h"
#include "emulator/arm/location.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/subscription.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "http.h"

/* ---- what the template language asks ---- */

static cJSON *on_reference(void *ctx, const char *id, const char *api,
			   bool full, struct err *e)
{
	struct deployment *d = ctx;
	struct entry *n = store_find(d->m, id);
	cJSON *doc, *out;

	(void)api;
	/* what a deployment gives depends on its template, not on the last one */
	if (d->dry || (d->foretell && (n == NULL || n->type == NULL)))
		return NULL;
	if (n == NULL) {
		const char *type = strstr(id, "/providers/");

		err_set(e, ERR_AZURE,
			"ResourceNotFound: The Resource '%.300s' under resource group '%s' was "
			"not found.",
			type != NULL ? type + strlen("/providers/") : id,
			d->group_name);
		return NULL;
	}
	doc = resource_show(d->m, n);
	if (full)
		return doc;
	out = cJSON_DetachItemFromObject(doc, "properties");
	json_free(doc);
	return out != NULL ? out : cJSON_CreateObject();
}

static cJSON *on_list(void *ctx, const char *name, const char *id,
		      const char *api, const cJSON *body, struct err *e)
{
	struct deployment *d = ctx;
	struct entry *n = store_find(d->m, id);
	cJSON *out = NULL;

	(void)api;
	(void)body;
	if (d->dry || d->foretell)
		return NULL;
	if (n != NULL && n->type != NULL && n->type->list != NULL)
		out = n->type->list(n, name);
	if (out == NULL)
		err_set(e, ERR_AZURE,
			"ResourceNotFound: %.60s on '%.300s' is not possible.",
			name, id);
	return out;
}

void deployment_fault(const struct err *e, struct fault *f)
{
	struct str text, code = template_error(e, &text);

	fault_set(f, 400, "%.*s: %.*s", STR_ARG(code), STR_ARG(text));
}

static cJSON *on_provider(void *ctx, const char *ns)
{
	const struct deployment *d = ctx;

	return subscription_provider(d->m, ns);
}

int deployment_open(struct deployment *d, struct emu *m, const struct entry *group,
		    const char *name, const char *mode, const cJSON *template,
		    const cJSON *parameters, struct fault *f)
{
	struct buf text = BUF_INIT(BODY_MAX);
	struct err e = ERR_INIT;

	d->m = m;
	d->name = xstrdup(name);
	d->mode = xstrdup(mode);
	d->providers = cJSON_CreateArray();
	d->made = cJSON_CreateArray();
	d->hash = 14695981039346656037u;
	json_print(template, &text);
	for (size_t i = 0; i < text.n; i++)
		d->hash = (d->hash ^ (uint8_t)text.str[i]) * 1099511628211u;
	buf_release(&text);
	snprintf(d->hash_text, sizeof(d->hash_text), "%llu",
		 (unsigned long long)(d->hash >> 1));
	d->group = cJSON_Duplicate(group->doc, true);
	snprintf(d->group_name, sizeof(d->group_name), "%.90s",
		 json_text(d->group, "name"));
	d->environment = arm_cloud_doc(m, m->base);
	d->scope = (struct template_scope){
		.subscription_id = m->subscription,
		.tenant_id = m->tenant,
		.group_name = d->group_name,
		.group = d->group,
		.environment = d->environment,
		.deployment_name = d->name,
		.mode = d->mode,
		.template_hash = d->hash_text,
		.now = unix_time(),
		.hide_secure = d->foretell,
		.reference = on_reference,
		.list = on_list,
		.provider = on_provider,
		.ctx = d,
	};
	d->t = template_open(template, parameters, &d->scope, &e);
	if (d->t == NULL && e.kind == ERR_NONE)
		return 1;
	if (d->t == NULL)
		deployment_fault(&e, f);
	return d->t == NULL ? -1 : 0;
}

void deployment_close(struct deployment *d)
{
	template_free(d->t);
	json_free(d->environment);
	json_free(d->providers);
	json_free(d->made);
	json_free(d->group);
	free(d->mode);
	free(d->name);
}

/* What a template makes has bounds like what a body brings.  Takes doc. */
static cJSON *bounded(cJSON *doc, struct err *e)
{
	if (!json_deeper(doc, LEVELS_MAX))
		return doc;
	json_burn(doc);
	err_set(e, ERR_AZURE,
		"InvalidTemplate: A value is nested more than %d levels deep.",
		LEVELS_MAX);
	return NULL;
}

cJSON *deployment_resource(struct deployment *d, size_t i, struct err *e)
{
	return bounded(template_resource(d->t, i, e), e);
}

/* ---- validation ---- */

/* A deployment lists the types that it uses by namespace, with their regions. */
static void add_provider(struct deployment *d, const char *type,
			 const char *location)
{
	char *ns = xstrndup(type, strcspn(type, "/"));
	cJSON *p, *t, *types;

	type += strlen(ns) + 1;
	cJSON_ArrayForEach(p, d->providers)
		if (json_is(p, "namespace", ns))
			break;
	if (p == NULL)
		cJSON_AddItemToArray(
			d->providers,
			p = json_fmt("{'namespace':%s,'resourceTypes':[]}", ns));
	types = json_get_mut(p, "resourceTypes");
	cJSON_ArrayForEach(t, types)
		if (json_is(t, "resourceType", type))
			break;
	if (t == NULL)
		json_push(types, "{'resourceType':%s,'locations':[%s]}", type,
			  location);
	free(ns);
}

static void preflight(struct deployment *d, cJSON *details, size_t *total);

/* Resources of what is nested in d are d's, too. */
static void preflight_nested(struct deployment *d, size_t i, const cJSON *body,
			     cJSON *details, size_t *total, struct fault *f)
{
	struct deployment inner;
	struct entry *group;
	cJSON *id;

	if (nested_open(&inner, d, i, body, &group, f) == 0) {
		preflight(&inner, details, total);
		while ((id = inner.made->child) != NULL)
			cJSON_AddItemToArray(d->made, cJSON_DetachItemViaPointer(
							      inner.made, id));
	}
	deployment_close(&inner);
}

/* details: gets what there is to be said against it. */
static void preflight(struct deployment *d, cJSON *details, size_t *total)
{
	size_t n;
	const struct template_resource *r = template_resources(d->t, &n);

	d->dry = true;
	for (size_t i = 0; i < n && *total <= NESTED_RESOURCES_MAX; i++) {
		struct put p = { .id = xstrdup(r[i].id),
				 .api = r[i].api_version,
				 .dry = true };
		struct err e = ERR_INIT;
		cJSON *body = NULL;

		++*total;
		if (r[i].deploy && (body = deployment_resource(d, i, &e)) == NULL)
			deployment_fault(&e, &p.f);
		if (body != NULL)
			add_provider(d, r[i].type,
				     r[i].nested ?
					     NULL :
					     location_find(json_str_opt(
						     body, "location", NULL)));
		if (body != NULL && r[i].nested) {
			preflight_nested(d, i, body, details, total, &p.f);
		} else if (body != NULL) {
			if (d->level > 0)
				json_add_str(d->made, NULL, r[i].id);
			resource_put(d->m, &p, body);
		}
		if (p.f.error != NULL)
			cJSON_AddItemToArray(details,
					     cJSON_Duplicate(p.f.error, true));
		json_burn(body);
		resource_put_release(&p);
	}
	d->dry = false;
}

int deployment_preflight(struct deployment *d, struct fault *f)
{
	cJSON *details = cJSON_CreateArray();
	size_t total = 0;

	preflight(d, details, &total);
	if (total > NESTED_RESOURCES_MAX) {
		json_free(details);
		return fault_set(f, 400,
				 "InvalidTemplate: Deployment template "
				 "validation failed: 'The template and what is "
				 "nested in it have more than %d resources.'.",
				 NESTED_RESOURCES_MAX);
	}
	if (details->child == NULL) {
		json_free(details);
		return 0;
	}
	fault_set(f, 400,
		  "InvalidTemplateDeployment: The template deployment '%s' is not "
		  "valid according to the validation procedure. See inner errors for details.",
		  d->name);
	json_push(json_add_arr(f->error, "details"), "@preflight", details);
	json_free(details);
	return -1;
}

/* What names a resource among the dependencies. */
static void name_it(cJSON *obj, const struct template_resource *r)
{
	json_defaults(obj, "{'id':%s,'resourceType':%s,'resourceName':%s}",
		      r->id, r->type, r->name);
}

static cJSON *dependencies(struct deployment *d)
{
	size_t n;
	const struct template_resource *r = template_resources(d->t, &n);
	cJSON *all = cJSON_CreateArray(), *item, *on;

	for (size_t i = 0; i < n; i++) {
		item = json_fmt("{'dependsOn':[]}");
		on = item->child;
		for (size_t k = 0; k < r[i].after_n; k++)
			if (r[r[i].after[k]].deploy)
				name_it(json_add_obj(on, NULL), &r[r[i].after[k]]);
		if (r[i].deploy && on->child != NULL) {
			name_it(item, &r[i]);
			cJSON_AddItemToArray(all, item);
		} else {
			json_free(item);
		}
	}
	return all;
}

static cJSON *deployment_doc(struct deployment *d, const char *id,
			     const char *correlation, const char *state)
{
	cJSON *doc, *parameters = template_parameters(d->t),
		    *after = dependencies(d);

	doc = json_fmt("@deployment", id, d->name, (int64_t)(d->hash >> 1),
		       parameters,
		       str_is(d->mode, "Complete") ? "Complete" : "Incremental",
		       state, d->providers, after);
	if (correlation != NULL)
		json_put_str(json_get_mut(doc, "properties"), "correlationId",
			     correlation);
	json_free(parameters);
	json_free(after);
	return doc;
}

/* ---- the run ---- */

enum progress { WAITING, RUNNING, DONE, FAILED };

struct item {
	enum progress at;
	struct op *op;
	cJSON *row; /* in the deployment's list of operations; a copy is kept here */
	char operation[17];
	int64_t started_ms;
	bool created;
};

struct run {
	struct deployment d;
	struct emu *m;
	char *key; /* of the deployment */
	struct item *items;
	const struct template_resource *r;
	size_t n;
	cJSON *details; /* of failures */
	int64_t started_ms;
};

static void duration(int64_t ms, char out[32])
{
	snprintf(out, 32, "PT%lld.%03lldS", (long long)(ms / 1000),
		 (long long)(ms % 1000));
}

static void status_word(unsigned status, char out[32])
{
	const char *s = http_reason(status);
	size_t n = 0;

	for (; *s != '\0' && n < 31; s++)
		if (*s != ' ')
			out[n++] = *s;
	out[n] = '\0';
}

/* Write a resource's row anew, in front of the others when it is the first time. */
static void row_put(struct run *run, size_t i, const char *state,
		    unsigned status, const cJSON *error)
{
	struct item *it = &run->items[i];
	struct entry *n = store_find(run->m, run->key);
	char span[32], word[32];
	cJSON *rows, *row, *old;
	uint64_t r;

	if (n == NULL)
		return;
	if (it->operation[0] == '\0') {
		random_bytes(&r, sizeof(r));
		snprintf(it->operation, sizeof(it->operation), "%016llX",
			 (unsigned long long)r);
	}
	duration(now_ms() - it->started_ms, span);
	status_word(status, word);
	row = json_fmt("@operation", json_text(n->doc, "id"), it->operation,
		       it->operation, state, span, word, error, run->r[i].id,
		       run->r[i].type, run->r[i].name);
	if (error == NULL)
		json_strip_nulls(row);
	rows = json_get_mut(n->hide, "operations");
	cJSON_ArrayForEach(old, rows)
		if (json_is(old, "operationId", it->operation))
			break;
	if (old != NULL)
		cJSON_ReplaceItemViaPointer(rows, old, row);
	else
		cJSON_InsertItemInArray(rows, 0, row);
	store_changed(run->m);
}

/* A failure is told twice: in the row, and as text within the deployment's error. */
static void item_failed(struct run *run, size_t i, unsigned status,
			const cJSON *error, bool async)
{
	static const char ended[] =
		"The resource write operation failed to complete successfully, "
		"because it reached terminal provisioning state 'Failed'.";
	cJSON *doc = !async ? json_fmt("{'error':%j}", error) :
			      json_fmt("{'status':'Failed','error':{'code':'ResourceDeploymentFailure',"
				       "'message':%s,'details':[%j]}}",
				       ended, error);
	struct buf text = BUF_INIT(512u << 10);
	char word[32];

	run->items[i].at = FAILED;
	row_put(run, i, "Failed", status, doc);
	json_print_crlf(doc, &text);
	status_word(status, word);
	json_push(run->details, "{'code':%s,'message':%s}", word, text.str);
	buf_release(&text);
	json_free(doc);
}

/* It is another deployment's run that is waited for. */
static struct op *start_nested(struct run *run, size_t i, const cJSON *body,
			       bool *created, struct fault *f)
{
	const struct entry *self = store_find(run->m, run->key);
	char *correlation = xstrdup(
		self != NULL ? json_text(self->doc, "properties.correlationId") :
			       "");
	struct op *op;

	*created = store_find(run->m, run->r[i].id) == NULL;
	op = nested_begin(&run->d, i, body, correlation, f);
	free(correlation);
	return op;
}

static void item_start(struct run *run, size_t i)
{
	struct item *it = &run->items[i];
	struct put p = { .id = xstrdup(run->r[i].id),
			 .api = run->r[i].api_version };
	struct err e = ERR_INIT;
	cJSON *body;

	it->started_ms = now_ms();
	body = deployment_resource(&run->d, i, &e);
	if (body == NULL)
		deployment_fault(&e, &p.f);
	else if (run->r[i].nested)
		p.op = start_nested(run, i, body, &p.created, &p.f);
	else
		resource_put(run->m, &p, body);
	if (p.f.error == NULL) {
		it->created = p.created;
		it->op = p.op;
		it->at = p.op != NULL ? RUNNING : DONE;
		if (p.op != NULL)
			p.op->pinned = true;
		row_put(run, i, p.op != NULL ? "Running" : "Succeeded",
			p.op != NULL ? 202 :
			it->created  ? 201 :
				       200,
			NULL);
	} else {
		item_failed(run, i, p.f.status, p.f.error, false);
	}
	json_burn(body);
	resource_put_release(&p);
}

static bool ready(const struct run *run, size_t i)
{
	for (size_t k = 0; k < run->r[i].after_n; k++)
		if (run->items[run->r[i].after[k]].at != DONE)
			return false;
	return true;
}

/* Each deployment has a thread; all of them together, down to the innermost,
 * leave some of OPS_MAX to others. */
static bool crowded(const struct run *run)
{
	static const unsigned at_once[] = { 8, 4, 1 };
	unsigned n = 0;

	for (size_t i = 0; i < run->n; i++)
		n += run->r[i].nested && run->items[i].at == RUNNING;
	return n >= at_once[run->d.level < 2 ? run->d.level : 2];
}

/* One round over the resources: true while there is something to wait for. */
static bool advance(struct run *run, bool start)
{
	bool waiting = false;

	for (size_t i = 0; i < run->n; i++) {
		struct item *it = &run->items[i];

		if (it->at == RUNNING && it->op->status != OP_RUNNING) {
			it->op->pinned = false;
			if (it->op->status == OP_SUCCEEDED) {
				it->at = DONE;
				row_put(run, i, "Succeeded",
					it->created ? 201 : 200, NULL);
			} else {
				item_failed(run, i, 409, it->op->fault.error,
					    true);
			}
			it->op = NULL;
		}
	}
	for (size_t i = 0; start && i < run->n; i++)
		if (run->items[i].at == WAITING && ready(run, i) &&
		    !(run->r[i].nested && run->r[i].deploy && crowded(run))) {
			if (run->r[i].deploy)
				item_start(run, i);
			else
				run->items[i].at = DONE;
			i = (size_t)-1; /* what is done at once may free others */
		}
	for (size_t i = 0; i < run->n; i++)
		waiting = waiting || run->items[i].at == RUNNING;
	return waiting;
}

static void output_row(struct entry *n)
{
	cJSON_InsertItemInArray(json_get_mut(n->hide, "operations"), 0,
				json_fmt("@operation-last",
					 json_text(n->doc, "id")));
}

static bool is_made(const struct deployment *d, const char *key)
{
	const cJSON *id;

	cJSON_ArrayForEach(id, d->made)
		if (str_is(id->valuestring, key))
			return true;
	return false;
}

struct entry *deployment_other(struct deployment *d, struct entry *n)
{
	size_t count, i;
	const struct template_resource *r = template_resources(d->t, &count);
	struct entry *group = store_find(d->m, json_text(d->group, "id"));

	while (group != NULL &&
	       (n = store_below(d->m, n, group->key, "/providers/")) != NULL) {
		for (i = 0;
		     i < count && !(r[i].deploy && str_is(r[i].id, n->key)); i++)
			;
		if (i == count && n->type != NULL &&
		    (n->type->flags & R_TRACKED) && !is_made(d, n->key))
			return n;
	}
	return NULL;
}

/* Mode Complete: what the template lacks goes, and what uses it before it. */
static void purge(struct run *run)
{
	struct emu *m = run->m;
	struct entry *n;
	struct op *op;
	bool stuck;
	char api[11];

	do {
		struct fault f = { 0, NULL };

		stuck = true;
		for (n = NULL; (n = deployment_other(&run->d, n)) != NULL;) {
			snprintf(api, sizeof(api), "%.10s", n->type->versions);
			if (resource_delete(m, n, api, &op, &f) < 0) {
				stuck = stuck && n->busy == 0;
				continue;
			}
			stuck = false;
			if (op == NULL)
				n = NULL; /* it is gone already */
		}
		if (stuck && f.error != NULL)
			cJSON_AddItemToArray(run->details,
					     cJSON_Duplicate(f.error, true));
		fault_release(&f);
	} while (!stuck && op_wait(m, 1000) == 0);
}

static int conclude(struct run *run, bool canceled, struct fault *f)
{
	struct entry *n = store_find(run->m, run->key);
	struct err e = ERR_INIT;
	cJSON *outputs = NULL, *props, *made, *p;
	const cJSON *id;
	char span[32];

	if (canceled) {
		fault_set(f, 409,
			  "DeploymentCanceled: The deployment has been canceled.");
	} else if (run->details->child != NULL) {
		fault_set(f, 409,
			  "DeploymentFailed: At least one resource deployment "
			  "operation failed. Please list deployment operations for details.");
		cJSON_AddItemToObject(f->error, "details",
				      cJSON_Duplicate(run->details, true));
	} else if ((outputs = bounded(template_outputs(run->d.t, &e), &e)) ==
		   NULL) {
		struct fault inner = { 0, NULL };

		deployment_fault(&e, &inner);
		fault_set(f, 400,
			  "DeploymentOutputEvaluationFailed: Unable to evaluate "
			  "template outputs. Please see error details and deployment "
			  "operations.");
		cJSON_AddItemToArray(json_add_arr(f->error, "details"),
				     inner.error);
	}
	if (n == NULL)
		return -1;
	props = json_get_mut(n->doc, "properties");
	duration(now_ms() - run->started_ms, span);
	json_set(props, "timestamp", json_fmt("%t"));
	json_put_str(props, "duration", span);
	json_put_str(props, "provisioningState",
		     canceled	      ? "Canceled" :
		     f->error != NULL ? "Failed" :
					"Succeeded");
	if (f->error != NULL)
		json_set(props, "error", cJSON_Duplicate(f->error, true));
	/* in the history, a parameter that is null has no value */
	cJSON_ArrayForEach(p, json_get_mut(props, "parameters"))
		if (cJSON_IsNull(json_get(p, "value")))
			json_drop(p, "value");
	if (outputs != NULL) {
		output_row(n);
		json_set(props, "outputs", outputs);
		made = json_add_arr(props, "outputResources");
		for (size_t i = 0; i < run->n; i++)
			if (run->r[i].deploy && !run->r[i].nested)
				json_push(made, "{'id':%s}", run->r[i].id);
		cJSON_ArrayForEach(id, run->d.made)
			json_push(made, "{'id':%s}", id->valuestring);
	}
	store_changed(run->m);
	return f->error != NULL ? -1 : 0;
}

/* What is still at work goes on, but for deployments of one that is canceled. */
static void leave(struct run *run, bool cancel)
{
	for (size_t i = 0; i < run->n; i++) {
		struct op *op = run->items[i].op;

		if (op == NULL)
			continue;
		op->pinned = false;
		if (cancel && run->r[i].nested) {
			op->cancel = true;
			pthread_cond_broadcast(&run->m->changed);
		}
	}
}

static int run_deployment(struct emu *m, struct op *op, struct fault *f)
{
	struct run run = { .m = m,
			   .key = xstrdup(op->key),
			   .details = cJSON_CreateArray(),
			   .started_ms = now_ms() };
	struct entry *n = store_find(m, op->key), *group = group_of(m, op->key);
	bool stopped = false;
	int rc = -1;

	if (n == NULL || group == NULL)
		goto out;
	run.d.level = (unsigned)json_int_opt(op->args, "level", 0);
	if (deployment_open(&run.d, m, group, json_text(n->doc, "name"),
			    json_text(op->args, "mode"),
			    json_get(op->args, "template"),
			    json_get(op->args, "parameters"), f) != 0)
		goto out;
	entry_state(n, "Running");
	run.r = template_resources(run.d.t, &run.n);
	run.items = xcalloc(run.n + 1, sizeof(*run.items));
	/* a while of "Accepted", as from Azure */
	stopped = op_sleep(m, 200) < 0;
	while (!stopped && advance(&run, !op->cancel) && !op->cancel)
		stopped = op_wait(m, 1000) < 0;
	leave(&run, op->cancel);
	nested_collect(&run.d);
	if (!stopped && !op->cancel && run.details->child == NULL &&
	    json_is(op->args, "mode", "Complete"))
		purge(&run);
	if (!stopped)
		rc = conclude(&run, op->cancel, f);
out:
	deployment_close(&run.d);
	json_free(run.details);
	free(run.items);
	free(run.key);
	return rc;
}

/* ---- requests ---- */

static bool active(const struct entry *n)
{
	return n != NULL &&
	       str_listed("Accepted Running",
			  json_text(n->doc, "properties.provisioningState"));
}

int deployment_check_name(const char *name, struct fault *f)
{
	size_t n = strlen(name);

	if (n > 0 && n <= 64 && strspn(name, LETTERS DIGITS "-._()") == n)
		return 0;
	return fault_set(f, 400,
			 "InvalidDeploymentName: The deployment name "
			 "'%.100s' is not valid: 1 to 64 letters, digits, '-', '.', '_', '(' "
			 "and ')'.",
			 name);
}

int deployment_refuse_active(const struct entry *n, struct fault *f)
{
	return !active(n) ?
		       0 :
		       fault_set(f, 409,
				 "DeploymentActive: Unable to edit or replace deployment "
				 "'%s': previous deployment from '%s' is still active.",
				 json_text(n->doc, "name"),
				 json_text(n->doc, "properties.timestamp"));
}

static int check_request(struct request *r, const char *name)
{
	const cJSON *props = json_get(r->body, "properties");
	const char *mode = json_str_opt(props, "mode", NULL);

	if (deployment_check_name(name, &r->fault) < 0)
		return -1;
	if (!cJSON_IsObject(props))
		return fault_content(&r->fault, "'properties' is missing");
	if (!str_listed("Incremental Complete", mode))
		return fault_set(&r->fault, 400,
				 "InvalidDeploymentMode: The deployment mode "
				 "'%.40s' is not valid: Incremental and Complete are.",
				 mode != NULL ? mode : "");
	if (!cJSON_IsObject(json_get(props, "template")))
		return fault_set(
			&r->fault, 400,
			"InvalidDeployment: The 'template' of "
			"deployment '%s' is missing; the local Azure follows no links.",
			name);
	return 0;
}

/* Of the request, when it is an id; the caller's. */
static char *correlation_of(struct request *r)
{
	struct str corr = http_field(http_x_head(r->x),
				     "x-ms-correlation-request-id");

	return corr.n == 36 ? str_dup(corr) : NULL;
}

/* What a template that passed is answered: what would be there. */
static int answer_validated(struct request *r, struct deployment *d,
			    const char *id)
{
	size_t count;
	const struct template_resource *res = template_resources(d->t, &count);
	char *correlation = correlation_of(r);
	cJSON *doc = deployment_doc(d, id, correlation, "Succeeded");
	cJSON *arr = json_add_arr(json_get_mut(doc, "properties"),
				  "validatedResources");
	const cJSON *made;

	for (size_t i = 0; i < count; i++)
		if (res[i].deploy)
			json_push(arr, "{'id':%s}", res[i].id);
	cJSON_ArrayForEach(made, d->made)
		json_push(arr, "{'id':%s}", made->valuestring);
	free(correlation);
	return request_answer(r, 200, doc);
}

struct op *deployment_begin(struct deployment *d, const struct entry *group,
			    const struct deployment_start *s, struct fault *f)
{
	struct entry *n = store_find(d->m, s->id);
	cJSON *doc = deployment_doc(d, s->id, s->correlation, "Accepted");
	struct op *op;

	if (n != NULL)
		store_remove(d->m, n);
	n = store_add(d->m, s->id, doc, json_fmt("{'operations':[]}"));
	op = op_start(
		d->m, OP_DEPLOYMENT, json_text(group->doc, "location"), s->id,
		s->api, run_deployment,
		json_fmt("{'template':%j,'parameters':%j,'mode':%s,'level':%d}",
			 s->template, s->parameters, s->mode, (int)d->level),
		NULL, f);
	if (op == NULL)
		entry_state(n, "Failed");
	else
		json_add_str(n->hide, "op", op->id);
	return op;
}

/* The answer to who asked for it. */
static int answer_begun(struct request *r, struct deployment *d,
			const struct entry *group, const char *id)
{
	const cJSON *props = json_get(r->body, "properties");
	bool had = store_find(r->m, id) != NULL;
	char *correlation = correlation_of(r);
	struct deployment_start s = { .template = json_get(props, "template"),
				      .parameters = json_get(props, "parameters"),
				      .mode = json_text(props, "mode"),
				      .correlation = correlation,
				      .id = id,
				      .api = r->api };
	struct op *op = deployment_begin(d, group, &s, &r->fault);

	free(correlation);
	if (op == NULL)
		return -1;
	arm_op_fields(r, op);
	return request_answer(r, had ? 200 : 201,
			      cJSON_Duplicate(store_find(r->m, id)->doc, true));
}

/* start: make it; otherwise only say whether it would do. */
static int put_deployment(struct request *r, struct entry *group,
			  const char *id, const char *name, bool start)
{
	struct deployment d = { 0 };
	struct entry *n = store_find(r->m, id);
	const cJSON *props = json_get(r->body, "properties");
	int rc = -1;

	if (check_request(r, name) < 0)
		return -1;
	if (start && deployment_refuse_active(n, &r->fault) < 0)
		return -1;
	if (start && group_refuse_leaving(group, &r->fault) < 0)
		return -1;
	r->gateway = true;
	if (deployment_open(&d, r->m, group, name, json_text(props, "mode"),
			    json_get(props, "template"),
			    json_get(props, "parameters"), &r->fault) == 0 &&
	    deployment_preflight(&d, &r->fault) == 0) {
		r->gateway = false;
		rc = start ? answer_begun(r, &d, group, id) :
			     answer_validated(r, &d, id);
	}
	deployment_close(&d);
	return rc;
}

static int cancel_deployment(struct request *r, struct entry *n)
{
	struct op *op = op_find(r->m, str_of(json_text(n->hide, "op")));

	if (!active(n) || op == NULL)
		return fault_set(&r->fault, 409,
				 "DeploymentCannotBeCancelled: The deployment "
				 "'%s' cannot be cancelled because it is not active.",
				 json_text(n->doc, "name"));
	op->cancel = true;
	pthread_cond_broadcast(&r->m->changed);
	return request_answer(r, 204, NULL);
}

static int run_forget(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *n;

	(void)f;
	if (op_sleep(m, 300) < 0)
		return -1;
	if ((n = store_find(m, op->key)) != NULL)
		store_remove(m, n);
	return 0;
}

static int delete_deployment(struct request *r, struct entry *n)
{
	struct op *op;

	if (active(n))
		return fault_set(&r->fault, 409,
				 "DeploymentActive: Unable to delete deployment '%s': it is "
				 "still active.",
				 json_text(n->doc, "name"));
	op = arm_begin(r, OP_JOB, n, run_forget, NULL, NULL);
	if (op == NULL)
		return -1;
	op->done_status = 204;
	return 0;
}

static int no_deployment(struct request *r, const char *name)
{
	r->gateway = true;
	return fault_set(&r->fault, 404,
			 "DeploymentNotFound: Deployment '%.80s' could not be found.",
			 name);
}

int deployment_operations(struct request *r, struct entry *group,
			  const char *name, const char *id)
{
	char *path = xasprintf("%s" DEPLOYMENTS "%s", group->key, name);
	struct entry *n = store_find(r->m, path);
	const cJSON *row;

	free(path);
	if (r->method != GET)
		return request_bad_method(r);
	if (n == NULL)
		return no_deployment(r, name);
	if (id == NULL)
		return request_page(r, json_get(n->hide, "operations"), 25);
	cJSON_ArrayForEach(row, json_get(n->hide, "operations"))
		if (json_is(row, "operationId", id))
			return request_answer(r, 200, cJSON_Duplicate(row, true));
	return fault_set(&r->fault, 404,
			 "DeploymentOperationNotFound: "
			 "The deployment operation '%.80s' could not be found.",
			 id);
}

/* The deployment itself. */
static int deployment_call(struct request *r, struct entry *n)
{
	switch (r->method) {
	case HEAD:
		return request_answer(r, 204, NULL);
	case GET:
		return request_answer(r, 200, cJSON_Duplicate(n->doc, true));
	case DELETE:
		return delete_deployment(r, n);
	default:
		return request_bad_method(r);
	}
}

int deployment_route(struct request *r, struct entry *group, char **s)
{
	bool validate = str_is(s[1], "validate") && r->method == POST;
	struct entry *n;
	char *id;
	int rc;

	if (s[0] == NULL)
		return resource_list(r, NULL, group->key, DEPLOYMENTS, 25);
	if (str_is(s[1], "operations"))
		return deployment_operations(r, group, s[0], s[2]);
	id = xasprintf("%s/providers/Microsoft.Resources/deployments/%s",
		       json_text(group->doc, "id"), s[0]);
	n = store_find(r->m, id);
	if (validate || (s[1] == NULL && r->method == PUT))
		rc = put_deployment(r, group, id, s[0], !validate);
	else if (str_is(s[1], "whatIf") && r->method == POST)
		rc = check_request(r, s[0]) < 0 ? -1 :
						  whatif_begin(r, group, s[0]);
	else if (n == NULL)
		rc = r->method == DELETE ? request_answer(r, 204, NULL) :
					   no_deployment(r, s[0]);
	else if (s[1] == NULL)
		rc = deployment_call(r, n);
	else if (str_is(s[1], "operationStatuses") && s[2] != NULL)
		rc = arm_poll(r, s[2], false);
	else if (str_is(s[1], "cancel") && r->method == POST)
		rc = cancel_deployment(r, n);
	else
		rc = request_bad_method(r);
	free(id);
	return rc;
}
