#ifndef ENTRA_INNER_H
#define ENTRA_INNER_H

/*
 * What the credentials share; nobody outside includes this.
 */
#include "base/json.h"
#include "entra/entra.h"

#define ENTRA_ANSWER_MAX (64u << 10)

/*
 * One way to get a token.
 *
 * get() is called when every variable of needs is set.  0: the token was
 * taken with entra_take().  -1: it is configured and failed, e says how; the
 * chain ends there.  ENTRA_PASS: not to be had here, e says why; the chain
 * goes on.
 */
enum { ENTRA_PASS = 1 };
struct credential {
	const char *name;  /* the SDKs' */
	bool dev;	   /* a developer's tool, not a deployed program's */
	bool cached;	   /* its tokens go to the cache file */
	const char *needs; /* names, blanks between; "A|B": one of them */
	/* What a person does about a claims challenge, %s is its base64; NULL:
	 * the token request carries the claims. */
	const char *challenge;
	int (*get)(struct entra *en, struct err *e);
};

/* Never NULL: "" when not set. */
const char *entra_var(const struct entra *en, const char *name);

/* "&name=value", percent-encoded. */
void form_add(struct buf *form, const char *name, const char *value);

/*
 * POST a form to {authority}/{tenant}/oauth2/v2.0/ENDPOINT ("token",
 * "devicecode"), again when that is worth it.  The answer's status, with *doc
 * (NULL when it is no JSON object; caller burns); -1 with e when there was no
 * answer.
 */
int entra_post(struct entra *en, const char *endpoint, const struct buf *form,
	       cJSON **doc, struct err *e);
/* Set e from an answer that is a refusal: the AADSTS text, ids, what to do.
 * Always returns -1. */
int entra_refusal(const struct entra *en, unsigned status, const cJSON *doc,
		  struct err *e);
/* Take access_token (under that name) and its end, expires_on or expires_in,
 * numbers or strings. */
int entra_take(struct entra *en, const cJSON *doc, const char *name,
	       struct err *e);
/* The claims of a JWT, unchecked: for people, and where nothing else is said.
 * NULL when it is none.  Caller burns. */
cJSON *entra_claims(const char *token);
/* The token request of a credential that has no more to say than this form;
 * adds client_id, scope (or resource) and claims.  Burns the form. */
int entra_ask(struct entra *en, struct buf *form, struct err *e);

/*
 * An exchange that is repeated after what passes (http/retry.h).
 *
 * imds       the peer is the metadata service: by its row, and not at all when
 *            nobody is there
 * doc        gets the answer, NULL when it is no JSON; caller burns
 * challenge  NULL, or gets the WWW-Authenticate field
 *
 * The status; -1 with e when there was no answer, or 200 without JSON.
 */
int entra_fetch(struct entra *en, struct http_client *c, struct http_request *q,
		bool imds, cJSON **doc, struct buf *challenge, struct err *e);
/* {authority}/{tenant}/oauth2/v2.0/ENDPOINT */
void entra_url(const struct entra *en, const char *endpoint, struct buf *url);
/* The scope as v1 endpoints know it.  Caller frees. */
char *entra_resource(const struct entra *en);

/* The credentials: entra/assertion.c, entra/outside.c, entra/login.c. */
int get_environment(struct entra *en, struct err *e);
int get_workload(struct entra *en, struct err *e);
int get_oidc(struct entra *en, struct err *e);
int get_managed(struct entra *en, struct err *e);
int get_az(struct entra *en, struct err *e);
int get_login(struct entra *en, struct err *e);

#endif
