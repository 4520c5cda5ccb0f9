#ifndef NODE_REACH_H
#define NODE_REACH_H

#include <stdio.h>

#include "base/err.h"

/*
 * On a node, for `azswarm doctor`: does this node reach others?  As root, for
 * the overlay is looked at from inside.  Sends, and changes nothing.
 *
 * words  "tcp:10.77.0.10:2377", whether a connection is taken, from this
 *        machine; "echo:10.208.0.4", whether ICMP echoes come back through the
 *        network of published ports, a small one and one that fills the MTU of
 *        the way there and may not be split
 *
 * A line each, in that order:
 *
 *	tcp 10.77.0.10:2377 MICROSECONDS|refused|lost
 *	echo 10.208.0.4 MTU SMALL LARGE
 *
 * SMALL and LARGE are microseconds or "lost"; MTU is 0 where no way leads
 * there.  Ends within LAYOUT_REACH_MS.  -1: not root, or this node has no such network;
 * what was asked of TCP is told before.
 */
#define REACH_WORDS_MAX 400
#define REACH_NETNS "/run/docker/netns/ingress_sbox"
int reach_run(int argc, char **words, FILE *out, struct err *e);

#endif
