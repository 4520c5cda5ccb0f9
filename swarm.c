/*
 * The cluster as a whole: deploying its template, watching that, showing
 * what there is, destroying it.  Each command is a sequence of named steps
 * that may be interrupted anywhere and run again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "swarm/swarm.h"

#define PARAMETERS_MAX (1u << 20)
#define WATCH_MS 3000
#define WATCH_LIMIT_MS DEPLOYMENT_LIMIT_MS
#define OPERATIONS_MAX 2000		/* Azure's own limit is 800 resources */
#define ANSWER_LINE_MAX 256

/* ---- deployments ---- */

static char *deployment_name(const struct session *s)
{
	return xasprintf("cli-%s", settings_get(s->set, S_LOCATION));
}

char *deployment_path(const struct session *s, const char *rest)
{
	return azure_path(&s->az, "/resourcegroups/%s/providers/Microsoft.Resources/deployments/"
			  "cli-%s%s?api-version=" API_RESOURCES,
			  settings_get(s->set, S_COMPUTE_GROUP), settings_get(s->set, S_LOCATION),
			  rest);
}

/* What is known about the operations that were already shown. */
struct view {
	struct session *s;
	cJSON *seen;			/* operation id -> state last shown */
	unsigned done, total;
};

static const char *target_name(const cJSON *op)
{
	const char *name = json_str_opt(op, "properties.targetResource.resourceName", "");

	return *name ? name : json_str_opt(op, "properties.provisioningOperation", "");
}

/* "Microsoft.Network/virtualNetworks" -> "virtualNetworks" */
static const char *target_type(const cJSON *op)
{
	const char *type = json_str_opt(op, "properties.targetResource.resourceType", "");
	const char *slash = strchr(type, '/');

	return slash ? slash + 1 : type;
}

static char *reason_of(const cJSON *op)
{
	const cJSON *message = json_at(op, "properties.statusMessage");
	struct err cause = ERR_INIT;

	if (cJSON_IsString(message))
		return xstrdup(message->valuestring);
	if (!cJSON_IsObject(message) || json_get_i(message, "error") == NULL)
		return xstrdup("");
	azure_error_doc(message, &cause);
	return xstrdup(cause.msg);
}

static bool is_bad(const char *state)
{
	return str_ieqz(str_of(state), "Failed") || str_ieqz(str_of(state), "Canceled");
}

/* One line per operation whose state changed since the last look. */
static int view_operation(void *ctx, const cJSON *op, struct err *e)
{
	struct view *v = ctx;
	const char *id = json_str_opt(op, "operationId", "");
	const char *state = json_str_opt(op, "properties.provisioningState", "");
	bool over = str_ieqz(str_of(state), "Succeeded") || is_bad(state);
	const cJSON *before;
	char *reason;

	(void)e;
	if (json_get(op, "properties") == NULL ||
	    json_at(op, "properties.targetResource") == NULL)
		return 0;
	v->total++;
	v->done += over;
	before = json_get(v->seen, id);
	if (before != NULL && strcmp(before->valuestring, state) == 0)
		return 0;
	if (v->total > OPERATIONS_MAX)
		return 0;
	json_set(v->seen, id, cJSON_CreateString(state));
	if (over || before == NULL) {
		reason = is_bad(state) ? reason_of(op) : xstrdup("");
		ui_say(v->s->ui, "  %-10s %-28s %s%s%s", state, target_type(op), target_name(op),
		       *reason ? ": " : "", reason);
		free(reason);
	}
	return 0;
}

static char *operations_path(const struct session *s)
{
	char *name = deployment_name(s);
	char *path = azure_path(&s->az, "/resourcegroups/%s/deployments/%s/operations"
				"?api-version=" API_RESOURCES,
				settings_get(s->set, S_COMPUTE_GROUP), name);

	free(name);
	return path;
}

/* Called after each poll of a deployment.  The view is a courtesy: what goes
 * wrong with it does not end the wait. */
static int view_tick(void *ctx, struct err *e)
{
	struct view *v = ctx;
	char *path = operations_path(v->s);
	struct err once = ERR_INIT;

	v->done = v->total = 0;
	if (azure_list(&v->s->az, path, "operations", view_operation, v, &once) < 0 &&
	    once.kind == ERR_INTR)
		*e = once;
	free(path);
	return e->kind == ERR_INTR ? -1 : 0;
}

/* 1: there is one and it runs; 0: not; -1: error. */
static int deployment_running(struct session *s, struct err *e)
{
	char *path = deployment_path(s, "");
	struct azure_reply r = { 0 };
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) == 0) {
		const char *state = r.http.head.status == 404 ? "Succeeded" :
			json_str(r.doc, "properties.provisioningState", e);

		if (state != NULL)
			rc = !is_bad(state) && !str_ieqz(str_of(state), "Succeeded");
	}
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* Wait until the deployment in Azure has ended, showing operations.  -1 with the cause when it failed. */
static int deployment_watch(struct session *s, struct err *e)
{
	struct view v = { .s = s, .seen = cJSON_CreateObject() };
	char *path = deployment_path(s, ""), *name = deployment_name(s);
	int64_t began = now_ms();
	int rc = -1;

	for (;;) {
		struct azure_reply r = { 0 };
		const char *state;

		if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) < 0 || view_tick(&v, e) < 0 ||
		    (state = json_str(r.doc, "properties.provisioningState", e)) == NULL) {
			azure_reply_release(&r);
			break;
		}
		if (str_ieqz(str_of(state), "Succeeded"))
			rc = 0;
		else if (is_bad(state))
			azure_error_doc(json_at(r.doc, "properties.error"), e);
		else if (now_ms() - began > WATCH_LIMIT_MS)
			err_set(e, ERR_TIMEOUT, "still %s after %d minutes; it goes on in Azure",
				state, WATCH_LIMIT_MS / 60000);
		else {
			azure_reply_release(&r);
			if (s->az.clock.wait(s->az.clock.ctx, now_ms() + WATCH_MS, name, began,
					     e) == 0)
				continue;
			break;
		}
		azure_reply_release(&r);
		break;
	}
	json_free(v.seen);
	rc = rc < 0 ? err_in(e, "deployment %s", name) : 0;
	free(name);
	free(path);
	return rc;
}

/* Settings that name things must be those the file was made with. */
static int made_for(const struct settings *set, const cJSON *file, struct err *e)
{
	static const struct { const char *path; enum setting setting; } names[] = {
		{ "parameters.namePrefix.value", S_COMPUTE_GROUP },
		{ "parameters.location.value", S_LOCATION },
		{ "parameters.vmssName.value", S_VMSS_NAME },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *now = settings_get(set, names[i].setting);
		const char *then = json_str_opt(file, names[i].path, now);

		if (strcmp(now, then) != 0)
			return err_set(e, ERR_DATA, "was made for %s=%s, which is %s now; "
				       "'azswarm params' makes it anew",
				       setting_infos[names[i].setting].name, then, now);
	}
	return 0;
}

int deployment_body(const struct settings *set, cJSON **body, struct err *e)
{
	struct buf text = BUF_INIT(PARAMETERS_MAX), arm;
	cJSON *file = NULL, *template = NULL, *p;
	int rc = -1;

	if (!file_exists(PARAMETERS_FILE)) {
		err_set(e, ERR_DATA, PARAMETERS_FILE " is not there; 'azswarm params' makes it");
		goto out;
	}
	if (file_read(PARAMETERS_FILE, &text, e) < 0 ||
	    (file = json_parse(buf_str(&text), PARAMETERS_FILE, e)) == NULL)
		goto out;
	if (json_obj(file, "parameters", e) == NULL || made_for(set, file, e) < 0) {
		err_in(e, PARAMETERS_FILE);
		goto out;
	}
	asset_get("arm/cluster.json", &arm);
	template = json_parse(buf_str(&arm), "arm/cluster.json", e);
	buf_release(&arm);
	if (template == NULL)
		goto out;
	*body = cJSON_CreateObject();
	p = json_add_obj(*body, "properties");
	json_add_str(p, "mode", "Incremental");
	json_set(p, "template", template);
	json_set(p, "parameters", cJSON_DetachItemFromObjectCaseSensitive(file, "parameters"));
	rc = 0;
out:
	json_burn(file);
	buf_burn(&text);
	return rc;
}

int deployment_validate(struct session *s, const cJSON *body, struct err *e)
{
	char *path = deployment_path(s, "/validate");
	struct azure_wait w = { .what = "validation of the template",
				.limit_ms = OPERATION_LIMIT_MS };
	struct azure_reply r = { 0 };
	int rc = azure_do(&s->az, "POST", path, body, &w, &r, e);

	/* a 200 may still hold an error */
	if (rc == 0 && cJSON_IsObject(json_get_i(r.doc, "error"))) {
		azure_error_doc(r.doc, e);
		rc = err_in(e, "validation of the template");
	}
	azure_reply_release(&r);
	free(path);
	return rc;
}

static void say_outputs(struct session *s, const cJSON *doc)
{
	const cJSON *o;

	cJSON_ArrayForEach(o, json_at(doc, "properties.outputs"))
		ui_say(s->ui, "%s: %s", o->string, json_str_opt(o, "value", ""));
}

static int deploy(struct session *s, const cJSON *body, struct err *e)
{
	struct view v = { .s = s, .seen = cJSON_CreateObject() };
	char *path = deployment_path(s, ""), *name = deployment_name(s);
	char *what = xasprintf("deployment %s", name);
	struct azure_wait w = { .what = what, .limit_ms = DEPLOYMENT_LIMIT_MS,
				.tick = view_tick, .ctx = &v, .no_wait = s->no_wait };
	struct azure_reply r = { 0 };
	struct err ignored = ERR_INIT;
	int rc = azure_do(&s->az, "PUT", path, body, &w, &r, e);

	if (rc == 0 && s->no_wait)
		ui_say(s->ui, "%s accepted; 'azswarm view-deployment --watch' follows it", what);
	else if (rc == 0) {
		view_tick(&v, &ignored);
		ui_say(s->ui, "%s finished", what);
		say_outputs(s, r.doc);
	} else if (e->kind == ERR_AZURE) {
		/* what failed, and with it what was still on the way */
		view_tick(&v, &ignored);
	}
	azure_reply_release(&r);
	json_free(v.seen);
	free(what);
	free(name);
	free(path);
	return rc;
}

int cmd_deploy_compute(struct session *s, int argc, char **argv, struct err *e)
{
	cJSON *body = NULL;
	int running, rc = -1;

	if (s->dry_run)
		return cmd_plan(s, argc, argv, e);
	if (deployment_body(s->set, &body, e) < 0 ||
	    group_put(s, settings_get(s->set, S_COMPUTE_GROUP), e) < 0 ||
	    (running = deployment_running(s, e)) < 0)
		goto out;
	if (running) {
		/* ours, cut off, or a colleague's: let it end, then make it ours */
		ui_say(s->ui, "a deployment is running already, waiting for it");
		struct err theirs = ERR_INIT;

		if (deployment_watch(s, &theirs) < 0 && theirs.kind != ERR_AZURE) {
			*e = theirs;
			goto out;
		}
	}
	if (agents_keep_number(s, json_get_mut(json_get_mut(body, "properties"), "parameters"),
			       e) < 0 || deployment_validate(s, body, e) < 0)
		goto out;
	ui_say(s->ui, "the template is valid");
	rc = deploy(s, body, e);
out:
	json_burn(body);
	return rc;
}

/* ---- view-deployment ---- */

static int table_operation(void *ctx, const cJSON *op, struct err *e)
{
	struct listing *t = ctx;
	char *reason;

	(void)e;
	if (json_at(op, "properties.targetResource") == NULL)
		return 0;
	reason = is_bad(json_str_opt(op, "properties.provisioningState", "")) ?
		 reason_of(op) : xstrdup("");
	listing_row(t);
	listing_cell(t, "%s", target_type(op));
	listing_cell(t, "%s", target_name(op));
	listing_cell(t, "%s", json_str_opt(op, "properties.provisioningState", ""));
	listing_cell(t, "%s", json_str_opt(op, "properties.duration", ""));
	listing_cell(t, "%s", reason);
	free(reason);
	return 0;
}

int cmd_view_deployment(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"type", "name", "state", "duration", "reason", NULL
	};
	char *path = deployment_path(s, ""), *ops = operations_path(s);
	struct azure_reply r = { 0 };
	struct listing t;
	const char *state;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (s->watch && deployment_watch(s, e) < 0 && e->kind != ERR_AZURE)
		goto out;
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    azure_list(&s->az, ops, "operations", table_operation, &t, e) < 0)
		goto out;
	state = json_str_opt(r.doc, "properties.provisioningState", "unknown");
	ui_say(s->ui, "deployment %s: %s, %s", json_str_opt(r.doc, "name", ""), state,
	       json_str_opt(r.doc, "properties.timestamp", ""));
	if (listing_print(&t, s->ui, e) < 0)
		goto out;
	if (is_bad(state)) {
		azure_error_doc(json_at(r.doc, "properties.error"), e);
		err_in(e, "deployment %s", state);
		goto out;
	}
	rc = 0;
out:
	listing_release(&t);
	azure_reply_release(&r);
	free(path);
	free(ops);
	return rc;
}

/* ---- tables of what there is ---- */

/* A list of resources as a table: fn adds a row or none per item. */
static int show_list(struct session *s, const char *path, const char *what,
		     const char *const *columns,
		     int (*fn)(void *ctx, const cJSON *item, struct err *e), struct err *e)
{
	struct listing t;
	int rc;

	listing_init(&t, columns);
	rc = azure_list(&s->az, path, what, fn, &t, e);
	if (rc == 0)
		rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int row_endpoint(void *ctx, const cJSON *ip, struct err *e)
{
	struct listing *t = ctx;

	(void)e;
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(ip, "name", ""));
	listing_cell(t, "%s", json_str_opt(ip, "properties.ipAddress", ""));
	listing_cell(t, "%s", json_str_opt(ip, "properties.dnsSettings.fqdn", ""));
	return 0;
}

int cmd_list_endpoints(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name", "address", "fqdn", NULL };
	char *path = azure_path(&s->az, "/resourceGroups/%s/providers/Microsoft.Network/"
				"publicIPAddresses?api-version=" API_NETWORK,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = show_list(s, path, "public addresses", columns, row_endpoint, e);

	(void)argc, (void)argv;
	free(path);
	return rc;
}

static int row_resource(void *ctx, const cJSON *res, struct err *e)
{
	struct listing *t = ctx;
	struct str id = str_of(json_str_opt(res, "id", "")), word = STR_NULL;

	(void)e;
	for (int i = 0; i < 5; i++)	/* "", subscriptions, S, resourceGroups, G */
		if (!str_next(&id, '/', &word))
			break;
	listing_row(t);
	listing_cell(t, "%.*s", STR_ARG(word));
	listing_cell(t, "%s", json_str_opt(res, "name", ""));
	listing_cell(t, "%s", json_str_opt(res, "type", ""));
	listing_cell(t, "%s", json_str_opt(res, "location", ""));
	return 0;
}

int group_there(struct session *s, const char *group, struct err *e)
{
	char *path = azure_path(&s->az, "/resourcegroups/%s?api-version=" API_RESOURCES, group);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);

	if (rc == 0)
		rc = r.http.head.status != 404;
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* Resources of one group; a group that is not there has none. */
static int add_group_resources(struct session *s, const char *group, struct listing *t,
			       struct err *e)
{
	char *path = azure_path(&s->az, "/resourceGroups/%s/resources?api-version="
				API_RESOURCES, group);
	int rc = group_there(s, group, e);

	if (rc == 0)
		ui_say(s->ui, "resource group %s is not there", group);
	else if (rc > 0)
		rc = azure_list(&s->az, path, "resources", row_resource, t, e);
	free(path);
	return rc;
}

int cmd_resources(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "group", "name", "type", "location", NULL };
	struct listing t;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (add_group_resources(s, settings_get(s->set, S_COMPUTE_GROUP), &t, e) == 0 &&
	    add_group_resources(s, settings_get(s->set, S_STORAGE_GROUP), &t, e) == 0)
		rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int row_location(void *ctx, const cJSON *loc, struct err *e)
{
	struct listing *t = ctx;

	(void)e;
	/* logical regions hold no resources */
	if (!str_ieqz(str_of(json_str_opt(loc, "metadata.regionType", "Physical")), "Physical"))
		return 0;
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(loc, "name", ""));
	listing_cell(t, "%s", json_str_opt(loc, "displayName", ""));
	listing_cell(t, "%s", json_str_opt(loc, "metadata.geographyGroup", ""));
	return 0;
}

int cmd_locations(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name", "display name", "geography", NULL };
	char *path = azure_path(&s->az, "/locations?api-version=" API_SUBSCRIPTIONS);
	int rc = show_list(s, path, "locations", columns, row_location, e);

	(void)argc, (void)argv;
	free(path);
	return rc;
}

const char *sku_capability(const cJSON *sku, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json_get(sku, "capabilities"))
		if (strcmp(json_str_opt(c, "name", ""), name) == 0)
			return json_str_opt(c, "value", "");
	return "";
}

static int row_size(void *ctx, const cJSON *sku, struct err *e)
{
	struct listing *t = ctx;
	struct buf zones = BUF_INIT(64);
	const cJSON *z;

	(void)e;
	if (!str_ieqz(str_of(json_str_opt(sku, "resourceType", "")), "virtualMachines"))
		return 0;
	cJSON_ArrayForEach(z, json_at(sku, "locationInfo[0].zones"))
		if (cJSON_IsString(z))
			buf_addf(&zones, "%s%s", zones.n ? "," : "", z->valuestring);
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(sku, "name", ""));
	listing_cell(t, "%s", sku_capability(sku, "vCPUs"));
	listing_cell(t, "%s", sku_capability(sku, "MemoryGB"));
	listing_cell(t, "%s", sku_capability(sku, "CpuArchitectureType"));
	listing_cell(t, "%s", zones.str);
	listing_cell(t, "%s", json_str_opt(sku, "restrictions[0].reasonCode", ""));
	buf_release(&zones);
	return 0;
}

char *sku_path(const struct session *s)
{
	return azure_path(&s->az, "/providers/Microsoft.Compute/skus?api-version=" API_SKUS
			  "&$filter=location%%20eq%%20'%s'", settings_get(s->set, S_LOCATION));
}

int cmd_sizes(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"name", "vcpus", "memory gb", "architecture", "zones", "restriction", NULL
	};
	char *path = sku_path(s);
	int rc = show_list(s, path, "sizes", columns, row_size, e);

	(void)argc, (void)argv;
	free(path);
	return rc;
}

/* ---- destroying ---- */

/* The name typed at the terminal, or --confirm. */
static int confirm(struct session *s, const char *name, const char *what, struct err *e)
{
	char line[ANSWER_LINE_MAX];
	struct str typed;

	if (s->confirm != NULL) {
		if (strcmp(s->confirm, name) == 0)
			return 0;
		return err_set(e, ERR_USAGE, "--confirm \"%s\" is not \"%s\"; nothing was destroyed",
			       s->confirm, name);
	}
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE, "would destroy %s; say --confirm %s", what, name);
	ui_clear(s->ui);
	fprintf(s->ui->err, "This destroys %s.  Type %s to go on: ", what, name);
	fflush(s->ui->err);
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	typed = str_trim(str_of(line));
	if (interrupt_requested())
		return err_set(e, ERR_INTR, "interrupted; nothing was destroyed");
	if (!str_eqz(typed, name))
		return err_set(e, ERR_USAGE, "\"%.*s\" is not \"%s\"; nothing was destroyed",
			       STR_ARG(typed), name);
	return 0;
}

static int group_delete(struct session *s, const char *group, struct err *e)
{
	char *path = azure_path(&s->az, "/resourcegroups/%s?api-version=" API_RESOURCES
				"&forceDeletionTypes=Microsoft.Compute/virtualMachines,"
				"Microsoft.Compute/virtualMachineScaleSets", group);
	char *check = azure_path(&s->az, "/resourcegroups/%s?api-version=" API_RESOURCES, group);
	char *what = xasprintf("resource group %s to be deleted", group);
	struct azure_wait w = { .what = what, .limit_ms = DEPLOYMENT_LIMIT_MS,
				.flags = AZURE_MISSING_OK, .no_wait = s->no_wait };
	struct azure_reply r = { 0 };
	int rc = -1;

	if (azure_do(&s->az, "DELETE", path, NULL, &w, &r, e) < 0)
		goto out;
	if (r.http.head.status == 404) {
		ui_say(s->ui, "resource group %s is not there", group);
		rc = 0;
		goto out;
	}
	if (s->no_wait) {
		ui_say(s->ui, "resource group %s is being deleted", group);
		rc = 0;
		goto out;
	}
	azure_reply_release(&r);
	if (azure_call(&s->az, "GET", check, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	if (r.http.head.status != 404) {
		err_set(e, ERR_AZURE, "resource group %s is still there (%s)", group,
			json_str_opt(r.doc, "properties.provisioningState", "state unknown"));
		goto out;
	}
	ui_say(s->ui, "resource group %s deleted, nothing of it is left", group);
	rc = 0;
out:
	azure_reply_release(&r);
	free(path);
	free(check);
	free(what);
	return rc;
}

int cmd_destroy_compute(struct session *s, int argc, char **argv, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	char *what = xasprintf("every machine and the network in resource group %s", group);
	int rc = confirm(s, group, what, e);

	(void)argc, (void)argv;
	free(what);
	return rc < 0 ? -1 : group_delete(s, group, e);
}

int cmd_destroy_storage(struct session *s, int argc, char **argv, struct err *e)
{
	const char *group = settings_get(s->set, S_STORAGE_GROUP);
	char *what = xasprintf("the storage account and all files in resource group %s", group);
	int rc = confirm(s, group, what, e);

	(void)argc, (void)argv;
	free(what);
	return rc < 0 ? -1 : group_delete(s, group, e);
}

int cmd_destroy_cluster(struct session *s, int argc, char **argv, struct err *e)
{
	const char *compute = settings_get(s->set, S_COMPUTE_GROUP);
	const char *storage = settings_get(s->set, S_STORAGE_GROUP);
	char *what = xasprintf("resource groups %s and %s: every machine and all files", compute,
			       storage);
	int rc = confirm(s, compute, what, e);

	(void)argc, (void)argv;
	free(what);
	if (rc < 0 || group_delete(s, compute, e) < 0 || group_delete(s, storage, e) < 0)
		return -1;
	ui_say(s->ui, "keys/ and parameters/ are still here; "
	       "'azswarm clean' removes parameters/");
	return 0;
}
