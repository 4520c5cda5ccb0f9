#ifndef NODE_IMDS_H
#define NODE_IMDS_H

#include <pthread.h>
#include <stdatomic.h>

#include "docker/docker.h"
#include "node/ask.h"
#include "node/events.h"

/*
 * A machine's way through what Azure announces to it: asks the metadata
 * service every second, takes the node out of service when the machine is to
 * go, and tells Azure then that it need not wait.  A service that is away, or
 * answers nonsense, does nothing to the node.
 *
 * Source: "Azure Metadata Service: Scheduled Events for Linux VMs"
 * (learn.microsoft.com): the first answer may take two minutes, for it turns
 * the feature on, and after a day without a question it is off again.
 */
struct imds {
	const struct node_config *config;
	/* what the agent's other threads look at: while it is set the node is
	 * unhealthy, and joins no swarm */
	atomic_bool away;

	/* of the thread that watches */
	struct ask ask;
	pthread_t thread;
	bool runs;
	char machine[128]; /* its name in Azure; "" while not known */
	enum events_way way;
	char node_id[DOCKER_ID_MAX]; /* which was taken out */
	char approved[EVENTS_MAX][64];
	size_t n_approved;
	int64_t quiet_since_s; /* nothing is announced any more */
	int64_t deadline_ms; /* when it happens, whatever we do; 0: not known */
};

/* Start watching; without "metadata_host" in the configuration nothing is. */
int imds_start(struct imds *m, const struct node_config *c, struct err *e);
void imds_stop(struct imds *m);

#endif
