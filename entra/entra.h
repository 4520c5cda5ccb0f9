#ifndef ENTRA_H
#define ENTRA_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "http.h"

/*
 * Sign-in with Microsoft Entra ID: a chain of credentials, tried in the order
 * of the Azure SDKs, and a cache of access tokens on disk.
 *
 * Source: "Microsoft identity platform and the OAuth 2.0 client credentials
 * flow" and "Credential chains" (learn.microsoft.com); the five-minute margin
 * is MSAL's.
 */
#define ENTRA_TOKEN_MAX (16u << 10)
#define ENTRA_MARGIN_S 300

struct credential;

struct entra_options {
	const char *authority; /* "https://login.microsoftonline.com", no slash at the end */
	const char *scope;	/* "https://management.azure.com/.default" */
	const char *cache_path; /* NULL: keep tokens in memory only */
	bool adfs;		/* an authority of Azure Stack's, ".../adfs" */
	struct http_dialer dialer; /* to the world: https */
	struct http_dialer local; /* to this machine and its host: plain, never a proxy */
	/* A setting or a variable of the environment by name; NULL or "": not set.
	 * Credentials are configured by AZURE_CLIENT_ID and the like. */
	const char *(*var)(void *ctx, const char *name);
	void *ctx; /* outlives the entra */
};

struct entra {
	struct entra_options o; /* its strings are copies */
	char *tenant;		/* AZURE_TENANT_ID, "" when not set */
	struct http_client http;
	const struct credential *used; /* who gave the token, NULL: nobody yet */
	char *token;		       /* in memory, NULL: none yet */
	int64_t expires_on;	       /* unix seconds */
	char *claims; /* JSON that the next token has to satisfy, or NULL */
	char *subscription;    /* what the credential brought along, or NULL */
	int64_t clock_ahead_s; /* of the last answer's Date */
};

/* Strings are copied.  Nothing is sent yet. */
void entra_init(struct entra *en, const struct entra_options *o);
void entra_release(struct entra *en); /* burns the token */

/*
 * A token that is good for at least five minutes more: from memory, from the
 * cache file, or by asking.  *token stays owned by en and is good until the
 * next call.
 *
 * The first credential of the chain that is configured decides: one that is
 * refused ends the search.  -1: ERR_AUTH with the AADSTS text, trace and
 * correlation id, or with every credential that was tried (a line each) and what it lacks,
 * or what kept us from asking.  429 and 5xx are asked again up to 3 times.
 */
int entra_token(struct entra *en, const char **token, struct err *e);
/* Settings alone make a credential, so that entra_token() asks nobody but Entra. */
bool entra_configured(const struct entra *en);
/* By the variables that o has: who signs in is an application with a client
 * secret, and no other credential is asked.  The rest of o is not looked at. */
bool entra_by_secret(const struct entra_options *o);
/* Azure refused the token: drop it from memory and from the cache. */
void entra_forget(struct entra *en);
/*
 * Azure wants a token with these claims (the JSON of a claims challenge): the
 * token is forgotten, the next entra_token() asks for them.  -1: this
 * credential cannot, and what to do then.
 */
int entra_challenge(struct entra *en, const char *claims, struct err *e);

/* Who the token says we are.  "" where it does not; for people, not for
 * decisions: nobody checked the signature. */
struct entra_who {
	const char *credential;
	char name[256]; /* user name, or the application's name or id */
	char tenant[64], object_id[64];
	bool user;
	int64_t expires_on;
};
int entra_who(struct entra *en, struct entra_who *who, struct err *e);

/* ---- a person signs in (entra/login.c) ---- */

struct entra_login {
	const char *client_id; /* NULL: the Azure CLI's, which every tenant knows */
	bool device_code; /* a code to type on any machine; else a browser here */
	void (*say)(void *ctx, const char *text); /* what the person has to open */
	void (*tick)(void *ctx, int64_t waited_ms); /* about once a second */
	void *ctx;
};

/*
 * Have a person sign in to en->tenant ("": wherever the person is at home), with
 * en->claims if any.  The refresh token is kept in login.json (0600) beside the
 * token cache, one for each authority, in place of the last; the cache is
 * emptied.  0: the token is in memory, too.  -1: ERR_AUTH, refused by the
 * person or by Entra; ERR_TIMEOUT, nobody came within 5 (browser) or 15 minutes;
 * ERR_INTR.
 */
int entra_login(struct entra *en, const struct entra_login *l, struct err *e);
/* Is there something that could show a page? */
bool entra_browser_here(void);
/* From now on only that sign-in counts, no other credential. */
void entra_use_login(struct entra *en);
/* The subscription that goes with it; NULL: none was chosen.  Caller frees. */
char *entra_login_subscription(const struct entra *en);
int entra_login_choose(struct entra *en, const char *subscription, struct err *e);
/* Forget it, and all cached tokens.  *name (caller frees): whose it was, NULL:
 * there was none. */
int entra_logout(struct entra *en, char **name, struct err *e);

/* Where tokens are cached: $XDG_CACHE_HOME/azswarm/tokens.json or
 * ~/.cache/azswarm/tokens.json; NULL when there is no home.  Caller frees. */
char *entra_cache_path(void);

#endif
