/*
 * The expression language: "[...]" strings are parsed and evaluated in one
 * go, left to right, without a tree in between; what must not be evaluated
 * (the other branch of an if) is parsed with `skip` set.  Values are cJSON
 * documents of the evaluator's own.  NULL is an error when failed(), else a
 * value that is skipped or cannot be known before the deployment runs.
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

#define ARGS_MAX 1000
#define WHOLE_MAX (INT64_C(1) << 53)	/* a double holds these exactly */

/* ---- errors, budgets, places ---------------------------------------------- */

static __attribute__((format(printf, 2, 0)))
void set(struct eval *ev, const char *fmt, va_list ap)
{
	struct buf why = BUF_INIT(700);

	buf_vaddf(&why, fmt, ap);
	if (ev->stage == STAGE_OUTPUT)
		err_set(ev->e, ERR_AZURE, "DeploymentOutputEvaluationFailed: The template output "
			"'%s' at '%s' is not valid: %s", ev->name, ev->path.str, why.str);
	else if (ev->stage == STAGE_DEPLOY)
		err_set(ev->e, ERR_AZURE, "InvalidTemplate: Unable to process template language "
			"expressions for %s '%s' at '%s'. '%s'", ev->kind, ev->name,
			ev->path.str, why.str);
	else if (ev->kind == NULL)
		err_set(ev->e, ERR_AZURE, "InvalidTemplate: Deployment template validation "
			"failed: '%s'.", why.str);
	else
		err_set(ev->e, ERR_AZURE, "InvalidTemplate: Deployment template validation "
			"failed: 'The template %s '%s' at '%s' is not valid: %s'.",
			ev->kind, ev->name, ev->path.str, why.str);
	buf_release(&why);
}

cJSON *fail(struct eval *ev, const char *fmt, ...)
{
	va_list ap;

	if (failed(ev))
		return NULL;
	va_start(ap, fmt);
	set(ev, fmt, ap);
	va_end(ap);
	return NULL;
}

bool failed(const struct eval *ev)
{
	return ev->e->kind != ERR_NONE;
}

bool spend(struct eval *ev, size_t n)
{
	if (n > WORK_MAX - ev->work) {
		fail(ev, "Evaluating the template takes more than %u bytes.", WORK_MAX);
		return false;
	}
	ev->work += n;
	return true;
}

static size_t weight(const cJSON *v)
{
	size_t n = sizeof(*v);

	if (v->valuestring != NULL)
		n += strlen(v->valuestring);
	for (const cJSON *c = v->child; c != NULL; c = c->next)
		n += weight(c) + (c->string != NULL ? strlen(c->string) : 0);
	return n;
}

cJSON *copy_of(struct eval *ev, const cJSON *v)
{
	return spend(ev, weight(v)) ? cJSON_Duplicate(v, true) : NULL;
}

bool is_int(const cJSON *v, int64_t *n)
{
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= (double)-WHOLE_MAX &&
				    v->valuedouble <= (double)WHOLE_MAX))
		return false;
	*n = (int64_t)v->valuedouble;
	return (double)*n == v->valuedouble;
}

const char *type_name(const cJSON *v)
{
	int64_t n;

	if (cJSON_IsString(v))
		return "String";
	if (cJSON_IsNumber(v))
		return is_int(v, &n) ? "Integer" : "Float";
	if (cJSON_IsBool(v))
		return "Boolean";
	if (cJSON_IsArray(v))
		return "Array";
	if (cJSON_IsObject(v))
		return "Object";
	return cJSON_IsRaw(v) ? "Lambda" : "Null";
}

size_t path_name(struct eval *ev, const char *name)
{
	size_t was = ev->path.n;

	buf_addf(&ev->path, "%s%.80s", was > 0 ? "." : "", name);
	return was;
}

size_t path_index(struct eval *ev, size_t i)
{
	size_t was = ev->path.n;

	buf_addf(&ev->path, "[%zu]", i);
	return was;
}

void path_back(struct eval *ev, size_t was)
{
	buf_truncate(&ev->path, was);
}

static bool enter(struct eval *ev)
{
	if (ev->depth >= DEPTH_MAX) {
		fail(ev, "Expressions are nested more than %d levels deep.", DEPTH_MAX);
		return false;
	}
	ev->depth++;
	return true;
}

/* ---- the grammar ------------------------------------------------------------ */

static cJSON *expression(struct eval *ev, struct str *s, bool skip);

static void blanks(struct str *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == '\r' ||
			    s->p[0] == '\n'))
		*s = str_skip(*s, 1);
}

static bool peek(struct str *s, char c)
{
	blanks(s);
	return s->n > 0 && s->p[0] == c;
}

static bool eat(struct str *s, char c)
{
	if (!peek(s, c))
		return false;
	*s = str_skip(*s, 1);
	return true;
}

static cJSON *unexpected(struct eval *ev, const struct str *s)
{
	struct str c = str_head(*s, str_utf8(*s));

	return fail(ev, "The template language expression '%.*s' is not valid: the string "
		    "character '%.*s' at position '%zu' is not expected.",
		    STR_ARG(str_head(ev->text, 200)), STR_ARG(c), ev->text.n - s->n);
}

static bool need(struct eval *ev, struct str *s, char c)
{
	if (eat(s, c))
		return true;
	unexpected(ev, s);
	return false;
}

static struct str identifier(struct str *s)
{
	struct str id = { s->p, 0 };

	if (s->n > 0 && is_digit(s->p[0]))
		return id;
	while (id.n < s->n && (is_alnum(s->p[id.n]) || s->p[id.n] == '_'))
		id.n++;
	*s = str_skip(*s, id.n);
	return id;
}

/* 'it''s' */
static cJSON *literal(struct eval *ev, struct str *s, bool skip)
{
	struct buf b = BUF_INIT(EXPRESSION_MAX);
	struct str part;
	cJSON *v = NULL;

	eat(s, '\'');
	while (str_cut(s, '\'', &part)) {
		buf_addstr(&b, part);
		if (s->n == 0 || s->p[0] != '\'') {
			if (!skip && spend(ev, b.n))
				v = cJSON_CreateString(b.str);
			goto out;
		}
		buf_addc(&b, '\'');
		*s = str_skip(*s, 1);
	}
	fail(ev, "The template language expression '%.*s' is not valid: a string has no end.",
	     STR_ARG(str_head(ev->text, 200)));
out:
	buf_release(&b);
	return v;
}

static cJSON *number(struct eval *ev, struct str *s, bool skip)
{
	bool minus = eat(s, '-');
	uint64_t n;

	if (!str_dec(s, (uint64_t)WHOLE_MAX, &n))
		return unexpected(ev, s);
	return skip ? NULL : cJSON_CreateNumber(minus ? -(double)n : (double)n);
}

/* if(): only the branch that is chosen is evaluated. */
static cJSON *branch(struct eval *ev, struct str *s, bool skip)
{
	cJSON *cond = expression(ev, s, skip), *yes, *no, *v;
	bool known = cond != NULL, truth = cJSON_IsTrue(cond);

	if (known && !cJSON_IsBool(cond))
		fail(ev, "Unable to evaluate template language function 'if': its first argument "
		     "is of type '%s', not 'Boolean'.", type_name(cond));
	cJSON_Delete(cond);
	if (failed(ev) || !need(ev, s, ','))
		return NULL;
	yes = expression(ev, s, !known || !truth);
	no = NULL;
	if (!failed(ev) && need(ev, s, ','))
		no = expression(ev, s, !known || truth);
	v = yes != NULL ? yes : no;
	if (!failed(ev) && need(ev, s, ')') && !cJSON_IsRaw(v))
		return v;
	if (cJSON_IsRaw(v))
		fail(ev, "A lambda is not expected in the template function 'if'.");
	cJSON_Delete(v);
	return NULL;
}

/* lambda('x', ..., body): kept as its text, between the parentheses. */
static cJSON *lambda(struct eval *ev, struct str *s, bool skip)
{
	struct str from = *s, last;
	cJSON *v = NULL;
	char *text;

	do {
		blanks(s);
		last = *s;
		expression(ev, s, true);
		if (!failed(ev) && peek(s, ',') && last.p[0] != '\'')
			return fail(ev, "The names of a lambda's variables must be strings.");
	} while (!failed(ev) && eat(s, ','));
	if (failed(ev))
		return NULL;
	from.n -= s->n;
	if (!need(ev, s, ')') || skip || !spend(ev, from.n))
		return NULL;
	text = str_dup(from);
	v = cJSON_CreateRaw(text);
	free(text);
	return v;
}

cJSON *eval_lambda(struct eval *ev, const cJSON *fn, const cJSON *const *values, size_t n)
{
	struct str s = str_of(fn->valuestring), was = ev->text, last;
	const struct binding *outer = ev->bound;
	struct binding b[3];
	cJSON *v = NULL, *name;
	size_t i = 0;

	ev->text = s;
	for (;;) {
		blanks(&s);
		last = s;		/* a variable's name, or the body */
		expression(ev, &s, true);
		if (failed(ev) || !eat(&s, ','))
			break;
		if (i == n || i == 3) {
			fail(ev, "The lambda has more than %zu variables.", n);
			break;
		}
		if ((name = literal(ev, &last, false)) == NULL)
			break;
		b[i] = (struct binding){ ev->bound, xstrdup(name->valuestring), values[i] };
		ev->bound = &b[i++];
		cJSON_Delete(name);
	}
	if (!failed(ev))
		v = expression(ev, &last, false);
	while (i > 0)
		free(b[--i].name);
	ev->bound = outer;
	ev->text = was;
	return v;
}

static void free_args(cJSON **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cJSON_Delete(v[i]);
	free(v);
}

/* Behind the opening parenthesis. */
static cJSON *call(struct eval *ev, struct str name, struct str *s, bool skip)
{
	const struct func *f = func_find(name);
	struct call c = { .ev = ev, .b = BUF_INIT(TEMPLATE_BYTES_MAX) };
	bool known = !skip;
	cJSON *v = NULL;
	size_t cap = 0;

	if (f == NULL)
		return fail(ev, "The template function '%.*s' is not valid.",
			    STR_ARG(str_head(name, 100)));
	if (!peek(s, ')')) {
		do {
			if (c.n == cap)
				c.v = xrealloc(c.v, (cap += 4) * sizeof(*c.v));
			c.v[c.n] = expression(ev, s, skip);
			known = known && c.v[c.n] != NULL;
			c.n++;
		} while (!failed(ev) && c.n < ARGS_MAX && eat(s, ','));
	}
	if (!failed(ev) && need(ev, s, ')')) {
		char *written = str_dup(name);

		c.name = written;
		if (!func_count_ok(f, c.n))
			fail(ev, "Unable to evaluate template language function '%s': it does not "
			     "take %zu argument(s).", written, c.n);
		else if (known)
			v = func_run(f, &c);
		free(written);
	}
	free_args(c.v, c.n);
	buf_release(&c.b);
	return v;
}

static cJSON *primary(struct eval *ev, struct str *s, bool skip)
{
	struct str id, more;

	if (peek(s, '\''))
		return literal(ev, s, skip);
	if (s->n > 0 && (is_digit(s->p[0]) || s->p[0] == '-'))
		return number(ev, s, skip);
	id = identifier(s);
	while (id.n > 0 && s->n > 0 && s->p[0] == '.') {	/* namespace.function */
		*s = str_skip(*s, 1);
		more = identifier(s);
		id.n += 1 + more.n;
	}
	if (id.n == 0 || !need(ev, s, '('))
		return unexpected(ev, s);
	if (str_ieqz(id, "if"))
		return branch(ev, s, skip);
	if (str_ieqz(id, "lambda"))
		return lambda(ev, s, skip);
	return call(ev, id, s, skip);
}

/* The members of v, "a, b", for a message. */
static void names_of(const cJSON *v, struct buf *b)
{
	for (const cJSON *c = v->child; c != NULL; c = c->next)
		buf_addf(b, "%s%s", c == v->child ? "" : ", ", c->string);
}

cJSON *eval_access(struct eval *ev, cJSON *v, const cJSON *key, bool quiet)
{
	cJSON *got = NULL;
	int64_t i;

	if (is_int(key, &i) && (cJSON_IsArray(v) || !cJSON_IsObject(v))) {
		if (i >= 0 && cJSON_IsArray(v) && i < cJSON_GetArraySize(v))
			got = cJSON_DetachItemFromArray(v, (int)i);
		else if (!quiet && cJSON_IsArray(v))
			fail(ev, "The language expression property array index '%lld' is out of "
			     "bounds.", (long long)i);
		else if (!quiet)
			fail(ev, "The language expression property '%lld' can't be evaluated, a "
			     "value of type '%s' is no array.", (long long)i, type_name(v));
	} else if (cJSON_IsString(key)) {
		const cJSON *have = json_get_i(v, key->valuestring);

		if (have != NULL) {
			got = cJSON_DetachItemViaPointer(v, json_get_mut(v, have->string));
		} else if (!quiet && cJSON_IsObject(v)) {
			struct buf b = BUF_INIT(300);

			names_of(v, &b);
			fail(ev, "The language expression property '%.100s' doesn't exist, "
			     "available properties are '%s'.", key->valuestring, b.str);
			buf_release(&b);
		} else if (!quiet) {
			fail(ev, "The language expression property '%.100s' can't be evaluated, a "
			     "value of type '%s' has no properties.", key->valuestring,
			     type_name(v));
		}
	} else {
		fail(ev, "A property's name must be a string or an integer, not of type '%s'.",
		     type_name(key));
	}
	cJSON_Delete(v);
	return got;
}

static cJSON *suffixes(struct eval *ev, struct str *s, cJSON *v, bool skip)
{
	while (!failed(ev) && (peek(s, '.') || peek(s, '['))) {
		cJSON *key = NULL;

		if (eat(s, '.')) {
			struct str id;
			char *z;

			blanks(s);
			id = identifier(s);
			if (id.n == 0) {
				unexpected(ev, s);
				break;
			}
			z = str_dup(id);
			key = cJSON_CreateString(z);
			free(z);
		} else {
			eat(s, '[');
			key = expression(ev, s, skip);
			if (!failed(ev))
				need(ev, s, ']');
		}
		if (!failed(ev) && v != NULL && key != NULL) {
			v = eval_access(ev, v, key, false);
		} else {
			cJSON_Delete(v);
			v = NULL;
		}
		cJSON_Delete(key);
	}
	return v;
}

static cJSON *expression(struct eval *ev, struct str *s, bool skip)
{
	cJSON *v;

	if (!spend(ev, sizeof(*v)) || !enter(ev))
		return NULL;
	v = suffixes(ev, s, primary(ev, s, skip), skip);
	ev->depth--;
	if (failed(ev)) {
		cJSON_Delete(v);
		return NULL;
	}
	return v;
}

/* ---- values of the template --------------------------------------------------- */

/* The string is "[...]"; NULL without failed(): not known. */
static cJSON *whole_expression(struct eval *ev, struct str text)
{
	struct str was = ev->text, s;
	cJSON *v;

	if (text.n > EXPRESSION_MAX)
		return fail(ev, "An expression is longer than %d characters.", EXPRESSION_MAX);
	ev->text = s = str_skip(str_head(text, text.n - 1), 1);
	v = expression(ev, &s, false);
	blanks(&s);
	if (!failed(ev) && s.n > 0)
		unexpected(ev, &s);
	if (cJSON_IsRaw(v))
		fail(ev, "A lambda is not expected at this location.");
	if (failed(ev)) {
		cJSON_Delete(v);
		v = NULL;
	}
	ev->text = was;
	return v;
}

static cJSON *string_value(struct eval *ev, const char *z)
{
	struct str text = str_of(z);
	bool was = ev->unknown;
	cJSON *v;

	if (!spend(ev, text.n + sizeof(*v)))
		return NULL;
	if (!str_starts(text, STR("[")) || !str_ends(text, STR("]")) || text.n < 2)
		return cJSON_CreateString(z);
	if (text.p[1] == '[')
		return cJSON_CreateString(z + 1);
	ev->unknown = false;
	v = whole_expression(ev, text);
	if (v == NULL && !failed(ev)) {
		was = true;
		v = cJSON_CreateString(z);
	}
	ev->unknown = was;
	return v;
}

/* A copy loop of properties: [ {"name", "count", "input"}, ... ] */
static bool is_property_copy(const cJSON *v)
{
	if (!cJSON_IsArray(v) || strcmp(v->string, "copy") != 0 || v->child == NULL)
		return false;
	for (const cJSON *c = v->child; c != NULL; c = c->next)
		if (json_get(c, "name") == NULL || json_get(c, "count") == NULL ||
		    json_get(c, "input") == NULL)
			return false;
	return true;
}

static void one_copy(struct eval *ev, const cJSON *def, cJSON *to)
{
	struct loop loop = { .up = ev->loops };
	cJSON *list;
	int64_t count;
	char *name;

	if (!eval_string(ev, json_get(def, "name"), &name))
		return;
	list = cJSON_CreateArray();
	loop.name = name;
	if (eval_count(ev, json_get(def, "count"), &count)) {
		ev->loops = &loop;
		for (; loop.index < count && !failed(ev); loop.index++) {
			cJSON *v = eval_member(ev, def, "input");

			if (v != NULL)
				cJSON_AddItemToArray(list, v);
		}
		ev->loops = loop.up;
	}
	json_set(to, name, list);
	free(name);
}

static void property_copy(struct eval *ev, const cJSON *defs, cJSON *to)
{
	size_t i = 0, was = path_name(ev, "copy");

	for (const cJSON *def = defs->child; def != NULL && !failed(ev); def = def->next) {
		size_t outer = path_index(ev, i++);

		one_copy(ev, def, to);
		path_back(ev, outer);
	}
	path_back(ev, was);
}

/* A member's name may be an expression, as in userAssignedIdentities. */
static void add_member(struct eval *ev, const cJSON *member, cJSON *to)
{
	size_t was = path_name(ev, member->string);
	cJSON *v = eval_value(ev, member), *name = NULL;

	if (v != NULL && member->string[0] == '[')
		name = string_value(ev, member->string);
	if (name != NULL && !cJSON_IsString(name))
		fail(ev, "A property's name is of type '%s', not 'String'.", type_name(name));
	path_back(ev, was);
	/* json_set() looks through all members */
	if (name != NULL)
		spend(ev, (size_t)cJSON_GetArraySize(to));
	if (v == NULL || failed(ev))
		cJSON_Delete(v);
	else if (name != NULL)
		json_set(to, name->valuestring, v);
	else
		cJSON_AddItemToObject(to, member->string, v);
	cJSON_Delete(name);
}

cJSON *eval_value(struct eval *ev, const cJSON *v)
{
	cJSON *out, *item;
	size_t i = 0, was;

	if (!spend(ev, 1))
		return NULL;
	if (cJSON_IsString(v))
		return string_value(ev, v->valuestring);
	if (!cJSON_IsObject(v) && !cJSON_IsArray(v))
		return copy_of(ev, v);
	if (!enter(ev))
		return NULL;
	out = cJSON_IsObject(v) ? cJSON_CreateObject() : cJSON_CreateArray();
	for (const cJSON *c = v->child; c != NULL && !failed(ev); c = c->next, i++) {
		if (cJSON_IsObject(v)) {
			if (is_property_copy(c))
				property_copy(ev, c, out);
			else
				add_member(ev, c, out);
			continue;
		}
		was = path_index(ev, i);
		item = eval_value(ev, c);
		path_back(ev, was);
		if (item != NULL)
			cJSON_AddItemToArray(out, item);
	}
	ev->depth--;
	if (failed(ev)) {
		cJSON_Delete(out);
		return NULL;
	}
	return out;
}

cJSON *eval_member(struct eval *ev, const cJSON *obj, const char *name)
{
	const cJSON *v = json_get_i(obj, name);
	size_t was = path_name(ev, name);
	cJSON *out;

	out = v == NULL ? fail(ev, "'%s' is missing.", name) : eval_value(ev, v);
	path_back(ev, was);
	return out;
}

/* Known, and so far not failed. */
static cJSON *known_value(struct eval *ev, const cJSON *v)
{
	bool was = ev->unknown;
	cJSON *out;

	ev->unknown = false;
	out = v == NULL ? fail(ev, "A value is missing.") : eval_value(ev, v);
	if (out != NULL && ev->unknown) {
		fail(ev, "What this needs is not known before the deployment.");
		cJSON_Delete(out);
		out = NULL;
	}
	ev->unknown = was;
	return out;
}

bool eval_string(struct eval *ev, const cJSON *v, char **out)
{
	cJSON *got = known_value(ev, v);
	bool good = cJSON_IsString(got);

	if (good)
		*out = xstrdup(got->valuestring);
	else if (got != NULL)
		fail(ev, "Expected a value of type 'String', found '%s'.", type_name(got));
	cJSON_Delete(got);
	return good;
}

bool eval_bool(struct eval *ev, const cJSON *v, bool *out)
{
	cJSON *got = known_value(ev, v);
	bool good = cJSON_IsBool(got);

	*out = cJSON_IsTrue(got);
	if (!good && got != NULL)
		fail(ev, "Expected a value of type 'Boolean', found '%s'.", type_name(got));
	cJSON_Delete(got);
	return good;
}

bool eval_count(struct eval *ev, const cJSON *v, int64_t *out)
{
	cJSON *got = known_value(ev, v);
	bool good = is_int(got, out);

	if (!good && got != NULL)
		fail(ev, "The copy count is of type '%s', not 'Integer'.", type_name(got));
	else if (good && (*out < 0 || *out > COPIES_MAX))
		fail(ev, "The copy count '%lld' is not between 0 and %d.", (long long)*out,
		     COPIES_MAX);
	cJSON_Delete(got);
	return good && !failed(ev);
}
