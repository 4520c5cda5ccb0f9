#ifndef EMULATOR_ARM_LOCATION_H
#define EMULATOR_ARM_LOCATION_H

#include "emulator/fault.h"

extern const struct location {
	const char *name, *display, *geography, *paired;
} location_table[]; /* one without a name at the end */

/* "East US" -> "eastus"; NULL if there is no such region. */
const char *location_find(const char *name);
/* That of a body; NULL, refused, when there is none or no such region.  what: "ResourceType" */
const char *location_of_body(const cJSON *body, const char *what, struct fault *f);
/* That of a path's words, "locations", NAME, what is asked of it; NULL, refused,
 * when there is no such region or nothing is asked. */
const char *location_of_path(char **words, struct fault *f);

#endif
