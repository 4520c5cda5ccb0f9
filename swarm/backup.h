#ifndef SWARM_BACKUP_H
#define SWARM_BACKUP_H

#include "swarm/remote.h"
#include "tls/seal.h"

/*
 * A backup: a tar archive (ustar, POSIX.1-2001) that is sealed (tls/seal.h) with
 * keys/backup.key.  In it are, the last of them last:
 *
 *	cluster.json	what the engine's API tells of the swarm
 *	unlock.key	with AUTOLOCK: what the swarm is unlocked with
 *	keys/NAME	with --keys: the files of keys/
 *	swarm.tar.gz	what the engine keeps of its swarm (assets/node/backup.sh)
 *
 * Its header, which anybody may read, is JSON: program, group, when, engine,
 * cluster, manager.
 */
#define BACKUP_CLUSTER_MAX (64u << 20)
#define BACKUP_KEY_MAX (64u << 10)
#define BACKUP_STATE "swarm.tar.gz"

/* ---- writing one (swarm/archive.c) ---- */

struct archive {
	const char *path;
	char *part; /* it, until it is whole */
	int fd;
	struct seal seal;
	struct buf plain, out;
	uint64_t left, pad; /* of the entry that is being written */
};

/* ERR_USAGE when path is there already.  archive_release() either way. */
int archive_create(struct archive *a, const char *path,
		   const uint8_t key[SEAL_KEY_LEN], struct str header,
		   struct err *e);
/* An entry of n bytes, which archive_put() then gives, all of them. */
int archive_begin(struct archive *a, const char *name, uint64_t n, struct err *e);
int archive_put(struct archive *a, struct str piece, struct err *e);
int archive_add(struct archive *a, const char *name, struct str text,
		struct err *e);
/* It is whole: on the disk, and has its name. */
int archive_done(struct archive *a, struct err *e);
/* Without archive_done() nothing is left of it. */
void archive_release(struct archive *a);

/* May an entry have that name, "keys/NAME", and so that file of keys/ be in it? */
bool backup_is_key(struct str name);

/* ---- reading one ---- */

struct backup {
	const char *path;
	int fd;
	uint8_t key[SEAL_KEY_LEN];
	cJSON *header, *cluster;
	struct buf unlock;
	cJSON *keys;	/* text by name; empty without --keys */
	bool has_state; /* a whole one has */
};
/*
 * Read all of it, to the last byte: ERR_DATA, which names path, when it is none,
 * of another key, or not as it was written.  fd is b's from now on.
 * backup_release() either way.
 */
int backup_read(struct backup *b, const char *path, int fd,
		const uint8_t key[SEAL_KEY_LEN], struct err *e);
/* The bytes of BACKUP_STATE once more, in pieces. */
int backup_state(struct backup *b,
		 int (*put)(void *ctx, struct str piece, struct err *e),
		 void *ctx, struct err *e);
void backup_release(struct backup *b);

/* ---- a script on a machine (swarm/backup.c) ---- */

/*
 * Run an asset as root there, with two words as its arguments.  give: says with
 * put() what the script reads; NULL: nothing.  take: gets what it says; NULL: that
 * is dropped.  ERR_DATA with the script's own words when it fails.
 */
struct script {
	struct ssh *ssh;
	const char *asset, *word, *root;
	int (*take)(void *ctx, struct str piece, struct err *e);
	void *ctx;
	int status; /* its exit code, once it ended */
	/* private */
	struct ssh_channel *c;
	struct buf said;
};
int script_begin(struct script *s, struct err *e);
int script_give(struct script *s, struct str piece, struct err *e);
int script_end(struct script *s, struct err *e);

/* ---- the engine behind it (swarm/refit.c) ---- */

/* {"nodes": [{"hostname", "role", "availability", "labels"}], "services": [...],
 * ...}: what the API tells, for the caller to burn. */
int refit_describe(struct docker *d, cJSON **doc, struct err *e);
/* The Engine on a machine that ssh leads to; anew, once it was stopped.  d is
 * zeroed before the first time. */
void refit_engine(struct docker *d, struct session *s, struct ssh *ssh);
/* Until that engine answers, and says how it stands with its swarm; unlocked with
 * key, when it is locked. */
int refit_wait_engine(struct docker *d, struct str key, int64_t limit_ms,
		      struct docker_info *info, struct err *e);
/* The same, until it is a manager of a swarm with a leader. */
int refit_wait_swarm(struct docker *d, struct str key, int64_t limit_ms,
		     struct err *e);
/* Labels and availability by name; who is not there is named in absent. */
int refit_labels(struct docker *d, const cJSON *cluster, struct buf *absent,
		 struct err *e);
/* The rows of nodes that are not Ready are removed, but for this one's. */
int refit_rows(struct docker *d, const char *self, size_t *removed, struct err *e);
/*
 * Networks, configs and services as they are described, into a swarm that has
 * none of them; secrets, whose bytes are not described, and the services that
 * want them are named in lacking.
 */
int refit_recreate(struct docker *d, const cJSON *cluster, struct buf *lacking,
		   struct err *e);
/* Until the tasks of all services run that should, or limit_ms: then those
 * services are in lacking. */
int refit_services(struct session *s, struct docker *d, int64_t limit_ms,
		   struct buf *lacking, struct err *e);

#endif
