/*
 * The functions of the template language, as "ARM template functions"
 * (learn.microsoft.com) describes them: on lists and objects, logic, numbers,
 * the deployment itself; and the one door to all of them.  Integers are exact
 * to 2^53.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

/* ---- helpers ---------------------------------------------------------------- */

cJSON *refuse(struct call *c, const char *why)
{
	return fail(c->ev, "Unable to evaluate template language function '%s': %s.", c->name, why);
}

cJSON *misplaced(struct call *c)
{
	return fail(c->ev, "The template function '%s' is not expected at this location.", c->name);
}

struct str arg_text(const struct call *c, size_t i)
{
	return str_of(c->v[i]->valuestring);
}

/* For arguments that the table says are integers. */
int64_t arg_int(const struct call *c, size_t i)
{
	int64_t n = 0;

	is_int(c->v[i], &n);
	return n;
}

/* Argument i, no longer the call's. */
cJSON *arg_take(struct call *c, size_t i)
{
	cJSON *v = c->v[i];

	c->v[i] = NULL;
	return v;
}

cJSON *new_string(struct call *c, struct str s)
{
	cJSON *v;
	char *z;

	if (!spend(c->ev, s.n + sizeof(*v)))
		return NULL;
	z = str_dup(s);
	v = cJSON_CreateString(z);
	free(z);
	return v;
}

cJSON *new_text(struct call *c)
{
	if (c->b.over)
		return refuse(c, "the string is too long");
	if (memchr(c->b.str, '\0', c->b.n) != NULL)
		return refuse(c, "the result is not text");
	return new_string(c, buf_str(&c->b));
}

cJSON *new_int(struct call *c, int64_t n)
{
	cJSON *v = cJSON_CreateNumber((double)n);
	int64_t same;

	if (is_int(v, &same))
		return v;
	cJSON_Delete(v);
	return refuse(c, "the number is too large");
}

bool add_copy(struct call *c, cJSON *list, const cJSON *v)
{
	cJSON *copy = copy_of(c->ev, v);

	if (copy != NULL)
		cJSON_AddItemToArray(list, copy);
	return copy != NULL;
}

cJSON *unless_failed(struct call *c, cJSON *list)
{
	if (!failed(c->ev) && !c->unknown)
		return list;
	cJSON_Delete(list);
	return NULL;
}

/* Deep, members in any order.  Comparing is accounted for like building: it
 * is what nested loops over long lists consist of. */
bool same(struct eval *ev, const cJSON *a, const cJSON *b)
{
	if (!spend(ev, 16) || (a->type & 0xff) != (b->type & 0xff))
		return false;
	if (cJSON_IsNumber(a))
		return a->valuedouble >= b->valuedouble && a->valuedouble <= b->valuedouble;
	if (cJSON_IsString(a))
		return strcmp(a->valuestring, b->valuestring) == 0;
	if (!cJSON_IsArray(a) && !cJSON_IsObject(a))
		return true;
	if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
		return false;
	for (const cJSON *x = a->child, *y = b->child; x != NULL; x = x->next, y = y->next) {
		const cJSON *other = y;

		if (cJSON_IsObject(a) && strcmp(x->string, y->string) != 0 &&
		    spend(ev, (size_t)cJSON_GetArraySize(b)))
			other = json_get(b, x->string);
		if (other == NULL || failed(ev) || !same(ev, x, other))
			return false;
	}
	return true;
}

static bool holds(struct call *c, const cJSON *list, const cJSON *v)
{
	for (const cJSON *i = list->child; i != NULL; i = i->next)
		if (same(c->ev, i, v))
			return true;
	return false;
}

/* A primitive as new_string() and concat() write it. */
void add_text(struct buf *b, const cJSON *v)
{
	if (cJSON_IsString(v))
		buf_adds(b, v->valuestring);
	else if (cJSON_IsBool(v))
		buf_adds(b, cJSON_IsTrue(v) ? "True" : "False");
	else if (!cJSON_IsNull(v))
		json_print(v, b);
}

cJSON *new_parsed(struct call *c, struct str s)
{
	struct buf b = BUF_INIT(s.n * 6 + 1);
	struct err e = ERR_INIT;
	cJSON *v;

	template_strict_json(s, &b);
	v = spend(c->ev, s.n * 4) ? json_parse(buf_str(&b), "the text", &e) : NULL;
	buf_burn(&b);
	return v != NULL ? v : refuse(c, e.msg);
}

/* ---- lists and objects ---------------------------------------------------- */

static cJSON *f_length(struct call *c)
{
	if (cJSON_IsString(c->v[0]))
		return new_int(c, count_chars(arg_text(c, 0)));
	return new_int(c, cJSON_GetArraySize(c->v[0]));
}

static cJSON *f_empty(struct call *c)
{
	const cJSON *v = c->v[0];

	if (cJSON_IsString(v))
		return cJSON_CreateBool(v->valuestring[0] == '\0');
	if (cJSON_IsArray(v) || cJSON_IsObject(v) || cJSON_IsNull(v))
		return cJSON_CreateBool(v->child == NULL);
	return refuse(c, "its argument is neither string, array nor object");
}

static cJSON *f_array(struct call *c)
{
	cJSON *out;

	if (cJSON_IsArray(c->v[0]))
		return arg_take(c, 0);
	out = cJSON_CreateArray();
	cJSON_AddItemToArray(out, arg_take(c, 0));
	return out;
}

static cJSON *f_create_array(struct call *c)
{
	cJSON *out = cJSON_CreateArray();

	for (size_t i = 0; i < c->n; i++)
		cJSON_AddItemToArray(out, arg_take(c, i));
	return out;
}

static cJSON *f_create_object(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	for (size_t i = 0; i + 1 < c->n; i += 2) {
		if (!cJSON_IsString(c->v[i]))
			refuse(c, "a name is not a string");
		else
			json_set(out, c->v[i]->valuestring, arg_take(c, i + 1));
	}
	if (c->n % 2 != 0)
		refuse(c, "a name has no value");
	return unless_failed(c, out);
}

/* Nested objects are merged, lists are not. */
static void merge(struct call *c, cJSON *to, cJSON *from, bool deep)
{
	cJSON *item;

	while ((item = from->child) != NULL && spend(c->ev, (size_t)cJSON_GetArraySize(to))) {
		cJSON *have = json_get_mut(to, item->string);

		cJSON_DetachItemViaPointer(from, item);
		if (deep && cJSON_IsObject(have) && cJSON_IsObject(item)) {
			merge(c, have, item, true);
			cJSON_Delete(item);
		} else if (have != NULL) {
			/* the name is the item's own: replacing must not free it first */
			cJSON_ReplaceItemViaPointer(to, have, item);
		} else {
			cJSON_AddItemToArray(to, item);
		}
	}
}

static bool all_of(const struct call *c, bool (*fits)(const cJSON *))
{
	for (size_t i = 0; i < c->n; i++)
		if (!fits(c->v[i]))
			return false;
	return true;
}

static bool is_array(const cJSON *v)
{
	return cJSON_IsArray(v);
}

static bool is_object(const cJSON *v)
{
	return cJSON_IsObject(v);
}

static cJSON *f_union(struct call *c)
{
	cJSON *out;

	if (all_of(c, is_object)) {
		out = arg_take(c, 0);
		for (size_t i = 1; i < c->n; i++)
			merge(c, out, c->v[i], true);
		return unless_failed(c, out);
	}
	if (!all_of(c, is_array))
		return refuse(c, "its arguments must be all arrays or all objects");
	out = cJSON_CreateArray();
	for (size_t i = 0; i < c->n; i++)
		for (const cJSON *v = c->v[i]->child; v != NULL; v = v->next)
			if (!holds(c, out, v) && !add_copy(c, out, v))
				break;
	return unless_failed(c, out);
}

static bool in_all(struct call *c, const cJSON *v)
{
	for (size_t i = 1; i < c->n; i++) {
		if (cJSON_IsArray(c->v[i])) {
			if (!holds(c, c->v[i], v))
				return false;
		} else {
			const cJSON *have = json_get(c->v[i], v->string);

			if (have == NULL || !same(c->ev, have, v))
				return false;
		}
	}
	return true;
}

static cJSON *f_intersection(struct call *c)
{
	bool lists = all_of(c, is_array);
	cJSON *out, *copy;

	if (!lists && !all_of(c, is_object))
		return refuse(c, "its arguments must be all arrays or all objects");
	out = lists ? cJSON_CreateArray() : cJSON_CreateObject();
	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev); v = v->next) {
		if (!in_all(c, v) || (lists && holds(c, out, v)))
			continue;
		if ((copy = copy_of(c->ev, v)) != NULL)
			cJSON_AddItemToArray(out, copy);	/* with its name */
	}
	return unless_failed(c, out);
}

static cJSON *f_contains(struct call *c)
{
	if (cJSON_IsArray(c->v[0]))
		return cJSON_CreateBool(holds(c, c->v[0], c->v[1]));
	if (cJSON_IsString(c->v[0]) && !cJSON_IsArray(c->v[1]) && !cJSON_IsObject(c->v[1])) {
		add_text(&c->b, c->v[1]);
		return cJSON_CreateBool(str_find(arg_text(c, 0), buf_str(&c->b)) >= 0);
	}
	if (cJSON_IsObject(c->v[0]) && cJSON_IsString(c->v[1]))
		return cJSON_CreateBool(json_get_i(c->v[0], c->v[1]->valuestring) != NULL);
	return refuse(c, "what to find has a type that it cannot hold");
}

/* Characters or items from..from+n. */
static cJSON *slice(struct call *c, int64_t from, int64_t n)
{
	struct str s;
	cJSON *out;

	if (cJSON_IsString(c->v[0])) {
		s = arg_text(c, 0);
		s = str_skip(s, chars(s, from));
		return new_string(c, str_head(s, chars(s, n)));
	}
	out = cJSON_CreateArray();
	for (const cJSON *v = c->v[0]->child; v != NULL && n > 0; v = v->next) {
		if (from-- > 0)
			continue;
		n--;
		if (!add_copy(c, out, v))
			break;
	}
	return unless_failed(c, out);
}

static cJSON *f_take_or_skip(struct call *c)
{
	int64_t n = arg_int(c, 1);

	return c->how == FIRST ? slice(c, 0, n) : slice(c, n, INT64_MAX);
}

static cJSON *f_end(struct call *c)
{
	cJSON *v = c->v[0];
	int64_t n = cJSON_IsString(v) ? count_chars(arg_text(c, 0)) : cJSON_GetArraySize(v);

	if (cJSON_IsString(v))
		return slice(c, c->how == LAST && n > 0 ? n - 1 : 0, 1);
	if (n == 0)
		return cJSON_CreateNull();
	/* cJSON: what is before the first is the last */
	return cJSON_DetachItemViaPointer(v, c->how == LAST ? v->child->prev : v->child);
}

static cJSON *f_range(struct call *c)
{
	int64_t from = arg_int(c, 0), n = arg_int(c, 1);
	cJSON *out;

	if (n < 0 || n > 10000)
		return refuse(c, "the count must be from 0 to 10000");
	if (!spend(c->ev, (size_t)n * sizeof(*out)))
		return NULL;
	out = cJSON_CreateArray();
	for (int64_t i = 0; i < n; i++)
		cJSON_AddItemToArray(out, cJSON_CreateNumber((double)(from + i)));
	return out;
}

enum { LEAST, MOST };

/* Of integers, or of one array of them. */
static cJSON *f_extreme(struct call *c)
{
	cJSON *list = cJSON_IsArray(c->v[0]) && c->n == 1 ? arg_take(c, 0) : f_create_array(c);
	int64_t best = 0, n = 0;
	bool good = list->child != NULL;

	for (const cJSON *v = list->child; v != NULL && good; v = v->next) {
		good = is_int(v, &n);
		if (v == list->child || (c->how == MOST ? n > best : n < best))
			best = n;
	}
	cJSON_Delete(list);
	return good ? new_int(c, best) : refuse(c, "it needs integers, or an array of them");
}

static cJSON *f_flatten(struct call *c)
{
	cJSON *out = cJSON_CreateArray(), *list, *item;

	for (list = c->v[0]->child; list != NULL; list = list->next) {
		if (!cJSON_IsArray(list))
			refuse(c, "an item is not an array");
		while (cJSON_IsArray(list) && (item = list->child) != NULL) {
			cJSON_DetachItemViaPointer(list, item);
			cJSON_AddItemToArray(out, item);
		}
	}
	return unless_failed(c, out);
}

static cJSON *f_shallow_merge(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	for (cJSON *v = c->v[0]->child; v != NULL; v = v->next) {
		if (cJSON_IsObject(v))
			merge(c, out, v, false);
		else
			refuse(c, "an item is not an object");
	}
	return unless_failed(c, out);
}

static cJSON *f_object_keys(struct call *c)
{
	cJSON *out = cJSON_CreateArray(), *v;

	for (const cJSON *i = c->v[0]->child; i != NULL; i = i->next)
		if ((v = new_string(c, str_of(i->string))) != NULL)
			cJSON_AddItemToArray(out, v);
	return unless_failed(c, out);
}

static int by_name(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return str_icmp(str_of((*x)->string), str_of((*y)->string));
}

/* In the order of the names, as Azure has it. */
static cJSON *f_items(struct call *c)
{
	size_t n = (size_t)cJSON_GetArraySize(c->v[0]), i = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray(), *copy, *pair;

	for (const cJSON *v = c->v[0]->child; v != NULL; v = v->next)
		all[i++] = v;
	qsort(all, n, sizeof(*all), by_name);
	for (i = 0; i < n && (copy = copy_of(c->ev, all[i])) != NULL; i++) {
		pair = json_add_obj(out, NULL);
		json_add_str(pair, "key", all[i]->string);
		cJSON_AddItemToObject(pair, "value", copy);
	}
	free(all);
	return unless_failed(c, out);
}

static cJSON *f_try_get(struct call *c)
{
	cJSON *v = arg_take(c, 0);

	for (size_t i = 1; i < c->n && v != NULL; i++)
		v = eval_access(c->ev, v, c->v[i], true);
	return v != NULL || failed(c->ev) ? v : cJSON_CreateNull();
}

static cJSON *f_coalesce(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!cJSON_IsNull(c->v[i]))
			return arg_take(c, i);
	return cJSON_CreateNull();
}

/* ---- lambdas ------------------------------------------------------------------ */

/* The lambda with a, b, n, as far as they are given.  NULL is an error or not known. */
static cJSON *apply(struct call *c, size_t fn, const cJSON *a, const cJSON *b, const cJSON *n)
{
	const cJSON *const pass[3] = { a, b, n };
	cJSON *got = eval_lambda(c->ev, c->v[fn], pass, b == NULL ? 1 : n == NULL ? 2 : 3);

	c->unknown = c->unknown || (got == NULL && !failed(c->ev));
	return got;
}

static bool applies(struct call *c, const cJSON *a, const cJSON *b)
{
	cJSON *got = apply(c, 1, a, b, NULL);
	bool yes = cJSON_IsTrue(got);

	if (got != NULL && !cJSON_IsBool(got))
		refuse(c, "the lambda does not give a boolean");
	cJSON_Delete(got);
	return yes;
}

enum { FILTER, MAP, REDUCE };

/* All that go through a list with an index. */
static cJSON *f_each(struct call *c)
{
	cJSON *out = c->how == REDUCE ? arg_take(c, 1) : cJSON_CreateArray(), *got;
	cJSON *index = cJSON_CreateNumber(0);

	for (const cJSON *v = c->v[0]->child; v != NULL && out != NULL && !failed(c->ev); v = v->next) {
		if (c->how == REDUCE) {
			got = apply(c, 2, out, v, index);
			cJSON_Delete(out);
			out = got;
		} else if (c->how == MAP) {
			if ((got = apply(c, 1, v, index, NULL)) != NULL)
				cJSON_AddItemToArray(out, got);
		} else if (applies(c, v, index)) {
			add_copy(c, out, v);
		}
		cJSON_SetNumberValue(index, index->valuedouble + 1);
	}
	cJSON_Delete(index);
	return unless_failed(c, out);
}

/* By insertion, which keeps the order of equals; the lambda says "a before b". */
static cJSON *f_sort(struct call *c)
{
	size_t n = (size_t)cJSON_GetArraySize(c->v[0]), done = 0;
	const cJSON **all = xcalloc(n, sizeof(*all));
	cJSON *out = cJSON_CreateArray();

	for (const cJSON *v = c->v[0]->child; v != NULL && !c->unknown; v = v->next) {
		size_t at = done++;

		for (; at > 0 && !failed(c->ev) && applies(c, v, all[at - 1]); at--)
			all[at] = all[at - 1];
		all[at] = v;
	}
	for (size_t i = 0; i < n && !c->unknown && !failed(c->ev); i++)
		add_copy(c, out, all[i]);
	free(all);
	return unless_failed(c, out);
}

static cJSON *f_to_object(struct call *c)
{
	cJSON *out = cJSON_CreateObject();

	for (const cJSON *v = c->v[0]->child; v != NULL && !failed(c->ev); v = v->next) {
		cJSON *name = apply(c, 1, v, NULL, NULL);
		cJSON *value = c->n > 2 ? apply(c, 2, v, NULL, NULL) : copy_of(c->ev, v);

		if (name != NULL && !cJSON_IsString(name))
			refuse(c, "a name is not a string");
		if (cJSON_IsString(name) && value != NULL &&
		    spend(c->ev, (size_t)cJSON_GetArraySize(out)))
			json_set(out, name->valuestring, value);
		else
			cJSON_Delete(value);
		cJSON_Delete(name);
	}
	return unless_failed(c, out);
}

static cJSON *f_lambda_variables(struct call *c)
{
	for (const struct binding *b = c->ev->bound; b != NULL; b = b->up)
		if (str_ieqz(arg_text(c, 0), b->name))
			return copy_of(c->ev, b->value);
	return refuse(c, "there is no such lambda variable here");
}

/* ---- logic and numbers ------------------------------------------------------ */

static cJSON *f_equals(struct call *c)
{
	return cJSON_CreateBool(same(c->ev, c->v[0], c->v[1]));
}

enum { LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL };

/* As in .NET: by letters, and where only their case differs, small before capital. */
static int compare_words(struct str a, struct str b)
{
	int d = 0, how = 0;

	for (size_t i = 0; i < a.n && i < b.n && d == 0; i++) {
		d = (unsigned char)to_lower(a.p[i]) - (unsigned char)to_lower(b.p[i]);
		if (how == 0)
			how = b.p[i] - a.p[i];
	}
	return d != 0 ? d : a.n != b.n ? (a.n > b.n) - (a.n < b.n) : how;
}

/* Two integers or two strings. */
static cJSON *f_order(struct call *c)
{
	int64_t a, b;
	int d;

	if (is_int(c->v[0], &a) && is_int(c->v[1], &b))
		d = (a > b) - (a < b);
	else if (cJSON_IsString(c->v[0]) && cJSON_IsString(c->v[1]))
		d = compare_words(arg_text(c, 0), arg_text(c, 1));
	else
		return refuse(c, "its arguments must be two integers or two strings");
	return cJSON_CreateBool(c->how == LESS ? d < 0 : c->how == LESS_OR_EQUAL ? d <= 0 :
				c->how == GREATER ? d > 0 : d >= 0);
}

static cJSON *f_not(struct call *c)
{
	return cJSON_CreateBool(!cJSON_IsTrue(c->v[0]));
}

/* and(): is there no false?  or(): is there a true? */
static cJSON *f_and_or(struct call *c)
{
	bool or = c->how;

	for (size_t i = 0; i < c->n; i++)
		if (cJSON_IsTrue(c->v[i]) == or)
			return cJSON_CreateBool(or);
	return cJSON_CreateBool(!or);
}

static cJSON *f_bool(struct call *c)
{
	int64_t n;

	if (cJSON_IsBool(c->v[0]))
		return arg_take(c, 0);
	if (is_int(c->v[0], &n))
		return cJSON_CreateBool(n != 0);
	if (cJSON_IsString(c->v[0]) && str_ieqz(arg_text(c, 0), "true"))
		return cJSON_CreateTrue();
	if (cJSON_IsString(c->v[0]) && str_ieqz(arg_text(c, 0), "false"))
		return cJSON_CreateFalse();
	return refuse(c, "the value is no boolean");
}

static cJSON *f_constant(struct call *c)
{
	return c->how < 0 ? cJSON_CreateNull() : cJSON_CreateBool(c->how);
}

static cJSON *f_int(struct call *c)
{
	struct str s;
	uint64_t n;
	bool minus;

	if (cJSON_IsNumber(c->v[0]) && fabs(c->v[0]->valuedouble) < 0x1p53)
		return new_int(c, (int64_t)c->v[0]->valuedouble);
	if (!cJSON_IsString(c->v[0]))
		return refuse(c, "the value is neither a string nor an integer");
	s = arg_text(c, 0);
	minus = str_starts(s, STR("-"));
	if (!str_num(str_skip(s, minus), INT64_MAX, &n))
		return refuse(c, "the value is no integer");
	return new_int(c, minus ? -(int64_t)n : (int64_t)n);
}

static cJSON *f_float(struct call *c)
{
	struct err e = ERR_INIT;
	cJSON *v;

	if (cJSON_IsNumber(c->v[0]))
		return arg_take(c, 0);
	v = cJSON_IsString(c->v[0]) ? json_parse(arg_text(c, 0), "", &e) : NULL;
	if (cJSON_IsNumber(v))
		return v;
	cJSON_Delete(v);
	return refuse(c, "the value is no number");
}

enum { ADD, SUB, MUL, DIV, MOD };

/* Arguments are below 2^53: sums fit, products may not. */
static cJSON *f_arithmetic(struct call *c)
{
	int64_t a = arg_int(c, 0), b = arg_int(c, 1), v;

	if (c->how >= DIV && b == 0)
		return refuse(c, "division by zero");
	if (c->how == MUL && __builtin_mul_overflow(a, b, &v))
		v = INT64_MAX;		/* refused below */
	else if (c->how != MUL)
		v = c->how == ADD ? a + b : c->how == SUB ? a - b : c->how == DIV ? a / b : a % b;
	return new_int(c, v);
}

/* ---- the deployment ------------------------------------------------------------ */

static cJSON *f_parameters(struct call *c)
{
	return template_parameter(c->ev, arg_text(c, 0));
}

static cJSON *f_variables(struct call *c)
{
	if (!(c->ev->may & MAY_USE_VARIABLES))
		return misplaced(c);
	return template_variable(c->ev, arg_text(c, 0));
}

static cJSON *f_copy_index(struct call *c)
{
	const struct loop *l = c->ev->loops;
	bool named = c->n > 0 && cJSON_IsString(c->v[0]);
	size_t at = named ? 1 : 0;
	int64_t offset = 0;

	if (c->n > at + 1 || (c->n > at && !is_int(c->v[at], &offset)))
		return refuse(c, "it takes a loop's name and an integer to add");
	while (l != NULL && (named ? !str_ieq(arg_text(c, 0), str_of(l->name)) : !l->plain))
		l = l->up;
	if (l == NULL)
		return fail(c->ev, "The template function 'copyIndex' is not expected at this "
			    "location. The function can only be used in a resource with copy "
			    "specified.");
	return new_int(c, l->index + offset);
}

static const struct template_scope *scope(struct call *c)
{
	return template_scope(c->ev->t);
}

static cJSON *f_resource_group(struct call *c)
{
	return scope(c)->group != NULL ? copy_of(c->ev, scope(c)->group) : misplaced(c);
}

static cJSON *f_environment(struct call *c)
{
	return scope(c)->environment != NULL ? copy_of(c->ev, scope(c)->environment) : misplaced(c);
}

static cJSON *f_subscription(struct call *c)
{
	const struct template_scope *s = scope(c);
	cJSON *out = cJSON_CreateObject();

	buf_addf(&c->b, "/subscriptions/%s", s->subscription_id);
	json_add_str(out, "id", c->b.str);
	json_add_str(out, "subscriptionId", s->subscription_id);
	json_add_str(out, "tenantId", s->tenant_id);
	json_add_str(out, "displayName", "local");
	return out;
}

static cJSON *f_tenant(struct call *c)
{
	const char *id = scope(c)->tenant_id;
	cJSON *out = cJSON_CreateObject();

	buf_addf(&c->b, "/tenants/%s", id);
	json_add_str(out, "countryCode", "US");
	json_add_str(out, "displayName", "Local Azure");
	json_add_str(out, "id", c->b.str);
	json_add_str(out, "tenantId", id);
	return out;
}

static cJSON *f_deployment(struct call *c)
{
	cJSON *out = cJSON_CreateObject(), *properties;

	json_add_str(out, "name", scope(c)->deployment_name);
	properties = json_add_obj(out, "properties");
	json_add_str(properties, "mode", "Incremental");
	json_add_str(properties, "provisioningState", "Accepted");
	return out;
}

/* "Ns/a/b" and the names x, y: /providers/Ns/a/x/b/y behind what is in c->b. */
static cJSON *provider_id(struct call *c, size_t at)
{
	struct str type, ns, seg;
	size_t i = at + 1;

	if (at >= c->n)
		return refuse(c, "it requires a resource type");
	type = arg_text(c, at);
	if (str_ends(type, STR("/")))
		type.n--;
	if (!str_cut(&type, '/', &ns))
		return refuse(c, "it requires a resource type with its namespace");
	buf_addf(&c->b, "/providers/%.*s", STR_ARG(ns));
	for (; str_next(&type, '/', &seg); i++)
		if (i < c->n)
			buf_addf(&c->b, "/%.*s/%s", STR_ARG(seg), c->v[i]->valuestring);
	if (i == c->n)
		return new_text(c);
	buf_reset(&c->b);
	buf_addf(&c->b, "the type '%.80s' requires '%zu' resource name argument(s)",
		 c->v[at]->valuestring, i - at - 1);
	return refuse(c, c->b.str);
}

static bool has_slash(const struct call *c, size_t i)
{
	return i < c->n && str_chr(arg_text(c, i), '/') >= 0;
}

static cJSON *f_resource_id(struct call *c)
{
	size_t at = 0;

	while (at < 2 && !has_slash(c, at))
		at++;
	if (at == 0)
		buf_adds(&c->b, template_base(c->ev->t));
	else
		buf_addf(&c->b, "/subscriptions/%s/resourceGroups/%s",
			 at == 2 ? c->v[0]->valuestring : scope(c)->subscription_id,
			 at <= c->n ? c->v[at - 1]->valuestring : "");
	return provider_id(c, at);
}

enum { OF_TENANT, OF_SUBSCRIPTION, OF_BASE };

static cJSON *f_other_resource_id(struct call *c)
{
	bool first = c->how == OF_BASE || (c->how == OF_SUBSCRIPTION && !has_slash(c, 0));

	if (c->how != OF_TENANT)
		buf_addf(&c->b, "%s%s", c->how == OF_SUBSCRIPTION ? "/subscriptions/" : "",
			 first ? c->v[0]->valuestring : scope(c)->subscription_id);
	return provider_id(c, first);
}

/* The first n zones behind the offset-th; every location has three here. */
static cJSON *f_pick_zones(struct call *c)
{
	int64_t n = c->n > 3 ? arg_int(c, 3) : 1, offset = c->n > 4 ? arg_int(c, 4) : 0;
	cJSON *out;

	if (n < 1 || offset < 0 || n > 3 || offset > 2 || n + offset > 3)
		return refuse(c, "the location has 3 zones");
	out = cJSON_CreateArray();
	/* what is in one zone or another, in a region that has some */
	if (!str_listed("Microsoft.Compute Microsoft.Network", c->v[0]->valuestring) ||
	    str_eqz(arg_text(c, 2), "westus"))
		n = 0;
	for (int64_t i = 1; i <= n; i++) {
		char zone[2] = { (char)('0' + offset + i), '\0' };

		json_add_str(out, NULL, zone);
	}
	return out;
}

/*
 * The id that argument 0 means.  In a dry run that is all: the resource is
 * noted as needed, and NULL without an error says "not known".
 */
static char *refers_to(struct call *c, const char **api)
{
	struct eval *ev = c->ev;
	size_t i = SIZE_MAX;
	char *id;

	if (!(ev->may & MAY_REFER)) {
		misplaced(c);
		return NULL;
	}
	id = template_resolve(ev->t, arg_text(c, 0), &i);
	if (id == NULL) {
		fail(ev, "The resource '%.200s' is not defined in the template.",
		     c->v[0]->valuestring);
		return NULL;
	}
	*api = c->n > 1 ? c->v[1]->valuestring
			: i != SIZE_MAX ? template_api_version(ev->t, i) : "";
	if (**api == '\0')
		fail(ev, "The reference to '%.200s' requires an API version.", id);
	else if (i != SIZE_MAX)
		template_needs(ev, i);
	if (failed(ev) || ev->dry) {
		ev->unknown = true;
		free(id);
		return NULL;
	}
	return id;
}

/* What a callback gave: NULL without an error is "not known". */
static cJSON *answer(struct call *c, char *id, cJSON *v)
{
	free(id);
	if (v == NULL) {
		c->ev->unknown = true;
	} else if (failed(c->ev) || !spend(c->ev, 1)) {
		cJSON_Delete(v);
		v = NULL;
	}
	return v;
}

static cJSON *f_reference(struct call *c)
{
	const struct template_scope *s = scope(c);
	bool full = c->n > 2;
	const char *api;
	char *id;

	if (full && !str_ieqz(arg_text(c, 2), "Full"))
		return refuse(c, "its third argument can only be 'Full'");
	id = refers_to(c, &api);
	if (id == NULL)
		return NULL;
	return answer(c, id, s->reference == NULL ? NULL :
		      s->reference(s->ctx, id, api, full, c->ev->e));
}

static cJSON *f_list(struct call *c)
{
	const struct template_scope *s = scope(c);
	const char *api;
	char *id = refers_to(c, &api);

	if (id == NULL)
		return NULL;
	return answer(c, id, s->list == NULL ? NULL :
		      s->list(s->ctx, c->name, id, api, c->n > 2 ? c->v[2] : NULL, c->ev->e));
}

/* ---- the table ------------------------------------------------------------------ */

/* Sorted by nothing: a lookup is a hundred short comparisons. */
const struct func funcs[] = {
	{ "parameters", "s", 0, f_parameters },
	{ "variables", "s", 0, f_variables },
	{ "resourceId", "s+", 0, f_resource_id },
	{ "subscriptionResourceId", "s+", OF_SUBSCRIPTION, f_other_resource_id },
	{ "tenantResourceId", "s+", OF_TENANT, f_other_resource_id },
	{ "extensionResourceId", "ss+", OF_BASE, f_other_resource_id },
	{ "reference", "s?ss", 0, f_reference },
	{ "resourceGroup", "", 0, f_resource_group },
	{ "subscription", "", 0, f_subscription },
	{ "tenant", "", 0, f_tenant },
	{ "deployment", "", 0, f_deployment },
	{ "environment", "", 0, f_environment },
	{ "copyIndex", "?vv", 0, f_copy_index },
	{ "length", "x", 0, f_length },
	{ "range", "ii", 0, f_range },
	{ "equals", "vv", 0, f_equals },
	{ "less", "vv", LESS, f_order },
	{ "lessOrEquals", "vv", LESS_OR_EQUAL, f_order },
	{ "greater", "vv", GREATER, f_order },
	{ "greaterOrEquals", "vv", GREATER_OR_EQUAL, f_order },
	{ "not", "b", 0, f_not },
	{ "and", "bb+", false, f_and_or },
	{ "or", "bb+", true, f_and_or },
	{ "bool", "v", 0, f_bool },
	{ "true", "", true, f_constant },
	{ "false", "", false, f_constant },
	{ "null", "", -1, f_constant },
	{ "int", "v", 0, f_int },
	{ "float", "v", 0, f_float },
	{ "array", "v", 0, f_array },
	{ "createArray", "v*", 0, f_create_array },
	{ "createObject", "v*", 0, f_create_object },
	{ "union", "v+", 0, f_union },
	{ "intersection", "v+", 0, f_intersection },
	{ "contains", "xv", 0, f_contains },
	{ "empty", "v", 0, f_empty },
	{ "first", "c", FIRST, f_end },
	{ "last", "c", LAST, f_end },
	{ "take", "ci", FIRST, f_take_or_skip },
	{ "skip", "ci", LAST, f_take_or_skip },
	{ "min", "v+", LEAST, f_extreme },
	{ "max", "v+", MOST, f_extreme },
	{ "coalesce", "v+", 0, f_coalesce },
	{ "flatten", "a", 0, f_flatten },
	{ "shallowMerge", "a", 0, f_shallow_merge },
	{ "objectKeys", "o", 0, f_object_keys },
	{ "items", "o", 0, f_items },
	{ "tryGet", "vv+", 0, f_try_get },
	{ "filter", "al", FILTER, f_each },
	{ "map", "al", MAP, f_each },
	{ "reduce", "avl", REDUCE, f_each },
	{ "sort", "al", 0, f_sort },
	{ "toObject", "al?l", 0, f_to_object },
	{ "lambdaVariables", "s", 0, f_lambda_variables },
	{ "add", "ii", ADD, f_arithmetic },
	{ "sub", "ii", SUB, f_arithmetic },
	{ "mul", "ii", MUL, f_arithmetic },
	{ "div", "ii", DIV, f_arithmetic },
	{ "mod", "ii", MOD, f_arithmetic },
	{ "pickZones", "sss?ii", 0, f_pick_zones },
	{ .name = "" },
};

/* listKeys(), listAccountSas(), ...: any name. */
static const struct func list_func = { "list", "ss?o", 0, f_list };

const struct func *func_find(struct str name)
{
	for (size_t i = 0; i < 2; i++)
		for (const struct func *f = i == 0 ? funcs : text_funcs; f->name[0] != '\0'; f++)
			if (str_ieqz(name, f->name))
				return f;
	return str_istarts(name, STR("list")) && str_chr(name, '.') < 0 ? &list_func : NULL;
}

bool func_count_ok(const struct func *f, size_t n)
{
	size_t min = 0, max = 0;
	bool more = false;

	for (const char *p = f->args; *p != '\0'; p++) {
		if (*p == '?') {
			more = true;
		} else if (*p == '+' || *p == '*') {
			max = SIZE_MAX;
			min -= *p == '*';
		} else {
			max++;
			min += !more;
		}
	}
	return n >= min && n <= max;
}

static bool fits(char type, const cJSON *v)
{
	bool string = cJSON_IsString(v), array = cJSON_IsArray(v), object = cJSON_IsObject(v);
	int64_t n;

	switch (type) {
	case 's':
		return string;
	case 'i':
		return is_int(v, &n);
	case 'b':
		return cJSON_IsBool(v);
	case 'a':
		return array;
	case 'o':
		return object;
	case 'c':
		return string || array;
	case 'x':
		return string || array || object;
	case 'l':
		return cJSON_IsRaw(v);
	default:
		return !cJSON_IsRaw(v);
	}
}

cJSON *func_run(const struct func *f, struct call *c)
{
	const char *p = f->args;

	for (size_t i = 0; i < c->n; i++) {
		if (*p == '?')
			p++;
		if (!fits(*p, c->v[i])) {
			buf_addf(&c->b, "its argument %zu has the type '%s', which is not expected",
				 i + 1, type_name(c->v[i]));
			return refuse(c, c->b.str);
		}
		if (p[1] != '+' && p[1] != '*')
			p++;
	}
	c->how = f->how;
	return f->run(c);
}
