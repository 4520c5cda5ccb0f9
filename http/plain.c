/* One plain HTTP exchange; see plain.h. */
#include "http/plain.h"

#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "http.h"

#define TARGET_MAX 512

static struct stream *plain_dial(void *ctx, bool tls, const char *host,
				 unsigned port, int64_t deadline_ms,
				 struct err *e)
{
	int fd = tcp_connect(host, port, deadline_ms, e);

	(void)ctx, (void)tls;
	return fd < 0 ? NULL : stream_of_fd(fd);
}

int plain_exchange(const char *method, const char *host, unsigned port,
		   const char *target, const char *const *fields,
		   struct str body, int64_t deadline_ms, unsigned *status,
		   struct buf *answer, struct err *e)
{
	struct buf url = BUF_INIT(TARGET_MAX);
	struct http_request q = {
		.method = method,
		.fields = fields,
		.body = body,
		.deadline_ms = deadline_ms,
		/* silence is what the deadline bounds */
		.idle_ms = deadline_ms - now_ms() > 0 ? deadline_ms - now_ms() : 1,
	};
	struct http_response r;
	struct http_client h;
	int rc = -1;

	http_client_init(&h, (struct http_dialer){ plain_dial, NULL }, "azswarm");
	http_response_init(&r, answer != NULL ? answer->max : 4096);
	buf_addf(&url,
		 strchr(host, ':') != NULL ? "http://[%s]:%u%s" : "http://%s:%u%s",
		 host, port, target);
	q.url = url.str;
	if (buf_check(&url, "request", e) < 0 || http_exchange(&h, &q, &r, e) < 0)
		goto out;
	*status = r.head.status;
	if (answer != NULL)
		buf_addstr(answer, buf_str(&r.body));
	rc = 0;
out:
	http_response_release(&r);
	http_client_release(&h);
	buf_release(&url);
	return rc;
}
