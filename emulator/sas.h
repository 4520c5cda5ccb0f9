#ifndef EMULATOR_SAS_H
#define EMULATOR_SAS_H

#include "base/buf.h"
#include "base/json.h"

/* What is signed; sas: its fields by their names in the query ("sv", "sp", ...). */
void sas_text(const cJSON *sas, const char *account, const char *resource,
	      struct buf *b);
/* The signature of a SAS over text, base64. */
void sas_sign(const char *key, struct str text, struct buf *out);

#endif
