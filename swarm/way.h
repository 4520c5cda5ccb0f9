#ifndef SWARM_WAY_H
#define SWARM_WAY_H

#include "swarm/remote.h"

/*
 * Machines out of service and back, as the helper on a master does it
 * (node/evict.h): asked through SSH with the helper's socket behind, or of
 * that socket itself on a master.
 */
struct way {
	struct session *s;
	struct remote remote;
	bool here;	      /* on a master: no SSH */
	struct docker docker; /* the engine here */
	struct http_client http;
	cJSON *addresses; /* of machines by host name, NULL: not known */
	bool new_ones;	  /* who is waited for was never there before */
	/* why there is no helper to ask; then every step is passed over */
	struct err none;
};

/*
 * 0 with a way; also, with w->none set, when no master can be reached or
 * there are no keys: what is to be done with the machines can be done, but
 * they are not drained.  -1 when a master is not the one it should be.
 * way_close() either way.
 */
int way_open(struct session *s, struct way *w, struct err *e);
/* The same through a connection to a master that there is: r is taken over. */
void way_take(struct session *s, struct way *w, struct remote *r);
void way_close(struct way *w);
bool way_there(const struct way *w);
/* Say that the swarm cannot be asked, and what follows of that. */
void way_warn(const struct way *w, const char *follows);
/* The Engine of that master.  Lives as long as w. */
struct docker *way_docker(struct way *w);

/* The helper's table, for the caller to free; 0 or -1. */
int way_nodes(struct way *w, cJSON **nodes, struct err *e);
/* The row of that host in it: a manager's before a worker's, a Ready one before
 * others; NULL: none. */
const cJSON *way_row(const cJSON *nodes, const char *host);

/* Ask for these hosts' way out, in DRAIN_LIMIT, and say what will be noticed.
 * One that is no node any more is passed over. */
int way_begin(struct way *w, const char *const *hosts, size_t n, struct err *e);
/* Wait until all of them are out, saying each one's stages.  Bounded by the
 * helper's own limits.  Interrupted it says that they go on, and what to do. */
int way_out(struct way *w, const char *const *hosts, size_t n, struct err *e);
/* One back into service that was not taken away. */
int way_return(struct way *w, const char *host, struct err *e);
/*
 * Wait until these hosts are nodes again, Ready and active, with a healthy
 * probe twice, 5 s apart: the load balancer has them then.  before: the table
 * as it was, whose rows of machines that are made anew (fresh) do not count.
 * ERR_DATA naming who did not come back within limit_ms.
 */
int way_back(struct way *w, const char *const *hosts, size_t n,
	     const cJSON *before, bool fresh, int64_t limit_ms, struct err *e);
#define WAY_BACK_MS (15 * 60000)
/* Where machines that are no nodes now are: host name -> address.  For
 * way_back() to say how far they are; taken over. */
void way_set_addresses(struct way *w, cJSON *addresses);

/* Have the agent of node stop that task; NULL: none any more. */
int way_stop_task(struct way *w, const char *node, const char *task,
		  struct err *e);

#endif
