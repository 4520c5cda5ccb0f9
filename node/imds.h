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
struct imds_times {   /* milliseconds */
	int64_t look; /* between two questions */
	int64_t first; /* longest wait for the answer that turns the feature on */
	int64_t usual; /* for any other; doubled after each that did not come */
	int64_t going; /* and on the way out, which goes on without an answer */
	int64_t stays; /* after an event has begun, a machine without one stays */
};

struct imds {
	const struct node_config *config;
	struct imds_times times;
	/* what the agent's other threads look at: while it is set the node is
	 * unhealthy, and joins no swarm */
	atomic_bool away;

	/* of the thread that watches */
	struct ask ask;
	pthread_t thread;
	bool runs;
	char machine[128]; /* its name in Azure; "" while not known */
	bool answered;	   /* it has, once */
	enum events_way way;
	char node_id[DOCKER_ID_MAX]; /* which is taken out; "": not known yet */
	char approved[EVENTS_MAX][64]; /* the oldest is forgotten first */
	size_t n_approved;
	bool begun;		/* an event was approved, or had started */
	int64_t quiet_since_ms; /* nothing is announced any more; 0: something is */
	int64_t deadline_ms; /* when it happens, whatever we do; 0: not known */
};

/* The usual times; nothing runs yet.  c is kept. */
void imds_init(struct imds *m, const struct node_config *c);
/* Start watching; without "metadata_host" in the configuration nothing is. */
int imds_start(struct imds *m, struct err *e);
/* After interrupt_request(). */
void imds_stop(struct imds *m);

#endif
