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

/* A length of time as people read it: "0 s", "59 s", "2 min 5 s", "1 h", "26 h
 * 4 min".  Not negative. */
void time_span(int64_t s, char out[32]);
/* "PT2M5.3S" (ISO 8601, as Azure has it: days, hours, minutes, seconds), rounded
 * to a second. */
bool time_parse_span(struct str s, int64_t *seconds);

#endif
