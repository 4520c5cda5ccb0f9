/*
 * Lists that are longer than one would keep, an element at a time.  Knows of
 * JSON only what a quote, a backslash, a bracket and a comma mean.
 */
#include "base/split.h"

void json_split_reset(struct json_split *s)
{
	buf_reset(&s->item);
	buf_reset(&s->rest);
	s->ended = false;
	s->depth = 0;
	s->in_string = s->escaped = s->in_array = s->named = false;
	s->matched = 0;
}

void json_split_release(struct json_split *s)
{
	buf_release(&s->item);
	buf_release(&s->rest);
}

static int element(struct json_split *s, struct err *e)
{
	cJSON *doc;
	int rc;

	if (s->item.over)
		return err_set(e, ERR_DATA,
			       "an element of %s is larger than %zu bytes",
			       s->what, s->item.max);
	if ((doc = json_parse(buf_str(&s->item), "element", e)) == NULL)
		return err_in(e, "%s", s->what);
	rc = s->each(s->ctx, doc, e);
	json_free(doc);
	buf_reset(&s->item);
	return rc;
}

/* A character inside of a string, wherever that is. */
static void string_char(struct json_split *s, char c)
{
	bool ends = !s->escaped && c == '"';

	s->escaped = !s->escaped && c == '\\';
	s->in_string = !ends;
	if (!s->named)
		return;
	if (ends)
		s->named = s->member[s->matched] == '\0';
	else if (c != '\0' && s->member[s->matched] == c)
		s->matched++;
	else
		s->named = false;
}

/* Inside of the array; the depth there is that of its own bracket or more. */
static int array_char(struct json_split *s, char c, unsigned own, struct err *e)
{
	bool between = s->depth == own && (c == ',' || c == ']');

	if (!between) {
		s->in_string = c == '"';
		if (c == '{' || c == '[')
			s->depth++;
		else if ((c == '}' || c == ']') && s->depth > own)
			s->depth--;
		buf_addc(&s->item, c);
		return 0;
	}
	/* [] has no element; [,] is caught as an empty one */
	if ((c == ',' || str_trim(buf_str(&s->item)).n > 0) && element(s, e) < 0)
		return -1;
	if (c == ']') {
		buf_reset(&s->item);
		buf_addc(&s->rest, c);
		s->depth--;
		s->in_array = false;
		s->ended = true;
	}
	return 0;
}

/* Around the array. */
static int outer_char(struct json_split *s, char c, unsigned own, struct err *e)
{
	bool begins = c == '[' && s->depth + 1 == own &&
		      (s->member != NULL ? s->named : !s->ended);

	if (s->member == NULL && !begins) {
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			return 0;
		err_set(e, ERR_PROTO, "something else than a list");
		return err_in(e, "%s", s->what);
	}
	buf_addc(&s->rest, c);
	s->in_array = begins;
	if (c == '"') {
		s->in_string = true;
		s->named = s->member != NULL;
		s->matched = 0;
	} else if (c == '{' || c == '[') {
		s->depth++;
	} else if ((c == '}' || c == ']') && s->depth > 0) {
		s->depth--;
	} else if (c == ',') {
		s->named = false;
	}
	return 0;
}

int json_split_add(struct json_split *s, struct str piece, struct err *e)
{
	/* how deep the array's own bracket is */
	unsigned own = s->member != NULL ? 2 : 1;

	for (size_t i = 0; i < piece.n; i++) {
		char c = piece.p[i];
		int rc = 0;

		if (s->in_string) {
			buf_addc(s->in_array ? &s->item : &s->rest, c);
			string_char(s, c);
		} else if (s->in_array) {
			rc = array_char(s, c, own, e);
		} else {
			rc = outer_char(s, c, own, e);
		}
		if (rc < 0)
			return -1;
	}
	return buf_check(&s->rest, "what is not the list", e);
}
