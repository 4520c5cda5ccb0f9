#ifndef EMULATOR_ARM_COMPUTE_H
#define EMULATOR_ARM_COMPUTE_H

#include "emulator/arm/resource.h"

#define COMPUTE_VERSIONS \
	"2026-03-01, 2025-04-01, 2024-11-01, 2024-07-01, 2024-03-01, 2023-09-01, 2023-07-01, " \
	"2023-03-01, 2022-11-01, 2022-08-01, 2022-03-01, 2021-11-01, 2021-07-01, 2021-04-01, " \
	"2021-03-01, 2020-12-01, 2020-06-01, 2019-12-01, 2019-07-01, 2019-03-01, 2018-10-01, " \
	"2018-06-01, 2017-12-01, 2017-03-30, 2016-04-30-preview, 2016-03-30, 2015-06-15"

extern const struct rtype compute_types[];
int compute_route(struct request *r, char **seg); /* behind Microsoft.Compute */

/* What virtual machines and scale sets share. */

struct vm_size {
	const char *name, *family;
	unsigned cores;
	unsigned memory_mb;
	bool arm;
	bool refused; /* NotAvailableForSubscription */
};
const struct vm_size *compute_size_find(const char *name);
/* Has it NVMe alone?  Those of v6, and of later ones, of which none is here. */
bool compute_size_nvme(const char *size);
/* p may have more machines of that size. */
int compute_check_quota(struct emu *m, struct put *p, const char *size,
			int64_t more);
/*
 * What Azure asks of osProfile and storageProfile, in profile; custom data
 * and password are taken out of it: *custom_data gets the former, or NULL.
 */
int compute_check_machine(struct emu *m, struct put *p, cJSON *profile,
			  const char *size, bool set, char **custom_data);
/* Its instanceView. */
cJSON *compute_machine_view(struct emu *m, const struct entry *n);
/* struct rtype's expand() of machines: instanceView. */
void compute_expand(struct request *r, const struct entry *n, cJSON *doc);
/* POST verb for the machines with these keys (taken); 1: no such verb. */
int compute_act(struct request *r, const struct entry *owner, const char *verb,
		cJSON *keys);
/* Begin run for these machines (keys taken), with {"keys", "verb"} for arguments. */
int compute_begin(struct request *r, const struct entry *owner, cJSON *keys,
		  op_run *run, const char *verb, const char *state,
		  const char *power);
/* Their provisioning state, and power unless that is "". */
void compute_set_state(struct emu *m, const cJSON *keys, const char *state,
		       const char *power);
/* POST simulateEviction; profile: where its priority and eviction policy are. */
int compute_evict(struct request *r, struct entry *n, const cJSON *profile);
/* What Azure does then: announce it (0: for as long as is usual), and delete
 * the machine with policy "Delete", else deallocate it.  0 when that goes on. */
int compute_take_back(struct emu *m, const struct entry *n, const char *policy,
		      unsigned notice_s, struct fault *f);
int compute_run_command(struct request *r, struct entry *n);

#endif
