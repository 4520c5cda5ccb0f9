#ifndef EMULATOR_ARM_ARM_H
#define EMULATOR_ARM_ARM_H

#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

void arm_handle(struct request *r); /* with the lock held */
/* What /metadata/endpoints and a template's environment() say; base: its address. */
cJSON *arm_cloud_doc(const struct emu *m, const char *base);
/* Answer a poll of the operation with that id, by its document or as Location. */
int arm_poll(struct request *r, const char *id, bool location);
/* The headers that lead to op. */
void arm_op_fields(struct request *r, const struct op *op);
/* Begin work on n, answer 202.  Takes args and busy.  NULL: refused. */
struct op *arm_begin(struct request *r, enum op_style style,
		     const struct entry *n, op_run *run, cJSON *args,
		     cJSON *busy);

#endif
