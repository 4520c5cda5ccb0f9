#ifndef BASE_SPLIT_H
#define BASE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/*
 * A JSON document taken apart as it arrives: the elements of one array are
 * handed over when they are complete, one in memory at a time, however long
 * the list is.  What is around them is kept, for the parser.
 *
 * This only finds the elements, by quotes and brackets; whether each is JSON,
 * json_parse() tells, and whether the rest is, the caller asks it.
 */
struct json_split {
	/* Of these, the caller sets all before json_split_reset(). */
	const char *member; /* name of the array in the document's object; NULL: the
				   document is the array, and anything beside it refused */
	const char *what; /* the list, for messages: "Docker's list" */
	/* Gets each element; -1 with e set ends it. */
	int (*each)(void *ctx, const cJSON *item, struct err *e);
	void *ctx;
	struct buf item; /* with the ceiling of one element */
	struct buf rest; /* with that of what is left: {"value":[],"nextLink":...} */
	/* read only */
	bool ended; /* the array did */
	/* private */
	unsigned depth; /* of open brackets */
	bool in_string, escaped, in_array;
	bool named; /* the string last seen around the array is member, so far */
	size_t matched; /* characters of it */
};

/* For a new document; memory is kept. */
void json_split_reset(struct json_split *s);
/* Take the next piece.  -1: e is set, by each() or because an element is not
 * JSON or too large, or there is too much or something else beside the list. */
int json_split_add(struct json_split *s, struct str piece, struct err *e);
void json_split_release(struct json_split *s);

#endif
