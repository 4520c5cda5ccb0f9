#ifndef EMULATOR_DELEGATION_H
#define EMULATOR_DELEGATION_H

#include "base/buf.h"
#include "base/json.h"
#include "emulator/inner.h"

/* The answer to who asks for a key, claims being those of his token; false: what
 * he asked for cannot be had. */
bool delegation_answer(const struct emu *m, const cJSON *claims,
		       struct str asked, struct str version, struct buf *out);
/* The key, base64, that these fields of a signed address say it has. */
void delegation_key(const struct emu *m, const cJSON *sas, struct buf *out);
/* NULL, or what is wrong with the times of that key. */
const char *delegation_wrong(const cJSON *sas);

#endif
