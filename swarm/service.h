#ifndef SWARM_SERVICE_H
#define SWARM_SERVICE_H

#include "docker/docker.h"
#include "node/image.h"
#include "node/layout.h"
#include "swarm/session.h"

/*
 * Services of the cluster's Engine, whoever describes them: this program (its
 * demo, its monitor) or a compose file.
 */

/* ---- asking and telling (swarm/service.c) ---- */

/* Have edit change what the Engine has of a service, and tell it; again while
 * somebody else is faster.  1: there is no such service. */
int service_edit(struct docker *d, const char *name,
		 int (*edit)(void *ctx, cJSON *service, struct err *e),
		 void *ctx, struct err *e);
/* Create a service, or make the one of that name like this: make gives what
 * to say, of old (NULL: there is none), which the caller frees; NULL with e.
 * Begun again while somebody else is faster.  Says which it was. */
int service_put(struct session *s, struct docker *d, const char *name,
		cJSON *(*make)(void *ctx, const cJSON *old, struct err *e),
		void *ctx, struct err *e);
/* One that is not there is removed.  Says so. */
int service_remove(struct session *s, struct docker *d, const char *name,
		   struct err *e);
/* Two services cannot have one port: ERR_DOCKER, with who has it, when spec
 * (the body of a service) publishes what other does; and when any other
 * service does. */
int service_port_clash(const cJSON *spec, const cJSON *other, struct err *e);
int service_ports_free(struct docker *d, cJSON *spec, struct err *e);

/*
 * Wait until a service is as it should be: as many tasks run as it says, those
 * of a new one for update_config's monitor (5 s), its update is over; a job's
 * have completed.  A global one is to run on nodes that take tasks; where only
 * agents may have its tasks, and none is there, that is said, and no failure.  A
 * task that fails is told by name, with what it fails of; so is one that ends and
 * is to run.  -1: its update was paused or rolled back, no task of it is begun any
 * more, a job's fails again and again, or no node is for it (ERR_DOCKER);
 * nothing has moved for so long as its own delays allow and five minutes more
 * (ERR_TIMEOUT).  Nothing with --no-wait.
 */
int service_converge(struct session *s, struct docker *d, const char *name,
		     struct err *e);

/*
 * The same for all of specs, bodies of services, at once: with two requests a
 * look, or three, however many they are.  A monitor's time goes by while others
 * are waited for, and nothing is given up for standing still while anything of
 * them moves.  All come to their end, also when one does not come to what it
 * should be: that is said at once, and the last of them, one that may yet come
 * (ERR_TIMEOUT) before others, is the error.
 *
 * label  "KEY=VALUE", which all of them have
 */
int service_converge_all(struct session *s, struct docker *d,
			 const cJSON *specs, const char *label, struct err *e);

/* "http://HOST:PORT/", as a browser or curl takes it.  Caller frees.  And
 * texts like that on stdout: data. */
char *service_url(const char *host, int64_t port);
int service_print_urls(struct session *s, const cJSON *urls, struct err *e);

/* ---- images (swarm/pin.c) ---- */

#define SERVICE_OURS LAYOUT_REGISTRY LAYOUT_IMAGE

/* Our own image, by its digest.  Caller frees; NULL with e. */
char *service_image_ours(struct session *s, struct docker *d, struct err *e);
/* Somebody else's, as compose_read() names it, by the digest behind its tag, as its
 * registry tells the Engine; the name alone, and that is said, where none
 * answers.  *platforms gets an array of what it runs on, NULL: not known; the
 * caller frees both. */
char *service_image_of(struct session *s, struct docker *d, const char *image,
		       cJSON **platforms);
/* Where the digest stands that an image goes by, NULL: nowhere. */
const char *service_digest(const char *image);

/* The images that a cluster of this program may offer: ours, the one for the
 * other kind of processor, both in one. */
struct service_ours {
	struct image own, other;
	char list[IMAGE_DIGEST_MAX];
};
/* 0 or -1; service_ours_release(o) after 0. */
int service_ours_init(struct service_ours *o, struct session *s, struct err *e);
void service_ours_release(struct service_ours *o);
/* By which of them the offered one goes, in Docker's own kind; NULL: none. */
const char *service_ours_which(const struct service_ours *o, const char *offered);

#endif
