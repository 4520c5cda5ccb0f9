#ifndef EMULATOR_ARM_IMAGE_H
#define EMULATOR_ARM_IMAGE_H

#include "emulator/arm/resource.h"

/* What is at that location of s: publishers, P, artifacttypes, vmimage, offers, O,
 * skus, S, versions, V.  Its lists are arrays with nothing around them. */
int image_list(struct request *r, const char *location, char **s);
/* What an imageReference means at that location, "24.04.202607280" or "1.0.0";
 * NULL: there is none. */
const char *image_version(struct emu *m, const cJSON *image, const char *location);
/* The version in a gallery that a machine's disk is made from.  NULL: its image is
 * Canonical's or, with f, cannot be had any more. */
struct entry *image_gallery_version(struct emu *m, const struct entry *n,
				    struct fault *f);
/* "V1" or "V2", of a machine's virtual hardware: as its image wants it. */
const char *image_generation(struct emu *m, const struct entry *n);
/* What Azure asks of storageProfile, in profile, of a machine or of a set. */
int image_check(struct emu *m, struct put *p, cJSON *profile, const char *size,
		bool set);

#endif
