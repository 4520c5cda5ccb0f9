#ifndef NODE_SPREAD_H
#define NODE_SPREAD_H

#include "docker/docker.h"
#include "docker/work.h"

/*
 * REBALANCE=auto: Swarm moves nothing when a node comes, so the helper of the
 * master that leads does, once the nodes that may take tasks have been the
 * same for a while.  One surplus task at a time is stopped where there are
 * most (its node's agent does it, told by a label of the node), the next only
 * when its service has its number again.
 *
 * What is remembered may be forgotten: a move that somebody else began, the
 * leader before or an operator, is seen by its label and followed to its end.
 */
#define SPREAD_SETTLE_MS 30000
/* For a task to end, with its grace period, and to begin elsewhere. */
#define SPREAD_MOVE_MS 300000
/* Services that a move does not even out, for what we cannot see. */
#define SPREAD_GIVEN_UP_MAX 32

struct spread {
	uint64_t nodes;	  /* which may take tasks: a hash of their IDs */
	int64_t since_ms; /* they have been those */
	bool even;	  /* and there was nothing to move since */
	/* the move under way, "": none */
	char task[32], service[32], node[32];
	int64_t began_ms;
	size_t had; /* tasks of the service on that node when it began */
	char given_up[SPREAD_GIVEN_UP_MAX][32];
	size_t n_given_up;
};

struct spread_step {
	enum spread_do {
		SPREAD_NONE,
		SPREAD_STOP,  /* have node's agent stop task */
		SPREAD_CLEAR, /* that is done, or it took too long */
	} what;
	const struct docker_node *node;
	const struct docker_task *task;	      /* of SPREAD_STOP */
	const struct docker_service *service; /* NULL: not there any more */
	bool late;			      /* of SPREAD_CLEAR */
};

/* False when a look at services and tasks would change nothing.  now_ms: of
 * the monotonic clock. */
bool spread_wants(struct spread *s, const struct docker_node *nodes, size_t n,
		  int64_t now_ms);
/* What to do now; remembers it as done.  No I/O.  Pointers are into nodes and
 * work. */
struct spread_step spread_next(struct spread *s,
			       const struct docker_node *nodes, size_t n,
			       const struct docker_work *work, int64_t now_ms);

/* One pass of the leader's helper.  *busy is set when the next should come
 * soon, *acted when a row was written.  0 or -1. */
int spread_pass(struct spread *s, struct docker *d,
		const struct docker_node *nodes, size_t n, bool *busy,
		bool *acted, struct err *e);

#endif
