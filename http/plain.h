#ifndef HTTP_PLAIN_H
#define HTTP_PLAIN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * One HTTP exchange without TLS and without a proxy, over a new connection:
 * with an agent's health port, or with the metadata service.
 *
 * method, host, port, target	"GET", "10.77.16.4", 1338, "/healthz"
 * fields	"Name: value" strings, NULL at the end; may be NULL
 * body		p NULL: none
 * answer	NULL, or gets the body; at most its ceiling
 *
 * 0 with *status when there was an answer, whatever it says; -1 with e.
 */
int plain_exchange(const char *method, const char *host, unsigned port,
		   const char *target, const char *const *fields,
		   struct str body, int64_t deadline_ms, unsigned *status,
		   struct buf *answer, struct err *e);

#endif
