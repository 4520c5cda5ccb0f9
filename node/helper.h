#ifndef NODE_HELPER_H
#define NODE_HELPER_H

/*
 * What the helper's own files share: helper.c keeps the swarm and starts,
 * founding.c finds one to keep, helper_answer.c takes the requests, helper_row.c
 * has those about one row of the node table.  Nobody else includes this.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "docker/docker.h"
#include "http.h"
#include "node/auth.h"
#include "node/budget.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/evictor.h"
#include "node/life.h"
#include "node/spread.h"
#include "node/table.h"
#include "tls/tls.h"

#define HELPER_BODY_MAX 1024
#define HELPER_ENGINE_MS 15000 /* one exchange with Docker */
#define HELPER_NO_SWARM "there is no swarm here yet"

enum helper_counted {
	HELPER_COUNT_REQUESTS,
	HELPER_COUNT_REFUSED,
	HELPER_COUNT_LIMITED,
	HELPER_COUNT_TOKENS,
	HELPER_COUNT_DRAINS,
	HELPER_COUNT_REMOVED,
	HELPER_COUNT_DEMOTED,
	HELPER_COUNT_RESTORED,
	HELPER_COUNT_FAILED_PASSES,
	HELPER_COUNT_BROKEN,
	HELPER_COUNTS,
};

/* The keeper's own, for founding.c. */
struct founding {
	struct life life;
	bool unread; /* what is on the disk cannot be: nothing is founded */
	/* the marker, as of the last look */
	enum life_known known;
	struct marker marker;
	struct err why;	   /* it is not known */
	int64_t look_ms;   /* when it is to be looked at next */
	int64_t looked_ms; /* and was last */
	unsigned failures; /* of looking, in a row */
	struct complaint complaint, unsaved;
	int64_t silence_ms; /* without a marker: since when nobody had a swarm */
	struct docker_managers masters; /* that the engine knew last */
	/* while our own swarm may have lost us */
	int64_t lost_since_ms, lost_asked_ms;
	unsigned lost_said;
	/* while our own engine waits for the unlock key */
	int64_t unlock_ms;	 /* when the others are asked for it next */
	unsigned unlock_refused; /* keys of theirs that it did not take */
	struct err unlock_why;	 /* they told none */
};

struct helper {
	struct node_config config;
	char name[65]; /* this machine's */
	struct tls_identity *identity;
	struct auth auth;
	unsigned self; /* our index among the masters, or LAYOUT_MASTERS_MAX */
	atomic_ullong counts[HELPER_COUNTS];

	struct budget budget;

	/* held by who reads the table for all who wait; before the next one */
	pthread_mutex_t reading;
	atomic_uint readers; /* that wait for it, or read */

	/* for what follows; not held while Docker is asked */
	pthread_mutex_t lock;
	pthread_cond_t kick;
	bool kicked;
	bool active;		     /* a manager of a swarm, as of good_ms */
	int64_t good_ms;	     /* last good pass, 0: none yet */
	char cluster[DOCKER_ID_MAX]; /* whose, and of which generation */
	unsigned generation;
	bool look; /* somebody knows of a newer one: the marker is to be read */
	struct docker_node *nodes;
	size_t n_nodes;
	int64_t nodes_ms; /* when they began to be read; 0: never */
	int64_t wrote_ms; /* when we last wrote a row: older ones are not true */
	struct table table;
	struct evictor evictor;

	/* the keeper's own */
	struct spread spread;
	struct docker docker;
	struct complaint complaint;
	struct founding founding;
	char told[512]; /* systemd, of how it stands */
	bool told_active;
	unsigned ingress_tries;
	uint64_t labels_seen; /* of the nodes that have got theirs */
};

/* The engine, for a thread of its own; docker_release(d). */
void helper_engine(const struct helper *h, struct docker *d);
void helper_count(struct helper *h, enum helper_counted c);
/* A row of the table was written: nothing read before counts, and the keeper
 * looks at once. */
void helper_wrote(struct helper *h);
/* The keeper looks at once. */
void helper_kick(struct helper *h);
/* Take over a list of nodes that began to be read at began_ms; with the lock. */
void helper_publish(struct helper *h, struct docker_node *nodes, size_t n,
		    int64_t began_ms);

/* ---- finding a swarm to keep (founding.c); the keeper's ---- */

void founding_begin(struct helper *h);
/* The engine is in no swarm: join another master's, or found one.  0 when it is
 * in one then; -1 with e, which says what is waited for. */
int founding_seek(struct helper *h, struct err *e);
/* The engine manages a swarm: which one, for the next start. */
void founding_note(struct helper *h, const struct docker_info *info);
/* The engine is in a swarm, active: manages it.  -1 with e when the cluster has
 * begun anew elsewhere; then nobody is to be told of the one here. */
int founding_moved(struct helper *h, const struct docker_info *info,
		   bool active, struct err *e);
/* The engine is in a swarm and does not manage it, which e says: does the swarm
 * still know it?  Always -1. */
int founding_lost(struct helper *h, const struct docker_info *info, struct err *e);
/* The engine waits for its swarm's unlock key: where masters share it, another
 * one tells it.  Always -1, with e. */
int founding_unlock(struct helper *h, struct err *e);

/* ---- answering (helper_answer.c) ---- */

struct helper_call {
	struct helper *h;
	struct http_exchange *x;
	enum auth_result auth;
	struct auth_caller caller;
	enum budget_for pays;
	char addr[DAEMON_ADDRESS_MAX];
	bool local;	 /* on the unix socket: for any node */
	struct str rest; /* of the path, behind the route's own */
};

/* For struct http_server: over TLS, and on the unix socket. */
void helper_handle(void *ctx, struct http_exchange *x);
void helper_handle_local(void *ctx, struct http_exchange *x);

/* doc is taken over, and burnt: it may hold a token. */
void helper_answer_doc(struct http_exchange *x, unsigned status, cJSON *doc);
void helper_answer_error(struct http_exchange *x, unsigned status,
			 const char *text);
/* Which swarm this speaks for: "cluster" and "generation". */
void helper_add_life(struct helper *h, cJSON *doc);
/* Whether it is the one that the caller says it is in, or a newer one; when not it
 * is answered with 503, so that he asks another master. */
bool helper_speaks_for(struct helper_call *c);
/* The engine's refusals are not the caller's fault. */
void helper_answer_err(struct http_exchange *x, const struct err *e);

/* ---- requests about a row (helper_row.c) ---- */

void helper_do_node(struct helper_call *c);
void helper_do_evict(struct helper_call *c);
void helper_do_evict_progress(struct helper_call *c);
void helper_do_return(struct helper_call *c);
void helper_do_left(struct helper_call *c);
void helper_do_nodes(struct helper_call *c);
void helper_do_health(struct helper_call *c);
void helper_do_stop(struct helper_call *c);

#endif
