#ifndef SWARM_SURVEY_H
#define SWARM_SURVEY_H

#include "docker/work.h"
#include "swarm/instances.h"
#include "swarm/ports.h"
#include "swarm/remote.h"

/*
 * What there is of the cluster, read once: what Azure has, and what the swarm
 * says of itself, over SSH through the first master that can.
 *
 * Each part that is not there says why, and is no failure of the others:
 * no_machines and its like are ERR_NONE when the part was read, ERR_DATA when
 * there is nothing to be read (nothing is deployed, machines on paper, no
 * keys, all masters off), anything else when it could not be.
 */
struct survey_group {
	bool there;
	char *location;
	char *state; /* "Succeeded", "Deleting" */
};

struct survey_address {
	char *name, *address, *fqdn; /* "" where Azure has none yet */
};

struct survey {
	struct survey_group compute, storage;

	/* of the compute group */
	struct err no_machines;
	bool paper;		  /* the machines exist on paper */
	struct instances masters; /* without an id */
	struct instances agents;
	struct survey_address *addresses; /* public ones */
	size_t n_addresses;
	struct masters reach; /* those of the masters; survey_swarm takes them */
	char *balancer;	      /* "agents-lb", NULL: there is none */
	char *ports;	      /* what it listens on, "80 81 53/udp" */
	cJSON *rules;	      /* it, as Azure has it */
	bool range; /* it has a range of addresses to go out by, too */

	/* of the storage group */
	struct err no_storage;
	char *account_sku; /* "Standard_LRS"; its name is session's */

	/* what the swarm says; a master has an engine that is a manager */
	struct err no_swarm;
	struct remote remote; /* stays open until survey_release() */
	bool remote_used;
	struct docker_node *nodes;
	size_t n_nodes;
	struct docker_work work; /* services, no tasks */
	struct ports_book published;
	/* what those masters are at that run and are no managers there, or not
	 * reachable; looked at now and then */
	enum remote_at at[LAYOUT_MASTERS_MAX];
	int64_t looked_ms[LAYOUT_MASTERS_MAX];
};

/*
 * What Azure has.  Asks for both groups, the public addresses, the load
 * balancer, the storage account, the scale set's machines (a request for each
 * page), and each master, of whose power no list tells: 7 requests and one for
 * each further page and master; 2 when nothing is deployed.
 *
 * 0; or -1 with e: interrupted, or the first part that there is and that could
 * not be read.  The others were.  v is all zero the first time; again and
 * again, and survey_release() in the end, whatever the result.
 */
int survey_azure(struct session *s, struct survey *v, struct err *e);
/*
 * What the swarm says, after survey_azure(); again and again, with one
 * connection for all.  As above; a master or an engine that does not answer is
 * in no_swarm alone.
 */
int survey_swarm(struct session *s, struct survey *v, struct err *e);
/* Masters of the swarm, of which more than half have to be reachable. */
struct survey_quorum {
	size_t managers, reachable;
	const char *leader; /* v's; NULL: none */
};
struct survey_quorum survey_quorum(const struct survey *v);
/* What is the matter with that one of v->masters, where the swarm was read and
 * does not reach it as a manager, and what mends it; NULL: nothing is. */
const char *survey_missing(const struct survey *v, size_t master, char mend[120]);
/* Whether the group is there, and in another region than LOCATION. */
bool survey_elsewhere(struct session *s, const struct survey_group *g);
void survey_release(struct survey *v);

#endif
