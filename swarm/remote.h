#ifndef SWARM_REMOTE_H
#define SWARM_REMOTE_H

#include "docker/docker.h"
#include "ssh/ssh.h"
#include "swarm/keys.h"
#include "swarm/session.h"

/*
 * A machine of the cluster, reached over SSH with the keys that `keys` made:
 * a master directly, any other node through one.
 */
struct remote {
	struct session *s;
	struct ssh *ssh;
	char *name;  /* "master0" */
	char *fqdns; /* of all public addresses, a blank behind each */
	struct keys keys;
	struct ssh_key *key;  /* NULL: an agent signs */
	struct docker docker; /* the Engine there, see remote_docker */
	bool has_docker;
};

/* Sign in to the first master that answers.  0 or -1; release r either way. */
int remote_open(struct session *s, struct remote *r, struct err *e);
/* The same again after the connection broke (r from remote_open). */
int remote_reopen(struct remote *r, struct err *e);
/* The Ready node that a host name or an address means.  None, and several of
 * one name, are ERR_USAGE. */
struct remote_node {
	char address[64];
	bool manager;
};
int remote_find(struct docker *d, const char *name, struct remote_node *node,
		struct err *e);
/*
 * Sign in to another node through the master r: by host name, or by address.
 * *out is closed with ssh_close() before r is released.
 */
int remote_hop(struct remote *r, const char *node, struct ssh **out,
	       struct err *e);
void remote_release(struct remote *r);

/* The Engine on that machine, through a channel to its socket.  Lives as long as r. */
struct docker *remote_docker(struct remote *r);

#endif
