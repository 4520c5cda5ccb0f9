#ifndef NODE_REGISTRY_H
#define NODE_REGISTRY_H

#include "node/image.h"

/*
 * A registry for this machine's own engine: pull only, on loopback, where engines
 * want neither TLS nor credentials.  It has our own image, and what the operator
 * has pushed (node/pushed.h), which goes through here piece by piece.
 *
 * Source: OCI Distribution Specification 1.1 (its "pull" part, and listing of
 * tags); Docker Registry HTTP API V2, for manifests of Docker's own kind.
 */

struct http_exchange;

/*
 * Answer one request; for registry_start and for tests.  pushed: the address of
 * what was pushed, "": only our own image.  e is set when that could not be had
 * for a reason that concerns whoever runs the cluster.
 */
void registry_handle(const struct image *img, const char *pushed,
		     struct http_exchange *x, struct err *e);

struct registry;
/*
 * Start serving path ("/proc/self/exe") as version on loopback, in a thread
 * of its own.  Never fails: what goes wrong is told through daemon_say(), and tried
 * again every 5 s, for a node without images is still a node.  version must
 * stay, and so must list (image_index), with which the cluster's machines of
 * both kinds ask for one image; "": there is one kind.  before: the program of the
 * version before, which is offered, too, where there is such a file; NULL: none.
 * pushed: node_config.images_url, which must stay, too.  A port of 0 takes
 * LAYOUT_REGISTRY_PORT.
 */
struct registry *registry_start(const char *path, const char *version,
				const char *list, const char *before,
				const char *pushed, unsigned port);
/* Why it serves nothing, "" when it does (or has only begun): somebody else has
 * its port, for one.  r NULL is one that could not be started. */
#define REGISTRY_TROUBLE_MAX 300
void registry_trouble(struct registry *r, char out[REGISTRY_TROUBLE_MAX]);
/* End it and wait for that, 6 s at most; NULL does nothing. */
void registry_stop(struct registry *r);

#endif
