#ifndef SWARM_DIAL_H
#define SWARM_DIAL_H

#include "http.h"
#include "tls/tls.h"

/*
 * How this machine reaches others: through the proxy that the environment
 * names, or directly.  SSH does not come by here, and is never proxied.
 *
 * The proxy: the first that is set and not empty of https_proxy, HTTPS_PROXY,
 * all_proxy, ALL_PROXY; [http[s]://][USER:PASSWORD@]HOST[:PORT], the port 80
 * or 443, USER and PASSWORD percent-encoded.
 *
 * Not through it: what no_proxy (else NO_PROXY) lists, between commas or
 * blanks: a host, which takes its subdomains along (".example" and "*.example"
 * mean the same), an address, a network (10.0.0.0/8), "*"; each but "*" may
 * end in :PORT.  And loopback, as with Go, so that a local Azure stays local:
 * addresses of it, localhost and names under it, unless "<-loopback>" is in
 * the list (the word is Chromium's).
 */
struct dial {
	const struct tls_trust *trust;
	const char *variable; /* which named the proxy, NULL: none */
	const char *no_proxy; /* "" when there is none */
	char host[256];	      /* of the proxy */
	unsigned port;
	bool tls;   /* to the proxy itself */
	char *auth; /* a secret: "Proxy-Authorization: ...\r\n", or "" */
};

/* Reads the environment, and sends nothing.  What is not a proxy's URL is
 * ERR_USAGE; the message names the variable, and never shows the value: it may
 * hold a password.  trust must outlive d. */
int dial_init(struct dial *d, const struct tls_trust *trust, struct err *e);
void dial_release(struct dial *d);

/* d must outlive what these give, and stay where it is. */
/* Azure: https only, by the proxy where it is to be used. */
struct http_dialer dial_azure(struct dial *d);
/* What answers on this machine or next to it (managed identities at
 * 169.254.169.254 and elsewhere): directly, http too. */
struct http_dialer dial_local(struct dial *d);

/* Whether dial_azure goes through the proxy for that host. */
bool dial_proxied(const struct dial *d, const char *host, unsigned port);

#endif
