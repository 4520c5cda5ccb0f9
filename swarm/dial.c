/*
 * Reaching Azure: TCP and TLS, directly or through a proxy (CONNECT, RFC 9110
 * 9.3.6), and which of the two by the variables that curl and Go read.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "swarm/dial.h"

#define CONNECT_MS 30000 /* name, TCP, proxy and TLS together */

/* ---- the environment ---- */

static const char *first_of(const char *const *names, const char **value)
{
	for (; *names != NULL; names++)
		if ((*value = getenv(*names)) != NULL && **value != '\0')
			return *names;
	*value = "";
	return NULL;
}

static int take_proxy(struct dial *d, struct str v, struct err *e)
{
	struct buf plain = BUF_INIT(1024), line = BUF_INIT(2048);
	struct err ignored = ERR_INIT;
	struct http_url u;
	ptrdiff_t at;
	char *url;
	int rc = 0;

	d->tls = str_istarts(v, STR("https://"));
	if (d->tls || str_istarts(v, STR("http://")))
		v = str_skip(v, d->tls ? 8 : 7);
	if (str_find(v, STR("://")) >= 0) /* of another kind */
		rc = -1;
	if ((at = str_rchr(v, '@')) >= 0) {
		struct str user = str_head(v, (size_t)at);

		v = str_skip(v, (size_t)at + 1);
		rc |= buf_add_unpct(&plain, user, false, &ignored);
		if (str_chr(user, ':') < 0)
			buf_addc(&plain, ':');
		buf_adds(&line, "Proxy-Authorization: Basic ");
		buf_add_base64(&line, plain.str, plain.n);
		buf_adds(&line, "\r\n");
		rc |= buf_check(&plain, "user", &ignored);
		buf_burn(&plain);
	}
	d->auth = buf_detach(&line);
	url = xasprintf("http%s://%.*s", d->tls ? "s" : "", STR_ARG(v));
	rc |= http_url_parse(str_of(url), &u, &ignored);
	free(url);
	if (rc < 0)
		return err_set(e, ERR_USAGE,
			       "%s: expected http://HOST:PORT or "
			       "https://HOST:PORT, with USER:PASSWORD@ before HOST "
			       "if need be (percent-encoded)",
			       d->variable);
	memcpy(d->host, u.host, sizeof d->host);
	d->port = u.port;
	return 0;
}

int dial_init(struct dial *d, const struct tls_trust *trust, struct err *e)
{
	static const char *const proxy[] = { "https_proxy", "HTTPS_PROXY",
					     "all_proxy", "ALL_PROXY", NULL };
	static const char *const no_proxy[] = { "no_proxy", "NO_PROXY", NULL };
	const char *v;

	*d = (struct dial){ .trust = trust };
	first_of(no_proxy, &d->no_proxy);
	d->variable = first_of(proxy, &v);
	return d->variable == NULL ? 0 : take_proxy(d, str_trim(str_of(v)), e);
}

void dial_release(struct dial *d)
{
	burn_str(d->auth);
	d->auth = NULL;
}

/* ---- through it, or not ---- */

/* Four or sixteen bytes; 0 when it is no address. */
static size_t address(struct str s, uint8_t out[16])
{
	char *z = str_dup(s);
	size_t n = 0;

	if (inet_pton(AF_INET, z, out) == 1)
		n = 4;
	else if (inet_pton(AF_INET6, z, out) == 1)
		n = 16;
	free(z);
	return n;
}

static bool in_network(struct str network, struct str host)
{
	uint8_t a[16], b[16];
	uint64_t bits;
	struct str base = network;
	size_t n;

	if (str_cut(&network, '/', &base)) {
		n = address(base, a);
		if (!str_num(network, n * 8, &bits))
			return false;
	} else {
		n = address(base, a);
		bits = n * 8;
	}
	if (n == 0 || address(host, b) != n)
		return false;
	for (size_t i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static struct str without_dot(struct str s)
{
	return str_head(s, s.n - str_ends(s, STR(".")));
}

/* Whether a word of NO_PROXY is about that host. */
static bool is_about(struct str word, struct str host, unsigned port)
{
	ptrdiff_t colon = str_rchr(word, ':'), bracket = str_rchr(word, ']');
	uint64_t n;

	if (str_eqz(word, "*"))
		return true;
	/* one colon, or one behind a bracket: a port */
	if (colon > bracket && (bracket >= 0 || str_chr(word, ':') == colon)) {
		if (!str_num(str_skip(word, (size_t)colon + 1), 65535, &n) ||
		    n != port)
			return false;
		word = str_head(word, (size_t)colon);
	}
	if (str_starts(word, STR("[")) && str_ends(word, STR("]")))
		word = str_skip(str_head(word, word.n - 1), 1);
	if (str_chr(host, ':') >= 0 || in_network(STR("0.0.0.0/0"), host))
		return in_network(word, host);
	word = str_skip(word, str_starts(word, STR("*.")));
	word = without_dot(str_skip(word, str_starts(word, STR("."))));
	host = without_dot(host);
	if (word.n == 0 || word.n > host.n ||
	    (word.n < host.n && host.p[host.n - word.n - 1] != '.'))
		return false;
	return str_ieq(word, str_skip(host, host.n - word.n));
}

bool dial_proxied(const struct dial *d, const char *host, unsigned port)
{
	struct str rest = str_of(d->no_proxy), words, word;
	bool direct = host_is_loopback(host);

	if (d->variable == NULL)
		return false;
	while (str_next(&rest, ',', &words))
		while (str_next(&words, ' ', &word)) {
			word = str_trim(word);
			if (str_ieqz(word, "<-loopback>"))
				direct = false;
			else if (word.n > 0 && is_about(word, str_of(host), port))
				return false;
		}
	return !direct;
}

/* ---- CONNECT ---- */

static int refused(const struct dial *d, const struct http_head *h, struct err *e)
{
	/* ERR_NET is tried again */
	enum err_kind kind = h->status >= 500 ? ERR_NET : ERR_DATA;
	struct str ways;

	/* 401 is what tinyproxy means by 407 */
	if (h->status != 407 && h->status != 401)
		return err_set(e, kind, "refused: HTTP %u %.*s%s", h->status,
			       STR_ARG(str_head(h->reason, 80)),
			       h->status == 403 ?
				       " (who runs it may allow this "
				       "host; what needs no proxy belongs into NO_PROXY)" :
				       "");
	if (*d->auth != '\0')
		return err_set(e, ERR_USAGE, "user or password in %s refused",
			       d->variable);
	ways = str_head(http_field(h, "proxy-authenticate"), 80);
	return err_set(e, ERR_USAGE,
		       "wants a sign-in (%.*s): give "
		       "%s=http://USER:PASSWORD@HOST:PORT if it takes Basic",
		       STR_ARG(ways), d->variable);
}

/* Have the proxy connect s to that host. */
static int ask_proxy(const struct dial *d, struct stream *s, const char *host,
		     unsigned port, int64_t deadline_ms, struct err *e)
{
	bool v6 = strchr(host, ':') != NULL;
	char *to = xasprintf(v6 ? "[%s]:%u" : "%s:%u", host, port);
	char *ask = xasprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s"
			      "User-Agent: azswarm\r\n\r\n",
			      to, to, d->auth);
	enum http_event event = HTTP_MORE;
	struct http_parser p;
	struct str in, body;
	char piece[512];
	ssize_t n;
	int rc;

	http_parser_init(&p, false);
	p.head_answer = true;
	rc = stream_write(s, ask, strlen(ask), deadline_ms, e);
	if (rc == 0)
		rc = stream_flush(s, deadline_ms, e);
	burn_str(ask);
	free(to);
	while (rc == 0 && event == HTTP_MORE) {
		if ((n = stream_read(s, piece, sizeof piece, deadline_ms, e)) <=
		    0) {
			rc = err_set(e, ERR_NET,
				     "closed the connection instead of "
				     "an answer");
			break;
		}
		in = (struct str){ piece, (size_t)n };
		event = http_parse(&p, &in, &body, e);
		if (event == HTTP_BROKEN)
			rc = -1;
	}
	if (rc == 0 && p.head.status / 100 != 2)
		rc = refused(d, &p.head, e);
	else if (rc == 0 && in.n > 0) /* in TLS it is the client that begins */
		rc = err_set(e, ERR_PROTO, "said more than it was asked");
	http_parser_release(&p);
	return rc;
}

static struct stream *by_proxy(const struct dial *d, const char *host,
			       unsigned port, int64_t deadline_ms, struct err *e)
{
	struct stream *s;
	int fd = tcp_connect(d->host, d->port, deadline_ms, e);

	if (fd < 0)
		return NULL;
	s = d->tls ? tls_connect(fd, d->host, d->trust, deadline_ms, e) :
		     stream_of_fd(fd);
	if (s != NULL && ask_proxy(d, s, host, port, deadline_ms, e) < 0) {
		err_in(e, "%s:%u: %s:%u", d->host, d->port, host, port);
		stream_close(s);
		s = NULL;
	}
	return s;
}

/* ---- the two ways ---- */

static struct stream *azure_dial(void *ctx, bool tls, const char *host,
				 unsigned port, int64_t deadline_ms,
				 struct err *e)
{
	const struct dial *d = ctx;
	int64_t connect_by = now_ms() + CONNECT_MS;
	struct stream *s;
	int fd;

	if (!tls) {
		err_set(e, ERR_USAGE, "%s: only https is spoken", host);
		return NULL;
	}
	if (connect_by > deadline_ms)
		connect_by = deadline_ms;
	if (!dial_proxied(d, host, port)) {
		fd = tcp_connect(host, port, connect_by, e);
		return fd < 0 ? NULL :
				tls_connect(fd, host, d->trust, connect_by, e);
	}
	if ((s = by_proxy(d, host, port, connect_by, e)) != NULL)
		s = tls_over(s, host, d->trust, connect_by, e);
	if (s == NULL)
		err_in(e, "proxy (%s)", d->variable);
	return s;
}

static struct stream *local_dial(void *ctx, bool tls, const char *host,
				 unsigned port, int64_t deadline_ms,
				 struct err *e)
{
	const struct dial *d = ctx;
	int fd = tcp_connect(host, port, deadline_ms, e);

	if (fd < 0)
		return NULL;
	return tls ? tls_connect(fd, host, d->trust, deadline_ms, e) :
		     stream_of_fd(fd);
}

struct http_dialer dial_azure(struct dial *d)
{
	return (struct http_dialer){ azure_dial, d };
}

struct http_dialer dial_local(struct dial *d)
{
	return (struct http_dialer){ local_dial, d };
}
