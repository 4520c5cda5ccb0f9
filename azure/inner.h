#ifndef AZURE_INNER_H
#define AZURE_INNER_H

/*
 * What the parts of azure/ share; nobody outside includes this.
 */
#include "azure.h"

/* azure_flags of requests that are made in order that another may be: they
 * must not lead to a further one of their kind. */
enum {
	AZURE_NO_REGISTERING = 0x100, /* of a resource provider */
	AZURE_NO_POLICY_TOKEN = 0x200,
};

/* ---- a request under way ---- */

/* What takes a list apart while its page arrives, see azure/list.c. */
struct azure_page;

/* One request, until it is answered for good.  azure.c says in which order,
 * azure/call.c sends it, azure/again.c and azure/token.c know why it would be
 * sent again. */
struct azure_request {
	struct azure *az;
	const char *method;
	const cJSON *body; /* NULL: none */
	unsigned flags;
	const char *if_match; /* NULL: whatever its etag is */
	struct azure_reply *reply;
	struct azure_page *page; /* NULL: the answer is taken whole */
	struct buf url, text;	 /* as they are sent */
	int64_t began_ms;
	unsigned tries;	 /* that came to nothing, as http/retry.h counts */
	unsigned unseen; /* 404s of what was just made */
	unsigned requests_before; /* of az->http, when this try began */
	unsigned renewed;	  /* which ways to another token were tried */
	bool registered;	  /* a resource provider was, for this */
	bool told;		  /* the person was, why it waits */
	char *policy_token;	  /* a header line, NULL: none */
};

/* Fill it, from method, body, flags and reply, which are set.  -1: e is set.
 * To be closed either way. */
int azure_request_open(struct azure_request *q, const char *path, struct err *e);
void azure_request_close(struct azure_request *q);
/* Send it once.  0: there is an answer, whatever it says. */
int azure_send(struct azure_request *q, struct err *e);
/* Send it until it is answered for good (azure.c): 0 for what is no error. */
int azure_run(struct azure_request *q, struct err *e);
/* Where our token may go: the ARM host, or a region of it. */
bool azure_on_arm_host(const struct azure *az, const char *url, struct err *e);

/* ---- why it would be sent again ---- */

/* The code of what gave way to another operation on the same thing. */
#define AZURE_PREEMPTED "OperationPreempted"
#define AZURE_TURN_WAIT_MS 10000 /* between looks whether that has ended */

/*
 * Each of these looks at what came of the last sending and says whether it has
 * to do with it: AZURE_NOT_THIS, it has not.  Otherwise it has done what it
 * can about it, waiting included.
 */
enum azure_next {
	AZURE_NOT_THIS,
	AZURE_AGAIN,
	AZURE_DONE,
	AZURE_FAILED, /* e is set */
};

/* No answer came, why says why. */
enum azure_next azure_unanswered(struct azure_request *q, const struct err *why,
				 struct err *e);
/* 401 or 403 that another token may help. */
enum azure_next azure_renew_token(struct azure_request *q, struct err *e);
/* 403 of a policy that wants to be asked first. */
enum azure_next azure_ask_policy(struct azure_request *q, struct err *e);
/* 404 of what is there: Azure's parts learn one after the other what was made. */
enum azure_next azure_wait_made(struct azure_request *q, struct err *e);
/* Another operation is in progress there. */
enum azure_next azure_wait_turn(struct azure_request *q, struct err *e);
/* Throttled, or Azure is not well. */
enum azure_next azure_wait_well(struct azure_request *q, struct err *e);
/* The subscription does not know the resource provider yet. */
enum azure_next azure_register(struct azure_request *q, struct err *e);

/* It was answered with 2xx: remember what it made, forget what it deleted. */
void azure_remember(struct azure_request *q);

/* ---- errors ---- */

/* As azure_error() for that answer, ERR_AUTH when it is 401.  Returns -1. */
int azure_refused(const struct azure_reply *r, struct err *e);
/* The tenant that the challenge of a 401 sends us to, a name or a GUID; empty
 * without one.  Into h. */
struct str azure_tenant(const struct http_head *h);
/* The innermost cause of an error body as text, as far as it fits. */
void azure_say(const cJSON *doc, struct buf *out);

/* ---- lists ---- */

/* The answer that is asked for now is one of the page's. */
void azure_page_begin(struct azure_page *p, struct azure_reply *r);
/* An element was not taken: asking again would not help. */
bool azure_page_refused(const struct azure_page *p);

#endif
