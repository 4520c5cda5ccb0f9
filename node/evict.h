#ifndef NODE_EVICT_H
#define NODE_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "docker/docker.h"
#include "docker/work.h"

/*
 * The one way out: how a node leaves service and nobody who uses one notices.
 *
 *	ASKED	waits for its turn; nothing has happened
 *	QUIET	its agent answers 503, and the load balancer lets go of it
 *	DRAIN	it takes no tasks; the old ones end here and begin elsewhere
 *	OUT	nothing runs here that anybody would miss
 *
 * Where a node stands is kept as a label of the node, so it outlives the
 * helper and a change of leader; whoever leads goes on from there.  A node
 * that is not gone when its time is up takes part again.  Decisions are made
 * here from what was seen; seeing and doing are the helper's.  No I/O.
 */
#define EVICT_TEXT_MAX 160

/*
 * Azure asks every 5 s and lets go after two answers that are no 200; what it
 * had already sent on gets 5 s more.
 */
#define EVICT_PROBE_S 5
#define EVICT_QUIET_PROBES 3
#define EVICT_QUIET_S (EVICT_QUIET_PROBES * EVICT_PROBE_S)
/* As long an agent may take to answer 503; then its machine is not reached. */
#define EVICT_TELL_S 75
#define EVICT_LIMIT_S 120 /* DRAIN_LIMIT, unless services want longer */
#define EVICT_LIMIT_MAX_S 3600
#define EVICT_GRACE_MORE_S 15 /* than the longest stop grace period */
/* A node that is out and is not taken away takes part again after as long. */
#define EVICT_HOLD_S 900

enum evict_stage {
	EVICT_NONE,
	EVICT_ASKED,
	EVICT_QUIET,
	EVICT_DRAIN,
	EVICT_OUT
};
/* Who wants it.  A machine that goes down does so whether we agree or not:
 * it waits for no turn. */
enum evict_by { EVICT_BY_OPERATOR, EVICT_BY_EVENT, EVICT_BY_SHUTDOWN };

struct evict {
	enum evict_stage stage;
	enum evict_by by;
	int64_t since_s;  /* the stage began, Unix time */
	int64_t until_s;  /* back in service by then, Unix time */
	unsigned limit_s; /* for DRAIN */
	bool cut;	  /* the limit passed before all was elsewhere */
};

/* From a label's value; false, and ev is EVICT_NONE, when it is not one. */
bool evict_read(struct str text, struct evict *ev);
/* The value, appended; at most EVICT_TEXT_MAX. */
void evict_write(const struct evict *ev, struct buf *b);
const char *evict_stage_name(enum evict_stage s); /* "quiet" */
const char *evict_by_name(enum evict_by by);	  /* "operator" */
bool evict_by_read(struct str name, enum evict_by *by);

/* A new one.  limit_s 0: the usual; over the maximum: that. */
struct evict evict_begin(enum evict_by by, unsigned limit_s, int64_t now_s);

/*
 * Asked for once more while old is on its way: the second joins the first.  A
 * machine that goes takes over what the operator wanted of it, from the stage
 * that it is in and with its own time; the operator never shortens that.
 */
struct evict evict_join(const struct evict *old, const struct evict *ev);

/* Its turn has come: quiet, with all of its time before it. */
struct evict evict_granted(const struct evict *ev, int64_t now_s);

/* What was seen of a node that is on its way. */
struct evict_facts {
	bool ready;	  /* in the node table */
	unsigned probe_s; /* the load balancer asks as often; 0: Azure's */
	int64_t quiet_s; /* since when its probe has failed, Unix time; 0: it has not */
	unsigned here;	  /* tasks on it that have not ended */
	unsigned missing; /* tasks that its services lack elsewhere */
	unsigned grace_s; /* longest stop grace period of what runs here */
};

enum evict_step {
	EVICT_STAY,
	EVICT_MOVE,   /* *next says where to */
	EVICT_RETURN, /* its time is up: back into service */
};
/*
 * One node's next step.  ASKED never moves here; evict_grant() says who may.
 * EVICT_MOVE to EVICT_DRAIN means: set its availability; the operator's limit
 * is then made as long as what runs there was promised, and somewhat more.
 */
enum evict_step evict_next(const struct evict *ev, const struct evict_facts *f,
			   int64_t now_s, struct evict *next);

/* A node as far as taking turns goes. */
struct evict_turn {
	bool manager;
	bool reachable; /* as a manager, by the others */
	bool serving;	/* Ready and active */
	bool last;	/* a service runs on it and on none that stays */
	struct evict evict;
};
/*
 * Which of those that wait may begin, the one that waits longest first.  At
 * most a quarter of the nodes are on their way at once, and none that is the
 * last one of a service while others are; but one alone always may.  A manager
 * goes alone, and only when those that stay and are reachable are a majority of
 * all (the only one always is allowed to).  A shutdown waits for nobody, nor
 * does an event of a worker.  Index into turns, or n when nobody may.
 */
size_t evict_grant(const struct evict_turn *turns, size_t n);

/* ---- what the services say ---- */

struct evict_load {
	unsigned here; /* tasks on the node that have not ended */
	unsigned missing; /* that its services lack on other nodes, which may run them */
	unsigned grace_s; /* longest stop grace period of what runs there */
};
/*
 * What node has to lose: from the services, the tasks and the nodes of the
 * swarm.  names (may be NULL) gets a line for each service that will be
 * noticed when the node is drained, and why: it has one task, it runs once on
 * every node, or no other node may run it.
 *
 * Source: Docker's "Placement constraints" (docs.docker.com, docker service
 * create); SwarmKit's drain, which ends the old task before the new one runs.
 */
void evict_load(const struct docker_work *w, const struct docker_node *nodes,
		size_t n_nodes, const struct docker_node *node,
		struct evict_load *load, struct buf *names);

#endif
