#ifndef SWARM_AUDIT_H
#define SWARM_AUDIT_H

#include "swarm/session.h"

/*
 * The audit trail: who did what when, and how it ended, a line of JSON for each
 * command that changed something, in an append blob a month.  Nobody can write
 * but at its end.
 */
#define AUDIT_LINE_MAX 4096 /* whatever stands in it: all goes in as one line */

struct audit {
	int64_t began, ended; /* Unix time */
	const char *who, *as; /* "alice@jump", and whom Azure knows */
	const char *typed;    /* "scale-agents 5" */
	const char *outcome;  /* "done", "failed", "interrupted", ... */
	const char *error;    /* NULL: none */
	int status;	      /* the exit code */
};
/* One line, with its end. */
void audit_line(const struct session *s, const struct audit *a, struct buf *line);
/* Put it behind the trail of the month that began is in. */
int audit_append(struct session *s, struct str line, int64_t began, struct err *e);

#endif
