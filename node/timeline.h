#ifndef NODE_TIMELINE_H
#define NODE_TIMELINE_H

#include "node/monitor.h"

/*
 * What happened: the difference of two readings of the engine, in words.  The
 * last TIMELINE_MAX of it are kept, numbered from 1.  A time is that of the
 * reading that showed it, and what came and went between two of them did not
 * happen.  No I/O, no lock.
 */
#define TIMELINE_MAX 200

struct timeline_event {
	int64_t at;	  /* Unix time */
	const char *kind; /* "joined", "drained": a word that is ours */
	char who[64];	  /* a node's or a service's name */
	char text[200];
};
struct timeline {
	uint64_t n; /* number of the newest; 0: none */
	struct timeline_event events[TIMELINE_MAX];
};

/* was NULL, or never filled: now is the first, and nothing happened. */
void timeline_take(struct timeline *t, const struct monitor_view *was,
		   const struct monitor_view *now);

/* Those after number `seen` as a JSON array, the oldest first, appended. */
void timeline_write(const struct timeline *t, uint64_t seen, struct buf *out);

#endif
