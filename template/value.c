/*
 * Values of the template language, which are cJSON documents: what they are,
 * what they weigh, whether they are equal.  What takes time or memory in
 * proportion to a value is accounted for.
 */
#include <string.h>

#include "template/inner.h"

bool value_int(const cJSON *v, int64_t *n)
{
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= (double)-INTEGER_MAX &&
				    v->valuedouble <= (double)INTEGER_MAX))
		return false;
	*n = (int64_t)v->valuedouble;
	return (double)*n == v->valuedouble;
}

const char *value_type(const cJSON *v)
{
	int64_t n;

	if (cJSON_IsString(v))
		return "String";
	if (cJSON_IsNumber(v))
		return value_int(v, &n) ? "Integer" : "Float";
	if (cJSON_IsBool(v))
		return "Boolean";
	if (cJSON_IsArray(v))
		return "Array";
	if (cJSON_IsObject(v))
		return "Object";
	return cJSON_IsRaw(v) ? "Lambda" : "Null";
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

bool value_is_unknown(const cJSON *v)
{
	return cJSON_IsRaw(v) && v->valuestring[0] == '"';
}

bool value_has_unknown(const cJSON *v)
{
	if (v == NULL || value_is_unknown(v))
		return v != NULL;
	for (const cJSON *c = v->child; c != NULL; c = c->next)
		if (value_has_unknown(c))
			return true;
	return false;
}

cJSON *value_unknown(const char *text)
{
	struct buf b = BUF_INIT(TEMPLATE_BYTES_MAX);
	cJSON *string = cJSON_CreateString(text), *v;

	json_print(string, &b);
	v = cJSON_CreateRaw(b.str);
	cJSON_Delete(string);
	buf_release(&b);
	return v;
}

bool value_spell_unknown(cJSON *v)
{
	bool found = false;
	struct err e = ERR_INIT;
	cJSON *string;
	char *z;

	if (value_is_unknown(v)) {
		string = json_parse(str_of(v->valuestring), "", &e);
		z = v->valuestring;
		v->valuestring = xstrdup(string != NULL ? string->valuestring :
							  "");
		v->type = cJSON_String;
		cJSON_free(z);
		cJSON_Delete(string);
		return true;
	}
	for (cJSON *c = v->child; c != NULL; c = c->next)
		found = value_spell_unknown(c) || found;
	return found;
}

bool value_spend(struct eval *ev, const cJSON *v)
{
	return eval_spend(ev, weight(v));
}

cJSON *value_copy(struct eval *ev, const cJSON *v)
{
	return value_spend(ev, v) ? cJSON_Duplicate(v, true) : NULL;
}

/* Comparing is accounted for like building: it is what nested loops over long
 * lists consist of. */
bool value_equal(struct eval *ev, const cJSON *a, const cJSON *b)
{
	if (!eval_spend(ev, 16) || (a->type & 0xff) != (b->type & 0xff))
		return false;
	if (cJSON_IsNumber(a))
		return a->valuedouble >= b->valuedouble &&
		       a->valuedouble <= b->valuedouble;
	if (cJSON_IsString(a))
		return strcmp(a->valuestring, b->valuestring) == 0;
	if (!cJSON_IsArray(a) && !cJSON_IsObject(a))
		return true;
	if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
		return false;
	for (const cJSON *x = a->child, *y = b->child; x != NULL;
	     x = x->next, y = y->next) {
		const cJSON *other = y;

		/* objects mostly have their members in the same order */
		if (cJSON_IsObject(a) && strcmp(x->string, y->string) != 0 &&
		    eval_spend(ev, (size_t)cJSON_GetArraySize(b)))
			other = json_get(b, x->string);
		if (other == NULL || eval_failed(ev) || !value_equal(ev, x, other))
			return false;
	}
	return true;
}

bool value_in(struct eval *ev, const cJSON *list, const cJSON *v)
{
	for (const cJSON *i = list->child; i != NULL; i = i->next)
		if (value_equal(ev, i, v))
			return true;
	return false;
}

int64_t value_length(const cJSON *v)
{
	return cJSON_IsString(v) ? text_length(str_of(v->valuestring)) :
				   cJSON_GetArraySize(v);
}

void value_add_text(struct buf *b, const cJSON *v)
{
	if (cJSON_IsString(v))
		buf_adds(b, v->valuestring);
	else if (cJSON_IsBool(v))
		buf_adds(b, cJSON_IsTrue(v) ? "True" : "False");
	else if (!cJSON_IsNull(v))
		json_print(v, b);
}
