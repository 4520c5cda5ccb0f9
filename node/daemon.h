#ifndef NODE_DAEMON_H
#define NODE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "docker/docker.h"

/* What helper and agent share as services of systemd. */

/* One line to stderr, which is the journal; control characters as '?'. */
void daemon_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A complaint that comes again and again is told when it changes, and every
 * 5 minutes.  "" says that all is well again, which is told nobody.
 */
struct complaint {
	char text[256];
	int64_t told_ms;
};
void daemon_complain(struct complaint *c, const char *text, int64_t now_ms);

/* SIGTERM and SIGINT end all waits; SIGPIPE is ignored. */
int daemon_init(struct err *e);

/*
 * Tell systemd ("READY=1", "STATUS=...", "STOPPING=1") on $NOTIFY_SOCKET;
 * without one nothing happens.  Never blocks.
 */
void daemon_notify(const char *state);

/*
 * The beginning is over: what of the program's file only that needed is no
 * longer kept in our memory.  What is needed after all comes back by itself.
 */
void daemon_settle(void);

/* The address alone of "10.0.0.1:1234" or "[::1]:1234". */
#define DAEMON_ADDRESS_MAX 48
void daemon_peer(const char *peer, char out[DAEMON_ADDRESS_MAX]);
/* Whether addr is one of this machine's own addresses. */
bool daemon_is_own(const char *addr);
/* The address that traffic to addr leaves from; false when there is no way. */
bool daemon_way_to(const char *addr, char out[48]);

/* Before an engine founds or joins a swarm: docker_gateway.  A bridge that is
 * not as wanted is told, and better than no swarm.  mtu 0: whatever. */
void daemon_gateway(struct docker *d, unsigned mtu);

/* The machine's name, as Docker tells it to its swarm. */
int daemon_own_name(char out[65], struct err *e);

#endif
