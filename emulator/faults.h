#ifndef EMULATOR_FAULTS_H
#define EMULATOR_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "http.h"

/*
 * Faults on purpose, by the rules of a file (see faults.c).  A rule is what
 * faults_request() gave; NULL, that nothing is to go wrong, is one, too.
 */
struct emu;
struct fault;
struct op;
struct request;

/*
 * Read the file, if it is another than the last time; without it there are no
 * rules.  -1 with e, naming file, rule and key, when it is not what it must be:
 * then the rules stay as they were.  Lock held, or nobody else there yet.
 */
int faults_load(struct emu *m, struct err *e);

/* What is to go wrong with this request, a copy; its delay has passed.  Caller
 * frees.  Without the lock. */
cJSON *faults_request(struct emu *m, const struct http_head *h);
/* Is the request carried out, whatever its answer is? */
bool faults_carried_out(const cJSON *rule);
/* Make the request's answer the rule's. */
void faults_answer(struct request *r, const cJSON *rule);
/* How the answer goes out: so many bytes of the body, a byte in so many ms (0:
 * as fast as it can). */
struct faults_pace {
	size_t limit;
	unsigned drip_ms;
};
struct faults_pace faults_pace(const cJSON *rule);
/* Send the rule's bytes, or a reset, in place of any answer.  False: it has
 * none, the answer is to be sent.  Without the lock. */
bool faults_send(struct emu *m, struct http_exchange *x, const cJSON *rule);
/* Let ms pass, without the lock.  -1 when the emulator stops. */
int faults_pause(struct emu *m, unsigned ms);

/* Is this operation to fail, or to be cancelled?  Then f says how.  Lock held,
 * and let go while it is delayed. */
bool faults_operation(struct emu *m, struct op *op, struct fault *f);

/* What the last rule with that key says ("mfa": 1, "device_s"), or dflt.  Lock held. */
int64_t faults_setting(struct emu *m, const char *name, int64_t dflt);
/* Whether a rule with that key has a pattern that what fits.  Lock held. */
bool faults_fits(struct emu *m, const char *name, const char *what);

#endif
