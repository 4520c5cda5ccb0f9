#ifndef EMULATOR_ARM_GROUPS_H
#define EMULATOR_ARM_GROUPS_H

#include "emulator/request.h"
#include "emulator/store.h"

int group_route(struct request *r); /* the group itself: seg[3] */
struct entry *group_named(struct request *r,
			  const char *name);	       /* NULL: refused, 404 */
struct entry *group_of(struct emu *m, const char *id); /* NULL: it is not there */
/* -1, refused, when it is being deleted. */
int group_refuse_leaving(const struct entry *group, struct fault *f);

#endif
