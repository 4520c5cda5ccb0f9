#ifndef SWARM_BLOB_H
#define SWARM_BLOB_H

#include "swarm/swarm.h"

/*
 * The operator's own blobs in the account's container (BLOB_CONTAINER):
 * markers, locks, the audit trail, backups.  And the owner's images, which have
 * one of their own (LAYOUT_IMAGES).  All of a command's requests share one
 * signed query for the whole container, which is made when the first needs it.
 *
 * Source: "Blob service REST API", of version STORAGE_VERSION
 * (learn.microsoft.com).
 */
#define BLOB_ANSWER_MAX (5u << 20)
#define BLOB_NAME_MAX 256

struct blob_ask {
	const char *method;
	const char *container; /* LAYOUT_IMAGES, or NULL: BLOB_CONTAINER */
	const char *name;  /* in the container; NULL: the container itself */
	const char *query; /* "comp=lease", NULL: none; encoded */
	const char *const *fields; /* "Name: value", NULL at the end; or NULL */
	struct str body;	   /* p NULL: see body_read */
	ssize_t (*body_read)(void *ctx, void *p, size_t n, struct err *e);
	void *body_ctx;
	uint64_t body_length;
	int (*on_body)(void *ctx, struct str piece, struct err *e);
	void *on_ctx;
	bool idempotent;  /* may be sent again */
	int64_t limit_ms; /* 0: a minute */
};

/*
 * One request; one without reader and on_body is made again when its signature
 * is no longer good, and, when it is idempotent, as RETRY_BLOB has it, while
 * what is wrong passes.  The answer of any status below 500 but 408 and 429 is
 * in r, which is initialised by http_response_init() and released by the
 * caller; an error of the service is not one of ours: look at r->head.status
 * and blob_code().  -1: no answer, or no access.
 */
int blob_ask(struct session *s, const struct blob_ask *q,
	     struct http_response *r, struct err *e);
/*
 * The same once, for who asks again himself; http: NULL, or another connection
 * than the session's, so that several threads may ask at once, once blob_ask()
 * has had an answer.  ERR_NET: it may be different next time.
 */
int blob_ask_once(struct session *s, struct http_client *http,
		  const struct blob_ask *q, struct http_response *r,
		  struct err *e);
/* What stands in the first element of that name, without attributes, of the
 * service's answers: at most BLOB_ELEMENT_MAX bytes, nothing in it that needs
 * an entity. */
#define BLOB_ELEMENT_MAX 1024
bool blob_element(struct str xml, const char *name, struct str *text);
/* "BlobAlreadyExists", "" when the answer names none. */
struct str blob_code(const struct http_response *r);

#endif
