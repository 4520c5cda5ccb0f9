/*
 * Resources in general: from a path to a type and an entry, what every PUT,
 * PATCH, GET and DELETE asks before a provider is asked, and the operations
 * that follow.  Templates come in through arm_put() as requests do.
 */
#include <stdlib.h>

#include "emulator/inner.h"

const struct rtype *const all_types[] = {
	network_types, storage_types, insights_types, compute_types, NULL,
};

const struct rtype *rtype_find(const char *name)
{
	for (size_t i = 0; all_types[i] != NULL; i++)
		for (const struct rtype *t = all_types[i]; t->name != NULL; t++)
			if (str_is(t->name, name))
				return t;
	return NULL;
}

bool version_known(const char *versions, const char *api)
{
	struct str rest = str_of(versions), word;

	while (str_next(&rest, ',', &word))
		if (str_eqz(str_trim(word), api))
			return true;
	return false;
}

const struct location locations[] = {
	{ "eastus", "East US", "US", "westus" },
	{ "eastus2", "East US 2", "US", "centralus" },
	{ "westus", "West US", "US", "eastus" },
	{ "westus2", "West US 2", "US", "westcentralus" },
	{ "centralus", "Central US", "US", "eastus2" },
	{ "northeurope", "North Europe", "Europe", "westeurope" },
	{ "westeurope", "West Europe", "Europe", "northeurope" },
	{ "germanywestcentral", "Germany West Central", "Europe", "germanynorth" },
	{ "uksouth", "UK South", "UK", "ukwest" },
	{ "southeastasia", "Southeast Asia", "Asia Pacific", "eastasia" },
	{ .name = "" },
};

const char *location_find(const char *name)
{
	char s[40];
	size_t n = 0;

	for (; name != NULL && *name != '\0' && n < sizeof(s) - 1; name++)
		if (*name != ' ')
			s[n++] = to_lower(*name);
	s[n] = '\0';
	for (const struct location *l = locations; s[0] != '\0' && l->name[0] != '\0'; l++)
		if (strcmp(s, l->name) == 0)
			return l->name;
	return NULL;
}

void entry_state(struct entry *n, const char *state)
{
	json_put_str(json_sub(n->doc, "properties"), "provisioningState", state);
}

bool entry_is(const struct entry *n, const char *state)
{
	return json_is(n->doc, "properties.provisioningState", state);
}

cJSON *entry_show(struct emu *m, const struct entry *n)
{
	if (n->type != NULL && n->type->show != NULL)
		return n->type->show(m, n);
	return cJSON_Duplicate(n->doc, true);
}

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

int need_reference(struct emu *m, struct put *p, const char *id)
{
	if (id == NULL)
		return fault_set(&p->f, 400, "InvalidRequestFormat: "
			      "Cannot parse the request: a reference has no id.");
	return p->dry || store_doc(m, id) != NULL ? 0 : no_reference(p, id);
}

int no_reference(struct put *p, const char *id)
{
	return fault_set(&p->f, 400, "InvalidResourceReference: "
		      "Resource %s referenced by resource %s was not found.", id, p->id);
}

/* ---- PUT ---- */

const char *need_location(const cJSON *body, const char *what, struct fault *f)
{
	const char *asked = json_str_opt(body, "location", NULL), *name = location_find(asked);
	struct buf list = BUF_INIT(1024);

	if (asked == NULL)
		fault_set(f, 400, "LocationRequired: The location property is required for this definition.");
	if (name == NULL) {
		for (const struct location *l = locations; l->name[0] != '\0'; l++)
			buf_addf(&list, "%s%s", list.n > 0 ? "," : "", l->name);
		fault_set(f, 400, "LocationNotAvailableFor%s: The provided location '%.60s' is not available. "
			  "List of available regions is '%s'.", what, asked, list.str);
	}
	buf_release(&list);
	return name;
}

static int check_location(struct put *p, const cJSON *body)
{
	const char *name, *have;

	if (!(p->type->flags & R_TRACKED))
		return 0;
	name = need_location(body, "ResourceType", &p->f);
	if (name == NULL)
		return -1;
	have = p->old != NULL ? json_str_opt(p->old->doc, "location", name) : name;
	if (strcmp(have, name) != 0)
		return fault_set(&p->f, 409, "InvalidResourceLocation: "
			      "The resource '%s' already exists in location '%s'.", p->name, have);
	json_add_str(p->doc, "location", name);
	return 0;
}

static int build(struct put *p, const cJSON *body)
{
	const cJSON *v;

	p->doc = json_fmt("{'name':%s,'id':%s,'type':%s}", p->name, p->id, p->type->name);
	if (check_location(p, body) < 0)
		return -1;
	cJSON_ArrayForEach(v, body)
		if (str_listed("tags sku zones kind identity plan", v->string))
			cJSON_AddItemToObject(p->doc, v->string, cJSON_Duplicate(v, true));
	v = json_get(body, "properties");
	if (v != NULL && !cJSON_IsObject(v) && !cJSON_IsNull(v))
		return bad_content(&p->f, "'properties' is not an object");
	json_defaults(p->doc, "{'properties':%j}", v);
	json_strip_nulls(p->doc);
	p->props = json_sub(p->doc, "properties");
	if (p->type->style == OP_NETWORK)
		json_defaults(p->doc, "{'etag':'W/\\\"%U\\\"'}");
	else if (p->type->style == OP_COMPUTE)
		json_defaults(p->doc, "{'etag':'\\\"%l\\\"'}", 1 + (p->old == NULL ? 0 :
			      json_int_opt(p->old->hide, "etag", 0)));
	return 0;
}

/* The name rules that all share: no control characters, no '/', at most 80. */
static int check_name(struct put *p)
{
	size_t n = strlen(p->name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p->name[i] <= ' ' || (unsigned char)p->name[i] > '~' || strchr("<>*%&:\\?#/", p->name[i]) != NULL)
			n = 0;
	if (n == 0 || n > 80)
		return fault_set(&p->f, 400, "InvalidResourceName: "
			      "Resource name %.100s is invalid. It can be up to 80 characters long.", p->name);
	return 0;
}

static int check_etag(const struct entry *n, const char *want, struct fault *f)
{
	const char *have = n != NULL ? json_str_opt(n->doc, "etag", NULL) : NULL;

	if (want == NULL || have == NULL || strcmp(want, have) == 0 || strcmp(want, "*") == 0)
		return 0;
	return fault_say(f, 412, "PreconditionFailed", want, have);
}

int refuse_busy(const struct entry *n, struct fault *f)
{
	return n->busy == 0 ? 0 : fault_say(f, 409, "AnotherOperationInProgress", n->key);
}

/* What contains it: the id without its last pair; "x/default" is always there. */
static char *parent_of(const char *id)
{
	char *parent = xstrdup(id), *cut;

	do {
		*strrchr(parent, '/') = '\0';
		*strrchr(parent, '/') = '\0';
		cut = strrchr(parent, '/');
	} while (cut != NULL && str_is(cut, "/default"));
	return parent;
}

static int check_parent(struct emu *m, struct put *p)
{
	char *parent;
	struct entry *n;

	if (strchr(strchr(p->type->name, '/') + 1, '/') == NULL || p->dry)
		return 0;
	parent = parent_of(p->id);
	n = store_find(m, parent);
	free(parent);
	if (n != NULL)
		return 0;
	return fault_say(&p->f, 404, "ParentResourceNotFound", p->type->name, p->name);
}

/* ".../providers/NS/T1/N1/T2/N2" -> "NS/T1/T2"; false when there is no such form. */
static bool type_of_id(const char *id, struct buf *b)
{
	const char *at = strstr(id, "/providers/");
	struct str s, word;
	unsigned i;

	if (at == NULL)
		return false;
	s = str_of(at + strlen("/providers/"));
	for (i = 0; str_next(&s, '/', &word); i++)
		if (i == 0 || i % 2 == 1)
			buf_addf(b, "%s%.*s", i ? "/" : "", STR_ARG(word));
	return i >= 3 && i % 2 == 1 && !b->over;
}

static int find_type(struct put *p)
{
	struct buf b = BUF_INIT(256);

	if (type_of_id(p->id, &b))
		p->type = rtype_find(b.str);
	if (p->type == NULL)
		fault_set(&p->f, 404, "InvalidResourceType: "
		       "The resource type '%.200s' could not be found.", b.str);
	else if (p->type->put == NULL)
		fault_set(&p->f, 405, "HttpMethodNotAllowed: "
		       "The HTTP method 'PUT' is not supported for '%s'.", b.str);
	buf_release(&b);
	return p->f.error != NULL ? -1 : 0;
}

static int run_settle(struct emu *m, struct op *op, struct fault *f)
{
	(void)f;
	return op_sleep(m, (unsigned)json_int_opt(op->args, "ms", 0));
}

/* Keep what has been checked, and begin the work it needs. */
static int store_put(struct emu *m, struct put *p)
{
	const struct rtype *t = p->type;
	p->created = p->old == NULL;
	if (p->created) {
		p->entry = store_add(m, p->id, p->doc, p->hide);
	} else {
		p->entry = p->old;
		json_free(p->old->doc);
		p->old->doc = p->doc;
		if (p->hide != NULL) {
			json_burn(p->old->hide);
			p->old->hide = p->hide;
		}
		store_changed(m);
	}
	p->doc = p->hide = NULL;
	if (t->style == OP_COMPUTE)
		json_put_int(p->entry->hide, "etag", json_int_opt(p->entry->hide, "etag", 0) + 1);
	if (t->style == OP_NONE || p->unchanged)
		return 0;
	entry_state(p->entry, t->style != OP_NETWORK && p->created ? "Creating" : "Updating");
	p->op = op_start(m, t->style, json_str_opt(p->entry->doc, "location", p->group_location),
			 p->entry->key, p->api, p->work != NULL ? p->work : run_settle,
			 p->args != NULL ? p->args : json_fmt("{'ms':%d}", (int)t->work_ms),
			 json_fmt("[%s]", p->entry->key), &p->f);
	p->args = NULL;
	if (p->op == NULL)
		entry_state(p->entry, "Failed");
	return p->op == NULL ? -1 : 0;
}

int arm_put(struct emu *m, struct put *p, const cJSON *body)
{
	struct entry *group = group_of(m, p->id);

	if (find_type(p) < 0)
		return -1;
	p->name = strrchr(p->id, '/') + 1;
	if (!version_known(p->type->versions, p->api))
		return fault_say(&p->f, 400, "NoRegisteredProviderFound", json_text(body, "location"),
			p->api, strchr(p->type->name, '/') + 1, p->type->versions);
	if (group == NULL)
		return fault_set(&p->f, 404, "ResourceGroupNotFound: "
			      "Resource group of '%s' could not be found.", p->id);
	p->group = json_text(group->doc, "id");
	p->group_location = json_text(group->doc, "location");
	if (refuse_leaving(group, &p->f) < 0)
		return -1;
	p->old = store_find(m, p->id);
	/* the name stays as it was first written */
	if (p->old != NULL) {
		free(p->id);
		p->id = xstrdup(json_text(p->old->doc, "id"));
		p->name = strrchr(p->id, '/') + 1;
	}
	if (check_name(p) < 0 || check_parent(m, p) < 0 || build(p, body) < 0 ||
	    check_etag(p->old, json_str_opt(body, "etag", NULL), &p->f) < 0)
		return -1;
	if (p->old != NULL && !p->dry && refuse_busy(p->old, &p->f) < 0)
		return -1;
	if (p->type->put(m, p) < 0)
		return -1;
	return p->dry ? 0 : store_put(m, p);
}

void put_release(struct put *p)
{
	free(p->id);
	json_burn(p->doc);
	json_burn(p->hide);
	json_burn(p->args);
	fault_release(&p->f);
}

/* ---- DELETE ---- */

static void remove_tree(struct emu *m, const char *key)
{
	char *own = xstrdup(key);
	struct entry *n;

	while ((n = store_below(m, NULL, own, "/")) != NULL || (n = store_find(m, own)) != NULL)
		store_remove(m, n);
	free(own);
}

static int run_delete(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *n = store_find(m, op->key);
	const struct rtype *t;

	if (n == NULL)
		return 0;
	t = n->type;
	if (t->remove != NULL && t->remove(m, op->key, f) < 0)
		return -1;
	if (op_sleep(m, t->work_ms / 2) < 0)
		return -1;
	remove_tree(m, op->key);
	return 0;
}

int arm_delete(struct emu *m, struct entry *n, const char *api, struct op **op, struct fault *f)
{
	const struct rtype *t = n->type;
	struct entry *user = t->in_use != NULL ? store_referrer(m, n->key) : NULL, *child;
	int rc = refuse_busy(n, f);

	*op = NULL;
	for (child = NULL; rc == 0 && (child = store_below(m, child, n->key, "/")) != NULL;)
		rc = refuse_busy(child, f);
	if (rc < 0)
		return -1;
	if (user != NULL)
		return fault_set(f, 400, "%s: %s %s cannot be deleted because it is in use by %s. In "
			      "order to delete it, remove the association with that resource.",
			      t->in_use, t->name,
			      json_text(n->doc, "id"), json_text(user->doc, "id"));
	if (t->style == OP_NONE || t->style == OP_STORAGE) {
		if (t->remove != NULL && t->remove(m, n->key, f) < 0)
			return -1;
		remove_tree(m, n->key);
		return 0;
	}
	entry_state(n, "Deleting");
	*op = op_start(m, t->style, json_text(n->doc, "location"), n->key, api, run_delete,
		       NULL, json_fmt("[%s]", n->key), f);
	return *op == NULL ? -1 : 0;
}

/* ---- requests ---- */

static int call_put(struct call *c, const char *id, const cJSON *body)
{
	struct put p = { .id = xstrdup(id), .api = c->api };
	struct str match = http_field(http_x_head(c->x), "If-Match");
	struct str none = http_field(http_x_head(c->x), "If-None-Match");
	struct entry *old = store_find(c->m, id);
	char *want = match.p != NULL ? str_dup(match) : NULL;
	int rc = -1;

	if (check_etag(old, want, &c->fault) < 0)
		goto out;
	if (old != NULL && str_eqz(none, "*")) {
		fault_set(&c->fault, 412, "PreconditionFailed: "
		       "The resource exists, and If-None-Match: * was asked for.");
		goto out;
	}
	if (!cJSON_IsObject(body)) {
		bad_content(&c->fault, "a JSON object was expected");
		goto out;
	}
	rc = arm_put(c->m, &p, body);
	if (rc < 0) {
		c->fault = p.f;
		p.f.error = NULL;
		goto out;
	}
	c->pretty = p.type->flags & R_PRETTY;
	if (p.op != NULL)
		call_op(c, p.op);
	if (p.op != NULL && p.type->style == OP_STORAGE) {
		c->plain = "text/plain; charset=utf-8";
		call_answer(c, 202, NULL);
	} else {
		/* an availability set is the one tracked thing that says 200 when new */
		bool ok = !p.created || str_is(p.type->name, "Microsoft.Compute/availabilitySets") ||
			  c->method == PATCH;

		call_answer(c, ok ? 200 : 201, entry_show(c->m, p.entry));
	}
out:
	free(want);
	put_release(&p);
	return rc;
}

static int call_patch(struct call *c, struct entry *n)
{
	cJSON *body = cJSON_Duplicate(n->doc, true);
	const cJSON *properties = json_get(c->body, "properties");
	char *id = xstrdup(json_text(n->doc, "id"));
	int rc = -1;

	json_drop(body, "etag");
	if (str_is(n->type->name, "Microsoft.Insights/autoscaleSettings") && properties != NULL &&
	    json_get(properties, "profiles") == NULL)
		fault_say(&c->fault, 400, "InvalidRequestContent");
	else if (cJSON_IsObject(c->body)) {
		json_merge(body, c->body);
		rc = call_put(c, id, body);
	} else {
		rc = call_put(c, id, NULL);
	}
	json_burn(body);
	free(id);
	return rc;
}

static int call_delete(struct call *c, struct entry *n)
{
	struct op *op;

	if (arm_delete(c->m, n, c->api, &op, &c->fault) < 0)
		return -1;
	c->plain = "text/plain; charset=utf-8";
	if (op != NULL)
		call_op(c, op);
	return call_answer(c, op != NULL ? 202 : 200, NULL);
}

static int missing(struct call *c, const struct rtype *t, const char *group, const char *id)
{
	const char *name = strrchr(id, '/') + 1;

	if (str_is(t->name, "Microsoft.Storage/storageAccounts/fileServices/shares"))
		return fault_set(&c->fault, 404, "ShareNotFound: "
			      "The specified share does not exist.");
	if (str_is(t->name, "Microsoft.Storage/storageAccounts/blobServices/containers"))
		return fault_set(&c->fault, 404, "ContainerNotFound: "
			      "The specified container does not exist.");
	c->gateway = true;
	return fault_set(&c->fault, 404, "ResourceNotFound: "
		      "The Resource '%s/%.80s' under resource group '%s' was not found.",
		      t->name, name, group);
}

static int call_resource(struct call *c, const struct rtype *t, const char *group, const char *id)
{
	struct entry *n = store_find(c->m, id);
	const char *etag;

	if (c->method == PUT)
		return call_put(c, id, c->body);
	if (n == NULL)
		return c->method == DELETE ? call_answer(c, 204, NULL) : missing(c, t, group, id);
	c->pretty = t->flags & R_PRETTY;
	switch (c->method) {
	case PATCH:
		return call_patch(c, n);
	case DELETE:
		return call_delete(c, n);
	case HEAD:
		return call_answer(c, 204, NULL);
	case GET:
		if ((etag = json_str_opt(n->doc, "etag", NULL)) != NULL)
			call_field(c, "ETag: %s", etag);
		return call_answer(c, 200, call_show(c, n));
	default:
		return call_method(c);
	}
}

int call_list(struct call *c, const struct rtype *t, const char *key, const char *tail, size_t page)
{
	cJSON *arr = cJSON_CreateArray();
	struct entry *n;

	for (n = NULL; (n = store_below(c->m, n, key, tail)) != NULL;)
		if (n->type == t)
			cJSON_AddItemToArray(arr, call_show(c, n));
	if (t == NULL && call_filter(c, arr) < 0)
		return -1;
	return c->method == GET ? call_page(c, arr, page) : (json_free(arr), call_method(c));
}

/* A subnet, a security rule: part of a document. */
static int call_part(struct call *c, struct entry *n, char **s)
{
	char *id = xasprintf("%s/%s/%s", n->key, s[0], s[1]);
	const cJSON *part = store_doc(c->m, id);
	int rc;

	if (c->method != GET)
		rc = call_method(c);
	else if (part == NULL)
		rc = fault_set(&c->fault, 404, "NotFound: Resource %s not found.", id);
	else
		rc = call_answer(c, 200, cJSON_Duplicate(part, true));
	free(id);
	return rc;
}

int unknown_type(struct call *c, const char *ns, const char *type)
{
	c->gateway = true;
	return fault_say(&c->fault, 404, "InvalidResourceType/type", type, ns, c->api);
}

static int wrong_version(struct call *c, const struct rtype *t)
{
	c->gateway = true;
	return fault_say(&c->fault, 400, "InvalidResourceType/version", strchr(t->name, '/') + 1,
		(int)strcspn(t->name, "/"), t->name, c->api, t->versions);
}

/* What follows the name of n: s[0], perhaps a name.  type: n's, prefix: the
 * path, with x/default in it where lists have that. */
static int below(struct call *c, struct entry *n, struct buf *type, const char *prefix, char **s)
{
	const cJSON *arr = json_get_i(json_get(n->doc, "properties"), s[0]);
	bool network = n->type->style == OP_NETWORK;
	const struct rtype *deeper;

	buf_addf(type, "/%s", s[0]);
	deeper = rtype_find(type->str);
	if (s[1] != NULL && s[2] == NULL && network)
		return call_part(c, n, s);
	if (s[1] == NULL && deeper != NULL)
		return call_list(c, deeper, prefix, "/", 100);
	if (s[1] == NULL && network && c->method == GET && cJSON_IsArray(arr))
		return call_page(c, cJSON_Duplicate(arr, true), 100);
	return unknown_type(c, type->str, s[0]);
}

/* s: namespace, type, name, type, name, ..., verb */
int resource_route(struct call *c, struct entry *group, char **s)
{
	const char *group_name = json_text(group->doc, "name");
	struct buf id = BUF_INIT(2048), type = BUF_INIT(256);
	const struct rtype *t = NULL, *deeper;
	struct entry *n;
	char *prefix = NULL;
	size_t i, own = 0, own_n = 0;
	int rc = 1;

	buf_addf(&type, "%s", s[0]);
	buf_addf(&id, "%s/providers/%s", json_text(group->doc, "id"), s[0]);
	/* as deep as there are types that we know and names to go with them */
	for (i = 1; s[i] != NULL; i += 2) {
		size_t keep = type.n;

		buf_addf(&type, "/%s", s[i]);
		deeper = rtype_find(type.str);
		/* fileServices/default is no resource of its own here */
		if (deeper == NULL && str_is(s[i + 1], "default")) {
			buf_addf(&id, "/%s/%s", s[i], s[i + 1]);
			continue;
		}
		if (deeper == NULL || s[i + 1] == NULL || (deeper->flags & R_VIA_PARENT)) {
			buf_truncate(&type, keep);
			break;
		}
		t = deeper;
		buf_addf(&id, "/%s/%s", s[i], s[i + 1]);
		own = i + 2;
		own_n = id.n;
	}
	if (t == NULL) {
		/* a list: namespace/type */
		buf_addf(&type, "/%s", s[1] != NULL ? s[1] : "");
		t = rtype_find(type.str);
		if (t == NULL || s[2] != NULL)
			rc = unknown_type(c, s[0], type.str);
		else if (!version_known(t->versions, c->api))
			rc = wrong_version(c, t);
		else
			rc = call_list(c, t, group->key, "/", 100);
		goto out;
	}
	prefix = lower(id.str);
	buf_truncate(&id, own_n);
	n = store_find(c->m, id.str);
	/* the parent knows best what its children are called */
	if (!version_known(t->versions, c->api) && c->method != PUT && !str_is(s[i], "networkInterfaces"))
		rc = wrong_version(c, t);
	else if (n != NULL && t->action != NULL && s[i] != NULL)
		rc = t->action(c, n, s + own);
	if (rc == 1)
		rc = s[own] == NULL ? call_resource(c, t, group_name, id.str) :
		     s[i] == NULL ? unknown_type(c, type.str, s[own]) :
		     n == NULL ? missing(c, t, group_name, id.str) : below(c, n, &type, prefix, s + i);
out:
	free(prefix);
	buf_release(&id);
	buf_release(&type);
	return rc;
}
