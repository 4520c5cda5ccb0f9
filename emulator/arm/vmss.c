/*
 * Scale sets of the Uniform kind.  A set holds a model; every instance
 * remembers which version of it it was made from.  Instances are entries
 * below the set, found under .../virtualMachines/NUMBER.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/compute.h"
#include "emulator/arm/image.h"
#include "emulator/arm/network.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/vmss.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/notice.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

#define INSTANCES_PAGE 40
#define SINGLE_GROUP_MAX 100
#define SET_MAX 1000

#define INSTANCES "/virtualmachines/" /* between a set's key and a number */

struct entry *vmss_next(struct emu *m, struct entry *after, const struct entry *set)
{
	return store_below(m, after, set->key, INSTANCES);
}

static cJSON *instance_keys(struct emu *m, const struct entry *set)
{
	cJSON *keys = cJSON_CreateArray();

	for (struct entry *n = NULL; (n = vmss_next(m, n, set)) != NULL;)
		json_add_str(keys, NULL, n->key);
	return keys;
}

struct entry *vmss_of(struct emu *m, const struct entry *instance)
{
	char *key = xstrdup(instance->key), *cut = strstr(key, INSTANCES);
	struct entry *set;

	if (cut != NULL)
		*cut = '\0';
	set = cut != NULL ? store_find(m, key) : NULL;
	free(key);
	return set;
}

/* What is kept of a model. */
static const cJSON *model_of(const cJSON *hide, int64_t model, const char *what)
{
	char version[24];

	snprintf(version, sizeof(version), "%lld", (long long)model);
	return json_get(json_get(json_get(hide, "models"), version), what);
}

const cJSON *vmss_model(struct emu *m, const struct entry *instance,
			const char *what)
{
	struct entry *set = vmss_of(m, instance);

	return set == NULL ?
		       NULL :
		       model_of(set->hide,
				json_int_opt(instance->hide, "model", 0), what);
}

bool vmss_is_spot(struct emu *m, const struct entry *instance)
{
	struct entry *set = vmss_of(m, instance);

	return set != NULL &&
	       json_is(set->doc, "properties.virtualMachineProfile.priority",
		       "Spot");
}

/* ---- the set ---- */

static void nic_defaults(cJSON *profile)
{
	cJSON *nic, *ip;

	cJSON_ArrayForEach(
		nic, json_at(profile,
			     "networkProfile.networkInterfaceConfigurations")) {
		json_defaults(nic, "@set-nic");
		cJSON_ArrayForEach(ip, json_at(nic, "properties.ipConfigurations"))
			json_defaults(
				ip,
				"{'properties':{'privateIPAddressVersion':'IPv4'}}");
	}
}

static int check_network(struct emu *m, struct put *p, const cJSON *profile)
{
	const cJSON *nics =
		json_at(profile, "networkProfile.networkInterfaceConfigurations");
	static const char *const pools[] = { "loadBalancerBackendAddressPools",
					     "loadBalancerInboundNatPools" };
	const cJSON *nic, *ip, *v;
	const char *id;

	if (cJSON_GetArraySize(nics) == 0)
		return fault_set(
			&p->f, 400,
			"InvalidParameter networkProfile: "
			"Required parameter 'networkProfile' is missing (null).");
	cJSON_ArrayForEach(nic, nics)
		cJSON_ArrayForEach(ip,
				   json_at(nic, "properties.ipConfigurations")) {
			id = json_str_opt(ip, "properties.subnet.id", NULL);
			if (resource_need_reference(m, p, id) < 0)
				return -1;
			for (size_t i = 0; i < 2; i++)
				cJSON_ArrayForEach(
					v, json_get(json_get(ip, "properties"),
						    pools[i]))
					if (resource_need_reference(
						    m, p,
						    json_str_opt(v, "id", NULL)) <
					    0)
						return -1;
		}
	nic = json_at(nics->child, "properties.networkSecurityGroup.id");
	return nic != NULL ? resource_need_reference(m, p, nic->valuestring) : 0;
}

/* The next version of the model, unless nothing changed. */
static void new_model(struct put *p, const char *custom_data)
{
	static const char profile[] = "properties.virtualMachineProfile";
	const cJSON *old = p->old != NULL ? p->old->doc : NULL;
	int64_t model = 0;
	const char *had = NULL;
	char version[24];

	if (old != NULL) {
		p->hide = cJSON_Duplicate(p->old->hide, true);
		model = json_int_opt(p->hide, "model", 0);
		had = cJSON_GetStringValue(model_of(p->hide, model, "customData"));
		if (custom_data == NULL)
			custom_data = had;
		if (cJSON_Compare(json_at(p->doc, profile),
				  json_at(old, profile), true) &&
		    (custom_data == NULL ||
		     (had != NULL && strcmp(had, custom_data) == 0)) &&
		    json_is(p->doc, "sku.name", json_text(old, "sku.name")))
			return;
	} else {
		p->hide = json_fmt("{'model':0,'next':0,'models':{}}");
	}
	model++;
	snprintf(version, sizeof(version), "%lld", (long long)model);
	json_set(json_get_mut(p->hide, "models"), version,
		 json_fmt("{'customData':%s,'events':%j}", custom_data,
			  json_at(p->doc, "properties.virtualMachineProfile."
					  "scheduledEventsProfile")));
	json_put_int(p->hide, "model", model);
}

/*
 * A set of one placement group has 100 machines at most, another 1,000; and
 * what has become another stays so.  The words are Azure's.
 */
static int check_placement(struct put *p, const cJSON *props, int64_t want)
{
	static const char path[] = "properties.singlePlacementGroup";
	bool single = json_bool_opt(props, path + strlen("properties."), true);
	int limit = single ? SINGLE_GROUP_MAX : SET_MAX;

	if (single && p->old != NULL && !json_bool_opt(p->old->doc, path, true))
		return fault_set(
			&p->f, 409,
			"PropertyChangeNotAllowed singlePlacementGroup: Changing "
			"property 'singlePlacementGroup' is not allowed.");
	if (want <= limit)
		return 0;
	return fault_set(&p->f, 409,
			 "OperationNotAllowed: Unable to create or update "
			 "VirtualMachineScaleSet '%s' as it exceeds the total "
			 "limit of '%d' Virtual Machine instances.",
			 p->name, limit);
}

static op_run run_set;

static int check_set(struct emu *m, struct put *p, cJSON *props, int64_t had,
		     char **custom_data)
{
	const char *size = json_str_opt(p->doc, "sku.name", NULL);
	int64_t want = json_int_opt(p->doc, "sku.capacity", -1);
	cJSON *profile = json_sub(props, "virtualMachineProfile");
	struct entry *n;

	if (size == NULL || want < 0)
		return fault_set(&p->f, 400,
				 "InvalidParameter sku: Required parameter 'sku.%s' is missing "
				 "(null).",
				 size == NULL ? "name" : "capacity");
	if (!json_is(props, "orchestrationMode", "Uniform"))
		return fault_set(
			&p->f, 400,
			"InvalidParameter orchestrationMode: The local "
			"Azure has scale sets of orchestrationMode Uniform only.");
	if (!str_listed("Manual Automatic Rolling",
			json_text(props, "upgradePolicy.mode")))
		return fault_set(
			&p->f, 400,
			"InvalidParameter upgradePolicy: Required "
			"parameter 'upgradePolicy.mode' is missing or invalid.");
	if (check_placement(p, props, want) < 0)
		return -1;
	if (compute_check_machine(m, p, profile, size, true, custom_data) < 0 ||
	    check_network(m, p, profile) < 0 ||
	    compute_check_quota(m, p, size, want - had) < 0)
		return -1;
	for (n = NULL; p->old != NULL && !p->dry &&
		       (n = vmss_next(m, n, p->old)) != NULL;)
		if (op_refuse_busy(n, &p->f) < 0)
			return -1;
	nic_defaults(profile);
	json_put_str(json_get_mut(p->doc, "sku"), "name",
		     compute_size_find(size)->name);
	return 0;
}

static int put_vmss(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *sku = json_sub(p->doc, "sku");
	const cJSON *old = p->old != NULL ? json_get(p->old->doc, "sku") : NULL;
	char *custom_data = NULL;
	int rc;

	/* az scales with a PUT of location and sku: without a model, a body
	 * changes only what it names */
	if (old != NULL && json_get(props, "virtualMachineProfile") == NULL)
		json_defaults(p->doc, "%j", p->old->doc);
	if (old != NULL) {
		json_defaults(sku, "%j", old);
		json_defaults(props, "{'singlePlacementGroup':%b}",
			      json_bool_opt(p->old->doc,
					    "properties.singlePlacementGroup",
					    true));
	}
	json_defaults(sku, "{'tier':'Standard'}");
	json_defaults(props, "@set");
	rc = check_set(m, p, props, json_int_opt(old, "capacity", 0),
		       &custom_data);
	if (rc == 0) {
		resource_born(p, "uniqueId");
		new_model(p, custom_data);
		p->work = run_set;
	}
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

static cJSON *instance_doc(struct emu *m, const struct entry *set, int64_t id)
{
	const char *name = json_text(set->doc, "name"),
		   *set_id = json_text(set->doc, "id");
	const char *size = json_text(set->doc, "sku.name");
	const cJSON *profile = json_at(set->doc,
				       "properties.virtualMachineProfile"),
		    *v;
	char computer[32];
	cJSON *doc, *p, *os, *storage;

	computer_name(json_text(profile, "osProfile.computerNamePrefix"), id,
		      computer);
	doc = json_fmt("@instance", name, id, set_id, id,
		       json_text(set->doc, "location"),
		       json_get(set->doc, "tags"), id, size,
		       json_get(profile, "networkProfile"), size,
		       json_get(profile, "storageProfile"),
		       json_get(profile, "osProfile"));
	json_strip_nulls(doc);
	p = json_get_mut(doc, "properties");
	os = json_get_mut(p, "osProfile");
	json_drop(os, "computerNamePrefix");
	json_put_str(os, "computerName", computer);
	storage = json_sub(p, "storageProfile");
	json_drop(json_sub(storage, "osDisk"), "name");
	json_defaults(storage,
		      "{'osDisk':{'name':'%s_%s_%l_OS__1_%s'},'dataDisks':[],'imageReference':{"
		      "'exactVersion':%s}}",
		      name, name, id, json_text(p, "vmId"),
		      image_version(m, json_get(storage, "imageReference"),
				    json_text(set->doc, "location")));
	cJSON_ArrayForEach(
		v, json_at(profile,
			   "networkProfile.networkInterfaceConfigurations"))
		json_push(json_get_mut(json_get_mut(p, "networkProfile"),
				       "networkInterfaces"),
			  "{'id':'%s/virtualMachines/%l/networkInterfaces/%s'}",
			  set_id, id, json_text(v, "name"));
	return doc;
}

static void add_instance(struct emu *m, struct entry *set, const char *subnet,
			 const char *address, cJSON *keys)
{
	int64_t id = json_int_opt(set->hide, "next", 0);
	cJSON *doc = instance_doc(m, set, id);
	struct entry *n;

	json_put_int(set->hide, "next", id + 1);
	n = store_add(m, json_text(doc, "id"), doc,
		      json_fmt("{'power':'starting','want':'running','address':%s,"
			       "'subnet':%s,'model':%l}",
			       address, subnet,
			       json_int_opt(set->hide, "model", 1)));
	json_add_str(keys, NULL, n->key);
}

#define ADDED_AT_ONCE 50 /* instances, before others have their turn */

/* So many more, as far as there are addresses; their keys go to keys. */
static int add_instances(struct emu *m, const char *key, int64_t more,
			 cJSON *keys, struct fault *f)
{
	while (more > 0) {
		struct entry *set = store_find(m, key);
		size_t n = more < ADDED_AT_ONCE ? (size_t)more : ADDED_AT_ONCE;
		struct put p = { .id = NULL };
		char address[ADDED_AT_ONCE][16];
		const char *subnet;
		int got;

		if (set == NULL)
			return -1;
		subnet = json_text(set->doc,
				   "properties.virtualMachineProfile.networkProfile."
				   "networkInterfaceConfigurations[0].properties."
				   "ipConfigurations[0].properties.subnet.id");
		p.id = xstrdup(json_text(set->doc, "id"));
		got = network_addresses_free(m, &p, subnet, n, address);
		for (int i = 0; i < got; i++)
			add_instance(m, set, subnet, address[i], keys);
		if (got < (int)n) {
			*f = p.f;
			p.f.error = NULL;
		}
		resource_put_release(&p);
		more -= (int64_t)n;
		if (got < (int)n || (more > 0 && op_sleep(m, 1) < 0))
			return -1;
	}
	return 0;
}

static int take_away(struct emu *m, const cJSON *keys, struct fault *f)
{
	const cJSON *k;
	struct entry *n;
	int rc;

	compute_set_state(m, keys, "Deleting", "");
	rc = machines_run(m, "delete", keys, f);
	cJSON_ArrayForEach(k, keys) {
		notice_forget(m, k->valuestring);
		n = store_find(m, k->valuestring);
		/* one that would not go stays, for all to see */
		if (n != NULL && json_is(n->hide, "power", "gone"))
			store_remove(m, n);
		else if (n != NULL)
			entry_state(n, "Failed");
	}
	return rc;
}

/* Tell them, wait, take them away. */
static int remove_instances(struct emu *m, const cJSON *keys, struct fault *f)
{
	compute_set_state(m, keys, "Deleting", "");
	notice_give(m, NOTICE_DELETE, keys, 0);
	return take_away(m, keys, f);
}

static int64_t instance_number(const struct entry *n)
{
	uint64_t v = 0;

	str_num(str_of(json_text(n->doc, "instanceId")), 1000000, &v);
	return (int64_t)v;
}

static int by_instance(const void *pa, const void *pb)
{
	const struct entry *const *a = pa, *const *b = pb;
	int64_t x = instance_number(*a), y = instance_number(*b);

	return x < y ? -1 : x > y;
}

/* Those that a smaller capacity takes away, by the set's rule. */
static cJSON *choose_victims(struct emu *m, struct entry *set, int64_t have,
			     int64_t n_victims)
{
	bool oldest = json_is(set->doc, "properties.scaleInPolicy.rules[0]",
			      "OldestVM");
	struct entry **all = xcalloc((size_t)have + 1, sizeof(struct entry *)),
		     *n;
	cJSON *keys = cJSON_CreateArray();
	int64_t k = 0;

	for (n = NULL; k < have && (n = vmss_next(m, n, set)) != NULL;)
		all[k++] = n;
	qsort(all, (size_t)k, sizeof(struct entry *), by_instance);
	for (int64_t i = 0; i < n_victims && i < k; i++)
		json_add_str(keys, NULL, all[oldest ? i : k - 1 - i]->key);
	free(all);
	return keys;
}

static int64_t count_instances(struct emu *m, const struct entry *set)
{
	int64_t k = 0;

	for (struct entry *n = NULL; (n = vmss_next(m, n, set)) != NULL;)
		k++;
	return k;
}

/* What is there counts, also after a failure. */
static void recount(struct emu *m, const char *key)
{
	struct entry *set = store_find(m, key);

	if (set != NULL)
		json_put_int(json_get_mut(set->doc, "sku"), "capacity",
			     count_instances(m, set));
}

/* It has the set's model from now on; its disk, not before it is reimaged. */
static void give_model(struct emu *m, struct entry *set, struct entry *n)
{
	static const char *const parts[] = { "osProfile", "storageProfile",
					     "hardwareProfile",
					     "networkProfileConfiguration" };
	cJSON *doc = instance_doc(m, set, instance_number(n));
	cJSON *to = json_get_mut(n->doc, "properties"),
	      *from = json_get_mut(doc, "properties");
	const char *disk = json_str_opt(to, "storageProfile.osDisk.name", "");

	json_put_str(json_sub(json_sub(from, "storageProfile"), "osDisk"),
		     "name", disk);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (json_get(from, parts[i]) != NULL)
			json_set(to, parts[i],
				 cJSON_Duplicate(json_get(from, parts[i]), true));
	json_set(n->doc, "sku", cJSON_Duplicate(json_get(doc, "sku"), true));
	json_put_int(n->hide, "model", json_int_opt(set->hide, "model", 0));
	json_free(doc);
}

/* Which instances have the newest model?  All get it, when all is set. */
static void mark_models(struct emu *m, struct entry *set, bool all)
{
	int64_t model = json_int_opt(set->hide, "model", 0);

	for (struct entry *n = NULL; (n = vmss_next(m, n, set)) != NULL;) {
		if (all && json_int_opt(n->hide, "model", 0) != model)
			give_model(m, set, n);
		json_set(json_get_mut(n->doc, "properties"), "latestModelApplied",
			 cJSON_CreateBool(json_int_opt(n->hide, "model", 0) ==
					  model));
	}
}

/* Bring a set to its capacity. */
static int run_set(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *set = store_find(m, op->key);
	int64_t want = json_int_opt(set->doc, "sku.capacity", 0),
		have = count_instances(m, set);
	cJSON *keys;
	int rc = 0;

	mark_models(m, set,
		    !json_is(set->doc, "properties.upgradePolicy.mode", "Manual"));
	if (have < want) {
		keys = cJSON_CreateArray();
		rc = add_instances(m, op->key, want - have, keys, f);
		if (machines_run(m, "create", keys, f) < 0)
			rc = -1;
	} else {
		keys = choose_victims(m, set, have, have - want);
		rc = have > want ? remove_instances(m, keys, f) :
				   op_sleep(m, 300);
	}
	json_free(keys);
	recount(m, op->key);
	return rc;
}

int vmss_resize(struct emu *m, struct entry *set, int64_t capacity,
		struct fault *f)
{
	struct entry *n = NULL;

	if (op_refuse_busy(set, f) < 0)
		return -1;
	while ((n = vmss_next(m, n, set)) != NULL)
		if (op_refuse_busy(n, f) < 0)
			return -1;
	json_put_int(json_get_mut(set->doc, "sku"), "capacity", capacity);
	entry_state(set, "Updating");
	return op_start(m, OP_COMPUTE, json_text(set->doc, "location"),
			set->key, "2024-07-01", run_set, NULL,
			json_fmt("[%s]", set->key), f) != NULL ?
		       0 :
		       -1;
}

int vmss_evicted(struct emu *m, const cJSON *keys, struct fault *f)
{
	struct entry *n = store_find(m, keys->child->valuestring);
	char *set = n != NULL ? xstrdup(vmss_of(m, n)->key) : NULL;
	int rc = set != NULL ? take_away(m, keys, f) : 0;

	if (set != NULL)
		recount(m, set);
	free(set);
	return rc;
}

static int remove_vmss(struct emu *m, const char *key, struct fault *f)
{
	cJSON *keys = instance_keys(m, store_find(m, key));
	int rc = remove_instances(m, keys, f);

	json_free(keys);
	return rc;
}

/* ---- actions ---- */

static int no_instance(struct request *r, const char *id)
{
	return fault_set(
		&r->fault, 400,
		"InvalidParameter instanceIds: The provided "
		"instanceId %.40s is not an active Virtual Machine Scale Set VM instanceId.",
		id);
}

/* The keys of the instances a request is about: those it names, or all. */
static cJSON *named_instances(struct request *r, struct entry *set, bool must_name)
{
	const cJSON *ids = json_get(r->body, "instanceIds"), *id;
	int n = cJSON_GetArraySize(ids);
	cJSON *keys;

	if (must_name && n == 0)
		fault_set(&r->fault, 400,
			  "InvalidParameter instanceIds: "
			  "Required parameter 'instanceIds' is missing (null).");
	if (n == 0 || (n == 1 && str_is(cJSON_GetStringValue(ids->child), "*")))
		return instance_keys(r->m, set);
	keys = cJSON_CreateArray();
	cJSON_ArrayForEach(id, ids) {
		const char *z = cJSON_IsString(id) ? id->valuestring : "";
		char *key = xasprintf("%s" INSTANCES "%s", set->key, z);

		if (strchr(z, '/') != NULL || store_find(r->m, key) == NULL)
			no_instance(r, z);
		json_add_str(keys, NULL, key);
		free(key);
	}
	return keys;
}

static int run_remove_instances(struct emu *m, struct op *op, struct fault *f)
{
	int rc = remove_instances(m, json_get(op->args, "keys"), f);

	recount(m, op->key);
	return rc;
}

static int run_upgrade(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *set = store_find(m, op->key), *n;
	const cJSON *k;

	(void)f;
	cJSON_ArrayForEach(k, json_get(op->args, "keys"))
		if ((n = store_find(m, k->valuestring)) != NULL)
			give_model(m, set, n);
	mark_models(m, set, false);
	return op_sleep(m, 500);
}

static cJSON *instance_nic(const struct entry *n)
{
	const cJSON *cfg = json_at(n->doc, "properties.networkProfileConfiguration."
					   "networkInterfaceConfigurations[0]");
	const cJSON *ip = json_at(cfg, "properties.ipConfigurations[0]");
	const char *vm = json_text(n->doc, "id"), *name = json_text(cfg, "name");
	const char *ip_name = json_text(ip, "name");
	cJSON *doc = json_fmt(
		"@instance-nic", name, vm, name,
		json_text(n->doc, "properties.vmId"), ip_name, vm, name, ip_name,
		json_text(n->hide, "address"), json_at(ip, "properties.subnet"),
		json_at(ip, "properties.loadBalancerBackendAddressPools"), vm);

	json_strip_nulls(doc);
	return doc;
}

static int list_nics(struct request *r, struct entry *set, struct entry *only)
{
	struct page p;

	if (request_page_begin(r, &p, INSTANCES_PAGE) < 0)
		return -1;
	for (struct entry *n = NULL; (n = vmss_next(r->m, n, set)) != NULL;)
		if ((only == NULL || n == only) && request_page_wants(&p))
			cJSON_AddItemToArray(p.value, instance_nic(n));
	return request_page_end(r, &p);
}

/* One more of that code. */
static void tally(cJSON *arr, const char *code)
{
	cJSON *item;

	cJSON_ArrayForEach(item, arr)
		if (json_is(item, "code", code)) {
			json_put_int(item, "count",
				     json_int_opt(item, "count", 0) + 1);
			return;
		}
	json_push(arr, "{'code':%s,'count':1}", code);
}

static int set_view(struct request *r, struct entry *set)
{
	cJSON *out = json_fmt("@set-view",
			      json_text(set->doc, "properties.timeCreated"));
	cJSON *arr = json_get_mut(json_get_mut(out, "virtualMachine"),
				  "statusesSummary"),
	      *view;

	for (struct entry *n = NULL; (n = vmss_next(r->m, n, set)) != NULL;) {
		view = compute_machine_view(r->m, n);
		tally(arr, json_text(view, "statuses[0].code"));
		tally(arr, json_text(view, "statuses[1].code"));
		json_free(view);
	}
	return request_answer(r, 200, out);
}

/* VMSS/virtualMachines/ID[/verb]: s[0] is the id. */
static int instance_call(struct request *r, struct entry *set, char **s)
{
	char *key = xasprintf("%s" INSTANCES "%s", set->key, s[0]);
	struct entry *n = store_find(r->m, key);
	uint64_t id;

	free(key);
	r->pretty = true;
	if (!str_num(str_of(s[0]), UINT32_MAX, &id))
		return fault_set(
			&r->fault, 400,
			"InvalidParameter instanceId: "
			"Virtual Machine Scale Set VM instanceId must be a number.");
	if (n == NULL)
		return r->method == DELETE ?
			       request_answer(r, 204, NULL) :
		       r->method != GET ?
			       no_instance(r, s[0]) :
			       fault_set(&r->fault, 404,
					 "NotFound: The entity was not found in this "
					 "Azure location.");
	if (r->method == GET && s[1] == NULL)
		return resource_answer(r, n);
	if (r->method == GET && s[2] == NULL && str_is(s[1], "instanceView"))
		return request_answer(r, 200, compute_machine_view(r->m, n));
	if (r->method == GET && s[2] == NULL && str_is(s[1], "networkInterfaces"))
		return list_nics(r, set, n);
	if (s[2] == NULL && str_is(s[1], "simulateEviction"))
		return compute_evict(r, n,
				     json_at(set->doc,
					     "properties.virtualMachineProfile"));
	if (op_refuse_busy(set, &r->fault) < 0)
		return -1;
	if (s[1] == NULL && r->method == DELETE)
		return compute_begin(r, set, json_fmt("[%s]", n->key),
				     run_remove_instances, "delete", "Deleting",
				     "");
	if (s[1] == NULL || s[2] != NULL)
		return request_bad_method(r);
	if (str_is(s[1], "runCommand"))
		return compute_run_command(r, n);
	return compute_act(r, n, s[1], json_fmt("[%s]", n->key));
}

static int vmss_action(struct request *r, struct entry *set, char **s)
{
	bool deleting = str_is(s[0], "delete"),
	     upgrading = str_is(s[0], "manualupgrade");
	cJSON *keys;

	if (str_is(s[0], "virtualMachines") && s[1] != NULL)
		return instance_call(r, set, s + 1);
	if (s[1] != NULL)
		return 1;
	if (r->method == GET) {
		if (str_is(s[0], "virtualMachines"))
			return resource_list(r, &vmss_types[1], set->key,
					     INSTANCES, INSTANCES_PAGE);
		if (str_is(s[0], "instanceView"))
			return set_view(r, set);
		if (str_is(s[0], "networkInterfaces"))
			return list_nics(r, set, NULL);
	}
	if (r->method != POST)
		return 1;
	if (op_refuse_busy(set, &r->fault) < 0)
		return -1;
	keys = named_instances(r, set, deleting || upgrading);
	if (r->fault.error != NULL) {
		json_free(keys);
		return -1;
	}
	if (deleting)
		return compute_begin(r, set, keys, run_remove_instances,
				     "delete", "Deleting", "");
	if (upgrading)
		return compute_begin(r, set, keys, run_upgrade, "", NULL, "");
	return compute_act(r, set, s[0], keys);
}

#define SETS "Microsoft.Compute/virtualMachineScaleSets"

const struct rtype vmss_types[] = {
	{
		.name = SETS,
		.versions = COMPUTE_VERSIONS,
		.style = OP_COMPUTE,
		.work_ms = 300,
		.flags = R_TRACKED | R_PRETTY | R_ETAG_COUNTED,
		.foreign_list = "networkInterfaces", /* Microsoft.Network's */
		.put = put_vmss,
		.remove = remove_vmss,
		.action = vmss_action,
	},
	{
		.name = SETS "/virtualMachines",
		.versions = COMPUTE_VERSIONS,
		.style = OP_COMPUTE,
		.work_ms = 300,
		.flags = R_INSIDE | R_PRETTY,
		.expand = compute_expand,
	},
	{ .name = NULL },
};
