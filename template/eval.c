/*
 * The expression language: "[...]" strings are parsed and evaluated in one
 * go, left to right, without a tree in between; what must not be evaluated
 * (the other branch of an if) is parsed with `skip` set.  Values are cJSON
 * documents of the evaluator's own.  Where a function gives a value, NULL is
 * an error when eval_failed(), else a value that was skipped or cannot be
 * known before the deployment runs.
 *
 * Source: "Syntax and expressions in ARM templates" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"

#define ARGS_MAX 1000
#define LAMBDA_VARIABLES_MAX 3

/* ---- errors, budgets, places ---- */

static __attribute__((format(printf, 2, 0))) void
set_error(struct eval *ev, const char *fmt, va_list ap)
{
	struct buf why = BUF_INIT(700);

	buf_vaddf(&why, fmt, ap);
	if (ev->stage == STAGE_OUTPUT)
		err_set(ev->e, ERR_AZURE,
			"DeploymentOutputEvaluationFailed: The template output "
			"'%s' at '%s' is not valid: %s",
			ev->name, ev->path.str, why.str);
	else if (ev->stage == STAGE_DEPLOY)
		err_set(ev->e, ERR_AZURE,
			"InvalidTemplate: Unable to process template language "
			"expressions for %s '%s' at '%s'. '%s'",
			ev->kind, ev->name, ev->path.str, why.str);
	else if (ev->kind == NULL)
		err_set(ev->e, ERR_AZURE,
			"InvalidTemplate: Deployment template validation "
			"failed: '%s'.",
			why.str);
	else
		err_set(ev->e, ERR_AZURE,
			"InvalidTemplate: Deployment template validation "
			"failed: 'The template %s '%s' at '%s' is not valid: "
			"%s'.",
			ev->kind, ev->name, ev->path.str, why.str);
	buf_release(&why);
}

cJSON *eval_fail(struct eval *ev, const char *fmt, ...)
{
	va_list ap;

	if (eval_failed(ev))
		return NULL;
	va_start(ap, fmt);
	set_error(ev, fmt, ap);
	va_end(ap);
	return NULL;
}

bool eval_failed(const struct eval *ev)
{
	return ev->e->kind != ERR_NONE;
}

bool eval_spend(struct eval *ev, size_t n)
{
	if (n > WORK_MAX - ev->work) {
		eval_fail(ev, "Evaluating the template takes more than %u bytes.",
			  WORK_MAX);
		return false;
	}
	ev->work += n;
	return true;
}

size_t eval_path_name(struct eval *ev, const char *name)
{
	size_t was = ev->path.n;

	buf_addf(&ev->path, "%s%.80s", was > 0 ? "." : "", name);
	return was;
}

size_t eval_path_index(struct eval *ev, size_t i)
{
	size_t was = ev->path.n;

	buf_addf(&ev->path, "[%zu]", i);
	return was;
}

void eval_path_back(struct eval *ev, size_t was)
{
	buf_truncate(&ev->path, was);
}

static bool enter(struct eval *ev)
{
	if (ev->depth >= DEPTH_MAX) {
		eval_fail(ev, "Expressions are nested more than %d levels deep.",
			  DEPTH_MAX);
		return false;
	}
	ev->depth++;
	return true;
}

/* ---- the grammar ---- */

static cJSON *expression(struct eval *ev, struct str *s, bool skip);

static void blanks(struct str *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
			    s->p[0] == '\r' || s->p[0] == '\n'))
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

	return eval_fail(ev,
			 "The template language expression '%.*s' is not "
			 "valid: the string character '%.*s' at position '%zu' "
			 "is not expected.",
			 STR_ARG(str_head(ev->text, 200)), STR_ARG(c),
			 ev->text.n - s->n);
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
			if (!skip && eval_spend(ev, b.n))
				v = cJSON_CreateString(b.str);
			goto out;
		}
		buf_addc(&b, '\'');
		*s = str_skip(*s, 1);
	}
	eval_fail(ev,
		  "The template language expression '%.*s' is not valid: a "
		  "string has no end.",
		  STR_ARG(str_head(ev->text, 200)));
out:
	buf_release(&b);
	return v;
}

static cJSON *number(struct eval *ev, struct str *s, bool skip)
{
	bool minus = eat(s, '-');
	uint64_t n;

	if (!str_dec(s, (uint64_t)INTEGER_MAX, &n))
		return unexpected(ev, s);
	return skip ? NULL : cJSON_CreateNumber(minus ? -(double)n : (double)n);
}

/* if(): only the branch that is chosen is evaluated. */
static cJSON *if_else(struct eval *ev, struct str *s, bool skip)
{
	cJSON *cond = expression(ev, s, skip), *yes, *no, *v;
	bool known = cond != NULL, truth = cJSON_IsTrue(cond);

	if (known && !cJSON_IsBool(cond))
		eval_fail(ev,
			  "Unable to evaluate template language function 'if': "
			  "its first argument is of type '%s', not 'Boolean'.",
			  value_type(cond));
	cJSON_Delete(cond);
	if (eval_failed(ev) || !need(ev, s, ','))
		return NULL;
	yes = expression(ev, s, !known || !truth);
	no = NULL;
	if (!eval_failed(ev) && need(ev, s, ','))
		no = expression(ev, s, !known || truth);
	v = yes != NULL ? yes : no;
	if (!eval_failed(ev) && need(ev, s, ')') && !cJSON_IsRaw(v))
		return v;
	if (cJSON_IsRaw(v))
		eval_fail(ev, "A lambda is not expected in the template function "
			      "'if'.");
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
		if (!eval_failed(ev) && peek(s, ',') && last.p[0] != '\'')
			return eval_fail(ev, "The names of a lambda's variables "
					     "must be strings.");
	} while (!eval_failed(ev) && eat(s, ','));
	if (eval_failed(ev))
		return NULL;
	from.n -= s->n;
	if (!need(ev, s, ')') || skip || !eval_spend(ev, from.n))
		return NULL;
	text = str_dup(from);
	v = cJSON_CreateRaw(text);
	free(text);
	return v;
}

cJSON *eval_lambda(struct eval *ev, const cJSON *fn, const cJSON *const *values,
		   size_t n)
{
	struct str s = str_of(fn->valuestring), was = ev->text, last;
	const struct lambda_variable *outer = ev->lambda_variables;
	struct lambda_variable b[LAMBDA_VARIABLES_MAX];
	cJSON *v = NULL, *name;
	size_t i = 0;

	ev->text = s;
	for (;;) {
		blanks(&s);
		last = s; /* a variable's name, or the body */
		expression(ev, &s, true);
		if (eval_failed(ev) || !eat(&s, ','))
			break;
		if (i == n || i == LAMBDA_VARIABLES_MAX) {
			eval_fail(ev, "The lambda has more than %zu variables.",
				  n);
			break;
		}
		if ((name = literal(ev, &last, false)) == NULL)
			break;
		b[i] = (struct lambda_variable){ ev->lambda_variables,
						 xstrdup(name->valuestring),
						 values[i] };
		ev->lambda_variables = &b[i++];
		cJSON_Delete(name);
	}
	if (!eval_failed(ev))
		v = expression(ev, &last, false);
	while (i > 0)
		free(b[--i].name);
	ev->lambda_variables = outer;
	ev->text = was;
	return v;
}

/* v, or NULL when it is not known, which is noted; takes v. */
static cJSON *take_known(struct eval *ev, cJSON *v)
{
	if (v == NULL || !value_is_unknown(v))
		return v;
	ev->unknown = true;
	cJSON_Delete(v);
	return NULL;
}

/* Functions work on what is known, all of it. */
static bool is_known(struct eval *ev, const cJSON *v)
{
	if (value_has_unknown(v))
		ev->unknown = true;
	return v != NULL && !value_has_unknown(v);
}

/* The arguments up to the closing parenthesis; true when all are known. */
static bool read_args(struct invocation *inv, struct str *s, bool skip)
{
	struct eval *ev = inv->ev;
	bool known = !skip;
	size_t cap = 0;

	if (!peek(s, ')')) {
		do {
			if (inv->n == cap) {
				cap += 4;
				inv->arg = xrealloc(inv->arg,
						    cap * sizeof(*inv->arg));
			}
			inv->arg[inv->n] = expression(ev, s, skip);
			known = known && is_known(ev, inv->arg[inv->n]);
			inv->n++;
		} while (!eval_failed(ev) && inv->n < ARGS_MAX && eat(s, ','));
	}
	return !eval_failed(ev) && need(ev, s, ')') && known;
}

/* ---- functions of the template ---- */

/* functions: [ {"namespace", "members": {NAME: {"parameters", "output"}}} ] */
static const cJSON *user_function(const struct template *t, struct str name)
{
	struct str ns;
	const cJSON *f, *def = NULL;
	char *z;

	if (t == NULL || !str_cut(&name, '.', &ns))
		return NULL;
	z = str_dup(name);
	cJSON_ArrayForEach(f, json_get_i(t->doc, "functions"))
		if (def == NULL && str_ieqz(ns, json_text(f, "namespace")))
			def = json_get_i(json_get_i(f, "members"), z);
	free(z);
	return def;
}

cJSON *eval_user_parameter(struct eval *ev, struct str name)
{
	const cJSON *p;
	size_t i = 0;

	cJSON_ArrayForEach(p, ev->call->def) {
		if (str_ieqz(name, json_text(p, "name")))
			return value_copy(ev, ev->call->arg[i]);
		i++;
	}
	return eval_fail(ev, "The function has no parameter '%.*s'.",
			 STR_ARG(str_head(name, 100)));
}

/* All arguments are known, and as many as the function has parameters. */
static cJSON *call_user(struct eval *ev, const cJSON *def,
			const struct invocation *inv)
{
	const cJSON *parameters = json_get_i(def, "parameters"), *p;
	struct user_call call = { parameters, inv->arg };
	struct eval inner = *ev;
	size_t i = 0;
	cJSON *v;

	cJSON_ArrayForEach(p, parameters) {
		declared_check(ev, p, inv->arg[i++], json_text(p, "name"));
	}
	if (eval_failed(ev) || !enter(&inner))
		return NULL;
	inner.call = &call;
	inner.may = 0;
	inner.loops = NULL;
	inner.lambda_variables = NULL;
	buf_init(&inner.path, ev->path.max);
	buf_addstr(&inner.path, buf_str(&ev->path));
	v = eval_member(&inner, json_get_i(def, "output"), "value");
	buf_release(&inner.path);
	ev->work = inner.work;
	ev->unknown = inner.unknown;
	return v;
}

/* name(...), behind the opening parenthesis. */
static cJSON *invoke(struct eval *ev, struct str name, struct str *s, bool skip)
{
	const struct func *f = func_find(name);
	const cJSON *user = f == NULL ? user_function(ev->t, name) : NULL;
	size_t takes = (size_t)cJSON_GetArraySize(json_get_i(user, "parameters"));
	struct invocation inv = {
		.ev = ev,
		.text = BUF_INIT(TEMPLATE_BYTES_MAX),
	};
	char *written;
	cJSON *v = NULL;
	bool known;

	if (f == NULL && user == NULL)
		return eval_fail(ev, "The template function '%.*s' is not %s.",
				 STR_ARG(str_head(name, 100)),
				 func_is_azures(name) ?
					 "known to the local Azure" :
					 "valid");
	written = str_dup(name);
	inv.name = written;
	known = read_args(&inv, s, skip);
	if (!eval_failed(ev) &&
	    !(f != NULL ? func_count_ok(f, inv.n) : inv.n == takes))
		eval_fail(ev,
			  "Unable to evaluate template language function '%s': "
			  "it does not take %zu argument(s).",
			  written, inv.n);
	else if (known)
		v = f != NULL ? func_run(f, &inv) : call_user(ev, user, &inv);
	for (size_t i = 0; i < inv.n; i++)
		cJSON_Delete(inv.arg[i]);
	free(inv.arg);
	free(written);
	buf_release(&inv.text);
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
	while (id.n > 0 && s->n > 0 && s->p[0] == '.') { /* namespace.function */
		*s = str_skip(*s, 1);
		more = identifier(s);
		id.n += 1 + more.n;
	}
	if (id.n == 0 || !need(ev, s, '('))
		return unexpected(ev, s);
	if (str_ieqz(id, "if"))
		return if_else(ev, s, skip);
	if (str_ieqz(id, "lambda"))
		return lambda(ev, s, skip);
	return invoke(ev, id, s, skip);
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

	if (value_int(key, &i) && (cJSON_IsArray(v) || !cJSON_IsObject(v))) {
		if (i >= 0 && cJSON_IsArray(v) && i < cJSON_GetArraySize(v))
			got = cJSON_DetachItemFromArray(v, (int)i);
		else if (!quiet && cJSON_IsArray(v))
			eval_fail(ev,
				  "The language expression property array "
				  "index '%lld' is out of bounds.",
				  (long long)i);
		else if (!quiet)
			eval_fail(ev,
				  "The language expression property '%lld' "
				  "can't be evaluated, a value of type '%s' is "
				  "no array.",
				  (long long)i, value_type(v));
	} else if (cJSON_IsString(key)) {
		const cJSON *have = json_get_i(v, key->valuestring);

		if (have != NULL) {
			got = cJSON_DetachItemViaPointer(
				v, json_get_mut(v, have->string));
		} else if (!quiet && cJSON_IsObject(v)) {
			struct buf b = BUF_INIT(300);

			names_of(v, &b);
			eval_fail(ev,
				  "The language expression property '%.100s' "
				  "doesn't exist, available properties are "
				  "'%s'.",
				  key->valuestring, b.str);
			buf_release(&b);
		} else if (!quiet) {
			eval_fail(ev,
				  "The language expression property '%.100s' "
				  "can't be evaluated, a value of type '%s' "
				  "has no properties.",
				  key->valuestring, value_type(v));
		}
	} else {
		eval_fail(ev,
			  "A property's name must be a string or an integer, "
			  "not of type '%s'.",
			  value_type(key));
	}
	cJSON_Delete(v);
	return got;
}

static cJSON *suffixes(struct eval *ev, struct str *s, cJSON *v, bool skip)
{
	v = take_known(ev, v);
	while (!eval_failed(ev) && (peek(s, '.') || peek(s, '['))) {
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
			if (!eval_failed(ev))
				need(ev, s, ']');
		}
		if (!eval_failed(ev) && v != NULL && key != NULL) {
			v = take_known(ev, eval_access(ev, v, key, false));
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

	if (!eval_spend(ev, sizeof(*v)) || !enter(ev))
		return NULL;
	v = suffixes(ev, s, primary(ev, s, skip), skip);
	ev->depth--;
	if (eval_failed(ev)) {
		cJSON_Delete(v);
		return NULL;
	}
	return v;
}

/* ---- values of the template ---- */

/* The string is "[...]". */
static cJSON *whole_expression(struct eval *ev, struct str text)
{
	struct str was = ev->text, s;
	cJSON *v;

	if (text.n > EXPRESSION_MAX)
		return eval_fail(ev, "An expression is longer than %d characters.",
				 EXPRESSION_MAX);
	ev->text = s = str_skip(str_head(text, text.n - 1), 1);
	v = expression(ev, &s, false);
	blanks(&s);
	if (!eval_failed(ev) && s.n > 0)
		unexpected(ev, &s);
	if (cJSON_IsRaw(v))
		eval_fail(ev, "A lambda is not expected at this location.");
	if (eval_failed(ev)) {
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

	if (!eval_spend(ev, text.n + sizeof(*v)))
		return NULL;
	if (!str_starts(text, STR("[")) || !str_ends(text, STR("]")) || text.n < 2)
		return cJSON_CreateString(z);
	if (text.p[1] == '[')
		return cJSON_CreateString(z + 1);
	v = whole_expression(ev, text);
	if (v == NULL && !eval_failed(ev))
		v = value_unknown(z);
	if (v != NULL && !ev->mark && value_spell_unknown(v))
		was = true;
	ev->unknown = was || (ev->mark && value_has_unknown(v));
	return v;
}

/* A copy loop of properties: [ {"name", "count", "input"}, ... ] */
static bool is_property_copy(const cJSON *v)
{
	if (!cJSON_IsArray(v) || strcmp(v->string, "copy") != 0 || v->child == NULL)
		return false;
	for (const cJSON *c = v->child; c != NULL; c = c->next)
		if (json_get(c, "name") == NULL ||
		    json_get(c, "count") == NULL || json_get(c, "input") == NULL)
			return false;
	return true;
}

static void one_copy(struct eval *ev, const cJSON *def, cJSON *to)
{
	struct copy_loop loop = { .up = ev->loops };
	cJSON *list;
	int64_t count;
	char *name;

	if (!eval_string(ev, json_get(def, "name"), &name))
		return;
	list = cJSON_CreateArray();
	loop.name = name;
	if (eval_count(ev, json_get(def, "count"), &count)) {
		ev->loops = &loop;
		for (; loop.index < count && !eval_failed(ev); loop.index++) {
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
	size_t i = 0, was = eval_path_name(ev, "copy");

	for (const cJSON *def = defs->child; def != NULL && !eval_failed(ev);
	     def = def->next) {
		size_t outer = eval_path_index(ev, i++);

		one_copy(ev, def, to);
		eval_path_back(ev, outer);
	}
	eval_path_back(ev, was);
}

/* A member's name may be an expression, as in userAssignedIdentities. */
static void add_member(struct eval *ev, const cJSON *member, cJSON *to)
{
	size_t was = eval_path_name(ev, member->string);
	cJSON *v = eval_value(ev, member), *name = NULL;

	if (v != NULL && member->string[0] == '[')
		name = string_value(ev, member->string);
	if (name != NULL)
		value_spell_unknown(name);
	if (name != NULL && !cJSON_IsString(name))
		eval_fail(ev, "A property's name is of type '%s', not 'String'.",
			  value_type(name));
	eval_path_back(ev, was);
	/* json_set() compares the name with that of every member */
	if (name != NULL)
		eval_spend(ev, (size_t)cJSON_GetArraySize(to));
	if (v == NULL || eval_failed(ev))
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

	if (!eval_spend(ev, 1))
		return NULL;
	if (cJSON_IsString(v))
		return string_value(ev, v->valuestring);
	if (value_is_unknown(v)) {
		out = value_copy(ev, v);
		if (out != NULL && !ev->mark)
			value_spell_unknown(out);
		ev->unknown = true;
		return out;
	}
	if (!cJSON_IsObject(v) && !cJSON_IsArray(v))
		return value_copy(ev, v);
	if (!enter(ev))
		return NULL;
	out = cJSON_IsObject(v) ? cJSON_CreateObject() : cJSON_CreateArray();
	for (const cJSON *c = v->child; c != NULL && !eval_failed(ev);
	     c = c->next, i++) {
		if (cJSON_IsObject(v)) {
			if (is_property_copy(c))
				property_copy(ev, c, out);
			else
				add_member(ev, c, out);
			continue;
		}
		was = eval_path_index(ev, i);
		item = eval_value(ev, c);
		eval_path_back(ev, was);
		if (item != NULL)
			cJSON_AddItemToArray(out, item);
	}
	ev->depth--;
	if (eval_failed(ev)) {
		cJSON_Delete(out);
		return NULL;
	}
	return out;
}

cJSON *eval_member(struct eval *ev, const cJSON *obj, const char *name)
{
	const cJSON *v = json_get_i(obj, name);
	size_t was = eval_path_name(ev, name);
	cJSON *out;

	out = v == NULL ? eval_fail(ev, "'%s' is missing.", name) :
			  eval_value(ev, v);
	eval_path_back(ev, was);
	return out;
}

/* A value that must be known; NULL is an error. */
static cJSON *known_value(struct eval *ev, const cJSON *v)
{
	bool was = ev->unknown;
	cJSON *out;

	ev->unknown = false;
	out = v == NULL ? eval_fail(ev, "A value is missing.") :
			  eval_value(ev, v);
	if (out != NULL && ev->unknown) {
		ev->later = true;
		eval_fail(ev,
			  "What this needs is not known before the deployment.");
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
		eval_fail(ev, "Expected a value of type 'String', found '%s'.",
			  value_type(got));
	cJSON_Delete(got);
	return good;
}

bool eval_bool(struct eval *ev, const cJSON *v, bool *out)
{
	cJSON *got = known_value(ev, v);
	bool good = cJSON_IsBool(got);

	*out = cJSON_IsTrue(got);
	if (!good && got != NULL)
		eval_fail(ev, "Expected a value of type 'Boolean', found '%s'.",
			  value_type(got));
	cJSON_Delete(got);
	return good;
}

bool eval_count(struct eval *ev, const cJSON *v, int64_t *out)
{
	cJSON *got = known_value(ev, v);
	bool good = value_int(got, out);

	if (!good && got != NULL)
		eval_fail(ev, "The copy count is of type '%s', not 'Integer'.",
			  value_type(got));
	else if (good && (*out < 0 || *out > COPIES_MAX))
		eval_fail(ev, "The copy count '%lld' is not between 0 and %d.",
			  (long long)*out, COPIES_MAX);
	cJSON_Delete(got);
	return good && !eval_failed(ev);
}
