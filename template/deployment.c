/*
 * Functions of the template language about the deployment: what the template
 * declares, where it is deployed to, ids of resources, and what resources
 * answer.
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

#define ZONES 3 /* in every location */

static const struct template_scope *scope(struct invocation *inv)
{
	return template_scope_of(inv->ev->t);
}

/* ---- what the template declares ---- */

static cJSON *f_parameters(struct invocation *inv)
{
	return declared_parameter(inv->ev, func_arg_text(inv, 0));
}

static cJSON *f_variables(struct invocation *inv)
{
	if (!(inv->ev->may & MAY_USE_VARIABLES))
		return func_misplaced(inv);
	return declared_variable(inv->ev, func_arg_text(inv, 0));
}

/* copyIndex(), copyIndex(OFFSET), copyIndex(LOOP), copyIndex(LOOP, OFFSET) */
static cJSON *f_copy_index(struct invocation *inv)
{
	const struct copy_loop *l = inv->ev->loops;
	bool named = inv->n > 0 && cJSON_IsString(inv->arg[0]);
	size_t at = named ? 1 : 0;
	int64_t offset = 0;

	if (inv->n > at + 1 || (inv->n > at && !value_int(inv->arg[at], &offset)))
		return func_refuse(inv, "it takes a loop's name and an integer "
					"to add");
	while (l != NULL &&
	       (named ? !str_ieqz(func_arg_text(inv, 0), l->name) : !l->plain))
		l = l->up;
	if (l == NULL)
		return eval_fail(inv->ev,
				 "The template function 'copyIndex' is not "
				 "expected at this location. The function can "
				 "only be used in a resource with copy "
				 "specified.");
	return func_give_int(inv, l->index + offset);
}

/* ---- where it is deployed to ---- */

static cJSON *f_resource_group(struct invocation *inv)
{
	const cJSON *group = scope(inv)->group;

	return group != NULL ? value_copy(inv->ev, group) : func_misplaced(inv);
}

static cJSON *f_environment(struct invocation *inv)
{
	const cJSON *cloud = scope(inv)->environment;

	return cloud != NULL ? value_copy(inv->ev, cloud) : func_misplaced(inv);
}

static cJSON *f_subscription(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	cJSON *out = cJSON_CreateObject();

	buf_addf(&inv->text, "/subscriptions/%s", s->subscription_id);
	json_add_str(out, "id", inv->text.str);
	json_add_str(out, "subscriptionId", s->subscription_id);
	json_add_str(out, "tenantId", s->tenant_id);
	json_add_str(out, "displayName", "local");
	return out;
}

static cJSON *f_tenant(struct invocation *inv)
{
	const char *id = scope(inv)->tenant_id;
	cJSON *out = cJSON_CreateObject();

	buf_addf(&inv->text, "/tenants/%s", id);
	json_add_str(out, "countryCode", "US");
	json_add_str(out, "displayName", "Local Azure");
	json_add_str(out, "id", inv->text.str);
	json_add_str(out, "tenantId", id);
	return out;
}

static cJSON *f_deployment(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	const struct template *t = inv->ev->t;
	cJSON *out = cJSON_CreateObject(), *properties, *template, *parameters;

	json_add_str(out, "name", s->deployment_name);
	properties = json_add_obj(out, "properties");
	if (t != NULL && (template = value_copy(inv->ev, t->doc)) != NULL)
		cJSON_AddItemToObject(properties, "template", template);
	json_add_str(properties, "templateHash",
		     s->template_hash != NULL ? s->template_hash : "");
	parameters = json_add_obj(properties, "parameters");
	for (size_t i = 0; t != NULL && i < t->parameters.n; i++) {
		const struct declaration *p = &t->parameters.all[i];

		/* who reads the outputs is not to know secrets */
		if (p->given && !p->type->secure && !value_has_unknown(p->value))
			json_set(json_add_obj(parameters, p->name), "value",
				 value_copy(inv->ev, p->value));
	}
	json_add_str(properties, "mode",
		     s->mode != NULL ? s->mode : "Incremental");
	json_add_str(properties, "provisioningState", "Accepted");
	return func_give(inv, out);
}

/* v is what a callback gave: NULL without an error is "not known". */
static cJSON *answer(struct invocation *inv, cJSON *v)
{
	if (v == NULL) {
		inv->ev->unknown = true;
	} else if (eval_failed(inv->ev) || !value_spend(inv->ev, v)) {
		cJSON_Delete(v);
		v = NULL;
	}
	return v;
}

/* providers(NAMESPACE), providers(NAMESPACE, TYPE) */
static cJSON *f_providers(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	const char *ns = inv->arg[0]->valuestring;
	cJSON *doc = s->provider != NULL ? s->provider(s->ctx, ns) : NULL, *type;

	if (doc == NULL)
		return eval_fail(inv->ev,
				 "The resource provider '%.80s' is not known to "
				 "the local Azure.",
				 ns);
	if (inv->n == 1)
		return answer(inv, doc);
	cJSON_ArrayForEach(type, json_get(doc, "resourceTypes"))
		if (json_is(type, "resourceType", inv->arg[1]->valuestring))
			break;
	if (type != NULL)
		cJSON_DetachItemViaPointer(json_get_mut(doc, "resourceTypes"),
					   type);
	json_free(doc);
	return type != NULL ? answer(inv, type) :
			      eval_fail(inv->ev,
					"The resource type '%.80s/%.100s' is not "
					"known to the local Azure.",
					ns, inv->arg[1]->valuestring);
}

/* pickZones(NAMESPACE, TYPE, LOCATION, HOW MANY, BEHIND WHICH) */
static cJSON *f_pick_zones(struct invocation *inv)
{
	int64_t n = inv->n > 3 ? func_arg_int(inv, 3) : 1;
	int64_t offset = inv->n > 4 ? func_arg_int(inv, 4) : 0;
	cJSON *out;

	if (n < 1 || offset < 0 || n > ZONES || offset >= ZONES ||
	    n + offset > ZONES)
		return func_refuse(inv, "the location has 3 zones");
	out = cJSON_CreateArray();
	/* other namespaces have nothing that is in one zone or another, and
	 * this region is the one without zones */
	if (!str_listed("Microsoft.Compute Microsoft.Network",
			inv->arg[0]->valuestring) ||
	    str_eqz(func_arg_text(inv, 2), "westus"))
		return out;
	for (int64_t i = offset + 1; i <= offset + n; i++) {
		char zone[2] = { (char)('0' + i), '\0' };

		json_add_str(out, NULL, zone);
	}
	return out;
}

/* ---- ids of resources ---- */

static bool has_slash(const struct invocation *inv, size_t i)
{
	return i < inv->n && str_chr(func_arg_text(inv, i), '/') >= 0;
}

/*
 * Argument `at` is a type, "Ns/a/b", and names for its segments follow, "x"
 * and "y": adds /providers/Ns/a/x/b/y to inv->text and gives that.
 */
static cJSON *give_id(struct invocation *inv, size_t at)
{
	struct str type, ns, seg;
	size_t i = at + 1;

	if (at >= inv->n)
		return func_refuse(inv, "it requires a resource type");
	type = func_arg_text(inv, at);
	if (str_ends(type, STR("/")))
		type.n--;
	if (!str_cut(&type, '/', &ns))
		return func_refuse(inv, "it requires a resource type with its "
					"namespace");
	buf_addf(&inv->text, "/providers/%.*s", STR_ARG(ns));
	for (; str_next(&type, '/', &seg); i++)
		if (i < inv->n)
			buf_addf(&inv->text, "/%.*s/%s", STR_ARG(seg),
				 inv->arg[i]->valuestring);
	if (i == inv->n)
		return func_give_text(inv);
	buf_reset(&inv->text);
	buf_addf(&inv->text,
		 "the type '%.80s' requires '%zu' resource name argument(s)",
		 inv->arg[at]->valuestring, i - at - 1);
	return func_refuse(inv, inv->text.str);
}

/* resourceId([[SUBSCRIPTION,] GROUP,] TYPE, NAME...): only a type has slashes. */
static cJSON *f_resource_id(struct invocation *inv)
{
	size_t at = 0;

	while (at < 2 && !has_slash(inv, at))
		at++;
	if (at == 0)
		buf_adds(&inv->text, template_group_id(inv->ev->t));
	else
		buf_addf(&inv->text, "/subscriptions/%s/resourceGroups/%s",
			 at == 2 ? inv->arg[0]->valuestring :
				   scope(inv)->subscription_id,
			 at <= inv->n ? inv->arg[at - 1]->valuestring : "");
	return give_id(inv, at);
}

/* subscriptionResourceId([SUBSCRIPTION,] TYPE, NAME...) */
static cJSON *f_subscription_resource_id(struct invocation *inv)
{
	bool given = !has_slash(inv, 0);

	buf_addf(&inv->text, "/subscriptions/%s",
		 given ? inv->arg[0]->valuestring : scope(inv)->subscription_id);
	return give_id(inv, given ? 1 : 0);
}

static cJSON *f_tenant_resource_id(struct invocation *inv)
{
	return give_id(inv, 0);
}

/* managementGroupResourceId([GROUP,] TYPE, NAME...): without it, the group that
 * is deployed to, and that is never one here. */
static cJSON *f_management_group_resource_id(struct invocation *inv)
{
	if (has_slash(inv, 0))
		return func_misplaced(inv);
	buf_addf(&inv->text, "/providers/Microsoft.Management/managementGroups/%s",
		 inv->arg[0]->valuestring);
	return give_id(inv, 1);
}

/* extensionResourceId(ID OF WHAT IS EXTENDED, TYPE, NAME...) */
static cJSON *f_extension_resource_id(struct invocation *inv)
{
	buf_adds(&inv->text, inv->arg[0]->valuestring);
	return give_id(inv, 1);
}

/* ---- what resources answer ---- */

/*
 * The id that argument 0 means, which the caller frees, and the API version to
 * ask with.  NULL without an error: not known.  So it is in a dry run, which
 * only notes that the resource is needed.
 */
static char *refers_to(struct invocation *inv, const char **api)
{
	struct eval *ev = inv->ev;
	size_t i = SIZE_MAX;
	char *id;

	if (!(ev->may & MAY_REFER)) {
		func_misplaced(inv);
		return NULL;
	}
	id = template_resolve(ev->t, func_arg_text(inv, 0), &i);
	if (id == NULL) {
		eval_fail(ev,
			  "The resource '%.200s' is not defined in the "
			  "template.",
			  inv->arg[0]->valuestring);
		return NULL;
	}
	if (inv->n > 1)
		*api = inv->arg[1]->valuestring;
	else
		*api = i != SIZE_MAX ? template_api_version(ev->t, i) : "";
	if (**api == '\0')
		eval_fail(ev, "The reference to '%.200s' requires an API version.",
			  id);
	else if (i != SIZE_MAX)
		template_add_need(ev, i);
	if (eval_failed(ev) || ev->dry) {
		ev->unknown = true;
		free(id);
		return NULL;
	}
	return id;
}

static cJSON *f_reference(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	bool full = inv->n > 2;
	cJSON *v = NULL;
	const char *api;
	char *id;

	if (full && !str_ieqz(func_arg_text(inv, 2), "Full"))
		return func_refuse(inv, "its third argument can only be "
					"'Full'");
	id = refers_to(inv, &api);
	if (id == NULL)
		return NULL;
	if (s->reference != NULL)
		v = s->reference(s->ctx, id, api, full, inv->ev->e);
	free(id);
	return answer(inv, v);
}

/* references(SYMBOL [, 'Full']): of all the copies, in their order. */
static cJSON *f_references(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	bool full = inv->n > 1 && str_ieqz(func_arg_text(inv, 1), "Full");
	cJSON *out = cJSON_CreateArray(), *v;
	const struct template_resource *r;
	size_t i = 0;

	if (!(inv->ev->may & MAY_REFER)) {
		func_misplaced(inv);
	} else if (!template_has_copies(inv->ev->t, func_arg_text(inv, 0))) {
		eval_fail(inv->ev,
			  "The resource collection '%.200s' is not defined in "
			  "the template.",
			  inv->arg[0]->valuestring);
	}
	while (!eval_failed(inv->ev) &&
	       (r = template_next_copy(inv->ev, func_arg_text(inv, 0), &i)) !=
		       NULL) {
		v = NULL;
		if (!inv->ev->dry && s->reference != NULL)
			v = s->reference(s->ctx, r->id, r->api_version, full,
					 inv->ev->e);
		v = answer(inv, v);
		inv->unknown = inv->unknown || v == NULL;
		if (v != NULL)
			cJSON_AddItemToArray(out, v);
	}
	return func_give(inv, out);
}

/* resourceInfo(SYMBOL): what is known without asking. */
static cJSON *f_resource_info(struct invocation *inv)
{
	const struct template_resource *r =
		template_symbol(inv->ev->t, func_arg_text(inv, 0));
	cJSON *out;

	if (r == NULL)
		return eval_fail(inv->ev,
				 "The resource '%.200s' is not defined in the "
				 "template.",
				 inv->arg[0]->valuestring);
	out = cJSON_CreateObject();
	json_add_str(out, "id", r->id);
	json_add_str(out, "name", r->name);
	json_add_str(out, "type", r->type);
	json_add_str(out, "apiVersion", r->api_version);
	return out;
}

static cJSON *f_list(struct invocation *inv)
{
	const struct template_scope *s = scope(inv);
	const char *api;
	char *id = refers_to(inv, &api);
	cJSON *v = NULL;

	if (id == NULL)
		return NULL;
	if (s->list != NULL)
		v = s->list(s->ctx, inv->name, id, api,
			    inv->n > 2 ? inv->arg[2] : NULL, inv->ev->e);
	free(id);
	return answer(inv, v);
}

const struct func func_deployment[] = {
	{ "parameters", { STRING }, f_parameters },
	{ "variables", { STRING }, f_variables },
	{ "copyIndex", { ANY | OPTIONAL, ANY | OPTIONAL }, f_copy_index },
	{ "resourceGroup", { 0 }, f_resource_group },
	{ "environment", { 0 }, f_environment },
	{ "subscription", { 0 }, f_subscription },
	{ "tenant", { 0 }, f_tenant },
	{ "deployment", { 0 }, f_deployment },
	{ "providers", { STRING, STRING | OPTIONAL }, f_providers },
	{ "pickZones",
	  { STRING, STRING, STRING, INTEGER | OPTIONAL, INTEGER | OPTIONAL },
	  f_pick_zones },
	{ "resourceId", { STRING | REPEATED }, f_resource_id },
	{ "subscriptionResourceId",
	  { STRING | REPEATED },
	  f_subscription_resource_id },
	{ "tenantResourceId", { STRING | REPEATED }, f_tenant_resource_id },
	{ "managementGroupResourceId",
	  { STRING | REPEATED },
	  f_management_group_resource_id },
	{ "extensionResourceId",
	  { STRING, STRING | REPEATED },
	  f_extension_resource_id },
	{ "reference", { STRING, STRING | OPTIONAL, STRING | OPTIONAL }, f_reference },
	{ "references", { STRING, STRING | OPTIONAL }, f_references },
	{ "resourceInfo", { STRING }, f_resource_info },
	{ .name = NULL },
};

const struct func func_list_any = {
	"list*",
	{ STRING, STRING, OBJECT | OPTIONAL },
	f_list,
};
