#ifndef EMULATOR_ARM_STORAGE_H
#define EMULATOR_ARM_STORAGE_H

#include "emulator/arm/resource.h"

extern const struct rtype storage_types[];
int storage_route(struct request *r, char **seg); /* behind Microsoft.Storage */
struct entry *storage_account(struct emu *m,
			      const char *name); /* NULL: there is none */

#endif
