/*
 * What lies above the groups: tenants, subscriptions, regions and the list of
 * providers.
 */
#include <stdio.h>
#include <string.h>

#include "emulator/arm/location.h"
#include "emulator/arm/providers.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/subscription.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/request.h"
#include "emulator/store.h"

static cJSON *subscription(struct emu *m)
{
	return json_fmt("@subscription", m->subscription, m->subscription,
			m->tenant);
}

int subscription_list(struct request *r)
{
	struct emu *m = r->m;
	cJSON *out;

	if (r->method != GET)
		return request_bad_method(r);
	if (str_is(r->seg[0], "tenants"))
		return request_answer(r, 200,
				      json_fmt("@tenants", m->tenant, m->tenant));
	out = json_fmt("{'value':[],'count':{'type':'Total','value':1}}");
	cJSON_AddItemToArray(json_get_mut(out, "value"), subscription(m));
	return request_answer(r, 200, out);
}

static cJSON *location_list_json(struct emu *m)
{
	cJSON *out = json_fmt("{'value':[]}"), *arr = json_get_mut(out, "value");
	const char *s = m->subscription;

	for (const struct location *l = location_table; l->name != NULL; l++) {
		json_push(arr, "@location", s, l->name, l->name, l->display,
			  l->geography, l->display, l->geography, l->geography,
			  l->paired, s, l->paired);
		if (strcmp(l->name, "westus") != 0)
			json_defaults(arr->child->prev, "@location-zones",
				      l->name, l->name, l->name);
	}
	json_push(arr, "@location-us", s);
	return out;
}

static int list_groups(struct request *r)
{
	char prefix[80];
	struct page p;

	if (request_page_begin(r, &p, 25) < 0)
		return -1;
	snprintf(prefix, sizeof(prefix), "/subscriptions/%s/resourcegroups/",
		 r->m->subscription);
	for (struct entry *n = NULL; (n = store_next(r->m, n, prefix)) != NULL;)
		if (strchr(n->key + strlen(prefix), '/') == NULL &&
		    request_page_keeps(r, &p, n->doc) && request_page_wants(&p))
			cJSON_AddItemToArray(p.value,
					     cJSON_Duplicate(n->doc, true));
	return request_page_end(r, &p);
}

int subscription_route(struct request *r)
{
	const char *what = r->seg[2];
	char key[60];

	snprintf(key, sizeof(key), "/subscriptions/%s", r->m->subscription);
	if (r->method != GET)
		return request_bad_method(r);
	if (what == NULL)
		return request_answer(r, 200, subscription(r->m));
	if (str_is(what, "locations"))
		return request_answer(r, 200, location_list_json(r->m));
	return str_is(what, "resourcegroups") ? list_groups(r) :
						resource_list_tracked(r, key);
}

/* ---- providers ---- */

static void provider_types(cJSON *arr, const struct rtype *types)
{
	struct str versions, word;

	for (; types->name != NULL; types++) {
		cJSON *o = json_fmt(
			"{'resourceType':%s,'locations':[],'apiVersions':[]}",
			strchr(types->name, '/') + 1);
		cJSON *list = json_get_mut(o, "locations");

		for (const struct location *l = location_table; l->name != NULL;
		     l++)
			json_add_str(list, NULL, l->display);
		versions = str_of(types->versions);
		while (str_next(&versions, ',', &word))
			json_add_strn(json_get_mut(o, "apiVersions"), NULL,
				      str_trim(word));
		cJSON_AddItemToArray(arr, o);
	}
}

static cJSON *provider_doc(struct emu *m, const struct provider *p,
			   const char *state)
{
	cJSON *o = json_fmt("@provider", m->subscription, p->name, p->name, state);
	cJSON *arr = json_get_mut(o, "resourceTypes");

	for (size_t i = 0; p->types != NULL && p->types[i] != NULL; i++)
		provider_types(arr, p->types[i]);
	return o;
}

cJSON *subscription_provider(struct emu *m, const char *ns)
{
	const struct provider *p = provider_table;

	while (p->name != NULL && !str_is(p->name, ns))
		p++;
	return p->name == NULL ? NULL : provider_doc(m, p, provider_state(m, p));
}

/* What a subscription has of one type, all its groups together. */
static int subscription_of_type(struct request *r, const char *ns, const char *type)
{
	char name[160];
	const struct rtype *t;

	snprintf(name, sizeof(name), "%.60s/%.80s", ns, type);
	t = provider_type(name);
	return t == NULL ? resource_unknown_type(r, ns, type) :
			   resource_list(r, t, "/subscriptions/",
					 r->m->subscription, 100);
}

static int list_providers(struct request *r)
{
	struct page p;

	if (r->method != GET)
		return request_bad_method(r);
	if (request_page_begin(r, &p, 100) < 0)
		return -1;
	for (const struct provider *v = provider_table; v->name != NULL; v++)
		if (request_page_wants(&p))
			cJSON_AddItemToArray(
				p.value,
				provider_doc(r->m, v, provider_state(r->m, v)));
	return request_page_end(r, &p);
}

int subscription_providers(struct request *r, char **s)
{
	const struct provider *p = provider_table;
	int rc;

	if (s[0] == NULL)
		return list_providers(r);
	while (p->name != NULL && !str_is(p->name, s[0]))
		p++;
	if (p->name == NULL) {
		r->gateway = true;
		return fault_set(&r->fault, 404,
				 "InvalidResourceNamespace: "
				 "The resource namespace '%.80s' is invalid.",
				 s[0]);
	}
	if (str_is(s[1], "register") && s[2] == NULL && r->method == POST) {
		provider_register(r->m, p);
		/* Azure's first answer, whatever it was before */
		return request_answer(r, 200,
				      provider_doc(r->m, p, "Registering"));
	}
	if (s[1] != NULL && p->route != NULL && (rc = p->route(r, s + 1)) != 1)
		return rc;
	if (r->method != GET)
		return request_bad_method(r);
	if (s[1] == NULL)
		return request_answer(
			r, 200, provider_doc(r->m, p, provider_state(r->m, p)));
	return s[2] == NULL ? subscription_of_type(r, s[0], s[1]) :
			      resource_unknown_type(r, s[0], s[1]);
}
