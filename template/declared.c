/*
 * What a template declares: its parameters, with the values that are given or
 * by default, and its variables.  A value is evaluated when somebody first asks
 * for it, so that they may stand in any order.
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

/* ---- types ---- */

static const struct declared_type types[] = {
	{ "String", "String", false }, { "SecureString", "String", true },
	{ "Int", "Integer", false },   { "Bool", "Boolean", false },
	{ "Object", "Object", false }, { "SecureObject", "Object", true },
	{ "Array", "Array", false },   { .name = NULL },
};
/* Language version 2.0: a type that says nothing. */
static const struct declared_type any = { "Object", NULL, false };

#define REFERENCES_MAX 20 /* from a definition to another, and so on */

/* "$ref": "#/definitions/NAME", met behind n others; NULL: there is none, or the
 * error is set. */
static const cJSON *referred(struct eval *ev, const cJSON *def, int n)
{
	struct str ref = str_of(json_text(def, "$ref"));
	const cJSON *found = NULL;
	char *name;

	if (ref.n == 0)
		return NULL;
	if (n == REFERENCES_MAX) {
		eval_fail(ev, "The type definition '%.200s' refers to itself.",
			  ref.p);
		return NULL;
	}
	if (str_starts(ref, STR("#/definitions/"))) {
		name = str_dup(str_skip(ref, strlen("#/definitions/")));
		found = json_get_i(json_get_i(ev->t->doc, "definitions"), name);
		free(name);
	}
	if (found == NULL)
		eval_fail(ev, "The type definition '%.200s' is not found.", ref.p);
	return found;
}

/* A member of def or of what that refers to. */
static const cJSON *type_member(struct eval *ev, const cJSON *def, const char *name)
{
	const cJSON *v = NULL;

	for (int n = 0; def != NULL && v == NULL; def = referred(ev, def, n++))
		v = json_get_i(def, name);
	return v;
}

static bool is_nullable(struct eval *ev, const cJSON *def)
{
	return cJSON_IsTrue(type_member(ev, def, "nullable"));
}

const struct declared_type *declared_type_of(struct eval *ev, const cJSON *def,
					     const char *what)
{
	const char *z = cJSON_GetStringValue(type_member(ev, def, "type"));

	if (z == NULL && ev->t != NULL && ev->t->symbolic)
		return &any;
	for (const struct declared_type *t = types; t->name != NULL; t++)
		if (str_is(z, t->name))
			return t;
	eval_fail(ev, "The type '%.40s' of the template %s '%s' is not valid.",
		  z != NULL ? z : "", what, def->string);
	return types;
}

bool declared_fits(const struct declared_type *type, const cJSON *v)
{
	return type->value == NULL || strcmp(value_type(v), type->value) == 0;
}

/* ---- values ---- */

static struct declaration *find(const struct declarations *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_ieqz(name, list->all[i].name))
			return &list->all[i];
	return NULL;
}

static const char *kind_of(const struct declaration *d)
{
	return d->type != NULL ? "parameter" : "variable";
}

/* The list that a copy loop makes; eval.c knows a loop as a member of an
 * object only. */
static cJSON *loop_value(struct eval *ev, const cJSON *loop)
{
	cJSON *wrap = cJSON_CreateObject(), *got, *v = NULL;

	cJSON_AddItemToArray(json_add_arr(wrap, "copy"),
			     cJSON_Duplicate(loop, true));
	got = eval_value(ev, wrap);
	if (got != NULL && got->child != NULL)
		v = cJSON_DetachItemViaPointer(got, got->child);
	json_free(got);
	json_free(wrap);
	return v;
}

/* In a state of its own, for `asks` is in the middle of an expression. */
static void evaluate(struct eval *asks, struct declaration *d)
{
	struct eval inner = *asks, *ev = &inner;

	if (d->busy) {
		eval_fail(asks,
			  "Circular dependency detected in the template "
			  "%s '%s'.",
			  kind_of(d), d->name);
		return;
	}
	ev->kind = kind_of(d);
	ev->name = d->name;
	ev->may = d->type != NULL ? MAY_BE_NEW : MAY_USE_VARIABLES;
	ev->loops = NULL;
	ev->lambda_variables = NULL;
	ev->call = NULL;
	ev->mark = true;
	buf_init(&ev->path, asks->path.max);
	eval_path_name(ev, d->type != NULL ? "parameters" : "variables");
	if (!d->copy)
		eval_path_name(ev, d->name);
	d->busy = true;
	if (++ev->depth > DEPTH_MAX)
		eval_fail(ev,
			  "Expressions are nested more than %d levels "
			  "deep.",
			  DEPTH_MAX);
	else if (d->copy)
		d->value = loop_value(ev, d->def);
	else if (d->type != NULL)
		d->value = eval_member(ev, d->def, "defaultValue");
	else
		d->value = eval_value(ev, d->def);
	d->busy = false;
	/* one made of another, of another: each only copies, and grows */
	if (json_deeper(d->value, DEPTH_MAX)) {
		json_free(d->value);
		d->value = eval_fail(ev,
				     "Its value is nested more than %d levels "
				     "deep.",
				     DEPTH_MAX);
	}
	asks->work = ev->work;
	asks->later = ev->later;
	buf_release(&ev->path);
}

static cJSON *value_of(struct eval *ev, struct declaration *d)
{
	if (d->value == NULL)
		evaluate(ev, d);
	return d->value == NULL ? NULL : value_copy(ev, d->value);
}

static cJSON *not_found(struct eval *ev, const char *kind, struct str name)
{
	return eval_fail(ev, "The template %s '%.*s' is not found.", kind,
			 STR_ARG(str_head(name, 100)));
}

cJSON *declared_parameter(struct eval *ev, struct str name)
{
	struct template *t = ev->t;
	struct declaration *d = t != NULL ? find(&t->parameters, name) : NULL;

	if (ev->call != NULL)
		return eval_user_parameter(ev, name);
	if (d == NULL)
		return not_found(ev, "parameter", name);
	if (t->scope->hide_secure && d->type->secure) {
		ev->unknown = true;
		return NULL;
	}
	return value_of(ev, d);
}

cJSON *declared_variable(struct eval *ev, struct str name)
{
	struct template *t = ev->t;
	struct declaration *d = t != NULL ? find(&t->variables, name) : NULL;

	return d != NULL ? value_of(ev, d) : not_found(ev, "variable", name);
}

/* ---- what a parameter's value may be ---- */

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

/* "a,b,3" */
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

struct limit {
	const char *name;
	bool length; /* of a string or an array, else of a number itself */
	bool least;
};

static void check_limit(struct eval *ev, const cJSON *def,
			const struct declared_type *type, const cJSON *v,
			const char *name, const struct limit *l)
{
	const cJSON *limit = json_get_i(def, l->name);
	bool applies = l->length ? cJSON_IsString(v) || cJSON_IsArray(v) :
				   cJSON_IsNumber(v);
	int64_t bound, n;

	if (limit == NULL)
		return;
	if (!applies || !value_int(limit, &bound)) {
		eval_fail(ev,
			  "'%s' does not fit the type '%s' of the template "
			  "parameter '%s'.",
			  l->name, type->name, name);
		return;
	}
	n = l->length ? value_length(v) : (int64_t)v->valuedouble;
	if (l->least ? n < bound : n > bound)
		eval_fail(ev,
			  "The provided value for the template parameter "
			  "'%s' is not valid. %s %s than or equal to '%lld'.",
			  name,
			  l->length ? "Length of the value should be" :
				      "The value must be",
			  l->least ? "greater" : "less", (long long)bound);
}

/* What def itself says of v, not what it refers to. */
static void check_own(struct eval *ev, const cJSON *def,
		      const struct declared_type *type, const cJSON *v,
		      const char *name)
{
	static const struct limit limits[] = {
		{ "minValue", false, true },
		{ "maxValue", false, false },
		{ "minLength", true, true },
		{ "maxLength", true, false },
	};
	const cJSON *list = json_get_i(def, "allowedValues");
	struct buf b = BUF_INIT(300);

	if (list != NULL && !allowed(ev, list, v)) {
		add_values(&b, list);
		eval_fail(ev,
			  "The provided value for the template parameter "
			  "'%s' is not valid. The value is not part of the "
			  "allowed value(s): '%s'.",
			  name, b.str);
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		check_limit(ev, def, type, v, name, &limits[i]);
	buf_release(&b);
}

/* ---- what may be in it: language version 2.0 ---- */

static void not_expected(struct eval *ev, const char *name)
{
	eval_fail(ev,
		  "The provided value for the template parameter '%s' is not "
		  "valid. It is not expected.",
		  name);
}

/* Items behind those of prefixItems are as items says; it may be false. */
static void check_items(struct eval *ev, const cJSON *def, const cJSON *v,
			const char *name)
{
	const cJSON *each = json_get_i(def, "prefixItems"),
		    *rest = json_get_i(def, "items"), *i;
	const cJSON *wanted = cJSON_IsArray(each) ? each->child : NULL;
	size_t n = 0;
	char *inner;

	cJSON_ArrayForEach(i, v) {
		inner = xasprintf("%.300s[%zu]", name, n++);
		if (wanted != NULL)
			declared_check(ev, wanted, i, inner);
		else if (cJSON_IsFalse(rest))
			not_expected(ev, inner);
		else if (cJSON_IsObject(rest))
			declared_check(ev, rest, i, inner);
		wanted = wanted != NULL ? wanted->next : NULL;
		free(inner);
	}
	if (wanted != NULL)
		eval_fail(ev,
			  "The provided value for the template parameter '%s' "
			  "is not valid. It has too few items.",
			  name);
}

/* One of several types, by what a property says. */
static void check_discriminator(struct eval *ev, const cJSON *def,
				const cJSON *v, const char *name)
{
	const cJSON *d = json_get_i(def, "discriminator");
	const char *property = json_text(d, "propertyName");
	const char *word = json_str_opt(v, property, NULL);
	const cJSON *type = word == NULL ?
				    NULL :
				    json_get(json_get_i(d, "mapping"), word);
	struct cJSON *rest;

	if (d == NULL)
		return;
	if (type == NULL) {
		eval_fail(ev,
			  "The provided value for the template parameter '%s' "
			  "is not valid. Its '%.80s' is none of those expected.",
			  name, property);
		return;
	}
	rest = value_copy(ev, v);
	/* the types need not declare it again */
	if (rest != NULL && type_member(ev, type, "properties") == NULL)
		json_free(cJSON_DetachItemFromObject(rest, property));
	if (rest != NULL)
		declared_check(ev, type, rest, name);
	json_free(rest);
}

static void check_members(struct eval *ev, const cJSON *def, const cJSON *v,
			  const char *name)
{
	const cJSON *known = json_get_i(def, "properties"),
		    *others = json_get_i(def, "additionalProperties"), *m;
	char *inner;

	cJSON_ArrayForEach(m, known) {
		inner = xasprintf("%.300s.%.80s", name, m->string);
		if (json_get_i(v, m->string) != NULL)
			declared_check(ev, m, json_get_i(v, m->string), inner);
		else if (!eval_failed(ev) && !is_nullable(ev, m))
			eval_fail(ev,
				  "The value for the template parameter '%s' is "
				  "not provided.",
				  inner);
		free(inner);
	}
	cJSON_ArrayForEach(m, v) {
		if (others == NULL || json_get_i(known, m->string) != NULL)
			continue;
		inner = xasprintf("%.300s.%.80s", name, m->string);
		if (cJSON_IsFalse(others))
			not_expected(ev, inner);
		else if (cJSON_IsObject(others))
			declared_check(ev, others, m, inner);
		free(inner);
	}
	check_discriminator(ev, def, v, name);
}

void declared_check(struct eval *ev, const cJSON *def, const cJSON *v,
		    const char *name)
{
	const struct declared_type *type = declared_type_of(ev, def, "parameter");
	bool known = !value_is_unknown(v);

	if (eval_failed(ev) || !eval_spend(ev, 64) || !known ||
	    (cJSON_IsNull(v) && is_nullable(ev, def)))
		return;
	if (!declared_fits(type, v)) {
		eval_fail(ev,
			  "Template parameter JToken type is not valid. "
			  "Expected '%s'. Actual '%s'. The template parameter "
			  "is '%s'.",
			  type->value, value_type(v), name);
		return;
	}
	if (++ev->depth > DEPTH_MAX)
		eval_fail(ev, "Types are nested more than %d levels deep.",
			  DEPTH_MAX);
	for (int n = 0; def != NULL && !eval_failed(ev);
	     def = referred(ev, def, n++)) {
		if (!value_has_unknown(v))
			check_own(ev, def, type, v, name);
		if (ev->t->symbolic && cJSON_IsArray(v))
			check_items(ev, def, v, name);
		else if (ev->t->symbolic && cJSON_IsObject(v))
			check_members(ev, def, v, name);
	}
	ev->depth--;
}

/* ---- opening ---- */

/* Names that the caller gave and the template does not have. */
static void check_surplus(struct eval *ev, const cJSON *given)
{
	const struct declarations *have = &ev->t->parameters;
	struct buf odd = BUF_INIT(300), good = BUF_INIT(300);
	const cJSON *g;

	cJSON_ArrayForEach(g, given)
		if (find(have, str_of(g->string)) == NULL)
			buf_addf(&odd, "%s%s", odd.n > 0 ? ", " : "", g->string);
	for (size_t i = 0; i < have->n; i++)
		buf_addf(&good, "%s%s", i > 0 ? ", " : "", have->all[i].name);
	if (odd.n > 0 || odd.over)
		eval_fail(ev,
			  "The template parameters '%s' in the parameters "
			  "file are not valid; they are not present in the "
			  "original template and can therefore not be provided "
			  "at deployment time. The only supported parameters "
			  "for this template are '%s'.",
			  odd.str, good.str);
	buf_release(&odd);
	buf_release(&good);
}

static void take_given(struct eval *ev, struct declaration *p, const cJSON *given)
{
	const cJSON *g = json_get_i(given, p->name);
	const cJSON *v = json_get_i(g, "value");
	const cJSON *vault = json_get_i(g, "reference");

	if (value_is_unknown(given))
		v = given;
	else if (value_is_unknown(g))
		v = g;
	/* some send both, one of them null */
	if (vault != NULL && !cJSON_IsNull(vault))
		eval_fail(ev,
			  "The template parameter '%s' refers to a key "
			  "vault, which the local Azure does not have.",
			  p->name);
	else if (g != NULL && g != v && !cJSON_IsObject(g))
		eval_fail(ev,
			  "The value of the template parameter '%s' must "
			  "be in an object, {\"value\": ...}.",
			  p->name);
	else if (v != NULL && !cJSON_IsNull(v)) {
		p->value = value_copy(ev, v);
		p->given = true;
		if (value_has_unknown(v))
			ev->t->partial = true;
	} else if (json_get_i(p->def, "defaultValue") != NULL)
		;
	else if (is_nullable(ev, p->def))
		p->value = cJSON_CreateNull();
	else
		eval_fail(ev,
			  "The value for the template parameter '%s' is "
			  "not provided.",
			  p->name);
}

void declared_open_parameters(struct eval *ev, const cJSON *given)
{
	struct declarations *list = &ev->t->parameters;
	const cJSON *def;

	list->all = xcalloc(PARAMETERS_MAX, sizeof(*list->all));
	cJSON_ArrayForEach(def, json_get_i(ev->t->doc, "parameters"))
		list->all[list->n++] = (struct declaration){
			.name = def->string,
			.def = def,
			.type = declared_type_of(ev, def, "parameter"),
		};
	check_surplus(ev, given);
	for (size_t i = 0; i < list->n && !eval_failed(ev); i++)
		take_given(ev, &list->all[i], given);
	for (size_t i = 0; i < list->n && !eval_failed(ev); i++) {
		if (list->all[i].value == NULL)
			evaluate(ev, &list->all[i]);
		if (!eval_failed(ev))
			declared_check(ev, list->all[i].def, list->all[i].value,
				       list->all[i].name);
	}
}

static void declare_variable(struct eval *ev, struct declaration d)
{
	struct declarations *list = &ev->t->variables;

	/* their number in the document says nothing: loops are within one */
	if (list->n == VARIABLES_MAX)
		eval_fail(ev, "The template has more than %d variables.",
			  VARIABLES_MAX);
	else
		list->all[list->n++] = d;
}

/* variables.copy: [ {"name", "count", "input"}, ... ] */
static void declare_loops(struct eval *ev, const cJSON *loops)
{
	const cJSON *def;

	cJSON_ArrayForEach(def, loops) {
		const char *name = json_str_opt(def, "name", NULL);

		if (name == NULL || json_get(def, "count") == NULL ||
		    json_get(def, "input") == NULL)
			eval_fail(ev, "A copy of variables needs 'name', "
				      "'count' and 'input'.");
		else
			declare_variable(ev, (struct declaration){
						     .name = name,
						     .def = def,
						     .copy = true,
					     });
	}
}

void declared_open_variables(struct eval *ev)
{
	struct declarations *list = &ev->t->variables;
	const cJSON *def;

	list->all = xcalloc(VARIABLES_MAX, sizeof(*list->all));
	cJSON_ArrayForEach(def, json_get_i(ev->t->doc, "variables"))
		if (strcmp(def->string, "copy") == 0 && cJSON_IsArray(def))
			declare_loops(ev, def);
		else
			declare_variable(ev, (struct declaration){
						     .name = def->string,
						     .def = def,
					     });
	for (size_t i = 0; i < list->n && !eval_failed(ev); i++)
		if (list->all[i].value == NULL)
			evaluate(ev, &list->all[i]);
}

void declared_burn(struct declarations *list)
{
	for (size_t i = 0; i < list->n; i++)
		json_burn(list->all[i].value);
	free(list->all);
}
