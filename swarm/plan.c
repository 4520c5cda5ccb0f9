/*
 * What deploying would change: Azure's what-if, made readable, and whether
 * the subscription may have the sizes and has the quota.  Changes nothing,
 * and shows no secret, whatever Azure answers.
 *
 * Source: "ARM template deployment what-if operation" (learn.microsoft.com),
 * for the kinds of change and for what of them is noise.
 */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "swarm/masters.h"
#include "swarm/plan.h"
#include "swarm/price.h"
#include "swarm/remote.h"
#include "swarm/secret.h"
#include "swarm/ports.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"
#include "template/template.h"

#define VALUE_MAX 400 /* of a value that is shown */
#define TEXT_MAX 8192 /* of anything else in a row */
#define ROWS_AT_ONCE 64
#define COUNT_MAX ((int64_t)1 << 31)
#define HIDDEN_VALUE "(hidden)"

/* In the order in which the summary has them. */
static const struct {
	const char *azure;   /* Azure's word, NULL: it knows no such change */
	const char *word;    /* ours */
	const char *summary; /* behind how many there are */
	char symbol;	     /* what Azure's own tools show */
	const char *color;
	bool pending; /* there is something to change */
} kinds[PLAN_KINDS] = {
	[PLAN_CREATE] = { .azure = "Create",
			  .word = "create",
			  .summary = "to create",
			  .symbol = '+',
			  .color = "32",
			  .pending = true },
	[PLAN_DELETE] = { .azure = "Delete",
			  .word = "delete",
			  .summary = "to delete",
			  .symbol = '-',
			  .color = "31",
			  .pending = true },
	[PLAN_MODIFY] = { .azure = "Modify",
			  .word = "modify",
			  .summary = "to modify",
			  .symbol = '~',
			  .color = "33",
			  .pending = true },
	[PLAN_DEPLOY] = { .azure = "Deploy",
			  .word = "deploy",
			  .summary = "to deploy",
			  .symbol = '!',
			  .color = "33",
			  .pending = true },
	[PLAN_UNSUPPORTED] = { .azure = "Unsupported",
			       .word = "unsupported",
			       .summary = "unsupported",
			       .symbol = 'x',
			       .color = "33",
			       .pending = true },
	[PLAN_UNCHANGED] = { .azure = "NoChange",
			     .word = "unchanged",
			     .summary = "unchanged",
			     .symbol = '=',
			     .color = "2" },
	[PLAN_IGNORE] = { .azure = "Ignore",
			  .word = "ignore",
			  .summary = "ignored",
			  .symbol = '*',
			  .color = "2" },
	[PLAN_CHECK] = { .word = "check", .symbol = ' ', .color = "0" },
	[PLAN_REFUSED] = { .word = "refused", .symbol = '!', .color = "31" },
};

static enum plan_kind kind_of(const cJSON *o, const char *member)
{
	const char *word = json_str_opt(o, member, "");

	for (int i = 0; i < PLAN_KINDS; i++)
		if (kinds[i].azure != NULL &&
		    str_ieqz(str_of(word), kinds[i].azure))
			return (enum plan_kind)i;
	if (strcmp(word, "NoEffect") == 0)
		return PLAN_IGNORE;
	/* one that Azure invents tomorrow is no reason to say "no change" */
	return PLAN_UNSUPPORTED;
}

void plan_init(struct plan *p)
{
	*p = (struct plan){ .refused = ERR_INIT };
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_rows; i++) {
		struct plan_row *r = &p->rows[i];

		free(r->type);
		free(r->name);
		free(r->property);
		free(r->before);
		free(r->after);
		free(r->reason);
	}
	free(p->rows);
	*p = (struct plan){ .refused = ERR_INIT };
}

/* ---- secrets ---- */

/* Whether text holds the secret, or any string of a secret that is a
 * document. */
static bool holds(const char *text, const cJSON *secret)
{
	const cJSON *c;

	/* what is shorter would hide everything */
	if (cJSON_IsString(secret) && strlen(secret->valuestring) > 3 &&
	    strstr(text, secret->valuestring) != NULL)
		return true;
	cJSON_ArrayForEach(c, secret)
		if (holds(text, c))
			return true;
	return false;
}

static bool is_secret_text(const char *text, const cJSON *secrets)
{
	return holds(text, secrets) || secret_looks(text);
}

/*
 * Hide every text in v that is one of the secrets, looks like one, or belongs
 * to something that is called like one.  name: of v, for the values of a
 * changed property its path.  below: v is a part of something with such a name.
 */
static void mask(cJSON *v, const char *name, bool below, const cJSON *secrets)
{
	bool property = json_get(v, "propertyChangeType") != NULL;
	cJSON *c;

	below = below || secret_named(name);
	if (cJSON_IsString(v) &&
	    (below || is_secret_text(v->valuestring, secrets))) {
		burn(v->valuestring, strlen(v->valuestring));
		cJSON_SetValuestring(v, HIDDEN_VALUE);
	}
	cJSON_ArrayForEach(c, v) {
		if (!property)
			mask(c, c->string != NULL ? c->string : name, below,
			     secrets);
		else if (strcmp(c->string, "path") != 0 &&
			 strcmp(c->string, "propertyChangeType") != 0)
			mask(c, json_str_opt(v, "path", ""), below, secrets);
	}
}

/* The values of secure parameters. */
static cJSON *secrets_of(const cJSON *properties)
{
	cJSON *secrets = cJSON_CreateArray();
	const cJSON *parameters = json_get(properties, "parameters");
	const cJSON *def, *value;

	cJSON_ArrayForEach(def, json_at(properties, "template.parameters")) {
		struct str type = str_of(json_str_opt(def, "type", ""));

		value = json_get(json_get_i(parameters, def->string), "value");
		if (str_istarts(type, STR("secure")) && value != NULL)
			cJSON_AddItemToArray(secrets,
					     cJSON_Duplicate(value, true));
	}
	return secrets;
}

/* ---- rows ---- */

/* Its beginning, of at most max bytes and whole characters. */
static struct str beginning(struct str text, size_t max)
{
	return str_whole(str_head(text, max));
}

static char *printable(struct str text)
{
	struct buf clean = BUF_INIT(TEXT_MAX + 1);

	buf_add_clean(&clean, beginning(text, TEXT_MAX));
	return buf_detach(&clean);
}

/* A value as JSON, "" when there is none. */
static char *value_text(const cJSON *v)
{
	struct buf json = BUF_INIT(64u << 10), text = BUF_INIT(VALUE_MAX + 4);
	struct str shown;
	char *printed;

	if (v != NULL && !cJSON_IsNull(v))
		json_print(v, &json);
	shown = beginning(buf_str(&json), VALUE_MAX);
	buf_addf(&text, "%.*s", STR_ARG(shown));
	if (json.n > shown.n || json.over)
		buf_adds(&text, "...");
	printed = printable(buf_str(&text));
	buf_release(&json);
	buf_release(&text);
	return printed;
}

static void add_row(struct plan *p, enum plan_kind kind, const char *type,
		    const char *name, const char *property, const cJSON *before,
		    const cJSON *after, const char *reason)
{
	if (p->n_rows % ROWS_AT_ONCE == 0)
		p->rows = xrealloc(p->rows, (p->n_rows + ROWS_AT_ONCE) *
						    sizeof(*p->rows));
	p->rows[p->n_rows++] = (struct plan_row){
		.kind = kind,
		.type = printable(str_of(type)),
		.name = printable(str_of(name)),
		.property = printable(str_of(property)),
		.before = value_text(before),
		.after = value_text(after),
		.reason = printable(str_of(reason)),
	};
}

/* ".../providers/NS/T/N/T2/N2" -> "NS/T/T2", "N/N2" */
static void split_id(const char *id, struct buf *type, struct buf *name)
{
	struct str rest = str_of(id), word;
	const char *at = NULL;

	for (const char *next = id;
	     (next = strstr(next, "/providers/")) != NULL; next++)
		at = next + strlen("/providers/");
	if (at == NULL) {
		at = strrchr(id, '/');
		buf_adds(type, "Microsoft.Resources/resourceGroups");
		buf_adds(name, at != NULL ? at + 1 : id);
		return;
	}
	rest = str_of(at);
	for (unsigned i = 0; str_next(&rest, '/', &word); i++) {
		struct buf *to = i == 0 || i % 2 == 1 ? type : name;

		buf_addf(to, "%s%.*s", to->n > 0 ? "/" : "", STR_ARG(word));
	}
}

/* Whether doc has a member of that name, at any depth. */
static bool has_member(const cJSON *doc, struct str name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, doc)
		if ((c->string != NULL && str_ieqz(name, c->string)) ||
		    has_member(c, name))
			return true;
	return false;
}

/* The name that a path begins with: "disks" of "disks[3].size". */
static struct str first_name(struct str path)
{
	size_t n = 0;

	while (n < path.n && path.p[n] != '.' && path.p[n] != '[')
		n++;
	return str_head(path, n);
}

/* The last name of a path: "size" of "disks[3].size". */
static struct str last_name(struct str path)
{
	return first_name(str_skip(path, (size_t)(str_rchr(path, '.') + 1)));
}

/* What follows the first name of a path and its index. */
static struct str behind_first(struct str path)
{
	ptrdiff_t dot = str_chr(path, '.');

	return dot < 0 ? str_skip(path, path.n) : str_skip(path, (size_t)dot + 1);
}

/*
 * Whether def, a resource of the template or a part of one, may say something
 * about the property at path.  In arrays any item stands for all.  A string
 * may be an expression: what it makes is not known, but the names of that are
 * among the variables or the parameters.
 */
static bool says(const cJSON *def, struct str path, const cJSON *template)
{
	struct str name = first_name(path), rest = behind_first(path);
	const cJSON *c;

	if (path.n == 0)
		return true;
	if (cJSON_IsString(def)) {
		name = last_name(path);
		return has_member(json_get(template, "variables"), name) ||
		       has_member(json_get(template, "parameters"), name);
	}
	cJSON_ArrayForEach(c, def) {
		if (cJSON_IsArray(def) && says(c, path, template))
			return true;
		if (cJSON_IsObject(def) && str_ieqz(name, c->string) &&
		    says(c, rest, template))
			return true;
	}
	return false;
}

/* A resource that changes, and the template that it is deployed from. */
struct resource {
	const char *type, *name;
	const cJSON *template;
};

/* Whether the template says something about this property in any resource of
 * that type.  Tags are the template's in any case. */
static bool is_ours(const char *path, const struct resource *res)
{
	const cJSON *r;

	if (strncmp(path, "tags", 4) == 0)
		return true;
	cJSON_ArrayForEach(r, json_get(res->template, "resources"))
		if (str_ieqz(str_of(res->type), json_str_opt(r, "type", "")) &&
		    says(r, str_of(path), res->template))
			return true;
	return false;
}

/*
 * The reason why a changed property is shown as ignored; "" when it really
 * changes.  What Azure adds to a resource on its own it reports as deleted,
 * for the template does not say it.  What a template never says of resources
 * of that type it does not take away.
 */
static const char *why_ignored(const char *path, enum plan_kind kind,
			       const cJSON *change, const struct resource *res)
{
	const cJSON *before = json_get(change, "before");
	bool was_there = before != NULL && !cJSON_IsNull(before);

	if (kind == PLAN_IGNORE)
		return "has no effect";
	if (kind == PLAN_CREATE && !was_there &&
	    secret_mentions(path, "customdata userdata password"))
		return "Azure does not tell what it is now";
	if (kind == PLAN_DELETE && !is_ours(path, res))
		return "set by Azure itself";
	return "";
}

/* "a" and "b" are "a.b", "a" and "3" are "a[3]". */
static char *path_below(const char *above, const char *own)
{
	uint64_t ignored;

	if (str_num(str_of(own), UINT32_MAX, &ignored))
		return xasprintf("%s[%s]", above, own);
	return xasprintf("%s%s%s", above, *above != '\0' ? "." : "", own);
}

/* A changed property and what is below it; true when something really
 * changes. */
static bool add_property(struct plan *p, const struct resource *res,
			 const char *above, const cJSON *change)
{
	char *path = path_below(above, json_str_opt(change, "path", ""));
	enum plan_kind kind = kind_of(change, "propertyChangeType");
	const cJSON *children = json_get(change, "children"), *c;
	bool changes = false;
	const char *why;

	cJSON_ArrayForEach(c, children)
		changes |= add_property(p, res, path, c);
	if (children == NULL || children->child == NULL) {
		why = why_ignored(path, kind, change, res);
		changes = *why == '\0';
		add_row(p, changes ? kind : PLAN_IGNORE, res->type, res->name,
			path, json_get(change, "before"),
			json_get(change, "after"), why);
	}
	free(path);
	return changes;
}

static void add_change(struct plan *p, const cJSON *change, const cJSON *template)
{
	struct buf type = BUF_INIT(512), name = BUF_INIT(512);
	enum plan_kind kind = kind_of(change, "changeType");
	const cJSON *delta = json_get(change, "delta"), *d;
	bool changes = delta == NULL || delta->child == NULL;
	size_t own = p->n_rows;

	split_id(json_str_opt(change, "resourceId", ""), &type, &name);
	struct resource res = { type.str, name.str, template };

	add_row(p, kind, type.str, name.str, "", NULL, NULL,
		kind == PLAN_IGNORE ?
			"not in the template, stays as it is" :
			json_str_opt(change, "unsupportedReason", ""));
	cJSON_ArrayForEach(d, delta)
		changes |= add_property(p, &res, "", d);
	if (kind == PLAN_MODIFY && !changes)
		kind = p->rows[own].kind = PLAN_UNCHANGED;
	p->counts[kind]++;
	buf_release(&type);
	buf_release(&name);
}

void plan_changes(struct plan *p, cJSON *changes, const cJSON *properties)
{
	cJSON *secrets = secrets_of(properties);
	const cJSON *c;

	mask(changes, "", false, secrets);
	cJSON_ArrayForEach(c, changes)
		add_change(p, c, json_get(properties, "template"));
	json_burn(secrets);
}

bool plan_pending(const struct plan *p)
{
	for (int i = 0; i < PLAN_KINDS; i++)
		if (kinds[i].pending && p->counts[i] > 0)
			return true;
	return false;
}

/* ---- printing ---- */

/* "~ TYPE NAME", and below a resource "    ~ PROPERTY: BEFORE -> AFTER". */
static void print_row(const struct plan_row *r, struct ui *ui)
{
	char symbol = kinds[r->kind].symbol;
	bool changes = *r->before != '\0' && *r->after != '\0';

	if (ui->color_out)
		fprintf(ui->out, "\033[%sm", kinds[r->kind].color);
	if (*r->property != '\0')
		fprintf(ui->out, "    %c %s", symbol, r->property);
	else
		fprintf(ui->out, "%c %s %s", symbol, r->type, r->name);
	if (changes)
		fprintf(ui->out, ": %s -> %s", r->before, r->after);
	else if (*r->before != '\0' || *r->after != '\0')
		fprintf(ui->out, ": %s%s", r->before, r->after);
	if (*r->reason != '\0')
		fprintf(ui->out, "  (%s)", r->reason);
	fputs(ui->color_out ? "\033[0m\n" : "\n", ui->out);
}

static int print_listing(const struct plan *p, struct ui *ui, struct err *e)
{
	static const char *const columns[] = { "change",   "type",   "name",
					       "property", "before", "after",
					       "reason",   NULL };
	struct listing t;
	int rc;

	listing_init(&t, columns);
	for (size_t i = 0; i < p->n_rows; i++) {
		const struct plan_row *r = &p->rows[i];

		listing_row(&t);
		listing_cell(&t, "%s", kinds[r->kind].word);
		listing_cell(&t, "%s", r->type);
		listing_cell(&t, "%s", r->name);
		listing_cell(&t, "%s", r->property);
		listing_cell(&t, "%s", r->before);
		listing_cell(&t, "%s", r->after);
		listing_cell(&t, "%s", r->reason);
	}
	rc = listing_print(&t, ui, e);
	listing_release(&t);
	return rc;
}

int plan_print(const struct plan *p, struct ui *ui, struct err *e)
{
	ui_clear(ui);
	if (ui->format != UI_TABLE)
		return print_listing(p, ui, e);
	for (size_t i = 0; i < p->n_rows; i++)
		print_row(&p->rows[i], ui);
	if (fflush(ui->out) != 0) /* what is said next comes after it */
		return err_sys(e, ERR_IO, "standard output");
	return 0;
}

/* ---- sizes and quota ---- */

static struct plan_size *size_named(struct plan *p, const char *name)
{
	size_t i = 0;

	while (i < p->n_sizes && !str_ieqz(str_of(name), p->sizes[i].name))
		i++;
	if (i == PLAN_SIZES_MAX || *name == '\0')
		return NULL;
	if (i == p->n_sizes)
		p->sizes[p->n_sizes++] = (struct plan_size){ .name = name };
	return &p->sizes[i];
}

struct plan_size *plan_more(struct plan *p, const char *name, int64_t more)
{
	struct plan_size *z = size_named(p, name);

	if (z != NULL)
		z->more += more;
	return z;
}

/* Zones "1" to "9", as bits. */
static unsigned zone_bits(const cJSON *zones)
{
	unsigned bits = 0;
	const cJSON *z;

	cJSON_ArrayForEach(z, zones)
		if (cJSON_IsString(z) && is_digit(z->valuestring[0]))
			bits |= 1u << (z->valuestring[0] - '0');
	return bits;
}

/* Cut to what sums and products of such numbers can hold. */
static int64_t count_of(const cJSON *o, const char *member)
{
	int64_t n = json_int_opt(o, member, 0);

	if (n > COUNT_MAX)
		return COUNT_MAX;
	return n < -COUNT_MAX ? -COUNT_MAX : n;
}

/* The machines and addresses that doc, a resource before (sign -1) or after (1)
 * the deployment, stands for. */
static void count_parts(struct plan *p, const cJSON *doc, int sign)
{
	struct str type = str_of(json_str_opt(doc, "type", ""));
	const char *size = "";
	int64_t n = 0;
	struct plan_size *z;

	if (str_ieqz(type, "Microsoft.Network/publicIPAddresses")) {
		*(sign > 0 ? &p->addresses_after : &p->addresses_before) += 1;
	} else if (str_ieqz(type, "Microsoft.Compute/virtualMachineScaleSets")) {
		size = json_str_opt(doc, "sku.name", "");
		n = count_of(doc, "sku.capacity");
		*(sign > 0 ? &p->agents.after : &p->agents.before) = n;
		if (sign > 0)
			p->agents.size = size;
	} else if (str_ieqz(type, "Microsoft.Compute/virtualMachines")) {
		size = json_str_opt(doc, "properties.hardwareProfile.vmSize", "");
		n = 1;
	}
	if ((z = plan_more(p, size, sign * n)) == NULL)
		return;
	if (sign > 0)
		z->zones |= zone_bits(json_get(doc, "zones"));
}

/* What of a size this subscription may not have. */
static void take_restriction(struct plan_size *z, const cJSON *restriction)
{
	const char *type = json_str_opt(restriction, "type", "");

	if (str_ieqz(str_of(type), "Zone"))
		z->offered &= ~zone_bits(
			json_at(restriction, "restrictionInfo.zones"));
	else
		snprintf(z->why, sizeof(z->why), "%s",
			 json_str_opt(restriction, "reasonCode", "restricted"));
}

static int take_sku(void *ctx, const cJSON *sku, struct err *e)
{
	struct plan *p = ctx;
	struct str type = str_of(json_str_opt(sku, "resourceType", ""));
	struct str name = str_of(json_str_opt(sku, "name", ""));
	struct plan_size *z;
	const cJSON *c;
	uint64_t n;

	(void)e;
	if (!str_ieqz(type, "virtualMachines"))
		return 0;
	for (z = p->sizes; z < p->sizes + p->n_sizes; z++) {
		if (!str_ieqz(name, z->name))
			continue;
		if (!str_num(str_of(sizes_capability(sku, "vCPUs")), 10000, &n))
			n = 0;
		z->vcpus = (int64_t)n;
		z->offered = zone_bits(json_at(sku, "locationInfo[0].zones"));
		snprintf(z->family, sizeof(z->family), "%s",
			 json_str_opt(sku, "family", ""));
		snprintf(z->architecture, sizeof(z->architecture), "%s",
			 sizes_capability(sku, "CpuArchitectureType"));
		cJSON_ArrayForEach(c, json_get(sku, "restrictions"))
			take_restriction(z, c);
	}
	return 0;
}

/* Was what they are read before? */
static bool all_known(const struct plan *p, const struct session *s)
{
	for (size_t i = 0; i < p->n_sizes; i++)
		if (sizes_known(s, p->sizes[i].name) == NULL)
			return false;
	return s->skus != NULL;
}

int plan_ask_sizes(struct plan *p, struct session *s, struct err *e)
{
	char *path = sizes_path(s);
	const cJSON *sku;
	int rc = 0;

	if (!all_known(p, s))
		rc = azure_list(&s->az, path, "sizes", take_sku, p, e);
	else
		cJSON_ArrayForEach(sku, s->skus)
			take_sku(p, sku, e);
	free(path);
	for (struct plan_size *z = p->sizes; z < p->sizes + p->n_sizes; z++) {
		if (z->vcpus == 0)
			snprintf(z->why, sizeof(z->why), "not offered");
		else if (z->zones & ~z->offered)
			snprintf(z->why, sizeof(z->why),
				 "not in every zone that is asked for");
	}
	return rc;
}

char *plan_quota_path(const struct session *s)
{
	return azure_path(&s->az,
			  "/providers/Microsoft.Compute/locations/"
			  "%s/usages?api-version=" API_COMPUTE,
			  settings_get(s->set, S_LOCATION));
}

char *plan_addresses_path(const struct session *s)
{
	return azure_path(&s->az,
			  "/providers/Microsoft.Network/locations/"
			  "%s/usages?api-version=" API_NETWORK,
			  settings_get(s->set, S_LOCATION));
}

bool plan_addresses(const char *quota)
{
	/* what those of the Standard SKU count for; agents have none of their own */
	static const char *const ours[] = { "PublicIPAddresses",
					    "StaticPublicIPAddresses",
					    "StandardPublicIPAddresses",
					    "StandardSkuPublicIpAddresses",
					    "IPv4StandardSkuPublicIpAddresses" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (str_ieqz(str_of(ours[i]), quota))
			return true;
	return false;
}

static void check_size(struct plan *p, struct plan_size *z, const char *location)
{
	char text[160];
	bool refused;

	snprintf(text, sizeof(text), "%lld vCPUs each, %s", (long long)z->vcpus,
		 z->family);
	/* machines that are there already may stay */
	refused = z->why[0] != '\0' && z->more > 0;
	if (refused)
		err_set(&p->refused, ERR_AZURE,
			"size %s in %s: %s; 'azswarm "
			"sizes' shows what there is",
			z->name, location, z->why);
	add_row(p, refused ? PLAN_REFUSED : PLAN_CHECK, "size", z->name, "",
		NULL, NULL, z->why[0] != '\0' ? z->why : text);
}

bool plan_cores(const struct plan *p, const char *quota, int64_t *more)
{
	bool about = false;

	*more = 0;
	for (const struct plan_size *z = p->sizes; z < p->sizes + p->n_sizes; z++)
		if (strcmp(quota, "cores") == 0 ||
		    str_ieqz(str_of(quota), z->family)) {
			*more += z->more * z->vcpus;
			about = true;
		}
	return about;
}

/* A row of a quota: what is in use, and will be. */
static void add_quota(struct plan *p, bool refused, const char *name,
		      int64_t used, int64_t more, const char *text)
{
	cJSON *before = cJSON_CreateNumber((double)used);
	cJSON *after = cJSON_CreateNumber((double)(used + more));

	add_row(p, refused ? PLAN_REFUSED : PLAN_CHECK, "quota", name, "",
		before, after, text);
	json_free(before);
	json_free(after);
}

/* How many agents a quota of cores leaves room for, the others being as they are
 * to be; -1: it is not about them. */
static int64_t agents_in(const struct plan *p, const char *quota, int64_t room)
{
	const struct plan_agents *a = &p->agents;
	const struct plan_size *z = p->sizes;
	int64_t left;

	while (z < p->sizes + p->n_sizes &&
	       (a->size == NULL || !str_ieqz(str_of(a->size), z->name)))
		z++;
	if (z == p->sizes + p->n_sizes || z->vcpus <= 0 ||
	    (strcmp(quota, "cores") != 0 && !str_ieqz(str_of(quota), z->family)))
		return -1;
	left = a->after * z->vcpus + room;
	return left < 0 ? 0 : left / z->vcpus;
}

static int take_usage(void *ctx, const cJSON *usage, struct err *e)
{
	struct plan *p = ctx;
	const char *name = json_str_opt(usage, "name.value", "");
	int64_t used = count_of(usage, "currentValue");
	int64_t limit = count_of(usage, "limit"), more, fit;
	char text[160], fits[80] = "";
	bool short_of;

	(void)e;
	if (!plan_cores(p, name, &more))
		return 0;
	short_of = more > 0 && used + more > limit;
	fit = agents_in(p, name, limit - used - more);
	snprintf(text, sizeof(text), "vCPUs, limit %lld", (long long)limit);
	if (short_of && fit > 0)
		snprintf(fits, sizeof(fits),
			 "; AGENT_COUNT=%lld MAX_AGENT_COUNT=%lld fits",
			 (long long)fit, (long long)fit);
	else if (!short_of && fit >= 0 && fit < p->agents.most)
		snprintf(text, sizeof(text),
			 "vCPUs, limit %lld: too few for MAX_AGENT_COUNT=%lld, "
			 "%lld %s",
			 (long long)limit, (long long)p->agents.most,
			 (long long)fit, fit == 1 ? "agent fits" : "agents fit");
	if (short_of)
		err_refused(&p->refused, ERR_AZURE, "QuotaExceeded", name,
			    "quota %s: %lld of %lld vCPUs are in use and %lld more are needed%s",
			    name, (long long)used, (long long)limit,
			    (long long)more, fits);
	add_quota(p, short_of, name, used, more, text);
	return 0;
}

/* Of several quotas for the same, the one that is least. */
struct tightest {
	char name[80];
	int64_t used, limit;
};

static int take_addresses(void *ctx, const cJSON *usage, struct err *e)
{
	struct tightest *t = ctx;
	const char *name = json_str_opt(usage, "name.value", "");
	int64_t used = count_of(usage, "currentValue");
	int64_t limit = count_of(usage, "limit");

	(void)e;
	if (!plan_addresses(name) ||
	    (*t->name != '\0' && limit - used >= t->limit - t->used))
		return 0;
	*t = (struct tightest){ .used = used, .limit = limit };
	snprintf(t->name, sizeof(t->name), "%s", name);
	return 0;
}

/* One for each master, and the load balancer's. */
static int check_addresses(struct plan *p, struct session *s, struct err *e)
{
	char *path = plan_addresses_path(s);
	int64_t more = p->addresses_after - p->addresses_before, fit;
	struct tightest t = { .name = "" };
	char text[80], fits[64] = "";
	bool short_of;
	int rc = azure_list(&s->az, path, "quota", take_addresses, &t, e);

	free(path);
	if (rc < 0 || *t.name == '\0')
		return rc;
	short_of = more > 0 && t.used + more > t.limit;
	fit = t.limit - t.used - 1;
	if (short_of && fit > 0)
		snprintf(fits, sizeof(fits), "; MASTER_COUNT=%d fits",
			 fit >= 3 ? 3 : 1);
	snprintf(text, sizeof(text), "public addresses, limit %lld",
		 (long long)t.limit);
	if (short_of)
		err_refused(&p->refused, ERR_AZURE, "PublicIPCountLimitReached",
			    t.name,
			    "quota %s: %lld of %lld public addresses are in use "
			    "and %lld more are needed%s",
			    t.name, (long long)t.used, (long long)t.limit,
			    (long long)more, fits);
	add_quota(p, short_of, t.name, t.used, more, text);
	return 0;
}

int plan_checks(struct plan *p, struct session *s, const cJSON *changes,
		struct err *e)
{
	const char *location = settings_get(s->set, S_LOCATION);
	char *usages = plan_quota_path(s);
	const cJSON *c;
	int rc = -1;

	cJSON_ArrayForEach(c, changes) {
		enum plan_kind kind = kind_of(c, "changeType");

		if (kind != PLAN_IGNORE && kind != PLAN_UNSUPPORTED) {
			count_parts(p, json_get(c, "before"), -1);
			count_parts(p, json_get(c, "after"), 1);
		}
	}
	if (plan_ask_sizes(p, s, e) < 0)
		goto out;
	for (size_t i = 0; i < p->n_sizes; i++)
		check_size(p, &p->sizes[i], location);
	rc = azure_list(&s->az, usages, "quota", take_usage, p, e);
	/* nothing to be had is no reason to ask */
	if (rc == 0 && p->addresses_after > p->addresses_before)
		rc = check_addresses(p, s, e);
out:
	free(usages);
	return rc;
}

/* ---- what it costs ---- */

#define PRICE_MS 3000

/* What a resource, as it is to be, is paid for. */
static void add_paid(struct price_parts *parts, const cJSON *doc)
{
	struct str type = str_of(json_str_opt(doc, "type", ""));
	int64_t n;

	if (str_ieqz(type, "Microsoft.Compute/virtualMachineScaleSets")) {
		n = count_of(doc, "sku.capacity");
		price_add(parts, json_str_opt(doc, "sku.name", ""), n);
		parts->disks += n > 0 ? n : 0;
	} else if (str_ieqz(type, "Microsoft.Compute/virtualMachines")) {
		price_add(parts,
			  json_str_opt(doc, "properties.hardwareProfile.vmSize",
				       ""),
			  1);
		parts->disks++;
	} else if (str_ieqz(type, "Microsoft.Network/publicIPAddresses")) {
		parts->addresses++;
	} else if (str_ieqz(type, "Microsoft.Network/publicIPPrefixes")) {
		parts->addresses += PRICE_RANGE;
	} else if (str_ieqz(type, "Microsoft.Network/loadBalancers")) {
		parts->balancers++;
	}
}

static void row_of_price(struct plan *p, const struct price *now,
			 const struct price *most, const struct err *why)
{
	struct buf text = BUF_INIT(512);
	cJSON *sum = NULL;

	if (why->kind != ERR_NONE) {
		buf_addf(&text, "price not known: %.300s", why->msg);
	} else {
		sum = cJSON_CreateNumber((double)((now->sum + 50) / 100));
		buf_addf(&text,
			 "list prices, 730 hours: machines %.2f, disks %.2f, "
			 "addresses %.2f, load balancer %.2f; " PRICE_LEFT_OUT,
			 (double)now->machines / 100, (double)now->disks / 100,
			 (double)now->addresses / 100,
			 (double)now->balancers / 100);
		if (most->sum > now->sum)
			buf_addf(&text, "; %lld at MAX_AGENT_COUNT=%lld",
				 (long long)(most->sum + 50) / 100,
				 (long long)p->agents.most);
	}
	add_row(p, PLAN_CHECK, "cost", "USD a month", "", NULL, sum, text.str);
	json_free(sum);
	buf_release(&text);
}

/* A row with what all of it costs then, what others have in the group included. */
static int add_price(struct plan *p, struct session *s, const cJSON *changes,
		     struct err *e)
{
	struct price_parts parts = { 0 };
	struct price_list list;
	struct price now, most = { 0 };
	struct err why = ERR_INIT;
	const cJSON *c;
	int64_t more = p->agents.most - p->agents.after;

	cJSON_ArrayForEach(c, changes)
		add_paid(&parts,
			 json_get(c, kind_of(c, "changeType") == PLAN_IGNORE ?
					     "before" :
					     "after"));
	if (price_ask(s, settings_get(s->set, S_LOCATION), &parts, PRICE_MS,
		      &list, &why) == 0 &&
	    price_sum(&list, &parts, &now, &why) == 0 && more > 0 &&
	    p->agents.size != NULL) {
		price_add(&parts, p->agents.size, more);
		parts.disks += more;
		price_sum(&list, &parts, &most, &why);
	}
	if (why.kind == ERR_INTR) {
		*e = why;
		return -1;
	}
	row_of_price(p, &now, &most, &why);
	return 0;
}

/* ---- the command ---- */

int plan_what_if(struct session *s, cJSON *body, struct azure_reply *r,
		 struct err *e)
{
	char *path = swarm_deployment_path(s, "/whatIf");
	struct azure_wait w = { .what = "Azure's what-if",
				.limit_ms = OPERATION_LIMIT_MS };
	cJSON *settings = json_add_obj(json_get_mut(body, "properties"),
				       "whatIfSettings");
	int rc;

	json_add_str(settings, "resultFormat", "FullResourcePayloads");
	rc = azure_do(&s->az, "POST", path, body, &w, r, e);
	free(path);
	/* a 200 may hold an error and still say nothing of a state */
	if (rc == 0 && cJSON_IsObject(json_get_i(r->doc, "error")))
		rc = azure_error_doc(r->doc, e);
	if (rc == 0 && json_arr(r->doc, "properties.changes", e) == NULL)
		rc = -1;
	return rc < 0 ? err_in(e, "what-if") : 0;
}

/* Resource i of t as a what-if tells of one that is to be made. */
static int add_create(struct template *t, size_t i, cJSON *changes, struct err *e)
{
	size_t n;
	const struct template_resource *r = &template_resources(t, &n)[i];
	cJSON *after = template_resource(t, i, e), *change;

	if (after == NULL)
		return -1;
	json_add_str(after, "type", r->type);
	change = json_add_obj(changes, NULL);
	json_add_str(change, "resourceId", r->id);
	json_add_str(change, "changeType", "Create");
	json_set(change, "after", after);
	return 0;
}

/*
 * What a what-if would tell of a group that is not there: everything in the
 * template is to be made.  Azure cannot be asked, so the template is evaluated
 * here.  NULL with e set.
 */
static cJSON *all_created(const struct session *s, const cJSON *properties,
			  struct err *e)
{
	cJSON *group = cJSON_CreateObject(), *changes = cJSON_CreateArray();
	struct template_scope scope = {
		.subscription_id = s->az.subscription,
		.tenant_id = "",
		.group_name = settings_get(s->set, S_COMPUTE_GROUP),
		.group = group,
		.deployment_name = "plan",
		.now = unix_time(),
		.hide_secure = true,
	};
	const struct template_resource *r = NULL;
	struct template *t;
	size_t n = 0;
	int rc = -1;

	json_add_str(group, "location", settings_get(s->set, S_LOCATION));
	t = template_open(json_get(properties, "template"),
			  json_get(properties, "parameters"), &scope, e);
	if (t != NULL) {
		r = template_resources(t, &n);
		rc = 0;
	}
	for (size_t i = 0; i < n && rc == 0; i++)
		if (r[i].deploy)
			rc = add_create(t, i, changes, e);
	template_free(t);
	json_free(group);
	if (rc == 0)
		return changes;
	json_free(changes);
	return NULL;
}

static void say_summary(const struct plan *p, struct ui *ui)
{
	struct buf b = BUF_INIT(256);

	for (int i = 0; i < PLAN_KINDS; i++)
		if (kinds[i].summary != NULL && p->counts[i] > 0)
			buf_addf(&b, "%s%u %s", b.n > 0 ? ", " : "",
				 p->counts[i], kinds[i].summary);
	ui_say(ui, "plan: %s%s", plan_pending(p) ? "" : "nothing to change; ",
	       b.str);
	buf_release(&b);
}

/* Is a master among what is there? */
static bool has_master(const cJSON *changes)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, changes)
		if (kind_of(c, "changeType") != PLAN_CREATE &&
		    strstr(json_str_opt(c, "resourceId", ""),
			   "/Microsoft.Compute/virtualMachines/master") != NULL)
			return true;
	return false;
}

/* What a deployment does not change: machines with other files than a new one
 * would get.  The swarm tells; where it cannot, that is said. */
static int say_drift(struct session *s, const cJSON *changes, struct err *e)
{
	struct buf names = BUF_INIT(2048);
	struct docker_node *nodes = NULL;
	struct err why = ERR_INIT;
	struct remote r = { 0 };
	size_t n, drift;
	int rc = 0;

	if (!has_master(changes))
		return 0;
	if (remote_open(s, &r, &why) == 0 &&
	    docker_nodes(remote_docker(&r), &nodes, &n, &why) == 0) {
		drift = upgrade_drift(s, nodes, n, &names);
		if (drift > 0)
			ui_say(s->ui,
			       "%zu machine%s not what a new one would be (%s); "
			       "'azswarm upgrade' changes that",
			       drift, drift == 1 ? " is" : "s are", names.str);
	} else if (!remote_is_away(&why)) {
		*e = why;
		rc = -1;
	} else if (strcmp(why.msg, REMOTE_PAPER) != 0) {
		ui_say(s->ui, "what machines are made of is not known: %s",
		       why.msg);
	}
	remote_release(&r);
	free(nodes);
	buf_release(&names);
	return rc;
}

int cmd_plan(struct session *s, int argc, char **argv, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	struct azure_reply r = { 0 };
	cJSON *body = NULL, *properties, *changes = NULL, *left = NULL;
	struct plan p;
	int there, rc = -1;

	(void)argc, (void)argv;
	plan_init(&p);
	if (swarm_deployment_body(s->set, &body, e) < 0 ||
	    (there = swarm_group_there(s, group, e)) < 0)
		goto out;
	properties = json_get_mut(body, "properties");
	if ((there &&
	     agents_keep_number(s, json_get_mut(properties, "parameters"), e) < 0) ||
	    ports_keep(s, body, there, e) < 0 ||
	    images_resolve(s, body, there, &left, e) < 0)
		goto out;
	if (!there) {
		ui_say(s->ui,
		       "resource group %s is not there, so Azure cannot be asked: everything is to be made",
		       group);
		r.doc = all_created(s, properties, e);
		if (r.doc == NULL)
			goto out;
		changes = r.doc;
	} else {
		if (swarm_deployment_validate(s, body, e) < 0 ||
		    plan_what_if(s, body, &r, e) < 0)
			goto out;
		changes = json_get_mut(json_get_mut(r.doc, "properties"),
				       "changes");
	}
	plan_changes(&p, changes, properties);
	p.agents.most = json_int_opt(properties,
				     "parameters.maxAgentCount.value", 0);
	if (plan_checks(&p, s, changes, e) < 0 ||
	    add_price(&p, s, changes, e) < 0 || plan_print(&p, s->ui, e) < 0)
		goto out;
	say_summary(&p, s->ui);
	masters_say_left(s, left);
	if (say_drift(s, changes, e) < 0)
		goto out;
	if (p.refused.kind != ERR_NONE) {
		*e = p.refused;
		goto out;
	}
	s->exit_status = plan_pending(&p) || cJSON_GetArraySize(left) > 0 ?
				 EXIT_PENDING :
				 0;
	rc = 0;
out:
	json_free(left);
	plan_release(&p);
	azure_reply_release(&r);
	json_burn(body);
	return rc;
}
