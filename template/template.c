/*
 * Templates: what is declared in them, in which order it is to be deployed,
 * and what becomes of it.  After template_open() everything that can be known
 * is evaluated once, so that a mistake shows before the first resource is
 * made.  Expressions are eval.c's.
 *
 * Source: "Understand the structure and syntax of ARM templates"
 * (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

/* A resource to be made: one copy, if it is in a loop. */
struct resource {
	struct template_resource pub;
	const cJSON *def;
	char *id, *type, *name, *api_version, *path;
	const char *own;    /* of name, the last part */
	const char *symbol; /* language version 2.0; or NULL */
	bool existing;	    /* only referred to */
	char *loop;	    /* name of its copy loop, or NULL */
	int64_t index;	    /* in it, -1 for none */
	size_t after_cap, *after;
};

static const struct template_scope no_scope = {
	.subscription_id = "",
	.tenant_id = "",
	.group_name = "",
	.deployment_name = "",
};

const struct template_scope *template_scope_of(const struct template *t)
{
	return t == NULL ? &no_scope : t->scope;
}

const char *template_group_id(const struct template *t)
{
	return t == NULL ? "" : t->group_id;
}

const char *template_api_version(const struct template *t, size_t i)
{
	return t->res[i].api_version;
}

/* ---- resources ---- */

static bool is_symbol(const struct resource *r, struct str text)
{
	return r->symbol != NULL && str_ieqz(text, r->symbol);
}

/* "name", or "name[2]" for a copy; SIZE_MAX: nobody's. */
static size_t find_symbol(const struct template *t, struct str text)
{
	ptrdiff_t at = str_chr(text, '[');
	struct str number = str_skip(text, at < 0 ? text.n : (size_t)at + 1);
	int64_t index = -1;
	uint64_t n;

	if (t == NULL || !t->symbolic)
		return SIZE_MAX;
	if (at >= 0 && str_dec(&number, RESOURCES_MAX, &n) &&
	    str_eqz(number, "]")) {
		index = (int64_t)n;
		text = str_head(text, (size_t)at);
	}
	for (size_t i = 0; i < t->res_n; i++)
		if (t->res[i].index == index && is_symbol(&t->res[i], text))
			return i;
	return SIZE_MAX;
}

/* "Ns/a/b" and "x/y" as "Ns/a/x/b/y"; NULL when they do not fit together. */
static char *full_path(struct str type, struct str name)
{
	struct buf b = BUF_INIT(8192);
	struct str t, n = STR_NULL;
	bool good = str_next(&type, '/', &t) && str_chr(t, '.') > 0 &&
		    type.p != NULL;

	buf_addstr(&b, t);
	while (good && str_next(&type, '/', &t)) {
		good = str_next(&name, '/', &n) && t.n > 0 && n.n > 0;
		buf_addf(&b, "/%.*s/%.*s", STR_ARG(t), STR_ARG(n));
	}
	if (good && name.p == NULL && !b.over)
		return buf_detach(&b);
	buf_release(&b);
	return NULL;
}

const struct template_resource *template_symbol(const struct template *t,
						struct str text)
{
	size_t i = find_symbol(t, text);

	return i == SIZE_MAX ? NULL : &t->res[i].pub;
}

bool template_has_copies(const struct template *t, struct str symbol)
{
	for (size_t i = 0; t != NULL && t->symbolic && i < t->res_n; i++)
		if (t->res[i].index >= 0 && is_symbol(&t->res[i], symbol))
			return true;
	return false;
}

const struct template_resource *template_next_copy(struct eval *ev,
						   struct str symbol, size_t *i)
{
	struct template *t = ev->t;

	while (*i < t->res_n && !is_symbol(&t->res[*i], symbol))
		(*i)++;
	if (*i == t->res_n)
		return NULL;
	template_add_need(ev, *i);
	return &t->res[(*i)++].pub;
}

/* The id is that of some group's resource called text, "Ns/type/name". */
static bool is_tail(const char *id, struct str text)
{
	const char *tail = strstr(id, "/providers/");

	return tail != NULL && str_ieqz(text, tail + strlen("/providers/"));
}

char *template_resolve(const struct template *t, struct str text, size_t *index)
{
	struct str rest = text, head;
	char *id = NULL;

	*index = find_symbol(t, text);
	if (*index != SIZE_MAX)
		return xstrdup(t->res[*index].id);
	if (str_starts(text, STR("/")))
		id = str_dup(text);
	else if (str_cut(&rest, '/', &head) && str_chr(head, '.') >= 0)
		id = xasprintf("%s/providers/%.*s", template_group_id(t),
			       STR_ARG(text));
	for (size_t i = 0; t != NULL && i < t->res_n; i++)
		if (*index == SIZE_MAX &&
		    (id != NULL ? str_ieqz(str_of(id), t->res[i].id) :
				  str_ieqz(text, t->res[i].name)))
			*index = i;
	/* "Ns/type/name" says nothing of the group */
	for (size_t i = 0; id != NULL && t != NULL && i < t->res_n; i++)
		if (*index == SIZE_MAX && !str_starts(text, STR("/")) &&
		    is_tail(t->res[i].id, text)) {
			*index = i;
			free(id);
			id = xstrdup(t->res[i].id);
		}
	for (size_t i = 0; id == NULL && t != NULL && i < t->res_n; i++)
		if (*index == SIZE_MAX && str_ieqz(text, t->res[i].own))
			*index = i;
	if (id == NULL && *index != SIZE_MAX)
		id = xstrdup(t->res[*index].id);
	return id;
}

void template_add_need(struct eval *ev, size_t i)
{
	struct resource *r;

	if (ev->self == SIZE_MAX || !ev->dry)
		return;
	r = &ev->t->res[ev->self];
	for (size_t k = 0; k < r->pub.after_n; k++)
		if (r->after[k] == i)
			return;
	if (r->pub.after_n == r->after_cap) {
		r->after_cap = r->after_cap == 0 ? 4 : r->after_cap * 2;
		r->after = xrealloc(r->after, r->after_cap * sizeof(*r->after));
	}
	r->after[r->pub.after_n++] = i;
}

/* The loop that resource r is in, for evaluating anything of it. */
static struct copy_loop loop_of(const struct resource *r)
{
	return (struct copy_loop){ .name = r->loop,
				   .index = r->index,
				   .plain = true };
}

/* A member of a resource that names it; "" when it cannot be had. */
static char *own_string(struct eval *ev, const struct resource *r,
			const char *member)
{
	size_t was = eval_path_name(ev, member);
	char *z = NULL;

	if (json_get(r->def, member) == NULL)
		eval_fail(ev, "A resource needs '%s'.", member);
	else
		eval_string(ev, json_get(r->def, member), &z);
	eval_path_back(ev, was);
	return z != NULL ? z : xstrdup("");
}

/* The group that r says it is in, or its subscription when it says no group; NULL
 * when it says nothing. */
static char *elsewhere(struct eval *ev, const struct resource *r)
{
	bool group = json_get(r->def, "resourceGroup") != NULL;
	bool subscription = json_get(r->def, "subscriptionId") != NULL;
	char *g = NULL, *s = NULL, *id = NULL;

	if (!(r->existing || r->pub.nested) || !(group || subscription))
		return NULL;
	s = subscription ? own_string(ev, r, "subscriptionId") :
			   xstrdup(ev->t->scope->subscription_id);
	g = group ? own_string(ev, r, "resourceGroup") : xstrdup("");
	if (*g != '\0')
		id = xasprintf("/subscriptions/%s/resourceGroups/%s", s, g);
	else
		id = xasprintf("/subscriptions/%s", s);
	free(g);
	free(s);
	return id;
}

/* What the resource's id begins with: the group, or the resource it extends. */
static char *scope_of(struct eval *ev, const struct resource *r)
{
	char *z, *id = elsewhere(ev, r);
	size_t index;

	if (json_get(r->def, "scope") != NULL) {
		free(id);
		z = own_string(ev, r, "scope");
		id = strcmp(z, "/") == 0 ?
			     xstrdup("") :
			     template_resolve(ev->t, str_of(z), &index);
		if (id == NULL)
			eval_fail(ev, "The scope '%.200s' is no resource.", z);
		free(z);
	}
	return id != NULL ? id : xstrdup(ev->t->group_id);
}

static struct str first_of(const char *type)
{
	return str_head(str_of(type), strcspn(type, "/"));
}

/* Its version of the API, or that of the profile. */
static char *version_of(struct eval *ev, const struct resource *r)
{
	const char *profile = ev->t->profile, *version;

	if (profile == NULL || json_get(r->def, "apiVersion") != NULL)
		return own_string(ev, r, "apiVersion");
	version = profile_version(profile, r->type);
	if (version == NULL)
		eval_fail(ev,
			  "The version of '%.200s' in the profile '%s' is not "
			  "known to the local Azure.",
			  r->type, profile);
	return xstrdup(version != NULL ? version : "");
}

/* The same id twice, unless one of them only refers to it. */
static void check_unique(struct eval *ev, const struct resource *r)
{
	for (size_t i = 0; i < ev->t->res_n && !r->existing; i++)
		if (!ev->t->res[i].existing &&
		    str_ieqz(str_of(r->id), ev->t->res[i].id))
			eval_fail(ev,
				  "The resource '%.400s' is defined multiple "
				  "times in a template.",
				  r->id);
}

/* Type, name and id, complete; parent is the resource that r is nested in. */
static void identify(struct eval *ev, struct resource *r,
		     const struct resource *parent, bool named)
{
	char *type, *name, *scope, *tail;

	name = named ? own_string(ev, r, "name") : xstrdup("");
	type = own_string(ev, r, "type");
	r->pub.nested = str_ieqz(str_of(type), "Microsoft.Resources/deployments");
	scope = named ? scope_of(ev, r) : xstrdup("");
	/* a type without a namespace goes on from the parent's */
	if (parent != NULL && str_chr(first_of(type), '.') < 0) {
		r->type = xasprintf("%s/%s", parent->type, type);
		r->name = xasprintf("%s/%s", parent->name, name);
		free(type);
		free(name);
	} else {
		r->type = type;
		r->name = name;
	}
	r->own = strrchr(r->name, '/');
	r->own = r->own != NULL ? r->own + 1 : r->name;
	r->api_version = version_of(ev, r);
	tail = full_path(str_of(r->type), str_of(r->name));
	if (tail == NULL && named)
		eval_fail(ev,
			  "The template resource '%.200s' for type '%.100s' "
			  "has incorrect segment lengths. A nested resource "
			  "type must have identical number of segments as its "
			  "resource name. A root resource type must have "
			  "segment length one greater than its resource name.",
			  r->name, r->type);
	r->id = xasprintf("%s/providers/%s", scope, tail != NULL ? tail : "");
	check_unique(ev, r);
	free(scope);
	free(tail);
}

static void add_resources(struct eval *ev, const cJSON *list, size_t parent,
			  const char *path);

/* One resource, or one copy of it, and the children nested in it. */
static void add_resource(struct eval *ev, const cJSON *def, size_t parent,
			 const char *path, const struct copy_loop *loop)
{
	struct template *t = ev->t;
	const cJSON *condition = json_get(def, "condition");
	size_t self = t->res_n, was;
	struct resource *r;

	if (self == RESOURCES_MAX) {
		eval_fail(ev, "The template has more than %d resources.",
			  RESOURCES_MAX);
		return;
	}
	r = &t->res[self];
	*r = (struct resource){ .def = def, .index = -1, .path = xstrdup(path) };
	r->symbol = t->symbolic ? def->string : NULL;
	ev->kind = "resource";
	ev->name = json_str_opt(def, "name", "");
	ev->loops = loop;
	if (loop != NULL) {
		r->loop = xstrdup(loop->name);
		r->index = loop->index;
	}
	r->existing = t->symbolic && json_bool_opt(def, "existing", false);
	/* as in Azure, a parent's condition is not its children's */
	r->pub.deploy = true;
	was = eval_path_name(ev, "condition");
	if (condition != NULL)
		eval_bool(ev, condition, &r->pub.deploy);
	eval_path_back(ev, was);
	/* by its symbol it is known without a name, which may be made of what
	 * the condition says is not there */
	identify(ev, r, parent == SIZE_MAX ? NULL : &t->res[parent],
		 !t->symbolic || r->pub.deploy);
	r->pub.deploy = r->pub.deploy && !r->existing;
	r->pub.id = r->id;
	r->pub.type = r->type;
	r->pub.name = r->name;
	r->pub.api_version = r->api_version;
	t->res_n++;
	ev->self = self;
	if (parent != SIZE_MAX)
		template_add_need(ev, parent);
	ev->self = SIZE_MAX;
	if (json_get(def, "resources") != NULL && !eval_failed(ev)) {
		char *inner = xasprintf("%s.resources", path);

		add_resources(ev, json_get(def, "resources"), self, inner);
		free(inner);
	}
	ev->loops = NULL;
}

/* The copies of one resource. */
static void add_copies(struct eval *ev, const cJSON *def, const cJSON *copy,
		       size_t parent, const char *path)
{
	struct copy_loop loop = { .plain = true };
	int64_t count = 0;
	char *name = NULL;
	size_t was = eval_path_name(ev, "copy");

	ev->loops = NULL;
	if (parent != SIZE_MAX)
		eval_fail(ev, "A resource nested in another cannot have copies.");
	if (!eval_failed(ev) && eval_string(ev, json_get(copy, "name"), &name))
		eval_count(ev, json_get(copy, "count"), &count);
	eval_path_back(ev, was);
	loop.name = name;
	for (; loop.index < count && !eval_failed(ev); loop.index++)
		add_resource(ev, def, parent, path, &loop);
	free(name);
}

static void add_resources(struct eval *ev, const cJSON *list, size_t parent,
			  const char *path)
{
	size_t i = 0;

	if (!ev->t->symbolic && !cJSON_IsArray(list))
		eval_fail(ev,
			  "'%s' must be an array; symbolic names need "
			  "language version 2.0.",
			  path);
	else if (ev->t->symbolic && !cJSON_IsObject(list))
		eval_fail(ev, "'%s' must be an object in language version 2.0.",
			  path);
	for (const cJSON *def = list->child; def != NULL && !eval_failed(ev);
	     def = def->next, i++) {
		const cJSON *copy = json_get(def, "copy");
		const struct copy_loop *loops = ev->loops; /* a copied parent's */
		char *at = ev->t->symbolic ?
				   xasprintf("%s.%.200s", path, def->string) :
				   xasprintf("%s[%zu]", path, i);
		size_t was = ev->path.n;

		buf_truncate(&ev->path, 0);
		buf_adds(&ev->path, at);
		ev->kind = "resource";
		ev->name = json_str_opt(def, "name", "");
		if (++ev->depth > DEPTH_MAX)
			eval_fail(ev,
				  "Resources are nested more than %d levels "
				  "deep.",
				  DEPTH_MAX);
		else if (copy != NULL)
			add_copies(ev, def, copy, parent, at);
		else
			add_resource(ev, def, parent, at, loops);
		ev->depth--;
		ev->loops = loops;
		buf_truncate(&ev->path, was < ev->path.n ? was : ev->path.n);
		free(at);
	}
}

/* A copy loop's name stands for all its copies, and so does its symbol. */
static bool needs_loop(struct eval *ev, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < ev->t->res_n; i++) {
		const struct resource *r = &ev->t->res[i];

		if (r->loop == NULL || !(str_ieqz(str_of(name), r->loop) ||
					 is_symbol(r, str_of(name))))
			continue;
		found = true;
		if (i != ev->self)
			template_add_need(ev, i);
	}
	return found;
}

static void depends_on(struct eval *ev, const cJSON *list)
{
	size_t i = 0, was = eval_path_name(ev, "dependsOn");

	if (!cJSON_IsArray(list))
		eval_fail(ev, "'dependsOn' must be an array.");
	for (const cJSON *d = list->child; d != NULL && !eval_failed(ev);
	     d = d->next, i++) {
		size_t outer = eval_path_index(ev, i), index = SIZE_MAX;
		char *name = NULL, *id = NULL;

		if (eval_string(ev, d, &name) && !needs_loop(ev, name)) {
			id = template_resolve(ev->t, str_of(name), &index);
			if (index == SIZE_MAX)
				eval_fail(ev,
					  "The resource '%.300s' is not "
					  "defined in the template.",
					  name);
			else
				template_add_need(ev, index);
		}
		free(id);
		free(name);
		eval_path_back(ev, outer);
	}
	eval_path_back(ev, was);
}

/* "mode": "serial": each batch waits for the one before. */
static void serial_copy(struct eval *ev, const struct resource *r)
{
	const cJSON *copy = json_get(r->def, "copy");
	int64_t batch;

	if (r->loop == NULL || !json_is(copy, "mode", "serial"))
		return;
	batch = json_int_opt(copy, "batchSize", 1);
	if (batch < 1 || batch > COPIES_MAX) {
		eval_fail(ev,
			  "The batch size of the copy is not between 1 and %d.",
			  COPIES_MAX);
		return;
	}
	for (size_t i = 0; i < ev->t->res_n; i++) {
		const struct resource *other = &ev->t->res[i];

		if (other->def == r->def &&
		    other->index / batch == r->index / batch - 1)
			template_add_need(ev, i);
	}
}

static void start_resource(struct eval *ev, size_t i, struct copy_loop *loop)
{
	struct resource *r = &ev->t->res[i];

	*loop = loop_of(r);
	ev->kind = "resource";
	ev->name = ev->stage == STAGE_DEPLOY ? r->id : r->name;
	ev->self = i;
	ev->loops = r->index >= 0 ? loop : NULL;
	ev->may = MAY_USE_VARIABLES;
	buf_truncate(&ev->path, 0);
	buf_adds(&ev->path, r->path);
}

/* What the template language itself reads of a resource, and no provider. */
static const char *const own_members =
	"type name apiVersion scope condition dependsOn copy resources "
	"comments metadata existing";

static cJSON *properties_of_nested(struct eval *ev, const cJSON *props);

/* A member of a resource; the properties of a deployment are special. */
static cJSON *resource_member(struct eval *ev, const cJSON *m, bool nested)
{
	return nested && cJSON_IsObject(m) && str_is(m->string, "properties") ?
		       properties_of_nested(ev, m) :
		       eval_value(ev, m);
}

/* The members of a resource, those that are listed left out. */
static cJSON *resource_members(struct eval *ev, const cJSON *def,
			       const char *without, bool nested)
{
	cJSON *out = cJSON_CreateObject(), *v;
	const cJSON *m;

	cJSON_ArrayForEach(m, def) {
		size_t was;

		if (eval_failed(ev))
			break;
		if (str_listed(without, m->string))
			continue;
		was = eval_path_name(ev, m->string);
		v = resource_member(ev, m, nested);
		if (v != NULL)
			cJSON_AddItemToObject(out, m->string, v);
		eval_path_back(ev, was);
	}
	if (!eval_failed(ev))
		return out;
	json_free(out);
	return NULL;
}

static cJSON *evaluate_body(struct eval *ev, const struct resource *r)
{
	cJSON *out;

	ev->may = MAY_USE_VARIABLES | MAY_REFER;
	out = resource_members(ev, r->def, own_members, r->pub.nested);
	/* in a template, a null may be wanted */
	if (out != NULL && !r->pub.nested)
		json_strip_nulls(out);
	return out;
}

/* ---- nested deployments ---- */

/* Resources of a nested template that is evaluated out here: deployments among
 * them have a say in how far that goes. */
static cJSON *resources_of_nested(struct eval *ev, const cJSON *list)
{
	cJSON *out, *v;
	size_t i = 0;

	if (!cJSON_IsArray(list))
		return eval_value(ev, list);
	out = cJSON_CreateArray();
	for (const cJSON *r = list->child; r != NULL && !eval_failed(ev);
	     r = r->next) {
		size_t was = eval_path_index(ev, i++);
		bool deploys = json_is(r, "type",
				       "Microsoft.Resources/deployments");

		v = deploys ? resource_members(ev, r, "", true) :
			      eval_value(ev, r);
		if (v != NULL)
			cJSON_AddItemToArray(out, v);
		eval_path_back(ev, was);
	}
	return out;
}

/* A nested template with all expressions evaluated out here. */
static cJSON *outer_template(struct eval *ev, const cJSON *doc)
{
	cJSON *out, *v;

	if (!cJSON_IsObject(doc))
		return eval_value(ev, doc);
	if (++ev->depth > DEPTH_MAX)
		return eval_fail(ev,
				 "Deployments are nested more than %d levels "
				 "deep.",
				 DEPTH_MAX);
	out = cJSON_CreateObject();
	for (const cJSON *m = doc->child; m != NULL && !eval_failed(ev);
	     m = m->next) {
		size_t was = eval_path_name(ev, m->string);

		v = str_is(m->string, "resources") ? resources_of_nested(ev, m) :
						     eval_value(ev, m);
		if (v != NULL)
			cJSON_AddItemToObject(out, m->string, v);
		eval_path_back(ev, was);
	}
	ev->depth--;
	return out;
}

/* Are the expressions of the nested template its own affair? */
static bool is_inner(struct eval *ev, const cJSON *props)
{
	const cJSON *scope = json_at(props, "expressionEvaluationOptions.scope");
	bool inner = ev->t->symbolic;
	char *word = NULL;

	if (scope == NULL)
		return inner;
	if (eval_string(ev, scope, &word)) {
		if (str_is(word, "inner") ||
		    (inner && str_is(word, "notSpecified")))
			inner = true;
		else if (!str_listed("outer notSpecified", word))
			eval_fail(ev,
				  "The scope '%.40s' of the evaluation of "
				  "expressions is not valid.",
				  word);
		else if (inner)
			eval_fail(ev, "In language version 2.0 expressions are "
				      "not evaluated in the scope 'outer'.");
	}
	free(word);
	return inner;
}

static cJSON *properties_of_nested(struct eval *ev, const cJSON *props)
{
	bool inner = is_inner(ev, props), mark = ev->mark;
	cJSON *out = cJSON_CreateObject(), *v;

	ev->mark = true;
	for (const cJSON *m = props->child; m != NULL && !eval_failed(ev);
	     m = m->next) {
		size_t was = eval_path_name(ev, m->string);

		if (!str_is(m->string, "template"))
			v = eval_value(ev, m);
		else if (inner && cJSON_IsObject(m))
			v = value_copy(ev, m);
		else
			v = outer_template(ev, m);
		if (v != NULL)
			json_set(out, m->string, v);
		eval_path_back(ev, was);
	}
	ev->mark = mark;
	return out;
}

const cJSON *template_nested(const cJSON *body, const cJSON **parameters,
			     struct err *e)
{
	const cJSON *props = json_get_i(body, "properties");
	const cJSON *template = json_get_i(props, "template");
	const char *mode = json_text(props, "mode");

	*parameters = json_get_i(props, "parameters");
	if (json_get_i(props, "templateLink") != NULL ||
	    json_get_i(props, "parametersLink") != NULL)
		err_set(e, ERR_AZURE,
			"InvalidTemplate: A linked template is not known to "
			"the local Azure, which follows no links.");
	else if (!str_is(mode, "Incremental"))
		err_set(e, ERR_AZURE,
			"InvalidTemplate: Deployment template validation "
			"failed: 'The mode '%.40s' of a nested deployment is "
			"not valid: only Incremental is.'.",
			mode);
	else if (!cJSON_IsObject(template) && !value_is_unknown(template))
		err_set(e, ERR_AZURE,
			"InvalidTemplate: Deployment template validation "
			"failed: 'A nested deployment needs 'template'.'.");
	return e->kind == ERR_NONE ? template : NULL;
}

/* ---- trying everything ---- */

/* Everything of every resource is evaluated once, without asking anybody. */
static void try_resources(struct eval *ev)
{
	size_t total = 0;
	struct copy_loop loop;

	for (size_t i = 0; i < ev->t->res_n && !eval_failed(ev); i++) {
		const struct resource *r = &ev->t->res[i];
		/* a deployment is as large as what it deploys */
		struct buf b = BUF_INIT(r->pub.nested ? TEMPLATE_BYTES_MAX :
							RESOURCE_BYTES_MAX);
		cJSON *doc;

		start_resource(ev, i, &loop);
		if (json_get(r->def, "dependsOn") != NULL)
			depends_on(ev, json_get(r->def, "dependsOn"));
		serial_copy(ev, r);
		/* what is not deployed may well be wrong */
		doc = NULL;
		if (!eval_failed(ev) && r->pub.deploy)
			doc = evaluate_body(ev, r);
		if (doc != NULL)
			json_print(doc, &b);
		total += b.n;
		if (b.over || total > TEMPLATE_BYTES_MAX)
			eval_fail(ev,
				  "The template is too large: a resource may "
				  "have %u bytes, all of them %u.",
				  RESOURCE_BYTES_MAX, TEMPLATE_BYTES_MAX);
		json_free(doc);
		buf_release(&b);
	}
	ev->self = SIZE_MAX;
	ev->loops = NULL;
}

/* Strike what waits for nothing, again and again; what is left is a circle,
 * or waits for one. */
static void check_circles(struct eval *ev)
{
	const struct template *t = ev->t;
	bool *done = xcalloc(t->res_n, sizeof(*done)), moved = true;
	size_t left = SIZE_MAX;

	while (moved) {
		moved = false;
		left = SIZE_MAX;
		for (size_t i = t->res_n; i-- > 0;) {
			size_t k = 0;

			while (k < t->res[i].pub.after_n &&
			       done[t->res[i].after[k]])
				k++;
			if (!done[i] && k == t->res[i].pub.after_n)
				done[i] = moved = true;
			else if (!done[i])
				left = i;
		}
	}
	free(done);
	ev->kind = NULL;
	if (left != SIZE_MAX)
		eval_fail(ev,
			  "Circular dependency detected on resource: '%.400s'.",
			  t->res[left].id);
}

/* ---- outputs ---- */

static cJSON *output_value(struct eval *ev, const cJSON *def)
{
	const cJSON *copy = json_get(def, "copy");
	struct copy_loop loop = { .plain = true };
	int64_t count;
	cJSON *list;

	if (copy == NULL)
		return eval_member(ev, def, "value");
	if (!eval_count(ev, json_get(copy, "count"), &count))
		return NULL;
	list = cJSON_CreateArray();
	ev->loops = &loop;
	for (; loop.index < count && !eval_failed(ev); loop.index++) {
		cJSON *v = eval_member(ev, copy, "input");

		if (v != NULL)
			cJSON_AddItemToArray(list, v);
	}
	ev->loops = NULL;
	return list;
}

/* {"type", "value"}, without when it is NULL or secure; takes v. */
static void add_typed(cJSON *to, const char *name,
		      const struct declared_type *type, cJSON *v)
{
	cJSON *out = json_add_obj(to, name);

	json_add_str(out, "type", type->name);
	if (type->secure)
		json_burn(v);
	else if (v != NULL)
		cJSON_AddItemToObject(out, "value", v);
}

static void one_output(struct eval *ev, const cJSON *def, cJSON *to)
{
	const cJSON *condition = json_get(def, "condition");
	const struct declared_type *type = declared_type_of(ev, def, "output");
	bool yes = true;
	cJSON *v;

	ev->may = MAY_USE_VARIABLES;
	if (condition != NULL)
		eval_bool(ev, condition, &yes);
	if (eval_failed(ev) || !yes)
		return;
	ev->may |= MAY_REFER;
	ev->unknown = false;
	v = output_value(ev, def);
	if (v != NULL && !ev->unknown && !declared_fits(type, v) &&
	    !cJSON_IsNull(v))
		eval_fail(ev, "Its value is of type '%s', not '%s'.",
			  value_type(v), type->value);
	if (v == NULL || eval_failed(ev)) {
		json_free(v);
		return;
	}
	if (cJSON_IsNull(v)) {
		json_free(v);
		v = NULL;
	}
	add_typed(to, def->string, type, v);
}

static cJSON *evaluate_outputs(struct eval *ev)
{
	const cJSON *defs = json_get_i(ev->t->doc, "outputs"), *d;
	cJSON *to = cJSON_CreateObject();

	cJSON_ArrayForEach(d, defs) {
		if (eval_failed(ev))
			break;
		ev->kind = "output";
		ev->name = d->string;
		buf_truncate(&ev->path, 0);
		eval_path_name(ev, "outputs");
		eval_path_name(ev, d->string);
		one_output(ev, d, to);
	}
	if (!eval_failed(ev))
		return to;
	json_free(to);
	return NULL;
}

/* ---- opening ---- */

static void not_parsed(struct eval *ev, const char *what, const char *name)
{
	err_set(ev->e, ERR_AZURE,
		"InvalidTemplate: Deployment template parse failed: '%s "
		"'%.100s'.'.",
		what, name);
}

static void check_members(struct eval *ev, const cJSON *doc)
{
	static const struct {
		const char *name;
		int max;
	} limits[] = {
		{ "parameters", PARAMETERS_MAX },
		{ "variables", VARIABLES_MAX },
		{ "outputs", OUTPUTS_MAX },
		{ "resources", RESOURCES_MAX },
	};

	for (const cJSON *m = doc->child; m != NULL; m = m->next) {
		if (str_listed("imports extensions", m->string))
			eval_fail(ev,
				  "The element '%s' is not known to the local "
				  "Azure.",
				  m->string);
		if (!str_listed("$schema contentVersion apiProfile metadata "
				"parameters variables functions resources "
				"outputs languageVersion definitions",
				m->string))
			not_parsed(ev,
				   "Could not find member on object of type "
				   "'Template':",
				   m->string);
		for (size_t i = 0; i < 4; i++) {
			if (!str_is(m->string, limits[i].name))
				continue;
			if (i < 3 && !cJSON_IsObject(m))
				not_parsed(ev, "An object is expected in",
					   m->string);
			else if (cJSON_GetArraySize(m) > limits[i].max)
				eval_fail(ev,
					  "The number of template %s limit "
					  "exceeded. Limit: '%d' and actual: "
					  "'%d'.",
					  limits[i].name, limits[i].max,
					  cJSON_GetArraySize(m));
		}
	}
}

/* The last part of the URL, whatever its version, is this. */
static bool is_schema(const char *schema, const char *name)
{
	struct str s = str_of(schema);
	ptrdiff_t slash = str_rchr(s, '/');

	return str_istarts(str_skip(s, (size_t)(slash + 1)), str_of(name));
}

static void check_schema(struct eval *ev, const char *schema)
{
	static const char *const others[][2] = {
		{ "subscriptionDeploymentTemplate.json", "a subscription" },
		{ "managementGroupDeploymentTemplate.json", "a management group" },
		{ "tenantDeploymentTemplate.json", "a tenant" },
	};

	for (size_t i = 0; i < 3; i++)
		if (is_schema(schema, others[i][0]))
			eval_fail(ev,
				  "The schema '%.100s' is not that of a "
				  "template for a resource group; one for %s is "
				  "not known to the local Azure.",
				  schema, others[i][1]);
	if (!is_schema(schema, "deploymentTemplate.json"))
		eval_fail(ev,
			  "The schema '%.100s' is not that of a template for a "
			  "resource group.",
			  schema);
}

/* Of the language, and of the API by a profile. */
static void check_version(struct eval *ev, const cJSON *doc)
{
	struct template *t = ev->t;
	const cJSON *version = json_get_i(doc, "languageVersion");
	const cJSON *profile = json_get_i(doc, "apiProfile");
	const char *z = json_text(doc, "languageVersion");

	t->symbolic = str_is(z, "2.0");
	if (version != NULL && !str_listed("1.0 2.0", z))
		eval_fail(ev,
			  "The language version '%.40s' is not known to the "
			  "local Azure.",
			  z);
	if (!t->symbolic && json_get_i(doc, "definitions") != NULL)
		eval_fail(ev, "Definitions of types need language version 2.0.");
	t->profile = cJSON_GetStringValue(profile);
	if (profile != NULL && (t->profile == NULL || !profile_known(t->profile)))
		eval_fail(ev,
			  "The API profile '%.80s' is not known to the local "
			  "Azure.",
			  t->profile != NULL ? t->profile : "");
}

static void check_document(struct eval *ev, const cJSON *doc)
{
	static const char *const required[] = {
		"$schema",
		"contentVersion",
		"resources",
	};
	const char *schema = json_text(doc, "$schema");

	if (!cJSON_IsObject(doc)) {
		not_parsed(ev, "An object is expected in", "template");
		return;
	}
	/* one that we do not know may have other members */
	check_version(ev, doc);
	check_members(ev, doc);
	for (size_t i = 0; i < 3; i++)
		if (json_get_i(doc, required[i]) == NULL)
			not_parsed(ev, "Required property not found in JSON:",
				   required[i]);
	check_schema(ev, schema);
}

static void open_resources(struct eval *ev)
{
	struct template *t = ev->t;

	ev->may = MAY_USE_VARIABLES;
	add_resources(ev, json_get_i(t->doc, "resources"), SIZE_MAX, "resources");
	try_resources(ev);
	if (!eval_failed(ev))
		check_circles(ev);
	t->pub = xcalloc(t->res_n, sizeof(*t->pub));
	for (size_t i = 0; i < t->res_n; i++) {
		struct resource *r = &t->res[i];

		r->pub.after = r->after;
		t->pub[i] = r->pub;
	}
}

struct template *template_open(const cJSON *doc, const cJSON *parameters,
			       const struct template_scope *scope, struct err *e)
{
	struct template *t = xcalloc(1, sizeof(*t));
	struct eval ev = EVAL_INIT;

	t->doc = doc;
	t->scope = scope;
	t->group_id = xasprintf("/subscriptions/%s/resourceGroups/%s",
				scope->subscription_id, scope->group_name);
	t->res = xcalloc(RESOURCES_MAX + 1, sizeof(*t->res));
	ev.t = t;
	ev.e = e;
	ev.dry = true;
	if (value_is_unknown(doc)) {
		template_free(t);
		return NULL;
	}
	t->partial = value_has_unknown(doc);
	check_document(&ev, doc);
	if (!eval_failed(&ev))
		declared_open_parameters(&ev, parameters);
	if (!eval_failed(&ev))
		declared_open_variables(&ev);
	if (!eval_failed(&ev))
		open_resources(&ev);
	if (!eval_failed(&ev))
		json_free(evaluate_outputs(&ev));
	buf_release(&ev.path);
	if (!eval_failed(&ev))
		return t;
	if (ev.later && t->partial)
		err_clear(e);
	template_free(t);
	return NULL;
}

const struct template_resource *template_resources(struct template *t, size_t *n)
{
	*n = t->res_n;
	return t->pub;
}

cJSON *template_resource(struct template *t, size_t i, struct err *e)
{
	struct eval ev = EVAL_INIT;
	struct copy_loop loop;
	cJSON *doc;

	ev.t = t;
	ev.e = e;
	ev.stage = STAGE_DEPLOY;
	start_resource(&ev, i, &loop);
	doc = evaluate_body(&ev, &t->res[i]);
	buf_release(&ev.path);
	return doc;
}

cJSON *template_outputs(struct template *t, struct err *e)
{
	struct eval ev = EVAL_INIT;
	cJSON *doc;

	ev.t = t;
	ev.e = e;
	ev.stage = STAGE_OUTPUT;
	doc = evaluate_outputs(&ev);
	buf_release(&ev.path);
	return doc;
}

cJSON *template_parameters(struct template *t)
{
	cJSON *doc = cJSON_CreateObject();

	for (size_t i = 0; i < t->parameters.n; i++) {
		const struct declaration *p = &t->parameters.all[i];

		add_typed(doc, p->name, p->type, cJSON_Duplicate(p->value, true));
	}
	return doc;
}

cJSON *template_expression(struct template *t, const char *text, struct err *e)
{
	struct eval ev = EVAL_INIT;
	cJSON *string = cJSON_CreateString(text), *v;

	ev.t = t;
	ev.e = e;
	ev.may = MAY_BE_NEW | MAY_USE_VARIABLES | MAY_REFER;
	v = eval_value(&ev, string);
	json_free(string);
	buf_release(&ev.path);
	return v;
}

struct str template_error(const struct err *e, struct str *text)
{
	struct str s = str_of(e->msg), code;
	ptrdiff_t at = str_find(s, STR(": "));

	*text = s;
	if (at <= 0)
		return STR("InternalServerError");
	code = str_head(s, (size_t)at);
	for (size_t i = 0; i < code.n; i++)
		if (!is_alnum(code.p[i]))
			return STR("InternalServerError");
	*text = str_skip(s, (size_t)at + 2);
	return code;
}

void template_free(struct template *t)
{
	if (t == NULL)
		return;
	declared_burn(&t->parameters);
	declared_burn(&t->variables);
	/* one more: the resource that was being added when something failed */
	for (size_t i = 0; t->res != NULL && i <= t->res_n; i++) {
		struct resource *r = &t->res[i];

		free(r->id);
		free(r->type);
		free(r->name);
		free(r->api_version);
		free(r->path);
		free(r->loop);
		free(r->after);
	}
	free(t->res);
	free(t->pub);
	free(t->group_id);
	free(t);
}
