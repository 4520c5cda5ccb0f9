#ifndef SWARM_PORTS_H
#define SWARM_PORTS_H

#include "docker/docker.h"
#include "swarm/swarm.h"

/*
 * Ports follow: rules and probes of the agents' load balancer and their security
 * group are what the swarm publishes.
 */

/* Before services are made or changed: specs, an array of their bodies.  Adds what
 * they publish and Azure lets nobody in by; says so; nothing with PUBLISH=off. */
int ports_open(struct session *s, struct docker *d, const cJSON *specs,
	       struct err *e);
/* After services went or were changed: takes away what nobody publishes any more, of
 * what is ours. */
int ports_close(struct session *s, struct docker *d, struct err *e);

#endif
