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

const struct declared_type *declared_type_of(struct eval *ev, const cJSON *def,
					     const char *what)
{
	const char *z = json_text(def, "type");

	for (const struct declared_type *t = types; t->name != NULL; t++)
		if (str_is(z, t->name))
			return t;
	eval_fail(ev, "The type '%.40s' of the template %s '%s' is not valid.",
		  z, what, def->string);
	return types;
}

bool declared_fits(const struct declared_type *type, const cJSON *v)
{
	return strcmp(value_type(v), type->value) == 0;
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
	asks->unknown = ev->unknown;
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

static void check_limit(struct eval *ev, const struct declaration *p,
			const struct limit *l)
{
	const cJSON *limit = json_get_i(p->def, l->name), *v = p->value;
	bool applies = l->length ? cJSON_IsString(v) || cJSON_IsArray(v) :
				   cJSON_IsNumber(v);
	int64_t bound, n;

	if (limit == NULL)
		return;
	if (!applies || !value_int(limit, &bound)) {
		eval_fail(ev,
			  "'%s' does not fit the type '%s' of the template "
			  "parameter '%s'.",
			  l->name, p->type->name, p->name);
		return;
	}
	n = l->length ? value_length(v) : (int64_t)v->valuedouble;
	if (l->least ? n < bound : n > bound)
		eval_fail(ev,
			  "The provided value for the template parameter "
			  "'%s' is not valid. %s %s than or equal to '%lld'.",
			  p->name,
			  l->length ? "Length of the value should be" :
				      "The value must be",
			  l->least ? "greater" : "less", (long long)bound);
}

static void check_parameter(struct eval *ev, const struct declaration *p)
{
	static const struct limit limits[] = {
		{ "minValue", false, true },
		{ "maxValue", false, false },
		{ "minLength", true, true },
		{ "maxLength", true, false },
	};
	const cJSON *list = json_get_i(p->def, "allowedValues");
	struct buf b = BUF_INIT(300);

	if (!declared_fits(p->type, p->value)) {
		eval_fail(ev,
			  "Template parameter JToken type is not valid. "
			  "Expected '%s'. Actual '%s'. The template parameter "
			  "is '%s'.",
			  p->type->value, value_type(p->value), p->name);
	} else if (list != NULL && !allowed(ev, list, p->value)) {
		add_values(&b, list);
		eval_fail(ev,
			  "The provided value for the template parameter "
			  "'%s' is not valid. The value is not part of the "
			  "allowed value(s): '%s'.",
			  p->name, b.str);
	} else {
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			check_limit(ev, p, &limits[i]);
	}
	buf_release(&b);
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

	if (json_get_i(g, "reference") != NULL)
		eval_fail(ev,
			  "The template parameter '%s' refers to a key "
			  "vault, which the local Azure does not have.",
			  p->name);
	else if (g != NULL && !cJSON_IsObject(g))
		eval_fail(ev,
			  "The value of the template parameter '%s' must "
			  "be in an object, {\"value\": ...}.",
			  p->name);
	else if (v != NULL && !cJSON_IsNull(v))
		p->value = value_copy(ev, v);
	else if (json_get_i(p->def, "defaultValue") == NULL)
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
			check_parameter(ev, &list->all[i]);
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
