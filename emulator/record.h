#ifndef EMULATOR_RECORD_H
#define EMULATOR_RECORD_H

#include "emulator/request.h"

int record_open(struct emu *m, struct err *e);
/*
 * Append an exchange that has been answered.  r: the bodies and fields, NULL
 * when they are of no interest.  spoilt: the answer is a fault on purpose.
 */
void record_exchange(struct emu *m, const struct http_exchange *x,
		     const char *base, const struct request *r, bool spoilt);

#endif
