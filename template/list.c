/*
 * Functions of the template language on lists and objects; some of them work
 * on strings, too, as lists of characters.  Lambdas are called here.
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

/* ---- any list ---- */

static cJSON *f_length(struct invocation *inv)
{
	return func_give_int(inv, value_length(inv->arg[0]));
}

static cJSON *f_empty(struct invocation *inv)
{
	const cJSON *v = inv->arg[0];

	if (cJSON_IsString(v))
		return cJSON_CreateBool(v->valuestring[0] == '\0');
	if (cJSON_IsArray(v) || cJSON_IsObject(v) || cJSON_IsNull(v))
		return cJSON_CreateBool(v->child == NULL);
	return func_refuse(inv, "its argument is neither string, array nor "
				"object");
}

static cJSON *f_contains(struct invocation *inv)
{
	const cJSON *in = inv->arg[0], *what = inv->arg[1];
	ptrdiff_t at;

	if (cJSON_IsArray(in))
		return cJSON_CreateBool(value_in(inv->ev, in, what));
	if (cJSON_IsString(in) && !cJSON_IsArray(what) && !cJSON_IsObject(what)) {
		value_add_text(&inv->text, what);
		at = str_find(func_arg_text(inv, 0), buf_str(&inv->text));
		return cJSON_CreateBool(at >= 0);
	}
	if (cJSON_IsObject(in) && cJSON_IsString(what))
		return cJSON_CreateBool(json_get_i(in, what->valuestring) != NULL);
	return func_refuse(inv, "what to find has a type that it cannot hold");
}

/* n characters or items of argument 0, those behind the first `from`. */
static cJSON *slice(struct invocation *inv, int64_t from, int64_t n)
{
	struct str s;
	cJSON *out;

	if (cJSON_IsString(inv->arg[0])) {
		s = func_arg_text(inv, 0);
		s = str_skip(s, text_bytes(s, from));
		return func_give_string(inv, str_head(s, text_bytes(s, n)));
	}
	out = cJSON_CreateArray();
	for (const cJSON *v = inv->arg[0]->child; v != NULL && n > 0;
	     v = v->next) {
		if (from-- > 0)
			continue;
		n--;
		if (!func_add_copy(inv, out, v))
			break;
	}
	return func_give(inv, out);
}

static cJSON *f_take(struct invocation *inv)
{
	return slice(inv, 0, func_arg_int(inv, 1));
}

static cJSON *f_skip(struct invocation *inv)
{
	return slice(inv, func_arg_int(inv, 1), INT64_MAX);
}

static cJSON *f_first(struct invocation *inv)
{
	cJSON *v = inv->arg[0];

	if (cJSON_IsString(v))
		return slice(inv, 0, 1);
	return v->child == NULL ? cJSON_CreateNull() :
				  cJSON_DetachItemViaPointer(v, v->child);
}

static cJSON *f_last(struct invocation *inv)
{
	cJSON *v = inv->arg[0];
	int64_t n = value_length(v);

	if (cJSON_IsString(v))
		return slice(inv, n > 0 ? n - 1 : 0, 1);
	/* cJSON keeps the last item as the first one's prev */
	return n == 0 ? cJSON_CreateNull() :
			cJSON_DetachItemViaPointer(v, v->child->prev);
}

/* ---- arrays ---- */

static cJSON *f_array(struct invocation *inv)
{
	cJSON *out;

	if (cJSON_IsArray(inv->arg[0]))
		return func_arg_take(inv, 0);
	out = cJSON_CreateArray();
	cJSON_AddItemToArray(out, func_arg_take(inv, 0));
	return out;
}

static cJSON *f_create_array(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray();

	for (size_t i = 0; i < inv->n; i++)
		cJSON_AddItemToArray(out, func_arg_take(inv, i));
	return out;
}

static cJSON *f_range(struct invocation *inv)
{
	int64_t from = func_arg_int(inv, 0), n = func_arg_int(inv, 1);
	cJSON *out;

	if (n < 0 || n > 10000)
		return func_refuse(inv, "the count must be from 0 to 10000");
	if (!eval_spend(inv->ev, (size_t)n * sizeof(*out)))
		return NULL;
	out = cJSON_CreateArray();
	for (int64_t i = 0; i < n; i++)
		cJSON_AddItemToArray(out, cJSON_CreateNumber((double)(from + i)));
	return out;
}

/* The greatest or the least of integers, given as arguments or as one array. */
static cJSON *extreme(struct invocation *inv, bool greatest)
{
	cJSON *list = inv->n == 1 && cJSON_IsArray(inv->arg[0]) ?
			      func_arg_take(inv, 0) :
			      f_create_array(inv);
	bool good = list->child != NULL;
	int64_t best = 0, n = 0;

	for (const cJSON *v = list->child; v != NULL && good; v = v->next) {
		good = value_int(v, &n);
		if (v == list->child || (greatest ? n > best : n < best))
			best = n;
	}
	cJSON_Delete(list);
	return good ? func_give_int(inv, best) :
		      func_refuse(inv, "it needs integers, or an array of them");
}

static cJSON *f_min(struct invocation *inv)
{
	return extreme(inv, false);
}

static cJSON *f_max(struct invocation *inv)
{
	return extreme(inv, true);
}

static cJSON *f_flatten(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray(), *list, *item;

	for (list = inv->arg[0]->child; list != NULL; list = list->next) {
		if (!cJSON_IsArray(list))
			func_refuse(inv, "an item is not an array");
		while (cJSON_IsArray(list) && (item = list->child) != NULL) {
			cJSON_DetachItemViaPointer(list, item);
			cJSON_AddItemToArray(out, item);
		}
	}
	return func_give(inv, out);
}

static cJSON *f_distinct(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray();

	for (const cJSON *v = inv->arg[0]->child; v != NULL; v = v->next)
		if (!value_in(inv->ev, out, v) && !func_add_copy(inv, out, v))
			break;
	return func_give(inv, out);
}

/* The last item is number 1. */
static cJSON *from_end(struct invocation *inv, bool quiet)
{
	cJSON *list = func_arg_take(inv, 0), *at, *v;
	int64_t n = value_length(list) - func_arg_int(inv, 1);

	at = cJSON_CreateNumber((double)n);
	v = eval_access(inv->ev, list, at, quiet);
	cJSON_Delete(at);
	return v != NULL || eval_failed(inv->ev) ? v : cJSON_CreateNull();
}

static cJSON *f_index_from_end(struct invocation *inv)
{
	return from_end(inv, false);
}

static cJSON *f_try_index_from_end(struct invocation *inv)
{
	return from_end(inv, true);
}

/* ---- objects ---- */

static cJSON *f_create_object(struct invocation *inv)
{
	cJSON *out = cJSON_CreateObject();

	for (size_t i = 0; i + 1 < inv->n; i += 2) {
		if (!cJSON_IsString(inv->arg[i]))
			func_refuse(inv, "a name is not a string");
		else
			json_set(out, inv->arg[i]->valuestring,
				 func_arg_take(inv, i + 1));
	}
	if (inv->n % 2 != 0)
		func_refuse(inv, "a name has no value");
	return func_give(inv, out);
}

static cJSON *f_object_keys(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray(), *v;

	for (const cJSON *i = inv->arg[0]->child; i != NULL; i = i->next)
		if ((v = func_give_string(inv, str_of(i->string))) != NULL)
			cJSON_AddItemToArray(out, v);
	return func_give(inv, out);
}

static int by_name(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return str_icmp(str_of((*x)->string), str_of((*y)->string));
}

/* In the order of the names, as Azure has it. */
static cJSON *f_items(struct invocation *inv)
{
	size_t n = (size_t)cJSON_GetArraySize(inv->arg[0]), i = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray(), *copy, *pair;

	for (const cJSON *v = inv->arg[0]->child; v != NULL; v = v->next)
		all[i++] = v;
	qsort(all, n, sizeof(*all), by_name);
	for (i = 0; i < n && (copy = value_copy(inv->ev, all[i])) != NULL; i++) {
		pair = json_add_obj(out, NULL);
		json_add_str(pair, "key", all[i]->string);
		cJSON_AddItemToObject(pair, "value", copy);
	}
	free(all);
	return func_give(inv, out);
}

static cJSON *f_try_get(struct invocation *inv)
{
	cJSON *v = func_arg_take(inv, 0);

	for (size_t i = 1; i < inv->n && v != NULL; i++)
		v = eval_access(inv->ev, v, inv->arg[i], true);
	return v != NULL || eval_failed(inv->ev) ? v : cJSON_CreateNull();
}

/* ---- several lists or objects into one ---- */

/* from's members into to; deep: objects in both are merged, not replaced. */
static void merge(struct invocation *inv, cJSON *to, cJSON *from, bool deep)
{
	cJSON *item;

	while ((item = from->child) != NULL &&
	       eval_spend(inv->ev, (size_t)cJSON_GetArraySize(to))) {
		cJSON *have = json_get_mut(to, item->string);

		cJSON_DetachItemViaPointer(from, item);
		if (deep && cJSON_IsObject(have) && cJSON_IsObject(item)) {
			merge(inv, have, item, true);
			cJSON_Delete(item);
		} else if (have != NULL) {
			/* by name, cJSON would free that before it copies it */
			cJSON_ReplaceItemViaPointer(to, have, item);
		} else {
			cJSON_AddItemToArray(to, item);
		}
	}
}

static bool all_arrays(const struct invocation *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		if (!cJSON_IsArray(inv->arg[i]))
			return false;
	return true;
}

static bool all_objects(const struct invocation *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		if (!cJSON_IsObject(inv->arg[i]))
			return false;
	return true;
}

static cJSON *refuse_mixture(struct invocation *inv)
{
	return func_refuse(inv, "its arguments must be all arrays or all "
				"objects");
}

static cJSON *f_union(struct invocation *inv)
{
	cJSON *out;

	if (all_objects(inv)) {
		out = func_arg_take(inv, 0);
		for (size_t i = 1; i < inv->n; i++)
			merge(inv, out, inv->arg[i], true);
		return func_give(inv, out);
	}
	if (!all_arrays(inv))
		return refuse_mixture(inv);
	out = cJSON_CreateArray();
	for (size_t i = 0; i < inv->n; i++)
		for (const cJSON *v = inv->arg[i]->child; v != NULL; v = v->next)
			if (!value_in(inv->ev, out, v) &&
			    !func_add_copy(inv, out, v))
				break;
	return func_give(inv, out);
}

/* v, an item or a member of argument 0, is in all other arguments. */
static bool in_others(struct invocation *inv, const cJSON *v)
{
	for (size_t i = 1; i < inv->n; i++) {
		const cJSON *other = inv->arg[i], *have;

		if (cJSON_IsArray(other)) {
			if (!value_in(inv->ev, other, v))
				return false;
			continue;
		}
		have = json_get(other, v->string);
		if (have == NULL || !value_equal(inv->ev, have, v))
			return false;
	}
	return true;
}

static cJSON *f_intersection(struct invocation *inv)
{
	bool lists = all_arrays(inv);
	cJSON *out, *copy;

	if (!lists && !all_objects(inv))
		return refuse_mixture(inv);
	out = lists ? cJSON_CreateArray() : cJSON_CreateObject();
	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next) {
		if (!in_others(inv, v) || (lists && value_in(inv->ev, out, v)))
			continue;
		/* a copy of a member has its name already */
		if ((copy = value_copy(inv->ev, v)) != NULL)
			cJSON_AddItemToArray(out, copy);
	}
	return func_give(inv, out);
}

static cJSON *f_shallow_merge(struct invocation *inv)
{
	cJSON *out = cJSON_CreateObject();

	for (cJSON *v = inv->arg[0]->child; v != NULL; v = v->next) {
		if (cJSON_IsObject(v))
			merge(inv, out, v, false);
		else
			func_refuse(inv, "an item is not an object");
	}
	return func_give(inv, out);
}

/* ---- lambdas ---- */

/* What the lambda, argument fn, makes of n values.  NULL is an error, or "not
 * known", which then is the word for the whole result. */
static cJSON *apply(struct invocation *inv, size_t fn,
		    const cJSON *const *values, size_t n)
{
	cJSON *got = eval_lambda(inv->ev, inv->arg[fn], values, n);

	if (got == NULL && !eval_failed(inv->ev))
		inv->unknown = true;
	return got;
}

/* The lambda, argument 1, says yes to a and b. */
static bool applies(struct invocation *inv, const cJSON *a, const cJSON *b)
{
	cJSON *got = apply(inv, 1, (const cJSON *[]){ a, b }, 2);
	bool yes = cJSON_IsTrue(got);

	if (got != NULL && !cJSON_IsBool(got))
		func_refuse(inv, "the lambda does not give a boolean");
	cJSON_Delete(got);
	return yes;
}

static cJSON *f_filter(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray(), *index = cJSON_CreateNumber(0);

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next) {
		if (applies(inv, v, index))
			func_add_copy(inv, out, v);
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	return func_give(inv, out);
}

static cJSON *f_map(struct invocation *inv)
{
	cJSON *out = cJSON_CreateArray(), *index = cJSON_CreateNumber(0), *got;

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next) {
		got = apply(inv, 1, (const cJSON *[]){ v, index }, 2);
		if (got != NULL)
			cJSON_AddItemToArray(out, got);
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	return func_give(inv, out);
}

static cJSON *f_reduce(struct invocation *inv)
{
	cJSON *sofar = func_arg_take(inv, 1), *index = cJSON_CreateNumber(0);
	cJSON *got;

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && sofar != NULL && !eval_failed(inv->ev); v = v->next) {
		got = apply(inv, 2, (const cJSON *[]){ sofar, v, index }, 3);
		cJSON_Delete(sofar);
		sofar = got;
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	return func_give(inv, sofar);
}

/* By insertion, which keeps the order of equals; the lambda says whether its
 * first value belongs before its second. */
static cJSON *f_sort(struct invocation *inv)
{
	size_t n = (size_t)cJSON_GetArraySize(inv->arg[0]), done = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray();

	for (const cJSON *v = inv->arg[0]->child; v != NULL && !inv->unknown;
	     v = v->next) {
		size_t at = done++;

		for (; at > 0 && !eval_failed(inv->ev) &&
		       applies(inv, v, all[at - 1]);
		     at--)
			all[at] = all[at - 1];
		all[at] = v;
	}
	for (size_t i = 0; i < n && !inv->unknown && !eval_failed(inv->ev); i++)
		func_add_copy(inv, out, all[i]);
	free(all);
	return func_give(inv, out);
}

/* What a lambda calls the item v, and what another, where there is one, makes of
 * it.  False, and nothing to free: refused. */
static bool call(struct invocation *inv, const cJSON *v, const cJSON *out,
		 cJSON **name, cJSON **value)
{
	*name = apply(inv, 1, &v, 1);
	*value = inv->n > 2 ? apply(inv, 2, &v, 1) : value_copy(inv->ev, v);
	if (*name != NULL && !cJSON_IsString(*name))
		func_refuse(inv, "a name is not a string");
	if (cJSON_IsString(*name) && *value != NULL &&
	    eval_spend(inv->ev, (size_t)cJSON_GetArraySize(out)))
		return true;
	cJSON_Delete(*name);
	cJSON_Delete(*value);
	return false;
}

/* A lambda for the names, and perhaps one for the values. */
static cJSON *f_to_object(struct invocation *inv)
{
	cJSON *out = cJSON_CreateObject(), *name, *value;

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next)
		if (call(inv, v, out, &name, &value)) {
			json_set(out, name->valuestring, value);
			cJSON_Delete(name);
		}
	return func_give(inv, out);
}

/* The values, by what the lambda makes of them; names stay. */
static cJSON *f_map_values(struct invocation *inv)
{
	cJSON *out = cJSON_CreateObject(), *got;

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next) {
		got = apply(inv, 1, &v, 1);
		if (got != NULL)
			cJSON_AddItemToObject(out, v->string, got);
	}
	return func_give(inv, out);
}

/* A lambda for the names of the groups, and perhaps one for what is in them. */
static cJSON *f_group_by(struct invocation *inv)
{
	cJSON *out = cJSON_CreateObject(), *group, *name, *value;

	for (const cJSON *v = inv->arg[0]->child;
	     v != NULL && !eval_failed(inv->ev); v = v->next)
		if (call(inv, v, out, &name, &value)) {
			group = json_get_mut(out, name->valuestring);
			if (group == NULL)
				group = json_add_arr(out, name->valuestring);
			cJSON_AddItemToArray(group, value);
			cJSON_Delete(name);
		}
	return func_give(inv, out);
}

static cJSON *f_lambda_variables(struct invocation *inv)
{
	const struct lambda_variable *v = inv->ev->lambda_variables;

	for (; v != NULL; v = v->up)
		if (str_ieqz(func_arg_text(inv, 0), v->name))
			return value_copy(inv->ev, v->value);
	return func_refuse(inv, "there is no such lambda variable here");
}

const struct func func_list[] = {
	{ "length", { STRING | ARRAY | OBJECT }, f_length },
	{ "empty", { ANY }, f_empty },
	{ "contains", { STRING | ARRAY | OBJECT, ANY }, f_contains },
	{ "first", { STRING | ARRAY }, f_first },
	{ "last", { STRING | ARRAY }, f_last },
	{ "take", { STRING | ARRAY, INTEGER }, f_take },
	{ "skip", { STRING | ARRAY, INTEGER }, f_skip },
	{ "array", { ANY }, f_array },
	{ "createArray", { ANY | REPEATED | OPTIONAL }, f_create_array },
	{ "range", { INTEGER, INTEGER }, f_range },
	{ "min", { ANY | REPEATED }, f_min },
	{ "max", { ANY | REPEATED }, f_max },
	{ "flatten", { ARRAY }, f_flatten },
	{ "distinct", { ARRAY }, f_distinct },
	{ "indexFromEnd", { ARRAY, INTEGER }, f_index_from_end },
	{ "tryIndexFromEnd", { ARRAY, INTEGER }, f_try_index_from_end },
	{ "createObject", { ANY | REPEATED | OPTIONAL }, f_create_object },
	{ "objectKeys", { OBJECT }, f_object_keys },
	{ "items", { OBJECT }, f_items },
	{ "tryGet", { ANY, ANY | REPEATED }, f_try_get },
	{ "union", { ANY | REPEATED }, f_union },
	{ "intersection", { ANY | REPEATED }, f_intersection },
	{ "shallowMerge", { ARRAY }, f_shallow_merge },
	{ "filter", { ARRAY, LAMBDA }, f_filter },
	{ "map", { ARRAY, LAMBDA }, f_map },
	{ "reduce", { ARRAY, ANY, LAMBDA }, f_reduce },
	{ "sort", { ARRAY, LAMBDA }, f_sort },
	{ "toObject", { ARRAY, LAMBDA, LAMBDA | OPTIONAL }, f_to_object },
	{ "mapValues", { OBJECT, LAMBDA }, f_map_values },
	{ "groupBy", { ARRAY, LAMBDA, LAMBDA | OPTIONAL }, f_group_by },
	{ "lambdaVariables", { STRING }, f_lambda_variables },
	{ .name = NULL },
};
