#ifndef NODE_ROOM_H
#define NODE_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Room on a node's disk: images that nobody uses go.
 *
 * What stays: an image of which there is a container here, running or not, which
 * the tasks of before have; one that the caller names; one that came within the
 * last hour, for a task may be about to begin; this program's own; and what no
 * registry has, for it was loaded or built here and could not be had again.  With
 * containerd's image store, where that cannot be told, whatever has a tag.
 *
 * Source: Docker Engine API 1.40 to 1.51, ImageList, ImageDelete.
 */
#define ROOM_AGE_S 3600
#define ROOM_KEEP_MAX 20000

/*
 * `azswarm prune` on a node, as root, for `azswarm images --prune`.  in names what
 * is to stay: an image as a service names it, a line each, "end" in the last; without
 * that nothing is touched.  dry_run: only tells.  A line each:
 *
 *	image BYTES NAME	it goes, or would; BYTES with the layers that
 *				others have, too
 *	stays IMAGE WHY		the engine did not let it go
 *	freed BYTES		of the file system, by then
 *	end
 */
int room_run(const char *config, bool dry_run, FILE *in, FILE *out, struct err *e);

/* Whether two names of an image are of the same: by digest where keep has one,
 * else by tag; docker.io/library/ means nothing, :latest is what no tag is.  For
 * tests, too. */
bool room_same(struct str keep, struct str ref);

/* What an agent looks with: when less than a tenth of the disk is free, it runs that
 * by itself, with no name of a service to go by. */
struct room {
	const char *config, *root;
	int64_t look_ms; /* when that is due */
	pid_t pruning;	 /* 0: nobody */
};
void room_look(struct room *r, int64_t now_ms);

#endif
