/*
 * Tokens that others on this machine give: the managed identity of the host
 * that it runs on, and the Azure CLI.
 *
 * Source: "How managed identities for Azure resources work with virtual
 * machines", "Use managed identities for App Service", "Authenticate against
 * Azure resources with Arc-enabled servers" (learn.microsoft.com); the order of
 * the hosts is MSAL's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "base/run.h"
#include "entra/inner.h"

#define PROBE_MS 1000 /* IMDS is next door, or there is none */
#define AZ_MS 13000   /* what the SDKs give it */
#define ARC_KEYS "/var/opt/azcmagent/tokens/"
#define ARC_KEY_MAX 4096

/* Where a host answers, and in which words.  The first whose variables are set. */
static const struct host {
	const char *name;
	const char *has[2];   /* variables that tell it; NULL: always */
	const char *endpoint; /* variable, or NULL: IMDS */
	const char *api;      /* NULL: POST a form */
	const char *secret;   /* variable of what goes into header */
	const char *header;
	const char *client; /* parameter for a user-assigned identity, NULL: not here */
	bool arc;	    /* asks back, see arc_key() */
} hosts[] = {
	{ "Service Fabric",
	  { "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT" },
	  NULL,
	  NULL,
	  NULL,
	  NULL,
	  NULL,
	  false },
	{ "App Service",
	  { "IDENTITY_ENDPOINT", "IDENTITY_HEADER" },
	  "IDENTITY_ENDPOINT",
	  "2019-08-01",
	  "IDENTITY_HEADER",
	  "X-IDENTITY-HEADER",
	  "client_id",
	  false },
	{ "App Service",
	  { "MSI_ENDPOINT", "MSI_SECRET" },
	  "MSI_ENDPOINT",
	  "2017-09-01",
	  "MSI_SECRET",
	  "secret",
	  "clientid",
	  false },
	{ "Cloud Shell",
	  { "MSI_ENDPOINT", NULL },
	  "MSI_ENDPOINT",
	  NULL,
	  NULL,
	  "Metadata",
	  NULL,
	  false },
	{ "Azure Arc",
	  { "IDENTITY_ENDPOINT", "IMDS_ENDPOINT" },
	  "IDENTITY_ENDPOINT",
	  "2019-11-01",
	  NULL,
	  "Metadata",
	  NULL,
	  true },
	{ "IMDS", { NULL, NULL }, NULL, "2018-02-01", NULL, "Metadata", "client_id", false },
};

/* A host that is there takes a connection at once. */
static struct stream *dial_soon(void *ctx, bool tls, const char *name,
				unsigned port, int64_t deadline_ms, struct err *e)
{
	const struct http_dialer *local = ctx;
	int64_t soon = now_ms() + PROBE_MS;

	return local->dial(local->ctx, tls, name, port,
			   soon < deadline_ms ? soon : deadline_ms, e);
}

/*
 * Arc proves that we may read what only its group may: it names a file, whose
 * content is the answer.  Only files of its own folder: the name came over
 * plain HTTP.
 */
static int arc_key(struct str path, struct buf *auth, struct err *e)
{
	struct buf key = BUF_INIT(ARC_KEY_MAX);
	char *z;
	int rc;

	if (!str_istarts(path, STR("Basic realm=")))
		return err_set(e, ERR_PROTO, "a challenge that names no file");
	path = str_trim(str_skip(path, strlen("Basic realm=")));
	if (!str_starts(path, STR(ARC_KEYS)) || !str_ends(path, STR(".key")) ||
	    str_chr(str_skip(path, strlen(ARC_KEYS)), '/') >= 0)
		return err_set(e, ERR_PROTO,
			       "a challenge that names %.*s, not a key in " ARC_KEYS,
			       STR_ARG(path));
	z = str_dup(path);
	rc = file_read(z, &key, e);
	buf_adds(auth, "Authorization: Basic ");
	buf_addstr(auth, str_trim(buf_str(&key)));
	free(z);
	buf_burn(&key);
	return rc;
}

static void host_url(const struct entra *en, const struct host *h,
		     const char *resource, struct buf *url, struct buf *form)
{
	const char *client = entra_var(en, "AZURE_CLIENT_ID");
	const char *imds = entra_var(en, "AZURE_POD_IDENTITY_AUTHORITY_HOST");

	if (h->endpoint != NULL)
		buf_adds(url, entra_var(en, h->endpoint));
	else
		buf_addf(url, "%s/metadata/identity/oauth2/token",
			 *imds ? imds : "http://169.254.169.254");
	if (h->api != NULL)
		buf_addf(url, "%capi-version=%s&",
			 strchr(url->str, '?') ? '&' : '?', h->api);
	form_add(form, "resource", resource);
	if (h->client != NULL && *client)
		form_add(form, h->client, client);
	if (h->api != NULL) {
		buf_addstr(url, buf_str(form));
		buf_reset(form);
	}
}

static int ask_host(struct entra *en, const struct host *h, struct err *e)
{
	struct buf url = BUF_INIT(8192), form = BUF_INIT(4096),
		   secret = BUF_INIT(8192);
	struct buf challenge = BUF_INIT(8192), auth = BUF_INIT(8192);
	const char *fields[] = { NULL, NULL, NULL };
	struct http_request q = { .method = h->api ? "GET" : "POST",
				  .fields = fields };
	bool imds = h->endpoint == NULL;
	char *resource = entra_resource(en);
	struct http_client c;
	cJSON *doc = NULL;
	int status, rc = -1;

	http_client_init(&c, (struct http_dialer){ dial_soon, &en->o.local },
			 NULL);
	c.watch = en->http.watch;
	host_url(en, h, resource, &url, &form);
	buf_addf(&secret, "%s: %s", h->header,
		 h->secret ? entra_var(en, h->secret) : "true");
	fields[0] = secret.str;
	if (h->api == NULL)
		fields[1] = "Content-Type: application/x-www-form-urlencoded";
	q.url = url.str;
	q.body = buf_str(&form);
	status = entra_fetch(en, &c, &q, imds, &doc, &challenge, e);
	if (status == 401 && h->arc) {
		json_burn(doc);
		doc = NULL;
		if (arc_key(buf_str(&challenge), &auth, e) < 0)
			goto out;
		fields[1] = auth.str;
		status = entra_fetch(en, &c, &q, false, &doc, NULL, e);
	}
	if (status == 200) {
		rc = entra_take(en, doc, "access_token", e);
	} else if (status > 0) {
		err_set(e, ERR_AUTH, "HTTP %d: %s", status,
			json_str_opt(doc, "error_description",
				     json_str_opt(doc, "message",
						  "no reason given")));
		/* a machine without such an identity, or something else at that address:
		 * container engines and firewalls answer 403 for it */
		if (imds && (status == 400 || doc == NULL))
			rc = ENTRA_PASS;
	} else if (imds && (c.connections == 0 || e->kind == ERR_DATA) &&
		   e->kind != ERR_INTR) {
		rc = ENTRA_PASS; /* nobody there, or one with a page: this is no such host */
	}
out:
	json_burn(doc);
	http_client_release(&c);
	free(resource);
	buf_release(&url);
	buf_release(&form);
	buf_release(&challenge);
	buf_burn(&secret);
	buf_burn(&auth);
	return rc;
}

int get_managed(struct entra *en, struct err *e)
{
	const struct host *h = hosts;
	int rc;

	while ((h->has[0] != NULL && *entra_var(en, h->has[0]) == '\0') ||
	       (h->has[1] != NULL && *entra_var(en, h->has[1]) == '\0'))
		h++;
	if (h->header == NULL) {
		err_set(e, ERR_AUTH, "%s is not supported", h->name);
		return ENTRA_PASS;
	}
	rc = ask_host(en, h, e);
	if (rc != 0)
		err_in(e, "%s", h->name);
	return rc;
}

/*
 * az keeps its secrets to itself, and does so in ways that change; it is asked
 * instead.  Whatever is wrong with it, others may still know us.
 */
int get_az(struct entra *en, struct err *e)
{
	char *resource = entra_resource(en), *of = NULL;
	const char *subscription = entra_var(en, "AZURE_SUBSCRIPTION_ID");
	struct buf out = BUF_INIT(ENTRA_ANSWER_MAX);
	struct err once = ERR_INIT;
	struct str text, line;
	cJSON *doc = NULL;
	ptrdiff_t at;
	int rc = ENTRA_PASS, status;

	if (*subscription)
		of = xasprintf("--subscription=%s", subscription);
	else if (*en->tenant)
		of = xasprintf("--tenant=%s", en->tenant);
	const char *const argv[] = { "az",
				     "account",
				     "get-access-token",
				     "--only-show-errors",
				     "--output=json",
				     "--resource",
				     resource,
				     of,
				     NULL };

	if (run_program(argv, NULL, &out, now_ms() + AZ_MS, &status, &once) < 0) {
		if (once.kind == ERR_INTR)
			rc = -1;
		*e = once;
		goto out;
	}
	text = buf_str(&out);
	if (status != 0) {
		text = str_trim(text);
		if (!str_cut(&text, '\n', &line))
			line = text;
		err_set(e, ERR_AUTH, "az: %.*s", STR_ARG(str_head(line, 200)));
		goto out;
	}
	/* stdout and stderr come together: warnings of Python's in front and behind */
	text = str_head(text, (size_t)(str_rchr(text, '}') + 1));
	at = str_chr(text, '{');
	if ((doc = json_parse(str_skip(text, at > 0 ? (size_t)at : 0), "az", e)) ==
		    NULL ||
	    entra_take(en, doc, "accessToken", e) < 0)
		goto out;
	free(en->subscription);
	en->subscription = xstrdup(json_str_opt(doc, "subscription", ""));
	rc = 0;
out:
	json_burn(doc);
	buf_burn(&out);
	free(resource);
	free(of);
	return rc;
}
