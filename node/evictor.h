#ifndef NODE_EVICTOR_H
#define NODE_EVICTOR_H

#include <pthread.h>

#include "node/evict.h"

/*
 * Who takes the nodes out: the helper of the master that leads.  Looks at the
 * node table, the services and the machines' probes, lets evict.h decide, and
 * writes the labels.  What is remembered here may be forgotten without harm:
 * a change of leader begins the load balancer's time anew.
 */
struct evictor_row {
	char id[32];
	int64_t quiet_s; /* since when its probe has failed; 0: it has not */
	bool looked;	 /* load is of the last pass */
	struct evict_load load;
	bool seen;
};

struct evictor {
	unsigned health_port;
	unsigned probe_s; /* see struct evict_facts */
	size_t first; /* whom the next pass asks first: the time is bounded */
	pthread_mutex_t lock; /* for the rows */
	struct evictor_row *rows;
	size_t n;
};

void evictor_init(struct evictor *v, unsigned health_port);
void evictor_release(struct evictor *v);
/* Another master leads: what was seen is of no use any more. */
void evictor_forget(struct evictor *v);

/*
 * One pass.  nodes: the table as just read.  *busy is set when somebody is on
 * the way, so that the next pass comes soon; *acted when the table is not true
 * any more.  One that cannot be done does not hold up the others: -1 with the
 * first cause.
 */
int evictor_pass(struct evictor *v, struct docker *d,
		 const struct docker_node *nodes, size_t n, bool *busy,
		 bool *acted, struct err *e);

/* What the last pass saw of a node's tasks; false: nothing, or another master
 * leads. */
bool evictor_load(struct evictor *v, const char *id, struct evict_load *load);

/* Write how far a node is, and, once it is past waiting for its turn, what it
 * was before; availability "drain" or NULL. */
int evictor_set(struct docker *d, const struct docker_node *node,
		const struct evict *ev, const char *availability, struct err *e);
/* Back into service as it was before, and no label left. */
int evictor_return(struct docker *d, const struct docker_node *node,
		   struct err *e);

#endif
