/*
 * What machines are made from: Canonical's images, of which there are these, and
 * versions in galleries (gallery.c); what an imageReference means, and what has
 * to go with it.
 */
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/compute.h"
#include "emulator/arm/gallery.h"
#include "emulator/arm/image.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "http.h"

/* ---- Canonical's ---- */

/* Canonical's; the versions there are, the latest last; skus of generation 2, of
 * generation 1, for Arm */
#define VERSIONS 2
static const struct image {
	const char *offer, *version[VERSIONS], *sku[3];
} images[] = {
	{ "ubuntu-24_04-lts",
	  { "24.04.202606110", "24.04.202607280" },
	  { "server", "server-gen1", "server-arm64" } },
	{ "ubuntu-26_04-lts",
	  { "26.04.202606120", "26.04.202607290" },
	  { "server", "server-gen1", "server-arm64" } },
	{ "0001-com-ubuntu-server-jammy",
	  { "22.04.202606050", "22.04.202607220" },
	  { "22_04-lts-gen2", "22_04-lts", "22_04-lts-arm64" } },
};

/* The one that an imageReference names, and which of its skus.  NULL: none. */
static const struct image *image_find(const cJSON *image, size_t *which)
{
	const char *offer = json_text(image, "offer"),
		   *sku = json_text(image, "sku");

	for (size_t i = 0; json_is(image, "publisher", "Canonical") &&
			   i < sizeof(images) / sizeof(images[0]);
	     i++)
		for (*which = 0;
		     str_ieqz(str_of(offer), images[i].offer) && *which < 3;
		     ++*which)
			if (str_is(images[i].sku[*which], sku))
				return &images[i];
	return NULL;
}

/* What "latest" or one of its versions is; NULL: there is no such version. */
static const char *version_of(const struct image *i, const char *asked)
{
	if (str_is(asked, "latest"))
		return i->version[VERSIONS - 1];
	for (size_t k = 0; k < VERSIONS; k++)
		if (str_is(asked, i->version[k]))
			return i->version[k];
	return NULL;
}

const char *image_version(struct emu *m, const cJSON *image, const char *location)
{
	const char *id = json_str_opt(image, "id", NULL);
	struct fault ignored = { 0, NULL };
	struct entry *n;
	size_t which;
	const struct image *i = image_find(image, &which);

	if (id == NULL)
		return i == NULL ? NULL :
				   version_of(i, json_text(image, "version"));
	n = gallery_find(m, id, NULL, location, &ignored);
	fault_release(&ignored);
	return n == NULL ? NULL : json_text(n->doc, "name");
}

static const cJSON *image_of(const struct entry *n)
{
	return json_at(n->doc, "properties.storageProfile.imageReference");
}

struct entry *image_gallery_version(struct emu *m, const struct entry *n,
				    struct fault *f)
{
	const cJSON *image = image_of(n);
	const char *id = json_str_opt(image, "id", NULL);

	return id == NULL ?
		       NULL :
		       gallery_find(m, id,
				    json_str_opt(image, "exactVersion", NULL),
				    json_text(n->doc, "location"), f);
}

const char *image_generation(struct emu *m, const struct entry *n)
{
	struct fault ignored = { 0, NULL };
	struct entry *version = image_gallery_version(m, n, &ignored);
	const cJSON *image = image_of(n);
	size_t which = 0;

	fault_release(&ignored);
	if (version != NULL)
		return json_text(gallery_definition(m, version)->doc,
				 "properties.hyperVGeneration");
	image_find(image, &which);
	return which == 1 ? "V1" : "V2";
}

/* A list's $orderby and $top, which it alone of all lists here has. */
static void order_and_cut(const struct request *r, cJSON *arr)
{
	char *order = request_param(r, "$orderby"),
	     *top = request_param(r, "$top");
	uint64_t most;
	int n = cJSON_GetArraySize(arr);

	if (order != NULL && str_ieqz(str_of(order), "name desc"))
		for (int i = 1; i < n; i++)
			cJSON_InsertItemInArray(arr, 0,
						cJSON_DetachItemFromArray(arr, i));
	if (top != NULL && str_num(str_of(top), 1000, &most))
		while (cJSON_GetArraySize(arr) > (int)most)
			json_free(cJSON_DetachItemFromArray(arr, (int)most));
	free(order);
	free(top);
}

int image_list(struct request *r, const char *location, char **s)
{
	char *path = str_dup(http_x_path(r->x));
	cJSON *arr = cJSON_CreateArray(), *one = NULL;
	const struct image *i;
	size_t n = 0, k, v;

	while (s[n] != NULL)
		n++;
	for (i = images; i < images + sizeof(images) / sizeof(images[0]); i++)
		for (k = 0, v = 0; k < 3; v == VERSIONS - 1 ? (v = 0, k++) : v++) {
			const char *name = n == 1 ? "Canonical" :
					   n == 5 ? i->offer :
					   n == 7 ? i->sku[k] :
						    i->version[v];

			if ((n > 1 && !str_is(s[1], "Canonical")) ||
			    (n > 5 && !str_is(s[5], i->offer)) ||
			    (n > 7 && !str_is(s[7], i->sku[k])) ||
			    (n > 9 && !str_is(s[9], i->version[v])))
				continue;
			if (n == 10 && one == NULL)
				one = json_fmt("{'properties':{'hyperVGeneration':%s,'architecture':%s,'osDiskImage':{'operatingSystem':'Linux'},'dataDiskImages':[],'features':[]},'location':%s,'name':%s,'id':%s}",
					       k == 1 ? "V1" : "V2",
					       k == 2 ? "Arm64" : "x64",
					       location, name, path);
			else if (n % 2 == 1 && n != 3 &&
				 json_named(arr, name) == NULL)
				json_push(arr,
					  "{'location':%s,'name':%s,'id':'%s/%s'}",
					  location, name, path, name);
		}
	free(path);
	if (one != NULL || arr->child == NULL) {
		json_free(arr);
		arr = one;
	} else if (n == 9) {
		order_and_cut(r, arr);
	}
	return arr != NULL ?
		       request_answer(r, 200, arr) :
		       fault_set(&r->fault, 404,
				 "NotFound: Artifact: VMImage was not found.");
}

/* ---- what goes with what ---- */

static int check_processor(struct put *p, const char *size, bool arm)
{
	if (arm == compute_size_find(size)->arm)
		return 0;
	return fault_set(&p->f, 400,
			 "BadRequest: The VM size '%s' cannot boot with OS "
			 "image or disk. Please check that disk CPU "
			 "Architecture is supported by the VM size.",
			 size);
}

/* A definition that says nothing of it is for SCSI. */
static int check_controller(struct put *p, const char *size,
			    const struct entry *definition)
{
	const char *types = gallery_feature(definition, "DiskControllerTypes");

	if (!compute_size_nvme(size) || str_find(str_of(types), STR("NVMe")) >= 0)
		return 0;
	return fault_set(
		&p->f, 400,
		"InvalidParameter vmSize: The VM size '%s' cannot boot "
		"with OS image or disk. Please check that disk controller "
		"types supported by the OS image or disk is one of the "
		"supported disk controller types for the VM size '%s'. "
		"Please query sku api at https://aka.ms/azure-compute-skus "
		"to determine supported disk controller types for the VM "
		"size.",
		size, size);
}

static int check_platform_image(struct put *p, cJSON *image,
				const cJSON *profile, const char *size, bool set)
{
	const char *sku = json_text(image, "sku"),
		   *version = json_text(image, "version");
	size_t which;
	const struct image *i = image_find(image, &which);
	const char *exact = i == NULL ? NULL : version_of(i, version);

	if (exact == NULL)
		return fault_set(&p->f, 404,
				 "PlatformImageNotFound imageReference: The "
				 "platform image '%s:%s:%s:%s' is not "
				 "available. Verify that all fields in the "
				 "storage profile are correct.",
				 json_text(image, "publisher"),
				 json_text(image, "offer"), sku, version);
	if (check_processor(p, size, which == 2) < 0)
		return -1;
	if (json_is(profile, "securityProfile.securityType", "TrustedLaunch") &&
	    which == 1)
		return fault_set(&p->f, 400,
				 "BadRequest: Security type 'TrustedLaunch' "
				 "is not supported for the OS image '%s': it "
				 "needs a generation 2 image.",
				 sku);
	if (!set)
		json_put_str(image, "exactVersion", exact);
	return 0;
}

/* Does the definition's security type go with the machine's? */
static int check_security(struct put *p, const struct entry *definition,
			  const cJSON *profile)
{
	const char *feature = gallery_feature(definition, "SecurityType");
	bool trusted = json_is(profile, "securityProfile.securityType",
			       "TrustedLaunch");

	if (trusted && !str_starts(str_of(feature), STR("TrustedLaunch")))
		return fault_set(&p->f, 400,
				 "BadRequest: Use of TrustedLaunch setting is "
				 "not supported for the provided image. "
				 "Please select Trusted Launch Supported Gen2 "
				 "OS Image.");
	if (!trusted && str_is(feature, "TrustedLaunch"))
		return fault_set(&p->f, 400,
				 "BadRequest: The provided gallery image only "
				 "supports creation of VMs and VM Scale Sets "
				 "with 'TrustedLaunch' security type.");
	return 0;
}

/*
 * A scale set that has Canonical's image gets a gallery's by an imageReference
 * that is nothing but its id, and back: publisher and offer "can only be set when
 * you create the scale set" (learn.microsoft.com), and both at once is what they
 * reported who were told that its type may not be changed.
 */
static int check_gallery_image(struct emu *m, struct put *p, cJSON *image,
			       const cJSON *profile, const char *size, bool set)
{
	const char *id = json_text(image, "id"), *exact = NULL;
	const cJSON *was = p->old == NULL ? NULL : p->old->doc;
	const cJSON *old =
		json_at(was, set ? "properties.virtualMachineProfile."
				   "storageProfile.imageReference" :
				   "properties.storageProfile.imageReference");
	bool more = json_int_opt(p->doc, "sku.capacity", 0) >
		    json_int_opt(was, "sku.capacity", 0);
	struct entry *n, *d;

	if (json_get(image, "publisher") != NULL)
		return p->old == NULL ?
			       fault_set(&p->f, 400,
					 "InvalidParameter imageReference: "
					 "The value of parameter "
					 "imageReference is invalid.") :
			       fault_set(&p->f, 409,
					 "OperationNotAllowed: The Image type "
					 "for a Virtual Machine Scale Set may "
					 "not be changed.");
	/* what is the latest now is not what the machine was made from */
	if (!set && json_is(old, "id", id))
		exact = json_str_opt(old, "exactVersion", NULL);
	n = gallery_find(m, id, exact, json_text(p->doc, "location"), &p->f);
	if (n == NULL && old != NULL && json_is(old, "id", id) && !more) {
		/* what there is goes on without */
		fault_release(&p->f);
		p->f = (struct fault){ 0, NULL };
		if (!set)
			json_put_str(image, "exactVersion", exact);
		return 0;
	}
	if (n == NULL)
		return -1;
	d = gallery_definition(m, n);
	if (json_is(d->doc, "properties.osState", "Specialized"))
		return fault_set(&p->f, 400,
				 "InvalidParameter osProfile: Parameter "
				 "'osProfile' is not allowed.");
	if (check_processor(p, size,
			    json_is(d->doc, "properties.architecture", "Arm64")) <
		    0 ||
	    check_controller(p, size, d) < 0 || check_security(p, d, profile) < 0)
		return -1;
	if (!set)
		json_put_str(image, "exactVersion", json_text(n->doc, "name"));
	return 0;
}

int image_check(struct emu *m, struct put *p, cJSON *profile, const char *size,
		bool set)
{
	cJSON *image = json_sub(json_sub(profile, "storageProfile"),
				"imageReference");

	if ((json_get(image, "id") != NULL ?
		     check_gallery_image(m, p, image, profile, size, set) :
		     check_platform_image(p, image, profile, size, set)) < 0)
		return -1;
	json_defaults(profile, "@vm-disk");
	return 0;
}
