#ifndef NODE_TREND_H
#define NODE_TREND_H

#include "node/figures.h"
#include "node/monitor.h"

/*
 * The last ten minutes of nodes, tasks and services, for plots: a point every
 * TREND_STEP_S seconds, made of two readings of the counters of figures.h.  A
 * point takes 2 bytes a series and is exact to a thousandth; what is not known
 * is a gap.  Who is not in the swarm any more is forgotten with the next step,
 * so that there is no more of it than the view has.
 *
 * A node speaks for itself only: of what its agent tells, those containers
 * count which the engine says are tasks on that very node.
 *
 * No I/O, no lock.
 */
#define TREND_STEP_S 10
#define TREND_POINTS 60

enum trend_series {
	TREND_CPU,    /* thousandths of one processor */
	TREND_MEMORY, /* KiB */
	TREND_RX,     /* bytes a second */
	TREND_TX,
	TREND_RUNNING, /* tasks; not of tasks */
	TREND_SERIES,
};

struct trends;
struct trends *trends_new(void);
void trends_free(struct trends *t);

/* A step begins, for what v has; then for each node that told something
 * trends_node, and the step ends, when services get the sum of their tasks. */
void trends_begin(struct trends *t, const struct monitor_view *v, int64_t now_s);
void trends_node(struct trends *t, const char *node, const struct figures *f);
void trends_end(struct trends *t);

/* One that did not answer, twice in a row, is asked every sixth step. */
void trends_missed(struct trends *t, const char *node);
bool trends_wants(struct trends *t, const char *node);

/* Number of the last step that ended, from 1; 0: none. */
uint64_t trends_step(const struct trends *t);

/*
 * As JSON, appended:
 *	{"n":STEP,"at":UNIX,"step":10,"now":{ID:[five],...}}	what is not as a
 *		step before, and what was not there then; null is a gap
 *	{"n":STEP,"at":UNIX,"step":10,"series":{ID:[[...],five of them],...}}
 *		all points of nodes and services, the oldest first, and the
 *		newest of tasks; with id (not empty) all of that one only
 * A step under way does not show.
 */
void trends_write_now(const struct trends *t, struct buf *out);
void trends_write(const struct trends *t, struct str id, struct buf *out);

/* How a point is kept: 11 bits and a power of two. */
#define TREND_NONE 0xffff
uint16_t trend_pack(int64_t v);	  /* below 0: TREND_NONE; too much: the most */
int64_t trend_unpack(uint16_t p); /* -1 of TREND_NONE */

#endif
