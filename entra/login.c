/*
 * Sign-in of a person: in a browser, by an authorization code that comes back
 * to a port of ours, or by a code typed elsewhere; and what is kept of it, in
 * a 0600 file beside the token cache.
 *
 * Source: RFC 6749 4.1, RFC 7636 (PKCE), RFC 8252 7.3 (loopback), RFC 8628
 * (device code); "OAuth 2.0 device authorization grant", "OAuth 2.0 and OpenID
 * Connect authorization code flow" (learn.microsoft.com).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/net.h"
#include "base/run.h"
#include "entra/inner.h"

/* The Azure CLI's id: a public client that every tenant knows. */
#define AZURE_CLI "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
#define PAGE_HEAD "<!DOCTYPE html><title>azswarm</title><p>"
#define ANY_TENANT "organizations"
#define LOGIN_MAX (64u << 10)
#define BROWSER_LIMIT_S 300
#define DEVICE_LIMIT_S 900
#define VISIT_MS 5000 /* browsers connect before they have something to say */
#define TICK_MS 1000

/* ---- what is kept ---- */

static char *login_path(const struct entra *en)
{
	const char *tokens = en->o.cache_path,
		   *slash = tokens ? strrchr(tokens, '/') : NULL;

	return slash ? xasprintf("%.*s/login.json", (int)(slash - tokens), tokens) :
		       NULL;
}

/* {"logins":[...]}, whatever was in the file. */
static cJSON *logins_load(const struct entra *en)
{
	struct buf text = BUF_INIT(LOGIN_MAX);
	struct err ignored = ERR_INIT;
	char *path = login_path(en);
	cJSON *doc = NULL;

	if (path != NULL && file_exists(path) &&
	    file_read(path, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), path, &ignored);
	buf_burn(&text);
	free(path);
	if (!cJSON_IsArray(json_get(doc, "logins"))) {
		json_burn(doc);
		doc = cJSON_CreateObject();
		json_add_arr(doc, "logins");
	}
	return doc;
}

/* The one sign-in at this authority; NULL when there is none. */
static cJSON *login_of(const struct entra *en, const cJSON *doc)
{
	cJSON *login;

	cJSON_ArrayForEach(login, json_get(doc, "logins"))
		if (strcmp(json_str_opt(login, "authority", ""),
			   en->o.authority) == 0)
			return login;
	return NULL;
}

static int logins_save(const struct entra *en, const cJSON *doc, struct err *e)
{
	struct buf text = BUF_INIT(LOGIN_MAX);
	char *path = login_path(en), *dir;
	int rc = -1;

	dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	json_print(doc, &text);
	if (buf_check(&text, "login.json", e) == 0 && dir_make(dir, 0700, e) == 0)
		rc = file_write(path, buf_str(&text), 0600, e);
	buf_burn(&text);
	free(path);
	free(dir);
	return rc;
}

static void set_str(cJSON *obj, const char *name, const char *v)
{
	json_set(obj, name, cJSON_CreateString(v));
}

char *entra_login_subscription(const struct entra *en)
{
	cJSON *doc = logins_load(en);
	const char *id = json_str_opt(login_of(en, doc), "subscription", NULL);
	char *copy = id != NULL ? xstrdup(id) : NULL;

	json_burn(doc);
	return copy;
}

int entra_login_choose(struct entra *en, const char *subscription, struct err *e)
{
	cJSON *doc = logins_load(en), *login = login_of(en, doc);
	int rc = 0;

	if (login != NULL) {
		set_str(login, "subscription", subscription);
		rc = logins_save(en, doc, e);
	}
	json_burn(doc);
	return rc;
}

int entra_logout(struct entra *en, char **name, struct err *e)
{
	cJSON *doc = logins_load(en), *logins = json_get_mut(doc, "logins");
	cJSON *login = login_of(en, doc);
	char *path = login_path(en);
	int rc = 0;

	*name = NULL;
	if (login != NULL) {
		*name = xstrdup(json_str_opt(login, "name", ""));
		json_burn(cJSON_DetachItemViaPointer(logins, login));
	}
	/* nobody else's is in it, or it cannot be read: a token may still be */
	if (logins->child == NULL) {
		if (path != NULL && unlink(path) < 0 && errno != ENOENT)
			rc = err_sys(e, ERR_IO, "cannot remove %s", path);
	} else if (*name != NULL) {
		rc = logins_save(en, doc, e);
	}
	free(path);
	/* the tokens, too, whoever got them: they can be had again */
	if (en->o.cache_path != NULL)
		unlink(en->o.cache_path);
	json_burn(doc);
	return rc;
}

/* ---- tokens ---- */

static void add_scope(const struct entra *en, struct buf *form)
{
	char *scope = xasprintf("%s offline_access openid profile", en->o.scope);

	form_add(form, "scope", scope);
	free(scope);
	if (en->claims != NULL)
		form_add(form, "claims", en->claims);
}

/* The tenant of the URL for as long as this takes; what goes back is the old one. */
static char *swap_tenant(struct entra *en, const char *tenant)
{
	char *old = en->tenant;

	en->tenant = xstrdup(tenant);
	return old;
}

static void back_tenant(struct entra *en, char *old)
{
	free(en->tenant);
	en->tenant = old;
}

/* The next refresh token in place of the one that was used.  Whoever signed in or out
 * meanwhile, in another process, has done so for good. */
static void keep_next(const struct entra *en, const char *used, const char *next)
{
	cJSON *doc = logins_load(en), *login = login_of(en, doc);
	struct err ignored = ERR_INIT;

	/* a disk that refuses is told when it matters, the next time */
	if (next != NULL &&
	    strcmp(json_str_opt(login, "refresh_token", ""), used) == 0) {
		set_str(login, "refresh_token", next);
		logins_save(en, doc, &ignored);
	}
	json_burn(doc);
}

int get_login(struct entra *en, struct err *e)
{
	struct buf form = BUF_INIT(ENTRA_ANSWER_MAX), b64 = BUF_INIT(8192);
	cJSON *doc = logins_load(en), *login = login_of(en, doc), *answer = NULL;
	const char *again;
	char *tenant;
	int status, rc = -1;

	if (login == NULL) {
		err_set(e, ERR_AUTH, "nobody signed in");
		json_burn(doc);
		return ENTRA_PASS;
	}
	form_add(&form, "grant_type", "refresh_token");
	form_add(&form, "client_id", json_str_opt(login, "client", ""));
	form_add(&form, "refresh_token", json_str_opt(login, "refresh_token", ""));
	add_scope(en, &form);
	tenant = swap_tenant(en, *en->tenant ? en->tenant :
					       json_str_opt(login, "tenant", ""));
	status = entra_post(en, "token", &form, &answer, e);
	if (status == 200 &&
	    (rc = entra_take(en, answer, "access_token", e)) == 0) {
		keep_next(en, json_str_opt(login, "refresh_token", ""),
			  json_str_opt(answer, "refresh_token", NULL));
	} else if (status > 0 && status != 200) {
		again = json_str_opt(answer, "error", "");
		entra_refusal(en, (unsigned)status, answer, e);
		if (en->claims != NULL) {
			buf_add_base64(&b64, en->claims, strlen(en->claims));
			err_in(e,
			       "Azure wants a stronger sign-in; run 'azswarm login "
			       "--claims-challenge %s'",
			       b64.str);
		} else if (strcmp(again, "invalid_grant") == 0 ||
			   strcmp(again, "interaction_required") == 0) {
			err_in(e, "the sign-in has ended; run 'azswarm login'");
		}
	}
	back_tenant(en, tenant);
	json_burn(answer);
	json_burn(doc);
	buf_burn(&form);
	buf_release(&b64);
	return rc;
}

/* Keep what a sign-in brought. */
static int signed_in(struct entra *en, const char *client, const cJSON *answer,
		     struct err *e)
{
	const char *refresh = json_str(answer, "refresh_token", e);
	cJSON *doc, *login,
		*id = entra_claims(json_str_opt(answer, "id_token", ""));
	int rc = -1;

	if (refresh == NULL) {
		err_in(e, "token answer");
	} else if (entra_take(en, answer, "access_token", e) == 0) {
		doc = logins_load(en);
		if ((login = login_of(en, doc)) != NULL)
			json_burn(cJSON_DetachItemViaPointer(
				json_get_mut(doc, "logins"), login));
		login = json_add_obj(json_get_mut(doc, "logins"), NULL);
		json_add_str(login, "authority", en->o.authority);
		json_add_str(login, "tenant", json_str_opt(id, "tid", en->tenant));
		json_add_str(login, "client", client);
		json_add_str(login, "name",
			     json_str_opt(id, "preferred_username",
					  json_str_opt(id, "name", "")));
		json_add_str(login, "refresh_token", refresh);
		/* tokens of whoever was here before */
		if (en->o.cache_path != NULL)
			unlink(en->o.cache_path);
		rc = logins_save(en, doc, e);
		json_burn(doc);
	}
	json_burn(id);
	return rc;
}

/* ---- a code typed elsewhere ---- */

static int wait_s(const struct entra_login *l, int64_t began, int64_t seconds,
		  struct err *e)
{
	for (int64_t until = now_ms() + seconds * 1000; now_ms() < until;) {
		l->tick(l->ctx, now_ms() - began);
		if (sleep_until(until - now_ms() < TICK_MS ? until :
							     now_ms() + TICK_MS,
				e) < 0)
			return -1;
	}
	return 0;
}

static int poll_device(struct entra *en, const struct entra_login *l,
		       const char *client, const cJSON *code, struct err *e)
{
	int64_t began = now_ms(),
		life = json_int_opt(code, "expires_in", DEVICE_LIMIT_S);
	int64_t interval = json_int_opt(code, "interval", 5);
	struct buf form = BUF_INIT(ENTRA_ANSWER_MAX);
	cJSON *answer = NULL;
	int rc = -1;

	if (life < 1 || life > DEVICE_LIMIT_S)
		life = DEVICE_LIMIT_S;
	interval = interval < 1 ? 1 : interval > 60 ? 60 : interval;
	form_add(&form, "grant_type",
		 "urn:ietf:params:oauth:grant-type:device_code");
	form_add(&form, "client_id", client);
	form_add(&form, "device_code", json_str_opt(code, "device_code", ""));
	if (en->claims != NULL)
		form_add(&form, "claims", en->claims);
	for (;;) {
		const char *why;
		int status;

		if (wait_s(l, began, interval, e) < 0)
			break;
		if (now_ms() - began >= life * 1000) {
			err_set(e, ERR_TIMEOUT,
				"nobody entered the code within %lld s; run it "
				"again",
				(long long)life);
			break;
		}
		json_burn(answer);
		if ((status = entra_post(en, "token", &form, &answer, e)) < 0)
			break;
		if (status == 200) {
			rc = signed_in(en, client, answer, e);
			break;
		}
		why = json_str_opt(answer, "error", "");
		if (strcmp(why, "slow_down") == 0) {
			interval += 5;
		} else if (strcmp(why, "expired_token") == 0) {
			err_set(e, ERR_TIMEOUT,
				"the code has expired; run it again");
			break;
		} else if (strcmp(why, "authorization_pending") != 0) {
			entra_refusal(en, (unsigned)status, answer, e);
			break;
		}
	}
	json_burn(answer);
	buf_burn(&form);
	return rc;
}

static int by_device(struct entra *en, const struct entra_login *l,
		     const char *client, struct err *e)
{
	struct buf form = BUF_INIT(8192);
	const char *uri, *user;
	cJSON *code = NULL;
	char *text;
	int status, rc = -1;

	form_add(&form, "client_id", client);
	add_scope(en, &form);
	if ((status = entra_post(en, "devicecode", &form, &code, e)) > 0 &&
	    status != 200) {
		entra_refusal(en, (unsigned)status, code, e);
	} else if (status == 200 &&
		   (uri = json_str(code, "verification_uri", e)) != NULL &&
		   (user = json_str(code, "user_code", e)) != NULL &&
		   json_str(code, "device_code", e) != NULL) {
		text = xasprintf("on any machine, open %s and enter the code %s",
				 uri, user);
		l->say(l->ctx, text);
		free(text);
		rc = poll_device(en, l, client, code, e);
	}
	json_burn(code);
	buf_release(&form);
	return rc;
}

/* ---- a browser here ---- */

struct visit {
	const char *state;
	char *code;
	struct err *e;
};

/*
 * One request of the browser.  What is not the answer to our question is none:
 * an icon that it wants, and what comes without our state, for any page in that
 * browser may send something here (RFC 6749 10.12).
 */
static void visited(void *ctx, struct http_exchange *x)
{
	static const char *const fields[] = {
		"Content-Type: text/html; charset=utf-8", "Connection: close",
		"Cache-Control: no-store", NULL
	};
	struct buf code = BUF_INIT(ENTRA_ANSWER_MAX), state = BUF_INIT(1024),
		   error = BUF_INIT(256), text = BUF_INIT(2048);
	struct str page = STR(PAGE_HEAD
			      "This sign-in did not work; azswarm says why.");
	struct visit *v = ctx;
	unsigned status = 400;
	bool has_code = http_x_param(x, "code", &code);

	http_x_param(x, "state", &state);
	http_x_param(x, "error_description", &text);
	if (!has_code && !http_x_param(x, "error", &error)) {
		http_x_answer(x, 404, fields + 1, STR_NULL);
	} else {
		if (!str_eqz(buf_str(&state), v->state)) {
			page = STR(PAGE_HEAD "This is not the answer to the "
					     "sign-in that azswarm waits for.");
		} else if (!has_code) {
			err_set(v->e, ERR_AUTH, "sign-in refused: %s%s%.600s",
				error.str, text.n ? ": " : "", text.str);
		} else {
			v->code = xstrdup(code.str);
			status = 200;
			page = STR(PAGE_HEAD
				   "azswarm goes on. This window may be closed.");
		}
		http_x_answer(x, status, fields, page);
	}
	buf_burn(&code);
	buf_release(&state);
	buf_release(&error);
	buf_release(&text);
}

/* Until the browser comes back with a code, or with a refusal. */
static char *await_code(int fd, const struct entra_login *l, const char *state,
			struct err *e)
{
	struct visit v = { .state = state, .e = e };
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.max_conns = 1,
		.idle_ms = VISIT_MS,
		.body_ms = VISIT_MS,
		.handle = visited,
		.ctx = &v,
	};
	int64_t began = now_ms();

	while (v.code == NULL && e->kind == ERR_NONE) {
		struct err once = ERR_INIT;
		int one;

		if (now_ms() - began > BROWSER_LIMIT_S * 1000) {
			err_set(e, ERR_TIMEOUT,
				"nobody signed in within %d s; run it again, "
				"or with --device-code",
				BROWSER_LIMIT_S);
			break;
		}
		l->tick(l->ctx, now_ms() - began);
		one = tcp_accept(fd, now_ms() + TICK_MS, &once);
		if (one >= 0)
			http_serve_stream(&s, stream_of_fd(one), "browser");
		else if (once.kind != ERR_TIMEOUT)
			*e = once;
	}
	return v.code;
}

/* 43 characters nobody can guess. */
static void random_text(struct buf *b)
{
	uint8_t raw[32];

	random_bytes(raw, sizeof(raw));
	buf_add_base64url(b, raw, sizeof(raw));
	burn(raw, sizeof(raw));
}

/* Whatever opens pages here.  It is left alone: some of them live as long as the
 * browser. */
static void open_browser(const char *url)
{
	static const char script[] =
		"for b in $BROWSER xdg-open wslview; do "
		"command -v $b >/dev/null && { $b \"$0\" >/dev/null 2>&1 & exit; }; done";
	const char *const argv[] = { "sh", "-c", script, url, NULL };
	struct err ignored = ERR_INIT;
	int status;

	run_program(argv, NULL, NULL, now_ms() + VISIT_MS, &status, &ignored);
}

bool entra_browser_here(void)
{
	static const char *const signs[] = {
		"BROWSER",
		"DISPLAY",
		"WAYLAND_DISPLAY",
		"WSL_DISTRO_NAME",
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (getenv(signs[i]) != NULL && *getenv(signs[i]) != '\0')
			return true;
	return false;
}

static int by_browser(struct entra *en, const struct entra_login *l,
		      const char *client, struct err *e)
{
	struct buf state = BUF_INIT(64), verifier = BUF_INIT(64),
		   challenge = BUF_INIT(64);
	struct buf url = BUF_INIT(8192), query = BUF_INIT(8192),
		   form = BUF_INIT(ENTRA_ANSWER_MAX);
	char *redirect = NULL, *code = NULL, *text;
	uint8_t hash[SHA256_LEN];
	cJSON *answer = NULL;
	unsigned port = 0;
	int fd, status, rc = -1;

	if ((fd = tcp_listen("127.0.0.1", &port, NULL, e)) < 0)
		goto out;
	redirect = xasprintf("http://localhost:%u", port);
	random_text(&state);
	random_text(&verifier);
	sha256(verifier.str, verifier.n, hash);
	buf_add_base64url(&challenge, hash, sizeof(hash));
	form_add(&query, "client_id", client);
	form_add(&query, "response_type", "code");
	form_add(&query, "redirect_uri", redirect);
	form_add(&query, "response_mode", "query");
	form_add(&query, "state", state.str);
	form_add(&query, "code_challenge", challenge.str);
	form_add(&query, "code_challenge_method", "S256");
	form_add(&query, "prompt", "select_account");
	add_scope(en, &query);
	entra_url(en, "authorize", &url);
	buf_addf(&url, "?%s", query.str);
	if (buf_check(&url, "the sign-in URL", e) < 0)
		goto out;
	text = xasprintf("in a browser on this machine, open %s", url.str);
	l->say(l->ctx, text);
	free(text);
	open_browser(url.str);
	if ((code = await_code(fd, l, state.str, e)) == NULL)
		goto out;
	form_add(&form, "grant_type", "authorization_code");
	form_add(&form, "client_id", client);
	form_add(&form, "code", code);
	form_add(&form, "redirect_uri", redirect);
	form_add(&form, "code_verifier", verifier.str);
	if (en->claims != NULL)
		form_add(&form, "claims", en->claims);
	if ((status = entra_post(en, "token", &form, &answer, e)) == 200)
		rc = signed_in(en, client, answer, e);
	else if (status > 0)
		entra_refusal(en, (unsigned)status, answer, e);
out:
	if (fd >= 0)
		close(fd);
	free(redirect);
	burn_str(code);
	json_burn(answer);
	buf_release(&state);
	buf_burn(&verifier);
	buf_release(&challenge);
	buf_release(&url);
	buf_release(&query);
	buf_burn(&form);
	return rc;
}

int entra_login(struct entra *en, const struct entra_login *l, struct err *e)
{
	const char *client = l->client_id != NULL ? l->client_id : AZURE_CLI;
	char *tenant;
	int rc;

	if (en->o.cache_path == NULL) /* said before somebody has taken the trouble */
		return err_set(e, ERR_IO,
			       "there is no home directory to keep the sign-in in");
	tenant = swap_tenant(en, *en->tenant ? en->tenant : ANY_TENANT);
	entra_use_login(en);
	rc = l->device_code ? by_device(en, l, client, e) :
			      by_browser(en, l, client, e);
	back_tenant(en, tenant);
	return rc;
}
