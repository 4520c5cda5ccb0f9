/*
 * From settings to a signed-in connection: which cloud, which endpoints,
 * whom to trust, how waiting looks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "swarm/session.h"

#define METADATA_MAX (256u << 10)
#define TICK_MS 1000

/* The clouds whose endpoints are known without asking. */
static const struct cloud {
	const char *authority, *arm, *audience;
} clouds[] = {
	{ "https://login.microsoftonline.com", "https://management.azure.com",
	  "https://management.azure.com" },
	{ "https://login.microsoftonline.us", "https://management.usgovcloudapi.net",
	  "https://management.usgovcloudapi.net" },
	{ "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn",
	  "https://management.chinacloudapi.cn" },
};

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return now_ms();
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what, int64_t since_ms,
		      struct err *e)
{
	struct session *s = ctx;

	for (int64_t now = now_ms(); now < until_ms; now = now_ms()) {
		ui_waiting(s->ui, what, now - since_ms, now);
		if (sleep_until(until_ms - now > TICK_MS ? now + TICK_MS : until_ms, e) < 0)
			return -1;
	}
	ui_clear(s->ui);
	return 0;
}

static void note(void *ctx, const char *text)
{
	struct session *s = ctx;

	ui_say(s->ui, "%s; trying again", text);
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

/*
 * Ask an ARM endpoint for its sign-in endpoint and audience.  Answers are an
 * object, an array of clouds, or Azure Stack's older shape; all have
 * "authentication".
 */
static int discover(struct session *s, const char *arm, char **authority, char **audience,
		    struct err *e)
{
	char *url = xasprintf("%s/metadata/endpoints?api-version=2022-09-01", arm);
	struct http_request q = {
		.method = "GET", .url = url, .idempotent = true, .deadline_ms = now_ms() + 60000,
	};
	struct http_response r;
	cJSON *doc = NULL;
	const cJSON *cloud;
	const char *login, *aud;
	int rc = -1;

	http_response_init(&r, METADATA_MAX);
	if (http_exchange(&s->data, &q, &r, e) < 0)
		goto out;
	if (r.head.status != 200) {
		err_set(e, ERR_NET, "HTTP %u", r.head.status);
		goto out;
	}
	if ((doc = json_parse(buf_str(&r.body), "answer", e)) == NULL)
		goto out;
	cloud = cJSON_IsArray(doc) ? json_at(doc, "[0]") : doc;
	if ((login = json_str(cloud, "authentication.loginEndpoint", e)) == NULL ||
	    (aud = json_str(cloud, "authentication.audiences[0]", e)) == NULL)
		goto out;
	if (*authority == NULL)
		*authority = without_slash(login);
	*audience = xstrdup(aud);
	rc = 0;
out:
	if (rc < 0)
		err_in(e, "finding the endpoints of %s", arm);
	json_free(doc);
	http_response_release(&r);
	free(url);
	return rc;
}

static int need_credentials(const struct settings *set, struct err *e)
{
	static const enum setting needed[] = {
		S_TENANT_ID, S_CLIENT_ID, S_CLIENT_SECRET, S_SUBSCRIPTION_ID,
	};
	struct buf missing = BUF_INIT(512);
	int rc = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (*settings_get(set, needed[i]) == '\0')
			buf_addf(&missing, "%s%s", missing.n ? ", " : "",
				 setting_infos[needed[i]].name);
	if (missing.n > 0)
		rc = err_set(e, ERR_AUTH, "not signed in: set %s (see 'azswarm help sign-in')",
			     missing.str);
	buf_release(&missing);
	return rc;
}

static const char *var(void *ctx, const char *name)
{
	struct session *s = ctx;

	return settings_var(s->set, name);
}

int session_open(struct session *s, struct err *e)
{
	const struct settings *set = s->set;
	char *arm = NULL, *authority = NULL, *audience = NULL, *scope = NULL, *cache = NULL;
	struct azure_clock clock = { clock_now, clock_wait, s };
	int rc = -1;

	if (need_credentials(set, e) < 0)
		return -1;
	if ((s->trust = tls_trust_default(e)) == NULL)
		return -1;
	s->account = settings_storage_account(set);
	http_client_init(&s->data, dial_azure(&s->dial), NULL);
	if (dial_init(&s->dial, s->trust, e) < 0)
		return -1;

	arm = without_slash(*settings_get(set, S_ARM_ENDPOINT) ?
			    settings_get(set, S_ARM_ENDPOINT) : clouds[0].arm);
	if (check_https(S_ARM_ENDPOINT, arm, e) < 0)
		goto out;
	if (*settings_get(set, S_AUTHORITY_HOST)) {
		authority = without_slash(settings_get(set, S_AUTHORITY_HOST));
		if (check_https(S_AUTHORITY_HOST, authority, e) < 0)
			goto out;
	}
	for (size_t i = 0; i < sizeof(clouds) / sizeof(*clouds); i++) {
		if (strcmp(arm, clouds[i].arm) != 0)
			continue;
		audience = xstrdup(clouds[i].audience);
		if (authority == NULL)
			authority = xstrdup(clouds[i].authority);
	}
	if (audience == NULL && authority != NULL)
		audience = xstrdup(arm);
	else if (audience == NULL && discover(s, arm, &authority, &audience, e) < 0)
		goto out;
	scope = xasprintf("%s%s.default", audience,
			  audience[strlen(audience) - 1] == '/' ? "" : "/");
	cache = entra_cache_path();
	entra_init(&s->entra, &(struct entra_options){
		.authority = authority, .scope = scope, .cache_path = cache,
		.dialer = dial_azure(&s->dial), .local = dial_local(&s->dial),
		.var = var, .ctx = s,
	});
	s->open = true;
	if (azure_init(&s->az, &s->entra, arm, settings_get(set, S_SUBSCRIPTION_ID),
		       dial_azure(&s->dial), clock, e) < 0)
		goto out;
	s->az.note = note;
	s->az.note_ctx = s;
	rc = 0;
out:
	free(arm);
	free(authority);
	free(audience);
	free(scope);
	free(cache);
	return rc;
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
	s->trust = NULL;
	s->account = NULL;
	s->open = false;
}
