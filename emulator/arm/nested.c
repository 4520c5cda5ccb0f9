/*
 * Deployments in deployments: a resource of a template that is a template
 * itself, deployed to the same group or another one.  Each is a deployment
 * like any other, with its own operations and its place in the history; here
 * is what its being within another makes special.
 *
 * Source: "Using linked and nested templates when deploying Azure resources",
 * "Deploy resources to more than one scope" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/deploy.h"
#include "emulator/arm/groups.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/store.h"

/* The group that a deployment's id is in.  NULL with f. */
static struct entry *group_for(struct emu *m, const char *id, struct fault *f)
{
	struct str s = str_of(id), word = STR_NULL;
	struct entry *group;

	str_next(&s, '/', &word);
	if (!str_next(&s, '/', &word) || !str_ieqz(word, "subscriptions")) {
		fault_set(f, 400,
			  "InvalidTemplate: A deployment to a management group "
			  "or a tenant is not known to the local Azure.");
		return NULL;
	}
	str_next(&s, '/', &word);
	if (!str_ieqz(word, m->subscription)) {
		fault_set(f, 404,
			  "SubscriptionNotFound: The subscription '%.*s' could "
			  "not be found.",
			  STR_ARG(str_head(word, 80)));
		return NULL;
	}
	if (!str_next(&s, '/', &word) || !str_ieqz(word, "resourceGroups")) {
		fault_set(f, 400,
			  "InvalidTemplate: A deployment to a subscription is "
			  "not known to the local Azure.");
		return NULL;
	}
	group = group_of(m, id);
	if (group == NULL) {
		str_next(&s, '/', &word);
		fault_set(f, 404,
			  "ResourceGroupNotFound: Resource group '%.*s' could "
			  "not be found.",
			  STR_ARG(str_head(word, 90)));
	}
	return group;
}

int nested_open(struct deployment *d, const struct deployment *outer, size_t i,
		const cJSON *body, struct entry **group, struct fault *f)
{
	size_t n;
	const struct template_resource *r = template_resources(outer->t, &n) + i;
	const cJSON *parameters, *template;
	struct err e = ERR_INIT;

	*d = (struct deployment){ .foretell = outer->foretell,
				  .level = outer->level + 1 };
	if (d->level > NESTED_MAX)
		return fault_set(f, 400,
				 "InvalidTemplate: Deployment template "
				 "validation failed: 'Deployments are nested "
				 "more than %d levels deep.'.",
				 NESTED_MAX);
	if ((*group = group_for(outer->m, r->id, f)) == NULL)
		return -1;
	if (deployment_check_name(r->name, f) < 0)
		return -1;
	template = template_nested(body, &parameters, &e);
	if (template == NULL) {
		deployment_fault(&e, f);
		return -1;
	}
	return deployment_open(d, outer->m, *group, r->name, "Incremental",
			       template, parameters, f);
}

/* The history of a group holds so many, and what is nested counts. */
static int check_history(struct emu *m, const struct entry *group,
			 const char *id, struct fault *f)
{
	unsigned count = 0;

	if (store_find(m, id) != NULL)
		return 0;
	for (struct entry *n = NULL;
	     (n = store_below(m, n, group->key, DEPLOYMENTS)) != NULL;)
		count++;
	if (count < DEPLOYMENTS_MAX)
		return 0;
	return fault_set(f, 409,
			 "DeploymentQuotaExceeded: Creating the deployment '%.80s' "
			 "would exceed the quota of '%d'. The current deployment "
			 "count is '%u'. Please delete some deployments before "
			 "creating a new one, or see "
			 "https://aka.ms/800LimitFix for information on managing "
			 "deployment limits.",
			 strrchr(id, '/') + 1, DEPLOYMENTS_MAX, count);
}

struct op *nested_begin(const struct deployment *outer, size_t i,
			const cJSON *body, const char *correlation,
			struct fault *f)
{
	size_t n;
	const struct template_resource *r = template_resources(outer->t, &n) + i;
	struct deployment d;
	struct deployment_start start = { .mode = "Incremental",
					  .correlation = correlation,
					  .id = r->id,
					  .api = r->api_version };
	struct entry *group = NULL;
	struct op *op = NULL;
	struct err e = ERR_INIT;
	int rc = nested_open(&d, outer, i, body, &group, f);

	if (rc > 0) /* by now all is known */
		fault_set(f, 400,
			  "InvalidTemplate: Deployment template validation "
			  "failed: 'A value is not known.'.");
	start.template = template_nested(body, &start.parameters, &e);
	if (rc == 0 && group_refuse_leaving(group, f) == 0 &&
	    deployment_refuse_active(store_find(outer->m, r->id), f) == 0 &&
	    check_history(outer->m, group, r->id, f) == 0 &&
	    deployment_preflight(&d, f) == 0)
		op = deployment_begin(&d, group, &start, f);
	deployment_close(&d);
	return op;
}

void nested_collect(struct deployment *d)
{
	size_t n;
	const struct template_resource *r = template_resources(d->t, &n);
	const cJSON *id;

	for (size_t i = 0; i < n; i++) {
		const cJSON *doc = r[i].nested && r[i].deploy ?
					   store_doc(d->m, r[i].id) :
					   NULL;

		cJSON_ArrayForEach(id, json_at(doc, "properties.outputResources"))
			json_add_str(d->made, NULL, json_text(id, "id"));
	}
}
