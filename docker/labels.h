#ifndef DOCKER_LABELS_H
#define DOCKER_LABELS_H

#include "docker/docker.h"

/*
 * The labels that an operator gave a node outlive its row: a machine that is
 * made anew, or that has left and joined again, is another node by the same
 * name.  Between the two they are kept in the swarm's own label
 * DOCKER_LABEL_KEPT, which every manager sees and which a backup holds.
 * Labels that begin with "azswarm." are of one row and go with it.
 */
#define DOCKER_LABEL_KEPT "azswarm.kept"
/* nodes, of 64 KiB together; the oldest is forgotten then */
#define DOCKER_KEPT_MAX 64

/* Before that node's row is removed.  A row that is gone, or that has none, is
 * nothing to keep. */
int docker_labels_keep(struct docker *d, const char *id, struct err *e);
/*
 * Give what is kept to the Ready node of that name and address, unless it is
 * the very row that it was of; what that node has already stays.  One request when
 * there is nothing to give.
 */
int docker_labels_give(struct docker *d, const struct docker_node *nodes,
		       size_t n, struct err *e);

#endif
