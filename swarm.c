/*
 * What every command shares: resource groups, the deployment's document and
 * where it is in Azure, lists as tables, the question before something is
 * destroyed, what was begun and cut off.  The commands themselves are in swarm/.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "swarm/swarm.h"

#define GROUP_WAIT_MS 10000
#define ANSWER_LINE_MAX 256
#define BEGUN_MAX (64u << 10)

/* ---- resource groups ---- */

char *swarm_group_path(const struct session *s, const char *group)
{
	return azure_path(&s->az,
			  "/resourcegroups/%s"
			  "?api-version=" API_RESOURCES,
			  group);
}

int swarm_group_there(struct session *s, const char *group, struct err *e)
{
	char *path = swarm_group_path(s, group);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);

	if (rc == 0)
		rc = r.http.head.status != 404;
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* GET the group; one on its way out is waited for: what is put into it meets
 * only refusals, and then goes with it. */
static int group_get(struct session *s, const char *path, struct azure_reply *r,
		     struct err *e)
{
	struct azure_clock *clock = &s->az.clock;
	int64_t began = clock->now(clock->ctx);
	const char *state;

	for (;;) {
		if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, r,
			       e) < 0)
			return -1;
		state = json_str_opt(r->doc, "properties.provisioningState", "");
		if (r->http.head.status == 404 ||
		    !str_ieqz(str_of(state), "Deleting"))
			return 0;
		azure_reply_release(r);
		if (clock->now(clock->ctx) - began > DEPLOYMENT_LIMIT_MS)
			return err_set(
				e, ERR_TIMEOUT,
				"still being deleted; it goes on "
				"in Azure, and this command may be run again");
		if (clock->wait(clock->ctx, clock->now(clock->ctx) + GROUP_WAIT_MS,
				"the resource group of that name to be deleted",
				began, e) < 0)
			return -1;
	}
}

int swarm_group_settled(struct session *s, const char *group, struct err *e)
{
	char *path = swarm_group_path(s, group);
	struct azure_reply r = { 0 };
	int rc = group_get(s, path, &r, e);

	if (rc == 0)
		rc = r.http.head.status != 404;
	azure_reply_release(&r);
	free(path);
	return rc < 0 ? err_in(e, "resource group %s", group) : rc;
}

int swarm_group_put(struct session *s, const char *group, struct err *e)
{
	char *path = swarm_group_path(s, group);
	struct azure_reply r = { 0 };
	cJSON *body;
	const char *location, *wanted = settings_get(s->set, S_LOCATION);
	int rc = -1;

	/* PUT replaces tags, so it is only for groups that are not there */
	if (group_get(s, path, &r, e) < 0)
		goto out;
	if (r.http.head.status == 200) {
		location = json_str_opt(r.doc, "location", wanted);
		if (!str_ieqz(str_of(location), wanted)) {
			err_set(e, ERR_USAGE, "is in %s, LOCATION is %s",
				location, wanted);
			goto out;
		}
		ui_say(s->ui, "resource group %s is there already", group);
		rc = 0;
		goto out;
	}
	azure_reply_release(&r);
	body = cJSON_CreateObject();
	json_add_str(body, "location", wanted);
	rc = azure_call(&s->az, "PUT", path, body, 0, &r, e);
	json_free(body);
	if (rc == 0)
		ui_say(s->ui, "resource group %s made in %s", group, wanted);
out:
	azure_reply_release(&r);
	free(path);
	return rc < 0 ? err_in(e, "resource group %s", group) : 0;
}

/* ---- the deployment ---- */

char *swarm_deployment_name(const struct session *s)
{
	return xasprintf("cli-%s", settings_get(s->set, S_LOCATION));
}

char *swarm_deployment_path(const struct session *s, const char *rest)
{
	return azure_path(&s->az,
			  "/resourcegroups/%s/providers/"
			  "Microsoft.Resources/deployments/cli-%s%s"
			  "?api-version=" API_RESOURCES,
			  settings_get(s->set, S_COMPUTE_GROUP),
			  settings_get(s->set, S_LOCATION), rest);
}

/* Settings that name things must be those the file was made with. */
static int made_for(const struct settings *set, const cJSON *file, struct err *e)
{
	static const enum setting names[] = { S_COMPUTE_GROUP, S_LOCATION,
					      S_VMSS_NAME };
	const cJSON *parameters = json_get(file, "parameters");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting_info *info = &setting_infos[names[i]];
		const cJSON *p = json_get(parameters, info->parameter);
		const char *now = settings_get(set, names[i]);
		const char *then = json_str_opt(p, "value", now);

		/* labels may begin with another name in its place */
		if (strcmp(now, then) != 0 &&
		    !(names[i] == S_COMPUTE_GROUP && names_is_prefix(now, then)))
			return err_set(e, ERR_DATA,
				       "was made for %s=%s, which "
				       "is %s now; 'azswarm params' makes it anew",
				       info->name, then, now);
	}
	return 0;
}

int swarm_parameters(const struct settings *set, cJSON **parameters, struct err *e)
{
	cJSON *file = params_read(e);
	int rc = -1;

	if (file == NULL)
		return -1;
	if (json_obj(file, "parameters", e) == NULL || made_for(set, file, e) < 0) {
		err_in(e, PARAMETERS_FILE);
		goto out;
	}
	*parameters = cJSON_DetachItemFromObjectCaseSensitive(file, "parameters");
	rc = 0;
out:
	json_burn(file);
	return rc;
}

int swarm_deployment_body(const struct settings *set, cJSON **body, struct err *e)
{
	cJSON *parameters, *template, *p;
	struct buf arm;

	if (swarm_parameters(set, &parameters, e) < 0)
		return -1;
	asset_get("arm/cluster.json", &arm);
	template = json_parse(buf_str(&arm), "arm/cluster.json", e);
	buf_release(&arm);
	if (template == NULL) {
		json_burn(parameters);
		return -1;
	}
	*body = cJSON_CreateObject();
	p = json_add_obj(*body, "properties");
	json_add_str(p, "mode", "Incremental");
	json_set(p, "template", template);
	json_set(p, "parameters", parameters);
	return 0;
}

int swarm_deployment_validate(struct session *s, const cJSON *body, struct err *e)
{
	char *path = swarm_deployment_path(s, "/validate");
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

/* ---- talking to the user ---- */

int swarm_show_list(struct session *s, const char *path, const char *what,
		    const char *const *columns,
		    int (*row)(void *listing, const cJSON *item, struct err *e),
		    struct err *e)
{
	struct listing t;
	int rc;

	listing_init(&t, columns);
	rc = azure_list(&s->az, path, what, row, &t, e);
	if (rc == 0)
		rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

/* What is typed at the terminal: into line, and that without white space.
 * not: what was not done when nothing is. */
static int read_answer(struct session *s, char *line, size_t size,
		       struct str *typed, const char * not, struct err *e)
{
	fflush(s->ui->err);
	if (fgets(line, (int)size, stdin) == NULL)
		line[0] = '\0';
	*typed = str_trim(str_of(line));
	return interrupt_requested() ?
		       err_set(e, ERR_INTR, "interrupted; nothing was %s", not ) :
		       0;
}

int swarm_agree(struct session *s, const char *what, struct err *e)
{
	char line[ANSWER_LINE_MAX];
	struct str typed;

	if (s->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE, "would %s; say --yes", what);
	ui_clear(s->ui);
	fprintf(s->ui->err, "This would %s.  Go on (y/n)? ", what);
	if (read_answer(s, line, sizeof(line), &typed, "done", e) < 0)
		return -1;
	if (!str_ieqz(typed, "y") && !str_ieqz(typed, "yes"))
		return err_set(e, ERR_USAGE,
			       "\"%.*s\" is not yes; nothing was done",
			       STR_ARG(typed));
	return 0;
}

int swarm_confirm(struct session *s, const char *name, const char *what,
		  struct err *e)
{
	char line[ANSWER_LINE_MAX];
	struct str typed;

	if (s->confirm != NULL) {
		if (strcmp(s->confirm, name) == 0)
			return 0;
		return err_set(e, ERR_USAGE,
			       "--confirm \"%s\" is not \"%s\"; "
			       "nothing was destroyed",
			       s->confirm, name);
	}
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			       "would destroy %s; say --confirm %s", what, name);
	ui_clear(s->ui);
	fprintf(s->ui->err, "This destroys %s.  Type %s to go on: ", what, name);
	if (read_answer(s, line, sizeof(line), &typed, "destroyed", e) < 0)
		return -1;
	if (!str_eqz(typed, name))
		return err_set(e, ERR_USAGE,
			       "\"%.*s\" is not \"%s\"; "
			       "nothing was destroyed",
			       STR_ARG(typed), name);
	return 0;
}

/* ---- versions ---- */

bool swarm_is_newer(const char *a, const char *b)
{
	struct str x = str_of(a), y = str_of(b);
	uint64_t i, j;

	for (;;) {
		if (!str_dec(&x, UINT32_MAX, &i))
			return false;
		if (!str_dec(&y, UINT32_MAX, &j))
			return true;
		if (i != j)
			return i > j;
		if (x.n > 0 && x.p[0] == '.')
			x = str_skip(x, 1);
		if (y.n > 0 && y.p[0] == '.')
			y = str_skip(y, 1);
	}
}

/* ---- what was begun ---- */

cJSON *swarm_begun(struct session *s, const char *path)
{
	struct buf text = BUF_INIT(BEGUN_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	if (file_exists(path) && file_read(path, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), path, &ignored);
	if (!json_is(doc, "group", settings_get(s->set, S_COMPUTE_GROUP))) {
		json_free(doc);
		doc = NULL;
	}
	buf_release(&text);
	return doc;
}

int swarm_begin(struct session *s, const char *path, cJSON *doc, struct err *e)
{
	struct buf text = BUF_INIT(BEGUN_MAX);
	int rc;

	json_add_str(doc, "group", settings_get(s->set, S_COMPUTE_GROUP));
	json_print(doc, &text);
	rc = dir_make("parameters", 0700, e) < 0 ?
		     -1 :
		     file_write(path, buf_str(&text), 0600, e);
	buf_release(&text);
	return rc;
}
