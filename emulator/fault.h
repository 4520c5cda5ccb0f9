#ifndef EMULATOR_FAULT_H
#define EMULATOR_FAULT_H

#include "base/json.h"

#define FAULT_MAX \
	8192 /* bytes of a code, a target and a text; the rest is cut off */

/* A refusal in Azure's words.  error is {"code","message",...} or NULL. */
struct fault {
	unsigned status;
	cJSON *error;
};

/*
 * Refuse, unless it was refused already: "CODE: TEXT", or "CODE TARGET: TEXT",
 * of which FAULT_MAX bytes are told.  Always -1.
 */
int fault_set(struct fault *f, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
/* The same for a code that may hold anything; target may be NULL. */
int fault_code(struct fault *f, unsigned status, const char *code,
	       const char *target, const char *text) __attribute__((cold));
/* The body is not what it must be. */
int fault_content(struct fault *f, const char *why) __attribute__((cold));
void fault_release(struct fault *f);

#endif
