#ifndef SWARM_BAKED_H
#define SWARM_BAKED_H

#include "base/elf.h"
#include "swarm/session.h"

/*
 * Images that `bake-image` made: versions in a Compute Gallery in STORAGE_GROUP,
 * which outlives the machines.  Its definitions are named after what an image
 * cannot change: the processor, and Trusted Launch ("x64-trusted", "arm64").  What
 * we want to know of a version stands in its tags.
 */
#define BAKED_KEEP 3 /* of each definition; older ones go when one is added */

#define BAKED_TAG_PROGRAM "azswarm-version" /* "0.2.0" */
#define BAKED_TAG_BASE "azswarm-base"	    /* "server 24.04.202611120" */
#define BAKED_TAG_CHANNEL "azswarm-docker"  /* DOCKER_CHANNEL */

/* Of the group in which a bake makes its machine: "x64-trusted/0.2.2026113000", and
 * when that was begun. */
#define BAKED_TAG_BAKE "azswarm-bake"
#define BAKED_TAG_SINCE "azswarm-since"

struct baked {
	char *id, *version, *definition;
	char *state; /* "Succeeded", "Creating", "Failed", ... */
	char *when;  /* "2026-11-30T20:45:00Z", "" while it is being made */
	char *program, *base, *channel;
	int64_t gib;	/* of its disk, 0: not known */
	bool here;	/* replicated to LOCATION */
	struct buf use; /* what has it as its image, see baked_use() */
	size_t agents;	/* for that: of one scale set's machines */
};

struct baked_list {
	struct baked *list; /* the newest first */
	size_t n;
};

/* The names of the gallery of STORAGE_GROUP, and of the definition for such
 * machines.  Caller frees. */
char *baked_gallery(const struct session *s);
char *baked_definition(const struct session *s, enum elf_machine kind,
		       struct err *e);
/* rest: what follows the gallery's name, "" or "/images/...".  Caller frees. */
char *baked_path(const struct session *s, const char *rest);

/* The name of that group.  Caller frees. */
char *baked_group(const struct session *s);
/* 1: it is there, a bake's, and *since is told ("once", where nothing says it), which
 * the caller frees; 0: not, or nobody may look there; -1. */
int baked_group_left(struct session *s, char **since, struct err *e);
/* Nothing in it is somebody else's, and so nobody's to delete; else -1 with what. */
int baked_only_ours(struct session *s, const char *group, struct err *e);

/* All of one definition, NULL: of all; none where there is no gallery.  Release l
 * either way. */
int baked_read(struct session *s, const char *definition, struct baked_list *l,
	       struct err *e);
void baked_release(struct baked_list *l);
/* Fill in which machines and models of scale sets have which, and whether what is in
 * parameters/, or IMAGE, names it. */
int baked_use(struct session *s, struct baked_list *l, struct err *e);
/* The one of that number; NULL: none. */
struct baked *baked_find(const struct baked_list *l, const char *version);
/* Azure deletes it. */
int baked_remove(struct session *s, const struct baked *b, struct err *e);
/* Of a definition, those that are too many, unless something has them, and
 * those that failed; never the one of that number, which an older program may
 * have made a moment ago.  One that stays is said, with why; -1: what is to go
 * is not known, or nobody can be told to let it go. */
int baked_prune(struct session *s, const char *definition, const char *keep,
		struct err *e);

#endif
