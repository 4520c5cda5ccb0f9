#include "node/blobs.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "tls/tls.h"

#define HOSTS_MAX (64u << 10)
#define CONNECT_MS 10000 /* with TLS */

/* Names under localhost are this machine (RFC 6761), unless the hosts file says
 * where they are: a rehearsal cloud has such names, for its machines elsewhere. */
static void place(const char *host, char addr[256])
{
	struct buf b = BUF_INIT(HOSTS_MAX);
	struct err e = ERR_INIT;
	struct str rest, line, word, first;

	snprintf(addr, 256, "%s", host);
	if (str_ends(str_of(host), STR(".localhost")) &&
	    file_read("/etc/hosts", &b, &e) == 0) {
		rest = buf_str(&b);
		while (str_next(&rest, '\n', &line)) {
			first = STR_NULL;
			while (str_next(&line, ' ', &word)) {
				if (first.n == 0)
					first = word;
				else if (str_eqz(word, host) && first.n < 64)
					snprintf(addr, 256, "%.*s",
						 (int)first.n, first.p);
			}
		}
	}
	buf_release(&b);
}

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int64_t soon_ms = now_ms() + CONNECT_MS;
	char addr[256];
	int fd;

	if (!tls) {
		err_set(e, ERR_DATA, "its address is not https");
		return NULL;
	}
	if (soon_ms < deadline_ms)
		deadline_ms = soon_ms;
	place(host, addr);
	fd = tcp_connect(addr, port, deadline_ms, e);
	return fd < 0 ? NULL : tls_connect(fd, host, ctx, deadline_ms, e);
}

int blobs_init(struct blobs *b, struct err *e)
{
	b->trust = tls_trust_default(e);
	http_client_init(&b->http, (struct http_dialer){ dial, b->trust },
			 "azswarm");
	return b->trust == NULL ? -1 : 0;
}

void blobs_release(struct blobs *b)
{
	http_client_release(&b->http);
	tls_trust_free(b->trust);
}

void blobs_code(const struct http_head *h, char code[BLOBS_CODE_MAX])
{
	struct str s = str_head(http_field(h, "x-ms-error-code"),
				BLOBS_CODE_MAX - 1);

	if (s.n > 0)
		memcpy(code, s.p, s.n);
	code[s.n] = '\0';
}

int blobs_refused(unsigned status, const char *code, struct err *e)
{
	return err_set(e, ERR_AZURE, "the storage account answers %u %s%s",
		       status, *code != '\0' ? code : http_reason(status),
		       status == 403 ?
			       ": is the address in node.json expired, or its "
			       "key no more? 'azswarm params' and 'azswarm "
			       "upgrade' renew it" :
			       "");
}
