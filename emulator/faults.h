#ifndef EMULATOR_FAULTS_H
#define EMULATOR_FAULTS_H

#include "emulator/ops.h"
#include "http.h"

/* What is to go wrong with this request, a copy; its delay has passed.  NULL: nothing. */
cJSON *faults_request(struct emu *m, const struct http_head *h);
/*
 * What it says instead of an answer.  False: it says nothing, or another kind of
 * answer.  Without the lock.
 */
bool faults_send(struct emu *m, struct http_exchange *x, const cJSON *rule);
int faults_pause(struct emu *m, unsigned ms);	/* -1 when the emulator stops */
/* Is this operation to fail, or to be cancelled?  Then f says how. */
bool faults_operation(struct emu *m, struct op *op, struct fault *f);

#endif
