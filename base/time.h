#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* "2026-08-01T12:00:00Z" of unix seconds; and back (fraction and offset accepted). */
void time_iso(int64_t t, char out[32]);
bool time_parse_iso(struct str s, int64_t *t);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), and back: all three forms. */
void time_http(int64_t t, char out[32]);
bool time_parse_http(struct str s, int64_t *t);

#endif
