#ifndef NODE_TABLE_H
#define NODE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "docker/docker.h"

/*
 * Which rows of the swarm's node table are true no more.  A decision is made
 * from the table, what is remembered of it and the time; doing it is the
 * helper's.  No I/O.
 */

enum table_action {
	TABLE_KEEP,
	TABLE_REMOVE, /* Down, and not to be waited for */
	TABLE_DEMOTE, /* superseded, and one of raft's: removed in a later pass */
	TABLE_RESTORE, /* said that it goes and did not: as it was before */
};
enum table_why {
	TABLE_NO_REASON,
	TABLE_DOWN_TOO_LONG,
	TABLE_SUPERSEDED, /* see docker_supersedes */
	TABLE_ANNOUNCED,  /* it said that it goes, and went */
	TABLE_QUORUM,	  /* kept: demoting it would cost the majority */
	TABLE_STAYED,	  /* it said that it goes, and is still here */
};
/* What the engine's table does not tell: since when. */
struct table_memory {
	char id[32];
	int64_t down_since_ms;	  /* 0: not Down */
	int64_t leaving_since_ms; /* 0: not leaving */
	bool left;		  /* said that it is gone */
	bool seen;
	bool demoted; /* was to be, while Down */
	enum table_why demoted_for;
};
struct table {
	struct table_memory *rows;
	size_t n;
	int64_t grace_ms; /* a Down node is kept as long */
	int64_t leave_ms; /* a node that said that it goes is gone by then */
};
void table_init(struct table *t, int64_t grace_ms, int64_t leave_ms);
void table_release(struct table *t);

struct table_verdict {
	enum table_action action;
	enum table_why why;
};

/*
 * One pass: v[i] is for nodes[i].  No member of raft goes by time alone, however
 * long it is away: it comes back as the same one.  Never more than one demotion
 * a pass, and only while the other managers that can be reached are a majority.
 */
void table_decide(struct table *t, const struct docker_node *nodes, size_t n,
		  int64_t now_ms, struct table_verdict *v);

/* The node said that it has left; remembered until its row is gone. */
void table_left(struct table *t, const char *id);

/*
 * Whether a helper may say that it keeps the table: a manager of a swarm whose
 * last good pass, at good_ms (0: none yet), is younger than TABLE_FRESH_MS.
 */
#define TABLE_FRESH_MS 45000
bool table_is_kept(bool manager, int64_t good_ms, int64_t now_ms);

/* "it said that it goes, and went" */
const char *table_why_text(enum table_why w);

#endif
