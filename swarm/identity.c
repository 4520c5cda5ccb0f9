/*
 * The commands about who we are, login and logout, and what that has to be
 * allowed to do, role.  How a person signs
 * in is entra/login.c's; here is what is said meanwhile, and which subscription
 * is meant from then on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "swarm/swarm.h"

/* Of a sign-in.  It has to be seen, whatever --quiet says: somebody must open
 * that page. */
static void say(void *ctx, const char *text)
{
	struct session *s = ctx;
	bool quiet = s->ui->quiet;

	s->ui->quiet = false;
	ui_say(s->ui, "%s", text);
	s->ui->quiet = quiet;
}

static void tick(void *ctx, int64_t waited_ms)
{
	struct session *s = ctx;

	ui_waiting(s->ui, "the sign-in", waited_ms, now_ms());
}

/* ---- subscriptions ---- */

/* The subscriptions that one may see, and which of them is meant. */
struct subscriptions {
	struct listing list;
	const char *wanted; /* by id or name, NULL: any */
	char *id, *name;    /* of the wanted one, or else of the last */
	unsigned n;
};

static int row_subscription(void *ctx, const cJSON *item, struct err *e)
{
	struct subscriptions *subs = ctx;
	const char *id = json_str(item, "subscriptionId", e);
	const char *name = json_str_opt(item, "displayName", "");

	if (id == NULL)
		return -1;
	listing_row(&subs->list);
	listing_cell(&subs->list, "%s", name);
	listing_cell(&subs->list, "%s", id);
	listing_cell(&subs->list, "%s", json_str_opt(item, "state", ""));
	subs->n++;
	if (subs->wanted == NULL || str_ieqz(str_of(id), subs->wanted) ||
	    strcmp(name, subs->wanted) == 0) {
		free(subs->id);
		free(subs->name);
		subs->id = xstrdup(id);
		subs->name = xstrdup(name);
	}
	return 0;
}

static int row_tenant(void *ctx, const cJSON *item, struct err *e)
{
	struct listing *list = ctx;

	(void)e;
	listing_row(list);
	listing_cell(list, "%s", json_str_opt(item, "displayName", ""));
	listing_cell(list, "%s", json_str_opt(item, "tenantId", ""));
	listing_cell(list, NULL);
	return 0;
}

/* Nothing to see in this tenant: show the others. */
static int show_tenants(struct session *s, struct listing *list, struct err *e)
{
	if (azure_list(&s->az, "/tenants?api-version=" API_SUBSCRIPTIONS,
		       "tenants", row_tenant, list, e) < 0 ||
	    listing_print(list, s->ui, e) < 0)
		return -1;
	ui_say(s->ui, "no subscription in this tenant; others: azswarm login "
		      "--tenant ID");
	return 0;
}

/* Remember the subscription that is wanted, or the only one; else show them. */
static int choose(struct session *s, struct err *e)
{
	static const char *const columns[] = { "name", "id", "state", NULL };
	const char *wanted = settings_get(s->set, S_SUBSCRIPTION_ID);
	struct subscriptions subs = { .wanted = *wanted ? wanted : NULL };
	int rc = -1;

	listing_init(&subs.list, columns);
	if (azure_list(&s->az, "/subscriptions?api-version=" API_SUBSCRIPTIONS,
		       "subscriptions", row_subscription, &subs, e) < 0)
		goto out;
	if (subs.wanted != NULL && subs.id == NULL) {
		err_set(e, ERR_USAGE,
			"signed in, but subscription %s is none of "
			"yours in this tenant",
			subs.wanted);
	} else if (subs.n == 1 || subs.wanted != NULL) {
		rc = entra_login_choose(&s->entra, subs.id, e);
		if (rc == 0)
			ui_say(s->ui, "subscription %s (%s)", subs.name, subs.id);
	} else if (subs.n > 0) {
		rc = listing_print(&subs.list, s->ui, e);
		if (rc == 0)
			ui_say(s->ui,
			       "choose one: azswarm login --subscription ID");
	} else {
		rc = show_tenants(s, &subs.list, e);
	}
out:
	listing_release(&subs.list);
	free(subs.id);
	free(subs.name);
	return rc;
}

/* ---- the commands ---- */

static int take_claims(struct session *s, struct err *e)
{
	struct buf json = BUF_INIT(8192);
	cJSON *doc = NULL;
	int rc = -1;

	if (buf_add_unbase64(&json, str_of(s->claims), e) == 0 &&
	    (doc = json_parse(buf_str(&json), "claims", e)) != NULL)
		rc = 0;
	else
		e->kind = ERR_USAGE;
	json_free(doc);
	free(s->entra.claims);
	s->entra.claims = buf_detach(&json);
	return rc < 0 ? err_in(e, "--claims-challenge") : 0;
}

static bool by_flag(const struct session *s, enum setting which)
{
	const char *source = s->set->source[which];

	return source != NULL && strcmp(source, "flag") == 0;
}

int cmd_login(struct session *s, int argc, char **argv, struct err *e)
{
	struct entra_login l = {
		.client_id = s->client_id,
		.device_code = s->device_code || !entra_browser_here(),
		.say = say,
		.tick = tick,
		.ctx = s,
	};
	const char *token;
	struct err ignored = ERR_INIT;
	/* in another tenant it would be kept with the tenant of before */
	bool only_choose = by_flag(s, S_SUBSCRIPTION_ID) &&
			   !by_flag(s, S_TENANT_ID) && s->claims == NULL;

	(void)argc, (void)argv;
	s->person = true;
	if (session_reach(s, e) < 0 ||
	    (s->claims != NULL && take_claims(s, e) < 0))
		return -1;
	entra_use_login(&s->entra);
	/* with a good sign-in, --subscription is all that is asked for */
	if (!only_choose || entra_token(&s->entra, &token, &ignored) < 0) {
		if (entra_login(&s->entra, &l, e) < 0)
			return -1;
		ui_clear(s->ui);
		ui_say(s->ui, "signed in");
	}
	if (*settings_get(s->set, S_CLIENT_ID))
		ui_say(s->ui,
		       "AZURE_CLIENT_ID is set: that application goes before "
		       "this sign-in, unless AZURE_TOKEN_CREDENTIALS=LoginCredential");
	return choose(s, e);
}

int cmd_logout(struct session *s, int argc, char **argv, struct err *e)
{
	char *name = NULL;
	int rc = -1;

	(void)argc, (void)argv;
	if (session_reach(s, e) == 0)
		rc = entra_logout(&s->entra, &name, e);
	if (rc == 0 && name != NULL)
		ui_say(s->ui, "signed out %s", name);
	else if (rc == 0)
		ui_say(s->ui, "nobody was signed in by 'azswarm login'");
	free(name);
	return rc;
}

int cmd_role(struct session *s, int argc, char **argv, struct err *e)
{
	const char *subscription = settings_get(s->set, S_SUBSCRIPTION_ID);
	const struct asset_pair pairs[] = { { "SUBSCRIPTION", subscription },
					    { NULL, NULL } };
	struct buf text, role = BUF_INIT(ASSET_MAX);
	int rc;

	(void)argc, (void)argv;
	if (*subscription == '\0')
		return err_set(e, ERR_USAGE,
			       "set AZURE_SUBSCRIPTION_ID to the subscription "
			       "that the role is to be of");
	asset_get("azure/role.json", &text);
	rc = asset_fill(buf_str(&text), pairs, &role, e);
	if (rc == 0)
		fprintf(s->ui->out, "%.*s", STR_ARG(buf_str(&role)));
	buf_release(&text);
	buf_release(&role);
	return rc;
}
