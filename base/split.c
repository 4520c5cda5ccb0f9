/*
 * Lists that are longer than one would keep, an element at a time.  Of what is
 * around the list this knows only what a quote, a backslash, a bracket and a
 * comma mean; base/reader.c reads the elements.
 */
#include "base/split.h"

#define BLANKS " \t\r\n"

enum place {
	AROUND,
	AT_FIRST, /* behind the bracket */
	IN_ITEM,
	BEHIND_ITEM,
};

void json_split_reset(struct json_split *s)
{
	s->reader.want = s->want;
	json_reader_reset(&s->reader);
	buf_reset(&s->rest);
	s->ended = false;
	s->depth = 0;
	s->in_string = s->escaped = s->named = false;
	s->place = AROUND;
	s->matched = 0;
}

void json_split_release(struct json_split *s)
{
	json_reader_release(&s->reader);
	buf_release(&s->rest);
}

static int no_json(struct json_split *s, size_t at, struct err *e)
{
	err_set(e, ERR_DATA, "element: not JSON at byte %zu", at);
	return err_in(e, "%s", s->what);
}

/* As much of an element as is there. */
static int element(struct json_split *s, struct str *in, struct err *e)
{
	enum json_read got = json_reader_add(&s->reader, in);

	if (s->reader.at > s->item_max)
		return err_set(e, ERR_DATA,
			       "an element of %s is larger than %zu bytes",
			       s->what, s->item_max);
	if (got == JSON_BROKEN)
		return no_json(s, s->reader.at, e);
	if (got == JSON_WHOLE)
		s->place = BEHIND_ITEM;
	return 0;
}

/* Between elements: what leads to the next, or ends the array. */
static int between(struct json_split *s, struct str *in, struct err *e)
{
	char c = in->p[0];

	if (str_chr(STR(BLANKS), c) >= 0) {
		*in = str_skip(*in, 1);
		return 0;
	}
	if (s->place == BEHIND_ITEM && c != ',' && c != ']')
		return no_json(s, s->reader.at, e);
	if (s->place == BEHIND_ITEM && s->each(s->ctx, s->reader.doc, e) < 0)
		return -1;
	json_reader_reset(&s->reader);
	if (c == ']') {
		buf_addc(&s->rest, c);
		s->depth--;
		s->ended = true;
	}
	/* the first is not behind a comma: a reader refuses that */
	if (s->place == BEHIND_ITEM || c == ']')
		*in = str_skip(*in, 1);
	s->place = c == ']' ? AROUND : IN_ITEM;
	return 0;
}

/* ---- around it ---- */

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

/* Around the array. */
static int outer_char(struct json_split *s, char c, unsigned own, struct err *e)
{
	bool begins = c == '[' && s->depth + 1 == own &&
		      (s->member != NULL ? s->named : !s->ended);

	if (s->member == NULL && !begins) {
		if (str_chr(STR(BLANKS), c) >= 0)
			return 0;
		err_set(e, ERR_PROTO, "something else than a list");
		return err_in(e, "%s", s->what);
	}
	buf_addc(&s->rest, c);
	if (begins)
		s->place = AT_FIRST;
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
	int rc = 0;

	while (rc == 0 && piece.n > 0) {
		char c = piece.p[0];

		if (s->place == IN_ITEM) {
			rc = element(s, &piece, e);
		} else if (s->place != AROUND) {
			rc = between(s, &piece, e);
		} else {
			piece = str_skip(piece, 1);
			if (s->in_string) {
				buf_addc(&s->rest, c);
				string_char(s, c);
			} else {
				rc = outer_char(s, c, own, e);
			}
		}
	}
	return rc < 0 ? -1 : buf_check(&s->rest, "what is not the list", e);
}
