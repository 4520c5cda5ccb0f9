/*
 * Microsoft.Compute: sizes and quotas, availability sets, virtual machines,
 * and what machines and scale sets share: the checks of their profiles, power
 * states and the actions on them.
 */
#include <stdlib.h>

#include "emulator/inner.h"

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
	{ NULL, NULL, 0, 0, false, false },
};

const struct vm_size *vm_size_find(const char *name)
{
	for (const struct vm_size *s = sizes; s->name != NULL; s++)
		if (is(s->name, name))
			return s;
	return NULL;
}

/* vCPUs in a region, of one family or of all. */
static int64_t cores_used(struct emu *m, const char *location, const char *family)
{
	const struct vm_size *s;
	struct entry *n;
	int64_t used = 0;

	for (n = NULL; (n = store_next(m, n, "")) != NULL;) {
		const char *type = json_text(n->doc, "type");
		int64_t count = 1;

		if (!json_is(n->doc, "location", location))
			continue;
		if (is(type, "Microsoft.Compute/virtualMachineScaleSets")) {
			count = json_int_opt(n->doc, "sku.capacity", 0);
			s = vm_size_find(json_text(n->doc, "sku.name"));
		} else if (is(type, "Microsoft.Compute/virtualMachines")) {
			s = vm_size_find(json_text(n->doc, "properties.hardwareProfile.vmSize"));
		} else {
			continue;
		}
		if (s != NULL && (family == NULL || is(family, s->family)))
			used += count * (int64_t)s->cores;
	}
	return used;
}

int check_quota(struct emu *m, struct put *p, const char *size, int64_t more)
{
	const struct vm_size *s = vm_size_find(size);
	const char *location = json_text(p->doc, "location");
	int64_t limit = m->o.cores, used = cores_used(m, location, NULL);

	more *= s != NULL ? (int64_t)s->cores : 0;
	if (more <= 0 || used + more <= limit)
		return 0;
	return fault_set(&p->f, 409, "OperationNotAllowed: "
		      "Operation could not be completed as it results in exceeding approved Total "
		      "Regional Cores quota. Additional details - Deployment Model: Resource Manager, "
		      "Location: %s, Current Limit: %lld, Current Usage: %lld, Additional Required: "
		      "%lld, (Minimum) New Limit Required: %lld. Submit a request for Quota increase by "
		      "specifying parameters listed in the 'Details' section for deployment to succeed.",
		      location, (long long)limit, (long long)used, (long long)more,
		      (long long)(used + more));
}

static void usage(cJSON *arr, const char *name, const char *text, int64_t used, int64_t limit)
{
	json_push(arr, "{'limit':%l,'unit':'Count','currentValue':%l,'name':{'value':%s,"
		  "'localizedValue':%s}}", limit, used, name, text);
}

static int64_t count(struct emu *m, const char *location, const char *type)
{
	struct entry *n;
	int64_t k = 0;

	for (n = NULL; (n = store_next(m, n, "")) != NULL;)
		k += json_is(n->doc, "type", type) &&
		     json_is(n->doc, "location", location);
	return k;
}

static cJSON *usages(struct emu *m, const char *l)
{
	cJSON *out = json_fmt("{'value':[]}"), *arr = json_get_mut(out, "value");
	const char *last = "";
	char text[80];

	usage(arr, "availabilitySets", "Availability Sets",
	      count(m, l, "Microsoft.Compute/availabilitySets"), 2500);
	usage(arr, "cores", "Total Regional vCPUs", cores_used(m, l, NULL), m->o.cores);
	usage(arr, "virtualMachines", "Virtual Machines",
	      count(m, l, "Microsoft.Compute/virtualMachines"), 25000);
	usage(arr, "virtualMachineScaleSets", "Virtual Machine Scale Sets",
	      count(m, l, "Microsoft.Compute/virtualMachineScaleSets"), 2500);
	usage(arr, "lowPriorityCores", "Total Regional Low-priority vCPUs", 0, m->o.cores);
	for (const struct vm_size *s = sizes; s->name != NULL; s++) {
		if (strcmp(last, s->family) == 0)
			continue;
		last = s->family;
		snprintf(text, sizeof(text), "%s vCPUs", s->family);
		usage(arr, s->family, text, cores_used(m, l, s->family), s->refused ? 0 : m->o.cores);
	}
	return out;
}

static cJSON *vm_sizes_list(void)
{
	cJSON *out = json_fmt("{'value':[]}");

	for (const struct vm_size *s = sizes; s->name != NULL; s++)
		json_push(json_get_mut(out, "value"), "{'name':%s,'numberOfCores':%d,'osDiskSizeInMB':"
			  "1047552,'resourceDiskSizeInMB':0,'memoryInMB':%d,'maxDataDiskCount':4}",
			  s->name, (int)s->cores, (int)s->memory_mb);
	return out;
}

static void sku_row(cJSON *arr, const struct vm_size *s, const char *location)
{
	char cores[12], memory[24];
	cJSON *o;

	snprintf(cores, sizeof(cores), "%u", s->cores);
	snprintf(memory, sizeof(memory), s->memory_mb % 1024 ? "%.1f" : "%.0f", s->memory_mb / 1024.0);
	o = json_fmt("{'resourceType':'virtualMachines','name':%s,'tier':'Standard','size':%s,"
		"'family':%s,'locations':[%s],'locationInfo':[{'location':%s,'zones':['1','2','3'],"
		"'zoneDetails':[]}],'capabilities':[{'name':'MaxResourceVolumeMB','value':'0'},"
		"{'name':'vCPUs','value':%s},{'name':'vCPUsAvailable','value':%s},"
		"{'name':'MemoryGB','value':%s},{'name':'HyperVGenerations','value':%s},"
		"{'name':'CpuArchitectureType','value':%s},{'name':'PremiumIO','value':'True'},"
		"{'name':'LowPriorityCapable','value':%s},{'name':'EphemeralOSDiskSupported',"
		"'value':'False'},{'name':'TrustedLaunchDisabled','value':'False'}],'restrictions':[]}",
		s->name, s->name + strlen("Standard_"), s->family, location, location, cores, cores, memory,
		s->arm ? "V2" : "V1,V2", s->arm ? "Arm64" : "x64",
		s->name[strlen("Standard_")] == 'B' ? "False" : "True");
	if (s->refused)
		json_push(json_get_mut(o, "restrictions"), "{'type':'Location','values':[%s],"
			  "'restrictionInfo':{'locations':[%s]},'reasonCode':"
			  "'NotAvailableForSubscription'}", location, location);
	cJSON_AddItemToArray(arr, o);
}

static int list_skus(struct call *c)
{
	struct buf filter = BUF_INIT(256);
	struct str s, word;
	char only[40] = "";
	cJSON *out = json_fmt("{'value':[]}"), *arr = json_get_mut(out, "value");

	if (call_param(c, "$filter", &filter)) {
		s = buf_str(&filter);
		if (str_cut(&s, '\'', &word) && str_cut(&s, '\'', &word))
			snprintf(only, sizeof(only), "%.*s", (int)(word.n < 39 ? word.n : 39), word.p);
	}
	buf_release(&filter);
	for (size_t i = 0; locations[i][0] != NULL; i++) {
		const char *l = locations[i][0];

		if (only[0] != '\0' && !is(only, l))
			continue;
		json_push(arr, "{'resourceType':'availabilitySets','name':'Aligned','locations':[%s],"
			  "'locationInfo':[{'location':%s,'zones':[],'zoneDetails':[]}],'capabilities':"
			  "[{'name':'MaximumPlatformFaultDomainCount','value':'3'}],'restrictions':[]}", l, l);
		for (const struct vm_size *v = sizes; v->name != NULL; v++)
			sku_row(arr, v, l);
	}
	return call_answer(c, 200, out);
}

/* ---- images ---- */

/* publisher:offer:sku; generation and architecture follow from the sku */
static const struct { const char *offer, *sku, *version; bool gen1, arm; } images[] = {
	{ "ubuntu-24_04-lts", "server", "24.04.202607280", false, false },
	{ "ubuntu-24_04-lts", "server-gen1", "24.04.202607280", true, false },
	{ "ubuntu-24_04-lts", "server-arm64", "24.04.202607280", false, true },
	{ "ubuntu-26_04-lts", "server", "26.04.202607290", false, false },
	{ "ubuntu-26_04-lts", "server-gen1", "26.04.202607290", true, false },
	{ "ubuntu-26_04-lts", "server-arm64", "26.04.202607290", false, true },
	{ "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22.04.202607220", false, false },
	{ "0001-com-ubuntu-server-jammy", "22_04-lts", "22.04.202607220", true, false },
	{ "0001-com-ubuntu-server-jammy", "22_04-lts-arm64", "22.04.202607220", false, true },
};
#define IMAGES (sizeof(images) / sizeof(images[0]))

static size_t image_find(const char *publisher, const char *offer, const char *sku)
{
	size_t i = 0;

	while (i < IMAGES && !(is(publisher, "Canonical") && is(images[i].offer, offer) &&
			       is(images[i].sku, sku)))
		i++;
	return i;
}

const char *image_version(const cJSON *image)
{
	size_t i = image_find(json_text(image, "publisher"), json_text(image, "offer"),
			      json_text(image, "sku"));

	return i == IMAGES ? NULL : images[i].version;
}

/* publishers/P/artifacttypes/vmimage/offers/O/skus/S/versions[/V] */
static int image_versions(struct call *c, const char *location, char **s)
{
	char id[400];
	size_t i;

	if (!is(s[2], "artifacttypes") || !is(s[4], "offers") || s[5] == NULL || !is(s[6], "skus") ||
	    s[7] == NULL || !is(s[8], "versions"))
		return call_method(c);
	i = image_find(s[1], s[5], s[7]);
	if (i == IMAGES)
		return fault_set(&c->fault, 404, "NotFound: "
			      "Artifact: VMImage was not found.");
	snprintf(id, sizeof(id), "/Subscriptions/%s/Providers/Microsoft.Compute/Locations/%s/Publishers/"
		 "Canonical/ArtifactTypes/VMImage/Offers/%s/Skus/%s/Versions/%s", c->m->subscription,
		 location, images[i].offer, images[i].sku, images[i].version);
	if (s[9] == NULL)
		return call_answer(c, 200, json_fmt("[{'location':%s,'name':%s,'id':%s}]", location,
				   images[i].version, id));
	return call_answer(c, 200, json_fmt("{'properties':{'hyperVGeneration':%s,'architecture':%s,"
		"'imageDeprecationStatus':{'imageState':'Active'},'osDiskImage':{'operatingSystem':"
		"'Linux','sizeInGb':30},'dataDiskImages':[],'features':[]},'location':%s,'name':%s,"
		"'id':%s}", images[i].gen1 ? "V1" : "V2", images[i].arm ? "Arm64" : "x64", location,
		images[i].version, id));
}

int compute_location(struct call *c, char **s)
{
	const char *location;

	if (c->method != GET)
		return call_method(c);
	if (is(s[0], "skus"))
		return list_skus(c);
	location = location_find(s[1]);
	if (location == NULL || s[2] == NULL)
		return fault_set(&c->fault, 400, "NoRegisteredProviderFound: "
			      "No registered resource provider found for location '%.60s'.",
			      s[1] != NULL ? s[1] : "");
	if (is(s[2], "usages"))
		return call_answer(c, 200, usages(c->m, location));
	if (is(s[2], "vmSizes"))
		return call_answer(c, 200, vm_sizes_list());
	if (is(s[2], "publishers") && s[3] != NULL)
		return image_versions(c, location, s + 2);
	c->gateway = true;
	return fault_set(&c->fault, 404, "InvalidResourceType: "
		      "The resource type 'locations/%.80s' could not be found in the namespace "
		      "'Microsoft.Compute'.", s[2]);
}

/* ---- profiles ---- */

static int invalid(struct put *p, const char *target, const char *text)
{
	return fault_set(&p->f, 400, "InvalidParameter %s: %s", target, text);
}

/* Length-prefixed field of an SSH key blob. */
static bool blob_field(struct str *b, struct str *out)
{
	const uint8_t *u = (const uint8_t *)b->p;
	size_t n;

	if (b->n < 4)
		return false;
	n = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
	*b = str_skip(*b, 4);
	if (n > b->n)
		return false;
	*out = str_head(*b, n);
	*b = str_skip(*b, n);
	return true;
}

/* RSA of 2,048 bits or more, or Ed25519; one line. */
static bool key_fits(const char *line)
{
	struct str s = str_trim(str_of(line)), kind, data, blob, inner, number;
	struct buf b = BUF_INIT(8192);
	struct err e = ERR_INIT;
	bool ok = false;

	if (str_next(&s, ' ', &kind) && str_next(&s, ' ', &data) && str_chr(s, '\n') < 0 &&
	    buf_add_unbase64(&b, data, &e) == 0) {
		blob = buf_str(&b);
		ok = blob_field(&blob, &inner) && str_eq(inner, kind);
		if (ok && str_eq(kind, STR("ssh-rsa"))) {
			ok = blob_field(&blob, &number) && blob_field(&blob, &number);
			while (ok && number.n > 0 && number.p[0] == '\0')
				number = str_skip(number, 1);
			ok = ok && number.n >= 256 && (number.n > 256 || (number.p[0] & 0x80));
		} else if (ok) {
			ok = str_eq(kind, STR("ssh-ed25519")) && blob_field(&blob, &number) &&
			     number.n == 32;
		}
	}
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
			rc = fault_set(&p->f, 400, "InvalidParameter linuxConfiguration.ssh.publicKeys.path: "
				    "Destination path for SSH public keys is currently limited to its default "
				    "value %s due to a known issue in Linux provisioning agent.", path);
		else if (!key_fits(json_text(k, "keyData")))
			rc = invalid(p, "linuxConfiguration.ssh.publicKeys.keyData", "The value of parameter "
				     "linuxConfiguration.ssh.publicKeys.keyData is invalid.");
	}
	free(path);
	if (rc == 0 && cJSON_GetArraySize(keys) == 0 &&
	    json_bool_opt(linux_, "disablePasswordAuthentication", false))
		rc = invalid(p, "linuxConfiguration", "Authentication using either SSH or by user name and "
			     "password must be enabled in Linux profile.");
	return rc;
}

static int check_user(struct put *p, const char *user)
{
	static const char *const reserved[] = { "administrator", "admin", "user", "user1", "test",
		"user2", "test1", "user3", "admin1", "1", "123", "a", "actuser", "adm", "admin2", "aspnet",
		"backup", "console", "david", "guest", "john", "owner", "root", "server", "sql", "support",
		"support_388945a0", "sys", "test2", "test3", "user4", "user5", NULL };

	if (user == NULL)
		return invalid(p, "adminUsername",
			       "Required parameter 'osProfile.adminUsername' is missing (null).");
	for (size_t i = 0; reserved[i] != NULL; i++)
		if (is(reserved[i], user))
			return invalid(p, "adminUsername", "The Admin Username specified is not allowed.");
	if (strlen(user) < 1 || strlen(user) > 64)
		return invalid(p, "adminUsername", "The Admin Username must be 1 to 64 characters long.");
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
	ok = buf_add_unbase64(&b, str_of(text), &e) == 0 && !b.over && b.n <= 65535;
	buf_burn(&b);
	if (!ok)
		return invalid(p, "customData", "Custom data in OSProfile must be in Base64 encoding and "
			       "with a maximum length of 87380 characters.");
	*out = xstrdup(text);
	json_drop(os, "customData");
	return 0;
}

static int check_size(struct put *p, const char *size)
{
	const struct vm_size *s = vm_size_find(size);
	struct buf list = BUF_INIT(2048);

	if (s == NULL) {
		for (s = sizes; s->name != NULL; s++)
			buf_addf(&list, "%s%s", list.n ? ", " : "", s->name);
		fault_set(&p->f, 400, "InvalidParameter vmSize: " "The value %.80s provided for the VM size "
		       "is not valid. The valid sizes in the current region are: %s.",
		       size != NULL ? size : "null", list.str);
		buf_release(&list);
		return -1;
	}
	if (s->refused)
		return fault_set(&p->f, 409, "SkuNotAvailable: " "The requested VM size for resource "
			      "'Following SKUs have failed for Capacity Restrictions: %s' is currently not "
			      "available in location '%s'. Please try another size or deploy to a different "
			      "location or different zone. See https://aka.ms/azureskunotavailable for "
			      "details.", s->name, json_text(p->doc, "location"));
	return 0;
}

static int check_image(struct put *p, cJSON *profile, const char *size, bool set)
{
	cJSON *image = cJSON_GetObjectItem(json_sub(profile, "storageProfile"), "imageReference");
	const char *publisher = json_text(image, "publisher"), *offer = json_text(image, "offer");
	const char *sku = json_text(image, "sku"), *version = json_text(image, "version");
	size_t i = image_find(publisher, offer, sku);
	cJSON *disk = json_sub(json_sub(profile, "storageProfile"), "osDisk");

	if (i == IMAGES || (!is(version, "latest") && !is(version, images[i].version)))
		return fault_set(&p->f, 404, "PlatformImageNotFound imageReference: " "The platform image "
			      "'%s:%s:%s:%s' is not available. Verify that all fields in the storage profile "
			      "are correct. For more details about storage profile information, please refer "
			      "to https://aka.ms/storageprofile", publisher, offer, sku, version);
	if (images[i].arm != vm_size_find(size)->arm)
		return fault_set(&p->f, 400, "BadRequest: " "The VM size '%s' cannot boot with OS image or "
			      "disk. Please check that disk CPU Architecture is supported by the VM size.",
			      size);
	if (json_is(profile, "securityProfile.securityType", "TrustedLaunch") &&
	    images[i].gen1)
		return fault_set(&p->f, 400, "BadRequest: " "Security type 'TrustedLaunch' is not supported "
			      "for the OS image '%s': it needs a generation 2 image.", sku);
	if (!set)
		json_put_str(image, "exactVersion", images[i].version);
	json_default(disk, "osType", cJSON_CreateString("Linux"));
	json_default(disk, "createOption", cJSON_CreateString("FromImage"));
	json_default(disk, "caching", cJSON_CreateString("None"));
	json_default(disk, "diskSizeGB", cJSON_CreateNumber(30));
	json_default(json_sub(disk, "managedDisk"), "storageAccountType",
		     cJSON_CreateString("Premium_LRS"));
	return 0;
}

int check_machine(struct put *p, cJSON *profile, const char *size, bool set, char **custom_data)
{
	cJSON *os = json_sub(profile, "osProfile"), *linux_;
	const char *what = set ? "computerNamePrefix" : "computerName";
	const char *name = json_str_opt(os, what, NULL), *user = json_str_opt(os, "adminUsername", NULL);

	*custom_data = NULL;
	if (check_size(p, size) < 0)
		return -1;
	if (name == NULL || name[0] == '\0' || strlen(name) > (set ? 15 : 64) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(name))
		return invalid(p, what, set ? "Computer name prefixes must be 1 to 15 characters long and "
			       "consist of alphanumeric characters and hyphens." : "Linux host name must be 1 to "
			       "64 characters long and consist of alphanumeric characters and hyphens.");
	if (check_user(p, user) < 0)
		return -1;
	linux_ = json_sub(os, "linuxConfiguration");
	if (check_keys(p, linux_, user) < 0 || take_custom_data(p, os, custom_data) < 0)
		return -1;
	json_drop(os, "adminPassword");
	json_default(linux_, "provisionVMAgent", cJSON_CreateTrue());
	json_default(os, "secrets", cJSON_CreateArray());
	json_default(os, "allowExtensionOperations", cJSON_CreateTrue());
	json_default(os, "requireGuestProvisionSignal", cJSON_CreateTrue());
	return check_image(p, profile, size, set);
}

/* ---- availability sets ---- */

static int put_avset(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties");
	int64_t fd;

	(void)m;
	json_default(props, "platformUpdateDomainCount", cJSON_CreateNumber(5));
	json_default(props, "platformFaultDomainCount", cJSON_CreateNumber(3));
	json_default(props, "virtualMachines", cJSON_CreateArray());
	json_default(json_sub(p->doc, "sku"), "name", cJSON_CreateString("Classic"));
	fd = json_int_opt(props, "platformFaultDomainCount", 0);
	if (fd < 1 || fd > 3)
		return invalid(p, "platformFaultDomainCount", "The specified fault domain count must fall in "
			       "the range 1 to 3.");
	return 0;
}

static cJSON *show_avset(struct emu *m, const struct entry *n)
{
	cJSON *doc = cJSON_Duplicate(n->doc, true), *arr;
	struct entry *vm;

	json_drop(json_get_mut(doc, "properties"), "virtualMachines");
	arr = json_add_arr(json_get_mut(doc, "properties"), "virtualMachines");
	for (vm = NULL; (vm = store_next(m, vm, "")) != NULL;)
		if (json_is(vm->doc, "properties.availabilitySet.id", n->key))
			json_push(arr, "{'id':%s}", json_text(vm->doc, "id"));
	return doc;
}

/* ---- virtual machines ---- */

/* What may not differ from the last time. */
static int check_fixed(struct put *p, const char *path, const char *name)
{
	struct buf a = BUF_INIT(STATE_MAX), b = BUF_INIT(STATE_MAX);
	const cJSON *was = json_at(p->old->doc, path), *now = json_at(p->doc, path);
	bool same;

	if (was != NULL)
		json_print(was, &a);
	if (now != NULL)
		json_print(now, &b);
	same = now == NULL || str_eq(buf_str(&a), buf_str(&b));
	buf_release(&a);
	buf_release(&b);
	return same ? 0 : fault_set(&p->f, 409, "PropertyChangeNotAllowed %s: "
				    "Changing property '%s' is not allowed.", name, name);
}

static int check_update(struct put *p, const char *custom_data)
{
	const char *had = json_str_opt(p->old->hide, "customData", NULL);

	if (custom_data != NULL && (had == NULL || strcmp(had, custom_data) != 0))
		return fault_set(&p->f, 409, "PropertyChangeNotAllowed customData: "
			      "Changing property 'osProfile.customData' is not allowed.");
	if (check_fixed(p, "properties.osProfile.adminUsername", "osProfile.adminUsername") < 0 ||
	    check_fixed(p, "properties.osProfile.computerName", "osProfile.computerName") < 0 ||
	    check_fixed(p, "properties.osProfile.linuxConfiguration.ssh",
			"linuxConfiguration.ssh.publicKeys") < 0 ||
	    check_fixed(p, "properties.storageProfile.imageReference", "imageReference") < 0)
		return -1;
	return check_fixed(p, "properties.availabilitySet", "availabilitySet");
}

static int run_create(struct emu *m, struct op *op, struct fault *f)
{
	cJSON *keys = json_fmt("[%s]", op->key);
	int rc = machines_run(m, "create", keys, f);

	json_free(keys);
	return rc;
}

static int put_vm(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties"), *v, *hide = NULL;
	const char *size = json_str_opt(props, "hardwareProfile.vmSize", "Standard_D2s_v5"), *id;
	char *custom_data, guid[37], when[40], *name;
	struct entry *user;
	int rc = -1;

	if (check_machine(p, props, size, false, &custom_data) < 0)
		goto out;
	if (cJSON_GetArraySize(json_at(props, "networkProfile.networkInterfaces")) == 0) {
		invalid(p, "networkProfile", "Required parameter 'networkProfile' is missing (null).");
		goto out;
	}
	cJSON_ArrayForEach(v, json_at(props, "networkProfile.networkInterfaces")) {
		id = json_str_opt(v, "id", NULL);
		if (need_reference(m, p, id) < 0)
			goto out;
		if ((user = store_referrer(m, id)) != NULL && !is(user->key, p->id)) {
			fault_set(&p->f, 400, "NicInUse: " "Network Interface %s is used by existing "
			       "resource %s. In order to delete the network interface, it must be "
			       "dissociated from the resource. To learn more, see aka.ms/deletenic.", id,
			       json_text(user->doc, "id"));
			goto out;
		}
	}
	id = json_str_opt(props, "availabilitySet.id", NULL);
	if (id != NULL && need_reference(m, p, id) < 0)
		goto out;
	if (id != NULL && cJSON_GetArraySize(json_get(p->doc, "zones")) > 0) {
		fault_set(&p->f, 400, "BadRequest: " "Virtual Machines deployed to an Availability Zone "
		       "cannot be deployed to an Availability Set.");
		goto out;
	}
	if (p->old != NULL && check_update(p, custom_data) < 0)
		goto out;
	if (check_quota(m, p, size, p->old == NULL) < 0)
		goto out;
	name = xasprintf("%s_OsDisk_1", p->name);
	json_default(json_sub(json_sub(props, "storageProfile"), "osDisk"), "name",
		     cJSON_CreateString(name));
	free(name);
	json_default(json_sub(props, "storageProfile"), "dataDisks", cJSON_CreateArray());
	json_put_str(json_sub(props, "hardwareProfile"), "vmSize", vm_size_find(size)->name);
	random_guid(guid);
	iso_now(when);
	json_put_str(props, "vmId", json_str_opt(p->old != NULL ? p->old->doc : NULL,
						 "properties.vmId", guid));
	json_put_str(props, "timeCreated", json_str_opt(p->old != NULL ? p->old->doc : NULL,
							"properties.timeCreated", when));
	if (p->old == NULL) {
		hide = json_fmt("{'power':'starting','want':'running','customData':%s}", custom_data);
		p->hide = hide;
		p->work = run_create;
	}
	rc = 0;
out:
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
		cJSON_ArrayForEach(v, json_at(n->doc, "properties.networkProfile.networkInterfaces")) {
			nic = store_find(m, json_str_opt(v, "id", NULL));
			if (nic == NULL || !json_is(v, "properties.deleteOption", "Delete"))
				continue;
			json_add_str(doomed, NULL, nic->key);
			cJSON_ArrayForEach(c, json_at(nic->doc, "properties.ipConfigurations"))
				if (json_is(c, "properties.publicIPAddress.properties.deleteOption", "Delete"))
					json_add_str(doomed, NULL,
						     json_text(c, "properties.publicIPAddress.id"));
		}
	cJSON_ArrayForEach(v, doomed)
		if ((n = store_find(m, v->valuestring)) != NULL)
			store_remove(m, n);
	json_free(doomed);
	return rc;
}

/* ---- power ---- */

static cJSON *status(const char *kind, const char *state, const char *text, const char *when)
{
	char code[64];

	snprintf(code, sizeof(code), "%s/%s", kind, state);
	if (when == NULL)
		return json_fmt("{'code':%s,'level':'Info','displayStatus':%s}", code, text);
	return json_fmt("{'code':%s,'level':%s,'displayStatus':%s,'time':%s}", code,
			strcmp(state, "failed") == 0 ? "Error" : "Info", text, when);
}

cJSON *machine_view(const struct entry *n)
{
	const char *power = json_str_opt(n->hide, "power", "unknown");
	char *state = lower(json_str_opt(n->doc, "properties.provisioningState", "succeeded"));
	bool up = strcmp(power, "running") == 0;
	const char *when = json_str_opt(n->hide, "changed",
		json_text(n->doc, "properties.timeCreated"));
	char text[64];
	cJSON *view, *arr;

	view = json_fmt("{'computerName':%s,'osName':'ubuntu','osVersion':'24.04',"
		"'vmAgent':{'vmAgentVersion':%s,'statuses':[]},'disks':[{'name':%s,'statuses':[]}],"
		"'hyperVGeneration':'V2','statuses':[]}",
		json_text(n->doc, "properties.osProfile.computerName"), up ? "2.11.1.12" : "Unknown",
		json_text(n->doc, "properties.storageProfile.osDisk.name"));
	cJSON_AddItemToArray(json_get_mut(json_get_mut(view, "vmAgent"), "statuses"),
		json_fmt("{'code':%s,'level':%s,'displayStatus':%s,'message':%s,'time':%s}",
			 up ? "ProvisioningState/succeeded" : "ProvisioningState/Unavailable",
			 up ? "Info" : "Warning", up ? "Ready" : "Not Ready", up ?
			 "GuestAgent is running and processing the extensions." :
			 "VM status blob is found but not yet populated.", when));
	cJSON_AddItemToArray(json_get_mut(json_get_mut(view, "disks")->child, "statuses"),
			     status("ProvisioningState", "succeeded", "Provisioning succeeded", when));
	arr = json_get_mut(view, "statuses");
	snprintf(text, sizeof(text), "Provisioning %s", state);
	if (strcmp(state, "creating") == 0 || strcmp(state, "updating") == 0 ||
	    strcmp(state, "deleting") == 0) {
		snprintf(text, sizeof(text), "%c%s", to_upper(state[0]), state + 1);
		cJSON_AddItemToArray(arr, status("ProvisioningState", state, text, when));
	} else if (strcmp(state, "failed") == 0) {
		cJSON_AddItemToArray(arr, status("ProvisioningState", "failed", text, when));
	} else {
		cJSON_AddItemToArray(arr, status("ProvisioningState", "succeeded",
						 "Provisioning succeeded", when));
	}
	snprintf(text, sizeof(text), "VM %s", power);
	cJSON_AddItemToArray(arr, status("PowerState", power, text, NULL));
	free(state);
	return view;
}

cJSON *call_show(struct call *c, const struct entry *n)
{
	cJSON *doc = entry_show(c->m, n);
	struct buf b = BUF_INIT(128);

	if (json_get(n->hide, "power") != NULL && call_param(c, "$expand", &b) &&
	    str_find(buf_str(&b), STR("instanceView")) >= 0)
		json_set(json_get_mut(doc, "properties"), "instanceView", machine_view(n));
	buf_release(&b);
	return doc;
}

static const struct { const char *name, *verb, *during; } verbs[] = {
	{ "start", "start", "starting" },
	{ "restart", "restart", NULL },
	{ "redeploy", "restart", NULL },
	{ "poweroff", "stop", "stopping" },
	{ "deallocate", "deallocate", "deallocating" },
	{ "reimage", "reimage", NULL },
	{ "reimageall", "reimage", NULL },
	{ "reapply", "", NULL },
	{ NULL, NULL, NULL },
};

static int run_verb(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *keys = json_get(op->args, "keys"), *k;
	const char *verb = json_text(op->args, "verb");
	int rc = verb[0] == '\0' ? op_sleep(m, 300) : machines_run(m, verb, keys, f);
	struct entry *n;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL &&
		    json_is(n->doc, "properties.provisioningState", "Updating"))
			entry_state(n, rc == 0 ? "Succeeded" : "Failed");
	return rc;
}

int machines_act(struct call *c, const struct entry *owner, const char *verb, cJSON *keys)
{
	const cJSON *k;
	struct entry *n;
	struct op *op;
	size_t i = 0;

	while (verbs[i].name != NULL && !is(verbs[i].name, verb))
		i++;
	if (verbs[i].name == NULL) {
		json_free(keys);
		return 1;
	}
	if (c->method != POST) {
		json_free(keys);
		return call_method(c);
	}
	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(c->m, k->valuestring)) != NULL && refuse_busy(c->m, n, &c->fault) < 0) {
			json_free(keys);
			return -1;
		}
	cJSON_ArrayForEach(k, keys) {
		n = store_find(c->m, k->valuestring);
		if (verbs[i].during != NULL)
			json_put_str(n->hide, "power", verbs[i].during);
		entry_state(n, "Updating");
	}
	op = op_start(c->m, OP_COMPUTE, json_text(owner->doc, "location"), owner->key, c->api,
		      run_verb, json_fmt("{'verb':%s,'keys':%j}", verbs[i].verb, keys),
		      cJSON_Duplicate(keys, true), &c->fault);
	json_free(keys);
	if (op == NULL)
		return -1;
	call_op(c, op);
	return call_answer(c, 202, NULL);
}

static int run_script(struct emu *m, struct op *op, struct fault *f)
{
	struct buf out = BUF_INIT(64u << 10), text = BUF_INIT(16u << 10);
	int code = 0;

	(void)f;
	machine_exec(m, json_text(op->args, "machine"), json_text(op->args, "script"), &out,
		     &code);
	buf_addf(&text, "Enable succeeded: \n[stdout]\n%s\n[stderr]\n",
		 out.str + (out.n > 4096 ? out.n - 4096 : 0));
	op->output = json_fmt("{'value':[{'code':'ProvisioningState/succeeded','level':'Info',"
			      "'displayStatus':'Provisioning succeeded','message':%s}]}", text.str);
	buf_burn(&out);
	buf_burn(&text);
	return 0;
}

int run_command(struct call *c, struct entry *n)
{
	struct buf script = BUF_INIT(256u << 10);
	const cJSON *line;
	struct op *op;

	if (c->method != POST)
		return call_method(c);
	if (refuse_busy(c->m, n, &c->fault) < 0)
		return -1;
	if (!json_is(c->body, "commandId", "RunShellScript"))
		return fault_set(&c->fault, 404, "NotFound: " "The entity was not found.");
	if (!json_is(n->hide, "power", "running"))
		return fault_set(&c->fault, 409, "OperationNotAllowed: " "Cannot modify extensions in the "
			      "VM when the VM is not running.");
	cJSON_ArrayForEach(line, json_get(c->body, "script"))
		if (cJSON_IsString(line))
			buf_addf(&script, "%s\n", line->valuestring);
	op = op_start(c->m, OP_COMPUTE, json_text(n->doc, "location"), n->key, c->api, run_script,
		      json_fmt("{'machine':%s,'script':%s}", n->key, script.str), json_fmt("[%s]", n->key),
		      &c->fault);
	buf_burn(&script);
	if (op == NULL)
		return -1;
	call_op(c, op);
	return call_answer(c, 202, NULL);
}

static int vm_action(struct call *c, struct entry *n, char **s)
{
	if (s[1] != NULL)
		return 1;
	if (is(s[0], "instanceView"))
		return c->method == GET ? (c->pretty = true,
			call_answer(c, 200, machine_view(n))) : call_method(c);
	if (is(s[0], "runCommand"))
		return run_command(c, n);
	return machines_act(c, n, s[0], json_fmt("[%s]", n->key));
}

#define COMPUTE "Microsoft.Compute/"

const struct rtype compute_types[] = {
	{ COMPUTE "availabilitySets", COMPUTE_VERSIONS, OP_NONE, 0, R_TRACKED | R_PRETTY,
	  "OperationNotAllowed", put_avset, NULL, show_avset, NULL },
	{ COMPUTE "virtualMachines", COMPUTE_VERSIONS, OP_COMPUTE, 300, R_TRACKED | R_PRETTY,
	  NULL, put_vm, remove_vm, NULL, vm_action },
	{ COMPUTE "virtualMachineScaleSets", COMPUTE_VERSIONS, OP_COMPUTE, 300, R_TRACKED | R_PRETTY,
	  NULL, put_vmss, remove_vmss, NULL, vmss_action },
	{ COMPUTE "virtualMachineScaleSets/virtualMachines", COMPUTE_VERSIONS, OP_COMPUTE, 300,
	  R_VIA_PARENT | R_PRETTY, NULL, NULL, NULL, NULL, NULL },
	{ .name = NULL },
};
