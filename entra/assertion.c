/*
 * Credentials that a program brings along: a secret, a certificate, or a
 * token that another issuer gave and that Entra ID trusts (federation).  All
 * but the first prove themselves with a JWT in place of the secret (RFC 7523).
 */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "entra/inner.h"
#include "tls/tls.h"

#define PEM_MAX (256u << 10)
#define ASSERTION_S 600 /* how long one is good: MSAL's */

/* A member whose value is base64url. */
static void add_hash(struct buf *b, const char *name, const uint8_t *hash,
		     size_t n)
{
	buf_addf(b, ",\"%s\":\"", name);
	buf_add_base64url(b, hash, n);
	buf_addc(b, '"');
}

/* {"alg":...} for the certificate of that key, which the text holds, too. */
static int jwt_header(struct str pem, bool ps256, bool send_chain,
		      struct buf *b, struct err *e)
{
	struct buf der = BUF_INIT(PEM_MAX), leaf = BUF_INIT(PEM_MAX),
		   others = BUF_INIT(PEM_MAX);
	uint8_t key[SHA256_LEN], pin[SHA256_LEN], hash[SHA256_LEN];
	struct str rest = pem;
	int rc = -1, found;

	if (key_pin(pem, key, e) < 0)
		goto out;
	while ((found = cert_next(&rest, &der, pin, e)) > 0) {
		bool ours = leaf.n == 0 && same_bytes(pin, key, sizeof(key));
		struct buf *to = ours ? &leaf : &others;

		buf_adds(to, ours ? "\"" : ",\"");
		buf_add_base64(to, der.str, der.n);
		buf_addc(to, '"');
		if (ours && ps256)
			sha256(der.str, der.n, hash);
		else if (ours)
			sha1(der.str, der.n, hash);
	}
	if (found < 0)
		goto out;
	if (leaf.n == 0) {
		err_set(e, ERR_DATA, "no certificate of its private key");
		goto out;
	}
	buf_addf(b, "{\"alg\":\"%s\",\"typ\":\"JWT\"", ps256 ? "PS256" : "RS256");
	add_hash(b, ps256 ? "x5t#S256" : "x5t", hash, ps256 ? sizeof(hash) : 20);
	if (send_chain)
		buf_addf(b, ",\"x5c\":[%s%s]", leaf.str, others.str);
	buf_addc(b, '}');
	rc = buf_check(b, "certificate chain", e);
out:
	buf_release(&der);
	buf_release(&leaf);
	buf_release(&others);
	return rc;
}

/* The JWT of a client certificate ("certificate credentials", learn.microsoft.com). */
static int certificate_assertion(struct entra *en, struct buf *jwt, struct err *e)
{
	const char *path = entra_var(en, "AZURE_CLIENT_CERTIFICATE_PATH");
	struct str chain =
		str_of(entra_var(en, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"));
	struct str alg = str_of(entra_var(en, "AZURE_CLIENT_CERTIFICATE_ALG")),
		   pem;
	struct buf text = BUF_INIT(PEM_MAX), part = BUF_INIT(PEM_MAX),
		   sig = BUF_INIT(1024);
	bool ps256 = alg.n > 0 ? str_ieqz(alg, "PS256") : !en->o.adfs;
	long long now = (long long)unix_time();
	char jti[37];
	int rc = -1;

	if (file_read(path, &text, e) < 0)
		goto out;
	pem = buf_str(&text);
	if (jwt_header(pem, ps256, str_eqz(chain, "1") || str_ieqz(chain, "true"),
		       &part, e) < 0)
		goto out;
	buf_add_base64url(jwt, part.str, part.n);
	buf_reset(&part);
	random_guid(jti);
	buf_adds(&part, "{\"aud\":\"");
	entra_url(en, "token", &part);
	buf_adds(&part, "\",\"iss\":\"");
	buf_add_json(&part, str_of(entra_var(en, "AZURE_CLIENT_ID")));
	buf_adds(&part, "\",\"sub\":\"");
	buf_add_json(&part, str_of(entra_var(en, "AZURE_CLIENT_ID")));
	buf_addf(&part,
		 "\",\"jti\":\"%s\",\"nbf\":%lld,\"iat\":%lld,\"exp\":%lld}",
		 jti, now, now, now + ASSERTION_S);
	buf_addc(jwt, '.');
	buf_add_base64url(jwt, part.str, part.n);
	if (key_sign_rsa(pem, ps256, buf_str(jwt), &sig, e) < 0)
		goto out;
	buf_addc(jwt, '.');
	buf_add_base64url(jwt, sig.str, sig.n);
	rc = 0;
out:
	if (rc < 0 && text.n > 0 && text.str[0] == 0x30) {
		err_clear(e);
		err_set(e, ERR_DATA,
			"PKCS #12 (PFX) cannot be read, PEM can: "
			"'openssl pkcs12 -in %s -nodes -out NEW.pem'",
			path);
	} else if (rc < 0 && str_find(buf_str(&text), STR("ENCRYPTED")) >= 0) {
		err_clear(e);
		err_set(e, ERR_DATA,
			"the key has a passphrase: "
			"'openssl pkey -in %s -out NEW.pem', then append the certificate",
			path);
	}
	if (rc < 0)
		err_in(e, "AZURE_CLIENT_CERTIFICATE_PATH");
	buf_burn(&text);
	buf_release(&part);
	buf_release(&sig);
	return rc;
}

/* A token request that is proven by this JWT; burns it. */
static int ask_with(struct entra *en, struct buf *jwt, struct err *e)
{
	struct buf form = BUF_INIT(2 * ENTRA_ANSWER_MAX);
	char *trimmed = str_dup(str_trim(buf_str(jwt)));
	int rc;

	form_add(&form, "grant_type", "client_credentials");
	form_add(&form, "client_assertion_type",
		 "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	form_add(&form, "client_assertion", trimmed);
	burn_str(trimmed);
	rc = buf_check(jwt, "assertion", e) < 0 ? -1 : entra_ask(en, &form, e);
	buf_burn(jwt);
	return rc;
}

int get_environment(struct entra *en, struct err *e)
{
	struct buf jwt = BUF_INIT(ENTRA_ANSWER_MAX),
		   form = BUF_INIT(ENTRA_ANSWER_MAX);
	const char *secret = entra_var(en, "AZURE_CLIENT_SECRET");

	if (*secret != '\0') {
		form_add(&form, "grant_type", "client_credentials");
		form_add(&form, "client_secret", secret);
		return entra_ask(en, &form, e);
	}
	return certificate_assertion(en, &jwt, e) < 0 ? -1 :
							ask_with(en, &jwt, e);
}

/* Read again for every request: whoever wrote it replaces it before it ends. */
static int ask_with_file(struct entra *en, const char *variable, struct err *e)
{
	const char *path = entra_var(en, variable);
	struct buf jwt = BUF_INIT(ENTRA_ANSWER_MAX);

	if (file_read(path, &jwt, e) < 0) {
		buf_burn(&jwt);
		return err_in(e, "%s", variable);
	}
	return ask_with(en, &jwt, e);
}

int get_workload(struct entra *en, struct err *e)
{
	return ask_with_file(en, "AZURE_FEDERATED_TOKEN_FILE", e);
}

/* The token of a GitHub Actions job ("permissions: id-token: write"). */
static int github_token(struct entra *en, struct buf *jwt, struct err *e)
{
	const char *asked = entra_var(en, "ACTIONS_ID_TOKEN_REQUEST_URL"), *value;
	const char *bearer = entra_var(en, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	struct str host = str_of(en->o.authority);
	const char *cloud = str_ends(host, STR(".us")) ? "USGov" :
			    str_ends(host, STR(".cn")) ? "China" :
							 "";
	struct buf url = BUF_INIT(8192), auth = BUF_INIT(ENTRA_ANSWER_MAX);
	const char *fields[] = { NULL, "Accept: application/json", NULL };
	struct http_request q = { .method = "GET", .fields = fields };
	struct http_client c;
	cJSON *doc = NULL;
	int status;

	http_client_init(&c, en->o.dialer, NULL);
	c.watch = en->http.watch;
	buf_adds(&url, asked);
	if (str_find(buf_str(&url), STR("audience=")) < 0) {
		buf_addc(&url, strchr(asked, '?') ? '&' : '?');
		buf_adds(&url, "audience=api%3A%2F%2FAzureADTokenExchange");
		buf_adds(&url, cloud);
	}
	buf_addf(&auth, "Authorization: Bearer %s", bearer);
	fields[0] = auth.str;
	q.url = url.str;
	status = entra_fetch(en, &c, &q, false, &doc, NULL, e);
	if (status == 200 && (value = json_str(doc, "value", e)) != NULL)
		buf_adds(jwt, value);
	else if (status > 0)
		err_set(e, ERR_AUTH,
			"HTTP %d: does the job have 'permissions: id-token: write'?",
			status);
	json_burn(doc);
	http_client_release(&c);
	buf_burn(&url);
	buf_burn(&auth);
	return jwt->n > 0 ? 0 : err_in(e, "ACTIONS_ID_TOKEN_REQUEST_URL");
}

int get_oidc(struct entra *en, struct err *e)
{
	struct buf jwt = BUF_INIT(ENTRA_ANSWER_MAX);

	if (*entra_var(en, "ARM_OIDC_TOKEN_FILE_PATH") != '\0' &&
	    *entra_var(en, "ARM_OIDC_TOKEN") == '\0')
		return ask_with_file(en, "ARM_OIDC_TOKEN_FILE_PATH", e);
	buf_adds(&jwt, entra_var(en, "ARM_OIDC_TOKEN"));
	if (jwt.n == 0 && github_token(en, &jwt, e) < 0) {
		buf_burn(&jwt);
		return -1;
	}
	return ask_with(en, &jwt, e);
}
