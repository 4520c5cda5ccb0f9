/*
 * HTTP/1.1 messages as a codec that does no I/O (RFC 9112): takes whatever has
 * arrived and keeps its place.  Knows nothing of connections, or of what a
 * body means.
 */
#include <string.h>

#include "http/inner.h"

#define CHUNK_LINE_MAX 1024u /* size and extensions */
#define LENGTH_MAX (UINT64_C(1) << 53)
#define INTERIM_MAX 8u /* 1xx answers before the real one */
#define BLANK_MAX 2u   /* empty lines before a request, RFC 9112 2.2 */

enum {
	AT_HEAD,
	AT_BODY, /* of known length */
	AT_BODY_TO_CLOSE,
	AT_CHUNK_SIZE,
	AT_CHUNK,
	AT_CHUNK_END, /* the CRLF behind it */
	AT_TRAILERS,
	AT_END,
	AT_BROKEN,
};

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
static int take_line(struct http_parser *p, struct buf *b, size_t line_max,
		     struct str *in)
{
	size_t room = b->max - b->n;
	size_t line_room = line_max + 2 - (b->n - p->line_at);
	ptrdiff_t lf = str_chr(*in, '\n');
	size_t n = lf < 0 ? in->n : (size_t)lf + 1;

	if (line_room <= room && n > line_room)
		return REFUSE(p, 431, "a line is longer than %zu bytes", line_max);
	if (n > room)
		return REFUSE(p, 431, "the header is larger than %zu bytes",
			      b->max);
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
		return REFUSE(p, 400, "not HTTP: \"%.*s\"",
			      (int)(s.n < 40 ? s.n : 40), s.p);
	if (s.p[5] != '1')
		return REFUSE(p, 505, "HTTP version %.3s is not spoken here",
			      s.p + 5);
	p->head.minor = (unsigned)(s.p[7] - '0');
	return 0;
}

/* RFC 9112 section 3, single spaces only. */
static int request_line(struct http_parser *p, struct str line)
{
	struct str v = line;

	if (!str_cut(&v, ' ', &p->head.method) ||
	    !str_is_token(p->head.method) || !str_cut(&v, ' ', &p->head.target))
		return REFUSE(p, 400, "bad request line");
	if (!http_target_ok(p->head.target))
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
	if (rest.n < 4 || rest.p[0] != ' ' || !str_num(v, 599, &status) ||
	    status < 100)
		return REFUSE(p, 400, "bad status line");
	p->head.status = (unsigned)status;
	rest = str_skip(rest, 4);
	if ((rest.n > 0 && rest.p[0] != ' ') || !http_text_ok(rest))
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
	if (!http_text_ok(value))
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
		return REFUSE(p, 431, "more than %d header fields",
			      HTTP_FIELDS_MAX);
	return field_line(p, line, &h->fields[h->n_fields++]);
}

/* Slices of a head that is not complete: raw moves as it grows. */
static void forget_slices(struct http_head *h)
{
	h->method = h->target = h->reason = STR_NULL;
	memset(h->fields, 0, h->n_fields * sizeof h->fields[0]);
}

/* Lines were looked at as they came; now that raw moves no more, again, for
 * the slices, unless it has not moved since the first of them. */
static int index_head(struct http_parser *p)
{
	struct str rest = buf_str(&p->head.raw), line;

	p->head.n_fields = 0;
	rest.n -= 2; /* the empty line */
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
		struct str name = p->head.fields[i].name,
			   value = p->head.fields[i].value;

		if (str_ieqz(name, "content-length")) {
			if (!str_num(value, LENGTH_MAX, &n))
				return REFUSE(p, 400,
					      "bad Content-Length \"%.*s\"",
					      (int)(value.n < 40 ? value.n : 40),
					      value.p);
			if (p->has_length && p->length != n)
				return REFUSE(p, 400,
					      "two Content-Lengths that disagree");
			p->has_length = true;
			p->length = n;
		} else if (str_ieqz(name, "transfer-encoding")) {
			if (p->chunked || !str_ieqz(value, "chunked"))
				return REFUSE(p, 501,
					      "transfer coding \"%.*s\" is not known",
					      (int)(value.n < 40 ? value.n : 40),
					      value.p);
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
	if (p->head.raw.cap != p->cap_at_line && index_head(p) < 0)
		return -1;
	if (!p->request && p->head.status == 101 && p->upgrade) {
		p->until_close = true;
		p->state = AT_BODY_TO_CLOSE;
		return 1;
	}
	if (!p->request && p->head.status < 200) {
		if (p->head.status == 101)
			return REFUSE(p, 400,
				      "answer 101 to what did not ask for another "
				      "protocol");
		if (++p->interim > INTERIM_MAX)
			return REFUSE(p, 400, "more than %u interim answers",
				      INTERIM_MAX);
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
	p->keep_alive = !p->until_close &&
			!http_field_has(&p->head, "connection", "close") &&
			(p->head.minor > 0 ||
			 http_field_has(&p->head, "connection", "keep-alive"));
	p->left = p->has_length ? p->length : 0;
	p->state = p->chunked	  ? AT_CHUNK_SIZE :
		   p->until_close ? AT_BODY_TO_CLOSE :
		   p->left > 0	  ? AT_BODY :
				    AT_END;
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
			/* its memory only ever grows, so this tells a move */
			if (p->line_at == 0)
				p->cap_at_line = raw->cap;
			if (head_line(p, line) < 0)
				goto partial;
			p->line_at = raw->n;
			continue;
		}
		if (p->line_at > 0) {
			if ((rc = finish_head(p)) != 0)
				return rc;
			continue;
		}
		if (!p->request || ++p->blank > BLANK_MAX)
			return REFUSE(
				p, 400,
				"an empty line where the start line should be");
		buf_reset(raw);
	}
partial:
	/* nobody sees slices of what may still move */
	forget_slices(&p->head);
	p->cap_at_line = 0;
	return rc > 0 ? -1 : rc;
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
	if ((s.n > 0 && s.p[0] != ';') || !http_text_ok(line))
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

static enum http_event take_body(struct http_parser *p, struct str *in,
				 struct str *body)
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

enum http_event http_parse(struct http_parser *p, struct str *in,
			   struct str *body, struct err *e)
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
			return err_set(e, ERR_NET,
				       "the connection was closed before the %s",
				       what);
		REFUSE(p, 400, "the %s ended early, in its header", what);
		break;
	case AT_BODY:
		REFUSE(p, 400,
		       "the %s ended early: %llu of %llu bytes are missing",
		       what, (unsigned long long)p->left,
		       (unsigned long long)p->length);
		break;
	default:
		REFUSE(p, 400, "the %s ended early, before its last chunk", what);
	}
	broken(p, e);
	return -1;
}
