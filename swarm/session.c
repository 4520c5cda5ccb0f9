/*
 * From settings to a signed-in connection: which cloud, which endpoints,
 * whom to trust, how waiting looks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/retry.h"
#include "swarm/cloud.h"
#include "swarm/lock.h"
#include "swarm/session.h"
#include "swarm/swarm.h"

#define METADATA_MAX (256u << 10)
#define TICK_MS 1000

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return now_ms();
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	struct session *s = ctx;

	trace_note(&s->trace, "waits %lld ms for %s",
		   (long long)(until_ms - now_ms()), what);
	for (int64_t now = now_ms(); now < until_ms; now = now_ms()) {
		lock_look(s);
		ui_waiting(s->ui, what, now - since_ms, now);
		if (sleep_until(until_ms - now > TICK_MS ? now + TICK_MS : until_ms,
				e) < 0)
			return -1;
	}
	ui_clear(s->ui);
	return 0;
}

static void note(void *ctx, const char *text)
{
	struct session *s = ctx;

	trace_note(&s->trace, "tries again: %s", text);
	ui_say(s->ui, "%s; trying again", text);
}

/* What a command asks first takes its lock (swarm/lock.h). */
static int before(void *ctx, struct err *e)
{
	return lock_take(ctx, e);
}

static int may_change(void *ctx, struct err *e)
{
	return lock_still(ctx, e);
}

/* "https://host/" and "https://host" are the same endpoint. */
static char *without_slash(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return xstrndup(url, n);
}

static int check_https(enum setting which, const char *url, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct http_url u;

	if (http_url_parse(str_of(url), &u, &ignored) < 0 || !u.tls)
		return err_set(e, ERR_USAGE, "%s=\"%s\": expected an https URL",
			       setting_infos[which].name, url);
	return 0;
}

/* GET the endpoints in one of the versions; 200, another status, or -1. */
static int metadata(struct session *s, const char *arm, const char *version,
		    cJSON **doc, struct err *e)
{
	char *url = xasprintf("%s/metadata/endpoints?api-version=%s", arm,
			      version);
	struct http_request q = {
		.method = "GET",
		.url = url,
		.idempotent = true,
		.deadline_ms = now_ms() + 60000,
	};
	struct http_response r;
	int64_t wait_ms;
	int rc;

	http_response_init(&r, METADATA_MAX);
	for (unsigned tries = 1;; tries++) {
		if ((rc = http_exchange(&s->data, &q, &r, e)) == 0)
			rc = (int)r.head.status;
		wait_ms = http_retry_ms(RETRY_ENDPOINTS, tries,
					rc < 0 ? NULL : &r.head, e);
		if (wait_ms < 0)
			break;
		err_clear(e);
		if (sleep_until(now_ms() + wait_ms, e) < 0) {
			rc = -1;
			break;
		}
	}
	if (rc == 200 && (*doc = json_parse(buf_str(&r.body), "answer", e)) == NULL)
		rc = -1;
	http_response_release(&r);
	free(url);
	return rc;
}

/* Of the answer, the cloud with that endpoint; or else the first. */
static const cJSON *cloud_at(const cJSON *doc, const char *arm)
{
	const cJSON *cloud = cJSON_IsArray(doc) ? json_at(doc, "[0]") : doc, *c;

	/* where there is one cloud only, doc is an object, and this looks at its
	 * members: none of them has a resourceManager */
	cJSON_ArrayForEach(c, doc) {
		char *its = without_slash(json_str_opt(c, "resourceManager", ""));

		if (strcmp(its, arm) == 0)
			cloud = c;
		free(its);
	}
	return cloud;
}

static int take_cloud(const cJSON *cloud, const char *arm, char **authority,
		      char **audience, struct err *e)
{
	const char *login, *first;
	const cJSON *a;

	if ((login = json_str(cloud, "authentication.loginEndpoint", e)) == NULL ||
	    (first = json_str(cloud, "authentication.audiences[0]", e)) == NULL)
		return -1;
	cJSON_ArrayForEach(a, json_at(cloud, "authentication.audiences"))
		if (*audience == NULL && cJSON_IsString(a) &&
		    cloud_audience_ok(a->valuestring, arm))
			*audience = xstrdup(a->valuestring);
	if (*audience == NULL)
		return err_set(e, ERR_DATA,
			       "it wants a token for %s, which is not its own",
			       first);
	*authority = without_slash(login);
	if (check_https(S_AUTHORITY_HOST, *authority, e) < 0)
		return -1;
	if (!cloud_login_ok(*authority, arm))
		return err_set(e, ERR_DATA,
			       "it wants credentials to be sent to %s, which is "
			       "neither its own nor a known cloud's; if they "
			       "should be, say so in AZURE_AUTHORITY_HOST",
			       *authority);
	return 0;
}

/*
 * Ask an ARM endpoint for its sign-in endpoint and audience.  Answers are an
 * object, an array of clouds (ours is the one with that endpoint), or what Azure
 * Stack had before; all have "authentication".
 */
static int discover(struct session *s, const char *arm, char **authority,
		    char **audience, struct err *e)
{
	cJSON *doc = NULL;
	int rc = -1, status = metadata(s, arm, "2022-09-01", &doc, e);

	if (status >= 400 && status < 500)
		status = metadata(s, arm, "2015-01-01", &doc, e);
	if (status == 200)
		rc = take_cloud(cloud_at(doc, arm), arm, authority, audience, e);
	else if (status > 0)
		err_set(e, ERR_NET, "HTTP %d", status);
	if (rc < 0)
		err_in(e, "finding the endpoints of %s", arm);
	json_free(doc);
	return rc;
}

static const char *var(void *ctx, const char *name)
{
	struct session *s = ctx;

	return settings_var(s->set, name);
}

/*
 * An endpoint that a setting names.  .env may name a known cloud's; another's
 * only when the secret that is going to be sent there is in that same file.
 */
static int take_endpoint(struct session *s, enum setting which, char **url,
			 struct err *e)
{
	const struct entra_options who = { .var = var, .ctx = s };
	const struct settings *set = s->set;

	if (*settings_get(set, which) == '\0')
		return 0;
	*url = without_slash(settings_get(set, which));
	if (check_https(which, *url, e) < 0)
		return -1;
	if (cloud_find(NULL, which == S_AUTHORITY_HOST ? *url : NULL,
		       which == S_ARM_ENDPOINT ? *url : NULL) != NULL)
		return 0;
	if (!s->person && set->line[S_CLIENT_SECRET] > 0 && entra_by_secret(&who))
		return 0;
	return trust_check(set, which, e);
}

/* The cloud, from any of the settings that tell. */
static int choose_cloud(struct session *s, char **arm, char **authority,
			char **audience, struct err *e)
{
	const char *name = settings_get(s->set, S_CLOUD);
	const struct cloud *c;

	if (take_endpoint(s, S_ARM_ENDPOINT, arm, e) < 0 ||
	    take_endpoint(s, S_AUTHORITY_HOST, authority, e) < 0)
		return -1;
	c = *arm != NULL ? cloud_find(NULL, NULL, *arm) :
	    *name	 ? cloud_find(name, NULL, NULL) :
			   cloud_find(NULL, *authority, NULL);
	if (c == NULL && *arm == NULL) {
		if (*name)
			return err_set(e, ERR_USAGE,
				       "%s=\"%s\": expected AzureCloud, "
				       "AzureUSGovernment or AzureChinaCloud; others by their "
				       "AZURE_RESOURCE_MANAGER_ENDPOINT",
				       setting_infos[S_CLOUD].name, name);
		c = cloud_find(NULL, NULL, NULL);
	}
	if (c != NULL && *arm == NULL)
		*arm = xstrdup(c->arm);
	if (c != NULL && *authority == NULL)
		*authority = xstrdup(c->authority);
	if (*authority == NULL)
		return discover(s, *arm, authority, audience, e);
	*audience = xstrdup(*arm);
	return 0;
}

int session_reach(struct session *s, struct err *e)
{
	char *arm = NULL, *authority = NULL, *audience = NULL, *scope = NULL,
	     *cache = NULL;
	struct azure_clock clock = { clock_now, clock_wait, s };
	int rc = -1;

	if ((s->trust = tls_trust_default(e)) == NULL)
		return -1;
	http_client_init(&s->data, dial_azure(&s->dial), NULL);
	s->data.watch = trace_watch(&s->trace, TRACE_AZURE);
	if (dial_init(&s->dial, s->trust, e) < 0 ||
	    choose_cloud(s, &arm, &authority, &audience, e) < 0)
		goto out;
	scope = xasprintf("%s%s.default", audience,
			  str_ends(str_of(audience), STR("/")) ? "" : "/");
	cache = entra_cache_path();
	entra_init(&s->entra,
		   &(struct entra_options){
			   .authority = authority,
			   .scope = scope,
			   .cache_path = cache,
			   .adfs = str_ends(str_of(authority), STR("/adfs")),
			   .dialer = dial_azure(&s->dial),
			   .local = dial_local(&s->dial),
			   .var = var,
			   .ctx = s,
		   });
	s->entra.http.watch = trace_watch(&s->trace, TRACE_SIGN_IN);
	s->open = true;
	if (azure_init(&s->az, &s->entra, arm,
		       settings_get(s->set, S_SUBSCRIPTION_ID),
		       dial_azure(&s->dial), clock, e) < 0)
		goto out;
	s->az.http.watch = trace_watch(&s->trace, TRACE_AZURE);
	s->az.note = note;
	s->az.note_ctx = s;
	s->az.before = before;
	s->az.before_ctx = s;
	s->trace.may = may_change;
	s->trace.may_ctx = s;
	rc = 0;
out:
	free(arm);
	free(authority);
	free(audience);
	free(scope);
	free(cache);
	return rc;
}

struct choice {
	unsigned n;
	char *id, *name; /* of the first */
	struct buf list;
	struct buf away; /* those that cannot be used: "Name (id) is Disabled" */
};

static int choose(void *ctx, const cJSON *item, struct err *e)
{
	const char *id = json_str(item, "subscriptionId", e);
	const char *name = json_str_opt(item, "displayName", "");
	const char *state = json_str_opt(item, "state", "Enabled");
	struct choice *c = ctx;

	if (id == NULL)
		return -1;
	/* Warned and PastDue are words to the owner, everything works there */
	if (str_listed("Disabled Deleted", state)) {
		buf_addf(&c->away, "%s%s (%s) is %s", c->away.n > 0 ? ", " : "",
			 name, id, state);
		return 0;
	}
	if (c->n++ == 0) {
		c->id = xstrdup(id);
		c->name = xstrdup(name);
	}
	buf_addf(&c->list, "%s%s (%s)", c->n > 1 ? ", " : "", id, name);
	return 0;
}

int session_subscription(struct session *s, struct err *e)
{
	struct choice c = { .list = BUF_INIT(sizeof(e->msg)),
			    .away = BUF_INIT(sizeof(e->msg)) };
	int rc;

	if (s->entra.subscription != NULL && *s->entra.subscription != '\0') {
		c.id = xstrdup(s->entra.subscription);
		rc = 0;
	} else {
		rc = azure_list(&s->az,
				"/subscriptions?api-version=" API_SUBSCRIPTIONS,
				"subscriptions", choose, &c, e);
		if (rc == 0 && c.n == 0 && c.away.n > 0)
			rc = err_refused(e, ERR_AUTH, "DisabledSubscription",
					 NULL, "signed in, but %s", c.away.str);
		else if (rc == 0 && c.n == 0)
			rc = err_set(e, ERR_AUTH,
				     "signed in, but no subscription to be seen: ask "
				     "an owner of one for the role Contributor");
		else if (rc == 0 && c.n > 1)
			rc = err_set(e, ERR_USAGE,
				     "which subscription?  Set AZURE_SUBSCRIPTION_ID "
				     "to one of %s",
				     c.list.str);
		else if (rc == 0)
			ui_say(s->ui, "subscription %s (%s), the only one",
			       c.id, c.name);
	}
	if (rc == 0) {
		free(s->az.subscription);
		s->az.subscription = xstrdup(c.id);
	}
	free(c.id);
	free(c.name);
	buf_release(&c.list);
	buf_release(&c.away);
	return rc;
}

int session_open(struct session *s, struct err *e)
{
	const char *token;

	if (session_reach(s, e) < 0)
		return -1;
	/* A command looks at its own arguments first.  When the settings alone
	 * say who signs in to what, nothing is asked before that. */
	if (entra_configured(&s->entra) && *s->az.subscription != '\0')
		return 0;
	if (entra_token(&s->entra, &token, e) < 0)
		return -1;
	return *s->az.subscription != '\0' ? 0 : session_subscription(s, e);
}

static void anew(struct session *s, struct http_client *c, enum trace_peer peer)
{
	http_client_init(c, dial_azure(&s->dial), NULL);
	c->watch = trace_watch(&s->trace, peer);
}

void session_detach(struct session *s)
{
	anew(s, &s->data, TRACE_AZURE);
	anew(s, &s->az.http, TRACE_AZURE);
	anew(s, &s->entra.http, TRACE_SIGN_IN);
}

void session_close(struct session *s)
{
	if (s->open) {
		azure_release(&s->az);
		entra_release(&s->entra);
	}
	if (s->trust != NULL)
		http_client_release(&s->data);
	dial_release(&s->dial);
	tls_trust_free(s->trust);
	free(s->account);
	json_free(s->skus);
	json_free(s->first);
	storage_release(&s->store);
	s->trust = NULL;
	s->account = NULL;
	s->skus = s->first = NULL;
	s->open = false;
}
