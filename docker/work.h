#ifndef DOCKER_WORK_H
#define DOCKER_WORK_H

#include "docker/docker.h"

/*
 * What a swarm is asked to run and what runs: services and their tasks, as
 * far as moving machines about has to know them.
 */
#define DOCKER_SERVICES_MAX 2000
#define DOCKER_TASKS_MAX 50000
#define DOCKER_CONSTRAINTS_MAX 8

struct docker_service {
	char id[32];
	char name[64];
	bool global;
	bool job;	   /* replicated-job, global-job: not looked at */
	bool balance;	   /* not labelled azswarm.rebalance=false */
	bool bound;	   /* has a volume or a bind mount of its node */
	uint64_t replicas; /* wanted; of a replicated service */
	uint64_t per_node; /* most on one node, 0: any number */
	unsigned grace_s;  /* from SIGTERM to SIGKILL; Docker's 10 by default */
	unsigned n_constraints; /* one more than the maximum: too many to judge */
	char constraints[DOCKER_CONSTRAINTS_MAX][96];
	/* tasks that run, and that should; -1: nobody asked (docker_services) */
	int64_t running, desired;
};

struct docker_task {
	char id[32];
	char service[32];
	char node[32]; /* "" while none was found */
	bool wanted;   /* it is to run */
	bool running;  /* it does */
	bool ended;    /* and will not begin again */
};

struct docker_work {
	struct docker_service *services;
	size_t n_services;
	struct docker_task *tasks;
	size_t n_tasks;
};
/* All of it.  0 or -1; docker_work_release(w) either way. */
int docker_work_read(struct docker *d, struct docker_work *w, struct err *e);
void docker_work_release(struct docker_work *w);
/*
 * The services alone, and how many tasks of each run, as the engine counts
 * them: however many tasks there are, it is one answer.  Engines before API
 * 1.41 do not count.  As docker_work_read().
 */
int docker_work_services(struct docker *d, struct docker_work *w, struct err *e);
/* By id; NULL when it is not there. */
const struct docker_service *docker_work_service(const struct docker_work *w,
						 const char *id);

/*
 * Whether that node may run it: Ready, active, not on its way out, and by the
 * constraints, as far as they are about name, ID and role; what is asked of
 * labels may be so.
 */
bool docker_service_may_run(const struct docker_service *s,
			    const struct docker_node *node);
/* As many tasks run as should. */
bool docker_service_whole(const struct docker_work *w,
			  const struct docker_service *s);

/*
 * A task too many: Swarm moves nothing when a node comes, so the spread of a
 * service over the nodes that may run it can differ by two and more.  False
 * when it does not, and for services of one task, global ones, jobs, those
 * that are not whole and those labelled azswarm.rebalance=false.
 */
struct docker_surplus {
	const struct docker_node *from, *to; /* fullest, emptiest */
	const struct docker_task *task;	     /* on the fullest */
};
bool docker_work_surplus(const struct docker_work *w,
			 const struct docker_node *nodes, size_t n_nodes,
			 const struct docker_service *s,
			 struct docker_surplus *out);

/* One element of /services and of /tasks. */
int docker_service_read(const cJSON *doc, struct docker_service *s, struct err *e);
int docker_task_read(const cJSON *doc, struct docker_task *t, struct err *e);

#endif
