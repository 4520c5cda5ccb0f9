#ifndef NODE_MARKER_H
#define NODE_MARKER_H

#include <stdint.h>

#include "base/buf.h"

/*
 * The marker of a cluster's life: one small blob in its storage account, which
 * says that the swarm has been founded, by whom, and the how manieth swarm it is.
 * Whoever makes the blob first founds; nobody founds twice.  An operator's
 * `recover` or `restore` is a new generation: what belongs to an older one
 * leaves it and joins the new one.
 *
 *	{"founder": "HEX", "by": "master0", "at": 1790000000,
 *	 "generation": 1, "cluster": ""}
 */
#define MARKER_MAX 2048 /* bytes; more is none of ours */
#define MARKER_FOUNDER_LEN 32
#define MARKER_GENERATIONS 1000000

struct marker {
	/* random hex digits that its maker wrote to its own disk before */
	char founder[MARKER_FOUNDER_LEN + 1];
	char by[64]; /* the machine or the operator, for people */
	int64_t at;  /* Unix time */
	unsigned generation;
	char cluster[64]; /* the swarm's ID; "" where the founder could not know */
};

/* A founder's: random, of generation 1, made now by that name. */
void marker_init(struct marker *m, const char *by);
void marker_print(const struct marker *m, struct buf *out);
/* ERR_DATA when text is no marker; by and cluster hold printable ASCII only. */
int marker_parse(struct str text, struct marker *m, struct err *e);

#endif
