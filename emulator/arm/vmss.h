#ifndef EMULATOR_ARM_VMSS_H
#define EMULATOR_ARM_VMSS_H

#include "emulator/arm/resource.h"

extern const struct rtype vmss_types[];
/* The set an instance belongs to; NULL: it is none's. */
struct entry *vmss_of(struct emu *m, const struct entry *instance);
struct entry *vmss_next(struct emu *m, struct entry *after,
			const struct entry *set);
/* Of the model that the instance has: "customData", "events" (its
 * scheduledEventsProfile).  NULL: nothing. */
const cJSON *vmss_model(struct emu *m, const struct entry *instance,
			const char *what);
bool vmss_is_spot(struct emu *m, const struct entry *instance);
/* Begin to bring it to that capacity.  -1 with f: something is at work on it. */
int vmss_resize(struct emu *m, struct entry *set, int64_t capacity,
		struct fault *f);
/* They were evicted: away with them, their set is smaller.  -1 with f. */
int vmss_evicted(struct emu *m, const cJSON *keys, struct fault *f);

#endif
