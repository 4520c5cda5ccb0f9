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
#include "swarm/plan.h"
#include "swarm/swarm.h"
#include "template/template.h"

#define VALUE_MAX 400			/* of a value that is shown */
#define COUNT_MAX ((int64_t)1 << 31)
#define HIDDEN_VALUE "(hidden)"

enum { CREATE, DELETE, MODIFY, DEPLOY, UNSUPPORTED, PENDING, UNCHANGED = PENDING, IGNORE, CHECK, REFUSED };

/* Azure's word, ours, the symbol that Azure's own tools show, color */
static const struct kind {
	char azure[12], word[12], symbol, color[3];
} kinds[] = {
	[CREATE] = { "Create", "create", '+', "32" },
	[DELETE] = { "Delete", "delete", '-', "31" },
	[MODIFY] = { "Modify", "modify", '~', "33" },
	[DEPLOY] = { "Deploy", "deploy", '!', "33" },
	[UNSUPPORTED] = { "Unsupported", "unsupported", 'x', "33" },
	[UNCHANGED] = { "NoChange", "unchanged", '=', "2" },
	[IGNORE] = { "Ignore", "ignore", '*', "2" },
	[CHECK] = { "", "check", ' ', "0" },
	[REFUSED] = { "", "refused", '!', "31" },
};

static int kind_of(const cJSON *o, const char *member)
{
	const char *word = json_str_opt(o, member, "");

	for (int i = 0; i < CHECK; i++)
		if (str_ieqz(str_of(word), kinds[i].azure))
			return i;
	/* one that Azure invents tomorrow is no reason to say "no change" */
	return strcmp(word, "NoEffect") == 0 ? IGNORE : UNSUPPORTED;
}

void plan_init(struct plan *p)
{
	static const char *const columns[] = {
		"change", "type", "name", "property", "before", "after", "reason", NULL
	};

	*p = (struct plan){ .refused = ERR_INIT };
	listing_init(&p->rows, columns);
}

void plan_release(struct plan *p)
{
	listing_release(&p->rows);
}

/* ---- secrets ---- */

/* One of these words, lower case, is in name. */
static bool mentions(const char *name, const char *words)
{
	struct str rest = str_of(words), word;
	char *low = xstrdup(name);
	bool found = false;

	for (char *c = low; *c != '\0'; c++)
		*c = to_lower(*c);
	while (!found && str_next(&rest, ' ', &word))
		found = str_find(str_of(low), word) >= 0;
	free(low);
	return found;
}

/* A string of secret, which may be a document, is in text. */
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

/*
 * Hide every text that is called, or looks, like a secret, or is one that we
 * know.  name: what v is called, a path for the values of a change.
 */
static void mask(cJSON *v, const char *name, bool secret, const cJSON *known)
{
	/* of a changed property; its name is the path */
	const char *path = json_get(v, "propertyChangeType") != NULL ? json_str_opt(v, "path", "") : NULL;
	cJSON *c;

	secret = secret || mentions(name, "customdata userdata osprofile password secret token key "
				    "credential connectionstring protectedsettings");
	if (cJSON_IsString(v) && (secret || holds(v->valuestring, known) ||
	    mentions(v->valuestring, "sig= sharedaccess accountkey= -----begin"))) {
		burn(v->valuestring, strlen(v->valuestring));
		cJSON_SetValuestring(v, HIDDEN_VALUE);
	}
	cJSON_ArrayForEach(c, v)
		if (path == NULL)
			mask(c, c->string != NULL ? c->string : name, secret, known);
		else if (strcmp(c->string, "path") != 0 && strcmp(c->string, "propertyChangeType") != 0)
			mask(c, path, secret, known);
}

/* The values of secure parameters. */
static cJSON *secrets_of(const cJSON *properties)
{
	cJSON *known = cJSON_CreateArray();
	const cJSON *def, *value;

	cJSON_ArrayForEach(def, json_at(properties, "template.parameters")) {
		value = json_get(json_get_i(json_get(properties, "parameters"), def->string), "value");
		if (str_istarts(str_of(json_str_opt(def, "type", "")), STR("secure")) && value != NULL)
			cJSON_AddItemToArray(known, cJSON_Duplicate(value, true));
	}
	return known;
}

/* ---- rows ---- */

static void value_cell(struct listing *t, const cJSON *v)
{
	struct buf text = BUF_INIT(64u << 10);
	size_t n;

	if (v != NULL && !cJSON_IsNull(v))
		json_print(v, &text);
	n = text.n < VALUE_MAX ? text.n : VALUE_MAX;
	while (n > 0 && ((unsigned char)text.str[n] & 0xc0) == 0x80)
		n--;		/* between characters */
	listing_cell(t, "%.*s%s", (int)n, text.str, text.n > n || text.over ? "..." : "");
	buf_release(&text);
}

static void row(struct plan *p, int kind, const char *type, const char *name, const char *path,
		const cJSON *before, const cJSON *after, const char *reason)
{
	struct listing *t = &p->rows;

	listing_row(t);
	listing_cell(t, "%s", kinds[kind].word);
	listing_cell(t, "%s", type);
	listing_cell(t, "%s", name);
	listing_cell(t, "%s", path);
	value_cell(t, before);
	value_cell(t, after);
	listing_cell(t, "%s", reason);
}

/* ".../providers/NS/T/N/T2/N2" -> "NS/T/T2", "N/N2" */
static void split_id(const char *id, struct buf *type, struct buf *name)
{
	struct str rest = str_of(id), word;
	const char *at = NULL;

	for (const char *next = id; (next = strstr(next, "/providers/")) != NULL; next++)
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

/* Somebody in doc, at any depth, is called so. */
static bool has_member(const cJSON *doc, struct str name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, doc)
		if ((c->string != NULL && str_ieqz(name, c->string)) || has_member(c, name))
			return true;
	return false;
}

/*
 * May def, of a template's resource, say something at this path?  In arrays any
 * item stands for all.  What an expression makes is not known, but its names
 * are among the variables or the parameters.
 */
static bool says(const cJSON *def, struct str path, const cJSON *template)
{
	size_t n = 0, next;
	const cJSON *c;

	while (n < path.n && path.p[n] != '.' && path.p[n] != '[')
		n++;
	for (next = n; next < path.n && path.p[next] != '.';)
		next++;		/* its index */
	if (path.n == 0)
		return true;
	if (cJSON_IsString(def)) {
		path = str_skip(path, (size_t)(str_rchr(path, '.') + 1));
		path = str_head(path, str_chr(path, '[') < 0 ? path.n : (size_t)str_chr(path, '['));
		return has_member(json_get(template, "variables"), path) ||
		       has_member(json_get(template, "parameters"), path);
	}
	cJSON_ArrayForEach(c, def)
		if (cJSON_IsArray(def) ? says(c, path, template) :
		    str_ieqz(str_head(path, n), c->string) && says(c, str_skip(path, next + 1), template))
			return true;
	return false;
}

/* What a deployment knows of the resources of one type. */
struct known {
	const char *type;
	const cJSON *template;
};

/*
 * Why a change of a property is none; "" when it is one.  What Azure adds to a
 * resource on its own it reports as deleted, for the template does not say it.
 * What a template never says of such resources it does not take away.
 */
static const char *noise(const char *path, int kind, const cJSON *change, const struct known *known)
{
	const cJSON *before = json_get(change, "before"), *r;
	bool ours = strncmp(path, "tags", 4) == 0;

	cJSON_ArrayForEach(r, json_get(known->template, "resources"))
		ours |= str_ieqz(str_of(known->type), json_str_opt(r, "type", "")) &&
			says(r, str_of(path), known->template);
	if (kind == IGNORE)
		return "has no effect";
	if (kind == CREATE && (before == NULL || cJSON_IsNull(before)) && mentions(path, "customdata userdata password"))
		return "Azure does not tell what it is now";
	return kind == DELETE && !ours ? "set by Azure itself" : "";
}

/* A changed property and what is below it; true when something really changes. */
static bool add_property(struct plan *p, const struct known *known, const char *name, const char *above,
			 const cJSON *change)
{
	const char *own = json_str_opt(change, "path", ""), *why;
	const cJSON *children = json_get(change, "children"), *c;
	uint64_t ignored;
	char *path = xasprintf(str_num(str_of(own), UINT32_MAX, &ignored) ? "%s%s[%s]" : "%s%s%s", above,
			       *above != '\0' && !str_num(str_of(own), UINT32_MAX, &ignored) ? "." : "", own);
	int kind = kind_of(change, "propertyChangeType");
	bool changes = false;

	cJSON_ArrayForEach(c, children)
		changes |= add_property(p, known, name, path, c);
	if (children == NULL || children->child == NULL) {
		why = noise(path, kind, change, known);
		changes = *why == '\0';
		row(p, changes ? kind : IGNORE, known->type, name, path, json_get(change, "before"),
		    json_get(change, "after"), why);
	}
	free(path);
	return changes;
}

static void add_change(struct plan *p, const cJSON *change, const cJSON *template)
{
	struct buf type = BUF_INIT(512), name = BUF_INIT(512);
	int kind = kind_of(change, "changeType");
	const cJSON *delta = json_get(change, "delta"), *d;
	bool changes = delta == NULL || delta->child == NULL;
	cJSON *own;

	split_id(json_str_opt(change, "resourceId", ""), &type, &name);
	row(p, kind, type.str, name.str, "", NULL, NULL, kind == IGNORE ? "not in the template, stays as it is" :
	    json_str_opt(change, "unsupportedReason", ""));
	own = p->rows.rows->child->prev;
	cJSON_ArrayForEach(d, delta)
		changes |= add_property(p, &(struct known){ type.str, template }, name.str, "", d);
	if (kind == MODIFY && !changes) {
		kind = UNCHANGED;
		cJSON_ReplaceItemInArray(own, 0, cJSON_CreateString(kinds[kind].word));
	}
	p->counts[kind]++;
	buf_release(&type);
	buf_release(&name);
}

void plan_changes(struct plan *p, cJSON *changes, const cJSON *properties)
{
	cJSON *known = secrets_of(properties);
	const cJSON *c;

	mask(changes, "", false, known);
	cJSON_ArrayForEach(c, changes)
		add_change(p, c, json_get(properties, "template"));
	json_burn(known);
}

bool plan_pending(const struct plan *p)
{
	for (int i = 0; i < PENDING; i++)
		if (p->counts[i] > 0)
			return true;
	return false;
}

/* ---- printing ---- */

static void print_row(const cJSON *cells, struct ui *ui)
{
	const char *c[7];
	const struct kind *k = kinds;

	for (int i = 0; i < 7; i++)
		c[i] = cJSON_GetArrayItem(cells, i)->valuestring;
	while (strcmp(k->word, c[0]) != 0)
		k++;
	if (ui->color_out)
		fprintf(ui->out, "\033[%sm", k->color);
	fprintf(ui->out, *c[3] != '\0' ? "    %c %s" : "%c %s %s", k->symbol, c[*c[3] != '\0' ? 3 : 1], c[2]);
	for (int i = 4; i < 7; i++)
		if (*c[i] != '\0')
			fprintf(ui->out, i == 6 ? "  (%s)" : i == 5 && *c[4] != '\0' ? " -> %s" : ": %s", c[i]);
	fputs(ui->color_out ? "\033[0m\n" : "\n", ui->out);
}

int plan_print(struct plan *p, struct ui *ui, struct err *e)
{
	const cJSON *r;

	ui_clear(ui);
	if (ui->format != UI_TABLE)
		return listing_print(&p->rows, ui, e);
	cJSON_ArrayForEach(r, p->rows.rows)
		print_row(r, ui);
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

/* As many as sums and products of them can hold. */
static int64_t count_of(const cJSON *o, const char *member)
{
	int64_t n = json_int_opt(o, member, 0);

	return n < -COUNT_MAX ? -COUNT_MAX : n > COUNT_MAX ? COUNT_MAX : n;
}

/* The machines that doc, before (-1) or after (1) the deployment, stands for. */
static void count_machines(struct plan *p, const cJSON *doc, int sign)
{
	const char *type = json_str_opt(doc, "type", "");
	bool set = str_ieqz(str_of(type), "Microsoft.Compute/virtualMachineScaleSets");
	struct plan_size *z;

	if (!set && !str_ieqz(str_of(type), "Microsoft.Compute/virtualMachines"))
		return;
	z = size_named(p, json_str_opt(doc, set ? "sku.name" : "properties.hardwareProfile.vmSize", ""));
	if (z == NULL)
		return;
	z->more += sign * (set ? count_of(doc, "sku.capacity") : 1);
	if (sign > 0)
		z->zones |= zone_bits(json_get(doc, "zones"));
}

static int take_sku(void *ctx, const cJSON *sku, struct err *e)
{
	struct plan *p = ctx;
	struct plan_size *z;
	const cJSON *r;
	uint64_t n;

	(void)e;
	if (!str_ieqz(str_of(json_str_opt(sku, "resourceType", "")), "virtualMachines"))
		return 0;
	for (z = p->sizes; z < p->sizes + p->n_sizes; z++) {
		if (!str_ieqz(str_of(json_str_opt(sku, "name", "")), z->name))
			continue;
		z->vcpus = str_num(str_of(sku_capability(sku, "vCPUs")), 10000, &n) ? (int64_t)n : 0;
		z->offered = zone_bits(json_at(sku, "locationInfo[0].zones"));
		snprintf(z->family, sizeof(z->family), "%s", json_str_opt(sku, "family", ""));
		cJSON_ArrayForEach(r, json_get(sku, "restrictions"))
			if (str_ieqz(str_of(json_str_opt(r, "type", "")), "Zone"))
				z->offered &= ~zone_bits(json_at(r, "restrictionInfo.zones"));
			else
				snprintf(z->why, sizeof(z->why), "%s", json_str_opt(r, "reasonCode",
										    "restricted"));
	}
	return 0;
}

static void check_size(struct plan *p, struct plan_size *z, const char *location)
{
	char text[160];

	snprintf(text, sizeof(text), "%lld vCPUs each, %s", (long long)z->vcpus, z->family);
	if (z->vcpus == 0)
		snprintf(z->why, sizeof(z->why), "not offered");
	else if (z->zones & ~z->offered)
		snprintf(z->why, sizeof(z->why), "not in every zone that is asked for");
	/* machines that are there already are not asked */
	if (z->why[0] != '\0' && z->more > 0)
		err_set(&p->refused, ERR_AZURE, "size %s in %s: %s; 'azswarm sizes' shows what there is", z->name,
			location, z->why);
	row(p, z->why[0] != '\0' && z->more > 0 ? REFUSED : CHECK, "size", z->name, "", NULL, NULL,
	    z->why[0] != '\0' ? z->why : text);
}

static int take_usage(void *ctx, const cJSON *usage, struct err *e)
{
	struct plan *p = ctx;
	const char *name = json_str_opt(usage, "name.value", "");
	int64_t more = 0, used = count_of(usage, "currentValue"), limit = count_of(usage, "limit");
	cJSON *before, *after;
	bool ours = false, short_of;
	char text[64];

	(void)e;
	for (struct plan_size *z = p->sizes; z < p->sizes + p->n_sizes; z++)
		if (strcmp(name, "cores") == 0 || str_ieqz(str_of(name), z->family)) {
			more += z->more * z->vcpus;
			ours = true;
		}
	if (!ours)
		return 0;
	short_of = more > 0 && used + more > limit;
	if (short_of)
		err_refused(&p->refused, ERR_AZURE, "QuotaExceeded", name,
			    "quota %s: %lld of %lld vCPUs are in use and %lld more are needed",
			    name, (long long)used, (long long)limit, (long long)more);
	snprintf(text, sizeof(text), "vCPUs, limit %lld", (long long)limit);
	before = cJSON_CreateNumber((double)used);
	after = cJSON_CreateNumber((double)(used + more));
	row(p, short_of ? REFUSED : CHECK, "quota", name, "", before, after, text);
	json_free(before);
	json_free(after);
	return 0;
}

int plan_checks(struct plan *p, struct session *s, const cJSON *changes, struct err *e)
{
	const char *location = settings_get(s->set, S_LOCATION);
	char *skus = sku_path(s), *usages = azure_path(&s->az, "/providers/Microsoft.Compute/locations/%s/usages"
						       "?api-version=" API_COMPUTE, location);
	const cJSON *c;
	int rc = -1;

	cJSON_ArrayForEach(c, changes) {
		int kind = kind_of(c, "changeType");

		if (kind != IGNORE && kind != UNSUPPORTED) {
			count_machines(p, json_get(c, "before"), -1);
			count_machines(p, json_get(c, "after"), 1);
		}
	}
	if (azure_list(&s->az, skus, "sizes", take_sku, p, e) < 0)
		goto out;
	for (size_t i = 0; i < p->n_sizes; i++)
		check_size(p, &p->sizes[i], location);
	rc = azure_list(&s->az, usages, "quota", take_usage, p, e);
out:
	free(skus);
	free(usages);
	return rc;
}

/* ---- the command ---- */

int plan_what_if(struct session *s, cJSON *body, struct azure_reply *r, struct err *e)
{
	char *path = deployment_path(s, "/whatIf");
	struct azure_wait w = { .what = "Azure's what-if", .limit_ms = OPERATION_LIMIT_MS };
	int rc;

	json_add_str(json_add_obj(json_get_mut(body, "properties"), "whatIfSettings"), "resultFormat",
		     "FullResourcePayloads");
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
static cJSON *all_created(const struct session *s, const cJSON *properties, struct err *e)
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
	t = template_open(json_get(properties, "template"), json_get(properties, "parameters"),
			  &scope, e);
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

	for (int i = 0; i < CHECK; i++)
		if (p->counts[i] > 0)
			buf_addf(&b, "%s%u %s%s", b.n > 0 ? ", " : "", p->counts[i], i < UNSUPPORTED ? "to " : "",
				 kinds[i].word);
	ui_say(ui, "plan: %s%s", plan_pending(p) ? "" : "nothing to change; ", b.str);
	buf_release(&b);
}

int cmd_plan(struct session *s, int argc, char **argv, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	struct azure_reply r = { 0 };
	cJSON *body = NULL, *properties, *changes = NULL;
	struct plan p;
	int there, rc = -1;

	(void)argc, (void)argv;
	plan_init(&p);
	if (deployment_body(s->set, &body, e) < 0 || (there = group_there(s, group, e)) < 0)
		goto out;
	properties = json_get_mut(body, "properties");
	if (!there) {
		ui_say(s->ui, "resource group %s is not there, so Azure cannot be asked: everything is to be made",
		       group);
		r.doc = all_created(s, properties, e);
		if (r.doc == NULL)
			goto out;
		changes = r.doc;
	} else {
		if (agents_keep_number(s, json_get_mut(properties, "parameters"), e) < 0 ||
		    deployment_validate(s, body, e) < 0 || plan_what_if(s, body, &r, e) < 0)
			goto out;
		changes = json_get_mut(json_get_mut(r.doc, "properties"), "changes");
	}
	plan_changes(&p, changes, properties);
	if (plan_checks(&p, s, changes, e) < 0 || plan_print(&p, s->ui, e) < 0)
		goto out;
	say_summary(&p, s->ui);
	if (p.refused.kind != ERR_NONE) {
		*e = p.refused;
		goto out;
	}
	s->exit_status = plan_pending(&p) ? EXIT_PENDING : 0;
	rc = 0;
out:
	plan_release(&p);
	azure_reply_release(&r);
	json_burn(body);
	return rc;
}
