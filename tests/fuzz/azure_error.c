/*
 * Any bytes as Azure's answers: an error body, then the same bytes as the
 * beginning and the polls of an operation.  An answer ends with a line that
 * holds only "--"; its first byte picks the status.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "azure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned statuses[] = { 200, 202, 201, 204, 404,
				     409, 429, 500, 302, 401 };

static void clean(const struct err *e)
{
	for (const char *p = e->msg; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort();
}

/* The answer a chunk stands for.  Its lines "Name: value" at the top are
 * fields, as long as they come before the body. */
static void answer(struct str chunk, struct azure_reply *r)
{
	struct http_head *h = &r->http.head;
	struct err ignored = ERR_INIT;
	struct str line;

	*r = (struct azure_reply){ 0 };
	http_response_init(&r->http, 1u << 20);
	h->status = statuses[chunk.n ? (unsigned char)chunk.p[0] % 10 : 0];
	h->reason = str_of(http_reason(h->status));
	chunk = str_skip(chunk, 1);
	while (h->n_fields < 8 && chunk.n > 0 && chunk.p[0] >= 'A' &&
	       chunk.p[0] <= 'z' && str_next(&chunk, '\n', &line)) {
		struct http_field *f = &h->fields[h->n_fields++];

		f->value = line;
		if (!str_cut(&f->value, ':', &f->name))
			f->name = line;
		f->value = str_trim(f->value);
	}
	buf_addstr(&r->http.body, chunk);
	if (chunk.n > 0)
		r->doc = json_parse(chunk, "answer", &ignored);
}

static void operation(struct str all)
{
	static const char *const methods[] = { "PUT", "POST", "DELETE", "PATCH" };
	struct lro op = { 0 };
	struct err e = ERR_INIT;
	enum lro_state state = LRO_WAIT;
	bool begun = false;
	int64_t now = 0;

	while (state == LRO_WAIT && all.n > 0) {
		ptrdiff_t end = str_find(all, STR("\n--\n"));
		struct str chunk = end < 0 ? all : str_head(all, (size_t)end);
		struct azure_reply r;

		answer(chunk, &r);
		if (!begun)
			state = lro_start(&op, methods[chunk.n % 4], "/x", &r,
					  now, 3600000, &e);
		else
			state = lro_step(&op, &r, now, &e);
		begun = true;
		azure_reply_release(&r);
		if (state == LRO_WAIT) {
			/* never at once, never for ever, and there is where to ask */
			if (op.url == NULL || op.next_ms < now + 1000 ||
			    op.next_ms > now + 300000)
				abort();
			now = op.next_ms;
		}
		all = end < 0 ? STR_NULL : str_skip(all, (size_t)end + 4);
	}
	if ((state == LRO_FAILED) != (e.kind != ERR_NONE))
		abort();
	clean(&e);
	lro_release(&op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };
	struct azure_reply r;
	struct err e = ERR_INIT;

	answer(all, &r);
	azure_error(&r.http.head, r.doc, buf_str(&r.http.body), &e);
	if (e.kind != ERR_AZURE || strstr(e.msg, "HTTP ") == NULL ||
	    strchr(e.msg, ']') == NULL)
		abort();
	clean(&e);
	azure_error_code(r.doc);
	free(azure_claims(&r.http.head));
	azure_reply_release(&r);
	operation(all);
	return 0;
}
