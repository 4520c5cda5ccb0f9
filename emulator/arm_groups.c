/*
 * What lies beside the resources: tenants, subscriptions, regions, resource
 * groups and their end, and the list of providers.
 */
#include <stdlib.h>

#include "emulator/inner.h"

static cJSON *subscription(struct emu *m)
{
	char id[64];

	snprintf(id, sizeof(id), "/subscriptions/%s", m->subscription);
	return json_fmt("{'id':%s,'authorizationSource':'RoleBased','managedByTenants':[],"
			"'subscriptionId':%s,'tenantId':%s,'displayName':'Local Azure',"
			"'state':'Enabled','subscriptionPolicies':{'locationPlacementId':"
			"'Public_2014-09-01','quotaId':'PayAsYouGo_2014-09-01','spendingLimit':'Off'}}",
			id, m->subscription, m->tenant);
}

int arm_subscriptions(struct call *c)
{
	struct emu *m = c->m;
	char id[64];
	cJSON *out;

	if (c->method != GET)
		return call_method(c);
	if (is(c->seg[0], "tenants")) {
		snprintf(id, sizeof(id), "/tenants/%s", m->tenant);
		return call_answer(c, 200, json_fmt("{'value':[{'id':%s,'tenantId':%s,"
			"'countryCode':'US','displayName':'Local Azure','domains':"
			"['local.onmicrosoft.example'],'tenantCategory':'Home','defaultDomain':"
			"'local.onmicrosoft.example','tenantType':'AAD'}]}", id, m->tenant));
	}
	out = json_fmt("{'value':[],'count':{'type':'Total','value':1}}");
	cJSON_AddItemToArray(json_get_mut(out, "value"), subscription(m));
	return call_answer(c, 200, out);
}

static cJSON *location_list_json(struct emu *m)
{
	cJSON *arr = cJSON_CreateArray(), *item;
	char id[96], paired[96], zone[32], long_name[64];

	for (size_t i = 0; locations[i][0] != NULL; i++) {
		const char *const *l = locations[i];

		snprintf(id, sizeof(id), "/subscriptions/%s/locations/%s", m->subscription, l[0]);
		snprintf(paired, sizeof(paired), "/subscriptions/%s/locations/%s", m->subscription,
			 l[3]);
		snprintf(long_name, sizeof(long_name), "(%s) %s", l[2], l[1]);
		item = json_fmt("{'id':%s,'name':%s,'type':'Region','displayName':%s,"
			"'regionalDisplayName':%s,'metadata':{'regionType':'Physical',"
			"'regionCategory':%s,'geography':%s,'geographyGroup':%s,'longitude':'0',"
			"'latitude':'0','physicalLocation':'','pairedRegion':[{'name':%s,'id':%s}]}}",
			id, l[0], l[1], long_name, i < 8 ? "Recommended" : "Other", l[2], l[2], l[3],
			paired);
		if (strcmp(l[0], "westus") != 0) {
			cJSON *zones = json_add_arr(item, "availabilityZoneMappings");

			for (int z = 1; z <= 3; z++) {
				snprintf(zone, sizeof(zone), "%s-az%d", l[0], z);
				json_push(zones, "{'logicalZone':%s,'physicalZone':%s}",
					  z == 1 ? "1" : z == 2 ? "2" : "3", zone);
			}
		}
		cJSON_AddItemToArray(arr, item);
	}
	snprintf(id, sizeof(id), "/subscriptions/%s/locations/unitedstates", m->subscription);
	json_push(arr, "{'id':%s,'name':'unitedstates','type':'Region','displayName':'United States',"
		  "'regionalDisplayName':'United States','metadata':{'regionType':'Logical',"
		  "'regionCategory':'Other','geographyGroup':'US'}}", id);
	item = cJSON_CreateObject();
	cJSON_AddItemToObject(item, "value", arr);
	return item;
}

cJSON *resource_brief(const struct entry *n)
{
	static const char *const parts[] = { "id", "name", "type", "kind", "location", "sku", "zones",
					     "tags", NULL };
	cJSON *out = cJSON_CreateObject();
	const cJSON *v;

	for (size_t i = 0; parts[i] != NULL; i++)
		if ((v = json_get(n->doc, parts[i])) != NULL)
			cJSON_AddItemToObject(out, parts[i], cJSON_Duplicate(v, true));
	return out;
}

/* "tagName eq 'x' and tagValue eq 'y'" and "resourceType eq 'x'": the value
 * behind that word, NULL if it is not asked for.  Caller frees. */
static char *filter_value(const struct buf *filter, const char *name)
{
	struct str s = buf_str(filter), word;
	char *want = xasprintf("%s eq '", name);
	ptrdiff_t at = str_find(s, str_of(want));

	s = at < 0 ? STR_NULL : str_skip(s, (size_t)at + strlen(want));
	free(want);
	return at >= 0 && str_cut(&s, '\'', &word) ? str_dup(word) : NULL;
}

static int list_groups(struct call *c)
{
	struct buf filter = BUF_INIT(1024);
	char prefix[80], *name = NULL, *value = NULL;
	cJSON *arr = cJSON_CreateArray();
	struct entry *n;

	if (call_param(c, "$filter", &filter)) {
		name = filter_value(&filter, "tagName");
		value = filter_value(&filter, "tagValue");
	}
	snprintf(prefix, sizeof(prefix), "/subscriptions/%s/resourcegroups/", c->m->subscription);
	for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;) {
		const cJSON *tag = name == NULL ? NULL : json_get_i(json_get(n->doc, "tags"), name);

		if (strchr(n->key + strlen(prefix), '/') == NULL &&
		    (name == NULL || tag != NULL) &&
		    (value == NULL || is(value, cJSON_GetStringValue(tag))))
			cJSON_AddItemToArray(arr, cJSON_Duplicate(n->doc, true));
	}
	buf_release(&filter);
	free(name);
	free(value);
	return call_page(c, arr, 25);
}

int arm_subscription(struct call *c)
{
	const char *what = c->seg[2];
	struct buf filter = BUF_INIT(1024);
	struct entry *n;
	char prefix[80], *type = NULL;
	cJSON *arr;

	if (c->method != GET)
		return call_method(c);
	if (what == NULL)
		return call_answer(c, 200, subscription(c->m));
	if (is(what, "locations"))
		return call_answer(c, 200, location_list_json(c->m));
	if (is(what, "resourcegroups"))
		return list_groups(c);
	if (call_param(c, "$filter", &filter))
		type = filter_value(&filter, "resourceType");
	arr = cJSON_CreateArray();
	snprintf(prefix, sizeof(prefix), "/subscriptions/%s/", c->m->subscription);
	for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;)
		if (n->type != NULL && (n->type->flags & R_TRACKED) &&
		    (type == NULL || is(type, n->type->name)))
			cJSON_AddItemToArray(arr, resource_brief(n));
	buf_release(&filter);
	free(type);
	return call_page(c, arr, 25);
}

/* ---- groups ---- */

static int bad_location(struct call *c, const char *name)
{
	char *list = location_list();

	fault_set(&c->fault, 400, "LocationNotAvailableForResourceGroup: "
	       "The provided location '%.60s' is not available for resource group. List of available "
	       "regions is '%s'.", name, list);
	free(list);
	return -1;
}

static int put_group(struct call *c, struct entry *n, const char *id)
{
	const char *asked = json_str_opt(c->body, "location", NULL), *name = strrchr(id, '/') + 1;
	const char *location = location_find(asked), *have;
	cJSON *doc;

	if (strlen(name) > 90 || name[strlen(name) - 1] == '.' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.()") !=
	    strlen(name))
		return fault_set(&c->fault, 400, "InvalidResourceGroup: "
			      "The provided resource group name '%.100s' has these invalid characters or "
			      "length: the name may have up to 90 of alphanumerics, underscores, "
			      "parentheses, hyphens and periods, and must not end with a period.", name);
	if (asked == NULL)
		return fault_set(&c->fault, 400, "LocationRequired: "
			      "The location property is required for this definition.");
	if (location == NULL)
		return bad_location(c, asked);
	have = n != NULL ? json_text(n->doc, "location") : location;
	if (strcmp(have, location) != 0)
		return fault_set(&c->fault, 409, "InvalidResourceGroupLocation: "
			      "Invalid resource group location '%s'. The Resource group already exists in "
			      "location '%s'.", location, have);
	if (n != NULL && json_is(n->doc, "properties.provisioningState", "Deleting"))
		return fault_set(&c->fault, 409, "ResourceGroupBeingDeleted: "
			      "The resource group '%s' is in deprovisioning state and cannot perform this "
			      "operation.", json_text(n->doc, "name"));
	doc = json_fmt("{'id':%s,'name':%s,'type':'Microsoft.Resources/resourceGroups','location':%s,"
		       "'properties':{'provisioningState':'Succeeded'}}",
		       n != NULL ? json_str_opt(n->doc, "id", id) : id,
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

		fault_set(f, 409, "ResourceGroupDeletionBlocked: "
		       "Deletion of resource group '%s' failed as resources with identifiers '%s' could "
		       "not be deleted. The provisioning state of the resource group will be rolled "
		       "back. The tracking Id is '%s'. Please check audit logs for more details.", name,
		       json_text(inner.error, "target"), op->id);
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
	struct op *op;

	if (json_is(n->doc, "properties.provisioningState", "Deleting"))
		return fault_set(&c->fault, 409, "ResourceGroupBeingDeleted: "
			      "The resource group '%s' is in deprovisioning state and cannot perform this "
			      "operation.", json_text(n->doc, "name"));
	entry_state(n, "Deleting");
	op = op_start(c->m, OP_JOB, json_text(n->doc, "location"), n->key, c->api,
		      run_group_delete, NULL, NULL, &c->fault);
	if (op == NULL) {
		entry_state(n, "Succeeded");
		return -1;
	}
	call_op(c, op);
	return call_answer(c, 202, NULL);
}

int group_call(struct call *c)
{
	char id[256];
	struct entry *n;

	snprintf(id, sizeof(id), "/subscriptions/%s/resourceGroups/%.100s", c->m->subscription,
		 c->seg[3]);
	n = store_find(c->m, id);
	if (c->method == PUT)
		return put_group(c, n, id);
	if (n == NULL) {
		c->gateway = true;
		return fault_set(&c->fault, 404, "ResourceGroupNotFound: "
			      "Resource group '%.90s' could not be found.", c->seg[3]);
	}
	if (c->method == HEAD)
		return call_answer(c, 204, NULL);
	if (c->method == GET)
		return call_answer(c, 200, cJSON_Duplicate(n->doc, true));
	if (c->method == DELETE)
		return delete_group(c, n);
	if (c->method == PATCH && cJSON_IsObject(c->body)) {
		json_merge(json_sub(n->doc, "tags"), json_get(c->body, "tags"));
		store_changed(c->m);
		return call_answer(c, 200, cJSON_Duplicate(n->doc, true));
	}
	return call_method(c);
}

/* ---- providers ---- */

static const char *const namespaces[] = {
	"Microsoft.Resources", "Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage",
	"Microsoft.Insights", "Microsoft.Authorization", "Microsoft.ManagedIdentity", NULL,
};

static void provider_types(cJSON *arr, const char *ns, const struct rtype *types)
{
	size_t n = strlen(ns);
	struct str versions, word;

	for (; types->name != NULL; types++) {
		cJSON *o, *list;

		if (!str_istarts(str_of(types->name), str_of(ns)) || types->name[n] != '/')
			continue;
		o = json_fmt("{'resourceType':%s,'locations':[],'apiVersions':[]}", types->name + n + 1);
		list = json_get_mut(o, "locations");
		for (size_t i = 0; locations[i][0] != NULL; i++)
			json_add_str(list, NULL, locations[i][1]);
		versions = str_of(types->versions);
		while (str_next(&versions, ',', &word))
			json_add_strn(json_get_mut(o, "apiVersions"), NULL, str_trim(word));
		cJSON_AddItemToArray(arr, o);
	}
}

static cJSON *provider(struct emu *m, const char *ns, const char *state)
{
	char id[128];
	cJSON *o, *arr;

	snprintf(id, sizeof(id), "/subscriptions/%s/providers/%s", m->subscription, ns);
	o = json_fmt("{'id':%s,'namespace':%s,'resourceTypes':[],'registrationState':%s,"
		     "'registrationPolicy':'RegistrationRequired'}", id, ns, state);
	arr = json_get_mut(o, "resourceTypes");
	provider_types(arr, ns, network_types);
	provider_types(arr, ns, compute_types);
	provider_types(arr, ns, storage_types);
	provider_types(arr, ns, insights_types);
	return o;
}

/* What a subscription has of one type, all its groups together. */
static int subscription_list(struct call *c, const char *ns, const char *type)
{
	char name[160], prefix[80];
	const struct rtype *t;

	snprintf(name, sizeof(name), "%.60s/%.80s", ns, type);
	t = rtype_find(name);
	if (t == NULL)
		return fault_set(&c->fault, 404, "InvalidResourceType: "
			      "The resource type could not be found in the namespace '%.60s' for api "
			      "version '%s'.", ns, c->api);
	snprintf(prefix, sizeof(prefix), "/subscriptions/%s/", c->m->subscription);
	return call_list(c, t, prefix);
}

int arm_providers(struct call *c, char **s)
{
	bool get = c->method == GET;
	size_t i = 0;
	cJSON *arr;

	if (s[0] == NULL) {
		arr = cJSON_CreateArray();
		for (i = 0; namespaces[i] != NULL; i++)
			cJSON_AddItemToArray(arr, provider(c->m, namespaces[i], "Registered"));
		return get ? call_page(c, arr, 100) : (json_free(arr), call_method(c));
	}
	while (namespaces[i] != NULL && !is(namespaces[i], s[0]))
		i++;
	if (namespaces[i] == NULL) {
		c->gateway = true;
		return fault_set(&c->fault, 404, "InvalidResourceNamespace: "
			      "The resource namespace '%.80s' is invalid.", s[0]);
	}
	if (s[1] == NULL)
		return get ? call_answer(c, 200, provider(c->m, namespaces[i], "Registered")) :
			call_method(c);
	if (is(s[1], "register") && s[2] == NULL)
		return c->method == POST ?
			call_answer(c, 200, provider(c->m, namespaces[i], "Registering")) :
			call_method(c);
	if (is(s[0], "Microsoft.Compute") && (is(s[1], "locations") || is(s[1], "skus")))
		return compute_location(c, s + 1);
	if (is(s[0], "Microsoft.Network") && is(s[1], "locations"))
		return network_location(c, s + 1);
	if (is(s[0], "Microsoft.Storage") && is(s[1], "checkNameAvailability"))
		return storage_names(c);
	if (s[2] == NULL)
		return get ? subscription_list(c, s[0], s[1]) : call_method(c);
	c->gateway = true;
	return fault_set(&c->fault, 404, "InvalidResourceType: "
		      "The resource type '%.80s' could not be found in the namespace '%s'.", s[1],
		      namespaces[i]);
}
