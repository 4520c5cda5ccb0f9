/*
 * HTTP/1.1 as a codec that does no I/O, and the client's side of an exchange
 * over a struct stream (RFC 9110, RFC 9112).  The server's is http/server.c.
 * Knows nothing of TLS, of Azure, or of what a body means.
 */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/time.h"
#include "http.h"

#define CHUNK_LINE_MAX	1024u		/* size and extensions */
#define LENGTH_MAX	(UINT64_C(1) << 53)
#define INTERIM_MAX	8u		/* 1xx answers before the real one */
#define BLANK_MAX	2u		/* empty lines before a request, RFC 9112 2.2 */
#define URL_MAX		(HTTP_LINE_MAX - 64)
#define REQUEST_MAX	(64u << 10)	/* head of a request of ours */
#define PIECE		((16u << 10) - 1)	/* read or written at a time */
#define SMALL_BODY	(8u << 10)	/* sent in one write with the head */
#define IDLE_MS		120000
#define RETRY_AFTER_MAX_S 300
#define CLOCK_OFF_S	300		/* what sign-in and signatures put up with */
#define SALVAGE_MS	2000		/* for an answer that was cut off while we sent */

enum {
	AT_HEAD,
	AT_BODY,		/* of known length */
	AT_BODY_TO_CLOSE,
	AT_CHUNK_SIZE,
	AT_CHUNK,
	AT_CHUNK_END,		/* the CRLF behind it */
	AT_TRAILERS,
	AT_END,
	AT_BROKEN,
};

/* ---- fields ---- */

struct str http_field_n(const struct http_head *h, const char *name, size_t nth)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (str_ieqz(h->fields[i].name, name) && nth-- == 0)
			return h->fields[i].value;
	return STR_NULL;
}

struct str http_field(const struct http_head *h, const char *name)
{
	return http_field_n(h, name, 0);
}

int64_t retry_after_s(const struct http_head *h, int64_t unix_now)
{
	struct str v = http_field(h, "retry-after");
	uint64_t s;
	int64_t at;

	if (str_num(v, UINT32_MAX, &s))
		return s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int64_t)s;
	if (v.n > 0 && time_parse_http(v, &at))
		return at <= unix_now ? 0 :
		       at - unix_now > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : at - unix_now;
	return -1;
}

int64_t http_clock_ahead(const struct http_head *h)
{
	int64_t date;

	if (http_field(h, "age").n > 0 || !time_parse_http(http_field(h, "date"), &date))
		return 0;
	return unix_time() - date;
}

int http_blame_clock(int64_t ahead_s, struct err *e)
{
	int64_t off = ahead_s < 0 ? -ahead_s : ahead_s;

	return off <= CLOCK_OFF_S ? -1 : err_in(e, "the clock of this machine is %lld s %s",
		(long long)off, ahead_s < 0 ? "behind" : "ahead");
}

bool http_field_has(const struct http_head *h, const char *name, const char *word)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		struct str rest = h->fields[i].value, one;

		if (!str_ieqz(h->fields[i].name, name))
			continue;
		while (str_next(&rest, ',', &one))
			if (str_ieqz(str_trim(one), word))
				return true;
	}
	return false;
}

/* RFC 9110 section 5.5: visible, space, tab, and the obsolete upper half. */
static bool text_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

int http_fields_check(const char *const *fields, bool request, struct err *e)
{
	static const char *const ours[] = {
		"Content-Length", "Transfer-Encoding", "Host", "Connection", "Expect",
	};
	size_t n_ours = request ? sizeof ours / sizeof ours[0] : 2;

	for (; fields != NULL && *fields != NULL; fields++) {
		struct str value = str_of(*fields), name;

		/* the value is not shown: it may be a token */
		if (!str_cut(&value, ':', &name) || !str_is_token(name))
			return err_set(e, ERR_DATA, "not a header field's name");
		if (!text_ok(value))
			return err_set(e, ERR_DATA, "control characters in header field %.*s",
				       STR_ARG(name));
		for (size_t i = 0; i < n_ours; i++)
			if (str_ieqz(name, ours[i]))
				return err_set(e, ERR_DATA, "header field %s cannot be given",
					       ours[i]);
	}
	return 0;
}

const char *http_reason(unsigned status)
{
	static const struct { unsigned status; const char *reason; } known[] = {
		{ 100, "Continue" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 206, "Partial Content" }, { 301, "Moved Permanently" },
		{ 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
		{ 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
		{ 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
		{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].status == status)
			return known[i].reason;
	return status < 400 ? "OK" : "Error";
}

/* ---- the codec ---- */

void http_parser_init(struct http_parser *p, bool request)
{
	memset(p, 0, sizeof *p);
	p->request = request;
	buf_init(&p->head.raw, HTTP_HEAD_MAX);
	buf_init(&p->line, HTTP_HEAD_MAX);
}

void http_parser_reset(struct http_parser *p)
{
	struct buf raw = p->head.raw, line = p->line;

	http_parser_init(p, p->request);
	buf_reset(&raw);
	buf_reset(&line);
	p->head.raw = raw;
	p->line = line;
}

void http_parser_release(struct http_parser *p)
{
	/* cookies and tokens pass through here */
	buf_burn(&p->head.raw);
	buf_release(&p->line);
}

/* The first thing wrong is what stays; status is what a server makes of it. */
#define REFUSE(p, status, ...) \
	((p)->refusal = (status), err_set(&(p)->broken, ERR_PROTO, __VA_ARGS__))

/*
 * Move one line, its CRLF included, to the end of b, where it began at
 * p->line_at.  1: it is whole, 0: not yet, -1: broken.  What is refused does
 * not depend on how the bytes were cut into pieces.
 */
static int take_line(struct http_parser *p, struct buf *b, size_t line_max, struct str *in)
{
	size_t room = b->max - b->n;
	size_t line_room = line_max + 2 - (b->n - p->line_at);
	ptrdiff_t lf = str_chr(*in, '\n');
	size_t n = lf < 0 ? in->n : (size_t)lf + 1;

	if (line_room <= room && n > line_room)
		return REFUSE(p, 431, "a line is longer than %zu bytes", line_max);
	if (n > room)
		return REFUSE(p, 431, "the header is larger than %zu bytes", b->max);
	buf_add(b, in->p, n);
	*in = str_skip(*in, n);
	if (lf < 0)
		return 0;
	if (b->n - p->line_at < 2 || b->str[b->n - 2] != '\r')
		return REFUSE(p, 400, "a line ends in LF without CR");
	return 1;
}

/* "HTTP/1.1": RFC 9112 section 2.3. */
static int version(struct http_parser *p, struct str s)
{
	if (s.n != 8 || !str_starts(s, STR("HTTP/")) || !is_digit(s.p[5]) ||
	    s.p[6] != '.' || !is_digit(s.p[7]))
		return REFUSE(p, 400, "not HTTP: \"%.*s\"", (int)(s.n < 40 ? s.n : 40), s.p);
	if (s.p[5] != '1')
		return REFUSE(p, 505, "HTTP version %.3s is not spoken here", s.p + 5);
	p->head.minor = (unsigned)(s.p[7] - '0');
	return 0;
}

static bool target_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

/* RFC 9112 section 3, single spaces only. */
static int request_line(struct http_parser *p, struct str line)
{
	struct str v = line;

	if (!str_cut(&v, ' ', &p->head.method) || !str_is_token(p->head.method) ||
	    !str_cut(&v, ' ', &p->head.target))
		return REFUSE(p, 400, "bad request line");
	if (!target_ok(p->head.target))
		return REFUSE(p, 400, "bad request target");
	return version(p, v);
}

/* RFC 9112 section 4; a missing reason may come without its space. */
static int status_line(struct http_parser *p, struct str line)
{
	struct str v = line, rest = str_skip(line, 8);
	uint64_t status;

	if (version(p, str_head(v, 8)) < 0)
		return -1;
	v = str_head(str_skip(rest, 1), 3);
	if (rest.n < 4 || rest.p[0] != ' ' || !str_num(v, 599, &status) || status < 100)
		return REFUSE(p, 400, "bad status line");
	p->head.status = (unsigned)status;
	rest = str_skip(rest, 4);
	if ((rest.n > 0 && rest.p[0] != ' ') || !text_ok(rest))
		return REFUSE(p, 400, "bad status line");
	p->head.reason = str_skip(rest, 1);
	return 0;
}

/* RFC 9112 section 5. */
static int field_line(struct http_parser *p, struct str line, struct http_field *f)
{
	struct str value = line, name;

	if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		return REFUSE(p, 400, "a folded header line");
	if (!str_cut(&value, ':', &name) || !str_is_token(name))
		return REFUSE(p, 400, "bad header line");
	if (!text_ok(value))
		return REFUSE(p, 400, "control characters in header field %.*s",
			      (int)(name.n < 40 ? name.n : 40), name.p);
	f->name = name;
	f->value = str_trim(value);
	return 0;
}

/* One line of the head, where it lies now: start line or field. */
static int head_line(struct http_parser *p, struct str line)
{
	struct http_head *h = &p->head;

	if (line.p == h->raw.str)
		return p->request ? request_line(p, line) : status_line(p, line);
	if (h->n_fields == HTTP_FIELDS_MAX)
		return REFUSE(p, 431, "more than %d header fields", HTTP_FIELDS_MAX);
	return field_line(p, line, &h->fields[h->n_fields++]);
}

/* Slices of a head that is not complete: raw moves as it grows. */
static void forget_slices(struct http_head *h)
{
	h->method = h->target = h->reason = STR_NULL;
	memset(h->fields, 0, h->n_fields * sizeof h->fields[0]);
}

/* Lines were looked at as they came; now that raw moves no more, again, for
 * the slices. */
static int index_head(struct http_parser *p)
{
	struct str rest = buf_str(&p->head.raw), line;

	p->head.n_fields = 0;
	rest.n -= 2;			/* the empty line */
	while (str_cut(&rest, '\n', &line)) {
		line.n--;
		if (head_line(p, line) < 0)
			return -1;
	}
	return 0;
}

/* RFC 9112 section 6.3, with every doubtful case refused. */
static int framing(struct http_parser *p)
{
	uint64_t n;

	for (size_t i = 0; i < p->head.n_fields; i++) {
		struct str name = p->head.fields[i].name, value = p->head.fields[i].value;

		if (str_ieqz(name, "content-length")) {
			if (!str_num(value, LENGTH_MAX, &n))
				return REFUSE(p, 400, "bad Content-Length \"%.*s\"",
					      (int)(value.n < 40 ? value.n : 40), value.p);
			if (p->has_length && p->length != n)
				return REFUSE(p, 400, "two Content-Lengths that disagree");
			p->has_length = true;
			p->length = n;
		} else if (str_ieqz(name, "transfer-encoding")) {
			if (p->chunked || !str_ieqz(value, "chunked"))
				return REFUSE(p, 501, "transfer coding \"%.*s\" is not known",
					      (int)(value.n < 40 ? value.n : 40), value.p);
			p->chunked = true;
		}
	}
	if (p->chunked && p->has_length)
		return REFUSE(p, 400, "both Transfer-Encoding and Content-Length");
	if (p->chunked && p->head.minor == 0)
		return REFUSE(p, 400, "Transfer-Encoding in HTTP/1.0");
	return 0;
}

static bool bodiless(const struct http_parser *p)
{
	return p->head_answer || p->head.status == 204 || p->head.status == 304;
}

/* The head is complete: 1 to be told, 0 if it was an interim answer. */
static int finish_head(struct http_parser *p)
{
	if (index_head(p) < 0)
		return -1;
	if (!p->request && p->head.status < 200) {
		if (p->head.status == 101)
			return REFUSE(p, 400, "answer 101 to what did not ask for another protocol");
		if (++p->interim > INTERIM_MAX)
			return REFUSE(p, 400, "more than %u interim answers", INTERIM_MAX);
		p->head.n_fields = 0;
		p->line_at = 0;
		buf_reset(&p->head.raw);
		return 0;
	}
	if (framing(p) < 0)
		return -1;
	if (!p->request && bodiless(p))
		p->chunked = p->has_length = false;
	else if (!p->request)
		p->until_close = !p->chunked && !p->has_length;
	p->keep_alive = !p->until_close && !http_field_has(&p->head, "connection", "close") &&
		(p->head.minor > 0 || http_field_has(&p->head, "connection", "keep-alive"));
	p->left = p->has_length ? p->length : 0;
	p->state = p->chunked ? AT_CHUNK_SIZE : p->until_close ? AT_BODY_TO_CLOSE :
		p->left > 0 ? AT_BODY : AT_END;
	p->line_at = 0;
	return 1;
}

static int take_head(struct http_parser *p, struct str *in)
{
	struct buf *raw = &p->head.raw;
	struct str line;
	int rc;

	while ((rc = take_line(p, raw, HTTP_LINE_MAX, in)) > 0) {
		line = str_skip(buf_str(raw), p->line_at);
		line.n -= 2;
		if (line.n > 0) {
			rc = head_line(p, line);
			forget_slices(&p->head);
			if (rc < 0)
				return -1;
			p->line_at = raw->n;
			continue;
		}
		if (p->line_at > 0) {
			if ((rc = finish_head(p)) != 0)
				return rc;
			continue;
		}
		if (!p->request || ++p->blank > BLANK_MAX)
			return REFUSE(p, 400, "an empty line where the start line should be");
		buf_reset(raw);
	}
	return rc;
}

/* RFC 9112 section 7.1: extensions are passed over. */
static int chunk_size(struct http_parser *p, struct str line)
{
	struct str s = line;
	uint64_t n;

	if (s.n == 0 || !str_hex(&s, LENGTH_MAX, &n))
		return REFUSE(p, 400, "bad chunk size \"%.*s\"",
			      (int)(line.n < 40 ? line.n : 40), line.p);
	s = str_trim(s);
	if ((s.n > 0 && s.p[0] != ';') || !text_ok(line))
		return REFUSE(p, 400, "bad chunk extension");
	p->left = n;
	p->state = n > 0 ? AT_CHUNK : AT_TRAILERS;
	return 0;
}

static int take_chunk_line(struct http_parser *p, struct str *in)
{
	bool size = p->state == AT_CHUNK_SIZE;
	struct str line;
	int rc = take_line(p, &p->line, CHUNK_LINE_MAX, in);

	if (rc <= 0)
		return rc;
	line = str_head(buf_str(&p->line), p->line.n - 2);
	if (size)
		rc = chunk_size(p, line);
	else if (line.n > 0)
		rc = REFUSE(p, 400, "a chunk is longer than its size says");
	else
		p->state = AT_CHUNK_SIZE;
	buf_reset(&p->line);
	return rc < 0 ? -1 : 1;
}

static int take_trailers(struct http_parser *p, struct str *in)
{
	struct http_field dropped;
	struct str line;
	int rc;

	while ((rc = take_line(p, &p->line, HTTP_LINE_MAX, in)) > 0) {
		line = str_skip(buf_str(&p->line), p->line_at);
		line.n -= 2;
		if (line.n == 0) {
			p->state = AT_END;
			return 1;
		}
		if (field_line(p, line, &dropped) < 0)
			return -1;
		p->line_at = p->line.n;
	}
	return rc;
}

static enum http_event take_body(struct http_parser *p, struct str *in, struct str *body)
{
	size_t n = in->n;

	if (p->state != AT_BODY_TO_CLOSE && p->left < n)
		n = (size_t)p->left;
	*body = str_head(*in, n);
	*in = str_skip(*in, n);
	if (p->state != AT_BODY_TO_CLOSE && (p->left -= n) == 0)
		p->state = p->state == AT_BODY ? AT_END : AT_CHUNK_END;
	return HTTP_BODY;
}

static enum http_event broken(struct http_parser *p, struct err *e)
{
	p->state = AT_BROKEN;
	p->keep_alive = false;
	err_set(e, p->broken.kind, "%s", p->broken.msg);
	return HTTP_BROKEN;
}

enum http_event http_parse(struct http_parser *p, struct str *in, struct str *body,
			   struct err *e)
{
	int rc;

	/* each turn takes bytes or changes the state for one further on */
	for (;;) {
		if (p->state == AT_BROKEN)
			return broken(p, e);
		if (p->state == AT_END)
			return HTTP_END;
		if (in->n == 0)
			return HTTP_MORE;
		p->started = true;
		switch (p->state) {
		case AT_HEAD:
			rc = take_head(p, in);
			if (rc > 0)
				return HTTP_HEAD;
			break;
		case AT_CHUNK_SIZE:
		case AT_CHUNK_END:
			rc = take_chunk_line(p, in);
			break;
		case AT_TRAILERS:
			rc = take_trailers(p, in);
			break;
		default:
			return take_body(p, in, body);
		}
		if (rc < 0)
			return broken(p, e);
	}
}

int http_parse_eof(struct http_parser *p, struct err *e)
{
	const char *what = p->request ? "request" : "answer";

	switch (p->state) {
	case AT_END:
		return 0;
	case AT_BODY_TO_CLOSE:
		p->state = AT_END;
		return 0;
	case AT_BROKEN:
		break;
	case AT_HEAD:
		if (!p->started)
			return err_set(e, ERR_NET, "the connection was closed before the %s", what);
		REFUSE(p, 400, "the %s ended early, in its header", what);
		break;
	case AT_BODY:
		REFUSE(p, 400, "the %s ended early: %llu of %llu bytes are missing", what,
		       (unsigned long long)p->left, (unsigned long long)p->length);
		break;
	default:
		REFUSE(p, 400, "the %s ended early, before its last chunk", what);
	}
	broken(p, e);
	return -1;
}

/* ---- URLs ---- */

static bool host_ok(struct str s, bool v6)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = to_lower(s.p[i]);

		if (v6 ? !is_digit(c) && (c < 'a' || c > 'f') && c != ':' && c != '.' :
		    !is_alnum(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return s.n > 0 && s.n < 256;
}

int http_url_parse(struct str url, struct http_url *u, struct err *e)
{
	struct str s = url, host, authority;
	size_t n = 0;
	uint64_t port;
	ptrdiff_t at;
	bool v6;

	if (url.n > URL_MAX)
		return err_set(e, ERR_DATA, "a URL of more than %u bytes", URL_MAX);
	if (!target_ok(url))
		return err_set(e, ERR_DATA, "a URL with characters that must be escaped");
	u->tls = str_istarts(s, STR("https://"));
	if (!u->tls && !str_istarts(s, STR("http://")))
		return err_set(e, ERR_DATA, "\"%.*s\" is no http or https URL",
			       (int)(s.n < 30 ? s.n : 30), s.p);
	s = str_skip(s, u->tls ? 8 : 7);
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
		n++;
	authority = str_head(s, n);
	u->path = str_skip(s, n);
	if ((at = str_chr(u->path, '#')) >= 0)
		u->path.n = (size_t)at;
	if (u->path.n == 0)
		u->path = STR("/");

	if (str_chr(authority, '@') >= 0)
		return err_set(e, ERR_DATA, "a URL with a user name");
	v6 = str_starts(authority, STR("["));
	at = v6 ? str_chr(authority, ']') : str_chr(authority, ':');
	if (v6 && at < 0)
		return err_set(e, ERR_DATA, "a URL without the ] of its address");
	host = at < 0 ? authority : str_head(authority, (size_t)at);
	host = str_skip(host, v6);
	s = str_skip(authority, host.n + (v6 ? 2 : 0));
	if (!host_ok(host, v6))
		return err_set(e, ERR_DATA, "a URL with a bad host \"%.*s\"",
			       (int)(host.n < 80 ? host.n : 80), host.p);
	for (n = 0; n < host.n; n++)
		u->host[n] = to_lower(host.p[n]);
	u->host[n] = '\0';
	u->port = u->tls ? 443 : 80;
	if (s.n > 0 && (s.p[0] != ':' ||
			(s.n > 1 && (!str_num(str_skip(s, 1), 65535, &port) || port == 0))))
		return err_set(e, ERR_DATA, "a URL with a bad port after %s", u->host);
	if (s.n > 1)
		u->port = (unsigned)port;
	return 0;
}

/* ---- client ---- */

void http_client_init(struct http_client *c, struct http_dialer dialer, const char *user_agent)
{
	memset(c, 0, sizeof *c);
	c->dialer = dialer;
	c->user_agent = user_agent;
	buf_init(&c->in, PIECE);
}

static void hang_up(struct http_client *c)
{
	stream_close(c->stream);
	c->stream = NULL;
	buf_reset(&c->in);
}

void http_client_release(struct http_client *c)
{
	hang_up(c);
	buf_burn(&c->in);
}

void http_response_init(struct http_response *r, size_t body_max)
{
	memset(r, 0, sizeof *r);
	buf_init(&r->head.raw, HTTP_HEAD_MAX);
	buf_init(&r->body, body_max);
}

void http_response_release(struct http_response *r)
{
	buf_burn(&r->head.raw);
	buf_burn(&r->body);
	memset(&r->head, 0, sizeof r->head);
	buf_init(&r->head.raw, HTTP_HEAD_MAX);
}

/* One attempt at an exchange. */
struct talk {
	struct http_client *c;
	const struct http_request *q;
	struct http_response *r;
	struct http_url u;
	struct http_parser parser;
	bool body_begun;	/* body_read was asked: no second attempt */
	bool sent;		/* the whole request */
	bool have_head;
	bool done;		/* the whole answer */
};

static int64_t patience(const struct talk *t)
{
	int64_t idle = now_ms() + (t->q->idle_ms > 0 ? t->q->idle_ms : IDLE_MS);

	return idle < t->q->deadline_ms ? idle : t->q->deadline_ms;
}

static bool is_method(const struct http_request *q, const char *const *some)
{
	for (; *some != NULL; some++)
		if (strcmp(q->method, *some) == 0)
			return true;
	return false;
}

static bool harmless_twice(const struct http_request *q)
{
	static const char *const idempotent[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", NULL };

	return q->idempotent || is_method(q, idempotent);
}

static uint64_t body_length(const struct http_request *q)
{
	return q->body_read != NULL ? q->body_length : q->body.n;
}

static int request_head(const struct talk *t, struct buf *b, struct err *e)
{
	static const char *const with_body[] = { "POST", "PUT", "PATCH", NULL };
	const struct http_request *q = t->q;
	bool v6 = strchr(t->u.host, ':') != NULL;

	buf_addf(b, "%s %s%.*s HTTP/1.1\r\nHost: %s%s%s", q->method,
		 t->u.path.p[0] == '?' ? "/" : "", STR_ARG(t->u.path),
		 v6 ? "[" : "", t->u.host, v6 ? "]" : "");
	if (t->u.port != (t->u.tls ? 443 : 80))
		buf_addf(b, ":%u", t->u.port);
	buf_adds(b, "\r\n");
	if (t->c->user_agent != NULL)
		buf_addf(b, "User-Agent: %s\r\n", t->c->user_agent);
	for (const char *const *f = q->fields; f != NULL && *f != NULL; f++)
		buf_addf(b, "%s\r\n", *f);
	if (q->body_read != NULL || q->body.p != NULL || is_method(q, with_body))
		buf_addf(b, "Content-Length: %llu\r\n", (unsigned long long)body_length(q));
	buf_adds(b, "\r\n");
	return buf_check(b, "the request's header", e);
}

static int deliver(struct http_response *r, struct str piece, struct err *e)
{
	if (r->on_body != NULL)
		return r->on_body(r->ctx, piece, e);
	buf_addstr(&r->body, piece);
	return buf_check(&r->body, "the answer", e);
}

/* The parser's head becomes the caller's, before any of the body. */
static void hand_over(struct talk *t)
{
	buf_burn(&t->r->head.raw);
	t->r->head = t->parser.head;
	buf_init(&t->parser.head.raw, HTTP_HEAD_MAX);
	t->have_head = true;
}

/* Make what can be made of the bytes that are there. */
static int digest(struct talk *t, struct err *e)
{
	struct str in = buf_str(&t->c->in), piece;
	enum http_event event;
	int rc = 0;

	do {
		event = http_parse(&t->parser, &in, &piece, e);
		if (event == HTTP_HEAD)
			hand_over(t);
		else if (event == HTTP_BODY)
			rc = deliver(t->r, piece, e);
	} while (rc == 0 && (event == HTTP_HEAD || event == HTTP_BODY));
	t->done = event == HTTP_END;
	buf_consume(&t->c->in, t->c->in.n - in.n);
	return event == HTTP_BROKEN ? -1 : rc;
}

/* Read once, until `until` at the latest, and digest it. */
static int listen_to(struct talk *t, int64_t until, struct err *e)
{
	struct buf *in = &t->c->in;
	ssize_t got = stream_read(t->c->stream, buf_room(in, PIECE - in->n), PIECE - in->n,
				  until, e);

	if (got < 0)
		return err_in(e, t->parser.started ? "the answer broke off" :
			      "waiting for an answer");
	if (got == 0) {
		if (http_parse_eof(&t->parser, e) < 0)
			return -1;
		t->done = true;
		return 0;
	}
	buf_grew(in, (size_t)got);
	if (digest(t, e) < 0)
		return -1;
	/* a peer that never falls silent */
	if (!t->done && now_ms() >= t->q->deadline_ms)
		return err_set(e, ERR_TIMEOUT, "the answer took too long");
	return 0;
}

/* Nothing more needs to be sent: it is answered, or refused. */
static bool settled(const struct talk *t)
{
	return t->done || (t->have_head && t->r->head.status >= 400);
}

/* Between pieces of the body: hear what the peer says, until it takes more. */
static int look_up(struct talk *t, struct err *e)
{
	struct stream *s = t->c->stream;
	struct pollfd p = { .fd = stream_fd(s), .events = POLLIN };

	if (stream_pending(s))
		return listen_to(t, patience(t), e);
	if (p.fd < 0)
		return 0;
	if (fd_wait(p.fd, POLLIN | POLLOUT, patience(t), e) < 0)
		return err_in(e, "sending");
	if (poll(&p, 1, 0) <= 0 || p.revents == 0)
		return 0;
	return listen_to(t, patience(t), e);
}

/* The peer takes no more.  Perhaps it said why before it closed. */
static int salvage(struct talk *t, struct err *e)
{
	struct err ignored = ERR_INIT;
	int64_t until = now_ms() + SALVAGE_MS;

	if (e->kind != ERR_NET && e->kind != ERR_TIMEOUT)
		return -1;
	while (!t->done && listen_to(t, until, &ignored) == 0)
		;
	if (!t->done)
		return -1;
	err_clear(e);
	return 0;
}

static int send_body(struct talk *t, char *piece, struct err *e)
{
	const struct http_request *q = t->q;
	uint64_t left = body_length(q);
	struct str rest = q->body;

	while (left > 0) {
		size_t n = left < PIECE ? (size_t)left : PIECE;
		const char *from = rest.p;

		if (look_up(t, e) < 0)
			return -1;
		if (settled(t))
			return 0;
		if (q->body_read != NULL) {
			ssize_t got = q->body_read(q->body_ctx, piece, n, e);

			t->body_begun = true;
			if (got <= 0 || (size_t)got > n)
				return err_set(e, ERR_IO, "the body to send ended early");
			n = (size_t)got;
			from = piece;
		}
		if (stream_write(t->c->stream, from, n, patience(t), e) < 0)
			return salvage(t, e);
		rest = str_skip(rest, n);
		left -= n;
		if (now_ms() >= q->deadline_ms)
			return err_set(e, ERR_TIMEOUT, "the request took too long to send");
	}
	t->sent = true;
	return 0;
}

static int send_request(struct talk *t, struct err *e)
{
	struct buf b = BUF_INIT(REQUEST_MAX + SMALL_BODY);
	bool small = t->q->body_read == NULL && t->q->body.n <= SMALL_BODY;
	int rc = -1;

	if (request_head(t, &b, e) < 0)
		goto out;
	if (small)
		buf_addstr(&b, t->q->body);
	t->c->requests++;
	if (stream_write(t->c->stream, b.str, b.n, patience(t), e) < 0) {
		rc = salvage(t, e);
		goto out;
	}
	if (small) {
		t->sent = true;
	} else {
		/* its header is out: the buffer serves for the pieces */
		buf_burn(&b);
		if (send_body(t, buf_room(&b, PIECE), e) < 0)
			goto out;
	}
	rc = 0;
	if (t->sent && stream_flush(t->c->stream, patience(t), e) < 0) {
		t->sent = false;
		rc = salvage(t, e);
	}
out:
	buf_burn(&b);
	return rc;
}

static int attempt(struct talk *t, struct err *e)
{
	int rc;

	http_parser_reset(&t->parser);
	t->parser.head_answer = strcmp(t->q->method, "HEAD") == 0;
	t->sent = t->have_head = t->done = false;
	t->r->head.n_fields = 0;
	t->r->head.status = 0;
	buf_reset(&t->r->body);
	rc = send_request(t, e);
	while (rc == 0 && !t->done)
		rc = listen_to(t, patience(t), e);
	return rc < 0 ? err_in(e, "%s", t->u.host) : 0;
}

/* Connected to the right place already, and not hung up on?  Whatever the
 * peer sent unasked (its end, mostly) makes the connection useless. */
static bool still_good(const struct http_client *c, const struct http_url *u)
{
	struct pollfd p = { .events = POLLIN };

	if (c->stream == NULL || c->tls != u->tls || c->port != u->port ||
	    strcmp(c->host, u->host) != 0 || c->in.n > 0 || stream_pending(c->stream))
		return false;
	p.fd = stream_fd(c->stream);
	return p.fd < 0 || poll(&p, 1, 0) == 0;
}

static int connect_to(struct http_client *c, const struct http_url *u, int64_t deadline_ms,
		      struct err *e)
{
	hang_up(c);
	c->stream = c->dialer.dial(c->dialer.ctx, u->tls, u->host, u->port, deadline_ms, e);
	if (c->stream == NULL)
		return -1;
	c->connections++;
	c->tls = u->tls;
	c->port = u->port;
	memcpy(c->host, u->host, sizeof c->host);
	return 0;
}

static int exchange(struct talk *t, struct err *e)
{
	struct http_client *c = t->c;
	bool used = still_good(c, &t->u);

	if (!used && connect_to(c, &t->u, t->q->deadline_ms, e) < 0)
		return -1;
	if (attempt(t, e) == 0)
		return 0;
	hang_up(c);
	if (!used || e->kind != ERR_NET || t->parser.started || t->body_begun ||
	    !harmless_twice(t->q))
		return -1;
	/* the peer had closed it while we were not looking */
	err_clear(e);
	if (connect_to(c, &t->u, t->q->deadline_ms, e) < 0)
		return -1;
	return attempt(t, e);
}

int http_exchange(struct http_client *c, const struct http_request *q,
		  struct http_response *r, struct err *e)
{
	struct talk t = { .c = c, .q = q, .r = r };
	int rc;

	if (http_url_parse(str_of(q->url), &t.u, e) < 0 ||
	    http_fields_check(q->fields, true, e) < 0)
		return -1;
	if (!str_is_token(str_of(q->method)))
		return err_set(e, ERR_DATA, "not a request method");
	http_parser_init(&t.parser, false);
	rc = exchange(&t, e);
	if (rc < 0) {
		hang_up(c);
		if (e->kind == ERR_NET && t.parser.started)
			e->kind = ERR_PROTO;
	} else if (!t.sent || !t.parser.keep_alive || c->in.n > 0) {
		hang_up(c);
	}
	http_parser_release(&t.parser);
	return rc;
}
