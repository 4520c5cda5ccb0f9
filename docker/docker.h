#ifndef DOCKER_DOCKER_H
#define DOCKER_DOCKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "http.h"

/*
 * The Docker Engine API over any stream: a unix socket on a node, a channel
 * of an SSH connection from elsewhere.  One kept-alive connection per struct
 * docker; not for two threads at once.
 *
 * Every function returns 0 or -1 with e set; what the engine refuses is
 * ERR_DOCKER with its own message, and d->status then tells its HTTP status
 * (404, 409, 503...).  An engine that cannot be reached is ERR_NET or
 * ERR_TIMEOUT, and d->status is 0.
 *
 * The engine's errors have no codes.  The one that is decided by gets ours:
 * DOCKER_OUT_OF_SEQUENCE is an update whose version is not the newest, because
 * somebody else wrote in between: read again and update that.
 *
 * Source: Docker Engine API reference, versions 1.40 to 1.51.
 */
#define DOCKER_OUT_OF_SEQUENCE "OutOfSequence"
#define DOCKER_API_MIN 40		     /* Docker 19.03 */
#define DOCKER_API_MAX 51		     /* the newest we have read about */
#define DOCKER_SOCKET "/var/run/docker.sock" /* where an engine listens */
#define DOCKER_ID_MAX 65 /* container IDs are 64 hex digits, others shorter */

struct docker {
	struct http_client http;
	const char *path;   /* of the unix socket, NULL with another dialer */
	unsigned api;	    /* 41 for 1.41; 0 before the first exchange */
	unsigned status;    /* of the last answer, 0 when there was none */
	int64_t timeout_ms; /* for one exchange */
	int64_t silence_ms; /* see docker_follow() */
	size_t most;	    /* bytes of an answer or an element; 0: as below */
	const char *auth;   /* X-Registry-Auth of what is asked; NULL: none */
};

/* How long an exchange may take unless d->timeout_ms is changed. */
#define DOCKER_TIMEOUT_MS 30000
/* The same of d->silence_ms, how long what is followed may be silent. */
#define DOCKER_SILENCE_MS 10000

void docker_init(struct docker *d, struct http_dialer dialer);
/* path is kept, and so is d's own address: d must not move afterwards. */
void docker_init_unix(struct docker *d, const char *path);
void docker_release(struct docker *d); /* a zeroed one, too */

/*
 * Ask /_ping and settle on a version: ours or the engine's, whichever is
 * older.  Done by the first call anyway; by itself it tells whether the
 * engine answers.
 */
int docker_hello(struct docker *d, struct err *e);

/*
 * One call.  path has no version ("/swarm"), body may be NULL.  doc gets the
 * answer when it is wanted (not NULL) and the answer has one; the caller frees
 * it.  An answer may have 1 MiB.
 */
int docker_call(struct docker *d, const char *method, const char *path,
		const cJSON *body, cJSON **doc, struct err *e);
/* The answer to a GET, which must be there; NULL with e.  Caller frees. */
cJSON *docker_get(struct docker *d, const char *path, struct err *e);

/*
 * Change the Spec of "/swarm" or of a node (docker_node_path): read, change,
 * write; begun again when somebody else wrote in between, five times at most.
 * change returns 1, 0 when it is so already and nothing is to be written, -1
 * with e.
 */
int docker_spec_update(struct docker *d, const char *path,
		       int (*change)(const void *ctx, cJSON *spec, struct err *e),
		       const void *ctx, struct err *e);
/* Once: the Spec of doc, for the version that doc was read of.  query: what
 * goes behind that, "" or "&...". */
int docker_spec_write(struct docker *d, const char *path, const cJSON *doc,
		      const char *query, struct err *e);
/* An object in it, "Labels" for one; empty where there was none. */
cJSON *docker_spec_part(cJSON *spec, const char *name);

/*
 * GET a list, however long, one element in memory at a time (256 KiB each at
 * most).  each returns -1 with e set to stop.
 */
int docker_each(struct docker *d, const char *path,
		int (*each)(void *ctx, const cJSON *item, struct err *e),
		void *ctx, struct err *e);

/* GET what is no JSON, in pieces, within d->timeout_ms. */
int docker_download(struct docker *d, const char *path,
		    int (*take)(void *ctx, struct str piece, struct err *e),
		    void *ctx, struct err *e);
/* An ID that an answer has at that place: what may go into a path. */
int docker_take_id(const cJSON *doc, const char *path, char to[DOCKER_ID_MAX],
		   struct err *e);

/* Append "?filters=..." for one filter, {"KEY":["VALUE"]}, percent-encoded. */
void docker_filter(struct buf *path, const char *key, const char *value);

/* ---- the engine and its swarm ---- */

enum docker_swarm_state {
	DOCKER_SWARM_UNKNOWN,
	DOCKER_SWARM_INACTIVE,
	DOCKER_SWARM_PENDING, /* joining, or looking for its managers */
	DOCKER_SWARM_ACTIVE,
	DOCKER_SWARM_ERROR,
	DOCKER_SWARM_LOCKED,
};

/* Where the engine knows managers of its swarm: numeric addresses, in no
 * order. */
#define DOCKER_MANAGERS_MAX 8
struct docker_managers {
	char addr[DOCKER_MANAGERS_MAX][48];
	unsigned n;
};

struct docker_info {
	enum docker_swarm_state state;
	bool manager;			/* ControlAvailable */
	char node_id[DOCKER_ID_MAX];	/* "" outside of a swarm */
	char cluster_id[DOCKER_ID_MAX]; /* managers only */
	char hostname[256];
	char version[64];	 /* "29.2.1" */
	char root[256];		 /* where it keeps all that it has */
	char error[256];	 /* what the engine says about its swarm */
	int64_t nodes, managers; /* managers only */
	struct docker_managers known;
};
int docker_info(struct docker *d, struct docker_info *info, struct err *e);
const char *docker_swarm_state_name(enum docker_swarm_state s);

/* What a swarm's engines talk to each other on; ours are Docker's own. */
#define DOCKER_PORT_MANAGER 2377 /* TCP, to managers */
#define DOCKER_PORT_GOSSIP 7946	 /* TCP and UDP, all to all */
#define DOCKER_PORT_VXLAN 4789	 /* UDP, all to all */

struct docker_init_spec {
	const char *listen;    /* NULL: every address, DOCKER_PORT_MANAGER */
	const char *advertise; /* our own address; NULL: the engine guesses */
	const char *addr_pool; /* "10.192.0.0/12", cut into /24; NULL: the engine's */
	unsigned data_path_port; /* 0: DOCKER_PORT_VXLAN */
	int64_t keep_snapshots;	 /* of the raft log */
	/* a manager whose majority is lost goes on alone, with all it knows */
	bool force_new_cluster;
};
int docker_swarm_init(struct docker *d, const struct docker_init_spec *s,
		      struct err *e);

/* advertise may be NULL; remote is "ADDRESS:PORT".  May take half a minute;
 * a join that did not finish in the engine's own time goes on in it. */
int docker_swarm_join(struct docker *d, const char *advertise,
		      const char *remote, const char *token, struct err *e);
int docker_swarm_leave(struct docker *d, bool force, struct err *e);

/* A join token, appended to out (burn it). */
int docker_swarm_token(struct docker *d, bool manager, struct buf *out,
		       struct err *e);
/* New ones for both: the ones of before let nobody in any more. */
int docker_swarm_rotate(struct docker *d, struct err *e);

/* Whether managers that start wait for the unlock key; and change that. */
int docker_autolock(struct docker *d, bool *on, struct err *e);
int docker_autolock_set(struct docker *d, bool on, struct err *e);
/* That key, "" when there is none, appended to out (burn it); and give it to an
 * engine that waits for it, which may take its time to find the others. */
int docker_unlock_key(struct docker *d, struct buf *out, struct err *e);
int docker_unlock(struct docker *d, const char *key, struct err *e);

/* ---- nodes ---- */

enum docker_node_state {
	DOCKER_NODE_UNKNOWN,
	DOCKER_NODE_DOWN,
	DOCKER_NODE_READY,
	DOCKER_NODE_DISCONNECTED,
};

enum docker_availability {
	DOCKER_ACTIVE,
	DOCKER_PAUSE,
	DOCKER_DRAIN,
};

/* The label of a node which has said that it goes; its value is the
 * availability that the node had before. */
#define DOCKER_LABEL_LEAVING "azswarm.leaving"
/* How far it is on its way out (node/evict.h), and the task that is to be
 * stopped on it so that it begins elsewhere. */
#define DOCKER_LABEL_EVICT "azswarm.evict"
#define DOCKER_LABEL_STOP "azswarm.stop"
/* The version of this program there. */
#define DOCKER_LABEL_PROGRAM "azswarm.version"
/* What it goes without (node/lacks.h). */
#define DOCKER_LABEL_LACKS "azswarm.lacks"
/* A hash of the files that make its machine (node/files.h). */
#define DOCKER_LABEL_FILES "azswarm.files"

struct docker_node {
	char id[32];
	char hostname[64];
	char addr[48];
	char created[40]; /* as the engine writes it; see docker_newer */
	enum docker_node_state state;
	enum docker_availability availability;
	bool manager; /* by its role */
	bool raft;    /* has a manager's status: one of raft's members */
	bool leader;
	bool reachable;			 /* as a manager */
	bool leaving;			 /* carries DOCKER_LABEL_LEAVING */
	enum docker_availability before; /* that, when leaving */
	char evict[160];  /* value of DOCKER_LABEL_EVICT, or "" */
	char stop[32];	  /* value of DOCKER_LABEL_STOP, or "" */
	char program[32]; /* value of DOCKER_LABEL_PROGRAM, or "" */
	char lacks[32];	  /* value of DOCKER_LABEL_LACKS, or "" */
	char files[20];	  /* value of DOCKER_LABEL_FILES, or "" */
	char engine[32];  /* version of its engine, "20.10.24", or "" */
};
/* Nodes the list may have; more are an error. */
#define DOCKER_NODES_MAX 2000

/* Up to DOCKER_NODES_MAX nodes; *nodes is the caller's to free. */
int docker_nodes(struct docker *d, struct docker_node **nodes, size_t *n,
		 struct err *e);
/* id: an ID, a unique name, or "self". */
int docker_node(struct docker *d, const char *id, struct docker_node *node,
		struct err *e);
/* One element of the node list (or the answer for one node). */
int docker_node_read(const cJSON *doc, struct docker_node *node, struct err *e);
/* Whether a was created after b. */
bool docker_newer(const struct docker_node *a, const struct docker_node *b);
/*
 * Whether a is what b's machine has become: of the same name, role and
 * address, created after it, and Ready.  A name alone is what any worker may
 * say of itself; without a name or an address nothing is the same.
 */
bool docker_supersedes(const struct docker_node *a, const struct docker_node *b);
const char *docker_node_state_name(enum docker_node_state s);
const char *docker_availability_name(enum docker_availability a);

/* What is NULL stays as it is. */
struct docker_node_change {
	const char *availability; /* "active", "pause", "drain" */
	/* NULL, or the availability stays when it is not this one any more */
	const char *from;
	const char *role; /* "worker", "manager" */
	/* the first without a name ends them; a value of NULL removes one */
	struct {
		const char *name, *value;
	} labels[4];
};
/* docker_spec_update, of a node. */
int docker_node_update(struct docker *d, const char *id,
		       const struct docker_node_change *c, struct err *e);
int docker_node_remove(struct docker *d, const char *id, bool force,
		       struct err *e);
void docker_node_path(struct buf *path, const char *id);

/* ---- tasks, containers, networks ---- */

/* Stop the container of a task that runs on this very engine, with its own
 * grace period; one that is not there is stopped. */
int docker_task_stop(struct docker *d, const char *task, struct err *e);

/*
 * The bridge by which a swarm's containers reach the world, docker_gwbridge,
 * with this MTU.  The engine makes it at init or join when it is not there,
 * with 1500; so this comes before.  One whose MTU somebody has chosen stays,
 * and so does one that is in use, which is an error.
 */
int docker_gateway(struct docker *d, unsigned mtu, struct err *e);

/*
 * The ingress network as wanted: subnet and MTU (0: whatever).  Recreated when
 * it differs, which only works while no service publishes a port; the engine
 * removes the old one in its own time, so this waits for it until the deadline.
 * *changed (may be NULL) tells whether something was done.
 */
int docker_ingress(struct docker *d, const char *subnet, unsigned mtu,
		   int64_t deadline_ms, bool *changed, struct err *e);

#endif
