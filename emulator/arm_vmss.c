/*
 * Scale sets of the Uniform kind.  A set holds a model; every instance
 * remembers which version of it it was made from.  Instances are entries
 * below the set, found under .../virtualMachines/NUMBER.
 */
#include <stdlib.h>

#include "emulator/inner.h"

#define INSTANCES_PAGE 40

static char *instances_prefix(const struct entry *set)
{
	return xasprintf("%s/virtualmachines/", set->key);
}

struct entry *set_of(struct emu *m, const struct entry *instance)
{
	char *key = xstrdup(instance->key), *cut = strstr(key, "/virtualmachines/");
	struct entry *set;

	if (cut != NULL)
		*cut = '\0';
	set = cut != NULL ? store_find(m, key) : NULL;
	free(key);
	return set;
}

const char *instance_custom_data(struct emu *m, const struct entry *instance)
{
	struct entry *set = set_of(m, instance);
	char version[24];

	snprintf(version, sizeof(version), "%lld", (long long)json_int_opt(instance->hide, "model", 0));
	return set == NULL ? NULL :
		json_str_opt(json_get(json_get(set->hide, "models"), version), "customData", NULL);
}

/* ---- the set ---- */

static void nic_defaults(cJSON *profile)
{
	cJSON *nic, *ip;

	cJSON_ArrayForEach(nic, json_at(profile, "networkProfile.networkInterfaceConfigurations")) {
		cJSON *p = json_sub(nic, "properties");

		json_default(p, "enableAcceleratedNetworking", cJSON_CreateFalse());
		json_default(p, "disableTcpStateTracking", cJSON_CreateFalse());
		json_default(p, "dnsSettings", json_fmt("{'dnsServers':[]}"));
		json_default(p, "enableIPForwarding", cJSON_CreateFalse());
		cJSON_ArrayForEach(ip, json_get(p, "ipConfigurations"))
			json_default(json_sub(ip, "properties"), "privateIPAddressVersion",
				     cJSON_CreateString("IPv4"));
	}
}

static int check_network(struct emu *m, struct put *p, const cJSON *profile)
{
	const cJSON *nics = json_at(profile, "networkProfile.networkInterfaceConfigurations"), *nic, *ip, *v;

	if (cJSON_GetArraySize(nics) == 0)
		return fault_set(&p->f, 400, "InvalidParameter networkProfile: "
			      "Required parameter 'networkProfile' is missing (null).");
	cJSON_ArrayForEach(nic, nics)
		cJSON_ArrayForEach(ip, json_at(nic, "properties.ipConfigurations")) {
			if (need_reference(m, p, json_str_opt(ip, "properties.subnet.id", NULL)) < 0)
				return -1;
			cJSON_ArrayForEach(v, json_at(ip, "properties.loadBalancerBackendAddressPools"))
				if (need_reference(m, p, json_str_opt(v, "id", NULL)) < 0)
					return -1;
			cJSON_ArrayForEach(v, json_at(ip, "properties.loadBalancerInboundNatPools"))
				if (need_reference(m, p, json_str_opt(v, "id", NULL)) < 0)
					return -1;
		}
	nic = json_at(nics->child, "properties.networkSecurityGroup.id");
	return nic != NULL ? need_reference(m, p, nic->valuestring) : 0;
}

static bool same_json(const cJSON *a, const cJSON *b)
{
	return cJSON_Compare(a, b, true);
}

/* The next version of the model, unless nothing changed. */
static void new_model(struct put *p, const char *custom_data)
{
	const cJSON *profile = json_at(p->doc, "properties.virtualMachineProfile");
	const cJSON *was = p->old == NULL ? NULL :
		json_at(p->old->doc, "properties.virtualMachineProfile");
	const char *had = NULL;
	int64_t model = 0;
	char version[24];
	bool same = false;

	p->hide = p->old == NULL ? json_fmt("{'model':0,'next':0,'models':{}}") :
		cJSON_Duplicate(p->old->hide, true);
	if (p->old != NULL) {
		model = json_int_opt(p->hide, "model", 0);
		snprintf(version, sizeof(version), "%lld", (long long)model);
		had = json_str_opt(json_get(json_get(p->hide, "models"), version), "customData", NULL);
		same = same_json(profile, was) && (custom_data == NULL ||
			(had != NULL && strcmp(had, custom_data) == 0)) &&
			json_is(p->doc, "sku.name", json_text(p->old->doc, "sku.name"));
	}
	if (same)
		return;
	snprintf(version, sizeof(version), "%lld", (long long)model + 1);
	json_set(json_get_mut(p->hide, "models"), version,
		 json_fmt("{'customData':%s}", custom_data != NULL ? custom_data : had));
	json_set(p->hide, "model", cJSON_CreateNumber((double)(model + 1)));
}

static op_run run_set;

int put_vmss(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties"), *profile, *sku = json_sub(p->doc, "sku");
	const char *size = json_str_opt(sku, "name", NULL), *mode;
	int64_t had = p->old != NULL ? json_int_opt(p->old->doc, "sku.capacity", 0) : 0, want;
	char *custom_data = NULL, guid[37], when[40], *prefix;
	struct entry *n;
	int rc = -1;

	want = json_int_opt(sku, "capacity", had);
	if (size == NULL || json_get(sku, "capacity") == NULL) {
		if (p->old == NULL) {
			fault_set(&p->f, 400, "InvalidParameter sku: "
			       "Required parameter 'sku.%s' is missing (null).",
			       size == NULL ? "name" : "capacity");
			goto out;
		}
		size = json_text(p->old->doc, "sku.name");
		json_default(sku, "name", cJSON_CreateString(size));
		json_default(sku, "capacity", cJSON_CreateNumber((double)had));
	}
	json_default(sku, "tier", cJSON_CreateString("Standard"));
	if (!is(json_str_opt(props, "orchestrationMode", "Uniform"), "Uniform")) {
		fault_set(&p->f, 400, "InvalidParameter orchestrationMode: "
		       "The local Azure has scale sets of orchestrationMode Uniform only.");
		goto out;
	}
	json_default(props, "orchestrationMode", cJSON_CreateString("Uniform"));
	mode = json_str_opt(props, "upgradePolicy.mode", NULL);
	if (mode == NULL || (!is(mode, "Manual") && !is(mode, "Automatic") && !is(mode, "Rolling"))) {
		fault_set(&p->f, 400, "InvalidParameter upgradePolicy: "
		       "Required parameter 'upgradePolicy.mode' is missing or invalid. Allowed values are "
		       "Manual, Automatic, Rolling.");
		goto out;
	}
	json_default(props, "singlePlacementGroup", cJSON_CreateTrue());
	json_default(props, "overprovision", cJSON_CreateTrue());
	if (want < 0 || want > (json_bool_opt(props, "singlePlacementGroup", true) ? 100 : 1000)) {
		fault_set(&p->f, 400, "InvalidParameter sku.capacity: " "The specified capacity %lld is not "
		       "in the allowed range: at most 100 with a single placement group, 1000 without.",
		       (long long)want);
		goto out;
	}
	profile = json_sub(props, "virtualMachineProfile");
	if (check_machine(p, profile, size, true, &custom_data) < 0 || check_network(m, p, profile) < 0 ||
	    check_quota(m, p, size, want - had) < 0)
		goto out;
	json_put_str(sku, "name", vm_size_find(size)->name);
	nic_defaults(profile);
	json_default(props, "doNotRunExtensionsOnOverprovisionedVMs", cJSON_CreateFalse());
	json_default(props, "platformFaultDomainCount", cJSON_CreateNumber(5));
	random_guid(guid);
	iso_now(when);
	json_put_str(props, "uniqueId", json_str_opt(p->old != NULL ? p->old->doc : NULL,
						     "properties.uniqueId", guid));
	json_put_str(props, "timeCreated", json_str_opt(p->old != NULL ? p->old->doc : NULL,
							"properties.timeCreated", when));
	if (p->old != NULL && !p->dry) {
		prefix = instances_prefix(p->old);
		for (n = NULL, rc = 0; rc == 0 && (n = store_next(m, n, prefix)) != NULL;)
			rc = refuse_busy(m, n, &p->f);
		free(prefix);
		if (rc < 0)
			goto out;
	}
	new_model(p, custom_data);
	p->work = run_set;
	rc = 0;
out:
	burn_str(custom_data);
	return rc;
}

/* ---- instances come and go ---- */

/* Six digits of base 36. */
static void computer_name(const char *prefix, int64_t id, char out[32])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = (size_t)snprintf(out, 32, "%.15s000000", prefix);

	for (size_t i = n - 1; id > 0 && i >= n - 6; i--, id /= 36)
		out[i] = digits[id % 36];
}

static cJSON *instance_doc(const struct entry *set, int64_t id)
{
	const char *name = json_text(set->doc, "name"), *set_id = json_text(set->doc, "id");
	const cJSON *profile = json_at(set->doc, "properties.virtualMachineProfile"), *v;
	char own[24], computer[32], vm[37], when[40], disk[160], *path, *own_name;
	cJSON *doc, *p, *os, *storage, *nic;

	snprintf(own, sizeof(own), "%lld", (long long)id);
	computer_name(json_text(profile, "osProfile.computerNamePrefix"), id, computer);
	random_guid(vm);
	iso_now(when);
	path = xasprintf("%s/virtualMachines/%s", set_id, own);
	own_name = xasprintf("%s_%s", name, own);
	doc = json_fmt("{'name':%s,'id':%s,'type':'Microsoft.Compute/virtualMachineScaleSets/"
		"virtualMachines','location':%s,'tags':%j,'instanceId':%s,'sku':{'name':%s,'tier':"
		"'Standard'},'etag':%s,'properties':{'latestModelApplied':true,"
		"'modelDefinitionApplied':'VirtualMachineScaleSet','networkProfileConfiguration':%j,"
		"'provisioningState':'Creating','hardwareProfile':{'vmSize':%s},"
		"'resilientVMDeletionStatus':'Disabled','vmId':%s,'storageProfile':%j,'osProfile':%j,"
		"'networkProfile':{'networkInterfaces':[]},'timeCreated':%s}}",
		own_name, path, json_text(set->doc, "location"), json_get(set->doc, "tags"), own,
		json_text(set->doc, "sku.name"), "\"1\"", json_get(profile, "networkProfile"),
		json_text(set->doc, "sku.name"), vm, json_get(profile, "storageProfile"),
		json_get(profile, "osProfile"), when);
	json_strip_nulls(doc);
	p = json_get_mut(doc, "properties");
	os = json_get_mut(p, "osProfile");
	json_drop(os, "computerNamePrefix");
	json_put_str(os, "computerName", computer);
	storage = json_sub(p, "storageProfile");
	snprintf(disk, sizeof(disk), "%.60s_%.60s_OS__1_%.8s", name, own_name, vm);
	json_put_str(json_sub(storage, "osDisk"), "name", disk);
	json_default(storage, "dataDisks", cJSON_CreateArray());
	v = json_get(storage, "imageReference");
	json_put_str(json_sub(storage, "imageReference"), "exactVersion", image_version(v));
	cJSON_ArrayForEach(v, json_at(profile, "networkProfile.networkInterfaceConfigurations")) {
		char *s = xasprintf("%s/networkInterfaces/%s", path, json_text(v, "name"));

		nic = json_get_mut(json_get_mut(p, "networkProfile"), "networkInterfaces");
		json_push(nic, "{'id':%s}", s);
		free(s);
	}
	free(path);
	free(own_name);
	return doc;
}

static int add_instance(struct emu *m, struct entry *set, cJSON *keys, struct fault *f)
{
	int64_t id = json_int_opt(set->hide, "next", 0);
	const char *subnet = json_text(set->doc, "properties.virtualMachineProfile.networkProfile."
		"networkInterfaceConfigurations[0].properties.ipConfigurations[0].properties.subnet.id");
	cJSON *doc = instance_doc(set, id);
	const char *path = json_text(doc, "id");
	struct put p = { .id = xstrdup(path) };
	char address[16];
	struct entry *n;
	int rc = address_take(m, &p, subnet, NULL, address);

	if (rc == 0) {
		json_set(set->hide, "next", cJSON_CreateNumber((double)(id + 1)));
		n = store_add(m, path, doc, json_fmt("{'power':'starting','want':'running','address':%s,"
			"'subnet':%s,'model':%l}", address, subnet, json_int_opt(set->hide, "model", 1)));
		json_add_str(keys, NULL, n->key);
	} else {
		json_free(doc);
		*f = p.f;
		p.f.error = NULL;
	}
	put_release(&p);
	return rc;
}

static void instances_state(struct emu *m, const cJSON *keys, const char *state)
{
	const cJSON *k;
	struct entry *n;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL)
			entry_state(n, state);
}

/* Tell them, wait, take them away. */
static int remove_instances(struct emu *m, const cJSON *keys, struct fault *f)
{
	const cJSON *k;
	struct entry *n;
	int rc;

	instances_state(m, keys, "Deleting");
	events_terminate(m, keys);
	rc = machines_run(m, "delete", keys, f);
	cJSON_ArrayForEach(k, keys) {
		events_forget(m, k->valuestring);
		n = store_find(m, k->valuestring);
		/* one that would not go stays, for all to see */
		if (n != NULL && json_is(n->hide, "power", "gone"))
			store_remove(m, n);
		else if (n != NULL)
			entry_state(n, "Failed");
	}
	return rc;
}

static int64_t instance_number(const struct entry *n)
{
	uint64_t v = 0;

	str_num(str_of(json_text(n->doc, "instanceId")), 1000000, &v);
	return (int64_t)v;
}

/* Those that a smaller capacity takes away, by the set's rule. */
static cJSON *choose_victims(struct emu *m, struct entry *set, int64_t n_victims)
{
	bool oldest = json_is(set->doc, "properties.scaleInPolicy.rules[0]", "OldestVM");
	cJSON *keys = cJSON_CreateArray();
	char *prefix = instances_prefix(set);

	while (cJSON_GetArraySize(keys) < n_victims) {
		struct entry *best = NULL, *n;

		for (n = NULL; (n = store_next(m, n, prefix)) != NULL;) {
			const cJSON *k;
			bool chosen = json_bool_opt(n->doc, "properties.protectionPolicy.protectFromScaleIn",
						    false);

			cJSON_ArrayForEach(k, keys)
				chosen = chosen || strcmp(k->valuestring, n->key) == 0;
			if (!chosen && (best == NULL ||
			    (instance_number(n) < instance_number(best)) == oldest))
				best = n;
		}
		if (best == NULL)
			break;
		json_add_str(keys, NULL, best->key);
	}
	free(prefix);
	return keys;
}

static int64_t count_instances(struct emu *m, const char *prefix)
{
	struct entry *n;
	int64_t k = 0;

	for (n = NULL; (n = store_next(m, n, prefix)) != NULL;)
		k++;
	return k;
}

static void mark_models(struct emu *m, struct entry *set, bool all)
{
	char *prefix = instances_prefix(set);
	int64_t model = json_int_opt(set->hide, "model", 0);
	struct entry *n;

	for (n = NULL; (n = store_next(m, n, prefix)) != NULL;) {
		if (all)
			json_set(n->hide, "model", cJSON_CreateNumber((double)model));
		json_set(json_get_mut(n->doc, "properties"), "latestModelApplied",
			 cJSON_CreateBool(json_int_opt(n->hide, "model", 0) == model));
	}
	free(prefix);
}

/* Bring a set to its capacity. */
static int run_set(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *set = store_find(m, op->key);
	char *prefix = instances_prefix(set);
	int64_t want = json_int_opt(set->doc, "sku.capacity", 0), have = count_instances(m, prefix);
	cJSON *keys;
	int rc = 0;

	mark_models(m, set, !json_is(set->doc, "properties.upgradePolicy.mode", "Manual"));
	if (have < want) {
		keys = cJSON_CreateArray();
		for (; rc == 0 && have < want; have++)
			rc = add_instance(m, set, keys, f);
		if (machines_run(m, "create", keys, f) < 0)
			rc = -1;
	} else {
		keys = choose_victims(m, set, have - want);
		rc = have > want ? remove_instances(m, keys, f) : op_sleep(m, 300);
	}
	json_free(keys);
	/* what is there counts, also after a failure */
	if ((set = store_find(m, op->key)) != NULL)
		json_set(json_get_mut(set->doc, "sku"), "capacity",
			 cJSON_CreateNumber((double)count_instances(m, prefix)));
	free(prefix);
	return rc;
}

int remove_vmss(struct emu *m, const char *key, struct fault *f)
{
	char *prefix = xasprintf("%s/virtualmachines/", key);
	cJSON *keys = cJSON_CreateArray();
	struct entry *n;
	int rc;

	for (n = NULL; (n = store_next(m, n, prefix)) != NULL;)
		json_add_str(keys, NULL, n->key);
	rc = remove_instances(m, keys, f);
	json_free(keys);
	free(prefix);
	return rc;
}

/* ---- actions ---- */

/* The keys of the instances a request is about: those it names, or all. */
static cJSON *named_instances(struct call *c, struct entry *set, bool must_name)
{
	const cJSON *ids = json_get(c->body, "instanceIds"), *id;
	cJSON *keys = cJSON_CreateArray();
	char *prefix = instances_prefix(set), *key;
	struct entry *n;

	if (must_name && cJSON_GetArraySize(ids) == 0) {
		fault_set(&c->fault, 400, "InvalidParameter instanceIds: "
		       "Required parameter 'instanceIds' is missing (null).");
	} else if (cJSON_GetArraySize(ids) == 0 ||
		   (cJSON_GetArraySize(ids) == 1 && is(ids->child->valuestring, "*"))) {
		for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;)
			json_add_str(keys, NULL, n->key);
	} else {
		cJSON_ArrayForEach(id, ids) {
			key = xasprintf("%s%s", prefix, cJSON_IsString(id) ? id->valuestring : "");
			if (strchr(key + strlen(prefix), '/') != NULL || store_find(c->m, key) == NULL)
				fault_set(&c->fault, 400, "InvalidParameter instanceIds: " "The provided "
				       "instanceId %.40s is not an active Virtual Machine Scale Set VM "
				       "instanceId.", key + strlen(prefix));
			else
				json_add_str(keys, NULL, key);
			free(key);
		}
	}
	free(prefix);
	if (c->fault.error == NULL)
		return keys;
	json_free(keys);
	return NULL;
}

static int run_delete(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *set;
	char *prefix = xasprintf("%s/virtualmachines/", json_text(op->args, "set"));
	int rc = remove_instances(m, json_get(op->args, "keys"), f);

	if ((set = store_find(m, json_text(op->args, "set"))) != NULL)
		json_set(json_get_mut(set->doc, "sku"), "capacity",
			 cJSON_CreateNumber((double)count_instances(m, prefix)));
	free(prefix);
	return rc;
}

static int run_upgrade(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *set = store_find(m, op->key), *n;
	const cJSON *k;

	(void)f;
	cJSON_ArrayForEach(k, json_get(op->args, "keys"))
		if ((n = store_find(m, k->valuestring)) != NULL)
			json_set(n->hide, "model", cJSON_CreateNumber((double)
				 json_int_opt(set->hide, "model", 0)));
	mark_models(m, set, false);
	return op_sleep(m, 500);
}

/* Begin run for these instances (keys taken). */
static int begin(struct call *c, struct entry *set, cJSON *keys, op_run *run, bool deleting)
{
	const cJSON *k;
	struct entry *n;
	struct op *op;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(c->m, k->valuestring)) != NULL && refuse_busy(c->m, n, &c->fault) < 0) {
			json_free(keys);
			return -1;
		}
	if (deleting)
		instances_state(c->m, keys, "Deleting");
	op = op_start(c->m, OP_COMPUTE, json_text(set->doc, "location"), set->key, c->api, run,
		      json_fmt("{'set':%s,'keys':%j}", set->key, keys), cJSON_Duplicate(keys, true),
		      &c->fault);
	json_free(keys);
	if (op == NULL)
		return -1;
	call_op(c, op);
	return call_answer(c, 202, NULL);
}

static cJSON *instance_nic(const struct entry *n)
{
	const cJSON *cfg = json_at(n->doc, "properties.networkProfileConfiguration."
				   "networkInterfaceConfigurations[0]");
	const cJSON *ip = json_at(cfg, "properties.ipConfigurations[0]");
	char *id = xasprintf("%s/networkInterfaces/%s", json_text(n->doc, "id"),
			     json_text(cfg, "name"));
	char *ip_id = xasprintf("%s/ipConfigurations/%s", id, json_text(ip, "name"));
	cJSON *doc = json_fmt("{'name':%s,'id':%s,'etag':%s,'properties':{'provisioningState':"
		"'Succeeded','resourceGuid':%s,'ipConfigurations':[{'name':%s,'id':%s,'properties':{"
		"'provisioningState':'Succeeded','privateIPAddress':%s,'privateIPAllocationMethod':"
		"'Dynamic','subnet':%j,'primary':true,'privateIPAddressVersion':'IPv4',"
		"'loadBalancerBackendAddressPools':%j}}],'dnsSettings':{'dnsServers':[],"
		"'appliedDnsServers':[]},'enableAcceleratedNetworking':false,'enableIPForwarding':false,"
		"'primary':true,'virtualMachine':{'id':%s}}}",
		json_text(cfg, "name"), id, "W/\"1\"", json_text(n->doc, "properties.vmId"),
		json_text(ip, "name"), ip_id, json_text(n->hide, "address"),
		json_at(ip, "properties.subnet"), json_at(ip, "properties.loadBalancerBackendAddressPools"),
		json_text(n->doc, "id"));

	json_strip_nulls(doc);
	free(id);
	free(ip_id);
	return doc;
}

static int list_nics(struct call *c, struct entry *set, struct entry *only)
{
	char *prefix = instances_prefix(set);
	cJSON *arr = cJSON_CreateArray();
	struct entry *n;

	for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;)
		if (only == NULL || n == only)
			cJSON_AddItemToArray(arr, instance_nic(n));
	free(prefix);
	return call_page(c, arr, INSTANCES_PAGE);
}

static int list_instances(struct call *c, struct entry *set)
{
	char *prefix = instances_prefix(set);
	cJSON *arr = cJSON_CreateArray();
	struct entry *n;

	for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;)
		cJSON_AddItemToArray(arr, call_show(c, n));
	free(prefix);
	return call_page(c, arr, INSTANCES_PAGE);
}

static void tally(cJSON *arr, const char *kind, const char *state)
{
	char code[64];
	cJSON *item;

	snprintf(code, sizeof(code), "%s/%s", kind, state);
	cJSON_ArrayForEach(item, arr)
		if (json_is(item, "code", code)) {
			json_set(item, "count", cJSON_CreateNumber((double)(json_int_opt(item, "count", 0) + 1)));
			return;
		}
	json_push(arr, "{'code':%s,'count':1}", code);
}

static int set_view(struct call *c, struct entry *set)
{
	char *prefix = instances_prefix(set);
	cJSON *out = json_fmt("{'virtualMachine':{'statusesSummary':[]},'statuses':[{'code':"
		"'ProvisioningState/succeeded','level':'Info','displayStatus':'Provisioning succeeded',"
		"'time':%s}],'orchestrationServices':[]}",
		json_text(set->doc, "properties.timeCreated"));
	cJSON *arr = json_get_mut(json_get_mut(out, "virtualMachine"), "statusesSummary");
	struct entry *n;

	for (n = NULL; (n = store_next(c->m, n, prefix)) != NULL;) {
		char *state = lower(json_text(n->doc, "properties.provisioningState"));

		tally(arr, "ProvisioningState", state);
		tally(arr, "PowerState", json_str_opt(n->hide, "power", "unknown"));
		free(state);
	}
	free(prefix);
	return call_answer(c, 200, out);
}

/* PUT on an instance: tags and protection. */
static int put_instance(struct call *c, struct entry *n)
{
	const cJSON *tags = json_get(c->body, "tags"), *guard = json_at(c->body, "properties.protectionPolicy");
	const char *etag = json_str_opt(c->body, "etag", NULL), *have = json_text(n->doc, "etag");

	if (etag != NULL && strcmp(etag, have) != 0)
		return fault_set(&c->fault, 412, "PreconditionFailed: " "Etag provided in if-match header "
			      "\"%.80s\" does not match etag %s of resource.", etag, have);
	if (json_bool_opt(guard, "protectFromScaleSetActions", false) &&
	    !json_bool_opt(guard, "protectFromScaleIn", false))
		return fault_set(&c->fault, 400, "InvalidParameter protectionPolicy: "
			      "protectFromScaleSetActions cannot be true while protectFromScaleIn is false.");
	if (tags != NULL)
		json_set(n->doc, "tags", cJSON_Duplicate(tags, true));
	if (guard != NULL)
		json_set(json_get_mut(n->doc, "properties"), "protectionPolicy", cJSON_Duplicate(guard, true));
	store_changed(c->m);
	return call_answer(c, 200, entry_show(c->m, n));
}

/* VMSS/virtualMachines/ID[/verb]: s[0] is the id. */
static int instance_call(struct call *c, struct entry *set, char **s)
{
	char *key = xasprintf("%s/virtualmachines/%s", set->key, s[0]);
	struct entry *n = store_find(c->m, key);
	bool get = c->method == GET;
	uint64_t id;

	free(key);
	c->pretty = true;
	if (!str_num(str_of(s[0]), UINT32_MAX, &id))
		return fault_set(&c->fault, 400, "InvalidParameter instanceId: "
			      "Virtual Machine Scale Set VM instanceId must be a number.");
	if (n == NULL && c->method == DELETE)
		return call_answer(c, 204, NULL);
	if (n == NULL && get)
		return fault_set(&c->fault, 404, "NotFound: "
			      "The entity was not found in this Azure location.");
	if (n == NULL)
		return fault_set(&c->fault, 400, "InvalidParameter instanceIds: " "The provided instanceId "
			      "%.40s is not an active Virtual Machine Scale Set VM instanceId.", s[0]);
	if (s[1] == NULL && get)
		return call_answer(c, 200, call_show(c, n));
	if (s[1] == NULL && c->method == PUT)
		return put_instance(c, n);
	if (s[1] != NULL && s[2] == NULL && get && is(s[1], "instanceView"))
		return call_answer(c, 200, machine_view(n));
	if (s[1] != NULL && s[2] == NULL && get && is(s[1], "networkInterfaces"))
		return list_nics(c, set, n);
	if (refuse_busy(c->m, set, &c->fault) < 0)
		return -1;
	if (s[1] == NULL && c->method == DELETE)
		return begin(c, set, json_fmt("[%s]", n->key), run_delete, true);
	if (s[1] == NULL || s[2] != NULL)
		return call_method(c);
	if (is(s[1], "runCommand"))
		return run_command(c, n);
	return machines_act(c, n, s[1], json_fmt("[%s]", n->key));
}

int vmss_action(struct call *c, struct entry *set, char **s)
{
	bool get = c->method == GET;
	cJSON *keys;

	if (is(s[0], "virtualMachines"))
		return s[1] != NULL ? instance_call(c, set, s + 1) :
			get ? list_instances(c, set) : call_method(c);
	if (s[1] != NULL)
		return 1;
	if (is(s[0], "instanceView"))
		return get ? set_view(c, set) : call_method(c);
	if (is(s[0], "networkInterfaces"))
		return get ? list_nics(c, set, NULL) : call_method(c);
	if (is(s[0], "publicIPAddresses"))
		return get ? call_answer(c, 200, json_fmt("{'value':[]}")) : call_method(c);
	if (c->method != POST)
		return 1;
	if (is(s[0], "setOrchestrationServiceState"))
		return call_answer(c, 200, NULL);
	if (refuse_busy(c->m, set, &c->fault) < 0)
		return -1;
	keys = named_instances(c, set, is(s[0], "delete") || is(s[0], "manualupgrade"));
	if (keys == NULL)
		return -1;
	if (is(s[0], "delete"))
		return begin(c, set, keys, run_delete, true);
	if (is(s[0], "manualupgrade"))
		return begin(c, set, keys, run_upgrade, false);
	return machines_act(c, set, s[0], keys);
}
