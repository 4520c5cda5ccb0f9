#ifndef NODE_ROWS_H
#define NODE_ROWS_H

#include "base/buf.h"

/*
 * A table of what is told as JSON objects, each beginning {"id":"...", and what
 * differs between two readings of it.  No I/O.
 */
struct rows {
	struct buf text; /* the objects, comma-separated */
	size_t *at;	 /* where each begins */
	size_t n;
};

void rows_init(struct rows *r, size_t max);
void rows_release(struct rows *r);
/* Begins another row: an open brace is in r->text, the id is to follow. */
void rows_next(struct rows *r);

/*
 * What makes `was` to `now`, appended: {"gone":[ids],"rows":[objects]}, the
 * objects whole, of those that are new or differ.  The order of rows is not
 * told, and of two with one id only the last counts.
 */
void rows_diff(const struct rows *was, const struct rows *now, struct buf *out);

#endif
