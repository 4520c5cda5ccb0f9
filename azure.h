#ifndef AZURE_H
#define AZURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "entra/entra.h"
#include "http.h"

/*
 * Azure Resource Manager as a client sees it: requests, errors, retries,
 * paging and long-running operations.  What is asked for which command is in
 * swarm.c.
 */

/* API versions: stable, old enough for every cloud, new enough for what we
 * need. */
#define API_RESOURCES "2021-04-01"
#define API_SUBSCRIPTIONS "2022-12-01"
#define API_COMPUTE "2024-07-01"
#define API_GALLERIES "2024-03-03"
#define API_SKUS "2021-07-01"
#define API_NETWORK "2024-05-01"
#define API_VMSS_NETWORK "2018-10-01"
#define API_STORAGE "2023-05-01"
#define API_INSIGHTS "2022-10-01"
#define API_AUTHORIZATION "2022-04-01"

#define ARM_ANSWER_MAX (16u << 20) /* one answer; lists come in pages */

/* How time passes; tests put their own here. */
struct azure_clock {
	int64_t (*now)(void *ctx);
	/* Wait until then.  what: for the person, e.g. "deployment cli-eastus";
	 * since_ms: when this wait began.  -1 with ERR_INTR. */
	int (*wait)(void *ctx, int64_t until_ms, const char *what,
		    int64_t since_ms, struct err *e);
	void *ctx;
};

/* What was made a moment ago: for up to a minute Azure may not know it. */
#define AZURE_MADE_MAX 8
struct azure_made {
	char *path; /* lower case, without a query; NULL: none */
	int64_t at_ms;
};

struct azure {
	struct entra *entra;
	char *arm; /* "https://management.azure.com" */
	char arm_host[256];
	unsigned arm_port;
	char *subscription;
	struct http_client http;
	struct azure_clock clock;
	struct azure_made made[AZURE_MADE_MAX];
	unsigned n_made; /* so far, which tells the oldest */
	/* before anything is asked; -1 with e: it is not.  May be NULL */
	int (*before)(void *ctx, struct err *e);
	void *before_ctx;
	/* told about each retry and anything else worth a line; may be NULL */
	void (*note)(void *ctx, const char *text);
	void *note_ctx;
};

/* arm: https URL without a path.  entra is borrowed. */
int azure_init(struct azure *az, struct entra *entra, const char *arm,
	       const char *subscription, struct http_dialer dialer,
	       struct azure_clock clock, struct err *e);
void azure_release(struct azure *az);

/* ---- one request ---- */

struct azure_reply {
	struct http_response http; /* head and raw body */
	cJSON *doc;		   /* NULL: empty body or not JSON */
};
void azure_reply_release(struct azure_reply *r);
/* The same of an answer with a secret in it. */
void azure_reply_burn(struct azure_reply *r);

/* The code of an error that leaves open whether Azure did what AZURE_ONCE let
 * us ask for only once. */
#define AZURE_OUTCOME_UNKNOWN "OutcomeUnknown"

enum azure_flags {
	AZURE_ONCE = 1,	       /* do not repeat after an unknown outcome */
	AZURE_MISSING_OK = 2,  /* 404 is an answer, not an error */
	AZURE_CONFLICT_OK = 4, /* 409 likewise */
	AZURE_MADE_OR_NOT = 8, /* a 404 of what was just made is not waited out */
};

/*
 * Send a request with our token and take the answer.
 *
 * path   begins with '/', appended to the ARM endpoint; or an absolute URL
 *        that Azure gave us, which must be on the ARM host
 * body   NULL: none; not consumed
 * r      zeroed by this call; release it whatever the result
 *
 * Returns 0 for 2xx (and what flags allow), -1 otherwise with Azure's
 * innermost cause and the request and correlation ids.  It is sent again
 *
 *   - after 408, 429, 500, 502, 503, 504 and broken connections: 5 times in
 *     all, after Retry-After or 1, 2, 4, 8 s with jitter (http/retry.h); of
 *     429 that is heeded in full, for a quarter of an hour in all, and when it
 *     is longer this is ERR_TIMEOUT at once, which says how long it is
 *   - after 401: once with a new token, and once with one that has the claims
 *     it asks for (ERR_AUTH, and what to do, when the credential has no such)
 *   - after the 403 of a policy that wants a policy token: once with that
 *   - after "another operation is in progress", or "is not provisioned yet":
 *     for up to 5 minutes; a bare "Conflict", whose text az->note is told, for one
 *   - after the 404 of what a PUT of this struct azure made, or of something in
 *     it (not with AZURE_MISSING_OK, then only of itself): until that is a
 *     minute old
 *   - after a resource provider that was not registered is: once
 *
 * Source: FACTS gathered from ARM's request limits and the retry policies of
 * the Azure SDKs; RFC 9110 section 10.2.3 for Retry-After.
 */
int azure_call(struct azure *az, const char *method, const char *path,
	       const cJSON *body, unsigned flags, struct azure_reply *r,
	       struct err *e);

/* A formatted path.  Caller frees. */
char *azure_path(const struct azure *az, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A parameter of a deployment, in place of what it was; value is put in. */
void azure_parameter(cJSON *parameters, const char *name, cJSON *value);
void azure_parameter_text(cJSON *parameters, const char *name, const char *value);

/* GET every page of a list and hand each element to fn (-1 with e stops).
 * Pages may be empty and still have a successor.  At most 10,000 pages. */
int azure_list(struct azure *az, const char *path, const char *what,
	       int (*fn)(void *ctx, const cJSON *item, struct err *e),
	       void *ctx, struct err *e);
/* The same, with no more of the elements than is at these paths (a reader's,
 * base/reader.h): what large lists have is mostly what nobody asks. */
int azure_list_of(struct azure *az, const char *path, const char *const *want,
		  const char *what,
		  int (*fn)(void *ctx, const cJSON *item, struct err *e),
		  void *ctx, struct err *e);

/* ---- error bodies ---- */

/*
 * Put the innermost cause of an ARM error body into e: code, message, target
 * (of the first, where it gives several).  A quota of cores that is used up
 * has the code QuotaExceeded, whatever the service says.
 * Takes every shape seen: with or without the wrapper, any case, message that
 * is itself JSON or ends with an error that is (to a depth of 8), and bodies
 * that are not JSON (status line and the first bytes).  It is one line: blanks
 * and line ends in a row become one blank.  Details whose message is JSON that
 * says nothing are data, and not the cause.  Returns -1.
 */
int azure_error(const struct http_head *h, const cJSON *doc, struct str raw,
		struct err *e);
/* As above for an error object inside another document ("error" of a failed
 * operation).  NULL is fine. */
int azure_error_doc(const cJSON *doc, struct err *e);
/* The same for the state of an operation, or a resource, that failed: its
 * "error", wherever that is; without one, the code is this. */
#define AZURE_NO_REASON "NoReason"
int azure_failed_doc(const cJSON *doc, struct err *e);
/* Whether that is why: somebody else changed the resource since its etag was read
 * (412).  What is to be done is to read it again. */
bool azure_changed(const struct err *e);
/* The claims that the challenges of a 401 ask for, JSON; NULL: none.  Several
 * challenges and fields are looked through, either base64.  Caller frees.
 * Source: RFC 9110 section 11.6.1; "Claims challenges" (learn.microsoft.com). */
char *azure_claims(const struct http_head *h);
/* The code of a token that is of another tenant than the subscription; the
 * error's target is then the subscription's, as WWW-Authenticate has it. */
#define AZURE_OTHER_TENANT "InvalidAuthenticationTokenTenant"
/* Outermost code of an error body (empty if none): what reactions depend on.
 * Into doc. */
struct str azure_error_code(const cJSON *doc);

/* ---- long-running operations ---- */

enum lro_state { LRO_WAIT, LRO_DONE, LRO_FAILED };
enum lro_how { LRO_ASYNC, LRO_LOCATION, LRO_RESOURCE };

struct lro {
	enum lro_how how;
	char *url;	/* to poll */
	char *resource; /* to GET after success, NULL: nothing to get */
	bool deleting;
	int64_t next_ms, deadline_ms;
	int64_t began_ms;
	unsigned dropped; /* connections lost in a row */
	unsigned missing; /* 404s in a row */
	unsigned soon;	  /* polls that did not wait long */
};

/*
 * Look at the first answer of an operation.  r must be a 2xx.
 * LRO_DONE: nothing to poll.  LRO_WAIT: op->url is set.  LRO_FAILED: e set: it
 * failed at once, or it goes on and there is no way to follow it.
 * Source: "Track asynchronous Azure operations" (learn.microsoft.com).
 */
enum lro_state lro_start(struct lro *op, const char *method, const char *url,
			 const struct azure_reply *r, int64_t now_ms,
			 int64_t limit_ms, struct err *e);
/*
 * Feed one poll answer.  Throttling (429), 408 and 5xx are LRO_WAIT: the poll
 * failed, not the operation.  Does no I/O and never sleeps; op->next_ms says
 * when to ask again.
 */
enum lro_state lro_step(struct lro *op, const struct azure_reply *r,
			int64_t now_ms, struct err *e);
/*
 * The poll got no answer; why is not e and says why.  LRO_FAILED, with e set
 * from that, when it is nothing that passes, or when it was the fourth in a row.
 */
enum lro_state lro_dropped(struct lro *op, const struct err *why,
			   int64_t now_ms, struct err *e);
void lro_release(struct lro *op);

/*
 * azure_call and then wait for the operation to end.  One that gave way to
 * another (OperationPreempted) is begun once more, unless it is AZURE_ONCE.
 * Of one that failed without saying why, the resource is asked.
 *
 * what      for the person who waits: "storage account shared0..."
 * limit_ms  give up (ERR_TIMEOUT) after this long; the operation goes on in
 *           Azure
 * final     NULL, or gets the final resource (PUT, PATCH) or result; release it
 *           whatever the result.  When the operation told the resource itself
 *           (Location) and that cannot be read yet, what the operation told
 * tick      NULL, or called after each poll (a live view); -1 stops
 */
struct azure_wait {
	const char *what;
	int64_t limit_ms;
	int (*tick)(void *ctx, struct err *e);
	void *ctx;
	unsigned flags; /* azure_flags of the first request */
	bool no_wait;	/* return after the first answer */
	/* NULL, or the etag that the resource still has to have: else it is 412, an
	 * error that azure_changed() knows */
	const char *if_match;
};
int azure_do(struct azure *az, const char *method, const char *path,
	     const cJSON *body, const struct azure_wait *w,
	     struct azure_reply *final, struct err *e);

#endif
