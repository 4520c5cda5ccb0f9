/*
 * Microsoft.Compute: sizes and quotas, availability sets, virtual machines,
 * and what machines and scale sets share: the checks of their profiles, power
 * states and the actions on them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/arm.h"
#include "emulator/arm/compute.h"
#include "emulator/arm/image.h"
#include "emulator/arm/location.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/vmss.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/notice.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "emulator/wire.h"
#include "http.h"

/* ---- sizes and quotas ---- */

static const struct vm_size sizes[] = {
	{ "Standard_B2ts_v2", "standardBsv2Family", 2, 1024, false, false },
	{ "Standard_B2ls_v2", "standardBsv2Family", 2, 4096, false, false },
	{ "Standard_B2s_v2", "standardBsv2Family", 2, 8192, false, false },
	{ "Standard_B4ls_v2", "standardBsv2Family", 4, 8192, false, false },
	{ "Standard_B4s_v2", "standardBsv2Family", 4, 16384, false, false },
	{ "Standard_B2ats_v2", "standardBasv2Family", 2, 1024, false, false },
	{ "Standard_B2als_v2", "standardBasv2Family", 2, 4096, false, false },
	{ "Standard_B2as_v2", "standardBasv2Family", 2, 8192, false, false },
	{ "Standard_B2pts_v2", "standardBpsv2Family", 2, 1024, true, false },
	{ "Standard_B2pls_v2", "standardBpsv2Family", 2, 4096, true, false },
	{ "Standard_B2ps_v2", "standardBpsv2Family", 2, 8192, true, false },
	{ "Standard_D2ls_v5", "standardDLSv5Family", 2, 4096, false, false },
	{ "Standard_D2s_v5", "standardDSv5Family", 2, 8192, false, false },
	{ "Standard_D4s_v5", "standardDSv5Family", 4, 16384, false, false },
	{ "Standard_D8s_v5", "standardDSv5Family", 8, 32768, false, false },
	{ "Standard_D2als_v6", "standardDalv6Family", 2, 4096, false, false },
	/* announced for retirement: not for new subscriptions */
	{ "Standard_B1ls", "standardBSFamily", 1, 512, false, true },
	{ "Standard_B1s", "standardBSFamily", 1, 1024, false, true },
	{ "Standard_B2s", "standardBSFamily", 2, 4096, false, true },
	{ "Standard_DS1_v2", "standardDSv2Family", 1, 3584, false, true },
	{ .name = NULL },
};

const struct vm_size *compute_size_find(const char *name)
{
	for (const struct vm_size *s = sizes; s->name != NULL; s++)
		if (str_is(s->name, name))
			return s;
	return NULL;
}

bool compute_size_nvme(const char *size)
{
	return str_ends(str_of(size), STR("_v6"));
}

static const char *const with_cores[][2] = {
	{ "Microsoft.Compute/virtualMachines",
	  "properties.hardwareProfile.vmSize" },
	{ "Microsoft.Compute/virtualMachineScaleSets", "sku.name" },
};

/* vCPUs in a region, of one family or of all. */
static int64_t cores_used(struct emu *m, const char *location, const char *family)
{
	const struct vm_size *s;
	int64_t used = 0;

	for (size_t i = 0; i < 2; i++)
		for (struct entry *n = NULL;
		     (n = store_typed(m, n, with_cores[i][0])) != NULL;) {
			s = compute_size_find(json_text(n->doc, with_cores[i][1]));
			if (s != NULL && json_is(n->doc, "location", location) &&
			    (family == NULL || str_is(family, s->family)))
				used += json_int_opt(n->doc, "sku.capacity", 1) *
					s->cores;
		}
	return used;
}

/* May this subscription not have it there? */
static bool is_restricted(struct emu *m, const struct vm_size *s,
			  const char *location)
{
	char what[160];

	snprintf(what, sizeof(what), "%.40s/%.80s", location, s->name);
	return s->refused || faults_fits(m, "restricted", what);
}

static int refuse_size(struct put *p, const struct vm_size *s)
{
	return fault_set(&p->f, 409,
			 "SkuNotAvailable: The requested VM size for "
			 "resource 'Following SKUs have failed for Capacity Restrictions: %s' "
			 "is currently not available in location '%s'.",
			 s->name, json_text(p->doc, "location"));
}

int compute_check_quota(struct emu *m, struct put *p, const char *size,
			int64_t more)
{
	const struct vm_size *s = compute_size_find(size);
	const char *location = json_text(p->doc, "location");
	int64_t limit = m->o.cores, used = cores_used(m, location, NULL);

	if (s != NULL && more > 0 && is_restricted(m, s, location))
		return refuse_size(p, s);
	more *= s != NULL ? (int64_t)s->cores : 0;
	if (more <= 0 || used + more <= limit)
		return 0;
	return fault_set(
		&p->f, 409,
		"OperationNotAllowed: Operation could not be completed "
		"as it results in exceeding approved Total Regional Cores quota. Additional "
		"details - Deployment Model: Resource Manager, Location: %s, Current Limit: "
		"%lld, Current Usage: %lld, Additional Required: %lld, (Minimum) New Limit "
		"Required: %lld.",
		location, (long long)limit, (long long)used, (long long)more,
		(long long)(used + more));
}

static void usage(cJSON *out, const char *name, const char *text, int64_t used,
		  int64_t limit)
{
	json_push(json_get_mut(out, "value"),
		  "{'limit':%l,'unit':'Count','currentValue':%l,'name':{"
		  "'value':%s,'localizedValue':%s}}",
		  limit, used, name, text);
}

static int64_t count_typed(struct emu *m, const char *location, const char *type)
{
	int64_t k = 0;

	for (struct entry *n = NULL; (n = store_typed(m, n, type)) != NULL;)
		k += json_is(n->doc, "location", location);
	return k;
}

static cJSON *usages(struct emu *m, const char *l)
{
	static const char *const kinds[][2] = {
		{ "availabilitySets", "Availability Sets" },
		{ "virtualMachines", "Virtual Machines" },
		{ "virtualMachineScaleSets", "Virtual Machine Scale Sets" },
	};
	cJSON *out = json_fmt("{'value':[]}");
	const char *last = "";
	char text[80];

	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "Microsoft.Compute/%s", kinds[i][0]);
		usage(out, kinds[i][0], kinds[i][1], count_typed(m, l, text),
		      i == 1 ? 25000 : 2500);
	}
	usage(out, "cores", "Total Regional vCPUs", cores_used(m, l, NULL),
	      m->o.cores);
	usage(out, "lowPriorityCores", "Total Regional Low-priority vCPUs", 0,
	      m->o.cores);
	for (const struct vm_size *s = sizes; s->name != NULL; s++) {
		if (strcmp(last, s->family) == 0)
			continue;
		last = s->family;
		snprintf(text, sizeof(text), "%s vCPUs", s->family);
		usage(out, s->family, text, cores_used(m, l, s->family),
		      s->refused ? 0 : m->o.cores);
	}
	return out;
}

static void sku_row(struct emu *m, cJSON *arr, const struct vm_size *s,
		    const char *location)
{
	json_push(arr, "@size-sku", s->name, s->name + strlen("Standard_"),
		  s->family, location, location, s->cores, s->memory_mb / 1024,
		  s->memory_mb % 1024 ? ".5" : "",
		  s->arm || compute_size_nvme(s->name) ? "V2" : "V1,V2",
		  s->arm ? "Arm64" : "x64",
		  compute_size_nvme(s->name) ? "NVMe" : "SCSI");
	if (is_restricted(m, s, location))
		json_push(json_get_mut(arr->child->prev, "restrictions"),
			  "@size-refused", location, location);
}

static int list_skus(struct request *r)
{
	char *only = request_filter_value(r, "location");
	cJSON *out = json_fmt("{'value':[]}"), *arr = json_get_mut(out, "value");

	for (const struct location *l = location_table; l->name != NULL; l++) {
		if (only != NULL && !str_is(only, l->name))
			continue;
		json_push(arr, "@avset-sku", l->name, l->name);
		for (const struct vm_size *v = sizes; v->name != NULL; v++)
			sku_row(r->m, arr, v, l->name);
	}
	free(only);
	return request_answer(r, 200, out);
}

/* The old list: what there is, not what may be had. */
static cJSON *vm_sizes(void)
{
	cJSON *out = json_fmt("{'value':[]}");

	for (const struct vm_size *s = sizes; s->name != NULL; s++)
		json_push(out->child, "@size", s->name, s->cores, s->memory_mb,
			  2 * s->cores);
	return out;
}

int compute_route(struct request *r, char **s)
{
	const char *location;

	if (!str_is(s[0], "skus") && !str_is(s[0], "locations"))
		return 1;
	if (r->method != GET)
		return request_bad_method(r);
	if (str_is(s[0], "skus"))
		return list_skus(r);
	if ((location = location_of_path(s, &r->fault)) == NULL)
		return -1;
	if (str_is(s[2], "usages"))
		return request_answer(r, 200, usages(r->m, location));
	if (str_is(s[2], "publishers"))
		return image_list(r, location, s + 2);
	if (str_is(s[2], "vmSizes"))
		return request_answer(r, 200, vm_sizes());
	return resource_unknown_type(r, "Microsoft.Compute", s[2]);
}

/* ---- profiles ---- */

static int invalid(struct put *p, const char *target, const char *text)
{
	return fault_set(&p->f, 400, "InvalidParameter %s: %s", target, text);
}

/* RSA of 2,048 bits or more, or Ed25519; one line.  The key begins with its
 * kind, and its length tells that of the number in it. */
static bool key_fits(const char *line)
{
	struct str s = str_trim(str_of(line)), kind, data;
	struct buf b = BUF_INIT(8192);
	struct err e = ERR_INIT;
	bool ok = false;

	if (str_next(&s, ' ', &kind) && str_next(&s, ' ', &data) &&
	    str_chr(s, '\n') < 0 && buf_add_unbase64(&b, data, &e) == 0 &&
	    b.n > 4 + kind.n && str_eq(kind, (struct str){ b.str + 4, kind.n }))
		ok = str_eq(kind, STR("ssh-rsa")) ?
			     b.n >= 279 :
			     str_eq(kind, STR("ssh-ed25519")) && b.n == 51;
	buf_release(&b);
	return ok;
}

static int check_keys(struct put *p, const cJSON *linux_, const char *user)
{
	const cJSON *keys = json_at(linux_, "ssh.publicKeys"), *k;
	char *path = xasprintf("/home/%s/.ssh/authorized_keys", user);
	int rc = 0;

	cJSON_ArrayForEach(k, keys) {
		if (strcmp(json_text(k, "path"), path) != 0)
			rc = fault_set(&p->f, 400,
				       "InvalidParameter linuxConfiguration.ssh.publicKeys.path: "
				       "Destination path for SSH public keys is currently limited to "
				       "its default value %s.",
				       path);
		else if (!key_fits(json_text(k, "keyData")))
			rc = invalid(
				p, "linuxConfiguration.ssh.publicKeys.keyData",
				"The value of parameter "
				"linuxConfiguration.ssh.publicKeys.keyData is invalid.");
	}
	free(path);
	if (rc == 0 && cJSON_GetArraySize(keys) == 0 &&
	    json_bool_opt(linux_, "disablePasswordAuthentication", false))
		rc = invalid(p, "linuxConfiguration",
			     "Authentication using either SSH or by user name and "
			     "password must be enabled in Linux profile.");
	return rc;
}

static int check_user(struct put *p, const char *user)
{
	if (user == NULL)
		return invalid(
			p, "adminUsername",
			"Required parameter 'osProfile.adminUsername' is missing (null).");
	if (str_listed("administrator admin user user1 test user2 test1 user3 admin1 1 123 a "
		       "actuser adm admin2 aspnet backup console david guest john owner root "
		       "server sql support support_388945a0 sys test2 test3 user4 user5",
		       user))
		return invalid(p, "adminUsername",
			       "The Admin Username specified is not allowed.");
	if (strlen(user) < 1 || strlen(user) > 64)
		return invalid(
			p, "adminUsername",
			"The Admin Username must be 1 to 64 characters long.");
	return 0;
}

/* Custom data leaves the document and is never shown again. */
static int take_custom_data(struct put *p, cJSON *os, char **out)
{
	const char *text = json_str_opt(os, "customData", NULL);
	struct buf b = BUF_INIT(128u << 10);
	struct err e = ERR_INIT;
	bool ok;

	*out = NULL;
	if (text == NULL)
		return 0;
	ok = buf_add_unbase64(&b, str_of(text), &e) == 0 && !b.over &&
	     b.n <= 65535;
	buf_burn(&b);
	if (!ok)
		return invalid(p, "customData",
			       "Custom data in OSProfile must be in Base64 encoding and "
			       "with a maximum length of 87380 characters.");
	*out = xstrdup(text);
	json_drop(os, "customData");
	return 0;
}

static int check_size(struct put *p, const char *size)
{
	const struct vm_size *s = compute_size_find(size);
	struct buf list = BUF_INIT(2048);

	if (s == NULL) {
		for (s = sizes; s->name != NULL; s++)
			buf_addf(&list, "%s%s", list.n ? ", " : "", s->name);
		fault_set(&p->f, 400,
			  "InvalidParameter vmSize: The value %.80s provided for "
			  "the VM size is not valid. The valid sizes in the current region are: "
			  "%s.",
			  size != NULL ? size : "null", list.str);
		buf_release(&list);
		return -1;
	}
	return s->refused ? refuse_size(p, s) : 0;
}

int compute_check_machine(struct emu *m, struct put *p, cJSON *profile,
			  const char *size, bool set, char **custom_data)
{
	cJSON *os = json_sub(profile, "osProfile"), *linux_;
	const char *what = set ? "computerNamePrefix" : "computerName";
	const char *name = json_str_opt(os, what, NULL);
	const char *user = json_str_opt(os, "adminUsername", NULL);

	*custom_data = NULL;
	if (check_size(p, size) < 0)
		return -1;
	if (name == NULL || name[0] == '\0' || strlen(name) > (set ? 15 : 64) ||
	    strspn(name, LETTERS DIGITS "-") != strlen(name))
		return fault_set(
			&p->f, 400,
			"InvalidParameter %s: Linux host name must be 1 to %d characters "
			"long and consist of alphanumeric characters and hyphens.",
			what, set ? 15 : 64);
	if (check_user(p, user) < 0)
		return -1;
	linux_ = json_sub(os, "linuxConfiguration");
	if (check_keys(p, linux_, user) < 0 ||
	    take_custom_data(p, os, custom_data) < 0)
		return -1;
	json_drop(os, "adminPassword");
	json_defaults(os, "@vm-os");
	return image_check(m, p, profile, size, set);
}

/* ---- availability sets ---- */

static int put_avset(struct emu *m, struct put *p)
{
	int64_t fd;

	(void)m;
	json_defaults(p->doc, "@avset");
	fd = json_int_opt(p->doc, "properties.platformFaultDomainCount", 0);
	if (fd < 1 || fd > 3)
		return invalid(p, "platformFaultDomainCount",
			       "The specified fault domain count must fall in "
			       "the range 1 to 3.");
	return 0;
}

static cJSON *show_avset(struct emu *m, const struct entry *n)
{
	cJSON *doc = cJSON_Duplicate(n->doc, true), *arr = cJSON_CreateArray();

	for (struct entry *vm = NULL;
	     (vm = store_typed(m, vm, "Microsoft.Compute/virtualMachines")) !=
	     NULL;)
		if (json_is(vm->doc, "properties.availabilitySet.id", n->key))
			json_push(arr, "{'id':%s}", json_text(vm->doc, "id"));
	json_set(json_get_mut(doc, "properties"), "virtualMachines", arr);
	return doc;
}

/* ---- virtual machines ---- */

/* What may not differ from the last time. */
static int check_update(struct put *p, const char *custom_data)
{
	static const char *const fixed[][2] = {
		{ "properties.osProfile.adminUsername", "osProfile.adminUsername" },
		{ "properties.osProfile.computerName", "osProfile.computerName" },
		{ "properties.osProfile.linuxConfiguration.ssh",
		  "linuxConfiguration.ssh.publicKeys" },
		{ "properties.storageProfile.imageReference", "imageReference" },
		{ "properties.availabilitySet", "availabilitySet" },
	};
	const char *changed = NULL;
	const cJSON *now;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if ((now = json_at(p->doc, fixed[i][0])) != NULL &&
		    !cJSON_Compare(json_at(p->old->doc, fixed[i][0]), now, true))
			changed = fixed[i][1];
	if (custom_data != NULL &&
	    strcmp(json_text(p->old->hide, "customData"), custom_data) != 0)
		changed = "osProfile.customData";
	return changed == NULL ?
		       0 :
		       fault_set(&p->f, 409,
				 "PropertyChangeNotAllowed %s: "
				 "Changing property '%s' is not allowed.",
				 changed, changed);
}

static int run_create(struct emu *m, struct op *op, struct fault *f)
{
	cJSON *keys = json_fmt("[%s]", op->key);
	int rc = machines_run(m, "create", keys, f);

	json_free(keys);
	return rc;
}

static int check_vm(struct emu *m, struct put *p, const cJSON *props,
		    const char *size, const char *custom_data)
{
	const cJSON *v,
		*nics = json_at(props, "networkProfile.networkInterfaces");
	const char *id = json_str_opt(props, "availabilitySet.id", NULL);
	struct entry *user;

	if (cJSON_GetArraySize(nics) == 0)
		return invalid(
			p, "networkProfile",
			"Required parameter 'networkProfile' is missing (null).");
	if (id != NULL && resource_need_reference(m, p, id) < 0)
		return -1;
	if (id != NULL && cJSON_GetArraySize(json_get(p->doc, "zones")) > 0)
		return fault_set(
			&p->f, 400,
			"BadRequest: Virtual Machines deployed to an "
			"Availability Zone cannot be deployed to an Availability Set.");
	cJSON_ArrayForEach(v, nics) {
		id = json_str_opt(v, "id", NULL);
		if (resource_need_reference(m, p, id) < 0)
			return -1;
		if ((user = store_referrer(m, id)) != NULL &&
		    !str_is(user->key, p->id))
			return fault_set(&p->f, 400,
					 "NicInUse: Network Interface %s is used by existing "
					 "resource %s.",
					 id, json_text(user->doc, "id"));
	}
	if (p->old != NULL && check_update(p, custom_data) < 0)
		return -1;
	return compute_check_quota(m, p, size, p->old == NULL);
}

static int put_vm(struct emu *m, struct put *p)
{
	cJSON *props = p->props;
	const char *size = json_str_opt(props, "hardwareProfile.vmSize",
					"Standard_D2s_v5");
	char *custom_data;
	int rc = -1;

	if (compute_check_machine(m, p, props, size, false, &custom_data) == 0 &&
	    check_vm(m, p, props, size, custom_data) == 0) {
		json_defaults(props,
			      "{'storageProfile':{'osDisk':{'name':'%s_OsDisk_1'},'dataDisks':[]}}",
			      p->name);
		json_put_str(json_sub(props, "hardwareProfile"), "vmSize",
			     compute_size_find(size)->name);
		resource_born(p, "vmId");
		if (p->old == NULL) {
			p->hide = json_fmt(
				"{'power':'starting','want':'running','customData':%s}",
				custom_data);
			p->work = run_create;
		}
		rc = 0;
	}
	burn_str(custom_data);
	return rc;
}

/* The machine, and the interfaces and addresses that are to go with it. */
static int remove_vm(struct emu *m, const char *key, struct fault *f)
{
	cJSON *keys = json_fmt("[%s]", key), *doomed = cJSON_CreateArray();
	const cJSON *v, *c;
	struct entry *n = store_find(m, key), *nic;
	int rc = machines_run(m, "delete", keys, f);

	json_free(keys);
	n = store_find(m, key);
	if (rc == 0 && n != NULL)
		cJSON_ArrayForEach(
			v, json_at(n->doc,
				   "properties.networkProfile.networkInterfaces")) {
			nic = store_find(m, json_str_opt(v, "id", NULL));
			if (nic == NULL ||
			    !json_is(v, "properties.deleteOption", "Delete"))
				continue;
			json_add_str(doomed, NULL, nic->key);
			cJSON_ArrayForEach(c,
					   json_at(nic->doc,
						   "properties.ipConfigurations"))
				if (json_is(c, "properties.publicIPAddress.properties.deleteOption",
					    "Delete"))
					json_add_str(
						doomed, NULL,
						json_text(c,
							  "properties.publicIPAddress.id"));
		}
	cJSON_ArrayForEach(v, doomed)
		if ((n = store_find(m, v->valuestring)) != NULL)
			store_remove(m, n);
	json_free(doomed);
	return rc;
}

/* ---- power ---- */

cJSON *compute_machine_view(struct emu *m, const struct entry *n)
{
	const char *power = json_str_opt(n->hide, "power", "unknown");
	const char *state = json_str_opt(n->doc, "properties.provisioningState",
					 "Succeeded");
	bool up = strcmp(power, "running") == 0,
	     at_work = str_ends(str_of(state), STR("ing"));
	const char *when =
		json_str_opt(n->hide, "changed",
			     json_text(n->doc, "properties.timeCreated"));
	/* nothing runs there, so nothing is Ready; and who waits is told why */
	bool paper = m->netns == NULL, agent = up && !paper;
	const char *version = "2.11.1.12",
		   *said = "GuestAgent is running and processing the extensions.";
	const cJSON *own = wire_agent(n);
	char *low = emu_lower(state);
	cJSON *view;

	/* it has one of its own, which says so itself */
	if (agent && m->o.provision_s > 0) {
		agent = json_is(own, "status", "Ready");
		version = json_text(own, "version");
		said = json_text(own, "message");
	}
	view = json_fmt(
		"@vm-view",
		json_text(n->doc, "properties.osProfile.computerName"),
		agent ? version : "Unknown", agent ? "succeeded" : "Unavailable",
		agent ? "Info" : "Warning", agent ? "Ready" : "Not Ready",
		agent ? said :
		paper ? "This machine exists on paper: its Azure has no machines." :
			"VM status blob is found but not yet populated.",
		when, json_text(n->doc, "properties.storageProfile.osDisk.name"),
		when, image_generation(m, n), low,
		entry_is(n, "Failed") ? "Error" : "Info",
		at_work ? "" : "Provisioning ", at_work ? state : low, when,
		power, power);

	if (json_bool_opt(n->hide, "generalized", false))
		cJSON_InsertItemInArray(
			json_get_mut(view, "statuses"), 0,
			json_fmt("{'code':'OSState/generalized','level':'Info',"
				 "'displayStatus':'VM generalized'}"));
	free(low);
	return view;
}

void compute_expand(struct request *r, const struct entry *n, cJSON *doc)
{
	char *expand = request_param(r, "$expand");

	if (expand != NULL && strstr(expand, "instanceView") != NULL)
		json_set(json_get_mut(doc, "properties"), "instanceView",
			 compute_machine_view(r->m, n));
	free(expand);
}

static int run_verb(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *keys = json_get(op->args, "keys"), *k;
	const char *verb = json_text(op->args, "verb");
	int rc = verb[0] == '\0' ? op_sleep(m, 300) :
				   machines_run(m, verb, keys, f);
	struct entry *n;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL &&
		    entry_is(n, "Updating"))
			entry_state(n, rc == 0 ? "Succeeded" : "Failed");
	return rc;
}

static int run_noticed(struct emu *m, struct op *op, struct fault *f,
		       enum notice_why why)
{
	int64_t number = notice_give(m, why, json_get(op->args, "keys"), 0);
	int rc = run_verb(m, op, f);

	notice_over(m, number);
	return rc;
}

static int run_restart(struct emu *m, struct op *op, struct fault *f)
{
	return run_noticed(m, op, f, NOTICE_RESTART);
}

static int run_redeploy(struct emu *m, struct op *op, struct fault *f)
{
	return run_noticed(m, op, f, NOTICE_REDEPLOY);
}

/* What a request calls it, what a driver does for it ("": nothing), the power
 * state while it does ("": as it was), and how. */
static const struct {
	const char *name, *verb, *during;
	op_run *run;
} verbs[] = {
	{ "start", "start", "starting", run_verb },
	{ "restart", "restart", "", run_restart },
	{ "redeploy", "restart", "", run_redeploy },
	{ "poweroff", "stop", "stopping", run_verb },
	{ "deallocate", "deallocate", "deallocating", run_verb },
	{ "reimage", "reimage", "", run_verb },
	{ "reimageall", "reimage", "", run_verb },
	{ "reapply", "", "", run_verb },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

void compute_set_state(struct emu *m, const cJSON *keys, const char *state,
		       const char *power)
{
	const cJSON *k;
	struct entry *n;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL) {
			entry_state(n, state);
			if (power[0] != '\0')
				json_put_str(n->hide, "power", power);
		}
}

int compute_begin(struct request *r, const struct entry *owner, cJSON *keys,
		  op_run *run, const char *verb, const char *state,
		  const char *power)
{
	struct entry *n;
	const cJSON *k;
	int rc = 0;

	cJSON_ArrayForEach(k, keys)
		if (rc == 0 && (n = store_find(r->m, k->valuestring)) != NULL)
			rc = op_refuse_busy(n, &r->fault);
	if (rc == 0 && arm_begin(r, OP_COMPUTE, owner, run,
				 json_fmt("{'verb':%s,'keys':%j}", verb, keys),
				 cJSON_Duplicate(keys, true)) == NULL)
		rc = -1;
	if (rc == 0 && state != NULL)
		compute_set_state(r->m, keys, state, power);
	json_free(keys);
	return rc;
}

int compute_act(struct request *r, const struct entry *owner, const char *verb,
		cJSON *keys)
{
	char *skip = request_param(r, "skipShutdown");
	bool cut = str_is(skip, "true") && str_is(verb, "poweroff");
	size_t i = 0;

	free(skip);
	while (i < VERBS && !str_is(verbs[i].name, verb))
		i++;
	if (i == VERBS || r->method != POST) {
		json_free(keys);
		return i == VERBS ? 1 : request_bad_method(r);
	}
	return compute_begin(r, owner, keys, verbs[i].run,
			     cut ? "cut" : verbs[i].verb, "Updating",
			     verbs[i].during);
}

/* ---- eviction ---- */

static int run_eviction(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *keys = json_get(op->args, "keys");
	const char *key = keys->child->valuestring;
	int64_t number =
		notice_give(m, NOTICE_EVICTION, keys,
			    (unsigned)json_int_opt(op->args, "notice_s", 0));
	struct entry *n, *set;
	int rc;

	if (number < 0 || machine_idle(m, key) < 0)
		return m->stopping ? -1 : 0;
	n = store_find(m, key);
	set = vmss_of(m, n);
	emu_log(m, "machine %s is evicted", key);
	if (json_is(op->args, "policy", "Delete")) {
		n->busy++;
		rc = set != NULL ? vmss_evicted(m, keys, f) :
				   remove_vm(m, key, f);
		notice_forget(m, key);
		if (rc == 0 && set == NULL && (n = store_find(m, key)) != NULL)
			resource_forget(m, n);
	} else {
		n->busy++;
		rc = machines_run(m, "deallocate", keys, f);
		notice_over(m, number);
	}
	if ((n = store_find(m, key)) != NULL && n->busy > 0)
		n->busy--;
	store_changed(m);
	return rc;
}

int compute_take_back(struct emu *m, const struct entry *n, const char *policy,
		      unsigned notice_s, struct fault *f)
{
	return op_start(m, OP_COMPUTE, json_text(n->doc, "location"),
			"eviction", "2024-07-01", run_eviction,
			json_fmt("{'keys':[%s],'policy':%s,'notice_s':%l}",
				 n->key, policy, (int64_t)notice_s),
			NULL, f) != NULL ?
		       0 :
		       -1;
}

int compute_evict(struct request *r, struct entry *n, const cJSON *profile)
{
	if (r->method != POST)
		return request_bad_method(r);
	if (!json_is(profile, "priority", "Spot"))
		return fault_set(&r->fault, 409,
				 "OperationNotAllowed: Simulate eviction is allowed "
				 "for virtual machines of priority 'Spot' only.");
	if (!json_is(n->hide, "power", "running"))
		return fault_set(&r->fault, 409,
				 "OperationNotAllowed: Simulate eviction is allowed "
				 "for a virtual machine that runs only.");
	if (compute_take_back(r->m, n,
			      json_str_opt(profile, "evictionPolicy", "Deallocate"),
			      0, &r->fault) < 0)
		return -1;
	return request_answer(r, 204, NULL);
}

static int run_script(struct emu *m, struct op *op, struct fault *f)
{
	struct buf out = BUF_INIT(64u << 10), text = BUF_INIT(16u << 10);
	int code = 0;

	(void)f;
	machine_exec(m, op->key, json_text(op->args, "script"), &out, &code);
	buf_addf(&text, "Enable succeeded: \n[stdout]\n%s\n[stderr]\n",
		 out.str + (out.n > 4096 ? out.n - 4096 : 0));
	op->output = json_fmt("@command-output", text.str);
	buf_burn(&out);
	buf_burn(&text);
	return 0;
}

int compute_run_command(struct request *r, struct entry *n)
{
	struct buf script = BUF_INIT(256u << 10);
	const cJSON *line;
	struct op *op;

	if (r->method != POST)
		return request_bad_method(r);
	if (op_refuse_busy(n, &r->fault) < 0)
		return -1;
	if (!json_is(r->body, "commandId", "RunShellScript"))
		return fault_set(&r->fault, 404,
				 "NotFound: The entity was not found.");
	if (!json_is(n->hide, "power", "running"))
		return fault_set(&r->fault, 409,
				 "OperationNotAllowed: Cannot modify extensions in the "
				 "VM when the VM is not running.");
	cJSON_ArrayForEach(line, json_get(r->body, "script"))
		if (cJSON_IsString(line))
			buf_addf(&script, "%s\n", line->valuestring);
	op = arm_begin(r, OP_COMPUTE, n, run_script,
		       json_fmt("{'script':%s}", script.str),
		       json_fmt("[%s]", n->key));
	buf_burn(&script);
	return op == NULL ? -1 : 0;
}

/* It is only told so: what that takes has been done inside before. */
static int generalize(struct request *r, struct entry *n)
{
	if (r->method != POST)
		return request_bad_method(r);
	if (op_refuse_busy(n, &r->fault) < 0)
		return -1;
	if (!str_listed("stopped deallocated", json_text(n->hide, "power")))
		return fault_set(
			&r->fault, 409,
			"OperationNotAllowed: Operation 'generalize' is not "
			"allowed on VM '%s' since the VM is running. Please "
			"power off explicitly in case you shut down the VM "
			"from inside the guest operating system.",
			json_text(n->doc, "name"));
	json_set(n->hide, "generalized", cJSON_CreateBool(true));
	store_changed(r->m);
	return request_answer(r, 200, NULL);
}

/* There is no way back from that but into a version. */
static int refuse_generalized(struct request *r, const struct entry *n,
			      const char *verb)
{
	if (!json_bool_opt(n->hide, "generalized", false) ||
	    !str_listed("start restart redeploy reimage reapply runCommand", verb))
		return 0;
	return fault_set(&r->fault, 409,
			 "OperationNotAllowed: Operation '%s' is not allowed on VM "
			 "'%s' since the VM is generalized.",
			 verb, json_text(n->doc, "name"));
}

static int vm_action(struct request *r, struct entry *n, char **s)
{
	if (s[1] != NULL)
		return 1;
	r->pretty = true;
	if (r->method == POST && refuse_generalized(r, n, s[0]) < 0)
		return -1;
	if (str_is(s[0], "generalize"))
		return generalize(r, n);
	if (str_is(s[0], "instanceView"))
		return r->method == GET ?
			       request_answer(r, 200,
					      compute_machine_view(r->m, n)) :
			       request_bad_method(r);
	if (str_is(s[0], "runCommand"))
		return compute_run_command(r, n);
	if (str_is(s[0], "simulateEviction"))
		return compute_evict(r, n, json_get(n->doc, "properties"));
	return compute_act(r, n, s[0], json_fmt("[%s]", n->key));
}

const struct rtype compute_types[] = {
	{
		.name = "Microsoft.Compute/availabilitySets",
		.versions = COMPUTE_VERSIONS,
		/* the one tracked thing that says 200 when it is new */
		.flags = R_TRACKED | R_PRETTY | R_NEW_IS_200,
		.in_use = "OperationNotAllowed",
		.put = put_avset,
		.show = show_avset,
	},
	{
		.name = "Microsoft.Compute/virtualMachines",
		.versions = COMPUTE_VERSIONS,
		.style = OP_COMPUTE,
		.work_ms = 300,
		.flags = R_TRACKED | R_PRETTY | R_ETAG_COUNTED,
		.put = put_vm,
		.remove = remove_vm,
		.expand = compute_expand,
		.action = vm_action,
	},
	{ .name = NULL },
};
