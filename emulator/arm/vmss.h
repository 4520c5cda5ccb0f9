#ifndef EMULATOR_ARM_VMSS_H
#define EMULATOR_ARM_VMSS_H

#include "emulator/arm/resource.h"

extern const struct rtype vmss_types[];
/* The set an instance belongs to, and its custom data. */
struct entry *vmss_of(struct emu *m, const struct entry *instance);
const char *vmss_custom_data(struct emu *m, const struct entry *instance);

#endif
