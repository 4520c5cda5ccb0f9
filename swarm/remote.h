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

/* What a look found a master at. */
enum remote_at {
	REMOTE_UNKNOWN, /* nobody looked */
	REMOTE_WORKS,
	REMOTE_SILENT,	   /* SSH does not answer */
	REMOTE_STRANGE,	   /* it does, and does not let us in */
	REMOTE_NO_ENGINE,  /* Docker does not answer */
	REMOTE_OUTSIDE,	   /* the engine is in no swarm */
	REMOTE_LOST,	   /* it is, and does not find the others */
	REMOTE_WORKER,	   /* it is, and no manager */
	REMOTE_LEADERLESS, /* it is a manager, and there is no leader */
	REMOTE_LOCKED,	   /* it waits for `unlock` */
	REMOTE_NO_HELPER,  /* the helper does not answer, or cannot */
	REMOTE_AT_COUNT
};
/* "the swarm has no leader" */
const char *remote_at_words(enum remote_at at);

struct remote;
/* Whether the master that r is connected to can do what is wanted, asked with
 * that much patience; *at: what it is at, when not. */
typedef bool remote_works(struct remote *r, int64_t limit_ms, void *ctx,
			  enum remote_at *at);

struct remote {
	struct session *s;
	struct masters masters; /* as Azure told them, once */
	enum remote_at at[LAYOUT_MASTERS_MAX];
	char said[256]; /* by a helper without a swarm: what the operator has to do */
	remote_works *works; /* NULL: the engine is a manager's, remote_engine */
	void *ctx;	     /* for works */
	const char *only;    /* to that master, whatever it is at; NULL: any */
	bool must;	     /* one that works, or none */
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

/*
 * Sign in to a master, or use a connection that is kept (share_join): to the
 * first of them that works.  Where there are several, each is given two to three
 * seconds, and one that does not answer at once has the next beside it; which
 * it became is said when it is not the first.  When none works, to the first
 * that lets us in, and what each is at is said: there a shell is wanted most.
 * 0 or -1; release r either way.  ERR_DATA for machines that exist on paper.
 */
int remote_open(struct session *s, struct remote *r, struct err *e);
/* The same, over a connection that is nobody else's: for what stays long. */
int remote_open_alone(struct session *s, struct remote *r, struct err *e);
/* The same, to the master of that name alone, whatever its engine says; any, for
 * a name that is no master's, or NULL. */
int remote_open_named(struct session *s, struct remote *r, const char *name,
		      struct err *e);
/* The same, to one for which works holds; when there is none, -1 with what each
 * of them is at (remote_why). */
int remote_open_for(struct session *s, struct remote *r, remote_works *works,
		    void *ctx, struct err *e);
/* That, where Azure told the addresses already: known, which is taken over once
 * the keys are read.  When none works, r is connected to one all the same, if any
 * lets us in. */
int remote_open_known(struct session *s, struct remote *r, struct masters *known,
		      remote_works *works, void *ctx, struct err *e);
/* Asked again of the master that r is connected to: ERR_NET when it works no
 * more.  And what it was at when it was last asked. */
int remote_still_works(struct remote *r, struct err *e);
enum remote_at remote_is_at(const struct remote *r);
/* What each master was at when last looked at, and what to do about it: ERR_DATA,
 * or ERR_DOCKER where that is an engine's matter. */
int remote_why(const struct remote *r, struct err *e);
/* Whether there is a swarm, which may be about to have a leader again. */
bool remote_may_lead(const struct remote *r);
/* For works: the engine there is a manager of a swarm with a leader. */
remote_works remote_engine;
/* What an engine is at that could not tell its nodes: *why. */
enum remote_at remote_engine_at(struct docker *d, const struct err *why);
/* For azure_list(), of public addresses: those that are masters'. */
int remote_take_master(void *masters, const cJSON *ip, struct err *e);
/* ERR_NET when there is no connection, because making it again has failed. */
int remote_check(const struct remote *r, struct err *e);
void remote_masters_release(struct masters *m);
/* The address in the machines' network of the master of that name; false, and "",
 * when it is none's. */
#define REMOTE_ADDRESS_MAX 48
bool remote_private_address(const char *name, char address[REMOTE_ADDRESS_MAX]);
/*
 * As remote_open_for, of a master with a swarm.  Waits for one that is being
 * made, at most limit_ms, saying how far each master is (booting, installing
 * Docker, forming the swarm); ERR_TIMEOUT then.  A swarm that was there has
 * REMOTE_LEADER_MS to find a leader: ERR_DOCKER then, and at once when it is
 * locked.  ERR_DATA at once for machines that exist on paper.
 */
int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e);
#define REMOTE_SWARM_MS (15 * 60000)
#define REMOTE_LEADER_MS 45000
/* Whether that machine, with its instanceView, exists on paper, in a local
 * Azure; and whether the cluster's do. */
bool remote_says_paper(const cJSON *vm);
#define REMOTE_PAPER \
	"these machines exist on paper; 'azswarm emulator --machines nspawn' " \
	"makes real ones"
int remote_on_paper(struct session *s, bool *paper, struct err *e);
/* What Azure told of a master, the session's: of master0, or of the first that is
 * there where that one is lost.  Asked once, for what is looked at is never
 * changed.  A JSON null when there is none, and so no cluster; NULL with e. */
const cJSON *remote_first_machine(struct session *s, struct err *e);
/* Whether that is why no swarm can be asked, and not an interrupt or a machine
 * that is not the one it should be. */
bool remote_is_away(const struct err *why);
/* The same again after the connection broke, or its master works no more. */
int remote_reopen(struct remote *r, struct err *e);
/* What ended a command that stays connected: was it the connection? */
bool remote_is_lost(const struct err *e);
/* That is said, and tried for ten minutes to have it again; engine: to a master
 * that works, for as long as a leader may be about to be elected. */
int remote_again(struct remote *r, bool engine, const struct err *lost,
		 struct err *e);
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
/* The same, of a machine with that address; "" is ERR_DATA.  name: for messages. */
int remote_hop_to(struct remote *r, const char *name, const char *address,
		  bool manager, struct ssh **out, struct err *e);
/* The keys, and where the masters are; no connection yet.  Then to that one of
 * them alone, whatever it is at, and to none when that fails. */
int remote_know(struct session *s, struct remote *r, struct err *e);
int remote_to(struct remote *r, size_t master, struct err *e);
/* What that master is at, over a connection beside r's. */
enum remote_at remote_look(struct remote *r, size_t master);
void remote_release(struct remote *r);

/* Root's shell on a machine, which does what it reads. */
#define REMOTE_SHELL "sudo -n /bin/sh -s"

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
/* Whether somebody found within the last seconds that its master works; and that
 * it does now.  Else nobody is to use it any more. */
bool share_is_fresh(const struct remote *r);
void share_checked(const struct remote *r, bool works);
/* Leave r's connection, which is new, to a process in the background for a
 * minute, and use it from there.  Where that cannot be, it stays as it is.
 * false: that process did not come up, and there is no connection any more. */
bool share_begin(struct remote *r);
/* In a child, behind fork(): of the command's files and connections only these
 * stay, for somebody may wait for the end of a pipe. */
void remote_close_others(const int *kept, size_t n);

#endif
