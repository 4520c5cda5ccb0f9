#ifndef SWARM_TARGET_H
#define SWARM_TARGET_H

#include "docker/docker.h"

/*
 * A service or a task, as somebody calls it: a service by its name, by its ID
 * or the beginning of that; a task by its ID or the beginning of that, by its
 * whole name, or as SERVICE.SLOT (of a global service: SERVICE.NODE, a node's
 * ID), which is the one that runs there, or did last.
 */
struct target {
	char service[DOCKER_ID_MAX]; /* its ID */
	char name[64];		     /* of the service */
	int64_t replicas;	     /* wanted; 1 of a global one */
	bool tty;		     /* its tasks have a terminal */
	/* of the task, when it is one that was called; else task is "" */
	char task[DOCKER_ID_MAX];
	char node[DOCKER_ID_MAX]; /* "" while it has none */
	char container[DOCKER_ID_MAX];
	int64_t slot; /* 0 of a global service */
	bool running;
	char state[16]; /* "running", "failed" */
};

/* ERR_USAGE when there is none of that name, with the one that was meant or
 * those that there are; ERR_DOCKER in the engine's own words. */
int target_find(struct docker *d, const char *word, struct target *t,
		struct err *e);
/* A task that runs, of a service that was called: the first by its slot.
 * ERR_DATA when none does. */
int target_pick(struct docker *d, struct target *t, struct err *e);

#endif
