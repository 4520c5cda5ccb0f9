#ifndef EMULATOR_REQUEST_H
#define EMULATOR_REQUEST_H

#include "emulator/fault.h"
#include "emulator/inner.h"
#include "http.h"

#define SEG_MAX 24
enum method { METHOD_UNKNOWN, GET, HEAD, PUT, POST, PATCH, DELETE };

/* A request to Resource Manager or Entra ID, and the answer it gets. */
struct request {
	struct emu *m;
	struct http_exchange *x;

	/* what is asked */
	enum method method;
	char host[300];		/* what the caller calls us, port included */
	char base[320];		/* "https://" host */
	char *seg[SEG_MAX + 8]; /* the path's segments, decoded; NULLs behind them */
	size_t n_seg;
	char api[32]; /* api-version */
	cJSON *body;  /* {"form": text} when it was a form */

	/* the answer */
	unsigned status; /* 0: not answered */
	cJSON *out;	 /* NULL: no body, or text is it */
	struct buf text; /* the body as it is sent */
	struct fault fault;
	bool gateway; /* refused by ARM itself, not by a provider */
	bool pretty;  /* compute indents */
	const char *plain; /* Content-Type of an empty body, or of out when that is a text */
	char *fields[16]; /* more header fields */
	size_t n_fields;
};

/* Read it, have it answered, answer.  host: what the caller calls us. */
void request_serve(struct emu *m, struct http_exchange *x, struct str host);
enum method request_method(const struct http_head *h);

int request_answer(struct request *r, unsigned status, cJSON *out); /* takes out; 0 */
/* The same with a document that stays where it is: printed now, while the lock is
 * held, and not copied. */
int request_answer_as_is(struct request *r, unsigned status, const cJSON *doc);
void request_drop_answer(struct request *r); /* forget it, zeroed */
void request_field(struct request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int request_bad_method(struct request *r) __attribute__((cold)); /* refuse: 405 */
char *request_param(const struct request *r,
		    const char *name); /* NULL: none.  Caller frees */
/* "NAME eq 'x'" in $filter: x.  NULL: not asked for.  Caller frees. */
char *request_filter_value(struct request *r, const char *name);

/*
 * A list in pages, of which only what this page shows is made:
 *
 *	if (request_page_begin(r, &p, 40) < 0)
 *		return -1;
 *	for (...)
 *		if (request_page_wants(&p))
 *			cJSON_AddItemToArray(p.value, ...);
 *	return request_page_end(r, &p);
 */
struct page {
	size_t from, size; /* which elements of the list are on it */
	size_t seen;	   /* elements, so far */
	bool gap;	   /* this one is empty, and there are more */
	char *filter;	   /* $filter */
	cJSON *value;	   /* what is on it */
};

int request_page_begin(struct request *r, struct page *p, size_t size);
/* Does $filter ask for doc?  When it cannot be understood, r is refused. */
bool request_page_keeps(struct request *r, const struct page *p, const cJSON *doc);
bool request_page_wants(struct page *p); /* the next element of the list */
int request_page_end(struct request *r, struct page *p); /* -1 when refused */
/* All of that for an array, which is only read. */
int request_page(struct request *r, const cJSON *arr, size_t size);

#endif
