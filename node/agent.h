#ifndef NODE_AGENT_H
#define NODE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "docker/docker.h"

/*
 * What an agent decides, from what it sees.  No I/O: the agent looks, asks
 * here, and does it.
 */

/* The last answer of a helper about this machine's own node. */
enum agent_says {
	AGENT_SAYS_NOTHING, /* no helper answered, or none was asked yet */
	AGENT_SAYS_UNKNOWN, /* no such node in the swarm */
	AGENT_SAYS_NODE,    /* the fields below */
};

struct agent_view {
	bool master;	 /* this machine is a master: its helper joins */
	bool leave_runs; /* `agent leave` is at work, or done */
	bool engine;	 /* Docker answers */
	enum docker_swarm_state state;
	bool manager;	     /* by the engine */
	const char *node_id; /* by the engine; "" in no swarm, and in an error */
	const char *joined_id; /* which we joined as since the machine booted, or "" */
	int64_t unsettled_ms; /* for how long state has been neither active nor inactive */
	bool full;	      /* no room where Docker keeps its data */
	unsigned lacks; /* node/lacks.h */
	bool confirmed; /* the managers have said once that this node is ready */
	int64_t doubted_ms; /* and for how long they have said since that it is not */
	bool heard; /* the last question was answered for our swarm (node/life.h) */
	bool moved; /* and the cluster has begun anew, where this node is not */
	enum agent_says says;
	/* of node_id, when AGENT_SAYS_NODE: */
	bool says_manager;
	bool says_ready;
	bool says_active;  /* its availability, or paused for want of room */
	bool says_leaving; /* on its way out, past waiting for its turn */
	bool says_down;	   /* because its machine was to go down */
	bool says_own; /* that, or because of an event: not for the operator */
};

enum agent_step {
	AGENT_STAY, /* nothing to do */
	AGENT_JOIN,
	AGENT_LEAVE, /* and join again: the next look says so */
};
/* *why (never NULL) is a phrase for the journal. */
enum agent_step agent_decide(const struct agent_view *v, const char **why);

/*
 * Whether the load balancer may send here; *why is for the answer's body.
 *
 * The managers' word is needed once, after a join.  From then on a machine is
 * well while its own engine is, for a manager that restarts or has just begun
 * to lead doubts every node for seconds, and all of them answering 503 at
 * once would be an outage of everything.  A doubt counts after a minute.
 */
#define AGENT_DOUBT_MS 60000
bool agent_healthy(const struct agent_view *v, const char **why);

/* How long a join that goes on in the engine is left alone. */
#define AGENT_UNSETTLED_MS 20000

/* Wait before try n (from 0) after a failure: 2 s, then random between 2 s and
 * a bound that doubles up to 30 s. */
int64_t agent_backoff_ms(unsigned n);

#endif
