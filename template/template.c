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

enum declared_type {
	TYPE_STRING, TYPE_SECURE_STRING, TYPE_INT, TYPE_BOOL, TYPE_OBJECT, TYPE_SECURE_OBJECT, TYPE_ARRAY,
	TYPES,
};

/* As answers write them, and what Azure calls such a value in its messages. */
static const struct { char name[13], json[8]; bool secure; } types[TYPES] = {
	[TYPE_STRING] = { "String", "String", false },
	[TYPE_SECURE_STRING] = { "SecureString", "String", true },
	[TYPE_INT] = { "Int", "Integer", false },
	[TYPE_BOOL] = { "Bool", "Boolean", false },
	[TYPE_OBJECT] = { "Object", "Object", false },
	[TYPE_SECURE_OBJECT] = { "SecureObject", "Object", true },
	[TYPE_ARRAY] = { "Array", "Array", false },
};

/* A parameter or a variable. */
struct declaration {
	const char *name;	/* in the document */
	const cJSON *def;
	enum declared_type type;	/* of a parameter */
	bool copy;		/* a variable made by a copy loop; def is the loop */
	bool busy;		/* being evaluated: meeting it again is a circle */
	cJSON *value;
};

struct resource {
	struct template_resource pub;
	const cJSON *def;
	char *id, *type, *name, *api_version, *path;
	char *loop;		/* name of its copy loop, or NULL */
	int64_t index;		/* in it, -1 for none */
	size_t after_cap, *after;
};

struct template {
	const cJSON *doc;
	const struct template_scope *scope;
	char *group_id;
	struct declaration *parameters, *variables;
	size_t parameters_n, variables_n;
	struct resource *res;
	struct template_resource *pub;
	size_t res_n;
};

static const struct template_scope no_scope = {
	.subscription_id = "", .tenant_id = "", .group_name = "", .deployment_name = "",
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

/* ---- parameters and variables ------------------------------------------------ */

static const cJSON *first_of(const cJSON *v)
{
	return v == NULL ? NULL : v->child;
}

static struct declaration *find_declared(struct declaration *items, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieqz(name, items[i].name))
			return &items[i];
	return NULL;
}

static cJSON *variable_copies(struct eval *ev, const cJSON *def)
{
	/* the evaluator knows the loop as a member of an object */
	cJSON *wrap = cJSON_CreateObject(), *got, *v = NULL;

	cJSON_AddItemToArray(json_add_arr(wrap, "copy"),
			     cJSON_Duplicate(def, true));
	got = eval_value(ev, wrap);
	if (got != NULL && got->child != NULL)
		v = cJSON_DetachItemViaPointer(got, got->child);
	json_free(got);
	json_free(wrap);
	return v;
}

/* In an evaluator of its own: the one that asks is in the middle of something. */
static void evaluate_declared(struct eval *asks, struct declaration *i, bool variable)
{
	struct eval inner = *asks, *ev = &inner;

	if (i->busy) {
		eval_fail(asks, "Circular dependency detected in the template %s '%s'.",
		     variable ? "variable" : "parameter", i->name);
		return;
	}
	ev->kind = variable ? "variable" : "parameter";
	ev->name = i->name;
	ev->may = variable ? MAY_USE_VARIABLES : MAY_BE_NEW;
	ev->loops = NULL;
	ev->lambda_variables = NULL;
	buf_init(&ev->path, asks->path.max);
	eval_path_name(ev, variable ? "variables" : "parameters");
	if (!i->copy)
		eval_path_name(ev, i->name);
	i->busy = true;
	if (++ev->depth > DEPTH_MAX)
		eval_fail(ev, "Expressions are nested more than %d levels deep.", DEPTH_MAX);
	else if (i->copy)
		i->value = variable_copies(ev, i->def);
	else if (variable)
		i->value = eval_value(ev, i->def);
	else
		i->value = eval_member(ev, i->def, "defaultValue");
	i->busy = false;
	asks->work = ev->work;
	asks->unknown = ev->unknown;
	buf_release(&ev->path);
}

static cJSON *declared_value(struct eval *ev, struct declaration *i, bool variable)
{
	if (i->value == NULL)
		evaluate_declared(ev, i, variable);
	return i->value == NULL ? NULL : value_copy(ev, i->value);
}

static cJSON *named_value(struct eval *ev, struct declaration *items, size_t n, struct str name, bool variable)
{
	struct declaration *i = find_declared(items, n, name);

	if (i == NULL)
		return eval_fail(ev, "The template %s '%.*s' is not found.", variable ? "variable" : "parameter",
			    STR_ARG(str_head(name, 100)));
	return declared_value(ev, i, variable);
}

cJSON *template_parameter(struct eval *ev, struct str name)
{
	struct template *t = ev->t;
	const struct declaration *i = t != NULL && t->scope->hide_secure ?
		find_declared(t->parameters, t->parameters_n, name) : NULL;

	if (i != NULL && types[i->type].secure) {
		ev->unknown = true;
		return NULL;
	}
	return named_value(ev, t ? t->parameters : NULL, t ? t->parameters_n : 0, name, false);
}

cJSON *template_variable(struct eval *ev, struct str name)
{
	struct template *t = ev->t;

	return named_value(ev, t ? t->variables : NULL, t ? t->variables_n : 0, name, true);
}

static bool has_type(const cJSON *v, enum declared_type type)
{
	return strcmp(value_type(v), types[type].json) == 0;
}

/* An array may also be made of what is allowed. */
static bool allowed(struct eval *ev, const cJSON *list, const cJSON *v)
{
	if (value_in(ev, list, v))
		return true;
	if (!cJSON_IsArray(v))
		return false;
	for (const cJSON *i = v->child; i != NULL; i = i->next)
		if (!value_in(ev, list, i))
			return false;
	return true;
}

static void add_values(struct buf *b, const cJSON *list)
{
	for (const cJSON *i = list->child; i != NULL; i = i->next) {
		if (cJSON_IsString(i))
			buf_adds(b, i->valuestring);
		else
			json_print(i, b);
		if (i->next != NULL)
			buf_addc(b, ',');
	}
}

static void check_limits(struct eval *ev, const struct declaration *p)
{
	static const char limits[][10] = { "minValue", "maxValue", "minLength", "maxLength" };

	for (size_t i = 0; i < 4; i++) {
		bool length = i >= 2, least = i % 2 == 0;
		const cJSON *limit = json_get_i(p->def, limits[i]);
		int64_t bound, v;

		if (limit == NULL)
			continue;
		if (!value_int(limit, &bound) ||
		    (length ? !cJSON_IsString(p->value) && !cJSON_IsArray(p->value)
			    : !cJSON_IsNumber(p->value))) {
			eval_fail(ev, "'%s' does not fit the type '%s' of the template parameter '%s'.",
			     limits[i], types[p->type].name, p->name);
			continue;
		}
		v = length ? value_length(p->value) : (int64_t)p->value->valuedouble;
		if (least ? v < bound : v > bound)
			eval_fail(ev, "The provided value for the template parameter '%s' is not valid. "
			     "%s %s than or equal to '%lld'.", p->name, length ?
			     "Length of the value should be" : "The value must be",
			     least ? "greater" : "less", (long long)bound);
	}
}

static void check_parameter(struct eval *ev, const struct declaration *p)
{
	const cJSON *list = json_get_i(p->def, "allowedValues");

	if (!has_type(p->value, p->type)) {
		eval_fail(ev, "Template parameter JToken type is not valid. Expected '%s'. Actual '%s'. "
		     "The template parameter is '%s'.", types[p->type].json,
		     value_type(p->value), p->name);
	} else if (list != NULL && !allowed(ev, list, p->value)) {
		struct buf b = BUF_INIT(300);

		add_values(&b, list);
		eval_fail(ev, "The provided value for the template parameter '%s' is not valid. The "
		     "value is not part of the allowed value(s): '%s'.", p->name, b.str);
		buf_release(&b);
	} else {
		check_limits(ev, p);
	}
}

/* The type of a parameter or an output. */
static enum declared_type type_of(struct eval *ev, const cJSON *def, const char *what)
{
	const char *z = json_str_opt(def, "type", "");
	size_t i = 0;

	while (i < TYPES && !str_ieqz(str_of(z), types[i].name))
		i++;
	if (i == TYPES)
		eval_fail(ev, "The type '%.40s' of the template %s '%s' is not valid.", z, what,
		     def->string);
	return i == TYPES ? TYPE_STRING : (enum declared_type)i;
}

/* Names that the caller gave and the template does not have. */
static void check_surplus(struct eval *ev, const cJSON *given)
{
	struct buf odd = BUF_INIT(300), good = BUF_INIT(300);

	for (const cJSON *g = first_of(given); g != NULL; g = g->next)
		if (find_declared(ev->t->parameters, ev->t->parameters_n, str_of(g->string)) == NULL)
			buf_addf(&odd, "%s%s", odd.n > 0 ? ", " : "", g->string);
	for (size_t i = 0; i < ev->t->parameters_n; i++)
		buf_addf(&good, "%s%s", i > 0 ? ", " : "", ev->t->parameters[i].name);
	if (odd.n > 0 || odd.over)
		eval_fail(ev, "The template parameters '%s' in the parameters file are not valid; they "
		     "are not present in the original template and can therefore not be provided "
		     "at deployment time. The only supported parameters for this template are "
		     "'%s'.", odd.str, good.str);
	buf_release(&odd);
	buf_release(&good);
}

static void take_given(struct eval *ev, struct declaration *p, const cJSON *given)
{
	const cJSON *g = json_get_i(given, p->name), *v = json_get_i(g, "value");

	if (json_get_i(g, "reference") != NULL)
		eval_fail(ev, "The template parameter '%s' refers to a key vault, which the local Azure "
		     "does not have.", p->name);
	else if (g != NULL && !cJSON_IsObject(g))
		eval_fail(ev, "The value of the template parameter '%s' must be in an object, "
		     "{\"value\": ...}.", p->name);
	else if (v != NULL && !cJSON_IsNull(v))
		p->value = value_copy(ev, v);
	else if (json_get_i(p->def, "defaultValue") == NULL)
		eval_fail(ev, "The value for the template parameter '%s' is not provided.", p->name);
}

static void open_parameters(struct eval *ev, const cJSON *given)
{
	struct template *t = ev->t;
	const cJSON *defs = json_get_i(t->doc, "parameters");

	for (const cJSON *d = first_of(defs); d != NULL && !eval_failed(ev); d = d->next)
		t->parameters[t->parameters_n++] = (struct declaration){
			.name = d->string, .def = d, .type = type_of(ev, d, "parameter"),
		};
	check_surplus(ev, given);
	for (size_t i = 0; i < t->parameters_n && !eval_failed(ev); i++)
		take_given(ev, &t->parameters[i], given);
	for (size_t i = 0; i < t->parameters_n && !eval_failed(ev); i++) {
		if (t->parameters[i].value == NULL)
			evaluate_declared(ev, &t->parameters[i], false);
		if (!eval_failed(ev))
			check_parameter(ev, &t->parameters[i]);
	}
}

/* variables.copy: [ {"name", "count", "input"}, ... ] */
static void add_variable_copies(struct eval *ev, const cJSON *list)
{
	struct template *t = ev->t;

	for (const cJSON *c = list->child; c != NULL && !eval_failed(ev); c = c->next) {
		const char *name = json_str_opt(c, "name", NULL);

		if (name == NULL || !json_get(c, "count") || !json_get(c, "input"))
			eval_fail(ev, "A copy of variables needs 'name', 'count' and 'input'.");
		else if (t->variables_n == VARIABLES_MAX)
			eval_fail(ev, "The template has more than %d variables.", VARIABLES_MAX);
		else
			t->variables[t->variables_n++] = (struct declaration){
				.name = name, .def = c, .copy = true,
			};
	}
}

static void open_variables(struct eval *ev)
{
	struct template *t = ev->t;
	const cJSON *defs = json_get_i(t->doc, "variables");

	for (const cJSON *d = first_of(defs); d != NULL; d = d->next) {
		if (strcmp(d->string, "copy") != 0 || !cJSON_IsArray(d)) {
			t->variables[t->variables_n++] = (struct declaration){ .name = d->string, .def = d };
			continue;
		}
		add_variable_copies(ev, d);
	}
	for (size_t i = 0; i < t->variables_n && !eval_failed(ev); i++)
		if (t->variables[i].value == NULL)
			evaluate_declared(ev, &t->variables[i], true);
}

/* ---- resources --------------------------------------------------------------- */

/* "Ns/a/b" and "x/y" as "Ns/a/x/b/y"; NULL when they do not fit together. */
static char *full_path(struct str type, struct str name)
{
	struct buf b = BUF_INIT(8192);
	struct str t, n = STR_NULL;
	bool good = str_next(&type, '/', &t) && str_chr(t, '.') > 0 && type.p != NULL;

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

char *template_resolve(const struct template *t, struct str text, size_t *index)
{
	struct str rest = text, head;
	char *id = NULL;

	*index = SIZE_MAX;
	if (str_starts(text, STR("/")))
		id = str_dup(text);
	else if (str_cut(&rest, '/', &head) && str_chr(head, '.') >= 0)
		id = xasprintf("%s/providers/%.*s", template_group_id(t), STR_ARG(text));
	for (size_t i = 0; t != NULL && i < t->res_n; i++) {
		if (id != NULL ? !str_ieqz(str_of(id), t->res[i].id)
			       : !str_ieqz(text, t->res[i].name))
			continue;
		*index = i;
		return id != NULL ? id : xstrdup(t->res[i].id);
	}
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
	return (struct copy_loop){ .name = r->loop, .index = r->index, .plain = true };
}

/* A member of a resource that names it; "" when it cannot be had. */
static char *own_string(struct eval *ev, const struct resource *r, const char *member)
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

/* What the resource's id begins with: the group, or the resource it extends. */
static char *scope_of(struct eval *ev, const struct resource *r)
{
	char *z, *id = NULL;
	size_t index;

	if (json_get(r->def, "scope") != NULL) {
		z = own_string(ev, r, "scope");
		id = template_resolve(ev->t, str_of(z), &index);
		if (id == NULL)
			eval_fail(ev, "The scope '%.200s' is no resource.", z);
		free(z);
	}
	return id != NULL ? id : xstrdup(ev->t->group_id);
}

/* Type, name and id, complete; parent is the resource that r is nested in. */
static void identify(struct eval *ev, struct resource *r, const struct resource *parent)
{
	char *type, *name, *scope, *tail;

	name = own_string(ev, r, "name");
	type = own_string(ev, r, "type");
	r->api_version = own_string(ev, r, "apiVersion");
	scope = scope_of(ev, r);
	if (str_ieqz(str_of(type), "Microsoft.Resources/deployments"))
		eval_fail(ev, "Nested deployments are not known to the local Azure.");
	if (parent != NULL && !str_istarts(str_of(type), STR("Microsoft."))) {
		r->type = xasprintf("%s/%s", parent->type, type);
		r->name = xasprintf("%s/%s", parent->name, name);
		free(type);
		free(name);
	} else {
		r->type = type;
		r->name = name;
	}
	tail = full_path(str_of(r->type), str_of(r->name));
	if (tail == NULL)
		eval_fail(ev, "The template resource '%.200s' for type '%.100s' has incorrect segment "
		     "lengths. A nested resource type must have identical number of segments as "
		     "its resource name. A root resource type must have segment length one "
		     "greater than its resource name.", r->name, r->type);
	r->id = xasprintf("%s/providers/%s", scope, tail != NULL ? tail : "");
	for (size_t i = 0; i < ev->t->res_n; i++)
		if (str_ieqz(str_of(r->id), ev->t->res[i].id))
			eval_fail(ev, "The resource '%.400s' is defined multiple times in a template.",
			     r->id);
	free(scope);
	free(tail);
}

static void add_resources(struct eval *ev, const cJSON *list, size_t parent, const char *path);

/* One resource, or one copy of it, and the children nested in it. */
static void add_resource(struct eval *ev, const cJSON *def, size_t parent, const char *path,
			 const struct copy_loop *loop)
{
	struct template *t = ev->t;
	const cJSON *condition = json_get(def, "condition");
	size_t self = t->res_n, was;
	struct resource *r;

	if (self == RESOURCES_MAX) {
		eval_fail(ev, "The template has more than %d resources.", RESOURCES_MAX);
		return;
	}
	r = &t->res[self];
	*r = (struct resource){ .def = def, .index = -1, .path = xstrdup(path) };
	ev->kind = "resource";
	ev->name = json_str_opt(def, "name", "");
	ev->loops = loop;
	if (loop != NULL) {
		r->loop = xstrdup(loop->name);
		r->index = loop->index;
	}
	identify(ev, r, parent == SIZE_MAX ? NULL : &t->res[parent]);
	/* as in Azure, a parent's condition is not its children's */
	r->pub.deploy = true;
	was = eval_path_name(ev, "condition");
	if (condition != NULL && !eval_failed(ev))
		eval_bool(ev, condition, &r->pub.deploy);
	eval_path_back(ev, was);
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
static void add_copies(struct eval *ev, const cJSON *def, const cJSON *copy, size_t parent,
		       const char *path)
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

static void add_resources(struct eval *ev, const cJSON *list, size_t parent, const char *path)
{
	size_t i = 0;

	if (!cJSON_IsArray(list)) {
		eval_fail(ev, "'%s' must be an array%s.", path, cJSON_IsObject(list) ? "; symbolic names "
		     "(language version 2.0) are not known to the local Azure" : "");
		return;
	}
	for (const cJSON *def = list->child; def != NULL && !eval_failed(ev); def = def->next, i++) {
		const cJSON *copy = json_get(def, "copy");
		const struct copy_loop *loops = ev->loops;	/* a copied parent's */
		char *at = xasprintf("%s[%zu]", path, i);
		size_t was = ev->path.n;

		buf_truncate(&ev->path, 0);
		buf_adds(&ev->path, at);
		ev->kind = "resource";
		ev->name = json_str_opt(def, "name", "");
		if (++ev->depth > DEPTH_MAX)
			eval_fail(ev, "Resources are nested more than %d levels deep.", DEPTH_MAX);
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

/* A copy loop's name stands for all its copies. */
static bool needs_loop(struct eval *ev, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < ev->t->res_n; i++) {
		if (ev->t->res[i].loop == NULL || !str_ieqz(str_of(name), ev->t->res[i].loop))
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
	for (const cJSON *d = list->child; d != NULL && !eval_failed(ev); d = d->next, i++) {
		size_t outer = eval_path_index(ev, i), index = SIZE_MAX;
		char *name = NULL, *id = NULL;

		if (eval_string(ev, d, &name) && !needs_loop(ev, name)) {
			id = template_resolve(ev->t, str_of(name), &index);
			if (index == SIZE_MAX)
				eval_fail(ev, "The resource '%.300s' is not defined in the template.",
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

	if (r->loop == NULL || !str_ieqz(str_of(json_str_opt(copy, "mode", "")), "serial"))
		return;
	batch = json_int_opt(copy, "batchSize", 1);
	if (batch < 1 || batch > COPIES_MAX) {
		eval_fail(ev, "The batch size of the copy is not between 1 and %d.", COPIES_MAX);
		return;
	}
	for (size_t i = 0; i < ev->t->res_n; i++) {
		const struct resource *other = &ev->t->res[i];

		if (other->def == r->def && other->index / batch == r->index / batch - 1)
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

static cJSON *evaluate_body(struct eval *ev, const cJSON *def)
{
	cJSON *out = cJSON_CreateObject();

	ev->may = MAY_USE_VARIABLES | MAY_REFER;
	for (const cJSON *m = def->child; m != NULL && !eval_failed(ev); m = m->next) {
		size_t was = eval_path_name(ev, m->string);
		bool skip = str_listed("type name apiVersion scope condition dependsOn copy resources comments "
				   "metadata", m->string);
		cJSON *v = skip ? NULL : eval_value(ev, m);

		if (v != NULL)
			cJSON_AddItemToObject(out, m->string, v);
		eval_path_back(ev, was);
	}
	if (eval_failed(ev)) {
		json_free(out);
		return NULL;
	}
	json_strip_nulls(out);
	return out;
}

/* Everything of every resource, once, without asking anybody. */
static void try_resources(struct eval *ev)
{
	size_t total = 0;
	struct copy_loop loop;

	for (size_t i = 0; i < ev->t->res_n && !eval_failed(ev); i++) {
		struct buf b = BUF_INIT(RESOURCE_BYTES_MAX);
		const struct resource *r = &ev->t->res[i];
		cJSON *doc;

		start_resource(ev, i, &loop);
		if (json_get(r->def, "dependsOn") != NULL)
			depends_on(ev, json_get(r->def, "dependsOn"));
		serial_copy(ev, r);
		/* what is not deployed may well be wrong */
		doc = eval_failed(ev) || !r->pub.deploy ? NULL : evaluate_body(ev, r->def);
		if (doc != NULL)
			json_print(doc, &b);
		total += b.n;
		if (b.over || total > TEMPLATE_BYTES_MAX)
			eval_fail(ev, "The template is too large: a resource may have %u bytes, all of "
			     "them %u.", RESOURCE_BYTES_MAX, TEMPLATE_BYTES_MAX);
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

			while (k < t->res[i].pub.after_n && done[t->res[i].after[k]])
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
		eval_fail(ev, "Circular dependency detected on resource: '%.400s'.", t->res[left].id);
}

/* ---- outputs -------------------------------------------------------------------- */

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

/* {"type", "value"}, secure ones without; takes v. */
static void add_typed(cJSON *to, const char *name, enum declared_type type, cJSON *v)
{
	cJSON *out = json_add_obj(to, name);

	json_add_str(out, "type", types[type].name);
	if (types[type].secure)
		json_burn(v);
	else
		cJSON_AddItemToObject(out, "value", v);
}

static void one_output(struct eval *ev, const cJSON *def, cJSON *to)
{
	const cJSON *condition = json_get(def, "condition");
	enum declared_type type = type_of(ev, def, "output");
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
	if (v != NULL && !ev->unknown && !has_type(v, type) && !cJSON_IsNull(v))
		eval_fail(ev, "Its value is of type '%s', not '%s'.", value_type(v), types[type].json);
	if (v == NULL || eval_failed(ev)) {
		json_free(v);
		return;
	}
	add_typed(to, def->string, type, v);
}

static cJSON *evaluate_outputs(struct eval *ev)
{
	const cJSON *defs = json_get_i(ev->t->doc, "outputs");
	cJSON *to = cJSON_CreateObject();

	for (const cJSON *d = first_of(defs); d != NULL && !eval_failed(ev); d = d->next) {
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

/* ---- opening -------------------------------------------------------------------- */

static void not_parsed(struct eval *ev, const char *what, const char *name)
{
	err_set(ev->e, ERR_AZURE, "InvalidTemplate: Deployment template parse failed: '%s "
		"'%.100s'.'.", what, name);
}

static void check_members(struct eval *ev, const cJSON *doc)
{
	static const struct { char name[11]; int16_t max; } limits[] = {
		{ "parameters", PARAMETERS_MAX }, { "variables", VARIABLES_MAX },
		{ "outputs", OUTPUTS_MAX }, { "resources", RESOURCES_MAX },
	};

	for (const cJSON *m = doc->child; m != NULL; m = m->next) {
		if (!str_listed("$schema contentVersion apiProfile metadata parameters variables functions "
			    "resources outputs languageVersion definitions", m->string))
			not_parsed(ev, "Could not find member on object of type 'Template':", m->string);
		for (size_t i = 0; i < 4; i++) {
			if (!str_is(m->string, limits[i].name))
				continue;
			if (i < 3 && !cJSON_IsObject(m))
				not_parsed(ev, "An object is expected in", m->string);
			else if (cJSON_GetArraySize(m) > limits[i].max)
				eval_fail(ev, "The number of template %s limit exceeded. Limit: '%d' and "
				     "actual: '%d'.", limits[i].name, limits[i].max,
				     cJSON_GetArraySize(m));
		}
	}
}

static void check_document(struct eval *ev, const cJSON *doc)
{
	static const char required[][15] = { "$schema", "contentVersion", "resources" };
	const char *schema = json_text(doc, "$schema");

	if (!cJSON_IsObject(doc)) {
		not_parsed(ev, "An object is expected in", "template");
		return;
	}
	check_members(ev, doc);
	for (size_t i = 0; i < 3; i++)
		if (json_get_i(doc, required[i]) == NULL)
			not_parsed(ev, "Required property not found in JSON:", required[i]);
	if (str_find(str_of(schema), STR("/deploymentTemplate.json")) < 0)
		eval_fail(ev, "The schema '%.100s' is not that of a template for a resource group.",
		     schema);
	if (json_get_i(doc, "functions") != NULL && json_get_i(doc, "functions")->child != NULL)
		eval_fail(ev, "User-defined functions are not known to the local Azure.");
	if (json_get_i(doc, "languageVersion") != NULL || json_get_i(doc, "definitions") != NULL)
		eval_fail(ev, "Language version 2.0 is not known to the local Azure.");
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

		r->pub.id = r->id;
		r->pub.type = r->type;
		r->pub.name = r->name;
		r->pub.api_version = r->api_version;
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
	t->group_id = xasprintf("/subscriptions/%s/resourceGroups/%s", scope->subscription_id,
			    scope->group_name);
	t->parameters = xcalloc(PARAMETERS_MAX, sizeof(*t->parameters));
	t->variables = xcalloc(VARIABLES_MAX, sizeof(*t->variables));
	t->res = xcalloc(RESOURCES_MAX + 1, sizeof(*t->res));
	ev.t = t;
	ev.e = e;
	ev.dry = true;
	check_document(&ev, doc);
	if (!eval_failed(&ev))
		open_parameters(&ev, parameters);
	if (!eval_failed(&ev))
		open_variables(&ev);
	if (!eval_failed(&ev))
		open_resources(&ev);
	if (!eval_failed(&ev))
		json_free(evaluate_outputs(&ev));
	buf_release(&ev.path);
	if (!eval_failed(&ev))
		return t;
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
	doc = evaluate_body(&ev, t->res[i].def);
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

	for (size_t i = 0; i < t->parameters_n; i++) {
		const struct declaration *p = &t->parameters[i];

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
	for (size_t i = 0; i < t->parameters_n; i++)
		json_burn(t->parameters[i].value);
	for (size_t i = 0; i < t->variables_n; i++)
		json_burn(t->variables[i].value);
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
	free(t->parameters);
	free(t->variables);
	free(t->res);
	free(t->pub);
	free(t->group_id);
	free(t);
}
