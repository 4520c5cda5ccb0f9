/*
 * Microsoft.Insights: autoscale settings, which scaler.c obeys.
 */
#include "emulator/arm/insights.h"
#include "emulator/arm/resource.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/request.h"
#include "emulator/store.h"

static int check_profile(struct put *p, const cJSON *profile)
{
	static const char *const limits[] = {
		"capacity.minimum",
		"capacity.default",
		"capacity.maximum",
	};
	const char *name = json_text(profile, "name");
	uint64_t v[3];

	for (size_t i = 0; i < 3; i++)
		if (!str_num(str_of(json_text(profile, limits[i])), 1000, &v[i]))
			return fault_set(
				&p->f, 400,
				"InvalidRequestContent: "
				"%s of the profile '%s' must be a number in a string.",
				limits[i], name);
	if (v[0] > v[1] || v[1] > v[2])
		return fault_set(
			&p->f, 400,
			"InvalidAutoscaleProfileCapacity: The capacity "
			"of the profile '%s' is invalid: minimum %llu, default %llu, maximum "
			"%llu must not fall.",
			name, (unsigned long long)v[0],
			(unsigned long long)v[1], (unsigned long long)v[2]);
	if (cJSON_GetArraySize(json_get(profile, "rules")) > 10)
		return fault_set(&p->f, 400,
				 "TooManyAutoscaleRules: "
				 "The profile '%s' has more than 10 rules.",
				 name);
	return 0;
}

static int put_autoscale(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *profile, *rule;
	const char *target = json_str_opt(props, "targetResourceUri", NULL);
	int n = cJSON_GetArraySize(json_get(props, "profiles"));

	json_defaults(p->doc,
		      "{'tags':{},'properties':{'name':%s,'enabled':true}}",
		      p->name);
	if (n < 1 || n > 20)
		return fault_set(
			&p->f, 400,
			"InvalidRequestContent: "
			"An autoscale setting has 1 to 20 profiles; this one has %d.",
			n);
	if (target == NULL || (!p->dry && store_doc(m, target) == NULL))
		return fault_set(
			&p->f, 404,
			"ResourceNotFound: "
			"The target resource id '%.300s' of the autoscale setting was not found.",
			target != NULL ? target : "");
	cJSON_ArrayForEach(profile, json_get(props, "profiles")) {
		if (check_profile(p, profile) < 0)
			return -1;
		cJSON_ArrayForEach(rule, json_get(profile, "rules"))
			json_defaults(rule, "{'metricTrigger':{'metricNamespace':'',"
					    "'dividePerInstance':false}}");
	}
	return 0;
}

/* A change that takes the profiles for granted is refused. */
static int patch_autoscale(struct request *r, const cJSON *body)
{
	const cJSON *properties = json_get(body, "properties");

	return properties == NULL || json_get(properties, "profiles") != NULL ?
		       0 :
		       fault_set(&r->fault, 400,
				 "InvalidRequestContent: The autoscale setting has no "
				 "profiles: a change of its properties must name them.");
}

const struct rtype insights_types[] = {
	{
		.name = "Microsoft.Insights/autoscaleSettings",
		.versions = "2022-10-01, 2021-05-01-preview, 2015-04-01, 2014-04-01",
		.flags = R_TRACKED,
		.put = put_autoscale,
		.patch = patch_autoscale,
	},
	{ .name = NULL },
};
