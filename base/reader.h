#ifndef BASE_READER_H
#define BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/*
 * One JSON value read as it arrives, in one pass: each byte is looked at once,
 * whatever the pieces are, and of what nobody wants nothing is made.  The
 * grammar is held to everywhere, also there: json_parse() says how strictly.
 *
 * A reader is { 0 } at first, and takes one value after the other.
 */
#define JSON_DEPTH_MAX 128
/* Paths that a reader can be told to want. */
#define JSON_WANTED_MAX 31

struct json_reader {
	/*
	 * Paths of what is wanted, dotted names as in json_at() but without
	 * [i]: the items of an array go by its own path.  What is at them is
	 * kept whole, of what leads there only the way.  NULL at the end; NULL
	 * itself: everything.
	 */
	const char *const *want;
	cJSON *doc; /* what was kept: the caller's, once the value is whole */
	size_t at; /* bytes of it so far; when it is no JSON, where that shows */

	/* private */
	int state;
	unsigned depth;
	struct json_level {
		cJSON *list;   /* what is kept of it */
		uint32_t want; /* paths that lead through it */
		uint32_t skip; /* characters of each that led there */
		bool object;
	} levels[JSON_DEPTH_MAX + 1];
	uint32_t value_want, value_skip; /* of the value that comes */
	char *name;			 /* its name */
	bool is_name, kept;		 /* the string that is read */
	struct buf text; /* of a string or number, where the piece has not all */
	size_t end, mark; /* of the piece; of what is wrong only as a whole */
	const char *rest; /* of a word */
	unsigned hex_digits, hex, high;
	unsigned tail, low, limit; /* of a UTF-8 character */
};

enum json_read {
	JSON_MORE,   /* all was taken */
	JSON_WHOLE,  /* the value is: what follows it was not taken */
	JSON_BROKEN, /* no JSON at byte r->at */
};

/* For a new value; memory is kept. */
void json_reader_reset(struct json_reader *r);
/* Take from the front of *in.  After JSON_WHOLE or JSON_BROKEN it is reset
 * before the next. */
enum json_read json_reader_add(struct json_reader *r, struct str *in);
/* Nothing follows, which only now ends a number.  JSON_WHOLE or JSON_BROKEN. */
enum json_read json_reader_end(struct json_reader *r);
void json_reader_release(struct json_reader *r); /* burns what it still has */

#endif
