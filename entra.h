#ifndef ENTRA_H
#define ENTRA_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http.h"

/*
 * Sign-in with Microsoft Entra ID, v2 endpoints: one credential, one cache
 * of access tokens on disk.
 *
 * Source: "Microsoft identity platform and the OAuth 2.0 client credentials
 * flow" (learn.microsoft.com); the five-minute margin is MSAL's.
 */
#define ENTRA_TOKEN_MAX (16u << 10)
#define ENTRA_MARGIN_S 300

struct entra {
	char *authority;	/* "https://login.microsoftonline.com", no slash at the end */
	char *tenant;
	char *client_id;
	char *client_secret;
	char *scope;		/* "https://management.azure.com/.default" */
	char *cache_path;	/* NULL: keep tokens in memory only */
	struct http_client http;
	char *token;		/* in memory, NULL: none yet */
	int64_t expires_on;	/* unix seconds */
	int64_t server_skew_s;	/* what the Date header said minus our clock */
};

/* All strings are copied.  Nothing is sent yet. */
void entra_init(struct entra *en, const char *authority, const char *tenant,
		const char *client_id, const char *client_secret, const char *scope,
		const char *cache_path, struct http_dialer dialer);
void entra_release(struct entra *en);	/* burns secret and token */

/*
 * A token that is good for at least five minutes more: from memory, from the
 * cache file, or by asking.  *token stays owned by en and is good until the
 * next call.  -1: ERR_AUTH with the AADSTS text, trace and correlation id,
 * or what kept us from asking.  429 and 5xx are asked again up to 3 times.
 */
int entra_token(struct entra *en, const char **token, struct err *e);
/* Azure refused the token: drop it from memory and from the cache. */
void entra_forget(struct entra *en);

/* Where tokens are cached: $XDG_CACHE_HOME/azswarm/tokens.json or
 * ~/.cache/azswarm/tokens.json; NULL when there is no home.  Caller frees. */
char *entra_cache_path(void);

#endif
