/*
 * Any bytes as JSON: the reader has the judge's verdict, and names the same
 * byte; its tree is cJSON's; neither depends on the pieces in which the text
 * came; and what is left out is all that nobody wanted.
 *
 * The first byte says how large the pieces are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "tests/json_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const want[] = { "a", "b.a", "b.b.c", "value.n", NULL };

/* Alike in all that json.h shows. */
static bool alike(const cJSON *a, const cJSON *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next) {
		if ((a->type & 0xff) != (b->type & 0xff) ||
		    (a->string == NULL) != (b->string == NULL) ||
		    (a->string != NULL && strcmp(a->string, b->string) != 0))
			return false;
		if (cJSON_IsString(a) &&
		    strcmp(a->valuestring, b->valuestring) != 0)
			return false;
		if (cJSON_IsNumber(a) && a->valuedouble != b->valuedouble)
			return false;
		if (!alike(a->child, b->child))
			return false;
	}
	return a == NULL && b == NULL;
}

/* Take out of a whole tree what is at none of the paths.  path: that of v,
 * with a dot behind it. */
static void prune(cJSON *v, const char *path)
{
	cJSON *c, *next;

	for (c = v->child; c != NULL; c = next) {
		char *below = cJSON_IsArray(v) ?
				      xstrdup(path) :
				      xasprintf("%s%s.", path, c->string);
		bool whole = false, way = false;

		next = c->next;
		for (const char *const *w = want; *w != NULL; w++) {
			char *dotted = xasprintf("%s.", *w);

			whole |= strcmp(dotted, below) == 0;
			way |= strncmp(dotted, below, strlen(below)) == 0;
			free(dotted);
		}
		if (!whole && !way)
			cJSON_Delete(cJSON_DetachItemViaPointer(v, c));
		else if (!whole)
			prune(c, below);
		free(below);
	}
}

static bool dotted_name(const cJSON *v)
{
	for (; v != NULL; v = v->next)
		if ((v->string != NULL && strchr(v->string, '.') != NULL) ||
		    dotted_name(v->child))
			return true;
	return false;
}

/* NULL where it is no JSON, *at says where then. */
static cJSON *read_in_pieces(struct str text, size_t piece,
			     const char *const *wanted, size_t *at)
{
	/* memory of just that size, so that one byte too far is seen */
	struct json_reader r = { .want = wanted };
	enum json_read got = JSON_MORE;
	size_t taken = 0;
	cJSON *doc = NULL;

	json_reader_reset(&r);
	while (got == JSON_MORE && taken < text.n) {
		struct str some = str_head(str_skip(text, taken), piece), in;
		char *copy = xmalloc(some.n);

		memcpy(copy, some.p, some.n);
		in = (struct str){ copy, some.n };
		got = json_reader_add(&r, &in);
		taken += some.n - in.n;
		if (got == JSON_MORE && in.n > 0)
			abort();
		free(copy);
	}
	if (got == JSON_MORE)
		got = json_reader_end(&r);
	*at = got == JSON_WHOLE ? taken : r.at;
	while (got == JSON_WHOLE && *at < text.n)
		if (str_chr(STR(" \t\r\n"), text.p[*at]) >= 0)
			++*at;
		else
			got = JSON_BROKEN;
	if (got == JSON_WHOLE) {
		doc = r.doc;
		r.doc = NULL;
	}
	json_reader_release(&r);
	return doc;
}

static void whole_text(struct str text, bool right, size_t at)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(text, "x", &e);
	char *where = xasprintf("x: not JSON at byte %zu", at);

	if ((doc != NULL) != right || (!right && strcmp(e.msg, where) != 0))
		abort();
	free(where);
	json_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct str text = { (const char *)data, size };
	size_t piece, at, our_at, some_at;
	cJSON *theirs, *ours, *some;
	bool right;

	if (!begun)
		json_init();
	begun = true;
	if (size == 0)
		return 0;
	piece = 1 + data[0] % 40;
	text = str_skip(text, 1);
	right = judge_text(text, &at);
	whole_text(text, right, at);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		return 0; /* json_parse()'s affair */
	ours = read_in_pieces(text, piece, NULL, &our_at);
	some = read_in_pieces(text, piece, want, &some_at);
	if ((ours != NULL) != right || our_at != at || some_at != at)
		abort();
	if (right) {
		theirs = cJSON_ParseWithLength(text.p, text.n);
		/* it reads no numbers of more than 63 characters */
		if (theirs != NULL && !alike(theirs, ours))
			abort();
		json_free(theirs);
		if (!dotted_name(ours)) {
			prune(ours, "");
			if (!alike(ours, some))
				abort();
		}
	} else if (some != NULL) {
		abort();
	}
	json_free(ours);
	json_free(some);
	return 0;
}
