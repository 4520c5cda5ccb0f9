#ifndef EMULATOR_ARM_NETWORK_H
#define EMULATOR_ARM_NETWORK_H

#include "emulator/arm/resource.h"

extern const struct rtype network_types[];
/* What a subscription asks of a region: usages, whether a DNS label is free. */
int network_route(struct request *r, char **seg);
/* A free address of that subnet, or the wanted one if it may be had. */
int network_address_take(struct emu *m, struct put *p, const char *subnet_id,
			 const char *wanted, char out[16]);
/* Free addresses of that subnet, the lowest n; how many there are.  When they
 * are fewer, p says so, too; -1: there is no such subnet. */
int network_addresses_free(struct emu *m, struct put *p, const char *subnet_id,
			   size_t n, char (*out)[16]);
/* Its range, or that of a whole network; -1: there is none. */
int network_subnet_range(struct emu *m, const char *subnet_id, uint32_t *net,
			 unsigned *prefix);

#endif
