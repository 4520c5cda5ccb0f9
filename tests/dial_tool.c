/*
 * dial_tool [HOST PORT]
 *
 * By the proxy variables of its environment: which way a connection would go,
 * "proxy" or "direct"; without a host, which variable and proxy it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/dial.h"

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct dial d;
	int rc = 0;

	if (dial_init(&d, NULL, &e) < 0) {
		fprintf(stderr, "dial_tool: %s\n", e.msg);
		rc = err_exit_code(&e);
	} else if (argc < 3) {
		printf("%s %s%s:%u\n", d.variable ? d.variable : "none", d.tls ? "https://" : "",
		       d.host, d.port);
	} else {
		puts(dial_proxied(&d, argv[1], (unsigned)strtoul(argv[2], NULL, 10)) ?
		     "proxy" : "direct");
	}
	dial_release(&d);
	return rc;
}
