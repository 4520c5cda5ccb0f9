/*
 * What lies beside the resources: tenants, subscriptions, regions, resource
 * groups and their end, and the list of providers.
 */
#include <stdlib.h>

#include "emulator/inner.h"

static cJSON *subscription(struct emu *m)
{
	return json_fmt("@subscription", m->subscription, m->subscription, m->tenant);
}

int arm_subscriptions(struct call *c)
{
	struct emu *m = c->m;
	cJSON *out;

	if (c->method != GET)
		return call_method(c);
	if (str_is(c->seg[0], "tenants"))
		return call_answer(c, 200, json_fmt("@tenants", m->tenant, m->tenant));
	out = json_fmt("{'value':[],'count':{'type':'Total','value':1}}");
	cJSON_AddItemToArray(json_get_mut(out, "value"), subscription(m));
	return call_answer(c, 200, out);
}

static cJSON *location_list_json(struct emu *m)
{
	cJSON *out = json_fmt("{'value':[]}"), *arr = json_get_mut(out, "value");
	const char *s = m->subscription;

	for (const struct location *l = locations; l->name[0] != '\0'; l++) {
		json_push(arr, "@location", s, l->name, l->name, l->display, l->geography, l->display,
			l->geography, l->geography, l->paired, s, l->paired);
		if (strcmp(l->name, "westus") != 0)
			json_defaults(arr->child->prev, "@location-zones", l->name, l->name, l->name);
	}
	json_push(arr, "@location-us", s);
	return out;
}

char *filter_value(struct call *c, const char *name)
{
	char *filter = call_param(c, "$filter"), *want = xasprintf("%s eq '", name), *at, *value = NULL;

	if (filter != NULL && (at = strstr(filter, want)) != NULL) {
		at += strlen(want);
		value = xstrndup(at, strcspn(at, "'"));
	}
	free(filter);
	free(want);
	return value;
}

/* Does doc fit "NAME eq 'x' and NAME eq 'y'"?  -1: a filter of another kind. */
static int filter_holds(const cJSON *doc, struct str filter)
{
	static const char fields[][2][29] = {
		{ "resourceGroup", "id" },	/* the fifth word of it */
		{ "resourceType", "type" }, { "name", "name" }, { "location", "location" },
		{ "provisioningState", "properties.provisioningState" }, { "", "" },
	};
	struct str field, value, path, tag = STR_NULL;
	bool held = true, named;
	unsigned word;
	const cJSON *v;
	size_t i;

	for (; filter.n > 0; filter = str_trim(filter)) {
		if (!str_cut(&filter, '\'', &field) || !str_cut(&filter, '\'', &value))
			return -1;
		field = str_trim(field);
		if (str_istarts(field, STR("and ")))
			field = str_trim(str_skip(field, 4));
		if (!str_ends(field, STR(" eq")))
			return -1;
		field = str_trim(str_head(field, field.n - 3));
		named = str_ieqz(field, "tagName");
		if (named || str_ieqz(field, "tagValue")) {
			if (named)
				tag = value;
			cJSON_ArrayForEach(v, json_get(doc, "tags"))
				if (str_ieqz(tag, v->string) &&
				    (named || str_eq(value, str_of(cJSON_GetStringValue(v)))))
					break;
			held = held && v != NULL;
			continue;
		}
		for (i = 0; fields[i][0][0] != '\0' && !str_ieqz(field, fields[i][0]); i++)
			;
		if (fields[i][0][0] == '\0')
			return -1;
		path = str_of(json_text(doc, fields[i][1]));
		for (field = path, word = i == 0 ? 5 : 0; word > 0 && str_next(&path, '/', &field); word--)
			;
		held = held && str_ieq(value, field);
	}
	return held;
}

int call_filter(struct call *c, cJSON *arr)
{
	char *filter = call_param(c, "$filter");
	cJSON *doc, *next;
	int held = 1;

	for (doc = arr->child; doc != NULL && held >= 0; doc = next) {
		next = doc->next;
		held = filter_holds(doc, str_of(filter));
		if (held == 0)
			json_free(cJSON_DetachItemViaPointer(arr, doc));
	}
	if (held < 0)
		fault_set(&c->fault, 400, "InvalidFilterInQueryString: Invalid $filter '%.200s' specified in the "
			  "query string.", filter);
	free(filter);
	if (held < 0)
		json_free(arr);
	return held < 0 ? -1 : 0;
}

static int list_groups(struct call *c)
{
	char prefix[80];
	cJSON *arr = cJSON_CreateArray();

	snprintf(prefix, sizeof(prefix), "/subscriptions/%s/resourcegroups/", c->m->subscription);
	for (struct entry *n = NULL; (n = store_next(c->m, n, prefix)) != NULL;)
		if (strchr(n->key + strlen(prefix), '/') == NULL)
			cJSON_AddItemToArray(arr, cJSON_Duplicate(n->doc, true));
	return call_filter(c, arr) < 0 ? -1 : call_page(c, arr, 25);
}

int call_resources(struct call *c, const char *key)
{
	cJSON *arr = cJSON_CreateArray(), *doc;

	if (c->method != GET) {
		json_free(arr);
		return call_method(c);
	}
	for (struct entry *n = NULL; (n = store_below(c->m, n, key, "/")) != NULL;)
		if (n->type != NULL && (n->type->flags & R_TRACKED))
			cJSON_AddItemToArray(arr, cJSON_Duplicate(n->doc, true));
	if (call_filter(c, arr) < 0)
		return -1;
	cJSON_ArrayForEach(doc, arr) {
		json_drop(doc, "properties");
		json_drop(doc, "etag");
	}
	return call_page(c, arr, 25);
}

int arm_subscription(struct call *c)
{
	const char *what = c->seg[2];
	char key[60];

	snprintf(key, sizeof(key), "/subscriptions/%s", c->m->subscription);
	if (c->method != GET)
		return call_method(c);
	if (what == NULL)
		return call_answer(c, 200, subscription(c->m));
	if (str_is(what, "locations"))
		return call_answer(c, 200, location_list_json(c->m));
	return str_is(what, "resourcegroups") ? list_groups(c) : call_resources(c, key);
}

/* ---- groups ---- */

static int group_missing(struct call *c, const char *name)
{
	c->gateway = true;
	return fault_set(&c->fault, 404, "ResourceGroupNotFound: "
			 "Resource group '%.90s' could not be found.", name);
}

struct entry *group_named(struct call *c, const char *name)
{
	struct entry *n;
	char id[256];

	snprintf(id, sizeof(id), "/subscriptions/%s/resourceGroups/%.90s", c->m->subscription, name);
	n = store_find(c->m, id);
	if (n == NULL)
		group_missing(c, name);
	return n;
}

int refuse_leaving(const struct entry *group, struct fault *f)
{
	return !entry_is(group, "Deleting") ? 0 : fault_say(f, 409, "ResourceGroupBeingDeleted",
		json_text(group->doc, "name"));
}

static int put_group(struct call *c, struct entry *n, const char *id)
{
	const char *name = strrchr(id, '/') + 1, *location, *have;
	cJSON *doc;

	if (strlen(name) > 90 || name[strlen(name) - 1] == '.' ||
	    strspn(name, LETTERS DIGITS "-_.()") !=
	    strlen(name))
		return fault_say(&c->fault, 400, "InvalidResourceGroup", name);
	location = need_location(c->body, "ResourceGroup", &c->fault);
	if (location == NULL)
		return -1;
	have = n != NULL ? json_text(n->doc, "location") : location;
	if (strcmp(have, location) != 0)
		return fault_say(&c->fault, 409, "InvalidResourceGroupLocation", location, have);
	if (n != NULL && refuse_leaving(n, &c->fault) < 0)
		return -1;
	doc = json_fmt("@group", n != NULL ? json_str_opt(n->doc, "id", id) : id,
		n != NULL ? json_str_opt(n->doc, "name", name) : name, location);
	if (json_get(c->body, "tags") != NULL)
		cJSON_AddItemToObject(doc, "tags", cJSON_Duplicate(json_get(c->body, "tags"), true));
	if (n != NULL) {
		json_free(n->doc);
		n->doc = doc;
		store_changed(c->m);
		return call_answer(c, 200, cJSON_Duplicate(doc, true));
	}
	store_add(c->m, id, doc, NULL);
	return call_answer(c, 201, cJSON_Duplicate(doc, true));
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
		for (n = NULL; (n = store_next(m, n, prefix)) != NULL && n->busy == 0;)
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

		fault_say(f, 409, "ResourceGroupDeletionBlocked", name, json_text(inner.error, "target"));
		error = json_add_arr(f->error, "details");
		json_push(error, "{'target':%s,'message':%s}", json_text(inner.error, "target"),
			  json_text(inner.error, "message"));
		if ((n = store_find(m, op->key)) != NULL)
			entry_state(n, "Succeeded");
		goto out;
	}
	while ((n = store_next(m, NULL, prefix)) != NULL) {
		if (json_is(n->doc, "type", "Microsoft.Storage/storageAccounts"))
			blob_forget(m, json_text(n->doc, "name"), NULL);
		store_remove(m, n);
	}
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

static int delete_group(struct call *c, struct entry *n)
{
	if (refuse_leaving(n, &c->fault) < 0 ||
	    call_begin(c, OP_JOB, n, run_group_delete, NULL, NULL) == NULL)
		return -1;
	entry_state(n, "Deleting");
	return 0;
}

int group_call(struct call *c)
{
	struct entry *n;
	char id[256];

	snprintf(id, sizeof(id), "/subscriptions/%s/resourceGroups/%.100s", c->m->subscription, c->seg[3]);
	n = store_find(c->m, id);
	if (c->method == PUT)
		return put_group(c, n, id);
	if (n == NULL)
		return group_missing(c, c->seg[3]);
	switch (c->method) {
	case HEAD:
		return call_answer(c, 204, NULL);
	case DELETE:
		return delete_group(c, n);
	case PATCH:
		/* what the body has replaces what there was, all tags as one */
		if (json_get(c->body, "tags") != NULL)
			json_set(n->doc, "tags", cJSON_Duplicate(json_get(c->body, "tags"), true));
		store_changed(c->m);
		__attribute__((fallthrough));
	case GET:
		return call_answer(c, 200, cJSON_Duplicate(n->doc, true));
	default:
		return call_method(c);
	}
}

/* ---- providers ---- */

static const char namespaces[] = "Microsoft.Resources Microsoft.Compute Microsoft.Network "
	"Microsoft.Storage Microsoft.Insights Microsoft.Authorization Microsoft.ManagedIdentity";

static void provider_types(cJSON *arr, struct str ns, const struct rtype *types)
{
	struct str versions, word;

	for (; types->name != NULL; types++) {
		cJSON *o, *list;

		if (!str_istarts(str_of(types->name), ns))
			continue;
		o = json_fmt("{'resourceType':%s,'locations':[],'apiVersions':[]}", types->name + ns.n + 1);
		list = json_get_mut(o, "locations");
		for (const struct location *l = locations; l->name[0] != '\0'; l++)
			json_add_str(list, NULL, l->display);
		versions = str_of(types->versions);
		while (str_next(&versions, ',', &word))
			json_add_strn(json_get_mut(o, "apiVersions"), NULL, str_trim(word));
		cJSON_AddItemToArray(arr, o);
	}
}

static cJSON *provider(struct emu *m, struct str ns, const char *state)
{
	char *name = str_dup(ns);
	cJSON *o = json_fmt("@provider", m->subscription, name, name, state);
	cJSON *arr = json_get_mut(o, "resourceTypes");

	free(name);
	for (size_t i = 0; all_types[i] != NULL; i++)
		provider_types(arr, ns, all_types[i]);
	return o;
}

/* What a subscription has of one type, all its groups together. */
static int subscription_list(struct call *c, const char *ns, const char *type)
{
	char name[160];
	const struct rtype *t;

	snprintf(name, sizeof(name), "%.60s/%.80s", ns, type);
	t = rtype_find(name);
	return t == NULL ? unknown_type(c, ns, type) : call_list(c, t, "/subscriptions/", c->m->subscription, 100);
}

int arm_providers(struct call *c, char **s)
{
	struct str rest = str_of(namespaces), ns;
	cJSON *arr;

	if (s[0] == NULL) {
		arr = cJSON_CreateArray();
		while (str_next(&rest, ' ', &ns))
			cJSON_AddItemToArray(arr, provider(c->m, ns, "Registered"));
		return c->method == GET ? call_page(c, arr, 100) : (json_free(arr), call_method(c));
	}
	do
		if (!str_next(&rest, ' ', &ns)) {
			c->gateway = true;
			return fault_set(&c->fault, 404, "InvalidResourceNamespace: "
					 "The resource namespace '%.80s' is invalid.", s[0]);
		}
	while (!str_ieqz(ns, s[0]));
	if (str_is(s[1], "register") && s[2] == NULL && c->method == POST)
		return call_answer(c, 200, provider(c->m, ns, "Registering"));
	if (str_is(s[0], "Microsoft.Storage") && str_is(s[1], "checkNameAvailability"))
		return storage_names(c);
	if (c->method != GET)
		return call_method(c);
	if (s[1] == NULL)
		return call_answer(c, 200, provider(c->m, ns, "Registered"));
	if (str_is(s[0], "Microsoft.Compute") && (str_is(s[1], "locations") || str_is(s[1], "skus")))
		return compute_location(c, s + 1);
	return s[2] == NULL ? subscription_list(c, s[0], s[1]) : unknown_type(c, s[0], s[1]);
}
