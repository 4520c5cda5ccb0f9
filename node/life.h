#ifndef NODE_LIFE_H
#define NODE_LIFE_H

#include <stdbool.h>

#include "docker/docker.h"
#include "node/marker.h"

/*
 * The life of a cluster as one of its machines sees it: what it remembers on its
 * own disk, what the marker in the storage account says (node/marker.h), and what
 * follows: who may found a swarm, and who has to leave one for another.
 */

/* On the disk of helper or agent; all zero on a new machine. */
struct life {
	/* what this machine calls itself in the marker, "": it never tried */
	char founder[MARKER_FOUNDER_LEN + 1];
	bool founded; /* and it did found: never again */
	/* the swarm that it is in, or was last, its node there, and the how
	 * manieth swarm of the cluster that is; "", "", 0: none yet */
	char cluster[DOCKER_ID_MAX];
	char node[DOCKER_ID_MAX];
	unsigned generation;
};

/* LIFE_FILE in the folder dir.  A file that is missing is a new machine; one
 * that cannot be understood is an error, means nothing of the kind, and leaves l
 * all zero. */
#define LIFE_FILE "life.json"
int life_load(const char *dir, struct life *l, struct err *e);
/* Written through to the disk when this returns 0. */
int life_save(const char *dir, const struct life *l, struct err *e);

/* ---- the marker in the storage account ---- */

#define LIFE_STORAGE_MS 8000 /* what a look or a try takes at most */

enum life_known {
	LIFE_UNKNOWN, /* the storage account does not tell, e says why */
	LIFE_NONE,    /* nobody has founded */
	LIFE_MARKED,
};
/* url: node_config.marker_url.  No message shows its query. */
enum life_known life_look(const char *url, struct marker *m, struct err *e);

enum life_made {
	LIFE_NOT_TOLD, /* it may be there or not: to be looked at; e says why */
	LIFE_TAKEN,    /* somebody else's is there */
	LIFE_MADE,
};
/* The one request that no two can both have the answer LIFE_MADE to. */
enum life_made life_make(const char *url, const struct marker *m, struct err *e);

/* ---- deciding, without I/O ---- */

enum life_step {
	LIFE_WAIT,
	LIFE_MARK,  /* make the marker, and found when it is ours */
	LIFE_FOUND, /* it is ours, and we did not come to it: found */
};
/* For a master in no swarm, when no other has one either.  m: when LIFE_MARKED. */
enum life_step life_step(const struct life *l, enum life_known known,
			 const struct marker *m);

/*
 * Why a master waits: what the marker says, what is lost if the swarm is, and
 * what an operator can do.  masters: how many there are to be; now_s: Unix time.
 */
void life_why(const struct life *l, enum life_known known, const struct marker *m,
	      unsigned masters, int64_t now_s, struct buf *out);

/*
 * Whether the swarm that this master manages is the one that the marker means:
 * of that ID, and either made by this very machine, or by the operator and with
 * no other manager in it, which is what beginning anew by force leaves.
 * name: this machine's; alone: it is raft's only member.
 */
bool life_means(const struct marker *m, const char *cluster, const char *name,
		bool alone);

/* What a helper tells of the swarm it speaks for. */
struct life_told {
	const char *cluster; /* "": it does not tell, as those before 0.2.1 */
	unsigned generation; /* 0: likewise */
};
/* By its answer, which has to stay. */
struct life_told life_told_of(const cJSON *doc);
/* Whether that is the swarm before the one that the marker means; e says so then.
 * m: all zero where it was not read. */
bool life_is_before(const struct life_told *t, const struct marker *m,
		    struct err *e);

enum life_verdict {
	LIFE_SAME,  /* our swarm, or there is nothing to tell it by: believed */
	LIFE_NEWER, /* a later one: true if the marker says so */
	LIFE_OTHER, /* of another life or an older one: not believed */
};
enum life_verdict life_weigh(const struct life *l, const struct life_told *t);

/* Behind the path of a question to a helper: the latest swarm that is known, which
 * is the marker's when that is newer; it may be zero. */
void life_add_query(const struct life *l, const struct marker *m,
		    struct buf *target);

/* Whether the marker bears out that t is later than what l knows. */
bool life_proves(const struct life *l, const struct life_told *t,
		 const struct marker *m);

#endif
