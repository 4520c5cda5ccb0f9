#ifndef SWARM_PUSH_H
#define SWARM_PUSH_H

#include "docker/docker.h"
#include "swarm/session.h"

/*
 * The owner's images, which need no registry: in the private container
 * LAYOUT_IMAGES of the storage account, from which the registry of each node's
 * agent serves them as LAYOUT_REGISTRY NAME:TAG (node/layout.h says what is
 * where in it).
 *
 * Which image a tag is, is said by the operators and nobody else: with each tag
 * goes a proof made with keys/backup.key, which no machine has.  What a
 * machine, or who has the account's key, puts there in its place is refused
 * here, and nodes are told digests.
 */

/*
 * An image as a service of the swarm is to name it: "127.0.0.1:1339/NAME[:TAG]",
 * or localhost's, becomes "127.0.0.1:1339/NAME:TAG@sha256:...", of what was pushed
 * last.  One
 * that is elsewhere, that already has a digest, or that is this program's own
 * stays as it is.
 *
 * pinned     gets it, for the caller to free; NULL with -1
 * platforms  gets what it runs on, as a placement has it; NULL: not known, or not
 *            one that was pushed.  For the caller to free
 *
 * ERR_DATA: it was never pushed (and what to run), or what is there is not what
 * was. Asks Azure (the account, once in a session) and the storage; needs
 * keys/.
 */
int images_pin(struct session *s, const char *image, char **pinned,
	       cJSON **platforms, struct err *e);

/*
 * For deploy-stack --push: push an image that the engine on this machine has
 * ($DOCKER_HOST, else DOCKER_SOCKET), where its name is a local one: without a
 * registry's host, or with that of ours.
 *
 * pinned, platforms  get what the service is to name, and where it runs, as
 * images_pin; NULL: it is not ours to push: it has the name of another registry,
 * has a digest, is this program's own, or is not here (then the nodes pull it, from
 * Docker Hub, say); of a dry run nothing is sent
 *
 * 0, or -1 when it is here and could not be pushed, or no engine answers here.
 */
int push_if_local(struct session *s, const char *image, char **pinned,
		  cJSON **platforms, struct err *e);

/*
 * images --prune: on all nodes goes what no service runs, and what was not run
 * before that (swarm/images_room.c).  dry_run of the session: it is only said.
 */
int images_prune_nodes(struct session *s, struct err *e);

#endif
