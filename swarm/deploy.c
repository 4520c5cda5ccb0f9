/*
 * Deploying the template, and showing how far a deployment is and why it
 * failed.  It may be interrupted anywhere: a deployment goes on in Azure, and
 * the same command finds it again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"
#include "node/layout.h"
#include "swarm/marker.h"
#include "swarm/masters.h"
#include "swarm/ports.h"
#include "swarm/swarm.h"

#define WATCH_MS 3000
#define WATCH_LIMIT_MS DEPLOYMENT_LIMIT_MS
#define OPERATIONS_MAX 2000 /* Azure's own limit is 800 resources */

/* ---- its operations ---- */

/* The operations of a deployment, shown while it goes on. */
struct view {
	struct session *s;
	cJSON *seen; /* operation id -> state last shown */
};

static const char *target_name(const cJSON *op)
{
	const char *name = json_str_opt(op,
					"properties.targetResource."
					"resourceName",
					"");

	return *name ? name :
		       json_str_opt(op,
				    "properties."
				    "provisioningOperation",
				    "");
}

/* "Microsoft.Network/virtualNetworks" -> "virtualNetworks" */
static const char *target_type(const cJSON *op)
{
	const char *type = json_str_opt(op,
					"properties.targetResource."
					"resourceType",
					"");
	const char *slash = strchr(type, '/');

	return slash ? slash + 1 : type;
}

/* Why it failed; cause stays as it is where that is not said. */
static void cause_of(const cJSON *op, struct err *cause)
{
	const cJSON *message = json_at(op, "properties.statusMessage");
	cJSON *text = cJSON_CreateObject();

	if (cJSON_IsString(message) && *message->valuestring != '\0') {
		json_add_str(text, "message", message->valuestring);
		azure_error_doc(text, cause);
	} else if (json_get_i(message, "error") != NULL) {
		azure_error_doc(message, cause);
	}
	json_free(text);
}

static char *reason_of(const cJSON *op)
{
	struct err cause = ERR_INIT;

	cause_of(op, &cause);
	return xstrdup(cause.msg);
}

static bool is_bad(const char *state)
{
	return str_ieqz(str_of(state), "Failed") ||
	       str_ieqz(str_of(state), "Canceled");
}

/* One line per operation whose state changed since the last look. */
static void view_operation(struct view *v, const cJSON *op)
{
	const char *id = json_str_opt(op, "operationId", "");
	const char *state = json_str_opt(op, "properties.provisioningState", "");
	bool over = str_ieqz(str_of(state), "Succeeded") || is_bad(state);
	const cJSON *before = json_get(v->seen, id);
	char *reason;

	if (before != NULL && strcmp(before->valuestring, state) == 0)
		return;
	json_set(v->seen, id, cJSON_CreateString(state));
	if (over || before == NULL) {
		reason = is_bad(state) ? reason_of(op) : xstrdup("");
		ui_say(v->s->ui, "  %-10s %-28s %s%s%s", state, target_type(op),
		       target_name(op), *reason ? ": " : "", reason);
		free(reason);
	}
}

struct operations {
	cJSON *list[OPERATIONS_MAX];
	size_t n;
};

static int take_operation(void *ctx, const cJSON *op, struct err *e)
{
	struct operations *o = ctx;

	(void)e;
	if (json_at(op, "properties.targetResource") != NULL &&
	    o->n < OPERATIONS_MAX)
		o->list[o->n++] = cJSON_Duplicate(op, true);
	return 0;
}

/* Azure has the newest first; a terminal shows the end. */
static int by_time(const void *a, const void *b)
{
	const char *path = "properties.timestamp";

	return strcmp(json_str_opt(*(cJSON *const *)a, path, ""),
		      json_str_opt(*(cJSON *const *)b, path, ""));
}

static void operations_free(struct operations *o)
{
	for (size_t i = 0; o != NULL && i < o->n; i++)
		json_free(o->list[i]);
	free(o);
}

/* Those of the deployment that are about a resource, the newest last.  NULL
 * with e, or for operations_free(). */
static struct operations *operations_read(struct session *s, struct err *e)
{
	struct operations *o = xcalloc(1, sizeof(*o));
	char *name = swarm_deployment_name(s);
	char *path = azure_path(&s->az,
				"/resourcegroups/%s/deployments/%s/"
				"operations?api-version=" API_RESOURCES,
				settings_get(s->set, S_COMPUTE_GROUP), name);
	int rc = azure_list(&s->az, path, "operations", take_operation, o, e);

	free(path);
	free(name);
	if (rc == 0) {
		qsort(o->list, o->n, sizeof(*o->list), by_time);
		return o;
	}
	operations_free(o);
	return NULL;
}

/* The deployment failed, and e says no more than that: one of its operations
 * may. */
static void say_cause(const struct operations *o, struct err *e)
{
	struct err cause = ERR_INIT;

	if (!err_is(e, AZURE_NO_REASON))
		return;
	for (size_t i = 0; i < o->n && cause.kind == ERR_NONE; i++) {
		const cJSON *op = o->list[i];

		if (!is_bad(json_str_opt(op, "properties.provisioningState", "")))
			continue;
		cause_of(op, &cause);
		err_in(&cause, "%s %s", target_type(op), target_name(op));
	}
	if (cause.kind != ERR_NONE)
		*e = cause;
}

static void ask_cause(struct session *s, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct operations *o = NULL;

	if (err_is(e, AZURE_NO_REASON) &&
	    (o = operations_read(s, &ignored)) != NULL)
		say_cause(o, e);
	operations_free(o);
}

/* Called after each poll of a deployment.  The view is a courtesy: what goes
 * wrong with it does not end the wait. */
static int view_tick(void *ctx, struct err *e)
{
	struct view *v = ctx;
	struct err once = ERR_INIT;
	struct operations *o = operations_read(v->s, &once);

	for (size_t i = 0; o != NULL && i < o->n; i++)
		view_operation(v, o->list[i]);
	operations_free(o);
	if (once.kind == ERR_INTR)
		*e = once;
	return e->kind == ERR_INTR ? -1 : 0;
}

/* 1: there is one and it runs; 0: not; -1: error. */
static int deployment_running(struct session *s, struct err *e)
{
	char *path = swarm_deployment_path(s, "");
	struct azure_reply r = { 0 };
	const char *state = NULL;
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) == 0)
		state = r.http.head.status == 404 ?
				"Succeeded" :
				json_str(r.doc, "properties.provisioningState", e);
	if (state != NULL)
		rc = !is_bad(state) && !str_ieqz(str_of(state), "Succeeded");
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* One look at a deployment, showing operations.  1: it goes on; 0: it
 * succeeded; -1 with the cause when it failed. */
static int deployment_look(struct view *v, const char *path, int64_t began,
			   struct err *e)
{
	struct azure_reply r = { 0 };
	const char *state;
	int rc = -1;

	if (azure_call(&v->s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    view_tick(v, e) < 0 ||
	    (state = json_str(r.doc, "properties.provisioningState", e)) == NULL)
		goto out;
	if (str_ieqz(str_of(state), "Succeeded"))
		rc = 0;
	else if (is_bad(state)) {
		azure_failed_doc(r.doc, e);
		ask_cause(v->s, e);
	} else if (now_ms() - began > WATCH_LIMIT_MS)
		err_set(e, ERR_TIMEOUT,
			"still %s after %d minutes; it goes on in "
			"Azure",
			state, WATCH_LIMIT_MS / 60000);
	else
		rc = 1;
out:
	azure_reply_release(&r);
	return rc;
}

/* Wait until the deployment in Azure has ended, showing operations.  -1 with
 * the cause when it failed. */
static int deployment_watch(struct session *s, struct err *e)
{
	struct view v = { .s = s, .seen = cJSON_CreateObject() };
	char *path = swarm_deployment_path(s, "");
	char *name = swarm_deployment_name(s);
	const struct azure_clock *clock = &s->az.clock;
	int64_t began = now_ms();
	int rc;

	while ((rc = deployment_look(&v, path, began, e)) > 0)
		if (clock->wait(clock->ctx, now_ms() + WATCH_MS, name, began,
				e) < 0) {
			rc = -1;
			break;
		}
	json_free(v.seen);
	rc = rc < 0 ? err_in(e, "deployment %s", name) : 0;
	free(name);
	free(path);
	return rc;
}

/* ---- deploy-compute ---- */

static int show_outputs(struct session *s, const cJSON *doc, struct err *e)
{
	static const char *const columns[] = { "output", "value", NULL };
	struct listing t;
	const cJSON *o;
	int rc;

	listing_init(&t, columns);
	cJSON_ArrayForEach(o, json_at(doc, "properties.outputs")) {
		listing_row(&t);
		listing_cell(&t, "%s", o->string);
		listing_cell(&t, "%s", json_str_opt(o, "value", ""));
	}
	rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

/* alone: no swarm is waited for. */
static int deploy_once(struct session *s, const cJSON *body, bool alone,
		       struct err *e)
{
	struct view v = { .s = s, .seen = cJSON_CreateObject() };
	char *path = swarm_deployment_path(s, "");
	char *name = swarm_deployment_name(s);
	char *what = xasprintf("deployment %s", name);
	struct azure_wait w = { .what = what,
				.limit_ms = DEPLOYMENT_LIMIT_MS,
				.tick = view_tick,
				.ctx = &v,
				.no_wait = s->no_wait };
	struct azure_reply r = { 0 };
	struct err ignored = ERR_INIT;
	int rc = azure_do(&s->az, "PUT", path, body, &w, &r, e);

	if (rc == 0 && s->no_wait) {
		ui_say(s->ui,
		       "%s accepted; 'azswarm view-deployment --watch' "
		       "follows it",
		       what);
		if (strcmp(s->set->source[S_AUTOLOCK], "default") != 0)
			ui_say(s->ui, "AUTOLOCK is for a swarm that is there: "
				      "'azswarm deploy-compute' sees to it then");
	} else if (rc == 0) {
		view_tick(&v, &ignored);
		ui_say(s->ui, "%s finished", what);
		rc = alone ? 0 : arrive(s, e);
		if (rc == 0)
			rc = show_outputs(s, r.doc, e);
	} else if (e->kind == ERR_AZURE) {
		/* what failed, and with it what was still on the way */
		view_tick(&v, &ignored);
		if (err_is(e, AZURE_NO_REASON)) {
			ask_cause(s, e);
			err_in(e, "%s", what);
		}
	}
	azure_reply_release(&r);
	json_free(v.seen);
	free(what);
	free(name);
	free(path);
	return rc;
}

/* Azure's own check, and the deployment. */
static int check_and_deploy(struct session *s, cJSON *body, bool alone,
			    struct err *e)
{
	if (swarm_deployment_validate(s, body, e) < 0)
		return -1;
	ui_say(s->ui, "the template is valid");
	/* minutes may have passed since it was read what there is */
	return ports_keep(s, body, true, e) < 0 ? -1 :
						  deploy_once(s, body, alone, e);
}

/* A provider may say that it is registered before all of it knows: once more
 * then, and what is there by now stays. */
static int deploy(struct session *s, cJSON *body, bool alone, struct err *e)
{
	struct err first = ERR_INIT;

	if (providers_register(s, false, e) < 0)
		return -1;
	if (check_and_deploy(s, body, alone, &first) == 0)
		return 0;
	if (!provider_lacks(&first)) {
		*e = first;
		return -1;
	}
	ui_say(s->ui, "%s; registering again", first.msg);
	return providers_register(s, true, e) < 0 ?
		       -1 :
		       check_and_deploy(s, body, alone, e);
}

/* A deployment that runs is ours, cut off, or a colleague's: let it end, well
 * or badly, so that the next one can make it ours. */
int deployment_let_end(struct session *s, struct err *e)
{
	struct err theirs = ERR_INIT;
	int running = deployment_running(s, e);

	if (running <= 0)
		return running;
	ui_say(s->ui, "a deployment is running already, waiting for it");
	if (deployment_watch(s, &theirs) < 0 && theirs.kind != ERR_AZURE) {
		*e = theirs;
		return -1;
	}
	return 1;
}

static void set_text(cJSON *parameters, const char *name, const char *value)
{
	json_set(json_get_mut(parameters, name), "value",
		 cJSON_CreateString(value));
}

/* The file, too: whoever reads it next asks nobody. */
static int write_prefix(const char *prefix, struct err *e)
{
	struct buf out = BUF_INIT(PARAMETERS_MAX);
	cJSON *doc = params_read(e);
	int rc = -1;

	if (doc == NULL)
		return -1;
	set_text(json_get_mut(doc, "parameters"), "namePrefix", prefix);
	json_print_pretty(doc, &out);
	buf_addc(&out, '\n');
	if (buf_check(&out, PARAMETERS_FILE, e) == 0)
		rc = file_write(PARAMETERS_FILE, buf_str(&out), 0600, e);
	json_burn(doc);
	buf_burn(&out);
	return rc;
}

/* Public names that can be had, in the parameters of body.  refused: as for
 * names_labels(). */
static int take_names(struct session *s, cJSON *body, const struct err *refused,
		      struct err *e)
{
	cJSON *parameters = json_get_mut(json_get_mut(body, "properties"),
					 "parameters");
	const char *was = json_str_opt(parameters, "namePrefix.value", "");
	int64_t masters = json_int_opt(parameters, "masterCount.value", 1);
	char *prefix = NULL;
	int rc = names_labels(s,
			      masters > LAYOUT_MASTERS_MAX ? LAYOUT_MASTERS_MAX :
							     (int)masters,
			      refused, &prefix, e);

	if (rc == 0 && strcmp(prefix, was) != 0 &&
	    (rc = write_prefix(prefix, e)) == 0)
		set_text(parameters, "namePrefix", prefix);
	free(prefix);
	return rc;
}

static bool label_refused(const struct err *e)
{
	return e->kind == ERR_AZURE &&
	       (err_is(e, "DnsRecordInUse") || err_is(e, "DnsRecordIsReserved"));
}

/* A master that is new is no news to the machines that were made with it. */
static void say_new_masters(struct session *s, const cJSON *parameters)
{
	const cJSON *fresh = json_at(parameters, "newMasters.value");
	int64_t n = json_int_opt(parameters, "masterCount.value", 1);
	int made = cJSON_GetArraySize(fresh);

	if (made > 0 && made < n)
		ui_say(s->ui,
		       "machines that were there before know nothing of the new "
		       "master%s: 'azswarm upgrade' tells them",
		       made == 1 ? "" : "s");
}

/* Masters that are to be made must find this program; agents that come later
 * are another matter, and said. */
static int may_boot(struct session *s, const cJSON *parameters, struct err *e)
{
	struct err why = ERR_INIT;

	if (params_fetchable(s, &why) == 0)
		return 0;
	if (why.kind != ERR_DATA || json_at(parameters, "newMasters.value[0]")) {
		*e = why;
		return -1;
	}
	ui_say(s->ui, "%s", why.msg);
	return 0;
}

static int deploy_all(struct session *s, bool alone, bool news, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	cJSON *body = NULL, *properties, *left = NULL;
	int rc = -1;

	if (swarm_deployment_body(s->set, &body, e) < 0 ||
	    swarm_group_put(s, group, e) < 0 || deployment_let_end(s, e) < 0)
		goto out;
	properties = json_get_mut(body, "properties");
	if (agents_keep_number(s, json_get_mut(properties, "parameters"), e) < 0 ||
	    ports_keep(s, body, true, e) < 0 ||
	    images_resolve(s, body, true, &left, e) < 0 ||
	    may_boot(s, json_get(properties, "parameters"), e) < 0 ||
	    /* the only master, made anew, waits for the operator's word */
	    (!alone && marker_fresh(s, json_get(properties, "parameters"), e) < 0) ||
	    take_names(s, body, NULL, e) < 0 || masters_take_away(s, left, e) < 0)
		goto out;
	rc = deploy(s, body, alone, e);
	/* somebody was quicker */
	if (rc < 0 && label_refused(e)) {
		struct err refused = *e;

		err_clear(e);
		if (take_names(s, body, &refused, e) == 0)
			rc = deploy(s, body, alone, e);
	}
	if (rc == 0 && news)
		say_new_masters(s, json_get(properties, "parameters"));
out:
	json_free(left);
	json_burn(body);
	return rc;
}

int deploy_again(struct session *s, bool alone, struct err *e)
{
	return deploy_all(s, alone, false, e);
}

int cmd_deploy_compute(struct session *s, int argc, char **argv, struct err *e)
{
	return s->dry_run ? cmd_plan(s, argc, argv, e) :
			    deploy_all(s, false, true, e);
}

/* ---- view-deployment ---- */

/* as_azure: the duration, for who reads it with a program. */
static void add_operation(struct listing *t, const cJSON *op, bool as_azure)
{
	const char *state = json_str_opt(op, "properties.provisioningState", "");
	const char *took = json_str_opt(op, "properties.duration", "");
	char *reason = is_bad(state) ? reason_of(op) : xstrdup("");
	char span[32];
	int64_t seconds;

	if (!as_azure && time_parse_span(str_of(took), &seconds)) {
		time_span(seconds, span);
		took = span;
	}
	listing_row(t);
	listing_cell(t, "%s", target_type(op));
	listing_cell(t, "%s", target_name(op));
	listing_cell(t, "%s", state);
	listing_cell(t, "%s", took);
	listing_cell(t, "%s", reason);
	free(reason);
}

int cmd_view_deployment(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "type",	   "name",   "state",
					       "duration", "reason", NULL };
	char *path = swarm_deployment_path(s, "");
	struct operations *ops = NULL;
	struct azure_reply r = { 0 };
	struct listing t;
	const char *state;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (s->watch && deployment_watch(s, e) < 0 && e->kind != ERR_AZURE)
		goto out;
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    (ops = operations_read(s, e)) == NULL)
		goto out;
	for (size_t i = 0; i < ops->n; i++)
		add_operation(&t, ops->list[i], s->ui->format != UI_TABLE);
	state = json_str_opt(r.doc, "properties.provisioningState", "unknown");
	ui_say(s->ui, "deployment %s: %s, %s", json_str_opt(r.doc, "name", ""),
	       state, json_str_opt(r.doc, "properties.timestamp", ""));
	if (listing_print(&t, s->ui, e) < 0)
		goto out;
	if (is_bad(state)) {
		azure_failed_doc(r.doc, e);
		say_cause(ops, e);
		err_in(e, "deployment %s", state);
		goto out;
	}
	rc = 0;
out:
	listing_release(&t);
	azure_reply_release(&r);
	free(path);
	operations_free(ops);
	return rc;
}
