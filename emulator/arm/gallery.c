/*
 * Compute Galleries: galleries, definitions of images in them, and versions of
 * those, which are what disks of virtual machines were.  How a disk is kept is
 * the machine driver's affair (machines.h); here a version is a document and
 * the name of a directory.
 *
 * From the API's description (azure-rest-api-specs, GalleryRP), what
 * Microsoft's own clients recorded, and "Troubleshoot problems with shared
 * images in Azure" (learn.microsoft.com), which has the texts but few of their
 * codes: where a code is nowhere to be found, it is what others of its kind
 * have.
 *
 * Azure does not care who uses a version: "Overview of Azure Compute Gallery"
 * says that machines made from a deleted one go on, while a scale set that
 * names it can have no more of them.  So a deletion is not refused here, either
 * (managed images are: "since the Virtual Machine ScaleSet is currently using
 * the Image").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "emulator/arm/compute.h"
#include "emulator/arm/gallery.h"
#include "emulator/arm/image.h"
#include "emulator/arm/location.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

#define GALLERIES "Microsoft.Compute/galleries"
#define VERSION_MS 1500 /* how long a version takes on paper */

/* ---- names ---- */

/* ^[^_\W][\w-._]{0,79}(?<![-.])$; of a gallery, without '-', which it is told
 * in other words */
static int check_entity(struct put *p, const char *what, const char *extra)
{
	size_t n = strlen(p->name), k;

	for (k = 0; k < n && (strchr(LETTERS DIGITS "_.", p->name[k]) != NULL ||
			      strchr(extra, p->name[k]) != NULL);)
		k++;
	if (n <= 80 && k == n && p->name[0] != '_' && p->name[0] != '.' &&
	    p->name[0] != '-' && strchr("-.", p->name[n - 1]) == NULL)
		return 0;
	return fault_set(&p->f, 400,
			 "InvalidParameter %s: The entity name '%s' is invalid "
			 "according to its validation rule: "
			 "^[^_\\W][\\w-._]{0,79}(?<![-.])$.",
			 what, what);
}

/* a.b.c, each of 31 bits */
static bool version_numbers(const char *name, uint64_t out[3])
{
	struct str s = str_of(name), word;
	size_t n = 0;

	while (n < 3 && str_next(&s, '.', &word))
		if (!str_num(word, INT32_MAX, &out[n++]))
			return false;
	return n == 3 && s.p == NULL;
}

static bool is_newer(const struct entry *a, const struct entry *b)
{
	uint64_t x[3], y[3];

	if (b == NULL || !version_numbers(json_text(a->doc, "name"), x) ||
	    !version_numbers(json_text(b->doc, "name"), y))
		return b == NULL;
	for (size_t i = 0; i < 3; i++)
		if (x[i] != y[i])
			return x[i] > y[i];
	return false;
}

static struct entry *parent_of(struct emu *m, const char *id)
{
	char *key = xstrdup(id);
	struct entry *n;

	*strrchr(key, '/') = '\0';
	*strrchr(key, '/') = '\0';
	n = store_find(m, key);
	free(key);
	return n;
}

/* ---- what all three have ---- */

static int missing(struct put *p, const char *name)
{
	return fault_set(&p->f, 400,
			 "InvalidParameter %s: Required parameter '%s' is "
			 "missing (null).",
			 name, name);
}

static int bad_value(struct put *p, const char *name)
{
	return fault_set(&p->f, 400,
			 "InvalidParameter %s: The value of parameter %s is "
			 "invalid.",
			 name, name);
}

/* What may not differ from the last time: paths below properties, each with its
 * prefix in the message. */
static int check_fixed(struct put *p, const char *of, const char *const *paths)
{
	const cJSON *old = p->old == NULL ? NULL :
					    json_get(p->old->doc, "properties");

	for (; old != NULL && *paths != NULL; paths++)
		if (!cJSON_Compare(json_at(old, *paths),
				   json_at(p->props, *paths), true) &&
		    (json_at(old, *paths) != NULL ||
		     json_at(p->props, *paths) != NULL))
			return fault_set(&p->f, 409,
					 "PropertyChangeNotAllowed "
					 "%s.properties.%s: Changing property "
					 "'%s.properties.%s' is not allowed.",
					 of, *paths, of, *paths);
	return 0;
}

/* ---- galleries ---- */

static int put_gallery(struct emu *m, struct put *p)
{
	char *upper = xstrdup(p->name);

	for (char *c = upper; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	json_set(p->props, "identifier",
		 json_fmt("{'uniqueName':'%s-%s'}", m->subscription, upper));
	free(upper);
	if (check_entity(p, "galleryName", "") < 0)
		return -1;
	for (struct entry *n = NULL; (n = store_typed(m, n, GALLERIES)) != NULL;)
		if (n != p->old && json_is(n->doc, "name", p->name))
			return fault_set(&p->f, 409,
					 "Conflict galleryName: The gallery "
					 "name '%s' is not unique within the "
					 "subscription '%s'. Please pick "
					 "another gallery name.",
					 p->name, m->subscription);
	return 0;
}

/* ---- definitions ---- */

/* What Azure lets a definition say of itself; others it does not know. */
static const struct {
	const char *path, *words;
} choices[] = {
	{ "osType", "Linux Windows" },
	{ "osState", "Generalized Specialized" },
	{ "hyperVGeneration", "V1 V2" },
	{ "architecture", "x64 Arm64" },
};

static const char *const security_types =
	"TrustedLaunch TrustedLaunchSupported ConfidentialVM "
	"ConfidentialVMSupported TrustedLaunchAndConfidentialVmSupported "
	"Standard None";

const char *gallery_feature(const struct entry *definition, const char *name)
{
	return json_text(
		json_named(json_at(definition->doc, "properties.features"), name),
		"value");
}

/* 'identifier': each of its names, and that no other has all three */
static int check_identifier(struct emu *m, struct put *p)
{
	static const struct {
		const char *name;
		size_t max;
	} parts[] = { { "publisher", 128 }, { "offer", 64 }, { "sku", 64 } };
	const cJSON *own = json_get(p->props, "identifier"), *o;
	struct entry *gallery = parent_of(m, p->id), *n = NULL;
	const char *v;

	if (own == NULL)
		return missing(p, "galleryImage.properties.identifier");
	for (size_t i = 0; i < 3; i++) {
		size_t k = strlen(v = json_text(own, parts[i].name));

		if (k == 0 || k > parts[i].max || v[k - 1] == '.' ||
		    strspn(v, LETTERS DIGITS "-._") != k)
			return fault_set(
				&p->f, 400,
				"InvalidParameter "
				"galleryImage.properties.identifier.%s: Asset "
				"name galleryImage.properties.identifier.%s "
				"is not valid. It cannot be empty. Allowed "
				"characters are uppercase or lowercase "
				"letters, digits, hyphen(-), period (.), "
				"underscore (_). Names are not allowed to end "
				"with period(.). The length of the name "
				"cannot exceed %zu characters.",
				parts[i].name, parts[i].name, parts[i].max);
	}
	while (gallery != NULL &&
	       (n = store_below(m, n, gallery->key, "/images/")) != NULL) {
		o = json_at(n->doc, "properties.identifier");
		if (n != p->old && o != NULL &&
		    json_is(o, "publisher", json_text(own, "publisher")) &&
		    json_is(o, "offer", json_text(own, "offer")) &&
		    json_is(o, "sku", json_text(own, "sku")))
			return fault_set(
				&p->f, 409,
				"OperationNotAllowed: Gallery image: %s "
				"identified by (publisher:%s, offer:%s, "
				"sku:%s) already exists. Choose a different "
				"publisher, offer, sku combination.",
				json_text(n->doc, "name"),
				json_text(own, "publisher"),
				json_text(own, "offer"), json_text(own, "sku"));
	}
	return 0;
}

/* Of both words it keeps this order, whichever was said; who says the other once
 * more is refused (reported of DiskControllerTypes). */
static int take_controllers(struct put *p, cJSON *feature)
{
	const char *value = json_text(feature, "value");

	if (str_is(value, "NVMe, SCSI") && p->old == NULL)
		json_put_str(feature, "value", "SCSI, NVMe");
	else if (!str_is(value, "SCSI") && !str_is(value, "SCSI, NVMe") &&
		 p->old == NULL)
		return bad_value(p, "galleryImage.properties.features");
	return 0;
}

/* Each is what it was the last time; the words are those that were reported. */
static int check_fixed_features(struct put *p)
{
	const cJSON *now = json_get(p->props, "features"), *f;
	const cJSON *was = p->old == NULL ?
				   NULL :
				   json_at(p->old->doc, "properties.features");
	const cJSON *from[] = { was, now }, *to[] = { now, was };

	for (size_t i = 0; p->old != NULL && i < 2; i++)
		cJSON_ArrayForEach(f, from[i])
			if (!cJSON_Compare(f,
					   json_named(to[i], json_text(f, "name")),
					   true))
				return fault_set(&p->f, 409,
						 "PropertyChangeNotAllowed %s: Changing "
						 "property '%s' is not allowed.",
						 json_text(f, "name"),
						 json_text(f, "name"));
	return 0;
}

static int check_features(struct put *p)
{
	cJSON *f;

	cJSON_ArrayForEach(f, json_get_mut(p->props, "features")) {
		if (json_is(f, "name", "DiskControllerTypes") &&
		    take_controllers(p, f) < 0)
			return -1;
		if (!json_is(f, "name", "SecurityType"))
			continue;
		if (!str_listed(security_types, json_text(f, "value")))
			return bad_value(p, "galleryImage.properties.features");
		/* the rule is known ("Trusted Launch requires Generation 2"), its
		 * text is not */
		if (str_starts(str_of(json_text(f, "value")), STR("Trusted")) &&
		    json_is(p->props, "hyperVGeneration", "V1"))
			return fault_set(&p->f, 400,
					 "InvalidParameter "
					 "galleryImage.properties.features: "
					 "The security type '%s' is only "
					 "supported for Hypervisor generation "
					 "'V2'.",
					 json_text(f, "value"));
	}
	return 0;
}

/* One of the words, as Azure writes it, however it was asked for. */
static int choose(struct put *p, const char *path, const char *words)
{
	const char *v = json_str_opt(p->props, path, NULL);
	struct str s = str_of(words), word;
	char name[80];

	snprintf(name, sizeof(name), "galleryImage.properties.%s", path);
	if (v == NULL)
		return missing(p, name);
	while (str_next(&s, ' ', &word))
		if (str_ieqz(word, v)) {
			json_drop(p->props, path);
			json_add_strn(p->props, path, word);
			return 0;
		}
	return bad_value(p, name);
}

static int put_definition(struct emu *m, struct put *p)
{
	static const char *const fixed[] = { "osType",		 "osState",
					     "hyperVGeneration", "architecture",
					     "identifier",	 NULL };
	if (check_entity(p, "galleryImageName", "-") < 0)
		return -1;
	json_defaults(p->props, "{'hyperVGeneration':'V1','architecture':'x64'}");
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (choose(p, choices[i].path, choices[i].words) < 0)
			return -1;
	return check_identifier(m, p) < 0 || check_features(p) < 0 ||
			       check_fixed(p, "galleryImage", fixed) < 0 ||
			       check_fixed_features(p) < 0 ?
		       -1 :
		       0;
}

/* ---- versions ---- */

static const char *source_of(const cJSON *props)
{
	const char *id = json_str_opt(props,
				      "storageProfile.source.virtualMachineId",
				      NULL);

	return id != NULL ?
		       id :
		       json_str_opt(props, "storageProfile.source.id", NULL);
}

static int differs(struct put *p, unsigned status, const char *code,
		   const char *id, const char *what, const char *has,
		   const char *wants)
{
	return fault_set(&p->f, status,
			 "%s: The resource with id '%s' has a different %s "
			 "['%s'] than the parent gallery image %s ['%s'].",
			 code, id, what, has, what, wants);
}

/* The machine and the definition have to fit. */
static int check_machine(struct emu *m, struct put *p, const struct entry *vm,
			 const struct entry *d)
{
	const cJSON *want = json_get(d->doc, "properties");
	const char *id = json_text(vm->doc, "id");
	const char *state = json_bool_opt(vm->hide, "generalized", false) ?
				    "Generalized" :
				    "Specialized";
	const struct vm_size *size = compute_size_find(
		json_text(vm->doc, "properties.hardwareProfile.vmSize"));
	const char *cpu = size != NULL && size->arm ? "Arm64" : "x64";
	const char *generation = image_generation(m, vm);
	const char *type = json_str_opt(
		vm->doc, "properties.securityProfile.securityType", "Standard");
	const char *feature = gallery_feature(d, "SecurityType");
	const char *wants = str_listed("None Standard", feature) ||
					    feature[0] == '\0' ?
				    "Standard" :
				    feature;

	if (!json_is(want, "osState", state))
		return differs(p, 400, "BadRequest", id, "OS state", state,
			       json_text(want, "osState"));
	if (!json_is(want, "osType", "Linux"))
		return differs(p, 409, "Conflict", id, "OS type", "Linux",
			       json_text(want, "osType"));
	if (!json_is(want, "hyperVGeneration", generation))
		return differs(p, 409, "Conflict", id, "Hypervisor generation",
			       generation, json_text(want, "hyperVGeneration"));
	if (!json_is(want, "architecture", cpu))
		return differs(p, 409, "Conflict", id, "architecture", cpu,
			       json_text(want, "architecture"));
	/* as packer and Az.Compute were told */
	if (str_ends(str_of(feature), STR("Supported")))
		return fault_set(
			&p->f, 400,
			"InvalidParameter "
			"galleryImageVersion.properties.storageProfile.source.id: "
			"The security type '%s' is not supported for the "
			"source id '%s'. Currently only Vhd Blob, User Image "
			"and Gallery Image Version sources are supported for "
			"'%s' images.",
			feature, id, feature);
	/* that it is refused is known ("an image to be used with a Trusted Launch
	 * VM must be of one", and the other way round); the text is of the others'
	 * pattern */
	return str_is(type, wants) ? 0 :
				     differs(p, 409, "Conflict", id,
					     "security type", type, wants);
}

static int check_source(struct emu *m, struct put *p, const char *location)
{
	const char *id = source_of(p->props), *old;
	struct entry *d = parent_of(m, p->id),
		     *vm = store_find(m, id != NULL ? id : "");

	if (p->old != NULL) {
		old = source_of(json_get(p->old->doc, "properties"));
		if (id != NULL && !str_is(id, old))
			return fault_set(
				&p->f, 409,
				"PropertyChangeNotAllowed galleryImageVersion."
				"properties.storageProfile.source.id: Changing "
				"property 'galleryImageVersion.properties."
				"storageProfile.source.id' is not allowed.");
		json_set(p->props, "storageProfile",
			 cJSON_Duplicate(json_at(p->old->doc,
						 "properties.storageProfile"),
					 true));
		return 0;
	}
	if (json_at(p->props, "storageProfile.osDiskImage.source") != NULL)
		return fault_set(&p->f, 400,
				 "InvalidParameter storageProfile: The local "
				 "Azure has no disks, snapshots and managed "
				 "images: a version is made of a virtual "
				 "machine.");
	if (id == NULL)
		return fault_set(
			&p->f, 400,
			"InvalidParameter storageProfile: The gallery "
			"artifact version source can only be specified either "
			"directly under storageProfile or within individual "
			"OS or data disks. One and only one source type (user "
			"image, snapshot, disk, virtual machine) can be "
			"provided.");
	/* its machine may be in the same template */
	if (p->dry && vm == NULL)
		return 0;
	if (vm == NULL || !json_is(vm->doc, "location", location))
		return fault_set(&p->f, 404,
				 "NotFound: Source %s is not found. Please "
				 "check source exists, and is in the same "
				 "region as gallery image version being "
				 "created.",
				 id);
	if (vm->type == NULL ||
	    !str_is(vm->type->name, "Microsoft.Compute/virtualMachines"))
		return fault_set(&p->f, 400,
				 "InvalidParameter storageProfile.source.id: "
				 "The source id: %s must either be a managed "
				 "image, virtual machine or another gallery "
				 "image version",
				 id);
	return d == NULL ? 0 : check_machine(m, p, vm, d);
}

/* Where it can be had; its own region must be among them. */
static int check_regions(struct put *p, cJSON *profile, const char *location)
{
	cJSON *regions = json_get_mut(profile, "targetRegions"), *r, *o;
	struct buf list = BUF_INIT(1024);
	const char *name;
	bool own = false;
	int rc = 0;

	if (regions == NULL) {
		regions = json_add_arr(profile, "targetRegions");
		json_push(regions, "{'name':%s}", location);
	}
	cJSON_ArrayForEach(r, regions) {
		name = location_find(json_text(r, "name"));
		if (name == NULL)
			rc = bad_value(p, "galleryArtifactVersion.properties."
					  "publishingProfile.targetRegions.name");
		for (o = regions->child; rc == 0 && o != r; o = o->next)
			if (location_find(json_text(o, "name")) == name)
				rc = fault_set(&p->f, 400,
					       "InvalidParameter "
					       "targetRegions: Duplicate "
					       "regions are not allowed in "
					       "target publishing regions.");
		if (rc < 0)
			break;
		own = own || strcmp(name, location) == 0;
		buf_addf(&list, "%s%s", list.n > 0 ? "," : "", name);
		for (const struct location *l = location_table; l->name != NULL;
		     l++)
			if (l->name == name)
				json_put_str(r, "name", l->display);
		json_defaults(r,
			      "{'regionalReplicaCount':%l,'storageAccountType':%s}",
			      json_int_opt(profile, "replicaCount", 1),
			      json_text(profile, "storageAccountType"));
	}
	if (rc == 0 && !own)
		rc = fault_set(&p->f, 400,
			       "InvalidParameter targetRegions: Gallery image "
			       "version publishing profile regions %s must "
			       "contain the location of image version %s",
			       list.str, location);
	buf_release(&list);
	return rc;
}

static op_run run_version;

static int put_version(struct emu *m, struct put *p)
{
	const char *location = json_text(p->doc, "location");
	cJSON *profile = json_sub(p->props, "publishingProfile");
	uint64_t numbers[3];
	char guid[40];

	if (!version_numbers(p->name, numbers))
		return fault_set(&p->f, 400,
				 "InvalidParameter galleryImageVersionName: "
				 "The image version name is invalid. The "
				 "image version name should follow "
				 "Major(int).Minor(int).Patch(int) format, "
				 "for e.g: 1.0.0, 2018.12.1 etc.");
	json_drop(p->props, "replicationStatus");
	json_drop(profile, "publishedDate");
	json_defaults(profile,
		      "{'replicaCount':1,'excludeFromLatest':false,"
		      "'publishedDate':%s,'storageAccountType':'Standard_LRS'}",
		      p->old == NULL ? NULL :
				       json_text(p->old->doc,
						 "properties.publishingProfile."
						 "publishedDate"));
	if (p->old == NULL)
		json_set(profile, "publishedDate", json_fmt("%t"));
	if (check_regions(p, profile, location) < 0 ||
	    check_source(m, p, location) < 0)
		return -1;
	json_defaults(p->props, "{'storageProfile':{'osDiskImage':{'sizeInGB':30,"
				"'hostCaching':'ReadOnly'}},'safetyProfile':{"
				"'reportedForPolicyViolation':false,"
				"'allowDeletionOfReplicatedLocations':false}}");
	if (p->old == NULL) {
		random_guid(guid);
		p->hide = json_fmt("{'disk':%s}", guid);
		p->work = run_version;
	}
	return 0;
}

char *gallery_disk(const struct emu *m, const struct entry *version)
{
	return m->netns == NULL ? NULL :
				  xasprintf("%s/images/%s", m->dir,
					    json_text(version->hide, "disk"));
}

/* Its machine's disk, as it is now; nobody is at work on that meanwhile. */
static int run_version(struct emu *m, struct op *op, struct fault *f)
{
	struct entry *n = store_find(m, op->key), *vm;
	char *disk = gallery_disk(m, n),
	     *key = emu_lower(source_of(json_get(n->doc, "properties")));
	int rc;

	if (disk == NULL) {
		rc = op_sleep(m, VERSION_MS);
	} else if (machine_idle(m, key) < 0) {
		rc = fault_set(f, 404, "NotFound: Source %s is not found.", key);
	} else {
		store_find(m, key)->busy++;
		rc = machine_capture(m, key, disk, f);
		if ((vm = store_find(m, key)) != NULL)
			vm->busy--;
		store_changed(m);
	}
	free(disk);
	free(key);
	return rc;
}

static void forget_version(struct emu *m, const struct entry *n)
{
	char *disk = gallery_disk(m, n);
	struct err e = ERR_INIT;

	/* machines of it have links to what they need of it */
	if (disk != NULL && dir_remove(disk, &e) < 0)
		emu_log(m, "image %s: %s", n->key, e.msg);
	free(disk);
}

static void expand_version(struct request *r, const struct entry *n, cJSON *doc)
{
	char *expand = request_param(r, "$expand");
	bool done = entry_is(n, "Succeeded");
	cJSON *status, *summary;
	const cJSON *region;

	if (str_is(expand, "ReplicationStatus")) {
		status = json_fmt("{'aggregatedState':%s,'summary':[]}",
				  done			? "Completed" :
				  entry_is(n, "Failed") ? "Failed" :
							  "InProgress");
		summary = json_get_mut(status, "summary");
		cJSON_ArrayForEach(
			region,
			json_at(doc, "properties.publishingProfile.targetRegions"))
			json_push(summary,
				  "{'region':%s,'state':%s,'details':'',"
				  "'progress':%d}",
				  json_text(region, "name"),
				  done ? "Completed" : "Replicating",
				  done ? 100 : 0);
		json_set(json_get_mut(doc, "properties"), "replicationStatus",
			 status);
	}
	free(expand);
}

/* ---- what machines are made from ---- */

static bool is_at(const struct entry *version, const char *location)
{
	const cJSON *r;

	cJSON_ArrayForEach(r,
			   json_at(version->doc,
				   "properties.publishingProfile.targetRegions"))
		if (str_is(location, location_find(json_text(r, "name"))))
			return !entry_is(version, "Creating") &&
			       !entry_is(version, "Failed") &&
			       !entry_is(version, "Deleting");
	return false;
}

/* Of those that want to be it and may be had there. */
static struct entry *latest(struct emu *m, const struct entry *definition,
			    const char *location)
{
	struct entry *n = NULL, *best = NULL;

	while ((n = store_below(m, n, definition->key, "/versions/")) != NULL)
		if (is_at(n, location) &&
		    !json_bool_opt(n->doc,
				   "properties.publishingProfile."
				   "excludeFromLatest",
				   false) &&
		    is_newer(n, best))
			best = n;
	return best;
}

struct entry *gallery_definition(struct emu *m, const struct entry *version)
{
	return parent_of(m, version->key);
}

struct entry *gallery_find(struct emu *m, const char *id, const char *exact,
			   const char *location, struct fault *f)
{
	struct entry *n = store_find(m, id);
	bool definition = n != NULL && n->type == &gallery_types[1];
	char *own;

	if (definition && exact == NULL) {
		n = latest(m, n, location);
		if (n == NULL)
			fault_set(f, 404,
				  "NotFound imageReference: There is no "
				  "latest image version exists for \"%s\"",
				  id);
		return n;
	}
	if (definition) {
		own = xasprintf("%s/versions/%s", id, exact);
		n = store_find(m, own);
		free(own);
	}
	if (n != NULL && n->type == &gallery_types[2] && is_at(n, location))
		return n;
	/* the quotes are Azure's */
	fault_set(f, 404,
		  "GalleryImageNotFound imageReference: \"The gallery image "
		  "%s is not available in %s region. Please contact image "
		  "owner to replicate to this region, or change your "
		  "requested region.\"",
		  id, location);
	return NULL;
}

const struct rtype gallery_types[] = {
	{
		.name = GALLERIES,
		.versions = GALLERY_VERSIONS,
		.style = OP_GALLERY,
		.work_ms = 300,
		.flags = R_TRACKED | R_PRETTY | R_NESTED_FIRST,
		.put = put_gallery,
	},
	{
		.name = GALLERIES "/images",
		.versions = GALLERY_VERSIONS,
		.style = OP_GALLERY,
		.work_ms = 300,
		.flags = R_TRACKED | R_PRETTY | R_NESTED_FIRST,
		.put = put_definition,
	},
	{
		.name = GALLERIES "/images/versions",
		.versions = GALLERY_VERSIONS,
		.style = OP_GALLERY,
		.work_ms = 300,
		.flags = R_TRACKED | R_PRETTY,
		.put = put_version,
		.forget = forget_version,
		.expand = expand_version,
	},
	{ .name = NULL },
};
