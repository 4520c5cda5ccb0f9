/*
 * Functions of the template language on truth and on numbers.  Integers are
 * exact to 2^53.
 */
#include <math.h>
#include <string.h>

#include "template/inner.h"

/* ---- comparing ---- */

static cJSON *f_equals(struct invocation *inv)
{
	return cJSON_CreateBool(value_equal(inv->ev, inv->arg[0], inv->arg[1]));
}

/* As in .NET: by letters; words that differ in the case of letters only have
 * the small letter before the capital. */
static int compare_words(struct str a, struct str b)
{
	int by_letter = 0, by_case = 0;

	for (size_t i = 0; i < a.n && i < b.n && by_letter == 0; i++) {
		by_letter = (unsigned char)to_lower(a.p[i]) -
			    (unsigned char)to_lower(b.p[i]);
		if (by_case == 0)
			by_case = b.p[i] - a.p[i];
	}
	if (by_letter != 0)
		return by_letter;
	return a.n != b.n ? (a.n > b.n) - (a.n < b.n) : by_case;
}

/* *order is below, at or above zero as the first argument is less than, equal
 * to or greater than the second.  False, with the error set, for what has no
 * order. */
static bool compare(struct invocation *inv, int *order)
{
	int64_t a, b;

	if (value_int(inv->arg[0], &a) && value_int(inv->arg[1], &b)) {
		*order = (a > b) - (a < b);
	} else if (cJSON_IsString(inv->arg[0]) && cJSON_IsString(inv->arg[1])) {
		*order = compare_words(func_arg_text(inv, 0),
				       func_arg_text(inv, 1));
	} else {
		func_refuse(inv, "its arguments must be two integers or two "
				 "strings");
		return false;
	}
	return true;
}

static cJSON *f_less(struct invocation *inv)
{
	int order;

	return compare(inv, &order) ? cJSON_CreateBool(order < 0) : NULL;
}

static cJSON *f_less_or_equals(struct invocation *inv)
{
	int order;

	return compare(inv, &order) ? cJSON_CreateBool(order <= 0) : NULL;
}

static cJSON *f_greater(struct invocation *inv)
{
	int order;

	return compare(inv, &order) ? cJSON_CreateBool(order > 0) : NULL;
}

static cJSON *f_greater_or_equals(struct invocation *inv)
{
	int order;

	return compare(inv, &order) ? cJSON_CreateBool(order >= 0) : NULL;
}

/* ---- truth ---- */

/* One of the arguments, all booleans, is this. */
static bool any_is(const struct invocation *inv, bool truth)
{
	for (size_t i = 0; i < inv->n; i++)
		if (cJSON_IsTrue(inv->arg[i]) == truth)
			return true;
	return false;
}

static cJSON *f_and(struct invocation *inv)
{
	return cJSON_CreateBool(!any_is(inv, false));
}

static cJSON *f_or(struct invocation *inv)
{
	return cJSON_CreateBool(any_is(inv, true));
}

static cJSON *f_not(struct invocation *inv)
{
	return cJSON_CreateBool(!cJSON_IsTrue(inv->arg[0]));
}

static cJSON *f_bool(struct invocation *inv)
{
	const cJSON *v = inv->arg[0];
	int64_t n;

	if (cJSON_IsBool(v))
		return func_arg_take(inv, 0);
	if (value_int(v, &n))
		return cJSON_CreateBool(n != 0);
	if (cJSON_IsString(v) && str_is(v->valuestring, "true"))
		return cJSON_CreateTrue();
	if (cJSON_IsString(v) && str_is(v->valuestring, "false"))
		return cJSON_CreateFalse();
	return func_refuse(inv, "the value is no boolean");
}

static cJSON *f_true(struct invocation *inv)
{
	(void)inv;
	return cJSON_CreateTrue();
}

static cJSON *f_false(struct invocation *inv)
{
	(void)inv;
	return cJSON_CreateFalse();
}

static cJSON *f_null(struct invocation *inv)
{
	(void)inv;
	return cJSON_CreateNull();
}

static cJSON *f_coalesce(struct invocation *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		if (!cJSON_IsNull(inv->arg[i]))
			return func_arg_take(inv, i);
	return cJSON_CreateNull();
}

static cJSON *f_fail(struct invocation *inv)
{
	return eval_fail(inv->ev, "%.300s", inv->arg[0]->valuestring);
}

/* ---- numbers ---- */

static cJSON *f_int(struct invocation *inv)
{
	const cJSON *v = inv->arg[0];
	struct str s;
	uint64_t n;
	bool minus;

	if (cJSON_IsNumber(v) && fabs(v->valuedouble) < (double)INTEGER_MAX)
		return func_give_int(inv, (int64_t)v->valuedouble);
	if (!cJSON_IsString(v))
		return func_refuse(inv, "the value is neither a string nor an "
					"integer");
	s = func_arg_text(inv, 0);
	minus = str_starts(s, STR("-"));
	if (!str_num(str_skip(s, minus), INT64_MAX, &n))
		return func_refuse(inv, "the value is no integer");
	return func_give_int(inv, minus ? -(int64_t)n : (int64_t)n);
}

static cJSON *f_float(struct invocation *inv)
{
	struct err e = ERR_INIT;
	cJSON *v = NULL;

	if (cJSON_IsNumber(inv->arg[0]))
		return func_arg_take(inv, 0);
	if (cJSON_IsString(inv->arg[0]))
		v = json_parse(func_arg_text(inv, 0), "", &e);
	if (cJSON_IsNumber(v))
		return v;
	cJSON_Delete(v);
	return func_refuse(inv, "the value is no number");
}

/* Arguments are at most 2^53, so that sums fit into 64 bits. */
static cJSON *f_add(struct invocation *inv)
{
	return func_give_int(inv, func_arg_int(inv, 0) + func_arg_int(inv, 1));
}

static cJSON *f_sub(struct invocation *inv)
{
	return func_give_int(inv, func_arg_int(inv, 0) - func_arg_int(inv, 1));
}

static cJSON *f_mul(struct invocation *inv)
{
	int64_t product;

	/* INT64_MAX is refused as too large */
	if (__builtin_mul_overflow(func_arg_int(inv, 0), func_arg_int(inv, 1),
				   &product))
		product = INT64_MAX;
	return func_give_int(inv, product);
}

static cJSON *f_div(struct invocation *inv)
{
	int64_t by = func_arg_int(inv, 1);

	if (by == 0)
		return func_refuse(inv, "division by zero");
	return func_give_int(inv, func_arg_int(inv, 0) / by);
}

static cJSON *f_mod(struct invocation *inv)
{
	int64_t by = func_arg_int(inv, 1);

	if (by == 0)
		return func_refuse(inv, "division by zero");
	return func_give_int(inv, func_arg_int(inv, 0) % by);
}

const struct func func_logic[] = {
	{ "equals", { ANY, ANY }, f_equals },
	{ "less", { ANY, ANY }, f_less },
	{ "lessOrEquals", { ANY, ANY }, f_less_or_equals },
	{ "greater", { ANY, ANY }, f_greater },
	{ "greaterOrEquals", { ANY, ANY }, f_greater_or_equals },
	{ "not", { BOOLEAN }, f_not },
	{ "and", { BOOLEAN, BOOLEAN | REPEATED }, f_and },
	{ "or", { BOOLEAN, BOOLEAN | REPEATED }, f_or },
	{ "bool", { ANY }, f_bool },
	{ "true", { 0 }, f_true },
	{ "false", { 0 }, f_false },
	{ "null", { 0 }, f_null },
	{ "fail", { STRING }, f_fail },
	{ "coalesce", { ANY | REPEATED }, f_coalesce },
	{ "int", { ANY }, f_int },
	{ "float", { ANY }, f_float },
	{ "add", { INTEGER, INTEGER }, f_add },
	{ "sub", { INTEGER, INTEGER }, f_sub },
	{ "mul", { INTEGER, INTEGER }, f_mul },
	{ "div", { INTEGER, INTEGER }, f_div },
	{ "mod", { INTEGER, INTEGER }, f_mod },
	{ .name = NULL },
};
