#ifndef HTTP_DOOR_H
#define HTTP_DOOR_H

/*
 * Connections of a server that have no place yet.  They cost a descriptor and
 * nothing else: no thread, no handshake.  Who says nothing stays here until
 * its time is over; whose first bytes have come has a rank, and waits for a
 * place.  Of http/ alone, and of one thread.
 */
#include <poll.h>

#include "http.h"

#define DOOR_PEER_MAX 72
#define DOOR_AGAIN_MS 100 /* who may not enter yet is looked at again */
/* A request is on its way when its connection comes, so nobody goes for his
 * silence before that; a hundred may come at once, and all are honest. */
#define DOOR_GRACE_MS 250

struct waiting {
	int fd;
	bool ready; /* something is there to be read, and rank is known */
	enum http_rank rank;
	int64_t since_ms;      /* it came */
	int64_t until_ms;      /* closed then */
	int64_t not_before_ms; /* no place for it earlier than that */
	char peer[DOOR_PEER_MAX];
};

struct door {
	const struct http_server *s;
	struct waiting *list; /* who came first is first */
	size_t n, max;
	struct pollfd *polls;
};
void door_init(struct door *d, const struct http_server *s);
void door_release(struct door *d); /* closes what waits */

/* Whether another may come: there is room, or somebody who would go for it. */
bool door_open(const struct door *d, int64_t now_ms);
/*
 * fd is the door's from now on.  When there is no room somebody goes: of this
 * very address, if it has its share here; else who has said nothing, the
 * oldest first; else, where there are ranks, the lowest.
 */
void door_take(struct door *d, int fd, const char *peer, int64_t now_ms);

/* What poll() is to wait for: DOOR_OWN of the caller's, then d->n of those who
 * wait.  When it is to end anyway: until_ms, or earlier. */
#define DOOR_OWN 4
struct pollfd *door_polls(struct door *d);
int64_t door_until(const struct door *d, int64_t until_ms);
/* After poll(), nobody having come or left in between: who has spoken gets its
 * rank, whose time is over goes. */
void door_look(struct door *d, int64_t now_ms);

/* Take list[i] out; its descriptor is the caller's. */
int door_leave(struct door *d, size_t i);

/* Whether "10.0.0.1:1" and "10.0.0.1:2" are of one address. */
bool door_same_host(const char *peer, const char *other);

#endif
