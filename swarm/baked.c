/*
 * baked-images; which of them machines are made of (IMAGE); and which go when
 * there are too many.  They are made in swarm/bake.c.
 *
 * Source: "Store and share images in an Azure Compute Gallery"
 * (learn.microsoft.com); Microsoft.Compute, GalleryRP, of version API_GALLERIES.
 */
#include "swarm/baked.h"

#include <stdlib.h>
#include <string.h>

#include "swarm/instances.h"
#include "swarm/swarm.h"

#define GALLERY_NAME_MAX 80
#define VERSIONS_MAX 1000 /* of a gallery */
#define USE_MAX 512
#define BAKE "bake" /* what all in a bake's group is called, and begins with */

/* ---- names ---- */

/* A group's name may have what a gallery's may not: "swarm_storage". */
char *baked_gallery(const struct session *s)
{
	char *name = xasprintf("azswarm_%s",
			       settings_get(s->set, S_STORAGE_GROUP));

	if (strlen(name) > GALLERY_NAME_MAX)
		name[GALLERY_NAME_MAX] = '\0';
	for (char *c = name; *c != '\0'; c++)
		if (!is_alnum(*c))
			*c = '_';
	return name;
}

char *baked_definition(const struct session *s, enum elf_machine kind,
		       struct err *e)
{
	bool trusted;

	if (settings_bool(s->set, S_TRUSTED_LAUNCH, &trusted, e) < 0)
		return NULL;
	return xasprintf("%s%s", kind == ELF_AARCH64 ? "arm64" : "x64",
			 trusted ? "-trusted" : "");
}

char *baked_path(const struct session *s, const char *rest)
{
	char *gallery = baked_gallery(s);
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Compute/"
				"galleries/%s%s?api-version=" API_GALLERIES,
				settings_get(s->set, S_STORAGE_GROUP), gallery,
				rest);

	free(gallery);
	return path;
}

/* ---- the group of a bake ---- */

char *baked_group(const struct session *s)
{
	return xasprintf("%s-" BAKE, settings_get(s->set, S_COMPUTE_GROUP));
}

int baked_group_left(struct session *s, char **since, struct err *e)
{
	char *group = baked_group(s), *path = swarm_group_path(s, group);
	struct azure_reply r = { 0 };
	const cJSON *tags;
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);

	tags = json_get(r.doc, "tags");
	if (rc == 0 && json_get(tags, BAKED_TAG_BAKE) != NULL) {
		*since = xstrdup(json_str_opt(tags, BAKED_TAG_SINCE, "once"));
		rc = 1;
	}
	/* with a role in the cluster's own groups nobody bakes */
	if (rc < 0 && err_is(e, "AuthorizationFailed")) {
		err_clear(e);
		rc = 0;
	}
	azure_reply_release(&r);
	free(path);
	free(group);
	return rc;
}

int baked_only_ours(struct session *s, const char *group, struct err *e)
{
	char *path = azure_path(
		&s->az,
		"/resourceGroups/%s/resources?api-version=" API_RESOURCES, group);
	struct azure_reply r = { 0 };
	const cJSON *item;
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);

	cJSON_ArrayForEach(item, json_get(r.doc, "value"))
		if (!str_istarts(str_of(json_str_opt(item, "name", "")),
				 STR(BAKE)))
			rc = err_set(e, ERR_DATA,
				     "resource group %s stays: %s in it is not of a "
				     "bake-image; move that, and the same again",
				     group, json_str_opt(item, "name", ""));
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* ---- versions ---- */

void baked_release(struct baked_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct baked *b = &l->list[i];

		free(b->id);
		free(b->version);
		free(b->definition);
		free(b->state);
		free(b->when);
		free(b->program);
		free(b->base);
		free(b->channel);
		buf_release(&b->use);
	}
	free(l->list);
	*l = (struct baked_list){ 0 };
}

/* "East US" is eastus. */
static bool is_region(const char *name, const char *region)
{
	for (; *name != '\0'; name++)
		if (*name != ' ' && to_lower(*name) != *region++)
			return false;
	return *region == '\0';
}

static bool replicated_to(const cJSON *doc, const char *region)
{
	const cJSON *r;

	cJSON_ArrayForEach(
		r, json_at(doc, "properties.publishingProfile.targetRegions"))
		if (is_region(json_str_opt(r, "name", ""), region))
			return true;
	return false;
}

static char *tag_of(const cJSON *doc, const char *tag)
{
	return xstrdup(json_str_opt(json_get(doc, "tags"), tag, ""));
}

struct reading {
	const struct session *s;
	const char *definition;
	struct baked_list *l;
};

static int take_version(void *ctx, const cJSON *doc, struct err *e)
{
	struct reading *r = ctx;
	struct baked_list *l = r->l;

	if (l->n == VERSIONS_MAX)
		return err_set(e, ERR_DATA, "more than %d versions", VERSIONS_MAX);
	if ((l->n & (l->n + 1)) == 0)
		l->list = xrealloc(l->list, (2 * l->n + 1) * sizeof(*l->list));
	l->list[l->n++] = (struct baked){
		.id = xstrdup(json_str_opt(doc, "id", "")),
		.version = xstrdup(json_str_opt(doc, "name", "")),
		.definition = xstrdup(r->definition),
		.state = xstrdup(
			json_str_opt(doc, "properties.provisioningState", "")),
		.when = xstrdup(json_str_opt(
			doc, "properties.publishingProfile.publishedDate", "")),
		.program = tag_of(doc, BAKED_TAG_PROGRAM),
		.base = tag_of(doc, BAKED_TAG_BASE),
		.channel = tag_of(doc, BAKED_TAG_CHANNEL),
		.gib = json_int_opt(
			doc, "properties.storageProfile.osDiskImage.sizeInGB", 0),
		.here = replicated_to(doc, settings_get(r->s->set, S_LOCATION)),
		.use = BUF_INIT(USE_MAX),
	};
	return 0;
}

/* As azure_list(); where there is no such gallery, or no such definition, it is
 * empty: also in a group that was made a moment ago. */
static int list_there(struct session *s, const char *path,
		      int (*take)(void *ctx, const cJSON *doc, struct err *e),
		      void *ctx, struct err *e)
{
	struct azure_reply r = { 0 };
	const cJSON *item;
	int rc = azure_call(&s->az, "GET", path, NULL,
			    AZURE_MISSING_OK | AZURE_MADE_OR_NOT, &r, e);

	if (rc == 0 && r.http.head.status != 404) {
		if (json_get(r.doc, "value") == NULL ||
		    *json_text(r.doc, "nextLink") != '\0')
			rc = azure_list(&s->az, path, "baked images", take, ctx,
					e);
		else
			cJSON_ArrayForEach(item, json_get(r.doc, "value"))
				rc = rc < 0 ? -1 : take(ctx, item, e);
	}
	azure_reply_release(&r);
	return rc;
}

static int read_definition(struct session *s, const char *definition,
			   struct baked_list *l, struct err *e)
{
	struct reading r = { s, definition, l };
	char *rest = xasprintf("/images/%s/versions", definition);
	char *path = baked_path(s, rest);
	int rc = list_there(s, path, take_version, &r, e);

	free(path);
	free(rest);
	return rc;
}

static int take_definition(void *ctx, const cJSON *doc, struct err *e)
{
	(void)e;
	json_add_str(ctx, NULL, json_str_opt(doc, "name", ""));
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct baked *x = a, *y = b;

	return swarm_is_newer(y->version, x->version) -
	       swarm_is_newer(x->version, y->version);
}

int baked_read(struct session *s, const char *definition, struct baked_list *l,
	       struct err *e)
{
	cJSON *names = cJSON_CreateArray();
	const cJSON *name;
	char *path = baked_path(s, "/images");
	int rc = 0;

	if (definition != NULL)
		json_add_str(names, NULL, definition);
	else
		rc = list_there(s, path, take_definition, names, e);
	cJSON_ArrayForEach(name, names)
		if (rc == 0)
			rc = read_definition(s, json_str_opt(name, "", ""), l, e);
	if (l->n > 0)
		qsort(l->list, l->n, sizeof(*l->list), newest_first);
	free(path);
	json_free(names);
	return rc;
}

struct baked *baked_find(const struct baked_list *l, const char *version)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].version, version) == 0)
			return &l->list[i];
	return NULL;
}

/* ---- who has them ---- */

static bool is_state(const struct baked *b, const char *state)
{
	return str_ieqz(str_of(b->state), state);
}

struct use {
	struct session *s;
	struct baked_list *l;
	const char *what;  /* "scale set ", "" */
	const char *image; /* where it stands */
	cJSON *sets;	   /* ids: those of others that are of this gallery */
};

/* "/subscriptions/S/resourceGroups/GROUP/..." */
static struct str group_of(const char *id)
{
	struct str rest = str_of(id), word = STR_NULL;

	for (int i = 0; i < 5; i++)
		if (!str_next(&rest, '/', &word))
			return STR_NULL;
	return word;
}

/* What an id of a version begins with; STR_NULL: it is none of a version's. */
static struct str definition_of(struct str id)
{
	ptrdiff_t at = str_find(id, STR("/versions/"));

	return at < 0 ? STR_NULL : str_head(id, (size_t)at);
}

/* A definition in place of a version is the newest that is whole, or exact, the one
 * that it was for who was made of it; "": nothing says so. */
static bool has_image(const struct baked_list *l, size_t i, const char *image,
		      const char *exact)
{
	const struct baked *b = &l->list[i];
	struct str definition = definition_of(str_of(b->id));

	if (str_ieqz(str_of(b->id), image))
		return true;
	if (definition.n == 0 || !str_ieqz(definition, image))
		return false;
	if (*exact != '\0')
		return strcmp(b->version, exact) == 0;
	for (size_t k = 0; k < i; k++)
		if (strcmp(l->list[k].definition, b->definition) == 0 &&
		    is_state(&l->list[k], "Succeeded"))
			return false;
	return is_state(b, "Succeeded");
}

static bool is_of_gallery(const struct baked_list *l, const char *image)
{
	struct str id = str_of(l->list[0].id);
	ptrdiff_t at = str_find(id, STR("/images/"));

	return at > 0 && str_istarts(str_of(image), str_head(id, (size_t)at + 1));
}

/* Ours, whose machines are looked at whatever its model is? */
static bool is_our_set(const struct session *s, const cJSON *doc)
{
	return str_ieqz(group_of(json_text(doc, "id")),
			settings_get(s->set, S_COMPUTE_GROUP)) &&
	       str_ieqz(str_of(json_text(doc, "name")),
			settings_get(s->set, S_VMSS_NAME));
}

static void __attribute__((format(printf, 2, 3)))
add_use(struct baked *b, const char *fmt, ...)
{
	va_list ap;

	if (b->use.n > 0)
		buf_adds(&b->use, ", ");
	va_start(ap, fmt);
	buf_vaddf_cut(&b->use, fmt, ap);
	va_end(ap);
}

static int take_use(void *ctx, const cJSON *doc, struct err *e)
{
	struct use *u = ctx;
	const cJSON *reference = json_at(doc, u->image);
	const char *image = json_text(reference, "id");
	struct str group = group_of(json_text(doc, "id"));
	bool ours = str_ieqz(group, settings_get(u->s->set, S_COMPUTE_GROUP));

	(void)e;
	if (*image == '\0')
		return 0;
	for (size_t i = 0; i < u->l->n; i++) {
		struct baked *b = &u->l->list[i];

		if (!has_image(u->l, i, image,
			       json_text(reference, "exactVersion")))
			continue;
		if (u->what == NULL)
			b->agents++;
		else if (ours)
			add_use(b, "%s%s", u->what, json_text(doc, "name"));
		else
			add_use(b, "%s%s in %.*s", u->what,
				json_text(doc, "name"), STR_ARG(group));
	}
	if (u->sets != NULL && is_of_gallery(u->l, image) &&
	    !is_our_set(u->s, doc))
		json_add_str(u->sets, NULL, json_text(doc, "id"));
	return 0;
}

static int list_use(struct use *u, char *path, const char *const *want,
		    struct err *e)
{
	int rc = azure_list_of(&u->s->az, path, want, "who has baked images",
			       take_use, u, e);

	free(path);
	return rc;
}

/* The machines of one scale set, each of what it was made of; frees path.  where:
 * " in GROUP", "" for ours. */
static int list_agents(struct use *u, char *path, const char *where, struct err *e)
{
	int rc;

	for (size_t i = 0; i < u->l->n; i++)
		u->l->list[i].agents = 0;
	rc = list_there(u->s, path, take_use, u, e);
	for (size_t i = 0; i < u->l->n; i++)
		if (u->l->list[i].agents > 0)
			add_use(&u->l->list[i], "%zu agents%s",
				u->l->list[i].agents, where);
	free(path);
	return rc;
}

#define OF_SET "properties.virtualMachineProfile.storageProfile.imageReference"
#define OF_MACHINE "properties.storageProfile.imageReference"
#define MACHINES_OF "/virtualMachines?api-version=" API_COMPUTE

static int azure_use(struct use *u, struct err *e)
{
	static const char *const of_sets[] = { "id", "name", OF_SET ".id", NULL };
	static const char *const of_machines[] = {
		"id", "name", OF_MACHINE ".id", OF_MACHINE ".exactVersion", NULL
	};
	const struct azure *az = &u->s->az;
	cJSON *sets = cJSON_CreateArray();
	const cJSON *id;
	int rc;

	u->what = "scale set ";
	u->image = OF_SET;
	u->sets = sets;
	rc = list_use(u,
		      azure_path(az,
				 "/providers/Microsoft.Compute/"
				 "virtualMachineScaleSets?api-version=" API_COMPUTE),
		      of_sets, e);
	u->what = "";
	u->image = OF_MACHINE;
	u->sets = NULL;
	if (rc == 0)
		rc = list_use(u,
			      azure_path(az,
					 "/providers/Microsoft.Compute/"
					 "virtualMachines?api-version=" API_COMPUTE),
			      of_machines, e);
	/* those of before the model was another are made anew of what they have */
	u->what = NULL;
	if (rc == 0)
		rc = list_agents(u, instances_path(u->s, MACHINES_OF), "", e);
	cJSON_ArrayForEach(id, sets) {
		struct str group = group_of(id->valuestring);
		char *where = xasprintf(" in %.*s", STR_ARG(group));

		if (rc == 0)
			rc = list_agents(
				u, xasprintf("%s" MACHINES_OF, id->valuestring),
				where, e);
		free(where);
	}
	json_free(sets);
	return rc;
}

/* The next deployment of here makes machines of it. */
static void named_here(const struct session *s, struct baked_list *l)
{
	cJSON *doc = params_there();
	const cJSON *p = json_get(doc, "parameters");
	const char *image = settings_get(s->set, S_IMAGE);
	const char *const there[] = {
		json_text(json_get(p, "agentImageVersion"), "value"),
		json_text(json_get(p, "masterImageVersions"), "value[0]"),
	};

	for (size_t i = 0; i < l->n; i++) {
		if (has_image(l, i, there[0], "") || has_image(l, i, there[1], ""))
			add_use(&l->list[i], PARAMETERS_FILE);
		if (has_image(l, i, image, ""))
			add_use(&l->list[i], "IMAGE");
	}
	json_burn(doc);
}

int baked_use(struct session *s, struct baked_list *l, struct err *e)
{
	struct use u = { .s = s, .l = l };

	if (l->n == 0)
		return 0;
	if (azure_use(&u, e) < 0)
		return -1;
	named_here(s, l);
	return 0;
}

/* ---- those that go ---- */

int baked_remove(struct session *s, const struct baked *b, struct err *e)
{
	char *path = xasprintf("%s?api-version=" API_GALLERIES, b->id);
	char *what = xasprintf("image %s to be deleted", b->version);
	struct azure_wait w = { .what = what,
				.limit_ms = OPERATION_LIMIT_MS,
				.flags = AZURE_MISSING_OK };
	int rc = azure_do(&s->az, "DELETE", path, NULL, &w, NULL, e);

	if (rc == 0)
		ui_say(s->ui, "image %s removed", b->version);
	free(what);
	free(path);
	return rc;
}

/* One that Azure does not let go, or not in time, is no reason for the others
 * to stay. */
static int remove_or_say(struct session *s, const struct baked *b, struct err *e)
{
	struct err why = ERR_INIT;

	if (baked_remove(s, b, &why) == 0)
		return 0;
	if (why.kind != ERR_AZURE && why.kind != ERR_TIMEOUT) {
		*e = why;
		return -1;
	}
	ui_say(s->ui, "what is too many stays: %s", why.msg);
	return 0;
}

int baked_prune(struct session *s, const char *definition, const char *keep,
		struct err *e)
{
	struct baked_list l = { 0 };
	size_t good = 0;
	int rc = -1;

	if (baked_read(s, definition, &l, e) < 0 || baked_use(s, &l, e) < 0)
		goto out;
	rc = 0;
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		const struct baked *b = &l.list[i];

		if (is_state(b, "Succeeded"))
			good++;
		if ((is_state(b, "Succeeded") && good <= BAKED_KEEP) ||
		    strcmp(b->version, keep) == 0 ||
		    !(is_state(b, "Succeeded") || is_state(b, "Failed")))
			continue;
		if (b->use.n > 0)
			ui_say(s->ui, "image %s stays: %s", b->version,
			       b->use.str);
		else
			rc = remove_or_say(s, b, e);
	}
out:
	baked_release(&l);
	return rc;
}

/* ---- IMAGE ---- */

/* Why it is not taken; NULL: it is. */
static char *misfit(const struct session *s, const struct baked *b)
{
	const char *channel = settings_get(s->set, S_DOCKER_CHANNEL);
	const char *region = settings_get(s->set, S_LOCATION);

	if (!is_state(b, "Succeeded"))
		return xasprintf("is %s", b->state);
	if (strcmp(b->program, s->version) != 0)
		return xasprintf("is of azswarm %s, and this is %s", b->program,
				 s->version);
	if (strcmp(b->channel, channel) != 0)
		return xasprintf("has Docker of DOCKER_CHANNEL=%s", b->channel);
	if (!b->here)
		return xasprintf("is not in %s", region);
	return NULL;
}

/* The newest that fits, and else the marketplace's. */
static int choose_auto(struct session *s, enum elf_machine kind, char **id,
		       struct err *e)
{
	struct baked_list l = { 0 };
	char *definition = baked_definition(s, kind, e), *why = NULL, *lack;
	int rc = definition == NULL ? -1 : baked_read(s, definition, &l, e);

	/* who may not look may have machines all the same */
	if (rc < 0 && definition != NULL && e->kind == ERR_AZURE) {
		why = xasprintf("Azure does not tell the baked ones (%s)", e->msg);
		err_clear(e);
		rc = 0;
	}
	*id = xstrdup("");
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		if ((lack = misfit(s, &l.list[i])) == NULL) {
			free(*id);
			*id = xstrdup(l.list[i].id);
			ui_say(s->ui,
			       "image %s: baked of %s, the newest of this "
			       "version",
			       l.list[i].version, l.list[i].base);
			break;
		}
		if (why == NULL)
			why = xasprintf("the newest baked one, %s, %s",
					l.list[i].version, lack);
		free(lack);
	}
	if (rc == 0 && **id == '\0')
		ui_say(s->ui, "image: the marketplace's, for %s",
		       why != NULL ? why :
				     "none was baked; 'azswarm bake-image' bakes "
				     "one");
	free(why);
	free(definition);
	baked_release(&l);
	return rc;
}

/* What is at that id; NULL with e.  Caller frees. */
static cJSON *read_id(struct session *s, struct str id, struct err *e)
{
	char *path = xasprintf("%.*s?api-version=" API_GALLERIES, STR_ARG(id));
	struct azure_reply r = { 0 };
	cJSON *doc = NULL;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) == 0) {
		if (r.http.head.status == 404)
			err_set(e, ERR_USAGE,
				"IMAGE=%.*s is not there; 'azswarm baked-images' "
				"lists those that are",
				STR_ARG(id));
		else if (r.doc == NULL)
			err_set(e, ERR_DATA, "Azure tells nothing of IMAGE");
		doc = e->kind == ERR_NONE ? r.doc : NULL;
		if (doc != NULL)
			r.doc = NULL;
	}
	azure_reply_release(&r);
	free(path);
	return doc;
}

/* "TrustedLaunch", "TrustedLaunchSupported", ...; "": nothing is said. */
static const char *security_of(const cJSON *definition)
{
	const cJSON *f;

	cJSON_ArrayForEach(f, json_at(definition, "properties.features"))
		if (json_is(f, "name", "SecurityType"))
			return json_str_opt(f, "value", "");
	return "";
}

/* Azure says the same of machines, when everything else is made. */
static int check_definition(struct session *s, const cJSON *doc,
			    enum elf_machine kind, struct err *e)
{
	const char *cpu = json_str_opt(doc, "properties.architecture", "x64");
	const char *type = security_of(doc);
	bool trusted;

	if (settings_bool(s->set, S_TRUSTED_LAUNCH, &trusted, e) < 0)
		return -1;
	if (!str_ieqz(str_of(cpu), elf_names[kind].azure))
		return err_set(e, ERR_USAGE,
			       "IMAGE is for %s processors, and the sizes have %s",
			       cpu, elf_names[kind].azure);
	/* "TrustedLaunchSupported" is for both */
	if (trusted && !str_istarts(str_of(type), STR("TrustedLaunch")))
		return err_set(e, ERR_USAGE,
			       "IMAGE has no Trusted Launch; another IMAGE, or "
			       "TRUSTED_LAUNCH=false");
	if (!trusted && str_ieqz(str_of(type), "TrustedLaunch"))
		return err_set(e, ERR_USAGE,
			       "IMAGE has Trusted Launch; another IMAGE, or "
			       "TRUSTED_LAUNCH=true");
	return 0;
}

static int check_version(struct session *s, const cJSON *doc, struct err *e)
{
	const char *region = settings_get(s->set, S_LOCATION);
	const char *state = json_str_opt(doc, "properties.provisioningState", "");

	if (str_listed("Creating Failed Deleting", state))
		return err_set(e, ERR_USAGE, "IMAGE is not whole (%s)", state);
	if (!replicated_to(doc, region))
		return err_set(e, ERR_USAGE, "IMAGE is not in %s", region);
	return 0;
}

static void say_id(struct session *s, const char *id, const cJSON *doc)
{
	const char *program = json_str_opt(json_get(doc, "tags"),
					   BAKED_TAG_PROGRAM, s->version);
	bool same = strcmp(program, s->version) == 0;

	ui_say(s->ui, "image %s, as IMAGE says%s%s%s", images_short(id),
	       same ? "" : ": of azswarm ", same ? "" : program,
	       same ? "" : ", so machines fetch this one when they are made");
}

/* Of a version, or of a definition, which is the newest that it has. */
static int check_id(struct session *s, const char *id, enum elf_machine kind,
		    struct err *e)
{
	struct str of = definition_of(str_of(id));
	cJSON *doc = read_id(s, str_of(id), e), *definition = NULL;
	int rc = -1;

	if (doc == NULL)
		goto out;
	if (of.n > 0 && (check_version(s, doc, e) < 0 ||
			 (definition = read_id(s, of, e)) == NULL))
		goto out;
	if (check_definition(s, definition != NULL ? definition : doc, kind,
			     e) == 0) {
		say_id(s, id, doc);
		rc = 0;
	}
out:
	json_free(definition);
	json_free(doc);
	return rc;
}

int baked_choose(struct session *s, const enum elf_machine *kinds, char **ids,
		 size_t n, struct err *e)
{
	const char *image = settings_get(s->set, S_IMAGE);
	bool is_auto = strcmp(image, "auto") == 0;
	int rc = 0;

	if (images_is_id(image)) {
		for (size_t i = 1; i < n; i++)
			if (kinds[i] != kinds[0])
				return err_set(e, ERR_USAGE,
					       "IMAGE=%s is for one kind of "
					       "processor, and the sizes have two",
					       image);
		rc = check_id(s, image, kinds[0], e);
	} else if (!is_auto) {
		ui_say(s->ui, "image: the marketplace's, as IMAGE says");
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (!is_auto)
			ids[i] = xstrdup(images_is_id(image) ? image : "");
		else if (i > 0 && kinds[i] == kinds[0])
			ids[i] = xstrdup(ids[0]);
		else
			rc = choose_auto(s, kinds[i], &ids[i], e);
	return rc;
}

/* ---- baked-images ---- */

static int show(struct session *s, struct baked_list *l, struct err *e)
{
	/* what IMAGE takes is for programs: it is longer than a line */
	bool with_id = s->ui->format != UI_TABLE;
	const char *const columns[] = {
		"version", "kind", "azswarm", "base", "docker",
		"made",	   "gib",  "state",   "use",  with_id ? "id" : NULL,
		NULL
	};
	struct listing t;
	int rc;

	listing_init(&t, columns);
	for (size_t i = 0; i < l->n; i++) {
		const struct baked *b = &l->list[i];

		listing_row(&t);
		listing_cell(&t, "%s", b->version);
		listing_cell(&t, "%s", b->definition);
		listing_cell(&t, "%s", b->program);
		listing_cell(&t, "%s", b->base);
		listing_cell(&t, "%s", b->channel);
		listing_cell(&t, "%.19s", b->when);
		listing_cell(&t, "%lld", (long long)b->gib);
		listing_cell(&t, "%s", b->state);
		listing_cell(&t, "%s", b->use.str);
		if (with_id)
			listing_cell(&t, "%s", b->id);
	}
	rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int remove_one(struct session *s, struct baked_list *l,
		      const char *version, struct err *e)
{
	const struct baked *b = baked_find(l, version);

	if (b == NULL)
		return err_set(e, ERR_USAGE,
			       "there is no image %s; 'azswarm baked-images' lists "
			       "those that are there",
			       version);
	if (b->use.n > 0)
		return err_set(e, ERR_DATA,
			       "image %s is in use: %s; another IMAGE, 'azswarm "
			       "params' and 'azswarm deploy-compute' first",
			       version, b->use.str);
	return baked_remove(s, b, e);
}

int cmd_baked_images(struct session *s, int argc, char **argv, struct err *e)
{
	bool rm = argc > 1;
	struct baked_list l = { 0 };
	int rc = -1;

	if (rm && (argc != 3 || strcmp(argv[1], "rm") != 0))
		return err_set(e, ERR_USAGE, "expected nothing, or rm VERSION");
	if (baked_read(s, NULL, &l, e) < 0 || baked_use(s, &l, e) < 0)
		goto out;
	rc = rm ? remove_one(s, &l, argv[2], e) : show(s, &l, e);
out:
	baked_release(&l);
	return rc;
}
