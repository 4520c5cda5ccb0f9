/*
 * dial_tool [HOST PORT [connect]]
 *
 * By the proxy variables of its environment: which way a connection would go,
 * "proxy" or "direct"; without a host, which variable and proxy it took.  With
 * "connect" it goes there, and has five seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "swarm/dial.h"

static int connect_to(struct dial *d, const char *host, unsigned port,
		      struct err *e)
{
	struct tls_trust *trust = tls_trust_default(e);
	struct http_dialer to = dial_azure(d);
	struct stream *s = NULL;

	d->trust = trust;
	if (trust != NULL)
		s = to.dial(to.ctx, true, host, port, now_ms() + 5000, e);
	stream_close(s);
	tls_trust_free(trust);
	return s != NULL ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct dial d;
	int rc = 0;

	if (dial_init(&d, NULL, &e) < 0) {
		fprintf(stderr, "dial_tool: %s\n", e.msg);
		rc = err_exit_code(&e);
	} else if (argc < 3) {
		printf("%s %s%s:%u\n", d.variable ? d.variable : "none",
		       d.tls ? "https://" : "", d.host, d.port);
	} else if (argc > 3) {
		if (connect_to(&d, argv[1],
			       (unsigned)strtoul(argv[2], NULL, 10), &e) < 0) {
			fprintf(stderr, "dial_tool: %s\n", e.msg);
			rc = err_exit_code(&e);
		}
	} else {
		puts(dial_proxied(&d, argv[1],
				  (unsigned)strtoul(argv[2], NULL, 10)) ?
			     "proxy" :
			     "direct");
	}
	dial_release(&d);
	return rc;
}
