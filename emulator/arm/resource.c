/*
 * Resources in general: from a path to a type and an entry, what every PUT,
 * PATCH, GET and DELETE asks before a provider is asked, and the operations
 * that follow.  Templates come in through resource_put() as requests do.
 */
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/arm.h"
#include "emulator/arm/groups.h"
#include "emulator/arm/location.h"
#include "emulator/arm/providers.h"
#include "emulator/arm/resource.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "http.h"

/* Of an id in a body: a group's name has at most 90 characters, others 80 */
#define ID_MAX 2048

bool resource_version_known(const char *versions, const char *api)
{
	struct str rest = str_of(versions), word;

	while (str_next(&rest, ',', &word))
		if (str_eqz(str_trim(word), api))
			return true;
	return false;
}

cJSON *resource_show(struct emu *m, const struct entry *n)
{
	if (n->type != NULL && n->type->show != NULL)
		return n->type->show(m, n);
	return cJSON_Duplicate(n->doc, true);
}

cJSON *resource_show_asked(struct request *r, const struct entry *n)
{
	cJSON *doc = resource_show(r->m, n);

	if (n->type != NULL && n->type->expand != NULL)
		n->type->expand(r, n, doc);
	return doc;
}

int resource_answer(struct request *r, const struct entry *n)
{
	const struct rtype *t = n->type;
	char *expand = t->expand != NULL ? request_param(r, "$expand") : NULL;
	bool as_is = t->show == NULL && expand == NULL;

	free(expand);
	return as_is ? request_answer_as_is(r, 200, n->doc) :
		       request_answer(r, 200, resource_show_asked(r, n));
}

void resource_born(struct put *p, const char *name)
{
	const cJSON *was = p->old != NULL ? json_get(p->old->doc, "properties") :
					    NULL;
	cJSON *props = p->props;

	json_drop(props, name);
	json_drop(props, "timeCreated");
	if (was != NULL)
		json_defaults(props, "{'%s':%s,'timeCreated':%s}", name,
			      json_text(was, name),
			      json_text(was, "timeCreated"));
	else
		json_defaults(props, "{'%s':%U,'timeCreated':%t}", name);
}

int resource_need_reference(struct emu *m, struct put *p, const char *id)
{
	if (id == NULL)
		return fault_set(&p->f, 400,
				 "InvalidRequestFormat: "
				 "Cannot parse the request: a reference has no id.");
	return p->dry || store_doc(m, id) != NULL ? 0 :
						    resource_no_reference(p, id);
}

int resource_no_reference(struct put *p, const char *id)
{
	return fault_set(&p->f, 400,
			 "InvalidResourceReference: "
			 "Resource %s referenced by resource %s was not found.",
			 id, p->id);
}

/* ---- PUT ---- */

static int check_location(struct put *p, const cJSON *body)
{
	const char *name, *have;

	if (!(p->type->flags & R_TRACKED))
		return 0;
	name = location_of_body(body, "ResourceType", &p->f);
	if (name == NULL)
		return -1;
	have = p->old != NULL ? json_str_opt(p->old->doc, "location", name) :
				name;
	if (strcmp(have, name) != 0)
		return fault_set(&p->f, 409,
				 "InvalidResourceLocation: "
				 "The resource '%s' already exists in location '%s'.",
				 p->name, have);
	json_add_str(p->doc, "location", name);
	return 0;
}

/* What names another resource is no longer than an id can be, anywhere. */
static int check_ids(struct put *p, const cJSON *doc)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, doc) {
		if (str_is(v->string, "id") && cJSON_IsString(v) &&
		    strlen(v->valuestring) > ID_MAX)
			return fault_set(&p->f, 400,
					 "LinkedInvalidPropertyId: Property id "
					 "'%.100s...' is invalid. Expect fully "
					 "qualified resource Id of at most %d "
					 "characters that start with '/subscriptions/"
					 "{subscriptionId}' or '/providers/"
					 "{resourceProviderNamespace}/'.",
					 v->valuestring, ID_MAX);
		if (check_ids(p, v) < 0)
			return -1;
	}
	return 0;
}

static int build(struct put *p, const cJSON *body)
{
	const cJSON *v;

	p->doc = json_fmt("{'name':%s,'id':%s,'type':%s}", p->name, p->id,
			  p->type->name);
	if (check_location(p, body) < 0)
		return -1;
	cJSON_ArrayForEach(v, body)
		if (str_listed("tags sku zones kind identity plan", v->string))
			cJSON_AddItemToObject(p->doc, v->string,
					      cJSON_Duplicate(v, true));
	v = json_get(body, "properties");
	if (v != NULL && !cJSON_IsObject(v) && !cJSON_IsNull(v))
		return fault_content(&p->f, "'properties' is not an object");
	json_defaults(p->doc, "{'properties':%j}", v);
	json_strip_nulls(p->doc);
	p->props = json_sub(p->doc, "properties");
	if (check_ids(p, p->props) < 0)
		return -1;
	if (p->type->flags & R_ETAG_UNIQUE)
		json_defaults(p->doc, "{'etag':'W/\\\"%U\\\"'}");
	else if (p->type->flags & R_ETAG_COUNTED)
		json_defaults(p->doc, "{'etag':'\\\"%l\\\"'}",
			      1 + (p->old == NULL ? 0 :
						    json_int_opt(p->old->hide,
								 "etag", 0)));
	return 0;
}

/* The name rules that all share: no control characters, no '/', at most 80. */
static int check_name(struct put *p)
{
	size_t n = strlen(p->name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p->name[i] <= ' ' ||
		    (unsigned char)p->name[i] > '~' ||
		    strchr("<>*%&:\\?#/", p->name[i]) != NULL)
			n = 0;
	if (n == 0 || n > 80)
		return fault_set(
			&p->f, 400,
			"InvalidResourceName: "
			"Resource name %.100s is invalid. It can be up to 80 characters long.",
			p->name);
	return 0;
}

static int check_etag(const struct entry *n, const char *want, struct fault *f)
{
	const char *have = n != NULL ? json_str_opt(n->doc, "etag", NULL) : NULL;
	char text[512];

	if (want == NULL || have == NULL || strcmp(want, have) == 0 ||
	    strcmp(want, "*") == 0)
		return 0;
	snprintf(text, sizeof(text),
		 "Etag provided in if-match header %.80s does not match etag %s of "
		 "resource",
		 want, have);
	/* Network's words, and Compute's */
	if (n->type->style != OP_NETWORK)
		return fault_set(f, 412, "PreconditionFailed: %s.", text);
	fault_set(f, 412, "PreconditionFailed: Precondition failed.");
	json_set(f->error, "details",
		 json_fmt("[{'code':'PreconditionFailedEtagMismatch',"
			  "'message':'%s %s in NRP data store.'}]",
			  text, json_text(n->doc, "id")));
	return -1;
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
	return fault_set(&p->f, 404,
			 "ParentResourceNotFound: Failed to perform 'write' on "
			 "resource(s) of type '%s', because the parent resource of '%.80s' could not "
			 "be found.",
			 p->type->name, p->name);
}

/* ".../providers/NS/T1/N1/T2/N2" -> "NS/T1/N1/T2/N2"; "" without. */
static struct str below_providers(const char *id)
{
	const char *at = strstr(id, "/providers/");

	return at == NULL ? STR("") : str_of(at + strlen("/providers/"));
}

/* "NS/T1/T2" of the same; false when there is no such form. */
static bool type_of_id(const char *id, struct buf *b)
{
	struct str s = below_providers(id), word;
	unsigned i;

	for (i = 0; str_next(&s, '/', &word); i++)
		if (i == 0 || i % 2 == 1)
			buf_addf(b, "%s%.*s", i ? "/" : "", STR_ARG(word));
	return i >= 3 && i % 2 == 1 && !b->over;
}

static int find_type(struct put *p)
{
	struct buf b = BUF_INIT(256);

	if (type_of_id(p->id, &b))
		p->type = provider_type(b.str);
	if (p->type == NULL)
		fault_set(&p->f, 404,
			  "InvalidResourceType: "
			  "The resource type '%.200s' could not be found.",
			  b.str);
	else if (p->type->put == NULL)
		fault_set(&p->f, 405,
			  "HttpMethodNotAllowed: "
			  "The HTTP method 'PUT' is not supported for '%s'.",
			  b.str);
	buf_release(&b);
	return p->f.error != NULL ? -1 : 0;
}

static int run_settle(struct emu *m, struct op *op, struct fault *f)
{
	(void)f;
	return op_sleep(m, (unsigned)json_int_opt(op->args, "ms", 0));
}

/* Keep what has been checked, and begin the work it needs. */
static int keep_put(struct emu *m, struct put *p)
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
	if (t->flags & R_ETAG_COUNTED)
		json_put_int(p->entry->hide, "etag",
			     json_int_opt(p->entry->hide, "etag", 0) + 1);
	if (t->style == OP_NONE || p->unchanged)
		return 0;
	entry_state(p->entry, p->created && !(t->flags & R_NEW_IS_UPDATING) ?
				      "Creating" :
				      "Updating");
	p->op = op_start(
		m, t->style,
		json_str_opt(p->entry->doc, "location", p->group_location),
		p->entry->key, p->api, p->work != NULL ? p->work : run_settle,
		p->args != NULL ? p->args : json_fmt("{'ms':%d}", (int)t->work_ms),
		json_fmt("[%s]", p->entry->key), &p->f);
	p->args = NULL;
	if (p->op == NULL)
		entry_state(p->entry, "Failed");
	return p->op == NULL ? -1 : 0;
}

int resource_put(struct emu *m, struct put *p, const cJSON *body)
{
	struct entry *group = group_of(m, p->id);

	if (find_type(p) < 0)
		return -1;
	p->name = strrchr(p->id, '/') + 1;
	if (!resource_version_known(p->type->versions, p->api))
		return fault_set(
			&p->f, 400,
			"NoRegisteredProviderFound: No registered "
			"resource provider found for location '%.60s' and API version '%s' "
			"for type '%s'. The supported api-versions are '%s'.",
			json_text(body, "location"), p->api,
			strchr(p->type->name, '/') + 1, p->type->versions);
	if (group == NULL)
		return fault_set(&p->f, 404,
				 "ResourceGroupNotFound: "
				 "Resource group of '%s' could not be found.",
				 p->id);
	p->group_location = json_text(group->doc, "location");
	if (group_refuse_leaving(group, &p->f) < 0)
		return -1;
	/* a deployment fails of it when it has begun */
	if (!p->dry && provider_ready(m, p->type->name, &p->f) < 0)
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
	if (p->old != NULL && !p->dry && op_refuse_busy(p->old, &p->f) < 0)
		return -1;
	if (p->type->put(m, p) < 0)
		return -1;
	return p->dry ? 0 : keep_put(m, p);
}

void resource_put_release(struct put *p)
{
	free(p->id);
	json_burn(p->doc);
	json_burn(p->hide);
	json_burn(p->args);
	fault_release(&p->f);
}

/* ---- DELETE ---- */

void resource_forget(struct emu *m, struct entry *n)
{
	if (n->type != NULL && n->type->forget != NULL)
		n->type->forget(m, n);
	store_remove(m, n);
}

static void remove_tree(struct emu *m, const char *key)
{
	char *own = xstrdup(key);
	struct entry *n;

	while ((n = store_below(m, NULL, own, "/")) != NULL ||
	       (n = store_find(m, own)) != NULL)
		resource_forget(m, n);
	free(own);
}

static int run_remove(struct emu *m, struct op *op, struct fault *f)
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

/* "Microsoft.Compute/galleries/a/images/b", the first five of them */
static int refuse_nested(struct emu *m, const struct entry *n, struct fault *f)
{
	struct buf list = BUF_INIT(8192);
	struct entry *child = NULL;
	int k = 0;

	while (k < 5 && (child = store_below(m, child, n->key, "/")) != NULL)
		buf_addf(&list, "%s%.*s", k++ > 0 ? ", " : "",
			 STR_ARG(below_providers(json_text(child->doc, "id"))));
	if (k > 0)
		fault_set(f, 409,
			  "CannotDeleteResource: Cannot delete resource while nested "
			  "resources exist. Some existing nested resource IDs include: "
			  "'%s'. Please delete all nested resources before deleting "
			  "this resource.",
			  list.str);
	buf_release(&list);
	return k > 0 ? -1 : 0;
}

int resource_delete(struct emu *m, struct entry *n, const char *api,
		    struct op **op, struct fault *f)
{
	const struct rtype *t = n->type;
	struct entry *user = t->in_use != NULL ? store_referrer(m, n->key) : NULL,
		     *child;
	int rc = op_refuse_busy(n, f);

	*op = NULL;
	for (child = NULL;
	     rc == 0 && (child = store_below(m, child, n->key, "/")) != NULL;)
		rc = op_refuse_busy(child, f);
	if (rc < 0)
		return -1;
	if (user != NULL)
		return fault_set(
			f, 400,
			"%s: %s %s cannot be deleted because it is in use by %s. In "
			"order to delete it, remove the association with that resource.",
			t->in_use, t->name, json_text(n->doc, "id"),
			json_text(user->doc, "id"));
	if ((t->flags & R_NESTED_FIRST) && refuse_nested(m, n, f) < 0)
		return -1;
	if (t->style == OP_NONE || (t->flags & R_DELETE_AT_ONCE)) {
		if (t->remove != NULL && t->remove(m, n->key, f) < 0)
			return -1;
		remove_tree(m, n->key);
		return 0;
	}
	entry_state(n, "Deleting");
	*op = op_start(m, t->style, json_text(n->doc, "location"), n->key, api,
		       run_remove, NULL, json_fmt("[%s]", n->key), f);
	return *op == NULL ? -1 : 0;
}

/* ---- requests ---- */

static int answer_put(struct request *r, const char *id, const cJSON *body)
{
	struct put p = { .id = xstrdup(id), .api = r->api };
	struct str match = http_field(http_x_head(r->x), "If-Match");
	struct str unless = http_field(http_x_head(r->x), "If-None-Match");
	struct entry *old = store_find(r->m, id);
	char *want = match.p != NULL ? str_dup(match) : NULL;
	int rc = -1;

	if (check_etag(old, want, &r->fault) < 0)
		goto out;
	if (old != NULL && str_eqz(unless, "*")) {
		fault_set(&r->fault, 412,
			  "PreconditionFailed: "
			  "The resource exists, and If-None-Match: * was asked for.");
		goto out;
	}
	if (!cJSON_IsObject(body)) {
		fault_content(&r->fault, "a JSON object was expected");
		goto out;
	}
	rc = resource_put(r->m, &p, body);
	if (rc < 0) {
		r->fault = p.f;
		p.f.error = NULL;
		goto out;
	}
	r->pretty = p.type->flags & R_PRETTY;
	if (p.op != NULL)
		arm_op_fields(r, p.op);
	if (p.op != NULL && p.type->style == OP_STORAGE) {
		r->plain = "text/plain; charset=utf-8";
		request_answer(r, 202, NULL);
	} else {
		bool ok = !p.created || (p.type->flags & R_NEW_IS_200) ||
			  r->method == PATCH;

		request_answer(r, ok ? 200 : 201, resource_show(r->m, p.entry));
	}
out:
	free(want);
	resource_put_release(&p);
	return rc;
}

static int answer_patch(struct request *r, struct entry *n)
{
	cJSON *body = cJSON_Duplicate(n->doc, true);
	char *id = xstrdup(json_text(n->doc, "id"));
	int rc = -1;

	json_drop(body, "etag");
	if (n->type->patch == NULL || n->type->patch(r, r->body) == 0) {
		if (cJSON_IsObject(r->body))
			json_merge(body, r->body);
		rc = answer_put(r, id, cJSON_IsObject(r->body) ? body : NULL);
	}
	json_burn(body);
	free(id);
	return rc;
}

static int answer_delete(struct request *r, struct entry *n)
{
	struct op *op;

	if (resource_delete(r->m, n, r->api, &op, &r->fault) < 0)
		return -1;
	r->plain = "text/plain; charset=utf-8";
	if (op != NULL)
		arm_op_fields(r, op);
	return request_answer(r, op != NULL ? 202 : 200, NULL);
}

static int answer_missing(struct request *r, const struct rtype *t,
			  const char *group, const char *id)
{
	const char *name = strrchr(id, '/') + 1;

	if (t->missing != NULL)
		return fault_set(&r->fault, 404, "%s", t->missing);
	r->gateway = true;
	return fault_set(
		&r->fault, 404,
		"ResourceNotFound: "
		"The Resource '%s/%.80s' under resource group '%s' was not found.",
		t->name, name, group);
}

static int answer_resource(struct request *r, const struct rtype *t,
			   const char *group, const char *id)
{
	struct entry *n = store_find(r->m, id);
	const char *etag;

	if (r->method == PUT)
		return answer_put(r, id, r->body);
	if (n == NULL)
		return r->method == DELETE ? request_answer(r, 204, NULL) :
					     answer_missing(r, t, group, id);
	r->pretty = t->flags & R_PRETTY;
	switch (r->method) {
	case PATCH:
		return answer_patch(r, n);
	case DELETE:
		return answer_delete(r, n);
	case HEAD:
		return request_answer(r, 204, NULL);
	case GET:
		if ((etag = json_str_opt(n->doc, "etag", NULL)) != NULL)
			request_field(r, "ETag: %s", etag);
		return resource_answer(r, n);
	default:
		return request_bad_method(r);
	}
}

int resource_list(struct request *r, const struct rtype *t, const char *key,
		  const char *tail, size_t size)
{
	struct page p;

	if (r->method != GET)
		return request_bad_method(r);
	if (request_page_begin(r, &p, size) < 0)
		return -1;
	for (struct entry *n = NULL;
	     (n = store_below(r->m, n, key, tail)) != NULL;)
		if (n->type == t &&
		    (t != NULL || request_page_keeps(r, &p, n->doc)) &&
		    request_page_wants(&p))
			cJSON_AddItemToArray(p.value, resource_show_asked(r, n));
	return request_page_end(r, &p);
}

/* What is in another is called by the names of both: "gallery/image". */
static void name_in_full(cJSON *doc)
{
	struct buf b = BUF_INIT(1024);
	struct str s = below_providers(json_text(doc, "id")), word;

	for (unsigned i = 0; str_next(&s, '/', &word); i++)
		if (i > 0 && i % 2 == 0)
			buf_addf(&b, "%s%.*s", i > 2 ? "/" : "", STR_ARG(word));
	json_put_str(doc, "name", b.str);
	buf_release(&b);
}

int resource_list_tracked(struct request *r, const char *key)
{
	struct page p;
	cJSON *doc;

	if (r->method != GET)
		return request_bad_method(r);
	if (request_page_begin(r, &p, 25) < 0)
		return -1;
	for (struct entry *n = NULL; (n = store_below(r->m, n, key, "/")) != NULL;)
		if (n->type != NULL && (n->type->flags & R_TRACKED) &&
		    request_page_keeps(r, &p, n->doc) && request_page_wants(&p)) {
			doc = cJSON_Duplicate(n->doc, true);
			json_drop(doc, "properties");
			json_drop(doc, "etag");
			name_in_full(doc);
			cJSON_AddItemToArray(p.value, doc);
		}
	return request_page_end(r, &p);
}

/* The list of rules of a security group without that one. */
static void drop_named(cJSON *list, const char *name)
{
	cJSON *item, *next;

	for (item = list != NULL ? list->child : NULL; item != NULL; item = next) {
		next = item->next;
		if (json_is(item, "name", name))
			json_free(cJSON_DetachItemViaPointer(list, item));
	}
}

/*
 * A security rule by itself is made, changed and deleted as its group is put:
 * SecurityRules_CreateOrUpdate and _Delete.
 */
static int change_rule(struct request *r, struct entry *n, const char *id,
		       const char *name)
{
	cJSON *body = cJSON_Duplicate(n->doc, true), *list, *rule;
	bool there = store_doc(r->m, id) != NULL, put = r->method == PUT;
	int rc = 0;

	list = json_get_mut(json_get_mut(body, "properties"), "securityRules");
	json_drop(body, "etag");
	drop_named(list, name);
	if (put) {
		rule = json_add_obj(list, NULL);
		json_add_str(rule, "name", name);
		json_set(rule, "properties",
			 cJSON_Duplicate(json_get(r->body, "properties"), true));
	}
	if (put || there)
		rc = answer_put(r, json_text(n->doc, "id"), body);
	if (rc == 0 && put)
		rc = request_answer(r, there ? 200 : 201,
				    cJSON_Duplicate(store_doc(r->m, id), true));
	else if (rc == 0)
		rc = request_answer(r, there ? 202 : 204, NULL);
	json_free(body);
	return rc;
}

/* A subnet, a security rule: part of a document. */
static int answer_part(struct request *r, struct entry *n, char **s)
{
	char *id = xasprintf("%s/%s/%s", n->key, s[0], s[1]);
	const cJSON *part = store_doc(r->m, id);
	int rc;

	if (str_is(s[0], "securityRules") &&
	    (r->method == DELETE ||
	     (r->method == PUT && cJSON_IsObject(json_get(r->body, "properties")))))
		rc = change_rule(r, n, id, s[1]);
	else if (r->method != GET)
		rc = request_bad_method(r);
	else if (part == NULL)
		rc = fault_set(&r->fault, 404,
			       "NotFound: Resource %s not found.", id);
	else
		rc = request_answer(r, 200, cJSON_Duplicate(part, true));
	free(id);
	return rc;
}

int resource_unknown_type(struct request *r, const char *ns, const char *type)
{
	r->gateway = true;
	return fault_set(
		&r->fault, 404,
		"InvalidResourceType: The resource type '%.80s' "
		"could not be found in the namespace '%.60s' for api version '%s'.",
		type, ns, r->api);
}

static int wrong_version(struct request *r, const struct rtype *t)
{
	r->gateway = true;
	return fault_set(&r->fault, 400,
			 "InvalidResourceType: The resource type '%s' could "
			 "not be found in the namespace '%.*s' for api version '%s'. The supported "
			 "api-versions are '%s'.",
			 strchr(t->name, '/') + 1, (int)strcspn(t->name, "/"),
			 t->name, r->api, t->versions);
}

/* What the path of a request names. */
struct route {
	const struct rtype *type; /* of the innermost resource; NULL: a list of
					   namespace/type */
	struct buf type_name;	  /* its name, or that of the list */
	struct buf id; /* its id, and behind own_n what "x/default" follows */
	size_t own_n;
	char **own;  /* what follows its name, */
	char **rest; /* and that without x/default */
};

static void add_segment(struct buf *b, const char *segment)
{
	buf_addc(b, '/');
	buf_adds(b, segment);
}

/*
 * As deep as there are types that we know and names to go with them.
 * s: namespace, type, name, type, name, ..., verb
 */
static void route_find(struct route *w, const struct entry *group, char **s)
{
	const struct rtype *deeper;
	size_t i;

	buf_adds(&w->type_name, s[0]);
	buf_adds(&w->id, json_text(group->doc, "id"));
	buf_adds(&w->id, "/providers");
	add_segment(&w->id, s[0]);
	for (i = 1; s[i] != NULL; i += 2) {
		size_t keep = w->type_name.n;

		add_segment(&w->type_name, s[i]);
		deeper = provider_type(w->type_name.str);
		/* fileServices/default is no resource of its own here */
		if (deeper == NULL && str_is(s[i + 1], "default")) {
			add_segment(&w->id, s[i]);
			add_segment(&w->id, s[i + 1]);
			continue;
		}
		if (deeper == NULL || s[i + 1] == NULL ||
		    (deeper->flags & R_INSIDE)) {
			buf_truncate(&w->type_name, keep);
			break;
		}
		w->type = deeper;
		add_segment(&w->id, s[i]);
		add_segment(&w->id, s[i + 1]);
		w->own = s + i + 2;
		w->own_n = w->id.n;
	}
	w->rest = s + i;
}

/* Behind providers: namespace/type, all of it in the group. */
static int answer_list(struct request *r, struct route *w,
		       const struct entry *group, char **s)
{
	const struct rtype *t;

	buf_addf(&w->type_name, "/%s", s[1] != NULL ? s[1] : "");
	t = provider_type(w->type_name.str);
	if (t == NULL || s[2] != NULL)
		return resource_unknown_type(r, s[0], w->type_name.str);
	if (!resource_version_known(t->versions, r->api))
		return wrong_version(r, t);
	return resource_list(r, t, group->key, "/", 100);
}

/*
 * What follows the name of n: w->rest, perhaps with a name.  prefix: the path,
 * with x/default in it where lists have that.
 */
static int answer_below(struct request *r, struct route *w, struct entry *n,
			const char *prefix)
{
	char **s = w->rest;
	const cJSON *arr = json_get_i(json_get(n->doc, "properties"), s[0]);
	bool parts = n->type->flags & R_PARTS;
	const struct rtype *deeper;

	buf_addf(&w->type_name, "/%s", s[0]);
	deeper = provider_type(w->type_name.str);
	if (s[1] != NULL && s[2] == NULL && parts)
		return answer_part(r, n, s);
	if (s[1] == NULL && deeper != NULL)
		return resource_list(r, deeper, prefix, "/", 100);
	if (s[1] == NULL && parts && r->method == GET && cJSON_IsArray(arr))
		return request_page(r, arr, 100);
	return resource_unknown_type(r, w->type_name.str, s[0]);
}

int resource_route(struct request *r, struct entry *group, char **s)
{
	struct route w = { .type_name = BUF_INIT(256), .id = BUF_INIT(2048) };
	const char *group_name = json_text(group->doc, "name");
	const struct rtype *t;
	struct entry *n;
	char *prefix = NULL;
	int rc = 1;

	route_find(&w, group, s);
	t = w.type;
	if (t == NULL) {
		rc = answer_list(r, &w, group, s);
		goto out;
	}
	prefix = emu_lower(w.id.str);
	buf_truncate(&w.id, w.own_n);
	n = store_find(r->m, w.id.str);
	/* a PUT looks at the version itself, and says more */
	if (r->method != PUT && !str_is(w.rest[0], t->foreign_list) &&
	    !resource_version_known(t->versions, r->api))
		rc = wrong_version(r, t);
	else if (n != NULL && t->action != NULL && w.rest[0] != NULL)
		rc = t->action(r, n, w.own);
	if (rc != 1)
		goto out;
	if (w.own[0] == NULL)
		rc = answer_resource(r, t, group_name, w.id.str);
	else if (w.rest[0] == NULL)
		rc = resource_unknown_type(r, w.type_name.str, w.own[0]);
	else if (n == NULL)
		rc = answer_missing(r, t, group_name, w.id.str);
	else
		rc = answer_below(r, &w, n, prefix);
out:
	free(prefix);
	buf_release(&w.id);
	buf_release(&w.type_name);
	return rc;
}
