#ifndef NODE_LACKS_H
#define NODE_LACKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "docker/docker.h"
#include "node/config.h"

/*
 * What a node goes without: the cluster's share, room for Docker's data.  Its
 * agent looks, tells it by /healthz and its helper; there it stands in the
 * node's row (DOCKER_LABEL_LACKS), for `status`.
 */
enum lacks_bit {
	LACKS_SHARE = 1, /* one is wanted, and has not been there for a minute */
	LACKS_ROOM = 2,	 /* next to none: new tasks are to go elsewhere */
	LACKS_PAUSED = 4, /* a helper's word: the node is paused for that */
};

/* Words and bits: "share,room".  What is no such word is passed over. */
#define LACKS_TEXT_MAX 32
unsigned lacks_read(struct str text);
void lacks_write(unsigned bits, char text[LACKS_TEXT_MAX]);

/*
 * What node's row is to have when its agent says that it lacks `said`: true
 * when it is something else than it has; *change is filled, and refers to
 * label.  A node without room is paused, and active again when it has some,
 * unless somebody else has a say in it meanwhile: a way out, a person.  node may
 * be as of seconds ago; who drained it since stays heard.
 */
bool lacks_change(const struct docker_node *node, unsigned said,
		  char label[LACKS_TEXT_MAX], struct docker_node_change *change);

/* What an agent looks with.  Never waits for a share that does not answer:
 * another process goes there. */
struct lacks {
	unsigned bits; /* as of the last look */
	bool full;     /* tasks fail for want of room */
	const struct node_config *config;
	bool wants_share;
	int64_t look_ms, try_ms; /* when that is due */
	int64_t away_since_ms;	 /* the share; 0: it is there */
	pid_t trying;		 /* 0: nobody */
};

/* c stays the caller's, and there. */
void lacks_init(struct lacks *l, const struct node_config *c);
/* Cheap when nothing is due. */
void lacks_look(struct lacks *l, int64_t now_ms);
void lacks_end(struct lacks *l);

#endif
