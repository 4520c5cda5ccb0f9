/*
 * Resource groups and their end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/arm.h"
#include "emulator/arm/groups.h"
#include "emulator/arm/location.h"
#include "emulator/arm/resource.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

struct entry *group_of(struct emu *m, const char *id)
{
	struct str s = str_of(id), word;
	struct entry *n;
	char *group;
	unsigned i;

	for (i = 0; i < 5 && str_next(&s, '/', &word); i++)
		;
	if (i < 5)
		return NULL;
	group = xstrndup(id, (size_t)(word.p + word.n - id));
	n = store_find(m, group);
	free(group);
	return n;
}

static int group_missing(struct request *r, const char *name)
{
	r->gateway = true;
	return fault_set(&r->fault, 404,
			 "ResourceGroupNotFound: "
			 "Resource group '%.90s' could not be found.",
			 name);
}

struct entry *group_named(struct request *r, const char *name)
{
	struct entry *n;
	char id[256];

	snprintf(id, sizeof(id), "/subscriptions/%s/resourceGroups/%.90s",
		 r->m->subscription, name);
	n = store_find(r->m, id);
	if (n == NULL)
		group_missing(r, name);
	return n;
}

int group_refuse_leaving(const struct entry *group, struct fault *f)
{
	return !entry_is(group, "Deleting") ?
		       0 :
		       fault_set(f, 409,
				 "ResourceGroupBeingDeleted: "
				 "The resource group '%s' is in deprovisioning state and cannot perform this "
				 "operation.",
				 json_text(group->doc, "name"));
}

static int put_group(struct request *r, struct entry *n, const char *id)
{
	const char *name = strrchr(id, '/') + 1, *location, *have;
	cJSON *doc;

	if (strlen(name) > 90 || name[strlen(name) - 1] == '.' ||
	    strspn(name, LETTERS DIGITS "-_.()") != strlen(name))
		return fault_set(
			&r->fault, 400,
			"InvalidResourceGroup: The provided resource "
			"group name '%.100s' has these invalid characters or length: the name "
			"may have up to 90 of alphanumerics, underscores, parentheses, "
			"hyphens and periods, and must not end with a period.",
			name);
	location = location_of_body(r->body, "ResourceGroup", &r->fault);
	if (location == NULL)
		return -1;
	have = n != NULL ? json_text(n->doc, "location") : location;
	if (strcmp(have, location) != 0)
		return fault_set(&r->fault, 409,
				 "InvalidResourceGroupLocation: Invalid "
				 "resource group location '%s'. The Resource group already exists in "
				 "location '%s'.",
				 location, have);
	if (n != NULL && group_refuse_leaving(n, &r->fault) < 0)
		return -1;
	doc = json_fmt("@group", n != NULL ? json_str_opt(n->doc, "id", id) : id,
		       n != NULL ? json_str_opt(n->doc, "name", name) : name,
		       location);
	if (json_get(r->body, "tags") != NULL)
		cJSON_AddItemToObject(doc, "tags",
				      cJSON_Duplicate(json_get(r->body, "tags"),
						      true));
	if (n != NULL) {
		json_free(n->doc);
		n->doc = doc;
		store_changed(r->m);
		return request_answer(r, 200, cJSON_Duplicate(doc, true));
	}
	store_add(r->m, id, doc, NULL);
	return request_answer(r, 201, cJSON_Duplicate(doc, true));
}

/*
 * The end of a group: machines first, all at once, then whatever is left.
 * A machine that will not go blocks the deletion, and the group comes back.
 */
static int run_group_delete(struct emu *m, struct op *op, struct fault *f)
{
	struct fault inner = { 0, NULL };
	char *prefix = xasprintf("%s/", op->key);
	struct entry *n;
	cJSON *keys = cJSON_CreateArray(), *error;
	int rc = -1;

	/* operations in the group come to their ends */
	for (int i = 0; i < 600; i++) {
		for (n = NULL;
		     (n = store_next(m, n, prefix)) != NULL && n->busy == 0;)
			;
		if (n == NULL)
			break;
		if (op_wait(m, 1000) < 0)
			goto out;
	}
	for (n = NULL; (n = store_next(m, n, prefix)) != NULL;)
		if (json_get(n->hide, "power") != NULL)
			json_add_str(keys, NULL, n->key);
	if (machines_run(m, "delete", keys, &inner) < 0) {
		const char *name = strrchr(op->key, '/') + 1;

		fault_set(f, 409,
			  "ResourceGroupDeletionBlocked: Deletion of resource group "
			  "'%s' failed as resources with identifiers '%s' could not be deleted.",
			  name, json_text(inner.error, "target"));
		error = json_add_arr(f->error, "details");
		json_push(error, "{'target':%s,'message':%s}",
			  json_text(inner.error, "target"),
			  json_text(inner.error, "message"));
		if ((n = store_find(m, op->key)) != NULL)
			entry_state(n, "Succeeded");
		goto out;
	}
	while ((n = store_next(m, NULL, prefix)) != NULL)
		resource_forget(m, n);
	if (op_sleep(m, 500) < 0)
		goto out;
	if ((n = store_find(m, op->key)) != NULL)
		store_remove(m, n);
	rc = 0;
out:
	fault_release(&inner);
	json_free(keys);
	free(prefix);
	return rc;
}

static int delete_group(struct request *r, struct entry *n)
{
	if (group_refuse_leaving(n, &r->fault) < 0 ||
	    arm_begin(r, OP_JOB, n, run_group_delete, NULL, NULL) == NULL)
		return -1;
	entry_state(n, "Deleting");
	return 0;
}

int group_route(struct request *r)
{
	struct entry *n;
	char id[256];

	snprintf(id, sizeof(id), "/subscriptions/%s/resourceGroups/%.100s",
		 r->m->subscription, r->seg[3]);
	n = store_find(r->m, id);
	if (r->method == PUT)
		return put_group(r, n, id);
	if (n == NULL)
		return group_missing(r, r->seg[3]);
	switch (r->method) {
	case HEAD:
		return request_answer(r, 204, NULL);
	case DELETE:
		return delete_group(r, n);
	case PATCH:
		/* what the body has replaces what there was, all tags as one */
		if (json_get(r->body, "tags") != NULL)
			json_set(n->doc, "tags",
				 cJSON_Duplicate(json_get(r->body, "tags"), true));
		store_changed(r->m);
		__attribute__((fallthrough));
	case GET:
		return request_answer_as_is(r, 200, n->doc);
	default:
		return request_bad_method(r);
	}
}
