#ifndef SWARM_MARKER_H
#define SWARM_MARKER_H

#include "node/marker.h"
#include "swarm/session.h"

/*
 * The marker of a cluster (node/marker.h), from the operator's side.  A cluster's
 * life is a random name that `params` gives it while it has no master; its masters
 * carry it as a tag, so that whoever deploys next finds it.
 */
#define MARKER_TAG "azswarm-life"

/* "BLOB_CONTAINER/cluster-GROUP-LIFE".  Caller frees. */
char *marker_blob(const struct session *s, const char *life);
/* That of the cluster that is there: what its masters carry, else what
 * parameters/ has; NULL in *life: neither has one.  Caller frees. */
int marker_life(struct session *s, char **life, struct err *e);
/* Before what marker_raise() ends: there is a life, and storage tells of it; else
 * -1, for whoever comes back would hear of nothing.  *there: the marker is; where
 * not, the machines are of before there were any. */
int marker_known(struct session *s, bool *there, struct err *e);
/* That of a cluster that is to be deployed: the same while there are masters, or
 * while nobody has founded; else a new one.  Caller frees. */
int marker_life_next(struct session *s, char **life, struct err *e);
/* *there: somebody has founded, and m says who.  etag: for marker_write(), at
 * least MARKER_ETAG_MAX long; NULL: not wanted. */
#define MARKER_ETAG_MAX 80
int marker_look(struct session *s, const char *life, struct marker *m,
		bool *there, char *etag, struct err *e);
/* Write it: unless it is there (etag NULL), or in place of that one.  ERR_AZURE
 * with the code "MarkerChanged" when somebody was faster. */
int marker_write(struct session *s, const char *life, const struct marker *m,
		 const char *etag, struct err *e);
/*
 * The operator's word that the swarm of that ID is the cluster's from now on, as
 * a new generation; what belongs to another leaves it.  by: a person or a command.
 * ERR_DATA where the cluster has no life: `upgrade` gives it one.
 */
int marker_raise(struct session *s, const char *cluster, const char *by,
		 unsigned *generation, struct err *e);
/* Forget the founding of the life in parameters/, when its machines are gone.  0
 * also when there is none. */
int marker_forget(struct session *s, struct err *e);
/*
 * ERR_DATA when the deployment of these parameters makes every master anew in a
 * life whose swarm has been founded: they would wait for the operator's word.
 * 0 also when storage does not tell, which is said: machines ask for themselves.
 */
int marker_fresh(struct session *s, const cJSON *parameters, struct err *e);

#endif
