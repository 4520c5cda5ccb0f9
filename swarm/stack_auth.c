/*
 * Credentials of private registries: what the operator's docker has, where it
 * has it, and tokens of Azure Container Registries.  They go to the Engine as
 * X-Registry-Auth, which hands them to the nodes, and are shown nowhere.
 *
 * Source: docker login, "Credential stores" and "Credential helper protocol"
 * (docs.docker.com); Docker Engine API, Authentication; "Authenticate with an
 * Azure container registry" and its AAD-OAuth exchange (learn.microsoft.com,
 * Azure/acr).
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/run.h"
#include "entra/entra.h"
#include "swarm/cloud.h"
#include "swarm/stack.h"

#define CONFIG_MAX (1u << 20)
#define SECRET_MAX (24u << 10)
#define HELPER_MS 60000 /* it may ask a person */
#define EXCHANGE_MS 60000
#define HUB "https://index.docker.io/v1/"
#define NOBODY "00000000-0000-0000-0000-000000000000" /* the user of a token */

/* ---- which registry ---- */

/* "ghcr.io", "localhost:5000"; "docker.io" for an image without a host. */
static char *registry_of(const char *image)
{
	struct str s = str_of(image), host;

	if (str_cut(&s, '/', &host) &&
	    (str_chr(host, '.') >= 0 || str_chr(host, ':') >= 0 ||
	     str_eqz(host, "localhost")))
		return str_dup(host);
	return xstrdup("docker.io");
}

/* What docker calls it in its files. */
static const char *key_of(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 ||
			       strcmp(registry, "index.docker.io") == 0 ?
		       HUB :
		       registry;
}

/* "https://HOST/v1/" is the same as "HOST". */
static bool is_of(const char *entry, const char *registry)
{
	struct str s = str_of(entry), host;

	if (str_starts(s, STR("https://")))
		s = str_skip(s, 8);
	else if (str_starts(s, STR("http://")))
		s = str_skip(s, 7);
	if (!str_cut(&s, '/', &host))
		host = s;
	return str_eqz(host, registry);
}

/* ---- what docker sends ---- */

static char *header_of(const char *user, const char *password,
		       const char *identity, const char *server)
{
	struct buf text = BUF_INIT(SECRET_MAX), b = BUF_INIT(2 * SECRET_MAX);
	cJSON *doc = cJSON_CreateObject();

	if (user != NULL) {
		json_add_str(doc, "username", user);
		json_add_str(doc, "password", password);
	}
	if (identity != NULL)
		json_add_str(doc, "identitytoken", identity);
	json_add_str(doc, "serveraddress", server);
	json_print(doc, &text);
	buf_add_base64url(&b, text.str, text.n);
	/* docker's has the padding, and an engine wants it */
	while (b.n % 4 != 0)
		buf_addc(&b, '=');
	json_burn(doc);
	buf_burn(&text);
	return buf_detach(&b);
}

/* "USER:PASSWORD" in base64, or a token. */
static char *of_entry(const cJSON *entry, const char *server)
{
	struct buf raw = BUF_INIT(SECRET_MAX);
	struct err ignored = ERR_INIT;
	const char *identity = json_str_opt(entry, "identitytoken", NULL);
	struct str password, user = STR_NULL;
	char *u = NULL, *p = NULL, *header = NULL;

	if (buf_add_unbase64(&raw, str_of(json_text(entry, "auth")), &ignored) ==
	    0) {
		password = buf_str(&raw);
		if (str_cut(&password, ':', &user)) {
			u = str_dup(user);
			p = str_dup(password);
		}
	}
	if (u != NULL || identity != NULL)
		header = header_of(u, p, identity, server);
	free(u);
	burn_str(p);
	buf_burn(&raw);
	return header;
}

/* ---- credential helpers ---- */

static bool is_helper(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!is_alnum(*p) && strchr("-_.", *p) == NULL)
			return false;
	return *name != '\0';
}

/* What the helper has for that registry; *header NULL: nothing. */
static int ask_helper(const char *name, const char *server, char **header,
		      struct err *e)
{
	char *program = xasprintf("docker-credential-%s", name);
	const char *argv[] = { program, "get", NULL }, *user, *secret;
	struct buf out = BUF_INIT(SECRET_MAX);
	cJSON *doc = NULL;
	int status = 0, rc = -1;

	if (!is_helper(name)) {
		err_set(e, ERR_DATA, "\"%s\" is no credential helper's name",
			name);
		goto out;
	}
	if (run_filter(argv, str_of(server), &out, now_ms() + HELPER_MS,
		       &status, e) < 0)
		goto out;
	/* one that has nothing says so, and fails */
	rc = 0;
	if (status != 0 || out.n == 0)
		goto out;
	rc = -1;
	if (buf_check(&out, program, e) < 0 ||
	    (doc = json_parse(buf_str(&out), program, e)) == NULL ||
	    (user = json_str(doc, "Username", e)) == NULL ||
	    (secret = json_str(doc, "Secret", e)) == NULL)
		goto out;
	rc = 0;
	*header = strcmp(user, "<token>") == 0 ?
			  header_of(NULL, NULL, secret, server) :
			  header_of(user, secret, NULL, server);
out:
	json_burn(doc);
	buf_burn(&out);
	free(program);
	return rc;
}

/* ---- docker's own file ---- */

static char *config_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (dir != NULL && *dir != '\0')
		return xasprintf("%s/config.json", dir);
	return home != NULL && *home != '\0' ?
		       xasprintf("%s/.docker/config.json", home) :
		       NULL;
}

static int of_config(const cJSON *config, const char *registry, char **header,
		     struct err *e)
{
	const char *key = key_of(registry);
	const char *helper =
		json_str_opt(json_get(json_get(config, "credHelpers"), key), "",
			     json_text(config, "credsStore"));
	const cJSON *entry;

	if (*helper != '\0')
		return ask_helper(helper, key, header, e);
	cJSON_ArrayForEach(entry, json_get(config, "auths"))
		if (*header == NULL && (strcmp(entry->string, key) == 0 ||
					is_of(entry->string, registry)))
			*header = of_entry(entry, key);
	return 0;
}

static int by_docker(const char *registry, char **header, struct err *e)
{
	char *path = config_path();
	struct buf text = BUF_INIT(CONFIG_MAX);
	cJSON *config = NULL;
	int rc = -1;

	if (path == NULL || !file_exists(path))
		rc = 0;
	else if (file_read(path, &text, e) == 0 &&
		 (config = json_parse(buf_str(&text), path, e)) != NULL)
		rc = of_config(config, registry, header, e);
	json_burn(config);
	buf_burn(&text);
	free(path);
	return rc;
}

/* ---- Azure Container Registry ---- */

static bool is_azure(const char *registry)
{
	static const struct str domains[] = { { ".azurecr.io", 11 },
					      { ".azurecr.us", 11 },
					      { ".azurecr.cn", 11 } };
	struct str host = str_of(registry);

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		if (str_ends(host, domains[i]))
			return true;
	return str_find(host, STR(".azurecr.localhost:")) > 0;
}

static void form_add(struct buf *form, const char *name, const char *value)
{
	buf_addf(form, "%s%s=", form->n > 0 ? "&" : "", name);
	buf_add_pct(form, str_of(value));
}

/* Its refresh token, for one of Entra's. */
static int exchange(struct session *s, const char *registry, const char *token,
		    char **header, struct err *e)
{
	static const char *const fields[] = {
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	struct buf form = BUF_INIT(3 * ENTRA_TOKEN_MAX + 4096);
	char *url = xasprintf("https://%s/oauth2/exchange", registry);
	struct http_client http;
	struct http_response r;
	cJSON *doc = NULL;
	const char *got;
	int rc = -1;

	http_client_init(&http, dial_azure(&s->dial), NULL);
	http.watch = s->entra.http.watch;
	http_response_init(&r, SECRET_MAX);
	form_add(&form, "grant_type", "access_token");
	form_add(&form, "service", registry);
	if (s->entra.tenant[0] != '\0')
		form_add(&form, "tenant", s->entra.tenant);
	form_add(&form, "access_token", token);
	struct http_request q = { .method = "POST",
				  .url = url,
				  .fields = fields,
				  .body = buf_str(&form),
				  .idempotent = true,
				  .deadline_ms = now_ms() + EXCHANGE_MS };

	if (buf_check(&form, "the sign-in form", e) < 0 ||
	    http_exchange(&http, &q, &r, e) < 0)
		goto out;
	if (r.head.status != 200) {
		err_set(e, ERR_AUTH,
			"it does not take this sign-in (%u): ask for the role "
			"AcrPull there",
			r.head.status);
		goto out;
	}
	if ((doc = json_parse(buf_str(&r.body), "its answer", e)) == NULL ||
	    (got = json_str(doc, "refresh_token", e)) == NULL)
		goto out;
	*header = header_of(NOBODY, got, NULL, registry);
	rc = 0;
out:
	json_burn(doc);
	buf_burn(&form);
	buf_burn(&r.body);
	http_response_release(&r);
	http_client_release(&http);
	free(url);
	return rc;
}

static int by_azure(struct session *s, const char *registry, char **header,
		    struct err *e)
{
	struct entra_options o = s->entra.o;
	struct entra en;
	const char *token;
	int rc;

	if (!cloud_registry_ok(registry, s->az.arm))
		return err_set(e, ERR_AUTH,
			       "it is not of the cloud that is signed in to: "
			       "'docker login %s' first",
			       registry);
	o.scope = CLOUD_REGISTRY_AUDIENCE "/.default";
	entra_init(&en, &o);
	en.used = s->entra.used; /* the same who asked Resource Manager */
	en.http.watch = s->entra.http.watch;
	if ((rc = entra_token(&en, &token, e)) == 0)
		rc = exchange(s, registry, token, header, e);
	entra_release(&en);
	if (rc == 0)
		ui_say(s->ui,
		       "%s: by the Azure sign-in, for 3 hours; nodes that pull "
		       "later, and those that join, want this deployed again then",
		       registry);
	return rc;
}

int stack_auth(struct session *s, const char *image, char **auth, struct err *e)
{
	char *registry = registry_of(image);
	int rc;

	*auth = NULL;
	rc = by_docker(registry, auth, e);
	if (rc == 0 && *auth == NULL && is_azure(registry))
		rc = by_azure(s, registry, auth, e);
	if (rc < 0)
		err_in(e, "credentials for %s", registry);
	free(registry);
	return rc;
}
