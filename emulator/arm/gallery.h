#ifndef EMULATOR_ARM_GALLERY_H
#define EMULATOR_ARM_GALLERY_H

#include "emulator/arm/resource.h"

#define GALLERY_VERSIONS \
	"2025-03-03, 2024-03-03, 2023-07-03, 2022-08-03, 2022-03-03, 2022-01-03, 2021-10-01, " \
	"2021-07-01, 2020-09-30, 2019-12-01, 2019-07-01, 2019-03-01, 2018-06-01"

extern const struct rtype gallery_types[];

/*
 * The version of an image that may be had at location: id's own, or, where that
 * is a definition's, the one called exact (NULL: the latest).  NULL with f, as
 * Azure says it.
 */
struct entry *gallery_find(struct emu *m, const char *id, const char *exact,
			   const char *location, struct fault *f);
/* The definition it is a version of. */
struct entry *gallery_definition(struct emu *m, const struct entry *version);
/* The value of a definition's feature; "" when it has none. */
const char *gallery_feature(const struct entry *definition, const char *name);
/* Directory of what a driver keeps of it; NULL on paper.  Caller frees. */
char *gallery_disk(const struct emu *m, const struct entry *version);

#endif
