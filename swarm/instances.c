/*
 * The scale set's machines: listing them, and Azure's actions on some or all.
 */
#include "swarm/instances.h"
#include "swarm/swarm.h"

#include <stdlib.h>
#include <string.h>

char *instances_path(const struct session *s, const char *rest)
{
	return azure_path(&s->az,
			  "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachineScaleSets/%s%s",
			  settings_get(s->set, S_COMPUTE_GROUP),
			  settings_get(s->set, S_VMSS_NAME), rest);
}

static const char *power_of(const cJSON *vm)
{
	const cJSON *st;

	cJSON_ArrayForEach(st, json_at(vm, "properties.instanceView.statuses")) {
		const char *code = json_str_opt(st, "code", "");

		if (str_istarts(str_of(code), STR("PowerState/")))
			return code + strlen("PowerState/");
	}
	return "unknown";
}

void instances_add(struct instances *a, const cJSON *vm)
{
	const char *size = json_str_opt(vm, "sku.name", "");

	a->list = xrealloc(a->list, (a->n + 1) * sizeof(*a->list));
	a->list[a->n++] = (struct instance){
		.id = xstrdup(json_str_opt(vm, "instanceId", "")),
		.name = xstrdup(json_str_opt(vm, "name", "")),
		.host = xstrdup(
			json_str_opt(vm, "properties.osProfile.computerName", "")),
		.power = xstrdup(power_of(vm)),
		.provisioning = xstrdup(
			json_str_opt(vm, "properties.provisioningState", "")),
		/* a machine of its own has it elsewhere */
		.size = xstrdup(json_str_opt(
			vm, "properties.hardwareProfile.vmSize", size)),
	};
}

static int take_instance(void *ctx, const cJSON *vm, struct err *e)
{
	struct instances *a = ctx;
	const char *id = json_str(vm, "instanceId", e);
	uint64_t ignored;

	if (id == NULL)
		return err_in(e, "instance");
	if (!str_num(str_of(id), UINT32_MAX, &ignored))
		return err_set(e, ERR_PROTO,
			       "instance id \"%.32s\" is not a number: is this "
			       "scale set Uniform?",
			       id);
	if (a->n == INSTANCES_MAX)
		return err_set(e, ERR_PROTO, "more than %d instances",
			       INSTANCES_MAX);
	instances_add(a, vm);
	return 0;
}

int64_t instances_bound(int64_t bound, int64_t most)
{
	int64_t limit = most > INSTANCES_SINGLE_MAX ? INSTANCES_MAX :
						      INSTANCES_SINGLE_MAX;

	return bound < limit ? bound : limit;
}

const char *const instances_wanted[] = {
	"instanceId",
	"name",
	"properties.osProfile.computerName",
	"properties.provisioningState",
	"properties.instanceView.statuses.code",
	"sku.name",
	NULL,
};

int instances_list(struct session *s, struct instances *a, struct err *e)
{
	char *path = instances_path(s, "/virtualMachines?api-version=" API_COMPUTE
				       "&$expand=instanceView");
	int rc;

	*a = (struct instances){ 0 };
	rc = azure_list_of(&s->az, path, instances_wanted, "list of agents",
			   take_instance, a, e);
	free(path);
	return rc;
}

/* Forget those behind the first n. */
static void keep_first(struct instances *a, size_t n)
{
	for (size_t i = n; i < a->n; i++) {
		free(a->list[i].id);
		free(a->list[i].name);
		free(a->list[i].host);
		free(a->list[i].power);
		free(a->list[i].provisioning);
		free(a->list[i].address);
		free(a->list[i].size);
	}
	a->n = n;
}

void instances_release(struct instances *a)
{
	keep_first(a, 0);
	free(a->list);
	*a = (struct instances){ 0 };
}

bool instance_is_off(const struct instance *vm)
{
	/* one on its way down, or whose power Azure does not know, may run */
	return strcmp(vm->power, "stopped") == 0 ||
	       strcmp(vm->power, "deallocated") == 0;
}

bool instance_is_warm(const struct instance *vm)
{
	return strcmp(vm->power, "deallocated") == 0;
}

bool instance_is_going(const struct instance *vm)
{
	return str_ieqz(str_of(vm->provisioning), "Deleting");
}

size_t instances_drop_going(struct instances *a)
{
	size_t n = 0, all = a->n;

	for (size_t i = 0; i < a->n; i++) {
		struct instance vm = a->list[i];

		if (!instance_is_going(&vm)) {
			a->list[i] = a->list[n];
			a->list[n++] = vm;
		}
	}
	keep_first(a, n);
	return all - n;
}

static bool is_named(const struct instance *vm, const char *word)
{
	return strcmp(vm->id, word) == 0 || strcmp(vm->name, word) == 0 ||
	       strcmp(vm->host, word) == 0;
}

int instances_choose(struct instances *a, int argc, char **argv, struct err *e)
{
	size_t kept = 0;

	for (int k = 1; k < argc; k++) {
		size_t i = 0;

		while (i < a->n && !is_named(&a->list[i], argv[k]))
			i++;
		if (i == a->n)
			return err_set(e, ERR_USAGE,
				       "there is no agent \"%s\"; "
				       "'azswarm list-agents' lists them",
				       argv[k]);
		/* to the front, unless it is named twice */
		if (i >= kept) {
			struct instance vm = a->list[i];

			a->list[i] = a->list[kept];
			a->list[kept++] = vm;
		}
	}
	if (argc > 1)
		keep_first(a, kept);
	return 0;
}

int instances_act(struct session *s, const char *action, const struct instance *vm,
		  size_t n, unsigned flags, const char *what, struct err *e)
{
	char *rest = xasprintf("/%s%sapi-version=" API_COMPUTE, action,
			       strchr(action, '?') ? "&" : "?");
	char *path = instances_path(s, rest);
	struct azure_wait w = {
		.what = what,
		.limit_ms = OPERATION_LIMIT_MS,
		.flags = flags,
		.no_wait = s->no_wait,
	};
	cJSON *body = NULL, *ids;
	int rc;

	if (vm != NULL) {
		body = cJSON_CreateObject();
		ids = json_add_arr(body, "instanceIds");
		for (size_t i = 0; i < n; i++)
			json_add_str(ids, NULL, vm[i].id);
	}
	rc = azure_do(&s->az, "POST", path, body, &w, NULL, e);
	json_free(body);
	free(path);
	free(rest);
	return rc;
}
