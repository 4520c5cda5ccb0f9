/*
 * VM sizes: the list of them, whether one that is asked for is there, and which
 * ones where none is asked for.  Those are tried in the order of what they cost,
 * for a subscription that is new is refused many, and Azure says so only when it
 * is to make the machines.
 *
 * Source: "Resource SKUs" (Microsoft.Compute 2021-07-01) for what a restriction
 * is; "B family VM size series" (learn.microsoft.com) for the sizes.
 */
#include <stdlib.h>
#include <string.h>

#include "swarm/instances.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

#define REGIONS_MAX 4	 /* that are looked at where LOCATION has nothing */
#define LOCATION_MAX 100 /* bytes of a region's name that we would use */
#define ORDER_TEXT_MAX 512

/*
 * What costs less is first: two cores with 1 GiB, with 4, with 8, the kind that
 * may be had elsewhere at last.  All are of the second generation and may have
 * Trusted Launch, as the template wants it.
 */
static const char *const order[] = {
	"Standard_B2ats_v2", "Standard_B2ts_v2", "Standard_B2als_v2",
	"Standard_B2ls_v2",  "Standard_B2as_v2", "Standard_B2s_v2",
	"Standard_D2als_v6", "Standard_D2ls_v5", "Standard_D2as_v5",
	"Standard_D2s_v5",
};
#define N_ORDER (sizeof(order) / sizeof(*order))

/* Masters and agents. */
static const struct {
	enum setting setting;
	const char *who;
	size_t first; /* of the order: what has twice of what is used */
} roles[] = {
	{ S_MASTER_SIZE, "masters", 0 },
	{ S_AGENT_SIZE, "agents", 0 },
};
#define N_ROLES (sizeof(roles) / sizeof(*roles))

/* ---- Azure's list ---- */

const char *sizes_capability(const cJSON *sku, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json_get(sku, "capabilities"))
		if (strcmp(json_str_opt(c, "name", ""), name) == 0)
			return json_str_opt(c, "value", "");
	return "";
}

static char *path_of(const struct session *s, const char *location)
{
	return azure_path(&s->az,
			  "/providers/Microsoft.Compute/skus"
			  "?api-version=" API_SKUS
			  "&$filter=location%%20eq%%20'%s'",
			  location);
}

char *sizes_path(const struct session *s)
{
	return path_of(s, settings_get(s->set, S_LOCATION));
}

static bool is_machine(const cJSON *sku)
{
	return str_ieqz(str_of(json_str_opt(sku, "resourceType", "")),
			"virtualMachines");
}

/* Not to be had in the region: one that only some zones lack is. */
static bool is_restricted(const cJSON *sku)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, json_get(sku, "restrictions"))
		if (!str_ieqz(str_of(json_str_opt(r, "type", "")), "Zone"))
			return true;
	return false;
}

/* The kind of processor that a size has; the usual one where Azure says none
 * that we know. */
static enum elf_machine kind_of(const cJSON *sku)
{
	enum elf_machine m =
		elf_of_azure(sizes_capability(sku, "CpuArchitectureType"));

	return m != ELF_MACHINES ? m : ELF_X86_64;
}

/* What a region offers, of what is wanted and of the order. */
struct offer {
	const struct settings *set;
	cJSON *skus; /* what they are, kept; NULL: another region's */
	size_t n;    /* sizes there */
	bool has[N_ROLES];
	enum elf_machine kinds[N_ROLES];
	bool orders[N_ORDER];
};

static int take_offer(void *ctx, const cJSON *sku, struct err *e)
{
	struct offer *o = ctx;
	struct str name = str_of(json_str_opt(sku, "name", ""));

	(void)e;
	bool wanted = false;

	if (!is_machine(sku))
		return 0;
	o->n++;
	for (size_t i = 0; i < N_ORDER; i++)
		if (str_ieqz(name, order[i])) {
			o->orders[i] = !is_restricted(sku);
			wanted = true;
		}
	for (size_t i = 0; i < N_ROLES; i++)
		if (str_ieqz(name, settings_get(o->set, roles[i].setting))) {
			o->has[i] = true;
			o->kinds[i] = kind_of(sku);
			wanted = true;
		}
	if (wanted && o->skus != NULL)
		cJSON_AddItemToArray(o->skus, cJSON_Duplicate(sku, true));
	return 0;
}

static int ask_offer(struct session *s, const char *location, struct offer *o,
		     struct err *e)
{
	char *path = path_of(s, location);
	int rc = azure_list(&s->az, path, "sizes", take_offer, o, e);

	free(path);
	return rc;
}

/* The first of the order that the region has; NULL: none. */
static const char *first_offered(const struct offer *o, size_t from)
{
	for (size_t i = from; i < N_ORDER; i++)
		if (o->orders[i])
			return order[i];
	return NULL;
}

/* ---- other regions ---- */

/* Those to look at: LOCATION's own pair, then others near it. */
struct regions {
	const char *own;
	bool is_region; /* LOCATION is one */
	char pair[LOCATION_MAX], geography[LOCATION_MAX];
	char names[REGIONS_MAX][LOCATION_MAX];
	size_t n;
};

/* Azure's names of regions are of these, and go into a path. */
static bool is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n > 0 && n < LOCATION_MAX && name[n] == '\0';
}

static bool is_physical(const cJSON *loc)
{
	return str_ieqz(str_of(json_str_opt(loc, "metadata.regionType",
					    "Physical")),
			"Physical");
}

static int find_own(void *ctx, const cJSON *loc, struct err *e)
{
	struct regions *r = ctx;

	(void)e;
	if (!str_ieqz(str_of(json_str_opt(loc, "name", "")), r->own))
		return 0;
	r->is_region = is_physical(loc);
	snprintf(r->pair, sizeof(r->pair), "%s",
		 json_str_opt(loc, "metadata.pairedRegion[0].name", ""));
	snprintf(r->geography, sizeof(r->geography), "%s",
		 json_str_opt(loc, "metadata.geographyGroup", ""));
	return 0;
}

static int find_near(void *ctx, const cJSON *loc, struct err *e)
{
	struct regions *r = ctx;
	const char *name = json_str_opt(loc, "name", "");

	(void)e;
	if (!is_physical(loc) || r->n == REGIONS_MAX || !is_name(name) ||
	    str_ieqz(str_of(name), r->own) || str_ieqz(str_of(name), r->pair) ||
	    !json_is(loc, "metadata.regionCategory", "Recommended") ||
	    !json_is(loc, "metadata.geographyGroup", r->geography))
		return 0;
	snprintf(r->names[r->n++], LOCATION_MAX, "%s", name);
	return 0;
}

static int list_locations(struct session *s,
			  int (*take)(void *ctx, const cJSON *loc, struct err *e),
			  struct regions *r, struct err *e)
{
	char *path = azure_path(&s->az,
				"/locations?api-version=" API_SUBSCRIPTIONS);
	int rc = azure_list(&s->az, path, "locations", take, r, e);

	free(path);
	return rc;
}

/* LOCATION has no sizes: because there is no such region? */
static int refuse_location(struct session *s, struct err *e)
{
	struct regions r = { .own = settings_get(s->set, S_LOCATION) };

	if (list_locations(s, find_own, &r, e) < 0)
		return -1;
	return err_set(e, ERR_USAGE,
		       r.is_region ?
			       "Azure has no sizes in %s for this subscription; "
			       "'azswarm locations' lists other regions" :
			       "LOCATION=\"%s\" is no region; 'azswarm "
			       "locations' lists them",
		       r.own);
}

/* Where the same would find its sizes.  A region is proposed and never chosen:
 * what is stored there stays there. */
static int propose(struct session *s, const char *who, size_t from, struct err *e)
{
	struct regions r = { .own = settings_get(s->set, S_LOCATION) };
	struct buf tried = BUF_INIT(ORDER_TEXT_MAX);
	struct offer o = { .set = s->set };
	const char *size = NULL, *where = "";

	if (list_locations(s, find_own, &r, e) < 0)
		return -1;
	if (is_name(r.pair))
		memcpy(r.names[r.n++], r.pair, sizeof(r.pair));
	if (list_locations(s, find_near, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < r.n && size == NULL; i++) {
		o = (struct offer){ .set = s->set };
		where = r.names[i];
		if (ask_offer(s, where, &o, e) < 0)
			return -1;
		size = first_offered(&o, from);
	}
	for (size_t i = from; i < N_ORDER; i++)
		buf_addf(&tried, "%s%s", tried.n > 0 ? ", " : "", order[i]);
	if (size != NULL)
		err_set(e, ERR_USAGE,
			"%s has no size for %s that this subscription may have "
			"(of %s); LOCATION=%s has %s",
			r.own, who, tried.str, where, size);
	else
		err_set(e, ERR_USAGE,
			"%s has no size for %s that this subscription may have "
			"(of %s), nor have regions near it; 'azswarm sizes' "
			"shows what there is, 'azswarm locations' other regions",
			r.own, who, tried.str);
	buf_release(&tried);
	return -1;
}

/* ---- which ones ---- */

static void take_size(struct session *s, enum setting which, const char *size,
		      const char *source)
{
	if (*size != '\0')
		settings_set(s->set, which, size, source);
}

/* Machines that are there keep their size: another would restart them. */
static int take_theirs(struct session *s, struct err *e)
{
	char *path = instances_path(s, "?api-version=" API_COMPUTE);
	struct azure_reply r = { 0 };
	const cJSON *vm;
	int rc = 0;

	if (*settings_get(s->set, S_MASTER_SIZE) == '\0') {
		vm = remote_first_machine(s, e);
		rc = vm == NULL ? -1 : 0;
		take_size(s, S_MASTER_SIZE,
			  json_text(vm, "properties.hardwareProfile.vmSize"),
			  "the cluster");
	}
	if (rc == 0 && *settings_get(s->set, S_AGENT_SIZE) == '\0') {
		rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r,
				e);
		take_size(s, S_AGENT_SIZE, json_str_opt(r.doc, "sku.name", ""),
			  "the cluster");
		azure_reply_release(&r);
	}
	free(path);
	return rc;
}

static void say_chosen(struct session *s, size_t role, const struct offer *o)
{
	struct buf passed = BUF_INIT(ORDER_TEXT_MAX);
	const char *size = settings_get(s->set, roles[role].setting);

	for (size_t i = roles[role].first; i < N_ORDER && !o->orders[i]; i++)
		buf_addf(&passed, "%s%s", passed.n > 0 ? ", " : "", order[i]);
	ui_say(s->ui, "%s have the size %s%s%s%s", roles[role].who, size,
	       passed.n > 0 ? ", for this subscription may not have " : "",
	       passed.n > 0 ? passed.str : "", passed.n > 0 ? " there" : "");
	buf_release(&passed);
}

/* Of what is to be had, where nothing was asked for. */
static int choose(struct session *s, struct offer *o, struct err *e)
{
	for (size_t i = 0; i < N_ROLES; i++) {
		const char *size;

		if (*settings_get(s->set, roles[i].setting) != '\0')
			continue;
		size = first_offered(o, roles[i].first);
		if (size == NULL)
			return propose(s, roles[i].who, roles[i].first, e);
		settings_set(s->set, roles[i].setting, size, "chosen");
		o->has[i] = true;
		o->kinds[i] = ELF_X86_64; /* all of the order are */
		say_chosen(s, i, o);
	}
	/* autoscale's numbers depend on it */
	return settings_check(s->set, e);
}

/* Agents' first: `bake-image` has no other. */
static int check(const struct session *s, const struct offer *o, struct err *e)
{
	for (size_t i = N_ROLES; i-- > 0;)
		if (!o->has[i])
			return err_set(e, ERR_USAGE,
				       "%s=\"%s\" is no size in %s; 'azswarm "
				       "sizes' lists them",
				       setting_infos[roles[i].setting].name,
				       settings_get(s->set, roles[i].setting),
				       settings_get(s->set, S_LOCATION));
	return 0;
}

/* Nobody tells what there is: the usual kind, of the sizes that are usual. */
static void assume(struct session *s, const struct err *why)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (*settings_get(s->set, roles[i].setting) == '\0')
			settings_set(s->set, roles[i].setting,
				     order[roles[i].first], "chosen");
	ui_say(s->ui, "taken for %s, sizes not checked: %s",
	       elf_names[ELF_X86_64].kernel, why->msg);
}

static bool all_set(const struct session *s)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (*settings_get(s->set, roles[i].setting) == '\0')
			return false;
	return true;
}

int sizes_choose(struct session *s, enum elf_machine kinds[2], struct err *e)
{
	struct offer o = { .set = s->set };
	struct err once = ERR_INIT;
	int rc;

	if (s->sized || (kinds == NULL && all_set(s)))
		goto out;
	if (take_theirs(s, e) < 0)
		return -1;
	json_free(s->skus);
	o.skus = s->skus = cJSON_CreateArray();
	rc = ask_offer(s, settings_get(s->set, S_LOCATION), &o, &once);
	if (rc < 0 && once.kind != ERR_AZURE) {
		*e = once;
		return -1;
	}
	if (rc < 0)
		assume(s, &once);
	else if (o.n == 0)
		return refuse_location(s, e);
	else if (choose(s, &o, e) < 0 || (kinds != NULL && check(s, &o, e) < 0))
		return -1;
	for (size_t i = 0; i < N_ROLES; i++)
		s->kinds[i] = o.kinds[i];
	s->sized = kinds != NULL;
out:
	for (size_t i = 0; kinds != NULL && i < N_ROLES; i++)
		kinds[i] = s->kinds[i];
	return 0;
}

const cJSON *sizes_known(const struct session *s, const char *size)
{
	const cJSON *sku;

	cJSON_ArrayForEach(sku, s->skus)
		if (json_is(sku, "name", size))
			return sku;
	return NULL;
}

/* ---- the command ---- */

/* The list of sizes, and whether there is a program for each kind of machine. */
struct sizes {
	struct listing t;
	bool programs[ELF_MACHINES];
};

/* What keeps one from having that size: Azure, or that no file is at hand. */
static const char *restriction(const struct sizes *l, const cJSON *sku)
{
	const char *reason = json_str_opt(sku, "restrictions[0].reasonCode", "");
	enum elf_machine m =
		elf_of_azure(sizes_capability(sku, "CpuArchitectureType"));

	if (*reason != '\0' || m == ELF_MACHINES || l->programs[m])
		return reason;
	return m == ELF_AARCH64 ? "needs azswarm-aarch64" :
				  "needs azswarm-x86_64";
}

static int row_size(void *ctx, const cJSON *sku, struct err *e)
{
	struct sizes *l = ctx;
	struct listing *t = &l->t;
	struct buf zones = BUF_INIT(64);
	const cJSON *z;

	(void)e;
	if (!is_machine(sku))
		return 0;
	cJSON_ArrayForEach(z, json_at(sku, "locationInfo[0].zones"))
		if (cJSON_IsString(z))
			buf_addf(&zones, "%s%s", zones.n ? "," : "",
				 z->valuestring);
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(sku, "name", ""));
	listing_cell(t, "%s", sizes_capability(sku, "vCPUs"));
	listing_cell(t, "%s", sizes_capability(sku, "MemoryGB"));
	listing_cell(t, "%s", sizes_capability(sku, "CpuArchitectureType"));
	listing_cell(t, "%s", zones.str);
	listing_cell(t, "%s", restriction(l, sku));
	buf_release(&zones);
	return 0;
}

int cmd_sizes(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name",	    "vcpus",
					       "memory gb", "architecture",
					       "zones",	    "restriction",
					       NULL };
	char *path = sizes_path(s);
	struct sizes l = { .programs[ELF_OWN] = true };
	struct program other = PROGRAM_NONE;
	struct err none = ERR_INIT;
	int found = program_other(s->set, &other, &none, e), rc = -1;

	(void)argc, (void)argv;
	listing_init(&l.t, columns);
	l.programs[!ELF_OWN] = found == 1;
	if (found >= 0)
		rc = azure_list(&s->az, path, "sizes", row_size, &l, e);
	if (rc == 0 && l.t.rows->child == NULL)
		rc = refuse_location(s, e);
	if (rc == 0)
		rc = listing_print(&l.t, s->ui, e);
	listing_release(&l.t);
	program_release(&other);
	free(path);
	return rc;
}
