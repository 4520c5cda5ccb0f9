/*
 * Every credential of the chain: the request it makes, to the byte, and what
 * it makes of answers.  Hosts that give managed identities, GitHub and Entra ID are a script here:
 * it is what their documentation says, not a recording of them.  The clock is one that jumps.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "base/time.h"
#include "tests/armdouble.h"
#include "tls/tls.h"
#include "tests/check.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define IMDS "http://169.254.169.254"
#define RESOURCE "resource=https%3A%2F%2F" ARM_HOST
#define ASK_IMDS \
	"GET " IMDS \
	"/metadata/identity/oauth2/token?api-version=2018-02-01&" RESOURCE
/* numbers are strings, as IMDS has them; 3599 s from the clock's 1750001000 */
#define IMDS_BODY \
	"{\"access_token\":\"" TOKEN_2 \
	"\",\"client_id\":\"c\",\"expires_in\":\"3599\"," \
	"\"expires_on\":\"1750004599\",\"ext_expires_in\":\"3599\",\"not_before\":\"1749997400\"," \
	"\"resource\":\"" ARM "\",\"token_type\":\"Bearer\"}"
#define NO_AZ "PATH", ""
#define ONLY(name) "AZURE_TOKEN_CREDENTIALS", name
#define SP "AZURE_TENANT_ID", "tenant-1", "AZURE_CLIENT_ID", "client-1"
#define HIDDEN "hidden-value" /* no message shows it */
#define JWT "eyJ0.federated.token"
#define ASSERTED \
	"\r\n\r\ngrant_type=client_credentials&client_assertion_type=" \
	"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion="
#define ENDS "&client_id=client-1&scope=https%3A%2F%2F" ARM_HOST "%2F.default"
#define GOOD \
	{ \
		ASK_TOKEN, 200, .body = TOKEN_2_BODY \
	}
#define OIDC "https://pipelines.test/job?api-version=2.0"
#define ASK_OIDC "GET " OIDC "&audience=api%3A%2F%2FAzureADTokenExchange"
#define OIDC_VARS \
	"ACTIONS_ID_TOKEN_REQUEST_URL", OIDC, \
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN", HIDDEN
#define ARC_URL "http://localhost:40342/metadata/identity/oauth2/token"
#define ARC \
	"IDENTITY_ENDPOINT", ARC_URL, "IMDS_ENDPOINT", \
		"http://localhost:40342", ONLY("ManagedIdentityCredential")
#define ASK_ARC "GET " ARC_URL "?api-version=2019-11-01&" RESOURCE
#define ARC_401(path) \
	{ \
		ASK_ARC, 401, "WWW-Authenticate: Basic realm=" path "\r\n", \
			.words = "\r\nMetadata: true\r\n|!Authorization" \
	}
#define MI ONLY("managedidentitycredential")

static const struct row {
	const char *name;
	const char *vars[16];
	struct act acts[10];
	enum err_kind kind;
	const char *words, *waits;
	const char *who; /* which credential it was */
} rows[] = {
	/* the order */
	{ "a secret comes first",
	  { SP, "AZURE_CLIENT_SECRET", SECRET, "AZURE_CLIENT_CERTIFICATE_PATH",
	    "/no/such", "AZURE_FEDERATED_TOKEN_FILE", "token.jwt", OIDC_VARS },
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY,
	      .words = "client_secret=" SECRET_PCT } },
	  .who = "EnvironmentCredential" },
	{ "a workload identity before a job's token",
	  { SP, "AZURE_FEDERATED_TOKEN_FILE", "token.jwt", OIDC_VARS },
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = ASSERTED JWT ENDS } },
	  .who = "WorkloadIdentityCredential" },
	{ "a job's token before a managed identity",
	  { SP, "ARM_OIDC_TOKEN", " " JWT "\n" },
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = ASSERTED JWT ENDS } },
	  .who = "OidcCredential" },
	{ "a job's token in a file",
	  { SP, "ARM_OIDC_TOKEN_FILE_PATH", "token.jwt" },
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = ASSERTED JWT ENDS } },
	  .who = "OidcCredential" },
	{ "a managed identity when nothing else is set",
	  { "AZURE_SUBSCRIPTION_ID", "S" },
	  { { ASK_IMDS, 200, .body = IMDS_BODY,
	      .words = "\r\nMetadata: true\r\n|!User-Agent" } },
	  .who = "ManagedIdentityCredential" },
	{ "dev leaves that out",
	  { ONLY("dev"), SP, "AZURE_CLIENT_SECRET", SECRET },
	  { { NULL } },
	  ERR_AUTH,
	  "AzureCliCredential: |!Environment|!Managed",
	  "" },
	{ "prod leaves az out",
	  { ONLY("Prod") },
	  { { ASK_IMDS, .then = NO_DIAL } },
	  ERR_AUTH,
	  "OidcCredential: |ManagedIdentityCredential: |!AzureCli",
	  "" },
	{ "one by name, in any case",
	  { ONLY("OIDCcredential"), SP, "AZURE_CLIENT_SECRET", SECRET,
	    "ARM_OIDC_TOKEN", JWT },
	  { GOOD },
	  .who = "OidcCredential" },
	{ "a name that is none",
	  { ONLY("AzurePowerShellCredential") },
	  { { NULL } },
	  ERR_USAGE,
	  "AZURE_TOKEN_CREDENTIALS=\"AzurePowerShellCredential\": expected prod, dev or",
	  "" },
	{ "nothing at all",
	  { NULL },
	  { { ASK_IMDS, .then = NO_DIAL } },
	  ERR_AUTH,
	  "not signed in: 'azswarm login', or see 'azswarm help sign-in'; tried:\n  "
	  "EnvironmentCredential: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"
	  "|AZURE_CLIENT_CERTIFICATE_PATH not set\n  WorkloadIdentityCredential: AZURE_TENANT_ID, "
	  "|\n  OidcCredential: |\n  ManagedIdentityCredential: IMDS: 169.254.169.254: connection refused\n  "
	  "AzureCliCredential: cannot run az: No such file",
	  "" },
	{ "what is half configured",
	  { SP },
	  { { ASK_IMDS "&client_id=client-1", .then = NO_DIAL } },
	  ERR_AUTH,
	  "EnvironmentCredential: AZURE_CLIENT_SECRET|AZURE_CLIENT_CERTIFICATE_PATH not set"
	  "|WorkloadIdentityCredential: AZURE_FEDERATED_TOKEN_FILE not set",
	  "" },
	{ "one that is refused ends the search",
	  { SP, "AZURE_FEDERATED_TOKEN_FILE", "token.jwt", OIDC_VARS },
	  { { ASK_TOKEN, 401,
	      .body = "{\"error\":\"invalid_client\",\"error_description\":\""
		      "AADSTS70021: No matching federated identity record found.\"}" } },
	  ERR_AUTH,
	  "sign-in (WorkloadIdentityCredential): HTTP 401 from " LOGIN
	  ": sign-in refused: invalid_client"
	  ": AADSTS70021: No matching|add a federated credential|!" JWT,
	  "" },

	/* federation */
	{ "a workload token file that is gone",
	  { SP, "AZURE_FEDERATED_TOKEN_FILE", "gone.jwt" },
	  { { NULL } },
	  ERR_IO,
	  "(WorkloadIdentityCredential): AZURE_FEDERATED_TOKEN_FILE: cannot read gone.jwt",
	  "" },
	{ "GitHub Actions",
	  { SP, OIDC_VARS },
	  { { ASK_OIDC, 200, .body = "{\"count\":1234,\"value\":\"" JWT "\"}",
	      .words = "\r\nAuthorization: "
		       "Bearer " HIDDEN "\r\n|\r\nAccept: application/json\r\n" },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY,
	      .words = ASSERTED JWT ENDS "|!" HIDDEN } },
	  .who = "OidcCredential" },
	{ "GitHub Actions, audience given",
	  { SP, "ACTIONS_ID_TOKEN_REQUEST_URL", OIDC "&audience=x",
	    "ACTIONS_ID_TOKEN_REQUEST_TOKEN", HIDDEN },
	  { { "GET " OIDC "&audience=x", 200, .body = "{\"value\":\"" JWT "\"}" },
	    GOOD } },
	{ "GitHub Actions busy",
	  { SP, OIDC_VARS },
	  { { ASK_OIDC, 503 },
	    { ASK_OIDC, 200, .body = "{\"value\":\"" JWT "\"}" },
	    GOOD },
	  .waits = "1" },
	{ "GitHub Actions without the permission",
	  { SP, OIDC_VARS },
	  { { ASK_OIDC, 403, .body = "{\"message\":\"" HIDDEN "\"}" } },
	  ERR_AUTH,
	  "sign-in (OidcCredential): ACTIONS_ID_TOKEN_REQUEST_URL: HTTP 403: does the job have "
	  "'permissions: id-token: write'?",
	  "" },
	{ "GitHub Actions: a token that is no header",
	  { SP, "ACTIONS_ID_TOKEN_REQUEST_URL", OIDC,
	    "ACTIONS_ID_TOKEN_REQUEST_TOKEN", HIDDEN "\nx" },
	  { { NULL } },
	  ERR_DATA,
	  "OidcCredential|control characters in header field Authorization",
	  "" },
	{ "GitHub Actions: 200 and a page",
	  { SP, OIDC_VARS },
	  { { ASK_OIDC, 200, .body = "<html>" } },
	  ERR_DATA,
	  "ACTIONS_ID_TOKEN_REQUEST_URL: sign-in answer: not JSON",
	  "" },
	{ "GitHub Actions without a token",
	  { SP, OIDC_VARS },
	  { { ASK_OIDC, 200, .body = "{}" } },
	  ERR_DATA,
	  "ACTIONS_ID_TOKEN_REQUEST_URL: |value",
	  "" },

	/* IMDS */
	{ "an identity by its client id",
	  { MI, "AZURE_CLIENT_ID", "a b" },
	  { { ASK_IMDS "&client_id=a%20b", 200, .body = IMDS_BODY } } },
	{ "another host for IMDS",
	  { MI, "AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://pod.test:2579" },
	  { { "GET http://pod.test:2579/metadata/identity/oauth2/token?api-version=2018-02-01&" RESOURCE,
	      200, .body = IMDS_BODY } } },
	{ "IMDS that says nothing",
	  { MI },
	  { { ASK_IMDS, .then = SILENCE } },
	  ERR_TIMEOUT,
	  "sign-in (ManagedIdentityCredential): IMDS: ",
	  "" },
	{ "a machine without an identity",
	  { MI },
	  { { ASK_IMDS, 400,
	      .body = "{\"error\":"
		      "\"invalid_request\",\"error_description\":\"Identity not found\"}" } },
	  ERR_AUTH,
	  "not signed in: |ManagedIdentityCredential: IMDS: HTTP 400: Identity not found",
	  "" },
	{ "IMDS that refuses",
	  { MI },
	  { { ASK_IMDS, 403, .body = "{\"error\":\"forbidden\"}" } },
	  ERR_AUTH,
	  "sign-in (ManagedIdentityCredential): IMDS: HTTP 403",
	  "" },
	{ "something else at that address",
	  { MI },
	  { { ASK_IMDS, 403, .body = "<html>" } },
	  ERR_AUTH,
	  "not signed in: |tried:\n  ManagedIdentityCredential: IMDS: HTTP 403",
	  "" },
	{ "a page of something else",
	  { MI },
	  { { ASK_IMDS, 200, .body = "<html>" } },
	  ERR_AUTH,
	  "not signed in: |\n  ManagedIdentityCredential: IMDS: sign-in answer: not JSON",
	  "" },
	{ "IMDS: 404 and 429, by its table",
	  { MI },
	  { { ASK_IMDS, 404 },
	    { ASK_IMDS, 429 },
	    { ASK_IMDS, 404 },
	    { ASK_IMDS, 404 },
	    { ASK_IMDS, 200, .body = IMDS_BODY } },
	  .waits = "2 4 8 16" },
	{ "IMDS: of another cloud",
	  { MI },
	  { { ASK_IMDS, 404, .body = "\n<html>Not Found" } },
	  ERR_AUTH,
	  "HTTP 404",
	  .waits = "" },
	{ "IMDS: 404 for ever",
	  { MI },
	  { { ASK_IMDS, 404, .times = 5 } },
	  ERR_AUTH,
	  "HTTP 404",
	  "2 4 8 16" },
	{ "IMDS: 5xx, and what others take as final",
	  { MI },
	  { { ASK_IMDS, 500 },
	    { ASK_IMDS, 501 },
	    { ASK_IMDS, 408 },
	    { ASK_IMDS, 200, .body = IMDS_BODY } },
	  .waits = "2 4 8" },
	{ "IMDS: upgraded for a minute",
	  { MI },
	  { { ASK_IMDS, 410, .times = 7 }, { ASK_IMDS, 200, .body = IMDS_BODY } },
	  .waits = "10 x7" },
	{ "IMDS: upgraded for ever",
	  { MI },
	  { { ASK_IMDS, 410, .times = 8 } },
	  ERR_AUTH,
	  "HTTP 410",
	  "10 x7" },
	{ "IMDS: Retry-After",
	  { MI },
	  { { ASK_IMDS, 429, "Retry-After: 7\r\n" },
	    { ASK_IMDS, 200, .body = IMDS_BODY } },
	  .waits = "7" },
	{ "IMDS: a connection that breaks",
	  { MI },
	  { { ASK_IMDS, .then = NO_ANSWER }, { ASK_IMDS, 200, .body = IMDS_BODY } },
	  .waits = "500m" },
	{ "IMDS: no token in it",
	  { MI },
	  { { ASK_IMDS, 200, .body = "{\"expires_in\":\"3599\"}" } },
	  ERR_DATA,
	  "IMDS: token answer: access_token",
	  "" },
	{ "IMDS: an end that is no number",
	  { MI },
	  { { ASK_IMDS, 200,
	      .body = "{\"access_token\":\"eyJ0.x\","
		      "\"expires_in\":\"soon\",\"expires_on\":\"later\"}" } },
	  ERR_DATA,
	  "token answer: no expires_in, or not a number|!eyJ0",
	  "" },

	/* the other hosts */
	{ "App Service",
	  { MI, "IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token/",
	    "IDENTITY_HEADER", HIDDEN, "AZURE_CLIENT_ID", "client-1" },
	  { { "GET http://127.0.0.1:41741/msi/token/?api-version=2019-08-01&" RESOURCE
	      "&client_id=client-1",
	      200,
	      .body = "{\"access_token\":\"" TOKEN_2 "\",\"expires_on\":\"1750004599\","
		      "\"resource\":\"" ARM
		      "\",\"token_type\":\"Bearer\",\"client_id\":\"c\"}",
	      .words = "\r\nX-IDENTITY-HEADER: " HIDDEN "\r\n|!Metadata" } } },
	{ "App Service refuses",
	  { MI, "IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token",
	    "IDENTITY_HEADER", HIDDEN },
	  { { "GET http://127.0.0.1:41741/msi/token?api-version=2019-08-01&" RESOURCE,
	      400,
	      .body = "{\"statusCode\":400,\"message\":\"No User Assigned or Delegated Managed Identity\"}" } },
	  ERR_AUTH,
	  "(ManagedIdentityCredential): App Service: HTTP 400: No User Assigned",
	  "" },
	{ "App Service: a secret that is no header",
	  { MI, "IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token",
	    "IDENTITY_HEADER", HIDDEN "\r\nHost: x" },
	  { { NULL } },
	  ERR_DATA,
	  "App Service: control characters in header field X-IDENTITY-HEADER",
	  "" },
	{ "App Service: an endpoint that is no URL",
	  { MI, "IDENTITY_ENDPOINT", "msi/token", "IDENTITY_HEADER", HIDDEN },
	  { { NULL } },
	  ERR_DATA,
	  "App Service: |is no http or https URL",
	  "" },
	{ "old App Service, whose time has no form",
	  { MI, "MSI_ENDPOINT", "http://127.0.0.1:41741/MSI/token/",
	    "MSI_SECRET", HIDDEN, "AZURE_CLIENT_ID", "client-1" },
	  { { "GET http://127.0.0.1:41741/MSI/token/?api-version=2017-09-01&" RESOURCE
	      "&clientid=client-1",
	      /* the payload says {"exp":1750004599} */
	      200,
	      .body = "{\"access_token\":\"eyJ0.eyJleHAiOjE3NTAwMDQ1OTl9.x\",\"expires_on\":"
		      "\"06/15/2025 16:23:19 +00:00\"}",
	      .words = "\r\nsecret: " HIDDEN "\r\n" } } },
	{ "Cloud Shell",
	  { MI, "MSI_ENDPOINT", "http://localhost:50342/oauth2/token" },
	  { { "POST http://localhost:50342/oauth2/token", 200, .body = IMDS_BODY,
	      .words = "\r\nMetadata: true\r\n|\r\nContent-Type: application/x-www-form-urlencoded\r\n|\r\n\r\n" RESOURCE } } },
	{ "Service Fabric",
	  { MI, "IDENTITY_ENDPOINT", "https://localhost:2377/metadata",
	    "IDENTITY_HEADER", HIDDEN, "IDENTITY_SERVER_THUMBPRINT", "00" },
	  { { NULL } },
	  ERR_AUTH,
	  "ManagedIdentityCredential: Service Fabric is not supported",
	  "" },
	{ "Arc: a key elsewhere",
	  { ARC },
	  { ARC_401("/etc/shadow.key") },
	  ERR_PROTO,
	  "Azure Arc: a challenge that names /etc/shadow.key, not a key in /var/opt/azcmagent/tokens/",
	  "" },
	{ "Arc: a way out",
	  { ARC },
	  { ARC_401("/var/opt/azcmagent/tokens/../x.key") },
	  ERR_PROTO,
	  "not a key in",
	  "" },
	{ "Arc: no key",
	  { ARC },
	  { ARC_401("/var/opt/azcmagent/tokens/x.txt") },
	  ERR_PROTO,
	  "not a key in",
	  "" },
	{ "Arc: another challenge",
	  { ARC },
	  { { ASK_ARC, 401, "WWW-Authenticate: Bearer realm=x\r\n" } },
	  ERR_PROTO,
	  "a challenge that names no file",
	  "" },
	{ "Arc: no challenge",
	  { ARC },
	  { { ASK_ARC, 401 } },
	  ERR_PROTO,
	  "names no file",
	  "" },
	{ "Arc: a key that is not there",
	  { ARC },
	  { ARC_401("/var/opt/azcmagent/tokens/none.key") },
	  ERR_IO,
	  "Azure Arc: cannot read /var/opt/azcmagent/tokens/none.key",
	  "" },

/* what to do */
#define REFUSED(number) \
	{ \
		ASK_TOKEN, 401, \
			.body = "{\"error\":\"e\",\"error_description\":\"AADSTS" number \
				": Text.\\r\\nTrace ID: t\",\"trace_id\":\"t-1\",\"correlation_id\":\"c-1\"}" \
	}
#define SECRET_VARS \
	{ \
		SP, "AZURE_CLIENT_SECRET", SECRET \
	}
	{ "expired secret",
	  SECRET_VARS,
	  { REFUSED("7000222") },
	  ERR_AUTH,
	  "AADSTS7000222: Text. (trace t-1, correlation c-1); make a new client secret",
	  "" },
	{ "wrong secret",
	  SECRET_VARS,
	  { REFUSED("7000215") },
	  ERR_AUTH,
	  "; AZURE_CLIENT_SECRET has to be",
	  "" },
	{ "application elsewhere",
	  SECRET_VARS,
	  { REFUSED("700016") },
	  ERR_AUTH,
	  "; is AZURE_CLIENT_ID",
	  "" },
	{ "tenant not found",
	  SECRET_VARS,
	  { REFUSED("90002") },
	  ERR_AUTH,
	  "; is AZURE_TENANT_ID right",
	  "" },
	{ "consent",
	  SECRET_VARS,
	  { REFUSED("65001") },
	  ERR_AUTH,
	  "; an administrator has to consent",
	  "" },
	{ "policy",
	  SECRET_VARS,
	  { REFUSED("53003") },
	  ERR_AUTH,
	  "Conditional Access policy",
	  "" },
	{ "second factor",
	  SECRET_VARS,
	  { REFUSED("50076") },
	  ERR_AUTH,
	  "azswarm login",
	  "" },
	{ "refresh token ended",
	  SECRET_VARS,
	  { REFUSED("700082") },
	  ERR_AUTH,
	  "azswarm login",
	  "" },
	{ "a clock", SECRET_VARS, { REFUSED("700024") }, ERR_AUTH, "; set the clock", "" },
	{ "a number nobody knows",
	  SECRET_VARS,
	  { REFUSED("1") },
	  ERR_AUTH,
	  "AADSTS1: Text. (trace|!;",
	  "" },
};

static void chain_open(struct rig *g, const struct act *acts,
		       const char *const *vars, const char *authority)
{
	struct http_dialer dialer;

	rig_open(g, acts, NULL);
	entra_release(&g->entra);
	dialer = (struct http_dialer){ double_dial, &g->d };
	entra_init(&g->entra, &(struct entra_options){
				      .authority = authority ? authority : LOGIN,
				      .scope = ARM "/.default",
				      .adfs = authority != NULL &&
					      strstr(authority, "/adfs") != NULL,
				      .dialer = dialer,
				      .local = dialer,
				      .var = rig_var,
				      .ctx = (void *)(uintptr_t)vars,
			      });
}

static void run_row(const struct row *row)
{
	struct buf why = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	const char *token = NULL;
	struct entra_who who;
	struct rig g;
	int rc;

	chain_open(&g, row->acts, row->vars, NULL);
	rc = entra_token(&g.entra, &token, &e);
	if (!double_content(&g.d, &why))
		;
	else if (rc != (row->kind == ERR_NONE ? 0 : -1) || e.kind != row->kind)
		buf_addf(&why, "rc %d, kind %d not %d: %s", rc, e.kind,
			 row->kind, e.msg);
	else if (row->words != NULL && !holds(e.msg, row->words, &why))
		;
	else if (row->waits != NULL && !waits_were(row->waits, &why))
		;
	else if (!keeps_secrets(e.msg) || strstr(e.msg, HIDDEN) != NULL ||
		 strstr(e.msg, JWT) != NULL)
		buf_addf(&why, "a secret in the message: %s", e.msg);
	else if (rc == 0 && g.entra.expires_on - unix_time() > 3599)
		buf_adds(&why, "another end of life");
	else if (rc == 0 && row->who != NULL &&
		 (entra_who(&g.entra, &who, &e) < 0 ||
		  strcmp(who.credential, row->who) != 0))
		buf_addf(&why, "it was %s", who.credential);
	check_why(row->name, why.str);
	buf_release(&why);
	rig_close(&g);
}

static void spill(const char *path, const char *text, unsigned mode)
{
	struct err e = ERR_INIT;

	if (file_write(path, str_of(text), mode, &e) < 0) {
		check_give_up("spill", "%s", e.msg);
	}
}

/* The file is another one the second time. */
static void run_rotation(void)
{
	static const char *const vars[] = { SP, "AZURE_FEDERATED_TOKEN_FILE",
					    "rotated.jwt", NULL };
	static const struct act acts[] = {
		{ ASK_TOKEN, 200, .body = TOKEN_2_BODY,
		  .words = "client_assertion=first&" },
		{ ASK_TOKEN, 200, .body = TOKEN_2_BODY,
		  .words = "client_assertion=second&" },
		{ ASK_TOKEN, 200, .body = TOKEN_2_BODY,
		  .words = "&claims=%7B%22access_token%22%3A1%7D" },
		{ NULL }
	};
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	chain_open(&g, acts, vars, NULL);
	spill("rotated.jwt", "first\n", 0600);
	entra_token(&g.entra, &token, &e);
	spill("rotated.jwt", "second\n", 0600);
	entra_forget(&g.entra);
	entra_token(&g.entra, &token, &e);
	/* and claims are carried, once */
	if (entra_challenge(&g.entra, "{\"access_token\":1}", &e) < 0 ||
	    g.entra.token != NULL)
		buf_addf(&why, "a token in spite of the challenge: %s", e.msg);
	entra_token(&g.entra, &token, &e);
	double_content(&g.d, &why);
	if (why.n == 0 && g.entra.claims != NULL)
		buf_adds(&why, "claims are kept");
	check_why("federated tokens are read again, claims are carried", why.str);
	buf_release(&why);
	rig_close(&g);
}

/* Somebody else's identity is asked for only once that one was chosen. */
static void run_no_change(void)
{
	static const char *vars[] = { SP, "AZURE_CLIENT_SECRET", SECRET, NULL };
	static const struct act acts[] = { GOOD, { NULL } };
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	chain_open(&g, acts, vars, NULL);
	entra_token(&g.entra, &token, &e);
	vars[5] = "";
	entra_forget(&g.entra);
	check(entra_token(&g.entra, &token, &e) < 0 &&
		      strstr(e.msg,
			     "tried:\n  EnvironmentCredential: AZURE_CLIENT_SECRET") !=
			      NULL &&
		      strstr(e.msg, "Managed") == NULL,
	      "who we are does not change", e.msg);
	vars[5] = SECRET;
	rig_close(&g);
}

/* Arc, with a key where it has to be: only root can put one there. */
static void run_arc(void)
{
	static const char *const vars[] = { ARC, NULL };
	static const struct act acts[] = {
		ARC_401("/var/opt/azcmagent/tokens/azswarm-test.key"),
		{ ASK_ARC, 200, .body = IMDS_BODY,
		  .words = "\r\nAuthorization: Basic key-of-arc\r\n|\r\nMetadata: true\r\n" },
		{ NULL }
	};
	const char *dir = "/var/opt/azcmagent/tokens",
		   *path = "/var/opt/azcmagent/tokens/azswarm-test.key";
	char big[4098];
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	if (file_exists("/var/opt/azcmagent") || dir_make(dir, 0755, &e) < 0) {
		check_skip("Arc: the key is read", "cannot make %s", dir);
		return;
	}
	spill(path, "key-of-arc", 0600);
	chain_open(&g, acts, vars, NULL);
	if (entra_token(&g.entra, &token, &e) < 0)
		buf_adds(&why, e.msg);
	double_content(&g.d, &why);
	check_why("Arc: the key is read", why.str);
	rig_close(&g);

	memset(big, 'k', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	spill(path, big, 0600);
	chain_open(&g, acts, vars, NULL);
	err_clear(&e);
	check(entra_token(&g.entra, &token, &e) < 0 &&
		      strstr(e.msg, "4096") != NULL &&
		      strstr(e.msg, "kkk") == NULL,
	      "Arc: a key of 4097 bytes", e.msg);
	rig_close(&g);
	err_clear(&e);
	dir_remove("/var/opt/azcmagent", &e);
	buf_release(&why);
}

/* az, as a program of ours that answers as `az account get-access-token` does;
 * tests/conformance asks the real one. */
static void run_az(void)
{
	static const struct az_row {
		const char *name, *script, *vars[6];
		enum err_kind kind;
		const char *words, *args;
		int64_t left; /* of the token, s */
	} az[] = {
		{ "az",
		  "echo '{\"accessToken\":\"" TOKEN_2
		  "\",\"expiresOn\":\"2025-06-15 17:23:20.000000\","
		  "\"expires_on\":1750004599,\"subscription\":\"S-1\",\"tenant\":\"t\",\"tokenType\":\"Bearer\"}'",
		  { NULL },
		  .args = "account get-access-token --only-show-errors --output=json --resource " ARM
			  "\n",
		  .left = 3599 },
		{ "az of a subscription, with a warning in front",
		  "echo 'WARNING: old' >&2; "
		  "echo '{\"accessToken\":\"" TOKEN_2
		  "\",\"expires_on\":1750004599}'",
		  { "AZURE_SUBSCRIPTION_ID", "S-2", "AZURE_TENANT_ID", "t" },
		  .args = "--resource " ARM " --subscription=S-2\n",
		  .left = 3599 },
		{ "az that warns behind it",
		  "echo '{\"accessToken\":\"" TOKEN_2
		  "\",\"expires_on\":1750004599}'; "
		  "echo 'Exception ignored in: <_io.TextIOWrapper>' >&2",
		  { NULL },
		  .left = 3599 },
		{ "az of a tenant, before 2.54",
		  "echo '{\"accessToken\":\"eyJ0.eyJleHAiOjE3NTAwMDQ1OTl9.x\","
		  "\"expiresOn\":\"2025-06-15 17:23:20.000000\"}'",
		  { "AZURE_TENANT_ID", "t-1" },
		  .args = "--resource " ARM " --tenant=t-1\n",
		  .left = 3599 },
		{ "az that nobody signed in to",
		  "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
		  { NULL },
		  ERR_AUTH,
		  "not signed in: |AzureCliCredential: az: ERROR: Please run 'az login' to "
		  "setup account." },
		{ "az that says something else",
		  "echo hello",
		  { NULL },
		  ERR_AUTH,
		  "AzureCliCredential: az: not JSON" },
		{ "az that says nothing",
		  "exit 0",
		  { NULL },
		  ERR_AUTH,
		  "AzureCliCredential: az: not JSON" },
		{ "az without a token",
		  "echo '{}'",
		  { NULL },
		  ERR_AUTH,
		  "token answer: accessToken" },
		{ "az that takes too long",
		  "sleep 60",
		  { NULL },
		  ERR_AUTH,
		  "AzureCliCredential: az: not finished in time" },
		{ "az that is killed",
		  "kill -9 $$",
		  { NULL },
		  ERR_AUTH,
		  "AzureCliCredential: az" },
	};
	static const struct act none[] = { { NULL } };
	char cwd[512], *path, *old = xstrdup(getenv("PATH"));

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		exit(1);
	path = xasprintf("%s:%s", cwd, old);
	setenv("PATH", path, 1);
	for (size_t i = 0; i < sizeof(az) / sizeof(*az); i++) {
		const char *vars[10] = { ONLY("AzureCliCredential") };
		struct buf why = BUF_INIT(8192), args = BUF_INIT(4096);
		struct err e = ERR_INIT;
		const char *token;
		char *text = xasprintf("#!/bin/sh\necho \"$@\" >az.args\n%s\n",
				       az[i].script);
		struct rig g;
		int rc;

		memcpy(vars + 2, az[i].vars, sizeof(az[i].vars));
		spill("az", text, 0755);
		chain_open(&g, none, vars, NULL);
		fake.poll_ms = strstr(az[i].script, "sleep") == NULL ? 10000 : 0;
		rc = entra_token(&g.entra, &token, &e);
		if (e.kind != az[i].kind)
			buf_addf(&why, "rc %d, kind %d not %d: %s", rc, e.kind,
				 az[i].kind, e.msg);
		else if (az[i].words != NULL)
			holds(e.msg, az[i].words, &why);
		if (az[i].args != NULL && (file_read("az.args", &args, &e) < 0 ||
					   strstr(args.str, az[i].args) == NULL))
			buf_addf(&why, "asked with %s", args.str);
		if (rc == 0 && g.entra.expires_on != unix_time() + az[i].left)
			buf_adds(&why, "another end of life");
		if (i == 0 && (g.entra.subscription == NULL ||
			       strcmp(g.entra.subscription, "S-1") != 0))
			buf_adds(&why, "no subscription");
		if (i == 0) {
			if (entra_challenge(&g.entra, "{\"a\":1}", &e) == 0 ||
			    strstr(e.msg,
				   "az login --claims-challenge eyJhIjoxfQ==") ==
				    NULL)
				buf_addf(&why, "a challenge: %s", e.msg);
		}
		check_why(az[i].name, why.str);
		buf_release(&why);
		buf_release(&args);
		free(text);
		rig_close(&g);
	}
	setenv("PATH", old, 1);
	free(path);
	free(old);
}

/* ADFS: another path, resource in place of scope. */
static void run_adfs(void)
{
	static const char *const vars[] = { SP, "AZURE_CLIENT_SECRET", SECRET,
					    NULL };
	static const struct act acts[] = {
		{ "POST " LOGIN "/adfs/oauth2/token", 200, .body = TOKEN_2_BODY,
		  .words = "&client_id=client-1&" RESOURCE "|!scope=" },
		{ NULL }
	};
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	chain_open(&g, acts, vars, LOGIN "/adfs");
	if (entra_token(&g.entra, &token, &e) < 0)
		buf_adds(&why, e.msg);
	double_content(&g.d, &why);
	check_why("ADFS", why.str);
	buf_release(&why);
	rig_close(&g);
}

/* GitHub's tokens are for one cloud each. */
static void run_sovereign(void)
{
	static const char *const vars[] = { SP, OIDC_VARS, NULL };
	static const struct {
		const char *authority;
		struct act acts[3];
	} clouds[] = {
		{ "https://login.test.us",
		  { { ASK_OIDC "USGov", 200, .body = "{\"value\":\"" JWT "\"}" },
		    { "POST https://login.test.us/tenant-1/oauth2/v2.0/token",
		      200, .body = TOKEN_2_BODY } } },
		{ "https://login.test.cn",
		  { { ASK_OIDC "China", 200, .body = "{\"value\":\"" JWT "\"}" },
		    { "POST https://login.test.cn/tenant-1/oauth2/v2.0/token",
		      200, .body = TOKEN_2_BODY } } },
	};

	for (size_t i = 0; i < sizeof(clouds) / sizeof(*clouds); i++) {
		struct buf why = BUF_INIT(4096);
		struct err e = ERR_INIT;
		const char *token;
		struct rig g;

		chain_open(&g, clouds[i].acts, vars, clouds[i].authority);
		if (entra_token(&g.entra, &token, &e) < 0)
			buf_adds(&why, e.msg);
		double_content(&g.d, &why);
		check_why(i ? "GitHub Actions, China" :
			      "GitHub Actions, US Government",
			  why.str);
		buf_release(&why);
		rig_close(&g);
	}
}

/* What a token says of its owner, and one that says nothing. */
static void run_who(void)
{
	static const struct {
		const char *name, *claims, *who, *tenant, *object;
		bool user;
	} whos[] = {
		{ "a user",
		  "{\"upn\":\"a@b.test\",\"unique_name\":\"x\",\"tid\":\"t-1\",\"oid\":\"o-1\","
		  "\"idtyp\":\"user\"}",
		  "a@b.test", "t-1", "o-1", true },
		{ "an application",
		  "{\"app_displayname\":\"robot\",\"appid\":\"i\",\"tid\":\"t-1\",\"oid\":\"o-2\","
		  "\"idtyp\":\"app\"}",
		  "robot", "t-1", "o-2", false },
		{ "an application without a name", "{\"appid\":\"i-1\"}", "i-1",
		  "", "", false },
		{ "no claims", "[]", "", "", "", false },
		{ "not JSON", "eyJ0", "", "", "", false },
	};
	static const char *const vars[] = { SP, "AZURE_CLIENT_SECRET", SECRET,
					    NULL };

	for (size_t i = 0; i < sizeof(whos) / sizeof(*whos); i++) {
		struct buf body = BUF_INIT(8192);
		struct err e = ERR_INIT;
		struct entra_who who;
		char name[80];
		struct rig g;

		buf_adds(&body, "{\"expires_in\":3599,\"access_token\":\"eyJ0.");
		buf_add_base64url(&body, whos[i].claims, strlen(whos[i].claims));
		buf_adds(&body, ".x\"}");
		chain_open(&g,
			   (const struct act[]){
				   { ASK_TOKEN, 200, .body = body.str },
				   { NULL } },
			   vars, NULL);
		snprintf(name, sizeof(name), "who: %s", whos[i].name);
		check_why(name,
			  entra_who(&g.entra, &who, &e) < 0 ? e.msg :
			  strcmp(who.name, whos[i].who) ||
					  strcmp(who.tenant, whos[i].tenant) ||
					  strcmp(who.object_id, whos[i].object) ||
					  who.user != whos[i].user ||
					  strcmp(who.credential,
						 "EnvironmentCredential") ||
					  who.expires_on != unix_time() + 3599 ?
							      who.name :
							      "");
		rig_close(&g);
		buf_release(&body);
	}
}

static int64_t patience_ms;

static struct stream *dial_nobody(void *ctx, bool tls, const char *host,
				  unsigned port, int64_t deadline_ms,
				  struct err *e)
{
	(void)ctx, (void)tls, (void)host, (void)port;
	patience_ms = deadline_ms - now_ms();
	fake.now = deadline_ms;
	err_set(e, ERR_TIMEOUT, "timed out");
	return NULL;
}

/* Where packets vanish: one second, once, and on to the next. */
static void run_probe(void)
{
	static const char *const vars[] = { ONLY("prod"), NULL };
	static const struct act none[] = { { NULL } };
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	chain_open(&g, none, vars, NULL);
	g.entra.o.local = (struct http_dialer){ dial_nobody, NULL };
	check(entra_token(&g.entra, &token, &e) < 0 && e.kind == ERR_AUTH &&
		      strstr(e.msg, "ManagedIdentityCredential: IMDS: timed out") !=
			      NULL &&
		      patience_ms == 1000 && fake.now == 1001000 &&
		      fake.n_waits == 0,
	      "IMDS: a second, and no more", e.msg);
	rig_close(&g);
}

int main(void)
{
	char dir[] = "entra.XXXXXX";
	struct err e = ERR_INIT;

	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		return 1;
	spill("token.jwt", " " JWT "\n", 0600);
	{
		char *path = xstrdup(getenv("PATH"));

		setenv("PATH", "/nowhere", 1); /* no az of this machine */
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			run_row(&rows[i]);
		setenv("PATH", path, 1);
		free(path);
	}
	run_rotation();
	run_no_change();
	run_arc();
	run_az();
	run_adfs();
	run_sovereign();
	run_who();
	run_probe();
	if (chdir("..") == 0)
		dir_remove(dir, &e);
	return check_failed();
}
