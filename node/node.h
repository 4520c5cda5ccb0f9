#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/err.h"

/*
 * What runs on the machines of a cluster.  config is the path of node.json
 * (LAYOUT_NODE_JSON in node/layout.h).
 * All return 0, or -1 with e set.
 */

/* The helper of a master: founds the swarm, hands out join tokens, keeps the
 * node table true.  Returns when asked to stop (SIGTERM, SIGINT). */
int helper_run(const char *config, struct err *e);

/* The agent of every node: joins for ever, tells its health, and has this
 * program as an image, tagged version, for the node's engine.  Returns when
 * asked to stop; the node stays in the swarm then. */
int agent_run(const char *config, const char *version, struct err *e);

/* Beside a running agent, before it is stopped: unhealthy, drained, gone.
 * Ends within LAYOUT_STOP_S, whether a master answers or not.  A manager stays in the
 * swarm that it manages. */
int agent_leave(const char *config, struct err *e);

#endif
