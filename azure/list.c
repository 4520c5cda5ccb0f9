/*
 * Lists: page after page, and of each an element at a time while it arrives,
 * for the list of VM sizes has megabytes, and none of it need stay.
 */
#include <stdlib.h>

#include "azure/inner.h"
#include "base/split.h"

#define PAGES_MAX 10000
#define ITEM_MAX (1u << 20)
#define REST_MAX (64u << 10)

struct azure_page {
	struct json_split split;
	int (*fn)(void *ctx, const cJSON *item, struct err *e);
	void *ctx;
	struct azure_reply *reply;
	unsigned seen; /* elements of this answer */
	unsigned done; /* of this page: when it is asked for again, they are skipped */
	bool refused; /* an element of it was, by fn */
	bool odd;     /* not all elements of this answer are objects */
};

static int take_element(void *ctx, const cJSON *item, struct err *e)
{
	struct azure_page *p = ctx;
	int rc;

	if (!cJSON_IsObject(item)) {
		p->odd = true;
		return 0;
	}
	if (++p->seen <= p->done)
		return 0;
	rc = p->fn(p->ctx, item, e);
	p->refused = rc < 0;
	p->done++;
	return rc;
}

static int take_piece(void *ctx, struct str piece, struct err *e)
{
	struct azure_page *p = ctx;

	if (p->reply->http.head.status == 200)
		return json_split_add(&p->split, piece, e);
	/* the body of an error is kept, as everybody's is */
	buf_addstr(&p->reply->http.body, piece);
	return 0;
}

void azure_page_begin(struct azure_page *p, struct azure_reply *r)
{
	json_split_reset(&p->split);
	p->reply = r;
	p->seen = 0;
	p->odd = false;
	r->http.on_body = take_piece;
	r->http.ctx = p;
}

bool azure_page_refused(const struct azure_page *p)
{
	return p->refused;
}

/* One page.  *next gets the URL of the one after it, NULL: there is none. */
static int take_page(struct azure *az, struct azure_page *p, const char *url,
		     char **next, struct err *e)
{
	struct azure_reply r = { 0 };
	struct azure_request q = { .az = az,
				   .method = "GET",
				   .reply = &r,
				   .page = p };
	const char *link;
	cJSON *doc = NULL;
	int rc = -1;

	*next = NULL;
	p->done = 0;
	if (azure_request_open(&q, url, e) == 0 && azure_run(&q, e) == 0 &&
	    (doc = json_parse(buf_str(&p->split.rest), "list", e)) != NULL &&
	    json_arr(doc, "value", e) != NULL) {
		rc = p->odd ? err_set(e, ERR_PROTO,
				      "an element that is no object") :
			      0;
		link = json_str_opt(doc, "nextLink", "");
		if (*link != '\0')
			*next = xstrdup(link);
	}
	json_free(doc);
	azure_request_close(&q);
	azure_reply_release(&r);
	return rc;
}

int azure_list_of(struct azure *az, const char *path, const char *const *want,
		  const char *what,
		  int (*fn)(void *ctx, const cJSON *item, struct err *e),
		  void *ctx, struct err *e)
{
	struct azure_page page = { .fn = fn, .ctx = ctx };
	char *url = xstrdup(path), *next;
	int rc = 0;

	page.split = (struct json_split){
		.member = "value",
		.what = "the list",
		.each = take_element,
		.ctx = &page,
		.want = want,
		.item_max = ITEM_MAX,
		.rest = BUF_INIT(REST_MAX),
	};
	for (unsigned pages = 0; rc == 0 && url != NULL; pages++) {
		if (pages == PAGES_MAX) {
			rc = err_set(e, ERR_PROTO, "more than %u pages",
				     PAGES_MAX);
			break;
		}
		rc = take_page(az, &page, url, &next, e);
		free(url);
		url = next;
	}
	/* no file of the caller's is at fault */
	if (rc < 0 && e->kind == ERR_DATA)
		e->kind = ERR_PROTO;
	json_split_release(&page.split);
	free(url);
	return rc < 0 ? err_in(e, "%s", what) : 0;
}

int azure_list(struct azure *az, const char *path, const char *what,
	       int (*fn)(void *ctx, const cJSON *item, struct err *e),
	       void *ctx, struct err *e)
{
	return azure_list_of(az, path, NULL, what, fn, ctx, e);
}
