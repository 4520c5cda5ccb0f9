/*
 * What a deployment would change, without making it: the template is
 * evaluated, every resource's document is made but not kept, and compared
 * with the one that is there.  Secure parameters, and references to what is
 * not there yet, stay the expressions they are.
 *
 * Source: WhatIfOperationResult in Microsoft's description of
 * Microsoft.Resources 2021-04-01, and exchanges recorded on Azure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/arm.h"
#include "emulator/arm/deploy.h"
#include "emulator/arm/resource.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

/* What only the platform sets: in neither document. */
static const char platforms[] =
	"etag provisioningState resourceGuid uniqueId vmId timeCreated fqdn ipAddress "
	"ipConfiguration exactVersion virtualMachine virtualMachines defaultSecurityRules";

static void strip(cJSON *doc)
{
	bool part = cJSON_IsObject(doc) && json_get(doc, "etag") != NULL &&
		    json_get(doc, "location") == NULL;
	cJSON *v, *next;

	for (v = doc->child; v != NULL; v = next) {
		next = v->next;
		if (str_listed(platforms, v->string) ||
		    (part && str_listed("id type", v->string)))
			json_free(cJSON_DetachItemViaPointer(doc, v));
		else
			strip(v);
	}
}

static bool unknown(const cJSON *v)
{
	struct str s = str_of(cJSON_GetStringValue(v));

	return str_starts(s, STR("[")) && str_ends(s, STR("]"));
}

/* Take out of body what is not known, for a provider sees only the rest;
 * put_unknown() puts it back into the document that comes of that. */
static void take_unknown(cJSON *body)
{
	cJSON *v, *next;

	for (v = body->child; v != NULL; v = next) {
		next = v->next;
		if (unknown(v) && cJSON_IsObject(body))
			json_free(cJSON_DetachItemViaPointer(body, v));
		else
			take_unknown(v);
	}
}

static void put_unknown(cJSON *to, const cJSON *body)
{
	const cJSON *v;
	cJSON *at;
	int i = 0;

	cJSON_ArrayForEach(v, body) {
		at = cJSON_IsArray(body) ? cJSON_GetArrayItem(to, i++) :
					   cJSON_GetObjectItem(to, v->string);
		if (unknown(v) && cJSON_IsObject(to))
			json_set(to, v->string, cJSON_Duplicate(v, true));
		else if (at != NULL)
			put_unknown(at, v);
	}
}

/* ---- differences ---- */

static void push(cJSON *delta, const char *path, const char *kind,
		 const cJSON *before, const cJSON *after)
{
	cJSON *o = json_fmt("{'path':%s,'propertyChangeType':%s}", path, kind);

	if (before != NULL)
		json_set(o, "before", cJSON_Duplicate(before, true));
	if (after != NULL)
		json_set(o, "after", cJSON_Duplicate(after, true));
	cJSON_AddItemToArray(delta, o);
}

/* What in arr stands for item i of another: what is called the same, what is
 * the same, or, without a name, what is in its place. */
static const cJSON *counterpart(const cJSON *arr, const cJSON *item, int i)
{
	const char *name = json_str_opt(item, "name", NULL);
	const cJSON *v;

	if (name != NULL)
		return json_named(arr, name);
	if (cJSON_IsObject(item))
		return cJSON_GetArrayItem(arr, i);
	cJSON_ArrayForEach(v, arr)
		if (cJSON_Compare(v, item, true))
			return v;
	return NULL;
}

static void compare(cJSON *delta, const char *path, const cJSON *before,
		    const cJSON *after);

static void compare_items(cJSON *children, const cJSON *before, const cJSON *after)
{
	const cJSON *v, *other;
	char index[16];
	int i = 0;

	cJSON_ArrayForEach(v, before) {
		snprintf(index, sizeof(index), "%d", i);
		other = counterpart(after, v, i++);
		if (other == NULL) {
			push(children, index, "Delete", v, NULL);
		} else {
			cJSON *inner = cJSON_CreateArray();

			compare(inner, "", v, other);
			if (inner->child != NULL)
				json_push(children,
					  "{'path':%s,'propertyChangeType':'Modify','children':%j}",
					  index, inner);
			json_free(inner);
		}
	}
	i = 0;
	cJSON_ArrayForEach(v, after) {
		snprintf(index, sizeof(index), "%d", i);
		if (counterpart(before, v, i++) == NULL)
			push(children, index, "Create", NULL, v);
	}
}

static void compare_members(cJSON *delta, const char *path, const cJSON *before,
			    const cJSON *after)
{
	const cJSON *v;
	char *inner;

	cJSON_ArrayForEach(v, before) {
		inner = xasprintf("%s%s%s", path, *path != '\0' ? "." : "",
				  v->string);
		compare(delta, inner, v, cJSON_GetObjectItem(after, v->string));
		free(inner);
	}
	cJSON_ArrayForEach(v, after) {
		if (cJSON_GetObjectItem(before, v->string) != NULL)
			continue;
		inner = xasprintf("%s%s%s", path, *path != '\0' ? "." : "",
				  v->string);
		compare(delta, inner, NULL, v);
		free(inner);
	}
}

/* What differs, one of them NULL when it is not there. */
static void compare(cJSON *delta, const char *path, const cJSON *before,
		    const cJSON *after)
{
	cJSON *children;

	if (before == NULL || after == NULL)
		push(delta, path, before == NULL ? "Create" : "Delete", before,
		     after);
	else if (cJSON_IsObject(before) && cJSON_IsObject(after))
		compare_members(delta, path, before, after);
	else if (cJSON_IsArray(before) && cJSON_IsArray(after)) {
		children = cJSON_CreateArray();
		compare_items(children, before, after);
		if (children->child != NULL)
			json_push(delta,
				  "{'path':%s,'propertyChangeType':'Array','children':%j}",
				  path, children);
		json_free(children);
	} else if (!cJSON_Compare(before, after, true)) {
		push(delta, path, "Modify", before, after);
	}
}

/* ---- the changes ---- */

/* Takes before, after and delta, any of which may be NULL. */
static void add_change(cJSON *changes, const char *id, const char *kind,
		       cJSON *before, cJSON *after, cJSON *delta, bool brief)
{
	cJSON *o = json_fmt("{'resourceId':%s,'changeType':%s}", id, kind);
	cJSON *parts[] = { before, after, delta };
	static const char *const names[] = { "before", "after", "delta" };

	for (int i = 0; i < 3; i++)
		if (parts[i] != NULL && !brief)
			cJSON_AddItemToObject(o, names[i], parts[i]);
		else
			json_free(parts[i]);
	cJSON_AddItemToArray(changes, o);
}

static cJSON *stripped(struct emu *m, const struct entry *n, const char *api)
{
	cJSON *doc = resource_show(m, n);

	strip(doc);
	json_put_str(doc, "apiVersion", api);
	return doc;
}

/* The document a resource would get; body is what the template says of it. */
static cJSON *foretold(struct emu *m, const struct template_resource *r,
		       bool there, const cJSON *body)
{
	struct put p = { .id = xstrdup(r->id), .api = r->api_version, .dry = true };
	cJSON *known = cJSON_Duplicate(body, true), *doc;

	take_unknown(known);
	/* what there is keeps what it was given; what a provider does not take
	 * for want of a secret stays as it was written */
	if (there && resource_put(m, &p, known) == 0) {
		doc = p.doc;
		p.doc = NULL;
	} else {
		doc = cJSON_Duplicate(known, true);
		json_defaults(doc, "{'id':%s,'name':%s,'type':%s}", r->id,
			      strrchr(r->id, '/') + 1, r->type);
	}
	put_unknown(doc, body);
	strip(doc);
	json_put_str(doc, "apiVersion", r->api_version);
	json_burn(known);
	resource_put_release(&p);
	return doc;
}

static int change(struct deployment *d, size_t i, cJSON *changes, bool brief,
		  struct err *e)
{
	size_t count;
	const struct template_resource *r = template_resources(d->t, &count) + i;
	struct entry *n = store_find(d->m, r->id);
	cJSON *body = deployment_resource(d, i, e), *before, *after, *delta;
	const char *kind;

	if (body == NULL)
		return -1;
	after = foretold(d->m, r, n != NULL, body);
	json_burn(body);
	if (n == NULL) {
		add_change(changes, r->id, "Create", NULL, after, NULL, brief);
		return 0;
	}
	before = stripped(d->m, n, r->api_version);
	delta = cJSON_CreateArray();
	compare(delta, "", before, after);
	kind = brief ? "Deploy" : delta->child != NULL ? "Modify" : "NoChange";
	add_change(changes, json_text(n->doc, "id"), kind, before, after, delta,
		   brief);
	return 0;
}

static int change_all(struct deployment *d, cJSON *changes, bool brief,
		      cJSON *made, struct fault *f);

/* Nothing is told of the deployment itself, but for one of which nothing can be
 * told of what it would deploy. */
static int change_nested(struct deployment *d, size_t i, cJSON *changes,
			 bool brief, cJSON *made, struct fault *f)
{
	size_t count;
	const struct template_resource *r = template_resources(d->t, &count) + i;
	struct deployment inner = { 0 };
	struct entry *group;
	struct err e = ERR_INIT;
	cJSON *body = deployment_resource(d, i, &e);
	int rc = -1;

	if (body == NULL)
		deployment_fault(&e, f);
	else
		rc = nested_open(&inner, d, i, body, &group, f);
	if (rc == 0)
		rc = change_all(&inner, changes, brief, made, f);
	else if (rc > 0)
		json_push(changes,
			  "{'resourceId':%s,'changeType':'Unsupported','unsupportedReason':%s}",
			  r->id,
			  "Its template needs values that are not known before "
			  "the deployment.");
	deployment_close(&inner);
	json_burn(body);
	return rc < 0 ? -1 : 0;
}

/* made: gets the ids of all that is in nested ones. */
static int change_all(struct deployment *d, cJSON *changes, bool brief,
		      cJSON *made, struct fault *f)
{
	size_t count;
	const struct template_resource *r = template_resources(d->t, &count);
	struct err e = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		if (!r[i].deploy)
			continue;
		if (r[i].nested) {
			rc = change_nested(d, i, changes, brief, made, f);
			continue;
		}
		rc = change(d, i, changes, brief, &e);
		if (rc < 0)
			deployment_fault(&e, f);
		if (d->level > 0)
			json_add_str(made, NULL, r[i].id);
	}
	return rc;
}

/* What is in the group and not in the template. */
static void others(struct deployment *d, cJSON *changes, bool complete, bool brief)
{
	struct entry *n = NULL;
	cJSON *doc;
	char api[11];

	while ((n = deployment_other(d, n)) != NULL) {
		snprintf(api, sizeof(api), "%.10s", n->type->versions);
		doc = stripped(d->m, n, api);
		add_change(changes, json_text(n->doc, "id"),
			   complete ? "Delete" : "Ignore", doc,
			   complete ? NULL : cJSON_Duplicate(doc, true), NULL,
			   brief);
	}
}

static int run_what_if(struct emu *m, struct op *op, struct fault *f)
{
	struct deployment d = { .foretell = true };
	bool brief = json_is(op->args, "format", "ResourceIdOnly");
	struct entry *group;
	cJSON *changes = cJSON_CreateArray();
	int rc = -1;

	if (op_sleep(m, 300) < 0 || (group = store_find(m, op->key)) == NULL ||
	    deployment_open(&d, m, group, json_text(op->args, "name"),
			    json_text(op->args, "mode"),
			    json_get(op->args, "template"),
			    json_get(op->args, "parameters"), f) != 0 ||
	    change_all(&d, changes, brief, d.made, f) < 0)
		goto out;
	others(&d, changes, json_is(op->args, "mode", "Complete"), brief);
	op->output = json_fmt(
		"{'status':'Succeeded','properties':{'correlationId':%U,'changes':%j}}",
		changes);
	rc = 0;
out:
	json_free(changes);
	deployment_close(&d);
	return rc;
}

/* A template that cannot be read is refused at once; what the providers refuse is
 * told in the result. */
static int run_refused(struct emu *m, struct op *op, struct fault *f)
{
	(void)f;
	op->output = json_fmt("{'status':'Failed','error':%j}",
			      json_get(op->args, "error"));
	return op_sleep(m, 300);
}

int whatif_begin(struct request *r, struct entry *group, const char *name)
{
	const cJSON *props = json_get(r->body, "properties");
	const cJSON *template = json_get(props, "template"),
		    *parameters = json_get(props, "parameters");
	struct deployment d = { 0 };
	struct fault refused = { 0, NULL };
	struct op *op = NULL;

	r->gateway = true;
	if (deployment_open(&d, r->m, group, name, json_text(props, "mode"),
			    template, parameters, &r->fault) == 0) {
		r->gateway = false;
		if (deployment_preflight(&d, &refused) < 0)
			op = arm_begin(r, OP_JOB, group, run_refused,
				       json_fmt("{'error':%j}", refused.error),
				       NULL);
		else
			op = arm_begin(
				r, OP_JOB, group, run_what_if,
				json_fmt("{'name':%s,'template':%j,'parameters':%j,'mode':%s,"
					 "'format':%s}",
					 name, template, parameters,
					 json_text(props, "mode"),
					 json_text(props,
						   "whatIfSettings.resultFormat")),
				NULL);
	}
	fault_release(&refused);
	deployment_close(&d);
	return op == NULL ? -1 : 0;
}
