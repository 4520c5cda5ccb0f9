#ifndef SWARM_REMOTE_H
#define SWARM_REMOTE_H

#include "docker/docker.h"
#include "node/layout.h"
#include "ssh/ssh.h"
#include "swarm/keys.h"
#include "swarm/session.h"

/*
 * A machine of the cluster, reached over SSH with the keys that `keys` made:
 * a master directly, any other node through one.
 */
#define REMOTE_FQDNS_MAX 8192
struct masters {
	char *name[LAYOUT_MASTERS_MAX], *address[LAYOUT_MASTERS_MAX];
	size_t n;
	struct buf fqdns; /* of all public addresses, a blank behind each */
	char *balancer;	  /* the address of services, NULL: none */
};

struct remote {
	struct session *s;
	struct masters masters; /* as Azure told them, once */
	struct ssh *ssh;
	char *name; /* "master0" */
	struct keys keys;
	struct ssh_key *key;  /* NULL: an agent signs */
	bool has_keys;	      /* keys and key are read */
	bool alone;	      /* the connection is not to be kept */
	bool shared;	      /* it is one that is */
	struct docker docker; /* the Engine there, see remote_docker */
	bool has_docker;
};

/* Sign in to the first master that answers, or use a connection that is kept
 * (share_join).  0 or -1; release r either way.  ERR_DATA for machines that exist
 * on paper. */
int remote_open(struct session *s, struct remote *r, struct err *e);
/* The same, over a connection that is nobody else's: for what stays long. */
int remote_open_alone(struct session *s, struct remote *r, struct err *e);
/* The same, where Azure told the addresses already: known, which is taken over
 * once the keys are read. */
int remote_open_known(struct session *s, struct remote *r,
		      struct masters *known, struct err *e);
/* For azure_list(), of public addresses: those that are masters'. */
int remote_take_master(void *masters, const cJSON *ip, struct err *e);
/* ERR_NET when there is no connection, because making it again has failed. */
int remote_check(const struct remote *r, struct err *e);
void remote_masters_release(struct masters *m);
/* On to the next master that answers.  ERR_DATA: there is none. */
int remote_next(struct remote *r, struct err *e);
/*
 * The same, of the first master whose engine is a manager of a swarm that has
 * a leader.  Waits for that, at most limit_ms, saying how far each master is
 * (booting, installing Docker, forming the swarm); ERR_TIMEOUT then.  ERR_DATA
 * at once for machines that exist on paper.
 */
int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e);
#define REMOTE_SWARM_MS (15 * 60000)
/* Whether that machine, with its instanceView, exists on paper, in a local
 * Azure; and whether the cluster's do. */
bool remote_says_paper(const cJSON *vm);
#define REMOTE_PAPER \
	"these machines exist on paper; 'azswarm emulator --machines nspawn' " \
	"makes real ones"
int remote_on_paper(struct session *s, bool *paper, struct err *e);
/* What Azure told of master0, the session's: asked once, for what is looked at is
 * never changed.  A JSON null when there is none; NULL with e. */
const cJSON *remote_first_machine(struct session *s, struct err *e);
/* Whether that is why no swarm can be asked, and not an interrupt or a machine
 * that is not the one it should be. */
bool remote_is_away(const struct err *why);
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
 * Sign in to another node through the master r: by host name, or by address;
 * one that is Ready before one that is not; an agent that is no node, yet or any
 * more, by the address that Azure knows.  *out is closed with ssh_close() before
 * r is released.
 */
int remote_hop(struct remote *r, const char *node, struct ssh **out,
	       struct err *e);
/* The same, of a machine whose address is known; name: for messages. */
int remote_hop_to(struct remote *r, const char *name, const char *address,
		  bool manager, struct ssh **out, struct err *e);
void remote_release(struct remote *r);

/* The Engine on that machine, through a channel to its socket.  Lives as long as r. */
struct docker *remote_docker(struct remote *r);
void remote_drop_docker(struct remote *r); /* it is connected anew then */

/* ---- a connection that is kept (swarm/share.c) ---- */

/* The path of a socket there for what, of this cluster (its host key, and where
 * Azure has it) and of who signs in to it.  Caller frees; NULL with e. */
char *share_path(const struct session *s, const char *what, struct err *e);
/* Is there a connection to this cluster that another command left?  Then r has
 * it, and which masters there are.  Never with --no-share or SHARE_SSH=false. */
bool share_join(struct remote *r);
/* Leave r's connection, which is new, to a process in the background for a
 * minute, and use it from there.  Where that cannot be, it stays as it is.
 * false: that process did not come up, and there is no connection any more. */
bool share_begin(struct remote *r);
/* In a child, behind fork(): of the command's files and connections only these
 * stay, for somebody may wait for the end of a pipe. */
void remote_close_others(const int *kept, size_t n);

#endif
