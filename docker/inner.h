#ifndef DOCKER_INNER_H
#define DOCKER_INNER_H

/*
 * What the parts of docker/ share; nobody outside includes this.
 */
#include "docker/docker.h"

struct docker_ask {
	const char *method, *path;
	struct str body; /* JSON; p NULL: none */
	bool endless;	 /* the answer may take for ever, and be silent */
	/* of one that does: see docker_follow() */
	int (*silent)(void *ctx, struct err *e);
	void *ctx;
	struct stream **taken; /* see http_take_over(); NULL: not wanted */
};
/* One exchange, after docker_hello(): 0 with r whatever it says, or -1. */
int docker_exchange(struct docker *d, const struct docker_ask *a,
		    struct http_response *r, struct err *e);
/* One whose answer take() gets as it comes. */
int docker_pieces(struct docker *d, const struct docker_ask *a,
		  int (*take)(void *ctx, struct str piece, struct err *e),
		  void *ctx, struct err *e);
/* What the engine refused, in its own words.  Returns -1. */
int docker_refused(const char *method, const char *path, unsigned status,
		   struct str body, struct err *e);

#endif
