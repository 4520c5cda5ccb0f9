#ifndef SWARM_STATUS_H
#define SWARM_STATUS_H

#include "swarm/price.h"
#include "swarm/survey.h"

/*
 * What status shows: a text for people, one object for programs.  Both are made
 * from what was read, and nothing else.
 */
struct status {
	const char *const *names, *const *values; /* of the sign-in; NULL-ended,
						     NULL: not to be shown */
	const char *group, *storage_group, *account;
	const struct survey *v; /* NULL: nothing was read */
	bool publish_off;	/* PUBLISH=off: nobody misses a rule */
	/* what that costs; NULL: no_price says why it is not known, or nothing is
	 * there to be paid for */
	const struct price *price;
	const struct err *no_price;
	/* host names of machines that are not what a new one would get, a comma
	 * between them, and how many; NULL: none, or it is not known */
	const char *drift;
	size_t n_drift;
	int64_t addresses_end; /* see params_end_soon() */
};

#define STATUS_ROWS 20 /* of nodes and of services, in the text */

/* Lines to out, foreign text made printable. */
void status_text(const struct status *st, FILE *out);
/* The caller frees. */
cJSON *status_json(const struct status *st);

/*
 * Text for a terminal of that size, written over what stands there: lines are
 * cut, and of those for which there is no room it is said how many.  Zeros: as
 * large as it has to be.
 */
void status_frame(struct str text, size_t rows, size_t columns, struct buf *out);

#endif
