#ifndef BASE_SPLIT_H
#define BASE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reader.h"

/*
 * A JSON document taken apart as it arrives: the elements of one array are
 * handed over when they are complete, one in memory at a time, however long
 * the list is.  What is around them is kept, for the parser.
 *
 * Elements are JSON, or refused; whether the rest is, the caller asks
 * json_parse().
 */
struct json_split {
	/* Of these, the caller sets all before json_split_reset(). */
	const char *member; /* name of the array in the document's object; NULL: the
				   document is the array, and anything beside it refused */
	const char *what; /* the list, for messages: "Docker's list" */
	/* Gets each element, and borrows it; -1 with e set ends it. */
	int (*each)(void *ctx, const cJSON *item, struct err *e);
	void *ctx;
	const char *const *want; /* of an element, as a reader's */
	size_t item_max;	 /* bytes of one element */
	struct buf rest; /* with that of what is left: {"value":[],"nextLink":...} */
	/* read only */
	bool ended; /* the array did */
	/* private */
	struct json_reader reader;
	int place;
	unsigned depth; /* of open brackets around the list */
	bool in_string, escaped;
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
