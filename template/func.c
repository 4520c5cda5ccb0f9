/*
 * The one door to the functions of the template language: finding one by its
 * name, looking at its arguments, running it; and what all of them are written
 * with.  The functions themselves, each a row of a table and a function, are
 * in cidr.c, deployment.c, list.c, logic.c and text.c.
 *
 * Source: "ARM template functions" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

const struct func *const func_tables[] = {
	func_cidr, func_deployment, func_list, func_logic, func_text, NULL,
};

/* In no order: a lookup is a hundred short comparisons. */
const struct func *func_find(struct str name)
{
	for (size_t i = 0; func_tables[i] != NULL; i++)
		for (const struct func *f = func_tables[i]; f->name != NULL; f++)
			if (str_ieqz(name, f->name))
				return f;
	if (str_istarts(name, STR("list")) && str_chr(name, '.') < 0)
		return &func_list_any;
	return NULL;
}

bool func_is_azures(struct str name)
{
	char *z = str_dup(name);
	bool found = str_listed("deployer externalInput getSecret like "
				"managementGroup parseUri toLogicalZone "
				"toLogicalZones toPhysicalZone toPhysicalZones",
				z);

	free(z);
	return found;
}

bool func_count_ok(const struct func *f, size_t n)
{
	size_t min = 0, max = 0;

	for (size_t i = 0; i < FUNC_ARGS_MAX && f->args[i] != 0; i++) {
		if (!(f->args[i] & OPTIONAL))
			min++;
		max = f->args[i] & REPEATED ? SIZE_MAX : max + 1;
	}
	return n >= min && n <= max;
}

/* The one of enum func_arg that v is. */
static unsigned arg_type(const cJSON *v)
{
	int64_t n;

	if (cJSON_IsString(v))
		return STRING;
	if (value_int(v, &n))
		return INTEGER;
	if (cJSON_IsBool(v))
		return BOOLEAN;
	if (cJSON_IsArray(v))
		return ARRAY;
	if (cJSON_IsObject(v))
		return OBJECT;
	return cJSON_IsRaw(v) ? LAMBDA : OTHER;
}

cJSON *func_run(const struct func *f, struct invocation *inv)
{
	const uint16_t *wanted = f->args;

	for (size_t i = 0; i < inv->n; i++) {
		if (!(*wanted & arg_type(inv->arg[i]))) {
			buf_addf(&inv->text,
				 "its argument %zu has the type '%s', which is "
				 "not expected",
				 i + 1, value_type(inv->arg[i]));
			return func_refuse(inv, inv->text.str);
		}
		if (!(*wanted & REPEATED))
			wanted++;
	}
	return f->run(inv);
}

/* ---- refusals ---- */

cJSON *func_refuse(struct invocation *inv, const char *why)
{
	return eval_fail(inv->ev,
			 "Unable to evaluate template language function '%s': "
			 "%s.",
			 inv->name, why);
}

cJSON *func_misplaced(struct invocation *inv)
{
	return eval_fail(inv->ev,
			 "The template function '%s' is not expected at this "
			 "location.",
			 inv->name);
}

/* ---- arguments ---- */

struct str func_arg_text(const struct invocation *inv, size_t i)
{
	return str_of(inv->arg[i]->valuestring);
}

int64_t func_arg_int(const struct invocation *inv, size_t i)
{
	int64_t n = 0;

	value_int(inv->arg[i], &n);
	return n;
}

cJSON *func_arg_take(struct invocation *inv, size_t i)
{
	cJSON *v = inv->arg[i];

	inv->arg[i] = NULL;
	return v;
}

/* ---- results ---- */

cJSON *func_give_string(struct invocation *inv, struct str s)
{
	cJSON *v;
	char *z;

	if (!eval_spend(inv->ev, s.n + sizeof(*v)))
		return NULL;
	z = str_dup(s);
	v = cJSON_CreateString(z);
	free(z);
	return v;
}

cJSON *func_give_text(struct invocation *inv)
{
	if (inv->text.over)
		return func_refuse(inv, "the string is too long");
	if (memchr(inv->text.str, '\0', inv->text.n) != NULL)
		return func_refuse(inv, "the result is not text");
	return func_give_string(inv, buf_str(&inv->text));
}

cJSON *func_give_int(struct invocation *inv, int64_t n)
{
	cJSON *v = cJSON_CreateNumber((double)n);
	int64_t again;

	if (value_int(v, &again))
		return v;
	cJSON_Delete(v);
	return func_refuse(inv, "the number is too large");
}

cJSON *func_give_parsed(struct invocation *inv, struct str s)
{
	struct buf b = BUF_INIT(s.n * 6 + 1);
	struct err e = ERR_INIT;
	cJSON *v = NULL;

	template_strict_json(s, &b);
	if (eval_spend(inv->ev, s.n * 4))
		v = json_parse(buf_str(&b), "the text", &e);
	buf_burn(&b);
	return v != NULL ? v : func_refuse(inv, e.msg);
}

cJSON *func_give(struct invocation *inv, cJSON *v)
{
	if (!eval_failed(inv->ev) && !inv->unknown)
		return v;
	cJSON_Delete(v);
	return NULL;
}

bool func_add_copy(struct invocation *inv, cJSON *list, const cJSON *v)
{
	cJSON *copy = value_copy(inv->ev, v);

	if (copy != NULL)
		cJSON_AddItemToArray(list, copy);
	return copy != NULL;
}
